//! Contributes nothing of what it holds, and in some epochs nothing at all; it votes like anybody else.

use entente_hbbft::Digest;
use entente_protocol::replicate::PeerMessage;
use entente_protocol::store::Write;

use super::contributions::Contributions;
use super::{Liar, Me};
use crate::sim::rng::Rng;

pub(super) struct Hollow {
    contributions: Contributions,
    seed: u64,
}

impl Hollow {
    pub(super) fn new(rng: &mut Rng) -> Self {
        Self { contributions: Contributions::default(), seed: rng.next() }
    }

    fn withholds(&self, epoch: u64) -> bool {
        Rng::new(self.seed, epoch).chance(50)
    }
}

impl Liar for Hollow {
    fn wrote(&mut self, me: &Me<'_>, write: &Write) {
        if let Write::Frame(frame) = write
            && me.seat() == frame.feed.seat
            && self.withholds(frame.feed.epoch)
            && let Some(digest) = frame.votes.proposal()
        {
            self.contributions.withhold(digest);
        }
        self.contributions.wrote(me, write, 1, |contribution| contribution.claims.clear());
    }

    fn send(&mut self, me: &Me<'_>, _to: usize, message: PeerMessage, _rng: &mut Rng) -> Vec<PeerMessage> {
        if let PeerMessage::Payload { epoch, bytes } = &message
            && let Some(hollow) = self.contributions.shown(&Digest::of(bytes))
        {
            return vec![PeerMessage::Payload { epoch: *epoch, bytes: hollow.clone() }];
        }
        self.contributions.send(me, 0, true, message)
    }
}
