//! Claims about charters.

mod authorities;
mod blocking;
mod changes;
mod course;
mod leases;
mod without;

use super::*;
use crate::coalition::{End, Script, Verdict, trial};
use crate::founding::fixture::{CREATED, FOUR, UNTIL, card, charter, key, name};

const PEOPLE: [&str; 7] = ["a", "b", "c", "d", "e", "f", "g"];

fn messages(charter: &Charter, severity: Severity) -> Vec<String> {
    lint(charter).into_iter().filter(|lint| lint.severity == severity).map(|lint| lint.message).collect()
}

fn errors(change: impl Fn(&mut Charter)) -> Vec<String> {
    let mut charter = charter(&FOUR);
    change(&mut charter);
    messages(&charter, Severity::Error)
}

/// That a change makes exactly one error, which says this.
fn refuses(change: impl Fn(&mut Charter), expected: &str) {
    let errors = errors(change);
    assert!(errors.len() == 1 && errors[0].contains(expected), "{errors:?}");
}

#[test]
fn a_charter_comes_back_from_its_text_and_its_bytes() {
    for count in 1..=PEOPLE.len() {
        let mut charter = charter(&PEOPLE[..count]);
        charter.operations[0].rule.veto.partners = vec![name("a")];
        let text = charter.to_toml();
        assert_eq!(Charter::from_toml(&text).as_ref(), Ok(&charter), "{text}");
        assert_eq!(Charter::decode(&charter.encode()).as_ref(), Ok(&charter));
    }
}

#[test]
fn the_order_in_which_people_write_does_not_change_the_id() {
    let charter = charter(&FOUR);
    let mut other = charter.clone();
    other.partners.reverse();
    other.operations.reverse();
    other.operations.iter_mut().for_each(|kind| kind.supporting.reverse());
    assert_ne!(other, charter);
    let read = Charter::from_toml(&other.to_toml()).expect("sound but for its order");
    assert_eq!(read.id(), charter.id());
    // Bytes, on the other hand, have one order only.
    assert!(matches!(Charter::decode(&other.encode()), Err(CharterError::Order { .. })));
}

#[test]
fn a_time_that_has_no_text_is_refused_in_bytes_too() {
    let last = MAX_TEXT_TIME;
    let changes: [fn(&mut Charter, u64); 2] =
        [|c, ms| c.created.0 = ms, |c, ms| c.partners[0].credentials_until.0 = ms];
    for change in changes {
        let mut charter = charter(&FOUR);
        change(&mut charter, last.0);
        assert_eq!(Charter::decode(&charter.encode()).as_ref(), Ok(&charter));
        assert_eq!(Charter::from_toml(&charter.to_toml()).as_ref(), Ok(&charter));
        change(&mut charter, last.0 + 1);
        assert!(Charter::decode(&charter.encode()).is_err());
        assert!(matches!(charter.check(), Err(CharterError::Bound { .. })));
    }
}

#[test]
fn every_word_changes_the_id() {
    let charter = charter(&FOUR);
    let changes: [&dyn Fn(&mut Charter); 8] = [
        &|c| c.nonce.0[3] ^= 1,
        &|c| c.created.0 += 1,
        &|c| c.step_ms += 1,
        &|c| c.quota.routine += 1,
        &|c| c.partners[0].credentials_until.0 += 1,
        &|c| c.operations[0].window_ms += 1,
        &|c| c.operations[0].rule.at_least[0].count += 1,
        &|c| c.operations[0].precedence = Lane::Priority,
    ];
    for change in changes {
        let mut other = charter.clone();
        change(&mut other);
        assert_ne!(other.id(), charter.id());
    }
}

#[test]
fn errors_in_the_text_name_the_line() {
    let text = charter(&FOUR).to_toml();
    let line_of =
        |text: &str, what: &str| 1 + text.lines().position(|line| line.contains(what)).expect("in the text");
    for (from, to, says) in [
        ("step_ms", "stepp_ms", "unknown field `stepp_ms`"),
        ("\"immediate\"", "\"urgent\"", "urgent"),
        ("name = \"norden\"", "name = \"Norden!\"", "is no name"),
        ("created = \"2026", "created = \"0026", "2026-11-24T13:05:09Z"),
        ("role = \"supporting\"", "role = \"Supporter\"", "Supporter"),
    ] {
        let broken = text.replacen(from, to, 1);
        assert_ne!(broken, text, "{from} is not in\n{text}");
        let error = Charter::from_toml(&broken).expect_err(to).to_string();
        assert!(error.contains(says), "{error}");
        let line = line_of(&broken, to);
        assert!(error.starts_with(&format!("line {line}:")), "{error}, not line {line}");
    }
    assert!(Charter::from_toml("version = 1").is_err());
    assert_eq!(
        Charter::from_toml(&text.replacen("version = 1", "version = 2", 1)),
        Err(CharterError::Version { found: 2 })
    );
}

#[test]
fn bounds_hold_for_text_and_bytes() {
    let changes: [&dyn Fn(&mut Charter); 10] = [
        &|c| c.step_ms = 0,
        &|c| c.step_ms = MAX_STEP_MS + 1,
        &|c| c.clock_tolerance_ms = 0,
        &|c| c.quota.flash = 0,
        &|c| c.quota.routine = MAX_QUOTA + 1,
        &|c| c.partners.clear(),
        &|c| c.operations.clear(),
        &|c| c.partners[1].officers.clear(),
        &|c| c.partners[1].nodes = (0..9).map(|n| key("x", &n.to_string()).public()).collect(),
        &|c| c.operations[0].window_ms = MAX_WINDOW_MS + 1,
    ];
    for (at, change) in changes.iter().enumerate() {
        let mut charter = charter(&FOUR);
        change(&mut charter);
        charter.sort();
        assert!(
            matches!(Charter::from_toml(&charter.to_toml()), Err(CharterError::Bound { .. })),
            "change {at}"
        );
        assert!(matches!(Charter::decode(&charter.encode()), Err(CharterError::Bound { .. })), "change {at}");
        assert!(!messages(&charter, Severity::Error).is_empty(), "change {at}");
    }
    let mut twice = charter(&FOUR);
    twice.partners.push(twice.partners[0].clone());
    assert!(matches!(
        Charter::from_toml(&twice.to_toml()),
        Err(CharterError::Twice { item, .. }) if item == "estmark"
    ));
    assert!(Charter::decode(&[0xff; 64]).is_err());
    assert!(Charter::from_toml(&" ".repeat(MAX_CHARTER_TOML_BYTES + 1)).is_err());
}

#[test]
fn the_template_gives_roles_by_order_or_as_stated() {
    let roles = |charter: &Charter| {
        let kind = charter.kind("airlift").expect("in the template");
        let names = |role| {
            let names = kind.eligible(role).iter().map(ToString::to_string);
            names.collect::<Vec<_>>().join(" ")
        };
        (names(Role::Lead), names(Role::Supporting), names(Role::Observing))
    };
    let expect = |lead: &str, supporting: &str, observing: &str| {
        (lead.to_owned(), supporting.to_owned(), observing.to_owned())
    };
    assert_eq!(roles(&charter(&FOUR)), expect("norden", "estmark sudria", "vigil"));
    assert_eq!(roles(&charter(&FOUR[..3])), expect("norden", "estmark sudria", ""));
    assert_eq!(roles(&charter(&FOUR[..1])), expect("norden", "", ""));
    let cards = FOUR.map(card);
    let spec = |lead: Option<&str>, observing: &[&str]| DraftSpec {
        name: "corridor".parse().expect("a name"),
        created: CREATED,
        nonce: Nonce([0; 16]),
        credentials_until: UNTIL,
        roles: RoleHints {
            lead: lead.map(name),
            observing: observing.iter().map(|partner| name(partner)).collect(),
        },
    };
    let stated = draft("airlift", &cards, &spec(Some("vigil"), &["norden", "sudria"]));
    assert_eq!(stated.as_ref().map(roles), Ok(expect("vigil", "estmark", "norden sudria")));
    assert_eq!(
        draft("airlift", &cards, &spec(Some("vigil"), &[])).as_ref().map(roles),
        Ok(expect("vigil", "norden sudria", "estmark"))
    );
    assert!(matches!(
        draft("airlift", &cards, &spec(Some("borland"), &[])),
        Err(CharterError::NoCard { .. })
    ));
    assert!(matches!(
        draft("airlift", &cards, &spec(Some("norden"), &["norden"])),
        Err(CharterError::RoleConflict { .. })
    ));
    assert!(matches!(draft("airlift", &cards, &spec(None, &FOUR)), Err(CharterError::RoleConflict { .. })));
    assert!(matches!(draft("picnic", &cards, &spec(None, &[])), Err(CharterError::NoTemplate { .. })));
    let mut forged = cards;
    forged[1].seat = key("stranger", "seat").public();
    assert!(matches!(draft("airlift", &forged, &spec(None, &[])), Err(CharterError::CardSignature { .. })));
}

#[test]
fn templates_have_no_errors_at_any_size() {
    for template in TEMPLATES {
        for count in 1..=PEOPLE.len() {
            let cards = PEOPLE[..count].iter().map(|partner| card(partner)).collect::<Vec<_>>();
            let spec = DraftSpec {
                name: "corridor".parse().expect("a name"),
                created: CREATED,
                nonce: Nonce([7; 16]),
                credentials_until: UNTIL,
                roles: RoleHints::default(),
            };
            let charter = draft(template, &cards, &spec).expect("a sound draft");
            let errors = messages(&charter, Severity::Error);
            assert!(errors.is_empty(), "{template} for {count}: {errors:?}");
            assert_eq!(Charter::from_toml(&charter.to_toml()).as_ref(), Ok(&charter), "{template}");
            assert_eq!(Charter::decode(&charter.encode()).as_ref(), Ok(&charter), "{template}");
            // Each is agreed if everybody goes along, and tried as it stands.
            for kind in charter.operations.iter().filter(|kind| kind.effect.is_none()) {
                let script = Script { kind: Some(kind.name.clone()), ..Script::default() };
                let tried = trial(&charter, &script).expect("it can be tried");
                assert_eq!(tried.verdict, End::Decided(Verdict::Agreed), "{template} for {count}: {tried:?}");
            }
        }
    }
}

#[test]
fn the_linter_says_what_the_committee_tolerates() {
    let says = |count: usize| {
        lint(&charter(&PEOPLE[..count])).into_iter().map(|lint| lint.to_string()).collect::<Vec<_>>()
    };
    for (count, expected) in [
        (1, "warning: 1 seat: f = 0, this seat alone decides and its absence stops agreement; add partners"),
        (
            2,
            "warning: 2 seats: f = 0, every seat is needed: one absence stops agreement; add 2 neutral seats",
        ),
        (3, "warning: 3 seats: f = 0, every seat is needed: one absence stops agreement; add a neutral seat"),
        (4, "note: 4 seats: f = 1; agreement needs 3; one may be absent or faulty"),
        (6, "note: 6 seats tolerate no more than 4 do; 7 would tolerate two"),
        (7, "note: 7 seats: f = 2; agreement needs 5; two may be absent or faulty"),
    ] {
        let lints = says(count);
        assert!(lints.iter().any(|lint| lint == expected), "{lints:?}");
    }
}

#[test]
fn the_linter_refuses_what_can_never_work() {
    let airlift = |c: &mut Charter, change: &dyn Fn(&mut OperationType)| change(&mut c.operations[0]);
    refuses(|c| airlift(c, &|k| k.window_ms = 0), "the window is zero");
    refuses(
        |c| {
            airlift(c, &|k| {
                k.lead.clear();
                k.may_raise.clear();
                k.rule.veto.roles.clear();
            });
        },
        "lead must endorse, but nobody is eligible",
    );
    refuses(
        |c| {
            airlift(c, &|k| {
                k.lead.clear();
                k.may_raise.clear();
                k.rule.required.clear();
            });
        },
        "lead has a veto, but nobody is eligible",
    );
    refuses(
        |c| airlift(c, &|k| k.rule.at_least[0].count = 3),
        "needs 3 of supporting, but only estmark and sudria may be",
    );
    refuses(|c| airlift(c, &|k| k.rule.at_least[0].count = 0), "at least 0 of supporting says nothing");
    refuses(|c| airlift(c, &|k| k.rule.required.push(Role::Observing)), "observers never count");
    refuses(|c| airlift(c, &|k| k.rule.veto.roles.push(Role::Observing)), "observing is given a veto");
    refuses(
        |c| airlift(c, &|k| k.rule.veto.partners = vec![name("vigil")]),
        "vigil has a veto but no role that counts",
    );
    refuses(|c| airlift(c, &|k| k.observing = vec![name("borland")]), "borland is no partner");
    refuses(
        |c| {
            airlift(c, &|k| {
                k.rule = OutcomeRule::default();
            });
        },
        "requires nothing",
    );
    // One voice each: norden cannot lead and be one of three that support.
    refuses(
        |c| {
            airlift(c, &|k| {
                k.supporting = vec![name("estmark"), name("norden"), name("sudria")];
                k.rule.at_least[0].count = 3;
            });
        },
        "even if everybody endorses, it can never be agreed",
    );
    refuses(
        |c| c.partners[0].seat = c.partners[1].seat,
        "is used more than once: seat of estmark and seat of norden",
    );
    refuses(
        |c| c.partners[0].officers = vec![c.partners[0].root],
        "root of estmark and an officer of estmark",
    );
    refuses(|c| c.partners[2].credentials_until = CREATED, "the credentials of sudria expired");
    let late = lint_at(&charter(&FOUR), UNTIL);
    assert_eq!(late.iter().filter(|lint| lint.severity == Severity::Error).count(), 4);
}

#[test]
fn roles_are_declared_once_and_none_of_those_that_all_types_have() {
    let declared = |text: &str| DeclaredRole {
        name: text.parse().expect("a role"),
        partners: vec![name("sudria")],
        requires: None,
        counts: true,
        opens: false,
    };
    let with = |roles: &[&str]| {
        let mut charter = charter(&FOUR);
        charter.operations[0].roles = roles.iter().map(|role| declared(role)).collect();
        charter.sort();
        charter
    };
    let sound = with(&["medical", "host"]);
    assert_eq!(Charter::from_toml(&sound.to_toml()).as_ref(), Ok(&sound), "{}", sound.to_toml());
    assert_eq!(Charter::decode(&sound.encode()).as_ref(), Ok(&sound));
    for wrong in
        [with(&["host", "host"]), with(&["lead"]), with(&["a", "b", "c", "d", "e", "f", "g", "h", "i"])]
    {
        assert!(Charter::from_toml(&wrong.to_toml()).is_err());
        assert!(Charter::decode(&wrong.encode()).is_err());
    }
    refuses(|c| c.operations[0].rule.required.push("host".parse().expect("a role")), "declares no such role");
    refuses(
        |c| {
            let press = DeclaredRole { counts: false, ..declared("press") };
            c.operations[0].roles.push(press);
            c.operations[0].rule.required.push("press".parse().expect("a role"));
        },
        "press is required, but its declaration says that it does not count",
    );
}

#[test]
fn the_linter_refuses_rules_that_cannot_mean_what_they_say() {
    let airlift = |c: &mut Charter, change: &dyn Fn(&mut OperationType)| change(&mut c.operations[0]);
    let lead = |partner: &str, by: &[&str]| Substitute {
        role: Role::Lead,
        partner: name(partner),
        by: by.iter().map(|by| name(by)).collect(),
    };
    refuses(|c| airlift(c, &|k| k.rule.quorum = 4), "a quorum of 4, and 3 can speak; it can never be agreed");
    refuses(
        |c| airlift(c, &|k| k.rule.substitutes = vec![lead("norden", &["borland"])]),
        "borland is no partner",
    );
    refuses(
        |c| airlift(c, &|k| k.rule.substitutes = vec![lead("sudria", &["vigil"])]),
        "sudria is stood in for as lead, a role that it does not have",
    );
    refuses(
        |c| airlift(c, &|k| k.rule.fallback = Fallback::Escalate(name("vigil"))),
        "escalates to vigil, which has no role but observing",
    );
    refuses(
        |c| airlift(c, &|k| k.resources[0].fields = vec!["gate".into()]),
        "resource corridor is named by the field \"gate\", which there is not",
    );
    refuses(
        |c| airlift(c, &|k| k.resources[0].from = Some("slot".into())),
        "is claimed by the field \"slot\", which is no time",
    );
    refuses(
        |c| airlift(c, &|k| k.may_raise = vec![name("vigil")]),
        "vigil may raise the precedence on opening",
    );
    let heavy = Threshold { role: Some(Role::Supporting), partners: vec![], measure: Measure::Weight(3) };
    refuses(
        |c| airlift(c, &|k| k.rule.all_of = Terms(vec![Term::Threshold(heavy.clone())])),
        "it can never be agreed: needs lead: norden; needs 2 of supporting: estmark and sudria; needs weight 3 more",
    );
}

#[test]
fn the_linter_warns_of_what_is_perhaps_not_meant() {
    let warnings = |change: &dyn Fn(&mut Charter)| {
        let mut charter = charter(&FOUR);
        change(&mut charter);
        assert_eq!(messages(&charter, Severity::Error), Vec::<String>::new());
        messages(&charter, Severity::Warning).join("\n")
    };
    assert_eq!(warnings(&|_| ()), "");
    assert!(warnings(&|c| c.quota.flash = 4096).contains("not the smallest"));
    assert!(
        warnings(&|c| c.partners[0].credentials_until = CREATED.plus(1000))
            .contains("within the longest window")
    );
    let silence = warnings(&|c| {
        c.operations[0].rule.required.clear();
        c.operations[0].rule.at_least.clear();
    });
    assert!(silence.contains("silence until the window ends is consent"), "{silence}");
}

#[test]
fn the_canonical_encoding_is_pinned() {
    // Whoever changes this changes the identity of every coalition.
    assert_eq!(charter(&FOUR).id().to_string(), "co-5h37csfslfyj3odvbcfmioa4tcv6i4yfvkdc4csa5fh2cxcbxl7q");
}

#[test]
fn what_integrity_events_lead_to_is_declared_and_checked() {
    let sound = charter(&FOUR);
    assert_eq!(sound.integrity.confirmations, 2, "one more than may be faulty");
    let text = sound.to_toml();
    assert!(text.contains("[integrity.responses]") && text.contains("impersonation = [\"alert\"]"), "{text}");
    let without = text.split("[integrity]").next().expect("the part before");
    assert_eq!(Charter::from_toml(without).expect("defaults"), sound);
    let with = |lines: &str| Charter::from_toml(&format!("{without}[integrity]\n{lines}"));
    let declared = with("votes = 3\n[integrity.responses]\nflood = [\"suspend\", \"alert\"]").expect("sound");
    assert_eq!(declared.integrity.responses.flood, [Response::Alert, Response::Suspend]);
    let error = |lines: &str| with(lines).expect_err("refused").to_string();
    assert!(error("confirmations = 1").contains("2 to 64 are allowed"), "an accusation would confirm itself");
    assert!(with("confirmations = 1\nreporter_counts = false").is_ok());
    assert!(error("flood_per_minute = 0").contains("flood_per_minute"));
    assert!(error("[integrity.responses]\nreplay = [\"alert\", \"alert\"]").contains("twice"));
    let found = |change: &dyn Fn(&mut IntegrityRules)| {
        let mut charter = sound.clone();
        change(&mut charter.integrity);
        lint(&charter).iter().map(|lint| format!("{lint}\n")).collect::<String>()
    };
    let suspend = |rules: &mut IntegrityRules| rules.responses.flood = vec![Response::Suspend];
    assert!(found(&|it| it.confirmations = 4).contains("only proofs confirm"));
    assert!(
        found(&|it| (it.confirmations, it.reporter_counts) = (1, false))
            .contains("could confirm what never was")
    );
    // Whom it is about neither votes nor confirms.
    let suspends = |votes: u32, voters: &'static [&'static str]| {
        move |it: &mut IntegrityRules| {
            it.votes = votes;
            it.voters = voters.iter().copied().map(name).collect();
            it.responses.equivocation = vec![Response::Alert, Response::Suspend];
        }
    };
    assert!(
        found(&suspends(4, &[]))
            .contains("and there are 3 voters besides the subject; nobody can ever be suspended")
    );
    assert!(!found(&suspends(3, &[])).contains("can be suspended"));
    let two = found(&suspends(2, &["estmark", "sudria"]));
    assert!(two.contains("none of estmark and sudria can be suspended so"), "{two}");
    let confirm = found(&|it| (it.confirmations, it.reporter_counts) = (3, false));
    assert!(
        confirm.contains("besides the subject and who reports it must confirm, and there are 2"),
        "{confirm}"
    );
    assert!(found(&|it| it.voters = vec![name("nobody")]).contains("error: integrity: nobody votes"));
    assert!(found(&|it| (suspend(it), it.votes = 5).0).contains("nobody can ever be suspended"));
    assert!(found(&|it| (suspend(it), it.votes = 1).0).contains("as many partners may be faulty"));
    assert!(found(&|it| (suspend(it), it.lift_votes = 0).0).contains("lift_votes is 0"));
    assert!(found(&|it| (suspend(it), it.lift_votes = 5).0).contains("nothing ever does"));
    assert!(found(&suspend).contains("nobody is alerted of flood"));
}
