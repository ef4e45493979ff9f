//! Processes start, lose power, come back, with their own disks or old ones, and are restored.

use std::sync::Arc;

use entente_protocol::engine::{Config, Engine, Halt, Input, RecoverError};

use super::{Happening, Process, World, pair};
use crate::sim::members::Member;
use crate::sim::oracle::Said;
use crate::sim::summary::Count;

/// The stream of draws of what goes wrong with starts.
pub(super) const STARTS: u64 = 421;
/// Of a hundred starts of a process that may crash, so many do before they are through.
const CRASHED_STARTS: u64 = 10;
/// Effects of a start until then, those of its first links among them, and ms until the next start; each less than this.
const EFFECTS_OF_A_START: usize = 16;
const DOWN_AFTER_A_START_MS: u64 = 500;

/// Power is going to be lost.
#[derive(Debug, Clone, Copy)]
pub(super) struct Fuse {
    /// After so many more effects.
    pub(super) effects: usize,
    /// For how long, in ms.
    pub(super) down: u64,
    /// What it is counted as.
    pub(super) count: Count,
}

impl World {
    fn config(&self, process: usize) -> Config {
        let member = Member::of(self.processes[process].member, self.history.seats);
        let mut nonce = [0; 32];
        nonce[..8].copy_from_slice(&(process as u64).to_le_bytes());
        nonce[8..16].copy_from_slice(&self.processes[process].starts.to_le_bytes());
        let founded = Arc::clone(&self.founded);
        let (timing, snapshots) = (self.timing, self.snapshots);
        let heeds_conviction = self.processes[process].liar.is_none();
        Config { founded, node: member.node, seat: member.seat, timing, snapshots, heeds_conviction, nonce }
    }

    /// Restores and starts the process of a member that does not lie and has noticed that its disk was rolled back; false for any
    /// other. A twin notices what the other one says.
    pub(in crate::sim) fn restore(&mut self, process: usize) -> bool {
        let at = &self.processes[process];
        let lies = self.history.liars.iter().any(|(liar, _)| *liar == at.member);
        if lies || !matches!(at.halted, Some(Halt::Rollback { .. })) {
            return false;
        }
        match Engine::restore(self.config(process), &at.disk.durable, self.local(process)) {
            Ok(restored) => {
                let Process { member, disk, .. } = &mut self.processes[process];
                let before = disk.durable.clone();
                restored.writes.into_iter().for_each(|write| disk.write(write));
                disk.sync(|disk, write| self.oracle.durable(process, *member, disk, write));
                self.oracle.restored(*member, &before, &disk.durable);
                self.processes[process].halted = None;
                self.start(process);
                true
            }
            Err(error) => {
                self.oracle.fail(format!("process {process} cannot be restored: {error}"));
                false
            }
        }
    }

    /// How what the process of a restored member was given to say fares.
    pub(in crate::sim) fn fares(&mut self, process: usize, body: &[u8]) -> Said {
        let at = &self.processes[process];
        self.oracle.fares(process, at.member, &at.disk.durable, body)
    }

    pub(in crate::sim) fn start(&mut self, process: usize) {
        if self.is_running(process) || self.processes[process].halted.is_some() {
            return;
        }
        self.processes[process].starts += 1;
        let config = self.config(process);
        let now = self.local(process);
        let floor = self.least_certified();
        self.oracle.starts(self.processes[process].member, floor);
        let (engine, effects) = match Engine::recover(config, &self.processes[process].disk.durable, now) {
            Ok(recovered) => recovered,
            // It crashed between noting and stopping.
            Err(error @ RecoverError::RolledBack(_)) => {
                self.processes[process].halted = Some(Halt::Rollback { what: error.to_string() });
                return;
            }
            Err(error) => {
                self.oracle.fail(format!("process {process} cannot read its own store: {error}"));
                return;
            }
        };
        self.processes[process].engine = Some(engine);
        self.processes[process].wake = None;
        if self.may_crash(process) && self.starts.chance(CRASHED_STARTS) {
            let effects = self.starts.index(EFFECTS_OF_A_START);
            let down = self.starts.below(DOWN_AFTER_A_START_MS);
            self.processes[process].crash_in = Some(Fuse { effects, down, count: Count::CrashOfStart });
        }
        self.carry_out(process, effects);
        for other in 0..self.processes.len() {
            self.connect(process, other);
        }
        if self.processes[process].liar.is_some() {
            self.push(self.now.plus(100), Happening::Murmur { process });
        }
    }

    /// Whether power may be lost at a process while it starts: at those of members that do not lie, in histories in which it is
    /// lost at all.
    fn may_crash(&self, process: usize) -> bool {
        let lies = self.history.liars.iter().any(|(liar, _)| *liar == self.processes[process].member);
        !self.calm && !lies && self.history.items.iter().any(|item| item.what.stops())
    }

    /// How far the log is certified at every correct seat.
    fn least_certified(&self) -> u64 {
        let correct = self
            .processes
            .iter()
            .take(self.history.seats)
            .filter(|process| !self.history.is_faulty(process.member));
        let certified = correct.map(|process| process.disk.durable.certificates.keys().next_back().copied());
        certified.map(|certified| certified.unwrap_or(0)).min().unwrap_or(0)
    }

    pub(in crate::sim) fn start_in(&mut self, process: usize, wait: u64) {
        self.push(self.now.plus(wait), Happening::Start { process });
    }

    /// Power is lost: what is in memory and under way is gone, and of what was not synced some.
    pub(in crate::sim) fn crash(&mut self, process: usize) {
        self.processes[process].waiting.clear();
        self.processes[process].crash_in = None;
        if self.processes[process].engine.take().is_none() {
            return;
        }
        let at = &mut self.processes[process];
        let lost =
            at.disk.crash(&mut self.rng, |disk, write| self.oracle.durable(process, at.member, disk, write));
        self.counts.add(Count::Crash, 1);
        self.counts.add(Count::UnsyncedWrite, lost.writes as u64);
        self.counts.add(Count::TornCommit, u64::from(lost.torn));
        let id = self.node_id(process);
        for other in 0..self.processes.len() {
            let linked = other != process
                && self.is_running(other)
                && !self.cuts.contains_key(&pair(process, other))
                && !self.processes[process].apart.contains(&other);
            if linked {
                *self.lives.entry(pair(process, other)).or_default() += 1;
                self.input(other, Input::PeerDown(id));
            }
        }
    }

    pub(in crate::sim) fn crash_at_effect(&mut self, process: usize, effects: usize, down: u64) {
        if self.is_running(process) {
            self.processes[process].crash_in = Some(Fuse { effects, down, count: Count::CrashAtEffect });
        }
    }

    pub(in crate::sim) fn back_up(&mut self, process: usize) {
        self.processes[process].backup = Some(self.processes[process].disk.durable.clone());
    }

    pub(in crate::sim) fn roll_back(&mut self, process: usize) {
        self.crash(process);
        if let Some(backup) = self.processes[process].backup.take() {
            self.processes[process].disk.durable = backup;
            self.counts.add(Count::RollBack, 1);
        }
    }
}
