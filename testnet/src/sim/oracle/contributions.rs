//! What seats contribute, by the words of step 1: which contributions are valid, whoever says them, and what a correct seat
//! says of what it holds.

use std::collections::{BTreeMap, BTreeSet};

use entente_hbbft::Seat;
use entente_protocol::feed::{FeedKey, Head};
use entente_protocol::frontier::Contribution;
use entente_protocol::identity::Hash;
use entente_protocol::wire;

use super::recount::LANES;

/// Most bytes of one.
const LIMIT: usize = 48 * 1024;
/// Those that stand before a feed's claims at most: the clock, and how many feeds are claimed.
const FRONT: usize = 15;

/// What steers an epoch, as the batches before it make it.
pub(super) struct Basis {
    pub(super) epoch: u64,
    /// In the order that claims refer to.
    pub(super) feeds: Vec<FeedKey>,
    pub(super) committed: Vec<Head>,
    pub(super) frozen: Vec<bool>,
    /// By lane.
    pub(super) quota: [u64; LANES],
    /// Whose contributions the epoch before agreed on.
    pub(super) last: BTreeSet<Seat>,
}

/// The lengths beyond a committed head at which `top` entries are claimed: 1, 2, 4, ... and `top`.
fn lengths(top: u64) -> Vec<u64> {
    let mut lengths = Vec::new();
    let mut length = 1;
    while length < top {
        lengths.push(length);
        length *= 2;
    }
    lengths.push(top);
    lengths
}

impl Basis {
    fn quota(&self, feed: usize) -> u64 {
        self.quota[self.feeds[feed].lane as usize]
    }

    /// Lane by lane, within a lane from the feed that the epoch's number names.
    fn turn(&self) -> Vec<usize> {
        let each = self.feeds.len() / LANES;
        let feeds = (0..LANES).flat_map(|lane| (0..each).map(move |place| (lane, place)));
        feeds.map(|(lane, place)| lane * each + (place + self.epoch as usize) % each).collect()
    }

    /// Reads a contribution and says what makes it invalid.
    pub(super) fn valid(&self, bytes: &[u8]) -> Result<Contribution, String> {
        let contribution: Contribution =
            wire::decode(bytes, LIMIT).map_err(|error| format!("a contribution that is none: {error}"))?;
        if bytes.len() > LIMIT || wire::encode(&contribution) != bytes {
            return Err("a contribution that has other bytes than its own".into());
        }
        let mut before = None;
        for claims in &contribution.claims {
            let feed = usize::from(claims.feed);
            if before.is_some_and(|before| before >= feed) {
                return Err(format!("claims on feed {feed} out of order"));
            }
            before = Some(feed);
            match self.frozen.get(feed) {
                None => return Err(format!("claims on feed {feed}, which is none")),
                Some(true) => return Err(format!("claims on feed {feed}, which is frozen")),
                Some(false) => {}
            }
            let claimed: Vec<u64> = claims.heads.iter().map(|(beyond, _)| *beyond).collect();
            let top = claimed.last().copied().unwrap_or(0);
            if top == 0 || top > self.quota(feed) || claimed != lengths(top) {
                return Err(format!("claims on feed {feed} at {claimed:?} beyond its committed head"));
            }
        }
        Ok(contribution)
    }

    /// Whether a valid contribution claims exactly what a seat holds: by feed the hashes behind the committed head, as far
    /// as one signature of the author's reaches. `few` says that there is room for one feed only.
    pub(super) fn whole(
        &self,
        contribution: &Contribution,
        mut held: impl FnMut(&FeedKey, &Head) -> Vec<Hash>,
        few: bool,
    ) -> Result<(), String> {
        let claimed: BTreeMap<usize, &Vec<(u64, Hash)>> =
            contribution.claims.iter().map(|claims| (usize::from(claims.feed), &claims.heads)).collect();
        let (mut bytes, mut taken, mut full) = (FRONT, 0, false);
        for feed in self.turn().into_iter().filter(|feed| !self.frozen[*feed]) {
            let hashes = held(&self.feeds[feed], &self.committed[feed]);
            let top = (hashes.len() as u64).min(self.quota(feed));
            if top == 0 {
                continue;
            }
            let due: Vec<(u64, Hash)> =
                lengths(top).into_iter().map(|beyond| (beyond, hashes[beyond as usize - 1])).collect();
            let size = wire::encode(&(feed as u16, &due)).len();
            match claimed.get(&feed) {
                Some(_) if full => return Err(format!("feed {feed} is claimed out of turn")),
                Some(claims) if **claims == due => (bytes, taken) = (bytes + size, taken + 1),
                Some(claims) => {
                    let lengths: Vec<u64> = claims.iter().map(|(beyond, _)| *beyond).collect();
                    return Err(format!("feed {feed} is claimed at {lengths:?}, and {top} are held"));
                }
                None if bytes + size > LIMIT || (few && taken > 0) => full = true,
                None => return Err(format!("feed {feed} is not claimed, and {top} are held")),
            }
        }
        if taken == claimed.len() { Ok(()) } else { Err("a feed is claimed of which nothing is held".into()) }
    }
}

#[cfg(test)]
mod tests {
    use entente_protocol::feed::Lane;
    use entente_protocol::frontier::FeedClaims;
    use entente_protocol::identity::SecretKey;
    use entente_protocol::time::Time;

    use super::*;

    /// Three nodes, of each two incarnations in each lane; 20 flash entries an epoch and 100 others.
    fn basis() -> Basis {
        let nodes = (1..=3).map(|i| SecretKey::from_seed(&[i; 32]).public()).collect::<Vec<_>>();
        let lanes = [Lane::Flash, Lane::Immediate, Lane::Priority, Lane::Routine];
        let feeds: Vec<FeedKey> = lanes
            .into_iter()
            .flat_map(|lane| nodes.iter().map(move |node| (lane, *node)))
            .flat_map(|(lane, node)| (0..2).map(move |incarnation| FeedKey { node, lane, incarnation }))
            .collect();
        Basis {
            epoch: 8,
            committed: vec![Head { length: 10, hash: Hash([1; 32]) }; feeds.len()],
            frozen: (0..feeds.len()).map(|feed| feed == 5).collect(),
            feeds,
            quota: [20, 100, 100, 100],
            last: BTreeSet::new(),
        }
    }

    fn hash(feed: usize, beyond: u64) -> Hash {
        Hash([feed as u8 + 1, beyond as u8].repeat(16).try_into().expect("32 bytes"))
    }

    fn claims(feed: usize, at: &[u64]) -> FeedClaims {
        FeedClaims {
            feed: feed as u16,
            heads: at.iter().map(|beyond| (*beyond, hash(feed, *beyond))).collect(),
        }
    }

    fn contribution(claims: Vec<FeedClaims>) -> Contribution {
        Contribution { clock: Time(1), claims }
    }

    #[test]
    fn claims_elsewhere_than_the_rules_put_them_are_named() {
        let valid = |claims| basis().valid(&wire::encode(&contribution(claims)));
        assert!(
            valid(vec![claims(0, &[1, 2, 4, 8, 16, 20]), claims(6, &[1]), claims(7, &[1, 2, 4, 8, 11])])
                .is_ok()
        );
        for wrong in [
            vec![claims(0, &[])],
            vec![claims(0, &[2])],
            vec![claims(0, &[1, 3])],
            vec![claims(0, &[1, 2, 3, 4])],
            vec![claims(0, &[1, 2, 4, 8, 16, 21])],
            vec![claims(0, &[1, 1])],
            vec![claims(5, &[1])],
            vec![claims(24, &[1])],
            vec![claims(7, &[1]), claims(6, &[1])],
            vec![claims(6, &[1]), claims(6, &[1])],
        ] {
            assert!(valid(wrong.clone()).is_err(), "{wrong:?}");
        }
        let mut longer = wire::encode(&contribution(Vec::new()));
        longer.push(0);
        assert!(basis().valid(&longer).is_err());
    }

    #[test]
    fn a_correct_seat_claims_all_that_it_holds_in_turn() {
        let basis = basis();
        let counts = BTreeMap::from([(0, 30), (1, 3), (5, 2), (23, 2)]);
        let held = |key: &FeedKey, _: &Head| {
            let feed = basis.feeds.iter().position(|known| known == key).expect("enrolled");
            (1..=*counts.get(&feed).unwrap_or(&0)).map(|beyond| hash(feed, beyond)).collect::<Vec<_>>()
        };
        let whole = |claims, few| basis.whole(&contribution(claims), held, few);
        let (first, second, last) =
            (claims(0, &[1, 2, 4, 8, 16, 20]), claims(1, &[1, 2, 3]), claims(23, &[1, 2]));
        assert_eq!(whole(vec![first.clone(), second.clone(), last.clone()], false), Ok(()));
        // One less, less of one, another hash, one of which nothing is held.
        assert!(whole(vec![first.clone(), second.clone()], false).is_err());
        assert!(whole(vec![first.clone(), claims(1, &[1, 2]), last.clone()], false).is_err());
        let mut other = second.clone();
        other.heads[1].1 = Hash([9; 32]);
        assert!(whole(vec![first.clone(), other, last.clone()], false).is_err());
        assert!(whole(vec![first.clone(), second.clone(), claims(22, &[1]), last.clone()], false).is_err());
        // Where there is room for one: of the flash lane's six feeds the one that epoch 8 begins with is the third.
        assert!(whole(vec![second.clone()], true).is_err());
        assert_eq!(whole(vec![first.clone()], true), Ok(()));
        assert!(whole(vec![first, last], true).is_err());
    }
}
