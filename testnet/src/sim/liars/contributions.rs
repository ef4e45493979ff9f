//! Own contributions that some are shown otherwise than the engine made them, and the votes that go with them.

use std::collections::{BTreeMap, BTreeSet};

use entente_hbbft::{Digest, Message};
use entente_protocol::frontier::{Contribution, MAX_CONTRIBUTION_BYTES};
use entente_protocol::replicate::PeerMessage;
use entente_protocol::store::Write;
use entente_protocol::wire;

use super::Me;
use super::tongues::Tongues;

/// Epochs for which payloads are remembered until it is known which of them is the own.
const REMEMBERED: u64 = 8;

/// What the last audience is shown instead.
#[derive(Default)]
pub(super) struct Contributions {
    tongues: Tongues,
    written: BTreeMap<(u64, Digest), Vec<u8>>,
    instead: BTreeMap<Digest, (Digest, Vec<u8>)>,
    /// Those that nobody hears of.
    withheld: BTreeSet<Digest>,
}

impl Contributions {
    /// Takes what the engine has written; `edit` changes an own contribution for the last of so many audiences.
    pub(super) fn wrote(
        &mut self,
        me: &Me<'_>,
        write: &Write,
        audiences: usize,
        edit: impl FnOnce(&mut Contribution),
    ) {
        self.wrote_and_said(me, write, audiences, edit, |_, message| Some(message));
    }

    /// The same, where `say` changes or leaves out votes for an audience, by its number.
    pub(super) fn wrote_and_said(
        &mut self,
        me: &Me<'_>,
        write: &Write,
        audiences: usize,
        edit: impl FnOnce(&mut Contribution),
        say: impl Fn(usize, Message) -> Option<Message>,
    ) {
        match write {
            Write::Payload { epoch, digest, bytes } => {
                self.written.retain(|(at, _), _| at + REMEMBERED > *epoch);
                self.written.insert((*epoch, *digest), bytes.clone());
            }
            Write::Frame(frame) if frame.feed.seat == me.seat() => {
                if let Some(digest) = frame.votes.proposal() {
                    self.change(frame.feed.epoch, digest, edit);
                }
                let (instead, withheld) = (&self.instead, &self.withheld);
                let shown = |digest: Digest| instead.get(&digest).map_or(digest, |(other, _)| *other);
                self.tongues.wrote(me, write, audiences, |audience, _, message| {
                    let Some(message) = say(audience, message) else { return Vec::new() };
                    vec![match message {
                        Message::Propose(digest) if withheld.contains(&digest) => return Vec::new(),
                        _ if audience + 1 < audiences => message,
                        Message::Propose(digest) => Message::Propose(shown(digest)),
                        Message::Echo { proposer, digest } => {
                            Message::Echo { proposer, digest: shown(digest) }
                        }
                        Message::Ready { proposer, digest } => {
                            Message::Ready { proposer, digest: shown(digest) }
                        }
                        other => other,
                    }]
                });
            }
            _ => {}
        }
    }

    /// Leaves an own contribution unsaid, by the digest of what the engine made. To be called before it is written.
    pub(super) fn withhold(&mut self, digest: Digest) {
        self.withheld.insert(digest);
    }

    fn change(&mut self, epoch: u64, digest: Digest, edit: impl FnOnce(&mut Contribution)) {
        let Some(bytes) = self.written.remove(&(epoch, digest)) else { return };
        let Ok(mut contribution) = wire::decode::<Contribution>(&bytes, MAX_CONTRIBUTION_BYTES) else {
            return;
        };
        edit(&mut contribution);
        let bytes = contribution.encode();
        self.instead.insert(digest, (Digest::of(&bytes), bytes));
    }

    /// What an audience hears of a message. The engine pushes its contribution before the frame that names it: what is
    /// shown instead goes with the frame.
    pub(super) fn send(
        &self,
        me: &Me<'_>,
        audience: usize,
        is_last: bool,
        message: PeerMessage,
    ) -> Vec<PeerMessage> {
        let mut said = Vec::new();
        if let PeerMessage::Frame(frame) = &message
            && is_last
            && me.is_own_frame(&message)
            && let Some(bytes) = frame.votes.proposal().and_then(|digest| self.shown(&digest))
        {
            said.push(PeerMessage::Payload { epoch: frame.feed.epoch, bytes: bytes.clone() });
        }
        said.extend(self.tongues.send(me, audience, message));
        said
    }

    /// The bytes that are shown in place of a contribution.
    pub(super) fn shown(&self, digest: &Digest) -> Option<&Vec<u8>> {
        self.instead.get(digest).map(|(_, bytes)| bytes)
    }
}
