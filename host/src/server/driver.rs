//! Drives a connection's HTTP until it ends, or has to be ended.
//! One timer serves it for all its life, moved only when it rings early or would ring too late.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use http::{Request, Response};
use hyper::body::Incoming;
use hyper::server::conn::http2;
use hyper::service::Service;
use hyper_util::rt::TokioIo;
use tokio::time::Sleep;

use super::Settings;
use super::activity::{Activity, Answer};
use super::drain::Membership;
use super::flood::Watched;
use super::taking::Streams;
use crate::io::Io;

/// What [`Driver`] wants of a connection.
pub(super) trait Http {
    /// Requests overlap.
    const SHARED: bool;
    /// No request is to follow those that have come.
    fn shut_down(&mut self);
    /// Ready when it has ended; with an error if it broke: what of it is the client's fault, as metrics name it.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Option<&'static str>>>;
}

impl<S> Http for Pin<Box<http2::Connection<TokioIo<Watched<Io>>, S, Streams>>>
where
    S: Service<Request<Incoming>, Response = Response<Answer>, Error = Infallible, Future: 'static>,
{
    const SHARED: bool = true;

    fn shut_down(&mut self) {
        self.as_mut().graceful_shutdown();
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Option<&'static str>>> {
        self.as_mut().poll(cx).map_err(|error| fault(&error))
    }
}

/// Drives a connection until it ends, or has been idle, unfinished or unread for too long.
pub(super) struct Driver<C> {
    pub http: C,
    activity: Rc<Activity>,
    settings: Rc<Settings>,
    pub membership: Membership,
    timer: Pin<Box<Sleep>>,
    /// The timer was polled since it was set, and the drain knows this task.
    started: bool,
    shutting_down: bool,
    /// It was idle for long, and is closing.
    said_goodbye: bool,
}

impl<C: Http> Driver<C> {
    pub fn new(http: C, activity: Rc<Activity>, settings: Rc<Settings>, membership: Membership) -> Self {
        let timer = Box::pin(tokio::time::sleep(settings.keep_alive));
        Self { http, activity, settings, membership, timer, started: false, shutting_down: false, said_goodbye: false }
    }

    /// Count what the client did.
    pub fn count(&self) {
        if let Some(reason) = self.activity.fault() {
            self.membership.connections().metrics().cut(reason);
        }
    }

    /// How it ended, and whose fault it is.
    fn ended(&self, result: Result<(), Option<&'static str>>) -> Ended {
        let Err(fault) = result else { return Ended::Over };
        if let Some(reason) = fault {
            self.activity.blame(reason);
        }
        Ended::Cut
    }

    /// Close an idle connection as its protocol wants it.
    fn say_goodbye(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.said_goodbye = true;
        self.shutting_down = true;
        self.http.shut_down();
        self.set_timer(self.settings.head, cx);
        self.http.poll(cx).map(|_| ())
    }

    fn set_timer(&mut self, after: Duration, cx: &mut Context<'_>) {
        self.timer.as_mut().reset(tokio::time::Instant::now() + after);
        let _ = self.timer.as_mut().poll(cx);
    }

    /// Ready when the connection has to be given up.
    fn poll_deadline(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            let deadline = self.activity.deadline(&self.settings);
            let rang = self.timer.is_elapsed();
            match deadline {
                Some(deadline) if rang && deadline <= Instant::now() => return Poll::Ready(()),
                Some(deadline) if rang || deadline < self.timer.deadline().into_std() => {
                    self.timer.as_mut().reset(deadline.into());
                }
                // Nothing limits a busy connection from here; look again in a while.
                None if rang => self.timer.as_mut().reset(tokio::time::Instant::now() + self.settings.keep_alive),
                _ => return Poll::Pending,
            }
            if self.timer.as_mut().poll(cx).is_pending() {
                return Poll::Pending;
            }
        }
    }
}

/// How a connection's HTTP ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ended {
    /// All that was to be said is said.
    Over,
    /// The connection broke, or was given up.
    Cut,
}

/// What of an error is the client's fault, as metrics name it. It was told so, if it is there to hear it.
fn fault(error: &hyper::Error) -> Option<&'static str> {
    let error = std::error::Error::source(error)?.downcast_ref::<h2::Error>()?;
    match error.reason()? {
        h2::Reason::ENHANCE_YOUR_CALM if error.is_library() => Some("http2-calm"),
        _ if error.is_library() => Some("http2-malformed"),
        _ => None,
    }
}

impl<C: Http + Unpin> Future for Driver<C> {
    type Output = Ended;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Ended> {
        let this = &mut *self;
        let is_new = !std::mem::replace(&mut this.started, true);
        if is_new {
            this.membership.set_waker(cx.waker());
            let _ = this.timer.as_mut().poll(cx);
        }
        if !this.shutting_down && this.membership.connections().is_draining() {
            // Without having read anything, it would be closed with a request on it.
            if is_new && let Poll::Ready(result) = this.http.poll(cx) {
                return Poll::Ready(this.ended(result));
            }
            this.shutting_down = true;
            this.http.shut_down();
        }
        if let Poll::Ready(result) = this.http.poll(cx) {
            return Poll::Ready(this.ended(result));
        }
        if C::SHARED && !this.shutting_down && this.membership.connections().is_last(this.activity.served()) {
            this.shutting_down = true;
            this.http.shut_down();
            if let Poll::Ready(result) = this.http.poll(cx) {
                return Poll::Ready(this.ended(result));
            }
        }
        this.activity.observe(C::SHARED);
        if !this.said_goodbye {
            ready!(this.poll_deadline(cx));
            if !this.activity.is_waiting() {
                this.activity.blame(if this.activity.is_idle() { "slow-head" } else { "slow-reader" });
                return Poll::Ready(Ended::Cut);
            }
            return this.say_goodbye(cx).map(|()| Ended::Cut);
        }
        ready!(this.timer.as_mut().poll(cx));
        if this.activity.is_idle() {
            return Poll::Ready(Ended::Cut);
        }
        this.set_timer(this.settings.keep_alive, cx);
        Poll::Pending
    }
}
