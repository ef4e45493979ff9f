//! Counting again who has which corridor, and what became of what partners committed alone.

use std::collections::BTreeSet;

use entente_protocol::charter::PartnerName;
use entente_protocol::coalition::{Committed, Decision, State, Verdict};
use entente_protocol::identity::{Hash, RecordId};
use entente_protocol::record::{LeaseAct, Open};

use super::super::evidence::hashed;
use super::check::must;
use super::{Affairs, Operation};
use crate::sim::summary::{APPLIED, Count};

/// What an opening asks for: a resource by the values of its fields, from when until when. Times in these histories are all written
/// alike, so that their texts are in the order of time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Claim {
    resource: String,
    values: Vec<String>,
    from: String,
    until: String,
}

impl Claim {
    fn meets(&self, other: &Self) -> bool {
        (&self.resource, &self.values) == (&other.resource, &other.values)
            && self.from < other.until
            && other.from < self.until
    }
}

/// What a partner has committed.
pub(super) struct Commitment {
    pub(super) operation: RecordId,
    pub(super) partner: PartnerName,
    pub(super) end: Option<Committed>,
}

/// The dispute that nobody but the state machine opens about an operation in conflict.
fn dispute_about(operation: &RecordId) -> RecordId {
    RecordId(Hash(hashed("entente/lease/dispute/v1", &[operation.0.as_bytes()])))
}

impl Affairs {
    /// What an opening asks for.
    pub(super) fn asked(&self, open: &Open) -> Vec<Claim> {
        let kind = self.charter.operations.iter().find(|kind| kind.name.as_str() == open.kind);
        let of = |resource: &entente_protocol::charter::Resource| {
            let value = |field: &String| open.body.get(field).cloned();
            let values = resource.fields.iter().map(value).collect::<Option<Vec<_>>>()?;
            let (from, until) = (value(resource.from.as_ref()?)?, value(resource.until.as_ref()?)?);
            Some(Claim { resource: resource.name.to_string(), values, from, until })
        };
        kind.into_iter().flat_map(|kind| &kind.resources).filter_map(of).collect()
    }

    fn leased_to(&self, claim: &Claim) -> Option<&PartnerName> {
        let leases = self.charter.operations.iter().flat_map(|kind| &kind.leases);
        let mut of = leases.filter(|lease| lease.resource.as_str() == claim.resource);
        of.find(|lease| lease.values.contains(&claim.values)).map(|lease| &lease.partner)
    }

    /// Who has what a claim asks for, but for `but`; of several the one whose time begins last.
    fn holder(&self, claim: &Claim, but: Option<&RecordId>) -> Option<&Operation> {
        let others =
            self.operations.iter().filter(|(id, operation)| Some(*id) != but && !operation.is_over());
        let held =
            others.flat_map(|(_, operation)| operation.claims.iter().map(move |held| (held, operation)));
        let met = held.filter(|(held, _)| held.meets(claim));
        met.max_by(|(one, _), (other, _)| one.from.cmp(&other.from)).map(|(_, operation)| operation)
    }

    /// Whom it wrongs if `partner` has this, claim by claim.
    pub(super) fn wronged(&self, partner: &PartnerName, claims: &[Claim]) -> Vec<PartnerName> {
        let of = |claim: &Claim| {
            let leased = self.leased_to(claim).filter(|holder| *holder != partner);
            leased.or_else(|| self.holder(claim, None).map(|operation| &operation.opened_by)).cloned()
        };
        claims.iter().filter_map(of).collect()
    }

    pub(super) fn may_lease(&self, partner: &PartnerName, act: &LeaseAct) -> Result<(), String> {
        match act {
            LeaseAct::Open(opened) => {
                self.may_open(partner, &opened.open)?;
                must(!self.asked(&opened.open).is_empty(), || "it commits nothing".into())
            }
            LeaseAct::Commit(commit) => {
                let operation = self.operation(&commit.operation)?;
                let own = |claim: &Claim| self.leased_to(claim) == Some(partner);
                let all = !operation.asked.is_empty() && operation.asked.iter().all(own);
                must(all, || format!("it is not leased to {partner}"))?;
                let again = self.commitments.values();
                let again = again.filter(|it| (it.operation, &it.partner) == (commit.operation, partner));
                must(again.count() == 0, || format!("{partner} has committed it before"))
            }
        }
    }

    pub(super) fn leases(&mut self, partner: PartnerName, id: RecordId, act: LeaseAct) {
        let operation = match act {
            LeaseAct::Open(opened) => {
                let wronged = self.wronged(&partner, &self.asked(&opened.open));
                self.opens(partner.clone(), id, &opened.open.kind, None);
                self.claims(&id, &opened.open);
                self.contest(&id, wronged);
                id
            }
            LeaseAct::Commit(commit) => commit.operation,
        };
        let verdict = self.operations.get(&operation).and_then(|operation| {
            // Of the opening itself it is told with the decision, which stands behind it.
            operation.verdict.map(|verdict| (verdict, operation.annulled))
        });
        let end = verdict.map(|(verdict, annulled)| match verdict {
            Verdict::Agreed if !annulled => Committed::Confirmed,
            _ => Committed::Superseded,
        });
        self.count_end(end);
        self.commitments.insert(id, Commitment { operation, partner, end });
    }

    fn count_end(&mut self, end: Option<Committed>) {
        let name = match end {
            Some(Committed::Confirmed) => "commitment confirmed",
            Some(Committed::Superseded) => "commitment superseded",
            Some(Committed::Conflicted) => "commitment conflicted",
            None => return,
        };
        self.counts.add(Count::Record(name, APPLIED), 1);
    }

    /// An operation holds what its opening asks for.
    pub(super) fn claims(&mut self, id: &RecordId, open: &Open) {
        let asked = self.asked(open);
        if let Some(operation) = self.operations.get_mut(id) {
            (operation.claims, operation.asked) = (asked.clone(), asked);
        }
    }

    /// Or nothing, where others have a right to it; then there is a dispute about it, if enough who are no party and
    /// active are left to judge.
    fn contest(&mut self, id: &RecordId, wronged: Vec<PartnerName>) {
        let Some(first) = wronged.first().cloned() else { return };
        let Some(operation) = self.operations.get_mut(id) else { return };
        operation.claims.clear();
        operation.wronged.clone_from(&wronged);
        let parties = wronged.into_iter().chain([operation.opened_by.clone(), operation.lead.clone()]);
        let parties = parties.collect::<BTreeSet<_>>();
        let kind = self.charter.operations.iter().find(|kind| kind.name.as_str() == operation.kind);
        let rule = kind.and_then(|kind| kind.dispute.as_ref());
        let judged = rule.is_some_and(|rule| {
            let judges = |name: &&PartnerName| !parties.contains(*name) && !self.members.contains_key(*name);
            rule.panel.iter().filter(judges).count() >= rule.threshold as usize
        });
        if judged {
            self.disputes.insert(dispute_about(id), (first, *id));
        }
    }

    /// Whether a decision states a conflict where there is one, and with whom.
    pub(super) fn states_conflict(operation: &Operation, decision: &Decision) -> Result<(), String> {
        let with = decision.conflicts.iter().map(|conflict| &conflict.partner);
        let same = with.eq(&operation.wronged);
        let conflicted = decision.verdict == Verdict::Conflicted;
        must(same && conflicted != operation.wronged.is_empty(), || {
            format!("is {}, and {:?} had a right to what it claims", decision.verdict, operation.wronged)
        })
    }

    /// What was committed of an operation that was decided ends so.
    pub(super) fn end_commitments(&mut self, decided: &RecordId, verdict: Verdict) {
        let open = self.commitments.iter_mut();
        let open = open.filter(|(_, it)| it.operation == *decided && it.end.is_none());
        let mut ends = Vec::new();
        for (id, commitment) in open {
            commitment.end = Some(match verdict {
                Verdict::Conflicted if id == decided => Committed::Conflicted,
                Verdict::Agreed => Committed::Confirmed,
                _ => Committed::Superseded,
            });
            ends.push(commitment.end);
        }
        ends.into_iter().for_each(|end| self.count_end(end));
    }

    /// An operation is to be decided anew: it holds what of its claims is its own to ask for and free.
    pub(super) fn claims_again(&mut self, id: &RecordId, conflicted: bool) {
        let Some(operation) = self.operations.get(id) else { return };
        let mut claims = if conflicted { operation.asked.clone() } else { operation.claims.clone() };
        if conflicted {
            claims.retain(|claim| self.leased_to(claim).is_none_or(|holder| *holder == operation.opened_by));
        }
        claims.retain(|claim| self.holder(claim, Some(id)).is_none());
        if let Some(operation) = self.operations.get_mut(id) {
            operation.claims = claims;
        }
    }

    /// The dispute about a commitment, where there is one.
    pub(super) fn dispute_of(&self, commitment: &RecordId) -> Option<RecordId> {
        Some(dispute_about(commitment)).filter(|id| self.disputes.contains_key(id))
    }
}

/// Of what operations hold that are not over, nothing meets.
pub(super) fn hold_apart(state: &State) -> Result<(), String> {
    let live = state.operations().filter(|operation| operation.over().is_none());
    let held = live.flat_map(|operation| operation.claims.iter().map(move |claim| (claim, operation.id)));
    let held = held.collect::<Vec<_>>();
    for (at, (claim, id)) in held.iter().enumerate() {
        let meets = |(other, _): &&(&entente_protocol::charter::Claim, RecordId)| {
            (&claim.resource, &claim.values) == (&other.resource, &other.values)
                && claim.from < other.until
                && other.from < claim.until
        };
        if let Some((_, other)) = held[at + 1..].iter().find(meets) {
            return Err(format!("{claim} held by {id} and by {other}"));
        }
    }
    Ok(())
}
