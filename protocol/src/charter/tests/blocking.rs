//! Who can keep what from being agreed, and fallbacks that come to nothing.

use super::*;
use crate::authority::{Authority, AuthorityKind, Expression, KindPrecedence, Scope};

fn lints(severity: Severity, change: &dyn Fn(&mut OperationType)) -> String {
    let mut charter = charter(&FOUR);
    change(&mut charter.operations[0]);
    charter.sort();
    messages(&charter, severity).join("\n")
}

fn notes(change: &dyn Fn(&mut OperationType)) -> String {
    lints(Severity::Note, change)
}

fn endorsed(role: Role, count: u32) -> Terms {
    Terms(vec![Term::Threshold(Threshold {
        role: Some(role),
        partners: vec![],
        measure: Measure::Count(count),
    })])
}

#[test]
fn the_linter_says_who_alone_can_block_what() {
    let airlift = notes(&|_| ());
    assert!(
        airlift.contains("airlift: estmark, norden or sudria alone can block it, by withholding"),
        "{airlift}"
    );
    let by_veto = notes(&|kind| {
        kind.rule.at_least[0].count = 1;
        kind.rule.veto.partners = vec![name("sudria")];
    });
    assert!(by_veto.contains("airlift: norden alone can block it, by withholding"), "{by_veto}");
    assert!(by_veto.contains("airlift: sudria alone can block it, by veto"), "{by_veto}");
    let nobody = notes(&|kind| {
        kind.rule = OutcomeRule::default();
        kind.rule.at_least = vec![AtLeast { role: Role::Supporting, count: 1 }];
    });
    assert!(nobody.contains("airlift: nobody alone can block it"), "{nobody}");
    let stood_in = notes(&|kind| {
        kind.rule = OutcomeRule { required: vec![Role::Lead], ..OutcomeRule::default() };
        kind.rule.substitutes =
            vec![Substitute { role: Role::Lead, partner: name("norden"), by: vec![name("sudria")] }];
    });
    assert!(stood_in.contains("norden alone can block it, by objecting; while it is away"), "{stood_in}");
}

#[test]
fn whom_a_change_of_membership_is_about_is_not_counted_among_those_who_decide_it() {
    let notes = messages(&charter(&FOUR), Severity::Note).join("\n");
    for expected in [
        "expulsion: any partner but whom it is about can block it alone",
        "suspension: nobody alone can block it; any two but whom it is about can together",
        "reinstatement: nobody alone can block it; any two but whom it is about can together",
    ] {
        assert!(notes.contains(expected), "{notes}");
    }
    let mut lead = charter(&FOUR);
    let expulsion = lead.operations.iter_mut().find(|kind| kind.name.as_str() == "expulsion");
    let rule = &mut expulsion.expect("declared").rule;
    rule.veto.partners = vec![name("norden")];
    rule.fallback = Fallback::Escalate(name("norden"));
    lead.sort();
    let notes = messages(&lead, Severity::Note).join("\n");
    assert!(
        notes.contains("expulsion: where its rule is not met when the window ends, norden alone decides it"),
        "{notes}"
    );
}

#[test]
fn weights_that_nothing_counts_are_told() {
    let weighs = |kind: &mut OperationType| {
        kind.rule.weights = vec![Weight { partner: name("sudria"), weight: 3 }];
    };
    let told = lints(Severity::Warning, &weighs);
    assert!(
        told.contains("airlift: partners are given weights, and nothing in its rule counts weight"),
        "{told}"
    );
}

#[test]
fn who_leaves_it_to_an_authority_that_cannot_speak_without_it_blocks_it() {
    let notes = |needs: u32, other: &str| {
        let mut charter = charter(&FOUR);
        let roots = ["norden", other].map(|it| charter.partner(it).expect("a partner").root.into());
        charter.authority.precedence = Some(KindPrecedence::default());
        charter.authority.authorities.push(Authority {
            name: "command".parse().expect("a name"),
            kind: AuthorityKind::Coalition,
            scope: Scope::default(),
            expression: Expression::threshold(needs, roots.to_vec(), &[]).expect("sound"),
        });
        charter.operations[0].rule = OutcomeRule {
            required: vec![Role::Lead],
            fallback: Fallback::Authority("command".parse().expect("a name")),
            ..OutcomeRule::default()
        };
        charter.sort();
        messages(&charter, Severity::Note).join("\n")
    };
    let both = notes(2, "estmark");
    assert!(both.contains("airlift: norden alone can block it, by withholding"), "{both}");
    let either = notes(1, "estmark");
    assert!(either.contains("airlift: norden alone can leave it to the authority command, by"), "{either}");
    assert!(
        either.contains("airlift: nobody alone can block it; estmark with norden together can"),
        "{either}"
    );
    // Who has a voice in nothing but that authority counts, too.
    let watcher = notes(1, "vigil");
    assert!(
        watcher.contains("airlift: nobody alone can block it; norden with vigil together can"),
        "{watcher}"
    );
}

#[test]
fn who_leaves_it_to_another_does_not_block_it() {
    let escalates = notes(&|kind| {
        kind.rule = OutcomeRule {
            required: vec![Role::Lead],
            fallback: Fallback::Escalate(name("sudria")),
            ..OutcomeRule::default()
        };
    });
    for expected in [
        "airlift: norden alone can leave it to the word of sudria, by withholding its endorsement",
        "airlift: where its rule is not met when the window ends, sudria alone decides it, within one further window",
        "airlift: nobody alone can block it; norden with sudria together can",
    ] {
        assert!(escalates.contains(expected), "{expected} is not in\n{escalates}");
    }
    // Whom it escalates to can, as long as its own endorsement is needed.
    let to_itself = notes(&|kind| kind.rule.fallback = Fallback::Escalate(name("sudria")));
    assert!(to_itself.contains("airlift: sudria alone can block it, by withholding"), "{to_itself}");
    assert!(to_itself.contains("airlift: norden alone can block it, by veto"), "{to_itself}");
    assert!(to_itself.contains("airlift: estmark alone can leave it to the word of sudria"), "{to_itself}");
    let limits = notes(&|kind| {
        kind.rule = OutcomeRule {
            required: vec![Role::Lead],
            at_least: vec![AtLeast { role: Role::Supporting, count: 2 }],
            fallback: Fallback::Lesser(Lesser { limits: "by day".into(), all_of: endorsed(Role::Lead, 1) }),
            ..OutcomeRule::default()
        };
    });
    assert!(
        limits.contains(
            "airlift: estmark or sudria alone can hold it to the lesser outcome (by day), by withholding"
        ),
        "{limits}"
    );
    assert!(limits.contains("airlift: norden alone can block it, by withholding"), "{limits}");
}

#[test]
fn the_convoy_of_the_template_goes_to_the_centre_and_is_blocked_by_no_one() {
    let cards = ["estmark", "norden", "skywatch", "sudria"].map(card);
    let spec = DraftSpec {
        name: "road".parse().expect("a name"),
        created: CREATED,
        nonce: Nonce([7; 16]),
        credentials_until: UNTIL,
        roles: RoleHints { lead: Some(name("estmark")), observing: vec![name("sudria")] },
    };
    let charter = draft("convoy", &cards, &spec).expect("a sound draft");
    let notes = messages(&charter, Severity::Note).join("\n");
    for expected in [
        "convoy: norden or skywatch alone can leave it to the word of estmark, by objecting; while it says nothing, the share is of",
        "convoy: where its rule is not met when the window ends, estmark alone decides it",
        "convoy: nobody alone can block it; estmark with norden or skywatch together can",
    ] {
        assert!(notes.contains(expected), "{expected} is not in\n{notes}");
    }
    assert!(!notes.contains("stand in for it"), "{notes}");
}

#[test]
fn two_that_can_block_together_are_named_where_nobody_can_alone() {
    let any = |count| {
        notes(&|kind| {
            kind.supporting = vec![name("estmark"), name("sudria"), name("vigil")];
            kind.observing.clear();
            kind.rule = OutcomeRule { all_of: endorsed(Role::Supporting, count), ..OutcomeRule::default() };
        })
    };
    let two = any(2);
    assert!(
        two.contains("airlift: nobody alone can block it; any two of estmark, sudria and vigil together can"),
        "{two}"
    );
    assert!(any(1).contains("airlift: nobody alone can block it, nor can any two"), "{}", any(1));
}

#[test]
fn a_fallback_that_can_never_come_to_anything_is_found() {
    let found = |severity: Severity, all_of: Terms| {
        lints(severity, &|kind| {
            kind.rule.at_least = vec![AtLeast { role: Role::Supporting, count: 1 }];
            kind.rule.fallback = Fallback::Lesser(Lesser { limits: "by day".into(), all_of: all_of.clone() });
        })
    };
    let lesser = |all_of: Terms| found(Severity::Error, all_of);
    let both = |count| Terms([endorsed(Role::Lead, 1).0, endorsed(Role::Supporting, count).0].concat());
    for same_or_stricter in [both(1), both(2)] {
        let errors = lesser(same_or_stricter);
        assert!(
            errors.contains(
                "airlift: whatever meets the lesser outcome meets the rule, so it is never agreed with limits"
            ),
            "{errors}"
        );
    }
    assert_eq!(lesser(endorsed(Role::Lead, 1)), "");
    assert_eq!(lesser(endorsed(Role::Supporting, 2)), "");
    // Three endorsements of whomever: the host and one lift nation are among them, which only trying tells; amendments are judged
    // without, so it is no error.
    let three = Threshold { role: None, partners: vec![], measure: Measure::Count(3) };
    let three = found(Severity::Warning, Terms(vec![Term::Threshold(three)]));
    assert!(three.contains("whatever meets the lesser outcome meets the rule"), "{three}");

    let escalates = |to: &str, rule: OutcomeRule| {
        lints(Severity::Warning, &|kind| {
            kind.rule = OutcomeRule { fallback: Fallback::Escalate(name(to)), ..rule.clone() };
        })
    };
    let lead = OutcomeRule { required: vec![Role::Lead], ..OutcomeRule::default() };
    let itself = escalates("norden", lead.clone());
    assert!(
        itself.contains("airlift: escalates to norden, whose endorsement meets the rule by itself"),
        "{itself}"
    );
    assert_eq!(escalates("sudria", lead.clone()), "");
    let more = OutcomeRule { at_least: vec![AtLeast { role: Role::Supporting, count: 1 }], ..lead };
    assert_eq!(escalates("norden", more), "");
}
