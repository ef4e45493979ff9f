//! The coins of the binary agreements: two fixed ones, then a common one.
//!
//! **Guarantees**: all seats see the same coin for the same (instance tag, epoch, proposer, round).
//!
//! Rounds 0 and 1 use fixed coins: any choice that all seats share keeps agreement and validity. In round 0 it is
//! whether the proposer was in the last agreed set, in round 1 the opposite. So a run in which all honest
//! seats input what happened last time decides in round 0, and any other that is unanimous in round 1, without
//! waiting for a common coin: a seat that stays away costs one round, not two.
//!
//! From round 2 on the coin is common. Here it is **public**: one bit of SHA-256 over the names above, which
//! everybody can compute in advance. That costs termination against a scheduler that plays known coins, and
//! nothing else: agreement and validity never rest on the coin. A threshold coin (C. Cachin, K. Kursawe,
//! V. Shoup, *Random oracles in Constantinople*, Journal of Cryptology 18, 2005, section 4) stays unknown until
//! f + 1 seats reveal their shares, which gives termination with probability 1 against any scheduler. It fits
//! behind the same call: `Coins::value` answers `None` while shares are missing, and the agreement asks again
//! after every step.

use sha2::{Digest as _, Sha256};

use crate::committee::{Seat, SeatSet};
use crate::message::Round;

/// Domain tag of the public coin.
const COIN_DOMAIN: &[u8] = b"entente-hbbft/coin/1\n";

/// How many rounds have a fixed coin.
pub const FIXED_COINS: u16 = 2;

/// The coins of all agreements of one epoch.
#[derive(Clone, Debug)]
pub(crate) struct Coins {
    /// Whose first coin is 1.
    last_set: SeatSet,
    common: Common,
}

/// Where common coins come from.
#[derive(Clone, Debug)]
enum Common {
    /// A hash that anyone can compute.
    Public { seed: [u8; 32] },
}

impl Coins {
    /// Public coins of the epoch, bound to the tag of the instance; the first is 1 for those in `last_set`.
    pub(crate) fn public(tag: &[u8], epoch: u64, last_set: SeatSet) -> Self {
        let mut hash = Sha256::new();
        hash.update(COIN_DOMAIN);
        hash.update((tag.len() as u64).to_be_bytes());
        hash.update(tag);
        hash.update(epoch.to_be_bytes());
        Self { last_set, common: Common::Public { seed: hash.finalize().into() } }
    }

    /// Sets whose first coin is 1, once the last agreed set is known.
    pub(crate) fn follow(&mut self, last_set: SeatSet) {
        self.last_set = last_set;
    }

    /// The coin of one round of the agreement on `proposer`, or `None` while it is unknown.
    pub(crate) fn value(&self, proposer: Seat, round: Round) -> Option<bool> {
        match round {
            Round(0) => Some(self.last_set.contains(proposer)),
            Round(1) => Some(!self.last_set.contains(proposer)),
            _ => self.common.value(proposer, round),
        }
    }
}

impl Common {
    fn value(&self, proposer: Seat, round: Round) -> Option<bool> {
        match self {
            Self::Public { seed } => {
                let mut hash = Sha256::new();
                hash.update(seed);
                hash.update(proposer.0.to_be_bytes());
                hash.update(round.0.to_be_bytes());
                Some(hash.finalize()[0] & 1 == 1)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bits(tag: &[u8], epoch: u64, proposer: u16) -> Vec<bool> {
        let coins = Coins::public(tag, epoch, SeatSet::EMPTY);
        (2..66)
            .map(|round| coins.value(Seat(proposer), Round(round)).expect("public coins are known"))
            .collect()
    }

    #[test]
    fn coins_are_bound_to_tag_epoch_proposer_and_round() {
        let base = bits(b"a", 1, 0);
        assert_eq!(base, bits(b"a", 1, 0));
        for other in [bits(b"b", 1, 0), bits(b"a", 2, 0), bits(b"a", 1, 1)] {
            assert_ne!(base, other);
        }
        let ones = base.iter().filter(|bit| **bit).count();
        assert!((16..=48).contains(&ones), "{ones} of 64 coins show 1");
    }

    #[test]
    fn the_first_two_coins_follow_the_last_agreed_set() {
        let coins = Coins::public(b"a", 7, SeatSet::from_iter([Seat(3)]));
        let first = |seat| [Round(0), Round(1)].map(|round| coins.value(Seat(seat), round));
        assert_eq!(first(3), [Some(true), Some(false)]);
        assert_eq!(first(2), [Some(false), Some(true)]);
    }
}
