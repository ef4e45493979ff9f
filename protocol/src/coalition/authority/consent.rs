//! What a nation itself consents to: an amendment of what its authority is made of.
//!
//! Guarantees: such an amendment is agreed only with a permission that keys of the nation's authority signed, as it is and as it is
//! to be; whatever the charter's precedence, nobody else's word takes its place. Officers have no voice here: who holds a
//! nation's watch does not thereby hold its authority.

use std::borrow::Cow;

use super::mandate::AuthorityWord;
use super::{Mandate, Voice};
use crate::authority::{self, Registry, prevails};
use crate::charter::{Amendment, AuthorityName, Charter, PartnerName};
use crate::coalition::operation::Operation;
use crate::coalition::state::State;
use crate::record::Change;

impl State {
    /// The version that an amendment builds on, and the nations whose authority it changes. Who is gone is not asked: nobody
    /// speaks for it any more.
    fn nations_changed<'a>(
        &'a self,
        operation: &'a Operation,
    ) -> Option<(&'a Charter, &'a Amendment, Vec<PartnerName>)> {
        let Some(Change::Amend(amendment)) = &operation.change else { return None };
        let next = amendment.authority.as_ref()?;
        let base = self.amended_by(amendment)?;
        let mut nations = base.nations_changed(next);
        nations.retain(|nation| !self.membership(nation).is_gone());
        (!nations.is_empty()).then_some((base, amendment, nations))
    }

    /// If an operation changes the authority of this nation, the versions before and after.
    pub(super) fn changes_authority_of<'a>(
        &'a self,
        nation: &PartnerName,
        operation: &'a Operation,
    ) -> Option<[Cow<'a, Charter>; 2]> {
        let (base, amendment, nations) = self.nations_changed(operation)?;
        nations.contains(nation).then_some(())?;
        Some([Cow::Borrowed(base), Cow::Owned(base.draft(amendment))])
    }

    /// Of each nation whose authority an amendment changes the consent of the old one and that of the new one.
    pub(super) fn consents(&self, operation: &Operation) -> Vec<Mandate> {
        let Some((base, amendment, nations)) = self.nations_changed(operation) else { return Vec::new() };
        let after = base.draft(amendment);
        let versions = [base, &after].map(|version| (version, self.registry(version)));
        let of = |nation: &PartnerName| {
            versions.each_ref().map(|(version, registry)| self.consent(version, registry, operation, nation))
        };
        nations.iter().flat_map(of).collect()
    }

    /// What the consent of this nation to an operation still lacks, in words; none where nothing waits for it.
    pub(in crate::coalition) fn asks_for_consent(
        &self,
        nation: &PartnerName,
        operation: &Operation,
    ) -> Option<String> {
        let versions = self.changes_authority_of(nation, operation)?;
        let consents = versions.each_ref().map(|it| self.consent(it, &self.registry(it), operation, nation));
        consents.iter().find_map(|mandate| mandate.lacks.as_ref().map(|_| mandate.to_string()))
    }

    /// What the keys of a nation's authority by `charter` have signed about an operation.
    fn consent(
        &self,
        charter: &Charter,
        registry: &Registry,
        operation: &Operation,
        nation: &PartnerName,
    ) -> Mandate {
        let needed = AuthorityName::from(nation);
        let signed = |voice: &&Voice| voice.authority == needed && !voice.speaks;
        let voices = self.voices(&operation.id).filter(signed).collect::<Vec<_>>();
        let authority = registry.get(needed.as_str());
        let said = authority.and_then(|authority| {
            let (word, voice) = self.word_of(registry, charter, authority, &voices)?;
            Some((authority, word, voice))
        });
        let heard = said.map(|(authority, word, _)| authority::Said { authority, word });
        let ruling = prevails(&charter.kind_precedence(), &needed, heard.as_slice(), |_| true);
        let words = said.map(|(authority, word, voice)| AuthorityWord {
            authority: needed.clone(),
            kind: authority.kind,
            word,
            ground: voice.ground.clone(),
            record: voice.record,
        });
        let lacks = (ruling.decision == authority::Decision::Waits)
            .then(|| self.lacks(registry, charter, &needed, &voices));
        Mandate { needed, ruling, words: words.into_iter().collect(), lacks }
    }
}
