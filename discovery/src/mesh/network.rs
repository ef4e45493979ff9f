//! What the swarm and the gate report, and what follows from it.

use std::{error::Error, io, time::Instant};

use libp2p::{
    Multiaddr, PeerId, TransportError,
    connection_limits::Exceeded,
    core::ConnectedPoint,
    swarm::{ConnectionDenied, ConnectionId, DialError, ListenError, SwarmEvent},
};

use super::{Dial, MeshTask, unix_ms};
use crate::{
    behaviour::BehaviourEvent,
    config::split_address,
    event::{MeshEvent, Refusal, RefusalReason},
    gate::GateReport,
    guard::Denied,
    handle::PeerSource,
};

impl MeshTask {
    pub(super) fn on_swarm_event(&mut self, event: SwarmEvent<BehaviourEvent>) {
        match event {
            SwarmEvent::NewListenAddr { listener_id, address } => {
                tracing::debug!(%address, "listening");
                self.listening.push((listener_id, address.clone()));
                let instead_of = self.instead_of.get(&listener_id).cloned();
                self.tell(MeshEvent::Listening { address, instead_of });
                self.addresses_changed();
            }
            SwarmEvent::ExpiredListenAddr { listener_id, address } => {
                self.listening.retain(|known| *known != (listener_id, address.clone()));
                self.addresses_changed();
            }
            SwarmEvent::ListenerClosed { listener_id, addresses, reason } => {
                tracing::error!(?addresses, ?reason, "a listener closed");
                self.listening.retain(|(listener, _)| *listener != listener_id);
                self.addresses_changed();
            }
            SwarmEvent::ConnectionEstablished { peer_id, connection_id, endpoint, .. } => {
                self.on_established(peer_id, connection_id, &endpoint);
            }
            SwarmEvent::ConnectionClosed { peer_id, connection_id, cause, .. } => {
                let reason =
                    cause.map_or_else(|| "connection closed here".to_owned(), |cause| error_text(&cause));
                tracing::debug!(peer = %peer_id, reason, "connection closed");
                self.pairs.closed(peer_id, connection_id);
                self.link_disconnected(peer_id, connection_id, &reason);
                if !self.swarm.is_connected(&peer_id) {
                    self.targets.disconnected(&peer_id, Instant::now());
                }
            }
            SwarmEvent::OutgoingConnectionError { peer_id, connection_id, error } => {
                if let (DialError::Denied { .. }, Some(peer)) = (&error, peer_id) {
                    self.pairs.denied(peer);
                }
                self.on_dial_failed(connection_id, &error);
            }
            SwarmEvent::IncomingConnectionError {
                send_back_addr,
                error: ListenError::Denied { cause },
                peer_id,
                ..
            } => {
                if let Some(peer) = peer_id {
                    self.pairs.denied(peer);
                }
                let reason = denial(&cause);
                self.refuse(Refusal {
                    remote: send_back_addr,
                    peer: peer_id,
                    inbound: true,
                    reason,
                    credential: None,
                    count: 1,
                });
            }
            SwarmEvent::Behaviour(event) => self.on_behaviour_event(event),
            _ => {}
        }
    }

    fn on_established(&mut self, peer: PeerId, connection: ConnectionId, endpoint: &ConnectedPoint) {
        let now = Instant::now();
        let remote = split_address(endpoint.get_remote_address()).map(|(bare, _)| bare);
        if let Some(remote) = remote {
            if endpoint.is_dialer() {
                match self.dials.remove(&connection) {
                    Some(Dial::Static(address)) => self.static_leads_to(&address, peer),
                    Some(Dial::Peer(_)) | None => {
                        self.targets.learn(peer, remote.clone(), PeerSource::Kad, now, unix_ms());
                    }
                }
                self.targets.proved(&peer, &remote);
                self.route(peer);
                self.book_dirty = true;
            } else if self.targets.get(&peer).is_none_or(|target| target.addresses().is_empty()) {
                // Nodes dial from the port that they listen on, so this is likely where it can be dialled, if nothing better
                // is known.
                self.targets.learn(peer, remote, PeerSource::Inbound, now, unix_ms());
            }
        }
        // Also when it is to be closed at once: the dial is over, and the closing makes the next one due.
        self.targets.connected(&peer);
        if self.pairs.established(peer, connection) {
            tracing::debug!(%peer, dialled = endpoint.is_dialer(), "connection established");
            self.link_connected(peer, connection, endpoint.get_remote_address());
        } else {
            self.swarm.close_connection(connection);
        }
    }

    fn on_dial_failed(&mut self, connection: ConnectionId, error: &DialError) {
        let now = Instant::now();
        let text = dial_error(error);
        tracing::debug!(text = text.as_deref().unwrap_or("superfluous"), "dial failed");
        match self.dials.remove(&connection) {
            Some(Dial::Peer(peer)) => {
                let connected = self.swarm.is_connected(&peer);
                if let Some(retry) = self.targets.retry(&peer) {
                    retry.failed(text, &self.profile, now);
                    if connected {
                        retry.next = None;
                    }
                }
            }
            Some(Dial::Static(address)) => {
                if let Some(known) = self.targets.statics.iter_mut().find(|known| known.address == address) {
                    known.retry.failed(text, &self.profile, now);
                }
            }
            None => {}
        }
    }

    pub(super) fn on_gate_report(&mut self, report: GateReport) {
        match report {
            GateReport::Refused(refusal) => {
                if let (RefusalReason::WrongPeer { expected }, Some((bare, _))) =
                    (&refusal.reason, split_address(&refusal.remote))
                {
                    self.targets.disproved(expected, &bare, Instant::now());
                }
                self.refuse(refusal);
            }
            GateReport::Known { address, peer } => {
                if let Some((bare, None)) = split_address(&address) {
                    self.static_leads_to(&bare, peer);
                }
            }
            GateReport::Own { address } => {
                if let Some((bare, _)) = split_address(&address)
                    && let Some(known) = self.targets.statics.iter_mut().find(|known| known.address == bare)
                {
                    known.own = true;
                }
            }
        }
    }

    /// A static address without an id turned out to be this peer's.
    fn static_leads_to(&mut self, address: &Multiaddr, peer: PeerId) {
        if let Some(known) = self.targets.statics.iter_mut().find(|known| known.address == *address) {
            known.peer = Some(peer);
            known.retry.dialling = false;
            known.retry.next = None;
        }
        self.targets.learn(peer, address.clone(), PeerSource::Static, Instant::now(), unix_ms());
    }

    pub(super) fn refuse(&mut self, refusal: Refusal) {
        if let Some(refusal) = self.refusals.take(refusal, Instant::now()) {
            // The node tells it as a fault.
            tracing::debug!(remote = %refusal.remote, peer = ?refusal.peer, reason = %refusal.reason, "refused");
            self.tell(MeshEvent::Refused(refusal));
        }
    }
}

fn denial(cause: &ConnectionDenied) -> RefusalReason {
    if let Some(exceeded) = cause.downcast_ref::<Exceeded>() {
        return RefusalReason::TooManyPending(exceeded.to_string());
    }
    match cause.downcast_ref::<Denied>() {
        Some(Denied::Blocked(_)) => RefusalReason::Blocked,
        Some(Denied::NotEnrolled(_)) => RefusalReason::NotEnrolled,
        Some(Denied::Source(_)) => RefusalReason::TooManyPending("from this source".into()),
        None => RefusalReason::TooManyPending(error_text(cause)),
    }
}

/// The innermost cause of each failed address, in words; `None`: the dial was superfluous, as another one or a connection
/// is there.
pub(super) fn dial_error(error: &DialError) -> Option<String> {
    Some(match error {
        DialError::Transport(errors) => {
            let texts: Vec<String> = errors
                .iter()
                .map(|(address, error)| {
                    // Whose address it is stands beside it.
                    let bare = split_address(address).map_or_else(|| address.clone(), |(bare, _)| bare);
                    let text = match error {
                        TransportError::Other(error) => io_error_text(error),
                        other => other.to_string(),
                    };
                    format!("{bare}: {}", text.trim_end_matches('.'))
                })
                .collect();
            texts.join("; ")
        }
        DialError::NoAddresses => "no address is known".to_owned(),
        DialError::DialPeerConditionFalse(_) => return None,
        other => error_text(other),
    })
}

fn io_error_text(error: &io::Error) -> String {
    match error.get_ref() {
        Some(inner) => error_text(inner),
        None => error.to_string(),
    }
}

/// The text of the innermost cause.
pub(super) fn error_text(error: &(dyn Error + 'static)) -> String {
    let mut innermost = error;
    loop {
        let next = match innermost.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
            Some(inner) => Some(inner as &(dyn Error + 'static)),
            None => innermost.source(),
        };
        match next {
            Some(next) => innermost = next,
            None => return innermost.to_string(),
        }
    }
}
