//! Record feeds: own entries, others' runs, forks, branches that a cut names, and `due`.
//!
//! Guarantees: an own entry is durable before it is answered for or leaves, and leaves only towards peers whose
//! frontier was seen to be a prefix of the own feed, so that a restored store is noticed before it forks anything. A
//! run is held only under its author's verified signature. Of each feed's forks one proof is kept, and written once.

use std::collections::BTreeMap;

use super::peers::Subject;
use super::{Effect, Engine, Event, Held, NodeId, Refused, Submission, Ticket};
use crate::coalition::Refusal;
use crate::feed::{
    Chain, Extended, FeedKey, ForkProof, Head, Lane, MAX_RUN_BYTES, MAX_RUN_ENTRIES, Run, body_digest,
};
use crate::identity::RecordId;
use crate::record::{Act, Body, Due, MAX_BODY_BYTES, Record, SignedRecord};
use crate::replicate::PeerMessage;
use crate::store::Write;
use crate::time::Time;

/// Most own entries of a lane that may wait to be ordered; more submissions are refused as `backlog`.
pub const MAX_BACKLOG: u64 = 8_192;

/// A record feed as the engine holds it.
#[derive(Debug)]
pub(super) struct Feed {
    pub(super) key: FeedKey,
    pub(super) chain: Chain,
    /// The first proof that its author forked it.
    pub(super) fork: Option<ForkProof>,
    /// What a decided cut names and the chain does not go through.
    pub(super) target: Option<Head>,
    /// The branch towards it, as far as it has come.
    pub(super) branch: Option<Chain>,
    gathered: Vec<(Run, Vec<Head>)>,
    /// Own feeds: how far any other node was ever seen to hold it.
    pub(super) elsewhere: u64,
    /// Own feeds: when the entries that are not ordered were written, by length.
    written: BTreeMap<u64, Time>,
}

impl Feed {
    pub(super) fn new(key: FeedKey, chain: Chain) -> Self {
        let written = BTreeMap::new();
        Self {
            key,
            chain,
            fork: None,
            target: None,
            branch: None,
            gathered: Vec::new(),
            elsewhere: 0,
            written,
        }
    }

    pub(super) fn commit(&mut self, head: Head) {
        self.chain.commit(head);
        self.written = self.written.split_off(&(head.length + 1));
        self.target = None;
        self.branch = None;
        self.gathered.clear();
    }
}

/// A deadline for which this seat has written `due`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Written {
    /// How often.
    times: u32,
    /// Own clock at the last one.
    at: Time,
    /// Batch time at the last one.
    batch_time: Time,
    /// Whether the last one is ordered.
    ordered: bool,
}

fn refused(code: &str, reason: impl ToString) -> Refused {
    Refused { code: code.to_owned(), reason: reason.to_string() }
}

/// The id that a body is known by: its record's, or one made of its digest.
pub(super) fn id_of(body: &[u8]) -> RecordId {
    match Body::decode(body) {
        Ok(Body::Signed(signed)) => signed.record.id(),
        _ => RecordId(body_digest(body)),
    }
}

impl Engine {
    pub(super) fn submit(&mut self, submissions: Vec<Submission>) {
        let mut lanes: BTreeMap<Lane, Vec<(Ticket, Vec<u8>)>> = BTreeMap::new();
        for Submission { ticket, lane, body } in submissions {
            match self.admit(lane, &body) {
                Ok(Admitted::New(lane)) => lanes.entry(lane).or_default().push((ticket, body)),
                Ok(Admitted::Known(held)) => self.effects.push(Effect::Reply { ticket, result: Ok(held) }),
                Err(refused) => self.effects.push(Effect::Reply { ticket, result: Err(refused) }),
            }
        }
        for (lane, mut items) in lanes {
            while !items.is_empty() {
                let mut bytes = 0;
                let fits = |(_, body): &&(Ticket, Vec<u8>)| {
                    bytes += body.len();
                    bytes <= MAX_RUN_BYTES
                };
                let count = items.iter().take(MAX_RUN_ENTRIES).take_while(fits).count().max(1);
                let rest = items.split_off(count.min(items.len()));
                let (tickets, bodies): (Vec<_>, Vec<_>) =
                    std::mem::replace(&mut items, rest).into_iter().unzip();
                let held = self.append(lane, bodies);
                for (ticket, held) in tickets.into_iter().zip(held) {
                    self.effects.push(Effect::Reply { ticket, result: Ok(held) });
                }
            }
        }
    }

    fn admit(&self, lane: Option<Lane>, body: &[u8]) -> Result<Admitted, Refused> {
        if body.len() > MAX_BODY_BYTES {
            return Err(refused("too_large", format!("{} bytes, at most {MAX_BODY_BYTES}", body.len())));
        }
        let decoded = Body::decode(body).map_err(|error| refused("malformed", error))?;
        let lane = match &decoded {
            Body::Note(_) => lane.unwrap_or(Lane::Routine),
            Body::Signed(signed) => {
                if let Some(held) = self.known(signed) {
                    return Ok(Admitted::Known(held));
                }
                match self.state.check(signed, self.now) {
                    // Whoever holds what a record names may go on: it is parked until that is applied.
                    Err(Refusal::NotYetApplied { awaits }) if self.holds_record(&awaits) => {}
                    Err(refusal) => return Err(refused(code_of(&refusal), refusal)),
                    Ok(()) => {}
                }
                lane.unwrap_or_else(|| self.lane_of(&signed.record))
            }
            Body::Due(_) | Body::Fork(_) => {
                return Err(refused("denied", "a node writes these by itself"));
            }
        };
        let index = self.own_feed(lane);
        if self.feeds[index].chain.unordered() >= MAX_BACKLOG
            || !self.feeds[index].chain.has_room(1, body.len())
        {
            let waiting = self.feeds[index].chain.unordered();
            return Err(refused("backlog", format!("{waiting} own entries wait in lane {lane}")));
        }
        Ok(Admitted::New(lane))
    }

    /// Whether this record is held or ordered already: submitting it again is harmless.
    fn known(&self, signed: &SignedRecord) -> Option<Held> {
        let id = signed.record.id();
        if let Some(seen) = self.state.seen(&id) {
            return Some(Held { id, place: None, ordered: Some(seen.index) });
        }
        let place = *self.own_records.get(&id)?;
        Some(Held { id, place: Some(place), ordered: None })
    }

    /// Whether some feed holds this record and it is not ordered.
    fn holds_record(&self, id: &RecordId) -> bool {
        self.own_records.contains_key(id) || self.held().any(|(_, _, body)| id_of(body) == *id)
    }

    /// The precedence of the operation type that a record is about.
    fn lane_of(&self, record: &Record) -> Lane {
        let charter = self.founded.charter();
        let operation = |id: &RecordId| self.state.operation(id).map(|operation| operation.open.kind.clone());
        let kind = match &record.act {
            Act::Open(open) => Some(open.kind.clone()),
            Act::Attest(attest) => operation(&attest.operation).or_else(|| self.held_kind(&attest.operation)),
        };
        let kind: Option<String> = kind;
        kind.and_then(|kind| charter.kind(&kind)).map_or(Lane::Routine, |kind| kind.precedence)
    }

    /// The type of an operation whose opening is held and not ordered.
    fn held_kind(&self, id: &RecordId) -> Option<String> {
        self.held().find_map(|(_, _, body)| match Body::decode(body) {
            Ok(Body::Signed(SignedRecord { record, .. })) if record.id() == *id => match record.act {
                Act::Open(open) => Some(open.kind),
                Act::Attest(_) => None,
            },
            _ => None,
        })
    }

    pub(super) fn own_feed(&self, lane: Lane) -> usize {
        self.index[&FeedKey { node: self.node.public(), lane, incarnation: 0 }]
    }

    /// Appends to the own feed under one signature and pushes to all peers.
    fn append(&mut self, lane: Lane, bodies: Vec<Vec<u8>>) -> Vec<Held> {
        let index = self.own_feed(lane);
        let (key, from) = (self.feeds[index].key, self.feeds[index].chain.head());
        let run = Run::sign(&self.coalition, key, from, bodies, &self.node);
        let heads = run.heads();
        let Extended::By(run, heads) = self.feeds[index].chain.extend(run, heads) else {
            unreachable!("an own run follows the own head, and there is room: both were checked")
        };
        let mut held = Vec::new();
        for (body, head) in run.bodies.iter().zip(&heads) {
            let id = id_of(&body.0);
            self.own_records.insert(id, (key, head.length));
            self.feeds[index].written.insert(head.length, self.now);
            held.push(Held { id, place: Some((key, head.length)), ordered: None });
        }
        self.persist(Write::Run { run: run.clone(), heads: heads.clone() });
        self.broadcast(&PeerMessage::Run(run));
        for (held, head) in held.iter().zip(&heads) {
            self.notify(Event::Held { id: held.id, feed: key, length: head.length });
        }
        self.changed();
        held
    }

    pub(super) fn on_run(&mut self, node: NodeId, run: Run) {
        let Some(&index) = self.index.get(&run.feed) else {
            let what = format!("run of feed {}/{} that is not enrolled", run.feed.node, run.feed.lane);
            return self.fault(Some(node), None, "unknown_feed", what);
        };
        let own = run.feed.node == self.node.public();
        let last = run.from.length.saturating_add(run.bodies.len() as u64);
        let branch_wanted = self.feeds[index].target.is_some();
        let held = self.feeds[index].chain.head();
        // Known by hash without a signature check: what comes twice costs nothing.
        let same =
            last <= held.length && run.heads().last().is_none_or(|head| self.feeds[index].chain.holds(head));
        if (same && !branch_wanted) || own && same {
            return;
        }
        let heads = match run.check(&self.coalition) {
            Ok(heads) => heads,
            Err(error) => {
                let what = format!(
                    "run of {}'s {} feed after length {}: {error}",
                    self.name_of(&run.feed.node),
                    run.feed.lane,
                    run.from.length
                );
                let code =
                    if error == crate::feed::RunError::Signature { "bad_signature" } else { "malformed" };
                return self.fault(Some(node), None, code, what);
            }
        };
        if own {
            let what =
                format!("{} holds own {} entries up to length {last}", self.name_of(&node), run.feed.lane);
            return self.halt(super::Halt::Rollback { what });
        }
        if let Some(peer) = self.peers.get_mut(&node) {
            peer.holds(index, last);
        }
        if branch_wanted {
            self.gather(index, &run, &heads);
        }
        let from = run.from.length;
        match self.feeds[index].chain.extend(run, heads) {
            Extended::By(run, heads) => {
                self.persist(Write::Run { run, heads });
                self.progress.insert(Subject::Feed(index));
                self.changed();
            }
            Extended::Fork(proof) => self.fork_found(*proof),
            Extended::Gap => {
                tracing::debug!(length = from, held = held.length, "run beyond a gap");
                if let Some(peer) = self.peers.get_mut(&node) {
                    peer.holds(index, from);
                }
                self.ask_missing();
            }
            Extended::Known | Extended::Full => {}
        }
        self.try_apply();
    }

    /// Adds a run to the branch that a decided cut names; moves the feed there once it is whole.
    fn gather(&mut self, index: usize, run: &Run, heads: &[Head]) {
        let feed = &mut self.feeds[index];
        let Some(target) = feed.target else { return };
        let branch = feed.branch.get_or_insert_with(|| feed.chain.branch_off());
        if let Extended::By(run, heads) = branch.extend(run.clone(), heads.to_vec()) {
            feed.gathered.push((run, heads));
            self.progress.insert(Subject::Branch(index));
        }
        let feed = &mut self.feeds[index];
        if feed.branch.as_ref().is_some_and(|branch| branch.holds(&target)) {
            let branch = feed.branch.take().expect("just looked at");
            let (key, length) = (feed.key, feed.chain.committed().length);
            feed.chain.reroot(branch);
            feed.target = None;
            let gathered = std::mem::take(&mut feed.gathered);
            self.persist(Write::Truncate { feed: key, length });
            for (run, heads) in gathered {
                self.persist(Write::Run { run, heads });
            }
        }
    }

    /// Keeps the first proof of a fork and writes it once, as an entry of the own feed.
    fn fork_found(&mut self, proof: ForkProof) {
        let Some(&index) = self.index.get(&proof.feed) else {
            return;
        };
        if self.feeds[index].fork.is_some() {
            return;
        }
        let author = proof.feed.node;
        let what = format!(
            "{} signed two {} entries at length {}",
            self.name_of(&author),
            proof.feed.lane,
            proof.length
        );
        self.feeds[index].fork = Some(proof.clone());
        self.persist(Write::Fork(proof.clone()));
        self.fault(Some(author), None, "fork", what);
        if self.own.is_some() && self.feeds[self.own_feed(Lane::Immediate)].chain.has_room(1, MAX_BODY_BYTES)
        {
            self.append(Lane::Immediate, vec![Body::Fork(Box::new(proof)).encode()]);
        }
    }

    /// Own entries that no peer is known to hold, and when the oldest was written.
    pub(super) fn custody(&self) -> (u64, Option<Time>) {
        let (mut count, mut oldest) = (0, None::<Time>);
        for lane in Lane::ALL {
            let index = self.own_feed(lane);
            let feed = &self.feeds[index];
            let safe = feed.chain.committed().length.max(feed.elsewhere);
            count += feed.chain.head().length.saturating_sub(safe);
            let first = feed.written.range(safe + 1..).map(|(_, at)| *at).next();
            oldest = oldest.into_iter().chain(first).min();
        }
        if self.committee.size() == 1 { (0, None) } else { (count, oldest) }
    }

    /// Deadlines of the state for which this seat should write `due` now.
    pub(super) fn write_due(&mut self) {
        if !self.start.is_ready() || self.own.is_none() {
            return;
        }
        let due: Vec<Due> = self
            .state
            .deadlines()
            .take_while(|(deadline, _)| *deadline <= self.now)
            .map(|(deadline, operation)| Due { operation, deadline })
            .filter(|due| self.due_at(due).is_some_and(|at| at <= self.now))
            .take(MAX_RUN_ENTRIES)
            .collect();
        if due.is_empty() || !self.feeds[self.own_feed(Lane::Immediate)].chain.has_room(due.len(), 4096) {
            return;
        }
        let bodies = due.iter().map(|due| Body::Due(*due).encode()).collect();
        self.append(Lane::Immediate, bodies);
        for due in due {
            let times = self.due_written.get(&due).map_or(1, |written| written.times + 1);
            let written = Written { times, at: self.now, batch_time: self.basis.time, ordered: false };
            self.due_written.insert(due, written);
        }
    }

    /// When this seat writes the next `due` for a deadline; never while one of its own is unordered.
    fn due_at(&self, due: &Due) -> Option<Time> {
        let Some(written) = self.due_written.get(due) else {
            return Some(due.deadline);
        };
        if !written.ordered {
            return None;
        }
        let step = self.basis.step_ms;
        if self.basis.time.since(written.batch_time) >= step {
            return Some(self.now.min(written.at.plus(step)));
        }
        // One fast clock must not keep all busy for ever.
        Some(written.at.plus(step.saturating_mul(1 << (written.times - 1).min(40))))
    }

    pub(super) fn next_due(&self) -> Option<Time> {
        if !self.start.is_ready() || self.own.is_none() {
            return None;
        }
        let pending = self.state.deadlines().map(|(deadline, operation)| Due { operation, deadline });
        pending.take(MAX_RUN_ENTRIES).filter_map(|due| self.due_at(&due)).min()
    }

    /// An own `due` has been ordered.
    pub(super) fn due_ordered(&mut self, due: &Due) {
        if let Some(written) = self.due_written.get_mut(due) {
            written.ordered = true;
        }
    }

    /// Forgets `due`s whose deadlines are past in batch time.
    pub(super) fn forget_due(&mut self) {
        let time = self.basis.time;
        self.due_written.retain(|due, _| due.deadline > time);
    }
}

/// A submission that passed.
enum Admitted {
    New(Lane),
    Known(Held),
}

/// The stable word for a refusal.
fn code_of(refusal: &Refusal) -> &'static str {
    match refusal {
        Refusal::Malformed | Refusal::TooLong { .. } | Refusal::Unshowable { .. } => "malformed",
        Refusal::Closed { .. } => "closed",
        Refusal::UndeclaredType { .. } => "undeclared",
        Refusal::NotYetApplied { .. } | Refusal::NeverApplied { .. } => "unknown",
        Refusal::TooManyParked { .. } | Refusal::TooManyOpen { .. } => "backlog",
        _ => "denied",
    }
}
