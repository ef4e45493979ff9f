//! Between mesh and engine: who is who, who may in, and frames as inputs.
//!
//! Guarantees: only nodes that the charter enrols and whose credential is valid now come in; inputs of one peer keep
//! their order; when the engine is behind, reading from peers waits.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use entente_discovery::{
    CredentialCheck, LinkFault, MeshEvent, PeerId, Refusal, RefusalReason, encode_book, peer_id_of,
};
use entente_protocol::credential::{Capability, Chain};
use entente_protocol::engine::{Input, NodeId};
use entente_protocol::founding::Founded;
use entente_protocol::replicate::MAX_MESSAGE_BYTES;
use tokio::sync::mpsc;

use super::{BOOK, Handle, Stopped, clock};
use crate::api::dto::{EventView, FaultView};

/// Inputs from peers that wait for the engine; each is at most [`MAX_MESSAGE_BYTES`].
pub const PEER_QUEUE: usize = 128;

/// The coalition's nodes under their names in the mesh.
pub(crate) struct Members {
    founded: Arc<Founded>,
    nodes: BTreeMap<PeerId, NodeId>,
}

impl Members {
    pub(super) fn new(founded: Arc<Founded>) -> Self {
        let peer = |node: NodeId| Some((peer_id_of(node.as_ed25519())?, node));
        let nodes = founded.nodes().filter_map(|(node, _)| peer(node)).collect();
        Self { founded, nodes }
    }

    /// The node of a peer.
    pub(crate) fn node(&self, peer: &PeerId) -> Option<NodeId> {
        self.nodes.get(peer).copied()
    }

    /// The name of a node in the mesh.
    pub(crate) fn peer(&self, node: &NodeId) -> Option<PeerId> {
        peer_id_of(node.as_ed25519())
    }
}

impl CredentialCheck for Members {
    fn check(&self, peer: &PeerId, credential: &[u8]) -> Result<(), String> {
        let chain = Chain::decode(credential).map_err(|error| format!("malformed: {error}"))?;
        let admitted = self.founded.admit(&chain, Capability::Node, clock::now());
        let (partner, key) = admitted.map_err(|error| error.to_string())?;
        if self.nodes.get(peer) == Some(&key) {
            Ok(())
        } else {
            Err(format!("it is that of another node, of {}", partner.name))
        }
    }

    fn is_member(&self, peer: &PeerId) -> bool {
        self.nodes.contains_key(peer)
    }
}

/// Carries the mesh's events to the engine until the mesh has ended.
pub(super) async fn run(mut events: mpsc::Receiver<MeshEvent>, engine: mpsc::Sender<Input>, node: Handle) {
    while let Some(event) = events.recv().await {
        let input = match event {
            MeshEvent::PeerUp { peer, .. } => {
                let Some(id) = node.members().node(&peer) else {
                    continue;
                };
                let partner = node.partner_of(&id);
                tracing::info!(%partner, %peer, "peer up");
                node.follow().tell(EventView::PeerUp { partner, node: id });
                Input::PeerUp(id)
            }
            MeshEvent::PeerDown { peer, reason } => {
                let Some(id) = node.members().node(&peer) else {
                    continue;
                };
                let partner = node.partner_of(&id);
                tracing::info!(%partner, %peer, %reason, "peer down");
                node.follow().tell(EventView::PeerDown { partner, node: id, reason });
                Input::PeerDown(id)
            }
            MeshEvent::Frame { peer, bytes } => {
                let Some(id) = node.members().node(&peer) else {
                    continue;
                };
                node.metrics().frames_in.fetch_add(1, Relaxed);
                node.metrics().bytes_in.fetch_add(bytes.len() as u64, Relaxed);
                if bytes.len() > MAX_MESSAGE_BYTES {
                    let what = format!("message of {} bytes, at most {MAX_MESSAGE_BYTES}", bytes.len());
                    fault(&node, Some(peer), "malformed", what);
                    continue;
                }
                Input::Received { peer: id, bytes: bytes.to_vec() }
            }
            MeshEvent::Refused(refusal) => {
                refused(&node, refusal);
                continue;
            }
            MeshEvent::Fault { peer, fault: link } => {
                let code = match &link {
                    LinkFault::FrameTooLarge { .. } => "too_large",
                    LinkFault::BadBeacon(_) => "bad_beacon",
                    LinkFault::EmptyFrame | LinkFault::BadHello(_) => "malformed",
                };
                fault(&node, Some(peer), code, link.to_string());
                continue;
            }
            MeshEvent::Listening { address, instead_of } => {
                node.add_listener();
                match instead_of {
                    Some(wanted) => {
                        tracing::warn!(%address, %wanted, "listening elsewhere: the port is in use")
                    }
                    None => tracing::info!(%address, "listening"),
                }
                continue;
            }
            MeshEvent::BookChanged(book) => {
                let store = Arc::clone(node.store());
                let saved =
                    tokio::task::spawn_blocking(move || store.set_meta(BOOK, &encode_book(&book))).await;
                if let Ok(Err(error)) = saved {
                    node.fail(Stopped::Storage(error)).await;
                }
                continue;
            }
        };
        // An engine that has ended takes nothing; the events are drained all the same, so that the mesh can end.
        let _ = engine.send(input).await;
    }
}

fn refused(node: &Handle, refusal: Refusal) {
    let code = match &refusal.reason {
        RefusalReason::WrongSecret | RefusalReason::NotEnrolled | RefusalReason::Silent => "stranger",
        RefusalReason::Credential(_) => "credential",
        RefusalReason::ForeignNetwork => "foreign_coalition",
        RefusalReason::WrongPeer { .. } => "wrong_peer",
        RefusalReason::Malformed(_) => "malformed",
        RefusalReason::TooManyPending(_) => "flood",
        RefusalReason::Blocked | RefusalReason::ByPeer(_) => "refused",
    };
    let way = if refusal.inbound { "from" } else { "to" };
    let times = if refusal.count > 1 { format!(" ({} times)", refusal.count) } else { String::new() };
    let what = format!("connection {way} {} refused: {}{times}", refusal.remote, refusal.reason);
    match &refusal.reason {
        // Not the other's fault: the operator's own order.
        RefusalReason::Blocked => tracing::debug!(what, "link refused"),
        _ => fault(node, refusal.peer, code, what),
    }
}

fn fault(handle: &Handle, peer: Option<PeerId>, code: &str, what: String) {
    let node = peer.and_then(|peer| handle.members().node(&peer));
    let partner = node.map(|node| handle.partner_of(&node));
    handle.follow().fault(FaultView::new(partner, node, None, code, what), None);
}
