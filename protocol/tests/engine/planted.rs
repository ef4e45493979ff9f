//! Scripted schedules show the attacks that their rules answer: with the rule's bug planted, its claim fails.

use entente_hbbft::plant::is_caught_by;
use entente_hbbft::{Digest, Frame, Message};
use entente_protocol::frontier::Contribution;
use entente_protocol::replicate::PeerMessage;
use entente_protocol::wire;

use crate::forge::{first_frame, with_liar};
use crate::liars;
use crate::net::Net;

/// Bugs, and the claim that each of them breaks.
const PLANTED: [(&str, fn()); 4] = [
    ("no-nonce", liars::reports_to_an_earlier_start_do_not_count),
    ("only-longer", an_own_frame_other_than_the_one_on_the_disk_stops_the_node),
    ("one-starts-all", one_contribution_starts_nobody),
    ("start-without-ii", who_alone_has_not_claimed_an_entry_starts_those_who_have),
];

#[test]
fn scripted_schedules_catch_what_they_were_written_against() {
    for (name, claim) in PLANTED {
        assert!(is_caught_by(name, claim), "{name} is planted and its claim holds");
    }
}

/// Another process with the same keys has said something else at the same place: not longer, different.
#[test]
fn an_own_frame_other_than_the_one_on_the_disk_stops_the_node() {
    let mut net = with_liar(1);
    // Two of four are silent, so that the epoch stays open.
    net.crash(2);
    net.note(0, "word").expect("taken");
    net.run_for(1_000);
    assert!(net.nodes[1].store.frames.values().any(|frame| frame.feed.seat.0 == 1), "it has said something");
    let other = Frame::pack([Message::Propose(Digest::of(b"something else"))]);
    let other = first_frame(&net, 1, 1, other);
    net.say(3, 1, &PeerMessage::Frame(other));
    net.run_for(1_000);
    assert!(net.nodes[1].halted.is_some(), "two branches of its own chain");
}

/// A liar alone must not keep a net of 9.6 kbit/s busy with empty epochs.
#[test]
fn one_contribution_starts_nobody() {
    let mut net = with_liar(2);
    let bytes = wire::encode(&Contribution { clock: net.now, claims: Vec::new() });
    let frame = first_frame(&net, 3, 1, Frame::pack([Message::Propose(Digest::of(&bytes))]));
    for to in 0..3 {
        net.say(3, to, &PeerMessage::Payload { epoch: 1, bytes: bytes.clone() });
        net.say(3, to, &PeerMessage::Frame(frame.clone()));
    }
    net.run_for(5_000);
    for node in 0..3 {
        let store = &net.nodes[node].store;
        let frames = store.frames.values().filter(|frame| usize::from(frame.feed.seat.0) == node);
        let said: Vec<Message> = frames.flat_map(|frame| frame.votes.messages()).collect();
        assert!(!said.is_empty(), "it does vote");
        assert!(!said.iter().any(|message| matches!(message, Message::Propose(_))), "node {node} starts");
        assert_eq!(net.status(node).applied, 0);
    }
}

/// Rule (ii): 0 and 1 claim X in epoch 1, and the set that is agreed has the claim of 1 alone, so that the cut leaves X
/// where it is. All hold it then, one has not claimed it, and one is gone: the two must follow the one.
#[test]
fn who_alone_has_not_claimed_an_entry_starts_those_who_have() {
    let mut staged = 0;
    for seed in 0..40 {
        let mut net = Net::new(4, seed);
        net.start_all();
        net.run_for(1_000);
        for other in [2, 3] {
            net.cut(0, other);
        }
        let x = net.note(0, "held by two").expect("taken");
        net.run_for(seed % 8);
        net.note(2, "held by the others").expect("taken");
        // What 0 says in epoch 1 reaches nobody after this.
        net.cut(0, 1);
        net.run_until(5_000, |net| (1..4).all(|node| net.status(node).applied >= 1));
        net.crash(3);
        net.heal_all();
        staged +=
            u32::from((1..3).all(|node| net.status(node).applied == 1 && !net.ordered(node).contains(&x)));
        let done = net.run_until(60_000, |net| (0..3).all(|node| net.ordered(node).contains(&x)));
        assert!(done, "seed {seed}: {:#?}", (0..3).map(|node| net.status(node)).collect::<Vec<_>>());
    }
    assert!(staged > 0, "no seed brings it about");
}
