//! Claims of honest feeds what nobody holds: other hashes, or lengths far beyond.

use entente_hbbft::Digest;
use entente_protocol::frontier::{Contribution, FeedClaims};
use entente_protocol::identity::{Hash, hash};
use entente_protocol::replicate::PeerMessage;
use entente_protocol::store::Write;

use super::contributions::Contributions;
use super::{Liar, Me};
use crate::sim::rng::Rng;

pub(super) struct FalseClaims {
    contributions: Contributions,
    /// Claims something of every feed, whether it holds any of it or not.
    of_all: bool,
}

impl FalseClaims {
    pub(super) fn new(rng: &mut Rng) -> Self {
        Self { contributions: Contributions::default(), of_all: rng.chance(50) }
    }
}

/// All liars make up the same hash for a place, so that together they come as close to `weak` as they can.
fn lie(feed: u16, beyond: u64) -> Hash {
    hash("lie", &[&feed.to_le_bytes(), &beyond.to_le_bytes()])
}

fn falsify(contribution: &mut Contribution, of_all: bool, members: usize) {
    if of_all {
        let feeds = 0..(members * 8) as u16;
        contribution.claims = feeds
            .map(|feed| FeedClaims { feed, heads: [1, 2, 3].map(|at| (at, lie(feed, at))).to_vec() })
            .collect();
        return;
    }
    for claims in &mut contribution.claims {
        for (beyond, hash) in &mut claims.heads {
            *hash = lie(claims.feed, *beyond);
        }
    }
}

impl Liar for FalseClaims {
    fn wrote(&mut self, me: &Me<'_>, write: &Write) {
        let (of_all, members) = (self.of_all, me.nodes.len());
        self.contributions.wrote(me, write, 1, |contribution| falsify(contribution, of_all, members));
    }

    fn send(&mut self, me: &Me<'_>, _to: usize, message: PeerMessage, _rng: &mut Rng) -> Vec<PeerMessage> {
        if let PeerMessage::Payload { epoch, bytes } = &message
            && let Some(lie) = self.contributions.shown(&Digest::of(bytes))
        {
            return vec![PeerMessage::Payload { epoch: *epoch, bytes: lie.clone() }];
        }
        self.contributions.send(me, 0, true, message)
    }
}
