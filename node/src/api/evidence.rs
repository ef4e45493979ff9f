//! Evidence: forked feeds and seats that contradict themselves, as it is ordered and as it is held here.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use data_encoding::HEXLOWER;
use entente_protocol::coalition::{ApplyContext, Disposition, MIN_PREFIX_CHARS};
use entente_protocol::evidence::{Equivocation, Subject};
use entente_protocol::feed::{FeedKey, ForkProof, Head};
use entente_protocol::identity::{EvidenceId, Hash};
use entente_protocol::leaf::Leaf;
use entente_protocol::record::{
    Act, AssetAct, AuthorityAct, Body, DisputeAct, HandoffAct, IntegrityAct, LeaseAct, MemberAct, Statement,
};
use entente_protocol::store::{Archive as _, Damage, FoundFork};
use entente_protocol::vote::VoteFrame;

use super::dto::{EvidenceKind, EvidencePage, EvidenceView, OrderedView, SideView, VotesView};
use super::error::{Answer, ApiError, EVIDENCE};
use crate::runtime::Handle;

/// Most void leaves that a page names.
const MAX_VOID: usize = 1000;
/// Most messages of a frame that are told in words.
const MAX_MESSAGES: usize = 16;
/// Most characters of a note that are shown.
const MAX_NOTE_CHARS: usize = 200;

/// What is known of one feed or seat.
struct Piece {
    subject: Subject,
    ordered: Option<ApplyContext>,
    fork: Option<FoundFork>,
    frames: Option<[VoteFrame; 2]>,
    committed: Option<Head>,
}

/// A proof as it stands in an entry.
enum Proof {
    Fork(Box<ForkProof>),
    Equivocation(Box<Equivocation>),
}

pub(super) async fn list(State(node): State<Handle>) -> Answer<Vec<EvidenceView>> {
    let pieces = pieces(&node).await?;
    let views = pieces.iter().map(|piece| Ok(view(&node, piece, &proof(&node, piece)?)));
    let mut views = views.collect::<Result<Vec<_>, ApiError>>()?;
    // In the order of the log; what is only held comes last.
    views.sort_by_key(|view| (view.ordered.as_ref().map_or(u64::MAX, |ordered| ordered.index), view.id));
    Ok(Json(views))
}

pub(super) async fn show(State(node): State<Handle>, Path(text): Path<String>) -> Answer<EvidencePage> {
    let pieces = pieces(&node).await?;
    let piece = find(&pieces, &text)?;
    let proof = proof(&node, piece)?;
    let (sides, body) = match &proof {
        Proof::Fork(fork) => (branches(&node, piece, fork)?, Body::Fork(fork.clone())),
        Proof::Equivocation(proof) => (frames(piece, proof), Body::Equivocation(proof.clone())),
    };
    let void = match (&piece.subject, &piece.ordered) {
        (Subject::Feed(feed), Some(ordered)) => void(&node, feed, ordered)?,
        _ => Vec::new(),
    };
    let committed = piece.committed.map(|head| head.length);
    let proof_hex = HEXLOWER.encode(&body.encode());
    let evidence = view(&node, piece, &proof);
    Ok(Json(EvidencePage { evidence, sides, committed, void, proof: proof_hex }))
}

/// All feeds and seats of which there is evidence, ordered or held.
async fn pieces(node: &Handle) -> Result<Vec<Piece>, ApiError> {
    let piece = |subject| Piece { subject, ordered: None, fork: None, frames: None, committed: None };
    let mut pieces = BTreeMap::new();
    for found in node.store().forks()? {
        let subject = Subject::Feed(found.proof.feed);
        pieces.entry(subject).or_insert_with(|| piece(subject)).fork = Some(found);
    }
    for frames in node.store().equivocations()? {
        let subject = Subject::Seat(frames[0].feed.seat);
        pieces.entry(subject).or_insert_with(|| piece(subject)).frames = Some(frames);
    }
    let known = node.ask(move |engine, _| {
        let state = engine.state();
        let frozen = state.frozen().iter().map(|(feed, frozen)| (Subject::Feed(*feed), frozen.ordered));
        let convicted = state.convicted().iter();
        let convicted = convicted.map(|(seat, convicted)| (Subject::Seat(*seat), convicted.ordered));
        for (subject, ordered) in frozen.chain(convicted) {
            pieces.entry(subject).or_insert_with(|| piece(subject)).ordered = Some(ordered);
        }
        for piece in pieces.values_mut() {
            if let Subject::Feed(feed) = &piece.subject {
                piece.committed = engine.committed(feed);
            }
        }
        pieces
    });
    let known = known.await.ok_or_else(ApiError::stopping)?;
    Ok(known.into_values().collect())
}

/// The piece whose id begins with `text`, with or without `ev-`.
fn find<'a>(pieces: &'a [Piece], text: &str) -> Result<&'a Piece, ApiError> {
    let prefix = text.strip_prefix(EvidenceId::PREFIX).unwrap_or(text);
    let is_id = |c: char| c.is_ascii_lowercase() || ('2'..='7').contains(&c);
    if prefix.len() < MIN_PREFIX_CHARS || !prefix.chars().all(is_id) {
        let reason = format!(
            "{text:?} is not the beginning of an id: ev- and at least {MIN_PREFIX_CHARS} lower-case letters and digits 2 to 7"
        );
        return Err(ApiError::new(StatusCode::BAD_REQUEST, "bad_id", reason).next(EVIDENCE));
    }
    let named = pieces.iter().filter(|piece| piece.subject.id().0.to_string().starts_with(prefix));
    let named: Vec<&Piece> = named.collect();
    match named.as_slice() {
        [piece] => Ok(piece),
        [] => Err(ApiError::unknown(format!("no evidence here begins with {text:?}")).next(EVIDENCE)),
        many => {
            let ids: Vec<String> = many.iter().take(8).map(|piece| piece.subject.id().to_string()).collect();
            let reason = format!("{text:?} is ambiguous: {}", ids.join(", "));
            Err(ApiError::new(StatusCode::CONFLICT, "ambiguous", reason).next(EVIDENCE))
        }
    }
}

/// The proof that is ordered; where there is none, the one that is held.
fn proof(node: &Handle, piece: &Piece) -> Result<Proof, ApiError> {
    if let Some(ordered) = &piece.ordered {
        let entry = node.store().entry(&ordered.feed, ordered.length)?;
        return match entry.map(|entry| Body::decode(&entry.body)) {
            Some(Ok(Body::Fork(proof))) => Ok(Proof::Fork(proof)),
            Some(Ok(Body::Equivocation(proof))) => Ok(Proof::Equivocation(proof)),
            _ => Err(Damage {
                what: format!("the entry at leaf {}", ordered.index),
                why: "it is evidence and missing".into(),
            }
            .into()),
        };
    }
    match (&piece.fork, &piece.frames) {
        (Some(found), _) => Ok(Proof::Fork(Box::new(found.proof.clone()))),
        (None, Some(frames)) => Ok(Proof::Equivocation(Box::new(Equivocation::new(frames)))),
        (None, None) => Err(ApiError::internal("evidence without a proof")),
    }
}

fn view(node: &Handle, piece: &Piece, proof: &Proof) -> EvidenceView {
    let ordered = piece.ordered.map(|ordered| OrderedView {
        index: ordered.index,
        epoch: ordered.epoch,
        time: ordered.time,
        reporter: node.partner_of(&ordered.feed.node),
    });
    let found = piece.fork.as_ref().map(|found| found.found);
    let (kind, partner, feed, votes) = match proof {
        Proof::Fork(proof) => {
            let feed = node.feed_view(&proof.feed, proof.length);
            (EvidenceKind::Fork, feed.partner.clone(), Some(feed), None)
        }
        Proof::Equivocation(proof) => {
            let seat = proof.feed.seat;
            let partner = node.founded().partners().get(seat.index());
            let partner = partner.map_or_else(|| format!("seat {}", seat.0), |it| it.name.to_string());
            let votes = VotesView { seat: seat.0, epoch: proof.feed.epoch, seq: proof.seq };
            (EvidenceKind::Equivocation, partner, None, Some(votes))
        }
    };
    let frozen = ordered.is_some() && feed.is_some();
    EvidenceView { id: piece.subject.id(), kind, partner, feed, votes, found, ordered, frozen }
}

/// The two entries where the feed's branches differ.
fn branches(node: &Handle, piece: &Piece, proof: &ForkProof) -> Result<Vec<SideView>, ApiError> {
    // The one that is held may be the one that is ordered, and may have come from another branch than the kept proof.
    let stored = node.store().entry(&proof.feed, proof.length)?;
    let reached = piece.committed.is_some_and(|head| head.length >= proof.length);
    let side = |branch: &entente_protocol::feed::Branch| {
        let stored = stored.as_ref().filter(|entry| entry.hash == branch.hash);
        let kept = kept(piece, proof, &branch.hash);
        let body = stored.map(|entry| entry.body.clone()).or_else(|| {
            let (found, at) = kept?;
            found.bodies[at].as_ref().map(|body| body.0.clone())
        });
        let brought = kept.filter(|(found, at)| usize::from(found.brought.1) == *at);
        SideView {
            hash: branch.hash,
            signature: branch.signature,
            behind: branch.digests.len() as u64,
            says: body.as_deref().map(words),
            body: body.as_deref().map(|body| HEXLOWER.encode(body)),
            from: brought.map(|(found, _)| node.partner_of(&found.brought.0)),
            ordered: reached && stored.is_some(),
        }
    };
    Ok(proof.branches.iter().map(side).collect())
}

/// The same branch in the proof that this node found by itself.
fn kept<'a>(piece: &'a Piece, proof: &ForkProof, hash: &Hash) -> Option<(&'a FoundFork, usize)> {
    let found = piece.fork.as_ref().filter(|found| found.proof.length == proof.length)?;
    let at = found.proof.branches.iter().position(|branch| branch.hash == *hash)?;
    Some((found, at))
}

/// The two frames at one place.
fn frames(piece: &Piece, proof: &Equivocation) -> Vec<SideView> {
    let hashes = proof.hashes();
    let side = |(hash, stub): (Hash, &entente_protocol::evidence::FrameStub)| {
        let held = piece.frames.iter().flatten().find(|frame| frame.hash() == hash);
        SideView {
            hash,
            signature: stub.signature,
            behind: 0,
            says: held.map(|frame| {
                let messages = frame.votes.messages().take(MAX_MESSAGES);
                messages.map(|message| format!("{message:?}")).collect::<Vec<_>>().join("; ")
            }),
            body: None,
            from: None,
            ordered: false,
        }
    };
    hashes.into_iter().zip(&proof.frames).map(side).collect()
}

/// Leaves of a frozen feed behind the proof: they stand in the same batch, because no later one claims the feed.
fn void(node: &Handle, feed: &FeedKey, ordered: &ApplyContext) -> Result<Vec<u64>, ApiError> {
    let (mut void, mut from) = (Vec::new(), ordered.index + 1);
    loop {
        let leaves = node.store().leaves(from, MAX_VOID)?;
        let Some((last, _)) = leaves.last() else { return Ok(void) };
        from = last + 1;
        for (index, leaf) in leaves {
            if leaf.epoch != ordered.epoch || void.len() == MAX_VOID {
                return Ok(void);
            }
            if let Ok(Leaf::Entry(entry)) = Leaf::decode(&leaf.bytes)
                && entry.feed == *feed
                && matches!(entry.disposition, Disposition::Void { .. })
            {
                void.push(index);
            }
        }
    }
}

/// What a body says, in one line.
fn words(body: &[u8]) -> String {
    match Body::decode(body) {
        Ok(Body::Signed(signed)) => {
            let id = signed.record.id();
            match signed.record.act {
                Act::Open(open) => format!("opens {id}, {}: {}", open.kind, open.title),
                Act::Attest(attest) => {
                    let caveat = attest.caveat.map_or(String::new(), |caveat| format!(" ({caveat})"));
                    format!("{} as {} on {}{caveat}", attest.stance, attest.role, attest.operation)
                }
                Act::Withdraw(withdraw) => {
                    format!("takes back {} on {}", withdraw.attestation, withdraw.operation)
                }
                Act::Authority(AuthorityAct::Speak(speak)) => {
                    let Statement { operation, authority, word, .. } = speak.statement;
                    format!("for {authority}: {word} of {operation}")
                }
                Act::Authority(AuthorityAct::Publish(signed)) => {
                    format!("publishes version {} of {}", signed.alliance.version, signed.alliance.name)
                }
                Act::Asset(AssetAct::Declare(declare)) => {
                    format!("declares {id}, the asset {}", declare.name)
                }
                Act::Asset(AssetAct::Contribute(it)) => format!("lends {} to {}", it.asset, it.operation),
                Act::Asset(AssetAct::Recall(recall)) => format!("recalls {}", recall.asset),
                Act::Member(MemberAct::Propose(it)) => {
                    format!("proposes {id}, to {}", it.change.words())
                }
                Act::Member(MemberAct::Withdraw { ground }) => format!("leaves: {ground}"),
                Act::Member(MemberAct::Watch(watch)) => format!("gives the watch to {}", watch.officer),
                Act::Integrity(IntegrityAct::Report(report)) => {
                    format!("reports {id}, {}: {}", report.matter.kind, report.text)
                }
                Act::Integrity(IntegrityAct::Confirm(confirm)) => format!("confirms {}", confirm.event),
                Act::Integrity(IntegrityAct::Withdraw(it)) => format!("withdraws {}", it.event),
                Act::Integrity(IntegrityAct::Vote(vote)) => {
                    format!("votes to {} for {}", vote.measure, vote.event)
                }
                Act::Handoff(act) => handoff_words(&act),
                Act::Key(act) => act.words(),
                Act::Dispute(DisputeAct::Open(open)) => format!("disputes {}: {}", open.subject, open.reason),
                Act::Lease(LeaseAct::Open(opened)) => {
                    format!("opens and commits {id}, {}: {}", opened.open.kind, opened.open.title)
                }
                Act::Lease(LeaseAct::Commit(commit)) => format!("commits {}", commit.operation),
                Act::Dispute(DisputeAct::Rule(rule)) => format!("says {} on {}", rule.ruling, rule.dispute),
            }
        }
        Ok(Body::Note(note)) => {
            let text = String::from_utf8_lossy(&note);
            format!("note: {}", text.chars().take(MAX_NOTE_CHARS).collect::<String>())
        }
        Ok(Body::Due(due)) => format!("due: the time of {} is over", due.about),
        Ok(Body::Incident(incident)) => {
            format!("saw {} {} times: {}", incident.matter.kind, incident.count, incident.text)
        }
        Ok(Body::Fork(proof)) => format!("evidence {}", Subject::Feed(proof.feed).id()),
        Ok(Body::Equivocation(proof)) => format!("evidence {}", Subject::Seat(proof.feed.seat).id()),
        Err(_) => format!("{} bytes that are no record", body.len()),
    }
}

fn handoff_words(act: &HandoffAct) -> String {
    match act {
        HandoffAct::Offer(offer) => format!("offers {} of {} to {}", offer.what, offer.operation, offer.to),
        HandoffAct::Accept(accept) => format!("accepts {}", accept.offer),
        HandoffAct::Decline(decline) => format!("declines {}", decline.offer),
        HandoffAct::Reclaim(reclaim) => format!("reclaims {}", reclaim.offer),
        HandoffAct::Takeover(takeover) => format!("takes over {}", takeover.operation),
        HandoffAct::Conclude(conclude) => format!("concludes {}", conclude.operation),
    }
}
