//! Frontiers: what a seat contributes, how agreed contributions become a cut, and the order of what lies below it.
//!
//! Guarantees: every function here is pure in its arguments, so all honest seats, which agree on the contributions
//! and on the record of the epoch before, compute the same cut, order and batch time. A feed advances only to a
//! length and hash that `weak` contributions name exactly, so an honest seat holds it and no liar steers it; and it
//! advances by at least half of what `weak` honest seats hold, whatever the scheduler does, because claims stand at
//! powers of two.
//!
//! Assumes at most f faulty seats, and that honest claims extend the committed heads.
//! Source: `docs/architecture.md`, section "Agreement"; HoneyBadger (Miller et al., CCS 2016) for the epoch around it.

use std::collections::BTreeMap;

use entente_hbbft::{Committee, Seat, SeatSet, plant};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::feed::{FeedKey, Head, Lane};
use crate::identity::{Hash, PublicKey, hash};
use crate::time::Time;
use crate::wire::{self, WireError};

/// Largest encoded contribution, in bytes.
pub const MAX_CONTRIBUTION_BYTES: usize = 48 * 1024;
/// Most claims on one feed: powers of two below the largest quota, and the top.
pub const MAX_CLAIMS_PER_FEED: usize = 18;
/// Most feeds of a coalition: as many as its partners may have nodes, in each lane. A whole frontier and an epoch's
/// record, which name them all, fit into one message.
pub const MAX_FEEDS: usize = 2048;
/// Most incarnations of a node whose feeds are enrolled: so often may it be restored, less one. Fewer where there are so
/// many nodes that their feeds would exceed [`MAX_FEEDS`].
pub const MAX_INCARNATIONS: u32 = 16;

/// How many incarnations of a node may be enrolled in a coalition whose founding charter names `founding` nodes: the same for
/// all, so that none takes up the room of another, and the same for ever, whoever is enrolled later, because a feed that was
/// enrolled must not lose its place. Leaves room for as many nodes again where there is any.
pub fn incarnations(founding: usize) -> u32 {
    let room = MAX_FEEDS / (2 * founding.max(1) * Lane::ALL.len());
    u32::try_from(room).unwrap_or(u32::MAX).clamp(1, MAX_INCARNATIONS)
}

/// How many nodes may be enrolled at once in such a coalition, without exceeding [`MAX_FEEDS`].
pub fn most_nodes(founding: usize) -> usize {
    MAX_FEEDS / (incarnations(founding) as usize * Lane::ALL.len())
}

/// What steers one epoch: a function of the record of the epoch before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Basis {
    /// The epoch that is steered.
    pub epoch: u64,
    /// Enrolled feeds, lane by lane in order of precedence, within a lane in the order of nodes: the charter's, then that of
    /// their grants; and a node's by incarnation.
    pub feeds: Vec<FeedKey>,
    /// Their committed heads.
    pub committed: Vec<Head>,
    /// Which of them are frozen.
    pub frozen: Vec<bool>,
    /// Most entries of a feed that one epoch orders, by lane.
    pub quota: [u64; 4],
    /// Batch time of the epoch before.
    pub time: Time,
    /// The proposers that the epoch before agreed on; all in an era's first. The agreements' first coins.
    pub last_set: SeatSet,
    /// Largest advance of batch time that one median decides, in ms.
    pub step_ms: u64,
}

impl Basis {
    /// The enrolled feeds of `nodes` in the order that claims refer to, where `committed` are the feeds that have
    /// ordered entries, as an epoch's record names them: of each node, in all lanes, the incarnations up to the greatest
    /// with an ordered entry, and the next one, at most `most` ([`incarnations`]). The older ones stay: what is held of them is
    /// still ordered. The next one is there before it is needed, because nobody could order that it be so on behalf
    /// of a node that may not use its feeds; one more only, because a liar would otherwise enrol all at once.
    pub fn feeds_of<'a>(
        nodes: &[PublicKey],
        most: u32,
        committed: impl IntoIterator<Item = &'a FeedKey>,
    ) -> Vec<FeedKey> {
        let mut enrolled: BTreeMap<PublicKey, u32> = nodes.iter().map(|&node| (node, 2.min(most))).collect();
        for feed in committed {
            if let Some(count) = enrolled.get_mut(&feed.node) {
                *count = feed.incarnation.saturating_add(2).min(most).max(*count);
            }
        }
        let of_lane = |lane| {
            let enrolled = &enrolled;
            nodes.iter().flat_map(move |&node| {
                (0..enrolled[&node]).map(move |incarnation| FeedKey { node, lane, incarnation })
            })
        };
        Lane::ALL.into_iter().flat_map(of_lane).collect()
    }

    /// The greatest length of feed `index` that a contribution to this epoch may claim.
    pub fn ceiling(&self, index: usize) -> u64 {
        self.committed[index].length.saturating_add(self.quota[self.feeds[index].lane as usize])
    }

    /// Feed indexes in the order in which a full contribution takes them: by precedence, within a lane cyclically
    /// from the one that the epoch's number names, so that no feed is always the one left out.
    fn turn(&self) -> impl Iterator<Item = usize> + '_ {
        let per_lane = self.feeds.len() / Lane::ALL.len();
        let shift = if per_lane == 0 { 0 } else { (self.epoch % per_lane as u64) as usize };
        (0..self.feeds.len()).map(move |i| i / per_lane * per_lane + (i % per_lane + shift) % per_lane)
    }
}

/// What a seat holds of the feeds that have something to order, and its clock.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Contribution {
    /// The seat's clock.
    pub clock: Time,
    /// Claims by ascending feed index.
    pub claims: Vec<FeedClaims>,
}

/// Exact lengths and hashes held of one feed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FeedClaims {
    /// Index into [`Basis::feeds`].
    pub feed: u16,
    /// (entries beyond the committed head, hash there), at 1, 2, 4, ... and at the top.
    pub heads: Vec<(u64, Hash)>,
}

/// Why a contribution is invalid. Invalid ones are not echoed.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ContributionError {
    /// The bytes are no contribution.
    #[error("contribution: {0}")]
    Wire(#[from] WireError),
    /// Feeds out of order, unknown or frozen.
    #[error("feed index {0} is out of order, unknown or frozen")]
    Feed(u16),
    /// Lengths other than the powers of two and the top, or beyond the quota.
    #[error("claims on feed index {0} are not at 1, 2, 4, ... and a top within the quota")]
    Lengths(u16),
}

/// The lengths beyond the committed head at which a seat that holds `top` of them claims.
fn claim_lengths(top: u64) -> impl Iterator<Item = u64> {
    (0..63).map(|power| 1u64 << power).take_while(move |&length| length < top).chain((top > 0).then_some(top))
}

impl Contribution {
    /// What a seat contributes: for each unfrozen feed, in turn, all of its claims or none, as far as the limit of
    /// bytes goes. `held` gives how much of a feed is held, and `hash_at` its hash at a length, both on the branch
    /// that extends the committed head.
    pub fn compose(
        basis: &Basis,
        clock: Time,
        held: impl Fn(usize) -> u64,
        hash_at: impl Fn(usize, u64) -> Option<Hash>,
    ) -> Self {
        let mut claims = BTreeMap::new();
        let mut bytes = wire::encode(&clock).len() + 5;
        for index in basis.turn().filter(|&index| !basis.frozen[index]) {
            let base = basis.committed[index].length;
            let top = held(index).min(basis.ceiling(index)).saturating_sub(base);
            let heads: Option<Vec<_>> =
                claim_lengths(top).map(|beyond| Some((beyond, hash_at(index, base + beyond)?))).collect();
            let Some(heads) = heads.filter(|heads| !heads.is_empty()) else {
                continue;
            };
            let feed = FeedClaims { feed: index as u16, heads };
            let size = wire::encode(&feed).len();
            // Room for one feed, so that the limit bites: with the bug, and without it where its histories are tried.
            let small = plant::is("quota-own-order") || plant::is("small-contributions");
            if bytes + size > MAX_CONTRIBUTION_BYTES || (small && !claims.is_empty()) {
                break;
            }
            bytes += size;
            claims.insert(index, feed);
        }
        Self { clock, claims: claims.into_values().collect() }
    }

    /// Canonical bytes.
    pub fn encode(&self) -> Vec<u8> {
        wire::encode(self)
    }

    /// Reads and checks a contribution: a pure function of its bytes and the basis, never of what the checker holds.
    pub fn decode(bytes: &[u8], basis: &Basis) -> Result<Self, ContributionError> {
        let contribution: Self = wire::decode(bytes, MAX_CONTRIBUTION_BYTES)?;
        let mut next = 0;
        for claims in &contribution.claims {
            let index = usize::from(claims.feed);
            if index < next || index >= basis.feeds.len() || basis.frozen[index] {
                return Err(ContributionError::Feed(claims.feed));
            }
            next = index + 1;
            let top = claims.heads.last().map_or(0, |&(beyond, _)| beyond);
            let quota = basis.ceiling(index) - basis.committed[index].length;
            let lengths = claims.heads.iter().map(|&(beyond, _)| beyond);
            if top == 0
                || top > quota
                || claims.heads.len() > MAX_CLAIMS_PER_FEED
                || !lengths.eq(claim_lengths(top))
            {
                return Err(ContributionError::Lengths(claims.feed));
            }
        }
        Ok(contribution)
    }

    /// The greatest length claimed of each feed that is claimed.
    pub fn tops<'a>(&'a self, basis: &'a Basis) -> impl Iterator<Item = (usize, Head)> + 'a {
        self.claims.iter().filter_map(|claims| {
            let index = usize::from(claims.feed);
            let &(beyond, hash) = claims.heads.last()?;
            Some((index, Head { length: basis.committed[index].length + beyond, hash }))
        })
    }

    /// All claims: feed index and head.
    pub fn heads<'a>(&'a self, basis: &'a Basis) -> impl Iterator<Item = (usize, Head)> + 'a {
        self.claims.iter().flat_map(move |claims| {
            let index = usize::from(claims.feed);
            let base = basis.committed[index].length;
            claims.heads.iter().map(move |&(beyond, hash)| (index, Head { length: base + beyond, hash }))
        })
    }
}

/// The cut: per feed the greatest length at which one hash has at least `weak` exact claims, the lower hash if there
/// are two; the committed head where there is none.
pub fn cut(basis: &Basis, committee: &Committee, agreed: &BTreeMap<Seat, Contribution>) -> Vec<Head> {
    let mut counts: BTreeMap<(usize, u64, Hash), usize> = BTreeMap::new();
    for contribution in agreed.values() {
        for (index, head) in contribution.heads(basis) {
            *counts.entry((index, head.length, head.hash)).or_default() += 1;
        }
    }
    let mut cut = basis.committed.clone();
    // Ascending by length, then by hash: of one length the lower hash comes first and stays.
    for ((index, length, hash), count) in counts {
        let enough = if plant::is("cut-at-f") { committee.faulty().max(1) } else { committee.weak() };
        if count >= enough && length > cut[index].length {
            cut[index] = Head { length, hash };
        }
    }
    cut
}

/// The order of the entries between the committed heads and the cut: (feed index, length). Lane by lane; within a lane
/// feeds rotated by a hash of the agreed set and the epoch, which no author knows when it writes; then by length.
pub fn order(basis: &Basis, cut: &[Head], agreed: &BTreeMap<Seat, Contribution>) -> Vec<(usize, u64)> {
    let seats: Vec<u16> = agreed.keys().map(|seat| seat.0).collect();
    let digest = hash("entente/order/v1", &[&wire::encode(&(basis.epoch, seats))]);
    let draw = u64::from_le_bytes(digest.0[..8].try_into().expect("eight bytes"));
    let per_lane = basis.feeds.len() / Lane::ALL.len();
    let mut order = Vec::new();
    for lane in 0..Lane::ALL.len() {
        for i in 0..per_lane {
            let index = lane * per_lane + (i + (draw % per_lane as u64) as usize) % per_lane;
            order.extend(
                (basis.committed[index].length + 1..=cut[index].length).map(|length| (index, length)),
            );
        }
    }
    order
}

/// Batch time from the clocks of the agreed contributions: their lower median, moved by at most a step unless even
/// the k-th smallest clock lies beyond, so f liars and one bad honest clock cannot throw time forward. Never backwards.
pub fn batch_time(
    previous: Time,
    step_ms: u64,
    committee: &Committee,
    clocks: impl Iterator<Item = Time>,
) -> Time {
    let mut clocks: Vec<Time> = clocks.collect();
    clocks.sort_unstable();
    let Some(&median) = clocks.get(clocks.len().saturating_sub(1) / 2) else {
        return previous;
    };
    if median <= previous {
        return previous;
    }
    if median.since(previous) <= step_ms {
        return median;
    }
    let k = committee.size().saturating_sub(2 * committee.faulty() + 1).max(1);
    let k = if plant::is("time-cap") { committee.faulty() + 1 } else { k };
    let kth = clocks[(k - 1).min(clocks.len() - 1)];
    previous.plus(step_ms).max(median.min(kth))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::SecretKey;

    fn basis(nodes: u8, quota: u64) -> Basis {
        let nodes: Vec<_> = (1..=nodes).map(|i| SecretKey::from_seed(&[i; 32]).public()).collect();
        let feeds: Vec<_> = Basis::feeds_of(&nodes, MAX_INCARNATIONS, [])
            .into_iter()
            .filter(|feed| feed.incarnation == 0)
            .collect();
        let committed = feeds.iter().map(|_| Head { length: 10, hash: Hash::default() }).collect();
        let frozen = vec![false; feeds.len()];
        Basis {
            epoch: 5,
            feeds,
            committed,
            frozen,
            quota: [quota; 4],
            time: Time(0),
            last_set: SeatSet::EMPTY,
            step_ms: 1000,
        }
    }

    #[test]
    fn the_next_incarnation_of_a_node_is_enrolled_and_no_other() {
        let nodes: Vec<_> = (1..=3u8).map(|i| SecretKey::from_seed(&[i; 32]).public()).collect();
        let count = |feeds: &[FeedKey], node: usize, lane| {
            feeds.iter().filter(|feed| feed.node == nodes[node] && feed.lane == lane).count()
        };
        let genesis = Basis::feeds_of(&nodes, MAX_INCARNATIONS, []);
        assert_eq!(genesis.len(), 2 * 3 * Lane::ALL.len());
        assert!(genesis.iter().map(|feed| feed.lane).is_sorted());
        // One lane's entry enrols all lanes of the next.
        let said = FeedKey { node: nodes[1], lane: Lane::Flash, incarnation: 1 };
        let feeds = Basis::feeds_of(&nodes, MAX_INCARNATIONS, [&said]);
        for lane in Lane::ALL {
            assert_eq!([0, 1, 2].map(|node| count(&feeds, node, lane)), [2, 3, 2]);
        }
        // Whatever a liar has had ordered, its feeds are bounded and nobody else's are fewer.
        let said = FeedKey { incarnation: u32::MAX, ..said };
        let feeds = Basis::feeds_of(&nodes, MAX_INCARNATIONS, [&said]);
        assert_eq!(count(&feeds, 1, Lane::Routine), MAX_INCARNATIONS as usize);
        assert_eq!(count(&feeds, 2, Lane::Routine), 2);
    }

    #[test]
    fn all_incarnations_of_all_nodes_of_any_charter_fit() {
        for nodes in 1..=MAX_FEEDS / Lane::ALL.len() {
            let each = incarnations(nodes) as usize;
            assert!(each >= 1 && nodes * each * Lane::ALL.len() <= MAX_FEEDS, "{nodes} nodes");
        }
        assert_eq!((incarnations(16), incarnations(32)), (MAX_INCARNATIONS, 8));
    }

    fn at(index: usize, length: u64) -> Hash {
        hash("test", &[&index.to_le_bytes(), &length.to_le_bytes()])
    }

    fn holding(basis: &Basis, held: impl Fn(usize) -> u64) -> Contribution {
        Contribution::compose(basis, Time(1), held, |index, length| Some(at(index, length)))
    }

    #[test]
    fn claims_stand_at_powers_of_two_and_at_the_top() {
        let basis = basis(1, 100);
        let contribution = holding(&basis, |index| if index == 0 { 10 + 11 } else { 10 });
        let lengths: Vec<_> = contribution.claims[0].heads.iter().map(|claim| claim.0).collect();
        assert_eq!(lengths, [1, 2, 4, 8, 11]);
        assert_eq!(contribution.claims.len(), 1);
        assert_eq!(Contribution::decode(&contribution.encode(), &basis), Ok(contribution));
    }

    #[test]
    fn a_backlog_is_claimed_up_to_the_quota() {
        let basis = basis(1, 4);
        let contribution = holding(&basis, |_| 1_000);
        assert_eq!(contribution.tops(&basis).map(|(_, head)| head.length).collect::<Vec<_>>(), [14; 4]);
    }

    #[test]
    fn refuses_claims_that_are_not_where_they_must_be() {
        let basis = basis(2, 100);
        let good = holding(&basis, |_| 15);
        let mut order = good.clone();
        order.claims.swap(0, 1);
        assert_eq!(Contribution::decode(&order.encode(), &basis), Err(ContributionError::Feed(0)));
        let mut gap = good.clone();
        gap.claims[2].heads.remove(1);
        assert_eq!(Contribution::decode(&gap.encode(), &basis), Err(ContributionError::Lengths(2)));
        let mut beyond = good.clone();
        beyond.claims[0].heads.last_mut().expect("not empty").0 = 101;
        assert_eq!(Contribution::decode(&beyond.encode(), &basis), Err(ContributionError::Lengths(0)));
        let mut unknown = good;
        unknown.claims[7].feed = 8;
        assert_eq!(Contribution::decode(&unknown.encode(), &basis), Err(ContributionError::Feed(8)));
    }

    #[test]
    fn a_feed_advances_to_what_weak_seats_name_and_no_liar_steers_it() {
        let basis = basis(1, 100);
        let committee = Committee::new(4).expect("four seats");
        let mut agreed = BTreeMap::new();
        agreed.insert(Seat(0), holding(&basis, |_| 10 + 13));
        agreed.insert(Seat(1), holding(&basis, |_| 10 + 9));
        let liar = Contribution::compose(
            &basis,
            Time(1),
            |_| 110,
            |_, length| Some(hash("lie", &[&length.to_le_bytes()])),
        );
        agreed.insert(Seat(2), liar);
        let cut = cut(&basis, &committee, &agreed);
        // Both honest seats hold nine, and the greatest power of two within is eight.
        assert_eq!(cut[0], Head { length: 18, hash: at(0, 18) });
        assert_eq!(order(&basis, &cut, &agreed).iter().filter(|(index, _)| *index == 0).count(), 8);
    }

    #[test]
    fn of_two_branches_that_both_have_enough_claims_everybody_takes_the_lower_hash() {
        let basis = basis(1, 100);
        let branch = |name: &'static str| {
            let at = move |_: usize, length: u64| Some(hash(name, &[&length.to_le_bytes()]));
            Contribution::compose(&basis, Time(1), |index| if index == 0 { 11 } else { 10 }, at)
        };
        let lower = [hash("one", &[&11_u64.to_le_bytes()]), hash("other", &[&11_u64.to_le_bytes()])];
        let lower = lower.into_iter().min().expect("two");
        // Whoever says which of them, and in whichever seat.
        for names in [["one", "one", "other", "other"], ["other", "one", "one", "other"]] {
            let agreed = names.iter().zip(0..).map(|(name, seat)| (Seat(seat), branch(name))).collect();
            let cut = cut(&basis, &Committee::new(4).expect("four seats"), &agreed);
            assert_eq!(cut[0], Head { length: 11, hash: lower });
        }
    }

    /// Which feed of a lane goes first follows from the agreed set and the epoch: nobody is first for ever, and who is follows
    /// from nothing else.
    #[test]
    fn feeds_of_a_lane_take_turns_by_what_no_author_knows() {
        let mut basis = basis(3, 100);
        let mut first = [0; 3];
        for epoch in 0..300 {
            basis.epoch = epoch;
            let mut orders = Vec::new();
            for seats in [[0, 1, 2], [0, 1, 3]] {
                let agreed: BTreeMap<_, _> =
                    seats.into_iter().map(|seat| (Seat(seat), holding(&basis, |_| 11))).collect();
                let cut = cut(&basis, &Committee::new(4).expect("four seats"), &agreed);
                let order = order(&basis, &cut, &agreed);
                let feeds = order.iter().map(|(index, _)| index % 3).collect::<Vec<_>>();
                // In each lane the same rotation.
                let turn = feeds[0];
                let expected = (0..feeds.len()).map(|place| (turn + place % 3) % 3).collect::<Vec<_>>();
                assert_eq!(feeds, expected, "epoch {epoch}");
                first[turn] += 1;
                orders.push(turn);
            }
        }
        assert!(first.iter().all(|turns| (150..250).contains(turns)), "{first:?}");
    }

    #[test]
    fn flash_goes_before_all_other_lanes_and_lengths_ascend() {
        let basis = basis(3, 100);
        let mut agreed = BTreeMap::new();
        for seat in 0..3 {
            agreed.insert(Seat(seat), holding(&basis, |_| 13));
        }
        let cut = cut(&basis, &Committee::new(4).expect("four seats"), &agreed);
        let order = order(&basis, &cut, &agreed);
        let lanes: Vec<_> = order.iter().map(|(index, _)| basis.feeds[*index].lane).collect();
        assert!(lanes.is_sorted());
        for feed in 0..basis.feeds.len() {
            let lengths: Vec<_> = order.iter().filter(|(index, _)| *index == feed).map(|(_, l)| *l).collect();
            assert_eq!(lengths, [11, 12, 13]);
        }
    }

    #[test]
    fn every_feed_gets_its_turn_when_the_limit_of_bytes_bites() {
        let mut basis = basis(200, 1 << 16);
        let mut claimed = vec![false; basis.feeds.len()];
        for epoch in 0..200 {
            basis.epoch = epoch;
            let contribution = holding(&basis, |index| if index < 200 { 10 + 60_000 } else { 10 });
            assert!(contribution.encode().len() <= MAX_CONTRIBUTION_BYTES);
            assert!(contribution.claims.len() < 200, "the limit must bite for this test");
            Contribution::decode(&contribution.encode(), &basis).expect("own contributions are valid");
            contribution.tops(&basis).for_each(|(index, _)| claimed[index] = true);
        }
        assert!(claimed[..200].iter().all(|&claimed| claimed));
    }

    #[test]
    fn liars_and_one_bad_clock_cannot_throw_time_forward() {
        let four = Committee::new(4).expect("four seats");
        let time = |previous, clocks: &[u64]| {
            batch_time(Time(previous), 1_000, &four, clocks.iter().map(|&ms| Time(ms))).0
        };
        assert_eq!(time(5_000, &[5_100, 5_200, 5_300]), 5_200);
        assert_eq!(time(5_000, &[4_000, 4_500, 9_000]), 5_000, "never backwards");
        // A liar and a bad clock far ahead: the median moves by a step only.
        assert_eq!(time(5_000, &[5_100, 900_000, 900_000]), 6_000);
        // All agree that much time has passed: it is caught up at once.
        assert_eq!(time(5_000, &[900_000, 900_001, 900_002]), 900_000);
    }

    /// Where f = 0, `weak` is two: one seat that claims anything moves no feed, whatever its seat.
    fn a_liar_alone_steers_no_cut_of_two_or_three() {
        let basis = basis(1, 100);
        let lie = |_: usize, length: u64| Some(hash("lie", &[&length.to_le_bytes()]));
        let lies = [
            Contribution::compose(&basis, Time(1), |_| 110, lie),
            // True as far as the others hold it, and beyond.
            Contribution::compose(
                &basis,
                Time(1),
                |_| 110,
                |index, length| if length <= 13 { Some(at(index, length)) } else { lie(index, length) },
            ),
        ];
        for seats in [2, 3] {
            let committee = Committee::new(seats.into()).expect("seats");
            for (liar, lie) in (0..seats).flat_map(|liar| lies.iter().map(move |lie| (liar, lie))) {
                let word = |seat| if seat == liar { lie.clone() } else { holding(&basis, |_| 13) };
                let agreed: BTreeMap<_, _> = (0..seats).map(|seat| (Seat(seat), word(seat))).collect();
                // With the liar's true word two name 11 and 12; of three seats two honest ones name 13 as well.
                let length = match (seats, lie == &lies[1]) {
                    (3, _) => 13,
                    (_, true) => 12,
                    (_, false) => 10,
                };
                for (index, head) in cut(&basis, &committee, &agreed).into_iter().enumerate() {
                    let hash = if length == 10 { Hash::default() } else { at(index, length) };
                    assert_eq!(head, Head { length, hash }, "seat {liar} of {seats} lies");
                }
            }
        }
    }

    /// Whatever f liars say, time stays within what the others say; with one bad clock more it moves by a step at most.
    fn high_clocks_do_not_throw_time_forward() {
        for seats in 2..=16_u16 {
            let committee = Committee::new(seats.into()).expect("seats");
            for agreed in committee.quorum()..=committee.size() {
                for high in 0..=committee.faulty() + 1 {
                    let clocks = (0..agreed).map(|i| Time(if i < high { 900_000 } else { 5_000 + i as u64 }));
                    let time = batch_time(Time(4_900), 1_000, &committee, clocks).0;
                    let most = if high <= committee.faulty() { 5_000 + agreed as u64 } else { 5_900 };
                    assert!((4_900..=most).contains(&time), "{high} high of {agreed} of {seats}: {time}");
                }
            }
        }
    }

    #[test]
    fn what_liars_cannot_steer_they_steer_with_the_rules_bugs() {
        let claims: [(&str, fn()); 2] = [
            ("cut-at-f", a_liar_alone_steers_no_cut_of_two_or_three),
            ("time-cap", high_clocks_do_not_throw_time_forward),
        ];
        for (name, claim) in claims {
            assert!(plant::is_caught_by(name, claim), "{name} is planted and its claim holds");
        }
    }

    #[test]
    fn low_clocks_of_liars_slow_a_catch_up_to_a_step_an_epoch_and_no_slower() {
        for seats in 2..=16_u16 {
            let committee = Committee::new(seats.into()).expect("seats");
            for agreed in committee.quorum()..=committee.size() {
                for low in 0..=committee.faulty() {
                    // Just behind, long ago, and one step on.
                    for lie in [4_900, 0, 5_900] {
                        let mut time = Time(4_900);
                        for _ in 0..50 {
                            let clocks = (0..agreed).map(|i| Time(if i < low { lie } else { 900_000 }));
                            let next = batch_time(time, 1_000, &committee, clocks);
                            assert!(
                                next >= time.plus(1_000) || next == Time(900_000),
                                "{low} low of {agreed} of {seats}"
                            );
                            time = next;
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn one_slow_clock_of_two_stops_time_and_so_do_f_liars_and_one_elsewhere() {
        for (seats, agreed, low) in [(2, 2, 1), (4, 3, 2), (7, 5, 3)] {
            let committee = Committee::new(seats).expect("seats");
            let time = |low| {
                batch_time(
                    Time(5_000),
                    1_000,
                    &committee,
                    (0..agreed).map(|i| Time(if i < low { 4_000 } else { 9_000 })),
                )
            };
            assert_eq!(time(low), Time(5_000));
            assert!(time(low - 1) >= Time(6_000), "and no fewer do");
        }
    }

    /// Where the limit of bytes bites, all pairs of a feed go in or none: a part is invalid, whatever else is there.
    #[test]
    fn a_feed_of_which_a_part_of_the_pairs_is_left_out_makes_a_contribution_invalid() {
        let basis = basis(200, 1 << 16);
        let all = |_: usize| 10 + 60_000;
        let whole = holding(&basis, all);
        assert!(whole.claims.len() < basis.feeds.len(), "the limit bites");
        let left_out =
            basis.turn().find(|index| !whole.claims.iter().any(|claims| usize::from(claims.feed) == *index));
        let left_out = left_out.expect("some feed");
        let pairs = holding(&basis, |index| if index == left_out { all(index) } else { 10 }).claims.remove(0);
        let room = MAX_CONTRIBUTION_BYTES - whole.encode().len();
        let fits = |heads: &[(u64, Hash)]| {
            wire::encode(&FeedClaims { feed: pairs.feed, heads: heads.to_vec() }).len() <= room
        };
        let last = pairs.heads.len() - 1;
        let count =
            (0..=last + 1).rfind(|count| fits(&pairs.heads[last + 1 - count..])).expect("none has room");
        assert!((1..pairs.heads.len()).contains(&count), "{count} pairs would have room");
        // The highest of them, every other one, and the lowest with the top.
        let highest = pairs.heads[last + 1 - count..].to_vec();
        let every_other = pairs.heads.iter().copied().skip(1).step_by(2).take(count).collect();
        let with_top = [&pairs.heads[..count - 1], &pairs.heads[last..]].concat();
        for heads in [highest, every_other, with_top] {
            let mut part = whole.clone();
            let place = part.claims.partition_point(|claims| claims.feed < pairs.feed);
            part.claims.insert(place, FeedClaims { feed: pairs.feed, heads });
            let bytes = part.encode();
            assert!(bytes.len() <= MAX_CONTRIBUTION_BYTES);
            assert_eq!(Contribution::decode(&bytes, &basis), Err(ContributionError::Lengths(pairs.feed)));
        }
    }
}
