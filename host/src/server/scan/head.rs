//! One head, line by line (RFC 9112, sections 2 to 5). Lines that came are never looked at again, however slowly
//! the rest comes. Which `Host` is meant is settled later, for all versions of HTTP alike.

use memchr::memchr2;

use super::bytes::{has_controls, is_path_and_query, is_token};
use super::framing::{self, Framing};
use crate::error::Error;
use crate::fields::valid_host;

/// The longest method; the longest registered one has 17 characters.
const MAX_METHOD: usize = 32;
/// ` HTTP/1.1`
const VERSION: usize = 9;

/// How large heads may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes in all.
    pub head: usize,
    /// Bytes of the target.
    pub target: usize,
    pub fields: usize,
}

/// A head as far as it has come.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Head {
    /// Where the line begins that isn't complete.
    line: usize,
    /// Up to here, that line has no end.
    looked: usize,
    version: Option<Version>,
    fields: usize,
    length: Option<u64>,
    chunked: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Version {
    Http10,
    Http11,
}

fn bad(why: &'static str) -> Error {
    Error::BadRequest(why.into())
}

impl Head {
    /// Go on with the lines of `bytes`, which begin where the head does. At its end, tells its length and how
    /// long the body is.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn scan(&mut self, bytes: &[u8], limits: &Limits) -> Result<Option<(usize, Framing)>, Error> {
        loop {
            let rest = bytes.get(self.looked..).unwrap_or_default();
            let Some(found) = memchr2(b'\r', b'\n', rest) else {
                self.looked = bytes.len();
                return self.incomplete(bytes, limits);
            };
            let end = self.looked + found;
            match rest.get(found..) {
                Some([b'\r', b'\n', ..]) => {}
                Some([b'\r']) => {
                    self.looked = end;
                    return self.incomplete(bytes, limits);
                }
                Some([b'\n', ..]) => return Err(bad("a line ends without CR")),
                _ => return Err(bad("a CR within a line")),
            }
            let line = bytes.get(self.line..end).unwrap_or_default();
            self.line = end + 2;
            self.looked = self.line;
            if self.line > limits.head {
                return Err(self.too_large());
            }
            if self.take(line, limits)? {
                if has_controls(bytes.get(..self.line).unwrap_or_default()) {
                    return Err(bad("a control character in the head"));
                }
                return Ok(Some((self.line, self.framing()?)));
            }
        }
    }

    /// How many fields have come.
    pub fn fields(&self) -> usize {
        self.fields
    }

    /// What can be said of a line before its end.
    fn incomplete(&self, bytes: &[u8], limits: &Limits) -> Result<Option<(usize, Framing)>, Error> {
        let line = bytes.get(self.line..).unwrap_or_default();
        if self.version.is_none() {
            if line.first().is_some_and(|first| !is_token(*first) && *first != b'\r') {
                return Err(bad("the request line is malformed"));
            }
            if line.len() > MAX_METHOD + limits.target + VERSION + 1 {
                return Err(Error::TargetTooLong);
            }
        }
        if bytes.len() > limits.head { Err(self.too_large()) } else { Ok(None) }
    }

    fn too_large(&self) -> Error {
        if self.version.is_none() { Error::TargetTooLong } else { Error::HeadTooLarge }
    }

    /// One line; true if it ends the head.
    fn take(&mut self, line: &[u8], limits: &Limits) -> Result<bool, Error> {
        match (line, self.version) {
            // RFC 9112, section 2.2: an empty line before a request is passed over.
            ([], None) => Ok(false),
            ([], Some(_)) => Ok(true),
            (line, None) => {
                self.version = Some(request_line(line, limits)?);
                Ok(false)
            }
            (line, Some(version)) => {
                self.field(line, version, limits)?;
                Ok(false)
            }
        }
    }

    fn field(&mut self, line: &[u8], version: Version, limits: &Limits) -> Result<(), Error> {
        let end = line.iter().position(|byte| !is_token(*byte)).unwrap_or(line.len());
        let (name, rest) = line.split_at(end);
        let value = match (name, rest) {
            ([], [b' ' | b'\t', ..]) => return Err(bad("a folded line")),
            ([_, ..], [b':', value @ ..]) => value,
            ([_, ..], [b' ' | b'\t', ..]) => return Err(bad("white space in a field's name")),
            _ => return Err(bad("a field's name is malformed")),
        };
        self.fields += 1;
        if self.fields > limits.fields {
            return Err(Error::HeadTooLarge);
        }
        match name.len() {
            14 if name.eq_ignore_ascii_case(b"content-length") => self.has_length(framing::length(value.trim_ascii())?),
            17 if name.eq_ignore_ascii_case(b"transfer-encoding") => self.has_coding(value.trim_ascii(), version),
            13.. if looks_like_framing(name) => Err(bad("a field that could be taken for one of framing")),
            _ => Ok(()),
        }
    }

    fn has_length(&mut self, length: u64) -> Result<(), Error> {
        match self.length.replace(length) {
            None => Ok(()),
            Some(_) => Err(bad("several Content-Length fields")),
        }
    }

    fn has_coding(&mut self, value: &[u8], version: Version) -> Result<(), Error> {
        if version == Version::Http10 {
            return Err(bad("HTTP/1.0 has no Transfer-Encoding"));
        }
        if std::mem::replace(&mut self.chunked, true) {
            return Err(bad("several Transfer-Encoding fields"));
        }
        framing::coding(value)
    }

    /// What the whole head says of the body.
    fn framing(&self) -> Result<Framing, Error> {
        match (self.chunked, self.length) {
            (true, Some(_)) => Err(bad("Content-Length beside Transfer-Encoding")),
            (true, None) => Ok(Framing::Chunked),
            (false, length) => Ok(Framing::Length(length.unwrap_or_default())),
        }
    }
}

/// Whether a lenient server might see framing in a name that differs in separators alone: `Transfer_Encoding`,
/// `Content--Length`.
fn looks_like_framing(name: &[u8]) -> bool {
    let is = |letters: &[u8]| {
        let found = name.iter().filter(|byte| byte.is_ascii_alphanumeric()).map(u8::to_ascii_lowercase);
        found.eq(letters.iter().copied())
    };
    match name.first().map(u8::to_ascii_lowercase) {
        Some(b't') => is(b"transferencoding"),
        Some(b'c') => is(b"contentlength"),
        Some(byte) if !byte.is_ascii_alphanumeric() => is(b"transferencoding") || is(b"contentlength"),
        _ => false,
    }
}

/// `method SP target SP HTTP/1.x`, with exactly these blanks.
fn request_line(line: &[u8], limits: &Limits) -> Result<Version, Error> {
    const MALFORMED: &str = "the request line is malformed";
    let end = line.iter().position(|byte| !is_token(*byte)).unwrap_or(line.len());
    let (method, rest) = line.split_at(end);
    let ([_, ..], [b' ', rest @ ..]) = (method, rest) else { return Err(bad(MALFORMED)) };
    let Some((target, version)) = rest.split_last_chunk::<VERSION>() else { return Err(bad(MALFORMED)) };
    let version = match version {
        b" HTTP/1.1" => Version::Http11,
        b" HTTP/1.0" => Version::Http10,
        [b' ', b'H', b'T', b'T', b'P', b'/', major, b'.', minor]
            if major.is_ascii_digit() && minor.is_ascii_digit() =>
        {
            return Err(Error::Version);
        }
        _ => return Err(bad(MALFORMED)),
    };
    if method.len() > MAX_METHOD {
        return Err(bad("the method is too long"));
    }
    if target.len() > limits.target {
        return Err(Error::TargetTooLong);
    }
    if method == b"CONNECT" {
        return Err(Error::Connect);
    }
    if is_target(target, method) { Ok(version) } else { Err(bad("the target is malformed")) }
}

/// Origin-form, absolute-form, or the asterisk of `OPTIONS` (RFC 9112, section 3.2).
fn is_target(target: &[u8], method: &[u8]) -> bool {
    match target {
        [b'/', ..] => is_path_and_query(target),
        b"*" => method == b"OPTIONS",
        _ => {
            let Some(rest) = after_scheme(target) else { return false };
            let end = rest.iter().position(|byte| matches!(byte, b'/' | b'?')).unwrap_or(rest.len());
            let (authority, path) = rest.split_at(end);
            valid_host(authority) && is_path_and_query(path)
        }
    }
}

fn after_scheme(target: &[u8]) -> Option<&[u8]> {
    [&b"http://"[..], b"https://"].into_iter().find_map(|scheme| {
        let (start, rest) = target.split_at_checked(scheme.len())?;
        start.eq_ignore_ascii_case(scheme).then_some(rest)
    })
}
