//! {{NAME}}: so many requests of one client in a time.

use std::time::Duration;

use sluice_plugin::limiter::{self, Limit};
use sluice_plugin::prelude::*;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Config {
    rate: u64,
    per_ms: u64,
}

struct PerClient(Limit);

impl Plugin for PerClient {
    type Config = Config;

    fn configure(config: Config) -> Result<Self> {
        if config.rate == 0 || config.per_ms == 0 {
            return Err(Error::new("`rate` and `per_ms` must be at least 1"));
        }
        Ok(Self(Limit::new(config.rate, Duration::from_millis(config.per_ms))))
    }
}

impl RateLimit for PerClient {
    fn check(&self, _: &Request, exchange: &Exchange) -> Result<Verdict> {
        Ok(limiter::take(&exchange.client_address(), self.0, 1)?.verdict("per-client", self.0))
    }
}

sluice_plugin::export!(PerClient: RateLimit);
