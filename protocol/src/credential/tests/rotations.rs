//! Who must sign when a root gives way.

use std::collections::BTreeSet;

use super::*;
use crate::authority::{Authority, AuthorityKind, Expression, Registry, Scope, SignaturesError};

const OLD: u8 = 1;
const NEW: u8 = 2;

fn rotation() -> RootRotation {
    RootRotation {
        coalition: coalition(),
        partner: "norden".parse().expect("a name"),
        number: 1,
        old: key(OLD).public(),
        new: key(NEW).public(),
    }
}

fn signed(rotation: RootRotation, signers: impl IntoIterator<Item = u8>) -> SignedRotation {
    let mut signed = SignedRotation::new(rotation);
    for seed in signers {
        signed.sign(&key(seed));
    }
    signed
}

fn now<'a>(national: Option<(&'a Expression, &'a Registry)>) -> RootNow<'a> {
    RootNow { root: key(OLD).public(), rotations: 0, national }
}

/// 2 of three ministers: seeds 3, 4, 5.
fn ministers() -> (Expression, Registry) {
    let members = (3..6).map(|seed| Expression::Key(key(seed).public())).collect();
    let expression = Expression::threshold(2, members, &[]).expect("canonical");
    let authority = Authority {
        name: "norden".parse().expect("a name"),
        kind: AuthorityKind::National,
        scope: Scope::default(),
        expression: expression.clone(),
    };
    (expression, Registry::new(vec![authority]).expect("sound"))
}

/// Every set of signers of old, new, three ministers and a stranger.
#[test]
fn a_root_gives_way_by_the_new_one_and_the_old_one_or_the_nation() {
    let (expression, registry) = ministers();
    for national in [None, Some((&expression, &registry))] {
        for set in 0u32..64 {
            let seeds = (1..=6u8).filter(|seed| set & (1 << (seed - 1)) != 0).collect::<BTreeSet<_>>();
            let found = signed(rotation(), seeds.iter().copied()).verify(&coalition(), &now(national));
            let known: &[u8] = if national.is_some() { &[1, 2, 3, 4, 5] } else { &[1, 2] };
            let ministers = [3, 4, 5].iter().filter(|seed| seeds.contains(seed)).count();
            let nation = national.is_some() && ministers >= 2;
            match found {
                Ok(()) => assert!(seeds.contains(&NEW) && (seeds.contains(&OLD) || nation), "{seeds:?}"),
                Err(RotationError::Stranger { key: stranger }) => {
                    assert!(
                        seeds.iter().any(|seed| !known.contains(seed) && key(*seed).public() == stranger)
                    );
                    continue;
                }
                Err(RotationError::NewUnsigned { .. }) => assert!(!seeds.contains(&NEW), "{seeds:?}"),
                Err(RotationError::OldUnsigned { .. }) => {
                    assert!(seeds.contains(&NEW) && !seeds.contains(&OLD) && !nation, "{seeds:?}");
                }
                Err(other) => panic!("{seeds:?}: {other}"),
            }
            assert!(seeds.iter().all(|seed| known.contains(seed)), "{seeds:?}");
        }
    }
}

#[test]
fn the_new_root_is_no_voice_for_its_own_coming() {
    // The new root is one of the ministers: it needs two others beside it.
    let (expression, registry) = ministers();
    let promoted = RootRotation { new: key(3).public(), ..rotation() };
    let verify = |signers: &[u8]| {
        signed(promoted.clone(), signers.iter().copied())
            .verify(&coalition(), &now(Some((&expression, &registry))))
    };
    assert!(matches!(verify(&[3, 4]), Err(RotationError::OldUnsigned { .. })));
    assert_eq!(verify(&[3, 4, 5]), Ok(()));
}

#[test]
fn every_defect_has_its_own_error() {
    let verify = |rotation: RootRotation| signed(rotation, [OLD, NEW]).verify(&coalition(), &now(None));
    assert_eq!(verify(rotation()), Ok(()));
    assert_eq!(
        verify(RootRotation { coalition: elsewhere(), ..rotation() }),
        Err(RotationError::WrongCoalition { named: elsewhere() })
    );
    assert!(matches!(
        verify(RootRotation { old: key(9).public(), ..rotation() }),
        Err(RotationError::WrongRoot { .. })
    ));
    assert!(matches!(
        verify(RootRotation { new: key(OLD).public(), ..rotation() }),
        Err(RotationError::SameRoot)
    ));
    for number in [0, 2] {
        assert!(matches!(
            verify(RootRotation { number, ..rotation() }),
            Err(RotationError::WrongNumber { found, expected: 1, .. }) if found == number
        ));
    }
    // Back and shown again: an old rotation does not hold after a later one.
    let again = RootNow { rotations: 2, ..now(None) };
    assert!(matches!(
        signed(rotation(), [OLD, NEW]).verify(&coalition(), &again),
        Err(RotationError::WrongNumber { found: 1, expected: 3, .. })
    ));
    let mut tampered = signed(rotation(), [OLD, NEW]);
    tampered.rotation.partner = "sudria".parse().expect("a name");
    assert!(matches!(
        tampered.verify(&coalition(), &now(None)),
        Err(RotationError::Signatures(SignaturesError::Bad { .. }))
    ));
}

#[test]
fn a_rotation_comes_back_from_its_text_and_bytes_and_needs_no_signature_to_be_read() {
    let signed = signed(rotation(), [NEW, OLD]);
    assert_eq!(SignedRotation::from_toml(&signed.to_toml()), Ok(signed.clone()));
    assert_eq!(SignedRotation::decode(&signed.encode()), Ok(signed.clone()));
    let draft = signed.to_toml();
    let draft = draft.split("[[signatures]]").next().expect("the head");
    assert_eq!(SignedRotation::from_toml(draft), Ok(SignedRotation::new(rotation())));
}
