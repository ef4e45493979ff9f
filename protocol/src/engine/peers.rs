//! Peers: what each is known to hold, what it was told, what it was asked for.
//!
//! Guarantees: nothing that any connected member holds stays missing here, as long as some peer answers: whatever is
//! behind a known frontier is asked for, from one peer at a time, and after a time-out from the next. A lost message
//! is mended by the next whole frontier, which is told again while anything is unfinished; an idle coalition says
//! nothing. Memory per peer is bounded by the number of feeds, seats and open epochs.

use std::collections::BTreeMap;

use entente_hbbft::{Digest, Seat, WINDOW};

use super::{Engine, NodeId, Timing};
use crate::feed::Head;
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
    /// Seats whose frontiers it has, as a bitmap.
    pub(super) linked: Vec<u8>,
    /// Own feeds of which it says that it holds something else than the store: where.
    pub(super) contests: BTreeMap<usize, Head>,
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
    Frames(u64),
    Payload(u64, Digest),
    Cosignatures(u64),
    Certificate,
    Epochs,
}

/// Whom something was asked of, and until when an answer is awaited.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asked {
    pub(super) peer: NodeId,
    pub(super) until: Time,
    /// Whether anything came of it.
    progress: bool,
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
    /// Whether this may still be wanted when all up to `certified` is certified.
    fn is_open(&self, certified: u64) -> bool {
        match self {
            Self::Frames(epoch) | Self::Payload(epoch, _) | Self::Cosignatures(epoch) => *epoch > certified,
            Self::Certificate => false,
            Self::Feed(_) | Self::Branch(_) | Self::Epochs => true,
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

    fn forget_up_to(&mut self, certified: u64) {
        self.epochs.retain(|epoch, _| *epoch > certified);
        self.quiet.retain(|subject, _| subject.is_open(certified));
    }

    /// The feed took another branch: what was told of it means nothing any more.
    pub(super) fn forget_told(&mut self, feed: usize) {
        self.told.feeds.remove(&feed);
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
        if node == self.node.public() || self.founded.node(&node).is_none() {
            return;
        }
        self.drop_asked_of(&node);
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
                return self.fault(Some(peer), self.seat_of(&peer), "malformed", what);
            }
        };
        match message {
            PeerMessage::Have(have) => self.on_have(peer, have),
            PeerMessage::Want(want) => self.on_want(peer, want),
            PeerMessage::Served(want) => self.on_served(peer, &want),
            PeerMessage::Run(run) => self.on_run(peer, run),
            PeerMessage::Frame(frame) => self.on_frame(peer, frame),
            PeerMessage::Payload { epoch, bytes } => self.on_payload(peer, epoch, bytes),
            PeerMessage::Epoch(proof) => self.on_epoch(peer, proof),
            PeerMessage::Cosign(cosign) => self.on_cosign(peer, cosign),
            PeerMessage::Certificate { epoch, certificate } => self.on_certificate(peer, epoch, certificate),
            PeerMessage::HeadRequest(request) => self.on_head_request(peer, request),
            PeerMessage::HeadReport(report) => self.on_head_report(peer, report),
        }
    }

    fn on_have(&mut self, node: NodeId, have: Have) {
        let seats = self.committee.size();
        let malformed = have.epochs.len() > WINDOW as usize + 1
            || have.feeds.len() > self.feeds.len()
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
        let own_node = self.node.public();
        let seat = have.seat.filter(|seat| self.may_hold(&node, *seat));
        self.peers.get_mut(&node).expect("checked by the caller").seat = seat;
        let mut disputed = Vec::new();
        for (key, head) in &have.feeds {
            let Some(&index) = self.index.get(key) else { continue };
            let feed = &mut self.feeds[index];
            let held = feed.chain.head();
            let contradicts = head.length <= held.length
                && feed.chain.hash_at(head.length).is_some_and(|hash| hash != head.hash);
            let peer = self.peers.get_mut(&node).expect("checked by the caller");
            if key.node == own_node {
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
                peer.quiet.remove(&Subject::Feed(index));
                peer.holds(index, head.length);
            }
        }
        let certified = self.certified;
        let peer = self.peers.get_mut(&node).expect("checked by the caller");
        if have.applied > peer.applied {
            peer.applied = have.applied;
            peer.quiet.remove(&Subject::Frames(self.applied + 1));
        }
        if have.certified > peer.certified {
            peer.certified = have.certified;
            peer.quiet.remove(&Subject::Certificate);
            peer.quiet.remove(&Subject::Epochs);
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
                peer.quiet.remove(&Subject::Frames(number));
            }
            if before.is_none_or(|before| before.cosigned != epoch.cosigned) {
                peer.quiet.remove(&Subject::Cosignatures(number));
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
            // The other branch, for the proof of the fork.
            let (feed, committed) = (self.feeds[index].key, self.feeds[index].chain.committed().length);
            let from = committed.min(head.length.saturating_sub(1));
            self.ask(node, Want::Entries { feed, from, to: Some(head) });
        }
        self.ask_missing();
        // Whoever lacks what is known here is told at the next gossip.
        self.changed();
    }

    /// Pushes what this node alone can vouch for: own entries, frames and cosignatures that the peer lacks.
    fn push_own(&mut self, node: NodeId) {
        let own_node = self.node.public();
        for index in 0..self.feeds.len() {
            let feed = &self.feeds[index];
            let peer = &self.peers[&node];
            let from = peer.held(index);
            let contested = peer.contests.contains_key(&index);
            if feed.key.node == own_node && feed.chain.head().length > from && !contested {
                let want = Want::Entries { feed: feed.key, from, to: None };
                self.effects.push(super::Effect::Serve { to: node, want });
            }
        }
        let Some(own) = self.own_seat() else { return };
        let epochs: Vec<u64> = self.chains.keys().copied().collect();
        for epoch in epochs {
            let seq = self.peers[&node].frames(epoch, own);
            let from = vec![(own, seq)];
            if self.chains[&epoch].count(own) > seq {
                self.effects.push(super::Effect::Serve { to: node, want: Want::Frames { epoch, from } });
            }
        }
        let cosigns: Vec<_> =
            self.cosigns.values().filter_map(|by_seat| by_seat.get(&own)).copied().collect();
        for cosign in cosigns {
            self.send(node, PeerMessage::Cosign(cosign));
        }
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
            _ => self.effects.push(super::Effect::Serve { to: node, want }),
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
        };
        if let Some(asked) = self.asked.get(&subject).copied().filter(|asked| asked.peer == node) {
            self.asked.remove(&subject);
            if !asked.progress {
                self.had_nothing(&subject, node);
            }
            self.ask_missing();
        }
    }

    /// Something that is asked for has come on, by what `node` sent.
    pub(super) fn progressed(&mut self, subject: Subject, node: NodeId) {
        if let Some(asked) = self.asked.get_mut(&subject) {
            asked.progress = true;
        }
        if let Some(peer) = self.peers.get_mut(&node) {
            peer.quiet.remove(&subject);
        }
    }

    /// A peer that has nothing is not asked again at once, and ever more rarely: what it said may be a lie.
    pub(super) fn had_nothing(&mut self, subject: &Subject, node: NodeId) {
        let Some(peer) = self.peers.get_mut(&node) else { return };
        let times = peer.quiet.get(subject).map_or(0, |quiet| quiet.times);
        // An answer takes no less than a gossip; the longest wait is counted in time-outs.
        let span_ms = match times {
            0 => self.timing.gossip_ms,
            _ => self.timing.ask_timeout_ms << (times - 1).min(MAX_DOUBLINGS),
        };
        peer.quiet.insert(*subject, Quiet { times: times.saturating_add(1), until: self.now.plus(span_ms) });
    }

    /// Asks `want` of one of `from`, unless it has been asked; of the `others` if all of these had nothing of late.
    pub(super) fn ask_one(&mut self, subject: Subject, from: &[NodeId], others: &[NodeId], want: Want) {
        match self.asked.get(&subject).copied() {
            Some(asked) if asked.until > self.now => return,
            Some(asked) => {
                self.asked.remove(&subject);
                self.had_nothing(&subject, asked.peer);
            }
            None => {}
        }
        let mut retry_at = None::<Time>;
        for tier in [from, others] {
            let mut able = Vec::new();
            for &node in tier {
                match self.peers.get(&node).map(|peer| peer.is_quiet(&subject, self.now)) {
                    Some(None) => able.push(node),
                    Some(until) => retry_at = retry_at.into_iter().chain(until).min(),
                    None => {}
                }
            }
            if able.is_empty() {
                continue;
            }
            // Spread over the peers, so that not all ask the same.
            let peer = able[self.asked.len() % able.len()];
            let until = self.now.plus(self.timing.ask_timeout_ms);
            self.asked.insert(subject, Asked { peer, until, progress: false });
            return self.ask(peer, want);
        }
        self.retry_at = self.retry_at.into_iter().chain(retry_at).min();
    }

    /// An epoch was applied: who had nothing for it may have something for the next.
    pub(super) fn ask_anew_after(&mut self, epoch: u64, moved: &[bool]) {
        for peer in self.peers.values_mut() {
            peer.quiet.retain(|subject, _| match subject {
                Subject::Feed(index) | Subject::Branch(index) => !moved[*index],
                Subject::Frames(of) => *of != epoch + 1,
                Subject::Certificate => false,
                Subject::Payload(..) | Subject::Cosignatures(_) | Subject::Epochs => true,
            });
        }
    }

    /// Asks for everything that lies behind a known frontier and is not asked for.
    pub(super) fn ask_missing(&mut self) {
        self.retry_at = None;
        let mut wanted: BTreeMap<usize, u64> = BTreeMap::new();
        for peer in self.peers.values() {
            for (&index, &length) in &peer.known {
                let most = wanted.entry(index).or_default();
                *most = length.max(*most);
            }
        }
        let own_node = self.node.public();
        for (index, most) in wanted {
            let feed = &self.feeds[index];
            let held = feed.chain.head().length;
            // Of a forked feed only what a cut names is of use.
            let forked = feed.fork.is_some();
            if most <= held || feed.key.node == own_node || forked || !feed.chain.has_room(1, 0) {
                self.asked.remove(&Subject::Feed(index));
                continue;
            }
            let want = Want::Entries { feed: feed.key, from: held, to: None };
            let from = self.peers_where(|peer| peer.held(index) > held);
            self.ask_one(Subject::Feed(index), &from, &[], want);
        }
        self.ask_for_contested();
        self.ask_for_branches();
        self.ask_for_frames();
        self.ask_for_payloads();
        self.ask_for_epochs();
        self.ask_for_cosignatures();
    }

    /// Own entries that a peer says it holds and the store lacks: they would show that the store was rolled back.
    fn ask_for_contested(&mut self) {
        let contested: Vec<_> = self
            .peers
            .iter()
            .flat_map(|(&node, peer)| peer.contests.iter().map(move |(&index, &head)| (node, index, head)))
            .collect();
        for (node, index, head) in contested {
            let chain = &self.feeds[index].chain;
            let from = chain.head().length.min(head.length.saturating_sub(1));
            let want = Want::Entries { feed: self.feeds[index].key, from, to: Some(head) };
            self.ask_one(Subject::Branch(index), &[node], &[], want);
        }
    }

    /// Branches that a decided cut names and this node does not hold.
    fn ask_for_branches(&mut self) {
        let targets: Vec<_> =
            self.feeds.iter().enumerate().filter_map(|(i, feed)| Some((i, feed.target?))).collect();
        for (index, target) in targets {
            let all: Vec<NodeId> = self.peers.keys().copied().collect();
            let feed = &mut self.feeds[index];
            // Who has given the first part gives the rest: another may be on another branch.
            if let Some((node, length)) = feed.gathered_from() {
                let want = Want::Entries { feed: feed.key, from: length, to: Some(target) };
                self.ask_one(Subject::Branch(index), &[node], &[], want);
            }
            // Once its time is over the next is asked: who is silent must not be waited for again and again.
            if self.asked.get(&Subject::Branch(index)).is_some_and(|asked| asked.until > self.now) {
                continue;
            }
            let feed = &mut self.feeds[index];
            feed.drop_branch();
            let want =
                Want::Entries { feed: feed.key, from: feed.chain.committed().length, to: Some(target) };
            self.ask_one(Subject::Branch(index), &all, &[], want);
        }
    }

    fn ask_for_frames(&mut self) {
        if !self.start.is_ready() {
            return;
        }
        for epoch in self.certified + 1..=self.certified + WINDOW {
            let behind = |engine: &Self, peer: &Peer| {
                // A peer that has applied this epoch has all that its agreement takes, until that is certified.
                (peer.applied >= epoch
                    && peer.certified < epoch
                    && engine.applied + 1 == epoch
                    && engine.proposals.decided.is_none())
                    || engine.committee.seats().any(|seat| {
                        // Frames of a split chain follow nothing that is held here: they alone are no reason to ask.
                        !engine.split.contains(&(epoch, seat))
                            && peer.frames(epoch, seat) > engine.frames_held(epoch, seat)
                    })
            };
            let from = self.peers_where(|peer| behind(self, peer));
            if from.is_empty() {
                self.asked.remove(&Subject::Frames(epoch));
                continue;
            }
            let own = self.own_seat();
            let places = self.committee.seats().filter(|seat| Some(*seat) != own);
            let places = places.map(|seat| (seat, self.frames_held(epoch, seat))).collect();
            self.ask_one(Subject::Frames(epoch), &from, &[], Want::Frames { epoch, from: places });
        }
    }

    fn ask_for_cosignatures(&mut self) {
        if self.certified >= self.applied {
            return;
        }
        let certified = self.certified;
        let from = self.peers_where(|peer| peer.certified > certified);
        if !from.is_empty() {
            self.ask_one(Subject::Certificate, &from, &[], Want::Certificate { epoch: certified + 1 });
        }
        for epoch in certified + 1..=self.applied {
            let lacking: Vec<Seat> =
                self.committee.seats().filter(|seat| !self.has_cosign(epoch, *seat)).collect();
            let has = |peer: &Peer| {
                peer.epochs
                    .get(&epoch)
                    .is_some_and(|have| lacking.iter().any(|seat| bit(&have.cosigned, *seat)))
            };
            let from = self.peers_where(has);
            if !from.is_empty() {
                let seats = lacking.clone();
                self.ask_one(Subject::Cosignatures(epoch), &from, &[], Want::Cosignatures { epoch, seats });
            }
        }
    }

    pub(super) fn peers_where(&self, which: impl Fn(&Peer) -> bool) -> Vec<NodeId> {
        self.peers.iter().filter(|(_, peer)| peer.synced && which(peer)).map(|(&node, _)| node).collect()
    }

    /// When the next time-out of something asked for comes.
    pub(super) fn next_ask(&self) -> Option<Time> {
        self.asked.values().map(|asked| asked.until).chain(self.retry_at).min()
    }

    /// When a peer is told again next.
    pub(super) fn next_retell(&self) -> Option<Time> {
        self.peers.values().filter_map(|peer| peer.retell_at).min()
    }

    /// Something changed that peers should know before long.
    pub(super) fn changed(&mut self) {
        if self.gossip_at.is_none() && !self.peers.is_empty() {
            self.gossip_at = Some(self.now.plus(self.timing.gossip_ms));
        }
    }

    /// Tells peers what has changed, when its time has come; repeats the whole while something is unfinished.
    pub(super) fn gossip(&mut self) {
        if self.next_ask().is_some_and(|until| until <= self.now) {
            self.ask_missing();
            let now = self.now;
            // What nobody offers any more is not waited for.
            self.asked.retain(|_, asked| asked.until > now);
        }
        if self.gossip_at.is_some_and(|at| at <= self.now) {
            self.gossip_at = None;
            let nodes: Vec<_> = self.peers.keys().copied().collect();
            for node in nodes {
                self.tell(node, false);
            }
        }
        let unfinished = !self.peers.is_empty()
            && (!self.start.is_ready()
                || self.certified < self.applied
                || self.feeds.iter().any(|feed| feed.fork.is_none() && feed.chain.unordered() > 0));
        match self.repeat_at {
            Some(at) if unfinished && at <= self.now => {
                self.repeat_at = Some(self.now.plus(self.timing.repeat_ms));
                self.renew_request();
                let nodes: Vec<_> = self.peers.keys().copied().collect();
                for node in nodes {
                    self.tell_whole(node);
                    self.request_heads_from(node);
                    if self.peers[&node].synced {
                        self.push_own_frames_again(node);
                    }
                }
                self.ask_missing();
            }
            None if unfinished => self.repeat_at = Some(self.now.plus(self.timing.repeat_ms)),
            Some(_) if !unfinished => self.repeat_at = None,
            _ => {}
        }
        self.retell();
    }

    /// Tells again, ever more rarely, whoever does not seem to know how far this node is: what it was told may be
    /// lost, and in an idle coalition nothing else would come.
    fn retell(&mut self) {
        let (own, now, repeat_ms) = (self.own_seat(), self.now, self.timing.repeat_ms);
        let mut due = Vec::new();
        for (&node, peer) in &mut self.peers {
            let unheard = own.is_some_and(|own| !bit(&peer.linked, own));
            let behind = peer.applied < self.applied || peer.certified < self.certified;
            if !unheard && !behind {
                (peer.retell_at, peer.retold) = (None, 0);
                continue;
            }
            let at = *peer.retell_at.get_or_insert(now.plus(repeat_ms));
            if at <= now {
                peer.retold = peer.retold.saturating_add(1);
                peer.retell_at = Some(now.plus(repeat_ms << peer.retold.min(MAX_DOUBLINGS)));
                due.push((node, own.is_none() || unheard || !peer.synced));
            }
        }
        for (node, whole) in due {
            if whole {
                self.tell_whole(node);
            } else if let Some(peer) = self.peers.get_mut(&node) {
                peer.told = Told { whole: true, ..Told::default() };
                self.tell(node, true);
            }
        }
    }

    /// Own cosignatures of uncertified epochs: a lost one would hold everybody up.
    fn push_own_frames_again(&mut self, node: NodeId) {
        let Some(own) = self.own_seat() else { return };
        let cosigns: Vec<_> =
            self.cosigns.values().filter_map(|by_seat| by_seat.get(&own)).copied().collect();
        for cosign in cosigns {
            self.send(node, PeerMessage::Cosign(cosign));
        }
    }

    fn linked(&self) -> Vec<u8> {
        let heard = self.peers.values().filter(|peer| peer.synced);
        bitmap(self.own_seat().into_iter().chain(heard.filter_map(|peer| peer.seat)))
    }

    fn epoch_haves(&self) -> Vec<EpochHave> {
        let seats = self.committee.size();
        let open = self.certified + 1..=self.certified + WINDOW;
        open.filter_map(|epoch| {
            let frames: Vec<u32> = (0..seats).map(|i| self.frames_held(epoch, Seat(i as u16))).collect();
            let cosigned = bitmap(self.committee.seats().filter(|seat| self.has_cosign(epoch, *seat)));
            let any = frames.iter().any(|count| *count > 0) || !cosigned.is_empty();
            any.then_some(EpochHave { epoch, frames, cosigned })
        })
        .collect()
    }

    fn frontier(&self) -> BTreeMap<usize, Head> {
        let heads = self.feeds.iter().enumerate().map(|(index, feed)| (index, feed.chain.head()));
        heads.filter(|(_, head)| head.length > 0).collect()
    }

    fn tell_whole(&mut self, node: NodeId) {
        let frontier = self.frontier();
        let told = Told {
            whole: true,
            feeds: frontier.iter().map(|(&index, head)| (index, head.length)).collect(),
            applied: self.applied,
            certified: self.certified,
            epochs: self.epoch_haves(),
            linked: self.linked(),
        };
        let have = Have {
            whole: true,
            feeds: frontier.into_iter().map(|(index, head)| (self.feeds[index].key, head)).collect(),
            applied: told.applied,
            certified: told.certified,
            epochs: told.epochs.clone(),
            linked: told.linked.clone(),
            seat: self.own_seat(),
        };
        if let Some(peer) = self.peers.get_mut(&node) {
            peer.told = told;
            self.send(node, PeerMessage::Have(have));
        }
    }

    /// What has changed since the peer was told last and it may not know: nothing goes out if it knows all. `again`
    /// asks it for a word in return.
    fn tell(&mut self, node: NodeId, again: bool) {
        let (frontier, epochs, linked) = (self.frontier(), self.epoch_haves(), self.linked());
        let (applied, certified) = (self.applied, self.certified);
        let Some(peer) = self.peers.get_mut(&node) else { return };
        if !peer.told.whole {
            return;
        }
        let mut feeds = Vec::new();
        for (index, head) in frontier {
            let told = peer.told.feeds.get(&index).copied().unwrap_or(0);
            let key = self.feeds[index].key;
            // An author wants to know who else holds its words; others only what they lack.
            if head.length > told
                && (key.node == node || peer.known.get(&index).copied().unwrap_or(0) < head.length)
            {
                feeds.push((key, head));
                peer.told.feeds.insert(index, head.length);
            }
        }
        let lacks_frames = epochs.iter().any(|have| {
            let known = peer.epochs.get(&have.epoch);
            have.frames
                .iter()
                .enumerate()
                .any(|(i, &count)| count > known.and_then(|known| known.frames.get(i)).copied().unwrap_or(0))
        });
        let epochs_changed =
            peer.told.epochs != epochs && lacks_frames && peer.applied < applied.max(certified + 1);
        let cosigns_changed = peer.told.epochs != epochs && peer.certified <= certified;
        let ahead = (applied > peer.applied && applied != peer.told.applied)
            || (certified > peer.certified && certified != peer.told.certified);
        let relinked = peer.told.linked != linked;
        let owed = std::mem::take(&mut peer.owed) || again;
        if feeds.is_empty() && !epochs_changed && !cosigns_changed && !ahead && !relinked && !owed {
            return;
        }
        peer.told.applied = applied;
        peer.told.certified = certified;
        peer.told.epochs.clone_from(&epochs);
        peer.told.linked.clone_from(&linked);
        let seat = self.own_seat();
        let have = Have { whole: again, feeds, applied, certified, epochs, linked, seat };
        self.send(node, PeerMessage::Have(have));
    }

    /// A name for people: the partner of a node, or its key.
    pub(super) fn name_of(&self, node: &NodeId) -> String {
        self.founded.node(node).map_or_else(|| node.to_string(), |partner| partner.name.to_string())
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
