//! SIGUSR2: start the program again, hand it the listening sockets, and wait until it serves. It may have been replaced
//! by another version; whatever goes wrong with that, this process serves on.

use std::ffi::OsString;
use std::net::SocketAddr;

use sluice::gateway::Gateway;
use sluice::process::{HandoverError, Role, Successor, Undo};
use tokio::sync::oneshot;

/// A hand-over that is under way. Dropping it ends the new process.
pub struct Upgrade {
    finished: oneshot::Receiver<Result<Handover, HandoverError>>,
    undo: Option<Undo>,
}

/// A process that accepts on the sockets, and waits for the word.
pub struct Handover {
    successor: Successor,
    unused: Vec<(SocketAddr, String)>,
}

impl Upgrade {
    /// Start. What keeps it from that is told of here.
    pub fn start(gateway: &Gateway) -> Option<Self> {
        if std::process::id() == 1 {
            tracing::error!(
                "SIGUSR2: this is the first process of a container, which would end with it: start another container"
            );
            return None;
        }
        let begun = gateway.hand_on().map_err(HandoverError::from).and_then(|sockets| {
            let mut words = std::env::args_os();
            // As it was called, so that a link to another version is followed.
            let program = words.next().unwrap_or_else(|| OsString::from("sluice"));
            tracing::info!("SIGUSR2: starting {} to follow this process", program.display());
            Successor::start(program, words.collect(), &sockets)
        });
        let begun = begun.and_then(|successor| Ok((successor.undo()?, successor)));
        let (undo, successor) = begun.map_err(|error| failed(&error)).ok()?;
        let (sender, finished) = oneshot::channel();
        let wait = move || drop(sender.send(Handover::when_ready(successor)));
        // If there is no thread, the successor is dropped with what would have run in it, and finds nobody.
        let started = std::thread::Builder::new().name("sluice-upgrade".into()).spawn(wait);
        started.map_err(|error| failed(&error.into())).ok()?;
        Some(Self { finished, undo: Some(undo) })
    }

    /// Wait until the new process is ready, or won't be, which is told of here. For ever, if there is none.
    pub async fn finished(upgrade: &mut Option<Self>) -> Option<Handover> {
        let Some(upgrade) = upgrade else { return std::future::pending().await };
        let outcome = (&mut upgrade.finished).await.unwrap_or(Err(HandoverError::Gone));
        match outcome {
            Ok(handover) => {
                upgrade.undo = None;
                Some(handover)
            }
            Err(error) => {
                failed(&error);
                None
            }
        }
    }
}

impl Drop for Upgrade {
    fn drop(&mut self) {
        if let Some(undo) = &self.undo {
            undo.undo();
        }
    }
}

impl Handover {
    fn when_ready(mut successor: Successor) -> Result<Self, HandoverError> {
        let unused = successor.wait()?.into_iter();
        let unused = unused.filter(|(role, ..)| *role == Role::Listener).map(|(_, address, name)| (address, name));
        Ok(Self { successor, unused: unused.collect() })
    }

    pub fn id(&self) -> u32 {
        self.successor.id()
    }

    /// Make it the service. Returns the addresses of listeners that it has no use for, with their names.
    pub fn release(self) -> Result<Vec<(SocketAddr, String)>, HandoverError> {
        self.successor.release()?;
        Ok(self.unused)
    }
}

/// Say why it came to nothing.
pub fn failed(error: &HandoverError) {
    tracing::error!("no process follows this one, which serves on: {error}");
}
