//! Where a body ends (RFC 9112, sections 6 and 7): chunks, their extensions and trailers, as strictly as heads.

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

impl Body {
    pub fn chunked() -> Self {
        Self::Chunked(Chunked { place: Place::Size { digits: 0, size: 0 }, spent: 0 })
    }

    /// Look at bytes that follow. Tells how many of them belong to the body, and whether it has ended with them.
    ///
    /// # Errors
    /// [`Error::RequestBody`].
    pub fn scan(&mut self, bytes: &[u8]) -> Result<(usize, bool), Error> {
        match self {
            Self::Length(left) => {
                let count = skip(left, bytes);
                Ok((count, *left == 0))
            }
            Self::Chunked(chunked) => chunked.scan(bytes),
        }
    }
}

/// Take bytes off what is left.
fn skip(left: &mut u64, bytes: &[u8]) -> usize {
    let count = usize::try_from(*left).map_or(bytes.len(), |left| left.min(bytes.len()));
    *left -= count as u64;
    count
}

/// A place within chunks.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Chunked {
    place: Place,
    /// Bytes of extensions, then of trailers.
    spent: usize,
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
}

impl Chunked {
    fn scan(&mut self, bytes: &[u8]) -> Result<(usize, bool), Error> {
        let mut at = 0;
        while let Some(byte) = bytes.get(at) {
            if let Place::Data { left } = &mut self.place {
                at += skip(left, bytes.get(at..).unwrap_or_default());
                if *left == 0 {
                    self.place = Place::DataCr;
                }
                continue;
            }
            at += 1;
            match self.next(*byte).ok_or(Error::RequestBody)? {
                Some(place) => self.place = place,
                None => return Ok((at, true)),
            }
        }
        Ok((at, false))
    }

    /// Where a byte leads to: outside none if it mustn't be there, inside none if it ends the body.
    fn next(&mut self, byte: u8) -> Option<Option<Place>> {
        let place = match (self.place, byte) {
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
            (Place::EndLf, b'\n') => return Some(None),
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
        };
        Some(Some(place))
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
