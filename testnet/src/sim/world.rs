//! Processes, links and one queue of events: production engines and replication, no threads, sockets or clocks.

mod brief;
mod links;
mod power;
mod words;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use entente_protocol::engine::{
    Effect, Engine, Event, Halt, Input, NodeId, Snapshots, Submission, Ticket, Timing,
};
use entente_protocol::founding::Founded;
use entente_protocol::replicate::serve;
use entente_protocol::store::Write;
use entente_protocol::time::Time;
use entente_protocol::vote::VoteFrame;
use sha2::{Digest as _, Sha256};

use self::brief::Briefly;
use self::power::{Fuse, STARTS};
use super::disk::{Contents, Disk};
use super::history::History;
use super::liars::{Liar, Liars, Twins, Way};
use super::members::{Member, START, found, found_with_course, found_with_pact, found_with_powers};
use super::oracle::Oracle;
use super::rng::Rng;
use super::summary::{Count, Counts};

/// Bytes that may be under way on a slow link; what is beyond is lost, as where a stream's queue is full.
const MAX_QUEUED_BYTES: u64 = 4 << 20;

/// One process: a member's engine and disk. Twins are two of one member.
pub(super) struct Process {
    pub(super) member: usize,
    pub(super) engine: Option<Engine>,
    pub(super) disk: Disk,
    backup: Option<Contents>,
    wake: Option<Time>,
    /// Its clock is off by so much, in ms.
    pub(super) skew: i64,
    starts: u64,
    pub(super) halted: Option<Halt>,
    /// What comes out of it instead of what its engine says.
    liar: Option<Box<dyn Liar>>,
    /// How it speaks in brief, if it lies and does.
    briefly: Option<Briefly>,
    crash_in: Option<Fuse>,
    /// Inputs that are taken with the next one.
    waiting: Vec<Input>,
    /// Other processes with which it never has a link: those of the other twin.
    apart: BTreeSet<usize>,
    /// The frames of the own seat that its engine wrote, by epoch and place.
    said: BTreeMap<(u64, u32), VoteFrame>,
}

enum Happening {
    Deliver {
        from: usize,
        to: usize,
        life: u64,
        bytes: Arc<[u8]>,
    },
    Tick {
        process: usize,
        due: Time,
    },
    Start {
        process: usize,
    },
    /// A link that was cut comes back, if it is not cut for longer meanwhile.
    Mend {
        a: usize,
        b: usize,
    },
    /// A liar speaks unasked.
    Murmur {
        process: usize,
    },
}

/// The simulated network.
pub(super) struct World {
    pub(super) founded: Arc<Founded>,
    pub(super) members: Vec<Member>,
    pub(super) processes: Vec<Process>,
    pub(super) history: History,
    pub(super) oracle: Oracle,
    pub(super) counts: Counts,
    pub(super) now: Time,
    pub(super) steps: u64,
    /// After so many nothing happens any more.
    most_steps: u64,
    /// The network has healed: no loss, short ways.
    pub(super) calm: bool,
    rng: Rng,
    /// Of starts in which power is lost: what else happens is drawn as it is without them.
    starts: Rng,
    queue: BTreeMap<(Time, u64), Happening>,
    counter: u64,
    /// Until when each link is cut, lower process first.
    cuts: BTreeMap<(usize, usize), Time>,
    /// Until when nothing gets through, by direction.
    deaf: BTreeMap<(usize, usize), Time>,
    /// Counts the lives of each pair's stream: what was under way on an earlier one is lost.
    lives: BTreeMap<(usize, usize), u64>,
    /// Until when a slow link is busy.
    busy: BTreeMap<(usize, usize), Time>,
    timing: Timing,
    snapshots: Snapshots,
    tickets: u64,
    trace: Sha256,
    plan: [u8; 32],
}

/// When the state is copied: often enough for a history of a few dozen epochs to see it.
fn drawn_snapshots(rng: &mut Rng) -> Snapshots {
    Snapshots {
        epochs: *rng.pick(&[1, 1, 3, 8, 1_024]),
        leaves: *rng.pick(&[20, 1_000]),
        behind: *rng.pick(&[None, Some(0), Some(0), Some(2), Some(8)]),
    }
}

fn pair(a: usize, b: usize) -> (usize, usize) {
    (a.min(b), a.max(b))
}

impl World {
    /// A world in which `most_steps` things may happen.
    pub(super) fn new(history: History, most_steps: u64) -> Self {
        let (seats, further) = (history.seats, history.further);
        let (founded, members) = match (history.affairs, history.powers, history.pact) {
            (.., Some(follow)) => found_with_pact(seats, further, follow),
            (_, true, None) => found_with_powers(seats, further),
            (true, false, None) => found_with_course(seats, further),
            (false, false, None) => found(seats, further),
        };
        let mut rng = Rng::new(history.seed, 2);
        let timing = match rng.below(4) {
            0 => Timing {
                gossip_ms: 200,
                ask_timeout_ms: 3_000,
                repeat_ms: 3_000,
                start_gap_ms: 100,
                linger_ms: 300,
            },
            1 => Timing { linger_ms: 0, ..Timing::LAN },
            2 => Timing { linger_ms: 100, ..Timing::LAN },
            _ => Timing::LAN,
        };
        let coalition = founded.coalition();
        let mut world = Self {
            oracle: Oracle::new(&founded, &members, &history),
            counts: Counts::default(),
            now: START,
            steps: 0,
            most_steps,
            calm: false,
            rng,
            starts: Rng::new(history.seed, STARTS),
            queue: BTreeMap::new(),
            counter: 0,
            cuts: BTreeMap::new(),
            deaf: BTreeMap::new(),
            lives: BTreeMap::new(),
            busy: BTreeMap::new(),
            timing,
            snapshots: drawn_snapshots(&mut Rng::new(history.seed, 9)),
            tickets: 0,
            trace: Sha256::new(),
            plan: [0; 32],
            processes: Vec::new(),
            founded,
            members,
            history,
        };
        world.counts.add(Count::Theme(world.history.weather.theme.name()), 1);
        for member in 0..world.members.len() {
            let way = world.history.liars.iter().find(|(liar, _)| *liar == member).map(|(_, way)| *way);
            let liar = way.and_then(|way| {
                world.counts.add(Count::Liar(way.name()), 1);
                let liars = Liars {
                    members: world.members.len(),
                    seed: world.history.seed,
                    target: world.history.weather.target,
                    all: world.history.liars.clone(),
                };
                way.liar(&liars, &mut world.rng)
            });
            let skew = way.and_then(|way| way.skew(&mut world.rng)).unwrap_or(world.history.skews[member]);
            let briefly = liar.as_ref().and_then(|_| Briefly::draw(world.history.seed, member));
            world.counts.add(Count::Brief, u64::from(briefly.is_some()));
            world
                .processes
                .push(Process { briefly, ..Process::new(member, Disk::new(coalition), skew, liar) });
        }
        let twins = world.history.liars.clone();
        for (member, _) in twins.into_iter().filter(|(_, way)| way.is_twin()) {
            world.add_twin(member);
        }
        // Where the stream of draws now stands tells what liars have drawn.
        let drawn = format!("{:?} {timing:?} {:?} {:?}", world.history, world.snapshots, world.rng);
        world.plan = Sha256::digest(drawn).into();
        let authors = world.history.liars.iter().filter(|(liar, _)| *liar >= world.history.seats).count();
        world.counts.add(Count::Crowd, u64::from(authors > 2));
        world
    }

    /// Whether coins were played to the end, by all who play them.
    pub(super) fn coins_are_played(&self) -> bool {
        let plays = |process: &&Process| self.history.lies(process.member, Way::PlaysCoins);
        let mut players = self.processes.iter().filter(plays).peekable();
        players.peek().is_some()
            && players.all(|player| player.liar.as_ref().is_some_and(|liar| liar.is_done()))
    }

    /// The digest of all that was drawn before anything happens.
    pub(super) fn plan(&self) -> [u8; 32] {
        self.plan
    }

    /// A second process with a member's keys; each of the two talks to some of the others, to all of them together.
    fn add_twin(&mut self, member: usize) {
        let twin = self.processes.len();
        let disk = Disk::new(self.founded.coalition());
        let skew = self.processes[member].skew;
        self.processes.push(Process::new(member, disk, skew, None));
        self.processes[member].apart.insert(twin);
        self.processes[twin].apart.insert(member);
        let parted = Twins::new((0..twin).filter(|other| *other != member), &mut self.rng);
        for (copy, others) in [member, twin].into_iter().zip(parted.apart) {
            for other in others {
                self.processes[copy].apart.insert(other);
                self.processes[other].apart.insert(copy);
            }
        }
    }

    pub(super) fn node_id(&self, process: usize) -> NodeId {
        self.members[self.processes[process].member].node.public()
    }

    /// The time by a process's clock.
    pub(super) fn local(&self, process: usize) -> Time {
        Time(self.now.0.saturating_add_signed(self.processes[process].skew))
    }

    pub(super) fn is_running(&self, process: usize) -> bool {
        self.processes[process].engine.is_some()
    }

    // ---- inputs and effects ----

    pub(super) fn submit(&mut self, process: usize, bodies: Vec<Vec<u8>>) {
        let mut submissions = Vec::new();
        for body in bodies {
            self.tickets += 1;
            let ticket = Ticket(self.tickets);
            self.oracle.submitted(ticket, process, &body);
            submissions.push(Submission { ticket, lane: None, body });
        }
        self.input(process, Input::Submit(submissions));
    }

    pub(super) fn input(&mut self, process: usize, input: Input) {
        if !self.is_running(process) {
            return;
        }
        let waits = !self.calm
            && matches!(input, Input::Received { .. })
            && self.rng.chance(self.history.weather.together);
        let now = self.local(process);
        let at = &mut self.processes[process];
        at.waiting.push(input);
        if waits && at.waiting.len() < 256 {
            return;
        }
        let inputs = std::mem::take(&mut at.waiting);
        if let Some(engine) = &mut at.engine {
            let effects = engine.handle_all(now, inputs);
            self.carry_out(process, effects);
        }
    }

    fn carry_out(&mut self, process: usize, effects: Vec<Effect>) {
        for effect in effects {
            if let Some(fuse) = &mut self.processes[process].crash_in {
                let Fuse { effects, down, count } = *fuse;
                if effects == 0 {
                    self.counts.add(count, 1);
                    self.crash(process);
                    return self.start_in(process, down);
                }
                fuse.effects -= 1;
            }
            if !matches!(effect, Effect::Persist(_) | Effect::WakeAt(_)) {
                let at = &mut self.processes[process];
                at.disk.sync(|disk, write| self.oracle.durable(process, at.member, disk, write));
            }
            match effect {
                Effect::Persist(write) => {
                    if let Write::Frame(frame) = &write
                        && frame.feed.seat.index() == self.processes[process].member
                    {
                        let said = &mut self.processes[process].said;
                        said.insert((frame.feed.epoch, frame.seq), frame.clone());
                    }
                    self.as_liar(process, |liar, me, _| liar.wrote(me, &write));
                    self.processes[process].disk.write(write);
                }
                Effect::Send { to, message } => self.send(process, &to, message),
                Effect::Serve { to, want, frames, part } => {
                    let messages =
                        serve(&self.processes[process].disk.durable, &want, &frames, part.as_ref());
                    for message in messages.expect("a disk in memory is whole") {
                        self.send(process, &to, message);
                    }
                }
                Effect::Reply { ticket, result } => {
                    let Process { member, disk, .. } = &self.processes[process];
                    self.oracle.replied(process, *member, &disk.durable, ticket, &result);
                }
                Effect::Notify(event) => self.notified(process, event),
                Effect::WakeAt(at) => {
                    self.processes[process].wake = Some(at);
                    let wait = at.since(self.local(process)).max(1);
                    self.push(self.now.plus(wait), Happening::Tick { process, due: at });
                }
                Effect::Halt(halt) => {
                    self.oracle.halted(process, self.processes[process].member, &halt);
                    self.processes[process].halted = Some(halt);
                    self.counts.add(Count::Halt, 1);
                    return self.crash(process);
                }
            }
        }
    }

    fn notified(&mut self, process: usize, event: Event) {
        let member = self.processes[process].member;
        self.oracle.told(process, member, &self.processes[process].disk.durable, &event);
        match event {
            Event::Fault(fault) => {
                self.counts.add(Count::Fault(fault.code), 1);
                self.oracle.accused(process, member, &fault);
            }
            Event::Held { feed, length, .. } => {
                let disk = &self.processes[process].disk.durable;
                self.oracle.told_held(process, member, disk, &feed, length);
            }
            Event::Ordered { .. } => self.counts.add(Count::Ordered, 1),
            Event::Taken { .. } => self.counts.add(Count::Taken, 1),
            Event::Certified { .. } => self.counts.add(Count::Certified, 1),
            _ => {}
        }
    }

    // ---- time ----

    fn push(&mut self, at: Time, happening: Happening) {
        self.counter += 1;
        self.queue.insert((at, self.counter), happening);
    }

    /// Whether as much has happened as may: what is then found is no failure.
    pub(super) fn is_over(&self) -> bool {
        self.steps >= self.most_steps
    }

    /// Whether nothing happens within a second.
    pub(super) fn rests(&self) -> bool {
        self.queue.first_key_value().is_none_or(|((at, _), _)| at.since(self.now) > 1_000)
    }

    /// Lets the next thing happen that is due by `until`.
    pub(super) fn step(&mut self, until: Time) -> bool {
        if self.is_over() {
            return false;
        }
        let Some(entry) = self.queue.first_entry().filter(|entry| entry.key().0 <= until) else {
            self.now = self.now.max(until);
            return false;
        };
        let ((at, _), happening) = entry.remove_entry();
        self.now = self.now.max(at);
        self.steps += 1;
        match happening {
            Happening::Deliver { from, to, life, bytes } => {
                if self.is_up(from, to) && self.lives[&pair(from, to)] == life {
                    self.deliver(from, to, &bytes);
                }
            }
            Happening::Tick { process, due } => {
                if self.processes[process].wake == Some(due) {
                    self.processes[process].wake = None;
                    self.input(process, Input::Tick);
                }
            }
            Happening::Start { process } => self.start(process),
            Happening::Mend { a, b } => self.mend(a, b),
            Happening::Murmur { process } => self.murmur(process),
        }
        true
    }

    /// Sets a clock, and wakes the process by it.
    pub(super) fn set_clock(&mut self, process: usize, by: i64) {
        self.processes[process].skew += by;
        self.input(process, Input::Tick);
    }

    /// The digest of all that was delivered, and when.
    pub(super) fn trace(&self) -> [u8; 32] {
        self.trace.clone().finalize().into()
    }

    /// The faulty fall silent, but for those who would keep all busy for ever and those who were restored.
    pub(super) fn silence_liars(&mut self) {
        for process in 0..self.processes.len() {
            let member = self.processes[process].member;
            if self.oracle.excuses(member) && !self.history.lies(member, Way::Restless) {
                self.crash(process);
                self.processes[process].halted.get_or_insert(Halt::Damage("silenced".into()));
            }
        }
    }
}

impl Process {
    fn new(member: usize, disk: Disk, skew: i64, liar: Option<Box<dyn Liar>>) -> Self {
        Self {
            member,
            engine: None,
            disk,
            backup: None,
            wake: None,
            skew,
            starts: 0,
            halted: None,
            liar,
            briefly: None,
            crash_in: None,
            waiting: Vec::new(),
            apart: BTreeSet::new(),
            said: BTreeMap::new(),
        }
    }
}
