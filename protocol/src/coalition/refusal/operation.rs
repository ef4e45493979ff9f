//! Why a record about an operation has no effect, where the operation's type or its course say so.

use std::fmt;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::charter::text::either;
use crate::charter::{AuthorityName, BodyError, PartnerName};
use crate::identity::RecordId;
use crate::lane::Lane;

/// What an operation's type or its course say against a record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Error)]
pub enum OperationRefusal {
    /// Carried in a lane that is more urgent than its operation.
    #[error(
        "carried as {lane}, but the precedence of its operation is {most}; who may raise that does so when opening it"
    )]
    LaneAbove {
        /// The lane of the feed.
        lane: Lane,
        /// The most urgent that is allowed.
        most: Lane,
    },
    /// The first window is over, and only one partner's word counts now.
    #[error("the operation is escalated to {to}: only its word decides now, in a role other than observing")]
    Escalated {
        /// Who decides.
        to: PartnerName,
    },
    /// A value that the type does not have.
    #[error("there is no value {name:?} in an operation of this type; there are: {}", .fields.join(", "))]
    UnknownField {
        /// The name given.
        name: String,
        /// What there is.
        fields: Vec<String>,
    },
    /// A value that the type requires is not given.
    #[error("an operation of this type needs the value {name:?}")]
    MissingField {
        /// Its name.
        name: String,
    },
    /// A value that is not what the type says.
    #[error("the value {name:?} {why}")]
    BadValue {
        /// Its name.
        name: String,
        /// What is wrong, in words.
        why: String,
    },
    /// A claim that ends before it begins.
    #[error("the value {until:?} is not after the value {from:?}")]
    BadInterval {
        /// The field that says from when.
        from: String,
        /// The field that says until when.
        until: String,
    },
    /// Another operation has what this one claims, and was opened first.
    #[error("{0}")]
    Taken(Box<Taken>),
    /// A precedence that is not above the type's.
    #[error("precedence {asked} is not above {declared}, which operations of this type have anyway")]
    NotRaised {
        /// The one asked for.
        asked: Lane,
        /// The type's.
        declared: Lane,
    },
    /// A partner that may not raise the precedence.
    #[error("{partner} may not raise the precedence{}", match .may.as_slice() { [] => "; nobody may".to_owned(), may => format!("; {} may", either(may)) })]
    MayNotRaise {
        /// Who tried.
        partner: PartnerName,
        /// Who may.
        may: Vec<PartnerName>,
    },
    /// Hashes of evidence out of order, or one twice.
    #[error("the evidence is not in ascending order, or one hash stands there twice")]
    EvidenceOrder,
    /// Withdraws what another partner said, what is replaced or withdrawn already, or what is no attestation to this operation.
    #[error(
        "{named} is no attestation of {partner} to this operation that stands, so there is nothing to withdraw"
    )]
    NothingToWithdraw {
        /// Who.
        partner: PartnerName,
        /// What it names.
        named: RecordId,
    },
    /// Replaces what is withdrawn.
    #[error("{named} is withdrawn and nothing stands in its place: attest without replacing anything")]
    Withdrawn {
        /// What it names.
        named: RecordId,
    },
    /// The first window is over, and only what an authority says counts now.
    #[error(
        "the operation is escalated to the authority {to}: only what that orders, permits or refuses decides now"
    )]
    ToAuthority {
        /// Who decides.
        to: AuthorityName,
    },
}

/// Who has what is claimed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Taken {
    /// What is claimed, in words.
    pub claim: String,
    /// The operation that has it.
    pub holder: RecordId,
    /// Who opened that.
    pub partner: PartnerName,
    /// Its title.
    pub title: String,
}

impl fmt::Display for Taken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} is not free: {} of {} ({:?}) was opened first and has it until it fails, \
             expires, is concluded or is annulled; open this for another time or place",
            self.claim, self.holder, self.partner, self.title
        )
    }
}

impl OperationRefusal {
    /// What is wrong with a body, for a type with these `fields`.
    pub(in crate::coalition) fn body(error: BodyError, fields: impl Iterator<Item = String>) -> Self {
        match error {
            BodyError::Unknown(name) => Self::UnknownField { name, fields: fields.collect() },
            BodyError::Missing(name) => Self::MissingField { name },
            BodyError::Value(name, why) => Self::BadValue { name, why },
            BodyError::Interval(from, until) => Self::BadInterval { from, until },
        }
    }
}
