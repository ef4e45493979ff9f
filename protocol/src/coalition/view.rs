//! What people and local programs see: names instead of keys, text beside numbers. Everything here serialises to JSON.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::asset::AssetView;
use super::authority::MandateView;
use super::lease::{CommitmentView, UnderLease};
use super::operation::Operation;
use super::outcome::{Decision, Deficit, Stage, Verdict};
use super::state::State;
use crate::charter::text::either;
use crate::charter::{Claim, Fallback, KindName, OperationType, PartnerName, show_time};
use crate::identity::{Hash, RecordId};
use crate::lane::Lane;
use crate::record::{Change, Role, Stance};
use crate::time::Time;

/// Where an operation stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// Takes attestations.
    Open,
    /// Its window is over by this node's clock, and that is not ordered yet.
    Due,
    /// See [`Verdict::Agreed`].
    Agreed,
    /// See [`Verdict::Failed`].
    Failed,
    /// See [`Verdict::Expired`].
    Expired,
    /// It was decided, and a panel ruled that it does not stand.
    Annulled,
    /// See [`Verdict::Limited`].
    #[serde(rename = "agreed-with-limits")]
    Limited,
    /// See [`Verdict::Conflicted`].
    Conflicted,
}

impl Status {
    /// The name in text.
    pub fn name(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Due => "due, unconfirmed",
            Self::Agreed => "agreed",
            Self::Failed => "failed",
            Self::Expired => "expired",
            Self::Annulled => "annulled",
            Self::Limited => Verdict::Limited.name(),
            Self::Conflicted => Verdict::Conflicted.name(),
        }
    }
}

impl std::fmt::Display for Status {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

impl From<Verdict> for Status {
    fn from(verdict: Verdict) -> Self {
        match verdict {
            Verdict::Agreed => Self::Agreed,
            Verdict::Failed => Self::Failed,
            Verdict::Expired => Self::Expired,
            Verdict::Limited => Self::Limited,
            Verdict::Conflicted => Self::Conflicted,
        }
    }
}

/// Most assets that are shown with the operation that they serve; stated in the view.
pub(super) const MAX_ASSETS_SHOWN: usize = 32;

/// An operation, ready to be shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OperationView {
    /// Its id.
    pub id: RecordId,
    /// Its type.
    pub kind: String,
    /// The version of the charter that it is judged under.
    pub charter_version: u32,
    /// How urgent its records are.
    pub precedence: Option<Lane>,
    /// The precedence that it was opened with, where that is above its type's.
    pub raised: Option<Lane>,
    /// What nobody else may have while it is open or agreed, in words.
    pub claims: Vec<String>,
    /// One line for people.
    pub title: String,
    /// Named values.
    pub body: BTreeMap<String, String>,
    /// Where it stands.
    pub status: Status,
    /// What is missing, or why it ended as it did, in one sentence.
    pub explanation: String,
    /// What is missing, for programs.
    pub deficit: Deficit,
    /// Who opened it.
    pub opened_by: PartnerName,
    /// Who answers for it.
    pub lead: PartnerName,
    /// The phase that it is in, where its type has phases.
    pub phase: Option<KindName>,
    /// Whether its lead has concluded it.
    pub concluded: bool,
    /// Whether nothing more is to come of it: it is concluded, annulled, not agreed, or a change that is decided.
    pub over: bool,
    /// The dispute about it, or something that belongs to it, that is open.
    pub disputed: Option<RecordId>,
    /// What is agreed, where that is less than what was asked for.
    pub limits: Option<String>,
    /// That its lead has no voice any more, or for now, and who may go on; none where it leads or nothing is left to lead.
    pub lead_away: Option<String>,
    /// Why it can have no effect any more, whatever is said on it; none of what is decided.
    pub moot: Option<String>,
    /// What it would change of the charter, or has changed, line by line.
    pub changes: Vec<String>,
    /// The dispute in which it was annulled.
    pub annulled: Option<RecordId>,
    /// The dispute in which it was remanded, to be decided anew.
    pub remanded: Option<RecordId>,
    /// When it was opened, in batch time.
    pub opened_at: String,
    /// When its window ends, in batch time.
    pub closes: String,
    /// Which window that is.
    pub stage: Stage,
    /// The same in milliseconds since 1970.
    pub closes_ms: u64,
    /// Log index of the opening; `None` if it is not ordered.
    pub index: Option<u64>,
    /// All that was said, in order.
    pub attestations: Vec<AttestationView>,
    /// What authorities say on it, where one is needed or has spoken.
    pub authority: Option<MandateView>,
    /// How it ended, line by line.
    pub decision: Option<DecisionView>,
    /// What serves it, with its owner's condition and who controls it; at most 32.
    pub assets: Vec<AssetView>,
    /// What partners have committed alone, by partner, with what became of it.
    pub commitments: Vec<CommitmentView>,
    /// Whether what is committed may be acted on before it is agreed, where something is.
    pub under_lease: Option<UnderLease>,
}

/// An attestation, ready to be shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AttestationView {
    /// Its id.
    pub id: RecordId,
    /// Who says it.
    pub partner: PartnerName,
    /// In which role.
    pub role: Role,
    /// What.
    pub stance: Stance,
    /// Under which condition, or on which ground.
    pub caveat: Option<String>,
    /// Commitments to evidence, ascending.
    pub evidence: Vec<Hash>,
    /// Log index; `None` if it is not ordered.
    pub index: Option<u64>,
    /// The later attestation that replaces it.
    pub superseded_by: Option<RecordId>,
    /// The record that takes it back.
    pub withdrawn_by: Option<RecordId>,
    /// Whether it counts: its role does, and nothing replaces it.
    pub counts: bool,
}

/// A decision, ready to be shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DecisionView {
    /// How it ended.
    pub verdict: Verdict,
    /// When, in batch time.
    pub decided_at: String,
    /// Log index of the entry that decided it; `None` if the end of the window did.
    pub decided_by: Option<u64>,
    /// What, why, who, and the caveats.
    pub lines: Vec<String>,
}

impl From<&Decision> for DecisionView {
    fn from(decision: &Decision) -> Self {
        Self {
            verdict: decision.verdict,
            decided_at: show_time(decision.decided_at),
            decided_by: decision.decided_by.and_then(ordered),
            lines: decision.explain(),
        }
    }
}

/// Indices from here on stand for records that are not ordered.
pub(super) const HELD_INDEX: u64 = u64::MAX / 2;

pub(super) fn ordered(index: u64) -> Option<u64> {
    (index < HELD_INDEX).then_some(index)
}

impl State {
    /// Who is named in what is missing and whose word would have no effect, in words.
    pub(super) fn voiceless(&self, deficit: &Deficit) -> Option<String> {
        let partners = deficit.partners().into_iter().filter(|partner| !self.is_active(partner));
        let named = partners.map(|partner| format!("{partner} ({})", self.membership(partner)));
        let named = named.collect::<Vec<_>>().join(", ");
        (!named.is_empty()).then(|| format!("without a voice now: {named}"))
    }

    /// Why a proposal that is open can have no effect any more.
    pub(super) fn moot(&self, operation: &Operation) -> Option<String> {
        let change = operation.change.as_ref().filter(|_| operation.decision.is_none())?;
        match change {
            Change::Amend(amendment) => {
                let last = self.last_charter().version;
                let other = self.charter_hash(last) != amendment.previous;
                other.then(|| {
                    format!("it can have no effect any more: it amends another version than {last}, the last one agreed")
                })
            }
            change => {
                let subject = change.subject()?;
                let now = self.membership(subject);
                let none = super::member::after(now, change.effect()).is_none();
                none.then(|| format!("it can have no effect any more: {subject} is {now}"))
            }
        }
    }

    /// What a proposal would change of the charter, or has changed, line by line.
    fn charter_changes(&self, operation: &Operation) -> Vec<String> {
        let Some(Change::Amend(amendment)) = &operation.change else { return Vec::new() };
        let mut versions = (1..=self.last_charter().version).rev();
        let base = versions.find(|version| self.charter_hash(*version) == amendment.previous);
        base.and_then(|base| self.charter_at(base)).map_or_else(Vec::new, |base| amendment.explain(base))
    }

    /// That the lead of an operation that is not over has no voice, and who may go on.
    fn lead_away(&self, operation: &Operation, kind: &OperationType, now: Time) -> Option<String> {
        let lead = &operation.lead;
        if operation.over().is_some() || self.is_active(lead) {
            return None;
        }
        let members = self.last_charter().members().map(|partner| &partner.name);
        let may = members
            .filter(|partner| self.may_take_over(partner, operation, now).is_some())
            .cloned()
            .collect::<Vec<_>>();
        let then = match may.is_empty() {
            false => format!("{} may take it over", either(&may)),
            true if self.is_orphan(operation, kind) => {
                "nobody may lead it any more; whoever has a voice in it may conclude it".into()
            }
            true => "nobody may take it over now".into(),
        };
        Some(format!("{lead} is {}: {then}", self.membership(lead)))
    }

    /// An operation, ready to be shown, at the time `now` of this node.
    pub fn view(&self, id: &RecordId, now: Time) -> Option<OperationView> {
        self.operation(id).map(|operation| self.view_of(operation, now))
    }

    fn view_of(&self, operation: &Operation, now: Time) -> OperationView {
        let kind = self.kind_of(operation);
        let kind = kind.as_deref();
        let deficit = match (&operation.decision, kind) {
            (Some(decision), _) => decision.deficit.clone(),
            (None, Some(kind)) => operation.deficit(kind),
            (None, None) => Deficit::default(),
        };
        let status = match &operation.decision {
            _ if operation.annulled.is_some() => Status::Annulled,
            Some(decision) => decision.verdict.into(),
            None if operation.closes <= now => Status::Due,
            None => Status::Open,
        };
        let closes = show_time(operation.closes);
        let authority = self.mandate_view(operation);
        let escalated = match (operation.stage, kind.map(|kind| &kind.rule.fallback)) {
            (Stage::Escalated, Some(Fallback::Escalate(to))) => Some(format!("the word of {to}")),
            (Stage::Escalated, Some(Fallback::Authority(to))) => {
                Some(format!("what the authority {to} says"))
            }
            _ => None,
        };
        // What is met lacks nothing that would have to be said.
        let lacks = match deficit == Deficit::default() {
            true => String::new(),
            false => format!("; {deficit}"),
        };
        let explanation = match (status, deficit.is_met() && deficit.vetoed_by.is_empty()) {
            (Status::Annulled, _) if let Some(decision) = &operation.decision => {
                format!("it was {}, and a panel annulled it", decision.verdict)
            }
            (Status::Open, _) if let Some(to) = escalated => {
                format!("escalated: {to} decides until {closes}{lacks}")
            }
            (Status::Agreed | Status::Failed | Status::Expired | Status::Limited | Status::Conflicted, _)
                if let Some(decision) = &operation.decision =>
            {
                decision.reason()
            }
            (Status::Open, false) if operation.stage == Stage::Deferred => {
                format!("deferred by one further window, until {closes}{lacks}")
            }
            (Status::Open, true) if authority.as_ref().is_some_and(|it| !it.is_given()) => {
                format!(
                    "every requirement of its rule is met, and authority is missing until {closes}{lacks}"
                )
            }
            (Status::Open, true) => {
                format!("every requirement is met; agreed at {closes} unless vetoed{lacks}")
            }
            (Status::Due, true) => {
                format!("every requirement is met; the end of the window at {closes} is not ordered yet")
            }
            (Status::Due, false) => {
                format!("the end of the window at {closes} is not ordered yet{lacks}")
            }
            _ => deficit.to_string(),
        };
        let explanation = match &authority {
            Some(mandate) if operation.decision.is_none() => format!("{explanation}; {}", mandate.text),
            _ => explanation,
        };
        let open = operation.decision.is_none();
        let notes = open.then(|| self.moot(operation).into_iter().chain(self.voiceless(&deficit)));
        let explanation =
            notes.into_iter().flatten().fold(explanation, |text, note| format!("{text}; {note}"));
        OperationView {
            id: operation.id,
            kind: operation.open.kind.clone(),
            charter_version: operation.charter_version,
            precedence: operation.open.precedence.or(kind.map(|kind| kind.precedence)),
            raised: operation.open.precedence,
            claims: operation
                .claims
                .iter()
                .filter(|_| operation.over().is_none())
                .map(Claim::to_string)
                .collect(),
            title: operation.open.title.clone(),
            body: operation.open.body.clone(),
            status,
            explanation,
            deficit,
            opened_by: operation.opened_by.clone(),
            lead: operation.lead.clone(),
            phase: kind.as_ref().and_then(|kind| Some(kind.phase(operation.phase)?.name.clone())),
            concluded: operation.concluded.is_some(),
            over: operation.over().is_some() || operation.change.is_some() && operation.decision.is_some(),
            disputed: self
                .open_dispute(&operation.id)
                .filter(|id| self.dispute(id).is_none_or(|dispute| ordered(dispute.index).is_some())),
            limits: operation.decision.as_ref().and_then(|decision| decision.limits.clone()),
            moot: self.moot(operation),
            lead_away: kind.and_then(|kind| self.lead_away(operation, kind, now)),
            changes: self.charter_changes(operation),
            annulled: operation.annulled.map(|mark| mark.record),
            remanded: operation.remanded.map(|mark| mark.record),
            opened_at: show_time(operation.opened_at),
            closes,
            stage: operation.stage,
            closes_ms: operation.closes.0,
            index: ordered(operation.index),
            attestations: operation
                .attestations
                .iter()
                .map(|said| AttestationView {
                    id: said.record,
                    partner: said.partner.clone(),
                    role: said.role,
                    stance: said.stance,
                    caveat: said.caveat.clone(),
                    evidence: said.evidence.clone(),
                    withdrawn_by: said.withdrawn_by,
                    index: ordered(said.index),
                    superseded_by: said.superseded_by,
                    counts: kind.is_some_and(|kind| kind.counts(said.role)) && said.stands(),
                })
                .collect(),
            authority,
            decision: operation.decision.as_ref().map(DecisionView::from),
            assets: self
                .assets
                .serving(&operation.id)
                .filter(|asset| self.serves(asset).is_some())
                .take(MAX_ASSETS_SHOWN)
                .map(|asset| self.asset_view(asset))
                .collect(),
            commitments: self.commitment_views(operation),
            under_lease: kind.and_then(|kind| self.under_lease(operation, kind)),
        }
    }
}
