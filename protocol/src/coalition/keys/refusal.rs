//! Why a change of keys has no effect, and why a key has no voice.

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::authority::Extent;
use crate::charter::PartnerName;
use crate::credential::{Capability, CredentialError, RevocationError};
use crate::identity::{CoalitionId, PublicKey, RecordId};

/// Why a change of keys, or a word of a key, has no effect.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Error)]
pub enum KeyRefusal {
    /// The key was taken back.
    #[error("{key} of {partner} was revoked at index {index}, by {by}; what it says since has no effect")]
    Revoked {
        /// The key.
        key: PublicKey,
        /// Whose.
        partner: PartnerName,
        /// Log index of the revocation.
        index: u64,
        /// The record that carried it.
        by: RecordId,
    },
    /// The chain of a key does not hold, or not now.
    #[error("the delegation of {partner} does not hold: {error}")]
    Credential {
        /// Whose.
        partner: PartnerName,
        /// Why.
        error: CredentialError,
    },
    /// An officer who may speak for some operation types alone, and this is about no operation.
    #[error(
        "{key} is delegated for the operation types {allowed} of {partner} alone, and this binds {partner} beyond them"
    )]
    Bound {
        /// The key.
        key: PublicKey,
        /// Whose.
        partner: PartnerName,
        /// For what it is delegated.
        allowed: Extent,
    },
    /// A chain of no links.
    #[error("a chain without a link")]
    EmptyChain,
    /// A chain for nobody that the charter knows.
    #[error("{partner} is no partner of this coalition")]
    UnknownPartner {
        /// Who is named.
        partner: PartnerName,
    },
    /// A chain that gives a seat, or neither officer nor node.
    #[error("a chain that gives {capability}: officers and nodes alone are granted by a record")]
    NotGranted {
        /// What it gives.
        capability: Capability,
    },
    /// A link that is passed on by somebody who is no officer.
    #[error("{issuer} passes link {link} on and is no officer by the chain")]
    NotThroughOfficer {
        /// Who passes it on.
        issuer: PublicKey,
        /// Which link, from 0.
        link: usize,
    },
    /// The key is another's, or has another purpose.
    #[error("{key} is a key of {partner} already, as {purpose}; each key has one purpose")]
    Taken {
        /// The key.
        key: PublicKey,
        /// Whose it is.
        partner: PartnerName,
        /// What it is for.
        purpose: Purpose,
    },
    /// The same chain was granted before.
    #[error("this chain is granted to {key} already")]
    Granted {
        /// The key.
        key: PublicKey,
    },
    /// A chain that leads through what was taken back.
    #[error("link {link} was revoked at index {index}, by {by}, and does not come back")]
    Removed {
        /// Which link, from 0.
        link: usize,
        /// Log index of the revocation.
        index: u64,
        /// The record that carried it.
        by: RecordId,
    },
    /// Too many keys of one kind act for a partner.
    #[error("{partner} has {most} keys as {capability}, the most allowed; revoke one first")]
    TooMany {
        /// Whose.
        partner: PartnerName,
        /// As what.
        capability: Capability,
        /// The most allowed.
        most: u64,
    },
    /// No place for the feeds of one more node.
    #[error(
        "this coalition has room for {most} nodes, those included that its charter names: no place for one more of {partner}; revoke one that is not needed"
    )]
    NoPlaces {
        /// Whose node it would be.
        partner: PartnerName,
        /// The most allowed.
        most: u64,
    },
    /// Too many chains were granted for a partner.
    #[error("{partner} has been granted {most} chains{}, the most allowed", passed_on(.by_officers))]
    TooManyGrants {
        /// Whose.
        partner: PartnerName,
        /// The most allowed.
        most: u64,
        /// Whether those are counted that officers passed on.
        by_officers: bool,
    },
    /// Signed by who may not take it back, or in form or signature wrong.
    #[error("the revocation does not hold: {0}")]
    Revocation(RevocationError),
    /// Takes back what does not stand, or does not any more.
    #[error(
        "nothing that stands of {partner} is taken back by this; entente member show {partner} lists what does"
    )]
    NothingRevoked {
        /// Whose.
        partner: PartnerName,
    },
    /// A rotation of another coalition's root.
    #[error("the rotation holds in {named}, not here")]
    RotationElsewhere {
        /// The coalition named.
        named: CoalitionId,
    },
    /// Another root is to give way.
    #[error("{named} is not the root of {partner}; {root} is")]
    NotTheRoot {
        /// The old root that is named.
        named: PublicKey,
        /// Whose.
        partner: PartnerName,
        /// The root.
        root: PublicKey,
    },
    /// Shown again, or too early.
    #[error("rotation {found} of {partner}; {expected} is the next")]
    RotationNumber {
        /// The number named.
        found: u32,
        /// The next one.
        expected: u32,
        /// Whose.
        partner: PartnerName,
    },
    /// Not signed by whom it takes.
    #[error("the rotation of {partner} is not signed as it must be: {lack}")]
    RotationUnsigned {
        /// Whose.
        partner: PartnerName,
        /// What is wrong.
        lack: RotationLack,
    },
    /// A partner's root has changed too often.
    #[error("the root of {partner} has changed {most} times, the most allowed")]
    TooManyRotations {
        /// Whose.
        partner: PartnerName,
        /// The most allowed.
        most: u64,
    },
}

fn passed_on(by_officers: &bool) -> &'static str {
    if *by_officers { " by its officers" } else { "" }
}

/// What a key is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Purpose {
    /// Signs delegations, offline; now or before a rotation.
    Root,
    /// Signs what the partner says.
    Officer,
    /// Votes.
    Seat,
    /// Carries records.
    Node,
}

impl From<Capability> for Purpose {
    fn from(capability: Capability) -> Self {
        match capability {
            Capability::Officer => Self::Officer,
            Capability::Seat => Self::Seat,
            Capability::Node => Self::Node,
        }
    }
}

impl std::fmt::Display for Purpose {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Root => "root",
            Self::Officer => "officer",
            Self::Seat => "seat",
            Self::Node => "node",
        })
    }
}

/// What a rotation's signatures lack.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum RotationLack {
    /// The new root is the old one.
    SameRoot,
    /// Signatures that do not hold, out of order or too many.
    Signatures,
    /// Somebody signed who has no voice in it.
    Stranger(PublicKey),
    /// The new root did not sign.
    New(PublicKey),
    /// Neither the old root signed nor the national authority.
    Old(PublicKey),
}

impl std::fmt::Display for RotationLack {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::SameRoot => f.write_str("the new root is the old one"),
            Self::Signatures => f.write_str("a signature does not hold, or they are not sorted by key"),
            Self::Stranger(key) => write!(f, "{key} signed and has no voice in it"),
            Self::New(key) => write!(f, "the new root {key} has not signed"),
            Self::Old(key) => {
                write!(f, "neither the old root {key} has signed nor the national authority in its place")
            }
        }
    }
}
