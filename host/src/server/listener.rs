//! Sockets that accept: one for each thread and address, so that no thread waits for another's lock.
//! The kernel spreads connections over them.

use std::io;
use std::net::{SocketAddr, TcpListener};

use socket2::{Domain, Protocol, SockRef, Socket, Type};

/// Connections that wait to be accepted, for each socket.
pub(super) const BACKLOG: i32 = 4096;

/// An address can't be listened on.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    #[error("{0} is in use: stop what listens there, or choose another address")]
    InUse(SocketAddr),
    #[error("can't listen on {address}: {source}")]
    Other { address: SocketAddr, source: io::Error },
}

/// The sockets of one address.
#[derive(Debug)]
pub struct Bound {
    /// Where they listen; never port 0.
    pub address: SocketAddr,
    /// As many as were asked for. Non-blocking.
    pub sockets: Vec<TcpListener>,
}

/// Listen on an address with `count` sockets that share its port. With port 0 the system chooses it.
///
/// `SO_REUSEPORT` would let a second gateway take half of the connections of the first without a word, so
/// the address is tried without it first.
///
/// # Errors
/// The address is in use, isn't this machine's, or isn't allowed.
pub fn bind(address: SocketAddr, count: usize) -> Result<Bound, BindError> {
    let failed = |source: io::Error| match source.kind() {
        io::ErrorKind::AddrInUse => BindError::InUse(address),
        _ => BindError::Other { address, source },
    };
    if address.port() != 0 {
        let probe = socket(address, false).map_err(failed)?;
        probe.bind(&address.into()).map_err(failed)?;
        // Two sockets with `SO_REUSEADDR` can be bound to one port; only one can listen.
        probe.listen(1).map_err(failed)?;
    }
    let mut address = address;
    let mut sockets = Vec::with_capacity(count);
    for _ in 0..count.max(1) {
        let listener = open(address).map_err(failed)?;
        address = listener.local_addr().map_err(failed)?;
        sockets.push(listener);
    }
    Ok(Bound { address, sockets })
}

/// Listen with sockets that were opened before, for `count` threads: with all of them, since each has a queue of its
/// own, and with more if there are fewer than threads.
///
/// # Errors
/// They aren't sockets that listen, or no more can be had.
pub fn adopt(sockets: Vec<TcpListener>, count: usize) -> io::Result<Bound> {
    let address = sockets.first().ok_or(io::ErrorKind::NotFound)?.local_addr()?;
    let mut sockets = sockets;
    for known in &sockets {
        let known = SockRef::from(known);
        known.set_nonblocking(true)?;
        known.set_tcp_nodelay(true)?;
    }
    let given = sockets.len();
    while sockets.len() < count {
        let more = open(address).or_else(|_| {
            // Its owner doesn't share the port, as systemd doesn't by default: then threads share a queue.
            let known = sockets.get(sockets.len() % given).ok_or(io::ErrorKind::NotFound)?;
            known.try_clone()
        })?;
        sockets.push(more);
    }
    Ok(Bound { address, sockets })
}

/// One more socket of an address whose sockets share it.
fn open(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = socket(address, true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

/// Whether a program listens on an address that doesn't share it, as a gateway of the same user would. Listens
/// on nothing; what else may be wrong with the address isn't told.
pub fn is_taken(address: SocketAddr) -> bool {
    let bound = socket(address, true).and_then(|socket| socket.bind(&address.into()));
    address.port() != 0 && bound.is_err_and(|error| error.kind() == io::ErrorKind::AddrInUse)
}

fn socket(address: SocketAddr, shared: bool) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    // So that a restart needn't wait for old connections to leave TIME_WAIT.
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(shared)?;
    socket.set_nonblocking(true)?;
    // Accepted sockets inherit it.
    socket.set_tcp_nodelay(true)?;
    Ok(socket)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANY: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 0);

    #[test]
    fn all_sockets_share_the_chosen_port() {
        let bound = bind(ANY, 3).unwrap();
        assert_ne!(bound.address.port(), 0);
        assert_eq!(bound.sockets.len(), 3);
        assert!(bound.sockets.iter().all(|socket| socket.local_addr().unwrap() == bound.address));
    }

    #[test]
    fn a_port_in_use_is_an_error_even_if_its_sockets_share() {
        for first in [bind(ANY, 2).unwrap().sockets, vec![TcpListener::bind(ANY).unwrap()]] {
            let address = first[0].local_addr().unwrap();
            let error = bind(address, 2).unwrap_err();
            assert!(matches!(error, BindError::InUse(_)), "{error:?}");
            assert!(error.to_string().starts_with(&format!("{address} is in use")), "{error}");
        }
    }

    #[test]
    fn sockets_of_another_are_taken_over_with_more_for_more_threads() {
        let bound = bind(ANY, 2).unwrap();
        let adopted = adopt(bound.sockets, 3).unwrap();
        assert_eq!((adopted.address, adopted.sockets.len()), (bound.address, 3));
        let adopted = adopt(adopted.sockets, 1).unwrap();
        assert_eq!(adopted.sockets.len(), 3, "none is closed: somebody may wait for it");
        assert!(adopt(Vec::new(), 1).is_err());
    }

    #[test]
    fn threads_share_a_socket_whose_port_is_not_shared() {
        let alone = TcpListener::bind(ANY).unwrap();
        let address = alone.local_addr().unwrap();
        let adopted = adopt(vec![alone], 2).unwrap();
        assert!(adopted.sockets.iter().all(|socket| socket.local_addr().unwrap() == address));
        let _client = std::net::TcpStream::connect(address).unwrap();
        assert!(adopted.sockets[1].accept().is_ok(), "it is one queue");
    }

    #[test]
    fn a_port_is_free_again_once_its_sockets_are_closed() {
        let address = bind(ANY, 2).unwrap().address;
        assert_eq!(bind(address, 2).unwrap().address, address);
    }

    #[test]
    fn an_address_of_another_machine_is_an_error() {
        let error = bind("192.0.2.1:80".parse().unwrap(), 1).unwrap_err();
        assert!(error.to_string().starts_with("can't listen on 192.0.2.1:80: "), "{error}");
    }
}
