//! The request and the answer as hooks see them: by handle, one thing at a time. Who reads one header
//! pays for one header.

use crate::field::{self, Field};
use crate::{EditError, Result, encode, sys};

/// The request. A hook that may change it is given `&mut`.
pub struct Request(pub(crate) sys::Request);

impl Request {
    /// `GET`, `POST`, …
    pub fn method(&self) -> String {
        self.0.method()
    }

    /// `http` or `https`: how the client reached the gateway.
    pub fn scheme(&self) -> String {
        self.0.scheme()
    }

    /// Host and, if given, port, as the client asked for: `api.example.com:8443`.
    pub fn authority(&self) -> String {
        self.0.authority()
    }

    /// The normalized path, still percent-encoded, without the query: `/users/7`.
    pub fn path(&self) -> String {
        self.0.path()
    }

    /// The query without its `?`, or none.
    pub fn query(&self) -> Option<String> {
        self.0.query()
    }

    /// The first value of a parameter in the query, decoded as a form is (`+` is a space); none if there is none.
    pub fn query_parameter(&self, name: &str) -> Option<String> {
        let query = self.query()?;
        query.split('&').find_map(|pair| {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            (encode::decode_form(key) == name).then(|| encode::decode_form(value))
        })
    }

    /// The segment that `{name}` in the route's path captured, percent-decoded.
    pub fn capture(&self, name: &str) -> Option<String> {
        self.0.capture(name)
    }

    /// The token of `authorization: Bearer …` (RFC 6750, 2.1).
    pub fn bearer_token(&self) -> Option<String> {
        let value = self.header_str("authorization")?;
        let (scheme, token) = value.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then(|| token.trim().to_owned())
    }

    /// Replace the method.
    ///
    /// # Errors
    /// It is no token (RFC 9110, 5.6.2).
    pub fn set_method(&mut self, method: &str) -> Result<(), EditError> {
        self.0.set_method(method)
    }

    /// Replace the path. It is normalized as a client's would be; the route stays what it is.
    ///
    /// # Errors
    /// A client's request with this path would be refused.
    pub fn set_path(&mut self, path: &str) -> Result<(), EditError> {
        self.0.set_path(path)
    }

    /// Replace the query; none removes it with its `?`.
    ///
    /// # Errors
    /// It has characters that no query may have.
    pub fn set_query(&mut self, query: Option<&str>) -> Result<(), EditError> {
        self.0.set_query(query)
    }
}

/// The answer on its way to the client.
pub struct Response(pub(crate) sys::Response);

/// Who made the answer that passes through the response phase.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// An endpoint of a cluster.
    Upstream,
    /// A plugin of this chain.
    Plugin,
    /// The gateway itself: an error, a redirect or a fixed answer.
    Gateway,
}

impl Response {
    /// The status code.
    pub fn status(&self) -> u16 {
        self.0.status()
    }

    /// Who made this answer.
    pub fn origin(&self) -> Origin {
        self.0.origin()
    }

    /// Replace the status: 200 to 599.
    ///
    /// # Errors
    /// It isn't within these.
    pub fn set_status(&mut self, status: u16) -> Result<(), EditError> {
        self.0.set_status(status)
    }
}

macro_rules! fields {
    ($message:ty) => {
        impl $message {
            /// The first value of a field; names compare without case.
            pub fn header(&self, name: &str) -> Option<Vec<u8>> {
                self.0.header(name)
            }

            /// The first value of a field, if it is text.
            pub fn header_str(&self, name: &str) -> Option<String> {
                String::from_utf8(self.0.header(name)?).ok()
            }

            /// All values of a field, in order.
            pub fn header_values(&self, name: &str) -> Vec<Vec<u8>> {
                self.0.header_values(name)
            }

            /// All fields; those of one name keep their order.
            pub fn headers(&self) -> Vec<Field> {
                self.0.headers()
            }

            /// Whether `content-type` says that the body is JSON.
            pub fn is_json(&self) -> bool {
                self.header_str("content-type").is_some_and(|value| field::is_json(&value))
            }

            /// Put one value in place of all values of this field.
            ///
            /// # Errors
            /// Name or value are illegal, or the field belongs to the gateway.
            pub fn set_header(&mut self, name: &str, value: impl AsRef<[u8]>) -> Result<(), EditError> {
                self.0.set_header(name, value.as_ref())
            }

            /// Add a value to those that are there.
            ///
            /// # Errors
            /// Name or value are illegal, or the field belongs to the gateway.
            pub fn append_header(&mut self, name: &str, value: impl AsRef<[u8]>) -> Result<(), EditError> {
                self.0.append_header(name, value.as_ref())
            }

            /// Remove all values of this field.
            ///
            /// # Errors
            /// The name is illegal, or the field belongs to the gateway.
            pub fn remove_header(&mut self, name: &str) -> Result<(), EditError> {
                self.0.remove_header(name)
            }
        }
    };
}

fields!(Request);
fields!(Response);
