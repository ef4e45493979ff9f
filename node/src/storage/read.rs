//! Reading back: for the engine, for peers, and for the local API.

use std::ops::Bound;

use entente_hbbft::{Digest, Seat};
use entente_protocol::feed::{FeedKey, Head};
use entente_protocol::identity::{Hash, RecordId};
use entente_protocol::ledger::cosignature::Certificate;
use entente_protocol::ledger::merkle::Nodes;
use entente_protocol::replicate::EpochProof;
use entente_protocol::store::{Archive, Batch, Damage, FoundFork, Lives, Mark as Copied, StoredEntry};
use entente_protocol::vote::{MAX_VOTE_FRAME_BYTES, VoteFrame};
use entente_protocol::wire::{self, MAX_OBJECT_BYTES};
use redb::{ReadTransaction, ReadableTable, TableError};
use serde::{Serialize, de::DeserializeOwned};

use super::table::{
    AGREED, BATCH, CERTIFICATE, DECISION, ENTRY, EQUIVOCATION, FEED, FEED_KEY_BYTES, FORK, FRAME, FRAMES,
    Failure, Key, Kind, LEAF, META, NODE, ORDERED, PAYLOAD, PLACE, STATE, guarded, number, split_feed,
};
use super::write::{BatchRow, EntryRow, Extent, NODE_PLACE_BYTES};
use super::{MAX_ROW_BYTES, Store, meta};

/// Most rows that one call returns where the caller names no limit of its own.
pub const MAX_ROWS: usize = 4096;

/// Where a record is held.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The feed that carries it.
    pub feed: FeedKey,
    /// The length there.
    pub length: u64,
}

/// A leaf of the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredLeaf {
    /// The epoch that appended it.
    pub epoch: u64,
    /// Its bytes.
    pub bytes: Vec<u8>,
}

/// One state of the store.
struct Snapshot(ReadTransaction);

/// Key and value.
type Row = (Vec<u8>, Vec<u8>);

impl Snapshot {
    fn value(&self, kind: Kind, key: &[u8]) -> Result<Option<Vec<u8>>, Failure> {
        let table = match self.0.open_table(kind.definition()) {
            Ok(table) => table,
            // The first commit makes all tables, so this store has not had one.
            Err(TableError::TableDoesNotExist(_)) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        match table.get(key)? {
            Some(stored) => Ok(Some(kind.unseal(key, stored.value())?.to_vec())),
            None => Ok(None),
        }
    }

    /// Rows whose keys begin with `prefix`, from `from` on, at most `limit`.
    fn rows(&self, kind: Kind, prefix: &[u8], from: &[u8], limit: usize) -> Result<Vec<Row>, Failure> {
        let table = self.0.open_table(kind.definition())?;
        let mut rows = Vec::new();
        for row in table.range::<&[u8]>(from..)?.take(limit) {
            let (key, stored) = row?;
            let key = key.value();
            if !key.starts_with(prefix) {
                break;
            }
            rows.push((key.to_vec(), kind.unseal(key, stored.value())?.to_vec()));
        }
        Ok(rows)
    }

    fn last(&self, kind: Kind) -> Result<Option<Row>, Failure> {
        let table = self.0.open_table(kind.definition())?;
        let Some((key, stored)) = table.last()? else {
            return Ok(None);
        };
        let key = key.value();
        Ok(Some((key.to_vec(), kind.unseal(key, stored.value())?.to_vec())))
    }

    fn row<T: Serialize + DeserializeOwned>(
        &self,
        kind: Kind,
        key: &[u8],
        limit: usize,
    ) -> Result<Option<T>, Failure> {
        self.value(kind, key)?.map(|value| decode(kind, key, &value, limit)).transpose()
    }

    fn extent(&self) -> Result<Option<Extent>, Failure> {
        self.row(META, meta::EXTENT.as_bytes(), MAX_ROW_BYTES)
    }

    /// The last copy of the state that was taken from others.
    fn floor(&self) -> Result<Option<Copied>, Failure> {
        self.row(META, meta::FLOOR.as_bytes(), MAX_OBJECT_BYTES)
    }

    /// Entries of a feed up to this length may be missing.
    fn skipped(&self, feed: &FeedKey) -> Result<u64, Failure> {
        let head = self.floor()?.and_then(|floor| floor.committed_of(feed));
        Ok(head.map_or(0, |head| head.length))
    }

    /// Batches up to this epoch may be missing.
    fn floor_epoch(&self) -> Result<u64, Failure> {
        Ok(self.floor()?.map_or(0, |floor| floor.epoch))
    }

    /// Leaves before this index may be missing.
    fn floor_index(&self) -> Result<u64, Failure> {
        Ok(self.floor()?.map_or(0, |floor| floor.index))
    }

    fn certified(&self) -> Result<u64, Failure> {
        let key = meta::CERTIFIED.as_bytes();
        match self.value(META, key)? {
            Some(value) => number(&value).ok_or_else(|| META.damage(key, "not a number of 8 bytes").into()),
            None => Ok(0),
        }
    }

    fn batch(&self, epoch: u64) -> Result<Option<Batch>, Failure> {
        let key = Key::default().u64(epoch);
        let damage = |why: &str| Failure::from(BATCH.damage(&key, why));
        let Some(value) = self.value(BATCH, &key)? else {
            return match self.extent()? {
                Some(extent)
                    if (extent.first..=extent.last).contains(&epoch) && epoch > self.floor_epoch()? =>
                {
                    Err(damage(&format!("missing below epoch {}", extent.last)))
                }
                _ => Ok(None),
            };
        };
        let (header, places) = value
            .split_first()
            .and_then(|(length, rest)| rest.split_at_checked(usize::from(*length)))
            .filter(|(_, places)| places.len() % NODE_PLACE_BYTES == 0)
            .ok_or_else(|| damage("not a batch"))?;
        let header: BatchRow = decode(BATCH, &key, header, MAX_ROW_BYTES)?;
        let mut nodes = Vec::new();
        for place in places.chunks_exact(NODE_PLACE_BYTES) {
            let index = number(&place[1..]).expect("a place has one byte and eight");
            let hash =
                self.node(place[0], index)?.ok_or_else(|| damage("one of its Merkle nodes is missing"))?;
            nodes.push((place[0], index, hash));
        }
        let mut agreed = Vec::new();
        for position in 0..header.agreed {
            let value = self.value(AGREED, &key.clone().u32(position))?;
            let value = value.ok_or_else(|| damage("one of its contributions is missing"))?;
            let (seat, bytes) =
                value.split_first_chunk().ok_or_else(|| damage("a contribution has no seat"))?;
            agreed.push((Seat(u16::from_be_bytes(*seat)), bytes.to_vec()));
        }
        let mut leaves = Vec::new();
        for index in header.first_index..header.first_index.saturating_add(header.leaves) {
            let leaf = self.leaf(index)?.ok_or_else(|| damage("one of its leaves is missing"))?;
            leaves.push(leaf.bytes);
        }
        Ok(Some(Batch {
            epoch,
            agreed,
            time: header.time,
            first_index: header.first_index,
            leaves,
            nodes,
            root: header.root,
        }))
    }

    fn leaf(&self, index: u64) -> Result<Option<StoredLeaf>, Failure> {
        let key = Key::default().u64(index);
        match self.value(LEAF, &key)? {
            Some(value) => match value.split_first_chunk() {
                Some((epoch, bytes)) => {
                    Ok(Some(StoredLeaf { epoch: u64::from_be_bytes(*epoch), bytes: bytes.to_vec() }))
                }
                None => Err(LEAF.damage(&key, "it has no epoch").into()),
            },
            None => match self.extent()? {
                Some(extent) if index < extent.size && index >= self.floor_index()? => {
                    Err(LEAF.damage(&key, format!("missing in a log of {} leaves", extent.size)).into())
                }
                _ => Ok(None),
            },
        }
    }

    fn node(&self, level: u8, index: u64) -> Result<Option<Hash>, Failure> {
        let key = Key::default().u8(level).u64(index);
        let value = self.value(NODE, &key)?;
        value.map(|value| hash_of(NODE, &key, &value)).transpose()
    }

    /// The first index from `from` on at which a leaf is held.
    fn next_leaf(&self, from: u64) -> Result<u64, Failure> {
        let next = self.rows(LEAF, &[], &Key::default().u64(from), 1)?.pop();
        Ok(next.and_then(|(key, _)| number(&key)).unwrap_or(u64::MAX))
    }

    fn certificate(&self, epoch: u64) -> Result<Option<(u64, Certificate)>, Failure> {
        let from = Key::default().u64(epoch);
        match self.rows(CERTIFICATE, &[], &from, 1)?.pop() {
            Some((key, value)) => certificate(&key, &value).map(Some),
            None => {
                let certified = self.certified()?;
                if epoch <= certified && certified > 0 {
                    let why = format!("missing, and epoch {certified} was certified");
                    return Err(CERTIFICATE.damage(&from, why).into());
                }
                Ok(None)
            }
        }
    }

    fn index(&self, kind: Kind, id: &RecordId) -> Result<Option<u64>, Failure> {
        let key = Key::default().record(id);
        match self.value(kind, &key)? {
            Some(value) => match number(&value) {
                Some(index) => Ok(Some(index)),
                None => Err(kind.damage(&key, "not an index of 8 bytes").into()),
            },
            None => Ok(None),
        }
    }
}

fn decode<T: Serialize + DeserializeOwned>(
    kind: Kind,
    key: &[u8],
    value: &[u8],
    limit: usize,
) -> Result<T, Failure> {
    wire::decode(value, limit).map_err(|error| kind.damage(key, error.to_string()).into())
}

fn hash_of(kind: Kind, key: &[u8], value: &[u8]) -> Result<Hash, Failure> {
    match value.try_into() {
        Ok(bytes) => Ok(Hash(bytes)),
        Err(_) => Err(kind.damage(key, "not a hash of 32 bytes").into()),
    }
}

fn certificate(key: &[u8], value: &[u8]) -> Result<(u64, Certificate), Failure> {
    let epoch = number(key).ok_or_else(|| CERTIFICATE.damage(key, "its key is no epoch"))?;
    Ok((epoch, decode(CERTIFICATE, key, value, MAX_OBJECT_BYTES)?))
}

impl Store {
    fn reading<T>(
        &self,
        what: &str,
        read: impl FnOnce(&Snapshot) -> Result<T, Failure>,
    ) -> Result<T, Damage> {
        guarded(what, || read(&Snapshot(self.snapshot()?))).map_err(|failure| failure.into_damage(what))
    }

    pub(super) fn value(&self, kind: Kind, key: &[u8]) -> Result<Option<Vec<u8>>, Damage> {
        self.reading(kind.0, |snapshot| snapshot.value(kind, key))
    }

    /// Number of leaves of the log.
    pub fn size(&self) -> Result<u64, Damage> {
        self.reading(META.0, |snapshot| Ok(snapshot.extent()?.map_or(0, |extent| extent.size)))
    }

    /// A leaf of the log.
    pub fn leaf(&self, index: u64) -> Result<Option<StoredLeaf>, Damage> {
        self.reading(LEAF.0, |snapshot| snapshot.leaf(index))
    }

    /// Leaves of the log from `from` on, at most `limit`, with their indexes.
    pub fn leaves(&self, from: u64, limit: usize) -> Result<Vec<(u64, StoredLeaf)>, Damage> {
        self.reading(LEAF.0, |snapshot| {
            let size = snapshot.extent()?.map_or(0, |extent| extent.size);
            let (mut leaves, mut next) = (Vec::new(), from);
            while leaves.len() < limit.min(MAX_ROWS) && next < size {
                match snapshot.leaf(next)? {
                    Some(leaf) => {
                        leaves.push((next, leaf));
                        next += 1;
                    }
                    // What a copy of the state has taken the place of.
                    None => next = snapshot.next_leaf(next)?,
                }
            }
            Ok(leaves)
        })
    }

    /// A completed node of the log's Merkle tree.
    pub fn node(&self, level: u8, index: u64) -> Result<Option<Hash>, Damage> {
        self.reading(NODE.0, |snapshot| snapshot.node(level, index))
    }

    /// Index of the first leaf of a record, once it is certified.
    pub fn index_of(&self, id: &RecordId) -> Result<Option<u64>, Damage> {
        self.reading(ORDERED.0, |snapshot| snapshot.index(ORDERED, id))
    }

    /// Index of the leaf of an operation's last decision, or of the ruling on a dispute, once it is certified.
    pub fn decision_of(&self, operation: &RecordId) -> Result<Option<u64>, Damage> {
        self.reading(DECISION.0, |snapshot| snapshot.index(DECISION, operation))
    }

    /// Where a record is held; the same record may be in several feeds.
    pub fn places(&self, id: &RecordId) -> Result<Vec<Place>, Damage> {
        let prefix = Key::default().record(id);
        self.reading(PLACE.0, |snapshot| {
            let mut places = Vec::new();
            for (key, _) in snapshot.rows(PLACE, &prefix, &prefix, MAX_ROWS)? {
                let place =
                    split_feed(&key[prefix.len()..]).and_then(|(feed, rest)| Some((feed, number(rest)?)));
                let (feed, length) = place.ok_or_else(|| PLACE.damage(&key, "its key is no place"))?;
                places.push(Place { feed, length });
            }
            Ok(places)
        })
    }

    /// Reads every row of every table, and returns how many there are, or the first damage.
    pub fn verify(&self) -> Result<u64, Damage> {
        use super::table::ALL;
        let mut rows = 0;
        for kind in ALL {
            rows += self.reading(kind.0, |snapshot| {
                let table = snapshot.0.open_table(kind.definition())?;
                let mut rows = 0;
                for row in table.iter()? {
                    let (key, stored) = row?;
                    kind.unseal(key.value(), stored.value())?;
                    rows += 1;
                }
                Ok(rows)
            })?;
        }
        Ok(rows)
    }
}

impl Archive for Store {
    fn feed_root(&self, feed: &FeedKey) -> Hash {
        feed.root(&self.identity.coalition)
    }

    fn lives(&self) -> Result<Lives, Damage> {
        self.reading(META.0, |snapshot| {
            Ok(snapshot.row(META, meta::LIVES.as_bytes(), MAX_ROW_BYTES)?.unwrap_or_default())
        })
    }

    fn feeds(&self) -> Result<Vec<(FeedKey, Head)>, Damage> {
        self.reading(FEED.0, |snapshot| {
            let mut feeds = Vec::new();
            for (key, value) in snapshot.rows(FEED, &[], &[], usize::MAX)? {
                let (feed, _) = split_feed(&key)
                    .filter(|_| key.len() == FEED_KEY_BYTES)
                    .ok_or_else(|| FEED.damage(&key, "its key is no feed"))?;
                feeds.push((feed, decode(FEED, &key, &value, MAX_ROW_BYTES)?));
            }
            Ok(feeds)
        })
    }

    fn entry(&self, of: &FeedKey, length: u64) -> Result<Option<StoredEntry>, Damage> {
        let feed = Key::default().feed(of);
        let key = feed.clone().u64(length);
        self.reading(ENTRY.0, |snapshot| {
            if let Some(row) = snapshot.row::<EntryRow>(ENTRY, &key, MAX_ROW_BYTES)? {
                return Ok(Some(StoredEntry { hash: row.hash, body: row.body.0, signature: row.signature }));
            }
            match snapshot.row::<Head>(FEED, &feed, MAX_ROW_BYTES)? {
                Some(head) if (1..=head.length).contains(&length) && length > snapshot.skipped(of)? => {
                    Err(ENTRY.damage(&key, format!("missing below length {}", head.length)).into())
                }
                _ => Ok(None),
            }
        })
    }

    fn frames(&self, epoch: u64, seat: Seat, seq: u32, limit: usize) -> Result<Vec<VoteFrame>, Damage> {
        let prefix = Key::default().u64(epoch).u16(seat.0);
        self.reading(FRAME.0, |snapshot| {
            let count = snapshot.row::<u32>(FRAMES, &prefix, MAX_ROW_BYTES)?.unwrap_or_default();
            let expected = usize::try_from(count.saturating_sub(seq)).unwrap_or(usize::MAX).min(limit);
            let mut frames: Vec<VoteFrame> = Vec::new();
            for (key, value) in snapshot.rows(FRAME, &prefix, &prefix.clone().u32(seq), limit)? {
                frames.push(decode(FRAME, &key, &value, MAX_VOTE_FRAME_BYTES + 256)?);
            }
            let consecutive = (seq..).zip(&frames).all(|(seq, frame)| frame.seq == seq);
            if frames.len() != expected || !consecutive {
                let why = format!("{} of {count} frames are there from {seq} on", frames.len());
                return Err(FRAME.damage(&prefix, why).into());
            }
            Ok(frames)
        })
    }

    fn payload(&self, epoch: u64, digest: &Digest) -> Result<Option<Vec<u8>>, Damage> {
        self.value(PAYLOAD, &Key::default().u64(epoch).bytes(&digest.0))
    }

    fn payloads(&self, epoch: u64) -> Result<Vec<Vec<u8>>, Damage> {
        let prefix = Key::default().u64(epoch);
        self.reading(PAYLOAD.0, |snapshot| {
            let rows = snapshot.rows(PAYLOAD, &prefix, &prefix, MAX_ROWS)?;
            Ok(rows.into_iter().map(|(_, value)| value).collect())
        })
    }

    fn batch(&self, epoch: u64) -> Result<Option<Batch>, Damage> {
        self.reading(BATCH.0, |snapshot| snapshot.batch(epoch))
    }

    fn certificate(&self, epoch: u64) -> Result<Option<(u64, Certificate)>, Damage> {
        self.reading(CERTIFICATE.0, |snapshot| snapshot.certificate(epoch))
    }

    fn last_proof(&self) -> Result<Option<EpochProof>, Damage> {
        self.reading(META.0, |snapshot| snapshot.row(META, meta::PROOF.as_bytes(), MAX_OBJECT_BYTES))
    }

    fn last_certificate(&self) -> Result<Option<(u64, Certificate)>, Damage> {
        self.reading(CERTIFICATE.0, |snapshot| {
            let found = match snapshot.last(CERTIFICATE)? {
                Some((key, value)) => Some(certificate(&key, &value)?),
                None => None,
            };
            let certified = snapshot.certified()?;
            if found.as_ref().map_or(0, |(epoch, _)| *epoch) != certified {
                let why = format!("the last is another than that of epoch {certified}");
                return Err(CERTIFICATE.damage(&Key::default().u64(certified), why).into());
            }
            Ok(found)
        })
    }

    fn snapshot(&self) -> Result<Option<Copied>, Damage> {
        self.reading(META.0, |snapshot| snapshot.row(META, meta::COPY.as_bytes(), MAX_OBJECT_BYTES))
    }

    fn floor(&self) -> Result<Option<Copied>, Damage> {
        self.reading(META.0, Snapshot::floor)
    }

    fn items(
        &self,
        after: Option<&Hash>,
        last: Option<&Hash>,
        limit: usize,
    ) -> Result<Vec<(Hash, Vec<u8>)>, Damage> {
        self.reading(STATE.0, |snapshot| {
            let table = snapshot.0.open_table(STATE.definition())?;
            let from = after.map_or(Bound::Unbounded, |after| Bound::Excluded(&after.as_bytes()[..]));
            let (mut items, mut bytes) = (Vec::new(), 0);
            for row in table.range::<&[u8]>((from, Bound::Unbounded))? {
                let (key, stored) = row?;
                let key = key.value();
                let item = STATE.unseal(key, stored.value())?;
                let key = hash_of(STATE, key, key)?;
                bytes += item.len();
                if last.is_some_and(|last| key > *last) || (bytes > limit && !items.is_empty()) {
                    break;
                }
                items.push((key, item.to_vec()));
            }
            Ok(items)
        })
    }

    fn forks(&self) -> Result<Vec<FoundFork>, Damage> {
        self.reading(FORK.0, |snapshot| {
            let rows = snapshot.rows(FORK, &[], &[], usize::MAX)?;
            rows.iter().map(|(key, value)| decode(FORK, key, value, MAX_OBJECT_BYTES)).collect()
        })
    }

    fn equivocations(&self) -> Result<Vec<[VoteFrame; 2]>, Damage> {
        self.reading(EQUIVOCATION.0, |snapshot| {
            let rows = snapshot.rows(EQUIVOCATION, &[], &[], usize::MAX)?;
            rows.iter().map(|(key, value)| decode(EQUIVOCATION, key, value, MAX_OBJECT_BYTES)).collect()
        })
    }
}

/// The log's Merkle tree for proofs. Damage shows as a missing node; [`Store::node`] says which.
impl Nodes for Store {
    fn node(&self, level: u8, index: u64) -> Option<Hash> {
        Store::node(self, level, index).ok().flatten()
    }
}
