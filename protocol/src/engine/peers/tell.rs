//! What peers are told: changes of the frontier, gathered for a moment; the whole again while anything is unfinished;
//! and again, ever more rarely, whoever does not seem to know. An idle coalition says nothing.

use std::collections::BTreeMap;

use entente_hbbft::{Seat, WINDOW};

use super::{MAX_DOUBLINGS, Told, bit, bitmap};
use crate::engine::{Engine, NodeId};
use crate::feed::Head;
use crate::replicate::{EpochHave, Have, PeerMessage};
use crate::time::Time;

/// How far this node is, for all peers alike.
struct News {
    frontier: BTreeMap<usize, Head>,
    epochs: Vec<EpochHave>,
    linked: Vec<u8>,
}

impl Engine {
    /// When a peer is told again next.
    pub(in crate::engine) fn next_retell(&self) -> Option<Time> {
        self.peers.values().filter_map(|peer| peer.retell_at).min()
    }

    /// Something changed that peers should know before long.
    pub(in crate::engine) fn changed(&mut self) {
        if self.gossip_at.is_none() && !self.peers.is_empty() {
            self.gossip_at = Some(self.now.plus(self.timing.gossip_ms));
        }
    }

    /// Tells peers what has changed, when its time has come; repeats the whole while something is unfinished.
    pub(in crate::engine) fn gossip(&mut self) {
        if self.next_ask().is_some_and(|until| until <= self.now) {
            self.ask_now();
            let now = self.now;
            // What nobody offers any more is not waited for.
            self.asked.retain(|_, asked| asked.until > now);
        }
        if self.gossip_at.is_some_and(|at| at <= self.now) {
            self.gossip_at = None;
            let news = self.news();
            let nodes: Vec<_> = self.peers.keys().copied().collect();
            for node in nodes {
                self.tell(node, &news, false);
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
                let news = self.news();
                self.tell(node, &news, true);
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

    fn news(&self) -> News {
        News { frontier: self.frontier(), epochs: self.epoch_haves(), linked: self.linked() }
    }

    fn frontier(&self) -> BTreeMap<usize, Head> {
        let heads = self.feeds.iter().enumerate().map(|(index, feed)| (index, feed.chain.head()));
        heads.filter(|(_, head)| head.length > 0).collect()
    }

    pub(super) fn tell_whole(&mut self, node: NodeId) {
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
    fn tell(&mut self, node: NodeId, news: &News, again: bool) {
        let News { frontier, epochs, linked } = news;
        let (applied, certified) = (self.applied, self.certified);
        let Some(peer) = self.peers.get_mut(&node) else { return };
        if !peer.told.whole {
            return;
        }
        let mut feeds = Vec::new();
        for (&index, &head) in frontier {
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
            peer.told.epochs != *epochs && lacks_frames && peer.applied < applied.max(certified + 1);
        let cosigns_changed = peer.told.epochs != *epochs && peer.certified <= certified;
        let ahead = (applied > peer.applied && applied != peer.told.applied)
            || (certified > peer.certified && certified != peer.told.certified);
        let relinked = peer.told.linked != *linked;
        let owed = std::mem::take(&mut peer.owed) || again;
        if feeds.is_empty() && !epochs_changed && !cosigns_changed && !ahead && !relinked && !owed {
            return;
        }
        peer.told.applied = applied;
        peer.told.certified = certified;
        peer.told.epochs.clone_from(epochs);
        peer.told.linked.clone_from(linked);
        let seat = self.own_seat();
        let (epochs, linked) = (epochs.clone(), linked.clone());
        let have = Have { whole: again, feeds, applied, certified, epochs, linked, seat };
        self.send(node, PeerMessage::Have(have));
    }
}
