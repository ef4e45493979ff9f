//! Evidence: what a feed's author or a seat is proved to have done.

use entente_protocol::identity::{EvidenceId, Hash, Signature};
use entente_protocol::time::Time;
use serde::{Deserialize, Serialize};

use super::FeedView;
/// What evidence is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EvidenceKind {
    /// A record feed with two branches.
    Fork,
    /// A seat that signed two vote frames at one place.
    Equivocation,
}

/// A piece of evidence: one for each feed or seat.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EvidenceView {
    /// Its id, the same at all nodes.
    pub id: EvidenceId,
    /// What it is about.
    pub kind: EvidenceKind,
    /// Whose feed or seat.
    pub partner: String,
    /// The feed, and where its branches differ.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub feed: Option<FeedView>,
    /// The place of the two frames.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub votes: Option<VotesView>,
    /// When this node found it by itself; it may know it from the log alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub found: Option<Time>,
    /// Where it stands in the log; none while it is only held here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ordered: Option<OrderedView>,
    /// Whether the feed is frozen since that leaf.
    pub frozen: bool,
}

/// A place in a seat's vote feed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct VotesView {
    /// The seat.
    pub seat: u16,
    /// The epoch.
    pub epoch: u64,
    /// The frame's place in the epoch, from 0.
    pub seq: u32,
}

/// Where evidence stands in the log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrderedView {
    /// Index of the leaf.
    pub index: u64,
    /// The epoch that ordered it.
    pub epoch: u64,
    /// Batch time.
    pub time: Time,
    /// The partner whose entry it is.
    pub reporter: String,
}

/// The story of a piece of evidence.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EvidencePage {
    /// What, whose and where.
    #[serde(flatten)]
    pub evidence: EvidenceView,
    /// The two that contradict each other: entries or frames.
    pub sides: Vec<SideView>,
    /// How far the feed is ordered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub committed: Option<u64>,
    /// Leaves that have no effect because the feed is frozen, at most 1,000.
    pub void: Vec<u64>,
    /// The encoded body of the entry that carries the proof, in lower-case hex: all that its signatures are checked with.
    pub proof: String,
}

/// One of two that contradict each other.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SideView {
    /// Hash of the entry or frame.
    pub hash: Hash,
    /// The author's signature, over the head that follows or over the frame.
    pub signature: Signature,
    /// How many entries behind this one the signature stands.
    pub behind: u64,
    /// What it says, where that is held.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub says: Option<String>,
    /// Its body in lower-case hex, where that is held.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<String>,
    /// The partner from whose node this one had it, as far as that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// Whether the coalition's order took it.
    pub ordered: bool,
}
