//! Attestations that are taken back, and what they are backed with.

use super::*;
use crate::record::{MAX_EVIDENCE, Withdrawal};

fn withdraw(bench: &Bench, partner: &str, operation: RecordId, attestation: RecordId) -> SignedRecord {
    record(&bench.founded, partner, "withdraw", Act::Withdraw(Withdrawal { operation, attestation }))
}

#[test]
fn a_mistake_is_taken_back_and_what_stood_before_it_does_not_stand_again() {
    let mut bench = Bench::four();
    let id = bench.open();
    bench.say("norden", id, Lead, Endorse);
    let first = bench.word("sudria", id, Supporting, Endorse);
    bench.apply(&first);
    let first = first.record.id();
    bench.supersede("sudria", id, Supporting, Object);
    let standing = |bench: &Bench| {
        let operation = bench.state.operation(&id).expect("known");
        operation.standing(&name("sudria")).map(|said| said.record)
    };
    let second = standing(&bench).expect("it stands");
    for (partner, named) in [("estmark", second), ("sudria", first), ("sudria", id)] {
        let wrong = withdraw(&bench, partner, id, named);
        assert!(matches!(
            bench.refusal(&wrong),
            Refusal::Operation(OperationRefusal::NothingToWithdraw { .. })
        ));
    }
    let back = withdraw(&bench, "sudria", id, second);
    assert_eq!(bench.apply(&back).disposition, Disposition::Applied);
    assert_eq!(standing(&bench), None);
    bench.assert_root();
    let view = bench.state.view(&id, bench.state.time()).expect("known");
    assert_eq!(view.attestations[2].withdrawn_by, Some(back.record.id()));
    assert!(!view.attestations[2].counts);
    assert_eq!(bench.deficit(id), "needs 2 of supporting: estmark and sudria");
    // Nothing stands, so nothing is replaced.
    let again = attest(&bench.founded, "sudria", id, Supporting, Endorse, Some(second));
    assert_eq!(bench.refusal(&again), OperationRefusal::Withdrawn { named: second }.into());
    let again = record(
        &bench.founded,
        "sudria",
        "again",
        Act::Attest(Attest {
            operation: id,
            role: Supporting,
            stance: Endorse,
            caveat: None,
            evidence: vec![],
            supersedes: None,
        }),
    );
    assert_eq!(bench.apply(&again).disposition, Disposition::Applied);
    // The state that others take says the same.
    let items = bench.state.items().iter().map(wire::encode).collect::<Vec<_>>();
    let founded = Arc::new(bench.founded.clone());
    let taken = State::of_items(&founded, items.iter().map(Vec::as_slice), &bench.state.root());
    let taken = taken.expect("all items");
    assert_eq!(taken.seen(&back.record.id()).map(|seen| seen.about), Some(id));
    assert_eq!(bench.say("estmark", id, Supporting, Endorse).decisions[0].verdict, Verdict::Agreed);
    let late = withdraw(&bench, "estmark", id, second);
    assert!(matches!(bench.refusal(&late), Refusal::Closed { .. }));
}

#[test]
fn taking_back_an_objection_may_decide_and_waits_for_what_it_names() {
    let rule = OutcomeRule {
        required: vec![Lead],
        veto: Veto { partners: vec![], roles: vec![Supporting] },
        ..OutcomeRule::default()
    };
    let mut bench = Bench::with_rule(rule);
    let id = bench.open();
    let objection = bench.word("sudria", id, Supporting, Object);
    let back = withdraw(&bench, "sudria", id, objection.record.id());
    assert_eq!(bench.apply(&back).disposition, Disposition::Parked { awaits: objection.record.id() });
    let applied = bench.apply(&objection);
    assert_eq!(applied.released[0].disposition, Disposition::Applied);
    assert!(bench.state.view(&id, CREATED).expect("known").deficit.vetoed_by.is_empty());
    bench.say("norden", id, Lead, Endorse);
    assert_eq!(bench.verdict(id), None, "who may veto may still do so");
}

#[test]
fn evidence_and_grounds_are_kept_with_the_outcome_and_bounded() {
    let mut bench = Bench::four();
    let id = bench.open();
    let with = |stance, caveat: Option<&str>, evidence: Vec<Hash>| {
        let caveat = caveat.map(str::to_owned);
        Act::Attest(Attest { operation: id, role: Supporting, stance, caveat, evidence, supersedes: None })
    };
    let mut files = (0..6u8).map(|at| hash("file", &[&[at]])).collect::<Vec<_>>();
    files.sort_unstable();
    let many =
        record(&bench.founded, "sudria", "many", with(Endorse, None, files[..MAX_EVIDENCE + 1].to_vec()));
    assert!(matches!(bench.refusal(&many), Refusal::TooLong { what: Part::Evidence, .. }));
    let twice = record(&bench.founded, "sudria", "twice", with(Endorse, None, vec![files[0], files[0]]));
    assert_eq!(bench.refusal(&twice), OperationRefusal::EvidenceOrder.into());
    let backed = record(&bench.founded, "sudria", "backed", with(Endorse, None, files[..2].to_vec()));
    bench.apply(&backed);
    let refused =
        record(&bench.founded, "estmark", "no", with(Object, Some("no crew rest"), files[..1].to_vec()));
    bench.apply(&refused);
    let decision = bench.advance(CREATED.plus(7 * HOUR_MS)).decisions.remove(0);
    let mut lines = decision.explain();
    lines[2..].sort();
    assert_eq!(
        lines[2..],
        [
            "estmark objects as supporting, on the ground: no crew rest, with evidence",
            "sudria endorses as supporting, with 2 pieces of evidence",
        ]
    );
    assert_eq!(decision.caveats().count(), 0, "a ground binds nobody");
    let said = decision.counted.iter().find(|said| said.partner == name("sudria")).expect("it counts");
    assert_eq!(said.evidence, files[..2]);
}
