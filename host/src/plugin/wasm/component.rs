//! A component, compiled and linked, and the functions that it exports. Shared by all plugins that are
//! made of it; no instance and no configuration is in here.

use wasmtime::component::{ComponentExportIndex, ComponentNamedList, InstancePre, Lift, Lower, Resource, TypedFunc};

use super::bindings::types::{BodyDecision, Decision, Identity, LocalResponse};
use super::error::{PACKAGE, VERSION};
use super::guest::Guest;
use super::handles::{EndpointsHandle, ExchangeHandle, PickHandle, RequestHandle, ResponseHandle};
use super::inspect::Inspection;
use super::lift::{Authentication, Authorization, Verdict};

/// A component that loads.
pub struct Component {
    inspection: Inspection,
    /// The component itself, of which images are made.
    binary: Box<[u8]>,
    own: InstancePre<Guest>,
    shared: InstancePre<Guest>,
    exports: Exports,
}

impl Component {
    pub(crate) fn new(
        inspection: Inspection,
        binary: &[u8],
        own: InstancePre<Guest>,
        shared: InstancePre<Guest>,
    ) -> Self {
        let exports = Exports::find(own.component());
        Self { inspection, binary: binary.into(), own, shared, exports }
    }

    /// What it is and has.
    pub fn inspection(&self) -> &Inspection {
        &self.inspection
    }

    pub(crate) fn binary(&self) -> &[u8] {
        &self.binary
    }

    /// Ready to be instantiated, for a plugin whose state is `shared` by a fleet or isn't.
    pub(crate) fn pre(&self, shared: bool) -> &InstancePre<Guest> {
        if shared { &self.shared } else { &self.own }
    }

    pub(crate) fn exports(&self) -> &Exports {
        &self.exports
    }
}

impl std::fmt::Debug for Component {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Component").field("digest", &self.inspection.digest).finish_non_exhaustive()
    }
}

type Request = Resource<RequestHandle>;
type Response = Resource<ResponseHandle>;
type Exchange = Resource<ExchangeHandle>;
type Picked = Resource<PickHandle>;
type Endpoints = Resource<EndpointsHandle>;
type Piece = (Exchange, &'static [u8], bool);
type ResponseWithBody = (Request, Response, Exchange, &'static [u8]);
/// What every hook but `pick` returns.
type Fallible<T> = (Result<T, String>,);

/// The hooks' functions. Looked up by name once for a component, resolved once for an instance that calls
/// them.
#[derive(Clone)]
pub(crate) struct Exports {
    pub(crate) configure: Export<(&'static str,), Fallible<()>>,
    pub(crate) authenticate: Export<(Request, Exchange), Fallible<Authentication>>,
    pub(crate) authorize: Export<(Request, Exchange, Option<Identity>), Fallible<Authorization>>,
    pub(crate) rate_limit: Export<(Request, Exchange), Fallible<Verdict>>,
    pub(crate) on_request: Export<(Request, Exchange), Fallible<Decision>>,
    pub(crate) on_request_body: Export<(Request, Exchange, &'static [u8]), Fallible<BodyDecision>>,
    pub(crate) on_request_chunk: Export<Piece, Fallible<Vec<u8>>>,
    pub(crate) on_response: Export<(Request, Response, Exchange), Fallible<Decision>>,
    pub(crate) on_response_body: Export<ResponseWithBody, Fallible<BodyDecision>>,
    pub(crate) on_response_chunk: Export<Piece, Fallible<Vec<u8>>>,
    pub(crate) aggregate: Export<(Request, Exchange), Fallible<LocalResponse>>,
    pub(crate) pick: Export<(Picked, Endpoints), (Option<u32>,)>,
}

impl Exports {
    pub(crate) fn find(component: &wasmtime::component::Component) -> Self {
        Self {
            configure: Export::find(component, "lifecycle.configure"),
            authenticate: Export::find(component, "authenticate.authenticate"),
            authorize: Export::find(component, "authorize.authorize"),
            rate_limit: Export::find(component, "rate-limit.check"),
            on_request: Export::find(component, "on-request.handle"),
            on_request_body: Export::find(component, "on-request-body.handle"),
            on_request_chunk: Export::find(component, "on-request-chunk.handle"),
            on_response: Export::find(component, "on-response.handle"),
            on_response_body: Export::find(component, "on-response-body.handle"),
            on_response_chunk: Export::find(component, "on-response-chunk.handle"),
            aggregate: Export::find(component, "aggregate.handle"),
            pick: Export::find(component, "balance.pick"),
        }
    }

    /// Resolve all that are there, which checks their types.
    pub(crate) fn resolve_all(
        &mut self,
        store: &mut wasmtime::Store<Guest>,
        instance: &wasmtime::component::Instance,
    ) -> wasmtime::Result<()> {
        self.configure.resolve(store, instance)?;
        self.authenticate.resolve(store, instance)?;
        self.authorize.resolve(store, instance)?;
        self.rate_limit.resolve(store, instance)?;
        self.on_request.resolve(store, instance)?;
        self.on_request_body.resolve(store, instance)?;
        self.on_request_chunk.resolve(store, instance)?;
        self.on_response.resolve(store, instance)?;
        self.on_response_body.resolve(store, instance)?;
        self.on_response_chunk.resolve(store, instance)?;
        self.aggregate.resolve(store, instance)?;
        self.pick.resolve(store, instance)?;
        Ok(())
    }
}

/// One function that a component may export.
pub(crate) struct Export<P, R> {
    /// `interface.function`
    name: &'static str,
    exported: bool,
    index: Option<ComponentExportIndex>,
    function: Option<TypedFunc<P, R>>,
}

impl<P, R> Clone for Export<P, R> {
    fn clone(&self) -> Self {
        Self { name: self.name, exported: self.exported, index: self.index, function: self.function }
    }
}

impl<P, R> Export<P, R>
where
    P: ComponentNamedList + Lower + 'static,
    R: ComponentNamedList + Lift + 'static,
{
    fn find(component: &wasmtime::component::Component, name: &'static str) -> Self {
        let (interface, function) = name.split_once('.').unwrap_or((name, ""));
        let instance = component.get_export_index(None, format!("{PACKAGE}/{interface}@{VERSION}").as_str());
        let index = instance.and_then(|instance| component.get_export_index(Some(&instance), function));
        Self { name, exported: instance.is_some(), index, function: None }
    }

    /// The function in that instance, none if the component doesn't export it.
    pub(crate) fn resolve(
        &mut self,
        store: &mut wasmtime::Store<Guest>,
        instance: &wasmtime::component::Instance,
    ) -> wasmtime::Result<Option<TypedFunc<P, R>>> {
        if self.function.is_some() || !self.exported {
            return Ok(self.function);
        }
        let found = match &self.index {
            Some(index) => instance.get_typed_func(store, index),
            None => Err(wasmtime::format_err!("it isn't there")),
        };
        let named = found.map_err(|error| error.context(format!("the exported function `{}`", self.name)))?;
        self.function = Some(named);
        Ok(self.function)
    }
}
