//! Values that HTTP and the network define: addresses, hosts, methods, fields, codes. Pure: no name
//! is ever looked up.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;

use http::{HeaderName, HeaderValue, Method, StatusCode};
use ipnet::IpNet;

use super::document::Node;
use super::files::absolute;
use super::model::{Address, Config, HostPattern, IdentityFields};
use super::problem::{Fault, quote};
use super::values::{integer, string, text};
use crate::fields::is_gateway_owned;

/// An address to listen on. Port 0 lets the system choose.
pub(super) fn listen_address(node: Node<'_>) -> Result<SocketAddr, Fault> {
    let written = text(node, "an address such as \"127.0.0.1:8080\"", "write address and port in quotes")?;
    parse_address(written).ok_or_else(|| {
        let remedy = match written.strip_prefix(':').or_else(|| written.strip_prefix("*:")) {
            Some(port) => format!("write \"0.0.0.0:{port}\" for all addresses of the machine"),
            None if written.parse::<IpAddr>().is_ok() => "add a port, such as :8080; IPv6 needs brackets".to_owned(),
            None => "write an IP address and a port; IPv6 needs brackets: \"[::1]:8080\"".to_owned(),
        };
        Fault::new(format!("expected an address such as \"127.0.0.1:8080\", found {}", quote(written)), remedy)
    })
}

/// An address to connect to.
pub(super) fn endpoint_address(node: Node<'_>) -> Result<SocketAddr, Fault> {
    let written = text(node, "an address such as \"127.0.0.1:9001\"", "write address and port in quotes")?;
    let expected = || format!("expected an address such as \"127.0.0.1:9001\", found {}", quote(written));
    let Some(address) = parse_address(written) else {
        let (host, port) = written.rsplit_once(':').unwrap_or((written, ""));
        if written.contains("://") {
            return Err(Fault::new(expected(), "leave out the scheme and the path"));
        }
        if port.parse::<u16>().is_ok() && is_host_name(host) {
            let what = format!("expected an IP address, found the host name {}", quote(host));
            let remedy =
                format!("write discovery = {{ dns = {} }} instead of endpoints, or its IP address", quote(written));
            return Err(Fault::new(what, remedy));
        }
        let remedy = if written.parse::<IpAddr>().is_ok() || port.is_empty() {
            "add a port, such as :9001; IPv6 needs brackets"
        } else {
            "write an IP address and a port from 1 to 65535; IPv6 needs brackets: \"[::1]:9001\""
        };
        return Err(Fault::new(expected(), remedy));
    };
    if address.port() == 0 {
        return Err(Fault::new(expected(), "write a port from 1 to 65535"));
    }
    if address.ip().to_canonical().is_unspecified() || address.ip().is_multicast() {
        return Err(Fault::new(
            format!("{} is no address that can be connected to", quote(written)),
            "write the address of the machine that answers, such as 127.0.0.1",
        ));
    }
    Ok(address)
}

/// Where an endpoint is: an address to connect to, or `unix:` and the path of a socket, from `base` if it is relative.
pub(super) fn endpoint(node: Node<'_>, base: &Path) -> Result<Address, Fault> {
    match text(node, "an address such as \"127.0.0.1:9001\"", "write address and port in quotes")?.strip_prefix("unix:")
    {
        Some(path) => unix_socket(path, base),
        None => endpoint_address(node).map(Address::from),
    }
}

/// The longest path of a socket, in bytes (`sun_path` of `sockaddr_un`, without the zero at its end).
const LONGEST_SOCKET: usize = 107;

/// What stands behind `unix:`.
pub(super) fn unix_socket(path: &str, base: &Path) -> Result<Address, Fault> {
    if path.is_empty() || path.starts_with('@') || path.ends_with('/') || path.contains('\0') {
        let message = format!("expected the path of a Unix socket, found {}", quote(path));
        return Err(Fault::new(message, "write \"unix:/run/users.sock\""));
    }
    let whole = absolute(&base.join(path));
    let length = whole.as_os_str().len();
    if length > LONGEST_SOCKET {
        let message = format!("the path of a Unix socket has at most {LONGEST_SOCKET} bytes, this one {length}");
        return Err(Fault::new(message, "put the socket somewhere nearer to the root"));
    }
    Ok(Address::Unix(whole.into()))
}

/// `IP:port`, `[IPv6]:port` or `localhost:port`.
fn parse_address(written: &str) -> Option<SocketAddr> {
    match written.strip_prefix("localhost:") {
        // Not through `u16::from_str` alone, which takes a sign.
        Some(port) if port.bytes().all(|byte| byte.is_ascii_digit()) => {
            Some(SocketAddr::new(Ipv4Addr::LOCALHOST.into(), port.parse().ok()?))
        }
        _ => written.parse().ok(),
    }
}

/// A host whose addresses DNS tells, and a port.
pub(super) fn host_and_port(node: Node<'_>) -> Result<(Arc<str>, u16), Fault> {
    let written = text(node, "a host and a port such as \"orders.internal:8080\"", "write both in quotes")?;
    let parsed = written.rsplit_once(':').filter(|(host, _)| is_host_name(host.strip_suffix('.').unwrap_or(host)));
    let digits = |port: &&str| port.bytes().all(|byte| byte.is_ascii_digit());
    let port = parsed.and_then(|(_, port)| Some(port).filter(digits)?.parse().ok()).filter(|port| *port > 0);
    match (parsed, port) {
        (Some((host, _)), Some(port)) if host.parse::<Ipv4Addr>().is_err() => Ok((host.into(), port)),
        _ => {
            let remedy = match written.parse::<SocketAddr>() {
                Ok(_) => format!("write endpoints = [{}] instead of discovery", quote(written)),
                Err(_) => "write a host name and a port from 1 to 65535, without scheme and path".to_owned(),
            };
            let expected = "expected a host and a port such as \"orders.internal:8080\"";
            Err(Fault::new(format!("{expected}, found {}", quote(written)), remedy))
        }
    }
}

/// A service's name in DNS.
pub(super) fn service_name(node: Node<'_>) -> Result<Arc<str>, Fault> {
    let expected = "a service such as \"_http._tcp.example.com\"";
    let written = text(node, expected, "put its name in quotes")?;
    let name = written.strip_suffix('.').unwrap_or(written);
    if !is_host_name(name) || name.parse::<Ipv4Addr>().is_ok() {
        let remedy = "write the name of an SRV record, without port: each record has one of its own";
        return Err(Fault::new(format!("expected {expected}, found {}", quote(written)), remedy));
    }
    Ok(written.into())
}

/// Whether a connection to `target` ends at a socket that listens on `listening`.
pub(super) fn reaches(target: SocketAddr, listening: SocketAddr) -> bool {
    let (to, on) = (target.ip().to_canonical(), listening.ip().to_canonical());
    let covered = match on {
        IpAddr::V4(Ipv4Addr::UNSPECIFIED) => to.is_ipv4() && (to.is_loopback() || to.is_unspecified()),
        // Takes IPv4 as well on most systems.
        IpAddr::V6(Ipv6Addr::UNSPECIFIED) => to.is_loopback() || to.is_unspecified(),
        _ => to == on,
    };
    covered && target.port() == listening.port() && target.port() != 0
}

impl Config {
    /// Whether a connection to `target` ends at a listener of this configuration or at its admin API.
    pub fn is_own(&self, target: SocketAddr) -> bool {
        let listeners = self.listeners.iter().map(|listener| listener.address);
        let admin = self.admin.iter().flat_map(|admin| {
            [Some(admin.address), admin.probes.as_ref().map(|probes| probes.address)].into_iter().flatten()
        });
        listeners.chain(admin).any(|address| reaches(target, address))
    }
}

/// Whether two sockets can't listen on these addresses at once.
pub(super) fn collide(a: SocketAddr, b: SocketAddr) -> bool {
    let covers = |a: SocketAddr, b: SocketAddr| match a.ip() {
        // Takes IPv4 as well on most systems.
        IpAddr::V6(Ipv6Addr::UNSPECIFIED) => true,
        IpAddr::V4(Ipv4Addr::UNSPECIFIED) => b.is_ipv4(),
        ip => ip == b.ip(),
    };
    a.port() == b.port() && a.port() != 0 && (covers(a, b) || covers(b, a))
}

/// A network such as `10.0.0.0/8`, or one address.
pub(super) fn network(node: Node<'_>) -> Result<IpNet, Fault> {
    let written = text(node, "a network such as \"10.0.0.0/8\"", "put it in quotes")?;
    let alone = || written.parse::<IpAddr>().ok().map(IpNet::from);
    written.parse::<IpNet>().ok().or_else(alone).map(|network| network.trunc()).ok_or_else(|| {
        Fault::new(
            format!("expected a network such as \"10.0.0.0/8\", found {}", quote(written)),
            "write an IP address, or one with the length of its prefix",
        )
    })
}

/// Letters, digits, hyphens, underscores and dots, as host names are made of.
fn is_host_name(host: &str) -> bool {
    let label = |label: &str| {
        let inner = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        (1..=63).contains(&label.len()) && label.bytes().all(inner)
    };
    host.len() <= 253 && host.split('.').all(label)
}

/// A host name or IP literal without port, lower case, without trailing dot. `None` if it is neither.
fn canonical_host(written: &str) -> Option<String> {
    if let Some(inner) = written.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        return inner.parse::<Ipv6Addr>().ok().map(|address| format!("[{address}]"));
    }
    let host = written.strip_suffix('.').unwrap_or(written).to_ascii_lowercase();
    is_host_name(&host).then_some(host)
}

/// `match.host`: `example.com` or `*.example.com`.
pub(super) fn host_pattern(node: Node<'_>) -> Result<HostPattern, Fault> {
    host_pattern_text(text(node, "a host such as \"api.example.com\"", "put it in quotes")?)
}

/// The same, as a key of a table.
pub(super) fn host_pattern_text(written: &str) -> Result<HostPattern, Fault> {
    let (wild, host) = match written.strip_prefix("*.") {
        Some(rest) => (true, rest),
        None => (false, written),
    };
    if let Some(canonical) = canonical_host(host) {
        let address = canonical.starts_with('[') || canonical.parse::<Ipv4Addr>().is_ok();
        if !(wild && address) {
            return Ok(if wild { HostPattern::Wildcard(canonical) } else { HostPattern::Exact(canonical) });
        }
    }
    let without_port = host.rsplit_once(':').filter(|(_, port)| port.bytes().all(|byte| byte.is_ascii_digit()));
    let remedy = if written == "*" {
        "leave match.host out for any host".to_owned()
    } else if let Some((host, _)) = without_port.filter(|(host, _)| canonical_host(host).is_some()) {
        format!("write \"{}{host}\"; hosts are compared without port", if wild { "*." } else { "" })
    } else if !host.is_ascii() {
        "write the name in its ASCII form (xn--…)".to_owned()
    } else if written.contains('*') {
        "a wildcard stands for the first labels alone: \"*.example.com\"".to_owned()
    } else if host.parse::<Ipv6Addr>().is_ok() {
        format!("IPv6 needs brackets: \"[{host}]\"")
    } else {
        "write a host name, without scheme, port and path".to_owned()
    };
    Err(Fault::new(format!("expected a host such as \"api.example.com\", found {}", quote(written)), remedy))
}

/// A host as it stands in a `Host` field: with a port or without.
pub(super) fn authority<'a>(node: Node<'a>) -> Result<&'a str, Fault> {
    let written = text(node, "a host such as \"api.example.com\"", "put it in quotes")?;
    let is_port =
        |port: &str| port.bytes().all(|byte| byte.is_ascii_digit()) && port.parse::<u16>().is_ok_and(|port| port > 0);
    let host = written.rsplit_once(':').filter(|(_, port)| is_port(port)).map_or(written, |(host, _)| host);
    if canonical_host(host).is_some() {
        return Ok(written);
    }
    Err(Fault::new(
        format!("expected a host such as \"api.example.com\", found {}", quote(written)),
        "write a host name or address, with a port if need be, without scheme and path",
    ))
}

/// The value of a `Host` field.
pub(super) fn host_field(node: Node<'_>) -> Result<HeaderValue, Fault> {
    let written = authority(node)?;
    HeaderValue::from_str(written).map_err(|_| Fault::new("expected a host", "write a host name"))
}

/// A request method. Methods are case-sensitive (RFC 9110, section 9.1).
pub(super) fn method(node: Node<'_>) -> Result<Method, Fault> {
    let written = text(node, "a method such as \"GET\"", "put it in quotes")?;
    let upper = written.to_ascii_uppercase();
    let fault = |remedy: String| {
        Err(Fault::new(format!("expected a method such as \"GET\", found {}", quote(written)), remedy))
    };
    match Method::from_bytes(written.as_bytes()) {
        _ if written == "*" => fault("leave match.methods out for any method".to_owned()),
        Ok(method) if written == upper => Ok(method),
        Ok(_) => fault(format!("did you mean \"{upper}\"?")),
        Err(_) => {
            fault("write one of GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS, or a method of your own".to_owned())
        }
    }
}

/// The name of a header field, lower case.
pub(super) fn header_name(written: &str) -> Result<HeaderName, Fault> {
    HeaderName::from_bytes(written.as_bytes()).map_err(|_| {
        Fault::new(
            format!("expected the name of a header field, found {}", quote(written)),
            "field names are letters, digits and hyphens",
        )
    })
}

/// The value of a header field. Not shown in the message: it may be a credential.
pub(super) fn header_value(node: Node<'_>) -> Result<HeaderValue, Fault> {
    let written = string(node)?;
    let value = HeaderValue::from_str(written).ok().filter(|_| written.trim() == written);
    value.ok_or_else(|| {
        Fault::new(
            "expected a header value without control characters and outer blanks",
            "remove line breaks, other control characters and outer blanks",
        )
    })
}

/// A reader of status codes, within `least..=most`.
pub(super) fn status(least: u16, most: u16) -> impl Fn(Node<'_>) -> Result<StatusCode, Fault> {
    move |node| {
        let code = integer(node, least.into(), most.into())?;
        let code = u16::try_from(code).ok().and_then(|code| StatusCode::from_u16(code).ok());
        code.ok_or_else(|| Fault::new("expected a status code", format!("write a number from {least} to {most}")))
    }
}

/// A name in `Via`: an HTTP token (RFC 9110, section 5.6.2).
pub(super) fn token(node: Node<'_>) -> Result<Arc<str>, Fault> {
    let written = string(node)?;
    if HeaderName::from_bytes(written.as_bytes()).is_err() || written.len() > 64 {
        return Err(Fault::new(
            format!("expected a name of letters, digits and hyphens, found {}", quote(written)),
            "write a name such as \"edge-1\", of at most 64 characters",
        ));
    }
    Ok(written.into())
}

/// Refuses the fields that are the gateway's own.
pub(super) fn not_reserved(name: &HeaderName, what: &str) -> Result<(), Fault> {
    if is_gateway_owned(name, &IdentityFields::default()) {
        return Err(Fault::new(format!("the field \"{name}\" {what}; it is the gateway's own"), "name another field"));
    }
    Ok(())
}
