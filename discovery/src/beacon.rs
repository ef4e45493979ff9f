//! Beacons: what a member says about where it is, signed with its node key.
//!
//! Guarantees: a beacon counts only if a member signed it (gossipsub's strict signing covers source, topic and bytes with the
//! node key) and its sequence is greater than any seen of that member, so an old beacon cannot be played again. The
//! sequence is the greater of the Unix time in milliseconds and the last one plus one, and is kept in the peer book, so it
//! grows over restarts even where the clock went back.

use libp2p::Multiaddr;
use serde::{Deserialize, Serialize};

use crate::book;

/// At most this many bytes make a beacon.
pub(crate) const MAX_BEACON_BYTES: usize = 4096;
/// The version of the beacon's format.
const BEACON_VERSION: u8 = 1;

/// A member's addresses at a time.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Beacon {
    pub(crate) sequence: u64,
    pub(crate) unix_ms: u64,
    pub(crate) addresses: Vec<Multiaddr>,
}

#[derive(Serialize, Deserialize)]
struct Wire {
    version: u8,
    sequence: u64,
    unix_ms: u64,
    addresses: Vec<Vec<u8>>,
}

impl Beacon {
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        book::encode(&Wire {
            version: BEACON_VERSION,
            sequence: self.sequence,
            unix_ms: self.unix_ms,
            addresses: book::addresses_to_bytes(&self.addresses),
        })
    }

    pub(crate) fn from_bytes(bytes: &[u8]) -> Result<Self, String> {
        let wire: Wire = book::decode::<MAX_BEACON_BYTES, _>(bytes)?;
        if wire.version != BEACON_VERSION {
            return Err(format!("version {}, {BEACON_VERSION} is known", wire.version));
        }
        Ok(Self {
            sequence: wire.sequence,
            unix_ms: wire.unix_ms,
            addresses: book::addresses_from_bytes(wire.addresses)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_beacon_survives_its_bytes_and_nothing_else_is_one() {
        let beacon = Beacon {
            sequence: 3,
            unix_ms: 4,
            addresses: vec!["/ip6/::1/udp/7/quic-v1".parse().expect("address")],
        };
        let bytes = beacon.to_bytes();
        assert_eq!(Beacon::from_bytes(&bytes), Ok(beacon));
        for end in 0..bytes.len() {
            assert!(Beacon::from_bytes(&bytes[..end]).is_err());
        }
        let mut newer = bytes.clone();
        newer[0] = 2;
        assert!(Beacon::from_bytes(&newer).is_err());
        assert!(Beacon::from_bytes(&vec![0; MAX_BEACON_BYTES + 1]).is_err());
    }
}
