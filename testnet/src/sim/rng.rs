//! SplitMix64 (Steele, Lea, Flood, OOPSLA 2014): small, seeded, the same everywhere.

/// A stream of draws.
#[derive(Debug, Clone)]
pub(super) struct Rng(u64);

impl Rng {
    /// The stream of a seed; `purpose` keeps streams of one seed apart, so that leaving out one fault of a history
    /// changes no other draw. The seed is mixed first: states that differ by the increment give one stream, a step apart.
    pub(super) fn new(seed: u64, purpose: u64) -> Self {
        let mut mixed = Self(seed ^ purpose.rotate_left(32));
        Self(mixed.next())
    }

    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// Below `bound`; 0 for an empty range.
    pub(super) fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound.max(1)
    }

    /// From `low` to `high`, both included.
    pub(super) fn between(&mut self, low: u64, high: u64) -> u64 {
        low + self.below(high.saturating_sub(low) + 1)
    }

    /// True `percent` times of a hundred.
    pub(super) fn chance(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }

    /// One of a list that is not empty.
    pub(super) fn pick<'a, T>(&mut self, list: &'a [T]) -> &'a T {
        &list[self.below(list.len() as u64) as usize]
    }

    /// An index below `len`.
    pub(super) fn index(&mut self, len: usize) -> usize {
        self.below(len as u64) as usize
    }

    /// Fisher-Yates.
    pub(super) fn shuffle<T>(&mut self, list: &mut [T]) {
        for i in (1..list.len()).rev() {
            list.swap(i, self.index(i + 1));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn streams_of_seeds_and_purposes_share_nothing() {
        let mut seen = BTreeSet::new();
        for seed in 0..50 {
            for purpose in 1..4 {
                let mut rng = Rng::new(seed, purpose);
                for _ in 0..50 {
                    assert!(seen.insert(rng.next()), "seed {seed}, purpose {purpose}");
                }
            }
        }
    }
}
