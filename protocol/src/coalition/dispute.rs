//! Disputes: a partner contests an operation, a handoff or an attestation, and a panel rules.
//!
//! Guarantees: a dispute marks and never removes: what was said and decided stays in the log with its receipts, and a ruling is a
//! leaf of its own. Nobody judges its own cause: whoever opened the dispute, leads or led the operation, gave or took what was
//! handed over, or made the attestation in dispute has no seat in the panel and no word that counts, also if it becomes such a
//! party later. A ruling is final.
//!
//! How: within the declared window any partner that acts in the operation opens a dispute; `threshold` equal words of the
//! declared panel decide, each judge's last word counting. If they do not come in time the declared default holds, which can
//! be seen in the leaf. What a ruling does:
//!
//! | | operation | handoff | attestation |
//! |---|---|---|---|
//! | uphold | stands | stands | stands |
//! | annul | is annulled: nothing is lent to it or handed over any more | the role goes back, if nobody has moved it since | counts no more in what is decided later |
//! | remand | takes attestations again, once, for the declared time, at whose end it is decided anew | | |
//!
//! Meanwhile that which depends on the operation goes on, or holds, as declared: assets are directed by their owners and none is
//! lent, roles are neither offered nor accepted, and no operation whose value `follows` names it is opened. A takeover is
//! possible all the same. An operation in dispute is not concluded.
//!
//! Bounded: of one subject one dispute, and one more after a remand; [`MAX_DISPUTES_PER_PARTNER`] of one partner about one
//! operation; one word of each judge, changed at most [`MAX_WORDS_PER_JUDGE`] times.

mod course;
mod judge;
mod refusal;
mod ruled;
mod view;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

pub use refusal::DisputeRefusal;
pub use ruled::Ruled;
pub use view::DisputeView;

use super::items::Item;
use super::lease::conflict_dispute;
use super::operation::Operation;
use super::state::State;
use crate::charter::{Dependants, KindName, PartnerName};
use crate::identity::RecordId;
use crate::record::{Act, DisputeAct, Open, Ruling};
use crate::time::Time;

pub(super) use judge::check;

/// Most disputes of one partner about one operation.
pub const MAX_DISPUTES_PER_PARTNER: usize = 4;
/// How often a judge may say a word on one dispute.
pub const MAX_WORDS_PER_JUDGE: u32 = 8;
/// The value of an operation's body that names the operation that it follows.
pub const FOLLOWS: &str = "follows";

/// A dispute and what became of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dispute {
    /// The record that opened it.
    pub id: RecordId,
    /// What it is about.
    pub subject: RecordId,
    /// What that is.
    pub about: About,
    /// The operation that this belongs to.
    pub operation: RecordId,
    /// Who opened it.
    pub opened_by: PartnerName,
    /// On which of the declared grounds.
    pub ground: Option<KindName>,
    /// Why.
    pub reason: String,
    /// Log index of the record.
    pub index: u64,
    /// Batch time of it.
    pub at: Time,
    /// When the panel's time is over, in batch time.
    pub expires: Time,
    /// Who judges, sorted.
    pub panel: Vec<PartnerName>,
    /// So many equal words decide.
    pub threshold: u32,
    /// The last word of each judge, by name.
    pub words: Vec<JudgeWord>,
    /// What became of it; nothing while it is open.
    pub end: Option<DisputeEnd>,
}

impl Dispute {
    /// Whether the state machine opened it by itself, in the name of whom a commitment wronged.
    pub fn is_by_rule(&self) -> bool {
        self.id == conflict_dispute(&self.operation)
    }
}

/// What a dispute can be about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum About {
    /// A decided operation.
    Operation,
    /// A handoff that has taken place.
    Handoff,
    /// An attestation to a decided operation.
    Attestation,
}

impl fmt::Display for About {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Operation => "operation",
            Self::Handoff => "handoff",
            Self::Attestation => "attestation",
        })
    }
}

/// A judge's word.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct JudgeWord {
    /// The record.
    pub record: RecordId,
    /// Whose.
    pub partner: PartnerName,
    /// What should become of the subject.
    pub ruling: Ruling,
    /// Why.
    pub reason: Option<String>,
    /// Log index of the record.
    pub index: u64,
    /// Batch time of it.
    pub at: Time,
    /// The how-manieth word of this judge it is, from 1.
    pub number: u32,
}

impl JudgeWord {
    /// That it stands instead of an earlier one, in words.
    pub(super) fn instead(&self) -> String {
        match self.number {
            0 | 1 => String::new(),
            number => format!(", its word {number}, instead of what it said before"),
        }
    }
}

/// What became of a dispute.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct DisputeEnd {
    /// The ruling; none if there was nothing to rule on any more, because the operation was annulled.
    pub ruling: Option<Ruling>,
    /// Log index of the entry that brought the last word; none if the time was over.
    pub by: Option<u64>,
    /// Batch time.
    pub at: Time,
}

/// All disputes.
#[derive(Debug, Clone, Default)]
pub(super) struct Disputes {
    by_id: BTreeMap<RecordId, Dispute>,
    /// Those about each operation, in the order of application. Follows from `by_id`.
    of: BTreeMap<RecordId, BTreeMap<(u64, RecordId), RecordId>>,
}

impl Disputes {
    pub(super) fn get(&self, id: &RecordId) -> Option<&Dispute> {
        self.by_id.get(id)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Dispute> {
        self.by_id.values()
    }

    /// Those about an operation and what belongs to it, by log index.
    pub(super) fn of(&self, operation: &RecordId) -> impl Iterator<Item = &Dispute> {
        let ids = self.of.get(operation).into_iter().flat_map(BTreeMap::values);
        ids.filter_map(|id| self.by_id.get(id))
    }

    fn insert(&mut self, dispute: Dispute) {
        self.of.entry(dispute.operation).or_default().insert((dispute.index, dispute.id), dispute.id);
        self.by_id.insert(dispute.id, dispute);
    }
}

impl State {
    /// A dispute.
    pub fn dispute(&self, id: &RecordId) -> Option<&Dispute> {
        self.disputes.get(id)
    }

    /// All disputes, by id.
    pub fn disputes(&self) -> impl Iterator<Item = &Dispute> {
        self.disputes.iter()
    }

    /// The disputes about an operation and what belongs to it, by log index.
    pub fn disputes_of(&self, operation: &RecordId) -> impl Iterator<Item = &Dispute> {
        self.disputes.of(operation)
    }

    /// The dispute whose id begins with `text`.
    pub fn find_dispute(&self, text: &str) -> Result<RecordId, super::FindError> {
        super::find_id(&self.disputes.by_id, text)
    }

    /// The open dispute about an operation for which that which depends on it holds.
    pub fn held_by(&self, operation: &Operation) -> Option<RecordId> {
        let open = self.open_dispute(&operation.id)?;
        let kind = self.kind_of(operation)?;
        (kind.dispute.as_ref()?.dependants == Dependants::Hold).then_some(open)
    }

    /// An open dispute about an operation or what belongs to it.
    pub(super) fn open_dispute(&self, operation: &RecordId) -> Option<RecordId> {
        self.disputes.of(operation).find(|dispute| dispute.end.is_none()).map(|dispute| dispute.id)
    }

    /// The operation that the subject of a dispute belongs to, and what the subject is.
    pub(super) fn disputable(&self, subject: &RecordId) -> Option<(About, &Operation)> {
        if let Some(operation) = self.operations.get(subject) {
            return Some((About::Operation, operation));
        }
        if let Some(handoff) = self.handoffs.get(subject) {
            return Some((About::Handoff, self.operations.get(&handoff.operation)?));
        }
        let operation = self.operations.get(&self.records.get(subject)?.about)?;
        let said = operation.attestations.iter().any(|said| said.record == *subject);
        said.then_some((About::Attestation, operation))
    }

    /// The operation that an act about a dispute concerns.
    pub(super) fn disputed_operation(&self, act: &Act) -> Option<RecordId> {
        match act {
            Act::Dispute(DisputeAct::Open(open)) => self.disputable(&open.subject).map(|(_, it)| it.id),
            Act::Dispute(DisputeAct::Rule(rule)) => self.disputes.get(&rule.dispute).map(|it| it.operation),
            _ => None,
        }
    }

    /// Takes a dispute as it stands.
    pub(super) fn adopt_dispute(&mut self, dispute: Dispute) {
        self.tree.put(&Item::Dispute(Cow::Borrowed(&dispute)));
        let deadline = (dispute.expires, dispute.id);
        if dispute.end.is_none() {
            self.deadlines.insert(deadline);
        } else {
            self.deadlines.remove(&deadline);
            self.commitments.settled(&dispute.id);
        }
        self.disputes.insert(dispute);
    }
}

/// The operation that one which is opened so follows.
pub(super) fn followed(open: &Open) -> Option<RecordId> {
    open.body.get(FOLLOWS)?.parse().ok()
}
