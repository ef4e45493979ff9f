//! Frames: order, sizes, back-pressure, faults, and streams that end.

use std::time::Duration;

use entente_discovery::{EVENT_QUEUE, LinkFault, MAX_FRAME_BYTES, MAX_QUEUED_BYTES, MeshEvent, SendError};

use crate::{
    harness::{Enrolled, Node, config, ordered, until_paired},
    rogue::Rogue,
};

async fn pair() -> (Node, Node) {
    let enrolled = Enrolled::of([1, 2]);
    let mut a = Node::start(config(1), &enrolled).await;
    let mut with_a = config(2);
    with_a.static_peers.push(a.address().await);
    let mut b = Node::start(with_a, &enrolled).await;
    until_paired(&mut a, &mut b).await;
    (a, b)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn frames_arrive_whole_and_in_order_and_a_slow_reader_slows_the_sender() {
    let (a, mut b) = pair().await;
    assert!(matches!(a.mesh.send(b.peer, ""), Err(SendError::FrameSize { bytes: 0 })));
    assert!(matches!(a.mesh.send(b.peer, vec![0; MAX_FRAME_BYTES + 1]), Err(SendError::FrameSize { .. })));
    assert!(matches!(a.mesh.send(a.peer, "x"), Err(SendError::NotConnected { .. })));

    // Nobody reads at b: its event queue, the network's windows and then a's queue fill, all bounded.
    let frame = |number: u32| {
        let mut frame = vec![number as u8; 64 * 1024];
        frame[..4].copy_from_slice(&number.to_be_bytes());
        frame
    };
    let mut sent = 0u32;
    let full = loop {
        match a.mesh.send(b.peer, frame(sent)) {
            Ok(()) => sent += 1,
            Err(full) if sent as usize > EVENT_QUEUE => break full,
            // The writer is only slower than this loop.
            Err(_) => tokio::task::yield_now().await,
        }
        assert!((sent as usize) * 64 * 1024 < 8 * MAX_QUEUED_BYTES, "the sender is never held back");
    };
    assert!(matches!(full, SendError::Full { .. }), "{full}");

    // Reading makes room again: what waits gets through, and everything arrives in order.
    let mesh = a.mesh.clone();
    let peer = b.peer;
    let last = tokio::spawn(async move { mesh.send_when_room(peer, vec![1]).await });
    for number in 0..sent {
        let expected = frame(number);
        b.wait("the next frame", |event| match event {
            MeshEvent::Frame { bytes, .. } => {
                assert!(bytes[..] == expected[..], "frame {number}");
                Some(())
            }
            _ => None,
        })
        .await;
        b.seen.clear();
    }
    last.await.expect("no panic").expect("there is room");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_frame_too_large_is_a_fault_and_the_link_comes_back() {
    // The lower id opens the stream.
    let (low, high) = ordered(1, 2);
    let mut a = Node::start(config(high), &Enrolled::of([low])).await;
    let address = a.address().await;
    let mut rogue = Rogue::connect(low, a.peer, &address).await;
    a.until_up(rogue.peer).await;
    rogue.say(&(u32::MAX).to_be_bytes()).await;
    let fault = a
        .wait("a fault", |event| match event {
            MeshEvent::Fault { peer, fault } => Some((*peer, fault.clone())),
            _ => None,
        })
        .await;
    assert_eq!(fault, (rogue.peer, LinkFault::FrameTooLarge { announced_bytes: u32::MAX }));
    a.until_down(rogue.peer).await;
    // The connection lives; a new stream makes a new link.
    assert!(rogue.reopen().await);
    a.until_up(rogue.peer).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_member_that_opens_streams_in_a_loop_is_soon_let_wait() {
    let (low, high) = ordered(1, 2);
    let mut a = Node::start(config(high), &Enrolled::of([low])).await;
    let address = a.address().await;
    let mut rogue = Rogue::connect(low, a.peer, &address).await;
    let mut taken = 0;
    while taken < 100 && rogue.reopen().await {
        taken += 1;
    }
    assert!((8..100).contains(&taken), "{taken} streams were taken");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_silent_after_it_was_spoken_to_is_given_up() {
    let (low, high) = ordered(1, 2);
    let mut with_patience = config(high);
    with_patience.profile.answer_timeout = Duration::from_millis(300);
    let mut a = Node::start(with_patience, &Enrolled::of([low])).await;
    let address = a.address().await;
    // Its connection lives and acknowledges; it reads nothing and says nothing.
    let rogue = Rogue::connect(low, a.peer, &address).await;
    a.until_up(rogue.peer).await;
    a.mesh.send(rogue.peer, "are you there?").expect("there is room");
    let reason = a
        .wait("the end of the link", |event| match event {
            MeshEvent::PeerDown { reason, .. } => Some(reason.clone()),
            _ => None,
        })
        .await;
    assert!(reason.contains("silent"), "{reason}");
}
