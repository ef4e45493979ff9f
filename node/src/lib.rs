//! The node `entente`: storage, runtime, local API and command line.

pub mod api;
pub mod runtime;
pub mod storage;
