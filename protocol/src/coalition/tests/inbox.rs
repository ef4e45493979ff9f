//! What waits for whom.

use super::*;
use crate::coalition::{CREDENTIALS_SOON_MS, Waits};
use crate::record::{Change, MemberAct, Propose};

pub(super) fn waits(bench: &Bench, partner: &str, now: Time) -> Vec<(Waits, bool)> {
    bench.state.inbox(&name(partner), now).iter().map(|it| (it.what, it.urgent)).collect()
}

#[test]
fn a_word_is_asked_of_those_whose_word_is_missing_and_of_nobody_else() {
    let mut bench = Bench::four();
    let id = bench.open();
    let now = bench.state.time();
    assert_eq!(waits(&bench, "norden", now), [(Waits::Attest, true)]);
    assert_eq!(waits(&bench, "sudria", now), [(Waits::Attest, true)]);
    assert_eq!(waits(&bench, "vigil", now), [], "an observer is asked nothing");
    bench.say("sudria", id, Supporting, Endorse);
    assert_eq!(waits(&bench, "sudria", now), []);
    bench.say("estmark", id, Supporting, Endorse);
    assert_eq!(waits(&bench, "norden", now), [(Waits::Attest, true)]);
    let why = &bench.state.inbox(&name("norden"), now)[0].why;
    assert!(why.starts_with("needs lead: norden"), "{why}");
}

#[test]
fn who_leads_is_told_of_a_veto_and_of_an_end_that_is_near() {
    let mut bench = Bench::with_rule(OutcomeRule {
        required: vec![Supporting],
        at_least: vec![],
        veto: Veto { partners: vec![name("estmark")], roles: vec![] },
        ..OutcomeRule::default()
    });
    let id = bench.open();
    let now = bench.state.time();
    assert_eq!(waits(&bench, "norden", now), []);
    bench.say("sudria", id, Supporting, Endorse);
    assert_eq!(waits(&bench, "estmark", now), [(Waits::Veto, true)]);
    bench.say("estmark", id, Supporting, Object);
    assert_eq!(waits(&bench, "norden", now), [(Waits::Lead, true)]);
    let near = Time(bench.state.operation(&id).expect("open").closes.0 - 1);
    assert_eq!(waits(&bench, "norden", near), [(Waits::Lead, true)]);
    assert_eq!(waits(&bench, "norden", Time(near.0 + 1)), [], "over");
}

#[test]
fn a_partner_is_told_what_is_decided_about_it_and_what_runs_out() {
    let mut bench = Bench::four();
    let propose = Propose {
        kind: "suspension".parse().expect("a name"),
        change: Change::Suspend(name("sudria")),
        reason: "two copies of one node".into(),
    };
    let signed = record(&bench.founded, "norden", "s", Act::Member(MemberAct::Propose(propose)));
    bench.apply(&signed);
    let now = bench.state.time();
    assert_eq!(waits(&bench, "sudria", now), [(Waits::Concerned, true)]);
    for partner in ["norden", "estmark"] {
        bench.say(partner, signed.record.id(), Supporting, Endorse);
    }
    assert_eq!(waits(&bench, "sudria", now), [(Waits::Suspended, true)]);
    let soon = Time(UNTIL.0 - CREDENTIALS_SOON_MS);
    assert_eq!(waits(&bench, "estmark", Time(soon.0 - 1)), []);
    assert_eq!(waits(&bench, "estmark", soon), [(Waits::Credentials, false)]);
    assert_eq!(waits(&bench, "estmark", UNTIL), [(Waits::Credentials, true)]);
}

#[test]
fn what_was_raised_is_urgent() {
    let mut charter = charter(&FOUR);
    let kind = charter.operations.iter_mut().find(|kind| kind.name.as_str() == "airlift").expect("declared");
    (kind.precedence, kind.may_raise) = (Lane::Routine, vec![name("norden")]);
    let mut bench = Bench::new(found(charter));
    let plain = open(&bench.founded, "norden", "plain");
    let mut raised = open(&bench.founded, "norden", "raised").record;
    if let Act::Open(open) = &mut raised.act {
        open.precedence = Some(Lane::Flash);
    }
    let raised = raised.sign(&key("norden", "officer"));
    for (lane, signed) in [(Lane::Routine, &plain), (Lane::Flash, &raised)] {
        assert_eq!(bench.in_lane("norden", lane, signed), Disposition::Applied);
    }
    let inbox = bench.state.inbox(&name("sudria"), bench.state.time());
    let urgent = inbox.iter().map(|it| (it.about, it.urgent)).collect::<Vec<_>>();
    assert_eq!(urgent, [(Some(raised.record.id()), true), (Some(plain.record.id()), false)]);
}

#[test]
fn who_is_suspended_is_asked_nothing_and_the_others_are_told_that_its_word_is_not_to_be_had() {
    let mut bench = Bench::four();
    let id = bench.open();
    bench.suspends("sudria");
    let now = bench.state.time();
    let asked = bench.state.inbox(&name("sudria"), now);
    assert_eq!(asked.iter().map(|it| it.what).collect::<Vec<_>>(), [Waits::Suspended]);
    let why = &bench.state.inbox(&name("estmark"), now)[0].why;
    assert!(why.ends_with("; without a voice now: sudria (suspended)"), "{why}");
    let view = bench.state.view(&id, now).expect("known");
    assert!(view.explanation.ends_with("; without a voice now: sudria (suspended)"), "{}", view.explanation);
}

#[test]
fn a_proposal_that_can_have_no_effect_any_more_asks_nobody_and_says_so() {
    let mut bench = Bench::four();
    let propose = |nonce: &str, kind: &str, change| {
        let propose = Propose { kind: kind.parse().expect("a name"), change, reason: nonce.into() };
        Act::Member(MemberAct::Propose(propose))
    };
    let late = bench.does("norden", "late", propose("late", "suspension", Change::Suspend(name("sudria"))));
    let now = bench.state.time();
    assert!(waits(&bench, "estmark", now).contains(&(Waits::Attest, true)));
    bench.suspends("sudria");
    let view = bench.state.view(&late, now).expect("known");
    let end = "; it can have no effect any more: sudria is suspended";
    assert!(view.explanation.contains(end), "{}", view.explanation);
    assert_eq!(waits(&bench, "estmark", bench.state.time()), []);
}

#[test]
fn who_leads_or_opened_what_is_in_dispute_is_told() {
    let mut bench = super::disputes::court(|_| {});
    let id = bench.agreed();
    let dispute = bench.does("estmark", "d", super::disputes::disputes(id));
    let now = bench.state.time();
    let told = bench.state.inbox(&name("norden"), now);
    let told = told.iter().filter(|it| it.what == Waits::Disputed).map(|it| it.about).collect::<Vec<_>>();
    assert_eq!(told, [Some(dispute)]);
    for judge in &bench.state.dispute(&dispute).expect("open").panel {
        let asked = waits(&bench, judge.as_str(), now);
        assert!(asked.contains(&(Waits::Judge, false)), "{judge}: {asked:?}");
    }
}
