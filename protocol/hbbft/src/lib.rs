#![doc = include_str!("../README.md")]
//!
//! # The parts
//! [`broadcast`] brings one payload to all, by digest; [`agreement`] decides whether it counts, by [`coin`];
//! [`subset`] ties one of each per seat together; [`Epoch`] adds the payloads, [`Window`] several epochs.
//! [`message`] and [`frame`] are what travels, [`brief`] a shorter form of it, [`committee`] who votes, [`fault`] what peers do wrong.

pub mod agreement;
pub mod brief;
pub mod broadcast;
pub mod coin;
pub mod committee;
pub mod epoch;
pub mod fault;
pub mod frame;
pub mod message;
#[doc(hidden)]
pub mod plant;
pub mod subset;
pub mod window;

pub use agreement::ROUNDS_AHEAD;
pub use brief::Brief;
pub use committee::{Committee, CommitteeError, MAX_SEATS, Seat, SeatSet};
pub use epoch::{Epoch, EpochError, EpochNumber, Output, Payload, Setup, Step, Want};
pub use fault::{Fault, FaultKind, FrameFault, Refusal};
pub use frame::Frame;
pub use message::{BoolSet, Digest, MAX_ROUND, Message, Round, Vote, VoteError};
pub use window::{WINDOW, Window, WindowError};
