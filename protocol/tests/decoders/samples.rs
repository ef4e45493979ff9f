//! Valid inputs of every decoder, from fixed seeds: what the corpus is made of, what is damaged, and what the vectors show.

use std::collections::BTreeMap;

use entente_hbbft::{BoolSet, Brief, Digest, Frame, Message, Round, Seat};
use entente_protocol::authority::{
    self, AllianceDocument, AuthorityKind, Expression, Extent, Scope, Signatures, SignedAlliance, Word,
};
use entente_protocol::charter::{
    Amendment, Card, Charter, DraftSpec, Partner, PartnerName, RoleHints, draft,
};
use entente_protocol::coalition::Page;
use entente_protocol::coalition::{
    About, AuthorityWord, Candidate, Conflict, Decision, Deficit, Disposition, JudgeWord, Mandate, Need,
    NeedOf, Refusal, Ruled, Stage, Standing, Verdict,
};
use entente_protocol::credential::{
    Capability, Chain, Delegation, Revocation, RootRotation, SignedRevocation, SignedRotation, Target,
};
use entente_protocol::evidence::Equivocation;
use entente_protocol::feed::{
    BodyBytes, Branch, FeedKey, ForkProof, Head, Lane, Run, body_digest, entry_hash, sign_head,
};
use entente_protocol::founding::{
    Accession, CharterChain, CharterSignature, CoalitionSecret, FoundedFile, Founding, Proposed,
};
use entente_protocol::frontier::Contribution;
use entente_protocol::identity::{CoalitionId, EvidenceId, Hash, PublicKey, RecordId, SecretKey, hash};
use entente_protocol::leaf::{CoinMode, EntryLeaf, EpochRecord, Leaf};
use entente_protocol::ledger::checkpoint::Checkpoint;
use entente_protocol::ledger::cosignature::{Certificate, Cosignature, Cosigners, TreeHead};
use entente_protocol::ledger::merkle::{Frontier, leaf_hash};
use entente_protocol::ledger::receipt::Receipt;
use entente_protocol::record::{
    Accept, Acknowledged, Act, AssetAct, Attest, AuthorityAct, Body, Change, Commit, Conclude, Confirm,
    Contribute, Control, Declare, Decline, DisputeAct, Due, EventKind, Exhibit, Handed, HandoffAct, Incident,
    IntegrityAct, KeyAct, LeaseAct, LeasedOpen, Matter, Measure, MemberAct, Nonce, Offer, Open, OpenDispute,
    Propose, Recall, Reclaim, Record, Report, Role, Rule, Ruling, Shown, SignedRecord, SignedStatement,
    Speak, Stance, Statement, Takeover, Vote, Watch, Withdraw, Withdrawal,
};
use entente_protocol::replicate::{Cosign, EpochHave, EpochProof, Have, PeerMessage, Spoken, Want};
use entente_protocol::time::Time;
use entente_protocol::vote::{HeadReport, HeadRequest, VoteFeed, VoteFrame};
use entente_protocol::wire;

use crate::bodies::{BASIS, coalition};
use crate::walk::reachable;

// Also read from the test of allocations, whose own folder is another.
#[path = "samples/acts.rs"]
mod acts;
#[path = "samples/charters.rs"]
mod charters;
#[path = "samples/items.rs"]
mod items;
#[path = "samples/proven.rs"]
mod proven;

use acts::*;

pub(crate) use acts::bodies;
pub(crate) use charters::full_charter;
pub(crate) use items::items;
pub(crate) use proven::*;

/// 2026-11-24T13:05:09.999Z.
const NOW: Time = Time(1_795_525_509_999);
const PARTNERS: [&str; 4] = ["norden", "sudria", "estmark", "skywatch"];

/// The feed of the first node.
fn feed() -> (CoalitionId, FeedKey) {
    (coalition(), FeedKey { node: key("a").public(), lane: Lane::Routine, incarnation: 0 })
}

pub(crate) fn key(label: &str) -> SecretKey {
    SecretKey::from_seed(&hash("decoders/key", &[label.as_bytes()]).0)
}

pub(crate) fn public(label: &str) -> PublicKey {
    key(label).public()
}

fn id(label: &str) -> RecordId {
    RecordId(hash("decoders/sample", &[label.as_bytes()]))
}

fn record(act: Act) -> SignedRecord {
    let key = key("officer");
    let nonce = Nonce::from_key(&key.public(), "first");
    Record { coalition: coalition(), nonce, signer: key.public(), act }.sign(&key)
}

fn a_run() -> Run {
    let (coalition, feed) = feed();
    let from = Head { length: 0, hash: feed.root(&coalition) };
    let bodies = vec![Body::Note(b"one".to_vec()).encode(), Body::Note(b"two".to_vec()).encode()];
    Run::sign(&coalition, feed, from, bodies, &key("a"))
}

fn a_contribution() -> Contribution {
    let held = |index| if index % 5 == 0 { 10 + 7 } else { 10 };
    Contribution::compose(&BASIS, NOW, held, |index, length| {
        Some(hash("decoders/entry", &[&(index as u64).to_le_bytes(), &length.to_le_bytes()]))
    })
}

fn vote_feed() -> VoteFeed {
    VoteFeed { seat: Seat(0), incarnation: 0, era: 0, epoch: 300 }
}

/// Vote frames: of every message, and of votes alone with a bitmap beyond 64 bits.
pub(crate) fn vote_frames() -> Vec<(&'static str, VoteFrame)> {
    let digest = Digest::of(b"a contribution");
    let (proposer, round) = (Seat(1), Round(1));
    let all = [
        Message::Propose(Digest::of(b"an own contribution")),
        Message::Echo { proposer, digest },
        Message::Ready { proposer, digest },
        Message::Bval { proposer: Seat(2), round: Round(0), value: false },
        Message::Bval { proposer, round, value: true },
        Message::Aux { proposer, round, value: true },
        Message::Conf { proposer, round: Round(2), values: BoolSet::Both },
        Message::Term { proposer: Seat(3), round: Round(2), value: true },
    ];
    let wide = [Seat(0), Seat(100)].map(|proposer| Message::Aux { proposer, round: Round(0), value: false });
    let root = vote_feed().root(&coalition());
    let frame = |seq, previous, messages: &[Message]| {
        VoteFrame::sign(
            &coalition(),
            vote_feed(),
            seq,
            previous,
            Frame::pack(messages.iter().copied()),
            &key("a"),
        )
    };
    let first = frame(0, root, &all);
    let second = frame(1, first.hash(), &wide);
    vec![("every message", first), ("votes of many seats", second)]
}

fn decision() -> Decision {
    let standing = |partner: &str, stance, caveat: Option<&str>| Standing {
        record: id(partner),
        partner: partner.parse().expect("a name"),
        role: Role::Supporting,
        stance,
        caveat: caveat.map(str::to_owned),
        evidence: vec![],
    };
    let from = vec![Candidate {
        partner: "norden".parse().expect("a name"),
        stance: Some(Stance::Abstain),
        gives: 1,
        or: vec!["skywatch".parse().expect("a name")],
    }];
    let weight = Need { of: NeedOf::Weight, role: None, needed: 300, missing: 2, from: vec![] };
    let share = Need { of: NeedOf::Share(60), ..weight.clone() };
    Decision {
        operation: id("operation"),
        kind: "airlift".parse().expect("a name"),
        title: "Corridor".into(),
        verdict: Verdict::Expired,
        limits: None,
        decided_at: NOW,
        decided_by: None,
        charter_version: 1,
        charter: hash("decoders/charter", &[]),
        concerns: None,
        changed: None,
        by_new_rule: false,
        stage: Stage::Escalated,
        word: Some(Standing {
            role: "arbiter".parse().expect("a role"),
            ..standing("norden", Stance::Abstain, None)
        }),
        counted: vec![
            standing("estmark", Stance::Endorse, Some("daylight only")),
            standing("sudria", Stance::Object, None),
        ],
        deficit: Deficit {
            needs: vec![Need {
                of: NeedOf::Endorsements,
                role: Some(Role::Lead),
                needed: 1,
                missing: 1,
                from,
            }],
            either: vec![vec![weight], vec![share]],
            awaited: vec![],
            vetoed_by: vec![],
            veto_unused: vec!["sudria".parse().expect("a name")],
        },
        mandates: vec![mandate()],
        conflicts: vec![],
    }
}

fn epoch_record() -> EpochRecord {
    let (coalition, feed) = feed();
    EpochRecord {
        coalition,
        era: 0,
        epoch: 5,
        seats: 4,
        charter_version: 1,
        agreed: (0..3).map(|seat| (Seat(seat), Digest::of(&[seat as u8]))).collect(),
        committed: vec![(feed, Head { length: 11, hash: hash("decoders/entry", &[]) }, false)],
        state_root: hash("decoders/state", &[]),
        time: NOW,
        coin: CoinMode::Public,
        key_version: 0,
        dealings: None,
        activation: None,
    }
}

fn ruled() -> Ruled {
    let name = |partner: &str| partner.parse().expect("a name");
    Ruled {
        dispute: id("dispute"),
        subject: id("operation"),
        about: About::Operation,
        operation: id("operation"),
        kind: "airlift".parse().expect("a name"),
        title: "Corridor".into(),
        opened_by: name("sudria"),
        ground: Some("safety".parse().expect("a name")),
        reason: "over the closed sector".into(),
        ruling: Ruling::Annul,
        ruled_at: NOW,
        ruled_by: Some(41),
        charter_version: 1,
        charter: hash("decoders/charter", &[]),
        panel: vec![name("estmark"), name("skywatch")],
        threshold: 1,
        words: vec![JudgeWord {
            record: id("word"),
            partner: name("skywatch"),
            ruling: Ruling::Annul,
            reason: Some("as the map shows".into()),
            index: 41,
            at: NOW,
            number: 1,
        }],
    }
}

/// Of an opening under a lease that claims what others have a right to.
fn conflicted() -> Decision {
    let conflict = |lease: Option<&str>, holder| Conflict {
        claim: "corridor alfa".into(),
        partner: "estmark".parse().expect("a name"),
        lease: lease.map(|lease| lease.parse().expect("a name")),
        holder,
    };
    Decision {
        verdict: Verdict::Conflicted,
        decided_by: Some(41),
        word: None,
        stage: Stage::First,
        counted: vec![],
        conflicts: vec![conflict(Some("east"), None), conflict(None, Some(id("holder")))],
        ..decision()
    }
}

/// Leaves of the log, one for each variant and disposition.
pub(crate) fn leaves() -> Vec<(&'static str, Leaf)> {
    let entry = |record, disposition| {
        let (_, feed) = feed();
        Leaf::Entry(EntryLeaf { feed, length: 7, hash: hash("decoders/entry", &[]), record, disposition })
    };
    let refusal = Refusal::UnknownSigner { signer: key("stranger").public() };
    let keyed = EpochRecord {
        coin: CoinMode::Threshold,
        key_version: 1,
        dealings: Some(hash("decoders/dealings", &[])),
        activation: Some(9),
        ..epoch_record()
    };
    vec![
        ("entry, applied", entry(Some(id("record")), Disposition::Applied)),
        ("entry, said before", entry(Some(id("record")), Disposition::Duplicate { first: 3 })),
        ("entry, refused", entry(None, Disposition::Refused(refusal))),
        ("entry, parked", entry(Some(id("record")), Disposition::Parked { awaits: id("operation") })),
        ("entry, void", entry(Some(id("record")), Disposition::Void { frozen: 3 })),
        ("decision", Leaf::Decision(Box::new(decision()))),
        ("decision of a conflict", Leaf::Decision(Box::new(conflicted()))),
        ("ruling", Leaf::Ruling(Box::new(ruled()))),
        ("epoch", Leaf::Epoch(Box::new(epoch_record()))),
        ("epoch with a coin of keys", Leaf::Epoch(Box::new(keyed))),
    ]
}

/// A refusal for each variant of all that one can hold.
pub(crate) fn refusals() -> Vec<(String, Refusal)> {
    let (_, made) = reachable::<Refusal>(&[vec![]]);
    let refusal = |(name, bytes): (_, Vec<u8>)| (name, wire::decode(&bytes, bytes.len()).expect("made up"));
    made.into_iter().map(refusal).collect()
}

/// A log of three leaves whose last is `last`; the head at [`NOW`] and the path of the last leaf.
fn log_with(last: &[u8]) -> (TreeHead, Vec<Hash>) {
    let mut frontier = Frontier::new();
    frontier.append(b"first");
    frontier.append(b"second");
    let path = frontier.path_of_next();
    frontier.append_hash(leaf_hash(last));
    (TreeHead::new(frontier.size(), frontier.root(), NOW), path)
}

fn certified(head: TreeHead, coalition: &CoalitionId, keys: [SecretKey; 3]) -> Certificate {
    let cosignatures =
        (0..).zip(&keys).map(|(seat, key)| Cosignature { seat, signature: head.cosign(coalition, key) });
    Certificate { head, cosignatures: cosignatures.collect() }
}

fn epoch_proof() -> EpochProof {
    let leaf = Leaf::Epoch(Box::new(epoch_record())).encode();
    let (head, path) = log_with(&leaf);
    EpochProof { certificate: certified(head, &coalition(), ["a", "b", "c"].map(key)), index: 2, leaf, path }
}

fn head_request() -> HeadRequest {
    HeadRequest::sign(&coalition(), Seat(1), hash("decoders/nonce", &[]).0, NOW, &key("b"))
}

fn head_report() -> HeadReport {
    let heads = vote_frames().iter().map(|(_, frame)| frame.head()).take(1).collect();
    HeadReport::sign(&coalition(), &head_request(), Seat(0), Some(Box::new(epoch_proof())), heads, &key("a"))
}

/// Messages between nodes, one for each variant, and one for each kind of [`Want`].
pub(crate) fn peer_messages() -> Vec<(&'static str, PeerMessage)> {
    let (_, feed) = feed();
    let head = Head { length: 11, hash: hash("decoders/entry", &[]) };
    let digest = Digest::of(b"a contribution");
    let proof = epoch_proof();
    let key_of_item = hash("decoders/key", &[]);
    let page = Page {
        branches: vec![(3, hash("decoders/other side", &[])), (17, hash("decoders/other side below", &[]))],
        items: vec![BodyBytes(b"an item".to_vec()), BodyBytes(b"another".to_vec())],
    };
    let have = Have {
        whole: true,
        feeds: vec![(feed, head)],
        applied: 5,
        certified: 4,
        epochs: vec![EpochHave { epoch: 6, frames: vec![2, 0, 300, 70_000], cosigned: vec![0b101] }],
        linked: vec![0b1011],
        seat: Some(Seat(0)),
    };
    let cosign = Cosign {
        seat: Seat(2),
        epoch: 5,
        head: proof.certificate.head,
        signature: proof.certificate.cosignatures[2].signature,
    };
    let entries = Want::Entries { feed, from: 3, to: Some(head) };
    let certificate = proof.certificate.clone();
    let (_, frame) = vote_frames().swap_remove(1);
    let [first, second] = spoken();
    vec![
        ("have", PeerMessage::Have(have)),
        ("want, entries", PeerMessage::Want(entries.clone())),
        (
            "want, frames",
            PeerMessage::Want(Want::Frames { epoch: 6, from: vec![(Seat(0), 2), (Seat(1), 0)] }),
        ),
        ("want, payload", PeerMessage::Want(Want::Payload { epoch: 6, digest })),
        (
            "want, cosignatures",
            PeerMessage::Want(Want::Cosignatures { epoch: 5, seats: vec![Seat(1), Seat(3)] }),
        ),
        ("want, certificate", PeerMessage::Want(Want::Certificate { epoch: 5 })),
        ("want, epochs", PeerMessage::Want(Want::Epochs { from: 1 << 40 })),
        ("want, copy of the state", PeerMessage::Want(Want::Snapshot { above: 300 })),
        (
            "want, page of the state",
            PeerMessage::Want(Want::State { epoch: 1_024, after: Some(key_of_item) }),
        ),
        ("run", PeerMessage::Run(a_run())),
        ("frame", PeerMessage::Frame(frame)),
        ("payload", PeerMessage::Payload { epoch: 6, bytes: a_contribution().encode() }),
        ("cosign", PeerMessage::Cosign(cosign)),
        ("certificate", PeerMessage::Certificate { epoch: 5, certificate }),
        ("epoch", PeerMessage::Epoch(proof.clone())),
        ("served", PeerMessage::Served(entries)),
        ("head request", PeerMessage::HeadRequest(head_request())),
        ("head report", PeerMessage::HeadReport(head_report())),
        ("spoken, with its contribution", PeerMessage::Spoken(first)),
        ("spoken", PeerMessage::Spoken(second)),
        ("copy of the state", PeerMessage::Snapshot(proof)),
        ("page of the state", PeerMessage::State { epoch: 1_024, after: Some(key_of_item), page }),
    ]
}

/// Two frames of one chain as their author pushes them: the contribution and an ECHO for it; READY for two ECHO, one of them
/// in the same frame, and for what the sender has sent no ECHO for.
fn spoken() -> [Spoken; 2] {
    let payload = a_contribution().encode();
    let (own, other) = (Digest::of(&payload), Digest::of(b"a contribution"));
    let feed = VoteFeed { epoch: 6, ..vote_feed() };
    let echo = |proposer, digest| Message::Echo { proposer: Seat(proposer), digest };
    let ready = |proposer, digest| Message::Ready { proposer: Seat(proposer), digest };
    let aux = Message::Aux { proposer: Seat(3), round: Round(0), value: true };
    let first = Frame::pack([Message::Propose(own), echo(feed.seat.0, own)]);
    let second =
        Frame::pack([echo(1, other), ready(feed.seat.0, own), ready(1, other), ready(2, other), aux]);
    let root = feed.root(&coalition());
    let brief = |seq, previous, frame: Frame, payload: Vec<u8>, echoed: &[(Seat, Digest)]| {
        let votes = Brief::of(&frame, feed.seat, &echoed.iter().copied().collect());
        let whole = VoteFrame::sign(&coalition(), feed, seq, previous, frame, &key("a"));
        let spoken = Spoken { epoch: feed.epoch, seq, payload, votes, signature: whole.signature };
        (spoken, whole.hash())
    };
    let (first, hash) = brief(0, root, first, payload, &[]);
    let (second, _) = brief(1, hash, second, Vec::new(), &[(feed.seat, own)]);
    [first, second]
}

/// Contributions: one with claims, one without.
pub(crate) fn contributions() -> Vec<(&'static str, Contribution)> {
    vec![("claims", a_contribution()), ("no claims", Contribution { clock: NOW, claims: vec![] })]
}

fn partner_key(partner: &str, purpose: &str) -> SecretKey {
    key(&format!("{partner}/{purpose}"))
}

fn card(partner: &str) -> Card {
    let public = |purpose| partner_key(partner, purpose).public();
    let contact = (partner == "norden").then(|| "watch@norden.example".to_owned());
    let name = partner.parse().expect("a name");
    let root = partner_key(partner, "root");
    Card::sign(name, vec![public("officer")], public("seat"), vec![public("node")], contact, &root)
        .expect("a sound card")
}

pub(crate) fn charter() -> Charter {
    let spec = DraftSpec {
        name: "corridor".parse().expect("a name"),
        created: NOW,
        nonce: Nonce([7; 16]),
        credentials_until: NOW.plus(30 * 86_400_000),
        roles: RoleHints::default(),
    };
    draft("airlift", &PARTNERS.map(card), &spec).expect("a sound charter")
}

fn signatures(charter: &Charter) -> Vec<CharterSignature> {
    PARTNERS
        .iter()
        .map(|name| {
            CharterSignature::sign(charter, &partner_key(name, "root")).expect("a root of this charter")
        })
        .collect()
}

fn founding() -> Founding {
    let mut founding = Founding::new(charter());
    for signature in signatures(&founding.charter) {
        founding.merge(signature).expect("a sound signature");
    }
    founding
}

/// The seats of [`founding`], any three of whom certify.
pub(crate) fn cosigners() -> Cosigners {
    let founded = founding().verify().expect("a founded coalition");
    let seats = founded.partners().iter().map(|partner| (partner.name.as_str(), partner.seat));
    Cosigners::new(founded.coalition(), seats, 3).expect("four seats")
}

pub(crate) fn receipt() -> Receipt {
    let cosigners = cosigners();
    let leaf = Leaf::Decision(Box::new(decision())).encode();
    let (head, path) = log_with(&leaf);
    let keys = [0, 1, 2].map(|seat: usize| partner_key(cosigners.seats()[seat].partner(), "seat"));
    let certificate = certified(head, cosigners.coalition(), keys);
    let (_, chain) = chains().swap_remove(1);
    Receipt::new(leaf, wire::encode(&chain), 2, path, &certificate, &cosigners).expect("a sound receipt")
}

fn texts<T: ToString>(texts: &[T]) -> Vec<Vec<u8>> {
    texts.iter().map(|text| text.to_string().into_bytes()).collect()
}

/// Valid inputs of the decoder of this name.
pub(crate) fn of(name: &str) -> Vec<Vec<u8>> {
    let body = || bodies().into_iter().map(|(_, body)| body.encode()).collect();
    match name {
        "peer_message" => peer_messages().iter().map(|(_, message)| wire::encode(message)).collect(),
        "vote_frame" => vote_frames().iter().map(|(_, frame)| wire::encode(frame)).collect(),
        "body" => body(),
        "run" => vec![wire::encode(&a_run())],
        "contribution" => contributions().iter().map(|(_, contribution)| contribution.encode()).collect(),
        "leaf" => leaves().iter().map(|(_, leaf)| leaf.encode()).collect(),
        "item" => items().iter().map(|(_, item)| wire::encode(item)).collect(),
        "decision" => vec![decision().encode()],
        "certificate" => vec![wire::encode(&epoch_proof().certificate)],
        "checkpoint" => {
            let text = Checkpoint::new(&coalition(), 3, hash("decoders/root", &[])).body();
            texts(&[text.clone(), text + "an extension line\n"])
        }
        "note" => {
            let text = receipt().encode();
            let (_, note) = text.split_once("\n\n").expect("an empty line before the note");
            texts(&[note])
        }
        "receipt" => texts(&[receipt().encode()]),
        "policy" => texts(&["3\nnorden\nsudria\nestmark\nskywatch", "1\nalone"]),
        "charter" => vec![charter().encode(), full_charter().encode(), joining().0.charter.encode()],
        "charter_chain" => chains().iter().map(|(_, chain)| wire::encode(chain)).collect(),
        "charter_toml" => {
            texts(&[charter(), full_charter(), joining().0.charter].map(|charter| charter.to_toml()))
        }
        "card_toml" => texts(&PARTNERS.map(card).map(|card| card.to_toml())[..2]),
        "credential" => {
            let stated = signatures(&charter()).swap_remove(0).delegations;
            stated.into_iter().chain([a_chain()]).map(|chain| chain.encode()).collect()
        }
        "alliance" => alliances().iter().map(SignedAlliance::encode).collect(),
        "revocation" => revocations().iter().map(SignedRevocation::encode).collect(),
        "rotation" => vec![a_rotation().encode()],
        "authority_toml" => texts(
            &[
                alliances().iter().map(SignedAlliance::to_toml).collect::<Vec<_>>(),
                vec![a_chain().to_toml(), revocations()[0].to_toml(), a_rotation().to_toml()],
                vec![a_statement(&[]).to_toml(), a_statement(&["a root", "another"]).to_toml()],
            ]
            .concat(),
        ),
        "founding" => vec![wire::encode(&founding()), wire::encode(&Founding::new(charter()))],
        "founding_toml" => {
            let founding = founding();
            let secret = Some(CoalitionSecret::from_bytes([9; 32]));
            let signature = founding.signatures[0].to_toml();
            let file = FoundedFile { founding: founding.clone(), secret }.to_toml().to_string();
            let (proposed, accession, _) = joining();
            texts(&[founding.to_toml(), file, signature, proposed.to_toml(), accession.to_toml()])
        }
        "head_report" => vec![wire::encode(&head_report())],
        "epoch_proof" => vec![wire::encode(&epoch_proof())],
        "ids" => {
            let key = key("officer");
            let record = id("record");
            texts(&[
                record.0.to_string(),
                coalition().to_string(),
                record.to_string(),
                key.public().to_string(),
                key.sign("decoders", b"message").to_string(),
                Nonce([7; 16]).to_string(),
                "sky-watch-2".to_owned(),
                "immediate".to_owned(),
                "supporting".to_owned(),
                "abstain".to_owned(),
                "2026-11-24T13:05:09.999Z".to_owned(),
            ])
        }
        _ => panic!("no samples of {name}"),
    }
}
