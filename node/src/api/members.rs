//! Members and authorities, as the ordered records make them.

use axum::Json;
use axum::extract::State;

use super::dto::{AuthorityView, MemberView};
use super::error::{Answer, ApiError};
use crate::runtime::Handle;

/// All members, by seat, those that have left included.
pub(super) async fn list(State(node): State<Handle>) -> Answer<Vec<MemberView>> {
    let views = node.ask(|engine, now| engine.state().member_views(now)).await;
    Ok(Json(views.ok_or_else(ApiError::stopping)?))
}

/// The authorities of the charter in force, by name.
pub(super) async fn authorities(State(node): State<Handle>) -> Answer<Vec<AuthorityView>> {
    let views = node.ask(|engine, _| engine.state().authority_views()).await;
    Ok(Json(views.ok_or_else(ApiError::stopping)?))
}
