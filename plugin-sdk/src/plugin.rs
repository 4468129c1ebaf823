//! The traits that a plugin implements: [`Plugin`], and one for each hook.

use serde::de::DeserializeOwned;

use crate::{
    Authentication, Authorization, Body, BodyDecision, Chunk, Decision, Endpoints, Exchange, Identity, LocalResponse,
    PickContext, Request, Response, Result, Verdict,
};

/// A configured instance. Every plugin implements this and the trait of each hook it serves.
pub trait Plugin: Sized + 'static {
    /// What the plugin's `config` is decoded into; [`config::Empty`](crate::config::Empty) if it takes none. Say
    /// `#[serde(deny_unknown_fields)]`, so that a misspelt key is found.
    type Config: DeserializeOwned;

    /// Make an instance. Called once in every new instance, before its first hook.
    ///
    /// # Errors
    /// A value can't be: say which key and what it should be ([`Error::at`](crate::Error::at)). The operator sees the text.
    fn configure(config: Self::Config) -> Result<Self>;
}

/// Role *authenticate*: who is asking?
pub trait Authenticate: Plugin {
    /// Look for credentials and judge them.
    ///
    /// # Errors
    /// A failure of the plugin, not of the caller: `on_error` says what follows.
    fn authenticate(&self, request: &mut Request, exchange: &Exchange) -> Result<Authentication>;
}

/// Role *authorize*: may they do this?
pub trait Authorize: Plugin {
    /// `identity` is none where the route lets anonymous requests in.
    ///
    /// # Errors
    /// A failure of the plugin: `on_error` says what follows.
    fn authorize(
        &self,
        request: &mut Request,
        exchange: &Exchange,
        identity: Option<&Identity>,
    ) -> Result<Authorization>;
}

/// Role *rate-limit*: not too much? Counting is the work of [`limiter`](crate::limiter).
pub trait RateLimit: Plugin {
    /// Admit or reject.
    ///
    /// # Errors
    /// A failure of the plugin: `on_error` says what follows.
    fn check(&self, request: &Request, exchange: &Exchange) -> Result<Verdict>;
}

/// Role *filter*: see and change the head of a request before it is sent on.
pub trait OnRequest: Plugin {
    /// Called for each request.
    ///
    /// # Errors
    /// A failure of the plugin: `on_error` says what follows.
    fn on_request(&self, request: &mut Request, exchange: &Exchange) -> Result<Decision>;
}

/// Role *filter*: the whole body of a request, after [`OnRequest`] asked for it with [`Decision::NeedBody`]. Bounded by the
/// plugin's `limits.body`.
pub trait OnRequestBody: OnRequest {
    /// The head can still be changed.
    ///
    /// # Errors
    /// A failure of the plugin: `on_error` says what follows.
    fn on_request_body(&self, request: &mut Request, exchange: &Exchange, body: Body) -> Result<BodyDecision>;
}

/// Role *filter*: the body of a request piece by piece, on its way to the upstream. What goes on is what this
/// returns, so memory stays small however long the body. Not called for requests without a body; trailers pass
/// untouched.
///
/// All hooks of a plugin that sees bodies this way meet one instance for one exchange.
///
/// ```
/// use sluice_plugin::prelude::*;
/// # use sluice_plugin::test::{MockHost, TestExchange};
///
/// /// Passes whole lines on, in capitals.
/// struct Lines;
/// # impl Plugin for Lines {
/// #     type Config = sluice_plugin::config::Empty;
/// #     fn configure(_: Self::Config) -> Result<Self> { Ok(Self) }
/// # }
///
/// impl OnRequestChunk for Lines {
///     /// A line that hasn't ended yet.
///     type RequestStream = Vec<u8>;
///
///     fn on_request_chunk(&self, line: &mut Vec<u8>, chunk: Chunk, _: &Exchange) -> Result<Vec<u8>> {
///         line.extend(chunk.bytes.to_ascii_uppercase());
///         let whole = if chunk.last { line.len() } else { line.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1) };
///         Ok(line.drain(..whole).collect())
///     }
/// }
///
/// # fn main() -> Result<()> {
/// let plugin = MockHost::new().configure::<Lines>(json!({}))?;
/// let out = plugin.on_request_chunks(&TestExchange::new("POST", "/"), ["one\ntw", "o\nthr", "ee"])?;
/// assert_eq!(out, [b"ONE\n".to_vec(), b"TWO\n".to_vec(), b"THREE".to_vec()]);
/// # Ok(())
/// # }
/// ```
pub trait OnRequestChunk: Plugin {
    /// What is kept from one piece of a body to the next; `()` if nothing is.
    type RequestStream: Default + 'static;

    /// Take a piece; return what to send on in its place, none to hold it back. At the last piece, return what was held
    /// back.
    ///
    /// # Errors
    /// A failure of the plugin: the message is broken off. With `on_error = "open"`, a body whose first piece failed
    /// goes on without the plugin.
    fn on_request_chunk(&self, kept: &mut Self::RequestStream, chunk: Chunk, exchange: &Exchange) -> Result<Vec<u8>>;
}

/// Role *filter*: the body of an answer piece by piece, on its way to the client. Otherwise like [`OnRequestChunk`];
/// upstreams are asked for answers without a content coding.
pub trait OnResponseChunk: Plugin {
    /// What is kept from one piece of a body to the next; `()` if nothing is.
    type ResponseStream: Default + 'static;

    /// Take a piece; return what to send on in its place, none to hold it back. At the last piece, return what was held
    /// back.
    ///
    /// # Errors
    /// A failure of the plugin: the client has the head already, so its connection or stream is broken off.
    fn on_response_chunk(&self, kept: &mut Self::ResponseStream, chunk: Chunk, exchange: &Exchange) -> Result<Vec<u8>>;
}

/// Role *filter*: see and change the head of every answer, whoever made it. Runs in the reverse order of the
/// chain, for each plugin whose request phase finished.
pub trait OnResponse: Plugin {
    /// Called for each answer.
    ///
    /// # Errors
    /// A failure of the plugin: `on_error` says what follows.
    fn on_response(&self, request: &Request, response: &mut Response, exchange: &Exchange) -> Result<Decision>;
}

/// Role *filter*: the whole body of an answer, after [`OnResponse`] asked for it with [`Decision::NeedBody`]. Bounded by the
/// plugin's `limits.body`.
pub trait OnResponseBody: OnResponse {
    /// The head can still be changed.
    ///
    /// # Errors
    /// A failure of the plugin: `on_error` says what follows.
    fn on_response_body(
        &self,
        request: &Request,
        response: &mut Response,
        exchange: &Exchange,
        body: Body,
    ) -> Result<BodyDecision>;
}

/// Role *aggregate*: the end of a chain. Compose one answer from several services with
/// [`http`](crate::http).
pub trait Aggregate: Plugin {
    /// Make the answer.
    ///
    /// # Errors
    /// A failure of the plugin: `on_error` says what follows.
    fn handle(&self, request: &Request, exchange: &Exchange) -> Result<LocalResponse>;
}

/// Role *balance*: pick an endpoint of a cluster. Must be quick and can't wait: [`http`](crate::http) isn't
/// to be had here. State kept in `self` is per thread of the gateway.
pub trait Balance: Plugin {
    /// The index of an endpoint. None, or an index past the end, leaves the choice to the
    /// built-in policy.
    fn pick(&mut self, context: &PickContext, endpoints: &Endpoints) -> Option<u32>;
}
