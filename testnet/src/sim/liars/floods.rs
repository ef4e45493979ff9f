//! Floods: frames of epochs that nobody has begun, frames of rounds that nobody has reached, and the same again.

use entente_hbbft::{Digest, Frame, Message, Round, Seat};
use entente_protocol::replicate::PeerMessage;
use entente_protocol::vote::{VoteFeed, VoteFrame};

use super::{Liar, Me};
use crate::sim::rng::Rng;

/// Frames of a flood at a time.
const BURST: usize = 20;

/// Signs first frames of epochs within and beyond the window, with votes of rounds far ahead.
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

/// Says in its chain again and again what it has said: every frame is followed by votes that are not new.
#[derive(Default)]
pub(super) struct Repeats {
    /// The last own frame in the newest epoch, and the last that repeats it.
    last: Option<(VoteFrame, VoteFrame)>,
}

impl Liar for Repeats {
    fn wrote(&mut self, me: &Me<'_>, write: &entente_protocol::store::Write) {
        if let entente_protocol::store::Write::Frame(frame) = write
            && frame.feed.seat == me.seat()
        {
            self.last = Some((frame.clone(), frame.clone()));
        }
    }

    fn murmur(&mut self, me: &Me<'_>, _rng: &mut Rng) -> Vec<(usize, PeerMessage)> {
        let (Some((last, previous)), Some(key)) = (&mut self.last, &me.keys.seat) else { return Vec::new() };
        let mut said = Vec::new();
        for _ in 0..BURST {
            let next = VoteFrame::sign(
                &me.coalition,
                last.feed,
                previous.seq + 1,
                previous.hash(),
                last.votes.clone(),
                key,
            );
            said.extend(me.others().map(|to| (to, PeerMessage::Frame(next.clone()))));
            *previous = next;
        }
        said
    }
}
