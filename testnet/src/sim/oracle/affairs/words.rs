//! Counting again what authorities say, and what prevails.

use std::collections::{BTreeMap, BTreeSet};

use entente_protocol::authority::{AuthorityKind, Decision as Prevails, Expression, Word};
use entente_protocol::charter::{OperationType, PartnerName};
use entente_protocol::coalition::Decision;
use entente_protocol::identity::RecordId;
use entente_protocol::record::{AuthorityAct, Change, Speak};

use super::check::must;
use super::{Affairs, Operation};
use crate::sim::summary::{APPLIED, Count};

/// A partner's voice in what an authority says.
pub(super) struct Voice {
    record: RecordId,
    operation: RecordId,
    authority: String,
    partner: PartnerName,
    word: Word,
    number: u32,
}

/// So many of these partners.
pub(super) fn of_threshold(expression: &Expression) -> Option<(Vec<PartnerName>, usize)> {
    let Expression::Threshold(threshold) = expression else { return None };
    let named = threshold.members.iter().filter_map(|member| match &member.expression {
        Expression::Named(name) => name.as_str().parse().ok(),
        _ => None,
    });
    Some((named.collect(), threshold.needs as usize))
}

impl Affairs {
    /// Who has a voice in an authority, and how many must say the same; a nation has its own.
    fn voices_in(&self, operation: &RecordId, authority: &str) -> Option<(Vec<PartnerName>, usize)> {
        let nation = self.charter.partners.iter().find(|partner| partner.name.as_str() == authority);
        if let Some(nation) = nation {
            return Some((vec![nation.name.clone()], 1));
        }
        let version = self.operations.get(operation)?.version;
        if let Some(document) =
            self.document_in(version).filter(|document| document.name.as_str() == authority)
        {
            return of_threshold(&document.expression);
        }
        let mut stated = self.charter.authority.authorities.iter();
        let stated = stated.find(|stated| stated.name.as_str() == authority)?;
        of_threshold(&stated.expression)
    }

    fn is_nation(&self, authority: &str) -> bool {
        self.charter.partners.iter().any(|partner| partner.name.as_str() == authority)
    }

    pub(super) fn may_speak(&self, partner: &PartnerName, act: &AuthorityAct) -> Result<(), String> {
        let (statement, signatures) = match act {
            AuthorityAct::Speak(Speak { statement, signatures }) => (statement, signatures),
            AuthorityAct::Publish(signed) => return self.may_publish(signed),
        };
        must(signatures.0.is_empty(), || "keys sign nothing in these histories".into())?;
        let operation = self.operation(&statement.operation)?;
        must(!operation.is_over(), || "the operation is over".into())?;
        let name = statement.authority.as_str();
        let (voices, _) = self
            .voices_in(&statement.operation, name)
            .ok_or_else(|| format!("there is no authority {name}"))?;
        must(voices.contains(partner), || format!("{partner} has no voice in {name}"))?;
        let subject = match &operation.change {
            Some(Change::Suspend(subject) | Change::Reinstate(subject) | Change::Expel(subject)) => {
                Some(subject)
            }
            Some(Change::Amend(_)) | None => None,
        };
        must(subject != Some(partner), || format!("{partner} speaks on what concerns itself"))?;
        let (word, national) = (statement.word, self.is_nation(name));
        // A nation lets in again what it has kept out.
        let kept = || matches!(self.word_of(&statement.operation, name), Some(Word::Refuse | Word::Recall));
        let lifts = national && word == Word::Permit && kept();
        let late = operation.verdict.is_some() && word != Word::Recall && !lifts;
        must(!late, || "it was decided before".into())?;
        must(word != Word::Recall || national, || "it is no nation, and recalls".into())?;
        let own = national && matches!(word, Word::Refuse | Word::Recall);
        let needed = self.kind_of(operation)?.authority.as_ref();
        must(own || lifts || needed.is_some(), || "it needs no authority".into())?;
        let orders = national && word == Word::Order && needed.map(|needed| needed.as_str()) != Some(name);
        must(!orders, || "it is not the nation's to order".into())?;
        let said = self.voices.iter().filter(|voice| voice.operation == statement.operation);
        let own = said.filter(|voice| voice.partner == *partner && voice.authority == name);
        let last = own.map(|voice| voice.number).max();
        must(last.is_none_or(|last| last < statement.number), || "it has said something later".into())
    }

    /// What an authority says on an operation, with the voices that have spoken so far.
    fn word_of(&self, operation: &RecordId, authority: &str) -> Option<Word> {
        let mut latest: BTreeMap<&PartnerName, &Voice> = BTreeMap::new();
        let said = self.voices.iter().filter(|it| it.operation == *operation && it.authority == authority);
        for voice in said {
            let held = latest.entry(&voice.partner).or_insert(voice);
            if held.number < voice.number {
                *held = voice;
            }
        }
        let (voices, needs) = self.voices_in(operation, authority)?;
        [Word::Refuse, Word::Recall, Word::Order, Word::Permit].into_iter().find(|word| {
            let say = latest.values().filter(|voice| voice.word == *word && voices.contains(&voice.partner));
            say.count() >= needs
        })
    }

    /// The words that stand on an operation.
    fn words_on(&self, operation: &RecordId) -> BTreeMap<String, Word> {
        let said = self.voices.iter().filter(|voice| voice.operation == *operation);
        let names = said.map(|voice| voice.authority.clone()).collect::<BTreeSet<_>>();
        names.into_iter().filter_map(|name| Some((name.clone(), self.word_of(operation, &name)?))).collect()
    }

    /// What prevails: nations before the coalition's authorities; of one kind a refusal before an order; nothing is allowed before
    /// the authority that is needed has spoken.
    fn prevails(&self, operation: &RecordId, needed: &str) -> Prevails {
        let words = self.words_on(operation);
        let has = |national: bool, word: Word| {
            words.iter().any(|(name, said)| self.is_nation(name) == national && *said == word)
        };
        let decides = [true, false]
            .into_iter()
            .find_map(|national| [Word::Refuse, Word::Order].into_iter().find(|word| has(national, *word)));
        let spoke = words.get(needed).is_some_and(|word| *word != Word::Recall);
        match decides {
            Some(Word::Refuse) => Prevails::Refused,
            _ if !spoke => Prevails::Waits,
            _ => Prevails::Allowed,
        }
    }

    /// Whether all voices are known that a decision rests on.
    pub(super) fn hears(&self, decision: &Decision) -> bool {
        let mut words = decision.mandates.iter().flat_map(|mandate| &mandate.words);
        words.all(|word| self.voices.iter().any(|voice| voice.record == word.record))
    }

    /// A decision states the words that stand, and what prevails lets be what is agreed.
    pub(super) fn states_mandate(
        &self,
        kind: &OperationType,
        operation: &Operation,
        decision: &Decision,
    ) -> Result<(), String> {
        let agreed = decision.verdict.is_agreed();
        let Some(needed) = kind.authority.as_ref().filter(|_| operation.change.is_none()) else {
            return must(decision.mandates.is_empty(), || "it states a mandate, and needs none".into());
        };
        let prevails = self.prevails(&decision.operation, needed.as_str());
        must(!agreed || prevails == Prevails::Allowed, || {
            format!("{needed} is needed, and it is agreed while it is {prevails:?}")
        })?;
        must(!agreed || !decision.mandates.is_empty(), || "it states no mandate".into())?;
        for mandate in &decision.mandates {
            let words = mandate.words.iter().map(|word| (word.authority.to_string(), word.word));
            let (words, stand) = (words.collect::<BTreeMap<_, _>>(), self.words_on(&decision.operation));
            must(words == stand && mandate.ruling.decision == prevails, || {
                format!(
                    "it states {:?} by {words:?}, and {prevails:?} follows from {stand:?}",
                    mandate.ruling
                )
            })?;
            let national =
                |it: &&entente_protocol::coalition::AuthorityWord| it.kind == AuthorityKind::National;
            let named = mandate.words.iter().filter(national).map(|word| word.authority.as_str());
            must(named.clone().all(|name| self.is_nation(name)), || "a nation that is none".into())?;
        }
        Ok(())
    }

    /// A voice is heard; a nation that refuses or recalls takes home what is its own, and nobody else's.
    pub(super) fn speaks(&mut self, partner: PartnerName, record: RecordId, act: AuthorityAct) {
        let statement = match act {
            AuthorityAct::Speak(Speak { statement, .. }) => statement,
            AuthorityAct::Publish(signed) => return self.publishes(signed.alliance),
        };
        let version = self.operations.get(&statement.operation).map_or(0, |operation| operation.version);
        let document = self.document_in(version).filter(|it| it.name == statement.authority);
        let later = document.is_some_and(|document| document.version > 1);
        self.counts.add(Count::Record("word by a later document", APPLIED), u64::from(later));
        let (operation, authority, word) =
            (statement.operation, statement.authority.to_string(), statement.word);
        let number = statement.number;
        // What a suspended nation says is no voice: it takes home its own.
        let suspended = self.members.contains_key(&partner) && partner.as_str() == authority;
        if !suspended {
            self.voices.push(Voice {
                record,
                operation,
                authority: authority.clone(),
                partner,
                word,
                number,
            });
            let keeps = self.is_nation(&authority) && matches!(word, Word::Refuse | Word::Recall);
            if !keeps || self.word_of(&operation, &authority) != Some(word) {
                return;
            }
        }
        for asset in self.assets.values_mut() {
            if asset.owner.as_str() == authority && asset.lent == Some(operation) {
                asset.lent = None;
                self.counts.add(Count::Record("asset taken home", APPLIED), 1);
            }
        }
    }
}
