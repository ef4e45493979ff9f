//! Frames in brief, and words that wait for the certificate.

use std::collections::BTreeMap;

use entente_hbbft::{Brief, Digest, Frame, Message, Seat};
use entente_protocol::replicate::{MAX_MESSAGE_BYTES, PeerMessage, Spoken, Want};
use entente_protocol::vote::VoteFrame;
use entente_protocol::wire;

use crate::forge::{first_frame, inbox, next_frame, with_liar};
use crate::net::Net;

fn echo(proposer: u16, what: &[u8]) -> Message {
    Message::Echo { proposer: Seat(proposer), digest: Digest::of(what) }
}

fn ready(proposer: u16, what: &[u8]) -> Message {
    Message::Ready { proposer: Seat(proposer), digest: Digest::of(what) }
}

/// A frame as its author pushes it, after frames that ECHOed these.
fn spoken(frame: &VoteFrame, echoed: &[(u16, &[u8])]) -> PeerMessage {
    let echoed = echoed.iter().map(|(seat, what)| (Seat(*seat), Digest::of(what))).collect();
    let votes = Brief::of(&frame.votes, frame.feed.seat, &echoed);
    let (epoch, seq, signature) = (frame.feed.epoch, frame.seq, frame.signature);
    PeerMessage::Spoken(Spoken { epoch, seq, payload: Vec::new(), votes, signature })
}

fn of_liar(net: &Net, node: usize) -> Vec<VoteFrame> {
    let frames = net.nodes[node].store.frames.values();
    frames.filter(|frame| frame.feed.seat == Seat(3)).cloned().collect()
}

#[test]
fn what_is_said_in_brief_is_held_and_shown_whole() {
    let mut net = with_liar(11);
    let first = first_frame(&net, 3, 1, Frame::pack([echo(0, b"x"), echo(1, b"y")]));
    let second = next_frame(&net, &first, Frame::pack([ready(0, b"x"), ready(1, b"other")]));
    // To one alone: the others ask it.
    net.say(3, 0, &spoken(&first, &[]));
    net.say(3, 0, &spoken(&second, &[(0, b"x"), (1, b"y")]));
    net.run_for(5_000);
    for node in 0..3 {
        assert_eq!(of_liar(&net, node), [first.clone(), second.clone()], "node {node}");
        assert_eq!(net.convictions(node), []);
    }
}

#[test]
fn who_lacks_the_frame_before_asks_for_whole_frames() {
    let mut net = with_liar(12);
    let first = first_frame(&net, 3, 1, Frame::pack([echo(0, b"x")]));
    let second = next_frame(&net, &first, Frame::pack([ready(0, b"x")]));
    inbox(&mut net, 3);
    net.say(3, 0, &spoken(&second, &[(0, b"x")]));
    net.run_for(1_000);
    assert_eq!(of_liar(&net, 0), []);
    let asked = inbox(&mut net, 3).into_iter().any(|(_, message)| match message {
        PeerMessage::Want(Want::Frames { epoch: 1, from }) => from.contains(&(Seat(3), 0)),
        _ => false,
    });
    assert!(asked);
    for frame in [&first, &second] {
        net.say(3, 0, &PeerMessage::Frame(frame.clone()));
    }
    net.run_for(100);
    assert_eq!(of_liar(&net, 0), [first, second]);
    assert_eq!(net.convictions(0), []);
}

#[test]
fn a_frame_in_brief_that_does_not_follow_its_chain_is_laid_at_its_senders_door() {
    let mut net = with_liar(13);
    let first = first_frame(&net, 3, 1, Frame::pack([echo(0, b"x")]));
    // READY for what it has sent no ECHO for, as if it had.
    let second = next_frame(&net, &first, Frame::pack([ready(1, b"y")]));
    net.say(3, 0, &spoken(&first, &[]));
    net.say(3, 0, &spoken(&second, &[(1, b"y")]));
    net.run_for(1_000);
    assert_eq!(of_liar(&net, 0), [first]);
    let faults = net.convictions(0);
    assert_eq!(faults.len(), 1, "{faults:?}");
    assert_eq!((faults[0].code, faults[0].seat), ("malformed", Some(Seat(3))));
    let id = net.note(0, "word").expect("taken");
    assert!(net.run_until(20_000, |net| (0..3).all(|node| net.ordered(node) == [id])));
}

/// All that members have said to each other in brief, by sender and receiver.
fn messages(net: &Net) -> BTreeMap<(usize, usize), Vec<Message>> {
    let mut said = BTreeMap::<_, Vec<Message>>::new();
    for (from, to, bytes) in &net.traffic {
        let Ok(PeerMessage::Spoken(spoken)) = wire::decode(bytes, MAX_MESSAGE_BYTES) else { continue };
        let said = said.entry((*from, *to)).or_default();
        let echoed = said.iter().filter_map(|message| match message {
            Message::Echo { proposer, digest } => Some((*proposer, *digest)),
            _ => None,
        });
        let echoed = echoed.collect();
        let proposed = (!spoken.payload.is_empty()).then(|| Digest::of(&spoken.payload));
        let frame =
            spoken.votes.spelled(Seat(*from as u16), proposed, &echoed).expect("it follows its chain");
        said.extend(frame.messages());
    }
    said
}

/// How many AUX and TERM are among them.
fn votes(said: &[Message]) -> usize {
    said.iter().filter(|message| matches!(message, Message::Aux { .. } | Message::Term { .. })).count()
}

#[test]
fn the_last_votes_are_not_said_where_the_certificate_comes() {
    let mut net = Net::new(4, 14);
    net.start_all();
    net.run_for(1_000);
    net.record = true;
    let id = net.note(0, "word").expect("taken");
    net.run_for(2_000);
    assert!((0..4).all(|node| net.ordered(node) == [id]));
    let said = messages(&net);
    assert_eq!(said.len(), 12);
    for (pair, said) in said {
        // There would be an AUX and a TERM for each of four contributions.
        assert!(votes(&said) < 8, "{pair:?}: {said:?}");
    }
}

#[test]
fn votes_that_wait_are_said_where_no_certificate_comes() {
    let mut net = Net::new(4, 15);
    net.start_all();
    net.run_for(1_000);
    net.record = true;
    net.note(0, "word").expect("taken");
    // All have decided at the earliest when the last READY has come; the cosignatures are lost.
    let ready = |net: &Net| {
        let said = messages(net);
        let all =
            |said: &Vec<Message>| said.iter().filter(|m| matches!(m, Message::Ready { .. })).count() == 4;
        said.len() == 12 && said.values().all(all)
    };
    assert!(net.run_until(1_000, ready));
    net.loss = 100;
    net.run_for(500);
    for (pair, said) in messages(&net) {
        assert_eq!(votes(&said), 8, "{pair:?}: {said:?}");
    }
}

/// Whatever an own vote has decided is not voted otherwise after a crash: the votes are durable before the batch is.
#[test]
fn a_crash_between_cosignature_and_votes_leaves_the_votes_as_they_were() {
    let mut between = 0;
    for effects in 1..160 {
        let mut net = Net::new(4, 16);
        net.start_all();
        net.run_for(1_000);
        net.crash_in = Some((0, effects));
        net.note(1, "word");
        if !net.run_until(2_000, |net| net.nodes[0].engine.is_none()) {
            break;
        }
        let store = &net.nodes[0].store;
        for epoch in store.batches.keys().filter(|epoch| !store.certificates.contains_key(epoch)) {
            let frames = store.frames.range((*epoch, Seat(0), 0)..=(*epoch, Seat(0), u32::MAX));
            let said: Vec<Message> = frames.flat_map(|(_, frame)| frame.votes.messages()).collect();
            assert_eq!(votes(&said), 8, "crash at effect {effects}: {said:?}");
            between += 1;
        }
    }
    assert!(between > 3, "{between}");
}

/// What each seat has sent of the last epoch that anything was said in, as messages in the order of its frames.
fn said_last(net: &Net) -> BTreeMap<Seat, Vec<Spoken>> {
    let mut said = BTreeMap::<u64, BTreeMap<Seat, BTreeMap<u32, Spoken>>>::new();
    for (from, _, bytes) in &net.traffic {
        if let PeerMessage::Spoken(spoken) =
            wire::decode(bytes, MAX_MESSAGE_BYTES).expect("an engine's message")
        {
            let seats = said.entry(spoken.epoch).or_default();
            seats.entry(Seat(*from as u16)).or_default().insert(spoken.seq, spoken);
        }
    }
    let last = said.pop_last().map(|(_, seats)| seats).unwrap_or_default();
    last.into_iter().map(|(seat, frames)| (seat, frames.into_values().collect())).collect()
}

/// Four seats whose messages take one to 21 ms each, after a few words.
fn jittered(linger_ms: u64) -> Net {
    let mut net = Net::new(4, 21);
    net.timing.linger_ms = linger_ms;
    net.start_all();
    (net.latency_ms, net.reorder) = (1, 100);
    for word in 0..3 {
        net.note(0, &format!("word {word}"));
        net.run_for(2_000);
    }
    net
}

#[test]
fn words_wait_for_those_on_their_way_and_go_as_one() {
    let frames = |linger_ms| {
        let mut net = jittered(linger_ms);
        net.record = true;
        net.note(0, "counted");
        net.run_for(2_000);
        let said = said_last(&net);
        assert_eq!(said.len(), 4);
        said.values().map(Vec::len).sum::<usize>()
    };
    let (apart, together) = (frames(0), frames(200));
    // Contribution, ECHO, READY of each.
    assert!(together <= 12, "{together} frames");
    assert!(apart > together, "{apart} frames without waiting, {together} with it");
}

#[test]
fn who_falls_silent_is_waited_for_once_and_no_longer_than_the_span() {
    let mut net = jittered(1_000);
    net.deaf.insert(3);
    let mut spent = Vec::new();
    for word in ["first", "second"] {
        let (begun, record) = (net.now, net.note(0, word).expect("taken"));
        let done = net.run_until(10_000, |net| net.ordered(0).contains(&record));
        assert!(done, "{word} is not ordered");
        spent.push(net.now.since(begun));
    }
    assert!((1_000..3_500).contains(&spent[0]), "{spent:?} ms");
    assert!(spent[1] < 1_000, "{spent:?} ms");
}

/// No seat has sent two frames at one place; how many it has sent in all.
fn one_frame_at_each_place(net: &Net) -> usize {
    let mut said = BTreeMap::new();
    for (from, _, bytes) in &net.traffic {
        if let PeerMessage::Spoken(spoken) =
            wire::decode(bytes, MAX_MESSAGE_BYTES).expect("an engine's message")
        {
            let place = (*from, spoken.epoch, spoken.seq);
            let before = said.entry(place).or_insert_with(|| spoken.clone());
            assert_eq!(*before, spoken, "two frames of node {from} at one place");
        }
    }
    said.len()
}

#[test]
fn what_is_left_to_say_when_a_certificate_ends_the_epoch_is_never_said() {
    // What comes within a while is taken in one go: a vote that asks for one more, and the last cosignature. Without
    // the rule some of these seeds, 48 the first, show two frames at one place.
    let replayed =
        std::env::var("ENTENTE_SEED").ok().map(|seed| seed.parse().expect("ENTENTE_SEED is a number"));
    for seed in replayed.map_or(0..320, |seed: u64| seed..seed + 1) {
        eprintln!("ENTENTE_SEED={seed} cargo test -p entente-protocol --test engine what_is_left_to_say");
        let mut net = Net::new(4, seed);
        net.start_all();
        net.run_for(1_000);
        (net.latency_ms, net.reorder, net.together, net.loss, net.record) = (3, 40, 80, 5, true);
        for word in 0..6 {
            net.note(word % 4, &format!("word {word}"));
            net.run_for(300);
        }
        net.run_for(5_000);
        assert!(one_frame_at_each_place(&net) > 0);
    }
}
