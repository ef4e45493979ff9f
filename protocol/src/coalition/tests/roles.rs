//! Roles that a type declares.

use super::*;
use crate::charter::{DeclaredRole, HeldCapability};

fn role(text: &str) -> Role {
    text.parse().expect("a role")
}

fn declared(text: &str, partners: &[&str]) -> DeclaredRole {
    DeclaredRole {
        name: role(text),
        partners: partners.iter().map(|partner| name(partner)).collect(),
        requires: None,
        counts: true,
        opens: false,
    }
}

/// Four partners and a type with a host that may open and a veto, and a press officer that does not count.
fn hosted() -> Charter {
    let mut charter = charter(&FOUR);
    let kind = &mut charter.operations[0];
    let host = DeclaredRole { opens: true, ..declared("host", &["vigil"]) };
    kind.roles = vec![host, DeclaredRole { counts: false, ..declared("press", &["estmark"]) }];
    kind.rule.required.push(role("host"));
    kind.rule.veto.roles.push(role("host"));
    charter.sort();
    charter
}

#[test]
fn a_declared_role_counts_opens_and_vetoes_as_the_type_says() {
    let mut bench = Bench::new(found(hosted()));
    let opening = open(&bench.founded, "vigil", "by the host");
    assert_eq!(bench.apply(&opening).disposition, Disposition::Applied);
    let id = opening.record.id();
    bench.say("norden", id, Lead, Endorse);
    bench.say("sudria", id, Supporting, Endorse);
    bench.say("estmark", id, role("press"), Endorse);
    assert_eq!(
        bench.deficit(id),
        "needs 1 more of supporting: estmark; needs host: vigil; veto by vigil not used"
    );
    bench.supersede("estmark", id, Supporting, Endorse);
    assert_eq!(bench.deficit(id), "needs host: vigil; veto by vigil not used");
    let mut vetoed = bench.clone();
    vetoed.say("vigil", id, role("host"), Object);
    assert_eq!(vetoed.deficit(id), "needs host: vigil (objects); blocked by veto of vigil");
    let decision = bench.say("vigil", id, role("host"), Endorse).decisions.remove(0);
    assert_eq!(decision.verdict, Verdict::Agreed);
    bench.assert_root();
}

#[test]
fn a_role_is_held_by_who_is_listed_and_only_who_has_what_it_requires_can_be() {
    let mut charter = hosted();
    let medevac: crate::charter::KindName = "medevac".parse().expect("a name");
    let medical =
        DeclaredRole { requires: Some(medevac.clone()), ..declared("medical", &["estmark", "sudria"]) };
    charter.operations[0].roles.insert(1, medical);
    charter.capabilities = vec![HeldCapability { name: medevac, partners: vec![name("sudria")] }];
    charter.sort();
    let errors = crate::charter::lint(&charter).into_iter().map(|lint| lint.message).collect::<Vec<_>>();
    assert_eq!(errors[0], "airlift: medical requires medevac, which the charter does not attest to estmark");
    charter.capabilities[0].partners.insert(0, name("estmark"));
    let mut bench = Bench::new(found(charter));
    let id = bench.open();
    let said = bench.word("norden", id, role("medical"), Endorse);
    assert_eq!(bench.refusal(&said).to_string(), "norden may not act as medical here; it may act as lead");
    let said = bench.word("norden", id, role("pilot"), Endorse);
    assert!(matches!(bench.refusal(&said), Refusal::RoleNotHeld { .. }));
    bench.say("sudria", id, role("medical"), Endorse);
}
