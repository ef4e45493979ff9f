//! Why a record about leases has no effect.

use std::fmt;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::charter::{KindName, PartnerName};
use crate::identity::RecordId;

/// What the rules of leases say against a record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Error)]
pub enum LeaseRefusal {
    /// An ordinary opening that claims what is leased to another.
    #[error("{0}; it alone can open an operation that claims it")]
    Leased(Box<Leased>),
    /// A commitment to an operation that claims nothing.
    #[error(
        "this {kind} claims no exclusive resource, so there is nothing to commit alone: open it and attest, and it is agreed \
         when its rule is met"
    )]
    NothingClaimed {
        /// The operation's type.
        kind: KindName,
    },
    /// A commitment to an operation whose claims are not within the partner's leases.
    #[error("{partner} has no lease for {claim}{}, so it cannot commit it alone", whose(.holder))]
    NotHeld {
        /// Who.
        partner: PartnerName,
        /// What is claimed, in words.
        claim: String,
        /// Who has one.
        holder: Option<PartnerName>,
    },
    /// The partner has committed this operation before.
    #[error("{partner} has committed this operation already: {record}")]
    Already {
        /// Who.
        partner: PartnerName,
        /// The record that says so.
        record: RecordId,
    },
    /// Too many of the partner's conflicts wait for a panel.
    #[error(
        "{partner} has {most} conflicts in dispute, the most allowed; what it commits beyond that is not opened until panels \
         have ruled on some"
    )]
    TooManyConflicts {
        /// Who.
        partner: PartnerName,
        /// The most allowed.
        most: u64,
    },
}

/// What is leased to whom.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Leased {
    /// What is claimed, in words.
    pub claim: String,
    /// The lease that is for it.
    pub lease: KindName,
    /// Who holds that.
    pub partner: PartnerName,
}

impl fmt::Display for Leased {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} is leased to {} (lease {})", self.claim, self.partner, self.lease)
    }
}

fn whose(holder: &Option<PartnerName>) -> String {
    holder
        .as_ref()
        .map_or_else(|| ", nor has anybody".into(), |holder| format!(", which is leased to {holder}"))
}
