//! What is said of misuse of the coalition: reports by officers, incidents by nodes, confirmations, withdrawals, votes.
//!
//! A report needs nobody's leave: it stands in the own feed and is ordered when it can be. It accuses and changes nothing.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::charter::PartnerName;
use crate::identity::{EvidenceId, Hash, PublicKey, RecordId};
use crate::record::Shown;
use crate::time::Time;

/// Longest text of a report, in bytes.
pub const MAX_REPORT_BYTES: usize = 512;
/// Longest text of an incident, in bytes.
pub const MAX_INCIDENT_BYTES: usize = 256;
/// Most commitments to evidence of one report.
pub const MAX_COMMITMENTS: usize = 8;

/// What kind of misuse.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EventKind {
    /// Somebody acts under another's name or with another's key.
    Impersonation,
    /// A partner is made to disclose what it may keep.
    ForcedDisclosure,
    /// Disruption: two words where one may be said.
    Equivocation,
    /// Disruption: more than may be said, or much that cannot be taken.
    Flood,
    /// Disruption: what is owed is not passed on.
    Withholding,
    /// Disruption: old words are brought as new ones.
    Replay,
    /// Disruption: a partner fails for longer than it declared, or than is tolerated.
    DeclaredFailure,
}

impl EventKind {
    /// All kinds.
    pub const ALL: [Self; 7] = [
        Self::Impersonation,
        Self::ForcedDisclosure,
        Self::Equivocation,
        Self::Flood,
        Self::Withholding,
        Self::Replay,
        Self::DeclaredFailure,
    ];

    /// The name in text.
    pub fn name(self) -> &'static str {
        match self {
            Self::Impersonation => "impersonation",
            Self::ForcedDisclosure => "forced-disclosure",
            Self::Equivocation => "equivocation",
            Self::Flood => "flood",
            Self::Withholding => "withholding",
            Self::Replay => "replay",
            Self::DeclaredFailure => "declared-failure",
        }
    }

    /// Whether a node can see it by itself. Who was forced to disclose and who has failed at what it declared only people
    /// know.
    pub fn is_seen_by_nodes(self) -> bool {
        !matches!(self, Self::ForcedDisclosure | Self::DeclaredFailure)
    }
}

impl fmt::Display for EventKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for EventKind {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL.into_iter().find(|kind| kind.name() == text).ok_or_else(|| {
            let names = Self::ALL.map(Self::name).join(", ");
            format!("{text:?} is no kind of integrity event: {names}")
        })
    }
}

/// What happened, who did it, and to whom, each as far as it is known. Reports of one author on one matter are one event.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Matter {
    /// What.
    pub kind: EventKind,
    /// The partner that did it.
    pub against: Option<PartnerName>,
    /// The key that it was done with.
    pub key: Option<PublicKey>,
    /// To whom: whose name is used, who is made to disclose.
    pub victim: Option<PartnerName>,
}

impl Matter {
    /// A matter of this kind of which no more is known.
    pub fn unknown(kind: EventKind) -> Self {
        Self { kind, against: None, key: None, victim: None }
    }
}

/// What officers say of integrity events. An event carries the id of the record that reported it, one made of author and
/// matter where a node did, or that of the evidence that proves it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum IntegrityAct {
    /// This happened.
    Report(Report),
    /// It did: another partner says so.
    Confirm(Confirm),
    /// It did not: who reported it says so.
    Withdraw(Withdraw),
    /// A partner is to be suspended for it, or what followed from it is to end.
    Vote(Vote),
}

/// Reports a matter.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// What, by whom, to whom.
    pub matter: Matter,
    /// In words.
    pub text: String,
    /// Commitments to evidence that is kept elsewhere: salted hashes.
    pub evidence: Vec<Hash>,
    /// The ordered evidence that proves it, or that will be ordered.
    pub proof: Option<EvidenceId>,
    /// Since when, by the reporter's clock.
    pub since: Option<Time>,
    /// What was shown, at most [`MAX_SHOWN_BYTES`](super::MAX_SHOWN_BYTES).
    pub shown: Option<Box<Shown>>,
}

/// Confirms an event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Confirm {
    /// The event, or any report that is part of it.
    pub event: RecordId,
    /// From where one knows.
    pub ground: Option<String>,
}

/// Withdraws an event that is not confirmed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Withdraw {
    /// The event.
    pub event: RecordId,
    /// Why.
    pub ground: Option<String>,
}

/// A vote on what follows from a confirmed event, where the charter declares that it may.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Vote {
    /// The event.
    pub event: RecordId,
    /// For what.
    pub measure: Measure,
    /// Why.
    pub ground: Option<String>,
}

/// What is voted for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Measure {
    /// The partner is suspended.
    Suspend,
    /// Quarantine and suspension end.
    Lift,
}

impl Measure {
    /// The name in text.
    pub fn name(self) -> &'static str {
        match self {
            Self::Suspend => "suspend",
            Self::Lift => "lift",
        }
    }
}

impl fmt::Display for Measure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What a node has seen by itself: its own word, which no officer signs. It opens an event or is counted into the one that
/// it opened before, and confirms nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Incident {
    /// What, by whom, to whom.
    pub matter: Matter,
    /// In words, with values and place: the latest time.
    pub text: String,
    /// How often, since its last word on it; at least once.
    pub count: u64,
    /// When it was seen first of these, by the node's clock.
    pub first: Time,
    /// When last.
    pub last: Time,
    /// What was shown the first of these times, at most [`MAX_SHOWN_BYTES`](super::MAX_SHOWN_BYTES).
    pub shown: Option<Shown>,
}

impl IntegrityAct {
    /// The event that this names; none where it is the record itself that reports it.
    pub fn event(&self) -> Option<RecordId> {
        match self {
            Self::Report(_) => None,
            Self::Confirm(confirm) => Some(confirm.event),
            Self::Withdraw(withdraw) => Some(withdraw.event),
            Self::Vote(vote) => Some(vote.event),
        }
    }
}
