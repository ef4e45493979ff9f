//! What records about leases change, and how commitments end.

use std::borrow::Cow;
use std::sync::Arc;

use super::judge::{claimed, own_leases};
use super::{CONFLICT_GROUND, Commitment, CommitmentEnd, Committed, Conflict, conflict_dispute};
use crate::charter::PartnerName;
use crate::coalition::dispute::{About, Dispute};
use crate::coalition::items::Item;
use crate::coalition::operation::Operation;
use crate::coalition::outcome::{Decision, Verdict};
use crate::coalition::state::{Seen, State};
use crate::coalition::take::Said;
use crate::identity::RecordId;
use crate::record::LeaseAct;

impl State {
    /// `now_index` is the entry being applied, which for a released record is not its own.
    pub(in crate::coalition) fn commit_lease(
        &mut self,
        said: &Said<'_>,
        act: &LeaseAct,
        now_index: u64,
        decisions: &mut Vec<Decision>,
    ) {
        let operation = act.operation().unwrap_or(said.id);
        let mut dispute = None;
        if let LeaseAct::Open(opened) = act {
            let claims = self.claimed(&opened.open);
            let conflicts = self.conflicts(said.partner, &claims);
            let free = if conflicts.is_empty() { claims } else { Vec::new() };
            self.open_operation(said, opened.open.clone(), None, free);
            if !conflicts.is_empty() {
                dispute = self.conflict(said, conflicts, now_index, decisions);
            }
        }
        let Some(on) = self.operations.get(&operation) else { return };
        let Some(charter) = self.charter_at(on.charter_version) else { return };
        let commitment = Commitment {
            id: said.id,
            operation,
            partner: said.partner.clone(),
            leases: own_leases(charter, said.partner, &claimed(charter, on)),
            seen: act.seen(),
            index: said.index,
            at: self.time,
            end: None,
        };
        let end = self.end_of(&commitment, on).map(|end| CommitmentEnd { dispute, ..end });
        self.adopt_commitment(Commitment { end, ..commitment });
    }

    /// An opening that was acted on, and that somebody else has a right to: it holds nothing and is decided at once. The dispute
    /// about it, if there can be one.
    fn conflict(
        &mut self,
        said: &Said<'_>,
        conflicts: Vec<Conflict>,
        now_index: u64,
        decisions: &mut Vec<Decision>,
    ) -> Option<RecordId> {
        let charter = Arc::clone(self.charter());
        let hash = self.charter_hash(charter.version);
        let (time, wronged) = (self.time, conflicts.first()?.partner.clone());
        let operation = self.operations.get_mut(&said.id)?;
        let reason = conflicts.iter().map(Conflict::to_string).collect::<Vec<_>>().join("; ");
        let decision = operation.conflict((&charter, hash), time, now_index, conflicts)?;
        let closes = operation.closes;
        self.tree.put(&Item::Operation(Cow::Borrowed(operation)));
        self.deadlines.remove(&(closes, said.id));
        if let Some(open) = self.open.get_mut(said.partner) {
            *open = open.saturating_sub(1);
        }
        decisions.push(decision);
        self.contest(said, &wronged, reason)
    }

    fn contest(&mut self, said: &Said<'_>, wronged: &PartnerName, reason: String) -> Option<RecordId> {
        let operation = self.operations.get(&said.id)?;
        let kind = self.kind_of(operation)?;
        let rule = kind.dispute.as_ref()?;
        let is_barred =
            |judge: &PartnerName| self.is_barred(judge, wronged, &said.id, About::Operation, operation);
        let (panel, threshold) = rule.judges(is_barred)?;
        let dispute = Dispute {
            id: conflict_dispute(&said.id),
            subject: said.id,
            about: About::Operation,
            operation: said.id,
            opened_by: wronged.clone(),
            ground: CONFLICT_GROUND.parse().ok(),
            reason,
            index: said.index,
            at: self.time,
            expires: self.time.plus(rule.rule_ms),
            panel: panel.into_iter().cloned().collect(),
            threshold,
            words: Vec::new(),
            end: None,
        };
        let id = dispute.id;
        let seen = Seen { index: said.index, about: id };
        self.records.insert(id, seen);
        self.tree.put(&Item::Seen(id, seen));
        self.adopt_dispute(dispute);
        self.commitments.contested.entry(said.partner.clone()).or_default().insert(id, said.id);
        Some(id)
    }

    /// The dispute that the opening of an operation has brought about by itself.
    pub(in crate::coalition) fn brought_about(&self, opening: &RecordId) -> Option<RecordId> {
        self.commitments.get(opening)?.end?.dispute
    }

    /// Ends what was committed of an operation that has been decided.
    pub(in crate::coalition) fn end_commitments(&mut self, operation: &RecordId) {
        let Some(on) = self.operations.get(operation) else { return };
        let open = self.commitments.of(operation).filter(|it| it.end.is_none());
        let ended = open.filter_map(|it| Some(Commitment { end: Some(self.end_of(it, on)?), ..it.clone() }));
        for commitment in ended.collect::<Vec<_>>() {
            self.adopt_commitment(commitment);
        }
    }

    /// What becomes of a commitment to `operation`, if that is decided.
    fn end_of(&self, commitment: &Commitment, operation: &Operation) -> Option<CommitmentEnd> {
        let decision = operation.decision.as_ref()?;
        let how = match decision.verdict {
            Verdict::Conflicted if commitment.id == operation.id => Committed::Conflicted,
            Verdict::Agreed if operation.annulled.is_none() => Committed::Confirmed,
            _ => Committed::Superseded,
        };
        let (verdict, by, at) = (decision.verdict, decision.decided_by, self.time);
        Some(CommitmentEnd { how, verdict, by, at, dispute: None })
    }

    /// What an operation in conflict may ask for again once a panel has it decided anew: not what is leased to others.
    pub(in crate::coalition) fn claim_again(&mut self, id: &RecordId) {
        let Some(operation) = self.operations.get(id) else { return };
        let Some(charter) = self.charter_at(operation.charter_version) else { return };
        let mut claims = claimed(charter, operation);
        claims
            .retain(|claim| charter.lease_of(claim).is_none_or(|lease| lease.partner == operation.opened_by));
        if let Some(operation) = self.operations.get_mut(id) {
            operation.claims = claims;
        }
    }

    /// What records need of what was committed before.
    pub(in crate::coalition) fn overlay_commitments(&self, overlay: &mut Self) {
        overlay.commitments.contested.clone_from(&self.commitments.contested);
        for id in overlay.operations.ids().copied().collect::<Vec<_>>() {
            for commitment in self.commitments.of(&id) {
                overlay.records.extend(self.records.get_key_value(&commitment.id));
                overlay.adopt_commitment(commitment.clone());
            }
        }
    }
}
