//! The mesh: one libp2p swarm over QUIC (quinn) for one coalition, behind a credential handshake.
//!
//! It finds the other enrolled nodes from one address, keeps one connection and one stream with each, and carries the node's
//! frames. It knows nothing of what is in the frames or the credentials.
//!
//! - The gate: nobody who lacks the coalition secret and an accepted credential reaches any protocol.
//! - Discovery by topic: signed beacons over gossipsub and provider records in Kademlia, under names that are HMACs of
//!   the coalition secret; static addresses and the peer book always work.
//! - One connection per pair, redialled for ever with a jittered back-off.
//!
//! The exchange of the gate, the rule of one connection and the stream's framing stand at the head of the modules `gate`, `pairs` and
//! `link` in the sources.
//!
//! # Example
//! ```no_run
//! # use entente_discovery::{CoalitionSecret, CredentialCheck, Mesh, MeshConfig, MeshEvent, PeerId};
//! # use std::sync::Arc;
//! struct Enrolled(Vec<PeerId>);
//! impl CredentialCheck for Enrolled {
//!     fn check(&self, peer: &PeerId, credential: &[u8]) -> Result<(), String> {
//!         if credential.is_empty() { Err(format!("{peer} shows no credential")) } else { Ok(()) }
//!     }
//!     fn is_member(&self, peer: &PeerId) -> bool {
//!         self.0.contains(peer)
//!     }
//! }
//! # async fn run(seed: [u8; 32], secret: [u8; 32], network: [u8; 32], members: Vec<PeerId>) -> Result<(), Box<dyn std::error::Error>> {
//! let mut config = MeshConfig::new(seed.into(), CoalitionSecret::new(secret), network, b"credential".to_vec());
//! config.static_peers.push("/ip4/192.0.2.7/udp/4000/quic-v1".parse()?);
//! let (mesh, mut events) = Mesh::start(config, Arc::new(Enrolled(members)))?;
//! while let Some(event) = events.recv().await {
//!     if let MeshEvent::PeerUp { peer, .. } = event {
//!         mesh.send(peer, "hello")?;
//!     }
//! }
//! # Ok(()) }
//! ```

mod beacon;
mod behaviour;
mod book;
mod config;
#[cfg(any(test, fuzzing))]
pub mod decoders;
mod dial;
mod event;
mod gate;
mod guard;
mod handle;
mod link;
mod mesh;
mod pairs;
mod pulse;

pub use libp2p::{Multiaddr, PeerId, bytes::Bytes};

pub use crate::{
    book::{
        BookEntry, BookError, MAX_ADDRESS_BYTES, MAX_ADDRESSES, MAX_BOOK_BYTES, MAX_BOOK_PEERS, decode_book,
        encode_book,
    },
    config::{CoalitionSecret, LinkProfile, MeshConfig, PortPolicy},
    dial::MAX_STATIC_ADDRESSES,
    event::{Instance, LinkFault, MAX_REFUSAL_SOURCES, MeshEvent, REFUSAL_MERGE, Refusal, RefusalReason},
    gate::MAX_CREDENTIAL_BYTES,
    guard::{MAX_PENDING_INCOMING, MAX_PENDING_OUTGOING, MAX_PENDING_PER_SOURCE},
    handle::{MeshError, MeshHandle, PeerSource, PeerStatus},
    link::{MAX_FRAME_BYTES, MAX_QUEUED_BYTES, MAX_QUEUED_FRAMES, SendError},
    mesh::{EVENT_QUEUE, Mesh},
};

/// What the node knows of its coalition's nodes; asked in the gate, by the guard, and for every signed beacon.
pub trait CredentialCheck: Send + Sync + 'static {
    /// Accepts the credential that `peer` shows, or says why not. The peer has proved that it holds its key and knows the
    /// coalition secret.
    fn check(&self, peer: &PeerId, credential: &[u8]) -> Result<(), String>;

    /// Whether this node is enrolled. The answers may change: connections that exist are checked again
    /// every [`LinkProfile::recheck_interval`], and cut.
    fn is_member(&self, peer: &PeerId) -> bool;

    /// The member in whose name a credential is, where `peer` is no node of that member: it passes itself off as it.
    fn claimed(&self, _peer: &PeerId, _credential: &[u8]) -> Option<String> {
        None
    }
}

/// The ed25519 public key that a peer id is made of, 32 bytes.
pub fn key_of_peer(peer: &PeerId) -> Option<[u8; 32]> {
    // An ed25519 key stands in its peer id as it is (libp2p peer ids, "identity" multihash).
    let key = libp2p::identity::PublicKey::try_decode_protobuf(peer.as_ref().digest()).ok()?;
    Some(key.try_into_ed25519().ok()?.to_bytes())
}

/// The peer id that belongs to an ed25519 public key, 32 bytes.
pub fn peer_id_of(public_key: &[u8; 32]) -> Option<PeerId> {
    libp2p::identity::ed25519::PublicKey::try_from_bytes(public_key)
        .ok()
        .map(|key| PeerId::from_public_key(&key.into()))
}
