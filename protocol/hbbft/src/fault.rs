//! Peers' faults as data: who did what, and which frames are refused for which reason.
//!
//! Nothing here stops an algorithm. A [`Refusal`] leaves no mark in the state; a [`Fault`] rides in a
//! [`Step`](crate::Step) beside what the algorithm does anyway.

use thiserror::Error;

use crate::committee::Seat;
use crate::message::{Digest, Message, Round};

/// A seat's proven deviation, given that no more than f seats are faulty.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Fault {
    /// Who.
    pub seat: Seat,
    /// In the instance of which proposer.
    pub proposer: Seat,
    /// What.
    pub kind: FaultKind,
}

/// What a faulty seat did.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum FaultKind {
    /// Proposed or echoed a payload that is not valid.
    InvalidPayload {
        /// The payload.
        digest: Digest,
    },
    /// Sent READY for another digest than the accepted one. Honest READYs all name one digest, because any
    /// two quorums of ECHO share an honest seat.
    ContraryReady {
        /// The digest named instead.
        digest: Digest,
    },
    /// Sent TERM for the value that was not decided.
    ContraryTerm,
}

/// Why a frame was not taken. No refusal leaves a mark.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Refusal {
    /// It names an epoch or a round too far ahead. It may be offered again whenever other frames were taken.
    #[error("frame is too far ahead for now")]
    NotYet,
    /// Its epoch is certified and closed; nothing in it is needed any more.
    #[error("epoch of the frame is certified")]
    Passed,
    /// No honest seat makes this frame at this place of its chain; it never becomes acceptable.
    #[error(transparent)]
    Invalid(#[from] FrameFault),
}

/// What is wrong with a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum FrameFault {
    /// It carries no message.
    #[error("frame carries no message")]
    Empty,
    /// It names, or comes from, a seat that the committee does not have.
    #[error("seat {seat} is outside a committee of {size}")]
    SeatOutOfRange {
        /// The seat.
        seat: Seat,
        /// The size of the committee.
        size: usize,
    },
    /// A list is not strictly ascending.
    #[error("list of {list} is not strictly ascending")]
    Unsorted {
        /// Which list: `echo`, `ready` or `votes`.
        list: &'static str,
    },
    /// A group of votes names no proposer.
    #[error("votes of round {round} name no proposer")]
    NoProposer {
        /// The round of the group.
        round: Round,
    },
    /// A round is beyond [`MAX_ROUND`](crate::MAX_ROUND).
    #[error("round {round} is beyond the last")]
    RoundOutOfRange {
        /// The round.
        round: Round,
    },
    /// BVAL(1) in round 0, where READY stands for it.
    #[error("bare BVAL(1) in round 0 for proposer {proposer}")]
    BareBval {
        /// The first proposer that it names.
        proposer: Seat,
    },
    /// CONF in a round whose coin is fixed, where nobody says it.
    #[error("CONF for proposer {proposer} in round {round}, whose coin is fixed")]
    ConfOfFixedCoin {
        /// The first proposer that it names.
        proposer: Seat,
        /// The round.
        round: Round,
    },
    /// The sender said this, or what excludes it, before: in the frame itself or earlier in its chain.
    #[error("message is not new in its sender's chain: {message:?}")]
    NotNew {
        /// The message.
        message: Message,
    },
    /// A vote in a round above the sender's TERM, which already counts as its votes there.
    #[error("vote of round {round} for proposer {proposer} is above the sender's TERM")]
    AfterTerm {
        /// Whose agreement.
        proposer: Seat,
        /// The round of the vote.
        round: Round,
    },
    /// It claims to come from the seat that receives it.
    #[error("frame claims to come from the own seat {seat}")]
    OwnSeat {
        /// The own seat.
        seat: Seat,
    },
}
