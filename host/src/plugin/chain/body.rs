//! Whole bodies for body hooks: collected within a bound, decoded, and put back.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderName, Method, StatusCode, header};
use http_body::{Body as HttpBody, Frame, SizeHint};
use http_body_util::BodyExt;

use super::coding::{self, DecodeError};
use crate::body::{Body, BodyError};
use crate::error::Error;

/// How long a client may send nothing in the middle of a body that a plugin waits for. Answers are
/// timed by their cluster.
const CLIENT_IDLE: Duration = Duration::from_secs(60);

/// Fields that describe a body's bytes or its stored form, and are wrong once it is replaced.
static OF_THE_BODY: [HeaderName; 9] = [
    header::CONTENT_LENGTH,
    header::CONTENT_ENCODING,
    header::CONTENT_RANGE,
    header::ACCEPT_RANGES,
    header::ETAG,
    HeaderName::from_static("content-md5"),
    HeaderName::from_static("digest"),
    HeaderName::from_static("content-digest"),
    HeaderName::from_static("repr-digest"),
];

/// A body as it came, and what it means.
#[derive(Default)]
pub(super) struct Collected {
    /// To be sent on if the plugin doesn't replace it: the same bytes, the same trailers.
    pub original: Body,
    /// For the plugin.
    pub decoded: Bytes,
}

/// All of a request's body.
///
/// # Errors
/// The client's: 400, 408, 413 or 415.
pub(super) async fn collect_request(body: Body, headers: &HeaderMap, limit: usize) -> Result<Collected, Error> {
    collect(body, headers, limit, Some(CLIENT_IDLE)).await.map_err(|failure| match failure {
        Failure::Body(BodyError::Idle) => Error::RequestTimeout,
        Failure::Body(BodyError::TooLarge) | Failure::Decode(DecodeError::TooLarge) => Error::RequestTooLarge,
        // If a plugin failed on it, the chain knows which and says so instead.
        Failure::Body(BodyError::Client | BodyError::Upstream | BodyError::Plugin)
        | Failure::Decode(DecodeError::Malformed) => Error::RequestBody,
        Failure::Decode(DecodeError::Unsupported) => Error::RequestCoding,
    })
}

/// All of an answer's body.
///
/// # Errors
/// The upstream's: 502 or 504.
pub(super) async fn collect_response(body: Body, headers: &HeaderMap, limit: usize) -> Result<Collected, Error> {
    collect(body, headers, limit, None).await.map_err(|failure| match failure {
        Failure::Body(BodyError::Client) => Error::RequestBody,
        Failure::Body(BodyError::Idle) => Error::UpstreamStalled,
        Failure::Body(BodyError::TooLarge) | Failure::Decode(DecodeError::TooLarge) => Error::ResponseTooLarge,
        Failure::Body(BodyError::Upstream | BodyError::Plugin) | Failure::Decode(DecodeError::Malformed) => {
            Error::ResponseBody
        }
        Failure::Decode(DecodeError::Unsupported) => Error::ResponseCoding,
    })
}

/// Whether a message is a stream that nobody may wait for the end of: gRPC or server-sent events.
pub(super) fn is_stream(headers: &HeaderMap) -> bool {
    let Some(kind) = headers.get(header::CONTENT_TYPE) else { return false };
    let starts =
        |prefix: &[u8]| kind.as_bytes().get(..prefix.len()).is_some_and(|kind| kind.eq_ignore_ascii_case(prefix));
    starts(b"application/grpc") || starts(b"text/event-stream")
}

/// Whether an answer has no body whatever its fields say (RFC 9110, section 6.4.1).
pub(super) fn has_no_body(method: &Method, status: StatusCode) -> bool {
    method == Method::HEAD
        || matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED | StatusCode::SWITCHING_PROTOCOLS)
}

/// Put `bytes` in a body's place. Its length is written when it is sent.
pub(super) fn replace(headers: &mut HeaderMap, body: &mut Body, bytes: Bytes) {
    for name in &OF_THE_BODY {
        headers.remove(name);
    }
    headers.remove(header::TRAILER);
    *body = if bytes.is_empty() { Body::Empty } else { Body::Full(bytes) };
}

enum Failure {
    Body(BodyError),
    Decode(DecodeError),
}

async fn collect(
    mut body: Body,
    headers: &HeaderMap,
    limit: usize,
    idle: Option<Duration>,
) -> Result<Collected, Failure> {
    // What can't be compressed gets a little longer by it. Decoded, the limit is exact.
    let bound = match headers.contains_key(header::CONTENT_ENCODING) {
        true => limit.saturating_add(limit / 64).saturating_add(1024),
        false => limit,
    };
    if body.size_hint().lower() > bound as u64 {
        return Err(Failure::Body(BodyError::TooLarge));
    }
    let mut whole = Whole::default();
    let mut bytes = BytesMut::new();
    while let Some(frame) = next(&mut body, idle).await {
        match frame.map_err(Failure::Body)?.into_data() {
            Ok(data) if data.len() > bound - bytes.len() => return Err(Failure::Body(BodyError::TooLarge)),
            Ok(data) => bytes.extend_from_slice(&data),
            Err(frame) => whole.trailers = frame.into_trailers().ok(),
        }
    }
    whole.data = bytes.freeze();
    let decoded = if whole.data.is_empty() {
        Bytes::new()
    } else {
        coding::decode(&whole.data, headers, limit).map_err(Failure::Decode)?
    };
    Ok(Collected { original: whole.into(), decoded })
}

async fn next(body: &mut Body, idle: Option<Duration>) -> Option<Result<Frame<Bytes>, BodyError>> {
    match (&body, idle) {
        (Body::Stream(_), Some(idle)) => {
            tokio::time::timeout(idle, body.frame()).await.unwrap_or(Some(Err(BodyError::Idle)))
        }
        _ => body.frame().await,
    }
}

/// A collected body with its trailers.
#[derive(Default)]
struct Whole {
    data: Bytes,
    trailers: Option<HeaderMap>,
}

impl From<Whole> for Body {
    fn from(whole: Whole) -> Self {
        if whole.trailers.is_some() {
            Self::stream(whole)
        } else if whole.data.is_empty() {
            Self::Empty
        } else {
            Self::Full(whole.data)
        }
    }
}

impl HttpBody for Whole {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        if !self.data.is_empty() {
            return Poll::Ready(Some(Ok(Frame::data(std::mem::take(&mut self.data)))));
        }
        Poll::Ready(self.trailers.take().map(|trailers| Ok(Frame::trailers(trailers))))
    }

    fn is_end_stream(&self) -> bool {
        self.data.is_empty() && self.trailers.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        // Of unknown length as long as there are trailers: with a known one HTTP/1 couldn't send them.
        SizeHint::default()
    }
}
