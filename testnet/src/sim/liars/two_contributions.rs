//! Contributes one thing to some and another to others, and votes for each accordingly.

use entente_protocol::replicate::PeerMessage;
use entente_protocol::store::Write;

use super::contributions::Contributions;
use super::{Liar, Liars, Me, audiences};
use crate::sim::rng::Rng;

pub(super) struct TwoContributions {
    audience: Vec<usize>,
    contributions: Contributions,
}

impl TwoContributions {
    pub(super) fn new(liars: &Liars, rng: &mut Rng) -> Self {
        Self { audience: audiences(liars, rng), contributions: Contributions::default() }
    }
}

impl Liar for TwoContributions {
    fn wrote(&mut self, me: &Me<'_>, write: &Write) {
        self.contributions.wrote(me, write, 2, |contribution| {
            contribution.clock = contribution.clock.plus(1);
            contribution.claims.pop();
        });
    }

    fn send(&mut self, me: &Me<'_>, to: usize, message: PeerMessage, _rng: &mut Rng) -> Vec<PeerMessage> {
        let audience = self.audience[to];
        self.contributions.send(me, audience, audience == 1, message)
    }
}
