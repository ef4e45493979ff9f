//! What travels over the local API, as types that node and client share.
//!
//! Guarantees: every answer is one of these as JSON, or [`ErrorView`] with a 4xx or 5xx status; ids and keys are in
//! their text form, times are milliseconds since 1970 ([`Time`]), spans end in `_ms`. Names stand beside ids, so that
//! a client needs no charter. Fields may be added; a client ignores what it does not know.
//!
//! | request | answer |
//! |---|---|
//! | `GET /v1/status` | [`StatusView`] |
//! | `GET /v1/peers` | list of [`PeerView`] |
//! | `GET /v1/listeners` | list of addresses with `/p2p` |
//! | `GET /v1/peers/pending` | list of [`PendingView`] |
//! | `POST /v1/peers` with [`AddPeer`] | `{}` |
//! | `POST /v1/peers/{partner or node}/block`, `/unblock` | list of the [`PeerView`]s concerned |
//! | `POST /v1/records?wait=&timeout_ms=` with an encoded body | [`SubmitView`] |
//! | `POST /v1/notes?wait=&timeout_ms=&lane=` with raw bytes | [`SubmitView`] |
//! | `POST /v1/notes/batch?..` with notes, each behind its length as u32, little endian | list of [`SubmitView`] |
//! | `GET /v1/ops` | list of [`OperationView`] |
//! | `GET /v1/ops/{id or unique prefix}` | [`OperationView`] |
//! | `GET /v1/assets?owner=&name=&operation=` | list of [`AssetView`], by owner and name |
//! | `GET /v1/ops/{id or unique prefix}/story` | [`StoryView`] |
//! | `GET /v1/handoffs?operation=` | list of [`HandoffView`] without open items, by log index |
//! | `GET /v1/handoffs/{id or unique prefix}` | [`HandoffView`] |
//! | `GET /v1/disputes?operation=` | list of [`DisputeView`], by log index |
//! | `GET /v1/disputes/{id or unique prefix}` | [`DisputeView`] |
//! | `GET /v1/members` | list of [`MemberView`], by seat |
//! | `GET /v1/authorities` | list of [`AuthorityView`], by name |
//! | `GET /v1/inbox` | list of [`Waiting`], the most urgent first |
//! | `GET /v1/log?from=&limit=` | [`LogPage`] |
//! | `GET /v1/feeds/{partner or node}/{lane}?from=&limit=` | [`FeedPage`] |
//! | `GET /v1/evidence` | list of [`EvidenceView`] |
//! | `GET /v1/evidence/{id or unique prefix}` | [`EvidencePage`] |
//! | `GET /v1/integrity?limit=` | list of [`IntegrityView`](entente_protocol::coalition::IntegrityView) |
//! | `GET /v1/integrity/{id or unique prefix}` | [`IntegrityView`](entente_protocol::coalition::IntegrityView) |
//! | `GET /v1/receipts/{id or unique prefix}?record=1` | text, a `.tlog-proof` file |
//! | `GET /v1/faults` | list of [`FaultView`], one for each node and kind, the one seen longest ago first |
//! | `GET /v1/charter` | text, the founded charter without the secret |
//! | `GET /v1/charter/{version or current}` | text, that version of the charter |
//! | `GET /v1/policy` | text, a tlog-policy file |
//! | `GET /v1/metrics` | [`MetricsView`] |
//! | `GET /v1/events?from=` | server-sent events, each [`EventView`] |
//! | `POST /v1/stop` | `{}`, then the node stops |

mod events;
mod evidence;
mod metrics;
mod operations;

pub use entente_protocol::coalition::{
    AssetView, AuthorityView, CommitmentView, DisputeView, HandoffView, MandateView, MemberView, StoryView,
    UnderLease, Waiting,
};
use entente_protocol::feed::{FeedKey, Lane};
use entente_protocol::identity::{CoalitionId, Hash, PublicKey, RecordId, Signature};
use entente_protocol::time::Time;
use serde::{Deserialize, Serialize};

pub use events::EventView;
pub use evidence::{EvidenceKind, EvidencePage, EvidenceView, OrderedView, SideView, VotesView};
pub use metrics::{Histogram, MetricsView};
pub use operations::{AttestationView, DecisionView, OperationView, RulingView};

/// Why a request failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorView {
    /// A stable word: `bad_request`, `unknown`, `ambiguous`, `denied`, `too_large`, `malformed`, `closed`, `backlog`,
    /// `frozen`, `not_ordered`, `other`, `corrupt`, `disk_full`, `stopping`, `internal`.
    pub code: String,
    /// What, and why.
    pub error: String,
    /// What to do next, if there is something.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// How the coalition stands, in one word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Word {
    /// A quorum can be reached and nothing waits.
    Agreed,
    /// A quorum can be reached; something that is durable here is not ordered yet.
    Held,
    /// Fewer than a quorum of seats can be reached: nothing is ordered until some return.
    Stalled,
}

impl std::fmt::Display for Word {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Agreed => "agreed",
            Self::Held => "held",
            Self::Stalled => "stalled",
        })
    }
}

/// A coalition.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CoalitionView {
    /// The hash of its charter.
    pub id: CoalitionId,
    /// Its name in the charter.
    pub name: String,
}

/// Why what a node says is not taken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutsideView {
    /// In one sentence.
    pub why: String,
    /// Whether that is for good: its key was revoked.
    pub revoked: bool,
}

/// The answer to `status`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StatusView {
    /// The partner of this node.
    pub partner: String,
    /// The node's key.
    pub node: PublicKey,
    /// The coalition.
    pub coalition: CoalitionView,
    /// In one word.
    pub word: Word,
    /// The seats, in seat order.
    pub seats: Vec<SeatView>,
    /// The own seat, if this node holds one.
    pub seat: Option<u16>,
    /// Whether that seat is silent: this node was restored, and its seat signs nothing any more.
    #[serde(default)]
    pub silent: bool,
    /// The incarnation in which this node writes: how often it was restored.
    #[serde(default)]
    pub incarnation: u32,
    /// Seats needed to order.
    pub quorum: usize,
    /// Seats that can be reached beyond the quorum; negative: so many are missing.
    pub margin: i64,
    /// Epochs.
    pub epoch: EpochView,
    /// The log.
    pub log: LogView,
    /// Batch time of the last applied epoch.
    pub batch_time: Time,
    /// The node's clock.
    pub now: Time,
    /// Records durable here and not ordered.
    pub held: u64,
    /// What only this node holds.
    pub custody: CustodyView,
    /// Why this node's records take no part yet, or no more; none where they do.
    #[serde(default)]
    pub outside: Option<OutsideView>,
    /// Whether the own seat votes; after a start it first hears what others know it to have said.
    pub voting: bool,
    /// Head reports received since the start, the own included; `quorum` of them are needed to vote.
    pub reports: usize,
    /// Connected nodes that say they are further than this one, by more epochs than may be open at once.
    #[serde(default)]
    pub ahead: Vec<AheadView>,
    /// Faults seen since the start.
    pub faults: u64,
    /// Whether this node's clock and batch time were further apart at the last batch than the charter allows.
    #[serde(default)]
    pub clock_astray: bool,
    /// Milliseconds since the start.
    pub uptime_ms: u64,
    /// Version of the wire format.
    pub wire_version: u16,
    /// Version of the program.
    pub version: String,
}

/// A node by whose word later epochs are certified than here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AheadView {
    /// Its partner.
    pub partner: String,
    /// Its key.
    pub node: PublicKey,
    /// The last epoch that it says is certified.
    pub certified: u64,
}

/// Epochs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct EpochView {
    /// The last one applied.
    pub applied: u64,
    /// The last one certified.
    pub certified: u64,
}

/// The log at the last applied epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogView {
    /// Number of leaves.
    pub size: u64,
    /// The index from which on this node has all leaves: 0, unless it took the state as of a later epoch.
    #[serde(default)]
    pub from: u64,
    /// Root of the tree.
    pub root: Hash,
}

/// Own records that no other node is known to hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct CustodyView {
    /// How many.
    pub records: u64,
    /// Age of the oldest.
    pub oldest_ms: Option<u64>,
}

/// A seat as this node sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SeatView {
    /// Whose it is.
    pub partner: String,
    /// Its number.
    pub seat: u16,
    /// The node that holds it.
    pub node: PublicKey,
    /// Whether it can be reached over any path.
    pub reachable: bool,
    /// Whether there is a direct link (for the own seat: true).
    pub connected: bool,
    /// Since when it cannot be reached over any path, if it cannot; the node's start if it never could.
    pub missing_since: Option<Time>,
    /// When it is dialled again, from now.
    pub next_retry_ms: Option<u64>,
    /// Why the last attempt failed.
    pub last_error: Option<String>,
    /// Whether an address of it is known.
    #[serde(default)]
    pub addressed: bool,
    /// Whether the operator blocked the link.
    #[serde(default)]
    pub blocked: bool,
}

/// A node of another partner, or a further one of the own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PeerView {
    /// Its partner.
    pub partner: String,
    /// Its key.
    pub node: PublicKey,
    /// The same key as libp2p writes it.
    pub peer_id: String,
    /// Where it was last found.
    pub addresses: Vec<String>,
    /// Whether its stream is up.
    pub connected: bool,
    /// Since when it is up.
    pub since: Option<Time>,
    /// Since when it is missing.
    pub missing_since: Option<Time>,
    /// When it is dialled again, from now.
    pub next_retry_ms: Option<u64>,
    /// Why the last attempt failed.
    pub last_error: Option<String>,
    /// Where its addresses come from: `static`, `book`, `beacon`, ...
    pub source: Option<String>,
    /// Whether the operator blocked the link.
    pub blocked: bool,
}

/// An address that is dialled and where no member has answered yet, so that nobody knows whose it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PendingView {
    /// The address.
    pub address: String,
    /// Since when it is dialled.
    pub since: Option<Time>,
    /// When it is dialled again, from now; `None` while it is being dialled.
    pub next_retry_ms: Option<u64>,
    /// Why the last attempt failed.
    pub last_error: Option<String>,
}

/// Dial this address from now on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AddPeer {
    /// A multiaddr, with or without `/p2p/ID`.
    pub address: String,
}

/// How long a submission waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Wait {
    /// Until it is durable here.
    Held,
    /// Until it is in a certified batch.
    #[default]
    Ordered,
    /// Until the operation that it belongs to is decided and the decision is certified.
    Agreed,
}

impl std::fmt::Display for Wait {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Held => "held",
            Self::Ordered => "ordered",
            Self::Agreed => "agreed",
        })
    }
}

/// How far a record has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RecordState {
    /// Durable here.
    Held,
    /// In a certified batch.
    Ordered,
    /// The operation is decided otherwise than agreed, and the decision certified; or what was agreed does not stand any more.
    Decided,
    /// The operation is agreed, and the decision certified.
    Agreed,
}

impl std::fmt::Display for RecordState {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Held => "held",
            Self::Ordered => "ordered",
            Self::Decided => "decided",
            Self::Agreed => "agreed",
        })
    }
}

/// Why waiting ended before what was waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Short {
    /// Fewer than a quorum of seats can be reached. The record is held, not lost.
    Stalled,
    /// The time is over. The record is held, not lost.
    Timeout,
    /// It was ordered and had no effect; `outcome` says why.
    Void,
    /// The node stops.
    Stopping,
}

/// What became of a submission. It is durable here in any case.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SubmitView {
    /// The record's id; for a note, the id made of its digest.
    pub id: RecordId,
    /// How far it has come.
    pub state: RecordState,
    /// Why no further, if it was to come further.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<Short>,
    /// The own feed that carries it, and the length there; unknown where another node submitted the same record.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<(FeedKey, u64)>,
    /// Its place in the log, once ordered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub index: Option<u64>,
    /// The epoch that ordered it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub epoch: Option<u64>,
    /// What it did once ordered: `applied`, or why not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outcome: Option<String>,
    /// The command that shows what stands in its way, where it had no effect, and what it is about, where time was over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
    /// The operation's decision, once agreed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decision: Option<DecisionView>,
    /// Partners whose seats cannot be reached.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub missing: Vec<String>,
}

/// A part of the ordered log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogPage {
    /// The leaves, in order.
    pub leaves: Vec<LeafView>,
    /// Number of leaves in the log.
    pub size: u64,
    /// How many of them are certified.
    pub certified: u64,
}

/// What a leaf of the log is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LeafKind {
    /// An entry of a record feed.
    Entry,
    /// The decision of an operation.
    Decision,
    /// The ruling on a dispute.
    Ruling,
    /// The record that ends an epoch.
    Epoch,
}

/// A leaf of the log, in words.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeafView {
    /// Its index.
    pub index: u64,
    /// The epoch that appended it.
    pub epoch: u64,
    /// What it is.
    pub kind: LeafKind,
    /// Whether a certificate covers it.
    pub certified: bool,
    /// The author, for entries.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub feed: Option<FeedView>,
    /// The record's id, or the operation's for a decision, the dispute's for a ruling.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<RecordId>,
    /// What an entry did, or what was decided.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outcome: Option<String>,
    /// The title of the operation that it concerns, if it does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// Who says what, for records that have an effect, as the operation's story tells it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub says: Option<String>,
    /// The leaf in one line.
    pub text: String,
}

/// A place in a record feed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FeedView {
    /// The author's partner.
    pub partner: String,
    /// The author.
    pub node: PublicKey,
    /// The lane.
    pub lane: Lane,
    /// The author's incarnation.
    pub incarnation: u32,
    /// The length.
    pub length: u64,
}

/// A part of a record feed as it is held, with all that its chain is checked with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FeedPage {
    /// The coalition, which the chain begins with.
    pub coalition: CoalitionId,
    /// The author's partner.
    pub partner: String,
    /// The feed; of several incarnations the last that is held.
    pub feed: FeedKey,
    /// The hash that the chain begins with.
    pub root: Hash,
    /// How many entries are held.
    pub length: u64,
    /// The entries, in order.
    pub entries: Vec<EntryView>,
}

/// An entry of a record feed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EntryView {
    /// Its length.
    pub length: u64,
    /// Its hash, over the one before and the body's digest.
    pub hash: Hash,
    /// Its body, in lower-case hex.
    pub body: String,
    /// The author's signature over the head at this length, where a run ended here.
    pub signature: Option<Signature>,
}

/// Who did what it must not, how often, and when that was seen: one row for each node and kind.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FaultView {
    /// When it was seen first.
    pub first: Time,
    /// When it was seen last.
    pub last: Time,
    /// How often it was seen.
    pub count: u64,
    /// The partner at fault, if it is a member.
    pub partner: Option<String>,
    /// The node.
    pub node: Option<PublicKey>,
    /// The seat.
    pub seat: Option<u16>,
    /// A stable word: `stranger`, `credential`, `malformed`, `bad_signature`, `gap`, `fork`, `equivocation`, ...
    pub code: String,
    /// What it was the last time, with values and place.
    pub what: String,
}

impl FaultView {
    /// A fault that was seen once; when and how often is added by whoever keeps it.
    pub(crate) fn new(
        partner: Option<String>,
        node: Option<PublicKey>,
        seat: Option<u16>,
        code: &str,
        what: String,
    ) -> Self {
        Self { first: Time(0), last: Time(0), count: 1, partner, node, seat, code: code.into(), what }
    }
}
