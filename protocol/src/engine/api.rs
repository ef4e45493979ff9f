//! The engine's inputs and effects.

use std::fmt;

use entente_hbbft::Seat;
use serde::{Deserialize, Serialize};

use crate::coalition::map::Part;
use crate::coalition::{Decision, IntegrityView, Ruled};
use crate::feed::{FeedKey, Lane};
use crate::identity::{Hash, PublicKey, RecordId};
use crate::record::{Incident, Shown};
use crate::replicate::{PeerMessage, Want};
use crate::store::Write;
use crate::time::Time;

/// A node of the coalition, by its key.
pub type NodeId = PublicKey;

/// Names a submission, so that its answer finds its caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Ticket(pub u64);

/// What reaches the engine.
#[derive(Debug, Clone)]
pub enum Input {
    /// A peer's stream is up. The shell lets only enrolled nodes in.
    PeerUp(NodeId),
    /// A peer's stream is gone.
    PeerDown(NodeId),
    /// Bytes of one [`PeerMessage`] from a peer.
    Received {
        /// From whom.
        peer: NodeId,
        /// The encoded message.
        bytes: Vec<u8>,
    },
    /// Bodies to append to the own feed, as many as wait, at most [`MAX_RUN_ENTRIES`](crate::feed::MAX_RUN_ENTRIES):
    /// those of one lane share a signature.
    Submit(Vec<Submission>),
    /// What this node has seen of misuse: append it to the own feed, in the most urgent lane that a node's own words take.
    File {
        /// For the answer.
        ticket: Ticket,
        /// What, and how often.
        incident: Box<Incident>,
    },
    /// A moment asked for by [`Effect::WakeAt`], or any other.
    Tick,
}

/// A body to append.
#[derive(Debug, Clone)]
pub struct Submission {
    /// For the answer.
    pub ticket: Ticket,
    /// The lane; for signed records the operation type's precedence decides where this is `None`.
    pub lane: Option<Lane>,
    /// The encoded [`Body`](crate::record::Body): a signed record or a note.
    pub body: Vec<u8>,
}

/// What must happen, in this order.
#[derive(Debug, Clone)]
pub enum Effect {
    /// Make durable before anything behind it leaves.
    Persist(Write),
    /// Send to a peer; lost if its stream is gone or full, which the protocol mends.
    Send {
        /// To whom.
        to: NodeId,
        /// What.
        message: PeerMessage,
    },
    /// Read from the store what a peer asks for and send it, within [`SERVE_BYTES`](crate::replicate::SERVE_BYTES);
    /// [`serve`](crate::replicate::serve) does it.
    Serve {
        /// To whom.
        to: NodeId,
        /// What it lacks.
        want: Want,
        /// If it wants frames: for each seat that it names, how many from there on this node vouches for. What the store
        /// has beyond is not shown.
        frames: Vec<u32>,
        /// If it wants a part of the copy of the state: which.
        part: Option<Part>,
    },
    /// Answer a submission.
    Reply {
        /// Which.
        ticket: Ticket,
        /// Held, or why not.
        result: Result<Held, Refused>,
    },
    /// Tell whoever follows.
    Notify(Event),
    /// Give a [`Input::Tick`] at this time.
    WakeAt(Time),
    /// Stop: going on would be unsafe.
    Halt(Halt),
}

/// A submission is durable here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Held {
    /// The record's id; for a note, of its body's digest.
    pub id: RecordId,
    /// The own feed that carries it, and the length there; unknown where another node submitted it.
    pub place: Option<(FeedKey, u64)>,
    /// Log index if it is ordered already (the same record was submitted before).
    pub ordered: Option<u64>,
}

/// Why a submission was not taken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refused {
    /// A stable word: `malformed`, `too_large`, `denied`, `closed`, `unknown`, `backlog`, ...
    pub code: String,
    /// What and why.
    pub reason: String,
}

/// What happened, for those who follow.
#[derive(Debug, Clone, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// A record is durable here and not ordered yet.
    Held {
        /// Its id.
        id: RecordId,
        /// Its feed.
        feed: FeedKey,
        /// Its length there.
        length: u64,
    },
    /// An entry is in a batch whose checkpoint is certified.
    Ordered {
        /// The record's id, or for other bodies the id made of the digest.
        id: RecordId,
        /// Log index.
        index: u64,
        /// The epoch.
        epoch: u64,
        /// The feed.
        feed: FeedKey,
        /// The length there.
        length: u64,
        /// What it did, in words: `applied`, or why not.
        outcome: String,
    },
    /// An operation was decided and the decision is certified.
    Decided {
        /// Log index of the decision's leaf.
        index: u64,
        /// The decision.
        decision: Box<Decision>,
    },
    /// An integrity event was opened or changed, and that is certified.
    Integrity {
        /// Log index of what changed it.
        index: u64,
        /// The event as it stood then.
        view: Box<IntegrityView>,
    },
    /// A dispute was ruled on and the ruling is certified.
    Ruled {
        /// Log index of the ruling's leaf.
        index: u64,
        /// The ruling.
        ruled: Box<Ruled>,
    },
    /// A checkpoint has `quorum` cosignatures.
    Certified {
        /// The epoch.
        epoch: u64,
        /// Size of the log.
        size: u64,
        /// Root of the log.
        root: Hash,
    },
    /// The state was taken as of an epoch's end; what came before was not seen.
    Taken {
        /// The epoch.
        epoch: u64,
        /// Size of the log: the index from which on this node has it.
        size: u64,
    },
    /// Whether a quorum of seats can be reached has changed.
    Reach {
        /// Seats that can be reached, the own included.
        reachable: Vec<Seat>,
        /// Seats needed.
        quorum: usize,
    },
    /// This node was restored: its seat signs nothing, and is one of those that may fail.
    Silent {
        /// The seat.
        seat: Seat,
        /// The incarnation in which the node writes.
        incarnation: u32,
    },
    /// A peer did what it must not, or sent what cannot be read.
    Fault(Fault),
}

/// Who did what, where.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Fault {
    /// The node that sent it, or whose it is.
    pub node: Option<NodeId>,
    /// The seat, where a seat is at fault.
    pub seat: Option<Seat>,
    /// A stable word: `malformed`, `bad_signature`, `gap`, `fork`, `equivocation`, ...
    pub code: &'static str,
    /// What, with values and place.
    pub what: String,
    /// What was shown, where anybody can check it and no proof of it is ordered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shown: Option<Box<Shown>>,
}

/// Why the engine must not go on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "halt", rename_all = "snake_case")]
pub enum Halt {
    /// The store lacks or contradicts what this node has said before: an old copy was restored.
    Rollback {
        /// Which own words others hold.
        what: String,
    },
    /// `weak` seats cosigned another root than this node computed.
    Contradicted {
        /// The epoch.
        epoch: u64,
        /// The root computed here.
        own: Hash,
        /// The root that they cosigned.
        theirs: Hash,
    },
    /// The store is damaged.
    Damage(String),
}

impl fmt::Display for Halt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rollback { what } => write!(f, "the store is older than what this node has said: {what}"),
            Self::Contradicted { epoch, own, theirs } => {
                write!(f, "epoch {epoch}: this node computed root {own}, the coalition cosigned {theirs}")
            }
            Self::Damage(what) => write!(f, "the store is damaged: {what}"),
        }
    }
}

/// Where a copy of the state was taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Floor {
    /// The epoch.
    pub epoch: u64,
    /// Size of the log at its end: the index from which on this node has the log.
    pub size: u64,
    /// Its batch time.
    pub time: Time,
}

/// How this node stands, at a glance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// Last epoch applied.
    pub applied: u64,
    /// Last epoch certified.
    pub certified: u64,
    /// Size of the log at the last applied epoch.
    pub size: u64,
    /// Root of the log there.
    pub root: Hash,
    /// Batch time.
    pub time: Time,
    /// Seats of the committee.
    pub seats: usize,
    /// Seats needed to order.
    pub quorum: usize,
    /// Seats that can be reached over any path, the own included.
    pub reachable: Vec<Seat>,
    /// The others, and since when no path leads to them: at the latest since the start.
    pub missing: Vec<(Seat, Time)>,
    /// Own seat, if this node holds one.
    pub seat: Option<Seat>,
    /// The own seat, if it is silent: this node was restored, and the seat does not know what it has signed.
    pub silent: Option<Seat>,
    /// The incarnation in which this node writes: how often it was restored.
    pub incarnation: u32,
    /// Why the own record feeds take no part yet, or no more, as far as the log is held here, in words; and whether that is
    /// for good.
    pub outside: Option<(String, bool)>,
    /// Whether the own seat may vote: reports of a quorum have come since the start.
    pub voting: bool,
    /// Head reports received since the start, the own included.
    pub reports: usize,
    /// Records durable here and not ordered.
    pub held: u64,
    /// Own records that no other node is known to hold, and since when.
    pub custody: u64,
    /// When the oldest of them was written.
    pub custody_since: Option<Time>,
    /// Connected nodes by whose word later epochs are certified than the window over those that are certified here, and
    /// up to which.
    pub ahead: Vec<(NodeId, u64)>,
    /// Faults seen since the start.
    pub faults: u64,
    /// The last copy of the state that was taken from others: of the log before it nothing need be there.
    pub floor: Option<Floor>,
}
