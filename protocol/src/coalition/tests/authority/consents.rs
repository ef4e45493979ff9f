//! A nation's consent beside the rule of an amendment: a rule that changes with it, a fallback that leaves it to one, many nations.

use super::changes::{proposes, put, stated, with_a_ministry};
use super::*;
use crate::authority::AuthorityKind::National;
use crate::charter::{Fallback, MAX_NATIONS_CHANGED, OperationType};
use crate::coalition::Stage;

const NINE: [&str; 9] =
    ["norden", "sudria", "estmark", "vigil", "borea", "corvus", "delphin", "ostvik", "westmark"];

fn amendments(charter: &mut Charter) -> &mut OperationType {
    charter.operations.iter_mut().find(|kind| kind.name.as_str() == "amendment").expect("declared")
}

impl Bench {
    /// The proposal of an amendment that puts a fresh key in place of sudria's root, and changes what else is wanted.
    fn renews_sudria(&mut self, change: impl Fn(&mut Charter)) -> RecordId {
        let mut wanted = Charter::clone(self.state.charter());
        put(&mut wanted.authority, stated("sudria", National, key("sudria", "fresh").public().into()));
        change(&mut wanted);
        wanted.sort();
        let amendment = self.state.charter().amendment_to(&wanted).expect("sound");
        self.does("norden", &format!("amend {}", self.index), proposes(amendment))
    }

    fn sudria_consents(&mut self, proposal: RecordId) {
        self.signs("sudria", Word::Permit, 1, proposal, &[&root("sudria"), &key("sudria", "fresh")]);
    }

    fn decided(&self, proposal: RecordId) -> crate::coalition::Decision {
        self.state.operation(&proposal).and_then(|it| it.decision.clone()).expect("decided")
    }
}

#[test]
fn an_amendment_that_changes_its_own_rule_needs_consent_by_either_rule() {
    for consents_first in [true, false] {
        let mut bench = Bench::new(found(with_a_ministry()));
        let proposal = bench.renews_sudria(|charter| amendments(charter).window_ms += 60_000);
        if consents_first {
            bench.sudria_consents(proposal);
        }
        for partner in ["norden", "sudria", "estmark"] {
            assert_eq!(bench.verdict(proposal), None);
            bench.say(partner, proposal, Supporting, Endorse);
        }
        if !consents_first {
            assert_eq!(bench.verdict(proposal), None, "both rules are met, and sudria was not asked");
            bench.sudria_consents(proposal);
        }
        let decision = bench.decided(proposal);
        assert_eq!((decision.verdict, decision.by_new_rule), (Verdict::Agreed, true));
        let draft = bench.state.last_charter();
        assert_eq!((draft.version, decision.check(draft)), (2, Ok(())));
        assert_eq!(bench.copy().root(), bench.state.root());
    }
}

#[test]
fn the_word_of_whom_it_is_left_to_is_no_nations_consent() {
    for consents in [true, false] {
        let mut charter = with_a_ministry();
        amendments(&mut charter).rule.fallback = Fallback::Escalate(name("norden"));
        let mut bench = Bench::new(found(charter));
        let proposal = bench.renews_sudria(|_| {});
        let closes = |bench: &Bench| bench.state.operation(&proposal).expect("known").closes;
        bench.advance(closes(&bench));
        assert_eq!(bench.state.operation(&proposal).expect("known").stage, Stage::Escalated);
        bench.say("norden", proposal, Supporting, Endorse);
        assert_eq!(bench.verdict(proposal), None, "it is left to norden, but for what is sudria's");
        if consents {
            bench.sudria_consents(proposal);
            let decision = bench.decided(proposal);
            assert_eq!((decision.verdict, decision.stage), (Verdict::Agreed, Stage::Escalated));
            assert_eq!(bench.state.last_charter().version, 2);
        } else {
            bench.advance(closes(&bench));
            assert!(bench.verdict(proposal).is_some_and(|verdict| !verdict.is_agreed()));
            assert_eq!(bench.state.last_charter().version, 1);
        }
    }
}

#[test]
fn one_amendment_changes_eight_nations_authorities_at_most_and_each_consents() {
    let mut charter = charter(&NINE);
    charter.authority.precedence = Some(KindPrecedence::default());
    let mut bench = Bench::new(found(charter));
    let fresh = |nation: &str| key(nation, "fresh");
    let renewed = |nations: &[&str]| {
        let mut wanted = Charter::clone(bench.state.charter());
        for nation in nations {
            put(&mut wanted.authority, stated(nation, National, fresh(nation).public().into()));
        }
        wanted.sort();
        bench.state.charter().amendment_to(&wanted)
    };
    let error = renewed(&NINE).expect_err("nine").to_string();
    assert!(error.contains("9 nations") && error.contains("westmark"), "{error}");
    let eight = &NINE[..MAX_NATIONS_CHANGED];
    let amendment = renewed(eight).expect("eight");
    let proposal = bench.does("norden", "amend", proposes(amendment));
    for partner in NINE {
        if bench.state.operation(&proposal).is_some_and(|it| it.decision.is_none()) {
            let signed = bench.word(partner, proposal, Supporting, Endorse);
            bench.apply(&signed);
        }
    }
    for (said, nation) in eight.iter().enumerate() {
        assert_eq!(bench.verdict(proposal), None, "{said} of eight have consented");
        bench.signs(nation, Word::Permit, 1, proposal, &[&root(nation), &fresh(nation)]);
    }
    assert_eq!(bench.verdict(proposal), Some(Verdict::Agreed));
    assert_eq!(bench.decided(proposal).mandates.len(), 2 * eight.len());
    assert_eq!(bench.copy().root(), bench.state.root());
}
