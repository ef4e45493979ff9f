//! Replication: what peers say to each other, and how a want is served from the store.

mod message;
mod serve;

pub use message::{Cosign, EpochHave, EpochProof, Have, MAX_MESSAGE_BYTES, PeerMessage, Spoken, Want};
pub use serve::{SERVE_BYTES, serve};
