//! Operation types that change the coalition itself: which there are, and what templates say of them.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{AtLeast, HandoffRule, OperationType, OutcomeRule, PartnerName};
use crate::lane::Lane;
use crate::record::Role;

const HOUR_MS: u64 = 3_600_000;

/// What agreement on an operation of a type changes in the coalition itself. Whom a change concerns has no voice in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Effect {
    /// A partner's records have no effect from then on.
    Suspend,
    /// They have again.
    Reinstate,
    /// A partner is no member any more.
    Expel,
    /// The charter has a next version.
    Amend,
}

impl Effect {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Suspend, Self::Reinstate, Self::Expel, Self::Amend];

    /// What it is done to, in words.
    pub fn object(self) -> &'static str {
        if self == Self::Amend { "the charter" } else { "a partner" }
    }

    /// The name in text.
    pub fn name(self) -> &'static str {
        match self {
            Self::Suspend => "suspend",
            Self::Reinstate => "reinstate",
            Self::Expel => "expel",
            Self::Amend => "amend",
        }
    }
}

impl fmt::Display for Effect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl OperationType {
    /// This type as it is for an operation that concerns `subject`: without its voice.
    pub fn without(&self, subject: &PartnerName) -> Self {
        let mut kind = self.clone();
        for list in [&mut kind.lead, &mut kind.supporting, &mut kind.observing, &mut kind.rule.veto.partners]
        {
            list.retain(|partner| partner != subject);
        }
        kind.phases.iter_mut().for_each(|phase| phase.lead.retain(|partner| partner != subject));
        for role in &mut kind.roles {
            role.partners.retain(|partner| partner != subject);
        }
        // Terms may go on to name it: who has no role has no place that they could look at.
        for it in &mut kind.rule.substitutes {
            it.by.retain(|partner| partner != subject);
        }
        kind.rule.substitutes.retain(|it| it.partner != *subject && !it.by.is_empty());
        kind
    }
}

/// What templates declare for `partners`: more than two thirds of all amend; more than half of the others suspend and
/// reinstate, more than two thirds of them expel. Two partners, or one, have nobody to be judge between them, so they
/// only amend.
pub(super) fn governance(partners: &[PartnerName]) -> Vec<OperationType> {
    let others = partners.len().saturating_sub(1);
    let kind = |name: &str, effect, precedence, hours: u64, count: usize| OperationType {
        name: name.parse().expect("a literal that is a name"),
        precedence,
        may_raise: Vec::new(),
        may_raise_with: None,
        window_ms: hours * HOUR_MS,
        effect: Some(effect),
        lead: Vec::new(),
        supporting: partners.to_vec(),
        observing: Vec::new(),
        roles: Vec::new(),
        fields: Vec::new(),
        resources: Vec::new(),
        leases: Vec::new(),
        rule: OutcomeRule {
            at_least: vec![AtLeast {
                role: Role::Supporting,
                count: u32::try_from(count).unwrap_or(u32::MAX),
            }],
            ..OutcomeRule::default()
        },
        handoff: HandoffRule::default(),
        phases: Vec::new(),
        dispute: None,
        authority: None,
    };
    let (half, thirds) = (others / 2 + 1, 2 * others / 3 + 1);
    let amendment = kind(
        "amendment",
        Effect::Amend,
        Lane::Priority,
        72,
        (2 * partners.len() / 3 + 1).min(partners.len()),
    );
    if others < 2 {
        return vec![amendment];
    }
    vec![
        amendment,
        kind("suspension", Effect::Suspend, Lane::Immediate, 24, half),
        kind("reinstatement", Effect::Reinstate, Lane::Priority, 72, half),
        kind("expulsion", Effect::Expel, Lane::Priority, 72, thirds.min(others)),
    ]
}
