//! What a record about authorities needs to be applied.

use super::{AuthorityRefusal, MAX_ALLIANCE_VERSIONS, MAX_WORDS_PER_PARTNER};
use crate::authority::{SignedAlliance, Word};
use crate::charter::{AuthorityName, OperationType, PartnerName};
use crate::coalition::judge::Judgement;
use crate::coalition::member::MemberRefusal;
use crate::coalition::refusal::{Part, Refusal};
use crate::coalition::state::State;
use crate::record::{AuthorityAct, Speak};
use crate::time::Time;

/// What needs no state: bounds of texts.
pub(in crate::coalition) fn check(act: &AuthorityAct) -> Result<(), Refusal> {
    let AuthorityAct::Speak(speak) = act else { return Ok(()) };
    let statement = &speak.statement;
    Part::Ground.check(&statement.ground)?;
    if statement.ground.is_empty() && matches!(statement.word, Word::Refuse | Word::Recall) {
        return Err(AuthorityRefusal::NoGround { word: statement.word }.into());
    }
    Ok(())
}

impl State {
    pub(in crate::coalition) fn judge_authority(
        &self,
        partner: &PartnerName,
        act: &AuthorityAct,
        now: Time,
    ) -> Result<Judgement, Refusal> {
        match act {
            AuthorityAct::Speak(speak) => self.judge_voice(partner, speak, now),
            AuthorityAct::Publish(signed) => self.judge_alliance(signed).map(|()| Judgement::Apply),
        }
    }

    fn judge_voice(&self, partner: &PartnerName, speak: &Speak, now: Time) -> Result<Judgement, Refusal> {
        let statement = &speak.statement;
        let operation = match self.named_operation(statement.operation)? {
            Ok(operation) => operation,
            Err(wait) => return Ok(wait),
        };
        let Some(charter) = self.charter_at(operation.charter_version) else {
            return Err(Refusal::UndeclaredType { kind: operation.open.kind.clone() });
        };
        if operation.concerns() == Some(partner) {
            return Err(MemberRefusal::OwnCause { partner: partner.clone() }.into());
        }
        let name = &statement.authority;
        let subject = operation.concerns();
        // Nobody speaks for a nation that is no member any more, nor for the one that it is about. One that is suspended takes
        // home what is its own.
        let nation = charter.partner(name.as_str()).filter(|_| charter.is_national(name));
        let require = |owner: &PartnerName| {
            let takes_home = statement.word == Word::Recall && nation.is_some_and(|it| it.name == *owner);
            if takes_home { self.require_member(owner) } else { self.require_active(owner) }
        };
        if let Some(nation) = nation {
            require(&nation.name)?;
            if subject == Some(&nation.name) {
                return Err(MemberRefusal::OwnCause { partner: nation.name.clone() }.into());
            }
        }
        let registry = self.registry(charter);
        let Some(authority) = registry.get(name.as_str()) else {
            let known = registry.authorities().iter().map(|authority| authority.name.clone()).collect();
            return Err(AuthorityRefusal::Unknown { name: name.clone(), known }.into());
        };
        let word = statement.word;
        let national = charter.is_national(name);
        if word == Word::Recall && !national {
            return Err(AuthorityRefusal::NotANation { authority: name.clone() }.into());
        }
        if let Some((_, since)) = operation.over() {
            return Err(AuthorityRefusal::Over { operation: operation.id, since }.into());
        }
        // A nation that has kept its own out may let it in again as long as there is an operation.
        let lifts = national
            && word == Word::Permit
            && nation.is_some_and(|nation| self.keeps_out(&nation.name, operation).is_some());
        if word != Word::Recall && !lifts {
            let decided = operation.decision.as_ref().map(|decision| decision.decided_at);
            if let Some(since) = decided.or_else(|| (operation.closes <= now).then_some(operation.closes)) {
                return Err(AuthorityRefusal::Decided { operation: operation.id, word, since }.into());
            }
        }
        let kind = charter.kind(&operation.open.kind);
        let after = operation.kind_after();
        let asks = |kind: &OperationType, of: &dyn Fn(&AuthorityName) -> bool| {
            kind.authority.iter().chain(kind.rule.fallback.authority()).any(of)
        };
        let needs = kind.into_iter().chain(after).any(|kind| asks(kind, &|_| true));
        let own = national && matches!(word, Word::Refuse | Word::Recall);
        let speaks = speak.signatures.0.is_empty();
        let needed = kind.into_iter().chain(after).any(|kind| asks(kind, &|asked| asked == name));
        let changed = nation.and_then(|nation| self.changes_authority_of(&nation.name, operation));
        let consents = changed.is_some() && word == Word::Permit;
        if consents && !needed && !lifts && speaks {
            return Err(AuthorityRefusal::ByKeys { authority: name.clone() }.into());
        }
        if !needs && !own && !lifts && !consents {
            let kind = kind.map(|kind| kind.name.clone());
            let kind = kind.ok_or_else(|| Refusal::UndeclaredType { kind: operation.open.kind.clone() })?;
            return Err(AuthorityRefusal::NotNeeded { kind }.into());
        }
        if national && word == Word::Order && !needed {
            return Err(AuthorityRefusal::NotToOrder { authority: name.clone() }.into());
        }
        let mut voices = registry.voices_in(&authority.expression);
        // Of an authority that an amendment makes other keys have a voice.
        for version in changed.iter().flatten() {
            let registry = self.registry(version);
            let authority = registry.get(name.as_str());
            voices.extend(authority.into_iter().flat_map(|it| registry.voices_in(&it.expression)));
        }
        let said =
            || self.words.of(operation.id).map(|(_, voice)| voice).filter(|voice| voice.authority == *name);
        if speaks {
            let root = charter.partner(partner.as_str()).map(|partner| self.root_now(partner));
            if root.is_none_or(|root| !voices.contains(&root)) {
                return Err(
                    AuthorityRefusal::NoVoice { partner: partner.clone(), authority: name.clone() }.into()
                );
            }
            let own = said().filter(|voice| voice.speaks && voice.partner == *partner);
            if let Some(last) = own.map(|voice| voice.number).max().filter(|last| *last >= statement.number) {
                return Err(AuthorityRefusal::Older { partner: partner.clone(), last }.into());
            }
        }
        // Whose keys they are is cheaper to ask than whether they signed.
        let successors = self.successors();
        for by in &speak.signatures.0 {
            // A nation keeps its own out of it whatever others hold against its keys.
            if !own {
                self.heed_quarantine(&by.key)?;
            }
            let owner = self.owner_of(charter, &by.key);
            owner.map_or(Ok(()), require)?;
            // A root that gave way signs nothing any more, wherever it still stands.
            if !voices.contains(&by.key)
                || successors.gave_way(&by.key)
                || (owner.is_some() && owner == subject)
            {
                return Err(AuthorityRefusal::Stranger { key: by.key, authority: name.clone() }.into());
            }
        }
        statement
            .signers(self.founded.coalition(), &speak.signatures)
            .map_err(|error| AuthorityRefusal::Signatures { reason: error.to_string() })?;
        // Somebody may have carried a part of the signatures before: what is new counts.
        if let Some(by) = speak.signatures.0.first()
            && self.new_keys(operation, speak).is_empty()
        {
            let last = said().filter(|voice| voice.keys.contains(&by.key)).map(|voice| voice.number).max();
            return Err(AuthorityRefusal::Number { key: by.key, last: last.unwrap_or(0) }.into());
        }
        let own = self.words.of(operation.id).filter(|(_, voice)| voice.partner == *partner).count();
        if own >= MAX_WORDS_PER_PARTNER {
            let most = MAX_WORDS_PER_PARTNER as u64;
            return Err(AuthorityRefusal::TooMany { partner: partner.clone(), most }.into());
        }
        Ok(Judgement::Apply)
    }

    fn judge_alliance(&self, signed: &SignedAlliance) -> Result<(), Refusal> {
        let document = &signed.alliance;
        let (name, version) = (&document.name, document.version);
        let charter = self.last_charter();
        let Some(reference) = charter.authority.alliance(name) else {
            return Err(AuthorityRefusal::NotReferred { name: name.clone() }.into());
        };
        let known = |document| AuthorityRefusal::VersionKnown {
            name: name.clone(),
            version,
            same: document == signed.alliance.hash(),
        };
        if let Some(ordered) = self.alliances.get(name, version) {
            return Err(known(ordered.document.hash()).into());
        }
        if reference.alliance.version >= version {
            let same = reference.alliance.version > version || reference.alliance.hash() == document.hash();
            return Err(AuthorityRefusal::VersionKnown { name: name.clone(), version, same }.into());
        }
        let named = Some(&reference.alliance).filter(|named| named.version + 1 == version);
        let ordered = self.alliances.get(name, version - 1).map(|ordered| &ordered.document);
        let before = named.or(ordered);
        let Some(before) = before else {
            let ordered = self.alliances.iter().filter(|ordered| ordered.document.name == *name);
            let latest = ordered.map(|ordered| ordered.document.version).max().unwrap_or(0);
            let latest = latest.max(reference.alliance.version);
            return Err(AuthorityRefusal::Gap { name: name.clone(), version, latest }.into());
        };
        let refused = |reason: String| AuthorityRefusal::Document { reason };
        signed.signatures.0.iter().try_for_each(|by| self.heed_quarantine(&by.key))?;
        signed
            .verify_now(Some(before), &self.successors())
            .and_then(|()| Ok(document.by_keys().check()?))
            .map_err(|error| refused(error.to_string()))?;
        let with = self.registry_with(charter, |it| match it.alliance.name == *name {
            true => document,
            false => self.in_force(charter, it),
        });
        if let Some((name, deficit)) = Self::silenced(&self.registry(charter), &with) {
            return Err(refused(format!("{name} could never act with it: {deficit}")).into());
        }
        if self.alliances.count(name) >= MAX_ALLIANCE_VERSIONS {
            let most = MAX_ALLIANCE_VERSIONS as u64;
            return Err(AuthorityRefusal::TooManyVersions { name: name.clone(), most }.into());
        }
        Ok(())
    }
}
