//! Disputes mark and never remove, and nobody judges its own cause.

use super::assets::{contribute, declare};
use super::handoffs::{LEAD, accepts, begins, concludes, offers, relay_charter, takes_over};
use super::inbox::waits;
use super::*;
use crate::charter::{Dependants, DisputeRule, IfShort, OnExpiry};
use crate::coalition::Waits;
use crate::coalition::{
    About, AssetRefusal, Dispute, DisputeRefusal, HandoffRefusal, MAX_DISPUTES_PER_PARTNER,
    MAX_WORDS_PER_JUDGE, Over, Ruled,
};
use crate::leaf::Leaf;
use crate::record::{Control, DisputeAct, Handed, OpenDispute, Rule, Ruling};
use Ruling::{Annul, Remand, Uphold};

mod property;

const SEVEN: [&str; 7] = ["norden", "sudria", "estmark", "vigil", "borea", "corvus", "delphin"];
const JUDGES: [&str; 3] = ["borea", "corvus", "delphin"];

/// The four of the relay with three judges, of whom two equal words decide.
fn disputed_charter(change: impl FnOnce(&mut DisputeRule)) -> Charter {
    let mut charter = charter(&SEVEN);
    let mut kind = relay_charter().operations.into_iter().find(|kind| kind.name.as_str() == "airlift");
    let kind = kind.as_mut().expect("declared");
    // One of the judges acts in the operation as well.
    kind.supporting.push(name("delphin"));
    let mut rule = DisputeRule {
        window_ms: 4 * HOUR_MS,
        panel: JUDGES.map(name).to_vec(),
        threshold: 2,
        if_short: IfShort::Refuse,
        rule_ms: 2 * HOUR_MS,
        on_expiry: OnExpiry::Uphold,
        dependants: Dependants::Hold,
        grounds: vec![],
        remand_ms: Some(3 * HOUR_MS),
    };
    change(&mut rule);
    kind.dispute = Some(rule);
    charter.operations.retain(|other| other.name.as_str() != "airlift");
    charter.operations.iter_mut().for_each(|other| other.dispute = None);
    charter.operations.push(kind.clone());
    charter.sort();
    charter
}

pub(super) fn court(change: impl FnOnce(&mut DisputeRule)) -> Bench {
    Bench::new(found(disputed_charter(change)))
}

pub(super) fn disputes(subject: RecordId) -> Act {
    let reason = "flown over the closed sector".into();
    Act::Dispute(DisputeAct::Open(OpenDispute { subject, ground: None, reason }))
}

fn rules(dispute: RecordId, ruling: Ruling) -> Act {
    rules_as(1, dispute, ruling)
}

/// A judge's word of this number.
pub(super) fn rules_as(number: u32, dispute: RecordId, ruling: Ruling) -> Act {
    Act::Dispute(DisputeAct::Rule(Rule { dispute, number, ruling, reason: Some("as the map shows".into()) }))
}

impl Bench {
    fn dispute_refusal(&mut self, partner: &str, nonce: &str, act: Act) -> DisputeRefusal {
        let signed = self.act(partner, nonce, act);
        match self.refusal(&signed) {
            Refusal::Dispute(refusal) => refusal,
            other => panic!("{other}"),
        }
    }

    /// Says a word and gives the ruling that it makes.
    fn word_on(&mut self, judge: &str, dispute: RecordId, ruling: Ruling) -> Option<Ruled> {
        let nonce = format!("{judge} {dispute} {}", self.index);
        let words = self.state.dispute(&dispute).map_or(&[][..], |dispute| &dispute.words);
        let last = words.iter().find(|word| word.partner == name(judge)).map_or(0, |word| word.number);
        let signed = self.act(judge, &nonce, rules_as(last + 1, dispute, ruling));
        let mut applied = self.apply(&signed);
        assert_eq!(applied.disposition, Disposition::Applied);
        self.assert_root();
        applied.rulings.pop()
    }

    fn ruled(&mut self, dispute: RecordId, ruling: Ruling) -> Ruled {
        assert_eq!(self.word_on("borea", dispute, ruling), None);
        let ruled = self.word_on("corvus", dispute, ruling).expect("two equal words");
        assert_eq!(ruled.check(self.state.charter()), Ok(()));
        let leaf = Leaf::Ruling(Box::new(ruled.clone()));
        assert_eq!(Leaf::decode(&leaf.encode()), Ok(leaf));
        ruled
    }

    fn status(&self, operation: RecordId) -> Status {
        self.state.view(&operation, self.state.time()).expect("known").status
    }
}

#[test]
fn two_equal_words_of_the_panel_annul_and_what_was_decided_stays_in_the_log() {
    let mut bench = court(|_| {});
    let asset = {
        let id = bench.does("estmark", "0", declare("lift-7"));
        bench.state.asset(&id).expect("declared").id
    };
    let id = bench.agreed();
    bench.does("estmark", "1", contribute(asset, id, Control::Lead(vec![name("norden")])));
    let decision = bench.state.operation(&id).and_then(|it| it.decision.clone()).expect("decided");
    let dispute = bench.does("sudria", "2", disputes(id));
    assert_eq!(bench.status(id), Status::Agreed, "a dispute marks");
    assert_eq!(bench.state.view(&id, bench.state.time()).and_then(|view| view.disputed), Some(dispute));
    let asked =
        |bench: &Bench, partner| waits(bench, partner, bench.state.time()).contains(&(Waits::Judge, false));
    assert!(asked(&bench, "delphin") && !asked(&bench, "sudria"));
    assert_eq!(bench.word_on("delphin", dispute, Remand), None);
    assert_eq!(bench.word_on("delphin", dispute, Uphold), None);
    assert!(!asked(&bench, "delphin") && asked(&bench, "corvus"));
    let ruled = bench.ruled(dispute, Annul);
    assert_eq!((ruled.ruling, ruled.ruled_by, ruled.words.len()), (Annul, Some(bench.index), 3));
    assert_eq!(
        ruled.explain()[..3],
        [
            format!("operation {id} of airlift \"corridor op 1\" annulled at 2026-11-24T13:05:10.999Z"),
            "disputed by sudria: flown over the closed sector".into(),
            "2 equal words of borea, corvus and delphin decide".into()
        ]
    );
    let words = ruled.explain().split_off(3);
    assert!(
        words.iter().any(|line| line.starts_with("delphin says uphold, its word 2, instead of")),
        "{words:?}"
    );
    assert_eq!(bench.status(id), Status::Annulled);
    let operation = bench.state.operation(&id).expect("known");
    assert_eq!(operation.decision.as_ref(), Some(&decision), "what was decided is still there");
    assert_eq!(operation.over().map(|(over, _)| over), Some(Over::Annulled));
    assert!(bench.state.serves(bench.state.asset(&asset).expect("declared")).is_none());
    assert!(matches!(
        bench.handoff_refusal("norden", "3", offers(id, LEAD, "sudria")),
        HandoffRefusal::OperationOver { over: Over::Annulled, .. }
    ));
    assert!(matches!(
        bench.dispute_refusal("borea", "4", rules(dispute, Uphold)),
        DisputeRefusal::NotOpen { ruling: Some(Annul), .. }
    ));
    assert_eq!(
        bench.dispute_refusal("estmark", "5", disputes(id)),
        DisputeRefusal::Annulled { operation: id }
    );
}

#[test]
fn a_ruling_that_the_charter_does_not_bear_out_is_told() {
    let mut bench = court(|_| {});
    let id = bench.agreed();
    let dispute = bench.does("sudria", "1", disputes(id));
    let ruled = bench.ruled(dispute, Uphold);
    let charter = Arc::clone(bench.state.charter());
    let changed = |change: &dyn Fn(&mut Ruled)| {
        let mut ruled = ruled.clone();
        change(&mut ruled);
        ruled.check(&charter).expect_err("contradicts the charter")
    };
    assert!(changed(&|it| it.ruling = Annul).contains("0 of 2 words say so"));
    assert!(changed(&|it| it.threshold = 1).contains("1 equal words do not decide"));
    assert!(changed(&|it| it.panel.push(name("vigil"))).contains("vigil has no seat"));
    assert!(changed(&|it| it.words[0].partner = name("sudria")).contains("sudria has a word in it"));
    assert!(changed(&|it| it.kind = "closure".parse().expect("a name")).contains("declares no disputes"));
}

#[test]
fn no_party_judges_and_what_then_is_declared() {
    // delphin opens the dispute: two of three judges are left, and both are needed.
    let mut bench = court(|_| {});
    let id = bench.agreed();
    let dispute = bench.does("delphin", "1", disputes(id));
    let panel = |bench: &Bench, id| bench.state.dispute(&id).expect("open").panel.clone();
    assert_eq!(panel(&bench, dispute), [name("borea"), name("corvus")]);
    assert_eq!(
        bench.dispute_refusal("delphin", "2", rules(dispute, Annul)).to_string(),
        "delphin has no seat in the panel of this dispute; borea or corvus have"
    );
    assert!(matches!(
        bench.dispute_refusal("vigil", "3", rules(dispute, Annul)),
        DisputeRefusal::NotJudge { .. }
    ));
    bench.ruled(dispute, Uphold);
    // Whoever vetoed what is disputed keeps no veto by silence, and whoever opened the operation has no seat either.
    let mut bench = Bench::new(found({
        let judges = ["corvus", "delphin", "norden", "sudria"].map(name).to_vec();
        let mut charter = disputed_charter(|rule| rule.panel = judges);
        let kind =
            charter.operations.iter_mut().find(|kind| kind.name.as_str() == "airlift").expect("declared");
        kind.rule.veto.partners = vec![name("norden")];
        charter
    }));
    let signed = open(&bench.founded, "delphin", "by who does not lead");
    assert_eq!(bench.apply(&signed).disposition, Disposition::Applied);
    let id = signed.record.id();
    assert_eq!(bench.state.operation(&id).map(|it| it.lead.clone()), Some(name("estmark")));
    bench.say("norden", id, Supporting, Object);
    let closes = bench.state.operation(&id).expect("open").closes;
    bench.advance(closes);
    assert_eq!(bench.verdict(id), Some(Verdict::Failed));
    let dispute = bench.does("estmark", "vetoed", disputes(id));
    assert_eq!(panel(&bench, dispute), ["corvus", "sudria"].map(name));
    // All three needed: with a party among them the dispute cannot be opened, unless those that are left suffice.
    for (if_short, expected) in [(IfShort::Refuse, None), (IfShort::Unanimous, Some(2))] {
        let mut bench = court(|rule| (rule.threshold, rule.if_short) = (3, if_short));
        let id = bench.agreed();
        match expected {
            None => assert_eq!(
                bench.dispute_refusal("delphin", "1", disputes(id)).to_string(),
                "too few judges are no party to it: of borea, corvus and delphin 3 are needed"
            ),
            Some(needed) => {
                let dispute = bench.does("delphin", "1", disputes(id));
                assert_eq!(bench.state.dispute(&dispute).expect("open").threshold, needed);
            }
        }
    }
    // Whoever led is a party as much as whoever leads, and so is whoever becomes the lead while the dispute is open.
    let mut bench = court(|rule| {
        rule.panel = ["borea", "corvus", "estmark", "sudria"].map(name).to_vec();
        rule.dependants = Dependants::GoOn;
    });
    let id = bench.agreed();
    let offered = bench.does("norden", "1", offers(id, LEAD, "estmark"));
    bench.does("estmark", "2", accepts(offered, &[]));
    let back = bench.does("estmark", "3", offers(id, LEAD, "norden"));
    bench.does("norden", "4", accepts(back, &[]));
    let dispute = bench.does("delphin", "5", disputes(id));
    assert_eq!(panel(&bench, dispute), ["borea", "corvus", "sudria"].map(name));
    bench.word_on("sudria", dispute, Annul);
    let offered = bench.does("norden", "6", offers(id, LEAD, "sudria"));
    bench.does("sudria", "7", accepts(offered, &[dispute]));
    assert_eq!(
        bench.dispute_refusal("sudria", "8", rules(dispute, Annul)),
        DisputeRefusal::Party { partner: name("sudria") }
    );
    assert_eq!(bench.word_on("borea", dispute, Annul), None, "the word of who became a party does not count");
    assert!(bench.word_on("corvus", dispute, Annul).is_some());
}

#[test]
fn what_can_be_disputed_when_and_how_often() {
    let mut bench = court(|_| {});
    let open = bench.open();
    let word = bench.word("sudria", open, Supporting, Endorse);
    bench.apply(&word);
    assert!(matches!(
        bench.dispute_refusal("sudria", "1", disputes(open)),
        DisputeRefusal::TooEarly { about: About::Operation, .. }
    ));
    assert!(matches!(
        bench.dispute_refusal("sudria", "1", disputes(word.record.id())),
        DisputeRefusal::TooEarly { about: About::Attestation, .. }
    ));
    let offered = bench.does("norden", "2", offers(open, LEAD, "sudria"));
    assert!(matches!(
        bench.dispute_refusal("sudria", "3", disputes(offered)),
        DisputeRefusal::TooEarly { about: About::Handoff, .. }
    ));
    let asset = bench.does("estmark", "4", declare("lift-7"));
    assert_eq!(
        bench.dispute_refusal("sudria", "5", disputes(asset)),
        DisputeRefusal::NotDisputable { named: asset }
    );
    assert!(matches!(bench.dispute_refusal("vigil", "6", disputes(open)), DisputeRefusal::NoPart { .. }));
    let closure = Open { kind: "closure".into(), title: "t".into(), body: BTreeMap::new(), precedence: None };
    let closure = bench.does("norden", "7", Act::Open(closure));
    assert!(matches!(
        bench.dispute_refusal("norden", "8", disputes(closure)),
        DisputeRefusal::NoDisputes { .. }
    ));
    let id = bench.agreed();
    let decided = bench.state.time();
    let with_ground =
        OpenDispute { subject: id, ground: Some("safety".parse().expect("a name")), reason: "r".into() };
    let with_ground = Act::Dispute(DisputeAct::Open(with_ground));
    assert!(matches!(bench.dispute_refusal("sudria", "9", with_ground), DisputeRefusal::Ground { .. }));
    let first = bench.does("sudria", "10", disputes(id));
    assert_eq!(
        bench.dispute_refusal("estmark", "11", disputes(id)),
        DisputeRefusal::Already { dispute: first, is_open: true }
    );
    bench.ruled(first, Uphold);
    assert_eq!(
        bench.dispute_refusal("estmark", "12", disputes(id)),
        DisputeRefusal::Already { dispute: first, is_open: false }
    );
    let said: Vec<RecordId> =
        bench.state.operation(&id).expect("known").attestations.iter().map(|said| said.record).collect();
    let late = bench.act("estmark", "13", disputes(said[0]));
    let until = decided.plus(4 * HOUR_MS);
    assert_eq!(bench.state.check(&late, Time(until.0 - 1)), Ok(()));
    assert_eq!(bench.state.check(&late, until), Err(DisputeRefusal::TooLate { until }.into()));
    // One partner's disputes about one operation are bounded.
    for (number, said) in said.iter().enumerate() {
        bench.does("sudria", &format!("14 {number}"), disputes(*said));
    }
    assert_eq!(said.len() + 1, MAX_DISPUTES_PER_PARTNER);
    let offered = {
        bench.pass_time(2 * HOUR_MS);
        let offered = bench.does("norden", "15", offers(id, LEAD, "estmark"));
        bench.does("estmark", "16", accepts(offered, &[]));
        offered
    };
    assert!(matches!(
        bench.dispute_refusal("sudria", "17", disputes(offered)),
        DisputeRefusal::TooMany { .. }
    ));
    let dispute = bench.does("norden", "18", disputes(offered));
    for number in 0..MAX_WORDS_PER_JUDGE {
        assert_eq!(bench.word_on("borea", dispute, [Uphold, Annul][number as usize % 2]), None);
    }
    assert!(matches!(
        bench.dispute_refusal("borea", "19", rules_as(MAX_WORDS_PER_JUDGE + 1, dispute, Annul)),
        DisputeRefusal::TooManyWords { .. }
    ));
}

#[test]
fn a_remanded_operation_takes_attestations_for_one_new_window_and_is_decided_anew() {
    let mut bench = court(|_| {});
    let id = bench.agreed();
    let dispute = bench.does("sudria", "1", disputes(id));
    bench.ruled(dispute, Remand);
    let operation = bench.state.operation(&id).expect("known");
    let closes = bench.state.time().plus(3 * HOUR_MS);
    assert_eq!(
        (operation.decision.as_ref(), operation.closes, bench.status(id)),
        (None, closes, Status::Open)
    );
    // What was said stands until it is replaced, and nobody is raced: nothing is decided before the end.
    assert!(bench.supersede("estmark", id, Supporting, Endorse).decisions.is_empty());
    let mut other = bench.clone();
    assert!(bench.supersede("norden", id, Lead, Abstain).decisions.is_empty());
    let decision = bench.advance(closes).decisions.remove(0);
    assert_eq!((decision.verdict, decision.decided_by), (Verdict::Expired, None));
    bench.assert_root();
    let decision = other.state.advance(closes).decisions.remove(0);
    assert_eq!(decision.verdict, Verdict::Agreed);
    // It may be disputed once more, and not be remanded again.
    let again = other.does("estmark", "2", disputes(id));
    assert_eq!(other.dispute_refusal("borea", "3", rules(again, Remand)), DisputeRefusal::CannotRemand);
    other.ruled(again, Uphold);
    assert_eq!(
        other.dispute_refusal("sudria", "4", disputes(id)),
        DisputeRefusal::Already { dispute: again, is_open: false }
    );
    assert_eq!(other.state.open.get(&name("norden")).copied().unwrap_or(0), 0);
}

#[test]
fn a_phase_that_was_offered_before_a_remand_does_not_begin_while_that_is_open() {
    let mut bench = court(|_| {});
    let id = bench.agreed();
    let offered = bench.does("norden", "1", begins(id, "rescue", "sudria"));
    let dispute = bench.does("sudria", "2", disputes(id));
    bench.ruled(dispute, Remand);
    let accept = bench.act("sudria", "3", accepts(offered, &[dispute]));
    let refused = bench.refusal(&accept).to_string();
    assert!(refused.contains("is not agreed, so it goes on to no other phase"), "{refused}");
    assert_eq!(bench.state.operation(&id).expect("known").phase, 0);
}

#[test]
fn who_leads_and_who_opened_it_are_told_that_it_was_annulled() {
    let mut bench = court(|_| {});
    let id = bench.agreed();
    let dispute = bench.does("sudria", "1", disputes(id));
    bench.ruled(dispute, Annul);
    let now = bench.state.time();
    let told = |partner: &str, now: Time| {
        let waiting = bench.state.inbox(&name(partner), now);
        waiting.into_iter().filter(|it| it.what == Waits::Ended).map(|it| it.why).collect::<Vec<_>>()
    };
    let [why] = &told("norden", now)[..] else { panic!("{:?}", told("norden", now)) };
    assert!(why.starts_with("led by this partner: annulled at "), "{why}");
    assert!(told("estmark", now).is_empty() && told("norden", now.plus(24 * HOUR_MS)).is_empty());
}

#[test]
fn an_annulled_handoff_gives_the_lead_back_unless_it_has_moved_on() {
    let mut bench = court(|rule| rule.dependants = Dependants::GoOn);
    let id = bench.agreed();
    let offered = bench.does("norden", "1", offers(id, Handed::Whole, "sudria"));
    bench.does("sudria", "2", accepts(offered, &[]));
    let dispute = bench.does("estmark", "3", disputes(offered));
    assert_eq!(bench.dispute_refusal("borea", "4", rules(dispute, Remand)), DisputeRefusal::CannotRemand);
    let mut other = bench.clone();
    bench.ruled(dispute, Annul);
    let operation = bench.state.operation(&id).expect("known");
    assert_eq!((operation.lead.as_str(), operation.led.by), ("norden", dispute));
    let kind = bench.state.kind_of(operation).expect("declared");
    assert_eq!(operation.roles(&kind, &name("norden")), [Lead, Supporting]);
    // In the other history the lead has moved on meanwhile: the ruling marks.
    let next = other.does("sudria", "5", offers(id, LEAD, "estmark"));
    other.does("estmark", "6", accepts(next, &[dispute]));
    other.ruled(dispute, Annul);
    assert_eq!(other.lead(id), "estmark");
}

#[test]
fn an_annulled_attestation_counts_no_more_in_what_is_decided_later() {
    let mut bench = court(|rule| rule.dependants = Dependants::GoOn);
    let id = bench.agreed();
    let said = bench.state.operation(&id).and_then(|it| it.standing(&name("norden"))).expect("said").record;
    let about = bench.does("sudria", "1", disputes(said));
    let whole = bench.does("sudria", "2", disputes(id));
    bench.ruled(about, Annul);
    assert_eq!(bench.status(id), Status::Agreed, "what was decided stays decided");
    bench.ruled(whole, Remand);
    let closes = bench.state.operation(&id).expect("known").closes;
    assert_eq!(bench.advance(closes).decisions[0].verdict, Verdict::Expired);
    bench.assert_root();
}

#[test]
fn what_depends_on_an_operation_in_dispute_holds_or_goes_on_as_declared() {
    for dependants in [Dependants::Hold, Dependants::GoOn] {
        let mut bench = court(|rule| rule.dependants = dependants);
        let lent = bench.does("estmark", "1", declare("lift-7"));
        let home = bench.does("estmark", "2", declare("lift-8"));
        let id = bench.agreed();
        let grant = || Control::Lead(vec![name("norden"), name("sudria")]);
        let record = bench.does("estmark", "3", contribute(lent, id, grant()));
        let offered = bench.does("norden", "4", offers(id, LEAD, "sudria"));
        let dispute = bench.does("sudria", "5", disputes(id));
        let accepted = accepts(offered, &[record, dispute]);
        let follows = Open {
            kind: "airlift".into(),
            title: "next".into(),
            body: BTreeMap::from([("follows".to_owned(), id.to_string())]),
            precedence: None,
        };
        let follows = Act::Open(follows);
        let controller =
            |bench: &Bench| bench.state.controller(bench.state.asset(&lent).expect("declared")).to_string();
        assert_eq!(
            bench.handoff_refusal("norden", "6", concludes(id)),
            HandoffRefusal::Disputed { operation: id, dispute }
        );
        if dependants == Dependants::GoOn {
            assert_eq!(controller(&bench), "norden");
            bench.does("sudria", "7", accepted);
            bench.does("estmark", "8", contribute(home, id, grant()));
            bench.does("norden", "9", follows);
            continue;
        }
        assert_eq!(controller(&bench), "estmark", "its owner directs it until there is a ruling");
        for (partner, act) in [("sudria", accepted.clone()), ("norden", offers(id, LEAD, "estmark"))] {
            assert_eq!(
                bench.handoff_refusal(partner, "10", act),
                HandoffRefusal::Disputed { operation: id, dispute }
            );
        }
        let contributes = bench.act("estmark", "11", contribute(home, id, grant()));
        assert_eq!(bench.refusal(&contributes), AssetRefusal::Held { operation: id, dispute }.into());
        assert_eq!(
            bench.dispute_refusal("norden", "12", follows.clone()),
            DisputeRefusal::Follows { operation: id, dispute: Some(dispute) }
        );
        // A node that only holds the acceptance says the same.
        let held = [bench.act("sudria", "13", accepted.clone()), bench.act("norden", "14", follows.clone())];
        assert_eq!(bench.state.provisional(&held, bench.state.time()).refused.len(), 2);
        let mut upheld = bench.clone();
        upheld.ruled(dispute, Uphold);
        assert_eq!(controller(&upheld), "norden");
        let without = accepts(offered, &[record]);
        upheld.does("sudria", "15", without);
        upheld.does("norden", "16", follows.clone());
        bench.ruled(dispute, Annul);
        assert_eq!(
            bench.dispute_refusal("norden", "17", follows),
            DisputeRefusal::Follows { operation: id, dispute: None }
        );
    }
}

#[test]
fn without_enough_words_the_declared_default_holds_and_is_a_ruling_too() {
    for (on_expiry, ruling) in [(OnExpiry::Uphold, Uphold), (OnExpiry::Annul, Annul)] {
        let mut bench = court(|rule| rule.on_expiry = on_expiry);
        let id = bench.agreed();
        let dispute = bench.does("sudria", "1", disputes(id));
        bench.word_on("borea", dispute, Annul);
        bench.word_on("corvus", dispute, Remand);
        let expires = bench.state.time().plus(2 * HOUR_MS);
        assert_eq!(bench.state.deadlines().next(), Some((expires, dispute)));
        let late = bench.act("delphin", "2", rules(dispute, Annul));
        assert!(bench.state.check(&late, Time(expires.0 - 1)).is_ok());
        assert!(bench.state.check(&late, expires).is_err());
        let mut advanced = bench.advance(expires);
        let ruled = advanced.rulings.pop().expect("a ruling");
        assert_eq!((ruled.ruling, ruled.ruled_by, ruled.words.len()), (ruling, None, 2));
        assert_eq!(ruled.check(bench.state.charter()), Ok(()));
        assert!(ruled.explain()[2].contains("did not decide in time"), "{:?}", ruled.explain());
        assert_eq!(bench.status(id) == Status::Annulled, ruling == Annul);
        bench.assert_root();
    }
}

#[test]
fn an_annulled_operation_leaves_nothing_else_to_rule_on() {
    let mut bench = court(|rule| rule.dependants = Dependants::GoOn);
    let id = bench.agreed();
    let offered = bench.does("norden", "1", offers(id, LEAD, "sudria"));
    bench.does("sudria", "2", accepts(offered, &[]));
    let about_handoff = bench.does("estmark", "3", disputes(offered));
    let about_all = bench.does("estmark", "4", disputes(id));
    bench.ruled(about_all, Annul);
    let end = bench.state.dispute(&about_handoff).and_then(|it| it.end).expect("over");
    assert_eq!(end.ruling, None);
    assert_eq!(bench.state.dispute_view(bench.state.dispute(&about_handoff).expect("known")).outcome, "moot");
    assert_eq!(bench.state.deadlines().count(), 0);
}

#[test]
fn what_names_a_dispute_that_has_not_come_waits_for_it() {
    let mut bench = court(|_| {});
    let id = bench.agreed();
    let opened = bench.act("sudria", "1", disputes(id));
    let word = bench.act("borea", "2", rules(opened.record.id(), Annul));
    assert_eq!(bench.apply(&word).disposition, Disposition::Parked { awaits: opened.record.id() });
    assert_eq!(bench.apply(&opened).released.len(), 1);
    assert_eq!(bench.state.dispute(&opened.record.id()).expect("open").words.len(), 1);
    bench.assert_root();
}
