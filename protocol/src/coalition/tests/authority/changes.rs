//! Alliances that change under a charter, and authorities that an amendment changes.

use super::super::keys::rotate;
use super::super::members::propose;
use super::*;
use crate::authority::AuthorityKind::{Alliance, Coalition, National};
use crate::charter::{Amendment, AmendmentError, AuthorityRules};
use crate::coalition::{MemberRefusal, Waits};

pub(super) fn proposes(amendment: Amendment) -> Act {
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

/// A charter whose officers agree on an amendment, in which the authority of vigil is what a ministry says, a key in a safe.
pub(super) fn with_a_ministry() -> Charter {
    let mut charter = with_authorities("pact", NATIONS_FIRST, Follow::Pinned);
    charter.authority.authorities.push(stated("ministry", Coalition, key("vigil", "safe").public().into()));
    charter.authority.authorities.push(stated("vigil", National, Expression::Named(authority("ministry"))));
    charter.sort();
    charter
}

pub(super) fn stated(name: &str, kind: AuthorityKind, expression: Expression) -> Authority {
    Authority { name: authority(name), kind, scope: Scope::default(), expression }
}

pub(super) fn put(rules: &mut AuthorityRules, new: Authority) {
    rules.authorities.retain(|old| old.name != new.name);
    rules.authorities.push(new);
}

impl Bench {
    /// The proposal of an amendment of the authorities, which all partners endorse.
    pub(super) fn amends_with_all(
        &mut self,
        change: impl Fn(&mut AuthorityRules),
    ) -> (RecordId, Vec<String>) {
        let mut wanted = Charter::clone(self.state.charter());
        change(&mut wanted.authority);
        wanted.sort();
        let amendment = self.state.charter().amendment_to(&wanted).expect("sound");
        let told = amendment.explain(self.state.charter());
        let proposal = self.does("norden", &format!("amend {}", self.index), proposes(amendment));
        for partner in ["norden", "sudria", "estmark"] {
            self.say(partner, proposal, Supporting, Endorse);
        }
        (proposal, told)
    }

    /// The window of an operation ends.
    fn closes(&mut self, operation: RecordId) {
        let closes = self.state.operation(&operation).expect("known").closes;
        self.advance(closes);
    }

    pub(super) fn signs(
        &mut self,
        nation: &str,
        word: Word,
        number: u32,
        proposal: RecordId,
        keys: &[&SecretKey],
    ) {
        let signed = self.signed_word(nation, word, number, proposal, keys);
        assert_eq!(self.apply(&signed).disposition, Disposition::Applied);
    }

    pub(super) fn signed_word(
        &self,
        nation: &str,
        word: Word,
        number: u32,
        proposal: RecordId,
        keys: &[&SecretKey],
    ) -> SignedRecord {
        let statement = statement(proposal, nation, word, number);
        let mut signatures = Signatures::default();
        keys.iter().for_each(|key| statement.sign(self.founded.coalition(), key, &mut signatures));
        let act = Act::Authority(AuthorityAct::Speak(Speak { statement, signatures }));
        self.act("norden", &format!("carries {nation} {word} {number}"), act)
    }
}

#[test]
fn what_a_nations_authority_is_made_of_changes_with_its_old_and_its_new_keys_alone() {
    let (safe, fresh) = (key("vigil", "safe"), key("vigil", "fresh"));
    let (new, vigil, sudria) = (fresh.public(), root("vigil"), root("sudria"));
    type Change = Box<dyn Fn(&mut AuthorityRules)>;
    let cases: [(&str, Change, Vec<&SecretKey>); 4] = [
        (
            "vigil",
            Box::new(move |rules| put(rules, stated("vigil", National, new.into()))),
            vec![&safe, &fresh],
        ),
        (
            "vigil",
            Box::new(move |rules| put(rules, stated("ministry", Coalition, new.into()))),
            vec![&safe, &fresh],
        ),
        (
            "vigil",
            Box::new(|rules| rules.authorities.retain(|old| old.name.as_str() != "vigil")),
            vec![&safe, &vigil],
        ),
        (
            "sudria",
            Box::new(move |rules| put(rules, stated("sudria", National, new.into()))),
            vec![&sudria, &fresh],
        ),
    ];
    for precedence in [[National, Alliance, Coalition], [Coalition, Alliance, National]] {
        for (nation, change, keys) in &cases {
            let mut charter = with_a_ministry();
            charter.authority.precedence = KindPrecedence::new(precedence);
            let found = found(charter);
            for signers in (0..4usize).map(|set| {
                keys.iter()
                    .enumerate()
                    .filter(|(at, _)| set & (1 << at) != 0)
                    .map(|(_, key)| *key)
                    .collect::<Vec<_>>()
            }) {
                let mut bench = Bench::new(found.clone());
                let (proposal, told) = bench.amends_with_all(change);
                let consent = format!(
                    "needs the consent of {nation}, signed by keys of its authority as it is and as it is to be"
                );
                assert!(told.contains(&consent), "{told:?}");
                assert_eq!(bench.verdict(proposal), None, "its partners alone change nothing of {nation}'s");
                if !signers.is_empty() {
                    bench.signs(nation, Word::Permit, 1, proposal, &signers);
                }
                let both = signers.len() == 2;
                assert_eq!(
                    bench.verdict(proposal),
                    both.then_some(Verdict::Agreed),
                    "{}",
                    bench.mandate(proposal)
                );
                assert_eq!(bench.copy().root(), bench.state.root());
                if both {
                    let decision = bench.state.operation(&proposal).and_then(|it| it.decision.clone());
                    let decision = decision.expect("decided");
                    assert_eq!(decision.changed, Some(true));
                    assert_eq!(decision.check(bench.state.charter_at(1).expect("the first")), Ok(()));
                    continue;
                }
                // The window ends, and nothing has changed.
                bench.closes(proposal);
                assert_eq!(bench.verdict(proposal), Some(Verdict::Expired));
                assert_eq!(bench.state.last_charter().version, 1);
            }
        }
    }
}

#[test]
fn officers_and_strangers_do_not_consent_for_a_nation() {
    let mut bench = Bench::new(found(with_a_ministry()));
    let fresh = key("sudria", "fresh");
    let new = fresh.public();
    let (proposal, _) = bench.amends_with_all(|rules| put(rules, stated("sudria", National, new.into())));
    let by_officer = speak(statement(proposal, "sudria", Word::Permit, 1));
    let refused = bench.authority_refusal("sudria", by_officer);
    assert_eq!(refused, AuthorityRefusal::ByKeys { authority: authority("sudria") });
    for stranger in [root("norden"), root("vigil"), key("vigil", "safe")] {
        let signed = bench.signed_word("sudria", Word::Permit, 1, proposal, &[&stranger]);
        let refused = bench.refusal(&signed);
        assert!(matches!(&refused, Refusal::Authority(AuthorityRefusal::Stranger { .. })), "{refused}");
    }
    // Other nations have nothing to consent to here.
    let other = bench.signed_word("norden", Word::Permit, 1, proposal, &[&root("norden")]);
    assert!(matches!(bench.refusal(&other), Refusal::Authority(AuthorityRefusal::NotNeeded { .. })));
    // It is told what waits for it, and the others are not.
    let waits = |bench: &Bench, partner: &str| {
        let waiting = bench.state.inbox(&name(partner), bench.state.time());
        waiting.into_iter().filter(|it| it.what == Waits::Consent).map(|it| it.about).collect::<Vec<_>>()
    };
    assert_eq!(waits(&bench, "sudria"), [Some(proposal)]);
    assert_eq!(waits(&bench, "norden"), []);
    // Who has consented may take it back while it is open.
    bench.signs("sudria", Word::Permit, 1, proposal, &[&root("sudria")]);
    bench.signs("sudria", Word::Refuse, 2, proposal, &[&root("sudria")]);
    assert_eq!(
        bench.mandate(proposal),
        "authority: refused by sudria; sudria keeps its own out of it; authority: waits for sudria; sudria needs sudria"
    );
    bench.closes(proposal);
    assert!(bench.verdict(proposal).is_some_and(|verdict| !verdict.is_agreed()));
    assert_eq!(bench.state.last_charter().version, 1);
}

#[test]
fn who_is_gone_is_not_asked_and_a_root_that_came_in_anothers_place_speaks_for_it() {
    let mut bench = Bench::new(found(with_a_ministry()));
    let out = bench.does("norden", "out", propose("expulsion", Change::Expel(name("vigil"))));
    for partner in ["norden", "sudria", "estmark"] {
        bench.say(partner, out, Supporting, Endorse);
    }
    assert_eq!(bench.verdict(out), Some(Verdict::Agreed));
    let fresh = key("vigil", "fresh").public();
    let (proposal, _) =
        bench.amends_with_all(|rules| put(rules, stated("ministry", Coalition, fresh.into())));
    assert_eq!(bench.verdict(proposal), Some(Verdict::Agreed));

    let (safe, next, fresh) = (key("vigil", "safe"), key("sudria", "root 2"), key("vigil", "fresh"));
    let both = Expression::threshold(2, vec![safe.public().into(), root("sudria").public().into()], &[]);
    let mut charter = charter_with_command();
    charter.authority.authorities.push(stated("vigil", National, both.expect("sound")));
    charter.sort();
    let mut bench = Bench::new(found(charter));
    let rotation = rotate(&bench.founded, 1, &root("sudria"), &next);
    bench.does("norden", "rotates", rotation);
    let new = fresh.public();
    let (proposal, _) = bench.amends_with_all(|rules| put(rules, stated("vigil", National, new.into())));
    let old = bench.signed_word("vigil", Word::Permit, 1, proposal, &[&root("sudria")]);
    assert!(matches!(bench.refusal(&old), Refusal::Authority(AuthorityRefusal::Stranger { .. })));
    bench.signs("vigil", Word::Permit, 1, proposal, &[&safe, &next, &fresh]);
    assert_eq!(bench.verdict(proposal), Some(Verdict::Agreed), "{}", bench.mandate(proposal));
}

#[test]
fn what_an_authority_lacks_is_told_within_a_limit() {
    let mut charter = charter_with_command();
    let many = (0..60).map(|at| key("vigil", &format!("safe {at}")).public().into()).collect();
    charter.authority.authorities[0].expression = Expression::threshold(60, many, &[]).expect("sound");
    let mut bench = Bench::new(found(charter));
    let operation = bench.endorsed_airlift();
    let text = bench.mandate(operation);
    assert!(text.ends_with("...") && (1_000..1_200).contains(&text.len()), "{text}");
}

#[test]
fn nothing_is_proposed_on_a_version_that_is_not_in_force_yet() {
    let mut bench = Bench::new(found(with_a_ministry()));
    let wider = stated("command", Coalition, of(3, &["norden", "sudria", "vigil"]));
    let (proposal, _) = bench.amends_with_all(|rules| put(rules, wider.clone()));
    assert_eq!(bench.verdict(proposal), Some(Verdict::Agreed));
    let last = bench.state.last_charter();
    let mut wanted = Charter::clone(last);
    wanted.operations.iter_mut().for_each(|kind| kind.window_ms += 1);
    let next = last.amendment_to(&wanted).expect("sound");
    let early = bench.act("norden", "early", proposes(next.clone()));
    let Disposition::Refused(refused) = bench.apply(&early).disposition else { panic!("it is taken") };
    let other = MemberRefusal::Amendment(AmendmentError::OtherVersion {
        previous: next.previous,
        version: 1,
        current: bench.state.charter().hash(),
    });
    assert_eq!(refused, other.into());
    bench.state.begin_batch();
    bench.does("norden", "in time", proposes(next));
}

#[test]
fn who_signed_a_version_of_an_alliance_that_the_log_has_replaced_signs_no_other() {
    let mut bench = Bench::new(found(with_authorities("pact", NATIONS_FIRST, Follow::AtOnce)));
    let first = pact(1, None, 2);
    bench.publish(&signed(pact(2, Some(&first), 3)));
    let with = |document: AllianceDocument| {
        let mut wanted = Charter::clone(bench.state.charter());
        wanted.authority.alliances[0] = AllianceReference::new(signed(document), Follow::AtOnce);
        proposes(bench.state.charter().amendment_to(&wanted).expect("sound by the charter alone"))
    };
    let (other, same) = (with(pact(2, Some(&first), 1)), with(pact(2, Some(&first), 3)));
    let signed = bench.act("norden", "other", other);
    let refused = bench.refusal(&signed).to_string();
    assert!(refused.contains("version 2 is the latest of the alliance pact"), "{refused}");
    bench.does("norden", "same", same);
}

#[test]
fn an_amendment_that_leaves_nations_alone_asks_none_of_them() {
    let mut bench = Bench::new(found(with_a_ministry()));
    let wider = stated("command", Coalition, of(3, &["norden", "sudria", "vigil"]));
    let (proposal, told) = bench.amends_with_all(|rules| put(rules, wider.clone()));
    assert!(told.iter().all(|line| !line.contains("consent")), "{told:?}");
    assert_eq!(bench.verdict(proposal), Some(Verdict::Agreed));
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
