//! What a record about leases needs to have its effect.

use super::{Conflict, LeaseRefusal, Leased, MAX_CONFLICTS_PER_PARTNER};
use crate::charter::{Charter, Claim, KindName, PartnerName};
use crate::coalition::judge::Judgement;
use crate::coalition::operation::Operation;
use crate::coalition::refusal::Refusal;
use crate::coalition::state::State;
use crate::record::{Commit, LeaseAct, Open};

impl State {
    pub(in crate::coalition) fn judge_lease(
        &self,
        partner: &PartnerName,
        act: &LeaseAct,
    ) -> Result<Judgement, Refusal> {
        match act {
            LeaseAct::Open(opened) => {
                self.judge_follows(&opened.open)?;
                self.judge_committed_opening(partner, &opened.open).map(|()| Judgement::Apply)
            }
            LeaseAct::Commit(commit) => self.judge_commit(partner, commit),
        }
    }

    fn judge_committed_opening(&self, partner: &PartnerName, open: &Open) -> Result<(), Refusal> {
        let claims = self.judge_opening(partner, open)?;
        if claims.is_empty() {
            let kind = self.charter().kind(&open.kind).map(|kind| kind.name.clone());
            let kind = kind.ok_or_else(|| Refusal::UndeclaredType { kind: open.kind.clone() })?;
            return Err(LeaseRefusal::NothingClaimed { kind }.into());
        }
        let is_full = self.commitments.contested(partner) >= MAX_CONFLICTS_PER_PARTNER;
        if is_full && !self.conflicts(partner, &claims).is_empty() {
            let most = MAX_CONFLICTS_PER_PARTNER as u64;
            return Err(LeaseRefusal::TooManyConflicts { partner: partner.clone(), most }.into());
        }
        Ok(())
    }

    /// Whatever has become of the operation meanwhile: who could not hear of it is told what became of its commitment.
    fn judge_commit(&self, partner: &PartnerName, commit: &Commit) -> Result<Judgement, Refusal> {
        let operation = match self.named_operation(commit.operation)? {
            Ok(operation) => operation,
            Err(wait) => return Ok(wait),
        };
        if let Some(before) = self.commitments.of(&operation.id).find(|before| before.partner == *partner) {
            return Err(LeaseRefusal::Already { partner: partner.clone(), record: before.id }.into());
        }
        let charter = self.charter_at(operation.charter_version);
        let claims = charter.map(|charter| claimed(charter, operation)).unwrap_or_default();
        if claims.is_empty() {
            let kind = self.kind_of(operation).map(|kind| kind.name.clone());
            let kind = kind.ok_or_else(|| Refusal::UndeclaredType { kind: operation.open.kind.clone() })?;
            return Err(LeaseRefusal::NothingClaimed { kind }.into());
        }
        for claim in &claims {
            let lease = charter.and_then(|charter| charter.lease_of(claim));
            if lease.is_none_or(|lease| lease.partner != *partner) {
                return Err(LeaseRefusal::NotHeld {
                    partner: partner.clone(),
                    claim: claim.to_string(),
                    holder: lease.map(|lease| lease.partner.clone()),
                }
                .into());
            }
        }
        Ok(Judgement::Apply)
    }

    /// Refuses an ordinary opening that claims what is leased to another.
    pub(in crate::coalition) fn judge_leases(
        &self,
        partner: &PartnerName,
        claims: &[Claim],
    ) -> Result<(), Refusal> {
        for claim in claims {
            if let Some(lease) = self.charter().lease_of(claim).filter(|lease| lease.partner != *partner) {
                let (lease, partner) = (lease.name.clone(), lease.partner.clone());
                let leased = Leased { claim: claim.to_string(), lease, partner };
                return Err(LeaseRefusal::Leased(Box::new(leased)).into());
            }
        }
        Ok(())
    }

    /// Why `partner` cannot have what it would claim now: each claim that is another's, and whose it is.
    pub(super) fn conflicts(&self, partner: &PartnerName, claims: &[Claim]) -> Vec<Conflict> {
        let conflict = |claim: &Claim| {
            if let Some(lease) = self.charter().lease_of(claim).filter(|lease| lease.partner != *partner) {
                return Some(Conflict::new(claim, &lease.partner, Some(&lease.name), None));
            }
            let holder = self.operations.get(&self.claims.holder(claim)?)?;
            Some(Conflict::new(claim, &holder.opened_by, None, Some(holder.id)))
        };
        claims.iter().filter_map(conflict).collect()
    }
}

/// What the opening of an operation claims, be it held or not.
pub(super) fn claimed(charter: &Charter, operation: &Operation) -> Vec<Claim> {
    let kind = charter.kind(&operation.open.kind);
    kind.and_then(|kind| kind.claims(&operation.open.body).ok()).unwrap_or_default()
}

/// The leases of `partner` that are for some of `claims`, sorted.
pub(super) fn own_leases(charter: &Charter, partner: &PartnerName, claims: &[Claim]) -> Vec<KindName> {
    let own = claims.iter().filter_map(|claim| charter.lease_of(claim));
    let own = own.filter(|lease| lease.partner == *partner);
    let mut names = own.map(|lease| lease.name.clone()).collect::<Vec<_>>();
    names.sort_unstable();
    names.dedup();
    names
}
