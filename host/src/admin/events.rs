//! Server-sent events (HTML Living Standard, section 9.2): what serves, whenever that changes, and the
//! numbers each second. A reader that falls behind is cut off; it connects again by itself.

use std::cell::Cell;
use std::convert::Infallible;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, StatusCode};
use http_body::Frame;
use http_body_util::BodyExt as _;
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio::time::MissedTickBehavior;

use super::answer::{self, Answer, problem};
use super::{Source, describe, numbers};
use crate::config::model::Admin;

/// Readers at a time.
const MOST_VIEWERS: usize = 32;
/// Between two events with numbers.
const INTERVAL: Duration = Duration::from_secs(1);
/// For how long a reader may take nothing.
const PATIENCE: Duration = Duration::from_secs(20);
/// Events that may wait for a reader.
const QUEUE: usize = 8;

/// How many read now.
#[derive(Clone, Default)]
pub struct Viewers(Rc<Cell<usize>>);

/// One reader.
struct Viewer(Viewers);

impl Viewers {
    fn enter(&self) -> Option<Viewer> {
        if self.0.get() >= MOST_VIEWERS {
            return None;
        }
        self.0.set(self.0.get() + 1);
        Some(Viewer(self.clone()))
    }
}

impl Drop for Viewer {
    fn drop(&mut self) {
        self.0.0.set(self.0.0.get().saturating_sub(1));
    }
}

/// The answer that doesn't end, for somebody who was let in by `admin`.
pub fn stream<S: Source>(source: &Arc<S>, viewers: &Viewers, admin: Option<Admin>) -> Answer {
    let Some(viewer) = viewers.enter() else {
        return problem(StatusCode::SERVICE_UNAVAILABLE, "too many read the events already; close a dashboard");
    };
    let (sender, receiver) = mpsc::channel(QUEUE);
    let source = source.clone();
    tokio::task::spawn_local(async move {
        // It ends when the reader has gone, or isn't let in any more.
        let _ = feed(&*source, admin, &sender).await;
        drop(viewer);
    });
    let mut answer = answer::of(StatusCode::OK, "text/event-stream", Events(receiver).boxed_unsync());
    // Proxies between would wait for a full buffer.
    answer.headers_mut().insert("x-accel-buffering", HeaderValue::from_static("no"));
    answer
}

/// Why no more is sent: the reader has gone, or has fallen behind.
struct Gone;

async fn feed<S: Source>(source: &S, admin: Option<Admin>, to: &mpsc::Sender<Bytes>) -> Result<(), Gone> {
    let metrics = source.telemetry();
    send(to, "history", &numbers::history(&metrics.timeline().points())).await?;
    let (mut refusals, mut reloads) = (0, 0);
    let mut shown = None;
    let mut ticks = tokio::time::interval(INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    loop {
        ticks.tick().await;
        let Some(snapshot) = source.snapshot() else { return Ok(()) };
        // Whoever reads was let in by other rules, and has to ask again.
        if snapshot.config().admin != admin {
            return Ok(());
        }
        let state = (Arc::as_ptr(&snapshot), source.status());
        let is_new = shown.as_ref().is_none_or(|(before, status)| *before != state.0 || !Arc::ptr_eq(status, &state.1));
        if is_new {
            send(to, "config", &config(source, &snapshot)).await?;
            shown = Some(state);
        }
        send(to, "numbers", &numbers::numbers(source, &snapshot)).await?;
        let new = metrics.refusals().since(refusals);
        if let Some(last) = new.last() {
            refusals = last.number;
            send(to, "refusals", &describe::refusals(&new)).await?;
        }
        let new = metrics.reload_records().since(reloads);
        if let Some(last) = new.last() {
            reloads = last.number;
            send(to, "reloads", &describe::reloads(&new)).await?;
        }
    }
}

/// What changes by a reload alone.
fn config<S: Source>(source: &S, snapshot: &crate::snapshot::Snapshot) -> Value {
    let mut all = describe::status(source, snapshot);
    let parts = [
        describe::routes(source, snapshot),
        describe::plugins(&source.status()),
        describe::clusters(snapshot),
        // Who reads this has shown a token or a certificate, if there is either.
        json!({ "may_change": snapshot.config().admin.as_ref().is_some_and(Admin::is_guarded) }),
    ];
    if let Value::Object(all) = &mut all {
        all.extend(
            parts
                .into_iter()
                .filter_map(|part| match part {
                    Value::Object(part) => Some(part),
                    _ => None,
                })
                .flatten(),
        );
    }
    all
}

async fn send(to: &mpsc::Sender<Bytes>, name: &str, data: &Value) -> Result<(), Gone> {
    // JSON without line breaks, as an event's data must be.
    let event = Bytes::from(format!("event: {name}\ndata: {data}\n\n"));
    to.send_timeout(event, PATIENCE).await.map_err(|_| Gone)
}

/// The body of such an answer.
struct Events(mpsc::Receiver<Bytes>);

impl http_body::Body for Events {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.0.poll_recv(cx).map(|event| event.map(|event| Ok(Frame::data(event))))
    }
}
