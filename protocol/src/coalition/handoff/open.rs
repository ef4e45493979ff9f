//! What is open on an operation: what whoever takes a role over must know.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{Handoff, HandoffRefusal, Missing};
use crate::authority::Word;
use crate::charter::PartnerName;
use crate::charter::text::all_of;
use crate::coalition::authority::AuthorityWord;
use crate::coalition::operation::Operation;
use crate::coalition::state::State;
use crate::identity::RecordId;
use crate::record::{Acknowledged, Stance};

/// Most items that a refusal names; of the others it says how many.
const MAX_MISSING: usize = 8;

/// Something open on an operation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpenItem {
    /// The record that made it.
    pub record: RecordId,
    /// What it is.
    pub kind: ItemKind,
    /// Whose.
    pub partner: PartnerName,
    /// Log index of the record.
    pub index: u64,
    /// In its author's words: the caveat, the asset with its condition, the ground.
    pub text: String,
}

/// What is open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ItemKind {
    /// A condition of an attestation that stands.
    Caveat,
    /// An objection that stands.
    Objection,
    /// An asset that serves the operation.
    Asset,
    /// An offer of a role that is not answered.
    Offer,
    /// A dispute without a ruling.
    Dispute,
    /// A refusal or recall of an authority that stands, overruled or not.
    Refusal,
    /// What a partner has acted on, provisionally, before it is decided.
    Commitment,
}

impl fmt::Display for ItemKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Caveat => "caveat",
            Self::Objection => "objection",
            Self::Asset => "asset",
            Self::Offer => "offer",
            Self::Dispute => "dispute",
            Self::Refusal => "refusal",
            Self::Commitment => "commitment",
        })
    }
}

impl State {
    /// What is open on an operation beside `except`, ascending by record. Each is made by one record.
    pub fn open_items(&self, operation: &Operation, except: Option<&RecordId>) -> Vec<OpenItem> {
        let said = operation.attestations.iter().filter(|said| said.stands());
        let said = said.filter_map(|said| {
            let kind = match (&said.caveat, said.stance) {
                (_, Stance::Object) => ItemKind::Objection,
                (Some(_), _) => ItemKind::Caveat,
                (None, _) => return None,
            };
            let text = said.caveat.clone().unwrap_or_default();
            Some(OpenItem {
                record: said.record,
                kind,
                partner: said.partner.clone(),
                index: said.index,
                text,
            })
        });
        let assets = self.assets.serving(&operation.id).filter_map(|asset| {
            let (lent, _) = self.serves(asset)?;
            let condition = lent.grant.caveat.as_ref().map_or(String::new(), |caveat| format!(": {caveat}"));
            Some(OpenItem {
                record: lent.record,
                kind: ItemKind::Asset,
                partner: asset.owner.clone(),
                index: lent.index,
                text: format!("{}{condition}", asset.declared.name),
            })
        });
        let open = |it: &&Handoff| it.end.is_none() && Some(&it.id) != except;
        let offers = self.handoffs.of(&operation.id).filter(open).map(|offer| OpenItem {
            record: offer.id,
            kind: ItemKind::Offer,
            partner: offer.from.clone(),
            index: offer.index,
            text: format!("{} to {}", offer.what, offer.to),
        });
        let disputes =
            self.disputes.of(&operation.id).filter(|it| it.end.is_none()).map(|dispute| OpenItem {
                record: dispute.id,
                kind: ItemKind::Dispute,
                partner: dispute.opened_by.clone(),
                index: dispute.index,
                text: dispute.reason.clone(),
            });
        let provisional = self.commitments.of(&operation.id).filter(|it| it.end.is_none());
        let commitments = provisional.map(|commitment| OpenItem {
            record: commitment.id,
            kind: ItemKind::Commitment,
            partner: commitment.partner.clone(),
            index: commitment.index,
            text: match commitment.leases.is_empty() {
                true => "under no lease".to_owned(),
                false => format!("under {}", all_of(&commitment.leases)),
            },
        });
        let refusals = self.standing_refusals(operation);
        let items = said.chain(assets).chain(offers).chain(disputes).chain(commitments).chain(refusals);
        let mut items = items.collect::<Vec<_>>();
        items.sort_unstable_by_key(|item| item.record);
        items
    }

    /// What authorities refuse or recall on an operation, each by the record with which its word was complete.
    fn standing_refusals(&self, operation: &Operation) -> Vec<OpenItem> {
        let voices = self.voices(&operation.id).collect::<Vec<_>>();
        let keeps_out = |word: Word| matches!(word, Word::Refuse | Word::Recall);
        // Most operations have no such word at all.
        let charter = self.charter_at(operation.charter_version);
        let Some(charter) = charter.filter(|_| voices.iter().any(|voice| keeps_out(voice.word))) else {
            return Vec::new();
        };
        let words = self.words_on(charter, operation).into_iter().filter(|word| keeps_out(word.word));
        let item = |word: AuthorityWord| {
            let voice = voices.iter().find(|voice| voice.record == word.record)?;
            Some(OpenItem {
                record: word.record,
                kind: ItemKind::Refusal,
                // A nation's own, whoever carried it.
                partner: charter
                    .partner(word.authority.as_str())
                    .map_or(&voice.partner, |it| &it.name)
                    .clone(),
                index: voice.index,
                text: word.to_string(),
            })
        };
        words.filter_map(item).collect()
    }

    /// Whether an acceptance knows all that is open on the operation beside the offer itself.
    pub(super) fn is_acknowledged(
        &self,
        operation: &Operation,
        offer: &RecordId,
        known: &Acknowledged,
    ) -> Result<(), HandoffRefusal> {
        let open = self.open_items(operation, Some(offer));
        match known {
            Acknowledged::Each(known) => {
                let unknown = |item: &OpenItem| known.binary_search(&item.record).is_err();
                let mut missing = open.into_iter().filter(unknown).map(|item| Missing {
                    record: item.record,
                    kind: item.kind,
                    partner: item.partner,
                });
                let first = missing.by_ref().take(MAX_MISSING).collect::<Vec<_>>();
                if first.is_empty() {
                    return Ok(());
                }
                Err(HandoffRefusal::NotAcknowledged { missing: first, more: missing.count() as u64 })
            }
            Acknowledged::All(found) => {
                let ids = open.iter().map(|item| item.record).collect::<Vec<_>>();
                if Acknowledged::digest(&ids) == *found {
                    return Ok(());
                }
                Err(HandoffRefusal::OtherItems { found: *found, open: ids.len() as u64 })
            }
        }
    }
}
