//! Keys that are granted, taken back and succeeded in the log.

use super::*;
use crate::authority::{Authority, AuthorityKind, Expression, Extent};
use crate::credential::{
    Capability, Chain, CredentialError, Delegation, Dimension, Gap, Revocation, RevocationError,
    RootRotation, SignedDelegation, SignedRevocation, SignedRotation, Target, Unsound,
};
use crate::feed::FeedKey;
use crate::identity::{PublicKey, SecretKey};
use crate::record::{AssetAct, Change, Declare, KeyAct, LeaseAct, LeasedOpen, MemberAct, Propose, Watch};

mod property;
mod refusals;

/// What `issuer` gives `subject` in sudria's name.
fn link(founded: &Founded, issuer: &SecretKey, subject: &SecretKey, give: Capability) -> Delegation {
    let (issuer, subject) = (issuer.public(), subject.public());
    Delegation::direct(founded.coalition(), issuer, subject, name("sudria"), give, UNTIL)
}

fn chain<'a>(links: impl IntoIterator<Item = (Delegation, &'a SecretKey)>) -> Chain {
    Chain(links.into_iter().map(|(delegation, key)| delegation.sign(key)).collect())
}

/// A chain of one link from sudria's root.
pub(super) fn direct(founded: &Founded, subject: &SecretKey, give: Capability) -> Chain {
    let root = key("sudria", "root");
    chain([(link(founded, &root, subject, give), &root)])
}

/// Through the officer `deputy`, who may pass on once.
fn through(founded: &Founded, deputy: &SecretKey, subject: &SecretKey, give: Capability) -> Chain {
    let root = key("sudria", "root");
    let mut first = link(founded, &root, deputy, Capability::Officer);
    first.capabilities.insert(Capability::Node);
    first.depth = 1;
    chain([(first, &root), (link(founded, deputy, subject, give), deputy)])
}

pub(super) fn grant(chain: &Chain) -> Act {
    Act::Key(KeyAct::Grant(chain.clone()))
}

fn take_back(founded: &Founded, issuer: &SecretKey, target: Target) -> SignedRevocation {
    Revocation {
        coalition: founded.coalition(),
        partner: name("sudria"),
        issuer: issuer.public(),
        reason: "the laptop is lost".into(),
        target,
    }
    .sign(issuer)
}

pub(super) fn revoke(founded: &Founded, issuer: &SecretKey, target: Target) -> Act {
    Act::Key(KeyAct::Revoke(Box::new(take_back(founded, issuer, target))))
}

pub(super) fn rotation(founded: &Founded, number: u32, old: &SecretKey, new: &SecretKey) -> SignedRotation {
    SignedRotation::new(RootRotation {
        coalition: founded.coalition(),
        partner: name("sudria"),
        number,
        old: old.public(),
        new: new.public(),
    })
}

pub(super) fn rotate(founded: &Founded, number: u32, old: &SecretKey, new: &SecretKey) -> Act {
    let mut signed = rotation(founded, number, old, new);
    signed.sign(old);
    signed.sign(new);
    Act::Key(KeyAct::Rotate(Box::new(signed)))
}

/// A record by any key.
fn by(founded: &Founded, signer: &SecretKey, nonce: &str, act: Act) -> SignedRecord {
    let nonce = Nonce::from_key(&signer.public(), nonce);
    Record { coalition: founded.coalition(), nonce, signer: signer.public(), act }.sign(signer)
}

fn opening(kind: &str) -> Act {
    let body = BTreeMap::from([("slot".to_owned(), "06:40-07:10".to_owned())]);
    Act::Open(Open { kind: kind.into(), title: "a corridor".into(), body, precedence: None })
}

impl Bench {
    /// Carried by norden, whoever it concerns.
    pub(super) fn carries(&mut self, nonce: &str, act: Act) -> SignedRecord {
        let signed = record(&self.founded, "norden", nonce, act);
        assert_eq!(self.apply(&signed).disposition, Disposition::Applied, "{nonce}");
        self.assert_root();
        signed
    }

    fn key_refusal(&mut self, nonce: &str, act: Act) -> KeyRefusal {
        let signed = record(&self.founded, "norden", nonce, act);
        match self.refusal(&signed) {
            Refusal::Key(refusal) => refusal,
            other => panic!("{other}"),
        }
    }

    fn opens(&mut self, signer: &SecretKey, nonce: &str) -> Disposition {
        let signed = by(&self.founded, signer, nonce, opening("airlift"));
        let checked = self.state.check(&signed, self.state.time()).err();
        let disposition = self.apply(&signed).disposition;
        match &disposition {
            Disposition::Refused(refusal) => assert_eq!(checked.as_ref(), Some(refusal)),
            _ => assert_eq!(checked, None),
        }
        disposition
    }

    fn notes(&mut self, node: &SecretKey) -> Disposition {
        let feed = FeedKey { node: node.public(), lane: Lane::Routine, incarnation: 0 };
        let context = ApplyContext { feed, ..self.context("norden") };
        self.state.apply(&context, &Body::Note(vec![1])).disposition
    }
}

#[test]
fn a_lost_officer_is_revoked_by_anothers_hand_and_the_next_one_acts_from_its_index_on() {
    let mut bench = Bench::four();
    let founded = bench.founded.clone();
    let (lost, next, root) = (key("sudria", "officer"), key("sudria", "officer-2"), key("sudria", "root"));
    let before = bench.open();
    let said = bench.word("sudria", before, Supporting, Endorse);
    let later = RecordId(hash("later", &[]));
    let waits = bench.word("sudria", later, Supporting, Endorse);
    assert_eq!(bench.apply(&said).disposition, Disposition::Applied);
    assert!(matches!(bench.apply(&waits).disposition, Disposition::Parked { .. }));
    assert_eq!(
        bench.opens(&next, "early"),
        Disposition::Refused(Refusal::UnknownSigner { signer: next.public() })
    );

    bench.carries("grant", grant(&direct(&founded, &next, Capability::Officer)));
    assert_eq!(bench.opens(&next, "now"), Disposition::Applied);
    let revocation = bench.carries("revoke", revoke(&founded, &root, Target::Key(lost.public())));
    let (index, by) = (bench.index, revocation.record.id());
    let revoked = KeyRefusal::Revoked { key: lost.public(), partner: name("sudria"), index, by };
    assert_eq!(bench.opens(&lost, "late"), Disposition::Refused(revoked.clone().into()));
    assert_eq!(bench.state.revoked(&lost.public()), Some(revoked));
    // What it said before keeps its effect.
    let standing = bench.state.operation(&before).and_then(|it| it.standing(&name("sudria")));
    assert_eq!(standing.map(|it| it.record), Some(said.record.id()));
    let view = bench.state.keys_of(&name("sudria"), bench.state.time());
    let status = view.iter().map(|it| (it.key, it.status, it.grants[0].carrier.clone())).collect::<Vec<_>>();
    assert_eq!(status[0], (lost.public(), KeyStatus::Revoked, None));
    assert_eq!(status[1], (next.public(), KeyStatus::Valid, Some(name("norden"))));
    let cut = view[0].grants[0].revoked.clone().expect("revoked");
    assert_eq!((cut.index, cut.reason.as_str(), cut.carrier), (index, "the laptop is lost", name("norden")));
    assert_eq!(bench.state.officers_of(&name("sudria")), [next.public()]);
    // The same key comes back neither by the chain of the founding nor by another.
    let founding = founded.chain(&lost.public()).expect("its chain").clone();
    for again in [founding, direct(&founded, &lost, Capability::Officer)] {
        let refused = bench.key_refusal("again", grant(&again));
        assert_eq!(refused, KeyRefusal::Removed { link: 0, index, by });
    }
}

#[test]
fn a_word_that_waits_keeps_its_effect_when_its_officer_is_revoked_meanwhile() {
    let mut bench = Bench::four();
    let founded = bench.founded.clone();
    let opened = open(&founded, "norden", "late");
    let word = bench.word("sudria", opened.record.id(), Supporting, Endorse);
    assert!(matches!(bench.apply(&word).disposition, Disposition::Parked { .. }));
    let lost = key("sudria", "officer").public();
    bench.carries("revoke", revoke(&founded, &key("sudria", "root"), Target::Key(lost)));
    let released = bench.apply(&opened).released;
    assert_eq!(released.iter().map(|it| &it.disposition).collect::<Vec<_>>(), [&Disposition::Applied]);
}

#[test]
fn what_an_officer_passed_on_falls_with_it_and_it_may_take_that_back_itself() {
    let mut bench = Bench::four();
    let founded = bench.founded.clone();
    let (deputy, node, other) = (key("sudria", "deputy"), key("sudria", "node-2"), key("sudria", "node-3"));
    assert_eq!(bench.notes(&node), Disposition::Refused(Refusal::UnknownNode { node: node.public() }));
    bench.carries("one", grant(&through(&founded, &deputy, &node, Capability::Node)));
    bench.carries("other", grant(&through(&founded, &deputy, &other, Capability::Node)));
    assert_eq!(bench.notes(&node), Disposition::Applied);
    // The deputy itself was given nothing by this.
    let unknown = Refusal::UnknownSigner { signer: deputy.public() };
    assert_eq!(bench.opens(&deputy, "deputy"), Disposition::Refused(unknown));
    let first = bench.state.nodes().into_iter().map(|(key, _)| key).collect::<Vec<_>>();
    assert_eq!(first[4..], [node.public(), other.public()], "in the order of their grants");
    let delegation = through(&founded, &deputy, &other, Capability::Node).0[1].delegation.hash();
    bench.carries("back", revoke(&founded, &deputy, Target::Delegation(delegation)));
    assert!(matches!(bench.notes(&other), Disposition::Refused(Refusal::Key(KeyRefusal::Revoked { .. }))));
    assert_eq!(bench.notes(&node), Disposition::Applied);
    let upper = through(&founded, &deputy, &node, Capability::Node).0[0].delegation.hash();
    let refused = bench.key_refusal("upper", revoke(&founded, &deputy, Target::Delegation(upper)));
    let issuer = deputy.public();
    assert_eq!(refused, KeyRefusal::Revocation(RevocationError::NotAbove { issuer, link: 0 }));
    bench.carries("root", revoke(&founded, &key("sudria", "root"), Target::Key(deputy.public())));
    assert!(matches!(bench.notes(&node), Disposition::Refused(Refusal::Key(KeyRefusal::Revoked { .. }))));
    let third = through(&founded, &deputy, &key("sudria", "node-4"), Capability::Node);
    assert!(matches!(bench.key_refusal("third", grant(&third)), KeyRefusal::Removed { link: 0, .. }));
}

#[test]
fn the_new_root_stands_above_what_the_old_one_gave_and_the_old_one_above_nothing() {
    let mut bench = Bench::four();
    let founded = bench.founded.clone();
    let (old, new, third) = (key("sudria", "root"), key("sudria", "root-2"), key("sudria", "root-3"));
    let officer = key("sudria", "officer").public();
    bench.carries("rotate", rotate(&founded, 1, &old, &new));
    assert_eq!(bench.state.root_of(&name("sudria")), Some(new.public()));
    assert_eq!(bench.opens(&key("sudria", "officer"), "stays"), Disposition::Applied);
    let next = key("sudria", "officer-2");
    let refused = bench.key_refusal("old", grant(&direct(&founded, &next, Capability::Officer)));
    let error = CredentialError::UnknownRoot { issuer: old.public() };
    assert_eq!(refused, KeyRefusal::Credential { partner: name("sudria"), error });
    let refused = bench.key_refusal("by old", revoke(&founded, &old, Target::Key(officer)));
    let error = RevocationError::NotAbove { issuer: old.public(), link: 0 };
    assert_eq!(refused, KeyRefusal::Revocation(error));
    let of_new = chain([(link(&founded, &new, &next, Capability::Officer), &new)]);
    bench.carries("new", grant(&of_new));
    bench.carries("by new", revoke(&founded, &new, Target::Key(officer)));
    assert!(matches!(bench.opens(&key("sudria", "officer"), "cut"), Disposition::Refused(_)));
    assert_eq!(bench.opens(&next, "next"), Disposition::Applied);

    // Numbers chain, and every signature is needed.
    let number = |found, expected| KeyRefusal::RotationNumber { found, expected, partner: name("sudria") };
    assert_eq!(bench.key_refusal("again", rotate(&founded, 1, &new, &third)), number(1, 2));
    assert_eq!(bench.key_refusal("ahead", rotate(&founded, 3, &new, &third)), number(3, 2));
    let refused = bench.key_refusal("replay", rotate(&founded, 2, &old, &third));
    let (named, root) = (old.public(), new.public());
    assert_eq!(refused, KeyRefusal::NotTheRoot { named, partner: name("sudria"), root });
    let mut signed_by = |signers: &[&SecretKey], lack: RotationLack| {
        let mut signed = rotation(&founded, 2, &new, &third);
        signers.iter().for_each(|key| signed.sign(key));
        let refused = bench.key_refusal("unsigned", Act::Key(KeyAct::Rotate(Box::new(signed))));
        assert_eq!(refused, KeyRefusal::RotationUnsigned { partner: name("sudria"), lack });
    };
    signed_by(&[], RotationLack::New(third.public()));
    signed_by(&[&new], RotationLack::New(third.public()));
    signed_by(&[&third], RotationLack::Old(new.public()));
    signed_by(&[&new, &third, &old], RotationLack::Stranger(old.public()));
    let mut forged = rotation(&founded, 2, &new, &third);
    forged.sign(&new);
    forged.sign(&third);
    forged.signatures.0[0].signature = forged.signatures.0[1].signature;
    let refused = bench.key_refusal("forged", Act::Key(KeyAct::Rotate(Box::new(forged))));
    let lack = RotationLack::Signatures;
    assert_eq!(refused, KeyRefusal::RotationUnsigned { partner: name("sudria"), lack });
    let refused = bench.key_refusal("same", rotate(&founded, 2, &new, &new));
    let lack = RotationLack::SameRoot;
    assert_eq!(refused, KeyRefusal::RotationUnsigned { partner: name("sudria"), lack });
    for (key, purpose) in [(&old, Purpose::Root), (&next, Purpose::Officer)] {
        let refused = bench.key_refusal("taken", rotate(&founded, 2, &new, key));
        let (key, partner) = (key.public(), name("sudria"));
        assert_eq!(refused, KeyRefusal::Taken { key, partner, purpose });
    }
    let mut elsewhere = rotation(&founded, 2, &new, &third);
    let named = CoalitionId(hash("elsewhere", &[]));
    elsewhere.rotation.coalition = named;
    let refused = bench.key_refusal("elsewhere", Act::Key(KeyAct::Rotate(Box::new(elsewhere))));
    assert_eq!(refused, KeyRefusal::RotationElsewhere { named });
    bench.carries("second", rotate(&founded, 2, &new, &third));
    assert_eq!(bench.state.rotations_of(&name("sudria")).len(), 2);
}

#[test]
fn a_lost_root_gives_way_by_the_national_authority_where_the_charter_states_one() {
    let mut charter = charter(&FOUR);
    let (ministers, root, new) =
        (["chief", "minister", "judge"], key("sudria", "root"), key("sudria", "root-2"));
    let minister = |purpose: &str| Expression::Key(key("sudria", purpose).public());
    charter.authority.authorities.push(Authority {
        name: "sudria".parse().expect("a name"),
        kind: AuthorityKind::National,
        scope: Default::default(),
        expression: Expression::threshold(2, ministers.map(minister).to_vec(), &[]).expect("canonical"),
    });
    charter.sort();
    let mut bench = Bench::new(found(charter));
    let founded = bench.founded.clone();
    let signed_by = |purposes: &[&str]| {
        let mut signed = rotation(&founded, 1, &root, &new);
        signed.sign(&new);
        purposes.iter().for_each(|purpose| signed.sign(&key("sudria", purpose)));
        Act::Key(KeyAct::Rotate(Box::new(signed)))
    };
    let lack = RotationLack::Old(root.public());
    let refused = bench.key_refusal("one", signed_by(&["chief"]));
    assert_eq!(refused, KeyRefusal::RotationUnsigned { partner: name("sudria"), lack });
    let stranger = key("sudria", "officer");
    let refused = bench.key_refusal("stranger", signed_by(&["chief", "officer"]));
    let lack = RotationLack::Stranger(stranger.public());
    assert_eq!(refused, KeyRefusal::RotationUnsigned { partner: name("sudria"), lack });
    bench.carries("two", signed_by(&["chief", "judge"]));
    assert_eq!(bench.state.root_of(&name("sudria")), Some(new.public()));
}

#[test]
fn a_root_changes_so_often_and_no_more() {
    let mut bench = Bench::four();
    let founded = bench.founded.clone();
    let root = |number: u32| match number {
        0 => key("sudria", "root"),
        number => key("sudria", &format!("root {number}")),
    };
    for number in 1..=MAX_ROTATIONS_PER_PARTNER {
        let signed = record(
            &founded,
            "norden",
            &number.to_string(),
            rotate(&founded, number, &root(number - 1), &root(number)),
        );
        assert_eq!(bench.apply(&signed).disposition, Disposition::Applied);
    }
    bench.assert_root();
    let last = MAX_ROTATIONS_PER_PARTNER;
    let refused = bench.key_refusal("more", rotate(&founded, last + 1, &root(last), &root(last + 1)));
    assert_eq!(refused, KeyRefusal::TooManyRotations { partner: name("sudria"), most: last.into() });
}

#[test]
fn an_officer_for_closures_alone_commits_no_airlift() {
    let mut bench = Bench::four();
    let founded = bench.founded.clone();
    let (bound, root) = (key("sudria", "officer-2"), key("sudria", "root"));
    let closure = Extent::only(["closure".parse().expect("a name")]);
    let mut delegation = link(&founded, &root, &bound, Capability::Officer);
    delegation.operations = closure.clone();
    bench.carries("grant", grant(&chain([(delegation, &root)])));
    let values =
        [("corridor", "alfa"), ("opens", "2026-11-25T06:00:00Z"), ("closes", "2026-11-25T08:00:00Z")];
    let body = values.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let open = Open { kind: "airlift".into(), title: "one".into(), body, precedence: None };
    let alone = Act::Lease(LeaseAct::Open(LeasedOpen { open, seen: 1 }));
    let error = CredentialError::WrongOperation { allowed: closure, wanted: "airlift".to_owned() };
    let refused = bench.refusal(&by(&founded, &bound, "alone", alone));
    assert_eq!(refused, KeyRefusal::Credential { partner: name("sudria"), error }.into());
}

#[test]
fn what_an_officer_is_delegated_for_binds_it() {
    let mut bench = Bench::four();
    let founded = bench.founded.clone();
    let (bound, root) = (key("sudria", "officer-2"), key("sudria", "root"));
    let airlift = Extent::only(["airlift".parse().expect("a name")]);
    let mut delegation = link(&founded, &root, &bound, Capability::Officer);
    delegation.operations = airlift.clone();
    delegation.not_before = Some(bench.state.time().plus(1000));
    delegation.last_epoch = Some(3);
    bench.carries("grant", grant(&chain([(delegation, &root)])));
    let credential =
        |error| Disposition::Refused(KeyRefusal::Credential { partner: name("sudria"), error }.into());
    let (now, not_before) = (bench.state.time(), bench.state.time().plus(1000));
    assert_eq!(bench.opens(&bound, "early"), credential(CredentialError::NotYetValid { not_before, now }));
    bench.advance(not_before);
    assert_eq!(bench.opens(&bound, "now"), Disposition::Applied);
    let propose = Propose {
        kind: "suspension".parse().expect("a name"),
        change: Change::Suspend(name("vigil")),
        reason: "two copies".into(),
    };
    let wanted = "suspension".to_owned();
    let other = by(&founded, &bound, "other", Act::Member(MemberAct::Propose(propose)));
    let error = CredentialError::WrongOperation { allowed: airlift.clone(), wanted };
    assert_eq!(bench.refusal(&other), KeyRefusal::Credential { partner: name("sudria"), error }.into());
    // Neither the partner's membership nor its watch nor its assets.
    let leave = MemberAct::Withdraw { ground: "over".into() };
    let watch = Watch { officer: bound.public(), from: now, note: None };
    let declare = Declare {
        name: "plane-1".parse().expect("a name"),
        kind: "aircraft".parse().expect("a name"),
        label: "a plane".into(),
    };
    for act in
        [Act::Member(leave), Act::Member(MemberAct::Watch(watch)), Act::Asset(AssetAct::Declare(declare))]
    {
        let signed = by(&founded, &bound, "beyond", act);
        let (key, partner, allowed) = (bound.public(), name("sudria"), airlift.clone());
        assert_eq!(bench.refusal(&signed), KeyRefusal::Bound { key, partner, allowed }.into());
    }
    // It attests in operations of its type, and carries what proves itself.
    let operation = bench.open();
    let attest = Attest {
        operation,
        role: Supporting,
        stance: Endorse,
        caveat: None,
        evidence: vec![],
        supersedes: None,
    };
    let signed = by(&founded, &bound, "attest", Act::Attest(attest));
    assert_eq!(bench.apply(&signed).disposition, Disposition::Applied);
    let carried = by(
        &founded,
        &bound,
        "carry",
        grant(&direct(&founded, &key("sudria", "officer-3"), Capability::Officer)),
    );
    assert_eq!(bench.apply(&carried).disposition, Disposition::Applied);
    // Its last epoch is over with that.
    let late = by(&founded, &bound, "late", opening("airlift"));
    let context = ApplyContext { epoch: 4, ..bench.context("norden") };
    let over = credential(CredentialError::EpochPassed { last_epoch: 3, epoch: 4 });
    assert_eq!(bench.state.apply(&context, &Body::Signed(late)).disposition, over);
    bench.assert_root();
}

#[test]
fn a_key_whose_time_runs_out_is_granted_again_and_the_longer_chain_counts() {
    let mut bench = Bench::four();
    let founded = bench.founded.clone();
    let officer = key("sudria", "officer");
    let mut longer = link(&founded, &key("sudria", "root"), &officer, Capability::Officer);
    longer.not_after = Time(UNTIL.0 + 10);
    bench.carries("longer", grant(&chain([(longer, &key("sudria", "root"))])));
    assert_eq!(bench.state.credentials_until(&name("sudria")), Time(UNTIL.0 + 10));
    bench.advance(Time(UNTIL.0 + 1));
    let of = |bench: &mut Bench, whose: &str| {
        let signed = by(&founded, &key(whose, "officer"), "after", opening("airlift"));
        bench.state.check(&signed, bench.state.time())
    };
    assert_eq!(of(&mut bench, "sudria"), Ok(()));
    assert!(
        matches!(of(&mut bench, "norden"), Err(Refusal::CredentialExpired { not_after, .. }) if not_after == UNTIL)
    );
    bench.advance(Time(UNTIL.0 + 11));
    let not_after = Time(UNTIL.0 + 10);
    let expired = Refusal::CredentialExpired { partner: name("sudria"), not_after };
    assert_eq!(of(&mut bench, "sudria"), Err(expired));
}

#[test]
fn living_keys_and_granted_chains_are_bounded() {
    let mut bench = Bench::four();
    let founded = bench.founded.clone();
    let (deputy, root) = (key("sudria", "deputy"), key("sudria", "root"));
    let numbered = |what: &str, n: usize| key("sudria", &format!("{what} {n}"));
    let partner = name("sudria");
    for (what, capability) in [("officer", Capability::Officer), ("node", Capability::Node)] {
        let most = bench.state.most_keys(&partner, capability);
        for n in 1..most {
            let act = grant(&direct(&founded, &numbered(what, n), capability));
            let signed = record(&founded, "norden", &format!("{what} {n}"), act);
            assert_eq!(bench.apply(&signed).disposition, Disposition::Applied);
        }
        let refused = bench.key_refusal("more", grant(&direct(&founded, &numbered(what, most), capability)));
        assert_eq!(refused, KeyRefusal::TooMany { partner: partner.clone(), capability, most: most as u64 });
    }
    // One makes room for one.
    bench.carries("room", revoke(&founded, &root, Target::Key(numbered("officer", 1).public())));
    // What officers pass on and take back again leaves room to the root.
    let granted = bench.state.key_changes() - 1;
    for n in 0..MAX_PASSED_ON_PER_PARTNER {
        let subject = numbered("passed", n);
        let act = grant(&through(&founded, &deputy, &subject, Capability::Officer));
        let signed = record(&founded, "norden", &format!("p {n}"), act);
        assert_eq!(bench.apply(&signed).disposition, Disposition::Applied);
        let back = revoke(&founded, &deputy, Target::Key(subject.public()));
        let signed = record(&founded, "norden", &format!("b {n}"), back);
        assert_eq!(bench.apply(&signed).disposition, Disposition::Applied);
    }
    let more = through(&founded, &deputy, &numbered("passed", 999), Capability::Officer);
    let most = MAX_PASSED_ON_PER_PARTNER as u64;
    let refused = bench.key_refusal("passed", grant(&more));
    assert_eq!(refused, KeyRefusal::TooManyGrants { partner: partner.clone(), most, by_officers: true });
    for n in granted + MAX_PASSED_ON_PER_PARTNER..MAX_GRANTS_PER_PARTNER {
        let subject = numbered("later", n);
        for (what, act) in [
            ("g", grant(&direct(&founded, &subject, Capability::Officer))),
            ("r", revoke(&founded, &root, Target::Key(subject.public()))),
        ] {
            let signed = record(&founded, "norden", &format!("{what} {n}"), act);
            assert_eq!(bench.apply(&signed).disposition, Disposition::Applied);
        }
    }
    let refused =
        bench.key_refusal("all", grant(&direct(&founded, &numbered("all", 0), Capability::Officer)));
    let most = MAX_GRANTS_PER_PARTNER as u64;
    assert_eq!(refused, KeyRefusal::TooManyGrants { partner, most, by_officers: false });
    bench.assert_root();
}

#[test]
fn who_shows_a_chain_is_let_in_only_by_what_the_log_says() {
    let mut bench = Bench::four();
    let founded = bench.founded.clone();
    let node = key("sudria", "node-2");
    let shown = direct(&founded, &node, Capability::Node);
    let admitted = |bench: &Bench, shown: &Chain, now: Time| {
        let admission = bench.state.admission();
        admission.admit(shown, now).map(|(partner, key)| (partner.clone(), key))
    };
    let now = bench.state.time();
    let unknown = Refusal::UnknownNode { node: node.public() };
    assert_eq!(admitted(&bench, &shown, now), Err(unknown));
    // It has it from the root all the same, as nobody has who makes one up.
    let foreign = key("norden", "root");
    let made_up = chain([(link(&founded, &foreign, &node, Capability::Node), &foreign)]);
    let given = |bench: &Bench, shown: &Chain| bench.state.admission().is_given(shown, bench.state.time());
    assert!(given(&bench, &shown) && !given(&bench, &made_up) && !given(&bench, &Chain(vec![])));
    bench.carries("grant", grant(&shown));
    assert_eq!(admitted(&bench, &shown, now), Ok((name("sudria"), node.public())));
    assert!(matches!(
        admitted(&bench, &shown, Time(UNTIL.0 + 1)),
        Err(Refusal::Key(KeyRefusal::Credential { .. }))
    ));
    // The same words under another signature, another chain for the same key, no chain.
    let mut forged = shown.clone();
    forged.0[0].signature = node.sign("else", b"else");
    let other = through(&founded, &key("sudria", "deputy"), &node, Capability::Node);
    for bad in [forged, other, Chain(vec![])] {
        assert!(admitted(&bench, &bad, now).is_err());
    }
    bench.carries("revoke", revoke(&founded, &key("sudria", "root"), Target::Key(node.public())));
    assert!(matches!(admitted(&bench, &shown, now), Err(Refusal::Key(KeyRefusal::Revoked { .. }))));
    assert!(!given(&bench, &shown), "a stale key is an impostor's");
    let first = founded.chain(&key("norden", "node").public()).expect("its chain").clone();
    assert_eq!(admitted(&bench, &first, now).map(|(partner, _)| partner), Ok(name("norden")));
}

#[test]
fn held_changes_of_keys_count_in_what_would_be() {
    let bench = Bench::four();
    let founded = bench.founded.clone();
    let next = key("sudria", "officer-2");
    let granted = record(&founded, "norden", "grant", grant(&direct(&founded, &next, Capability::Officer)));
    let opened = by(&founded, &next, "open", opening("airlift"));
    let now = bench.state.time();
    let alone = bench.state.provisional(std::slice::from_ref(&opened), now);
    assert_eq!(alone.refused, [(opened.record.id(), Refusal::UnknownSigner { signer: next.public() })]);
    let both = bench.state.provisional(&[granted, opened], now);
    assert_eq!((both.refused.len(), both.operations.len()), (0, 1));
    assert_eq!(bench.state.officer(&next.public()).map(|it| it.name.clone()), None);
}

#[test]
fn what_a_granted_officer_says_for_who_leaves_at_the_same_time_does_not_count() {
    let mut bench = Bench::four();
    let founded = bench.founded.clone();
    let next = key("sudria", "officer-2");
    bench.carries("grant", grant(&direct(&founded, &next, Capability::Officer)));
    let opened = by(&founded, &next, "open", opening("airlift"));
    let leaves = MemberAct::Withdraw { ground: "called home".into() };
    let leaves = record(&founded, "sudria", "leaves", Act::Member(leaves));
    let held = [opened.clone(), leaves];
    let provisional = bench.state.provisional(&held, bench.state.time());
    let refused = provisional.refused.into_iter().map(|(id, _)| id).collect::<Vec<_>>();
    assert_eq!(refused, [opened.record.id()]);
}

/// So that the helpers of the property test read alike.
fn public(keys: &[SecretKey]) -> Vec<PublicKey> {
    keys.iter().map(SecretKey::public).collect()
}
