//! How a running process hands its listening sockets to the one that shall follow it, and how they agree on when.
//!
//! The sockets themselves are handed over (`SCM_RIGHTS`), one for each thread: a socket that shares its port takes
//! what waits in its queue with it when it is closed for good, and here it never is. The two speak through a pair of
//! Unix sockets that keeps packets whole; the successor finds its end as standard input. In order:
//!
//! 1. predecessor: `sluice 1`, then each address with its sockets, then `end`;
//! 2. successor: what it has no use for, then `ready`, when it accepts on all the others;
//! 3. predecessor: `main`, when the successor is the service from now on.
//!
//! Who goes away before that has changed his mind. Everything here waits; it is for threads that may.

use std::ffi::OsString;
use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use rustix::io::Errno;
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage,
    SendFlags, Shutdown, SocketFlags, SocketType, recvmsg, sendmsg, socketpair, sockopt,
};

use super::inherited::{Handed, Role};

/// Tells a process that its standard input is its predecessor.
const VARIABLE: &str = "SLUICE_HANDOVER";
/// What is said first. Another number is another way to go on.
const GREETING: &str = "sluice 1";
/// Sockets in one packet; Linux takes at most 253.
const MOST_SOCKETS: usize = 200;
/// Bytes of a packet; a listener's name is far shorter.
const LONGEST: usize = 4096;
/// Until the other side has to have taken, or said, what is only to be passed on.
const PATIENCE: Duration = Duration::from_secs(30);
/// Until a successor has to be ready: it may have plugins to compile.
const LONGEST_START: Duration = Duration::from_secs(600);
/// How often a child that speaks no more is looked at until it is ended.
const LAST_LOOKS: u32 = 200;
const BETWEEN_LOOKS: Duration = Duration::from_millis(10);
/// What a supervisor's sockets and watchdog are told by; they are about the process that it started.
const SUPERVISORS: [&str; 4] = ["LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES", "WATCHDOG_PID"];

/// Why nothing was handed over.
#[derive(Debug, thiserror::Error)]
pub enum HandoverError {
    #[error("{program:?} can't be started: {source}")]
    Start { program: OsString, source: io::Error },
    #[error("the new process ended before it was ready ({0}); what it said stands above")]
    Ended(ExitStatus),
    #[error("the new process wasn't ready within {} s, and was ended", LONGEST_START.as_secs())]
    TooLong,
    #[error("the new process isn't one of this program, or of a version that hands over in another way")]
    Foreign,
    #[error("{VARIABLE} is set, but standard input is no process that hands over: unset it")]
    NoPredecessor,
    #[error("the process that started this one has gone, or changed its mind")]
    Gone,
    #[error("can't speak with the other process: {0}")]
    Io(#[from] io::Error),
}

impl From<Errno> for HandoverError {
    fn from(error: Errno) -> Self {
        Self::Io(error.into())
    }
}

/// The process that shall follow.
#[derive(Debug)]
pub struct Successor {
    child: Child,
    channel: OwnedFd,
}

/// Ends a hand-over that is under way.
#[derive(Debug)]
pub struct Undo(OwnedFd);

impl Undo {
    /// Both sides find the other gone.
    pub fn undo(&self) {
        // What is over already can't be undone.
        let _ = rustix::net::shutdown(&self.0, Shutdown::Both);
    }
}

impl Successor {
    /// Start a program, and hand it `all`.
    ///
    /// # Errors
    /// It can't be started, or doesn't take what it is given.
    pub fn start(program: OsString, arguments: Vec<OsString>, all: &[Handed]) -> Result<Self, HandoverError> {
        let (own, other) = socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)?;
        sockopt::set_socket_timeout(&own, sockopt::Timeout::Send, Some(PATIENCE))?;
        sockopt::set_socket_timeout(&own, sockopt::Timeout::Recv, Some(LONGEST_START))?;
        let child = {
            let mut command = Command::new(&program);
            command.args(arguments).env(VARIABLE, "1").stdin(Stdio::from(other));
            for name in SUPERVISORS {
                command.env_remove(name);
            }
            // With the command goes the copy of the other end: once the child has ended, nobody has one.
            command.spawn().map_err(|source| HandoverError::Start { program, source })?
        };
        let mut successor = Self { child, channel: own };
        match successor.hand(all) {
            Ok(()) => Ok(successor),
            Err(error) => Err(successor.failed(error.into())),
        }
    }

    /// Its number.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// By which to end it from another thread until it is the service.
    ///
    /// # Errors
    /// There is no descriptor left.
    pub fn undo(&self) -> io::Result<Undo> {
        Ok(Undo(self.channel.try_clone()?))
    }

    /// Wait until it accepts on its sockets. Returns those that it has no use for.
    ///
    /// # Errors
    /// It won't; it has ended, or is made to.
    pub fn wait(&mut self) -> Result<Vec<(Role, SocketAddr, String)>, HandoverError> {
        let mut unused = Vec::new();
        loop {
            let (text, _) = match receive(&self.channel) {
                Ok(packet) => packet,
                Err(error) => return Err(self.failed(error.into())),
            };
            if text == "ready" {
                return Ok(unused);
            }
            match text.strip_prefix("unused ").and_then(parse) {
                Some(what) => unused.push(what),
                None => return Err(self.failed(HandoverError::Foreign)),
            }
        }
    }

    /// It is the service from now on.
    ///
    /// # Errors
    /// It has ended meanwhile.
    pub fn release(mut self) -> Result<(), HandoverError> {
        send(&self.channel, "main", &[]).map_err(|error| self.failed(error.into()))
    }

    fn hand(&self, all: &[Handed]) -> io::Result<()> {
        send(&self.channel, GREETING, &[])?;
        for handed in all {
            for sockets in handed.sockets.chunks(MOST_SOCKETS) {
                let sockets: Vec<BorrowedFd<'_>> = sockets.iter().map(AsFd::as_fd).collect();
                send(&self.channel, &written(handed.role, handed.address, &handed.name), &sockets)?;
            }
        }
        send(&self.channel, "end", &[])
    }

    /// Ends the child. What became of it says more than that it doesn't listen.
    fn failed(&mut self, error: HandoverError) -> HandoverError {
        let is_gone = matches!(&error, HandoverError::Io(error) if is_end(error));
        let is_late = matches!(&error, HandoverError::Io(error) if error.kind() == io::ErrorKind::WouldBlock);
        let _ = rustix::net::shutdown(&self.channel, Shutdown::Both);
        let ends_by_itself = is_gone
            && (0..LAST_LOOKS).any(|look| {
                if look > 0 {
                    std::thread::sleep(BETWEEN_LOOKS);
                }
                matches!(self.child.try_wait(), Ok(Some(_)))
            });
        if !ends_by_itself {
            // It may have ended meanwhile.
            let _ = self.child.kill();
        }
        match self.child.wait() {
            Ok(status) if is_gone => HandoverError::Ended(status),
            _ if is_late => HandoverError::TooLong,
            _ => error,
        }
    }
}

/// The process that ran before this one, and still does.
#[derive(Debug)]
pub struct Predecessor {
    channel: OwnedFd,
}

impl Predecessor {
    /// Who started this process to follow it, and the sockets that it hands over; none if somebody else started it.
    ///
    /// # Errors
    /// It isn't one, or broke off.
    pub fn from_environment() -> Result<Option<(Self, Vec<Handed>)>, HandoverError> {
        if std::env::var_os(VARIABLE).is_none() {
            return Ok(None);
        }
        let channel = io::stdin().as_fd().try_clone_to_owned()?;
        let is_pair = sockopt::socket_type(&channel).is_ok_and(|kind| kind == SocketType::SEQPACKET);
        if !is_pair {
            return Err(HandoverError::NoPredecessor);
        }
        sockopt::set_socket_timeout(&channel, sockopt::Timeout::Recv, Some(PATIENCE))?;
        let predecessor = Self { channel };
        let handed = predecessor.take()?;
        Ok(Some((predecessor, handed)))
    }

    fn take(&self) -> Result<Vec<Handed>, HandoverError> {
        let (greeting, _) = receive(&self.channel)?;
        if greeting != GREETING {
            return Err(HandoverError::Foreign);
        }
        let mut all: Vec<Handed> = Vec::new();
        loop {
            let (text, sockets) = receive(&self.channel)?;
            if text == "end" {
                return Ok(all);
            }
            let (role, address, name) = parse(&text).ok_or(HandoverError::Foreign)?;
            let sockets = sockets.into_iter().map(TcpListener::from);
            match all.last_mut().filter(|last| (last.role, last.address, &*last.name) == (role, address, &*name)) {
                Some(last) => last.sockets.extend(sockets),
                None => all.push(Handed { role, name: name.into(), address, sockets: sockets.collect() }),
            }
        }
    }

    /// Say that this process accepts on all sockets but `unused`, and wait until it is the service.
    ///
    /// # Errors
    /// The predecessor serves on, or is gone.
    pub fn follow(self, unused: &[Handed]) -> Result<(), HandoverError> {
        for handed in unused {
            let text = format!("unused {}", written(handed.role, handed.address, &handed.name));
            send(&self.channel, &text, &[])?;
        }
        send(&self.channel, "ready", &[])?;
        match receive(&self.channel) {
            Ok((text, _)) if text == "main" => Ok(()),
            Ok(_) => Err(HandoverError::Foreign),
            Err(_) => Err(HandoverError::Gone),
        }
    }
}

fn written(role: Role, address: SocketAddr, name: &str) -> String {
    match role {
        Role::Admin => format!("admin {address} {name}"),
        Role::Listener => format!("listener {address} {name}"),
    }
}

fn parse(text: &str) -> Option<(Role, SocketAddr, String)> {
    let mut words = text.splitn(3, ' ');
    let role = match words.next()? {
        "admin" => Role::Admin,
        "listener" => Role::Listener,
        _ => return None,
    };
    Some((role, words.next()?.parse().ok()?, words.next()?.to_owned()))
}

fn send(channel: &OwnedFd, text: &str, sockets: &[BorrowedFd<'_>]) -> io::Result<()> {
    let mut space = vec![MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(sockets.len()))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    if !sockets.is_empty() && !control.push(SendAncillaryMessage::ScmRights(sockets)) {
        return Err(io::Error::other("too many sockets for one packet"));
    }
    loop {
        match sendmsg(channel, &[IoSlice::new(text.as_bytes())], &mut control, SendFlags::NOSIGNAL) {
            Ok(_) => return Ok(()),
            Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

/// One packet and its sockets, which programs started later don't inherit.
fn receive(channel: &OwnedFd) -> io::Result<(String, Vec<OwnedFd>)> {
    let mut space = vec![MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MOST_SOCKETS))];
    let mut text = vec![0; LONGEST];
    loop {
        let mut control = RecvAncillaryBuffer::new(&mut space);
        let received = recvmsg(channel, &mut [IoSliceMut::new(&mut text)], &mut control, RecvFlags::CMSG_CLOEXEC);
        let length = match received {
            // No packet is empty.
            Ok(message) if message.bytes == 0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(message) => message.bytes,
            Err(Errno::INTR) => continue,
            Err(error) => return Err(error.into()),
        };
        let mut sockets = Vec::new();
        for message in control.drain() {
            if let RecvAncillaryMessage::ScmRights(some) = message {
                sockets.extend(some);
            }
        }
        text.truncate(length);
        let text = String::from_utf8(text).map_err(|_| io::Error::from(io::ErrorKind::InvalidData))?;
        return Ok((text, sockets));
    }
}

/// Whether nobody is at the other end.
fn is_end(error: &io::Error) -> bool {
    use io::ErrorKind::{BrokenPipe, ConnectionReset, UnexpectedEof};
    matches!(error.kind(), BrokenPipe | ConnectionReset | UnexpectedEof)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair() -> (OwnedFd, OwnedFd) {
        socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None).unwrap()
    }

    fn sockets(count: usize) -> Vec<TcpListener> {
        (0..count).map(|_| TcpListener::bind("127.0.0.1:0").unwrap()).collect()
    }

    /// A program that does nothing of what it should.
    fn program(text: &str) -> Result<Successor, HandoverError> {
        let arguments = vec!["-c".into(), text.into()];
        Successor::start("/bin/sh".into(), arguments, &[])
    }

    #[test]
    fn sockets_come_over_whole_and_in_order_however_many() {
        let (own, other) = pair();
        let first = Handed {
            role: Role::Listener,
            name: "a b".into(),
            address: "127.0.0.1:0".parse().unwrap(),
            sockets: sockets(MOST_SOCKETS + 7),
        };
        let admin =
            Handed { role: Role::Admin, name: "".into(), address: "[::1]:9".parse().unwrap(), sockets: sockets(1) };
        let all = [first, admin];
        let given = |all: &[Handed]| -> Vec<_> {
            let addresses =
                |handed: &Handed| handed.sockets.iter().map(|socket| socket.local_addr().unwrap()).collect::<Vec<_>>();
            all.iter().map(|handed| (handed.role, handed.name.clone(), handed.address, addresses(handed))).collect()
        };
        let sender = std::thread::spawn(move || {
            let successor = Successor { child: Command::new("true").spawn().unwrap(), channel: own };
            successor.hand(&all).unwrap();
            given(&all)
        });
        let taken = Predecessor { channel: other }.take().unwrap();
        assert_eq!(given(&taken), sender.join().unwrap());
    }

    #[test]
    fn a_successor_says_what_it_has_no_use_for_and_follows() {
        let (own, other) = pair();
        let mut successor = Successor { child: Command::new("true").spawn().unwrap(), channel: own };
        let follower = std::thread::spawn(move || {
            let address = "127.0.0.1:80".parse().unwrap();
            let unused = Handed { role: Role::Listener, name: "old".into(), address, sockets: Vec::new() };
            Predecessor { channel: other }.follow(&[unused])
        });
        let unused = successor.wait().unwrap();
        assert_eq!(unused, [(Role::Listener, "127.0.0.1:80".parse().unwrap(), "old".to_owned())]);
        successor.release().unwrap();
        follower.join().unwrap().unwrap();
    }

    #[test]
    fn who_changes_his_mind_leaves_the_other_alone() {
        let (own, other) = pair();
        let successor = Successor { child: Command::new("true").spawn().unwrap(), channel: own };
        successor.undo().unwrap().undo();
        assert!(Predecessor { channel: other }.follow(&[]).is_err());
    }

    #[test]
    fn a_program_that_ends_or_is_another_is_told_of() {
        let status = match program("exit 3").and_then(|mut successor| successor.wait()) {
            Err(HandoverError::Ended(status)) => status,
            other => panic!("{other:?}"),
        };
        assert_eq!(status.code(), Some(3));
        let foreign = program("echo hello >&0; exec sleep 60").and_then(|mut successor| successor.wait());
        assert!(matches!(foreign, Err(HandoverError::Foreign)), "{foreign:?}");
        let missing = Successor::start("/nowhere/sluice".into(), Vec::new(), &[]);
        assert!(matches!(missing, Err(HandoverError::Start { .. })), "{missing:?}");
    }
}
