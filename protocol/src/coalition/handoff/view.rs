//! Handoffs and phases, ready to be shown.

use serde::{Deserialize, Serialize};

use super::{Handoff, HandoffEnd, OpenItem};
use crate::charter::{KindName, PartnerName, show_time};
use crate::coalition::operation::Operation;
use crate::coalition::state::State;
use crate::identity::{Hash, RecordId};
use crate::record::Acknowledged;

/// A handoff, ready to be shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HandoffView {
    /// Its id: that of the offer, or of the takeover.
    pub id: RecordId,
    /// The operation.
    pub operation: RecordId,
    /// Its title.
    pub title: String,
    /// What is handed over, in words.
    pub what: String,
    /// Who has or had it.
    pub from: PartnerName,
    /// Who is to have it.
    pub to: PartnerName,
    /// The phase that begins with it.
    pub phase: Option<KindName>,
    /// What its author says.
    pub note: Option<String>,
    /// Log index of the offer.
    pub index: u64,
    /// When it was made, in batch time.
    pub at: String,
    /// When it ends, in batch time.
    pub expires: String,
    /// What became of it; none while it is open.
    pub end: Option<HandoffEnd>,
    /// When that was, in batch time.
    pub ended_at: Option<String>,
    /// Log index of the record that ended it.
    pub ended_index: Option<u64>,
    /// Why, in its author's words.
    pub ground: Option<String>,
    /// While it is open, what whoever accepts must acknowledge, ascending by record.
    pub open_items: Vec<OpenItem>,
    /// The digest of these.
    pub acknowledge: Option<Hash>,
}

/// A phase of an operation, ready to be shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PhaseView {
    /// Its name.
    pub name: KindName,
    /// Whether it is `past`, `current`, `to come` or, where the operation was over before it, `not begun`.
    pub stands: String,
    /// Who may lead it.
    pub may_lead: Vec<PartnerName>,
    /// The handoff with which it began; none for the first.
    pub by: Option<RecordId>,
    /// Log index of the acceptance.
    pub index: Option<u64>,
    /// Who leads it, or led it when it ended.
    pub lead: Option<PartnerName>,
}

impl State {
    /// A handoff, ready to be shown.
    pub fn handoff_view(&self, handoff: &Handoff) -> HandoffView {
        let operation = self.operations.get(&handoff.operation);
        let kind = operation.and_then(|operation| self.kind_of(operation));
        let phase = handoff.phase.and_then(|phase| kind.as_ref()?.phase(phase));
        let open_items = match operation.filter(|_| handoff.end.is_none()) {
            Some(operation) => self.open_items(operation, Some(&handoff.id)),
            None => Vec::new(),
        };
        let ids = open_items.iter().map(|item| item.record).collect::<Vec<_>>();
        let end = handoff.end.as_ref();
        HandoffView {
            id: handoff.id,
            operation: handoff.operation,
            title: operation.map(|operation| operation.open.title.clone()).unwrap_or_default(),
            what: handoff.what.to_string(),
            from: handoff.from.clone(),
            to: handoff.to.clone(),
            phase: phase.map(|phase| phase.name.clone()),
            note: handoff.note.clone(),
            index: handoff.index,
            at: show_time(handoff.at),
            expires: show_time(handoff.expires),
            end: end.map(|end| end.how),
            ended_at: end.map(|end| show_time(end.at)),
            ended_index: end.and_then(|end| end.index),
            ground: end.and_then(|end| end.ground.clone()),
            open_items,
            acknowledge: end.is_none().then(|| Acknowledged::digest(&ids)),
        }
    }

    /// The phases of an operation, in their order; none if its type has none.
    pub fn phase_views(&self, operation: &Operation) -> Vec<PhaseView> {
        let Some(kind) = self.kind_of(operation) else { return Vec::new() };
        let moves = || self.handoffs.of(&operation.id).filter(|handoff| handoff.has_moved());
        let ended_index = |handoff: &Handoff| handoff.end.as_ref().and_then(|end| end.index);
        let phases = kind.phases.iter().zip(0u32..);
        let views = phases.map(|(phase, number)| {
            let began =
                moves().filter(|handoff| handoff.phase == Some(number)).max_by_key(|it| ended_index(it));
            let next = number.checked_add(1);
            let left = moves().filter(|handoff| handoff.phase == next).max_by_key(|it| ended_index(it));
            let stands = match number.cmp(&operation.phase) {
                std::cmp::Ordering::Less => "past",
                std::cmp::Ordering::Equal => "current",
                std::cmp::Ordering::Greater if operation.over().is_some() => "not begun",
                std::cmp::Ordering::Greater => "to come",
            };
            PhaseView {
                name: phase.name.clone(),
                stands: stands.into(),
                may_lead: phase.lead.clone(),
                by: began.filter(|_| number <= operation.phase).map(|handoff| handoff.id),
                index: began.filter(|_| number <= operation.phase).and_then(ended_index),
                lead: match stands {
                    "current" => Some(operation.lead.clone()),
                    "past" => left.map(|handoff| handoff.from.clone()),
                    _ => None,
                },
            }
        });
        views.collect()
    }
}
