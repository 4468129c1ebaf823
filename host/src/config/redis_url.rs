//! Where Redis is, as a URL: `redis://[[USER]:PASSWORD@]HOST[:PORT][/DATABASE]`, the same with `rediss://` for TLS, or
//! `unix:///PATH[?db=DATABASE]`. Pure. What is wrong is said without quoting anything, since a URL may hold a password.

use std::path::PathBuf;

use super::model::RedisAddress;

/// Redis' own.
const PORT: u16 = 6379;

/// What a URL says. What it doesn't say is `None`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct RedisUrl {
    pub address: RedisAddress,
    pub tls: bool,
    pub username: Option<String>,
    pub password: Option<String>,
    pub database: Option<u32>,
}

/// What is wrong with a URL; the part is named, and never shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum UrlError {
    #[error("expected a URL that begins with redis://, rediss:// or unix://")]
    Scheme,
    #[error("the URL's host is missing or malformed")]
    Host,
    #[error("the URL's port isn't a number from 1 to 65535")]
    Port,
    #[error("the URL's database isn't a number")]
    Database,
    #[error("the URL's user name or password isn't well encoded: write % as %25, @ as %40, / as %2F")]
    Encoding,
    #[error("the URL has parts that mean nothing here")]
    Surplus,
}

pub(super) fn parse(url: &str) -> Result<RedisUrl, UrlError> {
    if let Some(rest) = url.strip_prefix("unix://") {
        return unix(rest);
    }
    let (rest, tls) = match url.strip_prefix("rediss://") {
        Some(rest) => (rest, true),
        None => (url.strip_prefix("redis://").ok_or(UrlError::Scheme)?, false),
    };
    if rest.contains(['?', '#']) {
        return Err(UrlError::Surplus);
    }
    let (authority, database) = rest.split_once('/').map_or((rest, ""), |(authority, path)| (authority, path));
    let database = if database.is_empty() { None } else { Some(number(database)?) };
    let (user, place) = match authority.rsplit_once('@') {
        Some((user, place)) => (Some(user), place),
        None => (None, authority),
    };
    let (username, password) = match user.map(|user| user.split_once(':').unwrap_or((user, ""))) {
        Some((name, password)) => (decode(name)?, decode(password)?),
        None => (None, None),
    };
    let (host, port) = host_and_port(place)?;
    Ok(RedisUrl { address: RedisAddress::Tcp { host, port }, tls, username, password, database })
}

fn unix(rest: &str) -> Result<RedisUrl, UrlError> {
    let (path, query) = rest.split_once('?').map_or((rest, None), |(path, query)| (path, Some(query)));
    if path.is_empty() || path.contains(['\0', '#']) {
        return Err(UrlError::Host);
    }
    let database = match query {
        Some(query) => Some(number(query.strip_prefix("db=").ok_or(UrlError::Surplus)?)?),
        None => None,
    };
    let address = RedisAddress::Unix(PathBuf::from(path));
    Ok(RedisUrl { address, tls: false, username: None, password: None, database })
}

fn number(text: &str) -> Result<u32, UrlError> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|number| digits && *number <= 1 << 20).ok_or(UrlError::Database)
}

fn host_and_port(place: &str) -> Result<(String, u16), UrlError> {
    let (host, port) = match place.strip_prefix('[') {
        Some(rest) => {
            let (host, port) = rest.split_once(']').ok_or(UrlError::Host)?;
            host.parse::<std::net::Ipv6Addr>().map_err(|_| UrlError::Host)?;
            let port = if port.is_empty() { None } else { Some(port.strip_prefix(':').ok_or(UrlError::Host)?) };
            (host, port)
        }
        None => place.split_once(':').map_or((place, None), |(host, port)| (host, Some(port))),
    };
    let known = |byte: u8| byte.is_ascii_alphanumeric() || b"-._:".contains(&byte);
    if host.is_empty() || host.len() > 253 || !host.bytes().all(known) {
        return Err(UrlError::Host);
    }
    let digits = |port: &&str| port.bytes().all(|byte| byte.is_ascii_digit());
    let port = match port {
        None => PORT,
        Some(port) => {
            let number = Some(port).filter(digits).and_then(|port| port.parse().ok());
            number.filter(|port| *port > 0).ok_or(UrlError::Port)?
        }
    };
    Ok((host.to_owned(), port))
}

/// Without its `%` escapes; none if it is empty.
fn decode(text: &str) -> Result<Option<String>, UrlError> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let mut digit = || rest.next().and_then(|digit| char::from(digit).to_digit(16)).ok_or(UrlError::Encoding);
        let (high, low) = (digit()?, digit()?);
        bytes.push(u8::try_from(high * 16 + low).map_err(|_| UrlError::Encoding)?);
    }
    let text = String::from_utf8(bytes).map_err(|_| UrlError::Encoding)?;
    Ok(Some(text).filter(|text| !text.is_empty()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn tcp(url: &str) -> (String, Option<String>, Option<String>, Option<u32>) {
        let url = parse(url).unwrap();
        (url.address.to_string(), url.username, url.password, url.database)
    }

    #[test]
    fn urls_say_where_and_who() {
        let text = |text: &str| Some(text.to_owned());
        assert_eq!(tcp("redis://cache"), ("cache:6379".into(), None, None, None));
        assert_eq!(tcp("redis://:p%40ss@[::1]:7000/3"), ("[::1]:7000".into(), None, text("p@ss"), Some(3)));
        assert_eq!(tcp("redis://ada:x@10.0.0.1/"), ("10.0.0.1:6379".into(), text("ada"), text("x"), None));
        let unix = parse("unix:///run/redis.sock?db=2").unwrap();
        assert!(parse("rediss://a").unwrap().tls && !unix.tls);
        assert_eq!((unix.address, unix.database), (RedisAddress::Unix("/run/redis.sock".into()), Some(2)));
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (url, error) in [
            ("http://a", UrlError::Scheme),
            ("redis://", UrlError::Host),
            ("redis://a b", UrlError::Host),
            ("redis://[::1", UrlError::Host),
            ("redis://a:0", UrlError::Port),
            ("redis://a:+1", UrlError::Port),
            ("redis://a/x", UrlError::Database),
            ("redis://:%zz@a", UrlError::Encoding),
            ("redis://a?x=1", UrlError::Surplus),
            ("unix:///a?x=1", UrlError::Surplus),
            ("unix://", UrlError::Host),
        ] {
            assert_eq!(parse(url), Err(error), "{url}");
        }
    }

    proptest! {
        #[test]
        fn no_text_is_too_odd(text in ".{0,64}", scheme in prop::sample::select(vec!["", "redis://", "unix://"])) {
            let _ = parse(&format!("{scheme}{text}"));
        }

        #[test]
        fn what_is_encoded_comes_back(password in "[ -~]{1,24}", port in 1u16.., database in 0u32..16) {
            let encoded: String = password.bytes().map(|byte| format!("%{byte:02X}")).collect();
            let url = parse(&format!("redis://u:{encoded}@host:{port}/{database}")).unwrap();
            prop_assert_eq!(url.password, Some(password));
            prop_assert_eq!(url.address, RedisAddress::Tcp { host: "host".into(), port });
            prop_assert_eq!(url.database, Some(database));
        }
    }
}
