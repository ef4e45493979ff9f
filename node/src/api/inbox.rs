//! What waits for this node's partner.

use axum::Json;
use axum::extract::State;
use entente_protocol::charter::PartnerName;
use entente_protocol::coalition::{OperationView, Status, Waiting, Waits, most_urgent_first};
use entente_protocol::engine::Engine;
use entente_protocol::feed::Lane;
use entente_protocol::time::Time;

use super::error::{Answer, ApiError};
use super::operations::provisional;
use super::refused;
use crate::runtime::Handle;

/// The most urgent first.
pub(super) async fn list(State(node): State<Handle>) -> Answer<Vec<Waiting>> {
    let partner = node.members().own_partner().clone();
    // Once the engine answers, what was refused before this start is known.
    let now = node.ask(|_, now| now).await.ok_or_else(ApiError::stopping)?;
    let (store, lately) = (node.store().clone(), node.refused().lately(now));
    let refused = tokio::task::spawn_blocking(move || refused::told(&store, lately)).await;
    let refused = refused.map_err(ApiError::internal)??;
    let waiting = node.ask(move |engine, now| {
        let state = engine.state();
        let clock = engine.clock_astray().then(clock);
        let mut waiting = clock.into_iter().chain(state.inbox(&partner, now)).collect::<Vec<_>>();
        waiting.extend(held(engine, &partner, now));
        // What was said again and taken is no loss.
        let lost = refused.into_iter().filter(|(id, _)| state.seen(id).is_none());
        waiting.extend(lost.map(|(_, waiting)| waiting));
        most_urgent_first(&mut waiting);
        waiting
    });
    Ok(Json(waiting.await.ok_or_else(ApiError::stopping)?))
}

/// That the node's own clock is to be set.
fn clock() -> Waiting {
    let why = "this node's clock and batch time are further apart than the charter allows".into();
    Waiting {
        what: Waits::Clock,
        urgent: true,
        about: None,
        title: "clock".into(),
        why,
        until_ms: None,
        authority: None,
        role: None,
    }
}

/// Operations that are held and not ordered, on which a word of the partner is missing: it can be said all the same.
fn held(engine: &Engine, partner: &PartnerName, now: Time) -> Vec<Waiting> {
    if !engine.state().is_active(partner) {
        return Vec::new();
    }
    let asks = |view: &OperationView| {
        let silent = view.attestations.iter().all(|said| said.partner != *partner);
        view.index.is_none() && view.status == Status::Open && silent && view.deficit.asks(partner)
    };
    let operations = provisional(engine, now).operations.into_iter().filter(asks);
    let waits = operations.map(|view| Waiting {
        what: Waits::Attest,
        urgent: view.precedence.is_some_and(|precedence| precedence <= Lane::Immediate),
        about: Some(view.id),
        title: format!("{}: {}", view.kind, view.title),
        why: format!("held, not ordered yet; {}", view.deficit),
        until_ms: Some(view.closes_ms),
        authority: None,
        role: None,
    });
    waits.collect()
}
