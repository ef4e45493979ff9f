//! What one record says is what its operation's story tells of it.

use super::assets::{contribute, declare, recall};
use super::keys::{direct, grant, revoke, rotate};
use super::*;
use crate::charter::{AuthorityName, Dependants, DisputeRule, IfShort, OnExpiry};
use crate::credential::{Capability, Target};
use crate::record::{Change, Control, DisputeAct, Handed, HandoffAct, MemberAct, Offer, OpenDispute, Watch};

fn with_disputes() -> Bench {
    let mut charter = charter(&FOUR);
    let airlift =
        charter.operations.iter_mut().find(|kind| kind.name.as_str() == "airlift").expect("declared");
    airlift.dispute = Some(DisputeRule {
        window_ms: HOUR_MS,
        panel: ["estmark", "vigil"].map(name).to_vec(),
        threshold: 1,
        if_short: IfShort::Refuse,
        rule_ms: HOUR_MS,
        on_expiry: OnExpiry::Uphold,
        dependants: Dependants::GoOn,
        grounds: vec![],
        remand_ms: None,
    });
    airlift.handoff.offer_ms = HOUR_MS;
    airlift.precedence = crate::lane::Lane::Priority;
    airlift.lead = ["norden", "sudria"].map(name).to_vec();
    charter.sort();
    Bench::new(found(charter))
}

#[test]
fn each_record_is_told_with_who_what_and_whether_it_is_urgent() {
    let mut bench = with_disputes();
    let asset = bench.does("sudria", "1", declare("lift-7"));
    let operation = bench.open();
    let said = bench.word("norden", operation, Lead, Endorse);
    bench.apply(&said);
    let lent = bench.does("sudria", "2", contribute(asset, operation, Control::Owner));
    let told = |bench: &Bench, id: RecordId| bench.state.told(&id).expect("told");
    let lending = told(&bench, lent);
    assert_eq!((lending.story.text.as_str(), lending.operation), ("lends lift-7", Some(operation)));
    let back = bench.does("sudria", "3", recall(asset));
    let recalled = told(&bench, back);
    assert_eq!((recalled.operation, recalled.title.as_deref()), (Some(operation), Some("corridor op 1")));
    bench.say("sudria", operation, Supporting, Endorse);
    let offer = Offer {
        operation,
        what: Handed::Role(Lead),
        to: name("sudria"),
        phase: None,
        note: Some("night shift".into()),
        expires: None,
    };
    bench.say("estmark", operation, Supporting, Endorse);
    let offer = bench.does("norden", "4", Act::Handoff(HandoffAct::Offer(offer)));
    let open = OpenDispute { subject: operation, ground: None, reason: "over the sector".into() };
    let dispute = bench.does("sudria", "5", Act::Dispute(DisputeAct::Open(open)));
    let watch = Watch { officer: key("vigil", "officer").public(), from: CREATED, note: None };
    let watch = bench.does("vigil", "6", Act::Member(MemberAct::Watch(watch)));
    let leaves = bench.does("vigil", "7", Act::Member(MemberAct::Withdraw { ground: "called home".into() }));
    for (id, partner, urgent, word, text) in [
        (asset, "sudria", false, StoryWord::Declared, "declares lift-7: a lift"),
        (operation, "norden", false, StoryWord::Opened, "opens it"),
        (said.record.id(), "norden", false, StoryWord::Attested, "endorses"),
        (back, "sudria", true, StoryWord::Recalled, "recalls lift-7: needed at home"),
        (offer, "norden", true, StoryWord::Offered, "offers the lead to sudria: night shift"),
        (dispute, "sudria", false, StoryWord::Disputed, "disputes the operation"),
        (watch, "vigil", false, StoryWord::Watched, "gives the watch to ed25519:"),
        (leaves, "vigil", true, StoryWord::Left, "leaves: called home"),
    ] {
        let told = told(&bench, id);
        assert_eq!(told.story.partner, Some(name(partner)), "{told:?}");
        assert_eq!((told.urgent, told.story.what), (urgent, word), "{told:?}");
        assert!(told.story.text.starts_with(text), "{told:?}");
        assert_eq!(told.story.index, bench.state.seen(&id).map(|seen| seen.index), "{told:?}");
    }
    let owes = |partner: &str| {
        let owed = bench.state.obligations(&name(partner));
        owed.into_iter().map(|it| it.what).collect::<Vec<_>>()
    };
    assert_eq!(
        owes("norden"),
        ["leads it, and it is agreed", "offered it to sudria, which has not answered"]
    );
    assert_eq!(owes("sudria"), ["is offered it by norden, and has not answered"]);
    assert_eq!(owes("estmark"), [format!("is on the panel of {dispute}")]);
    assert_eq!(bench.state.told(&RecordId(hash("unknown", &[]))), None);
}

#[test]
fn a_change_of_keys_is_told_and_what_takes_or_replaces_one_is_urgent() {
    let mut bench = with_disputes();
    let founded = bench.founded.clone();
    let (old, new) = (key("sudria", "root"), key("sudria", "second root"));
    let (lost, next) = (key("sudria", "officer").public(), key("sudria", "next"));
    let granted = bench.carries("grant", grant(&direct(&founded, &next, Capability::Officer)));
    let revoked = bench.carries("revoke", revoke(&founded, &old, Target::Key(lost)));
    let rotated = bench.carries("rotate", rotate(&founded, 1, &old, &new));
    for (signed, urgent, what, text) in [
        (granted, false, StoryWord::Granted, format!("grants {} a chain of sudria", next.public())),
        (revoked, true, StoryWord::Revoked, format!("revokes the key {lost} of sudria: the laptop is lost")),
        (rotated, true, StoryWord::Rotated, format!("makes {} the root of sudria", new.public())),
    ] {
        let id = signed.record.id();
        let told = bench.state.told(&id).expect("told");
        assert_eq!((told.urgent, told.story.what, &told.story.text), (urgent, what, &text));
        assert_eq!((told.story.record, told.operation, &told.title), (Some(id), None, &None));
        assert_eq!(told.story.partner, Some(name("norden")), "who carried it");
        assert_eq!(told.story.under, [AuthorityName::from(&name("sudria"))], "whose keys they are");
        assert_eq!(told.story.index, bench.state.seen(&id).map(|seen| seen.index));
    }
}

#[test]
fn an_end_is_told_with_its_title_and_is_urgent_if_somebody_has_to_look() {
    let mut bench = with_disputes();
    let operation = bench.open();
    let word = bench.word("norden", operation, Lead, Endorse);
    bench.apply(&word);
    for partner in ["sudria", "estmark"] {
        bench.say(partner, operation, Supporting, Endorse);
    }
    let told = |bench: &Bench, id, agrees| bench.state.told_decision(&id, agrees).expect("told");
    let end = told(&bench, operation, true);
    assert_eq!((end.urgent, end.title.as_str()), (false, "corridor op 0"), "of the precedence priority");
    let open = OpenDispute { subject: operation, ground: None, reason: "over the sector".into() };
    let dispute = bench.does("sudria", "1", Act::Dispute(DisputeAct::Open(open)));
    let ruling = |annuls| bench.state.told_ruling(&dispute, annuls).map(|told| (told.urgent, told.title));
    assert_eq!(ruling(false), Some((false, end.title.clone())));
    assert_eq!(ruling(true), Some((true, end.title)));

    let suspension = bench.agrees_on("suspension", Change::Suspend(name("vigil")));
    assert!(told(&bench, suspension, true).urgent);
    let back = bench.agrees_on("reinstatement", Change::Reinstate(name("vigil")));
    assert_eq!((told(&bench, back, true).urgent, told(&bench, back, false).urgent), (false, false));
    let mut bench = Bench::four();
    let flies = bench.open();
    assert!(told(&bench, flies, false).urgent, "of the precedence immediate, also if nothing comes of it");
    assert_eq!(bench.state.told_ruling(&flies, true), None, "no dispute");
}
