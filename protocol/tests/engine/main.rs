//! Engines under a seeded network: agreement, order, validity and progress over many seeds, and what single rules do.
//!
//! A failure prints its seed; `ENTENTE_SEED=N cargo test -p entente-protocol --test engine` replays it alone.

mod boundaries;
mod brief;
mod catchup;
mod claims;
mod clocks;
mod coalition;
mod contributions;
mod delays;
mod enrolment;
mod evidence;
mod floods;
mod forge;
mod forks;
mod frames;
mod fuzz;
mod liars;
mod limits;
mod loss;
mod net;
mod pinned;
mod planted;
mod reach;
mod replay;
mod restore;
mod rng;
mod scalar;
mod seeds;
mod snapshots;
mod storms;
