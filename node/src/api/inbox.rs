//! What waits for this node's partner.

use axum::Json;
use axum::extract::State;
use entente_protocol::coalition::{Waiting, Waits};

use super::error::{Answer, ApiError};
use super::refused;
use crate::runtime::Handle;

/// The most urgent first.
pub(super) async fn list(State(node): State<Handle>) -> Answer<Vec<Waiting>> {
    let partner = node.members().own_partner().clone();
    let own = partner.clone();
    let waiting = node.ask(move |engine, now| {
        let clock = engine.clock_astray().then(clock);
        let waiting = clock.into_iter().chain(engine.state().inbox(&partner, now)).collect::<Vec<_>>();
        (waiting, now)
    });
    let (mut waiting, now) = waiting.await.ok_or_else(ApiError::stopping)?;
    waiting.extend(refused::lately(&node, &own, now)?);
    Ok(Json(waiting))
}

/// That the node's own clock is to be set.
fn clock() -> Waiting {
    let why = "this node's clock and batch time are further apart than the charter allows".into();
    Waiting { what: Waits::Clock, urgent: true, about: None, title: "clock".into(), why, until_ms: None }
}
