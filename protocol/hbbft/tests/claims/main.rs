//! What this crate claims, put to the test: whole epochs under an adversarial scheduler and Byzantine seats
//! ([`runs`]), the named attacks one by one ([`attacks`]), frames ([`frames`]) and windows ([`windows`]).
//!
//! Everything is seeded. A failing run prints the command that replays it.

mod attacks;
mod chain;
mod frames;
mod liars;
mod planted;
mod rng;
mod runs;
mod windows;
mod world;
