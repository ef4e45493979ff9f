//! Chains and revocations that do not hold, each refused with its reason.

use super::*;

#[test]
fn chains_that_do_not_hold_are_refused() {
    let mut bench = Bench::four();
    let founded = bench.founded.clone();
    let (next, root) = (key("sudria", "officer-2"), key("sudria", "root"));
    let good = || link(&founded, &root, &next, Capability::Officer);
    let of = |change: &dyn Fn(&mut Delegation)| {
        let mut delegation = good();
        change(&mut delegation);
        chain([(delegation, &root)])
    };
    let partner = name("sudria");
    let credential = |error| KeyRefusal::Credential { partner: name("sudria"), error };
    assert_eq!(bench.key_refusal("none", grant(&Chain(vec![]))), KeyRefusal::EmptyChain);
    let stranger = "utopia".parse::<crate::charter::PartnerName>().expect("a name");
    let refused = bench.key_refusal("who", grant(&of(&|it| it.partner = stranger.clone())));
    assert_eq!(refused, KeyRefusal::UnknownPartner { partner: stranger.clone() });
    // Another partner's root gives nothing in this one's name.
    let foreign = key("norden", "root");
    let refused = bench.key_refusal(
        "foreign",
        grant(&chain([(link(&founded, &foreign, &next, Capability::Officer), &foreign)])),
    );
    assert_eq!(refused, credential(CredentialError::UnknownRoot { issuer: foreign.public() }));
    for give in [vec![Capability::Seat], vec![Capability::Officer, Capability::Seat]] {
        let refused =
            bench.key_refusal("seat", grant(&of(&|it| it.capabilities = give.iter().copied().collect())));
        assert_eq!(refused, KeyRefusal::NotGranted { capability: Capability::Seat });
    }
    let refused = bench.key_refusal("nothing", grant(&of(&|it| it.capabilities.clear())));
    assert!(matches!(refused, KeyRefusal::NotGranted { .. }));
    let named = CoalitionId(hash("elsewhere", &[]));
    let refused = bench.key_refusal("else", grant(&of(&|it| it.coalition = named)));
    assert_eq!(refused, credential(CredentialError::WrongCoalition { named }));
    let refused = bench.key_refusal("deep", grant(&of(&|it| it.depth = 200)));
    assert_eq!(refused, credential(CredentialError::Unsound { link: 0, reason: Unsound::Depth }));
    let now = bench.state.time();
    let past = Time(now.0 - 1);
    let refused = bench.key_refusal("past", grant(&of(&|it| it.not_after = past)));
    assert_eq!(refused, credential(CredentialError::Expired { not_after: past, now }));
    let mut forged = of(&|_| {});
    forged.0[0].signature = key("norden", "root").sign("else", b"else");
    assert_eq!(
        bench.key_refusal("forged", grant(&forged)),
        credential(CredentialError::BadSignature { link: 0 })
    );
    // A deputy that may pass nothing on, gives more than it has, or is no officer.
    let deputy = key("sudria", "deputy");
    let two = |change: &dyn Fn(&mut Delegation, &mut Delegation)| {
        let Chain(links) = through(&founded, &deputy, &next, Capability::Officer);
        let [mut one, mut two] = links.map_two();
        change(&mut one, &mut two);
        chain([(one, &root), (two, &deputy)])
    };
    let refused = bench.key_refusal("no depth", grant(&two(&|one, _| one.depth = 0)));
    assert_eq!(refused, credential(CredentialError::Widened { link: 1, dimension: Dimension::Depth }));
    let airlift = Extent::only(["airlift".parse().expect("a name")]);
    let refused = bench.key_refusal("wider", grant(&two(&|one, _| one.operations = airlift.clone())));
    assert_eq!(refused, credential(CredentialError::Widened { link: 1, dimension: Dimension::Operations }));
    let refused = bench.key_refusal("circle", grant(&two(&|one, _| one.subject = next.public())));
    assert_eq!(refused, credential(CredentialError::BrokenLink { link: 1, reason: Gap::Circle }));
    let by_node = two(&|one, two| {
        one.capabilities = [Capability::Node].into();
        two.capabilities = [Capability::Node].into();
    });
    let refused = bench.key_refusal("by node", grant(&by_node));
    assert_eq!(refused, KeyRefusal::NotThroughOfficer { issuer: deputy.public(), link: 1 });
    // Each key has one purpose and one partner.
    for (taken, holder, purpose) in [
        (key("norden", "officer"), "norden", Purpose::Officer),
        (key("norden", "root"), "norden", Purpose::Root),
        (key("sudria", "seat"), "sudria", Purpose::Seat),
        (key("sudria", "node"), "sudria", Purpose::Node),
    ] {
        let refused = bench.key_refusal("taken", grant(&direct(&founded, &taken, Capability::Officer)));
        assert_eq!(refused, KeyRefusal::Taken { key: taken.public(), partner: name(holder), purpose });
    }
    bench.carries("good", grant(&of(&|_| {})));
    let key = next.public();
    assert_eq!(bench.key_refusal("twice", grant(&of(&|_| {}))), KeyRefusal::Granted { key });
    // Who left has no keys to change.
    let left =
        record(&founded, "sudria", "leave", Act::Member(MemberAct::Withdraw { ground: "over".into() }));
    assert_eq!(bench.apply(&left).disposition, Disposition::Applied);
    let late = record(&founded, "norden", "late", grant(&direct(&founded, &deputy, Capability::Officer)));
    assert!(
        matches!(bench.refusal(&late), Refusal::Member(MemberRefusal::NotActive { partner: gone, .. }) if gone == partner)
    );
}

#[test]
fn revocations_that_do_not_hold_are_refused() {
    let mut bench = Bench::four();
    let founded = bench.founded.clone();
    let (root, officer) = (key("sudria", "root"), key("sudria", "officer").public());
    let wrong = KeyRefusal::Revocation;
    let of = |change: &dyn Fn(&mut Revocation)| {
        let mut revocation = take_back(&founded, &root, Target::Key(officer)).revocation;
        change(&mut revocation);
        Act::Key(KeyAct::Revoke(Box::new(revocation.sign(&root))))
    };
    let named = CoalitionId(hash("elsewhere", &[]));
    let refused = bench.key_refusal("else", of(&|it| it.coalition = named));
    assert_eq!(refused, wrong(RevocationError::WrongCoalition { named }));
    for reason in ["x".repeat(201), "a\u{202e}b".to_owned()] {
        let refused = bench.key_refusal("reason", of(&|it| it.reason.clone_from(&reason)));
        assert_eq!(refused, wrong(RevocationError::Reason));
    }
    let stranger = "utopia".parse::<crate::charter::PartnerName>().expect("a name");
    let refused = bench.key_refusal("who", of(&|it| it.partner = stranger.clone()));
    assert_eq!(refused, KeyRefusal::UnknownPartner { partner: stranger.clone() });
    let nothing = KeyRefusal::NothingRevoked { partner: name("sudria") };
    let absent = Target::Key(key("sudria", "absent").public());
    assert_eq!(bench.key_refusal("absent", of(&|it| it.target = absent)), nothing);
    let norden = Target::Key(key("norden", "officer").public());
    assert_eq!(bench.key_refusal("other", of(&|it| it.target = norden)), nothing);
    let issuer = key("norden", "root");
    let refused = bench.key_refusal("not above", revoke(&founded, &issuer, Target::Key(officer)));
    assert_eq!(refused, wrong(RevocationError::NotAbove { issuer: issuer.public(), link: 0 }));
    let mut forged = take_back(&founded, &root, Target::Key(officer));
    forged.revocation.reason = "changed".into();
    let refused = bench.key_refusal("forged", Act::Key(KeyAct::Revoke(Box::new(forged))));
    assert_eq!(refused, wrong(RevocationError::BadSignature { issuer: root.public() }));
    // One delegation first, then the whole key: the second marks it, and a third says nothing.
    let delegation = founded.chain(&officer).expect("its chain").0[0].delegation.hash();
    bench.carries("delegation", revoke(&founded, &root, Target::Delegation(delegation)));
    assert_eq!(bench.key_refusal("again", revoke(&founded, &root, Target::Delegation(delegation))), nothing);
    let mut renewed = link(&founded, &root, &key("sudria", "officer"), Capability::Officer);
    renewed.not_after = Time(UNTIL.0 + 1);
    let renewed = chain([(renewed, &root)]);
    assert_eq!(
        bench.state.check(&record(&founded, "norden", "renewed", grant(&renewed)), bench.state.time()),
        Ok(())
    );
    bench.carries("key", revoke(&founded, &root, Target::Key(officer)));
    assert!(matches!(bench.key_refusal("renewed", grant(&renewed)), KeyRefusal::Removed { link: 0, .. }));
    assert_eq!(bench.key_refusal("third", revoke(&founded, &root, Target::Key(officer))), nothing);
}

/// Both links of a chain of two, without their signatures.
trait MapTwo {
    fn map_two(self) -> [Delegation; 2];
}

impl MapTwo for Vec<SignedDelegation> {
    fn map_two(self) -> [Delegation; 2] {
        self.into_iter().map(|link| link.delegation).collect::<Vec<_>>().try_into().expect("two links")
    }
}
