//! The one codec: bounded, canonical, total.
//!
//! Guarantees: [`decode`] never panics, never reads past its limit, consumes every byte, and accepts exactly one
//! encoding of each value, because it re-encodes what it read and compares. Assumes that serialisation is a
//! function of the value, which holds for the types of this crate: no maps of undefined order, no floats.
//!
//! How: bincode 2 (variable-length integers, little endian) through serde; see `docs/adr/` for why this version.

use bincode::error::DecodeError;
use serde::Serialize;
use serde::de::DeserializeOwned;
use thiserror::Error;

/// Largest object that is ever decoded, in bytes; every caller states a smaller limit of its own.
pub const MAX_OBJECT_BYTES: usize = 1 << 20;

/// Version of the wire format, shown by `--version` and exchanged when peers meet.
pub const WIRE_VERSION: u16 = 1;

/// Why bytes were refused.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum WireError {
    /// More bytes than the limit for this kind of object.
    #[error("{bytes} bytes exceed the limit of {limit}")]
    TooLarge {
        /// Bytes received.
        bytes: usize,
        /// Limit for this kind of object, in bytes.
        limit: usize,
    },
    /// Not an encoding of the expected type: truncated, an unknown variant or a length out of range.
    #[error("malformed: {0}")]
    Malformed(String),
    /// Bytes are left over behind the value.
    #[error("{0} bytes left over behind the value")]
    Trailing(usize),
    /// The value has another, canonical encoding.
    #[error("not the canonical encoding")]
    NotCanonical,
}

fn config() -> impl bincode::config::Config {
    bincode::config::standard().with_limit::<MAX_OBJECT_BYTES>()
}

/// What the codec found wrong, for people.
fn in_words(error: DecodeError) -> String {
    match error {
        DecodeError::UnexpectedEnd { .. } => "it ends too early".into(),
        DecodeError::LimitExceeded => "it states a length beyond the limit".into(),
        DecodeError::Utf8 { .. } => "a text in it is not UTF-8".into(),
        DecodeError::InvalidBooleanValue(found) => format!("{found} stands where 0 or 1 is meant"),
        DecodeError::Other(what) => what.into(),
        DecodeError::OtherString(what) => what,
        other => other.to_string(),
    }
}

/// Canonical bytes of `value`.
///
/// # Panics
/// Never for the types of this crate: their serialisation cannot fail and writes to memory.
pub fn encode<T: Serialize>(value: &T) -> Vec<u8> {
    bincode::serde::encode_to_vec(value, config())
        .expect("serialising to memory cannot fail for derived types")
}

/// The value that `bytes` encode, or why they are refused. `limit` is in bytes.
pub fn decode<T: Serialize + DeserializeOwned>(bytes: &[u8], limit: usize) -> Result<T, WireError> {
    let limit = limit.min(MAX_OBJECT_BYTES);
    if bytes.len() > limit {
        return Err(WireError::TooLarge { bytes: bytes.len(), limit });
    }
    let (value, used): (T, usize) = bincode::serde::decode_from_slice(bytes, config())
        .map_err(|error| WireError::Malformed(in_words(error)))?;
    if used != bytes.len() {
        return Err(WireError::Trailing(bytes.len() - used));
    }
    let again = bincode::serde::encode_to_vec(&value, config()).map_err(|_| WireError::NotCanonical)?;
    if again != bytes {
        return Err(WireError::NotCanonical);
    }
    Ok(value)
}

/// Serde for byte strings: a length and the bytes, without a detour over single elements.
pub mod byte_string {
    use serde::{Deserializer, Serializer, de};

    /// Serialises as a byte string.
    pub fn serialize<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(bytes)
    }

    /// Reads a byte string into an owned vector.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
        struct Visitor;
        impl de::Visitor<'_> for Visitor {
            type Value = Vec<u8>;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a byte string")
            }
            fn visit_bytes<E: de::Error>(self, bytes: &[u8]) -> Result<Vec<u8>, E> {
                Ok(bytes.to_vec())
            }
            fn visit_byte_buf<E: de::Error>(self, bytes: Vec<u8>) -> Result<Vec<u8>, E> {
                Ok(bytes)
            }
        }
        deserializer.deserialize_byte_buf(Visitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;

    #[test]
    fn damage_is_told_in_words_for_people() {
        let cut = decode::<u64>(&[251], 16).expect_err("two bytes are missing");
        assert_eq!(cut.to_string(), "malformed: it ends too early");
        let neither = decode::<bool>(&[7], 16).expect_err("neither 0 nor 1");
        assert_eq!(neither.to_string(), "malformed: 7 stands where 0 or 1 is meant");
        let unknown = decode::<Result<u8, u8>>(&[9, 0], 16).expect_err("no such variant");
        assert!(!unknown.to_string().contains("OtherString"), "{unknown}");
    }

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Sample {
        number: u64,
        #[serde(with = "byte_string")]
        bytes: Vec<u8>,
    }

    #[test]
    fn a_value_comes_back_from_its_bytes() {
        let sample = Sample { number: 70_000, bytes: vec![1, 2, 3] };
        assert_eq!(decode::<Sample>(&encode(&sample), 64), Ok(sample));
    }

    #[test]
    fn refuses_truncated_trailing_oversized_and_non_canonical_bytes() {
        let bytes = encode(&Sample { number: 5, bytes: vec![9; 4] });
        assert!(matches!(decode::<Sample>(&bytes[..bytes.len() - 1], 64), Err(WireError::Malformed(_))));
        let mut longer = bytes.clone();
        longer.push(0);
        assert_eq!(decode::<Sample>(&longer, 64), Err(WireError::Trailing(1)));
        assert!(matches!(decode::<Sample>(&bytes, 3), Err(WireError::TooLarge { .. })));
        // 5 written as a two-byte integer (marker 251, little endian).
        let padded = [&[251, 5, 0], &bytes[1..]].concat();
        assert_eq!(decode::<Sample>(&padded, 64), Err(WireError::NotCanonical));
        // A length of 2^60 must neither allocate nor panic.
        let huge = [&[5, 253][..], &(1u64 << 60).to_le_bytes()].concat();
        assert!(matches!(decode::<Sample>(&huge, 64), Err(WireError::Malformed(_))));
    }
}
