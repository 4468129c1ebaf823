//! Who may ask: the `Host` has to be one of the API's own names, a token or a client certificate has to be shown, where
//! there is either, and a web page that asks for a change has to be the API's own. Nothing is changed without one of
//! both. Pure.
//!
//! The configuration that serves may have another `[admin]` than the socket was bound for, which only a restart moves:
//! a socket that it leaves unguarded tells nothing any more.
//!
//! The token is never a cookie, so that no page of another origin can have a browser send it.

use std::net::SocketAddr;

use http::{HeaderMap, HeaderValue, Method, StatusCode, header};

use super::answer::{Answer, problem};
use super::dashboard;
use crate::config::model::Admin;

/// Why a request is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refused {
    /// `Host` isn't one of ours, or there are several, or none.
    Host,
    /// No token, or a wrong one.
    Token,
    /// No certificate that counts, and there is no token that could stand in for it.
    Certificate,
    /// The connection isn't encrypted, or is, other than the configuration has it now.
    Encryption,
    /// A web page of another origin asks for a change.
    Origin,
    /// A change is asked for, and nothing is configured that could allow it.
    ReadOnly,
    /// The configuration has no `[admin]` any more, or no token for a socket that others than this machine reach.
    Unguarded,
}

impl Refused {
    /// As metrics have it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Host => "host",
            Self::Token => "token",
            Self::Certificate => "certificate",
            Self::Encryption => "encryption",
            Self::Origin => "origin",
            Self::ReadOnly => "read-only",
            Self::Unguarded => "unguarded",
        }
    }

    pub fn answer(self) -> Answer {
        match self {
            Self::Host => problem(
                StatusCode::MISDIRECTED_REQUEST,
                "Host is none of the names of this API; add it to admin.hosts if it should be",
            ),
            Self::Origin => problem(StatusCode::FORBIDDEN, "only the dashboard's own page may ask for changes"),
            Self::ReadOnly => problem(
                StatusCode::FORBIDDEN,
                "nothing can be changed without a token or a client certificate; set admin.token or admin.tls.client_ca in \
                 the configuration",
            ),
            Self::Certificate => problem(
                StatusCode::FORBIDDEN,
                "show a certificate that an authority of admin.tls.client_ca vouches for",
            ),
            Self::Encryption => {
                let mut answer = problem(
                    StatusCode::MISDIRECTED_REQUEST,
                    "admin.tls has changed since this connection began; connect again",
                );
                answer.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
                answer
            }
            Self::Unguarded => problem(
                StatusCode::FORBIDDEN,
                "the configuration has no [admin] for this address any more, or no token; a restart takes it up",
            ),
            Self::Token => {
                let mut answer = problem(StatusCode::UNAUTHORIZED, "send the token as Authorization: Bearer TOKEN");
                let challenge = HeaderValue::from_static("Bearer realm=\"sluice admin\"");
                answer.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
                answer
            }
        }
    }
}

/// What a connection has to say for its requests.
#[derive(Debug, Clone, Copy)]
pub struct Standing {
    /// Where it came in.
    pub local: SocketAddr,
    pub encrypted: bool,
    /// It has shown a certificate that counts.
    pub vouched: bool,
}

/// Check a request for `path`, by the `[admin]` that serves.
pub fn check(
    admin: Option<&Admin>,
    standing: Standing,
    method: &Method,
    path: &str,
    headers: &HeaderMap,
) -> Result<(), Refused> {
    // Probes of an orchestrator carry no secrets, and learn one bit.
    let is_probe = path == "/healthz" || path == "/readyz";
    let Some(admin) = admin else { return if is_probe { Ok(()) } else { Err(Refused::Unguarded) } };
    if !is_own_host(admin, standing, headers) {
        return Err(Refused::Host);
    }
    // The page asks for the token itself.
    let is_open = is_probe || dashboard::is_part(path);
    let is_known = || standing.vouched || admin.token.as_ref().is_some_and(|token| has_token(headers, token.reveal()));
    if !is_open && !is_known() {
        match (&admin.token, admin.is_guarded()) {
            (Some(_), _) => return Err(Refused::Token),
            (None, true) => return Err(Refused::Certificate),
            (None, false) if !standing.local.ip().to_canonical().is_loopback() => return Err(Refused::Unguarded),
            (None, false) => {}
        }
    }
    if method != Method::GET && method != Method::HEAD && !is_same_origin(headers) {
        return Err(Refused::Origin);
    }
    Ok(())
}

/// Whether a request that has been let in may change anything: whoever does has shown a token or a certificate. Without
/// either, any program on this machine could.
pub fn may_change(admin: Option<&Admin>) -> Result<(), Refused> {
    if admin.is_some_and(Admin::is_guarded) { Ok(()) } else { Err(Refused::ReadOnly) }
}

/// Check a request for metrics at the address for probes, which asks for nothing but a name of its own.
pub fn check_metrics(admin: Option<&Admin>, standing: Standing, headers: &HeaderMap) -> Result<(), Refused> {
    match admin {
        Some(admin) if is_own_host(admin, standing, headers) => Ok(()),
        Some(_) => Err(Refused::Host),
        None => Err(Refused::Unguarded),
    }
}

/// Whether a request comes from a page of this very host, or from no page at all: browsers name the origin
/// with every request that isn't `GET` or `HEAD` (Fetch Standard, section 3.2), other clients never.
fn is_same_origin(headers: &HeaderMap) -> bool {
    let site = headers.get("sec-fetch-site").map(HeaderValue::as_bytes);
    if site.is_some_and(|site| site != b"same-origin" && site != b"none") {
        return false;
    }
    let mut origins = headers.get_all(header::ORIGIN).iter();
    let (origin, more) = (origins.next(), origins.next());
    let Some(origin) = origin else { return true };
    let authority = origin.to_str().ok().and_then(|origin| Some(origin.split_once("://")?.1));
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok());
    // A proxy that ends TLS may stand between, so that the scheme says nothing.
    more.is_none() && authority.is_some_and(|authority| host.is_some_and(|host| host.eq_ignore_ascii_case(authority)))
}

fn is_own_host(admin: &Admin, standing: Standing, headers: &HeaderMap) -> bool {
    let local = standing.local;
    let mut hosts = headers.get_all(header::HOST).iter();
    let (Some(host), None) = (hosts.next(), hosts.next()) else { return false };
    let Ok(host) = host.to_str() else { return false };
    let (name, port) = split(host);
    if admin.hosts.iter().any(|own| own.eq_ignore_ascii_case(host) || own.eq_ignore_ascii_case(name)) {
        return true;
    }
    // The scheme's own isn't written.
    let usual = if standing.encrypted { 443 } else { 80 };
    let port = port.map_or(Some(usual), |port| port.parse().ok());
    if port != Some(local.port()) {
        return false;
    }
    let address = name.strip_prefix('[').and_then(|name| name.strip_suffix(']')).unwrap_or(name);
    match address.parse::<std::net::IpAddr>() {
        // A name can be made to resolve to anything, but nobody can make an address a name.
        Ok(address) => {
            let address = address.to_canonical();
            address == local.ip().to_canonical()
                || address == admin.address.ip().to_canonical()
                || address.is_loopback()
        }
        Err(_) => name.eq_ignore_ascii_case("localhost"),
    }
}

/// Host and port of an authority; the brackets of an IPv6 address stay.
fn split(host: &str) -> (&str, Option<&str>) {
    match host.rsplit_once(':') {
        Some((name, port)) if !port.contains(']') => (name, Some(port)),
        _ => (host, None),
    }
}

fn has_token(headers: &HeaderMap, token: &str) -> bool {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let (Some(value), None) = (values.next(), values.next()) else { return false };
    let sent = value.as_bytes();
    let Some((scheme, sent)) = sent.split_at_checked(7) else { return false };
    scheme.eq_ignore_ascii_case(b"bearer ") && same(sent.trim_ascii(), token.as_bytes())
}

/// Compare in a time that depends on the lengths alone.
fn same(sent: &[u8], token: &[u8]) -> bool {
    let differs = sent.iter().zip(token).fold(0, |all, (a, b)| all | (a ^ b));
    std::hint::black_box(differs) == 0 && sent.len() == token.len()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::model::{Certificates, ClientCertificates, Secret, Tls, Versions};

    fn admin(token: Option<&str>) -> Admin {
        Admin {
            address: "127.0.0.1:9901".parse().unwrap(),
            hosts: vec!["admin.example.com".into()],
            token: token.map(Secret::new),
            tls: None,
            probes: None,
            place: "sluice.toml:1".into(),
        }
    }

    fn at(local: &str) -> Standing {
        Standing { local: local.parse().unwrap(), encrypted: false, vouched: false }
    }

    /// With TLS that asks for certificates.
    fn asking(token: Option<&str>) -> Admin {
        let client = Some(ClientCertificates { authorities: "ca.pem".into(), required: false });
        let tls = Tls {
            certificates: Certificates::SelfSigned(Vec::new()),
            client,
            versions: Versions::default(),
            is_http: false,
            place: "sluice.toml:2".into(),
        };
        Admin { tls: Some(tls), ..admin(token) }
    }

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(*name, HeaderValue::from_str(value).unwrap());
        }
        headers
    }

    fn with_host(host: &str) -> Result<(), Refused> {
        check(Some(&admin(None)), at("127.0.0.1:9901"), &Method::GET, "/metrics", &headers(&[("host", host)]))
    }

    #[test]
    fn only_its_own_names_are_answered() {
        for own in [
            "127.0.0.1:9901",
            "localhost:9901",
            "LOCALHOST:9901",
            "[::1]:9901",
            "admin.example.com",
            "Admin.Example.com:80",
        ] {
            assert_eq!(with_host(own), Ok(()), "{own}");
        }
        for other in ["evil.example:9901", "localhost", "127.0.0.1", "localhost:9902", "192.0.2.1:9901", "", "[::1]"] {
            assert_eq!(with_host(other), Err(Refused::Host), "{other}");
        }
        let two = headers(&[("host", "localhost:9901"), ("host", "evil.example")]);
        let local = at("127.0.0.1:9901");
        assert_eq!(check(Some(&admin(None)), local, &Method::GET, "/metrics", &two), Err(Refused::Host));
        assert_eq!(check(Some(&admin(None)), local, &Method::GET, "/metrics", &HeaderMap::new()), Err(Refused::Host));
    }

    #[test]
    fn the_address_that_it_was_reached_at_is_its_own() {
        let everywhere = Admin { address: "0.0.0.0:9901".parse().unwrap(), ..admin(Some("secret")) };
        let local = at("10.0.0.5:9901");
        let headers = headers(&[("host", "10.0.0.5:9901"), ("authorization", "Bearer secret")]);
        assert_eq!(check(Some(&everywhere), local, &Method::GET, "/metrics", &headers), Ok(()));
    }

    #[test]
    fn what_the_configuration_does_not_guard_any_more_tells_nothing() {
        let ask = |admin: Option<&Admin>, local: &str, path: &str| {
            let headers = headers(&[("host", local), ("authorization", "Bearer secret")]);
            check(admin, at(local), &Method::GET, path, &headers)
        };
        let without = admin(None);
        for (admin, local) in [(None, "127.0.0.1:9901"), (Some(&without), "10.0.0.5:9901")] {
            assert_eq!(ask(admin, local, "/metrics"), Err(Refused::Unguarded), "{local}");
            assert_eq!(ask(admin, local, "/api/v1/status"), Err(Refused::Unguarded), "{local}");
            assert_eq!(ask(admin, local, "/healthz"), Ok(()), "{local}");
            assert_eq!(may_change(admin), Err(Refused::ReadOnly));
        }
    }

    #[test]
    fn the_token_is_asked_for_except_by_probes() {
        let local = at("127.0.0.1:9901");
        let ask = |path: &str, authorization: &str| {
            let headers = headers(&[("host", "127.0.0.1:9901"), ("authorization", authorization)]);
            check(Some(&admin(Some("secret"))), local, &Method::GET, path, &headers)
        };
        for good in ["Bearer secret", "bearer secret", "Bearer  secret "] {
            assert_eq!(ask("/metrics", good), Ok(()), "{good}");
        }
        for bad in ["Bearer secre", "Bearer secrets", "Bearer ", "Bearer", "Basic secret", "secret", ""] {
            assert_eq!(ask("/metrics", bad), Err(Refused::Token), "{bad}");
        }
        assert_eq!(ask("/healthz", ""), Ok(()));
        assert_eq!(ask("/readyz", ""), Ok(()));
        assert_eq!(ask("/readyz/", ""), Err(Refused::Token));
    }

    #[test]
    fn a_certificate_stands_in_for_the_token() {
        let ask = |admin: &Admin, vouched: bool, authorization: &str| {
            let headers = headers(&[("host", "127.0.0.1:9901"), ("authorization", authorization)]);
            let standing = Standing { encrypted: true, vouched, ..at("127.0.0.1:9901") };
            check(Some(admin), standing, &Method::POST, "/api/v1/reload", &headers)
        };
        let (both, alone) = (asking(Some("secret")), asking(None));
        assert_eq!(ask(&both, true, ""), Ok(()));
        assert_eq!(ask(&both, false, "Bearer secret"), Ok(()));
        assert_eq!(ask(&both, false, ""), Err(Refused::Token));
        assert_eq!(ask(&alone, true, ""), Ok(()));
        // Also on this machine.
        assert_eq!(ask(&alone, false, "Bearer secret"), Err(Refused::Certificate));
        assert_eq!((may_change(Some(&alone)), may_change(Some(&admin(None)))), (Ok(()), Err(Refused::ReadOnly)));
    }

    #[test]
    fn the_port_that_is_not_written_is_that_of_the_scheme() {
        let with = |encrypted: bool, local: &str| {
            let standing = Standing { encrypted, ..at(local) };
            check_metrics(Some(&admin(None)), standing, &headers(&[("host", "127.0.0.1")]))
        };
        assert_eq!((with(true, "127.0.0.1:443"), with(false, "127.0.0.1:80")), (Ok(()), Ok(())));
        assert_eq!(
            (with(true, "127.0.0.1:80"), with(false, "127.0.0.1:443")),
            (Err(Refused::Host), Err(Refused::Host))
        );
    }

    #[test]
    fn the_page_is_open_and_what_it_shows_is_not() {
        let local = at("127.0.0.1:9901");
        let ask = |path: &str| {
            check(Some(&admin(Some("secret"))), local, &Method::GET, path, &headers(&[("host", "127.0.0.1:9901")]))
        };
        assert_eq!((ask("/"), ask("/dashboard/main.js")), (Ok(()), Ok(())));
        for path in ["/api/v1/events", "/api/v1/status", "/dashboard/", "/dashboard/../metrics", "/metrics"] {
            assert_eq!(ask(path), Err(Refused::Token), "{path}");
        }
    }

    #[test]
    fn no_other_page_changes_anything() {
        let local = at("127.0.0.1:9901");
        let ask = |method: Method, more: &[(&'static str, &str)]| {
            let mut all = vec![("host", "localhost:9901")];
            all.extend_from_slice(more);
            check(Some(&admin(None)), local, &method, "/api/v1/reload", &headers(&all))
        };
        for good in [&[][..], &[("origin", "http://localhost:9901"), ("sec-fetch-site", "same-origin")]] {
            assert_eq!(ask(Method::POST, good), Ok(()), "{good:?}");
        }
        for bad in [
            &[("origin", "http://localhost:3000")][..],
            &[("origin", "null")],
            &[("origin", "http://evil.example")],
            &[("origin", "http://localhost:9901"), ("origin", "http://evil.example")],
            &[("origin", "http://localhost:9901"), ("sec-fetch-site", "cross-site")],
            &[("sec-fetch-site", "same-site")],
        ] {
            assert_eq!(ask(Method::POST, bad), Err(Refused::Origin), "{bad:?}");
            assert_eq!(ask(Method::PUT, bad), Err(Refused::Origin), "{bad:?}");
        }
    }
}
