//! One connection per pair, decided inside the gate, before any behaviour sees a second one.
//!
//! Guarantees: the swarm never holds two established connections with one peer, except while a replaced one is closing,
//! and then the new one is let through only after the old one is closed. So gossipsub sends its subscriptions to a peer that
//! restarted with the same key (rust-libp2p#5097: it does so only for a first connection), streams open on the connection
//! that stays, and a connection dialled by Kademlia obeys the same rule as any other.
//!
//! The rule, the same at both ends: a new *instance* of a peer (a restart) replaces what is there. Of two connections
//! between the same instances, one dialled by each end within the window, the one dialled by the lower peer id stays. Two
//! dialled by the same end within the window: the one that the listener admitted first stays. After the window the new
//! one replaces the old, because whoever dials again has lost it.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use libp2p::{PeerId, swarm::ConnectionId};
use tokio::sync::{Notify, mpsc};

use crate::event::Instance;

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
}

struct Entry {
    ticket: u64,
    we_dialled: bool,
    instance: Instance,
    credential: Vec<u8>,
    stage: Stage,
    since: Instant,
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
pub(crate) struct Duplicate;

/// What to do with a new connection when there is one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Decision {
    Replace,
    Refuse,
}

/// The rule of the module's head.
fn decide(
    same_instance: bool,
    old_dialled_here: bool,
    new_dialled_here: bool,
    old_is_young: bool,
    here_is_lower: bool,
) -> Decision {
    if !same_instance || !old_is_young {
        return Decision::Replace;
    }
    let new_dialled_by_lower = new_dialled_here == here_is_lower;
    if old_dialled_here != new_dialled_here && new_dialled_by_lower {
        Decision::Replace
    } else {
        Decision::Refuse
    }
}

impl Pairs {
    pub(crate) fn new(
        local: PeerId,
        window: Duration,
        closes: mpsc::UnboundedSender<ConnectionId>,
    ) -> Arc<Self> {
        Arc::new(Self {
            local,
            window,
            table: Mutex::default(),
            changed: Notify::new(),
            closes,
        })
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

    pub(crate) fn is_blocked(&self, peer: &PeerId) -> bool {
        self.table().blocked.contains(peer)
    }

    /// Claims the pair for a connection in the gate, or says that it is a duplicate.
    pub(crate) fn claim(
        self: &Arc<Self>,
        peer: PeerId,
        we_dialled: bool,
        instance: Instance,
        credential: Vec<u8>,
    ) -> Result<Claim, Duplicate> {
        let mut guard = self.table();
        let table = &mut *guard;
        table.tickets += 1;
        let ticket = table.tickets;
        let pair = table.pairs.entry(peer).or_default();
        if let Some(old) = &pair.current {
            let decision = decide(
                old.instance == instance,
                old.we_dialled,
                we_dialled,
                old.since.elapsed() < self.window,
                self.local < peer,
            );
            if decision == Decision::Refuse {
                return Err(Duplicate);
            }
        }
        if let Some(old) = pair.current.take() {
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
        });
        drop(guard);
        self.changed.notify_waiters();
        Ok(Claim {
            pairs: self.clone(),
            peer,
            ticket,
            passed: false,
        })
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
    pub(crate) async fn settled(&self) -> Result<(), Duplicate> {
        loop {
            let changed = self.pairs.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            {
                let table = self.pairs.table();
                let pair = table.pairs.get(&self.peer).ok_or(Duplicate)?;
                if pair
                    .current
                    .as_ref()
                    .is_none_or(|entry| entry.ticket != self.ticket)
                {
                    return Err(Duplicate);
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
    pub(crate) fn pass(mut self) -> Result<(), Duplicate> {
        let mut table = self.pairs.table();
        let current = table
            .pairs
            .get_mut(&self.peer)
            .and_then(|pair| pair.current.as_mut());
        match current {
            Some(entry) if entry.ticket == self.ticket => entry.stage = Stage::Passed,
            _ => return Err(Duplicate),
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
        (
            Pairs::new(local, Duration::from_secs(60), sender),
            remote,
            receiver,
        )
    }

    #[test]
    fn both_ends_keep_the_same_one_of_two_simultaneous_connections() {
        // (old dialled by the lower end?, new dialled by the lower end?) as each end sees it.
        for (old_lower, new_lower) in [(true, false), (false, true)] {
            let at_lower = decide(true, old_lower, new_lower, true, true);
            let at_higher = decide(true, !old_lower, !new_lower, true, false);
            assert_eq!(at_lower, at_higher);
            let kept_is_new = at_lower == Decision::Replace;
            assert!(
                if kept_is_new { new_lower } else { old_lower },
                "the lower end's dial stays"
            );
        }
    }

    #[test]
    fn a_restart_and_a_late_redial_replace_whoever_dialled() {
        for bits in 0..8u8 {
            let (a, b, c) = (bits & 1 > 0, bits & 2 > 0, bits & 4 > 0);
            assert_eq!(
                decide(false, a, b, true, c),
                Decision::Replace,
                "another instance"
            );
            assert_eq!(decide(true, a, b, false, c), Decision::Replace, "past the window");
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
        let new = pairs
            .claim(peer, false, [2; 16], vec![7])
            .expect("a restart replaces");
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
        let new = pairs
            .claim(peer, true, [1; 16], vec![])
            .expect("dialled by the lower end");
        assert!(
            !pairs.established(peer, ConnectionId::new_unchecked(1)),
            "to be closed"
        );
        pairs.closed(peer, ConnectionId::new_unchecked(1));
        new.settled().await.expect("nothing left to wait for");
    }

    #[test]
    fn a_claim_given_up_leaves_no_trace() {
        let (pairs, peer, _closes) = pairs();
        let claim = pairs.claim(peer, true, [1; 16], vec![]).expect("nothing there");
        assert!(
            pairs.claim(peer, true, [1; 16], vec![]).is_err(),
            "same end, same instance, at once"
        );
        drop(claim);
        assert!(pairs.table().pairs.is_empty());
    }
}
