//! Who waits for what, who follows, and the faults of late.
//!
//! Guarantees: a waiter that registers before its record is submitted misses nothing, and is forgotten when it is dropped,
//! for whatever reason; all queues and tables are bounded, and a full one refuses; a follower that is too slow is told how
//! many events it missed, and slows nobody.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Instant;

use entente_protocol::identity::RecordId;
use entente_protocol::record::{Incident, Matter};
use thiserror::Error;
use tokio::sync::{Notify, broadcast, oneshot, watch};

use super::clock;
use super::exhibits::Seen;
use super::faults::{FAULT_INTERVAL, Faults, Told};
use super::incidents::{Due, Incidents};
use crate::api::dto::{DecisionView, EventView, FaultView};

/// Events that one follower may lag behind.
pub const FOLLOWER_QUEUE: usize = 1024;
/// Most that wait for records to be ordered, and as many for decisions; one more is refused.
pub const MAX_WAITERS: usize = 16 * 1024;

/// As many wait as may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("{MAX_WAITERS} requests wait for their records already")]
pub struct TooManyWaiters;

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

/// Waiters for one thing, by id and ticket.
struct Waiters<T>(Arc<Mutex<Waiting<T>>>);

struct Waiting<T> {
    by_id: BTreeMap<RecordId, BTreeMap<u64, oneshot::Sender<T>>>,
    count: usize,
    tickets: u64,
}

impl<T> Waiters<T> {
    fn new() -> Self {
        Self(Arc::new(Mutex::new(Waiting { by_id: BTreeMap::new(), count: 0, tickets: 0 })))
    }

    fn wait(&self, id: RecordId) -> Result<Waiter<T>, TooManyWaiters> {
        let mut waiting = lock(&self.0);
        if waiting.count >= MAX_WAITERS {
            return Err(TooManyWaiters);
        }
        let (tell, told) = oneshot::channel();
        waiting.count += 1;
        waiting.tickets += 1;
        let ticket = waiting.tickets;
        waiting.by_id.entry(id).or_default().insert(ticket, tell);
        Ok(Waiter { id, ticket, told, waiters: Arc::clone(&self.0) })
    }
}

impl<T: Clone> Waiters<T> {
    fn tell(&self, id: &RecordId, what: &T) {
        let told = {
            let mut waiting = lock(&self.0);
            let told = waiting.by_id.remove(id).unwrap_or_default();
            waiting.count -= told.len();
            told
        };
        for waiter in told.into_values() {
            // One that has gone meanwhile needs no answer.
            let _ = waiter.send(what.clone());
        }
    }
}

fn lock<T>(waiting: &Mutex<Waiting<T>>) -> MutexGuard<'_, Waiting<T>> {
    waiting.lock().unwrap_or_else(PoisonError::into_inner)
}

/// One that waits; its place is free again when it is dropped.
pub struct Waiter<T> {
    id: RecordId,
    ticket: u64,
    told: oneshot::Receiver<T>,
    waiters: Arc<Mutex<Waiting<T>>>,
}

impl<T> Future for Waiter<T> {
    type Output = Result<T, oneshot::error::RecvError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.told).poll(cx)
    }
}

impl<T> Drop for Waiter<T> {
    fn drop(&mut self) {
        let mut waiting = lock(&self.waiters);
        let Some(of_id) = waiting.by_id.get_mut(&self.id) else {
            return;
        };
        let removed = of_id.remove(&self.ticket).is_some();
        if of_id.is_empty() {
            waiting.by_id.remove(&self.id);
        }
        waiting.count -= usize::from(removed);
    }
}

/// Who waits and who follows.
pub struct Follow {
    events: broadcast::Sender<EventView>,
    ordered: Waiters<Place>,
    decided: Waiters<DecisionView>,
    faults: Mutex<Faults>,
    fault_waits: Notify,
    incidents: Mutex<Incidents>,
    incident_waits: Notify,
    reach: watch::Sender<Option<bool>>,
}

impl Follow {
    /// Nobody yet; faults of one kind by one member above `flood_per_minute` are a flood.
    pub(super) fn new(flood_per_minute: u32) -> Self {
        Self {
            events: broadcast::channel(FOLLOWER_QUEUE).0,
            ordered: Waiters::new(),
            decided: Waiters::new(),
            faults: Mutex::default(),
            fault_waits: Notify::new(),
            incidents: Mutex::new(Incidents::new(flood_per_minute)),
            incident_waits: Notify::new(),
            reach: watch::Sender::new(None),
        }
    }

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
    pub fn until_ordered(&self, id: RecordId) -> Result<Waiter<Place>, TooManyWaiters> {
        self.ordered.wait(id)
    }

    /// Answers when the operation's decision is certified.
    pub fn until_decided(&self, operation: RecordId) -> Result<Waiter<DecisionView>, TooManyWaiters> {
        self.decided.wait(operation)
    }

    /// How many wait for anything.
    pub fn waiting(&self) -> usize {
        lock(&self.ordered.0).count + lock(&self.decided.0).count
    }

    pub(super) fn tell_ordered(&self, id: &RecordId, place: &Place) {
        self.ordered.tell(id, place);
    }

    pub(super) fn tell_decided(&self, decision: &DecisionView) {
        self.decided.tell(&decision.operation, decision);
    }

    /// Counts a fault, with what was seen of it, and tells log and followers when it is its turn; `epoch` is the last that was applied when it was seen.
    pub(super) fn fault(&self, fault: FaultView, seen: Option<Seen>, epoch: Option<u64>) {
        let (at, now) = (clock::now(), Instant::now());
        self.incidents(|incidents| incidents.fault(&fault, seen, at, now));
        let told = self.lock_faults().take(fault, at, now);
        match told {
            Some(told) => self.tell_fault(told, epoch),
            None => self.fault_waits.notify_one(),
        }
    }

    /// Tells the repetitions whose time has come, or all.
    pub(super) fn tell_faults(&self, all: bool) {
        let due = self.lock_faults().due(Instant::now(), all);
        for told in due {
            self.tell_fault(told, None);
        }
    }

    /// When repetitions are to be told next.
    pub(super) fn faults_next(&self) -> Option<Instant> {
        self.lock_faults().next()
    }

    /// Waits until there are repetitions to tell later.
    pub(super) async fn fault_waits(&self) {
        self.fault_waits.notified().await;
    }

    fn tell_fault(&self, told: Told, epoch: Option<u64>) {
        let Told { fault, more } = told;
        let (partner, seat, code, what) = (fault.partner.as_deref(), fault.seat, &fault.code, &fault.what);
        if more > 0 {
            let within_s = FAULT_INTERVAL.as_secs();
            tracing::warn!(partner, seat, code, what, epoch, more, within_s, "fault, repeated");
        } else {
            tracing::warn!(partner, seat, code, what, epoch, "fault");
        }
        self.tell(EventView::Fault(fault));
    }

    /// Faults of one kind by one member above this are a flood from now on.
    pub(super) fn set_flood_rate(&self, flood_per_minute: u32) {
        self.lock_incidents().set_rate(flood_per_minute);
    }

    /// Counts what was seen `count` times, to be filed.
    pub(super) fn saw(&self, matter: Matter, text: &str, seen: Option<Seen>, count: u64) {
        self.incidents(|incidents| incidents.saw(matter, text, seen, count, clock::now(), Instant::now()));
    }

    /// What is to be filed now.
    pub(super) fn incidents_due(&self) -> Vec<Due> {
        self.lock_incidents().due(Instant::now())
    }

    /// What could not be filed.
    pub(super) fn give_back(&self, incident: Incident) {
        self.lock_incidents().give_back(incident, Instant::now());
    }

    /// When something is to be filed next.
    pub(super) fn incidents_next(&self) -> Option<Instant> {
        self.lock_incidents().next(Instant::now())
    }

    /// Waits until there is something to file.
    pub(super) async fn incident_waits(&self) {
        self.incident_waits.notified().await;
    }

    fn incidents(&self, change: impl FnOnce(&mut Incidents)) {
        let mut incidents = self.lock_incidents();
        change(&mut incidents);
        if incidents.next(Instant::now()).is_some() {
            self.incident_waits.notify_one();
        }
    }

    fn lock_incidents(&self) -> MutexGuard<'_, Incidents> {
        self.incidents.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lock_faults(&self) -> MutexGuard<'_, Faults> {
        self.faults.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The faults of late, one row for each node and kind, the one seen longest ago first.
    pub fn faults(&self) -> Vec<FaultView> {
        self.lock_faults().view()
    }
}

#[cfg(test)]
mod tests {
    use entente_protocol::identity::hash;

    use super::*;

    fn id(text: &str) -> RecordId {
        RecordId(hash("test", &[text.as_bytes()]))
    }

    #[test]
    fn every_waiter_of_an_id_is_told_once_and_others_are_not() {
        let follow = Follow::new(600);
        let wait = |text: &str| follow.until_ordered(id(text)).expect("room");
        let (mut one, mut two, mut other) = (wait("a"), wait("a"), wait("b"));
        let place = Place { index: 3, epoch: 1, outcome: "applied".into() };
        follow.tell_ordered(&id("a"), &place);
        assert_eq!(one.told.try_recv(), Ok(place.clone()));
        assert_eq!(two.told.try_recv(), Ok(place.clone()));
        assert!(other.told.try_recv().is_err());
        assert_eq!(follow.waiting(), 1);
        drop((one, two, other));
        assert_eq!(follow.waiting(), 0);
        follow.tell_ordered(&id("a"), &place);
    }

    #[test]
    fn waiters_are_bounded_and_one_that_goes_makes_room() {
        let follow = Follow::new(600);
        let wait = || follow.until_decided(id("a"));
        let mut waiters = (0..MAX_WAITERS).map(|_| wait().expect("room")).collect::<Vec<_>>();
        assert_eq!(wait().err(), Some(TooManyWaiters));
        assert!(follow.until_ordered(id("a")).is_ok(), "others have room of their own");
        waiters.swap_remove(7);
        assert!(wait().is_ok());
        drop(waiters);
        assert_eq!(follow.waiting(), 0);
        assert!(lock(&follow.decided.0).by_id.is_empty());
    }
}
