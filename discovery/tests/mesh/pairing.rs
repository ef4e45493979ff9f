//! One connection per pair, blocking, and being told at once.

use std::time::Duration;

use entente_discovery::{MAX_STATIC_ADDRESSES, MeshError, MeshEvent, Multiaddr};

use crate::harness::{Enrolled, Node, SAFETY_NET, config, named, ordered, peer_id, until_paired};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn simultaneous_connections_settle_to_one_link() {
    // Trap: pairs get double connections. Both dial by address alone, so neither can wait for the other.
    let enrolled = Enrolled::of([1, 2]);
    let mut a = Node::start(config(1), &enrolled).await;
    let mut b = Node::start(config(2), &enrolled).await;
    let (address_a, address_b) = (a.address().await, b.address().await);
    let (one, other) = tokio::join!(a.mesh.add_peer(address_b), b.mesh.add_peer(address_a));
    one.and(other).expect("addresses");
    until_paired(&mut a, &mut b).await;
    // Frames both ways prove that both ends kept the same one; a second link would have come up as another.
    for round in 0..20u8 {
        a.mesh.send(b.peer, vec![round]).expect("up");
        b.mesh.send(a.peer, vec![round]).expect("up");
        for node in [&mut a, &mut b] {
            node.wait("the frame", |event| match event {
                MeshEvent::Frame { bytes, .. } if bytes[..] == [round] => Some(()),
                _ => None,
            })
            .await;
        }
    }
    assert_eq!((a.ups, b.ups), (1, 1), "no flapping");
    for node in [&a, &b] {
        // The dial that lost ends, and tells whose the bare address is.
        let resolved = async {
            loop {
                let peers = node.mesh.peers().await.expect("runs");
                if peers.len() == 1 {
                    return peers;
                }
                tokio::task::yield_now().await;
            }
        };
        let peers = tokio::time::timeout(SAFETY_NET, resolved).await.expect("resolved");
        assert!(peers[0].connected && peers[0].next_retry_ms.is_none());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_blocked_link_is_cut_at_once_and_heals_when_unblocked() {
    let (low, high) = ordered(1, 2);
    let enrolled = Enrolled::of([1, 2]);
    let mut a = Node::start(config(low), &enrolled).await;
    let mut with_a = config(high);
    with_a.static_peers.push(named(&a.address().await, a.peer));
    let mut b = Node::start(with_a, &enrolled).await;
    until_paired(&mut a, &mut b).await;

    for (blocker_is_a, from) in [(true, 0), (false, 1)] {
        let blocker = if blocker_is_a { &a } else { &b };
        let other = if blocker_is_a { b.peer } else { a.peer };
        blocker.mesh.block(other).await.expect("runs");
        tokio::join!(a.until_down(peer_id(high)), b.until_down(peer_id(low)));
        assert!(a.mesh.send(b.peer, "x").is_err());
        // The other end goes on dialling, or being dialled, and is refused.
        let refused = if blocker_is_a { &mut b } else { &mut a };
        refused
            .wait("a refusal by the blocker", |event| match event {
                MeshEvent::Refused(refusal) if refusal.reason.to_string().contains("blocked") => Some(()),
                _ => None,
            })
            .await;
        let blocker = if blocker_is_a { &a } else { &b };
        let status = blocker.mesh.peers().await.expect("runs");
        assert!(
            status.iter().any(|status| status.peer == Some(other) && status.blocked && !status.connected)
        );
        blocker.mesh.unblock(other).await.expect("runs");
        until_paired(&mut a, &mut b).await;
        assert_eq!(a.ups, 2 + from);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_stops_is_missed_at_once_and_redialled_for_ever() {
    let enrolled = Enrolled::of([1, 2]);
    let mut a = Node::start(config(1), &enrolled).await;
    let address = a.address().await;
    let mut with_a = config(2);
    with_a.profile.idle_timeout = std::time::Duration::from_secs(300);
    with_a.static_peers.push(address.clone());
    let mut b = Node::start(with_a, &enrolled).await;
    until_paired(&mut a, &mut b).await;
    let peer_a = a.peer;
    a.stop().await;
    // Long before the idle time-out.
    b.until_down(peer_a).await;
    let peers = b.mesh.peers().await.expect("runs");
    assert!(peers[0].missing_since_ms.is_some() && !peers[0].connected, "{peers:?}");
    assert_eq!(peers[0].addresses[0], address);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_own_address_among_the_static_peers_is_no_peer() {
    let enrolled = Enrolled::of([1, 2]);
    let mut a = Node::start(config(1), &enrolled).await;
    let address = a.address().await;
    // Another way to itself, which the swarm cannot tell by comparing addresses.
    let mut b = Node::start(config(2), &enrolled).await;
    b.mesh.add_peer(named(&address, a.peer)).await.expect("an address");
    until_paired(&mut a, &mut b).await;
    a.mesh.add_peer(address).await.expect("an address");
    let peers = a.mesh.peers().await.expect("runs");
    assert!(peers.iter().all(|status| status.peer != Some(peer_id(1))), "{peers:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_link_with_a_node_that_is_struck_off_the_list_is_cut_and_stays_cut() {
    // Lists of their own: the other one still thinks that it may.
    let (own, theirs) = (Enrolled::of([1, 2]), Enrolled::of([1, 2]));
    let mut config_a = config(1);
    config_a.profile.recheck_interval = Duration::from_millis(50);
    let mut a = Node::start(config_a, &own).await;
    let mut with_a = config(2);
    with_a.static_peers.push(named(&a.address().await, a.peer));
    let mut b = Node::start(with_a, &theirs).await;
    until_paired(&mut a, &mut b).await;
    own.expel(&b.peer);
    let (peer_a, peer_b) = (a.peer, b.peer);
    tokio::join!(a.until_down(peer_b), b.until_down(peer_a));
    a.until("a refusal that names it", |node| {
        node.seen.iter().any(|event| match event {
            MeshEvent::Refused(refusal) => {
                refusal.peer == Some(peer_b) && refusal.reason.to_string().contains("not enrolled")
            }
            _ => false,
        })
    })
    .await;
    // It dials again, and is refused at the gate.
    b.wait("a refusal", |event| match event {
        MeshEvent::Refused(refusal) if refusal.reason.to_string().contains("not enrolled") => Some(()),
        _ => None,
    })
    .await;
    a.drain();
    assert!(a.up.is_empty() && b.up.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn addresses_to_dial_are_bounded_and_of_members_only() {
    let a = Node::start(config(1), &Enrolled::of([1, 2])).await;
    let address =
        |port: usize| format!("/ip4/127.0.0.1/udp/{port}/quic-v1").parse::<Multiaddr>().expect("address");
    let stranger = a.mesh.add_peer(named(&address(1), peer_id(9))).await;
    assert!(matches!(stranger, Err(MeshError::NotEnrolled(peer)) if peer == peer_id(9)), "{stranger:?}");
    a.mesh.add_peer(named(&address(1), peer_id(2))).await.expect("a member");
    for port in 1..=MAX_STATIC_ADDRESSES {
        a.mesh.add_peer(address(port)).await.expect("room");
    }
    let more = a.mesh.add_peer(address(MAX_STATIC_ADDRESSES + 1)).await;
    assert!(matches!(more, Err(MeshError::TooManyAddresses)), "{more:?}");
    let known = a.mesh.peers().await.expect("runs");
    assert!(known.iter().all(|status| status.peer != Some(peer_id(9))), "{known:?}");
}
