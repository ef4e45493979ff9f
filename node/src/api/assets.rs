//! Assets, as the ordered records make them.

use axum::Json;
use axum::extract::State;
use entente_protocol::charter::{AssetName, PartnerName};
use entente_protocol::identity::RecordId;
use serde::Deserialize;

use super::dto::AssetView;
use super::error::{Answer, ApiError, Params};
use crate::runtime::Handle;

/// Most assets of a list.
const MAX_ASSETS: usize = 10_000;

#[derive(Debug, Deserialize)]
pub(super) struct Listed {
    /// Only those of this partner.
    owner: Option<PartnerName>,
    /// Only those of this name.
    name: Option<AssetName>,
    /// Only those that serve this operation.
    operation: Option<RecordId>,
}

/// Assets, by owner and name.
pub(super) async fn list(
    State(node): State<Handle>,
    Params(listed): Params<Listed>,
) -> Answer<Vec<AssetView>> {
    let views = node.ask(move |engine, _| {
        let state = engine.state();
        let wanted = state
            .assets()
            .filter(|asset| listed.owner.as_ref().is_none_or(|owner| asset.owner == *owner))
            .filter(|asset| listed.name.as_ref().is_none_or(|name| asset.declared.name == *name));
        let views = wanted.map(|asset| state.asset_view(asset));
        let mut views = views
            .filter(|view| listed.operation.is_none() || view.operation == listed.operation)
            .take(MAX_ASSETS)
            .collect::<Vec<_>>();
        views.sort_by(|one, other| (&one.owner, &one.name).cmp(&(&other.owner, &other.name)));
        views
    });
    Ok(Json(views.await.ok_or_else(ApiError::stopping)?))
}
