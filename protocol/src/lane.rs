//! Precedence lanes.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A precedence, highest first. Each is a chain of its own, because one chain would put an urgent word behind a
/// backlog.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Lane {
    /// Before everything else.
    Flash,
    /// Urgent.
    Immediate,
    /// Soon.
    Priority,
    /// In its turn.
    Routine,
}

impl Lane {
    /// All lanes, highest precedence first.
    pub const ALL: [Self; 4] = [Self::Flash, Self::Immediate, Self::Priority, Self::Routine];

    /// The name in text.
    pub fn name(self) -> &'static str {
        match self {
            Self::Flash => "flash",
            Self::Immediate => "immediate",
            Self::Priority => "priority",
            Self::Routine => "routine",
        }
    }
}

impl fmt::Display for Lane {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Lane {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL
            .into_iter()
            .find(|lane| lane.name() == text)
            .ok_or_else(|| format!("{text:?} is no precedence: flash, immediate, priority or routine"))
    }
}
