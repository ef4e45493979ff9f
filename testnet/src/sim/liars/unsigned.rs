//! Leaves its signature off some of its vote frames, or all, towards some members: they count what comes from itself, and
//! whoever gets the same frames from them must not be able to say that they made it up.

use entente_protocol::identity::Signature;
use entente_protocol::replicate::PeerMessage;

use super::{Liar, Liars, Me, audiences};
use crate::sim::rng::Rng;

pub(super) struct Unsigned {
    audience: Vec<usize>,
    /// Percent of frames to the second audience.
    bare: u64,
}

impl Unsigned {
    pub(super) fn new(liars: &Liars, rng: &mut Rng) -> Self {
        Self { audience: audiences(liars, rng), bare: *rng.pick(&[20, 50, 100]) }
    }
}

impl Liar for Unsigned {
    fn send(&mut self, me: &Me<'_>, to: usize, message: PeerMessage, rng: &mut Rng) -> Vec<PeerMessage> {
        let bare = self.audience.get(to) == Some(&1) && rng.chance(self.bare);
        vec![match message {
            PeerMessage::Frame(mut frame) if bare && frame.feed.seat == me.seat() => {
                frame.signature = Signature::from_ed25519([0; 64]);
                PeerMessage::Frame(frame)
            }
            other => other,
        }]
    }
}
