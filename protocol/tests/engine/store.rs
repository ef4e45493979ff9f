//! A store in memory that keeps what was written, as the engine asks of one.

use std::collections::BTreeMap;

use entente_hbbft::{Digest, Seat};
use entente_protocol::feed::{FeedKey, Head};
use entente_protocol::identity::{CoalitionId, Hash};
use entente_protocol::ledger::cosignature::Certificate;
use entente_protocol::ledger::merkle::{NodeId, Nodes};
use entente_protocol::replicate::EpochProof;
use entente_protocol::store::{Archive, Batch, Damage, FoundFork, Lives, StoredEntry, Write};
use entente_protocol::vote::VoteFrame;

#[derive(Clone, Default)]
pub(crate) struct Store {
    coalition: CoalitionId,
    pub(crate) entries: BTreeMap<(FeedKey, u64), StoredEntry>,
    pub(crate) frames: BTreeMap<(u64, Seat, u32), VoteFrame>,
    payloads: BTreeMap<(u64, Digest), Vec<u8>>,
    pub(crate) batches: BTreeMap<u64, Batch>,
    pub(crate) certificates: BTreeMap<u64, Certificate>,
    nodes: BTreeMap<NodeId, Hash>,
    proof: Option<EpochProof>,
    pub(crate) forks: Vec<FoundFork>,
    pub(crate) equivocations: Vec<[VoteFrame; 2]>,
    pub(crate) lives: Lives,
}

impl Store {
    pub(crate) fn new(coalition: CoalitionId) -> Self {
        Self { coalition, ..Self::default() }
    }

    pub(crate) fn write(&mut self, write: Write) {
        match write {
            Write::Run { run, heads } => {
                let last = heads.len() - 1;
                for (i, (body, head)) in run.bodies.iter().zip(&heads).enumerate() {
                    let signature = (i == last).then_some(run.signature);
                    let entry = StoredEntry { hash: head.hash, body: body.0.clone(), signature };
                    self.entries.insert((run.feed, head.length), entry);
                }
            }
            Write::Truncate { feed, length } => {
                self.entries.retain(|(of, at), _| *of != feed || *at <= length)
            }
            Write::Frame(frame) => {
                let place = (frame.feed.epoch, frame.feed.seat, frame.seq);
                let before = self.frames.insert(place, frame.clone());
                assert!(before.is_none_or(|before| before == frame), "two frames at {place:?}");
            }
            Write::Payload { epoch, digest, bytes } => {
                assert_eq!(digest, Digest::of(&bytes));
                self.payloads.insert((epoch, digest), bytes);
            }
            Write::Proof(proof) => self.proof = Some(*proof),
            Write::Forget { epoch } => {
                self.frames.retain(|(of, ..), _| *of > epoch);
                self.payloads.retain(|(of, _), _| *of > epoch);
            }
            Write::Batch(batch) => {
                for &(level, index, hash) in &batch.nodes {
                    self.nodes.insert(NodeId { level, index }, hash);
                }
                let before = self.batches.insert(batch.epoch, batch);
                assert!(before.is_none(), "a batch is written once");
            }
            Write::Certificate { epoch, certificate } => {
                self.certificates.insert(epoch, certificate);
            }
            Write::Fork(found) => self.forks.push(*found),
            Write::Equivocation(frames) => self.equivocations.push(*frames),
            write @ (Write::Restored { .. } | Write::RolledBack { .. }) => self.lives.written(&write),
        }
    }

    /// All leaves in order.
    pub(crate) fn leaves(&self) -> Vec<Vec<u8>> {
        self.batches.values().flat_map(|batch| batch.leaves.clone()).collect()
    }
}

impl Nodes for Store {
    fn node(&self, level: u8, index: u64) -> Option<Hash> {
        self.nodes.get(&NodeId { level, index }).copied()
    }
}

impl Archive for Store {
    fn feed_root(&self, feed: &FeedKey) -> Hash {
        feed.root(&self.coalition)
    }

    fn lives(&self) -> Result<Lives, Damage> {
        Ok(self.lives)
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
        Ok(self.batches.get(&epoch).cloned())
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
