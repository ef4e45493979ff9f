//! Writes its record feeds in as many branches as there are members: each is shown one of its own.

use entente_protocol::replicate::PeerMessage;
use entente_protocol::store::Write;

use super::branches::Branches;
use super::{Liar, Liars, Me};
use crate::sim::rng::Rng;

pub(super) struct ForkPerPeer(Branches);

impl ForkPerPeer {
    pub(super) fn new(liars: &Liars) -> Self {
        Self(Branches::new((0..liars.members).collect(), 1))
    }
}

impl Liar for ForkPerPeer {
    fn wrote(&mut self, me: &Me<'_>, write: &Write) {
        self.0.wrote(me, write);
    }

    fn send(&mut self, me: &Me<'_>, to: usize, message: PeerMessage, _rng: &mut Rng) -> Vec<PeerMessage> {
        self.0.send(me, to, message)
    }
}
