//! A seat that says different things to different peers.

use entente_hbbft::{Digest, Frame, Message, Seat};
use entente_protocol::replicate::{PeerMessage, Want};

use crate::forge::{answer_with_nothing, first_frame, greet, next_frame, wants};
use crate::net::Net;

#[test]
fn two_frames_at_one_place_are_kept_as_proof_and_stop_nothing() {
    let mut net = Net::new(4, 1);
    net.puppet(3);
    net.start_all();
    greet(&mut net, 3);
    net.run_for(1_000);
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
    let x3 = next_frame(&net, &x2, Frame::pack([Message::Ready { proposer: Seat(0), digest: Digest::of(b"x") }]));
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
        assert!([one, other].iter().all(|frame| frame.verify(&net.keys[3].seat.public())));
        for fault in net.convictions(node) {
            assert_eq!((fault.node, fault.seat), (Some(net.node_id(3)), Some(Seat(3))), "{fault:?}");
        }
    }
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
