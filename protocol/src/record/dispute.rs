//! What partners say when one contests an operation, a handoff or an attestation. A dispute carries the id of the record that
//! opened it.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::charter::KindName;
use crate::identity::RecordId;

/// What a partner says in a dispute.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum DisputeAct {
    /// Something should not stand.
    Open(OpenDispute),
    /// A judge's word.
    Rule(Rule),
}

/// Contests something.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpenDispute {
    /// An operation, a handoff or an attestation.
    pub subject: RecordId,
    /// Which of the declared grounds, where the type declares some.
    pub ground: Option<KindName>,
    /// Why, in one line.
    pub reason: String,
}

/// A judge's word on a dispute. A later one replaces it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rule {
    /// The dispute.
    pub dispute: RecordId,
    /// Which of this judge's words it is, from 1: an earlier one that is ordered later does not replace a later one.
    pub number: u32,
    /// What should become of its subject.
    pub ruling: Ruling,
    /// Why.
    pub reason: Option<String>,
}

/// What becomes of the subject of a dispute.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Ruling {
    /// It stands.
    Uphold,
    /// It stands no more; that it stood stays in the log.
    Annul,
    /// The operation takes attestations again and is decided anew.
    Remand,
}

impl Ruling {
    /// All rulings.
    pub const ALL: [Self; 3] = [Self::Uphold, Self::Annul, Self::Remand];

    /// The name in text.
    pub fn name(self) -> &'static str {
        match self {
            Self::Uphold => "uphold",
            Self::Annul => "annul",
            Self::Remand => "remand",
        }
    }

    /// What it does, as a word that follows "is".
    pub fn done(self) -> &'static str {
        match self {
            Self::Uphold => "upheld",
            Self::Annul => "annulled",
            Self::Remand => "remanded",
        }
    }
}

impl fmt::Display for Ruling {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Ruling {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL
            .into_iter()
            .find(|ruling| ruling.name() == text)
            .ok_or_else(|| format!("{text:?} is no ruling: uphold, annul or remand"))
    }
}

impl DisputeAct {
    /// What this is about: the record that opened the dispute; none where that is this record itself.
    pub fn about(&self) -> Option<RecordId> {
        match self {
            Self::Open(_) => None,
            Self::Rule(rule) => Some(rule.dispute),
        }
    }
}
