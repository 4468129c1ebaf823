//! `sluice healthcheck`: whether the gateway with this configuration serves, for containers without a shell. Asks
//! `/readyz` as an orchestrator would, and tells by the exit code.

use std::io::{Read as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use sluice::config::model::Config;

use super::{fail, print};

/// For connecting, and for each piece of the answer.
const PATIENCE: Duration = Duration::from_secs(2);
/// Bytes of an answer that are looked at.
const LONGEST: u64 = 4096;

pub fn healthcheck(path: &Path) -> ExitCode {
    let config = match sluice::config::load(path) {
        Ok(config) => config,
        Err(problems) => {
            problems.iter().for_each(|problem| eprintln!("{problem}"));
            return fail(format_args!("{}: the configuration can't be read", path.display()));
        }
    };
    let address = match address(&config) {
        Ok(address) => address,
        Err(reason) => return fail(format_args!("{}: {reason}", path.display())),
    };
    match ask(address) {
        Ok(true) => print("ready\n"),
        Ok(false) => fail(format_args!("the gateway at {address} isn't ready")),
        Err(error) => fail(format_args!("the gateway at {address} doesn't answer: {error}")),
    }
}

/// Where it can be asked: the address for probes, or the admin API if that doesn't encrypt.
fn address(config: &Config) -> Result<SocketAddr, &'static str> {
    let admin = config.admin.as_ref().ok_or("there is no [admin] to ask; add one with an address")?;
    let address = match (&admin.probes, &admin.tls) {
        (Some(probes), _) => probes.address,
        (None, None) => admin.address,
        (None, Some(_)) => return Err("[admin] encrypts; add probes = { address = \"127.0.0.1:9902\" } to it"),
    };
    if address.port() == 0 {
        return Err("the system chooses the port of [admin]; give it one");
    }
    Ok(SocketAddr::new(reachable(address.ip()), address.port()))
}

/// A server at all addresses is also at the machine's own.
fn reachable(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(own) if own.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(own) if own.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        own => own,
    }
}

/// Whether `/readyz` says yes.
fn ask(address: SocketAddr) -> std::io::Result<bool> {
    let mut stream = TcpStream::connect_timeout(&address, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    write!(stream, "GET /readyz HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n")?;
    let mut answer = Vec::new();
    stream.take(LONGEST).read_to_end(&mut answer)?;
    Ok(answer.starts_with(b"HTTP/1.1 200 "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_addresses_are_asked_at_the_machine_s_own() {
        for (address, asked) in [("0.0.0.0", "127.0.0.1"), ("::", "::1"), ("10.0.0.7", "10.0.0.7")] {
            assert_eq!(reachable(address.parse().unwrap()).to_string(), asked);
        }
    }
}
