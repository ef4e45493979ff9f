//! Integrity events are confirmed by proof or by independent partners alone, and no flood loses one.

use entente_hbbft::Seat;

use super::evidence::{fork, frames};
use super::inbox::waits;
use super::members::propose;
use super::*;
use crate::charter::{IntegrityRules, Response};
use crate::coalition::{
    Author, EventStatus, IntegrityEvent, IntegrityRefusal, MAX_EVENTS_PER_NODE, MAX_EVENTS_PER_PARTNER,
    Membership, Waits, incident_id, proved_id,
};
use crate::evidence::Subject;
use crate::feed::FeedKey;
use crate::identity::{EvidenceId, PublicKey};
use crate::record::{
    Confirm, EventKind, Incident, IntegrityAct, MAX_COMMITMENTS, Matter, Measure, Report, Vote, Withdraw,
};

mod property;
mod shown;

pub(super) fn matter(kind: EventKind, against: Option<&str>, key: Option<PublicKey>) -> Matter {
    Matter { kind, against: against.map(name), key, victim: None }
}

pub(super) fn report_of(matter: Matter, proof: Option<EvidenceId>) -> Act {
    let text = "it called itself norden".to_owned();
    Act::Integrity(IntegrityAct::Report(Report {
        matter,
        text,
        evidence: vec![],
        proof,
        since: None,
        shown: None,
    }))
}

fn report(kind: EventKind, against: &str) -> Act {
    report_of(matter(kind, Some(against), None), None)
}

pub(super) fn confirm(event: RecordId) -> Act {
    Act::Integrity(IntegrityAct::Confirm(Confirm { event, ground: Some("seen here too".into()) }))
}

pub(super) fn withdraw(event: RecordId) -> Act {
    Act::Integrity(IntegrityAct::Withdraw(Withdraw { event, ground: Some("a mistake".into()) }))
}

pub(super) fn vote(event: RecordId, measure: Measure) -> Act {
    Act::Integrity(IntegrityAct::Vote(Vote { event, measure, ground: None }))
}

fn incident(matter: Matter, count: u64) -> Body {
    let (first, last) = (CREATED, CREATED.plus(count));
    Body::Incident(Box::new(Incident { matter, text: "refused".into(), count, first, last, shown: None }))
}

fn node_of(partner: &str) -> PublicKey {
    key(partner, "node").public()
}

fn rules(responses: &[Response], lift_votes: u32) -> IntegrityRules {
    let mut rules = IntegrityRules { lift_votes, ..IntegrityRules::default() };
    rules.responses.impersonation = responses.to_vec();
    rules.responses.equivocation = responses.to_vec();
    rules
}

impl Bench {
    fn with_integrity(rules: IntegrityRules) -> Self {
        let mut charter = charter(&FOUR);
        charter.integrity = rules;
        charter.sort();
        Self::new(found(charter))
    }

    fn on_event(&self, partner: &str, act: Act) -> SignedRecord {
        record(&self.founded, partner, &format!("integrity {}", self.index), act)
    }

    fn files(&mut self, partner: &str, act: Act) -> RecordId {
        let signed = self.on_event(partner, act);
        assert_eq!(self.apply(&signed).disposition, Disposition::Applied);
        self.assert_root();
        signed.record.id()
    }

    fn may_not(&mut self, partner: &str, act: Act) -> IntegrityRefusal {
        let signed = self.on_event(partner, act);
        match self.refusal(&signed) {
            Refusal::Integrity(refusal) => refusal,
            other => panic!("{other}"),
        }
    }

    fn node_says(&mut self, partner: &str, body: &Body) -> Applied {
        let context = self.context(partner);
        self.state.apply_bytes(&context, &body.encode())
    }

    fn event(&self, id: RecordId) -> &IntegrityEvent {
        self.state.event_of(&id).expect("an event")
    }
}

#[test]
fn an_accusation_alone_changes_nothing_and_another_partner_confirms_it() {
    let mut bench = Bench::with_integrity(rules(&[Response::Alert, Response::Quarantine], 2));
    let officer = key("sudria", "officer").public();
    let accused = matter(EventKind::Impersonation, Some("sudria"), Some(officer));
    let event = bench.files("norden", report_of(accused, None));
    let view = bench.state.event_view(bench.event(event));
    assert_eq!((view.status.as_str(), view.urgent, view.missing), ("preliminary", true, 1));
    assert_eq!(
        view.explanation,
        "needs 1 more of estmark or vigil to confirm it; nothing follows from it until then"
    );
    assert_eq!(view.holder, Some(name("sudria")));
    let asked =
        |bench: &Bench, partner| waits(bench, partner, bench.state.time()).contains(&(Waits::Confirm, true));
    assert!(asked(&bench, "vigil") && !asked(&bench, "norden") && !asked(&bench, "sudria"));
    let operation = bench.open();
    bench.say("sudria", operation, Supporting, Endorse);
    assert!(matches!(bench.may_not("norden", confirm(event)), IntegrityRefusal::OwnReport { .. }));
    bench.files("vigil", confirm(event));
    assert!(!asked(&bench, "estmark"));
    let since = bench.index;
    assert_eq!(bench.state.quarantined(&officer), Some((event, since)));
    let view = bench.state.event_view(bench.event(event));
    assert_eq!((view.status.as_str(), view.settled_index), ("confirmed", Some(since)));
    assert!(view.explanation.starts_with(&format!("confirmed by norden and vigil at index {since}")));
    // What was said before stands; what it says later has no effect.
    let standing = bench.state.operation(&operation).and_then(|it| it.standing(&name("sudria")));
    assert_eq!(standing.map(|said| said.stance), Some(Endorse));
    let later = bench.on_event("sudria", report(EventKind::Flood, "norden"));
    let quarantined = IntegrityRefusal::Quarantined { key: officer, event, since };
    assert_eq!(bench.refusal(&later), quarantined.into());
    bench.files("estmark", confirm(event));
    assert_eq!(bench.state.quarantined(&officer), Some((event, since)), "a further word changes nothing");
}

#[test]
fn a_quarantined_node_carries_nothing_until_the_declared_vote_lifts_it() {
    let mut bench = Bench::with_integrity(rules(&[Response::Quarantine], 2));
    let node = node_of("sudria");
    let event = bench.files("norden", report_of(matter(EventKind::Impersonation, None, Some(node)), None));
    assert!(bench.state.may_speak(&node, bench.state.time()));
    bench.files("estmark", confirm(event));
    let since = bench.index;
    let note = Body::Note(b"still here".to_vec());
    let refused = Disposition::Refused(IntegrityRefusal::Quarantined { key: node, event, since }.into());
    assert_eq!(bench.node_says("sudria", &note).disposition, refused);
    assert!(!bench.state.may_speak(&node, bench.state.time()));
    // Its officers speak on, through whoever carries them; on this event they have no say.
    let says = bench.may_not("sudria", vote(event, Measure::Lift));
    assert_eq!(says, IntegrityRefusal::IsSubject { partner: name("sudria"), event });
    bench.files("vigil", vote(event, Measure::Lift));
    assert_eq!(bench.node_says("sudria", &note).disposition, refused);
    assert_eq!(
        bench.may_not("vigil", vote(event, Measure::Lift)),
        IntegrityRefusal::AlreadySaid { partner: name("vigil"), event }
    );
    bench.files("estmark", vote(event, Measure::Lift));
    let lifted = bench.index;
    assert_eq!(bench.node_says("sudria", &note).disposition, Disposition::Applied);
    assert_eq!(
        bench.may_not("norden", vote(event, Measure::Lift)),
        IntegrityRefusal::Lifted { event, index: lifted }
    );
    let mut bench = Bench::with_integrity(rules(&[Response::Quarantine], 0));
    let event = bench.files("norden", report_of(matter(EventKind::Impersonation, None, Some(node)), None));
    bench.files("estmark", confirm(event));
    assert_eq!(
        bench.may_not("norden", vote(event, Measure::Lift)),
        IntegrityRefusal::NotDeclared { kind: EventKind::Impersonation, measure: Measure::Lift },
        "undone only as declared"
    );
}

#[test]
fn a_partner_is_suspended_by_the_votes_that_the_charter_declares() {
    let declared = IntegrityRules {
        voters: ["estmark", "norden", "sudria"].map(name).to_vec(),
        ..rules(&[Response::Suspend], 2)
    };
    let mut bench = Bench::with_integrity(declared);
    let event = bench.files("vigil", report(EventKind::Impersonation, "sudria"));
    assert_eq!(
        bench.may_not("norden", vote(event, Measure::Suspend)),
        IntegrityRefusal::NotConfirmed { event }
    );
    bench.files("norden", confirm(event));
    assert!(matches!(
        bench.may_not("vigil", vote(event, Measure::Suspend)),
        IntegrityRefusal::MayNotVote { .. }
    ));
    assert_eq!(
        bench.may_not("norden", vote(event, Measure::Lift)),
        IntegrityRefusal::NothingToLift { event }
    );
    bench.files("norden", vote(event, Measure::Suspend));
    assert_eq!(bench.state.suspensions().count(), 0);
    bench.files("estmark", vote(event, Measure::Suspend));
    let suspensions: Vec<_> = bench.state.suspensions().collect();
    let [only] = suspensions.as_slice() else { panic!("{suspensions:?}") };
    assert_eq!((only.partner.as_str(), only.event, only.since), ("sudria", event, bench.index));
    let member = |bench: &Bench| bench.state.member(&name("sudria")).into_owned();
    assert_eq!(member(&bench).membership, Membership::Suspended);
    assert_eq!(member(&bench).changed.map(|changed| changed.by), Some(event));
    let word = open(&bench.founded, "sudria", "meanwhile");
    assert!(matches!(bench.refusal(&word), Refusal::Member(_)));
    // It may still report; its word does not count.
    let told = bench.files("sudria", report(EventKind::Withholding, "vigil"));
    assert_eq!(bench.state.event_view(bench.event(told)).missing, 2);
    bench.files("norden", confirm(told));
    assert!(!bench.event(told).is_confirmed());
    bench.files("estmark", confirm(told));
    assert!(bench.event(told).is_confirmed());
    for voter in ["norden", "estmark"] {
        bench.files(voter, vote(event, Measure::Lift));
    }
    assert_eq!(member(&bench).membership, Membership::Active);
    assert_eq!(bench.state.suspensions().count(), 0);
    // Not declared for this kind, or nobody named.
    let flood = bench.files("vigil", report(EventKind::Flood, "sudria"));
    let unknown = bench.files("vigil", report_of(Matter::unknown(EventKind::Impersonation), None));
    for event in [flood, unknown] {
        bench.files("norden", confirm(event));
        assert!(matches!(
            bench.may_not("norden", vote(event, Measure::Suspend)),
            IntegrityRefusal::NotDeclared { measure: Measure::Suspend, .. }
        ));
    }
}

#[test]
fn a_suspension_that_has_ended_otherwise_is_not_lifted_once_more() {
    let mut bench = Bench::with_integrity(rules(&[Response::Suspend], 2));
    let event = bench.files("vigil", report(EventKind::Impersonation, "sudria"));
    bench.files("norden", confirm(event));
    for voter in ["norden", "estmark"] {
        bench.files(voter, vote(event, Measure::Suspend));
    }
    bench.files("norden", vote(event, Measure::Lift));
    let back = bench.does("norden", "back", propose("reinstatement", Change::Reinstate(name("sudria"))));
    for partner in ["norden", "estmark", "vigil"] {
        if bench.verdict(back).is_none() {
            bench.say(partner, back, Supporting, Endorse);
        }
    }
    assert_eq!(bench.state.membership(&name("sudria")), Membership::Active);
    assert_eq!(
        bench.may_not("estmark", vote(event, Measure::Lift)),
        IntegrityRefusal::NothingToLift { event }
    );
    let told = bench.state.event_view(bench.event(event)).explanation;
    assert!(told.contains("sudria was suspended by vote") && !told.contains("that ended"), "{told}");
}

#[test]
fn ordered_evidence_confirms_at_once_what_is_against_its_author_and_nothing_else() {
    let mut bench = Bench::with_integrity(rules(&[Response::Alert], 2));
    let evidence = Subject::Feed(node_feed("sudria")).id();
    let of =
        |against: Option<&str>, key| report_of(matter(EventKind::Equivocation, against, key), Some(evidence));
    let before = bench.files("norden", of(Some("sudria"), None));
    let another = bench.files("norden", of(Some("vigil"), None));
    let nobody = bench.files("norden", of(None, None));
    let early = bench.on_event("estmark", confirm(proved_id(&evidence)));
    let awaits = proved_id(&evidence);
    assert_eq!(bench.apply(&early).disposition, Disposition::Parked { awaits });
    let proof = fork(&bench, "sudria");
    let applied = bench.node_says("norden", &proof);
    assert_eq!(applied.disposition, Disposition::Applied);
    assert_eq!(applied.released.len(), 1);
    bench.assert_root();
    let index = bench.index;
    let proved = bench.event(awaits);
    assert_eq!((&proved.author, proved.matter.against.clone()), (&Author::Proof, Some(name("sudria"))));
    assert_eq!((proved.matter.key, proved.reporter.as_str()), (Some(node_of("sudria")), "norden"));
    assert_eq!(bench.state.find_event(&evidence.to_string()), Ok(awaits));
    let status = |bench: &Bench, id| bench.event(id).status.clone();
    let confirmed = EventStatus::Confirmed { index, at: bench.state.time(), by_proof: true };
    assert_eq!((status(&bench, awaits), status(&bench, before)), (confirmed.clone(), confirmed));
    for id in [another, nobody] {
        assert_eq!(status(&bench, id), EventStatus::Preliminary);
    }
    let after = bench.files("vigil", of(Some("sudria"), Some(node_of("sudria"))));
    assert!(bench.event(after).is_confirmed());
    let wrong_key = bench.files("vigil", of(Some("sudria"), Some(node_of("norden"))));
    assert!(!bench.event(wrong_key).is_confirmed());
    assert!(matches!(bench.may_not("norden", withdraw(awaits)), IntegrityRefusal::NotReporter { .. }));
    // Saying it again makes no second event.
    let count = bench.state.events().count();
    let again = bench.node_says("estmark", &fork(&bench, "sudria"));
    assert_eq!(again.disposition, Disposition::Duplicate { first: index });
    assert_eq!(bench.state.events().count(), count);
    let seat = bench.founded.seat_index(&key("vigil", "seat").public()).expect("a seat");
    let proof = frames(&bench.founded.coalition(), "vigil", seat, [1, 2]);
    assert_eq!(bench.node_says("norden", &proof).disposition, Disposition::Applied);
    let event = bench.event(proved_id(&Subject::Seat(Seat(seat as u16)).id()));
    assert_eq!((event.matter.against.clone(), event.is_confirmed()), (Some(name("vigil")), true));
}

#[test]
fn every_mistake_has_its_own_refusal() {
    let mut bench = Bench::four();
    let operation = bench.open();
    assert_eq!(
        bench.may_not("norden", confirm(operation)),
        IntegrityRefusal::NotAnEvent { named: operation }
    );
    assert_eq!(
        bench.may_not("norden", report(EventKind::Flood, "nobody")),
        IntegrityRefusal::UnknownPartner { named: name("nobody") }
    );
    let event = bench.files("norden", report(EventKind::Withholding, "sudria"));
    assert_eq!(
        bench.may_not("estmark", withdraw(event)),
        IntegrityRefusal::NotReporter { partner: name("estmark"), reporter: name("norden"), event }
    );
    bench.files("norden", withdraw(event));
    let index = bench.index;
    assert_eq!(bench.may_not("norden", withdraw(event)), IntegrityRefusal::Withdrawn { event, index });
    assert_eq!(bench.may_not("estmark", confirm(event)), IntegrityRefusal::Withdrawn { event, index });
    // Reported anew it is open again, and nobody's word of before counts.
    bench.files("norden", report(EventKind::Withholding, "sudria"));
    assert_eq!((bench.event(event).status.clone(), bench.event(event).count), (EventStatus::Preliminary, 2));
    bench.files("estmark", confirm(event));
    let index = bench.index;
    assert_eq!(
        bench.may_not("estmark", confirm(event)),
        IntegrityRefusal::AlreadySaid { partner: name("estmark"), event }
    );
    assert_eq!(bench.may_not("norden", withdraw(event)), IntegrityRefusal::Confirmed { event, index });
    let long = Report {
        matter: Matter::unknown(EventKind::Flood),
        text: String::new(),
        evidence: vec![Hash::default(); MAX_COMMITMENTS + 1],
        proof: None,
        since: None,
        shown: None,
    };
    let signed = bench.on_event("norden", Act::Integrity(IntegrityAct::Report(long)));
    assert!(matches!(bench.refusal(&signed), Refusal::TooLong { .. }));
    let refused = |refusal: IntegrityRefusal| Disposition::Refused(refusal.into());
    let flood = matter(EventKind::Flood, Some("sudria"), None);
    for (body, refusal) in [
        (incident(flood.clone(), 0), IntegrityRefusal::Uncounted),
        (
            incident(matter(EventKind::ForcedDisclosure, None, None), 1),
            IntegrityRefusal::NotSeenByNodes { kind: EventKind::ForcedDisclosure },
        ),
        (
            incident(matter(EventKind::Flood, Some("nobody"), None), 1),
            IntegrityRefusal::UnknownPartner { named: name("nobody") },
        ),
    ] {
        assert_eq!(bench.node_says("norden", &body).disposition, refused(refusal));
    }
    let back =
        Incident { matter: flood, text: String::new(), count: 1, first: UNTIL, last: CREATED, shown: None };
    let back = Body::Incident(Box::new(back));
    assert_eq!(bench.node_says("norden", &back).disposition, refused(IntegrityRefusal::Uncounted));
}

#[test]
fn a_nodes_word_opens_an_event_that_officers_confirm_and_its_partner_withdraws() {
    let mut bench = Bench::four();
    let seen = matter(EventKind::Impersonation, None, Some(stranger()));
    let event = incident_id(&node_of("norden"), &seen);
    let early = bench.on_event("sudria", confirm(event));
    assert_eq!(bench.apply(&early).disposition, Disposition::Parked { awaits: event });
    let applied = bench.node_says("norden", &incident(seen.clone(), 3));
    assert_eq!(
        applied.released.iter().map(|it| &it.disposition).collect::<Vec<_>>(),
        [&Disposition::Applied]
    );
    bench.node_says("norden", &incident(seen.clone(), 4));
    assert_eq!((bench.event(event).count, bench.event(event).last), (7, CREATED.plus(4)));
    // The node's own word does not count; its officer's does.
    assert!(!bench.event(event).is_confirmed());
    let other = bench.node_says("vigil", &incident(seen.clone(), 1));
    assert_eq!(other.disposition, Disposition::Applied);
    let of_vigil = incident_id(&node_of("vigil"), &seen);
    assert!(!bench.event(event).is_confirmed() && !bench.event(of_vigil).is_confirmed());
    bench.files("norden", confirm(event));
    assert!(bench.event(event).is_confirmed());
    bench.files("vigil", withdraw(of_vigil));
    bench.node_says("vigil", &incident(seen, 1));
    assert_eq!((bench.event(of_vigil).count, bench.event(of_vigil).status.name()), (2, "preliminary"));
    bench.assert_root();
}

#[test]
fn what_is_held_is_shown_as_it_would_be() {
    let mut bench = Bench::four();
    let ordered = bench.files("norden", report(EventKind::Flood, "sudria"));
    let signed = bench.on_event("vigil", confirm(ordered));
    let seen = matter(EventKind::Impersonation, None, Some(stranger()));
    let held =
        [(node_feed("vigil"), Body::Signed(signed)), (node_feed("estmark"), incident(seen.clone(), 2))];
    let views = bench.state.provisional_events(&held, bench.state.time());
    let of = |id| views.iter().find(|view| view.id == id).expect("shown");
    let flood = of(ordered);
    assert_eq!((flood.status.as_str(), flood.index, flood.settled_index), ("confirmed", Some(1), None));
    assert!(flood.explanation.contains("(not ordered yet)"), "{}", flood.explanation);
    let new = of(incident_id(&node_of("estmark"), &seen));
    assert_eq!((new.index, new.count, new.reporter.as_str()), (None, 2, "estmark"));
    assert_eq!(bench.state.events().count(), 1, "nothing has changed");
}

#[test]
fn a_flood_of_reports_displaces_what_was_withdrawn_and_is_refused_beyond() {
    let mut bench = Bench::four();
    let of = |number: usize| {
        let key = key("stranger", &number.to_string()).public();
        report_of(matter(EventKind::Impersonation, None, Some(key)), None)
    };
    let ids: Vec<RecordId> = (0..MAX_EVENTS_PER_PARTNER)
        .map(|number| {
            let signed = bench.on_event("norden", of(number));
            assert_eq!(bench.apply(&signed).disposition, Disposition::Applied);
            signed.record.id()
        })
        .collect();
    let most = MAX_EVENTS_PER_PARTNER as u64;
    let too_many = IntegrityRefusal::TooMany { partner: name("norden"), most };
    assert_eq!(bench.may_not("norden", of(MAX_EVENTS_PER_PARTNER)), too_many);
    bench.files("norden", of(5));
    assert_eq!(bench.event(ids[5]).count, 2, "of a matter that is known");
    bench.files("estmark", of(MAX_EVENTS_PER_PARTNER));
    for id in [ids[7], ids[3]] {
        bench.files("norden", withdraw(id));
    }
    bench.files("norden", of(MAX_EVENTS_PER_PARTNER + 1));
    assert!(bench.state.event_of(&ids[7]).is_none() && bench.state.event_of(&ids[3]).is_some());
    bench.files("norden", of(MAX_EVENTS_PER_PARTNER + 2));
    assert_eq!(bench.may_not("norden", of(MAX_EVENTS_PER_PARTNER + 3)), too_many);
}

#[test]
fn no_flood_of_incidents_loses_one_or_takes_more_room_than_its_limits() {
    for seed in 0..8 {
        let mut rng = Rng::new(seed);
        let mut bench = Bench::four();
        let mut said: BTreeMap<(&str, EventKind), u64> = BTreeMap::new();
        let kinds: Vec<EventKind> =
            EventKind::ALL.into_iter().filter(|kind| kind.is_seen_by_nodes()).collect();
        for _ in 0..400 {
            let partner = FOUR[rng.below(2) as usize];
            let kind = kinds[rng.below(kinds.len() as u64) as usize];
            let known = key("stranger", &rng.below(40).to_string()).public();
            let about = match rng.below(9) {
                0 => Matter::unknown(kind),
                1 => matter(kind, Some(FOUR[rng.below(4) as usize]), None),
                _ => matter(kind, None, Some(known)),
            };
            let count = 1 + rng.below(1000);
            let body = incident(about, count);
            assert_eq!(bench.node_says(partner, &body).disposition, Disposition::Applied);
            *said.entry((partner, kind)).or_default() += count;
        }
        let mut counted: BTreeMap<(&str, EventKind), u64> = BTreeMap::new();
        let mut rows: BTreeMap<&str, usize> = BTreeMap::new();
        for event in bench.state.events() {
            let partner = FOUR.into_iter().find(|it| *it == event.reporter.as_str()).expect("one of them");
            *counted.entry((partner, event.matter.kind)).or_default() += event.count;
            *rows.entry(partner).or_default() += 1;
            assert!(event.crowded <= event.count);
        }
        assert_eq!(counted, said, "seed {seed}");
        assert!(rows.values().all(|rows| *rows <= MAX_EVENTS_PER_NODE + kinds.len()), "{rows:?}");
        assert!(bench.state.events().any(|event| event.crowded > 0));
        bench.assert_root();
    }
}

/// Who stands behind an event, by the words of the documentation: kept beside the state and compared with it.
#[derive(Default, Clone)]
struct Shadow {
    /// Who named it, or holds the key that it names.
    subjects: BTreeSet<&'static str>,
    reporter: &'static str,
    /// Whose officers said that it happened.
    voices: BTreeSet<&'static str>,
    /// A proof was ordered against exactly whom it names.
    proved: bool,
    /// The evidence referred to, and whether its author is whom the event names.
    refers: Option<(&'static str, bool)>,
    withdrawn: bool,
    confirmed: bool,
    /// Whether partners confirmed it, so that something follows from it that does not from the evidence already.
    follows: bool,
}

#[test]
fn who_may_be_reported_needs_no_key_and_feeds_of_others_are_left_alone() {
    let mut bench = Bench::with_integrity(rules(&[Response::Quarantine], 2));
    let event = bench.files("norden", report(EventKind::Impersonation, "sudria"));
    bench.files("vigil", confirm(event));
    assert!(bench.event(event).is_confirmed());
    let note = Body::Note(b"here".to_vec());
    let feed = FeedKey { lane: Lane::Flash, ..node_feed("sudria") };
    let context = ApplyContext { feed, ..bench.context("sudria") };
    assert_eq!(bench.state.apply(&context, &note).disposition, Disposition::Applied, "no key is named");
}
