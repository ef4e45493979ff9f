//! Decisions held against the charter, for whoever has both and no log.

use super::{Assessment, Decision, Ending, Leave, Stage, Verdict};
use crate::charter::{Charter, Effect, Fallback, KindName};
use crate::record::Role;

impl Decision {
    /// Whether the rule of the charter whose hash it states gives its verdict for the attestations that it counts.
    ///
    /// # Errors
    /// What contradicts the charter, in words.
    pub fn check(&self, charter: &Charter) -> Result<(), String> {
        let kind = charter
            .kind(self.kind.as_str())
            .ok_or_else(|| format!("the charter declares no operation type {}", self.kind))?;
        let kind = match &self.concerns {
            Some(subject) => &kind.without(subject),
            None => kind,
        };
        for standing in &self.counted {
            if !kind.may_act(&standing.partner, standing.role) {
                return Err(format!(
                    "{} may not act as {} in {}",
                    standing.partner, standing.role, kind.name
                ));
            }
        }
        let assessment = Assessment::of(kind, self.counted.iter().cloned());
        if self.verdict == Verdict::Conflicted {
            return conflicted(self, charter, &assessment);
        }
        let window_over = self.decided_by.is_none();
        if assessment.counted != self.counted || assessment.deficit != self.deficit {
            return Err("the attestations that it counts do not give the deficit that it states".into());
        }
        if let Some(word) = &self.word {
            let decides = matches!(&kind.rule.fallback, Fallback::Escalate(to) if *to == word.partner);
            if !decides || word.role == Role::Observing || !kind.may_act(&word.partner, word.role) {
                return Err(format!("the word of {} decides nothing in {}", word.partner, kind.name));
            }
        }
        if self.limits != kind.rule.limits(self.verdict) {
            return Err("it states other limits than the charter".into());
        }
        let (asked, escalated) = match kind
            .rule
            .fallback
            .authority()
            .filter(|_| self.stage == Stage::Escalated)
        {
            Some(to) => match self.mandates.split_last() {
                Some((last, before)) if last.needed == *to => (before, Some(last)),
                _ => return Err(format!("it was escalated to the authority {to}, and states no word of it")),
            },
            None => (&self.mandates[..], None),
        };
        if let Some(needed) =
            kind.authority.as_ref().filter(|needed| asked.iter().all(|it| it.needed != **needed))
        {
            return Err(format!("it needs the authority {needed}, and states no word of it"));
        }
        // An amendment needs the authorities of both versions, and the text at hand is that of one.
        let amends = kind.effect == Some(Effect::Amend);
        if let Some(other) = asked.iter().find(|it| !amends && Some(&it.needed) != kind.authority.as_ref()) {
            return Err(format!("{} does not need the authority {}", kind.name, other.needed));
        }
        self.mandates.iter().try_for_each(|mandate| mandate.check(charter))?;
        let leave = Leave::of(&self.mandates);
        let word = match escalated {
            Some(mandate) => mandate.stance(),
            None => self.word.as_ref().map(|word| word.stance),
        };
        match assessment.ending(kind, self.stage, word, leave, window_over) {
            Some(Ending::Decided(verdict)) if verdict == self.verdict => Ok(()),
            Some(Ending::Further(_)) => {
                Err(format!("it states {}, but the rule begins a further window", self.verdict))
            }
            Some(Ending::Decided(verdict)) => {
                Err(format!("it states {}, but the rule gives {verdict}", self.verdict))
            }
            None => Err(format!("it states {}, but the rule leaves the operation open", self.verdict)),
        }
    }
}

/// Whether the leases and partners that others are said to have a right by stand in the charter. Who holds what is in the log.
fn conflicted(decision: &Decision, charter: &Charter, assessment: &Assessment) -> Result<(), String> {
    if assessment.counted != decision.counted || assessment.deficit != decision.deficit {
        return Err("the attestations that it counts do not give the deficit that it states".into());
    }
    let bare = decision.word.is_none() && decision.mandates.is_empty() && decision.limits.is_none();
    if decision.conflicts.is_empty() || decision.decided_by.is_none() || !bare {
        return Err("it is in conflict, and does not say with whom alone".into());
    }
    for conflict in &decision.conflicts {
        if charter.partner(conflict.partner.as_str()).is_none() {
            return Err(format!(
                "{} is no partner, and is said to have a right to what it claims",
                conflict.partner
            ));
        }
        let grants = |name: &KindName| {
            let mut leases = charter.operations.iter().flat_map(|kind| &kind.leases);
            leases.any(|lease| lease.name == *name && lease.partner == conflict.partner)
        };
        if let Some(lease) = conflict.lease.as_ref().filter(|name| !grants(name)) {
            return Err(format!("{} has no lease {lease}", conflict.partner));
        }
    }
    Ok(())
}
