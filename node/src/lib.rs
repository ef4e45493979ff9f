//! The node `entente`: storage, runtime, local API and command line.

pub mod api;
pub mod cli;
pub mod client;
pub mod config;
pub mod errors;
pub mod files;
pub mod hints;
pub mod keys;
pub mod membership;
pub mod passphrase;
pub mod paths;
mod render;
pub mod runtime;
pub mod storage;
pub mod usage;

pub use cli::main_from;
