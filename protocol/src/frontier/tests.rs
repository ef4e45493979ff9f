//! A cut under liars, recomputed.

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
    let count = (0..=last + 1).rfind(|count| fits(&pairs.heads[last + 1 - count..])).expect("none has room");
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
