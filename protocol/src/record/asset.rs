//! What partners say of their own assets: aircraft, teams, hospitals, whatever they may lend. Details stay at home.

use serde::{Deserialize, Serialize};

use crate::charter::{AssetName, KindName, PartnerName};
use crate::identity::RecordId;

/// Longest label of an asset, in bytes.
pub const MAX_LABEL_BYTES: usize = 120;
/// Longest ground of a recall, in bytes.
pub const MAX_GROUND_BYTES: usize = 256;

/// What an owner says of its asset. An asset carries the id of the record that declared it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum AssetAct {
    /// There is such an asset.
    Declare(Declare),
    /// It serves an operation from now on.
    Contribute(Contribute),
    /// It serves none any more.
    Recall(Recall),
}

/// Declares an asset of the partner that signs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Declare {
    /// What its owner calls it, once per owner.
    pub name: AssetName,
    /// What it is: `c-130`, `field-hospital`.
    pub kind: KindName,
    /// One line for people.
    pub label: String,
}

/// Lends an asset to an operation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Contribute {
    /// The asset.
    pub asset: RecordId,
    /// The operation.
    pub operation: RecordId,
    /// On which condition.
    pub caveat: Option<String>,
    /// Who directs it meanwhile.
    pub control: Control,
}

/// Who directs a contributed asset.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Control {
    /// Its owner, always.
    Owner,
    /// Whoever leads the operation, as long as it is one of these, sorted; else its owner.
    Lead(Vec<PartnerName>),
}

/// Takes an asset back, at any time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recall {
    /// The asset.
    pub asset: RecordId,
    /// Why.
    pub ground: Option<String>,
}

impl AssetAct {
    /// The operation that this is about, where it names one.
    pub fn operation(&self) -> Option<RecordId> {
        match self {
            Self::Contribute(contribute) => Some(contribute.operation),
            Self::Declare(_) | Self::Recall(_) => None,
        }
    }

    /// The asset that this is about, where it is not the record itself that declares it.
    pub fn asset(&self) -> Option<RecordId> {
        match self {
            Self::Declare(_) => None,
            Self::Contribute(contribute) => Some(contribute.asset),
            Self::Recall(recall) => Some(recall.asset),
        }
    }
}
