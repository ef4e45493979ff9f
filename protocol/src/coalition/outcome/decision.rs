//! Decisions: how and why an operation ended, as a leaf of the log.

use serde::{Deserialize, Serialize};

use super::super::authority::Mandate;
use super::{Deficit, Stage, Standing, Verdict};
use crate::charter::{KindName, PartnerName, show_time};
use crate::coalition::lease::Conflict;
use crate::identity::{Hash, RecordId};
use crate::record::Stance;
use crate::time::Time;
use crate::wire::{self, WireError};

/// Largest encoded decision, in bytes.
pub const MAX_DECISION_BYTES: usize = 160 * 1024;

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
    /// What is agreed, where that is less than what was asked for.
    pub limits: Option<String>,
    /// Batch time of the batch that decided it.
    pub decided_at: Time,
    /// Log index of the entry whose application decided it; `None` if the end of the window did.
    pub decided_by: Option<u64>,
    /// The charter version that it was judged under.
    pub charter_version: u32,
    /// The hash of the version whose rule gave it: that one, or the one that an amendment makes.
    pub charter: Hash,
    /// The partner whose membership it is about: without its voice.
    pub concerns: Option<PartnerName>,
    /// Of a change that is agreed whether it was made; not if it had become impossible meanwhile.
    pub changed: Option<bool>,
    /// Whether it was judged by the rule that an amendment makes, after the rule in force had said agreed.
    pub by_new_rule: bool,
    /// In which of its windows.
    pub stage: Stage,
    /// What the partner that it was escalated to said then.
    pub word: Option<Standing>,
    /// The attestations that stood and counted, by record, with their caveats.
    pub counted: Vec<Standing>,
    /// What was missing; nothing but unused vetoes and silence if it was agreed by its partners.
    pub deficit: Deficit,
    /// What the authorities that it needed said; none where it needed none.
    pub mandates: Vec<Mandate>,
    /// Who has a right to what it claims, where it is conflicted; each claim once.
    pub conflicts: Vec<Conflict>,
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
        let word = self.word.iter().filter(|word| self.counted.iter().all(|said| said.record != word.record));
        self.counted
            .iter()
            .chain(word)
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
        lines.push(self.reason());
        lines.extend(self.limits.iter().map(|limits| format!("agreed is: {limits}")));
        lines.extend(self.counted.iter().map(Standing::to_string));
        lines.extend(self.mandates.iter().flat_map(|mandate| &mandate.words).map(ToString::to_string));
        lines
    }

    /// Why it ended so, in one sentence.
    pub fn reason(&self) -> String {
        let by_rule = match self.changed {
            Some(false) => format!(
                "{}; it had become impossible meanwhile and changed nothing",
                self.reason_of_the_rule()
            ),
            _ => self.reason_of_the_rule(),
        };
        match self.mandates.is_empty() {
            true => by_rule,
            false => {
                let mandates = self.mandates.iter().map(Mandate::to_string).collect::<Vec<_>>();
                format!("{by_rule}; {}", mandates.join("; "))
            }
        }
    }

    fn reason_of_the_rule(&self) -> String {
        let windows = match self.stage {
            Stage::First => "the window ended",
            Stage::Deferred => "the further window ended",
            Stage::Escalated => "it was escalated",
        };
        let deficit = self.deficit.at_the_end();
        let settled = self.deficit.veto_unused.is_empty() && self.deficit.awaited.is_empty();
        match (&self.word, self.verdict) {
            (_, Verdict::Conflicted) => {
                let conflicts = self.conflicts.iter().map(Conflict::to_string).collect::<Vec<_>>().join("; ");
                format!("committed alone, and {conflicts}")
            }
            (Some(word), _) => format!("{windows}, and the word of {} decides: {word}", word.partner),
            (None, Verdict::Agreed | Verdict::Failed) if self.stage == Stage::Escalated => {
                format!("{windows}, and what an authority says decides; {deficit}")
            }
            (None, _) if self.stage == Stage::Escalated => {
                format!(
                    "{windows}, and the window ended before whom it was escalated to decided it; {deficit}"
                )
            }
            (None, Verdict::Agreed) if settled => "every requirement is met".to_owned(),
            (None, Verdict::Agreed) if deficit.veto_unused.is_empty() => {
                format!("every requirement is met, and {windows}")
            }
            (None, Verdict::Agreed) => format!("every requirement is met, and {windows}; {deficit}"),
            (None, _) => format!("{windows}; {deficit}"),
        }
    }
}
