//! What is told to those who follow.

use entente_protocol::coalition::{IntegrityView, ToldView};
use entente_protocol::identity::{Hash, PublicKey, RecordId};
use serde::{Deserialize, Serialize};

use super::{DecisionView, FaultView, FeedView, RulingView};

/// What happened, for those who follow.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum EventView {
    /// A record is durable here and not ordered yet.
    Held {
        /// Its id.
        id: RecordId,
        /// Where it stands.
        feed: FeedView,
    },
    /// An entry is in a certified batch.
    Ordered {
        /// The record's id.
        id: RecordId,
        /// Its place in the log.
        index: u64,
        /// The epoch.
        epoch: u64,
        /// Where it stands.
        feed: FeedView,
        /// What it did.
        outcome: String,
    },
    /// What an ordered record says: follows its [`EventView::Ordered`], if it was applied.
    Told {
        /// Its place in the log.
        index: u64,
        /// What it says.
        #[serde(flatten)]
        told: Box<ToldView>,
    },
    /// An operation was decided, and the decision is certified.
    Decided(DecisionView),
    /// A dispute was ruled on, and the ruling is certified.
    Ruled(RulingView),
    /// A checkpoint has `quorum` cosignatures.
    Certified {
        /// The epoch.
        epoch: u64,
        /// Size of the log.
        size: u64,
        /// Root of the log.
        root: Hash,
    },
    /// Which seats can be reached has changed.
    Reach {
        /// Partners whose seats can be reached.
        reachable: Vec<String>,
        /// Partners whose seats cannot.
        missing: Vec<String>,
        /// Seats needed.
        quorum: usize,
    },
    /// The state was taken as of an epoch's end; what was ordered before was not seen here.
    Taken {
        /// The epoch.
        epoch: u64,
        /// The index from which on this node has the log.
        size: u64,
    },
    /// This node was restored: its seat signs nothing any more.
    Silent {
        /// The seat.
        seat: u16,
        /// The incarnation in which the node writes.
        incarnation: u32,
    },
    /// An integrity event was opened or changed by what is certified.
    Integrity {
        /// Whether the charter has people alerted of it.
        urgent: bool,
        /// The log index of what changed it.
        index: u64,
        /// The event as it stood then.
        view: Box<IntegrityView>,
    },
    /// A fault.
    Fault(FaultView),
    /// A peer's stream is up.
    PeerUp {
        /// Its partner.
        partner: String,
        /// Its key.
        node: PublicKey,
    },
    /// A peer's stream is gone.
    PeerDown {
        /// Its partner.
        partner: String,
        /// Its key.
        node: PublicKey,
        /// Why.
        reason: String,
    },
    /// This follower was too slow: so many events are missing before the next one.
    Lagged {
        /// How many.
        missed: u64,
    },
}
