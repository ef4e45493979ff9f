//! What is within the limits of its kind fits into one message.

use entente_hbbft::{Digest, Seat};
use entente_protocol::charter::{MAX_NODES, MAX_PARTNERS};
use entente_protocol::feed::{FeedKey, Head, Lane, MAX_RUN_BYTES, MAX_RUN_ENTRIES, Run};
use entente_protocol::frontier::{MAX_CONTRIBUTION_BYTES, MAX_FEEDS};
use entente_protocol::identity::Hash;
use entente_protocol::leaf::{CoinMode, EpochRecord, Leaf, MAX_LEAF_BYTES};
use entente_protocol::ledger::cosignature::{Certificate, Cosignature, TreeHead};
use entente_protocol::record::MAX_BODY_BYTES;
use entente_protocol::replicate::{EpochHave, EpochProof, Have, MAX_MESSAGE_BYTES, PeerMessage};
use entente_protocol::time::Time;
use entente_protocol::vote::{HeadReport, HeadRequest, MAX_REPORTED_HEADS, VoteFeed, VoteHead};
use entente_protocol::wire;

use crate::coalition::found;
use crate::forge::no_signature;

fn fits(message: &PeerMessage) {
    let bytes = wire::encode(message);
    assert!(bytes.len() <= MAX_MESSAGE_BYTES, "{} bytes", bytes.len());
    let read: PeerMessage = wire::decode(&bytes, MAX_MESSAGE_BYTES).expect("within all limits");
    assert_eq!(read, *message);
}

#[test]
fn the_largest_of_every_kind_fits_into_a_message() {
    assert_eq!(MAX_FEEDS, MAX_PARTNERS * MAX_NODES * Lane::ALL.len(), "every charter can be run");
    let (founded, keys) = found(1);
    let coalition = founded.coalition();
    let feed = FeedKey { node: keys[0].node.public(), lane: Lane::Routine, incarnation: u32::MAX };
    let head = Head { length: u64::MAX / 2, hash: Hash::default() };
    let seats = MAX_PARTNERS as u16;

    for (count, bytes) in [(MAX_RUN_ENTRIES, MAX_RUN_BYTES / MAX_RUN_ENTRIES), (8, MAX_BODY_BYTES)] {
        let run = Run::sign(&coalition, feed, head, vec![vec![0; bytes]; count], &keys[0].node);
        assert!(run.check(&coalition).is_ok(), "{count} bodies of {bytes} bytes");
        fits(&PeerMessage::Run(run));
    }
    fits(&PeerMessage::Payload { epoch: u64::MAX, bytes: vec![0; MAX_CONTRIBUTION_BYTES] });

    let open = EpochHave { epoch: u64::MAX, frames: vec![u32::MAX; seats.into()], cosigned: vec![255; 8] };
    let feeds = vec![(feed, head); MAX_FEEDS];
    let (applied, certified) = (u64::MAX, u64::MAX);
    fits(&PeerMessage::Have(Have {
        whole: true,
        feeds,
        applied,
        certified,
        epochs: vec![open; 5],
        linked: vec![255; 8],
        seat: Some(Seat(0)),
    }));

    let record = EpochRecord {
        coalition,
        era: 1,
        epoch: u64::MAX,
        seats,
        charter_version: u32::MAX,
        agreed: (0..seats).map(|seat| (Seat(seat), Digest([0; 32]))).collect(),
        committed: vec![(feed, head, false); MAX_FEEDS],
        state_root: Hash::default(),
        time: Time(u64::MAX),
        coin: CoinMode::Public,
        key_version: u32::MAX,
        dealings: Some(Hash::default()),
        activation: Some(u64::MAX),
    };
    let leaf = Leaf::Epoch(Box::new(record)).encode();
    assert!(leaf.len() <= MAX_LEAF_BYTES);
    let cosignatures = (0..seats).map(|seat| Cosignature { seat, signature: no_signature() }).collect();
    let certificate = Certificate { head: TreeHead::new(128, Hash::default(), Time(u64::MAX)), cosignatures };
    let path = vec![Hash::default(); 64];
    let proof = EpochProof { certificate, index: u64::MAX, leaf, path };
    fits(&PeerMessage::Epoch(proof.clone()));
    let certified = Some(Box::new(proof));
    let request = HeadRequest::sign(&coalition, Seat(0), [0; 32], Time(u64::MAX), &keys[0].seat);
    let chain = VoteFeed { seat: Seat(0), incarnation: 0, era: 1, epoch: u64::MAX };
    let said = VoteHead { feed: chain, frames: u32::MAX, hash: Hash::default(), signature: no_signature() };
    let heads = vec![said; MAX_REPORTED_HEADS];
    fits(&PeerMessage::HeadReport(HeadReport::sign(
        &coalition,
        &request,
        Seat(0),
        certified,
        heads,
        &keys[0].seat,
    )));
}
