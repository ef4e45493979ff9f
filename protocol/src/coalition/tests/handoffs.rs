//! Roles pass from hand to hand, and an operation has one lead at every index.

use super::assets::{contribute, declare};
use super::inbox::waits;
use super::*;
use crate::charter::{
    Fallback, HandoffRule, Lesser, Measure, PartnerName, Phase, TakeoverRule, Term, Terms, Threshold,
};
use crate::coalition::Waits;
use crate::coalition::handoff::HandoffEnd;
use crate::coalition::{Handoff, HandoffRefusal, ItemKind, MAX_OFFERS_PER_PARTNER, Over};
use crate::record::{
    Accept, Acknowledged, Change, Conclude, Control, Decline, Handed, HandoffAct, MAX_ACKNOWLEDGED, Offer,
    Reclaim, Takeover,
};

mod open;
mod phases;
mod property;

const LEADS: [&str; 3] = ["estmark", "norden", "sudria"];
const SILENT_MS: u64 = 2 * HOUR_MS;

/// Three that may lead and support, one that watches; two phases, of which norden leads only the first; sudria takes over.
pub(super) fn relay_charter() -> Charter {
    let mut charter = charter(&FOUR);
    let kind = &mut charter.operations[0];
    kind.lead = LEADS.map(name).to_vec();
    kind.supporting = LEADS.map(name).to_vec();
    kind.window_ms = 12 * HOUR_MS;
    kind.handoff = HandoffRule {
        offer_ms: HOUR_MS,
        takeover: Some(TakeoverRule { successor: name("sudria"), silent_ms: Some(SILENT_MS), lapsed: true }),
    };
    let phase = |title: &str, lead: &[&str], successor: Option<&str>| Phase {
        name: title.parse().expect("a name"),
        lead: lead.iter().map(|partner| name(partner)).collect(),
        successor: successor.map(name),
    };
    kind.phases =
        vec![phase("search", &LEADS, None), phase("rescue", &["estmark", "sudria"], Some("estmark"))];
    charter.sort();
    charter
}

fn relay() -> Bench {
    Bench::new(found(relay_charter()))
}

pub(super) fn offer(operation: RecordId, what: Handed, to: &str) -> Offer {
    Offer { operation, what, to: name(to), phase: None, note: None, expires: None }
}

pub(super) const LEAD: Handed = Handed::Role(Lead);

pub(super) fn offers(operation: RecordId, what: Handed, to: &str) -> Act {
    Act::Handoff(HandoffAct::Offer(offer(operation, what, to)))
}

pub(super) fn accepts(offer: RecordId, known: &[RecordId]) -> Act {
    let known = known.iter().copied().collect::<BTreeSet<_>>().into_iter().collect();
    Act::Handoff(HandoffAct::Accept(Accept { offer, acknowledges: Acknowledged::Each(known) }))
}

fn declines(offer: RecordId) -> Act {
    Act::Handoff(HandoffAct::Decline(Decline { offer, ground: Some("no crew".into()) }))
}

fn reclaims(offer: RecordId) -> Act {
    Act::Handoff(HandoffAct::Reclaim(Reclaim { offer, ground: None }))
}

pub(super) fn takes_over(operation: RecordId) -> Act {
    Act::Handoff(HandoffAct::Takeover(Takeover { operation, ground: Some("silence".into()) }))
}

pub(super) fn concludes(operation: RecordId) -> Act {
    Act::Handoff(HandoffAct::Conclude(Conclude { operation, note: Some("all landed".into()) }))
}

pub(super) fn begins(operation: RecordId, phase: &str, to: &str) -> Act {
    let phase = Some(phase.parse().expect("a name"));
    Act::Handoff(HandoffAct::Offer(Offer { phase, ..offer(operation, LEAD, to) }))
}

impl Bench {
    pub(super) fn handoff_refusal(&mut self, partner: &str, nonce: &str, act: Act) -> HandoffRefusal {
        let signed = self.act(partner, nonce, act);
        match self.refusal(&signed) {
            Refusal::Handoff(refusal) => refusal,
            other => panic!("{other}"),
        }
    }

    pub(super) fn lead(&self, operation: RecordId) -> String {
        self.state.operation(&operation).expect("known").lead.to_string()
    }

    fn end(&self, offer: RecordId) -> Option<HandoffEnd> {
        self.state.handoff(&offer).expect("known").end.as_ref().map(|end| end.how)
    }

    pub(super) fn pass_time(&mut self, span_ms: u64) {
        self.advance(self.state.time().plus(span_ms));
    }

    fn view_of(&self, id: RecordId) -> OperationView {
        self.state.view(&id, self.state.time()).expect("known")
    }

    /// An operation that is agreed: opened and led by norden.
    pub(super) fn agreed(&mut self) -> RecordId {
        let id = self.open();
        self.say("norden", id, Lead, Endorse);
        self.say("sudria", id, Supporting, Endorse);
        self.say("estmark", id, Supporting, Endorse);
        assert_eq!(self.verdict(id), Some(Verdict::Agreed));
        id
    }
}

#[test]
fn a_lead_that_is_gone_leaves_its_place_to_whoever_may_lead_and_takes_it_first() {
    let mut charter = charter(&FOUR);
    charter.operations[0].lead = ["estmark", "norden", "sudria"].map(name).to_vec();
    let mut bench = Bench::new(found(charter));
    let opening = open(&bench.founded, "estmark", "led by estmark");
    let operation = opening.record.id();
    bench.apply(&opening);
    assert_eq!(bench.lead(operation), "estmark");
    let refused = bench.handoff_refusal("sudria", "early", takes_over(operation));
    assert!(matches!(refused, HandoffRefusal::NoTakeover { .. }), "{refused}");
    let leaves = Act::Member(crate::record::MemberAct::Withdraw { ground: "called home".into() });
    bench.does("estmark", "leaves", leaves);
    let refused = bench.handoff_refusal("vigil", "observer", takes_over(operation));
    assert!(matches!(refused, HandoffRefusal::NoTakeover { .. }), "{refused}");
    bench.does("sudria", "takes", takes_over(operation));
    assert_eq!(bench.lead(operation), "sudria");
    let refused = bench.handoff_refusal("norden", "late", takes_over(operation));
    assert!(matches!(refused, HandoffRefusal::NoTakeover { .. }), "{refused}");
}

#[test]
fn what_nobody_may_lead_any_more_is_concluded_by_whoever_has_a_voice_in_it() {
    let mut charter = charter(&FOUR);
    let kind = &mut charter.operations[0];
    (kind.lead, kind.may_raise) = (vec![name("estmark")], vec![]);
    kind.rule = OutcomeRule { required: vec![Lead, Supporting], ..OutcomeRule::default() };
    charter.sort();
    let mut bench = Bench::new(found(charter));
    let opening = open(&bench.founded, "estmark", "led by estmark");
    let id = opening.record.id();
    bench.apply(&opening);
    bench.say("estmark", id, Lead, Endorse);
    bench.say("sudria", id, Supporting, Endorse);
    assert_eq!(bench.verdict(id), Some(Verdict::Agreed));
    assert_eq!(bench.view_of(id).lead_away, None);
    let refused = bench.handoff_refusal("sudria", "early", concludes(id));
    assert!(matches!(refused, HandoffRefusal::NotLead { .. }), "{refused}");
    let leaves = Act::Member(crate::record::MemberAct::Withdraw { ground: "called home".into() });
    bench.does("estmark", "leaves", leaves);
    let away = bench.view_of(id).lead_away.expect("away");
    assert_eq!(
        away,
        "estmark is withdrawn: nobody may lead it any more; whoever has a voice in it may conclude it"
    );
    let refused = bench.handoff_refusal("vigil", "observer", concludes(id));
    assert!(matches!(refused, HandoffRefusal::NotLead { .. }), "{refused}");
    bench.does("sudria", "ends", concludes(id));
    assert_eq!(bench.state.operation(&id).and_then(Operation::over).map(|it| it.0), Some(Over::Concluded));
    assert_eq!(bench.view_of(id).lead_away, None);
}

#[test]
fn who_is_suspended_and_may_lead_is_waited_for_and_a_successor_that_may_not_lead_stands_in_nobodys_way() {
    let mut charter = relay_charter();
    // sudria takes over, and does not lead the second phase; of the lead and one other there.
    let second = &mut charter.operations[0].phases[1];
    (second.lead, second.successor) = (["estmark", "norden"].map(name).to_vec(), None);
    let mut bench = Bench::new(found(charter));
    let id = bench.agreed();
    let begun = bench.does("norden", "1", begins(id, "rescue", "estmark"));
    bench.does("estmark", "2", accepts(begun, &[]));
    let leaves = Act::Member(crate::record::MemberAct::Withdraw { ground: "called home".into() });
    bench.does("estmark", "leaves", leaves);
    bench.suspends("norden");
    let refused = bench.handoff_refusal("sudria", "3", concludes(id));
    assert!(matches!(refused, HandoffRefusal::NotLead { .. }), "{refused}");
    bench.agrees_on("reinstatement", Change::Reinstate(name("norden")));
    bench.does("norden", "4", takes_over(id));
    assert_eq!(bench.lead(id), "norden");
}

#[test]
fn who_may_take_over_is_told_and_who_lost_the_lead_too() {
    let mut bench = relay();
    let id = bench.open();
    let now = bench.state.time();
    let told = |bench: &Bench, partner: &str, now: Time| {
        let inbox = bench.state.inbox(&name(partner), now);
        let passing = inbox.into_iter().filter(|it| matches!(it.what, Waits::TakeOver | Waits::TakenOver));
        passing.map(|it| (it.what, it.about, it.why)).collect::<Vec<_>>()
    };
    assert_eq!(told(&bench, "sudria", now), []);
    let later = now.plus(SILENT_MS);
    let why = format!("norden, which leads it, has not been heard since {}", crate::charter::show_time(now));
    assert_eq!(told(&bench, "sudria", later), [(Waits::TakeOver, Some(id), why)]);
    assert_eq!(told(&bench, "estmark", later), [], "the successor alone");
    bench.pass_time(SILENT_MS);
    bench.does("sudria", "1", takes_over(id));
    let at = bench.state.time();
    assert_eq!(told(&bench, "sudria", at), []);
    let why = format!("sudria has taken the lead over at {}", crate::charter::show_time(at));
    assert_eq!(told(&bench, "norden", at), [(Waits::TakenOver, Some(id), why)]);
    assert_eq!(told(&bench, "norden", at.plus(25 * HOUR_MS)), []);
    let word = bench.word("norden", id, Lead, Endorse);
    assert_eq!(
        bench.refusal(&word),
        HandoffRefusal::TakenOver { partner: name("norden"), by: name("sudria") }.into()
    );
}

#[test]
fn the_lead_passes_with_the_ordered_acceptance_and_not_before() {
    let mut bench = relay();
    let id = bench.open();
    let offered = bench.does("norden", "1", offers(id, LEAD, "sudria"));
    assert_eq!(bench.lead(id), "norden", "who offers answers for it until it is accepted");
    let asked =
        |bench: &Bench, partner| waits(bench, partner, bench.state.time()).contains(&(Waits::Answer, true));
    assert!(asked(&bench, "sudria") && !asked(&bench, "norden"));
    assert_eq!(
        bench.handoff_refusal("sudria", "x", offers(id, LEAD, "estmark")).to_string(),
        format!("norden leads {id}, not sudria")
    );
    let accepted = bench.does("sudria", "2", accepts(offered, &[]));
    assert_eq!(bench.lead(id), "sudria");
    assert!(!asked(&bench, "sudria"));
    let led = bench.state.operation(&id).expect("known").led;
    assert_eq!((led.by, led.index), (offered, bench.state.seen(&accepted).map(|seen| seen.index)));
    assert!(matches!(
        bench.handoff_refusal("sudria", "3", accepts(offered, &[])),
        HandoffRefusal::NotOpen { how: HandoffEnd::Accepted, .. }
    ));
    // It can be handed back, and on.
    let back = bench.does("sudria", "4", offers(id, LEAD, "norden"));
    bench.does("norden", "5", accepts(back, &[]));
    assert_eq!(bench.lead(id), "norden");
}

#[test]
fn nobody_is_asked_for_a_word_in_a_role_that_it_has_handed_over() {
    let mut charter = relay_charter();
    charter.operations[0].supporting.retain(|partner| *partner != name("norden"));
    let mut bench = Bench::new(found(charter));
    let id = bench.open();
    let asked = |bench: &Bench, partner| {
        let waiting = waits(bench, partner, bench.state.time());
        waiting.iter().any(|(what, _)| matches!(what, Waits::Attest | Waits::Veto))
    };
    let named = |bench: &Bench| {
        let view = bench.state.view(&id, bench.state.time()).expect("known");
        view.deficit.needs.iter().flat_map(|need| &need.from).any(|it| it.partner == name("norden"))
    };
    assert!(named(&bench) && asked(&bench, "norden"));
    let offered = bench.does("norden", "1", offers(id, LEAD, "sudria"));
    bench.does("sudria", "2", accepts(offered, &[]));
    assert!(!named(&bench), "{}", bench.deficit(id));
    assert!(asked(&bench, "sudria") && !asked(&bench, "norden"));
    // Who has said something in another role is named as the one who could move.
    let mut moves = bench.clone();
    moves.say("sudria", id, Supporting, Endorse);
    moves.say("estmark", id, Supporting, Endorse);
    assert!(moves.deficit(id).contains("sudria"), "{}", moves.deficit(id));
    // Nor for a veto that it has no role to use.
    bench.say("sudria", id, Lead, Endorse);
    bench.say("estmark", id, Supporting, Endorse);
    assert!(!asked(&bench, "norden"), "{}", bench.deficit(id));
}

#[test]
fn an_acceptance_that_misses_something_open_is_refused_and_says_what() {
    let mut bench = relay();
    let id = bench.open();
    let asset = bench.does("estmark", "1", declare("lift-7"));
    let lent = bench.does("estmark", "2", contribute(asset, id, Control::Lead(vec![name("sudria")])));
    let offered = bench.does("norden", "3", offers(id, LEAD, "sudria"));
    // Said at the same time as the acceptance, and ordered before it.
    let caveat = Attest {
        operation: id,
        role: Supporting,
        stance: Endorse,
        caveat: Some("daylight only".into()),
        evidence: vec![],
        supersedes: None,
    };
    let caveat = bench.does("estmark", "4", Act::Attest(caveat));
    let objection = bench.word("norden", id, Lead, Object);
    bench.apply(&objection);
    let objection = objection.record.id();
    let refusal = bench.handoff_refusal("sudria", "5", accepts(offered, &[lent, objection]));
    let HandoffRefusal::NotAcknowledged { missing, more: 0 } = &refusal else { panic!("{refusal}") };
    assert_eq!((missing.len(), missing[0].record, missing[0].kind), (1, caveat, ItemKind::Caveat));
    assert_eq!(
        refusal.to_string(),
        format!("it does not acknowledge the caveat of estmark ({caveat}); look again, then accept")
    );
    let all = bench.handoff_refusal("sudria", "6", accepts(offered, &[]));
    assert!(matches!(&all, HandoffRefusal::NotAcknowledged { missing, .. } if missing.len() == 3), "{all}");
    // What is no longer open may be acknowledged as well.
    bench.does("sudria", "7", accepts(offered, &[lent, objection, caveat, id]));
    assert_eq!(bench.lead(id), "sudria");
    let asset = bench.state.asset(&asset).expect("declared");
    assert_eq!(
        bench.state.controller(asset).as_str(),
        "sudria",
        "control passes as far as its owner granted"
    );
}

#[test]
fn many_open_items_are_acknowledged_by_their_digest() {
    let mut bench = relay();
    let id = bench.open();
    let offered = bench.does("norden", "1", offers(id, LEAD, "sudria"));
    for number in 0..MAX_ACKNOWLEDGED + 1 {
        let asset = bench.act("estmark", &format!("d{number}"), declare(&format!("lift-{number}")));
        bench.apply(&asset);
        let lent =
            bench.act("estmark", &format!("c{number}"), contribute(asset.record.id(), id, Control::Owner));
        assert_eq!(bench.apply(&lent).disposition, Disposition::Applied);
    }
    let open = bench.state.open_items(bench.state.operation(&id).expect("known"), Some(&offered));
    let items: Vec<RecordId> = open.iter().map(|item| item.record).collect();
    assert_eq!(items.len(), MAX_ACKNOWLEDGED + 1);
    assert!(items.is_sorted());
    let with = |acknowledges| Act::Handoff(HandoffAct::Accept(Accept { offer: offered, acknowledges }));
    let too_many = bench.act("sudria", "2", with(Acknowledged::Each(items.clone())));
    assert!(matches!(bench.refusal(&too_many), Refusal::TooLong { what: Part::Acknowledged, .. }));
    let mut unsorted = items[..3].to_vec();
    unsorted.reverse();
    assert_eq!(
        bench.handoff_refusal("sudria", "3", with(Acknowledged::Each(unsorted))),
        HandoffRefusal::Unsorted
    );
    let known = Acknowledged::of(items.clone());
    let other = Acknowledged::All(Acknowledged::digest(&items[1..]));
    let refusal = bench.handoff_refusal("sudria", "4", with(other));
    assert!(matches!(refusal, HandoffRefusal::OtherItems { open: 257, .. }), "{refusal}");
    bench.does("sudria", "5", with(known));
    assert_eq!(bench.lead(id), "sudria");
}

#[test]
fn an_offer_ends_by_decline_reclaim_time_or_with_its_operation() {
    let mut bench = relay();
    let id = bench.open();
    let first = bench.does("norden", "1", offers(id, LEAD, "sudria"));
    assert!(matches!(
        bench.handoff_refusal("norden", "2", offers(id, Handed::Whole, "estmark")),
        HandoffRefusal::OfferOpen { offer, .. } if offer == first
    ));
    bench.does("sudria", "3", declines(first));
    assert_eq!(bench.end(first), Some(HandoffEnd::Declined));
    let second = bench.does("norden", "4", offers(id, LEAD, "sudria"));
    assert_eq!(
        bench.handoff_refusal("estmark", "5", reclaims(second)),
        HandoffRefusal::NotOfferer { partner: name("estmark"), from: name("norden") }
    );
    bench.does("norden", "6", reclaims(second));
    assert!(matches!(
        bench.handoff_refusal("sudria", "7", accepts(second, &[])),
        HandoffRefusal::NotOpen { how: HandoffEnd::Reclaimed, .. }
    ));
    // The type bounds every offer; a shorter one ends earlier, also by the clock of whoever asks.
    let third = bench.does("norden", "8", offers(id, LEAD, "sudria"));
    let begun = bench.state.time();
    let late = bench.act("sudria", "9", accepts(third, &[]));
    assert!(bench.state.check(&late, begun.plus(HOUR_MS - 1)).is_ok());
    assert!(bench.state.check(&late, begun.plus(HOUR_MS)).is_err());
    assert_eq!(bench.state.deadlines().next(), Some((begun.plus(HOUR_MS), third)));
    bench.advance(begun.plus(HOUR_MS - 1));
    assert_eq!(bench.end(third), None);
    bench.advance(begun.plus(HOUR_MS + 5));
    bench.assert_root();
    let end = bench.state.handoff(&third).and_then(|it| it.end.clone()).expect("over");
    assert_eq!((end.how, end.at, end.index), (HandoffEnd::Expired, begun.plus(HOUR_MS), None));
    assert_eq!(bench.lead(id), "norden");
    let short = Offer { expires: Some(bench.state.time().plus(10)), ..offer(id, LEAD, "sudria") };
    let fourth = bench.does("norden", "10", Act::Handoff(HandoffAct::Offer(short.clone())));
    bench.pass_time(10);
    assert_eq!(bench.end(fourth), Some(HandoffEnd::Expired));
    let past = Act::Handoff(HandoffAct::Offer(short));
    assert!(matches!(bench.handoff_refusal("norden", "11", past), HandoffRefusal::AlreadyPast { .. }));
    // With the operation all that is open lapses.
    let role = bench.does("estmark", "12", offers(id, Handed::Role(Supporting), "sudria"));
    let closes = bench.state.operation(&id).expect("known").closes;
    bench.advance(Time(closes.0 - 1));
    let last = bench.does("norden", "13", offers(id, LEAD, "sudria"));
    bench.advance(closes);
    assert_eq!((bench.verdict(id), bench.end(last)), (Some(Verdict::Expired), Some(HandoffEnd::Lapsed)));
    assert_eq!(bench.end(role), Some(HandoffEnd::Expired));
    bench.assert_root();
    assert!(matches!(
        bench.handoff_refusal("norden", "14", offers(id, LEAD, "sudria")),
        HandoffRefusal::OperationOver { over: Over::Expired, .. }
    ));
}

#[test]
fn a_supporting_role_and_a_whole_operation_pass_with_what_was_said() {
    let mut bench = relay();
    let id = bench.open();
    bench.say("estmark", id, Supporting, Endorse);
    let role = Handed::Role(Supporting);
    let offered = bench.does("estmark", "1", offers(id, role, "sudria"));
    bench.does("sudria", "2", accepts(offered, &[]));
    let estmark = bench.state.operation(&id).and_then(|op| op.standing(&name("estmark")));
    assert!(estmark.is_some(), "what was said stays said");
    let again = attest(&bench.founded, "estmark", id, Supporting, Object, estmark.map(|said| said.record));
    assert_eq!(
        bench.refusal(&again),
        HandoffRefusal::HandedOver { partner: name("estmark"), role: Supporting }.into()
    );
    assert_eq!(
        bench.handoff_refusal("estmark", "3", offers(id, role, "norden")),
        HandoffRefusal::NotHeld { partner: name("estmark"), role: Supporting }
    );
    // The whole is the lead and the other role that norden has.
    let whole = bench.does("norden", "4", offers(id, Handed::Whole, "estmark"));
    bench.does("estmark", "5", accepts(whole, &[]));
    let operation = bench.state.operation(&id).expect("known");
    assert_eq!(operation.lead, name("estmark"));
    assert_eq!(operation.handed, [(Lead, name("norden")), (Supporting, name("norden"))]);
    let kind = bench.state.charter().kind("airlift").expect("declared");
    assert_eq!(operation.roles(kind, &name("estmark")), [Lead, Supporting]);
    assert_eq!(operation.roles(kind, &name("norden")), []);
}

#[test]
fn who_may_hand_over_what_to_whom() {
    let mut bench = relay();
    let id = bench.open();
    let word = bench.word("sudria", id, Supporting, Endorse);
    bench.apply(&word);
    let mut refused = |partner: &str, act: Act| bench.handoff_refusal(partner, "x", act).to_string();
    for (partner, act, says) in [
        (
            "norden",
            offers(id, LEAD, "vigil"),
            "vigil may not act as lead here: only estmark, norden or sudria may",
        ),
        ("norden", offers(id, LEAD, "norden"), "norden has it already"),
        ("norden", offers(id, LEAD, "nobody"), "nobody is no partner of this coalition"),
        ("vigil", offers(id, Handed::Role(Observing), "sudria"), "whoever watches answers for nothing"),
        ("vigil", offers(id, Handed::Role(Supporting), "sudria"), "vigil does not act as supporting here"),
        ("sudria", offers(id, Handed::Whole, "estmark"), "norden leads"),
        ("norden", begins(id, "rescue", "sudria"), "is not agreed"),
        ("norden", concludes(id), "is not agreed"),
        ("sudria", concludes(id), "norden leads"),
        ("sudria", accepts(word.record.id(), &[]), "is no offer of a handoff"),
    ] {
        let text = refused(partner, act);
        assert!(text.contains(says), "{text}");
    }
    for number in 0..MAX_OFFERS_PER_PARTNER {
        let offered = bench.act("norden", &format!("o{number}"), offers(id, LEAD, "sudria"));
        assert_eq!(bench.apply(&offered).disposition, Disposition::Applied);
        let back = bench.act("norden", &format!("r{number}"), reclaims(offered.record.id()));
        assert_eq!(bench.apply(&back).disposition, Disposition::Applied);
    }
    assert!(matches!(
        bench.handoff_refusal("norden", "more", offers(id, LEAD, "sudria")),
        HandoffRefusal::TooManyOffers { .. }
    ));
}

#[test]
fn only_the_successor_takes_over_and_only_from_a_silent_or_lapsed_lead() {
    let mut bench = relay();
    let id = bench.open();
    let opened = bench.state.time();
    let open = bench.does("norden", "0", offers(id, LEAD, "estmark"));
    assert_eq!(
        bench.handoff_refusal("estmark", "1", takes_over(id)),
        HandoffRefusal::NotSuccessor { partner: name("estmark"), successor: name("sudria") }
    );
    let early = bench.handoff_refusal("sudria", "1", takes_over(id));
    assert_eq!(
        early,
        HandoffRefusal::LeadAnswers {
            lead: name("norden"),
            silence: Some((opened, SILENT_MS)),
            lapsed: Some(UNTIL)
        }
    );
    assert!(early.to_string().contains("only 2 h of silence, from 2026-11-24T15:05"), "{early}");
    // Whatever the lead says anywhere, as long as it has an effect, shows that it is there.
    bench.pass_time(SILENT_MS - 1);
    let other = bench.open();
    bench.say("norden", other, Lead, Endorse);
    bench.pass_time(SILENT_MS - 1);
    let word = bench.word("norden", other, Lead, Object);
    assert!(matches!(bench.refusal(&word), Refusal::AlreadyAttested { .. }), "of no effect");
    assert!(matches!(
        bench.handoff_refusal("sudria", "2", takes_over(id)),
        HandoffRefusal::LeadAnswers { .. }
    ));
    bench.pass_time(1);
    assert_eq!(bench.end(open), Some(HandoffEnd::Expired));
    let taken = bench.does("sudria", "3", takes_over(id));
    assert_eq!((bench.lead(id).as_str(), bench.end(taken)), ("sudria", Some(HandoffEnd::Taken)));
    assert_eq!(
        bench.handoff_refusal("sudria", "4", takes_over(id)),
        HandoffRefusal::ToItself { partner: name("sudria") }
    );
    // By the lead's credential.
    let mut charter = relay_charter();
    charter.partners.iter_mut().filter(|it| it.name == name("norden")).for_each(|it| {
        it.credentials_until = CREATED.plus(HOUR_MS);
    });
    let mut bench = Bench::new(found(charter));
    let id = bench.open();
    bench.pass_time(HOUR_MS);
    let signed = bench.act("sudria", "1", takes_over(id));
    let mut context = bench.context("sudria");
    context.time = bench.state.time();
    assert_eq!(bench.state.apply(&context, &Body::Signed(signed)).disposition, Disposition::Applied);
    assert_eq!(bench.lead(id), "sudria");
}

#[test]
fn what_names_an_offer_that_has_not_come_waits_for_it() {
    let mut bench = relay();
    let opened = open(&bench.founded, "norden", "x");
    let offered = bench.act("norden", "1", offers(opened.record.id(), LEAD, "sudria"));
    let accepted = bench.act("sudria", "2", accepts(offered.record.id(), &[]));
    for (signed, awaits) in [(&accepted, offered.record.id()), (&offered, opened.record.id())] {
        assert_eq!(bench.apply(signed).disposition, Disposition::Parked { awaits });
    }
    let applied = bench.apply(&opened);
    assert!(applied.released.iter().all(|it| it.disposition == Disposition::Applied), "{applied:?}");
    assert_eq!((applied.released.len(), bench.lead(opened.record.id()).as_str()), (2, "sudria"));
    bench.assert_root();
}

#[test]
fn a_held_acceptance_is_tried_on_what_is_open_and_changes_nothing() {
    let mut bench = relay();
    let id = bench.open();
    let asset = bench.does("estmark", "1", declare("lift-7"));
    let lent = bench.does("estmark", "2", contribute(asset, id, Control::Owner));
    let offered = bench.does("norden", "3", offers(id, LEAD, "sudria"));
    let now = bench.state.time();
    let blind = bench.act("sudria", "4", accepts(offered, &[]));
    let refused = bench.state.provisional(std::slice::from_ref(&blind), now).refused;
    assert!(
        matches!(&refused[..], [(_, Refusal::Handoff(HandoffRefusal::NotAcknowledged { .. }))]),
        "{refused:?}"
    );
    let seeing = bench.act("sudria", "5", accepts(offered, &[lent]));
    assert_eq!(bench.state.provisional(&[seeing], now).refused, []);
    assert_eq!(bench.lead(id), "norden");
}
