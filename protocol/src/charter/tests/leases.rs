//! Claims about leases in a charter.

use super::*;

fn lease(title: &str, partner: &str, values: &[&str]) -> Lease {
    Lease {
        name: title.parse().expect("a name"),
        resource: "corridor".parse().expect("a name"),
        values: values.iter().map(|value| vec![(*value).to_owned()]).collect(),
        partner: name(partner),
        all_of: Terms::default(),
    }
}

/// The airlift of four partners, with a panel, and these leases.
fn with_leases(charter: &mut Charter, leases: Vec<Lease>) {
    let kind = charter.operations.iter_mut().find(|kind| kind.name.as_str() == "airlift").expect("declared");
    kind.leases = leases;
    kind.dispute = Some(DisputeRule {
        window_ms: 1000,
        panel: vec![name("estmark"), name("vigil")],
        threshold: 1,
        if_short: IfShort::Unanimous,
        rule_ms: 1000,
        on_expiry: OnExpiry::Annul,
        dependants: Dependants::Hold,
        grounds: vec![],
        remand_ms: Some(500),
    });
}

fn two() -> Vec<Lease> {
    vec![lease("north", "estmark", &["alfa", "bravo"]), lease("south", "sudria", &["charlie"])]
}

fn lease_refuses(change: impl Fn(&mut Vec<Lease>), expected: &str) {
    let leases = || {
        let mut leases = two();
        change(&mut leases);
        leases
    };
    refuses(|charter| with_leases(charter, leases()), expected);
}

#[test]
fn leases_come_back_from_text_and_bytes_and_change_the_id() {
    let mut charter = charter(&FOUR);
    let before = charter.id();
    with_leases(&mut charter, two());
    let threshold = Threshold { role: Some(Role::Supporting), partners: vec![], measure: Measure::Count(2) };
    charter.operations.iter_mut().flat_map(|kind| &mut kind.leases).for_each(|lease| {
        lease.all_of = Terms(vec![Term::Threshold(threshold.clone())]);
    });
    let text = charter.to_toml();
    assert!(text.contains("[[operations.leases]]"), "{text}");
    assert_eq!(Charter::from_toml(&text).as_ref(), Ok(&charter), "{text}");
    assert_eq!(Charter::decode(&charter.encode()).as_ref(), Ok(&charter));
    assert_ne!(charter.id(), before);
    assert_eq!(messages(&charter, Severity::Error), [""; 0]);
    let note = "airlift: the lease north lets estmark commit corridor alone while it cannot reach the others; norden may still \
                veto it";
    assert!(messages(&charter, Severity::Note).iter().any(|said| said == note));
    let claim = |value: &str| Claim {
        resource: "corridor".parse().expect("a name"),
        values: vec![value.into()],
        from: Time(1),
        until: Time(2),
    };
    assert_eq!(charter.lease_of(&claim("bravo")).map(|lease| lease.name.as_str()), Some("north"));
    assert_eq!(charter.lease_of(&claim("delta")), None);
    // People write values in any order; bytes have one.
    let mut other = charter.clone();
    other.operations.iter_mut().flat_map(|kind| &mut kind.leases).for_each(|lease| lease.values.reverse());
    assert_eq!(Charter::from_toml(&other.to_toml()).map(|read| read.id()), Ok(charter.id()));
    assert!(matches!(Charter::decode(&other.encode()), Err(CharterError::Order { .. })));
}

#[test]
fn leases_of_one_resource_are_disjoint_over_all_types_that_claim_it() {
    let overlap = "airlift: the lease south gives corridor bravo to sudria, and the lease north gives it to estmark: leases of \
                   one resource must be disjoint";
    lease_refuses(|leases| leases[1].values = vec![vec!["bravo".into()], vec!["charlie".into()]], overlap);
    lease_refuses(
        |leases| leases.push(lease("third", "sudria", &["charlie"])),
        "airlift: the lease third gives corridor charlie to sudria, and the lease south gives it to sudria",
    );
    let other = |partner: &'static str| {
        move |charter: &mut Charter| {
            with_leases(charter, two());
            let mut more = charter.kind("airlift").expect("declared").clone();
            more.name = "closed-lift".parse().expect("a name");
            more.leases = vec![lease("again", partner, &["alfa"])];
            charter.operations.push(more);
            charter.sort();
        }
    };
    refuses(
        other("sudria"),
        "closed-lift: the lease again gives corridor alfa to sudria, and the lease north of airlift gives it to estmark",
    );
    assert_eq!(errors(other("estmark")), [""; 0], "one holder in both");
}

#[test]
fn leases_that_can_never_be_used_are_refused_and_said_why() {
    lease_refuses(
        |leases| leases[0].resource = "sector".parse().expect("a name"),
        "airlift: the lease north is for sector, which is no resource of this type; there are: corridor",
    );
    lease_refuses(
        |leases| leases[0].values.clear(),
        "airlift: the lease north names no values, so it is for nothing",
    );
    lease_refuses(
        |leases| leases[0].partner = name("borland"),
        "airlift: the lease north is given to borland, which is no partner of this charter",
    );
    lease_refuses(
        |leases| leases[0].partner = name("vigil"),
        "airlift: the lease north is given to vigil, which has no role that opens, so it can commit nothing",
    );
    lease_refuses(
        |leases| leases[0].values = vec![vec!["alfa".into(), "bravo".into()]],
        "airlift: the lease north has a value of 2 parts, and corridor is named by 1: corridor",
    );
    lease_refuses(
        |leases| leases[0].values = vec![vec!["x".repeat(201)]],
        "has a value that no operation can have: corridor \"xxx",
    );
    let never = |partners: Vec<PartnerName>, count| {
        move |leases: &mut Vec<Lease>| {
            let role = Some(Role::Supporting);
            let measure = Measure::Count(count);
            leases[0].all_of =
                Terms(vec![Term::Threshold(Threshold { role, partners: partners.clone(), measure })]);
        }
    };
    lease_refuses(never(vec![], 3), "airlift: the lease north can never be used: ");
    let errors = errors(|charter| {
        with_leases(charter, two());
        let other =
            charter.operations.iter_mut().find(|kind| kind.name.as_str() == "closure").expect("declared");
        other.leases = vec![lease("none", "norden", &["alfa"])];
        let change = charter.operations.iter_mut().find(|kind| kind.effect.is_some()).expect("declared");
        change.leases = vec![lease("change", "norden", &["zulu"])];
    });
    let said = |text: &str| errors.iter().any(|error| error.contains(text));
    assert!(said("closure: the lease none is for nothing: closure has no exclusive resources"), "{errors:?}");
    assert!(said("the lease change is of a type that changes the coalition itself"), "{errors:?}");
    let mut charter = charter(&FOUR);
    with_leases(&mut charter, two());
    charter.operations.iter_mut().for_each(|kind| kind.dispute = None);
    let warnings = messages(&charter, Severity::Warning);
    assert!(warnings.iter().any(|said| said.contains("no panel rules on it")), "{warnings:?}");
}

#[test]
fn leases_are_bounded() {
    let refused = |change: &dyn Fn(&mut Vec<Lease>)| {
        let mut charter = charter(&FOUR);
        let mut leases = two();
        change(&mut leases);
        with_leases(&mut charter, leases);
        charter.sort();
        Charter::decode(&charter.encode())
    };
    assert!(refused(&|_| {}).is_ok());
    let many = |count: usize| (0..count).map(|number| format!("c{number}")).collect::<Vec<_>>();
    let values = |count: usize| many(count).into_iter().map(|value| vec![value]).collect::<Vec<_>>();
    assert!(refused(&|leases| leases[0].values = values(MAX_LEASE_VALUES)).is_ok());
    let too_many = refused(&|leases| leases[0].values = values(MAX_LEASE_VALUES + 1));
    assert!(matches!(too_many, Err(CharterError::Bound { .. })));
    let leases = |count| many(count).iter().map(|title| lease(title, "sudria", &[title])).collect::<Vec<_>>();
    assert!(refused(&|all| *all = leases(MAX_LEASES)).is_ok());
    assert!(matches!(refused(&|all| *all = leases(MAX_LEASES + 1)), Err(CharterError::Bound { .. })));
    let twice = refused(&|leases| leases[1].name = leases[0].name.clone());
    assert!(matches!(twice, Err(CharterError::Twice { .. } | CharterError::Order { .. })));
    let controls = refused(&|leases| leases[0].values = vec![vec!["a\u{1b}[31m".into()]]);
    assert!(matches!(controls, Err(CharterError::Text(_))));
    assert!(matches!(refused(&|leases| leases[0].values = vec![vec![]]), Err(CharterError::Bound { .. })));
}

#[test]
fn an_amendment_puts_leases_with_their_type_and_may_not_make_them_overlap() {
    let mut first = charter(&FOUR);
    with_leases(&mut first, two());
    first.sort();
    let amended = |change: &dyn Fn(&mut Vec<Lease>)| {
        let mut wanted = first.clone();
        let kind =
            wanted.operations.iter_mut().find(|kind| kind.name.as_str() == "airlift").expect("declared");
        change(&mut kind.leases);
        first.amendment_to(&wanted)
    };
    let amendment = amended(&|leases| leases[0].values = vec![vec!["delta".into()]]).expect("sound");
    assert_eq!(amendment.explain(&first), ["airlift: leases north values +delta -alfa -bravo"]);
    let after = first.amended(&amendment).expect("applies");
    assert_eq!(
        after.kind("airlift").map(|kind| kind.leases[0].values.clone()),
        Some(vec![vec!["delta".into()]])
    );
    let overlap = amended(&|leases| leases[1].values = vec![vec!["alfa".into()]]);
    assert!(
        matches!(&overlap, Err(AmendmentError::Lint { errors }) if errors[0].contains("must be disjoint")),
        "{overlap:?}"
    );
}
