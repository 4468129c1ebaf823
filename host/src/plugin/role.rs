//! What the chain asks of a plugin, whatever runs it.
//!
//! The component model is one implementation ([`super::wasm`]); another ABI can stand beside it by
//! implementing these two traits. Nothing here knows of Wasm.

use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;

use bytes::Bytes;

use super::exchange::{Exchange, Identity, LocalResponse};
use super::http_client::HttpClient;
use crate::balance::{PickContext, View};
use crate::config::model::OnError;

/// A plugin of a snapshot: configured, proven by one instance, shared by all threads.
pub trait PluginFactory: Send + Sync {
    fn name(&self) -> &Arc<str>;
    fn hooks(&self) -> Hooks;
    fn on_error(&self) -> OnError;
    /// The part that belongs to one data thread. Called on that thread.
    fn on_thread(&self, client: Arc<dyn HttpClient>) -> Rc<dyn Plugin>;
}

/// A plugin on one thread. Calls are made in the order of the chain, one at a time for an exchange,
/// any number at a time for the plugin. Dropping a call's future cancels it.
pub trait Plugin {
    fn name(&self) -> &Arc<str>;
    fn hooks(&self) -> Hooks;
    fn on_error(&self) -> OnError;
    /// The bound on whole bodies in bytes.
    fn body_limit(&self) -> usize;

    fn authenticate<'a>(&'a self, lease: &'a mut Lease, exchange: Box<Exchange>) -> Call<'a, Authentication>;
    fn authorize<'a>(&'a self, lease: &'a mut Lease, exchange: Box<Exchange>) -> Call<'a, Authorization>;
    fn rate_limit<'a>(&'a self, lease: &'a mut Lease, exchange: Box<Exchange>) -> Call<'a, Verdict>;
    fn on_request<'a>(&'a self, lease: &'a mut Lease, exchange: Box<Exchange>) -> Call<'a, Decision>;
    fn on_request_body<'a>(
        &'a self,
        lease: &'a mut Lease,
        exchange: Box<Exchange>,
        body: Bytes,
    ) -> Call<'a, BodyDecision>;
    fn on_response<'a>(&'a self, lease: &'a mut Lease, exchange: Box<Exchange>) -> Call<'a, Decision>;
    fn on_response_body<'a>(
        &'a self,
        lease: &'a mut Lease,
        exchange: Box<Exchange>,
        body: Bytes,
    ) -> Call<'a, BodyDecision>;
    /// A piece of a body in, what to send on in its place out. `exchange` is a copy ([`Exchange::for_streaming`]).
    fn on_chunk<'a>(&'a self, lease: &'a mut Lease, exchange: Box<Exchange>, chunk: Chunk) -> Call<'a, Bytes>;
    fn aggregate<'a>(&'a self, lease: &'a mut Lease, exchange: Box<Exchange>) -> Call<'a, LocalResponse>;
    /// Can't wait. `Ok(None)` leaves the choice to the built-in policy.
    ///
    /// # Errors
    /// The plugin failed; the built-in policy decides.
    fn pick(&self, context: &PickContext<'_>, endpoints: &dyn View) -> Result<Option<usize>, PluginError>;
}

/// A call on its way. The exchange comes back whatever happened.
pub type Call<'a, T> = Pin<Box<dyn Future<Output = (Box<Exchange>, Result<T, PluginError>)> + 'a>>;

/// What a plugin keeps for one exchange between its hooks, e.g. an instance of its own. Empty at
/// first; dropped at the exchange's end.
#[derive(Default)]
pub struct Lease(pub Option<Box<dyn std::any::Any>>);

/// The hooks that a plugin has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Hooks(u16);

impl Hooks {
    pub const AUTHENTICATE: Self = Self(1);
    pub const AUTHORIZE: Self = Self(1 << 1);
    pub const RATE_LIMIT: Self = Self(1 << 2);
    pub const ON_REQUEST: Self = Self(1 << 3);
    pub const ON_REQUEST_BODY: Self = Self(1 << 4);
    pub const ON_RESPONSE: Self = Self(1 << 5);
    pub const ON_RESPONSE_BODY: Self = Self(1 << 6);
    pub const AGGREGATE: Self = Self(1 << 7);
    pub const BALANCE: Self = Self(1 << 8);
    pub const ON_REQUEST_CHUNK: Self = Self(1 << 9);
    pub const ON_RESPONSE_CHUNK: Self = Self(1 << 10);

    /// Each hook with the name of its WIT interface.
    pub const ALL: [(Self, &'static str); 11] = [
        (Self::AUTHENTICATE, "authenticate"),
        (Self::AUTHORIZE, "authorize"),
        (Self::RATE_LIMIT, "rate-limit"),
        (Self::ON_REQUEST, "on-request"),
        (Self::ON_REQUEST_BODY, "on-request-body"),
        (Self::ON_REQUEST_CHUNK, "on-request-chunk"),
        (Self::ON_RESPONSE, "on-response"),
        (Self::ON_RESPONSE_BODY, "on-response-body"),
        (Self::ON_RESPONSE_CHUNK, "on-response-chunk"),
        (Self::AGGREGATE, "aggregate"),
        (Self::BALANCE, "balance"),
    ];

    #[must_use]
    pub const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether all of `other` are among these.
    pub const fn has(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// Whether any of `other` is among these.
    pub const fn intersects(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The names of their WIT interfaces.
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        Self::ALL.into_iter().filter(move |(hook, _)| self.has(*hook)).map(|(_, name)| name)
    }
}

/// The outcome of `authenticate`.
#[derive(Debug)]
pub enum Authentication {
    Identified(Identity),
    NoCredentials,
    Denied(LocalResponse),
}

/// The outcome of `authorize`.
#[derive(Debug)]
pub enum Authorization {
    Allowed,
    Denied(LocalResponse),
}

/// The outcome of `rate-limit`.
#[derive(Debug)]
pub enum Verdict {
    Admitted(Option<Quota>),
    Rejected(Quota),
}

/// The state of one limit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Quota {
    /// A structured-field string's characters only (RFC 8941).
    pub policy: String,
    pub limit: u64,
    pub window_ms: u64,
    pub remaining: u64,
    pub reset_ms: u64,
    pub retry_after_ms: u64,
}

/// The outcome of `on-request` and `on-response`.
#[derive(Debug)]
pub enum Decision {
    Continue,
    Respond(LocalResponse),
    NeedBody,
}

/// The outcome of a body hook.
#[derive(Debug)]
pub enum BodyDecision {
    Continue,
    Replace(Bytes),
    Respond(LocalResponse),
}

/// A piece of a body for a chunk hook.
#[derive(Debug, Clone)]
pub struct Chunk {
    pub direction: Direction,
    pub bytes: Bytes,
    /// Nothing comes after it.
    pub last: bool,
}

/// Which body a piece is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    Request,
    Response,
}

impl Direction {
    /// The hook for its pieces.
    pub const fn hook(self) -> Hooks {
        match self {
            Self::Request => Hooks::ON_REQUEST_CHUNK,
            Self::Response => Hooks::ON_RESPONSE_CHUNK,
        }
    }
}

/// Why a call came to nothing. The instance that did it is gone; the exchange is whole.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PluginError {
    /// With the first line of the trap and the guest's backtrace, for the log only.
    #[error("trapped: {0}")]
    Trap(String),
    /// `limits.time`
    #[error("ran longer than its time limit")]
    Time,
    /// `limits.deadline`
    #[error("didn't finish before its deadline")]
    Deadline,
    /// `limits.memory`
    #[error("wanted more memory than its limit")]
    Memory,
    /// The plugin returned `err`.
    #[error("failed: {0}")]
    Failed(String),
    /// It returned something that the contract forbids.
    #[error("returned an invalid result: {0}")]
    InvalidResult(String),
    /// All of `limits.instances` are busy.
    #[error("no free instance")]
    Busy,
    /// The plugin has no version that loads.
    #[error("has no usable component")]
    Unavailable,
}

impl PluginError {
    /// A short name for metrics.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Trap(_) => "trap",
            Self::Time => "time",
            Self::Deadline => "deadline",
            Self::Memory => "memory",
            Self::Failed(_) => "failed",
            Self::InvalidResult(_) => "invalid-result",
            Self::Busy => "busy",
            Self::Unavailable => "unavailable",
        }
    }
}
