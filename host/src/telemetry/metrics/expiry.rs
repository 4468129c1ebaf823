//! When certificates cease to be good.

use std::sync::Arc;

/// That of one certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expiry {
    pub owner: Owner,
    /// The first name that it is for; of a client's, maybe none.
    pub name: String,
    /// In seconds since 1970.
    pub at: i64,
}

/// Where a certificate is shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Owner {
    /// To clients, by the listener of that name.
    Listener(Arc<str>),
    /// To clients of the admin API.
    Admin,
    /// To endpoints of the cluster of that name.
    Cluster(Arc<str>),
}
