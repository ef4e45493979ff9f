//! Who may not in is refused and named, and the node goes on.

use std::path::Path;
use std::sync::Arc;

use entente_discovery::{CoalitionSecret, CredentialCheck, Mesh, MeshConfig, MeshEvent, PeerId};
use entente_hbbft::Seat;
use entente_node::api::dto::{EventView, FaultView, StatusView};
use entente_node::runtime::{Node, clock};
use entente_protocol::coalition::{ExhibitView, IntegrityView};
use entente_protocol::credential::{Capability, Chain, Delegation};
use entente_protocol::founding::Founded;
use entente_protocol::identity::SecretKey;
use entente_protocol::record::EventKind;
use entente_protocol::replicate::{PeerMessage, Want};
use entente_protocol::time::Time;
use entente_protocol::vote::HeadRequest;
use entente_protocol::wire;

use super::runtime_support::{
    For, PATIENCE, address, found, found_at, get, is_time, key, socket, start, start_with,
};

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

/// Lets everybody in.
pub(crate) struct Anyone;

impl CredentialCheck for Anyone {
    fn check(&self, _: &PeerId, _: &[u8]) -> Result<(), String> {
        Ok(())
    }

    fn is_member(&self, _: &PeerId) -> bool {
        true
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_member_that_floods_fills_one_row_for_each_kind_and_the_node_answers_on() {
    const FLOOD: u64 = 3_000;
    let folder = tempfile::tempdir().expect("a temporary folder");
    let founded = found(2);
    let node = start(&founded, folder.path(), 0, Vec::new()).await.expect("starts");
    let mut followed = node.handle().follow().events();
    // The other member's node with its own key and credential, and frames as it likes.
    let own = key(1, For::Node);
    let credential = founded.chain(&own.public()).expect("is enrolled").encode();
    let coalition = founded.coalition();
    let mut config =
        MeshConfig::new(own.seed(), CoalitionSecret::new(SECRET), *coalition.as_bytes(), credential);
    config.listen = vec!["/ip4/127.0.0.1/udp/0/quic-v1".parse().expect("an address")];
    config.static_peers = vec![address(&node).await];
    let (mesh, mut events) = Mesh::start(config, Arc::new(Anyone)).expect("starts");
    let up = async { while !matches!(events.recv().await.expect("runs"), MeshEvent::PeerUp { .. }) {} };
    tokio::time::timeout(PATIENCE, up).await.expect("in time");
    let draining = tokio::spawn(async move { while events.recv().await.is_some() {} });

    let target = node.handle().mesh().local_peer();
    let send = async |frame: Vec<u8>| mesh.send_when_room(target, frame).await.expect("is up");
    let seat = key(1, For::Seat);
    for number in 0..FLOOD {
        send(vec![0xff; 9]).await;
        send(wire::encode(&PeerMessage::Want(Want::Certificate { epoch: number }))).await;
        let request = HeadRequest::sign(&coalition, Seat(1), [7; 32], Time(clock::now().0 + number), &seat);
        send(wire::encode(&PeerMessage::HeadRequest(request))).await;
    }
    let of_borea = |code: &str| {
        let faults = node.handle().follow().faults();
        let found = faults.into_iter().filter(|fault| fault.partner.as_deref() == Some("borea"));
        found.filter(|fault| fault.code == code).collect::<Vec<_>>()
    };
    let counted = async {
        while of_borea("malformed").first().is_none_or(|fault| fault.count < FLOOD) {
            tokio::task::yield_now().await;
        }
    };
    let begun = std::time::Instant::now();
    tokio::time::timeout(PATIENCE, counted).await.expect("in time");
    assert_eq!(of_borea("malformed").len(), 1);
    assert_eq!(of_borea("flood").len(), 1, "requests for head reports beyond the rate");
    // Told at once, and then as numbers: never one by one.
    let mut told = 0;
    while let Ok(event) = followed.try_recv() {
        told += u64::from(matches!(event, EventView::Fault(_)));
    }
    assert!(told < 20 + begun.elapsed().as_secs(), "{told} faults told");
    let status: StatusView = get(&socket(folder.path(), 0), "/v1/status").await;
    assert!(status.faults >= FLOOD, "{status:?}");
    // Reported by the node itself, once for all that came: held, because alone of two it orders nothing.
    let flood = event(folder.path(), |event| event.kind == EventKind::Flood).await;
    assert_eq!(
        (flood.against.as_ref().map(ToString::to_string).as_deref(), flood.index),
        (Some("borea"), None)
    );
    assert_eq!((flood.key, flood.holder.as_ref()), (Some(own.public()), flood.against.as_ref()));
    assert!(flood.count > u64::from(founded.charter().integrity.flood_per_minute), "{flood:?}");
    mesh.shutdown().await;
    draining.await.expect("ends");
    assert_eq!(node.stop().await.exit_code(), 0);
}

/// The integrity event that `wanted` picks, once the node shows it.
async fn event(dir: &Path, wanted: impl Fn(&IntegrityView) -> bool) -> IntegrityView {
    let found = async {
        loop {
            let events: Vec<IntegrityView> = get(&socket(dir, 0), "/v1/integrity").await;
            if let Some(event) = events.into_iter().find(&wanted) {
                return event;
            }
        }
    };
    tokio::time::timeout(PATIENCE, found).await.expect("in time")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_impostor_with_a_copied_name_and_a_stale_key_is_reported_by_the_node_that_refused_it() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    // Alone, so that it orders what it reports.
    let founded = found(1);
    let node = start(&founded, folder.path(), 0, Vec::new()).await.expect("starts");
    let mut followed = node.handle().follow().events();
    // Knows the secret, and shows what the partner's root once signed for a key that is long out of the charter.
    let stale = SecretKey::from_seed(&[99; 32]);
    let (root, partner) = (key(0, For::Root), "aquila".parse().expect("a name"));
    let ended = Time(clock::now().0 - 86_400_000);
    let delegation = Delegation::direct(
        founded.coalition(),
        root.public(),
        stale.public(),
        partner,
        Capability::Node,
        ended,
    );
    let presented = Chain(vec![delegation.sign(&root)]);
    let credential = presented.encode();
    let coalition = *founded.coalition().as_bytes();
    let mut config = MeshConfig::new(stale.seed(), CoalitionSecret::new(SECRET), coalition, credential);
    config.listen = vec!["/ip4/127.0.0.1/udp/0/quic-v1".parse().expect("an address")];
    config.static_peers = vec![address(&node).await];
    let (mesh, mut events) = Mesh::start(config, Arc::new(Anyone)).expect("starts");
    let refused = async {
        loop {
            if let MeshEvent::Refused(refusal) = events.recv().await.expect("runs") {
                return refusal.reason.to_string();
            }
        }
    };
    let told = tokio::time::timeout(PATIENCE, refused).await.expect("in time");
    assert!(told.contains("passes itself off as aquila"), "{told}");

    let event = event(folder.path(), |event| event.index.is_some()).await;
    assert_eq!((event.kind, event.key), (EventKind::Impersonation, Some(stale.public())));
    assert_eq!(event.victim.as_ref().map(ToString::to_string).as_deref(), Some("aquila"));
    assert_eq!((event.against.as_ref(), event.holder.as_ref()), (None, None), "the key is nobody's");
    assert_eq!(event.node, Some(key(0, For::Node).public()), "{event:?}");
    assert_eq!((event.status.as_str(), event.urgent, event.confirmed.len()), ("preliminary", true, 0));
    assert!(event.text.contains("passes itself off as aquila"), "{}", event.text);
    // What was shown is carried as it came, and judged from its bytes: the root did sign it, long ago.
    let shown = event.shown.clone().expect("what was shown");
    let ExhibitView::Credential { partner, key: named, root_of, not_after, signed, holds, chain, .. } =
        shown.exhibit
    else {
        panic!("{shown:?}")
    };
    assert_eq!((&chain, not_after), (&presented, ended));
    assert_eq!((partner, named, root_of), (event.victim.clone(), event.key, event.victim.clone()));
    assert!(signed && !holds);
    assert!(shown.proves.contains("it expired at"), "{}", shown.proves);
    assert!(shown.limits.contains("convicts nobody"), "{}", shown.limits);
    let one: IntegrityView = get(&socket(folder.path(), 0), &format!("/v1/integrity/{}", event.id)).await;
    assert_eq!(one.id, event.id);
    let urgent = async {
        loop {
            if let EventView::Integrity { urgent, view, .. } = followed.recv().await.expect("runs") {
                return (urgent, view.id);
            }
        }
    };
    assert_eq!(tokio::time::timeout(PATIENCE, urgent).await.expect("in time"), (true, event.id));
    let faults: Vec<FaultView> = get(&socket(folder.path(), 0), "/v1/faults").await;
    assert!(faults.iter().any(|fault| fault.code == "impersonation"), "{faults:?}");
    mesh.shutdown().await;
    assert_eq!(node.stop().await.exit_code(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bad_chain_of_a_members_own_node_is_reported_at_once_and_one_that_ran_out_is_not() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let founded_at = Time(clock::now().0 - 86_400_000);
    let founded = found_at(3, founded_at, |partner| match partner {
        1 => founded_at.plus(1_000),
        _ => founded_at.plus(2 * 86_400_000),
    });
    // borea's own credential has run out: a fault, and seen first.
    let (fault, node, other) = refuse(&founded, &founded, SECRET, folder.path()).await;
    assert_eq!((fault.code.as_str(), fault.partner.as_deref()), ("credential", Some("borea")), "{fault:?}");
    // The node of corvus shows, for its own key and in its own name, what another key than its root gave.
    let (own, forger) = (key(2, For::Node), SecretKey::from_seed(&[99; 32]));
    let delegation = Delegation::direct(
        founded.coalition(),
        forger.public(),
        own.public(),
        "corvus".parse().expect("a name"),
        Capability::Node,
        clock::now().plus(86_400_000),
    );
    let presented = Chain(vec![delegation.sign(&forger)]);
    let coalition = *founded.coalition().as_bytes();
    let mut config = MeshConfig::new(own.seed(), CoalitionSecret::new(SECRET), coalition, presented.encode());
    config.listen = vec!["/ip4/127.0.0.1/udp/0/quic-v1".parse().expect("an address")];
    config.static_peers = vec![address(&node).await];
    let (mesh, mut events) = Mesh::start(config, Arc::new(Anyone)).expect("starts");
    let mut refused = 0;
    let twice = async {
        while refused < 2 {
            let event = events.recv().await.expect("runs");
            refused += usize::from(matches!(event, MeshEvent::Refused(_)));
        }
    };
    tokio::time::timeout(PATIENCE, twice).await.expect("in time");

    let event = event(folder.path(), |event| event.kind == EventKind::Impersonation).await;
    let name = |name: &Option<entente_protocol::charter::PartnerName>| name.as_ref().map(ToString::to_string);
    assert_eq!((name(&event.against).as_deref(), event.victim.as_ref()), (Some("corvus"), None), "{event:?}");
    assert_eq!((event.key, event.holder.clone()), (Some(own.public()), event.against.clone()));
    assert!(event.text.contains("credential refused: "), "{}", event.text);
    let shown = event.shown.expect("what was shown");
    let ExhibitView::Credential { root_of, signed, holds, chain, .. } = shown.exhibit else {
        panic!("{shown:?}")
    };
    assert_eq!((chain, root_of, signed, holds), (presented, None, true, false));
    // However often it is shown, it is one matter; and who is merely out of time is told as a fault alone.
    let all: Vec<IntegrityView> = get(&socket(folder.path(), 0), "/v1/integrity").await;
    assert_eq!(all.iter().map(|event| event.id).collect::<Vec<_>>(), [event.id], "{all:?}");
    mesh.shutdown().await;
    other.stop().await;
    assert_eq!(node.stop().await.exit_code(), 0);
}
