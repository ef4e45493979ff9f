//! What processes say to each other: what a liar makes of it, what the oracle hears, what the weather does to it.

use std::sync::Arc;

use entente_protocol::engine::{Input, NodeId};
use entente_protocol::replicate::{MAX_MESSAGE_BYTES, PeerMessage, Spoken};
use entente_protocol::wire;
use sha2::Digest as _;

use super::{Happening, MAX_QUEUED_BYTES, World, pair};
use crate::sim::liars::{Liar, Me};
use crate::sim::members::START;
use crate::sim::rng::Rng;
use crate::sim::summary::Count;

impl World {
    /// Lets the process's liar, if it has one, do something; returns what it gives.
    pub(super) fn as_liar<T>(
        &mut self,
        process: usize,
        act: impl FnOnce(&mut dyn Liar, &Me<'_>, &mut Rng) -> T,
    ) -> Option<T> {
        let mut liar = self.processes[process].liar.take()?;
        let member = self.processes[process].member;
        let me = Me {
            member,
            keys: &self.members[member],
            coalition: self.founded.coalition(),
            seats: self.history.seats,
            now: self.local(process),
            certified: self.processes[process]
                .disk
                .durable
                .certificates
                .keys()
                .next_back()
                .copied()
                .unwrap_or(0),
            nodes: &self.members,
            said: self.processes.iter().map(|process| &process.said).collect(),
        };
        let given = act(&mut *liar, &me, &mut self.rng);
        self.processes[process].liar = Some(liar);
        Some(given)
    }

    pub(super) fn send(&mut self, from: usize, to: &NodeId, message: PeerMessage) {
        let Some(to) = self.linked(from, to) else { return };
        if self.processes[from].liar.is_some() {
            // Liars change whole frames.
            let member = self.processes[to].member;
            for message in self.spelled(from, &message) {
                let instead = self.as_liar(from, |liar, me, rng| liar.send(me, member, message, rng));
                for message in instead.into_iter().flatten() {
                    let message = self.in_brief(from, to, message);
                    self.post(from, to, &message);
                }
            }
        } else {
            for whole in self.spelled(from, &message) {
                let disk = &self.processes[from].disk.durable;
                self.oracle.sends(self.processes[from].member, disk, &whole);
            }
            self.post(from, to, &message);
        }
    }

    /// What a message of a process's engine says: of a frame in brief the whole frame, with what it proposes.
    fn spelled(&self, from: usize, message: &PeerMessage) -> Vec<PeerMessage> {
        let PeerMessage::Spoken(spoken) = message else { return vec![message.clone()] };
        let Spoken { epoch, seq, payload: bytes, .. } = spoken;
        let payload =
            (!bytes.is_empty()).then(|| PeerMessage::Payload { epoch: *epoch, bytes: bytes.clone() });
        let frame = self.processes[from].said.get(&(*epoch, *seq)).cloned().map(PeerMessage::Frame);
        payload.into_iter().chain(frame).collect()
    }

    pub(super) fn murmur(&mut self, process: usize) {
        if !self.is_running(process) {
            return;
        }
        let said = self.as_liar(process, |liar, me, rng| liar.murmur(me, rng)).unwrap_or_default();
        for (to, message) in said {
            let to = self.members[to].node.public();
            if let Some(to) = self.linked(process, &to) {
                self.post(process, to, &message);
            }
        }
        // After the network has healed liars go on, but not for ever: quiet is looked for at the end.
        let wait = if self.calm { 2_000 } else { 200 };
        self.push(self.now.plus(wait), Happening::Murmur { process });
    }

    pub(super) fn post(&mut self, from: usize, to: usize, message: &PeerMessage) {
        let bytes: Arc<[u8]> = wire::encode(message).into();
        if bytes.len() > MAX_MESSAGE_BYTES {
            self.oracle.fail(format!("a message of {} bytes from process {from}", bytes.len()));
            return;
        }
        self.counts.add(Count::Sent, 1);
        if self.processes[from].liar.is_none() {
            self.oracle.posts(from, to, message, self.now);
        }
        if self.deaf.get(&(from, to)).is_some_and(|until| *until > self.now) {
            self.counts.add(Count::OneWay, 1);
            return;
        }
        let (sender, receiver) = (self.processes[from].member, self.processes[to].member);
        let delays = if self.calm {
            vec![self.history.weather.healed(sender, receiver)]
        } else {
            let whole = self.spelled(from, message).pop();
            let said = whole.as_ref().unwrap_or(message);
            let since = self.now.since(START);
            self.history.delays(&mut self.rng, sender, receiver, said, since)
        };
        let life = self.lives[&pair(from, to)];
        let mut start = self.now;
        if let Some(rate) = self.history.weather.bytes_per_ms.filter(|_| !self.calm) {
            let free = self.busy.get(&(from, to)).copied().unwrap_or(self.now).max(self.now);
            if free.since(self.now) * rate > MAX_QUEUED_BYTES {
                let lost = if delays.is_empty() { Count::Loss } else { Count::SlowLoss };
                return self.counts.add(lost, 1);
            }
            self.counts.add(Count::SlowWait, u64::from(free > self.now && !delays.is_empty()));
            start = free.plus(bytes.len() as u64 / rate);
            self.busy.insert((from, to), start);
        }
        match delays.len() {
            0 => self.counts.add(Count::Loss, 1),
            1 => {}
            _ => self.counts.add(Count::Double, 1),
        }
        for delay in delays {
            self.counts.add(Count::Reordered, u64::from(delay.reordered));
            self.counts.add(Count::HeldBack, u64::from(delay.held));
            self.push(start.plus(delay.ms), Happening::Deliver { from, to, life, bytes: Arc::clone(&bytes) });
        }
    }

    pub(super) fn deliver(&mut self, from: usize, to: usize, bytes: &[u8]) {
        self.trace.update((from as u64).to_le_bytes());
        self.trace.update((to as u64).to_le_bytes());
        self.trace.update(self.now.0.to_le_bytes());
        self.trace.update(bytes);
        let mut bytes = bytes.to_vec();
        if self.processes[to].liar.is_some() {
            let Ok(message) = wire::decode(&bytes, MAX_MESSAGE_BYTES) else { return };
            let member = self.processes[from].member;
            let heard = self.as_liar(to, |liar, me, rng| liar.hear(me, member, message, rng));
            let Some(message) = heard.flatten() else { return };
            bytes = wire::encode(&message);
        }
        let peer = self.node_id(from);
        self.input(to, Input::Received { peer, bytes });
    }
}
