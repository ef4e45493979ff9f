//! Handoffs: a role of an operation, or the whole of it, passes from one partner to another.
//!
//! Guarantees: an operation has exactly one lead at any index of the log, whatever is said. Whoever offers a role answers for it
//! until an acceptance is ordered; an acceptance that does not know everything that is open on the operation has no effect
//! and says what it missed, so it is safe to accept although others speak at the same time. Of one holder's role at most
//! one offer is open. In an emergency the declared successor alone takes the lead, on the declared condition alone.
//!
//! What a handoff changes: who acts in a role, and in which phase the operation is. What was said before stays said and
//! counts; whoever handed a role over acts in it no more, on this operation, unless it is handed back. Assets stay their owners':
//! whoever leads now directs those whose owners named it.
//!
//! How long: from the opening until the operation has failed or expired, or, once agreed, until its lead concludes it. Offers that
//! are open then lapse. Bounded: at most [`MAX_OFFERS_PER_PARTNER`] offers of one partner on one operation, the ended ones
//! included.

mod course;
mod judge;
mod open;
mod refusal;
mod view;

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

pub use open::{ItemKind, OpenItem};
pub use refusal::{HandoffRefusal, Missing};
pub use view::{HandoffView, PhaseView};

use super::items::Item;
use super::state::State;
use crate::charter::PartnerName;
use crate::identity::RecordId;
use crate::record::{Handed, Role};
use crate::time::Time;

pub(super) use judge::check;

/// Most offers of one partner on one operation, those that have ended included.
pub const MAX_OFFERS_PER_PARTNER: usize = 64;

/// An offer and what became of it, or a takeover.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Handoff {
    /// The record of the offer, or of the takeover.
    pub id: RecordId,
    /// The operation.
    pub operation: RecordId,
    /// What is handed over.
    pub what: Handed,
    /// Who had it.
    pub from: PartnerName,
    /// Who is to have it.
    pub to: PartnerName,
    /// The phase that begins with it, from 0.
    pub phase: Option<u32>,
    /// What the one that offers, or takes over, says.
    pub note: Option<String>,
    /// Log index of the record.
    pub index: u64,
    /// Batch time of it.
    pub at: Time,
    /// When the offer ends, in batch time.
    pub expires: Time,
    /// What became of it; nothing while it is open.
    pub end: Option<Ended>,
}

/// What became of an offer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ended {
    /// What.
    pub how: HandoffEnd,
    /// The record that ended it; none if time or the operation's end did.
    pub record: Option<RecordId>,
    /// Log index of that record.
    pub index: Option<u64>,
    /// Batch time.
    pub at: Time,
    /// Why, in its author's words.
    pub ground: Option<String>,
}

/// How an offer ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum HandoffEnd {
    /// The role has passed.
    Accepted,
    /// The successor has taken the lead.
    Taken,
    /// It was not wanted.
    Declined,
    /// Whoever offered kept it.
    Reclaimed,
    /// Its time was over.
    Expired,
    /// There is nothing to hand over any more: the operation is over, or another took the lead.
    Lapsed,
}

impl HandoffEnd {
    /// The name in text.
    pub fn name(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Taken => "taken over",
            Self::Declined => "declined",
            Self::Reclaimed => "reclaimed",
            Self::Expired => "expired",
            Self::Lapsed => "lapsed",
        }
    }
}

impl std::fmt::Display for HandoffEnd {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

impl Handoff {
    /// Whether the role has passed.
    pub fn has_moved(&self) -> bool {
        self.end.as_ref().is_some_and(|end| matches!(end.how, HandoffEnd::Accepted | HandoffEnd::Taken))
    }

    /// Whether it is a takeover.
    pub fn is_taken(&self) -> bool {
        self.end.as_ref().is_some_and(|end| end.how == HandoffEnd::Taken)
    }

    /// Whether the lead is among what is handed over.
    pub fn moves_lead(&self) -> bool {
        matches!(self.what, Handed::Whole | Handed::Role(Role::Lead))
    }

    /// Whether it and an offer of `what` by the same partner concern the same role.
    pub(super) fn overlaps(&self, what: Handed) -> bool {
        self.what == Handed::Whole || what == Handed::Whole || self.what == what
    }
}

/// All handoffs.
#[derive(Debug, Clone, Default)]
pub(super) struct Handoffs {
    by_id: BTreeMap<RecordId, Handoff>,
    /// Those of each operation, in the order of application. Follows from `by_id`.
    of: BTreeMap<RecordId, BTreeMap<(u64, RecordId), RecordId>>,
}

impl Handoffs {
    pub(super) fn get(&self, id: &RecordId) -> Option<&Handoff> {
        self.by_id.get(id)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Handoff> {
        self.by_id.values()
    }

    /// Those of an operation, by log index.
    pub(super) fn of(&self, operation: &RecordId) -> impl DoubleEndedIterator<Item = &Handoff> {
        let ids = self.of.get(operation).into_iter().flat_map(BTreeMap::values);
        ids.filter_map(|id| self.by_id.get(id))
    }

    fn insert(&mut self, handoff: Handoff) {
        let of = self.of.entry(handoff.operation).or_default();
        of.insert((handoff.index, handoff.id), handoff.id);
        self.by_id.insert(handoff.id, handoff);
    }
}

impl State {
    /// An offer or takeover.
    pub fn handoff(&self, id: &RecordId) -> Option<&Handoff> {
        self.handoffs.get(id)
    }

    /// All handoffs, by id.
    pub fn handoffs(&self) -> impl Iterator<Item = &Handoff> {
        self.handoffs.iter()
    }

    /// The handoffs of an operation, by log index.
    pub fn handoffs_of(&self, operation: &RecordId) -> impl DoubleEndedIterator<Item = &Handoff> {
        self.handoffs.of(operation)
    }

    /// The handoff whose id begins with `text`.
    pub fn find_handoff(&self, text: &str) -> Result<RecordId, super::FindError> {
        super::find_id(&self.handoffs.by_id, text)
    }

    /// Takes a handoff as it stands.
    pub(super) fn adopt_handoff(&mut self, handoff: Handoff) {
        self.tree.put(&Item::Handoff(Cow::Borrowed(&handoff)));
        let deadline = (handoff.expires, handoff.id);
        if handoff.end.is_none() {
            self.deadlines.insert(deadline);
        } else {
            self.deadlines.remove(&deadline);
        }
        self.handoffs.insert(handoff);
    }
}
