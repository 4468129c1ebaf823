//! An authority that vouches for endpoints and clients, for one test.

use std::path::PathBuf;
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair};
use rustls::pki_types::PrivateKeyDer;
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};

use super::*;
use crate::config::model::{Address, CertificateFiles, ClusterTls, Versions};
use crate::tls::Contents;
use crate::upstream::{Cluster, Tls};

/// An authority, with what it has vouched for.
pub(crate) struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    pub contents: Contents,
}

/// How a certificate is.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Age {
    Good,
    Expired,
}

impl Authority {
    /// Its certificate is in `ca.pem`.
    pub fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        // Every one has another name, or they would be taken for one that signs badly.
        params.distinguished_name.push(DnType::CommonName, format!("{:?}", key.public_key_raw()));
        let issuer = CertifiedIssuer::self_signed(params, key).unwrap();
        let contents = Contents::from([("ca.pem".into(), Ok(issuer.pem().into_bytes()))]);
        Self { issuer, contents }
    }

    /// Vouch for a name, in `NAME.pem` and `NAME.key`.
    pub fn vouch(&mut self, name: &str, age: Age) -> CertificateFiles {
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        if age == Age::Expired {
            params.not_before = rcgen::date_time_ymd(2000, 1, 1);
            params.not_after = rcgen::date_time_ymd(2001, 1, 1);
        }
        let key = KeyPair::generate().unwrap();
        let leaf = params.signed_by(&key, &self.issuer).unwrap();
        let files = CertificateFiles { certificate: format!("{name}.pem").into(), key: format!("{name}.key").into() };
        self.contents.insert(files.certificate.clone(), Ok(leaf.pem().into_bytes()));
        self.contents.insert(files.key.clone(), Ok(key.serialize_pem().into_bytes()));
        files
    }

    /// A server that shows a certificate for this name. With `judges`, clients have to show one too.
    pub fn server(&mut self, name: &str, age: Age, judges: bool, versions: Versions) -> ServerConfig {
        let files = self.vouch(name, age);
        let content = |path: &PathBuf| self.contents[path].as_ref().unwrap().clone();
        use rustls::pki_types::CertificateDer;
        use rustls::pki_types::pem::PemObject as _;
        let leaf = CertificateDer::from_pem_slice(&content(&files.certificate)).unwrap();
        let key = PrivateKeyDer::from_pem_slice(&content(&files.key)).unwrap();
        let provider = crate::tls::provider();
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_protocol_versions(crate::tls::versions(versions))
            .unwrap();
        let mut roots = RootCertStore::empty();
        roots.add(self.issuer.der().clone()).unwrap();
        let builder = if judges {
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build().unwrap();
            builder.with_client_cert_verifier(verifier)
        } else {
            builder.with_no_client_auth()
        };
        builder.with_single_cert(vec![leaf], key).unwrap()
    }

    /// As a cluster has it: with this authority, and for these names.
    pub fn wanted(&self, server_name: &str) -> ClusterTls {
        ClusterTls {
            authorities: Some("ca.pem".into()),
            verify: true,
            certificate: None,
            server_name: Some(server_name.to_owned().try_into().unwrap()),
            versions: Versions::default(),
            protocol: model::ClusterProtocol::default(),
            place: "sluice.toml:1".into(),
        }
    }

    /// A cluster of one endpoint.
    pub fn cluster(&self, address: impl Into<Address>, wanted: &ClusterTls) -> ThreadCluster {
        self.cluster_like(address, wanted, model::Cluster::default())
    }

    pub fn cluster_like(
        &self,
        address: impl Into<Address>,
        wanted: &ClusterTls,
        like: model::Cluster,
    ) -> ThreadCluster {
        let tls = Tls::build(wanted, &self.contents).unwrap();
        let config = model::Cluster { name: "test".into(), endpoints: vec![address.into().into()], ..like };
        let cluster = Cluster::new(&config, Some(Arc::new(tls)), None, Arc::default());
        ThreadCluster::new(Arc::new(cluster), Box::new(InOrder), &Pool::new())
    }
}
