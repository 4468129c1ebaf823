//! What may be tried again: by condition and method, with the request at hand, within a budget, and after a
//! moment. Nothing here sends.

use std::cell::Cell;
use std::time::{Duration, Instant};

use http::{Method, Request, header};

use crate::body::{Body, BodyError};
use crate::config::model::{Hedge, Retries};
use crate::error::Error;

/// Hundredths of a retry that come each second, whatever the traffic: a quiet cluster may retry too.
const REFILL: u64 = 300;
/// The most that is saved up.
const MOST: u64 = 10_000;
const ONE: u64 = 100;

/// What clusters that hedge have without retries of their own: how much of the requests may be sent twice, in percent.
pub(super) const SHARE: u32 = 20;
/// And the largest body.
const BODY: usize = 64 << 10;

/// How many retries a thread may still make, as a share of its requests, so that retries don't multiply the load
/// on a service that fails. (Finagle's documentation: RetryBudget.)
#[derive(Debug)]
pub(super) struct Budget {
    /// In hundredths of a retry.
    saved: Cell<u64>,
    at: Cell<Option<Instant>>,
}

impl Default for Budget {
    fn default() -> Self {
        Self { saved: Cell::new(10 * ONE), at: Cell::new(None) }
    }
}

impl Budget {
    /// A request, of which `percent` may be retried.
    pub fn deposit(&self, percent: u32) {
        self.saved.set((self.saved.get() + u64::from(percent)).min(MOST));
    }

    /// Whether there may be one more.
    pub fn withdraw(&self, now: Instant) -> bool {
        let since = self.at.replace(Some(now)).map_or(Duration::ZERO, |at| now.saturating_duration_since(at));
        let refill = u64::try_from(since.as_millis()).unwrap_or(u64::MAX).saturating_mul(REFILL) / 1000;
        let saved = self.saved.get().saturating_add(refill).min(MOST);
        let left = saved.checked_sub(ONE);
        self.saved.set(left.unwrap_or(saved));
        left.is_some()
    }
}

/// Read a body that is small enough to be kept, so that it can be sent again.
///
/// # Errors
/// The client doesn't deliver it.
pub(super) async fn keep_body(
    request: Request<Body>,
    retries: Option<&Retries>,
    hedge: Option<&Hedge>,
    idle: Duration,
) -> Result<Request<Body>, Error> {
    let Body::Stream(stream) = request.body() else { return Ok(request) };
    let length = http_body::Body::size_hint(&**stream).exact();
    let most = retries.map_or(BODY, |retries| retries.body);
    let fits = length.is_some_and(|length| length <= most as u64);
    let methods = [retries.map(|retries| &retries.methods), hedge.map(|hedge| &hedge.methods)];
    if !fits || !methods.into_iter().flatten().any(|methods| methods.contains(request.method())) {
        return Ok(request);
    }
    let (head, body) = request.into_parts();
    let body = match tokio::time::timeout(idle, body.collect(most)).await {
        Ok(Ok(bytes)) if bytes.is_empty() => Body::Empty,
        Ok(Ok(bytes)) => Body::Full(bytes),
        Ok(Err(BodyError::Idle)) | Err(_) => return Err(Error::RequestTimeout),
        Ok(Err(BodyError::TooLarge | BodyError::Client | BodyError::Upstream | BodyError::Plugin)) => {
            return Err(Error::RequestBody);
        }
    };
    Ok(Request::from_parts(head, body))
}

/// A copy for the next try, if there may be one. What asks for another protocol is sent once: it isn't known what became
/// of it.
pub(super) fn copy(request: &Request<Body>, methods: &[Method]) -> Option<Request<Body>> {
    let body = match request.body() {
        _ if !methods.contains(request.method()) || request.headers().contains_key(header::UPGRADE) => return None,
        Body::Empty => Body::Empty,
        Body::Full(bytes) => Body::Full(bytes.clone()),
        Body::Stream(_) | Body::Switched(_) => return None,
    };
    let mut copy = Request::new(body);
    copy.method_mut().clone_from(request.method());
    copy.uri_mut().clone_from(request.uri());
    copy.headers_mut().clone_from(request.headers());
    Some(copy)
}

/// Whether a failure is one that is tried again.
pub(super) fn is_retried(error: &Error, retries: &Retries) -> bool {
    match error {
        Error::Reset => retries.on_reset,
        Error::FirstByteTimeout | Error::UpstreamStalled => retries.on_timeout,
        _ => false,
    }
}

/// How long to wait before the retry of that number, from 1: anything up to twice as long each time, since those
/// who failed together must not come back together. (Brooker: Exponential backoff and jitter, AWS, 2015.)
pub(super) fn pause(retries: &Retries, number: u32) -> Duration {
    let doubled = retries.backoff.saturating_mul(1_u32.checked_shl(number.saturating_sub(1)).unwrap_or(u32::MAX));
    // Without randomness they just all wait the same.
    let fraction = getrandom::u32().map_or(0.5, |random| f64::from(random) / f64::from(u32::MAX));
    doubled.min(retries.max_backoff).mul_f64(fraction)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retries_are_a_share_of_the_requests_and_a_few_besides() {
        let (budget, start) = (Budget::default(), Instant::now());
        let spend = |now| std::iter::from_fn(|| budget.withdraw(now).then_some(())).count();
        assert_eq!(spend(start), 10, "to begin with");
        (0..100).for_each(|_| budget.deposit(20));
        assert_eq!(spend(start), 20);
        assert_eq!(spend(start + Duration::from_secs(2)), 6, "three a second");
        (0..10_000).for_each(|_| budget.deposit(20));
        assert_eq!(spend(start), 100, "no more than that is saved up");
    }

    #[test]
    fn pauses_grow_up_to_a_bound() {
        let retries = Retries::default();
        for number in 1..200 {
            let most = Duration::from_millis(25).saturating_mul(1 << (number - 1).min(10)).min(retries.max_backoff);
            assert!(pause(&retries, number) <= most);
        }
    }

    #[test]
    fn only_what_is_at_hand_is_copied() {
        let request = |method, body| Request::builder().method(method).body(body).unwrap();
        let methods = Retries::default().methods;
        assert!(copy(&request(Method::PUT, Body::Full("x".into())), &methods).is_some());
        assert!(copy(&request(Method::POST, Body::Empty), &methods).is_none());
        assert!(copy(&request(Method::POST, Body::Empty), &[Method::POST]).is_some());
        let mut handshake = request(Method::GET, Body::Empty);
        assert!(copy(&handshake, &methods).is_some());
        handshake.headers_mut().insert("upgrade", http::HeaderValue::from_static("websocket"));
        assert!(copy(&handshake, &methods).is_none());
    }
}
