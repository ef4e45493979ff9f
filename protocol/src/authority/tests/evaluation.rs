//! Every set of signers, against the oracle; what is missing, made good.

use std::collections::{BTreeMap, BTreeSet};

use super::oracle::{Plain, plain, satisfied};
use super::*;

fn signers(set: u32) -> BTreeSet<PublicKey> {
    (0..32).filter(|at| set & (1 << at) != 0).map(key).collect()
}

fn bits(count: usize) -> BTreeMap<PublicKey, u32> {
    (0..count).map(|at| (key(at), 1 << at)).collect()
}

fn by_name(registry: &Registry) -> BTreeMap<AuthorityName, Expression> {
    let entry = |authority: &Authority| (authority.name.clone(), authority.expression.clone());
    registry.authorities().iter().map(entry).collect()
}

/// Compares an expression with the oracle over every subset of `count` signers; satisfied ones, in bits.
fn compare(registry: &Registry, expression: &Expression, count: usize) -> Vec<u32> {
    let plain = plain(expression, &by_name(registry), &bits(count));
    let mut found = Vec::new();
    for set in 0u32..1 << count {
        let expected = satisfied(&plain, set).map(signers);
        let outcome = registry.evaluate(expression, &signers(set));
        assert_eq!(outcome.as_ref().ok(), expected.as_ref(), "{expression} with {set:b}: {outcome:?}");
        if outcome.is_ok() {
            found.push(set);
        }
    }
    // One more signature never takes anything away.
    for set in &found {
        assert!((0..count).all(|at| found.binary_search(&(set | 1 << at)).is_ok()), "{expression}, {set:b}");
    }
    found
}

/// Whether `extra` signers make good what is lacking.
fn answers(lack: &Lack, deficit: &Deficit, extra: &BTreeSet<PublicKey>, registry: &Registry) -> bool {
    match lack {
        Lack::Key { key, .. } => extra.contains(key),
        Lack::Named(name) => match deficit.authorities.iter().find(|(held, _)| held == name) {
            Some((_, lack)) => answers(lack, deficit, extra, registry),
            None => match &registry.get(name.as_str()).expect("known").expression {
                Expression::Key(key) => extra.contains(key),
                other => panic!("{other} is not explained"),
            },
        },
        Lack::Unknown(_) => false,
        Lack::Another(_) => panic!("nobody stands in two places here"),
        Lack::Threshold(shortfall) => {
            let answered = |lack: &Lack| answers(lack, deficit, extra, registry);
            let found = shortfall.of.iter().filter(|lack| answered(lack)).count();
            shortfall.required.iter().all(answered) && found >= shortfall.missing as usize
        }
    }
}

/// Where no key stands in two places: for each set of signers exactly those others make the deficit good that it names.
fn deficits_are_exact(registry: &Registry, expression: &Expression, count: usize) {
    let everybody = (1u32 << count) - 1;
    for set in 0..=everybody {
        let Err(deficit) = registry.evaluate(expression, &signers(set)) else { continue };
        for extra in (0..=everybody).filter(|extra| extra & set == 0) {
            assert_eq!(
                answers(&deficit.lack, &deficit, &signers(extra), registry),
                registry.evaluate(expression, &signers(set | extra)).is_ok(),
                "{expression}, {set:b} and {extra:b}: {deficit}"
            );
        }
    }
}

/// The keys that a lack mentions, through names.
fn mentioned(lack: &Lack, registry: &Registry) -> BTreeSet<PublicKey> {
    match lack {
        Lack::Key { key, .. } => BTreeSet::from([*key]),
        Lack::Named(name) => registry.voices_in(&Expression::Named(name.clone())),
        Lack::Unknown(_) => BTreeSet::new(),
        Lack::Another(lack) => mentioned(lack, registry),
        Lack::Threshold(shortfall) => shortfall
            .of
            .iter()
            .chain(&shortfall.required)
            .flat_map(|lack| mentioned(lack, registry))
            .collect(),
    }
}

/// Whatever the overlaps: who does what the deficit asks for gets on, and at last is through.
fn deficits_lead_on(registry: &Registry, expression: &Expression, count: usize) {
    for set in 0u32..1 << count {
        let mut signed = signers(set);
        while let Err(deficit) = registry.evaluate(expression, &signed) {
            let before = signed.len();
            signed.extend(mentioned(&deficit.lack, registry));
            assert!(signed.len() > before, "{expression}, {set:b}: {deficit} names nobody else");
        }
    }
}

fn some_registry() -> Registry {
    use AuthorityKind::{Alliance, Coalition};
    Registry::new(vec![
        nation("norden", 0),
        nation("sudria", 1),
        nation("estmark", 2),
        nation("vigil", 3),
        authority(
            "pact",
            Alliance,
            Expression::threshold(
                2,
                vec![named("norden"), named("sudria"), named("estmark")],
                &[named("estmark")],
            )
            .expect("canonical"),
        ),
        authority("league", Alliance, of(1, vec![named("norden"), named("vigil"), Expression::Key(key(4))])),
        authority("union", Coalition, of(2, vec![named("pact"), named("league"), named("sudria")])),
    ])
    .expect("a sound registry")
}

#[test]
fn every_set_of_signers_counts_as_the_oracle_says() {
    let registry = some_registry();
    let keys = |ats: &[usize]| ats.iter().map(|at| Expression::Key(key(*at))).collect::<Vec<_>>();
    let inner = of(1, keys(&[2, 3]));
    let cases = [
        Expression::Key(key(0)),
        of(1, keys(&[0, 1])),
        of(2, keys(&[0, 1, 2])),
        of(8, keys(&[0, 1, 2, 3, 4, 5, 6, 7])),
        of(5, keys(&[0, 1, 2, 3, 4, 5, 6, 7])),
        Expression::threshold(2, keys(&[0, 1, 2, 3]), &keys(&[3])).expect("canonical"),
        Expression::threshold(2, [keys(&[0, 1]), vec![inner.clone()]].concat(), std::slice::from_ref(&inner))
            .expect("canonical"),
        of(2, vec![of(2, keys(&[0, 1, 2])), of(1, keys(&[3, 4])), of(3, keys(&[5, 6, 7]))]),
        named("union"),
        of(2, vec![named("norden"), named("pact")]),
        of(2, vec![named("league"), named("pact"), named("union")]),
        Expression::threshold(
            3,
            vec![named("league"), named("norden"), named("pact"), named("vigil")],
            &[named("league"), named("norden")],
        )
        .expect("canonical"),
    ];
    for case in cases {
        let count = 8;
        assert!(!compare(&registry, &case, count).is_empty(), "{case} is never satisfied");
        deficits_lead_on(&registry, &case, count);
    }
}

#[test]
fn nobody_is_two_of_k_however_many_authorities_they_have_a_voice_in() {
    let registry = some_registry();
    let both = of(2, vec![named("norden"), named("league")]);
    // norden alone satisfies either, but counts once.
    assert!(registry.evaluate(&named("norden"), &signers(0b1)).is_ok());
    assert!(registry.evaluate(&named("league"), &signers(0b1)).is_ok());
    let deficit = registry.evaluate(&both, &signers(0b1)).expect_err("one signer");
    assert_eq!(deficit.to_string(), "needs one more of another signer of league");
    assert!(registry.evaluate(&both, &signers(0b1001)).is_ok());
    // A name and its key are the same signer, too; together they could never act, and are refused.
    let twice = of(2, vec![named("norden"), Expression::Key(key(0))]);
    let others = [nation("norden", 0), authority("double", AuthorityKind::Alliance, twice)];
    assert!(matches!(
        Registry::new(others.to_vec()),
        Err(AuthorityError::Never { authority, .. }) if authority == name("double")
    ));
}

/// An expression over `keys`, each once, some of them by way of names.
fn read_once(rng: &mut Rng, keys: &[usize], depth: usize, named_ones: &mut Vec<Authority>) -> Expression {
    let expression = match keys {
        [at] => Expression::Key(key(*at)),
        _ => {
            let parts = 2 + rng.below(keys.len().min(4) as u64 - 1) as usize;
            let parts = if depth == 0 { keys.len() } else { parts };
            let mut members = Vec::new();
            let mut rest = keys;
            for left in (1..=parts).rev() {
                let most = rest.len() - (left - 1);
                let take = if left == 1 { rest.len() } else { 1 + rng.below(most as u64) as usize };
                let (part, others) = rest.split_at(take);
                members.push(read_once(rng, part, depth.saturating_sub(1), named_ones));
                rest = others;
            }
            let needs = 1 + rng.below(members.len() as u64) as u32;
            let required = members
                .iter()
                .filter(|_| rng.below(4) == 0)
                .take(needs as usize)
                .cloned()
                .collect::<Vec<_>>();
            Expression::threshold(needs, members, &required).expect("canonical")
        }
    };
    if rng.below(3) == 0 {
        let text = format!("body-{}", named_ones.len());
        named_ones.push(authority(&text, AuthorityKind::Alliance, expression));
        return named(&text);
    }
    expression
}

#[test]
fn drawn_expressions_count_as_the_oracle_says_and_their_deficits_are_exact() {
    for seed in 0..300 {
        let mut rng = Rng::new(seed);
        let count = 2 + rng.below(5) as usize;
        let mut authorities = Vec::new();
        let keys = (0..count).collect::<Vec<_>>();
        let expression = read_once(&mut rng, &keys, 3, &mut authorities);
        let registry = Registry::new(authorities).expect("disjoint parts");
        compare(&registry, &expression, count);
        deficits_are_exact(&registry, &expression, count);
    }
}

#[test]
fn drawn_authorities_with_shared_signers_count_as_the_oracle_says() {
    let mut refused = 0;
    for seed in 0..400 {
        let mut rng = Rng::new(1_000 + seed);
        let count = 3 + rng.below(4) as usize;
        let mut authorities = (0..count).map(|at| nation(&format!("n-{at}"), at)).collect::<Vec<_>>();
        for at in 0..3 {
            // Of what is there already, so that nothing depends on itself.
            let mut members = authorities.iter().map(|held| named(held.name.as_str())).collect::<Vec<_>>();
            while members.len() > 2 && rng.below(3) > 0 {
                members.remove(rng.below(members.len() as u64) as usize);
            }
            members.truncate(6);
            let needs = 1 + rng.below(members.len() as u64) as u32;
            let required = members
                .iter()
                .filter(|_| rng.below(4) == 0)
                .take(needs as usize)
                .cloned()
                .collect::<Vec<_>>();
            let expression = Expression::threshold(needs, members, &required).expect("canonical");
            authorities.push(authority(&format!("body-{at}"), AuthorityKind::Alliance, expression));
        }
        let last = named("body-2");
        match Registry::new(authorities.clone()) {
            Ok(registry) => {
                compare(&registry, &last, count);
                deficits_lead_on(&registry, &last, count);
            }
            Err(AuthorityError::Never { authority, .. }) => {
                let by_name =
                    authorities.iter().map(|held| (held.name.clone(), held.expression.clone())).collect();
                let plain: Plain = plain(&Expression::Named(authority), &by_name, &bits(count));
                assert_eq!(satisfied(&plain, (1 << count) - 1), None);
                refused += 1;
            }
            Err(other) => panic!("{other}"),
        }
    }
    assert!((20..300).contains(&refused), "{refused} of 400 can never act");
}

#[test]
fn deficits_read_as_sentences() {
    let registry = some_registry();
    let lacks = |expression: &Expression, set| {
        registry.evaluate(expression, &signers(set)).expect_err("not satisfied").to_string()
    };
    let pact = registry.get("pact").expect("there").expression.clone();
    assert_eq!(lacks(&pact, 0), "needs one more of norden, sudria; estmark is required");
    assert_eq!(lacks(&pact, 0b11), "estmark is required");
    assert_eq!(lacks(&pact, 0b100), "needs one more of norden, sudria");
    assert_eq!(lacks(&named("norden"), 0), "needs norden");
    assert_eq!(
        lacks(&of(2, vec![named("pact"), named("vigil")]), 0b1),
        "needs two more of pact, vigil; pact: needs none".replace("needs none", "estmark is required")
    );
    let stranger = Expression::Key(key(9));
    assert_eq!(lacks(&stranger, 0b1), format!("needs {}", key(9)));
    assert_eq!(lacks(&named("nobody"), 0b1), "there is no authority nobody");
    let inner = of(2, vec![Expression::Key(key(1)), of(1, vec![named("estmark"), named("vigil")])]);
    assert_eq!(lacks(&inner, 0b10), "needs one more of (needs one more of estmark, vigil)");
}

#[test]
fn a_registry_refuses_loops_unknown_names_and_too_deep_chains() {
    use AuthorityKind::Alliance;
    let pair = |other: &str| of(1, vec![named("norden"), named(other)]);
    let registry = |others: Vec<Authority>| Registry::new([vec![nation("norden", 0)], others].concat());
    assert!(matches!(
        registry(vec![authority("pact", Alliance, pair("pact"))]),
        Err(AuthorityError::Cycle { .. })
    ));
    assert!(matches!(
        registry(vec![
            authority("pact", Alliance, pair("league")),
            authority("league", Alliance, pair("pact"))
        ]),
        Err(AuthorityError::Cycle { .. })
    ));
    assert_eq!(
        registry(vec![authority("pact", Alliance, pair("sudria"))]),
        Err(AuthorityError::Unknown { authority: name("pact"), name: name("sudria") })
    );
    assert_eq!(registry(vec![nation("norden", 1)]), Err(AuthorityError::SameName { name: name("norden") }));
    // A chain of names, each two steps: seven are within the bound of sixteen, eight are not.
    let chain = |length: usize| {
        let link = |at: usize| {
            let below = if at == 0 { "sudria".to_owned() } else { format!("body-{}", at - 1) };
            authority(&format!("body-{at}"), Alliance, pair(&below))
        };
        registry([vec![nation("sudria", 1)], (0..length).map(link).collect()].concat())
    };
    let most = (MAX_RESOLVED_DEPTH - 1) / 2;
    assert!(chain(most).is_ok());
    assert!(matches!(chain(most + 1), Err(AuthorityError::Bound { .. })));
    let many =
        (0..=MAX_AUTHORITIES).map(|at| authority(&format!("n-{at}"), Alliance, Expression::Key(key(0))));
    assert!(matches!(Registry::new(many.collect()), Err(AuthorityError::Bound { .. })));
}

#[test]
fn shared_authorities_do_not_multiply() {
    // Each level refers to both of the level below: as a tree, 2 to the 7th leaves of authorities.
    use AuthorityKind::Alliance;
    let mut authorities = (0..4).map(|at| nation(&format!("n-{at}"), at)).collect::<Vec<_>>();
    for level in 0..7 {
        let below = |side: &str| {
            if level == 0 {
                named(if side == "a" { "n-0" } else { "n-1" })
            } else {
                named(&format!("{side}-{}", level - 1))
            }
        };
        for side in ["a", "b"] {
            authorities.push(authority(
                &format!("{side}-{level}"),
                Alliance,
                of(1, vec![below("a"), below("b")]),
            ));
        }
    }
    let registry = Registry::new(authorities).expect("sound");
    let top = of(2, vec![named("a-6"), named("b-6")]);
    let deficit = registry.evaluate(&top, &BTreeSet::new()).expect_err("nobody signed");
    assert_eq!(deficit.authorities.len(), 14);
    assert!(deficit.to_string().len() < 1_000);
    compare(&registry, &top, 4);
}
