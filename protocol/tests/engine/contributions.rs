//! When a seat contributes, and which contributions are none.

use entente_hbbft::{Digest, Frame, Message, Seat};
use entente_protocol::feed::Lane;
use entente_protocol::frontier::{Basis, Contribution, FeedClaims, MAX_CONTRIBUTION_BYTES, MAX_INCARNATIONS};
use entente_protocol::identity::hash;
use entente_protocol::replicate::PeerMessage;
use entente_protocol::store::Archive as _;
use entente_protocol::wire;

use crate::forge::{feed_of, first_frame, greet, notes, root_of, with_liar};
use crate::net::Net;

const GAP_MS: u64 = 60_000;

/// All that a seat has said in an epoch, as far as a node holds it.
pub(crate) fn said(net: &Net, node: usize, seat: usize, epoch: u64) -> Vec<Message> {
    let frames = net.nodes[node].store.frames.values();
    let frames = frames.filter(|frame| (frame.feed.seat.index(), frame.feed.epoch) == (seat, epoch));
    frames.flat_map(|frame| frame.votes.messages()).collect()
}

/// A node's own contribution to an open epoch.
fn contribution(net: &Net, node: usize, epoch: u64) -> Option<Contribution> {
    let digest = said(net, node, node, epoch).into_iter().find_map(|message| match message {
        Message::Propose(digest) => Some(digest),
        _ => None,
    })?;
    let bytes = net.nodes[node].store.payload(epoch, &digest).expect("memory is whole").expect("durable");
    Some(wire::decode(&bytes, MAX_CONTRIBUTION_BYTES).expect("a contribution"))
}

#[test]
fn a_lone_seat_starts_once_a_gap() {
    let epochs = |gap_ms| {
        let mut net = Net::new(1, 1);
        net.timing.start_gap_ms = gap_ms;
        net.start_all();
        let mut ids = Vec::new();
        for i in 0..100 {
            ids.push(net.note(0, &format!("word {i}")).expect("taken"));
            net.run_for(GAP_MS / 20);
        }
        net.run_for(GAP_MS);
        assert_eq!(net.ordered(0), ids);
        net.status(0).applied
    };
    assert_eq!(epochs(0), 100);
    // Five gaps and what came in the last of them.
    assert_eq!(epochs(GAP_MS), 6);
}

/// Four seats, of which the last `eager` keep no gap.
fn with_eager(eager: usize) -> Net {
    let mut net = Net::new(4, 2);
    for node in 0..4 {
        net.timing.start_gap_ms = if node < 4 - eager { GAP_MS } else { 0 };
        net.start(node);
    }
    net.run_for(1_000);
    let id = net.note(3, "the first starts all").expect("taken");
    assert!(net.run_until(2_000, |net| (0..4).all(|node| net.ordered(node) == [id])));
    net
}

#[test]
fn contributions_of_weak_seats_waive_the_gap_and_fewer_do_not() {
    let mut net = with_eager(2);
    for i in 0..10 {
        let id = net.note(3, &format!("word {i}")).expect("taken");
        let done = net.run_until(2_000, |net| (0..4).all(|node| net.ordered(node).contains(&id)));
        assert!(done, "word {i}: {:#?}", net.status(0));
    }
    assert!(net.status(0).applied >= 11, "each was an epoch of its own");

    let mut net = with_eager(1);
    let start = net.now;
    let id = net.note(3, "waits for the others' gap").expect("taken");
    assert!(net.run_until(2 * GAP_MS, |net| (0..4).all(|node| net.ordered(node).contains(&id))));
    let waited = net.now.since(start);
    assert!((GAP_MS / 2..GAP_MS + 2_000).contains(&waited), "{waited} ms");
}

/// An epoch that was agreed without its claim has left an entry behind, which its seat does not claim again by itself;
/// after a restart it does, because it does not know any more what it has claimed.
#[test]
fn an_entry_claimed_in_vain_before_a_restart_is_claimed_again_after_it() {
    let mut net = Net::new(4, 3);
    net.start_all();
    net.run_for(1_000);
    let feed = feed_of(&net, 0, Lane::Routine);
    net.loses =
        Some(Box::new(move |_, _, message| matches!(message, PeerMessage::Run(run) if run.feed == feed)));
    let alone = net.note(0, "held by its author alone").expect("taken");
    net.run_for(100);
    let claims = |net: &Net, epoch| {
        let head = net.nodes[0].store.entries[&(feed, 1)].hash;
        let claims = contribution(net, 0, epoch)?.claims;
        Some(claims.iter().any(|claims| claims.heads.contains(&(1, head))))
    };
    assert_eq!(claims(&net, 1), Some(true));
    let other = net.note(1, "held by all").expect("taken");
    assert!(net.run_until(5_000, |net| (0..4).all(|node| net.ordered(node) == [other])));
    net.run_for(60_000);
    assert_eq!((net.status(0).applied, claims(&net, 2)), (1, None), "nothing new calls for an epoch");
    net.crash(0);
    net.start(0);
    assert!(net.run_until(5_000, |net| claims(net, 2) == Some(true)), "{:?}", net.status(0));
    net.loses = None;
    assert!(net.run_until(20_000, |net| (0..4).all(|node| net.ordered(node).contains(&alone))));
}

/// Rule (i), second half. Three seats have claimed all that they hold of a feed: 1, 2 and 3; 1 and 2; 1, 2 and 4. So the cut
/// is 2, and nothing but what it left behind starts an epoch for the third entry.
#[test]
fn an_entry_that_the_last_cut_left_behind_starts_those_who_have_claimed_it() {
    let mut net = Net::with_seconds(4, &[0], 6);
    net.puppet(4);
    net.start_all();
    greet(&mut net, 4);
    net.crash(3);
    net.run_for(1_000);
    let feed = feed_of(&net, 4, Lane::Routine);
    // From its author alone, so that what each holds stays as it is.
    let is_of = move |message: &PeerMessage| matches!(message, PeerMessage::Run(run) if run.feed == feed);
    net.loses = Some(Box::new(move |from, _, message| from != 4 && is_of(message)));
    for (to, held) in [3, 2, 4].into_iter().enumerate() {
        let texts = &["first", "second", "third", "fourth"][..held];
        let (run, _) = notes(&net, 4, Lane::Routine, root_of(&net, &feed), texts);
        net.say(4, to, &PeerMessage::Run(run));
    }
    let length = |net: &Net, node: usize| net.engine(node).committed(&feed).map(|head| head.length);
    let cut = net.run_until(5_000, |net| (0..3).all(|node| length(net, node) == Some(2)));
    assert!(cut, "{:#?}", net.status(0));
    let started = net.run_until(5_000, |net| [0, 2].iter().all(|&node| contribution(net, node, 2).is_some()));
    assert!(started, "{:#?}", net.status(0));
    let entries = |node: usize| net.nodes[node].store.entries.keys().filter(|(of, _)| *of == feed).count();
    assert_eq!([0, 1, 2].map(entries), [3, 2, 4], "nothing new has come");
    net.loses = None;
    assert!(net.run_until(20_000, |net| (0..3).all(|node| length(net, node) == Some(4))));
}

#[test]
fn a_contribution_with_a_part_of_a_feeds_pairs_is_not_echoed_and_its_seat_is_named() {
    // All pairs of five entries, and some.
    for beyond in [&[1, 2, 4, 5][..], &[4, 5], &[1, 2, 5], &[2], &[1, 2, 4, 5, 8]] {
        let good = beyond == [1, 2, 4, 5];
        let mut net = with_liar(4);
        let nodes: Vec<_> = net.founded.nodes().map(|(key, _)| key).collect();
        let feeds = Basis::feeds_of(&nodes, MAX_INCARNATIONS, []);
        let index = feeds.iter().position(|key| *key == feed_of(&net, 3, Lane::Routine)).expect("enrolled");
        // Nobody holds these: that makes no contribution invalid.
        let heads = beyond.iter().map(|&length| (length, hash("test", &[&[length as u8]]))).collect();
        let claims = vec![FeedClaims { feed: index as u16, heads }];
        let bytes = Contribution { clock: net.now, claims }.encode();
        let digest = Digest::of(&bytes);
        let frame = first_frame(&net, 3, 1, Frame::pack([Message::Propose(digest)]));
        for to in 0..3 {
            net.say(3, to, &PeerMessage::Payload { epoch: 1, bytes: bytes.clone() });
            net.say(3, to, &PeerMessage::Frame(frame.clone()));
        }
        net.run_for(1_000);
        let echo = Message::Echo { proposer: Seat(3), digest };
        for node in 0..3 {
            assert_eq!(said(&net, node, node, 1).contains(&echo), good, "{beyond:?}");
            let named = net.convictions(node);
            assert!(named.iter().all(|fault| fault.seat == Some(Seat(3))), "{named:?}");
            assert_eq!(named.iter().any(|fault| fault.code == "contribution"), !good, "{beyond:?}");
            assert!(!good || named.is_empty(), "{named:?}");
        }
        let id = net.note(0, "honest").expect("taken");
        assert!(net.run_until(20_000, |net| (0..3).all(|node| net.ordered(node).contains(&id))));
    }
}
