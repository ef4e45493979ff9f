//! Four nodes with stores and sockets of their own, linked over QUIC on this host.

use std::time::Duration;

use entente_node::api::dto::{
    LogPage, OperationView, PeerView, RecordState, Short, StatusView, SubmitView, Word,
};
use entente_node::runtime::{Node, NodeConfig};
use entente_protocol::coalition::{Waiting, Waits};
use entente_protocol::engine::Snapshots;
use entente_protocol::identity::RecordId;
use entente_protocol::record::{Role, Stance};

use hyper::Method;

use super::runtime_support::{
    PATIENCE, address, attest, config, found, get, get_text, open, post, refused, socket, start,
};

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

    let (opening, other) = open(&founded, 0, "South corridor");
    let _: SubmitView = post(&socket(dir, 0), "/v1/records?wait=ordered&timeout_ms=90000", opening).await;

    // Two are gone: the words of the others are held, and named as held.
    nodes.pop().expect("four").stop().await;
    nodes.pop().expect("three").stop().await;
    until_reached(&nodes[0], false).await;
    let held: SubmitView = post(&socket(dir, 0), "/v1/notes?wait=ordered", b"held meanwhile".to_vec()).await;
    assert_eq!((held.state, held.code), (RecordState::Held, Some(Short::Stalled)), "{held:?}");
    assert_eq!(held.missing, ["corvus", "delphin"]);
    // Of two words of one partner the second will have no effect; it is shown before it is ordered, and after that.
    let (yes, _) = attest(&founded, 0, other, Role::Lead, Stance::Endorse);
    let (no, late) = attest(&founded, 0, other, Role::Lead, Stance::Object);
    for word in [yes, no] {
        let _: SubmitView = post(&socket(dir, 0), "/v1/records?wait=held", word).await;
    }
    // What is opened now is held, and asks for a word all the same.
    let (opening, new) = open(&founded, 0, "East corridor");
    let _: SubmitView = post(&socket(dir, 0), "/v1/records?wait=held", opening).await;
    let inbox: Vec<Waiting> = get(&socket(dir, 0), "/v1/inbox").await;
    let asked = inbox.iter().find(|it| it.about == Some(new)).expect("asked");
    assert_eq!(asked.what, Waits::Attest);
    assert!(asked.why.starts_with("held, not ordered yet; needs lead: aquila"), "{}", asked.why);
    let shown = format!("/v1/ops/{late}");
    let (_, error) = refused(&socket(dir, 0), Method::GET, &shown, Vec::new()).await;
    assert_eq!(error.code, "held");
    assert!(error.error.contains("it would be refused: aquila has attested"), "{}", error.error);
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
    let index = until_ordered(&nodes[0], late).await;
    let (_, error) = refused(&socket(dir, 0), Method::GET, &shown, Vec::new()).await;
    assert_eq!(error.code, "refused");
    assert!(
        error.error.contains(&format!("was refused at leaf {index}: aquila has attested")),
        "{}",
        error.error
    );
    for (partner, told) in [(0, true), (1, false)] {
        let inbox: Vec<Waiting> = get(&socket(dir, partner), "/v1/inbox").await;
        let refused = inbox.iter().filter(|it| it.what == Waits::Refused).map(|it| it.about);
        assert_eq!(refused.collect::<Vec<_>>(), if told { vec![Some(late)] } else { vec![] });
    }
    for node in nodes {
        let stop = tokio::time::timeout(PATIENCE + Duration::from_secs(10), node.stop());
        assert_eq!(stop.await.expect("stops in time").exit_code(), 0);
    }
}

/// Copies of the state after every four epochs, and another's is taken by who is more than four behind.
const SOON: Snapshots = Snapshots { epochs: 4, leaves: 1_000, behind: Some(4) };

async fn start_soon(
    founded: &std::sync::Arc<entente_protocol::founding::Founded>,
    dir: &std::path::Path,
    partner: usize,
    peers: Vec<libp2p::Multiaddr>,
) -> Node {
    let config = config([9; 32], founded, dir, partner, peers);
    Node::start(NodeConfig { snapshots: SOON, ..config }).await.expect("starts")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_was_away_for_long_takes_the_state_and_knows_what_was_decided() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (founded, dir) = (found(4), folder.path());
    let mut nodes = vec![start_soon(&founded, dir, 0, Vec::new()).await];
    let first = address(&nodes[0]).await;
    for partner in 1..4 {
        nodes.push(start_soon(&founded, dir, partner, vec![first.clone()]).await);
    }
    for node in &nodes {
        until_reached(node, true).await;
    }
    nodes.pop().expect("four").stop().await;

    // While it is away an operation is opened and agreed, and more is said.
    let (opening, id) = open(&founded, 0, "North corridor");
    let _: SubmitView = post(&socket(dir, 0), "/v1/records?wait=ordered&timeout_ms=90000", opening).await;
    for (partner, role) in [(0, Role::Lead), (1, Role::Supporting), (2, Role::Supporting)] {
        let (word, _) = attest(&founded, partner, id, role, Stance::Endorse);
        let path = "/v1/records?wait=ordered&timeout_ms=90000";
        let _: SubmitView = post(&socket(dir, partner), path, word).await;
    }
    for word in 0..8 {
        let path = "/v1/notes?wait=ordered&timeout_ms=90000";
        let _: SubmitView = post(&socket(dir, 0), path, format!("word {word}").into_bytes()).await;
    }
    let there: OperationView = get(&socket(dir, 0), &format!("/v1/ops/{id}")).await;
    assert_eq!(there.state, RecordState::Agreed);

    nodes.push(start_soon(&founded, dir, 3, vec![first]).await);
    let late = socket(dir, 3);
    let last: SubmitView =
        post(&socket(dir, 0), "/v1/notes?wait=ordered&timeout_ms=90000", b"it is back".to_vec()).await;
    until_ordered(&nodes[3], last.id).await;
    for again in [false, true] {
        if again {
            nodes.pop().expect("four").stop().await;
            nodes.push(start_soon(&founded, dir, 3, Vec::new()).await);
            until_reached(&nodes[3], true).await;
        }
        let status: StatusView = get(&late, "/v1/status").await;
        assert!((4..status.log.size).contains(&status.log.from), "{:?}", status.log);
        let known: OperationView = get(&late, &format!("/v1/ops/{id}")).await;
        assert_eq!((known.state, &known.outcome), (RecordState::Agreed, &there.outcome));
        assert_eq!(known.attestations, there.attestations);
        assert_eq!(known.decision.as_ref().map(|decision| decision.index), Some(None));
        let (code, error) = refused(&late, Method::GET, &format!("/v1/receipts/{id}"), Vec::new()).await;
        assert_eq!((code, error.code.as_str()), (409, "not_here"), "{}", error.error);
        // What is there of the log begins with the record of the state's epoch, and can be proved.
        let page: LogPage = get(&late, "/v1/log").await;
        assert_eq!(page.leaves.first().map(|leaf| leaf.index + 1), Some(status.log.from));
        assert!(page.leaves.iter().all(|leaf| leaf.certified));
        let path = format!("/v1/receipts/{}?record=1", last.id);
        assert!(get_text(&late, &path).await.starts_with("c2sp.org/tlog-proof@v1"));
        // To say again what was said is harmless.
        let (word, said) = attest(&founded, 0, id, Role::Lead, Stance::Endorse);
        let repeated: SubmitView = post(&late, "/v1/records?wait=ordered&timeout_ms=90000", word).await;
        assert_eq!((repeated.id, repeated.state), (said, RecordState::Ordered), "{repeated:?}");
    }
    for node in nodes {
        node.stop().await;
    }
}
