//! Bodies, exclusive resources and precedence.

use super::*;
use crate::charter::{Field, FieldKind, HeldCapability, Resource};

fn field(name: &str, kind: FieldKind, required: bool) -> Field {
    Field { name: name.into(), kind, required, min: None, max: None, choices: vec![] }
}

/// Four partners and a type whose body names a corridor and when.
fn corridors() -> Bench {
    let mut charter = charter(&FOUR);
    let at = charter.operations.iter().position(|kind| kind.name.as_str() == "airlift").expect("declared");
    let kind = &mut charter.operations[at];
    kind.fields = vec![
        field("corridor", FieldKind::Text, true),
        Field { choices: vec!["day".into(), "night".into()], ..field("light", FieldKind::Choice, false) },
        Field { min: Some(1), max: Some(12), ..field("aircraft", FieldKind::Number, false) },
        field("from", FieldKind::Time, true),
        field("until", FieldKind::Time, true),
    ];
    kind.resources = vec![Resource {
        name: "corridor".parse().expect("a name"),
        fields: vec!["corridor".into()],
        from: Some("from".into()),
        until: Some("until".into()),
    }];
    kind.may_raise = vec![name("norden")];
    charter.sort();
    assert_eq!(Charter::from_toml(&charter.to_toml()).as_ref(), Ok(&charter));
    assert_eq!(Charter::decode(&charter.encode()).as_ref(), Ok(&charter));
    Bench::new(found(charter))
}

fn opening(bench: &Bench, partner: &str, key: &str, values: &[(&str, &str)]) -> SignedRecord {
    let body = values.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let act = Open { kind: "airlift".into(), title: format!("lift {key}"), body, precedence: None };
    record(&bench.founded, partner, key, Act::Open(act))
}

fn lift(bench: &Bench, partner: &str, key: &str, corridor: &str, hours: (u32, u32)) -> SignedRecord {
    let (from, until) =
        (format!("2026-11-25T{:02}:00:00Z", hours.0), format!("2026-11-25T{:02}:00:00Z", hours.1));
    opening(bench, partner, key, &[("corridor", corridor), ("from", &from), ("until", &until)])
}

#[test]
fn a_body_is_judged_by_the_fields_of_its_type() {
    let mut bench = corridors();
    let when = [("corridor", "alfa"), ("from", "2026-11-25T06:00:00Z"), ("until", "2026-11-25T07:00:00Z")];
    let with = |more: &[(&'static str, &'static str)]| {
        let mut values = BTreeMap::from(when);
        values.extend(more.iter().copied());
        values.into_iter().collect::<Vec<_>>()
    };
    for (values, why) in [
        (with(&[("colour", "red")]), "there is no value \"colour\" in an operation of this type"),
        (when[1..].to_vec(), "needs the value \"corridor\""),
        (with(&[("aircraft", "13")]), "the value \"aircraft\" is 13; 1 to 12 are allowed"),
        (with(&[("aircraft", "07")]), "the value \"aircraft\" is no whole number"),
        (with(&[("light", "dusk")]), "the value \"light\" is none of day, night"),
        (with(&[("from", "tomorrow")]), "the value \"from\" is no time in UTC"),
        (with(&[("until", "2026-11-25T06:00:00Z")]), "the value \"until\" is not after the value \"from\""),
    ] {
        let signed = opening(&bench, "norden", why, &values);
        let refusal = bench.refusal(&signed).to_string();
        assert!(refusal.contains(why), "{refusal}");
    }
    let sound = opening(&bench, "norden", "sound", &with(&[("aircraft", "12"), ("light", "night")]));
    assert_eq!(bench.apply(&sound).disposition, Disposition::Applied);
}

#[test]
fn of_two_claims_that_overlap_the_first_that_is_opened_wins_and_the_other_is_told_by_whom() {
    let mut bench = corridors();
    let first = lift(&bench, "norden", "first", "alfa", (6, 8));
    let id = first.record.id();
    assert_eq!(bench.apply(&first).disposition, Disposition::Applied);
    let view = bench.state.view(&id, bench.state.time()).expect("known");
    assert_eq!(view.claims, ["corridor alfa from 2026-11-25T06:00:00Z until 2026-11-25T08:00:00Z"]);
    for (key, hours) in [("same", (6, 8)), ("inside", (7, 8)), ("around", (5, 9)), ("end", (7, 10))] {
        let late = lift(&bench, "sudria", key, "alfa", hours);
        let refusal = bench.refusal(&late).to_string();
        assert!(refusal.contains(&format!("{id} of norden (\"lift first\") was opened first")), "{refusal}");
        // Held elsewhere, it is known to lose before it is ordered.
        let provisional = bench.state.provisional(&[late], bench.state.time());
        assert!(matches!(
            provisional.refused.as_slice(),
            [(_, Refusal::Operation(OperationRefusal::Taken { .. }))]
        ));
    }
    for (key, corridor, hours) in
        [("before", "alfa", (4, 6)), ("after", "alfa", (8, 9)), ("bravo", "bravo", (6, 8))]
    {
        let other = lift(&bench, "sudria", key, corridor, hours);
        assert_eq!(bench.apply(&other).disposition, Disposition::Applied, "{key}");
    }
    bench.assert_root();
}

#[test]
fn claims_are_free_again_when_their_operation_fails_and_stay_when_it_is_agreed() {
    let mut bench = corridors();
    let first = lift(&bench, "norden", "first", "alfa", (6, 8));
    let second = lift(&bench, "sudria", "second", "alfa", (6, 8));
    let id = first.record.id();
    bench.apply(&first);
    assert!(matches!(bench.refusal(&second), Refusal::Operation(OperationRefusal::Taken { .. })));
    let mut agreed = bench.clone();
    agreed.say("norden", id, Lead, Endorse);
    agreed.say("sudria", id, Supporting, Endorse);
    assert_eq!(agreed.say("estmark", id, Supporting, Endorse).decisions[0].verdict, Verdict::Agreed);
    assert!(matches!(agreed.refusal(&second), Refusal::Operation(OperationRefusal::Taken { .. })));
    let end = bench.state.operation(&id).expect("known").closes;
    bench.advance(end);
    assert_eq!(bench.apply(&second).disposition, Disposition::Applied);
    // A replica that takes the state knows who has what.
    let items = bench.state.items().iter().map(wire::encode).collect::<Vec<_>>();
    let founded = Arc::new(bench.founded.clone());
    let taken = State::of_items(&founded, items.iter().map(Vec::as_slice), &bench.state.root());
    bench.state = taken.expect("all items");
    let third = lift(&bench, "estmark", "third", "alfa", (7, 9));
    assert!(
        matches!(bench.refusal(&third), Refusal::Operation(OperationRefusal::Taken(taken)) if taken.holder == second.record.id())
    );
}

#[test]
fn two_claims_never_overlap_whatever_the_order_of_openings() {
    let mut rng = Rng::new(21);
    for case in 0..20 {
        let mut bench = corridors();
        let mut held: Vec<(u64, u32, u32)> = Vec::new();
        for step in 0..40 {
            let (place, from) = (rng.below(2), u32::try_from(rng.below(22)).expect("small"));
            let until = from + 1 + u32::try_from(rng.below(3)).expect("small").min(22 - from);
            let corridor = ["alfa", "bravo"][usize::try_from(place).expect("small")];
            let signed = lift(&bench, "norden", &format!("{step}"), corridor, (from, until));
            let free =
                held.iter().all(|(other, begin, end)| *other != place || until <= *begin || from >= *end);
            let applied = bench.apply(&signed).disposition == Disposition::Applied;
            assert_eq!(applied, free, "case {case} step {step}");
            if applied {
                held.push((place, from, until));
            }
        }
    }
}

#[test]
fn precedence_is_raised_only_upward_and_only_by_whom_the_type_names() {
    let mut bench = corridors();
    let raised = |bench: &Bench, partner: &str, lane| {
        let mut signed = lift(bench, partner, "raised", "alfa", (6, 8)).record;
        if let Act::Open(open) = &mut signed.act {
            open.precedence = Some(lane);
        }
        signed.sign(&key(partner, "officer"))
    };
    let same = raised(&bench, "norden", Lane::Immediate);
    assert!(bench.refusal(&same).to_string().contains("precedence immediate is not above immediate"));
    let other = raised(&bench, "sudria", Lane::Flash);
    assert_eq!(bench.refusal(&other).to_string(), "sudria may not raise the precedence; norden may");
    let sound = raised(&bench, "norden", Lane::Flash);
    assert_eq!(bench.apply(&sound).disposition, Disposition::Applied);
    let view = bench.state.view(&sound.record.id(), CREATED).expect("known");
    assert_eq!(view.precedence, Some(Lane::Flash));
}

#[test]
fn the_precedence_is_raised_by_who_is_named_and_by_who_has_the_declared_capability() {
    let mut charter = charter(&FOUR);
    let kind = charter.operations.iter_mut().find(|kind| kind.name.as_str() == "airlift").expect("declared");
    (kind.precedence, kind.may_raise) = (Lane::Routine, vec![name("norden")]);
    kind.may_raise_with = Some("air-defence".parse().expect("a name"));
    let capability = |partners: &[&str]| HeldCapability {
        name: "air-defence".parse().expect("a name"),
        partners: partners.iter().map(|partner| name(partner)).collect(),
    };
    // Nobody who may open has it.
    charter.capabilities = vec![capability(&["vigil"])];
    charter.sort();
    let errors = crate::charter::lint(&charter).into_iter().map(|lint| lint.message).collect::<Vec<_>>();
    assert!(errors.iter().any(|error| error.contains("nobody that may open has it")), "{errors:?}");
    charter.capabilities = vec![capability(&["sudria", "vigil"])];
    charter.sort();
    assert_eq!(Charter::from_toml(&charter.to_toml()).as_ref(), Ok(&charter));
    assert_eq!(Charter::decode(&charter.encode()).as_ref(), Ok(&charter));
    let mut bench = Bench::new(found(charter));
    for (partner, may) in [("norden", true), ("sudria", true), ("estmark", false)] {
        let mut raised = open(&bench.founded, partner, "raised").record;
        if let Act::Open(open) = &mut raised.act {
            open.precedence = Some(Lane::Flash);
        }
        let signed = raised.sign(&key(partner, "officer"));
        let applied = bench.in_lane(partner, Lane::Flash, &signed);
        match may {
            true => assert_eq!(applied, Disposition::Applied, "{partner}"),
            false => assert_eq!(
                applied,
                Disposition::Refused(Refusal::Operation(OperationRefusal::MayNotRaise {
                    partner: name(partner),
                    may: vec![name("norden"), name("sudria")],
                }))
            ),
        }
    }
}
