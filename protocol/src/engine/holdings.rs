//! What the engine holds of each kind that others can make it hold, beside the limit of that kind.
//!
//! Guarantees: nothing that peers or local callers send grows anything beyond the limits here, whatever they send; what is
//! over a limit is refused without a mark, or the collection is indexed by what the charter enrols. One thing grows with the
//! log alone: the state of operations that were ordered ([`State`](crate::coalition::State)), which no single member steers
//! beyond its quota of each epoch.

use std::collections::BTreeMap;

use entente_hbbft::{Epoch, ROUNDS_AHEAD, WINDOW};

use super::Engine;
use super::catchup::MAX_PROVEN_EPOCHS;
use super::epochs::MAX_STASHED_PAYLOADS;
use super::peers::Peer;
use super::speak::{Unsaid, Unsent};
use crate::coalition::{MAX_OPEN_PER_PARTNER, MAX_PARKED_PER_PARTNER, MAX_PENDING_PARTS};
use crate::feed::{Lane, MAX_RUN_ENTRIES, MAX_UNORDERED_BYTES, MAX_UNORDERED_ENTRIES, RECENT_LINKS};
use crate::frontier::{MAX_FEEDS, MAX_INCARNATIONS};

/// How much is held of one kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Holding {
    /// What is counted; where it is counted for each feed, peer or epoch, the greatest of them.
    pub what: &'static str,
    /// How much there is.
    pub count: u64,
    /// How much there may be.
    pub limit: u64,
}

impl Engine {
    /// All that is held and could be flooded.
    pub fn holdings(&self) -> Vec<Holding> {
        let nodes = self.state.nodes().len();
        let (seats, feeds) = (self.committee.size(), self.feeds.len());
        let window = WINDOW as usize;
        let open: Vec<&Epoch> = self.window.epochs().collect();
        // By epoch: the digests that can be named, of each proposer.
        let payloads = seats * Epoch::most_payloads(&self.committee);
        let stashed = window * (nodes * MAX_STASHED_PAYLOADS + payloads);
        let own_feeds = Lane::ALL.len() * MAX_INCARNATIONS as usize;
        let proven = MAX_PROVEN_EPOCHS as usize;
        // A feed and its branch; frames and cosignatures; certificates, epochs, a copy of the state and its next page, payloads of
        // the next epoch.
        let subjects = 2 * feeds + 2 * (window + 1) + 4 + payloads + seats;
        let unordered = MAX_UNORDERED_ENTRIES as usize;
        let of_feed = |count: fn(&super::Feed) -> usize| self.feeds.iter().map(count).max().unwrap_or(0);
        let of_peer = |count: fn(&Peer) -> usize| self.peers.values().map(count).max().unwrap_or(0);
        let of_epoch = |count: fn(&Epoch) -> usize| open.iter().map(|epoch| count(epoch)).max().unwrap_or(0);
        let early_votes = self.start.holds();
        // Of a seat in an epoch.
        let words = Epoch::most_messages(&self.committee);
        let holdings = [
            ("feeds", feeds, MAX_FEEDS),
            ("own feeds that are not enrolled", self.ahead.len(), own_feeds),
            (
                "entries of a feed that are not ordered",
                of_feed(|feed| feed.chain.unordered() as usize),
                unordered,
            ),
            ("bytes of them", of_feed(|feed| feed.chain.bytes()), MAX_UNORDERED_BYTES),
            ("links of a feed", of_feed(|feed| feed.chain.links()), RECENT_LINKS + unordered),
            ("entries of a branch that a cut names", of_feed(super::Feed::branch_entries), unordered),
            ("own records that are not ordered", self.own_records.len(), own_feeds * unordered),
            (
                "deadlines that `due` was written for",
                self.due_written.len(),
                self.state.deadlines().count() + MAX_RUN_ENTRIES,
            ),
            ("epochs with votes", self.window.epochs().count(), window),
            ("epochs with frames", self.chains.len(), window),
            ("frames of an epoch", self.frames_of_an_epoch(), seats * words),
            ("epochs with own words that wait", self.unsaid.len().max(self.unsent.len()), window),
            ("words of an epoch that no frame says yet", most(&self.unsaid, Unsaid::words), words),
            ("own frames of an epoch that are not sent", most(&self.unsent, Unsent::frames), words),
            (
                "rounds beyond those that `weak` seats reached",
                of_epoch(Epoch::rounds_ahead),
                ROUNDS_AHEAD.into(),
            ),
            ("payloads of an epoch", of_epoch(Epoch::payload_count), payloads),
            ("payloads that wait for their frame", self.proposals.stashed(), stashed),
            ("contributions to the next epoch", self.proposals.known(), seats),
            ("proofs against seats", self.equivocations.len(), seats),
            ("seats in doubt by epoch", self.equivocators.len().max(self.split.len()), window * seats),
            ("evidence written since the start", self.reported.len(), feeds + seats),
            ("epochs that are not certified", self.uncertified.len(), window),
            ("cosignatures", self.cosigns.values().map(|of| of.len()).sum(), window * seats),
            ("cosignatures of later epochs", self.early_cosigns.len(), 2 * window * seats),
            ("proven epochs", self.catchup.proven(), proven),
            ("contributions to proven epochs", self.catchup.contributions(), proven * seats),
            ("parts of a state that are still to come", self.copies.pending(), MAX_PENDING_PARTS),
            ("head reports and requests by seat", early_votes, seats),
            ("peers", self.peers.len(), nodes),
            ("feeds known of a peer", of_peer(Peer::feeds_known), feeds),
            ("own feeds that a peer names early", of_peer(Peer::feeds_early), own_feeds),
            ("epochs known of a peer", of_peer(Peer::epochs_known), window),
            ("what a peer had no answer to", of_peer(Peer::unanswered), feeds + subjects + window * payloads),
            ("what is asked for", self.asked.len(), subjects + window * payloads),
            ("parked records of a partner", self.state.most_parked(), MAX_PARKED_PER_PARTNER),
            ("open operations of a partner", self.state.most_open(), MAX_OPEN_PER_PARTNER),
        ];
        let holding = |(what, count, limit)| Holding { what, count: count as u64, limit: limit as u64 };
        holdings.into_iter().map(holding).collect()
    }
}

/// The most of any epoch.
fn most<T>(by_epoch: &BTreeMap<u64, T>, count: fn(&T) -> usize) -> usize {
    by_epoch.values().map(count).max().unwrap_or(0)
}
