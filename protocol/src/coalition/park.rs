//! Records that wait for what they name.
//!
//! Bounded: at most [`MAX_PARKED_PER_PARTNER`] of one partner, and none longer than its operation can be open. The
//! bound counts against the partner whose officer signed, not against the carrier, so that nobody can fill another's.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::items::{Item, ItemId, Tree};
use crate::charter::PartnerName;
use crate::feed::FeedKey;
use crate::identity::{Hash, RecordId};
use crate::record::Record;
use crate::time::Time;

/// Most parked records of one partner.
pub const MAX_PARKED_PER_PARTNER: usize = 256;

/// Where an entry stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Place {
    /// Log index.
    pub(super) index: u64,
    /// Its feed.
    pub(super) feed: FeedKey,
    /// Its length there.
    pub(super) length: u64,
    /// Its hash there.
    pub(super) hash: Hash,
}

/// A record that waits. Its signature held when it was ordered, and is of no consequence since.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Waiting {
    pub(super) place: Place,
    pub(super) partner: PartnerName,
    pub(super) record: Record,
    /// What it names.
    pub(super) awaits: RecordId,
    /// From this batch time on it is refused.
    pub(super) until: Time,
}

/// All that wait, by their own id.
#[derive(Debug, Clone, Default)]
pub(super) struct Parked {
    records: BTreeMap<RecordId, Waiting>,
    /// What is awaited, and who waits for it in the order of the log.
    awaited: BTreeMap<RecordId, BTreeMap<u64, RecordId>>,
    ends: BTreeSet<(Time, u64, RecordId)>,
    counts: BTreeMap<PartnerName, usize>,
}

impl Parked {
    pub(super) fn get(&self, id: &RecordId) -> Option<&Waiting> {
        self.records.get(id)
    }

    pub(super) fn len(&self) -> usize {
        self.records.len()
    }

    /// The most that wait of one partner.
    pub(super) fn most(&self) -> usize {
        self.counts.values().copied().max().unwrap_or(0)
    }

    pub(super) fn is_full(&self, partner: &PartnerName) -> bool {
        self.counts.get(partner).is_some_and(|count| *count >= MAX_PARKED_PER_PARTNER)
    }

    #[cfg(test)]
    pub(super) fn iter(&self) -> impl Iterator<Item = &Waiting> {
        self.records.values()
    }

    pub(super) fn insert(&mut self, id: RecordId, waiting: Waiting, root: &mut Tree) {
        root.put(&Item::Parked(Cow::Borrowed(&waiting)));
        self.awaited.entry(waiting.awaits).or_default().insert(waiting.place.index, id);
        self.ends.insert((waiting.until, waiting.place.index, id));
        *self.counts.entry(waiting.partner.clone()).or_default() += 1;
        self.records.insert(id, waiting);
    }

    fn remove(&mut self, id: &RecordId, root: &mut Tree) -> Option<Waiting> {
        let waiting = self.records.remove(id)?;
        root.remove(ItemId::Parked(*id));
        self.ends.remove(&(waiting.until, waiting.place.index, *id));
        if let Some(ids) = self.awaited.get_mut(&waiting.awaits) {
            ids.remove(&waiting.place.index);
            if ids.is_empty() {
                self.awaited.remove(&waiting.awaits);
            }
        }
        if let Some(count) = self.counts.get_mut(&waiting.partner) {
            *count -= 1;
            if *count == 0 {
                self.counts.remove(&waiting.partner);
            }
        }
        Some(waiting)
    }

    /// Takes out all that wait for `named`, in the order of the log.
    pub(super) fn release(&mut self, named: &RecordId, root: &mut Tree) -> Vec<Waiting> {
        let ids = self.awaited.get(named).cloned().unwrap_or_default();
        ids.values().filter_map(|id| self.remove(id, root)).collect()
    }

    /// Takes out all that have waited too long at `time`, the first to end first.
    pub(super) fn expire(&mut self, time: Time, root: &mut Tree) -> Vec<Waiting> {
        let mut expired = Vec::new();
        while let Some((until, _, id)) = self.ends.first().copied() {
            if until > time {
                break;
            }
            expired.extend(self.remove(&id, root));
        }
        expired
    }
}
