//! What goes over one connection of HTTP/2 at once, and what ends it.

use super::*;

#[test]
fn heads_and_bodies_arrive_whole() {
    on_thread(async {
        let (saw, mut seen) = mpsc::unbounded_channel();
        let (address, _) = speaks(usual(), move |_, request, mut answering| {
            let saw = saw.clone();
            async move {
                let (parts, mut body) = request.into_parts();
                let length = parts.headers.get("content-length").map(|length| length.to_str().unwrap().to_owned());
                let whole = read_all(&mut body).await.freeze();
                saw.send((parts.method, parts.uri.to_string(), length, whole.len())).unwrap();
                let mut stream = answering.send_response(Response::new(()), false).unwrap();
                stream.send_data(whole, true).unwrap();
            }
        })
        .await;
        let cluster = http2(address);
        let long = Bytes::from(vec![7; 1 << 20]);
        let known = Body::stream(Frames::of_length(6, vec![data("ab"), data("cdef")]));
        let open = Body::stream(Frames::new(vec![data("ab"), data("c")]));
        for (body, sent, length) in [
            (Body::Empty, 0, None),
            (Body::Full("abc".into()), 3, Some("3".to_owned())),
            (Body::Full(long), 1 << 20, Some("1048576".to_owned())),
            (known, 6, Some("6".to_owned())),
            (open, 3, None),
        ] {
            let answer = cluster.send(request(Method::DELETE, body), Caller::default()).await.unwrap();
            assert_eq!(answer.version(), http::Version::HTTP_2);
            assert_eq!(answer.into_body().collect(1 << 20).await.unwrap().len(), sent);
            assert_eq!(seen.recv().await.unwrap(), (Method::DELETE, "http://test/".into(), length, sent));
        }
    });
}

#[test]
fn a_body_that_is_not_what_it_said_resets_its_stream_alone() {
    on_thread(async {
        let (saw, mut seen) = mpsc::unbounded_channel();
        let (address, connections) = speaks(usual(), move |_, request, answering| {
            let saw = saw.clone();
            async move {
                let mut body = request.into_body();
                while let Some(piece) = body.data().await {
                    if let Err(error) = piece {
                        saw.send(error.reason()).unwrap();
                        return;
                    }
                }
                ok(answering);
            }
        })
        .await;
        let cluster = http2(address);
        for body in
            [Frames::of_length(9, vec![data("short")]), Frames::open(vec![data("some"), Err(BodyError::Client)])]
        {
            let sent = cluster.send(request(Method::POST, Body::stream(body)), Caller::default()).await;
            assert_eq!(sent.unwrap_err(), Error::RequestBody);
            assert_eq!(seen.recv().await.unwrap(), Some(Reason::CANCEL));
        }
        assert_eq!(get(&cluster).await.unwrap().status(), StatusCode::OK);
        assert_eq!(connections.get(), 1);
    });
}

#[test]
fn pieces_go_both_ways_at_once_and_trailers_follow() {
    on_thread(async {
        let (address, _) = speaks(usual(), |_, request, mut answering| async move {
            let mut body = request.into_body();
            let mut stream = answering.send_response(Response::new(()), false).unwrap();
            while let Some(Ok(piece)) = body.data().await {
                let _ = body.flow_control().release_capacity(piece.len());
                stream.send_data(piece, false).unwrap();
            }
            let mut trailers = body.trailers().await.unwrap().unwrap();
            trailers.insert("grpc-status", "0".parse().unwrap());
            stream.send_trailers(trailers).unwrap();
        })
        .await;
        let cluster = http2(address);
        let (sender, receiver) = mpsc::unbounded_channel();
        let body = Body::stream(Fed(receiver));
        let mut answer = cluster.send(request(Method::POST, body), Caller::default()).await.unwrap().into_body();
        for text in ["one", "two", "three"] {
            sender.send(data(text)).unwrap();
            let frame = BodyExt::frame(&mut answer).await.unwrap().unwrap();
            assert_eq!(frame.into_data().unwrap(), text);
        }
        let trailers = http::HeaderMap::from_iter([(http::HeaderName::from_static("x-sum"), "3".parse().unwrap())]);
        sender.send(Ok(Frame::trailers(trailers))).unwrap();
        let end = BodyExt::collect(answer).await.unwrap();
        let trailers = end.trailers().unwrap();
        assert_eq!((&trailers["x-sum"], &trailers["grpc-status"]), (&"3".parse().unwrap(), &"0".parse().unwrap()));
        assert_eq!(cluster.cluster().members()[0].endpoint.in_flight(), 0);
    });
}

/// A body of what comes through a channel.
struct Fed(mpsc::UnboundedReceiver<Result<Frame<Bytes>, BodyError>>);

impl http_body::Body for Fed {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: std::pin::Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        self.0.poll_recv(cx)
    }
}

#[test]
fn nobody_is_made_to_hold_what_the_other_does_not_take() {
    on_thread(async {
        const PIECE: usize = 16 << 10;
        const MANY: usize = 4 << 20;
        let sent = Rc::new(Cell::new(0));
        let counted = Rc::clone(&sent);
        let (address, _) = speaks(usual(), move |_, request, mut answering| {
            let counted = Rc::clone(&counted);
            async move {
                // It never reads what it is sent.
                let _unread = request.into_body();
                let mut stream = answering.send_response(Response::new(()), false).unwrap();
                while counted.get() < MANY {
                    stream.reserve_capacity(PIECE);
                    let room = std::future::poll_fn(|cx| stream.poll_capacity(cx)).await;
                    let Some(Ok(room)) = room else { return };
                    counted.set(counted.get() + room.min(PIECE));
                    stream.send_data(Bytes::from(vec![0; room.min(PIECE)]), false).unwrap();
                }
                let _ = stream.send_data(Bytes::new(), true);
            }
        })
        .await;
        let cluster = http2(address);
        let taken = Rc::new(Cell::new(0));
        let pieces = Rc::clone(&taken);
        let upload = Body::stream(Endless(pieces));
        let answer = cluster.send(request(Method::POST, upload), Caller::default()).await.unwrap();
        // Until nothing moves any more.
        let (mut before, mut rounds) = ((0, 0), 0);
        while rounds < 200 {
            tokio::task::yield_now().await;
            let now = (sent.get(), taken.get());
            rounds = if now == before { rounds + 1 } else { 0 };
            before = now;
        }
        assert!(sent.get() <= 512 << 10, "{} bytes of the answer", sent.get());
        assert!(taken.get() <= 512 << 10, "{} bytes of the request", taken.get());
        assert_eq!(answer.into_body().collect(2 * MANY).await.unwrap().len(), sent.get());
    });
}

/// As much as anybody wants, and how much that was.
struct Endless(Rc<Cell<usize>>);

impl http_body::Body for Endless {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let piece = Bytes::from(vec![0; 16 << 10]);
        self.0.set(self.0.get() + piece.len());
        std::task::Poll::Ready(Some(Ok(Frame::data(piece))))
    }
}

#[test]
fn who_gives_up_resets_his_stream_and_no_other() {
    on_thread(async {
        let (saw, mut seen) = mpsc::unbounded_channel();
        let (release, released) = tokio::sync::watch::channel(false);
        let (address, connections) = speaks(usual(), move |_, request, mut answering| {
            let (saw, mut released) = (saw.clone(), released.clone());
            async move {
                if request.uri().path() == "/patient" {
                    released.wait_for(|released| *released).await.unwrap();
                    return ok(answering);
                }
                let begun = request.uri().path() == "/begun";
                saw.send(None).unwrap();
                let reset = if begun {
                    let mut stream = answering.send_response(Response::new(()), false).unwrap();
                    std::future::poll_fn(|cx| stream.poll_reset(cx)).await
                } else {
                    std::future::poll_fn(|cx| answering.poll_reset(cx)).await
                };
                saw.send(Some(reset.unwrap())).unwrap();
            }
        })
        .await;
        let cluster = Rc::new(http2(address));
        let ask = |path: &str| {
            let request = Request::get(path).header("host", "test").body(Body::Empty).unwrap();
            let cluster = Rc::clone(&cluster);
            tokio::task::spawn_local(async move { cluster.send(request, Caller::default()).await })
        };
        let patient = ask("/patient");
        let waiting = ask("/waiting");
        assert_eq!(seen.recv().await.unwrap(), None);
        waiting.abort();
        assert_eq!(seen.recv().await.unwrap(), Some(Reason::CANCEL));
        let begun = ask("/begun").await.unwrap().unwrap();
        assert_eq!(seen.recv().await.unwrap(), None);
        drop(begun);
        assert_eq!(seen.recv().await.unwrap(), Some(Reason::CANCEL));
        release.send(true).unwrap();
        assert_eq!(text(patient.await.unwrap().unwrap()).await.unwrap(), "ok");
        assert_eq!((connections.get(), cluster.cluster().members()[0].endpoint.in_flight()), (1, 0));
    });
}

#[test]
fn an_answer_before_the_end_of_the_request_passes() {
    on_thread(async {
        let (address, connections) = speaks(usual(), |_, request, mut answering| async move {
            let early = Response::builder().status(StatusCode::PAYLOAD_TOO_LARGE).body(()).unwrap();
            let mut stream = answering.send_response(early, false).unwrap();
            stream.send_data(Bytes::from_static(b"no"), true).unwrap();
            // Which resets the stream behind the answer (RFC 9113, section 8.1).
            drop(request);
        })
        .await;
        let cluster = http2(address);
        let (_end, body) = that_ends_when_told();
        for body in [body, Body::Full(vec![0; 4 << 20].into())] {
            let answer = cluster.send(request(Method::POST, body), Caller::default()).await.unwrap();
            assert_eq!(answer.status(), StatusCode::PAYLOAD_TOO_LARGE);
            assert_eq!(text(answer).await.unwrap(), "no");
        }
        assert_eq!(connections.get(), 1);
    });
}

#[test]
fn silence_is_cut_before_and_in_an_answer() {
    on_thread(async {
        let (address, connections) = speaks(usual(), |_, request, mut answering| async move {
            if request.uri().path() == "/half" {
                let mut stream = answering.send_response(Response::new(()), false).unwrap();
                stream.send_data(Bytes::from_static(b"half"), false).unwrap();
                std::future::pending::<()>().await;
            }
            std::future::pending::<()>().await;
        })
        .await;
        let cluster = cluster_of(&[address], model::Cluster { timeouts: short(), ..like(ClusterProtocol::Http2, 100) });
        assert_eq!(get(&cluster).await.unwrap_err(), Error::FirstByteTimeout);
        let half = Request::get("/half").header("host", "test").body(Body::Empty).unwrap();
        let answer = cluster.send(half, Caller::default()).await.unwrap();
        assert_eq!(text(answer).await, Err(BodyError::Idle));
        assert_eq!(connections.get(), 2, "one that may be dead isn't used again");
        assert_eq!(cluster.cluster().members()[0].endpoint.failures(), 1);
    });
}

#[test]
fn a_stream_that_breaks_off_is_no_answer() {
    on_thread(async {
        let (address, _) = speaks(usual(), |_, request, mut answering| async move {
            if request.uri().path() == "/half" {
                let mut stream = answering.send_response(Response::new(()), false).unwrap();
                stream.send_data(Bytes::from_static(b"half"), false).unwrap();
                return stream.send_reset(Reason::INTERNAL_ERROR);
            }
            answering.send_reset(Reason::INTERNAL_ERROR);
        })
        .await;
        let cluster = http2(address);
        assert_eq!(get(&cluster).await.unwrap_err(), Error::Reset);
        let half = Request::get("/half").header("host", "test").body(Body::Empty).unwrap();
        let outcome = match cluster.send(half, Caller::default()).await {
            Ok(answer) => text(answer).await.unwrap_err(),
            // What was sent may be taken back before it goes out.
            Err(error) => return assert_eq!(error, Error::Reset),
        };
        assert_eq!(outcome, BodyError::Upstream);
    });
}
