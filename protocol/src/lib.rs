//! The coalition protocol of Entente: sans-IO and deterministic.
//!
//! No clock, file, socket, task or global randomness: everything enters through [`wire`]-encoded bytes and the
//! engine's inputs, and everything that must happen leaves as effects.

pub mod authority;
pub mod charter;
pub mod coalition;
pub mod credential;
pub mod engine;
pub mod evidence;
pub mod feed;
pub mod founding;
pub mod frontier;
pub mod identity;
mod lane;
pub mod leaf;
pub mod ledger;
pub mod record;
pub mod replicate;
pub mod store;
pub mod time;
pub mod vote;
pub mod wire;
