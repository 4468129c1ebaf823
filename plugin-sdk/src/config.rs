//! From the `config` table to the author's own struct. Errors name the key, never a string value, which
//! may be a secret.

use std::fmt;
use std::time::Duration;

use serde::de::{self, Deserialize, DeserializeOwned, Deserializer, Visitor};

use crate::{Error, Result};

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
    // By way of a value: one copy of the author's decoder in the component is enough.
    decode_part("", serde_json::from_str(json)?)
}

/// Decode a part of the configuration that was taken as it is, since its form isn't known beforehand or
/// its keys are secrets. `at` is the key under which it stands.
///
/// # Errors
/// Which key is wrong, and what it should be.
pub fn decode_part<T: DeserializeOwned>(at: &str, part: serde_json::Value) -> Result<T> {
    serde_path_to_error::deserialize(part).map_err(|error| {
        let below = error.path().to_string();
        let message = without_value(&error.inner().to_string());
        match (at, below.as_str()) {
            ("", ".") => Error::new(message),
            ("", below) => Error::at(below, message),
            (at, ".") => Error::at(at, message),
            (at, below) if below.starts_with('[') => Error::at(format_args!("{at}{below}"), message),
            (at, below) => Error::at(format_args!("{at}.{below}"), message),
        }
    })
}

/// `invalid type: string "…", expected a number` without what is quoted.
fn without_value(message: &str) -> String {
    let found = message.strip_prefix("invalid ").and_then(|rest| rest.split_once(": ")).and_then(|(kind, rest)| {
        let (value, expected) = rest.split_at(rest.rfind(", expected ")?);
        let value = match value.split([' ', '`', '"']).next()? {
            "string" => "a string",
            "integer" => "an integer",
            "floating" => "a number",
            "boolean" => "a boolean",
            "character" => "a character",
            _ => return None,
        };
        Some(format!("invalid {kind}: {value}{expected}"))
    });
    found.unwrap_or_else(|| message.to_owned())
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
        assert_eq!(refusal(serde_json::json!(7)), "keys: invalid type: an integer, expected a sequence");
        assert_eq!(refusal(serde_json::json!([{}])), "keys[0]: missing field `rate`");
    }

    fn refusal(json: &str) -> String {
        decode::<Config>(json).unwrap_err().to_string()
    }

    #[test]
    fn errors_name_the_key() {
        assert_eq!(
            refusal(r#"{"limits":[{"rate":1,"per":"1s"},{"rate":"x","per":"1s"}]}"#),
            "limits[1].rate: invalid type: a string, expected u64"
        );
        assert_eq!(refusal(r#"{"limits":[{"per":"1s"}]}"#), "limits[0]: missing field `rate`");
        assert_eq!(refusal(r#"{"limit":[]}"#), "limit: unknown field `limit`, expected `limits` or `names`");
        assert_eq!(refusal("[1]"), "[0]: invalid type: an integer, expected a sequence");
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
            "limits[0].per: invalid value: a string, expected a time with its unit, like \"250ms\", \"30s\" or \"5m\""
        );
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
