//! What a faulty member makes by hand: messages under its own keys, and lies.

use entente_hbbft::{Frame, Seat};
use entente_protocol::feed::{FeedKey, Head, Lane, Run};
use entente_protocol::identity::Signature;
use entente_protocol::record::Body;
use entente_protocol::replicate::{EpochHave, Have, PeerMessage, Want};
use entente_protocol::vote::{VoteFeed, VoteFrame};

use crate::net::Net;

pub(crate) fn feed_of(net: &Net, node: usize, lane: Lane) -> FeedKey {
    FeedKey { node: net.node_id(node), lane, incarnation: 0 }
}

pub(crate) fn root_of(net: &Net, feed: &FeedKey) -> Head {
    Head { length: 0, hash: feed.root(&net.founded.coalition()) }
}

/// A run of notes in a member's own feed; returns the head after it.
pub(crate) fn notes(net: &Net, author: usize, lane: Lane, from: Head, texts: &[&str]) -> (Run, Head) {
    let bodies = texts.iter().map(|text| Body::Note(text.as_bytes().to_vec()).encode()).collect();
    run(net, author, lane, from, bodies)
}

pub(crate) fn run(net: &Net, author: usize, lane: Lane, from: Head, bodies: Vec<Vec<u8>>) -> (Run, Head) {
    let feed = feed_of(net, author, lane);
    let run = Run::sign(&net.founded.coalition(), feed, from, bodies, &net.keys[author].node);
    let head = *run.heads().last().expect("there are bodies");
    (run, head)
}

/// The first frame of a member's seat in an epoch.
pub(crate) fn first_frame(net: &Net, seat: usize, epoch: u64, votes: Frame) -> VoteFrame {
    let feed = VoteFeed { seat: Seat(seat as u16), incarnation: 0, era: 1, epoch };
    let coalition = net.founded.coalition();
    VoteFrame::sign(&coalition, feed, 0, feed.root(&coalition), votes, &net.keys[seat].seat)
}

pub(crate) fn next_frame(net: &Net, before: &VoteFrame, votes: Frame) -> VoteFrame {
    let key = &net.keys[before.feed.seat.index()].seat;
    VoteFrame::sign(&net.founded.coalition(), before.feed, before.seq + 1, before.hash(), votes, key)
}

pub(crate) fn no_signature() -> Signature {
    Signature::from_ed25519([7; 64])
}

/// Four members, of which the test speaks for the last; all have started.
pub(crate) fn with_liar(seed: u64) -> Net {
    let mut net = Net::new(4, seed);
    net.puppet(3);
    net.start_all();
    greet(&mut net, 3);
    net.run_for(1_000);
    net
}

/// A whole frontier without anything in it, so that the others take up relations.
pub(crate) fn greet(net: &mut Net, puppet: usize) {
    for to in 0..net.nodes.len() {
        if to != puppet {
            net.say(
                puppet,
                to,
                &PeerMessage::Have(Have {
                    whole: true,
                    linked: vec![0xFF],
                    seat: Some(Seat(puppet as u16)),
                    ..Have::default()
                }),
            );
        }
    }
}

/// A frontier that claims the moon.
pub(crate) fn boast(net: &Net) -> Have {
    let nodes = 0..net.nodes.len();
    let feeds = nodes.flat_map(|node| Lane::ALL.map(|lane| feed_of(net, node, lane)));
    let head = Head { length: 1 << 40, ..Head { length: 0, hash: Default::default() } };
    let frames = vec![u32::MAX; net.nodes.len()];
    Have {
        whole: true,
        feeds: feeds.map(|feed| (feed, head)).collect(),
        applied: u64::MAX,
        certified: u64::MAX,
        epochs: (1..=4)
            .map(|epoch| EpochHave { epoch, frames: frames.clone(), cosigned: vec![0xFF] })
            .collect(),
        linked: vec![0xFF],
        seat: Some(Seat(3)),
    }
}

/// Takes what a puppet has received.
pub(crate) fn inbox(net: &mut Net, puppet: usize) -> Vec<(usize, PeerMessage)> {
    std::mem::take(&mut net.nodes[puppet].inbox)
}

/// Answers every want with nothing; returns how many there were.
pub(crate) fn answer_with_nothing(net: &mut Net, puppet: usize) -> usize {
    let mut count = 0;
    for (from, message) in inbox(net, puppet) {
        if let PeerMessage::Want(want) = message {
            count += 1;
            net.say(puppet, from, &PeerMessage::Served(want));
        }
    }
    count
}

/// How many wants a puppet has received.
pub(crate) fn wants(net: &Net, puppet: usize, which: impl Fn(&Want) -> bool) -> usize {
    let inbox = net.nodes[puppet].inbox.iter();
    inbox.filter(|(_, message)| matches!(message, PeerMessage::Want(want) if which(want))).count()
}
