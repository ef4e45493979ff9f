//! Two copies with one identity, each of which talks to some of the others: what the engine says is all true, twice.

use std::collections::BTreeSet;

use crate::sim::rng::Rng;

pub(in crate::sim) struct Twins {
    /// By copy: the processes that it has no link with.
    pub(in crate::sim) apart: [BTreeSet<usize>; 2],
}

impl Twins {
    /// Parts the other processes between the two, who talk to all of them together.
    pub(in crate::sim) fn new(others: impl Iterator<Item = usize>, rng: &mut Rng) -> Self {
        let mut apart = [BTreeSet::new(), BTreeSet::new()];
        for other in others {
            // Whoever talks to both shows each what the other said.
            if !rng.chance(10) {
                apart[rng.index(2)].insert(other);
            }
        }
        Self { apart }
    }
}
