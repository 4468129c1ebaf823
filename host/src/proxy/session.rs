//! What the proxy keeps for a client connection.

use std::cell::RefCell;
use std::rc::Rc;

use crate::fields::Peer;
use crate::server::Connection;
use crate::snapshot::thread::ThreadSnapshot;

/// A client connection with what is computed once for all its requests.
pub struct Session {
    pub(super) connection: Connection,
    /// Who the peer is by the snapshot of this version; it may be trusted by the next.
    peer: RefCell<Option<(u64, Rc<Peer>)>>,
}

impl Session {
    pub(super) fn new(connection: Connection) -> Self {
        Self { connection, peer: RefCell::default() }
    }

    pub(super) fn peer(&self, snapshot: &ThreadSnapshot) -> Rc<Peer> {
        let mut known = self.peer.borrow_mut();
        if let Some((version, peer)) = &*known
            && *version == snapshot.version
        {
            return Rc::clone(peer);
        }
        let peer = Rc::new(Peer::new(self.connection.peer.ip(), &snapshot.trusted_proxies));
        *known = Some((snapshot.version, Rc::clone(&peer)));
        peer
    }
}
