//! Leases and what is committed under them: one winner, one end, nothing rewritten.

use super::inbox::waits;
use super::*;
use crate::charter::{
    Dependants, DisputeRule, IfShort, Lease, Measure, OnExpiry, PartnerName, Term, Terms, Threshold,
};
use crate::coalition::{
    Commitment, CommitmentEnd, Committed, DisputeRefusal, LeaseRefusal, MAX_CONFLICTS_PER_PARTNER, Over,
    Ruled, StoryWord, Waits, conflict_dispute,
};
use crate::leaf::Leaf;
use crate::record::{
    Commit, DisputeAct, LeaseAct, LeasedOpen, MAX_FIELD_BYTES, MemberAct, OpenDispute, Rule, Ruling,
};

mod property;

const SEVEN: [&str; 7] = ["norden", "sudria", "estmark", "vigil", "borea", "corvus", "delphin"];

fn lease(title: &str, partner: &str, corridors: &[&str]) -> Lease {
    Lease {
        name: title.parse().expect("a name"),
        resource: "corridor".parse().expect("a name"),
        values: corridors.iter().map(|corridor| vec![(*corridor).to_owned()]).collect(),
        partner: name(partner),
        all_of: Terms::default(),
    }
}

/// norden leads and may veto, one that supports has to endorse; bravo is leased to sudria, charlie to estmark, alfa to
/// nobody. Two of borea, corvus and vigil rule on disputes.
pub(super) fn leased_charter(change: impl FnOnce(&mut Charter)) -> Charter {
    let mut charter = charter(&SEVEN);
    let at = charter.operations.iter().position(|kind| kind.name.as_str() == "airlift").expect("declared");
    let kind = &mut charter.operations[at];
    kind.rule.at_least = vec![AtLeast { role: Supporting, count: 1 }];
    kind.leases = vec![lease("east", "estmark", &["charlie", "delta"]), lease("south", "sudria", &["bravo"])];
    kind.dispute = Some(DisputeRule {
        window_ms: 4 * HOUR_MS,
        panel: ["borea", "corvus", "vigil"].map(name).to_vec(),
        threshold: 2,
        if_short: IfShort::Refuse,
        rule_ms: 2 * HOUR_MS,
        on_expiry: OnExpiry::Uphold,
        dependants: Dependants::GoOn,
        grounds: vec!["safety".parse().expect("a name")],
        remand_ms: Some(3 * HOUR_MS),
    });
    change(&mut charter);
    charter.sort();
    charter
}

fn leased() -> Bench {
    Bench::new(found(leased_charter(|_| {})))
}

fn airlift(charter: &mut Charter) -> &mut crate::charter::OperationType {
    charter.operations.iter_mut().find(|kind| kind.name.as_str() == "airlift").expect("declared")
}

pub(super) fn lift(key: &str, corridor: &str) -> Open {
    let values =
        [("corridor", corridor), ("opens", "2026-11-25T06:00:00Z"), ("closes", "2026-11-25T08:00:00Z")];
    let body = values.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    Open { kind: "airlift".into(), title: format!("lift {key}"), body, precedence: None }
}

pub(super) fn alone(key: &str, corridor: &str) -> Act {
    Act::Lease(LeaseAct::Open(LeasedOpen { open: lift(key, corridor), seen: 1 }))
}

pub(super) fn commits(operation: RecordId) -> Act {
    Act::Lease(LeaseAct::Commit(Commit { operation, seen: 1 }))
}

impl Bench {
    /// Opens and commits it, and gives its id.
    fn goes_alone(&mut self, partner: &str, key: &str, corridor: &str) -> RecordId {
        let id = self.does(partner, key, alone(key, corridor));
        self.assert_root();
        id
    }

    fn became(&self, commitment: RecordId) -> Option<CommitmentEnd> {
        self.state.commitment(&commitment).expect("committed").end
    }

    fn how(&self, commitment: RecordId) -> Option<Committed> {
        self.became(commitment).map(|end| end.how)
    }

    fn lease_refusal(&mut self, partner: &str, nonce: &str, act: Act) -> LeaseRefusal {
        let signed = self.act(partner, nonce, act);
        match self.refusal(&signed) {
            Refusal::Lease(refusal) => refusal,
            other => panic!("{other}"),
        }
    }

    fn rule(&mut self, dispute: RecordId, judge: &str, ruling: Ruling) -> Option<Ruled> {
        let act = Act::Dispute(DisputeAct::Rule(Rule { dispute, number: 1, ruling, reason: None }));
        let signed = self.act(judge, &format!("{judge} {dispute}"), act);
        let mut applied = self.apply(&signed);
        assert_eq!(applied.disposition, Disposition::Applied);
        self.assert_root();
        applied.rulings.pop()
    }

    /// The state as a replica that takes it from others has it.
    fn retaken(&self) -> State {
        let items = self.state.items().iter().map(wire::encode).collect::<Vec<_>>();
        let founded = Arc::new(self.founded.clone());
        State::of_items(&founded, items.iter().map(Vec::as_slice), &self.state.root()).expect("all items")
    }

    fn view(&self, id: RecordId) -> OperationView {
        self.state.view(&id, self.state.time()).expect("known")
    }
}

#[test]
fn what_is_leased_is_claimed_by_its_holder_alone_in_reach_or_out_of_it() {
    let mut bench = leased();
    let refused = bench.lease_refusal("norden", "1", Act::Open(lift("1", "bravo")));
    assert_eq!(
        refused.to_string(),
        "corridor bravo from 2026-11-25T06:00:00Z until 2026-11-25T08:00:00Z is leased to sudria (lease south); it alone can \
         open an operation that claims it"
    );
    // The holder opens it as any other, and so does everybody what nobody has a lease for.
    let own = bench.does("sudria", "2", Act::Open(lift("2", "bravo")));
    assert_eq!(bench.view(own).claims.len(), 1);
    assert_eq!(bench.view(own).commitments, []);
    bench.does("estmark", "3", Act::Open(lift("3", "alfa")));
    // Its own earlier operation has it now.
    assert!(matches!(
        bench.refusal(&bench.act("sudria", "4", Act::Open(lift("4", "bravo")))),
        Refusal::Operation(_)
    ));
}

#[test]
fn a_commitment_is_confirmed_when_the_operation_is_agreed_by_its_rule() {
    let mut bench = leased();
    let id = bench.goes_alone("sudria", "1", "bravo");
    assert_eq!(bench.how(id), None);
    let view = bench.view(id);
    assert_eq!(view.status, Status::Open, "a commitment is no agreement");
    assert_eq!(
        view.deficit.to_string(),
        "needs lead: norden; needs supporting: borea, corvus, estmark, sudria or vigil; veto by norden not used"
    );
    let under = view.under_lease.expect("committed");
    assert_eq!((under.met, under.leases, under.lacks.as_str()), (true, vec!["south".to_owned()], ""));
    assert_eq!(view.commitments[0].explanation, "provisional until the operation is decided");
    bench.say("sudria", id, Supporting, Endorse);
    let applied = bench.say("norden", id, Lead, Endorse);
    assert_eq!(applied.decisions[0].verdict, Verdict::Agreed);
    let end = bench.became(id).expect("ended");
    assert_eq!(
        (end.how, end.verdict, end.by, end.dispute),
        (Committed::Confirmed, Verdict::Agreed, Some(3), None)
    );
    assert_eq!(bench.view(id).under_lease, None, "it is agreed");
    bench.assert_root();
    assert_eq!(bench.retaken().commitment(&id), bench.state.commitment(&id));
    assert_eq!(waits(&bench, "sudria", bench.state.time()), []);
    // What a panel rules later changes nothing of what it was.
    let dispute = DisputeAct::Open(OpenDispute {
        subject: id,
        ground: Some("safety".parse().expect("a name")),
        reason: "flown over the closed sector".into(),
    });
    let dispute = bench.does("estmark", "d", Act::Dispute(dispute));
    bench.rule(dispute, "borea", Ruling::Annul);
    bench.rule(dispute, "corvus", Ruling::Annul).expect("two equal words");
    assert_eq!(bench.became(id), Some(end));
    // And who commits it only now is told that it is annulled.
    let told: Vec<_> = bench.state.story(&id, bench.state.time()).expect("known").events;
    let words = told.iter().map(|event| event.what).collect::<Vec<_>>();
    assert_eq!(words[..2], [StoryWord::Opened, StoryWord::Committed]);
    assert_eq!(told[1].text, "commits it provisionally under the lease south, knowing the log up to 1");
    let settled = told.iter().find(|event| event.what == StoryWord::Settled).expect("told");
    assert_eq!(settled.text, "what sudria committed is confirmed: the operation is agreed");
}

#[test]
fn a_commitment_is_superseded_by_a_veto_by_silence_and_by_a_lesser_outcome() {
    let mut bench = leased();
    let id = bench.goes_alone("sudria", "1", "bravo");
    bench.say("sudria", id, Supporting, Endorse);
    bench.say("norden", id, Lead, Object);
    // By what is in its hands it may not act any more.
    let under = bench.view(id).under_lease.expect("committed");
    assert_eq!((under.met, under.lacks.as_str()), (false, "norden objects as lead"));
    bench.advance(bench.state.operation(&id).expect("open").closes);
    let end = bench.became(id).expect("ended");
    assert_eq!((end.how, end.verdict, end.by), (Committed::Superseded, Verdict::Failed, None));
    let now = bench.state.time();
    assert_eq!(waits(&bench, "sudria", now), [(Waits::Undone, true)]);
    let told = &bench.state.inbox(&name("sudria"), now)[0];
    assert!(
        told.why.starts_with("committed alone, and superseded: the operation is failed: "),
        "{}",
        told.why
    );
    assert_eq!(waits(&bench, "norden", now), []);
    assert_eq!(waits(&bench, "sudria", now.plus(24 * HOUR_MS + 1)), [], "told for a day");
    // What it had is free again.
    let next = bench.goes_alone("sudria", "2", "bravo");
    bench.advance(bench.state.operation(&next).expect("open").closes);
    assert_eq!(
        bench.became(next).map(|end| (end.how, end.verdict)),
        Some((Committed::Superseded, Verdict::Expired))
    );
    bench.assert_root();
}

#[test]
fn who_oversteps_a_lease_is_in_conflict_holds_nothing_and_a_panel_without_the_parties_rules() {
    let mut bench = Bench::new(found(leased_charter(|charter| {
        // One of the judges is wronged.
        airlift(charter).leases[0].partner = name("corvus");
    })));
    let applied = bench.apply(&bench.act("sudria", "1", alone("1", "charlie")));
    assert_eq!(applied.disposition, Disposition::Applied, "somebody has acted on it");
    let id = bench.act("sudria", "1", alone("1", "charlie")).record.id();
    let [decision] = applied.decisions.as_slice() else { panic!("decided at once") };
    assert_eq!(decision.verdict, Verdict::Conflicted);
    assert_eq!(
        decision.reason(),
        "committed alone, and corridor charlie from 2026-11-25T06:00:00Z until 2026-11-25T08:00:00Z is leased to corvus (lease east)"
    );
    let leaf = Leaf::Decision(Box::new(decision.clone()));
    assert_eq!(Leaf::decode(&leaf.encode()).as_ref(), Ok(&leaf));
    bench.assert_root();
    let view = bench.view(id);
    assert_eq!((view.status, view.claims.len()), (Status::Conflicted, 0));
    assert_eq!(
        bench.state.operation(&id).and_then(|it| it.over()).map(|(over, _)| over),
        Some(Over::Conflicted)
    );
    let dispute = bench.became(id).and_then(|end| end.dispute).expect("a dispute");
    assert_eq!((dispute, view.disputed), (conflict_dispute(&id), Some(dispute)));
    let shown = bench.state.dispute_view(bench.state.dispute(&dispute).expect("open"));
    assert!(shown.by_rule);
    assert_eq!(
        (shown.opened_by, shown.ground.map(|it| it.to_string())),
        (name("corvus"), Some("conflict".into()))
    );
    assert_eq!(shown.panel, ["borea", "vigil"].map(name), "corvus is wronged, and has no seat");
    let now = bench.state.time();
    assert_eq!(waits(&bench, "sudria", now), [(Waits::Undone, true)]);
    assert_eq!(waits(&bench, "borea", now), [(Waits::Judge, false)]);
    assert_eq!(waits(&bench, "corvus", now), [(Waits::Disputed, false)], "who is wronged is told");
    // The holder has it all the same, whatever came first.
    let own = bench.goes_alone("corvus", "2", "charlie");
    assert_eq!((bench.how(own), bench.view(own).claims.len()), (None, 1));
    // No further dispute about the same, and a replica that takes the state knows who is in dispute.
    let again = Act::Dispute(DisputeAct::Open(OpenDispute {
        subject: id,
        ground: Some("safety".parse().expect("a name")),
        reason: "again".into(),
    }));
    let again = bench.act("estmark", "again", again);
    assert_eq!(bench.refusal(&again), DisputeRefusal::Already { dispute, is_open: true }.into());
    let taken = bench.retaken();
    assert_eq!(taken.commitments.in_dispute(&name("sudria")).collect::<Vec<_>>(), [id]);
    bench.state = taken;
    assert_eq!(bench.rule(dispute, "borea", Ruling::Uphold), None);
    let ruled = bench.rule(dispute, "vigil", Ruling::Uphold).expect("two equal words");
    assert_eq!(ruled.check(bench.state.charter()), Ok(()));
    assert_eq!(bench.how(id), Some(Committed::Conflicted));
    assert_eq!(bench.state.commitments.in_dispute(&name("sudria")).count(), 0);
    let story = bench.state.story(&id, now).expect("known");
    let words = story.events.iter().map(|event| event.what).collect::<Vec<_>>();
    use StoryWord::{Committed as Said, Decided, Disputed, Judged, Opened, Settled};
    assert_eq!(
        words,
        [Opened, Said, Decided, Settled, Disputed, Judged, Judged, StoryWord::Ruled],
        "{words:?}"
    );
}

#[test]
fn what_nobody_leases_goes_to_the_first_and_the_other_that_acted_is_in_conflict() {
    let mut bench = leased();
    let first = bench.goes_alone("sudria", "1", "alfa");
    let under = bench.view(first).under_lease.expect("committed");
    assert!(!under.met && under.leases.is_empty());
    assert!(under.lacks.starts_with("no lease of sudria is for corridor alfa"), "{}", under.lacks);
    let second = bench.goes_alone("estmark", "2", "alfa");
    assert_eq!((bench.how(first), bench.how(second)), (None, Some(Committed::Conflicted)));
    let reason =
        bench.state.operation(&second).and_then(|it| Some(it.decision.as_ref()?.reason())).expect("decided");
    assert!(
        reason.starts_with(&format!("committed alone, and {first} of sudria has corridor alfa")),
        "{reason}"
    );
    assert_eq!(bench.view(first).claims.len(), 1);
    bench.say("sudria", first, Supporting, Endorse);
    bench.say("norden", first, Lead, Endorse);
    assert_eq!(bench.how(first), Some(Committed::Confirmed));
}

#[test]
fn without_judges_a_conflict_is_told_and_no_dispute_is_opened() {
    for without in [true, false] {
        let mut bench = Bench::new(found(leased_charter(|charter| {
            let rule = &mut airlift(charter).dispute;
            match rule {
                Some(rule) if !without => rule.panel = ["corvus", "estmark"].map(name).to_vec(),
                _ => *rule = None,
            }
        })));
        let id = bench.goes_alone("sudria", "1", "charlie");
        assert_eq!(bench.became(id).map(|end| (end.how, end.dispute)), Some((Committed::Conflicted, None)));
        assert!(
            bench.view(id).commitments[0].explanation.ends_with("; no panel can be had that rules on it")
        );
        assert_eq!(bench.state.disputes().count(), 0);
        assert_eq!(bench.state.deadlines().count(), 0);
    }
}

#[test]
fn nobody_judges_a_conflict_whose_word_has_no_effect() {
    let mut bench = leased();
    bench.does("corvus", "leaves", Act::Member(MemberAct::Withdraw { ground: "called home".into() }));
    let id = bench.goes_alone("sudria", "1", "charlie");
    let dispute = dispute_of(&bench, id);
    let panel = &bench.state.dispute(&dispute).expect("open").panel;
    assert_eq!(panel, &["borea", "vigil"].map(name));
    assert!(bench.view(id).commitments[0].explanation.ends_with("; a panel rules on it"));
    bench.rule(dispute, "borea", Ruling::Uphold);
    bench.rule(dispute, "vigil", Ruling::Uphold);
    assert!(bench.view(id).commitments[0].explanation.ends_with("; the panel has ruled: uphold"));
}

#[test]
fn a_remand_decides_a_conflict_anew_with_what_is_free_and_its_own_to_ask_for() {
    for (corridor, has) in [("charlie", 0), ("alfa", 1)] {
        let mut bench = leased();
        let first = bench.goes_alone("estmark", "1", corridor);
        let id = bench.goes_alone("sudria", "2", corridor);
        let dispute = bench.became(id).and_then(|end| end.dispute).expect("a dispute");
        bench.advance(bench.state.time().plus(HOUR_MS));
        // The first has come to nothing meanwhile.
        bench.say("norden", first, Lead, Object);
        let mut ended = bench.clone();
        ended.state.advance(CREATED.plus(1000 + 6 * HOUR_MS));
        assert_eq!(ended.became(id).map(|end| end.how), Some(Committed::Conflicted));
        bench.rule(dispute, "borea", Ruling::Remand);
        bench.rule(dispute, "vigil", Ruling::Remand).expect("two equal words");
        assert_eq!(bench.view(id).status, Status::Open);
        assert_eq!(bench.view(id).claims.len(), 0, "the first has it still");
        assert_eq!(bench.how(id), Some(Committed::Conflicted), "it ended once");
        // Where the first has failed before the ruling, what is leased to nobody is there to have.
        let mut charter = leased_charter(|charter| {
            airlift(charter).window_ms = HOUR_MS;
        });
        charter.sort();
        let mut bench = Bench::new(found(charter));
        bench.goes_alone("estmark", "1", corridor);
        let id = bench.goes_alone("sudria", "2", corridor);
        bench.advance(bench.state.time().plus(HOUR_MS));
        bench.rule(dispute_of(&bench, id), "borea", Ruling::Remand);
        bench.rule(dispute_of(&bench, id), "vigil", Ruling::Remand).expect("two equal words");
        assert_eq!(bench.view(id).claims.len(), has, "{corridor}");
        bench.say("sudria", id, Supporting, Endorse);
        bench.say("norden", id, Lead, Endorse);
        bench.advance(bench.state.time().plus(3 * HOUR_MS));
        assert_eq!(bench.verdict(id), Some(Verdict::Agreed));
        assert_eq!(bench.how(id), Some(Committed::Conflicted));
        bench.assert_root();
        assert_eq!(bench.retaken().root(), bench.state.root());
    }
}

fn dispute_of(bench: &Bench, id: RecordId) -> RecordId {
    bench.became(id).and_then(|end| end.dispute).expect("a dispute")
}

#[test]
fn an_operation_that_is_there_is_committed_by_the_holder_of_all_that_it_claims() {
    let mut bench = leased();
    let id = bench.does("sudria", "1", Act::Open(lift("1", "bravo")));
    assert_eq!(
        bench.lease_refusal("estmark", "x", commits(id)).to_string(),
        "estmark has no lease for corridor bravo from 2026-11-25T06:00:00Z until 2026-11-25T08:00:00Z, which is leased to sudria, \
         so it cannot commit it alone"
    );
    let commitment = bench.does("sudria", "2", commits(id));
    bench.assert_root();
    assert_eq!(bench.state.seen(&commitment).map(|seen| seen.about), Some(id));
    assert_eq!(
        bench.lease_refusal("sudria", "3", commits(id)),
        LeaseRefusal::Already { partner: name("sudria"), record: commitment }
    );
    bench.advance(bench.state.operation(&id).expect("open").closes);
    assert_eq!(bench.how(commitment), Some(Committed::Superseded));
    // Who could not hear that it was decided is told what became of what it did.
    let late = bench.does("sudria", "4", Act::Open(lift("4", "bravo")));
    bench.say("norden", late, Lead, Endorse);
    bench.say("estmark", late, Supporting, Endorse);
    assert_eq!(bench.verdict(late), Some(Verdict::Agreed));
    let commitment = bench.does("sudria", "5", commits(late));
    assert_eq!(bench.how(commitment), Some(Committed::Confirmed));
    bench.assert_root();
    // One that comes before what it names waits for it.
    let unclaimed = Open { body: BTreeMap::new(), ..lift("6", "alfa") };
    let open = bench.act("sudria", "6", Act::Open(unclaimed.clone()));
    let id = open.record.id();
    let early = bench.act("sudria", "7", commits(id));
    assert_eq!(bench.apply(&early).disposition, Disposition::Parked { awaits: id });
    let released = bench.apply(&open).released;
    let kind: crate::charter::KindName = "airlift".parse().expect("a name");
    let refused = Refusal::from(LeaseRefusal::NothingClaimed { kind: kind.clone() });
    assert_eq!(released[0].disposition, Disposition::Refused(refused));
    let opened = Act::Lease(LeaseAct::Open(LeasedOpen { open: unclaimed, seen: 0 }));
    assert_eq!(bench.lease_refusal("sudria", "8", opened), LeaseRefusal::NothingClaimed { kind });
    let nothing = bench.act("sudria", "9", commits(early.record.id()));
    assert!(matches!(bench.apply(&nothing).disposition, Disposition::Parked { .. }));
}

#[test]
fn an_operation_annulled_before_the_commitment_is_ordered_supersedes_it() {
    let mut bench = leased();
    let id = bench.does("sudria", "1", Act::Open(lift("1", "bravo")));
    bench.say("norden", id, Lead, Endorse);
    bench.say("estmark", id, Supporting, Endorse);
    let ground = Some("safety".parse().expect("a name"));
    let open = OpenDispute { subject: id, ground, reason: "not so".into() };
    let dispute = bench.does("estmark", "2", Act::Dispute(DisputeAct::Open(open)));
    bench.rule(dispute, "borea", Ruling::Annul);
    bench.rule(dispute, "corvus", Ruling::Annul).expect("two equal words");
    let commitment = bench.does("sudria", "3", commits(id));
    assert_eq!(bench.how(commitment), Some(Committed::Superseded));
    assert_eq!(bench.view(id).commitments[0].explanation, "superseded: the operation is annulled");
}

#[test]
fn a_lease_may_ask_for_more_than_its_holders_own_word() {
    let threshold = Threshold { role: Some(Supporting), partners: vec![], measure: Measure::Count(2) };
    let mut bench = Bench::new(found(leased_charter(|charter| {
        airlift(charter).leases[1].all_of = Terms(vec![Term::Threshold(threshold)]);
    })));
    let id = bench.goes_alone("sudria", "1", "bravo");
    bench.say("sudria", id, Supporting, Endorse);
    let lacks = |bench: &Bench| bench.view(id).under_lease.map(|under| (under.met, under.lacks));
    assert_eq!(
        lacks(&bench),
        Some((false, "the lease south needs 1 more of supporting: borea, corvus, estmark or vigil".into()))
    );
    bench.say("estmark", id, Supporting, Endorse);
    assert_eq!(lacks(&bench), Some((true, String::new())));
    bench.supersede("sudria", id, Supporting, Object);
    let (met, lacks) = lacks(&bench).expect("committed");
    assert!(!met && lacks.ends_with("; sudria objects as supporting"), "{lacks}");
}

#[test]
fn conflicts_in_dispute_are_bounded_and_panels_make_room() {
    let mut bench = leased();
    for number in 0..MAX_CONFLICTS_PER_PARTNER {
        bench.does("sudria", &format!("{number}"), alone(&format!("{number}"), "charlie"));
    }
    let most = MAX_CONFLICTS_PER_PARTNER as u64;
    assert_eq!(
        bench.lease_refusal("sudria", "more", alone("more", "charlie")),
        LeaseRefusal::TooManyConflicts { partner: name("sudria"), most }
    );
    // What is its own it may commit all the same, and so may others what is not theirs.
    bench.goes_alone("sudria", "own", "bravo");
    bench.goes_alone("vigil", "other", "charlie");
    bench.advance(bench.state.time().plus(2 * HOUR_MS));
    bench.goes_alone("sudria", "later", "charlie");
}

#[test]
fn a_word_of_a_judge_that_comes_before_the_conflict_waits_for_it() {
    let mut bench = leased();
    let opening = bench.act("sudria", "1", alone("1", "charlie"));
    let dispute = conflict_dispute(&opening.record.id());
    let act =
        Act::Dispute(DisputeAct::Rule(Rule { dispute, number: 1, ruling: Ruling::Annul, reason: None }));
    for judge in ["borea", "vigil"] {
        let early = bench.act(judge, "early", act.clone());
        assert_eq!(bench.apply(&early).disposition, Disposition::Parked { awaits: dispute });
    }
    let applied = bench.apply(&opening);
    assert_eq!(applied.released.len(), 2);
    assert_eq!(applied.rulings.len(), 1);
    bench.assert_root();
    let id = opening.record.id();
    assert_eq!((bench.view(id).status, bench.how(id)), (Status::Annulled, Some(Committed::Conflicted)));
}

#[test]
fn the_longest_claim_is_told_within_bounds() {
    let mut bench = leased();
    let long = "\u{e9}".repeat(100);
    let first = bench.goes_alone("sudria", "1", &long);
    let second = bench.goes_alone("estmark", "2", &long);
    let conflict =
        &bench.state.operation(&second).and_then(|it| it.decision.clone()).expect("decided").conflicts[0];
    assert_eq!(conflict.holder, Some(first));
    assert!(conflict.claim.len() <= 256 && conflict.claim.ends_with("..."), "{}", conflict.claim.len());
    assert!(long.len() < MAX_FIELD_BYTES);
}

#[test]
fn under_partition_a_holder_sees_that_it_may_act_and_who_oversteps_sees_that_it_would_be_in_conflict() {
    let bench = leased();
    let now = bench.state.time().plus(HOUR_MS);
    let opening = bench.act("sudria", "1", alone("1", "bravo"));
    let id = opening.record.id();
    let word = bench.word("sudria", id, Supporting, Endorse);
    let over = bench.act("sudria", "2", alone("2", "charlie"));
    let provisional = bench.state.provisional(&[opening, word, over.clone()], now);
    let find = |id| provisional.operations.iter().find(|view| view.id == id).expect("concerned");
    let view = find(id);
    assert_eq!((view.status, view.index), (Status::Open, None));
    assert!(view.under_lease.as_ref().is_some_and(|under| under.met));
    assert_eq!(view.deficit.to_string(), "needs lead: norden; veto by norden not used");
    assert_eq!(view.commitments[0].index, None);
    let view = find(over.record.id());
    assert_eq!(
        (view.status, view.disputed),
        (Status::Conflicted, None),
        "nothing is opened before it is ordered"
    );
    assert_eq!(view.commitments[0].end, Some(Committed::Conflicted));
    assert_eq!(view.commitments[0].dispute, None);
    assert!(provisional.refused.is_empty());
    assert_eq!(bench.state.commitments().count(), 0);
    // What is ordered already is known to the view of what is held.
    let mut bench = bench;
    let id = bench.goes_alone("sudria", "1", "bravo");
    let again = bench.act("sudria", "c", commits(id));
    let held = [bench.word("norden", id, Lead, Endorse), again];
    let provisional = bench.state.provisional(&held, now);
    assert_eq!(provisional.operations[0].commitments.len(), 1);
    assert!(matches!(provisional.refused[0].1, Refusal::Lease(LeaseRefusal::Already { .. })));
}

#[test]
fn in_a_provisional_view_what_a_removed_member_says_at_the_same_time_does_not_count() {
    let mut bench = leased();
    let id = bench.goes_alone("sudria", "1", "bravo");
    let now = bench.state.time();
    let [lead, own] =
        [bench.word("norden", id, Lead, Endorse), bench.word("estmark", id, Supporting, Endorse)];
    let status = |bench: &Bench, held: &[SignedRecord]| {
        let provisional = bench.state.provisional(held, now);
        let view = provisional.operations.into_iter().find(|view| view.id == id).expect("concerned");
        let refused = provisional.refused.into_iter().map(|(id, _)| id).collect::<Vec<_>>();
        (view.status, refused)
    };
    let both = [own.clone(), lead.clone()];
    assert_eq!(status(&bench, &both), (Status::Agreed, vec![]));
    // It leaves in what is held, and what it said before in the same breath may come after.
    let leave = bench.act("estmark", "leave", Act::Member(MemberAct::Withdraw { ground: "recalled".into() }));
    let mut held = vec![own.clone(), lead.clone(), leave.clone()];
    assert_eq!(status(&bench, &held), (Status::Open, vec![own.record.id()]));
    held.rotate_right(1);
    assert_eq!(status(&bench, &held), (Status::Open, vec![own.record.id()]));
    // It is suspended by what is held.
    let change = crate::record::Change::Suspend(name("estmark"));
    let kind = "suspension".parse().expect("a name");
    let propose = crate::record::Propose { kind, change, reason: "two copies of one node".into() };
    let proposal = bench.act("norden", "s", Act::Member(MemberAct::Propose(propose)));
    let votes = ["norden", "sudria", "borea", "corvus"]
        .map(|partner| bench.word(partner, proposal.record.id(), Supporting, Endorse));
    let mut held = vec![own.clone(), lead.clone(), proposal.clone()];
    held.extend(votes.iter().take(3).cloned());
    assert_eq!(
        status(&bench, &held),
        (Status::Agreed, vec![]),
        "one word is missing, so it is not suspended"
    );
    held.push(votes[3].clone());
    assert_eq!(status(&bench, &held), (Status::Open, vec![own.record.id()]));
    // A vote of one that is removed itself does not count: then nobody else is.
    let away = bench.act("corvus", "leave", Act::Member(MemberAct::Withdraw { ground: "recalled".into() }));
    held.push(away);
    let (status_then, refused) = status(&bench, &held);
    assert_eq!((status_then, refused), (Status::Agreed, vec![votes[3].record.id()]));
    // It is suspended by what is ordered.
    let mut ordered = bench.clone();
    ordered.apply(&proposal);
    votes.iter().for_each(|vote| drop(ordered.apply(vote)));
    assert_eq!(status(&ordered, &both), (Status::Open, vec![own.record.id()]));
    // Or it is gone.
    bench.apply(&leave);
    assert_eq!(status(&bench, &both), (Status::Open, vec![own.record.id()]));
}
