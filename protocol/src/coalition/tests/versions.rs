//! The charter changes by agreement alone, at an epoch's boundary, and never under a running operation.

use super::*;
use crate::charter::{Amendment, AmendmentError, OperationType};
use crate::coalition::MemberRefusal;
use crate::record::{Change, MemberAct, Propose};

/// What leads from the charter in force to one in which `change` was made.
fn amendment(bench: &Bench, change: impl FnOnce(&mut Vec<OperationType>)) -> Amendment {
    let mut wanted = Charter::clone(bench.state.charter());
    change(&mut wanted.operations);
    wanted.sort();
    bench.state.charter().amendment_to(&wanted).expect("a sound change")
}

fn airlift(kinds: &mut [OperationType]) -> &mut OperationType {
    kinds.iter_mut().find(|kind| kind.name.as_str() == "airlift").expect("declared")
}

fn propose(amendment: Amendment) -> Act {
    Act::Member(MemberAct::Propose(Propose {
        kind: "amendment".parse().expect("a name"),
        change: Change::Amend(Box::new(amendment)),
        reason: "the corridor is open longer".into(),
    }))
}

impl Bench {
    fn proposed(&mut self, nonce: &str, amendment: Amendment) -> RecordId {
        let signed = record(&self.founded, "norden", nonce, propose(amendment));
        assert_eq!(self.apply(&signed).disposition, Disposition::Applied);
        self.assert_root();
        signed.record.id()
    }

    fn endorsed(&mut self, operation: RecordId, by: &[&str]) {
        for partner in by {
            self.say(partner, operation, Supporting, Endorse);
        }
        self.assert_root();
    }

    fn amendment_refusal(&mut self, nonce: &str, amendment: Amendment) -> AmendmentError {
        let signed = record(&self.founded, "norden", nonce, propose(amendment));
        match self.refusal(&signed) {
            Refusal::Member(MemberRefusal::Amendment(error)) => error,
            other => panic!("{other}"),
        }
    }
}

#[test]
fn an_amendment_is_in_force_from_the_next_batch_on_and_a_running_operation_keeps_its_version() {
    let mut bench = Bench::four();
    let running = bench.open();
    let longer = amendment(&bench, |kinds| airlift(kinds).window_ms = 12 * HOUR_MS);
    assert_eq!(longer.explain(bench.state.charter()), ["airlift: window 6 h -> 12 h"]);
    let proposal = bench.proposed("a", longer.clone());
    bench.endorsed(proposal, &["norden", "estmark"]);
    assert_eq!(bench.deficit(proposal), "needs 1 more of supporting: sudria or vigil");
    bench.endorsed(proposal, &["vigil"]);
    let operation = bench.state.operation(&proposal).expect("known");
    assert_eq!(
        (operation.decision.as_ref().map(|it| it.verdict), operation.changed),
        (Some(Verdict::Agreed), Some(true))
    );
    // The batch that decided is judged by one version.
    assert_eq!(bench.state.charter().version, 1);
    bench.state.begin_batch();
    bench.assert_root();
    let charter = Arc::clone(bench.state.charter());
    assert_eq!((charter.version, charter.previous), (2, Some(bench.founded.charter().hash())));
    assert_eq!(charter.hash(), longer.result);
    let next = bench.open();
    let window = |id| {
        let operation = bench.state.operation(&id).expect("known");
        (operation.charter_version, operation.closes.0 - operation.opened_at.0)
    };
    assert_eq!((window(running), window(next)), ((1, 6 * HOUR_MS), (2, 12 * HOUR_MS)));
    // A copy of the state has the same versions.
    let items = bench.state.items().iter().map(|item| item.encode()).collect::<Vec<_>>();
    let founded = Arc::new(bench.founded.clone());
    let copy =
        State::of_items(&founded, items.iter().map(Vec::as_slice), &bench.state.root()).expect("items");
    assert_eq!(copy.charter(), bench.state.charter());
}

#[test]
fn a_running_operation_is_decided_by_the_rule_that_it_began_under() {
    let mut bench = Bench::four();
    let running = bench.open();
    let alone = amendment(&bench, |kinds| airlift(kinds).rule.at_least.clear());
    let proposal = bench.proposed("a", alone);
    bench.endorsed(proposal, &["norden", "estmark", "vigil"]);
    bench.state.begin_batch();
    let next = bench.open();
    bench.say("norden", running, Lead, Endorse);
    assert_eq!(bench.verdict(running), None, "it still needs the lift nations");
    bench.say("norden", next, Lead, Endorse);
    assert_eq!(bench.verdict(next), Some(Verdict::Agreed));
}

#[test]
fn of_two_amendments_of_one_version_one_is_made() {
    let mut bench = Bench::four();
    let longer = amendment(&bench, |kinds| airlift(kinds).window_ms = 12 * HOUR_MS);
    let shorter = amendment(&bench, |kinds| airlift(kinds).window_ms = HOUR_MS);
    let (first, second) = (bench.proposed("a", longer), bench.proposed("b", shorter.clone()));
    bench.endorsed(second, &["norden", "estmark"]);
    bench.endorsed(first, &["norden", "estmark", "vigil"]);
    bench.endorsed(second, &["vigil"]);
    let changed = |id| bench.state.operation(&id).expect("known").changed;
    assert_eq!((changed(first), changed(second)), (Some(true), Some(false)));
    bench.state.begin_batch();
    assert_eq!(bench.state.charter().kind("airlift").expect("declared").window_ms, 12 * HOUR_MS);
    assert!(matches!(bench.amendment_refusal("c", shorter), AmendmentError::OtherVersion { version: 2, .. }));
}

#[test]
fn who_changes_the_rule_of_amendments_must_satisfy_the_new_one_too() {
    let mut bench = Bench::four();
    let all = amendment(&bench, |kinds| {
        let kind = kinds.iter_mut().find(|kind| kind.name.as_str() == "amendment").expect("declared");
        kind.rule.at_least[0].count = 4;
    });
    let proposal = bench.proposed("a", all);
    bench.endorsed(proposal, &["norden", "estmark", "vigil"]);
    assert_eq!(bench.verdict(proposal), None, "three satisfy the old rule and not the new one");
    bench.endorsed(proposal, &["sudria"]);
    assert_eq!(bench.verdict(proposal), Some(Verdict::Agreed));
    let decision = bench.state.operation(&proposal).and_then(|it| it.decision.clone()).expect("decided");
    assert!(decision.by_new_rule);
}

#[test]
fn an_amendment_that_cannot_work_is_refused_before_anyone_attests_to_it() {
    let mut bench = Bench::four();
    let sound = amendment(&bench, |kinds| airlift(kinds).window_ms = 12 * HOUR_MS);
    let mut impossible = sound.clone();
    impossible.put[0].lead.clear();
    let founded = bench.founded.charter();
    let Err(AmendmentError::OtherResult { found, .. }) = founded.amended(&impossible) else {
        panic!("the result differs");
    };
    impossible.result = found;
    assert!(matches!(bench.amendment_refusal("a", impossible), AmendmentError::Lint { .. }));
    let stated = hash("test/other", &[]);
    let other = Amendment { result: stated, ..sound.clone() };
    assert_eq!(
        bench.amendment_refusal("b", other),
        AmendmentError::OtherResult { found: sound.result, stated }
    );
    let nothing = Amendment { put: vec![], ..sound.clone() };
    assert!(matches!(bench.amendment_refusal("c", nothing), AmendmentError::Malformed { .. }));
    let unknown = Amendment { remove: vec!["convoy".parse().expect("a name")], ..sound };
    assert!(matches!(bench.amendment_refusal("d", unknown), AmendmentError::Malformed { .. }));
    let charter = Charter::clone(bench.state.charter());
    assert_eq!(charter.amendment_to(&charter), Err(AmendmentError::Same));
    let faster = Charter { step_ms: 1, ..charter.clone() };
    assert_eq!(charter.amendment_to(&faster), Err(AmendmentError::Unchangeable { what: "step_ms".into() }));
}
