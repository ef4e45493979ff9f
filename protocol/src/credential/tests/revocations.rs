//! Who may take back what, and what it cuts.

use super::*;

fn revocation(issuer: u8, target: Target) -> SignedRevocation {
    Revocation {
        coalition: coalition(),
        partner: "norden".parse().expect("a name"),
        issuer: key(issuer).public(),
        reason: "lost at sea".into(),
        target,
    }
    .sign(&key(issuer))
}

fn verify(revocation: &SignedRevocation, chain: &Chain) -> Result<usize, RevocationError> {
    revocation.verify(chain, &key(1).public(), &coalition())
}

/// Every signer against every link of chains of every length: the issuer and those above may, nobody else.
#[test]
fn only_the_issuer_or_who_stands_above_may_revoke() {
    for length in 1..=4u8 {
        let chain = chain(length, |_, _| ());
        for signer in 1..=9u8 {
            for at in 0..length {
                let link = usize::from(at);
                let delegation = &chain.0[link].delegation;
                for target in [Target::Key(delegation.subject), Target::Delegation(delegation.hash())] {
                    // Link `at` was issued by the key of seed `at + 1`; those above it have smaller seeds.
                    let expected = if signer <= at + 1 {
                        Ok(link)
                    } else {
                        Err(RevocationError::NotAbove { issuer: key(signer).public(), link })
                    };
                    assert_eq!(verify(&revocation(signer, target), &chain), expected);
                }
            }
        }
    }
}

#[test]
fn a_revocation_cuts_only_chains_that_its_signer_stands_in() {
    // 4 was given the same by 2, and by 3, whom the root trusts as well.
    let through =
        |officer: u8| Chain(vec![link(1, officer, 1).sign(&key(1)), link(officer, 4, 0).sign(&key(officer))]);
    let by_two = revocation(2, Target::Key(key(4).public()));
    assert_eq!(verify(&by_two, &through(2)), Ok(1));
    assert!(matches!(verify(&by_two, &through(3)), Err(RevocationError::NotAbove { link: 1, .. })));
    let by_root = revocation(1, Target::Key(key(4).public()));
    assert_eq!((verify(&by_root, &through(2)), verify(&by_root, &through(3))), (Ok(1), Ok(1)));
    // What hangs below falls with it; what stands beside does not.
    let officer = revocation(1, Target::Key(key(2).public()));
    assert_eq!(verify(&officer, &through(2)), Ok(0));
    assert_eq!(verify(&officer, &through(3)), Err(RevocationError::NotInChain));
    // One delegation, not the key: the same key with another one stays.
    let short = Chain(vec![link(1, 2, 1).sign(&key(1))]);
    let long = Chain(vec![Delegation { not_after: Time(2_000), ..link(1, 2, 1) }.sign(&key(1))]);
    let one = revocation(1, Target::Delegation(link(1, 2, 1).hash()));
    assert_eq!(verify(&one, &short), Ok(0));
    assert_eq!(verify(&one, &long), Err(RevocationError::NotInChain));
}

#[test]
fn every_defect_has_its_own_error() {
    let chain = chain(2, |_, _| ());
    let target = Target::Key(key(3).public());
    let sound = revocation(2, target);
    assert_eq!(verify(&sound, &chain), Ok(1));
    let changed = |change: &dyn Fn(&mut Revocation)| {
        let mut changed = sound.revocation.clone();
        change(&mut changed);
        verify(&changed.sign(&key(2)), &chain)
    };
    assert_eq!(
        changed(&|held| held.coalition = elsewhere()),
        Err(RevocationError::WrongCoalition { named: elsewhere() })
    );
    let sudria: PartnerName = "sudria".parse().expect("a name");
    assert_eq!(
        changed(&|held| held.partner = sudria.clone()),
        Err(RevocationError::WrongPartner {
            named: sudria.clone(),
            partner: "norden".parse().expect("a name")
        })
    );
    assert_eq!(changed(&|held| held.reason = "x".repeat(MAX_REASON_BYTES + 1)), Err(RevocationError::Reason));
    assert_eq!(changed(&|held| held.reason = "a\u{1b}[2J".into()), Err(RevocationError::Reason));
    assert_eq!(changed(&|held| held.target = Target::Key(key(9).public())), Err(RevocationError::NotInChain));
    assert_eq!(
        changed(&|held| held.target = Target::Delegation(Hash::default())),
        Err(RevocationError::NotInChain)
    );
    // Says that the root signs, but another key did.
    let bad = RevocationError::BadSignature { issuer: key(1).public() };
    assert_eq!(changed(&|held| held.issuer = key(1).public()), Err(bad));
    let mut tampered = sound.clone();
    tampered.revocation.reason = "found again".into();
    assert_eq!(verify(&tampered, &chain), Err(RevocationError::BadSignature { issuer: key(2).public() }));
    assert!(sound.is_signed() && !tampered.is_signed());
    // Against a chain that nobody gave.
    let mut forged = chain.clone();
    forged.0[1].signature = forged.0[0].signature;
    assert_eq!(
        verify(&sound, &forged),
        Err(RevocationError::Chain(CredentialError::BadSignature { link: 1 }))
    );
    assert!(matches!(
        sound.verify(&chain, &key(9).public(), &coalition()),
        Err(RevocationError::Chain(CredentialError::UnknownRoot { .. }))
    ));
}

#[test]
fn a_revocation_comes_back_from_its_text_and_bytes() {
    for target in [Target::Key(key(3).public()), Target::Delegation(hash("a", &[]))] {
        let mut signed = revocation(2, target);
        assert_eq!(SignedRevocation::from_toml(&signed.to_toml()), Ok(signed.clone()));
        signed.revocation.reason = "x".repeat(MAX_REASON_BYTES);
        signed.revocation.partner = "p".repeat(32).parse().expect("a name");
        assert_eq!(SignedRevocation::decode(&signed.encode()), Ok(signed));
    }
}
