//! The gateway's name in `Via` (RFC 9110, section 7.6.3) and `CDN-Loop` (RFC 8586).

use http::Version;
use http::header::{self, HeaderMap, HeaderName, HeaderValue, InvalidHeaderValue};

use super::list::{append, members};

const CDN_LOOP: HeaderName = HeaderName::from_static("cdn-loop");

/// A name with the values made of it, so that a request costs no formatting.
#[derive(Debug, Clone)]
pub struct Pseudonym {
    name: HeaderValue,
    via_1_0: HeaderValue,
    via_1_1: HeaderValue,
    via_2: HeaderValue,
}

impl Pseudonym {
    /// # Errors
    /// `name`, which should be a token, can't even stand in a field.
    pub fn new(name: &str) -> Result<Self, InvalidHeaderValue> {
        let via = |version: &str| HeaderValue::try_from(format!("{version} {name}"));
        Ok(Self { name: HeaderValue::from_str(name)?, via_1_0: via("1.0")?, via_1_1: via("1.1")?, via_2: via("2")? })
    }

    /// Add this gateway to `Via`. `version` is that of the message as it was received.
    pub fn append_via(&self, headers: &mut HeaderMap, version: Version) {
        let value = match version {
            Version::HTTP_09 | Version::HTTP_10 => &self.via_1_0,
            Version::HTTP_2 => &self.via_2,
            _ => &self.via_1_1,
        };
        append(headers, &header::VIA, value.clone());
    }

    /// Whether a request has been here before, as its `CDN-Loop` says. Parameters don't count.
    pub fn is_in_cdn_loop(&self, headers: &HeaderMap) -> bool {
        headers.get_all(CDN_LOOP).iter().flat_map(members).any(|member| {
            let id = member.split(|byte| *byte == b';').next().unwrap_or_default();
            id.trim_ascii_end().eq_ignore_ascii_case(self.name.as_bytes())
        })
    }

    /// Add this gateway to `CDN-Loop`.
    pub fn append_cdn_loop(&self, headers: &mut HeaderMap) {
        append(headers, &CDN_LOOP, self.name.clone());
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{heads, map};
    use super::*;

    #[test]
    fn via_is_continued_with_the_received_version() {
        let name = Pseudonym::new("sluice").unwrap();
        let mut headers = map(&[("via", "1.0 fred")]);
        for version in [Version::HTTP_2, Version::HTTP_11, Version::HTTP_10] {
            name.append_via(&mut headers, version);
        }
        assert_eq!(heads(&headers), ["via: 1.0 fred, 2 sluice, 1.1 sluice, 1.0 sluice"]);
    }

    #[test]
    fn loops_are_seen() {
        let name = Pseudonym::new("edge-1").unwrap();
        let looped = |value| name.is_in_cdn_loop(&map(&[("cdn-loop", "other"), ("cdn-loop", value)]));
        assert!(looped("edge-1") && looped("a, EDGE-1 ; v=1") && looped("a;x=\"b, edge-1"));
        assert!(!looped("edge-10") && !looped("edge-1.example") && !looped("a;edge-1"));
        let mut headers = map(&[("cdn-loop", "\"never closed")]);
        name.append_cdn_loop(&mut headers);
        assert_eq!(heads(&headers), ["cdn-loop: \"never closed, edge-1"]);
        assert!(name.is_in_cdn_loop(&headers));
    }

    #[test]
    fn names_with_line_breaks_are_refused() {
        assert!(Pseudonym::new("a\r\nb: c").is_err());
    }
}
