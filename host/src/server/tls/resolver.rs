//! Which certificate a client is shown: by the name that it asks for, and by the signatures that it understands.

use std::collections::HashMap;
use std::sync::Arc;

use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

use crate::tls::{ACME_TLS, Certificate, Challenges};

/// Certificates by name. Several may have one name, with keys of different kinds.
#[derive(Debug, Default)]
pub(super) struct Resolver {
    exact: HashMap<String, Vec<Arc<CertifiedKey>>>,
    /// By what follows the `*`, with the dot.
    wildcards: HashMap<String, Vec<Arc<CertifiedKey>>>,
    all: Vec<Arc<CertifiedKey>>,
    /// What is shown to authorities; none if none has reason to ask.
    challenges: Option<Arc<Challenges>>,
}

impl Resolver {
    pub fn new(certificates: Vec<Certificate>, challenges: Option<Arc<Challenges>>) -> Self {
        let mut resolver = Self { challenges, ..Self::default() };
        for Certificate { key, shown } in certificates {
            for name in shown.names {
                let (map, name) = match name.strip_prefix('*') {
                    Some(rest) => (&mut resolver.wildcards, rest.to_owned()),
                    None => (&mut resolver.exact, name),
                };
                map.entry(name).or_default().push(Arc::clone(&key));
            }
            resolver.all.push(key);
        }
        resolver
    }

    /// Those for a name, or all. A wildcard stands for one label (RFC 6125, section 6.4.3).
    pub(super) fn named(&self, name: Option<&str>) -> &[Arc<CertifiedKey>] {
        let Some(name) = name.map(str::to_ascii_lowercase) else { return &self.all };
        let name = name.strip_suffix('.').unwrap_or(&name);
        let wildcard = || name.find('.').and_then(|dot| self.wildcards.get(name.get(dot..)?));
        self.exact.get(name).or_else(wildcard).unwrap_or(&self.all)
    }
}

impl ResolvesServerCert for Resolver {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        if let Some(challenges) = &self.challenges
            && hello.alpn().is_some_and(|mut protocols| protocols.any(|protocol| protocol == ACME_TLS))
        {
            return challenges.certificate(hello.server_name()?);
        }
        let found = self.named(hello.server_name());
        let schemes = hello.signature_schemes();
        let understood = found.iter().find(|key| key.key.choose_scheme(schemes).is_some());
        understood.or_else(|| found.first()).cloned()
    }
}
