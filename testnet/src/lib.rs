//! Local networks of real processes: demo, faults, benchmarks.
//!
//! Every partner is a process of its own with its own keys and store, founded and run by the commands that an operator
//! uses. The binary starts itself as a node, so one build is enough.

mod bench;
pub mod cli;
mod demo;
mod impostor;
mod network;
mod process;
mod say;
mod scenario;
pub mod sim;
