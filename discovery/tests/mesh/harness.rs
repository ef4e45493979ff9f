//! A coalition of test nodes on loopback, with an allow-list that tests can change.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex},
    time::Duration,
};

use entente_discovery::{
    BookEntry, CoalitionSecret, CredentialCheck, Instance, LinkProfile, Mesh, MeshConfig, MeshError,
    MeshEvent, MeshHandle, Multiaddr, PeerId,
};
use libp2p::{identity::Keypair, multiaddr::Protocol};
use tokio::sync::mpsc;

/// Far longer than anything here takes on a slow machine.
pub(crate) const SAFETY_NET: Duration = Duration::from_secs(50);

pub(crate) const SECRET: [u8; 32] = [7; 32];
pub(crate) const NETWORK: [u8; 32] = [9; 32];

/// The enrolled nodes, and the credentials that are accepted (those that begin with "ok").
#[derive(Clone, Default)]
pub(crate) struct Enrolled(Arc<Mutex<BTreeSet<PeerId>>>);

impl Enrolled {
    pub(crate) fn of(seeds: impl IntoIterator<Item = u8>) -> Self {
        let enrolled = Self::default();
        for seed in seeds {
            enrolled.0.lock().expect("no test panics with it").insert(peer_id(seed));
        }
        enrolled
    }
}

impl Enrolled {
    /// Strikes a node off the list.
    pub(crate) fn expel(&self, peer: &PeerId) {
        self.0.lock().expect("no test panics with it").remove(peer);
    }
}

impl CredentialCheck for Enrolled {
    fn check(&self, _: &PeerId, credential: &[u8]) -> Result<(), String> {
        if credential.starts_with(b"ok") { Ok(()) } else { Err("expired yesterday".into()) }
    }

    fn is_member(&self, peer: &PeerId) -> bool {
        self.0.lock().expect("no test panics with it").contains(peer)
    }
}

pub(crate) fn keypair(seed: u8) -> Keypair {
    Keypair::ed25519_from_bytes([seed; 32]).expect("32 bytes")
}

pub(crate) fn peer_id(seed: u8) -> PeerId {
    keypair(seed).public().into()
}

/// Two seeds, the one with the lower peer id first.
pub(crate) fn ordered(a: u8, b: u8) -> (u8, u8) {
    if peer_id(a) < peer_id(b) { (a, b) } else { (b, a) }
}

pub(crate) fn profile() -> LinkProfile {
    LinkProfile { beacon_debounce: Duration::from_millis(50), ..LinkProfile::lan() }
}

pub(crate) fn config(seed: u8) -> MeshConfig {
    let mut config = MeshConfig::new(
        [seed; 32].into(),
        CoalitionSecret::new(SECRET),
        NETWORK,
        format!("ok {seed}").into_bytes(),
    );
    config.listen = vec!["/ip4/127.0.0.1/udp/0/quic-v1".parse().expect("address")];
    config.profile = profile();
    config
}

/// A running node and what it said so far.
pub(crate) struct Node {
    pub(crate) peer: PeerId,
    pub(crate) mesh: MeshHandle,
    pub(crate) events: mpsc::Receiver<MeshEvent>,
    pub(crate) up: BTreeMap<PeerId, Instance>,
    /// How often any peer came up.
    pub(crate) ups: usize,
    pub(crate) book: Vec<BookEntry>,
    pub(crate) seen: Vec<MeshEvent>,
}

impl Node {
    pub(crate) async fn start(config: MeshConfig, enrolled: &Enrolled) -> Self {
        Self::try_start(config, enrolled).expect("the configuration fits")
    }

    pub(crate) fn try_start(config: MeshConfig, enrolled: &Enrolled) -> Result<Self, MeshError> {
        let (mesh, events) = Mesh::start(config, Arc::new(enrolled.clone()))?;
        let (up, book, seen) = Default::default();
        Ok(Self { peer: mesh.local_peer(), mesh, events, up, ups: 0, book, seen })
    }

    fn note(&mut self, event: &MeshEvent) {
        match event {
            MeshEvent::PeerUp { peer, instance, .. } => {
                assert!(self.up.insert(*peer, *instance).is_none(), "up twice without down");
                self.ups += 1;
            }
            MeshEvent::PeerDown { peer, .. } => {
                assert!(self.up.remove(peer).is_some(), "down without up");
            }
            MeshEvent::Frame { peer, .. } => {
                assert!(self.up.contains_key(peer), "frame of a peer that is not up")
            }
            MeshEvent::BookChanged(book) => self.book = book.clone(),
            _ => {}
        }
        self.seen.push(event.clone());
    }

    /// Takes events until one fits.
    pub(crate) async fn wait<T>(&mut self, what: &str, mut fits: impl FnMut(&MeshEvent) -> Option<T>) -> T {
        let wait = async {
            loop {
                let event = self.events.recv().await.expect("the mesh runs");
                self.note(&event);
                if let Some(found) = fits(&event) {
                    return found;
                }
            }
        };
        match tokio::time::timeout(SAFETY_NET, wait).await {
            Ok(found) => found,
            Err(_) => {
                let seen = &self.seen;
                panic!(
                    "{} waited in vain for: {what}; peers {:?}; seen {seen:#?}",
                    self.peer,
                    self.mesh.peers().await
                )
            }
        }
    }

    /// Takes events until the state fits.
    pub(crate) async fn until(&mut self, what: &str, fits: impl Fn(&Self) -> bool) {
        let wait = async {
            while !fits(self) {
                let event = self.events.recv().await.expect("the mesh runs");
                self.note(&event);
            }
        };
        if tokio::time::timeout(SAFETY_NET, wait).await.is_err() {
            panic!(
                "{} waited in vain for: {what}; peers {:?}; seen {:#?}",
                self.peer,
                self.mesh.peers().await,
                self.seen
            );
        }
    }

    pub(crate) async fn until_up(&mut self, peer: PeerId) {
        self.until(&format!("{peer} up"), |node| node.up.contains_key(&peer)).await;
    }

    pub(crate) async fn until_down(&mut self, peer: PeerId) {
        self.until(&format!("{peer} down"), |node| !node.up.contains_key(&peer)).await;
    }

    /// Takes the events that are there, without waiting.
    pub(crate) fn drain(&mut self) {
        while let Ok(event) = self.events.try_recv() {
            self.note(&event);
        }
    }

    /// The address it listens on.
    pub(crate) async fn address(&mut self) -> Multiaddr {
        let known = self.mesh.listeners().await.expect("the mesh runs");
        match known.first() {
            Some(address) => address.clone(),
            None => {
                self.wait("listening", |event| match event {
                    MeshEvent::Listening { address, .. } => Some(address.clone()),
                    _ => None,
                })
                .await
            }
        }
    }

    /// Drains and stops.
    pub(crate) async fn stop(mut self) {
        let mesh = self.mesh.clone();
        let stopping = mesh.shutdown();
        let draining = async { while self.events.recv().await.is_some() {} };
        tokio::time::timeout(SAFETY_NET, async { tokio::join!(stopping, draining) }).await.expect("stops");
    }
}

/// Waits until each of two nodes has the other.
pub(crate) async fn until_paired(a: &mut Node, b: &mut Node) {
    let (peer_a, peer_b) = (a.peer, b.peer);
    tokio::join!(a.until_up(peer_b), b.until_up(peer_a));
}

pub(crate) fn named(address: &Multiaddr, peer: PeerId) -> Multiaddr {
    address.clone().with(Protocol::P2p(peer))
}
