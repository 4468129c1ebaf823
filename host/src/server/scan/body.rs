//! Where a body ends (RFC 9112, sections 6 and 7): chunks, their extensions and trailers, as strictly as heads.

use bytes::{Buf, Bytes, BytesMut};

use super::bytes::is_token;
use crate::error::Error;

/// Digits of a chunk's size: what an `i64` holds.
const MAX_DIGITS: u8 = 15;
/// Bytes of all extensions of a body, of which nobody needs any.
const MAX_EXTENSIONS: usize = 4 << 10;
/// Bytes of trailers.
const MAX_TRAILERS: usize = 16 << 10;

/// A body as far as it has come.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Body {
    /// So many bytes are left.
    Length(u64),
    Chunked(Chunked),
}

/// What is in bytes of a body.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::server) enum Piece {
    Data(Bytes),
    /// Lines of fields, up to the empty one. Only the end follows.
    Trailers(Bytes),
    /// Nothing more belongs to it.
    End,
}

impl Body {
    pub fn chunked() -> Self {
        Self::Chunked(Chunked { place: Place::Size { digits: 0, size: 0 }, spent: 0, trailers: Vec::new() })
    }

    /// Take the next piece from bytes that follow; none if there isn't enough for one. What follows the body is left.
    ///
    /// # Errors
    /// [`Error::RequestBody`].
    pub fn take(&mut self, bytes: &mut BytesMut) -> Result<Option<Piece>, Error> {
        match self {
            Self::Length(0) => Ok(Some(Piece::End)),
            Self::Length(left) => Ok(data(left, bytes)),
            Self::Chunked(chunked) => chunked.take(bytes),
        }
    }
}

/// Take data, at most as much as is left.
fn data(left: &mut u64, bytes: &mut BytesMut) -> Option<Piece> {
    if bytes.is_empty() {
        return None;
    }
    let count = usize::try_from(*left).map_or(bytes.len(), |left| left.min(bytes.len()));
    *left -= count as u64;
    Some(Piece::Data(bytes.split_to(count).freeze()))
}

/// A place within chunks.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Chunked {
    place: Place,
    /// Bytes of extensions, then of trailers.
    spent: usize,
    /// Their lines so far.
    trailers: Vec<u8>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Size {
        digits: u8,
        size: u64,
    },
    Extension {
        size: u64,
    },
    SizeLf {
        size: u64,
    },
    Data {
        left: u64,
    },
    DataCr,
    DataLf,
    /// At the beginning of a line after the last chunk.
    TrailerStart,
    TrailerName,
    TrailerValue,
    TrailerLf,
    EndLf,
    End,
}

impl Chunked {
    fn take(&mut self, bytes: &mut BytesMut) -> Result<Option<Piece>, Error> {
        loop {
            match &mut self.place {
                Place::End => return Ok(Some(Piece::End)),
                Place::Data { left } if *left > 0 => return Ok(data(left, bytes)),
                Place::Data { .. } => self.place = Place::DataCr,
                Place::EndLf if bytes.first() == Some(&b'\n') && !self.trailers.is_empty() => {
                    bytes.advance(1);
                    self.place = Place::End;
                    return Ok(Some(Piece::Trailers(std::mem::take(&mut self.trailers).into())));
                }
                _ => {
                    let Some(byte) = bytes.first().copied() else { return Ok(None) };
                    let place = self.next(byte).ok_or(Error::RequestBody)?;
                    let in_trailers = matches!(
                        self.place,
                        Place::TrailerStart | Place::TrailerName | Place::TrailerValue | Place::TrailerLf
                    );
                    if in_trailers && place != Place::EndLf {
                        self.trailers.push(byte);
                    }
                    self.place = place;
                    bytes.advance(1);
                }
            }
        }
    }

    /// Where a byte leads to; none if it mustn't be there.
    fn next(&mut self, byte: u8) -> Option<Place> {
        Some(match (self.place, byte) {
            (Place::Size { digits, size }, _) if byte.is_ascii_hexdigit() && digits < MAX_DIGITS => {
                let digit = char::from(byte).to_digit(16)?;
                Place::Size { digits: digits + 1, size: size << 4 | u64::from(digit) }
            }
            (Place::Size { digits: 1.., size }, b'\r') => Place::SizeLf { size },
            (Place::Size { digits: 1.., size }, b';') => Place::Extension { size },
            (Place::Extension { size }, b'\r') => Place::SizeLf { size },
            (Place::Extension { .. }, _) if is_text(byte) => {
                self.spend(MAX_EXTENSIONS)?;
                self.place
            }
            (Place::SizeLf { size: 0 }, b'\n') => {
                self.spent = 0;
                Place::TrailerStart
            }
            (Place::SizeLf { size }, b'\n') => Place::Data { left: size },
            (Place::DataCr, b'\r') => Place::DataLf,
            (Place::DataLf, b'\n') => Place::Size { digits: 0, size: 0 },
            (Place::TrailerStart, b'\r') => Place::EndLf,
            (Place::EndLf, b'\n') => Place::End,
            (Place::TrailerStart | Place::TrailerName, _) if is_token(byte) => {
                self.spend(MAX_TRAILERS)?;
                Place::TrailerName
            }
            (Place::TrailerName, b':') => Place::TrailerValue,
            (Place::TrailerValue, b'\r') => Place::TrailerLf,
            (Place::TrailerValue, _) if is_text(byte) => {
                self.spend(MAX_TRAILERS)?;
                Place::TrailerValue
            }
            (Place::TrailerLf, b'\n') => Place::TrailerStart,
            _ => return None,
        })
    }

    fn spend(&mut self, most: usize) -> Option<()> {
        self.spent += 1;
        (self.spent <= most).then_some(())
    }
}

/// What values are made of (RFC 9110, section 5.5).
fn is_text(byte: u8) -> bool {
    byte == b'\t' || byte >= b' ' && byte != 0x7f
}
