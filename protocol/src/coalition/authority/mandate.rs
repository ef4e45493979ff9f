//! What the words that stand amount to.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::{Speaker, Voice};
use crate::authority::{self, Authority, AuthorityKind, Expression, Registry, Ruling, Scope, Word, prevails};
use crate::charter::text::cut;
use crate::charter::{AuthorityName, Charter, OperationType};
use crate::coalition::operation::Operation;
use crate::coalition::outcome::Stage;
use crate::coalition::state::State;
use crate::identity::{PublicKey, RecordId};
use crate::record::{Change, Stance};

/// Most bytes of what a mandate lacks: it stands in decisions, and expressions name many.
pub(super) const MAX_LACKS_BYTES: usize = 1024;

/// What an authority says on an operation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuthorityWord {
    /// Which.
    pub authority: AuthorityName,
    /// Whose will it states.
    pub kind: AuthorityKind,
    /// What.
    pub word: Word,
    /// Why, in the words of the voice with which it was complete.
    pub ground: String,
    /// The record with which it was complete.
    pub record: RecordId,
}

/// As `norden (national) refuses: no night flights`.
impl std::fmt::Display for AuthorityWord {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} ({}) {} it", self.authority, self.kind, self.word.does())?;
        if self.ground.is_empty() { Ok(()) } else { write!(f, ": {}", self.ground) }
    }
}

/// Whether the authority that an operation needs lets it be, with all that was said.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mandate {
    /// Which authority is needed.
    pub needed: AuthorityName,
    /// What prevails.
    pub ruling: Ruling,
    /// Every word that stood, by authority.
    pub words: Vec<AuthorityWord>,
    /// What the needed authority lacks, where it has not spoken.
    pub lacks: Option<String>,
}

impl Mandate {
    /// Whether the operation may be agreed.
    pub fn allows(&self) -> bool {
        self.ruling.decision == authority::Decision::Allowed
    }

    /// Whether what prevails follows from the words that stand in it, by the charter's precedence.
    ///
    /// # Errors
    /// What contradicts the charter, in words.
    pub fn check(&self, charter: &Charter) -> Result<(), String> {
        let authority = |word: &AuthorityWord| Authority {
            name: word.authority.clone(),
            kind: word.kind,
            scope: Scope::default(),
            expression: Expression::Named(word.authority.clone()),
        };
        let authorities = self.words.iter().map(|word| (authority(word), word.word)).collect::<Vec<_>>();
        let said = authorities.iter().map(|(authority, word)| authority::Said { authority, word: *word });
        let heard = |authority: &Authority| !self.ruling.unheard.contains(&authority.name);
        let ruling = prevails(&charter.kind_precedence(), &self.needed, &said.collect::<Vec<_>>(), heard);
        if ruling == self.ruling {
            return Ok(());
        }
        Err(format!("its words give \"{ruling}\", and it states \"{}\"", self.ruling))
    }

    /// What it amounts to where it alone decides; none while it waits.
    pub fn stance(&self) -> Option<Stance> {
        match self.ruling.decision {
            authority::Decision::Allowed => Some(Stance::Endorse),
            authority::Decision::Refused => Some(Stance::Object),
            authority::Decision::Waits => None,
        }
    }

    /// Whether it is stopped.
    pub fn refuses(&self) -> bool {
        self.ruling.decision == authority::Decision::Refused
    }
}

/// As `waits for pact, which needs one more of norden, sudria`.
impl std::fmt::Display for Mandate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "authority: {}", self.ruling)?;
        match &self.lacks {
            Some(lacks) => write!(f, "; {} {lacks}", self.needed),
            None => Ok(()),
        }
    }
}

impl State {
    /// What the authorities of `charter` say on an operation, by name.
    pub(in crate::coalition) fn words_on(
        &self,
        charter: &Charter,
        operation: &Operation,
    ) -> Vec<AuthorityWord> {
        self.words_in(&self.registry(charter), charter, operation)
    }

    fn words_in(&self, registry: &Registry, charter: &Charter, operation: &Operation) -> Vec<AuthorityWord> {
        let mut by_authority: BTreeMap<&AuthorityName, Vec<&Voice>> = BTreeMap::new();
        for (_, voice) in self.words.of(operation.id) {
            by_authority.entry(&voice.authority).or_default().push(voice);
        }
        let word = |(name, voices): (&AuthorityName, Vec<&Voice>)| {
            let authority = registry.get(name.as_str())?;
            let (word, voice) = self.word_of(registry, charter, authority, &voices)?;
            Some(AuthorityWord {
                authority: name.clone(),
                kind: authority.kind,
                word,
                ground: voice.ground.clone(),
                record: voice.record,
            })
        };
        by_authority.into_iter().filter_map(word).collect()
    }

    /// Whether one voice is enough for what its authority says.
    pub(in crate::coalition) fn suffices(&self, charter: &Charter, voice: &Voice) -> bool {
        let registry = self.registry(charter);
        let authority = registry.get(voice.authority.as_str());
        authority.is_some_and(|authority| self.word_of(&registry, charter, authority, &[voice]).is_some())
    }

    /// The word that enough of the voices say, and the latest of those.
    pub(super) fn word_of<'a>(
        &self,
        registry: &Registry,
        charter: &Charter,
        authority: &Authority,
        voices: &[&'a Voice],
    ) -> Option<(Word, &'a Voice)> {
        let latest = self.latest(voices);
        [Word::Refuse, Word::Recall, Word::Order, Word::Permit].into_iter().find_map(|word| {
            let say = || latest.iter().filter(move |(_, voice)| voice.word == word);
            let signers = self.signers(charter, say().map(|(speaker, _)| speaker));
            registry.evaluate(&authority.expression, &signers).ok()?;
            Some((word, say().map(|(_, voice)| *voice).max_by_key(|voice| voice.index)?))
        })
    }

    /// The keys that speak: partners' roots, and those that signed.
    fn signers<'a>(
        &self,
        charter: &Charter,
        speakers: impl Iterator<Item = &'a Speaker<'a>>,
    ) -> BTreeSet<PublicKey> {
        let key = |speaker: &Speaker<'_>| match speaker {
            Speaker::Partner(name) => charter.partner(name.as_str()).map(|partner| self.root_now(partner)),
            Speaker::Key(key) => Some(*key),
        };
        speakers.filter_map(key).collect()
    }

    /// The latest word of each who has a voice, by the numbers that they gave. What the root of before has signed is its
    /// successor's until that signs: it still refuses and recalls, and orders and permits nothing.
    fn latest<'a>(&self, voices: &[&'a Voice]) -> BTreeMap<Speaker<'a>, &'a Voice> {
        let successors = self.successors();
        let mut latest: BTreeMap<Speaker<'a>, ((bool, u32), &Voice)> = BTreeMap::new();
        for voice in voices {
            let own = voice.speaks.then_some((Speaker::Partner(&voice.partner), true));
            let keys = voice.keys.iter();
            let keys = keys.map(|key| (Speaker::Key(successors.now(key)), !successors.gave_way(key)));
            for (speaker, stands) in keys.chain(own) {
                let place = (stands, voice.number);
                if latest.get(&speaker).is_none_or(|(held, _)| *held < place) {
                    latest.insert(speaker, (place, voice));
                }
            }
        }
        let counts = |stands: bool, word: Word| stands || matches!(word, Word::Refuse | Word::Recall);
        let latest = latest.into_iter().filter(|(_, ((stands, _), voice))| counts(*stands, voice.word));
        latest.map(|(speaker, (_, voice))| (speaker, voice)).collect()
    }

    /// Whether the authority that `kind`, the type of `operation`, needs by `charter` lets it be; none where it needs none.
    fn mandate_by(&self, charter: &Charter, kind: &OperationType, operation: &Operation) -> Option<Mandate> {
        Some(self.mandate_of(charter, kind, operation, kind.authority.clone()?))
    }

    /// Whether `needed` lets an operation of type `kind` be.
    fn mandate_of(
        &self,
        charter: &Charter,
        kind: &OperationType,
        operation: &Operation,
        needed: AuthorityName,
    ) -> Mandate {
        let registry = self.registry(charter);
        let words = self.words_in(&registry, charter, operation);
        let said = words
            .iter()
            .filter_map(|word| {
                Some(authority::Said { authority: registry.get(word.authority.as_str())?, word: word.word })
            })
            .collect::<Vec<_>>();
        let in_scope = |authority: &Authority| authority.scope.operations.covers(kind.name.as_str());
        let ruling = prevails(&charter.kind_precedence(), &needed, &said, in_scope);
        let lacks = (ruling.decision == authority::Decision::Waits).then(|| {
            let voices = self.words.of(operation.id).map(|(_, voice)| voice);
            let voices = voices.filter(|voice| voice.authority == needed).collect::<Vec<_>>();
            self.lacks(&registry, charter, &needed, &voices)
        });
        Mandate { needed, ruling, words, lacks }
    }

    /// What an authority lacks to have spoken, of whose voices `voices` are, in words.
    pub(super) fn lacks(
        &self,
        registry: &Registry,
        charter: &Charter,
        needed: &AuthorityName,
        voices: &[&Voice],
    ) -> String {
        let Some(authority) = registry.get(needed.as_str()) else { return "is no authority".to_owned() };
        let latest = self.latest(voices);
        let favour = latest.iter().filter(|(_, voice)| matches!(voice.word, Word::Order | Word::Permit));
        let signers = self.signers(charter, favour.map(|(speaker, _)| speaker));
        match registry.evaluate(&authority.expression, &signers) {
            Err(deficit) => cut(deficit.to_string(), MAX_LACKS_BYTES),
            Ok(_) => "needs one word: some order and some permit".to_owned(),
        }
    }

    /// The mandates that an operation needs: that of its type, and of an amendment also that which the charter would ask for
    /// that it makes, and the consent of each nation whose own authority it changes; last that of the authority that it is
    /// escalated to.
    pub(in crate::coalition) fn mandates(&self, charter: &Charter, operation: &Operation) -> Vec<Mandate> {
        let mut mandates = self.mandates_of_types(charter, operation);
        mandates.extend(self.consents(operation));
        mandates.extend(self.escalated(charter, operation));
        mandates
    }

    /// Of those the ones that officers can speak for: all but consents.
    pub(super) fn mandates_for_officers(&self, charter: &Charter, operation: &Operation) -> Vec<Mandate> {
        let mut mandates = self.mandates_of_types(charter, operation);
        mandates.extend(self.escalated(charter, operation));
        mandates
    }

    fn escalated(&self, charter: &Charter, operation: &Operation) -> Option<Mandate> {
        let kind = charter.kind(&operation.open.kind).filter(|_| operation.stage == Stage::Escalated)?;
        Some(self.mandate_of(charter, kind, operation, kind.rule.fallback.authority()?.clone()))
    }

    fn mandates_of_types(&self, charter: &Charter, operation: &Operation) -> Vec<Mandate> {
        let Some(kind) = charter.kind(&operation.open.kind) else { return Vec::new() };
        let mut mandates = self.mandate_by(charter, kind, operation).into_iter().collect::<Vec<_>>();
        if let Some(Change::Amend(amendment)) = &operation.change
            && (kind.authority.is_some()
                || operation.kind_after().is_some_and(|kind| kind.authority.is_some()))
            && let Some(after) = self.drafted(amendment)
            && let Some(kind_after) = after.kind(&operation.open.kind)
            && (kind_after.authority != kind.authority || amendment.authority.is_some())
        {
            mandates.extend(self.mandate_by(&after, kind_after, operation));
        }
        mandates
    }
}
