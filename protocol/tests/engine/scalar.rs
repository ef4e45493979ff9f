//! Ed25519 signatures made by hand, with nonces and points that no signing key takes: S = r + SHA-512(R, A, message)·a modulo
//! the order of the base point (RFC 8032, section 5.1). Numbers are little-endian.

use sha2::{Digest as _, Sha512};

/// A number below 2^256, the lowest limb first.
type Number = [u64; 4];

/// The order of the base point.
pub(crate) const ORDER: Number = [0x5812_631a_5cf5_d3ed, 0x14de_f9de_a2f7_9cd6, 0, 0x1000_0000_0000_0000];
pub(crate) const ONE: Number = [1, 0, 0, 0];

/// The sum of two numbers, which must be below 2^256.
pub(crate) fn add(a: Number, b: Number) -> Number {
    let mut carry = 0;
    std::array::from_fn(|limb| {
        let sum = u128::from(a[limb]) + u128::from(b[limb]) + carry;
        carry = sum >> 64;
        sum as u64
    })
}

/// The sum modulo the order of two numbers below it.
fn add_mod(a: Number, b: Number) -> Number {
    let sum = add(a, b);
    if sum.iter().rev().lt(ORDER.iter().rev()) {
        return sum;
    }
    // Less the order, as two's complement.
    add(add(sum, ORDER.map(|limb| !limb)), ONE)
}

/// `factor` times `by` modulo the order.
pub(crate) fn times(factor: &[u8], by: Number) -> Number {
    let bits = factor.iter().rev().flat_map(|byte| (0..8).rev().map(move |bit| byte >> bit & 1 == 1));
    bits.fold([0; 4], |product, bit| {
        let twice = add_mod(product, product);
        if bit { add_mod(twice, by) } else { twice }
    })
}

pub(crate) fn bytes(number: Number) -> Vec<u8> {
    number.iter().flat_map(|limb| limb.to_le_bytes()).collect()
}

fn sha512(parts: &[&[u8]]) -> [u8; 64] {
    Sha512::digest(parts.concat()).into()
}

/// The nonce that the key of `seed` takes for `message`.
pub(crate) fn nonce_of(seed: &[u8; 32], message: &[u8]) -> [u8; 64] {
    sha512(&[&sha512(&[seed])[32..], message])
}

/// A signature of `message` by the key of `seed` and `public` with any nonce and any R; good if R is the nonce's point.
pub(crate) fn sign_with(
    seed: &[u8; 32],
    public: &[u8; 32],
    nonce: &[u8],
    r: &[u8],
    message: &[u8],
) -> [u8; 64] {
    let mut secret = sha512(&[seed]);
    (secret[0], secret[31]) = (secret[0] & 248, secret[31] & 63 | 64);
    let secret = times(&secret[..32], ONE);
    let s = add_mod(times(nonce, ONE), times(&sha512(&[r, public, message]), secret));
    [r, &bytes(s)].concat().try_into().expect("64 bytes")
}
