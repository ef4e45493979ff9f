//! What authorities say on operations, and what becomes known of them.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::authority::{Signatures, SignaturesError, SignedAlliance, Word};
use crate::charter::AuthorityName;
use crate::identity::{CoalitionId, PublicKey, RecordId, SecretKey};
use crate::wire;

const WORD_DOMAIN: &str = "entente/authority-word/v1";

/// What an officer says for an authority, or carries for it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum AuthorityAct {
    /// A voice in what an authority says on an operation.
    Speak(Speak),
    /// A version of an alliance's document. It proves itself, so any officer may carry it.
    Publish(Box<SignedAlliance>),
}

impl AuthorityAct {
    /// The operation that this names.
    pub fn operation(&self) -> Option<RecordId> {
        match self {
            Self::Speak(speak) => Some(speak.statement.operation),
            Self::Publish(_) => None,
        }
    }
}

/// A voice in what an authority says: that of the officer's partner or, where keys have signed it off line, theirs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Speak {
    /// What is said.
    pub statement: Statement,
    /// Of keys that have a voice in the authority: they speak then, and the partner only carries it.
    pub signatures: Signatures,
}

/// What an authority is to say on an operation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Statement {
    /// On which operation.
    pub operation: RecordId,
    /// Which authority.
    pub authority: AuthorityName,
    /// What.
    pub word: Word,
    /// Why, at most [`MAX_GROUND_BYTES`](super::MAX_GROUND_BYTES); may be empty for an order or a permission.
    pub ground: String,
    /// Later statements of one key count, so that an older one that is carried again does not.
    pub number: u32,
}

impl Statement {
    /// Signs this statement in `coalition`.
    pub fn sign(&self, coalition: CoalitionId, key: &SecretKey, signatures: &mut Signatures) {
        signatures.sign(key, WORD_DOMAIN, &self.message(coalition));
    }

    /// Who signed, if every signature holds.
    pub fn signers(
        &self,
        coalition: CoalitionId,
        signatures: &Signatures,
    ) -> Result<BTreeSet<PublicKey>, SignaturesError> {
        signatures.verify(WORD_DOMAIN, &self.message(coalition))
    }

    fn message(&self, coalition: CoalitionId) -> Vec<u8> {
        wire::encode(&(coalition, self))
    }
}
