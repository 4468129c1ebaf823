//! Clusters and the connections to their endpoints. Connections belong to a thread; what is known of an
//! endpoint belongs to all. Nothing here knows of routes, plugins or who is answered.

mod call;
mod carrier;
mod clock;
mod cluster;
mod connect;
mod connection;
mod dial;
mod duplex;
mod endpoint;
mod guarded;
mod health;
mod hedge;
mod http1;
mod http2;
mod limit;
mod noted;
mod outlier;
mod peak;
mod places;
mod pool;
mod preview;
mod probe;
mod receiving;
mod retry;
mod send;
mod sending;
mod sharing;
mod slow;
mod sticky;
mod stream;
#[cfg(test)]
pub(crate) mod tests;
mod tls;

pub use cluster::{Cluster, Member};
pub use connection::Ends;
pub use dial::Dialed;
pub use endpoint::Endpoint;
pub use health::Checks;
pub use outlier::Why;
pub use pool::Pool;
pub use send::{Caller, ThreadCluster};
pub use tls::Tls;
