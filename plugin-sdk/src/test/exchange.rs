//! One request and its answer, made by a test and looked at afterwards.

use std::cell::RefCell;
use std::rc::Rc;

use super::sys;
use crate::field::{self, Field};
use crate::{Exchange, Identity, Origin, Request, Response};

/// What is known of an exchange.
#[derive(Debug)]
pub(crate) struct State {
    pub(crate) id: String,
    pub(crate) route: String,
    pub(crate) listener: String,
    pub(crate) client: String,
    pub(crate) identity: Option<Identity>,
    pub(crate) plugin_state: Vec<u8>,
    pub(crate) attributes: Vec<(String, String)>,
    pub(crate) captures: Vec<(String, String)>,
    pub(crate) scheme: String,
    pub(crate) authority: String,
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) query: Option<String>,
    pub(crate) fields: Vec<Field>,
    pub(crate) status: u16,
    pub(crate) origin: Origin,
    pub(crate) response_fields: Vec<Field>,
}

/// One request and its answer. Build it, run hooks on it with [`TestPlugin`](super::TestPlugin), and see what they changed.
#[derive(Debug, Clone)]
pub struct TestExchange(pub(crate) Rc<RefCell<State>>);

impl TestExchange {
    /// A request for `target`, a path with or without query, from `192.0.2.1` to `http://api.example.com`. The
    /// answer is an upstream's empty 200.
    pub fn new(method: &str, target: &str) -> Self {
        let (path, query) = match target.split_once('?') {
            Some((path, query)) => (path, Some(query.to_owned())),
            None => (target, None),
        };
        Self(Rc::new(RefCell::new(State {
            id: "00000000000000000000000000000001".into(),
            route: "test".into(),
            listener: "public".into(),
            client: "192.0.2.1".into(),
            identity: None,
            plugin_state: Vec::new(),
            attributes: Vec::new(),
            captures: Vec::new(),
            scheme: "http".into(),
            authority: "api.example.com".into(),
            method: method.into(),
            path: path.into(),
            query,
            fields: vec![Field::new("host", "api.example.com")],
            status: 200,
            origin: Origin::Upstream,
            response_fields: Vec::new(),
        })))
    }

    /// A GET request.
    pub fn get(target: &str) -> Self {
        Self::new("GET", target)
    }

    fn with(self, change: impl FnOnce(&mut State)) -> Self {
        change(&mut self.0.borrow_mut());
        self
    }

    /// Add a field to the request.
    #[must_use]
    pub fn header(self, name: &str, value: impl Into<Vec<u8>>) -> Self {
        let field = Field::new(name, value);
        self.with(|state| state.fields.push(field))
    }

    /// What `{name}` in the route's path captured, decoded.
    #[must_use]
    pub fn capture(self, name: &str, value: &str) -> Self {
        self.with(|state| state.captures.push((name.into(), value.into())))
    }

    /// The matched route's name.
    #[must_use]
    pub fn route(self, name: &str) -> Self {
        self.with(|state| state.route = name.into())
    }

    /// The client's IP address.
    #[must_use]
    pub fn client_address(self, address: &str) -> Self {
        self.with(|state| state.client = address.into())
    }

    /// Who was authenticated earlier in the chain.
    #[must_use]
    pub fn identity(self, identity: Identity) -> Self {
        self.with(|state| state.identity = Some(identity))
    }

    /// What another plugin published: `plugin.name` and value.
    #[must_use]
    pub fn attribute(self, name: &str, value: &str) -> Self {
        self.with(|state| state.attributes.push((name.into(), value.into())))
    }

    /// The answer's status.
    #[must_use]
    pub fn response(self, status: u16) -> Self {
        self.with(|state| state.status = status)
    }

    /// Add a field to the answer.
    #[must_use]
    pub fn answered_with(self, name: &str, value: impl Into<Vec<u8>>) -> Self {
        let field = Field::new(name, value);
        self.with(|state| state.response_fields.push(field))
    }

    /// Who made the answer.
    #[must_use]
    pub fn origin(self, origin: Origin) -> Self {
        self.with(|state| state.origin = origin)
    }

    /// The request's method now.
    pub fn method(&self) -> String {
        self.0.borrow().method.clone()
    }

    /// The request's path and query now.
    pub fn target(&self) -> String {
        let state = self.0.borrow();
        match &state.query {
            Some(query) => format!("{}?{query}", state.path),
            None => state.path.clone(),
        }
    }

    /// The values of a field of the request now, joined by `, `; none if there is none.
    pub fn request_header(&self, name: &str) -> Option<String> {
        joined(&self.0.borrow().fields, name)
    }

    /// The answer's status now.
    pub fn status(&self) -> u16 {
        self.0.borrow().status
    }

    /// The values of a field of the answer now, joined by `, `; none if there is none.
    pub fn response_header(&self, name: &str) -> Option<String> {
        joined(&self.0.borrow().response_fields, name)
    }

    /// What the plugin published under `name`, without the plugin's name.
    pub fn published(&self, name: &str) -> Option<String> {
        let name = format!("{}.{name}", sys::PLUGIN);
        self.0.borrow().attributes.iter().find(|(found, _)| *found == name).map(|(_, value)| value.clone())
    }

    /// Call something that takes a request and an exchange, outside of a hook.
    pub fn look<R>(&self, call: impl FnOnce(&Request, &Exchange) -> R) -> R {
        call(&self.request(), &self.exchange())
    }

    pub(crate) fn request(&self) -> Request {
        Request(sys::Request(self.0.clone()))
    }

    pub(crate) fn answer(&self) -> Response {
        Response(sys::Response(self.0.clone()))
    }

    pub(crate) fn exchange(&self) -> Exchange {
        Exchange(sys::Exchange(self.0.clone(), true))
    }

    /// As chunk hooks see it.
    pub(crate) fn frozen(&self) -> Exchange {
        Exchange(sys::Exchange(self.0.clone(), false))
    }
}

fn joined(fields: &[Field], name: &str) -> Option<String> {
    field::first(fields, name)?;
    let values = fields.iter().filter(|field| field.name.eq_ignore_ascii_case(name));
    Some(values.map(|field| String::from_utf8_lossy(&field.value)).collect::<Vec<_>>().join(", "))
}
