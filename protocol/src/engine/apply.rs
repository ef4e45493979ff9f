//! From an agreed set to a certified checkpoint: cut, order, apply, append, cosign, certify.
//!
//! Guarantees: every seat computes the same leaves from the same agreed set; a batch is durable before its cosignature
//! leaves; nothing is called ordered before `quorum` seats have cosigned; a node whose root `weak` seats contradict
//! halts, because an honest one is among them.

use std::collections::{BTreeMap, BTreeSet};

use entente_hbbft::{Digest, EpochNumber, Seat, SeatSet, WINDOW, plant};

use super::epochs::ERA;
use super::feeds::id_of;
use super::peers::Subject;
use super::{Engine, Event, Fault, Halt, NodeId};
use crate::coalition::{ApplyContext, Decision, Disposition, Released, Ruled, State};
use crate::feed::{FeedKey, Head, body_digest, entry_hash};
use crate::frontier::{Contribution, batch_time, cut, order};
use crate::identity::{Hash, RecordId};
use crate::leaf::{CoinMode, EntryLeaf, EpochRecord, Leaf};
use crate::ledger::cosignature::{Certificate, TreeHead};
use crate::ledger::merkle::Frontier;
use crate::record::{Body, Shown};
use crate::replicate::{Cosign, EpochProof, PeerMessage};
use crate::store::{Batch, Write};
use crate::time::Time;
use crate::vote::VoteFeed;

/// An applied epoch whose certificate has not come.
#[derive(Debug)]
pub(super) struct Uncertified {
    head: TreeHead,
    /// How large the log was before this epoch.
    first_index: u64,
    /// The proposers that the epoch before agreed on: they steer this one.
    pub(super) last_set: SeatSet,
    /// The log before its last leaf, and that leaf: the proof of the epoch.
    before: Frontier,
    leaf: Vec<u8>,
    /// What is told once it is certified.
    events: Vec<Event>,
    /// Seats that cosigned another log than this one.
    contrary: BTreeMap<Seat, Hash>,
}

impl Uncertified {
    /// The proof that the epoch's own certificate gives.
    fn proof(&self, certificate: Certificate) -> EpochProof {
        let (index, path) = (self.before.size(), self.before.path_of_next());
        EpochProof { certificate, index, leaf: self.leaf.clone(), path }
    }
}

/// What applying an epoch gave.
pub(super) struct Applied {
    pub(super) batch: Batch,
    uncertified: Uncertified,
    moved: Vec<bool>,
    committed: Vec<Head>,
}

/// The leaves of a batch as they come, and what is told once it is certified.
struct Leaves {
    epoch: u64,
    first_index: u64,
    leaves: Vec<Leaf>,
    events: Vec<Event>,
}

impl Leaves {
    fn next_index(&self) -> u64 {
        self.first_index + self.leaves.len() as u64
    }

    fn entry(&mut self, id: RecordId, leaf: EntryLeaf) {
        let (index, epoch, feed, length) = (self.next_index(), self.epoch, leaf.feed, leaf.length);
        let outcome = leaf.disposition.to_string();
        self.events.push(Event::Ordered { id, index, epoch, feed, length, outcome });
        self.leaves.push(Leaf::Entry(leaf));
    }

    /// Entries that were parked: a second leaf says what became of each.
    fn released(&mut self, released: Vec<Released>) {
        for Released { record, feed, length, hash, disposition, .. } in released {
            self.entry(record, EntryLeaf { feed, length, hash, record: Some(record), disposition });
        }
    }

    /// Events that the entry at `index` opened or changed: by the records `said` that it applied, or by a node's own word.
    fn integrity(&mut self, state: &State, index: u64, said: Vec<RecordId>, own_word: bool) {
        let mut changed: BTreeSet<RecordId> =
            said.iter().filter_map(|record| state.event_of(record)).map(|event| event.id).collect();
        if own_word {
            changed.extend(state.events().filter(|event| event.changed_at(index)).map(|event| event.id));
        }
        for event in changed.into_iter().filter_map(|id| state.event(&id)) {
            self.events.push(Event::Integrity { index, view: Box::new(state.event_view(event)) });
        }
    }

    fn decided(&mut self, decisions: Vec<Decision>) {
        for decision in decisions {
            self.events
                .push(Event::Decided { index: self.next_index(), decision: Box::new(decision.clone()) });
            self.leaves.push(Leaf::Decision(Box::new(decision)));
        }
    }

    fn ruled(&mut self, rulings: Vec<Ruled>) {
        for ruled in rulings {
            self.events.push(Event::Ruled { index: self.next_index(), ruled: Box::new(ruled.clone()) });
            self.leaves.push(Leaf::Ruling(Box::new(ruled)));
        }
    }
}

impl Engine {
    /// Applies the next epoch, if it is decided and all that its cut names is held.
    pub(super) fn try_apply(&mut self) {
        let Some(agreed) = &self.proposals.decided else { return };
        let epoch = self.applied + 1;
        let contributions: BTreeMap<Seat, Contribution> = agreed
            .iter()
            .filter_map(|(&seat, (_, bytes))| Some((seat, Contribution::decode(bytes, &self.basis).ok()?)))
            .collect();
        let heads = cut(&self.basis, &self.committee, &contributions);
        let mut lacking = false;
        for (index, head) in heads.iter().enumerate() {
            let feed = &mut self.feeds[index];
            if feed.chain.holds(head) {
                continue;
            }
            lacking = true;
            // Another branch than the own one, or the chain is too short: in doubt both ways are asked for.
            if feed.chain.head().length >= head.length || feed.fork.is_some() {
                feed.target = Some(*head);
            }
            for (seat, contribution) in &contributions {
                let claims =
                    contribution.heads(&self.basis).any(|(claimed, at)| claimed == index && at == *head);
                for peer in self.peers.values_mut().filter(|peer| claims && peer.seat == Some(*seat)) {
                    peer.holds(index, head.length);
                }
            }
            // Who has applied the epoch holds it; of a feed that is enrolled no more it does not say so by itself.
            for peer in self.peers.values_mut().filter(|peer| peer.applied >= epoch) {
                peer.holds(index, head.length);
            }
        }
        if lacking {
            return self.ask_missing();
        }
        let agreed: Vec<_> = agreed.iter().map(|(&seat, (_, bytes))| (seat, bytes.clone())).collect();
        let bodies = |engine: &Self, index: usize, length: u64| {
            engine.feeds[index].chain.body(length).map(<[u8]>::to_vec).ok_or(length)
        };
        let applied = self.apply(agreed, bodies).expect("the chains hold what the cut names");
        let leaf = applied.batch.leaves.last().expect("the epoch record");
        let proof = match self.proof_of(epoch, leaf) {
            Ok(proof) => proof,
            Err(halt) => return self.halt(halt),
        };
        self.speak_before(epoch);
        self.persist(Write::Batch(applied.batch.clone()));
        let own = self.own_seat().and_then(|own| contributions.get(&own)).map(|own| own.clock);
        let time = applied.batch.time;
        self.finish(epoch, applied);
        if let Some(clock) = own {
            self.compare_clock(clock, time);
        }
        match proof {
            // Others have certified it: nobody waits for this seat's word.
            Some(proof) => self.proved(epoch, proof),
            None => self.cosign(epoch),
        }
        self.open_next();
    }

    /// Applies epoch `applied + 1` to state and log. `bodies` gives an entry's body by feed index and length; its error
    /// is returned. Nothing but state and log has changed then.
    pub(super) fn apply<E>(
        &mut self,
        agreed: Vec<(Seat, Vec<u8>)>,
        bodies: impl Fn(&Self, usize, u64) -> Result<Vec<u8>, E>,
    ) -> Result<Applied, E> {
        let epoch = self.basis.epoch;
        let contributions: BTreeMap<Seat, Contribution> = agreed
            .iter()
            .filter_map(|(seat, bytes)| Some((*seat, Contribution::decode(bytes, &self.basis).ok()?)))
            .collect();
        let committed = cut(&self.basis, &self.committee, &contributions);
        let clocks = contributions.values().map(|contribution| contribution.clock);
        let time = batch_time(self.basis.time, self.basis.step_ms, &self.committee, clocks);

        let first_index = self.log.size();
        let mut nodes = Vec::new();
        // Windows that end at this batch's time are over before its entries speak.
        self.state.set_epoch(epoch);
        self.state.begin_batch();
        let advanced = self.state.advance(time);
        let mut leaves = Leaves { epoch, first_index, leaves: Vec::new(), events: Vec::new() };
        leaves.decided(advanced.decisions);
        leaves.ruled(advanced.rulings);
        leaves.released(advanced.released);
        let mut tips: Vec<Hash> = self.basis.committed.iter().map(|head| head.hash).collect();
        for (index, length) in order(&self.basis, &committed, &contributions) {
            let body = bodies(self, index, length)?;
            let feed = self.basis.feeds[index];
            let hash = entry_hash(&tips[index], &body_digest(&body));
            tips[index] = hash;
            let context = ApplyContext { index: leaves.next_index(), epoch, time, feed, length, hash };
            let applied = self.state.apply_bytes(&context, &body);
            let decoded = Body::decode(&body).ok();
            let record = match &decoded {
                Some(Body::Signed(signed)) => Some(signed.record.id()),
                _ => None,
            };
            let own_word = matches!(decoded, Some(Body::Incident(_) | Body::Fork(_) | Body::Equivocation(_)));
            if let Some(Body::Due(due)) = decoded.filter(|_| feed.node == self.node.public()) {
                self.due_ordered(&due);
            }
            let id = record.unwrap_or_else(|| id_of(&body));
            self.own_records.remove(&id);
            let said = record.filter(|_| applied.disposition == Disposition::Applied);
            let released = applied.released.iter().filter(|it| it.disposition == Disposition::Applied);
            let said: Vec<RecordId> = said.into_iter().chain(released.map(|it| it.record)).collect();
            leaves.entry(id, EntryLeaf { feed, length, hash, record, disposition: applied.disposition });
            leaves.decided(applied.decisions);
            leaves.ruled(applied.rulings);
            leaves.released(applied.released);
            leaves.integrity(&self.state, context.index, said, own_word);
        }
        let Leaves { mut leaves, events, .. } = leaves;
        let record = self.epoch_record(&agreed, &committed, time);
        leaves.push(Leaf::Epoch(Box::new(record)));

        let leaves: Vec<Vec<u8>> = leaves.iter().map(Leaf::encode).collect();
        let mut before = self.log.clone();
        for leaf in &leaves {
            before.clone_from(&self.log);
            let completed = self.log.append(leaf);
            nodes.extend(completed.into_iter().map(|(node, hash)| (node.level, node.index, hash)));
        }
        let root = self.log.root();
        let moved =
            committed.iter().zip(&self.basis.committed).map(|(new, old)| new.length > old.length).collect();
        let leaf = leaves.last().expect("the epoch record").clone();
        let head = TreeHead::new(self.log.size(), root, time);
        let last_set = self.basis.last_set;
        let contrary = BTreeMap::new();
        let uncertified = Uncertified { head, first_index, last_set, before, leaf, events, contrary };
        let batch = Batch { epoch, agreed, time, first_index, leaves, nodes, root };
        Ok(Applied { batch, uncertified, moved, committed })
    }

    fn epoch_record(&self, agreed: &[(Seat, Vec<u8>)], committed: &[Head], time: Time) -> EpochRecord {
        // As of the batch that this record ends.
        let frozen = |feed| self.state.frozen().contains_key(feed);
        let heads = self.basis.feeds.iter().zip(committed).map(|(feed, head)| (*feed, *head, frozen(feed)));
        EpochRecord {
            coalition: self.coalition,
            era: ERA,
            epoch: self.basis.epoch,
            seats: self.committee.size() as u16,
            charter_version: self.state.charter().version,
            agreed: agreed.iter().map(|(seat, bytes)| (*seat, Digest::of(bytes))).collect(),
            committed: heads.filter(|(_, head, frozen)| head.length > 0 || *frozen).collect(),
            state_root: self.state.root(),
            time,
            coin: CoinMode::Public,
            key_version: 0,
            dealings: None,
            activation: None,
        }
    }

    /// Moves on to the next epoch.
    pub(super) fn finish(&mut self, epoch: u64, applied: Applied) {
        let Applied { batch, uncertified, moved, committed } = applied;
        self.ask_anew_after(epoch, &moved);
        for (feed, head) in self.feeds.iter_mut().zip(&committed) {
            feed.commit(*head);
        }
        // Only the first words of an incarnation after the first call for further feeds.
        let heads = self.basis.feeds.iter().zip(&self.basis.committed).zip(&committed);
        let enrols = |((feed, old), new): ((&FeedKey, &Head), &Head)| {
            feed.incarnation > 0 && old.length == 0 && new.length > 0
        };
        let grown = heads.into_iter().any(enrols) || self.keys_seen != self.state.key_changes();
        self.applied = epoch;
        self.basis.epoch = epoch + 1;
        self.basis.committed = committed;
        self.basis.time = batch.time;
        self.basis.last_set = batch.agreed.iter().map(|(seat, _)| *seat).collect();
        self.freeze();
        self.copy_state(epoch, &uncertified.leaf);
        self.uncertified.insert(epoch, uncertified);
        if plant::is("prune-above") {
            self.persist(Write::Forget { epoch });
        }
        self.proposals.next(epoch, moved);
        if grown {
            self.enrol();
        }
        self.forget_due();
        self.changed();
    }

    /// Says once when the own clock and batch time have come apart although the own contribution, of the time
    /// `clock`, was agreed. Agreement may have waited for a quorum: any time since then is as good.
    fn compare_clock(&mut self, clock: Time, time: Time) {
        let astray = clock.since(time).max(time.since(self.now)) > self.basis.step_ms;
        if astray && !self.clock_astray {
            let what = format!("this node's clock said {clock} where batch time is {time}");
            self.fault(Some(self.node.public()), self.own_seat(), "clock", what);
        }
        self.clock_astray = astray;
    }

    fn cosign(&mut self, epoch: u64) {
        let head = self.uncertified[&epoch].head;
        if let Some(own) = &self.own {
            let signature = head.cosign(&self.coalition, &own.key);
            let cosign = Cosign { seat: own.seat, epoch, head, signature };
            self.cosigns.entry(epoch).or_default().insert(own.seat, cosign);
            self.broadcast(&PeerMessage::Cosign(cosign));
        }
        while let Some(entry) = self.early_cosigns.first_entry().filter(|entry| entry.key().0 <= epoch) {
            let (node, cosign) = entry.remove();
            self.take_cosign(node, cosign);
        }
        self.certify(epoch);
    }

    pub(super) fn has_cosign(&self, epoch: u64, seat: Seat) -> bool {
        self.cosigns.get(&epoch).is_some_and(|by_seat| by_seat.contains_key(&seat))
    }

    pub(super) fn on_cosign(&mut self, node: NodeId, cosign: Cosign) {
        let Cosign { seat, epoch, head, signature } = cosign;
        let open = epoch > self.certified && epoch <= self.certified + 2 * WINDOW;
        if !open || !self.committee.contains(seat) || self.has_cosign(epoch, seat) {
            return;
        }
        if !head.verify(&self.coalition, &self.seats[seat.index()], &signature) {
            return self.forged(node, format!("cosignature of seat {} for epoch {epoch}", seat.0));
        }
        if epoch <= self.applied {
            self.take_cosign(node, cosign);
            return self.certify(epoch);
        }
        // The signature does not cover the epoch's number: whether it is of this epoch shows once that is applied.
        // Until then it is neither counted nor passed on, and the seat's own node overrides what others say of it.
        let direct = self.may_hold(&node, seat);
        if direct || !self.early_cosigns.contains_key(&(epoch, seat)) {
            self.early_cosigns.insert((epoch, seat), (node, cosign));
        }
    }

    /// Counts a verified cosignature of an applied epoch if it is over what this node computed.
    fn take_cosign(&mut self, node: NodeId, cosign: Cosign) {
        let Cosign { seat, epoch, head, signature } = cosign;
        let Some(own) = self.uncertified_head(epoch) else { return };
        if head == own {
            self.cosigns.entry(epoch).or_default().insert(seat, cosign);
            self.progressed(Subject::Cosignatures(epoch), node);
            return self.changed();
        }
        // A seat's own node gives its cosignature the right number, if it is honest. A relay may put any beside it.
        let said = Some(epoch).filter(|_| self.may_hold(&node, seat));
        let contradicted = self.contradicted(&head, said);
        match contradicted.and_then(|epoch| Some((epoch, self.uncertified.get_mut(&epoch)?))) {
            Some((epoch, uncertified)) => {
                let own = uncertified.head.root;
                if uncertified.contrary.insert(seat, head.root) == Some(head.root) {
                    return;
                }
                let same = uncertified.contrary.values().filter(|root| **root == head.root).count();
                let what =
                    format!("seat {} cosigned another log than this node computed for epoch {epoch}", seat.0);
                let shown = Some(Box::new(Shown::Cosignature { seat, head, signature }));
                let (node, seat) = (self.sole_node_of(seat), Some(seat));
                self.tell_fault(Fault { node, seat, code: "contradiction", what, shown });
                if same >= self.committee.weak() {
                    self.halt(Halt::Contradicted { epoch, own, theirs: head.root });
                }
            }
            None => {
                let what = format!(
                    "cosignature of seat {} is not of epoch {epoch}, under which it was sent",
                    seat.0
                );
                self.fault(Some(node), self.sole_seat_of(&node), "malformed", what);
            }
        }
    }

    /// The epoch of this node's log that `head` contradicts: a log has one root of each size, and ends epochs at certain sizes.
    /// Of a log that is larger, or of before what is certified, nothing follows but from `said`, the number of the epoch that
    /// the seat itself says it is of.
    fn contradicted(&self, head: &TreeHead, said: Option<u64>) -> Option<u64> {
        let covers = |it: &Uncertified| it.first_index < head.size && head.size <= it.head.size;
        match self.uncertified.iter().find(|(_, uncertified)| covers(uncertified)) {
            Some((&epoch, uncertified)) => (uncertified.head != *head).then_some(epoch),
            None => said,
        }
    }

    /// Makes the certificate of an applied epoch as soon as a quorum has cosigned what this node computed.
    pub(super) fn certify(&mut self, epoch: u64) {
        let (Some(uncertified), Some(cosigns)) = (self.uncertified.get(&epoch), self.cosigns.get(&epoch))
        else {
            return;
        };
        let head = uncertified.head;
        let signatures = cosigns.values().map(|cosign| (cosign.seat.0, cosign.signature)).collect();
        if let Some(certificate) = Certificate::assemble(head, &signatures, &self.cosigners) {
            self.certified_by(epoch, certificate);
        }
    }

    pub(super) fn on_certificate(&mut self, node: NodeId, epoch: u64, certificate: Certificate) {
        let Some(uncertified) = self.uncertified.get(&epoch) else { return };
        if let Err(error) = certificate.verify(&self.cosigners) {
            return self.forged(node, format!("certificate of epoch {epoch}: {error}"));
        }
        if certificate.head != uncertified.head {
            // Another epoch's under this number, or else a quorum contradicts this node.
            if let Some(epoch) = self.contradicted(&certificate.head, None)
                && let Some(uncertified) = self.uncertified.get(&epoch)
            {
                let (own, theirs) = (uncertified.head.root, certificate.head.root);
                return self.halt(Halt::Contradicted { epoch, own, theirs });
            }
            let what = format!("certificate of another epoch given for epoch {epoch}");
            return self.fault(Some(node), None, "malformed", what);
        }
        self.progressed(Subject::Certificate, node);
        self.certified_by(epoch, certificate);
    }

    /// The certificate of an applied epoch has come.
    fn certified_by(&mut self, epoch: u64, certificate: Certificate) {
        self.persist(Write::Certificate { epoch, certificate: certificate.clone() });
        let proof = self.uncertified.get(&epoch).map(|uncertified| uncertified.proof(certificate));
        self.settle(epoch, proof);
    }

    /// A later certificate proves an applied epoch.
    fn proved(&mut self, epoch: u64, proof: EpochProof) {
        if proof.is_last() {
            return self.certified_by(epoch, proof.certificate);
        }
        self.persist(Write::Proof(Box::new(proof.clone())));
        self.settle(epoch, Some(proof));
    }

    /// `epoch` and all before it are certified.
    pub(super) fn settle(&mut self, epoch: u64, proof: Option<EpochProof>) {
        let later = self.uncertified.split_off(&(epoch + 1));
        let done = std::mem::replace(&mut self.uncertified, later);
        self.certified = epoch;
        self.last_proof = proof.map(Box::new);
        for (number, Uncertified { head, events, .. }) in done {
            events.into_iter().for_each(|event| self.notify(event));
            if number == epoch {
                self.notify(Event::Certified { epoch, size: head.size, root: head.root });
            }
        }
        let epoch = if plant::is("prune-above") { self.applied } else { epoch };
        self.persist(Write::Forget { epoch });
        self.unsent = self.unsent.split_off(&(epoch + 1));
        self.keep_copy(epoch);
        self.window.certified(EpochNumber(epoch));
        self.chains = self.chains.split_off(&(epoch + 1));
        self.cosigns = self.cosigns.split_off(&(epoch + 1));
        self.early_cosigns.retain(|(of, _), _| *of > epoch);
        self.split.retain(|(of, _)| *of > epoch);
        self.equivocators.retain(|(of, _)| *of > epoch);
        self.forget_epochs();
        self.changed();
        self.open_next();
    }

    /// After recovery: applied epochs whose certificate is on the disk.
    pub(super) fn restore_certified(&mut self, epoch: u64, certificate: Certificate) {
        let later = self.uncertified.split_off(&(epoch + 1));
        let done = std::mem::replace(&mut self.uncertified, later);
        self.last_proof = done.get(&epoch).map(|uncertified| Box::new(uncertified.proof(certificate)));
        self.certified = epoch;
    }

    /// After recovery: an applied epoch whose proof is on the disk.
    pub(super) fn restore_proven(&mut self, epoch: u64, proof: EpochProof) {
        self.uncertified = self.uncertified.split_off(&(epoch + 1));
        self.last_proof = Some(Box::new(proof));
        self.certified = epoch;
    }

    /// How large the log is, as far as it is certified.
    pub(super) fn certified_size(&self) -> u64 {
        self.uncertified.values().next().map_or(self.log.size(), |uncertified| uncertified.first_index)
    }

    /// The head that this node computed for an applied epoch that is not certified.
    pub(super) fn uncertified_head(&self, epoch: u64) -> Option<TreeHead> {
        self.uncertified.get(&epoch).map(|uncertified| uncertified.head)
    }

    /// After recovery: cosigns again what is applied and not certified. Repeating a cosignature is harmless.
    pub(super) fn cosign_again(&mut self) {
        let epochs: Vec<u64> = self.uncertified.keys().copied().collect();
        for epoch in epochs {
            if self.uncertified.contains_key(&epoch) {
                self.cosign(epoch);
            }
        }
    }

    /// The start of a seat's chain in an epoch, for recovery's checks.
    pub(super) fn vote_feed(seat: Seat, epoch: u64) -> VoteFeed {
        VoteFeed { seat, incarnation: 0, era: ERA, epoch }
    }
}
