//! What proves itself: chains, revocations, rotations, alliances, words of authorities, versions of a charter.

use super::*;

/// Three links, each narrower than the one before.
pub(crate) fn a_chain() -> Chain {
    let link = |issuer: &str, subject: &str, depth: u8| Delegation {
        operations: Extent::only(["airlift", "closure"].map(|name| name.parse().expect("a name"))),
        not_before: Some(NOW),
        last_epoch: Some(70_000 + u64::from(depth)),
        depth,
        ..Delegation::direct(
            coalition(),
            key(issuer).public(),
            key(subject).public(),
            "norden".parse().expect("a name"),
            Capability::Officer,
            NOW.plus(86_400_000),
        )
    };
    let steps = [("root", "officer", 2), ("officer", "deputy", 1), ("deputy", "watch", 0)];
    Chain(steps.map(|(issuer, subject, depth)| link(issuer, subject, depth).sign(&key(issuer))).to_vec())
}

/// Two versions of one document, the first signed by two of its parties, the second by nobody.
pub(crate) fn alliances() -> [SignedAlliance; 2] {
    let named = |name: &str| Expression::Named(name.parse().expect("a name"));
    let of = |needs, members: &[Expression]| {
        Expression::threshold(needs, members.to_vec(), &members[..1]).expect("canonical")
    };
    let nations = PARTNERS.map(named);
    let document = AllianceDocument {
        name: "pact".parse().expect("a name"),
        version: 1,
        previous: None,
        expression: of(2, &nations[..3]),
        scope: Scope { operations: Extent::only(["airlift".parse().expect("a name")]) },
        parties: PARTNERS.map(|name| (name.parse().expect("a name"), key(name).public())).into(),
    };
    let next = AllianceDocument {
        version: 2,
        previous: Some(document.hash()),
        expression: of(2, &[of(1, &nations[..2]), of(2, &nations[2..]), Expression::Key(key("d").public())]),
        ..document.clone()
    };
    let mut first = SignedAlliance::new(document);
    ["norden", "estmark"].iter().for_each(|name| first.sign(&key(name)));
    [first, SignedAlliance::new(next)]
}

pub(crate) fn revocations() -> Vec<SignedRevocation> {
    let sign = |target| {
        Revocation {
            coalition: coalition(),
            partner: "norden".parse().expect("a name"),
            issuer: key("root").public(),
            reason: "lost at sea".into(),
            target,
        }
        .sign(&key("root"))
    };
    let chain = a_chain();
    let link = &chain.0[1].delegation;
    vec![sign(Target::Key(link.subject)), sign(Target::Delegation(link.hash()))]
}

pub(crate) fn a_rotation() -> SignedRotation {
    let mut signed = SignedRotation::new(RootRotation {
        coalition: coalition(),
        partner: "norden".parse().expect("a name"),
        number: 1,
        old: key("root").public(),
        new: key("new root").public(),
    });
    ["root", "new root"].iter().for_each(|name| signed.sign(&key(name)));
    signed
}

/// A version with which a partner joins, what its root says of it, and the amendment that makes it.
pub(crate) fn joining() -> (Proposed, Accession, Amendment) {
    let charter = charter();
    let mut wanted = charter.clone();
    wanted.operations[0].window_ms += 1;
    wanted.operations.remove(2);
    // A partner joins with it.
    let root = key("ostvik/root");
    let public = |purpose: &str| key(&format!("ostvik/{purpose}")).public();
    wanted.admitted.push(Partner {
        name: "ostvik".parse().expect("a name"),
        root: root.public(),
        officers: vec![public("officer")],
        seat: public("seat"),
        nodes: vec![public("node")],
        credentials_until: NOW.plus(86_400_000),
    });
    let next = charter.next_version(&wanted).expect("a sound change");
    let proposed = Proposed { coalition: charter.id(), charter: next };
    let accession = Accession::sign(&proposed, &root).expect("admitted");
    let amendment = charter.amendment_with(&wanted, vec![accession.clone()]).expect("a sound change");
    (proposed, accession, amendment)
}

/// Words of an authority: each of them, one of the partner itself, and one that two keys have signed.
pub(crate) fn words() -> Vec<(String, Speak)> {
    let speak = |word, keys: &[&str]| {
        let statement = Statement { word, ..statement() };
        let mut signatures = Signatures::default();
        keys.iter().for_each(|name| statement.sign(coalition(), &key(name), &mut signatures));
        Speak { statement, signatures }
    };
    let alone = Word::ALL.map(|word| (format!("of the partner itself, {}", said(word)), speak(word, &[])));
    let signed = speak(Word::Refuse, &["norden", "estmark"]);
    alone.into_iter().chain([("signed by two keys, a refusal".to_owned(), signed)]).collect()
}

fn said(word: Word) -> &'static str {
    match word {
        Word::Order => "an order",
        Word::Permit => "a permission",
        Word::Refuse => "a refusal",
        Word::Recall => "a recall",
    }
}

/// Acts under a lease.
pub(crate) fn leases() -> Vec<(&'static str, LeaseAct)> {
    vec![
        ("open", LeaseAct::Open(opened_alone())),
        ("commit", LeaseAct::Commit(Commit { operation: id("operation"), seen: 4096 })),
    ]
}

/// Amendments of the charter: one by which a partner joins, and one that changes rules alone.
pub(crate) fn amendments() -> Vec<(&'static str, Amendment)> {
    let (_, _, joins) = joining();
    vec![("a partner joins", joins), ("rules change", rules_changed())]
}

fn rules_changed() -> Amendment {
    let charter = charter();
    let mut wanted = charter.clone();
    wanted.integrity.flood_per_minute += 1;
    charter.amendment_to(&wanted).expect("a sound change")
}

/// The charter as it would be, had it been drawn up a millisecond later.
pub(crate) fn charter_of_other_time() -> Charter {
    Charter { created: NOW.plus(1), ..charter() }
}

/// The charter's versions as a receipt carries them: the founding alone, and two later ones.
pub(crate) fn chains() -> Vec<(&'static str, CharterChain)> {
    let (proposed, _, joins) = joining();
    let mut wanted = proposed.charter.clone();
    wanted.operations[0].window_ms += 1;
    let later = proposed.charter.amendment_to(&wanted).expect("a sound change");
    let chain = |amendments| CharterChain { founding: founding(), amendments };
    vec![("the founding alone", chain(vec![])), ("three versions", chain(vec![joins, later]))]
}
