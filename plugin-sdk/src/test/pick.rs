//! A choice among endpoints, made by a test.

use std::rc::Rc;

use super::sys;
use crate::{Endpoint, Endpoints, Identity, PickContext};

/// What a balancer is asked.
#[derive(Debug, Clone, Default)]
pub struct TestPick(Rc<sys::Pick>);

impl TestPick {
    /// A first attempt at the cluster `test` without endpoints.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    fn with(mut self, change: impl FnOnce(&mut sys::Pick)) -> Self {
        change(Rc::make_mut(&mut self.0));
        self
    }

    /// Add an endpoint: healthy, without failures.
    #[must_use]
    pub fn endpoint(self, weight: u32, in_flight: u32) -> Self {
        self.with_endpoint(Endpoint { weight, in_flight, latency_us: 0, healthy: true, failures: 0 })
    }

    /// Add any endpoint.
    #[must_use]
    pub fn with_endpoint(self, endpoint: Endpoint) -> Self {
        self.with(|pick| pick.endpoints.push(endpoint))
    }

    /// The endpoint of that index is in a zone.
    #[must_use]
    pub fn zone(self, index: u32, zone: &str) -> Self {
        self.with(|pick| drop(pick.zones.insert(index, zone.into())))
    }

    /// This exchange has tried that endpoint; the attempt is counted.
    #[must_use]
    pub fn tried(self, index: u32) -> Self {
        self.with(|pick| pick.tried.push(index))
    }

    /// The client's IP address.
    #[must_use]
    pub fn client_address(self, address: &str) -> Self {
        self.with(|pick| pick.client = Some(address.into()))
    }

    /// Who was authenticated.
    #[must_use]
    pub fn identity(self, identity: Identity) -> Self {
        self.with(|pick| pick.identity = Some(identity))
    }

    /// Add a field to the request.
    #[must_use]
    pub fn header(self, name: &str, value: impl Into<Vec<u8>>) -> Self {
        let field = crate::Field::new(name, value);
        self.with(|pick| pick.fields.push(field))
    }

    pub(crate) fn handles(&self) -> (PickContext, Endpoints) {
        (PickContext(sys::PickContext(self.0.clone())), Endpoints(sys::EndpointList(self.0.clone())))
    }
}
