//! Composes one JSON answer from the answers of several services, asked in parallel.

mod branch;
mod merge;

use std::collections::BTreeMap;
use std::time::Duration;

use sluice_plugin::config::Span;
use sluice_plugin::http::{self, OutgoingRequest};
use sluice_plugin::prelude::*;

use branch::{Branch, Failure};
use merge::Merger;

/// What the operator says; see README.md.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Config {
    branches: BTreeMap<String, Branch>,
    #[serde(default = "default_timeout")]
    timeout: Span,
}

fn default_timeout() -> Span {
    Span(Duration::from_secs(5))
}

struct Aggregator {
    branches: Vec<(String, Branch)>,
}

impl Plugin for Aggregator {
    type Config = Config;

    fn configure(config: Config) -> Result<Self> {
        if config.branches.is_empty() {
            return Err(Error::at("branches", "there must be at least one"));
        }
        if config.timeout.0.is_zero() {
            return Err(Error::at("timeout", "must be at least \"1ms\""));
        }
        let mut branches = Vec::new();
        for (name, mut branch) in config.branches {
            branch.prepare(&name, config.timeout)?;
            branches.push((name, branch));
        }
        Ok(Self { branches })
    }
}

impl Aggregate for Aggregator {
    fn handle(&self, request: &Request, exchange: &Exchange) -> Result<LocalResponse> {
        let mut requests = Vec::new();
        // For each branch, the place of its request, or why it has none.
        let mut places = Vec::new();
        for (_, branch) in &self.branches {
            places.push(branch.request(request, exchange).map(|request: OutgoingRequest| {
                requests.push(request);
                requests.len() - 1
            }));
        }
        // A request that lacks what a needed branch needs is refused before anybody is asked.
        for ((name, branch), place) in self.branches.iter().zip(&places) {
            if let Err(failure) = place
                && branch.is_required()
            {
                return failure.answer(name);
            }
        }
        let mut answers: Vec<_> = http::send_all(&requests).into_iter().map(Some).collect();
        let mut merger = Merger::new();
        for ((name, branch), place) in self.branches.iter().zip(places) {
            let body = place.and_then(|place| {
                let answer = answers.get_mut(place).and_then(Option::take).ok_or(Failure::Unavailable)?;
                branch.body(answer)
            });
            match body {
                Ok(body) => merger.add(name, &body, branch.spread),
                Err(failure) if branch.is_required() || failure.is_fatal() => return failure.answer(name),
                Err(failure) => {
                    log::warn!("the branch `{name}` is left out: {failure}");
                    merger.fill_in(name, branch.default_text(), branch.spread);
                }
            }
        }
        Ok(merger.finish())
    }
}

sluice_plugin::export!(Aggregator: Aggregate);

#[cfg(test)]
mod tests;
