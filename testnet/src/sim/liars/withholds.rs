//! Leaves some of its votes unsaid, to some: READY, or TERM, or AUX.

use entente_hbbft::Message;
use entente_protocol::replicate::PeerMessage;
use entente_protocol::store::Write;

use super::tongues::Tongues;
use super::{Liar, Liars, Me, audiences};
use crate::sim::rng::Rng;

pub(super) struct Withholds {
    audience: Vec<usize>,
    tongues: Tongues,
    what: u64,
}

impl Withholds {
    pub(super) fn new(liars: &Liars, rng: &mut Rng) -> Self {
        let everybody = rng.chance(30);
        let audience = if everybody { vec![1; liars.members] } else { audiences(liars, rng) };
        Self { audience, tongues: Tongues::default(), what: rng.below(4) }
    }
}

impl Liar for Withholds {
    fn wrote(&mut self, me: &Me<'_>, write: &Write) {
        let what = self.what;
        self.tongues.wrote(me, write, 2, |audience, _, message| {
            let withheld = match message {
                Message::Ready { .. } => what <= 1,
                Message::Term { .. } => what == 2,
                Message::Aux { .. } => what == 3,
                _ => false,
            };
            if audience == 1 && withheld { Vec::new() } else { vec![message] }
        });
    }

    fn send(&mut self, me: &Me<'_>, to: usize, message: PeerMessage, _rng: &mut Rng) -> Vec<PeerMessage> {
        self.tongues.send(me, self.audience[to], message)
    }
}
