//! What waits because of the partner itself: its standing, its keys and its watch.

use super::{TOLD_MS, Waiting, Waits};
use crate::charter::{PartnerName, show_time};
use crate::coalition::integrity::IntegrityEvent;
use crate::coalition::keys::ends::brief;
use crate::coalition::member::{GivenWatch, Membership};
use crate::coalition::state::State;
use crate::time::Time;

impl State {
    /// What waits because of the partner itself.
    pub(super) fn own_standing(&self, partner: &PartnerName, now: Time) -> Vec<Waiting> {
        let mut all = Vec::new();
        let member = self.member(partner);
        let out = matches!(member.membership, Membership::Suspended | Membership::Expelled);
        if let Some(changed) = member.changed.as_ref().filter(|_| out) {
            all.push(Waiting {
                what: Waits::Suspended,
                urgent: true,
                about: Some(changed.by),
                title: member.membership.to_string(),
                why: format!("what {partner} says has no effect: {}", changed.reason),
                until_ms: None,
                authority: None,
                role: None,
            });
        }
        if !member.membership.is_gone() {
            all.extend(self.keys_that_end(partner, now));
            all.extend(self.keys_in_quarantine(partner));
            all.extend(self.watch_that_changes(partner, now));
        }
        all
    }

    fn keys_in_quarantine(&self, partner: &PartnerName) -> impl Iterator<Item = Waiting> {
        let held = |event: &&IntegrityEvent| event.quarantined.is_some() && event.lifted.is_none();
        let mine = move |event: &&IntegrityEvent| self.subject(&event.matter).as_ref() == Some(partner);
        self.events().filter(held).filter(mine).filter_map(|event| {
            let key = event.matter.key?;
            let (_, purpose) = self.holder(&key)?;
            Some(Waiting {
                what: Waits::Quarantined,
                urgent: true,
                about: Some(event.id),
                title: format!("{}: {}", event.matter.kind, event.text),
                why: format!(
                    "what the {purpose} {} signs has no effect; {}",
                    brief(&key),
                    self.event_view(event).explanation
                ),
                until_ms: None,
                authority: None,
                role: None,
            })
        })
    }

    /// Who has the watch, if that is nobody who speaks for the partner, or has changed or is to change within a day.
    fn watch_that_changes(&self, partner: &PartnerName, now: Time) -> Option<Waiting> {
        let member = self.member(partner);
        let (current, ahead) = member.watches_at(now);
        let speaks = |given: &GivenWatch| {
            self.officer(&given.watch.officer).is_some_and(|officer| officer.name == *partner)
        };
        let note =
            |given: &GivenWatch| given.watch.note.as_ref().map_or(String::new(), |note| format!(": {note}"));
        let officer = |given: &GivenWatch| brief(&given.watch.officer);
        let next = ahead.first().filter(|next| next.watch.from.since(now) < TOLD_MS);
        let (given, why, urgent) = match (current, next) {
            (Some(current), _) if !speaks(current) => {
                (current, format!("{} has the watch and is no officer any more", officer(current)), true)
            }
            (_, Some(next)) => {
                let (from, note) = (show_time(next.watch.from), note(next));
                (next, format!("{} takes the watch at {from}{note}", officer(next)), !speaks(next))
            }
            (Some(current), None) if now.since(current.watch.from) < TOLD_MS => {
                let (from, note) = (show_time(current.watch.from), note(current));
                (current, format!("{} has the watch since {from}{note}", officer(current)), false)
            }
            _ => return None,
        };
        Some(Waiting {
            what: Waits::Watch,
            urgent,
            about: Some(given.record),
            title: "watch".into(),
            why,
            until_ms: Some(given.watch.from.0).filter(|from| *from > now.0),
            authority: None,
            role: None,
        })
    }
}
