//! When operations are agreed, fail and expire.

use super::*;

#[test]
fn an_operation_is_agreed_by_the_lead_and_enough_supporters_without_the_observer() {
    let mut bench = Bench::four();
    let id = bench.open();
    assert_eq!(
        bench.deficit(id),
        "needs lead: norden; needs 2 of supporting: estmark and sudria; veto by norden not used"
    );
    assert!(bench.say("sudria", id, Supporting, Endorse).decisions.is_empty());
    assert!(bench.say("norden", id, Lead, Endorse).decisions.is_empty());
    assert_eq!(bench.deficit(id), "needs 1 more of supporting: estmark");
    let applied = bench.say("estmark", id, Supporting, Endorse);
    let [decision] = applied.decisions.as_slice() else {
        panic!("{applied:?}");
    };
    assert_eq!(decision.verdict, Verdict::Agreed);
    assert_eq!(decision.decided_by, Some(bench.index));
    assert_eq!(decision.counted.len(), 3);
    assert_eq!(decision.charter_version, 1);
    assert_eq!(Decision::decode(&decision.encode()).as_ref(), Ok(decision));
    assert!(bench.state.deadlines().next().is_none());
    bench.assert_root();
}

#[test]
fn a_decision_explains_itself_in_words_with_its_caveats() {
    let mut bench = Bench::four();
    let id = bench.open();
    bench.say("norden", id, Lead, Endorse);
    bench.say("sudria", id, Supporting, Endorse);
    let caveat = Attest {
        operation: id,
        role: Supporting,
        stance: Endorse,
        caveat: Some("daylight only".into()),
        evidence: vec![],
        supersedes: None,
    };
    let signed = record(&bench.founded, "estmark", "c", Act::Attest(caveat));
    let decision = bench.apply(&signed).decisions.remove(0);
    assert_eq!(
        decision.caveats().map(|(who, what)| (who.as_str(), what)).collect::<Vec<_>>(),
        [("estmark", "daylight only")]
    );
    let mut lines = decision.explain();
    lines[2..].sort();
    assert_eq!(
        lines,
        [
            "airlift \"corridor op 0\" agreed at 2026-11-24T13:05:10.999Z",
            "every requirement is met",
            "estmark endorses as supporting, with the caveat: daylight only",
            "norden endorses as lead",
            "sudria endorses as supporting",
        ]
    );
}

#[test]
fn a_veto_blocks_while_it_stands_and_fails_the_operation_at_the_end() {
    let rule = OutcomeRule {
        required: vec![Lead],
        at_least: vec![],
        veto: Veto { partners: vec![name("sudria")], roles: vec![] },
        ..OutcomeRule::default()
    };
    let mut bench = Bench::with_rule(rule);
    let id = bench.open();
    bench.say("sudria", id, Supporting, Object);
    assert!(bench.say("norden", id, Lead, Endorse).decisions.is_empty());
    assert_eq!(bench.deficit(id), "blocked by veto of sudria");
    let mut other = bench.clone();
    // It comes to terms: agreed at once, since nobody else could veto.
    let applied = other.supersede("sudria", id, Supporting, Abstain);
    assert_eq!(applied.decisions[0].verdict, Verdict::Agreed);
    // It does not: failed when the window ends.
    let closes = bench.state.operation(&id).expect("known").closes;
    assert!(bench.advance(Time(closes.0 - 1)).decisions.is_empty());
    let decision = bench.advance(closes).decisions.remove(0);
    assert_eq!((decision.verdict, decision.decided_by), (Verdict::Failed, None));
    assert_eq!(decision.deficit.vetoed_by, [name("sudria")]);
    bench.assert_root();
}

#[test]
fn nobody_is_raced_out_of_a_veto_and_silence_delays_but_never_blocks() {
    let rule = OutcomeRule {
        required: vec![Lead],
        at_least: vec![AtLeast { role: Supporting, count: 1 }],
        veto: Veto { partners: vec![name("sudria")], roles: vec![Lead] },
        ..OutcomeRule::default()
    };
    let mut bench = Bench::with_rule(rule);
    let id = bench.open();
    bench.say("norden", id, Lead, Endorse);
    bench.say("estmark", id, Supporting, Endorse);
    assert_eq!(bench.verdict(id), None, "sudria may still veto");
    let view = bench.state.view(&id, bench.state.time()).expect("known");
    assert!(view.explanation.contains("every requirement is met"), "{}", view.explanation);
    assert!(view.explanation.contains("veto by sudria not used"), "{}", view.explanation);
    let mut vetoed = bench.clone();
    vetoed.say("sudria", id, Supporting, Object);
    let closes = vetoed.state.operation(&id).expect("known").closes;
    assert_eq!(vetoed.state.advance(closes).decisions[0].verdict, Verdict::Failed);
    let decision = bench.advance(closes).decisions.remove(0);
    assert_eq!(decision.verdict, Verdict::Agreed);
    assert_eq!(decision.deficit.veto_unused, [name("sudria")]);
    assert!(decision.explain()[1].contains("veto by sudria not used"));
}

#[test]
fn an_unmet_requirement_expires_with_its_deficit() {
    let mut bench = Bench::four();
    let id = bench.open();
    bench.say("norden", id, Lead, Endorse);
    bench.say("estmark", id, Supporting, Abstain);
    let decision = bench.advance(CREATED.plus(7 * HOUR_MS)).decisions.remove(0);
    assert_eq!(decision.verdict, Verdict::Expired);
    assert_eq!(decision.deficit.to_string(), "needs 2 of supporting: estmark (abstains) and sudria");
    assert_eq!(decision.decided_at, CREATED.plus(7 * HOUR_MS));
}

#[test]
fn observers_are_shown_and_never_count() {
    let mut bench = Bench::four();
    let id = bench.open();
    let before = bench.deficit(id);
    bench.say("vigil", id, Observing, Object);
    assert_eq!(bench.deficit(id), before);
    bench.say("norden", id, Lead, Endorse);
    bench.say("sudria", id, Supporting, Endorse);
    let applied = bench.say("estmark", id, Supporting, Endorse);
    assert_eq!(applied.decisions[0].verdict, Verdict::Agreed);
    assert!(applied.decisions[0].counted.iter().all(|said| said.role != Observing));
    let view = bench.state.view(&id, bench.state.time()).expect("known");
    assert_eq!(view.attestations.iter().filter(|said| !said.counts).count(), 1);
    assert_eq!(view.status, Status::Agreed);
}

#[test]
fn a_partner_in_two_roles_has_one_voice() {
    let mut charter = charter(&FOUR);
    charter.operations[0].supporting = vec![name("estmark"), name("norden"), name("sudria")];
    let mut bench = Bench::new(found(charter));
    let id = bench.open();
    bench.say("norden", id, Lead, Endorse);
    bench.say("estmark", id, Supporting, Endorse);
    bench.supersede("norden", id, Supporting, Endorse);
    assert_eq!(bench.verdict(id), None);
    assert_eq!(bench.deficit(id), "needs lead: norden (in another role); needs 1 more of supporting: sudria");
    bench.supersede("norden", id, Lead, Endorse);
    assert_eq!(bench.say("sudria", id, Supporting, Endorse).decisions[0].verdict, Verdict::Agreed);
}

#[test]
fn windows_that_end_together_are_decided_in_a_fixed_order_before_the_batch() {
    let mut bench = Bench::four();
    let first = bench.open();
    bench.advance(CREATED.plus(2000));
    let others = BTreeSet::from([bench.open(), bench.open(), bench.open()]);
    let mut expected = vec![first];
    expected.extend(&others);
    assert_eq!(bench.state.deadlines().map(|(_, id)| id).collect::<Vec<_>>(), expected);
    // A late word in the batch that ends the window comes too late.
    let mut context = bench.context("sudria");
    context.time = CREATED.plus(7 * HOUR_MS);
    let late = Body::Signed(bench.word("sudria", first, Supporting, Endorse));
    let applied = bench.state.apply(&context, &late);
    assert_eq!(applied.decisions.iter().map(|decision| decision.operation).collect::<Vec<_>>(), expected);
    assert!(matches!(
        applied.disposition,
        Disposition::Refused(Refusal::Closed { verdict: Some(Verdict::Expired), .. })
    ));
    assert_eq!(bench.advance(CREATED), Advanced::default(), "time never goes back");
}
