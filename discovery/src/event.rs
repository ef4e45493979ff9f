//! What the mesh tells the node: events, refusals and faults, as data that names who, what and where.
//!
//! Guarantees: for one peer the order is `PeerUp`, then its frames, then `PeerDown`, with nothing of two links mixed;
//! refusals of one kind from one source are merged, so that a flood of strangers cannot crowd out anything else.

use std::{
    collections::BTreeMap,
    fmt,
    net::IpAddr,
    time::{Duration, Instant},
};

use libp2p::{Multiaddr, PeerId, bytes::Bytes};

use crate::{book::BookEntry, config::ip_of};

/// Random per start of a node; it tells a restart, or two processes with one key, from one process.
pub type Instance = [u8; 16];

/// Refusals of one kind from one source within this time are told as one.
pub const REFUSAL_MERGE: Duration = Duration::from_secs(5);
/// At most this many (source, kind) pairs are told apart; the rest share one row.
pub const MAX_REFUSAL_SOURCES: usize = 256;

/// What happened in the mesh.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MeshEvent {
    /// This node listens here and announces it.
    Listening {
        /// The address, with the real port.
        address: Multiaddr,
        /// The address that was wanted, if its port was taken.
        instead_of: Option<Multiaddr>,
    },
    /// A peer is connected: its stream is confirmed both ways.
    PeerUp {
        /// Who.
        peer: PeerId,
        /// The credential it showed in the gate, which the check accepted.
        credential: Vec<u8>,
        /// Which start of that node this is.
        instance: Instance,
    },
    /// A peer that was up is gone.
    PeerDown {
        /// Who.
        peer: PeerId,
        /// Why.
        reason: String,
    },
    /// A peer sent a frame.
    Frame {
        /// Who.
        peer: PeerId,
        /// The frame, 1 to [`crate::MAX_FRAME_BYTES`] bytes.
        bytes: Bytes,
    },
    /// A connection was refused, here or by the other side.
    Refused(Refusal),
    /// A peer that may be here did what it may not.
    Fault {
        /// Who.
        peer: PeerId,
        /// What.
        fault: LinkFault,
    },
    /// The peer book is now this; the node keeps it for the next start.
    BookChanged(Vec<BookEntry>),
}

/// A connection that was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The other end.
    pub remote: Multiaddr,
    /// Who it proved to be, if it came that far.
    pub peer: Option<PeerId>,
    /// Whether it came from there (`true`) or went there.
    pub inbound: bool,
    /// Why.
    pub reason: RefusalReason,
    /// The credential that it showed, the first of these times that are known to be its; at most
    /// [`crate::MAX_CREDENTIAL_BYTES`].
    pub credential: Option<Vec<u8>>,
    /// How many refusals of this kind from this source this one stands for.
    pub count: u64,
}

/// Why a connection was refused.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum RefusalReason {
    /// It said nothing in time.
    Silent,
    /// It does not know the coalition secret: a stranger or another coalition.
    WrongSecret,
    /// It knows the secret but names another coalition.
    ForeignNetwork,
    /// It is not among the enrolled nodes.
    NotEnrolled,
    /// Its credential was refused.
    Credential(String),
    /// It shows a credential in the name of a member whose node it is not.
    Impostor {
        /// The member.
        claimed: String,
        /// Why it is refused.
        why: String,
    },
    /// Another process with this node's key was here first, and is connected.
    OtherProcess,
    /// Another node answered at this address.
    WrongPeer {
        /// Who was expected.
        expected: PeerId,
    },
    /// It broke the exchange's format.
    Malformed(String),
    /// The operator blocked the link.
    Blocked,
    /// Too many connections wait for admission, from that source or at all.
    TooManyPending(String),
    /// The other side refused this node.
    ByPeer(String),
}

impl fmt::Display for RefusalReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Silent => f.write_str("said nothing in time"),
            Self::WrongSecret => f.write_str("does not know the coalition secret"),
            Self::ForeignNetwork => f.write_str("knows the secret but belongs to another coalition"),
            Self::NotEnrolled => f.write_str("is not enrolled in this coalition"),
            Self::Credential(reason) => write!(f, "credential refused: {reason}"),
            Self::Impostor { claimed, why } => write!(f, "passes itself off as {claimed}: {why}"),
            Self::OtherProcess => f.write_str("another process with this node's key is connected"),
            Self::WrongPeer { expected } => write!(f, "another node answers where {expected} was expected"),
            Self::Malformed(what) => write!(f, "malformed handshake: {what}"),
            Self::Blocked => f.write_str("link blocked by the operator"),
            Self::TooManyPending(what) => write!(f, "too many pending connections: {what}"),
            Self::ByPeer(reason) => write!(f, "refused by the other side: {reason}"),
        }
    }
}

/// What a peer did wrong on its stream or in its beacons.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LinkFault {
    /// It announced a frame beyond [`crate::MAX_FRAME_BYTES`]; nothing was allocated, its stream was closed.
    FrameTooLarge {
        /// The length it announced.
        announced_bytes: u32,
    },
    /// It opened a stream that does not begin with a well-formed hello.
    BadHello(String),
    /// It published a beacon that is not well-formed.
    BadBeacon(String),
}

impl fmt::Display for LinkFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::FrameTooLarge { announced_bytes } => {
                write!(f, "frame of {announced_bytes} bytes, at most {} are taken", crate::MAX_FRAME_BYTES)
            }
            Self::BadHello(what) => write!(f, "bad hello: {what}"),
            Self::BadBeacon(what) => write!(f, "bad beacon: {what}"),
        }
    }
}

/// Merges refusals: the first of a kind is told at once, repetitions once per [`REFUSAL_MERGE`], with their number.
#[derive(Default)]
pub(crate) struct Refusals {
    rows: BTreeMap<(Option<IpAddr>, bool, RefusalReason), Row>,
}

struct Row {
    last_told: Instant,
    waiting: Option<Refusal>,
}

impl Refusals {
    /// Takes a refusal; returns it if it is to be told now.
    pub(crate) fn take(&mut self, refusal: Refusal, now: Instant) -> Option<Refusal> {
        self.rows.retain(|_, row| row.waiting.is_some() || now < row.last_told + REFUSAL_MERGE);
        let mut key = (ip_of(&refusal.remote), refusal.inbound, refusal.reason.clone());
        if !self.rows.contains_key(&key) && self.rows.len() >= MAX_REFUSAL_SOURCES {
            key = (None, refusal.inbound, RefusalReason::TooManyPending(String::new()));
        }
        match self.rows.get_mut(&key) {
            Some(row) => {
                let (waited, shown) = match row.waiting.take() {
                    // What another peer showed does not go with this one.
                    Some(waiting) => {
                        (waiting.count, waiting.credential.filter(|_| waiting.peer == refusal.peer))
                    }
                    None => (0, None),
                };
                let credential = shown.or(refusal.credential);
                row.waiting = Some(Refusal { count: waited + refusal.count, credential, ..refusal });
                None
            }
            None => {
                self.rows.insert(key, Row { last_told: now, waiting: None });
                Some(refusal)
            }
        }
    }

    /// The merged refusals whose time has come.
    pub(crate) fn due(&mut self, now: Instant) -> Vec<Refusal> {
        let mut due = Vec::new();
        for row in self.rows.values_mut().filter(|row| now >= row.last_told + REFUSAL_MERGE) {
            if let Some(refusal) = row.waiting.take() {
                row.last_told = now;
                due.push(refusal);
            }
        }
        due
    }

    /// When `due` has something next.
    pub(crate) fn next(&self) -> Option<Instant> {
        self.rows.values().filter(|row| row.waiting.is_some()).map(|row| row.last_told + REFUSAL_MERGE).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(ip: u8) -> Refusal {
        Refusal {
            remote: format!("/ip4/10.0.{}.{ip}/udp/1/quic-v1", ip % 7).parse().expect("address"),
            peer: None,
            inbound: true,
            reason: RefusalReason::Silent,
            credential: None,
            count: 1,
        }
    }

    #[test]
    fn repetitions_are_told_once_per_interval_with_their_number() {
        let (mut refusals, start) = (Refusals::default(), Instant::now());
        assert_eq!(refusals.take(refusal(1), start), Some(refusal(1)));
        for _ in 0..9 {
            assert_eq!(refusals.take(refusal(1), start), None);
        }
        assert!(refusals.due(start).is_empty());
        let later = refusals.next().expect("something waits");
        assert_eq!(refusals.due(later).iter().map(|refusal| refusal.count).collect::<Vec<_>>(), [9]);
        assert_eq!(refusals.next(), None);
    }

    #[test]
    fn the_first_credential_of_those_that_are_merged_is_told() {
        let (mut refusals, start) = (Refusals::default(), Instant::now());
        let showing =
            |credential: Option<u8>| Refusal { credential: credential.map(|byte| vec![byte]), ..refusal(1) };
        let told = refusals.take(showing(Some(1)), start).expect("at once");
        assert_eq!(told.credential, Some(vec![1]));
        for credential in [None, Some(2), Some(3)] {
            assert_eq!(refusals.take(showing(credential), start), None);
        }
        let due = refusals.due(start + REFUSAL_MERGE);
        assert_eq!((due[0].count, due[0].credential.clone()), (3, Some(vec![2])));
        // Whoever is told of last shows its own.
        refusals.take(showing(Some(4)), start + REFUSAL_MERGE);
        let peer = Some(PeerId::random());
        refusals.take(Refusal { peer, ..showing(Some(5)) }, start + REFUSAL_MERGE);
        let due = refusals.due(start + 2 * REFUSAL_MERGE);
        assert_eq!((due[0].peer, due[0].credential.clone()), (peer, Some(vec![5])));
    }

    #[test]
    fn a_flood_from_many_sources_takes_bounded_room() {
        let (mut refusals, start) = (Refusals::default(), Instant::now());
        for high in 0..=255u8 {
            for low in 0..8u8 {
                let remote = format!("/ip4/10.1.{high}.{low}/udp/1/quic-v1").parse().expect("address");
                refusals.take(Refusal { remote, ..refusal(1) }, start);
            }
        }
        assert_eq!(refusals.rows.len(), MAX_REFUSAL_SOURCES + 1);
    }
}
