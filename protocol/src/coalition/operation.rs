//! An operation as ordered records make it.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use super::outcome::{Assessment, Decision, Standing, Verdict};
use crate::charter::{Charter, OperationType, PartnerName};
use crate::identity::RecordId;
use crate::record::{Change, Open, Role, Stance};
use crate::time::Time;

/// An operation: what opened it, what was said, how it ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Operation {
    /// The record that opened it.
    pub id: RecordId,
    /// What it is.
    pub open: Open,
    /// The version of the charter that it is judged under.
    pub charter_version: u32,
    /// What agreement on it changes in the coalition itself.
    pub change: Option<Change>,
    /// Whether that was done; not if it had become impossible when it was agreed.
    pub changed: Option<bool>,
    /// Who opened it.
    pub opened_by: PartnerName,
    /// Who answers for it: always exactly one.
    pub lead: PartnerName,
    /// Log index of the opening.
    pub index: u64,
    /// Batch time of the opening.
    pub opened_at: Time,
    /// When its window ends, in batch time.
    pub closes: Time,
    /// All that was said, in the order of application. Under the state root each stands by itself.
    #[serde(skip)]
    pub attestations: Vec<Attestation>,
    /// How it ended.
    pub decision: Option<Decision>,
}

/// An attestation that was applied.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attestation {
    /// The record.
    pub record: RecordId,
    /// Who says it.
    pub partner: PartnerName,
    /// In which role.
    pub role: Role,
    /// What.
    pub stance: Stance,
    /// Under which condition.
    pub caveat: Option<String>,
    /// Log index of its entry.
    pub index: u64,
    /// Batch time at which it was applied.
    pub at: Time,
    /// The later attestation that replaces it.
    pub superseded_by: Option<RecordId>,
}

impl Operation {
    /// The attestation of `partner` that stands.
    pub fn standing(&self, partner: &PartnerName) -> Option<&Attestation> {
        self.attestations.iter().rev().find(|said| said.partner == *partner && said.superseded_by.is_none())
    }

    /// Its type in `charter`: without the voice of whom it concerns.
    pub fn kind<'a>(&self, charter: &'a Charter) -> Option<Cow<'a, OperationType>> {
        let kind = charter.kind(&self.open.kind)?;
        Some(match self.concerns() {
            Some(subject) => Cow::Owned(kind.without(subject)),
            None => Cow::Borrowed(kind),
        })
    }

    /// The partner whose membership it is about, which has no voice in it.
    pub fn concerns(&self) -> Option<&PartnerName> {
        self.change.as_ref()?.subject()
    }

    /// Its type in the version that it would make, where that changes this type.
    pub(super) fn kind_after(&self) -> Option<&OperationType> {
        match &self.change {
            Some(Change::Amend(amendment)) => {
                amendment.put.iter().find(|kind| kind.name.as_str() == self.open.kind)
            }
            _ => None,
        }
    }

    /// Whether `partner` may act in `role`: by its type, or by what an amendment would make of that.
    pub(super) fn may_act(&self, kind: &OperationType, partner: &PartnerName, role: Role) -> bool {
        kind.holds(partner, role) || self.kind_after().is_some_and(|after| after.holds(partner, role))
    }

    /// What the attestations that stand amount to under the rule of `kind`, which is this operation's type.
    pub fn assess(&self, kind: &OperationType) -> Assessment {
        let stands =
            |said: &&Attestation| said.superseded_by.is_none() && kind.holds(&said.partner, said.role);
        let standing = self.attestations.iter().filter(stands).map(|said| Standing {
            record: said.record,
            partner: said.partner.clone(),
            role: said.role,
            stance: said.stance,
            caveat: said.caveat.clone(),
        });
        Assessment::of(kind, standing)
    }

    /// Decides it if the rule says so now. `decided_by` is the log index of the entry just applied; `None` says that
    /// the window is over.
    pub(super) fn decide(
        &mut self,
        charter: &Charter,
        now: Time,
        decided_by: Option<u64>,
    ) -> Option<Decision> {
        if self.decision.is_some() {
            return None;
        }
        let kind = self.kind(charter)?;
        let window_over = decided_by.is_none();
        let mut assessment = self.assess(&kind);
        let mut verdict = assessment.verdict(window_over)?;
        // Who changes a rule must satisfy what it changes that to, too.
        let after = self.kind_after().filter(|_| verdict == Verdict::Agreed);
        if let Some(after) = after {
            assessment = self.assess(after);
            verdict = assessment.verdict(window_over)?;
        }
        let decision = Decision {
            operation: self.id,
            kind: kind.name.clone(),
            title: self.open.title.clone(),
            verdict,
            decided_at: now,
            decided_by,
            charter_version: charter.version,
            concerns: self.concerns().cloned(),
            by_new_rule: after.is_some(),
            counted: assessment.counted,
            deficit: assessment.deficit,
        };
        self.decision = Some(decision.clone());
        Some(decision)
    }
}
