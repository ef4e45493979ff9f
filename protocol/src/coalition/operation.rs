//! An operation as ordered records make it.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use super::authority::Mandate;
use super::lease::Conflict;
use super::outcome::{
    Assessment, Candidate, Decision, Deficit, Ending, Leave, Stage, Standing, Verdict, asked_in, is_settled,
};
use crate::charter::{Charter, Claim, Fallback, OperationType, PartnerName};
use crate::identity::{Hash, RecordId};
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
    /// Since when that is so.
    pub led: Led,
    /// Which of its type's phases it is in, from 0.
    pub phase: u32,
    /// Who has handed which role over and acts in it no more, sorted.
    pub handed: Vec<(Role, PartnerName)>,
    /// Where its lead concluded it.
    pub concluded: Option<Mark>,
    /// The dispute in which it was annulled.
    pub annulled: Option<Mark>,
    /// The dispute in which it was remanded: it takes attestations again, or was decided anew since.
    pub remanded: Option<Mark>,
    /// How it was decided before it was remanded.
    pub earlier: Option<Earlier>,
    /// How it went, in the lead's words.
    pub conclusion: Option<String>,
    /// Log index of the opening.
    pub index: u64,
    /// Batch time of the opening.
    pub opened_at: Time,
    /// When its window ends, in batch time.
    pub closes: Time,
    /// Which window that is.
    pub stage: Stage,
    /// How many attestations there were when that window began.
    pub said_before: u32,
    /// What it claims, while it is open and once it is agreed.
    pub claims: Vec<Claim>,
    /// All that was said, in the order of application. Under the state root each stands by itself.
    #[serde(skip)]
    pub attestations: Vec<Attestation>,
    /// How it ended.
    pub decision: Option<Decision>,
}

/// Since when a partner leads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Led {
    /// The opening, the handoff or the ruling that made it the lead.
    pub by: RecordId,
    /// Log index of the record with which it became the lead; none if time did.
    pub index: Option<u64>,
    /// Batch time of that.
    pub since: Time,
}

/// What was said of an operation, and where.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mark {
    /// The record.
    pub record: RecordId,
    /// Log index of what gave it its effect; none if time did.
    pub index: Option<u64>,
    /// Batch time.
    pub at: Time,
}

/// A decision that a remand has set aside; its leaf stays in the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Earlier {
    /// How it had ended.
    pub verdict: Verdict,
    /// Batch time of that.
    pub at: Time,
    /// Log index of the entry that decided it; none if the end of the window did.
    pub by: Option<u64>,
}

/// How an operation is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Over {
    /// See [`Verdict::Failed`].
    Failed,
    /// See [`Verdict::Expired`].
    Expired,
    /// See [`Verdict::Conflicted`].
    Conflicted,
    /// Its lead ended it.
    Concluded,
    /// A panel ruled that it does not stand.
    Annulled,
}

impl std::fmt::Display for Over {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Failed => "failed",
            Self::Expired => "expired",
            Self::Conflicted => "conflicted",
            Self::Concluded => "concluded",
            Self::Annulled => "annulled",
        })
    }
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
    /// Commitments to evidence, ascending.
    pub evidence: Vec<Hash>,
    /// Log index of its entry.
    pub index: u64,
    /// Batch time at which it was applied.
    pub at: Time,
    /// The later attestation that replaces it, or the dispute in which it was annulled.
    pub superseded_by: Option<RecordId>,
    /// The record that takes it back.
    pub withdrawn_by: Option<RecordId>,
    /// Log index and batch time of that.
    pub withdrawn: Option<(u64, Time)>,
}

impl Attestation {
    /// Whether nothing replaces it or takes it back.
    pub fn stands(&self) -> bool {
        self.superseded_by.is_none() && self.withdrawn_by.is_none()
    }
}

impl Operation {
    /// How it is over, and since when; an agreed one is not before it is concluded.
    pub fn over(&self) -> Option<(Over, Time)> {
        if let Some(mark) = &self.annulled {
            return Some((Over::Annulled, mark.at));
        }
        if let Some(mark) = &self.concluded {
            return Some((Over::Concluded, mark.at));
        }
        let decision = self.decision.as_ref()?;
        let over = match decision.verdict {
            Verdict::Agreed | Verdict::Limited => return None,
            Verdict::Failed => Over::Failed,
            Verdict::Expired => Over::Expired,
            Verdict::Conflicted => Over::Conflicted,
        };
        Some((over, decision.decided_at))
    }

    /// Whether `partner` has handed this role over.
    pub fn has_handed(&self, role: Role, partner: &PartnerName) -> bool {
        self.handed.iter().any(|(handed, by)| *handed == role && by == partner)
    }

    /// The roles that count in which `partner` acts here; `kind` is this operation's type.
    pub fn roles(&self, kind: &OperationType, partner: &PartnerName) -> Vec<Role> {
        let acts = |role: &Role| match role {
            Role::Lead => self.lead == *partner,
            role => kind.counts(*role) && kind.may_act(partner, *role) && !self.has_handed(*role, partner),
        };
        kind.all_roles().filter(acts).collect()
    }

    /// `role` passes from one to another.
    pub(super) fn hand(&mut self, role: Role, from: &PartnerName, to: &PartnerName) {
        if from == to {
            return;
        }
        self.handed.retain(|(handed, by)| *handed != role || by != to);
        if !self.has_handed(role, from) {
            self.handed.push((role, from.clone()));
            self.handed.sort_unstable();
        }
    }

    /// `partner` has a role again that it had handed over; whoever it went to keeps what the charter gives it anyway.
    pub(super) fn take_back(&mut self, role: Role, partner: &PartnerName) {
        self.handed.retain(|(handed, by)| *handed != role || by != partner);
    }

    /// The attestation of `partner` that stands.
    pub fn standing(&self, partner: &PartnerName) -> Option<&Attestation> {
        self.attestations.iter().rev().find(|said| said.partner == *partner && said.stands())
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
        kind.may_act(partner, role) || self.kind_after().is_some_and(|after| after.may_act(partner, role))
    }

    /// Whether it holds what it claims: while it is open, and once it is agreed until it is concluded or annulled.
    pub(super) fn holds_claims(&self) -> bool {
        self.over().is_none()
    }

    /// All that stands and may be said under the rule of `kind`, at most one attestation of each partner.
    fn standings<'a>(&'a self, kind: &'a OperationType) -> impl Iterator<Item = &'a Attestation> {
        let stands = |said: &&Attestation| said.stands() && kind.may_act(&said.partner, said.role);
        self.attestations.iter().filter(stands)
    }

    /// What the attestations that stand amount to under the rule of `kind`, which is this operation's type.
    pub fn assess(&self, kind: &OperationType) -> Assessment {
        Assessment::of(kind, self.standings(kind).map(Standing::from))
    }

    /// What is missing, for people: nobody is asked for a word in a role that it has handed over.
    pub fn deficit(&self, kind: &OperationType) -> Deficit {
        let deficit = self.assess(kind).deficit;
        if self.handed.is_empty() {
            return deficit;
        }
        // In a need of no particular role somebody may still speak in another one.
        let mut deficit = deficit.of_those(|partner, role| match role {
            Some(role) => !self.has_handed(role, partner),
            None => self.may_speak(kind, partner),
        });
        // Where nobody is left, whoever could move into the role from what it says in another.
        for need in deficit.needs.iter_mut().chain(deficit.either.iter_mut().flatten()) {
            let Some(role) = need.role.filter(|_| need.from.is_empty()) else { continue };
            let movers = kind.eligible(role).iter().filter(|partner| !self.has_handed(role, partner));
            need.from = movers
                .map(|partner| Candidate {
                    partner: partner.clone(),
                    stance: self.standing(partner).map(|said| said.stance),
                    gives: 1,
                    or: vec![],
                })
                .collect();
        }
        deficit
    }

    /// Whether a role that counts is left to `partner` here.
    pub(super) fn may_speak(&self, kind: &OperationType, partner: &PartnerName) -> bool {
        kind.voices_of(partner).any(|role| !self.has_handed(role, partner))
    }

    /// What the partner that this is escalated to has said since.
    pub fn word(&self, kind: &OperationType) -> Option<&Attestation> {
        let Fallback::Escalate(to) = &kind.rule.fallback else { return None };
        let since = self.attestations.iter().skip(self.said_before as usize);
        let mut said = since.filter(|_| self.stage == Stage::Escalated);
        said.rfind(|said| said.partner == *to && said.stands())
    }

    /// Whether it may be decided before its window ends: cheap, for every record.
    fn may_be_decided(&self, kind: &OperationType) -> bool {
        match self.stage {
            Stage::Escalated => self.word(kind).is_some() || kind.rule.fallback.authority().is_some(),
            Stage::First | Stage::Deferred => {
                is_settled(kind, self.standings(kind).map(|said| (&said.partner, said.role, said.stance)))
            }
        }
    }

    /// Decides it, or begins its further window, if the rule of its version of the charter says so now. `decided_by` is the log index of the entry just
    /// applied; `None` says that the window is over.
    pub(super) fn settle(
        &mut self,
        (charter, hash): (&Charter, Hash),
        mandates: &[Mandate],
        now: Time,
        decided_by: Option<u64>,
    ) -> Option<Settled> {
        let kind = self.kind(charter)?;
        if self.decision.is_some() || (decided_by.is_some() && !self.may_be_decided(&kind)) {
            return None;
        }
        let window_over = decided_by.is_none();
        let leave = Leave::of(mandates);
        let mut assessment = self.assess(&kind);
        let word = self.word(&kind).map(Standing::from);
        let stance = match kind.rule.fallback.authority().filter(|_| self.stage == Stage::Escalated) {
            Some(_) => mandates.last().and_then(Mandate::stance),
            None => word.as_ref().map(|word| word.stance),
        };
        let mut ending = assessment.ending(&kind, self.stage, stance, leave, window_over)?;
        let mut judged_by = &*kind;
        let (mut by_stage, mut by_word) = (self.stage, word);
        // Who changes a rule must satisfy what it changes that to, too.
        let after = self.kind_after().filter(|_| ending == Ending::Decided(Verdict::Agreed)).cloned();
        if let Some(after) = &after {
            assessment = self.assess(after);
            // The word of whom the old rule escalates to is none by the new one, unless that escalates to the same.
            let same = after.rule.fallback == kind.rule.fallback && self.stage == Stage::Escalated;
            if !same {
                (by_stage, by_word) = (Stage::First, None);
            }
            let stance = stance.filter(|_| same);
            ending = match assessment.ending(after, by_stage, stance, leave, window_over)? {
                Ending::Further(_) => Ending::Decided(Verdict::Expired),
                decided @ Ending::Decided(_) => decided,
            };
            judged_by = after;
        }
        let verdict = match ending {
            Ending::Decided(verdict) => verdict,
            Ending::Further(stage) => {
                self.stage = stage;
                self.said_before = u32::try_from(self.attestations.len()).unwrap_or(u32::MAX);
                self.closes = now.max(self.closes).plus(judged_by.window_ms);
                return Some(Settled::Further);
            }
        };
        let decision = Decision {
            operation: self.id,
            kind: kind.name.clone(),
            title: self.open.title.clone(),
            verdict,
            limits: judged_by.rule.limits(verdict),
            decided_at: now,
            decided_by,
            charter_version: charter.version,
            charter: match &self.change {
                Some(Change::Amend(amendment)) if after.is_some() => amendment.result,
                _ => hash,
            },
            concerns: self.concerns().cloned(),
            changed: None,
            by_new_rule: after.is_some(),
            stage: by_stage,
            word: by_word,
            counted: assessment.counted,
            deficit: assessment.deficit,
            mandates: mandates.to_vec(),
            conflicts: Vec::new(),
        };
        self.decision = Some(decision.clone());
        Some(Settled::Decided(Box::new(decision)))
    }
}

impl Operation {
    /// The role in which a word of `partner` is asked for, if it may speak in several: the one that the rule still lacks, or one
    /// that has a veto, or the first that counts.
    pub(super) fn role_for(&self, kind: &OperationType, partner: &PartnerName) -> Option<Role> {
        if kind.roles_of(partner).len() < 2 {
            return None;
        }
        let said = self.attestations.iter().filter(|said| said.stands() && kind.counts(said.role));
        let said = said.map(|said| (&said.partner, said.role, said.stance)).collect::<Vec<_>>();
        let voices = || kind.voices_of(partner);
        asked_in(kind, &kind.rule.ways(), kind.rule.quorum, &said, partner)
            .or_else(|| voices().find(|role| kind.is_veto(partner, *role)))
            .or_else(|| voices().next())
    }

    /// Decides it as one that others have a right to.
    pub(super) fn conflict(
        &mut self,
        (charter, hash): (&Charter, Hash),
        now: Time,
        decided_by: u64,
        conflicts: Vec<Conflict>,
    ) -> Option<Decision> {
        let kind = self.kind(charter)?;
        let assessment = self.assess(&kind);
        let decision = Decision {
            operation: self.id,
            kind: kind.name.clone(),
            title: self.open.title.clone(),
            verdict: Verdict::Conflicted,
            limits: None,
            decided_at: now,
            decided_by: Some(decided_by),
            charter_version: charter.version,
            charter: hash,
            concerns: None,
            changed: None,
            by_new_rule: false,
            stage: self.stage,
            word: None,
            counted: assessment.counted,
            deficit: assessment.deficit,
            mandates: Vec::new(),
            conflicts,
        };
        self.decision = Some(decision.clone());
        Some(decision)
    }
}

/// What became of an operation.
pub(super) enum Settled {
    /// It ended so.
    Decided(Box<Decision>),
    /// A further window has begun.
    Further,
}

impl From<&Attestation> for Standing {
    fn from(said: &Attestation) -> Self {
        Self {
            record: said.record,
            partner: said.partner.clone(),
            role: said.role,
            stance: said.stance,
            caveat: said.caveat.clone(),
            evidence: said.evidence.clone(),
        }
    }
}
