//! Floods others with first frames of epochs within and beyond the window, and with votes of rounds that nobody has reached.

use entente_hbbft::{Digest, Frame, Message, Round, Seat};
use entente_protocol::replicate::PeerMessage;
use entente_protocol::vote::{VoteFeed, VoteFrame};

use super::{Liar, Me};
use crate::sim::rng::Rng;

/// Frames of a flood at a time.
const BURST: usize = 20;

pub(super) struct FutureFlood;

impl Liar for FutureFlood {
    fn murmur(&mut self, me: &Me<'_>, rng: &mut Rng) -> Vec<(usize, PeerMessage)> {
        let Some(key) = &me.keys.seat else { return Vec::new() };
        let others: Vec<usize> = me.others().collect();
        let mut said = Vec::new();
        for _ in 0..BURST.min(others.len() * BURST) {
            let ahead = *rng.pick(&[2, 3, 4, 5, 100, 1 << 40]);
            let feed = VoteFeed { seat: me.seat(), incarnation: 0, era: 1, epoch: me.certified + ahead };
            let proposer = Seat(rng.index(me.seats) as u16);
            let round = Round(*rng.pick(&[0, 1, 2, 3, 7, 4095]));
            let digest = Digest([rng.next() as u8; 32]);
            let message = match rng.below(4) {
                0 => Message::Propose(digest),
                1 => Message::Echo { proposer, digest },
                2 => Message::Bval { proposer, round, value: false },
                _ => Message::Aux { proposer, round, value: rng.chance(50) },
            };
            let frame = VoteFrame::sign(
                &me.coalition,
                feed,
                0,
                feed.root(&me.coalition),
                Frame::pack([message]),
                key,
            );
            said.push((*rng.pick(&others), PeerMessage::Frame(frame)));
        }
        said
    }
}
