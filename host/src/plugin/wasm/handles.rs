//! What guests do with the handles that they are given: the functions of `types` and `endpoints`.
//!
//! A handle is the number of the call that it was made for. Each function first checks that this call is
//! the one in progress, so a handle that a guest kept is dead and never reaches another exchange. Dropping
//! a handle does nothing but count; nothing here depends on it.

use wasmtime::component::Resource;

use super::bindings::types::{EditError, Field, Identity, Origin};
use super::bindings::{endpoints, types};
use super::guest::{Guest, Subject, Writable};
use crate::plugin::edit;
use crate::plugin::exchange::{self, Exchange, RequestHead, ResponseHead};

/// Marks handles of requests.
pub enum RequestHandle {}
/// Marks handles of responses.
pub enum ResponseHandle {}
/// Marks handles of exchanges.
pub enum ExchangeHandle {}
/// Marks handles of lists of endpoints.
pub enum EndpointsHandle {}
/// Marks handles of what an endpoint is wanted for.
pub enum PickHandle {}

type Edited = wasmtime::Result<Result<(), EditError>>;

impl Guest {
    /// A handle for the call in progress.
    pub(crate) fn handle<T: 'static>(&mut self) -> Resource<T> {
        self.handles = self.handles.saturating_add(1);
        Resource::new_own(self.current.number)
    }

    pub(crate) fn check<T: 'static>(&self, handle: &Resource<T>) -> wasmtime::Result<()> {
        wasmtime::ensure!(
            handle.rep() == self.current.number,
            "a handle was used after its call had returned: requests, responses and exchanges can't be kept"
        );
        Ok(())
    }

    fn look<T: 'static>(&self, handle: &Resource<T>) -> wasmtime::Result<&Exchange> {
        self.check(handle)?;
        self.exchange().ok_or_else(|| wasmtime::format_err!("there is no exchange in this call"))
    }

    fn look_mut<T: 'static>(&mut self, handle: &Resource<T>) -> wasmtime::Result<(&mut Exchange, Writable)> {
        self.check(handle)?;
        match &mut self.current.subject {
            Subject::Exchange { exchange, writable } => Ok((exchange, *writable)),
            Subject::Nothing | Subject::Pick(_) => Err(wasmtime::format_err!("there is no exchange in this call")),
        }
    }

    fn edit_request(
        &mut self,
        handle: &Resource<RequestHandle>,
        edit: impl FnOnce(&mut RequestHead) -> Result<(), edit::EditError>,
    ) -> Edited {
        let (exchange, writable) = self.look_mut(handle)?;
        Ok(match writable {
            Writable::Request => edit(&mut exchange.request).map_err(EditError::from),
            Writable::Response | Writable::Nothing => Err(EditError::ReadOnly),
        })
    }

    fn response(&self, handle: &Resource<ResponseHandle>) -> wasmtime::Result<&ResponseHead> {
        self.look(handle)?.response.as_ref().ok_or_else(no_response)
    }

    fn edit_response(
        &mut self,
        handle: &Resource<ResponseHandle>,
        edit: impl FnOnce(&mut ResponseHead) -> Result<(), edit::EditError>,
    ) -> Edited {
        let (exchange, writable) = self.look_mut(handle)?;
        let response = exchange.response.as_mut().ok_or_else(no_response)?;
        Ok(match writable {
            Writable::Response => edit(response).map_err(EditError::from),
            Writable::Request | Writable::Nothing => Err(EditError::ReadOnly),
        })
    }

    fn dropped(&mut self) {
        self.handles = self.handles.saturating_sub(1);
    }
}

fn no_response() -> wasmtime::Error {
    wasmtime::format_err!("there is no response in this call")
}

impl From<edit::EditError> for EditError {
    fn from(error: edit::EditError) -> Self {
        match error {
            edit::EditError::Invalid(text) => Self::Invalid(text),
            edit::EditError::Forbidden => Self::Forbidden,
            edit::EditError::ReadOnly => Self::ReadOnly,
            edit::EditError::TooLarge(text) => Self::TooLarge(text),
        }
    }
}

impl From<&exchange::Identity> for Identity {
    fn from(identity: &exchange::Identity) -> Self {
        Self {
            subject: identity.subject.clone(),
            issuer: identity.issuer.clone(),
            expires_at: identity.expires_at,
            claims: identity.claims.clone(),
        }
    }
}

fn first(headers: &http::HeaderMap, name: &str) -> Option<Vec<u8>> {
    headers.get(name).map(|value| value.as_bytes().to_vec())
}

fn values(headers: &http::HeaderMap, name: &str) -> Vec<Vec<u8>> {
    headers.get_all(name).iter().map(|value| value.as_bytes().to_vec()).collect()
}

fn fields(headers: &http::HeaderMap) -> Vec<Field> {
    let field = |(name, value): (&http::HeaderName, &http::HeaderValue)| Field {
        name: name.as_str().to_owned(),
        value: value.as_bytes().to_vec(),
    };
    headers.iter().map(field).collect()
}

impl types::Host for Guest {}

impl types::HostExchange for Guest {
    fn id(&mut self, this: Resource<ExchangeHandle>) -> wasmtime::Result<String> {
        Ok(self.look(&this)?.id.to_string())
    }

    fn route(&mut self, this: Resource<ExchangeHandle>) -> wasmtime::Result<String> {
        Ok(self.look(&this)?.route.to_string())
    }

    fn listener(&mut self, this: Resource<ExchangeHandle>) -> wasmtime::Result<String> {
        Ok(self.look(&this)?.listener.to_string())
    }

    fn client_address(&mut self, this: Resource<ExchangeHandle>) -> wasmtime::Result<String> {
        Ok(self.look(&this)?.client.to_string())
    }

    fn identity(&mut self, this: Resource<ExchangeHandle>) -> wasmtime::Result<Option<Identity>> {
        Ok(self.look(&this)?.identity.as_ref().map(Identity::from))
    }

    fn state(&mut self, this: Resource<ExchangeHandle>) -> wasmtime::Result<Vec<u8>> {
        Ok(self.look(&this)?.state(&self.lent.name).to_vec())
    }

    fn set_state(&mut self, this: Resource<ExchangeHandle>, state: Vec<u8>) -> Edited {
        let plugin = self.lent.name.clone();
        let (exchange, writable) = self.look_mut(&this)?;
        if writable == Writable::Nothing {
            return Ok(Err(EditError::ReadOnly));
        }
        Ok(exchange.set_state(&plugin, state).map_err(EditError::from))
    }

    fn attribute(&mut self, this: Resource<ExchangeHandle>, name: String) -> wasmtime::Result<Option<String>> {
        Ok(self.look(&this)?.attribute(&name).map(str::to_owned))
    }

    fn set_attribute(&mut self, this: Resource<ExchangeHandle>, name: String, value: String) -> Edited {
        let plugin = self.lent.name.clone();
        let (exchange, writable) = self.look_mut(&this)?;
        if writable == Writable::Nothing {
            return Ok(Err(EditError::ReadOnly));
        }
        Ok(exchange.set_attribute(&plugin, &name, value).map_err(EditError::from))
    }

    fn drop(&mut self, _: Resource<ExchangeHandle>) -> wasmtime::Result<()> {
        self.dropped();
        Ok(())
    }
}

impl types::HostRequest for Guest {
    fn method(&mut self, this: Resource<RequestHandle>) -> wasmtime::Result<String> {
        Ok(self.look(&this)?.request.method.as_str().to_owned())
    }

    fn set_method(&mut self, this: Resource<RequestHandle>, method: String) -> Edited {
        self.edit_request(&this, |request| request.set_method(&method))
    }

    fn scheme(&mut self, this: Resource<RequestHandle>) -> wasmtime::Result<String> {
        Ok(self.look(&this)?.request.scheme.to_owned())
    }

    fn authority(&mut self, this: Resource<RequestHandle>) -> wasmtime::Result<String> {
        Ok(self.look(&this)?.request.authority().to_owned())
    }

    fn path(&mut self, this: Resource<RequestHandle>) -> wasmtime::Result<String> {
        Ok(self.look(&this)?.request.target.path().to_owned())
    }

    fn set_path(&mut self, this: Resource<RequestHandle>, path: String) -> Edited {
        self.edit_request(&this, |request| request.set_path(&path))
    }

    fn query(&mut self, this: Resource<RequestHandle>) -> wasmtime::Result<Option<String>> {
        Ok(self.look(&this)?.request.target.query().map(str::to_owned))
    }

    fn set_query(&mut self, this: Resource<RequestHandle>, query: Option<String>) -> Edited {
        self.edit_request(&this, |request| request.set_query(query.as_deref()))
    }

    fn capture(&mut self, this: Resource<RequestHandle>, name: String) -> wasmtime::Result<Option<String>> {
        let captures = &self.look(&this)?.captures;
        Ok(captures.iter().find(|(found, _)| **found == *name).map(|(_, value)| value.clone()))
    }

    fn header(&mut self, this: Resource<RequestHandle>, name: String) -> wasmtime::Result<Option<Vec<u8>>> {
        Ok(first(&self.look(&this)?.request.headers, &name))
    }

    fn header_values(&mut self, this: Resource<RequestHandle>, name: String) -> wasmtime::Result<Vec<Vec<u8>>> {
        Ok(values(&self.look(&this)?.request.headers, &name))
    }

    fn headers(&mut self, this: Resource<RequestHandle>) -> wasmtime::Result<Vec<Field>> {
        Ok(fields(&self.look(&this)?.request.headers))
    }

    fn set_header(&mut self, this: Resource<RequestHandle>, name: String, value: Vec<u8>) -> Edited {
        let lent = self.lent.clone();
        self.edit_request(&this, |request| edit::set_header(&mut request.headers, &name, &value, &lent.identity))
    }

    fn append_header(&mut self, this: Resource<RequestHandle>, name: String, value: Vec<u8>) -> Edited {
        let lent = self.lent.clone();
        self.edit_request(&this, |request| edit::append_header(&mut request.headers, &name, &value, &lent.identity))
    }

    fn remove_header(&mut self, this: Resource<RequestHandle>, name: String) -> Edited {
        let lent = self.lent.clone();
        self.edit_request(&this, |request| edit::remove_header(&mut request.headers, &name, &lent.identity))
    }

    fn drop(&mut self, _: Resource<RequestHandle>) -> wasmtime::Result<()> {
        self.dropped();
        Ok(())
    }
}

impl types::HostResponse for Guest {
    fn status(&mut self, this: Resource<ResponseHandle>) -> wasmtime::Result<u16> {
        Ok(self.response(&this)?.status.as_u16())
    }

    fn set_status(&mut self, this: Resource<ResponseHandle>, status: u16) -> Edited {
        self.edit_response(&this, |response| {
            response.status = edit::parse_status(status)?;
            Ok(())
        })
    }

    fn origin(&mut self, this: Resource<ResponseHandle>) -> wasmtime::Result<Origin> {
        Ok(match self.response(&this)?.origin {
            exchange::Origin::Upstream => Origin::Upstream,
            exchange::Origin::Plugin => Origin::Plugin,
            exchange::Origin::Gateway => Origin::Gateway,
        })
    }

    fn header(&mut self, this: Resource<ResponseHandle>, name: String) -> wasmtime::Result<Option<Vec<u8>>> {
        Ok(first(&self.response(&this)?.headers, &name))
    }

    fn header_values(&mut self, this: Resource<ResponseHandle>, name: String) -> wasmtime::Result<Vec<Vec<u8>>> {
        Ok(values(&self.response(&this)?.headers, &name))
    }

    fn headers(&mut self, this: Resource<ResponseHandle>) -> wasmtime::Result<Vec<Field>> {
        Ok(fields(&self.response(&this)?.headers))
    }

    fn set_header(&mut self, this: Resource<ResponseHandle>, name: String, value: Vec<u8>) -> Edited {
        let lent = self.lent.clone();
        self.edit_response(&this, |response| edit::set_header(&mut response.headers, &name, &value, &lent.identity))
    }

    fn append_header(&mut self, this: Resource<ResponseHandle>, name: String, value: Vec<u8>) -> Edited {
        let lent = self.lent.clone();
        self.edit_response(&this, |response| edit::append_header(&mut response.headers, &name, &value, &lent.identity))
    }

    fn remove_header(&mut self, this: Resource<ResponseHandle>, name: String) -> Edited {
        let lent = self.lent.clone();
        self.edit_response(&this, |response| edit::remove_header(&mut response.headers, &name, &lent.identity))
    }

    fn drop(&mut self, _: Resource<ResponseHandle>) -> wasmtime::Result<()> {
        self.dropped();
        Ok(())
    }
}

impl endpoints::Host for Guest {}

impl endpoints::HostEndpointList for Guest {
    fn len(&mut self, this: Resource<EndpointsHandle>) -> wasmtime::Result<u32> {
        self.pick(&this, |pick| u32::try_from(pick.endpoints.len()).unwrap_or(u32::MAX))
    }

    fn get(&mut self, this: Resource<EndpointsHandle>, index: u32) -> wasmtime::Result<Option<endpoints::Endpoint>> {
        self.pick(&this, |pick| {
            let endpoint = pick.endpoints.get(index as usize)?;
            Some(endpoints::Endpoint {
                weight: endpoint.weight,
                in_flight: endpoint.in_flight,
                latency_us: endpoint.latency_us,
                healthy: endpoint.healthy,
                failures: endpoint.failures,
            })
        })
    }

    fn address(&mut self, this: Resource<EndpointsHandle>, index: u32) -> wasmtime::Result<Option<String>> {
        self.pick(&this, |pick| pick.endpoints.get(index as usize).map(|endpoint| endpoint.address.to_owned()))
    }

    fn zone(&mut self, this: Resource<EndpointsHandle>, index: u32) -> wasmtime::Result<Option<String>> {
        self.pick(&this, |pick| pick.endpoints.get(index as usize)?.zone.map(str::to_owned))
    }

    fn drop(&mut self, _: Resource<EndpointsHandle>) -> wasmtime::Result<()> {
        self.dropped();
        Ok(())
    }
}

impl endpoints::HostPickContext for Guest {
    fn cluster(&mut self, this: Resource<PickHandle>) -> wasmtime::Result<String> {
        self.pick(&this, |pick| pick.context.cluster.to_owned())
    }

    fn attempt(&mut self, this: Resource<PickHandle>) -> wasmtime::Result<u32> {
        self.pick(&this, |pick| pick.context.attempt)
    }

    fn tried(&mut self, this: Resource<PickHandle>, index: u32) -> wasmtime::Result<bool> {
        self.pick(&this, |pick| pick.context.tried.contains(&(index as usize)))
    }

    fn client_address(&mut self, this: Resource<PickHandle>) -> wasmtime::Result<Option<String>> {
        self.pick(&this, |pick| pick.context.client.map(|address| address.to_string()))
    }

    fn identity(&mut self, this: Resource<PickHandle>) -> wasmtime::Result<Option<Identity>> {
        self.pick(&this, |pick| {
            let identity = pick.context.request?.identity()?;
            Some(Identity {
                subject: identity.subject.to_owned(),
                issuer: identity.issuer.map(str::to_owned),
                expires_at: identity.expires_at,
                claims: identity.claims.to_owned(),
            })
        })
    }

    fn header(&mut self, this: Resource<PickHandle>, name: String) -> wasmtime::Result<Option<Vec<u8>>> {
        self.pick(&this, |pick| pick.context.request?.header(&name).map(<[u8]>::to_vec))
    }

    fn path(&mut self, this: Resource<PickHandle>) -> wasmtime::Result<Option<String>> {
        self.pick(&this, |pick| pick.context.request.map(|request| request.path().to_owned()))
    }

    fn drop(&mut self, _: Resource<PickHandle>) -> wasmtime::Result<()> {
        self.dropped();
        Ok(())
    }
}
