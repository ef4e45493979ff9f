//! Who waits for what, who follows, and the faults of late.
//!
//! Guarantees: a waiter that registers before its record is submitted misses nothing; all queues and rings are
//! bounded; a follower that is too slow is told how many events it missed, and slows nobody.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use entente_protocol::identity::RecordId;
use tokio::sync::{broadcast, oneshot, watch};

use crate::api::dto::{DecisionView, EventView, FaultView};

/// Events that one follower may lag behind.
pub const FOLLOWER_QUEUE: usize = 1024;
/// Faults that are kept.
pub const MAX_FAULTS: usize = 256;
/// Longest text of a fault that is kept, in bytes: a peer may have a say in it.
pub const MAX_FAULT_TEXT_BYTES: usize = 512;

/// Where a record was ordered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// Index of its leaf.
    pub index: u64,
    /// The epoch.
    pub epoch: u64,
    /// What it did.
    pub outcome: String,
}

/// Waiters for one thing, by id.
struct Waiters<T>(Mutex<BTreeMap<RecordId, Vec<oneshot::Sender<T>>>>);

impl<T: Clone> Waiters<T> {
    fn new() -> Self {
        Self(Mutex::new(BTreeMap::new()))
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<RecordId, Vec<oneshot::Sender<T>>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait(&self, id: RecordId) -> oneshot::Receiver<T> {
        let (tell, told) = oneshot::channel();
        let mut waiters = self.lock();
        let waiting = waiters.entry(id).or_default();
        waiting.retain(|waiter| !waiter.is_closed());
        waiting.push(tell);
        told
    }

    /// Drops those of `id` that wait no longer.
    fn forget(&self, id: &RecordId) {
        let mut waiters = self.lock();
        if let Some(waiting) = waiters.get_mut(id) {
            waiting.retain(|waiter| !waiter.is_closed());
            if waiting.is_empty() {
                waiters.remove(id);
            }
        }
    }

    fn tell(&self, id: &RecordId, what: &T) {
        let waiting = self.lock().remove(id);
        for waiter in waiting.into_iter().flatten() {
            // One that has gone meanwhile needs no answer.
            let _ = waiter.send(what.clone());
        }
    }
}

/// Who waits and who follows.
pub struct Follow {
    events: broadcast::Sender<EventView>,
    ordered: Waiters<Place>,
    decided: Waiters<DecisionView>,
    faults: Mutex<VecDeque<FaultView>>,
    reach: watch::Sender<Option<bool>>,
}

impl Default for Follow {
    fn default() -> Self {
        Self {
            events: broadcast::channel(FOLLOWER_QUEUE).0,
            ordered: Waiters::new(),
            decided: Waiters::new(),
            faults: Mutex::default(),
            reach: watch::Sender::new(None),
        }
    }
}

impl Follow {
    /// Events from now on.
    pub fn events(&self) -> broadcast::Receiver<EventView> {
        self.events.subscribe()
    }

    /// Whether somebody follows: else events need not be put into words.
    pub(super) fn has_followers(&self) -> bool {
        self.events.receiver_count() > 0
    }

    pub(super) fn tell(&self, event: EventView) {
        // Without followers there is nobody to tell.
        let _ = self.events.send(event);
    }

    /// Whether a quorum of seats can be reached; `None` until the engine has said so.
    pub fn reach(&self) -> watch::Receiver<Option<bool>> {
        self.reach.subscribe()
    }

    pub(super) fn set_reach(&self, reached: bool) {
        self.reach.send_replace(Some(reached));
    }

    /// Answers when the record is in a certified batch.
    pub fn until_ordered(&self, id: RecordId) -> oneshot::Receiver<Place> {
        self.ordered.wait(id)
    }

    /// Answers when the operation's decision is certified.
    pub fn until_decided(&self, operation: RecordId) -> oneshot::Receiver<DecisionView> {
        self.decided.wait(operation)
    }

    /// Forgets waiters for these that have gone.
    pub fn forget(&self, id: &RecordId, operation: Option<&RecordId>) {
        self.ordered.forget(id);
        if let Some(operation) = operation {
            self.decided.forget(operation);
        }
    }

    pub(super) fn tell_ordered(&self, id: &RecordId, place: &Place) {
        self.ordered.tell(id, place);
    }

    pub(super) fn tell_decided(&self, decision: &DecisionView) {
        self.decided.tell(&decision.operation, decision);
    }

    /// Keeps a fault and tells followers.
    pub(super) fn fault(&self, mut fault: FaultView) {
        if fault.what.len() > MAX_FAULT_TEXT_BYTES {
            let mut end = MAX_FAULT_TEXT_BYTES;
            while !fault.what.is_char_boundary(end) {
                end -= 1;
            }
            fault.what.truncate(end);
            fault.what.push_str("...");
        }
        let mut faults = self.faults.lock().unwrap_or_else(PoisonError::into_inner);
        if faults.len() == MAX_FAULTS {
            faults.pop_front();
        }
        faults.push_back(fault.clone());
        drop(faults);
        self.tell(EventView::Fault(fault));
    }

    /// The faults of late, oldest first.
    pub fn faults(&self) -> Vec<FaultView> {
        self.faults.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use entente_protocol::identity::hash;
    use entente_protocol::time::Time;

    use super::*;

    fn id(text: &str) -> RecordId {
        RecordId(hash("test", &[text.as_bytes()]))
    }

    #[test]
    fn every_waiter_of_an_id_is_told_once_and_others_are_not() {
        let follow = Follow::default();
        let (mut one, mut two) = (follow.until_ordered(id("a")), follow.until_ordered(id("a")));
        let mut other = follow.until_ordered(id("b"));
        let place = Place { index: 3, epoch: 1, outcome: "applied".into() };
        follow.tell_ordered(&id("a"), &place);
        assert_eq!(one.try_recv(), Ok(place.clone()));
        assert_eq!(two.try_recv(), Ok(place.clone()));
        assert!(other.try_recv().is_err());
        drop(other);
        follow.forget(&id("b"), None);
        assert!(follow.ordered.lock().is_empty());
        follow.tell_ordered(&id("a"), &place);
    }

    #[test]
    fn the_ring_of_faults_and_their_texts_are_bounded() {
        let follow = Follow::default();
        for number in 0..MAX_FAULTS + 5 {
            let what = format!("{number} {}", "ä".repeat(MAX_FAULT_TEXT_BYTES));
            let fault = FaultView {
                at: Time(number as u64),
                partner: None,
                node: None,
                seat: None,
                code: "gap".into(),
                what,
            };
            follow.fault(fault);
        }
        let faults = follow.faults();
        assert_eq!((faults.len(), faults[0].at), (MAX_FAULTS, Time(5)));
        assert!(faults.iter().all(|fault| fault.what.len() <= MAX_FAULT_TEXT_BYTES + 3));
    }
}
