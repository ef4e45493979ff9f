//! Evidence from its finding to its effect: ordered once, frozen everywhere at one index, written also after a crash.

use entente_hbbft::{Digest, Frame, Message, Seat};
use entente_protocol::coalition::Disposition;
use entente_protocol::engine::{Halt, Input, RecoverError, Submission, Ticket};
use entente_protocol::evidence::Equivocation;
use entente_protocol::feed::{FeedKey, Head, Lane, Run};
use entente_protocol::frontier::{Basis, Contribution, FeedClaims, MAX_INCARNATIONS};
use entente_protocol::leaf::{EntryLeaf, EpochRecord, Leaf};
use entente_protocol::record::Body;
use entente_protocol::replicate::PeerMessage;
use entente_protocol::wire;

use crate::forge::{feed_of, first_frame, greet, notes, root_of, with_liar};
use crate::net::Net;

/// Three engines and an author that the test speaks for.
fn with_author(seed: u64) -> (Net, FeedKey, Head) {
    let net = with_liar(seed);
    let feed = feed_of(&net, 3, Lane::Routine);
    let root = root_of(&net, &feed);
    (net, feed, root)
}

fn leaves(net: &Net, node: usize) -> Vec<Leaf> {
    let leaves = net.nodes[node].store.leaves();
    leaves.iter().map(|leaf| Leaf::decode(leaf).expect("a leaf")).collect()
}

fn entries(net: &Net, node: usize) -> Vec<(u64, EntryLeaf)> {
    let leaves = leaves(net, node).into_iter().enumerate();
    let entry = |(index, leaf)| match leaf {
        Leaf::Entry(entry) => Some((index as u64, entry)),
        _ => None,
    };
    leaves.filter_map(entry).collect()
}

fn records(net: &Net, node: usize) -> Vec<EpochRecord> {
    let leaves = leaves(net, node).into_iter();
    let record = |leaf| match leaf {
        Leaf::Epoch(record) => Some(*record),
        _ => None,
    };
    leaves.filter_map(record).collect()
}

/// Since which index nodes hold a feed to be frozen, if they agree.
pub(crate) fn frozen_at(net: &Net, nodes: std::ops::Range<usize>, feed: &FeedKey) -> Option<u64> {
    let at = |node| net.engine(node).state().frozen().get(feed).map(|frozen| frozen.ordered.index);
    let first = at(nodes.start)?;
    nodes.into_iter().all(|node| at(node) == Some(first)).then_some(first)
}

/// Every word of node `of` in its immediate feed that is evidence.
fn reports(net: &Net, of: usize) -> usize {
    let feed = feed_of(net, of, Lane::Immediate);
    let own = net.nodes[of].store.entries.iter().filter(|((key, _), _)| *key == feed);
    own.filter(|(_, entry)| matches!(Body::decode(&entry.body), Ok(Body::Fork(_) | Body::Equivocation(_))))
        .count()
}

fn settle(net: &mut Net, nodes: std::ops::Range<usize>) {
    let done = net.run_until(60_000, |net| {
        let all = |node| {
            let (status, first) = (net.status(node), net.status(nodes.start));
            status.held == 0 && status.certified == status.applied && status.applied == first.applied
        };
        nodes.clone().all(all)
    });
    assert!(done, "{:#?}", nodes.map(|node| net.status(node)).collect::<Vec<_>>());
}

/// The proof freezes the feed everywhere at one index, records say so from that epoch on, and exactly what stands in the
/// feed behind the proof is void. Returns how much that is.
pub(crate) fn check_frozen(net: &Net, nodes: std::ops::Range<usize>, feed: &FeedKey) -> usize {
    let frozen = frozen_at(net, nodes.clone(), feed).expect("frozen at all, at one index");
    let first = nodes.start;
    for node in nodes {
        assert_eq!(net.nodes[node].halted, None);
        assert_eq!(net.nodes[node].store.batches, net.nodes[first].store.batches, "node {node}");
    }
    let mut void = 0;
    for (index, entry) in entries(net, first) {
        let is_void = matches!(entry.disposition, Disposition::Void { .. });
        assert_eq!(is_void, entry.feed == *feed && index > frozen, "leaf {index}: {entry:?}");
        if is_void {
            assert_eq!(entry.disposition, Disposition::Void { frozen });
            void += 1;
        }
    }
    let ordered = net.engine(first).state().frozen()[feed].ordered;
    let mut last = None;
    for record in records(net, first) {
        let stated = record.committed.iter().find(|(key, ..)| key == feed);
        let flag = stated.is_some_and(|(.., frozen)| *frozen);
        assert_eq!(flag, record.epoch >= ordered.epoch, "epoch {}", record.epoch);
        if record.epoch > ordered.epoch {
            assert_eq!(stated.map(|(_, head, _)| *head), last, "a frozen feed stays where it was cut");
        }
        last = stated.map(|(_, head, _)| *head);
    }
    void
}

#[test]
fn two_branches_freeze_the_feed_everywhere_at_one_index_and_what_follows_is_void() {
    let mut void = 0;
    for seed in 0..40 {
        let (mut net, feed, root) = with_author(seed);
        let (a, a_head) = notes(&net, 3, Lane::Routine, root, &["first"]);
        for to in 0..3 {
            net.say(3, to, &PeerMessage::Run(a.clone()));
        }
        net.run_for(seed % 20);
        let (more, _) = notes(&net, 3, Lane::Routine, a_head, &["second", "third", "fourth"]);
        let (other, _) = notes(&net, 3, Lane::Routine, a_head, &["another second"]);
        net.say(3, 2, &PeerMessage::Run(other));
        for to in 0..3 {
            net.say(3, to, &PeerMessage::Run(more.clone()));
        }
        // Only what the engines say to each other.
        net.reorder = 40;
        assert!(net.run_until(20_000, |net| frozen_at(net, 0..3, &feed).is_some()), "seed {seed}");
        settle(&mut net, 0..3);
        void += check_frozen(&net, 0..3, &feed);
        for node in 0..3 {
            assert!(reports(&net, node) <= 1, "seed {seed}: node {node} writes a proof once");
        }
        // Whatever the author says from now on is not even taken.
        net.reorder = 0;
        let held = net.nodes[0].store.entries.len();
        let head = net.engine(0).state().frozen().len();
        let from = records(&net, 0).last().and_then(|record| {
            record.committed.iter().find(|(key, ..)| *key == feed).map(|(_, head, _)| *head)
        });
        let (late, _) = notes(&net, 3, Lane::Routine, from.expect("frozen"), &["late"]);
        net.say(3, 0, &PeerMessage::Run(late));
        net.run_for(1_000);
        assert_eq!((net.nodes[0].store.entries.len(), head), (held, 1), "seed {seed}");
        // Its other lanes go on.
        let flash = feed_of(&net, 3, Lane::Flash);
        let (run, _) = notes(&net, 3, Lane::Flash, root_of(&net, &flash), &["another lane"]);
        for to in 0..3 {
            net.say(3, to, &PeerMessage::Run(run.clone()));
        }
        let ordered = |net: &Net| entries(net, 0).iter().any(|(_, entry)| entry.feed == flash);
        assert!(net.run_until(20_000, ordered), "seed {seed}");
    }
    assert!(void > 0, "no seed has ordered an entry behind the proof in the same batch");
}

#[test]
fn a_feed_of_which_nothing_is_ordered_freezes_too() {
    let (mut net, feed, root) = with_author(7);
    for to in 0..3 {
        let (run, _) = notes(&net, 3, Lane::Routine, root, &[&format!("only to {to}")]);
        net.say(3, to, &PeerMessage::Run(run));
    }
    assert!(net.run_until(20_000, |net| frozen_at(net, 0..3, &feed).is_some()));
    settle(&mut net, 0..3);
    assert_eq!(check_frozen(&net, 0..3, &feed), 0);
    let last = records(&net, 0).pop().expect("an epoch");
    assert!(last.committed.contains(&(feed, root, true)));
    // All of it is a function of the store, so it is the same after a restart.
    net.crash(1);
    net.start(1);
    assert!(net.run_until(20_000, |net| net.status(1).voting));
    assert!(frozen_at(&net, 0..3, &feed).is_some());
    assert_eq!(net.status(1).held, 0, "what is held of a frozen feed does not wait");
}

/// Two branches of the author's feed.
fn fork(net: &Net, root: Head) -> [Run; 2] {
    ["one", "other"].map(|text| notes(net, 3, Lane::Routine, root, &[text]).0)
}

#[test]
fn a_proof_that_a_crash_left_unwritten_is_written_after_it() {
    for effects in 0..8 {
        let (mut net, feed, root) = with_author(effects as u64);
        let [one, other] = fork(&net, root);
        // Only node 0 ever sees both.
        for to in 0..3 {
            net.say(3, to, &PeerMessage::Run(one.clone()));
        }
        net.run_for(5_000);
        let peer = net.node_id(3);
        let bytes = wire::encode(&PeerMessage::Run(other.clone()));
        net.crash_within(0, Input::Received { peer, bytes: bytes.clone() }, effects);
        let kept = net.nodes[0].store.forks.len();
        assert_eq!(kept, usize::from(effects > 0), "the proof is the first that is written");
        let written = reports(&net, 0);
        net.start(0);
        if kept == 0 {
            greet(&mut net, 3);
            net.inject(3, 0, bytes);
        }
        let done = net.run_until(20_000, |net| frozen_at(net, 0..3, &feed).is_some());
        assert!(done, "crash after {effects} effects, {written} written by then");
        settle(&mut net, 0..3);
        check_frozen(&net, 0..3, &feed);
        assert_eq!(reports(&net, 0), 1, "crash after {effects} effects");
        // And never again.
        net.crash(0);
        net.start(0);
        net.run_for(10_000);
        assert_eq!((reports(&net, 0), net.nodes[0].store.forks.len()), (1, 1));
    }
}

#[test]
fn a_proof_that_had_no_room_is_written_once_there_is_some() {
    let (mut net, feed, root) = with_author(3);
    net.cut(0, 1);
    net.cut(0, 2);
    // Alone, until its lane is full.
    let mut full = false;
    for round in 0..600u64 {
        let body = |i: u64| Body::Note(format!("{round} {i} {}", "x".repeat(15_900)).into_bytes()).encode();
        let submission = |i: u64| Submission {
            ticket: Ticket(1_000_000 + round * 8 + i),
            lane: Some(Lane::Immediate),
            body: body(i),
        };
        let refused = net.nodes[0].refused.len();
        net.input(0, Input::Submit((0..8).map(submission).collect()));
        if net.nodes[0].refused.len() > refused {
            full = true;
            break;
        }
    }
    assert!(full, "the lane has a bound");
    let [one, other] = fork(&net, root);
    for run in [one, other] {
        net.say(3, 0, &PeerMessage::Run(run));
    }
    net.run_for(1_000);
    assert_eq!((net.nodes[0].store.forks.len(), reports(&net, 0)), (1, 0), "kept, and no room to write it");
    net.heal_all();
    assert!(net.run_until(600_000, |net| frozen_at(net, 0..3, &feed).is_some()));
    assert_eq!(reports(&net, 0), 1);
}

#[test]
fn a_contribution_that_claims_a_frozen_feed_is_refused_and_its_seat_is_named() {
    let (mut net, feed, root) = with_author(5);
    for (to, run) in [(0, 0), (1, 0), (2, 1), (0, 1)] {
        let run = fork(&net, root)[run].clone();
        net.say(3, to, &PeerMessage::Run(run));
    }
    assert!(net.run_until(20_000, |net| frozen_at(net, 0..3, &feed).is_some()));
    settle(&mut net, 0..3);
    let applied = net.status(0).applied;
    let nodes: Vec<_> = net.founded.nodes().map(|(key, _)| key).collect();
    let index =
        Basis::feeds_of(&nodes, MAX_INCARNATIONS, []).iter().position(|key| *key == feed).expect("enrolled");
    let head = fork(&net, root)[0].heads()[0];
    let claims = vec![FeedClaims { feed: index as u16, heads: vec![(1, head.hash)] }];
    let bytes = Contribution { clock: net.now, claims }.encode();
    let propose = Frame::pack([Message::Propose(Digest::of(&bytes))]);
    let frame = first_frame(&net, 3, applied + 1, propose);
    for to in 0..3 {
        net.say(3, to, &PeerMessage::Payload { epoch: applied + 1, bytes: bytes.clone() });
        net.say(3, to, &PeerMessage::Frame(frame.clone()));
    }
    let id = net.note(0, "honest").expect("taken");
    assert!(net.run_until(20_000, |net| (0..3).all(|node| net.ordered(node).contains(&id))));
    for node in 0..3 {
        let named = net.convictions(node);
        let named = named.iter().find(|fault| fault.code == "contribution").expect("named");
        assert_eq!(named.seat, Some(Seat(3)));
        assert!(named.what.contains("frozen"), "{}", named.what);
    }
    let record = records(&net, 0).into_iter().find(|record| record.epoch == applied + 1).expect("applied");
    assert!(record.agreed.iter().all(|(seat, _)| *seat != Seat(3)));
    settle(&mut net, 0..3);
    check_frozen(&net, 0..3, &feed);
}

#[test]
fn a_node_whose_feed_is_frozen_refuses_to_write_to_it_and_writes_on_in_other_lanes() {
    let mut net = Net::new(4, 6);
    net.start_all();
    net.run_for(1_000);
    let first = net.note(3, "its word").expect("taken");
    assert!(net.run_until(20_000, |net| (0..4).all(|node| net.ordered(node).contains(&first))));
    let feed = feed_of(&net, 3, Lane::Routine);
    // A copy of its key says something else there.
    let root = root_of(&net, &feed);
    let (other, _) = notes(&net, 3, Lane::Routine, root, &["another word"]);
    net.inject(3, 1, wire::encode(&PeerMessage::Run(other)));
    assert!(net.run_until(20_000, |net| frozen_at(net, 0..4, &feed).is_some()));
    settle(&mut net, 0..4);
    check_frozen(&net, 0..4, &feed);
    assert_eq!(net.note(3, "more"), None);
    assert_eq!(net.nodes[3].refused.last().map(|(_, code)| code.as_str()), Some("frozen"));
    let ticket = Ticket(77);
    let body = Body::Note(b"elsewhere".to_vec()).encode();
    net.input(3, Input::Submit(vec![Submission { ticket, lane: Some(Lane::Priority), body }]));
    let id = net.nodes[3].held[&ticket].id;
    assert!(net.run_until(20_000, |net| (0..4).all(|node| net.ordered(node).contains(&id))));
    assert!((0..4).all(|node| net.nodes[node].halted.is_none()));
}

#[test]
fn two_frames_at_one_place_are_ordered_as_evidence_once_and_the_seat_votes_on() {
    for seed in 0..10 {
        let (mut net, ..) = with_author(seed);
        let propose = |what: &[u8]| Frame::pack([Message::Propose(Digest::of(what))]);
        let [x, y] = [b"x", b"y"].map(|what| first_frame(&net, 3, 1, propose(what)));
        for (to, frame) in [(0, &x), (1, &y), (2, &x), (2, &y)] {
            net.say(3, to, &PeerMessage::Frame(frame.clone()));
        }
        net.reorder = 30;
        net.note(2, "word").expect("taken");
        let convicted = |net: &Net, node| net.engine(node).state().convicted().get(&Seat(3)).copied();
        let all = |net: &Net| (0..3).all(|node| convicted(net, node).is_some());
        assert!(net.run_until(30_000, all), "seed {seed}");
        settle(&mut net, 0..3);
        let first = convicted(&net, 0).expect("convicted");
        assert_eq!((first.feed.epoch, first.seq), (1, 0));
        for node in 0..3 {
            assert_eq!(convicted(&net, node), Some(first), "seed {seed}");
            assert_eq!(net.engine(node).state().convicted().len(), 1);
            assert_eq!(net.nodes[node].store.batches, net.nodes[0].store.batches);
            assert!(reports(&net, node) <= 1);
            assert_eq!(net.nodes[node].store.equivocations.len(), 1, "one is kept");
        }
        net.reorder = 0;
        // In a later epoch again: nothing new to say, and its frames still count.
        let epoch = net.status(0).applied + 1;
        let [x, y] = [b"x", b"y"].map(|what| first_frame(&net, 3, epoch, propose(what)));
        for (to, frame) in [(0, &x), (1, &y), (2, &y), (2, &x)] {
            net.say(3, to, &PeerMessage::Frame(frame.clone()));
        }
        let id = net.note(1, "later").expect("taken");
        assert!(net.run_until(20_000, |net| (0..3).all(|node| net.ordered(node).contains(&id))));
        assert!(
            net.nodes[0].store.frames.keys().any(|(of, seat, _)| *of == epoch && *seat == Seat(3))
                || net.status(0).certified >= epoch
        );
        settle(&mut net, 0..3);
        for node in 0..3 {
            assert_eq!((reports(&net, node) <= 1, net.nodes[node].store.equivocations.len()), (true, 1));
        }
    }
}

#[test]
fn restarts_convict_nobody() {
    for seed in 0..8 {
        let mut net = Net::new(4, seed);
        net.start_all();
        net.run_for(1_000);
        for round in 0..6 {
            let node = (seed as usize + round) % 4;
            net.note(node, &format!("word {round}"));
            net.crash_in = Some((node, 3 + 2 * round));
            net.run_for(1_500);
            net.crash_in = None;
            net.crash(node);
            net.start(node);
            net.run_for(500);
        }
        settle(&mut net, 0..4);
        for node in 0..4 {
            let state = net.engine(node).state();
            assert!(state.frozen().is_empty() && state.convicted().is_empty(), "seed {seed}");
            assert!(net.nodes[node].store.forks.is_empty() && net.nodes[node].store.equivocations.is_empty());
        }
    }
}

#[test]
fn a_seat_that_ordered_evidence_convicts_stops_though_nobody_shows_it_the_other_frame() {
    let (mut net, _, root) = with_author(41);
    // Two frames of an epoch that is long over, under the key of node 0, as an old copy of its store may have left them.
    let frames = [b"one", b"two"].map(|what| {
        let echo = Message::Echo { proposer: Seat(1), digest: Digest::of(what) };
        first_frame(&net, 0, 1, Frame::pack([echo]))
    });
    for word in 0..6 {
        net.note(0, &format!("word {word}"));
        net.run_for(2_000);
    }
    let proof = Body::Equivocation(Box::new(Equivocation::new(&frames))).encode();
    let (run, _) = crate::forge::run(&net, 3, Lane::Routine, root, vec![proof]);
    for to in 0..3 {
        net.say(3, to, &PeerMessage::Run(run.clone()));
    }
    net.run_for(5_000);
    assert!(matches!(net.nodes[0].halted, Some(Halt::Rollback { .. })), "{:?}", net.nodes[0].halted);
    // Not as it is again, and with a silent seat once it is restored.
    assert!(matches!(net.start_error(0), Some(RecoverError::RolledBack(_))));
    net.restore(0).expect("it can be restored");
    net.start(0);
    net.run_for(5_000);
    assert_eq!(net.nodes[0].halted, None);
    assert!(!net.status(0).voting);
    assert!(net.engine(0).state().convicted().contains_key(&Seat(0)));
}
