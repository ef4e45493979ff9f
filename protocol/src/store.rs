//! What must be durable, and what is read back: the engine's side of storage.
//!
//! Guarantees asked of a store: the [`Write`]s of one commit become durable together and in order, or not at all;
//! reads see every write before them. Damage is reported as [`Damage`] and never guessed around.

mod memory;

use entente_hbbft::{Digest, Seat};
use thiserror::Error;

pub use self::memory::Memory;
use crate::feed::{BodyBytes, FeedKey, ForkProof, Head, Run};
use crate::identity::{Hash, PublicKey, Signature};
use crate::leaf::Leaf;
use crate::ledger::cosignature::Certificate;
use crate::ledger::merkle::Nodes;
use crate::replicate::EpochProof;
use crate::time::Time;
use crate::vote::VoteFrame;
use crate::wire::byte_string;

/// Something to make durable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Write {
    /// Entries of a record feed: each body and hash at its length, and the signature at the last.
    Run {
        /// The verified run, without entries that the store already has.
        run: Run,
        /// The heads after each of its entries.
        heads: Vec<Head>,
    },
    /// Drops the entries of a feed above a length: its branch lost.
    Truncate {
        /// The feed.
        feed: FeedKey,
        /// The last length to keep.
        length: u64,
    },
    /// A vote frame, own or another seat's.
    Frame(VoteFrame),
    /// A contribution to an epoch, by digest.
    Payload {
        /// The epoch.
        epoch: u64,
        /// Its digest.
        digest: Digest,
        /// Its bytes.
        bytes: Vec<u8>,
    },
    /// What an epoch ordered.
    Batch(Batch),
    /// A certified checkpoint, by epoch.
    Certificate {
        /// The epoch whose batch the checkpoint ends with.
        epoch: u64,
        /// Checkpoint and cosignatures.
        certificate: Certificate,
    },
    /// Proof that an epoch is certified by a later one's checkpoint; the last one counts.
    Proof(Box<EpochProof>),
    /// Vote frames and contributions of epochs up to this one are needed no more.
    Forget {
        /// The epoch.
        epoch: u64,
    },
    /// The copy of the state moves on.
    Snapshot(Box<Snapshot>),
    /// Proof that an author forked its record feed: at most one for each feed.
    Fork(Box<FoundFork>),
    /// Proof that a seat signed two frames at one place: at most one for each seat.
    Equivocation(Box<[VoteFrame; 2]>),
    /// The node was restored: from now on it writes in this incarnation of its feeds, and its seat is silent. What was
    /// noticed before is settled by it.
    Restored {
        /// The incarnation.
        incarnation: u32,
    },
    /// Others hold own words that the store lacks: it is an old copy, and must be restored before it is used.
    RolledBack {
        /// The greatest incarnation in which such words were seen.
        incarnation: u32,
    },
}

/// Which of its own lives a node is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
pub struct Lives {
    /// The incarnation in which it writes; 0 until it was restored for the first time.
    pub incarnation: u32,
    /// The greatest incarnation in which others were seen to hold own words that the store lacks, since the last restore.
    pub rolled_back: Option<u32>,
}

impl Lives {
    /// What a write makes of them.
    pub fn written(&mut self, write: &Write) {
        match write {
            Write::Restored { incarnation } => *self = Self { incarnation: *incarnation, rolled_back: None },
            Write::RolledBack { incarnation } => {
                self.rolled_back = self.rolled_back.max(Some(*incarnation));
            }
            _ => {}
        }
    }
}

/// Of which epoch a copy of the state is.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Mark {
    /// The epoch.
    pub epoch: u64,
    /// Log index of its record.
    pub index: u64,
    /// Its record, as it stands in the log.
    #[serde(with = "byte_string")]
    pub leaf: Vec<u8>,
}

impl Mark {
    /// How far the epoch's record says that a feed is ordered; nothing if it is none, or does not name it.
    pub fn committed_of(&self, feed: &FeedKey) -> Option<Head> {
        self.committed().into_iter().find(|(of, _)| of == feed).map(|(_, head)| head)
    }

    /// How far the epoch's record says that feeds are ordered; nothing if it is none.
    pub fn committed(&self) -> Vec<(FeedKey, Head)> {
        match Leaf::decode(&self.leaf) {
            Ok(Leaf::Epoch(record)) => {
                record.committed.into_iter().map(|(feed, head, _)| (feed, head)).collect()
            }
            _ => Vec::new(),
        }
    }
}

/// A copy of the state as of an epoch's end, as it differs from the one before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    /// Which epoch's.
    pub mark: Mark,
    /// The bytes of each item by key; none for one that is gone.
    pub items: Vec<(Hash, Option<Vec<u8>>)>,
    /// Where the state was taken from others. Then `items` are all that there are; batches, leaves and entries up to there
    /// may be missing, the log goes on behind them, and feeds behind their committed heads.
    pub taken: Option<Taken>,
}

/// What a copy of the state that was taken from others stands on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Taken {
    /// Roots of perfect subtrees of the log up to the epoch's record: level, index, hash.
    pub nodes: Vec<(u8, u64, Hash)>,
    /// Proof that the epoch is certified; from now on the last one.
    pub proof: EpochProof,
}

/// A fork as it was found.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct FoundFork {
    /// The proof.
    pub proof: ForkProof,
    /// The bodies of the two entries that contradict each other, as far as they were at hand, in the order of the proof.
    pub bodies: [Option<BodyBytes>; 2],
    /// Who brought the branch that was not held, and which of the two that is.
    pub brought: (PublicKey, u8),
    /// When it was found, by this node's clock.
    pub found: Time,
}

/// What an epoch ordered, and what the log grew by.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Batch {
    /// The epoch.
    pub epoch: u64,
    /// The agreed contributions, which determine all the rest.
    pub agreed: Vec<(Seat, Vec<u8>)>,
    /// Batch time.
    pub time: Time,
    /// Log index of the first leaf.
    pub first_index: u64,
    /// The encoded leaves; the last is the epoch record.
    pub leaves: Vec<Vec<u8>>,
    /// Merkle tree nodes completed by these leaves: level, index, hash.
    pub nodes: Vec<(u8, u64, Hash)>,
    /// Root of the log after the last leaf.
    pub root: Hash,
}

impl Batch {
    /// Size of the log after this batch.
    pub fn size(&self) -> u64 {
        self.first_index + self.leaves.len() as u64
    }
}

/// An entry as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredEntry {
    /// The entry's hash.
    pub hash: Hash,
    /// Its body.
    pub body: Vec<u8>,
    /// The author's signature over the head at this length, where a run ended here.
    pub signature: Option<Signature>,
}

/// The store is damaged, or cannot be read: what, and where.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{what}: {why}")]
pub struct Damage {
    /// Which object.
    pub what: String,
    /// What is wrong with it.
    pub why: String,
}

/// Reading back.
pub trait Archive: Nodes {
    /// The hash that a feed begins with.
    fn feed_root(&self, feed: &FeedKey) -> Hash;
    /// Which incarnation the node is in.
    fn lives(&self) -> Result<Lives, Damage>;
    /// All feeds with entries, and how far they are held.
    fn feeds(&self) -> Result<Vec<(FeedKey, Head)>, Damage>;
    /// One entry.
    fn entry(&self, feed: &FeedKey, length: u64) -> Result<Option<StoredEntry>, Damage>;
    /// Frames of a seat in an epoch from `seq` on, at most `limit`, in order.
    fn frames(&self, epoch: u64, seat: Seat, seq: u32, limit: usize) -> Result<Vec<VoteFrame>, Damage>;
    /// A contribution.
    fn payload(&self, epoch: u64, digest: &Digest) -> Result<Option<Vec<u8>>, Damage>;
    /// All contributions held for an epoch.
    fn payloads(&self, epoch: u64) -> Result<Vec<Vec<u8>>, Damage>;
    /// What an epoch ordered.
    fn batch(&self, epoch: u64) -> Result<Option<Batch>, Damage>;
    /// The certificate of the first certified epoch at or after `epoch`.
    fn certificate(&self, epoch: u64) -> Result<Option<(u64, Certificate)>, Damage>;
    /// The certificate of the last certified epoch.
    fn last_certificate(&self) -> Result<Option<(u64, Certificate)>, Damage>;
    /// The last proof that an epoch is certified by a later one's checkpoint.
    fn last_proof(&self) -> Result<Option<EpochProof>, Damage>;
    /// Of which epoch the copy of the state is.
    fn snapshot(&self) -> Result<Option<Mark>, Damage>;
    /// The last copy that was taken from others: what lies at or below it may be missing.
    fn floor(&self) -> Result<Option<Mark>, Damage>;
    /// Items of the copy by ascending key, behind `after` and up to `last` where these are given: no more than
    /// `limit` bytes of them, but one at least.
    fn items(
        &self,
        after: Option<&Hash>,
        last: Option<&Hash>,
        limit: usize,
    ) -> Result<Vec<(Hash, Vec<u8>)>, Damage>;
    /// Proofs of forks, by feed.
    fn forks(&self) -> Result<Vec<FoundFork>, Damage>;
    /// Proofs that seats signed two frames at one place.
    fn equivocations(&self) -> Result<Vec<[VoteFrame; 2]>, Damage>;
}
