//! After a start: no vote before a quorum has reported what it knows this seat to have said.
//!
//! Guarantees: a seat whose store was rolled back notices it before it signs anything that contradicts what it said,
//! because every frame that ever left reached a quorum's store or could not matter, and any two quorums share an
//! honest seat. Reports answer this start's nonce, so old ones do not count. Reporting takes no votes, so all seats may
//! start at once. Requests and reports travel through members where there is no direct link.

use std::collections::{BTreeMap, BTreeSet};

use entente_hbbft::{EpochNumber, Seat, WINDOW};

use super::peers::Peer;
use super::{Engine, Halt, NodeId};
use crate::replicate::PeerMessage;
use crate::time::Time;
use crate::vote::{HeadReport, HeadRequest, VoteFrame};

/// Where this start stands.
#[derive(Debug, Default)]
pub(super) struct Start {
    /// What this seat asks; none for an observer.
    request: Option<HeadRequest>,
    /// Who has reported, and the last certified epoch that it proved.
    reports: BTreeMap<Seat, u64>,
    ready: bool,
    /// Frames of open epochs from the store, until they are taken in.
    pub(super) stored: Vec<VoteFrame>,
    /// By starter: the last request passed on, and whose reports to it.
    relayed: BTreeMap<Seat, (Time, [u8; 32], BTreeSet<Seat>)>,
}

impl Start {
    pub(super) fn new(request: Option<HeadRequest>, stored: Vec<VoteFrame>) -> Self {
        Self { request, stored, ..Self::default() }
    }

    pub(super) fn is_ready(&self) -> bool {
        self.ready
    }

    pub(super) fn reports(&self) -> usize {
        self.reports.len()
    }

    /// No own vote is said in epochs up to this one.
    pub(super) fn floor(&self) -> u64 {
        self.reports.values().copied().max().unwrap_or(0)
    }
}

impl Engine {
    /// The own report counts at once.
    pub(super) fn begin(&mut self) {
        if let Some(own) = self.own_seat() {
            self.start.reports.insert(own, self.certified);
        }
        self.maybe_ready();
    }

    fn maybe_ready(&mut self) {
        let heard = self.own.is_none() || self.start.reports.len() >= self.committee.quorum();
        if self.start.ready || !heard {
            return;
        }
        self.start.ready = true;
        let own = self.own_seat();
        // Some may have been certified while reports were awaited.
        let mut stored = std::mem::take(&mut self.start.stored);
        stored.retain(|frame| frame.feed.epoch > self.certified);
        let (mine, others): (Vec<_>, Vec<_>) =
            stored.into_iter().partition(|frame| Some(frame.feed.seat) == own);
        // Own frames first: they are what this seat has said.
        for frame in mine {
            let epoch = EpochNumber(frame.feed.epoch);
            if let Err(error) = self.window.restore_own(epoch, &frame.votes) {
                return self.halt(Halt::Damage(format!("own frame {} of epoch {epoch}: {error}", frame.seq)));
            }
        }
        let mut steps = Vec::new();
        for frame in others {
            let epoch = frame.feed.epoch;
            if let Ok(step) = self.window.receive(EpochNumber(epoch), frame.feed.seat, &frame.votes) {
                steps.push((epoch, step));
            }
        }
        for (epoch, step) in steps {
            self.step(epoch, step);
        }
        // Applied epochs that are not certified: others may still need this seat's votes there.
        for epoch in self.certified + 1..=self.applied {
            if let Ok(step) = self.window.open(EpochNumber(epoch)) {
                self.step(epoch, step);
            }
        }
        self.open_next();
        self.ask_missing();
        self.changed();
    }

    pub(super) fn request_heads_from(&mut self, node: NodeId) {
        if let Some(request) = self.start.request.filter(|_| !self.start.ready) {
            self.send(node, PeerMessage::HeadRequest(request));
        }
    }

    pub(super) fn on_head_request(&mut self, node: NodeId, request: HeadRequest) {
        let seat = request.seat;
        if !self.committee.contains(seat) || Some(seat) == self.own_seat() {
            if Some(seat) == self.own_seat()
                && self.start.request.is_none_or(|own| own.nonce != request.nonce)
            {
                let what = format!("another process asks for the heads of this node's seat {}", seat.0);
                self.fault(Some(node), Some(seat), "two_processes", what);
            }
            return;
        }
        // Each is answered and passed on once: a later one of the same start has a later time.
        if self.start.relayed.get(&seat).is_some_and(|(asked_at, ..)| *asked_at >= request.asked_at) {
            return;
        }
        if !request.verify(&self.coalition, &self.seats[seat.index()]) {
            return self.fault(
                Some(node),
                Some(seat),
                "bad_signature",
                format!("head request of seat {}", seat.0),
            );
        }
        let starter = self.seat_nodes[seat.index()];
        self.start.relayed.insert(seat, (request.asked_at, request.nonce, BTreeSet::new()));
        let linked = |peer: &Peer| super::peers::bit(&peer.linked, seat);
        let others =
            self.peers.iter().filter(|(other, peer)| **other != starter && **other != node && !linked(peer));
        let others: Vec<NodeId> = others.map(|(&other, _)| other).collect();
        for other in others {
            self.send(other, PeerMessage::HeadRequest(request));
        }
        if let Some(own) = &self.own {
            let heads = self.heads_of(seat, self.certified);
            let proof = self.last_proof.clone();
            let report = HeadReport::sign(&self.coalition, &request, own.seat, proof, heads, &own.key);
            // Back along the way that the request came, which is open.
            self.send(node, PeerMessage::HeadReport(report));
        }
    }

    /// Asks anew, for where the last request was lost.
    pub(super) fn renew_request(&mut self) {
        let (Some(request), Some(own)) = (self.start.request.filter(|_| !self.start.ready), &self.own) else {
            return;
        };
        let asked_at = self.now.max(request.asked_at.plus(1));
        let renewed = HeadRequest::sign(&self.coalition, own.seat, request.nonce, asked_at, &own.key);
        self.start.request = Some(renewed);
    }

    pub(super) fn on_head_report(&mut self, node: NodeId, report: HeadReport) {
        if !self.committee.contains(report.reporter) || !self.committee.contains(report.starter) {
            return;
        }
        if Some(report.starter) != self.own_seat() {
            return self.relay_report(node, report);
        }
        let asked = self.start.request.is_some_and(|request| request.nonce == report.nonce);
        if !asked || self.start.ready || self.start.reports.contains_key(&report.reporter) {
            return;
        }
        let reporter = report.reporter;
        if !report.verify(&self.coalition, &self.seats[reporter.index()]) {
            let what = format!("head report of seat {}", reporter.0);
            return self.fault(Some(node), Some(reporter), "bad_signature", what);
        }
        let certified = match &report.certified {
            None => 0,
            Some(proof) => match proof.verify(&self.coalition, &self.cosigners) {
                Some(epoch) => epoch,
                None => {
                    let what = format!("head report of seat {}: its checkpoint does not verify", reporter.0);
                    return self.fault(Some(node), Some(reporter), "bad_proof", what);
                }
            },
        };
        for head in &report.heads {
            let own = self.own.as_ref().map(|own| own.key.public());
            let feed = head.feed;
            let mine = Some(feed.seat) == self.own_seat() && own.is_some_and(|key| head.verify(&key));
            if !mine || head.frames == 0 {
                let what = format!("head report of seat {}: a head that this seat did not sign", reporter.0);
                return self.fault(Some(node), Some(reporter), "bad_signature", what);
            }
            if feed.epoch <= self.certified {
                continue;
            }
            let known =
                self.chains.get(&feed.epoch).and_then(|chains| chains.frame(feed.seat, head.frames - 1));
            if known.is_none_or(|frame| frame.hash() != head.hash) {
                let what = format!(
                    "{} holds frame {} of this seat in epoch {}, which is not in the store",
                    self.name_of(&self.seat_nodes[reporter.index()]),
                    head.frames - 1,
                    feed.epoch
                );
                return self.halt(Halt::Rollback { what });
            }
        }
        self.start.reports.insert(reporter, certified);
        self.maybe_ready();
    }

    fn relay_report(&mut self, node: NodeId, report: HeadReport) {
        let starter = self.seat_nodes[report.starter.index()];
        let Some((_, nonce, reporters)) = self.start.relayed.get_mut(&report.starter) else {
            return;
        };
        if *nonce != report.nonce || !reporters.insert(report.reporter) {
            return;
        }
        if !report.verify(&self.coalition, &self.seats[report.reporter.index()]) {
            let what = format!("head report of seat {}", report.reporter.0);
            return self.fault(Some(node), Some(report.reporter), "bad_signature", what);
        }
        let direct = self.peers.contains_key(&starter);
        let towards: Vec<NodeId> = self.peers.keys().copied().filter(|other| *other != node).collect();
        for other in towards.into_iter().filter(|other| !direct || *other == starter) {
            self.send(other, PeerMessage::HeadReport(report.clone()));
        }
    }
}

/// Most frames that are taken from the store for open epochs.
pub(super) const OPEN_EPOCHS: u64 = WINDOW;
