//! The pipeline: what happens to a request, from its head to the answer's, in one function that reads
//! from top to bottom. It opens no sockets itself and knows no plugin's business.

mod authority;
mod challenge;
mod destination;
mod entry;
mod explain;
mod forward;
mod id;
mod leave;
mod limited;
mod observe;
mod problem;
mod session;
#[cfg(test)]
mod tests;
mod trailers;

use std::cell::RefCell;
use std::future::Future;
use std::rc::Rc;
use std::time::Instant;

use http::{HeaderValue, Method, Request, Response, StatusCode, header};

use crate::body::Body;
use crate::plugin::chain::Passage;
use crate::plugin::exchange::Origin;
use crate::server::{Connection, Handler, Refusal};
use crate::snapshot::thread::ThreadSnapshot;
use crate::telemetry::metrics::{Ended, MethodLabel, RouteMetrics};
use crate::telemetry::traces::TraceContext;
use entry::Admitted;
pub use explain::{Edit, End, Story, explain};
use leave::leave;
use session::Session;

/// Answers the requests of one thread by the snapshot published last.
pub struct Proxy {
    snapshot: RefCell<Rc<ThreadSnapshot>>,
    ids: id::Ids,
}

impl Proxy {
    pub fn new(snapshot: Rc<ThreadSnapshot>) -> Rc<Self> {
        Rc::new(Self { snapshot: RefCell::new(snapshot), ids: id::Ids::new() })
    }

    /// Serve new exchanges by another snapshot; those on their way keep theirs.
    pub fn publish(&self, snapshot: Rc<ThreadSnapshot>) {
        let old = self.snapshot.replace(snapshot);
        // In a statement of its own: dropping pools and plugins must not find the cell borrowed.
        drop(old);
    }

    async fn answer(self: Rc<Self>, request: Request<Body>, session: Rc<Session>) -> Response<Body> {
        let start = Instant::now();
        let snapshot = Rc::clone(&self.snapshot.borrow());
        if let Some(answer) = challenge::answer(&snapshot.challenges, &request) {
            return answer;
        }
        let mut line = observe::begin(&snapshot, &session, &request, start);
        let counted = Counted::new(&session, request.method(), start);
        let Admitted { mut exchange, route, mut body, request_id, closes } =
            match entry::admit(&snapshot, &session, &self.ids, request) {
                Ok(admitted) => admitted,
                Err(refused) => {
                    counted.end(&snapshot.unmatched, refused.answer.status(), observe::trace(&line));
                    return refused_as_wanted(&snapshot, line, *refused);
                }
            };

        observe::prepare(&snapshot, &line, !route.chain.is_empty(), &mut exchange);
        let mut run = route.chain.start();
        let (mut exchange, passage) = route.chain.request(&mut run, exchange, &mut body, route.anonymous).await;

        let mut body = match passage {
            Passage::Continue => destination::answer(&snapshot, &route, &mut exchange, body).await,
            Passage::Answer(answer) => exchange.answer_with(answer, Origin::Plugin),
            Passage::Failed(error) => exchange.answer_with(problem::render(&error, &exchange), Origin::Gateway),
        };

        let mut exchange = route.chain.response(&mut run, exchange, &mut body, &problem::render).await;
        let outcome = observe::finish(&snapshot, &mut line, &mut exchange);
        // Before it is told in another way.
        let told = exchange.response.as_ref().map(|response| response.status);
        let mut answer = leave(*exchange, body, request_id, &snapshot.identity);
        if closes {
            answer.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        counted.end(&route.metrics, told.unwrap_or(answer.status()), observe::trace(&line));
        match outcome {
            Some(outcome) => observe::end(line, outcome, answer),
            None => answer,
        }
    }
}

/// A request on its way into the metrics.
struct Counted {
    method: MethodLabel,
    scheme: &'static str,
    start: Instant,
}

impl Counted {
    fn new(session: &Session, method: &Method, start: Instant) -> Self {
        Self { method: method.into(), scheme: session.connection.scheme, start }
    }

    fn end(self, metrics: &RouteMetrics, status: StatusCode, trace: Option<TraceContext>) {
        let Self { method, scheme, start } = self;
        metrics.record(status, Ended { method, scheme, duration: start.elapsed(), trace });
    }
}

/// Tell of a request that found no route, and make its answer what its client understands.
fn refused_as_wanted(snapshot: &ThreadSnapshot, line: observe::Line, refused: entry::Refused) -> Response<Body> {
    let grpc = refused.grpc;
    let mut answer = observe::refused(snapshot, line, refused);
    if grpc {
        problem::tell_caller(&mut answer);
    }
    answer
}

impl Handler for Proxy {
    type Session = Session;

    fn open(&self, connection: Connection) -> Session {
        Session::new(connection)
    }

    fn handle(
        self: Rc<Self>,
        request: Request<Body>,
        session: Rc<Session>,
    ) -> impl Future<Output = Response<Body>> + 'static {
        self.answer(request, session)
    }

    fn refuse(&self, refusal: Refusal, session: &Session) -> Response<Body> {
        let start = Instant::now();
        let snapshot = Rc::clone(&self.snapshot.borrow());
        let refused = entry::refuse(&self.ids, refusal);
        let mut request = Request::new(Body::Empty);
        *request.method_mut() = refused.method.clone();
        *request.uri_mut() = refused.path.parse().unwrap_or_default();
        let line = observe::begin(&snapshot, session, &request, start);
        let counted = Counted::new(session, &refused.method, start);
        counted.end(&snapshot.unmatched, refused.answer.status(), observe::trace(&line));
        refused_as_wanted(&snapshot, line, refused)
    }
}
