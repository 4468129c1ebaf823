//! The built-in policies.

use std::cell::{Cell, RefCell};

use super::levels::{Level, Levels, Preference};
use super::random::Random;
use super::smooth::Credits;
use super::{EndpointView, PickContext, Policy, View, hash};
use crate::config::model::{Balance, HashKey};

/// One of the built-in policies over the endpoints that are fit to be asked. One for each cluster and thread.
///
/// An endpoint that this exchange has tried isn't picked again as long as there is another candidate. If none is healthy,
/// all are candidates: it is likelier that the checks are wrong than that every endpoint is down.
#[derive(Debug)]
pub struct Balancer {
    algorithm: Algorithm,
    preference: Preference,
    random: Random,
    levels: RefCell<Levels>,
}

#[derive(Debug)]
enum Algorithm {
    RoundRobin(Turns),
    Random,
    LeastRequest,
    PeakEwma,
    /// By the view's table.
    Hash(Box<[HashKey]>),
}

impl Balancer {
    /// `thread` is its number: threads begin with different endpoints. `seed` is what its chances come from.
    pub fn new(balance: &Balance, preference: Preference, thread: u32, seed: u64) -> Self {
        let algorithm = match balance {
            // What stands in where a plugin makes no choice.
            Balance::RoundRobin | Balance::Plugin(_) => Algorithm::RoundRobin(Turns::starting_at(thread)),
            Balance::Random => Algorithm::Random,
            Balance::LeastRequest => Algorithm::LeastRequest,
            Balance::PeakEwma => Algorithm::PeakEwma,
            Balance::RingHash(keys) | Balance::Maglev(keys) => Algorithm::Hash(keys.clone().into()),
        };
        Self { algorithm, preference, random: Random::new(seed), levels: RefCell::default() }
    }

    fn choose(&self, levels: &Levels, context: &PickContext<'_>, endpoints: &dyn View) -> Option<usize> {
        if let Algorithm::Hash(keys) = &self.algorithm {
            let hash = hash::of_request(keys, context).unwrap_or_else(|| self.random.next());
            // The low bits choose in the table.
            let (number, _) = levels.choose(|| hash >> 32)?;
            let fit = |index| levels.is_in(index, number) && !context.tried.contains(&index);
            return endpoints.table().and_then(|table| table.find(hash, fit));
        }
        let (_, level) = levels.choose(|| self.random.next())?;
        // By chance it may be one that was tried, and by chance the next isn't.
        (0..=context.tried.len().min(3)).find_map(|_| {
            let picked = match &self.algorithm {
                Algorithm::RoundRobin(turns) => turns.next(level),
                Algorithm::LeastRequest => self.better(level, endpoints, requests),
                Algorithm::PeakEwma => self.better(level, endpoints, cost),
                Algorithm::Random | Algorithm::Hash(_) => {
                    level.candidates.get(level.draw(&self.random)).map(|candidate| candidate.index)
                }
            };
            picked.filter(|index| !context.tried.contains(index))
        })
    }

    /// Of two by chance the one with the smaller load for its weight (Mitzenmacher: The power of two choices in
    /// randomized load balancing, 2001). To take the least of all would send everybody to the same one.
    fn better(&self, level: &Level, endpoints: &dyn View, load: fn(&EndpointView<'_>) -> u128) -> Option<usize> {
        let (first, second) = level.draw_two(&self.random);
        let first = first?;
        let Some(second) = second else { return Some(first.index) };
        let (a, b) = (endpoints.get(first.index)?, endpoints.get(second.index)?);
        // Multiplied crosswise instead of divided.
        let first_is_better =
            load(&a).saturating_mul(second.weight.into()) <= load(&b).saturating_mul(first.weight.into());
        Some(if first_is_better { first.index } else { second.index })
    }

    /// Any other candidate, or one that was tried if there is no other; then any endpoint that wasn't tried.
    fn otherwise(&self, levels: &Levels, context: &PickContext<'_>, endpoints: &dyn View) -> Option<usize> {
        let untried = |index: &usize| !context.tried.contains(index);
        let count = levels.candidates().count();
        let start = usize::try_from(self.random.below(count as u64)).unwrap_or_default();
        let from_start = || levels.candidates().skip(start).chain(levels.candidates().take(start));
        let other = from_start().map(|candidate| candidate.index).find(untried);
        other
            .or_else(|| from_start().next().map(|candidate| candidate.index))
            .or_else(|| (0..endpoints.len()).find(untried))
    }
}

impl Policy for Balancer {
    fn pick(&self, context: &PickContext<'_>, endpoints: &dyn View) -> Option<usize> {
        // Nobody else is in here: a view doesn't pick.
        let mut levels = self.levels.try_borrow_mut().ok()?;
        if !levels.is_current(endpoints) {
            *levels = Levels::compute(endpoints, &self.preference);
        }
        self.choose(&levels, context, endpoints).or_else(|| self.otherwise(&levels, context, endpoints))
    }

    fn is_candidate(&self, index: usize, endpoints: &dyn View) -> bool {
        let Ok(mut levels) = self.levels.try_borrow_mut() else { return false };
        if !levels.is_current(endpoints) {
            *levels = Levels::compute(endpoints, &self.preference);
        }
        levels.is_candidate(index)
    }
}

/// Requests that it would have with this one.
fn requests(endpoint: &EndpointView<'_>) -> u128 {
    u128::from(endpoint.in_flight) + 1
}

/// Expected time that this request would wait there: the latency, which goes up at once and down slowly, for
/// each request that it would have (Finagle's documentation: Power of Two Choices + Peak EWMA).
fn cost(endpoint: &EndpointView<'_>) -> u128 {
    /// Microseconds of an endpoint that has been asked and hasn't answered yet: an hour, more than any that has.
    const UNKNOWN: u128 = 3_600_000_000;
    match (endpoint.peak_us, endpoint.in_flight) {
        // New: it gets one request to show what it can do.
        (0, 0) => 0,
        (0, in_flight) => UNKNOWN * u128::from(in_flight),
        (latency, _) => u128::from(latency) * requests(endpoint),
    }
}

/// Smooth weighted round-robin. With equal weights that is one after the other.
#[derive(Debug)]
struct Turns {
    /// By index of the endpoint.
    credits: Credits,
    /// With equal weights, the place of the next one.
    next: Cell<usize>,
    /// Turns to make for nothing before the first one.
    ahead: Cell<u32>,
}

impl Turns {
    fn starting_at(ahead: u32) -> Self {
        Self { credits: Credits::default(), next: Cell::new(0), ahead: Cell::new(ahead) }
    }

    fn next(&self, level: &Level) -> Option<usize> {
        let ahead = self.ahead.take();
        if ahead > 0 {
            // Enough to begin at another endpoint; more would only come round again.
            let round = u32::try_from(level.candidates.len()).unwrap_or(u32::MAX).max(1);
            for _ in 0..ahead % round {
                self.turn(level);
            }
        }
        self.turn(level)
    }

    fn turn(&self, level: &Level) -> Option<usize> {
        if level.equal {
            let place = self.next.get();
            let place = if place < level.candidates.len() { place } else { 0 };
            self.next.set(place + 1);
            return level.candidates.get(place).map(|candidate| candidate.index);
        }
        self.credits.choose(level.candidates.iter().map(|candidate| (candidate.index, candidate.weight)))
    }
}
