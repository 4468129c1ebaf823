//! One request to a cluster: choose an endpoint, try it, and try again where policy allows and it can't do harm.

use std::time::Instant;

use http::{Request, Response};

use super::cluster::Cluster;
use super::connection::Ends;
use super::guarded::guarded;
use super::limit::Room;
use super::retry::{SHARE, copy, is_retried, keep_body, pause};
use super::send::{Caller, MAX_ENDPOINTS, Seen, ThreadCluster};
use crate::balance::{PickContext, View};
use crate::body::Body;
use crate::config::model::Retries;
use crate::error::{Error, Fault};

/// What came of one try. With an error comes the request if nothing of it was sent.
pub(super) type Tried = Result<Response<Body>, (Error, Option<Request<Body>>)>;

impl ThreadCluster {
    /// Send a request and wait for the answer's head; the body follows as it comes. The target has to be
    /// in origin-form, hop-by-hop fields gone, `Host` set; the answer's are gone too. Dropping the future, or the
    /// answer's body before its end, cancels the call.
    ///
    /// A refused connection is followed by another endpoint, at most three in all, since nothing was sent. A reused
    /// connection that breaks before any byte of an answer is followed by a fresh one, once, if the request
    /// came back unsent, or if it is idempotent (RFC 9110, section 9.2.2) and its body is at hand. What else is
    /// tried again, the cluster's `retries` say.
    ///
    /// # Errors
    /// What [`Error`] says of upstreams and of request bodies.
    pub async fn send(&self, request: Request<Body>, caller: Caller<'_>) -> Result<Response<Body>, Error> {
        let whole = self.cluster().timeouts().request;
        if whole.is_none() && caller.deadline.is_none() && self.cluster().limits().requests.is_none() {
            return self.attempts(request, caller).await;
        }
        // Apart, so that others don't pay for it.
        Box::pin(self.bounded(request, caller)).await
    }

    /// With bounds on the time of all tries together, and on the requests at once.
    async fn bounded(&self, request: Request<Body>, caller: Caller<'_>) -> Result<Response<Body>, Error> {
        let sending = async {
            let room = match &self.cluster().limits().requests {
                Some(gate) => Some(gate.enter().await.inspect_err(|_| self.cluster().metrics().overflow("requests"))?),
                None => None,
            };
            Ok((self.attempts(request, caller).await?, room))
        };
        let whole = self.cluster().timeouts().request;
        let allowed = whole.map(|whole| tokio::time::Instant::now() + whole);
        let deadline = allowed.into_iter().chain(caller.deadline.map(Into::into)).min();
        let (answer, room) = match deadline {
            Some(deadline) => tokio::time::timeout_at(deadline, sending).await.unwrap_or(Err(Error::Deadline))?,
            None => sending.await?,
        };
        Ok(answer.map(|body| guarded(body, room, deadline)))
    }

    async fn attempts(&self, mut request: Request<Body>, caller: Caller<'_>) -> Result<Response<Body>, Error> {
        let (retries, hedge) = (self.cluster().retries(), self.cluster().hedge());
        if retries.is_some() || hedge.is_some() {
            self.budget.deposit(retries.map_or(SHARE, |retries| retries.budget));
            request = keep_body(request, retries, hedge, self.cluster().timeouts().idle).await?;
        }
        let (mut tried, mut attempt, mut last) = (Vec::new(), 1, Error::NoEndpoint);
        let mut room: Option<Room> = None;
        loop {
            let seen = Seen { request: &request, identity: caller.identity };
            let context = PickContext {
                cluster: self.cluster().name(),
                attempt,
                tried: &tried,
                client: caller.client,
                request: Some(&seen),
            };
            let session = self.session(&context);
            let Some(index) = session.or_else(|| self.pick(&context)) else { return Err(last) };
            let spare = retries
                .filter(|retries| attempt <= retries.attempts)
                .and_then(|retries| Some((copy(&request, &retries.methods)?, retries)));
            let note = self.note(&caller, index, &mut request);
            let hedge = hedge.filter(|_| attempt == 1).and_then(|hedge| Some((copy(&request, &hedge.methods)?, hedge)));
            let (index, sent) = match hedge {
                None => {
                    let sent = self.attempt(index, request, caller.ends).await;
                    note.end(&sent);
                    (index, sent)
                }
                // Apart, so that others don't pay for it.
                Some((twin, hedge)) => {
                    let hedged = Box::pin(self.hedged(index, (request, note), twin, hedge, &caller)).await;
                    tried.extend(hedged.other);
                    (hedged.index, hedged.sent)
                }
            };
            drop(room.take());
            let repeat = match (sent, spare) {
                (Err((error, Some(unsent))), _) if attempt < self.most_endpoints() => {
                    last = error;
                    unsent
                }
                (Ok(answer), Some((spare, retries))) if retries.on_statuses.has(answer.status()) => {
                    match self.retry(retries, attempt).await {
                        Some(permit) => room = permit,
                        None => return Ok(self.keep_session(answer, index, session)),
                    }
                    spare
                }
                (Err((error, _)), Some((spare, retries))) if is_retried(&error, retries) => {
                    match self.retry(retries, attempt).await {
                        Some(permit) => room = permit,
                        None => return Err(error),
                    }
                    last = error;
                    spare
                }
                (Ok(answer), _) => return Ok(self.keep_session(answer, index, session)),
                (Err((error, _)), _) => return Err(error),
            };
            request = repeat;
            tried.push(index);
            attempt += 1;
            let retried = retries.is_some_and(|retries| attempt <= retries.attempts + 1);
            if retried && tried.len() >= self.cluster().len() {
                // All had their turn; better one of them again than none.
                tried.clear();
            }
        }
    }

    /// Endpoints that a request may try as long as nothing of it was sent.
    fn most_endpoints(&self) -> u32 {
        self.cluster().retries().map_or(MAX_ENDPOINTS, |retries| MAX_ENDPOINTS.max(retries.attempts + 1))
    }

    /// Wait until a retry may be made. None if it may not.
    async fn retry(&self, retries: &Retries, number: u32) -> Option<Option<Room>> {
        let metrics = self.cluster().metrics();
        if !self.budget.withdraw(Instant::now()) {
            metrics.retry("over-budget");
            return None;
        }
        let Ok(room) = self.cluster().limits().retry() else {
            metrics.overflow("retries");
            metrics.retry("over-limit");
            return None;
        };
        metrics.retry("made");
        tokio::time::sleep(pause(retries, number)).await;
        Some(room)
    }

    /// Try one endpoint, in time.
    pub(super) async fn attempt(&self, index: usize, request: Request<Body>, ends: Option<Ends>) -> Tried {
        let cluster = self.cluster();
        let sent = match cluster.timeouts().attempt {
            None => self.send_to(index, request, ends).await,
            Some(limit) => {
                let start = Instant::now();
                match tokio::time::timeout(limit, self.send_to(index, request, ends)).await {
                    Ok(sent) => sent,
                    Err(_) => {
                        let error = Error::FirstByteTimeout;
                        let member = cluster.members().get(index);
                        Err((member.map_or(Error::NoEndpoint, |member| self.failed(member, start, error)), None))
                    }
                }
            }
        };
        judge(cluster, index, &sent);
        sent
    }

    fn keep_session(&self, mut answer: Response<Body>, index: usize, session: Option<usize>) -> Response<Body> {
        // Retried elsewhere, the session moves.
        if let Some(sticky) = self.cluster().sticky().filter(|_| session.is_none()) {
            sticky.keep(index, answer.headers_mut());
        }
        answer
    }

    /// The endpoint that the request's session is with, if it is one to ask.
    fn session(&self, context: &PickContext<'_>) -> Option<usize> {
        let index = self.cluster().sticky()?.find(context.request?)?;
        (self.fits(index, context) && self.policy.is_candidate(index, self.cluster())).then_some(index)
    }
}

/// Tell the cluster what it was worth. Server errors count as failures; what clients did wrong doesn't count.
fn judge(cluster: &Cluster, index: usize, sent: &Tried) {
    let Some(member) = cluster.members().get(index) else { return };
    match sent {
        Ok(answer) => cluster.observe(member, !answer.status().is_server_error()),
        // It wasn't even asked.
        Err((Error::Overloaded, _)) => {}
        Err((error, _)) if error.fault() == Fault::Upstream => {
            member.endpoint.record_error(error);
            cluster.observe(member, false);
        }
        Err(_) => {}
    }
}
