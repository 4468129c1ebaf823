//! A strict look at the bytes of an HTTP/1 connection before hyper sees them, since hyper overlooks much that
//! another server might read in another way: request smuggling lives on such differences. It follows the framing
//! of bodies to know where each head begins. It changes no byte, and knows nothing of routes or sockets.

mod body;
mod bytes;
mod framing;
mod guarded;
mod head;
#[cfg(test)]
mod tests;
mod verdict;

pub(super) use guarded::Guarded;
pub use head::Limits;
pub use verdict::Refusal;
pub(super) use verdict::Verdict;

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

/// What is known of bytes.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// So many may be passed on; a head has ended with them.
    Head(usize),
    /// So many may be passed on; they are of a body.
    Body(usize),
    /// The head isn't complete. Ask again with the same bytes, followed by more.
    More,
}

impl Scan {
    pub fn new(limits: Limits) -> Self {
        Self { limits, place: Place::Head(Head::default()) }
    }

    /// Whether the next byte begins a head.
    pub fn is_between(&self) -> bool {
        matches!(&self.place, Place::Head(head) if *head == Head::default())
    }

    /// Look at bytes, at least one, that follow those passed on. Each byte is looked at once, also if a head comes in
    /// pieces.
    ///
    /// # Errors
    /// Why the bytes can't be passed on: for a head, the answer; for a body, always [`Error::RequestBody`].
    pub fn step(&mut self, bytes: &[u8]) -> Result<Step, Error> {
        match &mut self.place {
            Place::Head(head) => {
                let Some((length, framing)) = head.scan(bytes, &self.limits)? else { return Ok(Step::More) };
                self.place = match framing {
                    Framing::Length(0) => Place::Head(Head::default()),
                    Framing::Length(length) => Place::Body(Body::Length(length)),
                    Framing::Chunked => Place::Body(Body::chunked()),
                };
                Ok(Step::Head(length))
            }
            Place::Body(body) => {
                let (count, ended) = body.scan(bytes)?;
                if ended {
                    self.place = Place::Head(Head::default());
                }
                Ok(Step::Body(count))
            }
        }
    }
}
