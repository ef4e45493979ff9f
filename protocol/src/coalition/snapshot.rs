//! The state as pieces that can be kept, given to others and checked one by one.
//!
//! Guarantees: [`Taking`] takes a [`Page`] only if it is the next part under the certified root, so a liar is found at
//! its first page and nobody is made to keep what no root names; the state that results has that root. What waits
//! between two pages is at most 256 hashes.
//!
//! How: a page is a subtree of the state's map, given whole, with the hashes that lead from it up to the greatest
//! subtree that begins with the same key. Pages follow each other in the order of keys: what is still to come is a
//! stack of subtrees, known by their hashes, of which a page replaces the top by its other sides.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::State;
use super::items::{Item, ItemId};
use super::map::{Map, branch_hash};
use crate::feed::BodyBytes;
use crate::founding::Founded;
use crate::identity::Hash;
#[cfg(test)]
use crate::identity::RecordId;

/// How much of the state one page gives, in bytes; more only where a single item is larger.
pub const MAX_PAGE_BYTES: u64 = 128 * 1024;

/// A part of the state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Page {
    /// From the greatest subtree that begins with the first item down to the page: where each branches, and the hash of
    /// its other side.
    pub branches: Vec<(u8, Hash)>,
    /// The encoded items, by ascending key.
    pub items: Vec<BodyBytes>,
}

/// Most subtrees that are known and still to come while a state is taken: one for each bit of a key.
pub const MAX_PENDING_PARTS: usize = 256;

/// Why a page or a set of items is not what it should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum PageError {
    /// Bytes that are no item, or items out of order.
    #[error("bytes that are no part of a state")]
    Malformed,
    /// The items have another root than they should.
    #[error("items of another root")]
    Root,
    /// An attestation without its operation, or with one missing before it.
    #[error("items that make no whole")]
    Incomplete,
}

/// What has changed in a state, for a copy of it to follow.
#[derive(Debug, Clone)]
pub struct Changes {
    /// The map of all items.
    pub map: Map,
    /// By key, the new bytes of each item that has changed; none for one that is gone.
    pub items: Vec<(Hash, Option<Vec<u8>>)>,
}

/// The map of encoded items, which stand by ascending key, with the bytes of each by key.
fn sorted<'a>(
    items: impl IntoIterator<Item = &'a [u8]>,
) -> Result<(Map, BTreeMap<Hash, &'a [u8]>), PageError> {
    let (mut map, mut by_key) = (Map::default(), BTreeMap::<Hash, &[u8]>::new());
    for bytes in items {
        let item = Item::decode(bytes).map_err(|_| PageError::Malformed)?;
        let (key, value, weight) = item.leaf(bytes);
        if by_key.last_key_value().is_some_and(|(last, _)| *last >= key) {
            return Err(PageError::Malformed);
        }
        map.insert(key, value, weight);
        by_key.insert(key, bytes);
    }
    Ok((map, by_key))
}

/// The hash of the subtree that these items make; none if they are not items.
pub(crate) fn part_hash<'a>(items: impl IntoIterator<Item = &'a [u8]>) -> Option<Hash> {
    sorted(items).ok().map(|(map, _)| map.root())
}

/// A state that is being taken from others, page by page.
#[derive(Debug)]
pub struct Taking {
    root: Hash,
    /// Subtrees that are still to come, the next one last.
    pending: Vec<Hash>,
    items: BTreeMap<Hash, Vec<u8>>,
}

impl Taking {
    /// Nothing of the state with this root.
    pub fn new(root: Hash) -> Self {
        Self { root, pending: vec![root], items: BTreeMap::new() }
    }

    /// The last key that was taken.
    pub fn after(&self) -> Option<Hash> {
        self.items.last_key_value().map(|(key, _)| *key)
    }

    /// Whether all pages are there.
    pub fn is_complete(&self) -> bool {
        self.pending.is_empty()
    }

    /// How many subtrees are known and still to come.
    pub fn pending(&self) -> usize {
        self.pending.len()
    }

    /// How many items have been taken.
    pub fn taken(&self) -> usize {
        self.items.len()
    }

    /// Takes the next page; another one changes nothing.
    pub fn take(&mut self, page: &Page) -> Result<(), PageError> {
        let (map, items) = sorted(page.items.iter().map(|item| item.0.as_slice()))?;
        let up = |hash, (bit, one): &(u8, Hash)| branch_hash(*bit, &hash, one);
        let hash = page.branches.iter().rev().fold(map.root(), up);
        // An item that stands there twice is one too many: a page has one form.
        let one_each = items.len() == page.items.len();
        if page.items.is_empty() || !one_each || self.pending.last() != Some(&hash) {
            return Err(PageError::Root);
        }
        self.pending.pop();
        self.pending.extend(page.branches.iter().map(|(_, one)| *one));
        self.items.extend(items.into_iter().map(|(key, bytes)| (key, bytes.to_vec())));
        Ok(())
    }

    /// The state and its items by key, once all pages are there.
    pub fn finish(self, founded: &Arc<Founded>) -> Result<(State, BTreeMap<Hash, Vec<u8>>), PageError> {
        let state = State::of_items(founded, self.items.values().map(Vec::as_slice), &self.root)?;
        Ok((state, self.items))
    }
}

impl State {
    /// The state that these items are, if it has this root. Nothing of it counts as changed.
    pub fn of_items<'a>(
        founded: &Arc<Founded>,
        items: impl IntoIterator<Item = &'a [u8]>,
        root: &Hash,
    ) -> Result<Self, PageError> {
        let mut state = Self::empty(Arc::clone(founded), founded.charter().created);
        let (mut operations, mut said, mut versions) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        let (mut grants, mut revocations) = (BTreeMap::new(), BTreeMap::new());
        for bytes in items {
            match Item::decode(bytes).map_err(|_| PageError::Malformed)? {
                Item::Coalition(coalition) => {
                    if coalition != founded.coalition() {
                        return Err(PageError::Root);
                    }
                }
                Item::Time(time) => state.set_time(time),
                Item::Operation(operation) => {
                    operations.insert(operation.id, operation.into_owned());
                }
                Item::Attestation(operation, place, attestation) => {
                    said.insert((operation, place), attestation.into_owned());
                }
                Item::Parked(waiting) => {
                    let waiting = waiting.into_owned();
                    state.parked.insert(waiting.record.id(), waiting, &mut state.tree);
                }
                Item::Frozen(feed, frozen) => state.proved.freeze(feed, frozen, &mut state.tree),
                Item::Convicted(convicted) => state.proved.convict(convicted, &mut state.tree),
                Item::Seen(id, seen) => {
                    state.records.insert(id, seen);
                    state.tree.put(&Item::Seen(id, seen));
                }
                Item::Asset(asset) => state.adopt_asset(asset.into_owned()),
                Item::Version(version) => {
                    versions.insert(version.amendment.version, version.into_owned());
                }
                Item::Member(partner, member) => {
                    state.adopt_member(partner.into_owned(), member.into_owned())
                }
                Item::Event(event) => state.adopt_event(event.into_owned()),
                Item::Handoff(handoff) => state.adopt_handoff(handoff.into_owned()),
                Item::Dispute(dispute) => state.adopt_dispute(dispute.into_owned()),
                Item::Spoken(partner, at) => state.note_spoken(&partner, at),
                Item::Lending(operation, place, lending) => {
                    state.adopt_lending(operation, place, lending.into_owned());
                }
                Item::Voice(operation, place, voice) => {
                    state.adopt_voice(operation, place, voice.into_owned());
                }
                Item::Alliance(ordered) => state.adopt_alliance(ordered.into_owned()),
                Item::Grant(grant) => {
                    grants.insert(grant.ordered.index, grant.into_owned());
                }
                Item::Revoked(revoked) => {
                    revocations.insert(revoked.ordered.index, revoked.into_owned());
                }
                Item::Rotated(rotated) => state.adopt_rotation(rotated.into_owned()),
                Item::Commitment(commitment) => state.adopt_commitment(commitment.into_owned()),
            }
        }
        // Who was admitted may have been granted more; what a revocation cuts depends on what was there.
        for version in versions.into_values() {
            state.adopt_version(version).map_err(|_| PageError::Incomplete)?;
        }
        grants.into_values().for_each(|grant| state.adopt_grant(grant));
        revocations.into_values().for_each(|revoked| state.adopt_revocation(revoked));
        for ((operation, place), attestation) in said {
            let operation = operations.get_mut(&operation).ok_or(PageError::Incomplete)?;
            if operation.attestations.len() != place as usize {
                return Err(PageError::Incomplete);
            }
            operation.attestations.push(attestation);
        }
        for operation in operations.into_values() {
            operation_items(&operation).for_each(|item| state.tree.put(&item));
            state.adopt(operation);
        }
        state.find_contested();
        if state.root() != *root {
            return Err(PageError::Root);
        }
        let _ = state.tree.take_changes();
        Ok(state)
    }

    /// The map of all items.
    pub fn map(&self) -> Map {
        self.tree.map().clone()
    }

    /// How many items have changed since [`State::take_changes`].
    pub fn changes(&self) -> usize {
        self.tree.changes()
    }

    /// What has changed since this was asked last, or since the beginning.
    pub fn take_changes(&mut self) -> Changes {
        let (map, changed) = self.tree.take_changes();
        let items = changed.into_iter().map(|(key, id)| (key, self.item(id).map(|item| item.encode())));
        Changes { map, items: items.collect() }
    }

    fn item(&self, id: ItemId) -> Option<Item<'_>> {
        Some(match id {
            ItemId::Coalition => Item::Coalition(self.founded.coalition()),
            ItemId::Time => Item::Time(self.time()),
            ItemId::Operation(id) => Item::Operation(Cow::Borrowed(self.operations.get(&id)?)),
            ItemId::Attestation(id, place) => {
                let attestation = self.operations.get(&id)?.attestations.get(place as usize)?;
                Item::Attestation(id, place, Cow::Borrowed(attestation))
            }
            ItemId::Parked(id) => Item::Parked(Cow::Borrowed(self.parked.get(&id)?)),
            ItemId::Frozen(feed) => Item::Frozen(feed, *self.proved.frozen().get(&feed)?),
            ItemId::Convicted(seat) => Item::Convicted(*self.proved.convicted().get(&seat)?),
            ItemId::Seen(id) => Item::Seen(id, *self.records.get(&id)?),
            ItemId::Asset(id) => Item::Asset(Cow::Borrowed(self.assets.get(&id)?)),
            ItemId::Version(version) => Item::Version(Cow::Borrowed(self.versions.get(version)?)),
            ItemId::Member(partner) => {
                let (partner, member) = self.members.get_key_value(&partner)?;
                Item::Member(Cow::Borrowed(partner), Cow::Borrowed(member))
            }
            ItemId::Event(id) => Item::Event(Cow::Borrowed(self.events.get(&id)?)),
            ItemId::Dispute(id) => Item::Dispute(Cow::Borrowed(self.disputes.get(&id)?)),
            ItemId::Handoff(id) => Item::Handoff(Cow::Borrowed(self.handoffs.get(&id)?)),
            ItemId::Lending(id, place) => {
                Item::Lending(id, place, Cow::Borrowed(self.lendings.get(id, place)?))
            }
            ItemId::Voice(id, place) => Item::Voice(id, place, Cow::Borrowed(self.words.get(id, place)?)),
            ItemId::Alliance(name, version) => {
                Item::Alliance(Cow::Borrowed(self.alliances.get(&name, version)?))
            }
            ItemId::Grant(id) => Item::Grant(Cow::Borrowed(self.keys.grant(&id)?)),
            ItemId::Revoked(id) => Item::Revoked(Cow::Borrowed(self.keys.revocation(&id)?)),
            ItemId::Rotated(partner, number) => {
                Item::Rotated(Cow::Borrowed(self.keys.rotation(&partner, number)?))
            }
            ItemId::Commitment(id) => Item::Commitment(Cow::Borrowed(self.commitments.get(&id)?)),
            ItemId::Spoken(partner) => {
                let at = *self.spoken.get(&partner)?;
                Item::Spoken(partner, at)
            }
        })
    }

    /// Records that neither open nor attest.
    #[cfg(test)]
    fn seen_items(&self) -> impl Iterator<Item = Item<'_>> {
        let told = |id: &RecordId, about: &RecordId| {
            let said = |operation: &super::Operation| {
                operation.id == *id || operation.attestations.iter().any(|said| said.record == *id)
            };
            self.operations.get(about).is_some_and(said)
        };
        let others = self.records.iter().filter(move |(id, seen)| !told(id, &seen.about));
        others.map(|(id, seen)| Item::Seen(*id, *seen))
    }

    /// Everything under the root, from scratch.
    #[cfg(test)]
    pub(super) fn items(&self) -> Vec<Item<'_>> {
        [Item::Coalition(self.founded.coalition()), Item::Time(self.time())]
            .into_iter()
            .chain(self.operations.all().flat_map(operation_items))
            .chain(self.parked.iter().map(|waiting| Item::Parked(Cow::Borrowed(waiting))))
            .chain(self.frozen().iter().map(|(feed, frozen)| Item::Frozen(*feed, *frozen)))
            .chain(self.convicted().values().map(|convicted| Item::Convicted(*convicted)))
            .chain(self.seen_items())
            .chain(self.versions.iter().map(|version| Item::Version(Cow::Borrowed(version))))
            .chain(self.assets.iter().map(|asset| Item::Asset(Cow::Borrowed(asset))))
            .chain(
                self.members
                    .iter()
                    .map(|(partner, member)| Item::Member(Cow::Borrowed(partner), Cow::Borrowed(member))),
            )
            .chain(self.events.iter().map(|event| Item::Event(Cow::Borrowed(event))))
            .chain(self.disputes.iter().map(|dispute| Item::Dispute(Cow::Borrowed(dispute))))
            .chain(self.handoffs.iter().map(|handoff| Item::Handoff(Cow::Borrowed(handoff))))
            .chain(self.lendings.iter().map(|(id, place, it)| Item::Lending(id, place, Cow::Borrowed(it))))
            .chain(self.words.iter().map(|(id, place, it)| Item::Voice(id, place, Cow::Borrowed(it))))
            .chain(self.alliances.iter().map(|ordered| Item::Alliance(Cow::Borrowed(ordered))))
            .chain(self.commitments.iter().map(|it| Item::Commitment(Cow::Borrowed(it))))
            .chain(self.spoken.iter().map(|(partner, at)| Item::Spoken(partner.clone(), *at)))
            .chain(self.keys.items())
            .collect()
    }
}

/// An operation and its attestations, as they stand under the root.
fn operation_items(operation: &super::Operation) -> impl Iterator<Item = Item<'_>> {
    let said = operation.attestations.iter().zip(0u32..);
    let said = said.map(|(said, place)| Item::Attestation(operation.id, place, Cow::Borrowed(said)));
    std::iter::once(Item::Operation(Cow::Borrowed(operation))).chain(said)
}
