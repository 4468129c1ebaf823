//! Smooth weighted round-robin (as nginx has it), the one algorithm behind endpoints and weighted clusters.
//!
//! Each choice credits every candidate with its weight, takes the one with the most credit, and
//! debits that one with the sum of the weights. So over as many choices as the weights sum to, each
//! candidate is taken as often as its weight says, and not in a row: 5, 1, 1 gives `a a b a c a a`.

use std::cell::RefCell;

/// The credits, by index. One thread's own.
#[derive(Debug, Default)]
pub(super) struct Credits(RefCell<Vec<i64>>);

impl Credits {
    /// Choose one of `candidates`, which come by index with their weights. The credit of one that isn't a candidate this
    /// time stays for the next time it is.
    ///
    /// None if there is no candidate with a weight above 0.
    pub(super) fn choose(&self, candidates: impl IntoIterator<Item = (usize, u64)>) -> Option<usize> {
        // Nobody else is in here: `candidates` can't reach these credits.
        let mut credits = self.0.try_borrow_mut().ok()?;
        let mut total = 0i64;
        let mut best: Option<(usize, i64)> = None;
        for (index, weight) in candidates.into_iter().filter(|(_, weight)| *weight > 0) {
            if index >= credits.len() {
                credits.resize(index + 1, 0);
            }
            let credit = credits.get_mut(index)?;
            let weight = i64::try_from(weight).unwrap_or(i64::MAX);
            *credit = credit.saturating_add(weight);
            total = total.saturating_add(weight);
            if best.is_none_or(|(_, most)| *credit > most) {
                best = Some((index, *credit));
            }
        }
        let (index, _) = best?;
        let credit = credits.get_mut(index)?;
        *credit = credit.saturating_sub(total);
        Some(index)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn choices(weights: &[u64], count: usize) -> Vec<usize> {
        let credits = Credits::default();
        (0..count).filter_map(|_| credits.choose(weights.iter().copied().enumerate())).collect()
    }

    #[test]
    fn choices_are_spread_and_not_in_a_row() {
        assert_eq!(choices(&[5, 1, 1], 7), [0, 0, 1, 0, 2, 0, 0]);
        assert_eq!(choices(&[1, 1, 1], 4), [0, 1, 2, 0]);
        assert_eq!(choices(&[2, 0, 1], 3), [0, 2, 0]);
        assert!(choices(&[0, 0], 3).is_empty());
        assert!(choices(&[], 3).is_empty());
    }

    #[test]
    fn huge_weights_do_not_overflow() {
        let shares = choices(&[u32::MAX.into(), u32::MAX.into(), 1], 1000);
        assert_eq!(shares.iter().filter(|index| **index == 0).count(), 500);
    }
}
