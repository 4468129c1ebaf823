//! One question to one server after the other: over UDP, and over TCP if the answer doesn't fit.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpStream, UdpSocket};

use super::DnsError;
use super::message::{Kind, Reply, Unusable, question, read};
use super::name::Name;

/// How often all servers are asked before the question has no answer.
const ROUNDS: usize = 2;
/// The longest answer over UDP, as servers know who aren't told otherwise.
const LONGEST_DATAGRAM: usize = 512;

/// Who is asked, and how long each of them may take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Client {
    pub servers: Vec<SocketAddr>,
    pub timeout: Duration,
}

impl Client {
    /// The first good answer. That there is no such name is one.
    ///
    /// # Errors
    /// What the last server that said anything did wrong.
    pub async fn ask(&self, name: &Name, kind: Kind) -> Result<Reply, DnsError> {
        let mut last = DnsError::Unreachable;
        for server in std::iter::repeat_n(&self.servers, ROUNDS).flatten() {
            let asking = tokio::time::timeout(self.timeout, ask_one(*server, name, kind));
            match asking.await.unwrap_or(Err(DnsError::Timeout)) {
                Ok(reply) if matches!(reply.code, 0 | 3) => return Ok(reply),
                Ok(reply) => last = DnsError::Failed(reply.code),
                // That others can't be reached is less worth knowing.
                Err(DnsError::Unreachable) => {}
                Err(error) => last = error,
            }
        }
        Err(last)
    }
}

async fn ask_one(server: SocketAddr, name: &Name, kind: Kind) -> Result<Reply, DnsError> {
    // A new id and a new port for each question, so that nobody can foresee them (RFC 5452).
    let [high, low, ..] = getrandom::u32().map_err(|_| DnsError::Unreachable)?.to_be_bytes();
    let id = u16::from_be_bytes([high, low]);
    let message = question(id, name, kind);
    let reply = over_udp(server, &message, id, name, kind).await?;
    if !reply.truncated {
        return Ok(reply);
    }
    let answer = over_tcp(server, &message).await.map_err(|_| DnsError::Unreachable)?;
    read(&answer, id, name, kind).map_err(|_| DnsError::Malformed)
}

async fn over_udp(server: SocketAddr, message: &[u8], id: u16, name: &Name, kind: Kind) -> Result<Reply, DnsError> {
    let exchange: Result<_, io::Error> = async {
        let own: IpAddr = if server.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
        let socket = UdpSocket::bind((own, 0)).await?;
        // Others' datagrams don't get in from now on.
        socket.connect(server).await?;
        socket.send(message).await?;
        let mut buffer = [0; LONGEST_DATAGRAM];
        loop {
            let length = socket.recv(&mut buffer).await?;
            match read(buffer.get(..length).unwrap_or_default(), id, name, kind) {
                Ok(reply) => return Ok(Ok(reply)),
                // Somebody guesses, or it comes too late.
                Err(Unusable::Foreign) => {}
                Err(Unusable::Malformed) => return Ok(Err(DnsError::Malformed)),
            }
        }
    }
    .await;
    exchange.unwrap_or(Err(DnsError::Unreachable))
}

async fn over_tcp(server: SocketAddr, message: &[u8]) -> io::Result<Vec<u8>> {
    let mut stream = TcpStream::connect(server).await?;
    // A question has some 300 bytes at most.
    let length = u16::try_from(message.len()).unwrap_or_default();
    stream.write_all(&[&length.to_be_bytes(), message].concat()).await?;
    let mut answer = vec![0; usize::from(stream.read_u16().await?)];
    stream.read_exact(&mut answer).await?;
    Ok(answer)
}
