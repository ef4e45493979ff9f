//! One history from its beginning to its judgement: hostile, then healed with a quorum, then whole, then quiet.

mod affairs;
mod deeds;
mod joins;
mod keys;
mod leases;
mod words;

use entente_protocol::engine::Engine;
use entente_protocol::identity::RecordId;
use entente_protocol::record::Body;
use entente_protocol::time::Time;

use super::history::History;
use super::members::START;
use super::oracle::Said;
use super::rng::Rng;
use super::summary::{Count, Counts};
use super::world::World;

/// How long a healed quorum has to order all that it holds, in simulated ms.
const PROGRESS_MS: u64 = 600_000;
/// And in events.
const PROGRESS_STEPS: u64 = 3_000_000;
/// Epochs in a row that may order nothing in that time: whatever is held everywhere is claimed by all.
const EMPTY_IN_A_ROW: u64 = 30;
/// How long it is then listened for who does not come to rest.
const QUIET_MS: u64 = 3_600_000;
/// Epochs that may begin in that time, for each operation and one more: windows end, and a clock that is ahead writes
/// `due` ever more rarely. So many at least, and for each seat, since each has a clock.
const QUIET_EPOCHS: u64 = 12;
const QUIET_EPOCHS_PER_SEAT: u64 = 3;
/// Clocks that are off by more are wrong.
const TOLERANCE_MS: u64 = 60_000;
/// Disks and engines are looked at after so many events.
const LOOK_EVERY: u64 = 2_000;

/// How a history went.
#[derive(Debug, Clone)]
pub(super) struct Outcome {
    pub(super) failure: Option<String>,
    /// The most messages that any process sent to another in a second.
    pub(super) most_per_second: u64,
    pub(super) counts: Counts,
    pub(super) epochs: u64,
    pub(super) simulated_ms: u64,
    pub(super) steps: u64,
    pub(super) trace: [u8; 32],
}

/// Plays a history, with what is planted in it.
pub(super) fn play(history: History, planted: &'static str) -> Outcome {
    play_at_most(history, planted, u64::MAX)
}

/// Plays it for at most so many events; then it has not failed.
pub(super) fn play_at_most(history: History, planted: &'static str, most_steps: u64) -> Outcome {
    #[cfg(feature = "plant")]
    entente_hbbft::plant::plant(planted);
    #[cfg(not(feature = "plant"))]
    assert!(planted.is_empty(), "refused before");
    let rng = Rng::new(history.seed, 3);
    let keyring = keys::Keyring::new(history.seats);
    let mut run = Run {
        rng,
        world: World::new(history, most_steps),
        opened: Vec::new(),
        said: Vec::new(),
        keyring,
        joins: joins::Joins::default(),
        talking: false,
        nonce: 0,
    };
    run.hostile();
    run.judge();
    run.look();
    run.hold_what_is_cosigned();
    let mut world = run.world;
    world.oracle.check_tree();
    world.counts.merge(world.oracle.records());
    world.counts.add(Count::CoinsPlayed, u64::from(world.coins_are_played()));
    Outcome {
        failure: world.oracle.failure().filter(|_| !world.is_over()).cloned(),
        most_per_second: world.oracle.most_per_second(),
        epochs: world.oracle.epochs(),
        simulated_ms: world.now.since(START),
        steps: world.steps,
        trace: world.trace(),
        counts: world.counts,
    }
}

struct Run {
    rng: Rng,
    world: World,
    /// Operations that officers have opened.
    opened: Vec<RecordId>,
    /// Whatever else they have said of the coalition's affairs.
    said: Vec<RecordId>,
    /// The keys that partners came to have.
    keyring: keys::Keyring,
    /// Partners that join, and their hosts.
    joins: joins::Joins,
    /// Whether they talk in turn: then rest is looked for closely.
    talking: bool,
    nonce: u64,
}

impl Run {
    fn failed(&self) -> bool {
        self.world.oracle.failure().is_some() || self.world.is_over()
    }

    /// Everything in the list, at its time.
    fn hostile(&mut self) {
        for process in 0..self.world.processes.len() {
            self.world.start(process);
        }
        let World { history, counts, .. } = &mut self.world;
        let skews = history.skews.iter().enumerate().filter(|(member, _)| !history.is_faulty(*member));
        let wrong = skews.filter(|(_, skew)| skew.unsigned_abs() > TOLERANCE_MS).count();
        counts.add(Count::WrongClock, wrong as u64);
        let items = self.world.history.items.clone();
        for item in items {
            self.run_to(START.plus(item.at));
            if self.failed() {
                return;
            }
            self.happen(item.what);
        }
        let calm_at = START.plus(self.world.history.calm_at);
        self.run_to(calm_at);
    }

    fn run_to(&mut self, until: Time) {
        while !self.failed() && self.world.step(until) {
            if self.world.steps.is_multiple_of(LOOK_EVERY) {
                self.look();
            }
        }
    }

    /// Looks at what all hold, on the disk and in memory.
    fn look(&mut self) {
        let World { processes, oracle, .. } = &mut self.world;
        for (number, process) in processes.iter().enumerate() {
            if oracle.excuses(process.member) {
                continue;
            }
            oracle.keeps(number, &process.disk.durable);
            if let Some(engine) = &process.engine {
                oracle.holds(number, &engine.holdings());
            }
        }
    }

    /// Looks at what all hold of the whole log that they have cosigned.
    fn hold_what_is_cosigned(&mut self) {
        let World { processes, oracle, history, .. } = &mut self.world;
        for process in processes.iter().filter(|process| !history.is_faulty(process.member)) {
            oracle.covers(process.member, &process.disk.durable);
        }
    }

    /// Heals a quorum of correct seats, then all of them; demands that everything said is ordered; listens for quiet.
    fn judge(&mut self) {
        let away = self.world.history.away.clone();
        let members = self.world.history.members();
        for &member in &away {
            self.world.crash(member);
        }
        self.world.heal();
        let here = |world: &World, member: usize| {
            member < members && !world.history.is_faulty(member) && !away.contains(&member)
        };
        self.start_all(&here);
        self.must_progress("a quorum of correct seats", &here);
        let correct = |world: &World, member: usize| member < members && !world.history.is_faulty(member);
        self.start_all(&correct);
        self.must_progress("all correct seats", &correct);
        if self.failed() {
            return;
        }
        self.talk();
        self.all_alike();
        if self.failed() {
            return;
        }
        self.look();
        for member in self.world.oracle.must_have_stopped() {
            if self.world.is_running(member) {
                self.world
                    .oracle
                    .fail(format!("member {member} was rolled back, is proved to equivocate, and goes on"));
            }
        }
        self.restored_go_on();
        if self.failed() {
            return;
        }
        self.look();
        self.world.silence_liars();
        let (before, until) = (self.world.oracle.epochs(), self.world.now.plus(QUIET_MS));
        let empty = self.world.oracle.empty_epochs();
        while !self.failed() && self.step_some(until) {
            // Whatever the clocks say. Where several seats write `due` at once, an epoch may find each at its author alone
            // and the next one order them: so one empty epoch more for each that orders something.
            let nothing = self.world.oracle.empty_epochs() - empty;
            let something = self.world.oracle.epochs() - before - nothing;
            if nothing > QUIET_EPOCHS + something {
                return self.world.oracle.fail("empty epochs begin although nobody says anything".into());
            }
        }
        let begun = self.world.oracle.epochs() - before;
        // With more than f clocks astray time rightly moves, a step an epoch.
        let each = QUIET_EPOCHS.max(QUIET_EPOCHS_PER_SEAT * self.world.history.seats as u64);
        let most = each * ((self.opened.len() + self.said.len()) as u64 + 1) + self.catch_up_epochs();
        if begun > most && self.wrong_clocks() <= self.world.history.faulty_allowed() {
            self.world.oracle.fail(format!("{begun} epochs in {QUIET_MS} ms although nobody says anything"));
        }
        self.all_decided();
        self.all_alike();
    }

    /// Whoever noticed that its disk was rolled back is restored. What it says after that is taken, as soon as it has caught up,
    /// and ordered, and so is what it says again.
    fn restored_go_on(&mut self) {
        let members = 0..self.world.history.members();
        let restored: Vec<usize> = members.filter(|&member| self.world.restore(member)).collect();
        let text = |member| Body::Note(format!("member {member} after its restore").into_bytes()).encode();
        for &member in &restored {
            self.world.counts.add(Count::Restore, 1);
            self.world.submit(member, vec![text(member)]);
        }
        let until = self.world.now.plus(PROGRESS_MS);
        // What the last steps have brought counts, too.
        let mut over = false;
        while !self.failed() {
            let mut open = false;
            for &member in &restored {
                match self.world.fares(member, &text(member)) {
                    Said::Ordered => {}
                    Said::Waits => open = true,
                    Said::Again => {
                        open = true;
                        self.world.submit(member, vec![text(member)]);
                    }
                    Said::Refused(why) => {
                        let what = format!("member {member} was restored, and its word is refused: {why}");
                        return self.world.oracle.fail(what);
                    }
                }
            }
            if !open && self.have_caught_up(&restored) {
                return;
            }
            if over {
                let standing: Vec<_> = restored.iter().map(|&process| self.standing(process)).collect();
                let what = format!("what was said after a restore is not ordered: {}", standing.join("; "));
                return self.world.oracle.fail(what);
            }
            over = !self.step_some(until);
        }
    }

    /// Whether some have the whole log, certified.
    fn have_caught_up(&self, processes: &[usize]) -> bool {
        let last = self.world.oracle.epochs();
        processes.iter().all(|&process| {
            let engine = self.world.processes[process].engine.as_ref();
            engine.is_some_and(|engine| engine.status(self.world.now).certified == last)
        })
    }

    /// Operations whose window has ended are decided, if no more than f clocks are wrong.
    fn all_decided(&mut self) {
        if self.failed() || self.wrong_clocks() > self.world.history.faulty_allowed() {
            return;
        }
        for process in 0..self.world.history.members() {
            let Some(engine) = &self.world.processes[process].engine else { continue };
            // Batch time may have run ahead of all clocks while more were wrong: those windows are not over.
            let ended = self.world.now.0 - 10 * TOLERANCE_MS;
            let open = engine.state().deadlines().filter(|(deadline, _)| deadline.0 < ended).count();
            if open > 0 && !self.world.oracle.excuses(process) {
                self.world
                    .oracle
                    .fail(format!("process {process} has {open} operations open whose window has ended"));
            }
        }
    }

    /// Seats whose clocks are wrong, or that may say so.
    fn wrong_clocks(&self) -> usize {
        let wrong = |seat: usize| {
            self.world.history.is_faulty(seat)
                || self.world.processes[seat].skew.unsigned_abs() > TOLERANCE_MS
        };
        (0..self.world.history.seats).filter(|&seat| wrong(seat)).count()
    }

    /// A clock that is behind has batch time catch up by a step an epoch after a rest: that is its price.
    fn catch_up_epochs(&self) -> u64 {
        let behind = |seat: usize| self.world.processes[seat].skew < -(TOLERANCE_MS as i64);
        let any = (0..self.world.history.seats).any(behind);
        if any { (PROGRESS_MS + QUIET_MS) / self.world.founded.charter().step_ms } else { 0 }
    }

    fn start_all(&mut self, which: &dyn Fn(&World, usize) -> bool) {
        for process in 0..self.world.history.members() {
            if which(&self.world, process) {
                self.world.start(process);
            }
        }
    }

    fn must_progress(&mut self, who: &str, which: &dyn Fn(&World, usize) -> bool) {
        let until = self.world.now.plus(PROGRESS_MS);
        let last_step = self.world.steps + PROGRESS_STEPS;
        loop {
            if self.failed() || self.is_done(which) {
                return;
            }
            if self.world.oracle.empty_in_a_row() > EMPTY_IN_A_ROW {
                return self.world.oracle.fail(format!("{who} agrees on nothing in epoch after epoch"));
            }
            if self.world.steps > last_step || !self.step_some(until) {
                break;
            }
        }
        if self.failed() || self.is_done(which) {
            return;
        }
        let unkept = self.world.oracle.unkept(|process| which(&self.world, process));
        let standing: Vec<_> = (0..self.world.history.members())
            .filter(|&process| which(&self.world, process))
            .map(|process| self.standing(process))
            .collect();
        let what =
            format!("{who} does not order all: {} promises open; {}", unkept.len(), standing.join("; "));
        self.world.oracle.fail(what);
    }

    fn step_some(&mut self, until: Time) -> bool {
        for i in 0..50 {
            // A small coalition at rest has fewer events than this in a long time: what is done by then is seen before.
            if i > 0 && self.talking && self.world.rests() {
                return true;
            }
            if !self.world.step(until) {
                return false;
            }
        }
        true
    }

    /// Whether every process named runs, has ordered all that it holds of honest authors and agrees with the others
    /// how far the log is certified.
    fn is_done(&self, which: &dyn Fn(&World, usize) -> bool) -> bool {
        let world = &self.world;
        let named = || (0..world.history.members()).filter(|&process| which(world, process));
        let ordered = world.oracle.unkept(|process| which(world, process)).is_empty();
        let ordered =
            ordered && self.joins.handed().all(|(feed, length)| world.oracle.is_settled(&feed, length));
        // An epoch that only crashed engines had decided may never be needed again.
        let applied = |process: usize| {
            world.processes[process].engine.as_ref().map(|engine| engine.status(world.now).applied)
        };
        let last = named().filter_map(applied).max().unwrap_or(0);
        ordered
            && named().all(|process| {
                let Some(engine) = &world.processes[process].engine else { return false };
                let status = engine.status(world.local(process));
                let own_waits = engine.held().any(|(feed, _, _)| {
                    let author = world.members.iter().position(|member| member.node.public() == feed.node);
                    author.is_some_and(|author| which(world, author))
                });
                status.certified == last && status.applied == last && !own_waits && self.has_reported(process)
            })
    }

    /// Whether all evidence that a seat keeps is ordered.
    fn has_reported(&self, process: usize) -> bool {
        let at = &self.world.processes[process];
        let Some(engine) = at.engine.as_ref().filter(|_| at.member < self.world.history.seats) else {
            return true;
        };
        let (state, disk) = (engine.state(), &at.disk.durable);
        disk.forks.iter().all(|found| state.frozen().contains_key(&found.proof.feed))
            && disk.equivocations.iter().all(|frames| state.convicted().contains_key(&frames[0].feed.seat))
    }

    /// The first entries that an engine holds and that are not ordered, in words.
    fn waiting(&self, engine: &Engine) -> String {
        let held = engine.held().take(2).map(|(feed, length, body)| {
            let body = match Body::decode(body) {
                Ok(Body::Due(due)) => format!("due at {}", due.deadline.0),
                Ok(Body::Note(_)) => "note".to_owned(),
                Ok(Body::Signed(signed)) => format!("{:?}", signed.record.act),
                Ok(_) => "evidence".to_owned(),
                Err(error) => error.to_string(),
            };
            let author = self.world.members.iter().position(|member| member.node.public() == feed.node);
            format!("; holds {length} of {author:?} in {}: {body}", feed.lane)
        });
        held.collect()
    }

    fn standing(&self, process: usize) -> String {
        let world = &self.world;
        match &world.processes[process].engine {
            None => format!("p{process} is down ({:?})", world.processes[process].halted),
            Some(engine) => {
                let status = engine.status(world.local(process));
                format!(
                    "p{process} applied {} certified {} held {} reach {} voting {}{}",
                    status.applied,
                    status.certified,
                    status.held,
                    status.reachable.len(),
                    status.voting,
                    self.waiting(engine)
                )
            }
        }
    }
}
