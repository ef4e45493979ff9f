//! What waits for this node's partner.

use axum::Json;
use axum::extract::State;
use entente_protocol::charter::PartnerName;
use entente_protocol::coalition::{OperationView, Status, Waiting, Waits};
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
    let own = partner.clone();
    let waiting = node.ask(move |engine, now| {
        let clock = engine.clock_astray().then(clock);
        let mut waiting = clock.into_iter().chain(engine.state().inbox(&partner, now)).collect::<Vec<_>>();
        waiting.extend(held(engine, &partner, now));
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

/// Operations that are held and not ordered, on which a word of the partner is missing: it can be said all the same.
fn held(engine: &Engine, partner: &PartnerName, now: Time) -> Vec<Waiting> {
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
    });
    waits.filter(|_| engine.state().is_active(partner)).collect()
}
