//! The messages between two nodes, each at most [`MAX_MESSAGE_BYTES`] encoded.
//!
//! Authors push what is new to every peer; everyone else learns by frontiers ([`Have`]) what there is and asks for
//! what it lacks ([`Want`]). So a full mesh carries each thing once per link at most, and where a link is cut, words
//! travel through any member in between.

use entente_hbbft::{Brief, Digest, Seat};
use serde::{Deserialize, Serialize};

use crate::coalition::Page;
use crate::feed::{FeedKey, Head, Run};
use crate::identity::{CoalitionId, Hash, Signature};
use crate::leaf::{EpochRecord, Leaf};
use crate::ledger::cosignature::{Certificate, Cosigners, TreeHead};
use crate::ledger::merkle::{leaf_hash, verify_inclusion};
use crate::vote::{HeadReport, HeadRequest, VoteFrame};
use crate::wire::byte_string;

/// Largest encoded message between peers, in bytes.
pub const MAX_MESSAGE_BYTES: usize = 256 * 1024;

/// A message between two nodes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum PeerMessage {
    /// What the sender holds.
    Have(Have),
    /// What the sender asks for.
    Want(Want),
    /// Entries of a record feed.
    Run(Run),
    /// A seat's frame.
    Frame(VoteFrame),
    /// A seat's contribution to an epoch.
    Payload {
        /// The epoch.
        epoch: u64,
        /// Its bytes.
        #[serde(with = "byte_string")]
        bytes: Vec<u8>,
    },
    /// A seat's cosignature of the checkpoint of an epoch.
    Cosign(Cosign),
    /// A certified checkpoint.
    Certificate {
        /// The epoch that it ends with.
        epoch: u64,
        /// Checkpoint and cosignatures.
        certificate: Certificate,
    },
    /// An epoch that is certified.
    Epoch(EpochProof),
    /// All that there was to a want has been sent.
    Served(Want),
    /// A seat asks after its start what others know it to have said.
    HeadRequest(HeadRequest),
    /// The answer.
    HeadReport(HeadReport),
    /// A seat's next frame, from its own node.
    Spoken(Spoken),
    /// The epoch of which the sender has a copy of the state: that it is certified.
    Snapshot(EpochProof),
    /// A part of that copy.
    State {
        /// The epoch.
        epoch: u64,
        /// The last key before it; none for the first.
        after: Option<Hash>,
        /// The part.
        page: Page,
    },
}

/// A frame of the seat that the sender holds, without what follows from the frames before it: the reader has these, or
/// asks for whole frames.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spoken {
    /// The epoch.
    pub epoch: u64,
    /// The place in the seat's chain, from 0.
    pub seq: u32,
    /// The contribution that the frame proposes; empty if it proposes none.
    #[serde(with = "byte_string")]
    pub payload: Vec<u8>,
    /// What it says.
    pub votes: Brief,
    /// Of the whole frame.
    pub signature: Signature,
}

/// A frontier: the whole on connecting, later what has changed. To a whole one that comes again its receiver answers
/// how far it is, since something may have been lost.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Have {
    /// Whether this is the sender's whole frontier; to who has had it, of feeds only what it is not known to hold.
    pub whole: bool,
    /// Record feeds: how far the sender holds them durably.
    pub feeds: Vec<(FeedKey, Head)>,
    /// The last epoch that the sender has applied.
    pub applied: u64,
    /// The last epoch whose certificate the sender holds.
    pub certified: u64,
    /// Open epochs.
    pub epochs: Vec<EpochHave>,
    /// The seats whose nodes the sender is connected with, its own included, as a bitmap.
    #[serde(with = "byte_string")]
    pub linked: Vec<u8>,
    /// The seat that the sender holds: of a partner's nodes one does.
    pub seat: Option<Seat>,
}

/// What the sender holds of an open epoch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EpochHave {
    /// The epoch.
    pub epoch: u64,
    /// How many frames of each seat, in seat order.
    pub frames: Vec<u32>,
    /// The seats whose cosignatures it holds, as a bitmap; empty for none.
    #[serde(with = "byte_string")]
    pub cosigned: Vec<u8>,
}

/// Something that the sender lacks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Want {
    /// Entries of a record feed after `from`.
    Entries {
        /// The feed.
        feed: FeedKey,
        /// The last length held.
        from: u64,
        /// Serve only if this is the hash at that place of the branch that is asked for.
        to: Option<Head>,
    },
    /// Frames of an epoch from a place on in each named seat's chain.
    Frames {
        /// The epoch.
        epoch: u64,
        /// Seat and first place wanted.
        from: Vec<(Seat, u32)>,
    },
    /// A contribution.
    Payload {
        /// The epoch.
        epoch: u64,
        /// Its digest.
        digest: Digest,
    },
    /// Cosignatures of an epoch by the named seats.
    Cosignatures {
        /// The epoch.
        epoch: u64,
        /// The seats.
        seats: Vec<Seat>,
    },
    /// The certificate of the first certified epoch at or after this one.
    Certificate {
        /// The epoch.
        epoch: u64,
    },
    /// Certified epochs from this one on, with the contributions that each agreed on.
    Epochs {
        /// The first.
        from: u64,
    },
    /// The epoch of the peer's copy of the state, if it lies above this one.
    Snapshot {
        /// The epoch.
        above: u64,
    },
    /// The next part of the copy of the state of an epoch.
    State {
        /// The epoch.
        epoch: u64,
        /// The last key that is there.
        after: Option<Hash>,
    },
}

/// Proof that an epoch is certified: its record, and the path from there to the root of a certified checkpoint, which
/// may be a later epoch's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EpochProof {
    /// Checkpoint and cosignatures.
    pub certificate: Certificate,
    /// Log index of the record, the last leaf of its epoch.
    pub index: u64,
    /// The epoch's record, as it stands in the log.
    #[serde(with = "byte_string")]
    pub leaf: Vec<u8>,
    /// The leaf's sibling first, the root's child last.
    pub path: Vec<Hash>,
}

impl EpochProof {
    /// The record of the epoch that is certified by this, if everything holds.
    pub fn verify(&self, coalition: &CoalitionId, cosigners: &Cosigners) -> Option<EpochRecord> {
        self.certificate.verify(cosigners).ok()?;
        self.record(coalition)
    }

    /// As [`EpochProof::verify`], where the certificate is known to hold.
    pub fn record(&self, coalition: &CoalitionId) -> Option<EpochRecord> {
        let TreeHead { size, root, .. } = &self.certificate.head;
        verify_inclusion(&leaf_hash(&self.leaf), self.index, *size, &self.path, root).ok()?;
        match Leaf::decode(&self.leaf).ok()? {
            Leaf::Epoch(record) if record.coalition == *coalition => Some(*record),
            _ => None,
        }
    }

    /// Whether the certificate is of the very batch that this proves.
    pub fn is_last(&self) -> bool {
        self.index.checked_add(1) == Some(self.certificate.head.size)
    }
}

/// A seat's cosignature.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cosign {
    /// The seat.
    pub seat: Seat,
    /// The epoch that the checkpoint ends with.
    pub epoch: u64,
    /// The log after that batch.
    pub head: TreeHead,
    /// The cosignature/v1 signature.
    pub signature: Signature,
}
