//! A ruling as a leaf of the log: small, readable on its own.

use serde::{Deserialize, Serialize};

use super::{About, Dispute, JudgeWord};
use crate::charter::text::all_of;
use crate::charter::{Charter, KindName, PartnerName, show_time};
use crate::coalition::operation::Operation;
use crate::identity::{Hash, RecordId};
use crate::record::Ruling;
use crate::time::Time;

/// How and why a dispute ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ruled {
    /// The dispute.
    pub dispute: RecordId,
    /// What it was about.
    pub subject: RecordId,
    /// What that is.
    pub about: About,
    /// The operation that it belongs to.
    pub operation: RecordId,
    /// That operation's type.
    pub kind: KindName,
    /// Its title.
    pub title: String,
    /// Who opened the dispute.
    pub opened_by: PartnerName,
    /// On which of the declared grounds.
    pub ground: Option<KindName>,
    /// Why.
    pub reason: String,
    /// What becomes of the subject.
    pub ruling: Ruling,
    /// Batch time of the batch that decided it.
    pub ruled_at: Time,
    /// Log index of the entry with the word that decided it; none if the panel's time was over.
    pub ruled_by: Option<u64>,
    /// The charter version that it was judged under.
    pub charter_version: u32,
    /// The hash of that version.
    pub charter: Hash,
    /// Who judged: the declared panel without the parties, sorted.
    pub panel: Vec<PartnerName>,
    /// How many equal words were needed.
    pub threshold: u32,
    /// The last word of each judge, by name.
    pub words: Vec<JudgeWord>,
}

impl Ruled {
    pub(super) fn new(
        dispute: &Dispute,
        ruling: Ruling,
        ruled_by: Option<u64>,
        operation: &Operation,
        charter: Hash,
        ruled_at: Time,
    ) -> Self {
        let kind = operation.open.kind.parse().unwrap_or_else(|_| {
            unreachable!("an operation is opened only of a type that the charter declares, which has a name")
        });
        Self {
            dispute: dispute.id,
            subject: dispute.subject,
            about: dispute.about,
            operation: operation.id,
            kind,
            title: operation.open.title.clone(),
            opened_by: dispute.opened_by.clone(),
            ground: dispute.ground.clone(),
            reason: dispute.reason.clone(),
            ruling,
            ruled_at,
            ruled_by,
            charter_version: operation.charter_version,
            charter,
            panel: dispute.panel.clone(),
            threshold: dispute.threshold,
            words: dispute.words.clone(),
        }
    }

    /// Whether the words that stand in it give this ruling by the charter.
    ///
    /// # Errors
    /// What contradicts the charter, in words.
    pub fn check(&self, charter: &Charter) -> Result<(), String> {
        let kind = charter.kind(self.kind.as_str());
        let rule = kind.and_then(|kind| kind.dispute.as_ref());
        let rule = rule.ok_or_else(|| format!("the charter declares no disputes about {}", self.kind))?;
        let is_judge = |judge: &PartnerName| rule.panel.contains(judge) && *judge != self.opened_by;
        if let Some(judge) = self.panel.iter().find(|judge| !is_judge(judge)) {
            return Err(format!("{judge} has no seat in a panel on it"));
        }
        if rule.judges(|judge| !self.panel.contains(judge)).map(|(_, threshold)| threshold)
            != Some(self.threshold)
        {
            return Err(format!("{} equal words do not decide it by the charter", self.threshold));
        }
        if let Some(word) = self.words.iter().find(|word| !self.panel.contains(&word.partner)) {
            return Err(format!("{} has a word in it and no seat", word.partner));
        }
        let equal = self.words.iter().filter(|word| word.ruling == self.ruling).count();
        if self.ruled_by.is_some() && equal < self.threshold as usize {
            return Err(format!("it states {}, and {equal} of {} words say so", self.ruling, self.threshold));
        }
        Ok(())
    }

    /// The ruling in words, line by line: what, on which ground, and who said what.
    pub fn explain(&self) -> Vec<String> {
        let ground = self.ground.as_ref().map_or(String::new(), |ground| format!("{ground}: "));
        let mut lines = vec![
            format!(
                "{} {} of {} {:?} {} at {}",
                self.about,
                self.subject,
                self.kind,
                self.title,
                self.ruling.done(),
                show_time(self.ruled_at)
            ),
            format!("disputed by {}: {ground}{}", self.opened_by, self.reason),
            match self.ruled_by {
                Some(_) => format!("{} equal words of {} decide", self.threshold, all_of(&self.panel)),
                None => {
                    format!("{} did not decide in time, so the declared default holds", all_of(&self.panel))
                }
            },
        ];
        lines.extend(self.words.iter().map(|word| {
            let reason = word.reason.as_ref().map_or(String::new(), |reason| format!(": {reason}"));
            format!("{} says {}{}{reason}", word.partner, word.ruling, word.instead())
        }));
        lines
    }
}
