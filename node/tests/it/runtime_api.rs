//! The local API over its socket: refusals with their words, batches, pages, followers.

use std::path::Path;

use entente_node::api::dto::{
    EventView, FaultView, LeafKind, LogPage, MetricsView, OperationView, PeerView, RecordState, SubmitView,
};
use entente_protocol::engine::{MAX_BACKLOG, Status};
use entente_protocol::record::{MAX_BODY_BYTES, Role, Stance};
use futures::StreamExt as _;
use http_body_util::{BodyExt as _, Empty};
use hyper::body::Bytes;
use hyper::{Method, Request};
use hyper_util::rt::TokioIo;

use super::runtime_support::{PATIENCE, attest, found, get, get_text, open, post, refused, socket, start};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_done_is_refused_with_its_word_and_changes_nothing() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (founded, socket) = (found(1), socket(folder.path(), 0));
    let node = start(&founded, folder.path(), 0, Vec::new()).await.expect("starts");
    let (opening, id) = open(&founded, 0, "North corridor");
    let (foreign, _) = open(&found(2), 0, "of another coalition");
    let (stranger, _) = open(&founded, 2, "by an officer of nobody");
    let mut broken = opening.clone();
    *broken.last_mut().expect("not empty") ^= 1;
    let (role, _) = attest(&founded, 0, id, Role::Supporting, Stance::Endorse);
    let cases: Vec<(&str, Vec<u8>, u16, &str)> = vec![
        ("/v1/records", b"not a record".to_vec(), 400, "bad_request"),
        ("/v1/records", foreign, 403, "denied"),
        ("/v1/records", stranger, 403, "denied"),
        ("/v1/records", broken, 403, "denied"),
        ("/v1/records", role, 404, "unknown"),
        ("/v1/notes", vec![7; MAX_BODY_BYTES], 413, "too_large"),
        ("/v1/notes?wait=agreed", b"a note".to_vec(), 400, "bad_request"),
        ("/v1/notes/batch", vec![9, 0, 0, 0, 1], 400, "bad_request"),
        ("/v1/notes/batch", vec![1, 2, 3], 400, "bad_request"),
        ("/v1/records", vec![7; MAX_BODY_BYTES + 1], 413, "too_large"),
        ("/v1/notes?wait=forever", b"a note".to_vec(), 400, "bad_request"),
        ("/v1/notes?lane=express", b"a note".to_vec(), 400, "bad_request"),
        ("/v1/peers", b"{".to_vec(), 400, "bad_request"),
        ("/v1/status", b"x".to_vec(), 405, "bad_request"),
        ("/v1/nothing", b"x".to_vec(), 404, "unknown"),
        ("/v1/peers/nobody/block", Vec::new(), 404, "unknown"),
        ("/v1/peers/aquila/block", Vec::new(), 400, "bad_request"),
        ("/v1/peers", br#"{"address":"/dns/example.org/tcp/1"}"#.to_vec(), 400, "bad_request"),
    ];
    for (path, body, status, code) in cases {
        let (found, error) = refused(&socket, Method::POST, path, body).await;
        assert_eq!((found, error.code.as_str()), (status, code), "{path}: {}", error.error);
        assert!(!error.error.is_empty());
    }
    for (path, status, code) in [
        (format!("/v1/ops/{id}"), 404, "unknown"),
        ("/v1/ops/op-a".into(), 400, "bad_id"),
        (format!("/v1/receipts/{id}"), 404, "unknown"),
        (format!("/v1/receipts/{id}?record=1"), 404, "unknown"),
    ] {
        let (found, error) = refused(&socket, Method::GET, &path, Vec::new()).await;
        assert_eq!((found, error.code.as_str()), (status, code), "{path}: {}", error.error);
    }
    let page: LogPage = get(&socket, "/v1/log").await;
    assert_eq!(page.size, 0, "nothing of all this was ordered");
    let status: Status = node.handle().ask(|engine, now| engine.status(now)).await.expect("answers");
    assert_eq!(status.held, 0);
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_undecided_operation_shows_its_deficit_and_has_no_receipt_but_its_record_has() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (founded, socket) = (found(1), socket(folder.path(), 0));
    let node = start(&founded, folder.path(), 0, Vec::new()).await.expect("starts");
    let (opening, id) = open(&founded, 0, "North corridor");
    let _: SubmitView = post(&socket, "/v1/records?wait=ordered", opening).await;
    let prefix = &id.to_string()[..9];
    let view: OperationView = get(&socket, &format!("/v1/ops/{prefix}")).await;
    assert_eq!((view.id, view.state, view.outcome.as_str()), (id, RecordState::Ordered, "open"));
    assert_eq!(view.deficit, ["needs lead: aquila"]);
    assert_eq!(view.body.get("slots").map(String::as_str), Some("12"));
    let (status, error) = refused(&socket, Method::GET, &format!("/v1/receipts/{prefix}"), Vec::new()).await;
    assert_eq!((status, error.code.as_str()), (409, "not_ordered"));
    assert!(error.error.contains("needs lead: aquila") && error.next.is_some(), "{error:?}");
    let receipt = get_text(&socket, &format!("/v1/receipts/{prefix}?record=1")).await;
    assert!(receipt.starts_with("c2sp.org/tlog-proof@v1\n"), "{receipt}");
    // Waiting for an outcome that does not come ends with the time, and says that the record is ordered.
    let (abstention, _) = attest(&founded, 0, id, Role::Lead, Stance::Abstain);
    let short: SubmitView = post(&socket, "/v1/records?wait=agreed&timeout_ms=200", abstention).await;
    assert_eq!(
        (short.state, short.code),
        (RecordState::Ordered, Some(entente_node::api::dto::Short::Timeout))
    );
    let policy = get_text(&socket, "/v1/policy").await;
    assert!(policy.contains("quorum seats"), "{policy}");
    let charter = get_text(&socket, "/v1/charter").await;
    assert!(charter.contains("aquila") && !charter.contains("secret"), "{charter}");
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_batch_that_is_refused_in_part_says_how_much_was_taken() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    // The second never comes: nothing is ordered, and the backlog fills.
    let (founded, socket) = (found(2), socket(folder.path(), 0));
    let node = start(&founded, folder.path(), 0, Vec::new()).await.expect("starts");
    let batch = |round: u64| {
        let note = |number: u64| [&8_u32.to_le_bytes()[..], &(round << 32 | number).to_le_bytes()].concat();
        (0..1000).flat_map(note).collect::<Vec<u8>>()
    };
    let path = "/v1/notes/batch?wait=held";
    let whole = MAX_BACKLOG / 1000;
    for round in 0..whole {
        assert_eq!(post::<Vec<SubmitView>>(&socket, path, batch(round)).await.len(), 1000);
    }
    let room = MAX_BACKLOG - whole * 1000;
    let (status, error) = refused(&socket, Method::POST, path, batch(whole)).await;
    assert_eq!((status, error.code.as_str()), (429, "backlog"));
    assert!(error.error.ends_with(&format!("{room} of 1000 were taken and are held")), "{}", error.error);
    let (_, error) = refused(&socket, Method::POST, path, batch(whole + 1)).await;
    assert!(!error.error.contains("were taken"), "{}", error.error);
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_batch_of_notes_is_ordered_in_few_commits() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (founded, socket) = (found(1), socket(folder.path(), 0));
    let node = start(&founded, folder.path(), 0, Vec::new()).await.expect("starts");
    let mut body = Vec::new();
    for number in 0..200u32 {
        let note = format!("note {number}");
        body.extend_from_slice(&(note.len() as u32).to_le_bytes());
        body.extend_from_slice(note.as_bytes());
    }
    let ordered: Vec<SubmitView> = post(&socket, "/v1/notes/batch?wait=ordered&lane=priority", body).await;
    assert_eq!(ordered.len(), 200);
    let mut indexes = ordered.iter().map(|view| view.index.expect("is ordered")).collect::<Vec<_>>();
    indexes.sort_unstable();
    indexes.dedup();
    assert_eq!(indexes.len(), 200, "each has a leaf of its own");
    let metrics: MetricsView = get(&socket, "/v1/metrics").await;
    assert_eq!((metrics.entries, metrics.submissions, metrics.refused), (200, 200, 0));
    assert!(metrics.commits < 100, "{} commits for 200 notes", metrics.commits);
    assert!(metrics.commit_us.count == metrics.commits && metrics.commit_us.p50 > 0);
    assert!(metrics.rss_kb > 0);
    let page: LogPage = get(&socket, "/v1/log?from=0&limit=1000").await;
    assert_eq!(page.leaves.iter().filter(|leaf| leaf.kind == LeafKind::Entry).count(), 200);
    let faults: Vec<FaultView> = get(&socket, "/v1/faults").await;
    assert!(faults.is_empty(), "{faults:?}");
    let peers: Vec<PeerView> = get(&socket, "/v1/peers").await;
    assert!(peers.is_empty());
    let listeners: Vec<String> = get(&socket, "/v1/listeners").await;
    assert!(listeners.iter().any(|address| address.contains("/p2p/")), "{listeners:?}");
    node.stop().await;
}

/// Follows from `from` until `enough` says so.
async fn follow(socket: &Path, from: u64, mut enough: impl FnMut(&EventView) -> bool) -> Vec<EventView> {
    let followed = async {
        let stream = tokio::net::UnixStream::connect(socket).await.expect("a node answers");
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.expect("speaks HTTP");
        tokio::spawn(connection);
        let request = Request::get(format!("/v1/events?from={from}"))
            .header("host", "entente")
            .body(Empty::<Bytes>::new())
            .expect("a request");
        let response = sender.send_request(request).await.expect("an answer");
        let mut body = response.into_body().into_data_stream();
        let (mut text, mut events) = (String::new(), Vec::new());
        while let Some(part) = body.next().await {
            text.push_str(std::str::from_utf8(&part.expect("a part")).expect("text"));
            while let Some((block, rest)) = text.split_once("\n\n") {
                if let Some(data) = block.strip_prefix("data: ") {
                    let event: EventView = serde_json::from_str(data).expect("an event");
                    let done = enough(&event);
                    events.push(event);
                    if done {
                        return events;
                    }
                }
                text = rest.to_owned();
            }
        }
        events
    };
    tokio::time::timeout(PATIENCE, followed).await.expect("events in time")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_follower_sees_every_ordered_leaf_from_its_index_on_once() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (founded, socket) = (found(1), socket(folder.path(), 0));
    let node = start(&founded, folder.path(), 0, Vec::new()).await.expect("starts");
    let mut ids = Vec::new();
    for number in 0..5 {
        let note: SubmitView =
            post(&socket, "/v1/notes?wait=ordered", format!("{number}").into_bytes()).await;
        ids.push(note.id);
    }
    let (told, caught_up) = tokio::sync::oneshot::channel();
    let mut told = Some(told);
    let follower = {
        let socket = socket.clone();
        let mut seen = 0;
        tokio::spawn(async move {
            follow(&socket, 0, move |event| {
                seen += usize::from(matches!(event, EventView::Ordered { .. }));
                if seen == 5
                    && let Some(told) = told.take()
                {
                    told.send(()).expect("the test waits");
                }
                seen == 8
            })
            .await
        })
    };
    caught_up.await.expect("the follower catches up");
    for number in 5..8 {
        let note: SubmitView =
            post(&socket, "/v1/notes?wait=ordered", format!("{number}").into_bytes()).await;
        ids.push(note.id);
    }
    let events = follower.await.expect("the follower ends");
    let seen = events.iter().filter_map(|event| match event {
        EventView::Ordered { id, .. } => Some(*id),
        _ => None,
    });
    assert_eq!(seen.collect::<Vec<_>>(), ids);
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_goes_away_while_it_waits_leaves_no_waiter() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (founded, socket) = (found(1), socket(folder.path(), 0));
    let node = start(&founded, folder.path(), 0, Vec::new()).await.expect("starts");
    let (opening, id) = open(&founded, 0, "North corridor");
    // Ordered soon, and not agreed before its window closes.
    let waiting = {
        let socket = socket.clone();
        let path = "/v1/records?wait=agreed&timeout_ms=3000000";
        tokio::spawn(async move { post::<SubmitView>(&socket, path, opening).await })
    };
    let follow = node.handle().follow();
    let until = async |count| {
        let reached = async {
            while follow.waiting() != count {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(PATIENCE, reached).await.expect("in time");
    };
    let ordered = follow.until_ordered(id).expect("room");
    if node.handle().store().index_of(&id).expect("reads").is_none() {
        tokio::time::timeout(PATIENCE, ordered).await.expect("in time").expect("runs");
    }
    // The one that waits for its order has it; the one for the decision stays.
    until(1).await;
    waiting.abort();
    until(0).await;
    node.stop().await;
}
