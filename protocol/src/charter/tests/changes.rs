//! What differs between charters, in words.

use super::*;
use crate::authority::{Authority, AuthorityKind, Expression, KindPrecedence, Scope};

const HOUR_MS: u64 = 3_600_000;

fn said(old: &Charter, new: &Charter) -> Vec<String> {
    old.differences(new).iter().map(ToString::to_string).collect()
}

fn of_airlift(change: impl Fn(&mut OperationType)) -> Vec<String> {
    let old = charter(&FOUR);
    let mut new = old.clone();
    change(new.operations.iter_mut().find(|kind| kind.name.as_str() == "airlift").expect("declared"));
    new.sort();
    let amendment = old.amendment_to(&new).map(|amendment| amendment.explain(&old));
    let said = said(&old, &new);
    // Partners vote on the lines that a comparison shows.
    if let Ok(lines) = amendment {
        assert_eq!(lines, said);
    }
    said
}

#[test]
fn a_difference_names_the_old_and_the_new() {
    assert_eq!(of_airlift(|kind| kind.window_ms = 12 * HOUR_MS), ["airlift: window 6 h -> 12 h"]);
    assert_eq!(of_airlift(|kind| kind.precedence = Lane::Flash), ["airlift: precedence immediate -> flash"]);
    assert_eq!(
        of_airlift(|kind| {
            kind.supporting = vec![name("sudria"), name("vigil")];
            kind.observing.clear();
        }),
        ["airlift: observing -vigil", "airlift: supporting +vigil -estmark"]
    );
    assert_eq!(
        of_airlift(|kind| {
            kind.rule.at_least[0].count = 1;
            kind.rule.quorum = 2;
            kind.rule.veto.partners = vec![name("sudria")];
            kind.rule.fallback = Fallback::Escalate(name("estmark"));
        }),
        [
            "airlift: needs 1 of lead and 2 of supporting -> 1 of lead and 1 of supporting",
            "airlift: quorum 0 -> 2",
            "airlift: veto +sudria",
            "airlift: else it expires -> the word of estmark decides within one further window",
        ]
    );
    assert_eq!(
        of_airlift(|kind| {
            kind.handoff.offer_ms = 2 * HOUR_MS;
            kind.fields.retain(|field| field.name != "slot");
        }),
        ["airlift: fields -slot", "airlift: handoff offer 1 h -> 2 h"]
    );
    let old = charter(&FOUR);
    let mut new = old.clone();
    new.operations.retain(|kind| kind.name.as_str() != "closure");
    new.capabilities =
        vec![HeldCapability { name: "lifts".parse().expect("a name"), partners: vec![name("sudria")] }];
    new.integrity.confirmations += 1;
    let lines = said(&old, &new);
    assert_eq!(lines[0], "removes closure");
    assert!(lines[1].starts_with("integrity events: confirmations "), "{lines:?}");
    assert_eq!(lines[2..], ["capabilities +lifts (sudria)"]);
    assert!(said(&new, &old)[0].starts_with("adds closure: flash, window 30 min; lead norden"), "{lines:?}");
    assert_eq!(said(&old, &old), Vec::<String>::new());
}

#[test]
fn a_difference_of_authorities_names_them_and_what_they_need() {
    let mut old = charter(&FOUR);
    let roots =
        ["norden", "sudria", "estmark"].map(|it| Expression::from(old.partner(it).expect("there").root));
    let command = |needs| Authority {
        name: "command".parse().expect("a name"),
        kind: AuthorityKind::Coalition,
        scope: Scope::default(),
        expression: Expression::threshold(needs, roots.to_vec(), &[]).expect("sound"),
    };
    let mut new = old.clone();
    new.authority.precedence = Some(KindPrecedence::default());
    new.authority.authorities = vec![command(2)];
    assert_eq!(
        said(&old, &new),
        [
            "where authorities disagree: undecided -> national before alliance before coalition",
            "adds the authority command (coalition): 2 of (estmark, norden, sudria); operations: all",
        ]
    );
    old.authority = new.authority.clone();
    new.authority.authorities = vec![command(3)];
    assert_eq!(
        said(&old, &new),
        ["authority command: needs 2 of (estmark, norden, sudria) -> 3 of (estmark, norden, sudria)"]
    );
}

#[test]
fn any_two_charters_are_compared_and_what_no_amendment_changes_is_said() {
    let old = charter(&FOUR);
    let mut new = old.clone();
    new.name = "passage".parse().expect("a name");
    new.step_ms *= 2;
    new.quota.flash += 1;
    new.clock_tolerance_ms *= 2;
    new.partners[0].officers = vec![key("estmark", "other").public()];
    new.partners.pop();
    new.operations[0].window_ms = HOUR_MS;
    let lines = said(&old, &new);
    let fixed = "(no amendment can change that)";
    assert_eq!(lines[0], format!("name corridor -> passage {fixed}"));
    for (line, expected) in lines[1..].iter().zip([
        "step ",
        "clock tolerance ",
        "quota flash 16 -> 17",
        "partner estmark: officers +",
        "partner -vigil",
    ]) {
        assert!(line.starts_with(expected) && line.ends_with(fixed), "{lines:?}");
    }
    assert_eq!(lines[6..], ["airlift: window 6 h -> 1 h"]);
    // What lint announces before anybody signs is what the comparison says.
    let notes = messages(&old, Severity::Note).join("\n");
    assert!(
        notes.contains("what no amendment can change later: the name, when it was drawn up, step_ms"),
        "{notes}"
    );
    assert!(notes.contains("which types amend it (amendment)"), "{notes}");
}

#[test]
fn nothing_that_is_called_none_comes_or_goes_unseen() {
    let old = charter(&FOUR);
    let mut new = old.clone();
    new.operations[0].authority = Some("none".parse().expect("a name"));
    new.operations[0].may_raise_with = Some("none".parse().expect("a name"));
    let kind = old.operations[0].name.clone();
    assert_eq!(
        said(&old, &new),
        [format!("{kind}: authority (nothing) -> none"), format!("{kind}: may raise with (nothing) -> none")]
    );
}
