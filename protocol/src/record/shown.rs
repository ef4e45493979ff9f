//! The thing itself that was shown, carried by the record that tells of it, so that anybody can check it.
//!
//! What it proves follows from its bytes alone (see [`crate::coalition::State::shown_view`]). Who showed it never does.

use std::fmt;

use entente_hbbft::Seat;
use serde::{Deserialize, Serialize};

use crate::credential::{Chain, MAX_CHAIN_BYTES};
use crate::identity::{Hash, Signature};
use crate::ledger::cosignature::TreeHead;
use crate::wire;

/// Most bytes of what a record carries of what was shown, encoded: the largest chain, and what kind it is. What is larger
/// is committed to.
pub const MAX_SHOWN_BYTES: usize = MAX_CHAIN_BYTES + 1;

/// What was shown. Proofs of forks and equivocations are bodies of their own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Shown {
    /// A credential, as it was presented.
    Credential(Chain),
    /// What a seat signed: a log of this size and root.
    Cosignature {
        /// The seat.
        seat: Seat,
        /// The log.
        head: TreeHead,
        /// The cosignature/v1 signature.
        signature: Signature,
    },
    /// What is too large for a record or can be checked by nobody. Whoever saw it may open it: show the bytes.
    Commitment {
        /// What it is.
        exhibit: Exhibit,
        /// SHA-256 of the bytes.
        digest: Hash,
        /// How many they are.
        length: u64,
    },
}

/// What is committed to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Exhibit {
    /// What was presented as a credential and is none, or is larger than any.
    Credential,
    /// A message larger than any.
    Message,
}

impl Shown {
    /// How many bytes it takes in a record.
    pub fn encoded_len(&self) -> usize {
        wire::encode(self).len()
    }
}

impl fmt::Display for Exhibit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Credential => "credential",
            Self::Message => "message",
        })
    }
}
