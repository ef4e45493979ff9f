//! Frozen feeds and convicted seats: what ordered evidence has proved.
//!
//! Guarantees: the first proof that is ordered counts, and everyone has the same. Bounded: at most one freeze for each feed that
//! is enrolled and one conviction for each seat. Nothing is ever taken back.

use std::collections::BTreeMap;

use entente_hbbft::Seat;
use serde::Serialize;

use super::map::Map;
use super::state::ApplyContext;
use crate::evidence::Equivocation;
use crate::feed::FeedKey;
use crate::identity::{Hash, hash};
use crate::vote::VoteFeed;
use crate::wire;

const FROZEN_DOMAIN: &str = "entente/state/frozen/v1";
const FROZEN_KEY_DOMAIN: &str = "entente/state/key/frozen/v1";
const CONVICTED_DOMAIN: &str = "entente/state/convicted/v1";
const CONVICTED_KEY_DOMAIN: &str = "entente/state/key/convicted/v1";

/// A feed whose fork is proved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Frozen {
    /// Where the branches differ.
    pub length: u64,
    /// The proof.
    pub ordered: ApplyContext,
}

/// A seat that is proved to have signed two frames at one place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Convicted {
    /// The chain.
    pub feed: VoteFeed,
    /// The place in it.
    pub seq: u32,
    /// The proof.
    pub ordered: ApplyContext,
}

/// All that is proved.
#[derive(Debug, Clone, Default)]
pub(super) struct Proved {
    frozen: BTreeMap<FeedKey, Frozen>,
    convicted: BTreeMap<Seat, Convicted>,
}

impl Proved {
    pub(super) fn frozen(&self) -> &BTreeMap<FeedKey, Frozen> {
        &self.frozen
    }

    pub(super) fn convicted(&self) -> &BTreeMap<Seat, Convicted> {
        &self.convicted
    }

    pub(super) fn freeze(&mut self, feed: FeedKey, length: u64, context: &ApplyContext, root: &mut Map) {
        let frozen = Frozen { length, ordered: *context };
        let (key, value) = frozen_pair(&feed, &frozen);
        root.insert(key, value);
        self.frozen.insert(feed, frozen);
    }

    pub(super) fn convict(&mut self, proof: &Equivocation, context: &ApplyContext, root: &mut Map) {
        let convicted = Convicted { feed: proof.feed, seq: proof.seq, ordered: *context };
        let (key, value) = convicted_pair(&convicted);
        root.insert(key, value);
        self.convicted.insert(proof.feed.seat, convicted);
    }

    /// Everything that is proved, with its key and value under the state root.
    #[cfg(test)]
    pub(super) fn leaves(&self) -> impl Iterator<Item = (Hash, Hash)> {
        let frozen = self.frozen.iter().map(|(feed, frozen)| frozen_pair(feed, frozen));
        frozen.chain(self.convicted.values().map(convicted_pair))
    }
}

fn frozen_pair(feed: &FeedKey, frozen: &Frozen) -> (Hash, Hash) {
    (hash(FROZEN_KEY_DOMAIN, &[&wire::encode(feed)]), hash(FROZEN_DOMAIN, &[&wire::encode(frozen)]))
}

fn convicted_pair(convicted: &Convicted) -> (Hash, Hash) {
    let key = hash(CONVICTED_KEY_DOMAIN, &[&wire::encode(&convicted.feed.seat)]);
    (key, hash(CONVICTED_DOMAIN, &[&wire::encode(convicted)]))
}
