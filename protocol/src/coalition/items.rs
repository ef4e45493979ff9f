//! What stands under the state root, item by item, and the tree over it.
//!
//! Guarantees: the items determine the state, so who has all items of a root has the state; each is small, because an
//! attestation is an item of its own. The tree notes which items have changed, so that keeping a copy of the state up to
//! date costs what has changed.
//!
//! ```text
//! key   = H("entente/state/key/v1", ItemId)
//! value = H("entente/state/item/v1", Item)
//! ```

use std::borrow::Cow;
use std::collections::BTreeSet;

use entente_hbbft::Seat;
use serde::{Deserialize, Serialize};

use super::asset::Asset;
use super::authority::{OrderedAlliance, Voice};
use super::dispute::Dispute;
use super::evidence::{Convicted, Frozen};
use super::handoff::Handoff;
use super::integrity::IntegrityEvent;
use super::keys::{Grant, Revoked, Rotated};
use super::lease::Commitment;
use super::lending::Lending;
use super::map::Map;
use super::member::Member;
use super::operation::{Attestation, Operation};
use super::park::Waiting;
use super::state::Seen;
use super::versions::Version;
use crate::charter::{AuthorityName, PartnerName};
use crate::feed::FeedKey;
use crate::identity::{CoalitionId, Hash, RecordId, hash};
use crate::time::Time;
use crate::wire::{self, WireError};

/// Largest encoded item, in bytes: an operation with its decision, each partner's attestation and each authority's word in
/// that.
pub const MAX_ITEM_BYTES: usize = 192 * 1024;

const KEY_DOMAIN: &str = "entente/state/key/v1";
const ITEM_DOMAIN: &str = "entente/state/item/v1";

/// Which item.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub(super) enum ItemId {
    Coalition,
    Time,
    Operation(RecordId),
    /// The operation, and which of its attestations in the order of application.
    Attestation(RecordId, u32),
    Parked(RecordId),
    Frozen(FeedKey),
    Convicted(Seat),
    Seen(RecordId),
    Asset(RecordId),
    Member(PartnerName),
    Version(u32),
    Event(RecordId),
    Handoff(RecordId),
    Dispute(RecordId),
    Spoken(PartnerName),
    /// The operation, and which of its lendings in the order of application.
    Lending(RecordId, u32),
    /// The operation, and which of the words of authorities on it in the order of application.
    Voice(RecordId, u32),
    /// The alliance, and which version.
    Alliance(AuthorityName, u32),
    Grant(RecordId),
    Revoked(RecordId),
    /// The partner, and which of its rotations.
    Rotated(PartnerName, u32),
    Commitment(RecordId),
}

impl ItemId {
    fn key(&self) -> Hash {
        hash(KEY_DOMAIN, &[&wire::encode(self)])
    }
}

/// A piece of the state.
#[expect(clippy::large_enum_variant, reason = "an item is made to be encoded; nobody keeps many of them")]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Item<'a> {
    /// Whose state it is.
    Coalition(CoalitionId),
    /// Batch time.
    Time(Time),
    /// An operation without its attestations.
    Operation(Cow<'a, Operation>),
    /// The operation, which of its attestations, and that.
    Attestation(RecordId, u32, Cow<'a, Attestation>),
    /// A record that waits.
    Parked(Cow<'a, Waiting>),
    /// A frozen feed.
    Frozen(FeedKey, Frozen),
    /// A convicted seat.
    Convicted(Convicted),
    /// A record that was applied and that no other item tells of.
    Seen(RecordId, Seen),
    /// An asset.
    Asset(Cow<'a, Asset>),
    /// What has changed of a partner.
    Member(Cow<'a, PartnerName>, Cow<'a, Member>),
    /// A later version of the charter.
    Version(Cow<'a, Version>),
    /// An integrity event.
    Event(Cow<'a, IntegrityEvent>),
    /// An offer of a role with what became of it, or a takeover.
    Handoff(Cow<'a, Handoff>),
    /// A dispute with what the judges say.
    Dispute(Cow<'a, Dispute>),
    /// When a partner last said something that had an effect.
    Spoken(PartnerName, Time),
    /// The operation, which of its lendings, and that.
    Lending(RecordId, u32, Cow<'a, Lending>),
    /// The operation, which of the words of authorities on it, and that.
    Voice(RecordId, u32, Cow<'a, Voice>),
    /// A version of an alliance.
    Alliance(Cow<'a, OrderedAlliance>),
    /// A chain that was granted.
    Grant(Cow<'a, Grant>),
    /// A revocation.
    Revoked(Cow<'a, Revoked>),
    /// A root that gave way.
    Rotated(Cow<'a, Rotated>),
    /// What a partner has committed alone, with what became of it.
    Commitment(Cow<'a, Commitment>),
}

impl Item<'_> {
    pub(super) fn id(&self) -> ItemId {
        match self {
            Self::Coalition(_) => ItemId::Coalition,
            Self::Time(_) => ItemId::Time,
            Self::Operation(operation) => ItemId::Operation(operation.id),
            Self::Attestation(operation, place, _) => ItemId::Attestation(*operation, *place),
            Self::Parked(waiting) => ItemId::Parked(waiting.record.id()),
            Self::Frozen(feed, _) => ItemId::Frozen(*feed),
            Self::Convicted(convicted) => ItemId::Convicted(convicted.feed.seat),
            Self::Seen(id, _) => ItemId::Seen(*id),
            Self::Asset(asset) => ItemId::Asset(asset.id),
            Self::Version(version) => ItemId::Version(version.amendment.version),
            Self::Member(partner, _) => ItemId::Member(partner.clone().into_owned()),
            Self::Event(event) => ItemId::Event(event.id),
            Self::Handoff(handoff) => ItemId::Handoff(handoff.id),
            Self::Dispute(dispute) => ItemId::Dispute(dispute.id),
            Self::Spoken(partner, _) => ItemId::Spoken(partner.clone()),
            Self::Lending(operation, place, _) => ItemId::Lending(*operation, *place),
            Self::Voice(operation, place, _) => ItemId::Voice(*operation, *place),
            Self::Alliance(it) => ItemId::Alliance(it.document.name.clone(), it.document.version),
            Self::Grant(grant) => ItemId::Grant(grant.ordered.by),
            Self::Revoked(revoked) => ItemId::Revoked(revoked.ordered.by),
            Self::Rotated(rotated) => {
                ItemId::Rotated(rotated.rotation.partner.clone(), rotated.rotation.number)
            }
            Self::Commitment(commitment) => ItemId::Commitment(commitment.id),
        }
    }

    pub(super) fn encode(&self) -> Vec<u8> {
        wire::encode(self)
    }

    pub(super) fn decode(bytes: &[u8]) -> Result<Item<'static>, WireError> {
        wire::decode(bytes, MAX_ITEM_BYTES)
    }

    /// Key, value and weight under the root; `bytes` is its encoding.
    pub(super) fn leaf(&self, bytes: &[u8]) -> (Hash, Hash, u32) {
        (self.id().key(), hash(ITEM_DOMAIN, &[bytes]), u32::try_from(bytes.len()).unwrap_or(u32::MAX))
    }
}

/// The items under their root, and which of them have changed.
#[derive(Debug, Clone, Default)]
pub(super) struct Tree {
    map: Map,
    changed: BTreeSet<ItemId>,
}

impl Tree {
    pub(super) fn root(&self) -> Hash {
        self.map.root()
    }

    pub(super) fn map(&self) -> &Map {
        &self.map
    }

    pub(super) fn put(&mut self, item: &Item<'_>) {
        let (key, value, weight) = item.leaf(&item.encode());
        self.map.insert(key, value, weight);
        self.changed.insert(item.id());
    }

    pub(super) fn remove(&mut self, id: ItemId) {
        self.map.remove(&id.key());
        self.changed.insert(id);
    }

    /// The tree as it is, and what has changed since this was asked last.
    pub(super) fn take_changes(&mut self) -> (Map, Vec<(Hash, ItemId)>) {
        let changed = std::mem::take(&mut self.changed);
        (self.map.clone(), changed.into_iter().map(|id| (id.key(), id)).collect())
    }

    pub(super) fn changes(&self) -> usize {
        self.changed.len()
    }
}
