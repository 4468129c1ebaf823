//! Bodies that pass through chunk hooks: order, ends, framing, failures, back-pressure.

use std::cell::{Cell, RefCell};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{Method, StatusCode};
use http_body::Frame;
use http_body_util::BodyExt;

use super::bodies::stream;
use super::fake::{Bench, Fake, Ran, always, exchange};
use crate::body::{Body, BodyError};
use crate::config::model::OnError;
use crate::plugin::chain::Chain;
use crate::plugin::exchange::{Exchange, LocalResponse, Origin};
use crate::plugin::role::{BodyDecision, Chunk, Decision, Direction, Plugin, PluginError};

type Change = dyn Fn(Chunk) -> Result<Bytes, PluginError>;

fn sees(change: impl Fn(Chunk) -> Result<Bytes, PluginError> + 'static) -> Fake {
    Fake { on_chunk: Some(Box::new(move |_, chunk| change(chunk))), ..Fake::default() }
}

/// Puts a mark behind each piece, and another one behind the last.
fn marks(mark: &'static str) -> Fake {
    sees(move |chunk| {
        let end = if chunk.last { "." } else { "" };
        Ok([&*chunk.bytes, mark.as_bytes(), end.as_bytes()].concat().into())
    })
}

fn of(direction: Direction, change: Box<Change>) -> Fake {
    sees(move |chunk| if chunk.direction == direction { change(chunk) } else { Ok(chunk.bytes) })
}

fn run(bench: Bench, sent: Body, answered: Body) -> Ran {
    bench.run(exchange(Method::POST, &[("content-length", "6")]), sent, (&[("content-length", "6")], answered))
}

#[test]
fn requests_pass_in_the_order_of_the_chain_and_answers_in_reverse() {
    let bench = Bench::default().with("a", marks("a")).with("b", marks("b"));
    let ran = run(bench, stream(vec![Ok("one"), Ok("two")]), stream(vec![Ok("x"), Ok("y")]));
    assert_eq!(ran.sent.as_deref(), Some(&b"oneabtwoaba.bb."[..]));
    assert_eq!(ran.body, "xbaybab.aa.");
    assert_eq!(ran.exchange.request.headers.get("content-length"), None);
    assert_eq!(ran.response().headers.get("content-length"), None);
}

#[test]
fn a_body_in_memory_is_one_last_piece_and_long_ones_are_cut() {
    let seen = Rc::new(RefCell::new(Vec::new()));
    let noted = Rc::clone(&seen);
    let fake = sees(move |chunk| {
        noted.borrow_mut().push((chunk.bytes.len(), chunk.last));
        Ok(chunk.bytes)
    });
    let ran = run(Bench::default().with("a", fake), Body::Full("x".repeat(150_000).into()), Body::Full("y".into()));
    assert_eq!(ran.sent.map(|sent| sent.len()), Some(150_000));
    assert_eq!(*seen.borrow(), [(65_536, false), (65_536, false), (18_928, true), (1, true)]);
}

#[test]
fn what_has_no_body_isnt_seen() {
    let ran = run(Bench::default().with("a", sees(|_| panic!("called"))), Body::Empty, Body::Empty);
    assert_eq!((ran.sent.as_deref(), ran.broken), (Some(&b""[..]), None));
}

#[test]
fn tags_become_weak() {
    let fields = [("etag", "\"v1\""), ("content-digest", "sha-256=:AA==:"), ("content-encoding", "br")];
    let bench = Bench::default().with("a", marks("a"));
    let ran = bench.run(exchange(Method::GET, &[]), Body::Empty, (&fields, Body::Full("x".into())));
    let headers = &ran.response().headers;
    assert_eq!(headers["etag"], "W/\"v1\"");
    assert_eq!((headers.get("content-digest"), &headers["content-encoding"]), (None, &"br".parse().unwrap()));
}

#[test]
fn who_waits_for_the_whole_body_gets_what_came_out_before() {
    let reader = Fake {
        body_limit: 100,
        on_request: always(|| Decision::NeedBody),
        on_request_body: Some(Box::new(|_, body| {
            assert_eq!(body, "onea.");
            Ok(BodyDecision::Continue)
        })),
        ..Fake::default()
    };
    let bench = Bench::default().with("a", marks("a")).with("b", reader);
    let ran = run(bench, Body::Full("one".into()), Body::Empty);
    assert_eq!(ran.sent.as_deref(), Some(&b"onea."[..]));
}

#[test]
fn a_failure_on_the_request_is_answered_as_the_plugins() {
    for on_error in [OnError::Closed, OnError::Open] {
        let last = |chunk: Chunk| if chunk.last { Err(PluginError::Time) } else { Ok(chunk.bytes) };
        let fake = Fake {
            on_error,
            on_response: Some(Box::new(|_| panic!("it has failed"))),
            ..of(Direction::Request, Box::new(last))
        };
        let ran = run(Bench::default().with("a", fake), stream(vec![Ok("one"), Ok("two")]), Body::Empty);
        assert_eq!(ran.sent, None);
        assert_eq!(ran.response().status, StatusCode::SERVICE_UNAVAILABLE, "{ran:?}");
    }
}

#[test]
fn a_failure_on_the_answer_never_looks_like_its_end() {
    let fails =
        of(Direction::Response, Box::new(|chunk| if chunk.last { Err(PluginError::Time) } else { Ok(chunk.bytes) }));
    let ran = run(Bench::default().with("a", fails), Body::Empty, stream(vec![Ok("x"), Ok("y")]));
    assert_eq!(ran.broken, Some(BodyError::Plugin));
}

#[test]
fn what_fails_open_on_the_first_piece_is_left_out() {
    let fake = Fake { on_error: OnError::Open, ..sees(|_| Err(PluginError::Time)) };
    let ran = run(Bench::default().with("a", fake), stream(vec![Ok("one"), Ok("two")]), Body::Full("x".into()));
    assert_eq!((ran.sent.as_deref(), &*ran.body), (Some(&b"onetwo"[..]), &b"x"[..]));
}

/// A body without end that counts what was taken of it.
struct Endless(Rc<Cell<usize>>);

impl http_body::Body for Endless {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        self.0.set(self.0.get() + 1);
        Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(b"more")))))
    }
}

#[test]
fn nothing_is_read_that_nobody_asks_for() {
    let taken = Rc::new(Cell::new(0));
    let fake = Fake { name: Some("a".into()), ..marks("a") };
    let chain = Chain::new(vec![Rc::new(fake) as Rc<dyn Plugin>]);
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    tokio::task::LocalSet::new().block_on(&runtime, async {
        let mut body = Body::stream(Endless(Rc::clone(&taken)));
        let mut run = chain.start();
        chain.request(&mut run, Box::new(exchange(Method::POST, &[])), &mut body, true).await;
        assert_eq!(taken.get(), 0, "nobody has asked yet");
        for asked in 1..5 {
            assert!(body.frame().await.unwrap().is_ok());
            for _ in 0..100 {
                tokio::task::yield_now().await;
            }
            // One waits to be taken, one to take its place.
            assert!(taken.get() <= asked + 2, "{} for {asked}", taken.get());
        }
        drop(body);
        tokio::task::yield_now().await;
        assert_eq!(Rc::strong_count(&taken), 1, "the task ended with the body");
    });
}

/// An answer comes while the request's body is still on its way, and its hook fails. Open: what came before the
/// failure can't be known to the next instance.
#[test]
fn a_body_that_was_begun_doesnt_go_on_in_another_instance() {
    for (error, goes_on) in [(PluginError::Time, false), (PluginError::Failed("it's still there".into()), true)] {
        let fails = move |_: &mut Exchange| Err::<Decision, _>(error.clone());
        let fake =
            Fake { name: Some("a".into()), on_error: OnError::Open, on_response: Some(Box::new(fails)), ..marks("a") };
        let chain = Chain::new(vec![Rc::new(fake) as Rc<dyn Plugin>]);
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        tokio::task::LocalSet::new().block_on(&runtime, async {
            let mut run = chain.start();
            let mut sent = stream(vec![Ok("one"), Ok("two"), Ok("three"), Ok("four"), Ok("five")]);
            let (mut exchange, _) =
                chain.request(&mut run, Box::new(exchange(Method::POST, &[])), &mut sent, true).await;
            assert!(sent.frame().await.unwrap().is_ok());
            let answer = LocalResponse { status: StatusCode::OK, headers: Vec::new(), body: "x".into() };
            let mut body = exchange.answer_with(answer, Origin::Upstream);
            let exchange = chain.response(&mut run, exchange, &mut body, &|_, _| unreachable!("it's open")).await;
            assert_eq!(exchange.response.map(|response| response.status), Some(StatusCode::OK));
            let rest = sent.collect(1 << 10).await;
            assert_eq!(rest.is_ok(), goes_on);
        });
    }
}
