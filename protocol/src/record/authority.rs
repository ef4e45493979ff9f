//! What authorities say on operations, and what becomes known of them.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::authority::{Signatures, SignaturesError, SignedAlliance, Word};
use crate::charter::AuthorityName;
use crate::charter::text::{from_toml, to_toml};
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

/// Largest text form of a statement with its signatures, in bytes.
const MAX_STATEMENT_TOML_BYTES: usize = 64 * 1024;

/// A statement that keys sign off line, in any order. The file is called `NAME.statement.toml`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SignedStatement {
    /// The coalition that it is said in.
    pub coalition: CoalitionId,
    /// What is said.
    pub statement: Statement,
    /// On both.
    #[serde(default)]
    pub signatures: Signatures,
}

impl SignedStatement {
    /// A statement that nobody signed yet.
    pub fn new(coalition: CoalitionId, statement: Statement) -> Self {
        Self { coalition, statement, signatures: Signatures::default() }
    }

    /// Adds a signature.
    pub fn sign(&mut self, key: &SecretKey) {
        self.statement.sign(self.coalition, key, &mut self.signatures);
    }

    /// Who signed, if every signature holds.
    pub fn signers(&self) -> Result<BTreeSet<PublicKey>, SignaturesError> {
        self.statement.signers(self.coalition, &self.signatures)
    }

    /// The text form.
    pub fn to_toml(&self) -> String {
        to_toml(self)
    }

    /// Reads the text form, with or without signatures.
    pub fn from_toml(text: &str) -> Result<Self, String> {
        let mut signed: Self = from_toml(text, MAX_STATEMENT_TOML_BYTES)?;
        signed.signatures.sort();
        Ok(signed)
    }
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
