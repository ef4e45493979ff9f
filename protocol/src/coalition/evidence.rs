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
use crate::time::Time;
use crate::vote::VoteFeed;
use crate::wire;

const FROZEN_DOMAIN: &str = "entente/state/frozen/v1";
const FROZEN_KEY_DOMAIN: &str = "entente/state/key/frozen/v1";
const CONVICTED_DOMAIN: &str = "entente/state/convicted/v1";
const CONVICTED_KEY_DOMAIN: &str = "entente/state/key/convicted/v1";

/// Where evidence stands in the log, and who reported it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Ordered {
    /// Log index.
    pub index: u64,
    /// The epoch that ordered it.
    pub epoch: u64,
    /// Batch time.
    pub time: Time,
    /// The feed that carries it.
    pub feed: FeedKey,
    /// Its length there.
    pub length: u64,
    /// Its hash there.
    pub hash: Hash,
}

impl From<&ApplyContext> for Ordered {
    fn from(context: &ApplyContext) -> Self {
        let ApplyContext { index, epoch, time, feed, length, hash } = *context;
        Self { index, epoch, time, feed, length, hash }
    }
}

/// A feed whose fork is proved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Frozen {
    /// Where the branches differ.
    pub length: u64,
    /// The proof.
    pub ordered: Ordered,
}

/// A seat that is proved to have signed two frames at one place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Convicted {
    /// The chain.
    pub feed: VoteFeed,
    /// The place in it.
    pub seq: u32,
    /// The proof.
    pub ordered: Ordered,
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
        let frozen = Frozen { length, ordered: Ordered::from(context) };
        let (key, value) = frozen_pair(&feed, &frozen);
        root.insert(key, value);
        self.frozen.insert(feed, frozen);
    }

    pub(super) fn convict(&mut self, proof: &Equivocation, context: &ApplyContext, root: &mut Map) {
        let convicted = Convicted { feed: proof.feed, seq: proof.seq, ordered: Ordered::from(context) };
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
