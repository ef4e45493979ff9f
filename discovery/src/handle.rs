//! The handle through which the node uses a running mesh.
//!
//! Guarantees: every call is answered, with [`MeshError::Stopped`] once the mesh task is gone; `send` never waits and never
//! touches the mesh task. All futures here are cancel-safe.

use libp2p::{Multiaddr, PeerId, bytes::Bytes};
use thiserror::Error;
use tokio::sync::{mpsc, oneshot, watch};

use crate::link::{Outboxes, SendError};

/// At most this many calls wait for the mesh task.
pub(crate) const MAX_COMMANDS: usize = 64;

/// Why a mesh did not start, or a call failed.
#[derive(Debug, Error)]
pub enum MeshError {
    /// The port set by the operator is taken.
    #[error("port in use: {address}")]
    PortInUse {
        /// The address that could not be listened on.
        address: Multiaddr,
    },
    /// An address could not be listened on for another reason.
    #[error("cannot listen on {address}: {reason}")]
    Listen {
        /// The address.
        address: Multiaddr,
        /// Why.
        reason: String,
    },
    /// The address has a form that this mesh does not dial or listen on.
    #[error("address {0} is not of the form /ip4|ip6/IP/udp/PORT/quic-v1[/p2p/ID]")]
    Address(Multiaddr),
    /// The configuration does not fit.
    #[error("mesh configuration: {0}")]
    Config(String),
    /// Nobody but members is dialled.
    #[error("{0} is not enrolled in this coalition")]
    NotEnrolled(PeerId),
    /// As many addresses are dialled as may be.
    #[error("{} addresses are dialled already", crate::MAX_STATIC_ADDRESSES)]
    TooManyAddresses,
    /// The mesh has stopped.
    #[error("the mesh has stopped")]
    Stopped,
}

/// How a peer became known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum PeerSource {
    /// It dialled this node.
    Inbound,
    /// Kademlia named it.
    Kad,
    /// identify or a signed beacon of its own named its addresses.
    Beacon,
    /// The peer book of an earlier run.
    Book,
    /// The configuration or `peer add`.
    Static,
}

/// What is known of one peer, or of an address whose peer is not known yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerStatus {
    /// Who; `None` for a static address that nobody answered at yet.
    pub peer: Option<PeerId>,
    /// Where, best first.
    pub addresses: Vec<Multiaddr>,
    /// Whether the stream with it is up.
    pub connected: bool,
    /// Whether the operator blocked it.
    pub blocked: bool,
    /// Up since, Unix milliseconds.
    pub since_ms: Option<u64>,
    /// Missing since, Unix milliseconds.
    pub missing_since_ms: Option<u64>,
    /// The next dial, in milliseconds from now; `None` while connected, dialling or blocked.
    pub next_retry_ms: Option<u64>,
    /// What the last dial failed of.
    pub last_error: Option<String>,
    /// The strongest source it is known from.
    pub source: PeerSource,
}

pub(crate) enum Command {
    AddPeer(Multiaddr, oneshot::Sender<Result<(), MeshError>>),
    Peers(oneshot::Sender<Vec<PeerStatus>>),
    Listeners(oneshot::Sender<Vec<Multiaddr>>),
    Block(PeerId, oneshot::Sender<()>),
    Unblock(PeerId, oneshot::Sender<()>),
    Shutdown,
}

/// A handle on a running mesh; cheap to clone. When all are dropped the mesh stops.
#[derive(Clone)]
pub struct MeshHandle {
    pub(crate) local: PeerId,
    pub(crate) commands: mpsc::Sender<Command>,
    pub(crate) outboxes: Outboxes,
    pub(crate) stopped: watch::Receiver<bool>,
}

impl MeshHandle {
    /// This node's id.
    pub fn local_peer(&self) -> PeerId {
        self.local
    }

    /// Adds an address to dial for ever, with or without `/p2p/ID`.
    pub async fn add_peer(&self, address: Multiaddr) -> Result<(), MeshError> {
        self.ask(|reply| Command::AddPeer(address, reply)).await?
    }

    /// Everyone known, with what is known.
    pub async fn peers(&self) -> Result<Vec<PeerStatus>, MeshError> {
        self.ask(Command::Peers).await
    }

    /// The addresses listened on and announced.
    pub async fn listeners(&self) -> Result<Vec<Multiaddr>, MeshError> {
        self.ask(Command::Listeners).await
    }

    /// Closes the link with one peer and refuses it, whoever dials, until `unblock`.
    pub async fn block(&self, peer: PeerId) -> Result<(), MeshError> {
        self.ask(|reply| Command::Block(peer, reply)).await
    }

    /// Allows a blocked link again.
    pub async fn unblock(&self, peer: PeerId) -> Result<(), MeshError> {
        self.ask(|reply| Command::Unblock(peer, reply)).await
    }

    /// Queues a frame for a peer that is up, or says why not, at once.
    pub fn send(&self, peer: PeerId, frame: impl Into<Bytes>) -> Result<(), SendError> {
        self.outboxes.of(&peer)?.push(frame.into())
    }

    /// Queues frames for a peer that is up, to leave together if they can; says how many were not taken, and why.
    pub fn send_all(&self, peer: PeerId, frames: Vec<Bytes>) -> Result<(), (usize, SendError)> {
        match self.outboxes.of(&peer) {
            Ok(outbox) => outbox.push_all(frames),
            Err(error) => Err((frames.len(), error)),
        }
    }

    /// Queues a frame for a peer that is up, waiting for room; fails when the link ends meanwhile.
    pub async fn send_when_room(&self, peer: PeerId, frame: impl Into<Bytes>) -> Result<(), SendError> {
        self.outboxes.of(&peer)?.push_when_room(frame.into()).await
    }

    /// Waits until fewer than `bytes` wait towards a peer that is up; fails when the link ends meanwhile.
    pub async fn until_below(&self, peer: PeerId, bytes: usize) -> Result<(), SendError> {
        self.outboxes.of(&peer)?.until_below(bytes).await
    }

    /// Closes all connections, so that peers see it at once, and waits until the mesh task has ended. The events must be
    /// drained or their receiver dropped meanwhile.
    pub async fn shutdown(&self) {
        // A task that is gone is stopped.
        let _ = self.commands.send(Command::Shutdown).await;
        let _ = self.stopped.clone().wait_for(|stopped| *stopped).await;
    }

    async fn ask<T>(&self, command: impl FnOnce(oneshot::Sender<T>) -> Command) -> Result<T, MeshError> {
        let (reply, answer) = oneshot::channel();
        self.commands.send(command(reply)).await.map_err(|_| MeshError::Stopped)?;
        answer.await.map_err(|_| MeshError::Stopped)
    }
}
