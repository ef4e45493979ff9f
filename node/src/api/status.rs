//! How the node stands: status, metrics, faults, charter and policy, and how it is stopped.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::{Path, State};
use entente_discovery::{PeerId, PeerStatus};
use entente_protocol::engine::{NodeId, Status};
use entente_protocol::ledger::policy;
use entente_protocol::wire::WIRE_VERSION;
use serde_json::{Value, json};

use super::dto::{
    AheadView, CoalitionView, CustodyView, EpochView, FaultView, LogView, MetricsView, OutsideView, SeatView,
    StatusView, Word,
};
use super::error::{Answer, ApiError};
use crate::runtime::{Handle, clock};

pub(super) async fn status(State(node): State<Handle>) -> Answer<StatusView> {
    let status = node.ask(|engine, now| (engine.status(now), engine.clock_astray()));
    let (status, clock_astray) = status.await.ok_or_else(ApiError::stopping)?;
    let peers = node.mesh().peers().await.map_err(|_| ApiError::stopping())?;
    let peers = peers.into_iter().filter_map(|peer| Some((peer.peer?, peer))).collect();
    Ok(Json(StatusView { clock_astray, ..view(&node, status, &peers) }))
}

fn view(node: &Handle, status: Status, peers: &BTreeMap<PeerId, PeerStatus>) -> StatusView {
    let (founded, identity, now) = (node.founded(), node.identity(), clock::now());
    let margin = status.reachable.len() as i64 - status.quorum as i64;
    let seats = founded.partners().iter().enumerate().filter_map(|(seat, partner)| {
        // The one that is here or connected, else the last one: the node may have been replaced.
        let nodes = node.members().nodes_of(partner.name.as_str());
        let of = |key: &NodeId| node.members().peer(key).and_then(|id| peers.get(&id));
        let is_up = |key: &&NodeId| **key == identity.node || of(key).is_some_and(|peer| peer.connected);
        let first = partner.nodes.first();
        let key = *nodes.iter().find(is_up).or(nodes.last()).or(first)?;
        let own = key == identity.node;
        let peer = of(&key);
        let connected = own || peer.is_some_and(|peer| peer.connected);
        let missing = status.missing.iter().find(|(missing, _)| missing.index() == seat);
        Some(SeatView {
            partner: partner.name.to_string(),
            seat: seat as u16,
            node: key,
            reachable: status.reachable.iter().any(|reached| reached.index() == seat),
            connected,
            missing_since: missing.map(|(_, since)| *since),
            next_retry_ms: peer.and_then(|peer| peer.next_retry_ms),
            last_error: peer.and_then(|peer| peer.last_error.clone()),
            addressed: peer.is_some_and(|peer| !peer.addresses.is_empty()),
            blocked: peer.is_some_and(|peer| peer.blocked),
        })
    });
    StatusView {
        partner: node.partner_of(&identity.node),
        node: identity.node,
        coalition: CoalitionView { id: identity.coalition, name: founded.charter().name.to_string() },
        word: match (margin < 0, status.held > 0) {
            (true, _) => Word::Stalled,
            (false, true) => Word::Held,
            (false, false) => Word::Agreed,
        },
        seats: seats.collect(),
        seat: status.seat.or(status.silent).map(|seat| seat.0),
        silent: status.silent.is_some(),
        incarnation: status.incarnation,
        quorum: status.quorum,
        margin,
        epoch: EpochView { applied: status.applied, certified: status.certified },
        log: LogView {
            size: status.size,
            from: status.floor.map_or(0, |floor| floor.size),
            root: status.root,
        },
        batch_time: status.time,
        now,
        held: status.held,
        custody: CustodyView {
            records: status.custody,
            oldest_ms: status.custody_since.map(|since| now.since(since)),
        },
        outside: status.outside.map(|(why, revoked)| OutsideView { why, revoked }),
        voting: status.voting,
        reports: status.reports,
        ahead: (status.ahead.into_iter())
            .map(|(key, certified)| AheadView { partner: node.partner_of(&key), node: key, certified })
            .collect(),
        faults: status.faults,
        clock_astray: false,
        uptime_ms: node.metrics().uptime_ms(),
        wire_version: WIRE_VERSION,
        version: env!("CARGO_PKG_VERSION").into(),
    }
}

pub(super) async fn metrics(State(node): State<Handle>) -> Json<MetricsView> {
    Json(node.metrics().view())
}

pub(super) async fn faults(State(node): State<Handle>) -> Json<Vec<FaultView>> {
    Json(node.follow().faults())
}

pub(super) async fn charter(State(node): State<Handle>) -> String {
    node.founded().founding().to_toml()
}

/// The charter that what is said from now on is judged by, or one of its versions, as text.
pub(super) async fn version(
    State(node): State<Handle>,
    Path(which): Path<String>,
) -> Result<String, ApiError> {
    let number = match which.as_str() {
        "current" => None,
        text => match text.parse::<u32>() {
            Ok(number) => Some(number),
            Err(_) => return Err(ApiError::bad_request(format!("{text:?} is no version of a charter"))),
        },
    };
    let found = node.ask(move |engine, _| {
        let state = engine.state();
        let charter = number.map_or(Some(state.last_charter()), |number| state.charter_at(number));
        charter.map(|charter| charter.to_toml())
    });
    let found = found.await.ok_or_else(ApiError::stopping)?;
    found.ok_or_else(|| ApiError::unknown(format!("there is no version {which} of the charter")))
}

pub(super) async fn policy(State(node): State<Handle>) -> Result<String, ApiError> {
    node.ask(|engine, _| policy::export(engine.cosigners())).await.ok_or_else(ApiError::stopping)
}

pub(super) async fn stop(State(node): State<Handle>) -> Json<Value> {
    tracing::info!("asked to stop over the local API");
    node.stop().await;
    Json(json!({}))
}
