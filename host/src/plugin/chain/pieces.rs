//! Bodies that pass through chunk hooks on their way.
//!
//! A task of its own reads a body, has the plugin see each piece, and hands on what comes out. It keeps one
//! piece ahead of whoever takes them, so a slow receiver slows the sender, and memory is bounded however
//! long the body. Since it doesn't run in the receiver's turn, a call that waits goes on even if nobody asks
//! for the next piece: other hooks of the exchange may be waiting for the plugin's instance.

use std::cell::{Cell, RefCell};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, header};
use http_body::{Body as HttpBody, Frame, SizeHint};
use http_body_util::BodyExt;
use tokio::sync::{Mutex, mpsc};
use tokio::task::JoinHandle;

use super::Chain;
use crate::body::{Body, BodyError};
use crate::config::model::OnError;
use crate::error::Error;
use crate::plugin::exchange::Exchange;
use crate::plugin::role::{Chunk, Direction, Lease, Plugin, PluginError};

/// The longest piece that a plugin sees, in bytes.
const LONGEST: usize = 64 << 10;

/// Fields that are wrong once a body isn't the one that they were made for.
static OF_THE_WHOLE: [HeaderName; 6] = [
    header::CONTENT_LENGTH,
    header::ACCEPT_RANGES,
    HeaderName::from_static("content-md5"),
    HeaderName::from_static("digest"),
    HeaderName::from_static("content-digest"),
    HeaderName::from_static("repr-digest"),
];

/// What the hooks of one plugin share for one exchange once a body of it passes through chunk hooks.
#[derive(Default)]
pub(super) struct Shared {
    /// One hook at a time.
    pub lease: Mutex<Lease>,
    /// Why its chunk hook broke a body off.
    failure: RefCell<Option<Error>>,
    /// A hook failed, and with it went the instance that had seen the bodies so far.
    lost: Cell<bool>,
}

impl Shared {
    pub fn new(lease: Lease) -> Rc<Self> {
        Rc::new(Self { lease: Mutex::new(lease), ..Self::default() })
    }

    /// A hook failed. If its instance is gone, bodies that it has begun to change can't be gone on with.
    pub fn note(&self, error: &PluginError) {
        if !matches!(error, PluginError::Failed(_) | PluginError::InvalidResult(_)) {
            self.lost.set(true);
        }
    }

    pub fn has_failed(&self) -> bool {
        self.failure.borrow().is_some()
    }

    /// What to answer instead of what a body that broke off looks like, if it was this plugin's doing.
    pub fn failure(&self) -> Option<Error> {
        self.failure.borrow().clone()
    }
}

/// Have `plugin` see the pieces of `body` from now on, and take out of `headers` what may not be true any more.
pub(super) fn pass_through(
    plugin: &Rc<dyn Plugin>,
    shared: &Rc<Shared>,
    exchange: &Exchange,
    direction: Direction,
    body: Body,
) -> Body {
    let filter = Filter {
        plugin: Rc::clone(plugin),
        shared: Rc::clone(shared),
        exchange: Some(exchange.for_streaming(plugin.name())),
        direction,
        course: Course::Fresh,
    };
    Body::Stream(Box::pin(Pieces::Waiting(Box::new((body, filter)))))
}

/// Take out what isn't known any more of a body that a plugin may change.
pub(super) fn forget_whole(headers: &mut HeaderMap) {
    for name in &OF_THE_WHOLE {
        headers.remove(name);
    }
    // It may still mean the same, but not byte for byte (RFC 9110, section 8.8.1).
    if let Some(tag) = headers.get(header::ETAG).filter(|tag| !tag.as_bytes().starts_with(b"W/"))
        && let Ok(weak) = HeaderValue::from_bytes(&[b"W/", tag.as_bytes()].concat())
    {
        headers.insert(header::ETAG, weak);
    }
}

/// What the task hands over. The end is said, so that a task that went away isn't taken for it.
enum Item {
    Frame(Frame<Bytes>),
    Failed(BodyError),
    End,
}

/// The body that comes out.
enum Pieces {
    /// Nobody has asked for it yet; reading on could tell a client to send what nobody wants.
    Waiting(Box<(Body, Filter)>),
    Running {
        receiver: mpsc::Receiver<Item>,
        _task: Task,
    },
    Over,
}

/// Ends with its owner.
struct Task(JoinHandle<()>);

impl Drop for Task {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl HttpBody for Pieces {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        loop {
            match &mut *self {
                Self::Waiting(_) => {
                    if let Self::Waiting(parts) = std::mem::replace(&mut *self, Self::Over) {
                        let (sender, receiver) = mpsc::channel(1);
                        let task = tokio::task::spawn_local(run(*parts, sender));
                        *self = Self::Running { receiver, _task: Task(task) };
                    }
                }
                Self::Running { receiver, .. } => {
                    let item = std::task::ready!(receiver.poll_recv(cx));
                    if let Some(Item::Frame(frame)) = item {
                        return Poll::Ready(Some(Ok(frame)));
                    }
                    *self = Self::Over;
                    return Poll::Ready(match item {
                        Some(Item::End) => None,
                        Some(Item::Failed(error)) => Some(Err(error)),
                        _ => Some(Err(BodyError::Plugin)),
                    });
                }
                Self::Over => return Poll::Ready(None),
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!(self, Self::Over)
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::default()
    }
}

async fn run((mut body, mut filter): (Body, Filter), sender: mpsc::Sender<Item>) {
    let last = match filter.all(&mut body, &sender).await {
        Ok(()) => Item::End,
        Err(error) => Item::Failed(error),
    };
    // If nobody takes it, nobody needs it.
    let _ = sender.send(last).await;
}

/// One plugin's hook for one body.
struct Filter {
    plugin: Rc<dyn Plugin>,
    shared: Rc<Shared>,
    /// Away only during a call.
    exchange: Option<Box<Exchange>>,
    direction: Direction,
    course: Course,
}

/// How it went so far.
#[derive(PartialEq, Eq)]
enum Course {
    /// The plugin hasn't taken a piece: going on without it would change nothing.
    Fresh,
    Through,
    /// It failed on the first piece, and the body goes on without it.
    Past,
}

impl Filter {
    async fn all(&mut self, body: &mut Body, sender: &mpsc::Sender<Item>) -> Result<(), BodyError> {
        loop {
            match body.frame().await.transpose()? {
                None => return self.piece(Bytes::new(), true, sender).await,
                Some(frame) => match frame.into_data() {
                    Ok(data) => {
                        let last = body.is_end_stream();
                        self.pieces(data, last, sender).await?;
                        if last {
                            return Ok(());
                        }
                    }
                    Err(trailers) => {
                        self.piece(Bytes::new(), true, sender).await?;
                        return hand_over(sender, trailers).await;
                    }
                },
            }
        }
    }

    async fn pieces(&mut self, mut data: Bytes, last: bool, sender: &mpsc::Sender<Item>) -> Result<(), BodyError> {
        while data.len() > LONGEST {
            self.piece(data.split_to(LONGEST), false, sender).await?;
        }
        if data.is_empty() && !last {
            return Ok(());
        }
        self.piece(data, last, sender).await
    }

    async fn piece(&mut self, bytes: Bytes, last: bool, sender: &mpsc::Sender<Item>) -> Result<(), BodyError> {
        let out = if self.course == Course::Past { bytes } else { self.call(bytes, last).await? };
        if out.is_empty() { Ok(()) } else { hand_over(sender, Frame::data(out)).await }
    }

    async fn call(&mut self, bytes: Bytes, last: bool) -> Result<Bytes, BodyError> {
        let Some(exchange) = self.exchange.take() else { return Err(BodyError::Plugin) };
        let chunk = Chunk { direction: self.direction, bytes: bytes.clone(), last };
        let (exchange, result) = {
            let mut lease = self.shared.lease.lock().await;
            if self.course == Course::Through && self.shared.lost.get() {
                // Another instance doesn't know what came before.
                return Err(BodyError::Plugin);
            }
            let (exchange, result) = self.plugin.on_chunk(&mut lease, exchange, chunk).await;
            if let Err(error) = &result {
                self.shared.note(error);
            }
            (exchange, result)
        };
        let may_pass = self.course == Course::Fresh && self.plugin.on_error() == OnError::Open;
        let outcome = match result {
            Ok(out) => {
                self.course = Course::Through;
                Ok(out)
            }
            Err(error) => match Chain::judge(&*self.plugin, self.direction.hook(), &error, &exchange, may_pass) {
                None => {
                    self.course = Course::Past;
                    Ok(bytes)
                }
                Some(error) => {
                    self.shared.failure.replace(Some(error));
                    Err(BodyError::Plugin)
                }
            },
        };
        self.exchange = Some(exchange);
        outcome
    }
}

async fn hand_over(sender: &mpsc::Sender<Item>, frame: Frame<Bytes>) -> Result<(), BodyError> {
    // A receiver that went away ends the task; what it would be told reaches nobody.
    sender.send(Item::Frame(frame)).await.map_err(|_| BodyError::Plugin)
}
