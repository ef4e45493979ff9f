//! Counting again which version of an alliance's document holds for which version of the charter.

use std::collections::BTreeSet;

use entente_protocol::authority::{AllianceDocument, Follow, SignedAlliance};
use entente_protocol::identity::{Hash, PublicKey};
use entente_protocol::wire;

use super::super::evidence::{hashed, is_signed};
use super::Affairs;
use super::check::must;
use super::words::of_threshold;

pub(super) fn hash_of(document: &AllianceDocument) -> Hash {
    Hash(hashed("entente/alliance/v1", &[&wire::encode(document)]))
}

/// Whether enough of the parties of a document, whose keys are `now` others, are among the signers.
fn satisfies(
    document: &AllianceDocument,
    signers: &BTreeSet<PublicKey>,
    now: impl Fn(&PublicKey) -> PublicKey,
) -> bool {
    of_threshold(&document.expression).is_some_and(|(names, needs)| {
        let key = |name: &str| document.parties.iter().find(|(party, _)| party.as_str() == name);
        let signed = names
            .iter()
            .filter(|name| key(name.as_str()).is_some_and(|(_, key)| signers.contains(&now(key))));
        signed.count() >= needs
    })
}

impl Affairs {
    fn latest_document(&self) -> Option<&AllianceDocument> {
        let named = self.charter.authority.alliances.first().map(|reference| &reference.alliance);
        self.documents.last().map(|(document, _)| document).or(named)
    }

    /// The version that holds for operations opened under that version of the charter, as far as the log goes.
    pub(super) fn document_in(&self, version: u32) -> Option<&AllianceDocument> {
        let reference = self.charter.authority.alliances.first()?;
        let holds = |known_under: &u32| match reference.follow {
            Follow::AtOnce => true,
            Follow::NextAmendment => *known_under < version,
            Follow::Pinned => false,
        };
        let later = self.documents.iter().take_while(|(_, known_under)| holds(known_under)).last();
        Some(later.map_or(&reference.alliance, |(document, _)| document))
    }

    /// Whether this is the next version, with the signatures of enough of those who had the authority and of those who have it.
    pub(super) fn may_publish(&self, signed: &SignedAlliance) -> Result<(), String> {
        let document = &signed.alliance;
        let before = self.latest_document().ok_or("no charter refers to an alliance here")?;
        must(document.name == before.name, || "it is of another alliance".into())?;
        must(document.version == before.version + 1, || "it is not the next version".into())?;
        must(document.previous == Some(hash_of(before)), || "it follows from another version".into())?;
        let message = hash_of(document);
        let now = |key: &PublicKey| self.keys.in_place_of(key);
        let mut signers = BTreeSet::new();
        for by in &signed.signatures.0 {
            let signature = by.signature.as_ed25519();
            let holds = is_signed("entente/alliance-signature/v1", message.as_bytes(), &by.key, signature);
            must(holds, || "a signature does not hold".into())?;
            // A root that gave way signs nothing here.
            if now(&by.key) != by.key {
                continue;
            }
            let party = |document: &AllianceDocument| document.parties.values().any(|key| now(key) == by.key);
            must(party(document) || party(before), || "a stranger has signed".into())?;
            signers.insert(by.key);
        }
        must(satisfies(document, &signers, now), || "who has the authority then has not signed".into())?;
        must(satisfies(before, &signers, now), || "who had the authority has not signed".into())
    }

    pub(super) fn publishes(&mut self, document: AllianceDocument) {
        let known_under = self.last().version;
        self.documents.push((document, known_under));
    }
}
