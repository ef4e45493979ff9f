//! Operations, with what was said on them and how they were decided.

use std::collections::BTreeMap;

use entente_protocol::coalition::{AssetView, CommitmentView, MandateView, Stage, UnderLease};
use entente_protocol::feed::Lane;
use entente_protocol::identity::{Hash, RecordId};
use entente_protocol::record::{Role, Stance};
use entente_protocol::time::Time;
use serde::{Deserialize, Serialize};

use super::RecordState;

/// A decision.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DecisionView {
    /// The operation.
    pub operation: RecordId,
    /// The leaf of the log that states it; none where this node took the state after it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub index: Option<u64>,
    /// The outcome in a word.
    pub outcome: String,
    /// Why.
    pub explanation: String,
}

/// A ruling on a dispute.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RulingView {
    /// The dispute.
    pub dispute: RecordId,
    /// The leaf of the log that states it.
    pub index: u64,
    /// What became of its subject: `upheld`, `annulled` or `remanded`.
    pub outcome: String,
    /// What, why, and who said what.
    pub explanation: String,
}

/// An operation, derived from the records known here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OperationView {
    /// Its id.
    pub id: RecordId,
    /// The operation type.
    pub kind: String,
    /// The version of the charter that it is judged under.
    pub charter_version: u32,
    /// One line.
    pub title: String,
    /// Named values.
    pub body: BTreeMap<String, String>,
    /// The partner that opened it.
    pub opened_by: String,
    /// The partner that answers for it.
    #[serde(default)]
    pub lead: String,
    /// The phase that it is in, where its type has phases.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phase: Option<String>,
    /// Whether its lead has concluded it.
    #[serde(default)]
    pub concluded: bool,
    /// Whether nothing more is to come of it: it is concluded, annulled, not agreed, or a change that is decided.
    #[serde(default)]
    pub over: bool,
    /// What is agreed, where that is less than what was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limits: Option<String>,
    /// That its lead has no voice any more, or for now, and who may go on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lead_away: Option<String>,
    /// Why it can have no effect any more, whatever is said on it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub moot: Option<String>,
    /// What it would change of the charter, or has changed, line by line.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub changes: Vec<String>,
    /// The dispute about it that is open.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disputed: Option<RecordId>,
    /// The dispute in which it was annulled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub annulled: Option<RecordId>,
    /// The dispute in which it was remanded, to be decided anew.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remanded: Option<RecordId>,
    /// Batch time at which it was opened; `None` while held.
    pub opened_at: Option<Time>,
    /// Until when it may be attested, in batch time.
    pub closes_at: Option<Time>,
    /// How urgent its records are.
    pub precedence: Option<Lane>,
    /// The precedence that it was opened with, where that is above its type's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub raised: Option<Lane>,
    /// What nobody else may have while it is open or agreed, in words.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub claims: Vec<String>,
    /// Which of its windows it is in: first, deferred or escalated.
    pub stage: Stage,
    /// Held, ordered or agreed.
    pub state: RecordState,
    /// The outcome in a word: `pending` until decided.
    pub outcome: String,
    /// Why it stands so, from ordered records.
    pub explanation: String,
    /// What exactly is missing, one thing a line.
    pub deficit: Vec<String>,
    /// The outcome that would stand if all records held here were ordered now, where it differs; of what is open,
    /// `agreed under lease` where a partner that has committed it may act on it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provisional: Option<String>,
    /// What authorities say on it, where one is needed or has spoken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub authority: Option<MandateView>,
    /// What would be missing then, one thing a line, where that differs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provisional_deficit: Option<Vec<String>>,
    /// What serves it, with its owner's condition and who controls it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub assets: Vec<AssetView>,
    /// What partners have committed alone, by partner; held ones without an end.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub commitments: Vec<CommitmentView>,
    /// Whether what is committed may be acted on before it is agreed, by all that is known here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub under_lease: Option<UnderLease>,
    /// The index of the opening record's leaf.
    pub index: Option<u64>,
    /// The decision, once certified.
    pub decision: Option<DecisionView>,
    /// What was said, in order; held ones last.
    pub attestations: Vec<AttestationView>,
}

/// A partner's word on an operation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AttestationView {
    /// Its id.
    pub id: RecordId,
    /// Who said it.
    pub partner: String,
    /// In which role.
    pub role: Role,
    /// What.
    pub stance: Stance,
    /// A condition or reservation; of an objection its ground.
    pub caveat: Option<String>,
    /// Commitments to evidence: SHA-256 in base32, ascending.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub evidence: Vec<Hash>,
    /// The record that takes it back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub withdrawn_by: Option<RecordId>,
    /// The attestation that it replaces.
    pub supersedes: Option<RecordId>,
    /// Held or ordered.
    pub state: RecordState,
    /// Whether it counts: ordered, applied, not superseded, not an observer's.
    pub counts: bool,
    /// Its place in the log.
    pub index: Option<u64>,
}
