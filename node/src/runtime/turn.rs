//! The engine's thread: inputs in turns, one commit for all of a turn, then its effects in order.
//!
//! Guarantees: nothing that an input causes is sent, answered or told before all that this and earlier turns persist is
//! durable, which is more than the order of effects asks for; a failed commit carries out none of them. A turn from
//! which nothing leaves waits for the next commit, at most `MAX_UNCOMMITTED` writes and `COMMIT_AFTER`: what peers have
//! said need not be durable before this node says something itself. All inputs that wait are
//! taken in one turn, so the more there is to do, the more shares one fsync (group commit), and submissions that wait
//! share a signature. What waits is bounded, and so is a turn.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use entente_discovery::{Bytes, PeerId, SendError};
use entente_protocol::engine::{
    Effect, Engine, Event, Fault, Halt, Held, Input, NodeId, Refused, Submission, Ticket,
};
use entente_protocol::feed::{FeedKey, Lane, MAX_RUN_ENTRIES};
use entente_protocol::record::{Body, Incident};
use entente_protocol::replicate::PeerMessage;
use entente_protocol::store::{Damage, Write};
use entente_protocol::time::Time;
use entente_protocol::wire;
use tokio::sync::{mpsc, oneshot};

use super::exhibits::Seen;
use super::faults::Lines;
use super::follow::Place;
use super::serve::{Asked, Serving};
use super::{Handle, Stopped, clock};
use crate::api::dto::{DecisionView, EventView, FaultView, RulingView};
use crate::api::names::named;
use crate::storage::{Mark, Store, StoreError};

/// Requests of the local API that wait for the engine.
pub const LOCAL_QUEUE: usize = 1024;
/// Most inputs of a kind (from peers, local) that one turn takes.
pub const MAX_TURN_INPUTS: usize = 256;
/// Most writes that wait for a commit.
pub(super) const MAX_UNCOMMITTED: usize = 256;
/// Writes that nothing leaves behind are committed after this at the latest.
const COMMIT_AFTER: Duration = Duration::from_millis(100);
/// The engine gets a tick at least this often, because a wall clock may be set back behind a moment that it waits for.
const MAX_SLEEP: Duration = Duration::from_secs(10);

/// A look at the engine between two turns.
type Question = Box<dyn FnOnce(&Engine, Time) + Send>;

/// A request of the local API.
pub(super) enum Local {
    /// Append to the own feed.
    Submit { lane: Option<Lane>, body: Vec<u8>, answer: oneshot::Sender<Result<Held, Refused>> },
    /// Append what this node has seen to the own feed.
    File { incident: Incident, answer: oneshot::Sender<Result<Held, Refused>> },
    /// Look at the engine.
    Ask(Question),
    /// End.
    Stop(Stopped),
}

/// The engine and what carries out its effects.
pub(super) struct Turn {
    engine: Engine,
    node: Handle,
    served: Serving,
    /// How often keys had changed when the members were last told.
    keys_seen: usize,
    /// The version of the charter whose flood rate holds.
    charter_seen: u32,
    /// Lines on frames that a peer's full queue did not take.
    dropped: BTreeMap<NodeId, Lines>,
    tickets: u64,
    answers: BTreeMap<Ticket, oneshot::Sender<Result<Held, Refused>>>,
    wake: Option<Time>,
    /// Writes of turns from which nothing left, and what has been told of certified leaves.
    uncommitted: (Vec<Write>, Vec<Mark>),
    /// Since when.
    waiting_since: Option<Instant>,
    span: tracing::Span,
}

impl Turn {
    pub(super) fn new(engine: Engine, node: Handle, served: Serving) -> Self {
        let span = node.span();
        let charter = engine.state().charter();
        node.follow().set_flood_rate(charter.integrity.flood_per_minute);
        Self {
            keys_seen: engine.state().key_changes(),
            charter_seen: charter.version,
            engine,
            node,
            served,
            dropped: BTreeMap::new(),
            tickets: 0,
            answers: BTreeMap::new(),
            wake: None,
            uncommitted: (Vec::new(), Vec::new()),
            waiting_since: None,
            span,
        }
    }

    /// Runs until the node stops; says why. `first` are the effects of recovery.
    pub(super) fn run(
        mut self,
        first: Vec<Effect>,
        mut peers: mpsc::Receiver<Input>,
        mut local: mpsc::Receiver<Local>,
    ) -> Stopped {
        let span = self.span.clone();
        let _entered = span.enter();
        // A runtime of its own only to wait on two queues and a clock at once.
        let waiting = match tokio::runtime::Builder::new_current_thread().enable_time().build() {
            Ok(waiting) => waiting,
            Err(error) => {
                tracing::error!(%error, "the engine cannot wait");
                return Stopped::Lost;
            }
        };
        if let Err(why) = self.read_back().and_then(|()| self.carry_out(first)) {
            return told(why);
        }
        let (mut inputs, mut requests) = (Vec::new(), Vec::new());
        let mut asked = self.node.watch_asked();
        loop {
            let wait = self
                .wake
                .map_or(MAX_SLEEP, |wake| Duration::from_millis(wake.since(clock::now())).min(MAX_SLEEP));
            let wait = match self.waiting_since {
                Some(since) => wait.min(COMMIT_AFTER.saturating_sub(since.elapsed())),
                None => wait,
            };
            let due = waiting.block_on(async {
                tokio::select! {
                    biased;
                    // The sender lives as long as the handle.
                    _ = asked.wait_for(|asked| *asked) => false,
                    count = local.recv_many(&mut requests, MAX_TURN_INPUTS) => count == 0,
                    count = peers.recv_many(&mut inputs, MAX_TURN_INPUTS), if !peers.is_closed() => count == 0,
                    () = tokio::time::sleep(wait) => true,
                }
            });
            fill(&mut peers, &mut inputs);
            fill(&mut local, &mut requests);
            if *asked.borrow() {
                requests.push(Local::Stop(Stopped::Asked));
            }
            let due = due || self.wake.is_some_and(|wake| wake <= clock::now());
            if let Err(why) = self.turn(due, inputs.drain(..), requests.drain(..)) {
                return told(why);
            }
        }
    }

    /// One turn.
    fn turn(
        &mut self,
        due: bool,
        inputs: impl Iterator<Item = Input>,
        requests: impl Iterator<Item = Local>,
    ) -> Result<(), Stopped> {
        let begun = Instant::now();
        let now = clock::now();
        let mut gathered = Vec::new();
        if due {
            // One that lies ahead stays: the engine tells a moment once.
            self.wake = self.wake.filter(|wake| *wake > now);
            gathered.push(Input::Tick);
        }
        gathered.extend(inputs);
        let mut taken = gathered.len() as u64;
        let (mut submissions, mut questions, mut stop) = (Vec::new(), Vec::new(), None);
        for request in requests {
            taken += 1;
            match request {
                Local::Submit { lane, body, answer } => {
                    self.tickets += 1;
                    let ticket = Ticket(self.tickets);
                    self.answers.insert(ticket, answer);
                    submissions.push(Submission { ticket, lane, body });
                }
                Local::File { incident, answer } => {
                    self.tickets += 1;
                    let ticket = Ticket(self.tickets);
                    self.answers.insert(ticket, answer);
                    gathered.push(Input::File { ticket, incident: Box::new(incident) });
                }
                Local::Ask(question) => questions.push(question),
                Local::Stop(why) => stop = Some(why),
            }
        }
        while !submissions.is_empty() {
            let rest = submissions.split_off(submissions.len().min(MAX_RUN_ENTRIES));
            let chunk = std::mem::replace(&mut submissions, rest);
            gathered.push(Input::Submit(chunk));
        }
        let effects = self.engine.handle_all(now, gathered);
        self.follow_keys();
        self.follow_charter();
        let metrics = self.node.metrics();
        metrics.handle_us.add(micros(begun));
        metrics.turn_inputs.add(taken);
        self.carry_out(effects)?;
        for question in questions {
            question(&self.engine, now);
        }
        match stop {
            Some(why) => {
                self.commit()?;
                Err(why)
            }
            None => Ok(()),
        }
    }

    /// Who may in is what the state says now.
    fn follow_keys(&mut self) {
        let changes = self.engine.state().key_changes();
        if std::mem::replace(&mut self.keys_seen, changes) != changes {
            self.node.members().follow(self.engine.state());
        }
    }

    /// What is a flood is as the charter in force says.
    fn follow_charter(&mut self) {
        let charter = self.engine.state().charter();
        if std::mem::replace(&mut self.charter_seen, charter.version) != charter.version {
            self.node.follow().set_flood_rate(charter.integrity.flood_per_minute);
        }
    }

    /// Makes durable what the effects persist, all at once, and then does the rest in order.
    fn carry_out(&mut self, effects: Vec<Effect>) -> Result<(), Stopped> {
        let mut rest = Vec::with_capacity(effects.len());
        for effect in effects {
            match effect {
                Effect::Persist(write) => self.uncommitted.0.push(write),
                other => {
                    self.uncommitted.1.extend(mark(&other));
                    rest.push(other);
                }
            }
        }
        let leaves = rest.iter().any(|effect| !matches!(effect, Effect::WakeAt(_)));
        let late = self.waiting_since.is_some_and(|since| since.elapsed() >= COMMIT_AFTER);
        if leaves || late || self.uncommitted.0.len() >= MAX_UNCOMMITTED {
            self.commit()?;
        } else if !self.uncommitted.0.is_empty() {
            self.waiting_since.get_or_insert_with(Instant::now);
        }
        let (messages, rest): (Vec<_>, Vec<_>) =
            rest.into_iter().partition(|effect| matches!(effect, Effect::Send { .. }));
        self.send(messages);
        for effect in rest {
            match effect {
                Effect::Persist(_) | Effect::Send { .. } => {}
                Effect::Serve { to, want, frames, part } => {
                    if !self.served.push(&to, Asked { want, frames, part }) {
                        // The peer asks again.
                        self.node.metrics().frames_dropped.fetch_add(1, Relaxed);
                    }
                }
                Effect::Reply { ticket, result } => self.reply(ticket, result),
                Effect::Notify(event) => self.notify(event),
                Effect::WakeAt(time) => self.wake = Some(time),
                Effect::Halt(halt) => return Err(Stopped::Halted(halt)),
            }
        }
        Ok(())
    }

    /// Sends what a turn has to say: all of it to one peer at once, so that it leaves in few packets.
    fn send(&mut self, messages: Vec<Effect>) {
        let mut encoded: Option<(PeerMessage, Bytes)> = None;
        let mut by_peer = BTreeMap::<NodeId, Vec<Bytes>>::new();
        for effect in messages {
            if let Effect::Send { to, message } = effect {
                // The same message to many peers is encoded once.
                let frame = match encoded.take() {
                    Some((last, frame)) if last == message => frame,
                    _ => wire::encode(&message).into(),
                };
                encoded = Some((message, frame.clone()));
                by_peer.entry(to).or_default().push(frame);
            }
        }
        for (to, frames) in by_peer {
            self.send_to(&to, frames);
        }
    }

    fn commit(&mut self) -> Result<(), Stopped> {
        let (writes, marks) = std::mem::take(&mut self.uncommitted);
        self.waiting_since = None;
        if writes.is_empty() && marks.is_empty() {
            return Ok(());
        }
        let begun = Instant::now();
        let store: &Store = self.node.store();
        store.commit(&writes, &marks)?;
        let metrics = self.node.metrics();
        metrics.commit_us.add(micros(begun));
        metrics.commits.fetch_add(1, Relaxed);
        metrics.writes.fetch_add(writes.len() as u64, Relaxed);
        let batches = writes.iter().filter(|write| matches!(write, Write::Batch(_))).count();
        metrics.epochs.fetch_add(batches as u64, Relaxed);
        let (state, own) = (self.engine.state(), self.node.members().own_partner());
        for write in &writes {
            if let Write::Batch(batch) = write {
                let taken = self.node.refused().take(batch, store, state, own);
                taken.map_err(|damage| damaged(store, damage))?;
            }
        }
        Ok(())
    }

    /// What was refused of late before this start.
    fn read_back(&self) -> Result<(), Stopped> {
        let (store, state, own) = (self.node.store(), self.engine.state(), self.node.members().own_partner());
        let read = self.node.refused().read_back(store, state, own, clock::now());
        read.map_err(|damage| damaged(store, damage))
    }

    fn send_to(&mut self, to: &NodeId, frames: Vec<Bytes>) {
        let Some(peer): Option<PeerId> = self.node.members().peer(to) else {
            return;
        };
        let metrics = self.node.metrics();
        let (count, bytes) = (frames.len() as u64, frames.iter().map(|frame| frame.len() as u64).sum());
        let Err((left, error)) = self.node.mesh().send_all(peer, frames) else {
            metrics.frames_out.fetch_add(count, Relaxed);
            metrics.bytes_out.fetch_add(bytes, Relaxed);
            return;
        };
        metrics.frames_out.fetch_add(count.saturating_sub(left as u64), Relaxed);
        metrics.frames_dropped.fetch_add(left as u64, Relaxed);
        // A peer that has just gone is no news; one that does not read is.
        match error {
            SendError::NotConnected { .. } => tracing::debug!(%peer, "not connected"),
            error => {
                let lines = self.dropped.entry(*to).or_default();
                if let Some(more) = lines.take(1, Instant::now()) {
                    tracing::warn!(%peer, %error, more, "frame dropped");
                }
            }
        }
    }

    fn reply(&mut self, ticket: Ticket, result: Result<Held, Refused>) {
        let metrics = self.node.metrics();
        match &result {
            Ok(_) => metrics.submissions.fetch_add(1, Relaxed),
            Err(_) => metrics.refused.fetch_add(1, Relaxed),
        };
        if let Some(answer) = self.answers.remove(&ticket) {
            // Who submitted may have gone; the record is held all the same.
            let _ = answer.send(result);
        }
    }

    /// The title of what a record is about that is held: the engine vouches for the node that carries it, not for its officer.
    fn held_title(&self, feed: &FeedKey, length: u64) -> Option<String> {
        let Ok(Body::Signed(signed)) = Body::decode(self.engine.held_body(feed, length)?) else {
            return None;
        };
        self.engine.state().title_of(&signed).map(ToOwned::to_owned)
    }

    fn notify(&self, event: Event) {
        let (node, follow) = (&self.node, self.node.follow());
        match event {
            Event::Held { id, feed, length } => {
                if follow.has_followers() {
                    let title = self.held_title(&feed, length);
                    follow.tell(EventView::Held { id, feed: node.feed_view(&feed, length), title });
                }
            }
            Event::Ordered { id, index, epoch, feed, length, outcome } => {
                node.metrics().entries.fetch_add(1, Relaxed);
                let place = Place { index, epoch, outcome };
                follow.tell_ordered(&id, &place);
                if follow.has_followers() {
                    let state = self.engine.state();
                    let (feed, outcome) = (node.feed_view(&feed, length), named(state, &place.outcome));
                    // A record that was said before, or refused, stands under another index or under none.
                    let seen = state.seen(&id).filter(|seen| seen.index == index);
                    let told = seen.and_then(|_| state.told(&id));
                    let title = told.as_ref().and_then(|told| told.title.clone());
                    follow.tell(EventView::Ordered { id, index, epoch, feed, outcome, title });
                    if let Some(told) = told {
                        follow.tell(EventView::Told { index, told: Box::new(told) });
                    }
                }
            }
            Event::Decided { index, decision } => {
                let view = DecisionView::of(&decision, Some(index));
                tracing::info!(operation = %view.operation, outcome = %view.outcome, index, "decided");
                follow.tell_decided(&view);
                follow.tell(EventView::decided(self.engine.state(), view));
            }
            Event::Ruled { index, ruled } => {
                let view = RulingView {
                    dispute: ruled.dispute,
                    index,
                    outcome: ruled.ruling.done().to_owned(),
                    explanation: ruled.explain().join("; "),
                };
                tracing::info!(dispute = %view.dispute, outcome = %view.outcome, index, "ruled");
                follow.tell(EventView::ruled(self.engine.state(), view));
            }
            Event::Certified { epoch, size, root } => {
                tracing::info!(epoch, size, "certified");
                follow.tell(EventView::Certified { epoch, size, root });
            }
            Event::Reach { reachable, quorum } => {
                let partners = node.founded().partners();
                let (mut reached, mut missing) = (Vec::new(), Vec::new());
                for (seat, partner) in partners.iter().enumerate() {
                    let is_reached = reachable.iter().any(|reached| reached.index() == seat);
                    if is_reached { &mut reached } else { &mut missing }.push(partner.name.to_string());
                }
                if reached.len() < quorum {
                    tracing::warn!(quorum, ?missing, "stalled: fewer than a quorum of seats can be reached");
                } else {
                    tracing::info!(quorum, ?missing, "a quorum of seats can be reached");
                }
                follow.set_reach(reached.len() >= quorum);
                follow.tell(EventView::Reach { reachable: reached, missing, quorum });
            }
            Event::Taken { epoch, size } => {
                tracing::info!(
                    epoch,
                    size,
                    "far behind: took the state as of this epoch; what was ordered before was not seen here"
                );
                follow.tell(EventView::Taken { epoch, size });
            }
            Event::Silent { seat, incarnation } => {
                tracing::warn!(
                    seat = seat.0,
                    incarnation,
                    "seat silent since restore: it signs nothing any more"
                );
                follow.tell(EventView::Silent { seat: seat.0, incarnation });
            }
            Event::Integrity { index, view: event } => {
                let (id, kind, status) = (event.id, event.kind, &event.status);
                tracing::warn!(%id, %kind, status, index, urgent = event.urgent, "integrity event");
                follow.tell(EventView::Integrity { urgent: event.urgent, index, view: event });
            }
            Event::Fault(fault) => self.fault(fault),
        }
    }

    fn fault(&self, fault: Fault) {
        let Fault { node, seat, code, what, shown } = fault;
        let epoch = self.engine.status(clock::now()).applied;
        let partners = self.node.founded().partners();
        let of_seat =
            seat.and_then(|seat| partners.get(seat.index())).map(|partner| partner.name.to_string());
        // A key that is no member's may be anything that a peer writes: it is in the text, and no row is kept for it.
        let member = node.and_then(|node| self.node.members().partner(&node));
        let partner = member.map(|partner| partner.to_string()).or(of_seat);
        let fault = FaultView::new(partner, node, seat.map(|seat| seat.0), code, what);
        let seen = shown.map(|shown| Seen::Decoded(*shown));
        self.node.follow().fault(fault, seen, Some(epoch));
    }
}

fn damaged(store: &Store, damage: Damage) -> Stopped {
    StoreError::Damage { path: store.path().to_owned(), damage }.into()
}

/// What a certified leaf is found by; stored with the certificate that the event follows.
fn mark(effect: &Effect) -> Option<Mark> {
    match effect {
        Effect::Notify(Event::Ordered { id, index, .. }) => Some(Mark::Ordered { id: *id, index: *index }),
        Effect::Notify(Event::Decided { index, decision }) => {
            Some(Mark::Decided { operation: decision.operation, index: *index })
        }
        Effect::Notify(Event::Ruled { index, ruled }) => {
            Some(Mark::Decided { operation: ruled.dispute, index: *index })
        }
        _ => None,
    }
}

fn fill<T>(queue: &mut mpsc::Receiver<T>, taken: &mut Vec<T>) {
    while taken.len() < MAX_TURN_INPUTS
        && let Ok(next) = queue.try_recv()
    {
        taken.push(next);
    }
}

fn micros(since: Instant) -> u64 {
    u64::try_from(since.elapsed().as_micros()).unwrap_or(u64::MAX)
}

fn told(why: Stopped) -> Stopped {
    match &why {
        Stopped::Asked => tracing::info!("stopping"),
        Stopped::Halted(Halt::Rollback { .. }) => tracing::error!(%why, "halted: an old copy of the store"),
        other => tracing::error!(why = %other, "stopped"),
    }
    why
}
