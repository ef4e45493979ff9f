//! Delegation chains: how a partner's offline root gives a key its capability.
//!
//! Guarantees: a chain that verifies leads by valid signatures from the given root to its last subject, in one
//! coalition, for one partner; every link lies within the one before it (same partner, same coalition, same
//! capability), and the chain is valid as long as *all* its links are. So nobody can pass on more than they have.
//!
//! How: each link is signed by its issuer under a domain of its own; the first issuer is the root, each further one
//! the subject before. Today a charter's roots delegate directly, so [`MAX_CHAIN`] is one; the walk is written for
//! any length. (Delegation that only narrows: Birgisson et al., "Macaroons", NDSS 2014; SPKI, RFC 2693 section 6.)

use std::fmt;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::charter::PartnerName;
use crate::charter::text::{show_time, time_text};
use crate::identity::{CoalitionId, PublicKey, SecretKey, Signature};
use crate::time::Time;
use crate::wire::{self, WireError};

/// Most links in a chain. No capability of today includes passing it on.
pub const MAX_CHAIN: usize = 1;
/// Largest encoded chain, in bytes.
pub const MAX_CHAIN_BYTES: usize = 1024;

const DELEGATION_DOMAIN: &str = "entente/delegation/v1";

/// What a key may do for its partner.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Capability {
    /// Sign what the partner says.
    Officer,
    /// Vote and cosign in the partner's seat.
    Seat,
    /// Carry records in feeds of its own and speak with members.
    Node,
}

impl Capability {
    /// Whether whoever holds `self` may give `other`. Capabilities are apart: each only covers itself.
    pub fn covers(self, other: Self) -> bool {
        self == other
    }
}

impl fmt::Display for Capability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Officer => "officer",
            Self::Seat => "seat",
            Self::Node => "node",
        })
    }
}

/// One link: `issuer` lets `subject` act for `partner`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Delegation {
    /// Where it is valid.
    pub coalition: CoalitionId,
    /// Who gives; a root in the first link.
    pub issuer: PublicKey,
    /// Who receives.
    pub subject: PublicKey,
    /// The partner that the subject acts for.
    pub partner: PartnerName,
    /// What the subject may do.
    pub capability: Capability,
    /// Last millisecond at which it is valid.
    #[serde(with = "time_text")]
    pub not_after: Time,
}

impl Delegation {
    /// Signs this delegation with the issuer's key, which must be `self.issuer`.
    pub fn sign(self, key: &SecretKey) -> SignedDelegation {
        let signature = key.sign(DELEGATION_DOMAIN, &wire::encode(&self));
        SignedDelegation { delegation: self, signature }
    }
}

/// A link with its issuer's signature.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SignedDelegation {
    /// What is delegated.
    pub delegation: Delegation,
    /// By `delegation.issuer`, over the canonical bytes.
    pub signature: Signature,
}

impl SignedDelegation {
    /// Whether the signature is the issuer's.
    pub fn verify(&self) -> bool {
        self.delegation.issuer.verify(DELEGATION_DOMAIN, &wire::encode(&self.delegation), &self.signature)
    }
}

/// Why a chain does not hold.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum CredentialError {
    /// No link, or too many.
    #[error("a chain of {0} links; 1 to {MAX_CHAIN} are allowed")]
    Length(usize),
    /// The first issuer is not the expected root.
    #[error("issued by {issuer}, which is not the root of this partner")]
    UnknownRoot {
        /// Who issued the first link.
        issuer: PublicKey,
    },
    /// The partner is no member.
    #[error("{partner} is no partner of this coalition")]
    UnknownPartner {
        /// Who is named.
        partner: PartnerName,
    },
    /// The key is not among those that the charter declares for this capability.
    #[error("{subject} is not declared as {capability} of {partner}")]
    NotDeclared {
        /// The key.
        subject: PublicKey,
        /// Whom it claims to act for.
        partner: PartnerName,
        /// What for.
        capability: Capability,
    },
    /// Made for another coalition.
    #[error("valid in {named}, not here")]
    WrongCoalition {
        /// The coalition named.
        named: CoalitionId,
    },
    /// Gives something else.
    #[error("gives the capability {found}, not {wanted}")]
    WrongCapability {
        /// What the chain gives.
        found: Capability,
        /// What is needed.
        wanted: Capability,
    },
    /// A link that does not follow from the one before it.
    #[error("link {link} does not follow from the one before: {reason}")]
    BrokenLink {
        /// Position in the chain, from 0.
        link: usize,
        /// What differs.
        reason: &'static str,
    },
    /// A link not signed by its issuer.
    #[error("the signature of link {link} does not hold")]
    BadSignature {
        /// Position in the chain, from 0.
        link: usize,
    },
    /// No longer valid.
    #[error("expired at {}, now is {}", show_time(*.not_after), show_time(*.now))]
    Expired {
        /// Last valid millisecond.
        not_after: Time,
        /// The time it was judged at.
        now: Time,
    },
}

/// Links from a root to the key that acts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Chain(pub Vec<SignedDelegation>);

impl Chain {
    /// Reads a chain, at most [`MAX_CHAIN_BYTES`].
    pub fn decode(bytes: &[u8]) -> Result<Self, WireError> {
        wire::decode(bytes, MAX_CHAIN_BYTES)
    }

    /// Canonical bytes.
    pub fn encode(&self) -> Vec<u8> {
        wire::encode(self)
    }

    /// The last link, whose subject acts; `None` for a chain without links.
    pub fn leaf(&self) -> Option<&Delegation> {
        self.0.last().map(|link| &link.delegation)
    }

    /// The last millisecond at which every link is valid.
    pub fn not_after(&self) -> Time {
        self.0.iter().map(|link| link.delegation.not_after).min().unwrap_or_default()
    }

    /// Checks the chain from `root` at the time `now` and returns its last link.
    pub fn verify(
        &self,
        root: &PublicKey,
        coalition: &CoalitionId,
        capability: Capability,
        now: Time,
    ) -> Result<&Delegation, CredentialError> {
        self.verify_up_to(MAX_CHAIN, root, coalition, capability, now)
    }

    fn verify_up_to(
        &self,
        most_links: usize,
        root: &PublicKey,
        coalition: &CoalitionId,
        capability: Capability,
        now: Time,
    ) -> Result<&Delegation, CredentialError> {
        let [first, ..] = self.0.as_slice() else {
            return Err(CredentialError::Length(0));
        };
        if self.0.len() > most_links {
            return Err(CredentialError::Length(self.0.len()));
        }
        if first.delegation.issuer != *root {
            return Err(CredentialError::UnknownRoot { issuer: first.delegation.issuer });
        }
        // What does not need a signature check comes first: a stranger's chain must be cheap to refuse.
        for (link, SignedDelegation { delegation, .. }) in self.0.iter().enumerate() {
            if delegation.coalition != *coalition {
                return Err(CredentialError::WrongCoalition { named: delegation.coalition });
            }
            if let Some(above) = link.checked_sub(1).map(|above| &self.0[above].delegation) {
                let reason = if delegation.issuer != above.subject {
                    Some("its issuer is not the subject before")
                } else if delegation.partner != above.partner {
                    Some("it names another partner")
                } else if !above.capability.covers(delegation.capability) {
                    Some("it gives more than its issuer has")
                } else {
                    None
                };
                if let Some(reason) = reason {
                    return Err(CredentialError::BrokenLink { link, reason });
                }
            }
        }
        let last = &self.0[self.0.len() - 1].delegation;
        if last.capability != capability {
            return Err(CredentialError::WrongCapability { found: last.capability, wanted: capability });
        }
        let not_after = self.not_after();
        if now > not_after {
            return Err(CredentialError::Expired { not_after, now });
        }
        match self.0.iter().position(|link| !link.verify()) {
            Some(link) => Err(CredentialError::BadSignature { link }),
            None => Ok(last),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::hash;

    fn key(seed: u8) -> SecretKey {
        SecretKey::from_seed(&[seed; 32])
    }

    fn coalition() -> CoalitionId {
        CoalitionId(hash("test", &[]))
    }

    fn link(issuer: u8, subject: u8, not_after: u64) -> Delegation {
        Delegation {
            coalition: coalition(),
            issuer: key(issuer).public(),
            subject: key(subject).public(),
            partner: "norden".parse().expect("a name"),
            capability: Capability::Officer,
            not_after: Time(not_after),
        }
    }

    fn check(chain: &Chain, capability: Capability, now: u64) -> Result<PublicKey, CredentialError> {
        chain.verify_up_to(3, &key(1).public(), &coalition(), capability, Time(now)).map(|leaf| leaf.subject)
    }

    #[test]
    fn a_chain_leads_from_the_root_to_its_last_subject() {
        let one = Chain(vec![link(1, 2, 100).sign(&key(1))]);
        assert_eq!(check(&one, Capability::Officer, 100), Ok(key(2).public()));
        assert_eq!(Chain::decode(&one.encode()), Ok(one.clone()));
        let two = Chain(vec![link(1, 2, 100).sign(&key(1)), link(2, 3, 50).sign(&key(2))]);
        assert_eq!(check(&two, Capability::Officer, 50), Ok(key(3).public()));
        assert_eq!(
            two.verify(&key(1).public(), &coalition(), Capability::Officer, Time(1)),
            Err(CredentialError::Length(2))
        );
    }

    #[test]
    fn validity_is_the_intersection_of_all_links() {
        for (above, below) in [(100, 50), (50, 100)] {
            let chain = Chain(vec![link(1, 2, above).sign(&key(1)), link(2, 3, below).sign(&key(2))]);
            assert_eq!(
                check(&chain, Capability::Officer, 51),
                Err(CredentialError::Expired { not_after: Time(50), now: Time(51) })
            );
        }
    }

    #[test]
    fn every_defect_has_its_own_error() {
        let good = link(1, 2, 100);
        assert_eq!(check(&Chain(vec![]), Capability::Officer, 1), Err(CredentialError::Length(0)));
        assert_eq!(
            check(&Chain(vec![link(9, 2, 100).sign(&key(9))]), Capability::Officer, 1),
            Err(CredentialError::UnknownRoot { issuer: key(9).public() })
        );
        // Claims the root as issuer, but another key signed.
        assert_eq!(
            check(&Chain(vec![good.clone().sign(&key(9))]), Capability::Officer, 1),
            Err(CredentialError::BadSignature { link: 0 })
        );
        let signed = good.clone().sign(&key(1));
        assert_eq!(
            check(&Chain(vec![signed.clone()]), Capability::Seat, 1),
            Err(CredentialError::WrongCapability { found: Capability::Officer, wanted: Capability::Seat })
        );
        let mut elsewhere = good.clone();
        elsewhere.coalition = CoalitionId(hash("other", &[]));
        assert!(matches!(
            check(&Chain(vec![elsewhere.sign(&key(1))]), Capability::Officer, 1),
            Err(CredentialError::WrongCoalition { .. })
        ));
        let mut tampered = signed.clone();
        tampered.delegation.not_after = Time(1000);
        assert_eq!(
            check(&Chain(vec![tampered]), Capability::Officer, 500),
            Err(CredentialError::BadSignature { link: 0 })
        );
        let mut wider = link(2, 3, 50);
        wider.capability = Capability::Seat;
        let mut other = link(2, 3, 50);
        other.partner = "sudria".parse().expect("a name");
        for broken in [link(4, 3, 50).sign(&key(4)), wider.sign(&key(2)), other.sign(&key(2))] {
            assert!(matches!(
                check(&Chain(vec![signed.clone(), broken]), Capability::Officer, 1),
                Err(CredentialError::BrokenLink { link: 1, .. })
            ));
        }
    }
}
