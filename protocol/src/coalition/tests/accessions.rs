//! A partner joins by its own word and the coalition's, with the version of the charter that names it.

use super::*;
use crate::charter::{Amendment, AmendmentError};
use crate::coalition::{KeyRefusal, MemberRefusal, Purpose};
use crate::credential::{Capability, Chain, Delegation, Revocation, RootRotation, SignedRotation, Target};
use crate::feed::FeedKey;
use crate::founding::fixture::card;
use crate::founding::{Accession, CharterChain, Proposed};
use crate::identity::SecretKey;
use crate::record::{AssetAct, Change, Declare, KeyAct, MemberAct, Propose};

const JOINER: &str = "ostvik";

/// The charter in force with the joiner, who supports airlifts.
fn wanted(bench: &Bench, partner: &str) -> Charter {
    let mut wanted = Charter::clone(bench.state.charter());
    wanted.admitted.push(card(partner).entry(UNTIL));
    let given = ["airlift", "suspension"];
    for kind in wanted.operations.iter_mut().filter(|kind| given.contains(&kind.name.as_str())) {
        kind.supporting.push(name(partner));
    }
    wanted.sort();
    wanted
}

fn accession(bench: &Bench, wanted: &Charter, partner: &str) -> Accession {
    let charter = bench.state.charter().next_version(wanted).expect("sound");
    let proposed = Proposed { coalition: bench.founded.coalition(), charter };
    let read = Proposed::from_toml(&proposed.to_toml()).expect("its own text");
    assert_eq!(read, proposed);
    let accession = Accession::sign(&proposed, &key(partner, "root")).expect("it is admitted");
    assert_eq!(Accession::from_toml(&accession.to_toml()).as_ref(), Ok(&accession));
    accession
}

fn joining(bench: &Bench) -> Amendment {
    let wanted = wanted(bench, JOINER);
    let accession = accession(bench, &wanted, JOINER);
    bench.state.charter().amendment_with(&wanted, vec![accession]).expect("signed")
}

fn propose(bench: &Bench, amendment: Amendment) -> SignedRecord {
    let propose = Propose {
        kind: "amendment".parse().expect("a name"),
        change: Change::Amend(Box::new(amendment)),
        reason: "ostvik brings two lifts".into(),
    };
    record(&bench.founded, "norden", &format!("p{}", bench.index), Act::Member(MemberAct::Propose(propose)))
}

fn declare(bench: &Bench, partner: &str, label: &str) -> SignedRecord {
    let declare = Declare {
        name: label.parse().expect("a name"),
        kind: "aircraft".parse().expect("a name"),
        label: "a lift".into(),
    };
    record(&bench.founded, partner, label, Act::Asset(AssetAct::Declare(declare)))
}

impl Bench {
    fn agree(&mut self, amendment: Amendment) -> RecordId {
        let signed = propose(self, amendment);
        assert_eq!(self.apply(&signed).disposition, Disposition::Applied);
        let proposal = signed.record.id();
        for partner in ["norden", "estmark", "vigil"] {
            self.say(partner, proposal, Supporting, Endorse);
        }
        assert_eq!(self.verdict(proposal), Some(Verdict::Agreed));
        self.assert_root();
        proposal
    }

    fn changed(&self, proposal: &RecordId) -> Option<bool> {
        self.state.operation(proposal).expect("known").changed
    }

    fn joined() -> Self {
        let mut bench = Self::four();
        let amendment = joining(&bench);
        let proposal = bench.agree(amendment);
        assert_eq!(bench.changed(&proposal), Some(true));
        bench.state.begin_batch();
        bench.assert_root();
        bench
    }

    fn accession_refusal(&mut self, amendment: Amendment) -> String {
        let signed = propose(self, amendment);
        match self.refusal(&signed) {
            Refusal::Member(MemberRefusal::Amendment(AmendmentError::Accession { error })) => error,
            other => panic!("{other}"),
        }
    }

    /// The state as somebody takes it who was away.
    pub(super) fn taken(&self) -> State {
        let items: BTreeMap<Hash, Vec<u8>> = self
            .state
            .items()
            .iter()
            .map(|item| (hash("entente/state/key/v1", &[&wire::encode(&item.id())]), wire::encode(item)))
            .collect();
        let founded = Arc::new(self.founded.clone());
        State::of_items(&founded, items.values().map(Vec::as_slice), &self.state.root()).expect("its items")
    }
}

#[test]
fn who_joins_speaks_from_the_decision_on_and_has_roles_from_the_next_batch_on() {
    let mut bench = Bench::four();
    let amendment = joining(&bench);
    let lines = amendment.explain(bench.state.charter());
    assert_eq!(lines[..2], ["airlift: supporting +ostvik", "suspension: supporting +ostvik"]);
    assert!(lines[2].starts_with("admits ostvik: root "), "{lines:?}");
    assert!(lines[2].ends_with(", 1 officer, 1 node"), "{lines:?}");
    let early = declare(&bench, JOINER, "early");
    assert!(matches!(bench.refusal(&early), Refusal::UnknownSigner { .. }));
    let before = bench.state.key_changes();
    let proposal = bench.agree(amendment);
    let title = &bench.state.operation(&proposal).expect("known").open.title;
    assert_eq!(title, "amend the charter to version 2, admitting ostvik");
    // Its node takes part in the epoch that comes, and whoever follows keys looks again.
    assert!(bench.state.key_changes() > before);
    let nodes = bench.state.nodes();
    assert_eq!(
        nodes.last().map(|(key, partner)| (*key, partner.name.as_str())),
        Some((key(JOINER, "node").public(), JOINER))
    );
    assert_eq!(nodes.len(), 5);
    let lift = declare(&bench, JOINER, "lift");
    assert_eq!(bench.apply(&lift).disposition, Disposition::Applied);
    let members = bench.state.member_views(bench.state.time());
    assert_eq!(
        members.last().map(|member| member.officers.clone()),
        Some(vec![key(JOINER, "officer").public()])
    );
    // No role in this batch: it is judged by the version that agreed.
    let running = bench.open();
    let word = bench.word(JOINER, running, Supporting, Endorse);
    assert!(matches!(bench.refusal(&word), Refusal::RoleNotHeld { .. }), "a role too early");
    // What it submits now is for the next batch, where it has one.
    let propose = |bench: &Bench| {
        let propose = Propose {
            kind: "suspension".parse().expect("a name"),
            change: Change::Suspend(name("vigil")),
            reason: "silent".into(),
        };
        record(&bench.founded, JOINER, "suspend", Act::Member(MemberAct::Propose(propose)))
    };
    let signed = propose(&bench);
    assert_eq!(bench.state.check(&signed, bench.state.time()), Ok(()));
    assert!(matches!(bench.apply(&signed).disposition, Disposition::Refused(Refusal::MayNotOpen { .. })));
    bench.state.begin_batch();
    let next = bench.open();
    bench.say(JOINER, next, Supporting, Endorse);
    // The running operation keeps its version, in which it has no role.
    let word = bench.word(JOINER, running, Supporting, Object);
    assert!(matches!(bench.refusal(&word), Refusal::RoleNotHeld { .. }));
    bench.assert_root();
    let members = bench.state.member_views(bench.state.time());
    let joined = members.last().expect("five");
    assert_eq!((joined.partner.as_str(), joined.seat, joined.by), (JOINER, None, Some(proposal)));
    assert_eq!(members[3].seat, Some(3));
}

#[test]
fn its_own_word_is_asked_for_exactly_this_version_and_this_coalition() {
    let mut bench = Bench::four();
    let wanted = wanted(&bench, JOINER);
    let charter = Arc::clone(bench.state.charter());
    let sound = joining(&bench);
    assert_eq!(charter.amendment_to(&wanted), Err(AmendmentError::Unsigned { partners: vec![name(JOINER)] }));
    // Somebody else's words are no part of it.
    let other = accession(&bench, &super::accessions::wanted(&bench, "vestland"), "vestland");
    let stray = charter.amendment_with(&wanted, vec![sound.admit[0].clone(), other]);
    assert!(matches!(stray, Err(AmendmentError::Accession { error }) if error.contains("vestland")));
    // An earlier draft: the rule was stricter when it signed.
    let mut stricter = wanted.clone();
    stricter.operations.iter_mut().for_each(|kind| kind.window_ms += 1);
    let early = accession(&bench, &stricter, JOINER);
    let error = bench.accession_refusal(Amendment { admit: vec![early], ..sound.clone() });
    assert!(error.contains("its root signs the final text"), "{error}");
    // Another coalition's version of the same words.
    let elsewhere = {
        let mut charter = super::charter(&FOUR);
        charter.nonce = Nonce([8; 16]);
        Bench::new(found(charter))
    };
    let proposed = Proposed {
        coalition: elsewhere.founded.coalition(),
        charter: charter.next_version(&wanted).expect("sound"),
    };
    let foreign = Accession::sign(&proposed, &key(JOINER, "root")).expect("it is admitted");
    let error = bench.accession_refusal(Amendment { admit: vec![foreign], ..sound.clone() });
    assert!(error.contains("this charter is"), "{error}");
    // Not its root, or a key less.
    let mut forged = sound.clone();
    let proposed = Proposed { coalition: bench.founded.coalition(), ..proposed };
    forged.admit[0].signature = {
        let mut admitted = proposed.clone();
        admitted.charter.admitted[0].root = key("norden", "second").public();
        Accession::sign(&admitted, &key("norden", "second")).expect("signed").signature
    };
    assert!(bench.accession_refusal(forged).contains("does not hold"));
    let mut short = sound.clone();
    short.admit[0].delegations.pop();
    assert!(bench.accession_refusal(short).contains("2 instead of 3"));
    let stranger = Accession::sign(&proposed, &key("vestland", "root"));
    assert!(matches!(stranger, Err(crate::founding::FoundingError::NotAdmitted { .. })));
    bench.agree(sound);
}

#[test]
fn keys_that_are_known_join_for_nobody_else() {
    let mut bench = Bench::four();
    // The joiner's officer was granted to sudria, before the proposal and after it.
    let amendment = joining(&bench);
    let root = key("sudria", "root");
    let officer = key(JOINER, "officer");
    let delegation = Delegation::direct(
        bench.founded.coalition(),
        root.public(),
        officer.public(),
        name("sudria"),
        Capability::Officer,
        UNTIL,
    );
    let grant = Act::Key(KeyAct::Grant(Chain(vec![delegation.sign(&root)])));
    let mut later = bench.clone();
    let granted = record(&bench.founded, "sudria", "grant", grant.clone());
    assert_eq!(bench.apply(&granted).disposition, Disposition::Applied);
    let refused = bench.refusal(&propose(&bench, amendment.clone()));
    assert!(
        matches!(&refused, Refusal::Key(KeyRefusal::Taken { partner, purpose: Purpose::Officer, .. }) if *partner == name("sudria")),
        "{refused}"
    );
    let signed = propose(&later, amendment);
    assert_eq!(later.apply(&signed).disposition, Disposition::Applied);
    assert_eq!(later.apply(&granted).disposition, Disposition::Applied);
    for partner in ["norden", "estmark", "vigil"] {
        later.say(partner, signed.record.id(), Supporting, Endorse);
    }
    assert_eq!(later.changed(&signed.record.id()), Some(false), "agreed, and become impossible");
    assert_eq!(later.state.charter().version, 1);
    later.assert_root();
}

#[test]
fn who_joined_is_a_partner_like_any_other() {
    let mut bench = Bench::joined();
    // Its root grants a second node, gives way, and takes the first officer back.
    let (root, next) = (key(JOINER, "root"), key(JOINER, "root 2"));
    let (second, officer) = (key(JOINER, "node 2"), key(JOINER, "officer 2"));
    let coalition = bench.founded.coalition();
    let give = |by: &SecretKey, to: &SecretKey, capability| {
        let (by_key, to) = (by.public(), to.public());
        let delegation = Delegation::direct(coalition, by_key, to, name(JOINER), capability, UNTIL);
        Act::Key(KeyAct::Grant(Chain(vec![delegation.sign(by)])))
    };
    let mut rotation = SignedRotation::new(RootRotation {
        coalition,
        partner: name(JOINER),
        number: 1,
        old: root.public(),
        new: next.public(),
    });
    rotation.sign(&root);
    rotation.sign(&next);
    let revocation = Revocation {
        coalition,
        partner: name(JOINER),
        issuer: next.public(),
        reason: "lost".into(),
        target: Target::Key(key(JOINER, "officer").public()),
    };
    let acts = [
        give(&root, &second, Capability::Node),
        Act::Key(KeyAct::Rotate(Box::new(rotation))),
        give(&next, &officer, Capability::Officer),
        Act::Key(KeyAct::Revoke(Box::new(revocation.sign(&next)))),
    ];
    for (number, act) in acts.into_iter().enumerate() {
        let signed = record(&bench.founded, "estmark", &format!("k{number}"), act);
        assert_eq!(bench.apply(&signed).disposition, Disposition::Applied, "{number}");
    }
    let late = declare(&bench, JOINER, "late");
    assert!(matches!(bench.refusal(&late), Refusal::Key(KeyRefusal::Revoked { .. })));
    assert_eq!(bench.state.root_of(&name(JOINER)), Some(next.public()));
    assert_eq!(bench.state.nodes_of(&name(JOINER)), [key(JOINER, "node").public(), second.public()]);
    // What its node says is ordered, and no more once it is expelled.
    let propose = Propose {
        kind: "expulsion".parse().expect("a name"),
        change: Change::Expel(name(JOINER)),
        reason: "it left the corridor".into(),
    };
    let expel = record(&bench.founded, "norden", "expel", Act::Member(MemberAct::Propose(propose)));
    let mut context = bench.context("norden");
    context.feed = FeedKey { node: key(JOINER, "node").public(), lane: Lane::Routine, incarnation: 0 };
    let applied = bench.state.apply_bytes(&context, &Body::Signed(expel.clone()).encode());
    assert_eq!(applied.disposition, Disposition::Applied);
    for partner in ["norden", "sudria", "estmark"] {
        bench.say(partner, expel.record.id(), Supporting, Endorse);
    }
    let mut context = bench.context("norden");
    context.feed = FeedKey { node: key(JOINER, "node").public(), lane: Lane::Routine, incarnation: 0 };
    let note = Body::Note(b"still here".to_vec()).encode();
    let applied = bench.state.apply_bytes(&context, &note);
    assert!(matches!(applied.disposition, Disposition::Refused(Refusal::Member(_))), "{applied:?}");
    // Whoever takes the state knows the same.
    let taken = bench.taken();
    assert_eq!(taken.nodes(), bench.state.nodes());
    assert_eq!(taken.officers_of(&name(JOINER)), [officer.public()]);
    assert_eq!(
        taken.revoked(&key(JOINER, "officer").public()),
        bench.state.revoked(&key(JOINER, "officer").public())
    );
    bench.assert_root();
}

#[test]
fn a_name_or_a_key_joins_once_and_a_later_amendment_keeps_who_joined() {
    let mut bench = Bench::joined();
    let charter = Arc::clone(bench.state.charter());
    let mut without = Charter::clone(&charter);
    without.admitted.clear();
    without.operations.iter_mut().for_each(|kind| kind.supporting.retain(|it| *it != name(JOINER)));
    assert_eq!(charter.amendment_to(&without), Err(AmendmentError::Unchangeable { what: "partners".into() }));
    let mut again = Charter::clone(&charter);
    again.admitted.push(card("sudria").entry(UNTIL));
    assert!(charter.next_version(&again).is_err(), "a name twice");
    let mut renamed = card(JOINER).entry(UNTIL);
    renamed.name = name("westvik");
    let mut twice = Charter::clone(&charter);
    twice.admitted.push(renamed);
    let error = charter.next_version(&twice).expect_err("keys twice").to_string();
    assert!(error.contains("is used more than once"), "{error}");
    // The next version goes on from the one that it joined with, and so does whoever checks it without a node.
    let next = wanted(&bench, "vestland");
    let accession = accession(&bench, &next, "vestland");
    let amendment = charter.amendment_with(&next, vec![accession]).expect("signed");
    let first = bench.state.versions().next().expect("two").amendment.clone();
    bench.agree(amendment.clone());
    bench.state.begin_batch();
    assert_eq!(bench.state.nodes().len(), 6);
    let founding = bench.founded.founding().clone();
    let chain = CharterChain { founding, amendments: vec![first, amendment.clone()] };
    let version = chain.version(&amendment.result).expect("both steps hold");
    assert_eq!(version.admitted.len(), 2);
    let mut forged = chain.clone();
    forged.amendments[1].admit[0].delegations.swap(0, 2);
    assert_eq!(forged.version(&amendment.result), None);
}

/// A partner with so many nodes.
fn with_nodes(partner: &str, nodes: usize) -> crate::charter::Partner {
    let mut entry = card(partner).entry(UNTIL);
    entry.nodes = (0..nodes).map(|node| key(partner, &format!("node {node}")).public()).collect();
    entry.nodes.sort();
    entry
}

fn amendment_of(bench: &Bench, joining: &[crate::charter::Partner]) -> Result<Amendment, AmendmentError> {
    let charter = bench.state.charter();
    let mut wanted = Charter::clone(charter);
    wanted.admitted.extend_from_slice(joining);
    wanted.sort();
    let proposed = Proposed { coalition: bench.founded.coalition(), charter: charter.next_version(&wanted)? };
    let root = |partner: &crate::charter::Partner| key(partner.name.as_str(), "root");
    let sign = |partner| Accession::sign(&proposed, &root(partner)).expect("it is admitted");
    charter.amendment_with(&wanted, joining.iter().map(sign).collect())
}

#[test]
fn those_who_join_together_have_room_together() {
    let mut bench = Bench::four();
    // Sudria has six nodes, so nine are there, and of 32 places 23 are left: not enough for four times six.
    let root = key("sudria", "root");
    for number in 0..5 {
        let node = key("sudria", &format!("node {number}")).public();
        let (coalition, by, partner) = (bench.founded.coalition(), root.public(), name("sudria"));
        let delegation = Delegation::direct(coalition, by, node, partner, Capability::Node, UNTIL);
        let grant = Act::Key(KeyAct::Grant(Chain(vec![delegation.sign(&root)])));
        let granted = record(&bench.founded, "norden", &format!("grant {number}"), grant);
        assert_eq!(bench.apply(&granted).disposition, Disposition::Applied);
    }
    let names = ["ostvik", "vestland", "westvik", "yttre"];
    let many = amendment_of(&bench, &names.map(|partner| with_nodes(partner, 6))).expect("few keys");
    let refused = bench.refusal(&propose(&bench, many));
    assert!(matches!(refused, Refusal::Key(KeyRefusal::NoPlaces { most: 32, .. })), "{refused}");
    // More keys than anybody should have to check, and more than a proposal holds.
    let keys = amendment_of(&bench, &names.map(|partner| with_nodes(partner, 7)));
    assert!(matches!(&keys, Err(AmendmentError::Malformed { what }) if what.contains("36 keys")), "{keys:?}");
    let fewer = amendment_of(&bench, &names.map(|partner| with_nodes(partner, 5))).expect("few keys");
    bench.agree(fewer);
    bench.state.begin_batch();
    assert_eq!(bench.state.nodes().len(), 29);
    // Sudria gives its nodes up, and others take their places; one is kept for it.
    let revocation = |number: usize| {
        let target = Target::Key(key("sudria", &format!("node {number}")).public());
        let (coalition, partner) = (bench.founded.coalition(), name("sudria"));
        let revocation =
            Revocation { coalition, partner, issuer: root.public(), reason: "gone".into(), target };
        Act::Key(KeyAct::Revoke(Box::new(revocation.sign(&root))))
    };
    for (number, act) in (0..5).map(|number| (number, revocation(number))).collect::<Vec<_>>() {
        let signed = record(&bench.founded, "norden", &format!("revoke {number}"), act);
        assert_eq!(bench.apply(&signed).disposition, Disposition::Applied);
    }
    assert_eq!(bench.state.nodes().len(), 24);
    let last = amendment_of(&bench, &[with_nodes("zelda", 8)]).expect("few keys");
    bench.agree(last);
    bench.state.begin_batch();
    assert_eq!(bench.state.nodes().len(), 32);
}

#[test]
fn a_key_in_quarantine_and_one_whose_time_is_over_do_not_join() {
    let mut charter = charter(&FOUR);
    charter.integrity.responses.forced_disclosure = vec![crate::charter::Response::Quarantine];
    charter.sort();
    let mut bench = Bench::new(found(charter));
    let amendment = joining(&bench);
    let report = crate::record::Report {
        matter: crate::record::Matter {
            kind: crate::record::EventKind::ForcedDisclosure,
            against: None,
            key: Some(key(JOINER, "officer").public()),
            victim: None,
        },
        text: "taken at the border".into(),
        evidence: vec![],
        proof: None,
        since: None,
        shown: None,
    };
    let report = Act::Integrity(crate::record::IntegrityAct::Report(report));
    let report = record(&bench.founded, "norden", "report", report);
    assert_eq!(bench.apply(&report).disposition, Disposition::Applied);
    for partner in ["sudria", "estmark"] {
        let confirm = crate::record::Confirm { event: report.record.id(), ground: None };
        let confirm = Act::Integrity(crate::record::IntegrityAct::Confirm(confirm));
        let confirm = record(&bench.founded, partner, "confirm", confirm);
        assert_eq!(bench.apply(&confirm).disposition, Disposition::Applied);
    }
    let refused = bench.refusal(&propose(&bench, amendment));
    assert!(matches!(refused, Refusal::Integrity(_)), "{refused}");
    // Credentials that ran out since the charter was drawn up.
    let mut bench = Bench::four();
    let mut late = with_nodes("vestland", 1);
    late.credentials_until = CREATED.plus(500);
    let refused = bench.refusal(&propose(&bench, amendment_of(&bench, &[late]).expect("few keys")));
    assert!(matches!(refused, Refusal::CredentialExpired { .. }), "{refused}");
}

#[test]
fn who_has_left_takes_its_keys_back_and_gives_its_places_free() {
    let mut bench = Bench::joined();
    let leaves = Act::Member(MemberAct::Withdraw { ground: "the lifts are done".into() });
    let leaves = record(&bench.founded, JOINER, "leaves", leaves);
    assert_eq!(bench.apply(&leaves).disposition, Disposition::Applied);
    let root = key(JOINER, "root");
    let revocation = Revocation {
        coalition: bench.founded.coalition(),
        partner: name(JOINER),
        issuer: root.public(),
        reason: "given back".into(),
        target: Target::Key(key(JOINER, "node").public()),
    };
    let act = Act::Key(KeyAct::Revoke(Box::new(revocation.sign(&root))));
    let signed = record(&bench.founded, "norden", "revoke", act);
    let room = |bench: &Bench| {
        let all = ["vestland", "westvik", "yttre", "zelda"].map(|partner| with_nodes(partner, 7));
        let few = |count: usize| amendment_of(bench, &all[..count]).expect("few keys");
        bench.state.check(&propose(bench, few(3)), bench.state.time()).is_ok()
    };
    // Three times seven, and seven more: 32 places, of which its one is one.
    let six = amendment_of(&bench, &[with_nodes("ullvik", 7)]).expect("few keys");
    bench.agree(six);
    bench.state.begin_batch();
    assert!(!room(&bench));
    assert_eq!(bench.apply(&signed).disposition, Disposition::Applied);
    assert_eq!(bench.state.nodes().len(), 11);
    assert!(room(&bench));
}

#[test]
fn people_are_told_what_counts_of_the_founding_mean_when_others_join() {
    let charter = charter(&FOUR);
    let mut wanted = charter.clone();
    let names = ["ostvik", "vestland", "westvik"];
    for partner in names {
        wanted.admitted.push(card(partner).entry(UNTIL));
        for kind in wanted.operations.iter_mut().filter(|kind| kind.effect.is_some()) {
            kind.supporting.push(name(partner));
        }
    }
    wanted.sort();
    let told = |count: usize| {
        let mut charter = wanted.clone();
        let stays = |partner: &crate::charter::PartnerName| !names[count..].contains(&partner.as_str());
        charter.admitted.retain(|partner| stays(&partner.name));
        charter.operations.iter_mut().for_each(|kind| kind.supporting.retain(stays));
        (charter.version, charter.previous) = (2, Some(charter.hash()));
        let lints = crate::charter::lint(&charter);
        lints
            .into_iter()
            .map(|lint| lint.message)
            .filter(|it| it.starts_with("amendment"))
            .collect::<Vec<_>>()
    };
    assert!(
        told(1).iter().any(|it| it.contains("5 have a voice now, and 3 supporting agree")),
        "{:?}",
        told(1)
    );
    let alone = "ostvik, vestland and westvik may agree on it alone";
    assert!(told(3).iter().any(|it| it.contains(alone)), "{:?}", told(3));
}
