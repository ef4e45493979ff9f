//! What a decided cut names is fetched, stored and served, whatever has become of its author or how full its feed is.

use entente_protocol::coalition::Disposition;
use entente_protocol::feed::{FeedKey, Lane, MAX_RUN_ENTRIES, MAX_UNORDERED_ENTRIES};
use entente_protocol::leaf::Leaf;
use entente_protocol::record::Body;
use entente_protocol::replicate::PeerMessage;

use crate::enrolment::{carry, takes_back};
use crate::evidence::{check_frozen, frozen_at};
use crate::forge::{feed_of, notes, root_of, run, with_liar};
use crate::net::Net;

/// What became of an entry.
fn fate(net: &Net, node: usize, feed: &FeedKey, length: u64) -> Vec<Disposition> {
    let leaves = net.nodes[node].store.leaves();
    let entry = |leaf: &&[u8]| match Leaf::decode(leaf).expect("a leaf") {
        Leaf::Entry(entry) if entry.feed == *feed && entry.length == length => Some(entry.disposition),
        _ => None,
    };
    leaves.iter().filter_map(entry).collect()
}

fn all_certify(net: &mut Net, epoch: u64) {
    let done = net.run_until(30_000, |net| (0..3).all(|node| net.status(node).certified >= epoch));
    assert!(done, "{:#?}", (0..3).map(|node| net.status(node)).collect::<Vec<_>>());
    for node in 0..3 {
        assert_eq!(net.nodes[node].halted, None);
        assert_eq!(net.nodes[node].store.batches, net.nodes[0].store.batches, "node {node}");
    }
}

/// Of the author's two entries epoch 2 orders the second, together with what `strikes` the author; node 2 lacks this entry
/// until the two that hold it have applied the epoch and have started again. Nothing is certified without node 2.
fn lacking_until_struck(seed: u64, strike: impl Fn(&mut Net)) -> (Net, FeedKey) {
    let mut net = with_liar(seed);
    let feed = feed_of(&net, 3, Lane::Routine);
    let (first, head) = notes(&net, 3, Lane::Routine, root_of(&net, &feed), &["first"]);
    let (second, _) = notes(&net, 3, Lane::Routine, head, &["second"]);
    // Epoch 1 waits for node 2, so that all that is said meanwhile comes into epoch 2.
    net.crash(2);
    for to in [0, 1] {
        net.say(3, to, &PeerMessage::Run(first.clone()));
    }
    net.run_for(1_000);
    net.loses = Some(Box::new(move |_, to, message| {
        to == 2 && matches!(message, PeerMessage::Run(run) if run.feed == feed && run.from.length > 0)
    }));
    for to in [0, 1] {
        net.say(3, to, &PeerMessage::Run(second.clone()));
    }
    net.run_for(1_000);
    strike(&mut net);
    net.run_for(1_000);
    net.start(2);
    let ahead = |net: &Net| net.status(0).applied == 2 && net.status(1).applied == 2;
    assert!(net.run_until(20_000, ahead), "{:#?}", net.status(0));
    net.run_for(5_000);
    assert_eq!((net.status(2).applied, net.status(0).certified), (1, 1), "the epoch waits for the entry");
    assert!(!net.nodes[2].store.entries.contains_key(&(feed, 2)));
    for node in [0, 1] {
        net.crash(node);
    }
    for node in [0, 1] {
        net.start(node);
    }
    net.run_for(2_000);
    (net, feed)
}

/// Who lacks the entry gets it now, also if it starts again in between, and all order on.
fn gets_it_at_last(net: &mut Net, feed: &FeedKey, starts_again: bool) {
    if starts_again {
        net.crash(2);
    }
    net.loses = None;
    if starts_again {
        net.start(2);
    }
    all_certify(net, 2);
    assert!(net.nodes[2].store.entries.contains_key(&(*feed, 2)));
    let id = net.note(2, "and on").expect("taken");
    assert!(net.run_until(20_000, |net| (0..3).all(|node| net.ordered(node).contains(&id))));
    all_certify(net, 3);
}

#[test]
fn an_entry_under_a_cut_is_fetched_after_its_feed_was_frozen() {
    for starts_again in [false, true] {
        let (mut net, feed) = lacking_until_struck(1, |net| {
            let feed = feed_of(net, 3, Lane::Routine);
            let (other, _) = notes(net, 3, Lane::Routine, root_of(net, &feed), &["another first"]);
            net.say(3, 0, &PeerMessage::Run(other));
        });
        assert!(frozen_at(&net, 0..2, &feed).is_some(), "both that hold it have frozen the feed");
        gets_it_at_last(&mut net, &feed, starts_again);
        assert_eq!(check_frozen(&net, 0..3, &feed), 1, "the entry stands behind the proof, as a void leaf");
    }
}

#[test]
fn an_entry_under_a_cut_is_fetched_after_its_author_was_revoked() {
    for starts_again in [false, true] {
        let (mut net, feed) = lacking_until_struck(2, |net| {
            let act = takes_back(net, 3, 3);
            carry(net, 0, act);
        });
        for node in [0, 1] {
            assert_eq!(
                net.engine(node).committed(&feed),
                None,
                "both that hold it have no such feed any more"
            );
        }
        gets_it_at_last(&mut net, &feed, starts_again);
        for node in 0..3 {
            let fate = fate(&net, node, &feed, 2);
            assert!(matches!(fate[..], [Disposition::Refused(_)]), "judged by its index: {fate:?}");
        }
    }
}

#[test]
fn a_branch_under_a_cut_is_fetched_by_who_holds_another_to_the_limit() {
    let mut net = with_liar(3);
    let feed = feed_of(&net, 3, Lane::Routine);
    let root = root_of(&net, &feed);
    net.cut(0, 2);
    net.cut(1, 2);
    let mut from = root;
    for _ in 0..MAX_UNORDERED_ENTRIES as usize / MAX_RUN_ENTRIES {
        let bodies = vec![Body::Note(vec![7]).encode(); MAX_RUN_ENTRIES];
        let (said, head) = run(&net, 3, Lane::Routine, from, bodies);
        net.say(3, 2, &PeerMessage::Run(said));
        from = head;
    }
    let (mut from, mut cut) = (root, root);
    for part in 0..3 {
        let bodies = vec![Body::Note(vec![8, part]).encode(); 50];
        let (said, head) = run(&net, 3, Lane::Routine, from, bodies);
        for to in [0, 1] {
            net.say(3, to, &PeerMessage::Run(said.clone()));
        }
        (from, cut) = (head, head);
    }
    net.run_for(1_000);
    let holdings = net.engine(2).holdings();
    let held =
        holdings.iter().find(|it| it.what == "entries of a feed that are not ordered").expect("counted");
    assert_eq!(held.count, MAX_UNORDERED_ENTRIES, "there is no room for a further one");
    net.heal_all();
    let done = net.run_until(60_000, |net| (0..3).all(|node| net.engine(node).committed(&feed) == Some(cut)));
    assert!(done, "{:#?}", (0..3).map(|node| net.status(node)).collect::<Vec<_>>());
    all_certify(&mut net, 1);
    assert_eq!(net.nodes[2].store.entries[&(feed, cut.length)].hash, cut.hash);
}
