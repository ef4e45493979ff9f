//! What must be durable, and what is read back: the engine's side of storage.
//!
//! Guarantees asked of a store: the [`Write`]s of one commit become durable together and in order, or not at all;
//! reads see every write before them. Damage is reported as [`Damage`] and never guessed around.

use entente_hbbft::{Digest, Seat};
use thiserror::Error;

use crate::feed::{BodyBytes, FeedKey, ForkProof, Head, Run};
use crate::identity::{Hash, PublicKey, Signature};
use crate::ledger::cosignature::Certificate;
use crate::ledger::merkle::Nodes;
use crate::replicate::EpochProof;
use crate::time::Time;
use crate::vote::VoteFrame;

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
    /// Proofs of forks, by feed.
    fn forks(&self) -> Result<Vec<FoundFork>, Damage>;
    /// Proofs that seats signed two frames at one place.
    fn equivocations(&self) -> Result<Vec<[VoteFrame; 2]>, Damage>;
}
