//! The leaves of a coalition's log.
//!
//! Guarantees: leaves are a function of the order and of the rules alone, so every seat computes the same ones; node
//! signatures are outside. A decision is a leaf, computed by every seat, so a receipt for it proves that no veto was
//! left out. The last leaf of a batch is its [`EpochRecord`], which steers the next epoch.

use entente_hbbft::{Digest, Seat};
use serde::{Deserialize, Serialize};

use crate::coalition::{Decision, Disposition, Ruled};
use crate::feed::{FeedKey, Head};
use crate::identity::{CoalitionId, Hash, RecordId};
use crate::time::Time;
use crate::wire::{self, WireError};

/// Largest encoded leaf, in bytes: an epoch record of [`MAX_FEEDS`](crate::frontier::MAX_FEEDS) feeds.
pub const MAX_LEAF_BYTES: usize = 512 * 1024;

/// A leaf of the log.
#[expect(clippy::large_enum_variant, reason = "most leaves are entries, which are made one at a time")]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Leaf {
    /// An ordered entry.
    Entry(EntryLeaf),
    /// An operation's outcome.
    Decision(Box<Decision>),
    /// The end of a batch.
    Epoch(Box<EpochRecord>),
    /// The ruling on a dispute.
    Ruling(Box<Ruled>),
}

impl Leaf {
    /// Canonical bytes, as they are hashed into the log.
    pub fn encode(&self) -> Vec<u8> {
        wire::encode(self)
    }

    /// Reads a leaf.
    pub fn decode(bytes: &[u8]) -> Result<Self, WireError> {
        wire::decode(bytes, MAX_LEAF_BYTES)
    }
}

/// An entry at its place in the order, and what it did. An entry that was parked has a second leaf when it is
/// released.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EntryLeaf {
    /// The feed.
    pub feed: FeedKey,
    /// The length there.
    pub length: u64,
    /// The entry's hash.
    pub hash: Hash,
    /// The id of the record in it; none for a body that is no signed record.
    pub record: Option<RecordId>,
    /// What became of it.
    pub disposition: Disposition,
}

/// What an epoch ends with: all that steers the next one. Nothing that depends on what a seat happens to hold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EpochRecord {
    /// The coalition.
    pub coalition: CoalitionId,
    /// Counts changes of the committee.
    pub era: u32,
    /// The epoch.
    pub epoch: u64,
    /// Number of seats.
    pub seats: u16,
    /// Version of the charter in force.
    pub charter_version: u32,
    /// The seats whose contributions were agreed, and the digests of these.
    pub agreed: Vec<(Seat, Digest)>,
    /// Committed heads of the feeds that have entries or are frozen, in the order of claims, and whether each is frozen
    /// by what is ordered up to this batch.
    pub committed: Vec<(FeedKey, Head, bool)>,
    /// Root of the coalition's state after this batch.
    pub state_root: Hash,
    /// Batch time.
    pub time: Time,
    /// Which coin the next epoch uses.
    pub coin: CoinMode,
    /// Version of the threshold keys; 0 while there are none.
    pub key_version: u32,
    /// The set of dealings that the next key is made of.
    pub dealings: Option<Hash>,
    /// Epoch at which a change that is decided takes effect.
    pub activation: Option<u64>,
}

/// Where the common coin comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum CoinMode {
    /// A hash that everyone can compute: agreement and validity hold, termination only against a scheduler that does
    /// not play known coins.
    Public,
    /// Threshold shares.
    Threshold,
}
