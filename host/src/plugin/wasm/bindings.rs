//! What plugins import, generated from `wit/`. Nothing else is in this file; conversions are in
//! [`super::lift`], implementations in [`super::handles`] and [`crate::plugin::capabilities`].

pub use super::handles::{EndpointsHandle, ExchangeHandle, PickHandle, RequestHandle, ResponseHandle};

wasmtime::component::bindgen!({
    path: "../wit",
    world: "capabilities",
    with: {
        "sluice:plugin/types.exchange": ExchangeHandle,
        "sluice:plugin/types.request": RequestHandle,
        "sluice:plugin/types.response": ResponseHandle,
        "sluice:plugin/endpoints.endpoint-list": EndpointsHandle,
        "sluice:plugin/endpoints.pick-context": PickHandle,
    },
    imports: {
        // The gateway waits for upstreams: the guest's fiber is suspended meanwhile.
        "sluice:plugin/http-client": async | trappable,
        default: trappable,
    },
});

pub use sluice::plugin::*;
