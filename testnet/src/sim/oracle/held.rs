//! What is held: entries count only under a verified signature, on the disk, and as the log names them.

use std::collections::BTreeMap;

use entente_protocol::feed::{FeedKey, Head, Run};
use entente_protocol::identity::{CoalitionId, Hash};
use entente_protocol::leaf::{Leaf, MAX_LEAF_BYTES};
use entente_protocol::store::{Archive as _, Batch};
use entente_protocol::wire;

use super::evidence::{hashed, is_signed};
use crate::sim::disk::Contents;

/// The hash of an entry behind another.
fn follows(before: &Hash, body: &[u8]) -> Hash {
    Hash(hashed("entente/entry/v1", &[&before.0, &hashed("entente/body/v1", &[body])]))
}

/// What authors have signed, and what the log has taken.
pub(super) struct Entries {
    coalition: CoalitionId,
    /// Heads whose signature was seen to hold, with that signature.
    signed: BTreeMap<(FeedKey, u64, Hash), [u8; 64]>,
    /// The log's entries.
    ordered: BTreeMap<(FeedKey, u64), Hash>,
    /// By member: up to which epoch it was seen to hold what it cosigns.
    covered: BTreeMap<usize, u64>,
}

impl Entries {
    pub(super) fn new(coalition: CoalitionId) -> Self {
        Self { coalition, signed: BTreeMap::new(), ordered: BTreeMap::new(), covered: BTreeMap::new() }
    }

    /// Entries became durable: they are those that their author has signed.
    pub(super) fn written(&mut self, run: &Run, heads: &[Head]) -> Result<(), String> {
        let Run { feed, from, bodies, signature } = run;
        let mut head = *from;
        let mut expected = Vec::new();
        for body in bodies {
            head = Head { length: head.length + 1, hash: follows(&head.hash, &body.0) };
            expected.push(head);
        }
        if heads != expected || bodies.is_empty() {
            return Err(format!("keeps entries up to {} under other hashes than theirs", head.length));
        }
        if from.length == 0 && from.hash != feed.root(&self.coalition) {
            return Err("keeps entries of a feed that begins otherwise".into());
        }
        if self.is_signed(feed, &head, signature.as_ed25519()) {
            Ok(())
        } else {
            Err(format!("keeps entries up to {} that their author has not signed", head.length))
        }
    }

    fn is_signed(&mut self, feed: &FeedKey, head: &Head, signature: &[u8; 64]) -> bool {
        let place = (*feed, head.length, head.hash);
        if self.signed.get(&place) == Some(signature) {
            return true;
        }
        let message = wire::encode(&(self.coalition, feed, head.length, head.hash));
        let holds = is_signed("entente/head/v1", &message, &feed.node, signature);
        if holds {
            self.signed.insert(place, *signature);
        }
        holds
    }

    /// The log goes on.
    pub(super) fn ordered(&mut self, batch: &Batch) {
        self.ordered.extend(named(batch));
    }

    /// The hash of a feed's entry in the log; of none before the first.
    fn in_log(&self, feed: &FeedKey, length: u64) -> Option<Hash> {
        if length == 0 {
            return Some(feed.root(&self.coalition));
        }
        self.ordered.get(&(*feed, length)).copied()
    }

    /// The hashes of a feed's entries on a disk behind a head: those that extend it, up to the last signed one.
    pub(super) fn behind(&mut self, disk: &Contents, feed: &FeedKey, head: &Head) -> Vec<Hash> {
        let (mut at, mut hashes, mut signed) = (*head, Vec::new(), 0);
        let entries = disk.entries.range((*feed, head.length + 1)..=(*feed, u64::MAX));
        for ((_, length), entry) in entries {
            let hash = follows(&at.hash, &entry.body);
            if *length != at.length + 1 || hash != entry.hash {
                break;
            }
            at = Head { length: *length, hash };
            hashes.push(hash);
            let by_author = entry.signature.as_ref().map(|signature| *signature.as_ed25519());
            if by_author.is_some_and(|signature| self.is_signed(feed, &at, &signature)) {
                signed = hashes.len();
            }
        }
        hashes.truncate(signed);
        hashes
    }

    /// Whether a disk has an entry under a signature.
    pub(super) fn holds(&mut self, disk: &Contents, feed: &FeedKey, head: &Head) -> bool {
        let Some(entry) = disk.entries.get(&(*feed, head.length)) else { return false };
        if entry.hash != head.hash {
            return false;
        }
        // A run is signed at its end, at most 64 entries on.
        let mut at = *head;
        for ((_, length), entry) in disk.entries.range((*feed, head.length)..=(*feed, u64::MAX)) {
            if *length != head.length {
                let next = Head { length: at.length + 1, hash: follows(&at.hash, &entry.body) };
                if (next.length, next.hash) != (*length, entry.hash) {
                    return false;
                }
                at = next;
            }
            let by_author = entry.signature.as_ref().map(|signature| *signature.as_ed25519());
            if by_author.is_some_and(|signature| self.is_signed(feed, &at, &signature)) {
                return true;
            }
        }
        false
    }

    /// Says of a head that a process names as held what is wrong with it: neither on its disk nor below the state that it took.
    pub(super) fn claims_to_hold(
        &mut self,
        disk: &Contents,
        feed: &FeedKey,
        head: &Head,
    ) -> Result<(), String> {
        let below = || floor(disk) > 0 && self.in_log(feed, head.length) == Some(head.hash);
        if head.length == 0 || below() || self.holds(disk, feed, head) {
            return Ok(());
        }
        Err(format!("says that it holds entry {} in {}, which it does not", head.length, feed.lane))
    }

    /// A member cosigns an epoch: it holds what the leaves name, of every epoch up to there that lies above the state it took.
    pub(super) fn cosigned(&mut self, member: usize, disk: &Contents, epoch: u64) -> Result<(), String> {
        let covered = self.covered.get(&member).copied().unwrap_or(0);
        for above in covered.max(floor(disk)) + 1..=epoch {
            self.covers(disk, above)?;
        }
        self.covered.insert(member, covered.max(epoch));
        Ok(())
    }

    /// What a member has cosigned it still holds.
    pub(super) fn still_covers(&self, member: usize, disk: &Contents) -> Result<(), String> {
        let covered = self.covered.get(&member).copied().unwrap_or(0);
        (floor(disk) + 1..=covered).try_for_each(|epoch| self.covers(disk, epoch))
    }

    fn covers(&self, disk: &Contents, epoch: u64) -> Result<(), String> {
        let batch = disk.batches.get(&epoch).ok_or_else(|| format!("lacks the batch of epoch {epoch}"))?;
        for ((feed, length), hash) in named(batch) {
            let before = length.checked_sub(1).and_then(|before| self.in_log(&feed, before));
            let entry = disk.entries.get(&(feed, length));
            let held = entry.is_some_and(|entry| {
                entry.hash == hash && before.is_some_and(|before| follows(&before, &entry.body) == hash)
            });
            if !held {
                let lane = feed.lane;
                return Err(format!("lacks entry {length} in {lane}, which epoch {epoch} orders"));
            }
        }
        Ok(())
    }
}

/// The epoch of the state that a process took from others; 0 if it took none.
fn floor(disk: &Contents) -> u64 {
    disk.floor().ok().flatten().map_or(0, |mark| mark.epoch)
}

/// The entries that a batch names.
fn named(batch: &Batch) -> impl Iterator<Item = ((FeedKey, u64), Hash)> {
    let leaves = batch.leaves.iter().filter_map(|leaf| wire::decode(leaf, MAX_LEAF_BYTES).ok());
    leaves.filter_map(|leaf| match leaf {
        Leaf::Entry(entry) => Some(((entry.feed, entry.length), entry.hash)),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use entente_protocol::coalition::Disposition;
    use entente_protocol::feed::Lane;
    use entente_protocol::identity::SecretKey;
    use entente_protocol::leaf::EntryLeaf;
    use entente_protocol::store::Write;
    use entente_protocol::time::Time;

    use super::*;

    const COALITION: CoalitionId = CoalitionId(Hash([3; 32]));

    fn author() -> SecretKey {
        SecretKey::from_seed(&[1; 32])
    }

    fn feed() -> FeedKey {
        FeedKey { node: author().public(), lane: Lane::Routine, incarnation: 0 }
    }

    fn root() -> Head {
        Head { length: 0, hash: feed().root(&COALITION) }
    }

    fn run(from: Head, texts: &[&str], key: &SecretKey) -> Run {
        let bodies = texts.iter().map(|text| text.as_bytes().to_vec()).collect();
        Run::sign(&COALITION, feed(), from, bodies, key)
    }

    /// A disk with two runs of three and two entries, and the heads of all five.
    fn disk() -> (Contents, Vec<Head>) {
        let mut disk = Contents::new(COALITION);
        let first = run(root(), &["a", "b", "c"], &author());
        let mut heads = first.heads();
        let second = run(heads[2], &["d", "e"], &author());
        heads.extend(second.heads());
        disk.write(Write::Run { heads: first.heads(), run: first });
        disk.write(Write::Run { heads: second.heads(), run: second });
        (disk, heads)
    }

    fn batch(epoch: u64, heads: &[Head]) -> Batch {
        let leaf = |head: &Head| {
            Leaf::Entry(EntryLeaf {
                feed: feed(),
                length: head.length,
                hash: head.hash,
                record: None,
                disposition: Disposition::Applied,
            })
        };
        Batch {
            epoch,
            agreed: Vec::new(),
            time: Time(0),
            first_index: 0,
            leaves: heads.iter().map(|head| leaf(head).encode()).collect(),
            nodes: Vec::new(),
            root: Hash::default(),
        }
    }

    #[test]
    fn entries_that_their_author_has_not_signed_or_under_other_hashes_are_named() {
        let mut entries = Entries::new(COALITION);
        let good = run(root(), &["a", "b"], &author());
        assert_eq!(entries.written(&good, &good.heads()), Ok(()));
        let forged = run(root(), &["a", "c"], &SecretKey::from_seed(&[2; 32]));
        assert!(entries.written(&forged, &forged.heads()).is_err());
        assert!(entries.written(&good, &forged.heads()).is_err());
        let elsewhere = run(Head { length: 0, hash: Hash([7; 32]) }, &["a"], &author());
        assert!(entries.written(&elsewhere, &elsewhere.heads()).is_err());
    }

    #[test]
    fn entries_count_as_held_up_to_the_last_signature_and_no_gap() {
        let mut entries = Entries::new(COALITION);
        let (mut disk, heads) = disk();
        assert_eq!(entries.behind(&disk, &feed(), &root()).len(), 5);
        assert_eq!(entries.behind(&disk, &feed(), &heads[3]), [heads[4].hash]);
        assert!(entries.behind(&disk, &feed(), &Head { length: 0, hash: Hash([7; 32]) }).is_empty());
        assert!(heads.iter().all(|head| entries.holds(&disk, &feed(), head)));
        assert!(entries.claims_to_hold(&disk, &feed(), &Head { length: 6, hash: Hash([7; 32]) }).is_err());
        // The second run's signature is gone: its entries stand under none.
        disk.entries.get_mut(&(feed(), 5)).expect("held").signature = None;
        assert_eq!(entries.behind(&disk, &feed(), &root()).len(), 3);
        assert!(entries.claims_to_hold(&disk, &feed(), &heads[2]).is_ok());
        assert!(entries.claims_to_hold(&disk, &feed(), &heads[3]).is_err());
        disk.entries.remove(&(feed(), 2));
        assert!(entries.behind(&disk, &feed(), &root()).is_empty());
        assert!(entries.claims_to_hold(&disk, &feed(), &heads[1]).is_err());
        assert!(entries.claims_to_hold(&disk, &feed(), &heads[0]).is_err(), "no signature reaches it");
    }

    #[test]
    fn who_cosigns_without_an_entry_that_the_leaves_name_is_named() {
        let (mut disk, heads) = disk();
        let (first, second) = (batch(1, &heads[..3]), batch(2, &heads[3..]));
        let mut entries = Entries::new(COALITION);
        for batch in [first, second] {
            entries.ordered(&batch);
            disk.batches.insert(batch.epoch, Arc::new(batch));
        }
        let whole = disk.clone();
        assert_eq!(entries.cosigned(0, &whole, 2), Ok(()));
        assert_eq!(entries.still_covers(0, &whole), Ok(()));
        disk.entries.remove(&(feed(), 2));
        assert!(entries.still_covers(0, &disk).is_err());
        assert!(entries.cosigned(1, &disk, 1).is_err());
        let mut other = whole.clone();
        other.entries.get_mut(&(feed(), 4)).expect("held").body.push(0);
        assert_eq!(entries.cosigned(2, &other, 1), Ok(()));
        assert!(entries.cosigned(2, &other, 2).is_err(), "another body under the same hash");
        let mut without = whole;
        without.batches.remove(&1);
        assert!(entries.cosigned(3, &without, 2).is_err(), "a batch below that it lacks");
    }
}
