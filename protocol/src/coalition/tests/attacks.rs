//! What partners tried who would rather not play by the rules, and what an outage or a change of members does to them: each a
//! sequence that once did harm.

use super::assets::{contribute, declare};
use super::authority::{authority, charter_with_command, speak, statement};
use super::handoffs::offers;
use super::*;
use crate::authority::{Authority, AuthorityKind, Scope, Signatures, Word};
use crate::charter::{AmendmentError, Claim, Dependants, Effect, Fallback, IfShort, OnExpiry, OperationType};
use crate::charter::{DisputeRule, lint};
use crate::coalition::{
    AuthorityRefusal, DisputeRefusal, HandoffEnd, HandoffRefusal, MAX_PROPOSALS_PER_PARTNER, MemberRefusal,
    OperationRefusal,
};
use crate::identity::SecretKey;
use crate::record::{
    Accept, Acknowledged, AuthorityAct, Change, Control, DisputeAct, Handed, HandoffAct, MemberAct,
    OpenDispute, Propose, Rule, Ruling, Speak, Takeover, Watch, Withdrawal,
};

fn kind<'a>(charter: &'a mut Charter, name: &str) -> &'a mut OperationType {
    charter.operations.iter_mut().find(|kind| kind.name.as_str() == name).expect("declared")
}

fn propose(kind: &str, change: Change) -> Act {
    let kind = kind.parse().expect("a name");
    Act::Member(MemberAct::Propose(Propose { kind, change, reason: "because".into() }))
}

/// An amendment to what `change` makes of the charter in force, whatever becomes of it.
fn amendment(bench: &Bench, change: impl FnOnce(&mut Charter)) -> crate::charter::Amendment {
    let charter = bench.state.charter();
    let mut wanted = Charter::clone(charter);
    change(&mut wanted);
    wanted.sort();
    let names = charter.operations.iter().map(|kind| &kind.name);
    let mut amendment = crate::charter::Amendment {
        admit: vec![],
        version: charter.version + 1,
        previous: charter.hash(),
        remove: names.filter(|name| wanted.kind(name.as_str()).is_none()).cloned().collect(),
        put: wanted
            .operations
            .iter()
            .filter(|kind| charter.kind(kind.name.as_str()) != Some(kind))
            .cloned()
            .collect(),
        integrity: None,
        authority: Some(wanted.authority.clone()).filter(|rules| *rules != charter.authority),
        capabilities: None,
        result: Hash::default(),
    };
    if let Err(AmendmentError::OtherResult { found, .. }) = charter.amended(&amendment) {
        amendment.result = found;
    }
    amendment
}

fn panel(judges: &[&str], threshold: u32) -> DisputeRule {
    DisputeRule {
        window_ms: HOUR_MS,
        panel: judges.iter().map(|judge| name(judge)).collect(),
        threshold,
        if_short: IfShort::Refuse,
        rule_ms: HOUR_MS,
        on_expiry: OnExpiry::Uphold,
        dependants: Dependants::GoOn,
        grounds: vec![],
        remand_ms: None,
    }
}

fn disputes(subject: RecordId) -> Act {
    Act::Dispute(DisputeAct::Open(OpenDispute { subject, ground: None, reason: "contested".into() }))
}

fn rules(dispute: RecordId, number: u32, ruling: Ruling) -> Act {
    Act::Dispute(DisputeAct::Rule(Rule { dispute, number, ruling, reason: None }))
}

impl Bench {
    fn refused(&mut self, partner: &str, act: Act) -> Refusal {
        let signed = self.act(partner, &format!("refused {}", self.index), act);
        self.refusal(&signed)
    }

    fn expelled(&mut self, partner: &str) {
        let by = FOUR.into_iter().filter(|it| *it != partner).collect::<Vec<_>>();
        let proposal = self.does(by[0], "expel", propose("expulsion", Change::Expel(name(partner))));
        by.iter().for_each(|by| drop(self.say(by, proposal, Supporting, Endorse)));
        assert!(!self.state.is_active(&name(partner)));
    }

    /// Applies a record that `carrier` carries in the lane `lane`.
    pub(super) fn in_lane(&mut self, carrier: &str, lane: Lane, signed: &SignedRecord) -> Disposition {
        let mut context = self.context(carrier);
        context.feed.lane = lane;
        self.state.apply(&context, &Body::Signed(signed.clone())).disposition
    }
}

#[test]
fn who_amends_can_be_changed_but_neither_added_nor_removed_and_only_by_its_own_rule() {
    let mut bench = Bench::four();
    let renamed = amendment(&bench, |charter| {
        kind(charter, "amendment").name = "constitution".parse().expect("a name")
    });
    let second = amendment(&bench, |charter| {
        let mut other = kind(charter, "amendment").clone();
        other.name = "constitution".parse().expect("a name");
        other.rule.at_least[0].count = 1;
        charter.operations.push(other);
    });
    let weakened = amendment(&bench, |charter| kind(charter, "amendment").effect = Some(Effect::Suspend));
    for (escape, named) in [(renamed, "amendment"), (second, "constitution"), (weakened, "amendment")] {
        let refused =
            bench.refused("norden", propose("amendment", Change::Amend(Box::new(escape)))).to_string();
        assert!(refused.contains("can be changed, but neither added nor removed"), "{refused}");
        assert!(refused.starts_with(named), "{refused}");
    }
    // Where two types amend, each is changed by itself alone.
    let mut charter = charter(&FOUR);
    let mut other = kind(&mut charter, "amendment").clone();
    other.name = "revision".parse().expect("a name");
    charter.operations.push(other);
    charter.sort();
    let mut bench = Bench::new(found(charter));
    let change = amendment(&bench, |charter| kind(charter, "revision").rule.at_least[0].count = 1);
    let act = |kind| propose(kind, Change::Amend(Box::new(change.clone())));
    assert!(matches!(
        bench.refused("norden", act("amendment")),
        Refusal::Member(MemberRefusal::OtherAmender { .. })
    ));
    bench.does("norden", "itself", act("revision"));
}

#[test]
fn proposals_are_few_and_what_needs_trying_is_tried_before_they_take_effect() {
    let mut bench = Bench::four();
    // Whether this can be met is found by trying who speaks in which role.
    let never = amendment(&bench, |charter| {
        let kind = kind(charter, "airlift");
        kind.supporting = vec![name("norden")];
        kind.rule.required = vec![Lead, Supporting];
        kind.rule.at_least.clear();
        kind.lead = vec![name("norden")];
    });
    let charter = Charter::clone(bench.state.charter());
    let made = charter.amended(&never).expect("nothing is tried for a proposal");
    assert!(matches!(made.check_amended(), Err(AmendmentError::Lint { .. })));
    let proposal = bench.does("norden", "never", propose("amendment", Change::Amend(Box::new(never))));
    for partner in ["norden", "sudria", "estmark"] {
        bench.say(partner, proposal, Supporting, Endorse);
    }
    let decision = bench.state.operation(&proposal).and_then(|it| it.decision.clone()).expect("decided");
    assert_eq!((decision.verdict, decision.changed), (Verdict::Agreed, Some(false)));
    assert!(decision.reason().ends_with("it had become impossible meanwhile and changed nothing"));
    let view = bench.state.view(&proposal, bench.state.time()).expect("known");
    assert_eq!(view.explanation, decision.reason());
    bench.state.begin_batch();
    assert_eq!(bench.state.charter().version, 1);
    for at in 0..MAX_PROPOSALS_PER_PARTNER {
        let act = propose("suspension", Change::Suspend(name("sudria")));
        bench.does("norden", &format!("proposal {at}"), act);
    }
    assert!(matches!(
        bench.refused("norden", propose("suspension", Change::Suspend(name("sudria")))),
        Refusal::Member(MemberRefusal::TooManyProposals { .. })
    ));
    bench.does("vigil", "other", propose("suspension", Change::Suspend(name("sudria"))));
}

#[test]
fn the_word_of_whom_the_old_rule_escalates_to_is_none_by_the_new_rule() {
    let mut charter = charter(&FOUR);
    kind(&mut charter, "amendment").rule.fallback = Fallback::Escalate(name("norden"));
    let mut bench = Bench::new(found(charter));
    let stricter = amendment(&bench, |charter| {
        let kind = kind(charter, "amendment");
        kind.rule.at_least[0].count = 4;
        kind.rule.fallback = Fallback::Fail;
    });
    let proposal = bench.does("norden", "stricter", propose("amendment", Change::Amend(Box::new(stricter))));
    let window = bench.state.operation(&proposal).expect("known").closes;
    bench.advance(window);
    bench.say("norden", proposal, Supporting, Endorse);
    assert_eq!(bench.verdict(proposal), None, "its word satisfies the old rule alone");
    let window = bench.state.operation(&proposal).expect("known").closes;
    bench.advance(window);
    assert_eq!(bench.verdict(proposal), Some(Verdict::Expired));
    // What is stated is what the later rule, by which it was judged, looked at.
    let decision = bench.state.operation(&proposal).and_then(|it| it.decision.clone()).expect("decided");
    assert_eq!((decision.by_new_rule, decision.stage, &decision.word), (true, Stage::First, &None));
}

#[test]
fn keys_of_who_is_gone_quarantined_or_concerned_say_nothing_whoever_carries_it() {
    let mut charter = charter_with_command();
    kind(&mut charter, "expulsion").authority = Some(authority("command"));
    // The nation of sudria speaks by a ministry.
    charter.authority.authorities.push(Authority {
        name: authority("sudria"),
        kind: AuthorityKind::National,
        scope: Scope::default(),
        expression: key("sudria", "ministry").public().into(),
    });
    charter.sort();
    let founded = found(charter);
    let signed = |operation, by: &str, word: Word, key: &SecretKey| {
        let statement = statement(operation, by, word, 1);
        let mut signatures = Signatures::default();
        statement.sign(founded.coalition(), key, &mut signatures);
        Act::Authority(AuthorityAct::Speak(Speak { statement, signatures }))
    };
    let mut bench = Bench::new(founded.clone());
    let ministry = key("sudria", "ministry");
    let proposal = bench.does("norden", "expel", propose("expulsion", Change::Expel(name("sudria"))));
    let refused = bench.refused("estmark", signed(proposal, "sudria", Word::Refuse, &ministry));
    assert_eq!(refused, MemberRefusal::OwnCause { partner: name("sudria") }.into());
    let refused = bench.refused("estmark", signed(proposal, "command", Word::Refuse, &key("sudria", "root")));
    assert!(matches!(refused, Refusal::Authority(AuthorityRefusal::Stranger { .. })), "{refused}");
    for partner in ["norden", "estmark", "vigil"] {
        bench.say(partner, proposal, Supporting, Endorse);
    }
    for partner in ["norden", "vigil"] {
        bench.does(partner, "w", speak(statement(proposal, "command", Word::Permit, 1)));
    }
    assert_eq!(bench.verdict(proposal), Some(Verdict::Agreed));
    let operation = bench.open();
    for (by, word, key) in
        [("sudria", Word::Refuse, ministry), ("command", Word::Order, key("sudria", "root"))]
    {
        let refused = bench.refused("estmark", signed(operation, by, word, &key));
        assert!(matches!(refused, Refusal::Member(MemberRefusal::NotActive { .. })), "{refused}");
    }
    // Lint: whom it concerns must not be needed.
    let mut charter = charter_with_command();
    kind(&mut charter, "expulsion").authority = Some(authority("norden"));
    let errors = lint(&charter).iter().map(ToString::to_string).collect::<Vec<_>>().join("; ");
    assert!(
        errors.contains("expulsion: whom it concerns has no voice, and norden cannot decide without norden"),
        "{errors}"
    );
}

#[test]
fn whoever_carries_a_copy_does_not_choose_which_word_is_the_last() {
    let mut bench = Bench::new(found(charter_with_command()));
    let operation = bench.open();
    let permit = bench.act("sudria", "1", speak(statement(operation, "sudria", Word::Permit, 1)));
    let refuse = bench.act("sudria", "2", speak(statement(operation, "sudria", Word::Refuse, 2)));
    // A lane above the operation's own gets a copy nowhere, and takes nothing from the record in its own.
    assert!(matches!(
        bench.in_lane("estmark", Lane::Flash, &refuse),
        Disposition::Refused(Refusal::Operation(OperationRefusal::LaneAbove { .. }))
    ));
    assert_eq!(bench.in_lane("estmark", Lane::Immediate, &refuse), Disposition::Applied);
    assert!(matches!(
        bench.in_lane("sudria", Lane::Immediate, &permit),
        Disposition::Refused(Refusal::Authority(AuthorityRefusal::Older { last: 2, .. }))
    ));
    let view =
        bench.state.view(&operation, bench.state.time()).and_then(|view| view.authority).expect("spoken");
    assert!(view.text.contains("refused by sudria"), "{}", view.text);
    // A slot is not won by carrying its opening in a faster lane.
    let jumps = open(&bench.founded, "norden", "jumps");
    assert!(matches!(bench.in_lane("estmark", Lane::Flash, &jumps), Disposition::Refused(_)));
    assert_eq!(bench.in_lane("norden", Lane::Immediate, &jumps), Disposition::Applied);
    // The watch.
    let watch = |from| {
        let officer = key("vigil", "officer").public();
        Act::Member(MemberAct::Watch(Watch { officer, from, note: None }))
    };
    bench.does("vigil", "late", watch(CREATED.plus(2)));
    let refused = bench.refused("vigil", watch(CREATED.plus(1)));
    assert!(matches!(refused, Refusal::Member(MemberRefusal::OlderWatch { .. })), "{refused}");
}

#[test]
fn a_part_of_a_statement_that_is_carried_first_takes_nothing_from_the_whole() {
    let mut bench = Bench::new(found(charter_with_command()));
    let operation = bench.open();
    let with = |keys: &[&str], number| {
        let statement = statement(operation, "command", Word::Order, number);
        let mut signatures = Signatures::default();
        keys.iter()
            .for_each(|by| statement.sign(bench.founded.coalition(), &key(by, "root"), &mut signatures));
        Act::Authority(AuthorityAct::Speak(Speak { statement, signatures }))
    };
    let (part, whole) = (with(&["norden"], 5), with(&["norden", "vigil"], 5));
    bench.does("estmark", "part", part.clone());
    bench.does("norden", "whole", whole);
    let view =
        bench.state.view(&operation, bench.state.time()).and_then(|view| view.authority).expect("spoken");
    assert!(view.text.starts_with("authority: allowed by command"), "{}", view.text);
    let refused = bench.refused("estmark", part);
    assert!(matches!(refused, Refusal::Authority(AuthorityRefusal::Number { last: 5, .. })), "{refused}");
}

#[test]
fn a_remand_waits_for_no_claim_that_somebody_else_has_now() {
    let mut charter = charter(&FOUR);
    let airlift = kind(&mut charter, "airlift");
    airlift.dispute = Some(panel(&["estmark", "vigil"], 1));
    let mut bench = Bench::new(found(charter));
    let claiming = |bench: &mut Bench, nonce: &str| {
        let body =
            [("corridor", "alfa"), ("opens", "2026-11-25T06:00:00Z"), ("closes", "2026-11-25T10:00:00Z")];
        let open = Open {
            kind: "airlift".into(),
            title: nonce.into(),
            body: body.map(|(name, value)| (name.to_owned(), value.to_owned())).into(),
            precedence: None,
        };
        bench.does("norden", nonce, Act::Open(open))
    };
    let first = claiming(&mut bench, "first");
    assert!(!bench.state.operation(&first).expect("known").claims.is_empty());
    bench.say("norden", first, Lead, Object);
    let closes = bench.state.operation(&first).expect("known").closes;
    bench.advance(closes);
    assert_eq!(bench.verdict(first), Some(Verdict::Failed));
    let second = claiming(&mut bench, "second");
    let dispute = bench.does("sudria", "dispute", disputes(first));
    let refused = bench.refused("estmark", rules(dispute, 1, Ruling::Remand));
    assert_eq!(refused, DisputeRefusal::CannotRemand.into());
    let claims = |id| bench.state.operation(&id).expect("known").claims.iter().map(Claim::to_string).count();
    assert_eq!((claims(first), claims(second)), (1, 1));
}

#[test]
fn an_annulled_handoff_takes_nothing_from_the_receiver_and_counts_no_dead_judge() {
    let mut charter = charter(&FOUR);
    kind(&mut charter, "airlift").dispute = Some(panel(&["norden", "vigil"], 1));
    kind(&mut charter, "airlift").handoff.offer_ms = HOUR_MS;
    let mut bench = Bench::new(found(charter));
    let operation = bench.open();
    let offer = bench.does("sudria", "offer", offers(operation, Handed::Role(Supporting), "estmark"));
    let accept = Accept { offer, acknowledges: Acknowledged::Each(vec![]) };
    bench.does("estmark", "accept", Act::Handoff(HandoffAct::Accept(accept)));
    assert_eq!(
        bench.state.handoff(&offer).and_then(|it| Some(it.end.as_ref()?.how)),
        Some(HandoffEnd::Accepted)
    );
    let dispute = bench.does("sudria", "dispute", disputes(offer));
    assert_eq!(bench.state.dispute(&dispute).expect("open").panel, [name("vigil")], "norden leads it");
    let mut applied = {
        let word = bench.act("vigil", "word", rules(dispute, 1, Ruling::Annul));
        bench.apply(&word)
    };
    assert!(applied.rulings.pop().is_some());
    bench.say("estmark", operation, Supporting, Endorse);
    bench.say("sudria", operation, Supporting, Endorse);
    bench.assert_root();
    // With the only judge gone nobody is left to rule.
    let other = bench.open();
    let offer = bench.does("sudria", "offer 2", offers(other, Handed::Role(Supporting), "estmark"));
    let accept = Accept { offer, acknowledges: Acknowledged::Each(vec![]) };
    bench.does("estmark", "accept 2", Act::Handoff(HandoffAct::Accept(accept)));
    bench.expelled("vigil");
    let refused = bench.refused("sudria", disputes(offer));
    assert!(matches!(refused, Refusal::Dispute(DisputeRefusal::NoJudges { .. })), "{refused}");
}

#[test]
fn the_lead_is_never_who_is_gone_or_concerned_and_a_named_successor_comes_first() {
    let mut charter = charter(&FOUR);
    let expulsion = kind(&mut charter, "expulsion");
    expulsion.lead = ["estmark", "norden"].map(name).to_vec();
    expulsion.supporting = FOUR.map(name).to_vec();
    expulsion.supporting.sort_unstable();
    let takeover = crate::charter::TakeoverRule { successor: name("sudria"), silent_ms: None, lapsed: true };
    kind(&mut charter, "airlift").handoff.takeover = Some(takeover);
    kind(&mut charter, "airlift").lead = ["estmark", "norden", "sudria"].map(name).to_vec();
    charter.sort();
    let mut bench = Bench::new(found(charter));
    let proposal = bench.does("sudria", "expel", propose("expulsion", Change::Expel(name("estmark"))));
    assert_eq!(bench.lead(proposal), "norden", "estmark stands first, and it is about estmark");
    let opening = open(&bench.founded, "estmark", "led by estmark");
    bench.apply(&opening);
    let operation = opening.record.id();
    for partner in ["norden", "sudria", "vigil"] {
        bench.say(partner, proposal, Supporting, Endorse);
    }
    assert!(!bench.state.is_active(&name("estmark")));
    let takes = || Act::Handoff(HandoffAct::Takeover(Takeover { operation, ground: None }));
    let refused = bench.refused("norden", takes());
    assert!(matches!(refused, Refusal::Handoff(HandoffRefusal::NotSuccessor { .. })), "{refused}");
    bench.does("sudria", "takes", takes());
    assert_eq!(bench.lead(operation), "sudria");
}

#[test]
fn what_was_taken_back_is_told_and_is_open_no_more() {
    let mut bench = Bench::four();
    let operation = bench.open();
    bench.say("sudria", operation, Supporting, Object);
    let said =
        bench.state.operation(&operation).and_then(|it| it.standing(&name("sudria"))).expect("said").record;
    let open =
        |bench: &Bench| bench.state.open_items(bench.state.operation(&operation).expect("known"), None).len();
    assert_eq!(open(&bench), 1);
    let back = bench.does("sudria", "back", Act::Withdraw(Withdrawal { operation, attestation: said }));
    assert_eq!(open(&bench), 0);
    let told = bench.state.told(&back).expect("told");
    assert_eq!(
        (told.story.what, told.story.text.as_str()),
        (StoryWord::Withdrawn, "takes back that it objects")
    );
}

#[test]
fn what_waited_for_an_opening_stands_behind_it_in_the_story() {
    let mut bench = Bench::four();
    let opening = open(&bench.founded, "norden", "later");
    let word = bench.word("norden", opening.record.id(), Lead, Endorse);
    assert!(matches!(bench.apply(&word).disposition, Disposition::Parked { .. }));
    bench.apply(&opening);
    let story = bench.state.story(&opening.record.id(), bench.state.time()).expect("known");
    assert_eq!(
        story.events.iter().map(|it| it.what).collect::<Vec<_>>(),
        [StoryWord::Opened, StoryWord::Attested]
    );
}

#[test]
fn many_lendings_end() {
    let mut bench = Bench::four();
    let asset = bench.does("sudria", "asset", declare("lift-7"));
    let operation = bench.open();
    for at in 0..crate::coalition::MAX_LENDINGS_PER_PARTNER {
        let lent = bench.act("sudria", &format!("l{at}"), contribute(asset, operation, Control::Owner));
        assert_eq!(bench.apply(&lent).disposition, Disposition::Applied);
        let back = bench.act("sudria", &format!("r{at}"), super::assets::recall(asset));
        assert_eq!(bench.apply(&back).disposition, Disposition::Applied);
    }
    assert!(matches!(
        bench.refused("sudria", contribute(asset, operation, Control::Owner)),
        Refusal::Asset(crate::coalition::AssetRefusal::TooManyLendings { .. })
    ));
}
