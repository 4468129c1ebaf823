//! Admits so many requests of one caller in a time. Whom it counts is configured; the counting is the gateway's.

mod key;

use sluice_plugin::config::Span;
use sluice_plugin::limiter::{self, Limit};
use sluice_plugin::prelude::*;

use key::Key;

/// What the operator says; see README.md.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Config {
    #[serde(default = "default_policy")]
    policy: String,
    #[serde(default)]
    key: Key,
    rate: u64,
    per: Span,
    burst: Option<u64>,
}

fn default_policy() -> String {
    "default".into()
}

struct RateLimiter {
    policy: String,
    key: Key,
    limit: Limit,
}

/// The bounds of the gateway's limiter.
const MOST_TOKENS: u64 = 1_000_000_000;
const LONGEST_PERIOD_MS: u64 = 366 * 24 * 3600 * 1000;

impl Plugin for RateLimiter {
    type Config = Config;

    fn configure(config: Config) -> Result<Self> {
        let is_name = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
        if config.policy.is_empty() || !config.policy.bytes().all(is_name) {
            return Err(Error::at("policy", "must be made of letters, digits, `-`, `_` and `.`"));
        }
        let mut limit = Limit::new(config.rate, config.per.0);
        limit.burst = config.burst.unwrap_or(config.rate);
        for (name, tokens) in [("rate", limit.rate), ("burst", limit.burst)] {
            if !(1..=MOST_TOKENS).contains(&tokens) {
                return Err(Error::at(name, format_args!("must be within 1 and {MOST_TOKENS}")));
            }
        }
        if !(1..=LONGEST_PERIOD_MS).contains(&limit.period_ms) {
            return Err(Error::at("per", "must be within \"1ms\" and \"366d\""));
        }
        Ok(Self { policy: config.policy, key: config.key, limit })
    }
}

impl RateLimit for RateLimiter {
    fn check(&self, request: &Request, exchange: &Exchange) -> Result<Verdict> {
        let key = self.key.of(request, exchange);
        Ok(limiter::take(&key, self.limit, 1)?.verdict(self.policy.as_str(), self.limit))
    }
}

sluice_plugin::export!(RateLimiter: RateLimit);

#[cfg(test)]
mod tests;
