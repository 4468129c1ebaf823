//! What a template can put in.

use std::fmt;

use super::TemplateError;
use crate::{Exchange, Request};

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Variable {
    Capture(String),
    ClientAddress,
    Subject,
    Issuer,
    Attribute(String),
    Header(String),
    Query(String),
}

impl Variable {
    pub(super) fn parse(name: &str) -> Result<Self, TemplateError> {
        let unknown = || TemplateError(format!("`{{{name}}}` is no variable"));
        if let Some((kind, name)) = name.split_once(':') {
            if name.is_empty() {
                return Err(unknown());
            }
            return match kind {
                "attribute" => Ok(Self::Attribute(name.to_owned())),
                "header" => Ok(Self::Header(name.to_owned())),
                "query" => Ok(Self::Query(name.to_owned())),
                _ => Err(unknown()),
            };
        }
        match name {
            "client_address" => Ok(Self::ClientAddress),
            "identity.subject" => Ok(Self::Subject),
            "identity.issuer" => Ok(Self::Issuer),
            _ if !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte)) => {
                Ok(Self::Capture(name.to_owned()))
            }
            _ => Err(unknown()),
        }
    }

    pub(super) fn value(&self, request: &Request, exchange: &Exchange) -> Option<String> {
        match self {
            Self::Capture(name) => request.capture(name),
            Self::ClientAddress => Some(exchange.client_address()),
            Self::Subject => exchange.identity().map(|identity| identity.subject),
            Self::Issuer => exchange.identity().and_then(|identity| identity.issuer),
            Self::Attribute(name) => exchange.attribute(name),
            Self::Header(name) => request.header_str(name),
            Self::Query(name) => request.query_parameter(name),
        }
    }
}

impl fmt::Display for Variable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Capture(name) => f.write_str(name),
            Self::ClientAddress => f.write_str("client_address"),
            Self::Subject => f.write_str("identity.subject"),
            Self::Issuer => f.write_str("identity.issuer"),
            Self::Attribute(name) => write!(f, "attribute:{name}"),
            Self::Header(name) => write!(f, "header:{name}"),
            Self::Query(name) => write!(f, "query:{name}"),
        }
    }
}
