//! What changes a partner's keys: chains that are granted, what is taken back, a root that gives way.
//!
//! These prove themselves by the signatures that they carry, so an officer of any partner may bring them: a partner whose only
//! officer is compromised has it revoked by another's hand.

use serde::{Deserialize, Serialize};

use crate::credential::{Chain, SignedRevocation, SignedRotation, Target};

/// A change of a partner's keys.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum KeyAct {
    /// The last key of this chain may act from now on, as the chain says.
    Grant(Chain),
    /// What was delegated is taken back.
    Revoke(Box<SignedRevocation>),
    /// The partner has another root from now on.
    Rotate(Box<SignedRotation>),
}

impl KeyAct {
    /// What it does, in words.
    pub fn words(&self) -> String {
        match self {
            Self::Grant(chain) => match chain.leaf() {
                Some(leaf) => format!("grants {} a chain of {}", leaf.subject, leaf.partner),
                None => "grants a chain without a link".to_owned(),
            },
            Self::Revoke(signed) => {
                let target = match &signed.revocation.target {
                    Target::Key(key) => format!("the key {key}"),
                    Target::Delegation(hash) => format!("the delegation {hash}"),
                };
                format!("revokes {target} of {}", signed.revocation.partner)
            }
            Self::Rotate(signed) => {
                format!("makes {} the root of {}", signed.rotation.new, signed.rotation.partner)
            }
        }
    }
}
