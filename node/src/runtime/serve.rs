//! Answers what peers lack, straight from the store, beside the engine.
//!
//! Guarantees: an answer holds only what is durable. Each peer that is let in has a queue of its own, of [`MAX_WANTS`], and one answer at a
//! time; answers are made one after the other, in rotation over the peers that want something, so that one who asks in a loop
//! gets its share and no more. No answer is made while [`SERVE_AHEAD_BYTES`] wait towards its peer, so that a peer
//! that does not read costs no reading of the store and the engine's frames have room, nor faster than [`SERVE_BYTES_PER_S`].
//! What does not fit is dropped (a want that waits already, one beyond the queue, the rest of an answer to a peer that is
//! gone): the peer asks again after its time-out. Damage that shows here stops the node.

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use entente_protocol::coalition::map::Part;
use entente_protocol::engine::NodeId;
use entente_protocol::replicate::{Want, serve};
use entente_protocol::wire;
use tokio::sync::{Notify, Semaphore};
use tracing::Instrument as _;

use super::rate::Rate;
use super::{Handle, Stopped};
use crate::storage::StoreError;

/// Wants of one peer that wait to be answered.
pub const MAX_WANTS: usize = 256;
/// No answer is made for a peer towards which so many bytes wait: two answers of the greatest size.
pub const SERVE_AHEAD_BYTES: usize = 1 << 20;
/// What one peer is served per second, in bytes: over twenty times what four partners at 5,000 entries of 256 bytes make.
pub const SERVE_BYTES_PER_S: u32 = 32 << 20;
/// What one peer is served at once after a rest, in bytes.
pub const SERVE_BURST_BYTES: u32 = 8 << 20;
/// What an answer counts at least, in bytes: also one that holds nothing costs reading.
const MIN_ANSWER_BYTES: u32 = 4096;
/// Answers that are made at once.
const SERVE_PARALLEL: usize = 1;

/// The queues of all peers that have wanted something: no more than nodes that were enrolled since the start.
pub(super) struct Serving {
    queues: BTreeMap<NodeId, Arc<Queue>>,
    turns: Arc<Semaphore>,
    /// Where the tasks run; each ends when the node stops.
    runtime: tokio::runtime::Handle,
    node: Handle,
}

impl Serving {
    /// Nobody wants anything yet. Must be called within a tokio runtime.
    pub(super) fn new(node: &Handle) -> Self {
        let turns = Arc::new(Semaphore::new(SERVE_PARALLEL));
        let runtime = tokio::runtime::Handle::current();
        Self { queues: BTreeMap::new(), turns, runtime, node: node.clone() }
    }

    /// Takes a want of a member; says whether it is waiting now.
    pub(super) fn push(&mut self, by: &NodeId, want: Asked) -> bool {
        if let Some(queue) = self.queues.get(by) {
            return queue.push(want);
        }
        let Some(id) = self.node.members().peer(by) else { return false };
        let queue = Arc::<Queue>::default();
        self.queues.insert(*by, Arc::clone(&queue));
        let (turns, peer) = (Arc::clone(&self.turns), Peer { id, node: self.node.clone() });
        let waits = queue.push(want);
        let span = peer.node.span();
        self.runtime.spawn(async move { peer.run(&queue, &turns).await }.instrument(span));
        waits
    }
}

/// A want, how many frames may be shown of each seat that it names, and which part of the copy of the state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Asked {
    pub(super) want: Want,
    pub(super) frames: Vec<u32>,
    pub(super) part: Option<Part>,
}

/// What one peer wants.
#[derive(Default)]
struct Queue {
    wants: Mutex<VecDeque<Asked>>,
    filled: Notify,
}

impl Queue {
    fn lock(&self) -> MutexGuard<'_, VecDeque<Asked>> {
        self.wants.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn push(&self, asked: Asked) -> bool {
        let mut wants = self.lock();
        if let Some(waiting) = wants.iter_mut().find(|waiting| waiting.want == asked.want) {
            (waiting.frames, waiting.part) = (asked.frames, asked.part);
            return true;
        }
        if wants.len() >= MAX_WANTS {
            return false;
        }
        wants.push_back(asked);
        drop(wants);
        self.filled.notify_one();
        true
    }

    /// Waits until there is a want, and leaves it where it is. Cancel-safe.
    async fn filled(&self) {
        while self.lock().is_empty() {
            self.filled.notified().await;
        }
    }
}

/// One that is served.
trait Served {
    /// Waits until an answer would not wait behind others; `false`: the peer is gone.
    fn room(&self) -> impl Future<Output = bool> + Send;
    /// Answers, and says how many bytes that took.
    fn answer(&self, asked: Asked) -> impl Future<Output = usize> + Send;
}

/// Answers what is in the queue for ever, in turn with the other peers: permits are given in the order in which they are
/// asked for, and each peer asks for one at a time.
async fn in_turn(served: &impl Served, queue: &Queue, turns: &Semaphore) {
    let mut rate = Rate::new(SERVE_BURST_BYTES, SERVE_BYTES_PER_S, Instant::now());
    loop {
        queue.filled().await;
        if !served.room().await {
            queue.lock().clear();
            continue;
        }
        let wait = rate.wait(Instant::now());
        if !wait.is_zero() {
            tokio::time::sleep(wait).await;
        }
        // Never closed.
        let Ok(_turn) = turns.acquire().await else { return };
        let Some(asked) = queue.lock().pop_front() else { continue };
        let bytes = served.answer(asked).await;
        rate.charge(u32::try_from(bytes).unwrap_or(u32::MAX).max(MIN_ANSWER_BYTES));
    }
}

/// A peer of the mesh.
struct Peer {
    id: entente_discovery::PeerId,
    node: Handle,
}

impl Peer {
    async fn run(&self, queue: &Queue, turns: &Semaphore) {
        let mut stopped = self.node.watch_stopped();
        tokio::select! {
            () = in_turn(self, queue, turns) => {}
            // An error says that the engine's thread is gone, which is the same.
            _ = stopped.wait_for(Option::is_some) => {}
        }
    }
}

impl Served for Peer {
    async fn room(&self) -> bool {
        self.node.mesh().until_below(self.id, SERVE_AHEAD_BYTES).await.is_ok()
    }

    async fn answer(&self, asked: Asked) -> usize {
        let (node, peer) = (&self.node, self.id);
        let store = Arc::clone(node.store());
        let frames = tokio::task::spawn_blocking(move || {
            let messages = serve(&*store, &asked.want, &asked.frames, asked.part.as_ref())?;
            Ok(messages.iter().map(wire::encode).collect::<Vec<_>>())
        });
        let frames = match frames.await {
            Ok(Ok(frames)) => frames,
            Ok(Err(damage)) => {
                let path = node.store().path().to_owned();
                node.fail(Stopped::Storage(StoreError::Damage { path, damage })).await;
                return 0;
            }
            // Panicked or cancelled: the runtime is ending.
            Err(_) => return 0,
        };
        let mut sent = 0;
        for frame in frames {
            let bytes = frame.len();
            match node.mesh().send(peer, frame) {
                Ok(()) => {
                    sent += bytes;
                    node.metrics().frames_out.fetch_add(1, Relaxed);
                    node.metrics().bytes_out.fetch_add(bytes as u64, Relaxed);
                }
                Err(error) => {
                    node.metrics().frames_dropped.fetch_add(1, Relaxed);
                    tracing::debug!(%peer, %error, "answer cut off");
                    break;
                }
            }
        }
        sent
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::mpsc;

    use super::*;

    fn want(epoch: u64) -> Asked {
        Asked { want: Want::Certificate { epoch }, frames: Vec::new(), part: None }
    }

    /// One that has room for so many answers, and tells of each.
    struct Told {
        name: char,
        room: Semaphore,
        answers: mpsc::UnboundedSender<(char, u64)>,
    }

    impl Served for Told {
        async fn room(&self) -> bool {
            match self.room.acquire().await {
                Ok(room) => {
                    room.forget();
                    true
                }
                Err(_) => false,
            }
        }

        async fn answer(&self, asked: Asked) -> usize {
            tokio::task::yield_now().await;
            if let Want::Certificate { epoch } = asked.want {
                self.answers.send((self.name, epoch)).expect("the test listens");
            }
            0
        }
    }

    #[test]
    fn a_queue_is_bounded_and_takes_a_want_that_waits_only_once() {
        let queue = Queue::default();
        assert!((0..MAX_WANTS as u64).all(|epoch| queue.push(want(epoch))));
        assert!(!queue.push(want(MAX_WANTS as u64)), "full");
        let again = Asked { frames: vec![2], ..want(3) };
        assert!(queue.push(again.clone()), "waits already");
        assert_eq!(
            queue.lock().iter().find(|asked| asked.want == again.want),
            Some(&again),
            "with what counts now"
        );
        assert_eq!(queue.lock().len(), MAX_WANTS);
    }

    #[tokio::test]
    async fn one_that_asks_in_a_loop_does_not_delay_another() {
        let turns = Semaphore::new(SERVE_PARALLEL);
        let (answers, mut told) = mpsc::unbounded_channel();
        let served = |name| Told { name, room: Semaphore::new(1000), answers: answers.clone() };
        let (greedy, modest) = (served('g'), served('m'));
        let (many, few) = (Queue::default(), Queue::default());
        (0..MAX_WANTS as u64).for_each(|epoch| assert!(many.push(want(epoch))));
        let serving = async { tokio::join!(in_turn(&greedy, &many, &turns), in_turn(&modest, &few, &turns)) };
        let asking = async {
            for _ in 0..20 {
                told.recv().await.expect("answers");
            }
            (0..5).for_each(|epoch| assert!(few.push(want(epoch))));
            let mut seen = String::new();
            while seen.matches('m').count() < 5 {
                seen.push(told.recv().await.expect("answers").0);
            }
            seen
        };
        let seen = tokio::select! {
            _ = serving => panic!("serving does not end"),
            seen = asking => seen,
        };
        assert!(seen.len() <= 12, "in rotation: {seen}");
    }

    #[tokio::test]
    async fn one_that_does_not_read_costs_no_answer_and_one_that_is_gone_keeps_no_want() {
        let turns = Semaphore::new(SERVE_PARALLEL);
        let (answers, mut told) = mpsc::unbounded_channel();
        let slow = Told { name: 's', room: Semaphore::new(2), answers };
        let queue = Queue::default();
        (0..10).for_each(|epoch| assert!(queue.push(want(epoch))));
        let serving = in_turn(&slow, &queue, &turns);
        tokio::pin!(serving);
        for epoch in 0..2 {
            tokio::select! {
                () = &mut serving => panic!("serving does not end"),
                answer = told.recv() => assert_eq!(answer, Some(('s', epoch))),
            }
        }
        assert!(futures::poll!(&mut serving).is_pending());
        assert!(told.try_recv().is_err(), "no room, no answer");
        assert_eq!(queue.lock().len(), 8);
        assert_eq!(turns.available_permits(), SERVE_PARALLEL, "it holds up nobody");
        slow.room.close();
        assert!(futures::poll!(&mut serving).is_pending());
        assert!(queue.lock().is_empty());
    }
}
