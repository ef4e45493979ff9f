//! What a record about a dispute needs to have its effect.

use super::{About, Dispute, DisputeRefusal, MAX_DISPUTES_PER_PARTNER, MAX_WORDS_PER_JUDGE, followed};
use crate::charter::PartnerName;
use crate::coalition::judge::Judgement;
use crate::coalition::operation::Operation;
use crate::coalition::refusal::{Part, Refusal};
use crate::coalition::state::State;
use crate::identity::RecordId;
use crate::record::{DisputeAct, Open, OpenDispute, Rule, Ruling};
use crate::time::Time;

/// What needs no state: bounds of texts.
pub(in crate::coalition) fn check(act: &DisputeAct) -> Result<(), Refusal> {
    match act {
        DisputeAct::Open(open) => Part::Reason.check(&open.reason),
        DisputeAct::Rule(rule) => rule.reason.as_deref().map_or(Ok(()), |reason| Part::Reason.check(reason)),
    }
}

impl State {
    pub(in crate::coalition) fn judge_dispute(
        &self,
        partner: &PartnerName,
        act: &DisputeAct,
        now: Time,
    ) -> Result<Judgement, Refusal> {
        let known = |named: &RecordId, refusal: DisputeRefusal| match self.records.contains_key(named) {
            true => Err(refusal.into()),
            false => Ok(Judgement::Wait { awaits: *named }),
        };
        match act {
            DisputeAct::Open(open) => {
                let named = open.subject;
                let Some((about, operation)) = self.disputable(&named) else {
                    return known(&named, DisputeRefusal::NotDisputable { named });
                };
                self.judge_open_dispute(partner, open, about, operation, now)?;
            }
            DisputeAct::Rule(rule) => {
                let named = rule.dispute;
                let Some(dispute) = self.disputes.get(&named) else {
                    return known(&named, DisputeRefusal::NotADispute { named });
                };
                self.judge_word(partner, rule, dispute, now)?;
            }
        }
        Ok(Judgement::Apply)
    }

    fn judge_open_dispute(
        &self,
        partner: &PartnerName,
        open: &OpenDispute,
        about: About,
        operation: &Operation,
        now: Time,
    ) -> Result<(), DisputeRefusal> {
        let kind = self.kind_of(operation);
        let Some((kind, rule)) = kind.as_ref().and_then(|kind| Some((kind, kind.dispute.as_ref()?))) else {
            let kind = kind.map(|kind| kind.name.clone());
            // An operation's type is declared, or it would not have been opened.
            return Err(match kind {
                Some(kind) => DisputeRefusal::NoDisputes { kind },
                None => DisputeRefusal::NotDisputable { named: open.subject },
            });
        };
        if !kind.acts(partner) {
            return Err(DisputeRefusal::NoPart { partner: partner.clone(), operation: operation.id });
        }
        let is_declared = match &open.ground {
            Some(ground) => rule.grounds.binary_search(ground).is_ok(),
            None => rule.grounds.is_empty(),
        };
        if !is_declared {
            return Err(DisputeRefusal::Ground { declared: rule.grounds.clone() });
        }
        if operation.annulled.is_some() {
            return Err(DisputeRefusal::Annulled { operation: operation.id });
        }
        let subject = open.subject;
        let since = self.came_about(&subject, about, operation);
        let since = since.ok_or(DisputeRefusal::TooEarly { subject, about })?;
        let until = since.plus(rule.window_ms);
        if now >= until {
            return Err(DisputeRefusal::TooLate { until });
        }
        for before in self.disputes.of(&operation.id).filter(|before| before.subject == subject) {
            let remanded = operation.remanded.is_some_and(|mark| mark.record == before.id);
            if !remanded {
                let is_open = before.end.is_none();
                return Err(DisputeRefusal::Already { dispute: before.id, is_open });
            }
        }
        let own = self.disputes.of(&operation.id).filter(|before| before.opened_by == *partner);
        if own.count() >= MAX_DISPUTES_PER_PARTNER {
            let most = MAX_DISPUTES_PER_PARTNER as u64;
            return Err(DisputeRefusal::TooMany { partner: partner.clone(), most });
        }
        let is_barred = |judge: &PartnerName| self.is_barred(judge, partner, &subject, about, operation);
        if rule.judges(is_barred).is_none() {
            let (panel, threshold) = (rule.panel.clone(), rule.threshold);
            return Err(DisputeRefusal::NoJudges { panel, threshold });
        }
        Ok(())
    }

    /// When the subject of a dispute came about; from then on it can be contested.
    fn came_about(&self, subject: &RecordId, about: About, operation: &Operation) -> Option<Time> {
        match about {
            About::Operation | About::Attestation => {
                operation.decision.as_ref().map(|decision| decision.decided_at)
            }
            About::Handoff => {
                let handoff = self.handoffs.get(subject).filter(|handoff| handoff.has_moved())?;
                handoff.end.as_ref().map(|end| end.at)
            }
        }
    }

    /// Whether a partner does not sit in a panel: it is a party, or nothing that it says has effect.
    pub(in crate::coalition) fn is_barred(
        &self,
        judge: &PartnerName,
        opener: &PartnerName,
        subject: &RecordId,
        about: About,
        operation: &Operation,
    ) -> bool {
        !self.is_active(judge) || self.is_party(judge, opener, subject, about, operation)
    }

    /// Whether `partner` is a party to a dispute that `opener` opened about `subject`: who opened the dispute or the operation,
    /// leads it or has led it, gave or took what is disputed, vetoed the outcome, or was in the way of a lease or had it.
    pub(in crate::coalition) fn is_party(
        &self,
        partner: &PartnerName,
        opener: &PartnerName,
        subject: &RecordId,
        about: About,
        operation: &Operation,
    ) -> bool {
        let mut moved = self.handoffs.of(&operation.id).filter(|it| it.has_moved() && it.moves_lead());
        let led = operation.lead == *partner || moved.any(|it| it.from == *partner || it.to == *partner);
        let own = match about {
            About::Operation => false,
            About::Handoff => {
                let handoff = self.handoffs.get(subject);
                handoff.is_some_and(|it| it.from == *partner || it.to == *partner)
            }
            About::Attestation => {
                operation.attestations.iter().any(|said| said.record == *subject && said.partner == *partner)
            }
        };
        // Whoever had a right to what another committed, and whose veto made it what it is.
        let mut decisions = operation.decision.iter();
        let decided = decisions.any(|decision| {
            decision.conflicts.iter().any(|conflict| conflict.partner == *partner)
                || decision.deficit.vetoed_by.contains(partner)
        });
        opener == partner || operation.opened_by == *partner || led || own || decided
    }

    /// Whether `partner` is a party to a dispute.
    pub fn is_party_to(&self, partner: &PartnerName, dispute: &Dispute) -> bool {
        self.operations.get(&dispute.operation).is_some_and(|operation| {
            self.is_party(partner, &dispute.opened_by, &dispute.subject, dispute.about, operation)
        })
    }

    fn judge_word(
        &self,
        partner: &PartnerName,
        rule: &Rule,
        dispute: &Dispute,
        now: Time,
    ) -> Result<(), DisputeRefusal> {
        if let Some(end) = dispute.end {
            return Err(DisputeRefusal::NotOpen { ruling: end.ruling, since: end.at });
        }
        if dispute.expires <= now {
            return Err(DisputeRefusal::NotOpen { ruling: None, since: dispute.expires });
        }
        if dispute.panel.binary_search(partner).is_err() {
            return Err(DisputeRefusal::NotJudge { partner: partner.clone(), panel: dispute.panel.clone() });
        }
        if self.is_party_to(partner, dispute) {
            return Err(DisputeRefusal::Party { partner: partner.clone() });
        }
        if rule.ruling == Ruling::Remand && !self.may_remand(dispute) {
            return Err(DisputeRefusal::CannotRemand);
        }
        let last = dispute.words.iter().find(|word| word.partner == *partner).map_or(0, |word| word.number);
        if rule.number <= last {
            return Err(DisputeRefusal::OlderWord { partner: partner.clone(), number: rule.number, last });
        }
        if rule.number > MAX_WORDS_PER_JUDGE {
            let most = MAX_WORDS_PER_JUDGE;
            return Err(DisputeRefusal::TooManyWords { partner: partner.clone(), most });
        }
        Ok(())
    }

    pub(super) fn may_remand(&self, dispute: &Dispute) -> bool {
        let operation = self.operations.get(&dispute.operation);
        dispute.about == About::Operation
            && operation.is_some_and(|it| {
                // What it claims must still be there for it.
                let free = |claim| self.claims.holder(claim).is_none_or(|holder| holder == it.id);
                it.remanded.is_none() && it.concluded.is_none() && it.claims.iter().all(free)
            })
    }

    /// An operation that follows one in dispute, or one that was annulled, is not opened.
    pub(in crate::coalition) fn judge_follows(&self, open: &Open) -> Result<(), Refusal> {
        let Some(operation) = followed(open).and_then(|id| self.operations.get(&id)) else { return Ok(()) };
        let dispute = self.held_by(operation);
        if dispute.is_some() || operation.annulled.is_some() {
            return Err(DisputeRefusal::Follows { operation: operation.id, dispute }.into());
        }
        Ok(())
    }
}
