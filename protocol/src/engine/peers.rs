//! Peers: what each is known to hold, what it was told, what it was asked for.
//!
//! Guarantees: nothing that any connected member holds stays missing here, as long as some peer answers: whatever is
//! behind a known frontier is asked for, from one peer at a time, and after a time-out from the next. A lost message
//! is mended by the next whole frontier, which is told again while anything is unfinished; an idle coalition says
//! nothing. What a peer sends makes this node ask again only as far as it brought something new, or at the pace of a
//! timer: neither copies of messages nor claims that nothing stands behind multiply. Memory per peer is bounded by the
//! number of feeds, seats and open epochs.

mod ask;
mod tell;

use std::collections::BTreeMap;

use entente_hbbft::{Digest, Seat, WINDOW};

use super::enrolment::Places;
use super::feeds::Feed;
use super::{Engine, NodeId, Timing};
use crate::feed::{FeedKey, Head};
use crate::frontier::MAX_FEEDS;
use crate::replicate::{EpochHave, Have, MAX_MESSAGE_BYTES, PeerMessage, Want};
use crate::time::Time;
use crate::wire;

/// A peer as this node knows it.
#[derive(Debug, Default)]
pub(super) struct Peer {
    /// The seat that it says it holds, if that is its partner's.
    pub(super) seat: Option<Seat>,
    /// Its whole frontier has come: entries and frames are pushed from now on.
    pub(super) synced: bool,
    /// By feed: how far it is known to hold it, from its claims and from what it sent.
    known: BTreeMap<usize, u64>,
    pub(super) applied: u64,
    pub(super) certified: u64,
    epochs: BTreeMap<u64, EpochHave>,
    /// The latest epoch in which its seat spoke to this node.
    pub(super) spoke: u64,
    /// Seats whose frontiers it has, as a bitmap.
    pub(super) linked: Vec<u8>,
    /// Own feeds of which it says that it holds something else than the store: where.
    pub(super) contests: BTreeMap<usize, Head>,
    /// What it says of own feeds that are not enrolled yet.
    early: BTreeMap<FeedKey, Head>,
    told: Told,
    /// It has told again: it may not know how this node stands, and is owed a word.
    owed: bool,
    /// What it had no answer to, and until when it is not asked again.
    quiet: BTreeMap<Subject, Quiet>,
    /// When it is told again what it seems not to know, and how often it was.
    retell_at: Option<Time>,
    retold: u32,
}

/// What a peer was told last.
#[derive(Debug, Default, PartialEq)]
struct Told {
    whole: bool,
    feeds: BTreeMap<usize, u64>,
    applied: u64,
    certified: u64,
    epochs: Vec<EpochHave>,
    linked: Vec<u8>,
}

/// Something asked for, at most once at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Subject {
    Feed(usize),
    Branch(usize),
    /// The other branch of a feed, of each who names one, for the proof of the fork.
    Fork(usize),
    Frames(u64),
    Payload(u64, Digest),
    Cosignatures(u64),
    Certificate,
    Epochs,
    Snapshot,
    State,
}

/// Whom something was asked of, and until when an answer is awaited.
#[derive(Debug, Clone)]
pub(super) struct Asked {
    pub(super) peer: NodeId,
    /// Only the answer to this ends the wait: that to an earlier want may come late, or twice.
    pub(super) want: Want,
    pub(super) until: Time,
    /// Whether anything came of it.
    progress: bool,
    /// Whether something of the answer was lost on the way.
    gap: bool,
}

/// A peer that had nothing, or did not answer.
#[derive(Debug, Clone, Copy)]
struct Quiet {
    /// How often in a row.
    times: u32,
    until: Time,
}

/// Most doublings of the span after which something is asked or told again: whoever lies about what it holds, or
/// never takes note, costs one message in 64 such spans.
const MAX_DOUBLINGS: u32 = 6;
/// How often in a row a peer may have nothing of what it says it holds before a further claim must wait for its time.
const MAX_FORGIVEN: u32 = 3;

/// Whether `seat` is in a bitmap.
pub(super) fn bit(bitmap: &[u8], seat: Seat) -> bool {
    bitmap.get(seat.index() / 8).is_some_and(|byte| byte >> (seat.index() % 8) & 1 == 1)
}

/// A bitmap of `seats`, without trailing zero bytes.
pub(super) fn bitmap(seats: impl IntoIterator<Item = Seat>) -> Vec<u8> {
    let mut bitmap = Vec::new();
    for seat in seats {
        let byte = seat.index() / 8;
        if bitmap.len() <= byte {
            bitmap.resize(byte + 1, 0);
        }
        bitmap[byte] |= 1 << (seat.index() % 8);
    }
    bitmap
}

impl Subject {
    /// The same, where feeds have moved to other indexes; none if it was of one that is enrolled no more.
    pub(super) fn moved(self, places: &Places) -> Option<Self> {
        match self {
            Self::Feed(index) => places[index].map(Self::Feed),
            Self::Branch(index) => places[index].map(Self::Branch),
            Self::Fork(index) => places[index].map(Self::Fork),
            other => Some(other),
        }
    }

    /// Whether this may still be wanted when all up to `certified` is certified.
    fn is_open(&self, certified: u64) -> bool {
        match self {
            Self::Frames(epoch) | Self::Payload(epoch, _) | Self::Cosignatures(epoch) => *epoch > certified,
            Self::Certificate => false,
            Self::Feed(_) | Self::Branch(_) | Self::Fork(_) | Self::Epochs | Self::Snapshot | Self::State => {
                true
            }
        }
    }
}

impl Peer {
    /// How many frames of `seat` in `epoch` the peer is known to hold.
    fn frames(&self, epoch: u64, seat: Seat) -> u32 {
        self.epochs.get(&epoch).and_then(|have| have.frames.get(seat.index())).copied().unwrap_or(0)
    }

    /// Takes note that the peer holds a feed up to `length`.
    pub(super) fn holds(&mut self, feed: usize, length: u64) {
        let known = self.known.entry(feed).or_default();
        *known = length.max(*known);
    }

    pub(super) fn held(&self, feed: usize) -> u64 {
        self.known.get(&feed).copied().unwrap_or(0)
    }

    /// Takes note that the peer holds `count` frames of `seat`.
    pub(super) fn holds_frames(&mut self, epoch: u64, seat: Seat, count: u32, seats: usize) {
        let have = self.epochs.entry(epoch).or_insert_with(|| EpochHave {
            epoch,
            frames: vec![0; seats],
            cosigned: Vec::new(),
        });
        if let Some(frames) = have.frames.get_mut(seat.index()) {
            *frames = count.max(*frames);
        }
    }

    /// Other feeds are enrolled: what is kept by their index moves along.
    pub(super) fn enrolled(&mut self, places: &Places, index: &BTreeMap<FeedKey, usize>, feeds: &[Feed]) {
        fn moved<T>(map: &mut BTreeMap<usize, T>, places: &Places) {
            let old = std::mem::take(map).into_iter();
            *map = old.filter_map(|(old, value)| Some((places[old]?, value))).collect();
        }
        moved(&mut self.known, places);
        moved(&mut self.contests, places);
        moved(&mut self.told.feeds, places);
        self.quiet = std::mem::take(&mut self.quiet)
            .into_iter()
            .filter_map(|(subject, quiet)| Some((subject.moved(places)?, quiet)))
            .collect();
        for (key, head) in std::mem::take(&mut self.early) {
            match index.get(&key) {
                Some(&index) if !feeds[index].chain.holds(&head) => {
                    self.contests.insert(index, head);
                }
                Some(_) => {}
                None => {
                    self.early.insert(key, head);
                }
            }
        }
    }

    pub(super) fn feeds_known(&self) -> usize {
        self.known.len().max(self.contests.len()).max(self.told.feeds.len())
    }

    pub(super) fn feeds_early(&self) -> usize {
        self.early.len()
    }

    pub(super) fn epochs_known(&self) -> usize {
        self.epochs.len()
    }

    pub(super) fn unanswered(&self) -> usize {
        self.quiet.len()
    }

    fn forget_up_to(&mut self, certified: u64) {
        self.epochs.retain(|epoch, _| *epoch > certified);
        self.quiet.retain(|subject, _| subject.is_open(certified));
    }

    /// The feed is frozen: what the peer says it holds of it is of no use.
    pub(super) fn forget_feed(&mut self, feed: usize) {
        self.contests.remove(&feed);
        self.known.remove(&feed);
        self.quiet.remove(&Subject::Fork(feed));
    }

    /// The feed took another branch: what was told of it means nothing any more.
    pub(super) fn forget_told(&mut self, feed: usize) {
        self.told.feeds.remove(&feed);
    }

    /// Nothing that it had not is of concern any more.
    pub(super) fn ask_again(&mut self, subject: Subject) {
        self.quiet.remove(&subject);
    }

    /// The peer says that it holds more than when it had nothing. It is asked again at once, but for one that has said
    /// so again and again and had nothing: then as after a first time-out.
    fn claims_more(&mut self, subject: Subject, now: Time, timing: &Timing) {
        if let Some(quiet) = self.quiet.get_mut(&subject) {
            let wait_ms = if quiet.times <= MAX_FORGIVEN { 0 } else { timing.ask_timeout_ms };
            quiet.until = quiet.until.min(now.plus(wait_ms));
        }
    }

    fn is_quiet(&self, subject: &Subject, now: Time) -> Option<Time> {
        self.quiet.get(subject).map(|quiet| quiet.until).filter(|until| *until > now)
    }

    pub(super) fn clock_set_back(&mut self, now: Time, timing: &Timing) {
        self.quiet
            .values_mut()
            .for_each(|quiet| quiet.until = quiet.until.min(now.plus(timing.ask_timeout_ms)));
        self.retell_at = self.retell_at.map(|at| at.min(now.plus(timing.repeat_ms)));
    }
}

impl Engine {
    pub(super) fn peer_up(&mut self, node: NodeId) {
        if node == self.node.public() || self.state.node(&node).is_none() {
            return;
        }
        self.drop_asked_of(&node);
        let nodes = &self.seat_nodes;
        let holds = |seat: Seat| nodes.get(seat.index()).is_some_and(|nodes| nodes.contains(&node));
        self.start.linked_anew(self.now, holds);
        self.peers.insert(node, Peer::default());
        self.tell_whole(node);
        self.request_heads_from(node);
        self.changed();
    }

    pub(super) fn peer_down(&mut self, node: NodeId) {
        if self.peers.remove(&node).is_some() {
            self.drop_asked_of(&node);
            self.ask_missing();
            self.changed();
        }
    }

    fn drop_asked_of(&mut self, node: &NodeId) {
        self.asked.retain(|_, asked| asked.peer != *node);
    }

    pub(super) fn received(&mut self, peer: NodeId, bytes: &[u8]) {
        if !self.peers.contains_key(&peer) {
            return;
        }
        let message: PeerMessage = match wire::decode(bytes, MAX_MESSAGE_BYTES) {
            Ok(message) => message,
            Err(error) => {
                let what = format!("message of {} bytes: {error}", bytes.len());
                return self.fault(Some(peer), self.sole_seat_of(&peer), "malformed", what);
            }
        };
        match message {
            PeerMessage::Have(have) => self.on_have(peer, have),
            PeerMessage::Want(want) => self.on_want(peer, want),
            PeerMessage::Served(want) => self.on_served(peer, &want),
            PeerMessage::Run(run) => self.on_run(peer, run),
            PeerMessage::Frame(frame) => self.on_frame(peer, frame),
            PeerMessage::Spoken(spoken) => self.on_spoken(peer, spoken),
            PeerMessage::Payload { epoch, bytes } => self.on_payload(peer, epoch, bytes),
            PeerMessage::Epoch(proof) => self.on_epoch(peer, proof),
            PeerMessage::Snapshot(proof) => self.on_snapshot(peer, proof),
            PeerMessage::State { epoch, after, page } => self.on_state(peer, epoch, after, &page),
            PeerMessage::Cosign(cosign) => self.on_cosign(peer, cosign),
            PeerMessage::Certificate { epoch, certificate } => self.on_certificate(peer, epoch, certificate),
            PeerMessage::HeadRequest(request) => self.on_head_request(peer, request),
            PeerMessage::HeadReport(report) => self.on_head_report(peer, report),
        }
    }

    fn on_have(&mut self, node: NodeId, have: Have) {
        let seats = self.committee.size();
        let malformed = have.epochs.len() > WINDOW as usize + 1
            || have.feeds.len() > MAX_FEEDS
            || have.linked.len() > seats.div_ceil(8)
            || have
                .epochs
                .iter()
                .any(|epoch| epoch.frames.len() != seats || epoch.cosigned.len() > seats.div_ceil(8));
        if malformed {
            return self.fault(
                Some(node),
                None,
                "malformed",
                "frontier with lists too long or too short".into(),
            );
        }
        let seat = have.seat.filter(|seat| self.may_hold(&node, *seat));
        self.peers.get_mut(&node).expect("checked by the caller").seat = seat;
        let mut disputed = Vec::new();
        let (now, timing) = (self.now, self.timing);
        for (key, head) in &have.feeds {
            let own = self.is_own(key);
            let Some(&index) = self.index.get(key) else {
                if own && head.length > 0 && self.may_be_enrolled(key) {
                    self.peers.get_mut(&node).expect("checked by the caller").early.insert(*key, *head);
                }
                continue;
            };
            if self.basis.frozen[index] {
                continue;
            }
            let feed = &mut self.feeds[index];
            let held = feed.chain.head();
            let contradicts = head.length <= held.length
                && feed.chain.hash_at(head.length).is_some_and(|hash| hash != head.hash);
            let peer = self.peers.get_mut(&node).expect("checked by the caller");
            if own {
                // A claim is no proof: what it is made of is asked for, and till then nothing is written over it.
                if contradicts || head.length > held.length {
                    peer.contests.insert(index, *head);
                } else {
                    peer.contests.remove(&index);
                    peer.holds(index, head.length);
                    feed.elsewhere = head.length.max(feed.elsewhere);
                }
                continue;
            }
            if contradicts && feed.fork.is_none() {
                disputed.push((index, *head));
            }
            if head.length > peer.held(index) {
                peer.claims_more(Subject::Feed(index), now, &timing);
                peer.holds(index, head.length);
            }
        }
        let certified = self.certified;
        let peer = self.peers.get_mut(&node).expect("checked by the caller");
        let ahead = have.applied > peer.applied;
        if ahead {
            peer.applied = have.applied;
            peer.claims_more(Subject::Frames(self.applied + 1), now, &timing);
        }
        if have.certified > peer.certified {
            peer.certified = have.certified;
            peer.claims_more(Subject::Certificate, now, &timing);
            peer.claims_more(Subject::Epochs, now, &timing);
        }
        peer.linked = have.linked;
        for epoch in
            have.epochs.into_iter().filter(|have| have.epoch > certified && have.epoch - certified <= WINDOW)
        {
            let number = epoch.epoch;
            let before = peer.epochs.insert(number, epoch.clone());
            let grew = |count: (usize, &u32)| {
                before
                    .as_ref()
                    .and_then(|before| before.frames.get(count.0))
                    .is_none_or(|known| known < count.1)
            };
            if epoch.frames.iter().enumerate().any(grew) {
                peer.claims_more(Subject::Frames(number), now, &timing);
            }
            if before.is_none_or(|before| before.cosigned != epoch.cosigned) {
                peer.claims_more(Subject::Cosignatures(number), now, &timing);
            }
        }
        if have.whole && peer.synced {
            // It tells again, so something was lost or is awaited: what it lacks and how far this node is is said anew.
            peer.owed = true;
            peer.told = Told { whole: peer.told.whole, ..Told::default() };
        } else if have.whole {
            peer.synced = true;
            self.push_own(node);
        }
        for (index, head) in disputed {
            // The other branch, for the proof of the fork; that there is one may be a lie.
            if self.had_nothing_of_late(Subject::Fork(index), &node) {
                continue;
            }
            self.had_nothing(&Subject::Fork(index), node);
            let (feed, committed) = (self.feeds[index].key, self.feeds[index].chain.committed().length);
            let from = committed.min(head.length.saturating_sub(1));
            self.ask(node, Want::Entries { feed, from, to: Some(head) });
        }
        if ahead {
            // It holds what the cuts up to there name, and says so of enrolled feeds alone.
            self.try_apply();
        }
        self.ask_missing();
        // Whoever lacks what is known here is told at the next gossip.
        self.changed();
    }

    /// Pushes what this node alone can vouch for: own entries, frames and cosignatures that the peer lacks. Entries that are ordered are
    /// held by others too: who lacks some of them asks, unless it takes a copy of the state.
    fn push_own(&mut self, node: NodeId) {
        for index in 0..self.feeds.len() {
            let feed = &self.feeds[index];
            let peer = &self.peers[&node];
            let from = peer.held(index);
            let contested = peer.contests.contains_key(&index);
            let lacks = (feed.chain.committed().length..feed.chain.head().length).contains(&from);
            if self.is_own(&feed.key) && lacks && !contested {
                let want = Want::Entries { feed: feed.key, from, to: None };
                self.serve(node, want);
            }
        }
        let Some(own) = self.own_seat() else { return };
        let epochs: Vec<u64> = self.chains.keys().copied().collect();
        for epoch in epochs {
            let seq = self.peers[&node].frames(epoch, own);
            let from = vec![(own, seq)];
            if self.chains[&epoch].count(own) > seq {
                self.serve(node, Want::Frames { epoch, from });
            }
        }
        let cosigns: Vec<_> =
            self.cosigns.values().filter_map(|by_seat| by_seat.get(&own)).copied().collect();
        for cosign in cosigns {
            self.send(node, PeerMessage::Cosign(cosign));
        }
    }

    /// Has the shell give what is wanted: of frames those that this node can vouch for.
    fn serve(&mut self, to: NodeId, want: Want) {
        let frames = match &want {
            Want::Frames { epoch, from } => {
                from.iter().map(|&(seat, seq)| self.vouched(*epoch, seat, seq)).collect()
            }
            _ => Vec::new(),
        };
        let part = match &want {
            Want::State { epoch, after } => self.part_of_copy(*epoch, after.as_ref()),
            _ => None,
        };
        self.effects.push(super::Effect::Serve { to, want, frames, part });
    }

    fn on_want(&mut self, node: NodeId, want: Want) {
        match &want {
            Want::Cosignatures { seats, .. } if seats.len() > self.committee.size() => {
                self.fault(
                    Some(node),
                    None,
                    "malformed",
                    "asks for more cosignatures than there are seats".into(),
                );
            }
            Want::Cosignatures { epoch, seats } => {
                let found: Vec<_> = self
                    .cosigns
                    .get(epoch)
                    .map(|by_seat| seats.iter().filter_map(|seat| by_seat.get(seat).copied()).collect())
                    .unwrap_or_default();
                for cosign in found.into_iter().take(self.committee.size()) {
                    self.send(node, PeerMessage::Cosign(cosign));
                }
                self.send(node, PeerMessage::Served(want));
            }
            Want::Frames { from, .. } if from.len() > self.committee.size() => {
                self.fault(
                    Some(node),
                    None,
                    "malformed",
                    "asks for frames of more seats than there are".into(),
                );
            }
            // Who says that it holds other own entries gets none until it has shown them.
            Want::Entries { feed, .. }
                if self
                    .index
                    .get(feed)
                    .is_some_and(|index| self.peers[&node].contests.contains_key(index)) =>
            {
                self.send(node, PeerMessage::Served(want));
            }
            Want::Snapshot { above } if !self.has_copy_above(*above) => {
                self.send(node, PeerMessage::Served(want));
            }
            _ => self.serve(node, want),
        }
    }

    fn on_served(&mut self, node: NodeId, want: &Want) {
        let subject = match want {
            Want::Entries { feed, to, .. } => match (self.index.get(feed), to) {
                (Some(&index), None) => Subject::Feed(index),
                (Some(&index), Some(_)) => Subject::Branch(index),
                (None, _) => return,
            },
            Want::Frames { epoch, .. } => Subject::Frames(*epoch),
            Want::Payload { epoch, digest } => Subject::Payload(*epoch, *digest),
            Want::Cosignatures { epoch, .. } => Subject::Cosignatures(*epoch),
            Want::Certificate { .. } => Subject::Certificate,
            Want::Epochs { .. } => Subject::Epochs,
            Want::Snapshot { .. } => Subject::Snapshot,
            Want::State { .. } => Subject::State,
        };
        let answered = |asked: &Asked| asked.peer == node && asked.want == *want;
        let asked = self.asked.get(&subject).filter(|asked| answered(asked));
        if let Some((progress, gap)) = asked.map(|asked| (asked.progress, asked.gap)) {
            self.asked.remove(&subject);
            if !progress {
                self.had_nothing(&subject, node);
            } else if gap {
                self.had_gaps(&subject, node);
            }
            self.ask_missing();
        }
    }

    /// A name for people: the partner of a node, or its key.
    pub(super) fn name_of(&self, node: &NodeId) -> String {
        self.state.holder(node).map_or_else(|| node.to_string(), |(partner, _)| partner.name.to_string())
    }

    /// The name of a seat's partner.
    pub(super) fn name_of_seat(&self, seat: Seat) -> String {
        self.founded
            .partners()
            .get(seat.index())
            .map_or_else(|| format!("seat {}", seat.0), |p| p.name.to_string())
    }

    /// Drops what is known of epochs that are certified.
    pub(super) fn forget_epochs(&mut self) {
        let certified = self.certified;
        for peer in self.peers.values_mut() {
            peer.forget_up_to(certified);
        }
        self.asked.retain(|subject, _| subject.is_open(certified));
    }
}
