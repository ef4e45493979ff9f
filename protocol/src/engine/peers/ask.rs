//! What peers are asked for: whatever lies behind a known frontier, from one peer at a time, and after a time-out from
//! the next. Who had nothing is asked again ever more rarely.

use std::collections::BTreeMap;

use entente_hbbft::{Seat, WINDOW};

use super::{Asked, MAX_DOUBLINGS, Peer, Quiet, Subject, bit};
use crate::engine::{Engine, NodeId};
use crate::replicate::Want;
use crate::time::Time;

impl Engine {
    /// What was asked for has had an answer, of which it is not known yet what it is worth.
    pub(in crate::engine) fn answered(&mut self, subject: Subject) {
        if let Some(asked) = self.asked.get_mut(&subject) {
            asked.progress = true;
        }
    }

    /// Something that is asked for has come on, by what `node` sent.
    pub(in crate::engine) fn progressed(&mut self, subject: Subject, node: NodeId) {
        self.answered(subject);
        if let Some(peer) = self.peers.get_mut(&node) {
            peer.quiet.remove(&subject);
        }
    }

    /// A peer that has nothing is not asked again at once, and ever more rarely: what it said may be a lie.
    pub(in crate::engine) fn had_nothing(&mut self, subject: &Subject, node: NodeId) {
        if *subject == Subject::Snapshot {
            self.no_copy_came();
        }
        let Some(peer) = self.peers.get_mut(&node) else { return };
        let times = peer.quiet.get(subject).map_or(0, |quiet| quiet.times);
        // An answer takes no less than a gossip; the longest wait is counted in time-outs.
        let span_ms = match times {
            0 => self.timing.gossip_ms,
            _ => self.timing.ask_timeout_ms << (times - 1).min(MAX_DOUBLINGS),
        };
        peer.quiet.insert(*subject, Quiet { times: times.saturating_add(1), until: self.now.plus(span_ms) });
    }

    /// What `node` sends of something that it was asked for leaves something out.
    pub(in crate::engine) fn left_out(&mut self, subject: Subject, node: NodeId) {
        if let Some(asked) = self.asked.get_mut(&subject).filter(|asked| asked.peer == node) {
            asked.gap = true;
        }
    }

    /// What was lost asks for the rest of an answer again, most of which was sent in vain: not at once, or it is sent as often as there
    /// are losses.
    pub(in crate::engine) fn had_gaps(&mut self, subject: &Subject, node: NodeId) {
        let until = self.now.plus(self.timing.gossip_ms);
        if let Some(peer) = self.peers.get_mut(&node) {
            peer.quiet.insert(*subject, Quiet { times: 0, until });
        }
    }

    /// Asks `want` of one of `from`, unless it has been asked; of the `others` if all of these had nothing of late.
    pub(in crate::engine) fn ask_one(
        &mut self,
        subject: Subject,
        from: &[NodeId],
        others: &[NodeId],
        want: Want,
    ) {
        match self.asked.get(&subject).map(|asked| (asked.peer, asked.until)) {
            Some((_, until)) if until > self.now => return,
            Some((peer, _)) => {
                self.asked.remove(&subject);
                self.had_nothing(&subject, peer);
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
            self.asked
                .insert(subject, Asked { peer, want: want.clone(), until, progress: false, gap: false });
            return self.ask(peer, want);
        }
        self.retry_at = self.retry_at.into_iter().chain(retry_at).min();
    }

    /// Whether a peer had nothing of this and is not asked again yet.
    pub(in crate::engine) fn had_nothing_of_late(&self, subject: Subject, node: &NodeId) -> bool {
        self.peers.get(node).is_some_and(|peer| peer.is_quiet(&subject, self.now).is_some())
    }

    /// An epoch was applied: who had nothing for it may have something for the next.
    pub(in crate::engine) fn ask_anew_after(&mut self, epoch: u64, moved: &[bool]) {
        for peer in self.peers.values_mut() {
            peer.quiet.retain(|subject, _| match subject {
                Subject::Feed(index) | Subject::Branch(index) | Subject::Fork(index) => !moved[*index],
                Subject::Frames(of) => *of != epoch + 1,
                Subject::Certificate => false,
                Subject::Payload(..) | Subject::Cosignatures(_) | Subject::Epochs => true,
                Subject::Snapshot | Subject::State => true,
            });
        }
    }

    /// At the end of this turn everything is asked for that then lies behind a known frontier and is not asked for.
    pub(in crate::engine) fn ask_missing(&mut self) {
        self.ask_due = true;
    }

    /// Asks for it now.
    pub(in crate::engine) fn ask_now(&mut self) {
        self.ask_due = false;
        self.retry_at = None;
        self.ask_for_copy();
        self.ask_for_entries();
        self.ask_for_contested();
        self.ask_for_branches();
        self.ask_for_frames();
        self.ask_for_payloads();
        self.ask_for_epochs();
        self.ask_for_cosignatures();
    }

    /// Entries that peers say they hold; none while a copy of the state is taken, which takes the place of most.
    fn ask_for_entries(&mut self) {
        let mut wanted: BTreeMap<usize, u64> = BTreeMap::new();
        for peer in self.peers.values() {
            for (&index, &length) in &peer.known {
                let most = wanted.entry(index).or_default();
                *most = length.max(*most);
            }
        }
        for (index, most) in wanted {
            let feed = &self.feeds[index];
            let held = feed.chain.head().length;
            // Of a forked feed only what a cut names is of use.
            let forked = self.is_forked(index);
            let spared = self.spares_entries() || forked;
            if most <= held || self.is_own(&feed.key) || spared || !feed.chain.has_room(1, 0) {
                self.asked.remove(&Subject::Feed(index));
                continue;
            }
            let want = Want::Entries { feed: feed.key, from: held, to: None };
            let from = self.peers_where(|peer| peer.held(index) > held);
            self.ask_one(Subject::Feed(index), &from, &[], want);
        }
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

    pub(in crate::engine) fn peers_where(&self, which: impl Fn(&Peer) -> bool) -> Vec<NodeId> {
        self.peers.iter().filter(|(_, peer)| peer.synced && which(peer)).map(|(&node, _)| node).collect()
    }

    /// When the next time-out of something asked for comes.
    pub(in crate::engine) fn next_ask(&self) -> Option<Time> {
        self.asked.values().map(|asked| asked.until).chain(self.retry_at).min()
    }
}
