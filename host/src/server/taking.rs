//! Streams of HTTP/2 whose client takes nothing of its answer: the connection is alive, so that nothing else tells them
//! from streams that are served.

use std::cell::{Cell, RefCell};
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Poll, ready};
use std::time::{Duration, Instant};

use tokio::time::Sleep;

use super::drain::Connections;

/// Since when a piece of an answer waits to be taken.
#[derive(Debug, Default)]
pub(super) struct Taking(Cell<Option<Instant>>);

impl Taking {
    /// The next piece is asked for: the one before is on its way.
    pub fn asked(&self) {
        self.0.set(None);
    }

    /// A piece was handed out.
    pub fn given(&self) {
        self.0.set(Some(Instant::now()));
    }

    /// Ready when a piece has waited for too long. Look at it whenever the stream has been looked at.
    async fn too_long(&self, limit: Duration) {
        let mut timer: Option<Pin<Box<Sleep>>> = None;
        poll_fn(|cx| {
            loop {
                let Some(since) = self.0.get() else { return Poll::Pending };
                let deadline = tokio::time::Instant::from_std(since + limit);
                let timer = timer.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(deadline)));
                ready!(timer.as_mut().poll(cx));
                if deadline <= tokio::time::Instant::now() {
                    return Poll::Ready(());
                }
                timer.as_mut().reset(deadline);
            }
        })
        .await;
    }
}

/// Runs the streams of one connection on its thread.
#[derive(Clone)]
pub(super) struct Streams {
    limit: Duration,
    connections: Rc<Connections>,
    /// Of the request that was handed to the service last; its stream starts next.
    newest: Rc<RefCell<Option<Rc<Taking>>>>,
}

impl Streams {
    pub fn new(limit: Duration, connections: Rc<Connections>) -> Self {
        Self { limit, connections, newest: Rc::default() }
    }

    pub fn connections(&self) -> &Rc<Connections> {
        &self.connections
    }

    /// A request has come.
    pub fn begin(&self) -> Rc<Taking> {
        let taking = Rc::<Taking>::default();
        self.newest.replace(Some(Rc::clone(&taking)));
        taking
    }
}

impl<F: Future + 'static> hyper::rt::Executor<F> for Streams {
    fn execute(&self, future: F) {
        let taking = self.newest.take();
        let (limit, connections) = (self.limit, Rc::clone(&self.connections));
        tokio::task::spawn_local(async move {
            let mut future = pin!(future);
            let Some(taking) = taking else {
                future.await;
                return;
            };
            tokio::select! {
                biased;
                _ = &mut future => {}
                // Dropped, it resets its stream.
                () = taking.too_long(limit) => connections.metrics().stalled(),
            }
        });
    }
}
