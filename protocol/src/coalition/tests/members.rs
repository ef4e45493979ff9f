//! Who is a member is decided by the others, or by the partner itself where it leaves.

use super::keys::{direct, grant, revoke};
use super::*;
use crate::coalition::member::{MAX_WATCH_AHEAD_MS, MAX_WATCHES_AHEAD};
use crate::coalition::{MemberRefusal, Membership};
use crate::credential::{Capability, Target};
use crate::identity::PublicKey;
use crate::record::{Change, MemberAct, Propose, Watch};

pub(super) fn propose(kind: &str, change: Change) -> Act {
    let kind = kind.parse().expect("a name");
    Act::Member(MemberAct::Propose(Propose { kind, change, reason: "two copies of one node".into() }))
}

pub(super) fn leave() -> Act {
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

    /// Two of the others agree on a change of `partner`.
    pub(super) fn agrees_on(&mut self, kind: &str, change: Change) -> RecordId {
        let subject = change.subject().expect("of a partner").to_string();
        let others = ["norden", "estmark", "sudria", "vigil"].into_iter();
        let others = others.filter(|it| *it != subject && self.state.is_active(&name(it)));
        let others = others.collect::<Vec<_>>();
        let nonce = format!("{kind} {}", self.index);
        let id = self.proposes(others[0], &nonce, kind, change);
        for partner in &others[..2] {
            self.say(partner, id, Supporting, Endorse);
        }
        assert_eq!(self.verdict(id), Some(Verdict::Agreed));
        id
    }

    pub(super) fn suspends(&mut self, partner: &str) -> RecordId {
        self.agrees_on("suspension", Change::Suspend(name(partner)))
    }

    fn on_watch(&self, partner: &str, now: Time) -> Option<(PublicKey, bool)> {
        let views = self.state.member_views(now);
        let view = views.iter().find(|view| view.partner == name(partner)).expect("a partner");
        view.watch.as_ref().map(|watch| (watch.officer, watch.speaks))
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
    let view = &bench.state.member_views(bench.state.time())[2];
    assert_eq!((view.by, view.reason.as_deref()), (Some(back), Some("two copies of one node")));
    assert_eq!(bench.apply(&open(&bench.founded, "sudria", "again")).disposition, Disposition::Applied);
    bench.assert_root();
}

/// Else who is about to be expelled would vote ahead on what an accomplice, whose records it knows, opens later.
#[test]
fn what_waited_is_judged_by_who_is_a_member_when_it_would_take_effect() {
    let mut bench = Bench::four();
    let later = open(&bench.founded, "norden", "later");
    let word = bench.word("sudria", later.record.id(), Supporting, Endorse);
    assert!(matches!(bench.apply(&word).disposition, Disposition::Parked { .. }));
    bench.suspends("sudria");
    let released = bench.apply(&later).released;
    assert_eq!(released.len(), 1);
    let Disposition::Refused(refused) = &released[0].disposition else { panic!("{released:?}") };
    assert!(matches!(refused, Refusal::Member(MemberRefusal::NotActive { .. })), "{refused}");
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
    let shown = bench.state.member_views(bench.state.time())[1].watch.clone().expect("a watch");
    assert_eq!((shown.officer, shown.record), (key("norden", "officer").public(), taken.record.id()));
    let officer = key("sudria", "officer").public();
    assert_eq!(
        bench.member_refusal("norden", "x", watch("sudria")),
        MemberRefusal::NotItsOfficer { officer, partner: name("norden") }
    );
    bench.assert_root();
}

#[test]
fn a_watch_begins_when_it_says_and_one_to_come_takes_nothing_from_who_is_on_watch() {
    let mut bench = Bench::four();
    let now = bench.state.time();
    let (first, second) = (key("sudria", "officer").public(), key("sudria", "second officer").public());
    let chain = direct(&bench.founded, &key("sudria", "second officer"), Capability::Officer);
    bench.does("norden", "grant", grant(&chain));
    let watch = |officer, from| Act::Member(MemberAct::Watch(Watch { officer, from, note: None }));
    let hours = |hours: u64| now.plus(hours * HOUR_MS);
    bench.does("sudria", "1", watch(first, now));
    bench.does("sudria", "2", watch(second, hours(8)));
    assert_eq!(bench.on_watch("sudria", hours(7)), Some((first, true)));
    assert_eq!(bench.on_watch("sudria", hours(8)), Some((second, true)));
    // One between them, ordered last.
    bench.does("sudria", "3", watch(second, hours(2)));
    bench.does("sudria", "4", watch(first, hours(4)));
    let at = [0, 2, 4, 8].map(|at| bench.on_watch("sudria", hours(at)).expect("somebody").0);
    assert_eq!(at, [first, second, first, second]);
    // What was a mistake is said anew for the same moment.
    bench.does("sudria", "5", watch(first, hours(8)));
    assert_eq!(bench.on_watch("sudria", hours(9)), Some((first, true)));
    // What has begun is not begun before, and no date is mistyped by years.
    bench.advance(hours(5));
    let refused = bench.member_refusal("sudria", "6", watch(second, hours(3)));
    assert_eq!(refused, MemberRefusal::OlderWatch { officer: first, from: hours(4) });
    let far = bench.state.time().plus(MAX_WATCH_AHEAD_MS + 1);
    let refused = bench.member_refusal("sudria", "7", watch(second, far));
    assert_eq!(refused, MemberRefusal::FarWatch { from: far, now: bench.state.time() });
    let ahead = bench.state.member_views(bench.state.time())[2].next_watches.len();
    for more in ahead..MAX_WATCHES_AHEAD {
        bench.does("sudria", &format!("more {more}"), watch(second, hours(100 + more as u64)));
    }
    let refused = bench.member_refusal("sudria", "8", watch(second, hours(99)));
    let most = MAX_WATCHES_AHEAD as u64;
    assert_eq!(refused, MemberRefusal::TooManyWatches { partner: name("sudria"), most });
    bench.does("sudria", "9", watch(first, hours(8)));
    bench.does("sudria", "10", watch(second, bench.state.time()));
    // Who is gone keeps no watch.
    bench.does("sudria", "leaves", leave());
    assert_eq!(bench.on_watch("sudria", bench.state.time()), None);
}

#[test]
fn who_is_on_watch_and_speaks_no_more_is_told_so() {
    let mut bench = Bench::four();
    let officer = key("sudria", "officer").public();
    let watch = Watch { officer, from: CREATED, note: None };
    bench.does("sudria", "1", Act::Member(MemberAct::Watch(watch)));
    let revoked = revoke(&bench.founded, &key("sudria", "root"), Target::Key(officer));
    bench.does("norden", "2", revoked);
    assert_eq!(bench.on_watch("sudria", bench.state.time()), Some((officer, false)));
}

#[test]
fn a_member_shows_from_which_leaf_on_it_is_what_it_is() {
    let mut bench = Bench::four();
    bench.suspends("sudria");
    let at = bench.index;
    let index = |bench: &Bench| bench.state.member_views(bench.state.time())[2].since_index;
    assert_eq!(index(&bench), Some(at));
    bench.does("sudria", "leaves", leave());
    assert_eq!(index(&bench), Some(bench.index));
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
                    bench.advance(bench.state.time().plus(rng.below(20) * HOUR_MS));
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
