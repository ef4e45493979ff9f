//! Discovery by topic: one address is enough.

use entente_discovery::{CoalitionSecret, MeshEvent};

use crate::harness::{Enrolled, Node, config};

async fn all_find_all(seeds: &[u8], beacons: bool, kademlia: bool) {
    let enrolled = Enrolled::of(seeds.iter().copied());
    let mut nodes: Vec<Node> = Vec::new();
    for seed in seeds {
        let mut config = config(*seed);
        config.profile.beacons = beacons;
        config.profile.kademlia = kademlia;
        if let Some(first) = nodes.first_mut() {
            config.static_peers.push(first.address().await);
        }
        nodes.push(Node::start(config, &enrolled).await);
    }
    let all = nodes.iter_mut().map(|node| node.until("everyone up", |node| node.up.len() == seeds.len() - 1));
    futures::future::join_all(all).await;
    for node in &nodes {
        assert!(
            !node.seen.iter().any(|event| matches!(event, MeshEvent::Refused(_) | MeshEvent::Fault { .. })),
            "{:#?}",
            node.seen
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn five_nodes_that_know_one_address_are_all_connected() {
    all_find_all(&[1, 2, 3, 4, 5], true, true).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn beacons_alone_find_everyone() {
    all_find_all(&[1, 2, 3], true, false).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kademlia_alone_finds_everyone() {
    // Traps: server mode by hand, external addresses by hand, found providers dialled by hand.
    all_find_all(&[1, 2, 3], false, true).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stranger_with_a_whole_node_but_another_secret_learns_no_member() {
    let enrolled = Enrolled::of([1, 2, 66]);
    let mut a = Node::start(config(1), &enrolled).await;
    let address = a.address().await;
    let mut with_a = config(2);
    with_a.static_peers.push(address.clone());
    let _b = Node::start(with_a, &enrolled).await;
    let mut stranger = config(66);
    stranger.secret = CoalitionSecret::new([66; 32]);
    stranger.static_peers.push(address.clone());
    let mut stranger = Node::start(stranger, &enrolled).await;
    a.wait("the stranger's refusal", |event| match event {
        MeshEvent::Refused(refusal) => Some(()).filter(|()| refusal.peer == Some(stranger.peer)),
        _ => None,
    })
    .await;
    a.until("the member", |node| node.up.len() == 1).await;
    stranger.drain();
    assert!(stranger.up.is_empty());
    let known = stranger.mesh.peers().await.expect("runs");
    assert!(known.iter().all(|status| status.peer.is_none()), "only the address it was given: {known:?}");
}
