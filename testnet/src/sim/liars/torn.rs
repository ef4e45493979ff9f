//! Contributes two things and votes so that neither is delivered and one honest seat believes that it will be: the first
//! audience hears all that goes with the one, the second no ECHO for it, the third the other, and all a READY for what
//! nobody holds.

use entente_hbbft::{Digest, Message};
use entente_protocol::frontier::Contribution;
use entente_protocol::replicate::PeerMessage;
use entente_protocol::store::Write;

use super::contributions::Contributions;
use super::{Liar, Liars, Me};
use crate::sim::rng::Rng;

const AUDIENCES: usize = 3;

pub(super) struct Torn {
    audience: Vec<usize>,
    contributions: Contributions,
}

impl Torn {
    pub(super) fn new(liars: &Liars, rng: &mut Rng) -> Self {
        let audience = (0..liars.members).map(|_| rng.index(AUDIENCES)).collect();
        Self { audience, contributions: Contributions::default() }
    }
}

impl Liar for Torn {
    fn wrote(&mut self, me: &Me<'_>, write: &Write) {
        let own = me.seat();
        let edit = |contribution: &mut Contribution| {
            contribution.clock = contribution.clock.plus(1);
            contribution.claims.pop();
        };
        self.contributions.wrote_and_said(me, write, AUDIENCES, edit, |audience, message| match message {
            Message::Ready { proposer, digest } if proposer == own => {
                Some(Message::Ready { proposer, digest: Digest::of(&digest.0) })
            }
            Message::Echo { proposer, .. } if proposer == own && audience == 1 => None,
            other => Some(other),
        });
    }

    fn send(&mut self, me: &Me<'_>, to: usize, message: PeerMessage, _rng: &mut Rng) -> Vec<PeerMessage> {
        let audience = self.audience[to];
        self.contributions.send(me, audience, audience + 1 == AUDIENCES, message)
    }
}
