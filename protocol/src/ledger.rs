//! The ledger: what a coalition has ordered, as a transparency log that tools nobody here wrote can check.
//!
//! Guarantees: a [`receipt::Receipt`] that verifies proves that `quorum` seats of a known set vouched for a log that
//! contains its leaf at its index; and of any two trees that one committee certifies, one is a prefix of the other,
//! because any two quorums share an honest seat.
//! Assumes SHA-256 to be collision resistant, ed25519 to be unforgeable, and at most f of the seats to be faulty.
//!
//! How: ordered leaves are appended to the Merkle tree of RFC 6962 ([`merkle`]); a batch's tree head is a
//! C2SP checkpoint ([`checkpoint`], in the signed-note format of [`note`]); every seat cosigns it with the batch
//! time, so that all sign the same bytes ([`cosignature`]); the trusted seats are exported as a tlog-policy file
//! ([`policy`]); and a leaf with its proof leaves the coalition as a `.tlog-proof` file ([`receipt`]).
//!
//! Sources: RFC 6962 section 2.1 and RFC 9162 section 2.1; C2SP signed-note, tlog-checkpoint, tlog-cosignature/v1,
//! tlog-policy and tlog-proof@v1 (<https://c2sp.org>). The readers here are stricter than those documents where
//! they leave a choice: one text for each value, nothing unknown, everything bounded.

use data_encoding::BASE64;

use crate::identity::Hash;

pub mod checkpoint;
pub mod cosignature;
pub mod merkle;
pub mod note;
pub mod policy;
pub mod receipt;

#[cfg(test)]
mod outsider;
#[cfg(test)]
mod testing;

/// A hash as C2SP texts write it: standard base64 with padding (RFC 4648, section 4).
fn hash_to_base64(hash: &Hash) -> String {
    BASE64.encode(hash.as_bytes())
}

/// The one base64 text of 32 bytes; another spelling (padding, trailing bits) is none.
fn hash_from_base64(text: &str) -> Option<Hash> {
    // The length first: nothing is allocated for a text that cannot be a hash.
    if text.len() != 44 {
        return None;
    }
    from_base64(text)?.try_into().ok().map(Hash)
}

/// The bytes of which this is the one base64 text.
fn from_base64(text: &str) -> Option<Vec<u8>> {
    let bytes = BASE64.decode(text.as_bytes()).ok()?;
    // The decoder also takes padded texts one behind the other, so that the same bytes have several.
    (BASE64.encode(&bytes) == text).then_some(bytes)
}

/// An ASCII decimal without sign or leading zeroes, at most `limit`.
fn decimal(text: &str, limit: u64) -> Option<u64> {
    let plain = !text.is_empty()
        && text.len() <= 20
        && text.bytes().all(|byte| byte.is_ascii_digit())
        && (text == "0" || !text.starts_with('0'));
    plain.then(|| text.parse().ok()).flatten().filter(|&number: &u64| number <= limit)
}
