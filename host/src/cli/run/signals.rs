//! The signals that a gateway obeys.

pub use tokio::signal::unix::Signal;
use tokio::signal::unix::{SignalKind, signal};

pub struct Signals {
    pub hang_up: Signal,
    pub upgrade: Signal,
    pub stop: Stop,
}

pub struct Stop {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    /// From here on none of them ends the process by itself.
    pub fn new() -> std::io::Result<Self> {
        let stop = Stop { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? };
        let (hang_up, upgrade) = (signal(SignalKind::hangup())?, signal(SignalKind::user_defined2())?);
        Ok(Self { hang_up, upgrade, stop })
    }
}

impl Stop {
    /// Wait for the wish to stop.
    pub async fn wait(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
        }
    }
}
