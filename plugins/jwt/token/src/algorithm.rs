//! The algorithms of RFC 7518 section 3.1 and RFC 8037 for signatures. `none` is no algorithm here.

use sluice_plugin::crypto::{DigestAlgorithm, SignatureAlgorithm};
use sluice_plugin::prelude::*;

/// How a token is signed, by its name in `alg`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Algorithm {
    Rs256,
    Rs384,
    Rs512,
    Ps256,
    Ps384,
    Ps512,
    Es256,
    Es384,
    Es512,
    #[serde(rename = "EdDSA")]
    EdDsa,
    Hs256,
    Hs384,
    Hs512,
}

/// What a key is made of decides which algorithms it takes part in, whatever a token says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Family {
    Rsa,
    P256,
    P384,
    P521,
    Ed25519,
    Secret,
}

/// How a signature is checked.
pub(crate) enum Method {
    Signature(SignatureAlgorithm),
    Mac(DigestAlgorithm),
}

impl Algorithm {
    pub const ALL: [Self; 13] = [
        Self::Rs256,
        Self::Rs384,
        Self::Rs512,
        Self::Ps256,
        Self::Ps384,
        Self::Ps512,
        Self::Es256,
        Self::Es384,
        Self::Es512,
        Self::EdDsa,
        Self::Hs256,
        Self::Hs384,
        Self::Hs512,
    ];

    /// By its exact name: `alg` is compared with its case (RFC 7515 section 4.1.1).
    pub(crate) fn by_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|algorithm| algorithm.name() == name)
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Rs256 => "RS256",
            Self::Rs384 => "RS384",
            Self::Rs512 => "RS512",
            Self::Ps256 => "PS256",
            Self::Ps384 => "PS384",
            Self::Ps512 => "PS512",
            Self::Es256 => "ES256",
            Self::Es384 => "ES384",
            Self::Es512 => "ES512",
            Self::EdDsa => "EdDSA",
            Self::Hs256 => "HS256",
            Self::Hs384 => "HS384",
            Self::Hs512 => "HS512",
        }
    }

    pub(crate) fn family(self) -> Family {
        match self {
            Self::Rs256 | Self::Rs384 | Self::Rs512 | Self::Ps256 | Self::Ps384 | Self::Ps512 => Family::Rsa,
            Self::Es256 => Family::P256,
            Self::Es384 => Family::P384,
            Self::Es512 => Family::P521,
            Self::EdDsa => Family::Ed25519,
            Self::Hs256 | Self::Hs384 | Self::Hs512 => Family::Secret,
        }
    }

    pub(crate) fn method(self) -> Method {
        match self {
            Self::Rs256 => Method::Signature(SignatureAlgorithm::Rs256),
            Self::Rs384 => Method::Signature(SignatureAlgorithm::Rs384),
            Self::Rs512 => Method::Signature(SignatureAlgorithm::Rs512),
            Self::Ps256 => Method::Signature(SignatureAlgorithm::Ps256),
            Self::Ps384 => Method::Signature(SignatureAlgorithm::Ps384),
            Self::Ps512 => Method::Signature(SignatureAlgorithm::Ps512),
            Self::Es256 => Method::Signature(SignatureAlgorithm::Es256),
            Self::Es384 => Method::Signature(SignatureAlgorithm::Es384),
            Self::Es512 => Method::Signature(SignatureAlgorithm::Es512),
            Self::EdDsa => Method::Signature(SignatureAlgorithm::Eddsa),
            Self::Hs256 => Method::Mac(DigestAlgorithm::Sha256),
            Self::Hs384 => Method::Mac(DigestAlgorithm::Sha384),
            Self::Hs512 => Method::Mac(DigestAlgorithm::Sha512),
        }
    }

    /// The fewest bytes that a secret must have: as many as the digest (RFC 7518 section 3.2).
    pub(crate) fn least_secret(self) -> usize {
        match self {
            Self::Hs256 => 32,
            Self::Hs384 => 48,
            Self::Hs512 => 64,
            _ => 0,
        }
    }
}

impl Family {
    /// One of its algorithms, to try a key with.
    pub(crate) fn any(self) -> Algorithm {
        match self {
            Self::Rsa => Algorithm::Rs256,
            Self::P256 => Algorithm::Es256,
            Self::P384 => Algorithm::Es384,
            Self::P521 => Algorithm::Es512,
            Self::Ed25519 => Algorithm::EdDsa,
            Self::Secret => Algorithm::Hs256,
        }
    }
}
