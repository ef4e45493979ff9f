//! What officers and nodes say: a body for each variant and act.

use super::*;

pub(super) fn open() -> Act {
    let body =
        [("slot", "06:40"), ("to", "the coast")].map(|(name, value)| (name.to_owned(), value.to_owned()));
    Act::Open(Open {
        kind: "airlift".into(),
        title: "Corridor".into(),
        body: BTreeMap::from(body),
        precedence: None,
    })
}

pub(super) fn attest() -> Act {
    Act::Attest(Attest {
        operation: id("operation"),
        role: Role::Supporting,
        stance: Stance::Endorse,
        caveat: Some("daylight only".into()),
        evidence: vec![],
        supersedes: None,
    })
}

pub(super) fn declare() -> Act {
    let (name, kind) = ("hospital-2".parse().expect("a name"), "field-hospital".parse().expect("a name"));
    Act::Asset(AssetAct::Declare(Declare { name, kind, label: "40 beds, two theatres".into() }))
}

pub(super) fn to_leads() -> Control {
    Control::Lead(PARTNERS[..2].iter().map(|name| name.parse().expect("a name")).collect())
}

pub(super) fn contribute(control: Control) -> Act {
    Act::Asset(AssetAct::Contribute(Contribute {
        asset: id("asset"),
        operation: id("operation"),
        caveat: Some("until sunset".into()),
        control,
    }))
}

pub(super) fn recall() -> Act {
    Act::Asset(AssetAct::Recall(Recall { asset: id("asset"), ground: Some("needed at home".into()) }))
}

pub(super) fn propose(kind: &str, change: fn(PartnerName) -> Change) -> Act {
    let (kind, change) = (kind.parse().expect("a name"), change(PARTNERS[1].parse().expect("a name")));
    Act::Member(MemberAct::Propose(Propose { kind, change, reason: "two copies of one node".into() }))
}

pub(super) fn amend() -> Act {
    let (.., amendment) = joining();
    let change = Change::Amend(Box::new(amendment));
    let kind = "amendment".parse().expect("a name");
    Act::Member(MemberAct::Propose(Propose { kind, change, reason: "open longer".into() }))
}

pub(super) fn watch() -> Act {
    let (officer, note) = (key("officer").public(), Some("radio check hourly".into()));
    Act::Member(MemberAct::Watch(Watch { officer, from: NOW, note }))
}

pub(super) fn matter() -> Matter {
    let against = Some(PARTNERS[1].parse().expect("a name"));
    let victim = Some(PARTNERS[0].parse().expect("a name"));
    Matter { kind: EventKind::Impersonation, against, key: Some(key("b").public()), victim }
}

pub(super) fn report(shown: Option<Shown>) -> Act {
    Act::Integrity(IntegrityAct::Report(Report {
        matter: matter(),
        text: "called itself norden".into(),
        evidence: vec![hash("decoders/commitment", &[])],
        proof: Some(EvidenceId(hash("decoders/proof", &[]))),
        since: Some(NOW),
        shown: shown.map(Box::new),
    }))
}

pub(super) fn confirm() -> Act {
    let ground = Some("it called here too".into());
    Act::Integrity(IntegrityAct::Confirm(Confirm { event: id("event"), ground }))
}

pub(super) fn withdraw() -> Act {
    let ground = Some("a mistake".into());
    Act::Integrity(IntegrityAct::Withdraw(Withdraw { event: id("event"), ground }))
}

pub(super) fn vote() -> Act {
    let (event, ground) = (id("event"), Some("until it has new keys".into()));
    Act::Integrity(IntegrityAct::Vote(Vote { event, measure: Measure::Suspend, ground }))
}

/// What an incident can carry.
fn shown() -> [(&'static str, Shown); 4] {
    let committed =
        |exhibit, length| Shown::Commitment { exhibit, digest: hash("decoders/shown", &[]), length };
    let head = TreeHead::new(70_000, hash("decoders/root", &[]), NOW);
    let signature = head.cosign(&coalition(), &key("seat"));
    [
        ("incident with a credential", Shown::Credential(a_chain())),
        ("incident with a cosignature", Shown::Cosignature { seat: Seat(2), head, signature }),
        ("incident with a commitment to a credential", committed(Exhibit::Credential, 16_000)),
        ("incident with a commitment to a message", committed(Exhibit::Message, 1_000_000)),
    ]
}

pub(super) fn incident(shown: Option<Shown>) -> Incident {
    let (text, first) = ("connection from 10.0.0.7 refused".into(), Time(NOW.0 - 60_000));
    Incident { matter: matter(), text, count: 300, first, last: NOW, shown }
}

pub(super) fn handoff(act: HandoffAct) -> Act {
    Act::Handoff(act)
}

pub(super) fn offer(what: Handed) -> Act {
    handoff(HandoffAct::Offer(Offer {
        operation: id("operation"),
        what,
        to: "sudria".parse().expect("a name"),
        phase: Some("rescue".parse().expect("a name")),
        note: Some("all found".into()),
        expires: Some(NOW),
    }))
}

pub(super) fn accept(acknowledges: Acknowledged) -> Act {
    handoff(HandoffAct::Accept(Accept { offer: id("offer"), acknowledges }))
}

pub(super) fn acknowledged() -> Vec<RecordId> {
    let mut items = vec![id("caveat"), id("asset")];
    items.sort_unstable();
    items
}

pub(super) fn backed() -> Act {
    Act::Attest(Attest {
        operation: id("operation"),
        role: "medical".parse().expect("a role"),
        stance: Stance::Object,
        caveat: None,
        evidence: vec![hash("decoders/evidence", &[])],
        supersedes: None,
    })
}

pub(super) fn statement() -> Statement {
    Statement {
        operation: id("operation"),
        authority: "pact".parse().expect("a name"),
        word: Word::Refuse,
        ground: "no flights at night".into(),
        number: 1,
    }
}

pub(super) fn speak(keys: &[&str]) -> Act {
    let statement = statement();
    let mut signatures = Signatures::default();
    keys.iter().for_each(|name| statement.sign(coalition(), &key(name), &mut signatures));
    Act::Authority(AuthorityAct::Speak(Speak { statement, signatures }))
}

pub(super) fn a_statement(keys: &[&str]) -> SignedStatement {
    let mut signed = SignedStatement::new(coalition(), statement());
    keys.iter().for_each(|name| signed.sign(&key(name)));
    signed
}

pub(super) fn mandate() -> Mandate {
    Mandate {
        needed: "pact".parse().expect("a name"),
        ruling: authority::Ruling {
            decision: authority::Decision::Refused,
            by: vec!["norden".parse().expect("a name")],
            overruled: vec!["pact".parse().expect("a name")],
            withheld: vec!["norden".parse().expect("a name")],
            unheard: vec![],
        },
        words: vec![AuthorityWord {
            authority: "norden".parse().expect("a name"),
            kind: AuthorityKind::National,
            word: Word::Refuse,
            ground: "no flights at night".into(),
            record: id("word"),
        }],
        lacks: None,
    }
}

pub(super) fn withdrawal() -> Act {
    Act::Withdraw(Withdrawal { operation: id("operation"), attestation: id("attestation") })
}

pub(super) fn fork() -> ForkProof {
    let (coalition, feed) = feed();
    let branch = |last: &[u8]| {
        let hash = entry_hash(&feed.root(&coalition), &body_digest(last));
        let behind = body_digest(b"behind");
        let head = Head { length: 2, hash: entry_hash(&hash, &behind) };
        Branch { hash, digests: vec![behind], signature: sign_head(&coalition, &feed, &head, &key("a")) }
    };
    ForkProof::new(feed, 1, [branch(b"one"), branch(b"two")])
}

pub(super) fn equivocation() -> Equivocation {
    let coalition = coalition();
    Equivocation::new(&[b"one", b"two"].map(|what| {
        let votes = Frame::pack([Message::Propose(Digest::of(what))]);
        VoteFrame::sign(&coalition, vote_feed(), 0, vote_feed().root(&coalition), votes, &key("a"))
    }))
}

pub(super) fn opened_alone() -> LeasedOpen {
    let Act::Open(open) = open() else { unreachable!("an opening") };
    LeasedOpen { open, seen: 4096 }
}

/// Bodies of entries, one for each variant and act.
pub(crate) fn bodies() -> Vec<(&'static str, Body)> {
    let signed = |act| Body::Signed(record(act));
    let filed = |shown| Body::Incident(Box::new(incident(shown)));
    let mut bodies = vec![
        ("signed, open", signed(open())),
        ("signed, attest", signed(attest())),
        ("signed, attest in a declared role with evidence", signed(backed())),
        ("signed, withdrawal of an attestation", signed(withdrawal())),
        ("signed, grant", signed(Act::Key(KeyAct::Grant(a_chain())))),
        ("signed, revoke", signed(Act::Key(KeyAct::Revoke(Box::new(revocations().swap_remove(0)))))),
        ("signed, rotate", signed(Act::Key(KeyAct::Rotate(Box::new(a_rotation()))))),
        ("signed, declare", signed(declare())),
        ("signed, contribute", signed(contribute(to_leads()))),
        ("signed, contribute and keep control", signed(contribute(Control::Owner))),
        ("signed, recall", signed(recall())),
        ("signed, amend", signed(amend())),
        ("signed, propose", signed(propose("suspension", Change::Suspend))),
        ("signed, propose to reinstate", signed(propose("reinstatement", Change::Reinstate))),
        ("signed, propose to expel", signed(propose("expulsion", Change::Expel))),
        (
            "signed, withdraw",
            signed(Act::Member(MemberAct::Withdraw { ground: "our mandate has ended".into() })),
        ),
        ("signed, watch", signed(watch())),
        ("signed, report", signed(report(None))),
        ("signed, report with a credential", signed(report(Some(Shown::Credential(a_chain()))))),
        ("signed, confirm", signed(confirm())),
        ("signed, withdraw", signed(withdraw())),
        ("signed, vote", signed(vote())),
        ("signed, offer", signed(offer(Handed::Role(Role::Lead)))),
        ("signed, offer of the whole", signed(offer(Handed::Whole))),
        ("signed, accept", signed(accept(Acknowledged::Each(acknowledged())))),
        (
            "signed, accept by digest",
            signed(accept(Acknowledged::All(Acknowledged::digest(&acknowledged())))),
        ),
        (
            "signed, decline",
            signed(handoff(HandoffAct::Decline(Decline {
                offer: id("offer"),
                ground: Some("no crew".into()),
            }))),
        ),
        (
            "signed, reclaim",
            signed(handoff(HandoffAct::Reclaim(Reclaim { offer: id("offer"), ground: None }))),
        ),
        (
            "signed, takeover",
            signed(handoff(HandoffAct::Takeover(Takeover { operation: id("operation"), ground: None }))),
        ),
        (
            "signed, conclude",
            signed(handoff(HandoffAct::Conclude(Conclude {
                operation: id("operation"),
                note: Some("all landed".into()),
            }))),
        ),
        (
            "signed, dispute",
            signed(Act::Dispute(DisputeAct::Open(OpenDispute {
                subject: id("operation"),
                ground: Some("safety".parse().expect("a name")),
                reason: "over the closed sector".into(),
            }))),
        ),
        (
            "signed, ruling",
            signed(Act::Dispute(DisputeAct::Rule(Rule {
                dispute: id("dispute"),
                number: 2,
                ruling: Ruling::Remand,
                reason: None,
            }))),
        ),
        ("signed, word", signed(speak(&[]))),
        ("signed, word carried", signed(speak(&["norden", "estmark"]))),
        ("signed, alliance", signed(Act::Authority(AuthorityAct::Publish(Box::new(alliances()[0].clone()))))),
        ("signed, open under a lease", signed(Act::Lease(LeaseAct::Open(opened_alone())))),
        (
            "signed, commit under a lease",
            signed(Act::Lease(LeaseAct::Commit(Commit { operation: id("operation"), seen: 4096 }))),
        ),
        ("note", Body::Note(b"all quiet".to_vec())),
        ("due", Body::Due(Due { about: id("operation"), deadline: NOW })),
        ("fork", Body::Fork(Box::new(fork()))),
        ("equivocation", Body::Equivocation(Box::new(equivocation()))),
        ("incident", filed(None)),
    ];
    bodies.extend(shown().map(|(name, shown)| (name, filed(Some(shown)))));
    bodies
}
