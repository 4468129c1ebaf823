//! One service that is asked, and what may come of it.

use std::fmt;

use sluice_plugin::Field;
use sluice_plugin::config::Span;
use sluice_plugin::http::{ClientError, IncomingResponse, OutgoingRequest};
use sluice_plugin::json::Document;
use sluice_plugin::prelude::*;
use sluice_plugin::serde_json::Value;
use sluice_plugin::template::{RenderError, TargetTemplate};

/// A branch as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Branch {
    cluster: String,
    path: TargetTemplate,
    #[serde(default = "get")]
    method: String,
    /// Fields of the client's request to pass on.
    #[serde(default)]
    headers: Vec<String>,
    timeout: Option<Span>,
    required: Option<bool>,
    default: Option<Value>,
    #[serde(default)]
    pub spread: bool,
}

fn get() -> String {
    "GET".into()
}

/// Why a branch has nothing to add.
#[derive(Debug, PartialEq, Eq)]
pub enum Failure {
    /// The client's request lacks something, or has something that is no part of a path.
    Request(String),
    /// No answer in time.
    Timeout,
    /// No answer.
    Unavailable,
    /// Not a success.
    Status(u16),
    /// A success that can't be used.
    Unusable(&'static str),
    /// The request has come through this gateway before.
    Loop,
    /// The configuration doesn't let it be sent.
    Configuration(String),
}

impl Branch {
    /// Check what can be checked without a request, and fill in what wasn't said.
    ///
    /// # Errors
    /// Which key is wrong.
    pub fn prepare(&mut self, name: &str, timeout: Span) -> Result<()> {
        let at = |key: &str, message: &str| Err(Error::at(format_args!("branches.{name}.{key}"), message));
        if name == crate::merge::PARTIAL {
            return Err(Error::at(
                "branches",
                format_args!("the name `{name}` is taken for the list of those left out"),
            ));
        }
        if !Field::is_name(name) {
            return Err(Error::at(
                "branches",
                format_args!("`{name}` can't be listed in a header field: use letters, digits, `-` and `_`"),
            ));
        }
        if self.cluster.is_empty() {
            return at("cluster", "must be the name of a cluster");
        }
        if !Field::is_name(&self.method) || self.method == "CONNECT" {
            return at("method", "must be a method, like \"GET\"");
        }
        if self.required == Some(true) && self.default.is_some() {
            return at("default", "is never used where `required` is true");
        }
        for name in &mut self.headers {
            name.make_ascii_lowercase();
            if !Field::is_name(name) || Field::is_gateway_owned(name) {
                return at("headers", &format!("`{name}` can't be passed on"));
            }
        }
        if self.spread && self.default.as_ref().is_some_and(|default| !default.is_object()) {
            return at("default", "must be a table where `spread` is true");
        }
        if self.timeout.get_or_insert(timeout).0.is_zero() {
            return at("timeout", "must be at least \"1ms\"");
        }
        Ok(())
    }

    /// Whether the answer is nothing without this branch.
    pub fn is_required(&self) -> bool {
        self.required.unwrap_or(self.default.is_none())
    }

    /// What stands in for a branch that is left out, as JSON.
    pub fn default_text(&self) -> String {
        self.default.as_ref().map_or_else(|| "null".to_owned(), Value::to_string)
    }

    /// What to ask.
    ///
    /// # Errors
    /// [`Failure::Request`]
    pub fn request(&self, request: &Request, exchange: &Exchange) -> Result<OutgoingRequest, Failure> {
        let unfit = |error: RenderError| Failure::Request(error.to_string());
        let target = self.path.render(request, exchange).map_err(unfit)?;
        let mut outgoing = OutgoingRequest::new(self.method.as_str(), self.cluster.as_str(), target);
        for name in &self.headers {
            for value in request.header_values(name) {
                outgoing = outgoing.with_header(name, value);
            }
        }
        if !self.headers.iter().any(|name| name == "accept") {
            outgoing = outgoing.with_header("accept", "application/json");
        }
        // The answer is read here, so it must not be compressed.
        outgoing.headers.retain(|field| field.name != "accept-encoding");
        outgoing = outgoing.with_header("accept-encoding", "identity");
        Ok(match self.timeout {
            Some(timeout) => outgoing.with_timeout(timeout.0),
            None => outgoing,
        })
    }

    /// What an answer adds.
    ///
    /// # Errors
    /// It is none that can be used.
    pub fn body(&self, answer: Result<IncomingResponse, ClientError>) -> Result<Document, Failure> {
        let answer = answer.map_err(|error| match error {
            ClientError::Timeout => Failure::Timeout,
            ClientError::Unavailable => Failure::Unavailable,
            ClientError::TooLarge => Failure::Unusable("it is bigger than `limits.response`"),
            ClientError::LoopDetected => Failure::Loop,
            ClientError::Invalid(why) => Failure::Request(why),
            ClientError::NotGranted => Failure::Configuration(format!(
                "the plugin has no grant for the cluster `{0}`; add grants = [{{ http-client = [\"{0}\"] }}]",
                self.cluster
            )),
            ClientError::TooManyCalls => Failure::Configuration("`limits.calls` is too small for the branches".into()),
        })?;
        if !answer.is_success() {
            return Err(Failure::Status(answer.status));
        }
        if answer.header_str("content-encoding").is_some_and(|coding| coding != "identity") {
            return Err(Failure::Unusable("it is compressed"));
        }
        let document = Document::parse(&answer.body).map_err(|_| Failure::Unusable("it isn't JSON"))?;
        if self.spread && document.members().is_none() {
            return Err(Failure::Unusable("it isn't an object, which `spread` needs"));
        }
        Ok(document)
    }
}

impl Failure {
    /// Whether no default helps.
    pub fn is_fatal(&self) -> bool {
        matches!(self, Self::Loop | Self::Configuration(_))
    }

    /// The whole answer if a branch fails that is needed.
    ///
    /// # Errors
    /// It is the plugin's own failure.
    pub fn answer(&self, branch: &str) -> Result<LocalResponse> {
        Ok(match self {
            Self::Request(why) => {
                let detail = format!("What `{branch}` needs can't be taken from the request: {why}.");
                LocalResponse::detailed_problem(400, "The request doesn't fit this route", &detail)
            }
            Self::Timeout => {
                log::warn!("the branch `{branch}` failed: {self}");
                LocalResponse::problem(504, "A service didn't answer in time")
            }
            Self::Unavailable | Self::Status(_) | Self::Unusable(_) => {
                log::warn!("the branch `{branch}` failed: {self}");
                LocalResponse::problem(502, "A service gave no usable answer")
            }
            Self::Loop => LocalResponse::problem(508, "Loop detected"),
            Self::Configuration(why) => return Err(Error::at(format_args!("branches.{branch}"), why)),
        })
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Request(why) | Self::Configuration(why) => f.write_str(why),
            Self::Timeout => f.write_str("no answer in time"),
            Self::Unavailable => f.write_str("no answer"),
            Self::Status(status) => write!(f, "it answered {status}"),
            Self::Unusable(why) => write!(f, "the answer can't be used: {why}"),
            Self::Loop => f.write_str("the request has come through this gateway before"),
        }
    }
}
