//! A plugin's component as its configuration left it: what `configure` made of memory and globals becomes the state that
//! instances start with, copied on write, instead of being made again in each of them.
//!
//! That is right only if `configure` depends on nothing but the configuration. So it runs once more, in an instance that
//! has the log and `crypto` and nothing else: if it asks for anything that can change (the time, randomness, values,
//! other services, WASI), or if the component is built in a way that can't be frozen, there is no image, and instances
//! are configured one by one as ever. An image holds the configuration's secrets, so it never goes to disk.

use std::sync::Arc;

use wasmtime::component::{InstancePre, Lift, WasmList};
use wasmtime_wizer::{ComponentInstanceState, Wizer};

use super::compile::Compiler;
use super::component::{Component, Exports};
use super::error::LoadError;
use super::guest::{Guest, Lent, Time};
use super::instance::{Instance, Source, StartError};

/// What instances start from, configured.
pub(crate) struct Image {
    pre: InstancePre<Guest>,
    exports: Exports,
}

/// Why there is none. None of these is anybody's fault.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ImageError {
    #[error("the component can't be frozen: {0:#}")]
    Form(wasmtime::Error),
    #[error("`configure` needs more than its configuration: {0:?}")]
    Configure(StartError),
    #[error("it {0}")]
    Compile(#[from] LoadError),
    #[error("no instance starts from it: {0:?}")]
    Start(StartError),
}

impl Image {
    /// Configure an instance, and make an image of it. Takes as long as compiling the component twice.
    ///
    /// # Errors
    /// Why it can't be had.
    pub(crate) async fn make(
        compiler: &Compiler,
        component: &Component,
        lent: &Arc<Lent>,
        config: &str,
    ) -> Result<Self, ImageError> {
        let time = Time::new(lent.limits.configure, true);
        let wizer = Wizer::new();
        let (context, instrumented) = wizer.instrument_component(component.binary()).map_err(ImageError::Form)?;
        let instrumented = compiler.compile(&instrumented)?;
        let pre = compiler.link_for_image(&instrumented)?;
        let exports = Exports::find(&instrumented);
        let source = Source { pre: &pre, exports: &exports, config: Some(config) };
        let instance = Instance::start(source, lent.clone(), None, time).await.map_err(ImageError::Configure)?;
        let mut reader = Reader { instance, time, failed: None };
        let frozen = wizer.snapshot_component(&context, &mut reader).await.map_err(ImageError::Form)?;
        if let Some(error) = reader.failed {
            return Err(ImageError::Form(error));
        }
        drop(reader.instance);
        let compiled = compiler.compile(&frozen)?;
        let image = Self { pre: compiler.link(&compiled, lent.shared.is_some())?, exports: Exports::find(&compiled) };
        let mut first = Instance::start(image.source(), lent.clone(), None, time).await.map_err(ImageError::Start)?;
        first.check().map_err(ImageError::Form)?;
        Ok(image)
    }

    pub(crate) fn source(&self) -> Source<'_> {
        Source { pre: &self.pre, exports: &self.exports, config: None }
    }
}

/// Reads memory and globals of an instance, by the functions that the instrumented component exports for that.
struct Reader {
    instance: Box<Instance>,
    time: Time,
    /// What is read after a failure is nonsense.
    failed: Option<wasmtime::Error>,
}

impl Reader {
    async fn read<R: Lift + Send + Sync + 'static>(&mut self, interface: &str, function: &str) -> Option<R> {
        match self.instance.read(interface, function, self.time).await {
            Ok(value) => Some(value),
            Err(error) => {
                self.failed = Some(error);
                None
            }
        }
    }
}

impl ComponentInstanceState for Reader {
    async fn call_func_ret_list_u8(&mut self, instance: &str, func: &str, contents: impl FnOnce(&[u8]) + Send) {
        let list: Option<WasmList<u8>> = self.read(instance, func).await;
        contents(list.as_ref().map_or(&[], |list| self.instance.bytes(list)));
    }

    async fn call_func_ret_s32(&mut self, instance: &str, func: &str) -> i32 {
        self.read(instance, func).await.unwrap_or_default()
    }

    async fn call_func_ret_s64(&mut self, instance: &str, func: &str) -> i64 {
        self.read(instance, func).await.unwrap_or_default()
    }

    async fn call_func_ret_f32(&mut self, instance: &str, func: &str) -> u32 {
        self.read::<f32>(instance, func).await.unwrap_or_default().to_bits()
    }

    async fn call_func_ret_f64(&mut self, instance: &str, func: &str) -> u64 {
        self.read::<f64>(instance, func).await.unwrap_or_default().to_bits()
    }
}
