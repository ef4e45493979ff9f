//! One body per decoder of this crate: what must hold for any bytes whatever. The property tests beside this file and the
//! fuzz targets under `protocol/fuzz/` run the same ones.
//!
//! Each body claims that the decoder returns, that what it accepts is within its limit and encodes to the very bytes again,
//! and that the checks which follow in a node return, too. It says whether the bytes were accepted.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{Debug, Display};
use std::str::FromStr;
use std::sync::LazyLock;

use entente_hbbft::{Brief, Committee, Digest, Seat, SeatSet};
use entente_protocol::authority::{MAX_ALLIANCE_BYTES, SignedAlliance};
use entente_protocol::charter::{Card, Charter, KindName, PartnerName, lint, parse_time, show_time};
use entente_protocol::coalition::{Decision, MAX_ITEM_BYTES, Page, PageError, Taking, find_id};
use entente_protocol::credential::{
    Chain, MAX_CHAIN_BYTES, MAX_REVOCATION_BYTES, MAX_ROTATION_BYTES, RootNow, SignedRevocation,
    SignedRotation,
};
use entente_protocol::feed::{BodyBytes, Head, Lane, MAX_RUN_BYTES, Run};
use entente_protocol::founding::{
    Accession, CharterChain, CharterSignature, CoalitionSecret, FoundedFile, Founding, Proposed,
};
use entente_protocol::frontier::{Basis, Contribution, MAX_INCARNATIONS};
use entente_protocol::identity::{CoalitionId, Hash, PublicKey, RecordId, SecretKey, Signature, hash};
use entente_protocol::leaf::{Leaf, MAX_LEAF_BYTES};
use entente_protocol::ledger::checkpoint::Checkpoint;
use entente_protocol::ledger::cosignature::{Certificate, Cosigners, MAX_CERTIFICATE_BYTES};
use entente_protocol::ledger::note::SignedNote;
use entente_protocol::ledger::policy;
use entente_protocol::ledger::receipt::{MAX_EXTRA_BYTES, Receipt};
use entente_protocol::record::{Body, MAX_BODY_BYTES, Nonce, Role, SignedStatement, Stance};
use entente_protocol::replicate::{EpochProof, MAX_MESSAGE_BYTES, PeerMessage, Spoken};
use entente_protocol::time::Time;
use entente_protocol::vote::{HeadReport, MAX_VOTE_FRAME_BYTES, VoteFrame};
use entente_protocol::wire;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// What must hold for any bytes; true if the decoder accepts them.
pub(crate) type Claim = fn(&[u8]) -> bool;

/// Every body under the name of its fuzz target.
pub(crate) const BODIES: [(&str, Claim); 27] = [
    ("peer_message", peer_message),
    ("vote_frame", vote_frame),
    ("body", body),
    ("run", run),
    ("contribution", contribution),
    ("leaf", leaf),
    ("item", item),
    ("decision", decision),
    ("certificate", certificate),
    ("checkpoint", checkpoint),
    ("note", note),
    ("receipt", receipt),
    ("policy", policy_file),
    ("charter", charter),
    ("charter_chain", charter_chain),
    ("charter_toml", charter_toml),
    ("card_toml", card_toml),
    ("credential", credential),
    ("alliance", alliance),
    ("revocation", revocation),
    ("rotation", rotation),
    ("authority_toml", authority_toml),
    ("founding", founding),
    ("founding_toml", founding_toml),
    ("head_report", head_report),
    ("epoch_proof", epoch_proof),
    ("ids", ids),
];

/// The coalition that checks are made for.
pub(crate) fn coalition() -> CoalitionId {
    CoalitionId(hash("decoders/coalition", &[]))
}

fn key(label: &str) -> PublicKey {
    SecretKey::from_seed(&hash("decoders/key", &[label.as_bytes()]).0).public()
}

/// Four nodes, two incarnations of four feeds each, ten entries of each committed.
pub(crate) static BASIS: LazyLock<Basis> = LazyLock::new(|| {
    let feeds = Basis::feeds_of(&["a", "b", "c", "d"].map(key), MAX_INCARNATIONS, []);
    let committed = feeds.iter().map(|_| Head { length: 10, hash: Hash::default() }).collect();
    let mut frozen = vec![false; feeds.len()];
    frozen[3] = true;
    Basis {
        epoch: 5,
        feeds,
        committed,
        frozen,
        quota: [16, 128, 512, 1024],
        time: Time(0),
        last_set: SeatSet::EMPTY,
        step_ms: 1000,
    }
});

static SEAT_KEYS: LazyLock<[PublicKey; 4]> = LazyLock::new(|| ["a", "b", "c", "d"].map(key));

static COSIGNERS: LazyLock<Cosigners> = LazyLock::new(|| {
    let seats = ["a", "b", "c", "d"].into_iter().zip(*SEAT_KEYS);
    Cosigners::new(coalition(), seats, 3).expect("four good seats")
});

/// What the codec accepts of `bytes`.
fn decoded<T: Serialize + DeserializeOwned>(bytes: &[u8], limit: usize) -> Option<T> {
    let value: T = wire::decode(bytes, limit).ok()?;
    assert!(bytes.len() <= limit);
    assert_eq!(wire::encode(&value), bytes, "an accepted encoding is the only one");
    Some(value)
}

fn peer_message(bytes: &[u8]) -> bool {
    let message: Option<PeerMessage> = decoded(bytes, MAX_MESSAGE_BYTES);
    match &message {
        Some(PeerMessage::Run(run)) => {
            let _ = run.check(&coalition());
        }
        Some(PeerMessage::Epoch(proof)) => {
            let _ = proof.verify(&coalition(), &COSIGNERS);
        }
        Some(PeerMessage::Frame(frame)) => checks_of(frame),
        Some(PeerMessage::Spoken(spoken)) => brief(spoken),
        Some(PeerMessage::State { page, .. }) => {
            let _ = Taking::new(Hash::default()).take(page);
        }
        _ => {}
    }
    message.is_some()
}

/// A frame in brief, as the first of its chain and after one that ECHOed: it is the brief form of what it is spelled out to.
fn brief(spoken: &Spoken) {
    let (seat, payload) = (Seat(0), &spoken.payload);
    let proposed = (!payload.is_empty()).then(|| Digest::of(payload));
    let before = [seat, Seat(1), Seat(2)].map(|proposer| (proposer, Digest::of(b"a contribution")));
    for echoed in [BTreeMap::new(), BTreeMap::from(before)] {
        if let Some(frame) = spoken.votes.clone().spelled(seat, proposed, &echoed) {
            assert_eq!(frame.proposal(), proposed);
            assert_eq!(Brief::of(&frame, seat, &echoed), spoken.votes, "there is one brief form");
        }
    }
}

fn checks_of(frame: &VoteFrame) {
    for size in [1, 4, 128] {
        let committee = Committee::new(size).expect("a size within bounds");
        if frame.votes.check(&committee).is_ok() {
            let again = entente_hbbft::Frame::pack(frame.votes.messages());
            assert_eq!(again, frame.votes, "a frame that passes is the packed form of its messages");
        }
    }
    let _ = frame.verify(&coalition(), &SEAT_KEYS[0]);
}

fn vote_frame(bytes: &[u8]) -> bool {
    let frame: Option<VoteFrame> = decoded(bytes, MAX_VOTE_FRAME_BYTES);
    frame.iter().for_each(checks_of);
    frame.is_some()
}

fn body(bytes: &[u8]) -> bool {
    let Ok(body) = Body::decode(bytes) else { return false };
    assert!(bytes.len() <= MAX_BODY_BYTES);
    assert_eq!(body.encode(), bytes);
    match body {
        Body::Signed(signed) => {
            let _ = (signed.record.id(), signed.verify());
        }
        Body::Fork(proof) => {
            let _ = proof.verify(&coalition());
        }
        Body::Equivocation(proof) => {
            let _ = proof.verify(&coalition(), &SEAT_KEYS[0]);
        }
        Body::Note(_) | Body::Due(_) | Body::Incident(_) => {}
    }
    true
}

fn run(bytes: &[u8]) -> bool {
    let run: Option<Run> = decoded(bytes, MAX_MESSAGE_BYTES);
    if let Some(run) = &run
        && let Ok(heads) = run.check(&coalition())
    {
        assert_eq!(heads.len(), run.bodies.len());
        assert!(run.bodies.iter().map(|body| body.0.len()).sum::<usize>() <= MAX_RUN_BYTES);
    }
    run.is_some()
}

fn contribution(bytes: &[u8]) -> bool {
    let Ok(contribution) = Contribution::decode(bytes, &BASIS) else { return false };
    assert_eq!(contribution.encode(), bytes);
    let tops = contribution.tops(&BASIS).collect::<BTreeMap<_, _>>();
    for (index, head) in contribution.heads(&BASIS) {
        assert!(
            head.length > 10 && head.length <= BASIS.ceiling(index) && head.length <= tops[&index].length
        );
    }
    true
}

fn leaf(bytes: &[u8]) -> bool {
    let Ok(leaf) = Leaf::decode(bytes) else { return false };
    assert!(bytes.len() <= MAX_LEAF_BYTES);
    assert_eq!(leaf.encode(), bytes);
    match leaf {
        Leaf::Entry(entry) => {
            let _ = entry.disposition.to_string();
        }
        Leaf::Decision(decision) => {
            let _ = decision.explain();
        }
        Leaf::Ruling(ruled) => {
            let _ = ruled.explain();
        }
        Leaf::Epoch(record) => {
            let _ = show_time(record.time);
        }
    }
    true
}

/// A piece of the state, as the one item of a page.
fn item(bytes: &[u8]) -> bool {
    let page = Page { branches: vec![], items: vec![BodyBytes(bytes.to_vec())] };
    let mut taking = Taking::new(Hash::default());
    let refused = taking.take(&page).expect_err("no page has this root");
    assert!(taking.taken() == 0 && taking.pending() == 1, "what is refused changes nothing");
    assert!(refused == PageError::Malformed || bytes.len() <= MAX_ITEM_BYTES);
    refused == PageError::Root
}

fn decision(bytes: &[u8]) -> bool {
    let Ok(decision) = Decision::decode(bytes) else { return false };
    assert_eq!(decision.encode(), bytes);
    let _ = (decision.explain(), decision.caveats().count());
    true
}

fn certificate(bytes: &[u8]) -> bool {
    let certificate: Option<Certificate> = decoded(bytes, MAX_CERTIFICATE_BYTES);
    if let Some(certificate) = &certificate {
        let _ = certificate.verify(&COSIGNERS);
        if let Ok(note) = certificate.to_note(&COSIGNERS) {
            let back = SignedNote::parse(note.encode().as_bytes()).expect("an own note");
            assert_eq!(Certificate::from_note(&back, &COSIGNERS).is_ok(), certificate.head.size <= 1 << 56);
        }
    }
    certificate.is_some()
}

fn checkpoint(bytes: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(bytes) else { return false };
    let Ok(checkpoint) = Checkpoint::parse(text) else { return false };
    assert_eq!(checkpoint.body(), text);
    true
}

fn note(bytes: &[u8]) -> bool {
    let Ok(note) = SignedNote::parse(bytes) else { return false };
    assert_eq!(note.encode().as_bytes(), bytes);
    if let Ok(certificate) = Certificate::from_note(&note, &COSIGNERS) {
        assert_eq!(certificate.to_note(&COSIGNERS), Ok(note));
        let _ = certificate.verify(&COSIGNERS);
    }
    true
}

fn receipt(bytes: &[u8]) -> bool {
    let Ok(receipt) = Receipt::parse(bytes) else { return false };
    assert_eq!(receipt.encode().as_bytes(), bytes);
    let _ = receipt.verify(&COSIGNERS);
    leaf(receipt.leaf());
    charter_chain(receipt.founding());
    true
}

/// The policy file has no reader here: whatever seats are accepted, a reader of the published format finds them in it again.
fn policy_file(bytes: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(bytes) else { return false };
    let mut lines = text.split('\n');
    let quorum = lines.next().and_then(|line| line.parse().ok()).unwrap_or(1);
    static KEYS: LazyLock<[PublicKey; 8]> = LazyLock::new(|| std::array::from_fn(|i| key(&i.to_string())));
    let seats = lines.zip(*KEYS);
    let Ok(cosigners) = Cosigners::new(coalition(), seats, quorum) else { return false };
    let file = policy::export(&cosigners);
    let mut witnesses = BTreeSet::new();
    let mut group = None;
    for line in file.lines().filter(|line| !line.starts_with('#')) {
        match line.split(' ').collect::<Vec<_>>()[..] {
            ["witness", name, vkey] => {
                let parts = vkey.splitn(3, '+').collect::<Vec<_>>();
                assert!(parts.len() == 3 && parts[0].ends_with(&name["seat".len()..]), "{line}");
                assert!(witnesses.insert(name), "{line}");
            }
            ["group", "seats", count, ref members @ ..] => {
                assert_eq!(count.parse(), Ok(quorum));
                assert!(
                    members.len() == witnesses.len() && members.iter().all(|name| witnesses.contains(name))
                );
                group = Some(());
            }
            ["quorum", "seats"] => assert!(group.is_some()),
            _ => panic!("a policy file has no line {line:?}"),
        }
    }
    assert_eq!(witnesses.len(), cosigners.seats().len());
    true
}

fn charter(bytes: &[u8]) -> bool {
    let Ok(charter) = Charter::decode(bytes) else { return false };
    assert_eq!(charter.encode(), bytes);
    assert_eq!(Charter::from_toml(&charter.to_toml()).as_ref(), Ok(&charter), "its text says the same");
    let _ = lint(&charter);
    true
}

fn charter_toml(bytes: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(bytes) else { return false };
    let Ok(charter) = Charter::from_toml(text) else { return false };
    assert_eq!(Charter::from_toml(&charter.to_toml()).as_ref(), Ok(&charter));
    assert_eq!(Charter::decode(&charter.encode()).as_ref(), Ok(&charter));
    let _ = lint(&charter);
    true
}

fn card_toml(bytes: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(bytes) else { return false };
    let Ok(card) = Card::from_toml(text) else { return false };
    assert_eq!(Card::from_toml(&card.to_toml()), Ok(card));
    true
}

fn credential(bytes: &[u8]) -> bool {
    let Ok(chain) = Chain::decode(bytes) else { return false };
    assert!(bytes.len() <= MAX_CHAIN_BYTES);
    assert_eq!(chain.encode(), bytes);
    let (Some(first), Some(leaf)) = (chain.0.first(), chain.leaf()) else { return true };
    for capability in &leaf.capabilities {
        let _ = chain.verify(&first.delegation.issuer, &leaf.coalition, *capability, chain.not_after());
    }
    true
}

fn alliance(bytes: &[u8]) -> bool {
    let Ok(signed) = SignedAlliance::decode(bytes) else { return false };
    assert!(bytes.len() <= MAX_ALLIANCE_BYTES);
    assert_eq!(signed.encode(), bytes);
    let registry = signed.alliance.registry().expect("checked when it was read");
    let nobody = registry.evaluate(&signed.alliance.expression, &BTreeSet::new());
    assert!(!nobody.expect_err("nobody signed").to_string().is_empty());
    assert!(registry.evaluate(&signed.alliance.expression, &registry.keys()).is_ok());
    let _ = (signed.verify(None), signed.verify(Some(&signed.alliance)));
    true
}

fn revocation(bytes: &[u8]) -> bool {
    let Ok(signed) = SignedRevocation::decode(bytes) else { return false };
    assert!(bytes.len() <= MAX_REVOCATION_BYTES);
    assert_eq!(signed.encode(), bytes);
    let _ = (signed.is_signed(), signed.verify(&Chain(vec![]), &signed.revocation.issuer, &coalition()));
    true
}

fn rotation(bytes: &[u8]) -> bool {
    let Ok(signed) = SignedRotation::decode(bytes) else { return false };
    assert!(bytes.len() <= MAX_ROTATION_BYTES);
    assert_eq!(signed.encode(), bytes);
    let now = RootNow { root: signed.rotation.old, rotations: 0, national: None };
    let _ = (signed.signers(), signed.verify(&signed.rotation.coalition, &now));
    true
}

/// The files that are written offline: chains, alliances, revocations, rotations and statements.
fn authority_toml(bytes: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(bytes) else { return false };
    let mut read = 0;
    if let Ok(chain) = Chain::from_toml(text) {
        assert_eq!(Chain::from_toml(&chain.to_toml()), Ok(chain));
        read += 1;
    }
    if let Ok(signed) = SignedAlliance::from_toml(text) {
        assert_eq!(SignedAlliance::from_toml(&signed.to_toml()), Ok(signed));
        read += 1;
    }
    if let Ok(signed) = SignedRevocation::from_toml(text) {
        assert_eq!(SignedRevocation::from_toml(&signed.to_toml()), Ok(signed));
        read += 1;
    }
    if let Ok(signed) = SignedRotation::from_toml(text) {
        assert_eq!(SignedRotation::from_toml(&signed.to_toml()), Ok(signed));
        read += 1;
    }
    if let Ok(signed) = SignedStatement::from_toml(text) {
        let _ = signed.signers();
        assert_eq!(SignedStatement::from_toml(&signed.to_toml()), Ok(signed));
        read += 1;
    }
    assert!(read <= 1, "one text is one kind of file");
    read == 1
}

/// The charter's versions as they stand in a receipt: each leads from the one before, as far as they are sound.
fn charter_chain(bytes: &[u8]) -> bool {
    let chain: Option<CharterChain> = decoded(bytes, MAX_EXTRA_BYTES);
    if let Some(chain) = &chain {
        let (first, last) = (&chain.founding.charter, chain.last());
        assert_eq!(chain.version(&first.hash()).as_ref(), Some(first));
        assert!(last.version as usize <= first.version as usize + chain.amendments.len());
        assert_eq!(chain.version(&last.hash()), Some(last));
        let _ = (chain.founding.verify(), chain.founding.missing());
    }
    chain.is_some()
}

/// A founding in bytes.
fn founding(bytes: &[u8]) -> bool {
    let founding: Option<Founding> = decoded(bytes, MAX_EXTRA_BYTES);
    if let Some(founding) = &founding {
        let _ = (founding.verify(), founding.missing());
    }
    founding.is_some()
}

/// The files of a founding: signed by some, founded, and one root's signature; and those of who joins later: a version to sign,
/// and the root's word on it.
fn founding_toml(bytes: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(bytes) else { return false };
    if let Ok(signature) = CharterSignature::from_toml(text) {
        assert_eq!(CharterSignature::from_toml(&signature.to_toml()), Ok(signature));
        return true;
    }
    if let Ok(accession) = Accession::from_toml(text) {
        let _ = accession.verify(accession.coalition, &accession.version);
        assert_eq!(Accession::from_toml(&accession.to_toml()), Ok(accession));
        return true;
    }
    if let Ok(proposed) = Proposed::from_toml(text) {
        assert_eq!(Proposed::from_toml(&proposed.to_toml()), Ok(proposed));
        return true;
    }
    let founding = Founding::from_toml(text);
    if let Ok(founding) = &founding {
        assert_eq!(Founding::from_toml(&founding.to_toml()).as_ref(), Ok(founding));
        let _ = founding.verify();
    }
    let Ok(file) = FoundedFile::from_toml(text) else {
        assert!(founding.is_err(), "a founding is a founded file without a secret");
        return false;
    };
    let again = FoundedFile::from_toml(&file.to_toml()).expect("an own file");
    assert_eq!(again.founding, file.founding);
    let secret = |file: &FoundedFile| file.secret.as_ref().map(|secret| *secret.as_bytes());
    assert_eq!(secret(&again), secret(&file));
    true
}

fn head_report(bytes: &[u8]) -> bool {
    let report: Option<HeadReport> = decoded(bytes, MAX_MESSAGE_BYTES);
    if let Some(report) = &report {
        let _ = report.verify(&coalition(), &SEAT_KEYS[0]);
        let _ = report.certified.as_ref().map(|proof| proof.verify(&coalition(), &COSIGNERS));
    }
    report.is_some()
}

fn epoch_proof(bytes: &[u8]) -> bool {
    let proof: Option<EpochProof> = decoded(bytes, MAX_MESSAGE_BYTES);
    if let Some(proof) = &proof {
        let _ = (proof.record(&coalition()), proof.verify(&coalition(), &COSIGNERS), proof.is_last());
    }
    proof.is_some()
}

/// Whether `text` is a `T`, which then has no other text.
fn one_text<T: FromStr + Display>(text: &str) -> bool
where
    T::Err: Debug,
{
    let Ok(value) = text.parse::<T>() else { return false };
    assert_eq!(value.to_string(), text);
    true
}

/// Ids, keys, names and times in text, as the command line and the local API take them.
fn ids(bytes: &[u8]) -> bool {
    static KNOWN: LazyLock<BTreeMap<RecordId, ()>> =
        LazyLock::new(|| (0..100u8).map(|i| (RecordId(hash("decoders/record", &[&[i]])), ())).collect());
    let Ok(text) = std::str::from_utf8(bytes) else { return false };
    let mut known = [
        one_text::<Hash>,
        one_text::<CoalitionId>,
        one_text::<RecordId>,
        one_text::<PublicKey>,
        one_text::<Signature>,
        one_text::<Nonce>,
        one_text::<PartnerName>,
        one_text::<KindName>,
        one_text::<Lane>,
        one_text::<Role>,
        one_text::<Stance>,
    ]
    .map(|claim| claim(text))
    .contains(&true);
    if let Ok(secret) = text.parse::<CoalitionSecret>() {
        assert_eq!(*secret.to_text(), text);
        known = true;
    }
    if let Some(time) = parse_time(text) {
        assert_eq!(parse_time(&show_time(time)), Some(time));
        known = true;
    }
    if let Ok(id) = find_id(&KNOWN, text) {
        assert!(id.to_string().starts_with(text) || id.to_string()[3..].starts_with(text));
        known = true;
    }
    known
}
