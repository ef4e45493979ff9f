//! A network in memory: engines, stores, links and one seeded queue of events. No threads, sockets or clocks.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use entente_hbbft::Seat;
use entente_protocol::engine::{
    Config, Effect, Engine, Event, Fault, Halt, Held, Input, NodeId, RecoverError, Restored, Snapshots,
    Status, Submission, Ticket, Timing,
};
use entente_protocol::founding::Founded;
use entente_protocol::identity::{CoalitionId, RecordId};
use entente_protocol::record::Body;
use entente_protocol::replicate::{MAX_MESSAGE_BYTES, PeerMessage, serve};
use entente_protocol::store::{Archive, Write};
use entente_protocol::time::Time;
use entente_protocol::wire;

use crate::coalition::{Keys, START, found, found_with};
use crate::rng::Rng;
use entente_protocol::store::Memory as Store;

enum Happening {
    Deliver { from: usize, to: usize, link: u64, bytes: Vec<u8> },
    Tick { node: usize, due: Time },
}

/// What happened to a node's disk, in order.
#[derive(Debug, Clone)]
pub(crate) enum Kept {
    /// Its engine was recovered from what is there.
    Start,
    /// Written.
    Write(Box<Write>),
}

pub(crate) struct Node {
    pub(crate) engine: Option<Engine>,
    pub(crate) store: Store,
    /// Written and not durable yet; see [`Net::holds_back`].
    pub(crate) unsynced: Vec<Write>,
    /// If `record` is set.
    pub(crate) journal: Vec<Kept>,
    wake: Option<Time>,
    /// Added to the time that this node is told, in ms.
    pub(crate) clock_skew: i64,
    pub(crate) events: Vec<Event>,
    pub(crate) held: BTreeMap<Ticket, Held>,
    pub(crate) refused: Vec<(Ticket, String)>,
    pub(crate) halted: Option<Halt>,
    starts: u8,
    /// No engine: the test speaks for it, and what others send to it is kept in `inbox`.
    pub(crate) puppet: bool,
    pub(crate) inbox: Vec<(usize, PeerMessage)>,
    /// Moments at which the engine asked to be woken.
    pub(crate) wakes: u64,
}

impl Node {
    fn new(coalition: CoalitionId) -> Self {
        Self {
            engine: None,
            store: Store::new(coalition),
            unsynced: Vec::new(),
            journal: Vec::new(),
            wake: None,
            clock_skew: 0,
            events: Vec::new(),
            held: BTreeMap::new(),
            refused: Vec::new(),
            halted: None,
            starts: 0,
            puppet: false,
            inbox: Vec::new(),
            wakes: 0,
        }
    }
}

/// Whether a message from one node to another is lost.
pub(crate) type Loses = Box<dyn Fn(usize, usize, &PeerMessage) -> bool>;

pub(crate) struct Net {
    pub(crate) founded: Arc<Founded>,
    pub(crate) keys: Vec<Keys>,
    pub(crate) nodes: Vec<Node>,
    pub(crate) rng: Rng,
    pub(crate) now: Time,
    queue: BTreeMap<(Time, u64), Happening>,
    counter: u64,
    /// Links that are cut, lower index first.
    pub(crate) cut: BTreeSet<(usize, usize)>,
    /// Counts the lives of each pair's stream: what was under way on an earlier one is lost.
    links: BTreeMap<(usize, usize), u64>,
    pub(crate) latency_ms: u64,
    /// Percent of messages that overtake others of their stream.
    pub(crate) reorder: u64,
    /// Percent of deliveries that wait for a later one and are taken with it in one go.
    pub(crate) together: u64,
    /// Inputs that wait for the next one of their node.
    waiting: BTreeMap<usize, Vec<Input>>,
    /// Percent of messages that are lost although the stream stays up.
    pub(crate) loss: u64,
    /// Messages that are lost, by sender and receiver.
    pub(crate) loses: Option<Loses>,
    /// Nodes to which nothing gets through although their streams stay up.
    pub(crate) deaf: BTreeSet<usize>,
    /// A node, and after how many more of its effects it crashes.
    pub(crate) crash_in: Option<(usize, usize)>,
    /// Of what such a crash finds unsynced, how many writes stay.
    pub(crate) keeps: usize,
    /// How many stayed.
    pub(crate) stayed: Option<usize>,
    /// Makes writes durable only when something leaves behind them, as the store may at its weakest.
    pub(crate) holds_back: bool,
    /// Bytes of each message that a node has sent, by sender and receiver, if `record` is set.
    pub(crate) traffic: Vec<(usize, usize, Vec<u8>)>,
    pub(crate) record: bool,
    /// The rule of nodes that start from now on.
    pub(crate) snapshots: Snapshots,
    pub(crate) timing: Timing,
    ticket: u64,
    pub(crate) steps: u64,
    /// Messages handed over.
    pub(crate) delivered: u64,
}

fn pair(a: usize, b: usize) -> (usize, usize) {
    (a.min(b), a.max(b))
}

impl Net {
    pub(crate) fn new(n: u8, seed: u64) -> Self {
        Self::of(found(n), seed)
    }

    /// With one more node, behind the others, for each of `seconds`.
    pub(crate) fn with_seconds(n: u8, seconds: &[u8], seed: u64) -> Self {
        Self::of(found_with(n, seconds), seed)
    }

    fn of((founded, keys): (Arc<Founded>, Vec<Keys>), seed: u64) -> Self {
        let coalition = founded.coalition();
        let nodes = keys.iter().map(|_| Node::new(coalition)).collect();
        Self {
            founded,
            keys,
            nodes,
            rng: Rng::new(seed),
            now: START,
            queue: BTreeMap::new(),
            counter: 0,
            cut: BTreeSet::new(),
            links: BTreeMap::new(),
            latency_ms: 5,
            reorder: 0,
            together: 0,
            waiting: BTreeMap::new(),
            loss: 0,
            loses: None,
            deaf: BTreeSet::new(),
            crash_in: None,
            keeps: usize::MAX,
            stayed: None,
            holds_back: false,
            traffic: Vec::new(),
            record: false,
            snapshots: Snapshots::DEFAULT,
            timing: Timing::LAN,
            ticket: 0,
            steps: 0,
            delivered: 0,
        }
    }

    /// One more node, which the charter does not name and which has no seat; not started.
    pub(crate) fn newcomer(&mut self) -> usize {
        let node = self.nodes.len();
        self.keys.push(Keys::of(node as u8));
        self.nodes.push(Node::new(self.founded.coalition()));
        node
    }

    /// Sets streams up anew between a node and all others, as a mesh does that lets it in now.
    pub(crate) fn admit(&mut self, node: usize) {
        for other in 0..self.nodes.len() {
            self.connect(node, other);
        }
    }

    pub(crate) fn node_id(&self, node: usize) -> NodeId {
        self.keys[node].node.public()
    }

    fn index_of(&self, id: &NodeId) -> usize {
        self.keys.iter().position(|keys| keys.node.public() == *id).expect("a member")
    }

    fn local(&self, node: usize) -> Time {
        Time(self.now.0.saturating_add_signed(self.nodes[node].clock_skew))
    }

    pub(crate) fn start(&mut self, node: usize) {
        assert!(self.nodes[node].engine.is_none(), "starts once");
        self.nodes[node].starts += 1;
        let config = self.config(node);
        let now = self.local(node);
        let (engine, effects) =
            Engine::recover(config, &self.nodes[node].store, now).expect("the store is whole");
        self.nodes[node].engine = Some(engine);
        self.nodes[node].wake = None;
        if self.record {
            self.nodes[node].journal.push(Kept::Start);
        }
        self.carry_out(node, effects, usize::MAX);
        for other in 0..self.nodes.len() {
            self.connect(node, other);
        }
    }

    fn config(&self, node: usize) -> Config {
        let keys = Keys::of(node as u8);
        Config {
            founded: Arc::clone(&self.founded),
            node: keys.node,
            seat: Some(keys.seat).filter(|_| node < self.founded.committee_size()),
            timing: self.timing,
            snapshots: self.snapshots,
            heeds_conviction: true,
            nonce: [self.nodes[node].starts; 32],
        }
    }

    /// Restores a node that is down, and takes note that it has not halted any more.
    pub(crate) fn restore(&mut self, node: usize) -> Result<Restored, RecoverError> {
        assert!(self.nodes[node].engine.is_none(), "only a node that is down is restored");
        let mut restored = Engine::restore(self.config(node), &self.nodes[node].store, self.now)?;
        for write in restored.writes.drain(..) {
            self.nodes[node].store.write(write);
        }
        self.nodes[node].halted = None;
        Ok(restored)
    }

    /// Why a node that is down cannot start.
    pub(crate) fn start_error(&self, node: usize) -> Option<RecoverError> {
        Engine::recover(self.config(node), &self.nodes[node].store, self.now).err()
    }

    pub(crate) fn start_all(&mut self) {
        for node in 0..self.nodes.len() {
            if !self.is_running(node) {
                self.start(node);
            }
        }
    }

    /// Lets the test speak for a member instead of an engine, before or after its engine has run.
    pub(crate) fn puppet(&mut self, node: usize) {
        self.crash(node);
        self.nodes[node].puppet = true;
        for other in 0..self.nodes.len() {
            self.connect(node, other);
        }
    }

    fn is_running(&self, node: usize) -> bool {
        self.nodes[node].engine.is_some() || self.nodes[node].puppet
    }

    fn is_up(&self, a: usize, b: usize) -> bool {
        a != b && self.is_running(a) && self.is_running(b) && !self.cut.contains(&pair(a, b))
    }

    /// Sends a message of a puppet on its stream to another member.
    pub(crate) fn say(&mut self, from: usize, to: usize, message: &PeerMessage) {
        assert!(self.nodes[from].puppet, "an engine speaks for itself");
        self.post(from, to, wire::encode(message));
    }

    pub(crate) fn engine(&self, node: usize) -> &Engine {
        self.nodes[node].engine.as_ref().expect("runs")
    }

    pub(crate) fn status(&self, node: usize) -> Status {
        self.engine(node).status(self.now)
    }

    fn connect(&mut self, a: usize, b: usize) {
        if self.is_up(a, b) {
            *self.links.entry(pair(a, b)).or_default() += 1;
            let (ida, idb) = (self.node_id(a), self.node_id(b));
            self.input(a, Input::PeerUp(idb));
            self.input(b, Input::PeerUp(ida));
        }
    }

    pub(crate) fn cut(&mut self, a: usize, b: usize) {
        let was_up = self.is_up(a, b);
        self.cut.insert(pair(a, b));
        if was_up {
            *self.links.entry(pair(a, b)).or_default() += 1;
            let (ida, idb) = (self.node_id(a), self.node_id(b));
            self.input(a, Input::PeerDown(idb));
            self.input(b, Input::PeerDown(ida));
        }
    }

    pub(crate) fn heal_all(&mut self) {
        for (a, b) in std::mem::take(&mut self.cut) {
            self.connect(a, b);
        }
    }

    /// Stops a node at once: what it holds in memory and what is under way on its streams is lost.
    pub(crate) fn crash(&mut self, node: usize) {
        self.waiting.remove(&node);
        self.sync(node);
        if self.nodes[node].engine.take().is_none() {
            return;
        }
        let id = self.node_id(node);
        for other in 0..self.nodes.len() {
            if other != node && self.nodes[other].engine.is_some() && !self.cut.contains(&pair(node, other)) {
                *self.links.entry(pair(node, other)).or_default() += 1;
                self.input(other, Input::PeerDown(id));
            }
        }
    }

    /// Gives an input and crashes after `effects` of its effects.
    pub(crate) fn crash_within(&mut self, node: usize, input: Input, effects: usize) {
        let now = self.local(node);
        if let Some(engine) = &mut self.nodes[node].engine {
            let all = engine.handle(now, input);
            self.carry_out(node, all, effects);
        }
        self.crash(node);
    }

    pub(crate) fn input(&mut self, node: usize, input: Input) {
        let now = self.local(node);
        let waits =
            self.together > 0 && matches!(input, Input::Received { .. }) && self.rng.chance(self.together);
        let waiting = self.waiting.entry(node).or_default();
        waiting.push(input);
        if waits {
            return;
        }
        let inputs = std::mem::take(waiting);
        if let Some(engine) = &mut self.nodes[node].engine {
            let effects = engine.handle_all(now, inputs);
            self.carry_out(node, effects, usize::MAX);
        }
    }

    fn carry_out(&mut self, node: usize, effects: Vec<Effect>, most: usize) {
        for effect in effects.into_iter().take(most) {
            if let Some((_, left)) = self.crash_in.as_mut().filter(|(at, _)| *at == node) {
                if *left == 0 {
                    self.crash_in = None;
                    self.nodes[node].unsynced.truncate(self.keeps);
                    self.stayed = Some(self.nodes[node].unsynced.len());
                    return self.crash(node);
                }
                *left -= 1;
            }
            if !matches!(effect, Effect::Persist(_) | Effect::WakeAt(_)) {
                self.sync(node);
            }
            match effect {
                Effect::Persist(write) => self.nodes[node].unsynced.push(write),
                Effect::Send { to, message } => {
                    let to = self.index_of(&to);
                    let bytes = wire::encode(&message);
                    assert!(bytes.len() <= MAX_MESSAGE_BYTES, "a message of {} bytes", bytes.len());
                    self.post(node, to, bytes);
                }
                Effect::Serve { to, want, frames, part } => {
                    let to = self.index_of(&to);
                    let messages = serve(&self.nodes[node].store, &want, &frames, part.as_ref());
                    let messages = messages.expect("memory is whole");
                    for message in messages {
                        self.post(node, to, wire::encode(&message));
                    }
                }
                Effect::Reply { ticket, result } => match result {
                    Ok(held) => {
                        self.nodes[node].held.insert(ticket, held);
                    }
                    Err(refused) => self.nodes[node].refused.push((ticket, refused.code)),
                },
                Effect::Notify(event) => self.nodes[node].events.push(event),
                Effect::WakeAt(at) => {
                    self.nodes[node].wake = Some(at);
                    self.nodes[node].wakes += 1;
                    let wait = at.since(self.local(node)).max(1);
                    self.push(self.now.plus(wait), Happening::Tick { node, due: at });
                }
                Effect::Halt(halt) => self.nodes[node].halted = Some(halt),
            }
        }
        if !self.holds_back {
            self.sync(node);
        }
        if self.nodes[node].halted.is_some() {
            self.crash(node);
        }
    }

    /// Makes durable all that a node has written.
    pub(crate) fn sync(&mut self, node: usize) {
        let node = &mut self.nodes[node];
        for write in node.unsynced.drain(..) {
            if self.record {
                node.journal.push(Kept::Write(Box::new(write.clone())));
            }
            node.store.write(write);
            let contradictions = &node.store.contradictions;
            assert!(contradictions.is_empty(), "{contradictions:?}");
        }
    }

    fn push(&mut self, at: Time, happening: Happening) {
        self.counter += 1;
        self.queue.insert((at, self.counter), happening);
    }

    fn post(&mut self, from: usize, to: usize, bytes: Vec<u8>) {
        if !self.is_up(from, to) {
            return;
        }
        if self.holds_back
            && let Ok(PeerMessage::Spoken(spoken)) = wire::decode(&bytes, MAX_MESSAGE_BYTES)
        {
            let store = &self.nodes[from].store;
            let certified = store.last_certificate().expect("whole").map_or(0, |(epoch, _)| epoch);
            let place = (spoken.epoch, Seat(from as u16), spoken.seq);
            let durable = spoken.epoch <= certified || store.frames.contains_key(&place);
            assert!(durable, "{place:?} left before it was durable");
        }
        if self.record {
            self.traffic.push((from, to, bytes.clone()));
        }
        if self.deaf.contains(&to) || self.rng.chance(self.loss) {
            return;
        }
        if let Some(loses) = &self.loses {
            let message = wire::decode(&bytes, MAX_MESSAGE_BYTES).expect("an engine sends good messages");
            if loses(from, to, &message) {
                return;
            }
        }
        let link = self.links[&pair(from, to)];
        let extra = if self.rng.chance(self.reorder) { self.rng.below(20 * self.latency_ms + 1) } else { 0 };
        self.push(self.now.plus(self.latency_ms + extra), Happening::Deliver { from, to, link, bytes });
    }

    /// Hands bytes to a node as if `from` had sent them.
    pub(crate) fn inject(&mut self, from: usize, to: usize, bytes: Vec<u8>) {
        self.delivered += 1;
        if self.nodes[to].puppet {
            let message = wire::decode(&bytes, MAX_MESSAGE_BYTES).expect("an engine sends good messages");
            self.nodes[to].inbox.push((from, message));
        } else {
            let peer = self.node_id(from);
            self.input(to, Input::Received { peer, bytes });
        }
    }

    /// Lets the next thing happen; false if nothing ever will.
    pub(crate) fn step(&mut self) -> bool {
        let Some(((at, _), happening)) = self.queue.pop_first() else { return false };
        self.now = self.now.max(at);
        self.steps += 1;
        match happening {
            Happening::Deliver { from, to, link, bytes } => {
                if self.is_up(from, to) && self.links[&pair(from, to)] == link {
                    self.inject(from, to, bytes);
                }
            }
            Happening::Tick { node, due } => {
                if self.nodes[node].wake == Some(due) {
                    self.nodes[node].wake = None;
                    self.input(node, Input::Tick);
                }
            }
        }
        true
    }

    pub(crate) fn run_for(&mut self, span_ms: u64) {
        let until = self.now.plus(span_ms);
        while self.queue.first_key_value().is_some_and(|((at, _), _)| *at <= until) {
            self.step();
        }
        self.now = until;
    }

    /// Runs until `done`, at most `limit_ms` of simulated time.
    pub(crate) fn run_until(&mut self, limit_ms: u64, mut done: impl FnMut(&Self) -> bool) -> bool {
        let until = self.now.plus(limit_ms);
        loop {
            if done(self) {
                return true;
            }
            match self.queue.first_key_value() {
                Some(((at, _), _)) if *at <= until => self.step(),
                _ => return false,
            };
        }
    }

    pub(crate) fn submission(&mut self, body: Vec<u8>) -> (Ticket, Input) {
        self.ticket += 1;
        let ticket = Ticket(self.ticket);
        (ticket, Input::Submit(vec![Submission { ticket, lane: None, body }]))
    }

    /// Submits a note; returns its id if the node took it.
    pub(crate) fn note(&mut self, node: usize, text: &str) -> Option<RecordId> {
        let (ticket, input) = self.submission(Body::Note(text.as_bytes().to_vec()).encode());
        self.input(node, input);
        self.nodes[node].held.get(&ticket).map(|held| held.id)
    }

    /// The ids that a node was told are ordered, in order.
    pub(crate) fn ordered(&self, node: usize) -> Vec<RecordId> {
        let ordered = |event: &Event| match event {
            Event::Ordered { id, .. } => Some(*id),
            _ => None,
        };
        self.nodes[node].events.iter().filter_map(ordered).collect()
    }

    /// Faults that a node saw, whole.
    pub(crate) fn convictions(&self, node: usize) -> Vec<Fault> {
        let fault = |event: &Event| match event {
            Event::Fault(fault) => Some(fault.clone()),
            _ => None,
        };
        self.nodes[node].events.iter().filter_map(fault).collect()
    }

    /// Faults that a node saw: code and words.
    pub(crate) fn faults(&self, node: usize) -> Vec<(&'static str, String)> {
        let fault = |event: &Event| match event {
            Event::Fault(fault) => Some((fault.code, fault.what.clone())),
            _ => None,
        };
        self.nodes[node].events.iter().filter_map(fault).collect()
    }
}
