//! A connection whose answer has begun before its request was all sent: a task sends the rest, whether or not
//! anybody reads the answer at the moment. Whoever is done last gives the connection back.

use std::cell::{Cell, RefCell};
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use http_body::Frame;

use super::carrier::Carrier;
use super::connection::Broken;

/// Shared by the task and the answer's body.
pub(super) struct Duplex {
    /// None once it was given back or closed.
    carrier: RefCell<Option<Carrier>>,
    answer_over: Cell<bool>,
    /// The task that sends.
    sender: RefCell<Option<Waker>>,
    /// Who reads the answer.
    reader: RefCell<Option<Waker>>,
}

impl Duplex {
    /// Start the task.
    pub fn start(carrier: Carrier) -> Rc<Self> {
        let duplex = Rc::new(Self {
            carrier: RefCell::new(Some(carrier)),
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
        match &mut *self.carrier.borrow_mut() {
            Some(carrier) => carrier.poll_frame(cx),
            None => Poll::Ready(Err(Broken::Endpoint)),
        }
    }

    /// Whether the answer is over.
    pub fn has_ended(&self) -> bool {
        self.carrier.borrow_mut().as_mut().is_none_or(|carrier| carrier.has_ended())
    }

    /// The answer is over: the connection is free when the request is all sent.
    pub fn answer_over(&self) {
        self.answer_over.set(true);
        let mut slot = self.carrier.borrow_mut();
        if slot.as_ref().is_some_and(|carrier| carrier.has_sent()) {
            let done = slot.take();
            drop(slot);
            if let Some(carrier) = done {
                carrier.release();
            }
        } else if let Some(carrier) = &mut *slot {
            carrier.answer_over();
        }
        wake(&self.sender);
    }

    /// Nobody wants the answer any more.
    pub fn close(&self) {
        let closed = self.carrier.take();
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
        let mut slot = duplex.carrier.borrow_mut();
        let Some(carrier) = &mut *slot else { return Poll::Ready(()) };
        let sent = carrier.poll_send(cx);
        let over = duplex.answer_over.get();
        if sent.is_pending() && !(over && carrier.poll_deadline(cx).is_ready()) {
            return Poll::Pending;
        }
        if over {
            let done = slot.take();
            drop(slot);
            if let Some(carrier) = done {
                carrier.release();
            }
        } else {
            drop(slot);
            // It may be the client's fault that no more of an answer will come.
            wake(&duplex.reader);
        }
        Poll::Ready(())
    }
}
