//! Vote feeds: a seat's consensus frames, chained inside one epoch; its head reports after a start; its cosignatures.
//!
//! Guarantees: a frame's place is (seat, incarnation, era, epoch, seq), and its hash covers all frames before it in
//! the same epoch, so two frames at one place are a proof against their author. The hash takes what a frame says by its
//! digest, so that a proof ([`Equivocation`](crate::evidence::Equivocation)) is short however long the frames are, and
//! the signature is over the coalition, too: a key may hold a seat in several. The chain begins anew in each epoch,
//! because after pruning or joining nobody could link a longer one.

use entente_hbbft::{Frame, Seat};
use serde::{Deserialize, Serialize};

use crate::identity::{CoalitionId, Hash, PublicKey, SecretKey, Signature, hash};
use crate::replicate::EpochProof;
use crate::time::Time;
use crate::wire;

/// Largest encoded vote frame, in bytes.
pub const MAX_VOTE_FRAME_BYTES: usize = 64 * 1024;
/// Most heads in a report: one for every epoch that may be open.
pub const MAX_REPORTED_HEADS: usize = 16;

const VOTES_DOMAIN: &str = "entente/votes/v1";
const FRAME_DOMAIN: &str = "entente/vote-frame/v1";
const VOTE_DOMAIN: &str = "entente/vote/v1";
const REQUEST_DOMAIN: &str = "entente/head-request/v1";
const REPORT_DOMAIN: &str = "entente/head-report/v1";

/// Where the chain of a seat's frames in one epoch stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct VoteFeed {
    /// The seat.
    pub seat: Seat,
    /// Counts the seat's restores.
    pub incarnation: u32,
    /// Counts changes of the committee.
    pub era: u32,
    /// The epoch.
    pub epoch: u64,
}

impl VoteFeed {
    /// The hash that the chain begins with.
    pub fn root(&self, coalition: &CoalitionId) -> Hash {
        hash("entente/vote-feed/v1", &[coalition.as_bytes(), &wire::encode(self)])
    }
}

/// The digest of what a frame says, as it goes into the frame's hash.
pub fn votes_digest(votes: &Frame) -> Hash {
    hash(VOTES_DOMAIN, &[&wire::encode(votes)])
}

/// The hash of a frame from its place, the hash before it, and the digest of what it says.
pub fn frame_hash(feed: &VoteFeed, seq: u32, previous: &Hash, votes: &Hash) -> Hash {
    hash(FRAME_DOMAIN, &[previous.as_bytes(), votes.as_bytes(), &wire::encode(&(feed, seq))])
}

/// Whether `signature` is by `key` over a frame's hash in this coalition.
pub fn verify_frame_hash(
    coalition: &CoalitionId,
    hash: &Hash,
    signature: &Signature,
    key: &PublicKey,
) -> bool {
    key.verify(VOTE_DOMAIN, &hash_message(coalition, hash), signature)
}

fn hash_message(coalition: &CoalitionId, hash: &Hash) -> Vec<u8> {
    wire::encode(&(coalition, hash))
}

/// One frame of a vote feed: all messages that one step made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VoteFrame {
    /// The chain.
    pub feed: VoteFeed,
    /// The place in it, from 0.
    pub seq: u32,
    /// Hash of the frame before; the feed's root for the first.
    pub previous: Hash,
    /// The messages.
    pub votes: Frame,
    /// By the seat, over the coalition and [`VoteFrame::hash`].
    pub signature: Signature,
}

impl VoteFrame {
    /// Makes and signs a frame.
    pub fn sign(
        coalition: &CoalitionId,
        feed: VoteFeed,
        seq: u32,
        previous: Hash,
        votes: Frame,
        key: &SecretKey,
    ) -> Self {
        let hash = frame_hash(&feed, seq, &previous, &votes_digest(&votes));
        let signature = key.sign(VOTE_DOMAIN, &hash_message(coalition, &hash));
        Self { feed, seq, previous, votes, signature }
    }

    /// The hash of this frame, which covers the chain up to it.
    pub fn hash(&self) -> Hash {
        frame_hash(&self.feed, self.seq, &self.previous, &votes_digest(&self.votes))
    }

    /// Whether the seat's key signed this frame.
    pub fn verify(&self, coalition: &CoalitionId, key: &PublicKey) -> bool {
        verify_frame_hash(coalition, &self.hash(), &self.signature, key)
    }

    /// The signed head that this frame ends.
    pub fn head(&self) -> VoteHead {
        VoteHead { feed: self.feed, frames: self.seq + 1, hash: self.hash(), signature: self.signature }
    }
}

/// A seat's signed head in one epoch, without the frames.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct VoteHead {
    /// The chain.
    pub feed: VoteFeed,
    /// How many frames.
    pub frames: u32,
    /// Hash of the last.
    pub hash: Hash,
    /// By the seat, over the coalition and `hash`.
    pub signature: Signature,
}

impl VoteHead {
    /// Whether the seat's key signed this head.
    pub fn verify(&self, coalition: &CoalitionId, key: &PublicKey) -> bool {
        verify_frame_hash(coalition, &self.hash, &self.signature, key)
    }
}

/// A seat that has just started asks what others know it to have said. Signed, because it is passed on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeadRequest {
    /// The starter.
    pub seat: Seat,
    /// Fresh for every start: old reports must not count.
    pub nonce: [u8; 32],
    /// When it asks, by its own clock; a later request replaces an earlier one.
    pub asked_at: Time,
    /// By the starter's seat key.
    pub signature: Signature,
}

impl HeadRequest {
    fn message(coalition: &CoalitionId, seat: Seat, nonce: &[u8; 32], asked_at: Time) -> Vec<u8> {
        wire::encode(&(coalition, seat, nonce, asked_at))
    }

    /// Makes and signs a request.
    pub fn sign(
        coalition: &CoalitionId,
        seat: Seat,
        nonce: [u8; 32],
        asked_at: Time,
        key: &SecretKey,
    ) -> Self {
        let signature = key.sign(REQUEST_DOMAIN, &Self::message(coalition, seat, &nonce, asked_at));
        Self { seat, nonce, asked_at, signature }
    }

    /// Whether the starter's key signed this request.
    pub fn verify(&self, coalition: &CoalitionId, key: &PublicKey) -> bool {
        let message = Self::message(coalition, self.seat, &self.nonce, self.asked_at);
        key.verify(REQUEST_DOMAIN, &message, &self.signature)
    }
}

/// What a reporter knows of a starter.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeadReport {
    /// The starter.
    pub starter: Seat,
    /// Its nonce.
    pub nonce: [u8; 32],
    /// Who reports.
    pub reporter: Seat,
    /// The last certified checkpoint that the reporter holds; none before the first.
    pub certified: Option<Box<EpochProof>>,
    /// The starter's own signed heads in every epoch above that.
    pub heads: Vec<VoteHead>,
    /// By the reporter's seat key.
    pub signature: Signature,
}

impl HeadReport {
    fn message(&self, coalition: &CoalitionId) -> Vec<u8> {
        wire::encode(&(coalition, self.starter, self.nonce, self.reporter, &self.certified, &self.heads))
    }

    /// Makes and signs a report that answers `request`.
    pub fn sign(
        coalition: &CoalitionId,
        request: &HeadRequest,
        reporter: Seat,
        certified: Option<Box<EpochProof>>,
        heads: Vec<VoteHead>,
        key: &SecretKey,
    ) -> Self {
        let signature = Signature::from_ed25519([0; 64]);
        let mut report =
            Self { starter: request.seat, nonce: request.nonce, reporter, certified, heads, signature };
        report.signature = key.sign(REPORT_DOMAIN, &report.message(coalition));
        report
    }

    /// Whether the reporter's key signed this report.
    pub fn verify(&self, coalition: &CoalitionId, key: &PublicKey) -> bool {
        self.heads.len() <= MAX_REPORTED_HEADS
            && key.verify(REPORT_DOMAIN, &self.message(coalition), &self.signature)
    }
}
