//! Commitments, ready to be shown, and what a lease makes of records that are not ordered.

use serde::{Deserialize, Serialize};

use super::judge::claimed;
use super::{Commitment, Committed};
use crate::charter::{Lease, OperationType, PartnerName, show_time};
use crate::coalition::operation::Operation;
use crate::coalition::outcome::{Leave, lacking};
use crate::coalition::state::State;
use crate::coalition::view::ordered;
use crate::identity::RecordId;
use crate::record::Stance;

/// A commitment, ready to be shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CommitmentView {
    /// The record that says so.
    pub id: RecordId,
    /// Who commits the operation.
    pub partner: PartnerName,
    /// Under which leases; with none, it has no right to what the operation claims before that is agreed.
    pub leases: Vec<String>,
    /// Size of the log as the partner knew it.
    pub seen: u64,
    /// Log index of the record; `None` if it is not ordered.
    pub index: Option<u64>,
    /// What became of it; nothing while the operation is open.
    pub end: Option<Committed>,
    /// When, in batch time.
    pub ended_at: Option<String>,
    /// Log index of the entry that decided it; `None` if the end of the window did.
    pub ended_by: Option<u64>,
    /// The dispute about it.
    pub dispute: Option<RecordId>,
    /// All that in one sentence.
    pub explanation: String,
}

/// Whether a partner may act on an operation by a lease, before it is agreed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnderLease {
    /// Who has committed it.
    pub partner: PartnerName,
    /// Under which leases, sorted.
    pub leases: Vec<String>,
    /// Whether it may: all that is claimed is within these leases, they ask for nothing more, and nobody has objected whose
    /// veto counts.
    pub met: bool,
    /// What they ask for, or who objects, in one sentence; empty if nothing is missing.
    pub lacks: String,
}

impl State {
    /// The commitments to an operation, ready to be shown.
    pub(in crate::coalition) fn commitment_views(&self, operation: &Operation) -> Vec<CommitmentView> {
        self.commitments.of(&operation.id).map(|it| self.commitment_view(it, operation)).collect()
    }

    fn commitment_view(&self, commitment: &Commitment, operation: &Operation) -> CommitmentView {
        let end = commitment.end.as_ref();
        CommitmentView {
            id: commitment.id,
            partner: commitment.partner.clone(),
            leases: commitment.leases.iter().map(ToString::to_string).collect(),
            seen: commitment.seen,
            index: ordered(commitment.index),
            end: end.map(|end| end.how),
            ended_at: end.map(|end| show_time(end.at)),
            ended_by: end.and_then(|end| end.by).and_then(ordered),
            dispute: end.and_then(|end| end.dispute).filter(|_| ordered(commitment.index).is_some()),
            explanation: self.explain_commitment(commitment, operation),
        }
    }

    /// What was committed under what, and what became of it, in one sentence without its author.
    pub(in crate::coalition) fn explain_commitment(
        &self,
        commitment: &Commitment,
        operation: &Operation,
    ) -> String {
        let Some(end) = &commitment.end else {
            return "provisional until the operation is decided".into();
        };
        let decision = operation.decision.as_ref().filter(|decision| decision.verdict == end.verdict);
        let why = decision.map_or(String::new(), |decision| format!(": {}", decision.reason()));
        match end.how {
            Committed::Confirmed => "confirmed: the operation is agreed".into(),
            Committed::Superseded if end.verdict.is_agreed() && operation.annulled.is_some() => {
                "superseded: the operation is annulled".into()
            }
            Committed::Superseded => format!("superseded: the operation is {}{why}", end.verdict),
            Committed::Conflicted => {
                let ruled = |id| self.dispute(&id).and_then(|dispute| dispute.end);
                let then = match (end.dispute, end.dispute.and_then(ruled)) {
                    (None, _) => "no panel can be had that rules on it".to_owned(),
                    (Some(_), None) => "a panel rules on it".to_owned(),
                    (Some(_), Some(ended)) => match ended.ruling {
                        Some(ruling) => format!("the panel has ruled: {ruling}"),
                        None => "the panel has not ruled in time".to_owned(),
                    },
                };
                format!("conflicted{why}; {then}")
            }
        }
    }

    /// Whether what was committed of an operation that is not decided may be acted on.
    pub(in crate::coalition) fn under_lease(
        &self,
        operation: &Operation,
        kind: &OperationType,
    ) -> Option<UnderLease> {
        if operation.decision.is_some() {
            return None;
        }
        let commitment = self.commitments.of(&operation.id).find(|it| it.end.is_none())?;
        let charter = self.charter_at(operation.charter_version)?;
        let partner = &commitment.partner;
        let mut lacks = Vec::new();
        if !self.is_active(partner) {
            lacks.push(format!("{partner} is {}", self.membership(partner)));
        }
        let mut leases: Vec<&Lease> = Vec::new();
        for claim in claimed(charter, operation) {
            match charter.lease_of(&claim).filter(|lease| lease.partner == *partner) {
                Some(lease) if leases.iter().all(|known| known.name != lease.name) => leases.push(lease),
                Some(_) => {}
                None => {
                    lacks.push(format!("no lease of {partner} is for {claim}: another may claim it first"))
                }
            }
        }
        let said = || {
            let stands = operation.attestations.iter().filter(|said| said.stands());
            stands.map(|said| (&said.partner, said.role, said.stance))
        };
        for lease in leases {
            let deficit = lacking(kind, &lease.all_of, said());
            if !deficit.is_met() {
                lacks.push(format!("the lease {} {deficit}", lease.name));
            }
        }
        if Leave::of(&self.mandates(charter, operation)) == Leave::Refused {
            lacks.push("an authority that it needs refuses it".into());
        }
        let against = said().filter(|(by, role, stance)| {
            *stance == Stance::Object && (*by == partner || kind.is_veto(by, *role))
        });
        lacks.extend(against.map(|(by, role, _)| format!("{by} objects as {role}")));
        Some(UnderLease {
            partner: partner.clone(),
            leases: commitment.leases.iter().map(ToString::to_string).collect(),
            met: lacks.is_empty(),
            lacks: lacks.join("; "),
        })
    }
}
