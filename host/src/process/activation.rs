//! Socket activation: listening sockets that systemd opened, as sd_listen_fds(3) describes it.

use std::net::TcpListener;
use std::os::fd::{FromRawFd as _, OwnedFd, RawFd};
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::net::sockopt;

use super::inherited::{Handed, Inherited, Role};

/// The first descriptor that is handed over.
const FIRST: RawFd = 3;

/// The sockets can't be taken over.
#[derive(Debug, thiserror::Error)]
pub enum ActivationError {
    #[error("LISTEN_FDS says that there are {0} sockets, and descriptor {1} isn't open: start the gateway by its unit")]
    Missing(RawFd, RawFd),
    #[error(
        "the socket \"{0}\" that the supervisor handed over is no listening TCP socket: use ListenStream=, without Accept=yes"
    )]
    NotListening(String),
}

/// The sockets that this process was started with, if a supervisor started it with some. They can be had once.
///
/// # Errors
/// What is there isn't what the environment tells, or isn't of use.
pub fn activated() -> Result<Option<Inherited>, ActivationError> {
    static TAKEN: AtomicBool = AtomicBool::new(false);
    let variable = |name| std::env::var(name).ok();
    let Some(count) = meant_for(std::process::id(), variable("LISTEN_PID"), variable("LISTEN_FDS")) else {
        return Ok(None);
    };
    if TAKEN.swap(true, Ordering::AcqRel) {
        return Ok(None);
    }
    let names = variable("LISTEN_FDNAMES").unwrap_or_default();
    let mut names = names.split(':');
    let mut all = Vec::new();
    for number in FIRST..FIRST.saturating_add(count) {
        if std::fs::symlink_metadata(format!("/proc/self/fd/{number}")).is_err() {
            return Err(ActivationError::Missing(count, number));
        }
        // SAFETY: the descriptor is open, and who started the process made it over to it: nothing in the process has
        // opened it, so nothing else closes it; the flag above sees to it that it is taken once.
        let owned = unsafe { OwnedFd::from_raw_fd(number) };
        all.push(handed(owned, names.next().unwrap_or_default())?);
    }
    Ok(Some(Inherited::from_supervisor(all)))
}

/// How many descriptors there are for the process with that number.
fn meant_for(own: u32, process: Option<String>, count: Option<String>) -> Option<RawFd> {
    let is_own = process.and_then(|process| process.parse().ok()) == Some(own);
    // More than any unit has; a number that is out of all bounds is somebody's mistake.
    count.and_then(|count| count.parse().ok()).filter(|count| is_own && (1..=4096).contains(count))
}

fn handed(socket: OwnedFd, name: &str) -> Result<Handed, ActivationError> {
    let refused = |_| ActivationError::NotListening(name.to_owned());
    if !sockopt::socket_acceptconn(&socket).map_err(refused)? {
        return Err(ActivationError::NotListening(name.to_owned()));
    }
    // Programs that are started later have no business with it.
    rustix::io::fcntl_setfd(&socket, rustix::io::FdFlags::CLOEXEC).map_err(refused)?;
    let socket = TcpListener::from(socket);
    // It isn't one of TCP if it has no address.
    let address = socket.local_addr().map_err(|_| ActivationError::NotListening(name.to_owned()))?;
    Ok(Handed { role: Role::Listener, name: name.into(), address, sockets: vec![socket] })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_descriptors_for_this_process_count() {
        let text = |text: &str| Some(text.to_owned());
        assert_eq!(meant_for(7, text("7"), text("2")), Some(2));
        assert_eq!(meant_for(7, text("8"), text("2")), None);
        assert_eq!(meant_for(7, text("7"), text("0")), None);
        assert_eq!(meant_for(7, text("7"), text("-1")), None);
        assert_eq!(meant_for(7, text("7"), text("99999999")), None);
        assert_eq!(meant_for(7, text("x"), text("2")), None);
        assert_eq!(meant_for(7, None, text("2")), None);
    }

    #[test]
    fn a_socket_that_does_not_listen_is_refused() {
        let datagrams = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        assert!(matches!(handed(datagrams.into(), "dns"), Err(ActivationError::NotListening(name)) if name == "dns"));
        let listening = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listening.local_addr().unwrap();
        assert_eq!(handed(listening.into(), "web").unwrap().address, address);
    }
}
