//! Versions of an alliance's authority: who must sign them, and which one a charter goes by.

use std::collections::BTreeMap;

use super::*;
use crate::identity::Hash;

const NAMES: [&str; 4] = ["norden", "sudria", "estmark", "vigil"];

fn document(
    version: u32,
    previous: Option<Hash>,
    parties: std::ops::Range<usize>,
    needs: u32,
) -> AllianceDocument {
    AllianceDocument {
        name: name("pact"),
        version,
        previous,
        expression: of(needs, parties.clone().map(|at| named(NAMES[at])).collect()),
        scope: Scope::default(),
        parties: parties.map(|at| (name(NAMES[at]), key(at))).collect::<BTreeMap<_, _>>(),
    }
}

fn signed(document: &AllianceDocument, signers: impl IntoIterator<Item = usize>) -> SignedAlliance {
    let mut signed = SignedAlliance::new(document.clone());
    for at in signers {
        signed.sign(&secret(at));
    }
    signed
}

#[test]
fn a_version_needs_the_old_and_the_new_authority() {
    let first = document(1, None, 0..3, 2);
    // estmark leaves, vigil comes: 1 of 2 before is not enough, neither is the new authority alone.
    let second = AllianceDocument {
        parties: [0, 1, 3].map(|at| (name(NAMES[at]), key(at))).into(),
        expression: of(2, [0, 1, 3].map(|at| named(NAMES[at])).to_vec()),
        ..document(2, Some(first.hash()), 0..3, 2)
    };
    for set in 0u32..16 {
        let signers = (0..4).filter(|at| set & (1 << at) != 0);
        let outcome = signed(&second, signers).verify(Some(&first));
        let before = (set & 0b0111).count_ones() >= 2;
        let after = (set & 0b1011).count_ones() >= 2;
        match outcome {
            Ok(()) => assert!(before && after, "{set:b}"),
            Err(AllianceError::Unsigned { .. }) => assert!(!after, "{set:b}"),
            Err(AllianceError::UnsignedBefore { .. }) => assert!(after && !before, "{set:b}"),
            Err(other) => panic!("{set:b}: {other}"),
        }
    }
    let error = signed(&second, [1, 3]).verify(Some(&first)).expect_err("the old one is missing");
    assert_eq!(error.to_string(), "not signed by pact as it was: needs one more of estmark, norden");
    // The first version needs itself alone.
    assert_eq!(signed(&first, [0, 2]).verify(None), Ok(()));
    assert!(matches!(signed(&first, [0]).verify(None), Err(AllianceError::Unsigned { .. })));
}

#[test]
fn a_version_follows_from_the_one_before_by_name_number_and_hash() {
    let first = document(1, None, 0..3, 2);
    let second = document(2, Some(first.hash()), 0..3, 3);
    let all = |document: &AllianceDocument| signed(document, 0..3);
    assert_eq!(all(&second).verify(Some(&first)), Ok(()));
    assert!(matches!(all(&second).verify(None), Err(AllianceError::Version { found: 2, expected: 1 })));
    assert!(matches!(
        all(&first).verify(Some(&first)),
        Err(AllianceError::Version { found: 1, expected: 2 })
    ));
    let refused = |change: &dyn Fn(&mut AllianceDocument)| {
        let mut changed = second.clone();
        change(&mut changed);
        all(&changed).verify(Some(&first)).expect_err("changed")
    };
    assert!(matches!(refused(&|held| held.name = name("league")), AllianceError::Name { .. }));
    assert!(matches!(refused(&|held| held.version = 3), AllianceError::Version { found: 3, expected: 2 }));
    assert!(matches!(refused(&|held| held.version = 0), AllianceError::Version { found: 0, .. }));
    assert!(matches!(refused(&|held| held.previous = None), AllianceError::Previous { version: 2 }));
    assert!(matches!(
        refused(&|held| held.previous = Some(held.hash())),
        AllianceError::Chain { expected, .. } if expected == first.hash()
    ));
    assert!(matches!(
        refused(&|held| held.expression = named("nobody")),
        AllianceError::Authority(AuthorityError::Unknown { .. })
    ));
}

#[test]
fn only_signatures_that_hold_and_have_a_voice_count() {
    let first = document(1, None, 0..3, 2);
    let sound = signed(&first, [0, 1]);
    let mut tampered = sound.clone();
    tampered.alliance.expression = of(1, (0..3).map(|at| named(NAMES[at])).collect());
    assert!(matches!(tampered.verify(None), Err(AllianceError::Signatures(SignaturesError::Bad { .. }))));
    assert!(matches!(
        signed(&first, [0, 1, 3]).verify(None),
        Err(AllianceError::Stranger { key: stranger, .. }) if stranger == key(3)
    ));
    let mut unsorted = sound.clone();
    unsorted.signatures.0.reverse();
    assert!(matches!(unsorted.verify(None), Err(AllianceError::Signatures(SignaturesError::Order { .. }))));
    let mut twice = sound.clone();
    twice.signatures.0.insert(1, twice.signatures.0[0]);
    assert!(matches!(twice.verify(None), Err(AllianceError::Signatures(SignaturesError::Order { .. }))));
    let mut many = sound.clone();
    many.signatures.0 = vec![sound.signatures.0[0]; MAX_SIGNATURES + 1];
    assert!(matches!(many.verify(None), Err(AllianceError::Signatures(SignaturesError::Bound(_)))));
}

#[test]
fn a_document_comes_back_from_its_text_and_bytes() {
    let first = document(1, None, 0..3, 2);
    let signed = signed(&first, [2, 0]);
    let text = signed.to_toml();
    assert!(text.contains("needs = 2\n") && text.contains("norden = \"ed25519:"), "{text}");
    assert_eq!(SignedAlliance::from_toml(&text), Ok(signed.clone()));
    assert_eq!(SignedAlliance::decode(&signed.encode()), Ok(signed.clone()));
    let error = SignedAlliance::from_toml(&text.replace("needs = 2", "needs = 4")).expect_err("4 of 3");
    assert!(error.to_string().contains("needs 4 of 3"), "{error}");
    // Signatures are collected in any order, and signing again changes nothing.
    let mut again = signed.clone();
    again.sign(&secret(2));
    assert_eq!(again, signed);
    // As many parties as there may be, with names of any length, and all of them signing.
    let largest = MAX_PARTIES * (33 + 65 + 33 + 33 + 33);
    assert!(largest + 2048 < MAX_ALLIANCE_BYTES, "{largest}");
}

#[test]
fn a_charter_goes_by_the_version_that_it_says() {
    let first = document(1, None, 0..3, 2);
    let second = document(2, Some(first.hash()), 0..3, 3);
    let third = document(3, Some(second.hash()), 0..3, 1);
    // The second version was ordered under charter version 1, the third under 2.
    let versions = [(&first, 0), (&second, 1), (&third, 2)];
    let in_force = |follow, named: &AllianceDocument, known: usize, charter| {
        let reference = AllianceReference::new(signed(named, 0..3), follow);
        let next = |before: &AllianceDocument| {
            let follows =
                |(document, _): &&(&AllianceDocument, u32)| document.previous == Some(before.hash());
            versions[..known].iter().find(follows).copied()
        };
        reference.in_force(charter, next).version
    };
    for known in 1..=3 {
        let latest = u32::try_from(known).expect("few");
        assert_eq!(in_force(Follow::AtOnce, &first, known, 1), latest);
        assert_eq!(in_force(Follow::Pinned, &first, known, 9), 1);
        assert_eq!(in_force(Follow::NextAmendment, &first, known, 1), 1);
    }
    for (charter, version) in [(1, 1), (2, 2), (3, 3), (4, 3)] {
        assert_eq!(in_force(Follow::NextAmendment, &first, 3, charter), version, "{charter}");
    }
    assert_eq!(in_force(Follow::Pinned, &second, 3, 9), 2);
    assert_eq!(in_force(Follow::NextAmendment, &second, 3, 2), 2);
    assert_eq!(in_force(Follow::AtOnce, &third, 2, 1), 3);
    assert_eq!(toml::Value::try_from(Follow::NextAmendment).expect("TOML").as_str(), Some("next-amendment"));
}

#[test]
fn a_reference_stands_on_the_signatures_of_its_own_version() {
    let first = document(1, None, 0..3, 2);
    let reference = |signers| AllianceReference::new(signed(&first, signers), Follow::Pinned);
    assert_eq!(reference(vec![0, 1]).check(), Ok(()));
    assert!(matches!(reference(vec![0]).check(), Err(AllianceError::Unsigned { .. })));
    let authority = first.by_keys();
    assert_eq!(authority.expression.leaves().len(), 3);
    assert!(authority.expression.leaves().iter().all(|leaf| matches!(leaf, Expression::Key(_))));
    assert_eq!(authority.check(), Ok(()));
}
