//! Findings about authorities, and what is said of a text that states them wrongly.

use super::*;
use crate::authority::{Authority, AuthorityKind, Expression, Extent, Scope};

fn authority(name: &str, kind: AuthorityKind, expression: Expression) -> Authority {
    let scope = Scope::default();
    Authority { name: name.parse().expect("a name"), kind, scope, expression }
}

fn named(name: &str) -> Expression {
    Expression::Named(name.parse().expect("a name"))
}

fn some(needs: u32, of: &[&str], required: &[&str]) -> Expression {
    let list = |names: &[&str]| names.iter().map(|name| named(name)).collect::<Vec<_>>();
    Expression::threshold(needs, list(of), &list(required)).expect("sound")
}

#[test]
fn a_scope_names_operation_types_that_there_are() {
    refuses(
        |c| {
            let mut command =
                authority("command", AuthorityKind::Coalition, some(2, &["norden", "sudria"], &[]));
            command.scope.operations = Extent::only(["airlfit".parse().expect("a name")]);
            c.authority.authorities.push(command);
        },
        "command may decide on airlfit, and there is no such operation type; there are: airlift",
    );
}

#[test]
fn a_nations_authority_cannot_be_wholly_anothers() {
    let national = |expression: Expression| {
        errors(|c| {
            let own = match &expression {
                Expression::Named(name) if name.as_str() == "norden" => {
                    c.partner("norden").expect("there").root.into()
                }
                other => other.clone(),
            };
            c.authority.authorities.push(authority("norden", AuthorityKind::National, own));
        })
    };
    let anothers = national(named("sudria"));
    assert_eq!(
        anothers,
        [
            "norden is stated as the authority of the nation norden, and others satisfy it without norden (sudria): require norden in it"
        ]
    );
    assert_eq!(national(named("norden")), Vec::<String>::new());
    assert_eq!(national(some(1, &["estmark", "sudria"], &[])).len(), 1);
    // Keys that are no partner's lie in the nation's own safe.
    let safe = Expression::threshold(
        2,
        vec![key("norden", "safe").public().into(), named("sudria"), named("estmark")],
        &[key("norden", "safe").public().into()],
    );
    assert_eq!(national(safe.expect("sound")), Vec::<String>::new());
}

#[test]
fn one_that_counts_a_signer_twice_is_told_so() {
    let errors = errors(|c| {
        let root: Expression = c.partner("norden").expect("there").root.into();
        let twice = Expression::threshold(2, vec![root, named("norden")], &[]).expect("sound");
        c.authority.authorities.push(authority("command", AuthorityKind::Coalition, twice));
    });
    assert!(
        errors[0].contains("command could never act: needs one more that a signer of its own counts for"),
        "{errors:?}"
    );
}

#[test]
fn what_is_wrong_with_a_text_is_named() {
    let text = charter(&FOUR).to_toml();
    let refused = |from: &str, to: &str| {
        assert!(text.contains(from), "{from} is not in\n{text}");
        Charter::from_toml(&text.replacen(from, to, 1)).expect_err("refused").to_string()
    };
    let more = refused("fallback = \"fail\"", "fallback = { escalate = \"sudria\", foo = 1 }");
    assert!(
        more.contains("unknown field `foo`, expected one of `escalate`, `authority`, `lesser`"),
        "{more}"
    );
    let both = "fallback = { escalate = \"sudria\", lesser = { limits = \"x\", all_of = [] } }";
    let both = refused("fallback = \"fail\"", both);
    assert!(both.contains("a fallback is one of escalate, authority and lesser"), "{both}");
    let two = refused("[authority]\n", "[authority]\nprecedence = [\"national\", \"alliance\"]\n");
    assert!(two.contains("each kind of authority once: \"national\", \"alliance\", \"coalition\""), "{two}");
    let mut twice = charter(&FOUR);
    twice.partners.push(twice.partners[0].clone());
    let twice = Charter::from_toml(&twice.to_toml()).expect_err("refused").to_string();
    assert_eq!(twice, "partners: estmark is named twice");
    // What can be written is read back.
    for fallback in [Fallback::Fail, Fallback::Defer, Fallback::Escalate(name("sudria"))] {
        let mut charter = charter(&FOUR);
        charter.operations[0].rule.fallback = fallback;
        assert_eq!(Charter::from_toml(&charter.to_toml()).as_ref(), Ok(&charter));
    }
}

#[test]
fn a_quorum_of_more_than_can_speak_is_told_with_both_numbers() {
    refuses(
        |c| c.operations[0].rule.quorum = 9,
        "airlift: a quorum of 9, and 3 can speak; it can never be agreed",
    );
}
