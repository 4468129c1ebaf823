//! `[tracing]`: where spans of requests go.

use std::sync::Arc;

use http::HeaderName;

use super::{Authorities, Secret};

/// How spans are told, and of which requests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tracing {
    /// URL of the collector, `http` or `https`.
    pub endpoint: String,
    pub protocol: OtlpProtocol,
    pub sample: SampleRate,
    /// `service.name` of the resource.
    pub service: Arc<str>,
    /// Sent with each export, as collectors want keys.
    pub headers: Vec<(HeaderName, Secret)>,
    pub ca: Authorities,
}

/// What carries OTLP.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OtlpProtocol {
    #[default]
    Grpc,
    /// Protocol buffers in HTTP/1.1 requests.
    Http,
}

/// The share of requests without a parent that are told, in millionths.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SampleRate(pub u32);

impl SampleRate {
    pub const ALL: Self = Self(1_000_000);

    /// Whether a request is told, by a random number.
    pub fn takes(self, random: u64) -> bool {
        // The upper half is as random as the whole, and the product fits.
        (random >> 32) * 1_000_000 < u64::from(self.0) << 32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_takes_its_share() {
        assert!(!SampleRate(0).takes(0) && SampleRate::ALL.takes(u64::MAX));
        let half = SampleRate(500_000);
        assert!(half.takes(0) && half.takes(u64::MAX / 2 - (1 << 33)) && !half.takes(u64::MAX / 2 + (1 << 33)));
    }
}
