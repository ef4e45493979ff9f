//! The guard: a behaviour without protocol that denies connections; it stands before all others.
//!
//! Guarantees: a blocked or not enrolled peer is never dialled nor established, whoever asks for it (Kademlia dials by itself); one
//! source address holds at most [`MAX_PENDING_PER_SOURCE`] connections in the gate, so that silent ones from there
//! leave room for others. Assumes that it is told of every failure, which the swarm does.

use std::{
    collections::HashMap,
    convert::Infallible,
    net::{IpAddr, Ipv6Addr},
    sync::Arc,
    task::{Context, Poll},
};

use libp2p::{
    Multiaddr, PeerId,
    core::{Endpoint, transport::PortUse},
    swarm::{
        ConnectionDenied, ConnectionId, FromSwarm, ListenFailure, NetworkBehaviour, THandler,
        THandlerInEvent, THandlerOutEvent, ToSwarm, dummy,
    },
};
use thiserror::Error;

use crate::{CredentialCheck, config::ip_of, pairs::Pairs};

/// At most this many inbound connections wait for admission.
pub const MAX_PENDING_INCOMING: u32 = 512;
/// At most this many inbound connections from one IPv4 address or IPv6 /64 wait for admission.
pub const MAX_PENDING_PER_SOURCE: u32 = 64;
/// At most this many dials run.
pub const MAX_PENDING_OUTGOING: u32 = 64;

/// Why the guard denied a connection.
#[derive(Debug, Error, PartialEq, Eq)]
pub(crate) enum Denied {
    #[error("link with {0} is blocked by the operator")]
    Blocked(PeerId),
    #[error("{0} is not enrolled")]
    NotEnrolled(PeerId),
    #[error("{MAX_PENDING_PER_SOURCE} connections from {0} wait for admission")]
    Source(IpAddr),
}

pub(crate) struct Guard {
    check: Arc<dyn CredentialCheck>,
    pairs: Arc<Pairs>,
    sources: HashMap<IpAddr, u32>,
    pending: HashMap<ConnectionId, IpAddr>,
}

impl Guard {
    pub(crate) fn new(check: Arc<dyn CredentialCheck>, pairs: Arc<Pairs>) -> Self {
        Self { check, pairs, sources: HashMap::new(), pending: HashMap::new() }
    }

    fn enforce(&self, peer: &PeerId) -> Result<(), Denied> {
        if self.pairs.is_blocked(peer) {
            return Err(Denied::Blocked(*peer));
        }
        if !self.check.is_member(peer) {
            return Err(Denied::NotEnrolled(*peer));
        }
        Ok(())
    }

    fn enter(&mut self, connection: ConnectionId, remote: &Multiaddr) -> Result<(), Denied> {
        let Some(source) = ip_of(remote).map(source_of) else {
            return Ok(());
        };
        let count = self.sources.entry(source).or_default();
        if *count >= MAX_PENDING_PER_SOURCE {
            return Err(Denied::Source(source));
        }
        *count += 1;
        self.pending.insert(connection, source);
        Ok(())
    }

    fn leave(&mut self, connection: ConnectionId) {
        let Some(source) = self.pending.remove(&connection) else {
            return;
        };
        if let Some(count) = self.sources.get_mut(&source) {
            *count -= 1;
            if *count == 0 {
                self.sources.remove(&source);
            }
        }
    }
}

/// Who holds one IPv6 address usually holds its whole /64.
fn source_of(ip: IpAddr) -> IpAddr {
    match ip {
        IpAddr::V4(_) => ip,
        IpAddr::V6(ip) => Ipv6Addr::from_bits(ip.to_bits() >> 64 << 64).into(),
    }
}

impl NetworkBehaviour for Guard {
    type ConnectionHandler = dummy::ConnectionHandler;
    type ToSwarm = Infallible;

    fn handle_pending_inbound_connection(
        &mut self,
        connection: ConnectionId,
        _: &Multiaddr,
        remote: &Multiaddr,
    ) -> Result<(), ConnectionDenied> {
        self.enter(connection, remote).map_err(ConnectionDenied::new)
    }

    fn handle_established_inbound_connection(
        &mut self,
        connection: ConnectionId,
        peer: PeerId,
        _: &Multiaddr,
        _: &Multiaddr,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        self.leave(connection);
        self.enforce(&peer).map_err(ConnectionDenied::new)?;
        Ok(dummy::ConnectionHandler)
    }

    fn handle_pending_outbound_connection(
        &mut self,
        _: ConnectionId,
        peer: Option<PeerId>,
        _: &[Multiaddr],
        _: Endpoint,
    ) -> Result<Vec<Multiaddr>, ConnectionDenied> {
        if let Some(peer) = peer {
            self.enforce(&peer).map_err(ConnectionDenied::new)?;
        }
        Ok(Vec::new())
    }

    fn handle_established_outbound_connection(
        &mut self,
        _: ConnectionId,
        peer: PeerId,
        _: &Multiaddr,
        _: Endpoint,
        _: PortUse,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        self.enforce(&peer).map_err(ConnectionDenied::new)?;
        Ok(dummy::ConnectionHandler)
    }

    fn on_swarm_event(&mut self, event: FromSwarm) {
        if let FromSwarm::ListenFailure(ListenFailure { connection_id, .. }) = event {
            self.leave(connection_id);
        }
    }

    fn on_connection_handler_event(&mut self, _: PeerId, _: ConnectionId, event: THandlerOutEvent<Self>) {
        match event {}
    }

    fn poll(&mut self, _: &mut Context<'_>) -> Poll<ToSwarm<Self::ToSwarm, THandlerInEvent<Self>>> {
        Poll::Pending
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::sync::mpsc;

    use super::*;

    struct Anyone;
    impl CredentialCheck for Anyone {
        fn check(&self, _: &PeerId, _: &[u8]) -> Result<(), String> {
            Ok(())
        }
        fn is_member(&self, _: &PeerId) -> bool {
            true
        }
    }

    #[test]
    fn one_source_cannot_take_the_room_of_another() {
        let pairs = Pairs::new(PeerId::random(), Duration::ZERO, mpsc::unbounded_channel().0);
        let mut guard = Guard::new(Arc::new(Anyone), pairs);
        let address = |ip: &str| format!("/ip6/{ip}/udp/1/quic-v1").parse::<Multiaddr>().expect("address");
        let mut ids = (0..).map(ConnectionId::new_unchecked);
        let mut enter = |guard: &mut Guard, ip: &str| {
            let id = ids.next().expect("ids do not end");
            guard.enter(id, &address(ip)).map(|()| id)
        };
        let first = enter(&mut guard, "2001:db8::1").expect("room");
        for n in 1..MAX_PENDING_PER_SOURCE {
            enter(&mut guard, &format!("2001:db8::{n:x}")).expect("room");
        }
        assert!(enter(&mut guard, "2001:db8::ffff:1").is_err(), "the same /64");
        enter(&mut guard, "2001:db8:1::1").expect("another source has room");
        guard.leave(first);
        enter(&mut guard, "2001:db8::1").expect("room again");
    }
}
