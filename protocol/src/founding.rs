//! Founding: how a charter that all roots signed becomes a coalition.
//!
//! Guarantees: [`Founded`] exists only for a charter without lint errors that the root of *every* partner signed, with
//! delegations that say exactly what the charter says, no more and no less. So no node ever acts on a charter that a
//! partner did not sign, and a key acts only in the way its partner's root declared.
//!
//! How: each root signs the coalition's id, which is the hash of the charter, and one delegation per key of its
//! partner ([`CharterSignature::sign`], on a machine that may be offline). The signatures are merged in any order
//! ([`Founding::merge`]). The founded file also carries the coalition secret, by hand, to those who join.

mod accession;
mod chain;
#[cfg(test)]
pub(crate) mod fixture;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::str::FromStr;
use std::sync::Arc;

use data_encoding::BASE32_NOPAD;
use serde::{Deserialize, Deserializer, Serialize, de};
use thiserror::Error;
use zeroize::{Zeroize, Zeroizing};

pub use accession::{Accession, Proposed};
pub use chain::CharterChain;

use crate::charter::text::{all_of, from_toml, to_toml};
use crate::charter::{
    CHARTER_VERSION, Charter, CharterError, MAX_PARTNERS, Partner, PartnerName, Severity, lint,
};
use crate::credential::{Capability, Chain, CredentialError, Delegation};
use crate::identity::{CoalitionId, Hash, PublicKey, SecretKey, Signature};
use crate::time::Time;

/// Largest text form of a founding, in bytes.
pub const MAX_FOUNDING_TOML_BYTES: usize = 4 * 1024 * 1024;

const SIGNATURE_DOMAIN: &str = "entente/charter-signature/v1";

/// Why a founding was refused.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum FoundingError {
    /// The text is not what is expected; names the line where it can.
    #[error("{0}")]
    Text(String),
    /// The charter is out of bounds or order.
    #[error(transparent)]
    Charter(#[from] CharterError),
    /// The charter can never work.
    #[error("the charter has errors: {}", .0.join("; "))]
    Lint(Vec<String>),
    /// A root that is no partner's.
    #[error("{root} is not the root of any partner of this charter")]
    NotARoot {
        /// The key.
        root: PublicKey,
    },
    /// Signed by somebody who is no partner.
    #[error("{partner} is no partner of this charter")]
    UnknownPartner {
        /// Who is named.
        partner: PartnerName,
    },
    /// A signature on another charter, or an earlier draft of this one.
    #[error("{partner} signed {signed}, but this charter is {expected}; each root signs the final text")]
    OtherCharter {
        /// Whose signature.
        partner: PartnerName,
        /// What was signed.
        signed: CoalitionId,
        /// What was to be signed.
        expected: CoalitionId,
    },
    /// A word on another version of the charter, or on an earlier draft of this one.
    #[error(
        "{partner} joins with the version {signed}, but this one is {expected}; its root signs the final text"
    )]
    OtherVersion {
        /// Whose word.
        partner: PartnerName,
        /// What was signed.
        signed: Hash,
        /// What was to be signed.
        expected: Hash,
    },
    /// A root that no partner has which the version admits.
    #[error("{root} is not the root of any partner that this version admits")]
    NotAdmitted {
        /// The key.
        root: PublicKey,
    },
    /// A signature that is not the root's.
    #[error("the charter signature of {partner} does not hold")]
    BadSignature {
        /// Whose signature.
        partner: PartnerName,
    },
    /// The same partner twice.
    #[error("{partner} signed twice")]
    SignedTwice {
        /// Whose signature.
        partner: PartnerName,
    },
    /// Not all roots signed.
    #[error("not signed by {}", all_of(.missing))]
    Unsigned {
        /// Who is missing.
        missing: Vec<PartnerName>,
    },
    /// A delegation that does not hold.
    #[error("delegation {index} of {partner}: {error}")]
    Credential {
        /// Whose.
        partner: PartnerName,
        /// Position in the signature's chains, from 0.
        index: usize,
        /// What is wrong.
        error: CredentialError,
    },
    /// Delegations that are not those that the charter states.
    #[error("the delegations of {partner} are not those that the charter states: {reason}")]
    Delegations {
        /// Whose.
        partner: PartnerName,
        /// What differs.
        reason: String,
    },
}

/// What one root gives to found a coalition. The file is called `NAME.signature.toml`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CharterSignature {
    /// What is signed.
    pub coalition: CoalitionId,
    /// For whom.
    pub partner: PartnerName,
    /// By the partner's root, over the coalition's id.
    pub signature: Signature,
    /// One per key: officers, the seat, nodes, each in charter order.
    pub delegations: Vec<Chain>,
}

/// What the charter states that a partner's root delegates, in order: directly, one capability to each key.
fn stated(partner: &Partner, coalition: CoalitionId) -> impl Iterator<Item = (Capability, Delegation)> {
    let officers = partner.officers.iter().map(|key| (*key, Capability::Officer));
    let nodes = partner.nodes.iter().map(|key| (*key, Capability::Node));
    officers.chain([(partner.seat, Capability::Seat)]).chain(nodes).map(move |(subject, capability)| {
        let until = partner.credentials_until;
        let delegation =
            Delegation::direct(coalition, partner.root, subject, partner.name.clone(), capability, until);
        (capability, delegation)
    })
}

impl CharterSignature {
    /// Signs a charter and the delegations that it states for the partner whose root this is. A charter with lint
    /// errors is refused.
    pub fn sign(charter: &Charter, root: &SecretKey) -> Result<Self, FoundingError> {
        refuse_errors(charter)?;
        let public = root.public();
        let partner = charter
            .partners
            .iter()
            .find(|partner| partner.root == public)
            .ok_or(FoundingError::NotARoot { root: public })?;
        let coalition = charter.id();
        Ok(Self {
            coalition,
            partner: partner.name.clone(),
            signature: root.sign(SIGNATURE_DOMAIN, coalition.as_bytes()),
            delegations: stated(partner, coalition)
                .map(|(_, delegation)| Chain(vec![delegation.sign(root)]))
                .collect(),
        })
    }

    /// Whether this is the complete word of its partner on `charter`.
    pub fn verify(&self, charter: &Charter) -> Result<(), FoundingError> {
        self.verify_as(charter, charter.id())
    }

    fn verify_as(&self, charter: &Charter, coalition: CoalitionId) -> Result<(), FoundingError> {
        let name = &self.partner;
        let partner = charter
            .partner(name.as_str())
            .ok_or_else(|| FoundingError::UnknownPartner { partner: name.clone() })?;
        if self.coalition != coalition {
            return Err(FoundingError::OtherCharter {
                partner: name.clone(),
                signed: self.coalition,
                expected: coalition,
            });
        }
        if !partner.root.verify(SIGNATURE_DOMAIN, coalition.as_bytes(), &self.signature) {
            return Err(FoundingError::BadSignature { partner: name.clone() });
        }
        check_delegations(partner, coalition, &self.delegations, charter.created)
    }

    /// The text form.
    pub fn to_toml(&self) -> String {
        to_toml(self)
    }

    /// Reads the text form; verified when it is merged.
    pub fn from_toml(text: &str) -> Result<Self, FoundingError> {
        from_toml(text, MAX_FOUNDING_TOML_BYTES).map_err(FoundingError::Text)
    }
}

/// Whether chains are those that the charter states of `partner`, no more and no less, each valid at the time `at`.
fn check_delegations(
    partner: &Partner,
    coalition: CoalitionId,
    chains: &[Chain],
    at: Time,
) -> Result<(), FoundingError> {
    let name = &partner.name;
    let differs = |reason: String| FoundingError::Delegations { partner: name.clone(), reason };
    let stated = stated(partner, coalition).collect::<Vec<_>>();
    if chains.len() != stated.len() {
        return Err(differs(format!("{} instead of {}", chains.len(), stated.len())));
    }
    for (index, (chain, (capability, stated))) in chains.iter().zip(&stated).enumerate() {
        let leaf = chain
            .verify(&partner.root, &coalition, *capability, at)
            .map_err(|error| FoundingError::Credential { partner: name.clone(), index, error })?;
        if leaf != stated {
            return Err(differs(format!(
                "delegation {index} is not that of {capability} {} until {}",
                stated.subject,
                crate::charter::show_time(stated.not_after)
            )));
        }
    }
    Ok(())
}

fn refuse_errors(charter: &Charter) -> Result<(), FoundingError> {
    charter.check()?;
    if charter.version != CHARTER_VERSION {
        return Err(CharterError::Version { found: charter.version }.into());
    }
    refuse_lint_errors(charter)
}

fn refuse_lint_errors(charter: &Charter) -> Result<(), FoundingError> {
    let errors = lint(charter)
        .into_iter()
        .filter(|lint| lint.severity == Severity::Error)
        .map(|lint| lint.message)
        .collect::<Vec<_>>();
    if errors.is_empty() { Ok(()) } else { Err(FoundingError::Lint(errors)) }
}

/// A charter with the signatures collected so far.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Founding {
    /// The charter.
    pub charter: Charter,
    /// At most one per partner, sorted by partner.
    #[serde(default)]
    pub signatures: Vec<CharterSignature>,
}

impl Founding {
    /// A charter that nobody signed yet.
    pub fn new(charter: Charter) -> Self {
        Self { charter, signatures: Vec::new() }
    }

    /// Adds a signature after verifying it. The same partner's earlier one is replaced.
    pub fn merge(&mut self, signature: CharterSignature) -> Result<(), FoundingError> {
        signature.verify(&self.charter)?;
        match self.signatures.binary_search_by(|held| held.partner.cmp(&signature.partner)) {
            Ok(at) => self.signatures[at] = signature,
            Err(at) => self.signatures.insert(at, signature),
        }
        Ok(())
    }

    /// Whose signature is missing.
    pub fn missing(&self) -> Vec<PartnerName> {
        let signed = |name: &PartnerName| self.signatures.iter().any(|held| held.partner == *name);
        self.charter
            .partners
            .iter()
            .map(|partner| partner.name.clone())
            .filter(|name| !signed(name))
            .collect()
    }

    /// The coalition, if its charter is sound and every root signed it.
    pub fn verify(&self) -> Result<Founded, FoundingError> {
        refuse_errors(&self.charter)?;
        let coalition = self.charter.id();
        if self.signatures.len() > MAX_PARTNERS {
            return Err(FoundingError::Text(format!(
                "{} signatures; at most {MAX_PARTNERS} are allowed",
                self.signatures.len()
            )));
        }
        for (at, signature) in self.signatures.iter().enumerate() {
            signature.verify_as(&self.charter, coalition)?;
            if self.signatures[..at].iter().any(|held| held.partner == signature.partner) {
                return Err(FoundingError::SignedTwice { partner: signature.partner.clone() });
            }
        }
        let missing = self.missing();
        if !missing.is_empty() {
            return Err(FoundingError::Unsigned { missing });
        }
        Ok(Founded::new(self, coalition))
    }

    /// The text form, without a secret.
    pub fn to_toml(&self) -> String {
        to_toml(self)
    }

    /// Reads the text form; a file with a coalition secret is read by [`FoundedFile::from_toml`] alone.
    pub fn from_toml(text: &str) -> Result<Self, FoundingError> {
        let mut founding: Self = from_toml(text, MAX_FOUNDING_TOML_BYTES).map_err(FoundingError::Text)?;
        founding.charter.sort();
        founding.charter.check()?;
        founding.signatures.sort_by(|a, b| a.partner.cmp(&b.partner));
        Ok(founding)
    }
}

/// What a key may do.
#[derive(Debug, Clone)]
struct Holder {
    partner: usize,
    capability: Capability,
    chain: Chain,
}

/// A founded coalition: who is who.
#[derive(Debug, Clone)]
pub struct Founded {
    coalition: CoalitionId,
    founding: Arc<Founding>,
    charter: Arc<Charter>,
    seats: Vec<PublicKey>,
    keys: BTreeMap<PublicKey, Holder>,
}

impl Founded {
    fn new(founding: &Founding, coalition: CoalitionId) -> Self {
        let charter = Arc::new(founding.charter.clone());
        let mut keys = BTreeMap::new();
        for signature in &founding.signatures {
            let partner = charter
                .partners
                .iter()
                .position(|partner| partner.name == signature.partner)
                .expect("verified signatures name partners of the charter");
            for chain in &signature.delegations {
                let leaf = chain.leaf().expect("verified chains have a link");
                let capability = *leaf.capabilities.first().expect("verified links give a capability");
                keys.insert(leaf.subject, Holder { partner, capability, chain: chain.clone() });
            }
        }
        Self {
            coalition,
            founding: Arc::new(founding.clone()),
            seats: charter.partners.iter().map(|partner| partner.seat).collect(),
            charter,
            keys,
        }
    }

    /// The coalition's identity.
    pub fn coalition(&self) -> CoalitionId {
        self.coalition
    }

    /// The charter.
    pub fn charter(&self) -> &Arc<Charter> {
        &self.charter
    }

    /// Charter and signatures, to write them again.
    pub fn founding(&self) -> &Founding {
        &self.founding
    }

    /// The partners in seat order.
    pub fn partners(&self) -> &[Partner] {
        &self.charter.partners
    }

    /// Number of seats.
    pub fn committee_size(&self) -> usize {
        self.seats.len()
    }

    /// The seats' keys, in seat order.
    pub fn seats(&self) -> &[PublicKey] {
        &self.seats
    }

    /// The index of a seat, from its key.
    pub fn seat_index(&self, key: &PublicKey) -> Option<usize> {
        self.seats.iter().position(|seat| seat == key)
    }

    /// All keys but the roots, with their partners, what they may do, and the chains that say so.
    pub fn keys(&self) -> impl Iterator<Item = (PublicKey, &Partner, Capability, &Chain)> {
        self.keys.iter().map(|(key, holder)| {
            (*key, &self.charter.partners[holder.partner], holder.capability, &holder.chain)
        })
    }

    /// All nodes that the charter enrols, with their partners.
    pub fn nodes(&self) -> impl Iterator<Item = (PublicKey, &Partner)> {
        self.partners().iter().flat_map(|partner| partner.nodes.iter().map(move |node| (*node, partner)))
    }

    /// Whose officer the charter makes a key. Who is one now is for [`State::officer`](crate::coalition::State::officer).
    pub fn officer(&self, key: &PublicKey) -> Option<&Partner> {
        self.holder(key, Capability::Officer)
    }

    /// Whose node the charter makes a key. Which is one now is for [`State::node`](crate::coalition::State::node).
    pub fn node(&self, key: &PublicKey) -> Option<&Partner> {
        self.holder(key, Capability::Node)
    }

    /// Whose seat a key is.
    pub fn seat(&self, key: &PublicKey) -> Option<&Partner> {
        self.holder(key, Capability::Seat)
    }

    fn holder(&self, key: &PublicKey, capability: Capability) -> Option<&Partner> {
        self.keys
            .get(key)
            .filter(|holder| holder.capability == capability)
            .map(|holder| &self.charter.partners[holder.partner])
    }

    /// Whose key this is and what it may do.
    pub fn key(&self, key: &PublicKey) -> Option<(&Partner, Capability)> {
        self.keys.get(key).map(|holder| (&self.charter.partners[holder.partner], holder.capability))
    }

    /// The delegation chain of a key.
    pub fn chain(&self, key: &PublicKey) -> Option<&Chain> {
        self.keys.get(key).map(|holder| &holder.chain)
    }

    /// Checks a chain that somebody shows, at the time `now`: it must lead from the root of a partner to a key that
    /// the charter declares for `capability`. Returns partner and key.
    pub fn admit(
        &self,
        chain: &Chain,
        capability: Capability,
        now: Time,
    ) -> Result<(&Partner, PublicKey), CredentialError> {
        let claimed = chain.leaf().ok_or(CredentialError::Length(0))?;
        let partner = self
            .charter
            .partner(claimed.partner.as_str())
            .ok_or_else(|| CredentialError::UnknownPartner { partner: claimed.partner.clone() })?;
        let leaf = chain.verify(&partner.root, &self.coalition, capability, now)?;
        match self.holder(&leaf.subject, capability) {
            Some(declared) if declared.name == partner.name => Ok((partner, leaf.subject)),
            _ => Err(CredentialError::NotDeclared {
                subject: leaf.subject,
                partner: partner.name.clone(),
                capability,
            }),
        }
    }
}

/// The coalition secret, 32 bytes drawn at random by the founder. Wiped when dropped; no `Debug`.
#[derive(Clone)]
pub struct CoalitionSecret(Zeroizing<[u8; 32]>);

impl CoalitionSecret {
    /// The secret of 32 bytes, which the caller draws at random.
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// The 32 bytes.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Base32 text, for the file that is carried by hand.
    pub fn to_text(&self) -> Zeroizing<String> {
        let mut text = BASE32_NOPAD.encode(self.0.as_slice());
        text.make_ascii_lowercase();
        Zeroizing::new(text)
    }
}

impl FromStr for CoalitionSecret {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let error = || "expected a coalition secret: 32 bytes in base32".to_owned();
        if text.len() != 52 || text.bytes().any(|b| b.is_ascii_uppercase()) {
            return Err(error());
        }
        let upper = Zeroizing::new(text.to_ascii_uppercase());
        let bytes = Zeroizing::new(BASE32_NOPAD.decode(upper.as_bytes()).map_err(|_| error())?);
        let mut secret = Zeroizing::new([0; 32]);
        if bytes.len() != secret.len() {
            return Err(error());
        }
        secret.copy_from_slice(&bytes);
        Ok(Self(secret))
    }
}

impl<'de> Deserialize<'de> for CoalitionSecret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut text = String::deserialize(deserializer)?;
        let secret = text.parse().map_err(de::Error::custom);
        text.zeroize();
        secret
    }
}

/// The file that the founder carries by hand to those who join: charter, signatures and the coalition secret.
#[derive(Clone)]
pub struct FoundedFile {
    /// Charter and signatures.
    pub founding: Founding,
    /// The coalition secret; absent in a file that may be published.
    pub secret: Option<CoalitionSecret>,
}

impl FoundedFile {
    /// The text form; holds the secret in clear where there is one.
    pub fn to_toml(&self) -> Zeroizing<String> {
        let founding = self.founding.to_toml();
        let secret = self.secret.as_ref().map(CoalitionSecret::to_text);
        let mut text = Zeroizing::new(String::with_capacity(founding.len() + 256));
        text.push_str("# A founded coalition.");
        if let Some(secret) = &secret {
            text.push_str(" Holds its secret: carry it by hand, show it to members only.\nsecret = \"");
            text.push_str(secret);
            text.push('"');
        }
        text.push_str("\n\n");
        text.push_str(&founding);
        text
    }

    /// Reads the text form. Errors name a line but never show it.
    pub fn from_toml(text: &str) -> Result<Self, FoundingError> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct File {
            secret: Option<CoalitionSecret>,
            charter: Charter,
            #[serde(default)]
            signatures: Vec<CharterSignature>,
        }
        let file: File = from_toml(text, MAX_FOUNDING_TOML_BYTES).map_err(FoundingError::Text)?;
        let mut founding = Founding { charter: file.charter, signatures: file.signatures };
        founding.charter.sort();
        founding.charter.check()?;
        founding.signatures.sort_by(|a, b| a.partner.cmp(&b.partner));
        Ok(Self { founding, secret: file.secret })
    }
}
