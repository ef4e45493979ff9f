//! Integrity events, as they stand by what is ordered and would by what is held here.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::{Path, State};
use entente_protocol::coalition::{IntegrityView, find_id};
use entente_protocol::engine::Engine;
use entente_protocol::feed::FeedKey;
use entente_protocol::identity::{EvidenceId, RecordId};
use entente_protocol::record::{Act, Body};
use entente_protocol::time::Time;
use serde::Deserialize;

use super::error::{Answer, ApiError, INTEGRITY, Params};
use super::operations::shares;
use crate::runtime::Handle;

/// Most held words on events that are taken in, the same share of each node; a signed one costs a signature check.
const MAX_HELD: usize = 512;
/// Most events of a list.
const MAX_EVENTS: usize = 1000;

#[derive(Debug, Deserialize)]
pub(super) struct Listed {
    limit: Option<usize>,
}

/// The events of late, by the latest word on them; those that are only held come last.
pub(super) async fn list(
    State(node): State<Handle>,
    Params(listed): Params<Listed>,
) -> Answer<Vec<IntegrityView>> {
    let limit = listed.limit.unwrap_or(MAX_EVENTS).min(MAX_EVENTS);
    let mut views = node.ask(known).await.ok_or_else(ApiError::stopping)?;
    views.sort_by_key(|view| (view.last_index.unwrap_or(u64::MAX), view.id));
    let older = views.len().saturating_sub(limit);
    Ok(Json(views.split_off(older)))
}

/// The event whose id, or that of the evidence that proves it, begins with the text; or of which this is a report.
pub(super) async fn show(State(node): State<Handle>, Path(text): Path<String>) -> Answer<IntegrityView> {
    let found = node.ask(move |engine, now| find(engine, now, &text)).await.ok_or_else(ApiError::stopping)?;
    Ok(Json(found?))
}

fn find(engine: &Engine, now: Time, text: &str) -> Result<IntegrityView, ApiError> {
    let mut views: BTreeMap<RecordId, IntegrityView> =
        known(engine, now).into_iter().map(|view| (view.id, view)).collect();
    let found = find_id(&views, text.strip_prefix(EvidenceId::PREFIX).unwrap_or(text));
    let reported = || engine.state().event_of(&text.parse().ok()?).map(|event| event.id);
    let id = match (found, reported()) {
        (Ok(id), _) | (Err(_), Some(id)) => id,
        (Err(error), None) => return Err(ApiError::from(error).next(INTEGRITY)),
    };
    views.remove(&id).ok_or_else(|| ApiError::unknown("no such event any more").next(INTEGRITY))
}

fn known(engine: &Engine, now: Time) -> Vec<IntegrityView> {
    let word = |(feed, _, bytes): (FeedKey, u64, &[u8])| {
        let body = Body::decode(bytes).ok()?;
        let concerns = match &body {
            Body::Signed(signed) => matches!(signed.record.act, Act::Integrity(_)),
            Body::Incident(_) => true,
            _ => false,
        };
        concerns.then_some((feed.node, (feed, body)))
    };
    let each = MAX_HELD / engine.state().nodes().len().max(1);
    let mut held = shares(engine.held().filter_map(word), each.max(1), |_| 1);
    // The engine vouches only for the nodes that carry them.
    held.retain(|(_, body)| match body {
        Body::Signed(signed) => signed.verify(),
        _ => true,
    });
    let state = engine.state();
    match held.is_empty() {
        true => state.events().map(|event| state.event_view(event)).collect(),
        false => state.provisional_events(&held, now),
    }
}
