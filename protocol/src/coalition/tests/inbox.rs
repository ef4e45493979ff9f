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
