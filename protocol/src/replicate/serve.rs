//! Serving what a peer lacks, straight from the store.
//!
//! Guarantees: an answer is at most [`SERVE_BYTES`] and ends with [`PeerMessage::Served`], after which the peer asks
//! for the rest; entries are given in runs that end where their author signed, so each can be checked by itself.

use std::collections::BTreeSet;

use entente_hbbft::Digest;

use super::message::{EpochProof, PeerMessage, Want};
use crate::coalition::map::Part;
use crate::coalition::{MAX_PAGE_BYTES, Page, part_hash};
use crate::engine::prove;
use crate::feed::{BodyBytes, FeedKey, Head, MAX_RUN_BYTES, MAX_RUN_ENTRIES, Run};
use crate::ledger::merkle::{MerkleError, prove_inclusion};
use crate::store::{Archive, Damage};
use crate::wire;

/// Most bytes that one want is answered with; the asker goes on from there.
pub const SERVE_BYTES: usize = 512 * 1024;
/// Most frames of one seat that one want is answered with.
const SERVE_FRAMES: usize = 256;

/// The messages that answer `want`, as far as the store has it; of the frames, for each seat that it names,
/// no more than `frames` says in the same order; of the copy of the state the `part`.
pub fn serve(
    archive: &(impl Archive + ?Sized),
    want: &Want,
    frames: &[u32],
    part: Option<&Part>,
) -> Result<Vec<PeerMessage>, Damage> {
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
            for (&(seat, seq), &vouched) in from.iter().zip(frames) {
                for frame in archive.frames(*epoch, seat, seq, SERVE_FRAMES.min(vouched as usize))? {
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
            let bytes = match archive.payload(*epoch, digest)? {
                None => agreed(archive, *epoch, digest)?,
                held => held,
            };
            messages.extend(bytes.map(|bytes| PeerMessage::Payload { epoch: *epoch, bytes }));
        }
        Want::Certificate { epoch } => {
            if let Some((epoch, certificate)) = archive.certificate(*epoch)? {
                messages.push(PeerMessage::Certificate { epoch, certificate });
            }
        }
        Want::Epochs { from } => epochs(archive, *from, &mut messages)?,
        Want::Snapshot { .. } => {
            if let (Some(mark), Some((_, certificate))) = (archive.snapshot()?, archive.last_certificate()?)
                && certificate.head.size > mark.index
            {
                let proof =
                    prove(archive, &mark, certificate).map_err(|error| missing_nodes(mark.index, error))?;
                messages.push(PeerMessage::Snapshot(proof));
            }
        }
        Want::State { epoch, after } => {
            if let Some(part) = part {
                let items = archive.items(after.as_ref(), Some(&part.last), 2 * MAX_PAGE_BYTES as usize)?;
                let items: Vec<_> = items.into_iter().map(|(_, bytes)| BodyBytes(bytes)).collect();
                // The copy may have moved on since the part was found.
                if part_hash(items.iter().map(|item| item.0.as_slice())) == Some(part.hash) {
                    let page = Page { branches: part.branches.clone(), items };
                    messages.push(PeerMessage::State { epoch: *epoch, after: *after, page });
                }
            }
        }
        // The engine answers these from memory.
        Want::Cosignatures { .. } => {}
    }
    messages.push(PeerMessage::Served(want.clone()));
    Ok(messages)
}

/// A contribution of an epoch that is applied and whose votes are forgotten.
fn agreed(archive: &(impl Archive + ?Sized), epoch: u64, digest: &Digest) -> Result<Option<Vec<u8>>, Damage> {
    let agreed = archive.batch(epoch)?.map(|batch| batch.agreed).unwrap_or_default();
    Ok(agreed.into_iter().map(|(_, bytes)| bytes).find(|bytes| Digest::of(bytes) == *digest))
}

/// Certified epochs from `from` on: the record of each under the last certificate, and what it agreed on.
fn epochs(
    archive: &(impl Archive + ?Sized),
    from: u64,
    messages: &mut Vec<PeerMessage>,
) -> Result<(), Damage> {
    let Some((last, certificate)) = archive.last_certificate()? else { return Ok(()) };
    let mut budget = SERVE_BYTES;
    for epoch in from..=last {
        let Some(batch) = archive.batch(epoch)? else { return Ok(()) };
        let Some(leaf) = batch.leaves.last().cloned() else { return Ok(()) };
        let index = batch.first_index + batch.leaves.len() as u64 - 1;
        let path = match prove_inclusion(archive, certificate.head.size, index) {
            Ok(path) => path,
            // Between this epoch and the certificate lies what a copy of the state has taken the place of.
            Err(MerkleError::Missing { .. }) if archive.floor()?.is_some_and(|floor| index < floor.index) => {
                return Ok(());
            }
            Err(error) => return Err(missing_nodes(index, error)),
        };
        let proof = EpochProof { certificate: certificate.clone(), index, leaf, path };
        // Seats that contribute the same are given it once.
        let contributions = batch.agreed.into_iter().map(|(_, bytes)| bytes).collect::<BTreeSet<_>>();
        let payloads = contributions.iter().map(Vec::len).sum::<usize>();
        let bytes = wire::encode(&proof).len() + payloads;
        // One at least, or the asker would never get on.
        if bytes > budget && epoch > from {
            return Ok(());
        }
        budget = budget.saturating_sub(bytes);
        messages.push(PeerMessage::Epoch(proof));
        messages.extend(contributions.into_iter().map(|bytes| PeerMessage::Payload { epoch, bytes }));
    }
    Ok(())
}

fn missing_nodes(index: u64, error: MerkleError) -> Damage {
    Damage { what: format!("Merkle nodes for leaf {index}"), why: error.to_string() }
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
            // A node that took a copy of the state holds what comes behind it.
            None => match archive.floor()?.and_then(|mark| mark.committed_of(feed)) {
                Some(head) if head.length == from => Some(head.hash),
                _ => return Ok(()),
            },
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
