//! The link: one long-lived stream per pair that carries the node's frames.
//!
//! Guarantees: frames of one link arrive whole and in the order sent; no frame beyond [`MAX_FRAME_BYTES`] is read or
//! allocated; the queue towards a peer is bounded in bytes and frames, and a full queue refuses the new frame (nothing queued is
//! ever dropped while the link lives); a reader waits for room in the event channel, so a slow node slows its peers instead of
//! filling its memory. All frames that wait are written at once, then flushed. What is queued when a link ends is lost:
//! whoever sends over links must be able to ask again. An end that hears nothing after it has spoken is given up ([`Pulse`]).
//!
//! On the wire: the opener (the lower peer id) sends a version byte and its instance, the other end answers the same, the
//! opener confirms with one byte; then both ways frames, each a big-endian u32 length and that many bytes. A length of 0 is a beat.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use futures::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, io::BufReader};
use libp2p::{PeerId, bytes::Bytes};
use thiserror::Error;
use tokio::{
    sync::{Notify, mpsc, watch},
    task::JoinHandle,
};

use crate::{
    event::{Instance, LinkFault, MeshEvent},
    pulse::Pulse,
};

/// At most this many bytes make a frame.
pub const MAX_FRAME_BYTES: usize = 1 << 20;
/// At most this many bytes wait towards one peer.
pub const MAX_QUEUED_BYTES: usize = 8 << 20;
/// At most this many frames wait towards one peer.
pub const MAX_QUEUED_FRAMES: usize = 4096;
/// Frames are gathered into one write up to about this size.
const COALESCE_BYTES: usize = 256 * 1024;
/// The reader's buffer: small frames cost no read each.
const READ_BUFFER_BYTES: usize = 64 * 1024;

const HELLO_VERSION: u8 = 1;
const CONFIRM: u8 = 1;

/// Why a frame was not taken for sending.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum SendError {
    /// There is no link with this peer.
    #[error("{peer} is not connected")]
    NotConnected {
        /// Who.
        peer: PeerId,
    },
    /// The queue towards this peer is full; the frame was not taken.
    #[error("queue to {peer} is full: {frames} frames, {bytes} bytes")]
    Full {
        /// Who.
        peer: PeerId,
        /// Frames that wait.
        frames: usize,
        /// Bytes that wait.
        bytes: usize,
    },
    /// The frame is empty or too large for any link.
    #[error("frame of {bytes} bytes, 1 to {MAX_FRAME_BYTES} are taken")]
    FrameSize {
        /// Its length.
        bytes: usize,
    },
}

/// The bounded queue towards one peer.
pub(crate) struct Outbox {
    peer: PeerId,
    queue: Mutex<Queue>,
    filled: Notify,
    room: Notify,
}

#[derive(Default)]
struct Queue {
    frames: VecDeque<Bytes>,
    /// Bytes and frames queued or being written.
    bytes: usize,
    count: usize,
    /// An empty frame is to be written if no other is.
    beat: bool,
    closed: bool,
}

impl Outbox {
    pub(crate) fn new(peer: PeerId) -> Arc<Self> {
        Arc::new(Self { peer, queue: Mutex::default(), filled: Notify::new(), room: Notify::new() })
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a frame or says why not.
    pub(crate) fn push(&self, frame: Bytes) -> Result<(), SendError> {
        self.take(&mut self.queue(), frame)?;
        self.filled.notify_one();
        Ok(())
    }

    /// Takes frames that are to leave together; says how many it has not taken, and why the last of these.
    pub(crate) fn push_all(&self, frames: Vec<Bytes>) -> Result<(), (usize, SendError)> {
        let mut left = None;
        let mut queue = self.queue();
        for frame in frames {
            if let Err(error) = self.take(&mut queue, frame) {
                left = Some((left.map_or(1, |(count, _)| count + 1), error));
            }
        }
        drop(queue);
        self.filled.notify_one();
        left.map_or(Ok(()), Err)
    }

    fn take(&self, queue: &mut Queue, frame: Bytes) -> Result<(), SendError> {
        if frame.is_empty() || frame.len() > MAX_FRAME_BYTES {
            return Err(SendError::FrameSize { bytes: frame.len() });
        }
        if queue.closed {
            return Err(SendError::NotConnected { peer: self.peer });
        }
        if queue.count >= MAX_QUEUED_FRAMES || queue.bytes + frame.len() > MAX_QUEUED_BYTES {
            return Err(SendError::Full { peer: self.peer, frames: queue.count, bytes: queue.bytes });
        }
        queue.count += 1;
        queue.bytes += frame.len();
        queue.frames.push_back(frame);
        Ok(())
    }

    /// Takes a frame, waiting for room. Cancel-safe: a cancelled call has taken nothing.
    pub(crate) async fn push_when_room(&self, frame: Bytes) -> Result<(), SendError> {
        loop {
            let room = self.room.notified();
            tokio::pin!(room);
            room.as_mut().enable();
            match self.push(frame.clone()) {
                Err(SendError::Full { .. }) => room.await,
                other => return other,
            }
        }
    }

    /// Waits until fewer than `bytes` wait. Cancel-safe.
    pub(crate) async fn until_below(&self, bytes: usize) -> Result<(), SendError> {
        loop {
            let room = self.room.notified();
            tokio::pin!(room);
            room.as_mut().enable();
            {
                let queue = self.queue();
                if queue.closed {
                    return Err(SendError::NotConnected { peer: self.peer });
                }
                if queue.bytes < bytes {
                    return Ok(());
                }
            }
            room.await;
        }
    }

    /// Has the writer say that this end is alive, if it has nothing else to say.
    fn beat(&self) {
        self.queue().beat = true;
        self.filled.notify_one();
    }

    /// Waits for frames and appends them to `buffer`, with their lengths before them; `None`: closed.
    async fn gather(&self, buffer: &mut Vec<u8>) -> Option<Gathered> {
        loop {
            let filled = self.filled.notified();
            {
                let mut queue = self.queue();
                if queue.closed {
                    return None;
                }
                let mut gathered = Gathered { frames: 0, bytes: 0 };
                while buffer.len() < COALESCE_BYTES
                    && let Some(frame) = queue.frames.pop_front()
                {
                    buffer.extend_from_slice(&(frame.len() as u32).to_be_bytes());
                    buffer.extend_from_slice(&frame);
                    gathered.frames += 1;
                    gathered.bytes += frame.len();
                }
                let beat = std::mem::take(&mut queue.beat);
                if gathered.frames > 0 {
                    return Some(gathered);
                }
                if beat {
                    buffer.extend_from_slice(&[0; 4]);
                    return Some(gathered);
                }
            }
            filled.await;
        }
    }

    fn written(&self, gathered: Gathered) {
        let mut queue = self.queue();
        queue.count -= gathered.frames;
        queue.bytes -= gathered.bytes;
        drop(queue);
        self.room.notify_waiters();
    }

    fn close(&self) {
        self.queue().closed = true;
        self.filled.notify_one();
        self.room.notify_waiters();
    }
}

struct Gathered {
    frames: usize,
    bytes: usize,
}

/// The queues of all peers that are up.
#[derive(Clone, Default)]
pub(crate) struct Outboxes(Arc<Mutex<BTreeMap<PeerId, Arc<Outbox>>>>);

impl Outboxes {
    fn map(&self) -> MutexGuard<'_, BTreeMap<PeerId, Arc<Outbox>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn of(&self, peer: &PeerId) -> Result<Arc<Outbox>, SendError> {
        self.map().get(peer).cloned().ok_or(SendError::NotConnected { peer: *peer })
    }

    fn insert(&self, outbox: &Arc<Outbox>) {
        self.map().insert(outbox.peer, outbox.clone());
    }

    fn remove(&self, outbox: &Arc<Outbox>) {
        let mut map = self.map();
        if map.get(&outbox.peer).is_some_and(|present| Arc::ptr_eq(present, outbox)) {
            map.remove(&outbox.peer);
        }
    }
}

/// Why a hello failed.
#[derive(Debug, Error)]
pub(crate) enum HelloError {
    #[error(transparent)]
    Io(#[from] std::io::Error),
    #[error("{0}")]
    Malformed(String),
}

/// The opener's side of the hello; returns the other end's instance.
pub(crate) async fn open<S: AsyncRead + AsyncWrite + Unpin>(
    stream: &mut S,
    own: &Instance,
) -> Result<Instance, HelloError> {
    write_hello(stream, own).await?;
    let theirs = read_hello(stream).await?;
    stream.write_all(&[CONFIRM]).await?;
    stream.flush().await?;
    Ok(theirs)
}

/// The acceptor's side of the hello; returns the other end's instance.
pub(crate) async fn accept<S: AsyncRead + AsyncWrite + Unpin>(
    stream: &mut S,
    own: &Instance,
) -> Result<Instance, HelloError> {
    let theirs = read_hello(stream).await?;
    write_hello(stream, own).await?;
    let mut confirm = [0];
    stream.read_exact(&mut confirm).await?;
    if confirm != [CONFIRM] {
        return Err(HelloError::Malformed(format!("confirmation {}", confirm[0])));
    }
    Ok(theirs)
}

async fn write_hello<S: AsyncWrite + Unpin>(stream: &mut S, own: &Instance) -> Result<(), HelloError> {
    stream.write_all(&[&[HELLO_VERSION], own.as_slice()].concat()).await?;
    Ok(stream.flush().await?)
}

async fn read_hello<S: AsyncRead + Unpin>(stream: &mut S) -> Result<Instance, HelloError> {
    let mut version = [0];
    stream.read_exact(&mut version).await?;
    if version != [HELLO_VERSION] {
        return Err(HelloError::Malformed(format!("version {}, {HELLO_VERSION} is known", version[0])));
    }
    let mut instance = Instance::default();
    stream.read_exact(&mut instance).await?;
    Ok(instance)
}

/// A confirmed stream, ready to become a link.
pub(crate) struct Ready<S> {
    pub(crate) peer: PeerId,
    pub(crate) instance: Instance,
    pub(crate) credential: Vec<u8>,
    pub(crate) stream: S,
}

/// Runs one link to its end: `PeerUp`, its frames, `PeerDown`, in this order and after the previous link's.
/// `stop` ends it with a reason. Returns why it ended.
pub(crate) async fn run<S: AsyncRead + AsyncWrite + Unpin + Send>(
    ready: Ready<S>,
    previous: Option<JoinHandle<()>>,
    outboxes: Outboxes,
    events: mpsc::Sender<MeshEvent>,
    answer_timeout: Duration,
    mut stop: watch::Receiver<Option<String>>,
) -> String {
    let Ready { peer, instance, credential, stream } = ready;
    if let Some(previous) = previous {
        // It was told to stop; a panic there has been reported by the runtime.
        let _ = previous.await;
    }
    let outbox = Outbox::new(peer);
    outboxes.insert(&outbox);
    let up = MeshEvent::PeerUp { peer, credential, instance };
    let reason = match events.send(up).await {
        Err(_) => "the node stopped listening".to_owned(),
        Ok(()) => {
            let (reading, writing) = stream.split();
            let pulse = Pulse::default();
            tokio::select! {
                reason = read_frames(peer, reading, &events, &pulse) => reason,
                reason = write_frames(writing, &outbox, &pulse) => reason,
                reason = pulse.watch(answer_timeout, || outbox.beat()) => reason,
                stopped = stop.wait_for(Option::is_some) => match stopped {
                    Ok(reason) => reason.clone().unwrap_or_default(),
                    Err(_) => "the mesh stopped".to_owned(),
                },
            }
        }
    };
    outbox.close();
    outboxes.remove(&outbox);
    // Nobody listens any more if this fails.
    let _ = events.send(MeshEvent::PeerDown { peer, reason: reason.clone() }).await;
    reason
}

pub(crate) async fn read_frames(
    peer: PeerId,
    stream: impl AsyncRead + Unpin,
    events: &mpsc::Sender<MeshEvent>,
    pulse: &Pulse,
) -> String {
    let mut stream = BufReader::with_capacity(READ_BUFFER_BYTES, stream);
    loop {
        let mut length = [0; 4];
        if let Err(error) = stream.read_exact(&mut length).await {
            return format!("stream ended: {error}");
        }
        let announced_bytes = u32::from_be_bytes(length);
        pulse.heard(announced_bytes == 0, Instant::now());
        if announced_bytes == 0 {
            // Beats take no room in the queue, which is what else lets the writer have its turn.
            tokio::task::yield_now().await;
            continue;
        }
        if announced_bytes as usize > MAX_FRAME_BYTES {
            let fault = LinkFault::FrameTooLarge { announced_bytes };
            let reason = format!("cut: {fault}");
            let _ = events.send(MeshEvent::Fault { peer, fault }).await;
            return reason;
        }
        let mut frame = vec![0; announced_bytes as usize];
        let mut rest = &mut frame[..];
        while !rest.is_empty() {
            match stream.read(rest).await {
                Ok(0) => return "stream ended inside a frame".to_owned(),
                Ok(bytes) => rest = &mut rest[bytes..],
                Err(error) => return format!("stream ended inside a frame: {error}"),
            }
            // On a slow link a frame takes a while.
            pulse.heard(false, Instant::now());
        }
        // Waiting here is the back-pressure: QUIC's window fills, and the peer's queue with it.
        let Ok(room) = (match events.try_reserve() {
            Ok(room) => Ok(room),
            Err(_) => {
                pulse.waits(true, Instant::now());
                let room = events.reserve().await;
                pulse.waits(false, Instant::now());
                room
            }
        }) else {
            return "the node stopped listening".to_owned();
        };
        room.send(MeshEvent::Frame { peer, bytes: frame.into() });
    }
}

async fn write_frames(mut stream: impl AsyncWrite + Unpin, outbox: &Outbox, pulse: &Pulse) -> String {
    let mut buffer = Vec::new();
    while let Some(gathered) = outbox.gather(&mut buffer).await {
        pulse.writes(gathered.frames == 0, Instant::now());
        let written = async {
            stream.write_all(&buffer).await?;
            stream.flush().await
        };
        if let Err(error) = written.await {
            return format!("stream ended: {error}");
        }
        outbox.written(gathered);
        buffer.clear();
        buffer.shrink_to(COALESCE_BYTES);
    }
    "closed here".to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_queue_refuses_the_new_frame_and_keeps_the_old() {
        let outbox = Outbox::new(PeerId::random());
        let frame = Bytes::from(vec![0; MAX_FRAME_BYTES]);
        for _ in 0..MAX_QUEUED_BYTES / MAX_FRAME_BYTES {
            outbox.push(frame.clone()).expect("room");
        }
        assert!(
            matches!(outbox.push(Bytes::from_static(b"x")), Err(SendError::Full { bytes, .. }) if bytes == MAX_QUEUED_BYTES)
        );
        assert_eq!(outbox.queue().frames.len(), MAX_QUEUED_BYTES / MAX_FRAME_BYTES);
        let outbox = Outbox::new(PeerId::random());
        for _ in 0..MAX_QUEUED_FRAMES {
            outbox.push(Bytes::from_static(b"x")).expect("room");
        }
        assert!(matches!(outbox.push(Bytes::from_static(b"x")), Err(SendError::Full { .. })));
        assert!(matches!(outbox.push(Bytes::new()), Err(SendError::FrameSize { bytes: 0 })));
    }

    #[tokio::test]
    async fn waiting_for_room_ends_when_frames_are_written_or_the_link_ends() {
        let outbox = Outbox::new(PeerId::random());
        for _ in 0..MAX_QUEUED_FRAMES {
            outbox.push(Bytes::from_static(b"x")).expect("room");
        }
        let waiting = outbox.push_when_room(Bytes::from_static(b"y"));
        tokio::pin!(waiting);
        assert!(futures::poll!(waiting.as_mut()).is_pending());
        let mut buffer = Vec::new();
        let gathered = outbox.gather(&mut buffer).await.expect("open");
        assert_eq!(gathered.frames, MAX_QUEUED_FRAMES, "one write for all");
        outbox.written(gathered);
        waiting.await.expect("there is room");
        outbox.until_below(2).await.expect("one byte waits");
        let below = outbox.until_below(1);
        tokio::pin!(below);
        assert!(futures::poll!(below.as_mut()).is_pending());
        outbox.close();
        assert!(matches!(below.await, Err(SendError::NotConnected { .. })));
        assert!(matches!(outbox.push(Bytes::from_static(b"z")), Err(SendError::NotConnected { .. })));
    }

    #[tokio::test]
    async fn a_frame_too_large_is_a_fault_before_it_is_allocated() {
        let (events, mut received) = mpsc::channel(8);
        let peer = PeerId::random();
        let bytes = [&[0; 4][..], &2u32.to_be_bytes()[..], b"ok", &u32::MAX.to_be_bytes()[..]].concat();
        let reason = read_frames(peer, futures::io::Cursor::new(bytes), &events, &Pulse::default()).await;
        assert!(reason.contains("4294967295"), "{reason}");
        assert_eq!(received.recv().await, Some(MeshEvent::Frame { peer, bytes: Bytes::from_static(b"ok") }));
        let fault = LinkFault::FrameTooLarge { announced_bytes: u32::MAX };
        assert_eq!(received.recv().await, Some(MeshEvent::Fault { peer, fault }));
    }
}
