//! Claims about handoffs, phases and disputes in a charter.

use super::*;

/// A search and rescue of two phases, which either norden or sudria leads, with a panel.
fn with_course(charter: &mut Charter) {
    let kind = &mut charter.operations[0];
    kind.lead = vec![name("norden"), name("sudria")];
    kind.handoff = HandoffRule {
        offer_ms: 1000,
        takeover: Some(TakeoverRule { successor: name("sudria"), silent_ms: Some(9000), lapsed: true }),
    };
    let phase = |title: &str, lead: &[&str]| Phase {
        name: title.parse().expect("a name"),
        lead: lead.iter().map(|partner| name(partner)).collect(),
        successor: None,
    };
    kind.phases = vec![phase("search", &["norden", "sudria"]), phase("rescue", &["sudria"])];
    kind.dispute = Some(DisputeRule {
        window_ms: 1000,
        panel: vec![name("estmark"), name("vigil")],
        threshold: 1,
        if_short: IfShort::Unanimous,
        rule_ms: 1000,
        on_expiry: OnExpiry::Annul,
        dependants: Dependants::Hold,
        grounds: vec!["safety".parse().expect("a name")],
        remand_ms: Some(500),
    });
}

fn course_refuses(change: impl Fn(&mut OperationType), expected: &str) {
    refuses(
        |charter| {
            with_course(charter);
            change(&mut charter.operations[0]);
        },
        expected,
    );
}

#[test]
fn a_course_comes_back_from_text_and_bytes_and_may_be_left_out() {
    let mut charter = charter(&FOUR);
    let text = charter.to_toml();
    let lean = text.lines().filter(|line| {
        !line.contains("handoff") && !line.starts_with("offer_ms") && !line.starts_with("phases")
    });
    let lean = lean.map(|line| format!("{line}\n")).collect::<String>();
    assert_ne!(lean, text);
    assert_eq!(Charter::from_toml(&lean).as_ref(), Ok(&charter), "{lean}");
    with_course(&mut charter);
    let text = charter.to_toml();
    assert_eq!(Charter::from_toml(&text).as_ref(), Ok(&charter), "{text}");
    assert_eq!(Charter::decode(&charter.encode()).as_ref(), Ok(&charter));
    assert_eq!(messages(&charter, Severity::Error), [""; 0]);
    let kind = &charter.operations[0];
    assert_eq!(kind.first_lead(&name("estmark"), |_| true), name("norden"));
    assert_eq!(kind.first_lead(&name("sudria"), |_| true), name("sudria"));
    assert!(kind.may_lead(&name("norden"), 0) && !kind.may_lead(&name("norden"), 1));
    // The order of phases is their meaning: it is kept.
    charter.operations[0].phases.reverse();
    charter.sort();
    assert_eq!(charter.operations[0].phases[0].name.as_str(), "rescue");
}

#[test]
fn what_can_never_work_in_a_course_is_an_error() {
    course_refuses(|kind| kind.handoff.offer_ms = 0, "offers end at once");
    course_refuses(|kind| kind.phases[1].lead.clear(), "nobody may lead the phase rescue");
    course_refuses(
        |kind| kind.phases[1].lead.push(name("vigil")),
        "vigil may lead the phase rescue, but not",
    );
    course_refuses(|kind| kind.phases[1].successor = Some(name("norden")), "but may not lead it");
    let takeover = |change: fn(&mut TakeoverRule)| {
        move |kind: &mut OperationType| kind.handoff.takeover.iter_mut().for_each(change)
    };
    course_refuses(takeover(|it| it.successor = name("vigil")), "vigil is to take over, but may not lead");
    course_refuses(takeover(|it| it.successor = "nobody".parse().expect("a name")), "nobody is no partner");
    course_refuses(
        takeover(|it| (it.silent_ms, it.lapsed) = (None, false)),
        "no condition says when sudria may take over",
    );
    course_refuses(takeover(|it| it.silent_ms = Some(0)), "silence of no length");
    let dispute = |change: fn(&mut DisputeRule)| {
        move |kind: &mut OperationType| kind.dispute.iter_mut().for_each(change)
    };
    course_refuses(dispute(|it| it.threshold = 0), "no word at all would decide");
    course_refuses(dispute(|it| it.threshold = 3), "but only estmark and vigil may judge");
    course_refuses(dispute(|it| it.window_ms = 0), "window_ms of its disputes is zero");
    course_refuses(dispute(|it| it.remand_ms = Some(0)), "for no time at all");
    course_refuses(
        dispute(|it| it.panel = vec![name("nobody"), name("vigil")]),
        "the judge nobody is no partner",
    );
    // Whoever leads is a party, and a panel of all that may lead has no judge left.
    course_refuses(
        |kind| {
            kind.lead = vec![name("norden")];
            (kind.phases, kind.handoff.takeover) = (vec![], None);
            kind.dispute.iter_mut().for_each(|it| it.panel = vec![name("norden")]);
        },
        "no dispute has enough judges",
    );
    let mut charter = charter(&FOUR);
    with_course(&mut charter);
    charter.operations[0]
        .dispute
        .iter_mut()
        .for_each(|it| (it.threshold, it.if_short) = (2, IfShort::Refuse));
    let warnings = messages(&charter, Severity::Warning);
    assert!(warnings.iter().any(|text| text.contains("estmark cannot open a dispute")), "{warnings:?}");
}

#[test]
fn a_course_is_bounded_and_names_nothing_twice() {
    let changes: [&dyn Fn(&mut OperationType); 5] = [
        &|kind| kind.handoff.offer_ms = MAX_WINDOW_MS + 1,
        &|kind| kind.phases[1].name = kind.phases[0].name.clone(),
        &|kind| kind.phases = vec![kind.phases[0].clone(); MAX_PHASES + 1],
        &|kind| kind.phases[0].lead.reverse(),
        &|kind| kind.dispute.iter_mut().for_each(|it| it.panel.reverse()),
    ];
    for (at, change) in changes.iter().enumerate() {
        let mut charter = charter(&FOUR);
        with_course(&mut charter);
        assert_eq!(charter.check(), Ok(()));
        change(&mut charter.operations[0]);
        assert!(charter.check().is_err() && Charter::decode(&charter.encode()).is_err(), "{at}");
    }
}
