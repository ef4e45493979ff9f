//! The local API: HTTP and JSON over the Unix socket in the data folder, for the operator of this machine.

pub mod dto;
