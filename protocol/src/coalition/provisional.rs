//! What operations would be if the records that are held and not ordered came next: all that there is under partition.
//!
//! Guarantees: nothing is changed, and nothing shown here is certain. What a partner says that is removed does not count, wherever
//! it stands among the held records: not if it is suspended, expelled or gone by what is ordered, and not if the held
//! records themselves remove it, because of what it said at the same time nobody knows whether it will come before.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::judge::suspended_may_say;
use super::member::{MemberRefusal, Membership};
use super::park::Place;
use super::refusal::Refusal;
use super::state::{Applied, Disposition, State};
use super::view::{HELD_INDEX, OperationView};
use crate::charter::PartnerName;
use crate::feed::FeedKey;
use crate::identity::{Hash, RecordId};
use crate::lane::Lane;
use crate::record::{Act, MemberAct, Record, SignedRecord};
use crate::time::Time;

/// How often the held records are tried to find whom they remove. Where removals hang on each other's records it may not
/// settle; then everybody who was removed in one of them counts as removed.
const MAX_PASSES: usize = 4;

/// What operations would be if the records that are held came next in the order. Nothing of it is certain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Provisional {
    /// The operations that held records concern; what is not ordered has no index. A status other than open is what
    /// would be reached.
    pub operations: Vec<OperationView>,
    /// Records that would be refused.
    pub refused: Vec<(RecordId, Refusal)>,
    /// Records that would wait, and for what.
    pub waiting: Vec<(RecordId, RecordId)>,
}

/// Partners that are removed, and since when.
type Removed = BTreeMap<PartnerName, (Membership, Time)>;

impl State {
    /// What operations would be if the records `held`, whose signatures were verified, came next in this order, at
    /// the time `now` of this node. Changes nothing; its cost is that of the operations concerned.
    pub fn provisional(&self, held: &[SignedRecord], now: Time) -> Provisional {
        self.without_removed(held, now).1
    }

    /// The records of `held` that would count, in their order: those of whoever is not removed.
    pub(super) fn counting<'a>(&self, held: &'a [SignedRecord], now: Time) -> Vec<&'a SignedRecord> {
        let removed = self.without_removed(held, now).0;
        held.iter().filter(|signed| self.of_removed(&signed.record, &removed).is_none()).collect()
    }

    /// Whom the held records remove, and what operations would be without the others' words.
    fn without_removed(&self, held: &[SignedRecord], now: Time) -> (Removed, Provisional) {
        let mut removed = Removed::new();
        for _ in 0..MAX_PASSES {
            let (provisional, overlay) = self.tried(held, now, &removed);
            let found = self.removed_in(&overlay);
            if found.keys().eq(removed.keys()) {
                return (removed, provisional);
            }
            removed = found;
        }
        let (_, overlay) = self.tried(held, now, &removed);
        removed.extend(self.removed_in(&overlay));
        let (provisional, _) = self.tried(held, now, &removed);
        (removed, provisional)
    }

    /// Whom the records tried on `overlay` have removed.
    fn removed_in(&self, overlay: &Self) -> Removed {
        let changed = overlay
            .members
            .iter()
            .filter(|(partner, member)| member.membership != Membership::Active && self.is_active(partner));
        let since = |at: &super::Member| at.changed.as_ref().map_or(overlay.time(), |changed| changed.at);
        changed.map(|(partner, member)| (partner.clone(), (member.membership, since(member)))).collect()
    }

    /// The same, where what the partners `removed` say does not count.
    fn tried(&self, held: &[SignedRecord], now: Time, removed: &Removed) -> (Provisional, Self) {
        let mut overlay = self.overlay(held, now);
        let mut refused = Vec::new();
        let mut concerned = BTreeSet::new();
        for (index, signed) in (HELD_INDEX..).zip(held) {
            let id = signed.record.id();
            concerned.extend(signed.record.act.decides(id));
            if let Some(refusal) = self.of_removed(&signed.record, removed) {
                refused.push((id, refusal));
                continue;
            }
            let applied = overlay.try_held(index, signed);
            let own = [(id, applied.disposition)];
            let released = applied.released.into_iter().map(|it| (it.record, it.disposition));
            refused.extend(own.into_iter().chain(released).filter_map(
                |(id, disposition)| match disposition {
                    Disposition::Refused(refusal) => Some((id, refusal)),
                    _ => None,
                },
            ));
        }
        let ids = held.iter().map(|signed| signed.record.id()).collect::<BTreeSet<_>>();
        let provisional = Provisional {
            operations: concerned.iter().filter_map(|id| overlay.view(id, now)).collect(),
            refused,
            waiting: ids.into_iter().filter_map(|id| Some((id, overlay.parked(&id)?))).collect(),
        };
        (provisional, overlay)
    }

    /// A state that holds only the operations named by `held` and nothing parked, to try records on at the time `now`, at
    /// the beginning of the next batch: in an idle coalition batch time lies far back, and the next batch will move it.
    pub(super) fn overlay(&self, held: &[SignedRecord], now: Time) -> Self {
        let (founded, keys) = (Arc::clone(&self.founded), Arc::clone(&self.keys));
        let mut overlay = Self::with_keys(founded, keys, self.time.max(now));
        overlay.epoch = self.epoch;
        let named = held
            .iter()
            .flat_map(|signed| [signed.record.act.operation(), Some(signed.record.id())])
            .flatten()
            .chain(held.iter().flat_map(|signed| self.in_the_way(&signed.record.act)))
            .collect::<BTreeSet<_>>();
        for operation in named.iter().filter_map(|id| self.operations.get(id)) {
            overlay.adopt(operation.clone());
        }
        self.overlay_assets(held, &mut overlay);
        overlay.members = self.members.clone();
        // What was counted for the copied operations is among them.
        overlay.open.clone_from(&self.open);
        overlay.proposals.clone_from(&self.proposals);
        overlay.versions = self.versions.clone();
        overlay.begin_batch();
        self.overlay_events(held.iter().map(|signed| &signed.record), &mut overlay);
        self.overlay_handoffs(held, &mut overlay);
        self.overlay_disputes(held, &mut overlay);
        self.overlay_authority(held, &mut overlay);
        self.overlay_commitments(&mut overlay);
        overlay
    }

    /// Takes a record that is held but not ordered, as if it came next. Its signature was verified when it was held.
    pub(super) fn try_held(&mut self, index: u64, signed: &SignedRecord) -> Applied {
        let mut applied = Applied {
            disposition: Disposition::Applied,
            decisions: Vec::new(),
            rulings: Vec::new(),
            released: Vec::new(),
        };
        let place = Place {
            index,
            feed: FeedKey { node: signed.record.signer, lane: Lane::Routine, incarnation: 0 },
            length: 0,
            hash: Hash::default(),
        };
        let partner = self.authenticate(&signed.record, index).map(|partner| partner.name.clone());
        match partner.and_then(|partner| self.heed_quarantine(&signed.record.signer).map(|()| partner)) {
            Ok(partner) => self.take(place, &partner, signed, &mut applied),
            Err(refusal) => applied.disposition = Disposition::Refused(refusal),
        }
        applied
    }

    /// Why a record of somebody who is removed does not count; its leaving does.
    fn of_removed(&self, record: &Record, removed: &Removed) -> Option<Refusal> {
        let partner = &self.holder(&record.signer)?.0.name;
        let (membership, since) = removed.get(partner).copied()?;
        let still = membership == Membership::Suspended && suspended_may_say(partner, &record.act);
        if still || matches!(record.act, Act::Member(MemberAct::Withdraw { .. })) {
            return None;
        }
        Some(MemberRefusal::NotActive { partner: partner.clone(), membership, since }.into())
    }
}
