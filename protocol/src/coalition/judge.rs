//! What a record needs to be applied: judged the same for submissions and for ordered entries, changing nothing.

use super::member::{self, MemberRefusal};
use super::operation::Operation;
use super::outcome::Stage;
use super::park::MAX_PARKED_PER_PARTNER;
use super::refusal::{OperationRefusal, Part, Refusal, Taken};
use super::state::{MAX_ATTESTATIONS_PER_PARTNER, MAX_OPEN_PER_PARTNER, State};
use super::{asset, authority, dispute, handoff, integrity};
use crate::authority::Word;
use crate::charter::{Claim, Fallback, Partner, PartnerName};
use crate::credential::Capability;
use crate::identity::RecordId;
use crate::record::{
    Act, AssetAct, Attest, AuthorityAct, IntegrityAct, LeaseAct, LeasedOpen, MemberAct, Open, Record, Role,
    Speak, Withdrawal,
};
use crate::time::Time;

/// What the state says of a record, before anything is changed.
pub(super) enum Judgement {
    Apply,
    Duplicate { first: u64 },
    Wait { awaits: RecordId },
}

impl State {
    /// What becomes of an authentic record of `partner`, which stands at the log index `index`, at the time `now`.
    pub(super) fn judge(
        &self,
        partner: &PartnerName,
        id: &RecordId,
        record: &Record,
        index: u64,
        now: Time,
    ) -> Result<Judgement, Refusal> {
        if let Some(seen) = self.records.get(id) {
            return Ok(Judgement::Duplicate { first: seen.index });
        }
        if let Some(waiting) = self.parked.get(id) {
            return Ok(Judgement::Duplicate { first: waiting.place.index });
        }
        self.allows(&record.signer, Capability::Officer, self.scope_of(&record.act), index, now)?;
        // Also who is suspended may leave, tell of misuse, bring what proves itself, and take home what is its own.
        match &record.act {
            // Judged with the rest.
            Act::Member(_) => {}
            act if suspended_may_say(partner, act) => self.require_member(partner)?,
            _ => self.require_active(partner)?,
        }
        match &record.act {
            Act::Open(open) => {
                self.judge_follows(open)?;
                self.judge_open(partner, open).map(|()| Judgement::Apply)
            }
            Act::Attest(attest) => self.judge_attest(partner, attest, now),
            Act::Withdraw(withdraw) => self.judge_withdrawal(partner, withdraw, now),
            Act::Asset(act) => self.judge_asset(partner, act),
            Act::Member(act) => self.judge_member(partner, act, now),
            Act::Integrity(act) => self.judge_integrity(partner, act),
            Act::Handoff(act) => self.judge_handoff(partner, act, now),
            Act::Dispute(act) => self.judge_dispute(partner, act, now),
            Act::Authority(act) => self.judge_authority(partner, act, now),
            Act::Key(act) => self.judge_key(act, now),
            Act::Lease(act) => self.judge_lease(partner, act),
        }
    }

    /// The operation of this id; or that it has to be waited for, or that it is none.
    pub(super) fn named_operation(&self, named: RecordId) -> Result<Result<&Operation, Judgement>, Refusal> {
        match (self.operations.get(&named), self.records.get(&named)) {
            (Some(operation), _) => Ok(Ok(operation)),
            // Names another record where an operation belongs: waiting would not help.
            (None, Some(_)) => Err(Refusal::NotAnOperation { named }),
            (None, None) => Ok(Err(Judgement::Wait { awaits: named })),
        }
    }

    /// Whether `partner` may open this, and what it claims then, be it free or not.
    pub(super) fn judge_opening(&self, partner: &PartnerName, open: &Open) -> Result<Vec<Claim>, Refusal> {
        let kind = self
            .charter()
            .kind(&open.kind)
            .ok_or_else(|| Refusal::UndeclaredType { kind: open.kind.clone() })?;
        if let declared @ Some(_) = kind.effect {
            let (kind, meant) = (kind.name.clone(), "open an operation without proposing a change".into());
            return Err(MemberRefusal::WrongEffect { kind, declared, meant }.into());
        }
        self.may_open(partner, &open.kind)?;
        if let Some(asked) = open.precedence {
            let declared = kind.precedence;
            if asked >= declared {
                return Err(OperationRefusal::NotRaised { asked, declared }.into());
            }
            let may = self.charter().raisers(kind);
            if may.binary_search(partner).is_err() {
                return Err(OperationRefusal::MayNotRaise { partner: partner.clone(), may }.into());
            }
        }
        let fields = || kind.fields.iter().map(|field| field.name.clone());
        Ok(kind.claims(&open.body).map_err(|error| OperationRefusal::body(error, fields()))?)
    }

    fn judge_open(&self, partner: &PartnerName, open: &Open) -> Result<(), Refusal> {
        let claims = self.judge_opening(partner, open)?;
        self.judge_leases(partner, &claims)?;
        for claim in &claims {
            if let Some(holder) = self.claims.holder(claim).and_then(|holder| self.operations.get(&holder)) {
                let taken = Taken {
                    claim: claim.to_string(),
                    holder: holder.id,
                    partner: holder.opened_by.clone(),
                    title: holder.open.title.clone(),
                };
                return Err(OperationRefusal::Taken(Box::new(taken)).into());
            }
        }
        Ok(())
    }

    /// What an opening claims by the charter in force.
    pub(super) fn claimed(&self, open: &Open) -> Vec<Claim> {
        let kind = self.charter().kind(&open.kind);
        kind.and_then(|kind| kind.claims(&open.body).ok()).unwrap_or_default()
    }

    /// The operations that have what an opening would claim.
    pub(super) fn in_the_way(&self, act: &Act) -> Vec<RecordId> {
        let Some(open) = act.opening() else { return Vec::new() };
        let kind = self.last_charter().kind(&open.kind);
        let claims = kind.and_then(|kind| kind.claims(&open.body).ok()).unwrap_or_default();
        claims.iter().filter_map(|claim| self.claims.holder(claim)).collect()
    }

    /// Whether `partner` may open an operation of this type.
    pub(super) fn may_open(&self, partner: &PartnerName, kind: &str) -> Result<(), Refusal> {
        let kind =
            self.charter().kind(kind).ok_or_else(|| Refusal::UndeclaredType { kind: kind.to_owned() })?;
        let eligible = kind.openers();
        if eligible.binary_search(partner).is_err() {
            return Err(Refusal::MayNotOpen { partner: partner.clone(), eligible });
        }
        if self.open.get(partner).is_some_and(|open| *open >= MAX_OPEN_PER_PARTNER) {
            return Err(Refusal::TooManyOpen { partner: partner.clone(), most: MAX_OPEN_PER_PARTNER as u64 });
        }
        Ok(())
    }

    fn judge_attest(&self, partner: &PartnerName, attest: &Attest, now: Time) -> Result<Judgement, Refusal> {
        let operation = match self.named_operation(attest.operation)? {
            Ok(operation) => operation,
            Err(wait) => return Ok(wait),
        };
        still_open(operation, now)?;
        if operation.concerns() == Some(partner) {
            return Err(MemberRefusal::OwnCause { partner: partner.clone() }.into());
        }
        let kind = self
            .kind_of(operation)
            .ok_or_else(|| Refusal::UndeclaredType { kind: operation.open.kind.clone() })?;
        if !operation.may_act(&kind, partner, attest.role) {
            return Err(Refusal::RoleNotHeld {
                partner: partner.clone(),
                role: attest.role,
                held: kind.roles_of(partner),
            });
        }
        self.judge_handed(partner, attest.role, operation)?;
        if let (Stage::Escalated, Fallback::Escalate(to)) = (operation.stage, &kind.rule.fallback)
            && (to != partner || attest.role == Role::Observing)
        {
            return Err(OperationRefusal::Escalated { to: to.clone() }.into());
        }
        if let (Stage::Escalated, Some(to)) = (operation.stage, kind.rule.fallback.authority()) {
            return Err(OperationRefusal::ToAuthority { to: to.clone() }.into());
        }
        if let Some(awaits) = self.judge_supersession(partner, attest, operation)? {
            return Ok(Judgement::Wait { awaits });
        }
        let own = operation.attestations.iter().filter(|said| said.partner == *partner).count();
        if own >= MAX_ATTESTATIONS_PER_PARTNER {
            return Err(Refusal::TooManyAttestations {
                partner: partner.clone(),
                most: MAX_ATTESTATIONS_PER_PARTNER as u64,
            });
        }
        Ok(Judgement::Apply)
    }

    fn judge_withdrawal(
        &self,
        partner: &PartnerName,
        withdraw: &Withdrawal,
        now: Time,
    ) -> Result<Judgement, Refusal> {
        let operation = match self.named_operation(withdraw.operation)? {
            Ok(operation) => operation,
            Err(wait) => return Ok(wait),
        };
        still_open(operation, now)?;
        let named = withdraw.attestation;
        if operation.standing(partner).is_some_and(|said| said.record == named) {
            return Ok(Judgement::Apply);
        }
        if !self.records.contains_key(&named) {
            return Ok(Judgement::Wait { awaits: named });
        }
        Err(OperationRefusal::NothingToWithdraw { partner: partner.clone(), named }.into())
    }

    /// Whether what the attestation supersedes is what stands; `Some` is what it has to wait for.
    fn judge_supersession(
        &self,
        partner: &PartnerName,
        attest: &Attest,
        operation: &Operation,
    ) -> Result<Option<RecordId>, Refusal> {
        let standing = operation.standing(partner).map(|said| said.record);
        let Some(named) = attest.supersedes else {
            return match standing {
                None => Ok(None),
                Some(standing) => Err(Refusal::AlreadyAttested { partner: partner.clone(), standing }),
            };
        };
        if standing == Some(named) {
            return Ok(None);
        }
        let own = operation.attestations.iter().any(|said| said.record == named && said.partner == *partner);
        match (own, standing) {
            (true, Some(standing)) => Err(Refusal::SupersedesReplaced { named, standing }),
            (true, None) => Err(OperationRefusal::Withdrawn { named }.into()),
            _ if self.records.contains_key(&named) => {
                Err(Refusal::SupersedesNotOwn { partner: partner.clone(), named })
            }
            _ => Ok(Some(named)),
        }
    }
}

/// What has its effect also while its partner is suspended. Whose asset it is that it takes home, is judged with the rest.
pub(super) fn suspended_may_say(partner: &PartnerName, act: &Act) -> bool {
    match act {
        Act::Member(MemberAct::Withdraw { .. }) | Act::Integrity(IntegrityAct::Report(_)) | Act::Key(_) => {
            true
        }
        Act::Asset(AssetAct::Recall(_)) => true,
        Act::Authority(AuthorityAct::Speak(Speak { statement, .. })) => {
            statement.word == Word::Recall && statement.authority.as_str() == partner.as_str()
        }
        _ => false,
    }
}

/// Whether its window is open at the time `now`.
fn still_open(operation: &Operation, now: Time) -> Result<(), Refusal> {
    if let Some(decision) = &operation.decision {
        return Err(Refusal::Closed {
            operation: operation.id,
            verdict: Some(decision.verdict),
            since: decision.decided_at,
        });
    }
    if operation.closes <= now {
        return Err(Refusal::Closed { operation: operation.id, verdict: None, since: operation.closes });
    }
    Ok(())
}

pub(super) fn too_many_parked(partner: &PartnerName, awaits: RecordId) -> Refusal {
    Refusal::TooManyParked { partner: partner.clone(), awaits, most: MAX_PARKED_PER_PARTNER as u64 }
}

pub(super) fn bad_signature(record: &Record) -> Refusal {
    Refusal::BadSignature { signer: record.signer }
}

impl State {
    /// Everything about a record that needs neither its signature nor what was said before: coalition, bounds, officer. Gives
    /// the partner for which it is said, where it stands at the log index `index`.
    pub(super) fn authenticate(&self, record: &Record, index: u64) -> Result<&Partner, Refusal> {
        if record.coalition != self.founded.coalition() {
            return Err(Refusal::ForeignCoalition { named: record.coalition });
        }
        check_parts(record)?;
        self.officer_at(&record.signer, index)
    }
}

/// Whether the parts of a record are within bounds.
fn check_parts(record: &Record) -> Result<(), Refusal> {
    match &record.act {
        Act::Open(open) | Act::Lease(LeaseAct::Open(LeasedOpen { open, .. })) => {
            Part::Kind.check(&open.kind)?;
            Part::Title.check(&open.title)?;
            Part::Fields.check_length(open.body.len())?;
            for (name, value) in &open.body {
                Part::FieldName.check(name)?;
                Part::Field.check(value)?;
            }
        }
        Act::Attest(attest) => {
            if let Some(caveat) = &attest.caveat {
                Part::Caveat.check(caveat)?;
            }
            Part::Evidence.check_length(attest.evidence.len())?;
            if attest.evidence.windows(2).any(|two| two[0] >= two[1]) {
                return Err(OperationRefusal::EvidenceOrder.into());
            }
        }
        Act::Asset(act) => asset::check(act)?,
        Act::Member(act) => member::check(act)?,
        Act::Integrity(act) => integrity::check(act)?,
        Act::Handoff(act) => handoff::check(act)?,
        Act::Dispute(act) => dispute::check(act)?,
        Act::Authority(act) => authority::check(act)?,
        // What it carries is bounded by its own rules.
        Act::Withdraw(_) | Act::Key(_) | Act::Lease(LeaseAct::Commit(_)) => {}
    }
    Ok(())
}
