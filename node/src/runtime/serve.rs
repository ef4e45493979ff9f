//! Answers what peers lack, straight from the store, beside the engine.
//!
//! Guarantees: an answer holds only what is durable; one that does not fit into the peer's queue is cut off, and the
//! peer asks again. Damage that shows here stops the node.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use entente_protocol::engine::NodeId;
use entente_protocol::replicate::{Want, serve};
use entente_protocol::wire;
use tokio::sync::mpsc;

use super::{Handle, Stopped};
use crate::storage::StoreError;

/// Wants that wait to be answered; more are dropped, and asked for again.
pub(super) const SERVE_QUEUE: usize = 256;

/// A want of a peer.
pub(super) struct Wanted {
    pub(super) by: NodeId,
    pub(super) want: Want,
}

pub(super) async fn run(mut wants: mpsc::Receiver<Wanted>, node: Handle) {
    while let Some(Wanted { by, want }) = wants.recv().await {
        let Some(peer) = node.members().peer(&by) else {
            continue;
        };
        let store = Arc::clone(node.store());
        let frames = tokio::task::spawn_blocking(move || {
            let messages = serve(&*store, &want)?;
            Ok(messages.iter().map(wire::encode).collect::<Vec<_>>())
        });
        let frames = match frames.await {
            Ok(Ok(frames)) => frames,
            Ok(Err(damage)) => {
                let path = node.store().path().to_owned();
                node.fail(Stopped::Storage(StoreError::Damage { path, damage })).await;
                continue;
            }
            // Panicked or cancelled: the runtime is ending.
            Err(_) => continue,
        };
        for frame in frames {
            let bytes = frame.len() as u64;
            match node.mesh().send(peer, frame) {
                Ok(()) => {
                    node.metrics().frames_out.fetch_add(1, Relaxed);
                    node.metrics().bytes_out.fetch_add(bytes, Relaxed);
                }
                Err(error) => {
                    node.metrics().frames_dropped.fetch_add(1, Relaxed);
                    tracing::debug!(%peer, %error, "answer cut off");
                    break;
                }
            }
        }
    }
}
