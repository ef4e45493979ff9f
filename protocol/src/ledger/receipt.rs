//! Receipts: one leaf of the log with all that is needed to check it offline.
//!
//! Guarantees: a receipt that parses and verifies proves that `quorum` of the given seats certified a log of their
//! coalition that has this leaf at this index. A receipt has one text: any other byte is refused, so nobody can alter
//! one without its failing. Reading is bounded and never panics.
//! Assumes that the caller derives the seats from [`Receipt::founding`] and a pinned coalition id, checking hash,
//! signatures and canonical form of those bytes: nothing inside a receipt vouches for them.
//!
//! How: a `.tlog-proof` file. Its `extra` line carries the leaf and the founding charter in wire encoding; then come
//! the index, the inclusion proof from the leaf's sibling to the root's child, an empty line, and the certificate as
//! a signed note. Other tools skip `extra` or take the leaf from it, and check the rest with the policy file.
//!
//! Source: C2SP tlog-proof@v1; consensus rule "Checkpoints".

use data_encoding::BASE64;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::checkpoint::{Checkpoint, CheckpointError};
use super::cosignature::{Certificate, CertificateError, Cosigners};
use super::merkle::{self, MAX_PROOF_HASHES, MAX_TREE_SIZE, ProofError};
use super::note::{MAX_NOTE_BYTES, NoteError, SignedNote};
use super::{decimal, from_base64, hash_from_base64, hash_to_base64};
use crate::identity::Hash;
use crate::wire::{self, WireError, byte_string};

/// What a receipt's file name ends with.
pub const FILE_EXTENSION: &str = ".tlog-proof";
/// Most bytes of leaf and founding charter together, encoded.
pub const MAX_EXTRA_BYTES: usize = 256 * 1024;
/// Largest receipt, in bytes: extra in base64, the proof and the note.
pub const MAX_RECEIPT_BYTES: usize =
    MAX_EXTRA_BYTES / 3 * 4 + 16 + MAX_PROOF_HASHES * 45 + MAX_NOTE_BYTES + 64;

const HEADER: &str = "c2sp.org/tlog-proof@v1";

/// Why a file is no receipt, or why a receipt proves nothing.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ReceiptError {
    /// Larger than [`MAX_RECEIPT_BYTES`].
    #[error("a receipt of {0} bytes; {MAX_RECEIPT_BYTES} are allowed")]
    TooLarge(usize),
    /// Not UTF-8.
    #[error("the receipt is not UTF-8")]
    Utf8,
    /// A line that is missing or malformed.
    #[error("the receipt's {0} line is missing or malformed")]
    Line(&'static str),
    /// Extra bytes that are not a leaf and a founding charter.
    #[error("extra: {0}")]
    Extra(#[from] WireError),
    /// More hashes than a proof can have.
    #[error("more than {MAX_PROOF_HASHES} hashes in the proof")]
    Path,
    /// The text is not the receipt's one text.
    #[error("not the canonical text of this receipt")]
    NotCanonical,
    /// No signed note behind the proof.
    #[error(transparent)]
    Note(#[from] NoteError),
    /// The note is no checkpoint.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// The note is no certificate of these seats.
    #[error(transparent)]
    Certificate(#[from] CertificateError),
    /// The leaf is not at this index of the certified tree.
    #[error("inclusion: {0}")]
    Inclusion(#[from] ProofError),
}

/// What the `extra` line carries.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Extra {
    #[serde(with = "byte_string")]
    leaf: Vec<u8>,
    #[serde(with = "byte_string")]
    founding: Vec<u8>,
}

/// A leaf, its place in the log, and who certified that log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt {
    extra: Extra,
    index: u64,
    path: Vec<Hash>,
    note: SignedNote,
}

impl Receipt {
    /// Makes a receipt for `leaf`, number `index` of the tree that `certificate` is for; `path` is its inclusion
    /// proof. `founding` is what a reader needs to know the seats: charter and signatures in canonical bytes. The
    /// result is verified, so a wrong part shows here and not at the reader's.
    pub fn new(
        leaf: Vec<u8>,
        founding: Vec<u8>,
        index: u64,
        path: Vec<Hash>,
        certificate: &Certificate,
        cosigners: &Cosigners,
    ) -> Result<Self, ReceiptError> {
        let receipt =
            Self { extra: Extra { leaf, founding }, index, path, note: certificate.to_note(cosigners)? };
        let bytes = wire::encode(&receipt.extra).len();
        if bytes > MAX_EXTRA_BYTES {
            let limit = MAX_EXTRA_BYTES;
            return Err(WireError::TooLarge { bytes, limit }.into());
        }
        receipt.verify(cosigners)?;
        Ok(receipt)
    }

    /// Reads a receipt, at most [`MAX_RECEIPT_BYTES`], and checks that this is its one text. It proves nothing until
    /// [`Receipt::verify`] has held.
    pub fn parse(bytes: &[u8]) -> Result<Self, ReceiptError> {
        if bytes.len() > MAX_RECEIPT_BYTES {
            return Err(ReceiptError::TooLarge(bytes.len()));
        }
        let text = std::str::from_utf8(bytes).map_err(|_| ReceiptError::Utf8)?;
        let (_, rest) =
            text.split_once('\n').filter(|(line, _)| *line == HEADER).ok_or(ReceiptError::Line("first"))?;

        let (line, rest) = rest.split_once('\n').ok_or(ReceiptError::Line("extra"))?;
        let extra = line.strip_prefix("extra ").and_then(from_base64).ok_or(ReceiptError::Line("extra"))?;
        let extra: Extra = wire::decode(&extra, MAX_EXTRA_BYTES)?;

        let (line, mut rest) = rest.split_once('\n').ok_or(ReceiptError::Line("index"))?;
        let index = line
            .strip_prefix("index ")
            .and_then(|number| decimal(number, MAX_TREE_SIZE))
            .ok_or(ReceiptError::Line("index"))?;

        let mut path = Vec::new();
        loop {
            let (line, behind) = rest.split_once('\n').ok_or(ReceiptError::Line("proof"))?;
            rest = behind;
            if line.is_empty() {
                break;
            }
            if path.len() == MAX_PROOF_HASHES {
                return Err(ReceiptError::Path);
            }
            path.push(hash_from_base64(line).ok_or(ReceiptError::Line("proof"))?);
        }
        let note = SignedNote::parse(rest.as_bytes())?;
        Checkpoint::parse(note.text())?;
        let receipt = Self { extra, index, path, note };
        // Every part above has one spelling; this says so of the whole, whatever is added to the format.
        if receipt.encode() == text { Ok(receipt) } else { Err(ReceiptError::NotCanonical) }
    }

    /// The receipt's one text.
    pub fn encode(&self) -> String {
        let extra = BASE64.encode(&wire::encode(&self.extra));
        let mut text = format!("{HEADER}\nextra {extra}\nindex {}\n", self.index);
        for hash in &self.path {
            text.push_str(&hash_to_base64(hash));
            text.push('\n');
        }
        text.push('\n');
        text.push_str(&self.note.encode());
        text
    }

    /// Whether exactly a quorum of `cosigners`, in seat order, certified a tree that has the leaf at its index.
    /// Returns the certificate, whose head says how large that tree was and when.
    pub fn verify(&self, cosigners: &Cosigners) -> Result<Certificate, ReceiptError> {
        let certificate = Certificate::from_note(&self.note, cosigners)?;
        certificate.verify(cosigners)?;
        let head = &certificate.head;
        let leaf = merkle::leaf_hash(&self.extra.leaf);
        merkle::verify_inclusion(&leaf, self.index, head.size, &self.path, &head.root)?;
        Ok(certificate)
    }

    /// The leaf's bytes.
    pub fn leaf(&self) -> &[u8] {
        &self.extra.leaf
    }

    /// The founding charter with its signatures, which the caller must check against a pinned coalition id.
    pub fn founding(&self) -> &[u8] {
        &self.extra.founding
    }

    /// Which leaf of the log, from 0.
    pub fn index(&self) -> u64 {
        self.index
    }
}

#[cfg(test)]
mod tests;
