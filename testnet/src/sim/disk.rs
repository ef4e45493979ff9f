//! The storage model: what is written is durable only once something leaves behind it or it is synced; a crash keeps
//! some prefix of what was not.
//!
//! This is the contract of [`entente_protocol::store`] at its weakest: writes of one commit in order or not at all,
//! commits put off while nothing leaves. A torn commit is one of which the crash keeps the beginning only.

use std::collections::BTreeMap;
use std::sync::Arc;

use entente_hbbft::{Digest, Seat};
use entente_protocol::feed::{FeedKey, Head};
use entente_protocol::identity::{CoalitionId, Hash};
use entente_protocol::ledger::cosignature::Certificate;
use entente_protocol::ledger::merkle::{NodeId, Nodes};
use entente_protocol::replicate::EpochProof;
use entente_protocol::store::{Archive, Batch, Damage, FoundFork, Lives, StoredEntry, Write};
use entente_protocol::vote::VoteFrame;

use super::rng::Rng;

/// A process's disk.
#[derive(Clone)]
pub(crate) struct Disk {
    /// What survives whatever happens.
    pub(crate) durable: Contents,
    /// Written since the last sync, in order.
    unsynced: Vec<Write>,
}

/// What a crash did to a disk.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Lost {
    /// Writes that are gone.
    pub(crate) writes: usize,
    /// Whether some that were not synced stayed and some went.
    pub(crate) torn: bool,
}

impl Disk {
    pub(crate) fn new(coalition: CoalitionId) -> Self {
        Self { durable: Contents { coalition, ..Contents::default() }, unsynced: Vec::new() }
    }

    pub(crate) fn write(&mut self, write: Write) {
        self.unsynced.push(write);
    }

    /// Makes durable all that was written; `seen` hears of each.
    pub(crate) fn sync(&mut self, mut seen: impl FnMut(&Write)) {
        for write in self.unsynced.drain(..) {
            seen(&write);
            self.durable.apply(write);
        }
    }

    /// Power is lost: of what was not synced a prefix is kept.
    pub(super) fn crash(&mut self, rng: &mut Rng, seen: impl FnMut(&Write)) -> Lost {
        let written = self.unsynced.len();
        let kept = rng.index(written + 1);
        self.unsynced.truncate(kept);
        self.sync(seen);
        Lost { writes: written - kept, torn: kept > 0 && kept < written }
    }
}

/// What is on a disk.
#[derive(Clone, Default)]
pub(crate) struct Contents {
    coalition: CoalitionId,
    pub(crate) entries: BTreeMap<(FeedKey, u64), StoredEntry>,
    pub(crate) frames: BTreeMap<(u64, Seat, u32), VoteFrame>,
    payloads: BTreeMap<(u64, Digest), Vec<u8>>,
    pub(crate) batches: BTreeMap<u64, Arc<Batch>>,
    pub(crate) certificates: BTreeMap<u64, Certificate>,
    nodes: BTreeMap<NodeId, Hash>,
    lives: Lives,
    proof: Option<EpochProof>,
    pub(super) forks: Vec<FoundFork>,
    pub(super) equivocations: Vec<[VoteFrame; 2]>,
    /// Writes that contradict earlier ones, in words: a store must never be asked for these.
    pub(crate) contradictions: Vec<String>,
}

impl Contents {
    fn apply(&mut self, write: Write) {
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
            write @ (Write::Restored { .. } | Write::RolledBack { .. }) => self.lives.written(&write),
            Write::Fork(found) => self.forks.push(*found),
            Write::Equivocation(frames) => self.equivocations.push(*frames),
        }
    }
}

impl Nodes for Contents {
    fn node(&self, level: u8, index: u64) -> Option<Hash> {
        self.nodes.get(&NodeId { level, index }).copied()
    }
}

impl Archive for Contents {
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

    fn forks(&self) -> Result<Vec<FoundFork>, Damage> {
        Ok(self.forks.clone())
    }

    fn equivocations(&self) -> Result<Vec<[VoteFrame; 2]>, Damage> {
        Ok(self.equivocations.clone())
    }
}
