//! Accession: how a partner joins a coalition that is founded.
//!
//! Guarantees: an accession is the word of the joining partner's root on one later version of the charter, all of it, with delegations
//! that say exactly what that version states of it, as at a founding; it means nothing for another version or in another
//! coalition. The other half, that the coalition wants it, is the agreement on the amendment that carries it.
//!
//! How: the coalition writes the version that it is about to propose ([`Proposed`]); the joining root signs that
//! ([`Accession::sign`], on a machine that may be offline); the amendment carries the result.

use serde::{Deserialize, Serialize};

use super::{FoundingError, MAX_FOUNDING_TOML_BYTES, check_delegations, refuse_lint_errors, stated};
use crate::charter::text::{from_toml, to_toml};
use crate::charter::{CHARTER_VERSION, Charter, CharterError, Partner};
use crate::credential::Chain;
use crate::identity::{CoalitionId, Hash, PublicKey, SecretKey, Signature};
use crate::wire;

const ACCESSION_DOMAIN: &str = "entente/accession/v1";

/// A later version of a coalition's charter, for those to sign who join with it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Proposed {
    /// Whose charter it is.
    pub coalition: CoalitionId,
    /// The version as it will be.
    pub charter: Charter,
}

impl Proposed {
    /// The text form.
    pub fn to_toml(&self) -> String {
        to_toml(self)
    }

    /// Reads the text form; refuses a version that nobody could join with.
    pub fn from_toml(text: &str) -> Result<Self, FoundingError> {
        let mut proposed: Self = from_toml(text, MAX_FOUNDING_TOML_BYTES).map_err(FoundingError::Text)?;
        proposed.charter.sort();
        proposed.charter.check()?;
        if proposed.charter.version == CHARTER_VERSION {
            return Err(CharterError::Version { found: CHARTER_VERSION }.into());
        }
        Ok(proposed)
    }
}

/// What the root of a joining partner gives. The file is called `NAME.accession.toml`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Accession {
    /// Which coalition it joins.
    pub coalition: CoalitionId,
    /// The hash of the charter's version that it joins with.
    pub version: Hash,
    /// Its entry in that version.
    pub partner: Partner,
    /// By its root, over coalition and version.
    pub signature: Signature,
    /// One per key: officers, the seat, nodes, each in charter order.
    pub delegations: Vec<Chain>,
}

fn message(coalition: &CoalitionId, version: &Hash) -> Vec<u8> {
    wire::encode(&(coalition, version))
}

impl Accession {
    /// Signs a version of the charter, and the delegations that it states for the admitted partner whose root this is.
    /// A version with lint errors is refused.
    pub fn sign(proposed: &Proposed, root: &SecretKey) -> Result<Self, FoundingError> {
        let Proposed { coalition, charter } = proposed;
        charter.check()?;
        refuse_lint_errors(charter)?;
        let public = root.public();
        let partner = charter.admitted.iter().find(|partner| partner.root == public);
        let partner = partner.ok_or(FoundingError::NotAdmitted { root: public })?;
        let version = charter.hash();
        let delegations = stated(partner, *coalition);
        Ok(Self {
            coalition: *coalition,
            version,
            partner: partner.clone(),
            signature: root.sign(ACCESSION_DOMAIN, &message(coalition, &version)),
            delegations: delegations.map(|(_, delegation)| Chain(vec![delegation.sign(root)])).collect(),
        })
    }

    /// A word of the same length that nobody has said: to know how much one takes.
    pub(crate) fn stand_in(coalition: CoalitionId, version: Hash, partner: &Partner) -> Self {
        let nobody = SecretKey::from_seed(&[0; 32]);
        let delegations = stated(partner, coalition);
        Self {
            coalition,
            version,
            partner: partner.clone(),
            signature: nobody.sign(ACCESSION_DOMAIN, &[]),
            delegations: delegations.map(|(_, delegation)| Chain(vec![delegation.sign(&nobody)])).collect(),
        }
    }

    /// Whether this is the complete word of a partner that joins `coalition` with the version of this hash.
    pub fn verify(&self, coalition: CoalitionId, version: &Hash) -> Result<(), FoundingError> {
        let name = &self.partner.name;
        if self.coalition != coalition {
            return Err(FoundingError::OtherCharter {
                partner: name.clone(),
                signed: self.coalition,
                expected: coalition,
            });
        }
        if self.version != *version {
            return Err(FoundingError::OtherVersion {
                partner: name.clone(),
                signed: self.version,
                expected: *version,
            });
        }
        if !self.partner.root.verify(ACCESSION_DOMAIN, &message(&coalition, version), &self.signature) {
            return Err(FoundingError::BadSignature { partner: name.clone() });
        }
        check_delegations(&self.partner, coalition, &self.delegations, self.partner.credentials_until)
    }

    /// The chain that enrols a node or an officer, or gives the seat.
    pub fn chain_of(&self, key: &PublicKey) -> Option<&Chain> {
        self.delegations.iter().find(|chain| chain.leaf().is_some_and(|leaf| leaf.subject == *key))
    }

    /// The text form.
    pub fn to_toml(&self) -> String {
        to_toml(self)
    }

    /// Reads the text form; verified where it is used.
    pub fn from_toml(text: &str) -> Result<Self, FoundingError> {
        let mut accession: Self = from_toml(text, MAX_FOUNDING_TOML_BYTES).map_err(FoundingError::Text)?;
        accession.partner.officers.sort_unstable();
        accession.partner.nodes.sort_unstable();
        Ok(accession)
    }
}
