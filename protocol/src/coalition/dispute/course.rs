//! What records about disputes change, and what rulings and time do.

use std::borrow::Cow;
use std::collections::BTreeSet;

use super::{About, Dispute, DisputeEnd, JudgeWord, Ruled, followed};
use crate::charter::OnExpiry;
use crate::coalition::items::Item;
use crate::coalition::operation::{Earlier, Led, Mark};
use crate::coalition::outcome::{Stage, Verdict};
use crate::coalition::state::State;
use crate::coalition::take::Said;
use crate::identity::RecordId;
use crate::record::{Act, DisputeAct, Handed, Role, Ruling, SignedRecord};

impl State {
    /// `now_index` is the entry being applied, which for a released record is not its own.
    pub(in crate::coalition) fn commit_dispute(
        &mut self,
        said: &Said<'_>,
        act: &DisputeAct,
        now_index: u64,
        rulings: &mut Vec<Ruled>,
    ) {
        match act {
            DisputeAct::Open(open) => {
                let Some((about, operation)) = self.disputable(&open.subject) else { return };
                let kind = self.kind_of(operation);
                let Some(rule) = kind.as_ref().and_then(|kind| kind.dispute.as_ref()) else { return };
                let is_party = |judge: &_| {
                    self.is_party(judge, said.partner, &open.subject, about, operation)
                        || !self.is_active(judge)
                };
                let Some((panel, threshold)) = rule.judges(is_party) else { return };
                let dispute = Dispute {
                    id: said.id,
                    subject: open.subject,
                    about,
                    operation: operation.id,
                    opened_by: said.partner.clone(),
                    ground: open.ground.clone(),
                    reason: open.reason.clone(),
                    index: said.index,
                    at: self.time,
                    expires: self.time.plus(rule.rule_ms),
                    panel: panel.into_iter().cloned().collect(),
                    threshold,
                    words: Vec::new(),
                    end: None,
                };
                self.adopt_dispute(dispute);
            }
            DisputeAct::Rule(rule) => {
                let Some(mut dispute) = self.disputes.get(&rule.dispute).cloned() else { return };
                let word = JudgeWord {
                    record: said.id,
                    partner: said.partner.clone(),
                    ruling: rule.ruling,
                    reason: rule.reason.clone(),
                    index: said.index,
                    at: self.time,
                    number: rule.number,
                };
                dispute.words.retain(|word| word.partner != *said.partner);
                dispute.words.push(word);
                dispute.words.sort_by(|one, next| one.partner.cmp(&next.partner));
                let counts = |word: &&JudgeWord| {
                    word.ruling == rule.ruling && !self.is_party_to(&word.partner, &dispute)
                };
                let equal = u32::try_from(dispute.words.iter().filter(counts).count()).unwrap_or(u32::MAX);
                let decides = equal >= dispute.threshold;
                self.adopt_dispute(dispute);
                if decides {
                    self.ruled(&rule.dispute, rule.ruling, Some(now_index), rulings);
                }
            }
        }
    }

    /// The panel's time is over.
    pub(in crate::coalition) fn expire_dispute(&mut self, id: &RecordId, rulings: &mut Vec<Ruled>) {
        let Some(dispute) = self.disputes.get(id).filter(|dispute| dispute.end.is_none()) else { return };
        let Some(operation) = self.operations.get(&dispute.operation) else { return };
        let kind = self.kind_of(operation);
        let on_expiry = kind.and_then(|kind| Some(kind.dispute.as_ref()?.on_expiry)).unwrap_or_default();
        let ruling = match on_expiry {
            OnExpiry::Uphold => Ruling::Uphold,
            OnExpiry::Annul => Ruling::Annul,
        };
        self.ruled(id, ruling, None, rulings);
    }

    /// A ruling takes effect.
    fn ruled(&mut self, id: &RecordId, ruling: Ruling, by: Option<u64>, rulings: &mut Vec<Ruled>) {
        let Some(mut dispute) = self.disputes.get(id).cloned() else { return };
        dispute.end = Some(DisputeEnd { ruling: Some(ruling), by, at: self.time });
        self.adopt_dispute(dispute.clone());
        let Some(operation) = self.operations.get(&dispute.operation) else { return };
        let charter = self.charter_hash(operation.charter_version);
        rulings.push(Ruled::new(&dispute, ruling, by, operation, charter, self.time));
        match (dispute.about, ruling) {
            (_, Ruling::Uphold) => {}
            (About::Operation, Ruling::Annul) => self.annul_operation(&dispute, by),
            (About::Operation, Ruling::Remand) => self.remand(&dispute, by),
            (About::Handoff, Ruling::Annul) => self.annul_handoff(&dispute, by),
            (About::Attestation, Ruling::Annul) => self.annul_attestation(&dispute),
            // No word for it is taken.
            (About::Handoff | About::Attestation, Ruling::Remand) => {}
        }
    }

    fn annul_operation(&mut self, dispute: &Dispute, by: Option<u64>) {
        let Some(operation) = self.operations.get_mut(&dispute.operation) else { return };
        operation.annulled = Some(Mark { record: dispute.id, index: by, at: self.time });
        self.tree.put(&Item::Operation(Cow::Borrowed(operation)));
        self.settle_claims(&dispute.operation);
        self.lapse(&dispute.operation, |_| true);
        let open = self.disputes.of(&dispute.operation).filter(|other| other.end.is_none());
        for other in open.cloned().collect::<Vec<_>>() {
            let end = Some(DisputeEnd { ruling: None, by, at: self.time });
            self.adopt_dispute(Dispute { end, ..other });
        }
    }

    /// What was said stands and can be replaced; nothing is decided before the new window ends, so that nobody is raced.
    fn remand(&mut self, dispute: &Dispute, by: Option<u64>) {
        let Some(operation) = self.operations.get(&dispute.operation) else { return };
        let kind = self.kind_of(operation);
        let window_ms = kind.map_or(0, |kind| {
            kind.dispute.as_ref().and_then(|rule| rule.remand_ms).unwrap_or(kind.window_ms)
        });
        let closes = self.time.plus(window_ms.max(1));
        let in_conflict = operation.decision.as_ref().is_some_and(|it| it.verdict == Verdict::Conflicted);
        if in_conflict {
            self.claim_again(&dispute.operation);
        }
        let Some(operation) = self.operations.get_mut(&dispute.operation) else { return };
        operation.earlier = operation.decision.take().map(|decision| Earlier {
            verdict: decision.verdict,
            at: decision.decided_at,
            by: decision.decided_by,
        });
        operation.closes = closes;
        operation.stage = Stage::First;
        operation.remanded = Some(Mark { record: dispute.id, index: by, at: self.time });
        let (opened_by, proposes) = (operation.opened_by.clone(), operation.change.is_some());
        self.deadlines.insert((closes, operation.id));
        self.count_open(&opened_by, proposes);
        self.settle_claims(&dispute.operation);
        if let Some(operation) = self.operations.get(&dispute.operation) {
            self.tree.put(&Item::Operation(Cow::Borrowed(operation)));
        }
    }

    /// The role goes back, unless it has moved on since: then the ruling stands beside what followed.
    fn annul_handoff(&mut self, dispute: &Dispute, by: Option<u64>) {
        let Some(handoff) = self.handoffs.get(&dispute.subject).cloned() else { return };
        let time = self.time;
        let Some(operation) = self.operations.get_mut(&handoff.operation) else { return };
        if operation.over().is_some() {
            return;
        }
        match handoff.what {
            Handed::Role(role) if role != Role::Lead => {
                operation.take_back(role, &handoff.from);
            }
            _ if operation.led.by != handoff.id => return,
            _ => {
                let gave = |(role, by): &&(Role, _)| {
                    *by == handoff.from && (handoff.what == Handed::Whole || *role == Role::Lead)
                };
                let roles =
                    operation.handed.iter().filter(gave).map(|(role, _)| *role).collect::<BTreeSet<_>>();
                for role in roles {
                    operation.take_back(role, &handoff.from);
                }
                operation.lead = handoff.from.clone();
                operation.led = Led { by: dispute.id, index: by, since: time };
                if handoff.phase == Some(operation.phase) {
                    operation.phase = operation.phase.saturating_sub(1);
                }
            }
        }
        self.tree.put(&Item::Operation(Cow::Borrowed(operation)));
        let to = handoff.to;
        self.lapse(&handoff.operation, |open| open.from == to && open.overlaps(handoff.what));
    }

    fn annul_attestation(&mut self, dispute: &Dispute) {
        let Some(operation) = self.operations.get_mut(&dispute.operation) else { return };
        let said = operation.attestations.iter_mut().zip(0u32..);
        for (said, place) in said.filter(|(said, _)| said.record == dispute.subject) {
            if said.superseded_by.is_none() {
                said.superseded_by = Some(dispute.id);
            }
            self.tree.put(&Item::Attestation(dispute.operation, place, Cow::Borrowed(said)));
        }
    }

    /// What records need that concern something in dispute: the disputes, and the operations that they are about.
    pub(in crate::coalition) fn overlay_disputes(&self, held: &[SignedRecord], overlay: &mut Self) {
        let acts = held.iter().map(|signed| &signed.record.act);
        let follows = |act: &Act| act.opening().and_then(followed);
        let concerned = acts.flat_map(|act| self.operation_of(act).into_iter().chain(follows(act)));
        for id in concerned.collect::<BTreeSet<_>>() {
            if let Some(operation) = self.operations.get(&id).filter(|_| !overlay.operations.contains(&id)) {
                overlay.adopt(operation.clone());
            }
            for dispute in self.disputes.of(&id) {
                overlay.records.extend(self.records.get_key_value(&dispute.id));
                overlay.adopt_dispute(dispute.clone());
            }
        }
    }
}
