//! What was lent to an operation and taken back, as its story tells it.
//!
//! Of an asset itself only what stands is kept; this is the history, by operation. Each lending costs its owner a record, and a
//! recall marks it.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::items::Item;
use super::state::State;
use super::take::Said;
use crate::charter::{AssetName, PartnerName};
use crate::identity::RecordId;
use crate::record::AssetAct;
use crate::time::Time;

/// An asset that served an operation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lending {
    /// The asset.
    pub asset: RecordId,
    /// What its owner calls it.
    pub name: AssetName,
    /// Whose it is.
    pub owner: PartnerName,
    /// On which condition.
    pub caveat: Option<String>,
    /// The contribution.
    pub record: RecordId,
    /// Its log index.
    pub index: u64,
    /// Batch time of it.
    pub at: Time,
    /// The recall: record, log index, batch time and why.
    pub back: Option<(RecordId, u64, Time, Option<String>)>,
}

/// All lendings, by operation and in the order of application.
#[derive(Debug, Clone, Default)]
pub(super) struct Lendings(BTreeMap<(RecordId, u32), Lending>);

impl Lendings {
    pub(super) fn get(&self, operation: RecordId, place: u32) -> Option<&Lending> {
        self.0.get(&(operation, place))
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (RecordId, u32, &Lending)> {
        self.0.iter().map(|((operation, place), lending)| (*operation, *place, lending))
    }

    fn of(&self, operation: RecordId) -> impl DoubleEndedIterator<Item = (u32, &Lending)> {
        let all = (operation, 0)..=(operation, u32::MAX);
        self.0.range(all).map(|((_, place), lending)| (*place, lending))
    }
}

impl State {
    /// What was lent to an operation, in the order of application.
    pub fn lendings(&self, operation: &RecordId) -> impl Iterator<Item = &Lending> {
        self.lendings.of(*operation).map(|(_, lending)| lending)
    }

    /// Notes what an act about an asset means for an operation, before the act takes effect.
    pub(super) fn note_lending(&mut self, said: &Said<'_>, act: &AssetAct) {
        match act {
            AssetAct::Declare(_) => {}
            AssetAct::Contribute(grant) => {
                let Some(asset) = self.assets.get(&grant.asset) else { return };
                let lending = Lending {
                    asset: asset.id,
                    name: asset.declared.name.clone(),
                    owner: asset.owner.clone(),
                    caveat: grant.caveat.clone(),
                    record: said.id,
                    index: said.index,
                    at: self.time,
                    back: None,
                };
                let last = self.lendings.of(grant.operation).next_back().map(|(place, _)| place);
                let place = last.map_or(0, |place| place.saturating_add(1));
                self.adopt_lending(grant.operation, place, lending);
            }
            AssetAct::Recall(recall) => {
                let lent = self.assets.get(&recall.asset).and_then(|asset| asset.lent.as_ref());
                let Some((operation, record)) = lent.map(|lent| (lent.grant.operation, lent.record)) else {
                    return;
                };
                let found = self.lendings.of(operation).rev().find(|(_, lending)| lending.record == record);
                let Some((place, lending)) = found else { return };
                let back = Some((said.id, said.index, self.time, recall.ground.clone()));
                let lending = Lending { back, ..lending.clone() };
                self.adopt_lending(operation, place, lending);
            }
        }
    }

    pub(super) fn adopt_lending(&mut self, operation: RecordId, place: u32, lending: Lending) {
        self.tree.put(&Item::Lending(operation, place, Cow::Borrowed(&lending)));
        self.lendings.0.insert((operation, place), lending);
    }
}
