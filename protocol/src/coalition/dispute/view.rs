//! Disputes, ready to be shown.

use serde::{Deserialize, Serialize};

use super::{About, Dispute, JudgeWord};
use crate::charter::{KindName, PartnerName, show_time};
use crate::coalition::state::State;
use crate::identity::RecordId;
use crate::record::Stance;

/// A dispute, ready to be shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DisputeView {
    /// Its id.
    pub id: RecordId,
    /// What it is about.
    pub subject: RecordId,
    /// What that is.
    pub about: About,
    /// The same in words with names, as `the endorsement of sudria as supporting`.
    #[serde(default)]
    pub about_what: String,
    /// The operation that this belongs to.
    pub operation: RecordId,
    /// That operation's title.
    pub title: String,
    /// Who opened it.
    pub opened_by: PartnerName,
    /// Whether the state machine opened it by itself, in the name of that partner.
    #[serde(default)]
    pub by_rule: bool,
    /// On which of the declared grounds.
    pub ground: Option<KindName>,
    /// Why.
    pub reason: String,
    /// Log index of the opening.
    pub index: u64,
    /// When it was opened, in batch time.
    pub at: String,
    /// When the panel's time is over, in batch time.
    pub expires: String,
    /// `open`, `upheld`, `annulled`, `remanded`, or `moot` where nothing is left to rule on.
    pub outcome: String,
    /// When it ended, in batch time.
    pub ended_at: Option<String>,
    /// Log index of the entry with the word that decided it.
    pub ended_by: Option<u64>,
    /// The leaf of the log that states the ruling, where a node knows it.
    #[serde(default)]
    pub leaf: Option<u64>,
    /// Who judges.
    pub panel: Vec<PartnerName>,
    /// How many equal words decide.
    pub threshold: u32,
    /// What the judges say, by name.
    pub words: Vec<JudgeWord>,
    /// Whether what depends on the operation holds meanwhile.
    pub holds: bool,
}

impl State {
    /// What a dispute is about, in words with names.
    pub(in crate::coalition) fn disputed(&self, dispute: &Dispute) -> String {
        let named = match dispute.about {
            About::Operation => None,
            About::Handoff => self.handoffs.get(&dispute.subject).map(|it| match it.is_taken() {
                true => format!("the takeover of {} from {} by {}", it.what, it.from, it.to),
                false => format!("the handoff of {} from {} to {}", it.what, it.from, it.to),
            }),
            About::Attestation => self.operations.get(&dispute.operation).and_then(|operation| {
                let said = operation.attestations.iter().find(|said| said.record == dispute.subject)?;
                let what = match said.stance {
                    Stance::Endorse => "endorsement",
                    Stance::Object => "objection",
                    Stance::Abstain => "abstention",
                };
                Some(format!("the {what} of {} as {}", said.partner, said.role))
            }),
        };
        named.unwrap_or_else(|| format!("the {}", dispute.about))
    }

    /// A dispute, ready to be shown.
    pub fn dispute_view(&self, dispute: &Dispute) -> DisputeView {
        let operation = self.operations.get(&dispute.operation);
        let outcome = match dispute.end {
            None => "open",
            Some(end) => end.ruling.map_or("moot", |ruling| ruling.done()),
        };
        DisputeView {
            id: dispute.id,
            subject: dispute.subject,
            about: dispute.about,
            about_what: self.disputed(dispute),
            operation: dispute.operation,
            title: operation.map(|operation| operation.open.title.clone()).unwrap_or_default(),
            opened_by: dispute.opened_by.clone(),
            by_rule: dispute.is_by_rule(),
            ground: dispute.ground.clone(),
            reason: dispute.reason.clone(),
            index: dispute.index,
            at: show_time(dispute.at),
            expires: show_time(dispute.expires),
            outcome: outcome.into(),
            ended_at: dispute.end.map(|end| show_time(end.at)),
            ended_by: dispute.end.and_then(|end| end.by),
            leaf: None,
            panel: dispute.panel.clone(),
            threshold: dispute.threshold,
            words: dispute.words.clone(),
            holds: dispute.end.is_none()
                && operation.is_some_and(|operation| self.held_by(operation).is_some()),
        }
    }
}
