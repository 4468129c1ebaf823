//! Lines to a syslog daemon (RFC 5424), one datagram each, by a Unix socket or UDP.

use std::io::{self, Write as _};
use std::net::UdpSocket;
use std::os::unix::net::UnixDatagram;
use std::time::{Duration, SystemTime};

use super::time;
use crate::config::model::SyslogTarget;

/// "Informational".
const SEVERITY: u8 = 6;
/// How long a full socket is waited for.
const PATIENCE: Duration = Duration::from_secs(1);

pub(super) struct Syslog {
    target: SyslogTarget,
    facility: u8,
    socket: Socket,
    host: String,
    message: Vec<u8>,
}

enum Socket {
    Unix(UnixDatagram),
    Udp(UdpSocket),
}

impl Syslog {
    pub fn open(target: &SyslogTarget, facility: u8) -> io::Result<Self> {
        let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
        let is_plain = !name.trim().is_empty() && name.trim().bytes().all(|byte| byte.is_ascii_graphic());
        let host = if is_plain { name.trim().to_owned() } else { "-".to_owned() };
        Ok(Self { target: target.clone(), facility, socket: connect(target)?, host, message: Vec::new() })
    }

    pub fn write(&mut self, lines: &[u8]) -> io::Result<()> {
        let mut result = Ok(());
        for line in lines.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
            self.message.clear();
            let _ = write!(self.message, "<{}>1 ", self.facility * 8 + SEVERITY);
            time::rfc3339(SystemTime::now(), &mut self.message);
            let _ = write!(self.message, " {} sluice {} access - ", self.host, std::process::id());
            self.message.extend_from_slice(line);
            if let Err(error) = self.send() {
                // The daemon may have been restarted.
                result = self.reopen().and_then(|()| self.send()).and(result).map_err(|_| error);
            }
        }
        result
    }

    pub fn reopen(&mut self) -> io::Result<()> {
        self.socket = connect(&self.target)?;
        Ok(())
    }

    fn send(&self) -> io::Result<()> {
        match &self.socket {
            Socket::Unix(socket) => socket.send(&self.message),
            Socket::Udp(socket) => socket.send(&self.message),
        }
        .map(drop)
    }
}

fn connect(target: &SyslogTarget) -> io::Result<Socket> {
    match target {
        SyslogTarget::Unix(path) => {
            let socket = UnixDatagram::unbound()?;
            socket.set_write_timeout(Some(PATIENCE))?;
            socket.connect(path)?;
            Ok(Socket::Unix(socket))
        }
        SyslogTarget::Udp(address) => {
            let any: std::net::IpAddr =
                if address.is_ipv4() { [0, 0, 0, 0].into() } else { std::net::Ipv6Addr::UNSPECIFIED.into() };
            let socket = UdpSocket::bind((any, 0))?;
            socket.set_write_timeout(Some(PATIENCE))?;
            socket.connect(address)?;
            Ok(Socket::Udp(socket))
        }
    }
}
