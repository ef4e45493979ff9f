//! Every reason for which a record is refused.

use super::*;

#[test]
fn what_is_not_authentic_is_refused_with_its_reason() {
    let mut bench = Bench::four();
    let id = bench.open();
    let sound = bench.word("sudria", id, Supporting, Endorse);

    let other = found({
        let mut charter = charter(&FOUR);
        charter.nonce.0[0] ^= 1;
        charter
    });
    let foreign = attest(&other, "sudria", id, Supporting, Endorse, None);
    assert_eq!(bench.refusal(&foreign), Refusal::ForeignCoalition { named: other.coalition() });
    let mut tampered = sound.clone();
    tampered.record.nonce.0[0] ^= 1;
    assert!(matches!(bench.refusal(&tampered), Refusal::BadSignature { .. }));
    let unknown = record(&bench.founded, "stranger", "n", sound.record.act.clone());
    assert_eq!(bench.refusal(&unknown), Refusal::UnknownSigner { signer: stranger() });
    // A seat's or node's key is no officer's.
    let node = key("norden", "node");
    let by_node = Record { signer: node.public(), ..sound.record.clone() }.sign(&node);
    assert!(matches!(bench.refusal(&by_node), Refusal::UnknownSigner { .. }));

    let mut context = bench.context("norden");
    context.feed.node = stranger();
    assert_eq!(
        bench.state.apply(&context, &Body::Signed(sound.clone())).disposition,
        Disposition::Refused(Refusal::UnknownNode { node: stranger() })
    );
    let context = bench.context("norden");
    for bytes in [&b""[..], b"\xff\xff", &Body::Signed(sound.clone()).encode()[..50]] {
        assert_eq!(
            bench.state.apply_bytes(&context, bytes).disposition,
            Disposition::Refused(Refusal::Malformed)
        );
    }
    // None of this spoiled the sound one.
    assert_eq!(bench.apply(&sound).disposition, Disposition::Applied);
}

#[test]
fn a_credential_is_judged_by_batch_time() {
    let mut bench = Bench::four();
    bench.advance(UNTIL);
    let last = bench.open();
    bench.advance(UNTIL.plus(1));
    let late = bench.word("sudria", last, Supporting, Endorse);
    let expired = |who: &str| Refusal::CredentialExpired { partner: name(who), not_after: UNTIL };
    assert_eq!(bench.state.check(&late, CREATED), Err(expired("sudria")));
    assert_eq!(
        bench.apply(&late).disposition,
        Disposition::Refused(expired("norden")),
        "the carrier's comes first"
    );
    // One partner's runs out before the others'.
    let mut charter = charter(&FOUR);
    charter.partners[2].credentials_until = CREATED.plus(24 * HOUR_MS);
    let mut bench = Bench::new(found(charter));
    bench.advance(CREATED.plus(24 * HOUR_MS + 1));
    let id = bench.open();
    let late = bench.word("sudria", id, Supporting, Endorse);
    assert!(matches!(
        bench.refusal(&late),
        Refusal::CredentialExpired { partner, .. } if partner == name("sudria")
    ));
    // A submission is judged by the clock where that is ahead.
    let early = bench.word("estmark", id, Supporting, Endorse);
    assert_eq!(
        bench.state.check(&early, UNTIL.plus(1)),
        Err(Refusal::CredentialExpired { partner: name("estmark"), not_after: UNTIL })
    );
}

#[test]
fn texts_and_lists_are_bounded_and_showable() {
    let mut bench = Bench::four();
    let with = |change: &dyn Fn(&mut Open)| {
        let mut open =
            Open { kind: "airlift".into(), title: "t".into(), body: BTreeMap::new(), precedence: None };
        change(&mut open);
        Act::Open(open)
    };
    let field = |name: &str, value: &str| BTreeMap::from([(name.to_owned(), value.to_owned())]);
    let caveat = |text: String| {
        Act::Attest(Attest {
            operation: RecordId::default(),
            role: Lead,
            stance: Endorse,
            caveat: Some(text),
            evidence: vec![],
            supersedes: None,
        })
    };
    let too_long: [(Act, Part); 6] = [
        (with(&|o| o.kind = "k".repeat(33)), Part::Kind),
        (with(&|o| o.title = "t".repeat(121)), Part::Title),
        (with(&|o| o.body = (0..33).map(|n| (n.to_string(), String::new())).collect()), Part::Fields),
        (with(&|o| o.body = field(&"n".repeat(33), "v")), Part::FieldName),
        (with(&|o| o.body = field("n", &"v".repeat(513))), Part::Field),
        (caveat("c".repeat(257)), Part::Caveat),
    ];
    for (act, part) in too_long {
        let signed = record(&bench.founded, "norden", "long", act);
        assert!(matches!(bench.refusal(&signed), Refusal::TooLong { what, .. } if what == part), "{part:?}");
    }
    for act in [
        with(&|o| o.title = "a\u{1b}[31mb".into()),
        with(&|o| o.body = field("n", "a\nb")),
        with(&|o| o.body = field("\u{202e}", "v")),
        caveat("\u{7}".into()),
    ] {
        let signed = record(&bench.founded, "norden", "odd", act);
        assert!(matches!(bench.refusal(&signed), Refusal::Unshowable { .. }));
    }
}

#[test]
fn an_undeclared_type_and_a_role_not_held_are_refused() {
    let mut bench = Bench::four();
    let undeclared =
        Open { kind: "picnic".into(), title: "t".into(), body: BTreeMap::new(), precedence: None };
    let undeclared = record(&bench.founded, "norden", "u", Act::Open(undeclared));
    assert_eq!(bench.refusal(&undeclared), Refusal::UndeclaredType { kind: "picnic".into() });
    let by_observer = open(&bench.founded, "vigil", "o");
    let refusal = bench.refusal(&by_observer);
    assert_eq!(
        refusal.to_string(),
        "vigil may not open: only who has a role that opens does: estmark, norden or sudria"
    );
    let id = bench.open();
    let usurped = bench.word("sudria", id, Lead, Endorse);
    assert_eq!(
        bench.refusal(&usurped).to_string(),
        "sudria may not act as lead here; it may act as supporting"
    );
}

#[test]
fn an_attestation_after_the_close_is_refused() {
    let mut bench = Bench::four();
    let id = bench.open();
    bench.say("norden", id, Lead, Endorse);
    bench.say("sudria", id, Supporting, Endorse);
    bench.say("estmark", id, Supporting, Endorse);
    let late = bench.word("vigil", id, Observing, Endorse);
    assert!(matches!(bench.refusal(&late), Refusal::Closed { verdict: Some(Verdict::Agreed), .. }));
    // By its clock a node knows earlier than the order does.
    let open = bench.open();
    let early = bench.word("sudria", open, Supporting, Endorse);
    let closes = bench.state.operation(&open).expect("known").closes;
    assert_eq!(bench.state.check(&early, Time(closes.0 - 1)), Ok(()));
    assert!(matches!(bench.state.check(&early, closes), Err(Refusal::Closed { verdict: None, .. })));
    assert_eq!(bench.state.view(&open, closes).map(|view| view.status), Some(Status::Due));
}

#[test]
fn a_second_word_needs_a_link_to_the_first_and_to_nothing_else() {
    let mut bench = Bench::four();
    let id = bench.open();
    let elsewhere = bench.open();
    let first = bench.word("sudria", id, Supporting, Endorse);
    bench.apply(&first);
    let first = first.record.id();
    let again = bench.word("sudria", id, Supporting, Object);
    let refusal = bench.refusal(&again);
    assert!(refusal.to_string().contains(&format!("supersede {first}")), "{refusal}");
    let link = |partner: &str, named| attest(&bench.founded, partner, id, Supporting, Object, Some(named));
    let second = link("sudria", first);
    let others = link("estmark", first);
    let to_opening = link("estmark", elsewhere);
    let stale = attest(&bench.founded, "sudria", id, Supporting, Abstain, Some(first));
    assert_eq!(bench.apply(&second).disposition, Disposition::Applied);
    let second = second.record.id();
    assert_eq!(bench.refusal(&stale), Refusal::SupersedesReplaced { named: first, standing: second });
    for signed in [others, to_opening] {
        assert!(matches!(bench.refusal(&signed), Refusal::SupersedesNotOwn { .. }));
    }
    let to_attestation = bench.word("estmark", first, Supporting, Endorse);
    assert_eq!(bench.refusal(&to_attestation), Refusal::NotAnOperation { named: first });
    let operation = bench.state.operation(&id).expect("known");
    assert_eq!(operation.attestations[0].superseded_by, Some(second));
    assert_eq!(operation.standing(&name("sudria")).map(|said| said.record), Some(second));
}

#[test]
fn a_partner_changes_its_mind_a_bounded_number_of_times() {
    let mut bench = Bench::four();
    let id = bench.open();
    let stances = [Object, Abstain].into_iter().cycle();
    for stance in stances.take(MAX_ATTESTATIONS_PER_PARTNER) {
        bench.supersede("sudria", id, Supporting, stance);
    }
    let standing = bench.state.operation(&id).and_then(|op| op.standing(&name("sudria")));
    let standing = standing.map(|said| said.record);
    let once_more = attest(&bench.founded, "sudria", id, Supporting, Endorse, standing);
    assert!(matches!(bench.refusal(&once_more), Refusal::TooManyAttestations { .. }));
}

#[test]
fn notes_and_dues_have_no_effect() {
    let mut bench = Bench::four();
    let id = bench.open();
    let root = bench.state.root();
    for body in [Body::Note(b"hello".to_vec()), Body::Due(Due { about: id, deadline: CREATED })] {
        assert_eq!(bench.apply_body(&body).disposition, Disposition::Applied);
    }
    assert_eq!(bench.state.root(), root);
}

#[test]
fn a_partner_has_a_bounded_number_of_operations_open() {
    let mut bench = Bench::four();
    // All but one place is taken; filling it up with real records would take minutes.
    bench.state.open.insert(name("norden"), MAX_OPEN_PER_PARTNER - 1);
    let id = bench.open();
    let more = open(&bench.founded, "norden", "more");
    assert!(matches!(bench.refusal(&more), Refusal::TooManyOpen { .. }));
    let other = open(&bench.founded, "sudria", "other");
    assert_eq!(bench.apply(&other).disposition, Disposition::Applied);
    bench.say("norden", id, Lead, Endorse);
    bench.say("sudria", id, Supporting, Endorse);
    bench.say("estmark", id, Supporting, Endorse);
    assert_eq!(bench.apply(&more).disposition, Disposition::Applied);
}
