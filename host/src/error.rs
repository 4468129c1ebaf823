//! Why an exchange got no answer from where it was meant to: every failure on the data path, with
//! whose fault it is. It never says how a failure is answered; that table is the proxy's.

use std::borrow::Cow;
use std::sync::Arc;

use http::HeaderValue;

/// A failure of one exchange.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The request is malformed or ambiguous; the text says how.
    #[error("bad request: {0}")]
    BadRequest(Cow<'static, str>),
    /// The target of the request is longer than allowed.
    #[error("the request's target is longer than allowed")]
    TargetTooLong,
    /// The head of the request is larger, or has more fields, than allowed.
    #[error("the request's head is larger than allowed")]
    HeadTooLarge,
    /// HTTP, but neither 1.0 nor 1.1 nor 2.
    #[error("the version of HTTP isn't supported")]
    Version,
    /// A transfer coding besides `chunked` (RFC 9112, section 6.1).
    #[error("the request's transfer coding isn't supported")]
    TransferCoding,
    /// The body is malformed, or the client broke off in it.
    #[error("the request's body is malformed or incomplete")]
    RequestBody,
    /// The client stopped sending in the middle of its body.
    #[error("the client stopped sending")]
    RequestTimeout,
    /// The body is larger than a plugin of the chain accepts.
    #[error("the request's body is larger than allowed")]
    RequestTooLarge,
    /// A plugin wants the whole body, and its content coding is unknown here.
    #[error("the request's content coding isn't supported")]
    RequestCoding,
    /// No route matches.
    #[error("no route matches")]
    NotFound,
    /// A route matches all but the method; `Allow` says what would do.
    #[error("no route for this method")]
    MethodNotAllowed(HeaderValue),
    /// `CONNECT`, which is for forward proxies.
    #[error("CONNECT isn't supported")]
    Connect,
    /// A WebSocket for a cluster whose endpoints speak HTTP/2 alone.
    #[error("the cluster's protocol, HTTP/2, has no WebSockets")]
    NoWebSocket,
    /// Authenticators ran, and none found an identity.
    #[error("no credentials")]
    Unauthenticated,
    /// A rate limit is used up; seconds until it is worth another try.
    #[error("rate limit exceeded")]
    RateLimited { retry_after: u64 },
    /// The gateway has too much to do, or too little memory; seconds until it is worth another try.
    #[error("the gateway is overloaded")]
    Shed { retry_after: u64 },
    /// The request has come through this gateway before (RFC 8586).
    #[error("the request loops")]
    Loop,

    /// A plugin failed, and its `on_error` is `closed`.
    #[error("plugin {plugin} failed: {kind}")]
    Plugin { plugin: Arc<str>, kind: &'static str },

    /// The cluster has no endpoint to try.
    #[error("no endpoint available")]
    NoEndpoint,
    /// No connection to any endpoint tried.
    #[error("endpoint refuses connections")]
    ConnectFailed,
    /// No connection within `timeouts.connect`.
    #[error("endpoint doesn't accept connections in time")]
    ConnectTimeout,
    /// TLS with the endpoint came to nothing.
    #[error("no TLS with the endpoint: {}", .0.text())]
    Tls(TlsFault),
    /// The connection broke before the answer's head.
    #[error("endpoint broke the connection")]
    Reset,
    /// What came back is no HTTP.
    #[error("endpoint's answer is malformed")]
    Malformed,
    /// No answer's head within `timeouts.first_byte`.
    #[error("endpoint doesn't answer in time")]
    FirstByteTimeout,
    /// The endpoint stopped taking the request's body for `timeouts.idle`.
    #[error("endpoint stalled")]
    UpstreamStalled,
    /// No whole answer within `timeouts.request`.
    #[error("no answer in the time for the whole request")]
    Deadline,
    /// The cluster has as many requests or connections as `limits` allow, and as many that wait.
    #[error("too many requests at once")]
    Overloaded,
    /// The answer's body broke off while a plugin waited for all of it.
    #[error("endpoint's answer broke off")]
    ResponseBody,
    /// The answer's body is larger than a plugin of the chain accepts.
    #[error("the answer's body is larger than allowed")]
    ResponseTooLarge,
    /// A plugin wants the whole answer, and its content coding is unknown here.
    #[error("the answer's content coding isn't supported")]
    ResponseCoding,

    /// A defect of the gateway itself; the text is for the log.
    #[error("internal error: {0}")]
    Internal(&'static str),
}

/// Why TLS with an endpoint came to nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TlsFault {
    /// Its certificate isn't vouched for by an authority that counts.
    UnknownIssuer,
    /// Its certificate is for another name.
    WrongName,
    Expired,
    NotYetValid,
    /// Its certificate can't be used for another reason.
    BadCertificate,
    /// It wants a certificate of the gateway, or another one.
    ClientCertificate,
    /// It doesn't speak the version of HTTP that it has to.
    NoProtocol,
    /// It broke off with another alert.
    Refused,
    /// It closed or broke the connection in the handshake.
    Broken,
    /// What it says is no TLS, or none that is understood.
    NoTls,
}

impl TlsFault {
    /// All of them.
    pub const ALL: [Self; 10] = [
        Self::UnknownIssuer,
        Self::WrongName,
        Self::Expired,
        Self::NotYetValid,
        Self::BadCertificate,
        Self::ClientCertificate,
        Self::NoProtocol,
        Self::Refused,
        Self::Broken,
        Self::NoTls,
    ];

    /// For people who operate the gateway.
    pub fn text(self) -> &'static str {
        match self {
            Self::UnknownIssuer => "its certificate is from an unknown authority",
            Self::WrongName => "its certificate is for another name",
            Self::Expired => "its certificate has expired",
            Self::NotYetValid => "its certificate isn't valid yet",
            Self::BadCertificate => "its certificate can't be used",
            Self::ClientCertificate => "it wants a certificate that the gateway hasn't shown",
            Self::NoProtocol => "it doesn't agree to the cluster's protocol",
            Self::Refused => "it refused the handshake",
            Self::Broken => "it broke off the handshake",
            Self::NoTls => "it doesn't speak TLS",
        }
    }
}

/// Who caused a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    Client,
    Plugin,
    Upstream,
    Gateway,
}

impl Error {
    /// Whose fault it is. Only upstream faults count against an endpoint.
    pub fn fault(&self) -> Fault {
        match self {
            Self::BadRequest(_)
            | Self::TargetTooLong
            | Self::HeadTooLarge
            | Self::Version
            | Self::TransferCoding
            | Self::RequestBody
            | Self::RequestTimeout
            | Self::RequestTooLarge
            | Self::RequestCoding
            | Self::NotFound
            | Self::MethodNotAllowed(_)
            | Self::Connect
            | Self::NoWebSocket
            | Self::Unauthenticated
            | Self::RateLimited { .. }
            | Self::Loop => Fault::Client,
            Self::Plugin { .. } => Fault::Plugin,
            Self::NoEndpoint
            | Self::ConnectFailed
            | Self::ConnectTimeout
            | Self::Tls(_)
            | Self::Reset
            | Self::Malformed
            | Self::FirstByteTimeout
            | Self::UpstreamStalled
            | Self::Deadline
            | Self::Overloaded
            | Self::ResponseBody
            | Self::ResponseTooLarge
            | Self::ResponseCoding => Fault::Upstream,
            Self::Internal(_) | Self::Shed { .. } => Fault::Gateway,
        }
    }

    /// Whether it is certain that no endpoint saw any of the request, so that another may be tried
    /// whatever the method.
    pub fn is_unsent(&self) -> bool {
        matches!(self, Self::ConnectFailed | Self::ConnectTimeout | Self::Tls(_))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_failures_to_connect_are_safe_to_repeat_for_every_method() {
        assert!(Error::ConnectFailed.is_unsent());
        assert!(!Error::Reset.is_unsent());
        assert!(!Error::FirstByteTimeout.is_unsent());
    }

    #[test]
    fn a_clients_broken_body_is_no_fault_of_the_endpoint() {
        assert_eq!(Error::RequestBody.fault(), Fault::Client);
        assert_eq!(Error::Reset.fault(), Fault::Upstream);
    }
}
