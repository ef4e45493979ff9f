//! Votes one way to some and the opposite way to others, in every round of every agreement.

use entente_hbbft::{BoolSet, Message, Round};
use entente_protocol::replicate::PeerMessage;
use entente_protocol::store::Write;

use super::tongues::Tongues;
use super::{Liar, Liars, Me, audiences};
use crate::sim::rng::Rng;

pub(super) struct BothWays {
    audience: Vec<usize>,
    tongues: Tongues,
}

impl BothWays {
    pub(super) fn new(liars: &Liars, rng: &mut Rng) -> Self {
        Self { audience: audiences(liars, rng), tongues: Tongues::default() }
    }
}

/// The opposite vote; of READY in round 0, which stands for BVAL(1), that is BVAL(0).
fn opposite(message: Message) -> Option<Message> {
    Some(match message {
        Message::Ready { proposer, .. } => Message::Bval { proposer, round: Round::FIRST, value: false },
        // There is no bare BVAL(1) in round 0.
        Message::Bval { round: Round::FIRST, .. } => return None,
        Message::Bval { proposer, round, value } => Message::Bval { proposer, round, value: !value },
        Message::Aux { proposer, round, value } => Message::Aux { proposer, round, value: !value },
        Message::Conf { proposer, round, values } => {
            let values = match values {
                BoolSet::Zero => BoolSet::One,
                BoolSet::One => BoolSet::Zero,
                BoolSet::Both => BoolSet::Both,
            };
            Message::Conf { proposer, round, values }
        }
        Message::Term { proposer, round, value } => Message::Term { proposer, round, value: !value },
        other => other,
    })
}

impl Liar for BothWays {
    fn wrote(&mut self, me: &Me<'_>, write: &Write) {
        self.tongues.wrote(me, write, 2, |audience, _, message| match audience {
            0 => vec![message],
            _ => opposite(message).into_iter().collect(),
        });
    }

    fn send(&mut self, me: &Me<'_>, to: usize, message: PeerMessage, _rng: &mut Rng) -> Vec<PeerMessage> {
        self.tongues.send(me, self.audience[to], message)
    }
}
