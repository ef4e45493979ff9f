//! Epochs: the start rule, contributions, others' vote frames and payloads; `entente-hbbft` decides, this feeds it.
//!
//! Guarantees: a payload is echoed only once it is durable and found valid; an own vote is never said in an epoch that
//! others may have certified and forgotten; nobody honest is taken for who signed two frames at one place.

use std::collections::BTreeMap;

use entente_hbbft::{Digest, EpochNumber, Refusal, Seat, Step, WINDOW, plant};

use super::peers::Subject;
use super::{Engine, NodeId};
use crate::evidence::Equivocation;
use crate::frontier::{Contribution, MAX_CONTRIBUTION_BYTES};
use crate::identity::Hash;
use crate::replicate::{PeerMessage, Want};
use crate::store::Write;
use crate::time::Time;
use crate::vote::{VoteFeed, VoteFrame, VoteHead};

/// Most payloads of one epoch from one peer that wait for the frame that names them; more are dropped and pulled
/// later.
pub const MAX_STASHED_PAYLOADS: usize = 2;
/// The era: no committee has changed yet.
pub(super) const ERA: u32 = 1;

/// The frames of one epoch, by seat.
#[derive(Debug, Default)]
pub(super) struct Chains {
    seats: BTreeMap<Seat, Vec<Link>>,
}

/// A frame in its chain.
#[derive(Debug)]
struct Link {
    frame: VoteFrame,
    hash: Hash,
    /// Whether the seat's signature holds; not looked at yet where the frame came from its author.
    signed: Option<bool>,
}

impl Chains {
    pub(super) fn count(&self, seat: Seat) -> u32 {
        self.seats.get(&seat).map_or(0, |links| links.len() as u32)
    }

    pub(super) fn frame(&self, seat: Seat, seq: u32) -> Option<&VoteFrame> {
        self.seats.get(&seat)?.get(seq as usize).map(|link| &link.frame)
    }

    pub(super) fn frames(&self, seat: Seat) -> impl Iterator<Item = &VoteFrame> {
        self.seats.get(&seat).into_iter().flatten().map(|link| &link.frame)
    }

    pub(super) fn hash(&self, seat: Seat, seq: u32) -> Option<Hash> {
        self.seats.get(&seat)?.get(seq as usize).map(|link| link.hash)
    }

    /// Forgets the last `count` frames of a seat.
    pub(super) fn shorten(&mut self, seat: Seat, count: usize) {
        if let Some(links) = self.seats.get_mut(&seat) {
            links.truncate(links.len().saturating_sub(count));
        }
    }

    /// Appends a frame; `signed` says that its signature was seen to hold.
    pub(super) fn push(&mut self, frame: VoteFrame, signed: bool) {
        let (hash, signed) = (frame.hash(), signed.then_some(true));
        self.seats.entry(frame.feed.seat).or_default().push(Link { frame, hash, signed });
    }
}

/// What is known of the epoch that comes next, and of the own last contribution.
#[derive(Debug, Default)]
pub(super) struct Proposals {
    /// Valid contributions to epoch `applied + 1`, by proposer.
    contributions: BTreeMap<Seat, Contribution>,
    /// Payloads that came before the frame that names them, and from whom; from nobody if the store had them.
    stash: BTreeMap<(u64, Digest), (Option<NodeId>, Vec<u8>)>,
    /// What epoch `applied + 1` agreed on.
    pub(super) decided: Option<BTreeMap<Seat, (Digest, Vec<u8>)>>,
    /// By feed: the greatest length that the own last contribution claimed; nothing after a start.
    pub(super) claimed: Vec<u64>,
    /// By feed: whether the last cut moved it.
    pub(super) moved: Vec<bool>,
    started_at: Option<Time>,
}

impl Proposals {
    /// Puts back a payload that the store holds.
    pub(super) fn stash(&mut self, epoch: u64, bytes: Vec<u8>) {
        self.stash.insert((epoch, Digest::of(&bytes)), (None, bytes));
    }

    /// Payloads that wait for the frame that names them.
    pub(super) fn stashed(&self) -> usize {
        self.stash.len()
    }

    /// Contributions to the next epoch.
    pub(super) fn known(&self) -> usize {
        self.contributions.len()
    }

    pub(super) fn clock_set_back(&mut self, now: Time) {
        self.started_at = self.started_at.map(|at| at.min(now));
    }

    /// Forgets the epoch that has been applied. `moved` says which feeds its cut moved.
    pub(super) fn next(&mut self, applied: u64, moved: Vec<bool>) {
        self.contributions.clear();
        self.decided = None;
        self.moved = moved;
        self.stash.retain(|(epoch, _), _| *epoch > applied);
    }
}

impl Engine {
    pub(super) fn frames_held(&self, epoch: u64, seat: Seat) -> u32 {
        self.chains.get(&epoch).map_or(0, |chains| chains.count(seat))
    }

    /// The most frames that are held of one epoch.
    pub(super) fn frames_of_an_epoch(&self) -> usize {
        let frames = |chains: &Chains| chains.seats.values().map(Vec::len).sum();
        self.chains.values().map(frames).max().unwrap_or(0)
    }

    /// Opens the epoch whose steering is known, if it is permitted, and acts on what came for it before.
    pub(super) fn open_next(&mut self) {
        let epoch = self.applied + 1;
        if self.start.is_ready() && self.window.permitted(EpochNumber(epoch)) && !self.is_open(epoch) {
            let step =
                self.window.open(EpochNumber(epoch), self.basis.last_set).expect("the epoch is permitted");
            self.step(epoch, step);
        }
    }

    fn is_open(&self, epoch: u64) -> bool {
        self.window.is_open(EpochNumber(epoch))
    }

    /// Whether the own seat may say anything in this epoch.
    pub(super) fn votes_in(&self, epoch: u64) -> bool {
        self.own.is_some() && (epoch > self.start.floor() || plant::is("votes-below-floor"))
    }

    /// The start rule (section "Contribution" of the agreement's rules), as often as it holds.
    pub(super) fn start_epochs(&mut self) {
        self.open_next();
        while !self.halted && self.may_start() {
            let before = self.applied;
            self.contribute();
            if self.applied == before {
                break;
            }
        }
    }

    fn may_start(&self) -> bool {
        let epoch = self.applied + 1;
        let Some(own) = self.own_seat().filter(|_| self.votes_in(epoch)) else { return false };
        let Some(open) = self.window.epoch(EpochNumber(epoch)).filter(|_| self.is_open(epoch)) else {
            return false;
        };
        if open.proposal(own).is_some() || self.proposals.decided.is_some() {
            return false;
        }
        // (iii) waives the gap.
        let enough = if plant::is("one-starts-all") { 1 } else { self.committee.weak() };
        if self.proposals.contributions.len() >= enough {
            return true;
        }
        self.next_start().is_none() && (self.holds_unclaimed() || self.is_joined())
    }

    /// The end of the gap after the own last start, if that still lies ahead and something waits for it.
    pub(super) fn next_start(&self) -> Option<Time> {
        let until = self.proposals.started_at?.plus(self.timing.start_gap_ms);
        (until > self.now && (self.holds_unclaimed() || self.is_joined())).then_some(until)
    }

    /// (i): an orderable entry that the last contribution did not claim, or that it claimed and the last cut left
    /// behind although it moved the feed.
    fn holds_unclaimed(&self) -> bool {
        self.feeds.iter().enumerate().any(|(index, feed)| {
            let committed = self.basis.committed[index].length;
            let orderable = feed.chain.head().length.min(self.basis.ceiling(index));
            let claimed = self.proposals.claimed.get(index).copied().unwrap_or(0);
            let left_behind =
                self.proposals.moved.get(index).copied().unwrap_or(false) && committed < claimed;
            !self.is_forked(index) && orderable > committed && (orderable > claimed || left_behind)
        })
    }

    /// (ii): another's contribution claims an orderable entry that is held here.
    fn is_joined(&self) -> bool {
        if plant::is("start-without-ii") {
            return false;
        }
        self.proposals.contributions.values().any(|contribution| {
            contribution
                .heads(&self.basis)
                .any(|(index, head)| !self.is_forked(index) && self.feeds[index].chain.holds(&head))
        })
    }

    fn contribute(&mut self) {
        let epoch = self.applied + 1;
        let mut basis = self.basis.clone();
        if let Some(own) = self.own_seat().filter(|_| plant::is("quota-own-order")) {
            // From the own feeds on, as far as partners have one node each.
            let per_lane = basis.feeds.len() / crate::feed::Lane::ALL.len();
            basis.epoch = (own.index() * per_lane / self.committee.size()) as u64;
        }
        let contribution = Contribution::compose(
            &basis,
            self.now,
            |index| self.feeds[index].chain.head().length,
            |index, length| self.feeds[index].chain.hash_at(length),
        );
        let mut claimed = vec![0; self.feeds.len()];
        for (index, head) in contribution.tops(&self.basis) {
            claimed[index] = head.length;
        }
        self.proposals.claimed = claimed;
        self.proposals.started_at = Some(self.now);
        let bytes = contribution.encode();
        self.persist(Write::Payload { epoch, digest: Digest::of(&bytes), bytes: bytes.clone() });
        // It is pushed with the frame that names it: pulling would cost two delays.
        let step = self.window.propose(EpochNumber(epoch), bytes).expect("open, and nothing was proposed");
        self.step(epoch, step);
    }

    /// Carries out what an epoch's algorithm says.
    pub(super) fn step(&mut self, epoch: u64, step: Step) {
        for fault in &step.faults {
            let what = format!("epoch {epoch}, contribution of seat {}: {:?}", fault.proposer.0, fault.kind);
            self.seat_fault(fault.seat, "protocol", what);
        }
        if self.votes_in(epoch) && !step.messages.is_empty() {
            self.unsaid(epoch, &step.messages);
        }
        if let Some(output) = step.output.filter(|_| epoch == self.applied + 1) {
            let agreed = output.into_iter().map(|(seat, (digest, bytes))| (seat, (digest, bytes.to_vec())));
            self.proposals.decided = Some(agreed.collect());
        }
        if epoch == self.applied + 1 {
            self.take_contributions();
            self.take_stashed();
            self.try_apply();
        }
    }

    /// Whether frames of this chain are taken now.
    pub(super) fn hears(&self, feed: &VoteFeed) -> bool {
        self.window.permitted(EpochNumber(feed.epoch))
            && self.start.is_ready()
            && self.committee.contains(feed.seat)
            && feed.incarnation == 0
            && feed.era == ERA
    }

    /// Takes note that a peer holds a chain up to the frame at `seq`, which it has sent.
    pub(super) fn note_frames(&mut self, node: NodeId, feed: &VoteFeed, seq: u32) {
        let (count, seats) = (seq.saturating_add(1).min(u32::MAX - 1), self.committee.size());
        if let Some(peer) = self.peers.get_mut(&node) {
            peer.holds_frames(feed.epoch, feed.seat, count, seats);
        }
    }

    pub(super) fn on_frame(&mut self, node: NodeId, frame: VoteFrame) {
        let VoteFeed { seat, epoch, .. } = frame.feed;
        if !self.hears(&frame.feed) {
            return;
        }
        let (seq, previous) = self.place(&frame.feed);
        self.note_frames(node, &frame.feed, frame.seq);
        if frame.seq < seq {
            let known = self.chains[&epoch].frame(seat, frame.seq).expect("below the count");
            let unseen = plant::is("only-longer") && Some(seat) == self.own_seat();
            if known.hash() != frame.hash() && !unseen {
                self.equivocation(node, frame);
            }
            return;
        }
        if frame.seq > seq {
            // A gap: the frames between are asked for.
            self.left_out(Subject::Frames(epoch), node);
            return self.ask_missing();
        }
        // The stream vouches for what comes from its author: its signature is for those that it is shown to.
        let direct = Some(seat) != self.own_seat() && self.sole_seat_of(&node) == Some(seat);
        if !direct && !frame.verify(&self.coalition, &self.seats[seat.index()]) {
            return self.forged(node, format!("frame {} of seat {} in epoch {epoch}", frame.seq, seat.0));
        }
        if Some(seat) == self.own_seat() {
            let what = format!("{} holds own frame {} of epoch {epoch}", self.name_of(&node), frame.seq);
            return self.rolled_back(self.incarnation, what);
        }
        if frame.previous != previous {
            return self.split_found(node, seat, epoch);
        }
        let step = match self.window.receive(EpochNumber(epoch), seat, &frame.votes) {
            Ok(step) => step,
            Err(Refusal::NotYet | Refusal::Passed) => return,
            Err(Refusal::Invalid(fault)) => {
                let what = format!("frame {} of epoch {epoch}: {fault}", frame.seq);
                return self.seat_fault(seat, "invalid_frame", what);
            }
        };
        self.chains.entry(epoch).or_default().push(frame.clone(), !direct);
        // Durable before the next own frame leaves: reporters that also restarted must still know it.
        self.persist(Write::Frame(frame));
        self.progressed(Subject::Frames(epoch), node);
        self.changed();
        self.step(epoch, step);
    }

    /// How many of a seat's frames from `from` on may be shown to others: up to the first whose signature does not hold.
    /// They are looked at only now; what such a frame said counts here, as the word of a faulty seat to this one.
    pub(super) fn vouched(&mut self, epoch: u64, seat: Seat, from: u32) -> u32 {
        let Some(&key) = self.seats.get(seat.index()) else { return 0 };
        let coalition = self.coalition;
        let links = self.chains.get_mut(&epoch).and_then(|chains| chains.seats.get_mut(&seat));
        let mut count = 0;
        for link in links.into_iter().flatten().skip(from as usize) {
            let first_look = link.signed.is_none();
            let holds = link.signed.unwrap_or_else(|| link.frame.verify(&coalition, &key));
            link.signed = Some(holds);
            if !holds {
                let what = format!("frame {} of epoch {epoch}, from its own node", link.frame.seq);
                if first_look {
                    self.seat_fault(seat, "bad_signature", what);
                }
                break;
            }
            count += 1;
        }
        count
    }

    /// A frame of another branch than the one held: somewhere below it lies the proof, which is asked for once.
    fn split_found(&mut self, node: NodeId, seat: Seat, epoch: u64) {
        if !self.split.insert((epoch, seat)) {
            return;
        }
        let what = format!("frames of two branches in epoch {epoch}");
        self.seat_fault(seat, "equivocation", what);
        let others = self.peers.keys().copied().filter(|other| *other != node);
        for peer in std::iter::once(node).chain(others).collect::<Vec<_>>() {
            self.ask(peer, Want::Frames { epoch, from: vec![(seat, 0)] });
        }
    }

    /// Two frames at one place: proof, if both are signed. Exchanged once per seat and epoch, kept once per seat, and
    /// written as evidence.
    fn equivocation(&mut self, node: NodeId, frame: VoteFrame) {
        let VoteFeed { seat, epoch, .. } = frame.feed;
        if self.equivocators.contains(&(epoch, seat)) {
            return;
        }
        if !frame.verify(&self.coalition, &self.seats[seat.index()]) {
            return self.forged(node, format!("frame {} of seat {} in epoch {epoch}", frame.seq, seat.0));
        }
        if Some(seat) == self.own_seat() {
            let what =
                format!("{} holds another own frame {} of epoch {epoch}", self.name_of(&node), frame.seq);
            return self.rolled_back(self.incarnation, what);
        }
        self.equivocators.insert((epoch, seat));
        self.split.insert((epoch, seat));
        if self.vouched(epoch, seat, frame.seq) == 0 {
            // The seat's own node gave another one unsigned: its fault, and no proof.
            return;
        }
        let known = self.chains[&epoch].frame(seat, frame.seq).expect("checked by the caller").clone();
        let what =
            format!("two frames {} in epoch {epoch}: {:?} and {:?}", frame.seq, known.hash(), frame.hash());
        // One for each seat is enough, and all that is kept.
        if !self.equivocations.contains_key(&seat) && !self.state.convicted().contains_key(&seat) {
            let frames = [known.clone(), frame.clone()];
            self.equivocations.insert(seat, Equivocation::new(&frames));
            self.persist(Write::Equivocation(Box::new(frames)));
        }
        // Both, because each peer holds one of them and lacks the other.
        self.broadcast(&PeerMessage::Frame(known));
        self.broadcast(&PeerMessage::Frame(frame));
        self.seat_fault(seat, "equivocation", what);
    }

    pub(super) fn on_payload(&mut self, node: NodeId, epoch: u64, bytes: Vec<u8>) {
        if epoch <= self.applied || bytes.len() > MAX_CONTRIBUTION_BYTES {
            return;
        }
        let digest = Digest::of(&bytes);
        if self.take_proven_contribution(epoch, digest, &bytes) || epoch > self.certified + WINDOW {
            return;
        }
        let waiting = self.proposals.stash.range((epoch, Digest([0; 32]))..=(epoch, Digest([255; 32])));
        // Counted by peer, so that none crowds out what the others push.
        let waiting = waiting.filter(|(_, (from, _))| *from == Some(node)).count();
        let named = self.window.epoch(EpochNumber(epoch)).is_some_and(|epoch| epoch.expects(&digest));
        if !named && waiting >= MAX_STASHED_PAYLOADS {
            return;
        }
        self.proposals.stash.insert((epoch, digest), (Some(node), bytes));
        self.progressed(Subject::Payload(epoch, digest), node);
        if epoch == self.applied + 1 {
            self.take_stashed();
            self.try_apply();
        }
    }

    /// Hands over stashed payloads that the open epoch wants: valid ones once they are on their way to the disk.
    fn take_stashed(&mut self) {
        let epoch = self.applied + 1;
        while self.applied + 1 == epoch && self.is_open(epoch) {
            let Some(open) = self.window.epoch(EpochNumber(epoch)) else { return };
            // Also the own one, which after a restart only the store has.
            let found = open
                .proposals()
                .chain(open.wants().into_iter().map(|want| (want.proposer, want.digest)))
                .filter(|(_, digest)| open.expects(digest))
                .find_map(|(proposer, digest)| {
                    self.proposals.stash.remove(&(epoch, digest)).map(|(_, bytes)| (proposer, digest, bytes))
                });
            let Some((proposer, digest, bytes)) = found else { return self.ask_for_payloads() };
            self.asked.remove(&Subject::Payload(epoch, digest));
            let step = match Contribution::decode(&bytes, &self.basis) {
                Ok(_) if plant::is("echo-volatile") => self.window.deliver(EpochNumber(epoch), bytes),
                Ok(_) => {
                    self.persist(Write::Payload { epoch, digest, bytes: bytes.clone() });
                    self.window.deliver(EpochNumber(epoch), bytes)
                }
                Err(error) => {
                    let what = format!("epoch {epoch}: {error}");
                    self.seat_fault(proposer, "contribution", what);
                    self.window.reject(EpochNumber(epoch), digest)
                }
            };
            let step = step.expect("the epoch is open");
            self.step(epoch, step);
        }
    }

    /// Notes the contributions whose payloads have become known, and what they say their seats hold.
    fn take_contributions(&mut self) {
        let Some(open) = self.window.epoch(EpochNumber(self.applied + 1)) else { return };
        let new: Vec<_> = open
            .proposals()
            .filter(|(seat, _)| !self.proposals.contributions.contains_key(seat))
            .filter_map(|(seat, digest)| {
                Some((seat, Contribution::decode(open.payload(&digest)?, &self.basis).ok()?))
            })
            .collect();
        for (seat, contribution) in new {
            let mut held = self.peers.values_mut().filter(|peer| peer.seat == Some(seat)).peekable();
            if held.peek().is_some() {
                for peer in held {
                    contribution.tops(&self.basis).for_each(|(index, head)| peer.holds(index, head.length));
                }
                // What is lacking is asked for at the next gossip: most often it is on its way from its author.
                self.changed();
            }
            self.proposals.contributions.insert(seat, contribution);
        }
    }

    pub(super) fn ask_for_payloads(&mut self) {
        let epoch = self.applied + 1;
        let wants = match self.window.epoch(EpochNumber(epoch)) {
            Some(open) if self.is_open(epoch) => open.wants(),
            _ => return,
        };
        for want in wants {
            // What a proven epoch takes does not come to its votes, and would be wanted for ever.
            if !self.catchup.may_need(epoch, &want.digest) {
                continue;
            }
            let holders: Vec<NodeId> = want.holders.iter().flat_map(|seat| self.holders_of(*seat)).collect();
            // Others may hold it too and say nothing, such as observers and seats that are mute in this epoch.
            let others: Vec<NodeId> =
                self.peers.keys().copied().filter(|node| !holders.contains(node)).collect();
            let ask = Want::Payload { epoch, digest: want.digest };
            self.ask_one(Subject::Payload(epoch, want.digest), &holders, &others, ask);
        }
    }

    /// The own seat's signed heads and another's, above an epoch: what a head report carries.
    pub(super) fn heads_of(&mut self, seat: Seat, above: u64) -> Vec<VoteHead> {
        let open: Vec<u64> = self.chains.range(above + 1..).map(|(&epoch, _)| epoch).collect();
        let mut heads = Vec::new();
        for epoch in open {
            let last = self.vouched(epoch, seat, 0).checked_sub(1);
            heads.extend(last.and_then(|seq| self.chains[&epoch].frame(seat, seq)).map(VoteFrame::head));
        }
        heads
    }
}
