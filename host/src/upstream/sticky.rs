//! Sessions that stay with an endpoint by a cookie. The cookie names it by a hash: the same from every gateway with the same
//! configuration, and without telling its address.

use std::time::Duration;

use http::{HeaderMap, HeaderValue, header};
use sha2::{Digest, Sha256};

use crate::balance::RequestView;
use crate::config::model;

/// The sessions of one cluster.
#[derive(Debug)]
pub(super) struct Sticky {
    cookie: String,
    /// By index of the endpoint.
    names: Vec<String>,
    fields: Vec<Option<HeaderValue>>,
}

impl Sticky {
    pub fn new(config: &model::Sticky, cluster: &str, endpoints: &[(&str, u32)]) -> Self {
        let names: Vec<String> = endpoints.iter().map(|(address, _)| name(cluster, address)).collect();
        let age =
            config.max_age.as_ref().map_or_else(String::new, |age: &Duration| format!("; Max-Age={}", age.as_secs()));
        let secure = if config.secure { "; Secure" } else { "" };
        let field = |name| {
            let field = format!("{}={name}; Path=/; HttpOnly; SameSite=Lax{age}{secure}", config.cookie);
            HeaderValue::try_from(field).ok()
        };
        Self { cookie: config.cookie.clone(), fields: names.iter().map(field).collect(), names }
    }

    /// The endpoint that the request's session is with.
    pub fn find(&self, request: &dyn RequestView) -> Option<usize> {
        let wanted = request.cookie(&self.cookie)?;
        self.names.iter().position(|name| name.as_bytes() == wanted)
    }

    /// Have the client come back to the endpoint `index`.
    pub fn keep(&self, index: usize, headers: &mut HeaderMap) {
        if let Some(Some(field)) = self.fields.get(index) {
            headers.append(header::SET_COOKIE, field.clone());
        }
    }
}

fn name(cluster: &str, address: &str) -> String {
    let digest = Sha256::new().chain_update(cluster).chain_update([0]).chain_update(address).finalize();
    digest.iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}
