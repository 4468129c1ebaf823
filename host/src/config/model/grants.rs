//! What a plugin can be lent, by name. This is the only list of these names; whatever reads, offers or checks grants
//! goes through it.

use std::sync::Arc;

/// Something that has to be granted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Capability {
    Clock,
    Random,
    Kv,
    Limiter,
    Metrics,
    Crypto,
    HttpClient,
}

impl Capability {
    pub const ALL: [Self; 7] =
        [Self::Clock, Self::Random, Self::Kv, Self::Limiter, Self::HttpClient, Self::Metrics, Self::Crypto];

    /// As in `grants`; the name of its interface too.
    pub fn name(self) -> &'static str {
        match self {
            Self::Clock => "clock",
            Self::Random => "random",
            Self::Kv => "kv",
            Self::Limiter => "limiter",
            Self::Metrics => "metrics",
            Self::Crypto => "crypto",
            Self::HttpClient => "http-client",
        }
    }

    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|capability| capability.name() == name)
    }

    /// As one would write it in `grants`, with the clusters that it reaches if it reaches any.
    pub fn grant(self, clusters: &[&str]) -> String {
        match self {
            Self::HttpClient => {
                let clusters: Vec<String> = clusters.iter().map(|cluster| format!("\"{cluster}\"")).collect();
                format!("{{ http-client = [{}] }}", clusters.join(", "))
            }
            plain => format!("\"{}\"", plain.name()),
        }
    }
}

/// What a plugin may use.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Grants {
    pub clock: bool,
    pub random: bool,
    pub kv: bool,
    pub limiter: bool,
    pub metrics: bool,
    pub crypto: bool,
    /// Clusters that `http-client` reaches; none if it isn't granted.
    pub http_client: Option<Vec<Arc<str>>>,
}

impl Grants {
    /// Whether it is granted at all.
    pub fn has(&self, capability: Capability) -> bool {
        match capability {
            Capability::Clock => self.clock,
            Capability::Random => self.random,
            Capability::Kv => self.kv,
            Capability::Limiter => self.limiter,
            Capability::Metrics => self.metrics,
            Capability::Crypto => self.crypto,
            Capability::HttpClient => self.http_client.is_some(),
        }
    }
}
