//! The vocabulary of record feeds: what an entry's body may say.
//!
//! A body is decodable on its own. What a partner says is a [`SignedRecord`] by one of its officers; what a node says
//! by itself (a note, a `due`, evidence, an incident) is vouched for by the node's signature over its feed. Every signed
//! record names its coalition, so it means nothing elsewhere, and a nonce, so that saying the same twice is possible
//! and resubmitting is harmless: the id is the hash of the signed content, and one id counts once.

mod asset;
mod authority;
mod dispute;
mod handoff;
mod integrity;
mod key;
mod lease;
mod member;
mod role;
mod shown;

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use data_encoding::BASE32_NOPAD;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

pub use asset::{AssetAct, Contribute, Control, Declare, MAX_GROUND_BYTES, MAX_LABEL_BYTES, Recall};
pub use authority::{AuthorityAct, SignedStatement, Speak, Statement};
pub use integrity::{
    Confirm, EventKind, Incident, IntegrityAct, MAX_COMMITMENTS, MAX_INCIDENT_BYTES, MAX_REPORT_BYTES,
    Matter, Measure, Report, Vote, Withdraw,
};
pub use key::KeyAct;
pub use lease::{Commit, LeaseAct, LeasedOpen};
pub use member::{Change, MAX_REASON_BYTES, MemberAct, Propose, Watch};
pub use role::{MAX_ROLE_BYTES, Role, RoleName};
pub use shown::{Exhibit, MAX_SHOWN_BYTES, Shown};

pub use dispute::{DisputeAct, OpenDispute, Rule, Ruling};
pub use handoff::{
    Accept, Acknowledged, Conclude, Decline, Handed, HandoffAct, MAX_ACKNOWLEDGED, MAX_OFFER_NOTE_BYTES,
    Offer, Reclaim, Takeover,
};

use crate::evidence::Equivocation;
use crate::feed::ForkProof;
use crate::founding::Accession;
use crate::identity::{CoalitionId, Hash, PublicKey, RecordId, SecretKey, Signature, hash};
use crate::lane::Lane;
use crate::time::Time;
use crate::wire::{self, WireError, byte_string};

/// Largest encoded body of an entry, in bytes.
pub const MAX_BODY_BYTES: usize = 16 * 1024;

/// Longest title of an operation, in bytes.
pub const MAX_TITLE_BYTES: usize = 120;
/// Most named values of an operation.
pub const MAX_FIELDS: usize = 32;
/// Longest name of a value, in bytes.
pub const MAX_FIELD_NAME_BYTES: usize = 32;
/// Longest value, in bytes.
pub const MAX_FIELD_BYTES: usize = 512;
/// Most commitments to evidence of one attestation.
pub const MAX_EVIDENCE: usize = 4;
/// Longest caveat, in bytes.
pub const MAX_CAVEAT_BYTES: usize = 256;
/// An ordinary signed attestation encodes to no more than this, the payload of one long-range radio packet.
pub const RADIO_PACKET_BYTES: usize = 237;

const RECORD_DOMAIN: &str = "entente/record/v1";

/// What one entry of a record feed says.
#[expect(clippy::large_enum_variant, reason = "bodies are decoded one at a time; nobody keeps many of them")]
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
    /// Evidence that a seat signed two frames at one place.
    Equivocation(Box<Equivocation>),
    /// What a node has seen of misuse.
    Incident(Box<Incident>),
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
    /// What ends: an operation's window, or an offer.
    pub about: RecordId,
    /// When it ends, in batch time.
    pub deadline: Time,
}

/// Sixteen bytes that make a record unique; derived from `--key` where a submission must be idempotent. Base32 in text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Nonce(pub [u8; 16]);

impl fmt::Display for Nonce {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&BASE32_NOPAD.encode(&self.0).to_ascii_lowercase())
    }
}

impl FromStr for Nonce {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let error = || "expected a nonce: 16 bytes in base32".to_owned();
        if text.len() != 26 || text.bytes().any(|b| b.is_ascii_uppercase()) {
            return Err(error());
        }
        let bytes = BASE32_NOPAD.decode(text.to_ascii_uppercase().as_bytes()).map_err(|_| error())?;
        bytes.try_into().map(Self).map_err(|_| error())
    }
}

impl Serialize for Nonce {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            serializer.collect_str(self)
        } else {
            self.0.serialize(serializer)
        }
    }
}

impl<'de> Deserialize<'de> for Nonce {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if deserializer.is_human_readable() {
            String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
        } else {
            <[u8; 16]>::deserialize(deserializer).map(Self)
        }
    }
}

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
        SignedRecord { record: self, signature }
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
        self.record.signer.verify(RECORD_DOMAIN, &wire::encode(&self.record), &self.signature)
    }

    /// How many signatures are checked to judge it: its own, and those that it carries.
    pub fn signatures(&self) -> usize {
        let carried = match &self.record.act {
            Act::Member(MemberAct::Propose(Propose { change: Change::Amend(amendment), .. })) => {
                let links =
                    |accession: &Accession| accession.delegations.iter().map(|it| it.0.len()).sum::<usize>();
                amendment.admit.iter().map(|accession| 1 + links(accession)).sum()
            }
            Act::Key(KeyAct::Grant(chain)) => chain.0.len(),
            Act::Key(KeyAct::Revoke(_)) => 1,
            Act::Key(KeyAct::Rotate(rotation)) => rotation.signatures.0.len(),
            Act::Authority(AuthorityAct::Speak(speak)) => speak.signatures.0.len(),
            Act::Authority(AuthorityAct::Publish(signed)) => signed.signatures.0.len(),
            _ => 0,
        };
        1 + carried
    }
}

/// A signed record whose signature holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified(SignedRecord);

impl Verified {
    /// The record, if its signature holds.
    pub fn new(signed: SignedRecord) -> Option<Self> {
        signed.verify().then_some(Self(signed))
    }

    /// The record and its signature.
    pub fn signed(&self) -> &SignedRecord {
        &self.0
    }
}

/// What an officer can say for its partner.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Act {
    /// Opens an operation.
    Open(Open),
    /// Attests to one.
    Attest(Attest),
    /// Declares, lends or recalls an asset of the partner.
    Asset(AssetAct),
    /// Proposes a change of membership, leaves, or hands over the watch.
    Member(MemberAct),
    /// Reports misuse, or says something on a report.
    Integrity(IntegrityAct),
    /// Hands a role of an operation over, or ends it.
    Handoff(HandoffAct),
    /// Contests something, or rules on that.
    Dispute(DisputeAct),
    /// Takes back an own attestation.
    Withdraw(Withdrawal),
    /// Says something for an authority, or makes a version of an alliance known.
    Authority(AuthorityAct),
    /// Changes keys of a partner, the own or another.
    Key(KeyAct),
    /// Opens or takes up an operation alone, under a lease.
    Lease(LeaseAct),
}

impl Act {
    /// What this opens, as the partner words it; an operation that changes the coalition itself is worded by its change.
    pub fn opening(&self) -> Option<&Open> {
        match self {
            Self::Open(open) | Self::Lease(LeaseAct::Open(LeasedOpen { open, .. })) => Some(open),
            _ => None,
        }
    }

    /// The operation that this names.
    pub fn operation(&self) -> Option<RecordId> {
        match self {
            Self::Open(_) | Self::Integrity(_) | Self::Key(_) => None,
            Self::Attest(attest) => Some(attest.operation),
            Self::Withdraw(withdraw) => Some(withdraw.operation),
            Self::Asset(act) => act.operation(),
            Self::Member(_) => None,
            Self::Handoff(act) => act.operation(),
            Self::Dispute(_) => None,
            Self::Authority(act) => act.operation(),
            Self::Lease(act) => act.operation(),
        }
    }

    /// What this is about: the record that opened it; none where that is this record itself.
    pub fn about(&self) -> Option<RecordId> {
        match self {
            Self::Open(_) | Self::Key(_) => None,
            Self::Attest(attest) => Some(attest.operation),
            Self::Withdraw(withdraw) => Some(withdraw.operation),
            Self::Asset(act) => act.asset(),
            Self::Member(_) => None,
            Self::Integrity(act) => act.event(),
            Self::Handoff(act) => act.about(),
            Self::Dispute(act) => act.about(),
            Self::Authority(act) => act.operation(),
            Self::Lease(act) => act.operation(),
        }
    }

    /// The operation that waiting for a decision means, for a record with this act and the id `id`.
    pub fn decides(&self, id: RecordId) -> Option<RecordId> {
        match self {
            Self::Open(_) | Self::Member(MemberAct::Propose(_)) => Some(id),
            Self::Attest(attest) => Some(attest.operation),
            Self::Withdraw(withdraw) => Some(withdraw.operation),
            Self::Authority(act) => act.operation(),
            Self::Lease(act) => Some(act.operation().unwrap_or(id)),
            Self::Asset(_)
            | Self::Member(_)
            | Self::Integrity(_)
            | Self::Handoff(_)
            | Self::Dispute(_)
            | Self::Key(_) => None,
        }
    }
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
    /// A higher precedence than the type's.
    pub precedence: Option<Lane>,
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
    /// A condition or reservation, shown with the outcome; of an objection its ground.
    pub caveat: Option<String>,
    /// Commitments to evidence that stays where it is: SHA-256 of files, salted or not; ascending, at most
    /// [`MAX_EVIDENCE`].
    pub evidence: Vec<Hash>,
    /// The own earlier attestation that this one replaces.
    pub supersedes: Option<RecordId>,
}

/// Takes back an own attestation as a mistake, while the window is open. What stood before it does not stand again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Withdrawal {
    /// The operation.
    pub operation: RecordId,
    /// The own attestation that stands.
    pub attestation: RecordId,
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

impl Stance {
    /// All stances.
    pub const ALL: [Self; 3] = [Self::Endorse, Self::Object, Self::Abstain];

    /// The name in text.
    pub fn name(self) -> &'static str {
        match self {
            Self::Endorse => "endorse",
            Self::Object => "object",
            Self::Abstain => "abstain",
        }
    }
}

impl fmt::Display for Stance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Stance {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL
            .into_iter()
            .find(|stance| stance.name() == text)
            .ok_or_else(|| format!("{text:?} is no stance: endorse, object or abstain"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attestation(role: Role, caveat: Option<String>, supersedes: Option<RecordId>) -> SignedRecord {
        let key = SecretKey::from_seed(&[1; 32]);
        Record {
            coalition: CoalitionId(hash("test", &[])),
            nonce: Nonce::from_key(&key.public(), "a"),
            signer: key.public(),
            act: Act::Attest(Attest {
                operation: RecordId(hash("operation", &[])),
                role,
                stance: Stance::Endorse,
                caveat,
                evidence: vec![],
                supersedes,
            }),
        }
        .sign(&key)
    }

    #[test]
    fn an_ordinary_attestation_fits_one_radio_packet() {
        let other = Some(RecordId(hash("earlier", &[])));
        let longest = "r".repeat(MAX_ROLE_BYTES).parse().expect("a role");
        for (role, caveat, supersedes) in [
            (Role::Supporting, None, None),
            (Role::Supporting, None, other),
            (Role::Supporting, Some("daylight only".to_owned()), other),
            (Role::Supporting, Some("not before 06:40, at most two aircraft at a time".to_owned()), None),
            (longest, None, other),
            (longest, Some("not before 06:40, two aircraft".to_owned()), None),
        ] {
            let body = Body::Signed(attestation(role, caveat, supersedes));
            let bytes = body.encode();
            assert!(bytes.len() <= RADIO_PACKET_BYTES, "{} bytes", bytes.len());
            assert_eq!(Body::decode(&bytes), Ok(body));
        }
    }

    #[test]
    fn the_id_leaves_the_signature_out_and_the_signature_covers_every_word() {
        let signed = attestation(Role::Supporting, None, None);
        assert!(signed.verify());
        let mut other = signed.clone();
        other.signature = SecretKey::from_seed(&[2; 32]).sign(RECORD_DOMAIN, &wire::encode(&other.record));
        assert_eq!(other.record.id(), signed.record.id());
        assert!(!other.verify());
        let mut changed = signed.clone();
        changed.record.nonce.0[0] ^= 1;
        assert_ne!(changed.record.id(), signed.record.id());
        assert!(!changed.verify());
    }

    #[test]
    fn nonces_and_stances_come_back_from_text() {
        let nonce = Nonce::from_key(&SecretKey::from_seed(&[1; 32]).public(), "k");
        assert_eq!(nonce.to_string().parse(), Ok(nonce));
        assert_eq!(wire::encode(&nonce).len(), 16);
        for stance in Stance::ALL {
            assert_eq!(stance.to_string().parse(), Ok(stance));
        }
    }
}
