//! One connection, from request to request.

use std::cell::RefCell;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::{HeaderValue, Method, Response, StatusCode, Version, header};
use http_body::Body as _;
use tokio::io::AsyncWrite as _;

use super::encode::{Framing, Wanted, encode_head, push_chunk, push_end};
use super::inlet::{ClientBody, Inlet, Progress};
use super::outlet::Outlet;
use super::parse::parse;
use crate::body::Body;
use crate::error::Error;
use crate::io::Io;
use crate::server::Handler;
use crate::server::activity::InFlight;
use crate::server::driver::Http;
use crate::server::linger::Linger;
use crate::server::requests::{Outcome, Requests, Taken};
use crate::server::scan::{Limits, Refusal};

/// How much is read of what follows a request before that is answered: enough to see the client go away.
const MOST_AHEAD: usize = 16 << 10;

type Exchange = Pin<Box<dyn Future<Output = Response<Body>>>>;

/// A connection that speaks HTTP/1.
pub(in crate::server) struct Connection<H: Handler> {
    requests: Requests<H>,
    inlet: Rc<RefCell<Inlet>>,
    outlet: Outlet,
    place: Place,
    /// The request that is being answered.
    wanted: Wanted,
    /// No other request is to follow.
    last: bool,
    /// Nothing that the client still sends means anything.
    refused: bool,
}

enum Place {
    Between,
    /// A request is being answered.
    Exchange(Exchange, InFlight),
    /// An answer is being written.
    Answer(Answer),
    /// Nothing more is written; what the client still sends is read for a while, so that it gets what was said last.
    Closing(Option<Box<Linger>>),
    Ended,
}

/// What is left of an answer.
struct Answer {
    body: Body,
    framing: Framing,
    /// Names of the trailers that may follow.
    announced: Option<HeaderValue>,
    /// Another request may follow.
    keeps_alive: bool,
    /// The body has ended.
    ended: bool,
    _in_flight: InFlight,
}

/// The connection is no more: the client has gone, or an answer can't be finished.
struct Cut;

impl<H: Handler> Connection<H> {
    pub fn new(io: Io, limits: Limits, requests: Requests<H>) -> Self {
        let wanted = Wanted { version: Version::HTTP_11, is_head: false, keeps_alive: true, takes_trailers: false };
        Self {
            requests,
            inlet: Rc::new(RefCell::new(Inlet::new(io, limits))),
            outlet: Outlet::default(),
            place: Place::Between,
            wanted,
            last: false,
            refused: false,
        }
    }

    /// The connection, for what it speaks after HTTP. None if somebody holds on to it.
    pub fn into_io(self) -> Option<Io> {
        Rc::into_inner(self.inlet).map(|inlet| inlet.into_inner().into_io())
    }

    fn poll_run(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Cut>> {
        loop {
            match &mut self.place {
                Place::Between => ready!(self.poll_between(cx))?,
                Place::Exchange(..) => ready!(self.poll_exchange(cx))?,
                Place::Answer(_) => ready!(self.poll_answer(cx))?,
                Place::Closing(_) => ready!(self.poll_closing(cx)),
                Place::Ended => return Poll::Ready(Ok(())),
            }
        }
    }

    /// Wait for a head.
    fn poll_between(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Cut>> {
        loop {
            let mut inlet = self.inlet.borrow_mut();
            let head = match inlet.head() {
                Ok(Some((head, fields))) => parse(&head, fields),
                Ok(None) => match inlet.poll_fill(cx) {
                    Poll::Ready(Ok(1..)) => continue,
                    // What has come by now is still answered, also when nothing else is to follow.
                    Poll::Pending if !self.last || !inlet.buffered().is_empty() => return Poll::Pending,
                    Poll::Pending | Poll::Ready(Ok(0)) => {
                        drop(inlet);
                        self.place = Place::Closing(None);
                        return Poll::Ready(Ok(()));
                    }
                    Poll::Ready(Err(_)) => return Poll::Ready(Err(Cut)),
                },
                Err(error) => Err(error),
            };
            drop(inlet);
            match head {
                Ok(head) => self.begin(head),
                Err(error) => self.refuse(error),
            }
            return Poll::Ready(Ok(()));
        }
    }

    /// Hand a request over.
    fn begin(&mut self, head: super::parse::Head) {
        let super::parse::Head { request, keeps_alive, expects_continue, takes_trailers } = head;
        self.wanted = Wanted {
            version: request.version(),
            is_head: *request.method() == Method::HEAD,
            keeps_alive,
            takes_trailers,
        };
        let is_going = self.inlet.borrow().body == Progress::Going;
        let request = request.map(|()| {
            if is_going { Body::stream(ClientBody::new(&self.inlet, expects_continue)) } else { Body::Empty }
        });
        let Taken { outcome, in_flight } = self.requests.take(request);
        match outcome {
            Outcome::Begun(exchange) => self.place = Place::Exchange(exchange, in_flight),
            Outcome::Refused(answer) => self.answer(answer, in_flight),
        }
    }

    /// Answer a head that isn't accepted; nobody knows where the next one begins.
    fn refuse(&mut self, error: Error) {
        self.refused = true;
        let refusal = Refusal::new(error, self.inlet.borrow().buffered());
        self.wanted = Wanted {
            version: Version::HTTP_11,
            is_head: refusal.method == Method::HEAD,
            keeps_alive: false,
            takes_trailers: false,
        };
        let (answer, in_flight) = self.requests.refuse(refusal);
        self.answer(answer, in_flight);
    }

    fn poll_exchange(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Cut>> {
        let Place::Exchange(exchange, _) = &mut self.place else { return Poll::Ready(Ok(())) };
        let Poll::Ready(answer) = exchange.as_mut().poll(cx) else {
            let mut inlet = self.inlet.borrow_mut();
            if inlet.takes_continue() {
                self.outlet.copied().extend_from_slice(b"HTTP/1.1 100 Continue\r\n\r\n");
            }
            if let Poll::Ready(Err(_)) = self.outlet.poll_write(&mut inlet.io, cx) {
                return Poll::Ready(Err(Cut));
            }
            return Self::watch(&mut inlet, cx);
        };
        let Place::Exchange(_, in_flight) = std::mem::replace(&mut self.place, Place::Between) else {
            return Poll::Ready(Ok(()));
        };
        let answer = self.agree(answer);
        self.answer(answer, in_flight);
        Poll::Ready(Ok(()))
    }

    /// Ready if the client has gone. As long as a body is read, its reader sees that, and tells when it has ended.
    fn watch(inlet: &mut Inlet, cx: &mut Context<'_>) -> Poll<Result<(), Cut>> {
        if inlet.body == Progress::Going {
            inlet.watch(cx.waker());
        }
        while inlet.body == Progress::Ended && inlet.buffered().len() < MOST_AHEAD {
            if !matches!(ready!(inlet.poll_fill(cx)), Ok(1..)) {
                return Poll::Ready(Err(Cut));
            }
        }
        Poll::Pending
    }

    /// Keep what the connection is to change to, for when the answer is out.
    fn agree(&self, answer: Response<Body>) -> Response<Body> {
        if !matches!(answer.body(), Body::Switched(_)) {
            return answer;
        }
        let (head, body) = answer.into_parts();
        let inlet = self.inlet.borrow();
        // What came before the client knew can't be what it is to speak then.
        if let (Body::Switched(switched), Progress::Ended, []) = (body, inlet.body, inlet.buffered()) {
            self.requests.activity().switched.set(Some(switched));
            return Response::from_parts(head, Body::Empty);
        }
        let mut refused = Response::new(Body::Empty);
        *refused.status_mut() = StatusCode::BAD_REQUEST;
        refused.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
        refused
    }

    /// Begin to write an answer.
    fn answer(&mut self, answer: Response<Body>, in_flight: InFlight) {
        let mut wanted = self.wanted;
        wanted.keeps_alive &= !self.last && (answer.status().is_informational() || !self.requests.is_last());
        if Rc::strong_count(&self.inlet) == 1 {
            // Nobody reads what is left of the request.
            let mut inlet = self.inlet.borrow_mut();
            inlet.skip();
            wanted.keeps_alive &= inlet.body == Progress::Ended;
        }
        let (framing, keeps_alive) = encode_head(&answer, wanted, self.outlet.copied());
        let announced = match framing {
            Framing::Chunked { trailers: true } => answer.headers().get(header::TRAILER).cloned(),
            _ => None,
        };
        let body = answer.into_body();
        let ended = framing == Framing::Length(0);
        self.place = Place::Answer(Answer { body, framing, announced, keeps_alive, ended, _in_flight: in_flight });
    }

    fn poll_answer(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Cut>> {
        let Place::Answer(answer) = &mut self.place else { return Poll::Ready(Ok(())) };
        loop {
            let mut waits = false;
            while !answer.ended && !waits && self.outlet.has_room() {
                match answer.poll_body(&mut self.outlet, cx) {
                    Poll::Ready(Ok(())) => {}
                    // What is written already goes out: who knows what comes doesn't know less for it.
                    Poll::Ready(Err(Cut)) => {
                        let _ = self.outlet.poll_write(&mut self.inlet.borrow_mut().io, cx);
                        return Poll::Ready(Err(Cut));
                    }
                    Poll::Pending => waits = true,
                }
            }
            let mut inlet = self.inlet.borrow_mut();
            if ready!(self.outlet.poll_write(&mut inlet.io, cx)).is_err() {
                return Poll::Ready(Err(Cut));
            }
            if waits || answer.ended {
                if ready!(Pin::new(&mut inlet.io).poll_flush(cx)).is_err() {
                    return Poll::Ready(Err(Cut));
                }
                if answer.ended {
                    break;
                }
                return Self::watch(&mut inlet, cx);
            }
        }
        self.outlet.rest();
        self.finish()
    }

    /// An answer is out.
    fn finish(&mut self) -> Poll<Result<(), Cut>> {
        let place = std::mem::replace(&mut self.place, Place::Closing(None));
        let keeps_alive = matches!(&place, Place::Answer(answer) if answer.keeps_alive);
        drop(place);
        let switches = {
            let activity = self.requests.activity();
            let switched = activity.switched.take();
            let switches = switched.is_some();
            activity.switched.set(switched);
            switches
        };
        let is_read = Rc::strong_count(&self.inlet) > 1;
        let mut inlet = self.inlet.borrow_mut();
        if keeps_alive && !is_read {
            inlet.skip();
        }
        inlet.rest();
        if switches {
            self.place = Place::Ended;
        } else if keeps_alive && !self.refused && inlet.body == Progress::Ended {
            self.place = Place::Between;
        }
        Poll::Ready(Ok(()))
    }

    fn poll_closing(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Place::Closing(linger) = &mut self.place else { return Poll::Ready(()) };
        let mut inlet = self.inlet.borrow_mut();
        if linger.is_none() {
            let _ = ready!(Pin::new(&mut inlet.io).poll_shutdown(cx));
        }
        let is_amid = self.refused || inlet.body != Progress::Ended || !inlet.buffered().is_empty();
        if is_amid {
            ready!(linger.get_or_insert_with(Linger::new).poll(&mut inlet.io, cx));
        }
        drop(inlet);
        self.place = Place::Ended;
        Poll::Ready(())
    }
}

impl Answer {
    /// Take the next piece of the body.
    fn poll_body(&mut self, outlet: &mut Outlet, cx: &mut Context<'_>) -> Poll<Result<(), Cut>> {
        let frame = match ready!(Pin::new(&mut self.body).poll_frame(cx)) {
            Some(Ok(frame)) => frame,
            Some(Err(_)) => return Poll::Ready(Err(Cut)),
            None => return Poll::Ready(self.end(None, outlet)),
        };
        Poll::Ready(match frame.into_data() {
            Ok(data) => {
                self.push(data, outlet);
                Ok(())
            }
            Err(frame) => match frame.into_trailers() {
                Ok(trailers) => self.end(Some(&trailers), outlet),
                Err(_) => Ok(()),
            },
        })
    }

    fn push(&mut self, mut data: Bytes, outlet: &mut Outlet) {
        if data.is_empty() {
            return;
        }
        match &mut self.framing {
            Framing::Length(left) => {
                // More than was promised would be taken for the next answer.
                data.truncate(usize::try_from(*left).unwrap_or(usize::MAX));
                *left -= data.len() as u64;
                self.ended = *left == 0;
                outlet.push(data, b"");
            }
            Framing::Chunked { .. } => {
                push_chunk(data.len(), outlet.copied());
                outlet.push(data, b"\r\n");
            }
            Framing::ToEnd => outlet.push(data, b""),
        }
    }

    /// Nothing follows but trailers.
    fn end(&mut self, trailers: Option<&http::HeaderMap>, outlet: &mut Outlet) -> Result<(), Cut> {
        self.ended = true;
        match self.framing {
            Framing::Length(0) | Framing::ToEnd => Ok(()),
            // The client has to see that something is missing.
            Framing::Length(_) => Err(Cut),
            Framing::Chunked { .. } => {
                let announced = self.announced.as_ref().map(HeaderValue::as_bytes).unwrap_or_default();
                push_end(trailers, announced, outlet.copied());
                Ok(())
            }
        }
    }
}

impl<H: Handler> Http for Connection<H> {
    const SHARED: bool = false;

    fn shut_down(&mut self) {
        self.last = true;
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Option<&'static str>>> {
        self.poll_run(cx).map(|result| result.map_err(|Cut| None))
    }
}
