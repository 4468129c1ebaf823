//! Requests to clusters, for plugins with the grant `http-client`. A plugin names a cluster of its grant
//! and a path; address, scheme, `Host` and framing are never its to choose. Each request carries the
//! exchange's `CDN-Loop` field on, so that a loop through the gateway ends (RFC 8586), and its trace if there is one.

use std::future::poll_fn;
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use http::header::{HeaderName, HeaderValue};
use http::{HeaderMap, StatusCode};

use crate::config::model::Grants;
use crate::plugin::edit;
use crate::plugin::exchange::Exchange;
use crate::plugin::http_client::{ClientError as Cause, Sending};
use crate::plugin::wasm::bindings::http_client::{self, ClientError, IncomingResponse, OutgoingRequest};
use crate::plugin::wasm::bindings::types::Field;
use crate::plugin::wasm::guest::{Guest, Subject};
use crate::telemetry::traces::TRACESTATE;

const CDN_LOOP: HeaderName = HeaderName::from_static("cdn-loop");

type Answer = Result<IncomingResponse, ClientError>;

impl http_client::Host for Guest {
    async fn send(&mut self, request: OutgoingRequest) -> wasmtime::Result<Answer> {
        let limit = self.lent.limits.response;
        Ok(match self.start(request) {
            Ok(sending) => answer(sending.await, limit),
            Err(error) => Err(error),
        })
    }

    async fn send_all(&mut self, requests: Vec<OutgoingRequest>) -> wasmtime::Result<Vec<Answer>> {
        let limit = self.lent.limits.response;
        let mut branches: Vec<Branch> = requests
            .into_iter()
            .map(|request| match self.start(request) {
                Ok(sending) => Branch::Running(sending),
                Err(error) => Branch::Done(Err(error)),
            })
            .collect();
        poll_fn(|context| {
            let mut running = false;
            for branch in &mut branches {
                let Branch::Running(sending) = branch else { continue };
                match sending.as_mut().poll(context) {
                    Poll::Ready(sent) => *branch = Branch::Done(answer(sent, limit)),
                    Poll::Pending => running = true,
                }
            }
            if running { Poll::Pending } else { Poll::Ready(()) }
        })
        .await;
        Ok(branches
            .into_iter()
            .map(|branch| match branch {
                Branch::Done(answer) => answer,
                Branch::Running(_) => Err(ClientError::Unavailable),
            })
            .collect())
    }
}

/// One of several requests on their way.
enum Branch {
    Running(Sending),
    Done(Answer),
}

impl Guest {
    /// Check a request and set it off.
    fn start(&mut self, request: OutgoingRequest) -> Result<Sending, ClientError> {
        if !is_granted(&self.lent.grants, &request.cluster) {
            return Err(ClientError::NotGranted);
        }
        // Outside of exchanges there is nobody to answer to, and `pick` can't wait.
        let Subject::Exchange { exchange, .. } = &mut self.current.subject else {
            return Err(ClientError::Unavailable);
        };
        let Some(client) = &self.client else { return Err(ClientError::Unavailable) };
        let target = edit::parse_target(&request.target).map_err(invalid)?;
        let method = edit::parse_method(&request.method).map_err(invalid)?;
        let mut headers =
            edit::header_map(request.headers.iter().map(|field| (&field.name, &field.value)), &self.lent.identity)
                .map_err(ClientError::Invalid)?;
        carry(&CDN_LOOP, &exchange.request.headers, &mut headers);
        if !count_call(exchange, &self.lent.name, self.lent.limits.calls) {
            return Err(ClientError::TooManyCalls);
        }
        let followed = exchange.trail.follow(&request.cluster, &method);
        if followed.is_some() {
            carry(&TRACESTATE, &exchange.request.headers, &mut headers);
        }
        let mut outgoing = http::Request::new(Bytes::from(request.body));
        *outgoing.method_mut() = method;
        *outgoing.uri_mut() = target.into();
        *outgoing.headers_mut() = headers;
        let timeout = request.timeout_ms.map(|ms| Duration::from_millis(ms.into()));
        Ok(client.send(&request.cluster, outgoing, timeout, self.lent.limits.response, followed))
    }
}

fn is_granted(grants: &Grants, cluster: &str) -> bool {
    grants.http_client.iter().flatten().any(|granted| **granted == *cluster)
}

fn invalid(error: edit::EditError) -> ClientError {
    ClientError::Invalid(error.to_string())
}

/// Whether the plugin has a call left in this exchange; it is taken then.
fn count_call(exchange: &mut Exchange, plugin: &std::sync::Arc<str>, limit: u32) -> bool {
    let index = exchange.calls.iter().position(|(name, _)| name == plugin).unwrap_or_else(|| {
        exchange.calls.push((plugin.clone(), 0));
        exchange.calls.len() - 1
    });
    match exchange.calls.get_mut(index) {
        Some((_, count)) if *count < limit => {
            *count += 1;
            true
        }
        _ => false,
    }
}

/// A field of the exchange's request, and not the plugin's own.
fn carry(name: &HeaderName, from: &HeaderMap, to: &mut HeaderMap) {
    to.remove(name);
    for value in from.get_all(name) {
        // Only the number of fields is bounded, and by far fewer than the map takes.
        let _ = to.try_append(name, HeaderValue::clone(value));
    }
}

fn answer(sent: Result<http::Response<Bytes>, Cause>, limit: usize) -> Answer {
    let response = sent.map_err(|cause| match cause {
        // The configuration's check knows all clusters, so the grant names one that is gone.
        Cause::UnknownCluster => ClientError::NotGranted,
        Cause::Timeout => ClientError::Timeout,
        Cause::Unavailable => ClientError::Unavailable,
        Cause::TooLarge => ClientError::TooLarge,
    })?;
    if response.status() == StatusCode::LOOP_DETECTED {
        return Err(ClientError::LoopDetected);
    }
    if response.body().len() > limit {
        return Err(ClientError::TooLarge);
    }
    let headers = response
        .headers()
        .iter()
        .map(|(name, value)| Field { name: name.as_str().to_owned(), value: value.as_bytes().to_vec() })
        .collect();
    Ok(IncomingResponse { status: response.status().as_u16(), headers, body: response.into_body().into() })
}
