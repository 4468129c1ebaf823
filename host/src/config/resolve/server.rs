//! Defaults and checks of `[admin]`, `[server]` and `[identity]`.

use std::path::Path;
use std::sync::Arc;

use http::HeaderName;
use sha2::{Digest, Sha256};

use super::listener::resolve_tls;
use crate::config::files::absolute;
use crate::config::model::{AccessLog, AccessOutput, Acme, Admin, IdentityFields, Probes, Server, Tls};
use crate::config::network::collide;
use crate::config::problem::{At, Fault, Problems};
use crate::config::written::{self, Written};

pub(super) fn admin(written: &Written, base: &Path, acme: &Acme, problems: &Problems) -> Option<Admin> {
    let admin = written.admin.as_ref()?;
    let probes = admin.probes.as_ref().and_then(|probes| {
        let address = probes.address.as_ref()?;
        Some(Probes { address: address.value, metrics: probes.metrics, place: address.place.to_string().into() })
    });
    let address = admin.address.as_ref()?;
    if !address.value.ip().to_canonical().is_loopback() && !admin.is_guarded {
        let fault = Fault::new(
            format!("{} can be reached from other machines, and there is no token", address.value),
            "add admin.token = { env = \"…\" }, or client_ca to admin.tls, or listen on 127.0.0.1",
        );
        problems.add(&address.place, "admin.address", fault);
    }
    if let Some(probes) = admin.probes.as_ref().and_then(|probes| probes.address.as_ref())
        && collide(probes.value, address.value)
    {
        let message = format!("{} is the address of [admin], at {}", probes.value, address.place);
        let fault = Fault::new(message, "give each its own address or port; [admin] answers probes itself");
        problems.add(&probes.place, "admin.probes.address", fault);
    }
    Some(Admin {
        address: address.value,
        hosts: admin.hosts.clone(),
        token: admin.token.clone(),
        // Nothing but HTTP/1.1 is spoken, which needs no agreement.
        tls: admin.tls.as_ref().map(|tls| Tls { is_http: false, ..resolve_tls(tls, base, acme, address.value) }),
        probes,
        place: address.place.to_string().into(),
    })
}

pub(super) fn access_log(written: &Written, base: &Path) -> Option<Arc<AccessLog>> {
    let mut log = written.access_log.clone()?;
    if let AccessOutput::File { path, .. } = &mut log.output {
        *path = absolute(&base.join(&*path));
    }
    Some(Arc::new(log))
}

pub(super) fn server(written: &Written, path: &Path, base: &Path) -> Server {
    const DRAIN: std::time::Duration = std::time::Duration::from_secs(30);
    let written = &written.server;
    let cores = || std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    Server {
        threads: written.threads.filter(|threads| *threads > 0).unwrap_or_else(cores),
        drain: written.drain.unwrap_or(DRAIN),
        shutdown_delay: written.shutdown_delay.unwrap_or_default(),
        pid_file: written.pid_file.as_ref().map(|path| absolute(&base.join(path))),
        trusted_proxies: written.trusted_proxies.clone(),
        name: written.name.clone().unwrap_or_else(|| default_name(path).into()),
        zone: written.zone.clone(),
    }
}

/// A name of this machine and this file: the same after a restart, another for a second gateway, whose
/// requests would otherwise seem to come back to their sender. It is sent to others, so that the host's
/// own name isn't in it.
fn default_name(path: &Path) -> String {
    let mut digest = Sha256::new();
    digest.update(std::fs::read("/proc/sys/kernel/hostname").unwrap_or_default());
    digest.update(absolute(path).as_os_str().as_encoded_bytes());
    let suffix: String = digest.finalize().iter().take(4).map(|byte| format!("{byte:02x}")).collect();
    format!("sluice-{suffix}")
}

pub(super) fn identity(written: &Written, problems: &Problems) -> IdentityFields {
    let written::Identity { subject, issuer, claims } = &written.identity;
    let mut seen: Vec<&At<HeaderName>> = Vec::new();
    for (key, field) in [("subject", subject), ("issuer", issuer), ("claims", claims)] {
        let Some(field) = field else { continue };
        // Fields that differ in `_` and `-` alone are one to some servers, so the gateway removes both.
        let spelling = |field: &At<HeaderName>| field.value.as_str().replace('_', "-");
        if seen.iter().any(|other| spelling(other) == spelling(field)) {
            let fault = Fault::new(
                format!("the field \"{}\" carries something else already", field.value),
                "give each its own field",
            );
            problems.add(&field.place, format!("identity.{key}"), fault);
        }
        seen.push(field);
    }
    let name = |field: &Option<At<HeaderName>>| field.as_ref().map(|field| field.value.clone());
    IdentityFields { subject: name(subject), issuer: name(issuer), claims: name(claims) }
}
