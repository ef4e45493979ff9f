//! A store that was rolled back: noticed, restored, and gone on from in the next incarnation.

use entente_hbbft::Seat;
use entente_protocol::engine::{Event, Halt, Input, RecoverError, Submission, Ticket};
use entente_protocol::feed::{FeedKey, Head, Lane, Run};
use entente_protocol::frontier::MAX_INCARNATIONS;
use entente_protocol::identity::RecordId;
use entente_protocol::leaf::Leaf;
use entente_protocol::record::Body;
use entente_protocol::replicate::{MAX_MESSAGE_BYTES, PeerMessage};
use entente_protocol::wire;

use crate::forge::{feed_of, greet, root_of};
use crate::net::Net;
use entente_protocol::store::Memory as Store;

/// Runs until all named nodes have been told that `ids` are ordered.
fn ordered_at(net: &mut Net, nodes: &[usize], ids: &[RecordId]) {
    let all = |net: &Net| {
        nodes.iter().all(|&node| {
            let ordered = net.ordered(node);
            ids.iter().all(|id| ordered.contains(id))
        })
    };
    let done = (0..2_400).any(|_| {
        net.run_for(50);
        all(net)
    });
    assert!(done, "{:#?}", nodes.iter().map(|&node| net.status(node)).collect::<Vec<_>>());
}

/// What the log of a node says of the record feed entries in it, in order.
fn log_of(net: &Net, node: usize) -> Vec<(FeedKey, u64)> {
    let leaves = net.nodes[node].store.leaves();
    let entry = |leaf: &&[u8]| match Leaf::decode(leaf).expect("a leaf") {
        Leaf::Entry(entry) => Some((entry.feed, entry.length)),
        _ => None,
    };
    leaves.iter().filter_map(entry).collect()
}

fn nobody_is_accused(net: &Net) {
    for node in 0..net.nodes.len() {
        let mut faults = net.faults(node);
        // A node's word on its own clock, after a stall.
        faults.retain(|(code, _)| *code != "clock");
        assert_eq!(faults, [], "node {node}");
        let store = &net.nodes[node].store;
        assert!(store.forks.is_empty() && store.equivocations.is_empty(), "node {node}");
    }
}

/// Node 3 of four says a word of which all have a copy, then one that only a backup has, and loses what came later.
/// Returns the net with the backup in place, not started, and the words that are ordered.
fn rolled_back(seed: u64) -> (Net, Store, Vec<RecordId>) {
    let mut net = Net::new(4, seed);
    net.start_all();
    net.run_for(1_000);
    let first = net.note(3, "first").expect("taken");
    ordered_at(&mut net, &[0, 1, 2, 3], &[first]);
    net.run_for(2_000);
    (0..3).for_each(|other| net.cut(3, other));
    let waiting = net.note(3, "waits in the backup").expect("taken");
    let backup = net.nodes[3].store.clone();
    net.heal_all();
    let lost = net.note(3, "ordered, and lost from the disk").expect("taken");
    ordered_at(&mut net, &[0, 1, 2, 3], &[waiting, lost]);
    net.run_for(2_000);
    net.crash(3);
    net.nodes[3].store = backup.clone();
    net.nodes[3].events.clear();
    (net, backup, vec![first, waiting, lost])
}

/// Starts node 3, which must find out that its store is old.
fn must_stop(net: &mut Net) {
    net.start(3);
    let stopped = net.run_until(60_000, |net| net.nodes[3].halted.is_some());
    assert!(
        stopped && matches!(net.nodes[3].halted, Some(Halt::Rollback { .. })),
        "{:?}",
        net.nodes[3].halted
    );
}

#[test]
fn a_restored_node_goes_on_in_its_next_incarnation_and_nobody_accuses_it() {
    for seed in 0..8 {
        println!("seed {seed}");
        let (mut net, _, before) = rolled_back(seed);
        must_stop(&mut net);
        assert_eq!(net.nodes[3].store.lives.rolled_back, Some(0));
        assert_eq!(net.start_error(3), Some(RecoverError::RolledBack(0)), "this copy says nothing more");

        let restored = net.restore(3).expect("possible");
        assert_eq!((restored.incarnation, restored.is_new, restored.seat), (1, true, Some(Seat(3))));
        assert_eq!(restored.again, 1, "what waited in the backup is said again");
        let last = net.status(0).applied;
        net.record = true;
        net.start(3);
        let silent = |event: &Event| matches!(event, Event::Silent { seat: Seat(3), incarnation: 1 });
        assert_eq!(net.nodes[3].events.iter().filter(|event| silent(event)).count(), 1);
        let after = net.note(3, "after the restore").expect("taken");
        let other = net.note(1, "of another").expect("taken");
        ordered_at(&mut net, &[0, 1, 2, 3], &[after, other]);
        net.run_for(5_000);

        // All that was ordered is in its log again, the words of its lost life included.
        assert_eq!(net.nodes[3].store.batches, net.nodes[0].store.batches, "seed {seed}");
        let log = log_of(&net, 3);
        let own = feed_of(&net, 3, Lane::Routine);
        for length in 1..=before.len() as u64 {
            assert!(log.contains(&(own, length)), "entry {length} of the first incarnation");
        }
        let next = FeedKey { incarnation: 1, ..own };
        assert_eq!(log.iter().filter(|(feed, _)| *feed == next).count(), 2);
        nobody_is_accused(&net);
        assert!((0..4).all(|node| net.nodes[node].halted.is_none()));

        // Its seat signs nothing, and the other three are the quorum.
        let status = net.status(3);
        assert_eq!(
            (status.seat, status.silent, status.incarnation, status.held),
            (None, Some(Seat(3)), 1, 0)
        );
        assert_eq!(net.status(0).reachable.len(), net.status(0).quorum);
        for (from, _, bytes) in net.traffic.iter().filter(|(from, ..)| *from == 3) {
            match wire::decode(bytes, MAX_MESSAGE_BYTES).expect("an engine sends good messages") {
                PeerMessage::Cosign(cosign) => assert_ne!(cosign.seat, Seat(3), "from {from}"),
                PeerMessage::HeadReport(report) => assert_ne!(report.reporter, Seat(3), "from {from}"),
                PeerMessage::HeadRequest(request) => assert_ne!(request.seat, Seat(3), "from {from}"),
                PeerMessage::Spoken(_) => panic!("a silent seat speaks, from {from}"),
                PeerMessage::Frame(frame) => {
                    assert!(frame.feed.seat != Seat(3) || frame.feed.epoch <= last, "from {from}");
                }
                _ => {}
            }
        }
    }
}

#[test]
fn one_more_seat_away_and_the_others_hold_what_is_said() {
    let (mut net, ..) = rolled_back(20);
    must_stop(&mut net);
    net.restore(3).expect("possible");
    net.start(3);
    net.run_for(5_000);
    net.crash(2);
    net.run_for(2_000);
    let id = net.note(3, "waits for the third seat").expect("taken");
    net.run_for(30_000);
    assert!(!net.ordered(0).contains(&id), "two seats are no quorum, and the silent one does not count");
    assert_eq!(net.status(0).held, 1, "it is held");
    net.start(2);
    ordered_at(&mut net, &[0, 1, 2, 3], &[id]);
    nobody_is_accused(&net);
}

#[test]
fn the_same_backup_again_is_noticed_again_and_takes_the_incarnation_after() {
    let (mut net, backup, _) = rolled_back(30);
    must_stop(&mut net);
    net.restore(3).expect("possible");
    net.start(3);
    let second = net.note(3, "of the second life").expect("taken");
    ordered_at(&mut net, &[0, 1, 2, 3], &[second]);
    net.run_for(2_000);
    net.crash(3);

    net.nodes[3].store = backup;
    let restored = net.restore(3).expect("possible");
    assert_eq!(restored.incarnation, 1, "this copy does not know that there was one");
    must_stop(&mut net);
    assert_eq!(net.nodes[3].store.lives.rolled_back, Some(1));
    let restored = net.restore(3).expect("possible");
    assert_eq!((restored.incarnation, restored.is_new), (2, true));
    net.nodes[3].events.clear();
    net.start(3);
    // The log that it holds does not enrol this incarnation yet: it must catch up first.
    let taken = net.run_until(60_000, |net| net.status(3).applied == net.status(0).applied);
    assert!(taken, "catches up");
    let third = net.note(3, "of the third life").expect("enrolled by now");
    ordered_at(&mut net, &[0, 1, 2, 3], &[third]);
    net.run_for(5_000);
    assert_eq!(net.nodes[3].store.batches, net.nodes[0].store.batches);
    nobody_is_accused(&net);
}

#[test]
fn before_its_incarnation_is_enrolled_a_node_refuses_and_says_why() {
    let (mut net, backup, _) = rolled_back(31);
    let mut store = backup;
    store.write(entente_protocol::store::Write::RolledBack { incarnation: 1 });
    net.nodes[3].store = store;
    assert_eq!(net.restore(3).expect("possible").incarnation, 2);
    (0..3).for_each(|other| net.cut(3, other));
    net.start(3);
    assert_eq!(net.note(3, "too early"), None);
    let codes: Vec<_> = net.nodes[3].refused.iter().map(|(_, code)| code.as_str()).collect();
    assert_eq!(codes, ["not_enrolled"]);
    assert_eq!(net.nodes[3].halted, None);
}

#[test]
fn restoring_what_is_restored_changes_nothing() {
    let (mut net, ..) = rolled_back(32);
    must_stop(&mut net);
    net.restore(3).expect("possible");
    let before = net.nodes[3].store.entries.clone();
    for _ in 0..3 {
        let restored = net.restore(3).expect("possible");
        assert_eq!((restored.incarnation, restored.is_new, restored.again), (1, false, 0));
    }
    assert_eq!(net.nodes[3].store.entries, before);
    net.start(3);
    let id = net.note(3, "once").expect("taken");
    ordered_at(&mut net, &[0, 1, 2, 3], &[id]);
    nobody_is_accused(&net);
}

#[test]
fn the_last_incarnation_is_followed_by_none() {
    let (mut net, ..) = rolled_back(33);
    let last = MAX_INCARNATIONS - 1;
    net.nodes[3].store.write(entente_protocol::store::Write::RolledBack { incarnation: last - 1 });
    assert_eq!(net.restore(3).expect("one is left").incarnation, last);
    net.nodes[3].store.write(entente_protocol::store::Write::RolledBack { incarnation: last });
    let refused = net.restore(3).map(|restored| restored.incarnation);
    assert_eq!(refused, Err(RecoverError::Incarnations(MAX_INCARNATIONS)));
}

#[test]
fn a_crash_at_every_boundary_of_noticing_and_of_the_first_start_after_it_loses_nothing() {
    let crash_after = |effects: usize| {
        let (mut net, ..) = rolled_back(40);
        net.crash_in = Some((3, effects));
        net.start(3);
        net.run_until(10_000, |net| net.nodes[3].engine.is_none());
        let in_noticing = net.crash_in.is_none();
        // Noted or not: whoever restores goes on.
        if net.nodes[3].store.lives.rolled_back.is_none() {
            must_stop(&mut net);
        }
        net.restore(3).expect("possible");
        net.crash_in = Some((3, effects));
        net.start(3);
        let said = net.note(3, "after the restore");
        net.run_for(2_000);
        let in_start = net.crash_in.take().is_none();
        if in_start {
            net.start(3);
        }
        let ids: Vec<_> = said.into_iter().chain(net.note(3, "and after the crash")).collect();
        ordered_at(&mut net, &[0, 1, 2], &ids);
        net.run_for(5_000);
        assert_eq!(net.nodes[3].store.batches, net.nodes[0].store.batches, "after {effects} effects");
        nobody_is_accused(&net);
        in_noticing || in_start
    };
    let boundaries = (0..).take_while(|effects| crash_after(*effects)).count();
    assert!(boundaries > 20, "only {boundaries} boundaries were tried");
}

/// A liar's signed note in one of its incarnations.
fn note_in(net: &Net, incarnation: u32, from: Option<Head>, text: &str) -> (Run, Head) {
    let feed = FeedKey { incarnation, ..feed_of(net, 3, Lane::Routine) };
    let from = from.unwrap_or_else(|| root_of(net, &feed));
    let body = Body::Note(text.as_bytes().to_vec()).encode();
    let run = Run::sign(&net.founded.coalition(), feed, from, vec![body], &net.keys[3].node);
    let head = *run.heads().last().expect("one entry");
    (run, head)
}

#[test]
fn a_liar_gets_no_more_incarnations_than_it_has_used_and_never_more_than_the_limit() {
    let mut net = Net::new(4, 50);
    net.puppet(3);
    net.start_all();
    greet(&mut net, 3);
    net.run_for(1_000);
    // All at once: only those that are enrolled are taken, and the others are no fault of a node that is ahead.
    for incarnation in (0..MAX_INCARNATIONS).rev() {
        let (run, _) = note_in(&net, incarnation, None, "all at once");
        (0..3).for_each(|to| net.say(3, to, &PeerMessage::Run(run.clone())));
    }
    net.run_for(10_000);
    let held = |net: &Net, node: usize| {
        let of_liar = net.nodes[node].store.entries.keys().map(|(feed, _)| *feed);
        let liar = net.node_id(3);
        of_liar.filter(|feed| feed.node == liar).map(|feed| feed.incarnation).collect::<Vec<_>>()
    };
    for node in 0..3 {
        assert_eq!(held(&net, node), [0, 1]);
        assert_eq!(net.faults(node), []);
    }
    // One after another: as far as the limit goes.
    for incarnation in 2..MAX_INCARNATIONS + 3 {
        let (run, _) = note_in(&net, incarnation, None, "one by one");
        (0..3).for_each(|to| net.say(3, to, &PeerMessage::Run(run.clone())));
        net.run_for(3_000);
    }
    for node in 0..3 {
        assert_eq!(held(&net, node), (0..MAX_INCARNATIONS).collect::<Vec<_>>());
        let codes: Vec<_> = net.faults(node).iter().map(|(code, _)| *code).collect();
        assert_eq!(codes, ["unknown_feed"; 3]);
        assert_eq!(net.nodes[node].store.batches, net.nodes[0].store.batches);
    }
    // Others go on, the next restore of an honest node included, and an older incarnation is still ordered.
    let (_, first) = note_in(&net, 4, None, "one by one");
    let (run, _) = note_in(&net, 4, Some(first), "late");
    let feed = run.feed;
    (0..3).for_each(|to| net.say(3, to, &PeerMessage::Run(run.clone())));
    let id = net.note(1, "honest").expect("taken");
    ordered_at(&mut net, &[0, 1, 2], &[id]);
    net.run_for(5_000);
    assert!(log_of(&net, 0).contains(&(feed, 2)));
    net.crash(2);
    net.nodes[2].store.write(entente_protocol::store::Write::RolledBack { incarnation: 0 });
    assert_eq!(net.restore(2).expect("possible").incarnation, 1);
}

#[test]
fn feeds_that_become_enrolled_disturb_nothing_that_is_under_way() {
    for seed in 60..72 {
        println!("seed {seed}");
        let (mut net, ..) = rolled_back(seed);
        must_stop(&mut net);
        net.restore(3).expect("possible");
        net.reorder = 30;
        net.loss = 10;
        net.together = 30;
        net.start(3);
        let mut ids = Vec::new();
        for round in 0..40 {
            let node = round % 4;
            ids.extend(net.note(node, &format!("round {round}")));
            let lane = Lane::ALL[round % Lane::ALL.len()];
            let body = Body::Note(format!("{lane} {round}").into_bytes()).encode();
            let ticket = Ticket(10_000 + round as u64);
            net.input(node, Input::Submit(vec![Submission { ticket, lane: Some(lane), body }]));
            ids.extend(net.nodes[node].held.get(&ticket).map(|held| held.id));
            net.run_for(40);
        }
        assert_eq!(ids.len(), 80);
        ordered_at(&mut net, &[0, 1, 2, 3], &ids);
        net.loss = 0;
        net.run_for(60_000);
        for node in 1..4 {
            assert_eq!(net.nodes[node].store.batches, net.nodes[0].store.batches, "seed {seed}");
        }
        // And a start from the disk computes the same.
        net.crash(1);
        net.start(1);
        net.run_for(2_000);
        nobody_is_accused(&net);
    }
}

#[test]
fn what_was_said_on_the_old_copy_before_it_was_noticed_is_not_lost_and_forks_nothing() {
    let (mut net, _, before) = rolled_back(80);
    (0..3).for_each(|other| net.cut(3, other));
    net.start(3);
    // At the place of a word that the others hold.
    let mine = net.note(3, "on the old copy").expect("taken");
    net.heal_all();
    let stopped = net.run_until(60_000, |net| net.nodes[3].halted.is_some());
    assert!(stopped && matches!(net.nodes[3].halted, Some(Halt::Rollback { .. })));
    assert_eq!(net.restore(3).expect("possible").again, 2);
    net.start(3);
    ordered_at(&mut net, &[0, 1, 2, 3], &[mine]);
    net.run_for(5_000);
    let log = log_of(&net, 0);
    let own = feed_of(&net, 3, Lane::Routine);
    assert_eq!(log.iter().filter(|(feed, _)| *feed == own).count(), before.len());
    assert_eq!(net.nodes[3].store.batches, net.nodes[0].store.batches);
    nobody_is_accused(&net);
}

/// The limit of what is noticed in time: who holds what was said since the backup is away, and others are told something else
/// at its place before. A store is put back with `restore`, which would have begun a new feed at once.
#[test]
fn an_old_copy_that_speaks_before_it_hears_of_what_it_said_forks_its_feed_and_restore_goes_on() {
    let mut net = Net::new(4, 84);
    net.start_all();
    net.run_for(1_000);
    let first = net.note(3, "first").expect("taken");
    ordered_at(&mut net, &[0, 1, 2, 3], &[first]);
    net.run_for(2_000);
    let backup = net.nodes[3].store.clone();
    // Node 1 alone gets the next word, and is away.
    [(0, 1), (1, 2), (0, 3), (2, 3)].into_iter().for_each(|(one, other)| net.cut(one, other));
    net.note(3, "said, and lost from the disk").expect("taken");
    net.run_for(500);
    net.crash(3);
    net.nodes[3].store = backup;
    net.heal_all();
    (0..4).filter(|&node| node != 1).for_each(|node| net.cut(1, node));
    net.start(3);
    net.run_for(500);
    net.note(3, "said at the same place").expect("taken");
    net.run_for(2_000);
    assert_eq!(net.nodes[3].halted, None, "nobody that it reaches knows better");
    net.heal_all();
    let stopped = net.run_until(60_000, |net| net.nodes[3].halted.is_some());
    assert!(
        stopped && matches!(net.nodes[3].halted, Some(Halt::Rollback { .. })),
        "{:?}",
        net.nodes[3].halted
    );
    let forked = net.run_until(60_000, |net| net.faults(0).iter().any(|(code, _)| *code == "fork"));
    assert!(forked, "both words are signed: {:?}", net.faults(0));
    assert_eq!(net.restore(3).expect("possible").incarnation, 1);
    net.start(3);
    let id = net.note(3, "in the next incarnation").expect("taken");
    ordered_at(&mut net, &[0, 1, 2, 3], &[id]);
}

#[test]
fn a_new_and_empty_store_under_an_old_key_is_noticed_and_restored_like_an_old_copy() {
    let (mut net, ..) = rolled_back(81);
    net.nodes[3].store = Store::new(net.founded.coalition());
    must_stop(&mut net);
    assert_eq!(net.restore(3).expect("possible").incarnation, 1);
    net.start(3);
    let id = net.note(3, "from nothing").expect("taken");
    ordered_at(&mut net, &[0, 1, 2, 3], &[id]);
    net.run_for(5_000);
    assert_eq!(net.nodes[3].store.batches, net.nodes[0].store.batches);
    nobody_is_accused(&net);
}

#[test]
fn all_start_again_beside_a_restored_node_and_go_on() {
    let (mut net, ..) = rolled_back(82);
    must_stop(&mut net);
    net.restore(3).expect("possible");
    net.start(3);
    net.run_for(5_000);
    let id = net.note(3, "before all went").expect("taken");
    net.run_for(20);
    (0..4).for_each(|node| net.crash(node));
    net.start_all();
    let last = net.note(0, "after").expect("taken");
    ordered_at(&mut net, &[0, 1, 2], &[last]);
    net.run_for(10_000);
    assert!(net.nodes[3].store.leaves() == net.nodes[0].store.leaves());
    let bodies = |id: &RecordId| {
        net.nodes[0]
            .store
            .entries
            .values()
            .any(|entry| RecordId(entente_protocol::feed::body_digest(&entry.body)) == *id)
    };
    assert!(bodies(&id) && bodies(&last));
    assert_eq!(net.status(3).held, 0);
    nobody_is_accused(&net);
}
