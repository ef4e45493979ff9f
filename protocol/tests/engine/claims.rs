//! Single claims about the engine.

use entente_hbbft::{Message, Seat};
use entente_protocol::replicate::{MAX_MESSAGE_BYTES, PeerMessage};
use entente_protocol::wire;

use crate::contributions::said;
use crate::net::Net;

#[test]
fn a_lone_entry_is_ordered_by_all_and_then_nothing_more_is_said() {
    let mut net = Net::new(4, 1);
    net.start_all();
    net.run_for(1_000);
    let id = net.note(2, "one word").expect("taken");
    assert!(net.run_until(5_000, |net| (0..4).all(|node| net.ordered(node) == [id])));
    net.run_for(5_000);
    let applied = net.nodes[0].engine.as_ref().expect("up").status(net.now).applied;
    assert_eq!(applied, 1, "an idle coalition starts no epoch");
    let before = net.steps;
    net.run_for(3_600_000);
    assert_eq!(net.steps, before, "an idle coalition sends nothing");
}

#[test]
fn a_majority_orders_while_one_is_away_and_it_catches_up() {
    let mut net = Net::new(4, 2);
    net.start_all();
    net.run_for(1_000);
    net.crash(3);
    let mut ids = Vec::new();
    for i in 0..50 {
        ids.push(net.note(i % 3, &format!("word {i}")).expect("taken"));
        net.run_for(40);
    }
    assert!(net.run_until(5_000, |net| (0..3).all(|node| net.ordered(node).len() == 50)));
    net.start(3);
    assert!(net.run_until(20_000, |net| net.ordered(3).len() == 50), "catches up by replay");
    assert_eq!(net.ordered(3), net.ordered(0));
}

#[test]
fn with_two_of_four_away_nothing_is_ordered_and_all_is_when_one_returns() {
    let mut net = Net::new(4, 3);
    net.start_all();
    net.run_for(1_000);
    net.crash(2);
    net.crash(3);
    let id = net.note(0, "held").expect("taken");
    net.run_for(60_000);
    assert_eq!(net.ordered(0), []);
    let status = net.nodes[0].engine.as_ref().expect("up").status(net.now);
    assert_eq!((status.held, status.reachable.len(), status.quorum), (1, 2, 3));
    net.start(3);
    assert!(net.run_until(20_000, |net| [0, 1, 3].iter().all(|node| net.ordered(*node) == [id])));
}

#[test]
fn words_travel_around_a_cut_link() {
    let mut net = Net::new(4, 4);
    net.start_all();
    net.cut(0, 1);
    net.crash(3);
    net.run_for(1_000);
    let id = net.note(0, "around").expect("taken");
    assert!(net.run_until(20_000, |net| [0, 1, 2].iter().all(|node| net.ordered(*node) == [id])));
}

#[test]
fn a_restart_over_a_cut_link_gets_its_reports_through_a_member() {
    let mut net = Net::new(4, 5);
    net.start_all();
    net.run_for(1_000);
    net.crash(3);
    net.cut(0, 1);
    net.crash(1);
    net.start(1);
    net.run_for(5_000);
    assert!(net.nodes[1].engine.as_ref().expect("up").status(net.now).voting);
}

#[test]
fn a_rolled_back_store_is_noticed_before_it_contradicts_anything() {
    let mut net = Net::new(4, 6);
    net.start_all();
    net.run_for(1_000);
    let old = net.nodes[1].store.clone();
    for i in 0..5 {
        net.note(1, &format!("said {i}"));
        net.run_for(500);
    }
    net.crash(1);
    net.nodes[1].store = old;
    net.start(1);
    net.run_for(5_000);
    let halt = net.nodes[1].halted.clone().expect("it stops");
    assert!(halt.to_string().contains("older than what this node has said"), "{halt}");
    for node in [0, 2, 3] {
        assert_eq!(net.faults(node), [], "an honest restore convicts nobody");
    }
}

/// A cosignature with an AUX would save a delay, and who sends it signs a root that the agreement may not give.
#[test]
fn who_has_voted_and_hears_no_quorum_of_votes_cosigns_nothing() {
    let mut net = Net::new(4, 7);
    net.start_all();
    net.run_for(1_000);
    // READY of all would decide without any AUX; seat 3 says its own in its third word.
    net.loses = Some(Box::new(|from, to, message| {
        (from, to) == (3, 0) && matches!(message, PeerMessage::Spoken(spoken) if spoken.seq > 1)
    }));
    net.record = true;
    let id = net.note(1, "voted for").expect("taken");
    let readies = |net: &Net, proposer: Seat| {
        let is =
            |message: &Message| matches!(message, Message::Ready { proposer: of, .. } if *of == proposer);
        (0..4).filter(|&seat| said(net, 0, seat, 1).iter().any(is)).count()
    };
    assert!(net.run_until(5_000, |net| (0..4).all(|proposer| readies(net, Seat(proposer)) == 3)));
    net.deaf.insert(0);
    assert!(
        net.run_until(20_000, |net| (1..4).all(|node| net.ordered(node) == [id])),
        "{:#?}",
        net.status(1)
    );
    net.run_for(5_000);
    let votes = said(&net, 0, 0, 1);
    assert!(votes.iter().any(|message| matches!(message, Message::Aux { value: true, .. })), "{votes:?}");
    assert_eq!(net.status(0).applied, 0, "the others know what is agreed, it does not");
    let cosigns = |node: usize| {
        let mut sent = net.traffic.iter().filter(|(from, ..)| *from == node);
        sent.any(|(.., bytes)| {
            matches!(
                wire::decode(bytes, MAX_MESSAGE_BYTES).expect("an engine's message"),
                PeerMessage::Cosign(_)
            )
        })
    };
    assert_eq!([0, 1].map(cosigns), [false, true]);
    net.loses = None;
    net.deaf.remove(&0);
    assert!(net.run_until(20_000, |net| net.ordered(0) == [id]), "{:#?}", net.status(0));
}
