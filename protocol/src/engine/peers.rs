//! Peers: what each is known to hold, what it was told, what it was asked for.
//!
//! Guarantees: nothing that any connected member holds stays missing here, as long as some peer answers: whatever is
//! behind a known frontier is asked for, from one peer at a time, and after a time-out from the next. A lost message
//! is mended by the next whole frontier, which is told again while anything is unfinished; an idle coalition says
//! nothing. Memory per peer is bounded by the number of feeds, seats and open epochs.

use std::collections::BTreeMap;

use entente_hbbft::{Digest, Seat, WINDOW};

use super::{Engine, Halt, NodeId};
use crate::feed::Head;
use crate::replicate::{EpochHave, Have, MAX_MESSAGE_BYTES, PeerMessage, Want};
use crate::time::Time;
use crate::wire;

/// A peer as this node knows it.
#[derive(Debug, Default)]
pub(super) struct Peer {
    /// Its whole frontier has come: entries and frames are pushed from now on.
    pub(super) synced: bool,
    /// By feed: how far it is known to hold it, from its claims and from what it sent.
    known: BTreeMap<usize, u64>,
    pub(super) applied: u64,
    pub(super) certified: u64,
    epochs: BTreeMap<u64, EpochHave>,
    /// Seats that it is connected with, as a bitmap.
    pub(super) linked: Vec<u8>,
    told: Told,
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
}

/// Whom something was asked of, and until when an answer is awaited.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asked {
    pub(super) peer: NodeId,
    pub(super) until: Time,
}

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
            PeerMessage::Payload { epoch, bytes } => self.on_payload(epoch, bytes),
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
        let mut disputed = Vec::new();
        for (key, head) in &have.feeds {
            let Some(&index) = self.index.get(key) else {
                continue;
            };
            let chain = &self.feeds[index].chain;
            let held = chain.head();
            let contradicts = head.length <= held.length
                && chain.hash_at(head.length).is_some_and(|hash| hash != head.hash);
            if key.node == own_node && (head.length > held.length || contradicts) {
                let what = format!(
                    "{} holds this node's {} feed up to length {}, the store up to {}",
                    self.name_of(&node),
                    key.lane,
                    head.length,
                    held.length
                );
                return self.halt(Halt::Rollback { what });
            }
            if contradicts && self.feeds[index].fork.is_none() {
                disputed.push((index, *head));
            }
            let peer = self.peers.get_mut(&node).expect("checked by the caller");
            peer.holds(index, head.length);
            if key.node == own_node {
                self.feeds[index].elsewhere = head.length.max(self.feeds[index].elsewhere);
            }
        }
        let certified = self.certified;
        let peer = self.peers.get_mut(&node).expect("checked by the caller");
        peer.applied = have.applied.max(peer.applied);
        peer.certified = have.certified.max(peer.certified);
        peer.linked = have.linked;
        for epoch in
            have.epochs.into_iter().filter(|have| have.epoch > certified && have.epoch - certified <= WINDOW)
        {
            peer.epochs.insert(epoch.epoch, epoch);
        }
        if have.whole && !peer.synced {
            peer.synced = true;
            self.push_own(node);
        }
        for (index, head) in disputed {
            // The other branch, for the proof of the fork.
            let (feed, from) = (self.feeds[index].key, self.feeds[index].chain.committed().length);
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
            let from = self.peers[&node].held(index);
            if feed.key.node == own_node && feed.chain.head().length > from {
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
        };
        if let Some(asked) = self.asked.get(&subject).copied().filter(|asked| asked.peer == node) {
            // Where the answer brought something on, more is asked for at once; else another peer's turn comes when
            // the time-out does, so that a peer that answers with nothing is not asked in a circle.
            if self.progress.remove(&subject) {
                self.asked.remove(&subject);
                self.ask_missing();
            } else {
                let until = asked.until.min(self.now.plus(self.timing.gossip_ms));
                self.asked.insert(subject, Asked { peer: node, until });
            }
        }
    }

    /// Asks `want` of one of `from` unless it has been asked; after a time-out of the next in turn.
    pub(super) fn ask_one(&mut self, subject: Subject, from: &[NodeId], want: Want) {
        let after = match self.asked.get(&subject) {
            Some(asked) if asked.until > self.now => return,
            Some(asked) => Some(asked.peer),
            None => None,
        };
        let next = match after {
            Some(last) => from.iter().find(|peer| **peer > last).or_else(|| from.first()),
            None if from.is_empty() => None,
            // Spread over the peers, so that not all ask the same.
            None => from.get(self.asked.len() % from.len()),
        };
        match next.copied() {
            Some(peer) => {
                self.asked.insert(subject, Asked { peer, until: self.now.plus(self.timing.ask_timeout_ms) });
                self.progress.remove(&subject);
                self.ask(peer, want);
            }
            None => {
                self.asked.remove(&subject);
            }
        }
    }

    /// Asks for everything that lies behind a known frontier and is not asked for.
    pub(super) fn ask_missing(&mut self) {
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
            if most <= held || feed.key.node == own_node || !feed.chain.has_room(1, 0) {
                self.asked.remove(&Subject::Feed(index));
                continue;
            }
            let want = Want::Entries { feed: feed.key, from: held, to: None };
            let from = self.peers_where(|peer| peer.held(index) > held);
            self.ask_one(Subject::Feed(index), &from, want);
        }
        self.ask_for_branches();
        self.ask_for_frames();
        self.ask_for_payloads();
        self.ask_for_cosignatures();
    }

    /// Branches that a decided cut names and this node does not hold.
    fn ask_for_branches(&mut self) {
        let targets: Vec<_> =
            self.feeds.iter().enumerate().filter_map(|(i, feed)| Some((i, feed.target?))).collect();
        for (index, target) in targets {
            let feed = &self.feeds[index];
            let from_length = feed.branch.as_ref().unwrap_or(&feed.chain).committed().length;
            let want = Want::Entries { feed: feed.key, from: from_length, to: Some(target) };
            let from: Vec<NodeId> = self.peers.keys().copied().collect();
            self.ask_one(Subject::Branch(index), &from, want);
        }
    }

    fn ask_for_frames(&mut self) {
        if !self.start.is_ready() {
            return;
        }
        for epoch in self.certified + 1..=self.certified + WINDOW {
            let behind = |engine: &Self, peer: &Peer| {
                // A peer that has applied this epoch has all that its agreement takes.
                (peer.applied >= epoch && engine.applied + 1 == epoch && engine.proposals.decided.is_none())
                    || engine
                        .committee
                        .seats()
                        .any(|seat| peer.frames(epoch, seat) > engine.frames_held(epoch, seat))
            };
            let from = self.peers_where(|peer| behind(self, peer));
            if from.is_empty() {
                self.asked.remove(&Subject::Frames(epoch));
                continue;
            }
            let own = self.own_seat();
            let places = self.committee.seats().filter(|seat| Some(*seat) != own);
            let places = places.map(|seat| (seat, self.frames_held(epoch, seat))).collect();
            self.ask_one(Subject::Frames(epoch), &from, Want::Frames { epoch, from: places });
        }
    }

    fn ask_for_cosignatures(&mut self) {
        if self.certified >= self.applied {
            return;
        }
        let certified = self.certified;
        let from = self.peers_where(|peer| peer.certified > certified);
        if !from.is_empty() {
            self.ask_one(Subject::Certificate, &from, Want::Certificate { epoch: certified + 1 });
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
                self.ask_one(Subject::Cosignatures(epoch), &from, Want::Cosignatures { epoch, seats });
            }
        }
    }

    fn peers_where(&self, which: impl Fn(&Peer) -> bool) -> Vec<NodeId> {
        self.peers.iter().filter(|(_, peer)| peer.synced && which(peer)).map(|(&node, _)| node).collect()
    }

    /// When the next time-out of something asked for comes.
    pub(super) fn next_ask(&self) -> Option<Time> {
        self.asked.values().map(|asked| asked.until).min()
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
                self.tell_changes(node);
            }
        }
        let unfinished = !self.peers.is_empty()
            && (!self.start.is_ready()
                || self.certified < self.applied
                || self.feeds.iter().any(|feed| feed.chain.unordered() > 0));
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
        bitmap(self.own_seat().into_iter().chain(self.peers.keys().filter_map(|node| self.seat_of(node))))
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
        };
        if let Some(peer) = self.peers.get_mut(&node) {
            peer.told = told;
            self.send(node, PeerMessage::Have(have));
        }
    }

    /// What has changed since the peer was told last and it may not know: nothing goes out if it knows all.
    fn tell_changes(&mut self, node: NodeId) {
        let (frontier, epochs, linked) = (self.frontier(), self.epoch_haves(), self.linked());
        let (applied, certified) = (self.applied, self.certified);
        let Some(peer) = self.peers.get_mut(&node) else {
            return;
        };
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
        if feeds.is_empty() && !epochs_changed && !cosigns_changed && !ahead && !relinked {
            return;
        }
        peer.told.applied = applied;
        peer.told.certified = certified;
        peer.told.epochs.clone_from(&epochs);
        peer.told.linked.clone_from(&linked);
        self.send(node, PeerMessage::Have(Have { whole: false, feeds, applied, certified, epochs, linked }));
    }

    /// A name for people: the partner of a node, or its key.
    pub(super) fn name_of(&self, node: &NodeId) -> String {
        self.founded.node(node).map_or_else(|| node.to_string(), |partner| partner.name.to_string())
    }

    /// Drops what is known of epochs that are certified.
    pub(super) fn forget_epochs(&mut self) {
        let certified = self.certified;
        for peer in self.peers.values_mut() {
            peer.forget_up_to(certified);
        }
        self.asked.retain(|subject, _| match subject {
            Subject::Frames(epoch) | Subject::Payload(epoch, _) | Subject::Cosignatures(epoch) => {
                *epoch > certified
            }
            Subject::Certificate => false,
            Subject::Feed(_) | Subject::Branch(_) => true,
        });
    }
}
