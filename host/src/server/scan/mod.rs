//! A strict look at the bytes of HTTP/1 requests, which lets nothing pass that another server might read in another way:
//! request smuggling lives on such differences. It follows the framing of bodies to know where each head begins.
//! It knows nothing of routes or sockets.

mod body;
mod bytes;
mod framing;
mod head;
mod refusal;
#[cfg(test)]
mod tests;

use ::bytes::BytesMut;

pub(super) use body::Piece;
pub use head::Limits;
pub use refusal::Refusal;

use crate::error::Error;
use body::Body;
use framing::Framing;
use head::Head;

/// Where in its stream of requests a connection is.
#[derive(Debug)]
pub(super) struct Scan {
    limits: Limits,
    place: Place,
}

#[derive(Debug)]
enum Place {
    Head(Head),
    Body(Body),
}

/// A head.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Found {
    /// Bytes.
    pub length: usize,
    pub fields: usize,
    /// A body follows.
    pub has_body: bool,
}

impl Scan {
    pub fn new(limits: Limits) -> Self {
        Self { limits, place: Place::Head(Head::default()) }
    }

    /// Look at bytes, at least one, that begin where a head does; none if it isn't complete: ask again with the same
    /// bytes, followed by more. Each byte is looked at once, also if a head comes in pieces.
    ///
    /// # Errors
    /// The answer to it.
    pub fn head(&mut self, bytes: &[u8]) -> Result<Option<Found>, Error> {
        // A body is taken, or its connection given up, before the next head is looked for.
        let Place::Head(head) = &mut self.place else { return Err(Error::RequestBody) };
        let Some((length, framing)) = head.scan(bytes, &self.limits)? else { return Ok(None) };
        let fields = head.fields();
        self.place = match framing {
            Framing::Length(0) => Place::Head(Head::default()),
            Framing::Length(length) => Place::Body(Body::Length(length)),
            Framing::Chunked => Place::Body(Body::chunked()),
        };
        Ok(Some(Found { length, fields, has_body: framing != Framing::Length(0) }))
    }

    /// Take the next piece of a body from bytes that follow; none if there isn't enough for one.
    ///
    /// # Errors
    /// [`Error::RequestBody`]: nothing that follows means anything.
    pub fn piece(&mut self, bytes: &mut BytesMut) -> Result<Option<Piece>, Error> {
        let Place::Body(body) = &mut self.place else { return Ok(Some(Piece::End)) };
        let piece = body.take(bytes)?;
        if piece == Some(Piece::End) || *body == Body::Length(0) {
            self.place = Place::Head(Head::default());
        }
        Ok(piece)
    }

    /// How much of the body is to come; none if it will tell.
    pub fn left(&self) -> Option<u64> {
        match self.place {
            Place::Head(_) => Some(0),
            Place::Body(Body::Length(left)) => Some(left),
            Place::Body(Body::Chunked(_)) => None,
        }
    }
}
