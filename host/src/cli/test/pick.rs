//! What a balance plugin chooses from, as a case has written it down.

use std::rc::Rc;

use sluice::balance::{EndpointView, IdentityView, PickContext, RequestView, View};
use sluice::plugin::exchange::Exchange;
use sluice::plugin::role::{Plugin, PluginError};

use super::cases::{Case, Endpoint};

/// Let the plugin pick.
///
/// # Errors
/// It failed.
pub fn pick(plugin: &Rc<dyn Plugin>, case: &Case, exchange: &Exchange) -> Result<Option<usize>, PluginError> {
    let request = Request(exchange);
    let context = PickContext {
        cluster: "test",
        attempt: u32::try_from(case.tried.len()).unwrap_or(u32::MAX).saturating_add(1),
        tried: &case.tried,
        client: Some(case.request.client_address),
        request: Some(&request),
    };
    plugin.pick(&context, &Endpoints(&case.endpoints))
}

struct Endpoints<'a>(&'a [Endpoint]);

impl View for Endpoints<'_> {
    fn len(&self) -> usize {
        self.0.len()
    }

    fn get(&self, index: usize) -> Option<EndpointView<'_>> {
        let endpoint = self.0.get(index)?;
        Some(EndpointView {
            weight: endpoint.weight,
            in_flight: endpoint.in_flight,
            latency_us: endpoint.latency_us,
            healthy: endpoint.healthy,
            failures: endpoint.failures,
            ..EndpointView::new(endpoint.address.as_deref().unwrap_or("192.0.2.2:80"))
        })
    }
}

struct Request<'a>(&'a Exchange);

impl RequestView for Request<'_> {
    fn header(&self, name: &str) -> Option<&[u8]> {
        self.0.request.headers.get(name).map(http::HeaderValue::as_bytes)
    }

    fn path(&self) -> &str {
        self.0.request.target.path()
    }

    fn identity(&self) -> Option<IdentityView<'_>> {
        self.0.identity.as_ref().map(|identity| IdentityView {
            subject: &identity.subject,
            issuer: identity.issuer.as_deref(),
            expires_at: identity.expires_at,
            claims: &identity.claims,
        })
    }
}
