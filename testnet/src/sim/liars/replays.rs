//! Says again what it has heard, from anyone, long ago.

use std::collections::VecDeque;

use entente_protocol::replicate::PeerMessage;

use super::{Liar, Me, forget_own};
use crate::sim::rng::Rng;

/// Most messages remembered.
const MEMORY: usize = 2_000;

#[derive(Default)]
pub(super) struct Replays {
    heard: VecDeque<PeerMessage>,
}

impl Liar for Replays {
    fn hear(
        &mut self,
        me: &Me<'_>,
        _from: usize,
        message: PeerMessage,
        rng: &mut Rng,
    ) -> Option<PeerMessage> {
        let keeps = match message {
            PeerMessage::HeadReport(_) | PeerMessage::HeadRequest(_) => true,
            PeerMessage::Want(_) | PeerMessage::Served(_) => false,
            _ => rng.chance(30),
        };
        if keeps {
            if self.heard.len() == MEMORY {
                self.heard.pop_front();
            }
            self.heard.push_back(message.clone());
        }
        forget_own(me, message)
    }

    fn murmur(&mut self, me: &Me<'_>, rng: &mut Rng) -> Vec<(usize, PeerMessage)> {
        if self.heard.is_empty() {
            return Vec::new();
        }
        let mut said = Vec::new();
        for to in me.others() {
            for _ in 0..5 {
                said.push((to, self.heard[rng.index(self.heard.len())].clone()));
            }
        }
        said
    }
}
