//! A byte stream to an endpoint of a cluster, for those who pass bytes on without reading them.

use std::net::SocketAddr;
use std::time::Instant;

use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

use super::cluster::Member;
use super::limit::Room;
use super::send::{MAX_ENDPOINTS, ThreadCluster, outcome};
use super::stream::InFlight;
use crate::balance::PickContext;
use crate::error::Error;
use crate::proxy_protocol::{self, Header};

/// An open stream. The endpoint counts it as in flight until it is dropped.
pub struct Dialed {
    pub stream: TcpStream,
    _in_flight: InFlight,
    _room: Option<Room>,
}

impl ThreadCluster {
    /// Connect to an endpoint for a client with the address `source`, who called `destination`. An endpoint
    /// that can't be reached is followed by another, at most three in all.
    ///
    /// # Errors
    /// There is no endpoint, there are too many streams, or none of those tried could be reached in time.
    pub async fn dial(&self, source: SocketAddr, destination: SocketAddr) -> Result<Dialed, Error> {
        let room = match &self.cluster().limits().connections {
            Some(gate) => Some(gate.enter().await.inspect_err(|_| self.cluster().metrics().overflow("connections"))?),
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
                    return Ok(Dialed { stream, _in_flight: in_flight, _room: room });
                }
                Err(error) => {
                    member.endpoint.record_error(outcome(&error));
                    last = self.failed(member, start, error);
                    self.cluster().observe(member, false);
                }
            }
            tried.push(index);
        }
        Err(last)
    }

    async fn connect(&self, member: &Member, source: SocketAddr, destination: SocketAddr) -> Result<TcpStream, Error> {
        let connect = async {
            let mut stream = TcpStream::connect(member.endpoint.address()).await?;
            stream.set_nodelay(true)?;
            if let Some(version) = self.cluster().proxy_protocol() {
                stream.write_all(&proxy_protocol::encode(version, &Header::Proxied { source, destination })).await?;
            }
            std::io::Result::Ok(stream)
        };
        match tokio::time::timeout(self.cluster().timeouts().connect, connect).await {
            Ok(Ok(stream)) => Ok(stream),
            Ok(Err(_)) => Err(Error::ConnectFailed),
            Err(_) => Err(Error::ConnectTimeout),
        }
    }
}
