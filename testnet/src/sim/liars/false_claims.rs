//! Claims of honest feeds what nobody holds: other hashes, or lengths far beyond.

use std::collections::BTreeMap;

use entente_hbbft::{Digest, Message};
use entente_protocol::frontier::{Contribution, FeedClaims, MAX_CONTRIBUTION_BYTES};
use entente_protocol::identity::{Hash, hash};
use entente_protocol::replicate::PeerMessage;
use entente_protocol::store::Write;
use entente_protocol::wire;

use super::tongues::Tongues;
use super::{Liar, Me};
use crate::sim::rng::Rng;

pub(super) struct FalseClaims {
    tongues: Tongues,
    written: BTreeMap<(u64, Digest), Vec<u8>>,
    instead: BTreeMap<Digest, (Digest, Vec<u8>)>,
    /// Claims something of every feed, whether it holds any of it or not.
    of_all: bool,
}

impl FalseClaims {
    pub(super) fn new(rng: &mut Rng) -> Self {
        Self {
            tongues: Tongues::default(),
            written: BTreeMap::new(),
            instead: BTreeMap::new(),
            of_all: rng.chance(50),
        }
    }

    /// All liars make up the same hash for a place, so that together they come as close to `weak` as they can.
    fn lie(feed: u16, beyond: u64) -> Hash {
        hash("lie", &[&feed.to_le_bytes(), &beyond.to_le_bytes()])
    }

    fn falsify(&mut self, me: &Me<'_>, epoch: u64, digest: Digest) {
        let Some(bytes) = self.written.remove(&(epoch, digest)) else { return };
        let Ok(mut contribution) = wire::decode::<Contribution>(&bytes, MAX_CONTRIBUTION_BYTES) else {
            return;
        };
        if self.of_all {
            let feeds = 0..(me.nodes.len() * 4) as u16;
            contribution.claims = feeds
                .map(|feed| FeedClaims {
                    feed,
                    heads: [1, 2, 3].map(|at| (at, Self::lie(feed, at))).to_vec(),
                })
                .collect();
        } else {
            for claims in &mut contribution.claims {
                for (beyond, hash) in &mut claims.heads {
                    *hash = Self::lie(claims.feed, *beyond);
                }
            }
        }
        let bytes = contribution.encode();
        self.instead.insert(digest, (Digest::of(&bytes), bytes));
    }
}

impl Liar for FalseClaims {
    fn wrote(&mut self, me: &Me<'_>, write: &Write) {
        match write {
            Write::Payload { epoch, digest, bytes } => {
                self.written.retain(|(at, _), _| at + 8 > *epoch);
                self.written.insert((*epoch, *digest), bytes.clone());
            }
            Write::Frame(frame) if frame.feed.seat == me.seat() => {
                if let Some(digest) = frame.votes.proposal() {
                    self.falsify(me, frame.feed.epoch, digest);
                }
                let instead = &self.instead;
                let lie = |digest: Digest| instead.get(&digest).map_or(digest, |(lie, _)| *lie);
                self.tongues.wrote(me, write, 1, |_, _, message| {
                    vec![match message {
                        Message::Propose(digest) => Message::Propose(lie(digest)),
                        Message::Echo { proposer, digest } => Message::Echo { proposer, digest: lie(digest) },
                        Message::Ready { proposer, digest } => {
                            Message::Ready { proposer, digest: lie(digest) }
                        }
                        other => other,
                    }]
                });
            }
            _ => {}
        }
    }

    fn send(&mut self, me: &Me<'_>, _to: usize, message: PeerMessage, _rng: &mut Rng) -> Vec<PeerMessage> {
        if let PeerMessage::Payload { epoch, bytes } = &message {
            // The engine pushes its contribution before the frame that names it: the lie goes with the frame.
            let lie = self.instead.get(&Digest::of(bytes));
            let bytes = lie.map_or_else(|| bytes.clone(), |(_, bytes)| bytes.clone());
            return vec![PeerMessage::Payload { epoch: *epoch, bytes }];
        }
        let mut said = Vec::new();
        if let PeerMessage::Frame(frame) = &message
            && frame.feed.seat == me.seat()
            && let Some((_, bytes)) = frame.votes.proposal().and_then(|digest| self.instead.get(&digest))
        {
            said.push(PeerMessage::Payload { epoch: frame.feed.epoch, bytes: bytes.clone() });
        }
        said.extend(self.tongues.send(me, 0, message));
        said
    }
}
