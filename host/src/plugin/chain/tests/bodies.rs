//! Whole bodies: collected, decoded, replaced, bounded.

use std::io::Write;

use bytes::Bytes;
use http::{Method, StatusCode};
use http_body_util::BodyExt;

use super::fake::{Bench, Fake, Ran, always, exchange, local};
use crate::body::{Body, BodyError};
use crate::config::model::OnError;
use crate::error::Error;
use crate::plugin::exchange::Origin;
use crate::plugin::role::{BodyDecision, Decision, PluginError};

fn gzip(text: &str) -> Bytes {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(text.as_bytes()).unwrap();
    encoder.finish().unwrap().into()
}

/// Looks at request bodies.
fn reads(decide: impl Fn(Bytes) -> BodyDecision + 'static) -> Fake {
    Fake {
        body_limit: 10,
        on_request: always(|| Decision::NeedBody),
        on_request_body: Some(Box::new(move |_, body| Ok(decide(body)))),
        ..Fake::default()
    }
}

/// Looks at answers' bodies.
fn reads_answers(decide: impl Fn(Bytes) -> BodyDecision + 'static) -> Fake {
    Fake {
        body_limit: 10,
        on_request: always(|| Decision::Continue),
        on_response: always(|| Decision::NeedBody),
        on_response_body: Some(Box::new(move |_, body| Ok(decide(body)))),
        ..Fake::default()
    }
}

fn post(fake: Fake, fields: &[(&str, &str)], body: Body) -> Ran {
    Bench::default().with("a", fake).run(exchange(Method::POST, fields), body, (&[], Body::Empty))
}

fn get(fake: Fake, fields: &[(&str, &str)], body: Body) -> Ran {
    Bench::default().with("a", fake).run(exchange(Method::GET, &[]), Body::Empty, (fields, body))
}

/// A stream of pieces.
pub fn stream(pieces: Vec<Result<&'static str, BodyError>>) -> Body {
    struct Pieces(std::collections::VecDeque<Result<&'static str, BodyError>>);
    impl http_body::Body for Pieces {
        type Data = Bytes;
        type Error = BodyError;
        fn poll_frame(
            mut self: std::pin::Pin<&mut Self>,
            _: &mut std::task::Context<'_>,
        ) -> std::task::Poll<Option<Result<http_body::Frame<Bytes>, BodyError>>> {
            std::task::Poll::Ready(self.0.pop_front().map(|piece| {
                piece.map(|text| match text.strip_prefix("trailer:") {
                    Some(value) => http_body::Frame::trailers(super::headers(&[("x-sum", value)])),
                    None => http_body::Frame::data(Bytes::from(text)),
                })
            }))
        }
    }
    Body::stream(Pieces(pieces.into()))
}

#[test]
fn a_body_is_seen_whole_and_passes_unchanged() {
    let ran = post(
        reads(|body| {
            assert_eq!(body, "one two");
            BodyDecision::Continue
        }),
        &[],
        stream(vec![Ok("one "), Ok("two")]),
    );
    assert_eq!(ran.calls, ["a.on-request", "a.on-request-body", "upstream"]);
    assert_eq!(ran.sent.unwrap(), "one two");
}

#[test]
fn an_encoded_body_is_seen_decoded_and_passes_as_it_came() {
    let sent = gzip("hello");
    let ran = post(
        reads(|body| {
            assert_eq!(body, "hello");
            BodyDecision::Continue
        }),
        &[("content-encoding", "gzip"), ("content-length", "25")],
        Body::Full(sent.clone()),
    );
    assert_eq!(ran.sent.unwrap(), sent);
    assert_eq!(ran.exchange.request.headers["content-encoding"], "gzip");
    assert_eq!(ran.exchange.request.headers["content-length"], "25");
}

#[test]
fn a_replaced_body_loses_what_described_the_old_one() {
    let ran = post(
        reads(|_| BodyDecision::Replace("new".into())),
        &[("content-encoding", "gzip"), ("content-length", "25"), ("digest", "x"), ("content-type", "text/plain")],
        Body::Full(gzip("hello")),
    );
    assert_eq!(ran.sent.unwrap(), "new");
    let headers = &ran.exchange.request.headers;
    assert!(!["content-encoding", "content-length", "digest"].iter().any(|name| headers.contains_key(*name)));
    assert_eq!(headers["content-type"], "text/plain");
}

#[test]
fn later_plugins_see_what_earlier_ones_made() {
    let ran = Bench::default()
        .with("a", reads(|_| BodyDecision::Replace("from a".into())))
        .with(
            "b",
            reads(|body| {
                assert_eq!(body, "from a");
                BodyDecision::Replace("from b".into())
            }),
        )
        .run(exchange(Method::POST, &[]), Body::Full("x".into()), (&[], Body::Empty));
    assert_eq!(ran.sent.unwrap(), "from b");
}

#[test]
fn requests_that_cannot_be_read_are_the_clients_fault() {
    let seen = || reads(|_| panic!("the plugin sees it"));
    let error = |fields: &[(&str, &str)], body| post(seen(), fields, body).error.unwrap();
    assert_eq!(error(&[], Body::Full("12345678901".into())), Error::RequestTooLarge);
    assert_eq!(error(&[], stream(vec![Ok("123456"), Ok("78901")])), Error::RequestTooLarge);
    assert_eq!(error(&[("content-encoding", "gzip")], Body::Full(gzip(&"0".repeat(11)))), Error::RequestTooLarge);
    assert_eq!(error(&[("content-encoding", "gzip")], Body::Full("nonsense".into())), Error::RequestBody);
    assert_eq!(error(&[("content-encoding", "br")], Body::Full("x".into())), Error::RequestCoding);
    assert_eq!(error(&[], stream(vec![Ok("1"), Err(BodyError::Client)])), Error::RequestBody);
}

#[test]
fn a_body_of_exactly_the_limit_is_fine() {
    let ran = post(reads(|_| BodyDecision::Continue), &[], Body::Full("1234567890".into()));
    assert_eq!(ran.sent.unwrap(), "1234567890");
}

#[test]
fn need_body_without_the_hook_or_on_a_stream_is_the_plugins_failure() {
    let invalid = Some(Error::Plugin { plugin: "a".into(), kind: "invalid-result" });
    let without = Fake { on_request: always(|| Decision::NeedBody), ..Fake::default() };
    assert_eq!(post(without, &[], Body::Full("x".into())).error, invalid);
    let fields = [("content-type", "application/grpc+proto")];
    assert_eq!(post(reads(|_| BodyDecision::Continue), &fields, Body::Full("x".into())).error, invalid);
    let events = get(reads_answers(|_| BodyDecision::Continue), &[("content-type", "Text/Event-Stream")], Body::Empty);
    assert_eq!(events.status(), 503);
}

#[test]
fn a_body_hook_may_answer() {
    let ran = post(reads(|_| BodyDecision::Respond(local(422, "no"))), &[], Body::Full("x".into()));
    assert_eq!((ran.status(), ran.sent), (422, None));
}

#[test]
fn on_error_holds_in_body_hooks() {
    let fails = || -> super::fake::BodyScript { Some(Box::new(|_, _| Err(PluginError::Time))) };
    let error = Some(Error::Plugin { plugin: "a".into(), kind: "time" });
    let request = |on_error| Fake { on_request_body: fails(), on_error, ..reads(|_| BodyDecision::Continue) };
    let closed = post(request(OnError::Closed), &[], Body::Full("x".into()));
    assert_eq!((closed.error, closed.sent), (error, None));
    assert_eq!(post(request(OnError::Open), &[], Body::Full("x".into())).sent.unwrap(), "x");
    let answer = |on_error| Fake { on_response_body: fails(), on_error, ..reads_answers(|_| BodyDecision::Continue) };
    assert_eq!(get(answer(OnError::Closed), &[], Body::Full("x".into())).status(), 503);
    let open = get(answer(OnError::Open), &[], Body::Full("x".into()));
    assert_eq!((open.status(), &open.body[..]), (200, &b"x"[..]));
}

#[test]
fn answers_are_read_and_replaced_too() {
    let fields = [("content-encoding", "gzip"), ("etag", "\"1\""), ("accept-ranges", "bytes"), ("x", "y")];
    let ran = get(
        reads_answers(|body| {
            assert_eq!(body, "hello");
            BodyDecision::Replace("bye".into())
        }),
        &fields,
        Body::Full(gzip("hello")),
    );
    assert_eq!(ran.body, "bye");
    let names: Vec<_> = ran.response().headers.keys().map(|name| name.as_str().to_owned()).collect();
    assert_eq!(names, ["x"]);
}

#[test]
fn answers_that_cannot_be_read_are_replaced_by_an_error() {
    let text = |fields: &[(&str, &str)], body| {
        let ran = get(reads_answers(|_| panic!("the plugin sees it")), fields, body);
        assert_eq!(ran.response().origin, Origin::Gateway);
        String::from_utf8(ran.body.to_vec()).unwrap()
    };
    assert_eq!(text(&[], Body::Full("12345678901".into())), "ResponseTooLarge");
    assert_eq!(text(&[("content-encoding", "br")], Body::Full("x".into())), "ResponseCoding");
    assert_eq!(text(&[("content-encoding", "gzip")], Body::Full("x".into())), "ResponseBody");
    assert_eq!(text(&[], stream(vec![Ok("1"), Err(BodyError::Upstream)])), "ResponseBody");
    assert_eq!(text(&[], stream(vec![Ok("1"), Err(BodyError::Idle)])), "UpstreamStalled");
}

#[test]
fn an_answer_to_head_has_no_body_whatever_its_fields_say() {
    let fake = reads_answers(|body| {
        assert!(body.is_empty());
        BodyDecision::Replace("new".into())
    });
    let upstream: (&[(&str, &str)], Body) = (&[("content-encoding", "gzip"), ("content-length", "99")], Body::Empty);
    let ran = Bench::default().with("a", fake).run(exchange(Method::HEAD, &[]), Body::Empty, upstream);
    assert_eq!((ran.status(), ran.body.len()), (200, 0));
    assert!(super::super::body::has_no_body(&Method::GET, StatusCode::NOT_MODIFIED));
}

#[test]
fn trailers_of_a_body_that_is_not_replaced_pass() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let body = stream(vec![Ok("data"), Ok("trailer:7")]);
        let collected = super::super::body::collect_request(body, &super::headers(&[]), 10).await.unwrap();
        assert_eq!(collected.decoded, "data");
        let original = BodyExt::collect(collected.original).await.unwrap();
        assert_eq!(original.trailers().unwrap()["x-sum"], "7");
        assert_eq!(original.to_bytes(), "data");
    });
}
