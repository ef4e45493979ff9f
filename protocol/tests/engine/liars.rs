//! One member lies: about lengths, frames, cosignatures, reports. Nobody halts, nobody else is blamed, order goes on.

use entente_hbbft::{Digest, Frame, Message, Seat};
use entente_protocol::engine::Halt;
use entente_protocol::feed::{Head, Lane};
use entente_protocol::ledger::cosignature::TreeHead;
use entente_protocol::replicate::{Cosign, Have, MAX_MESSAGE_BYTES, PeerMessage, Want};
use entente_protocol::vote::{HeadReport, HeadRequest};
use entente_protocol::wire;

use crate::coalition::START;
use crate::forge::{
    answer_with_nothing, boast, feed_of, first_frame, inbox, no_signature, notes, root_of, run, wants,
    with_liar,
};
use crate::net::Net;

/// Three honest members and the liar, node 3.
/// A word of an honest member is ordered by all three.
fn orders(net: &mut Net, node: usize, text: &str) {
    let id = net.note(node, text).expect("taken");
    let done = net.run_until(30_000, |net| (0..3).all(|node| net.ordered(node).contains(&id)));
    assert!(done, "{text} is not ordered: {:#?}", (0..3).map(|node| net.status(node)).collect::<Vec<_>>());
}

/// Whatever was noticed was laid at the liar's door.
fn only_the_liar_is_blamed(net: &Net) {
    for node in 0..3 {
        assert_eq!(net.nodes[node].halted, None);
        for fault in net.convictions(node) {
            assert_eq!(fault.node, Some(net.node_id(3)), "{fault:?}");
            assert!(fault.seat.is_none_or(|seat| seat == Seat(3)), "{fault:?}");
        }
    }
}

#[test]
fn an_unproved_claim_about_a_nodes_own_feed_halts_nobody() {
    let mut net = with_liar(1);
    let feed = feed_of(&net, 0, Lane::Routine);
    for length in [1, 5, u64::MAX] {
        let head = Head { length, hash: feed.root(&net.founded.coalition()) };
        net.say(3, 0, &PeerMessage::Have(Have { feeds: vec![(feed, head)], ..Have::default() }));
        net.run_for(200);
    }
    orders(&mut net, 0, "still here");
    only_the_liar_is_blamed(&net);
}

#[test]
fn a_signed_own_entry_that_the_store_lacks_stops_the_node() {
    let mut net = with_liar(2);
    let feed = feed_of(&net, 0, Lane::Routine);
    let (lost, head) =
        notes(&net, 0, Lane::Routine, root_of(&net, &feed), &["said before the disk was restored"]);
    net.say(3, 0, &PeerMessage::Have(Have { feeds: vec![(feed, head)], ..Have::default() }));
    net.run_for(1_000);
    let asked = wants(&net, 3, |want| matches!(want, Want::Entries { feed: of, .. } if *of == feed));
    assert!(asked > 0, "the claim must be looked into");
    // Meanwhile nothing that could fork the feed goes to the one that claims to hold more.
    let mine = net.note(0, "said after it").expect("taken");
    net.run_for(100);
    let leaked = inbox(&mut net, 3)
        .into_iter()
        .any(|(from, message)| from == 0 && matches!(message, PeerMessage::Run(run) if run.feed == feed));
    assert!(!leaked, "{mine} went to a peer that says it holds another entry in its place");
    net.say(3, 0, &PeerMessage::Run(lost));
    net.run_for(1_000);
    let halt = net.nodes[0].halted.clone().expect("it stops");
    assert!(halt.to_string().contains("older than what this node has said"), "{halt}");
}

#[test]
fn relabelled_cosignatures_neither_halt_nor_hold_up() {
    let mut net = with_liar(3);
    orders(&mut net, 0, "first");
    net.run_for(1_000);
    let cosigns: Vec<Cosign> = inbox(&mut net, 3)
        .into_iter()
        .filter_map(|(_, message)| match message {
            PeerMessage::Cosign(cosign) if cosign.epoch == 1 => Some(cosign),
            _ => None,
        })
        .collect();
    assert!(cosigns.len() >= 3, "each of the three has cosigned");
    // Honest seats' words on epoch 1, passed off as their words on the next ones.
    for to in 0..3 {
        for cosign in &cosigns {
            for epoch in 2..=5 {
                net.say(3, to, &PeerMessage::Cosign(Cosign { epoch, ..*cosign }));
            }
        }
    }
    for text in ["second", "third", "fourth"] {
        orders(&mut net, 1, text);
    }
    only_the_liar_is_blamed(&net);
}

#[test]
fn lengths_that_do_not_exist_cost_little() {
    let mut net = with_liar(4);
    orders(&mut net, 0, "something");
    inbox(&mut net, 3);
    let boast = boast(&net);
    for to in 0..3 {
        net.say(3, to, &PeerMessage::Have(boast.clone()));
    }
    let mut asked = 0;
    for _ in 0..6_000 {
        net.run_for(100);
        asked += answer_with_nothing(&mut net, 3);
    }
    // Sixteen feeds, four epochs and a certificate at three nodes over ten minutes.
    assert!(asked < 3 * 21 * 30, "asked {asked} times for what does not exist");
    orders(&mut net, 0, "something else");
    only_the_liar_is_blamed(&net);
}

#[test]
fn who_never_answers_does_not_hold_up_those_who_ask_others_too() {
    let mut net = with_liar(5);
    // 0 hears of 1's words through 2 only, or from the liar, who claims to have them and says nothing.
    net.cut(0, 1);
    let feed = feed_of(&net, 1, Lane::Routine);
    for i in 0..20 {
        let head = Head { length: 1 << 30, hash: Default::default() };
        net.say(3, 0, &PeerMessage::Have(Have { feeds: vec![(feed, head)], ..Have::default() }));
        orders(&mut net, 1, &format!("word {i}"));
    }
    let spent = net.now.since(crate::coalition::START);
    assert!(spent < 30_000, "twenty words took {spent} ms");
}

#[test]
fn a_flood_of_payloads_does_not_crowd_out_honest_ones() {
    let mut net = with_liar(6);
    for epoch in 1..=4u64 {
        for junk in 0..100u64 {
            let bytes = [epoch.to_le_bytes(), junk.to_le_bytes()].concat();
            for to in 0..3 {
                net.say(3, to, &PeerMessage::Payload { epoch, bytes: bytes.clone() });
            }
        }
    }
    net.run_for(100);
    net.record = true;
    orders(&mut net, 0, "through the flood");
    let pulled = net.traffic.iter().filter(|(from, to, bytes)| {
        let message: PeerMessage =
            entente_protocol::wire::decode(bytes, 1 << 18).expect("an engine's message");
        *from < 3 && *to < 3 && matches!(message, PeerMessage::Want(Want::Payload { .. }))
    });
    assert_eq!(pulled.count(), 0, "honest payloads arrive as they are pushed");
}

#[test]
fn a_forged_report_does_not_keep_the_true_one_from_being_passed_on() {
    let mut net = with_liar(7);
    net.cut(0, 1);
    net.cut(1, 3);
    net.crash(1);
    net.start(1);
    // The request reaches the liar through 2 at the moment when it reaches 0.
    for _ in 0..100 {
        net.step();
        for (_, message) in inbox(&mut net, 3) {
            if let PeerMessage::HeadRequest(HeadRequest { seat, nonce, .. }) = message {
                let report = HeadReport {
                    starter: seat,
                    nonce,
                    reporter: Seat(0),
                    certified: None,
                    heads: Vec::new(),
                    signature: no_signature(),
                };
                let bytes = entente_protocol::wire::encode(&PeerMessage::HeadReport(report));
                net.inject(3, 2, bytes);
            }
        }
    }
    net.run_for(300);
    assert!(net.status(1).voting, "the report of 0 must get through");
    only_the_liar_is_blamed(&net);
}

#[test]
pub(crate) fn reports_to_an_earlier_start_do_not_count() {
    let mut net = Net::new(4, 8);
    net.start_all();
    net.run_for(1_000);
    net.crash(1);
    net.record = true;
    net.start(1);
    net.run_for(1_000);
    assert!(net.status(1).voting);
    let is_report = |bytes: &Vec<u8>| {
        let message = entente_protocol::wire::decode(bytes, 1 << 18).expect("an engine's message");
        matches!(message, PeerMessage::HeadReport(report) if report.starter == Seat(1))
    };
    let reports: Vec<_> = net.traffic.iter().map(|(.., bytes)| bytes.clone()).filter(is_report).collect();
    assert!(reports.len() >= 3);
    net.crash(1);
    net.puppet(3);
    net.cut(1, 0);
    net.cut(1, 2);
    net.start(1);
    net.run_for(10);
    for report in reports {
        net.inject(3, 1, report);
    }
    net.run_for(5_000);
    assert_eq!((net.status(1).voting, net.status(1).reports), (false, 1));
}

#[test]
fn nobody_else_is_blamed_for_words_that_a_liar_puts_into_their_mouths() {
    let mut net = with_liar(9);
    let digest = Digest::of(b"nothing");
    let mut frame = first_frame(&net, 0, 1, Frame::pack([Message::Propose(digest)]));
    frame.signature = no_signature();
    net.say(3, 1, &PeerMessage::Frame(frame));
    let request =
        HeadRequest { seat: Seat(0), nonce: [9; 32], asked_at: net.now.plus(9), signature: no_signature() };
    net.say(3, 0, &PeerMessage::HeadRequest(request));
    net.say(3, 1, &PeerMessage::HeadRequest(request));
    orders(&mut net, 0, "fine");
    let cosign = inbox(&mut net, 3).into_iter().find_map(|(_, message)| match message {
        PeerMessage::Cosign(cosign) => Some(cosign),
        _ => None,
    });
    let cosign = Cosign { seat: Seat(0), epoch: 2, signature: no_signature(), ..cosign.expect("all cosign") };
    net.say(3, 1, &PeerMessage::Cosign(cosign));
    net.run_for(100);
    assert!(net.faults(1).len() >= 3, "{:?}", net.faults(1));
    assert!(net.faults(0).iter().all(|(code, _)| *code != "two_processes"), "{:?}", net.faults(0));
    only_the_liar_is_blamed(&net);
}

#[test]
fn another_process_that_starts_with_the_own_seats_key_is_noticed() {
    let mut net = with_liar(4);
    orders(&mut net, 0, "fine");
    let coalition = net.founded.coalition();
    // An earlier start's request may still be under way, a later one cannot be the own.
    let early = HeadRequest::sign(&coalition, Seat(0), [8; 32], START, &net.keys[0].seat);
    net.say(3, 0, &PeerMessage::HeadRequest(early));
    net.run_for(100);
    assert_eq!(net.faults(0), []);
    let late = HeadRequest::sign(&coalition, Seat(0), [9; 32], net.now, &net.keys[0].seat);
    net.say(3, 0, &PeerMessage::HeadRequest(late));
    net.run_for(100);
    let codes: Vec<_> = net.faults(0).into_iter().map(|(code, _)| code).collect();
    assert_eq!(codes, ["two_processes"]);
    orders(&mut net, 0, "goes on");
}

#[test]
fn a_second_node_of_a_partner_speaks_for_its_seat_to_nobody() {
    let mut net = Net::with_seconds(4, &[0], 10);
    net.start_all();
    net.run_for(1_000);
    net.puppet(4);
    let claim = |_: &Net| Have { whole: true, linked: vec![0xFF], seat: Some(Seat(0)), ..Have::default() };
    for to in 1..4 {
        let have = claim(&net);
        net.say(4, to, &PeerMessage::Have(have));
    }
    // Words that the seat has not signed, and a frame in brief that follows nothing.
    let digest = Digest::of(b"nothing");
    let mut frame = first_frame(&net, 0, 1, Frame::pack([Message::Propose(digest)]));
    frame.signature = no_signature();
    for to in 1..4 {
        net.say(4, to, &PeerMessage::Frame(frame.clone()));
    }
    net.run_for(50);
    let certified: Vec<usize> = (0..4).collect();
    let id = net.note(0, "of the seat itself").expect("taken");
    let done = net.run_until(30_000, |net| certified.iter().all(|&node| net.ordered(node).contains(&id)));
    assert!(done, "the true words of the seat are shut out");
    for node in 1..4 {
        let faults = net.convictions(node);
        assert!(!faults.is_empty(), "node {node} has noticed nothing");
        for fault in faults {
            assert_eq!((fault.node, fault.seat), (Some(net.node_id(4)), None), "{fault:?}");
        }
    }
}

#[test]
fn a_stranger_a_gap_and_a_false_start_of_a_feed_are_refused_and_named() {
    let mut net = with_liar(10);
    let feed = feed_of(&net, 3, Lane::Routine);
    let (first, head) = notes(&net, 3, Lane::Routine, root_of(&net, &feed), &["one"]);
    let (second, _) = notes(&net, 3, Lane::Routine, head, &["two"]);
    net.say(3, 0, &PeerMessage::Run(second));
    net.run_for(100);
    assert_eq!(net.status(0).held, 0, "nothing is taken across a gap");
    assert!(
        wants(&net, 3, |want| matches!(want, Want::Entries { feed: of, from: 0, .. } if *of == feed)) > 0
    );
    let mut stranger = first.clone();
    stranger.feed.incarnation = entente_protocol::frontier::MAX_INCARNATIONS;
    net.say(3, 0, &PeerMessage::Run(stranger));
    // Signed, and yet no feed begins like this.
    let nowhere = Head { length: 0, hash: Default::default() };
    let (rootless, _) = run(&net, 3, Lane::Flash, nowhere, vec![b"no body either".to_vec()]);
    net.say(3, 0, &PeerMessage::Run(rootless.clone()));
    net.say(3, 0, &PeerMessage::Run(first));
    net.run_for(100);
    net.say(3, 0, &PeerMessage::Run(rootless));
    net.run_for(5_000);
    let codes: Vec<_> = net.faults(0).iter().map(|(code, _)| *code).collect();
    assert_eq!(codes, ["unknown_feed", "malformed", "malformed"]);
    assert_eq!(net.nodes[0].store.forks, [], "a false start is no fork");
    let texts = net.ordered(0).len();
    assert_eq!(texts, 1, "the first entry is good and ordered");
}

#[test]
fn frames_of_future_epochs_stay_within_the_window() {
    let mut net = with_liar(11);
    for epoch in 1..=2_000u64 {
        let frame =
            first_frame(&net, 3, epoch, Frame::pack([Message::Propose(Digest::of(&epoch.to_le_bytes()))]));
        net.say(3, 0, &PeerMessage::Frame(frame));
    }
    net.run_for(1_000);
    let stored = net.nodes[0].store.frames.keys().filter(|(_, seat, _)| *seat == Seat(3)).count();
    assert!(stored <= entente_hbbft::WINDOW as usize, "{stored} frames were stored");
    for i in 0..6 {
        orders(&mut net, 1, &format!("word {i}"));
    }
    only_the_liar_is_blamed(&net);
}

/// Node 0 has applied epoch 1 and heard no cosignature of it. With that: a head whose log is so many leaves longer, with a root
/// that no log has.
fn before_any_cosignature(more: i64) -> (Net, TreeHead) {
    let mut net = Net::new(4, 12);
    net.start_all();
    net.run_for(1_000);
    net.note(1, "word").expect("taken");
    assert!(net.run_until(5_000, |net| net.status(0).applied == 1));
    net.deaf.insert(0);
    assert_eq!(net.status(0).certified, 0, "no cosignature has come yet");
    let batch = net.nodes[0].store.batches.get(&1).expect("applied is stored");
    let root = feed_of(&net, 0, Lane::Flash).root(&net.founded.coalition());
    let head = TreeHead::new(batch.size().saturating_add_signed(more), root, batch.time);
    (net, head)
}

/// A node hands node 0 the cosignature of `seat` over `head`, as one of epoch 1.
fn shows_cosignature(net: &mut Net, from: usize, seat: usize, head: TreeHead) {
    let signature = head.cosign(&net.founded.coalition(), &net.keys[seat].seat);
    let cosign = Cosign { seat: Seat(seat as u16), epoch: 1, head, signature };
    net.inject(from, 0, wire::encode(&PeerMessage::Cosign(cosign)));
}

/// Another root of its size, or other leaves: a node whose log differs may have made more of them in an epoch, or fewer.
#[test]
fn another_log_of_an_epoch_by_weak_seats_stops_the_node() {
    for more in [0, 1, -1] {
        for liars in [1, 2] {
            let (mut net, other) = before_any_cosignature(more);
            for seat in 1..=liars {
                (0..2).for_each(|_| shows_cosignature(&mut net, seat, seat, other));
            }
            match (liars, &net.nodes[0].halted) {
                (1, None) | (2, Some(Halt::Contradicted { epoch: 1, .. })) => {}
                (_, halted) => panic!("{liars} say so, {more}: {halted:?}"),
            }
            let faults = net.faults(0);
            assert!(faults.iter().any(|(code, _)| *code == "contradiction"), "{faults:?}");
            assert!(faults.iter().all(|(code, _)| *code != "malformed"), "{faults:?}");
        }
    }
}

/// It might be another epoch's: nothing follows from it but that the number is wrong.
#[test]
fn a_later_cosignature_that_a_relay_gives_another_number_is_the_relays_fault() {
    let (mut net, later) = before_any_cosignature(5);
    [1, 2].into_iter().for_each(|seat| shows_cosignature(&mut net, 3, seat, later));
    assert_eq!(net.nodes[0].halted, None);
    assert!(net.faults(0).iter().any(|(code, _)| *code == "malformed"), "{:?}", net.faults(0));
}

#[test]
fn old_own_entries_that_come_again_stop_nobody() {
    let mut net = with_liar(31);
    net.record = true;
    for i in 0..400 {
        net.note(0, &format!("note {i}")).expect("taken");
        net.run_for(20);
    }
    net.run_for(5_000);
    let old: Vec<_> = net.traffic.iter().filter(|(from, to, _)| (*from, *to) == (0, 1)).cloned().collect();
    for (_, _, bytes) in old {
        // Its own runs of long ago, whose hashes are no longer in memory.
        if let Ok(message @ PeerMessage::Run(_)) = wire::decode(&bytes, MAX_MESSAGE_BYTES) {
            net.say(3, 0, &message);
        }
    }
    net.run_for(5_000);
    assert_eq!(net.nodes[0].halted, None);
    orders(&mut net, 0, "afterwards");
}
