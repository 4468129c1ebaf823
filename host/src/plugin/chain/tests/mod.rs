//! The rules of chains, with plugins made of closures.

mod bodies;
mod fake;
mod order;
mod pieces;

use http::{HeaderMap, HeaderName, HeaderValue};

fn headers(fields: &[(&str, &str)]) -> HeaderMap {
    let field =
        |(name, value): &(&str, &str)| (HeaderName::try_from(*name).unwrap(), HeaderValue::from_str(value).unwrap());
    fields.iter().map(field).collect()
}
