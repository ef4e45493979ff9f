//! The testnet end to end: real processes, real stores, real faults.

mod demo;
mod faults;
mod folders;
mod kills;
mod scenario;
mod support;
