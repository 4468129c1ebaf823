//! What stands behind `http-client`: the answers that a case has written down.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use sluice::plugin::http_client::{ClientError, HttpClient, Sending};
use sluice::telemetry::trail::Followed;

use super::cases::{Upstream, UpstreamError};

/// The written answers of one case, and what was asked.
pub struct Answers {
    state: Mutex<State>,
}

struct State {
    /// With whether it was used.
    written: Vec<(Upstream, bool)>,
    asked: Vec<String>,
}

impl Answers {
    pub fn new(written: &[Upstream]) -> Self {
        let written = written.iter().map(|upstream| (upstream.clone(), false)).collect();
        Self { state: Mutex::new(State { written, asked: Vec::new() }) }
    }

    /// `GET users /users/7`, in order.
    pub fn asked(&self) -> Vec<String> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).asked.clone()
    }
}

impl HttpClient for Answers {
    fn send(
        &self,
        cluster: &str,
        request: http::Request<Bytes>,
        _: Option<Duration>,
        max_body: usize,
        _: Option<Followed>,
    ) -> Sending {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let target = request.uri().path_and_query().map_or("/", |target| target.as_str());
        state.asked.push(format!("{} {cluster} {target}", request.method()));
        let fits = |upstream: &Upstream| {
            upstream.cluster == cluster
                && upstream.method.as_ref().is_none_or(|method| method == request.method().as_str())
                && upstream.path.as_ref().is_none_or(|path| path == target)
        };
        let fresh = state.written.iter().position(|(upstream, used)| !used && fits(upstream));
        let index = fresh.or_else(|| state.written.iter().rposition(|(upstream, _)| fits(upstream)));
        let answer = match index.and_then(|index| state.written.get_mut(index)) {
            // As if nobody were there.
            None => Err(ClientError::Unavailable),
            Some((upstream, used)) => {
                *used = true;
                answer(upstream, max_body)
            }
        };
        // A real answer is never there at once.
        Box::pin(async {
            tokio::task::yield_now().await;
            answer
        })
    }
}

fn answer(upstream: &Upstream, max_body: usize) -> Result<http::Response<Bytes>, ClientError> {
    match upstream.error {
        Some(UpstreamError::Timeout) => return Err(ClientError::Timeout),
        Some(UpstreamError::Unavailable) => return Err(ClientError::Unavailable),
        Some(UpstreamError::TooLarge) => return Err(ClientError::TooLarge),
        None if upstream.body.len() > max_body => return Err(ClientError::TooLarge),
        None => {}
    }
    let mut response = http::Response::builder().status(upstream.status);
    for (name, values) in &upstream.headers.0 {
        for value in values.texts() {
            response = response.header(name, value);
        }
    }
    // Checked when the case was prepared.
    response.body(Bytes::from(upstream.body.clone())).map_err(|_| ClientError::Unavailable)
}
