//! What a mesh is started with: keys, the coalition secret, addresses, and the link profile that sets every time-out.
//!
//! Guarantees: a secret is erased when dropped, is never printed, and leaves this crate only as HMAC outputs
//! (RFC 2104) under a name for each purpose. Assumes that the coalition secret is 32 random bytes: the first proof of the
//! gate can be tested offline, so a passphrase could be guessed.

use std::time::Duration;

use hmac::{Hmac, KeyInit, Mac};
use libp2p::{Multiaddr, PeerId, multiaddr::Protocol};
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::book::BookEntry;

/// The 32 random bytes that all nodes of one coalition share.
#[derive(Clone)]
pub struct CoalitionSecret(Zeroizing<[u8; 32]>);

impl CoalitionSecret {
    /// Takes the secret. It must be random; see the module's assumption.
    pub fn new(bytes: [u8; 32]) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// An opaque key or name for one purpose: HMAC-SHA-256(secret, domain, purpose).
    pub(crate) fn derive(&self, purpose: &str) -> Zeroizing<[u8; 32]> {
        Zeroizing::new(keyed_hash(&self.0, "entente mesh 1", &[purpose.as_bytes()]))
    }

    /// `derive` as 32 hexadecimal digits, for names that travel inside libp2p (topics, protocol names).
    pub(crate) fn opaque_name(&self, purpose: &str) -> String {
        self.derive(purpose)[..16].iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

/// HMAC-SHA-256 over a label and length-prefixed parts, so that no two lists of parts collide.
pub(crate) fn keyed_hash(key: &[u8; 32], label: &str, parts: &[&[u8]]) -> [u8; 32] {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of any length");
    for part in std::iter::once(label.as_bytes()).chain(parts.iter().copied()) {
        mac.update(&(part.len() as u64).to_be_bytes());
        mac.update(part);
    }
    mac.finalize().into_bytes().into()
}

/// What to do when the port to listen on is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PortPolicy {
    /// Take another port and announce that one ([`crate::MeshEvent::Listening`] names the port that was wanted).
    Preferred,
    /// Fail with [`crate::MeshError::PortInUse`]: for a port that an operator set.
    Strict,
}

/// Every time-out, interval and choice of discovery that depends on the kind of link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinkProfile {
    /// The profile's name in logs and configuration.
    pub name: &'static str,
    /// The QUIC handshake must be done by then.
    pub handshake_timeout: Duration,
    /// The credential exchange must be done by then, counted from the end of the QUIC handshake.
    pub gate_timeout: Duration,
    /// A connection without any packet for this long is dead.
    pub idle_timeout: Duration,
    /// A packet is sent at least this often; must be below half of `idle_timeout`. Each node takes up to an eighth less, so
    /// that of two nodes one keeps their connection alive and not both.
    pub keep_alive: Duration,
    /// A link is dead on which nothing is heard for this long after something was said.
    pub answer_timeout: Duration,
    /// How long the higher peer id lets the lower one dial first.
    pub yield_interval: Duration,
    /// The first delay of the redial back-off.
    pub redial_min: Duration,
    /// The longest delay of the redial back-off.
    pub redial_max: Duration,
    /// Two connections set up within this time by both ends count as simultaneous; later ones replace.
    pub simultaneous_window: Duration,
    /// Opening the stream of a pair must be done by then, and is tried again after a back-off.
    pub open_timeout: Duration,
    /// A connection that carries no confirmed stream for this long is closed and set up anew.
    pub link_timeout: Duration,
    /// Whether signed beacons travel by gossip.
    pub beacons: bool,
    /// A beacon is sent at least this often.
    pub beacon_interval: Duration,
    /// Changes within this time share one beacon.
    pub beacon_debounce: Duration,
    /// gossipsub's heartbeat.
    pub gossip_heartbeat: Duration,
    /// Whether Kademlia runs.
    pub kademlia: bool,
    /// How soon the providers of the coalition's key are asked for again after a change; then ever more rarely, up to
    /// 16 times as long.
    pub providers_interval: Duration,
    /// How often identify repeats on a living connection.
    pub identify_interval: Duration,
    /// How often the credentials of living connections are checked again: one that has run out meanwhile ends them.
    pub recheck_interval: Duration,
}

impl LinkProfile {
    /// Links with milliseconds of delay and no budget to speak of.
    pub fn lan() -> Self {
        Self {
            name: "lan",
            handshake_timeout: Duration::from_secs(5),
            gate_timeout: Duration::from_secs(5),
            idle_timeout: Duration::from_secs(40),
            keep_alive: Duration::from_secs(16),
            answer_timeout: Duration::from_secs(6),
            yield_interval: Duration::from_millis(500),
            redial_min: Duration::from_millis(250),
            redial_max: Duration::from_secs(5),
            simultaneous_window: Duration::from_secs(2),
            open_timeout: Duration::from_secs(5),
            link_timeout: Duration::from_secs(10),
            beacons: true,
            beacon_interval: Duration::from_secs(600),
            beacon_debounce: Duration::from_millis(100),
            gossip_heartbeat: Duration::from_secs(1),
            kademlia: true,
            providers_interval: Duration::from_secs(60),
            identify_interval: Duration::from_secs(3600),
            recheck_interval: Duration::from_secs(10),
        }
    }
}

impl Default for LinkProfile {
    fn default() -> Self {
        Self::lan()
    }
}

/// What [`crate::Mesh::start`] needs. It has no `Debug`, because it holds keys.
pub struct MeshConfig {
    /// The seed of the node's ed25519 key, which is its libp2p identity.
    pub node_key_seed: Zeroizing<[u8; 32]>,
    /// The coalition's secret.
    pub secret: CoalitionSecret,
    /// The coalition's id (public).
    pub network: [u8; 32],
    /// What this node shows in the gate; opaque here, at most [`crate::MAX_CREDENTIAL_BYTES`].
    pub credential: Vec<u8>,
    /// Addresses to listen on, QUIC only. A port 0 takes the port remembered in the book's own entry, if there is one.
    pub listen: Vec<Multiaddr>,
    /// What to do when a port is taken.
    pub port: PortPolicy,
    /// Addresses to announce besides those listened on (a port 0 stands for the port listened on).
    pub announce: Vec<Multiaddr>,
    /// Addresses to dial, with or without `/p2p/ID`.
    pub static_peers: Vec<Multiaddr>,
    /// The peer book of the last run, as [`crate::MeshEvent::BookChanged`] gave it.
    pub book: Vec<BookEntry>,
    /// The kind of link.
    pub profile: LinkProfile,
}

impl MeshConfig {
    /// A configuration that listens on every IPv4 interface at any port and knows nobody.
    pub fn new(
        node_key_seed: Zeroizing<[u8; 32]>,
        secret: CoalitionSecret,
        network: [u8; 32],
        credential: Vec<u8>,
    ) -> Self {
        Self {
            node_key_seed,
            secret,
            network,
            credential,
            listen: vec!["/ip4/0.0.0.0/udp/0/quic-v1".parse().expect("a constant address")],
            port: PortPolicy::Preferred,
            announce: Vec::new(),
            static_peers: Vec::new(),
            book: Vec::new(),
            profile: LinkProfile::lan(),
        }
    }
}

/// Splits `/ip4|ip6/../udp/../quic-v1[/p2p/ID]` into the address and the id; `None` for any other form.
pub(crate) fn split_address(address: &Multiaddr) -> Option<(Multiaddr, Option<PeerId>)> {
    let mut parts = address.iter();
    let (ip, port, quic) = (parts.next()?, parts.next()?, parts.next()?);
    let bare = match (&ip, &port, &quic) {
        (Protocol::Ip4(_) | Protocol::Ip6(_), Protocol::Udp(_), Protocol::QuicV1) => {
            Multiaddr::empty().with(ip).with(port).with(quic)
        }
        _ => return None,
    };
    match (parts.next(), parts.next()) {
        (None, _) => Some((bare, None)),
        (Some(Protocol::P2p(peer)), None) => Some((bare, Some(peer))),
        _ => None,
    }
}

/// The UDP port of an address of the form above.
pub(crate) fn udp_port(address: &Multiaddr) -> Option<u16> {
    address.iter().find_map(|part| match part {
        Protocol::Udp(port) => Some(port),
        _ => None,
    })
}

/// The address with another UDP port.
pub(crate) fn with_udp_port(address: &Multiaddr, port: u16) -> Multiaddr {
    address
        .iter()
        .map(|part| match part {
            Protocol::Udp(_) => Protocol::Udp(port),
            other => other,
        })
        .collect()
}

/// The IP address that an address begins with.
pub(crate) fn ip_of(address: &Multiaddr) -> Option<std::net::IpAddr> {
    match address.iter().next()? {
        Protocol::Ip4(ip) => Some(ip.into()),
        Protocol::Ip6(ip) => Some(ip.into()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_quic_addresses_are_taken_with_or_without_a_peer_id() {
        let peer = PeerId::random();
        let bare: Multiaddr = "/ip4/10.0.0.1/udp/7/quic-v1".parse().expect("address");
        assert_eq!(split_address(&bare), Some((bare.clone(), None)));
        let named = bare.clone().with(Protocol::P2p(peer));
        assert_eq!(split_address(&named), Some((bare.clone(), Some(peer))));
        for other in ["/ip4/10.0.0.1/tcp/7", "/dns/x.org/udp/7/quic-v1", "/ip4/10.0.0.1/udp/7", "/memory/1"] {
            assert_eq!(split_address(&other.parse().expect("address")), None, "{other}");
        }
        assert_eq!(udp_port(&with_udp_port(&bare, 9)), Some(9));
    }

    #[test]
    fn names_are_opaque_and_differ_by_secret_and_purpose() {
        let (a, b) = (CoalitionSecret::new([1; 32]), CoalitionSecret::new([2; 32]));
        assert_ne!(a.opaque_name("topic"), b.opaque_name("topic"));
        assert_ne!(a.opaque_name("topic"), a.opaque_name("kad"));
        assert_ne!(keyed_hash(&[0; 32], "l", &[b"ab", b"c"]), keyed_hash(&[0; 32], "l", &[b"a", b"bc"]));
    }
}
