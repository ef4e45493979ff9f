//! Alliance documents: an authority that outlives coalitions, in versions.
//!
//! Guarantees: a version that verifies follows from the one before it by hash, and was signed by who had the authority
//! before *and* by who has it from now on, so nobody is bound by, or loses, an authority without its own consent. What a
//! document says can be judged from the document alone: it brings the keys of its parties.
//!
//! How: each version names the hash of the one before; the hash of the first is the alliance's identity. Signatures are over the
//! hash. A charter refers to a version and says with [`Follow`] what later ones mean to it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::{
    Authority, AuthorityError, AuthorityKind, Deficit, Expression, Registry, Scope, Signatures,
    SignaturesError, Successors, bound,
};
use crate::charter::AuthorityName;
use crate::charter::text::{from_toml, to_toml};
use crate::identity::{Hash, PublicKey, SecretKey, hash};
use crate::wire::{self, WireError};

/// Most parties of an alliance.
pub const MAX_PARTIES: usize = 32;
/// Largest signed document, in bytes: one that a record can carry.
pub const MAX_ALLIANCE_BYTES: usize = 15 * 1024;
/// Largest text form of a signed document, in bytes.
pub const MAX_ALLIANCE_TOML_BYTES: usize = 128 * 1024;

const DOCUMENT_DOMAIN: &str = "entente/alliance/v1";
const SIGNATURE_DOMAIN: &str = "entente/alliance-signature/v1";

/// Why a document was refused.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum AllianceError {
    /// The text is not what is expected; names the line where it can.
    #[error("{0}")]
    Text(String),
    /// The bytes are no document.
    #[error("bytes of the document: {0}")]
    Wire(#[from] WireError),
    /// Expression, scope or parties are out of bounds or order.
    #[error(transparent)]
    Authority(#[from] AuthorityError),
    /// A first version that names one before it, or a later one that does not.
    #[error("version {version} {}", if *.version == 1 { "is the first, but names one before it" } else { "names none before it" })]
    Previous {
        /// The version.
        version: u32,
    },
    /// Versions count from 1.
    #[error("version {found}; {expected} is expected")]
    Version {
        /// The version named.
        found: u32,
        /// The one that would follow.
        expected: u32,
    },
    /// Another alliance's.
    #[error("the document of {found}, not of {expected}")]
    Name {
        /// Whose it is.
        found: AuthorityName,
        /// Whose it is to be.
        expected: AuthorityName,
    },
    /// It follows from another version than the one given.
    #[error("follows from {found}, but the version before is {expected}")]
    Chain {
        /// The hash named.
        found: Hash,
        /// That of the version before.
        expected: Hash,
    },
    /// A signature that does not hold, or too many of them.
    #[error(transparent)]
    Signatures(#[from] SignaturesError),
    /// Signed by a key that has no voice in it, before or after.
    #[error("{key} signed, but has no voice in {name}")]
    Stranger {
        /// The key.
        key: PublicKey,
        /// The alliance.
        name: AuthorityName,
    },
    /// Who has the authority from now on has not signed.
    #[error("not signed by {name} as it is to be: {deficit}")]
    Unsigned {
        /// The alliance.
        name: AuthorityName,
        /// What is missing.
        deficit: Deficit,
    },
    /// Who had the authority before has not signed.
    #[error("not signed by {name} as it was: {deficit}")]
    UnsignedBefore {
        /// The alliance.
        name: AuthorityName,
        /// What is missing.
        deficit: Deficit,
    },
}

/// One version of an alliance's authority.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AllianceDocument {
    /// What the alliance is called.
    pub name: AuthorityName,
    /// From 1, without gaps.
    pub version: u32,
    /// The hash of the version before; none for the first.
    pub previous: Option<Hash>,
    /// Who must sign, over the names of the parties or over keys.
    pub expression: Expression,
    /// What the alliance may decide.
    #[serde(default)]
    pub scope: Scope,
    /// Whom the names in the expression stand for.
    pub parties: BTreeMap<AuthorityName, PublicKey>,
}

impl AllianceDocument {
    /// Canonical bytes.
    pub fn encode(&self) -> Vec<u8> {
        wire::encode(self)
    }

    /// What the next version and a charter name; that of the first version is the alliance's identity.
    pub fn hash(&self) -> Hash {
        hash(DOCUMENT_DOMAIN, &[&self.encode()])
    }

    /// The authority that it declares.
    pub fn authority(&self) -> Authority {
        Authority {
            name: self.name.clone(),
            kind: AuthorityKind::Alliance,
            scope: self.scope.clone(),
            expression: self.expression.clone(),
        }
    }

    /// The parties as authorities of their own, and the alliance among them.
    fn authorities(&self) -> impl Iterator<Item = Authority> {
        let party = |(name, key): (&AuthorityName, &PublicKey)| Authority {
            name: name.clone(),
            kind: AuthorityKind::National,
            scope: Scope::default(),
            expression: Expression::Key(*key),
        };
        self.parties.iter().map(party).chain([self.authority()])
    }

    /// Parties and alliance, as they refer to each other.
    pub fn registry(&self) -> Result<Registry, AuthorityError> {
        bound("parties", self.parties.len(), 0, MAX_PARTIES)?;
        Registry::new(self.authorities().collect())
    }

    /// The authority that it declares, over the keys that its names stand for: to stand beside others.
    pub fn by_keys(&self) -> Authority {
        let key = |name: &AuthorityName| self.parties.get(name).copied().map(Expression::Key);
        Authority { expression: self.expression.with_names(&key), ..self.authority() }
    }

    /// Whether it is sound by itself.
    pub fn check(&self) -> Result<(), AllianceError> {
        if self.version == 0 {
            return Err(AllianceError::Version { found: 0, expected: 1 });
        }
        if self.previous.is_some() != (self.version > 1) {
            return Err(AllianceError::Previous { version: self.version });
        }
        self.registry()?;
        Ok(())
    }

    /// Whether it is the version that follows `previous`, leaving signatures aside.
    pub fn follows(&self, previous: &Self) -> Result<(), AllianceError> {
        self.check()?;
        if self.name != previous.name {
            return Err(AllianceError::Name { found: self.name.clone(), expected: previous.name.clone() });
        }
        let expected = previous.version.saturating_add(1);
        if self.version != expected {
            return Err(AllianceError::Version { found: self.version, expected });
        }
        let before = previous.hash();
        match self.previous {
            Some(found) if found == before => Ok(()),
            found => Err(AllianceError::Chain { found: found.unwrap_or_default(), expected: before }),
        }
    }

    /// The same over the keys that stand now, and what the alliance's expression is then.
    fn standing(&self, successors: &Successors) -> (Registry, Expression) {
        let authorities = self.authorities().map(|authority| successors.authority(authority));
        (Registry::standing(authorities.collect()), successors.expression(&self.expression))
    }

    /// Those who signed, as far as this version is concerned: enough, or what is missing.
    fn satisfied_by(&self, signers: &BTreeSet<PublicKey>, successors: &Successors) -> Result<(), Deficit> {
        let (registry, expression) = self.standing(successors);
        registry.evaluate(&expression, signers).map(|_| ())
    }
}

/// A document with the signatures collected so far. The file is called `NAME.alliance.toml`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SignedAlliance {
    /// The document.
    pub alliance: AllianceDocument,
    /// On its hash.
    #[serde(default)]
    pub signatures: Signatures,
}

impl SignedAlliance {
    /// A document that nobody signed yet.
    pub fn new(alliance: AllianceDocument) -> Self {
        Self { alliance, signatures: Signatures::default() }
    }

    /// Adds a signature.
    pub fn sign(&mut self, key: &SecretKey) {
        self.signatures.sign(key, SIGNATURE_DOMAIN, self.alliance.hash().as_bytes());
    }

    fn is_small(&self) -> Result<(), AllianceError> {
        Ok(bound("bytes of document and signatures", self.encode().len(), 0, MAX_ALLIANCE_BYTES)?)
    }

    /// Who signed, if every signature holds and is that of somebody with a voice in this version or in `previous`.
    pub fn signers(&self, previous: Option<&AllianceDocument>) -> Result<BTreeSet<PublicKey>, AllianceError> {
        self.signers_now(previous, &Successors::default())
    }

    /// Who signed, of those who stand now. A key that gave way signs nothing, here: where it still stands, it may.
    fn signers_now(
        &self,
        previous: Option<&AllianceDocument>,
        successors: &Successors,
    ) -> Result<BTreeSet<PublicKey>, AllianceError> {
        let mut signers = self.signatures.verify(SIGNATURE_DOMAIN, self.alliance.hash().as_bytes())?;
        signers.retain(|signer| !successors.gave_way(signer));
        let versions = [&self.alliance].into_iter().chain(previous);
        let voices = versions.flat_map(|version| {
            let (registry, expression) = version.standing(successors);
            registry.voices_in(&expression)
        });
        let voices = voices.collect::<BTreeSet<_>>();
        match signers.iter().find(|signer| !voices.contains(signer)) {
            Some(key) => Err(AllianceError::Stranger { key: *key, name: self.alliance.name.clone() }),
            None => Ok(signers),
        }
    }

    /// Whether this is the first version, or the one that follows `previous`, with all signatures that it needs.
    pub fn verify(&self, previous: Option<&AllianceDocument>) -> Result<(), AllianceError> {
        self.verify_now(previous, &Successors::default())
    }

    /// The same where keys have given way: what came in their place signs for them, and they do not.
    pub fn verify_now(
        &self,
        previous: Option<&AllianceDocument>,
        successors: &Successors,
    ) -> Result<(), AllianceError> {
        let document = &self.alliance;
        self.is_small()?;
        match previous {
            Some(previous) => document.follows(previous)?,
            None if document.version != 1 => {
                return Err(AllianceError::Version { found: document.version, expected: 1 });
            }
            None => document.check()?,
        }
        let signers = self.signers_now(previous, successors)?;
        let name = || document.name.clone();
        document
            .satisfied_by(&signers, successors)
            .map_err(|deficit| AllianceError::Unsigned { name: name(), deficit })?;
        if let Some(previous) = previous {
            previous
                .satisfied_by(&signers, successors)
                .map_err(|deficit| AllianceError::UnsignedBefore { name: name(), deficit })?;
        }
        Ok(())
    }

    /// Canonical bytes.
    pub fn encode(&self) -> Vec<u8> {
        wire::encode(self)
    }

    /// Reads canonical bytes, at most [`MAX_ALLIANCE_BYTES`]; what follows from them is for [`Self::verify`].
    pub fn decode(bytes: &[u8]) -> Result<Self, AllianceError> {
        let signed: Self = wire::decode(bytes, MAX_ALLIANCE_BYTES)?;
        signed.alliance.check()?;
        Ok(signed)
    }

    /// The text form.
    pub fn to_toml(&self) -> String {
        to_toml(self)
    }

    /// Reads the text form, with or without signatures.
    pub fn from_toml(text: &str) -> Result<Self, AllianceError> {
        let mut signed: Self = from_toml(text, MAX_ALLIANCE_TOML_BYTES).map_err(AllianceError::Text)?;
        signed.signatures.sort();
        signed.alliance.check()?;
        Ok(signed)
    }
}

/// What later versions of a document mean to a charter that refers to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Follow {
    /// A later version holds as soon as it is ordered.
    AtOnce,
    /// A later version holds from the charter's next amendment on.
    NextAmendment,
    /// The version that the charter names holds, whatever comes.
    Pinned,
}

impl fmt::Display for Follow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::AtOnce => "at once",
            Self::NextAmendment => "at the next amendment",
            Self::Pinned => "never",
        })
    }
}

/// A charter's reference to an alliance: the version that all who signed the charter have read, and what later ones mean.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AllianceReference {
    /// What later versions mean.
    pub follow: Follow,
    /// The version.
    pub alliance: AllianceDocument,
    /// On its hash, by those who have the authority. Those before it are not asked for: the signers of the charter vouch.
    pub signatures: Signatures,
}

impl AllianceReference {
    /// A reference to this version.
    pub fn new(signed: SignedAlliance, follow: Follow) -> Self {
        Self { follow, alliance: signed.alliance, signatures: signed.signatures }
    }

    /// The version with its signatures.
    pub fn signed(&self) -> SignedAlliance {
        SignedAlliance { alliance: self.alliance.clone(), signatures: self.signatures.clone() }
    }

    /// Whether the version is sound and those who have its authority signed it.
    pub fn check(&self) -> Result<(), AllianceError> {
        let signed = self.signed();
        self.alliance.check()?;
        signed.is_small()?;
        // A later version carries the signatures of the earlier authority too, whoever that was.
        let signers = self.signatures.verify(SIGNATURE_DOMAIN, self.alliance.hash().as_bytes())?;
        let name = || self.alliance.name.clone();
        self.alliance
            .satisfied_by(&signers, &Successors::default())
            .map_err(|deficit| AllianceError::Unsigned { name: name(), deficit })
    }

    /// The version in force. `next` gives the ordered version that follows one, with the version of the charter that was the
    /// latest then; `charter` is the version of the charter that is asked about.
    pub fn in_force<'a>(
        &'a self,
        charter: u32,
        next: impl Fn(&AllianceDocument) -> Option<(&'a AllianceDocument, u32)>,
    ) -> &'a AllianceDocument {
        let mut document = &self.alliance;
        while let Some((later, known_under)) = next(document) {
            let holds = match self.follow {
                Follow::AtOnce => true,
                Follow::NextAmendment => known_under < charter,
                Follow::Pinned => false,
            };
            if !holds {
                break;
            }
            document = later;
        }
        document
    }
}
