//! Delegation chains: how a partner's offline root gives a key its capabilities.
//!
//! Guarantees: a chain that verifies leads by valid signatures from the given root to its last subject, in one
//! coalition, for one partner; every link lies within the one before it in every [`Dimension`], and the chain is valid only
//! where *all* its links are. So nobody can pass on more than they have, nor farther than they were allowed to.
//!
//! How: each link is signed by its issuer under a domain of its own; the first issuer is the root, each further one
//! the subject before. A charter's roots delegate directly, with depth 0; a root that gives more depth lets an
//! officer enrol nodes without it. What needs no signature is checked first, so that a stranger's chain is cheap to refuse.
//! (Delegation that only narrows: Birgisson et al., "Macaroons", NDSS 2014; SPKI, RFC 2693 section 6.) What was given is
//! taken back by a [`Revocation`], and a root gives way to another one by a [`RootRotation`].

mod revocation;
mod rotation;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::fmt;

use serde::{Deserialize, Serialize};
use thiserror::Error;

pub use revocation::{
    MAX_REASON_BYTES, MAX_REVOCATION_BYTES, Revocation, RevocationError, SignedRevocation, Target,
};
pub use rotation::{MAX_ROTATION_BYTES, RootNow, RootRotation, RotationError, SignedRotation};

use crate::authority::{Extent, MAX_EXTENT_NAMES};
use crate::charter::PartnerName;
use crate::charter::text::{all_of, from_toml, optional_time_text, show_time, time_text, to_toml};
use crate::identity::{CoalitionId, Hash, PublicKey, SecretKey, Signature, hash};
use crate::time::Time;
use crate::wire::{self, WireError};

/// Most links in a chain: a root, two officers, and who acts.
pub const MAX_CHAIN: usize = 4;
/// Largest depth: how often the first subject's capabilities can be passed on in a chain of [`MAX_CHAIN`] links.
pub const MAX_DELEGATION_DEPTH: u8 = 3;
/// Most operation types that a delegation can name; who needs more names none, for all.
pub const MAX_DELEGATED_TYPES: usize = 8;
/// Greatest last epoch: the greatest number that every text format can hold.
pub const MAX_LAST_EPOCH: u64 = 1 << 53;
/// Largest encoded chain, in bytes: [`MAX_CHAIN`] links of the longest kind, well within what a handshake carries.
pub const MAX_CHAIN_BYTES: usize = 2048;
/// Largest text form of a chain, in bytes.
pub const MAX_CHAIN_TOML_BYTES: usize = 16 * 1024;

const DELEGATION_DOMAIN: &str = "entente/delegation/v1";

/// What a key may do for its partner.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Capability {
    /// Sign what the partner says.
    Officer,
    /// Vote and cosign in the partner's seat.
    Seat,
    /// Carry records in feeds of its own and speak with members.
    Node,
}

impl Capability {
    /// All capabilities. They are apart: none covers another.
    pub const ALL: [Self; 3] = [Self::Officer, Self::Seat, Self::Node];
}

impl fmt::Display for Capability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Officer => "officer",
            Self::Seat => "seat",
            Self::Node => "node",
        })
    }
}

/// One link: `issuer` lets `subject` act for `partner`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Delegation {
    /// Where it is valid.
    pub coalition: CoalitionId,
    /// Who gives; a root in the first link.
    pub issuer: PublicKey,
    /// Who receives.
    pub subject: PublicKey,
    /// The partner that the subject acts for.
    pub partner: PartnerName,
    /// What the subject may do; at least one.
    pub capabilities: BTreeSet<Capability>,
    /// For which operation types, at most [`MAX_DELEGATED_TYPES`] by name.
    #[serde(default)]
    pub operations: Extent,
    /// First millisecond at which it is valid; none: from the beginning.
    #[serde(default, with = "optional_time_text")]
    pub not_before: Option<Time>,
    /// Last millisecond at which it is valid.
    #[serde(with = "time_text")]
    pub not_after: Time,
    /// Last epoch in which it is valid; none: any.
    #[serde(default)]
    pub last_epoch: Option<u64>,
    /// How often it may be passed on; each further link has less.
    #[serde(default)]
    pub depth: u8,
}

impl Delegation {
    /// What a root gives directly: one capability for all operation types, from the beginning, not to be passed on.
    pub fn direct(
        coalition: CoalitionId,
        root: PublicKey,
        subject: PublicKey,
        partner: PartnerName,
        capability: Capability,
        not_after: Time,
    ) -> Self {
        Self {
            coalition,
            issuer: root,
            subject,
            partner,
            capabilities: BTreeSet::from([capability]),
            operations: Extent::All,
            not_before: None,
            not_after,
            last_epoch: None,
            depth: 0,
        }
    }

    /// Signs this delegation with the issuer's key, which must be `self.issuer`.
    pub fn sign(self, key: &SecretKey) -> SignedDelegation {
        let signature = key.sign(DELEGATION_DOMAIN, &wire::encode(&self));
        SignedDelegation { delegation: self, signature }
    }

    /// What a revocation names.
    pub fn hash(&self) -> Hash {
        hash(DELEGATION_DOMAIN, &[&wire::encode(self)])
    }

    /// The first dimension in which this is not within `above`.
    pub fn widens(&self, above: &Self) -> Option<Dimension> {
        let epoch = |delegation: &Self| delegation.last_epoch.unwrap_or(u64::MAX);
        [
            (Dimension::Capabilities, self.capabilities.is_subset(&above.capabilities)),
            (Dimension::Operations, self.operations.is_within(&above.operations)),
            (Dimension::NotBefore, self.not_before >= above.not_before),
            (Dimension::NotAfter, self.not_after <= above.not_after),
            (Dimension::LastEpoch, epoch(self) <= epoch(above)),
            (Dimension::Depth, self.depth < above.depth),
        ]
        .into_iter()
        .find_map(|(dimension, within)| (!within).then_some(dimension))
    }
}

/// A way in which a link must lie within the one before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Dimension {
    /// What the subject may do.
    Capabilities,
    /// For which operation types.
    Operations,
    /// From when on.
    NotBefore,
    /// Until when.
    NotAfter,
    /// Until which epoch.
    LastEpoch,
    /// How often it may be passed on.
    Depth,
}

impl fmt::Display for Dimension {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Capabilities => "more capabilities than its issuer has",
            Self::Operations => "more operation types than its issuer has",
            Self::NotBefore => "an earlier beginning than its issuer has",
            Self::NotAfter => "a later end than its issuer has",
            Self::LastEpoch => "a later epoch than its issuer has",
            Self::Depth => "as much depth as its issuer has, or the issuer may not pass it on",
        })
    }
}

/// A link with its issuer's signature.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SignedDelegation {
    /// What is delegated.
    pub delegation: Delegation,
    /// By `delegation.issuer`, over the canonical bytes.
    pub signature: Signature,
}

impl SignedDelegation {
    /// Whether the signature is the issuer's.
    pub fn verify(&self) -> bool {
        self.delegation.issuer.verify(DELEGATION_DOMAIN, &wire::encode(&self.delegation), &self.signature)
    }
}

/// What a link says that no link may say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Unsound {
    /// Nothing is given.
    NoCapability,
    /// The list of operation types is out of order, or too long.
    OperationTypes,
    /// More depth than a chain has links.
    Depth,
    /// An epoch beyond what a text can hold.
    LastEpoch,
}

impl fmt::Display for Unsound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoCapability => "it gives no capability",
            Self::OperationTypes => "its operation types are not sorted, or too many",
            Self::Depth => "it may be passed on more often than a chain has links",
            Self::LastEpoch => "its last epoch is beyond what a text can hold",
        })
    }
}

/// How a link does not follow from the one before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Gap {
    /// The chain leads back to a key that it came from.
    Circle,
    /// Another key issued it.
    Issuer,
    /// It is another partner's.
    Partner,
}

impl fmt::Display for Gap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Circle => "its subject stands above it already",
            Self::Issuer => "its issuer is not the subject before",
            Self::Partner => "it names another partner",
        })
    }
}

/// Why a chain does not hold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Error)]
pub enum CredentialError {
    /// No link, or too many.
    #[error("a chain of {0} links; 1 to {MAX_CHAIN} are allowed")]
    Length(usize),
    /// The first issuer is not the expected root.
    #[error("issued by {issuer}, which is not the root of this partner")]
    UnknownRoot {
        /// Who issued the first link.
        issuer: PublicKey,
    },
    /// The partner is no member.
    #[error("{partner} is no partner of this coalition")]
    UnknownPartner {
        /// Who is named.
        partner: PartnerName,
    },
    /// The key is not among those that the charter declares for this capability.
    #[error("{subject} is not declared as {capability} of {partner}")]
    NotDeclared {
        /// The key.
        subject: PublicKey,
        /// Whom it claims to act for.
        partner: PartnerName,
        /// What for.
        capability: Capability,
    },
    /// Made for another coalition.
    #[error("valid in {named}, not here")]
    WrongCoalition {
        /// The coalition named.
        named: CoalitionId,
    },
    /// Gives something else.
    #[error("gives the capability {}, not {wanted}", all_of(&.found.iter().collect::<Vec<_>>()))]
    WrongCapability {
        /// What the chain gives.
        found: BTreeSet<Capability>,
        /// What is needed.
        wanted: Capability,
    },
    /// Is not for this operation type.
    #[error("is for the operation types {allowed}, not for {wanted}")]
    WrongOperation {
        /// What it is for.
        allowed: Extent,
        /// What is needed.
        wanted: String,
    },
    /// A link that says something which no link may say.
    #[error("link {} is not sound: {reason}", .link + 1)]
    Unsound {
        /// Position in the chain, from 0; in words from 1.
        link: usize,
        /// What is wrong.
        reason: Unsound,
    },
    /// A link that does not follow from the one before it.
    #[error("link {} does not follow from the one before: {reason}", .link + 1)]
    BrokenLink {
        /// Position in the chain, from 0; in words from 1.
        link: usize,
        /// What differs.
        reason: Gap,
    },
    /// A link that gives more than its issuer has.
    #[error("link {} gives {dimension}", .link + 1)]
    Widened {
        /// Position in the chain, from 0; in words from 1.
        link: usize,
        /// In which way.
        dimension: Dimension,
    },
    /// A link not signed by its issuer.
    #[error("the signature of link {} does not hold", .link + 1)]
    BadSignature {
        /// Position in the chain, from 0; in words from 1.
        link: usize,
    },
    /// Not valid yet.
    #[error("valid from {} on, now is {}", show_time(*.not_before), show_time(*.now))]
    NotYetValid {
        /// First valid millisecond.
        not_before: Time,
        /// The time it was judged at.
        now: Time,
    },
    /// No longer valid.
    #[error("expired at {}, now is {}", show_time(*.not_after), show_time(*.now))]
    Expired {
        /// Last valid millisecond.
        not_after: Time,
        /// The time it was judged at.
        now: Time,
    },
    /// No longer valid in this epoch.
    #[error("expired with epoch {last_epoch}, now is epoch {epoch}")]
    EpochPassed {
        /// Last valid epoch.
        last_epoch: u64,
        /// The epoch it was judged in.
        epoch: u64,
    },
}

/// When a chain is judged. Where no epoch is known, as in a handshake, the time alone decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment {
    /// Batch time, or a clock where there is none.
    pub time: Time,
    /// The epoch.
    pub epoch: Option<u64>,
}

impl From<Time> for Moment {
    fn from(time: Time) -> Self {
        Self { time, epoch: None }
    }
}

/// What a chain is shown for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Use<'a> {
    /// What the key wants to do.
    pub capability: Capability,
    /// In an operation of this type; none: in no operation.
    pub operation: Option<&'a str>,
}

impl From<Capability> for Use<'_> {
    fn from(capability: Capability) -> Self {
        Self { capability, operation: None }
    }
}

/// Links from a root to the key that acts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Chain(pub Vec<SignedDelegation>);

/// The file of a chain. It is called `NAME.chain.toml`.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ChainFile {
    chain: Chain,
}

impl Chain {
    /// Reads a chain, at most [`MAX_CHAIN_BYTES`].
    pub fn decode(bytes: &[u8]) -> Result<Self, WireError> {
        wire::decode(bytes, MAX_CHAIN_BYTES)
    }

    /// Canonical bytes.
    pub fn encode(&self) -> Vec<u8> {
        wire::encode(self)
    }

    /// The text form.
    pub fn to_toml(&self) -> String {
        to_toml(&ChainFile { chain: self.clone() })
    }

    /// Reads the text form; whether it holds is for [`Self::verify`].
    pub fn from_toml(text: &str) -> Result<Self, String> {
        from_toml::<ChainFile>(text, MAX_CHAIN_TOML_BYTES).map(|file| file.chain)
    }

    /// The last link, whose subject acts; `None` for a chain without links.
    pub fn leaf(&self) -> Option<&Delegation> {
        self.0.last().map(|link| &link.delegation)
    }

    /// The last millisecond at which every link is valid.
    pub fn not_after(&self) -> Time {
        self.0.iter().map(|link| link.delegation.not_after).min().unwrap_or_default()
    }

    /// Checks the chain from `root`, for one use at one moment, and returns its last link.
    pub fn verify<'a>(
        &self,
        root: &PublicKey,
        coalition: &CoalitionId,
        wanted: impl Into<Use<'a>>,
        at: impl Into<Moment>,
    ) -> Result<&Delegation, CredentialError> {
        let last = self.follow(root, coalition)?;
        last.permits(wanted.into())?;
        self.valid_at(at.into())?;
        self.check_signatures()?;
        Ok(last)
    }

    /// Whether this chain was given by `root` at all, for whatever use and time; returns its last link.
    pub fn authentic(
        &self,
        root: &PublicKey,
        coalition: &CoalitionId,
    ) -> Result<&Delegation, CredentialError> {
        let last = self.follow(root, coalition)?;
        self.check_signatures()?;
        Ok(last)
    }

    /// Whether a chain that is known to hold is for one use at one moment.
    pub fn allows<'a>(
        &self,
        wanted: impl Into<Use<'a>>,
        at: impl Into<Moment>,
    ) -> Result<(), CredentialError> {
        self.leaf().ok_or(CredentialError::Length(0))?.permits(wanted.into())?;
        self.valid_at(at.into())
    }

    /// The keys that stand above link `at`, counted from 0: its issuer and all before that; none for a link that is not there.
    pub(crate) fn above(&self, at: usize) -> impl Iterator<Item = PublicKey> {
        self.0.iter().take(at + 1).map(|link| link.delegation.issuer)
    }

    /// Whether each link lies within the one before it, leaving signatures aside.
    pub(crate) fn follow(
        &self,
        root: &PublicKey,
        coalition: &CoalitionId,
    ) -> Result<&Delegation, CredentialError> {
        let (Some(first), Some(last)) = (self.0.first(), self.leaf()) else {
            return Err(CredentialError::Length(0));
        };
        if self.0.len() > MAX_CHAIN {
            return Err(CredentialError::Length(self.0.len()));
        }
        if first.delegation.issuer != *root {
            return Err(CredentialError::UnknownRoot { issuer: first.delegation.issuer });
        }
        let mut above: Option<&Delegation> = None;
        let mut before = vec![*root];
        for (link, SignedDelegation { delegation, .. }) in self.0.iter().enumerate() {
            if delegation.coalition != *coalition {
                return Err(CredentialError::WrongCoalition { named: delegation.coalition });
            }
            delegation.sound().map_err(|reason| CredentialError::Unsound { link, reason })?;
            if before.contains(&delegation.subject) {
                return Err(CredentialError::BrokenLink { link, reason: Gap::Circle });
            }
            before.push(delegation.subject);
            if let Some(above) = above {
                let reason = if delegation.issuer != above.subject {
                    Some(Gap::Issuer)
                } else if delegation.partner != above.partner {
                    Some(Gap::Partner)
                } else {
                    None
                };
                if let Some(reason) = reason {
                    return Err(CredentialError::BrokenLink { link, reason });
                }
                if let Some(dimension) = delegation.widens(above) {
                    return Err(CredentialError::Widened { link, dimension });
                }
            }
            above = Some(delegation);
        }
        Ok(last)
    }

    fn valid_at(&self, at: Moment) -> Result<(), CredentialError> {
        let links = || self.0.iter().map(|link| &link.delegation);
        let not_after = self.not_after();
        if at.time > not_after {
            return Err(CredentialError::Expired { not_after, now: at.time });
        }
        if let Some(not_before) = links().filter_map(|link| link.not_before).max()
            && at.time < not_before
        {
            return Err(CredentialError::NotYetValid { not_before, now: at.time });
        }
        match (links().filter_map(|link| link.last_epoch).min(), at.epoch) {
            (Some(last_epoch), Some(epoch)) if epoch > last_epoch => {
                Err(CredentialError::EpochPassed { last_epoch, epoch })
            }
            _ => Ok(()),
        }
    }

    fn check_signatures(&self) -> Result<(), CredentialError> {
        match self.0.iter().position(|link| !link.verify()) {
            Some(link) => Err(CredentialError::BadSignature { link }),
            None => Ok(()),
        }
    }
}

impl Delegation {
    /// Whether it says what a link may say, whatever stands above it.
    fn sound(&self) -> Result<(), Unsound> {
        if self.capabilities.is_empty() {
            return Err(Unsound::NoCapability);
        }
        if self.operations.check(MAX_DELEGATED_TYPES.min(MAX_EXTENT_NAMES)).is_err() {
            return Err(Unsound::OperationTypes);
        }
        if self.depth > MAX_DELEGATION_DEPTH {
            return Err(Unsound::Depth);
        }
        if self.last_epoch.is_some_and(|epoch| epoch > MAX_LAST_EPOCH) {
            return Err(Unsound::LastEpoch);
        }
        Ok(())
    }

    fn permits(&self, wanted: Use<'_>) -> Result<(), CredentialError> {
        if !self.capabilities.contains(&wanted.capability) {
            return Err(CredentialError::WrongCapability {
                found: self.capabilities.clone(),
                wanted: wanted.capability,
            });
        }
        match wanted.operation {
            Some(operation) if !self.operations.covers(operation) => Err(CredentialError::WrongOperation {
                allowed: self.operations.clone(),
                wanted: operation.to_owned(),
            }),
            _ => Ok(()),
        }
    }
}
