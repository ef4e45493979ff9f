//! Liars that push their frames in brief, as honest seats do, each as what it has told that one before lets it.

use std::collections::{BTreeMap, BTreeSet};

use entente_hbbft::{Brief, Digest, Frame, Message};
use entente_protocol::replicate::{PeerMessage, Spoken};
use entente_protocol::vote::VoteFrame;

use super::World;
use crate::sim::rng::Rng;
use crate::sim::summary::Count;

/// The stream of draws, which all else goes without.
const BRIEFLY: u64 = 433;
/// Of a hundred liars, so many speak in brief.
const SPEAK_BRIEFLY: u64 = 50;
/// Of a hundred frames in brief, so many are not what was signed.
const FALSE: u64 = 6;
/// Epochs of which it is remembered what was told.
const EPOCHS: usize = 8;

/// What a liar has told each process, by epoch.
pub(super) struct Briefly {
    rng: Rng,
    told: BTreeMap<u64, BTreeMap<usize, Told>>,
}

/// What one process has been told of an epoch.
#[derive(Default)]
struct Told {
    frames: BTreeMap<u32, VoteFrame>,
    contributions: Vec<Vec<u8>>,
    /// Places that were told in brief.
    briefly: BTreeSet<u32>,
}

impl Briefly {
    /// Whether a liar speaks so.
    pub(super) fn draw(seed: u64, member: usize) -> Option<Self> {
        let mut rng = Rng::new(seed, BRIEFLY + ((member as u64) << 16));
        rng.chance(SPEAK_BRIEFLY).then_some(Self { rng, told: BTreeMap::new() })
    }

    /// What a process was told of an epoch; nothing of one that is forgotten already.
    fn told(&mut self, to: usize, epoch: u64) -> Option<&mut Told> {
        self.told.entry(epoch).or_default();
        while self.told.len() > EPOCHS {
            self.told.pop_first();
        }
        self.told.get_mut(&epoch).map(|told| told.entry(to).or_default())
    }

    /// A frame in brief, if that process has been told all before it, and not this one; and whether it is what was signed.
    fn spoken(&mut self, to: usize, frame: &VoteFrame) -> Option<(Spoken, bool)> {
        let VoteFrame { feed, seq, votes, .. } = frame;
        let told = self.told(to, feed.epoch)?;
        told.frames.insert(*seq, frame.clone());
        let mut before = (0..*seq).map(|seq| told.frames.get(&seq));
        let follows = before.all(|before| before.is_some()) && told.briefly.insert(*seq);
        let payload = match votes.proposal() {
            Some(digest) => told.contributions.iter().find(|bytes| Digest::of(bytes) == digest)?.clone(),
            None => Vec::new(),
        };
        if !follows {
            return None;
        }
        let messages = told.frames.range(..*seq).flat_map(|(_, frame)| frame.votes.messages());
        let echoed = messages.filter_map(|message| match message {
            Message::Echo { proposer, digest } => Some((proposer, digest)),
            _ => None,
        });
        let echoed = echoed.collect();
        let is_false = self.rng.chance(FALSE);
        let said = if is_false { Frame::pack(self.other(votes)) } else { votes.clone() };
        let votes = Brief::of(&said, feed.seat, &echoed);
        let spoken = Spoken { epoch: feed.epoch, seq: *seq, payload, votes, signature: frame.signature };
        Some((spoken, !is_false))
    }

    /// What a frame says but for one word.
    fn other(&mut self, votes: &Frame) -> Vec<Message> {
        let mut words: Vec<Message> = votes.messages().collect();
        if words.len() > 1 && self.rng.chance(50) {
            words.remove(self.rng.index(words.len()));
            return words;
        }
        match *self.rng.pick(&words) {
            Message::Ready { proposer, digest } => words.push(Message::Echo { proposer, digest }),
            Message::Echo { proposer, digest } => words.push(Message::Ready { proposer, digest }),
            other => words.retain(|word| *word != other),
        }
        words
    }
}

impl World {
    /// How a liar says something to a process: a frame of its own in brief, where it speaks so.
    pub(super) fn in_brief(&mut self, from: usize, to: usize, message: PeerMessage) -> PeerMessage {
        let member = self.processes[from].member;
        let Some(briefly) = &mut self.processes[from].briefly else { return message };
        match &message {
            PeerMessage::Payload { epoch, bytes } => {
                if let Some(told) = briefly.told(to, *epoch)
                    && !told.contributions.contains(bytes)
                {
                    told.contributions.push(bytes.clone());
                }
                message
            }
            PeerMessage::Frame(frame) if frame.feed.seat.index() == member => {
                let Some((spoken, is_true)) = briefly.spoken(to, frame) else { return message };
                self.counts.add(Count::FalseBrief, u64::from(!is_true));
                PeerMessage::Spoken(spoken)
            }
            _ => message,
        }
    }
}
