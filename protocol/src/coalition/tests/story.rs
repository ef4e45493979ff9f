//! An operation's story tells everything once and in order.

use super::assets::{contribute, declare, recall};
use super::handoffs::{LEAD, accepts, concludes, offers, relay_charter};
use super::*;
use crate::charter::Fallback;
use crate::coalition::StoryWord;
use crate::record::Control;

#[test]
fn a_story_tells_who_did_what_in_which_role_at_which_index() {
    let mut bench = Bench::new(found(relay_charter()));
    let id = bench.open();
    let asset = bench.does("estmark", "1", declare("lift-7"));
    let caveat = Attest {
        operation: id,
        role: Supporting,
        stance: Endorse,
        caveat: Some("daylight only".into()),
        evidence: vec![],
        supersedes: None,
    };
    let caveat = bench.does("estmark", "2", Act::Attest(caveat));
    bench.say("sudria", id, Supporting, Endorse);
    bench.say("norden", id, Lead, Endorse);
    bench.pass_time(1000);
    let lent = bench.does("estmark", "3", contribute(asset, id, Control::Owner));
    let offered = bench.does("norden", "4", offers(id, LEAD, "sudria"));
    bench.does("estmark", "5", recall(asset));
    bench.does("sudria", "6", accepts(offered, &[caveat, lent]));
    bench.does("sudria", "7", concludes(id));
    let story = bench.state.story(&id, bench.state.time()).expect("known");
    let told = story.events.iter().map(|event| {
        let who = event.partner.as_ref().map_or("-", |partner| partner.as_str());
        let role = event.role.map_or("-".to_owned(), |role| role.to_string());
        format!("{} {who} {role}: {}", event.index.map_or(0, |index| index), event.text)
    });
    assert_eq!(
        told.collect::<Vec<_>>(),
        [
            "1 norden lead: opens it",
            "3 estmark supporting: endorses, with the caveat: daylight only",
            "4 sudria supporting: endorses",
            "5 norden lead: endorses",
            "5 - -: agreed: every requirement is met",
            "6 estmark -: lends lift-7: by day",
            "7 norden lead: offers the lead to sudria",
            "8 estmark -: recalls lift-7: needed at home",
            "9 sudria lead: accepts the lead from norden",
            "10 sudria lead: concludes it: all landed",
        ]
    );
    assert_eq!((story.lead.partner.as_str(), story.lead.index, story.before), ("sudria", Some(9), 0));
    assert_eq!(
        story.phases.iter().map(|phase| phase.stands.as_str()).collect::<Vec<_>>(),
        ["current", "not begun"]
    );
    assert!(story.events.iter().all(|event| event.what == StoryWord::Decided || event.record.is_some()));
    bench.assert_root();
}

#[test]
fn a_story_tells_that_a_window_decided_nothing_and_who_lost_its_voice_meanwhile() {
    let at_least = vec![AtLeast { role: Supporting, count: 2 }];
    let fallback = Fallback::Escalate(name("sudria"));
    let rule = OutcomeRule { required: vec![Lead], at_least, fallback, ..OutcomeRule::default() };
    let mut bench = Bench::with_rule(rule);
    let id = bench.open();
    let said = Attest {
        operation: id,
        role: Supporting,
        stance: Endorse,
        caveat: None,
        evidence: vec![hash("test", &[b"a map"])],
        supersedes: None,
    };
    bench.does("estmark", "1", Act::Attest(said));
    bench.pass_time(1000);
    bench.suspends("estmark");
    let closes = bench.state.operation(&id).expect("open").closes;
    bench.advance(closes);
    let story = bench.state.story(&id, closes).expect("known");
    let told = story.events.iter().map(|event| {
        let who = event.partner.as_ref().map_or("-", |partner| partner.as_str());
        (event.what, who, event.text.as_str())
    });
    let told = told.collect::<Vec<_>>();
    let texts = [
        (StoryWord::Opened, "norden", "opens it"),
        (StoryWord::Attested, "estmark", "endorses, with evidence of the hash "),
        (StoryWord::Silenced, "estmark", "is suspended: "),
        (StoryWord::Escalated, "-", "escalated to sudria, until 2026-"),
    ];
    assert_eq!(told.len(), texts.len(), "{told:?}");
    for ((what, who, text), expected) in told.iter().zip(texts) {
        assert_eq!((*what, *who), (expected.0, expected.1), "{told:?}");
        assert!(text.starts_with(expected.2), "{told:?}");
    }
}
