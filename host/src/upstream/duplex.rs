//! A connection whose answer has begun before its request was all sent: a task sends the rest, whether or not
//! anybody reads the answer at the moment. Whoever is done last gives the connection back.

use std::cell::{Cell, RefCell};
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use http_body::Frame;

use super::connection::{Broken, Connection};

/// Shared by the task and the answer's body.
pub(super) struct Duplex {
    /// None once it was given back or closed.
    connection: RefCell<Option<Box<Connection>>>,
    answer_over: Cell<bool>,
    /// The task that sends.
    sender: RefCell<Option<Waker>>,
    /// Who reads the answer.
    reader: RefCell<Option<Waker>>,
}

impl Duplex {
    /// Start the task.
    pub fn start(connection: Box<Connection>) -> Rc<Self> {
        let duplex = Rc::new(Self {
            connection: RefCell::new(Some(connection)),
            answer_over: Cell::new(false),
            sender: RefCell::default(),
            reader: RefCell::default(),
        });
        tokio::task::spawn_local(Sender(Rc::clone(&duplex)));
        duplex
    }

    /// The next piece of the answer's body; none at its end.
    pub fn poll_frame(&self, cx: &mut Context<'_>) -> Poll<Result<Option<Frame<Bytes>>, Broken>> {
        self.reader.replace(Some(cx.waker().clone()));
        match &mut *self.connection.borrow_mut() {
            Some(connection) => connection.poll_frame(cx),
            None => Poll::Ready(Err(Broken::Endpoint)),
        }
    }

    /// Whether the answer is over.
    pub fn has_ended(&self) -> bool {
        self.connection.borrow_mut().as_mut().is_none_or(|connection| connection.receiving().has_ended())
    }

    /// The answer is over: the connection is free when the request is all sent.
    pub fn answer_over(&self) {
        self.answer_over.set(true);
        let mut slot = self.connection.borrow_mut();
        if slot.as_ref().is_some_and(|connection| connection.has_sent()) {
            let done = slot.take();
            drop(slot);
            if let Some(connection) = done {
                connection.release();
            }
        } else if let Some(connection) = &mut *slot {
            connection.answer_over();
        }
        wake(&self.sender);
    }

    /// Nobody wants the answer any more.
    pub fn close(&self) {
        let closed = self.connection.take();
        drop(closed);
        wake(&self.sender);
    }
}

fn wake(waker: &RefCell<Option<Waker>>) {
    if let Some(waker) = waker.take() {
        waker.wake();
    }
}

/// The task.
struct Sender(Rc<Duplex>);

impl Future for Sender {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let duplex = &self.0;
        duplex.sender.replace(Some(cx.waker().clone()));
        let mut slot = duplex.connection.borrow_mut();
        let Some(connection) = &mut *slot else { return Poll::Ready(()) };
        let sent = connection.poll_send(cx);
        let over = duplex.answer_over.get();
        if sent.is_pending() && !(over && connection.poll_deadline(cx).is_ready()) {
            return Poll::Pending;
        }
        if over {
            let done = slot.take();
            drop(slot);
            if let Some(connection) = done {
                connection.release();
            }
        } else {
            drop(slot);
            // It may be the client's fault that no more of an answer will come.
            wake(&duplex.reader);
        }
        Poll::Ready(())
    }
}
