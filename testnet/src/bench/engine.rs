//! The engines of a whole coalition in one process, in lock step: what agreement costs without sockets and disks.
//!
//! Method. All messages of one round arrive in the next, so that rounds are message delays; what an engine finds waiting
//! it takes together, as the node does. Stores are in memory. CPU is that of this process: engines, encoding, and the
//! stores in memory; one thread. Between entries time runs until everything that was put off is said, so the
//! spreading of frontiers counts as well.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use entente_protocol::engine::{
    Config, Effect, Engine, Event, Halt, Input, NodeId, Snapshots, Submission, Ticket, Timing,
};
use entente_protocol::record::Body;
use entente_protocol::replicate::{PeerMessage, serve};
use entente_protocol::store::Write;
use entente_protocol::time::Time;
use entente_protocol::wire;
use rustix::time::{ClockId, clock_gettime};
use serde::Serialize;

use super::NOTE_BYTES;
use crate::network::Error;
use crate::say::say;
use crate::sim::disk::Disk;
use crate::sim::members::{Member, START, found};

/// Lone entries that are measured, by number of seats.
const LONE: [(usize, u32); 4] = [(4, 400), (10, 100), (16, 50), (64, 6)];
/// Lone entries before anything is measured.
const WARM_UP: u32 = 3;
/// Ten thousand transactions of 100 bytes, a quarter at each of four seats, in the largest entries that fit.
const TRANSACTIONS_BYTES: usize = 10_000 * 100;
const ENTRY_BYTES: usize = 15_625;
/// How often they are ordered.
const FULL_ROUNDS: u32 = 20;
/// More rounds than any entry takes; more mean a fault.
const MAX_ROUNDS: u64 = 100_000;

/// One case. CPU, frames and bytes are per node and epoch.
#[derive(Debug, Serialize)]
struct Case {
    n: usize,
    /// Entries that were ordered, per epoch.
    entries: f64,
    /// Bytes of an entry's body.
    entry_bytes: usize,
    epochs: u64,
    /// Process CPU in ms.
    cpu_ms: f64,
    /// Vote frames signed.
    frames: f64,
    /// Bytes of messages sent, without transport.
    bytes: f64,
    /// The same messages by kind: how many, and their bytes.
    kinds: BTreeMap<&'static str, [f64; 2]>,
    /// Message delays from held by all to ordered at all, the median.
    delays: u64,
    /// Process CPU per node until all entries that were submitted together are ordered, in ms.
    cpu_ms_together: f64,
}

/// Runs the benchmark.
pub(crate) fn engine(json: bool) -> Result<(), Error> {
    let mut cases = Vec::new();
    for (n, entries) in LONE {
        cases.push(lone(n, entries)?);
        if !json {
            print(cases.last().expect("just pushed"));
        }
    }
    cases.push(full()?);
    if json {
        say(&serde_json::to_string(&cases).expect("plain numbers"));
    } else {
        print(cases.last().expect("just pushed"));
    }
    Ok(())
}

fn print(case: &Case) {
    say(&format!(
        "n = {:2}, {:3.0} entries of {:5} B an epoch: {:7.3} ms CPU, {:.1} frames, {:8.0} bytes per node and epoch, {} delays; {:.2} ms for what was submitted together",
        case.n,
        case.entries,
        case.entry_bytes,
        case.cpu_ms,
        case.frames,
        case.bytes,
        case.delays,
        case.cpu_ms_together
    ));
}

fn lone(n: usize, entries: u32) -> Result<Case, Error> {
    let mut net = Net::new(n)?;
    for at in 0..WARM_UP {
        net.order(&[(at as usize % n, 1)], NOTE_BYTES)?;
    }
    net.count_anew();
    let mut delays = Vec::new();
    for at in 0..entries {
        delays.push(net.order(&[(at as usize % n, 1)], NOTE_BYTES)?);
    }
    Ok(net.case(entries, entries, NOTE_BYTES, delays))
}

fn full() -> Result<Case, Error> {
    let mut net = Net::new(4)?;
    let each = TRANSACTIONS_BYTES / ENTRY_BYTES / 4;
    let batch: Vec<(usize, usize)> = (0..4).map(|node| (node, each)).collect();
    net.order(&batch, ENTRY_BYTES)?;
    net.count_anew();
    let mut delays = Vec::new();
    for _ in 0..FULL_ROUNDS {
        delays.push(net.order(&batch, ENTRY_BYTES)?);
    }
    Ok(net.case(FULL_ROUNDS * 4 * each as u32, FULL_ROUNDS, ENTRY_BYTES, delays))
}

/// The engines, their stores, and what is under way.
struct Net {
    nodes: Vec<Node>,
    index: BTreeMap<NodeId, usize>,
    now: Time,
    rounds: u64,
    tickets: u64,
    /// Makes every body another one.
    counter: u64,
    counts: Counts,
}

struct Node {
    id: NodeId,
    engine: Engine,
    disk: Disk,
    /// What arrives in the next round.
    inbox: Vec<Input>,
    wake: Option<Time>,
    /// Entries of the current submission that it holds, and that are ordered here.
    held: BTreeSet<(NodeId, u64)>,
    ordered: usize,
}

#[derive(Default)]
struct Counts {
    cpu: Duration,
    frames: u64,
    bytes: u64,
    kinds: BTreeMap<&'static str, [u64; 2]>,
    epochs: u64,
}

/// What a message is called in the figures.
fn kind(message: &PeerMessage) -> &'static str {
    match message {
        PeerMessage::Have(_) => "frontier",
        PeerMessage::Want(_) | PeerMessage::Served(_) => "want",
        PeerMessage::Run(_) => "run",
        PeerMessage::Frame(_) | PeerMessage::Spoken(_) => "frame",
        PeerMessage::Payload { .. } => "payload",
        PeerMessage::Cosign(_) => "cosignature",
        PeerMessage::Certificate { .. } | PeerMessage::Epoch(_) => "certificate",
        PeerMessage::HeadRequest(_) | PeerMessage::HeadReport(_) => "report",
        PeerMessage::Snapshot(_) | PeerMessage::State { .. } => "state",
    }
}

fn cpu() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), u32::try_from(time.tv_nsec).unwrap_or(0))
}

fn stopped(halt: &Halt) -> Error {
    Error::input(
        format!("an engine stopped: {halt:?}"),
        "the same command again; this is a fault of the program",
    )
}

impl Net {
    fn new(n: usize) -> Result<Self, Error> {
        let (founded, members) = found(n, 0);
        let mut nodes = Vec::new();
        let mut first = Vec::new();
        for i in 0..n {
            let member = Member::of(i, n);
            let id = member.node.public();
            let mut nonce = [0; 32];
            nonce[..8].copy_from_slice(&(i as u64).to_le_bytes());
            let disk = Disk::new(founded.coalition());
            let founded = Arc::clone(&founded);
            let config = Config {
                founded,
                node: member.node,
                seat: member.seat,
                timing: Timing::LAN,
                snapshots: Snapshots::DEFAULT,
                heeds_conviction: true,
                nonce,
            };
            let (engine, effects) = Engine::recover(config, &disk.durable, START).map_err(|error| {
                Error::input(
                    format!("an empty store cannot be read: {error}"),
                    "this is a fault of the program",
                )
            })?;
            first.push(effects);
            nodes.push(Node {
                id,
                engine,
                disk,
                inbox: Vec::new(),
                wake: None,
                held: BTreeSet::new(),
                ordered: 0,
            });
        }
        let index = members.iter().enumerate().map(|(i, member)| (member.node.public(), i)).collect();
        let counts = Counts::default();
        let mut net = Self { nodes, index, now: START, rounds: 0, tickets: 0, counter: 0, counts };
        for (node, effects) in first.into_iter().enumerate() {
            net.carry_out(node, effects)?;
        }
        for node in 0..n {
            let others = net.nodes.iter().map(|other| other.id).filter(|id| *id != net.nodes[node].id);
            let ups: Vec<Input> = others.map(Input::PeerUp).collect();
            net.nodes[node].inbox.extend(ups);
        }
        net.settle(|_| true)?;
        Ok(net)
    }

    fn count_anew(&mut self) {
        self.counts = Counts { cpu: cpu(), epochs: self.applied(), ..Counts::default() };
    }

    fn applied(&self) -> u64 {
        self.nodes[0].engine.status(self.now).applied
    }

    fn case(&self, entries: u32, together: u32, entry_bytes: usize, mut delays: Vec<u64>) -> Case {
        let cpu = (cpu() - self.counts.cpu).as_secs_f64() * 1_000.0 / self.nodes.len() as f64;
        let epochs = self.applied() - self.counts.epochs;
        let per = |count: u64| count as f64 / self.nodes.len() as f64 / epochs as f64;
        delays.sort_unstable();
        Case {
            n: self.nodes.len(),
            entries: f64::from(entries) / epochs as f64,
            entry_bytes,
            epochs,
            cpu_ms: cpu / epochs as f64,
            frames: per(self.counts.frames),
            bytes: per(self.counts.bytes),
            kinds: self.counts.kinds.iter().map(|(&kind, of)| (kind, of.map(per))).collect(),
            delays: delays.get(delays.len() / 2).copied().unwrap_or(0),
            cpu_ms_together: cpu / f64::from(together),
        }
    }

    /// Submits so many entries at each node and lets all order them; returns how many rounds that took from when the last
    /// node held all.
    fn order(&mut self, submitted: &[(usize, usize)], bytes: usize) -> Result<u64, Error> {
        let total: usize = submitted.iter().map(|(_, entries)| entries).sum();
        for node in &mut self.nodes {
            (node.held, node.ordered) = (BTreeSet::new(), 0);
        }
        for &(node, entries) in submitted {
            let mut submissions = Vec::new();
            for _ in 0..entries {
                self.tickets += 1;
                self.counter += 1;
                let mut note = vec![0; bytes];
                note[..8].copy_from_slice(&self.counter.to_le_bytes());
                let body = Body::Note(note).encode();
                submissions.push(Submission { ticket: Ticket(self.tickets), lane: None, body });
            }
            self.nodes[node].inbox.push(Input::Submit(submissions));
        }
        let mut held_by_all = None;
        let mut ordered_by_all = None;
        self.settle(|net| {
            if held_by_all.is_none() && net.nodes.iter().all(|node| node.held.len() >= total) {
                held_by_all = Some(net.rounds);
            }
            if ordered_by_all.is_none() && net.nodes.iter().all(|node| node.ordered >= total) {
                ordered_by_all = Some(net.rounds);
            }
            ordered_by_all.is_some()
        })?;
        Ok(ordered_by_all.unwrap_or(0) - held_by_all.unwrap_or(0))
    }

    /// Goes on until nothing is under way or put off and `done` holds.
    fn settle(&mut self, mut done: impl FnMut(&Self) -> bool) -> Result<(), Error> {
        let first = self.rounds;
        loop {
            if self.rounds - first > MAX_ROUNDS {
                return Err(Error::input(
                    format!("not ordered after {MAX_ROUNDS} rounds"),
                    "the same command again; this is a fault of the program",
                ));
            }
            let moved = self.round()?;
            let done = done(self);
            if moved {
                continue;
            }
            // Nothing is under way: on to what was put off, at most a second from now.
            let next = self.nodes.iter().filter_map(|node| node.wake).min();
            match next {
                Some(at) if !done || at.since(self.now) <= 1_000 => {
                    self.now = Time(at.0.max(self.now.0 + 1) - 1)
                }
                _ if done => return Ok(()),
                _ => {
                    return Err(Error::input(
                        "the engines stand still",
                        "the same command again; this is a fault of the program",
                    ));
                }
            }
        }
    }

    /// One message delay, of a millisecond; whether anybody had anything to do.
    fn round(&mut self) -> Result<bool, Error> {
        self.now = self.now.plus(1);
        self.rounds += 1;
        let waiting: Vec<(usize, Vec<Input>)> = self
            .nodes
            .iter_mut()
            .enumerate()
            .map(|(at, node)| {
                let mut inputs = std::mem::take(&mut node.inbox);
                if node.wake.is_some_and(|wake| wake <= self.now) {
                    node.wake = None;
                    inputs.push(Input::Tick);
                }
                (at, inputs)
            })
            .filter(|(_, inputs)| !inputs.is_empty())
            .collect();
        let moved = !waiting.is_empty();
        for (at, inputs) in waiting {
            let effects = self.nodes[at].engine.handle_all(self.now, inputs);
            self.carry_out(at, effects)?;
        }
        Ok(moved)
    }

    fn carry_out(&mut self, from: usize, effects: Vec<Effect>) -> Result<(), Error> {
        for effect in effects {
            let node = &mut self.nodes[from];
            if !matches!(effect, Effect::Persist(_) | Effect::WakeAt(_)) {
                node.disk.sync(|_, _| {});
            }
            match effect {
                Effect::Persist(write) => {
                    match &write {
                        Write::Run { run, heads } => {
                            node.held.extend(heads.iter().map(|head| (run.feed.node, head.length)));
                        }
                        Write::Frame(frame) if usize::from(frame.feed.seat.0) == from => {
                            self.counts.frames += 1
                        }
                        _ => {}
                    }
                    node.disk.write(write);
                }
                Effect::Send { to, message } => self.send(from, &to, &message),
                Effect::Serve { to, want, frames, part } => {
                    let messages = serve(&node.disk.durable, &want, &frames, part.as_ref())
                        .expect("a store in memory is whole");
                    for message in messages {
                        self.send(from, &to, &message);
                    }
                }
                Effect::Notify(Event::Ordered { .. }) => node.ordered += 1,
                Effect::Reply { .. } | Effect::Notify(_) => {}
                Effect::WakeAt(at) => node.wake = Some(at),
                Effect::Halt(halt) => return Err(stopped(&halt)),
            }
        }
        Ok(())
    }

    fn send(&mut self, from: usize, to: &NodeId, message: &PeerMessage) {
        let bytes = wire::encode(message);
        self.counts.bytes += bytes.len() as u64;
        let of = self.counts.kinds.entry(kind(message)).or_default();
        *of = [of[0] + 1, of[1] + bytes.len() as u64];
        let peer = self.nodes[from].id;
        let to = self.index[to];
        self.nodes[to].inbox.push(Input::Received { peer, bytes });
    }
}
