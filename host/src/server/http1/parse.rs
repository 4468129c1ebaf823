//! From the bytes of a head to a request. The scan has passed them, so little can be wrong.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Uri, Version, header};

use crate::error::Error;
use crate::fields::members_of;

/// Room for the fields that the gateway adds on the way to the endpoint.
const ADDED: usize = 8;

/// A request without its body, and what its head says of the connection.
#[derive(Debug)]
pub(super) struct Head {
    pub request: Request<()>,
    /// Another request may follow.
    pub keeps_alive: bool,
    /// The body comes when it is asked for (RFC 9110, section 10.1.1).
    pub expects_continue: bool,
    /// The client reads trailers (RFC 9110, section 10.1.4).
    pub takes_trailers: bool,
}

/// Read a head that has `fields` fields.
///
/// # Errors
/// The scan has overlooked something.
pub(super) fn parse(head: &Bytes, fields: usize) -> Result<Head, Error> {
    let mut lines = Lines(head);
    let mut line = lines.next().unwrap_or_default();
    // RFC 9112, section 2.2: empty lines before a request are passed over.
    while line.is_empty() && !lines.0.is_empty() {
        line = lines.next().unwrap_or_default();
    }
    let (method, target, version) = request_line(line).ok_or_else(malformed)?;
    let mut request = Request::new(());
    *request.method_mut() = Method::from_bytes(method).map_err(|_| malformed())?;
    *request.uri_mut() = Uri::from_maybe_shared(head.slice_ref(target)).map_err(|_| malformed())?;
    *request.version_mut() = version;
    let mut said = Said::default();
    let headers = request.headers_mut();
    headers.try_reserve(fields + ADDED).map_err(|_| Error::HeadTooLarge)?;
    for line in lines.take_while(|line| !line.is_empty()) {
        let colon = memchr::memchr(b':', line).ok_or_else(malformed)?;
        let (name, value) = line.split_at_checked(colon).ok_or_else(malformed)?;
        let name = HeaderName::from_bytes(name).map_err(|_| malformed())?;
        let value = value.get(1..).unwrap_or_default().trim_ascii();
        said.see(&name, value);
        let value = HeaderValue::from_maybe_shared(head.slice_ref(value)).map_err(|_| malformed())?;
        headers.try_append(name, value).map_err(|_| Error::HeadTooLarge)?;
    }
    let is_new = version == Version::HTTP_11;
    Ok(Head {
        keeps_alive: !said.close && (is_new || said.keep_alive),
        expects_continue: is_new && said.expects_continue,
        takes_trailers: said.takes_trailers,
        request,
    })
}

fn malformed() -> Error {
    Error::BadRequest("the request line or a field is malformed".into())
}

fn request_line(line: &[u8]) -> Option<(&[u8], &[u8], Version)> {
    let first = memchr::memchr(b' ', line)?;
    let last = memchr::memrchr(b' ', line)?;
    let version = match line.get(last..)? {
        b" HTTP/1.1" => Version::HTTP_11,
        b" HTTP/1.0" => Version::HTTP_10,
        _ => return None,
    };
    Some((line.get(..first)?, line.get(first + 1..last)?, version))
}

/// Lines without their ends.
struct Lines<'a>(&'a [u8]);

impl<'a> Iterator for Lines<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let end = memchr::memchr(b'\r', self.0)?;
        let (line, rest) = self.0.split_at_checked(end)?;
        self.0 = rest.get(2..).unwrap_or_default();
        Some(line)
    }
}

/// What fields say of the connection.
#[derive(Default)]
struct Said {
    close: bool,
    keep_alive: bool,
    expects_continue: bool,
    takes_trailers: bool,
}

impl Said {
    fn see(&mut self, name: &HeaderName, value: &[u8]) {
        match *name {
            header::CONNECTION => {
                for option in members_of(value) {
                    self.close |= option.eq_ignore_ascii_case(b"close");
                    self.keep_alive |= option.eq_ignore_ascii_case(b"keep-alive");
                }
            }
            header::EXPECT => self.expects_continue = value.eq_ignore_ascii_case(b"100-continue"),
            header::TE => {
                self.takes_trailers |= members_of(value).any(|member| member.eq_ignore_ascii_case(b"trailers"))
            }
            _ => {}
        }
    }
}

/// Read the fields behind the last chunk. The scan has passed them.
///
/// # Errors
/// It has overlooked something.
pub(in crate::server) fn trailers(lines: &Bytes) -> Result<HeaderMap, Error> {
    let mut trailers = HeaderMap::new();
    for line in Lines(lines).take_while(|line| !line.is_empty()) {
        let (name, value) =
            memchr::memchr(b':', line).and_then(|colon| line.split_at_checked(colon)).ok_or(Error::RequestBody)?;
        let name = HeaderName::from_bytes(name).map_err(|_| Error::RequestBody)?;
        let value = lines.slice_ref(value.get(1..).unwrap_or_default().trim_ascii());
        let value = HeaderValue::from_maybe_shared(value).map_err(|_| Error::RequestBody)?;
        trailers.try_append(name, value).map_err(|_| Error::RequestBody)?;
    }
    Ok(trailers)
}
