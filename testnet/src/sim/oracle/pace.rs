//! How fast a process speaks to another: whatever it hears, so many messages a second and no more.
//!
//! What a peer lacks is given as fast as it asks, and that is bounded by what there is; all else is bounded by time. A rule
//! that answers an answer makes messages without end, and where they come twice, ever more of them: that shows here
//! long before a history has used up its events.

use std::collections::BTreeMap;

use entente_protocol::replicate::{PeerMessage, Want};
use entente_protocol::time::Time;

use crate::sim::history::{History, What};

/// Most messages of one process to another in a second of simulated time; copies that the network makes are not counted.
const MAX_PER_SECOND: u64 = 3_000;
/// So many more for each pair of seats: of an epoch some two dozen frames of each seat are asked for, and where the network loses
/// single messages, which no stream does, every gap in a chain asks for the rest of it again.
const MAX_PER_PAIR: u64 = 60;
/// So many more for each epoch that a member sleeps through, all of which may be given in that second: its record, each
/// seat's contribution, entries.
const MAX_PER_EPOCH: u64 = 8;

/// How many of what.
type Kinds = BTreeMap<&'static str, u64>;

/// Counts them.
#[derive(Debug)]
pub(super) struct Pace {
    limit: u64,
    /// By sender and receiver: the last second in which something was sent, and how much of what.
    links: BTreeMap<(usize, usize), (u64, Kinds)>,
    most: u64,
}

impl Pace {
    pub(super) fn new(history: &History) -> Self {
        let slept = history.items.iter().map(|item| match item.what {
            What::Sleep { epochs, .. } => epochs,
            _ => 0,
        });
        let pairs = (history.seats * history.seats) as u64;
        let limit = MAX_PER_SECOND + MAX_PER_PAIR * pairs + MAX_PER_EPOCH * slept.sum::<u64>();
        Self { limit, links: BTreeMap::new(), most: 0 }
    }

    /// Counts a message; tells what is wrong if it is the first too many of its second.
    pub(super) fn count(
        &mut self,
        from: usize,
        to: usize,
        message: &PeerMessage,
        now: Time,
    ) -> Option<String> {
        let second = now.0 / 1_000;
        let (last, counts) = self.links.entry((from, to)).or_default();
        if *last != second {
            counts.clear();
        }
        *last = second;
        *counts.entry(kind_of(message)).or_default() += 1;
        let count = counts.values().sum();
        self.most = self.most.max(count);
        let over = count == self.limit + 1;
        over.then(|| format!("process {from} sends {count} messages to process {to} in a second: {counts:?}"))
    }

    /// The most of any two and any second.
    pub(super) fn most(&self) -> u64 {
        self.most
    }
}

fn kind_of(message: &PeerMessage) -> &'static str {
    match message {
        PeerMessage::Have(_) => "have",
        PeerMessage::Want(Want::Entries { .. }) => "want of entries",
        PeerMessage::Want(Want::Frames { .. }) => "want of frames",
        PeerMessage::Want(_) => "other want",
        PeerMessage::Run(_) => "run",
        PeerMessage::Frame(_) | PeerMessage::Spoken(_) => "frame",
        PeerMessage::Payload { .. } => "payload",
        PeerMessage::Cosign(_) => "cosign",
        PeerMessage::Certificate { .. } => "certificate",
        PeerMessage::Epoch(_) => "epoch",
        PeerMessage::Served(_) => "served",
        PeerMessage::HeadRequest(_) | PeerMessage::HeadReport(_) => "head",
        PeerMessage::Snapshot(_) | PeerMessage::State { .. } => "state",
    }
}
