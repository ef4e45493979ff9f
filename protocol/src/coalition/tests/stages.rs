//! Windows that follow the first, and stand-ins, in the state.

use super::*;
use crate::charter::{Fallback, Lesser, Measure, Substitute, Term, Terms, Threshold};

fn with(fallback: Fallback) -> Bench {
    let at_least = vec![AtLeast { role: Supporting, count: 2 }];
    Bench::with_rule(OutcomeRule { required: vec![Lead], at_least, fallback, ..OutcomeRule::default() })
}

fn closes(bench: &Bench, id: RecordId) -> Time {
    bench.state.operation(&id).expect("known").closes
}

#[test]
fn a_deferred_operation_has_one_further_window_and_then_expires() {
    let mut bench = with(Fallback::Defer);
    let id = bench.open();
    bench.say("norden", id, Lead, Endorse);
    let first = closes(&bench, id);
    assert_eq!(bench.advance(first), Advanced::default());
    assert_eq!(closes(&bench, id), first.plus(6 * HOUR_MS));
    bench.assert_root();
    let view = bench.state.view(&id, first).expect("known");
    assert_eq!((view.status, view.stage), (Status::Open, Stage::Deferred));
    assert!(view.explanation.starts_with("deferred by one further window, until"), "{}", view.explanation);
    let mut late = bench.clone();
    bench.say("sudria", id, Supporting, Endorse);
    let applied = bench.say("estmark", id, Supporting, Endorse);
    assert_eq!(
        (applied.decisions[0].verdict, applied.decisions[0].stage),
        (Verdict::Agreed, Stage::Deferred)
    );
    let decision = late.advance(first.plus(6 * HOUR_MS)).decisions.remove(0);
    assert_eq!((decision.verdict, decision.stage), (Verdict::Expired, Stage::Deferred));
    assert!(decision.explain()[1].starts_with("the further window ended; needs 2 of supporting"));
    assert!(late.state.deadlines().next().is_none());
    late.assert_root();
    // After an outage longer than both windows the further one is whole: whoever was away has a say.
    let mut idle = with(Fallback::Defer);
    let id = idle.open();
    assert_eq!(idle.advance(CREATED.plus(48 * HOUR_MS)).decisions, []);
    assert_eq!(closes(&idle, id), CREATED.plus(54 * HOUR_MS));
    let decisions = idle.advance(CREATED.plus(54 * HOUR_MS)).decisions;
    assert_eq!(
        decisions.iter().map(|it| (it.verdict, it.stage)).collect::<Vec<_>>(),
        [(Verdict::Expired, Stage::Deferred)]
    );
}

#[test]
fn an_escalated_operation_is_decided_by_the_word_of_one_partner_alone() {
    let mut bench = with(Fallback::Escalate(name("sudria")));
    let id = bench.open();
    bench.say("norden", id, Lead, Endorse);
    bench.say("sudria", id, Supporting, Endorse);
    assert_eq!(bench.advance(closes(&bench, id)).decisions, []);
    let view = bench.state.view(&id, bench.state.time()).expect("known");
    assert!(
        view.explanation.starts_with("escalated: the word of sudria decides until"),
        "{}",
        view.explanation
    );
    let late = bench.word("estmark", id, Supporting, Endorse);
    assert_eq!(
        bench.refusal(&late).to_string(),
        "the operation is escalated to sudria: only its word decides now, in a role other than observing"
    );
    // What it said before was said as one of many.
    let mut silent = bench.clone();
    let decision = silent.advance(closes(&silent, id)).decisions.remove(0);
    assert_eq!((decision.verdict, decision.word), (Verdict::Expired, None));
    for (stance, verdict) in [(Endorse, Verdict::Agreed), (Object, Verdict::Failed)] {
        let mut bench = bench.clone();
        let decision = bench.supersede("sudria", id, Supporting, stance).decisions.remove(0);
        assert_eq!((decision.verdict, decision.stage), (verdict, Stage::Escalated));
        assert_eq!(decision.word.as_ref().map(|word| word.stance), Some(stance));
        assert!(decision.explain()[1].contains("the word of sudria decides"), "{:?}", decision.explain());
        assert_eq!(Decision::decode(&decision.encode()).as_ref(), Ok(&decision));
        bench.assert_root();
    }
}

#[test]
fn a_lesser_outcome_is_agreed_with_its_limits() {
    let one = Threshold { role: Some(Supporting), partners: vec![], measure: Measure::Count(1) };
    let all_of = Terms(vec![Term::Threshold(one)]);
    let mut bench = with(Fallback::Lesser(Lesser { limits: "one aircraft".into(), all_of }));
    let (met, unmet) = (bench.open(), bench.open());
    bench.say("sudria", met, Supporting, Endorse);
    let decisions = bench.advance(CREATED.plus(7 * HOUR_MS)).decisions;
    let of = |id| decisions.iter().find(|decision| decision.operation == id).expect("decided");
    assert_eq!(of(unmet).verdict, Verdict::Expired);
    assert_eq!((of(met).verdict, of(met).limits.as_deref()), (Verdict::Limited, Some("one aircraft")));
    assert!(of(met).explain()[0].contains("agreed-with-limits"), "{:?}", of(met).explain());
    assert_eq!(of(met).explain()[2], "agreed is: one aircraft");
}

#[test]
fn a_stand_in_counts_when_the_other_abstains_or_stays_away_and_never_before_that_is_known() {
    let substitutes = vec![Substitute { role: Lead, partner: name("norden"), by: vec![name("vigil")] }];
    let rule = OutcomeRule { required: vec![Lead], substitutes, ..OutcomeRule::default() };
    let mut bench = Bench::with_rule(rule);
    let id = bench.open();
    bench.say("vigil", id, Lead, Endorse);
    assert_eq!(bench.verdict(id), None, "norden may still speak");
    assert_eq!(bench.deficit(id), "norden may still speak until the window ends");
    let mut abstains = bench.clone();
    assert_eq!(abstains.say("norden", id, Lead, Abstain).decisions[0].verdict, Verdict::Agreed);
    let mut objects = bench.clone();
    assert!(objects.say("norden", id, Lead, Object).decisions.is_empty());
    let end = closes(&bench, id);
    assert_eq!(objects.state.advance(end).decisions[0].verdict, Verdict::Expired);
    assert_eq!(bench.advance(end).decisions[0].verdict, Verdict::Agreed);
    let other = bench.open();
    let said = bench.word("sudria", other, Lead, Endorse);
    assert!(matches!(bench.refusal(&said), Refusal::RoleNotHeld { .. }));
}
