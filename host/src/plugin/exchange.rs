//! One exchange as plugins see it: the request's head, later the answer's, and what is known besides.
//!
//! The proxy makes it, the chain carries it, and an instance borrows it for the time of one call.
//! Edits by plugins go through the checked setters of [`super::edit`].

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};

use crate::body::Body;
use crate::telemetry::trail::Trail;

/// The state of one exchange. It moves into an instance's store for a call and back.
#[derive(Debug)]
pub struct Exchange {
    /// Unique for this gateway: 32 hexadecimal digits.
    pub id: Arc<str>,
    /// The matched route's name.
    pub route: Arc<str>,
    /// The accepting listener's name.
    pub listener: Arc<str>,
    /// The client's address; the forwarded one behind a trusted proxy.
    pub client: IpAddr,
    /// Of the client's connection, if there is one: its address as the connection tells it, and the one that it called.
    pub ends: Option<(SocketAddr, SocketAddr)>,
    pub request: RequestHead,
    /// There from the response phase on.
    pub response: Option<ResponseHead>,
    /// The first identity that an authenticator found.
    pub identity: Option<Identity>,
    /// The plugin that vouched for it.
    pub identified_by: Option<Arc<str>>,
    /// What `{name}` in the route's path matched, decoded.
    pub captures: Vec<(Arc<str>, String)>,
    /// What plugins published: `plugin.name` and value.
    pub attributes: Vec<(String, String)>,
    /// Each plugin's own state, by its name.
    pub states: Vec<(Arc<str>, Vec<u8>)>,
    /// `http-client` calls made so far, by plugin.
    pub calls: Vec<(Arc<str>, u32)>,
    /// The client asks for a WebSocket.
    pub websocket: bool,
    /// It is a call of gRPC, which wants errors told in its way.
    pub grpc: bool,
    /// When the whole exchange has to be over, if there is such a moment.
    pub deadline: Option<Instant>,
    /// What happened to it so far, for logs.
    pub trail: Trail,
}

impl Exchange {
    /// A copy for the chunk hooks of `plugin`, which run while the exchange goes on: who and where, and the
    /// plugin's own state, without heads.
    pub fn for_streaming(&self, plugin: &str) -> Box<Self> {
        let own = |name: &Arc<str>| **name == *plugin;
        let request = &self.request;
        Box::new(Self {
            id: Arc::clone(&self.id),
            route: Arc::clone(&self.route),
            listener: Arc::clone(&self.listener),
            client: self.client,
            ends: self.ends,
            request: RequestHead {
                method: request.method.clone(),
                scheme: request.scheme,
                target: request.target.clone(),
                headers: HeaderMap::new(),
            },
            response: None,
            identity: self.identity.clone(),
            identified_by: self.identified_by.clone(),
            captures: Vec::new(),
            attributes: self.attributes.clone(),
            states: self.states.iter().filter(|(name, _)| own(name)).cloned().collect(),
            calls: self.calls.iter().filter(|(name, _)| own(name)).cloned().collect(),
            websocket: self.websocket,
            grpc: self.grpc,
            deadline: self.deadline,
            trail: Trail::default(),
        })
    }

    /// Make `answer` the exchange's response; its body is returned.
    pub fn answer_with(&mut self, answer: LocalResponse, origin: Origin) -> Body {
        let headers = answer.headers.into_iter().collect();
        self.response = Some(ResponseHead { status: answer.status, headers, origin });
        if answer.body.is_empty() { Body::Empty } else { Body::Full(answer.body) }
    }
}

/// The head of a request, after entry rules and normalization.
#[derive(Debug, Clone)]
pub struct RequestHead {
    pub method: Method,
    /// `http` or `https`.
    pub scheme: &'static str,
    /// Normalized path and the query.
    pub target: PathAndQuery,
    /// `host` is always among them.
    pub headers: HeaderMap,
}

impl RequestHead {
    /// The `Host` field; empty if it isn't text.
    pub fn authority(&self) -> &str {
        self.headers.get(http::header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default()
    }
}

/// The head of an answer.
#[derive(Debug, Clone)]
pub struct ResponseHead {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub origin: Origin,
}

/// Who made an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    Upstream,
    Plugin,
    Gateway,
}

/// Who sends the request, as an authenticator vouches for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    pub subject: String,
    pub issuer: Option<String>,
    /// Seconds since the Unix epoch.
    pub expires_at: Option<u64>,
    /// A JSON object.
    pub claims: String,
}

/// An answer made by a plugin, checked: the status is 200 to 599, no field is the gateway's own.
#[derive(Debug, Clone)]
pub struct LocalResponse {
    pub status: StatusCode,
    pub headers: Vec<(HeaderName, HeaderValue)>,
    pub body: Bytes,
}
