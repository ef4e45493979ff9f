//! Says that it holds everything, and more, and has nothing when asked.

use entente_hbbft::WINDOW;
use entente_protocol::feed::{FeedKey, Head, Lane};
use entente_protocol::identity::Hash;
use entente_protocol::replicate::{EpochHave, Have, PeerMessage};

use super::{Liar, Me};
use crate::sim::rng::Rng;

pub(super) struct Boasts;

impl Liar for Boasts {
    fn send(&mut self, me: &Me<'_>, _to: usize, message: PeerMessage, rng: &mut Rng) -> Vec<PeerMessage> {
        match message {
            PeerMessage::Have(have) => {
                let keys = me.nodes.iter().map(|member| member.node.public());
                let feeds =
                    keys.flat_map(|node| Lane::ALL.map(|lane| FeedKey { node, lane, incarnation: 0 }));
                let most = 1 << rng.between(1, 40);
                let length = 1 + rng.below(most);
                let hash = Hash([rng.next() as u8; 32]);
                let frames = vec![1 + rng.below(1_000) as u32; me.seats];
                let bitmap = vec![0xFF; me.seats.div_ceil(8)];
                let epoch = |epoch| EpochHave { epoch, frames: frames.clone(), cosigned: bitmap.clone() };
                vec![PeerMessage::Have(Have {
                    whole: have.whole,
                    feeds: feeds.map(|feed| (feed, Head { length, hash })).collect(),
                    applied: have.applied + rng.below(1_000),
                    certified: have.certified + rng.below(1_000),
                    epochs: (me.certified + 1..=me.certified + WINDOW).map(epoch).collect(),
                    linked: bitmap,
                    seat: me.keys.seat.as_ref().map(|_| me.seat()),
                })]
            }
            PeerMessage::Run(_) | PeerMessage::Payload { .. } if rng.chance(80) => Vec::new(),
            other => vec![other],
        }
    }
}
