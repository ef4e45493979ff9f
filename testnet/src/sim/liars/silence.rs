//! Stops speaking, at once or after a while, or speaks in fits.

use entente_protocol::replicate::PeerMessage;

use super::{Liar, Me};
use crate::sim::rng::Rng;

pub(super) struct Silence {
    /// Messages that it still sends.
    left: u64,
    /// How many it sends in the next fit, if there is one.
    fit: Option<u64>,
}

impl Silence {
    pub(super) fn new(rng: &mut Rng) -> Self {
        Self { left: *rng.pick(&[0, 10, 100, 1_000]), fit: rng.chance(30).then(|| rng.between(1, 200)) }
    }
}

impl Liar for Silence {
    fn send(&mut self, _me: &Me<'_>, _to: usize, message: PeerMessage, rng: &mut Rng) -> Vec<PeerMessage> {
        if self.left == 0 {
            if let Some(fit) = self.fit.filter(|_| rng.below(500) == 0) {
                self.left = fit;
            }
            return Vec::new();
        }
        self.left -= 1;
        vec![message]
    }
}
