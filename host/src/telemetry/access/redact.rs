//! What never gets into a log: values of fields and query parameters that are secret by their name.

use std::borrow::Cow;

use http::{HeaderName, HeaderValue};

/// What stands in a value's place.
pub(super) const REDACTED: HeaderValue = HeaderValue::from_static("[redacted]");

const FIELDS: [&str; 11] = [
    "authorization",
    "proxy-authorization",
    "cookie",
    "set-cookie",
    "x-api-key",
    "api-key",
    "apikey",
    "x-auth-token",
    "x-csrf-token",
    "x-amz-security-token",
    "x-goog-iap-jwt-assertion",
];

const PARAMETERS: [&str; 16] = [
    "access_token",
    "api_key",
    "api-key",
    "apikey",
    "auth",
    "client_secret",
    "code",
    "id_token",
    "key",
    "password",
    "refresh_token",
    "secret",
    "sig",
    "signature",
    "token",
    "x-amz-signature",
];

/// Whether a field's value is secret whatever the configuration says.
pub fn is_secret_field(name: &HeaderName) -> bool {
    FIELDS.contains(&name.as_str())
}

/// A query with the values of parameters that are secret by their name, or named in `more`, left out.
pub(super) fn query<'a>(query: &'a str, more: &[Box<str>]) -> Cow<'a, str> {
    let is_secret = |parameter: &str| {
        let name = parameter.split_once('=').map_or(parameter, |(name, _)| name);
        let name = decoded(name);
        let is = |secret: &str| name.eq_ignore_ascii_case(secret);
        PARAMETERS.into_iter().any(is) || more.iter().any(|secret| is(secret))
    };
    if !query.split('&').any(is_secret) {
        return Cow::Borrowed(query);
    }
    let parts = query.split('&').map(|parameter| match parameter.split_once('=') {
        Some((name, _)) if is_secret(parameter) => Cow::Owned(format!("{name}=[redacted]")),
        _ => Cow::Borrowed(parameter),
    });
    Cow::Owned(parts.collect::<Vec<_>>().join("&"))
}

/// `%6Bey` is `key` to those who read it.
fn decoded(name: &str) -> Cow<'_, str> {
    if !name.contains('%') {
        return Cow::Borrowed(name);
    }
    let mut out = Vec::with_capacity(name.len());
    let mut rest = name.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let hex = after.get(..2).and_then(|hex| u8::from_str_radix(str::from_utf8(hex).ok()?, 16).ok());
        match (first, hex) {
            (b'%', Some(byte)) => {
                out.push(byte);
                rest = after.get(2..).unwrap_or_default();
            }
            _ => {
                out.push(*first);
                rest = after;
            }
        }
    }
    Cow::Owned(String::from_utf8_lossy(&out).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_in_queries_are_left_out_however_they_are_spelt() {
        let more = ["pin".into()];
        let shown = |text| query(text, &more).into_owned();
        assert_eq!(shown("a=1&Token=abc&b=2"), "a=1&Token=[redacted]&b=2");
        assert_eq!(shown("%6Bey=abc"), "%6Bey=[redacted]");
        assert_eq!(shown("pin=1&keys=2&token"), "pin=[redacted]&keys=2&token");
        assert_eq!(shown("a=%&b"), "a=%&b");
    }
}
