//! Alliances that change under a charter, and authorities that an amendment changes.

use super::*;
use crate::charter::{Amendment, AuthorityRules};

fn proposes(amendment: Amendment) -> Act {
    let propose = Propose {
        kind: "amendment".parse().expect("a name"),
        change: Change::Amend(Box::new(amendment)),
        reason: "it is time".into(),
    };
    Act::Member(MemberAct::Propose(propose))
}

#[test]
fn an_alliance_changes_under_a_charter_as_the_charter_says() {
    for (follow, at_once, amended) in
        [(Follow::AtOnce, 3, 3), (Follow::NextAmendment, 2, 3), (Follow::Pinned, 2, 2)]
    {
        let mut bench = Bench::new(found(with_authorities("pact", NATIONS_FIRST, follow)));
        let first = pact(1, None, 2);
        let second = pact(2, Some(&first), 3);
        let third = pact(3, Some(&second), 1);
        let running = bench.open();
        let needs = |bench: &Bench, operation: RecordId| {
            let text = bench.mandate(operation);
            let words = [(1, "one"), (2, "two"), (3, "three")];
            words
                .into_iter()
                .find(|(_, word)| text.contains(&format!("pact needs {word} more")))
                .map(|(needs, _)| needs)
        };
        let publish = |document: SignedAlliance| Act::Authority(AuthorityAct::Publish(Box::new(document)));
        let refused = bench.authority_refusal("vigil", publish(signed(third.clone())));
        assert!(matches!(refused, AuthorityRefusal::Gap { version: 3, latest: 1, .. }), "{refused}");
        let mut unsigned = SignedAlliance::new(second.clone());
        unsigned.sign(&root("norden"));
        let refused = bench.authority_refusal("vigil", publish(unsigned));
        assert!(matches!(refused, AuthorityRefusal::Document { .. }), "{refused}");
        bench.publish(&signed(second.clone()));
        assert_eq!(needs(&bench, running), Some(at_once), "{follow}");
        for (document, same) in [(second.clone(), true), (pact(2, Some(&first), 1), false), (first, true)] {
            let refused = bench.authority_refusal("vigil", publish(signed(document)));
            assert!(
                matches!(refused, AuthorityRefusal::VersionKnown { same: is, .. } if is == same),
                "{refused}"
            );
        }
        // An amendment, of anything.
        let mut wanted = Charter::clone(bench.state.charter());
        wanted.operations.iter_mut().for_each(|kind| kind.window_ms += 1);
        let amendment = bench.state.charter().amendment_to(&wanted).expect("sound");
        let proposal = bench.does("norden", "amend", proposes(amendment));
        for partner in ["norden", "sudria", "estmark"] {
            bench.say(partner, proposal, Supporting, Endorse);
        }
        bench.state.begin_batch();
        assert_eq!(bench.state.charter().version, 2);
        let next = bench.open();
        assert_eq!(needs(&bench, next), Some(amended), "{follow}");
        assert_eq!(needs(&bench, running), Some(at_once), "a running operation keeps its version: {follow}");
        assert_eq!(bench.copy().root(), bench.state.root());
        let view = bench.state.authority_views().into_iter().find(|view| view.name.as_str() == "pact");
        let view = view.expect("listed");
        assert_eq!((view.version, view.latest), (Some(if amended == 3 { 2 } else { 1 }), Some(2)));
        assert_eq!(view.voices, ["estmark", "norden", "sudria"].map(name));
    }
}

#[test]
fn a_document_that_no_charter_here_refers_to_is_refused() {
    let mut bench = Bench::four();
    let act = Act::Authority(AuthorityAct::Publish(Box::new(signed(pact(1, None, 2)))));
    let refused = bench.authority_refusal("norden", act);
    assert_eq!(refused, AuthorityRefusal::NotReferred { name: authority("pact") });
}

#[test]
fn who_changes_an_authority_needs_the_old_and_the_new_one() {
    let mut charter = with_authorities("pact", NATIONS_FIRST, Follow::Pinned);
    let kind =
        charter.operations.iter_mut().find(|kind| kind.name.as_str() == "amendment").expect("declared");
    kind.authority = Some(authority("command"));
    let mut bench = Bench::new(found(charter));
    let mut wanted = Charter::clone(bench.state.charter());
    wanted.authority.authorities[0].expression = of(3, &["norden", "sudria", "vigil"]);
    let amendment = bench.state.charter().amendment_to(&wanted).expect("sound");
    assert_eq!(
        amendment.explain(bench.state.charter()),
        ["authority command: needs 2 of (norden, sudria, vigil) -> 3 of (norden, sudria, vigil)"]
    );
    let proposal = bench.does("norden", "amend", proposes(amendment));
    for partner in ["norden", "sudria", "estmark"] {
        bench.say(partner, proposal, Supporting, Endorse);
    }
    bench.speaks("norden", proposal, "command", Word::Order);
    bench.speaks("sudria", proposal, "command", Word::Order);
    assert_eq!(bench.verdict(proposal), None, "the old authority allows it, the new one not yet");
    assert_eq!(
        bench.mandate(proposal),
        "authority: allowed by command; authority: waits for command; command needs one more of vigil"
    );
    bench.speaks("vigil", proposal, "command", Word::Order);
    assert_eq!(bench.verdict(proposal), Some(Verdict::Agreed));
    let decision = bench.state.operation(&proposal).and_then(|it| it.decision.clone()).expect("decided");
    assert_eq!(decision.mandates.len(), 2);
}

/// What becomes of a proposal to put this in place of the authorities of a charter.
fn proposed(bench: &mut Bench, change: impl Fn(&mut AuthorityRules)) -> Result<(), String> {
    let mut wanted = Charter::clone(bench.state.charter());
    change(&mut wanted.authority);
    wanted.sort();
    let current = bench.state.charter();
    let amendment = current.amendment_to(&wanted);
    let told = amendment.as_ref().map(|_| ()).map_err(ToString::to_string);
    // Whoever makes one without asking is refused the same way.
    let (version, previous) = (current.version + 1, current.hash());
    wanted.version = version;
    wanted.previous = Some(previous);
    let forced = Amendment {
        version,
        previous,
        remove: vec![],
        put: vec![],
        integrity: None,
        authority: Some(wanted.authority.clone()),
        capabilities: None,
        admit: vec![],
        result: wanted.hash(),
    };
    assert_eq!(current.amended(&forced).map(|_| ()).map_err(|error| error.to_string()), told);
    let signed = bench.act("norden", &format!("amend {}", bench.index), proposes(forced));
    assert_eq!(matches!(bench.apply(&signed).disposition, Disposition::Refused(_)), told.is_err());
    told
}

#[test]
fn no_amendment_changes_what_a_nations_authority_is_made_of() {
    let mut charter = with_authorities("pact", NATIONS_FIRST, Follow::Pinned);
    let safe = key("vigil", "safe").public();
    let ministry = |name: &str, expression| Authority {
        name: authority(name),
        kind: AuthorityKind::Coalition,
        scope: Scope::default(),
        expression,
    };
    let national =
        |name: &str, expression| Authority { kind: AuthorityKind::National, ..ministry(name, expression) };
    charter.authority.authorities.push(ministry("ministry", safe.into()));
    let of_ministry = Expression::Named(authority("ministry"));
    charter.authority.authorities.push(national("vigil", of_ministry));
    charter.sort();
    let mut bench = Bench::new(found(charter));
    let fresh = key("norden", "fresh").public();
    let put = |rules: &mut AuthorityRules, new: Authority| {
        rules.authorities.retain(|old| old.name != new.name);
        rules.authorities.push(new);
    };
    let added = proposed(&mut bench, |rules| put(rules, national("sudria", fresh.into())));
    assert!(
        added
            .expect_err("sudria's own")
            .contains("changes the authority of sudria: that is the nation's own")
    );
    let changed = proposed(&mut bench, |rules| put(rules, national("vigil", fresh.into())));
    assert!(changed.expect_err("vigil's own").contains("changes the authority of vigil:"));
    let removed = proposed(&mut bench, |rules| rules.authorities.retain(|old| old.name.as_str() != "vigil"));
    assert!(removed.expect_err("vigil's own").contains("changes the authority of vigil:"));
    let behind = proposed(&mut bench, |rules| put(rules, ministry("ministry", fresh.into())));
    assert!(behind.expect_err("vigil's own").contains("changes the authority of vigil, by way of ministry:"));
    // The coalition's own is the coalition's to change.
    let command =
        |rules: &mut AuthorityRules| put(rules, ministry("command", of(3, &["norden", "sudria", "vigil"])));
    assert_eq!(proposed(&mut bench, command), Ok(()));
}

#[test]
fn in_place_of_an_alliance_comes_its_next_version_signed_by_both() {
    let mut bench = Bench::new(found(with_authorities("pact", NATIONS_FIRST, Follow::Pinned)));
    let first = pact(1, None, 2);
    let with = |document: SignedAlliance| {
        move |rules: &mut AuthorityRules| {
            rules.alliances[0] = AllianceReference::new(document.clone(), Follow::Pinned)
        }
    };
    let (second, third) = (pact(2, Some(&first), 1), pact(3, Some(&pact(2, Some(&first), 1)), 1));
    let mut by_one = SignedAlliance::new(second.clone());
    by_one.sign(&root("norden"));
    for refused in [by_one, signed(third), signed(pact(1, None, 1))] {
        let error = proposed(&mut bench, with(refused)).expect_err("is not the next one");
        assert!(error.contains("in place of version 1 of the alliance pact comes the next one"), "{error}");
    }
    assert_eq!(proposed(&mut bench, with(signed(second))), Ok(()));
    let pinned_no_more = |rules: &mut AuthorityRules| rules.alliances[0].follow = Follow::AtOnce;
    assert_eq!(proposed(&mut bench, pinned_no_more), Ok(()));
}

#[test]
fn whom_a_change_concerns_has_no_voice_through_an_authority_either() {
    let mut charter = with_authorities("pact", NATIONS_FIRST, Follow::Pinned);
    let kind =
        charter.operations.iter_mut().find(|kind| kind.name.as_str() == "expulsion").expect("declared");
    kind.authority = Some(authority("pact"));
    let mut bench = Bench::new(found(charter));
    let propose = Propose {
        kind: "expulsion".parse().expect("a name"),
        change: Change::Expel(name("norden")),
        reason: "left".into(),
    };
    let proposal = bench.does("sudria", "expel", Act::Member(MemberAct::Propose(propose)));
    let word = bench.act("norden", "w", speak(statement(proposal, "norden", Word::Refuse, 1)));
    assert!(matches!(bench.refusal(&word), Refusal::Member(_)));
    let statement = statement(proposal, "pact", Word::Refuse, 1);
    let mut signatures = Signatures::default();
    statement.sign(bench.founded.coalition(), &root("norden"), &mut signatures);
    let act = Act::Authority(AuthorityAct::Speak(Speak { statement, signatures }));
    assert!(matches!(bench.authority_refusal("vigil", act), AuthorityRefusal::Stranger { .. }));
}
