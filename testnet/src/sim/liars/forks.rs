//! Writes its record feeds in two branches and shows each member one of them.

use entente_protocol::replicate::PeerMessage;
use entente_protocol::store::Write;

use super::branches::Branches;
use super::{Liar, Liars, Me, audiences};
use crate::sim::rng::Rng;

pub(super) struct Forks(Branches);

impl Forks {
    pub(super) fn new(liars: &Liars, rng: &mut Rng) -> Self {
        let from = *rng.pick(&[1, 1, 2, 5, 40]);
        Self(Branches::new(audiences(liars, rng), from))
    }
}

impl Liar for Forks {
    fn wrote(&mut self, me: &Me<'_>, write: &Write) {
        self.0.wrote(me, write);
    }

    fn send(&mut self, me: &Me<'_>, to: usize, message: PeerMessage, _rng: &mut Rng) -> Vec<PeerMessage> {
        self.0.send(me, to, message)
    }
}
