//! The ordered log in words, and receipts for its leaves.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use entente_protocol::coalition::{State as Coalition, ToldView};
use entente_protocol::founding::CharterChain;
use entente_protocol::identity::RecordId;
use entente_protocol::leaf::Leaf;
use entente_protocol::ledger::merkle::prove_inclusion;
use entente_protocol::ledger::receipt::{MAX_EXTRA_BYTES, Receipt};
use entente_protocol::store::{Archive as _, Damage};
use entente_protocol::wire;
use serde::Deserialize;

use super::dto::{LeafKind, LeafView, LogPage};
use super::error::{Answer, ApiError, Params};
use super::names;
use crate::runtime::Handle;
use crate::storage::{StoredLeaf, body_id};

/// Most leaves of one page.
pub const MAX_LOG_PAGE: usize = 1000;
/// Leaves that are put into words in one turn of the engine.
const TOLD_AT_ONCE: usize = 64;
/// Leaves of a page where no limit is given.
const DEFAULT_LOG_PAGE: usize = 100;

#[derive(Debug, Deserialize)]
pub(super) struct Asked {
    from: Option<u64>,
    limit: Option<usize>,
}

pub(super) async fn page(State(node): State<Handle>, Params(asked): Params<Asked>) -> Answer<LogPage> {
    let limit = asked.limit.unwrap_or(DEFAULT_LOG_PAGE).min(MAX_LOG_PAGE);
    let (size, certified) = (node.store().size()?, certified(&node)?);
    let from = asked.from.unwrap_or(0);
    let leaves = with_words(&node, leaves(&node, from, limit, certified)?).await?;
    Ok(Json(LogPage { leaves, size, certified }))
}

/// The same with titles and with what records say: a few at a time, so that others have their turn.
async fn with_words(node: &Handle, leaves: Vec<LeafView>) -> Result<Vec<LeafView>, ApiError> {
    let mut all = Vec::with_capacity(leaves.len());
    let mut rest = leaves.into_iter();
    loop {
        let some = rest.by_ref().take(TOLD_AT_ONCE).collect::<Vec<_>>();
        if some.is_empty() {
            return Ok(all);
        }
        let told = node.ask(move |engine, _| {
            some.into_iter().map(|leaf| told(engine.state(), leaf)).collect::<Vec<_>>()
        });
        all.extend(told.await.ok_or_else(ApiError::stopping)?);
    }
}

/// A leaf with its title and what it says, as far as the state knows.
fn told(state: &Coalition, leaf: LeafView) -> LeafView {
    let Some(id) = leaf.id else { return leaf };
    let title = |operation: &RecordId| Some(state.operation(operation)?.open.title.clone());
    match leaf.kind {
        LeafKind::Entry => {
            let outcome = leaf.outcome.as_deref().map(|outcome| names::named(state, outcome));
            // A record that was said before, or refused, stands under another index or under none.
            let told = state.seen(&id).filter(|seen| seen.index == leaf.index).and_then(|_| state.told(&id));
            let Some(ToldView { title, story, .. }) = told else { return LeafView { outcome, ..leaf } };
            let who = story.partner.map_or(String::new(), |who| format!("{who} "));
            let role = story.role.map_or(String::new(), |role| format!(", as {role}"));
            LeafView { outcome, title, says: Some(format!("{who}{}{role}", story.text)), ..leaf }
        }
        LeafKind::Decision => LeafView { title: title(&id), ..leaf },
        LeafKind::Ruling => {
            let operation = state.dispute(&id).map(|dispute| dispute.operation);
            LeafView { title: operation.and_then(|operation| title(&operation)), ..leaf }
        }
        LeafKind::Epoch => leaf,
    }
}

/// How many leaves are certified.
pub(super) fn certified(node: &Handle) -> Result<u64, Damage> {
    let store = node.store();
    let certificate = store.last_certificate()?.map_or(0, |(_, certificate)| certificate.head.size);
    // Who caught up was told of later epochs without a certificate of each.
    Ok(certificate.max(store.last_proof()?.map_or(0, |proof| proof.index.saturating_add(1))))
}

/// Leaves in words; `certified` says how many of the log are.
pub(super) fn leaves(
    node: &Handle,
    from: u64,
    limit: usize,
    certified: u64,
) -> Result<Vec<LeafView>, ApiError> {
    let leaves = node.store().leaves(from, limit)?;
    leaves.into_iter().map(|(index, leaf)| view(node, index, &leaf, index < certified)).collect()
}

fn view(node: &Handle, index: u64, leaf: &StoredLeaf, certified: bool) -> Result<LeafView, ApiError> {
    let epoch = leaf.epoch;
    let decoded = Leaf::decode(&leaf.bytes).map_err(|error| Damage {
        what: format!("leaf {index}"),
        why: format!("it cannot be read: {error}"),
    })?;
    Ok(match decoded {
        Leaf::Entry(entry) => {
            let feed = node.feed_view(&entry.feed, entry.length);
            let id = match entry.record {
                Some(id) => id,
                None => id_of_entry(node, &entry.feed, entry.length)?,
            };
            let what = if entry.record.is_some() { "record" } else { "entry" };
            let outcome = entry.disposition.to_string();
            LeafView {
                index,
                epoch,
                kind: LeafKind::Entry,
                certified,
                text: format!("{what} {id} of {} ({} {}): {outcome}", feed.partner, feed.lane, feed.length),
                feed: Some(feed),
                id: Some(id),
                outcome: Some(outcome),
                title: None,
                says: None,
            }
        }
        Leaf::Decision(decision) => LeafView {
            index,
            epoch,
            kind: LeafKind::Decision,
            certified,
            feed: None,
            id: Some(decision.operation),
            outcome: Some(decision.verdict.name().to_owned()),
            title: None,
            says: None,
            text: decision.explain().join("; "),
        },
        Leaf::Ruling(ruled) => LeafView {
            index,
            epoch,
            kind: LeafKind::Ruling,
            certified,
            feed: None,
            id: Some(ruled.dispute),
            outcome: Some(ruled.ruling.done().to_owned()),
            title: None,
            says: None,
            text: ruled.explain().join("; "),
        },
        Leaf::Epoch(record) => {
            let (agreed, seats) = (record.agreed.len(), record.seats);
            LeafView {
                index,
                epoch,
                kind: LeafKind::Epoch,
                certified,
                feed: None,
                id: None,
                outcome: None,
                title: None,
                says: None,
                text: format!("epoch {epoch} ends at {}: {agreed} of {seats} seats contributed", record.time),
            }
        }
    })
}

/// The id of an entry that holds no signed record.
fn id_of_entry(
    node: &Handle,
    feed: &entente_protocol::feed::FeedKey,
    length: u64,
) -> Result<RecordId, ApiError> {
    match node.store().entry(feed, length)? {
        Some(entry) => Ok(body_id(&entry.body)),
        None => Err(Damage {
            what: format!("entry {length} of the {} feed of {}", feed.lane, feed.node),
            why: "it is ordered and missing".into(),
        }
        .into()),
    }
}

#[derive(Debug, Deserialize)]
pub(super) struct Wanted {
    /// For the entry that carries the record, not for the operation's decision.
    record: Option<String>,
}

pub(super) async fn receipt(
    State(node): State<Handle>,
    Path(text): Path<String>,
    Params(wanted): Params<Wanted>,
) -> Result<String, ApiError> {
    let index = match wanted.record.as_deref() {
        Some("1" | "true") => record_index(&node, text).await?,
        Some(other) => return Err(ApiError::bad_request(format!("record={other:?}; 1 is meant"))),
        None => decision_index(&node, text).await?,
    };
    let cosigners = node.ask(|engine, _| engine.cosigners().clone()).await.ok_or_else(ApiError::stopping)?;
    let store = node.store();
    let leaf = store.leaf(index)?.ok_or_else(|| ApiError::internal(format!("leaf {index} is missing")))?;
    let Some((_, certificate)) = store.certificate(leaf.epoch)? else {
        return Err(not_ordered("its epoch is not certified yet"));
    };
    let path = match prove_inclusion(&**store, certificate.head.size, index) {
        Ok(path) => path,
        // Between the leaf and the certificate lies what was skipped.
        Err(_) if store.floor()?.is_some_and(|floor| index < floor.index) => {
            return Err(not_here(format!("leaf {index}")));
        }
        Err(error) => {
            let what = format!("Merkle nodes for leaf {index}");
            return Err(Damage { what, why: error.to_string() }.into());
        }
    };
    let versions = node.ask(|engine, _| {
        engine.state().versions().map(|version| version.amendment.clone()).collect::<Vec<_>>()
    });
    let founding = node.founded().founding().clone();
    let mut chain = CharterChain { founding, amendments: versions.await.ok_or_else(ApiError::stopping)? };
    // As many versions as there is room for, the first ones, beside the leaf and both lengths.
    let mut charters = wire::encode(&chain);
    while charters.len() + leaf.bytes.len() + 16 > MAX_EXTRA_BYTES && chain.amendments.pop().is_some() {
        charters = wire::encode(&chain);
    }
    let receipt = Receipt::new(leaf.bytes, charters, index, path, &certificate, &cosigners);
    let receipt = receipt.map_err(|error| Damage {
        what: format!("receipt for leaf {index}"),
        why: format!("it does not verify: {error}"),
    })?;
    Ok(receipt.encode())
}

/// The leaf of an operation's decision, or of the ruling on a dispute.
async fn decision_index(node: &Handle, text: String) -> Result<u64, ApiError> {
    if let Ok(dispute) = super::handoffs::find_dispute(node, text.clone()).await {
        let id = dispute.id;
        return dispute.leaf.ok_or_else(|| {
            not_ordered(format!("{id} is {}, and no ruling on it is certified here", dispute.outcome))
                .next(format!("entente dispute show {id}"))
        });
    }
    let view = super::operations::find(node, text).await?;
    match view.decision {
        Some(decision) => decision.index.ok_or_else(|| not_here(view.id)),
        None => {
            let missing = if view.deficit.is_empty() { view.explanation } else { view.deficit.join("; ") };
            let id = view.id;
            Err(not_ordered(format!("{id} is {}, not decided: {missing}", view.outcome))
                .next(format!("entente op show {id}; entente receipt --record {id}")))
        }
    }
}

/// The leaf of a record's entry; notes are found by their whole id.
async fn record_index(node: &Handle, text: String) -> Result<u64, ApiError> {
    let asked = text.clone();
    let found =
        node.ask(move |engine, _| engine.state().find_record(&asked)).await.ok_or_else(ApiError::stopping)?;
    let id = match (found, text.parse::<RecordId>()) {
        (Ok(id), _) | (Err(_), Ok(id)) => id,
        (Err(error), Err(_)) => return Err(error.into()),
    };
    match node.store().index_of(&id)? {
        Some(index) => Ok(index),
        None if taken_index(node, id).await?.is_some() => Err(not_here(id)),
        None if node.store().places(&id)?.is_empty() => {
            Err(ApiError::unknown(format!("no record {id} is known here")))
        }
        None => Err(not_ordered(format!("{id} is held and not ordered yet")).next("entente status")),
    }
}

/// The index of a record that was ordered before the state that this node took.
pub(super) async fn taken_index(node: &Handle, id: RecordId) -> Result<Option<u64>, ApiError> {
    node.ask(move |engine, _| engine.taken_index(&id)).await.ok_or_else(ApiError::stopping)
}

fn not_here(what: impl std::fmt::Display) -> ApiError {
    let reason = format!(
        "the proof of {what} is not here: this node was far behind and took the state as of a later epoch, without what came before"
    );
    ApiError::new(StatusCode::CONFLICT, "not_here", reason)
        .next("entente receipt at a partner that was there")
}

fn not_ordered(reason: impl ToString) -> ApiError {
    ApiError::new(StatusCode::CONFLICT, "not_ordered", reason)
}
