//! The outcome of an operation: a total, bounded function of its type and of the attestations that stand.
//!
//! **When it is agreed.** Requirements are met when every role has as many endorsements as the rule needs. An operation
//! is *agreed*
//! - as soon as they are met and every veto holder has endorsed or abstained: nobody is left whose objection the
//!   rule lets block;
//! - else at the end of its window, if they are met then and no veto stands: who had a veto and kept silent had the
//!   whole window to use it. So silence delays and never blocks, and nobody is raced out of a veto by fast
//!   endorsements.
//!
//! **When it is not.** An objection of a veto holder blocks while it stands. It may be superseded until the window ends,
//! so that partners can still come to terms; if it stands then, the operation has *failed*. If no veto stands but a
//! requirement is unmet, it has *expired*. Objections of others, abstentions and everything that observers say are
//! shown and block nothing. One partner has one voice: its latest attestation, in one role.
//!
//! A decision is final; later attestations are refused.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::charter::text::{all_of, either, show_time};
use crate::charter::{KindName, OperationType, PartnerName};
use crate::identity::RecordId;
use crate::record::{Role, Stance};
use crate::time::Time;
use crate::wire::{self, WireError};

/// Largest encoded decision, in bytes.
pub const MAX_DECISION_BYTES: usize = 64 * 1024;

/// How an operation ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// Every requirement was met and no veto stood.
    Agreed,
    /// A veto stood when the window ended.
    Failed,
    /// A requirement was unmet when the window ended.
    Expired,
}

impl Verdict {
    /// The name in text.
    pub fn name(self) -> &'static str {
        match self {
            Self::Agreed => "agreed",
            Self::Failed => "failed",
            Self::Expired => "expired",
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// An attestation that stands: what the rule looks at, and what a decision keeps.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Standing {
    /// The attestation.
    pub record: RecordId,
    /// Who says it.
    pub partner: PartnerName,
    /// In which role.
    pub role: Role,
    /// What.
    pub stance: Stance,
    /// Under which condition.
    pub caveat: Option<String>,
}

/// What is missing in one role.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Need {
    /// The role.
    pub role: Role,
    /// Endorsements that the rule needs.
    pub needed: u32,
    /// Endorsements that are missing.
    pub missing: u32,
    /// Who could give one: eligible and not endorsing in this role, sorted.
    pub from: Vec<Candidate>,
}

/// A partner that could endorse.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Candidate {
    /// Who.
    pub partner: PartnerName,
    /// What it says now.
    pub stance: Option<Stance>,
}

impl fmt::Display for Candidate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.stance {
            Some(Stance::Object) => write!(f, "{} (objects)", self.partner),
            Some(Stance::Abstain) => write!(f, "{} (abstains)", self.partner),
            Some(Stance::Endorse) => write!(f, "{} (in another role)", self.partner),
            None => self.partner.fmt(f),
        }
    }
}

/// Exactly what keeps an operation from being agreed now. Shown as one sentence.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deficit {
    /// What is missing, by role.
    pub needs: Vec<Need>,
    /// Whose veto stands, sorted.
    pub vetoed_by: Vec<PartnerName>,
    /// Who could still veto and has neither endorsed nor abstained, sorted.
    pub veto_unused: Vec<PartnerName>,
}

impl Deficit {
    /// Whether the requirements are met; vetoes apart.
    pub fn is_met(&self) -> bool {
        self.needs.is_empty()
    }
}

impl fmt::Display for Deficit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut parts = Vec::new();
        for need in &self.needs {
            let from = if need.missing as usize == need.from.len() {
                all_of(&need.from)
            } else {
                either(&need.from)
            };
            parts.push(match (need.needed, need.missing) {
                (1, 1) => format!("needs {}: {from}", need.role),
                (_, missing) if missing < need.needed => {
                    format!("needs {missing} more of {}: {from}", need.role)
                }
                (_, missing) => format!("needs {missing} of {}: {from}", need.role),
            });
        }
        if !self.vetoed_by.is_empty() {
            parts.push(format!("blocked by veto of {}", all_of(&self.vetoed_by)));
        }
        if !self.veto_unused.is_empty() {
            parts.push(format!("veto by {} not used", either(&self.veto_unused)));
        }
        if parts.is_empty() {
            parts.push("nothing is missing".into());
        }
        f.write_str(&parts.join("; "))
    }
}

/// What the attestations that stand amount to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Assessment {
    /// What is missing.
    pub deficit: Deficit,
    /// The attestations that count: those in roles that do, by record.
    pub counted: Vec<Standing>,
    /// Those of observers, which do not, by record.
    pub observed: Vec<Standing>,
}

impl Assessment {
    /// Judges `standing`, at most one attestation per partner, by the rule of `kind`.
    pub fn of(kind: &OperationType, standing: impl IntoIterator<Item = Standing>) -> Self {
        let (mut counted, mut observed): (Vec<_>, Vec<_>) =
            standing.into_iter().partition(|standing| standing.role.counts());
        counted.sort_by_key(|standing| standing.record);
        observed.sort_by_key(|standing| standing.record);
        let voices = counted.iter().map(|standing| (&standing.partner, standing)).collect::<BTreeMap<_, _>>();

        let needs = [Role::Lead, Role::Supporting]
            .into_iter()
            .filter_map(|role| {
                let endorses = |partner: &PartnerName| {
                    voices
                        .get(partner)
                        .is_some_and(|said| said.role == role && said.stance == Stance::Endorse)
                };
                let needed = kind.rule.needed(role);
                let have = voices.keys().filter(|partner| endorses(partner)).count();
                let missing = needed.saturating_sub(u32::try_from(have).unwrap_or(u32::MAX));
                (missing > 0).then(|| Need {
                    role,
                    needed,
                    missing,
                    from: kind
                        .eligible(role)
                        .iter()
                        .filter(|partner| !endorses(partner))
                        .map(|partner| Candidate {
                            partner: partner.clone(),
                            stance: voices.get(partner).map(|said| said.stance),
                        })
                        .collect(),
                })
            })
            .collect();
        let vetoed_by = voices
            .iter()
            .filter(|(partner, said)| said.stance == Stance::Object && kind.is_veto(partner, said.role))
            .map(|(partner, _)| (*partner).clone())
            .collect();
        let veto_unused = kind
            .veto_holders()
            .into_iter()
            .filter(|partner| {
                voices.get(partner).is_none_or(|said| {
                    // An objection in a role without a veto leaves the veto of the other role open.
                    said.stance == Stance::Object && !kind.is_veto(partner, said.role)
                })
            })
            .cloned()
            .collect();
        Self { deficit: Deficit { needs, vetoed_by, veto_unused }, counted, observed }
    }

    /// How the operation ends now; `None` while it stays open. `window_over` says whether its window has ended.
    pub fn verdict(&self, window_over: bool) -> Option<Verdict> {
        let deficit = &self.deficit;
        let vetoed = !deficit.vetoed_by.is_empty();
        if deficit.is_met() && !vetoed && (window_over || deficit.veto_unused.is_empty()) {
            Some(Verdict::Agreed)
        } else if !window_over {
            None
        } else if vetoed {
            Some(Verdict::Failed)
        } else {
            Some(Verdict::Expired)
        }
    }
}

/// How and why an operation ended: a leaf of the log, small, readable on its own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decision {
    /// The operation.
    pub operation: RecordId,
    /// Its type.
    pub kind: KindName,
    /// Its title.
    pub title: String,
    /// How it ended.
    pub verdict: Verdict,
    /// Batch time of the batch that decided it.
    pub decided_at: Time,
    /// Log index of the entry whose application decided it; `None` if the end of the window did.
    pub decided_by: Option<u64>,
    /// The charter version that it was judged under.
    pub charter_version: u32,
    /// The partner whose membership it is about: without its voice.
    pub concerns: Option<PartnerName>,
    /// Whether it was judged by the rule that an amendment makes, after the rule in force had said agreed.
    pub by_new_rule: bool,
    /// The attestations that stood and counted, by record, with their caveats.
    pub counted: Vec<Standing>,
    /// What was missing; nothing but unused vetoes if it was agreed.
    pub deficit: Deficit,
}

impl Decision {
    /// Reads a decision, at most [`MAX_DECISION_BYTES`].
    pub fn decode(bytes: &[u8]) -> Result<Self, WireError> {
        wire::decode(bytes, MAX_DECISION_BYTES)
    }

    /// Canonical bytes.
    pub fn encode(&self) -> Vec<u8> {
        wire::encode(self)
    }

    /// The caveats that bind the outcome: those of endorsements.
    pub fn caveats(&self) -> impl Iterator<Item = (&PartnerName, &str)> {
        self.counted
            .iter()
            .filter(|said| said.stance == Stance::Endorse)
            .filter_map(|said| Some((&said.partner, said.caveat.as_deref()?)))
    }

    /// The decision in words, line by line: what, why, who counted in which role, and the caveats.
    pub fn explain(&self) -> Vec<String> {
        let mut lines = vec![format!(
            "{} {:?} {} at {}",
            self.kind,
            self.title,
            self.verdict,
            show_time(self.decided_at)
        )];
        let reason = match self.verdict {
            Verdict::Agreed if self.deficit.veto_unused.is_empty() => "every requirement is met".to_owned(),
            Verdict::Agreed => format!("every requirement is met, and the window ended; {}", self.deficit),
            Verdict::Failed | Verdict::Expired => format!("the window ended; {}", self.deficit),
        };
        lines.push(reason);
        lines.extend(self.counted.iter().map(Standing::to_string));
        lines
    }
}

impl fmt::Display for Standing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let says = match self.stance {
            Stance::Endorse => "endorses",
            Stance::Object => "objects",
            Stance::Abstain => "abstains",
        };
        write!(f, "{} {says} as {}", self.partner, self.role)?;
        if let Some(caveat) = &self.caveat {
            write!(f, ", with the caveat: {caveat}")?;
        }
        Ok(())
    }
}
