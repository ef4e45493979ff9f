//! The keys of a partner, ready to be shown.

use serde::{Deserialize, Serialize};

use super::{Grant, Holding, Ordered, Origin, Revoked, Rotated, State};
use crate::authority::Extent;
use crate::charter::{PartnerName, show_time};
use crate::coalition::story::StoryWord;
use crate::credential::{Capability, SignedRotation};
use crate::identity::{Hash, PublicKey, RecordId};
use crate::record::KeyAct;
use crate::time::Time;

/// Whether a key acts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum KeyStatus {
    /// One of its chains is valid.
    Valid,
    /// Its chains begin later.
    Early,
    /// Its chains have run out.
    Expired,
    /// It was taken back.
    Revoked,
    /// It is valid, and in quarantine: what it signs or carries has no effect.
    Quarantined,
}

impl KeyStatus {
    /// The name in text.
    pub fn name(self) -> &'static str {
        match self {
            Self::Valid => "valid",
            Self::Early => "early",
            Self::Expired => "expired",
            Self::Revoked => "revoked",
            Self::Quarantined => "quarantined",
        }
    }
}

/// One key of a partner.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyView {
    /// The key.
    pub key: PublicKey,
    /// What it is for.
    pub capability: Capability,
    /// Whether it acts.
    pub status: KeyStatus,
    /// What it was given, in the order of the log.
    pub grants: Vec<GrantView>,
}

/// One chain of a key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GrantView {
    /// Who gave it: the issuer of the last link.
    pub issuer: PublicKey,
    /// The hash of the last link, which a revocation may name.
    pub delegation: Hash,
    /// Links from the root.
    pub links: usize,
    /// For which operation types.
    pub operations: Extent,
    /// From when on; none: from the beginning.
    pub not_before: Option<String>,
    /// Until when, as all its links say.
    pub not_after: String,
    /// The last epoch, where one is named.
    pub last_epoch: Option<u64>,
    /// The log index since which it holds; none for the founding and for an accession.
    pub since: Option<u64>,
    /// The version of the charter with which its partner joined, for what came with the accession.
    pub joined_with: Option<u32>,
    /// The record that carried it.
    pub by: Option<RecordId>,
    /// Whose officer carried it.
    pub carrier: Option<PartnerName>,
    /// What took it back.
    pub revoked: Option<RevokedView>,
}

/// What took a chain back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RevokedView {
    /// The log index.
    pub index: u64,
    /// Batch time.
    pub at: String,
    /// The record that carried it.
    pub by: RecordId,
    /// Whose officer carried it.
    pub carrier: PartnerName,
    /// Who took it back.
    pub issuer: PublicKey,
    /// Why.
    pub reason: String,
}

/// A root that gave way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RotationView {
    /// Its number.
    pub number: u32,
    /// The root until then.
    pub old: PublicKey,
    /// The root since then.
    pub new: PublicKey,
    /// The log index.
    pub index: u64,
    /// Batch time.
    pub at: String,
    /// The record that carried it.
    pub by: RecordId,
    /// Whose officer carried it.
    pub carrier: PartnerName,
}

/// A change of keys, for those who follow.
pub(in crate::coalition) struct KeysTold<'a> {
    /// The record, and who carried it.
    pub(in crate::coalition) ordered: &'a Ordered,
    /// Whose keys.
    pub(in crate::coalition) partner: &'a PartnerName,
    /// What happened.
    pub(in crate::coalition) what: StoryWord,
    /// The same in words.
    pub(in crate::coalition) text: String,
}

impl State {
    /// What a record changed of keys; none if it changed none.
    pub(in crate::coalition) fn told_of_keys(&self, id: &RecordId) -> Option<KeysTold<'_>> {
        if let Some(Grant { ordered, chain }) = self.keys.grant(id) {
            let (partner, text) = (&chain.leaf()?.partner, KeyAct::Grant(chain.clone()).words());
            return Some(KeysTold { ordered, partner, what: StoryWord::Granted, text });
        }
        if let Some(Revoked { ordered, revocation: signed }) = self.keys.revocation(id) {
            let (partner, reason) = (&signed.revocation.partner, &signed.revocation.reason);
            let ground = if reason.is_empty() { String::new() } else { format!(": {reason}") };
            let text = format!("{}{ground}", KeyAct::Revoke(Box::new(signed.clone())).words());
            return Some(KeysTold { ordered, partner, what: StoryWord::Revoked, text });
        }
        let Rotated { ordered, rotation } =
            self.keys.rotations.values().find(|rotated| rotated.ordered.by == *id)?;
        let text = KeyAct::Rotate(Box::new(SignedRotation::new(rotation.clone()))).words();
        Some(KeysTold { ordered, partner: &rotation.partner, what: StoryWord::Rotated, text })
    }

    /// The keys of a partner, those that act no more included: officers, then nodes, each in the order of the log.
    pub fn keys_of(&self, partner: &PartnerName, now: Time) -> Vec<KeyView> {
        let now = now.max(self.time);
        let mut keys = self
            .keys
            .holdings
            .iter()
            .filter(|(_, all)| all[0].partner == *partner && all[0].capability != Capability::Seat)
            .map(|(key, all)| {
                let first = all[0].origin.grant().map(|grant| grant.index);
                let view = KeyView {
                    key: *key,
                    capability: all[0].capability,
                    status: match self.status(all, now) {
                        KeyStatus::Valid if self.heed_quarantine(key).is_err() => KeyStatus::Quarantined,
                        status => status,
                    },
                    grants: all.iter().map(|holding| self.grant_view(holding)).collect(),
                };
                ((view.capability, first, *key), view)
            })
            .collect::<Vec<_>>();
        keys.sort_by_key(|(place, _)| *place);
        keys.into_iter().map(|(_, view)| view).collect()
    }

    fn status(&self, all: &[Holding], now: Time) -> KeyStatus {
        let of = |holding: &Holding| {
            let starts = holding.chain.0.iter().filter_map(|link| link.delegation.not_before).max();
            let ends = holding.chain.0.iter().filter_map(|link| link.delegation.last_epoch).min();
            if now > holding.chain.not_after() || ends.is_some_and(|last| self.epoch > last) {
                KeyStatus::Expired
            } else if starts.is_some_and(|starts| now < starts) {
                KeyStatus::Early
            } else {
                KeyStatus::Valid
            }
        };
        let standing = all.iter().filter(|holding| holding.stands()).map(of);
        standing.min_by_key(|status| *status as u8).unwrap_or(KeyStatus::Revoked)
    }

    fn grant_view(&self, holding: &Holding) -> GrantView {
        let links = || holding.chain.0.iter().map(|link| &link.delegation);
        let leaf = holding.chain.leaf().expect("chains without a link are not taken");
        let cut = holding.cut.and_then(|(_, by)| self.keys.revocation(&by));
        let grant = holding.origin.grant();
        GrantView {
            issuer: leaf.issuer,
            delegation: leaf.hash(),
            links: holding.chain.0.len(),
            operations: leaf.operations.clone(),
            not_before: links().filter_map(|link| link.not_before).max().map(show_time),
            not_after: show_time(holding.chain.not_after()),
            last_epoch: links().filter_map(|link| link.last_epoch).min(),
            since: grant.map(|grant| grant.index),
            joined_with: match holding.origin {
                Origin::Accession(version) => Some(version),
                Origin::Founding | Origin::Grant(_) => None,
            },
            by: grant.map(|grant| grant.by),
            carrier: grant.map(|grant| grant.carrier.clone()),
            revoked: cut.map(|revoked| {
                let Ordered { by, index, at, carrier } = revoked.ordered.clone();
                let said = &revoked.revocation.revocation;
                let (issuer, reason) = (said.issuer, said.reason.clone());
                RevokedView { index, at: show_time(at), by, carrier, issuer, reason }
            }),
        }
    }

    /// How the root of a partner changed.
    pub fn rotations_of(&self, partner: &PartnerName) -> Vec<RotationView> {
        let rotations = self.keys.rotations_of(partner);
        let view = |rotated: &super::Rotated| {
            let Ordered { by, index, at, carrier } = rotated.ordered.clone();
            let rotation = &rotated.rotation;
            let (number, old, new) = (rotation.number, rotation.old, rotation.new);
            RotationView { number, old, new, index, at: show_time(at), by, carrier }
        };
        rotations.map(view).collect()
    }
}
