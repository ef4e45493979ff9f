//! What must hold in every history, recomputed from what was written and sent, without the engine's own predicates.
//!
//! Every batch that an honest engine writes is compared with the first one seen for its epoch; that one is recomputed
//! from its agreed contributions: cut, order, batch time, committed heads, tree; and from the evidence that entries carry:
//! void entries, frozen feeds. Every certificate is checked line by
//! line. What honest members send must be durable first and never contradict what they sent before. Nobody honest may
//! be accused. What was acknowledged must be in the log, where it was acknowledged. No process speaks to another faster
//! than stated.

mod affairs;
mod bounds;
mod contributions;
mod evidence;
mod grounds;
mod held;
mod pace;
mod recount;
mod restored;
mod sent;
mod told;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use entente_hbbft::Seat;
use entente_protocol::coalition::State;
use entente_protocol::engine::{Fault, Halt, Held, Holding, Refused, Ticket};
use entente_protocol::feed::{FeedKey, Head};
use entente_protocol::founding::Founded;
use entente_protocol::identity::{CoalitionId, Hash, PublicKey};
use entente_protocol::ledger::cosignature::Certificate;
use entente_protocol::replicate::{EpochProof, PeerMessage};
use entente_protocol::store::{Batch, Write};
use entente_protocol::time::Time;
use sha2::{Digest as _, Sha256};

use super::disk::Contents;
use super::history::History;
use super::members::Member;
use super::summary::Counts;
use held::Entries;
use pace::Pace;
use recount::Recount;
use restored::Life;
pub(super) use restored::Said;
use told::Log;

/// Something acknowledged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Promise {
    pub(super) process: usize,
    pub(super) feed: FeedKey,
    pub(super) length: u64,
    /// SHA-256 of the body.
    body: [u8; 32],
}

/// Watches a history.
pub(super) struct Oracle {
    coalition: CoalitionId,
    seat_keys: Vec<PublicKey>,
    nodes: Vec<PublicKey>,
    /// By member: faulty, or rolled back and perhaps taken for it.
    faulty: Vec<bool>,
    liar: Vec<bool>,
    recount: Recount,
    /// The first batch that any honest engine wrote, by epoch.
    log: Log,
    /// How many of them order no entry, and how many of those are the last ones.
    empty: u64,
    empty_in_a_row: u64,
    /// By epoch: the cosignatures, by seat, that were checked in certificates.
    certified: BTreeMap<u64, BTreeSet<(u16, [u8; 64])>>,
    frames: BTreeMap<(Seat, u64, u32), Hash>,
    entries: BTreeMap<(FeedKey, u64), Hash>,
    held: Entries,
    submitted: BTreeMap<Ticket, (usize, [u8; 32])>,
    pub(super) promises: BTreeSet<Promise>,
    /// Frames that each process has stored, by epoch and seat.
    stored: BTreeMap<(usize, u64, Seat), usize>,
    /// Members that were rolled back and have said something else at one place since, and those proved to have.
    contradicts: BTreeSet<usize>,
    proved: BTreeSet<usize>,
    /// By member: all correct seats had certified so much when it started last.
    floors: BTreeMap<usize, u64>,
    /// Members that were rolled back.
    lives: BTreeMap<usize, Life>,
    pace: Pace,
    failures: Vec<String>,
}

/// Rounds of an agreement that a history may take.
const ROUNDS: usize = 8;

/// Most frames of one seat in one epoch: each has a new message, of which there are the proposal, an ECHO and a READY for
/// each seat, and in each agreement four votes a round and a TERM.
fn most_frames(seats: usize) -> usize {
    1 + 2 * seats + seats * (4 * ROUNDS + 1)
}

fn body_hash(body: &[u8]) -> [u8; 32] {
    Sha256::digest(body).into()
}

impl Oracle {
    pub(super) fn new(founded: &Founded, members: &[Member], history: &History) -> Self {
        let coalition = founded.coalition();
        let seat_keys = members.iter().filter_map(|member| member.seat.as_ref()).map(|key| key.public());
        let seat_keys: Vec<PublicKey> = seat_keys.collect();
        // Partner by partner, and of each in the order of keys, as a charter lists them.
        let seats = seat_keys.len();
        let mut listed = Vec::new();
        for partner in 0..seats {
            let nodes = (partner..members.len()).step_by(seats);
            let mut nodes: Vec<PublicKey> = nodes.map(|member| members[member].node.public()).collect();
            nodes.sort();
            listed.extend(nodes);
        }
        let charter = founded.charter();
        Self {
            coalition,
            recount: Recount::new(coalition, &seat_keys, &listed, charter),
            seat_keys,
            nodes: members.iter().map(|member| member.node.public()).collect(),
            faulty: (0..members.len()).map(|member| history.is_faulty(member)).collect(),
            liar: (0..members.len())
                .map(|member| history.liars.iter().any(|(liar, _)| *liar == member))
                .collect(),
            log: BTreeMap::new(),
            empty: 0,
            empty_in_a_row: 0,
            certified: BTreeMap::new(),
            frames: BTreeMap::new(),
            entries: BTreeMap::new(),
            held: Entries::new(coalition),
            submitted: BTreeMap::new(),
            promises: BTreeSet::new(),
            stored: BTreeMap::new(),
            contradicts: BTreeSet::new(),
            proved: BTreeSet::new(),
            floors: BTreeMap::new(),
            lives: BTreeMap::new(),
            pace: Pace::new(history),
            failures: Vec::new(),
        }
    }

    pub(super) fn fail(&mut self, what: String) {
        self.failures.push(what);
    }

    /// The first thing that must not be.
    pub(super) fn failure(&self) -> Option<&String> {
        self.failures.first()
    }

    /// The log as far as any honest engine has it.
    pub(super) fn epochs(&self) -> u64 {
        self.log.keys().next_back().copied().unwrap_or(0)
    }

    /// How many epochs of the log order no entry.
    pub(super) fn empty_epochs(&self) -> u64 {
        self.empty
    }

    /// The network heals: what comes to nothing is counted from here.
    pub(super) fn heals(&mut self) {
        self.empty_in_a_row = 0;
    }

    /// How many of the last epochs order no entry.
    pub(super) fn empty_in_a_row(&self) -> u64 {
        self.empty_in_a_row
    }

    /// What an engine has written becomes durable; `disk` is what was durable before.
    pub(super) fn durable(&mut self, process: usize, member: usize, disk: &Contents, write: &Write) {
        if self.liar[member] {
            return;
        }
        match write {
            Write::Batch(batch) => self.batch(process, batch),
            Write::Run { run, heads } => {
                self.recount.held(run);
                if let Err(what) = self.held.written(run, heads) {
                    self.fail(format!("process {process} {what}"));
                }
            }
            Write::Certificate { epoch, certificate } => self.certificate(process, *epoch, certificate),
            Write::Proof(proof) => self.proof(process, proof),
            Write::Snapshot(snapshot) => {
                let mark = &snapshot.mark;
                let record = self.log.get(&mark.epoch).and_then(|batch| batch.leaves.last());
                if record != Some(&mark.leaf) {
                    self.fail(format!(
                        "process {process} keeps a state of epoch {} that is none",
                        mark.epoch
                    ));
                }
                if let Some(taken) = &snapshot.taken {
                    self.proof(process, &taken.proof);
                }
            }
            Write::Fork(found) => {
                let feed = &found.proof.feed;
                let author = self.nodes.iter().position(|node| *node == feed.node);
                if author.is_none_or(|author| self.answers_for(author, feed)) {
                    self.fail(format!("process {process} keeps a fork proof against honest {author:?}"));
                }
            }
            Write::Equivocation(frames) => {
                let seat = frames[0].feed.seat;
                self.proved.insert(seat.index());
                if !self.faulty.get(seat.index()).copied().unwrap_or(false) {
                    self.fail(format!(
                        "process {process} keeps a proof of equivocation against honest {seat:?}"
                    ));
                }
            }
            Write::Frame(frame) => {
                if frame.feed.seat.index() == member && !self.is_of_an_earlier_life(member, frame) {
                    self.speaks(process, disk, frame);
                }
                let stored = self.stored.entry((process, frame.feed.epoch, frame.feed.seat)).or_default();
                *stored += 1;
                let most = most_frames(self.seat_keys.len());
                if *stored > most {
                    let place = (frame.feed.seat, frame.feed.epoch);
                    self.fail(format!("process {process} has stored more than {most} frames of {place:?}"));
                }
            }
            _ => {}
        }
    }

    fn proof(&mut self, process: usize, proof: &EpochProof) {
        let is_record =
            |batch: &Arc<Batch>| batch.size() == proof.index + 1 && batch.leaves.last() == Some(&proof.leaf);
        if !self.log.values().any(is_record) {
            self.fail(format!("process {process} takes a record at index {} that is none", proof.index));
        }
        if let Err(what) = self.recount.certificate(&proof.certificate, &self.seat_keys) {
            self.fail(format!("process {process}: proof at index {}: {what}", proof.index));
        }
    }

    fn batch(&mut self, process: usize, batch: &Batch) {
        match self.log.get(&batch.epoch) {
            Some(first) if **first == *batch => {}
            Some(first) => {
                let what =
                    if first.agreed != batch.agreed { "another agreed set" } else { "another outcome" };
                self.fail(format!("process {process} has {what} in epoch {} than others", batch.epoch));
            }
            None => {
                if let Err(what) = self.recount.batch(batch) {
                    self.fail(format!("epoch {} at process {process}: {what}", batch.epoch));
                }
                let is_empty = !recount::orders_any(batch);
                self.empty += u64::from(is_empty);
                self.empty_in_a_row = if is_empty { self.empty_in_a_row + 1 } else { 0 };
                self.held.ordered(batch);
                self.log.insert(batch.epoch, Arc::new(batch.clone()));
            }
        }
    }

    fn certificate(&mut self, process: usize, epoch: u64, certificate: &Certificate) {
        let Some(batch) = self.log.get(&epoch) else {
            return self
                .fail(format!("process {process} has a certificate for epoch {epoch} that nobody applied"));
        };
        let head = &certificate.head;
        if (head.size, head.root, head.time_s) != (batch.size(), batch.root, batch.time.0 / 1000) {
            return self
                .fail(format!("process {process}: the certificate of epoch {epoch} is of another tree"));
        }
        // Each process may have others; what one says of a tree is checked once.
        let cosignatures = certificate.cosignatures.iter();
        let cosignatures: BTreeSet<(u16, [u8; 64])> =
            cosignatures.map(|cosignature| (cosignature.seat, *cosignature.signature.as_ed25519())).collect();
        let seats: BTreeSet<u16> = cosignatures.iter().map(|(seat, _)| *seat).collect();
        let known = self.certified.entry(epoch).or_default();
        let (_, quorum, _) = self.recount.thresholds();
        if seats.len() >= quorum && cosignatures.is_subset(known) {
            return;
        }
        match self.recount.certificate(certificate, &self.seat_keys) {
            Ok(()) => known.extend(cosignatures),
            Err(what) => self.fail(format!("process {process}: certificate of epoch {epoch}: {what}")),
        }
    }

    /// A process that does not lie sends something to another.
    pub(super) fn posts(&mut self, from: usize, to: usize, message: &PeerMessage, now: Time) {
        if let Some(what) = self.pace.count(from, to, message, now) {
            self.fail(what);
        }
    }

    /// The most messages that any process sent to another in a second.
    pub(super) fn most_per_second(&self) -> u64 {
        self.pace.most()
    }

    /// A member starts; all correct seats have certified `floor`.
    pub(super) fn starts(&mut self, member: usize, floor: u64) {
        self.floors.insert(member, floor);
    }

    pub(super) fn submitted(&mut self, ticket: Ticket, process: usize, body: &[u8]) {
        self.submitted.insert(ticket, (process, body_hash(body)));
    }

    pub(super) fn replied(
        &mut self,
        process: usize,
        member: usize,
        disk: &Contents,
        ticket: Ticket,
        result: &Result<Held, Refused>,
    ) {
        let Some((_, body)) = self.submitted.remove(&ticket) else {
            return self.fail(format!("process {process} answers {ticket:?} twice"));
        };
        if let Ok(Held { id, ordered: Some(index), .. }) = *result
            && !self.liar[member]
        {
            self.told_again(process, disk, id, index);
        }
        if self.faulty[member] && !self.excuses(member) {
            return self.restored_replies(process, member, body, result);
        }
        if let Ok(Held { place: Some((feed, length)), .. }) = *result
            && !self.faulty[member]
        {
            self.promises.insert(Promise { process, feed, length, body });
        }
    }

    pub(super) fn accused(&mut self, process: usize, member: usize, fault: &Fault) {
        if self.liar[member] || matches!(fault.code, "clock" | "two_processes") {
            return;
        }
        let node = fault.node.and_then(|node| self.nodes.iter().position(|known| *known == node));
        let seat = fault.seat.map(Seat::index);
        for accused in node.into_iter().chain(seat) {
            if !self.may_be_accused(accused, fault) {
                self.fail(format!(
                    "process {process} accuses honest member {accused}: {}: {}",
                    fault.code, fault.what
                ));
            }
        }
    }

    pub(super) fn halted(&mut self, process: usize, member: usize, halt: &Halt) {
        if !self.excuses(member) {
            self.fail(format!("honest process {process} halts: {halt}"));
        }
    }

    /// What must hold of a process's disk at any time: what it promised is there.
    pub(super) fn keeps(&mut self, process: usize, disk: &Contents) {
        if let Some(what) = disk.contradictions.first() {
            self.failures.push(format!("process {process} overwrites {what}"));
        }
        let own = self.promises.iter().filter(|promise| promise.process == process);
        let lost = own.filter(|promise| {
            let entry = disk.entries.get(&(promise.feed, promise.length));
            entry.is_none_or(|entry| body_hash(&entry.body) != promise.body)
        });
        let lost: Vec<_> = lost.map(|promise| (promise.feed.lane, promise.length)).take(3).collect();
        if !lost.is_empty() {
            self.failures.push(format!("process {process} has lost what it acknowledged: {lost:?}"));
        }
    }

    /// A process tells that it holds an entry of its own.
    pub(super) fn told_held(
        &mut self,
        process: usize,
        member: usize,
        disk: &Contents,
        feed: &FeedKey,
        length: u64,
    ) {
        let hash = disk.entries.get(&(*feed, length)).map(|entry| entry.hash);
        let holds = hash.is_some_and(|hash| self.held.holds(disk, feed, &Head { length, hash }));
        if !holds && !self.liar[member] {
            self.fail(format!(
                "process {process} tells that it holds entry {length}, which is not on its disk"
            ));
        }
    }

    /// What a member has cosigned it holds.
    pub(super) fn covers(&mut self, member: usize, disk: &Contents) {
        if let Err(what) = self.held.still_covers(member, disk) {
            self.fail(format!("member {member}, which has cosigned it, {what}"));
        }
    }

    /// What an engine holds, and would hold by the limits that it says, is within the bounds that are stated here.
    pub(super) fn holds(&mut self, process: usize, holdings: &[Holding]) {
        if let Err(what) = self.recount.size().check(holdings) {
            self.fail(format!("process {process} {what}"));
        }
    }

    /// Promises of the processes named that the log does not hold.
    pub(super) fn unkept(&self, of: impl Fn(usize) -> bool) -> Vec<Promise> {
        let promises = self.promises.iter().filter(|promise| of(promise.process));
        promises.filter(|promise| !self.recount.is_ordered(&promise.feed, promise.length)).copied().collect()
    }

    /// Whether the log holds a feed up to there, or its node is none any more.
    pub(super) fn is_settled(&self, feed: &FeedKey, length: u64) -> bool {
        self.recount.is_ordered(feed, length) || !self.recount.affairs.nodes().contains(&feed.node)
    }

    /// Who was rolled back and is proved to contradict itself must have stopped.
    pub(super) fn must_have_stopped(&self) -> Vec<usize> {
        self.contradicts.intersection(&self.proved).copied().collect()
    }

    /// The tree over all leaves has the root that the last batch states.
    pub(super) fn check_tree(&mut self) {
        let Some(last) = self.log.values().next_back() else { return };
        let leaves: Vec<&[u8]> =
            self.log.values().flat_map(|batch| batch.leaves.iter().map(Vec::as_slice)).collect();
        if recount::tree_hash(&leaves) != last.root.0 {
            self.fail(format!("the root of epoch {} is not that of its {} leaves", last.epoch, leaves.len()));
        }
    }

    /// A process shows its state, which it has after an epoch.
    pub(super) fn shows(&mut self, process: usize, epoch: u64, state: &State) {
        if let Err(what) = self.recount.affairs.shows(process, epoch, state) {
            self.fail(what);
        }
    }

    /// What was ordered of the coalition's records, by kind and fate.
    pub(super) fn records(&self) -> &Counts {
        &self.recount.affairs.counts
    }

    pub(super) fn coalition(&self) -> CoalitionId {
        self.coalition
    }
}
