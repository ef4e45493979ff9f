//! Whose voice an alliance's document counts, from which version of it and of the charter on.

use entente_protocol::authority::{Follow, SignedAlliance};

use super::*;
use crate::sim::members::{found_with_pact, pact_document};

impl Log {
    fn with_pact(follow: Follow) -> Self {
        let (founded, members) = found_with_pact(4, 0, follow);
        Self { affairs: Affairs::new(founded.coalition(), founded.charter()), members, ..Self::new() }
            .of(founded.coalition())
    }

    fn of(self, coalition: entente_protocol::identity::CoalitionId) -> Self {
        Self { coalition, ..self }
    }

    /// The version after the latest: so many of these, signed by those.
    fn document(&self, parties: &[usize], needs: u32, by: &[usize]) -> SignedAlliance {
        let latest = self.affairs.documents.last().map(|(document, _)| document);
        let before = latest.unwrap_or(&self.affairs.charter.authority.alliances[0].alliance);
        let parties = parties.iter().map(|of| (self.name(*of), *of)).collect::<Vec<_>>();
        let mut signed = SignedAlliance::new(pact_document(Some(before), &parties, needs).expect("sound"));
        by.iter().for_each(|of| signed.sign(&root(*of, 0)));
        signed
    }

    fn publishes(&mut self, signed: &SignedAlliance) -> Result<RecordId, String> {
        self.applied(3, Act::Authority(AuthorityAct::Publish(Box::new(signed.clone()))))
    }

    fn closure(&mut self) -> (RecordId, [(RecordId, usize, Role, Stance); 1]) {
        let open =
            Open { kind: "closure".into(), title: "one".into(), body: BTreeMap::new(), precedence: None };
        let operation = self.applied(0, Act::Open(open)).expect("it may");
        let lead = self.attest(0, operation, Role::Lead, ENDORSE).expect("it may");
        (operation, [(lead, 0, Role::Lead, ENDORSE)])
    }
}

#[test]
fn a_version_follows_from_the_one_before_by_the_words_of_both() {
    let mut log = Log::with_pact(Follow::AtOnce);
    let first = log.document(&[2, 3], 2, &[0, 2, 3]);
    let old = log.document(&[2, 3], 2, &[2, 3]);
    Log::refuses(log.publishes(&old), "who had the authority has not signed");
    let new = log.document(&[2, 3], 2, &[0, 1]);
    Log::refuses(log.publishes(&new), "who has the authority then has not signed");
    let mut forged = first.clone();
    forged.signatures.0[0].signature = old.signatures.0[0].signature;
    Log::refuses(log.publishes(&forged), "a signature does not hold");
    log.publishes(&first).expect("both have signed");
    Log::refuses(log.publishes(&first), "not the next version");
    let next = log.document(&[0, 2], 1, &[0, 2, 3]);
    let act = Act::Authority(AuthorityAct::Publish(Box::new(next.clone())));
    let refusal = entente_protocol::coalition::AuthorityRefusal::Document { reason: "no".into() };
    let entry = log.entry(3, &officer(3, 0), act, Disposition::Refused(refusal.into()));
    Log::refuses(log.leaf(&entry), "and it is refused");
    log.publishes(&next).expect("it follows");
}

#[test]
fn a_later_version_counts_at_once_from_the_next_amendment_or_never() {
    let mut at_once = Log::with_pact(Follow::AtOnce);
    let (operation, voices) = at_once.closure();
    Log::refuses(at_once.says(3, "pact", Word::Order, operation, 1), "has no voice");
    let later = at_once.document(&[2, 3], 1, &[0, 1, 2, 3]);
    at_once.publishes(&later).expect("all have signed");
    at_once.says(3, "pact", Word::Order, operation, 1).expect("it has a voice now");
    Log::refuses(at_once.says(0, "pact", Word::Order, operation, 1), "has no voice");
    Log::refuses(at_once.agreed(operation, &voices), "states no mandate");
    for (follow, with_the_next) in [(Follow::NextAmendment, true), (Follow::Pinned, false)] {
        let mut log = Log::with_pact(follow);
        let (operation, voices) = log.closure();
        let later = log.document(&[2, 3], 1, &[0, 1, 2, 3]);
        log.publishes(&later).expect("all have signed");
        Log::refuses(log.says(3, "pact", Word::Order, operation, 1), "has no voice");
        log.says(0, "pact", Word::Order, operation, 1).expect("as before");
        Log::refuses(log.agreed(operation, &voices), "while it is Waits");
        let amendment = joins::joining(&log, 0);
        let proposal = log.applied(0, joins::proposing(&amendment)).expect("it is sound");
        log.admits(proposal, true).expect("it is made");
        log.affairs.begin(2, Time(1));
        Log::refuses(log.says(3, "pact", Word::Order, operation, 1), "has no voice");
        let (next, _) = log.closure();
        let said = log.says(3, "pact", Word::Order, next, 1);
        assert_eq!(said.is_ok(), with_the_next, "{follow}: {said:?}");
    }
}
