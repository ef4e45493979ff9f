//! A seat that says different things to different peers.

use entente_hbbft::{Digest, Frame, Message, ROUNDS_AHEAD, Round, Seat};
use entente_protocol::replicate::{MAX_MESSAGE_BYTES, PeerMessage, Want};
use entente_protocol::vote::{HeadReport, VoteFrame};
use entente_protocol::wire;

use crate::forge::{
    answer_with_nothing, first_frame, greet, inbox, next_frame, no_signature, wants, with_liar,
};
use crate::net::Net;

#[test]
fn two_frames_at_one_place_are_kept_as_proof_and_stop_nothing() {
    let mut net = with_liar(1);
    let propose = |what: &[u8]| Frame::pack([Message::Propose(Digest::of(what))]);
    let echo = |what: &[u8]| Frame::pack([Message::Echo { proposer: Seat(0), digest: Digest::of(what) }]);
    let (x, y) = (first_frame(&net, 3, 1, propose(b"x")), first_frame(&net, 3, 1, propose(b"y")));
    let (x2, y2) = (next_frame(&net, &x, echo(b"x")), next_frame(&net, &y, echo(b"y")));
    for frame in [&x, &x2] {
        net.say(3, 0, &PeerMessage::Frame(frame.clone()));
    }
    for to in [1, 2] {
        for frame in [&y, &y2] {
            net.say(3, to, &PeerMessage::Frame(frame.clone()));
        }
    }
    // Behind the other branch: it follows nothing that 1 holds.
    let x3 =
        next_frame(&net, &x2, Frame::pack([Message::Ready { proposer: Seat(0), digest: Digest::of(b"x") }]));
    net.run_for(500);
    net.say(3, 1, &PeerMessage::Frame(x3));
    let id = net.note(0, "word").expect("taken");
    assert!(net.run_until(20_000, |net| (0..3).all(|node| net.ordered(node) == [id])));
    net.run_for(10_000);
    for node in 0..3 {
        assert_eq!(net.nodes[node].halted, None);
        let proofs = &net.nodes[node].store.equivocations;
        assert_eq!(proofs.len(), 1, "node {node} keeps one proof");
        let [one, other] = &proofs[0];
        assert_eq!((one.feed, one.seq), (other.feed, other.seq));
        assert_ne!(one.hash(), other.hash());
        assert!(
            [one, other]
                .iter()
                .all(|frame| frame.verify(&net.founded.coalition(), &net.keys[3].seat.public()))
        );
        for fault in net.convictions(node) {
            assert_eq!((fault.node, fault.seat), (Some(net.node_id(3)), Some(Seat(3))), "{fault:?}");
        }
    }
}

#[test]
fn an_unsigned_frame_counts_for_who_has_it_from_its_author_and_is_shown_to_nobody() {
    let mut net = with_liar(5);
    let propose = Frame::pack([Message::Propose(Digest::of(b"x"))]);
    let echo = Frame::pack([Message::Echo { proposer: Seat(0), digest: Digest::of(b"x") }]);
    let signed = first_frame(&net, 3, 1, propose);
    let unsigned = VoteFrame { signature: no_signature(), ..next_frame(&net, &signed, echo) };
    net.record = true;
    // To one alone: the others have to ask it.
    net.say(3, 0, &PeerMessage::Frame(signed.clone()));
    net.say(3, 0, &PeerMessage::Frame(unsigned.clone()));
    net.run_for(5_000);
    let held = |net: &Net, node: usize| {
        let frames = &net.nodes[node].store.frames;
        frames.values().filter(|frame| frame.feed.seat == Seat(3)).cloned().collect::<Vec<_>>()
    };
    assert_eq!(held(&net, 0), [signed.clone(), unsigned]);
    for node in [1, 2] {
        assert_eq!(held(&net, node), std::slice::from_ref(&signed), "node {node} is shown what can be shown");
        assert_eq!(net.convictions(node), [], "nobody is blamed for the words of another");
    }
    let faults = net.convictions(0);
    assert_eq!(faults.len(), 1, "{faults:?}");
    assert_eq!((faults[0].code, faults[0].seat), ("bad_signature", Some(Seat(3))));
    let asked = net.traffic.iter().filter(|(from, to, bytes)| {
        let message = wire::decode(bytes, MAX_MESSAGE_BYTES).expect("an engine's message");
        *from != 3 && *to == 0 && matches!(message, PeerMessage::Want(Want::Frames { .. }))
    });
    assert!(asked.count() < 20, "what it does not get is not asked for all the time");
    // Nor by asking for the same seat twice.
    inbox(&mut net, 3);
    let want = Want::Frames { epoch: 1, from: vec![(Seat(3), 0), (Seat(3), 1)] };
    net.say(3, 0, &PeerMessage::Want(want));
    net.run_for(100);
    let shown = inbox(&mut net, 3).into_iter().filter_map(|(_, message)| match message {
        PeerMessage::Frame(frame) if frame.feed.seat == Seat(3) => Some(frame),
        _ => None,
    });
    assert_eq!(shown.collect::<Vec<_>>(), [signed]);
    let id = net.note(0, "word").expect("taken");
    assert!(net.run_until(20_000, |net| (0..3).all(|node| net.ordered(node) == [id])));
}

#[test]
fn a_split_chain_is_not_asked_for_for_ever() {
    let mut net = Net::new(4, 2);
    net.puppet(2);
    net.puppet(3);
    net.start_all();
    greet(&mut net, 2);
    greet(&mut net, 3);
    net.run_for(1_000);
    // No quorum: the epoch stays open for as long as two are silent.
    let propose = |what: &[u8]| Frame::pack([Message::Propose(Digest::of(what))]);
    let (x, y) = (first_frame(&net, 3, 1, propose(b"x")), first_frame(&net, 3, 1, propose(b"y")));
    net.say(3, 0, &PeerMessage::Frame(x.clone()));
    net.say(3, 1, &PeerMessage::Frame(y));
    for proposer in 0..3 {
        let votes = Frame::pack([Message::Echo { proposer: Seat(proposer), digest: Digest::of(b"x") }]);
        let next = next_frame(&net, &x, votes);
        net.say(3, 0, &PeerMessage::Frame(next));
    }
    net.record = true;
    for _ in 0..600 {
        net.run_for(100);
        answer_with_nothing(&mut net, 2);
        answer_with_nothing(&mut net, 3);
    }
    let asked = net.traffic.iter().filter(|(from, to, bytes)| {
        let message = entente_protocol::wire::decode(bytes, 1 << 18).expect("an engine's message");
        *from < 2 && *to < 2 && matches!(message, PeerMessage::Want(Want::Frames { .. }))
    });
    let asked = asked.count();
    assert!(asked < 60, "two members asked each other {asked} times in a minute");
    assert!(wants(&net, 3, |_| true) < 60);
}

/// BVAL(0) of a puppet's seat in its agreement on seat 0, one frame for each round.
fn far_ahead(net: &Net, seat: usize, rounds: u16) -> Vec<VoteFrame> {
    let bval = |round| Frame::pack([Message::Bval { proposer: Seat(0), round: Round(round), value: false }]);
    let mut frames = vec![first_frame(net, seat, 1, bval(0))];
    for round in 1..rounds {
        let next = next_frame(net, &frames[frames.len() - 1], bval(round));
        frames.push(next);
    }
    frames
}

#[test]
fn votes_far_ahead_count_after_a_restart_as_they_did_before() {
    let mut net = Net::new(4, 3);
    net.puppet(2);
    net.puppet(3);
    net.start_all();
    greet(&mut net, 2);
    greet(&mut net, 3);
    net.run_for(100);
    let report = |net: &mut Net| {
        for puppet in [2, 3] {
            for (from, message) in inbox(net, puppet) {
                if let PeerMessage::HeadRequest(request) = message {
                    let (coalition, key) = (net.founded.coalition(), &net.keys[puppet].seat);
                    let seat = Seat(puppet as u16);
                    let report = HeadReport::sign(&coalition, &request, seat, None, Vec::new(), key);
                    net.say(puppet, from, &PeerMessage::HeadReport(report));
                }
            }
        }
        net.run_for(100);
    };
    report(&mut net);
    assert!(net.status(0).voting);
    // Two seats that move on together take the bound along with them.
    let rounds = ROUNDS_AHEAD + 6;
    let chains = [far_ahead(&net, 2, rounds), far_ahead(&net, 3, rounds)];
    for round in 0..usize::from(rounds) {
        for (puppet, chain) in [2, 3].into_iter().zip(&chains) {
            net.say(puppet, 0, &PeerMessage::Frame(chain[round].clone()));
        }
        net.run_for(10);
    }
    let stored = |net: &Net| net.nodes[0].store.frames.keys().filter(|(_, seat, _)| *seat == Seat(2)).count();
    assert_eq!(stored(&net), usize::from(rounds));
    net.crash(0);
    net.start(0);
    greet(&mut net, 2);
    greet(&mut net, 3);
    net.run_for(100);
    report(&mut net);
    assert!(net.status(0).voting);
    // Within the bound only if all that was stored has counted.
    let last = &chains[0][usize::from(rounds) - 1];
    let votes =
        Frame::pack([Message::Bval { proposer: Seat(0), round: Round(2 * ROUNDS_AHEAD + 5), value: false }]);
    let next = next_frame(&net, last, votes);
    net.say(2, 0, &PeerMessage::Frame(next));
    net.run_for(100);
    assert_eq!(stored(&net), usize::from(rounds) + 1);
}

#[test]
fn a_seat_says_nothing_in_epochs_that_others_certified_while_it_was_away() {
    let mut net = Net::new(4, 4);
    net.start_all();
    net.run_for(1_000);
    // It crashes in the middle of an epoch, in which it has spoken.
    net.crash_in = Some((3, 6));
    net.note(3, "its last word").expect("taken");
    net.run_for(2_000);
    assert!(net.crash_in.is_none(), "it has crashed");
    for i in 0..12 {
        net.note(i % 3, &format!("word {i}")).expect("taken");
        net.run_for(500);
    }
    let certified = net.status(0).certified;
    assert!(certified >= 12);
    // What it says from now on, by epoch.
    net.record = true;
    net.start(3);
    assert!(net.run_until(30_000, |net| net.status(3).certified >= certified));
    net.run_for(5_000);
    let said = |net: &Net| -> Vec<u64> {
        let own = net.traffic.iter().filter(|(from, ..)| *from == 3);
        let frame = |bytes: &[u8]| match wire::decode(bytes, MAX_MESSAGE_BYTES) {
            Ok(PeerMessage::Frame(frame)) if frame.feed.seat == Seat(3) => Some(frame.feed.epoch),
            Ok(PeerMessage::Spoken(spoken)) => Some(spoken.epoch),
            _ => None,
        };
        own.filter_map(|(_, _, bytes)| frame(bytes)).collect()
    };
    let id = net.note(3, "back").expect("taken");
    assert!(net.run_until(10_000, |net| (0..4).all(|node| net.ordered(node).contains(&id))));
    let said = said(&net);
    assert!(said.iter().all(|epoch| *epoch > certified), "silent where others had certified: {said:?}");
    assert!(!said.is_empty(), "it votes again");
}
