//! After a start: no vote before a quorum has reported what it knows this seat to have said.
//!
//! Guarantees: a seat whose store was rolled back notices it before it signs anything that contradicts what it said,
//! because every frame that ever left reached a quorum's store or could not matter, and any two quorums share an
//! honest seat. Reports answer this start's nonce, so old ones do not count. Reporting takes no votes, so all seats may
//! start at once. Requests and reports travel through members where there is no direct link.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use entente_hbbft::{EpochNumber, Refusal, Seat, WINDOW, plant};

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
    relayed: BTreeMap<Seat, Relayed>,
}

/// A request that was passed on.
#[derive(Debug)]
struct Relayed {
    asked_at: Time,
    nonce: [u8; 32],
    /// Whose reports to it were passed on.
    reporters: BTreeSet<Seat>,
    /// Until when no later one of this starter is: each goes to all, and whoever floods costs no more than this.
    until: Time,
    /// Until when none of another start is that has an earlier time: the starter's clock may have been set back.
    earlier: Time,
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

    /// Seats that have reported or whose requests were passed on, and of one request the reporters: the most of these.
    pub(super) fn holds(&self) -> usize {
        let reporters = self.relayed.values().map(|relayed| relayed.reporters.len()).max().unwrap_or(0);
        self.reports.len().max(self.relayed.len()).max(reporters)
    }

    pub(super) fn clock_set_back(&mut self, now: Time, repeat_ms: u64) {
        for relayed in self.relayed.values_mut() {
            relayed.until = relayed.until.min(now.plus(repeat_ms));
            relayed.earlier = relayed.earlier.min(now.plus(2 * repeat_ms));
        }
    }

    /// A node of these seats is linked anew: it may have started again.
    pub(super) fn linked_anew(&mut self, now: Time, holds: impl Fn(Seat) -> bool) {
        let seats = self.relayed.iter_mut().filter(|(seat, _)| holds(**seat));
        seats.for_each(|(_, relayed)| relayed.until = relayed.until.min(now));
    }

    /// No own vote is said in epochs up to this one.
    pub(super) fn floor(&self) -> u64 {
        self.reports.values().copied().max().unwrap_or(0)
    }
}

impl Engine {
    /// The own report counts at once.
    pub(super) fn begin(&mut self) {
        // A clock that was set back must not make this look like a request of an earlier start.
        if let (Some(request), Some(own)) = (self.start.request, &self.own)
            && request.asked_at < self.basis.time
        {
            let (nonce, asked_at) = (request.nonce, self.basis.time);
            let request = HeadRequest::sign(&self.coalition, own.seat, nonce, asked_at, &own.key);
            self.start.request = Some(request);
        }
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
        self.receive_stored(others);
        // Applied epochs that are not certified: others may still need this seat's votes there.
        for epoch in self.certified + 1..=self.applied {
            let Some(last_set) = self.uncertified.get(&epoch).map(|uncertified| uncertified.last_set) else {
                continue;
            };
            if let Ok(step) = self.window.open(EpochNumber(epoch), last_set) {
                self.step(epoch, step);
            }
        }
        self.open_next();
        self.ask_missing();
        self.changed();
    }

    /// Takes in others' frames in the order of each chain. They came interleaved, and how far a chain may run ahead
    /// depends on the others, so each is taken as far as it goes, again and again.
    fn receive_stored(&mut self, frames: Vec<VoteFrame>) {
        let mut chains: BTreeMap<(u64, Seat), VecDeque<VoteFrame>> = BTreeMap::new();
        for frame in frames {
            chains.entry((frame.feed.epoch, frame.feed.seat)).or_default().push_back(frame);
        }
        let mut progress = true;
        while std::mem::take(&mut progress) {
            for ((epoch, seat), chain) in &mut chains {
                while let Some(frame) = chain.front() {
                    match self.window.receive(EpochNumber(*epoch), *seat, &frame.votes) {
                        // No epoch is open yet, so nothing follows from it before it is.
                        Ok(_) => progress = true,
                        Err(Refusal::NotYet) => break,
                        Err(_) => {}
                    }
                    chain.pop_front();
                }
            }
        }
        // What was not taken is not held either: it is asked for again.
        for ((epoch, seat), rest) in chains.into_iter().filter(|(_, rest)| !rest.is_empty()) {
            if let Some(chains) = self.chains.get_mut(&epoch) {
                chains.shorten(seat, rest.len());
            }
        }
    }

    pub(super) fn request_heads_from(&mut self, node: NodeId) {
        if let Some(request) = self.start.request.filter(|_| !self.start.ready) {
            self.send(node, PeerMessage::HeadRequest(request));
        }
    }

    pub(super) fn on_head_request(&mut self, node: NodeId, request: HeadRequest) {
        let seat = request.seat;
        if !self.committee.contains(seat) || Some(seat) == self.own_seat() {
            return self.on_own_request(node, &request);
        }
        // Each is answered and passed on once: a later one of the same start has a later time. The starter may have started
        // again with a clock that was set back: from itself that counts at once, from others at a timer's pace, since they
        // may show requests of long ago.
        let anew = |relayed: &Relayed| {
            relayed.nonce != request.nonce && (self.may_hold(&node, seat) || relayed.earlier <= self.now)
        };
        let known = |relayed: &Relayed| {
            relayed.until > self.now || relayed.asked_at >= request.asked_at && !anew(relayed)
        };
        if self.start.relayed.get(&seat).is_some_and(known) {
            return;
        }
        if !request.verify(&self.coalition, &self.seats[seat.index()]) {
            return self.forged(node, format!("head request of seat {}", seat.0));
        }
        // It asks again every `repeat_ms`, which may come a little sooner than that.
        let until = self.now.plus(self.timing.repeat_ms / 2);
        let earlier = self.now.plus(2 * self.timing.repeat_ms);
        let HeadRequest { asked_at, nonce, .. } = request;
        self.start
            .relayed
            .insert(seat, Relayed { asked_at, nonce, reporters: BTreeSet::new(), until, earlier });
        let linked = |peer: &Peer| super::peers::bit(&peer.linked, seat);
        let others = self
            .peers
            .iter()
            .filter(|(other, peer)| peer.seat != Some(seat) && **other != node && !linked(peer));
        let others: Vec<NodeId> = others.map(|(&other, _)| other).collect();
        for other in others {
            self.send(other, PeerMessage::HeadRequest(request));
        }
        let heads = self.heads_of(seat, self.certified);
        if let Some(own) = &self.own {
            let proof = self.last_proof.clone();
            let report = HeadReport::sign(&self.coalition, &request, own.seat, proof, heads, &own.key);
            // Back along the way that the request came, which is open.
            self.send(node, PeerMessage::HeadReport(report));
        }
    }

    /// A later request for the own seat's heads than this process has made: another one runs with its key.
    fn on_own_request(&mut self, node: NodeId, request: &HeadRequest) {
        let (Some(own), Some(asked)) = (&self.own, self.start.request) else { return };
        if own.seat != request.seat || asked.nonce == request.nonce {
            return;
        }
        let seat = own.seat;
        if !request.verify(&self.coalition, &own.key.public()) {
            return self.forged(node, format!("head request of seat {}", seat.0));
        }
        // One of an earlier start may still be under way.
        if request.asked_at > asked.asked_at {
            let what = format!("another process asks for the heads of this node's seat {}", seat.0);
            self.fault(Some(self.node.public()), Some(seat), "two_processes", what);
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
        let asked =
            self.start.request.is_some_and(|request| request.nonce == report.nonce || plant::is("no-nonce"));
        if !asked || self.start.ready || self.start.reports.contains_key(&report.reporter) {
            return;
        }
        let reporter = report.reporter;
        if !report.verify(&self.coalition, &self.seats[reporter.index()]) {
            return self.forged(node, format!("head report of seat {}", reporter.0));
        }
        let certified = match &report.certified {
            None => 0,
            Some(proof) => match proof.verify(&self.coalition, &self.cosigners) {
                Some(record) => record.epoch,
                None => {
                    let what = format!("head report of seat {}: its checkpoint does not verify", reporter.0);
                    return self.seat_fault(reporter, "bad_proof", what);
                }
            },
        };
        for head in &report.heads {
            let own = self.own.as_ref().map(|own| own.key.public());
            let feed = head.feed;
            let mine = Some(feed.seat) == self.own_seat()
                && own.is_some_and(|key| head.verify(&self.coalition, &key));
            if !mine || head.frames == 0 {
                let what = format!("head report of seat {}: a head that this seat did not sign", reporter.0);
                return self.seat_fault(reporter, "bad_signature", what);
            }
            if feed.epoch <= self.certified {
                continue;
            }
            let known =
                self.chains.get(&feed.epoch).and_then(|chains| chains.frame(feed.seat, head.frames - 1));
            let unseen = plant::is("only-longer") && known.is_some();
            if known.is_none_or(|frame| frame.hash() != head.hash) && !unseen {
                let what = format!(
                    "{} holds frame {} of this seat in epoch {}, which is not in the store",
                    self.name_of_seat(reporter),
                    head.frames - 1,
                    feed.epoch
                );
                return self.rolled_back(self.incarnation, what);
            }
        }
        self.start.reports.insert(reporter, certified);
        self.maybe_ready();
    }

    fn relay_report(&mut self, node: NodeId, report: HeadReport) {
        let Some(relayed) = self.start.relayed.get(&report.starter) else { return };
        if relayed.nonce != report.nonce || relayed.reporters.contains(&report.reporter) {
            return;
        }
        if !report.verify(&self.coalition, &self.seats[report.reporter.index()]) {
            return self.forged(node, format!("head report of seat {}", report.reporter.0));
        }
        // Noted only now: a forged one must not keep the true one from being passed on.
        if let Some(relayed) = self.start.relayed.get_mut(&report.starter) {
            relayed.reporters.insert(report.reporter);
        }
        let direct: Vec<NodeId> = self.holders_of(report.starter).collect();
        let towards: Vec<NodeId> = self.peers.keys().copied().filter(|other| *other != node).collect();
        for other in towards.into_iter().filter(|other| direct.is_empty() || direct.contains(other)) {
            self.send(other, PeerMessage::HeadReport(report.clone()));
        }
    }
}

/// Most frames that are taken from the store for open epochs.
pub(super) const OPEN_EPOCHS: u64 = WINDOW;
