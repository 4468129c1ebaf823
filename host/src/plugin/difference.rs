//! What a call changed about its exchange, for the author of a plugin who looks on. Costs copies of the heads, so it
//! is only asked for while one is being written. Secret fields' values aren't told.

use http::header::HeaderMap;
use http::{HeaderName, HeaderValue};

use super::exchange::{Exchange, RequestHead, ResponseHead};
use crate::telemetry::access::is_secret_field;

/// Bytes of a value that are told.
const LONGEST: usize = 200;

/// An exchange as it was before a call.
pub struct Before {
    request: RequestHead,
    response: Option<ResponseHead>,
    attributes: Vec<(String, String)>,
}

impl Before {
    pub fn new(exchange: &Exchange) -> Self {
        let (request, response) = (exchange.request.clone(), exchange.response.clone());
        Self { request, response, attributes: exchange.attributes.clone() }
    }

    /// What is different now: `request method: POST`, `request header x-a: 1`, `request header x-b removed`.
    pub fn edits(&self, now: &Exchange) -> Vec<String> {
        let mut edits = Vec::new();
        if self.request.method != now.request.method {
            edits.push(format!("request method: {}", now.request.method));
        }
        if self.request.target != now.request.target {
            edits.push(format!("request target: {}", shortened(now.request.target.as_str().as_bytes())));
        }
        fields("request", &self.request.headers, &now.request.headers, &mut edits);
        if let (Some(before), Some(now)) = (&self.response, &now.response) {
            if before.status != now.status {
                edits.push(format!("response status: {}", now.status.as_u16()));
            }
            fields("response", &before.headers, &now.headers, &mut edits);
        }
        let is_new = |attribute: &&(String, String)| !self.attributes.contains(attribute);
        let published = now.attributes.iter().filter(is_new);
        edits.extend(published.map(|(name, value)| format!("attribute {name}: {}", shortened(value.as_bytes()))));
        edits
    }
}

fn fields(what: &str, before: &HeaderMap, now: &HeaderMap, edits: &mut Vec<String>) {
    let values = |headers: &HeaderMap, name: &HeaderName| headers.get_all(name).iter().cloned().collect::<Vec<_>>();
    for name in now.keys() {
        let new = values(now, name);
        if new != values(before, name) {
            edits.push(format!("{what} header {name}: {}", shown(name, &new)));
        }
    }
    let gone = before.keys().filter(|name| !now.contains_key(*name));
    edits.extend(gone.map(|name| format!("{what} header {name} removed")));
}

fn shown(name: &HeaderName, values: &[HeaderValue]) -> String {
    if is_secret_field(name) {
        return "[redacted]".into();
    }
    values.iter().map(|value| shortened(value.as_bytes())).collect::<Vec<_>>().join(", ")
}

fn shortened(value: &[u8]) -> String {
    let text = String::from_utf8_lossy(value);
    let end = text.floor_char_boundary(LONGEST);
    let more = if end < text.len() { "…" } else { "" };
    format!("{}{more}", text.get(..end).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use http::{Method, StatusCode};

    use super::*;
    use crate::plugin::exchange::Origin;

    fn exchange() -> Exchange {
        let mut headers = HeaderMap::new();
        headers.insert("host", HeaderValue::from_static("example.com"));
        headers.insert("x-debug", HeaderValue::from_static("1"));
        Exchange {
            id: Arc::from("0"),
            route: Arc::from("r"),
            listener: Arc::from("l"),
            client: [127, 0, 0, 1].into(),
            ends: None,
            request: RequestHead {
                method: Method::GET,
                scheme: "http",
                target: http::uri::PathAndQuery::from_static("/a"),
                headers,
            },
            response: None,
            identity: None,
            identified_by: None,
            captures: Vec::new(),
            attributes: Vec::new(),
            states: Vec::new(),
            calls: Vec::new(),
            deadline: None,
            websocket: false,
            grpc: false,
            trail: Default::default(),
        }
    }

    #[test]
    fn what_a_call_changed_is_told_and_nothing_else() {
        let mut exchange = exchange();
        let before = Before::new(&exchange);
        assert_eq!(before.edits(&exchange), [""; 0]);
        exchange.request.headers.remove("x-debug");
        exchange.request.headers.insert("x-user", HeaderValue::from_static("alice"));
        exchange.request.headers.append("x-user", HeaderValue::from_static("bob"));
        exchange.request.headers.insert("authorization", HeaderValue::from_static("s3cret"));
        exchange.request.target = http::uri::PathAndQuery::from_static("/b?c=d");
        exchange.attributes.push(("hello.tier".into(), "gold".into()));
        let mut edits = before.edits(&exchange);
        edits.sort();
        assert_eq!(
            edits,
            [
                "attribute hello.tier: gold",
                "request header authorization: [redacted]",
                "request header x-debug removed",
                "request header x-user: alice, bob",
                "request target: /b?c=d",
            ]
        );
    }

    #[test]
    fn answers_that_a_call_changed_are_told_too() {
        let mut exchange = exchange();
        let head = |status| ResponseHead { status, headers: HeaderMap::new(), origin: Origin::Upstream };
        exchange.response = Some(head(StatusCode::OK));
        let before = Before::new(&exchange);
        exchange.response = Some(head(StatusCode::GONE));
        assert_eq!(before.edits(&exchange), ["response status: 410"]);
    }
}
