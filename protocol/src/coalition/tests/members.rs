//! Who is a member is decided by the others, or by the partner itself where it leaves.

use super::*;
use crate::coalition::{MemberRefusal, Membership};
use crate::record::{Change, MemberAct, Propose, Watch};

fn propose(kind: &str, change: Change) -> Act {
    let kind = kind.parse().expect("a name");
    Act::Member(MemberAct::Propose(Propose { kind, change, reason: "two copies of one node".into() }))
}

fn leave() -> Act {
    Act::Member(MemberAct::Withdraw { ground: "our mandate has ended".into() })
}

impl Bench {
    fn proposes(&mut self, partner: &str, nonce: &str, kind: &str, change: Change) -> RecordId {
        let signed = record(&self.founded, partner, nonce, propose(kind, change));
        assert_eq!(self.apply(&signed).disposition, Disposition::Applied);
        self.assert_root();
        signed.record.id()
    }

    fn member_refusal(&mut self, partner: &str, nonce: &str, act: Act) -> MemberRefusal {
        let signed = record(&self.founded, partner, nonce, act);
        match self.refusal(&signed) {
            Refusal::Member(refusal) => refusal,
            other => panic!("{other}"),
        }
    }

    fn membership(&self, partner: &str) -> Membership {
        self.state.membership(&name(partner))
    }
}

#[test]
fn a_suspension_takes_effect_with_its_decision_and_ends_with_the_next_one() {
    let mut bench = Bench::four();
    let before = bench.open();
    bench.say("sudria", before, Supporting, Endorse);
    let suspension = bench.proposes("norden", "s", "suspension", Change::Suspend(name("sudria")));
    assert_eq!(bench.deficit(suspension), "needs 2 of supporting: estmark, norden or vigil");
    bench.say("norden", suspension, Supporting, Endorse);
    assert!(bench.state.is_active(&name("sudria")));
    bench.say("estmark", suspension, Supporting, Endorse);
    assert_eq!(bench.verdict(suspension), Some(Verdict::Agreed));
    assert_eq!(bench.membership("sudria"), Membership::Suspended);
    // What it said before stands; what it says now has no effect, and a note of its node is still carried.
    let operation = bench.state.operation(&before).expect("open");
    assert!(operation.standing(&name("sudria")).is_some());
    let word = bench.word("sudria", suspension, Supporting, Object);
    let since = bench.state.time();
    assert_eq!(
        bench.refusal(&word),
        MemberRefusal::NotActive { partner: name("sudria"), membership: Membership::Suspended, since }.into()
    );
    let context = bench.context("sudria");
    assert_eq!(bench.state.apply(&context, &Body::Note(vec![1])).disposition, Disposition::Applied);
    let back = bench.proposes("norden", "r", "reinstatement", Change::Reinstate(name("sudria")));
    bench.say("norden", back, Supporting, Endorse);
    bench.say("vigil", back, Supporting, Endorse);
    assert_eq!(bench.membership("sudria"), Membership::Active);
    let view = &bench.state.member_views()[2];
    assert_eq!((view.by, view.reason.as_deref()), (Some(back), Some("two copies of one node")));
    assert_eq!(bench.apply(&open(&bench.founded, "sudria", "again")).disposition, Disposition::Applied);
    bench.assert_root();
}

#[test]
fn nobody_has_a_voice_in_its_own_cause() {
    let mut bench = Bench::four();
    let own = propose("reinstatement", Change::Reinstate(name("norden")));
    assert_eq!(
        bench.member_refusal("norden", "own", own),
        MemberRefusal::OwnCause { partner: name("norden") }
    );
    let expulsion = bench.proposes("norden", "e", "expulsion", Change::Expel(name("sudria")));
    let word = bench.word("sudria", expulsion, Supporting, Object);
    assert_eq!(bench.refusal(&word), MemberRefusal::OwnCause { partner: name("sudria") }.into());
    // All three others are needed.
    bench.say("norden", expulsion, Supporting, Endorse);
    bench.say("estmark", expulsion, Supporting, Endorse);
    assert_eq!(bench.deficit(expulsion), "needs 1 more of supporting: vigil");
    bench.say("vigil", expulsion, Supporting, Endorse);
    assert_eq!(bench.membership("sudria"), Membership::Expelled);
}

#[test]
fn what_is_removed_stays_removed() {
    let mut bench = Bench::four();
    let suspension = bench.proposes("norden", "s", "suspension", Change::Suspend(name("sudria")));
    let expulsion = bench.proposes("norden", "e", "expulsion", Change::Expel(name("sudria")));
    for partner in ["norden", "estmark", "vigil"] {
        bench.say(partner, expulsion, Supporting, Endorse);
    }
    let again = propose("reinstatement", Change::Reinstate(name("sudria")));
    assert_eq!(
        bench.member_refusal("norden", "again", again),
        MemberRefusal::NothingToDo {
            partner: name("sudria"),
            membership: Membership::Expelled,
            effect: crate::charter::Effect::Reinstate
        }
    );
    // A suspension that was open meanwhile is agreed and changes nothing any more.
    bench.say("norden", suspension, Supporting, Endorse);
    bench.say("estmark", suspension, Supporting, Endorse);
    assert_eq!(bench.verdict(suspension), Some(Verdict::Agreed));
    assert_eq!(bench.membership("sudria"), Membership::Expelled);
    // Its node carries nothing any more, whoever signed it.
    let context = bench.context("sudria");
    let carried = Body::Signed(open(&bench.founded, "norden", "carried"));
    assert!(matches!(
        bench.state.apply(&context, &carried).disposition,
        Disposition::Refused(Refusal::Member(MemberRefusal::NotActive { .. }))
    ));
    bench.assert_root();
}

#[test]
fn a_partner_leaves_alone_also_while_suspended_and_its_obligations_are_listed() {
    let mut bench = Bench::four();
    bench.open();
    let obligations = bench.state.obligations(&name("norden"));
    assert_eq!(obligations.len(), 1);
    assert_eq!(obligations[0].what, "leads it, and it is not decided");
    let suspension = bench.proposes("estmark", "s", "suspension", Change::Suspend(name("norden")));
    bench.say("estmark", suspension, Supporting, Endorse);
    bench.say("vigil", suspension, Supporting, Endorse);
    let left = record(&bench.founded, "norden", "leave", leave());
    assert_eq!(bench.apply(&left).disposition, Disposition::Applied);
    assert_eq!(bench.membership("norden"), Membership::Withdrawn);
    let since = bench.state.time();
    assert_eq!(
        bench.member_refusal("norden", "twice", leave()),
        MemberRefusal::NotActive { partner: name("norden"), membership: Membership::Withdrawn, since }
    );
    bench.assert_root();
}

#[test]
fn types_that_change_the_coalition_are_opened_by_proposals_alone_and_those_by_such_types() {
    let mut bench = Bench::four();
    let plain = Act::Open(Open {
        kind: "suspension".into(),
        title: "x".into(),
        body: Default::default(),
        precedence: None,
    });
    assert_eq!(
        bench.member_refusal("norden", "p", plain).to_string(),
        "operations of type suspension suspend a partner, and this record is meant to open an operation without proposing a change"
    );
    let wrong = propose("airlift", Change::Suspend(name("sudria")));
    assert_eq!(
        bench.member_refusal("norden", "w", wrong).to_string(),
        "operations of type airlift change nothing in the coalition itself, and this record is meant to suspend a partner"
    );
    let nobody = propose("suspension", Change::Suspend(name("nobody")));
    assert_eq!(
        bench.member_refusal("norden", "n", nobody),
        MemberRefusal::UnknownPartner { partner: name("nobody") }
    );
}

#[test]
fn the_watch_is_an_officers_of_the_partner() {
    let mut bench = Bench::four();
    let watch = |partner: &str| {
        let officer = key(partner, "officer").public();
        Act::Member(MemberAct::Watch(Watch {
            officer,
            from: CREATED,
            note: Some("radio check hourly".into()),
        }))
    };
    let taken = record(&bench.founded, "norden", "w", watch("norden"));
    assert_eq!(bench.apply(&taken).disposition, Disposition::Applied);
    let shown = bench.state.member_views()[1].watch.clone().expect("a watch");
    assert_eq!((shown.officer, shown.record), (key("norden", "officer").public(), taken.record.id()));
    let officer = key("sudria", "officer").public();
    assert_eq!(
        bench.member_refusal("norden", "x", watch("sudria")),
        MemberRefusal::NotItsOfficer { officer, partner: name("norden") }
    );
    bench.assert_root();
}

/// By the words of the documentation alone: who may be what after what.
#[test]
fn no_sequence_of_proposals_and_withdrawals_breaks_the_rules_of_membership() {
    for seed in 0..30 {
        let mut rng = Rng::new(seed);
        let mut bench = Bench::four();
        let mut proposals: Vec<(RecordId, Change)> = Vec::new();
        for step in 0..150 {
            let before = FOUR.map(|partner| bench.membership(partner));
            let partner = FOUR[rng.below(4) as usize];
            let subject = name(FOUR[rng.below(4) as usize]);
            let nonce = step.to_string();
            let left = match rng.below(12) {
                0..=3 => {
                    let (kind, change) = match rng.below(3) {
                        0 => ("suspension", Change::Suspend(subject)),
                        1 => ("reinstatement", Change::Reinstate(subject)),
                        _ => ("expulsion", Change::Expel(subject)),
                    };
                    let signed = record(&bench.founded, partner, &nonce, propose(kind, change.clone()));
                    if bench.apply(&signed).disposition == Disposition::Applied {
                        proposals.push((signed.record.id(), change));
                    }
                    None
                }
                4 if rng.below(4) == 0 => {
                    bench.apply(&record(&bench.founded.clone(), partner, &nonce, leave()));
                    Some(partner)
                }
                5 => {
                    bench.state.advance(bench.state.time().plus(rng.below(20) * HOUR_MS));
                    None
                }
                _ if proposals.is_empty() => None,
                _ => {
                    let (id, _) = proposals[rng.below(proposals.len() as u64) as usize].clone();
                    let word = bench.word(
                        partner,
                        id,
                        Supporting,
                        [Endorse, Endorse, Object][rng.below(3) as usize],
                    );
                    bench.apply(&word);
                    None
                }
            };
            for (at, old) in before.into_iter().enumerate() {
                let now = bench.membership(FOUR[at]);
                if old == now {
                    continue;
                }
                assert!(!old.is_gone(), "seed {seed}: {} came back", FOUR[at]);
                match now {
                    Membership::Withdrawn => assert_eq!(left, Some(FOUR[at]), "seed {seed}"),
                    _ => {
                        // Some proposal about this partner is agreed, with enough words of others and none of its own.
                        let by = bench.state.member(&name(FOUR[at])).changed.clone().expect("why").by;
                        let operation = bench.state.operation(&by).expect("an operation");
                        let endorsing = operation.attestations.iter().filter(|said| said.stance == Endorse);
                        let needed = if now == Membership::Expelled { 3 } else { 2 };
                        assert!(endorsing.count() >= needed, "seed {seed}");
                        assert!(operation.standing(&name(FOUR[at])).is_none(), "seed {seed}");
                        assert!(
                            proposals
                                .iter()
                                .any(|(id, change)| *id == by && change.subject() == Some(&name(FOUR[at])))
                        );
                    }
                }
            }
        }
        bench.assert_root();
        let items = bench.state.items().iter().map(|item| item.encode()).collect::<Vec<_>>();
        let again = State::of_items(
            &Arc::new(bench.founded.clone()),
            items.iter().map(Vec::as_slice),
            &bench.state.root(),
        )
        .expect("its own items");
        assert_eq!(again.members, bench.state.members);
    }
}
