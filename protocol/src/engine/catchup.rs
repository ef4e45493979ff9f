//! Catch-up: epochs that others have certified and forgotten, taken from any single peer.
//!
//! Guarantees: a node that is behind needs no votes of the epochs that it missed. One certified checkpoint proves the
//! record of every epoch below it, by a Merkle path; the record names the agreed contributions, these determine all
//! the rest, and what this node computes from them must be that record to the last byte. Whoever serves wrong epochs
//! is named and nothing is taken. What waits is at most [`MAX_PROVEN_EPOCHS`] records with their contributions.
//!
//! Source: consensus rule "Catch-up"; RFC 6962, section 2.1.1. The list of leaves is not sent: it is recomputed.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use entente_hbbft::{Digest, Seat};

use super::peers::{Asked, Subject};
use super::{Engine, Halt, NodeId};
use crate::ledger::cosignature::Certificate;
use crate::replicate::{EpochProof, Want};

/// Most proven epochs that wait for their contributions or for the entries that they order.
pub const MAX_PROVEN_EPOCHS: u64 = 64;

/// What is proven of epochs that are not applied yet.
#[derive(Debug, Default)]
pub(super) struct Catchup {
    proven: BTreeMap<u64, Proven>,
    /// The last certificate whose signatures were checked: many epochs are proven by one.
    checked: Option<Certificate>,
}

/// A certified epoch that is not applied yet.
#[derive(Debug)]
struct Proven {
    proof: EpochProof,
    agreed: Vec<(Seat, Digest)>,
    /// As far as they have come.
    contributions: BTreeMap<Digest, Vec<u8>>,
}

impl Catchup {
    /// What a copy of the state has taken the place of.
    pub(super) fn forget_up_to(&mut self, epoch: u64) {
        self.proven.retain(|of, _| *of > epoch);
    }

    /// Whether a contribution to an epoch may still be of use: to a proven one those alone that it agreed on and that
    /// have not come.
    pub(super) fn may_need(&self, epoch: u64, digest: &Digest) -> bool {
        self.proven.get(&epoch).is_none_or(|proven| proven.lacking().any(|lacking| lacking == *digest))
    }

    /// How many epochs are proven.
    pub(super) fn proven(&self) -> usize {
        self.proven.len()
    }

    /// How many contributions to them are there.
    pub(super) fn contributions(&self) -> usize {
        self.proven.values().map(|proven| proven.contributions.len()).sum()
    }
}

impl Proven {
    fn lacking(&self) -> impl Iterator<Item = Digest> {
        let digests = self.agreed.iter().map(|(_, digest)| *digest);
        digests.filter(|digest| !self.contributions.contains_key(digest))
    }
}

impl Engine {
    pub(super) fn on_epoch(&mut self, node: NodeId, proof: EpochProof) {
        let checked = self.catchup.checked.as_ref() == Some(&proof.certificate);
        let record = if checked {
            proof.record(&self.coalition)
        } else {
            proof.verify(&self.coalition, &self.cosigners)
        };
        let Some(record) = record else {
            let what = "an epoch's record that its certificate does not prove".to_owned();
            return self.fault(Some(node), self.sole_seat_of(&node), "bad_proof", what);
        };
        self.catchup.checked = Some(proof.certificate.clone());
        self.compare_lives(&proof, &record.committed);
        if record.epoch > self.applied && record.epoch - self.applied <= MAX_PROVEN_EPOCHS {
            // One that is known is no answer, or who has nothing else would be asked without end.
            if let Entry::Vacant(place) = self.catchup.proven.entry(record.epoch) {
                place.insert(Proven { proof, agreed: record.agreed, contributions: BTreeMap::new() });
                self.progressed(Subject::Epochs, node);
            }
        }
    }

    /// Takes a contribution that a proven epoch agreed on; false if it is of none.
    pub(super) fn take_proven_contribution(&mut self, epoch: u64, digest: Digest, bytes: &[u8]) -> bool {
        let Some(proven) = self.catchup.proven.get_mut(&epoch) else { return false };
        if proven.agreed.iter().any(|(_, agreed)| *agreed == digest) {
            proven.contributions.insert(digest, bytes.to_vec());
            self.asked.remove(&Subject::Payload(epoch, digest));
        }
        true
    }

    /// Applies proven epochs as far as all is there.
    pub(super) fn advance(&mut self) {
        while !self.halted {
            let epoch = self.applied + 1;
            let Some(proven) = self.catchup.proven.get(&epoch) else { return };
            if self.proposals.decided.is_none() {
                if proven.lacking().next().is_some() {
                    return self.ask_missing();
                }
                let decided = proven.agreed.iter().map(|(seat, digest)| {
                    let bytes = proven.contributions.get(digest).cloned().unwrap_or_default();
                    (*seat, (*digest, bytes))
                });
                self.proposals.decided = Some(decided.collect());
            }
            self.try_apply();
            if self.applied < epoch {
                return;
            }
        }
    }

    /// The proof of an epoch that is being applied, if there is one; halts if it proves another record than `leaf`.
    pub(super) fn proof_of(&mut self, epoch: u64, leaf: &[u8]) -> Result<Option<EpochProof>, Halt> {
        let proven = self.catchup.proven.remove(&epoch);
        self.catchup.proven.retain(|of, _| *of > epoch);
        let Some(Proven { proof, .. }) = proven else { return Ok(None) };
        if proof.leaf == leaf {
            return Ok(Some(proof));
        }
        let (own, theirs) =
            (crate::ledger::merkle::leaf_hash(leaf), crate::ledger::merkle::leaf_hash(&proof.leaf));
        Err(Halt::Contradicted { epoch, own, theirs })
    }

    /// Asks for what lies between the own log and what some peer knows to be certified.
    pub(super) fn ask_for_epochs(&mut self) {
        let from = (self.applied + 1..).find(|epoch| !self.catchup.proven.contains_key(epoch));
        let from = from.expect("what waits is bounded");
        let holders = self.peers_where(|peer| peer.certified >= from);
        // A copy of the state spares them.
        if self.is_taking() {
            self.asked.remove(&Subject::Epochs);
            return;
        }
        if holders.is_empty() || from - self.applied > MAX_PROVEN_EPOCHS / 2 {
            self.asked.remove(&Subject::Epochs);
        } else {
            self.ask_one(Subject::Epochs, &holders, &[], Want::Epochs { from });
        }
        let epoch = self.applied + 1;
        let Some(proven) = self.catchup.proven.get(&epoch) else { return };
        // Contributions come behind the record of their epoch, in the same answer.
        let comes = |asked: &Asked| {
            asked.until > self.now && matches!(asked.want, Want::Epochs { from } if from <= epoch)
        };
        if self.asked.get(&Subject::Epochs).is_some_and(comes) {
            return;
        }
        let lacking: Vec<Digest> = proven.lacking().collect();
        let holders = self.peers_where(|peer| peer.certified >= epoch);
        for digest in lacking {
            let want = Want::Payload { epoch, digest };
            self.ask_one(Subject::Payload(epoch, digest), &holders, &[], want);
        }
    }
}
