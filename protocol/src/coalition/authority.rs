//! Authorities in the log: what they say on operations, what prevails, and the versions of alliances' documents.
//!
//! Guarantees: an operation whose type needs an authority is agreed only if the words that stand, by the charter's declared
//! precedence, allow it; the decision carries every word. An authority has said a word once those who say it satisfy its
//! expression; each voice counts with its latest word. A nation can refuse or recall what is its own at any time until the
//! operation is over: its assets go home with the same record. An alliance's document changes only by a version that
//! follows by hash and that those before and after it signed; what that means to a charter is what the charter says.
//!
//! How: an officer's word is a voice of its partner's root. A key that is kept off line signs the statement, and any officer
//! carries it. Within one authority a refusal goes before an order, and that before a permission.
//!
//! Bounded: [`MAX_WORDS_PER_PARTNER`] records of one partner on one operation, [`MAX_ALLIANCE_VERSIONS`] versions of one
//! alliance beyond those that the charter names.

mod consent;
mod judge;
mod mandate;
mod refusal;
mod view;

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

pub(super) use judge::check;
pub use mandate::{AuthorityWord, Mandate};
pub use refusal::AuthorityRefusal;
pub use view::{AuthorityView, MandateView, VoiceView};

use super::items::Item;
use super::operation::Operation;
use super::state::State;
use super::take::Said;
use crate::authority::{AllianceDocument, AllianceReference, Authority, Expression, Registry, Word};
use crate::charter::{AuthorityName, Charter, Partner, PartnerName};
use crate::identity::{PublicKey, RecordId};
use crate::record::{AuthorityAct, SignedRecord, Speak};
use crate::time::Time;

/// Most records with words that one partner may have on one operation.
pub const MAX_WORDS_PER_PARTNER: usize = 16;
/// Most versions of one alliance beyond those that the charter names.
pub const MAX_ALLIANCE_VERSIONS: usize = 256;

/// A record in which something was said for an authority.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Voice {
    /// For which authority.
    pub authority: AuthorityName,
    /// What.
    pub word: Word,
    /// Why.
    pub ground: String,
    /// The number of the statement.
    pub number: u32,
    /// Whose officer said or carried it.
    pub partner: PartnerName,
    /// Whether that partner speaks itself, and does not carry what keys have signed.
    pub speaks: bool,
    /// Keys that signed the same, sorted.
    pub keys: Vec<PublicKey>,
    /// The record.
    pub record: RecordId,
    /// Its log index.
    pub index: u64,
    /// Batch time of it.
    pub at: Time,
}

/// A version of an alliance's document that was ordered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrderedAlliance {
    /// The version.
    pub document: AllianceDocument,
    /// The record that carried it.
    pub record: RecordId,
    /// Whose officer carried it.
    pub by: PartnerName,
    /// Its log index.
    pub index: u64,
    /// Batch time of it.
    pub at: Time,
    /// The latest version of the charter then.
    pub charter: u32,
}

/// All words, by operation and in the order of application.
#[derive(Debug, Clone, Default)]
pub(super) struct Words(BTreeMap<(RecordId, u32), Voice>);

impl Words {
    pub(super) fn get(&self, operation: RecordId, place: u32) -> Option<&Voice> {
        self.0.get(&(operation, place))
    }

    #[cfg(test)]
    pub(super) fn iter(&self) -> impl Iterator<Item = (RecordId, u32, &Voice)> {
        self.0.iter().map(|((operation, place), voice)| (*operation, *place, voice))
    }

    fn of(&self, operation: RecordId) -> impl DoubleEndedIterator<Item = (u32, &Voice)> {
        let all = (operation, 0)..=(operation, u32::MAX);
        self.0.range(all).map(|((_, place), voice)| (*place, voice))
    }
}

/// Ordered versions by alliance and number.
#[derive(Debug, Clone, Default)]
pub(super) struct Alliances(BTreeMap<AuthorityName, BTreeMap<u32, OrderedAlliance>>);

impl Alliances {
    pub(super) fn get(&self, name: &AuthorityName, version: u32) -> Option<&OrderedAlliance> {
        self.0.get(name)?.get(&version)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &OrderedAlliance> {
        self.0.values().flat_map(BTreeMap::values)
    }

    fn count(&self, name: &AuthorityName) -> usize {
        self.0.get(name).map_or(0, BTreeMap::len)
    }

    /// `document`, and all that were ordered after it, each following the one before.
    pub(super) fn chain<'a>(
        &'a self,
        document: &'a AllianceDocument,
    ) -> impl Iterator<Item = &'a AllianceDocument> {
        std::iter::successors(Some(document), |document| self.after(document).map(|later| &later.document))
    }

    /// The ordered version that follows `document`.
    fn after(&self, document: &AllianceDocument) -> Option<&OrderedAlliance> {
        let next = self.get(&document.name, document.version.checked_add(1)?)?;
        (next.document.previous == Some(document.hash())).then_some(next)
    }
}

/// Who has a voice: a partner by its officers, or a key by its signature.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Speaker<'a> {
    Partner(&'a PartnerName),
    Key(PublicKey),
}

impl State {
    /// What was said for authorities on an operation, in the order of application.
    pub fn voices(&self, operation: &RecordId) -> impl Iterator<Item = &Voice> {
        self.words.of(*operation).map(|(_, voice)| voice)
    }

    /// The versions of alliances that were ordered.
    pub fn alliances(&self) -> impl Iterator<Item = &OrderedAlliance> {
        self.alliances.iter()
    }

    /// The root that a partner has now.
    fn root_now(&self, partner: &Partner) -> PublicKey {
        self.root_of(&partner.name).unwrap_or(partner.root)
    }

    /// The version of an alliance that a reference of the charter `charter` means now.
    pub(super) fn in_force<'a>(
        &'a self,
        charter: &'a Charter,
        reference: &'a AllianceReference,
    ) -> &'a AllianceDocument {
        reference.in_force(charter.version, |document| {
            self.alliances.after(document).map(|later| (&later.document, later.charter))
        })
    }

    /// The authorities of a version of the charter, as they stand now: over the keys that stand, alliances in the version that
    /// holds.
    pub fn registry(&self, charter: &Charter) -> Registry {
        self.registry_with(charter, |reference| self.in_force(charter, reference))
    }

    fn registry_with<'a>(
        &self,
        charter: &'a Charter,
        version: impl Fn(&'a AllianceReference) -> &'a AllianceDocument,
    ) -> Registry {
        let successors = self.successors();
        let authorities = charter.authorities(|partner| self.root_now(partner), version);
        Registry::standing(authorities.into_iter().map(|it| successors.authority(it)).collect())
    }

    /// The first that can act by `before` and could not by `after`, whoever signs, and what it would lack.
    pub(super) fn silenced(before: &Registry, after: &Registry) -> Option<(AuthorityName, String)> {
        let already = before.unsatisfiable();
        let mut silenced = after.unsatisfiable().into_iter().filter(|(name, _)| !already.contains_key(name));
        silenced.next().map(|(name, deficit)| (name, deficit.to_string()))
    }

    /// The authority in which an operation waits for a voice of `partner`, and why; none where it does not.
    pub(super) fn asks_for_authority(
        &self,
        partner: &PartnerName,
        operation: &Operation,
    ) -> Option<(AuthorityName, String)> {
        let charter = self.charter_at(operation.charter_version)?;
        let registry = self.registry(charter);
        let root = self.root_now(charter.partner(partner.as_str())?);
        self.mandates_for_officers(charter, operation).into_iter().find_map(|mandate| {
            let authority = registry.get(mandate.needed.as_str())?;
            let has_voice = registry.voices_in(&authority.expression).contains(&root);
            let mut own =
                self.voices(&operation.id).filter(|voice| voice.speaks && voice.partner == *partner);
            let silent = own.all(|voice| voice.authority != mandate.needed);
            (has_voice && silent && mandate.lacks.is_some())
                .then(|| (mandate.needed.clone(), mandate.to_string()))
        })
    }

    pub(super) fn commit_authority(&mut self, said: &Said<'_>, act: &AuthorityAct) {
        match act {
            AuthorityAct::Speak(speak) => self.commit_word(said, speak),
            AuthorityAct::Publish(signed) => self.adopt_alliance(OrderedAlliance {
                document: signed.alliance.clone(),
                record: said.id,
                by: said.partner.clone(),
                index: said.index,
                at: self.time,
                charter: self.last_charter().version,
            }),
        }
    }

    fn commit_word(&mut self, said: &Said<'_>, speak: &Speak) {
        let statement = &speak.statement;
        let id = statement.operation;
        let Some(charter) = self.charter_of(&id) else { return };
        let voice = Voice {
            authority: statement.authority.clone(),
            word: statement.word,
            ground: statement.ground.clone(),
            number: statement.number,
            partner: said.partner.clone(),
            speaks: speak.signatures.0.is_empty(),
            keys: self.operations.get(&id).map(|it| self.new_keys(it, speak)).unwrap_or_default(),
            record: said.id,
            index: said.index,
            at: self.time,
        };
        // What a suspended nation says is no voice: it takes home its own, and nothing that it said before is replaced.
        let nation = charter.partner(statement.authority.as_str()).map(|partner| partner.name.clone());
        let nation = nation.filter(|_| charter.is_national(&statement.authority));
        let ground = Some(statement.ground.clone()).filter(|it| !it.is_empty());
        if let Some(nation) = nation.as_ref().filter(|nation| !self.is_active(nation)) {
            if self.suffices(&charter, &voice) {
                self.take_home(nation, &id, said, ground);
            }
            return;
        }
        let last = self.words.of(id).next_back().map(|(place, _)| place);
        self.adopt_voice(id, last.map_or(0, |place| place.saturating_add(1)), voice);
        // A nation that keeps its own out of it takes home what it has lent.
        if let Some(nation) = nation.filter(|_| matches!(statement.word, Word::Refuse | Word::Recall)) {
            let spoke = |operation: &Operation| {
                let words = self.words_on(&charter, operation);
                words.iter().any(|it| it.authority == statement.authority && it.word == statement.word)
            };
            if self.operations.get(&id).is_some_and(spoke) {
                self.take_home(&nation, &id, said, ground);
            }
        }
    }

    /// The word by which the authority of a nation keeps its own out of an operation, and its log index.
    pub(super) fn keeps_out(&self, nation: &PartnerName, operation: &Operation) -> Option<(Word, u64)> {
        let keeps = |word: Word| matches!(word, Word::Refuse | Word::Recall);
        // Most operations have no such word at all.
        let mut voices = self.words.of(operation.id).map(|(_, voice)| voice);
        voices.find(|voice| voice.authority.as_str() == nation.as_str() && keeps(voice.word))?;
        let charter = self.charter_at(operation.charter_version)?;
        let own = |word: &AuthorityWord| word.authority.as_str() == nation.as_str() && keeps(word.word);
        let word = self.words_on(charter, operation).into_iter().find(own)?;
        Some((word.word, self.records.get(&word.record)?.index))
    }

    /// The keys of a carried statement that have not said as much or more on the operation.
    fn new_keys(&self, operation: &Operation, speak: &Speak) -> Vec<PublicKey> {
        let statement = &speak.statement;
        let is_new = |key: &PublicKey| {
            let mut said = self.words.of(operation.id).map(|(_, voice)| voice);
            !said.any(|voice| {
                voice.authority == statement.authority
                    && voice.number >= statement.number
                    && voice.keys.contains(key)
            })
        };
        speak.signatures.0.iter().map(|by| by.key).filter(is_new).collect()
    }

    /// The partner whose key this is: its root, now or before; else one of its stated authority; else that of a party of its
    /// name, unless an authority here is made of it: who writes an alliance's document may name whatever key it likes.
    fn owner_of<'a>(&self, charter: &'a Charter, key: &PublicKey) -> Option<&'a PartnerName> {
        let has = |authority: &Authority| authority.expression.leaves().contains(&&Expression::Key(*key));
        let root = |partner: &&Partner| {
            self.root_now(partner) == *key || self.former_roots(&partner.name).any(|former| former == *key)
        };
        if let Some(partner) = charter.members().find(root) {
            return Some(&partner.name);
        }
        if charter.authority.authorities.iter().any(has) {
            let states =
                |partner: &&Partner| charter.authority.stated(partner.name.as_str()).is_some_and(has);
            return charter.members().find(states).map(|partner| &partner.name);
        }
        let party = |partner: &&Partner| {
            let name = AuthorityName::from(&partner.name);
            let mut documents = charter.authority.alliances.iter().map(|it| self.in_force(charter, it));
            documents.any(|document| document.parties.get(&name) == Some(key))
        };
        charter.members().find(party).map(|partner| &partner.name)
    }

    pub(super) fn charter_of(&self, operation: &RecordId) -> Option<std::sync::Arc<Charter>> {
        self.charter_at(self.operations.get(operation)?.charter_version).cloned()
    }

    pub(super) fn adopt_voice(&mut self, operation: RecordId, place: u32, voice: Voice) {
        self.tree.put(&Item::Voice(operation, place, Cow::Borrowed(&voice)));
        self.words.0.insert((operation, place), voice);
    }

    pub(super) fn adopt_alliance(&mut self, ordered: OrderedAlliance) {
        self.tree.put(&Item::Alliance(Cow::Borrowed(&ordered)));
        let versions = self.alliances.0.entry(ordered.document.name.clone()).or_default();
        versions.insert(ordered.document.version, ordered);
    }

    /// Gives an overlay what bears on what `held` concerns.
    pub(super) fn overlay_authority(&self, held: &[SignedRecord], overlay: &mut Self) {
        overlay.alliances = self.alliances.clone();
        let named = held.iter().filter_map(|signed| signed.record.act.operation());
        // Who accepts an offer has to know what authorities refuse on its operation.
        for id in named.chain(overlay.operations.ids().copied()).collect::<BTreeSet<_>>() {
            for (place, voice) in self.words.of(id) {
                overlay.records.insert(voice.record, super::Seen { index: voice.index, about: id });
                overlay.words.0.insert((id, place), voice.clone());
            }
        }
    }
}
