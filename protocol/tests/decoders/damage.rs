//! Bytes that nobody meant: arbitrary ones, and valid ones damaged where codecs are known to break.

use crate::rng::Rng;

/// Integers and lengths at which encodings change or limits lie.
const EDGES: [u64; 12] = [0, 1, 250, 251, 252, 255, 256, 65_535, 65_536, 1 << 20, 1 << 32, u64::MAX];

/// An integer as the codec writes it, or with a longer marker than it needs.
fn integer(value: u64, rng: &mut Rng) -> Vec<u8> {
    let shortest = match value {
        0..=250 => 0,
        251..=0xffff => 1,
        0x1_0000..=0xffff_ffff => 2,
        _ => 3,
    };
    match if rng.chance(70) { shortest } else { shortest + rng.below(4 - shortest) } {
        0 => vec![value as u8],
        1 => [&[251][..], &(value as u16).to_le_bytes()].concat(),
        2 => [&[252][..], &(value as u32).to_le_bytes()].concat(),
        _ => [&[253][..], &value.to_le_bytes()].concat(),
    }
}

/// An input: one in eight is arbitrary, the others are one of `valid` with damage.
pub(crate) fn input(valid: &[Vec<u8>], rng: &mut Rng) -> Vec<u8> {
    if rng.chance(12) {
        let length = rng.below(200);
        return (0..length)
            .map(|_| if rng.chance(50) { rng.next() as u8 } else { rng.below(4) as u8 })
            .collect();
    }
    let mut bytes = valid[rng.below(valid.len() as u64) as usize].clone();
    for _ in 0..=rng.below(3) {
        let at = rng.below(bytes.len() as u64 + 1) as usize;
        let end = at + rng.below((bytes.len() - at) as u64 + 1) as usize;
        match rng.below(9) {
            0 => bytes.truncate(at),
            1 => bytes.extend((0..=rng.below(40)).map(|_| rng.next() as u8)),
            2 => {
                drop(bytes.splice(at..(at + 1).min(bytes.len()), integer(EDGES[rng.below(12) as usize], rng)))
            }
            3 => drop(bytes.drain(at..end.min(at + 40))),
            4 => {
                let part = bytes[at..end.min(at + 200)].to_vec();
                drop(bytes.splice(at..at, part));
            }
            5 => {
                let other = &valid[rng.below(valid.len() as u64) as usize];
                let from = rng.below(other.len() as u64 + 1) as usize;
                drop(bytes.splice(at..end, other[from..].iter().copied()));
            }
            _ if bytes.is_empty() => {}
            6 => {
                let other = rng.below(bytes.len() as u64) as usize;
                let last = bytes.len() - 1;
                bytes.swap(at.min(last), other);
            }
            _ => {
                let bit = rng.below(8 * bytes.len() as u64) as usize;
                bytes[bit / 8] ^= 1 << (bit % 8);
            }
        }
    }
    bytes
}
