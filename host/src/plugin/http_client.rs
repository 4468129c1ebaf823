//! How plugins reach clusters. The gateway implements this on its upstream pools; this floor knows
//! only the trait.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use bytes::Bytes;

use crate::telemetry::trail::Followed;

/// Sends one request to a cluster and collects the answer.
pub trait HttpClient: Send + Sync {
    /// `request` carries path and query in its URI, no `host` and no framing fields. The answer's
    /// body is at most `max_body` bytes.
    /// Who sends it tells of its tries in `followed`, if that is there, and names each to the endpoint.
    fn send(
        &self,
        cluster: &str,
        request: http::Request<Bytes>,
        timeout: Option<Duration>,
        max_body: usize,
        followed: Option<Followed>,
    ) -> Sending;
}

/// A request on its way. Dropping it cancels the upstream call.
pub type Sending = Pin<Box<dyn Future<Output = Result<http::Response<Bytes>, ClientError>> + Send>>;

/// Why there is no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ClientError {
    #[error("no such cluster")]
    UnknownCluster,
    #[error("no whole answer in time")]
    Timeout,
    #[error("the cluster can't be reached")]
    Unavailable,
    #[error("the answer is too large")]
    TooLarge,
}
