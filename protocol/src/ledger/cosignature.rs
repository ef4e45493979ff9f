//! Cosignatures: what a seat says about a checkpoint, and the certificate that `quorum` of them make.
//!
//! Guarantees: a [`Certificate`] verifies only with exactly `quorum` signatures by different known seats, in seat
//! order, all over one checkpoint of the coalition's own log and one time; so for a given choice of seats it has one
//! form. Any two certificates share an honest seat, which signs no two trees of which one is not a prefix of the other.
//! Assumes at most f faulty seats, and that `quorum` comes from the committee (n-f).
//!
//! How: the signed message is `cosignature/v1`, the time, and the checkpoint's text. Other witnesses sign with their
//! own clock; seats sign with the batch time in whole seconds, which all compute alike, so all sign the same bytes.
//! The message does not contain the seat's name: a key must serve one seat of one coalition under one name, which
//! [`Cosigners::new`] checks within a coalition.
//!
//! Source: C2SP tlog-cosignature v1.0.0, sections "Format" and "Ed25519 signed message"; consensus rule "Checkpoints".

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::checkpoint::{Checkpoint, CheckpointError, origin};
use super::merkle::MAX_TREE_SIZE;
use super::note::{self, KeyId, KeyName, MAX_SIGNATURES, NoteError, NoteSignature, SignedNote};
use crate::identity::{CoalitionId, Hash, PublicKey, SecretKey, Signature};
use crate::time::Time;

/// The signature type of timestamped ed25519 cosignatures.
pub const COSIGNATURE_TYPE: u8 = 0x04;
/// Most seats that can cosign: what fits into a note.
pub const MAX_COSIGNERS: usize = MAX_SIGNATURES;
/// Latest time that a cosignature can carry, in seconds.
pub const MAX_TIME_S: u64 = i64::MAX as u64;
/// Largest encoded [`Certificate`], in bytes: [`MAX_COSIGNERS`] signatures and a head.
pub const MAX_CERTIFICATE_BYTES: usize = MAX_COSIGNERS * 68 + 64;

/// Why seats cannot be trusted as a set.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum CosignersError {
    /// None, or more than [`MAX_COSIGNERS`].
    #[error("{0} seats; 1 to {MAX_COSIGNERS} are allowed")]
    Count(usize),
    /// A quorum of none or of more seats than there are.
    #[error("a quorum of {quorum} among {seats} seats")]
    Quorum {
        /// Quorum asked for.
        quorum: usize,
        /// Number of seats.
        seats: usize,
    },
    /// A partner whose name cannot be part of a key's name.
    #[error(
        "partner name {0:?} is empty, too long, or contains a space, a control character, '/', '+' or '#'"
    )]
    Name(String),
    /// Two seats with one name.
    #[error("two seats are named {0:?}")]
    SameName(String),
    /// Two seats with one key: one voice must not count twice.
    #[error("two seats have the key {0}")]
    SameKey(PublicKey),
}

/// A seat's key and its name in signature lines: `entente/<coalition>/<partner>`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cosigner {
    partner: String,
    name: KeyName,
    key: PublicKey,
}

impl Cosigner {
    /// The cosigner of `partner`'s seat.
    pub fn new(coalition: &CoalitionId, partner: &str, key: PublicKey) -> Result<Self, CosignersError> {
        let refused = || CosignersError::Name(partner.chars().take(note::MAX_NAME_BYTES).collect());
        // '/' separates the parts of the name; some readers of policy files begin a comment at any '#'.
        if partner.is_empty() || partner.contains(['/', '#']) {
            return Err(refused());
        }
        let name = KeyName::new(format!("{}/{partner}", origin(coalition))).map_err(|_| refused())?;
        Ok(Self { partner: partner.to_owned(), name, key })
    }

    /// The partner that the seat belongs to.
    pub fn partner(&self) -> &str {
        &self.partner
    }

    /// The name in signature lines.
    pub fn name(&self) -> &KeyName {
        &self.name
    }

    /// The seat's key.
    pub fn key(&self) -> &PublicKey {
        &self.key
    }

    /// The key's id in signature lines.
    pub fn id(&self) -> KeyId {
        KeyId::new(&self.name, COSIGNATURE_TYPE, self.key.as_ed25519())
    }

    /// The key as text, for a policy file.
    pub fn vkey(&self) -> String {
        note::vkey(&self.name, COSIGNATURE_TYPE, self.key.as_ed25519())
    }
}

/// Who must have cosigned: a coalition's seats in seat order, and how many of them are a quorum.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cosigners {
    coalition: CoalitionId,
    seats: Vec<Cosigner>,
    quorum: usize,
}

impl Cosigners {
    /// The seats, as partner and key in seat order; `quorum` is the committee's.
    pub fn new<N: AsRef<str>>(
        coalition: CoalitionId,
        seats: impl IntoIterator<Item = (N, PublicKey)>,
        quorum: usize,
    ) -> Result<Self, CosignersError> {
        let seats = seats
            .into_iter()
            .map(|(partner, key)| Cosigner::new(&coalition, partner.as_ref(), key))
            .collect::<Result<Vec<_>, _>>()?;
        if seats.is_empty() || seats.len() > MAX_COSIGNERS {
            return Err(CosignersError::Count(seats.len()));
        }
        if quorum == 0 || quorum > seats.len() {
            return Err(CosignersError::Quorum { quorum, seats: seats.len() });
        }
        let (mut names, mut keys) = (BTreeSet::new(), BTreeSet::new());
        for seat in &seats {
            if !names.insert(seat.partner()) {
                return Err(CosignersError::SameName(seat.partner.clone()));
            }
            if !keys.insert(seat.key) {
                return Err(CosignersError::SameKey(seat.key));
            }
        }
        Ok(Self { coalition, seats, quorum })
    }

    /// The coalition whose log they cosign.
    pub fn coalition(&self) -> &CoalitionId {
        &self.coalition
    }

    /// The seats, in seat order.
    pub fn seats(&self) -> &[Cosigner] {
        &self.seats
    }

    /// How many must have cosigned.
    pub fn quorum(&self) -> usize {
        self.quorum
    }
}

/// The tree head of a batch and its time: what every seat that applied the batch signs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct TreeHead {
    /// Number of leaves.
    pub size: u64,
    /// RFC 6962 root of the tree of that size.
    pub root: Hash,
    /// Batch time in whole seconds since 1970.
    pub time_s: u64,
}

impl TreeHead {
    /// The head after a batch: `size` leaves under `root` at batch time `time`, of which the milliseconds are cut off.
    pub fn new(size: u64, root: Hash, time: Time) -> Self {
        Self { size, root, time_s: time.seconds() }
    }

    /// As a checkpoint of the coalition's log.
    pub fn checkpoint(&self, coalition: &CoalitionId) -> Checkpoint {
        Checkpoint::new(coalition, self.size, self.root)
    }

    /// The bytes that a cosignature covers.
    pub fn message(&self, coalition: &CoalitionId) -> Vec<u8> {
        let body = self.checkpoint(coalition).body();
        format!("cosignature/v1\ntime {}\n{body}", self.time_s).into_bytes()
    }

    /// Cosigns with a seat's key.
    pub fn cosign(&self, coalition: &CoalitionId, key: &SecretKey) -> Signature {
        key.sign_raw(&self.message(coalition))
    }

    /// Whether `signature` is a cosignature of this head by `key`.
    pub fn verify(&self, coalition: &CoalitionId, key: &PublicKey, signature: &Signature) -> bool {
        self.in_range() && key.verify_raw(&self.message(coalition), signature)
    }

    fn in_range(&self) -> bool {
        self.size <= MAX_TREE_SIZE && self.time_s <= MAX_TIME_S
    }
}

/// One seat's word on a tree head.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Cosignature {
    /// Index of the seat.
    pub seat: u16,
    /// Over [`TreeHead::message`].
    pub signature: Signature,
}

/// Why a certificate does not hold.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum CertificateError {
    /// Size or time out of range.
    #[error("tree size {size} or time {time_s} s is out of range")]
    Range {
        /// Size stated, in leaves.
        size: u64,
        /// Time stated, in seconds.
        time_s: u64,
    },
    /// Not exactly a quorum.
    #[error("{found} cosignatures where the quorum is {quorum}")]
    Count {
        /// Cosignatures found.
        found: usize,
        /// The quorum.
        quorum: usize,
    },
    /// No such seat.
    #[error("no seat {0}")]
    Seat(u16),
    /// Seats out of order, or one of them twice.
    #[error("the cosignature of seat {0} is out of order")]
    Order(u16),
    /// A cosignature that is not the seat's.
    #[error("the cosignature of seat {0} does not hold")]
    Signature(u16),
    /// The text is no signed note.
    #[error(transparent)]
    Note(#[from] NoteError),
    /// The note is no checkpoint.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// A checkpoint of another log.
    #[error("the checkpoint is of {found:?}, not of {expected:?}")]
    Origin {
        /// Origin stated.
        found: String,
        /// Origin of the coalition.
        expected: String,
    },
    /// Extension lines, which no seat signs.
    #[error("the checkpoint has extension lines")]
    Extensions,
    /// A signature line of no known seat.
    #[error("signature line {0} is of no known seat")]
    Unknown(usize),
    /// A signature line that holds no cosignature with a time.
    #[error("signature line {0} holds no timestamped ed25519 signature")]
    Line(usize),
    /// Cosignatures with different times.
    #[error("signature line {0} has another time than the first")]
    Time(usize),
}

/// A tree head with the cosignatures of exactly `quorum` seats, in seat order. This is also its compact form for
/// storage and peers; [`Certificate::to_note`] gives the text that others can check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Certificate {
    /// What is certified.
    pub head: TreeHead,
    /// By whom.
    pub cosignatures: Vec<Cosignature>,
}

impl Certificate {
    /// Makes a certificate from *verified* cosignatures by seat, as soon as there are `quorum`; the lowest seats are
    /// taken.
    pub fn assemble(
        head: TreeHead,
        cosignatures: &BTreeMap<u16, Signature>,
        cosigners: &Cosigners,
    ) -> Option<Self> {
        let cosignatures: Vec<_> = cosignatures
            .iter()
            .take(cosigners.quorum)
            .map(|(&seat, &signature)| Cosignature { seat, signature })
            .collect();
        (cosignatures.len() == cosigners.quorum).then_some(Self { head, cosignatures })
    }

    /// Whether exactly a quorum of different seats, in seat order, have cosigned.
    pub fn verify(&self, cosigners: &Cosigners) -> Result<(), CertificateError> {
        let TreeHead { size, time_s, .. } = self.head;
        if !self.head.in_range() {
            return Err(CertificateError::Range { size, time_s });
        }
        if self.cosignatures.len() != cosigners.quorum {
            return Err(CertificateError::Count { found: self.cosignatures.len(), quorum: cosigners.quorum });
        }
        let message = self.head.message(&cosigners.coalition);
        let mut before = None;
        for Cosignature { seat, signature } in &self.cosignatures {
            let cosigner = cosigners.seats.get(usize::from(*seat)).ok_or(CertificateError::Seat(*seat))?;
            if before.is_some_and(|before| before >= *seat) {
                return Err(CertificateError::Order(*seat));
            }
            before = Some(*seat);
            if !cosigner.key.verify_raw(&message, signature) {
                return Err(CertificateError::Signature(*seat));
            }
        }
        Ok(())
    }

    /// The certificate as a signed note. Seats that `cosigners` lacks make it fail, as does a certificate without
    /// cosignatures.
    pub fn to_note(&self, cosigners: &Cosigners) -> Result<SignedNote, CertificateError> {
        let mut lines = Vec::with_capacity(self.cosignatures.len().min(MAX_SIGNATURES));
        for Cosignature { seat, signature } in &self.cosignatures {
            let cosigner = cosigners.seats.get(usize::from(*seat)).ok_or(CertificateError::Seat(*seat))?;
            lines.push(NoteSignature {
                name: cosigner.name.clone(),
                id: cosigner.id(),
                // struct timestamped_signature
                signature: [&self.head.time_s.to_be_bytes()[..], signature.as_ed25519()].concat(),
            });
        }
        let text = self.head.checkpoint(&cosigners.coalition).body();
        Ok(SignedNote::new(text, lines)?)
    }

    /// Reads a certificate from a signed note. Only its form is checked: call [`Certificate::verify`].
    ///
    /// The specification tells clients to ignore lines of unknown keys; here they are refused, so that a certificate
    /// has one text.
    pub fn from_note(note: &SignedNote, cosigners: &Cosigners) -> Result<Self, CertificateError> {
        let checkpoint = Checkpoint::parse(note.text())?;
        let expected = origin(&cosigners.coalition);
        if checkpoint.origin() != expected {
            return Err(CertificateError::Origin { found: checkpoint.origin().to_owned(), expected });
        }
        if !checkpoint.extensions().is_empty() {
            return Err(CertificateError::Extensions);
        }
        let ids: BTreeMap<_, _> = (0..)
            .zip(&cosigners.seats)
            .map(|(seat, cosigner)| ((cosigner.name(), cosigner.id()), seat))
            .collect();
        let (mut time_s, mut cosignatures) = (None, Vec::new());
        for (number, line) in (1..).zip(note.signatures()) {
            let seat = *ids.get(&(&line.name, line.id)).ok_or(CertificateError::Unknown(number))?;
            let (time, signature) = line
                .signature
                .split_first_chunk::<8>()
                .and_then(|(time, rest)| Some((u64::from_be_bytes(*time), <[u8; 64]>::try_from(rest).ok()?)))
                .ok_or(CertificateError::Line(number))?;
            if *time_s.get_or_insert(time) != time {
                return Err(CertificateError::Time(number));
            }
            cosignatures.push(Cosignature { seat, signature: Signature::from_ed25519(signature) });
        }
        let head = TreeHead {
            size: checkpoint.size(),
            root: checkpoint.root(),
            time_s: time_s.ok_or(CertificateError::Line(1))?,
        };
        Ok(Self { head, cosignatures })
    }
}

#[cfg(test)]
mod tests;
