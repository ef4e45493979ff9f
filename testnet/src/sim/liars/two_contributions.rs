//! Contributes one thing to some and another to others, and votes for each accordingly, or so that neither is delivered
//! and one honest seat believes that it will be.

use entente_protocol::replicate::PeerMessage;
use entente_protocol::store::Write;

use super::contributions::Contributions;
use super::{Liar, Liars, Me, audiences};
use crate::sim::rng::Rng;

pub(super) struct TwoContributions {
    audience: Vec<usize>,
    audiences: usize,
    contributions: Contributions,
}

impl TwoContributions {
    pub(super) fn new(liars: &Liars, rng: &mut Rng) -> Self {
        Self { audience: audiences(liars, rng), audiences: 2, contributions: Contributions::default() }
    }

    /// To the first audience it says all that goes with the one, to the second no ECHO for it, to the third the other.
    pub(super) fn torn(liars: &Liars, rng: &mut Rng) -> Self {
        let audience = (0..liars.members).map(|_| rng.index(3)).collect();
        Self { audience, audiences: 3, contributions: Contributions::torn() }
    }
}

impl Liar for TwoContributions {
    fn wrote(&mut self, me: &Me<'_>, write: &Write) {
        self.contributions.wrote(me, write, self.audiences, |contribution| {
            contribution.clock = contribution.clock.plus(1);
            contribution.claims.pop();
        });
    }

    fn send(&mut self, me: &Me<'_>, to: usize, message: PeerMessage, _rng: &mut Rng) -> Vec<PeerMessage> {
        let audience = self.audience[to];
        self.contributions.send(me, audience, audience + 1 == self.audiences, message)
    }
}
