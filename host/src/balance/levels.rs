//! Which endpoints are candidates, and how much each group of them gets. Computed when something has changed, not for
//! each pick.
//!
//! Groups are priorities, and within each, if the zone counts, the gateway's own zone before the others. A group takes all
//! it can: 140 % of the share of its endpoints that is healthy, so that it gives nothing away until less than 71 % are; the rest spills
//! over to the next group. (Envoy's documentation: Priority levels, overprovisioning factor, panic threshold.)

use super::random::Random;
use super::{EndpointView, View};

/// Capacity that healthy endpoints are taken to have beyond their share, in percent.
const OVERPROVISIONING: u64 = 140;

/// Not in any group.
const NOWHERE: u16 = u16::MAX;

/// The groups as they are for one epoch.
#[derive(Debug, Default)]
pub(super) struct Levels {
    epoch: Option<u64>,
    levels: Vec<Level>,
    /// By index of the endpoint, the number of its group if it is a candidate.
    level_of: Vec<u16>,
}

/// The candidates of one group.
#[derive(Debug, Default)]
pub(super) struct Level {
    /// Of 10,000 requests.
    share: u64,
    pub(super) candidates: Vec<Candidate>,
    /// All have the same weight.
    pub(super) equal: bool,
    /// Of all candidates.
    pub(super) weight: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Candidate {
    pub(super) index: usize,
    /// In thousandths, slow start counted.
    pub(super) weight: u64,
    /// Of it and all candidates before.
    pub(super) cumulated: u64,
}

/// What decides who is a candidate.
#[derive(Debug, Clone, Default)]
pub struct Preference {
    /// Below so many percent of healthy endpoints, health doesn't count.
    pub panic_threshold: u8,
    /// The gateway's own, if endpoints in it come first.
    pub zone: Option<std::sync::Arc<str>>,
}

impl Levels {
    /// Whether they hold for `endpoints` as they are now.
    pub(super) fn is_current(&self, endpoints: &dyn View) -> bool {
        self.epoch.is_some() && self.epoch == endpoints.epoch()
    }

    pub(super) fn compute(endpoints: &dyn View, preference: &Preference) -> Self {
        // Before reading what it counts.
        let epoch = endpoints.epoch();
        let mut groups: Vec<Group> = Vec::new();
        for index in 0..endpoints.len() {
            let Some(endpoint) = endpoints.get(index) else { continue };
            let away = preference.zone.as_deref().is_some_and(|zone| endpoint.zone != Some(zone));
            let key = (endpoint.priority, away);
            let place = groups.partition_point(|group| group.key < key);
            if groups.get(place).is_none_or(|group| group.key != key) {
                groups.insert(place, Group { key, all: Vec::new(), healthy: 0 });
            }
            if let Some(group) = groups.get_mut(place) {
                group.healthy += u64::from(endpoint.healthy);
                group.all.push((index, weight(&endpoint), endpoint.healthy));
            }
        }
        if groups.iter().all(|group| group.healthy == 0) {
            return Self::of(epoch, endpoints.len(), vec![(10_000, groups.into_iter().flat_map(|g| g.all).collect())]);
        }
        let capacity: Vec<u64> = groups.iter().map(Group::capacity).collect();
        let available = capacity.iter().sum::<u64>().clamp(1, 10_000);
        let enough = available == 10_000;
        let mut left = 10_000;
        let levels = groups.into_iter().zip(capacity).map(|(group, capacity)| {
            let share = (capacity * 10_000 / available).min(left);
            left -= share;
            let panics =
                !enough && group.healthy * 100 < u64::from(preference.panic_threshold) * group.all.len() as u64;
            let fit = group.all.into_iter().filter(|(_, _, healthy)| panics || *healthy).collect();
            (share, fit)
        });
        let mut levels: Vec<(u64, Vec<_>)> = levels.collect();
        // What rounding left.
        if let Some(last) = levels.iter_mut().rev().find(|(share, _)| *share > 0) {
            last.0 += left;
        }
        Self::of(epoch, endpoints.len(), levels)
    }

    fn of(epoch: Option<u64>, len: usize, groups: Vec<(u64, Vec<Endpoint>)>) -> Self {
        let mut level_of = vec![NOWHERE; len];
        let mut levels = Vec::with_capacity(groups.len());
        for (share, members) in groups {
            let number = u16::try_from(levels.len()).unwrap_or(NOWHERE);
            let mut level = Level { share, equal: true, ..Level::default() };
            let first = members.first().map(|(_, weight, _)| *weight);
            for (index, weight, _) in members {
                level.weight += weight;
                level.equal &= Some(weight) == first;
                level.candidates.push(Candidate { index, weight, cumulated: level.weight });
                if let Some(place) = level_of.get_mut(index) {
                    *place = number;
                }
            }
            levels.push(level);
        }
        Self { epoch, levels, level_of }
    }

    /// The group for one request: `dice` is any number, evenly spread.
    pub(super) fn choose(&self, dice: impl FnOnce() -> u64) -> Option<(usize, &Level)> {
        if let [only] = &*self.levels {
            return Some((0, only));
        }
        let mut thrown = dice() % 10_000;
        self.levels.iter().enumerate().find(|(_, level)| {
            let hit = thrown < level.share;
            thrown = thrown.saturating_sub(level.share);
            hit
        })
    }

    /// All candidates, the first groups first.
    pub(super) fn candidates(&self) -> impl Iterator<Item = &Candidate> {
        self.levels.iter().flat_map(|level| &level.candidates)
    }

    pub(super) fn is_in(&self, index: usize, level: usize) -> bool {
        self.level_of.get(index).is_some_and(|place| usize::from(*place) == level)
    }

    pub(super) fn is_candidate(&self, index: usize) -> bool {
        self.level_of.get(index).is_some_and(|place| *place != NOWHERE)
    }
}

impl Level {
    /// A candidate by chance, as weights say; its place in the list.
    pub(super) fn draw(&self, random: &Random) -> usize {
        if self.equal {
            return usize::try_from(random.below(self.candidates.len() as u64)).unwrap_or_default();
        }
        let drawn = random.below(self.weight);
        self.candidates.partition_point(|candidate| candidate.cumulated <= drawn)
    }

    /// Two different ones, if there are two.
    pub(super) fn draw_two(&self, random: &Random) -> (Option<&Candidate>, Option<&Candidate>) {
        let first = self.draw(random);
        let second = if self.equal {
            // Any of the others.
            let count = self.candidates.len();
            let step = 1 + usize::try_from(random.below(count.saturating_sub(1) as u64)).unwrap_or_default();
            Some((first + step) % count.max(1))
        } else {
            (0..4).map(|_| self.draw(random)).find(|second| *second != first)
        };
        (self.candidates.get(first), second.and_then(|second| self.candidates.get(second)))
    }
}

/// Index, weight, health.
type Endpoint = (usize, u64, bool);

struct Group {
    key: (u8, bool),
    all: Vec<Endpoint>,
    healthy: u64,
}

impl Group {
    /// Of 10,000 requests, so many it can take.
    fn capacity(&self) -> u64 {
        (self.healthy * OVERPROVISIONING * 100 / (self.all.len() as u64).max(1)).min(10_000)
    }
}

fn weight(endpoint: &EndpointView<'_>) -> u64 {
    (u64::from(endpoint.weight.max(1)) * u64::from(endpoint.ramp.min(1000))).max(1)
}
