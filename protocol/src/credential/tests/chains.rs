//! Chains.

use super::*;
use crate::charter::MAX_TEXT_TIME;

#[test]
fn a_chain_leads_from_the_root_to_its_last_subject() {
    for length in 1..=4 {
        let chain = chain(length, |_, _| ());
        assert_eq!(check(&chain, 1_000), Ok(key(length + 1).public()));
        assert_eq!(Chain::decode(&chain.encode()), Ok(chain.clone()));
        assert_eq!(Chain::from_toml(&chain.to_toml()), Ok(chain.clone()));
        assert_eq!(
            chain.authentic(&key(1).public(), &coalition()).map(|leaf| leaf.subject),
            check(&chain, 1)
        );
    }
    let long = Chain((0..5).map(|at| link(at + 1, at + 2, 4 - at).sign(&key(at + 1))).collect());
    assert_eq!(check(&long, 1), Err(CredentialError::Length(5)));
    assert_eq!(check(&Chain(vec![]), 1), Err(CredentialError::Length(0)));
}

#[test]
fn the_longest_chain_is_within_the_bytes_of_a_handshake() {
    let longest = chain(4, |_, link| {
        let name = |at: u8| format!("{}{at}", "n".repeat(31)).parse().expect("a name");
        link.partner = "p".repeat(32).parse().expect("a name");
        link.operations = Extent::only((0..8).map(name));
        link.not_before = Some(MAX_TEXT_TIME);
        link.not_after = MAX_TEXT_TIME;
        link.last_epoch = Some(MAX_LAST_EPOCH);
    });
    assert_eq!(check(&longest, MAX_TEXT_TIME.0), Ok(key(5).public()));
    assert!(longest.encode().len() <= MAX_CHAIN_BYTES, "{}", longest.encode().len());
    assert_eq!(Chain::decode(&longest.encode()), Ok(longest));
}

/// Every combination of depths in a chain.
#[test]
fn depth_decreases_with_every_link() {
    for length in 1..=4usize {
        for draw in 0..6usize.pow(u32::try_from(length).expect("few")) {
            let depths = (0..length)
                .map(|at| {
                    u8::try_from(draw / 6usize.pow(u32::try_from(at).expect("few")) % 6).expect("below 6")
                })
                .collect::<Vec<_>>();
            let chain = chain(u8::try_from(length).expect("few"), |at, link| link.depth = depths[at]);
            // Told link by link: the first that is too deep at all or does not have less than the one above.
            let wrong = (0..length).find(|at| depths[*at] > 3 || (*at > 0 && depths[*at] >= depths[*at - 1]));
            match (check(&chain, 1), wrong) {
                (Ok(_), None) => {}
                (Err(CredentialError::Unsound { link, .. }), Some(at)) => {
                    assert!(link == at && depths[at] > 3, "{depths:?}");
                }
                (Err(CredentialError::Widened { link, dimension }), Some(at)) => {
                    assert_eq!((link, dimension), (at, Dimension::Depth), "{depths:?}");
                }
                (found, _) => panic!("{depths:?}: {found:?}"),
            }
        }
    }
}

#[test]
fn capabilities_only_narrow_and_each_is_for_itself() {
    let sets = (1u8..8)
        .map(|bits| {
            (0..3).filter(|at| bits & (1 << at) != 0).map(|at| Capability::ALL[at]).collect::<BTreeSet<_>>()
        })
        .collect::<Vec<_>>();
    for above in &sets {
        for below in &sets {
            let chain =
                chain(2, |at, link| link.capabilities = if at == 0 { above.clone() } else { below.clone() });
            for wanted in Capability::ALL {
                let found = chain.verify(&key(1).public(), &coalition(), wanted, Time(1));
                // As bits, below must have none that above lacks.
                let within = below.iter().all(|held| above.iter().any(|other| other == held));
                match found {
                    Ok(_) => assert!(within && below.contains(&wanted)),
                    Err(CredentialError::Widened { link: 1, dimension: Dimension::Capabilities }) => {
                        assert!(!within);
                    }
                    Err(CredentialError::WrongCapability { found, wanted: named }) => {
                        assert!(within && !below.contains(&wanted));
                        assert_eq!((&found, named), (below, wanted));
                    }
                    other => panic!("{above:?} {below:?}: {other:?}"),
                }
            }
        }
    }
    let none = chain(1, |_, link| link.capabilities.clear());
    assert!(matches!(check(&none, 1), Err(CredentialError::Unsound { link: 0, .. })));
}

#[test]
fn operation_types_only_narrow() {
    let names = ["airlift", "convoy", "medevac"];
    let mut extents = vec![(Extent::All, 0b1000u8)];
    for bits in 0u8..8 {
        let some = (0..3).filter(|at| bits & (1 << at) != 0).map(|at| names[at]).collect::<Vec<_>>();
        extents.push((types(&some), bits));
    }
    for (above, above_bits) in &extents {
        for (below, below_bits) in &extents {
            let chain =
                chain(2, |at, link| link.operations = if at == 0 { above.clone() } else { below.clone() });
            let within = *above_bits == 0b1000 || (*below_bits != 0b1000 && below_bits & !above_bits == 0);
            for (at, operation) in names.into_iter().enumerate() {
                let wanted = Use { capability: Capability::Officer, operation: Some(operation) };
                let covered = *below_bits == 0b1000 || below_bits & (1 << at) != 0;
                match chain.verify(&key(1).public(), &coalition(), wanted, Time(1)) {
                    Ok(_) => assert!(within && covered),
                    Err(CredentialError::Widened { link: 1, dimension: Dimension::Operations }) => {
                        assert!(!within);
                    }
                    Err(CredentialError::WrongOperation { allowed, wanted }) => {
                        assert!(within && !covered);
                        assert_eq!((&allowed, wanted.as_str()), (below, operation));
                    }
                    other => panic!("{above} {below}: {other:?}"),
                }
            }
        }
    }
    let many = (0..=MAX_DELEGATED_TYPES).map(|at| format!("type-{at}").parse().expect("a name"));
    let many = Extent::only(many);
    assert!(matches!(
        check(&chain(1, |_, link| link.operations = many.clone()), 1),
        Err(CredentialError::Unsound { link: 0, .. })
    ));
}

#[test]
fn validity_only_narrows_and_holds_where_every_link_holds() {
    let times = [None, Some(10), Some(20)];
    let ends = [30, 40];
    let epochs = [None, Some(5), Some(6)];
    let mut judged = 0;
    for draw in 0..3 * 3 * 2 * 2 * 3 * 3 {
        let pick = |base: usize, of: usize| draw / base % of;
        let begin = [times[pick(1, 3)], times[pick(3, 3)]];
        let end = [ends[pick(9, 2)], ends[pick(18, 2)]];
        let epoch = [epochs[pick(36, 3)], epochs[pick(108, 3)]];
        let chain = chain(2, |at, link| {
            link.not_before = begin[at].map(Time);
            link.not_after = Time(end[at]);
            link.last_epoch = epoch[at];
        });
        let widened = if begin[1].unwrap_or(0) < begin[0].unwrap_or(0) {
            Some(Dimension::NotBefore)
        } else if end[1] > end[0] {
            Some(Dimension::NotAfter)
        } else if epoch[1].unwrap_or(99) > epoch[0].unwrap_or(99) {
            Some(Dimension::LastEpoch)
        } else {
            None
        };
        for (time, now) in
            [(9, None), (10, Some(5)), (20, Some(6)), (30, Some(7)), (31, None), (40, Some(5)), (41, None)]
        {
            let moment = Moment { time: Time(time), epoch: now };
            let found = chain.verify(&key(1).public(), &coalition(), Capability::Officer, moment);
            let valid = (0..2).all(|at| {
                begin[at].is_none_or(|begin| begin <= time)
                    && time <= end[at]
                    && epoch[at].is_none_or(|last| now.is_none_or(|now| now <= last))
            });
            judged += 1;
            match (found, widened) {
                (Err(CredentialError::Widened { link: 1, dimension }), Some(expected)) => {
                    assert_eq!(dimension, expected);
                }
                (Ok(_), None) => assert!(valid, "{begin:?} {end:?} {epoch:?} {moment:?}"),
                (Err(CredentialError::Expired { not_after, .. }), None) => {
                    assert!(!valid && not_after.0 == end[0].min(end[1]));
                }
                (Err(CredentialError::NotYetValid { not_before, .. }), None) => {
                    assert!(!valid && Some(not_before.0) == begin[0].max(begin[1]));
                }
                (Err(CredentialError::EpochPassed { last_epoch, .. }), None) => {
                    assert!(!valid && last_epoch == epoch[0].unwrap_or(99).min(epoch[1].unwrap_or(99)));
                }
                (found, _) => panic!("{begin:?} {end:?} {epoch:?}: {found:?}"),
            }
        }
    }
    assert_eq!(judged, 324 * 7);
}

#[test]
fn every_dimension_widened_at_any_link_is_refused_before_signatures_are_looked_at() {
    let narrow = |at: usize, link: &mut Delegation| {
        let steps = u64::try_from(at).expect("few");
        link.capabilities = BTreeSet::from([Capability::Officer]);
        link.operations = types(&["airlift"]);
        link.not_before = Some(Time(10 + steps));
        link.not_after = Time(100 - steps);
        link.last_epoch = Some(50 - steps);
    };
    let sound = chain(4, narrow);
    assert_eq!(check(&sound, 50), Ok(key(5).public()));
    type Change = fn(&mut Delegation);
    let widenings: [(Dimension, Change); 8] = [
        (Dimension::Capabilities, |link| link.capabilities.extend([Capability::Node])),
        (Dimension::Operations, |link| link.operations = Extent::All),
        (Dimension::Operations, |link| link.operations = types(&["airlift", "convoy"])),
        (Dimension::NotBefore, |link| link.not_before = Some(Time(9))),
        (Dimension::NotBefore, |link| link.not_before = None),
        (Dimension::NotAfter, |link| link.not_after = Time(101)),
        (Dimension::LastEpoch, |link| link.last_epoch = Some(51)),
        (Dimension::LastEpoch, |link| link.last_epoch = None),
    ];
    for at in 1..4 {
        for (dimension, widen) in widenings {
            let mut widened = chain(4, |link_at, link| {
                narrow(link_at, link);
                if link_at == at {
                    widen(link);
                }
            });
            let expected = Err(CredentialError::Widened { link: at, dimension });
            assert_eq!(check(&widened, 50), expected);
            // The same without a single good signature.
            for link in &mut widened.0 {
                link.signature = Signature::from_ed25519([7; 64]);
            }
            assert_eq!(check(&widened, 50), expected);
        }
    }
}

#[test]
fn every_defect_has_its_own_error() {
    let sound = chain(3, |_, _| ());
    let foreign = Chain(vec![link(9, 2, 0).sign(&key(9))]);
    assert_eq!(check(&foreign, 1), Err(CredentialError::UnknownRoot { issuer: key(9).public() }));
    for at in 0..3 {
        // Signed by another key than its issuer's, or changed after signing.
        let mut usurped = sound.clone();
        usurped.0[at] = usurped.0[at].delegation.clone().sign(&key(9));
        assert_eq!(check(&usurped, 1), Err(CredentialError::BadSignature { link: at }));
        let mut tampered = sound.clone();
        tampered.0[at].delegation.not_after = Time(999 - u64::try_from(at).expect("few"));
        for later in &mut tampered.0[at + 1..] {
            later.delegation.not_after = Time(900);
        }
        assert_eq!(check(&tampered, 1), Err(CredentialError::BadSignature { link: at }));
        let other = chain(3, |link_at, link| {
            if link_at == at {
                link.coalition = elsewhere();
            }
        });
        assert_eq!(check(&other, 1), Err(CredentialError::WrongCoalition { named: elsewhere() }));
        let endless = chain(3, |link_at, link| {
            if link_at == at {
                link.last_epoch = Some(MAX_LAST_EPOCH + 1);
            }
        });
        assert!(matches!(check(&endless, 1), Err(CredentialError::Unsound { link, .. }) if link == at));
    }
    for at in 1..3 {
        let partner = chain(3, |link_at, link| {
            if link_at == at {
                link.partner = "sudria".parse().expect("a name");
            }
        });
        let mut issuer = sound.clone();
        let unrelated = Delegation { issuer: key(9).public(), ..issuer.0[at].delegation.clone() };
        issuer.0[at] = unrelated.sign(&key(9));
        // A subject that stands above already: the root, or an earlier one.
        let looped = chain(3, |link_at, link| {
            if link_at == at {
                link.subject = key(u8::try_from(at).expect("few")).public();
            }
        });
        for broken in [partner, issuer, looped] {
            assert!(matches!(check(&broken, 1), Err(CredentialError::BrokenLink { link, .. }) if link == at));
        }
    }
    let unsorted = Extent::Only(["b", "a"].map(|name| name.parse().expect("a name")).to_vec());
    let unsorted = chain(1, |_, link| link.operations = unsorted.clone());
    assert!(matches!(check(&unsorted, 1), Err(CredentialError::Unsound { link: 0, .. })));
    assert!(Chain::decode(&unsorted.encode()).is_err());
}

#[test]
fn links_read_as_a_person_writes_them() {
    let text = format!(
        "[[chain]]\nsignature = \"{}\"\n[chain.delegation]\ncoalition = \"{}\"\nissuer = \"{}\"\nsubject = \"{}\"\n\
         partner = \"norden\"\ncapabilities = [\"officer\"]\nnot_after = \"2026-12-01T00:00:00Z\"\n",
        Signature::from_ed25519([0; 64]),
        coalition(),
        key(1).public(),
        key(2).public()
    );
    let chain = Chain::from_toml(&text).expect("what is left out has its default");
    let leaf = chain.leaf().expect("a link");
    assert_eq!(
        (&leaf.operations, leaf.not_before, leaf.last_epoch, leaf.depth),
        (&Extent::All, None, None, 0)
    );
    let error = Chain::from_toml(&text.replace("officer", "admiral")).expect_err("no such capability");
    assert!(error.starts_with("line ") && error.contains("admiral"), "{error}");
}
