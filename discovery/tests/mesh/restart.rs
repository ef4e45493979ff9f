//! Restarts: with the same key, from the book alone, with the port taken.

use std::net::UdpSocket;

use entente_discovery::{MeshError, MeshEvent, Multiaddr, PortPolicy, RefusalReason};

use crate::harness::{Enrolled, Node, SAFETY_NET, config, named, ordered, until_paired};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restart_with_the_same_key_replaces_at_once_and_its_beacon_still_arrives() {
    // Trap (rust-libp2p#5097): gossipsub does not send its subscriptions to a peer that restarts before its old connection has
    // timed out.
    let enrolled = Enrolled::of([1, 2]);
    let (low, high) = ordered(1, 2);
    for (stays, restarts) in [(low, high), (high, low)] {
        let patient = |seed| {
            let mut patient = config(seed);
            patient.profile.idle_timeout = 2 * SAFETY_NET;
            patient
        };
        let mut a = Node::start(patient(stays), &enrolled).await;
        let address = named(&a.address().await, a.peer);
        let with_a = || {
            let mut with_a = patient(restarts);
            with_a.static_peers.push(address.clone());
            with_a
        };
        let crashing = tokio::runtime::Runtime::new().expect("a runtime");
        let (first, members) = (with_a(), enrolled.clone());
        let mut old =
            crashing.spawn(async move { Node::start(first, &members).await }).await.expect("starts");
        until_paired(&mut a, &mut old).await;
        let old_instance = a.up[&old.peer];
        let sequence = |node: &Node, peer| {
            node.book.iter().find(|entry| entry.peer == peer).map_or(0, |entry| entry.sequence)
        };
        let (peer_a, peer_old) = (a.peer, old.peer);
        a.until("a beacon of the old process", |node| sequence(node, peer_old) > 0).await;
        let old_sequence = sequence(&a, peer_old);
        // As by kill -9: its sockets close, no packet is sent.
        crashing.shutdown_background();

        let mut new = Node::start(with_a(), &enrolled).await;
        let replaced = a
            .wait("the old link's end", |event| match event {
                MeshEvent::PeerDown { peer, reason } if *peer == new.peer => Some(reason.clone()),
                _ => None,
            })
            .await;
        assert!(!replaced.contains("timed out"), "{replaced}");
        until_paired(&mut a, &mut new).await;
        assert_ne!(a.up[&new.peer], old_instance);

        // Both directions of gossip: each end's book gets the other's newest beacon.
        new.until("a beacon of the node that stayed", |node| sequence(node, peer_a) > 0).await;
        a.until("a beacon of the new process", |node| sequence(node, peer_old) > old_sequence).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_processes_with_one_key_the_first_stays_and_the_other_is_told_why() {
    let enrolled = Enrolled::of([1, 2]);
    for (stays, copied) in [(1, 2), (2, 1)] {
        let mut a = Node::start(config(stays), &enrolled).await;
        let with_a = |address: &Multiaddr| {
            let mut with_a = config(copied);
            with_a.static_peers.push(address.clone());
            with_a
        };
        let address = named(&a.address().await, a.peer);
        let mut first = Node::start(with_a(&address), &enrolled).await;
        until_paired(&mut a, &mut first).await;
        let instance = a.up[&first.peer];
        let mut second = Node::start(with_a(&address), &enrolled).await;
        // It takes the first one's place, as a restart would, until that dials again.
        let (peer_a, copied) = (a.peer, first.peer);
        let denied = |event: &MeshEvent| match event {
            MeshEvent::Refused(refusal) => {
                (refusal.reason.to_string().contains("another process with this node's key")).then_some(())
            }
            _ => None,
        };
        tokio::join!(
            a.wait("the second process", |event| match event {
                MeshEvent::Refused(refusal) if refusal.reason == RefusalReason::OtherProcess => {
                    assert_eq!(refusal.peer, Some(copied));
                    Some(())
                }
                _ => None,
            }),
            second.wait("why it is refused", denied),
            first.until("the link", |node| node.up.contains_key(&peer_a)),
        );
        a.until("the first process", |node| node.up.get(&copied) == Some(&instance)).await;
        // The link carries, and is not taken again.
        first.mesh.send(peer_a, "still here").expect("up");
        a.wait("its frame", |event| match event {
            MeshEvent::Frame { bytes, .. } if bytes[..] == *b"still here" => Some(()),
            _ => None,
        })
        .await;
        a.wait("one more try", denied).await;
        assert_eq!(a.up.get(&copied), Some(&instance));
        // Once the first has stopped, the other one is let in.
        first.stop().await;
        a.until_down(copied).await;
        until_paired(&mut a, &mut second).await;
        assert_ne!(a.up[&copied], instance);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_book_alone_brings_everyone_back_on_the_same_ports() {
    let enrolled = Enrolled::of([1, 2]);
    let mut a = Node::start(config(1), &enrolled).await;
    let address_a = a.address().await;
    let mut with_a = config(2);
    with_a.static_peers.push(address_a.clone());
    let mut b = Node::start(with_a, &enrolled).await;
    let address_b = b.address().await;
    until_paired(&mut a, &mut b).await;
    let (peer_a, peer_b) = (a.peer, b.peer);
    a.until("b in the book", |node| {
        node.book.iter().any(|entry| entry.peer == peer_b && entry.addresses.contains(&address_b))
    })
    .await;
    b.until("a in the book", |node| {
        node.book.iter().any(|entry| entry.peer == peer_a && entry.addresses.contains(&address_a))
    })
    .await;
    let (book_a, book_b) = (a.book.clone(), b.book.clone());
    tokio::join!(a.stop(), b.stop());

    let again = |seed, book: Vec<_>| {
        let mut again = config(seed);
        again.book =
            entente_discovery::decode_book(&entente_discovery::encode_book(&book)).expect("its own bytes");
        again
    };
    let mut a = Node::start(again(1, book_a), &enrolled).await;
    let mut b = Node::start(again(2, book_b), &enrolled).await;
    assert_eq!((a.address().await, b.address().await), (address_a, address_b), "the remembered ports");
    until_paired(&mut a, &mut b).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_taken_port_is_replaced_announced_and_found_by_the_others() {
    let enrolled = Enrolled::of([1, 2]);
    let mut a = Node::start(config(1), &enrolled).await;
    let mut with_a = config(2);
    with_a.static_peers.push(a.address().await);
    let mut b = Node::start(with_a, &enrolled).await;
    let old = b.address().await;
    until_paired(&mut a, &mut b).await;
    let peer_b = b.peer;
    a.until("b's address", |node| {
        node.book.iter().any(|entry| entry.peer == peer_b && entry.addresses.contains(&old))
    })
    .await;
    b.until("its own port in the book", |node| node.book.iter().any(|entry| entry.addresses.contains(&old)))
        .await;
    let book = b.book.clone();
    b.stop().await;
    a.until_down(peer_b).await;

    let port: u16 = old.to_string().split('/').nth(4).and_then(|port| port.parse().ok()).expect("a port");
    let _taken = UdpSocket::bind(("127.0.0.1", port)).expect("it was given back");
    let mut again = config(2);
    again.book = book;
    let mut b = Node::start(again, &enrolled).await;
    let (new, wanted) = b
        .wait("listening", |event| match event {
            MeshEvent::Listening { address, instead_of } => Some((address.clone(), instead_of.clone())),
            _ => None,
        })
        .await;
    assert_eq!(wanted, Some(old.clone()));
    assert_ne!(new, old);
    until_paired(&mut a, &mut b).await;
    a.until("the new address, and no longer the old", |node| {
        node.book.iter().any(|entry| {
            entry.peer == peer_b && entry.addresses.contains(&new) && !entry.addresses.contains(&old)
        })
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_port_set_by_the_operator_is_an_error_when_taken() {
    let taken = UdpSocket::bind(("127.0.0.1", 0)).expect("loopback");
    let port = taken.local_addr().expect("bound").port();
    let address: Multiaddr = format!("/ip4/127.0.0.1/udp/{port}/quic-v1").parse().expect("address");
    let mut strict = config(1);
    strict.listen = vec![address.clone()];
    strict.port = PortPolicy::Strict;
    match Node::try_start(strict, &Enrolled::of([1])) {
        Err(MeshError::PortInUse { address: named }) => assert_eq!(named, address),
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("two sockets on one port"),
    }
}
