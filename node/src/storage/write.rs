//! Applying writes inside one transaction.
//!
//! Guarantees: a write that contradicts what is stored (a run that does not follow its feed's head, a batch that does
//! not follow the log) is refused as damage instead of being stored over it; the transaction then has no effect.

use entente_protocol::coalition::Disposition;
use entente_protocol::feed::{BodyBytes, FeedKey, Head, Run, body_digest};
use entente_protocol::identity::{Hash, RecordId, Signature};
use entente_protocol::leaf::{EntryLeaf, Leaf};
use entente_protocol::record::Body;
use entente_protocol::store::{Batch, Lives, Mark as Copied, Snapshot, Taken, Write};
use entente_protocol::time::Time;
use entente_protocol::vote::VoteFrame;
use entente_protocol::wire::{self, MAX_OBJECT_BYTES};
use serde::{Deserialize, Serialize};

use super::table::{Failure, Key, Open, Tables};
use super::{MAX_ROW_BYTES, meta};

/// What the engine has told of certified leaves, to find them by id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mark {
    /// A record's first entry is this leaf; of a parked record, the one that released it.
    Ordered {
        /// The record.
        id: RecordId,
        /// The leaf.
        index: u64,
    },
    /// An operation's decision, or the ruling on a dispute, is this leaf.
    Decided {
        /// The operation.
        operation: RecordId,
        /// The leaf.
        index: u64,
    },
}

/// The id under which an entry's body is found: the record's, or for other bodies one made of the digest.
pub fn body_id(body: &[u8]) -> RecordId {
    match Body::decode(body) {
        Ok(Body::Signed(signed)) => signed.record.id(),
        _ => RecordId(body_digest(body)),
    }
}

/// An entry as it is stored.
#[derive(Serialize, Deserialize)]
pub(super) struct EntryRow {
    pub(super) hash: Hash,
    pub(super) signature: Option<Signature>,
    pub(super) body: BodyBytes,
}

/// A batch as it is stored; contributions and leaves have rows of their own.
#[derive(Serialize, Deserialize)]
pub(super) struct BatchRow {
    pub(super) time: Time,
    pub(super) first_index: u64,
    pub(super) leaves: u64,
    pub(super) agreed: u32,
    pub(super) root: Hash,
}

/// How far the log goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Extent {
    /// Epoch of the first batch.
    pub(super) first: u64,
    /// Epoch of the last batch.
    pub(super) last: u64,
    /// Leaves of the log.
    pub(super) size: u64,
}

/// Bytes of a Merkle node's place in a batch: level and index.
pub(super) const NODE_PLACE_BYTES: usize = 1 + 8;

/// Bytes of the epoch before a leaf.
const EPOCH_BYTES: usize = 8;

/// Reads a value of a table row, at most `limit` bytes.
pub(super) fn row<T: Serialize + serde::de::DeserializeOwned>(
    table: &Open<'_>,
    key: &[u8],
    limit: usize,
) -> Result<Option<T>, Failure> {
    match table.get(key)? {
        Some(value) => match wire::decode(&value, limit) {
            Ok(value) => Ok(Some(value)),
            Err(error) => Err(table.damage(key, error.to_string())),
        },
        None => Ok(None),
    }
}

impl Tables<'_> {
    pub(super) fn apply(&mut self, write: &Write) -> Result<(), Failure> {
        match write {
            Write::Run { run, heads } => self.run(run, heads),
            Write::Truncate { feed, length } => self.truncate(feed, *length),
            Write::Frame(frame) => self.frame(frame),
            Write::Payload { epoch, digest, bytes } => {
                self.payload.put(&Key::default().u64(*epoch).bytes(&digest.0), bytes)
            }
            Write::Batch(batch) => self.batch(batch),
            Write::Certificate { epoch, certificate } => {
                self.certificate.put(&Key::default().u64(*epoch), &wire::encode(certificate))?;
                let certified = self.number(meta::CERTIFIED)?.unwrap_or_default().max(*epoch);
                self.put_meta(meta::CERTIFIED, &certified.to_be_bytes())
            }
            Write::Proof(proof) => self.meta.put(meta::PROOF.as_bytes(), &wire::encode(proof)),
            Write::Forget { epoch } => {
                let end = Key::default().u64(epoch.saturating_add(1));
                for table in [&mut self.frame, &mut self.frames, &mut self.payload] {
                    table.remove_below(&end)?;
                }
                Ok(())
            }
            Write::Snapshot(snapshot) => self.snapshot(snapshot),
            Write::Fork(found) => {
                let key = Key::default().feed(&found.proof.feed).u64(found.proof.length);
                self.fork.put(&key, &wire::encode(found))
            }
            Write::Equivocation(frames) => {
                let feed = &frames[0].feed;
                let key = Key::default().u64(feed.epoch).u16(feed.seat.0).u32(frames[0].seq);
                self.equivocation.put(&key, &wire::encode(frames))
            }
            Write::Restored { .. } | Write::RolledBack { .. } => {
                let key = meta::LIVES.as_bytes();
                let mut lives: Lives = row(&self.meta, key, MAX_ROW_BYTES)?.unwrap_or_default();
                lives.written(write);
                self.meta.put(key, &wire::encode(&lives))
            }
        }
    }

    pub(super) fn mark(&mut self, mark: &Mark) -> Result<(), Failure> {
        let (table, id, index) = match mark {
            Mark::Ordered { id, index } => (&mut self.ordered, id, index),
            // Who was remanded is decided again, and the later decision is the one that holds.
            Mark::Decided { operation, index } => {
                return self.decision.put(&Key::default().record(operation), &index.to_be_bytes());
            }
        };
        let key = Key::default().record(id);
        // The same record in two feeds counts once: its first leaf stands, unless the record was only parked
        // there or stands in the void part of a frozen feed.
        if let Some(first) = table.get(&key)? {
            let leaf = self.leaf.get(&first)?.and_then(|row| Leaf::decode(row.get(EPOCH_BYTES..)?).ok());
            let is_final = |entry: &EntryLeaf| {
                !matches!(entry.disposition, Disposition::Parked { .. } | Disposition::Void { .. })
            };
            if !matches!(leaf, Some(Leaf::Entry(entry)) if !is_final(&entry)) {
                return Ok(());
            }
        }
        table.put(&key, &index.to_be_bytes())
    }

    fn number(&self, name: &str) -> Result<Option<u64>, Failure> {
        match self.meta.get(name.as_bytes())? {
            Some(value) => match value.try_into() {
                Ok(bytes) => Ok(Some(u64::from_be_bytes(bytes))),
                Err(_) => Err(self.meta.damage(name.as_bytes(), "not a number of 8 bytes")),
            },
            None => Ok(None),
        }
    }

    fn head(&self, feed: &FeedKey) -> Result<Option<Head>, Failure> {
        row(&self.feed, &Key::default().feed(feed), MAX_ROW_BYTES)
    }

    fn run(&mut self, run: &Run, heads: &[Head]) -> Result<(), Failure> {
        let feed = Key::default().feed(&run.feed);
        let held = self.head(&run.feed)?;
        let follows = match held {
            Some(head) if head == run.from => true,
            None if run.from.length == 0 => true,
            held => {
                let skipped = held.is_none_or(|head| head.length < run.from.length);
                skipped && self.floor_of(&run.feed)? == Some(run.from)
            }
        };
        let Some(last) = heads.last().filter(|_| follows && heads.len() == run.bodies.len()) else {
            let held = held.map_or(0, |head| head.length);
            let why = format!(
                "a run of {} entries and {} heads from length {} does not follow length {held}",
                run.bodies.len(),
                heads.len(),
                run.from.length
            );
            return Err(self.feed.damage(&feed, why));
        };
        for (head, body) in heads.iter().zip(&run.bodies) {
            let row = EntryRow {
                hash: head.hash,
                signature: (head == last).then_some(run.signature),
                body: body.clone(),
            };
            self.entry.put(&feed.clone().u64(head.length), &wire::encode(&row))?;
            self.place.put(&place_key(&body.0, &run.feed, head.length), &[])?;
        }
        self.feed.put(&feed, &wire::encode(last))
    }

    fn truncate(&mut self, feed: &FeedKey, length: u64) -> Result<(), Failure> {
        let key = Key::default().feed(feed);
        let held = self.head(feed)?.map_or(0, |head| head.length);
        for above in length + 1..=held {
            let entry = key.clone().u64(above);
            let row: Option<EntryRow> = row(&self.entry, &entry, MAX_ROW_BYTES)?;
            let Some(row) = row else {
                return Err(self.entry.damage(&entry, format!("missing below length {held}")));
            };
            self.place.remove(&place_key(&row.body.0, feed, above))?;
            self.entry.remove(&entry)?;
        }
        if length == 0 {
            return self.feed.remove(&key);
        }
        if length < held {
            let entry = key.clone().u64(length);
            let row: Option<EntryRow> = row(&self.entry, &entry, MAX_ROW_BYTES)?;
            let floor = self.floor_of(feed)?.filter(|head| head.length == length);
            let Some(hash) = row.map(|row| row.hash).or(floor.map(|head| head.hash)) else {
                return Err(self.entry.damage(&entry, format!("missing below length {held}")));
            };
            self.feed.put(&key, &wire::encode(&Head { length, hash }))?;
        }
        Ok(())
    }

    /// How far a feed was ordered in the last copy of the state that was taken.
    fn floor_of(&self, feed: &FeedKey) -> Result<Option<Head>, Failure> {
        let floor: Option<Copied> = row(&self.meta, meta::FLOOR.as_bytes(), MAX_OBJECT_BYTES)?;
        Ok(floor.and_then(|floor| floor.committed_of(feed)))
    }

    fn snapshot(&mut self, snapshot: &Snapshot) -> Result<(), Failure> {
        let Snapshot { mark, items, taken } = snapshot;
        if let Some(Taken { nodes, proof }) = taken {
            self.state.remove_below(&[0xff; 33])?;
            for (level, index, hash) in nodes {
                self.node.put(&Key::default().u8(*level).u64(*index), hash.as_bytes())?;
            }
            self.meta.put(meta::PROOF.as_bytes(), &wire::encode(proof))?;
            self.meta.put(meta::FLOOR.as_bytes(), &wire::encode(mark))?;
            let leaf = [&mark.epoch.to_be_bytes()[..], &mark.leaf].concat();
            self.leaf.put(&Key::default().u64(mark.index), &leaf)?;
            let extent: Option<Extent> = row(&self.meta, meta::EXTENT.as_bytes(), MAX_ROW_BYTES)?;
            let first = extent.map_or(mark.epoch, |extent| extent.first);
            let extent = Extent { first, last: mark.epoch, size: mark.index + 1 };
            self.put_meta(meta::EXTENT, &wire::encode(&extent))?;
        }
        for (key, bytes) in items {
            match bytes {
                Some(bytes) => self.state.put(key.as_bytes(), bytes)?,
                None => self.state.remove(key.as_bytes())?,
            }
        }
        self.meta.put(meta::COPY.as_bytes(), &wire::encode(mark))
    }

    fn frame(&mut self, frame: &VoteFrame) -> Result<(), Failure> {
        let seat = Key::default().u64(frame.feed.epoch).u16(frame.feed.seat.0);
        self.frame.put(&seat.clone().u32(frame.seq), &wire::encode(frame))?;
        let count = row::<u32>(&self.frames, &seat, MAX_ROW_BYTES)?.unwrap_or_default();
        if frame.seq >= count {
            self.frames.put(&seat, &wire::encode(&(frame.seq.saturating_add(1))))?;
        }
        Ok(())
    }

    fn batch(&mut self, batch: &Batch) -> Result<(), Failure> {
        let epoch = Key::default().u64(batch.epoch);
        let extent: Option<Extent> = row(&self.meta, meta::EXTENT.as_bytes(), MAX_ROW_BYTES)?;
        let (size, follows) = match extent {
            Some(extent) => (extent.size, batch.epoch == extent.last.saturating_add(1)),
            None => (0, true),
        };
        if !follows || batch.first_index != size {
            let why = format!("a batch from leaf {} does not follow {extent:?}", batch.first_index);
            return Err(self.batch.damage(&epoch, why));
        }
        let header = BatchRow {
            time: batch.time,
            first_index: batch.first_index,
            leaves: batch.leaves.len() as u64,
            agreed: u32::try_from(batch.agreed.len()).unwrap_or(u32::MAX),
            root: batch.root,
        };
        let header = wire::encode(&header);
        let mut value = Vec::with_capacity(1 + header.len() + batch.nodes.len() * NODE_PLACE_BYTES);
        value.push(u8::try_from(header.len()).expect("the header has five small fields"));
        value.extend_from_slice(&header);
        for (level, index, hash) in &batch.nodes {
            value.push(*level);
            value.extend_from_slice(&index.to_be_bytes());
            self.node.put(&Key::default().u8(*level).u64(*index), hash.as_bytes())?;
        }
        self.batch.put(&epoch, &value)?;
        for (position, (seat, bytes)) in (0..).zip(&batch.agreed) {
            let value = [&seat.0.to_be_bytes()[..], bytes].concat();
            self.agreed.put(&epoch.clone().u32(position), &value)?;
        }
        for (index, leaf) in (batch.first_index..).zip(&batch.leaves) {
            let value = [&batch.epoch.to_be_bytes()[..], leaf].concat();
            self.leaf.put(&Key::default().u64(index), &value)?;
        }
        let first = extent.map_or(batch.epoch, |extent| extent.first);
        let extent = Extent { first, last: batch.epoch, size: batch.size() };
        self.put_meta(meta::EXTENT, &wire::encode(&extent))
    }
}

fn place_key(body: &[u8], feed: &FeedKey, length: u64) -> Key {
    Key::default().record(&body_id(body)).feed(feed).u64(length)
}
