//! Evidence against seats, and names for evidence of every kind.
//!
//! Guarantees: an [`Equivocation`] convicts only a seat that signed two different frames at one place of one coalition;
//! nobody else can make one, whatever they replay, and two signatures over one frame prove nothing. It is short, whatever the
//! frames say, because a frame's hash takes that by its digest. Of a fork of a record feed the proof is
//! [`ForkProof`](crate::feed::ForkProof).
//!
//! Source: consensus rule "Vote frames": two frames at one place are exchanged once as proof.

use entente_hbbft::Seat;
use serde::{Deserialize, Serialize};

use crate::feed::FeedKey;
use crate::identity::{CoalitionId, EvidenceId, Hash, PublicKey, Signature, hash};
use crate::vote::{VoteFeed, VoteFrame, frame_hash, verify_frame_hash, votes_digest};
use crate::wire;

/// One of two frames at one place, without what it says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct FrameStub {
    /// Hash of the frame before.
    pub previous: Hash,
    /// The digest of what the frame says.
    pub votes: Hash,
    /// By the seat, over the coalition and the frame's hash.
    pub signature: Signature,
}

/// Two different frames that one seat signed at one place.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Equivocation {
    /// The chain.
    pub feed: VoteFeed,
    /// The place in it, from 0.
    pub seq: u32,
    /// The frames, the lower hash first, so that all who find them write the same proof.
    pub frames: [FrameStub; 2],
}

impl Equivocation {
    /// The proof made of two frames at one place, in either order.
    pub fn new(frames: &[VoteFrame; 2]) -> Self {
        let [one, other] = frames;
        let order = if one.hash() <= other.hash() { [one, other] } else { [other, one] };
        let frames = order.map(|frame| FrameStub {
            previous: frame.previous,
            votes: votes_digest(&frame.votes),
            signature: frame.signature,
        });
        Self { feed: one.feed, seq: one.seq, frames }
    }

    /// The hashes of the two frames.
    pub fn hashes(&self) -> [Hash; 2] {
        self.frames.map(|stub| frame_hash(&self.feed, self.seq, &stub.previous, &stub.votes))
    }

    /// Whether the frames differ and both are signed with the seat's `key`.
    pub fn verify(&self, coalition: &CoalitionId, key: &PublicKey) -> bool {
        let [low, high] = self.hashes();
        let signed = |hash: &Hash, stub: &FrameStub| verify_frame_hash(coalition, hash, &stub.signature, key);
        low < high && signed(&low, &self.frames[0]) && signed(&high, &self.frames[1])
    }
}

/// What a piece of evidence is about: there is one for each, whoever found it and whichever proof was ordered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Subject {
    /// A record feed with two branches.
    Feed(FeedKey),
    /// A seat that signed two frames at one place.
    Seat(Seat),
}

impl Subject {
    /// The id by which people name it: the same at all nodes.
    pub fn id(&self) -> EvidenceId {
        EvidenceId(match self {
            Self::Feed(feed) => hash("entente/evidence/feed/v1", &[&wire::encode(feed)]),
            Self::Seat(seat) => hash("entente/evidence/seat/v1", &[&wire::encode(seat)]),
        })
    }
}

#[cfg(test)]
mod tests {
    use entente_hbbft::{Digest, Frame, Message};

    use super::*;
    use crate::identity::SecretKey;

    fn frame(coalition: &CoalitionId, what: &[u8], epoch: u64, seq: u32) -> VoteFrame {
        let feed = VoteFeed { seat: Seat(2), incarnation: 0, era: 1, epoch };
        let votes = Frame::pack([Message::Propose(Digest::of(what))]);
        VoteFrame::sign(coalition, feed, seq, feed.root(coalition), votes, &SecretKey::from_seed(&[5; 32]))
    }

    #[test]
    fn two_frames_at_one_place_convict_their_seat_and_nothing_else_does() {
        let (here, there) = (CoalitionId(hash("here", &[])), CoalitionId(hash("there", &[])));
        let key = SecretKey::from_seed(&[5; 32]).public();
        let [x, y] = [b"x", b"y"].map(|what| frame(&here, what, 7, 0));
        let proof = Equivocation::new(&[x.clone(), y.clone()]);
        assert!(proof.verify(&here, &key));
        assert_eq!(proof, Equivocation::new(&[y.clone(), x.clone()]));
        assert!(crate::record::Body::Equivocation(Box::new(proof.clone())).encode().len() < 300);
        assert!(
            !proof.verify(&there, &key) && !proof.verify(&here, &SecretKey::from_seed(&[6; 32]).public())
        );
        // Saying the same twice, saying it elsewhere, or to another coalition that the key has a seat in.
        assert!(!Equivocation::new(&[x.clone(), x.clone()]).verify(&here, &key));
        for other in [frame(&here, b"y", 8, 0), frame(&here, b"y", 7, 1), frame(&there, b"y", 7, 0)] {
            for pair in [[x.clone(), other.clone()], [other, x.clone()]] {
                assert!(!Equivocation::new(&pair).verify(&here, &key));
            }
        }
        let mut swapped = proof;
        swapped.frames.swap(0, 1);
        assert!(!swapped.verify(&here, &key), "one proof, one form");
    }
}
