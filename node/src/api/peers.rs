//! Peers: who is where, and the operator's orders about links.

use axum::Json;
use axum::extract::{Path, State};
use entente_discovery::{MeshError, Multiaddr, PeerSource, PeerStatus};
use entente_protocol::engine::NodeId;
use entente_protocol::identity::PublicKey;
use entente_protocol::time::Time;
use serde_json::{Value, json};

use super::dto::{AddPeer, PeerView, PendingView};
use super::error::{Answer, ApiError, Asked};
use crate::runtime::Handle;

pub(super) async fn list(State(node): State<Handle>) -> Answer<Vec<PeerView>> {
    Ok(Json(views(&node, |_| true).await?))
}

/// What was added by its address alone, or by the settings, and has not answered.
pub(super) async fn pending(State(node): State<Handle>) -> Answer<Vec<PendingView>> {
    let known = node.mesh().peers().await.map_err(failed)?;
    let pending = known.into_iter().filter(|peer| peer.peer.is_none()).map(|peer| PendingView {
        address: addresses(&peer).join(" "),
        since: peer.missing_since_ms.map(Time),
        next_retry_ms: peer.next_retry_ms,
        last_error: peer.last_error,
    });
    Ok(Json(pending.collect()))
}

pub(super) async fn listeners(State(node): State<Handle>) -> Answer<Vec<String>> {
    let listeners = node.mesh().listeners().await.map_err(failed)?;
    let local = node.mesh().local_peer();
    let with_peer = |address: &Multiaddr| format!("{address}/p2p/{local}");
    Ok(Json(listeners.iter().map(with_peer).collect()))
}

pub(super) async fn add(State(node): State<Handle>, Asked(add): Asked<AddPeer>) -> Answer<Value> {
    let address: Multiaddr = add
        .address
        .parse()
        .map_err(|error| ApiError::bad_request(format!("{:?} is no multiaddr: {error}", add.address)))?;
    node.mesh().add_peer(address).await.map_err(failed)?;
    Ok(Json(json!({})))
}

pub(super) async fn block(State(node): State<Handle>, Path(name): Path<String>) -> Answer<Vec<PeerView>> {
    order(node, &name, true).await
}

pub(super) async fn unblock(State(node): State<Handle>, Path(name): Path<String>) -> Answer<Vec<PeerView>> {
    order(node, &name, false).await
}

async fn order(node: Handle, name: &str, block: bool) -> Answer<Vec<PeerView>> {
    let nodes = named(&node, name)?;
    for peer in nodes.iter().filter_map(|id| node.members().peer(id)) {
        let done = if block { node.mesh().block(peer).await } else { node.mesh().unblock(peer).await };
        done.map_err(failed)?;
    }
    Ok(Json(views(&node, |id| nodes.contains(id)).await?))
}

/// The nodes of a partner, or the node of this key; never the own.
fn named(node: &Handle, name: &str) -> Result<Vec<NodeId>, ApiError> {
    let mut nodes = match name.parse::<PublicKey>() {
        Ok(key) => node.members().peer(&key).map(|_| vec![key]).unwrap_or_default(),
        Err(_) => node.members().nodes_of(name),
    };
    if nodes.is_empty() {
        let names = node.members().names().into_iter().collect::<Vec<_>>().join(", ");
        let reason = format!("{name:?} is no partner and no node; there are: {names}");
        return Err(ApiError::unknown(reason).next("entente peer list"));
    }
    nodes.retain(|id| *id != node.identity().node);
    if nodes.is_empty() {
        return Err(ApiError::bad_request(format!("{name} is this node")).next("entente peer list"));
    }
    Ok(nodes)
}

/// The enrolled nodes but the own, with what the mesh knows, and addresses where nobody has answered yet.
async fn views(node: &Handle, wanted: impl Fn(&NodeId) -> bool) -> Result<Vec<PeerView>, ApiError> {
    let known = node.mesh().peers().await.map_err(failed)?;
    let mut views = Vec::new();
    let others = node.members().nodes().into_iter();
    for (id, partner) in others.filter(|(id, _)| *id != node.identity().node && wanted(id)) {
        let Some(peer_id) = node.members().peer(&id) else {
            continue;
        };
        let peer = known.iter().find(|peer| peer.peer == Some(peer_id));
        views.push(PeerView {
            partner: partner.to_string(),
            node: id,
            peer_id: peer_id.to_string(),
            addresses: peer.map(addresses).unwrap_or_default(),
            connected: peer.is_some_and(|peer| peer.connected),
            since: peer.and_then(|peer| peer.since_ms).map(Time),
            missing_since: match peer {
                Some(peer) if peer.connected => None,
                peer => Some(peer.and_then(|peer| peer.missing_since_ms).map_or(node.started(), Time)),
            },
            next_retry_ms: peer.and_then(|peer| peer.next_retry_ms),
            last_error: peer.and_then(|peer| peer.last_error.clone()),
            source: peer
                .filter(|peer| !peer.blocked || !peer.addresses.is_empty())
                .map(|peer| source(peer.source).into()),
            blocked: peer.is_some_and(|peer| peer.blocked),
        });
    }
    Ok(views)
}

fn addresses(peer: &PeerStatus) -> Vec<String> {
    peer.addresses.iter().map(ToString::to_string).collect()
}

fn source(source: PeerSource) -> &'static str {
    match source {
        PeerSource::Inbound => "inbound",
        PeerSource::Kad => "kad",
        PeerSource::Beacon => "beacon",
        PeerSource::Book => "book",
        PeerSource::Static => "static",
    }
}

fn failed(error: MeshError) -> ApiError {
    match error {
        MeshError::Stopped => ApiError::stopping(),
        other => ApiError::bad_request(other).next("entente peer list"),
    }
}
