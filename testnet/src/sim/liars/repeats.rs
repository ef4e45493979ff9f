//! Says in its chain again and again what it has said: every frame is followed by votes that are not new.

use entente_protocol::replicate::PeerMessage;
use entente_protocol::store::Write;
use entente_protocol::vote::VoteFrame;

use super::{Liar, Me};
use crate::sim::rng::Rng;

/// Frames at a time.
const BURST: usize = 20;

#[derive(Default)]
pub(super) struct Repeats {
    /// The last own frame in the newest epoch, and the last that repeats it.
    last: Option<(VoteFrame, VoteFrame)>,
}

impl Liar for Repeats {
    fn wrote(&mut self, me: &Me<'_>, write: &Write) {
        if let Write::Frame(frame) = write
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
