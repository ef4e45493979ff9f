//! Says each thing to some only, and serves hardly anything.

use entente_protocol::replicate::PeerMessage;

use super::{Liar, Me};
use crate::sim::rng::Rng;

pub(super) struct Partial {
    /// Percent of messages that it does send.
    sent: u64,
    /// Whether payloads go to one member only, the cruellest choice.
    starves_payloads: bool,
}

impl Partial {
    pub(super) fn new(rng: &mut Rng) -> Self {
        Self { sent: *rng.pick(&[20, 50, 80]), starves_payloads: rng.chance(50) }
    }
}

impl Liar for Partial {
    fn send(&mut self, me: &Me<'_>, to: usize, message: PeerMessage, rng: &mut Rng) -> Vec<PeerMessage> {
        let sends = match &message {
            PeerMessage::Payload { .. } if self.starves_payloads => to == (me.member + 1) % me.nodes.len(),
            _ => rng.chance(self.sent),
        };
        if sends { vec![message] } else { Vec::new() }
    }
}
