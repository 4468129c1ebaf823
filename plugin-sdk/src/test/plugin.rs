//! Running a plugin's hooks.

use super::edit;
use super::exchange::TestExchange;
use super::host::MockHost;
use super::pick::TestPick;
use crate::{
    Aggregate, Authenticate, Authentication, Authorization, Authorize, Balance, Body, BodyDecision, Chunk, Decision,
    Error, Identity, LocalResponse, OnRequest, OnRequestBody, OnRequestChunk, OnResponse, OnResponseBody,
    OnResponseChunk, Plugin, RateLimit, Result, Verdict,
};

/// A configured plugin with the host that lends it capabilities. Each method runs one hook.
pub struct TestPlugin<P> {
    plugin: P,
    host: MockHost,
}

impl<P: Plugin> TestPlugin<P> {
    pub(super) fn new(plugin: P, host: MockHost) -> Self {
        Self { plugin, host }
    }

    /// Run [`Authenticate`]. An identity isn't kept in the exchange.
    ///
    /// # Errors
    /// The plugin's, or its answer isn't one.
    pub fn authenticate(&self, exchange: &TestExchange) -> Result<Authentication>
    where
        P: Authenticate,
    {
        let (mut request, handle) = (exchange.request(), exchange.exchange());
        let outcome = self.host.run(|| self.plugin.authenticate(&mut request, &handle))?;
        if let Authentication::Denied(answer) = &outcome {
            check(answer)?;
        }
        Ok(outcome)
    }

    /// Run [`Authorize`].
    ///
    /// # Errors
    /// The plugin's, or its answer isn't one.
    pub fn authorize(&self, exchange: &TestExchange, identity: Option<&Identity>) -> Result<Authorization>
    where
        P: Authorize,
    {
        let (mut request, handle) = (exchange.request(), exchange.exchange());
        let outcome = self.host.run(|| self.plugin.authorize(&mut request, &handle, identity))?;
        if let Authorization::Denied(answer) = &outcome {
            check(answer)?;
        }
        Ok(outcome)
    }

    /// Run [`RateLimit`].
    ///
    /// # Errors
    /// The plugin's.
    pub fn check(&self, exchange: &TestExchange) -> Result<Verdict>
    where
        P: RateLimit,
    {
        let (request, handle) = (exchange.request(), exchange.exchange());
        self.host.run(|| self.plugin.check(&request, &handle))
    }

    /// Run [`OnRequest`].
    ///
    /// # Errors
    /// The plugin's, or its answer isn't one.
    pub fn on_request(&self, exchange: &TestExchange) -> Result<Decision>
    where
        P: OnRequest,
    {
        let (mut request, handle) = (exchange.request(), exchange.exchange());
        decided(self.host.run(|| self.plugin.on_request(&mut request, &handle))?)
    }

    /// Run [`OnRequestBody`].
    ///
    /// # Errors
    /// The plugin's, or its answer isn't one.
    pub fn on_request_body(&self, exchange: &TestExchange, body: impl Into<Body>) -> Result<BodyDecision>
    where
        P: OnRequestBody,
    {
        let (mut request, handle) = (exchange.request(), exchange.exchange());
        let body = body.into();
        body_decided(self.host.run(|| self.plugin.on_request_body(&mut request, &handle, body))?)
    }

    /// Run [`OnRequestChunk`] on a body that comes in these pieces. What it returned for each is returned.
    ///
    /// # Errors
    /// The plugin's, at whatever piece.
    pub fn on_request_chunks<B: Into<Vec<u8>>>(
        &self,
        exchange: &TestExchange,
        pieces: impl IntoIterator<Item = B>,
    ) -> Result<Vec<Vec<u8>>>
    where
        P: OnRequestChunk,
    {
        let mut kept = P::RequestStream::default();
        self.each(exchange, pieces, |chunk, exchange| self.plugin.on_request_chunk(&mut kept, chunk, exchange))
    }

    /// Run [`OnResponseChunk`] on a body that comes in these pieces. What it returned for each is returned.
    ///
    /// # Errors
    /// The plugin's, at whatever piece.
    pub fn on_response_chunks<B: Into<Vec<u8>>>(
        &self,
        exchange: &TestExchange,
        pieces: impl IntoIterator<Item = B>,
    ) -> Result<Vec<Vec<u8>>>
    where
        P: OnResponseChunk,
    {
        let mut kept = P::ResponseStream::default();
        self.each(exchange, pieces, |chunk, exchange| self.plugin.on_response_chunk(&mut kept, chunk, exchange))
    }

    fn each<B: Into<Vec<u8>>>(
        &self,
        exchange: &TestExchange,
        pieces: impl IntoIterator<Item = B>,
        mut hook: impl FnMut(Chunk, &crate::Exchange) -> Result<Vec<u8>>,
    ) -> Result<Vec<Vec<u8>>> {
        let mut out = Vec::new();
        let mut pieces = pieces.into_iter().peekable();
        while let Some(piece) = pieces.next() {
            let chunk = Chunk { bytes: piece.into(), last: pieces.peek().is_none() };
            let handle = exchange.frozen();
            out.push(self.host.run(|| hook(chunk, &handle))?);
        }
        Ok(out)
    }

    /// Run [`OnResponse`].
    ///
    /// # Errors
    /// The plugin's, or its answer isn't one.
    pub fn on_response(&self, exchange: &TestExchange) -> Result<Decision>
    where
        P: OnResponse,
    {
        let (request, mut response, handle) = (exchange.request(), exchange.answer(), exchange.exchange());
        decided(self.host.run(|| self.plugin.on_response(&request, &mut response, &handle))?)
    }

    /// Run [`OnResponseBody`].
    ///
    /// # Errors
    /// The plugin's, or its answer isn't one.
    pub fn on_response_body(&self, exchange: &TestExchange, body: impl Into<Body>) -> Result<BodyDecision>
    where
        P: OnResponseBody,
    {
        let (request, mut response, handle) = (exchange.request(), exchange.answer(), exchange.exchange());
        let body = body.into();
        body_decided(self.host.run(|| self.plugin.on_response_body(&request, &mut response, &handle, body))?)
    }

    /// Run [`Aggregate`].
    ///
    /// # Errors
    /// The plugin's, or its answer isn't one.
    pub fn handle(&self, exchange: &TestExchange) -> Result<LocalResponse>
    where
        P: Aggregate,
    {
        let (request, handle) = (exchange.request(), exchange.exchange());
        let answer = self.host.run(|| self.plugin.handle(&request, &handle))?;
        check(&answer)?;
        Ok(answer)
    }

    /// Run [`Balance`].
    pub fn pick(&mut self, pick: &TestPick) -> Option<u32>
    where
        P: Balance,
    {
        let (context, endpoints) = pick.handles();
        let Self { plugin, host } = self;
        host.run(|| plugin.pick(&context, &endpoints))
    }
}

fn decided(decision: Decision) -> Result<Decision> {
    if let Decision::Respond(answer) = &decision {
        check(answer)?;
    }
    Ok(decision)
}

fn body_decided(decision: BodyDecision) -> Result<BodyDecision> {
    if let BodyDecision::Respond(answer) = &decision {
        check(answer)?;
    }
    Ok(decision)
}

fn check(answer: &LocalResponse) -> Result<()> {
    edit::check_answer(answer).map_err(|error| Error::new(format!("the gateway would refuse this answer: {error}")))
}
