//! Handles and capabilities in the shape of the generated bindings, so that the SDK's types don't know which
//! they have.

use std::cell::RefCell;
use std::rc::Rc;

#[cfg(feature = "crypto")]
pub(crate) use super::crypto::{crypto_digest, crypto_equal, crypto_hmac, crypto_verify};
use super::edit;
use super::exchange::State;
use super::host::MockHost;
use crate::http::{ClientError, IncomingResponse, OutgoingRequest};
use crate::kv::KvError;
use crate::limiter::{Limit, Outcome};
use crate::log::Level;
use crate::{EditError, Endpoint, Field, Identity, Origin, field};

/// The name under which the plugin publishes attributes.
pub(crate) const PLUGIN: &str = "plugin";

/// With whether it can be written.
pub(crate) struct Exchange(pub(super) Rc<RefCell<State>>, pub(super) bool);
pub(crate) struct Request(pub(super) Rc<RefCell<State>>);
pub(crate) struct Response(pub(super) Rc<RefCell<State>>);

impl Exchange {
    pub(crate) fn id(&self) -> String {
        self.0.borrow().id.clone()
    }

    pub(crate) fn route(&self) -> String {
        self.0.borrow().route.clone()
    }

    pub(crate) fn listener(&self) -> String {
        self.0.borrow().listener.clone()
    }

    pub(crate) fn client_address(&self) -> String {
        self.0.borrow().client.clone()
    }

    pub(crate) fn identity(&self) -> Option<Identity> {
        self.0.borrow().identity.clone()
    }

    pub(crate) fn state(&self) -> Vec<u8> {
        self.0.borrow().plugin_state.clone()
    }

    pub(crate) fn set_state(&self, state: &[u8]) -> Result<(), EditError> {
        if !self.1 {
            return Err(EditError::ReadOnly);
        }
        if state.len() > 64 << 10 {
            return Err(EditError::TooLarge("the state would be longer than 64 KiB".into()));
        }
        self.0.borrow_mut().plugin_state = state.to_vec();
        Ok(())
    }

    pub(crate) fn attribute(&self, name: &str) -> Option<String> {
        self.0.borrow().attributes.iter().find(|(found, _)| found == name).map(|(_, value)| value.clone())
    }

    pub(crate) fn set_attribute(&self, name: &str, value: &str) -> Result<(), EditError> {
        if !self.1 {
            return Err(EditError::ReadOnly);
        }
        if name.is_empty() || !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte)) {
            return Err(EditError::Invalid("an attribute's name has letters, digits, `-`, `_`, `.`".into()));
        }
        let attributes = &mut self.0.borrow_mut().attributes;
        let name = format!("{PLUGIN}.{name}");
        attributes.retain(|(found, _)| *found != name);
        if name.len() + value.len() > 1024 || attributes.len() >= 32 {
            return Err(EditError::TooLarge("at most 32 attributes of 1 KiB".into()));
        }
        attributes.push((name, value.into()));
        Ok(())
    }
}

impl Request {
    pub(crate) fn method(&self) -> String {
        self.0.borrow().method.clone()
    }

    pub(crate) fn scheme(&self) -> String {
        self.0.borrow().scheme.clone()
    }

    pub(crate) fn authority(&self) -> String {
        self.0.borrow().authority.clone()
    }

    pub(crate) fn path(&self) -> String {
        self.0.borrow().path.clone()
    }

    pub(crate) fn query(&self) -> Option<String> {
        self.0.borrow().query.clone()
    }

    pub(crate) fn capture(&self, name: &str) -> Option<String> {
        self.0.borrow().captures.iter().find(|(found, _)| found == name).map(|(_, value)| value.clone())
    }

    pub(crate) fn set_method(&self, method: &str) -> Result<(), EditError> {
        edit::check_method(method)?;
        self.0.borrow_mut().method = method.into();
        Ok(())
    }

    pub(crate) fn set_path(&self, path: &str) -> Result<(), EditError> {
        self.0.borrow_mut().path = edit::normalize(path)?;
        Ok(())
    }

    pub(crate) fn set_query(&self, query: Option<&str>) -> Result<(), EditError> {
        query.map_or(Ok(()), edit::check_query)?;
        self.0.borrow_mut().query = query.map(Into::into);
        Ok(())
    }
}

impl Response {
    pub(crate) fn status(&self) -> u16 {
        self.0.borrow().status
    }

    pub(crate) fn origin(&self) -> Origin {
        self.0.borrow().origin
    }

    pub(crate) fn set_status(&self, status: u16) -> Result<(), EditError> {
        edit::check_status(status)?;
        self.0.borrow_mut().status = status;
        Ok(())
    }
}

macro_rules! fields {
    ($message:ty, $fields:ident) => {
        impl $message {
            pub(crate) fn header(&self, name: &str) -> Option<Vec<u8>> {
                field::first(&self.0.borrow().$fields, name).map(<[u8]>::to_vec)
            }

            pub(crate) fn header_values(&self, name: &str) -> Vec<Vec<u8>> {
                let state = self.0.borrow();
                let of_name = state.$fields.iter().filter(|field| field.name.eq_ignore_ascii_case(name));
                of_name.map(|field| field.value.clone()).collect()
            }

            pub(crate) fn headers(&self) -> Vec<Field> {
                self.0.borrow().$fields.clone()
            }

            pub(crate) fn set_header(&self, name: &str, value: &[u8]) -> Result<(), EditError> {
                edit::set(&mut self.0.borrow_mut().$fields, name, value)
            }

            pub(crate) fn append_header(&self, name: &str, value: &[u8]) -> Result<(), EditError> {
                edit::append(&mut self.0.borrow_mut().$fields, name, value)
            }

            pub(crate) fn remove_header(&self, name: &str) -> Result<(), EditError> {
                edit::remove(&mut self.0.borrow_mut().$fields, name)
            }
        }
    };
}

fields!(Request, fields);
fields!(Response, response_fields);

/// What a balancer is asked.
#[derive(Debug, Clone, Default)]
pub(crate) struct Pick {
    pub(super) endpoints: Vec<Endpoint>,
    pub(super) zones: std::collections::BTreeMap<u32, String>,
    pub(super) tried: Vec<u32>,
    pub(super) client: Option<String>,
    pub(super) identity: Option<Identity>,
    pub(super) fields: Vec<Field>,
}

pub(crate) struct PickContext(pub(super) Rc<Pick>);
pub(crate) struct EndpointList(pub(super) Rc<Pick>);

impl PickContext {
    pub(crate) fn cluster(&self) -> String {
        "test".into()
    }

    pub(crate) fn attempt(&self) -> u32 {
        1 + self.0.tried.len() as u32
    }

    pub(crate) fn tried(&self, index: u32) -> bool {
        self.0.tried.contains(&index)
    }

    pub(crate) fn client_address(&self) -> Option<String> {
        self.0.client.clone()
    }

    pub(crate) fn identity(&self) -> Option<Identity> {
        self.0.identity.clone()
    }

    pub(crate) fn header(&self, name: &str) -> Option<Vec<u8>> {
        field::first(&self.0.fields, name).map(<[u8]>::to_vec)
    }

    pub(crate) fn path(&self) -> Option<String> {
        Some("/".into())
    }
}

impl EndpointList {
    pub(crate) fn len(&self) -> u32 {
        self.0.endpoints.len() as u32
    }

    pub(crate) fn zone(&self, index: u32) -> Option<String> {
        self.0.zones.get(&index).cloned()
    }

    pub(crate) fn get(&self, index: u32) -> Option<Endpoint> {
        self.0.endpoints.get(index as usize).cloned()
    }

    pub(crate) fn address(&self, index: u32) -> Option<String> {
        self.get(index).map(|_| format!("192.0.2.{}:8080", index + 1))
    }
}

thread_local! {
    static HOST: RefCell<Option<MockHost>> = const { RefCell::new(None) };
}

/// Lend `host`'s capabilities to whatever `call` does on this thread.
pub(super) fn with_host<R>(host: &MockHost, call: impl FnOnce() -> R) -> R {
    struct Restore(Option<MockHost>);
    impl Drop for Restore {
        fn drop(&mut self) {
            HOST.set(self.0.take());
        }
    }
    let _restore = Restore(HOST.replace(Some(host.clone())));
    call()
}

fn host(capability: &str) -> MockHost {
    HOST.with_borrow(Option::clone).unwrap_or_else(|| {
        panic!(
            "`{capability}` is lent by a MockHost: run the hook through TestPlugin, or wrap the call in MockHost::run"
        )
    })
}

pub(crate) fn log(level: Level, message: &str) {
    match HOST.with_borrow(Option::clone) {
        Some(host) => host.0.borrow_mut().lines.push((level, message.into())),
        None => eprintln!("{level:?}: {message}"),
    }
}

pub(crate) fn now() -> u64 {
    host("clock").0.borrow().now
}

pub(crate) fn monotonic() -> u64 {
    host("clock").0.borrow().now
}

/// The same in every run: SplitMix64.
pub(crate) fn random_bytes(len: u32) -> Vec<u8> {
    let host = host("random");
    let state = &mut host.0.borrow_mut().random;
    let mut number = || {
        *state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (*state ^ (*state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (mixed ^ (mixed >> 31)) as u8
    };
    (0..len).map(|_| number()).collect()
}

pub(crate) fn kv_get(key: &str) -> Result<Option<Vec<u8>>, KvError> {
    let host = host("kv");
    let mut capabilities = host.0.borrow_mut();
    let now = capabilities.now;
    capabilities.store.get(key, now)
}

pub(crate) fn kv_set(key: &str, value: &[u8], ttl_ms: Option<u64>) -> Result<(), KvError> {
    let host = host("kv");
    let mut capabilities = host.0.borrow_mut();
    let now = capabilities.now;
    capabilities.store.set(key, value, ttl_ms, now)
}

pub(crate) fn kv_delete(key: &str) -> Result<bool, KvError> {
    let host = host("kv");
    let mut capabilities = host.0.borrow_mut();
    let now = capabilities.now;
    capabilities.store.delete(key, now)
}

pub(crate) fn kv_increment(key: &str, by: i64, ttl_ms: Option<u64>) -> Result<i64, KvError> {
    let host = host("kv");
    let mut capabilities = host.0.borrow_mut();
    let now = capabilities.now;
    capabilities.store.increment(key, by, ttl_ms, now)
}

pub(crate) fn limiter_take(key: &str, limit: Limit, cost: u64) -> Result<Outcome, String> {
    let host = host("limiter");
    let mut capabilities = host.0.borrow_mut();
    let now = capabilities.now;
    capabilities.limiter.take(key, limit, cost, now)
}

pub(crate) fn send(request: &OutgoingRequest) -> Result<IncomingResponse, ClientError> {
    host("http-client").send(request)
}

pub(crate) fn send_all(requests: &[OutgoingRequest]) -> Vec<Result<IncomingResponse, ClientError>> {
    let host = host("http-client");
    requests.iter().map(|request| host.send(request)).collect()
}

pub(crate) fn metrics_add(name: &str, labels: &[(&str, &str)], by: u64) -> Result<(), String> {
    host("metrics").measure(name, labels, |value| value + by as f64)
}

pub(crate) fn metrics_set(name: &str, labels: &[(&str, &str)], value: f64) -> Result<(), String> {
    finite(value)?;
    host("metrics").measure(name, labels, |_| value)
}

pub(crate) fn metrics_observe(name: &str, labels: &[(&str, &str)], value: f64) -> Result<(), String> {
    finite(value)?;
    host("metrics").measure(name, labels, |sum| sum + value)
}

fn finite(value: f64) -> Result<(), String> {
    if value.is_finite() { Ok(()) } else { Err("the value isn't a number".into()) }
}
