//! Between mesh and engine: frames as inputs, and faults of the links.
//!
//! Guarantees: inputs of one peer keep their order; when the engine is behind, reading from peers waits. Who may in is for
//! [`super::members`].

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Instant;

use entente_discovery::{
    BookEntry, LinkFault, MeshEvent, PeerId, Refusal, RefusalReason, encode_book, key_of_peer,
};
use entente_protocol::engine::{Input, NodeId};
use entente_protocol::identity::PublicKey;
use entente_protocol::record::{EventKind, Matter};
use entente_protocol::replicate::{MAX_MESSAGE_BYTES, PeerMessage};
use entente_protocol::wire;
use tokio::sync::{mpsc, watch};
use tracing::Instrument as _;

use super::exhibits::Seen;
use super::faults::Lines;
use super::rate::Rate;
use super::{BOOK, Handle, Stopped};
use crate::api::dto::{EventView, FaultView};

/// Inputs from peers that wait for the engine; each is at most [`MAX_MESSAGE_BYTES`].
pub const PEER_QUEUE: usize = 128;

/// Requests for head reports that one peer may bring at once, and per second: each makes this node sign, and tell others. A
/// starting node asks once a second, and a peer passes on what others ask. What is dropped is asked for again.
pub(super) const HEAD_REQUESTS_BURST: u32 = 128;
/// See [`HEAD_REQUESTS_BURST`].
pub(super) const HEAD_REQUESTS_PER_S: u32 = 64;
/// No request for a head report has more bytes.
const MAX_HEAD_REQUEST_BYTES: usize = 192;
/// Savings of the peer book at once, and per second: members say when it changes, and each saving costs an fsync. A whole
/// coalition that meets is within the burst, so that a crash right after it forgets nobody.
const BOOK_BURST: u32 = 128;
/// See [`BOOK_BURST`].
const BOOKS_PER_S: u32 = 1;
/// Lines of the log on one peer's coming and going per [`super::faults::FAULT_INTERVAL`]; more are counted.
const MAX_PEER_LINES: u32 = 16;

/// What one peer may still do.
struct Allowed {
    head_requests: Rate,
    lines: Lines,
}

/// The row of a member, so there are no more rows than nodes that were ever enrolled.
fn of(allowed: &mut BTreeMap<NodeId, Allowed>, id: NodeId, now: Instant) -> &mut Allowed {
    let head_requests = || Rate::new(HEAD_REQUESTS_BURST, HEAD_REQUESTS_PER_S, now);
    allowed.entry(id).or_insert_with(|| Allowed { head_requests: head_requests(), lines: Lines::default() })
}

/// Carries the mesh's events to the engine until the mesh has ended; a mesh that ends by itself stops the node.
pub(super) async fn run(mut events: mpsc::Receiver<MeshEvent>, engine: mpsc::Sender<Input>, node: Handle) {
    let mut allowed = BTreeMap::<NodeId, Allowed>::new();
    let (newest, changed) = watch::channel(None);
    let saving = tokio::spawn(save_books(changed, node.clone()).in_current_span());
    while let Some(event) = events.recv().await {
        let now = Instant::now();
        let input = match event {
            MeshEvent::PeerUp { peer, .. } => {
                let Some(id) = node.members().node(&peer) else {
                    continue;
                };
                let partner = node.partner_of(&id);
                if let Some(more) = of(&mut allowed, id, now).lines.take(MAX_PEER_LINES, now) {
                    tracing::info!(%partner, %peer, more, "peer up");
                }
                node.follow().tell(EventView::PeerUp { partner, node: id });
                Input::PeerUp(id)
            }
            MeshEvent::PeerDown { peer, reason } => {
                let Some(id) = node.members().node(&peer) else {
                    continue;
                };
                let partner = node.partner_of(&id);
                if let Some(more) = of(&mut allowed, id, now).lines.take(MAX_PEER_LINES, now) {
                    tracing::info!(%partner, %peer, %reason, more, "peer down");
                }
                node.follow().tell(EventView::PeerDown { partner, node: id, reason });
                Input::PeerDown(id)
            }
            MeshEvent::Frame { peer, bytes } => {
                let Some(id) = node.members().node(&peer) else {
                    continue;
                };
                node.metrics().frames_in.fetch_add(1, Relaxed);
                node.metrics().bytes_in.fetch_add(bytes.len() as u64, Relaxed);
                if bytes.len() > MAX_MESSAGE_BYTES {
                    let what = format!("message of {} bytes, at most {MAX_MESSAGE_BYTES}", bytes.len());
                    faults(&node, Some(peer), "malformed", what, Some(Seen::Message(bytes.to_vec())), 1);
                    continue;
                }
                if is_head_request(&bytes) && !of(&mut allowed, id, now).head_requests.take(now) {
                    let what =
                        format!("more than {HEAD_REQUESTS_PER_S} requests for head reports per second");
                    fault(&node, Some(peer), "flood", what);
                    continue;
                }
                Input::Received { peer: id, bytes: bytes.to_vec() }
            }
            MeshEvent::Refused(refusal) => {
                refused(&node, refusal);
                continue;
            }
            MeshEvent::Fault { peer, fault: link } => {
                let code = match &link {
                    LinkFault::FrameTooLarge { .. } => "too_large",
                    LinkFault::BadBeacon(_) => "bad_beacon",
                    LinkFault::BadHello(_) => "malformed",
                };
                fault(&node, Some(peer), code, link.to_string());
                continue;
            }
            MeshEvent::Listening { address, instead_of } => {
                node.add_listener();
                match instead_of {
                    Some(wanted) => {
                        tracing::warn!(%address, %wanted, "listening elsewhere: the port is in use")
                    }
                    None => tracing::info!(%address, "listening"),
                }
                continue;
            }
            MeshEvent::BookChanged(book) => {
                newest.send_replace(Some(book));
                continue;
            }
        };
        // An engine that has ended takes nothing; the events are drained all the same, so that the mesh can end.
        let _ = engine.send(input).await;
    }
    drop(newest);
    // A panic there has been reported by the runtime.
    let _ = saving.await;
    // It is ended after the engine; by itself it ends only by a defect, and a node that hears nobody must not look well.
    if node.watch_stopped().borrow().is_none() {
        tracing::error!("the mesh ended unexpectedly");
        node.fail(Stopped::Lost).await;
    }
}

/// Stores the newest peer book, beside the frames, at a bounded rate ([`BOOK_BURST`]).
async fn save_books(mut changed: watch::Receiver<Option<Vec<BookEntry>>>, node: Handle) {
    let mut rate = Rate::new(BOOK_BURST, BOOKS_PER_S, Instant::now());
    // The last one is seen before the end of the channel is.
    while changed.changed().await.is_ok() {
        let Some(book) = changed.borrow_and_update().clone() else { continue };
        let store = Arc::clone(node.store());
        let others = book.iter().filter(|entry| entry.peer != node.mesh().local_peer()).count();
        let saved = tokio::task::spawn_blocking(move || store.set_meta(BOOK, &encode_book(&book))).await;
        if let Ok(Err(error)) = saved {
            return node.fail(Stopped::Storage(error)).await;
        }
        node.metrics().remembered.store(others as u64, Relaxed);
        rate.charge(1);
        let pause = rate.wait(Instant::now());
        let mut stopped = node.watch_stopped();
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            _ = stopped.wait_for(Option::is_some) => {}
        }
    }
}

/// Whether a frame asks for head reports: looked at before the engine's turn, and only in frames as short as those are.
fn is_head_request(bytes: &[u8]) -> bool {
    bytes.len() <= MAX_HEAD_REQUEST_BYTES
        && matches!(wire::decode(bytes, MAX_HEAD_REQUEST_BYTES), Ok(PeerMessage::HeadRequest(_)))
}

/// The stable word for why somebody was not let in.
fn refusal_code(reason: &RefusalReason) -> &'static str {
    match reason {
        RefusalReason::WrongSecret | RefusalReason::NotEnrolled | RefusalReason::Silent => "stranger",
        RefusalReason::Credential(_) => "credential",
        RefusalReason::Impostor { .. } => "impersonation",
        RefusalReason::OtherProcess => "two_processes",
        RefusalReason::ForeignNetwork => "foreign_coalition",
        RefusalReason::WrongPeer { .. } => "wrong_peer",
        RefusalReason::Malformed(_) => "malformed",
        RefusalReason::TooManyPending(_) => "flood",
        RefusalReason::Blocked | RefusalReason::ByPeer(_) => "refused",
    }
}

fn refused(node: &Handle, mut refusal: Refusal) {
    let seen = refusal.credential.take().map(Seen::Credential);
    let code = refusal_code(&refusal.reason);
    let way = if refusal.inbound { "from" } else { "to" };
    let times = if refusal.count > 1 { format!(" ({} times)", refusal.count) } else { String::new() };
    let what = format!("connection {way} {} refused: {}{times}", refusal.remote, refusal.reason);
    match &refusal.reason {
        // Not the other's fault: the operator's own order.
        RefusalReason::Blocked => tracing::debug!(what, "link refused"),
        RefusalReason::Impostor { .. } | RefusalReason::OtherProcess => {
            let member = refusal.peer.and_then(|peer| node.members().node(&peer));
            let partner = member.and_then(|id| node.members().partner(&id));
            // Whose key it is knows as little as anybody which of two processes is a copy.
            let (against, victim) = match &refusal.reason {
                RefusalReason::Impostor { claimed, .. } => (partner, claimed.parse().ok()),
                _ => (None, partner),
            };
            let key = refusal.peer.and_then(|peer| PublicKey::from_ed25519(key_of_peer(&peer)?).ok());
            let matter = Matter { kind: EventKind::Impersonation, against, key, victim };
            node.follow().saw(matter, &what, seen, refusal.count);
            fault(node, refusal.peer, code, what);
        }
        _ => {
            if let Some(matter) = bad_chain(node, &refusal, seen.as_ref()) {
                node.follow().saw(matter, &what, seen.clone(), refusal.count);
            }
            faults(node, refusal.peer, code, what, seen, refusal.count);
        }
    }
}

/// What is filed of a member's own node that showed a bad chain: it has proved its key, so there is no doubt whose node it is.
fn bad_chain(node: &Handle, refusal: &Refusal, seen: Option<&Seen>) -> Option<Matter> {
    let (RefusalReason::Credential(_), Some(Seen::Credential(shown))) = (&refusal.reason, seen) else {
        return None;
    };
    let key = node.members().node(&refusal.peer?)?;
    let against = node.members().partner(&key);
    let bad = node.members().shows_bad_chain(&key, shown);
    bad.then_some(Matter { kind: EventKind::Impersonation, against, key: Some(key), victim: None })
}

fn fault(handle: &Handle, peer: Option<PeerId>, code: &str, what: String) {
    faults(handle, peer, code, what, None, 1);
}

/// Tells of a fault that stands for so many.
fn faults(handle: &Handle, peer: Option<PeerId>, code: &str, what: String, seen: Option<Seen>, count: u64) {
    let node = peer.and_then(|peer| handle.members().node(&peer));
    let partner = node.map(|node| handle.partner_of(&node));
    let fault = FaultView { count, ..FaultView::new(partner, node, None, code, what) };
    handle.follow().fault(fault, seen, None);
}

#[cfg(test)]
mod tests {
    use entente_hbbft::Seat;
    use entente_protocol::identity::{CoalitionId, SecretKey, hash};
    use entente_protocol::replicate::Want;
    use entente_protocol::time::Time;
    use entente_protocol::vote::HeadRequest;

    use super::super::incidents::FLOODS;
    use super::*;

    #[test]
    fn whoever_is_refused_by_its_own_fault_is_counted_towards_a_flood() {
        let words = || String::from("why");
        let reasons = [
            RefusalReason::Silent,
            RefusalReason::WrongSecret,
            RefusalReason::ForeignNetwork,
            RefusalReason::NotEnrolled,
            RefusalReason::Credential(words()),
            RefusalReason::Impostor { claimed: words(), why: words() },
            RefusalReason::OtherProcess,
            RefusalReason::WrongPeer { expected: PeerId::random() },
            RefusalReason::Malformed(words()),
            RefusalReason::Blocked,
            RefusalReason::TooManyPending(words()),
            RefusalReason::ByPeer(words()),
        ];
        for reason in reasons {
            let counted = FLOODS.contains(&refusal_code(&reason));
            match reason {
                // Reported each by itself, and the operators' own orders.
                RefusalReason::Impostor { .. }
                | RefusalReason::OtherProcess
                | RefusalReason::Blocked
                | RefusalReason::ByPeer(_) => assert!(!counted, "{reason}"),
                RefusalReason::Silent
                | RefusalReason::WrongSecret
                | RefusalReason::ForeignNetwork
                | RefusalReason::NotEnrolled
                | RefusalReason::Credential(_)
                | RefusalReason::WrongPeer { .. }
                | RefusalReason::Malformed(_)
                | RefusalReason::TooManyPending(_) => assert!(counted, "{reason}"),
            }
        }
    }

    #[test]
    fn requests_for_head_reports_are_told_from_other_frames_however_large_their_numbers() {
        let key = SecretKey::from_seed(&[1; 32]);
        let coalition = CoalitionId(hash("test", &[b"coalition"]));
        let request = HeadRequest::sign(&coalition, Seat(u16::MAX), [0xff; 32], Time(u64::MAX), &key);
        let bytes = wire::encode(&PeerMessage::HeadRequest(request));
        assert!(bytes.len() <= MAX_HEAD_REQUEST_BYTES, "{} bytes", bytes.len());
        assert!(is_head_request(&bytes));
        assert!(!is_head_request(&bytes[1..]));
        assert!(!is_head_request(&wire::encode(&PeerMessage::Want(Want::Certificate { epoch: 1 }))));
    }
}
