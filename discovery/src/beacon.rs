//! Beacons: what a member says about where it is, signed with its node key.
//!
//! Guarantees: a beacon counts only if a member signed it (gossipsub's strict signing covers source, topic and bytes with the
//! node key) and its sequence is greater than any seen of that member, so an old beacon cannot be played again. The
//! sequence is the greater of the Unix time in milliseconds and the last one plus one, and is kept in the peer book, so it
//! grows over restarts even where the clock went back.

use std::time::{Duration, Instant};

use libp2p::Multiaddr;
use serde::{Deserialize, Serialize};

use crate::book;

/// At most this many bytes make a beacon.
pub(crate) const MAX_BEACON_BYTES: usize = 4096;
/// So many beacons of one member are taken at once, and so many of its words in identify and streams; more beacons are not
/// passed on.
const WORD_BURST: u32 = 16;
/// So often one more of each is taken.
const WORD_EVERY: Duration = Duration::from_secs(1);
/// The version of the beacon's format.
const BEACON_VERSION: u8 = 1;

/// A member's addresses at a time.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Beacon {
    pub(crate) sequence: u64,
    pub(crate) unix_ms: u64,
    pub(crate) addresses: Vec<Multiaddr>,
}

/// How many more words of one kind are taken of one member: a beacon or identify costs a check, a dial and a place in the book,
/// a stream ends the link before it. A member that keeps to the format sends one on a change and one per interval.
pub(crate) struct Allowance {
    left: u32,
    at: Instant,
}

impl Allowance {
    pub(crate) fn new(now: Instant) -> Self {
        Self { left: WORD_BURST, at: now }
    }

    /// Whether one more is taken.
    pub(crate) fn take(&mut self, now: Instant) -> bool {
        let since = now.saturating_duration_since(self.at);
        let more = u32::try_from(since.as_nanos() / WORD_EVERY.as_nanos()).unwrap_or(u32::MAX);
        if more > 0 {
            self.left = self.left.saturating_add(more).min(WORD_BURST);
            self.at = now;
        }
        let enough = self.left > 0;
        self.left -= u32::from(enough);
        enough
    }
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
    fn a_member_that_sends_beacons_in_a_loop_is_heard_once_a_second() {
        let start = Instant::now();
        let mut allowance = Allowance::new(start);
        assert_eq!((0..1000).filter(|_| allowance.take(start)).count(), WORD_BURST as usize);
        let later = start + 3 * WORD_EVERY;
        assert_eq!((0..1000).filter(|_| allowance.take(later)).count(), 3);
        let long_after = later + 1000 * WORD_EVERY;
        assert_eq!((0..1000).filter(|_| allowance.take(long_after)).count(), WORD_BURST as usize);
    }

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
