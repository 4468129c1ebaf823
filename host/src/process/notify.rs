//! Tells systemd how the process is, as sd_notify(3) describes it: a few lines of text in a datagram. Without a
//! supervisor that wants to know, it does nothing; a message that can't be sent is no reason to do anything else.

use std::ffi::OsStr;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// Where messages go.
#[derive(Debug, Default)]
pub struct Notifier(Option<(UnixDatagram, SocketAddr)>);

impl Notifier {
    /// To whom the environment names in `NOTIFY_SOCKET`.
    pub fn from_environment() -> Self {
        std::env::var_os("NOTIFY_SOCKET").map_or_else(Self::default, |path| Self::to(&path))
    }

    /// To a path, or to an abstract name that is written with `@`.
    pub fn to(path: &OsStr) -> Self {
        let address = match path.as_bytes() {
            [b'@', name @ ..] => SocketAddr::from_abstract_name(name),
            _ => SocketAddr::from_pathname(path),
        };
        let open = || -> std::io::Result<_> {
            let socket = UnixDatagram::unbound()?;
            // A supervisor that doesn't read mustn't hold anything up.
            socket.set_nonblocking(true)?;
            Ok((socket, address?))
        };
        match open() {
            Ok(target) => Self(Some(target)),
            Err(error) => {
                tracing::warn!(%error, "can't reach the supervisor at NOTIFY_SOCKET");
                Self(None)
            }
        }
    }

    /// It serves from now on, or again.
    pub fn ready(&self, status: &str) {
        self.send(&format!("READY=1\nSTATUS={status}"));
    }

    /// It is looking at its configuration; [`Self::ready`] follows.
    pub fn reloading(&self) {
        let now = clock_gettime(ClockId::Monotonic);
        let microseconds = now.tv_sec.saturating_mul(1_000_000).saturating_add(now.tv_nsec / 1000);
        self.send(&format!("RELOADING=1\nMONOTONIC_USEC={microseconds}\nSTATUS=reloading"));
    }

    /// The end has begun.
    pub fn stopping(&self, status: &str) {
        self.send(&format!("STOPPING=1\nSTATUS={status}"));
    }

    /// Another process is the service from now on.
    pub fn main_process(&self, id: u32) {
        self.send(&format!("MAINPID={id}"));
    }

    /// It makes progress.
    pub fn alive(&self) {
        self.send("WATCHDOG=1");
    }

    fn send(&self, message: &str) {
        let Some((socket, address)) = &self.0 else { return };
        if let Err(error) = socket.send_to_addr(message.as_bytes(), address) {
            tracing::debug!(%error, "the supervisor wasn't told: {message}");
        }
    }
}

/// How often the supervisor wants to hear that the process makes progress; none if it doesn't want to.
pub fn watchdog() -> Option<Duration> {
    let variable = |name| std::env::var(name).ok();
    watchdog_of(std::process::id(), variable("WATCHDOG_PID"), variable("WATCHDOG_USEC"))
}

fn watchdog_of(own: u32, process: Option<String>, microseconds: Option<String>) -> Option<Duration> {
    let is_meant = process.is_none_or(|process| process.parse() == Ok(own));
    let microseconds = microseconds.and_then(|text| text.parse().ok()).filter(|count| *count > 0 && is_meant)?;
    Some(Duration::from_micros(microseconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heard(socket: &UnixDatagram) -> String {
        let mut buffer = [0; 500];
        let length = socket.recv(&mut buffer).unwrap();
        String::from_utf8(buffer[..length].to_vec()).unwrap()
    }

    #[test]
    fn messages_reach_a_path_and_an_abstract_name() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("notify");
        let socket = UnixDatagram::bind(&path).unwrap();
        let notifier = Notifier::to(path.as_os_str());
        notifier.ready("serves");
        assert_eq!(heard(&socket), "READY=1\nSTATUS=serves");
        notifier.main_process(7);
        assert_eq!(heard(&socket), "MAINPID=7");
        notifier.reloading();
        let text = heard(&socket);
        let moment = text.lines().find_map(|line| line.strip_prefix("MONOTONIC_USEC=")).unwrap();
        assert!(text.starts_with("RELOADING=1\n") && moment.parse::<u64>().unwrap() > 0, "{text}");

        let name = format!("sluice-test-{}", std::process::id());
        let socket = UnixDatagram::bind_addr(&SocketAddr::from_abstract_name(&name).unwrap()).unwrap();
        Notifier::to(OsStr::new(&format!("@{name}"))).alive();
        assert_eq!(heard(&socket), "WATCHDOG=1");
    }

    #[test]
    fn nobody_has_to_listen() {
        Notifier::to(OsStr::new("/nowhere/at/all")).ready("serves");
        Notifier::default().alive();
    }

    #[test]
    fn the_watchdog_is_for_one_process() {
        let text = |text: &str| Some(text.to_owned());
        assert_eq!(watchdog_of(7, text("7"), text("2000000")), Some(Duration::from_secs(2)));
        assert_eq!(watchdog_of(7, None, text("5")), Some(Duration::from_micros(5)));
        assert_eq!(watchdog_of(7, text("8"), text("2000000")), None);
        assert_eq!(watchdog_of(7, text("7"), text("0")), None);
        assert_eq!(watchdog_of(7, text("7"), None), None);
    }
}
