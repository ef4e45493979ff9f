//! Four nodes with stores and sockets of their own, linked over QUIC on this host.

use std::time::Duration;

use entente_node::api::dto::{PeerView, RecordState, Short, StatusView, SubmitView, Word};
use entente_node::runtime::Node;
use entente_protocol::identity::RecordId;
use entente_protocol::record::{Role, Stance};

use super::runtime_support::{PATIENCE, address, attest, found, get, open, post, socket, start};

/// Waits until a quorum is reached (`true`) or is not.
async fn until_reached(node: &Node, wanted: bool) {
    let mut reach = node.handle().follow().reach();
    let wait = reach.wait_for(|reached| *reached == Some(wanted));
    tokio::time::timeout(PATIENCE, wait).await.expect("in time").expect("runs");
}

/// Waits until a record stands in the certified log of this node.
async fn until_ordered(node: &Node, id: RecordId) -> u64 {
    let told = node.handle().follow().until_ordered(id).expect("room");
    if let Some(index) = node.handle().store().index_of(&id).expect("reads") {
        return index;
    }
    tokio::time::timeout(PATIENCE, told).await.expect("in time").expect("runs").index
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn four_nodes_agree_lose_two_hold_and_go_on_when_one_is_back() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (founded, dir) = (found(4), folder.path());
    let mut nodes = vec![start(&founded, dir, 0, Vec::new()).await.expect("starts")];
    let first = address(&nodes[0]).await;
    for partner in 1..4 {
        nodes.push(start(&founded, dir, partner, vec![first.clone()]).await.expect("starts"));
    }
    for node in &nodes {
        until_reached(node, true).await;
    }

    let (opening, id) = open(&founded, 0, "North corridor");
    let opened: SubmitView =
        post(&socket(dir, 0), "/v1/records?wait=ordered&timeout_ms=90000", opening).await;
    assert_eq!((opened.state, opened.code), (RecordState::Ordered, None), "{opened:?}");
    for node in &nodes {
        assert_eq!(Some(until_ordered(node, id).await), opened.index, "one order everywhere");
    }
    let (lead, _) = attest(&founded, 0, id, Role::Lead, Stance::Endorse);
    let _: SubmitView = post(&socket(dir, 0), "/v1/records?wait=ordered&timeout_ms=90000", lead).await;
    let (second, _) = attest(&founded, 1, id, Role::Supporting, Stance::Endorse);
    let _: SubmitView = post(&socket(dir, 1), "/v1/records?wait=ordered&timeout_ms=90000", second).await;
    let (third, _) = attest(&founded, 2, id, Role::Supporting, Stance::Endorse);
    let agreed: SubmitView = post(&socket(dir, 2), "/v1/records?wait=agreed&timeout_ms=90000", third).await;
    assert_eq!((agreed.state, agreed.code), (RecordState::Agreed, None), "{agreed:?}");

    // Two are gone: the words of the others are held, and named as held.
    nodes.pop().expect("four").stop().await;
    nodes.pop().expect("three").stop().await;
    until_reached(&nodes[0], false).await;
    let held: SubmitView = post(&socket(dir, 0), "/v1/notes?wait=ordered", b"held meanwhile".to_vec()).await;
    assert_eq!((held.state, held.code), (RecordState::Held, Some(Short::Stalled)), "{held:?}");
    assert_eq!(held.missing, ["corvus", "delphin"]);
    let status: StatusView = get(&socket(dir, 0), "/v1/status").await;
    assert_eq!((status.word, status.margin), (Word::Stalled, -1), "{status:?}");
    assert!(status.held >= 1);
    for seat in &status.seats {
        let gone = ["corvus", "delphin"].contains(&seat.partner.as_str());
        assert_eq!((seat.reachable, seat.missing_since.is_some()), (!gone, gone), "{seat:?}");
    }
    let peers: Vec<PeerView> = get(&socket(dir, 0), "/v1/peers").await;
    let missing = peers.iter().filter(|peer| !peer.connected).map(|peer| peer.partner.as_str());
    assert_eq!(missing.collect::<Vec<_>>(), ["corvus", "delphin"]);

    // One is back, from its peer book alone, and all that was held is ordered.
    nodes.push(start(&founded, dir, 2, Vec::new()).await.expect("starts again"));
    for node in &nodes {
        let index = until_ordered(node, held.id).await;
        assert_eq!(node.handle().store().leaf(index).expect("reads").map(|leaf| leaf.epoch > 0), Some(true));
    }
    for node in nodes {
        let stop = tokio::time::timeout(PATIENCE + Duration::from_secs(10), node.stop());
        assert_eq!(stop.await.expect("stops in time").exit_code(), 0);
    }
}
