//! Every answer is bounded by progress or by a timer: what comes again, is of no use or is a lie makes nobody ask again
//! and again.

use entente_hbbft::{Digest, Frame, Message, Seat};
use entente_protocol::feed::{Head, Lane};
use entente_protocol::identity::Hash;
use entente_protocol::replicate::{EpochHave, Have, PeerMessage, Want, serve};
use entente_protocol::time::Time;
use entente_protocol::vote::{HeadReport, HeadRequest};

use crate::forge::{answer_with_nothing, feed_of, first_frame, greet, inbox, next_frame, wants, with_liar};
use crate::net::Net;

/// The messages with which a node serves certified epochs.
fn epochs(net: &Net, node: usize) -> Vec<PeerMessage> {
    serve(&net.nodes[node].store, &Want::Epochs { from: 1 }, &[], None).expect("memory is whole")
}

#[test]
fn a_contribution_that_votes_name_and_a_proven_epoch_holds_is_not_asked_for_at_each_copy_of_it() {
    let mut net = Net::new(4, 1_562);
    net.start_all();
    net.run_for(1_000);
    let late = 3;
    net.crash(late);
    net.note(0, "word").expect("taken");
    assert!(net.run_until(5_000, |net| (0..3).all(|node| net.status(node).certified == 1)));
    let agreed: Vec<(Seat, Vec<u8>)> = net.nodes[0].store.batches[&1].agreed.clone();
    let served = epochs(&net, 0);
    net.puppet(0);
    for other in [1, 2] {
        net.cut(other, late);
    }
    net.start(late);
    greet(&mut net, 0);
    net.run_for(100);
    for (_, message) in inbox(&mut net, 0) {
        let PeerMessage::HeadRequest(request) = message else { continue };
        for seat in 0..3 {
            let (coalition, key) = (net.founded.coalition(), &net.keys[seat].seat);
            let report = HeadReport::sign(&coalition, &request, Seat(seat as u16), None, Vec::new(), key);
            net.say(0, late, &PeerMessage::HeadReport(report));
        }
    }
    net.run_for(100);
    assert!(net.status(late).voting);
    // Votes name it, and it is lost on its way.
    let (proposer, bytes) = agreed[0].clone();
    let digest = Digest::of(&bytes);
    let frame = first_frame(&net, proposer.index(), 1, Frame::pack([Message::Propose(digest)]));
    net.say(0, late, &PeerMessage::Frame(frame));
    net.run_for(200);
    let wanted = |want: &Want| matches!(want, Want::Payload { digest: of, .. } if *of == digest);
    assert_eq!(wants(&net, 0, wanted), 1);
    // The proof of the epoch comes, and of what it agreed on this alone.
    let proof = served.into_iter().find(|message| matches!(message, PeerMessage::Epoch(_)));
    net.say(0, late, &proof.expect("the epoch is certified"));
    for _ in 0..20 {
        net.say(0, late, &PeerMessage::Payload { epoch: 1, bytes: bytes.clone() });
        net.run_for(20);
    }
    assert_eq!(wants(&net, 0, wanted), 1, "what is there is not asked for");
    net.heal_all();
    assert!(net.run_until(20_000, |net| net.status(late).applied == 1));
}

#[test]
fn an_epoch_that_is_known_is_no_answer_to_who_asks_for_the_next() {
    let mut net = with_liar(1_563);
    net.note(0, "word").expect("taken");
    assert!(net.run_until(5_000, |net| (0..3).all(|node| net.status(node).certified == 1)));
    let known = epochs(&net, 0);
    net.say(3, 0, &PeerMessage::Have(Have { certified: 1_000, seat: Some(Seat(3)), ..Have::default() }));
    let mut asked = 0;
    for _ in 0..2_000 {
        net.run_for(5);
        for (from, message) in inbox(&mut net, 3) {
            let PeerMessage::Want(want) = message else { continue };
            if matches!(want, Want::Epochs { .. }) {
                asked += 1;
                known.iter().for_each(|message| net.say(3, from, message));
            }
            net.say(3, from, &PeerMessage::Served(want));
        }
    }
    assert!((1..=8).contains(&asked), "asked {asked} times in ten seconds");
}

#[test]
fn an_answer_to_an_earlier_want_does_not_end_a_later_one() {
    let mut net = with_liar(1_564);
    let feed = feed_of(&net, 3, Lane::Routine);
    let head = Head { length: 1_000, hash: Hash([9; 32]) };
    net.say(
        3,
        0,
        &PeerMessage::Have(Have { feeds: vec![(feed, head)], seat: Some(Seat(3)), ..Have::default() }),
    );
    net.run_for(50);
    let of_feed = |want: &Want| matches!(want, Want::Entries { feed: of, .. } if *of == feed);
    assert_eq!(wants(&net, 3, of_feed), 1);
    let mut from = crate::forge::root_of(&net, &feed);
    for entry in 0..10 {
        let first = PeerMessage::Served(Want::Entries { feed, from: 0, to: None });
        let (run, head) = crate::forge::notes(&net, 3, Lane::Routine, from, &[&format!("entry {entry}")]);
        net.say(3, 0, &PeerMessage::Run(run));
        net.say(3, 0, &first);
        from = head;
    }
    net.run_for(100);
    // The second of them stands open.
    assert_eq!(wants(&net, 3, of_feed), 2);
}

/// Who says again and again that it holds something, and has nothing when asked: `claim` is what it says the nth time.
fn asked_by_claims(net: &mut Net, claim: impl Fn(&Net, u64) -> Have) -> usize {
    inbox(net, 3);
    let mut asked = 0;
    for time in 0..1_000 {
        let have = claim(net, time);
        net.say(3, 0, &PeerMessage::Have(have));
        net.run_for(10);
        asked += answer_with_nothing(net, 3);
    }
    asked
}

/// Ten seconds of lies: a few wants at first, later one a second.
const MOST_ASKED: usize = 20;

#[test]
fn who_claims_ever_more_of_a_feed_is_asked_at_a_timers_pace() {
    let mut net = with_liar(1_565);
    let asked = asked_by_claims(&mut net, |net, time| {
        let head = Head { length: 10 + time, hash: Hash([9; 32]) };
        Have { feeds: vec![(feed_of(net, 3, Lane::Routine), head)], seat: Some(Seat(3)), ..Have::default() }
    });
    assert!((1..=MOST_ASKED).contains(&asked), "asked {asked} times in ten seconds");
}

#[test]
fn who_claims_ever_more_frames_and_epochs_is_asked_at_a_timers_pace() {
    let mut net = with_liar(1_566);
    let asked = asked_by_claims(&mut net, |_, time| {
        let epoch = EpochHave { epoch: 1, frames: vec![1 + time as u32; 4], cosigned: Vec::new() };
        let (applied, certified, seat) = (time, time, Some(Seat(3)));
        Have { epochs: vec![epoch], applied, certified, seat, ..Have::default() }
    });
    // Frames, epochs and copies of the state.
    assert!((1..=3 * MOST_ASKED).contains(&asked), "asked {asked} times in ten seconds");
}

#[test]
fn who_claims_ever_other_branches_is_asked_at_a_timers_pace() {
    let mut net = with_liar(1_567);
    net.note(1, "word").expect("taken");
    assert!(net.run_until(5_000, |net| (0..3).all(|node| net.status(node).certified == 1)));
    let asked = asked_by_claims(&mut net, |net, time| {
        let head = Head { length: 1, hash: Hash([time as u8; 32]) };
        Have { feeds: vec![(feed_of(net, 1, Lane::Routine), head)], seat: Some(Seat(3)), ..Have::default() }
    });
    assert!((1..=MOST_ASKED).contains(&asked), "asked {asked} times in ten seconds");
}

#[test]
fn a_seat_that_asks_for_its_heads_without_end_is_passed_on_at_a_timers_pace() {
    let mut net = with_liar(1_568);
    // 1 is not linked with it, as far as 0 knows: what it asks is passed on.
    net.cut(1, 3);
    net.run_for(1_000);
    net.record = true;
    let coalition = net.founded.coalition();
    for number in 0..1_000_u64 {
        let mut nonce = [0; 32];
        nonce[..8].copy_from_slice(&number.to_le_bytes());
        let asked_at = Time(net.now.0 + number);
        let request = HeadRequest::sign(&coalition, Seat(3), nonce, asked_at, &net.keys[3].seat);
        net.say(3, 0, &PeerMessage::HeadRequest(request));
        net.run_for(10);
    }
    let passed_on = net.traffic.iter().filter(|(from, to, bytes)| {
        let message = entente_protocol::wire::decode(bytes, 1 << 18).expect("an engine's message");
        *from == 0 && *to == 1 && matches!(message, PeerMessage::HeadRequest(_))
    });
    let passed_on = passed_on.count();
    assert!((1..=MOST_ASKED).contains(&passed_on), "passed on {passed_on} times in ten seconds");
}

#[test]
fn where_parts_of_an_answer_are_lost_the_rest_is_asked_for_at_a_timers_pace() {
    let mut net = with_liar(1_570);
    let digest = Digest::of(b"x");
    let mut frames = vec![first_frame(&net, 3, 1, Frame::pack([Message::Propose(digest)]))];
    for proposer in (0..4).map(Seat) {
        for message in [Message::Echo { proposer, digest }, Message::Ready { proposer, digest }] {
            frames.push(next_frame(&net, &frames[frames.len() - 1], Frame::pack([message])));
        }
    }
    let count = frames.len() as u32;
    let epoch = EpochHave { epoch: 1, frames: vec![0, 0, 0, count], cosigned: Vec::new() };
    let have = Have { epochs: vec![epoch], seat: Some(Seat(3)), ..Have::default() };
    net.say(3, 0, &PeerMessage::Have(have));
    let (mut asked, mut at_first) = (0, 0);
    for step in 0..400 {
        net.run_for(5);
        for (from, message) in inbox(&mut net, 3) {
            let PeerMessage::Want(want) = message else { continue };
            let Want::Frames { from: places, .. } = &want else { continue };
            let place = places.iter().find(|(seat, _)| *seat == Seat(3)).map_or(0, |(_, seq)| *seq as usize);
            // Every other one is lost on the way.
            for frame in frames.iter().skip(place).step_by(2) {
                net.say(3, from, &PeerMessage::Frame(frame.clone()));
            }
            net.say(3, from, &PeerMessage::Served(want));
            asked += usize::from(from == 0);
        }
        if step == 30 {
            at_first = asked;
        }
    }
    // 50 ms apart at least, and in the end all of it is there.
    assert!((1..=4).contains(&at_first), "asked {at_first} times in 150 ms");
    assert!(asked >= frames.len() - 1, "asked {asked} times for {count} frames");
}
