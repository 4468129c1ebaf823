//! Chunked bodies (RFC 9112, section 7.1), read from whatever pieces come.

use bytes::{Buf, Bytes};
use http::{HeaderMap, HeaderName, HeaderValue};

use super::Malformed;

/// The most bytes of trailers, and of extensions of all chunks of a body together.
const MAX_BESIDES: usize = 16 << 10;

/// The most trailer fields.
const MAX_TRAILERS: usize = 64;

/// The state between two pieces of a body.
#[derive(Debug, Default)]
pub(in crate::upstream) struct Decoder {
    state: State,
    /// Bytes of extensions so far.
    extensions: usize,
    trailers: Vec<u8>,
}

#[derive(Debug, Clone, Copy)]
enum State {
    Size {
        size: u64,
        digits: u8,
    },
    /// Behind the size: blanks or an extension.
    Extension(u64),
    SizeLf(u64),
    Data(u64),
    DataCr,
    DataLf,
    Trailers,
    End,
    Broken,
}

impl Default for State {
    fn default() -> Self {
        Self::Size { size: 0, digits: 0 }
    }
}

/// What is in a piece.
#[derive(Debug)]
pub(in crate::upstream) enum Piece {
    Data(Bytes),
    Trailers(HeaderMap),
    End,
}

impl Decoder {
    pub fn has_ended(&self) -> bool {
        matches!(self.state, State::End)
    }

    /// Take the next piece from the front of `input`; none if there isn't enough for one. What follows the
    /// body is left.
    ///
    /// # Errors
    /// It isn't chunked, now and whatever comes.
    pub fn decode(&mut self, input: &mut Bytes) -> Result<Option<Piece>, Malformed> {
        let piece = self.take(input);
        if piece.is_err() {
            self.state = State::Broken;
        }
        piece
    }

    fn take(&mut self, input: &mut Bytes) -> Result<Option<Piece>, Malformed> {
        loop {
            match self.state {
                State::End => return Ok(Some(Piece::End)),
                State::Broken => return Err(Malformed),
                _ if input.is_empty() => return Ok(None),
                State::Data(left) => {
                    let here = usize::try_from(left).unwrap_or(usize::MAX).min(input.len());
                    let left = left - here as u64;
                    self.state = if left == 0 { State::DataCr } else { State::Data(left) };
                    return Ok(Some(Piece::Data(input.split_to(here))));
                }
                State::Trailers => {
                    if let Some(piece) = self.trailers(input)? {
                        return Ok(Some(piece));
                    }
                }
                state => {
                    let byte = input.get_u8();
                    self.state = self.step(state, byte)?;
                }
            }
        }
    }

    fn step(&mut self, state: State, byte: u8) -> Result<State, Malformed> {
        match (state, byte) {
            (State::Size { size, digits }, _) if byte.is_ascii_hexdigit() => {
                let digit = u64::from(char::from(byte).to_digit(16).ok_or(Malformed)?);
                // Sixteen digits fit, zeros in front among them.
                if digits >= 16 {
                    return Err(Malformed);
                }
                Ok(State::Size { size: size << 4 | digit, digits: digits + 1 })
            }
            (State::Size { digits: 0, .. }, _) => Err(Malformed),
            (State::Size { size, .. } | State::Extension(size), b'\r') => Ok(State::SizeLf(size)),
            (State::Size { size, .. }, b';' | b' ' | b'\t') => Ok(State::Extension(size)),
            (State::Extension(size), byte) if byte != b'\n' && self.extensions < MAX_BESIDES => {
                self.extensions += 1;
                Ok(State::Extension(size))
            }
            (State::SizeLf(0), b'\n') => Ok(State::Trailers),
            (State::SizeLf(size), b'\n') => Ok(State::Data(size)),
            (State::DataCr, b'\r') => Ok(State::DataLf),
            (State::DataLf, b'\n') => Ok(State::default()),
            _ => Err(Malformed),
        }
    }

    /// Take bytes up to the blank line at the end of trailers.
    fn trailers(&mut self, input: &mut Bytes) -> Result<Option<Piece>, Malformed> {
        while input.has_remaining() {
            self.trailers.push(input.get_u8());
            if self.trailers == b"\r\n" {
                self.state = State::End;
                return Ok(Some(Piece::End));
            }
            if self.trailers.ends_with(b"\r\n\r\n") {
                self.state = State::End;
                return parse_trailers(&std::mem::take(&mut self.trailers)).map(|found| Some(Piece::Trailers(found)));
            }
            if self.trailers.len() >= MAX_BESIDES {
                return Err(Malformed);
            }
        }
        Ok(None)
    }
}

fn parse_trailers(bytes: &[u8]) -> Result<HeaderMap, Malformed> {
    let mut fields = [httparse::EMPTY_HEADER; MAX_TRAILERS];
    match httparse::parse_headers(bytes, &mut fields) {
        Ok(httparse::Status::Complete((length, fields))) if length == bytes.len() => {
            let mut trailers = HeaderMap::new();
            for field in fields {
                let name = HeaderName::from_bytes(field.name.as_bytes()).map_err(|_| Malformed)?;
                let value = HeaderValue::from_bytes(field.value).map_err(|_| Malformed)?;
                trailers.try_append(name, value).map_err(|_| Malformed)?;
            }
            Ok(trailers)
        }
        _ => Err(Malformed),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    type Whole = (Vec<u8>, HeaderMap, Vec<u8>);

    /// Decode pieces; the data, the trailers, and what is left behind the body, or none if it isn't over.
    fn decode(pieces: &[&[u8]]) -> Result<Option<Whole>, Malformed> {
        let (mut decoder, mut data, mut trailers) = (Decoder::default(), Vec::new(), HeaderMap::new());
        for (index, piece) in pieces.iter().enumerate() {
            let mut input = Bytes::copy_from_slice(piece);
            while let Some(piece) = decoder.decode(&mut input)? {
                match piece {
                    Piece::Data(bytes) => data.extend_from_slice(&bytes),
                    Piece::Trailers(found) => trailers = found,
                    Piece::End => {
                        let rest = pieces.iter().skip(index + 1).flat_map(|piece| piece.iter()).copied();
                        let rest = input.iter().copied().chain(rest).collect();
                        return Ok(Some((data, trailers, rest)));
                    }
                }
            }
        }
        Ok(None)
    }

    #[test]
    fn bodies_are_put_together() {
        let (data, trailers, rest) =
            decode(&[b"3;a=\"b\"\r\nabc\r\n0A \r\n0123456789\r\n0\r\nx-sum: 7\r\n\r\nHTTP"]).unwrap().unwrap();
        assert_eq!(data, b"abc0123456789");
        assert_eq!(trailers["x-sum"], "7");
        assert_eq!(rest, b"HTTP");
        let (data, trailers, rest) = decode(&[b"0\r\n\r\n"]).unwrap().unwrap();
        assert!(data.is_empty() && trailers.is_empty() && rest.is_empty());
    }

    #[test]
    fn what_is_not_chunked_is_refused() {
        for body in [
            "x\r\n",
            "\r\n",
            "-1\r\n",
            "3\nabc\r\n0\r\n\r\n",
            "3\r\nabcd\r\n0\r\n\r\n",
            "3\r\nabc\n0\r\n\r\n",
            "3;a\nb\r\nabc\r\n0\r\n\r\n",
            "3\r\r\nabc\r\n0\r\n\r\n",
            "00000000000000001\r\na\r\n0\r\n\r\n",
            "0x1\r\na\r\n0\r\n\r\n",
            "0\r\nx y: 1\r\n\r\n",
            "0\r\nno colon\r\n\r\n",
        ] {
            assert_eq!(decode(&[body.as_bytes()]).unwrap_err(), Malformed, "{body}");
            let (mut decoder, mut input) = (Decoder::default(), Bytes::copy_from_slice(body.as_bytes()));
            while decoder.decode(&mut input).is_ok() {}
            assert!(decoder.decode(&mut Bytes::from_static(b"\r\n0\r\n\r\n")).is_err(), "{body} was mended");
        }
        let extension = format!("1;{}\r\na\r\n", "x".repeat(MAX_BESIDES + 1));
        assert_eq!(decode(&[extension.as_bytes()]).unwrap_err(), Malformed);
        let trailers = format!("0\r\nx: {}\r\n\r\n", "x".repeat(MAX_BESIDES + 1));
        assert_eq!(decode(&[trailers.as_bytes()]).unwrap_err(), Malformed);
    }

    proptest! {
        #[test]
        fn pieces_make_no_difference(
            chunks in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 1..40), 0..8),
            with_trailers in any::<bool>(),
            mut cuts in proptest::collection::vec(any::<proptest::sample::Index>(), 0..10),
        ) {
            let mut body = Vec::new();
            for chunk in &chunks {
                body.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
                body.extend_from_slice(chunk);
                body.extend_from_slice(b"\r\n");
            }
            body.extend_from_slice(if with_trailers { b"0\r\na: b\r\n\r\n" } else { b"0\r\n\r\n" });
            let mut places: Vec<usize> = cuts.drain(..).map(|cut| cut.index(body.len())).collect();
            places.extend([0, body.len()]);
            places.sort_unstable();
            let pieces: Vec<&[u8]> = places.windows(2).map(|pair| &body[pair[0]..pair[1]]).collect();
            let (data, trailers, rest) = decode(&pieces).unwrap().unwrap();
            prop_assert_eq!(data, chunks.concat());
            prop_assert_eq!(trailers.len(), usize::from(with_trailers));
            prop_assert!(rest.is_empty());
            // Nothing short of the whole is one.
            prop_assert!(decode(&[&body[..body.len() - 1]]).unwrap().is_none());
        }

        #[test]
        fn anything_can_be_looked_at(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = decode(&[&bytes]);
        }
    }
}
