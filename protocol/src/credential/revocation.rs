//! Taking back what was delegated.
//!
//! Guarantees: a revocation cuts exactly those chains in which its signer issued the revoked link or stands above it. So nobody
//! can cut what was not theirs to give, and a key that got the same capability from somebody else keeps that.
//!
//! How: it names a subject's key, or one delegation by its hash; whether it bears on a chain is judged against that chain alone.
//! From which log index on it holds is the coalition's business.

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::{Chain, CredentialError, SignedDelegation};
use crate::charter::PartnerName;
use crate::charter::text::{from_toml, is_showable, to_toml};
use crate::identity::{CoalitionId, Hash, PublicKey, SecretKey, Signature};
use crate::wire::{self, WireError};

/// Longest reason, in bytes.
pub const MAX_REASON_BYTES: usize = 200;
/// Largest encoded revocation, in bytes.
pub const MAX_REVOCATION_BYTES: usize = 512;
/// Largest text form, in bytes.
const MAX_REVOCATION_TOML_BYTES: usize = 4096;

const REVOCATION_DOMAIN: &str = "entente/revocation/v1";

/// What is taken back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Target {
    /// Whatever this key was given, and what it passed on.
    Key(PublicKey),
    /// The delegation of this hash, and what was passed on from it.
    Delegation(Hash),
}

/// A word that takes something back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Revocation {
    /// Where it holds.
    pub coalition: CoalitionId,
    /// The partner whose key loses something.
    pub partner: PartnerName,
    /// Who takes it back.
    pub issuer: PublicKey,
    /// Why, at most [`MAX_REASON_BYTES`]; may be empty.
    #[serde(default)]
    pub reason: String,
    /// What is taken back.
    pub target: Target,
}

/// Why a revocation does not hold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Error)]
pub enum RevocationError {
    /// The chain that it is held against does not hold itself.
    #[error("the chain does not hold: {0}")]
    Chain(#[from] CredentialError),
    /// Made for another coalition.
    #[error("holds in {named}, not here")]
    WrongCoalition {
        /// The coalition named.
        named: CoalitionId,
    },
    /// It is about another partner.
    #[error("about a key of {named}, not of {partner}")]
    WrongPartner {
        /// The partner named.
        named: PartnerName,
        /// Whose chain it is held against.
        partner: PartnerName,
    },
    /// What it takes back is not in the chain.
    #[error("what it takes back does not stand in this chain")]
    NotInChain,
    /// Its issuer neither gave what it takes back nor stands above who did.
    #[error("{issuer} neither issued link {} nor stands above who did", .link + 1)]
    NotAbove {
        /// Who signed.
        issuer: PublicKey,
        /// The link that it would cut, from 0.
        link: usize,
    },
    /// The reason is too long, or would fool a terminal.
    #[error("the reason is longer than {MAX_REASON_BYTES} bytes or has control characters")]
    Reason,
    /// Not signed by its issuer.
    #[error("the signature of {issuer} does not hold")]
    BadSignature {
        /// Who is named as issuer.
        issuer: PublicKey,
    },
}

impl Revocation {
    /// Whether its reason is short enough and fools no terminal.
    pub fn is_showable(&self) -> bool {
        self.reason.len() <= MAX_REASON_BYTES && is_showable(&self.reason)
    }

    /// The first link of a chain that this takes back, counted from 0, whoever says so.
    pub(crate) fn meant(&self, chain: &Chain) -> Option<usize> {
        chain.0.iter().position(|SignedDelegation { delegation, .. }| match &self.target {
            Target::Key(key) => delegation.subject == *key,
            Target::Delegation(hash) => delegation.hash() == *hash,
        })
    }

    /// Signs this revocation with the issuer's key, which must be `self.issuer`.
    pub fn sign(self, key: &SecretKey) -> SignedRevocation {
        let signature = key.sign(REVOCATION_DOMAIN, &wire::encode(&self));
        SignedRevocation { revocation: self, signature }
    }
}

/// A revocation with its issuer's signature. The file is called `NAME.revocation.toml`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SignedRevocation {
    /// What is said.
    pub revocation: Revocation,
    /// By `revocation.issuer`, over the canonical bytes.
    pub signature: Signature,
}

impl SignedRevocation {
    /// Whether this cuts `chain`, which leads from `root`; the position of the first link that does not hold any more.
    pub fn verify(
        &self,
        chain: &Chain,
        root: &PublicKey,
        coalition: &CoalitionId,
    ) -> Result<usize, RevocationError> {
        let Revocation { coalition: named, partner, issuer, .. } = &self.revocation;
        if named != coalition {
            return Err(RevocationError::WrongCoalition { named: *named });
        }
        if !self.revocation.is_showable() {
            return Err(RevocationError::Reason);
        }
        let leaf = chain.follow(root, coalition)?;
        if leaf.partner != *partner {
            return Err(RevocationError::WrongPartner {
                named: partner.clone(),
                partner: leaf.partner.clone(),
            });
        }
        let link = self.revocation.meant(chain).ok_or(RevocationError::NotInChain)?;
        if !chain.above(link).any(|key| key == *issuer) {
            return Err(RevocationError::NotAbove { issuer: *issuer, link });
        }
        if !self.is_signed() {
            return Err(RevocationError::BadSignature { issuer: *issuer });
        }
        chain.check_signatures()?;
        Ok(link)
    }

    /// Whether its issuer signed it, whatever it bears on.
    pub fn is_signed(&self) -> bool {
        let message = wire::encode(&self.revocation);
        self.revocation.issuer.verify(REVOCATION_DOMAIN, &message, &self.signature)
    }

    /// Canonical bytes.
    pub fn encode(&self) -> Vec<u8> {
        wire::encode(self)
    }

    /// Reads canonical bytes, at most [`MAX_REVOCATION_BYTES`].
    pub fn decode(bytes: &[u8]) -> Result<Self, WireError> {
        wire::decode(bytes, MAX_REVOCATION_BYTES)
    }

    /// The text form.
    pub fn to_toml(&self) -> String {
        to_toml(self)
    }

    /// Reads the text form.
    pub fn from_toml(text: &str) -> Result<Self, String> {
        from_toml(text, MAX_REVOCATION_TOML_BYTES)
    }
}
