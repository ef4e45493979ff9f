//! Attacks with keys that gave way, keys of others, and versions of before: what is a nation's or an alliance's stays so.

use super::super::integrity::{confirm, matter, report_of};
use super::super::keys::{rotate, rotation};
use super::super::members::leave;
use super::changes::{proposes, put, stated, with_a_ministry};
use super::*;
use crate::authority::AuthorityKind::{Alliance, Coalition, National};
use crate::charter::{AuthorityRules, IntegrityRules, Response};
use crate::coalition::{KeyRefusal, RotationLack};
use crate::record::{EventKind, KeyAct};

/// `needs` of these.
fn any(needs: u32, of: Vec<Expression>) -> Expression {
    Expression::threshold(needs, of, &[]).expect("sound")
}

fn named(name: &str) -> Expression {
    Expression::Named(authority(name))
}

fn publish(document: SignedAlliance) -> Act {
    Act::Authority(AuthorityAct::Publish(Box::new(document)))
}

impl Bench {
    fn rotates(&mut self, partner: &str, number: u32, old: &SecretKey, new: &SecretKey) {
        let mut signed = rotation(&self.founded, number, old, new);
        signed.rotation.partner = name(partner);
        signed.sign(old);
        signed.sign(new);
        self.does("norden", &format!("rotates {partner}"), Act::Key(KeyAct::Rotate(Box::new(signed))));
    }

    /// Why a proposal to put this in place of the authorities is refused.
    fn amendment_refused(&mut self, change: impl Fn(&mut AuthorityRules)) -> String {
        let mut wanted = Charter::clone(self.state.last_charter());
        change(&mut wanted.authority);
        wanted.sort();
        let amendment = match self.state.last_charter().amendment_to(&wanted) {
            Ok(amendment) => amendment,
            Err(error) => return error.to_string(),
        };
        let signed = self.act("norden", &format!("amend {}", self.index), proposes(amendment));
        self.refusal(&signed).to_string()
    }

    /// An amendment of the authorities is made.
    fn amended(&mut self, change: impl Fn(&mut AuthorityRules)) {
        let (proposal, _) = self.amends_with_all(change);
        assert_eq!(self.verdict(proposal), Some(Verdict::Agreed), "{}", self.mandate(proposal));
        self.state.begin_batch();
    }
}

#[test]
fn a_root_that_gave_way_does_not_come_back_through_the_nations_stated_authority() {
    let (old, safe) = (root("sudria"), key("sudria", "safe"));
    let (next, stolen, third) = (key("sudria", "root 2"), key("thief", "root"), key("sudria", "root 3"));
    let mut charter = charter_with_command();
    let either = any(1, vec![old.public().into(), safe.public().into()]);
    charter.authority.authorities.push(stated("sudria", National, either));
    charter.sort();
    let mut bench = Bench::new(found(charter));
    let act = rotate(&bench.founded, 1, &old, &next);
    bench.does("norden", "rotates", act);
    let mut signed = rotation(&bench.founded, 2, &next, &stolen);
    signed.sign(&old);
    signed.sign(&stolen);
    let theft = bench.act("norden", "theft", Act::Key(KeyAct::Rotate(Box::new(signed))));
    let lack = RotationLack::Stranger(old.public());
    let refused = Refusal::Key(KeyRefusal::RotationUnsigned { partner: name("sudria"), lack });
    assert_eq!(bench.refusal(&theft), refused);
    let operation = bench.endorsed_airlift();
    let word = bench.signed_word("sudria", Word::Refuse, 1, operation, &[&old]);
    assert!(matches!(bench.refusal(&word), Refusal::Authority(AuthorityRefusal::Stranger { .. })));
    // The other key of its authority stands in for a root that is lost, and what came in the root's place speaks for it.
    bench.signs("sudria", Word::Refuse, 1, operation, &[&next]);
    assert!(bench.mandate(operation).contains("sudria"), "{}", bench.mandate(operation));
    let mut signed = rotation(&bench.founded, 2, &next, &third);
    signed.sign(&safe);
    signed.sign(&third);
    bench.does("norden", "once more", Act::Key(KeyAct::Rotate(Box::new(signed))));
    assert_eq!(bench.state.root_of(&name("sudria")), Some(third.public()));
}

#[test]
fn an_authority_that_can_never_act_silences_no_other() {
    // By an amendment, of the root that a nation has now: the charter alone does not show it.
    let (next, fresh) = (key("norden", "root 2"), key("sudria", "fresh"));
    let mut bench = Bench::new(found(with_a_ministry()));
    bench.rotates("norden", 1, &root("norden"), &next);
    let twice = any(2, vec![named("norden"), next.public().into()]);
    let refused = bench.amendment_refused(|rules| put(rules, stated("zz", Coalition, twice.clone())));
    assert!(refused.contains("the authority zz could never act"), "{refused}");
    // By a rotation, which is the nation's own affair.
    let mut charter = with_a_ministry();
    let joint = any(2, vec![named("sudria"), fresh.public().into()]);
    charter.authority.authorities.push(stated("joint", Coalition, joint));
    charter.sort();
    let mut bench = Bench::new(found(charter));
    let operation = bench.endorsed_airlift();
    bench.rotates("sudria", 1, &root("sudria"), &fresh);
    assert_eq!(bench.state.registry(bench.state.charter()).unsatisfiable().len(), 1, "the joint one");
    bench.signs("vigil", Word::Refuse, 1, operation, &[&key("vigil", "safe")]);
    assert!(
        bench
            .state
            .operation(&operation)
            .is_some_and(|it| bench.state.keeps_out(&name("vigil"), it).is_some())
    );
    // What cannot act any more stands in the way of no other change.
    bench.amended(|rules| put(rules, stated("zz", Coalition, of(2, &["norden", "estmark"]))));
    assert_eq!(bench.copy().root(), bench.state.root());
}

#[test]
fn a_nation_whose_root_gave_way_is_one_signer() {
    let mut charter = with_authorities("command", NATIONS_FIRST, Follow::Pinned);
    let document =
        AllianceDocument { expression: of(1, &["norden", "sudria", "estmark"]), ..pact(1, None, 2) };
    charter.authority.alliances = vec![AllianceReference::new(signed(document), Follow::Pinned)];
    charter.authority.authorities[0].expression = of(2, &["pact", "norden"]);
    let mut bench = Bench::new(found(charter));
    bench.rotates("norden", 1, &root("norden"), &key("norden", "root 2"));
    let operation = bench.endorsed_airlift();
    bench.speaks("norden", operation, "command", Word::Order);
    assert_eq!(bench.verdict(operation), None, "{}", bench.mandate(operation));
    bench.speaks("estmark", operation, "command", Word::Order);
    assert_eq!(bench.verdict(operation), Some(Verdict::Agreed));
}

#[test]
fn what_a_root_signed_before_it_gave_way_refuses_on_and_permits_nothing() {
    let (old, next) = (root("sudria"), key("sudria", "root 2"));
    let mut bench = Bench::new(found(with_a_ministry()));
    let refused = bench.endorsed_airlift();
    bench.signs("sudria", Word::Refuse, 7, refused, &[&old]);
    let fresh = key("sudria", "fresh");
    let new = fresh.public();
    let (consent, _) = bench.amends_with_all(|rules| put(rules, stated("sudria", National, new.into())));
    bench.signs("sudria", Word::Permit, u32::MAX, consent, &[&old]);
    bench.rotates("sudria", 1, &old, &next);
    let keeps = |bench: &Bench, operation: RecordId| {
        let operation = bench.state.operation(&operation).expect("known");
        bench.state.keeps_out(&name("sudria"), operation).is_some()
    };
    assert!(keeps(&bench, refused), "a refusal is not lost with the root");
    // The thief's consent is: the other half does not complete it.
    bench.signs("sudria", Word::Permit, 1, consent, &[&fresh]);
    assert_eq!(bench.verdict(consent), None, "{}", bench.mandate(consent));
    bench.signs("sudria", Word::Permit, 1, refused, &[&next]);
    assert!(!keeps(&bench, refused), "its successor says otherwise, whatever the number");
    bench.signs("sudria", Word::Permit, 2, consent, &[&next, &fresh]);
    assert_eq!(bench.verdict(consent), Some(Verdict::Agreed));
}

#[test]
fn an_alliance_names_no_key_of_another_nation_as_its_partys() {
    let mut bench = Bench::new(found({
        let mut charter = with_a_ministry();
        charter.authority.alliances[0].follow = Follow::AtOnce;
        charter
    }));
    let safe = key("vigil", "safe");
    for taken in [safe.public(), root("vigil").public()] {
        let mut second = pact(2, Some(&pact(1, None, 2)), 2);
        let by_key = vec![root("norden").public().into(), root("sudria").public().into(), named("estmark")];
        second.expression = any(2, by_key);
        second.parties = [(authority("estmark"), taken)].into();
        if bench.state.alliances().next().is_none() {
            bench.publish(&signed(second));
        }
    }
    bench.does("estmark", "leaves", leave());
    let operation = bench.open();
    bench.signs("vigil", Word::Refuse, 1, operation, &[&safe]);
    let operation = bench.state.operation(&operation).expect("known");
    assert!(bench.state.keeps_out(&name("vigil"), operation).is_some(), "who has left took no key along");
}

#[test]
fn alliances_are_signed_by_the_keys_that_stand() {
    let mut bench = Bench::new(found(with_authorities("pact", NATIONS_FIRST, Follow::AtOnce)));
    let old = ["norden", "sudria"].map(root);
    let new = ["norden", "sudria"].map(|partner| key(partner, "root 2"));
    bench.rotates("norden", 1, &old[0], &new[0]);
    bench.rotates("sudria", 1, &old[1], &new[1]);
    let by = |keys: &[&SecretKey]| {
        let mut document = SignedAlliance::new(pact(2, Some(&pact(1, None, 2)), 2));
        keys.iter().for_each(|key| document.sign(key));
        document
    };
    for thieves in [vec![&old[0], &old[1]], vec![&old[0], &new[1]], vec![&old[0], &old[1], &new[0]]] {
        let refused = bench.authority_refusal("vigil", publish(by(&thieves)));
        assert!(matches!(refused, AuthorityRefusal::Document { .. }), "{refused}");
    }
    let put = |rules: &mut AuthorityRules| {
        rules.alliances[0] = AllianceReference::new(by(&[&old[0], &old[1]]), Follow::AtOnce);
    };
    let refused = bench.amendment_refused(put);
    assert!(refused.contains("signed by both"), "{refused}");
    // Where the roots of before stand, in another coalition, their signatures are needed: one document serves both.
    bench.publish(&by(&[&old[0], &old[1], &new[0], &new[1]]));
}

#[test]
fn no_amendment_takes_an_alliance_back_to_a_version_of_before() {
    let first = pact(1, None, 2);
    let (second, other) = (pact(2, Some(&first), 3), pact(2, Some(&first), 1));
    for follow in [Follow::AtOnce, Follow::NextAmendment, Follow::Pinned] {
        let mut bench = Bench::new(found(with_authorities("pact", NATIONS_FIRST, follow)));
        bench.publish(&signed(second.clone()));
        let reference = |document: &AllianceDocument, follow: Follow| {
            let reference = AllianceReference::new(signed(document.clone()), follow);
            move |rules: &mut AuthorityRules| rules.alliances = vec![reference.clone()]
        };
        // Another second version, by those who had the authority of the first: also where the second is not in force yet.
        let refused = bench.amendment_refused(reference(&other, follow));
        assert!(refused.contains("version 2 is the latest of the alliance pact"), "{follow}: {refused}");
        if follow == Follow::AtOnce {
            let refused = bench.amendment_refused(reference(&first, Follow::Pinned));
            assert!(refused.contains("it would be version 1 again"), "{refused}");
        }
        bench.amended(reference(&second, Follow::Pinned));
        let refused = bench.amendment_refused(reference(&first, Follow::Pinned));
        assert!(refused.contains("version 2"), "{refused}");
    }
}

#[test]
fn the_name_of_an_alliance_stays_its_own() {
    let mut charter = with_authorities("command", NATIONS_FIRST, Follow::AtOnce);
    charter.authority.precedence = KindPrecedence::new(NATIONS_FIRST);
    let mut bench = Bench::new(found(charter));
    let first = pact(1, None, 2);
    let second = pact(2, Some(&first), 3);
    bench.publish(&signed(second.clone()));
    let mine = stated("pact", Alliance, of(2, &["norden", "vigil"]));
    let refused = bench.amendment_refused(|rules| {
        rules.alliances.clear();
        put(rules, mine.clone());
    });
    assert!(refused.contains("pact is an alliance"), "{refused}");
    bench.amended(|rules| rules.alliances.clear());
    let refused = bench.amendment_refused(|rules| put(rules, mine.clone()));
    assert!(refused.contains("pact is an alliance"), "{refused}");
    let refers = |document: &AllianceDocument| {
        let reference = AllianceReference::new(signed(document.clone()), Follow::Pinned);
        move |rules: &mut AuthorityRules| rules.alliances = vec![reference.clone()]
    };
    let own = AllianceDocument { expression: of(2, &["norden", "estmark"]), ..pact(1, None, 2) };
    for document in [&own, &first] {
        let refused = bench.amendment_refused(refers(document));
        assert!(refused.contains("version 2 "), "{refused}");
    }
    bench.amended(refers(&second));
}

#[test]
fn a_nation_keeps_its_own_out_with_a_key_that_others_have_put_in_quarantine() {
    let safe = key("vigil", "safe");
    let mut charter = with_a_ministry();
    charter.integrity = IntegrityRules::of(FOUR.len());
    charter.integrity.confirmations = 2;
    charter.integrity.responses.impersonation = vec![Response::Quarantine];
    let mut bench = Bench::new(found(charter));
    let event = report_of(matter(EventKind::Impersonation, None, Some(safe.public())), None);
    let event = bench.does("estmark", "says so", event);
    bench.does("sudria", "says it too", confirm(event));
    assert!(bench.state.quarantined(&safe.public()).is_some());
    let operation = bench.endorsed_airlift();
    let permit = bench.signed_word("ministry", Word::Order, 1, operation, &[&safe]);
    assert!(!matches!(bench.apply(&permit).disposition, Disposition::Applied));
    bench.signs("vigil", Word::Refuse, 1, operation, &[&safe]);
    bench.signs("vigil", Word::Recall, 2, operation, &[&safe]);
}

#[test]
fn a_key_is_stated_for_one_nation() {
    let mut charter = with_a_ministry();
    let safe = key("sudria", "safe").public();
    for nation in ["norden", "sudria"] {
        let required = any(2, vec![root(nation).public().into(), safe.into()]);
        charter.authority.authorities.push(stated(nation, National, required));
    }
    charter.sort();
    let errors = crate::charter::lint(&charter).into_iter().map(|lint| lint.to_string()).collect::<Vec<_>>();
    assert!(
        errors.iter().any(|error| error.contains("is stated in the authorities of two nations")),
        "{errors:?}"
    );
}
