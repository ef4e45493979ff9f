//! The story of an operation: who did what, in which role, at which index, from its opening to its end.
//!
//! Guarantees: everything that had an effect on the operation is told once, in the order of batch time and log index: the opening,
//! attestations with their caveats and evidence, the end of a
//! window that decided nothing, who lost its voice meanwhile, words of authorities, assets lent and recalled, offers and what became of them, takeovers, disputes, each judge's
//! last word, rulings, decisions, the conclusion. Of long stories the latest [`MAX_STORY_EVENTS`] are told, with the number of
//! those before.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::authority::Mandate;
use super::dispute::{About, Dispute};
use super::handoff::{Handoff, HandoffEnd, PhaseView};
use super::lease::Commitment;
use super::member::Membership;
use super::operation::Operation;
use super::outcome::{Stage, caveat_of};
use super::state::State;
use super::view::Status;
use crate::charter::text::all_of;
use crate::charter::{AuthorityName, Fallback, KindName, PartnerName, show_time};
use crate::identity::RecordId;
use crate::record::{Handed, Role, Stance};
use crate::time::Time;

/// Most events of a story.
pub const MAX_STORY_EVENTS: usize = 2000;
/// So much of an id is told.
const SHOWN_ID_CHARS: usize = 13;

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum StoryWord {
    /// The operation was opened.
    Opened,
    /// A partner attested.
    Attested,
    /// A partner took back what it had said.
    Withdrawn,
    /// An asset was lent.
    Lent,
    /// An asset was taken back.
    Recalled,
    /// A role was offered.
    Offered,
    /// An offer was accepted: the role has passed.
    Accepted,
    /// The successor took the lead.
    Taken,
    /// An offer was declined, reclaimed, or ended by itself.
    Ended,
    /// Something was said for an authority.
    Spoken,
    /// Something was contested.
    Disputed,
    /// A judge said a word.
    Judged,
    /// A dispute was ruled on.
    Ruled,
    /// A partner committed the operation alone.
    Committed,
    /// It is known what became of that.
    Settled,
    /// The first window ended without a decision, and a further one began.
    Deferred,
    /// The first window ended without a decision, and a partner or an authority is to decide.
    Escalated,
    /// A partner that takes part was suspended, or is a member no more.
    Silenced,
    /// The operation was decided.
    Decided,
    /// Its lead concluded it.
    Concluded,
    /// An asset was declared.
    Declared,
    /// A version of an alliance's document became known.
    Published,
    /// An officer took over the watch.
    Watched,
    /// A partner left.
    Left,
    /// A key was granted a chain.
    Granted,
    /// A key, or a delegation, was revoked.
    Revoked,
    /// A partner's root gave way to another one.
    Rotated,
}

impl StoryWord {
    /// The name in text.
    pub fn name(self) -> &'static str {
        match self {
            Self::Opened => "opened",
            Self::Attested => "attested",
            Self::Withdrawn => "withdrawn",
            Self::Lent => "lent",
            Self::Recalled => "recalled",
            Self::Offered => "offered",
            Self::Accepted => "accepted",
            Self::Taken => "taken over",
            Self::Ended => "ended",
            Self::Spoken => "spoken",
            Self::Disputed => "disputed",
            Self::Judged => "judged",
            Self::Ruled => "ruled",
            Self::Committed => "committed",
            Self::Settled => "settled",
            Self::Deferred => "deferred",
            Self::Escalated => "escalated",
            Self::Silenced => "silenced",
            Self::Decided => "decided",
            Self::Concluded => "concluded",
            Self::Declared => "declared",
            Self::Published => "published",
            Self::Watched => "watched",
            Self::Left => "left",
            Self::Granted => "granted",
            Self::Revoked => "revoked",
            Self::Rotated => "rotated",
        }
    }
}

/// One thing that happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoryEvent {
    /// When, in batch time.
    pub at: String,
    /// The log index of the record that did it; none where time did.
    pub index: Option<u64>,
    /// Who did it; none where a rule or time did.
    pub partner: Option<PartnerName>,
    /// In which role.
    pub role: Option<Role>,
    /// Under which authority: the one that was spoken for, a partner's own, or those that allowed or refused what was decided.
    pub under: Vec<AuthorityName>,
    /// What happened.
    pub what: StoryWord,
    /// The same in words.
    pub text: String,
    /// The record that did it, or the dispute that was ruled on.
    pub record: Option<RecordId>,
}

/// Who led an operation, from when on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeadView {
    /// Who.
    pub partner: PartnerName,
    /// From which log index on; none where time made it so.
    pub index: Option<u64>,
    /// From when on, in batch time.
    pub since: String,
    /// The opening, the handoff or the ruling that made it the lead.
    pub by: RecordId,
}

/// An operation's story, ready to be shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoryView {
    /// The operation.
    pub id: RecordId,
    /// Its type.
    pub kind: String,
    /// Its title.
    pub title: String,
    /// Where it stands.
    pub status: Status,
    /// Who answers for it, and since when.
    pub lead: LeadView,
    /// The phase that it is in, where its type has phases.
    pub phase: Option<KindName>,
    /// Its phases, in their order.
    pub phases: Vec<PhaseView>,
    /// What happened, first things first.
    pub events: Vec<StoryEvent>,
    /// How many things happened before.
    pub before: u64,
}

/// Events with what they are sorted by.
#[derive(Default)]
pub(super) struct Telling(Vec<(Time, u64, StoryEvent)>);

impl Telling {
    pub(super) fn tell(
        &mut self,
        at: Time,
        index: Option<u64>,
        who: Option<(&PartnerName, Option<Role>)>,
        event: (StoryWord, String, Option<RecordId>),
    ) {
        let (what, text, record) = event;
        let event = StoryEvent {
            at: show_time(at),
            index,
            partner: who.map(|(partner, _)| partner.clone()),
            role: who.and_then(|(_, role)| role),
            under: who.map(|(partner, _)| AuthorityName::from(partner)).into_iter().collect(),
            what,
            text,
            record,
        };
        self.0.push((at, index.unwrap_or(0), event));
    }

    /// What was told, first things first.
    pub(super) fn events(mut self) -> Vec<StoryEvent> {
        // What waited for the opening stands behind it, whatever its own place.
        let opened = self.0.first().map_or(0, |(_, index, _)| *index);
        self.0.sort_by_key(|(at, index, _)| (*at, opened.max(*index)));
        self.0.into_iter().map(|(.., event)| event).collect()
    }

    /// What was told last was under these authorities.
    fn under(&mut self, authorities: impl IntoIterator<Item = AuthorityName>) {
        if let Some((.., event)) = self.0.last_mut() {
            event.under = authorities.into_iter().collect();
        }
    }
}

fn with(reason: Option<&String>) -> String {
    reason.map_or(String::new(), |reason| format!(": {reason}"))
}

impl State {
    /// The story of an operation.
    pub fn story(&self, id: &RecordId, now: Time) -> Option<StoryView> {
        let operation = self.operations.get(id)?;
        let view = self.view(id, now)?;
        let events = self.events_of(operation);
        let before = events.len().saturating_sub(MAX_STORY_EVENTS);
        Some(StoryView {
            id: operation.id,
            kind: operation.open.kind.clone(),
            title: operation.open.title.clone(),
            status: view.status,
            lead: LeadView {
                partner: operation.lead.clone(),
                index: operation.led.index,
                since: show_time(operation.led.since),
                by: operation.led.by,
            },
            phase: view.phase,
            phases: self.phase_views(operation),
            events: events.into_iter().skip(before).collect(),
            before: before as u64,
        })
    }

    /// Everything that happened to an operation, first things first.
    pub(super) fn events_of(&self, operation: &Operation) -> Vec<StoryEvent> {
        let id = &operation.id;
        let mut told = Telling::default();
        self.tell_operation(operation, &mut told);
        self.lendings(id).for_each(|lending| {
            let owner = Some((&lending.owner, None));
            let text = format!("lends {}{}", lending.name, with(lending.caveat.as_ref()));
            told.tell(lending.at, Some(lending.index), owner, (StoryWord::Lent, text, Some(lending.record)));
            if let Some((record, index, at, ground)) = &lending.back {
                let text = format!("recalls {}{}", lending.name, with(ground.as_ref()));
                told.tell(*at, Some(*index), owner, (StoryWord::Recalled, text, Some(*record)));
            }
        });
        self.voices(id).for_each(|voice| {
            let how = if voice.speaks { "" } else { ", signed off line and carried" };
            let ground = with(Some(&voice.ground).filter(|ground| !ground.is_empty()));
            let text = format!("for {}: {} it{ground}{how}", voice.authority, voice.word.does());
            let event = (StoryWord::Spoken, text, Some(voice.record));
            told.tell(voice.at, Some(voice.index), Some((&voice.partner, None)), event);
            told.under([voice.authority.clone()]);
        });
        self.commitments.of(id).for_each(|it| self.tell_end(operation, it, &mut told));
        self.handoffs.of(id).for_each(|handoff| self.tell_handoff(operation, handoff, &mut told));
        self.disputes.of(id).for_each(|dispute| tell_dispute(dispute, &self.disputed(dispute), &mut told));
        told.events()
    }

    fn tell_operation(&self, operation: &Operation, told: &mut Telling) {
        // Whoever gave the lead away first has led from the beginning.
        let mut moved = self.handoffs.of(&operation.id).filter(|it| it.has_moved() && it.moves_lead());
        let first = moved.next().map_or(&operation.lead, |handoff| &handoff.from);
        let leads = *first == operation.opened_by;
        let lead = if leads { String::new() } else { format!("; {first} leads") };
        let opener = Some((&operation.opened_by, leads.then_some(Role::Lead)));
        let raised = operation.open.precedence.map_or(String::new(), |lane| format!("; raised to {lane}"));
        let text = format!("opens it{lead}{raised}");
        told.tell(
            operation.opened_at,
            Some(operation.index),
            opener,
            (StoryWord::Opened, text, Some(operation.id)),
        );
        self.commitments.of(&operation.id).for_each(|it| tell_commitment(it, told));
        for said in &operation.attestations {
            let says = match said.stance {
                Stance::Endorse => "endorses",
                Stance::Object => "objects",
                Stance::Abstain => "abstains",
            };
            let caveat = caveat_of(said.stance, said.caveat.as_deref());
            let replaced = match said.superseded_by {
                Some(by) if self.disputes.get(&by).is_some() => " (annulled)",
                Some(_) => " (replaced later)",
                None => "",
            };
            let evidence = match said.evidence.as_slice() {
                [] => String::new(),
                [one] => format!(", with evidence of the hash {one}"),
                many => format!(", with evidence of {} hashes", many.len()),
            };
            let text = format!("{says}{caveat}{evidence}{replaced}");
            let event = (StoryWord::Attested, text, Some(said.record));
            let who = Some((&said.partner, Some(said.role)));
            told.tell(said.at, Some(said.index), who, event);
            if let (Some((index, at)), Some(record)) = (said.withdrawn, said.withdrawn_by) {
                let text = format!("takes back that it {says}");
                told.tell(at, Some(index), who, (StoryWord::Withdrawn, text, Some(record)));
            }
        }
        self.tell_stage(operation, told);
        self.tell_silenced(operation, told);
        if let Some(earlier) = &operation.earlier {
            let event = (StoryWord::Decided, format!("{}, and remanded later", earlier.verdict), None);
            told.tell(earlier.at, earlier.by, None, event);
        }
        if let Some(decision) = &operation.decision {
            let text = decision.explain().into_iter().skip(1).take(1).collect::<String>();
            let event = (StoryWord::Decided, format!("{}: {text}", decision.verdict), None);
            told.tell(decision.decided_at, decision.decided_by, None, event);
            let spoke = |mandate: &&Mandate| mandate.allows() || mandate.refuses();
            let spoken = decision.mandates.iter().filter(spoke);
            told.under(spoken.flat_map(|mandate| mandate.ruling.by.clone()));
        }
        if let Some(mark) = &operation.concluded {
            let lead = Some((&operation.lead, Some(Role::Lead)));
            let text = format!("concludes it{}", with(operation.conclusion.as_ref()));
            told.tell(mark.at, mark.index, lead, (StoryWord::Concluded, text, Some(mark.record)));
        }
    }

    /// That its first window ended without a decision, unless a panel has begun another since.
    fn tell_stage(&self, operation: &Operation, told: &mut Telling) {
        let Some(kind) = self.kind_of(operation).filter(|_| operation.remanded.is_none()) else { return };
        let (what, text) = match (operation.stage, &kind.rule.fallback) {
            (Stage::Deferred, _) => (StoryWord::Deferred, "deferred by one further window".to_owned()),
            (Stage::Escalated, Fallback::Escalate(to)) => {
                (StoryWord::Escalated, format!("escalated to {to}"))
            }
            (Stage::Escalated, Fallback::Authority(to)) => {
                (StoryWord::Escalated, format!("escalated to the authority {to}"))
            }
            _ => return,
        };
        let ended = operation.opened_at.plus(kind.window_ms);
        let until = show_time(operation.closes);
        told.tell(ended, None, None, (what, format!("{text}, until {until}"), None));
    }

    /// Who takes part and lost its voice while the operation was not over.
    fn tell_silenced(&self, operation: &Operation, told: &mut Telling) {
        let spoke = operation.attestations.iter().map(|said| &said.partner);
        let part = spoke.chain([&operation.opened_by, &operation.lead]).collect::<BTreeSet<_>>();
        let over = operation.over().map_or(Time(u64::MAX), |(_, at)| at);
        for partner in part {
            let member = self.member(partner);
            let Some(changed) = &member.changed else { continue };
            if member.membership == Membership::Active
                || changed.at < operation.opened_at
                || changed.at > over
            {
                continue;
            }
            let text = format!("is {}: {}", member.membership, changed.reason);
            told.tell(
                changed.at,
                self.seen(&changed.by).map(|seen| seen.index),
                Some((partner, None)),
                (StoryWord::Silenced, text, Some(changed.by)),
            );
        }
    }

    /// What became of what was committed.
    fn tell_end(&self, operation: &Operation, commitment: &Commitment, told: &mut Telling) {
        let Some(end) = &commitment.end else { return };
        let became = self.explain_commitment(commitment, operation);
        let text = format!("what {} committed is {became}", commitment.partner);
        told.tell(end.at, end.by, None, (StoryWord::Settled, text, end.dispute));
    }

    fn tell_handoff(&self, operation: &Operation, handoff: &Handoff, told: &mut Telling) {
        let role = match handoff.what {
            Handed::Role(role) => role,
            Handed::Whole => Role::Lead,
        };
        let kind = self.kind_of(operation);
        let phase = handoff.phase.and_then(|number| Some(kind.as_ref()?.phase(number)?.name.clone()));
        let phase = phase.map_or(String::new(), |phase| format!(", for the phase {phase}"));
        let Handoff { from, to, what, .. } = handoff;
        let end = handoff.end.as_ref();
        if end.is_some_and(|end| end.how == HandoffEnd::Taken) {
            let text = format!("takes the lead over from {from}{}", with(handoff.note.as_ref()));
            let event = (StoryWord::Taken, text, Some(handoff.id));
            return told.tell(handoff.at, Some(handoff.index), Some((to, Some(role))), event);
        }
        let text = format!("offers {what} to {to}{phase}{}", with(handoff.note.as_ref()));
        let event = (StoryWord::Offered, text, Some(handoff.id));
        told.tell(handoff.at, Some(handoff.index), Some((from, Some(role))), event);
        let Some(end) = end else { return };
        let ground = with(end.ground.as_ref());
        let (who, word, text) = match end.how {
            HandoffEnd::Accepted | HandoffEnd::Taken => {
                (Some((to, Some(role))), StoryWord::Accepted, format!("accepts {what} from {from}{phase}"))
            }
            HandoffEnd::Declined => {
                (Some((to, None)), StoryWord::Ended, format!("declines {what} from {from}{ground}"))
            }
            HandoffEnd::Reclaimed => {
                (Some((from, Some(role))), StoryWord::Ended, format!("reclaims {what}{ground}"))
            }
            HandoffEnd::Expired | HandoffEnd::Lapsed => {
                (None, StoryWord::Ended, format!("the offer of {from} to {to} {}", end.how))
            }
        };
        told.tell(end.at, end.index, who, (word, text, end.record));
    }
}

fn tell_commitment(commitment: &Commitment, told: &mut Telling) {
    let leases = all_of(&commitment.leases);
    let under = match commitment.leases.len() {
        0 => ", under no lease".to_owned(),
        1 => format!(" under the lease {leases}"),
        _ => format!(" under the leases {leases}"),
    };
    let text = format!("commits it provisionally{under}, knowing the log up to {}", commitment.seen);
    let event = (StoryWord::Committed, text, Some(commitment.id));
    told.tell(commitment.at, Some(commitment.index), Some((&commitment.partner, None)), event);
}

fn tell_dispute(dispute: &Dispute, subject: &str, told: &mut Telling) {
    let ground = dispute.ground.as_ref().map_or(String::new(), |ground| format!("{ground}: "));
    let text = match dispute.is_by_rule() {
        true => format!("wronged, so a dispute is opened by rule: {ground}{}", dispute.reason),
        false if dispute.about == About::Operation => {
            format!("disputes {subject}: {ground}{}", dispute.reason)
        }
        false => {
            // Enough of the id to name it on a command line.
            let id = dispute.subject.to_string().chars().take(SHOWN_ID_CHARS).collect::<String>();
            format!("disputes {subject} ({id}): {ground}{}", dispute.reason)
        }
    };
    let opener = Some((&dispute.opened_by, None));
    told.tell(dispute.at, Some(dispute.index), opener, (StoryWord::Disputed, text, Some(dispute.id)));
    for word in &dispute.words {
        let text = format!("says {}{}{}", word.ruling, word.instead(), with(word.reason.as_ref()));
        told.tell(
            word.at,
            Some(word.index),
            Some((&word.partner, None)),
            (StoryWord::Judged, text, Some(word.record)),
        );
    }
    if let Some(end) = &dispute.end {
        let text = match (end.ruling, end.by) {
            (Some(ruling), Some(_)) => format!("{subject} is {} by the panel", ruling.done()),
            (Some(ruling), None) => format!("{subject} is {}: the panel's time is over", ruling.done()),
            (None, _) => "nothing is left to rule on".to_owned(),
        };
        told.tell(end.at, end.by, None, (StoryWord::Ruled, text, Some(dispute.id)));
    }
}
