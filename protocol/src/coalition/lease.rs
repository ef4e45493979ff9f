//! Provisional work: what a partner commits alone while it cannot reach the others, and what becomes of that.
//!
//! Guarantees: nothing that was said or decided is rewritten. A commitment that is ordered ends exactly once, in one of three
//! ways, and how follows from the log alone, so every replica says the same:
//!
//! | end | when |
//! |---|---|
//! | confirmed | the operation is agreed |
//! | superseded | it came out otherwise: it failed, expired, was agreed with limits, or was annulled before |
//! | conflicted | its opening claims what is leased to another partner, or what another operation has |
//!
//! A commitment gives no voice and no right against the outcome rule: the operation takes attestations and is decided like any
//! other. What it gives is said by the charter's leases: a leased value is claimed by its holder alone, so what a holder
//! commits within its leases is free for it whatever is ordered first. One resource has one winner, and an operation that
//! holds a claim keeps it.
//!
//! How: an ordinary opening that claims what is leased to another is refused, like one that comes too late. A *committed* opening
//! is not, because somebody has acted on it: it is opened, holds nothing, is decided as [`Conflicted`](Verdict::Conflicted) at once,
//! and the state machine opens a dispute about it in the name of whom it wronged, on the ground [`CONFLICT_GROUND`], before
//! the panel that the type declares without the two parties. If the type declares no disputes, or its panel is short of
//! judges, it is shown as conflicted and that is all. A remand lets it be decided anew, with what of its claims is free and its own to ask for.
//!
//! Bounded: one commitment of a partner to an operation; [`MAX_CONFLICTS_PER_PARTNER`] of one partner's conflicts in dispute at a time.

mod course;
mod judge;
mod refusal;
mod view;

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::{Deserialize, Serialize};

pub use refusal::{LeaseRefusal, Leased};
pub use view::{CommitmentView, UnderLease};

use super::items::Item;
use super::outcome::Verdict;
use super::state::State;
use crate::charter::text::cut;
use crate::charter::{Claim, KindName, PartnerName};
use crate::identity::{RecordId, hash};
use crate::time::Time;

/// Most conflicts of one partner that are in dispute at a time.
pub const MAX_CONFLICTS_PER_PARTNER: usize = 64;
/// The ground of a dispute that the state machine opens.
pub const CONFLICT_GROUND: &str = "conflict";
/// Longest wording of what is in conflict, in bytes; more is cut.
const MAX_CONFLICT_BYTES: usize = 256;

const DISPUTE_DOMAIN: &str = "entente/lease/dispute/v1";

/// What a partner has committed, and what became of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Commitment {
    /// The record that says so; it may be the one that opened the operation.
    pub id: RecordId,
    /// The operation.
    pub operation: RecordId,
    /// Who commits it.
    pub partner: PartnerName,
    /// Which of its leases are for what the operation claims, sorted.
    pub leases: Vec<KindName>,
    /// Size of the log as the partner knew it, by its own word.
    pub seen: u64,
    /// Log index of the record.
    pub index: u64,
    /// Batch time of it.
    pub at: Time,
    /// What became of it; nothing while the operation is open.
    pub end: Option<CommitmentEnd>,
}

/// What became of a commitment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct CommitmentEnd {
    /// In one word.
    pub how: Committed,
    /// How the operation had ended.
    pub verdict: Verdict,
    /// Log index of the entry that decided it; none if the end of the window did.
    pub by: Option<u64>,
    /// Batch time.
    pub at: Time,
    /// The dispute that was opened about it.
    pub dispute: Option<RecordId>,
}

/// How a commitment ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Committed {
    /// The coalition agrees.
    Confirmed,
    /// What is ordered is something else.
    Superseded,
    /// Somebody else had a right to it.
    Conflicted,
}

impl Committed {
    /// The name in text.
    pub fn name(self) -> &'static str {
        match self {
            Self::Confirmed => "confirmed",
            Self::Superseded => "superseded",
            Self::Conflicted => "conflicted",
        }
    }
}

impl fmt::Display for Committed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Why an operation cannot have what its opening claims.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Conflict {
    /// What is claimed, in words.
    pub claim: String,
    /// Whose it is.
    pub partner: PartnerName,
    /// By this lease, or
    pub lease: Option<KindName>,
    /// because this operation of the partner has it.
    pub holder: Option<RecordId>,
}

impl fmt::Display for Conflict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { claim, partner, lease, holder } = self;
        match (lease, holder) {
            (Some(lease), _) => write!(f, "{claim} is leased to {partner} (lease {lease})"),
            (None, Some(holder)) => write!(f, "{holder} of {partner} has {claim} already"),
            (None, None) => write!(f, "{claim} is for {partner}"),
        }
    }
}

impl Conflict {
    fn new(claim: &Claim, partner: &PartnerName, lease: Option<&KindName>, holder: Option<RecordId>) -> Self {
        let text = cut(claim.to_string(), MAX_CONFLICT_BYTES);
        Self { claim: text, partner: partner.clone(), lease: lease.cloned(), holder }
    }
}

/// The dispute that the state machine opens about an operation in conflict.
pub fn conflict_dispute(operation: &RecordId) -> RecordId {
    RecordId(hash(DISPUTE_DOMAIN, &[operation.0.as_bytes()]))
}

/// All commitments.
#[derive(Debug, Clone, Default)]
pub(super) struct Commitments {
    by_id: BTreeMap<RecordId, Commitment>,
    /// Those to each operation, by partner. Follows from `by_id`.
    of: BTreeMap<RecordId, BTreeMap<PartnerName, RecordId>>,
    /// Those that have ended, by when. Follows from `by_id`.
    ended: BTreeSet<(Time, RecordId)>,
    /// The open disputes about each partner's conflicts, with the commitments. Follows from `by_id` and the disputes.
    contested: BTreeMap<PartnerName, BTreeMap<RecordId, RecordId>>,
}

impl Commitments {
    pub(super) fn get(&self, id: &RecordId) -> Option<&Commitment> {
        self.by_id.get(id)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Commitment> {
        self.by_id.values()
    }

    /// Those to an operation, by partner.
    pub(super) fn of(&self, operation: &RecordId) -> impl Iterator<Item = &Commitment> {
        let ids = self.of.get(operation).into_iter().flat_map(BTreeMap::values);
        ids.filter_map(|id| self.by_id.get(id))
    }

    /// Those that have ended since then, the first first.
    pub(super) fn ended_since(&self, since: Time) -> impl Iterator<Item = &Commitment> {
        self.ended.range((since, RecordId::default())..).filter_map(|(_, id)| self.by_id.get(id))
    }

    /// The commitments of `partner` that are in dispute: openings, so they bear the ids of their operations.
    pub(super) fn in_dispute(&self, partner: &PartnerName) -> impl Iterator<Item = RecordId> {
        self.contested.get(partner).into_iter().flat_map(BTreeMap::values).copied()
    }

    /// How many conflicts of `partner` are in dispute.
    fn contested(&self, partner: &PartnerName) -> usize {
        self.contested.get(partner).map_or(0, BTreeMap::len)
    }

    /// A dispute is over; it may be about anything.
    pub(super) fn settled(&mut self, dispute: &RecordId) {
        self.contested.retain(|_, open| {
            open.remove(dispute);
            !open.is_empty()
        });
    }

    fn insert(&mut self, commitment: Commitment) {
        let Commitment { id, operation, .. } = commitment;
        self.of.entry(operation).or_default().insert(commitment.partner.clone(), id);
        if let Some(end) = &commitment.end {
            self.ended.insert((end.at, id));
        }
        self.by_id.insert(id, commitment);
    }
}

impl State {
    /// A commitment.
    pub fn commitment(&self, id: &RecordId) -> Option<&Commitment> {
        self.commitments.get(id)
    }

    /// All commitments, by id.
    pub fn commitments(&self) -> impl Iterator<Item = &Commitment> {
        self.commitments.iter()
    }

    /// The commitments to an operation, by partner.
    pub fn commitments_of(&self, operation: &RecordId) -> impl Iterator<Item = &Commitment> {
        self.commitments.of(operation)
    }

    /// Takes a commitment as it stands.
    pub(super) fn adopt_commitment(&mut self, commitment: Commitment) {
        self.tree.put(&Item::Commitment(Cow::Borrowed(&commitment)));
        self.commitments.insert(commitment);
    }

    /// Finds again which conflicts are in dispute, once commitments and disputes are all there.
    pub(super) fn find_contested(&mut self) {
        let mut contested: BTreeMap<PartnerName, BTreeMap<RecordId, RecordId>> = BTreeMap::new();
        for commitment in self.commitments.iter() {
            let dispute = commitment.end.and_then(|end| self.disputes.get(&end.dispute?));
            if let Some(dispute) = dispute.filter(|dispute| dispute.end.is_none()) {
                contested.entry(commitment.partner.clone()).or_default().insert(dispute.id, commitment.id);
            }
        }
        self.commitments.contested = contested;
    }
}
