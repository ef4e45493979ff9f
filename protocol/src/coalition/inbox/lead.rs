//! What waits for who leads an operation, has led it, may lead it or has opened it.

use super::{TOLD_MS, Waiting, Waits};
use crate::charter::{PartnerName, show_time};
use crate::coalition::operation::{Operation, Over};
use crate::coalition::state::State;
use crate::record::Role;
use crate::time::Time;

impl State {
    /// Of each operation the first of what it may take over, what was taken from it, what it has to conclude, what it has lost and
    /// what became of what it opened.
    pub(super) fn waits_for_lead(&self, partner: &PartnerName, now: Time) -> impl Iterator<Item = Waiting> {
        self.operations().filter_map(move |operation| {
            let (what, why) = match operation.over() {
                // Who has committed it alone is told that it has to undo it.
                Some(_) if self.commitments.of(&operation.id).any(|it| it.partner == *partner) => {
                    return None;
                }
                Some((over, at)) => (Waits::Ended, ended(partner, operation, over, at, now)?),
                None => self.waits_for_lead_of(partner, operation, now)?,
            };
            Some(Waiting {
                what,
                urgent: !matches!(what, Waits::Conclude | Waits::Ended),
                about: Some(operation.id),
                title: format!("{}: {}", operation.open.kind, operation.open.title),
                why,
                until_ms: None,
                authority: None,
                role: None,
            })
        })
    }

    fn waits_for_lead_of(
        &self,
        partner: &PartnerName,
        operation: &Operation,
        now: Time,
    ) -> Option<(Waits, String)> {
        if let Some(why) = self.may_take_over(partner, operation, now) {
            return Some((Waits::TakeOver, why));
        }
        if let Some(why) = self.lately_taken(partner, operation, now) {
            return Some((Waits::TakenOver, why));
        }
        if operation.lead != *partner || !self.is_active(partner) {
            return None;
        }
        if let Some(why) = self.lately_recalled(operation, now) {
            return Some((Waits::Recalled, why));
        }
        to_conclude(operation, now).map(|why| (Waits::Conclude, why))
    }

    fn lately_taken(&self, partner: &PartnerName, operation: &Operation, now: Time) -> Option<String> {
        if !operation.has_handed(Role::Lead, partner) {
            return None;
        }
        let taken = self.handoffs_of(&operation.id).rfind(|it| it.from == *partner && it.is_taken())?;
        let at = taken.end.as_ref().filter(|end| now.since(end.at) < TOLD_MS)?.at;
        Some(format!("{} has taken the lead over at {}", taken.to, show_time(at)))
    }

    fn lately_recalled(&self, operation: &Operation, now: Time) -> Option<String> {
        let lately = |at: &Time| now.since(*at) < TOLD_MS;
        let mut lendings = self.lendings(&operation.id).collect::<Vec<_>>().into_iter().rev();
        lendings.find_map(|lending| {
            let (_, _, at, ground) = lending.back.as_ref().filter(|(_, _, at, _)| lately(at))?;
            let ground = ground.as_ref().map_or(String::new(), |ground| format!(": {ground}"));
            Some(format!("{} has taken {} home at {}{ground}", lending.owner, lending.name, show_time(*at)))
        })
    }
}

/// Why an agreed operation is to be concluded: it keeps others from what it claimed until a moment that has passed, or was
/// agreed more than a day ago.
fn to_conclude(operation: &Operation, now: Time) -> Option<String> {
    let decided = operation.decision.as_ref().filter(|_| operation.change.is_none())?.decided_at;
    let claimed = operation.claims.iter().map(|claim| claim.until).filter(|until| until.0 < u64::MAX).max();
    match claimed {
        Some(until) if until <= now => Some(format!(
            "agreed, and what it claims until {} is held until it is concluded",
            show_time(until)
        )),
        None if now.since(decided) >= TOLD_MS => {
            Some(format!("agreed at {}, and not concluded", show_time(decided)))
        }
        _ => None,
    }
}

fn ended(partner: &PartnerName, operation: &Operation, over: Over, at: Time, now: Time) -> Option<String> {
    let other = operation.opened_by == *partner && operation.lead != *partner;
    let came_to_nothing = matches!(over, Over::Failed | Over::Expired) && other;
    let annulled = over == Over::Annulled && (other || operation.lead == *partner);
    let part = match operation.lead == *partner {
        true => "led by this partner".to_owned(),
        false => format!("opened by this partner, led by {}", operation.lead),
    };
    ((came_to_nothing || annulled) && now.since(at) < TOLD_MS)
        .then(|| format!("{part}: {over} at {}", show_time(at)))
}
