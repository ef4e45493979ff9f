//! Frozen feeds and convicted seats: what ordered evidence has proved.
//!
//! Guarantees: the first proof that is ordered counts, and everyone has the same. Bounded: at most one freeze for each feed that
//! is enrolled and one conviction for each seat. Nothing is ever taken back.

use std::collections::BTreeMap;

use entente_hbbft::Seat;
use serde::{Deserialize, Serialize};

use super::items::{Item, Tree};
use super::state::ApplyContext;
use crate::feed::FeedKey;
use crate::vote::VoteFeed;

/// A feed whose fork is proved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Frozen {
    /// Where the branches differ.
    pub length: u64,
    /// The proof.
    pub ordered: ApplyContext,
}

/// A seat that is proved to have signed two frames at one place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
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

    /// The first proof against a feed.
    pub(super) fn freeze(&mut self, feed: FeedKey, frozen: Frozen, root: &mut Tree) {
        root.put(&Item::Frozen(feed, frozen));
        self.frozen.insert(feed, frozen);
    }

    /// The first proof against a seat.
    pub(super) fn convict(&mut self, convicted: Convicted, root: &mut Tree) {
        root.put(&Item::Convicted(convicted));
        self.convicted.insert(convicted.feed.seat, convicted);
    }
}
