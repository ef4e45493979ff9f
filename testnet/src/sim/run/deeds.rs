//! What members and the world do in a history: notes, operations, crashes, cuts, clocks, old stores, long sleep.

use entente_protocol::identity::{RecordId, SecretKey};
use entente_protocol::record::{Act, Attest, Body, Nonce, Open, Record, Role, Stance};

use super::Run;
use crate::sim::history::What;
use crate::sim::members::officer;
use crate::sim::summary::Count;

/// How long the others are waited for while one sleeps, in simulated ms.
const EPOCH_MS: u64 = 120_000;

impl Run {
    /// Lets happen what an item says.
    pub(super) fn happen(&mut self, what: What) {
        let world = &mut self.world;
        match what {
            What::Notes { member, count } => {
                let note = |_| {
                    self.nonce += 1;
                    Body::Note(format!("note {} of {member}", self.nonce).into_bytes()).encode()
                };
                let bodies: Vec<_> = (0..count).map(note).collect();
                for chunk in bodies.chunks(64) {
                    world.submit(member, chunk.to_vec());
                }
            }
            What::Open { member } => {
                let act = Act::Open(Open {
                    kind: "closure".into(),
                    title: "one".into(),
                    body: Default::default(),
                    precedence: None,
                });
                let id = self.officer_says(member, act);
                self.opened.push(id);
            }
            What::Attest { member, nth } => {
                if self.opened.is_empty() {
                    return;
                }
                let operation = self.opened[(nth % self.opened.len() as u64) as usize];
                let role = *self.rng.pick(&[Role::Lead, Role::Supporting, Role::Observing]);
                let stance = *self.rng.pick(&[Stance::Endorse, Stance::Object, Stance::Abstain]);
                let attest =
                    Attest { operation, role, stance, caveat: None, evidence: vec![], supersedes: None };
                self.officer_says(member, Act::Attest(attest));
            }
            What::Say { member, draw } => self.say(member, draw),
            What::Join { member, draw } => self.join(member, draw),
            What::Crash { member, down } => {
                world.crash(member);
                world.start_in(member, down);
            }
            What::CrashAtEffect { member, effects, down } => world.crash_at_effect(member, effects, down),
            What::CrashAll { down } => {
                world.counts.add(Count::CrashAll, 1);
                for member in 0..world.history.members() {
                    if !world.history.is_faulty(member) {
                        world.crash(member);
                        world.start_in(member, down);
                    }
                }
            }
            What::Cut { a, b, span } => {
                world.counts.add(Count::Cut, 1);
                world.cut(a, b, span);
            }
            What::OneWay { from, to, span } => world.deafen(from, to, span),
            What::Partition { side, span } => {
                world.counts.add(Count::Partition, 1);
                let far = |process: usize| side >> (process % 32) & 1 == 1;
                for a in 0..world.processes.len() {
                    for b in a + 1..world.processes.len() {
                        if far(a) != far(b) {
                            world.cut(a, b, span);
                        }
                    }
                }
            }
            What::OneWaySides { side, span } => {
                world.counts.add(Count::OneWaySides, 1);
                let unheard = |member: usize| side >> member & 1 == 1;
                let member = |process: usize| world.processes[process].member;
                let all = 0..world.processes.len();
                let (from, to) = all.partition::<Vec<_>, _>(|&process| unheard(member(process)));
                for from in from {
                    to.iter().for_each(|&to| world.deafen(from, to, span));
                }
            }
            What::Gateway { member, by, span } => {
                world.counts.add(Count::Gateway, 1);
                for other in (0..world.processes.len()).filter(|other| *other != by) {
                    world.cut(member, other, span);
                }
            }
            What::Isolate { member, span } => {
                world.counts.add(Count::Isolation, 1);
                for other in 0..world.processes.len() {
                    world.cut(member, other, span);
                }
            }
            What::Clock { member, by } => {
                world.counts.add(Count::ClockJump, 1);
                world.set_clock(member, by);
            }
            What::Backup { member } => world.back_up(member),
            What::Sleep { member, epochs } => self.sleep(member, epochs),
            What::RollBack { member, down } => {
                world.roll_back(member);
                world.start_in(member, down);
            }
        }
    }

    pub(super) fn officer_says(&mut self, member: usize, act: Act) -> RecordId {
        let key = officer(member % self.world.history.seats, 0);
        self.says_with(member, &key, act)
    }

    /// Somebody says something at the node of `member`, with any key.
    pub(super) fn says_with(&mut self, member: usize, key: &SecretKey, act: Act) -> RecordId {
        self.nonce += 1;
        let mut nonce = [0; 16];
        nonce[..8].copy_from_slice(&self.nonce.to_le_bytes());
        let coalition = self.world.oracle.coalition();
        let signed = Record { coalition, nonce: Nonce(nonce), signer: key.public(), act }.sign(key);
        let id = signed.record.id();
        self.world.submit(member, vec![Body::Signed(signed).encode()]);
        id
    }

    /// A member is away while the others order so many epochs, or for as long as one of them may take.
    fn sleep(&mut self, member: usize, epochs: u64) {
        self.world.crash(member);
        let before = self.world.oracle.epochs();
        let mut last = before;
        while !self.failed() && last < before + epochs {
            let others = (0..self.world.history.members()).filter(|&other| other != member);
            let awake: Vec<usize> = others.filter(|&other| self.world.is_running(other)).collect();
            let Some(&speaker) = awake.get(last as usize % awake.len().max(1)) else { break };
            self.happen(What::Notes { member: speaker, count: 1 });
            let until = self.world.now.plus(EPOCH_MS);
            while !self.failed() && self.world.oracle.epochs() == last && self.world.step(until) {}
            if self.world.oracle.epochs() == last {
                break;
            }
            last = self.world.oracle.epochs();
        }
        self.world.counts.add(Count::Slept, last - before);
        self.world.start_in(member, 0);
    }
}
