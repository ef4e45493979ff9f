//! The vocabulary of record feeds: what an entry's body may say.
//!
//! A body is decodable on its own. What a partner says is a [`SignedRecord`] by one of its officers; what a node says
//! by itself (a note, a `due`, a fork proof) is vouched for by the node's signature over its feed. Every signed
//! record names its coalition, so it means nothing elsewhere, and a nonce, so that saying the same twice is possible
//! and resubmitting is harmless: the id is the hash of the signed content, and one id counts once.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::feed::ForkProof;
use crate::identity::{CoalitionId, PublicKey, RecordId, SecretKey, Signature, hash};
use crate::time::Time;
use crate::wire::{self, WireError, byte_string};

/// Largest encoded body of an entry, in bytes.
pub const MAX_BODY_BYTES: usize = 16 * 1024;

const RECORD_DOMAIN: &str = "entente/record/v1";

/// What one entry of a record feed says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Body {
    /// What an officer says for a partner.
    Signed(SignedRecord),
    /// A node's own words: carried and ordered, of no effect on any operation.
    Note(#[serde(with = "byte_string")] Vec<u8>),
    /// A seat's clock is past a deadline that batch time is not: order something, so that time moves.
    Due(Due),
    /// Evidence that a feed has two branches.
    Fork(Box<ForkProof>),
}

impl Body {
    /// Reads a body, at most [`MAX_BODY_BYTES`].
    pub fn decode(bytes: &[u8]) -> Result<Self, WireError> {
        wire::decode(bytes, MAX_BODY_BYTES)
    }

    /// Canonical bytes.
    pub fn encode(&self) -> Vec<u8> {
        wire::encode(self)
    }
}

/// A deadline that has passed by the writer's clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Due {
    /// The operation whose window ends.
    pub operation: RecordId,
    /// When it ends, in batch time.
    pub deadline: Time,
}

/// Sixteen bytes that make a record unique; derived from `--key` where a submission must be idempotent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Nonce(pub [u8; 16]);

impl Nonce {
    /// The nonce that `signer` uses for the submission key `key`: the same for the same key, so that submitting again
    /// gives the same record.
    pub fn from_key(signer: &PublicKey, key: &str) -> Self {
        let digest = hash("entente/nonce/v1", &[signer.as_ed25519(), key.as_bytes()]);
        let mut nonce = [0; 16];
        nonce.copy_from_slice(&digest.0[..16]);
        Self(nonce)
    }
}

/// What an officer signs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// The coalition that it is said in.
    pub coalition: CoalitionId,
    /// Makes it unique.
    pub nonce: Nonce,
    /// The officer's key.
    pub signer: PublicKey,
    /// What is said.
    pub act: Act,
}

impl Record {
    /// The hash of the canonical bytes; the signature is left out.
    pub fn id(&self) -> RecordId {
        RecordId(hash(RECORD_DOMAIN, &[&wire::encode(self)]))
    }

    /// Signs this record with the officer's key, which must be `self.signer`.
    pub fn sign(self, key: &SecretKey) -> SignedRecord {
        let signature = key.sign(RECORD_DOMAIN, &wire::encode(&self));
        SignedRecord {
            record: self,
            signature,
        }
    }
}

/// A record with its officer's signature.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignedRecord {
    /// What is said.
    pub record: Record,
    /// By `record.signer`, over the canonical bytes.
    pub signature: Signature,
}

impl SignedRecord {
    /// Whether the signature is that of the signer named.
    pub fn verify(&self) -> bool {
        self.record
            .signer
            .verify(RECORD_DOMAIN, &wire::encode(&self.record), &self.signature)
    }
}

/// What can be said about operations.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Act {
    /// Opens an operation.
    Open(Open),
    /// Attests to one.
    Attest(Attest),
}

/// Opens an operation of a type that the charter declares.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Open {
    /// The operation type.
    pub kind: String,
    /// One line for people.
    pub title: String,
    /// Named values: times, places, numbers.
    pub body: BTreeMap<String, String>,
}

/// A partner's word on an operation, in a role.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attest {
    /// The operation.
    pub operation: RecordId,
    /// The role that it is said in.
    pub role: Role,
    /// For, against, or neither.
    pub stance: Stance,
    /// A condition or reservation, shown with the outcome.
    pub caveat: Option<String>,
    /// The own earlier attestation that this one replaces.
    pub supersedes: Option<RecordId>,
}

/// A role in an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Answers for the operation.
    Lead,
    /// Contributes to it.
    Supporting,
    /// Watches it; its attestations are shown and never counted.
    Observing,
}

/// What an attestation says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Stance {
    /// For.
    Endorse,
    /// Against; a veto where the outcome rule gives one.
    Object,
    /// Neither; seen and recorded.
    Abstain,
}
