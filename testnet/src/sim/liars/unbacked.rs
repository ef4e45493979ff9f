//! Votes for whatever it likes, whether `weak` or a quorum back it or not, the same to all.

use entente_hbbft::{BoolSet, Message, Round};
use entente_protocol::replicate::PeerMessage;
use entente_protocol::store::Write;

use super::tongues::Tongues;
use super::{Liar, Me};
use crate::sim::rng::Rng;

pub(super) struct Unbacked {
    tongues: Tongues,
    rng: Rng,
    /// Percent of votes that it draws.
    drawn: u64,
}

impl Unbacked {
    pub(super) fn new(rng: &mut Rng) -> Self {
        let drawn = *rng.pick(&[30, 60, 100]);
        Self { tongues: Tongues::default(), rng: Rng::new(rng.next(), 3), drawn }
    }
}

impl Liar for Unbacked {
    fn wrote(&mut self, me: &Me<'_>, write: &Write) {
        let Self { tongues, rng, drawn } = self;
        tongues.wrote(me, write, 1, |_, _, message| {
            if !rng.chance(*drawn) {
                return vec![message];
            }
            let value = rng.chance(50);
            vec![match message {
                Message::Echo { proposer, digest } if value => {
                    return vec![Message::Echo { proposer, digest }, Message::Ready { proposer, digest }];
                }
                Message::Ready { proposer, .. } if value => {
                    Message::Bval { proposer, round: Round::FIRST, value: false }
                }
                Message::Bval { proposer, round, .. } if round != Round::FIRST => {
                    Message::Bval { proposer, round, value }
                }
                Message::Aux { proposer, round, .. } => Message::Aux { proposer, round, value },
                Message::Conf { proposer, round, .. } => {
                    let values = *rng.pick(&[BoolSet::Zero, BoolSet::One, BoolSet::Both]);
                    Message::Conf { proposer, round, values }
                }
                Message::Term { proposer, round, .. } => Message::Term { proposer, round, value },
                other => other,
            }]
        });
    }

    fn send(&mut self, me: &Me<'_>, _to: usize, message: PeerMessage, _rng: &mut Rng) -> Vec<PeerMessage> {
        self.tongues.send(me, 0, message)
    }
}
