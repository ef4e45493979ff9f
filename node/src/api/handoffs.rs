//! Handoffs, disputes and stories, as the ordered records make them.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use entente_protocol::coalition::{DisputeView, FindError, HandoffView, State as Coalition, StoryView};
use entente_protocol::identity::RecordId;
use serde::Deserialize;

use super::error::{Answer, ApiError, Params};
use super::names;
use crate::runtime::Handle;

/// Most handoffs or disputes of a list: the latest.
const MAX_LISTED: usize = 1000;
/// The commands that show what there is.
const HANDOFFS: &str = "entente handoff list";
const DISPUTES: &str = "entente dispute list";

#[derive(Debug, Deserialize)]
pub(super) struct Listed {
    /// Only those about this operation.
    operation: Option<RecordId>,
}

/// Handoffs by log index, the latest.
pub(super) async fn list(
    State(node): State<Handle>,
    Params(listed): Params<Listed>,
) -> Answer<Vec<HandoffView>> {
    let views = node.ask(move |engine, _| {
        let state = engine.state();
        let wanted = state.handoffs().filter(|it| listed.operation.is_none_or(|id| it.operation == id));
        let mut wanted = wanted.map(|handoff| (handoff.index, handoff)).collect::<Vec<_>>();
        wanted.sort_by_key(|(index, handoff)| (*index, handoff.id));
        let latest = wanted.len().saturating_sub(MAX_LISTED);
        // What is open on each is for the page of one.
        let short = |view: HandoffView| HandoffView { open_items: Vec::new(), ..view };
        wanted[latest..].iter().map(|(_, handoff)| short(state.handoff_view(handoff))).collect::<Vec<_>>()
    });
    Ok(Json(views.await.ok_or_else(ApiError::stopping)?))
}

pub(super) async fn show(State(node): State<Handle>, Path(text): Path<String>) -> Answer<HandoffView> {
    let found = node.ask(move |engine, _| {
        let state = engine.state();
        let id = state.find_handoff(&text).map_err(|error| named(state, error, &text, "handoff"))?;
        let handoff = state.handoff(&id).ok_or(FindError::Unknown(text))?;
        Ok::<_, ApiError>(state.handoff_view(handoff))
    });
    Ok(Json(found.await.ok_or_else(ApiError::stopping)??))
}

/// Disputes by log index, the latest.
pub(super) async fn disputes(
    State(node): State<Handle>,
    Params(listed): Params<Listed>,
) -> Answer<Vec<DisputeView>> {
    let views = node.ask(move |engine, _| {
        let state = engine.state();
        let wanted = state.disputes().filter(|it| listed.operation.is_none_or(|id| it.operation == id));
        let mut wanted = wanted.map(|dispute| state.dispute_view(dispute)).collect::<Vec<_>>();
        wanted.sort_by_key(|view| (view.index, view.id));
        wanted.split_off(wanted.len().saturating_sub(MAX_LISTED))
    });
    let views = views.await.ok_or_else(ApiError::stopping)?;
    Ok(Json(views.into_iter().map(|view| with_leaf(&node, view)).collect::<Result<_, _>>()?))
}

pub(super) async fn dispute(State(node): State<Handle>, Path(text): Path<String>) -> Answer<DisputeView> {
    Ok(Json(find_dispute(&node, text).await?))
}

/// The dispute whose id begins with `text`.
pub(super) async fn find_dispute(node: &Handle, text: String) -> Result<DisputeView, ApiError> {
    let found = node.ask(move |engine, _| {
        let state = engine.state();
        let id = state.find_dispute(&text).map_err(|error| named(state, error, &text, "dispute"))?;
        let dispute = state.dispute(&id).ok_or(FindError::Unknown(text))?;
        Ok::<_, ApiError>(state.dispute_view(dispute))
    });
    with_leaf(node, found.await.ok_or_else(ApiError::stopping)??)
}

fn with_leaf(node: &Handle, view: DisputeView) -> Result<DisputeView, ApiError> {
    Ok(DisputeView { leaf: node.store().decision_of(&view.id)?, ..view })
}

/// The story of an operation.
pub(super) async fn story(State(node): State<Handle>, Path(text): Path<String>) -> Answer<StoryView> {
    let found = node.ask(move |engine, now| {
        let state = engine.state();
        let id = state.find_operation(&text)?;
        state.story(&id, now).ok_or(FindError::Unknown(text))
    });
    Ok(Json(found.await.ok_or_else(ApiError::stopping)??))
}

/// A failed search for a handoff or a dispute, with the command that lists what there is; where something else begins so, with
/// what that is.
fn named(state: &Coalition, error: FindError, text: &str, wanted: &str) -> ApiError {
    let list = if wanted == "handoff" { HANDOFFS } else { DISPUTES };
    if names::is_unknown(&error)
        && let Some((what, show)) = names::something_else(state, text, wanted)
    {
        return ApiError::other(what).next(format!("{list}; what it is: {show}"));
    }
    let (status, code) = match &error {
        FindError::Unknown(_) => (StatusCode::NOT_FOUND, "unknown"),
        FindError::Ambiguous { .. } => (StatusCode::CONFLICT, "ambiguous"),
        FindError::Malformed(_) | FindError::TooShort(_) => (StatusCode::BAD_REQUEST, "bad_id"),
    };
    ApiError::new(status, code, error).next(list)
}
