//! National assets: declared, lent and recalled by their owner alone.
//!
//! Guarantees: only the owner's record changes where an asset is and who may control it; what anyone else says of it is
//! refused, whatever it says. An asset serves at most one operation at a time. Who controls it is derived and never
//! stored: the owner, or whoever leads the operation as long as the owner named that partner. So control passes only by
//! handoff of the lead and never beyond what the owner granted, and ends by itself: with the recall, with a lead that the
//! owner did not name or that is suspended or gone, with an operation that is over or held by a dispute, or with an owner that left.
//!
//! Bounded: at most [`MAX_ASSETS_PER_PARTNER`] of one owner; of each only what stands is kept, its history is in the log.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::items::Item;
use super::judge::Judgement;
use super::operation::{Operation, Over};
use super::refusal::{Part, Refusal};
use super::state::State;
use super::take::Said;
use crate::authority::Word;
use crate::charter::{AssetName, PartnerName, show_time};
use crate::identity::RecordId;
use crate::record::{Act, AssetAct, Contribute, Control, Declare, Recall, SignedRecord};
use crate::time::Time;

/// Most assets of one partner.
pub const MAX_ASSETS_PER_PARTNER: usize = 4096;

/// Most times that one partner may lend something to one operation.
pub const MAX_LENDINGS_PER_PARTNER: usize = 512;

/// An asset as ordered records make it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Asset {
    /// The record that declared it.
    pub id: RecordId,
    /// Whose it is.
    pub owner: PartnerName,
    /// What it is.
    pub declared: Declare,
    /// Log index of the declaration.
    pub index: u64,
    /// Batch time of the declaration.
    pub at: Time,
    /// Where it serves, until it is recalled.
    pub lent: Option<Lent>,
    /// Why it was recalled last, and the log index of that.
    pub recalled: Option<(u64, Option<String>)>,
}

/// A contribution that was not recalled.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lent {
    /// What the owner granted.
    pub grant: Contribute,
    /// The record that says so.
    pub record: RecordId,
    /// Its log index.
    pub index: u64,
    /// Batch time of it.
    pub at: Time,
}

/// Why a record about an asset has no effect.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Error)]
pub enum AssetRefusal {
    /// Names a record that declares no asset.
    #[error("{named} is no asset")]
    NotAnAsset {
        /// What it names.
        named: RecordId,
    },
    /// Moves what another partner owns.
    #[error("{name} belongs to {owner}; nobody else may lend or recall it, {partner} neither")]
    NotOwner {
        /// Who tried.
        partner: PartnerName,
        /// Whose it is.
        owner: PartnerName,
        /// What its owner calls it.
        name: AssetName,
    },
    /// The owner has an asset of this name.
    #[error("{owner} has declared an asset {name} already: {declared}")]
    NameTaken {
        /// Whose.
        owner: PartnerName,
        /// The name.
        name: AssetName,
        /// The record that declared it.
        declared: RecordId,
    },
    /// Too many assets.
    #[error("{owner} has declared {most} assets, the most allowed")]
    TooMany {
        /// Whose.
        owner: PartnerName,
        /// The most allowed.
        most: u64,
    },
    /// It serves already.
    #[error("{name} serves {operation} already; recall it first")]
    Lent {
        /// The asset.
        name: AssetName,
        /// Where it serves.
        operation: RecordId,
    },
    /// Nothing to recall.
    #[error("{name} is at home; there is nothing to recall")]
    AtHome {
        /// The asset.
        name: AssetName,
    },
    /// Lent to an operation that is over.
    #[error("{operation} takes no assets: {over} at {}", show_time(*.since))]
    OperationOver {
        /// The operation.
        operation: RecordId,
        /// How it ended.
        over: Over,
        /// When.
        since: Time,
    },
    /// Lent to an operation in dispute.
    #[error("{operation} takes no assets while it is in dispute: {dispute}")]
    Held {
        /// The operation.
        operation: RecordId,
        /// The dispute.
        dispute: RecordId,
    },
    /// Lent by a partner that has no part in the operation.
    #[error("{partner} neither leads nor supports {operation}, so it cannot lend to it")]
    NoPart {
        /// Who tried.
        partner: PartnerName,
        /// The operation.
        operation: RecordId,
    },
    /// Lent too often.
    #[error("{partner} has lent {most} times to this operation, the most allowed")]
    TooManyLendings {
        /// Who.
        partner: PartnerName,
        /// The most allowed.
        most: u64,
    },
    /// Who may control is not a list of partners in order.
    #[error("who may control {name} must be partners of the charter, sorted, each once, and not none")]
    Controllers {
        /// The asset.
        name: AssetName,
    },
    /// Lent to an operation that its owner's authority keeps its own out of.
    #[error(
        "{partner} keeps its own out of {operation}: its authority said {word} at leaf {index}; its permission lifts that"
    )]
    KeptOut {
        /// Whose it is.
        partner: PartnerName,
        /// The operation.
        operation: RecordId,
        /// What it said.
        word: Word,
        /// The log index of the word.
        index: u64,
    },
}

/// All assets.
#[derive(Debug, Clone, Default)]
pub(super) struct Assets {
    by_id: BTreeMap<RecordId, Asset>,
    /// What each owner calls its own. Follows from `by_id`.
    names: BTreeMap<PartnerName, BTreeMap<AssetName, RecordId>>,
    /// What is lent to each operation. Follows from `by_id`.
    lent: BTreeMap<RecordId, BTreeSet<RecordId>>,
}

impl Assets {
    pub(super) fn get(&self, id: &RecordId) -> Option<&Asset> {
        self.by_id.get(id)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Asset> {
        self.by_id.values()
    }

    fn named(&self, owner: &PartnerName, name: &AssetName) -> Option<RecordId> {
        self.names.get(owner)?.get(name).copied()
    }

    fn of(&self, owner: &PartnerName) -> impl Iterator<Item = &Asset> {
        self.names.get(owner).into_iter().flat_map(BTreeMap::values).filter_map(|id| self.by_id.get(id))
    }

    /// What is lent to an operation, by id.
    pub(super) fn serving(&self, operation: &RecordId) -> impl Iterator<Item = &Asset> {
        self.lent.get(operation).into_iter().flatten().filter_map(|id| self.by_id.get(id))
    }

    fn insert(&mut self, asset: Asset) {
        let operation = |asset: &Asset| asset.lent.as_ref().map(|lent| lent.grant.operation);
        if let Some(old) = self.by_id.get(&asset.id).and_then(operation)
            && let Some(lent) = self.lent.get_mut(&old)
        {
            lent.remove(&asset.id);
            if lent.is_empty() {
                self.lent.remove(&old);
            }
        }
        if let Some(new) = operation(&asset) {
            self.lent.entry(new).or_default().insert(asset.id);
        }
        let names = self.names.entry(asset.owner.clone()).or_default();
        names.insert(asset.declared.name.clone(), asset.id);
        self.by_id.insert(asset.id, asset);
    }
}

/// What needs no state: bounds of texts and lists.
pub(super) fn check(act: &AssetAct) -> Result<(), Refusal> {
    match act {
        AssetAct::Declare(declare) => Part::Label.check(&declare.label),
        AssetAct::Contribute(contribute) => {
            if let Control::Lead(to) = &contribute.control {
                Part::Controllers.check_length(to.len())?;
            }
            contribute.caveat.as_deref().map_or(Ok(()), |caveat| Part::Caveat.check(caveat))
        }
        AssetAct::Recall(recall) => {
            recall.ground.as_deref().map_or(Ok(()), |ground| Part::Ground.check(ground))
        }
    }
}

impl State {
    /// An asset.
    pub fn asset(&self, id: &RecordId) -> Option<&Asset> {
        self.assets.get(id)
    }

    /// All assets, by id.
    pub fn assets(&self) -> impl Iterator<Item = &Asset> {
        self.assets.iter()
    }

    /// All assets of a partner, by name.
    pub fn assets_of(&self, owner: &PartnerName) -> impl Iterator<Item = &Asset> {
        self.assets.of(owner)
    }

    /// The asset that `owner` calls `name`.
    pub fn asset_named(&self, owner: &PartnerName, name: &AssetName) -> Option<&Asset> {
        self.assets.get(&self.assets.named(owner, name)?)
    }

    /// The operation that an act concerns: the one that it names, the one that an asset is recalled from, or the one of
    /// which a role was offered or something is disputed.
    pub fn operation_of(&self, act: &Act) -> Option<RecordId> {
        let lent = || Some(self.assets.get(&act.about()?)?.lent.as_ref()?.grant.operation);
        let offered = || Some(self.handoffs.get(&act.about()?)?.operation);
        act.operation().or_else(lent).or_else(offered).or_else(|| self.disputed_operation(act))
    }

    /// Where an asset serves: the contribution, if its operation is not over and its owner has not left.
    pub fn serves<'a>(&'a self, asset: &'a Asset) -> Option<(&'a Lent, &'a Operation)> {
        let lent = asset.lent.as_ref()?;
        let operation = self.operations.get(&lent.grant.operation)?;
        let over = operation.over().is_some() || self.membership(&asset.owner).is_gone();
        (!over).then_some((lent, operation))
    }

    /// Who controls an asset.
    pub fn controller<'a>(&'a self, asset: &'a Asset) -> &'a PartnerName {
        match self.serves(asset) {
            Some((Lent { grant: Contribute { control: Control::Lead(to), .. }, .. }, operation))
                if to.binary_search(&operation.lead).is_ok()
                    && self.is_active(&operation.lead)
                    && self.held_by(operation).is_none() =>
            {
                &operation.lead
            }
            _ => &asset.owner,
        }
    }

    pub(super) fn judge_asset(&self, partner: &PartnerName, act: &AssetAct) -> Result<Judgement, Refusal> {
        let named = match act {
            AssetAct::Declare(declare) => return self.judge_declare(partner, declare),
            AssetAct::Contribute(Contribute { asset, .. }) | AssetAct::Recall(Recall { asset, .. }) => *asset,
        };
        let Some(asset) = self.assets.get(&named) else {
            return match self.records.contains_key(&named) {
                true => Err(AssetRefusal::NotAnAsset { named }.into()),
                false => Ok(Judgement::Wait { awaits: named }),
            };
        };
        let name = || asset.declared.name.clone();
        if asset.owner != *partner {
            let (partner, owner) = (partner.clone(), asset.owner.clone());
            return Err(AssetRefusal::NotOwner { partner, owner, name: name() }.into());
        }
        let AssetAct::Contribute(contribute) = act else {
            // Also from an operation that came to nothing: what is said is said.
            return match asset.lent {
                Some(_) => Ok(Judgement::Apply),
                None => Err(AssetRefusal::AtHome { name: name() }.into()),
            };
        };
        if let Some((lent, _)) = self.serves(asset) {
            return Err(AssetRefusal::Lent { name: name(), operation: lent.grant.operation }.into());
        }
        if let Control::Lead(to) = &contribute.control {
            let known = |partner: &PartnerName| self.charter().partner(partner.as_str()).is_some();
            if to.is_empty() || !to.is_sorted_by(|one, next| one < next) || !to.iter().all(known) {
                return Err(AssetRefusal::Controllers { name: name() }.into());
            }
        }
        let operation = match self.named_operation(contribute.operation)? {
            Ok(operation) => operation,
            Err(wait) => return Ok(wait),
        };
        if let Some((over, since)) = operation.over() {
            return Err(AssetRefusal::OperationOver { operation: operation.id, over, since }.into());
        }
        if let Some(dispute) = self.held_by(operation) {
            return Err(AssetRefusal::Held { operation: operation.id, dispute }.into());
        }
        if self.lendings(&operation.id).filter(|it| it.owner == *partner).count() >= MAX_LENDINGS_PER_PARTNER
        {
            let most = MAX_LENDINGS_PER_PARTNER as u64;
            return Err(AssetRefusal::TooManyLendings { partner: partner.clone(), most }.into());
        }
        let kind = self.kind_of(operation);
        if !kind.is_some_and(|kind| kind.has_voice(partner)) {
            let (partner, operation) = (partner.clone(), operation.id);
            return Err(AssetRefusal::NoPart { partner, operation }.into());
        }
        if let Some((word, index)) = self.keeps_out(partner, operation) {
            let (partner, operation) = (partner.clone(), operation.id);
            return Err(AssetRefusal::KeptOut { partner, operation, word, index }.into());
        }
        Ok(Judgement::Apply)
    }

    fn judge_declare(&self, owner: &PartnerName, declare: &Declare) -> Result<Judgement, Refusal> {
        let (owner, name) = (owner.clone(), declare.name.clone());
        if let Some(declared) = self.assets.named(&owner, &name) {
            return Err(AssetRefusal::NameTaken { owner, name, declared }.into());
        }
        let count = self.assets.names.get(&owner).map_or(0, BTreeMap::len);
        if count >= MAX_ASSETS_PER_PARTNER {
            return Err(AssetRefusal::TooMany { owner, most: MAX_ASSETS_PER_PARTNER as u64 }.into());
        }
        Ok(Judgement::Apply)
    }

    pub(super) fn commit_asset(&mut self, said: &Said<'_>, act: &AssetAct) {
        self.note_lending(said, act);
        let asset = match act {
            AssetAct::Declare(declare) => Asset {
                id: said.id,
                owner: said.partner.clone(),
                declared: declare.clone(),
                index: said.index,
                at: self.time,
                lent: None,
                recalled: None,
            },
            AssetAct::Contribute(grant) => {
                let Some(asset) = self.assets.get(&grant.asset) else { return };
                let lent = Lent { grant: grant.clone(), record: said.id, index: said.index, at: self.time };
                Asset { lent: Some(lent), ..asset.clone() }
            }
            AssetAct::Recall(recall) => {
                let Some(asset) = self.assets.get(&recall.asset) else { return };
                Asset { lent: None, recalled: Some((said.index, recall.ground.clone())), ..asset.clone() }
            }
        };
        self.adopt_asset(asset);
    }

    /// Takes home what `owner` has lent to an operation, with a record that is no recall by itself.
    pub(super) fn take_home(
        &mut self,
        owner: &PartnerName,
        operation: &RecordId,
        said: &Said<'_>,
        ground: Option<String>,
    ) {
        let serving = self.assets.serving(operation).filter(|asset| asset.owner == *owner);
        for asset in serving.map(|asset| asset.id).collect::<Vec<_>>() {
            self.commit_asset(said, &AssetAct::Recall(Recall { asset, ground: ground.clone() }));
        }
    }

    /// Takes an asset as it stands.
    pub(super) fn adopt_asset(&mut self, asset: Asset) {
        self.tree.put(&Item::Asset(Cow::Borrowed(&asset)));
        self.assets.insert(asset);
    }

    /// What records about assets need to be tried on `overlay`: all assets of whoever signed one.
    pub(super) fn overlay_assets(&self, held: &[SignedRecord], overlay: &mut Self) {
        let about_assets = held.iter().filter(|signed| matches!(signed.record.act, Act::Asset(_)));
        let named = about_assets.clone().filter_map(|signed| self.assets.get(&signed.record.act.about()?));
        let signers = about_assets.filter_map(|signed| self.officer(&signed.record.signer));
        let owners = named.map(|asset| &asset.owner).chain(signers.map(|partner| &partner.name));
        for owner in owners.collect::<BTreeSet<_>>() {
            for asset in self.assets.of(owner) {
                overlay.records.extend(self.records.get_key_value(&asset.id));
                overlay.adopt_asset(asset.clone());
                let serves = asset.lent.as_ref().and_then(|lent| self.operations.get(&lent.grant.operation));
                if let Some(operation) = serves.filter(|it| !overlay.operations.contains(&it.id)) {
                    overlay.adopt(operation.clone());
                }
            }
        }
    }
}

/// An asset, ready to be shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AssetView {
    /// Its id.
    pub id: RecordId,
    /// Whose it is.
    pub owner: PartnerName,
    /// What its owner calls it.
    pub name: AssetName,
    /// What it is.
    pub kind: String,
    /// One line for people.
    pub label: String,
    /// Who controls it.
    pub controller: PartnerName,
    /// The operation that it serves.
    pub operation: Option<RecordId>,
    /// That operation's title.
    pub title: Option<String>,
    /// On which condition it serves.
    pub caveat: Option<String>,
    /// Whom the owner grants control while they lead.
    pub may_control: Vec<PartnerName>,
    /// Log index of the declaration.
    pub index: u64,
    /// Log index of the contribution that stands.
    pub lent_index: Option<u64>,
    /// Log index of the last recall.
    pub recalled_index: Option<u64>,
    /// Why it was recalled last.
    pub ground: Option<String>,
}

impl State {
    /// An asset, ready to be shown.
    pub fn asset_view(&self, asset: &Asset) -> AssetView {
        let serves = self.serves(asset);
        let lent = serves.map(|(lent, _)| lent);
        AssetView {
            id: asset.id,
            owner: asset.owner.clone(),
            name: asset.declared.name.clone(),
            kind: asset.declared.kind.to_string(),
            label: asset.declared.label.clone(),
            controller: self.controller(asset).clone(),
            operation: serves.map(|(_, operation)| operation.id),
            title: serves.map(|(_, operation)| operation.open.title.clone()),
            caveat: lent.and_then(|lent| lent.grant.caveat.clone()),
            may_control: match lent.map(|lent| &lent.grant.control) {
                Some(Control::Lead(to)) => to.clone(),
                Some(Control::Owner) | None => Vec::new(),
            },
            index: asset.index,
            lent_index: lent.map(|lent| lent.index),
            recalled_index: asset.recalled.as_ref().map(|(index, _)| *index),
            ground: asset.recalled.as_ref().and_then(|(_, ground)| ground.clone()),
        }
    }
}
