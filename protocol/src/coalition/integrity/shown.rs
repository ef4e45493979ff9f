//! What was shown: what everybody recomputes from the bytes that a word on an event carries.
//!
//! Guarantees: what is said follows from the bytes and from what was ordered before the record that carried them first, at its batch
//! time; it is found out then and kept, so it is the same everywhere and later on, whatever clock a reporter has. It confirms
//! nothing and convicts nobody: who has seen a credential can show it, and who presented it is the reporter's word alone.

use serde::{Deserialize, Serialize};

use super::IntegrityEvent;
use crate::charter::text::all_of;
use crate::charter::{PartnerName, show_time};
use crate::coalition::keys::{Granted, Purpose};
use crate::coalition::state::State;
use crate::credential::{Capability, Chain, MAX_CHAIN};
use crate::identity::{Hash, PublicKey};
use crate::record::{Exhibit, Shown};
use crate::time::Time;

/// What was shown, and what the log said of it at the record that carried it first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptShown {
    /// It.
    pub shown: Shown,
    /// Log index of that record.
    pub index: u64,
    /// Its batch time.
    pub at: Time,
    /// Whether it bears the signatures of whom it names.
    pub signed: bool,
    /// Of a credential: whose root issued it, or had until it was rotated.
    pub root_of: Option<PartnerName>,
    /// Of a credential: whether the partner that it names was a member with effect.
    pub is_active: bool,
    /// Of a credential: whether the last epoch for which it was given was over.
    pub is_past: bool,
    /// Of a credential: whether the founding or the log had granted it, and nothing taken it back.
    pub granted: bool,
    /// Of a credential: from which log index on its key was revoked.
    pub revoked_index: Option<u64>,
}

/// What was shown, ready to be shown again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShownView {
    /// The thing itself.
    pub exhibit: ExhibitView,
    /// What it proves, in one sentence.
    pub proves: String,
    /// What it does not prove.
    pub limits: String,
    /// How many more times the event was seen; what was shown then is not kept.
    pub merged: u64,
}

/// What was shown, by kind.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "what", rename_all = "kebab-case")]
pub enum ExhibitView {
    /// A credential.
    Credential {
        /// The partner that it names.
        partner: Option<PartnerName>,
        /// The key that it is for.
        key: Option<PublicKey>,
        /// Who issued its first link.
        issuer: Option<PublicKey>,
        /// The partner whose root that is, or was.
        root_of: Option<PartnerName>,
        /// Until when all its links are valid.
        not_after: Time,
        /// Whether each link bears its issuer's signature.
        signed: bool,
        /// Log index from which on its key was revoked, before the event.
        revoked_index: Option<u64>,
        /// Whether its key could carry records by it at the record that carried it here.
        holds: bool,
        /// As it was presented.
        chain: Chain,
    },
    /// A cosignature.
    Cosignature {
        /// The seat.
        seat: u16,
        /// Whose seat it is.
        partner: Option<PartnerName>,
        /// Whether it bears the seat's signature.
        signed: bool,
        /// How many leaves the log has.
        size: u64,
        /// Its root.
        root: Hash,
    },
    /// A commitment.
    Commitment {
        /// To what.
        exhibit: Exhibit,
        /// SHA-256 of it.
        digest: Hash,
        /// Its length in bytes.
        length: u64,
    },
}

impl State {
    /// Keeps what the word at log index `index` on an event carries, if the event has nothing yet.
    pub(super) fn keep_shown(&self, event: &mut IntegrityEvent, shown: Option<&Shown>, index: u64) {
        let (None, Some(shown)) = (&event.shown, shown) else { return };
        let mut kept = KeptShown {
            shown: shown.clone(),
            index,
            at: self.time,
            signed: self.is_signed(shown),
            root_of: None,
            is_active: false,
            is_past: false,
            granted: false,
            revoked_index: None,
        };
        if let Shown::Credential(chain) = shown
            && let (Some(first), Some(leaf)) = (chain.0.first(), chain.leaf())
        {
            if let Some((partner, Purpose::Root)) = self.holder(&first.delegation.issuer) {
                kept.root_of = Some(partner.name.clone());
            }
            let known = self.last_charter().partner(leaf.partner.as_str()).is_some();
            kept.is_active = known && self.is_active(&leaf.partner);
            let last_epoch = chain.0.iter().filter_map(|link| link.delegation.last_epoch).min();
            kept.is_past = last_epoch.is_some_and(|last| last < self.epoch);
            match self.granted_at(chain, index) {
                Granted::Stands => kept.granted = true,
                Granted::Revoked { index } => kept.revoked_index = Some(index),
                Granted::Never => {}
            }
        }
        event.shown = Some(Box::new(kept));
    }

    fn is_signed(&self, shown: &Shown) -> bool {
        match shown {
            // A longer one does not hold, whatever its signatures.
            Shown::Credential(chain) => {
                (1..=MAX_CHAIN).contains(&chain.0.len()) && chain.0.iter().all(|link| link.verify())
            }
            Shown::Cosignature { seat, head, signature } => {
                let key = self.founded.seats().get(seat.index());
                key.is_some_and(|key| head.verify(&self.founded.coalition(), key, signature))
            }
            Shown::Commitment { .. } => false,
        }
    }

    /// What was shown in an event, and what that proves.
    pub fn shown_view(&self, event: &IntegrityEvent) -> Option<ShownView> {
        let kept = event.shown.as_deref()?;
        let (exhibit, proves, limits) = match &kept.shown {
            Shown::Credential(chain) => self.judge_shown_chain(event, kept, chain),
            Shown::Cosignature { seat, head, .. } => {
                let partner = self.founded.partners().get(seat.index()).map(|it| it.name.clone());
                let whose = partner.as_ref().map_or_else(|| format!("seat {}", seat.0), ToString::to_string);
                let log = format!("a log of {} leaves with the root {}", head.size, head.root);
                let (proves, limits) = match kept.signed {
                    true => (
                        format!("the seat of {whose} signed {log}"),
                        "whether the coalition's log has another root of this size, only who holds the log sees",
                    ),
                    false => (
                        format!("nobody's signature stands under {log}, ascribed to {whose}"),
                        "anybody can have made it",
                    ),
                };
                let (seat, size, root) = (seat.0, head.size, head.root);
                let view = ExhibitView::Cosignature { seat, partner, signed: kept.signed, size, root };
                (view, proves, limits.to_owned())
            }
            Shown::Commitment { exhibit, digest, length } => {
                let proves = format!("nothing until it is opened: a {exhibit} of {length} bytes");
                let limits = "whoever has the bytes can show them: their SHA-256 is the digest".to_owned();
                let (exhibit, digest, length) = (*exhibit, *digest, *length);
                (ExhibitView::Commitment { exhibit, digest, length }, proves, limits)
            }
        };
        Some(ShownView { exhibit, proves, limits, merged: event.count.saturating_sub(1) })
    }

    fn judge_shown_chain(
        &self,
        event: &IntegrityEvent,
        kept: &KeptShown,
        chain: &Chain,
    ) -> (ExhibitView, String, String) {
        let by = &event.reporter;
        let limits = format!(
            "it does not prove who presented it, because whoever has seen a credential can show it: that is the word of {by} alone, and convicts nobody"
        );
        let KeptShown { index, at, signed, ref root_of, revoked_index, .. } = *kept;
        let not_after = chain.not_after();
        let view = |partner, key, issuer, holds| ExhibitView::Credential {
            partner,
            key,
            issuer,
            root_of: root_of.clone(),
            not_after,
            signed,
            revoked_index,
            holds,
            chain: chain.clone(),
        };
        let (Some(first), Some(leaf)) = (chain.0.first(), chain.leaf()) else {
            let proves = "a credential without a link, which says nothing".to_owned();
            return (view(None, None, None, false), proves, limits);
        };
        let (named, key, issuer) = (&leaf.partner, leaf.subject, first.delegation.issuer);
        let mut lacks = Vec::new();
        match root_of {
            Some(root_of) if root_of == named && signed => {}
            Some(root_of) if root_of == named => {
                lacks.push(format!("it names the root of {named}, whose signature or another does not hold"));
            }
            Some(other) => {
                lacks.push(format!("it copies the name of {named}, and is issued by the root of {other}"));
            }
            None => {
                let signed = if signed { "" } else { ", and its signatures do not hold" };
                lacks.push(format!(
                    "it copies the name of {named}, and its issuer is nobody's root in the charter{signed}"
                ));
            }
        }
        if !kept.is_active {
            lacks.push(format!("{named} was not an active partner of this coalition"));
        }
        if let Err(error) = chain.follow(&issuer, &self.founded.coalition()) {
            lacks.push(error.to_string());
        }
        if !leaf.capabilities.contains(&Capability::Node) {
            let gives = all_of(&leaf.capabilities.iter().collect::<Vec<_>>());
            lacks.push(format!("it gives {gives}, not node"));
        }
        if at > not_after {
            lacks.push(format!("it expired at {}, before {}", show_time(not_after), show_time(at)));
        }
        let from = chain.0.iter().filter_map(|link| link.delegation.not_before).max();
        if let Some(from) = from.filter(|from| at < *from) {
            lacks.push(format!("it is valid from {} on, after {}", show_time(from), show_time(at)));
        }
        if kept.is_past {
            lacks.push("the last epoch for which it was given was over".to_owned());
        }
        match revoked_index {
            Some(index) => lacks.push(format!("its key was revoked at index {index}")),
            None if !kept.granted => lacks.push("neither the founding nor the log had granted it".to_owned()),
            None => {}
        }
        let holds = lacks.is_empty();
        let verdict = match holds {
            true => format!("it held as of index {index}: its key carried records for {named}"),
            false => format!("as of index {index} {}", lacks.join("; ")),
        };
        let mut proves = format!("a credential of {key} for {named}, issued by {issuer}: {verdict}");
        if let Some(presented) = event.matter.key.filter(|presented| *presented != key) {
            proves.push_str(&format!("; by the word of {by} it was presented with {presented}, another key"));
        }
        (view(Some(named.clone()), Some(key), Some(issuer), holds), proves, limits)
    }
}
