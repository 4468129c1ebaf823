//! Tables for consistent hashing. They are made when a cluster's members change, off the data threads, and
//! shared by these; health doesn't change them, lookups pass over what isn't fit.

use super::hash::hash;
use super::random::{GOLDEN, mix};

/// Slots of a Maglev table: a prime, and at least a hundred for each of 655 endpoints, so that shares differ by less than 1 %
/// (section 5.3 of the paper).
const MAGLEV_SLOTS: usize = 65_537;
/// For more endpoints than that.
const MAGLEV_SLOTS_LARGE: usize = 655_373;
/// Points on the ring for an endpoint of average weight; with 160, as ketama has, shares differ by some 8 %.
const RING_POINTS: u64 = 160;
/// Points for all of them; so much memory, and no more.
const RING_MOST: u64 = 1 << 20;

/// From hashes to indexes of endpoints.
#[derive(Debug, PartialEq, Eq)]
pub enum Table {
    /// Positions in order, each with its endpoint (Karger et al.: Consistent hashing and random trees, STOC 1997;
    /// points as in ketama).
    Ring(Box<[(u64, u32)]>),
    /// An endpoint for each slot (Eisenbud et al.: Maglev, NSDI 2016, section 3.4).
    Maglev(Box<[u32]>),
}

impl Table {
    /// A ring for endpoints with these names and weights. An endpoint's points depend on its name and its share of the
    /// average weight alone, so that others keep theirs when it comes or goes.
    pub fn ring(endpoints: &[(&str, u32)]) -> Self {
        let total: u64 = endpoints.iter().map(|(_, weight)| u64::from(*weight)).sum::<u64>().max(1);
        let count = endpoints.len() as u64;
        let budget = (count * RING_POINTS).min(RING_MOST.max(count));
        let mut points = Vec::with_capacity(usize::try_from(budget).unwrap_or_default());
        for (index, (name, weight)) in (0u32..).zip(endpoints) {
            let share = (u128::from(budget) * u128::from(*weight) / u128::from(total)).max(1);
            let base = hash(name.as_bytes(), 0);
            for point in 0..u64::try_from(share).unwrap_or(1) {
                points.push((mix(base.wrapping_add(point.wrapping_mul(GOLDEN))), index));
            }
        }
        points.sort_unstable();
        Self::Ring(points.into())
    }

    /// A Maglev table for endpoints with these names and weights. A weight is how often an endpoint's turn comes.
    pub fn maglev(endpoints: &[(&str, u32)]) -> Self {
        if endpoints.is_empty() {
            return Self::Maglev([].into());
        }
        let slots = if endpoints.len() > MAGLEV_SLOTS / 100 { MAGLEV_SLOTS_LARGE } else { MAGLEV_SLOTS };
        Self::maglev_of(endpoints, slots)
    }

    fn maglev_of(endpoints: &[(&str, u32)], slots: usize) -> Self {
        const FREE: u32 = u32::MAX;
        let modulus = slots as u64;
        let most = endpoints.iter().map(|(_, weight)| *weight).max().unwrap_or(1).max(1);
        // Offset, skip, how many steps were made, and credit towards the next turn.
        let mut walks: Vec<Walk> = endpoints
            .iter()
            .map(|(name, weight)| Walk {
                next: hash(name.as_bytes(), 0x6f66) % modulus,
                skip: hash(name.as_bytes(), 0x736b) % (modulus - 1) + 1,
                weight: u64::from((*weight).max(1)),
                credit: 0,
            })
            .collect();
        let mut table = vec![FREE; slots];
        let mut left = slots;
        'fill: while left > 0 {
            for (index, walk) in (0u32..).zip(&mut walks) {
                walk.credit += walk.weight;
                if walk.credit < u64::from(most) {
                    continue;
                }
                walk.credit -= u64::from(most);
                // `slots` is prime, so the walk comes by every slot, and one is free.
                while let Some(slot) = usize::try_from(walk.next).ok().and_then(|next| table.get_mut(next)) {
                    walk.next = (walk.next + walk.skip) % modulus;
                    if *slot == FREE {
                        *slot = index;
                        left -= 1;
                        break;
                    }
                }
                if left == 0 {
                    break 'fill;
                }
            }
        }
        Self::Maglev(table.into())
    }

    /// The endpoint for a hash: the first that is `fit`, in an order that depends on the hash alone. So an endpoint that
    /// isn't fit hands its requests to all others, and theirs stay where they are. None if none was found.
    pub(super) fn find(&self, hash: u64, mut fit: impl FnMut(usize) -> bool) -> Option<usize> {
        match self {
            Self::Ring(points) => {
                let start = points.partition_point(|(position, _)| *position < hash);
                let around = points.iter().skip(start).chain(points.iter().take(start));
                around.map(|(_, index)| *index as usize).find(|index| fit(*index))
            }
            Self::Maglev(slots) => {
                let mut hash = hash;
                for _ in 0..MOST_PROBES {
                    let slot = usize::try_from(hash % (slots.len() as u64).max(1)).unwrap_or_default();
                    let index = *slots.get(slot)? as usize;
                    if fit(index) {
                        return Some(index);
                    }
                    hash = mix(hash.wrapping_add(GOLDEN));
                }
                None
            }
        }
    }
}

/// Slots that a lookup looks at; then too few endpoints are fit for it, and the caller goes through them.
const MOST_PROBES: usize = 64;

struct Walk {
    next: u64,
    skip: u64,
    weight: u64,
    credit: u64,
}

#[cfg(test)]
mod tests;
