//! Claims about the state machine. The oracles below judge by the words of the documentation and share no code with
//! the predicates that they check.

mod accessions;
mod assets;
mod attacks;
mod authority;
mod claims;
mod disputes;
mod duties;
mod escalation;
mod everything;
mod evidence;
mod handoffs;
mod inbox;
mod integrity;
mod joins;
mod keys;
mod leases;
mod members;
mod order;
mod outcomes;
mod refusals;
mod roles;
mod snapshot;
mod stages;
mod story;
mod told;
mod versions;
mod views;
mod withdrawals;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::map::tests::naive_root;
use super::rng::Rng;
use super::snapshot::part_hash;
use super::*;
use crate::charter::{AtLeast, Charter, OutcomeRule, Veto};
use crate::feed::{Branch, ForkProof, Lane};
use crate::founding::Founded;
use crate::founding::fixture::{
    CREATED, FOUR, UNTIL, attest, charter, found, four, key, name, node_feed, open, record, stranger,
};
use crate::identity::{CoalitionId, Hash, RecordId, hash};
use crate::record::{Act, Attest, Body, Change, Due, Nonce, Open, Record, Role, SignedRecord, Stance};
use crate::time::Time;
use crate::wire;

const HOUR_MS: u64 = 3_600_000;

/// A state and the next index.
#[derive(Clone)]
struct Bench {
    founded: Founded,
    state: State,
    index: u64,
}

impl Bench {
    fn new(founded: Founded) -> Self {
        let mut state = State::genesis(&founded);
        state.advance(CREATED.plus(1000));
        Self { founded, state, index: 0 }
    }

    fn four() -> Self {
        Self::new(four())
    }

    /// With a rule of its own for the type `airlift`.
    fn with_rule(rule: OutcomeRule) -> Self {
        let mut charter = charter(&FOUR);
        charter.operations[0].rule = rule;
        charter.sort();
        Self::new(found(charter))
    }

    fn context(&mut self, carrier: &str) -> ApplyContext {
        self.index += 1;
        ApplyContext {
            index: self.index,
            epoch: 1,
            time: self.state.time(),
            feed: node_feed(carrier),
            length: self.index,
            hash: hash("test/entry", &[&self.index.to_le_bytes()]),
        }
    }

    fn apply_body(&mut self, body: &Body) -> Applied {
        let context = self.context("norden");
        let applied = self.state.apply_bytes(&context, &body.encode());
        applied.decisions.iter().for_each(|decision| self.assert_proves(decision));
        applied
    }

    /// Goes on to `time`.
    fn advance(&mut self, time: Time) -> Advanced {
        let advanced = self.state.advance(time);
        advanced.decisions.iter().for_each(|decision| self.assert_proves(decision));
        advanced
    }

    /// Who has a decision and the charter that it names finds nothing wrong with it.
    fn assert_proves(&self, decision: &Decision) {
        let versions = (1..=self.state.last_charter().version).filter_map(|version| {
            let charter = self.state.charter_at(version)?;
            (self.state.charter_hash(version) == decision.charter).then_some(charter)
        });
        let operation = self.state.operation(&decision.operation);
        let drafted = match operation.and_then(|operation| operation.change.as_ref()) {
            Some(Change::Amend(amendment)) if decision.by_new_rule => self.state.drafted(amendment),
            _ => None,
        };
        for charter in versions.map(|charter| &**charter).chain(&drafted) {
            assert_eq!(decision.check(charter), Ok(()), "{}", decision.explain().join("\n"));
        }
    }

    fn apply(&mut self, signed: &SignedRecord) -> Applied {
        self.apply_body(&Body::Signed(signed.clone()))
    }

    /// Brings a copy of the items up to date, and gives the state that is made of it alone: it knows no more than what stands under
    /// the root.
    fn copied(&mut self, copy: &mut BTreeMap<Hash, Vec<u8>>) -> State {
        for (key, bytes) in self.state.take_changes().items {
            match bytes {
                Some(bytes) => drop(copy.insert(key, bytes)),
                None => drop(copy.remove(&key)),
            }
        }
        let root = self.state.root();
        assert_eq!(part_hash(copy.values().map(Vec::as_slice)), Some(root));
        let items = copy.values().map(Vec::as_slice);
        State::of_items(&Arc::new(self.founded.clone()), items, &root).expect("whole")
    }

    fn refusal(&mut self, signed: &SignedRecord) -> Refusal {
        let checked = self.state.check(signed, self.state.time());
        match self.apply(signed).disposition {
            Disposition::Refused(refusal) => {
                assert_eq!(checked, Err(refusal.clone()), "check and apply disagree");
                refusal
            }
            other => panic!("{other:?}"),
        }
    }

    fn open(&mut self) -> RecordId {
        let signed = open(&self.founded, "norden", &format!("op {}", self.index));
        assert_eq!(self.apply(&signed).disposition, Disposition::Applied);
        signed.record.id()
    }

    fn word(&self, partner: &str, operation: RecordId, role: Role, stance: Stance) -> SignedRecord {
        attest(&self.founded, partner, operation, role, stance, None)
    }

    fn say(&mut self, partner: &str, operation: RecordId, role: Role, stance: Stance) -> Applied {
        let signed = self.word(partner, operation, role, stance);
        let applied = self.apply(&signed);
        assert_eq!(applied.disposition, Disposition::Applied);
        applied
    }

    fn supersede(&mut self, partner: &str, operation: RecordId, role: Role, stance: Stance) -> Applied {
        let current = self
            .state
            .operation(&operation)
            .and_then(|operation| operation.standing(&name(partner)))
            .map(|said| said.record);
        let signed = attest(&self.founded, partner, operation, role, stance, current);
        let applied = self.apply(&signed);
        assert_eq!(applied.disposition, Disposition::Applied);
        applied
    }

    fn deficit(&self, operation: RecordId) -> String {
        let view = self.state.view(&operation, self.state.time()).expect("known");
        view.deficit.to_string()
    }

    fn verdict(&self, operation: RecordId) -> Option<Verdict> {
        let operation = self.state.operation(&operation).expect("known");
        operation.decision.as_ref().map(|decision| decision.verdict)
    }

    fn assert_root(&self) {
        // By the words of the documentation, over all that there is.
        let items = self.state.items();
        let pairs = items.iter().map(|item| {
            let key = hash("entente/state/key/v1", &[&wire::encode(&item.id())]);
            (key.0, hash("entente/state/item/v1", &[&wire::encode(item)]).0)
        });
        assert_eq!(self.state.root(), naive_root(&pairs.collect()));
    }
}

use Role::{Lead, Observing, Supporting};
use Stance::{Abstain, Endorse, Object};
