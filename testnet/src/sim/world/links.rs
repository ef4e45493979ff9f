//! Links: which are up, cut, one-way, and what becomes of them when the network heals.

use entente_protocol::engine::{Input, NodeId};

use super::{Happening, World, pair};

impl World {
    pub(super) fn is_up(&self, a: usize, b: usize) -> bool {
        a != b
            && self.is_running(a)
            && self.is_running(b)
            && !self.cuts.contains_key(&pair(a, b))
            && !self.processes[a].apart.contains(&b)
    }

    /// The process of a member that another one is linked with.
    pub(super) fn linked(&self, from: usize, to: &NodeId) -> Option<usize> {
        (0..self.processes.len()).find(|&other| self.node_id(other) == *to && self.is_up(from, other))
    }

    pub(super) fn connect(&mut self, a: usize, b: usize) {
        if self.is_up(a, b) {
            *self.lives.entry(pair(a, b)).or_default() += 1;
            let (ida, idb) = (self.node_id(a), self.node_id(b));
            self.input(a, Input::PeerUp(idb));
            self.input(b, Input::PeerUp(ida));
        }
    }

    pub(in crate::sim) fn cut(&mut self, a: usize, b: usize, span: u64) {
        if a == b {
            return;
        }
        let was_up = self.is_up(a, b);
        let until = self.now.plus(span.max(1));
        let end = self.cuts.entry(pair(a, b)).or_insert(until);
        *end = until.max(*end);
        let end = *end;
        self.push(end, Happening::Mend { a, b });
        if was_up {
            *self.lives.entry(pair(a, b)).or_default() += 1;
            let (ida, idb) = (self.node_id(a), self.node_id(b));
            self.input(a, Input::PeerDown(idb));
            self.input(b, Input::PeerDown(ida));
        }
    }

    pub(super) fn mend(&mut self, a: usize, b: usize) {
        if self.cuts.get(&pair(a, b)).is_some_and(|until| *until <= self.now) {
            self.cuts.remove(&pair(a, b));
            self.connect(a, b);
        }
    }

    /// Nothing arrives that `from` sends to `to`, for so long at least.
    pub(in crate::sim) fn deafen(&mut self, from: usize, to: usize, span: u64) {
        let until = self.now.plus(span);
        let end = self.deaf.entry((from, to)).or_insert(until);
        *end = until.max(*end);
    }

    pub(in crate::sim) fn heal(&mut self) {
        self.calm = true;
        self.oracle.heals();
        self.deaf.clear();
        let cuts: Vec<_> = std::mem::take(&mut self.cuts).into_keys().collect();
        for (a, b) in cuts {
            self.connect(a, b);
        }
        for process in 0..self.processes.len() {
            self.processes[process].crash_in = None;
        }
    }
}
