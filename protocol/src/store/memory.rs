//! A store in memory: the contract at its plainest, for simulators, benchmarks and tests.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;

use entente_hbbft::{Digest, Seat};

use super::{Archive, Batch, Damage, FoundFork, Lives, Mark, Snapshot, StoredEntry, Taken, Write};
use crate::feed::{FeedKey, Head};
use crate::identity::{CoalitionId, Hash};
use crate::ledger::cosignature::Certificate;
use crate::ledger::merkle::{NodeId, Nodes};
use crate::replicate::EpochProof;
use crate::vote::VoteFrame;

/// A store in memory. What it was told to write in contradiction to what it holds is kept in words.
#[derive(Clone, Default)]
pub struct Memory {
    coalition: CoalitionId,
    /// Entries by feed and length.
    pub entries: BTreeMap<(FeedKey, u64), StoredEntry>,
    /// Vote frames by epoch, seat and place.
    pub frames: BTreeMap<(u64, Seat, u32), VoteFrame>,
    payloads: BTreeMap<(u64, Digest), Vec<u8>>,
    /// Batches by epoch.
    pub batches: BTreeMap<u64, Arc<Batch>>,
    /// Certificates by epoch.
    pub certificates: BTreeMap<u64, Certificate>,
    nodes: BTreeMap<NodeId, Hash>,
    /// Which life the node is in.
    pub lives: Lives,
    copy: Copy,
    floor: Option<Mark>,
    proof: Option<EpochProof>,
    /// Proofs of forks, as they were found.
    pub forks: Vec<FoundFork>,
    /// Proofs against seats, as they were found.
    pub equivocations: Vec<[VoteFrame; 2]>,
    /// Writes that contradict earlier ones, in words: a store must never be asked for these.
    pub contradictions: Vec<String>,
}

/// The copy of the state.
#[derive(Clone, Default)]
struct Copy {
    mark: Option<Mark>,
    items: BTreeMap<Hash, Vec<u8>>,
}

impl Memory {
    /// An empty one.
    pub fn new(coalition: CoalitionId) -> Self {
        Self { coalition, ..Self::default() }
    }

    /// All leaves that are held, in order.
    pub fn leaves(&self) -> Vec<&[u8]> {
        self.batches.values().flat_map(|batch| &batch.leaves).map(Vec::as_slice).collect()
    }

    /// Drops the copy of the state.
    pub fn forget_copy(&mut self) {
        self.copy = Copy::default();
    }

    /// Makes a write durable.
    pub fn write(&mut self, write: Write) {
        match write {
            Write::Run { run, heads } => {
                let last = heads.len().saturating_sub(1);
                for (i, (body, head)) in run.bodies.into_iter().zip(&heads).enumerate() {
                    let signature = (i == last).then_some(run.signature);
                    let entry = StoredEntry { hash: head.hash, body: body.0, signature };
                    if let Some(before) = self.entries.insert((run.feed, head.length), entry)
                        && before.hash != head.hash
                    {
                        self.contradictions.push(format!("entry {} of {:?}", head.length, run.feed));
                    }
                }
            }
            Write::Truncate { feed, length } => {
                let above = (feed, length + 1)..=(feed, u64::MAX);
                let gone: Vec<_> = self.entries.range(above).map(|(&place, _)| place).collect();
                gone.iter().for_each(|place| {
                    self.entries.remove(place);
                });
            }
            Write::Frame(frame) => {
                let place = (frame.feed.epoch, frame.feed.seat, frame.seq);
                let hash = frame.hash();
                if self.frames.insert(place, frame).is_some_and(|before| before.hash() != hash) {
                    self.contradictions.push(format!("frame {place:?}"));
                }
            }
            Write::Payload { epoch, digest, bytes } => {
                self.payloads.insert((epoch, digest), bytes);
            }
            Write::Proof(proof) => self.proof = Some(*proof),
            Write::Forget { epoch } => {
                self.frames = self.frames.split_off(&(epoch + 1, Seat(0), 0));
                self.payloads = self.payloads.split_off(&(epoch + 1, Digest([0; 32])));
            }
            Write::Batch(batch) => {
                for &(level, index, hash) in &batch.nodes {
                    self.nodes.insert(NodeId { level, index }, hash);
                }
                let epoch = batch.epoch;
                if self.batches.insert(epoch, Arc::new(batch)).is_some() {
                    self.contradictions.push(format!("batch {epoch} a second time"));
                }
            }
            Write::Certificate { epoch, certificate } => {
                self.certificates.insert(epoch, certificate);
            }
            Write::Snapshot(snapshot) => self.snapshot(*snapshot),
            write @ (Write::Restored { .. } | Write::RolledBack { .. }) => self.lives.written(&write),
            Write::Fork(found) => self.forks.push(*found),
            Write::Equivocation(frames) => self.equivocations.push(*frames),
        }
    }

    fn snapshot(&mut self, snapshot: Snapshot) {
        let Snapshot { mark, items, taken } = snapshot;
        if let Some(Taken { nodes, proof }) = taken {
            self.copy.items.clear();
            for (level, index, hash) in nodes {
                self.nodes.insert(NodeId { level, index }, hash);
            }
            self.proof = Some(proof);
            self.floor = Some(mark.clone());
        } else if self.batches.get(&mark.epoch).is_none_or(|batch| batch.leaves.last() != Some(&mark.leaf)) {
            self.contradictions.push(format!("a copy of epoch {}, which is not in the log", mark.epoch));
        }
        for (key, bytes) in items {
            match bytes {
                Some(bytes) => self.copy.items.insert(key, bytes),
                None => self.copy.items.remove(&key),
            };
        }
        self.copy.mark = Some(mark);
    }
}

impl Nodes for Memory {
    fn node(&self, level: u8, index: u64) -> Option<Hash> {
        self.nodes.get(&NodeId { level, index }).copied()
    }
}

impl Archive for Memory {
    fn lives(&self) -> Result<Lives, Damage> {
        Ok(self.lives)
    }

    fn feed_root(&self, feed: &FeedKey) -> Hash {
        feed.root(&self.coalition)
    }

    fn feeds(&self) -> Result<Vec<(FeedKey, Head)>, Damage> {
        let mut feeds = BTreeMap::new();
        for ((feed, length), entry) in &self.entries {
            feeds.insert(*feed, Head { length: *length, hash: entry.hash });
        }
        Ok(feeds.into_iter().collect())
    }

    fn entry(&self, feed: &FeedKey, length: u64) -> Result<Option<StoredEntry>, Damage> {
        Ok(self.entries.get(&(*feed, length)).cloned())
    }

    fn frames(&self, epoch: u64, seat: Seat, seq: u32, limit: usize) -> Result<Vec<VoteFrame>, Damage> {
        let range = self.frames.range((epoch, seat, seq)..=(epoch, seat, u32::MAX));
        Ok(range.map(|(_, frame)| frame.clone()).take(limit).collect())
    }

    fn payload(&self, epoch: u64, digest: &Digest) -> Result<Option<Vec<u8>>, Damage> {
        Ok(self.payloads.get(&(epoch, *digest)).cloned())
    }

    fn payloads(&self, epoch: u64) -> Result<Vec<Vec<u8>>, Damage> {
        let range = self.payloads.range((epoch, Digest([0; 32]))..=(epoch, Digest([255; 32])));
        Ok(range.map(|(_, bytes)| bytes.clone()).collect())
    }

    fn batch(&self, epoch: u64) -> Result<Option<Batch>, Damage> {
        Ok(self.batches.get(&epoch).map(|batch| Batch::clone(batch)))
    }

    fn certificate(&self, epoch: u64) -> Result<Option<(u64, Certificate)>, Damage> {
        Ok(self.certificates.range(epoch..).next().map(|(epoch, certificate)| (*epoch, certificate.clone())))
    }

    fn last_proof(&self) -> Result<Option<EpochProof>, Damage> {
        Ok(self.proof.clone())
    }

    fn last_certificate(&self) -> Result<Option<(u64, Certificate)>, Damage> {
        Ok(self.certificates.last_key_value().map(|(epoch, certificate)| (*epoch, certificate.clone())))
    }

    fn snapshot(&self) -> Result<Option<Mark>, Damage> {
        Ok(self.copy.mark.clone())
    }

    fn floor(&self) -> Result<Option<Mark>, Damage> {
        Ok(self.floor.clone())
    }

    fn items(
        &self,
        after: Option<&Hash>,
        last: Option<&Hash>,
        limit: usize,
    ) -> Result<Vec<(Hash, Vec<u8>)>, Damage> {
        let from = after.map_or(Bound::Unbounded, |after| Bound::Excluded(*after));
        let range = self.copy.items.range((from, Bound::Unbounded));
        let range = range.take_while(|(key, _)| last.is_none_or(|last| *key <= last));
        let mut bytes = 0;
        let fits = |(_, item): &(&Hash, &Vec<u8>)| {
            let first = bytes == 0;
            bytes += item.len();
            first || bytes <= limit
        };
        Ok(range.take_while(fits).map(|(key, item)| (*key, item.clone())).collect())
    }

    fn forks(&self) -> Result<Vec<FoundFork>, Damage> {
        Ok(self.forks.clone())
    }

    fn equivocations(&self) -> Result<Vec<[VoteFrame; 2]>, Damage> {
        Ok(self.equivocations.clone())
    }
}
