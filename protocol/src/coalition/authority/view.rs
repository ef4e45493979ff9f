//! Authorities and their words, ready to be shown.

use serde::{Deserialize, Serialize};

use super::{Mandate, Voice};
use crate::authority::{AuthorityKind, Follow, Word};
use crate::charter::{AuthorityName, KindName, PartnerName, show_time};
use crate::coalition::operation::Operation;
use crate::coalition::state::State;
use crate::coalition::view::ordered;
use crate::identity::RecordId;

/// An authority of the charter in force.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuthorityView {
    /// Its name.
    pub name: AuthorityName,
    /// Whose will it states.
    pub kind: AuthorityKind,
    /// Who has to speak, in words.
    pub expression: String,
    /// What it may decide, in words.
    pub scope: String,
    /// The partners whose officers have a voice in it.
    pub voices: Vec<PartnerName>,
    /// The operation types that need it, or are escalated to it.
    pub needed_by: Vec<KindName>,
    /// Of an alliance the version of its document in force.
    pub version: Option<u32>,
    /// Of an alliance the latest version that is known.
    pub latest: Option<u32>,
    /// Of an alliance what later versions mean here.
    pub follow: Option<Follow>,
}

/// Whether an operation may be, as authorities say.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MandateView {
    /// Which authority it needs; none where a nation alone has spoken.
    pub needed: Option<AuthorityName>,
    /// What prevails, in one sentence.
    pub text: String,
    /// The same with all words, for programs.
    pub mandates: Vec<Mandate>,
    /// All that was said, in order.
    pub voices: Vec<VoiceView>,
}

impl MandateView {
    /// Whether every authority that is needed lets it be.
    pub fn is_given(&self) -> bool {
        self.mandates.iter().all(Mandate::allows)
    }
}

/// Something that was said for an authority.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VoiceView {
    /// For which.
    pub authority: AuthorityName,
    /// What.
    pub word: Word,
    /// Why.
    pub ground: String,
    /// Whose officer said or carried it.
    pub partner: PartnerName,
    /// Whether that partner speaks, or only carries what keys have signed.
    pub carried: bool,
    /// Which of its words for this authority it is.
    #[serde(default)]
    pub number: u32,
    /// How many keys signed it.
    pub keys: u64,
    /// The record.
    pub record: RecordId,
    /// Its log index; none if it is not ordered.
    pub index: Option<u64>,
    /// When, in batch time.
    pub at: String,
}

impl From<&Voice> for VoiceView {
    fn from(voice: &Voice) -> Self {
        Self {
            authority: voice.authority.clone(),
            word: voice.word,
            ground: voice.ground.clone(),
            partner: voice.partner.clone(),
            carried: !voice.speaks,
            number: voice.number,
            keys: voice.keys.len() as u64,
            record: voice.record,
            index: ordered(voice.index),
            at: show_time(voice.at),
        }
    }
}

impl State {
    /// The authorities of the charter in force.
    pub fn authority_views(&self) -> Vec<AuthorityView> {
        let charter = self.charter();
        let registry = self.registry(charter);
        let view = |authority: &crate::authority::Authority| {
            let name = &authority.name;
            let reference = charter.authority.alliance(name);
            let voices = registry.voices_in(&authority.expression);
            let speaks = |partner: &&crate::charter::Partner| voices.contains(&self.root_now(partner));
            let ordered = self.alliances.iter().filter(|ordered| ordered.document.name == *name);
            let latest = ordered.map(|ordered| ordered.document.version).max();
            AuthorityView {
                name: name.clone(),
                kind: authority.kind,
                expression: registry.named(&authority.expression).to_string(),
                scope: authority.scope.to_string(),
                voices: charter.members().filter(speaks).map(|partner| partner.name.clone()).collect(),
                needed_by: charter
                    .operations
                    .iter()
                    .filter(|kind| {
                        kind.authority.as_ref() == Some(name) || kind.rule.fallback.authority() == Some(name)
                    })
                    .map(|kind| kind.name.clone())
                    .collect(),
                version: reference.map(|reference| self.in_force(charter, reference).version),
                latest: reference.map(|reference| latest.unwrap_or(0).max(reference.alliance.version)),
                follow: reference.map(|reference| reference.follow),
            }
        };
        registry.authorities().iter().map(view).collect()
    }

    /// Whether an operation may be, as authorities say; none where no authority is needed or has spoken.
    pub(in crate::coalition) fn mandate_view(&self, operation: &Operation) -> Option<MandateView> {
        let voices = self.voices(&operation.id).map(VoiceView::from).collect::<Vec<_>>();
        let charter = self.charter_at(operation.charter_version)?;
        let mandates = match &operation.decision {
            Some(decision) => decision.mandates.clone(),
            None => self.mandates(charter, operation),
        };
        if voices.is_empty() && mandates.is_empty() {
            return None;
        }
        let text = match mandates.is_empty() {
            false => mandates.iter().map(Mandate::to_string).collect::<Vec<_>>().join("; "),
            true => {
                let words = self.words_on(charter, operation);
                words.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
            }
        };
        let needed = mandates.first().map(|mandate| mandate.needed.clone());
        Some(MandateView { needed, text, mandates, voices })
    }
}
