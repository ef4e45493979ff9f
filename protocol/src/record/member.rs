//! What is said about membership: proposals that the others decide on, leaving, and who is on watch.

use serde::{Deserialize, Serialize};

use crate::charter::{Amendment, Effect, KindName, PartnerName};
use crate::identity::PublicKey;
use crate::time::Time;

/// Longest reason of a proposal and ground of a withdrawal, in bytes.
pub const MAX_REASON_BYTES: usize = 512;

/// What an officer says about membership.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum MemberAct {
    /// Opens an operation whose agreement changes the coalition itself.
    Propose(Propose),
    /// The own partner leaves. Needs nobody's consent.
    Withdraw {
        /// Why.
        ground: String,
    },
    /// An officer of the own partner takes over the watch.
    Watch(Watch),
}

/// Proposes a change: an operation of a type with that effect, which is attested like any other.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Propose {
    /// The operation type.
    pub kind: KindName,
    /// What is to change.
    pub change: Change,
    /// Why.
    pub reason: String,
}

/// A change of the coalition itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Change {
    /// The partner's records have no effect until it is reinstated.
    Suspend(PartnerName),
    /// Ends a suspension.
    Reinstate(PartnerName),
    /// The partner is no member any more.
    Expel(PartnerName),
    /// The charter has a next version, from the epoch after the decision on.
    Amend(Box<Amendment>),
}

impl Change {
    /// What a type must declare for this change.
    pub fn effect(&self) -> Effect {
        match self {
            Self::Suspend(_) => Effect::Suspend,
            Self::Reinstate(_) => Effect::Reinstate,
            Self::Expel(_) => Effect::Expel,
            Self::Amend(_) => Effect::Amend,
        }
    }

    /// Whom it concerns: that partner has no voice in it. An amendment concerns all.
    pub fn subject(&self) -> Option<&PartnerName> {
        match self {
            Self::Suspend(partner) | Self::Reinstate(partner) | Self::Expel(partner) => Some(partner),
            Self::Amend(_) => None,
        }
    }

    /// What it does, in words.
    pub fn words(&self) -> String {
        match (self, self.subject()) {
            (Self::Amend(amendment), _) => {
                let joins = amendment.admit.iter().map(|accession| accession.partner.name.as_str());
                let joins = joins.collect::<Vec<_>>().join(", ");
                let admits = if joins.is_empty() { String::new() } else { format!(", admitting {joins}") };
                format!("amend the charter to version {}{admits}", amendment.version)
            }
            (_, Some(subject)) => format!("{} {subject}", self.effect()),
            (_, None) => self.effect().to_string(),
        }
    }
}

/// Who is on watch for a partner.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Watch {
    /// The officer that takes over.
    pub officer: PublicKey,
    /// From when, by the partner's own clock.
    pub from: Time,
    /// What the next one should know.
    pub note: Option<String>,
}
