//! Several chains of frames in one name: what a liar that says different things to different members has said to each.
//!
//! Every own frame of its engine becomes one frame in the chain of each audience, with other messages in it, or none.

use std::collections::BTreeMap;

use entente_hbbft::{Frame, Message};
use entente_protocol::replicate::PeerMessage;
use entente_protocol::store::Write;
use entente_protocol::vote::VoteFrame;

use super::Me;

/// The chains, by audience and epoch.
#[derive(Default)]
pub(super) struct Tongues {
    chains: BTreeMap<(usize, u64), Chain>,
}

#[derive(Default)]
struct Chain {
    frames: Vec<VoteFrame>,
    /// For each frame of the engine: its place here, if anything was left of it.
    places: Vec<Option<usize>>,
}

impl Tongues {
    /// Takes an own frame that the engine has written; `edit` gives what an audience is told instead.
    pub(super) fn wrote(
        &mut self,
        me: &Me<'_>,
        write: &Write,
        audiences: usize,
        mut edit: impl FnMut(usize, &VoteFrame, Message) -> Vec<Message>,
    ) {
        let Write::Frame(frame) = write else { return };
        let Some(key) = me.keys.seat.as_ref().filter(|_| frame.feed.seat == me.seat()) else { return };
        for audience in 0..audiences {
            let chain = self.chains.entry((audience, frame.feed.epoch)).or_default();
            let messages: Vec<_> =
                frame.votes.messages().flat_map(|message| edit(audience, frame, message)).collect();
            let votes = Frame::pack(messages);
            if votes.is_empty() {
                chain.places.push(None);
                continue;
            }
            let previous =
                chain.frames.last().map_or_else(|| frame.feed.root(&me.coalition), VoteFrame::hash);
            let seq = chain.frames.len() as u32;
            chain.places.push(Some(chain.frames.len()));
            chain.frames.push(VoteFrame::sign(&me.coalition, frame.feed, seq, previous, votes, key));
        }
    }

    /// What an audience hears of a message.
    pub(super) fn send(&self, me: &Me<'_>, audience: usize, message: PeerMessage) -> Vec<PeerMessage> {
        match message {
            PeerMessage::Frame(frame) if frame.feed.seat == me.seat() => {
                let Some(chain) = self.chains.get(&(audience, frame.feed.epoch)) else { return Vec::new() };
                let place = chain.places.get(frame.seq as usize).copied().flatten();
                place.map(|place| PeerMessage::Frame(chain.frames[place].clone())).into_iter().collect()
            }
            PeerMessage::Have(mut have) => {
                for epoch in &mut have.epochs {
                    let said =
                        self.chains.get(&(audience, epoch.epoch)).map_or(0, |chain| chain.frames.len());
                    if let Some(count) = epoch.frames.get_mut(me.seat().index()) {
                        *count = said as u32;
                    }
                }
                vec![PeerMessage::Have(have)]
            }
            other => vec![other],
        }
    }
}
