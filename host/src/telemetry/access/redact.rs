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

/// Fields whose values are addresses, which may have secrets in their queries.
const ADDRESSES: [&str; 6] =
    ["referer", "location", "content-location", "x-original-url", "x-original-uri", "x-forwarded-uri"];

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

/// Whether a query parameter's value is secret whatever the configuration says. `name` is decoded.
pub fn is_secret_parameter(name: &str) -> bool {
    PARAMETERS.iter().any(|secret| name.eq_ignore_ascii_case(secret))
}

/// A field's value as it may be shown.
pub(super) fn field(name: &HeaderName, value: &HeaderValue, more: &[Box<str>]) -> HeaderValue {
    if is_secret_field(name) || more.iter().any(|secret| **secret == *name.as_str()) {
        return REDACTED;
    }
    if !ADDRESSES.contains(&name.as_str()) {
        return value.clone();
    }
    let Ok(text) = value.to_str() else { return REDACTED };
    match address(text, more) {
        Cow::Borrowed(_) => value.clone(),
        Cow::Owned(shown) => HeaderValue::from_str(&shown).unwrap_or(REDACTED),
    }
}

/// An address (RFC 3986) without the password before its host, and with query and fragment as [`query`] shows
/// them: answers of authorization servers come in fragments.
fn address<'a>(text: &'a str, more: &[Box<str>]) -> Cow<'a, str> {
    let (rest, fragment) = text.split_once('#').map_or((text, None), |(rest, fragment)| (rest, Some(fragment)));
    let (path, parameters) = rest.split_once('?').map_or((rest, None), |(path, query)| (path, Some(query)));
    let (query, fragment) = (parameters.map(|text| query(text, more)), fragment.map(|text| query(text, more)));
    let authority = path.split_once("://").map(|(scheme, rest)| (scheme, rest.split_once('/').unwrap_or((rest, ""))));
    let user = authority.and_then(|(scheme, (authority, rest))| Some((scheme, authority.rsplit_once('@')?.1, rest)));
    let is_same = |part: &Option<Cow<'_, str>>| !matches!(part, Some(Cow::Owned(_)));
    if user.is_none() && is_same(&query) && is_same(&fragment) {
        return Cow::Borrowed(text);
    }
    let mut shown = match user {
        Some((scheme, host, rest)) if authority.is_some_and(|(_, (_, path))| !path.is_empty()) => {
            format!("{scheme}://[redacted]@{host}/{rest}")
        }
        Some((scheme, host, _)) => format!("{scheme}://[redacted]@{host}"),
        None => path.to_owned(),
    };
    for (mark, part) in [('?', query), ('#', fragment)] {
        if let Some(part) = part {
            shown.push(mark);
            shown.push_str(&part);
        }
    }
    Cow::Owned(shown)
}

/// A query with the values of parameters that are secret by their name, or named in `more`, left out.
pub(super) fn query<'a>(query: &'a str, more: &[Box<str>]) -> Cow<'a, str> {
    let is_secret = |parameter: &str| {
        let name = parameter.split_once('=').map_or(parameter, |(name, _)| name);
        let name = decoded(name);
        is_secret_parameter(&name) || more.iter().any(|secret| name.eq_ignore_ascii_case(secret))
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

    #[test]
    fn secrets_in_addresses_are_left_out_too() {
        let more = ["pin".into()];
        let shown = |name: &'static str, text: &str| {
            let shown = field(&HeaderName::from_static(name), &HeaderValue::from_str(text).unwrap(), &more);
            shown.to_str().unwrap().to_owned()
        };
        for (address, expected) in [
            ("https://a.example/x?token=abc&b=1", "https://a.example/x?token=[redacted]&b=1"),
            ("/cb#access_token=abc&state=1", "/cb#access_token=[redacted]&state=1"),
            ("https://me:secret@a.example/x?pin=1#end", "https://[redacted]@a.example/x?pin=[redacted]#end"),
            ("https://me@a.example", "https://[redacted]@a.example"),
            ("https://a.example/@me?b=1", "https://a.example/@me?b=1"),
            ("not an address", "not an address"),
            ("", ""),
        ] {
            assert_eq!(shown("referer", address), expected);
            assert_eq!(shown("location", address), expected);
        }
        assert_eq!(shown("user-agent", "x?token=abc"), "x?token=abc");
        assert_eq!(shown("cookie", "a=b"), "[redacted]");
        assert_eq!(shown("pin", "1234"), "[redacted]");
    }
}
