//! The charter with all that one can state.

use entente_protocol::authority::{AllianceReference, Authority, Follow, KindPrecedence};
use entente_protocol::charter::{
    AuthorityRules, DeclaredRole, Dependants, DisputeRule, Fallback, Field, FieldKind, HandoffRule,
    HeldCapability, IfShort, Lease, Lesser, Measure as Of, OnExpiry, OperationType, Phase, Substitute,
    TakeoverRule, Term, Terms, Threshold, Veto, Weight,
};

use super::*;

fn name<T: std::str::FromStr>(text: &str) -> T
where
    T::Err: std::fmt::Debug,
{
    text.parse().expect("a name")
}

fn term(role: Option<Role>, partners: &[&str], measure: Of) -> Term {
    Term::Threshold(Threshold {
        role,
        partners: partners.iter().map(|partner| name(partner)).collect(),
        measure,
    })
}

fn dispute(if_short: IfShort, on_expiry: OnExpiry, dependants: Dependants) -> DisputeRule {
    DisputeRule {
        window_ms: 1000,
        panel: vec![name("estmark"), name("skywatch")],
        threshold: 1,
        if_short,
        rule_ms: 1000,
        on_expiry,
        dependants,
        grounds: vec![name("safety")],
        remand_ms: Some(500),
    }
}

fn airlift(kind: &mut OperationType) {
    kind.may_raise_with = Some(name("air-space"));
    kind.roles = vec![DeclaredRole {
        name: name("medical"),
        partners: vec![name("skywatch")],
        requires: Some(name("hospital")),
        counts: true,
        opens: false,
    }];
    kind.fields.push(Field {
        name: "weather".into(),
        kind: FieldKind::Choice,
        required: true,
        min: None,
        max: None,
        choices: vec!["calm".into(), "storm".into()],
    });
    kind.leases = vec![Lease {
        name: name("east"),
        resource: name("corridor"),
        values: vec![vec!["alfa".into()], vec!["bravo".into()]],
        partner: name("estmark"),
        all_of: Terms(vec![term(Some(Role::Supporting), &[], Of::Count(1))]),
    }];
    kind.rule.all_of = Terms(vec![
        Term::AllOf(Terms(vec![
            term(None, &[], Of::Weight(3)),
            term(Some(Role::Supporting), &[], Of::Percent(60)),
        ])),
        Term::AnyOf(Terms(vec![
            term(None, &["estmark"], Of::Count(1)),
            term(Some(name("medical")), &["skywatch"], Of::Count(1)),
        ])),
    ]);
    kind.rule.quorum = 2;
    kind.rule.weights = vec![Weight { partner: name("estmark"), weight: 2 }];
    kind.rule.substitutes =
        vec![Substitute { role: Role::Supporting, partner: name("estmark"), by: vec![name("skywatch")] }];
    kind.rule.veto = Veto { partners: vec![name("sudria")], roles: vec![Role::Lead] };
    kind.rule.fallback = Fallback::Lesser(Lesser {
        limits: "by day".into(),
        all_of: Terms(vec![term(Some(Role::Lead), &[], Of::Count(1))]),
    });
    kind.handoff = HandoffRule {
        takeover: Some(TakeoverRule { successor: name("sudria"), silent_ms: Some(60_000), lapsed: true }),
        ..kind.handoff.clone()
    };
    kind.phases = vec![
        Phase { name: name("search"), lead: kind.lead.clone(), successor: None },
        Phase { name: name("rescue"), lead: vec![name("sudria")], successor: Some(name("estmark")) },
    ];
    kind.dispute = Some(dispute(IfShort::Unanimous, OnExpiry::Annul, Dependants::Hold));
    kind.authority = Some(name("command"));
}

fn authorities() -> AuthorityRules {
    let authority = |called: &str, kind, expression| Authority {
        name: name(called),
        kind,
        scope: Scope { operations: Extent::only([name("airlift")]) },
        expression,
    };
    let [norden, sudria]: [Expression; 2] =
        ["norden", "sudria"].map(|nation| Expression::Named(name(nation)));
    let safe = Expression::threshold(
        2,
        vec![key("safe").public().into(), sudria.clone()],
        &[key("safe").public().into()],
    );
    let [pact, _] = alliances();
    let followed = [("league", Follow::AtOnce), ("pact", Follow::NextAmendment), ("union", Follow::Pinned)];
    AuthorityRules {
        precedence: KindPrecedence::new([
            AuthorityKind::Coalition,
            AuthorityKind::Alliance,
            AuthorityKind::National,
        ]),
        authorities: vec![
            authority(
                "command",
                AuthorityKind::Coalition,
                Expression::threshold(1, vec![norden, sudria], &[]).expect("sound"),
            ),
            authority("norden", AuthorityKind::National, safe.expect("sound")),
        ],
        alliances: followed
            .map(|(called, follow)| {
                let document = AllianceDocument { name: name(called), ..pact.alliance.clone() };
                let mut signed = SignedAlliance::new(document);
                ["norden", "estmark"].iter().for_each(|name| signed.sign(&key(name)));
                AllianceReference::new(signed, follow)
            })
            .into(),
    }
}

/// The charter with all that one can state, whether it could ever work or not.
pub(crate) fn full_charter() -> Charter {
    let mut charter = charter();
    for kind in &mut charter.operations {
        match kind.name.as_str() {
            "airlift" => airlift(kind),
            "closure" => {
                kind.rule.fallback = Fallback::Escalate(name("norden"));
                kind.dispute = Some(dispute(IfShort::Refuse, OnExpiry::Uphold, Dependants::GoOn));
            }
            "expulsion" => kind.rule.fallback = Fallback::Defer,
            "reinstatement" => kind.rule.fallback = Fallback::Authority(name("command")),
            _ => {}
        }
    }
    charter.capabilities = vec![HeldCapability { name: name("hospital"), partners: vec![name("skywatch")] }];
    charter.authority = authorities();
    charter
}
