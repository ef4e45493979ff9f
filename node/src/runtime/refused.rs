//! Own records that were ordered and refused, for a day: what their officers are told of in the inbox.
//!
//! Guarantees: whatever an officer signed that this partner has or had, and the log refused, is known here from then on until it is
//! [`TOLD_MS`] old in batch time, however much else is ordered meanwhile, and after a restart as well. Bounded by [`MAX_REFUSED`] and, after a
//! restart, by [`MAX_READ_BACK`]. Assumes that it is given each batch once it is in the store.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use entente_protocol::charter::PartnerName;
use entente_protocol::coalition::{Disposition, Purpose, State, TOLD_MS};
use entente_protocol::identity::{PublicKey, RecordId};
use entente_protocol::leaf::{EntryLeaf, Leaf};
use entente_protocol::record::{Body, SignedRecord};
use entente_protocol::store::{Archive as _, Batch, Damage};
use entente_protocol::time::Time;

use crate::storage::Store;

/// Most refused records that are told of; one more displaces the one refused longest ago.
pub const MAX_REFUSED: usize = 1024;
/// How many of the latest leaves a starting node reads back at most.
pub const MAX_READ_BACK: u64 = 1 << 20;
/// Leaves that are read at once.
const PAGE: u64 = 512;

/// Where a record was refused last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Row {
    id: RecordId,
    at: Time,
}

#[derive(Debug, Default)]
struct Rows {
    by_index: BTreeMap<u64, Row>,
    index_of: BTreeMap<RecordId, u64>,
}

impl Rows {
    fn put(&mut self, index: u64, row: Row) {
        let last = self.index_of.get(&row.id).copied();
        if last.is_some_and(|last| last >= index) {
            return;
        }
        last.map(|last| self.by_index.remove(&last));
        self.index_of.insert(row.id, index);
        self.by_index.insert(index, row);
        while let Some(first) = self.by_index.first_entry() {
            if self.index_of.len() <= MAX_REFUSED && row.at.since(first.get().at) < TOLD_MS {
                break;
            }
            self.index_of.remove(&first.remove().id);
        }
    }
}

/// Own records that were refused of late.
#[derive(Debug, Default)]
pub(crate) struct OwnRefused(Mutex<Rows>);

impl OwnRefused {
    /// Takes those that the store tells of, from the latest leaf back to the first batch that is older than a day.
    pub(super) fn read_back(
        &self,
        store: &Store,
        state: &State,
        own: &PartnerName,
        now: Time,
    ) -> Result<(), Damage> {
        let size = store.size()?;
        let (mut end, least) = (size, size.saturating_sub(MAX_READ_BACK));
        // The batch that the leaves before belong to ends at this time.
        let mut at = None;
        while end > least {
            let from = end.saturating_sub(PAGE).max(least);
            // There may be none before where a copy of the state took their place.
            let page = store.leaves(from, PAGE as usize)?;
            for (index, leaf) in page.iter().rev().filter(|(index, _)| *index < end) {
                match Leaf::decode(&leaf.bytes) {
                    Ok(Leaf::Epoch(epoch)) if now.since(epoch.time) >= TOLD_MS => return Ok(()),
                    Ok(Leaf::Epoch(epoch)) => at = Some(epoch.time),
                    Ok(Leaf::Entry(entry)) => {
                        if let Some(at) = at {
                            self.take_entry(*index, &entry, at, store, state, own)?;
                        }
                    }
                    _ => {}
                }
            }
            end = from;
        }
        Ok(())
    }

    /// Takes what a batch refused that is in the store.
    pub(super) fn take(
        &self,
        batch: &Batch,
        store: &Store,
        state: &State,
        own: &PartnerName,
    ) -> Result<(), Damage> {
        for (index, leaf) in (batch.first_index..).zip(&batch.leaves) {
            if let Ok(Leaf::Entry(entry)) = Leaf::decode(leaf) {
                self.take_entry(index, &entry, batch.time, store, state, own)?;
            }
        }
        Ok(())
    }

    fn take_entry(
        &self,
        index: u64,
        entry: &EntryLeaf,
        at: Time,
        store: &Store,
        state: &State,
        own: &PartnerName,
    ) -> Result<(), Damage> {
        let (Some(id), Disposition::Refused(_)) = (entry.record, &entry.disposition) else { return Ok(()) };
        let is_own = |signer: &PublicKey| {
            let holder = state.holder(signer);
            holder.is_some_and(|(partner, purpose)| partner.name == *own && purpose == Purpose::Officer)
        };
        // Whoever writes another's name under something makes it no word of theirs.
        if signed(store, entry)?.is_some_and(|signed| is_own(&signed.record.signer) && signed.verify()) {
            self.lock().put(index, Row { id, at });
        }
        Ok(())
    }

    /// Index and id of those that were refused within a day before `now`, in the order of the log.
    pub(crate) fn lately(&self, now: Time) -> Vec<(u64, RecordId)> {
        let rows = self.lock();
        let lately = rows.by_index.iter().filter(|(_, row)| now.since(row.at) < TOLD_MS);
        lately.map(|(index, row)| (*index, row.id)).collect()
    }

    fn lock(&self) -> MutexGuard<'_, Rows> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The record that an entry holds.
pub(crate) fn signed(store: &Store, entry: &EntryLeaf) -> Result<Option<SignedRecord>, Damage> {
    let said = store.entry(&entry.feed, entry.length)?;
    Ok(said.and_then(|said| match Body::decode(&said.body) {
        Ok(Body::Signed(signed)) => Some(signed),
        _ => None,
    }))
}

#[cfg(test)]
mod tests {
    use entente_protocol::identity::hash;

    use super::*;

    fn row(number: u64, at: u64) -> Row {
        Row { id: RecordId(hash("test", &[&number.to_le_bytes()])), at: Time(at) }
    }

    fn indexes(refused: &OwnRefused, now: u64) -> Vec<u64> {
        refused.lately(Time(now)).into_iter().map(|(index, _)| index).collect()
    }

    #[test]
    fn each_is_told_of_once_and_for_a_day() {
        let refused = OwnRefused::default();
        let put = |index, row| refused.lock().put(index, row);
        put(5, row(1, 1_000));
        put(9, row(2, 2_000));
        put(12, row(1, 3_000));
        put(3, row(2, 500));
        assert_eq!(indexes(&refused, 4_000), [9, 12], "each where it was refused last");
        assert_eq!(indexes(&refused, 2_000 + TOLD_MS), [12]);
        assert_eq!(indexes(&refused, 4_000), [9, 12], "a clock that was set back forgets nothing");
        put(20, row(3, 2_000 + TOLD_MS));
        assert_eq!(indexes(&refused, 4_000), [12, 20], "batch time is never set back");
    }

    #[test]
    fn many_take_bounded_room_and_the_latest_stay() {
        let refused = OwnRefused::default();
        for number in 0..MAX_REFUSED as u64 + 100 {
            refused.lock().put(number, row(number, 7));
        }
        let rows = refused.lock();
        assert_eq!((rows.by_index.len(), rows.index_of.len()), (MAX_REFUSED, MAX_REFUSED));
        assert_eq!(rows.by_index.first_key_value().map(|(index, _)| *index), Some(100));
    }
}
