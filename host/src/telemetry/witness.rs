//! Tells of each request when it ends, with what its plugins did: for whoever looks on while a plugin is written. A
//! gateway that serves in earnest has none.

use std::sync::Arc;
use std::time::Duration;

use http::{Method, Uri};

use super::trail::HookCall;

/// Who is told. Called on data threads: it mustn't wait.
#[derive(Clone)]
pub struct Witness(Arc<dyn Fn(Witnessed) + Send + Sync>);

/// One request.
#[derive(Debug, Clone)]
pub struct Witnessed {
    pub method: Method,
    /// As the client sent it.
    pub uri: Uri,
    /// 499 if the client didn't wait.
    pub status: u16,
    pub route: Option<Arc<str>>,
    /// To the answer's end.
    pub duration: Duration,
    /// The plugin that refused it.
    pub refused_by: Option<Arc<str>>,
    /// Why it was refused, or broke off.
    pub reason: Option<String>,
    /// In their order.
    pub calls: Vec<HookCall>,
}

impl Witness {
    pub fn new(tell: impl Fn(Witnessed) + Send + Sync + 'static) -> Self {
        Self(Arc::new(tell))
    }

    pub fn tell(&self, witnessed: Witnessed) {
        (self.0)(witnessed);
    }
}

impl std::fmt::Debug for Witness {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Witness")
    }
}
