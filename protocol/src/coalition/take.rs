//! Taking records: what is judged to be right changes the state, what waits is parked and released, what is ripe is decided.

use std::borrow::Cow;
use std::sync::Arc;

use entente_hbbft::plant;

use super::items::Item;
use super::judge::{Judgement, too_many_parked};
use super::operation::{Led, Settled};
use super::outcome::{Leave, Stage};
use super::park::{Place, Waiting};
use super::refusal::OperationRefusal;
use super::state::released;
use super::{Applied, Attestation, Decision, Disposition, Operation, Refusal, Seen, State, Verdict};
use crate::charter::{Claim, PartnerName};
use crate::identity::RecordId;
use crate::lane::Lane;
use crate::record::{Act, Change, LeaseAct, MemberAct, Open, Record, SignedRecord};
use crate::time::Time;

/// Who says something, in which record, at which index.
#[derive(Debug, Clone, Copy)]
pub(super) struct Said<'a> {
    pub(super) partner: &'a PartnerName,
    pub(super) id: RecordId,
    pub(super) index: u64,
}

impl State {
    /// Takes a record whose signature holds.
    pub(super) fn take(
        &mut self,
        place: Place,
        partner: &PartnerName,
        signed: &SignedRecord,
        applied: &mut Applied,
    ) {
        let id = signed.record.id();
        let judged = self.judge(partner, &id, &signed.record, place.index, self.time);
        let judged = judged.and_then(|judgement| match judgement {
            Judgement::Duplicate { .. } => Ok(judgement),
            other => self.heed_lane(place.feed.lane, &signed.record).map(|()| other),
        });
        applied.disposition = match judged {
            Err(refusal) => Disposition::Refused(refusal),
            Ok(Judgement::Duplicate { first }) => Disposition::Duplicate { first },
            Ok(Judgement::Wait { awaits }) if !plant::is("not-parked") => {
                if self.parked.is_full(partner) {
                    Disposition::Refused(too_many_parked(partner, awaits))
                } else {
                    let waiting = Waiting {
                        place,
                        partner: partner.clone(),
                        record: signed.record.clone(),
                        awaits,
                        until: self.waits_until(&signed.record),
                    };
                    self.parked.insert(id, waiting, &mut self.tree);
                    Disposition::Parked { awaits }
                }
            }
            // With the bug also what waits for a record that is not there.
            Ok(Judgement::Apply | Judgement::Wait { .. }) => {
                self.commit(&place, partner, id, &signed.record, place.index, applied);
                self.release(id, place.index, applied);
                if let Some(dispute) = self.brought_about(&id) {
                    self.release(dispute, place.index, applied);
                }
                Disposition::Applied
            }
        };
    }

    /// Refuses a record about an operation in a lane above the operation's own: lanes are ordered one after the other, so who
    /// carried it there, be it another's record, would jump the queue. Leaves no mark: in its own lane it counts.
    fn heed_lane(&self, lane: Lane, record: &Record) -> Result<(), Refusal> {
        match self.lane_of(record) {
            Some(most) if lane < most => Err(OperationRefusal::LaneAbove { lane, most }.into()),
            _ => Ok(()),
        }
    }

    /// The most urgent lane that a record about an operation may be carried in: the operation's precedence. None for what
    /// belongs to no operation that is known, and for what others should hear of at once: misuse, keys, who leaves.
    pub fn lane_of(&self, record: &Record) -> Option<Lane> {
        let declared = |kind: &str| self.charter().kind(kind).map(|kind| kind.precedence);
        let of =
            |raised: Option<Lane>, declared: Lane| raised.map_or(declared, |raised| raised.min(declared));
        match &record.act {
            act if let Some(open) = act.opening() => {
                declared(&open.kind).map(|declared| of(open.precedence, declared))
            }
            Act::Member(MemberAct::Propose(propose)) => declared(propose.kind.as_str()),
            act => {
                let operation = self.operations.get(&self.operation_of(act)?)?;
                let kind = self.kind_of(operation)?;
                Some(of(operation.open.precedence, kind.precedence))
            }
        }
    }

    /// Applies what waited for `named`, each followed by what waited for it: depth first, in the order of the log.
    /// Each parked record is taken out once and parked again at most for another cause, so this ends.
    pub(super) fn release(&mut self, named: RecordId, now_index: u64, applied: &mut Applied) {
        let mut stack = self.parked.release(&named, &mut self.tree);
        stack.reverse();
        while let Some(mut waiting) = stack.pop() {
            let record = &waiting.record;
            let id = record.id();
            let disposition = match self.judge(&waiting.partner, &id, record, waiting.place.index, self.time)
            {
                Err(refusal) => Disposition::Refused(refusal),
                // Cannot happen: an id that waits is not applied. Said rather than assumed.
                Ok(Judgement::Duplicate { first }) => Disposition::Duplicate { first },
                Ok(Judgement::Wait { awaits }) => {
                    waiting.until = waiting.until.min(self.waits_until(record));
                    waiting.awaits = awaits;
                    self.parked.insert(id, waiting, &mut self.tree);
                    continue;
                }
                Ok(Judgement::Apply) => {
                    self.commit(&waiting.place, &waiting.partner, id, record, now_index, applied);
                    let mut next = self.parked.release(&id, &mut self.tree);
                    next.reverse();
                    stack.append(&mut next);
                    Disposition::Applied
                }
            };
            applied.released.push(released(id, &waiting.place, disposition));
        }
    }

    /// How long a record may wait: until its operation's window ends, or as long as any operation can be open.
    fn waits_until(&self, record: &Record) -> Time {
        record
            .act
            .operation()
            .and_then(|id| self.operations.get(&id))
            .filter(|operation| operation.decision.is_none())
            .map_or_else(|| self.time.plus(self.charter().longest_window_ms()), |operation| operation.closes)
    }

    /// Makes the change that was judged to be right. `now_index` is the entry being applied, which for a released
    /// record is not its own.
    fn commit(
        &mut self,
        place: &Place,
        partner: &PartnerName,
        id: RecordId,
        record: &Record,
        now_index: u64,
        applied: &mut Applied,
    ) {
        let about = record.act.about().unwrap_or(id);
        let seen = Seen { index: place.index, about };
        self.records.insert(id, seen);
        // What waited was said before.
        if place.index == now_index && self.is_active(partner) {
            self.note_spoken(partner, self.time);
        }
        let said = Said { partner, id, index: place.index };
        match &record.act {
            Act::Open(open) => {
                let claims = self.claimed(open);
                self.open_operation(&said, open.clone(), None, claims);
            }
            Act::Attest(attest) => {
                let at = self.time;
                if let Some(said_on) = self.operations.get_mut(&about) {
                    let said = &mut said_on.attestations;
                    let replaced = said.iter().position(|said| attest.supersedes == Some(said.record));
                    if let Some(replaced) = replaced {
                        said[replaced].superseded_by = Some(id);
                    }
                    said.push(Attestation {
                        record: id,
                        partner: partner.clone(),
                        role: attest.role,
                        stance: attest.stance,
                        caveat: attest.caveat.clone(),
                        evidence: attest.evidence.clone(),
                        index: place.index,
                        at,
                        superseded_by: None,
                        withdrawn_by: None,
                        withdrawn: None,
                    });
                    for place in replaced.into_iter().chain([said.len() - 1]) {
                        let item = Item::Attestation(about, place as u32, Cow::Borrowed(&said[place]));
                        self.tree.put(&item);
                    }
                }
            }
            Act::Withdraw(withdraw) => {
                if let Some(said_on) = self.operations.get_mut(&about) {
                    let said = &mut said_on.attestations;
                    if let Some(at) = said.iter().position(|said| said.record == withdraw.attestation) {
                        said[at].withdrawn_by = Some(id);
                        said[at].withdrawn = Some((place.index, self.time));
                        self.tree.put(&Item::Attestation(about, at as u32, Cow::Borrowed(&said[at])));
                    }
                }
                self.tree.put(&Item::Seen(id, seen));
            }
            Act::Asset(act) => {
                self.commit_asset(&said, act);
                self.tree.put(&Item::Seen(id, seen));
            }
            Act::Member(act) => {
                self.commit_member(&said, act);
                if !matches!(act, MemberAct::Propose(_)) {
                    self.tree.put(&Item::Seen(id, seen));
                }
            }
            Act::Integrity(act) => {
                // A further report of one matter is about the event that the first one opened.
                let about = self.commit_integrity(&said, act, now_index);
                let seen = Seen { about, ..seen };
                self.records.insert(id, seen);
                self.tree.put(&Item::Seen(id, seen));
            }
            Act::Handoff(act) => {
                self.commit_handoff(&said, act);
                self.tree.put(&Item::Seen(id, seen));
            }
            Act::Authority(act) => {
                self.commit_authority(&said, act);
                self.tree.put(&Item::Seen(id, seen));
            }
            Act::Key(act) => {
                self.commit_key(&said, act);
                self.tree.put(&Item::Seen(id, seen));
            }
            Act::Lease(act) => {
                self.commit_lease(&said, act, now_index, &mut applied.decisions);
                if matches!(act, LeaseAct::Commit(_)) {
                    self.tree.put(&Item::Seen(id, seen));
                }
            }
            Act::Dispute(act) => {
                self.commit_dispute(&said, act, now_index, &mut applied.rulings);
                self.tree.put(&Item::Seen(id, seen));
            }
        }
        self.decide(&about, Some(now_index), &mut applied.decisions);
    }

    /// Opens an operation under the record that is said, which holds `claims` from now on.
    pub(super) fn open_operation(
        &mut self,
        said: &Said<'_>,
        open: Open,
        change: Option<Change>,
        claims: Vec<Claim>,
    ) {
        let charter = Arc::clone(self.charter());
        let kind = charter.kind(&open.kind);
        let window_ms = kind.map_or(0, |kind| kind.window_ms);
        let subject = change.as_ref().and_then(Change::subject);
        let leads = |partner: &PartnerName| self.is_active(partner) && Some(partner) != subject;
        let lead = kind.map_or_else(|| said.partner.clone(), |kind| kind.first_lead(said.partner, leads));
        let closes = self.time.plus(window_ms);
        let operation = Operation {
            id: said.id,
            open,
            charter_version: charter.version,
            change,
            changed: None,
            opened_by: said.partner.clone(),
            lead,
            led: Led { by: said.id, index: Some(said.index), since: self.time },
            phase: 0,
            handed: Vec::new(),
            concluded: None,
            annulled: None,
            remanded: None,
            earlier: None,
            conclusion: None,
            index: said.index,
            opened_at: self.time,
            closes,
            stage: Stage::First,
            said_before: 0,
            claims,
            attestations: Vec::new(),
            decision: None,
        };
        let proposes = operation.change.is_some();
        self.tree.put(&Item::Operation(Cow::Borrowed(&operation)));
        self.claims.hold(&operation);
        self.operations.insert(operation);
        self.deadlines.insert((closes, said.id));
        self.count_open(said.partner, proposes);
    }

    /// Decides an operation if its rule says so, and brings the root up to date with it.
    pub(super) fn decide(&mut self, id: &RecordId, decided_by: Option<u64>, decisions: &mut Vec<Decision>) {
        let version = self.operations.get(id).map(|operation| operation.charter_version);
        let Some(charter) = version.and_then(|version| self.charter_at(version)).cloned() else { return };
        let hash = self.charter_hash(charter.version);
        let open = self.operations.get(id).filter(|operation| operation.decision.is_none());
        let mandates = open.map(|operation| self.mandates(&charter, operation));
        let Some(operation) = self.operations.get_mut(id) else { return };
        // Who was remanded has the whole new window: nobody is raced by what stands already.
        if operation.remanded.is_some() && decided_by.is_some() {
            return;
        }
        let closes = operation.closes;
        let Some(settled) =
            operation.settle((&charter, hash), &mandates.unwrap_or_default(), self.time, decided_by)
        else {
            return;
        };
        self.deadlines.remove(&(closes, *id));
        let mut is_over = false;
        match settled {
            Settled::Decided(decision) => {
                is_over = !decision.verdict.is_agreed();
                let counts =
                    [Some(&mut self.open), operation.change.is_some().then_some(&mut self.proposals)];
                for open in
                    counts.into_iter().flatten().filter_map(|count| count.get_mut(&operation.opened_by))
                {
                    *open = open.saturating_sub(1);
                }
                let mut decision = *decision;
                if let Some(change) = operation.change.clone().filter(|_| decision.verdict == Verdict::Agreed)
                {
                    let reason = operation.open.body.get("reason").cloned().unwrap_or_default();
                    decision.changed = Some(self.take_effect(&change, *id, reason));
                    if let Some(operation) = self.operations.get_mut(id) {
                        operation.changed = decision.changed;
                        operation.decision = Some(decision.clone());
                    }
                }
                decisions.push(decision);
                self.end_commitments(id);
            }
            Settled::Further => {
                self.deadlines.insert((operation.closes, *id));
                // An authority may have spoken before it was asked. What another one withholds still has the window.
                let kind = charter.kind(&operation.open.kind);
                let asked = kind.and_then(|kind| kind.rule.fallback.authority());
                if operation.stage == Stage::Escalated && asked.is_some() {
                    let mandates =
                        self.operations.get(id).map(|operation| self.mandates(&charter, operation));
                    if mandates.is_some_and(|mandates| Leave::of(&mandates) != Leave::Awaited) {
                        return self.decide(id, None, decisions);
                    }
                }
            }
        }
        self.settle_claims(id);
        if let Some(operation) = self.operations.get(id) {
            self.tree.put(&Item::Operation(Cow::Borrowed(operation)));
        }
        if is_over {
            self.lapse(id, |_| true);
        }
    }

    /// Brings what an operation holds up to date with where it stands: nothing once it is over; what is still free if a
    /// remand opens it again.
    pub(super) fn settle_claims(&mut self, id: &RecordId) {
        let Some(operation) = self.operations.get_mut(id) else { return };
        if operation.over().is_some() {
            self.claims.free(operation);
        } else {
            let claims = &self.claims;
            operation.claims.retain(|claim| claims.holder(claim).is_none_or(|holder| holder == *id));
            self.claims.hold(operation);
        }
    }
}
