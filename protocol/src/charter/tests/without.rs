//! What is lost with partners that are gone.

use super::*;
use crate::authority::{Authority, AuthorityKind, Scope};

/// What is said without these partners.
fn without(charter: &Charter, gone: &[&str]) -> Vec<String> {
    let gone = gone.iter().map(|partner| name(partner)).collect();
    lint_without(charter, &gone).iter().map(ToString::to_string).collect()
}

fn airlift(charter: &mut Charter) -> &mut OperationType {
    charter.operations.iter_mut().find(|kind| kind.name.as_str() == "airlift").expect("declared")
}

#[test]
fn types_that_can_never_be_agreed_without_who_is_gone_are_named_with_what_they_lack() {
    let charter = charter(&FOUR);
    assert_eq!(without(&charter, &[]), Vec::<String>::new());
    // All three others expel one of four.
    let expels = |gone: &str| {
        format!("error: expulsion: without {gone} it can never be agreed: needs 1 more of supporting: {gone}")
    };
    assert_eq!(without(&charter, &["vigil"]), [expels("vigil")]);
    assert_eq!(
        without(&charter, &["sudria"]),
        [
            "error: airlift: without sudria it can never be agreed: needs 1 more of supporting: sudria"
                .to_owned(),
            expels("sudria")
        ]
    );
    let lead = without(&charter, &["norden"]);
    assert!(
        lead.contains(
            &"error: airlift: without norden it can never be agreed: needs lead: norden".to_owned()
        ),
        "{lead:?}"
    );
    // Three of four amend and expel; two may be gone from neither.
    let two = without(&charter, &["norden", "vigil"]).join("\n");
    for expected in [
        "error: amendment: without norden and vigil it can never be agreed: needs 1 more of supporting: norden or vigil",
        "error: expulsion: without norden and vigil it can never be agreed: needs",
        "warning: norden and vigil keep 2 of 4 seats: if they stop answering, nothing is ordered any more",
    ] {
        assert!(two.contains(expected), "{expected} is not in\n{two}");
    }
    let alone = without(&super::charter(&["norden"]), &["norden"]).join("\n");
    let keeps = "warning: norden keeps 1 of 1 seat: if it stops answering, nothing is ordered any more";
    assert!(alone.contains(keeps), "{alone}");
    // Whom it concerns has no voice: sudria's place was needed only where another is not asked.
    assert!(two.contains("reinstatement: without norden and vigil it can never be agreed about"), "{two}");
}

#[test]
fn what_a_fallback_still_gives_without_who_is_gone_is_a_warning() {
    let mut charter = charter(&FOUR);
    airlift(&mut charter).rule.fallback = Fallback::Escalate(name("sudria"));
    let lead = without(&charter, &["norden"]);
    assert_eq!(
        lead[0..1],
        ["error: closure: without norden it can never be agreed: needs lead: norden".to_owned()],
        "{lead:?}"
    );
    assert!(
        lead.contains(
            &"warning: airlift: without norden its rule can never be met, and the word of sudria alone decides: needs lead: norden"
                .to_owned()
        ),
        "{lead:?}"
    );
    let word = without(&charter, &["sudria"]).join("\n");
    assert!(word.contains("error: airlift: without sudria it can never be agreed"), "{word}");
    airlift(&mut charter).rule.at_least.clear();
    let word = without(&charter, &["sudria"]).join("\n");
    assert!(word.contains("warning: airlift: what is left to the word of sudria expires"), "{word}");
    airlift(&mut charter).rule.veto.partners = vec![name("sudria")];
    let word = without(&charter, &["sudria"]).join("\n");
    assert!(word.contains("note: airlift: with a veto holder gone (sudria), agreement waits"), "{word}");
}

#[test]
fn an_authority_that_cannot_speak_without_who_is_gone_is_named() {
    let mut charter = charter(&FOUR);
    let both = crate::authority::Expression::threshold(
        2,
        vec![charter.partners[1].root.into(), charter.partners[2].root.into()],
        &[],
    );
    charter.authority.precedence = Some(crate::authority::KindPrecedence::default());
    charter.authority.authorities.push(Authority {
        name: "command".parse().expect("a name"),
        kind: AuthorityKind::Coalition,
        scope: Scope::default(),
        expression: both.expect("sound"),
    });
    airlift(&mut charter).authority = Some("command".parse().expect("a name"));
    let lost = without(&charter, &["sudria"]).join("\n");
    assert!(
        lost.contains("error: airlift: without sudria it can never be agreed: it needs command, which needs"),
        "{lost}"
    );
    assert!(!without(&charter, &["vigil"]).join("\n").contains("command"));
}
