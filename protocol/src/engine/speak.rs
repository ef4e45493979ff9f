//! What the own seat says, and what a seat's own node says of it: one frame an epoch and turn.
//!
//! Guarantees: a frame is durable before it leaves; no two own frames stand at one place, because the chain of own frames
//! only grows and is loaded from the store on start; an own vote is never said in an epoch that is certified here.
//!
//! How: ECHO and READY wait a moment for those of the other contributions that are on their way, AUX and TERM of what is decided for
//! any other word, so that one frame carries them; in an asynchronous network this is a slower link. Own frames are pushed in brief, each with the contribution that it proposes;
//! whoever lacks one before it asks for whole frames. Frames of an epoch that is applied here serve those alone who could not decide it: durable like all others, they wait to be
//! sent for the certificate, which ends the need for them, but no longer than a gossip, which to all others is a slow link.

use std::collections::BTreeMap;

use entente_hbbft::{Brief, Digest, EpochNumber, Frame, Message, Round, Seat, SeatSet, plant};

use super::epochs::ERA;
use super::peers::Peer;
use super::{Engine, NodeId};
use crate::identity::Hash;
use crate::replicate::{PeerMessage, Spoken};
use crate::store::Write;
use crate::time::Time;
use crate::vote::{VoteFeed, VoteFrame};

/// What the steps of an epoch gave and no frame says yet.
#[derive(Debug)]
pub(super) struct Unsaid {
    messages: Vec<Message>,
    /// Until when it may wait for more.
    until: Time,
}

impl Unsaid {
    pub(super) fn words(&self) -> usize {
        self.messages.len()
    }

    pub(super) fn clock_set_back(&mut self, now: Time, linger_ms: u64) {
        self.until = self.until.min(now.plus(linger_ms));
    }
}

/// Own frames of an epoch that is applied here: durable, and not sent yet.
#[derive(Debug)]
pub(super) struct Unsent {
    frames: Vec<Spoken>,
    until: Time,
}

impl Unsent {
    pub(super) fn frames(&self) -> usize {
        self.frames.len()
    }

    pub(super) fn clock_set_back(&mut self, now: Time, gossip_ms: u64) {
        self.until = self.until.min(now.plus(gossip_ms));
    }
}

impl Engine {
    /// Takes what a step of `epoch` gave.
    pub(super) fn unsaid(&mut self, epoch: u64, messages: &[Message]) {
        let until = self.now.plus(self.timing.linger_ms);
        let unsaid = self.unsaid.entry(epoch).or_insert_with(|| Unsaid { messages: Vec::new(), until });
        unsaid.messages.extend_from_slice(messages);
    }

    /// When what waits to be said or sent has waited long enough.
    pub(super) fn next_word(&self) -> Option<Time> {
        let unsaid = self.unsaid.values().map(|unsaid| unsaid.until);
        unsaid.chain(self.unsent.values().map(|unsent| unsent.until)).min()
    }

    /// Says what the steps since the last time gave: one frame an epoch, so that inputs which wait together cost one
    /// signature and one frame.
    pub(super) fn speak(&mut self) {
        let waiting: Vec<u64> =
            self.unsaid.keys().copied().filter(|&epoch| self.more_is_coming(epoch)).collect();
        let mut unsaid = std::mem::take(&mut self.unsaid);
        self.unsaid = waiting.into_iter().filter_map(|epoch| unsaid.remove_entry(&epoch)).collect();
        self.say_all(unsaid, self.applied);
        let due: Vec<u64> =
            self.unsent.iter().filter(|(_, u)| u.until <= self.now).map(|(&e, _)| e).collect();
        for epoch in due {
            let unsent = self.unsent.remove(&epoch).into_iter();
            unsent.flat_map(|unsent| unsent.frames).for_each(|spoken| self.push(spoken));
        }
    }

    /// Whether what is unsaid in `epoch` waits for more: it is ECHO or READY for some of the contributions that the seats in
    /// reach may make, AUX that READY of all may overtake, or AUX and TERM of what is decided, and has not waited long.
    fn more_is_coming(&self, epoch: u64) -> bool {
        let (Some(unsaid), Some(own)) = (self.unsaid.get(&epoch), self.own_seat()) else { return false };
        if epoch <= self.applied || unsaid.until <= self.now {
            return false;
        }
        let chain = self.chains.get(&epoch).into_iter().flat_map(|chains| chains.frames(own));
        let said = chain.flat_map(|frame| frame.votes.messages()).chain(unsaid.messages.iter().copied());
        let (mut echo, mut ready, mut term) = (SeatSet::EMPTY, SeatSet::EMPTY, SeatSet::EMPTY);
        for message in said {
            let (set, proposer) = match message {
                Message::Echo { proposer, .. } => (&mut echo, proposer),
                Message::Ready { proposer, .. } => (&mut ready, proposer),
                Message::Term { proposer, .. } => (&mut term, proposer),
                _ => continue,
            };
            set.insert(proposer);
        }
        let near = self.seats_near(epoch);
        let all_near = near.len() == self.committee.size();
        unsaid.messages.iter().all(|message| match message {
            Message::Echo { .. } => !near.difference(echo).is_empty(),
            Message::Ready { .. } => !near.difference(ready).is_empty(),
            // READY of all may decide before anybody needs it.
            Message::Aux { proposer, round, value } => {
                term.contains(*proposer) || all_near && *value && *round == Round::FIRST
            }
            Message::Term { .. } => true,
            _ => false,
        })
    }

    /// The seats in reach that spoke in the epoch before or later, the own one among them: those that are likely to speak in `epoch`.
    fn seats_near(&self, epoch: u64) -> SeatSet {
        let near = |peer: &&Peer| peer.synced && peer.spoke.saturating_add(1) >= epoch;
        let seats = self.peers.values().filter(near).filter_map(|peer| peer.seat);
        seats.chain(self.own_seat()).collect()
    }

    /// Makes durable all that the steps since the last time gave, before the batch of an epoch that may follow from it is: what
    /// an own vote has decided must not be voted otherwise after a crash. Frames of that epoch and earlier ones wait to
    /// be sent.
    pub(super) fn speak_before(&mut self, applied: u64) {
        let unsaid = std::mem::take(&mut self.unsaid);
        self.say_all(unsaid, applied);
    }

    fn say_all(&mut self, unsaid: BTreeMap<u64, Unsaid>, applied: u64) {
        for (epoch, unsaid) in unsaid {
            if epoch > self.certified && self.votes_in(epoch) {
                self.say(epoch, Frame::pack(unsaid.messages), epoch <= applied);
            }
        }
    }

    /// Signs the next own frame, makes it durable and sends it to all, at once or when it has waited.
    fn say(&mut self, epoch: u64, votes: Frame, waits: bool) {
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
        if !waits {
            return self.push(spoken);
        }
        let until = self.now.plus(self.timing.gossip_ms);
        let unsent = self.unsent.entry(epoch).or_insert(Unsent { frames: Vec::new(), until });
        unsent.frames.push(spoken);
    }

    /// Sends an own frame to all, with the contribution that it proposes.
    fn push(&mut self, spoken: Spoken) {
        let Some(seat) = self.own_seat() else { return };
        let (epoch, seq, seats) = (spoken.epoch, spoken.seq, self.committee.size());
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
        if let Some(peer) = self.peers.get_mut(&node) {
            peer.spoke = epoch.max(peer.spoke);
        }
        let held = self.frames_held(epoch, seat);
        if seq > held {
            self.note_frames(node, &feed, seq);
            return self.ask_missing();
        }
        let Some(votes) = votes.spelled(seat, proposed, &self.echoed(&feed, seq)) else {
            let what = format!("frame {seq} of epoch {epoch} in brief does not follow the chain");
            return self.fault(Some(node), self.sole_seat_of(&node), "malformed", what);
        };
        let previous = self.hash_before(&feed, seq);
        self.on_frame(node, VoteFrame { feed, seq, previous, votes, signature });
    }
}
