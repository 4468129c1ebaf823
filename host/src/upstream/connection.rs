//! One HTTP/1.1 connection to an endpoint: a task that drives it, and the state it shares with whoever
//! uses it. The task keeps the timeouts with one timer for the life of the connection, which is
//! moved only when it rings early; requests just write down moments.

use std::cell::{Cell, RefCell};
use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::rc::{Rc, Weak};
use std::task::{Context, Poll, Waker, ready};
use std::time::Instant;

use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::time::Sleep;

use super::pool::EndpointPool;
use crate::body::Body;
use crate::config::model::Timeouts;
use crate::error::Error;
use crate::io::{Io, Traffic};

/// The largest answer head.
const MAX_HEAD: usize = 64 << 10;

/// A connection in use by one request, or idle in a pool. Dropping it closes it.
pub(super) struct Connection {
    sender: Option<http1::SendRequest<Body>>,
    state: Rc<State>,
}

/// What the task and the user of a connection tell each other.
pub(super) struct State {
    phase: Cell<Phase>,
    upload: Cell<Upload>,
    /// Of the cluster whose request is on it.
    timeouts: Cell<Option<Limits>>,
    /// Why the task gave up.
    cut: Cell<Option<Cut>>,
    /// Bytes that had come when the request was sent.
    mark: Cell<u64>,
    /// An answered connection whose request isn't all sent yet. The task puts it into the pool.
    parked: RefCell<Option<http1::SendRequest<Body>>>,
    /// When the task's timer rings.
    armed: Cell<Option<Instant>>,
    waker: RefCell<Option<Waker>>,
    traffic: Rc<Traffic>,
    pool: Weak<EndpointPool>,
}

/// [`Timeouts`] that matter here.
#[derive(Clone, Copy)]
struct Limits {
    first_byte: std::time::Duration,
    idle: std::time::Duration,
}

/// How far the exchange on a connection is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// In the pool since then.
    Idle(Instant),
    /// The request was handed over then; no answer yet.
    Head(Instant),
    /// The answer's body runs; waited for since then, unless it's the client who doesn't read.
    Body(Option<Instant>),
    /// The answer is over, the request's body isn't.
    Parked(Instant),
    /// The user is gone.
    Abandoned,
}

/// How far the request's body is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Upload {
    Done(Option<Instant>),
    /// A piece was last asked for then; we wait for the client if it had none.
    Running {
        since: Instant,
        on_client: bool,
    },
    /// The client broke off or sent nonsense.
    Failed,
}

/// Why a connection was given up by its task.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cut {
    /// Too long in a pool.
    Unused,
    FirstByte,
    /// The endpoint stopped in the middle of a body.
    Stalled,
    /// The client did.
    ClientStalled,
}

impl Connection {
    /// Connect to an endpoint and start the task.
    ///
    /// # Errors
    /// [`Error::ConnectFailed`] or [`Error::ConnectTimeout`].
    pub async fn open(address: SocketAddr, timeouts: &Timeouts, pool: Weak<EndpointPool>) -> Result<Self, Error> {
        let stream = match tokio::time::timeout(timeouts.connect, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => stream,
            Ok(Err(_)) => return Err(Error::ConnectFailed),
            Err(_) => return Err(Error::ConnectTimeout),
        };
        // Fails only on a socket that is already dead, which the request will find out.
        let _ = stream.set_nodelay(true);
        let traffic = Rc::new(Traffic::default());
        let io = Io::new(stream, Rc::clone(&traffic));
        let (sender, http) =
            http1::Builder::new().max_buf_size(MAX_HEAD).handshake(io).await.map_err(|_| Error::ConnectFailed)?;
        let state = Rc::new(State {
            phase: Cell::new(Phase::Idle(Instant::now())),
            upload: Cell::new(Upload::Done(None)),
            timeouts: Cell::new(None),
            cut: Cell::new(None),
            mark: Cell::new(0),
            parked: RefCell::new(None),
            armed: Cell::new(None),
            waker: RefCell::new(None),
            traffic,
            pool,
        });
        tokio::task::spawn_local(Task { http, state: Rc::clone(&state), timer: None });
        Ok(Self { sender: Some(sender), state })
    }

    pub fn state(&self) -> &Rc<State> {
        &self.state
    }

    /// Whether a request can be sent now.
    pub fn is_usable(&self) -> bool {
        self.sender.as_ref().is_some_and(http1::SendRequest::is_ready)
    }

    /// Send a request whose body is told to [`State`] as it goes. Dropping the future is the end of the
    /// connection if the connection is dropped too.
    pub fn send(
        &mut self,
        request: http::Request<Body>,
        timeouts: &Timeouts,
        now: Instant,
    ) -> Option<impl Future<Output = SendResult> + use<>> {
        let state = &self.state;
        let streams = matches!(request.body(), Body::Stream(_));
        state.timeouts.set(Some(Limits { first_byte: timeouts.first_byte, idle: timeouts.idle }));
        state.upload.set(if streams { Upload::Running { since: now, on_client: false } } else { Upload::Done(None) });
        state.mark.set(state.traffic.read.get());
        state.phase.set(Phase::Head(now));
        Some(self.sender.as_mut()?.try_send_request(request))
    }

    /// The answer's head is here, its body follows.
    pub fn answered(&self) {
        self.state.phase.set(Phase::Body(None));
    }

    /// Both bodies may have ended: give the connection back as soon as it can take another request.
    pub fn release(mut self) {
        let Some(sender) = self.sender.take() else { return };
        if sender.is_closed() {
            return;
        }
        let ready = sender.is_ready();
        let state = Rc::clone(&self.state);
        if ready {
            state.repool(sender);
        } else {
            state.phase.set(Phase::Parked(Instant::now()));
            state.parked.replace(Some(sender));
            state.rearm();
        }
    }
}

/// What hyper says of a request sent.
pub(super) type SendResult =
    Result<http::Response<hyper::body::Incoming>, hyper::client::conn::TrySendError<http::Request<Body>>>;

impl Drop for Connection {
    fn drop(&mut self) {
        if self.sender.take().is_some() {
            self.state.abandon();
        }
    }
}

impl State {
    /// Why the task gave the connection up, if it did.
    pub fn cut(&self) -> Option<Cut> {
        self.cut.get()
    }

    /// Whether anything of the answer has come.
    pub fn answer_began(&self) -> bool {
        self.traffic.read.get() != self.mark.get()
    }

    /// Whether the client failed to deliver its body.
    pub fn upload_failed(&self) -> bool {
        self.upload.get() == Upload::Failed
    }

    /// The request's body was asked for a piece, and had none (`on_client`) or some.
    pub fn uploading(&self, on_client: bool) {
        match self.upload.get() {
            // Waiting goes on.
            Upload::Running { on_client: true, .. } if on_client => {}
            _ => self.upload.set(Upload::Running { since: Instant::now(), on_client }),
        }
    }

    pub fn uploaded(&self) {
        self.upload.set(Upload::Done(Some(Instant::now())));
    }

    pub fn fail_upload(&self) {
        self.upload.set(Upload::Failed);
    }

    /// The answer's body was asked for a piece and had none.
    pub fn waiting(&self) {
        if self.phase.get() == Phase::Body(None) {
            self.phase.set(Phase::Body(Some(Instant::now())));
            self.rearm();
        }
    }

    /// A piece of the answer's body has come.
    pub fn moved(&self) {
        self.phase.set(Phase::Body(None));
    }

    fn abandon(&self) {
        self.phase.set(Phase::Abandoned);
        self.wake();
    }

    /// Let the task set its timer if it would ring too late.
    fn rearm(&self) {
        if let Some((deadline, _)) = self.deadline()
            && self.armed.get().is_none_or(|armed| armed > deadline)
        {
            self.wake();
        }
    }

    fn wake(&self) {
        if let Some(waker) = &*self.waker.borrow() {
            waker.wake_by_ref();
        }
    }

    fn repool(self: &Rc<Self>, sender: http1::SendRequest<Body>) {
        self.phase.set(Phase::Idle(Instant::now()));
        self.rearm();
        if let Some(pool) = self.pool.upgrade() {
            pool.put(Connection { sender: Some(sender), state: Rc::clone(self) });
        }
    }

    /// When this has lasted too long, and what it means then.
    fn deadline(&self) -> Option<(Instant, Cut)> {
        let limits = self.timeouts.get()?;
        match (self.phase.get(), self.upload.get()) {
            (Phase::Idle(since), _) => Some((since + super::pool::IDLE_TIMEOUT, Cut::Unused)),
            (Phase::Head(since), Upload::Done(sent)) => {
                Some((sent.unwrap_or(since) + limits.first_byte, Cut::FirstByte))
            }
            (Phase::Head(_) | Phase::Parked(_), Upload::Running { since, on_client }) => {
                let cut = if on_client { Cut::ClientStalled } else { Cut::Stalled };
                Some((since + limits.idle, cut))
            }
            (Phase::Body(Some(answer)), Upload::Running { since, .. }) => {
                Some((answer.max(since) + limits.idle, Cut::Stalled))
            }
            (Phase::Body(Some(since)), _) | (Phase::Parked(since), _) => Some((since + limits.idle, Cut::Stalled)),
            (Phase::Head(_), Upload::Failed) | (Phase::Body(None) | Phase::Abandoned, _) => None,
        }
    }
}

/// Drives a connection until it ends or has to.
struct Task {
    http: http1::Connection<TokioIo<Io>, Body>,
    state: Rc<State>,
    timer: Option<Pin<Box<Sleep>>>,
}

impl Future for Task {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = &mut *self;
        if this.state.waker.borrow().as_ref().is_none_or(|known| !known.will_wake(cx.waker())) {
            this.state.waker.replace(Some(cx.waker().clone()));
        }
        if this.state.phase.get() == Phase::Abandoned {
            return Poll::Ready(());
        }
        if Pin::new(&mut this.http).poll(cx).is_ready() {
            return Poll::Ready(());
        }
        this.unpark();
        ready!(this.poll_deadline(cx));
        Poll::Ready(())
    }
}

impl Task {
    /// Put an answered connection into the pool once its request is all sent.
    fn unpark(&self) {
        let ready = self.state.parked.borrow().as_ref().is_some_and(http1::SendRequest::is_ready);
        if ready && let Some(sender) = self.state.parked.take() {
            self.state.repool(sender);
        }
    }

    /// Ready when the current phase has lasted too long. The timer is touched only when there is none,
    /// when it is set too late, or when it rings.
    fn poll_deadline(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            let Some((deadline, cut)) = self.state.deadline() else { return Poll::Pending };
            if self.state.armed.get().is_some_and(|armed| armed <= deadline) {
                match &self.timer {
                    Some(timer) if timer.is_elapsed() => {}
                    _ => return Poll::Pending,
                }
                if Instant::now() >= deadline {
                    self.state.cut.set(Some(cut));
                    return Poll::Ready(());
                }
            }
            let wanted = tokio::time::Instant::from_std(deadline);
            let timer = match &mut self.timer {
                Some(timer) => {
                    timer.as_mut().reset(wanted);
                    timer
                }
                None => self.timer.insert(Box::pin(tokio::time::sleep_until(wanted))),
            };
            self.state.armed.set(Some(deadline));
            if timer.as_mut().poll(cx).is_pending() {
                return Poll::Pending;
            }
        }
    }
}

impl Drop for Task {
    fn drop(&mut self) {
        drop(self.state.parked.take());
        if let Some(pool) = self.state.pool.upgrade() {
            pool.forget(&self.state);
        }
    }
}
