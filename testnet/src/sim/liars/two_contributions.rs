//! Contributes one thing to some and another to others, and votes for each accordingly.

use std::collections::BTreeMap;

use entente_hbbft::{Digest, Message};
use entente_protocol::frontier::{Contribution, MAX_CONTRIBUTION_BYTES};
use entente_protocol::replicate::PeerMessage;
use entente_protocol::store::Write;
use entente_protocol::wire;

use super::tongues::Tongues;
use super::{Liar, Liars, Me, audiences};
use crate::sim::rng::Rng;

pub(super) struct TwoContributions {
    audience: Vec<usize>,
    tongues: Tongues,
    /// Payloads that the engine has written, by digest, until one is known to be the own.
    written: BTreeMap<(u64, Digest), Vec<u8>>,
    /// What the second audience gets for an own contribution.
    other: BTreeMap<Digest, (Digest, Vec<u8>)>,
}

impl TwoContributions {
    pub(super) fn new(liars: &Liars, rng: &mut Rng) -> Self {
        Self {
            audience: audiences(liars, rng),
            tongues: Tongues::default(),
            written: BTreeMap::new(),
            other: BTreeMap::new(),
        }
    }

    fn second(&mut self, epoch: u64, digest: Digest) {
        let Some(bytes) = self.written.remove(&(epoch, digest)) else { return };
        let Ok(mut contribution) = wire::decode::<Contribution>(&bytes, MAX_CONTRIBUTION_BYTES) else {
            return;
        };
        contribution.clock = contribution.clock.plus(1);
        contribution.claims.pop();
        let bytes = contribution.encode();
        self.other.insert(digest, (Digest::of(&bytes), bytes));
    }
}

impl Liar for TwoContributions {
    fn wrote(&mut self, me: &Me<'_>, write: &Write) {
        match write {
            Write::Payload { epoch, digest, bytes } => {
                self.written.retain(|(at, _), _| at + 8 > *epoch);
                self.written.insert((*epoch, *digest), bytes.clone());
            }
            Write::Frame(frame) if frame.feed.seat == me.seat() => {
                if let Some(digest) = frame.votes.proposal() {
                    self.second(frame.feed.epoch, digest);
                }
                let other = &self.other;
                let second = |digest: Digest| other.get(&digest).map_or(digest, |(second, _)| *second);
                self.tongues.wrote(me, write, 2, |audience, _, message| {
                    vec![match message {
                        _ if audience == 0 => message,
                        Message::Propose(digest) => Message::Propose(second(digest)),
                        Message::Echo { proposer, digest } => {
                            Message::Echo { proposer, digest: second(digest) }
                        }
                        Message::Ready { proposer, digest } => {
                            Message::Ready { proposer, digest: second(digest) }
                        }
                        other => other,
                    }]
                });
            }
            _ => {}
        }
    }

    fn send(&mut self, me: &Me<'_>, to: usize, message: PeerMessage, _rng: &mut Rng) -> Vec<PeerMessage> {
        let audience = self.audience[to];
        let mut said = Vec::new();
        // The engine pushes its contribution before the frame that names it; the second goes with the frame.
        if let PeerMessage::Frame(frame) = &message
            && audience == 1
            && me.is_own_frame(&message)
            && let Some((_, bytes)) = frame.votes.proposal().and_then(|digest| self.other.get(&digest))
        {
            said.push(PeerMessage::Payload { epoch: frame.feed.epoch, bytes: bytes.clone() });
        }
        said.extend(self.tongues.send(me, audience, message));
        said
    }
}
