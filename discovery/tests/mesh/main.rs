//! The mesh end to end, over real QUIC on loopback. One binary; each module is one concern.
//!
//! Every test waits for events, with a time-out only as a safety net; ports are chosen by the system.

mod discovery;
mod frames;
mod gate;
mod harness;
mod pairing;
mod restart;
mod rogue;
