//! A coalition of small keys and its certified log, for the tests of this module.

use std::collections::BTreeMap;

use super::cosignature::{Certificate, Cosigners, TreeHead};
use super::merkle::{Frontier, NodeId, prove_inclusion};
use super::receipt::Receipt;
use crate::identity::{CoalitionId, Hash, PublicKey, SecretKey, Signature, hash};
use crate::time::Time;
use crate::wire;

pub(super) const PARTNERS: [&str; 4] = ["host", "lift-one", "lift-two", "air"];
pub(super) const QUORUM: usize = 3;
pub(super) const TIME: Time = Time(1_795_525_509_999);

pub(super) fn seat_key(seat: usize) -> SecretKey {
    SecretKey::from_seed(&[(seat % 100) as u8 + 1; 32])
}

fn root_key(seat: usize) -> SecretKey {
    SecretKey::from_seed(&[seat as u8 + 101; 32])
}

/// Charter bytes and each root's signature over them: as much of a founding as a receipt's test needs.
pub(super) fn founding() -> Vec<u8> {
    let charter = wire::encode(&(0..4).map(|seat| root_key(seat).public()).collect::<Vec<_>>());
    let signatures: Vec<_> = (0..4).map(|seat| root_key(seat).sign("test/charter", &charter)).collect();
    wire::encode(&(charter, signatures))
}

fn charter_id(charter: &[u8]) -> CoalitionId {
    CoalitionId(hash("test/charter", &[charter]))
}

pub(super) fn coalition() -> CoalitionId {
    let (charter, _): (Vec<u8>, Vec<Signature>) =
        wire::decode(&founding(), 4096).expect("made by founding()");
    charter_id(&charter)
}

/// The seats, if `bytes` are the founding of the pinned coalition, signed by all roots.
pub(super) fn check_founding(bytes: &[u8], pinned: &CoalitionId) -> Option<Cosigners> {
    let (charter, signatures): (Vec<u8>, Vec<Signature>) = wire::decode(bytes, 4096).ok()?;
    if charter_id(&charter) != *pinned {
        return None;
    }
    let roots: Vec<PublicKey> = wire::decode(&charter, 4096).ok()?;
    let signed = roots.len() == signatures.len()
        && roots
            .iter()
            .zip(&signatures)
            .all(|(root, signature)| root.verify("test/charter", &charter, signature));
    signed.then(cosigners)
}

pub(super) fn cosigners() -> Cosigners {
    let seats = PARTNERS.iter().enumerate().map(|(i, name)| (name, seat_key(i).public()));
    Cosigners::new(coalition(), seats, QUORUM).expect("four good seats")
}

pub(super) fn head(size: u64, root: Hash) -> TreeHead {
    TreeHead::new(size, root, TIME)
}

/// A certificate of `head` by these seats, whether they are a quorum or not.
pub(super) fn certificate(head: TreeHead, seats: &[u16]) -> Certificate {
    let cosignatures = seats
        .iter()
        .map(|&seat| super::cosignature::Cosignature {
            seat,
            signature: head.cosign(&coalition(), &seat_key(usize::from(seat))),
        })
        .collect();
    Certificate { head, cosignatures }
}

pub(super) struct Log {
    pub(super) frontier: Frontier,
    pub(super) nodes: BTreeMap<NodeId, Hash>,
}

pub(super) fn leaf(index: u64) -> Vec<u8> {
    format!("decision {index}").into_bytes()
}

pub(super) fn log(size: u64) -> Log {
    let (mut frontier, mut nodes) = (Frontier::new(), BTreeMap::new());
    for index in 0..size {
        nodes.extend(frontier.append(&leaf(index)));
    }
    Log { frontier, nodes }
}

/// A receipt for leaf `index` of `size`, certified by seats 0, 2 and 3.
pub(super) fn receipt(size: u64, index: u64) -> Receipt {
    let log = log(size);
    let path = prove_inclusion(&log.nodes, size, index).expect("within the tree");
    let certificate = certificate(head(size, log.frontier.root()), &[0, 2, 3]);
    Receipt::new(leaf(index), founding(), index, path, &certificate, &cosigners())
        .expect("the certificate and the proof hold")
}
