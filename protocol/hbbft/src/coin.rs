//! The coins of the binary agreements: two fixed ones, then a common one.
//!
//! **Guarantees**: all seats see the same coin for the same (instance tag, epoch, proposer, round).
//!
//! Rounds 0 and 1 use the fixed coins 1 and 0, as any agreed choice keeps agreement and validity: a run in
//! which all honest seats input 1 decides in round 0, without waiting for a common coin, and one in which all
//! input 0 in round 1.
//!
//! From round 2 on the coin is common. Here it is **public**: one bit of SHA-256 over the names above, which
//! everybody can compute in advance. That costs termination against a scheduler that plays known coins, and
//! nothing else: agreement and validity never rest on the coin. A threshold coin (C. Cachin, K. Kursawe,
//! V. Shoup, *Random oracles in Constantinople*, Journal of Cryptology 18, 2005, section 4) stays unknown until
//! f + 1 seats reveal their shares, which gives termination with probability 1 against any scheduler. It fits
//! behind the same call: `Coins::value` answers `None` while shares are missing, and the agreement asks again
//! after every step.

use sha2::{Digest as _, Sha256};

use crate::committee::Seat;
use crate::message::Round;

/// Domain tag of the public coin.
const COIN_DOMAIN: &[u8] = b"entente-hbbft/coin/1\n";

/// The coins of all agreements of one epoch.
#[derive(Clone, Debug)]
pub(crate) struct Coins {
    common: Common,
}

/// Where common coins come from.
#[derive(Clone, Debug)]
enum Common {
    /// A hash that anyone can compute.
    Public { seed: [u8; 32] },
}

impl Coins {
    /// Public coins of the epoch, bound to the tag of the instance.
    pub(crate) fn public(tag: &[u8], epoch: u64) -> Self {
        let mut hash = Sha256::new();
        hash.update(COIN_DOMAIN);
        hash.update((tag.len() as u64).to_be_bytes());
        hash.update(tag);
        hash.update(epoch.to_be_bytes());
        Self { common: Common::Public { seed: hash.finalize().into() } }
    }

    /// The coin of one round of the agreement on `proposer`, or `None` while it is unknown.
    pub(crate) fn value(&self, proposer: Seat, round: Round) -> Option<bool> {
        match round {
            Round(0) => Some(true),
            Round(1) => Some(false),
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
        let coins = Coins::public(tag, epoch);
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
    fn the_first_two_coins_are_one_and_zero() {
        let coins = Coins::public(b"a", 7);
        let first = [Round(0), Round(1)].map(|round| coins.value(Seat(3), round));
        assert_eq!(first, [Some(true), Some(false)]);
    }
}
