//! What the own seat says, and what a seat's own node says of it: one frame an epoch and turn.
//!
//! Guarantees: a frame is durable before it leaves; no two own frames stand at one place, because the chain of own frames
//! only grows and is loaded from the store on start; an own vote is never said in an epoch that is certified here.
//!
//! How: own frames are pushed in brief, each with the contribution that it proposes; whoever lacks one before it asks for whole
//! frames. Words of an epoch that is applied here serve those alone who could not decide it: they wait for the certificate, which ends
//! the need for them, but no longer than a gossip, which to all others is a slow link.

use std::collections::BTreeMap;

use entente_hbbft::{Brief, Digest, EpochNumber, Frame, Message, Seat, plant};

use super::epochs::ERA;
use super::{Engine, NodeId};
use crate::identity::Hash;
use crate::replicate::{PeerMessage, Spoken};
use crate::store::Write;
use crate::time::Time;
use crate::vote::{VoteFeed, VoteFrame};

/// What the steps of an epoch gave and no frame has said yet.
#[derive(Debug)]
pub(super) struct Unsaid {
    messages: Vec<Message>,
    /// Set once it may wait: until when.
    until: Option<Time>,
}

impl Unsaid {
    pub(super) fn clock_set_back(&mut self, now: Time, gossip_ms: u64) {
        self.until = self.until.map(|until| until.min(now.plus(gossip_ms)));
    }
}

impl Engine {
    /// Takes what a step of `epoch` gave.
    pub(super) fn unsaid(&mut self, epoch: u64, messages: &[Message]) {
        let unsaid = self.unsaid.entry(epoch).or_insert(Unsaid { messages: Vec::new(), until: None });
        unsaid.messages.extend_from_slice(messages);
    }

    /// When something that may wait has waited long enough.
    pub(super) fn next_word(&self) -> Option<Time> {
        self.unsaid.values().filter_map(|unsaid| unsaid.until).min()
    }

    /// Says what the steps since the last time gave: one frame an epoch, so that inputs which wait together cost one
    /// signature and one frame.
    pub(super) fn speak(&mut self) {
        let (certified, applied, until) =
            (self.certified, self.applied, self.now.plus(self.timing.gossip_ms));
        let mut waiting = BTreeMap::new();
        for (epoch, mut unsaid) in std::mem::take(&mut self.unsaid) {
            if epoch <= certified {
                continue;
            }
            if epoch <= applied && *unsaid.until.get_or_insert(until) > self.now {
                waiting.insert(epoch, unsaid);
                continue;
            }
            self.say(epoch, Frame::pack(unsaid.messages));
        }
        self.unsaid = waiting;
    }

    /// Signs the next own frame, makes it durable and sends it to all, with the contribution that it proposes.
    fn say(&mut self, epoch: u64, votes: Frame) {
        let Some(own) = &self.own else { return };
        let feed = VoteFeed { seat: own.seat, incarnation: 0, era: ERA, epoch };
        let (seq, previous) = self.place(&feed);
        let echoed = self.echoed(&feed, seq);
        let brief = Brief::of(&votes, own.seat, &echoed);
        let frame = VoteFrame::sign(&self.coalition, feed, seq, previous, votes, &own.key);
        let payload = match frame.votes.proposal() {
            Some(digest) => {
                let proposed = self.window.epoch(EpochNumber(epoch)).and_then(|open| open.payload(&digest));
                proposed.expect("what is proposed is kept until its epoch is certified").to_vec()
            }
            None => Vec::new(),
        };
        let spoken = Spoken { epoch, seq, payload, votes: brief, signature: frame.signature };
        self.chains.entry(epoch).or_default().push(frame.clone(), true);
        if plant::is("send-before-persist") {
            self.broadcast(&PeerMessage::Spoken(spoken.clone()));
        }
        self.persist(Write::Frame(frame));
        let (seat, seats) = (feed.seat, self.committee.size());
        for peer in self.peers.values_mut().filter(|peer| peer.synced) {
            peer.holds_frames(epoch, seat, seq + 1, seats);
        }
        self.broadcast(&PeerMessage::Spoken(spoken));
        self.changed();
    }

    /// The next place in a seat's chain, and the hash before it.
    pub(super) fn place(&self, feed: &VoteFeed) -> (u32, Hash) {
        let seq = self.frames_held(feed.epoch, feed.seat);
        (seq, self.hash_before(feed, seq))
    }

    /// The hash before the frame at `seq` of a seat's chain, which is held up to there.
    fn hash_before(&self, feed: &VoteFeed, seq: u32) -> Hash {
        let before = seq.checked_sub(1).and_then(|seq| self.chains.get(&feed.epoch)?.hash(feed.seat, seq));
        before.unwrap_or_else(|| feed.root(&self.coalition))
    }

    /// What the frames of a seat's chain before `seq` ECHOed.
    fn echoed(&self, feed: &VoteFeed, seq: u32) -> BTreeMap<Seat, Digest> {
        let chain = self.chains.get(&feed.epoch);
        let frames = (0..seq).filter_map(|seq| chain?.frame(feed.seat, seq));
        let echoes = frames.flat_map(|frame| frame.votes.messages()).filter_map(|message| match message {
            Message::Echo { proposer, digest } => Some((proposer, digest)),
            _ => None,
        });
        echoes.collect()
    }

    /// A frame in brief, from the node of the seat that says it.
    pub(super) fn on_spoken(&mut self, node: NodeId, spoken: Spoken) {
        let Spoken { epoch, seq, payload, votes, signature } = spoken;
        let Some(seat) = self.seat_of(&node) else { return };
        let proposed = (!payload.is_empty()).then(|| Digest::of(&payload));
        if proposed.is_some() {
            self.on_payload(node, epoch, payload);
        }
        let feed = VoteFeed { seat, incarnation: 0, era: ERA, epoch };
        if !self.hears(&feed) {
            return;
        }
        let held = self.frames_held(epoch, seat);
        if seq > held {
            self.note_frames(node, &feed, seq);
            return self.ask_missing();
        }
        let Some(votes) = votes.spelled(seat, proposed, &self.echoed(&feed, seq)) else {
            let what = format!("frame {seq} of epoch {epoch} in brief does not follow the chain");
            return self.fault(Some(node), Some(seat), "malformed", what);
        };
        let previous = self.hash_before(&feed, seq);
        self.on_frame(node, VoteFrame { feed, seq, previous, votes, signature });
    }
}
