//! What was shown is kept, bounded and recomputed, and convicts nobody.

use super::*;
use crate::charter::MAX_TEXT_TIME;
use crate::coalition::tests::keys::{direct, grant, revoke};
use crate::coalition::{ExhibitView, Part, ShownView};
use crate::credential::{Capability, Chain, Delegation, Target};
use crate::identity::SecretKey;
use crate::ledger::cosignature::TreeHead;
use crate::record::{Exhibit, MAX_SHOWN_BYTES, Shown};

fn carrying(matter: Matter, count: u64, shown: Shown) -> Body {
    let (text, first, last) = ("refused".to_owned(), CREATED, CREATED.plus(count));
    Body::Incident(Box::new(Incident { matter, text, count, first, last, shown: Some(shown) }))
}

fn of_key(key: &SecretKey) -> Matter {
    Matter { victim: Some(name("sudria")), ..matter(EventKind::Impersonation, None, Some(key.public())) }
}

/// A credential of `subject` as a node of `partner`, by any issuer.
fn made(bench: &Bench, issuer: &SecretKey, subject: &SecretKey, partner: &str, until: Time) -> Chain {
    let (root, to) = (issuer.public(), subject.public());
    let coalition = bench.founded.coalition();
    let link = Delegation::direct(coalition, root, to, name(partner), Capability::Node, until);
    Chain(vec![link.sign(issuer)])
}

fn committed(length: u64) -> Shown {
    Shown::Commitment { exhibit: Exhibit::Credential, digest: hash("test/shown", &[]), length }
}

impl Bench {
    /// What norden's node files of a key that presented this; it changes nothing but the list of events.
    fn sees(&mut self, presenter: &SecretKey, chain: &Chain) -> ShownView {
        let seen = of_key(presenter);
        let id = incident_id(&node_of("norden"), &seen);
        let body = carrying(seen, 1, Shown::Credential(chain.clone()));
        assert_eq!(self.node_says("norden", &body).disposition, Disposition::Applied);
        self.assert_root();
        let event = self.event(id);
        assert_eq!((&event.status, event.confirmed.len()), (&EventStatus::Preliminary, 0));
        assert_eq!(self.state.quarantined(&presenter.public()), None);
        let view = self.state.event_view(event).shown.expect("is carried");
        assert!(view.limits.contains("it does not prove who presented it"), "{}", view.limits);
        assert!(view.limits.contains("the word of norden alone, and convicts nobody"), "{}", view.limits);
        view
    }
}

fn holds(view: &ShownView) -> bool {
    matches!(view.exhibit, ExhibitView::Credential { holds: true, .. })
}

#[test]
fn what_a_credential_proves_is_recomputed_from_its_bytes() {
    let mut bench = Bench::with_integrity(rules(&[Response::Quarantine], 2));
    let (stranger, root) = (key("stranger", "node"), key("sudria", "root"));
    let late = |name| key("late", name);
    let cases: [(SecretKey, Chain, &[&str]); 7] = [
        (
            late("copied"),
            made(&bench, &stranger, &late("copied"), "sudria", Time(CREATED.0 - 1)),
            &["copies the name of sudria", "nobody's root in the charter", "it expired at", "had granted it"],
        ),
        (
            late("stale"),
            made(&bench, &root, &late("stale"), "sudria", Time(CREATED.0 - 1)),
            &["it expired at", "neither the founding nor the log had granted it"],
        ),
        (
            late("other"),
            made(&bench, &key("vigil", "root"), &late("other"), "sudria", UNTIL),
            &["it copies the name of sudria, and is issued by the root of vigil"],
        ),
        (
            late("nobody"),
            made(&bench, &root, &late("nobody"), "nobody", UNTIL),
            &["nobody was not an active partner of this coalition"],
        ),
        (
            late("foreign"),
            {
                let mut link = made(&bench, &root, &late("foreign"), "sudria", UNTIL).0[0].delegation.clone();
                link.coalition = crate::identity::CoalitionId(hash("test/other", &[]));
                Chain(vec![link.sign(&root)])
            },
            &["not here"],
        ),
        (
            late("forged"),
            {
                let mut chain = made(&bench, &root, &late("forged"), "sudria", UNTIL);
                chain.0[0].signature = stranger.sign("else", b"else");
                chain
            },
            &["it names the root of sudria, whose signature or another does not hold"],
        ),
        (late("empty"), Chain(vec![]), &["a credential without a link"]),
    ];
    for (presenter, chain, words) in cases {
        let view = bench.sees(&presenter, &chain);
        for word in words {
            assert!(view.proves.contains(word), "{word:?} is not in {}", view.proves);
        }
        assert!(!holds(&view) && !view.proves.contains("another key"), "{}", view.proves);
        let ExhibitView::Credential { chain: carried, .. } = view.exhibit else { panic!("a credential") };
        assert_eq!(carried, chain);
    }
    // The node's own words for it are no better than an officer's.
    for partner in FOUR {
        assert!(bench.state.is_active(&name(partner)));
    }
}

#[test]
fn a_true_credential_holds_until_its_key_is_revoked_and_a_later_revocation_changes_no_event() {
    let mut bench = Bench::four();
    let founded = bench.founded.clone();
    let node = key("sudria", "node-2");
    let chain = direct(&founded, &node, Capability::Node);
    let presented = |name| key("late", name);
    let early = bench.sees(&presented("early"), &chain);
    assert!(early.proves.contains("had granted it") && !holds(&early), "{}", early.proves);
    assert!(early.proves.contains("another key"), "{}", early.proves);
    bench.files("norden", grant(&chain));
    let held = bench.sees(&presented("held"), &chain);
    assert!(held.proves.contains(&format!("it held as of index {}", bench.index)), "{}", held.proves);
    assert!(held.proves.contains("its key carried records for sudria") && holds(&held), "{}", held.proves);
    bench.files("norden", revoke(&founded, &key("sudria", "root"), Target::Key(node.public())));
    let index = bench.index;
    let revoked = bench.sees(&node, &chain);
    assert!(revoked.proves.contains(&format!("its key was revoked at index {index}")), "{}", revoked.proves);
    assert!(!revoked.proves.contains("another key"));
    let event = bench.event(incident_id(&node_of("norden"), &of_key(&presented("held"))));
    assert_eq!(bench.state.shown_view(event).expect("is kept"), held, "as of when it was seen");
}

#[test]
fn what_is_shown_late_is_judged_as_of_then_by_batch_time_whatever_the_reporters_clock() {
    let mut bench = Bench::four();
    let founded = bench.founded.clone();
    let node = key("sudria", "node-2");
    let chain = direct(&founded, &node, Capability::Node);
    bench.files("norden", grant(&chain));
    // The event is older than the revocation, what was shown is not.
    let seen = of_key(&node);
    let id = incident_id(&node_of("norden"), &seen);
    bench.node_says("norden", &incident(seen.clone(), 1));
    bench.files("norden", revoke(&founded, &key("sudria", "root"), Target::Key(node.public())));
    let index = bench.index;
    bench.node_says("norden", &carrying(seen, 1, Shown::Credential(chain)));
    let late = bench.state.shown_view(bench.event(id)).expect("is kept");
    assert!(late.proves.contains(&format!("its key was revoked at index {index}")), "{}", late.proves);
    assert!(!holds(&late));
    // A good one, whose reporter says that it saw it long after its end, and long before its beginning.
    let good = direct(&founded, &key("sudria", "node-3"), Capability::Node);
    bench.files("norden", grant(&good));
    for (number, when) in [Time(0), Time(u64::MAX)].into_iter().enumerate() {
        let seen = of_key(&key("late", &format!("clock {number}")));
        let id = incident_id(&node_of("norden"), &seen);
        let shown = Some(Shown::Credential(good.clone()));
        let told =
            Incident { matter: seen, text: "refused".into(), count: 1, first: when, last: when, shown };
        assert_eq!(
            bench.node_says("norden", &Body::Incident(Box::new(told))).disposition,
            Disposition::Applied
        );
        let view = bench.state.shown_view(bench.event(id)).expect("is kept");
        assert!(holds(&view), "{}", view.proves);
    }
    bench.assert_root();
}

#[test]
fn what_is_read_from_the_wire_can_be_read_from_its_text() {
    let mut bench = Bench::four();
    let (stranger, root) = (key("late", "far"), key("sudria", "root"));
    for (until, reads) in [(MAX_TEXT_TIME, true), (Time(MAX_TEXT_TIME.0 + 1), false), (Time(u64::MAX), false)]
    {
        let chain = made(&bench, &root, &stranger, "sudria", until);
        assert_eq!(Chain::decode(&chain.encode()).is_ok(), reads, "{until}");
        let mut link = made(&bench, &root, &stranger, "sudria", UNTIL).0[0].delegation.clone();
        link.not_before = Some(until);
        assert_eq!(Chain::decode(&Chain(vec![link.sign(&root)]).encode()).is_ok(), reads, "{until}");
    }
    let chain = made(&bench, &root, &stranger, "sudria", MAX_TEXT_TIME);
    let view = bench.sees(&stranger, &chain);
    let text = toml::to_string(&view).expect("a view");
    assert_eq!(toml::from_str::<ShownView>(&text).expect("as it was written"), view);
}

#[test]
fn the_first_that_was_shown_is_kept_and_what_is_merged_is_counted() {
    let mut bench = Bench::four();
    let (one, other) = (key("late", "one"), key("late", "other"));
    let (seen, root) = (of_key(&one), key("sudria", "root"));
    let id = incident_id(&node_of("norden"), &seen);
    let first = Shown::Credential(made(&bench, &root, &one, "sudria", UNTIL));
    let second = Shown::Credential(made(&bench, &root, &other, "sudria", UNTIL));
    bench.node_says("norden", &incident(seen.clone(), 2));
    assert_eq!(bench.event(id).shown, None);
    for (count, shown) in [(3, &first), (4, &second)] {
        let body = carrying(seen.clone(), count, shown.clone());
        assert_eq!(bench.node_says("norden", &body).disposition, Disposition::Applied);
    }
    let view = bench.state.event_view(bench.event(id)).shown.expect("is kept");
    let kept = |bench: &Bench, id| bench.event(id).shown.as_ref().map(|kept| kept.shown.clone());
    assert_eq!((kept(&bench, id).as_ref(), view.merged), (Some(&first), 8));
    // What was taken back is gone with its word.
    bench.files("norden", withdraw(id));
    bench.node_says("norden", &carrying(seen, 1, second.clone()));
    assert_eq!(kept(&bench, id).as_ref(), Some(&second));
    bench.assert_root();
    // An officer's report carries it, too, and the first report's counts.
    let said = |shown: Shown| {
        let (matter, text) = (matter(EventKind::Impersonation, Some("vigil"), None), "seen".to_owned());
        Act::Integrity(IntegrityAct::Report(Report {
            matter,
            text,
            evidence: vec![],
            proof: None,
            since: None,
            shown: Some(Box::new(shown)),
        }))
    };
    let event = bench.files("norden", said(first.clone()));
    bench.files("norden", said(second));
    assert_eq!(kept(&bench, event), Some(first));
    let view = bench.state.event_view(bench.event(event));
    assert_eq!((view.status.as_str(), view.shown.map(|shown| shown.merged)), ("preliminary", Some(1)));
}

#[test]
fn more_than_a_record_may_carry_is_refused_with_both_numbers() {
    let mut bench = Bench::four();
    let link = made(&bench, &key("sudria", "root"), &key("late", "long"), "sudria", UNTIL).0.remove(0);
    let mut chain = Chain(vec![]);
    while Shown::Credential(chain.clone()).encoded_len() <= MAX_SHOWN_BYTES {
        chain.0.push(link.clone());
    }
    let shown = Shown::Credential(chain.clone());
    let found = shown.encoded_len() as u64;
    let refusal = Refusal::TooLong { what: Part::Shown, found, most: MAX_SHOWN_BYTES as u64 };
    assert!(refusal.to_string().starts_with("what was shown is"), "{refusal}");
    let seen = of_key(&key("late", "long"));
    let refused = bench.node_says("norden", &carrying(seen.clone(), 1, shown.clone()));
    assert_eq!(refused.disposition, Disposition::Refused(refusal.clone()));
    let report = Report {
        matter: seen.clone(),
        text: "seen".into(),
        evidence: vec![],
        proof: None,
        since: None,
        shown: Some(Box::new(shown)),
    };
    let signed = bench.on_event("norden", Act::Integrity(IntegrityAct::Report(report)));
    assert_eq!(bench.refusal(&signed), refusal);
    assert_eq!(bench.state.events().count(), 0);
    // One link less is carried, and holds no better for being so long.
    chain.0.pop();
    let body = carrying(seen.clone(), 1, Shown::Credential(chain));
    assert_eq!(bench.node_says("norden", &body).disposition, Disposition::Applied);
    let view = bench.state.event_view(bench.event(incident_id(&node_of("norden"), &seen)));
    assert!(view.shown.is_some_and(|shown| shown.proves.contains("links; 1 to 4 are allowed")));
}

#[test]
fn a_kind_of_exhibit_that_is_not_known_is_malformed() {
    let mut bench = Bench::four();
    let body = carrying(of_key(&key("late", "one")), 1, committed(7)).encode();
    // The exhibit is the last of the body: some, which kind, to what, 32 bytes of digest, the length.
    let kind = body.len() - 1 - 32 - 1 - 1;
    assert_eq!(body[kind - 1..=kind + 1], [1, 2, 0]);
    for (at, unknown) in [(kind, 3), (kind, 250), (kind + 1, 2)] {
        let mut damaged = body.clone();
        damaged[at] = unknown;
        assert!(Body::decode(&damaged).is_err());
        let context = bench.context("norden");
        let applied = bench.state.apply_bytes(&context, &damaged);
        assert_eq!(applied.disposition, Disposition::Refused(Refusal::Malformed));
    }
    assert_eq!(bench.state.events().count(), 0);
}

#[test]
fn what_a_seat_signed_is_told_from_what_is_ascribed_to_it_and_a_commitment_says_nothing_yet() {
    let mut bench = Bench::four();
    let seat = bench.founded.seat_index(&key("vigil", "seat").public()).expect("a seat");
    let head = TreeHead::new(7, hash("test/root", &[]), CREATED);
    let of = |signer: &SecretKey, bench: &Bench| Shown::Cosignature {
        seat: Seat(seat as u16),
        head,
        signature: head.cosign(&bench.founded.coalition(), signer),
    };
    let true_one = of(&key("vigil", "seat"), &bench);
    let false_one = of(&key("norden", "seat"), &bench);
    let beyond = Shown::Cosignature {
        seat: Seat(u16::MAX),
        head,
        signature: head.cosign(&bench.founded.coalition(), &key("vigil", "seat")),
    };
    let cases = [
        (true_one, "the seat of vigil signed a log of 7 leaves"),
        (false_one, "nobody's signature stands under a log of 7 leaves"),
        (beyond, "ascribed to seat 65535"),
        (committed(9_000), "nothing until it is opened: a credential of 9000 bytes"),
    ];
    for (number, (shown, words)) in cases.into_iter().enumerate() {
        let presenter = key("late", &number.to_string()).public();
        let seen = matter(EventKind::Equivocation, Some("vigil"), Some(presenter));
        let id = incident_id(&node_of("norden"), &seen);
        assert_eq!(bench.node_says("norden", &carrying(seen, 1, shown)).disposition, Disposition::Applied);
        let view = bench.state.event_view(bench.event(id));
        let shown = view.shown.expect("is kept");
        assert!(shown.proves.contains(words), "{}", shown.proves);
        assert_eq!(view.status, "preliminary");
    }
    bench.assert_root();
}
