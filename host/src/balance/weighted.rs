//! Choosing among weighted clusters.

use super::smooth::Credits;

/// Spreads exchanges over places by weight, smoothly and without chance: with 9 and 1, every tenth goes
/// to the second. One for each route and thread.
#[derive(Debug)]
pub struct WeightedChoice {
    weights: Box<[u32]>,
    credits: Credits,
}

impl WeightedChoice {
    /// `ahead` choices are made in advance, so that threads don't all begin with the same place.
    /// Of these no more are made than `weights` sum to, since then they repeat, and no more than 1,024.
    pub fn new(weights: impl IntoIterator<Item = u32>, ahead: u32) -> Self {
        let choice = Self { weights: weights.into_iter().collect(), credits: Credits::default() };
        let round = choice.weights.iter().map(|weight| u64::from(*weight)).sum::<u64>().clamp(1, 1024);
        for _ in 0..u64::from(ahead) % round {
            choice.choose();
        }
        choice
    }

    /// An index into the weights; none if they sum to 0. A place with weight 0 is never chosen.
    pub fn choose(&self) -> Option<usize> {
        // Most routes have one cluster.
        if let [weight] = *self.weights {
            return (weight > 0).then_some(0);
        }
        self.credits.choose(self.weights.iter().map(|weight| u64::from(*weight)).enumerate())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_round_has_each_share_and_the_small_one_in_its_midst() {
        let choice = WeightedChoice::new([9, 1], 0);
        for _ in 0..5 {
            let round: Vec<_> = (0..10).map(|_| choice.choose().unwrap()).collect();
            assert_eq!(round, [0, 0, 0, 0, 0, 1, 0, 0, 0, 0]);
        }
    }

    #[test]
    fn zero_is_never() {
        let choice = WeightedChoice::new([0, 2, 0], 0);
        assert!((0..100).all(|_| choice.choose() == Some(1)));
        for none in [&[][..], &[0], &[0, 0]] {
            assert_eq!(WeightedChoice::new(none.iter().copied(), 3).choose(), None);
        }
        assert_eq!(WeightedChoice::new([7], 3).choose(), Some(0));
    }

    #[test]
    fn threads_together_keep_the_shares() {
        let mut seen = [0; 3];
        for thread in 0..8 {
            let choice = WeightedChoice::new([70, 20, 10], thread * 13);
            (0..25).for_each(|_| seen[choice.choose().unwrap()] += 1);
        }
        // 200 choices: no share is off by more than one for each thread.
        for (share, ideal) in seen.iter().zip([140i32, 40, 20]) {
            assert!((share - ideal).abs() <= 8, "{seen:?}");
        }
    }
}
