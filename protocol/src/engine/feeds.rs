//! Record feeds: own entries, others' runs, forks, branches that a cut names, and `due`.
//!
//! Guarantees: an own entry is durable before it is answered for or leaves, and leaves only towards peers whose
//! frontier was seen to be a prefix of the own feed, so that a restored store is noticed before it forks anything that
//! this peer holds; see ADR 9 for what it says to peers that hold less. A
//! run is held only under its author's verified signature. Of each feed's forks one proof is kept, with what
//! the branches say; writing it is in `evidence`.

use std::collections::BTreeMap;

use entente_hbbft::plant;

use super::peers::Subject;
use super::{Effect, Engine, Event, Held, NodeId, Refused, Submission, Ticket};
use crate::coalition::{Refusal, incident_id, proved_id};
use crate::feed::{
    BodyBytes, Chain, Extended, FeedKey, ForkProof, Head, Lane, MAX_RUN_BYTES, MAX_RUN_ENTRIES, Run,
    RunError, body_digest,
};
use crate::identity::RecordId;
use crate::record::{Act, Body, Due, Incident, MAX_BODY_BYTES, MemberAct, Record, SignedRecord};
use crate::store::{FoundFork, Write};
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
    /// The branch towards it, as far as it has come from one peer.
    branch: Option<Branch>,
    /// Own feeds: how far any other node was ever seen to hold it.
    pub(super) elsewhere: u64,
    /// Own feeds: when the entries that are not ordered were written, by length.
    written: BTreeMap<u64, Time>,
}

/// A branch that is gathered towards a cut, all of it from one peer: others may be on others, and a forked feed has as
/// many as its author likes.
#[derive(Debug)]
struct Branch {
    from: NodeId,
    chain: Chain,
    runs: Vec<(Run, Vec<Head>)>,
}

impl Feed {
    pub(super) fn new(key: FeedKey, chain: Chain) -> Self {
        Self { key, chain, fork: None, target: None, branch: None, elsewhere: 0, written: BTreeMap::new() }
    }

    /// Who has given a part of the branch that a cut names, and how far.
    pub(super) fn gathered_from(&self) -> Option<(NodeId, u64)> {
        self.branch.as_ref().map(|branch| (branch.from, branch.chain.head().length))
    }

    /// Entries of the branch that a cut names, as far as it has come.
    pub(super) fn branch_entries(&self) -> usize {
        self.branch.as_ref().map_or(0, |branch| branch.chain.unordered() as usize)
    }

    pub(super) fn drop_branch(&mut self) {
        self.branch = None;
    }

    /// Forgets what is not ordered: it never will be.
    pub(super) fn freeze(&mut self) {
        self.chain.forget_unordered();
        self.written.clear();
    }

    pub(super) fn commit(&mut self, head: Head) {
        self.chain.commit(head);
        self.written = self.written.split_off(&(head.length + 1));
        self.target = None;
        self.branch = None;
    }
}

/// A deadline for which this seat has written `due`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Written {
    /// How often, for this deadline.
    times: u32,
    /// Own clock at the last one.
    at: Time,
    /// Batch time at the last one.
    batch_time: Time,
    /// Whether the last one is ordered.
    ordered: bool,
}

impl Written {
    pub(super) fn clock_set_back(&mut self, now: Time) {
        self.at = self.at.min(now);
    }
}

fn refused(code: &str, reason: impl ToString) -> Refused {
    Refused { code: code.to_owned(), reason: reason.to_string() }
}

/// How many of some bodies, of which there is at least one, go into one run.
pub(super) fn run_length<'a>(bodies: impl Iterator<Item = &'a Vec<u8>>) -> usize {
    let mut bytes = 0;
    let fits = |body: &&Vec<u8>| {
        bytes += body.len();
        bytes <= MAX_RUN_BYTES
    };
    bodies.take(MAX_RUN_ENTRIES).take_while(fits).count().max(1)
}

/// The id that a body is known by: its record's, or one made of its digest.
pub(super) fn id_of(body: &[u8]) -> RecordId {
    match Body::decode(body) {
        Ok(Body::Signed(signed)) => signed.record.id(),
        _ => RecordId(body_digest(body)),
    }
}

/// Whether a body of this feed is the record, or makes the integrity event, that this is the id of.
fn says(feed: &FeedKey, body: &[u8], id: &RecordId) -> bool {
    match Body::decode(body) {
        Ok(Body::Signed(signed)) => signed.record.id() == *id,
        Ok(Body::Incident(incident)) => incident_id(&feed.node, &incident.matter) == *id,
        Ok(Body::Fork(proof)) => proved_id(&crate::evidence::Subject::Feed(proof.feed).id()) == *id,
        Ok(Body::Equivocation(proof)) => {
            proved_id(&crate::evidence::Subject::Seat(proof.feed.seat).id()) == *id
        }
        _ => false,
    }
}

impl Engine {
    pub(super) fn submit(&mut self, submissions: Vec<Submission>) {
        let mut lanes: BTreeMap<Lane, Vec<(Ticket, Vec<u8>)>> = BTreeMap::new();
        for Submission { ticket, lane, body } in submissions {
            match self.admit(lane, &body, &lanes) {
                Ok(Admitted::New(lane)) => lanes.entry(lane).or_default().push((ticket, body)),
                Ok(Admitted::Known(held)) => self.effects.push(Effect::Reply { ticket, result: Ok(held) }),
                Err(refused) => self.effects.push(Effect::Reply { ticket, result: Err(refused) }),
            }
        }
        for (lane, mut items) in lanes {
            while !items.is_empty() {
                let rest = items.split_off(run_length(items.iter().map(|(_, body)| body)));
                let (tickets, bodies): (Vec<_>, Vec<_>) =
                    std::mem::replace(&mut items, rest).into_iter().unzip();
                let held = self.append(lane, bodies);
                for (ticket, held) in tickets.into_iter().zip(held) {
                    self.effects.push(Effect::Reply { ticket, result: Ok(held) });
                }
            }
        }
    }

    /// Appends what this node has seen, where it would count.
    pub(super) fn file(&mut self, ticket: Ticket, incident: Incident) {
        let lane = self.own_words_lane().filter(|lane| self.own_room(*lane, 1));
        let result = match lane {
            _ if !self.state.may_speak(&self.node.public(), self.now) => Err(refused(
                "denied",
                "this node's words do not count: its credential ran out, or its key is in quarantine",
            )),
            None => Err(refused("backlog", "no own feed has room")),
            Some(lane) => {
                let held = self.append(lane, vec![Body::Incident(Box::new(incident)).encode()]);
                held.first().copied().ok_or_else(|| refused("backlog", "nothing was appended"))
            }
        };
        self.effects.push(Effect::Reply { ticket, result });
    }

    /// Judges a submission; `before` are those of the same input that passed.
    fn admit(
        &self,
        lane: Option<Lane>,
        body: &[u8],
        before: &BTreeMap<Lane, Vec<(Ticket, Vec<u8>)>>,
    ) -> Result<Admitted, Refused> {
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
            Body::Due(_) | Body::Fork(_) | Body::Equivocation(_) | Body::Incident(_) => {
                return Err(refused("denied", "a node writes these by itself"));
            }
        };
        self.refuse_frozen(lane)?;
        let Some(index) = self.own_feed(lane) else {
            return Err(refused("not_enrolled", self.why_not_enrolled()));
        };
        let chain = &self.feeds[index].chain;
        let before = before.get(&lane).map_or(&[][..], Vec::as_slice);
        let bytes = before.iter().map(|(_, body)| body.len()).sum::<usize>() + body.len();
        let waiting = chain.unordered() + before.len() as u64;
        if waiting >= MAX_BACKLOG || !chain.has_room(before.len() + 1, bytes) {
            return Err(refused("backlog", format!("{waiting} own entries wait in lane {lane}")));
        }
        Ok(Admitted::New(lane))
    }

    /// Whether this record is held or ordered already: submitting it again is harmless.
    fn known(&self, signed: &SignedRecord) -> Option<Held> {
        let id = signed.record.id();
        let place = self.own_records.get(&id).copied();
        match self.state.seen(&id) {
            Some(seen) if seen.index < self.certified_size() => {
                Some(Held { id, place: None, ordered: Some(seen.index) })
            }
            // What is applied is not ordered before a quorum has cosigned it.
            Some(_) => Some(Held { id, place, ordered: None }),
            None => place.map(|place| Held { id, place: Some(place), ordered: None }),
        }
    }

    /// Whether some feed holds this record and it is not ordered.
    fn holds_record(&self, id: &RecordId) -> bool {
        self.own_records.contains_key(id) || self.held().any(|(feed, _, body)| says(&feed, body, id))
    }

    /// The precedence of the operation type that a record is about.
    fn lane_of(&self, record: &Record) -> Lane {
        // Of misuse others hear before they go on. Who may not raise a precedence is refused when that is judged.
        if matches!(record.act, Act::Integrity(_) | Act::Key(_)) {
            return Lane::Immediate;
        }
        if let Some(lane) = self.state.lane_of(record) {
            return lane;
        }
        let charter = self.state.last_charter();
        let held = self.state.operation_of(&record.act).and_then(|about| self.held_kind(&about));
        let Some((kind, raised)) = held else { return Lane::Routine };
        let declared = charter.kind(&kind).map_or(Lane::Routine, |kind| kind.precedence);
        raised.map_or(declared, |raised| raised.min(declared))
    }

    /// The type of an operation whose opening is held and not ordered.
    fn held_kind(&self, id: &RecordId) -> Option<(String, Option<Lane>)> {
        self.held().find_map(|(_, _, body)| match Body::decode(body) {
            Ok(Body::Signed(SignedRecord { record, .. })) if record.id() == *id => match &record.act {
                act if let Some(open) = act.opening() => Some((open.kind.clone(), open.precedence)),
                Act::Member(MemberAct::Propose(propose)) => Some((propose.kind.to_string(), None)),
                _ => None,
            },
            _ => None,
        })
    }

    /// Where the own feed of a lane is: nowhere while its incarnation is not enrolled.
    pub(super) fn own_feed(&self, lane: Lane) -> Option<usize> {
        let incarnation = self.incarnation;
        self.index.get(&FeedKey { node: self.node.public(), lane, incarnation }).copied()
    }

    /// Whether the own feed of a lane can take so many entries.
    pub(super) fn own_room(&self, lane: Lane, entries: usize) -> bool {
        self.own_feed(lane).is_some_and(|index| self.feeds[index].chain.has_room(entries, MAX_BODY_BYTES))
    }

    /// Appends to the own feed under one signature and pushes to all peers.
    pub(super) fn append(&mut self, lane: Lane, bodies: Vec<Vec<u8>>) -> Vec<Held> {
        let index = self.own_feed(lane).expect("whoever appends has seen that there is room in it");
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
        self.push_run(index, run);
        for (held, head) in held.iter().zip(&heads) {
            self.notify(Event::Held { id: held.id, feed: key, length: head.length });
        }
        self.changed();
        held
    }

    pub(super) fn on_run(&mut self, node: NodeId, run: Run) {
        let Some(&index) = self.index.get(&run.feed) else {
            if self.may_be_enrolled(&run.feed) {
                // Its author has seen more of the log than this node: it is told again.
                if self.is_own(&run.feed) && run.check(&self.coalition).is_ok() {
                    return self.own_run_lost(node, &run);
                }
                return;
            }
            // Also one that is revoked by now may have been under way.
            if self.state.node(&run.feed.node).is_none() && self.state.holder(&run.feed.node).is_some() {
                return;
            }
            let what = format!("run of feed {}/{} that is not enrolled", run.feed.node, run.feed.lane);
            return self.fault(Some(node), None, "unknown_feed", what);
        };
        if run.bodies.len() > MAX_RUN_ENTRIES {
            let error = RunError::Entries(run.bodies.len());
            return self.fault(
                Some(node),
                None,
                "malformed",
                format!("run of {}: {error}", self.name_of(&run.feed.node)),
            );
        }
        // Of a frozen feed nothing will be ordered any more.
        if self.basis.frozen[index] {
            return;
        }
        let own = self.is_own(&run.feed);
        let last = run.from.length.saturating_add(run.bodies.len() as u64);
        let branch_wanted = self.feeds[index].target.is_some();
        let held = self.feeds[index].chain.head();
        // Known by hash without a signature check: what comes twice costs nothing.
        let same = last <= held.length
            && run.heads().last().is_none_or(|head| !self.feeds[index].chain.contradicts(head));
        if same && (own || !branch_wanted) {
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
                let code = if error == RunError::Signature { "bad_signature" } else { "malformed" };
                return self.fault(Some(node), None, code, what);
            }
        };
        if own {
            return self.own_run_lost(node, &run);
        }
        if let Some(peer) = self.peers.get_mut(&node) {
            peer.holds(index, last);
        }
        let from = run.from.length;
        let part = branch_wanted.then(|| (run.clone(), heads.clone()));
        let other = run.clone();
        match self.feeds[index].chain.extend(run, heads) {
            Extended::By(run, heads) => {
                self.persist(Write::Run { run, heads });
                self.progressed(Subject::Feed(index), node);
                self.changed();
            }
            // Before the own branch is left for the other: it is one half of the proof.
            Extended::Fork(proof) => self.fork_found(*proof, node, &other),
            Extended::Gap => {
                tracing::debug!(length = from, held = held.length, "run beyond a gap");
                if let Some(peer) = self.peers.get_mut(&node) {
                    peer.holds(index, from);
                }
                self.ask_missing();
            }
            Extended::Known | Extended::Full => {}
        }
        if let Some((run, heads)) = part {
            self.gather(index, node, run, heads);
        }
        self.try_apply();
    }

    /// A peer holds own entries that the store lacks.
    fn own_run_lost(&mut self, node: NodeId, run: &Run) {
        let last = run.from.length.saturating_add(run.bodies.len() as u64);
        let Run { feed: FeedKey { lane, incarnation, .. }, .. } = run;
        let what = format!(
            "{} holds own {lane} entries of incarnation {incarnation} up to length {last}",
            self.name_of(&node)
        );
        self.rolled_back(*incarnation, what);
    }

    /// Adds a run to the branch that a decided cut names; moves the feed there once it is whole.
    fn gather(&mut self, index: usize, node: NodeId, run: Run, heads: Vec<Head>) {
        // Only from the one that was asked and named the target as its own: anybody may push other branches.
        if self.asked.get(&Subject::Branch(index)).is_none_or(|asked| asked.peer != node) {
            return;
        }
        let feed = &mut self.feeds[index];
        let Some(target) = feed.target else { return };
        let start = || Branch { from: node, chain: feed.chain.branch_off(), runs: Vec::new() };
        let mut branch = feed.branch.take().filter(|branch| branch.from == node).unwrap_or_else(start);
        let Extended::By(run, heads) = branch.chain.extend(run, heads) else {
            feed.branch = Some(branch);
            return;
        };
        branch.runs.push((run, heads));
        if branch.chain.holds(&target) {
            let (key, length) = (feed.key, feed.chain.committed().length);
            feed.chain.reroot(branch.chain);
            feed.target = None;
            self.persist(Write::Truncate { feed: key, length });
            for (run, heads) in branch.runs {
                self.persist(Write::Run { run, heads });
            }
            self.asked.remove(&Subject::Branch(index));
            self.peers.values_mut().for_each(|peer| peer.forget_told(index));
            self.changed();
        } else if branch.chain.head().length >= target.length {
            // Another branch than the one that was asked for.
            self.asked.remove(&Subject::Branch(index));
            self.had_nothing(&Subject::Branch(index), node);
            self.ask_missing();
        } else {
            feed.branch = Some(branch);
            self.progressed(Subject::Branch(index), node);
        }
    }

    /// Keeps the first proof of a fork with what the two branches say, of which `node` brought one.
    fn fork_found(&mut self, proof: ForkProof, node: NodeId, run: &Run) {
        let Some(&index) = self.index.get(&proof.feed) else { return };
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
        let chain = &self.feeds[index].chain;
        let bodies = proof.branches.each_ref().map(|branch| {
            let place = Head { length: proof.length, hash: branch.hash };
            if chain.holds(&place) {
                return chain.body(place.length).map(|body| BodyBytes(body.to_vec()));
            }
            let brought = run.heads().iter().position(|head| *head == place);
            brought.and_then(|position| run.bodies.get(position).cloned())
        });
        let held = Head { length: proof.length, hash: proof.branches[0].hash };
        let brought = (node, u8::from(chain.holds(&held)));
        self.feeds[index].fork = Some(proof.clone());
        self.persist(Write::Fork(Box::new(FoundFork { proof, bodies, brought, found: self.now })));
        self.fault(Some(author), None, "fork", what);
    }

    /// Own entries that no peer is known to hold, and when the oldest was written.
    pub(super) fn custody(&self) -> (u64, Option<Time>) {
        let (mut count, mut oldest) = (0, None::<Time>);
        for index in Lane::ALL.into_iter().filter_map(|lane| self.own_feed(lane)) {
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
        if !self.may_write_due() {
            return;
        }
        let passed = self.state.deadlines().take_while(|(deadline, _)| *deadline <= self.now);
        // One moves time past a deadline for all that have it.
        let mut due: Vec<Due> = Vec::new();
        for (deadline, about) in passed.filter(|(deadline, _)| self.due_at(*deadline) <= self.now) {
            if due.last().is_none_or(|last| last.deadline != deadline) {
                due.push(Due { about, deadline });
            }
            if due.len() == MAX_RUN_ENTRIES {
                break;
            }
        }
        if due.is_empty() {
            return;
        }
        let Some(lane) = self.own_words_lane() else { return };
        let bodies = due.iter().map(|due| Body::Due(*due).encode()).collect();
        self.append(lane, bodies);
        for due in due {
            let times = self.due_written.get(&due.deadline).map_or(1, |written| written.times + 1);
            let written = Written { times, at: self.now, batch_time: self.basis.time, ordered: false };
            self.due_written.insert(due.deadline, written);
        }
    }

    /// Whether this seat may write any: it votes, has room, and none of its own waits to be ordered, because the batch
    /// that orders one moves time past all deadlines that it can.
    fn may_write_due(&self) -> bool {
        let room = || self.own_words_lane().is_some_and(|lane| self.own_room(lane, MAX_RUN_ENTRIES));
        let none_waits = || self.due_written.values().all(|written| written.ordered);
        self.start.is_ready() && self.own.is_some() && none_waits() && room()
    }

    /// When this seat writes the next `due` for a deadline.
    fn due_at(&self, deadline: Time) -> Time {
        let Some(written) = self.due_written.get(&deadline) else { return deadline };
        let step = self.basis.step_ms;
        if plant::is("due-once") {
            return Time(u64::MAX);
        }
        if plant::is("fast-due") {
            return written.at.plus(step);
        }
        if self.basis.time.since(written.batch_time) >= step {
            return self.now.min(written.at.plus(step));
        }
        // One fast clock must not keep all busy for ever.
        written.at.plus(step.saturating_mul(1 << (written.times - 1).min(40)))
    }

    pub(super) fn next_due(&self) -> Option<Time> {
        if !self.may_write_due() {
            return None;
        }
        let pending = || self.state.deadlines().map(|(deadline, _)| deadline);
        // Of those that have not passed the first is enough.
        let first = pending().find(|deadline| *deadline > self.now);
        let passed = pending().take_while(|deadline| *deadline <= self.now);
        passed.map(|deadline| self.due_at(deadline)).chain(first).min()
    }

    /// An own `due` has been ordered.
    pub(super) fn due_ordered(&mut self, due: &Due) {
        if let Some(written) = self.due_written.get_mut(&due.deadline) {
            written.ordered = true;
        }
    }

    /// Forgets `due`s whose deadlines are past in batch time, and once they are ordered those whose deadlines stand no more.
    pub(super) fn forget_due(&mut self) {
        let (time, state) = (self.basis.time, &self.state);
        self.due_written.retain(|deadline, written| {
            *deadline > time && (!written.ordered || state.ends_any_at(*deadline))
        });
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
