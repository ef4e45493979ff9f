//! Copies of the state: kept for the next start, given to who is far behind, and taken when this node is.
//!
//! Guarantees: a copy is kept only of a state whose epoch is certified, and taken only under a certified record that names
//! its root, page by page, each checked as it comes ([`Taking`]). A copy takes the place of the epochs before it: a node
//! that was away for thousands of epochs goes on from one certified checkpoint, from any single peer, and does not
//! see what happened in between. So it takes none that would leave its own submissions without an answer, and while
//! it has applied epochs that are not certified. Whoever gives wrong pages is named; whoever gives none costs a time-out,
//! and when nobody has the rest, the epochs are replayed as before.
//!
//! Bounded: one copy is kept and at most one more is on its way to be; what it costs to keep it is what has changed since
//! the last. While somebody takes the copy it stays as it is, for at most [`MAX_KEPT_SPANS`] spans.
//!
//! Source: consensus rule "Catch-up".

use super::peers::Subject;
use super::recover::{RecoverError, damage};
use super::{Engine, Event, Floor, NodeId};
use crate::coalition::map::{Map, Part};
use crate::coalition::{Changes, Decision, MAX_PAGE_BYTES, Page, State, Taking};
use crate::feed::{Chain, Head};
use crate::identity::{Hash, RecordId};
use crate::leaf::{EpochRecord, Leaf};
use crate::ledger::cosignature::Certificate;
use crate::ledger::merkle::{Frontier, prove_inclusion};
use crate::replicate::{EpochProof, Want};
use crate::store::{Archive, Mark, Snapshot, Taken, Write};
use crate::time::Time;

/// When the state is copied, and when another's copy is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Snapshots {
    /// A copy is made after this many epochs,
    pub epochs: u64,
    /// or after this many leaves of the log.
    pub leaves: u64,
    /// Another's copy is taken by who is more than so many epochs behind it; where none is named, by nobody: then all
    /// of history is replayed.
    pub behind: Option<u64>,
}

impl Snapshots {
    /// What nodes do.
    pub const DEFAULT: Self = Self { epochs: 1_024, leaves: 16_384, behind: Some(2_048) };
}

/// How long a copy stays as it is after a page of it was given, in ms.
const HELD_MS: u64 = 60_000;
/// A copy that is being taken is given up after so many time-outs without a page.
const PATIENCE: u64 = 16;
/// For how long no epochs are asked for while a copy is taken, in ms.
const ALONE_MS: u64 = 600_000;
/// For how many times its usual span a copy may be held back by those who take it.
pub const MAX_KEPT_SPANS: u64 = 8;

/// The copies of a node.
#[derive(Debug)]
pub(super) struct Copies {
    rule: Snapshots,
    /// The copy in the store.
    kept: Option<Kept>,
    /// A copy whose epoch is applied and not certified.
    forming: Option<(Mark, Changes)>,
    /// When a page of the copy was given last.
    given_at: Option<Time>,
    /// Another's, on its way.
    incoming: Option<Incoming>,
    /// Copies above this epoch were asked for.
    above: u64,
    /// How far this node had applied when a peer that was asked for a copy last had none, or was silent.
    refused_at: Option<u64>,
    /// The last copy that was taken.
    pub(super) floor: Option<Floor>,
}

#[derive(Debug)]
struct Kept {
    mark: Mark,
    map: Map,
}

#[derive(Debug)]
struct Incoming {
    /// Who named it.
    named_by: NodeId,
    proof: EpochProof,
    record: EpochRecord,
    taking: Taking,
    /// When it was named, and when its last page came.
    begun: Time,
    last: Time,
}

impl Copies {
    pub(super) fn new(rule: Snapshots) -> Self {
        Self {
            rule,
            kept: None,
            forming: None,
            given_at: None,
            incoming: None,
            above: 0,
            refused_at: None,
            floor: None,
        }
    }

    /// Whether a copy is due at the end of `epoch`, when the log has `size` leaves.
    fn is_due(&self, epoch: u64, size: u64, now: Time) -> bool {
        let Snapshots { epochs, leaves, .. } = self.rule;
        let (last, begun) = self.kept.as_ref().map_or((0, 0), |kept| (kept.mark.epoch, kept.mark.index + 1));
        let passed = size.saturating_sub(begun);
        let due = epoch / epochs > last / epochs || passed >= leaves;
        let held = self.given_at.is_some_and(|at| now.since(at) < HELD_MS)
            && epoch.saturating_sub(last) < epochs.saturating_mul(MAX_KEPT_SPANS)
            && passed < leaves.saturating_mul(MAX_KEPT_SPANS);
        due && !held && self.forming.is_none()
    }

    /// Subtrees of a state on its way that are known and not taken.
    pub(super) fn pending(&self) -> usize {
        self.incoming.as_ref().map_or(0, |incoming| incoming.taking.pending())
    }

    pub(super) fn clock_set_back(&mut self, now: Time) {
        self.given_at = self.given_at.map(|at| at.min(now));
        if let Some(incoming) = &mut self.incoming {
            (incoming.begun, incoming.last) = (incoming.begun.min(now), incoming.last.min(now));
        }
    }
}

impl Engine {
    /// The last copy of the state that was taken from others.
    pub fn floor(&self) -> Option<Floor> {
        self.copies.floor
    }

    /// The index at which a record was first ordered, where that is told by a copy of the state that was taken alone.
    pub fn taken_index(&self, record: &RecordId) -> Option<u64> {
        let floor = self.copies.floor?;
        self.state.seen(record).map(|seen| seen.index).filter(|index| *index < floor.size)
    }

    /// The decision of an operation, where that is told by a copy of the state that was taken alone.
    pub fn taken_decision(&self, operation: &RecordId) -> Option<&Decision> {
        let floor = self.copies.floor?;
        let decision = self.state.operation(operation)?.decision.as_ref()?;
        let before = match decision.decided_by {
            Some(index) => index < floor.size,
            // Time alone decided, and a batch decides all that its time decides.
            None => decision.decided_at <= floor.time,
        };
        before.then_some(decision)
    }

    /// Copies the state at the end of an epoch, if that is due; it is kept once the epoch is certified.
    pub(super) fn copy_state(&mut self, epoch: u64, leaf: &[u8]) {
        let size = self.log.size();
        if self.copies.is_due(epoch, size, self.now) {
            let mark = Mark { epoch, index: size - 1, leaf: leaf.to_vec() };
            self.copies.forming = Some((mark, self.state.take_changes()));
        }
    }

    /// Everything up to `epoch` is certified.
    pub(super) fn keep_copy(&mut self, epoch: u64) {
        if let Some((mark, Changes { map, items })) =
            self.copies.forming.take_if(|(mark, _)| mark.epoch <= epoch)
        {
            self.persist(Write::Snapshot(Box::new(Snapshot { mark: mark.clone(), items, taken: None })));
            self.copies.kept = Some(Kept { mark, map });
        }
    }

    /// Which copy a peer that knows the certified epoch `above` may take.
    pub(super) fn has_copy_above(&self, above: u64) -> bool {
        self.copies.kept.as_ref().is_some_and(|kept| kept.mark.epoch > above)
    }

    /// The part of the copy that a peer asks for.
    pub(super) fn part_of_copy(&mut self, epoch: u64, after: Option<&Hash>) -> Option<Part> {
        let kept = self.copies.kept.as_ref().filter(|kept| kept.mark.epoch == epoch)?;
        let part = kept.map.part(after, MAX_PAGE_BYTES)?;
        self.copies.given_at = Some(self.now);
        Some(part)
    }

    /// Asks for a copy, or for its next page.
    pub(super) fn ask_for_copy(&mut self) {
        let Some(behind) = self.copies.rule.behind else { return };
        if let Some(Incoming { named_by, record, taking, last, .. }) = &self.copies.incoming {
            let (named_by, epoch, after, last) = (*named_by, record.epoch, taking.after(), *last);
            let holders = self.peers_where(|peer| peer.certified >= epoch);
            let patience = self.timing.ask_timeout_ms.saturating_mul(PATIENCE);
            if epoch > self.applied && self.now.since(last) < patience {
                return self.ask_one(Subject::State, &holders, &[], Want::State { epoch, after });
            }
            // Their copies are of other epochs by now, or the one who named this gives nothing.
            self.had_nothing(&Subject::Snapshot, named_by);
            self.copies.incoming = None;
        }
        self.asked.remove(&Subject::State);
        let next = self.applied + 1;
        let holders = self.peers_where(|peer| peer.certified >= next);
        // Also where nobody has the epochs that come next: their copies have taken the place of these.
        let stuck =
            !holders.is_empty() && holders.iter().all(|node| self.had_nothing_of_late(Subject::Epochs, node));
        let above = if stuck { self.applied } else { self.applied.saturating_add(behind) };
        let holders = self.peers_where(|peer| peer.certified > above);
        if holders.is_empty() || self.applied != self.certified {
            self.asked.remove(&Subject::Snapshot);
        } else {
            self.copies.above = above;
            self.ask_one(Subject::Snapshot, &holders, &[], Want::Snapshot { above });
        }
    }

    /// Whether another's copy is asked for, or a part of one; no longer than [`ALONE_MS`], because who gives it may take its time.
    pub(super) fn is_taking(&self) -> bool {
        let begun = self.copies.incoming.as_ref().map(|incoming| incoming.begun);
        let asked =
            [Subject::Snapshot, Subject::State].iter().any(|subject| self.asked.contains_key(subject));
        asked && begun.is_none_or(|begun| self.now.since(begun) < ALONE_MS)
    }

    /// Whether entries are not asked for, because a copy takes the place of most: while one is taken, and until the first peer that is
    /// asked for one has had its time. What peers claim to have is no proof, so after that nothing waits for the next one's answer.
    pub(super) fn spares_entries(&self) -> bool {
        let named = self.copies.incoming.is_some();
        self.is_taking() && (named || self.copies.refused_at != Some(self.applied))
    }

    /// A peer that was asked for a copy had none, or was silent.
    pub(super) fn no_copy_came(&mut self) {
        self.copies.refused_at = Some(self.applied);
    }

    /// A peer names its copy.
    pub(super) fn on_snapshot(&mut self, node: NodeId, proof: EpochProof) {
        let asked = self.asked.get(&Subject::Snapshot).is_some_and(|asked| asked.peer == node);
        if !asked || self.copies.incoming.is_some() || self.applied != self.certified {
            return;
        }
        let Some(record) = proof.verify(&self.coalition, &self.cosigners) else {
            let what = "a copy of the state whose epoch's record its certificate does not prove".to_owned();
            return self.fault(Some(node), self.sole_seat_of(&node), "bad_proof", what);
        };
        self.compare_lives(&proof, &record.committed);
        // Who submitted them waits to hear at which index they were ordered, and only the epochs themselves say that.
        let answers = |(feed, head, _): &(_, Head, _)| {
            self.own_records.values().any(|(of, length)| of == feed && *length <= head.length)
        };
        if self.halted
            || record.epoch <= self.applied.max(self.copies.above)
            || record.committed.iter().any(answers)
        {
            return;
        }
        self.answered(Subject::Snapshot);
        let taking = Taking::new(record.state_root);
        self.copies.incoming =
            Some(Incoming { named_by: node, proof, record, taking, begun: self.now, last: self.now });
        for peer in self.peers.values_mut() {
            peer.ask_again(Subject::State);
        }
        self.ask_missing();
    }

    /// A page of the copy that is being taken, behind the key `after`.
    pub(super) fn on_state(&mut self, node: NodeId, epoch: u64, after: Option<Hash>, page: &Page) {
        let Some(incoming) = &mut self.copies.incoming else { return };
        // A page that came twice is no lie.
        if incoming.record.epoch != epoch || incoming.taking.after() != after {
            return;
        }
        if let Err(error) = incoming.taking.take(page) {
            let what = format!("page of the state of epoch {epoch}: {error}");
            return self.fault(Some(node), self.sole_seat_of(&node), "bad_state", what);
        }
        incoming.last = self.now;
        let complete = incoming.taking.is_complete();
        self.progressed(Subject::State, node);
        if let Some(incoming) = self.copies.incoming.take_if(|_| complete) {
            self.install(incoming);
        }
    }

    /// Goes on from another's copy, all of which is there.
    fn install(&mut self, incoming: Incoming) {
        let Incoming { named_by, proof, record, taking, .. } = incoming;
        let epoch = record.epoch;
        if epoch <= self.applied || self.applied != self.certified {
            return;
        }
        let before = Frontier::before(proof.index, proof.certificate.head.size, &proof.path);
        let (Some(mut log), Ok((state, items))) = (before, taking.finish(&self.founded)) else {
            // A certified root that names no state: only more than f faulty seats could have signed it.
            self.had_nothing(&Subject::Snapshot, named_by);
            let what = format!("the certified state of epoch {epoch} is none");
            return self.fault(None, None, "bad_state", what);
        };
        // Others may still need what this seat has to say in epochs that end now.
        self.speak();
        let mark = Mark { epoch, index: proof.index, leaf: proof.leaf.clone() };
        let mut nodes = log.nodes();
        nodes.extend(log.append(&proof.leaf));
        // Entries of another branch than the ordered one, and such of which that cannot be told.
        let heads = record.committed.iter().filter_map(|(key, head, _)| Some((self.index.get(key)?, head)));
        let losing = heads.map(|(&index, head)| (&self.feeds[index].chain, self.feeds[index].key, head));
        let losing = losing.filter(|(chain, _, head)| chain.unordered() > 0 && !chain.holds(head));
        let losing: Vec<_> = losing.map(|(chain, feed, _)| (feed, chain.committed().length)).collect();
        for (feed, length) in losing {
            let index = self.index[&feed];
            self.peers.values_mut().for_each(|peer| peer.forget_told(index));
            self.persist(Write::Truncate { feed, length });
        }
        let nodes = nodes.into_iter().map(|(node, hash)| (node.level, node.index, hash)).collect();
        let map = state.map();
        let items = items.into_iter().map(|(key, bytes)| (key, Some(bytes))).collect();
        let taken = Some(Taken { nodes, proof: proof.clone() });
        self.persist(Write::Snapshot(Box::new(Snapshot { mark: mark.clone(), items, taken })));
        // Who has applied this epoch without its certificate asks for that.
        if proof.is_last() {
            self.persist(Write::Certificate { epoch, certificate: proof.certificate.clone() });
        }
        self.copies.floor = Some(Floor { epoch, size: proof.index + 1, time: record.time });
        self.copies.forming = None;
        self.copies.kept = Some(Kept { mark, map });
        self.catchup.forget_up_to(epoch);
        self.resume(&record, state, log);
        self.notify(Event::Taken { epoch, size: self.log.size() });
        self.settle(epoch, Some(proof));
        self.ask_missing();
    }

    /// Goes on from the state, log and record at the end of an epoch, whatever was before.
    fn resume(&mut self, record: &EpochRecord, state: State, log: Frontier) {
        self.state = state;
        self.state.set_epoch(record.epoch);
        self.log = log;
        self.applied = record.epoch;
        self.certified = self.certified.max(record.epoch);
        self.basis.epoch = record.epoch + 1;
        self.basis.time = record.time;
        self.basis.last_set = record.agreed.iter().map(|(seat, _)| *seat).collect();
        // The record may name feeds that are enrolled by what it says of others.
        loop {
            for (key, head, _) in &record.committed {
                let Some(&index) = self.index.get(key) else { continue };
                if self.basis.committed[index] == *head {
                    continue;
                }
                let feed = &mut self.feeds[index];
                if !feed.chain.holds(head) {
                    feed.chain = Chain::at(*key, *head);
                }
                feed.commit(*head);
                self.basis.committed[index] = *head;
            }
            let enrolled = self.basis.feeds.clone();
            self.enrol();
            if self.basis.feeds == enrolled {
                break;
            }
        }
        self.freeze();
        self.proposals.next(record.epoch, vec![false; self.feeds.len()]);
        self.forget_due();
    }

    /// Begins with the copy in the store, if there is one.
    pub(super) fn resume_stored(&mut self, archive: &(impl Archive + ?Sized)) -> Result<(), RecoverError> {
        let Some(mark) = archive.snapshot()? else { return Ok(()) };
        let epoch = mark.epoch;
        let what = format!("copy of the state of epoch {epoch}");
        let Ok(Leaf::Epoch(record)) = Leaf::decode(&mark.leaf) else {
            return Err(damage(what, "its record is none"));
        };
        if record.epoch != epoch || record.coalition != self.coalition {
            return Err(damage(what, "its record is another's"));
        }
        let batch = archive.batch(epoch)?.and_then(|batch| batch.leaves.into_iter().last());
        if batch.is_some_and(|leaf| leaf != mark.leaf) {
            return Err(damage(what, "its record is not that of the log"));
        }
        let (mut items, mut after) = (Vec::new(), None);
        loop {
            let page = archive.items(after.as_ref(), None, MAX_PAGE_BYTES as usize)?;
            let Some((last, _)) = page.last() else { break };
            after = Some(*last);
            items.extend(page.into_iter().map(|(_, bytes)| bytes));
        }
        let state = State::of_items(&self.founded, items.iter().map(Vec::as_slice), &record.state_root);
        let state = state.map_err(|error| damage(&what, error))?;
        let log = Frontier::from_nodes(archive, mark.index + 1)
            .map_err(|error| damage("Merkle nodes of the log", error))?;
        let map = state.map();
        self.resume(&record, state, log);
        self.last_proof = self.stored_proof(archive, &mark)?.map(Box::new);
        self.copies.kept = Some(Kept { mark, map });
        self.copies.floor = archive.floor()?.and_then(|mark| match Leaf::decode(&mark.leaf) {
            Ok(Leaf::Epoch(record)) => {
                Some(Floor { epoch: mark.epoch, size: mark.index + 1, time: record.time })
            }
            _ => None,
        });
        Ok(())
    }

    /// Proof that the epoch of a copy is certified, if the store has it: a later epoch's may be all there is.
    fn stored_proof(
        &self,
        archive: &(impl Archive + ?Sized),
        mark: &Mark,
    ) -> Result<Option<EpochProof>, RecoverError> {
        let given = archive.last_proof()?.filter(|proof| proof.leaf == mark.leaf);
        let proof = match (given, archive.last_certificate()?) {
            (Some(proof), _) => proof,
            (None, Some((_, certificate))) if certificate.head.size > mark.index => {
                prove(archive, mark, certificate).map_err(|error| damage("Merkle nodes of the log", error))?
            }
            _ => return Ok(None),
        };
        match proof.verify(&self.coalition, &self.cosigners) {
            Some(_) => Ok(Some(proof)),
            None => Err(damage(format!("proof of epoch {}", mark.epoch), "does not verify")),
        }
    }
}

/// Proves that a copy's epoch is certified, by a certificate of it or of a later one.
pub(crate) fn prove(
    archive: &(impl Archive + ?Sized),
    mark: &Mark,
    certificate: Certificate,
) -> Result<EpochProof, crate::ledger::merkle::MerkleError> {
    let path = prove_inclusion(archive, certificate.head.size, mark.index)?;
    Ok(EpochProof { certificate, index: mark.index, leaf: mark.leaf.clone(), path })
}
