//! A member floods: frames and payloads of later epochs, cosignatures, entries, boasts, requests. What each engine holds
//! stays within the named limits, reaches those that are there for this, and order goes on.

use std::collections::BTreeMap;

use entente_hbbft::{Frame, Message, ROUNDS_AHEAD, Round, Seat, Vote, WINDOW};
use entente_protocol::engine::MAX_STASHED_PAYLOADS;
use entente_protocol::feed::{Lane, MAX_RUN_ENTRIES, MAX_UNORDERED_BYTES, MAX_UNORDERED_ENTRIES};
use entente_protocol::identity::Hash;
use entente_protocol::ledger::cosignature::TreeHead;
use entente_protocol::record::{Body, MAX_BODY_BYTES};
use entente_protocol::replicate::{Cosign, PeerMessage, Want};
use entente_protocol::time::Time;
use entente_protocol::vote::HeadRequest;

use crate::forge::{boast, feed_of, first_frame, next_frame, root_of, run, with_liar};
use crate::net::Net;

/// What a node holds, by kind; all within its limit.
fn held(net: &Net, node: usize) -> BTreeMap<&'static str, u64> {
    let holdings = net.engine(node).holdings();
    for holding in &holdings {
        assert!(holding.count <= holding.limit, "node {node}: {holding:?}");
    }
    holdings.into_iter().map(|holding| (holding.what, holding.count)).collect()
}

/// To both that run.
fn say(net: &mut Net, message: &PeerMessage) {
    for to in [0, 1] {
        net.say(3, to, message);
    }
}

#[test]
fn a_flood_of_later_epochs_is_held_within_the_limits_and_order_goes_on() {
    let mut net = with_liar(11);
    // Without the third nothing is ordered, so that nothing drains.
    net.crash(2);
    let coalition = net.founded.coalition();
    for epoch in 1..=3 * WINDOW {
        let bval = |round: u16| Message::vote(Seat(0), Round(round), Vote::Bval(false));
        let mut frame = first_frame(&net, 3, epoch, Frame::pack([bval(0)]));
        for round in 1..40 {
            say(&mut net, &PeerMessage::Frame(frame.clone()));
            frame = next_frame(&net, &frame, Frame::pack([bval(round)]));
        }
        for number in 0..40_u64 {
            say(&mut net, &PeerMessage::Payload { epoch, bytes: number.to_le_bytes().to_vec() });
            let head = TreeHead::new(1000 + number, Hash::default(), net.now);
            let signature = head.cosign(&coalition, &net.keys[3].seat);
            say(&mut net, &PeerMessage::Cosign(Cosign { seat: Seat(3), epoch, head, signature }));
            let mut nonce = [0; 32];
            nonce[..8].copy_from_slice(&(epoch * 100 + number).to_le_bytes());
            let asked_at = Time(net.now.0 + number);
            let request = HeadRequest::sign(&coalition, Seat(3), nonce, asked_at, &net.keys[3].seat);
            say(&mut net, &PeerMessage::HeadRequest(request));
            say(&mut net, &PeerMessage::Want(Want::Epochs { from: number }));
        }
        net.run_for(500);
        for node in [0, 1] {
            held(&net, node);
        }
    }
    let claims = boast(&net);
    say(&mut net, &PeerMessage::Have(claims));
    net.run_for(60_000);
    for node in [0, 1] {
        let held = held(&net, node);
        assert_eq!(held["epochs with votes"], WINDOW, "those that are permitted, and no more");
        assert_eq!(held["rounds beyond those that `weak` seats reached"], ROUNDS_AHEAD.into());
        assert_eq!(held["payloads that wait for their frame"], WINDOW * MAX_STASHED_PAYLOADS as u64);
        assert_eq!(held["cosignatures of later epochs"], 2 * WINDOW);
    }
    net.start(2);
    let id = net.note(0, "in spite of it").expect("taken");
    assert!(net.run_until(60_000, |net| (0..3).all(|node| net.ordered(node).contains(&id))));
    (0..3).for_each(|node| assert_eq!(net.nodes[node].halted, None));
    (0..3).for_each(|node| drop(held(&net, node)));
}

#[test]
fn a_flood_of_entries_fills_the_authors_feeds_and_nothing_else() {
    let mut net = with_liar(12);
    net.crash(2);
    // One lane is filled in number, another in bytes.
    for (lane, bytes, runs) in [
        (Lane::Routine, 1, MAX_UNORDERED_ENTRIES as usize / MAX_RUN_ENTRIES + 3),
        (Lane::Priority, MAX_BODY_BYTES - 16, MAX_UNORDERED_BYTES / MAX_BODY_BYTES / 8 + 3),
    ] {
        let mut from = root_of(&net, &feed_of(&net, 3, lane));
        let entries = if bytes == 1 { MAX_RUN_ENTRIES } else { 8 };
        for _ in 0..runs {
            let bodies = vec![Body::Note(vec![7; bytes]).encode(); entries];
            let (said, head) = run(&net, 3, lane, from, bodies);
            net.say(3, 0, &PeerMessage::Run(said));
            from = head;
        }
    }
    net.run_for(2_000);
    let held = held(&net, 0);
    assert_eq!(held["entries of a feed that are not ordered"], MAX_UNORDERED_ENTRIES);
    let bytes = held["bytes of them"] as usize;
    assert!(bytes > MAX_UNORDERED_BYTES - 8 * MAX_BODY_BYTES, "{bytes} bytes");
    assert!(net.note(0, "another author has room").is_some());
}
