//! Starts every epoch that may be started, with a contribution that claims nothing.

use entente_hbbft::{Digest, Frame, Message};
use entente_protocol::frontier::Contribution;
use entente_protocol::replicate::PeerMessage;
use entente_protocol::vote::{VoteFeed, VoteFrame};

use super::{Liar, Me};
use crate::sim::rng::Rng;

pub(super) struct Restless;

impl Liar for Restless {
    fn murmur(&mut self, me: &Me<'_>, _rng: &mut Rng) -> Vec<(usize, PeerMessage)> {
        let Some(key) = &me.keys.seat else { return Vec::new() };
        let epoch = me.certified + 1;
        let bytes = Contribution { clock: me.now, claims: Vec::new() }.encode();
        let feed = VoteFeed { seat: me.seat(), incarnation: 0, era: 1, epoch };
        let votes = Frame::pack([Message::Propose(Digest::of(&bytes))]);
        let frame = VoteFrame::sign(&me.coalition, feed, 0, feed.root(&me.coalition), votes, key);
        let said = |to| {
            let payload = PeerMessage::Payload { epoch, bytes: bytes.clone() };
            [(to, payload), (to, PeerMessage::Frame(frame.clone()))]
        };
        me.others().flat_map(said).collect()
    }
}
