//! What waits for a partner: where its word is missing, what it answers for and is in trouble, what runs out.
//!
//! A pure reading of the state for one partner at one moment; the most urgent first, at most [`MAX_INBOX`].

mod events;
mod lead;
mod own;

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::lease::Committed;
use super::operation::Operation;
use super::outcome::Stage;
use super::state::State;
use crate::charter::{AuthorityName, Fallback, PartnerName};
use crate::identity::RecordId;
use crate::lane::Lane;
use crate::record::{Handed, Role};
use crate::time::Time;

/// Most things that are listed.
pub const MAX_INBOX: usize = 1000;
/// Credentials that run out within this time are told of, in milliseconds: two weeks.
pub const CREDENTIALS_SOON_MS: u64 = 14 * 86_400_000;

/// For how long it is told what has happened and cannot be answered, as that a commitment came to nothing or a lead was taken
/// over, in milliseconds: a day.
pub const TOLD_MS: u64 = 86_400_000;

/// What somebody is to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Waits {
    /// The partner's records have no effect.
    Suspended,
    /// The partner's own membership is being decided.
    Concerned,
    /// What it has committed alone is another's by right, or not what was agreed.
    Undone,
    /// Something that it said was refused when it was ordered.
    Refused,
    /// An operation that it leads is blocked, or about to end without agreement.
    Lead,
    /// It may take the lead of an operation, whose lead is silent or gone.
    TakeOver,
    /// Its lead of an operation was taken over.
    TakenOver,
    /// An operation that it leads or opened is in dispute.
    Disputed,
    /// Its attestation is missing.
    Attest,
    /// An authority in which it has a voice has not spoken.
    Authorize,
    /// What its own authority is made of would change, to which only keys of that consent.
    Consent,
    /// An operation that it leads is agreed and not concluded, and holds what it claims from others.
    Conclude,
    /// What served an operation that it leads was taken home.
    Recalled,
    /// An operation that it opened, and another leads, was not agreed.
    Ended,
    /// Its veto is unused and keeps an operation open that is agreed otherwise.
    Veto,
    /// A role, or an operation, is offered to it.
    Answer,
    /// It is on the panel of a dispute and has not said what it thinks.
    Judge,
    /// An integrity event lacks partners that confirm it.
    Confirm,
    /// Its vote is missing on whether the subject of a confirmed event is suspended.
    Vote,
    /// What one of its keys signs has no effect.
    Quarantined,
    /// Its watch changes hands, or nobody who may speak has it.
    Watch,
    /// Its credentials run out.
    Credentials,
    /// Its clock and that of the others disagree.
    Clock,
}

/// One thing that waits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Waiting {
    /// What is to be done.
    pub what: Waits,
    /// Whether it is urgent: an immediate or flash operation, or one that is about to end.
    pub urgent: bool,
    /// What it is about: an operation, an offer, a dispute, an integrity event.
    pub about: Option<RecordId>,
    /// The operation's title, or what else it is about.
    pub title: String,
    /// Why it waits for this partner, in one sentence.
    pub why: String,
    /// Until when, in milliseconds since 1970, batch time.
    pub until_ms: Option<u64>,
    /// The authority that waits for this partner's voice, if it is that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub authority: Option<AuthorityName>,
    /// In which role its word is asked for, where it may speak in several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<Role>,
}

/// The order of an inbox: urgent, then by when it ends; at most [`MAX_INBOX`].
pub fn most_urgent_first(waiting: &mut Vec<Waiting>) {
    waiting.sort_by_key(|waiting| (!waiting.urgent, waiting.until_ms.unwrap_or(u64::MAX), waiting.what));
    waiting.truncate(MAX_INBOX);
}

impl State {
    /// What waits for `partner` at the time `now`.
    pub fn inbox(&self, partner: &PartnerName, now: Time) -> Vec<Waiting> {
        let now = now.max(self.time());
        let mut all = self.own_standing(partner, now);
        all.extend(self.undone(partner, now).take(MAX_INBOX));
        if !self.membership(partner).is_gone() {
            // By the end of their time, so that a bound cuts off what can wait longest.
            let open = self.deadlines().filter(|(ends, _)| *ends > now).map(|(_, id)| id);
            let active = self.is_active(partner);
            // Of who is suspended nothing is asked that would be refused.
            let asked = open.filter_map(|id| self.waits_with_time(partner, &id, now));
            let asked = asked.filter(|waiting| active || waiting.what == Waits::Concerned);
            all.extend(asked.take(MAX_INBOX));
            let events = self.events().filter(|_| active);
            all.extend(events.filter_map(|event| self.asks_about_event(partner, event)).take(MAX_INBOX));
            all.extend(self.waits_for_lead(partner, now).take(MAX_INBOX));
        }
        most_urgent_first(&mut all);
        all
    }

    /// What it has committed and has to undo: for a day, and as long as a panel has not ruled on a conflict.
    fn undone(&self, partner: &PartnerName, now: Time) -> impl Iterator<Item = Waiting> {
        let lately = self.commitments.ended_since(Time(now.0.saturating_sub(TOLD_MS)));
        let ids = lately.map(|it| it.id).chain(self.commitments.in_dispute(partner)).collect::<BTreeSet<_>>();
        ids.into_iter().filter_map(|id| {
            let commitment = self.commitments.get(&id).filter(|it| it.partner == *partner)?;
            let end = commitment.end.filter(|end| end.how != Committed::Confirmed)?;
            let operation = self.operation(&commitment.operation)?;
            Some(Waiting {
                what: Waits::Undone,
                urgent: true,
                about: Some(operation.id),
                title: format!("{}: {}", operation.open.kind, operation.open.title),
                why: format!("committed alone, and {}", self.explain_commitment(commitment, operation)),
                until_ms: Some(end.at.plus(TOLD_MS).0),
                authority: None,
                role: None,
            })
        })
    }

    /// What waits for a word until a moment: an operation, an offer or a dispute.
    fn waits_with_time(&self, partner: &PartnerName, id: &RecordId, now: Time) -> Option<Waiting> {
        if let Some(operation) = self.operation(id) {
            return self.waits(partner, operation, now);
        }
        let title = |operation: &RecordId| {
            self.operation(operation).map_or_else(String::new, |operation| operation.open.title.clone())
        };
        if let Some(offer) = self.handoff(id) {
            return (offer.to == *partner && offer.end.is_none()).then(|| Waiting {
                what: Waits::Answer,
                urgent: true,
                about: Some(offer.id),
                title: title(&offer.operation),
                why: match offer.what {
                    Handed::Role(role) => format!("{} offers the role {role}", offer.from),
                    Handed::Whole => format!("{} offers the whole operation", offer.from),
                },
                until_ms: Some(offer.expires.0),
                authority: None,
                role: None,
            });
        }
        let dispute = self.dispute(id).filter(|dispute| dispute.end.is_none())?;
        let judges = dispute.panel.contains(partner);
        let said = dispute.words.iter().any(|word| word.partner == *partner);
        let operation = self.operation(&dispute.operation)?;
        // Who went alone is told of that already; who has the right to it is not.
        let concerned = match dispute.is_by_rule() {
            true => dispute.opened_by == *partner,
            false => operation.lead == *partner || operation.opened_by == *partner,
        };
        let what = match (judges && !said, concerned) {
            (true, _) => Waits::Judge,
            (false, true) => Waits::Disputed,
            (false, false) => return None,
        };
        Some(Waiting {
            what,
            urgent: false,
            about: Some(dispute.id),
            title: title(&dispute.operation),
            why: match dispute.is_by_rule() {
                true => format!("in conflict: {}", dispute.reason),
                false => format!("{} disputes it: {}", dispute.opened_by, dispute.reason),
            },
            until_ms: Some(dispute.expires.0),
            authority: None,
            role: None,
        })
    }

    fn waits(&self, partner: &PartnerName, operation: &Operation, now: Time) -> Option<Waiting> {
        let kind = self.kind_of(operation)?;
        let deficit = operation.deficit(&kind);
        let said = operation.standing(partner).map(|said| said.stance);
        // Nobody need speak on what can have no effect any more.
        if self.moot(operation).is_some() && operation.concerns() != Some(partner) {
            return None;
        }
        let text = || match self.voiceless(&deficit) {
            Some(note) => format!("{deficit}; {note}"),
            None => deficit.to_string(),
        };
        let consent = || {
            let why = self.asks_for_consent(partner, operation)?;
            Some(format!(
                "it changes this nation's own authority, whose keys sign that they permit it; {why}"
            ))
        };
        let mut authority = None;
        let (what, why) = if operation.concerns() == Some(partner) {
            (Waits::Concerned, "it is about this partner, which has no voice in it".to_owned())
        } else if operation.stage == Stage::Escalated {
            match &kind.rule.fallback {
                Fallback::Escalate(to) if to == partner && operation.word(&kind).is_none() => {
                    (Waits::Attest, format!("escalated to this partner: its word decides; {}", text()))
                }
                Fallback::Authority(_) => match self.asks_for_authority(partner, operation) {
                    Some((needed, why)) => {
                        authority = Some(needed);
                        (Waits::Authorize, format!("escalated, and it alone decides: {why}; {}", text()))
                    }
                    None => (Waits::Consent, consent()?),
                },
                _ => (Waits::Consent, consent()?),
            }
        } else if deficit.asks(partner) && said.is_none() && operation.may_speak(&kind, partner) {
            (Waits::Attest, text())
        } else if deficit.is_met()
            && deficit.veto_unused.contains(partner)
            && said.is_none()
            && operation.may_speak(&kind, partner)
        {
            (Waits::Veto, "agreed once this partner endorses or abstains, or when the window ends".to_owned())
        } else if let Some(why) = consent() {
            (Waits::Consent, why)
        } else if let Some((needed, why)) = self.asks_for_authority(partner, operation) {
            authority = Some(needed);
            (Waits::Authorize, why)
        } else if operation.lead == *partner && (!deficit.vetoed_by.is_empty() || ends_soon(operation, now)) {
            (Waits::Lead, text())
        } else {
            return None;
        };
        let precedence = operation.open.precedence.unwrap_or(kind.precedence);
        let urgent = precedence <= Lane::Immediate || ends_soon(operation, now);
        Some(Waiting {
            what,
            urgent,
            about: Some(operation.id),
            title: format!("{}: {}", kind.name, operation.open.title),
            why,
            until_ms: Some(operation.closes.0),
            authority,
            role: matches!(what, Waits::Attest | Waits::Veto)
                .then(|| operation.role_for(&kind, partner))
                .flatten(),
        })
    }
}

/// Whether less than a tenth of the window is left.
fn ends_soon(operation: &Operation, now: Time) -> bool {
    operation.closes.since(now) < operation.closes.since(operation.opened_at) / 10
}
