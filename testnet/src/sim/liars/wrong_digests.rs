//! Names digests of payloads that nobody holds, in ECHO and READY, and as its own contribution.

use entente_hbbft::{Digest, Message};
use entente_protocol::replicate::PeerMessage;
use entente_protocol::store::Write;

use super::tongues::Tongues;
use super::{Liar, Liars, Me, audiences};
use crate::sim::rng::Rng;

pub(super) struct WrongDigests {
    audience: Vec<usize>,
    tongues: Tongues,
    own_too: bool,
}

impl WrongDigests {
    pub(super) fn new(liars: &Liars, rng: &mut Rng) -> Self {
        Self { audience: audiences(liars, rng), tongues: Tongues::default(), own_too: rng.chance(50) }
    }
}

fn wrong(digest: Digest) -> Digest {
    Digest::of(&digest.0)
}

impl Liar for WrongDigests {
    fn wrote(&mut self, me: &Me<'_>, write: &Write) {
        let own_too = self.own_too;
        self.tongues.wrote(me, write, 2, |audience, _, message| {
            vec![match message {
                _ if audience == 0 => message,
                Message::Propose(digest) if own_too => Message::Propose(wrong(digest)),
                Message::Echo { proposer, digest } => Message::Echo { proposer, digest: wrong(digest) },
                Message::Ready { proposer, digest } => Message::Ready { proposer, digest: wrong(digest) },
                other => other,
            }]
        });
    }

    fn send(&mut self, me: &Me<'_>, to: usize, message: PeerMessage, _rng: &mut Rng) -> Vec<PeerMessage> {
        self.tongues.send(me, self.audience[to], message)
    }
}
