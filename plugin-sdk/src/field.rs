//! Header fields.

/// One header field. Names are lower case. Values are bytes: HTTP allows more than text in them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Field {
    /// In lower case.
    pub name: String,
    /// Without line breaks.
    pub value: Vec<u8>,
}

impl Field {
    /// A field; the name is made lower case.
    pub fn new(name: &str, value: impl Into<Vec<u8>>) -> Self {
        Self { name: name.to_ascii_lowercase(), value: value.into() }
    }

    /// Whether a field can have this name (RFC 9110, 5.6.2).
    pub fn is_name(name: &str) -> bool {
        !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte))
    }

    /// Whether the gateway writes this field itself and refuses it from plugins. Besides these it refuses the fields
    /// that are configured to carry an identity.
    pub fn is_gateway_owned(name: &str) -> bool {
        // Many servers take `_` for `-`.
        let alike = |own: &&str| {
            own.len() == name.len()
                && own
                    .bytes()
                    .zip(name.bytes())
                    .all(|(own, byte)| own == byte.to_ascii_lowercase() || own == b'-' && byte == b'_')
        };
        GATEWAY_OWNED.iter().any(alike)
    }
}

/// Framing, hop-by-hop and forwarding fields.
const GATEWAY_OWNED: [&str; 17] = [
    "connection",
    "content-length",
    "expect",
    "forwarded",
    "host",
    "http2-settings",
    "keep-alive",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "via",
    "cdn-loop",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-proto",
];

/// The first value of a field among `fields`; names compare without case.
pub(crate) fn first<'a>(fields: &'a [Field], name: &str) -> Option<&'a [u8]> {
    fields.iter().find(|field| field.name.eq_ignore_ascii_case(name)).map(|field| field.value.as_slice())
}

/// Whether a media type is JSON: `application/json`, or any type with the suffix `+json` (RFC 6839, 3.1).
pub(crate) fn is_json(content_type: &str) -> bool {
    let essence = content_type.split(';').next().unwrap_or_default().trim();
    essence.eq_ignore_ascii_case("application/json")
        || essence.len() > 5 && essence.get(essence.len() - 5..).is_some_and(|end| end.eq_ignore_ascii_case("+json"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_the_gateways_fields() {
        for name in ["Host", "content_length", "X-Forwarded_For"] {
            assert!(Field::is_gateway_owned(name), "{name}");
        }
        for name in ["hosts", "x-forwarded", "content.length"] {
            assert!(!Field::is_gateway_owned(name), "{name}");
        }
    }

    #[test]
    fn knows_json() {
        for yes in ["application/json", "Application/JSON; charset=utf-8", "application/problem+json", "x/y+JSON ;q=1"]
        {
            assert!(is_json(yes), "{yes}");
        }
        for no in ["text/plain", "application/jsonl", "", "+json", "text/html; x=+json"] {
            assert!(!is_json(no), "{no}");
        }
    }
}
