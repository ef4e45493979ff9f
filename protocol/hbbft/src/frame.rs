//! All that one step says, packed: digests listed, votes of all agreements as bitmaps over proposers.
//!
//! A frame has exactly one form. [`Frame::pack`] makes it and [`Frame::check`] refuses every other: lists are
//! strictly ascending, no group of votes is empty, no bit lies outside the committee, no message excludes
//! another. Encoded by a codec that itself is canonical (such as bincode's variable-length integers with a
//! check that the bytes re-encode), one frame has one encoding. With that codec a frame of votes alone takes
//! four bytes and, for each round and vote that occurs, three more (for up to seven seats).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::coin::FIXED_COINS;
use crate::committee::{Committee, Seat, SeatSet};
use crate::fault::FrameFault;
use crate::message::{Digest, MAX_ROUND, Message, Round, Vote};

/// The messages of one step of one seat.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Frame {
    propose: Option<Digest>,
    /// Ascending by proposer.
    echo: Vec<(Seat, Digest)>,
    /// Ascending by proposer.
    ready: Vec<(Seat, Digest)>,
    /// Ascending by round, then by the code of the vote.
    votes: Vec<Group>,
}

/// The same vote in the same round of several agreements.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Group {
    pub(crate) round: Round,
    pub(crate) vote: Vote,
    pub(crate) proposers: SeatSet,
}

impl Frame {
    /// Packs messages in whatever order they come; the same message twice counts once.
    pub fn pack(messages: impl IntoIterator<Item = Message>) -> Self {
        let mut frame = Self::default();
        let mut votes = BTreeMap::<(Round, Vote), SeatSet>::new();
        let mut vote = |round, vote, proposer| {
            votes.entry((round, vote)).or_default().insert(proposer);
        };
        for message in messages {
            match message {
                Message::Propose(digest) => frame.propose = Some(digest),
                Message::Echo { proposer, digest } => frame.echo.push((proposer, digest)),
                Message::Ready { proposer, digest } => frame.ready.push((proposer, digest)),
                Message::Bval { proposer, round, value } => vote(round, Vote::Bval(value), proposer),
                Message::Aux { proposer, round, value } => vote(round, Vote::Aux(value), proposer),
                Message::Conf { proposer, round, values } => vote(round, Vote::Conf(values), proposer),
                Message::Term { proposer, round, value } => vote(round, Vote::Term(value), proposer),
            }
        }
        for list in [&mut frame.echo, &mut frame.ready] {
            list.sort_unstable();
            list.dedup();
        }
        frame.votes =
            votes.into_iter().map(|((round, vote), proposers)| Group { round, vote, proposers }).collect();
        frame
    }

    pub(crate) fn of(
        propose: Option<Digest>,
        echo: Vec<(Seat, Digest)>,
        ready: Vec<(Seat, Digest)>,
        votes: Vec<Group>,
    ) -> Self {
        Self { propose, echo, ready, votes }
    }

    /// Whether the frame carries no message. Such a frame is never sent.
    pub fn is_empty(&self) -> bool {
        self.propose.is_none() && self.echo.is_empty() && self.ready.is_empty() && self.votes.is_empty()
    }

    /// The messages in the frame's order.
    pub fn messages(&self) -> impl Iterator<Item = Message> + '_ {
        let propose = self.propose.map(Message::Propose).into_iter();
        let echo = self.echo.iter().map(|&(proposer, digest)| Message::Echo { proposer, digest });
        let ready = self.ready.iter().map(|&(proposer, digest)| Message::Ready { proposer, digest });
        let votes = self.votes.iter().flat_map(|group| {
            group.proposers.iter().map(|proposer| Message::vote(proposer, group.round, group.vote))
        });
        propose.chain(echo).chain(ready).chain(votes)
    }

    /// The digest that the sender proposes, if this frame does.
    pub fn proposal(&self) -> Option<Digest> {
        self.propose
    }

    /// Refuses every form but the one that [`Frame::pack`] gives to messages of one honest step. What passes
    /// has at most one ECHO and one READY per seat and at most nine groups per round up to [`MAX_ROUND`].
    pub fn check(&self, committee: &Committee) -> Result<(), FrameFault> {
        if self.is_empty() {
            return Err(FrameFault::Empty);
        }
        for (list, digests) in [("echo", &self.echo), ("ready", &self.ready)] {
            if !digests.is_sorted_by(|a, b| a.0 < b.0) {
                return Err(FrameFault::Unsorted { list });
            }
            if let Some(&(seat, _)) = digests.last() {
                in_range(seat, committee)?;
            }
        }
        self.check_votes(committee)
    }

    fn check_votes(&self, committee: &Committee) -> Result<(), FrameFault> {
        if !self.votes.is_sorted_by(|a, b| (a.round, a.vote) < (b.round, b.vote)) {
            return Err(FrameFault::Unsorted { list: "votes" });
        }
        // Of one round: who has AUX, CONF. Of all rounds so far: who has TERM, and who had before this round.
        let (mut round, mut aux, mut conf) = (Round::FIRST, SeatSet::EMPTY, SeatSet::EMPTY);
        let (mut term, mut term_below) = (SeatSet::EMPTY, SeatSet::EMPTY);
        for group in &self.votes {
            if group.round > MAX_ROUND {
                return Err(FrameFault::RoundOutOfRange { round: group.round });
            }
            match group.proposers.last() {
                None => return Err(FrameFault::NoProposer { round: group.round }),
                Some(seat) => in_range(seat, committee)?,
            }
            if group.round != round {
                (round, aux, conf, term_below) = (group.round, SeatSet::EMPTY, SeatSet::EMPTY, term);
            }
            let first_of = |set: SeatSet| set.intersection(group.proposers).iter().next();
            if let Some(proposer) = first_of(term_below) {
                return Err(FrameFault::AfterTerm { proposer, round });
            }
            let once = match group.vote {
                Vote::Bval(true) if round == Round::FIRST => {
                    let proposer = first_of(group.proposers).expect("checked above to be not empty");
                    return Err(FrameFault::BareBval { proposer });
                }
                Vote::Conf(_) if round.0 < FIXED_COINS => {
                    let proposer = first_of(group.proposers).expect("checked above to be not empty");
                    return Err(FrameFault::ConfOfFixedCoin { proposer, round });
                }
                Vote::Bval(_) => continue,
                Vote::Aux(_) => &mut aux,
                Vote::Conf(_) => &mut conf,
                Vote::Term(_) => &mut term,
            };
            if let Some(proposer) = first_of(*once) {
                return Err(FrameFault::NotNew { message: Message::vote(proposer, round, group.vote) });
            }
            *once = once.union(group.proposers);
        }
        Ok(())
    }

    pub(crate) fn groups(&self) -> &[Group] {
        &self.votes
    }

    pub(crate) fn echoes(&self) -> &[(Seat, Digest)] {
        &self.echo
    }

    pub(crate) fn readies(&self) -> &[(Seat, Digest)] {
        &self.ready
    }
}

fn in_range(seat: Seat, committee: &Committee) -> Result<(), FrameFault> {
    if committee.contains(seat) {
        Ok(())
    } else {
        Err(FrameFault::SeatOutOfRange { seat, size: committee.size() })
    }
}
