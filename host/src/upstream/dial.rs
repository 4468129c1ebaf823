//! A byte stream to an endpoint of a cluster, for those who pass bytes on without reading them.

use std::net::SocketAddr;
use std::time::Instant;

use super::cluster::Member;
use super::connect::connect;
use super::places::Place;
use super::send::{MAX_ENDPOINTS, ThreadCluster};
use super::stream::InFlight;
use crate::balance::PickContext;
use crate::error::Error;
use crate::io::Transport;
use crate::proxy_protocol::{self, Header};

/// An open stream. The endpoint counts it as in flight until it is dropped.
pub struct Dialed {
    pub stream: Transport,
    _in_flight: InFlight,
    _place: Option<Place>,
}

impl ThreadCluster {
    /// Connect to an endpoint for a client with the address `source`, who called `destination`. An endpoint
    /// that can't be reached is followed by another, at most three in all.
    ///
    /// # Errors
    /// There is no endpoint, there are too many streams, or none of those tried could be reached in time.
    pub async fn dial(&self, source: SocketAddr, destination: SocketAddr) -> Result<Dialed, Error> {
        let place = match &self.cluster().limits().connections {
            Some(places) => {
                Some(places.enter().await.inspect_err(|_| self.cluster().metrics().overflow("connections"))?)
            }
            None => None,
        };
        let mut tried = Vec::new();
        let mut last = Error::NoEndpoint;
        for attempt in 1..=MAX_ENDPOINTS {
            let context = PickContext {
                cluster: self.cluster().name(),
                attempt,
                tried: &tried,
                client: Some(source.ip()),
                request: None,
            };
            let Some(index) = self.pick(&context) else { break };
            let Some(member) = self.cluster().members().get(index) else { break };
            let in_flight = InFlight::new(&member.endpoint);
            let start = Instant::now();
            match self.connect(member, source, destination).await {
                Ok(stream) => {
                    member.endpoint.succeeded(start.elapsed());
                    self.cluster().metrics().record("ok", start.elapsed());
                    self.cluster().observe(member, true);
                    return Ok(Dialed { stream, _in_flight: in_flight, _place: place });
                }
                Err(error) => {
                    member.endpoint.record_error(&error);
                    last = self.failed(member, start, error);
                    self.cluster().observe(member, false);
                }
            }
            tried.push(index);
        }
        Err(last)
    }

    async fn connect(&self, member: &Member, source: SocketAddr, destination: SocketAddr) -> Result<Transport, Error> {
        let cluster = self.cluster();
        let header = cluster
            .proxy_protocol()
            .map(|version| proxy_protocol::encode(version, &Header::Proxied { source, destination }));
        let tls = cluster.tls().map(|tls| tls.for_bytes());
        connect(member.endpoint.address(), &header.unwrap_or_default(), tls, cluster.timeouts().connect).await
    }
}
