//! Signatures of several keys on one object, in one order.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::identity::{PublicKey, SecretKey, Signature};

/// Most signatures on one object: those of an old and a new expression.
pub const MAX_SIGNATURES: usize = 2 * super::MAX_LEAVES;

/// Why a list of signatures was refused.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum SignaturesError {
    /// Too many.
    #[error("{0} signatures; at most {MAX_SIGNATURES} are allowed")]
    Bound(usize),
    /// Not sorted by key, or a key twice.
    #[error("the signatures are not sorted by key, or {key} signed twice")]
    Order {
        /// Where it breaks.
        key: PublicKey,
    },
    /// Not that key's signature on this object.
    #[error("the signature of {key} does not hold")]
    Bad {
        /// The key.
        key: PublicKey,
    },
}

/// One signature.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SignatureBy {
    /// Who signed.
    pub key: PublicKey,
    /// Its signature.
    pub signature: Signature,
}

/// At most one signature for each key, sorted by key.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Signatures(pub Vec<SignatureBy>);

impl Signatures {
    /// Signs `message` under `domain`; the same key's earlier signature is replaced.
    pub fn sign(&mut self, key: &SecretKey, domain: &str, message: &[u8]) {
        self.put(SignatureBy { key: key.public(), signature: key.sign(domain, message) });
    }

    /// Adds a signature as it is; the same key's earlier one is replaced.
    pub fn put(&mut self, by: SignatureBy) {
        match self.0.binary_search_by(|held| held.key.cmp(&by.key)) {
            Ok(at) => self.0[at] = by,
            Err(at) => self.0.insert(at, by),
        }
    }

    /// Brings signatures from a text into order.
    pub fn sort(&mut self) {
        self.0.sort_by_key(|by| by.key);
    }

    /// Who signed, if every signature holds.
    pub fn verify(&self, domain: &str, message: &[u8]) -> Result<BTreeSet<PublicKey>, SignaturesError> {
        if self.0.len() > MAX_SIGNATURES {
            return Err(SignaturesError::Bound(self.0.len()));
        }
        if let Some(pair) = self.0.windows(2).find(|pair| pair[0].key >= pair[1].key) {
            return Err(SignaturesError::Order { key: pair[1].key });
        }
        match self.0.iter().find(|by| !by.key.verify(domain, message, &by.signature)) {
            Some(bad) => Err(SignaturesError::Bad { key: bad.key }),
            None => Ok(self.0.iter().map(|by| by.key).collect()),
        }
    }
}
