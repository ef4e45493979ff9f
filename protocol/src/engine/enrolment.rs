//! Which nodes' feeds take part, and who may be a peer: as the ordered state says.
//!
//! Guarantees: the feeds of an epoch and their order are a function of the state and of the committed heads that the epoch before
//! ended with ([`Basis::feeds_of`]), so they are the same at every seat, whether it applied that epoch, replayed it, or took a copy of
//! its state. A node takes part from the epoch after the one that orders its grant, and no more after the one that orders that it
//! is revoked: what it said up to there is ordered or never will be. Feeds that stay keep their order.
//!
//! Whatever is kept by feed index moves along.

use std::collections::BTreeMap;

use super::feeds::Feed;
use super::{Engine, NodeId};
use crate::feed::{Chain, FeedKey, Head};
use crate::frontier::Basis;
use crate::lane::Lane;

/// Where each feed that was enrolled is now; none for one that is no more.
pub(super) type Places = [Option<usize>];

impl Engine {
    fn enrolled_feeds(&self) -> Vec<FeedKey> {
        let nodes: Vec<NodeId> = self.state.nodes().into_iter().map(|(key, _)| key).collect();
        let heads = self.basis.feeds.iter().zip(&self.basis.committed);
        let committed = heads.filter(|(_, head)| head.length > 0).map(|(feed, _)| feed);
        Basis::feeds_of(&nodes, self.state.most_incarnations(), committed)
    }

    /// Enrols the nodes that the state names, and of each the feeds that the committed heads call for.
    pub(super) fn enrol(&mut self) {
        if self.keys_seen != self.state.key_changes() {
            self.keys_seen = self.state.key_changes();
            self.follow_nodes();
        }
        let keys = self.enrolled_feeds();
        if keys == self.basis.feeds {
            return;
        }
        self.index = keys.iter().enumerate().map(|(index, &key)| (key, index)).collect();
        let places: Vec<Option<usize>> =
            self.basis.feeds.iter().map(|key| self.index.get(key).copied()).collect();
        let frozen = keys.iter().map(|key| self.state.frozen().contains_key(key)).collect();
        let (mut claimed, mut moved) = (vec![0; keys.len()], vec![false; keys.len()]);
        for (old, new) in places.iter().enumerate() {
            let Some(new) = *new else { continue };
            claimed[new] = self.proposals.claimed.get(old).copied().unwrap_or(0);
            moved[new] = self.proposals.moved.get(old).copied().unwrap_or(false);
        }
        let mut held: BTreeMap<FeedKey, Feed> =
            std::mem::take(&mut self.feeds).into_iter().map(|feed| (feed.key, feed)).collect();
        for &key in &keys {
            let feed = held.remove(&key).unwrap_or_else(|| {
                let root = Head { length: 0, hash: key.root(&self.coalition) };
                Feed::new(key, self.ahead.remove(&key).unwrap_or_else(|| Chain::at(key, root)))
            });
            self.feeds.push(feed);
        }
        // What was submitted to a feed that is no more may be submitted again elsewhere.
        self.own_records.retain(|_, (feed, _)| !held.contains_key(feed));
        self.basis.committed = self.feeds.iter().map(|feed| feed.chain.committed()).collect();
        self.basis.frozen = frozen;
        self.basis.feeds = keys;
        (self.proposals.claimed, self.proposals.moved) = (claimed, moved);
        self.asked = std::mem::take(&mut self.asked)
            .into_iter()
            .filter_map(|(subject, asked)| Some((subject.moved(&places)?, asked)))
            .collect();
        for peer in self.peers.values_mut() {
            peer.enrolled(&places, &self.index, &self.feeds);
        }
        self.changed();
    }

    /// Keys have changed: a node that is none any more is no peer, and which may hold a seat is known anew.
    fn follow_nodes(&mut self) {
        let partners = self.founded.partners().iter();
        self.seat_nodes = partners.map(|partner| self.state.nodes_of(&partner.name)).collect();
        let gone = |node: &&NodeId| self.state.node(node).is_none();
        let gone: Vec<NodeId> = self.peers.keys().filter(gone).copied().collect();
        gone.into_iter().for_each(|node| self.peer_down(node));
    }

    /// Whether this node was one and is none any more.
    pub(super) fn is_revoked(&self) -> bool {
        self.state.revoked(&self.node.public()).is_some()
    }

    /// Why this node's own feeds take no part, if they do not.
    pub(super) fn outside(&self) -> Option<(String, bool)> {
        let own = FeedKey { node: self.node.public(), lane: Lane::Routine, incarnation: self.incarnation };
        (!self.index.contains_key(&own)).then(|| (self.why_not_enrolled(), self.is_revoked()))
    }

    /// Why this node's own feeds take no part, in words.
    pub(super) fn why_not_enrolled(&self) -> String {
        let own = self.node.public();
        if self.state.node(&own).is_some() {
            return format!(
                "incarnation {} of this node is not enrolled yet: the log must order an entry of the one before, or be caught up with",
                self.incarnation
            );
        }
        match self.state.revoked(&own) {
            Some(refusal) => refusal.to_string(),
            None => format!(
                "{own} is no node of this coalition as far as its log is held here: neither was its chain granted nor its partner admitted, or the log must be caught up with"
            ),
        }
    }
}
