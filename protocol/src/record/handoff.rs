//! What partners say when one hands its role in an operation to another. An offer carries the id of the record that made it.

use serde::{Deserialize, Serialize};

use super::Role;
use crate::charter::{KindName, PartnerName};
use crate::identity::{Hash, RecordId, hash};
use crate::time::Time;

/// Longest note of an offer, in bytes.
pub const MAX_OFFER_NOTE_BYTES: usize = 256;
/// Most open items that an acceptance names one by one; of more it gives the digest.
pub const MAX_ACKNOWLEDGED: usize = 256;

/// What a partner says of the roles in an operation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum HandoffAct {
    /// Another may have this role.
    Offer(Offer),
    /// It takes it.
    Accept(Accept),
    /// It does not.
    Decline(Decline),
    /// Whoever offered keeps it after all.
    Reclaim(Reclaim),
    /// The successor takes the lead in an emergency.
    Takeover(Takeover),
    /// The lead ends an agreed operation.
    Conclude(Conclude),
}

/// Offers a role. Whoever offers answers for it until an acceptance is ordered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Offer {
    /// The operation.
    pub operation: RecordId,
    /// What of it.
    pub what: Handed,
    /// To whom.
    pub to: PartnerName,
    /// The phase that begins with the acceptance: the next one.
    pub phase: Option<KindName>,
    /// One line for people.
    pub note: Option<String>,
    /// When it ends at the latest, in batch time; what the operation's type allows bounds it in any case.
    pub expires: Option<Time>,
}

/// What is handed over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Handed {
    /// One role.
    Role(Role),
    /// The lead, and every other role that counts and that its holder has.
    Whole,
}

/// Accepts an offer, and with it everything that is open.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Accept {
    /// The offer.
    pub offer: RecordId,
    /// What the one that accepts knows to be open. Something that it does not know makes the acceptance void.
    pub acknowledges: Acknowledged,
}

/// Open items that are known, by the records that made them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Acknowledged {
    /// Each of these, ascending; it may name what is not open any more.
    Each(Vec<RecordId>),
    /// Exactly those with this digest.
    All(Hash),
}

impl Acknowledged {
    /// What says that all of `items`, ascending, are known.
    pub fn of(items: Vec<RecordId>) -> Self {
        if items.len() <= MAX_ACKNOWLEDGED { Self::Each(items) } else { Self::All(Self::digest(&items)) }
    }

    /// The digest of items, ascending.
    pub fn digest(items: &[RecordId]) -> Hash {
        let parts = items.iter().map(|id| id.0.as_bytes().as_slice()).collect::<Vec<_>>();
        hash("entente/acknowledged/v1", &parts)
    }
}

/// Declines an offer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decline {
    /// The offer.
    pub offer: RecordId,
    /// Why.
    pub ground: Option<String>,
}

/// Takes an offer back before it is accepted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reclaim {
    /// The offer.
    pub offer: RecordId,
    /// Why.
    pub ground: Option<String>,
}

/// Takes the lead, on a condition that the operation's type declares.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Takeover {
    /// The operation.
    pub operation: RecordId,
    /// Why.
    pub ground: Option<String>,
}

/// Ends an agreed operation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Conclude {
    /// The operation.
    pub operation: RecordId,
    /// How it went, in one line.
    pub note: Option<String>,
}

impl HandoffAct {
    /// The operation, where it is named; else it is that of the offer.
    pub fn operation(&self) -> Option<RecordId> {
        match self {
            Self::Offer(offer) => Some(offer.operation),
            Self::Takeover(takeover) => Some(takeover.operation),
            Self::Conclude(conclude) => Some(conclude.operation),
            Self::Accept(_) | Self::Decline(_) | Self::Reclaim(_) => None,
        }
    }

    /// The offer that this answers.
    pub fn offer(&self) -> Option<RecordId> {
        match self {
            Self::Accept(accept) => Some(accept.offer),
            Self::Decline(decline) => Some(decline.offer),
            Self::Reclaim(reclaim) => Some(reclaim.offer),
            Self::Offer(_) | Self::Takeover(_) | Self::Conclude(_) => None,
        }
    }

    /// What this is about: the record that opened it; none where that is this record itself.
    pub fn about(&self) -> Option<RecordId> {
        match self {
            Self::Conclude(conclude) => Some(conclude.operation),
            _ => self.offer(),
        }
    }
}
