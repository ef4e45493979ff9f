//! Integrity events as people and local programs see them: names instead of keys, text beside numbers.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::{Author, EventStatus, IntegrityEvent, ShownView, Word};
use crate::charter::text::{all_of, either};
use crate::charter::{PartnerName, Response, show_time};
use crate::coalition::state::State;
use crate::coalition::view::{HELD_INDEX, ordered};
use crate::coalition::{ApplyContext, Disposition};
use crate::feed::FeedKey;
use crate::identity::{EvidenceId, Hash, PublicKey, RecordId};
use crate::record::{Body, EventKind, Measure, SignedRecord};
use crate::time::Time;

/// An integrity event, ready to be shown. Times are milliseconds since 1970.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct IntegrityView {
    /// Its id.
    pub id: RecordId,
    /// What kind.
    pub kind: EventKind,
    /// `preliminary`, `confirmed` or `withdrawn`.
    pub status: String,
    /// Whether the charter has people alerted of it.
    pub urgent: bool,
    /// Why it stands so, and what follows, in one sentence.
    pub explanation: String,
    /// The partner that did it.
    pub against: Option<PartnerName>,
    /// The key that it was done with.
    pub key: Option<PublicKey>,
    /// The partner that holds this key by the charter.
    pub holder: Option<PartnerName>,
    /// To whom.
    pub victim: Option<PartnerName>,
    /// The partner that reported it.
    pub reporter: PartnerName,
    /// The node of it that did so by itself.
    pub node: Option<PublicKey>,
    /// In words.
    pub text: String,
    /// Commitments to evidence that is kept elsewhere.
    pub evidence: Vec<Hash>,
    /// The evidence that proves it, or would.
    pub proof: Option<EvidenceId>,
    /// Since when, by the reporter's clock.
    pub since: Option<Time>,
    /// Batch time of the first word.
    pub at: Time,
    /// When it was seen last.
    pub last: Time,
    /// How often it was reported.
    pub count: u64,
    /// How many of these were of other matters, counted here because a limit was reached.
    pub crowded: u64,
    /// What was shown, and what that proves.
    pub shown: Option<ShownView>,
    /// Log index of the first word; `None` if it is not ordered.
    pub index: Option<u64>,
    /// Log index of the author's latest word; `None` if that is not ordered.
    pub last_index: Option<u64>,
    /// Who confirms it.
    pub confirmed: Vec<WordView>,
    /// Who could still confirm it.
    pub may_confirm: Vec<PartnerName>,
    /// Of how many more it needs a word.
    pub missing: u64,
    /// Who could still vote to suspend its subject, where that is declared.
    pub may_vote: Vec<PartnerName>,
    /// How many more votes that takes.
    pub votes_missing: u64,
    /// Log index of what confirmed or withdrew it.
    pub settled_index: Option<u64>,
    /// Votes on what follows.
    pub votes: Vec<VoteView>,
    /// Since which log index what the key says has no effect.
    pub quarantined_index: Option<u64>,
    /// At which log index the suspension of its subject was carried.
    pub suspended_index: Option<u64>,
    /// At which log index both ended.
    pub lifted_index: Option<u64>,
}

/// A partner's word on an event, ready to be shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WordView {
    /// The record.
    pub id: RecordId,
    /// Who.
    pub partner: PartnerName,
    /// Why, or from where it knows.
    pub ground: Option<String>,
    /// Log index; `None` if it is not ordered.
    pub index: Option<u64>,
}

/// A vote, ready to be shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VoteView {
    /// For what.
    pub measure: Measure,
    /// By whom.
    #[serde(flatten)]
    pub word: WordView,
}

impl From<&Word> for WordView {
    fn from(word: &Word) -> Self {
        Self {
            id: word.record,
            partner: word.partner.clone(),
            ground: word.ground.clone(),
            index: ordered(word.index),
        }
    }
}

impl EventStatus {
    /// The name in text.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Preliminary => "preliminary",
            Self::Confirmed { .. } => "confirmed",
            Self::Withdrawn { .. } => "withdrawn",
        }
    }
}

impl State {
    /// An event, ready to be shown.
    pub fn event_view(&self, event: &IntegrityEvent) -> IntegrityView {
        let rules = &self.charter().integrity;
        let matter = &event.matter;
        let stands = self.confirming(event);
        let preliminary = event.status == EventStatus::Preliminary;
        let own = Author::Officer(event.reporter.clone()) == event.author;
        let open = |name: &PartnerName| {
            let said = event.confirmed.iter().any(|word| word.partner == *name);
            let has_said = said || (own && *name == event.reporter);
            !has_said && !self.is_subject(name, matter) && self.is_active(name)
        };
        let partners = self.last_charter().members().map(|partner| partner.name.clone());
        let missing = (rules.confirmations as usize).saturating_sub(stands.len());
        let (settled, withdrawn) = match &event.status {
            EventStatus::Preliminary => (None, false),
            EventStatus::Confirmed { index, .. } => (Some(*index), false),
            EventStatus::Withdrawn { index, .. } => (Some(*index), true),
        };
        let suspension = self.suspension_waits(event);
        let mut view = IntegrityView {
            id: event.id,
            kind: matter.kind,
            status: event.status.name().to_owned(),
            urgent: !withdrawn && rules.has(matter.kind, Response::Alert),
            explanation: String::new(),
            against: matter.against.clone(),
            key: matter.key,
            holder: matter.key.and_then(|key| self.holder(&key)).map(|(it, _)| it.name.clone()),
            victim: matter.victim.clone(),
            reporter: event.reporter.clone(),
            node: if let Author::Node(node) = event.author { Some(node) } else { None },
            text: event.text.clone(),
            evidence: event.evidence.clone(),
            proof: event.proof,
            since: event.since,
            at: event.at,
            last: event.last,
            count: event.count,
            crowded: event.crowded,
            shown: self.shown_view(event),
            index: ordered(event.index),
            last_index: ordered(event.last_index),
            confirmed: event.confirmed.iter().map(WordView::from).collect(),
            may_confirm: if preliminary { partners.filter(open).collect() } else { Vec::new() },
            missing: if preliminary { missing as u64 } else { 0 },
            votes_missing: suspension.as_ref().map_or(0, |(_, missing)| *missing as u64),
            may_vote: suspension.map_or_else(Vec::new, |(voters, _)| voters),
            settled_index: settled.and_then(ordered),
            votes: event
                .votes
                .iter()
                .map(|(measure, word)| VoteView { measure: *measure, word: WordView::from(word) })
                .collect(),
            quarantined_index: event.quarantined.and_then(ordered),
            suspended_index: event.suspended.and_then(ordered),
            lifted_index: event.lifted.and_then(ordered),
        };
        view.explanation = self.explain_event(event, &view);
        view
    }

    fn explain_event(&self, event: &IntegrityEvent, view: &IntegrityView) -> String {
        match &event.status {
            EventStatus::Preliminary if view.may_confirm.len() < view.missing as usize => {
                "nobody but its reporter or its subject is left to confirm it; nothing follows from it"
                    .to_owned()
            }
            EventStatus::Preliminary => format!(
                "needs {} more of {} to confirm it; nothing follows from it until then",
                view.missing,
                either(&view.may_confirm)
            ),
            EventStatus::Withdrawn { index, ground } => {
                let ground = ground.as_ref().map_or(String::new(), |ground| format!(": {ground}"));
                format!("withdrawn by {}{}{ground}", event.reporter, at(*index))
            }
            EventStatus::Confirmed { index, at: time, by_proof } => {
                let by = match (by_proof, event.proof) {
                    (true, Some(proof)) => format!("by evidence {proof}"),
                    _ => format!("by {}", all_of(&self.confirming(event))),
                };
                let mut text = format!("confirmed {by}{}, {}", at(*index), show_time(*time));
                if let Some(index) = event.quarantined {
                    text.push_str(&match event.lifted {
                        None => format!("; the key is in quarantine{}", at(index)),
                        Some(_) => format!("; the key was in quarantine{}", at(index)),
                    });
                }
                if let (1.., Some(who)) = (view.votes_missing, self.subject(&event.matter)) {
                    let (missing, voters) = (view.votes_missing, either(&view.may_vote));
                    text.push_str(&match view.may_vote.len() as u64 >= missing {
                        true => format!("; needs {missing} more of {voters} to vote that {who} is suspended"),
                        false => format!("; too few are left to vote that {who} is suspended"),
                    });
                }
                if let (Some(index), Some(who)) = (event.suspended, self.subject(&event.matter)) {
                    text.push_str(&format!("; {who} was suspended by vote{}", at(index)));
                }
                if let Some(index) = event.lifted {
                    text.push_str(&match (event.quarantined, event.suspended) {
                        (Some(_), Some(_)) => format!("; both ended by vote{}", at(index)),
                        _ => format!("; that ended by vote{}", at(index)),
                    });
                }
                text
            }
        }
    }

    /// All events, ready to be shown, as they would be if what is held came next in the order: signed records, whose
    /// signatures were verified, and what nodes have seen, each in its feed. Changes nothing.
    pub fn provisional_events(&self, held: &[(FeedKey, Body)], now: Time) -> Vec<IntegrityView> {
        let signed: Vec<SignedRecord> = held
            .iter()
            .filter_map(|(_, body)| match body {
                Body::Signed(signed) => Some(signed.clone()),
                _ => None,
            })
            .collect();
        let counting =
            self.counting(&signed, now).into_iter().map(|it| it.record.id()).collect::<BTreeSet<_>>();
        let mut overlay = self.overlay(&signed, now);
        overlay.events = self.events.clone();
        for (index, (feed, body)) in (HELD_INDEX..).zip(held) {
            match body {
                Body::Signed(signed) if !counting.contains(&signed.record.id()) => {}
                Body::Signed(signed) => {
                    overlay.try_held(index, signed);
                }
                Body::Incident(_) => {
                    let (time, hash) = (overlay.time(), Hash::default());
                    let context = ApplyContext { index, epoch: 0, time, feed: *feed, length: 0, hash };
                    let disposition = overlay.apply(&context, body).disposition;
                    debug_assert!(!matches!(disposition, Disposition::Parked { .. }));
                }
                _ => {}
            }
        }
        overlay.events.iter().map(|event| overlay.event_view(event)).collect()
    }
}

fn at(index: u64) -> String {
    ordered(index).map_or_else(|| " (not ordered yet)".to_owned(), |index| format!(" at index {index}"))
}
