//! One connection per pair, decided inside the gate, before any behaviour sees a second one.
//!
//! Guarantees: the swarm never holds two established connections with one peer, except while a replaced one is closing,
//! and then the new one is let through only after the old one is closed. So gossipsub sends its subscriptions to a peer that
//! restarted with the same key (rust-libp2p#5097: it does so only for a first connection), streams open on the connection
//! that stays, and a connection dialled by Kademlia obeys the same rule as any other.
//!
//! The rule: a new *instance* of a peer (a restart) replaces what is there. Of two connections between the same instances within
//! the window, an established one stays; of two still in the gate, one dialled by each end, the one dialled by the lower peer id
//! stays; of two dialled by the same end, the one that the listener admitted first. After the window the new one replaces
//! the old, because whoever dials again has lost it. The ends cannot disagree: the higher one claims both connections before
//! the lower one can pass either (it is the listener of one, and the dialler of the other passes first), so its order decides.
//!
//! *Two processes with one key* would replace each other for ever. A restart never comes back once another has taken its
//! place, so an instance that does is one of two that run: the one that came first is kept, and the other is refused, by
//! name of that reason, while the first one's connection stands.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use libp2p::{PeerId, swarm::ConnectionId};
use tokio::sync::{Notify, mpsc};

use crate::event::Instance;

/// At most this many instances of a peer that gave way to another are remembered, the last ones.
const MAX_REPLACED: usize = 8;

/// The table of pairs and of blocked peers, shared by the gate, the guard and the mesh task.
pub(crate) struct Pairs {
    local: PeerId,
    window: Duration,
    table: Mutex<Table>,
    changed: Notify,
    closes: mpsc::UnboundedSender<ConnectionId>,
}

#[derive(Default)]
struct Table {
    pairs: BTreeMap<PeerId, Pair>,
    blocked: BTreeSet<PeerId>,
    tickets: u64,
}

#[derive(Default)]
struct Pair {
    /// The connection that stays.
    current: Option<Entry>,
    /// Connections that were replaced and are not closed yet.
    leaving: Vec<Entry>,
    /// Instances whose connection was replaced by another instance's.
    replaced: VecDeque<Instance>,
}

impl Pair {
    /// The present connection gives way to one of `instance`.
    fn replaced_by(&mut self, instance: Instance) -> Option<Entry> {
        let old = self.current.take()?;
        if old.instance != instance && !self.replaced.contains(&old.instance) {
            if self.replaced.len() == MAX_REPLACED {
                self.replaced.pop_front();
            }
            self.replaced.push_back(old.instance);
        }
        Some(old)
    }
}

struct Entry {
    ticket: u64,
    we_dialled: bool,
    instance: Instance,
    credential: Vec<u8>,
    stage: Stage,
    since: Instant,
    /// Of an instance that had given way to another: the other runs beside it.
    came_back: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// In the gate.
    Gate,
    /// Through the gate, on its way into the swarm.
    Passed,
    /// Established in the swarm.
    Live(ConnectionId),
}

/// Why a connection is not the pair's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Denied {
    /// Another one is.
    Duplicate,
    /// Another process with the same key was here first, and is connected.
    OtherProcess,
}

/// What to do with a new connection when there is one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Decision {
    Replace,
    Refuse(Denied),
}

/// The rule of the module's head.
fn decide(old: Old, new_dialled_here: bool, here_is_lower: bool) -> Decision {
    if !old.same_instance {
        // One that has only claimed to be back may be an echo of a process that is gone.
        let kept = old.came_back && old.passed;
        return if kept { Decision::Refuse(Denied::OtherProcess) } else { Decision::Replace };
    }
    if !old.young {
        return Decision::Replace;
    }
    let new_dialled_by_lower = new_dialled_here == here_is_lower;
    if old.dialled_here == new_dialled_here || !new_dialled_by_lower {
        return Decision::Refuse(Denied::Duplicate);
    }
    // The lower end is asked last: that its dial got this far means that the higher end chose it.
    match here_is_lower || !old.passed {
        true => Decision::Replace,
        false => Decision::Refuse(Denied::Duplicate),
    }
}

/// What the rule looks at in the connection that is there.
#[derive(Clone, Copy)]
struct Old {
    same_instance: bool,
    young: bool,
    dialled_here: bool,
    passed: bool,
    came_back: bool,
}

impl Pairs {
    pub(crate) fn new(
        local: PeerId,
        window: Duration,
        closes: mpsc::UnboundedSender<ConnectionId>,
    ) -> Arc<Self> {
        Arc::new(Self { local, window, table: Mutex::default(), changed: Notify::new(), closes })
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn set_blocked(&self, peer: PeerId, blocked: bool) {
        let mut table = self.table();
        if blocked {
            table.blocked.insert(peer);
        } else {
            table.blocked.remove(&peer);
        }
    }

    /// The peers that the operator blocked, in order.
    pub(crate) fn blocked(&self) -> Vec<PeerId> {
        self.table().blocked.iter().copied().collect()
    }

    pub(crate) fn is_blocked(&self, peer: &PeerId) -> bool {
        self.table().blocked.contains(peer)
    }

    /// Claims the pair for a connection in the gate, or says why it may not.
    pub(crate) fn claim(
        self: &Arc<Self>,
        peer: PeerId,
        we_dialled: bool,
        instance: Instance,
        credential: Vec<u8>,
    ) -> Result<Claim, Denied> {
        let mut guard = self.table();
        let table = &mut *guard;
        table.tickets += 1;
        let ticket = table.tickets;
        let pair = table.pairs.entry(peer).or_default();
        if let Some(old) = &pair.current {
            let seen = Old {
                same_instance: old.instance == instance,
                young: old.since.elapsed() < self.window,
                dialled_here: old.we_dialled,
                passed: old.stage != Stage::Gate,
                came_back: old.came_back,
            };
            if let Decision::Refuse(denied) = decide(seen, we_dialled, self.local < peer) {
                return Err(denied);
            }
        }
        if let Some(old) = pair.replaced_by(instance) {
            if let Stage::Live(connection) = old.stage {
                // The mesh task may be gone, and the connection with it.
                let _ = self.closes.send(connection);
            }
            pair.leaving.push(old);
        }
        pair.current = Some(Entry {
            ticket,
            we_dialled,
            instance,
            credential,
            stage: Stage::Gate,
            since: Instant::now(),
            came_back: pair.replaced.contains(&instance),
        });
        drop(guard);
        self.changed.notify_waiters();
        Ok(Claim { pairs: self.clone(), peer, ticket, passed: false })
    }

    /// A connection is established in the swarm; `false`: it was replaced meanwhile and must be closed.
    pub(crate) fn established(&self, peer: PeerId, connection: ConnectionId) -> bool {
        let mut table = self.table();
        let Some(pair) = table.pairs.get_mut(&peer) else {
            return false;
        };
        // A current entry passes only after the leaving ones are gone, so at most one entry is in this stage.
        if let Some(entry) = pair.leaving.iter_mut().find(|entry| entry.stage == Stage::Passed) {
            entry.stage = Stage::Live(connection);
            return false;
        }
        match &mut pair.current {
            Some(entry) if entry.stage == Stage::Passed => {
                entry.stage = Stage::Live(connection);
                entry.since = Instant::now();
                true
            }
            _ => false,
        }
    }

    /// A connection is closed.
    pub(crate) fn closed(&self, peer: PeerId, connection: ConnectionId) {
        self.remove(peer, |entry| entry.stage == Stage::Live(connection));
    }

    /// A connection that passed the gate was denied by a guard.
    pub(crate) fn denied(&self, peer: PeerId) {
        self.remove(peer, |entry| entry.stage == Stage::Passed);
    }

    /// The credential that came with the pair's present connection, if it is of that instance.
    pub(crate) fn credential(&self, peer: &PeerId, instance: &Instance) -> Option<Vec<u8>> {
        let table = self.table();
        let current = table.pairs.get(peer)?.current.as_ref()?;
        (current.instance == *instance).then(|| current.credential.clone())
    }

    /// The peers whose connection is established, with the credential that came with it.
    pub(crate) fn live(&self) -> Vec<(PeerId, Vec<u8>)> {
        let table = self.table();
        let current = table.pairs.iter().filter_map(|(peer, pair)| Some((peer, pair.current.as_ref()?)));
        let live = current.filter(|(_, entry)| matches!(entry.stage, Stage::Live(_)));
        live.map(|(peer, entry)| (*peer, entry.credential.clone())).collect()
    }

    fn remove(&self, peer: PeerId, gone: impl Fn(&Entry) -> bool) {
        let mut table = self.table();
        if let Some(pair) = table.pairs.get_mut(&peer) {
            pair.leaving.retain(|entry| !gone(entry));
            if pair.current.as_ref().is_some_and(&gone) {
                pair.current = None;
            }
            if pair.current.is_none() && pair.leaving.is_empty() {
                table.pairs.remove(&peer);
            }
        }
        drop(table);
        self.changed.notify_waiters();
    }
}

/// A connection's claim to be the pair's; dropping it before `pass` gives it up.
pub(crate) struct Claim {
    pairs: Arc<Pairs>,
    peer: PeerId,
    ticket: u64,
    passed: bool,
}

impl Claim {
    /// Waits until the connections that this one replaces are closed. Cancel-safe.
    pub(crate) async fn settled(&self) -> Result<(), Denied> {
        loop {
            let changed = self.pairs.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            {
                let table = self.pairs.table();
                let pair = table.pairs.get(&self.peer).ok_or(Denied::Duplicate)?;
                if pair.current.as_ref().is_none_or(|entry| entry.ticket != self.ticket) {
                    return Err(Denied::Duplicate);
                }
                // A replaced entry still in the gate can no longer pass, so it need not be waited for.
                if pair.leaving.iter().all(|entry| entry.stage == Stage::Gate) {
                    return Ok(());
                }
            }
            changed.await;
        }
    }

    /// The last step of the gate: the connection may enter the swarm, unless it was replaced meanwhile.
    pub(crate) fn pass(mut self) -> Result<(), Denied> {
        let mut table = self.pairs.table();
        let current = table.pairs.get_mut(&self.peer).and_then(|pair| pair.current.as_mut());
        match current {
            Some(entry) if entry.ticket == self.ticket => entry.stage = Stage::Passed,
            _ => return Err(Denied::Duplicate),
        }
        drop(table);
        self.passed = true;
        Ok(())
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        if !self.passed {
            self.pairs.remove(self.peer, |entry| entry.ticket == self.ticket);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs() -> (Arc<Pairs>, PeerId, mpsc::UnboundedReceiver<ConnectionId>) {
        let (sender, receiver) = mpsc::unbounded_channel();
        let (mut local, mut remote) = (PeerId::random(), PeerId::random());
        if remote < local {
            std::mem::swap(&mut local, &mut remote);
        }
        (Pairs::new(local, Duration::from_secs(60), sender), remote, receiver)
    }

    /// One connection of the model: which end dialled it, and how far it is.
    struct Attempt<'a> {
        dialler: (&'a Arc<Pairs>, Instance),
        listener: &'a Arc<Pairs>,
        claim: Option<Claim>,
        dialled: bool,
        accepted: bool,
    }

    impl Attempt<'_> {
        fn step(&mut self, step: usize) {
            let (dialler, instance) = self.dialler;
            match step {
                // The listener gets the dialler's credential.
                0 => self.claim = self.listener.claim(dialler.local, false, instance, vec![]).ok(),
                // The dialler gets the listener's verdict.
                1 if self.claim.is_some() => {
                    let claim = dialler.claim(self.listener.local, true, [9; 16], vec![]);
                    self.dialled = claim.is_ok_and(|claim| claim.pass().is_ok());
                }
                // The listener gets the dialler's verdict.
                2 => {
                    self.accepted =
                        self.claim.take().is_some_and(|claim| self.dialled && claim.pass().is_ok())
                }
                _ => {}
            }
        }
    }

    #[test]
    fn both_ends_keep_the_same_one_of_two_simultaneous_connections_in_every_order() {
        for order in 0u8..64 {
            if order.count_ones() != 3 {
                continue;
            }
            let (lower, peer, _lower_closes) = pairs();
            let (closes, _higher_closes) = mpsc::unbounded_channel();
            let higher = Pairs::new(peer, Duration::from_secs(60), closes);
            let attempt = |dialler, listener| Attempt {
                dialler: (dialler, [9; 16]),
                listener,
                claim: None,
                dialled: false,
                accepted: false,
            };
            let mut attempts = [attempt(&lower, &higher), attempt(&higher, &lower)];
            let mut steps = [0, 0];
            for bit in 0..6 {
                let which = usize::from(order >> bit & 1);
                attempts[which].step(steps[which]);
                steps[which] += 1;
            }
            let kept = attempts.iter().filter(|attempt| attempt.dialled && attempt.accepted).count();
            assert_eq!(kept, 1, "order {order:06b}");
            assert!(attempts.iter().all(|attempt| attempt.dialled == attempt.accepted), "order {order:06b}");
        }
    }

    #[test]
    fn a_restart_and_a_late_redial_replace_whoever_dialled() {
        for bits in 0..16u8 {
            let bit = |at: u8| bits >> at & 1 > 0;
            let old = |same_instance, young| Old {
                same_instance,
                young,
                dialled_here: bit(0),
                passed: bit(1),
                came_back: false,
            };
            assert_eq!(decide(old(false, true), bit(2), bit(3)), Decision::Replace, "another instance");
            assert_eq!(decide(old(true, false), bit(2), bit(3)), Decision::Replace, "past the window");
        }
    }

    #[tokio::test]
    async fn a_replacement_passes_only_after_the_old_connection_is_closed() {
        let (pairs, peer, mut closes) = pairs();
        let old = pairs.claim(peer, true, [1; 16], vec![]).expect("nothing there");
        old.settled().await.expect("nothing to wait for");
        old.pass().expect("still current");
        let connection = ConnectionId::new_unchecked(1);
        assert!(pairs.established(peer, connection));
        let new = pairs.claim(peer, false, [2; 16], vec![7]).expect("a restart replaces");
        assert_eq!(closes.try_recv(), Ok(connection));
        {
            let settled = new.settled();
            tokio::pin!(settled);
            assert!(futures::poll!(settled.as_mut()).is_pending());
            pairs.closed(peer, connection);
            settled.await.expect("the old one is gone");
        }
        new.pass().expect("still current");
        assert!(pairs.established(peer, ConnectionId::new_unchecked(2)));
        assert_eq!(pairs.credential(&peer, &[2; 16]), Some(vec![7]));
        assert_eq!(pairs.credential(&peer, &[1; 16]), None);
    }

    #[tokio::test]
    async fn a_connection_replaced_on_its_way_into_the_swarm_is_closed_there() {
        let (pairs, peer, _closes) = pairs();
        let old = pairs.claim(peer, false, [1; 16], vec![]).expect("nothing there");
        old.pass().expect("current");
        let new = pairs.claim(peer, true, [1; 16], vec![]).expect("dialled by the lower end");
        assert!(!pairs.established(peer, ConnectionId::new_unchecked(1)), "to be closed");
        pairs.closed(peer, ConnectionId::new_unchecked(1));
        new.settled().await.expect("nothing left to wait for");
    }

    /// A connection of an instance that gets through the gate and into the swarm, if it may.
    fn connects(pairs: &Arc<Pairs>, peer: PeerId, instance: Instance, number: usize) -> Result<(), Denied> {
        let claim = pairs.claim(peer, false, instance, vec![])?;
        // What it replaces is closed at once.
        let leaving: Vec<_> = pairs.table().pairs[&peer].leaving.iter().map(|entry| entry.stage).collect();
        for stage in leaving {
            if let Stage::Live(connection) = stage {
                pairs.closed(peer, connection);
            }
        }
        claim.pass()?;
        assert!(pairs.established(peer, ConnectionId::new_unchecked(number)));
        Ok(())
    }

    #[test]
    fn of_two_processes_with_one_key_the_first_is_kept_once_they_alternate() {
        let (pairs, peer, _closes) = pairs();
        assert_eq!(connects(&pairs, peer, [1; 16], 1), Ok(()));
        assert_eq!(connects(&pairs, peer, [2; 16], 2), Ok(()), "as a restart would");
        assert_eq!(connects(&pairs, peer, [1; 16], 3), Ok(()), "so it was none");
        for _ in 0..3 {
            assert_eq!(connects(&pairs, peer, [2; 16], 4), Err(Denied::OtherProcess));
            assert_eq!(connects(&pairs, peer, [3; 16], 4), Err(Denied::OtherProcess));
        }
        assert!(pairs.credential(&peer, &[1; 16]).is_some(), "it is still connected");
        // Once the first one is gone, the other is all that there is.
        pairs.closed(peer, ConnectionId::new_unchecked(3));
        assert_eq!(connects(&pairs, peer, [2; 16], 5), Ok(()));
    }

    #[test]
    fn restarts_without_end_are_no_second_process_and_take_bounded_room() {
        let (pairs, peer, _closes) = pairs();
        for start in 0..100 {
            assert_eq!(connects(&pairs, peer, [start; 16], usize::from(start)), Ok(()));
        }
        assert_eq!(pairs.table().pairs[&peer].replaced.len(), MAX_REPLACED);
    }

    #[test]
    fn an_echo_of_a_process_that_is_gone_keeps_nobody_out() {
        let (pairs, peer, _closes) = pairs();
        assert_eq!(connects(&pairs, peer, [1; 16], 1), Ok(()));
        assert_eq!(connects(&pairs, peer, [2; 16], 2), Ok(()));
        // Its last dial comes late, and nobody is there to end it.
        let echo = pairs.claim(peer, false, [1; 16], vec![]).expect("may come back");
        assert_eq!(connects(&pairs, peer, [2; 16], 3), Ok(()));
        drop(echo);
        assert!(pairs.credential(&peer, &[2; 16]).is_some());
    }

    #[test]
    fn a_claim_given_up_leaves_no_trace() {
        let (pairs, peer, _closes) = pairs();
        let claim = pairs.claim(peer, true, [1; 16], vec![]).expect("nothing there");
        assert!(pairs.claim(peer, true, [1; 16], vec![]).is_err(), "same end, same instance, at once");
        drop(claim);
        assert!(pairs.table().pairs.is_empty());
    }
}
