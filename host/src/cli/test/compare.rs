//! What differs between what a case expects and what a plugin did. Pure.

use std::fmt::Debug;

use http::HeaderMap;
use serde_json::Value;

use super::cases::{Expect, Fields, Pick, Values};
use super::run::Observed;

/// One line for each difference.
pub fn differences(expect: &Expect, observed: &Observed, sent: &[String]) -> Vec<String> {
    let mut found = Differences(Vec::new());
    let decision = observed.decision().to_owned();
    found.same("decision", expect.decision.as_ref(), Some(&decision));
    match (&expect.error, &observed.error) {
        (Some(part), Some(error)) if error.to_string().contains(part.as_str()) => {}
        (Some(part), Some(error)) => found.add("error", part, &error.to_string()),
        (Some(part), None) => found.add("error", part, &"none"),
        (None, Some(error)) if expect.decision.as_deref() != Some("failed") => {
            found.0.push(format!("the plugin failed: {error}"));
        }
        (None, _) => {}
    }
    found.answer(expect, observed);
    found.context(expect, observed);
    if let Some(expected) = &expect.sent
        && expected != sent
    {
        found.add("sent", expected, &sent);
    }
    if let Some(expected) = expect.pick {
        let expected = match expected {
            Pick::Index(index) => Some(index),
            Pick::None(_) => None,
        };
        if observed.pick != Some(expected) {
            found.add("pick", &expected, &observed.pick.flatten());
        }
    }
    found.0
}

struct Differences(Vec<String>);

impl Differences {
    fn add(&mut self, what: &str, expected: &dyn Debug, is: &dyn Debug) {
        self.0.push(format!("{what}: expected {expected:?}, is {is:?}"));
    }

    /// Compare if something is expected.
    fn same<T: PartialEq + Debug>(&mut self, what: &str, expected: Option<&T>, is: Option<&T>) {
        match (expected, is) {
            (Some(expected), Some(is)) if expected != is => self.add(what, expected, is),
            (Some(expected), None) => self.0.push(format!("{what}: expected {expected:?}, there is none")),
            _ => {}
        }
    }

    fn answer(&mut self, expect: &Expect, observed: &Observed) {
        let answer = observed.answer.as_ref();
        self.same("status", expect.status.as_ref(), answer.map(|answer| answer.status.as_u16()).as_ref());
        self.fields("headers", &expect.headers, answer.map(|answer| &answer.headers));
        let body = answer.map(|answer| String::from_utf8_lossy(&answer.body).into_owned());
        self.same("body", expect.body.as_ref(), body.as_ref());
        if let Some(expected) = &expect.json {
            let is = answer.and_then(|answer| serde_json::from_slice::<Value>(&answer.body).ok());
            if is.as_ref() != Some(&json(expected)) {
                self.0.push(format!("json: expected {}, the body is {}", json(expected), body.unwrap_or_default()));
            }
        }
        if let Some(expected) = &expect.quota {
            let quota = observed.quota.as_ref();
            self.same("quota.policy", expected.policy.as_ref(), quota.map(|quota| &quota.policy));
            self.same("quota.limit", expected.limit.as_ref(), quota.map(|quota| &quota.limit));
            self.same("quota.window_ms", expected.window_ms.as_ref(), quota.map(|quota| &quota.window_ms));
            self.same("quota.remaining", expected.remaining.as_ref(), quota.map(|quota| &quota.remaining));
        }
    }

    /// The request as it would go on, and what is known of it.
    fn context(&mut self, expect: &Expect, observed: &Observed) {
        let exchange = observed.exchange.as_ref();
        let request = exchange.map(|exchange| &exchange.request);
        let method = request.map(|request| request.method.to_string());
        self.same("request.method", expect.request.method.as_ref(), method.as_ref());
        let path = request.map(|request| request.target.to_string());
        self.same("request.path", expect.request.path.as_ref(), path.as_ref());
        self.fields("request.headers", &expect.request.headers, request.map(|request| &request.headers));
        let body = String::from_utf8_lossy(&observed.request_body).into_owned();
        self.same("request.body", expect.request.body.as_ref(), Some(&body));
        if let Some(expected) = &expect.identity {
            let identity = exchange.and_then(|exchange| exchange.identity.as_ref());
            self.same("identity.subject", expected.subject.as_ref(), identity.map(|identity| &identity.subject));
            let issuer = identity.and_then(|identity| identity.issuer.as_ref());
            self.same("identity.issuer", expected.issuer.as_ref(), issuer);
            let expires = identity.and_then(|identity| identity.expires_at.as_ref());
            self.same("identity.expires_at", expected.expires_at.as_ref(), expires);
            let claims = identity.and_then(|identity| serde_json::from_str::<Value>(&identity.claims).ok());
            self.same("identity.claims", expected.claims.as_ref().map(json).as_ref(), claims.as_ref());
        }
        for (name, value) in &expect.attributes {
            let attributes = exchange.map(|exchange| exchange.attributes.as_slice()).unwrap_or_default();
            let is = attributes.iter().find(|(found, _)| found.split_once('.').is_some_and(|(_, found)| found == name));
            self.same(&format!("attributes.{name}"), Some(value), is.map(|(_, value)| value));
        }
    }

    fn fields(&mut self, what: &str, expected: &Fields, is: Option<&HeaderMap>) {
        for (name, expected) in &expected.0 {
            let values: Vec<String> = is
                .into_iter()
                .flat_map(|is| is.get_all(name.as_str()))
                .map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned())
                .collect();
            if matches!(expected, Values::Absent(_)) && values.is_empty() || expected.texts() == values {
                continue;
            }
            match expected {
                Values::Absent(_) => self.0.push(format!("{what}.{name}: expected none, is {values:?}")),
                Values::One(text) => match values.as_slice() {
                    [] => self.0.push(format!("{what}.{name}: expected {text:?}, there is none")),
                    [value] => self.add(&format!("{what}.{name}"), text, value),
                    values => self.add(&format!("{what}.{name}"), text, &values),
                },
                Values::Many(texts) => self.add(&format!("{what}.{name}"), texts, &values),
            }
        }
    }
}

/// A TOML value as JSON. Dates become their text.
pub fn json(value: &(impl serde::Serialize + ?Sized)) -> Value {
    serde_json::to_value(value).unwrap_or_default()
}
