//! Who may not in is refused and named, and the node goes on.

use std::path::Path;
use std::sync::Arc;

use entente_node::api::dto::{EventView, FaultView, StatusView};
use entente_node::runtime::{Node, clock};
use entente_protocol::founding::Founded;
use entente_protocol::time::Time;

use super::runtime_support::{PATIENCE, address, found, found_at, get, is_time, socket, start, start_with};

const SECRET: [u8; 32] = [9; 32];
const OTHER: [u8; 32] = [8; 32];

/// Starts partner 1 towards partner 0 and returns the fault by which partner 0 refuses it.
async fn refuse(
    own: &Arc<Founded>,
    others: &Arc<Founded>,
    secret: [u8; 32],
    dir: &Path,
) -> (FaultView, Node, Node) {
    let node = start(own, dir, 0, Vec::new()).await.expect("starts");
    let mut events = node.handle().follow().events();
    let other = start_with(secret, others, dir, 1, vec![address(&node).await]).await.expect("starts");
    let fault = async {
        loop {
            if let EventView::Fault(fault) = events.recv().await.expect("runs") {
                return fault;
            }
        }
    };
    (tokio::time::timeout(PATIENCE, fault).await.expect("in time"), node, other)
}

async fn goes_on_alone(node: Node, other: Node, dir: &Path) {
    let status: StatusView = get(&socket(dir, 0), "/v1/status").await;
    assert!(status.seats.iter().all(|seat| seat.connected == (seat.partner == "aquila")), "{status:?}");
    let faults: Vec<FaultView> = get(&socket(dir, 0), "/v1/faults").await;
    assert!(!faults.is_empty());
    assert!(faults.iter().all(|fault| fault.count >= 1 && fault.first <= fault.last && is_time(fault.first)));
    other.stop().await;
    assert_eq!(node.stop().await.exit_code(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stranger_who_does_not_know_the_secret_is_refused() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let founded = found(2);
    let (fault, node, other) = refuse(&founded, &founded, OTHER, folder.path()).await;
    assert_eq!(fault.code, "stranger", "{fault:?}");
    goes_on_alone(node, other, folder.path()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_credential_that_has_run_out_is_refused_with_the_time() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let founded_at = Time(clock::now().0 - 86_400_000);
    let founded = found_at(2, founded_at, |partner| match partner {
        0 => founded_at.plus(2 * 86_400_000),
        _ => founded_at.plus(1_000),
    });
    let (fault, node, other) = refuse(&founded, &founded, SECRET, folder.path()).await;
    assert_eq!((fault.code.as_str(), fault.partner.as_deref()), ("credential", Some("borea")), "{fault:?}");
    assert!(fault.what.contains("expired at"), "{}", fault.what);
    goes_on_alone(node, other, folder.path()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_member_of_another_coalition_with_the_same_secret_is_refused() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (own, others) = (found(2), found_at(2, Time(1_700_000_000_000), |_| Time(4_000_000_000_000)));
    assert_ne!(own.coalition(), others.coalition());
    let (fault, node, other) = refuse(&own, &others, SECRET, folder.path()).await;
    assert_eq!(fault.code, "foreign_coalition", "{fault:?}");
    goes_on_alone(node, other, folder.path()).await;
}
