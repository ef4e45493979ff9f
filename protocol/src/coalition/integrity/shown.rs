//! What was shown: what everybody recomputes from the bytes that a word on an event carries.
//!
//! Guarantees: what is said follows from the bytes, the founding and what was ordered before the event, and from the time that
//! the event names, so it is the same everywhere and later on. It confirms nothing and convicts nobody: who has seen a
//! credential can show it, and who presented it is the reporter's word alone.

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
        /// Whether its key could carry records by it when the event was seen first.
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
    /// Keeps what a word on an event carries, if the event has nothing yet.
    pub(super) fn keep_shown(&self, event: &mut IntegrityEvent, shown: Option<&Shown>) {
        if let (None, Some(shown)) = (&event.shown, shown) {
            event.signed = self.is_signed(shown);
            event.shown = Some(shown.clone());
        }
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
        let shown = event.shown.as_ref()?;
        let (exhibit, proves, limits) = match shown {
            Shown::Credential(chain) => self.judge_shown_chain(event, chain),
            Shown::Cosignature { seat, head, .. } => {
                let partner = self.founded.partners().get(seat.index()).map(|it| it.name.clone());
                let whose = partner.as_ref().map_or_else(|| format!("seat {}", seat.0), ToString::to_string);
                let log = format!("a log of {} leaves with the root {}", head.size, head.root);
                let (proves, limits) = match event.signed {
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
                let view = ExhibitView::Cosignature { seat, partner, signed: event.signed, size, root };
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

    fn judge_shown_chain(&self, event: &IntegrityEvent, chain: &Chain) -> (ExhibitView, String, String) {
        let by = &event.reporter;
        let limits = format!(
            "it does not prove who presented it, because whoever has seen a credential can show it: that is the word of {by} alone, and convicts nobody"
        );
        let (not_after, signed, at) = (chain.not_after(), event.signed, event.since.unwrap_or(event.at));
        let view = |partner, key, issuer, root_of, revoked_index, holds| ExhibitView::Credential {
            partner,
            key,
            issuer,
            root_of,
            not_after,
            signed,
            revoked_index,
            holds,
            chain: chain.clone(),
        };
        let (Some(first), Some(leaf)) = (chain.0.first(), chain.leaf()) else {
            let proves = "a credential without a link, which says nothing".to_owned();
            return (view(None, None, None, None, None, false), proves, limits);
        };
        let (named, key, issuer) = (&leaf.partner, leaf.subject, first.delegation.issuer);
        let root_of = match self.holder(&issuer) {
            Some((partner, Purpose::Root)) => Some(partner.name.clone()),
            _ => None,
        };
        let granted = self.granted_at(chain, event.index);
        let mut lacks = Vec::new();
        match &root_of {
            Some(root_of) if root_of == named && signed => {}
            Some(root_of) if root_of == named => {
                lacks.push(format!("it names the root of {named}, whose signature or another does not hold"));
            }
            _ if self.last_charter().partner(named.as_str()).is_none() => {
                lacks.push(format!("{named} is no partner of this coalition"));
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
        let revoked_index = match granted {
            Granted::Stands => None,
            Granted::Revoked { index } => {
                lacks.push(format!("its key was revoked at index {index}"));
                Some(index)
            }
            Granted::Never => {
                lacks.push("neither the founding nor the log had granted it".to_owned());
                None
            }
        };
        let holds = lacks.is_empty();
        let verdict = match holds {
            true => format!("it holds: its key carries records for {named}"),
            false => lacks.join("; "),
        };
        let mut proves = format!("a credential of {key} for {named}, issued by {issuer}: {verdict}");
        if let Some(presented) = event.matter.key.filter(|presented| *presented != key) {
            proves.push_str(&format!("; by the word of {by} it was presented with {presented}, another key"));
        }
        (view(Some(named.clone()), Some(key), Some(issuer), root_of, revoked_index, holds), proves, limits)
    }
}
