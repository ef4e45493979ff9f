//! What integrity events ask of a partner: to confirm them, and to vote on what follows.

use super::{Waiting, Waits};
use crate::charter::PartnerName;
use crate::coalition::integrity::IntegrityEvent;
use crate::coalition::state::State;

impl State {
    /// An integrity event that is not settled and that this partner could confirm, or whose subject waits for its vote.
    pub(super) fn asks_about_event(&self, partner: &PartnerName, event: &IntegrityEvent) -> Option<Waiting> {
        if event.is_withdrawn() || event.lifted.is_some() || event.suspended.is_some() {
            return None;
        }
        let view = self.event_view(event);
        let what = match (view.may_confirm.contains(partner), view.may_vote.contains(partner)) {
            (true, _) => Waits::Confirm,
            (_, true) => Waits::Vote,
            _ => return None,
        };
        Some(Waiting {
            what,
            urgent: view.urgent,
            about: Some(event.id),
            title: format!("{}: {}", event.matter.kind, event.text),
            why: view.explanation,
            until_ms: None,
            authority: None,
            role: None,
        })
    }
}
