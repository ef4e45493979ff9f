//! Keys, hashes, identifiers and domain-separated signatures.
//!
//! Guarantees: one signature predicate everywhere (`verify_strict` of ed25519, RFC 8032 with the stricter checks
//! of ed25519-dalek), because an entry that one honest seat accepts and another refuses can never be applied. Every
//! key and signature names its algorithm, so that roots and checkpoints can move to another one. A signature over
//! one kind of object never verifies as another kind: the domain tag is part of the signed bytes.

use std::fmt;
use std::str::FromStr;

use data_encoding::BASE32_NOPAD;
use ed25519_dalek::Signer as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use sha2::{Digest as _, Sha256};
use thiserror::Error;
use zeroize::Zeroizing;

/// Why a piece of text is not a key, hash or id.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ParseError {
    /// The text does not begin as this kind of id does.
    #[error("expected {expected:?} at the beginning")]
    Prefix {
        /// The expected beginning.
        expected: &'static str,
    },
    /// Not base32 (RFC 4648, lower case, without padding) of the right length.
    #[error("expected {bytes} bytes in base32")]
    Base32 {
        /// Expected length in bytes.
        bytes: usize,
    },
    /// The bytes are not the encoding of a point of the curve, or of one of small order.
    #[error("not a valid ed25519 public key")]
    Key,
}

fn to_base32(bytes: &[u8]) -> String {
    BASE32_NOPAD.encode(bytes).to_ascii_lowercase()
}

fn from_base32<const N: usize>(text: &str) -> Result<[u8; N], ParseError> {
    let error = ParseError::Base32 { bytes: N };
    if text.len() > 2 * N + 2 || text.bytes().any(|b| b.is_ascii_uppercase()) {
        return Err(error);
    }
    let bytes = BASE32_NOPAD.decode(text.to_ascii_uppercase().as_bytes()).map_err(|_| error.clone())?;
    bytes.try_into().map_err(|_| error)
}

/// SHA-256 over `domain`, a zero byte and `parts` one after the other.
///
/// Callers put parts of variable length last, so that two inputs never give the same bytes.
pub fn hash(domain: &str, parts: &[&[u8]]) -> Hash {
    let mut sha = Sha256::new();
    sha.update(domain.as_bytes());
    sha.update([0]);
    for part in parts {
        sha.update(part);
    }
    Hash(sha.finalize().into())
}

/// A SHA-256 value, 32 bytes; base32 in text.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Hash(pub [u8; 32]);

impl Hash {
    /// The 32 bytes.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&to_base32(&self.0))
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&to_base32(&self.0)[..10])
    }
}

impl FromStr for Hash {
    type Err = ParseError;
    fn from_str(text: &str) -> Result<Self, ParseError> {
        from_base32(text).map(Self)
    }
}

/// Implements serde as text for people and as plain bytes on the wire.
macro_rules! text_or_bytes {
    ($name:ident, $bytes:literal) => {
        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                if serializer.is_human_readable() {
                    serializer.collect_str(self)
                } else {
                    fixed::serialize::<_, $bytes>(&self.to_wire(), serializer)
                }
            }
        }
        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                if deserializer.is_human_readable() {
                    let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
                    text.parse().map_err(de::Error::custom)
                } else {
                    Self::from_wire(fixed::deserialize::<_, $bytes>(deserializer)?).map_err(de::Error::custom)
                }
            }
        }
    };
}

mod fixed {
    //! Byte arrays of fixed length as tuples: no length on the wire.
    use serde::de::{Error, SeqAccess, Visitor};
    use serde::ser::SerializeTuple;
    use serde::{Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer, const N: usize>(
        bytes: &[u8; N],
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        let mut tuple = serializer.serialize_tuple(N)?;
        for byte in bytes {
            tuple.serialize_element(byte)?;
        }
        tuple.end()
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>, const N: usize>(
        deserializer: D,
    ) -> Result<[u8; N], D::Error> {
        struct Bytes<const N: usize>;
        impl<'de, const N: usize> Visitor<'de> for Bytes<N> {
            type Value = [u8; N];
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                write!(f, "{N} bytes")
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<[u8; N], A::Error> {
                let mut bytes = [0; N];
                for (i, slot) in bytes.iter_mut().enumerate() {
                    *slot = seq.next_element()?.ok_or_else(|| A::Error::invalid_length(i, &self))?;
                }
                Ok(bytes)
            }
        }
        deserializer.deserialize_tuple(N, Bytes::<N>)
    }
}

impl Hash {
    fn to_wire(self) -> [u8; 32] {
        self.0
    }
    fn from_wire(bytes: [u8; 32]) -> Result<Self, ParseError> {
        Ok(Self(bytes))
    }
}
text_or_bytes!(Hash, 32);

/// Makes an id type: a hash with a prefix in its text form.
macro_rules! hash_id {
    ($(#[$doc:meta])* $name:ident, $prefix:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
        pub struct $name(pub Hash);

        impl $name {
            /// What the text form begins with.
            pub const PREFIX: &'static str = $prefix;

            /// The 32 bytes.
            pub fn as_bytes(&self) -> &[u8; 32] {
                &self.0.0
            }
            fn to_wire(self) -> [u8; 32] {
                self.0.0
            }
            fn from_wire(bytes: [u8; 32]) -> Result<Self, ParseError> {
                Ok(Self(Hash(bytes)))
            }
        }
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}{}", $prefix, self.0)
            }
        }
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}{:?}", $prefix, self.0)
            }
        }
        impl FromStr for $name {
            type Err = ParseError;
            fn from_str(text: &str) -> Result<Self, ParseError> {
                let rest = text.strip_prefix($prefix).ok_or(ParseError::Prefix { expected: $prefix })?;
                rest.parse().map(Self)
            }
        }
        text_or_bytes!($name, 32);
    };
}

hash_id!(
    /// A coalition: the hash of its charter's first version. `co-` and base32 in text.
    CoalitionId, "co-"
);
hash_id!(
    /// A record: the hash of its signed content, without the signature. An operation carries the id of the record
    /// that opened it. `op-` and base32 in text.
    RecordId, "op-"
);
hash_id!(
    /// A piece of evidence: the hash of what it is about. `ev-` and base32 in text.
    EvidenceId, "ev-"
);

/// A signature algorithm, one byte on the wire. Unknown ones are refused when read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Algorithm {
    /// Ed25519 (RFC 8032), verified strictly.
    Ed25519 = 1,
}

/// A public key with its algorithm: `ed25519:` and base32 in text, one byte and 32 bytes on the wire.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PublicKey([u8; 32]);

impl PublicKey {
    /// A key from its 32 bytes, if they are the one encoding of a point of the curve, and not of one of small order.
    pub fn from_ed25519(bytes: [u8; 32]) -> Result<Self, ParseError> {
        let key = ed25519_dalek::VerifyingKey::from_bytes(&bytes).map_err(|_| ParseError::Key)?;
        if key.is_weak() || !is_canonical(&bytes) { Err(ParseError::Key) } else { Ok(Self(bytes)) }
    }

    /// The 32 bytes of the ed25519 key.
    pub fn as_ed25519(&self) -> &[u8; 32] {
        &self.0
    }

    /// The algorithm of this key.
    pub fn algorithm(&self) -> Algorithm {
        Algorithm::Ed25519
    }

    /// Whether `signature` over `message` under `domain` was made by this key.
    pub fn verify(&self, domain: &str, message: &[u8], signature: &Signature) -> bool {
        self.verify_raw(&tagged(domain, message), signature)
    }

    /// Whether `signature` over exactly `message` was made by this key: for formats that bring a domain of their own.
    pub fn verify_raw(&self, message: &[u8], signature: &Signature) -> bool {
        ed25519_dalek::VerifyingKey::from_bytes(&self.0)
            .and_then(|key| key.verify_strict(message, &ed25519_dalek::Signature::from_bytes(&signature.0)))
            .is_ok()
    }

    fn to_wire(self) -> [u8; 33] {
        with_algorithm(&self.0)
    }
    fn from_wire(bytes: [u8; 33]) -> Result<Self, ParseError> {
        Self::from_ed25519(without_algorithm(&bytes)?)
    }
}

/// Whether the coordinate of a compressed point is below p = 2^255 - 19. With the wrong sign of zero only points of small order
/// have another encoding then.
fn is_canonical(bytes: &[u8; 32]) -> bool {
    bytes[0] < 0xed || bytes[1..31].iter().any(|&byte| byte != 0xff) || bytes[31] & 0x7f != 0x7f
}

fn with_algorithm<const N: usize, const M: usize>(bytes: &[u8; N]) -> [u8; M] {
    let mut wire = [Algorithm::Ed25519 as u8; M];
    wire[1..].copy_from_slice(bytes);
    wire
}

fn without_algorithm<const N: usize>(bytes: &[u8]) -> Result<[u8; N], ParseError> {
    match bytes.split_first() {
        Some((&tag, rest)) if tag == Algorithm::Ed25519 as u8 => rest.try_into().map_err(|_| ParseError::Key),
        _ => Err(ParseError::Key),
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ed25519:{}", to_base32(&self.0))
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ed25519:{}", &to_base32(&self.0)[..10])
    }
}

impl FromStr for PublicKey {
    type Err = ParseError;
    fn from_str(text: &str) -> Result<Self, ParseError> {
        let rest = text.strip_prefix("ed25519:").ok_or(ParseError::Prefix { expected: "ed25519:" })?;
        Self::from_ed25519(from_base32(rest)?)
    }
}
text_or_bytes!(PublicKey, 33);

/// A signature with its algorithm: `ed25519:` and base32 in text, one byte and 64 bytes on the wire.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Signature([u8; 64]);

impl Signature {
    /// A signature from its 64 bytes; whether it is one shows when it is verified.
    pub fn from_ed25519(bytes: [u8; 64]) -> Self {
        Self(bytes)
    }
    /// The 64 bytes of the ed25519 signature.
    pub fn as_ed25519(&self) -> &[u8; 64] {
        &self.0
    }
    fn to_wire(self) -> [u8; 65] {
        with_algorithm(&self.0)
    }
    fn from_wire(bytes: [u8; 65]) -> Result<Self, ParseError> {
        without_algorithm(&bytes).map(Self)
    }
}

impl fmt::Display for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ed25519:{}", to_base32(&self.0))
    }
}

impl fmt::Debug for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "signature {}", &to_base32(&self.0)[..10])
    }
}

impl FromStr for Signature {
    type Err = ParseError;
    fn from_str(text: &str) -> Result<Self, ParseError> {
        let rest = text.strip_prefix("ed25519:").ok_or(ParseError::Prefix { expected: "ed25519:" })?;
        from_base32(rest).map(Self)
    }
}
text_or_bytes!(Signature, 65);

/// A secret key. Wiped when dropped; has no text form and no `Debug`.
pub struct SecretKey(ed25519_dalek::SigningKey);

impl SecretKey {
    /// The key of a 32-byte seed, which the caller draws at random.
    pub fn from_seed(seed: &[u8; 32]) -> Self {
        Self(ed25519_dalek::SigningKey::from_bytes(seed))
    }

    /// The seed, for writing a key file.
    pub fn seed(&self) -> Zeroizing<[u8; 32]> {
        Zeroizing::new(self.0.to_bytes())
    }

    /// The public half.
    pub fn public(&self) -> PublicKey {
        PublicKey(self.0.verifying_key().to_bytes())
    }

    /// Signs `message` under `domain`.
    pub fn sign(&self, domain: &str, message: &[u8]) -> Signature {
        self.sign_raw(&tagged(domain, message))
    }

    /// Signs exactly `message`: for formats that bring a domain of their own.
    pub fn sign_raw(&self, message: &[u8]) -> Signature {
        Signature(self.0.sign(message).to_bytes())
    }
}

/// The signed bytes: domain, a zero byte, message.
fn tagged(domain: &str, message: &[u8]) -> Vec<u8> {
    [domain.as_bytes(), &[0], message].concat()
}

#[cfg(test)]
#[path = "../tests/engine/scalar.rs"]
mod scalar;

#[cfg(test)]
mod tests {
    use ed25519_dalek::{Verifier as _, VerifyingKey};

    use super::*;
    use crate::wire;

    #[test]
    fn a_signature_holds_for_its_domain_message_and_key_only() {
        let key = SecretKey::from_seed(&[7; 32]);
        let signature = key.sign("entente/a", b"word");
        assert!(key.public().verify("entente/a", b"word", &signature));
        assert!(!key.public().verify("entente/b", b"word", &signature));
        assert!(!key.public().verify("entente/a", b"sword", &signature));
        assert!(!SecretKey::from_seed(&[8; 32]).public().verify("entente/a", b"word", &signature));
    }

    #[test]
    fn keys_signatures_and_ids_come_back_from_text_and_bytes() {
        let key = SecretKey::from_seed(&[7; 32]);
        let public = key.public();
        assert_eq!(public.to_string().parse(), Ok(public));
        assert_eq!(wire::decode(&wire::encode(&public), 64), Ok(public));
        assert_eq!(wire::encode(&public).len(), 33);
        let signature = key.sign("d", b"m");
        assert_eq!(signature.to_string().parse(), Ok(signature));
        assert_eq!(wire::encode(&signature).len(), 65);
        let id = RecordId(hash("d", &[b"x"]));
        assert_eq!(id.to_string().parse(), Ok(id));
        assert!(id.to_string().starts_with("op-"));
        assert_eq!(
            id.to_string().to_uppercase().parse::<RecordId>(),
            Err(ParseError::Prefix { expected: "op-" })
        );
    }

    #[test]
    fn refuses_unknown_algorithms_and_keys_of_small_order() {
        let mut wire = wire::encode(&SecretKey::from_seed(&[7; 32]).public());
        wire[0] = 2;
        assert!(wire::decode::<PublicKey>(&wire, 64).is_err());
        let mut identity = [0; 32];
        identity[0] = 1;
        assert_eq!(PublicKey::from_ed25519(identity), Err(ParseError::Key));
    }

    /// Whether the checks of RFC 8032 alone, without the strict ones, take it.
    fn loosely(key: &[u8; 32], message: &[u8], signature: &[u8; 64]) -> bool {
        let signature = ed25519_dalek::Signature::from_bytes(signature);
        VerifyingKey::from_bytes(key).is_ok_and(|key| key.verify(message, &signature).is_ok())
    }

    /// All encodings of the eight points of small order, those with a coordinate beyond the field among them.
    fn small_order() -> Vec<[u8; 32]> {
        let eighth = |text: &str| data_encoding::HEXLOWER.decode(text.as_bytes()).expect("hex");
        let top = |low: u8| [&[low][..], &[255; 30], &[127]].concat();
        let low = |low: u8| [&[low][..], &[0; 31]].concat();
        let points = [
            low(0),
            low(1),
            eighth("26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05"),
            eighth("c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a"),
            top(0xec),
            top(0xed),
            top(0xee),
        ];
        let both = |point: Vec<u8>| {
            let point: [u8; 32] = point.try_into().expect("32 bytes");
            let mut other = point;
            other[31] ^= 128;
            [point, other]
        };
        points.into_iter().flat_map(both).collect()
    }

    fn number(bytes: &[u8]) -> [u64; 4] {
        let limbs: Vec<u64> =
            bytes.chunks(8).map(|limb| limb.iter().rfold(0, |n, b| n << 8 | u64::from(*b))).collect();
        limbs.try_into().expect("32 bytes")
    }

    #[test]
    fn a_signature_made_by_hand_holds_and_with_the_order_added_to_s_it_does_not() {
        let key = SecretKey::from_seed(&[7; 32]);
        let public = *key.public().as_ed25519();
        let of_other = *key.sign_raw(b"other").as_ed25519();
        let nonce = scalar::nonce_of(&key.seed(), b"other");
        let signature = scalar::sign_with(&key.seed(), &public, &nonce, &of_other[..32], b"word");
        assert!(key.public().verify_raw(b"word", &Signature(signature)), "another nonce is as good");
        assert_ne!(signature, *key.sign_raw(b"word").as_ed25519());
        let mut beyond = signature;
        beyond[32..].copy_from_slice(&scalar::bytes(scalar::add(number(&signature[32..]), scalar::ORDER)));
        assert!(!key.public().verify_raw(b"word", &Signature(beyond)));
    }

    #[test]
    fn no_signature_holds_whose_r_or_key_is_of_small_order() {
        let key = SecretKey::from_seed(&[7; 32]);
        let public = *key.public().as_ed25519();
        let (seed, good) = (key.seed(), key.sign_raw(b"other"));
        let nonce = scalar::nonce_of(&seed, b"other");
        let (mut rs, mut keys) = (0, 0);
        for point in small_order() {
            // Without a nonce R is the neutral point, which leaves S = k·a: an equation that holds.
            let signature = scalar::sign_with(&seed, &public, &[0], &point, b"word");
            rs += u32::from(loosely(&public, b"word", &signature));
            assert!(!key.public().verify_raw(b"word", &Signature(signature)), "R {point:?}");
            // Under such a key, S = r holds for one message in eight at least, whoever makes it.
            assert_eq!(PublicKey::from_ed25519(point), Err(ParseError::Key));
            let r = &good.as_ed25519()[..32];
            for message in 0..64_u8 {
                let signature = [r, &scalar::bytes(scalar::times(&nonce, scalar::ONE))]
                    .concat()
                    .try_into()
                    .expect("64 bytes");
                keys += u32::from(loosely(&point, &[message], &signature));
                assert!(!PublicKey(point).verify_raw(&[message], &Signature(signature)), "A {point:?}");
            }
        }
        assert!(rs > 0 && keys > 64, "{rs} and {keys} of them are taken without the strict checks");
    }

    #[test]
    fn a_key_has_one_encoding() {
        // y = p + 2 and so on, as many as fit below 2^255: whatever lies on the curve there has another encoding as well.
        let mut others = 0;
        for low in 0xed..=0xff_u8 {
            for top in [127, 255] {
                let mut bytes = [255; 32];
                (bytes[0], bytes[31]) = (low, top);
                let point = VerifyingKey::from_bytes(&bytes).is_ok_and(|key| !key.is_weak());
                others += u32::from(point);
                assert_eq!(PublicKey::from_ed25519(bytes), Err(ParseError::Key), "{bytes:?}");
            }
        }
        assert!(others > 0, "some are points of no small order");
    }
}
