//! The state machine: batch time, operations, parked records, and the root over them.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use entente_hbbft::{Seat, plant};
use serde::{Deserialize, Serialize};

use super::asset::Assets;
use super::authority::{Alliances, Words};
use super::claims::Claims;
use super::dispute::{Disputes, Ruled};
use super::evidence::{Convicted, Frozen, Proved};
use super::find::{FindError, find_id};
use super::handoff::Handoffs;
use super::integrity::Events;
use super::items::{Item, Tree};
use super::judge::{Judgement, bad_signature, too_many_parked};
use super::keys::{Purpose, Roster, Scope};
use super::lease::Commitments;
use super::lending::Lendings;
use super::member::Member;
use super::operation::Operation;
use super::operations::Operations;
use super::outcome::Decision;
use super::park::{Parked, Place};
use super::refusal::Refusal;
use super::versions::Versions;
use crate::charter::PartnerName;
use crate::credential::Capability;
use crate::evidence::{Equivocation, Subject};
use crate::feed::{FeedKey, ForkProof};
use crate::founding::Founded;
use crate::frontier::incarnations;
use crate::identity::{EvidenceId, Hash, PublicKey, RecordId};
use crate::record::{Body, SignedRecord, Verified};
use crate::time::Time;

/// Most operations that one partner may have open at a time.
pub const MAX_OPEN_PER_PARTNER: usize = 32_768;
/// Most attestations of one partner to one operation, those that are superseded included.
pub const MAX_ATTESTATIONS_PER_PARTNER: usize = 16;

/// Where an ordered entry stands, and when.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApplyContext {
    /// Its index in the log.
    pub index: u64,
    /// The epoch that ordered it.
    pub epoch: u64,
    /// Batch time.
    pub time: Time,
    /// Its feed.
    pub feed: FeedKey,
    /// Its length there.
    pub length: u64,
    /// Its hash there.
    pub hash: Hash,
}

/// What became of an entry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Disposition {
    /// It has its effect; a note has none.
    Applied,
    /// The same record was applied or parked before.
    Duplicate {
        /// Log index of the first.
        first: u64,
    },
    /// It has no effect.
    Refused(Refusal),
    /// It waits for what it names.
    Parked {
        /// What it names.
        awaits: RecordId,
    },
    /// It has no effect: its feed was frozen before, because its author forked it.
    Void {
        /// Log index of the proof.
        frozen: u64,
    },
}

/// In words for people: `applied`, or why not.
impl fmt::Display for Disposition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Applied => f.write_str("applied"),
            Self::Duplicate { first } => write!(f, "said before, at index {first}"),
            Self::Refused(refusal) => write!(f, "refused: {refusal}"),
            Self::Parked { awaits } => write!(f, "parked until {awaits} is applied"),
            Self::Void { frozen } => write!(f, "void: its feed is frozen since index {frozen}"),
        }
    }
}

/// A parked entry that waits no longer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Released {
    /// The record.
    pub record: RecordId,
    /// Log index of its entry.
    pub index: u64,
    /// The entry's feed.
    pub feed: FeedKey,
    /// Its length there.
    pub length: u64,
    /// Its hash there.
    pub hash: Hash,
    /// Applied or refused.
    pub disposition: Disposition,
}

/// What applying an entry did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Applied {
    /// What became of it.
    pub disposition: Disposition,
    /// What it decided, in order.
    pub decisions: Vec<Decision>,
    /// Disputes that it ended, in order.
    pub rulings: Vec<Ruled>,
    /// What waited for it, in order.
    pub released: Vec<Released>,
}

/// What moving batch time did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Advanced {
    /// Operations whose windows ended, by deadline.
    pub decisions: Vec<Decision>,
    /// Disputes that ended without a word, by deadline.
    pub rulings: Vec<Ruled>,
    /// Parked entries that waited too long; all are refused.
    pub released: Vec<Released>,
}

/// Where a record was applied.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seen {
    /// Log index of the first entry with it.
    pub index: u64,
    /// What it is about: the record that opened that, which may be itself.
    pub about: RecordId,
}

/// The state of one coalition.
#[derive(Debug, Clone)]
pub struct State {
    pub(super) founded: Arc<Founded>,
    pub(super) time: Time,
    /// The epoch whose batch is applied, or was last: no part of the state, but said with each batch as its entries are.
    pub(super) epoch: u64,
    pub(super) keys: Arc<Roster>,
    pub(super) operations: Operations,
    pub(super) assets: Assets,
    /// Partners of whom something has changed.
    pub(super) members: BTreeMap<PartnerName, Member>,
    pub(super) versions: Versions,
    pub(super) events: Events,
    pub(super) handoffs: Handoffs,
    pub(super) disputes: Disputes,
    pub(super) lendings: Lendings,
    /// What was said for authorities.
    pub(super) words: Words,
    pub(super) alliances: Alliances,
    pub(super) commitments: Commitments,
    /// When each partner last said something that had an effect.
    pub(super) spoken: BTreeMap<PartnerName, Time>,
    /// Every applied record. What opens or attests follows from `operations`; each other one stands under the root.
    pub(super) records: BTreeMap<RecordId, Seen>,
    /// Open operations by the end of their window, open offers and open disputes. Follows from these.
    pub(super) deadlines: BTreeSet<(Time, RecordId)>,
    /// How many operations each partner has open. Follows from `operations`.
    pub(super) open: BTreeMap<PartnerName, usize>,
    /// How many of them propose a change. Follows from `operations`.
    pub(super) proposals: BTreeMap<PartnerName, usize>,
    /// Exclusive resources. Follows from `operations`.
    pub(super) claims: Claims,
    pub(super) parked: Parked,
    pub(super) proved: Proved,
    pub(super) tree: Tree,
}

impl State {
    /// The state before the first batch.
    pub fn genesis(founded: &Founded) -> Self {
        Self::empty(Arc::new(founded.clone()), founded.charter().created)
    }

    pub(super) fn empty(founded: Arc<Founded>, time: Time) -> Self {
        let keys = Arc::new(Roster::founded(&founded));
        Self::with_keys(founded, keys, time)
    }

    pub(super) fn with_keys(founded: Arc<Founded>, keys: Arc<Roster>, time: Time) -> Self {
        let mut tree = Tree::default();
        tree.put(&Item::Coalition(founded.coalition()));
        tree.put(&Item::Time(time));
        Self {
            founded,
            time,
            epoch: 0,
            keys,
            operations: Operations::default(),
            assets: Assets::default(),
            members: BTreeMap::new(),
            versions: Versions::default(),
            events: Events::default(),
            handoffs: Handoffs::default(),
            disputes: Disputes::default(),
            lendings: Lendings::default(),
            words: Words::default(),
            alliances: Alliances::default(),
            commitments: Commitments::default(),
            spoken: BTreeMap::new(),
            records: BTreeMap::new(),
            deadlines: BTreeSet::new(),
            open: BTreeMap::new(),
            proposals: BTreeMap::new(),
            claims: Claims::default(),
            parked: Parked::default(),
            proved: Proved::default(),
            tree,
        }
    }

    /// Who is who.
    pub fn founded(&self) -> &Founded {
        &self.founded
    }

    /// Batch time.
    pub fn time(&self) -> Time {
        self.time
    }

    /// The most records that wait of one partner.
    pub fn most_parked(&self) -> usize {
        self.parked.most()
    }

    /// The most operations that one partner has open.
    pub fn most_open(&self) -> usize {
        self.open.values().copied().max().unwrap_or(0)
    }

    /// The hash of everything that influences later results: coalition, batch time, operations with all that was
    /// said, parked records.
    pub fn root(&self) -> Hash {
        self.tree.root()
    }

    /// An operation.
    pub fn operation(&self, id: &RecordId) -> Option<&Operation> {
        self.operations.get(id)
    }

    /// All operations, by id.
    pub fn operations(&self) -> impl DoubleEndedIterator<Item = &Operation> {
        self.operations.all()
    }

    /// Where a record was applied.
    pub fn seen(&self, id: &RecordId) -> Option<Seen> {
        self.records.get(id).copied()
    }

    /// What a parked record waits for.
    pub fn parked(&self, id: &RecordId) -> Option<RecordId> {
        self.parked.get(id).map(|waiting| waiting.awaits)
    }

    /// Number of parked records.
    pub fn parked_count(&self) -> usize {
        self.parked.len()
    }

    /// Feeds that are frozen, since where, and by which proof.
    pub fn frozen(&self) -> &BTreeMap<FeedKey, Frozen> {
        self.proved.frozen()
    }

    /// Seats that are proved to have signed two frames at one place. They vote on: seats do not change yet.
    pub fn convicted(&self) -> &BTreeMap<Seat, Convicted> {
        self.proved.convicted()
    }

    /// Whether what a node says would count at the time `now`: it is enrolled, its credential holds, and its key is in no
    /// quarantine.
    pub fn may_speak(&self, node: &PublicKey, now: Time) -> bool {
        let now = now.max(self.time);
        self.allows(node, Capability::Node, Scope::Any, u64::MAX, now).is_ok()
            && self.heed_quarantine(node).is_ok()
    }

    /// Ends of windows of operations that are open, of offers and of disputes, the first first, each with what ends.
    pub fn deadlines(&self) -> impl Iterator<Item = (Time, RecordId)> {
        self.deadlines.iter().copied()
    }

    /// Whether any of these ends at `deadline`.
    pub fn ends_any_at(&self, deadline: Time) -> bool {
        let from = (deadline, RecordId(Hash::default()));
        self.deadlines.range(from..).next().is_some_and(|(first, _)| *first == deadline)
    }

    /// The operation whose id begins with `text`.
    pub fn find_operation(&self, text: &str) -> Result<RecordId, FindError> {
        self.operations.find(text)
    }

    /// The applied record, opening or attestation, whose id begins with `text`.
    pub fn find_record(&self, text: &str) -> Result<RecordId, FindError> {
        find_id(&self.records, text)
    }

    /// The integrity event whose id begins with `text`, with or without `op-` or the `ev-` of the evidence that proves it.
    pub fn find_event(&self, text: &str) -> Result<RecordId, FindError> {
        self.events.find(text.strip_prefix(EvidenceId::PREFIX).unwrap_or(text))
    }

    /// Moves batch time to `time`, never back, decides every operation whose window ends at or before it, ends such
    /// offers and disputes, and refuses what waited too long. Comes first in a batch.
    pub fn advance(&mut self, time: Time) -> Advanced {
        let mut advanced = Advanced::default();
        if time <= self.time {
            return advanced;
        }
        self.set_time(time);
        while let Some((closes, id)) = self.deadlines.first().copied() {
            if closes > time {
                break;
            }
            self.deadlines.pop_first();
            if self.operations.contains(&id) {
                self.decide(&id, None, &mut advanced.decisions);
            } else if self.handoffs.get(&id).is_some() {
                self.expire_offer(&id);
            } else {
                self.expire_dispute(&id, &mut advanced.rulings);
            }
        }
        for waiting in self.parked.expire(time, &mut self.tree) {
            let id = waiting.record.id();
            let refusal = match self.judge(&waiting.partner, &id, &waiting.record, waiting.place.index, time)
            {
                Err(refusal) => refusal,
                Ok(_) => Refusal::NeverApplied { awaits: waiting.awaits },
            };
            advanced.released.push(released(id, &waiting.place, Disposition::Refused(refusal)));
        }
        advanced
    }

    pub(super) fn set_time(&mut self, time: Time) {
        self.time = time;
        self.tree.put(&Item::Time(time));
    }

    /// The epoch of the batch that comes, or of the last one where a copy of the state is gone on from.
    pub fn set_epoch(&mut self, epoch: u64) {
        self.epoch = epoch;
    }

    /// Applies an entry's bytes; bytes that are no body are refused.
    pub fn apply_bytes(&mut self, context: &ApplyContext, body: &[u8]) -> Applied {
        match Body::decode(body) {
            Ok(body) => self.apply(context, &body),
            Err(_) => {
                self.set_epoch(context.epoch);
                let Advanced { decisions, rulings, released } = self.advance(context.time);
                let refused = Disposition::Refused(Refusal::Malformed);
                Applied { disposition: self.void(context).unwrap_or(refused), decisions, rulings, released }
            }
        }
    }

    /// Applies an entry. Total: whatever the body says, there is a result.
    pub fn apply(&mut self, context: &ApplyContext, body: &Body) -> Applied {
        let mut applied = self.enter(context);
        if applied.disposition != Disposition::Applied {
            return applied;
        }
        match body {
            Body::Note(_) | Body::Due(_) => {}
            Body::Fork(proof) => {
                applied.disposition = self.take_fork(context, proof);
                self.proved(context, Subject::Feed(proof.feed), &mut applied, || {
                    format!("two entries {} of its {} feed", proof.length, proof.feed.lane)
                });
            }
            Body::Equivocation(proof) => {
                applied.disposition = self.take_equivocation(context, proof);
                self.proved(context, Subject::Seat(proof.feed.seat), &mut applied, || {
                    format!("two frames {} of its seat in epoch {}", proof.seq, proof.feed.epoch)
                });
            }
            Body::Incident(incident) => match self.take_incident(context, incident) {
                Ok(event) => self.release(event, context.index, &mut applied),
                Err(refusal) => applied.disposition = Disposition::Refused(refusal),
            },
            Body::Signed(signed) => self.take_signed(context, signed, || signed.verify(), &mut applied),
        }
        applied
    }

    /// Applies an entry with a record whose signature was checked before.
    pub fn apply_verified(&mut self, context: &ApplyContext, record: &Verified) -> Applied {
        let mut applied = self.enter(context);
        if applied.disposition == Disposition::Applied {
            self.take_signed(context, record.signed(), || true, &mut applied);
        }
        applied
    }

    /// Moves batch time, and says whether what stands in this place may have an effect: `Applied` if so.
    fn enter(&mut self, context: &ApplyContext) -> Applied {
        self.set_epoch(context.epoch);
        let Advanced { decisions, rulings, released } = self.advance(context.time);
        let disposition = match (self.void(context), self.carrier(context)) {
            (Some(void), _) => void,
            (None, Err(refusal)) => Disposition::Refused(refusal),
            (None, Ok(())) => Disposition::Applied,
        };
        Applied { disposition, decisions, rulings, released }
    }

    fn take_signed(
        &mut self,
        context: &ApplyContext,
        signed: &SignedRecord,
        holds: impl FnOnce() -> bool,
        applied: &mut Applied,
    ) {
        let place =
            Place { index: context.index, feed: context.feed, length: context.length, hash: context.hash };
        let partner = self.authenticate(&signed.record, context.index).map(|partner| partner.name.clone());
        let partner = partner.and_then(|partner| {
            self.heed_quarantine(&signed.record.signer)?;
            Ok(partner)
        });
        match partner {
            Ok(_) if !holds() => {
                applied.disposition = Disposition::Refused(bad_signature(&signed.record));
            }
            Ok(partner) => self.take(place, &partner, signed, applied),
            Err(refusal) => applied.disposition = Disposition::Refused(refusal),
        }
    }

    /// Whether a record would be applied if it were ordered at the time `now`: for submissions, before anything is
    /// written. A record that was applied before passes, because submitting again is harmless. One that would be
    /// parked is refused with [`Refusal::NotYetApplied`]; whoever holds what it names may go on.
    pub fn check(&self, signed: &SignedRecord, now: Time) -> Result<(), Refusal> {
        let record = &signed.record;
        let partner = self.authenticate(record, u64::MAX)?;
        self.heed_quarantine(&record.signer)?;
        if !signed.verify() {
            return Err(bad_signature(record));
        }
        // It will be in a batch that begins with the version that is agreed.
        let ahead = self.awaits_version().then(|| self.overlay(std::slice::from_ref(signed), now));
        let judge = ahead.as_ref().unwrap_or(self);
        match judge.judge(&partner.name, &record.id(), record, u64::MAX, now.max(self.time))? {
            Judgement::Apply | Judgement::Duplicate { .. } => Ok(()),
            Judgement::Wait { awaits } if self.parked.is_full(&partner.name) => {
                Err(too_many_parked(&partner.name, awaits))
            }
            Judgement::Wait { awaits } => Err(Refusal::NotYetApplied { awaits }),
        }
    }

    /// An entry counts only from a node that is enrolled, whose key is in no quarantine and whose credential holds.
    fn carrier(&self, context: &ApplyContext) -> Result<(), Refusal> {
        let node = context.feed.node;
        let partner = self.node_at(&node, context.index)?;
        self.require_member(&partner.name)?;
        self.heed_quarantine(&node)?;
        self.allows(&node, Capability::Node, Scope::Any, context.index, self.time)
    }

    /// What stands in a frozen feed behind the proof has no effect, whatever it is.
    fn void(&self, context: &ApplyContext) -> Option<Disposition> {
        let frozen = self.proved.frozen().get(&context.feed)?.ordered.index;
        (frozen < context.index && !plant::is("thawed")).then_some(Disposition::Void { frozen })
    }

    /// Evidence that was taken makes an integrity event.
    fn proved(
        &mut self,
        context: &ApplyContext,
        subject: Subject,
        applied: &mut Applied,
        text: impl FnOnce() -> String,
    ) {
        if applied.disposition == Disposition::Applied {
            let event = self.prove(context, subject, text());
            self.release(event, context.index, applied);
        }
    }

    /// A feed that takes part in the order or took, or may come to.
    fn is_enrolled(&self, feed: &FeedKey) -> bool {
        feed.incarnation < self.most_incarnations()
            && self.holder(&feed.node).is_some_and(|(_, purpose)| purpose == Purpose::Node)
    }

    /// In how many incarnations each node may be enrolled.
    pub fn most_incarnations(&self) -> u32 {
        incarnations(self.founded.nodes().count())
    }

    /// Step 6, "a feed freezes only by an ordered proof": the first one counts.
    fn take_fork(&mut self, context: &ApplyContext, proof: &ForkProof) -> Disposition {
        let ForkProof { feed, length, .. } = *proof;
        if !self.is_enrolled(&feed) || !proof.verify(&self.founded.coalition()) {
            return Disposition::Refused(Refusal::InvalidForkProof);
        }
        if let Some(frozen) = self.proved.frozen().get(&feed) {
            return Disposition::Duplicate { first: frozen.ordered.index };
        }
        self.proved.freeze(feed, Frozen { length, ordered: *context }, &mut self.tree);
        Disposition::Applied
    }

    /// Evidence against a seat: the first one counts, and nothing follows from it yet.
    fn take_equivocation(&mut self, context: &ApplyContext, proof: &Equivocation) -> Disposition {
        let seat = proof.feed.seat;
        let key = self.founded.seats().get(seat.index());
        if !key.is_some_and(|key| proof.verify(&self.founded.coalition(), key)) {
            return Disposition::Refused(Refusal::InvalidEquivocation);
        }
        if let Some(convicted) = self.proved.convicted().get(&seat) {
            return Disposition::Duplicate { first: convicted.ordered.index };
        }
        let convicted = Convicted { feed: proof.feed, seq: proof.seq, ordered: *context };
        self.proved.convict(convicted, &mut self.tree);
        Disposition::Applied
    }

    /// Takes an operation as it stands, with all that follows from it but the root.
    pub(super) fn adopt(&mut self, operation: Operation) {
        self.claims.hold(&operation);
        if operation.decision.is_none() {
            self.deadlines.insert((operation.closes, operation.id));
            self.count_open(&operation.opened_by.clone(), operation.change.is_some());
        }
        let records = operation.attestations.iter().map(|said| (said.record, said.index));
        for (id, index) in records.chain([(operation.id, operation.index)]) {
            self.records.insert(id, Seen { index, about: operation.id });
        }
        self.operations.insert(operation);
    }

    /// One more operation of `partner` is open.
    pub(super) fn count_open(&mut self, partner: &PartnerName, proposes: bool) {
        *self.open.entry(partner.clone()).or_default() += 1;
        if proposes {
            *self.proposals.entry(partner.clone()).or_default() += 1;
        }
    }
}

pub(super) fn released(record: RecordId, place: &Place, disposition: Disposition) -> Released {
    Released {
        record,
        index: place.index,
        feed: place.feed,
        length: place.length,
        hash: place.hash,
        disposition,
    }
}
