//! The gate from outside: strangers, wrong secrets, refused credentials, floods.

use std::{
    future::poll_fn,
    net::{Ipv4Addr, SocketAddr, SocketAddrV4},
    pin::Pin,
    task::Poll,
    time::Duration,
};

use entente_discovery::{
    CoalitionSecret, MAX_PENDING_PER_SOURCE, MeshEvent, Multiaddr, PeerId, Refusal, RefusalReason,
};
use futures::{AsyncReadExt, AsyncWriteExt};
use libp2p::{
    Transport,
    core::{
        Endpoint,
        muxing::StreamMuxerExt,
        transport::{DialOpts, PortUse},
    },
    quic,
};
use tokio::net::UdpSocket;

use crate::harness::{Enrolled, Node, SAFETY_NET, config, keypair, named, peer_id, until_paired};

async fn refusal(node: &mut Node, inbound: bool) -> (Option<PeerId>, RefusalReason) {
    let Refusal { peer, reason, .. } = told(node, inbound).await;
    (peer, reason)
}

async fn told(node: &mut Node, inbound: bool) -> Refusal {
    node.wait("a refusal", |event| match event {
        MeshEvent::Refused(refusal) if refusal.inbound == inbound => Some(refusal.clone()),
        _ => None,
    })
    .await
}

/// A libp2p QUIC connection without any gate of ours.
async fn raw_dial(seed: u8, address: &Multiaddr) -> (PeerId, quic::Connection) {
    let mut transport = quic::tokio::Transport::new(quic::Config::new(&keypair(seed)));
    let opts = DialOpts { role: Endpoint::Dialer, port_use: PortUse::New };
    let dial = transport.dial(address.clone(), opts).expect("a quic address");
    tokio::time::timeout(SAFETY_NET, dial).await.expect("in time").expect("tls lets everyone in")
}

/// What the other side sends on the first stream until it hangs up, after `said` was sent; and whether it ever opened one.
async fn talk(connection: &mut quic::Connection, said: &[u8]) -> (Vec<u8>, bool) {
    let mut stream = poll_fn(|cx| connection.poll_outbound_unpin(cx)).await.expect("a stream can be opened");
    stream.write_all(said).await.expect("the stream is open");
    stream.flush().await.expect("the stream is open");
    let mut heard = Vec::new();
    let mut opened = false;
    let talk = async {
        let read = stream.read_to_end(&mut heard);
        tokio::pin!(read);
        poll_fn(|cx| {
            while let Poll::Ready(inbound) = connection.poll_inbound_unpin(cx) {
                match inbound {
                    Ok(_) => opened = true,
                    Err(_) => return Poll::Ready(()),
                }
            }
            match read.as_mut().poll(cx) {
                Poll::Ready(_) => Poll::Ready(()),
                Poll::Pending => Poll::Pending,
            }
        })
        .await;
    };
    tokio::time::timeout(SAFETY_NET, talk).await.expect("hung up on");
    (heard, opened)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stranger_receives_no_byte_learns_no_member_and_is_hung_up_on() {
    let enrolled = Enrolled::of([1, 2]);
    let mut a = Node::start(config(1), &enrolled).await;
    let address = a.address().await;
    let mut other = config(2);
    other.static_peers.push(address.clone());
    let mut b = Node::start(other, &enrolled).await;
    until_paired(&mut a, &mut b).await;

    // It copied what can be seen from outside or leaked from a log: names, even the key of an enrolled node would not help.
    let (_, mut connection) = raw_dial(66, &address).await;
    let said = b"\x13/multistream/1.0.0\n\x20/0123456789abcdef/meshsub/1.1.0\n and some copied topic, long enough for a proof ....................";
    let (heard, opened) = talk(&mut connection, said).await;
    assert_eq!(heard, b"", "not one byte");
    assert!(!opened, "no stream either");
    let (peer, reason) = refusal(&mut a, true).await;
    assert_eq!((peer, reason), (Some(peer_id(66)), RefusalReason::WrongSecret));
    a.drain();
    assert_eq!(a.up.len(), 1, "the member stays");
    let known = a.mesh.peers().await.expect("runs");
    assert!(known.iter().all(|status| status.peer == Some(b.peer)), "a stranger is no peer");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_silent_connection_is_hung_up_on_in_time() {
    let mut quick = config(1);
    quick.profile.gate_timeout = Duration::from_millis(500);
    let mut a = Node::start(quick, &Enrolled::of([1])).await;
    let address = a.address().await;
    let (_, mut connection) = raw_dial(66, &address).await;
    let closed = poll_fn(|cx| connection.poll_inbound_unpin(cx));
    assert!(tokio::time::timeout(SAFETY_NET, closed).await.expect("hung up on").is_err());
    assert_eq!(refusal(&mut a, true).await, (Some(peer_id(66)), RefusalReason::Silent));
}

/// Starts two nodes that must not connect; gives what each end says of it.
async fn refused(
    change: impl FnOnce(&mut entente_discovery::MeshConfig),
    listener_enrols: &[u8],
    dialler_enrols: &[u8],
) -> (Option<RefusalReason>, String, Refusal) {
    let mut a = Node::start(config(1), &Enrolled::of(listener_enrols.iter().copied())).await;
    let mut other = config(2);
    other.listen.clear();
    other.static_peers.push(a.address().await);
    change(&mut other);
    let mut b = Node::start(other, &Enrolled::of(dialler_enrols.iter().copied())).await;
    let at_listener = told(&mut a, true).await;
    assert_eq!(at_listener.peer, Some(peer_id(2)));
    let last_error = tokio::time::timeout(SAFETY_NET, async {
        loop {
            let peers = b.mesh.peers().await.expect("runs");
            if let Some(error) = peers.into_iter().find_map(|status| status.last_error) {
                return error;
            }
            tokio::task::yield_now().await;
        }
    })
    .await
    .expect("a dial fails");
    a.drain();
    b.drain();
    assert!(a.up.is_empty() && b.up.is_empty());
    let at_dialler = b.seen.iter().find_map(|event| match event {
        MeshEvent::Refused(refusal) => Some(refusal.reason.clone()),
        _ => None,
    });
    (at_dialler, last_error, at_listener)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_secret_is_refused_in_silence() {
    let (at_dialler, error, at_listener) =
        refused(|other| other.secret = CoalitionSecret::new([8; 32]), &[1, 2], &[1, 2]).await;
    assert_eq!((at_listener.reason, at_listener.credential), (RefusalReason::WrongSecret, None));
    assert_eq!(at_dialler, None, "the dialler is told nothing");
    assert!(error.contains("hung up"), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_foreign_network_with_a_copied_secret_is_refused() {
    let (_, _, at_listener) = refused(|other| other.network = [8; 32], &[1, 2], &[1, 2]).await;
    assert_eq!((at_listener.reason, at_listener.credential), (RefusalReason::ForeignNetwork, None));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refused_credential_is_told_to_who_knows_the_secret() {
    let (_, error, at_listener) = refused(|other| other.credential = b"old".to_vec(), &[1, 2], &[1, 2]).await;
    assert_eq!(at_listener.reason, RefusalReason::Credential("expired yesterday".into()));
    assert_eq!(at_listener.credential, Some(b"old".to_vec()), "the refusal carries what was shown");
    assert!(error.contains("expired yesterday"), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_is_not_enrolled_is_refused_though_it_knows_the_secret() {
    let (_, error, at_listener) = refused(|_| {}, &[1], &[1, 2]).await;
    assert_eq!(at_listener.reason, RefusalReason::NotEnrolled);
    assert!(error.contains("not enrolled"), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dialler_tells_the_wrong_node_nothing() {
    // Trap: the swarm compares peer ids only after the upgrade.
    let enrolled = Enrolled::of([1, 2, 3]);
    let mut a = Node::start(config(1), &enrolled).await;
    let mut other = config(2);
    other.static_peers.push(named(&a.address().await, peer_id(3)));
    let mut b = Node::start(other, &enrolled).await;
    let (peer, reason) = refusal(&mut b, false).await;
    assert_eq!((peer, reason), (Some(peer_id(1)), RefusalReason::WrongPeer { expected: peer_id(3) }));
    // Nor a node that is not enrolled.
    let mut c = Node::start(config(4), &Enrolled::of([1, 2, 4])).await;
    b.mesh.add_peer(c.address().await).await.expect("an address");
    let (peer, reason) = refusal(&mut b, false).await;
    assert_eq!((peer, reason), (Some(peer_id(4)), RefusalReason::NotEnrolled));
    c.drain();
    assert!(c.up.is_empty());
}

/// Forwards datagrams from a new socket on `source` to `target`, and drops all answers: a client behind it never finishes a
/// handshake. Gives the address to dial.
async fn one_way(source: Ipv4Addr, target: SocketAddr) -> (SocketAddr, tokio::task::JoinHandle<()>) {
    let front = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("loopback");
    let back = UdpSocket::bind((source, 0)).await.expect("all of 127/8 is loopback");
    let address = front.local_addr().expect("bound");
    let task = tokio::spawn(async move {
        let mut datagram = vec![0; 65536];
        while let Ok(length) = front.recv(&mut datagram).await {
            if back.send_to(&datagram[..length], target).await.is_err() {
                return;
            }
        }
    });
    (address, task)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn silent_connections_from_one_source_do_not_lock_honest_diallers_out() {
    // Trap: with a small limit of pending connections silent ones lock everyone out. The flood begins 600 handshakes from
    // one address and finishes none; honest nodes come from another.
    const FLOOD: usize = 600;
    let enrolled = Enrolled::of([1, 2, 3]);
    let mut a = Node::start(config(1), &enrolled).await;
    let address = a.address().await;
    let port = address.iter().find_map(|part| match part {
        libp2p::multiaddr::Protocol::Udp(port) => Some(port),
        _ => None,
    });
    let target = SocketAddrV4::new(Ipv4Addr::LOCALHOST, port.expect("udp")).into();
    let mut forwards = Vec::new();
    let mut transport = quic::tokio::Transport::new(quic::Config::new(&keypair(66)));
    let mut dials: Vec<Pin<Box<dyn Future<Output = ()> + Send>>> = Vec::new();
    for _ in 0..FLOOD {
        let (front, task) = one_way(Ipv4Addr::new(127, 0, 0, 2), target).await;
        forwards.push(task);
        let front: Multiaddr =
            format!("/ip4/127.0.0.1/udp/{}/quic-v1", front.port()).parse().expect("address");
        let opts = DialOpts { role: Endpoint::Dialer, port_use: PortUse::Reuse };
        let dial = transport.dial(front, opts).expect("a quic address");
        dials.push(Box::pin(async move { drop(dial.await) }));
    }
    let flood = tokio::spawn(futures::future::join_all(dials));
    let source = a
        .wait("the limit of the source", |event| match event {
            MeshEvent::Refused(refusal) => match &refusal.reason {
                RefusalReason::TooManyPending(what) => Some((refusal.remote.clone(), what.clone())),
                _ => None,
            },
            _ => None,
        })
        .await;
    assert!(source.0.to_string().starts_with("/ip4/127.0.0.2/"), "{source:?}, {MAX_PENDING_PER_SOURCE}");

    for seed in [2, 3] {
        let mut honest = config(seed);
        honest.static_peers.push(address.clone());
        let mut honest = Node::start(honest, &enrolled).await;
        until_paired(&mut a, &mut honest).await;
    }
    flood.abort();
    forwards.iter().for_each(tokio::task::JoinHandle::abort);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_first_flight_carries_a_post_quantum_key_share() {
    // The negotiated group is not observable through libp2p. What is: an X25519MLKEM768 share is 1216 bytes, so the client's
    // hello fills more than one datagram of 1200 bytes; a classical share leaves it at one.
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("loopback");
    let port = socket.local_addr().expect("bound").port();
    let mut dialler = config(1);
    dialler.static_peers.push(format!("/ip4/127.0.0.1/udp/{port}/quic-v1").parse().expect("address"));
    let _node = Node::start(dialler, &Enrolled::of([1])).await;
    let mut datagram = vec![0; 65536];
    let mut initial = async || {
        let (length, _) = socket.recv_from(&mut datagram).await.expect("a datagram");
        // A padded packet with a long header of type Initial; it names its connection (RFC 9000, 17.2.2).
        assert!(length >= 1200 && datagram[0] & 0xf0 == 0xc0, "an Initial packet");
        datagram[6..6 + usize::from(datagram[5])].to_vec()
    };
    let first = tokio::time::timeout(SAFETY_NET, initial()).await.expect("it dials");
    // Well before the first retransmission, which comes after a second without an answer (RFC 9002, 6.2).
    let second = tokio::time::timeout(Duration::from_millis(700), initial()).await.expect("two at once");
    assert_eq!(first, second, "of the same connection");
}
