//! Connections over real sockets, with a handler that tells what it was asked.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use http_body::{Body as HttpBody, Frame, SizeHint};
use http_body_util::BodyExt as _;
use proptest::prelude::*;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use super::Connection;
use super::inlet::{ClientBody, Inlet, Progress};
use crate::body::{Body, BodyError};
use crate::io::Io;
use crate::server::activity::Activity;
use crate::server::drain::Connections;
use crate::server::driver::Http as _;
use crate::server::requests::Requests;
use crate::server::{self, Handler, Refusal, Settings};
use crate::telemetry::metrics::Metrics;

/// Answers with the request in one line; the query says in which way.
#[derive(Default)]
struct Echo {
    /// An exchange was given up.
    dropped: Rc<Cell<bool>>,
}

impl Handler for Echo {
    type Session = ();

    fn open(&self, _: server::Connection) {}

    async fn handle(self: Rc<Self>, request: Request<Body>, _: Rc<()>) -> Response<Body> {
        let (head, body) = request.into_parts();
        let way = head.uri.query().unwrap_or_default().to_owned();
        if way == "never" {
            let _end = End(Rc::clone(&self.dropped));
            std::future::pending::<()>().await;
        }
        if way == "unread" {
            return Response::new(Body::Full("not wanted".into()));
        }
        let read = body.collect(1 << 20).await;
        let text = match read {
            Ok(body) => {
                format!("{} {} {} {}", head.method, head.uri.path(), head.headers.len(), body.escape_ascii())
            }
            Err(error) => error.to_string(),
        };
        let mut answer = Response::new(match way.as_str() {
            "stream" => Body::stream(Pieces(vec![text.into(), " and more".into()], None)),
            "short" => Body::stream(Pieces(vec!["short".into()], Some(10))),
            "long" => Body::stream(Pieces(vec!["rather long".into()], Some(6))),
            _ => Body::Full(text.into()),
        });
        if way == "stream" {
            answer.headers_mut().insert("trailer", "x-sum".parse().unwrap());
        }
        answer
    }

    fn refuse(&self, refusal: Refusal, (): &()) -> Response<Body> {
        let mut answer = Response::new(Body::Full(refusal.error.to_string().into()));
        *answer.status_mut() = http::StatusCode::BAD_REQUEST;
        answer
    }
}

struct End(Rc<Cell<bool>>);

impl Drop for End {
    fn drop(&mut self) {
        self.0.set(true);
    }
}

/// Pieces, last one first to come last, then trailers if no length was promised.
struct Pieces(Vec<Bytes>, Option<u64>);

impl HttpBody for Pieces {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        if !self.0.is_empty() {
            return Poll::Ready(Some(Ok(Frame::data(self.0.remove(0)))));
        }
        let sum = HeaderMap::from_iter([
            ("x-sum".parse().unwrap(), "7".parse().unwrap()),
            ("x-other".parse().unwrap(), "8".parse().unwrap()),
        ]);
        let ended = self.1.replace(0).is_some();
        Poll::Ready(if ended { None } else { Some(Ok(Frame::trailers(sum))) })
    }

    fn size_hint(&self) -> SizeHint {
        self.1.map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}

/// Play a client against a connection until both are done.
async fn with_client<T>(handler: Echo, client: impl AsyncFnOnce(TcpStream) -> T) -> T {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let (stream, accepted) = tokio::join!(TcpStream::connect(listener.local_addr().unwrap()), listener.accept());
    let activity = Activity::new();
    let settings = Settings::default();
    let requests = Requests {
        handler: Rc::new(handler),
        session: Rc::new(()),
        activity: Rc::clone(&activity),
        connections: Connections::new(Arc::from("a"), Metrics::new().listener("a")),
        overload: Arc::clone(&settings.guard),
    };
    let io = Io::new(accepted.unwrap().0, Rc::clone(&activity.traffic));
    let mut connection = Connection::new(io, settings.heads, requests);
    let serving = async move {
        let _ = poll_fn(|cx| connection.poll(cx)).await;
    };
    let stream = stream.unwrap();
    stream.set_nodelay(true).unwrap();
    tokio::join!(client(stream), serving).0
}

/// What a client gets for these bytes, to the end of the connection.
async fn told(bytes: &str) -> String {
    with_client(Echo::default(), async |mut stream| {
        stream.write_all(bytes.as_bytes()).await.unwrap();
        stream.shutdown().await.unwrap();
        let mut all = Vec::new();
        stream.read_to_end(&mut all).await.unwrap();
        String::from_utf8(all).unwrap()
    })
    .await
}

/// The same without the dates, which differ.
async fn undated(bytes: &str) -> String {
    let told = told(bytes).await;
    told.split("\r\n").filter(|line| !line.starts_with("date: ")).collect::<Vec<_>>().join("\r\n")
}

#[tokio::test]
async fn answers_are_delimited_as_clients_can_read_them() {
    let close = "connection: close\r\n";
    for (request, expected) in [
        (
            format!("GET /a HTTP/1.1\r\n{close}\r\n"),
            format!("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n{close}\r\nGET /a 1 "),
        ),
        ("GET /a HTTP/1.0\r\n\r\n".into(), format!("HTTP/1.0 200 OK\r\ncontent-length: 9\r\n{close}\r\nGET /a 0 ")),
        (
            "GET /a?stream HTTP/1.0\r\nconnection: keep-alive\r\n\r\n".into(),
            format!("HTTP/1.0 200 OK\r\ntrailer: x-sum\r\n{close}\r\nGET /a 1  and more"),
        ),
        (
            format!("GET /a?stream HTTP/1.1\r\n{close}\r\n"),
            format!(
                "HTTP/1.1 200 OK\r\ntrailer: x-sum\r\ntransfer-encoding: chunked\r\n{close}\r\n9\r\nGET /a 1 \r\n\
                 9\r\n and more\r\n0\r\n\r\n"
            ),
        ),
        (
            format!("GET /a?stream HTTP/1.1\r\nte: trailers\r\n{close}\r\n"),
            format!(
                "HTTP/1.1 200 OK\r\ntrailer: x-sum\r\ntransfer-encoding: chunked\r\n{close}\r\n9\r\nGET /a 2 \r\n\
                 9\r\n and more\r\n0\r\nx-sum: 7\r\n\r\n"
            ),
        ),
        (
            format!("GET /?short HTTP/1.1\r\n{close}\r\n"),
            format!("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n{close}\r\nshort"),
        ),
        (
            format!("GET /?long HTTP/1.1\r\n{close}\r\n"),
            format!("HTTP/1.1 200 OK\r\ncontent-length: 6\r\n{close}\r\nrather"),
        ),
        (format!("HEAD /a HTTP/1.1\r\n{close}\r\n"), format!("HTTP/1.1 200 OK\r\n{close}\r\n")),
        (
            "GET / HTTP/1.1\r\nbad name: x\r\n\r\nGET / HTTP/1.1\r\n\r\n".into(),
            format!(
                "HTTP/1.1 400 Bad Request\r\ncontent-length: 56\r\n{close}\r\n\
                 the request is malformed: white space in a field's name",
            ),
        ),
    ] {
        let told = undated(&request).await;
        let is_refusal = expected.contains("400");
        let (told, expected) = if is_refusal { (&told[..24], &expected[..24]) } else { (&*told, &*expected) };
        assert_eq!(told, expected, "{request}");
    }
    let told = undated("GET /1 HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\nGET /2 HTTP/1.1\r\n\r\n").await;
    assert!(
        told.starts_with("HTTP/1.0 200 OK\r\ncontent-length: 9\r\nconnection: keep-alive\r\n\r\nGET /1 1 HTTP/1.1 "),
        "{told}"
    );
}

#[tokio::test]
async fn a_body_is_asked_for_when_somebody_wants_it() {
    with_client(Echo::default(), async |mut stream| {
        let head = "POST /a HTTP/1.1\r\nexpect: 100-continue\r\ncontent-length: 3\r\n\r\n";
        stream.write_all(head.as_bytes()).await.unwrap();
        let mut interim = [0; 25];
        stream.read_exact(&mut interim).await.unwrap();
        assert_eq!(&interim, b"HTTP/1.1 100 Continue\r\n\r\n");
        stream.write_all(b"abc").await.unwrap();
        stream.shutdown().await.unwrap();
        let mut rest = String::new();
        stream.read_to_string(&mut rest).await.unwrap();
        assert!(rest.ends_with("POST /a 2 abc"), "{rest}");
    })
    .await;
    let told = told("POST /?unread HTTP/1.1\r\nexpect: 100-continue\r\ncontent-length: 3\r\n\r\n").await;
    assert!(told.starts_with("HTTP/1.1 200 OK\r\n") && told.contains("connection: close\r\n"), "{told}");
}

#[tokio::test]
async fn a_body_that_nobody_wants_ends_the_connection_unless_it_is_there() {
    let told = undated("POST /?unread HTTP/1.1\r\ncontent-length: 3\r\n\r\nabcGET /a HTTP/1.1\r\n\r\n").await;
    assert!(told.ends_with("\r\n\r\nGET /a 0 "), "{told}");
    let told = undated("POST /?unread HTTP/1.1\r\ncontent-length: 30\r\n\r\nabc").await;
    assert!(told.contains("connection: close\r\n"), "{told}");
}

#[tokio::test]
async fn a_broken_body_is_told_and_ends_the_connection() {
    for body in ["transfer-encoding: chunked\r\n\r\nx\r\n", "content-length: 5\r\n\r\nabc"] {
        let told = undated(&format!("POST /a HTTP/1.1\r\n{body}")).await;
        assert!(told.contains("connection: close\r\n") && told.contains("malformed or incomplete"), "{told}");
        assert_eq!(told.matches("HTTP/1.1").count(), 1, "{told}");
    }
}

#[tokio::test]
async fn who_goes_away_ends_the_exchange() {
    let dropped = Rc::new(Cell::new(false));
    with_client(Echo { dropped: Rc::clone(&dropped) }, async |mut stream| {
        stream.write_all(b"GET /?never HTTP/1.1\r\n\r\n").await.unwrap();
        stream.shutdown().await.unwrap();
        let mut rest = Vec::new();
        stream.read_to_end(&mut rest).await.unwrap();
        assert!(rest.is_empty());
    })
    .await;
    assert!(dropped.get());
}

#[tokio::test]
async fn a_body_that_was_skipped_is_not_taken_for_whole() {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let (stream, accepted) = tokio::join!(TcpStream::connect(listener.local_addr().unwrap()), listener.accept());
    let mut inlet = Inlet::new(Io::new(accepted.unwrap().0, Rc::default()), Settings::default().heads);
    let text = "POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n1\r\na\r\n1\r\nb\r\n0\r\n\r\n";
    stream.unwrap().write_all(text.as_bytes()).await.unwrap();
    while inlet.buffered().len() < text.len() {
        poll_fn(|cx| inlet.poll_fill(cx)).await.unwrap();
    }
    inlet.head().unwrap().unwrap();
    let inlet = Rc::new(RefCell::new(inlet));
    let mut body = ClientBody::new(&inlet, false);
    assert_eq!(body.frame().await.unwrap().unwrap().into_data().unwrap(), "a");
    inlet.borrow_mut().skip();
    assert_eq!(inlet.borrow().body, Progress::Ended);
    assert!(body.frame().await.unwrap().is_err());
}

/// A request as a client writes it, and the answer's body.
fn request() -> impl Strategy<Value = (String, String)> {
    let fields = proptest::collection::vec(("x-[a-z]{1,6}", "[!-~]{0,12}( [!-~]{1,5})?"), 0..6);
    let body = proptest::option::of((proptest::collection::vec("[a-z]{1,20}", 0..5), any::<bool>()));
    ("/[a-z]{0,12}", fields, body, any::<bool>()).prop_map(|(path, fields, body, streams)| {
        let mut text: String = fields.iter().map(|(name, value)| format!("{name}:\t{value} \r\n")).collect();
        let (mut whole, mut count) = (String::new(), fields.len());
        text.push_str(&match body {
            None => "\r\n".to_owned(),
            Some((pieces, chunked)) => {
                whole = pieces.concat();
                count += 1;
                if chunked {
                    let chunks: String =
                        pieces.iter().map(|piece| format!("{:x};a=b\r\n{piece}\r\n", piece.len())).collect();
                    format!("Transfer-Encoding: chunked\r\n\r\n{chunks}0\r\nx-t: 1\r\n\r\n")
                } else {
                    format!("Content-Length: {}\r\n\r\n{whole}", whole.len())
                }
            }
        });
        let query = if streams { "?stream" } else { "" };
        let more = if streams { " and more" } else { "" };
        (format!("PUT {path}{query} HTTP/1.1\r\n{text}"), format!("PUT {path} {count} {whole}{more}"))
    })
}

/// The bodies of answers, read by somebody else's parser.
fn bodies(mut rest: &[u8]) -> Vec<String> {
    let mut bodies = Vec::new();
    while !rest.is_empty() {
        let mut fields = [httparse::EMPTY_HEADER; 16];
        let mut head = httparse::Response::new(&mut fields);
        let httparse::Status::Complete(length) = head.parse(rest).unwrap() else { panic!("a part of a head") };
        let field = |name: &str| head.headers.iter().find(|field| field.name == name).map(|field| field.value);
        let whole = field("content-length").map(|value| str::from_utf8(value).unwrap().parse::<usize>().unwrap());
        assert_eq!(whole.is_none(), field("transfer-encoding") == Some(b"chunked"));
        rest = &rest[length..];
        let mut body = Vec::new();
        if let Some(whole) = whole {
            body.extend_from_slice(&rest[..whole]);
            rest = &rest[whole..];
        } else {
            while let httparse::Status::Complete((begin, size)) = httparse::parse_chunk_size(rest).unwrap() {
                let end = begin + usize::try_from(size).unwrap();
                body.extend_from_slice(&rest[begin..end]);
                assert_eq!(&rest[end..end + 2], b"\r\n");
                rest = &rest[end + 2..];
                if size == 0 {
                    break;
                }
            }
        }
        bodies.push(String::from_utf8(body).unwrap());
    }
    bodies
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    /// However requests come, each gets its answer, in order.
    #[test]
    fn pieces_make_no_difference(
        requests in proptest::collection::vec(request(), 1..5),
        cuts in proptest::collection::vec(any::<proptest::sample::Index>(), 0..6),
    ) {
        let text: String = requests.iter().map(|(text, _)| text.as_str()).collect();
        let mut places: Vec<usize> = cuts.iter().map(|cut| cut.index(text.len())).collect();
        places.extend([0, text.len()]);
        places.sort_unstable();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let answers = runtime.block_on(with_client(Echo::default(), async |mut stream| {
            for pair in places.windows(2) {
                stream.write_all(&text.as_bytes()[pair[0]..pair[1]]).await.unwrap();
                tokio::task::yield_now().await;
            }
            stream.shutdown().await.unwrap();
            let mut all = Vec::new();
            stream.read_to_end(&mut all).await.unwrap();
            all
        }));
        let expected: Vec<String> = requests.into_iter().map(|(_, body)| body).collect();
        prop_assert_eq!(bodies(&answers), expected);
    }
}
