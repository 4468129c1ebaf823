//! Whether all data threads make progress: each is asked, and answers when it comes to it.

use tokio::sync::{mpsc, oneshot};

use super::worker;

/// By which to ask the data threads of a gateway.
#[derive(Debug, Clone)]
pub struct Pulse(pub(super) Vec<mpsc::UnboundedSender<worker::Pulse>>);

impl Pulse {
    /// Wait until every thread has answered. One that has ended doesn't need to; one that hangs never does.
    pub async fn felt(&self) {
        let mut waiting = Vec::with_capacity(self.0.len());
        for thread in &self.0 {
            let (pulse, answer) = oneshot::channel();
            // One that has ended drops it.
            let _ = thread.send(pulse);
            waiting.push(answer);
        }
        for answer in waiting {
            let _ = answer.await;
        }
    }
}
