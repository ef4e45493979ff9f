//! What who leads, who has a vote and who has the watch are told.

use super::assets::{contribute, declare, recall};
use super::inbox::waits;
use super::integrity::{confirm, matter, report_of, vote};
use super::members::propose;
use super::*;
use crate::charter::{IntegrityRules, Response};
use crate::coalition::Waits;
use crate::identity::PublicKey;
use crate::record::{Control, EventKind, HandoffAct, Measure, MemberAct, Watch};

const DAY_MS: u64 = 86_400_000;

fn why(bench: &Bench, partner: &str, what: Waits, now: Time) -> Option<String> {
    bench.state.inbox(&name(partner), now).into_iter().find(|it| it.what == what).map(|it| it.why)
}

#[test]
fn who_leads_is_told_what_was_taken_home_and_that_it_is_to_conclude() {
    let mut bench = Bench::four();
    let asset = bench.does("sudria", "1", declare("lift-7"));
    let operation = bench.agreed();
    bench.does("sudria", "2", contribute(asset, operation, Control::Owner));
    let now = bench.state.time();
    let view = bench.state.view(&operation, now).expect("known");
    assert_eq!(view.assets.iter().map(|it| it.name.as_str()).collect::<Vec<_>>(), ["lift-7"]);
    assert_eq!(waits(&bench, "norden", now), []);
    bench.does("sudria", "3", recall(asset));
    assert_eq!(waits(&bench, "norden", bench.state.time()), [(Waits::Recalled, true)]);
    let told = why(&bench, "norden", Waits::Recalled, now).expect("told");
    assert!(
        told.starts_with("sudria has taken lift-7 home at 2026-") && told.ends_with(": needed at home"),
        "{told}"
    );
    assert_eq!(waits(&bench, "sudria", bench.state.time()), [], "it knows");
    // A day after that it is an operation that nobody has concluded.
    let later = bench.state.time().plus(DAY_MS);
    assert_eq!(waits(&bench, "norden", later), [(Waits::Conclude, false)]);
    let conclude = Act::Handoff(HandoffAct::Conclude(crate::record::Conclude { operation, note: None }));
    bench.does("norden", "4", conclude);
    let view = bench.state.view(&operation, later).expect("known");
    assert_eq!((view.assets.len(), view.claims.len()), (0, 0), "nothing serves what is over");
    assert_eq!(waits(&bench, "norden", later), []);
}

#[test]
fn who_has_several_roles_is_asked_in_the_one_that_is_lacking() {
    let mut charter = charter(&FOUR);
    let airlift = charter.operations.iter_mut().find(|kind| kind.name.as_str() == "airlift");
    airlift.expect("declared").lead.push(name("sudria"));
    charter.sort();
    let mut bench = Bench::new(found(charter));
    let operation = bench.open();
    bench.say("norden", operation, Lead, Endorse);
    let asked = |bench: &Bench, partner: &str| {
        let waiting = bench.state.inbox(&name(partner), bench.state.time());
        waiting.into_iter().find(|it| it.what == Waits::Attest).map(|it| it.role)
    };
    assert_eq!(asked(&bench, "sudria"), Some(Some(Supporting)));
    assert_eq!(asked(&bench, "estmark"), Some(None), "it has one role");
    let role = asked(&bench, "sudria").flatten().expect("told");
    bench.say("sudria", operation, role, Endorse);
    bench.say("estmark", operation, Supporting, Endorse);
    assert_eq!(bench.verdict(operation), Some(Verdict::Agreed));
}

#[test]
fn who_is_expelled_is_told_that_and_nothing_else() {
    let mut bench = Bench::four();
    let out = bench.does("norden", "out", propose("expulsion", Change::Expel(name("vigil"))));
    for partner in ["norden", "sudria", "estmark"] {
        bench.say(partner, out, Supporting, Endorse);
    }
    // Its credentials are about to run out, which is nobody's concern any more.
    let now = bench.founded.charter().partner("vigil").map(|it| it.credentials_until);
    let now = Time(now.map_or(0, |until| until.0.saturating_sub(DAY_MS)));
    let [told] = &bench.state.inbox(&name("vigil"), now)[..] else { panic!("one thing") };
    assert_eq!((told.what, told.title.as_str()), (Waits::Suspended, "expelled"));
}

#[test]
fn who_opened_what_another_leads_is_told_that_it_came_to_nothing() {
    let mut bench = Bench::four();
    let signed = open(&bench.founded, "sudria", "1");
    assert_eq!(bench.apply(&signed).disposition, Disposition::Applied);
    let closes = bench.state.operation(&signed.record.id()).expect("open").closes;
    bench.advance(closes);
    assert_eq!(waits(&bench, "sudria", closes), [(Waits::Ended, false)]);
    assert_eq!(waits(&bench, "norden", closes), [], "who leads has been asked all the time");
    assert_eq!(waits(&bench, "sudria", closes.plus(DAY_MS)), []);
}

#[test]
fn a_vote_on_who_is_suspended_is_asked_of_who_may_vote_and_whose_key_is_in_quarantine_is_told() {
    let mut charter = charter(&FOUR);
    charter.integrity = IntegrityRules::of(FOUR.len());
    charter.integrity.responses.impersonation = vec![Response::Quarantine, Response::Suspend];
    let votes = charter.integrity.votes;
    let mut bench = Bench::new(found(charter));
    let officer = key("sudria", "officer").public();
    let event = report_of(matter(EventKind::Impersonation, Some("sudria"), Some(officer)), None);
    let event = bench.does("norden", "1", event);
    assert_eq!(waits(&bench, "estmark", bench.state.time()), [(Waits::Confirm, false)]);
    for (nonce, partner) in [("2", "estmark"), ("3", "vigil")] {
        if bench.state.event_of(&event).is_some_and(|event| !event.is_confirmed()) {
            bench.does(partner, nonce, confirm(event));
        }
    }
    assert!(bench.state.event_of(&event).is_some_and(|event| event.is_confirmed()));
    let now = bench.state.time();
    for partner in ["norden", "estmark", "vigil"] {
        assert_eq!(waits(&bench, partner, now), [(Waits::Vote, false)], "{partner}");
    }
    assert_eq!(waits(&bench, "sudria", now), [(Waits::Quarantined, true)]);
    let asked = why(&bench, "estmark", Waits::Vote, now).expect("asked");
    let needs = format!("needs {votes} more of estmark, norden or vigil to vote that sudria is suspended");
    assert!(asked.contains(&needs), "{asked}");
    bench.does("estmark", "4", vote(event, Measure::Suspend));
    assert_eq!(waits(&bench, "estmark", now), []);
    for (nonce, partner) in [("5", "norden"), ("6", "vigil")] {
        if bench.state.is_active(&name("sudria")) {
            bench.does(partner, nonce, vote(event, Measure::Suspend));
        }
    }
    assert!(!bench.state.is_active(&name("sudria")));
    assert_eq!(waits(&bench, "vigil", now), []);
}

#[test]
fn a_watch_that_changes_hands_is_told_with_its_note() {
    let mut bench = Bench::four();
    let watch = |officer: PublicKey, from: Time, note: &str| {
        Act::Member(MemberAct::Watch(Watch { officer, from, note: Some(note.into()) }))
    };
    let officer = key("vigil", "officer").public();
    let now = bench.state.time();
    bench.does("vigil", "1", watch(officer, now.plus(2 * DAY_MS), "sector three is closed"));
    assert_eq!(waits(&bench, "vigil", now), [], "that is the day after tomorrow");
    let eve = now.plus(DAY_MS + 1);
    assert_eq!(waits(&bench, "vigil", eve), [(Waits::Watch, false)]);
    let told = why(&bench, "vigil", Waits::Watch, eve).expect("told");
    assert!(
        told.contains("takes the watch at 2026-") && told.ends_with(": sector three is closed"),
        "{told}"
    );
    assert_eq!(waits(&bench, "norden", eve), [], "it is vigil's own");
    let taken = why(&bench, "vigil", Waits::Watch, now.plus(2 * DAY_MS)).expect("told");
    assert!(taken.contains("has the watch since 2026-"), "{taken}");
    assert_eq!(waits(&bench, "vigil", now.plus(3 * DAY_MS)), []);
}
