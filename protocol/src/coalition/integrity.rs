//! Integrity events: reported by officers, seen by nodes, or proved; confirmed by proof or by independent partners.
//!
//! Guarantees: a report or incident alone changes nothing but the list of events. One is confirmed only by ordered evidence
//! against whom it names, or once as many partners as the charter declares stand behind it; its subject never counts, and
//! neither confirms, withdraws nor votes on it. What follows is what the charter declares: people are alerted, what the key
//! says later has no effect, partners may vote to suspend its subject; nothing else. A word of a node confirms nothing.
//!
//! Bounded, and nothing detected is lost: what one author says of one matter is one event with a count. An author has at
//! most [`MAX_EVENTS_PER_NODE`] or [`MAX_EVENTS_PER_PARTNER`] events that are not confirmed, all nodes together
//! [`MAX_INCIDENT_EVENTS`]; what a node sees beyond is counted into one event for each kind, whose subject is unknown. An
//! officer's report beyond displaces the partner's event that was withdrawn longest ago, or is refused while there is none.
//! What was shown is kept the first time, and counted after that. It proves nothing against anybody: whoever has seen a
//! credential can show it.

mod act;
mod refusal;
mod shown;
mod view;

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

pub use refusal::IntegrityRefusal;
pub use shown::{ExhibitView, KeptShown, ShownView};
pub use view::{IntegrityView, VoteView, WordView};

use super::find::{FindError, find_id};
use super::items::{Item, ItemId};
use super::refusal::{Part, Refusal};
use super::state::{ApplyContext, State};
use crate::charter::{PartnerName, Response};
use crate::evidence::Subject;
use crate::feed::FeedKey;
use crate::identity::{EvidenceId, Hash, PublicKey, RecordId, hash};
use crate::record::{EventKind, Incident, IntegrityAct, Matter, Measure, Record, Shown};
use crate::time::Time;
use crate::wire;

/// Most events that one partner's officers reported and that are not confirmed.
pub const MAX_EVENTS_PER_PARTNER: usize = 128;
/// Most events that one node reported and that are not confirmed; later ones are counted into one for each kind.
pub const MAX_EVENTS_PER_NODE: usize = 32;
/// The same for all nodes together.
pub const MAX_INCIDENT_EVENTS: usize = 8192;

/// An integrity event as ordered words make it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct IntegrityEvent {
    /// Its id: see [`IntegrityAct`].
    pub id: RecordId,
    /// What, by whom, to whom.
    pub matter: Matter,
    /// Whose word it is.
    pub author: Author,
    /// The author's partner; of a proof, the partner whose node brought it.
    pub reporter: PartnerName,
    /// In words: the first time, or the first after it was withdrawn; of a node, the latest.
    pub text: String,
    /// Commitments to evidence that is kept elsewhere.
    pub evidence: Vec<Hash>,
    /// The ordered evidence that proves it, or that would.
    pub proof: Option<EvidenceId>,
    /// Since when, by the reporter's clock.
    pub since: Option<Time>,
    /// Log index of the first word.
    pub index: u64,
    /// Batch time of it.
    pub at: Time,
    /// Log index of the latest word of the same author on it.
    pub last_index: u64,
    /// When it was seen last: by a node's clock, else the batch time of that word.
    pub last: Time,
    /// How often it was reported: once by a record, as often as it says by a node's word.
    pub count: u64,
    /// How many of these were of other matters, counted here because a limit was reached.
    pub crowded: u64,
    /// What was shown the first time that a word carried it, since it was withdrawn last.
    pub shown: Option<Box<KeptShown>>,
    /// Who confirms it, in order.
    pub confirmed: Vec<Word>,
    /// How far it is.
    pub status: EventStatus,
    /// Votes on what follows, in order.
    pub votes: Vec<(Measure, Word)>,
    /// Log index from which on what the key says has no effect.
    pub quarantined: Option<u64>,
    /// Log index at which the vote to suspend its subject was carried.
    pub suspended: Option<u64>,
    /// Log index at which both ended.
    pub lifted: Option<u64>,
}

/// Whose word an event is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Author {
    /// A partner's, by one of its officers.
    Officer(PartnerName),
    /// A node's own.
    Node(PublicKey),
    /// Nobody's: ordered evidence speaks for itself.
    Proof,
}

/// How far an event is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum EventStatus {
    /// It is said, and neither proved nor confirmed.
    Preliminary,
    /// It counts as true.
    Confirmed {
        /// Log index of what confirmed it.
        index: u64,
        /// Batch time then.
        at: Time,
        /// Whether evidence did, and not partners.
        by_proof: bool,
    },
    /// Who reported it took it back.
    Withdrawn {
        /// Log index.
        index: u64,
        /// Why.
        ground: Option<String>,
    },
}

/// A partner's word on an event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Word {
    /// Who.
    pub partner: PartnerName,
    /// The record.
    pub record: RecordId,
    /// Why, or from where it knows.
    pub ground: Option<String>,
    /// Log index.
    pub index: u64,
    /// Batch time.
    pub at: Time,
}

/// A partner that was suspended by vote for an event, and by no later vote reinstated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Suspension {
    /// Who.
    pub partner: PartnerName,
    /// For which event.
    pub event: RecordId,
    /// Since which log index.
    pub since: u64,
}

impl IntegrityEvent {
    /// Whether it is confirmed.
    pub fn is_confirmed(&self) -> bool {
        matches!(self.status, EventStatus::Confirmed { .. })
    }

    /// Whether the author's word or what confirmed it stands at this log index.
    pub fn changed_at(&self, index: u64) -> bool {
        let settled = matches!(self.status, EventStatus::Confirmed { index: at, .. } if at == index);
        settled || self.last_index == index
    }

    pub(super) fn is_withdrawn(&self) -> bool {
        matches!(self.status, EventStatus::Withdrawn { .. })
    }

    /// Whether it takes one of its author's places.
    fn takes_place(&self) -> bool {
        let of_its_own = match self.author {
            Author::Officer(_) => true,
            // Others are counted into it, so it is there whatever the limit.
            Author::Node(_) => self.matter != Matter::unknown(self.matter.kind),
            Author::Proof => false,
        };
        of_its_own && !self.is_confirmed()
    }
}

/// The id of the event that `node` opens by its own word on a matter.
pub fn incident_id(node: &PublicKey, matter: &Matter) -> RecordId {
    RecordId(hash("entente/incident/v1", &[&wire::encode(&(node, matter))]))
}

/// The id of the event that a piece of evidence makes.
pub fn proved_id(evidence: &EvidenceId) -> RecordId {
    RecordId(evidence.0)
}

/// All events. Everything but `by_id` follows from it.
#[derive(Debug, Clone, Default)]
pub(super) struct Events {
    by_id: BTreeMap<RecordId, IntegrityEvent>,
    matters: BTreeMap<Author, BTreeMap<Matter, RecordId>>,
    /// How many places each author takes.
    taken: BTreeMap<Author, usize>,
    /// How many all nodes take.
    taken_by_nodes: usize,
    /// Since when keys are in quarantine, and for which events.
    quarantined: BTreeMap<PublicKey, BTreeMap<RecordId, u64>>,
}

impl Events {
    pub(super) fn get(&self, id: &RecordId) -> Option<&IntegrityEvent> {
        self.by_id.get(id)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &IntegrityEvent> {
        self.by_id.values()
    }

    pub(super) fn find(&self, text: &str) -> Result<RecordId, FindError> {
        find_id(&self.by_id, text)
    }

    fn of(&self, author: &Author, matter: &Matter) -> Option<&IntegrityEvent> {
        self.by_id.get(self.matters.get(author)?.get(matter)?)
    }

    fn places(&self, author: &Author) -> usize {
        self.taken.get(author).copied().unwrap_or(0)
    }

    fn put(&mut self, event: IntegrityEvent) {
        self.remove(&event.id);
        if event.author != Author::Proof {
            let matters = self.matters.entry(event.author.clone()).or_default();
            matters.insert(event.matter.clone(), event.id);
        }
        if event.takes_place() {
            *self.taken.entry(event.author.clone()).or_default() += 1;
            self.taken_by_nodes += usize::from(matches!(event.author, Author::Node(_)));
        }
        if let (Some(key), Some(since), None) = (event.matter.key, event.quarantined, event.lifted) {
            self.quarantined.entry(key).or_default().insert(event.id, since);
        }
        self.by_id.insert(event.id, event);
    }

    fn remove(&mut self, id: &RecordId) {
        let Some(event) = self.by_id.remove(id) else { return };
        if let Some(matters) = self.matters.get_mut(&event.author) {
            matters.remove(&event.matter);
        }
        if event.takes_place()
            && let Some(taken) = self.taken.get_mut(&event.author)
        {
            *taken = taken.saturating_sub(1);
            let by_node = usize::from(matches!(event.author, Author::Node(_)));
            self.taken_by_nodes = self.taken_by_nodes.saturating_sub(by_node);
        }
        if let Some(key) = event.matter.key
            && let Some(events) = self.quarantined.get_mut(&key)
        {
            events.remove(id);
            if events.is_empty() {
                self.quarantined.remove(&key);
            }
        }
    }

    /// The partner's event that was withdrawn longest ago.
    fn displaced(&self, author: &Author) -> Option<RecordId> {
        let events = self.matters.get(author)?.values().filter_map(|id| self.by_id.get(id));
        let withdrawn = events.filter_map(|event| match event.status {
            EventStatus::Withdrawn { index, .. } => Some((index, event.id)),
            _ => None,
        });
        withdrawn.min().map(|(_, id)| id)
    }
}

/// What needs no state: bounds of texts and lists.
pub(super) fn check(act: &IntegrityAct) -> Result<(), Refusal> {
    let ground = match act {
        IntegrityAct::Report(report) => {
            Part::Commitments.check_length(report.evidence.len())?;
            check_shown(report.shown.as_deref())?;
            return Part::Report.check(&report.text);
        }
        IntegrityAct::Confirm(confirm) => &confirm.ground,
        IntegrityAct::Withdraw(withdraw) => &withdraw.ground,
        IntegrityAct::Vote(vote) => &vote.ground,
    };
    ground.as_deref().map_or(Ok(()), |ground| Part::Ground.check(ground))
}

/// Whether a record may carry so much.
fn check_shown(shown: Option<&Shown>) -> Result<(), Refusal> {
    shown.map_or(Ok(()), |shown| Part::Shown.check_length(shown.encoded_len()))
}

impl State {
    /// An integrity event.
    pub fn event(&self, id: &RecordId) -> Option<&IntegrityEvent> {
        self.events.get(id)
    }

    /// All integrity events, by id.
    pub fn events(&self) -> impl Iterator<Item = &IntegrityEvent> {
        self.events.iter()
    }

    /// The event that a record reports, or that this is the id of.
    pub fn event_of(&self, named: &RecordId) -> Option<&IntegrityEvent> {
        let reported = || self.events.get(&self.records.get(named)?.about);
        self.events.get(named).or_else(reported)
    }

    /// Whether `partner` is the subject of an event: named as who did it, or the key is its.
    pub fn is_subject(&self, partner: &PartnerName, matter: &Matter) -> bool {
        let holds = |key: &PublicKey| self.holder(key).is_some_and(|(it, _)| it.name == *partner);
        matter.against.as_ref() == Some(partner) || matter.key.as_ref().is_some_and(holds)
    }

    /// The partners that stand behind an event and count; while it is not settled, only those that are active.
    pub fn confirming<'a>(&self, event: &'a IntegrityEvent) -> Vec<&'a PartnerName> {
        let counts = self.charter().integrity.reporter_counts;
        let reported = matches!(&event.author, Author::Officer(_)).then_some(&event.reporter);
        let reported = reported.filter(|_| counts);
        let mut partners: Vec<_> =
            reported.into_iter().chain(event.confirmed.iter().map(|word| &word.partner)).collect();
        let open = event.status == EventStatus::Preliminary;
        let counts = |partner: &PartnerName| {
            !self.is_subject(partner, &event.matter) && (!open || self.is_active(partner))
        };
        partners.retain(|partner| counts(partner));
        partners.sort_unstable();
        partners.dedup();
        partners
    }

    /// The event for which a key is in quarantine, and since which log index.
    pub fn quarantined(&self, key: &PublicKey) -> Option<(RecordId, u64)> {
        let events = self.events.quarantined.get(key)?.iter();
        events.map(|(event, since)| (*event, *since)).min_by_key(|(event, since)| (*since, *event))
    }

    /// Partners that were suspended by vote, by event; whether one still is, its membership says.
    pub fn suspensions(&self) -> impl Iterator<Item = Suspension> {
        self.events.iter().filter_map(|event| {
            let since = event.suspended.filter(|_| event.lifted.is_none())?;
            Some(Suspension { partner: self.subject(&event.matter)?, event: event.id, since })
        })
    }

    /// Whom an event is against: the partner named, else the one whose key it is.
    pub fn subject(&self, matter: &Matter) -> Option<PartnerName> {
        let by_key = || matter.key.and_then(|key| self.holder(&key)).map(|(it, _)| it.name.clone());
        matter.against.clone().or_else(by_key)
    }

    /// What a key in quarantine signs has no effect.
    pub(super) fn heed_quarantine(&self, key: &PublicKey) -> Result<(), Refusal> {
        match self.quarantined(key) {
            Some((event, since)) => Err(IntegrityRefusal::Quarantined { key: *key, event, since }.into()),
            None => Ok(()),
        }
    }

    fn know_partners(&self, matter: &Matter) -> Result<(), Refusal> {
        let mut named = matter.against.iter().chain(&matter.victim);
        match named.find(|name| self.charter().partner(name.as_str()).is_none()) {
            Some(named) => Err(IntegrityRefusal::UnknownPartner { named: named.clone() }.into()),
            None => Ok(()),
        }
    }

    /// Takes what a node has seen: opens an event or counts it into one; gives its id.
    pub(super) fn take_incident(
        &mut self,
        context: &ApplyContext,
        incident: &Incident,
    ) -> Result<RecordId, Refusal> {
        let kind = incident.matter.kind;
        Part::Incident.check(&incident.text)?;
        check_shown(incident.shown.as_ref())?;
        if !kind.is_seen_by_nodes() {
            return Err(IntegrityRefusal::NotSeenByNodes { kind }.into());
        }
        if incident.count == 0 || incident.first > incident.last {
            return Err(IntegrityRefusal::Uncounted.into());
        }
        self.know_partners(&incident.matter)?;
        let node = context.feed.node;
        let partner = self.node_at(&node, context.index)?;
        let (reporter, author) = (partner.name.clone(), Author::Node(node));
        let full = self.events.places(&author) >= MAX_EVENTS_PER_NODE
            || self.events.taken_by_nodes >= MAX_INCIDENT_EVENTS;
        let known = self.events.of(&author, &incident.matter).is_some();
        // What its partner has withdrawn makes room.
        let displaced = self.events.displaced(&author).filter(|_| full && !known);
        if let Some(displaced) = &displaced {
            self.drop_event(displaced);
        }
        let crowds = full && !known && displaced.is_none();
        let matter = if crowds { Matter::unknown(kind) } else { incident.matter.clone() };
        let new = || IntegrityEvent {
            text: incident.text.clone(),
            since: Some(incident.first),
            ..self.blank(incident_id(&node, &matter), &matter, &author, reporter.clone(), context.index)
        };
        let mut event = self.events.of(&author, &matter).cloned().unwrap_or_else(new);
        event.text.clone_from(&incident.text);
        event.count = event.count.saturating_add(incident.count);
        event.crowded = event.crowded.saturating_add(if crowds { incident.count } else { 0 });
        event.last = event.last.max(incident.last);
        event.last_index = context.index;
        reopen(&mut event);
        self.keep_shown(&mut event, incident.shown.as_ref(), context.index);
        let id = event.id;
        self.adopt_event(event);
        Ok(id)
    }

    /// An event of which only the matter is known, first said at `index`.
    fn blank(
        &self,
        id: RecordId,
        matter: &Matter,
        author: &Author,
        reporter: PartnerName,
        index: u64,
    ) -> IntegrityEvent {
        IntegrityEvent {
            id,
            matter: matter.clone(),
            author: author.clone(),
            reporter,
            text: String::new(),
            evidence: Vec::new(),
            proof: None,
            since: None,
            index,
            at: self.time,
            last_index: index,
            last: Time(0),
            count: 0,
            crowded: 0,
            shown: None,
            confirmed: Vec::new(),
            status: EventStatus::Preliminary,
            votes: Vec::new(),
            quarantined: None,
            suspended: None,
            lifted: None,
        }
    }

    /// Evidence was ordered: it is an event by itself, and proves those that refer to it. Gives its id.
    pub(super) fn prove(&mut self, context: &ApplyContext, subject: Subject, text: String) -> RecordId {
        let evidence = subject.id();
        let (partner, key) = match subject {
            Subject::Feed(FeedKey { node, .. }) => {
                (self.holder(&node).map(|(partner, _)| partner), Some(node))
            }
            Subject::Seat(seat) => {
                (self.founded.partners().get(seat.index()), self.founded.seats().get(seat.index()).copied())
            }
        };
        let against = partner.map(|partner| partner.name.clone());
        let matter = Matter { kind: EventKind::Equivocation, against, key, victim: None };
        let carrier = self.node_at(&context.feed.node, context.index).ok();
        // Evidence counts only from an enrolled node.
        let reporter = carrier.or(partner).map(|partner| partner.name.clone());
        let id = proved_id(&evidence);
        let Some(reporter) = reporter else { return id };
        let mut event = IntegrityEvent {
            text,
            proof: Some(evidence),
            last: self.time,
            count: 1,
            ..self.blank(id, &matter, &Author::Proof, reporter, context.index)
        };
        self.settle(&mut event, context.index);
        self.adopt_event(event);
        let waiting = self
            .events
            .iter()
            .filter(|event| event.proof == Some(evidence) && event.status == EventStatus::Preliminary);
        for mut event in waiting.cloned().collect::<Vec<_>>() {
            self.settle(&mut event, context.index);
            self.adopt_event(event);
        }
        id
    }

    /// Whether ordered evidence is against whom the event names, and for what it says.
    fn is_proved(&self, event: &IntegrityEvent) -> bool {
        if event.author == Author::Proof {
            return true;
        }
        let proved = event.proof.and_then(|evidence| self.events.get(&proved_id(&evidence)));
        let Some(proved) = proved.filter(|it| it.author == Author::Proof) else { return false };
        let (said, shown) = (&event.matter, &proved.matter);
        let named = said.against.is_some() || said.key.is_some();
        named
            && said.kind == shown.kind
            && said.victim == shown.victim
            && (said.against.is_none() || said.against == shown.against)
            && (said.key.is_none() || said.key == shown.key)
    }

    /// Confirms an event that is proved or confirmed by enough, and says what follows from it.
    fn settle(&self, event: &mut IntegrityEvent, index: u64) {
        if event.status != EventStatus::Preliminary {
            return;
        }
        let rules = &self.charter().integrity;
        let by_proof = self.is_proved(event);
        if !by_proof && self.confirming(event).len() < rules.confirmations as usize {
            return;
        }
        event.status = EventStatus::Confirmed { index, at: self.time, by_proof };
        // What the evidence itself has brought about, and what was lifted since, a report of it does not bring about again.
        let repeats = by_proof && event.author != Author::Proof;
        if !repeats && event.matter.key.is_some() && rules.has(event.matter.kind, Response::Quarantine) {
            event.quarantined = Some(index);
        }
    }

    /// Takes an event as it stands.
    pub(super) fn adopt_event(&mut self, event: IntegrityEvent) {
        self.tree.put(&Item::Event(Cow::Borrowed(&event)));
        self.events.put(event);
    }

    fn drop_event(&mut self, id: &RecordId) {
        self.tree.remove(ItemId::Event(*id));
        self.events.remove(id);
    }

    /// What records about events need to be tried on `overlay`.
    pub(super) fn overlay_events<'a>(&self, held: impl Iterator<Item = &'a Record>, overlay: &mut Self) {
        let mut concerned = false;
        for record in held {
            let crate::record::Act::Integrity(act) = &record.act else { continue };
            concerned = true;
            let known = [Some(record.id()), act.event()].into_iter().flatten();
            overlay.records.extend(known.filter_map(|id| self.records.get_key_value(&id)));
        }
        if concerned {
            overlay.events = self.events.clone();
        } else {
            overlay.events.quarantined = self.events.quarantined.clone();
        }
    }
}

/// An event that was withdrawn is reported anew: who confirmed it before said so of what was taken back.
fn reopen(event: &mut IntegrityEvent) {
    if event.is_withdrawn() {
        event.status = EventStatus::Preliminary;
        event.confirmed.clear();
        event.shown = None;
    }
}
