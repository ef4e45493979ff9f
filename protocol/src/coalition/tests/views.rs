//! What people see.

use super::*;

#[test]
fn held_records_show_what_they_would_do_and_change_nothing() {
    let mut bench = Bench::four();
    let id = bench.open();
    bench.say("norden", id, Lead, Endorse);
    let root = bench.state.root();
    let fresh = open(&bench.founded, "sudria", "held");
    let fresh_id = fresh.record.id();
    let held = [
        bench.word("sudria", id, Supporting, Endorse),
        bench.word("vigil", id, Supporting, Endorse),
        bench.word("estmark", fresh_id, Supporting, Endorse),
        fresh,
        bench.word("estmark", RecordId::default(), Supporting, Endorse),
    ];
    // The coalition was idle for a day; the next batch will be of today.
    let now = CREATED.plus(4 * HOUR_MS);
    let provisional = bench.state.provisional(&held, now);
    let view = |id| {
        let found = provisional.operations.iter().find(|view| view.id == id);
        found.expect("concerned")
    };
    assert_eq!(view(id).deficit.to_string(), "needs 1 more of supporting: estmark");
    assert_eq!(view(id).attestations[0].index, Some(2));
    assert_eq!(view(id).attestations[1].index, None);
    assert_eq!(view(fresh_id).index, None);
    assert_eq!(view(fresh_id).status, Status::Open);
    assert_eq!(
        view(fresh_id).deficit.to_string(),
        "needs lead: norden; needs 1 more of supporting: sudria; veto by norden not used"
    );
    assert!(matches!(
        provisional.refused.as_slice(),
        [(record, Refusal::RoleNotHeld { .. })] if *record == held[1].record.id()
    ));
    assert_eq!(provisional.waiting, [(held[4].record.id(), RecordId::default())]);
    assert_eq!(bench.state.root(), root);
    // With the last word too, the view says what would be reached, without an index.
    let all = [held[0].clone(), bench.word("estmark", id, Supporting, Endorse)];
    let reached = bench.state.provisional(&all, now).operations.remove(0);
    assert_eq!(reached.status, Status::Agreed);
    assert_eq!(reached.decision.and_then(|decision| decision.decided_by), None);
    assert_eq!(bench.verdict(id), None);
}

#[test]
fn an_operation_is_found_by_a_unique_prefix() {
    let mut bench = Bench::four();
    let id = bench.open();
    let text = id.to_string();
    assert_eq!(bench.state.find_operation(&text[..10]), Ok(id));
    assert_eq!(bench.state.find_operation(&text[3..12]), Ok(id));
    let word = bench.word("sudria", id, Supporting, Endorse);
    bench.apply(&word);
    let word = word.record.id();
    assert_eq!(bench.state.find_record(&word.to_string()[..20]), Ok(word));
    assert!(bench.state.find_operation(&word.to_string()).is_err());
}

#[test]
fn a_refusal_says_what_why_and_what_to_do() {
    let sudria = name("sudria");
    let id = RecordId::default();
    let texts = [
        Refusal::TooManyOpen { partner: sudria.clone(), most: 5 }.to_string(),
        Refusal::Closed { operation: id, verdict: None, since: Time(0) }.to_string(),
        Refusal::Unshowable { what: Part::Caveat }.to_string(),
    ];
    assert_eq!(texts[0], "sudria has 5 operations open, the most allowed; wait until some are decided");
    assert!(texts[1].ends_with("takes no attestations any more: the window ended at 1970-01-01T00:00:00Z"));
    assert_eq!(texts[2], "the caveat is not showable: it has control characters");
    assert_eq!(Refusal::NotYetApplied { awaits: id }.waits_for(), Some(id));
}

#[test]
fn a_slower_lane_and_a_nonce_do_not_change_what_a_record_means() {
    let mut bench = Bench::four();
    let mut context = bench.context("vigil");
    context.feed.lane = Lane::Routine;
    let signed = open(&bench.founded, "norden", "x");
    assert_eq!(bench.state.apply(&context, &Body::Signed(signed.clone())).disposition, Disposition::Applied);
    let mut again = signed.record;
    again.nonce = Nonce([9; 16]);
    let again = again.sign(&key("norden", "officer"));
    assert_eq!(bench.apply(&again).disposition, Disposition::Applied);
    assert_eq!(bench.state.operations().count(), 2);
}
