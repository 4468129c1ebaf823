//! The macro that makes a component of a plugin.

/// Export a plugin: `export!(Type: Hook)` or `export!(Type: Hook + Hook)`, once in a crate.
///
/// Exactly the named hooks are exported, besides `lifecycle`, which takes the configuration. They are
/// [`Authenticate`](crate::Authenticate), [`Authorize`](crate::Authorize), [`RateLimit`](crate::RateLimit), [`OnRequest`](crate::OnRequest),
/// [`OnRequestBody`](crate::OnRequestBody), [`OnRequestChunk`](crate::OnRequestChunk), [`OnResponseChunk`](crate::OnResponseChunk), [`OnResponse`](crate::OnResponse), [`OnResponseBody`](crate::OnResponseBody),
/// [`Aggregate`](crate::Aggregate) and [`Balance`](crate::Balance). A missing implementation is a compiler error on every target.
///
/// ```
/// use sluice_plugin::prelude::*;
///
/// struct Hello;
///
/// impl Plugin for Hello {
///     type Config = sluice_plugin::config::Empty;
///     fn configure(_: Self::Config) -> Result<Self> {
///         Ok(Self)
///     }
/// }
///
/// impl OnResponse for Hello {
///     fn on_response(&self, _: &Request, response: &mut Response, _: &Exchange) -> Result<Decision> {
///         response.set_header("x-hello", "world")?;
///         Ok(Decision::Continue)
///     }
/// }
///
/// sluice_plugin::export!(Hello: OnResponse);
/// ```
///
/// A hook that the type doesn't implement doesn't compile:
///
/// ```compile_fail
/// # use sluice_plugin::prelude::*;
/// # struct Hello;
/// # impl Plugin for Hello {
/// #     type Config = sluice_plugin::config::Empty;
/// #     fn configure(_: Self::Config) -> Result<Self> { Ok(Self) }
/// # }
/// sluice_plugin::export!(Hello: Aggregate);
/// ```
#[macro_export]
macro_rules! export {
    ($plugin:ty : $first:ident $(+ $more:ident)*) => {
        $crate::__export!($plugin, $first $($more)*);
    };
}

/// The macro with its hooks listed.
#[doc(hidden)]
#[macro_export]
macro_rules! __export {
    ($plugin:ty, $($hook:ident)+) => {
        const _: () = {
            $($crate::__check_hook!($plugin, $hook);)+

            #[cfg(target_family = "wasm")]
            struct Exports;

            #[cfg(target_family = "wasm")]
            impl $crate::wasm::Exported for Exports {
                type Plugin = $plugin;

                fn with<R>(call: impl FnOnce(&$crate::wasm::Slot<$plugin>) -> R) -> R {
                    ::std::thread_local! {
                        static PLUGIN: $crate::wasm::Slot<$plugin> = const { $crate::wasm::Slot::new() };
                    }
                    PLUGIN.with(call)
                }
            }

            #[cfg(target_family = "wasm")]
            $crate::wasm::bindings::lifecycle::export!(Exports with_types_in $crate::wasm::bindings::lifecycle);
            $(#[cfg(target_family = "wasm")] $crate::__export_hook!(Exports, $hook);)+
        };
    };
}

/// Fails to compile with words for the author.
#[doc(hidden)]
#[macro_export]
macro_rules! __check_hook {
    ($plugin:ty, Authenticate) => { $crate::__check_hook!(@ $plugin, Authenticate); };
    ($plugin:ty, Authorize) => { $crate::__check_hook!(@ $plugin, Authorize); };
    ($plugin:ty, RateLimit) => { $crate::__check_hook!(@ $plugin, RateLimit); };
    ($plugin:ty, OnRequest) => { $crate::__check_hook!(@ $plugin, OnRequest); };
    ($plugin:ty, OnRequestBody) => { $crate::__check_hook!(@ $plugin, OnRequestBody); };
    ($plugin:ty, OnRequestChunk) => { $crate::__check_hook!(@ $plugin, OnRequestChunk); };
    ($plugin:ty, OnResponseChunk) => { $crate::__check_hook!(@ $plugin, OnResponseChunk); };
    ($plugin:ty, OnResponse) => { $crate::__check_hook!(@ $plugin, OnResponse); };
    ($plugin:ty, OnResponseBody) => { $crate::__check_hook!(@ $plugin, OnResponseBody); };
    ($plugin:ty, Aggregate) => { $crate::__check_hook!(@ $plugin, Aggregate); };
    ($plugin:ty, Balance) => { $crate::__check_hook!(@ $plugin, Balance); };
    (@ $plugin:ty, $hook:ident) => {
        const _: fn() = || {
            fn implements<P: $crate::$hook>() {}
            implements::<$plugin>();
        };
    };
    ($plugin:ty, $other:ident) => {
        ::std::compile_error!(::std::concat!(
            "`", ::std::stringify!($other), "` is no hook; there are Authenticate, Authorize, RateLimit, OnRequest, ",
            "OnRequestBody, OnRequestChunk, OnResponse, OnResponseBody, OnResponseChunk, Aggregate and Balance"
        ));
    };
}

/// The exports of one hook. Each has a world of its own, so that a component has no others.
#[cfg(target_family = "wasm")]
#[doc(hidden)]
#[macro_export]
macro_rules! __export_hook {
    ($exports:ident, Authenticate) => {
        $crate::wasm::bindings::authenticate::export!($exports with_types_in $crate::wasm::bindings::authenticate);
    };
    ($exports:ident, Authorize) => {
        $crate::wasm::bindings::authorize::export!($exports with_types_in $crate::wasm::bindings::authorize);
    };
    ($exports:ident, RateLimit) => {
        $crate::wasm::bindings::rate_limit::export!($exports with_types_in $crate::wasm::bindings::rate_limit);
    };
    ($exports:ident, OnRequest) => {
        $crate::wasm::bindings::on_request::export!($exports with_types_in $crate::wasm::bindings::on_request);
    };
    ($exports:ident, OnRequestBody) => {
        $crate::wasm::bindings::on_request_body::export!($exports with_types_in $crate::wasm::bindings::on_request_body);
    };
    ($exports:ident, OnRequestChunk) => {
        $crate::wasm::bindings::on_request_chunk::export!($exports with_types_in $crate::wasm::bindings::on_request_chunk);
    };
    ($exports:ident, OnResponseChunk) => {
        $crate::wasm::bindings::on_response_chunk::export!($exports with_types_in $crate::wasm::bindings::on_response_chunk);
    };
    ($exports:ident, OnResponse) => {
        $crate::wasm::bindings::on_response::export!($exports with_types_in $crate::wasm::bindings::on_response);
    };
    ($exports:ident, OnResponseBody) => {
        $crate::wasm::bindings::on_response_body::export!($exports with_types_in $crate::wasm::bindings::on_response_body);
    };
    ($exports:ident, Aggregate) => {
        $crate::wasm::bindings::aggregate::export!($exports with_types_in $crate::wasm::bindings::aggregate);
    };
    ($exports:ident, Balance) => {
        $crate::wasm::bindings::balance::export!($exports with_types_in $crate::wasm::bindings::balance);
    };
    ($exports:ident, $other:ident) => {};
}
