//! A partner's root gives way to another one.
//!
//! Guarantees: a rotation that verifies was signed by the new root, which so proves that somebody holds it, and by the old
//! one or, where that is lost, by the partner's national authority. A rotation holds once: it names its number, so that an old one
//! cannot be shown again after a later one.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::authority::{Deficit, Expression, Lack, Registry, Signatures, SignaturesError};
use crate::charter::PartnerName;
use crate::charter::text::{from_toml, to_toml};
use crate::identity::{CoalitionId, PublicKey, SecretKey};
use crate::wire::{self, WireError};

/// Largest encoded rotation with its signatures, in bytes.
pub const MAX_ROTATION_BYTES: usize = 16 * 1024;
/// Largest text form, in bytes.
const MAX_ROTATION_TOML_BYTES: usize = 64 * 1024;

const ROTATION_DOMAIN: &str = "entente/root-rotation/v1";

/// A change of a partner's root.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RootRotation {
    /// Where it holds.
    pub coalition: CoalitionId,
    /// Whose root.
    pub partner: PartnerName,
    /// Its number among the rotations of this partner, from 1.
    pub number: u32,
    /// The root until now.
    pub old: PublicKey,
    /// The root from now on.
    pub new: PublicKey,
}

/// Why a rotation does not hold.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum RotationError {
    /// Made for another coalition.
    #[error("holds in {named}, not here")]
    WrongCoalition {
        /// The coalition named.
        named: CoalitionId,
    },
    /// Another root is to give way.
    #[error("{named} is not the root of {partner}")]
    WrongRoot {
        /// The old root that is named.
        named: PublicKey,
        /// The partner.
        partner: PartnerName,
    },
    /// Shown again, or too early.
    #[error("rotation {found} of {partner}; {expected} is the next")]
    WrongNumber {
        /// The number named.
        found: u32,
        /// The next one.
        expected: u32,
        /// The partner.
        partner: PartnerName,
    },
    /// Old and new are the same key.
    #[error("the new root is the old one")]
    SameRoot,
    /// A signature that does not hold, or too many of them.
    #[error(transparent)]
    Signatures(#[from] SignaturesError),
    /// Signed by a key that has no voice in it.
    #[error("{key} signed, but is neither root and has no voice in the national authority")]
    Stranger {
        /// The key.
        key: PublicKey,
    },
    /// The new root has not signed.
    #[error("not signed by the new root {new}")]
    NewUnsigned {
        /// The new root.
        new: PublicKey,
    },
    /// Neither the old root nor the national authority has signed.
    #[error("not signed by the old root, nor by the national authority: {deficit}")]
    OldUnsigned {
        /// What the national authority lacks.
        deficit: Deficit,
    },
}

/// What a coalition knows of a partner's root when it judges a rotation.
#[derive(Debug, Clone, Copy)]
pub struct RootNow<'a> {
    /// The root until now.
    pub root: PublicKey,
    /// How many rotations there were.
    pub rotations: u32,
    /// The partner's national authority, where its charter states another than the root, and what its names stand for.
    pub national: Option<(&'a Expression, &'a Registry)>,
}

/// A rotation with the signatures collected so far. The file is called `NAME.rotation.toml`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SignedRotation {
    /// What changes.
    pub rotation: RootRotation,
    /// On its canonical bytes.
    #[serde(default)]
    pub signatures: Signatures,
}

impl SignedRotation {
    /// A rotation that nobody signed yet.
    pub fn new(rotation: RootRotation) -> Self {
        Self { rotation, signatures: Signatures::default() }
    }

    /// Adds a signature.
    pub fn sign(&mut self, key: &SecretKey) {
        self.signatures.sign(key, ROTATION_DOMAIN, &wire::encode(&self.rotation));
    }

    /// Who signed, if every signature holds.
    pub fn signers(&self) -> Result<BTreeSet<PublicKey>, RotationError> {
        Ok(self.signatures.verify(ROTATION_DOMAIN, &wire::encode(&self.rotation))?)
    }

    /// Whether the root of its partner, which stands as `now`, gives way in `coalition`.
    pub fn verify(&self, coalition: &CoalitionId, now: &RootNow<'_>) -> Result<(), RotationError> {
        let RootRotation { coalition: named, partner, number, old, new } = &self.rotation;
        if named != coalition {
            return Err(RotationError::WrongCoalition { named: *named });
        }
        if *old != now.root {
            return Err(RotationError::WrongRoot { named: *old, partner: partner.clone() });
        }
        let expected = now.rotations.saturating_add(1);
        if *number != expected {
            return Err(RotationError::WrongNumber { found: *number, expected, partner: partner.clone() });
        }
        if old == new {
            return Err(RotationError::SameRoot);
        }
        let signers = self.signers()?;
        let national = now.national;
        let voices =
            national.map(|(expression, registry)| registry.voices_in(expression)).unwrap_or_default();
        if let Some(key) = signers.iter().find(|key| *key != old && *key != new && !voices.contains(key)) {
            return Err(RotationError::Stranger { key: *key });
        }
        if !signers.contains(new) {
            return Err(RotationError::NewUnsigned { new: *new });
        }
        if signers.contains(old) {
            return Ok(());
        }
        // The new root signs for itself: it is no voice for its own coming.
        let others = signers.into_iter().filter(|key| key != new).collect();
        let deficit = match national {
            Some((expression, registry)) => match registry.evaluate(expression, &others) {
                Ok(_) => return Ok(()),
                Err(deficit) => deficit,
            },
            None => Deficit { lack: Lack::Key { key: *old, name: None }, authorities: Vec::new() },
        };
        Err(RotationError::OldUnsigned { deficit })
    }

    /// Canonical bytes.
    pub fn encode(&self) -> Vec<u8> {
        wire::encode(self)
    }

    /// Reads canonical bytes, at most [`MAX_ROTATION_BYTES`].
    pub fn decode(bytes: &[u8]) -> Result<Self, WireError> {
        wire::decode(bytes, MAX_ROTATION_BYTES)
    }

    /// The text form.
    pub fn to_toml(&self) -> String {
        to_toml(self)
    }

    /// Reads the text form, with or without signatures.
    pub fn from_toml(text: &str) -> Result<Self, String> {
        let mut signed: Self = from_toml(text, MAX_ROTATION_TOML_BYTES)?;
        signed.signatures.sort();
        Ok(signed)
    }
}
