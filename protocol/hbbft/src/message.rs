//! What seats say to each other: the messages of Bracha's broadcast and of the binary agreement.
//!
//! A message never names its sender: whoever carries frames authenticates them (see the crate's front page).
//! READY(D) for a proposer *is* BVAL(1) of round 0 for that proposer's agreement, counted per digest. No other
//! BVAL(1) exists in round 0, because votes for two different digests would then decide a broadcast that never
//! delivers.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use sha2::{Digest as _, Sha256};

use crate::committee::Seat;

/// Domain tag of payload digests.
const PAYLOAD_DOMAIN: &[u8] = b"entente-hbbft/payload/1\n";

/// Greatest agreement round that a message may name. With a fair coin a round is the last with probability
/// at least 1/2, so no run comes near it.
pub const MAX_ROUND: Round = Round(4095);

/// SHA-256 over a domain tag and a payload. Text in human-readable formats is lower-case hex.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest(pub [u8; 32]);

impl Digest {
    /// The digest that names `payload`.
    pub fn of(payload: &[u8]) -> Self {
        let mut hash = Sha256::new();
        hash.update(PAYLOAD_DOMAIN);
        hash.update(payload);
        Self(hash.finalize().into())
    }

    fn from_hex(text: &str) -> Option<Self> {
        let nibble = |byte: u8| match byte {
            b'0'..=b'9' => Some(byte - b'0'),
            b'a'..=b'f' => Some(byte - b'a' + 10),
            _ => None,
        };
        let text = text.as_bytes();
        let mut bytes = [0; 32];
        if text.len() != 2 * bytes.len() {
            return None;
        }
        for (byte, pair) in bytes.iter_mut().zip(text.chunks_exact(2)) {
            *byte = nibble(pair[0])? << 4 | nibble(pair[1])?;
        }
        Some(Self(bytes))
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0[..4].iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl Serialize for Digest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            serializer.collect_str(self)
        } else {
            self.0.serialize(serializer)
        }
    }
}

impl<'de> Deserialize<'de> for Digest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Hex;
        impl de::Visitor<'_> for Hex {
            type Value = Digest;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("64 lower-case hex digits")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Digest, E> {
                Digest::from_hex(text).ok_or_else(|| E::invalid_value(de::Unexpected::Str(text), &self))
            }
        }
        if deserializer.is_human_readable() {
            deserializer.deserialize_str(Hex)
        } else {
            <[u8; 32]>::deserialize(deserializer).map(Self)
        }
    }
}

/// Round of one binary agreement, counted from 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Round(pub u16);

impl Round {
    /// The first round, in which READY stands for BVAL(1).
    pub const FIRST: Self = Self(0);

    /// The round as an index of per-round tables.
    pub(crate) fn index(self) -> usize {
        usize::from(self.0)
    }

    /// The round after this one.
    pub(crate) fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

impl fmt::Display for Round {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// A set of binary values that is not empty: what CONF carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum BoolSet {
    /// {0}
    Zero,
    /// {1}
    One,
    /// {0, 1}
    Both,
}

impl BoolSet {
    /// The set of one value.
    pub fn of(value: bool) -> Self {
        if value { Self::One } else { Self::Zero }
    }

    /// The value, if there is only one.
    pub fn definite(self) -> Option<bool> {
        match self {
            Self::Zero => Some(false),
            Self::One => Some(true),
            Self::Both => None,
        }
    }
}

/// A vote in one round of one binary agreement.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "u8", try_from = "u8")]
pub enum Vote {
    /// BVAL: the sender's estimate, or a value that `weak` seats back.
    Bval(bool),
    /// AUX: a value that the sender has accepted.
    Aux(bool),
    /// CONF: the accepted values in a quorum of AUX.
    Conf(BoolSet),
    /// TERM: the sender has decided; counts as BVAL, AUX and CONF of the value in all later rounds.
    Term(bool),
}

impl From<Vote> for u8 {
    fn from(vote: Vote) -> u8 {
        match vote {
            Vote::Bval(value) => u8::from(value),
            Vote::Aux(value) => 2 + u8::from(value),
            Vote::Conf(BoolSet::Zero) => 4,
            Vote::Conf(BoolSet::One) => 5,
            Vote::Conf(BoolSet::Both) => 6,
            Vote::Term(value) => 7 + u8::from(value),
        }
    }
}

/// No vote has this code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no vote has code {0}")]
pub struct VoteError(pub u8);

impl TryFrom<u8> for Vote {
    type Error = VoteError;

    fn try_from(code: u8) -> Result<Self, VoteError> {
        Ok(match code {
            0 | 1 => Self::Bval(code == 1),
            2 | 3 => Self::Aux(code == 3),
            4 => Self::Conf(BoolSet::Zero),
            5 => Self::Conf(BoolSet::One),
            6 => Self::Conf(BoolSet::Both),
            7 | 8 => Self::Term(code == 8),
            _ => return Err(VoteError(code)),
        })
    }
}

/// One thing that a seat says, always to all seats.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Message {
    /// The sender contributes the payload of this digest (Bracha's *initial*).
    Propose(Digest),
    /// The sender holds the proposer's valid payload durably.
    Echo {
        /// Whose payload.
        proposer: Seat,
        /// Which payload.
        digest: Digest,
    },
    /// The sender knows that no other payload of this proposer can be accepted; BVAL(1) of round 0.
    Ready {
        /// Whose payload.
        proposer: Seat,
        /// Which payload.
        digest: Digest,
    },
    /// See [`Vote::Bval`]; never 1 in round 0.
    Bval {
        /// Whose agreement.
        proposer: Seat,
        /// In which round.
        round: Round,
        /// The value voted for.
        value: bool,
    },
    /// See [`Vote::Aux`].
    Aux {
        /// Whose agreement.
        proposer: Seat,
        /// In which round.
        round: Round,
        /// The value voted for.
        value: bool,
    },
    /// See [`Vote::Conf`].
    Conf {
        /// Whose agreement.
        proposer: Seat,
        /// In which round.
        round: Round,
        /// The values confirmed.
        values: BoolSet,
    },
    /// See [`Vote::Term`].
    Term {
        /// Whose agreement.
        proposer: Seat,
        /// The last round in which the sender votes explicitly.
        round: Round,
        /// The value decided.
        value: bool,
    },
}

impl Message {
    /// The message that casts `vote` in `round` of the agreement on `proposer`.
    pub fn vote(proposer: Seat, round: Round, vote: Vote) -> Self {
        match vote {
            Vote::Bval(value) => Self::Bval { proposer, round, value },
            Vote::Aux(value) => Self::Aux { proposer, round, value },
            Vote::Conf(values) => Self::Conf { proposer, round, values },
            Vote::Term(value) => Self::Term { proposer, round, value },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn vote_codes_are_nine_and_map_back() {
        for code in 0..=8 {
            assert_eq!(u8::from(Vote::try_from(code).expect("a vote's code")), code);
        }
        assert_eq!(Vote::try_from(9), Err(VoteError(9)));
    }

    #[test]
    fn digests_are_hex_text_for_people_and_exactly_32_bytes_otherwise() {
        let digest = Digest::of(b"corridor");
        let text = serde_json::to_string(&digest).expect("a digest has a text");
        assert_eq!(text, format!("\"{digest}\""));
        assert_eq!(serde_json::from_str::<Digest>(&text).expect("own text"), digest);
        for wrong in [text.to_uppercase(), text.replace(&text[1..3], ""), "\"\"".into()] {
            assert!(serde_json::from_str::<Digest>(&wrong).is_err(), "{wrong}");
        }
        let bytes = bincode::serde::encode_to_vec(digest, bincode::config::standard()).expect("in memory");
        assert_eq!(bytes, digest.0);
    }

    #[test]
    fn a_digest_is_bound_to_its_domain() {
        let bare: [u8; 32] = Sha256::digest(b"corridor").into();
        assert_ne!(Digest::of(b"corridor").0, bare);
    }
}
