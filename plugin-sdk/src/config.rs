//! From the `config` table to the author's own struct. Errors name the key, never a string value, which
//! may be a secret.

mod node;

use std::fmt;
use std::time::Duration;

use serde::de::{self, Deserialize, DeserializeOwned, Deserializer, Visitor};

use crate::{Error, Result};

use node::Node;

/// The configuration of a plugin that takes none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Empty {}

/// A time with its unit, `"250ms"`, `"30s"`, `"5m"`, `"1h"` or `"1d"`, as it is written elsewhere in the gateway's configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span(pub Duration);

impl Span {
    fn parse(text: &str) -> Option<Self> {
        let digits = text.bytes().take_while(u8::is_ascii_digit).count();
        let (number, unit) = text.split_at_checked(digits)?;
        let unit: u64 = match unit {
            "ms" => 1,
            "s" => 1_000,
            "m" => 60_000,
            "h" => 3_600_000,
            "d" => 86_400_000,
            _ => return None,
        };
        Some(Self(Duration::from_millis(number.parse::<u64>().ok()?.checked_mul(unit)?)))
    }
}

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;
        impl Visitor<'_> for Text {
            type Value = Span;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a time with its unit, like \"250ms\", \"30s\" or \"5m\"")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Span, E> {
                Span::parse(text).ok_or_else(|| E::invalid_value(de::Unexpected::Str(text), &self))
            }
        }
        deserializer.deserialize_str(Text)
    }
}

/// Decode a plugin's configuration.
///
/// # Errors
/// Which key is wrong, and what it should be.
pub(crate) fn decode<T: DeserializeOwned>(json: &str) -> Result<T> {
    decode_part("", serde_json::from_str(json)?)
}

/// Decode a part of the configuration that was taken as it is, since its form isn't known beforehand or
/// its keys are secrets. `at` is the key under which it stands.
///
/// # Errors
/// Which key is wrong, and what it should be.
pub fn decode_part<T: DeserializeOwned>(at: &str, part: serde_json::Value) -> Result<T> {
    T::deserialize(Node(part)).map_err(|failure| Error::from(failure.below(at)))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[derive(Debug, serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Config {
        #[serde(default)]
        limits: Vec<Limit>,
        #[serde(default)]
        names: BTreeMap<String, u32>,
    }

    #[derive(Debug, serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Limit {
        rate: u64,
        per: Span,
    }

    #[test]
    fn decodes() {
        let config: Config = decode(r#"{"limits":[{"rate":1,"per":"1s"}],"names":{"a":7}}"#).unwrap();
        assert_eq!(config.limits.first().map(|limit| (limit.rate, limit.per.0.as_secs())), Some((1, 1)));
        assert_eq!(config.names.get("a"), Some(&7));
    }

    #[test]
    fn parts_name_the_whole_key() {
        let refusal = |part| decode_part::<Vec<Limit>>("keys", part).unwrap_err().to_string();
        assert_eq!(refusal(serde_json::json!(7)), "keys: must be a list, not a whole number");
        assert_eq!(refusal(serde_json::json!([{}])), "keys[0]: the key `rate` is missing");
    }

    fn refusal(json: &str) -> String {
        decode::<Config>(json).unwrap_err().to_string()
    }

    #[test]
    fn errors_name_the_key() {
        assert_eq!(
            refusal(r#"{"limits":[{"rate":1,"per":"1s"},{"rate":"x","per":"1s"}]}"#),
            "limits[1].rate: must be a whole number, 0 or more, not a string"
        );
        assert_eq!(refusal(r#"{"limits":[{"per":"1s"}]}"#), "limits[0]: the key `rate` is missing");
        assert_eq!(refusal(r#"{"limit":[]}"#), "there is no key `limit`; the keys are `limits`, `names`");
        assert_eq!(refusal("[1]"), "[0]: must be a list, not a whole number");
    }

    #[test]
    fn errors_keep_secrets() {
        for json in [
            r#"{"names":{"a":"hunter2 at line 1"}}"#,
            r#"{"names":"hunter2\", expected nothing, hunter2"}"#,
            r#"{"limits":[{"rate":1,"per":"hunter2"}]}"#,
        ] {
            assert!(!refusal(json).contains("hunter2"), "{}", refusal(json));
        }
        assert_eq!(
            refusal(r#"{"limits":[{"rate":1,"per":"1 year"}]}"#),
            "limits[0].per: must be a time with its unit, like \"250ms\", \"30s\" or \"5m\""
        );
    }

    #[test]
    fn variants_and_options_decode_too() {
        #[derive(Debug, PartialEq, serde::Deserialize)]
        #[serde(rename_all = "kebab-case")]
        enum Mode {
            Off,
            Limited { most: u8 },
            Named(Option<String>),
        }
        let mode = |json| decode::<Vec<Mode>>(json).map_err(|error| error.to_string());
        let all = mode(r#"["off", {"limited": {"most": 3}}, {"named": null}, {"named": "x"}]"#);
        assert_eq!(
            all.unwrap(),
            [Mode::Off, Mode::Limited { most: 3 }, Mode::Named(None), Mode::Named(Some("x".into()))]
        );
        assert_eq!(
            mode(r#"[{"limited": {"most": 300}}]"#).unwrap_err(),
            "[0].limited.most: must be a whole number within 0 and 255"
        );
        assert_eq!(mode(r#"["on"]"#).unwrap_err(), "[0]: must be one of `off`, `limited`, `named`");
        assert_eq!(mode("[7]").unwrap_err(), "[0]: must be a string, not a whole number");
    }

    #[test]
    fn spans_have_units() {
        for (text, millis) in [("250ms", 250), ("30s", 30_000), ("5m", 300_000), ("1h", 3_600_000), ("1d", 86_400_000)]
        {
            assert_eq!(Span::parse(text), Some(Span(Duration::from_millis(millis))), "{text}");
        }
        for text in ["", "5", "s", "-1s", "1.5s", "1 s", "99999999999999999999s", "18446744073709551615d", "1é"] {
            assert_eq!(Span::parse(text), None, "{text}");
        }
    }
}
