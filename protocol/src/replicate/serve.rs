//! Serving what a peer lacks, straight from the store.
//!
//! Guarantees: an answer is at most [`SERVE_BYTES`] and ends with [`PeerMessage::Served`], after which the peer asks
//! for the rest; entries are given in runs that end where their author signed, so each can be checked by itself.

use super::message::{PeerMessage, Want};
use crate::feed::{BodyBytes, FeedKey, Head, MAX_RUN_BYTES, MAX_RUN_ENTRIES, Run};
use crate::store::{Archive, Damage};
use crate::wire;

/// Most bytes that one want is answered with; the asker goes on from there.
pub const SERVE_BYTES: usize = 512 * 1024;
/// Most frames of one seat that one want is answered with.
const SERVE_FRAMES: usize = 256;

/// The messages that answer `want`, as far as the store has it.
pub fn serve(archive: &(impl Archive + ?Sized), want: &Want) -> Result<Vec<PeerMessage>, Damage> {
    let mut messages = Vec::new();
    match want {
        Want::Entries { feed, from, to } => {
            let right_branch = match to {
                Some(to) => archive.entry(feed, to.length)?.is_some_and(|entry| entry.hash == to.hash),
                None => true,
            };
            if right_branch {
                entries(archive, feed, *from, &mut messages)?;
            }
        }
        Want::Frames { epoch, from } => {
            let mut budget = SERVE_BYTES;
            for &(seat, seq) in from {
                for frame in archive.frames(*epoch, seat, seq, SERVE_FRAMES)? {
                    let bytes = wire::encode(&frame).len();
                    if bytes > budget {
                        break;
                    }
                    budget -= bytes;
                    messages.push(PeerMessage::Frame(frame));
                }
            }
        }
        Want::Payload { epoch, digest } => {
            if let Some(bytes) = archive.payload(*epoch, digest)? {
                messages.push(PeerMessage::Payload { epoch: *epoch, bytes });
            }
        }
        Want::Certificate { epoch } => {
            if let Some((epoch, certificate)) = archive.certificate(*epoch)? {
                messages.push(PeerMessage::Certificate { epoch, certificate });
            }
        }
        // The engine answers these from memory.
        Want::Cosignatures { .. } => {}
    }
    messages.push(PeerMessage::Served(want.clone()));
    Ok(messages)
}

/// Runs from `from` on, each up to a length that its author signed.
fn entries(
    archive: &(impl Archive + ?Sized),
    feed: &FeedKey,
    from: u64,
    messages: &mut Vec<PeerMessage>,
) -> Result<(), Damage> {
    let mut start = match from {
        // The hash before the first entry follows from the feed's key; the run carries it and the asker checks it.
        0 => None,
        _ => match archive.entry(feed, from)? {
            Some(entry) => Some(entry.hash),
            None => return Ok(()),
        },
    };
    let (mut budget, mut length) = (SERVE_BYTES, from);
    loop {
        let before = Head { length, hash: start.unwrap_or_else(|| archive.feed_root(feed)) };
        let (mut bodies, mut bytes, mut done) = (Vec::new(), 0, None);
        while let Some(entry) = archive.entry(feed, length + 1)? {
            length += 1;
            bytes += entry.body.len();
            bodies.push(BodyBytes(entry.body));
            if let Some(signature) = entry.signature {
                done = Some((entry.hash, signature));
                break;
            }
            if bodies.len() == MAX_RUN_ENTRIES || bytes > MAX_RUN_BYTES {
                break;
            }
        }
        let Some((hash, signature)) = done else {
            return Ok(());
        };
        if bytes > budget {
            return Ok(());
        }
        budget -= bytes;
        messages.push(PeerMessage::Run(Run { feed: *feed, from: before, bodies, signature }));
        start = Some(hash);
    }
}
