//! A coalition of one: its node orders what it is told, and still has it after it was started again.

use std::os::unix::fs::PermissionsExt as _;
use std::sync::Arc;

use entente_discovery::PortPolicy;
use entente_node::api::dto::{LogPage, OperationView, RecordState, StatusView, SubmitView, Word};
use entente_node::runtime::{LOCAL_QUEUE, Node, StartError, Stopped};
use entente_protocol::engine::Halt;
use entente_protocol::founding::CharterChain;
use entente_protocol::leaf::Leaf;
use entente_protocol::ledger::cosignature::Cosigners;
use entente_protocol::ledger::receipt::{MAX_EXTRA_BYTES, Receipt};
use entente_protocol::record::{Role, Stance};
use entente_protocol::wire;

use super::runtime_support::{
    PATIENCE, attest, config, found, get, get_text, is_time, open, post, socket, start,
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_of_one_orders_and_has_it_after_a_restart() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (founded, socket) = (found(1), socket(folder.path(), 0));
    let node = start(&founded, folder.path(), 0, Vec::new()).await.expect("starts");

    let noted: SubmitView = post(&socket, "/v1/notes?wait=ordered", b"first word".to_vec()).await;
    assert_eq!((noted.state, noted.code, noted.index), (RecordState::Ordered, None, Some(0)));
    let (opening, id) = open(&founded, 0, "North corridor");
    let opened: SubmitView = post(&socket, "/v1/records?wait=ordered", opening.clone()).await;
    assert_eq!((opened.id, opened.outcome.as_deref()), (id, Some("applied")));
    let (endorsement, _) = attest(&founded, 0, id, Role::Lead, Stance::Endorse);
    let agreed: SubmitView = post(&socket, "/v1/records?wait=agreed", endorsement).await;
    assert_eq!(agreed.state, RecordState::Agreed);
    let decision = agreed.decision.expect("is decided");
    assert_eq!((decision.operation, decision.outcome.as_str()), (id, "agreed"));
    // The same record again is the same record.
    let again: SubmitView = post(&socket, "/v1/records?wait=ordered", opening).await;
    assert_eq!((again.id, again.index), (opened.id, opened.index));

    let before: LogPage = get(&socket, "/v1/log?limit=100").await;
    assert_eq!(before.size, before.certified);
    let shown: OperationView = get(&socket, &format!("/v1/ops/{id}")).await;
    assert_eq!((shown.state, shown.outcome.as_str()), (RecordState::Agreed, "agreed"));
    let receipt = get_text(&socket, &format!("/v1/receipts/{id}")).await;
    let stopped = tokio::time::timeout(PATIENCE, node.stop()).await.expect("stops in time");
    assert!(matches!(*stopped, Stopped::Asked), "{stopped}");
    assert!(!socket.exists(), "the socket is removed");

    let node = start(&founded, folder.path(), 0, Vec::new()).await.expect("starts again");
    let status: StatusView = get(&socket, "/v1/status").await;
    assert_eq!((status.word, status.log.size, status.held), (Word::Agreed, before.size, 0));
    assert!(is_time(status.batch_time));
    let after: LogPage = get(&socket, "/v1/log?limit=100").await;
    assert_eq!(after, before);
    assert_eq!(get::<OperationView>(&socket, &format!("/v1/ops/{id}")).await, shown);
    assert_eq!(get_text(&socket, &format!("/v1/receipts/{id}")).await, receipt);
    let more: SubmitView = post(&socket, "/v1/notes?wait=ordered", b"second life".to_vec()).await;
    assert_eq!((more.state, more.index), (RecordState::Ordered, Some(before.size)));
    node.stop().await;

    // The receipt holds without any node, from the pinned coalition alone.
    let receipt = Receipt::parse(receipt.as_bytes()).expect("a receipt");
    let chain: CharterChain = wire::decode(receipt.founding(), MAX_EXTRA_BYTES).expect("a founding");
    let pinned = chain.founding.verify().expect("all roots signed");
    assert_eq!(pinned.coalition(), founded.coalition());
    let seats = pinned.partners().iter().map(|partner| (partner.name.to_string(), partner.seat));
    let cosigners = Cosigners::new(pinned.coalition(), seats, 1).expect("seats");
    receipt.verify(&cosigners).expect("verifies");
    match Leaf::decode(receipt.leaf()).expect("a leaf") {
        Leaf::Decision(decision) => assert_eq!(decision.operation, id),
        other => panic!("{other:?} is no decision"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_is_dropped_without_waiting_loses_nothing_acknowledged() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (founded, socket) = (found(1), socket(folder.path(), 0));
    let mut indexes = Vec::new();
    for life in 0..3 {
        let node = start(&founded, folder.path(), 0, Vec::new()).await.expect("starts");
        let held: SubmitView =
            post(&socket, "/v1/notes?wait=held", format!("life {life}").into_bytes()).await;
        let ordered: SubmitView =
            post(&socket, "/v1/notes?wait=ordered", format!("more of {life}").into_bytes()).await;
        indexes.push((held.id, ordered.id, ordered.index.expect("is ordered")));
        for (held, ordered, index) in &indexes {
            let store = node.handle().store();
            assert_eq!(store.index_of(ordered).expect("reads"), Some(*index));
            assert!(!store.places(held).expect("reads").is_empty());
        }
        // Nobody waits for requests or peers: only the commit under way is finished.
        let mut ended = node.handle().watch_stopped();
        drop(node);
        let wait = ended.wait_for(Option::is_some);
        tokio::time::timeout(PATIENCE, wait).await.expect("ends in time").expect("says why");
        // The store is free when the last of its readers is gone.
        drop(ended);
        wait_until_free(&folder.path().join("0.redb")).await;
    }
}

/// Waits until nobody has the store open.
async fn wait_until_free(path: &std::path::Path) {
    let free = async {
        while let Err(redb::DatabaseError::DatabaseAlreadyOpen) = redb::Database::open(path) {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, free).await.expect("is free in time");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_socket_is_the_owners_alone_and_a_second_node_is_refused() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let founded = found(1);
    let socket = socket(folder.path(), 0);
    // A stale socket, left by a crash, is in nobody's way.
    drop(std::os::unix::net::UnixListener::bind(&socket).expect("binds"));
    let node = start(&founded, folder.path(), 0, Vec::new()).await.expect("starts");
    let mode = std::fs::metadata(&socket).expect("is there").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let error = start(&founded, folder.path(), 0, Vec::new()).await.err().expect("is refused");
    assert!(matches!(error, StartError::Store(_)), "{error}");
    assert_eq!(error.exit_code(), 3);
    let status: StatusView = get(&socket, "/v1/status").await;
    assert_eq!((status.partner.as_str(), status.quorum, status.margin), ("aquila", 1, 0));
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_of_no_partner_and_a_damaged_store_do_not_start() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let founded = found(1);
    let stranger = start(&founded, folder.path(), 3, Vec::new()).await.err().expect("is refused");
    assert!(matches!(stranger, StartError::NotEnrolled(_)), "{stranger}");
    let node = start(&founded, folder.path(), 0, Vec::new()).await.expect("starts");
    let _: SubmitView = post(&socket(folder.path(), 0), "/v1/notes?wait=ordered", b"a word".to_vec()).await;
    node.stop().await;
    let store = folder.path().join("0.redb");
    let mut bytes = std::fs::read(&store).expect("reads");
    let middle = bytes.iter().position(|byte| *byte != 0).expect("not empty") + 64;
    bytes[middle..middle + 64].fill(0xA5);
    let other = bytes.len() / 2;
    bytes[other..].fill(0x5A);
    std::fs::write(&store, bytes).expect("writes");
    let error = start(&founded, folder.path(), 0, Vec::new()).await.err().expect("is refused");
    assert_eq!(error.exit_code(), 7, "{error}");
    assert!(error.next().contains("restore"), "{}", error.next());
    assert!(!socket(folder.path(), 0).exists());
}

#[test]
fn every_reason_to_stop_has_its_exit_code() {
    let rollback = Stopped::Halted(Halt::Rollback { what: "entry 3".into() });
    let damage = Stopped::Halted(Halt::Damage("entry 3".into()));
    let codes = [&Stopped::Asked, &Stopped::Lost, &rollback, &damage].map(Stopped::exit_code);
    assert_eq!(codes, [0, 1, 9, 7]);
    assert!(Arc::new(rollback).next().is_some());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_is_dropped_while_its_queue_is_full_stops_all_the_same() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let node = start(&found(1), folder.path(), 0, Vec::new()).await.expect("starts");
    let (go_on, held_up) = std::sync::mpsc::channel::<()>();
    let (begun, has_begun) = tokio::sync::oneshot::channel();
    let handle = node.handle().clone();
    let first = tokio::spawn(async move {
        handle
            .ask(move |_, _| {
                begun.send(()).expect("the test waits");
                // The end of the test lets go, too.
                let _ = held_up.recv();
            })
            .await
    });
    has_begun.await.expect("the engine is held up");
    let handle = node.handle().clone();
    let asking = futures::stream::FuturesUnordered::new();
    for _ in 0..LOCAL_QUEUE + 8 {
        let mut asked = Box::pin({
            let handle = handle.clone();
            async move { handle.ask(|_, _| ()).await }
        });
        assert!(futures::poll!(asked.as_mut()).is_pending());
        asking.push(asked);
    }
    let mut ended = node.handle().watch_stopped();
    drop(node);
    go_on.send(()).expect("the engine waits");
    let why = tokio::time::timeout(PATIENCE, ended.wait_for(Option::is_some)).await.expect("ends in time");
    assert!(matches!(**why.expect("says why").as_ref().expect("some"), Stopped::Asked));
    drop(asking);
    first.await.expect("not cancelled");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_whose_mesh_ends_by_itself_stops_and_says_so() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let node = start(&found(1), folder.path(), 0, Vec::new()).await.expect("starts");
    node.handle().mesh().shutdown().await;
    let stopped = tokio::time::timeout(PATIENCE, node.stopped()).await.expect("stops in time");
    assert_eq!(stopped.exit_code(), 1, "{stopped}");
    assert!(!socket(folder.path(), 0).exists());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_start_that_fails_leaves_nothing_behind() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let founded = found(1);
    let taken = std::net::UdpSocket::bind("127.0.0.1:0").expect("binds");
    let port = taken.local_addr().expect("is bound").port();
    let mut config = config([9; 32], &founded, folder.path(), 0, Vec::new());
    config.listen = vec![format!("/ip4/127.0.0.1/udp/{port}/quic-v1").parse().expect("an address")];
    config.port = PortPolicy::Strict;
    let error = Node::start(config).await.err().expect("the port is taken");
    assert_eq!(error.exit_code(), 3, "{error}");
    assert!(!socket(folder.path(), 0).exists(), "no socket");
    // No lock either: the store opens and the port of the operator's choice is free for whoever has it.
    let node = start(&founded, folder.path(), 0, Vec::new()).await.expect("starts");
    assert_eq!(node.stop().await.exit_code(), 0);
}
