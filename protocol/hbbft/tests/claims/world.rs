//! A network in memory: honest seats with a disk each, liars, and a scheduler that delays, reorders, repeats,
//! loses pushes, starves a seat and crashes honest ones, all drawn from one seed.
//!
//! Links keep the order of each sender's chain, as callers of the crate do, and nothing else. What one honest
//! seat says is checked against its own chain of before, across restarts, by [`Chain`].

use std::collections::{BTreeMap, VecDeque};

use entente_hbbft::{
    Committee, Digest, Epoch, EpochNumber, Frame, FrameFault, Message, Output, Refusal, Round, Seat, SeatSet,
    Setup, Step, Want,
};

use crate::chain::Chain;
use crate::liars::{Item, Items, Liar, Way};
use crate::rng::Rng;

pub(crate) const TAG: &[u8] = b"the tests' world";
/// Payloads that begin like this are not valid.
pub(crate) const INVALID: &[u8] = b"invalid";
/// More steps than any fair run of ten seats takes.
const STEPS: usize = 400_000;

/// What an honest seat contributes.
pub(crate) fn payload_of(seat: Seat) -> Vec<u8> {
    format!("what {seat} holds").into_bytes()
}

/// What makes a run hard.
#[derive(Clone, Debug, Default)]
pub(crate) struct Plan {
    pub(crate) n: usize,
    pub(crate) liars: Vec<(Seat, Way)>,
    /// Whose links stand still until all else is done.
    pub(crate) starved: Option<Seat>,
    /// How many crashes there are at most.
    pub(crate) crashes: usize,
    /// Honest seats that contribute nothing.
    pub(crate) idle: Vec<Seat>,
    /// Each honest seat has voted 0 on liars and on a random part of the others before anything else, so that
    /// agreements begin divided. The output may then be smaller than n - f.
    pub(crate) divided: bool,
    /// An observer follows honest seat 0's view of the frames.
    pub(crate) observed: bool,
}

/// An honest seat: its memory, and what is on its disk.
struct Node {
    epoch: Epoch,
    said: Vec<Frame>,
    heard: Vec<(Seat, Frame)>,
    /// How many frames it had heard when it last spoke: those are durable.
    durable: usize,
    disk: BTreeMap<Digest, Vec<u8>>,
    chain: Chain,
    outputs: Vec<Output>,
    wants: Vec<Want>,
    pushes: Vec<Vec<u8>>,
}

enum Action {
    Deliver(Seat, Seat),
    TakePush(Seat),
    Pull(Seat),
}

pub(crate) struct World {
    plan: Plan,
    committee: Committee,
    rng: Rng,
    nodes: BTreeMap<Seat, Node>,
    liars: BTreeMap<Seat, Box<dyn Liar>>,
    /// By sender and receiver.
    links: BTreeMap<(Seat, Seat), VecDeque<Frame>>,
    /// Links whose first frame was refused for now, until the receiver takes another one.
    blocked: BTreeMap<(Seat, Seat), ()>,
    crashes_left: usize,
    /// Whose first coin is 1.
    last_set: SeatSet,
    /// How many actions are drawn to take the quickest of.
    skew: usize,
    /// How slow each link is: by sender and receiver, and in the diagonal a seat's payloads.
    ranks: Vec<u64>,
}

impl World {
    pub(crate) fn new(plan: Plan, seed: u64) -> Self {
        let committee = Committee::new(plan.n).expect("plans have sizes of committees");
        let mut rng = Rng::new(seed);
        let liars: BTreeMap<_, _> =
            plan.liars.iter().map(|(seat, way)| (*seat, way.liar(committee, *seat, &mut rng))).collect();
        let honest = committee.seats().filter(|seat| !liars.contains_key(seat));
        let last_set: SeatSet = match rng.one_in(2) {
            true => committee.all(),
            false => committee.seats().filter(|_| rng.one_in(2)).collect(),
        };
        let nodes = honest.map(|seat| (seat, Node::new(committee, seat, last_set))).collect();
        let crashes_left = plan.crashes;
        let (links, blocked) = (BTreeMap::new(), BTreeMap::new());
        let skew = rng.pick(&[1, 2, 4, 16]);
        let ranks = (0..plan.n * plan.n).map(|_| rng.next()).collect();
        Self { plan, committee, rng, nodes, liars, links, blocked, crashes_left, last_set, skew, ranks }
    }

    /// Runs to the end: everything sent is delivered and everything wanted is there.
    pub(crate) fn run(mut self) -> Vec<Output> {
        self.start();
        let mut starving = self.plan.starved;
        for _ in 0..STEPS {
            let Some(action) = self.choose(starving) else {
                if starving.is_none() {
                    return self.outputs();
                }
                if self.plan.liars.len() < self.committee.faulty() {
                    self.check_that_all_but(starving, "the starved seat alone is missing");
                }
                starving = None;
                continue;
            };
            self.perform(action);
            if self.crashes_left > 0 && self.rng.one_in(60) {
                self.crashes_left -= 1;
                let seats: Vec<Seat> = self.nodes.keys().copied().collect();
                let seat = self.rng.pick(&seats);
                self.crash(seat);
            }
        }
        panic!("not done after {STEPS} steps");
    }

    fn start(&mut self) {
        let mut seats: Vec<Seat> = self.committee.seats().collect();
        self.rng.shuffle(&mut seats);
        for seat in seats {
            if self.plan.divided && self.nodes.contains_key(&seat) {
                self.divide(seat);
            }
            if let Some(liar) = self.liars.get_mut(&seat) {
                let items = liar.start(&mut self.rng);
                self.put(seat, items);
            } else if !self.plan.idle.contains(&seat) {
                let payload = payload_of(seat);
                let node = self.node(seat);
                node.disk.insert(Digest::of(&payload), payload.clone());
                let step = node.epoch.propose(payload.clone()).expect("first proposal");
                self.take_in(seat, step);
                for peer in self.committee.seats().filter(|peer| *peer != seat) {
                    self.put(seat, vec![(peer, Item::Payload(payload.clone()))]);
                }
            }
        }
    }

    /// Lets a seat have voted 0 in a frame of before.
    fn divide(&mut self, seat: Seat) {
        let committee = self.committee;
        let voted = committee.seats().filter(|seat| self.liars.contains_key(seat) || self.rng.one_in(2));
        let vote = |proposer| Message::Bval { proposer, round: Round(0), value: false };
        let frame = Frame::pack(voted.map(vote));
        if !frame.is_empty() {
            let node = self.node(seat);
            node.epoch.restore_own(&frame).expect("nothing was said before");
            let messages = frame.messages().collect();
            self.take_in(seat, Step { messages, ..Step::default() });
        }
    }

    fn choose(&mut self, starving: Option<Seat>) -> Option<Action> {
        let mut actions = Vec::new();
        for (link, frames) in &self.links {
            let (from, to) = *link;
            let still = starving.is_some_and(|seat| seat == from || seat == to);
            if !frames.is_empty() && !still && !self.blocked.contains_key(link) {
                actions.push(Action::Deliver(from, to));
            }
        }
        for (seat, node) in self.nodes.iter().filter(|(seat, _)| Some(**seat) != starving) {
            if !node.pushes.is_empty() {
                actions.push(Action::TakePush(*seat));
            }
            if node.wants.iter().any(|want| self.source(*seat, want, starving).is_some()) {
                actions.push(Action::Pull(*seat));
            }
        }
        if actions.is_empty() {
            return None;
        }
        // Of a few drawn at random the one of the quickest link: the greater the skew, the further apart seats get.
        let drawn: Vec<_> = (0..self.skew).map(|_| self.rng.below(actions.len())).collect();
        let chosen =
            drawn.into_iter().min_by_key(|at| self.rank(&actions[*at])).expect("the skew is at least 1");
        Some(actions.swap_remove(chosen))
    }

    fn rank(&self, action: &Action) -> u64 {
        match action {
            Action::Deliver(from, to) => self.ranks[from.index() * self.plan.n + to.index()],
            Action::TakePush(seat) | Action::Pull(seat) => self.ranks[seat.index() * (self.plan.n + 1)],
        }
    }

    /// Where a wanted payload can be had: the own disk, or an honest or lying holder that serves it.
    fn source(&self, seat: Seat, want: &Want, starving: Option<Seat>) -> Option<Vec<u8>> {
        let own = self.nodes[&seat].disk.get(&want.digest).cloned();
        own.or_else(|| {
            let reachable = want.holders.iter().filter(|holder| Some(**holder) != starving);
            reachable.into_iter().find_map(|holder| match self.nodes.get(holder) {
                Some(node) => node.disk.get(&want.digest).cloned(),
                None => self.liars[holder].serve(&want.digest),
            })
        })
    }

    fn perform(&mut self, action: Action) {
        match action {
            Action::Deliver(from, to) => self.deliver(from, to),
            Action::TakePush(seat) => {
                let node = self.nodes.get_mut(&seat).expect("actions are for honest seats");
                let at = self.rng.below(node.pushes.len());
                let payload = node.pushes.swap_remove(at);
                // Every third push is lost, and pulled later.
                if !self.rng.one_in(3) {
                    self.offer(seat, payload);
                }
            }
            Action::Pull(seat) => {
                let wants = self.nodes[&seat].wants.clone();
                let at = self.rng.below(wants.len());
                if let Some(payload) = self.source(seat, &wants[at], None) {
                    self.offer(seat, payload);
                }
            }
        }
    }

    /// Hands a payload to a seat, which looks at it, stores it and only then delivers it.
    fn offer(&mut self, seat: Seat, payload: Vec<u8>) {
        let node = self.node(seat);
        let digest = Digest::of(&payload);
        let step = if payload.starts_with(INVALID) {
            node.epoch.reject(digest)
        } else if node.epoch.expects(&digest) {
            node.disk.insert(digest, payload.clone());
            node.epoch.deliver(payload)
        } else {
            Step::default()
        };
        self.take_in(seat, step);
    }

    fn deliver(&mut self, from: Seat, to: Seat) {
        let link = (from, to);
        let frame = self.links.get_mut(&link).and_then(VecDeque::pop_front).expect("chosen with a frame");
        if let Some(liar) = self.liars.get_mut(&to) {
            let items = liar.hear(from, &frame, &mut self.rng);
            self.put(to, items);
            return;
        }
        let probe = self.rng.one_in(50);
        let node = self.node(to);
        match node.epoch.receive(from, &frame) {
            Ok(step) => {
                let before = if probe { format!("{:?}", node.epoch) } else { String::new() };
                let again = node.epoch.receive(from, &frame).expect_err("no frame is new twice");
                assert!(matches!(
                    again,
                    Refusal::Invalid(FrameFault::NotNew { .. } | FrameFault::AfterTerm { .. })
                ));
                if probe {
                    assert_eq!(before, format!("{:?}", node.epoch), "a refusal leaves a mark");
                }
                node.heard.push((from, frame));
                self.blocked.retain(|(_, receiver), ()| *receiver != to);
                self.take_in(to, step);
            }
            Err(Refusal::NotYet) => {
                self.links.entry(link).or_default().push_front(frame);
                self.blocked.insert(link, ());
            }
            Err(refusal) => panic!("{to} refuses a frame of {from}: {refusal}: {frame:?}"),
        }
    }

    /// What an honest seat does with a step: store its frame, then send it.
    fn take_in(&mut self, seat: Seat, step: Step) {
        let (liars, committee) = (self.plan.liars.clone(), self.committee);
        let node = self.node(seat);
        for fault in &step.faults {
            assert!(
                liars.iter().any(|(liar, _)| *liar == fault.seat),
                "{seat} blames an honest seat: {fault:?}"
            );
        }
        for message in &step.messages {
            assert!(node.chain.admit(*message), "{seat} contradicts itself: {message:?}");
        }
        node.outputs.extend(step.output.clone());
        node.wants = node.epoch.wants();
        for want in &step.wanted {
            assert!(node.wants.contains(want), "{seat} wants {want:?} and does not say so again");
        }
        let Some(frame) = step.frame() else { return };
        assert_eq!(frame.check(&committee), Ok(()), "{seat} makes a frame that peers refuse: {frame:?}");
        node.said.push(frame.clone());
        node.durable = node.heard.len();
        for peer in committee.seats().filter(|peer| *peer != seat) {
            self.links.entry((seat, peer)).or_default().push_back(frame.clone());
        }
    }

    /// Puts what a seat sends on its links; payloads to liars are of no use.
    fn put(&mut self, from: Seat, items: Items) {
        for (to, item) in items {
            match item {
                Item::Frame(frame) => self.links.entry((from, to)).or_default().push_back(frame),
                Item::Payload(payload) => {
                    if let Some(node) = self.nodes.get_mut(&to) {
                        node.pushes.push(payload);
                    }
                }
            }
        }
    }

    /// Loses the memory of a seat, and of what it heard a part that was not durable and will be sent again;
    /// then starts it from its disk.
    fn crash(&mut self, seat: Seat) {
        let (committee, last_set) = (self.committee, self.last_set);
        let node = self.node(seat);
        let heard = std::mem::take(&mut node.heard);
        let durable = std::mem::take(&mut node.durable);
        node.epoch = Node::epoch(committee, seat);
        for frame in &node.said {
            node.epoch.restore_own(frame).expect("own frames are as said");
        }
        let stored: Vec<_> = node.disk.values().cloned().collect();
        let mut step = node.epoch.resume(last_set);
        for payload in stored {
            step.merge(node.epoch.deliver(payload));
        }
        // A liar need not send again what was not durable.
        let kept = heard
            .into_iter()
            .enumerate()
            .filter(|(at, (from, _))| *at < durable || self.nodes.contains_key(from) || !self.rng.one_in(2));
        let mut kept: Vec<_> = kept.map(|(_, heard)| heard).collect();
        kept.reverse();
        for (from, frame) in kept {
            self.links.entry((from, seat)).or_default().push_front(frame);
        }
        self.blocked.retain(|(_, receiver), ()| *receiver != seat);
        self.take_in(seat, step);
    }

    fn outputs(self) -> Vec<Output> {
        self.check_that_all_but(None, "all is delivered");
        let outputs: Vec<_> = self.nodes.values().flat_map(|node| node.outputs.clone()).collect();
        for output in &outputs {
            assert_eq!(output, &outputs[0], "two honest outputs differ");
        }
        // n - f, written out again.
        let least = if self.plan.divided { 0 } else { self.plan.n - (self.plan.n - 1) / 3 };
        assert!(outputs[0].len() >= least, "{} of {} contributions", outputs[0].len(), self.plan.n);
        for (proposer, (digest, payload)) in &outputs[0] {
            assert_eq!(*digest, Digest::of(payload));
            assert!(!payload.starts_with(INVALID), "{proposer} gets an invalid payload through");
            if self.nodes.contains_key(proposer) {
                assert_eq!(payload.to_vec(), payload_of(*proposer), "not what {proposer} proposed");
            }
        }
        if self.plan.observed {
            self.observe(&outputs[0]);
        }
        outputs
    }

    fn check_that_all_but(&self, missing: Option<Seat>, when: &str) {
        for (seat, node) in self.nodes.iter().filter(|(seat, _)| Some(**seat) != missing) {
            assert!(!node.outputs.is_empty(), "{seat} has no output although {when}: {:?}", node.epoch);
        }
    }

    /// An observer that hears what all honest seats said comes to the same output without a word.
    fn observe(&self, expected: &Output) {
        let setup = Setup::new(self.committee, None, TAG).expect("observers need no seat");
        let mut epoch = Epoch::new(&setup, EpochNumber(1));
        let mut last = epoch.resume(self.last_set);
        let mut queues: Vec<_> = self
            .nodes
            .iter()
            .map(|(seat, node)| (*seat, node.said.iter().collect::<VecDeque<_>>()))
            .collect();
        let mut moved = true;
        while std::mem::take(&mut moved) {
            for (seat, frames) in &mut queues {
                while let Some(step) = frames.front().and_then(|frame| epoch.receive(*seat, frame).ok()) {
                    frames.pop_front();
                    moved = true;
                    last.merge(step);
                }
            }
        }
        while let Some(want) = epoch.wants().into_iter().find(|want| self.source_for_observer(want).is_some())
        {
            let payload = self.source_for_observer(&want).expect("found just now");
            last.merge(epoch.deliver(payload));
        }
        assert!(last.messages.is_empty(), "an observer speaks");
        assert_eq!(last.output.as_ref(), Some(expected), "an observer sees something else");
    }

    fn source_for_observer(&self, want: &Want) -> Option<Vec<u8>> {
        self.nodes.values().find_map(|node| node.disk.get(&want.digest).cloned())
    }

    fn node(&mut self, seat: Seat) -> &mut Node {
        self.nodes.get_mut(&seat).expect("an honest seat")
    }
}

impl Node {
    fn new(committee: Committee, seat: Seat, last_set: SeatSet) -> Self {
        let mut epoch = Self::epoch(committee, seat);
        assert!(epoch.resume(last_set).messages.is_empty(), "nothing was heard");
        Self {
            epoch,
            said: Vec::new(),
            heard: Vec::new(),
            durable: 0,
            disk: BTreeMap::new(),
            chain: Chain::default(),
            outputs: Vec::new(),
            wants: Vec::new(),
            pushes: Vec::new(),
        }
    }

    fn epoch(committee: Committee, seat: Seat) -> Epoch {
        let setup = Setup::new(committee, Some(seat), TAG).expect("the seat is in the committee");
        Epoch::new(&setup, EpochNumber(1))
    }
}
