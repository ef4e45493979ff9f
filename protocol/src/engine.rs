//! One coalition on one node: inputs in, effects out; the only thing that shells talk to.
//!
//! Guarantees: deterministic; total (bytes from peers cause [`Fault`]s, callers' mistakes cause [`Refused`], a damaged
//! store causes [`Halt`]); nothing after an [`Effect::Persist`] may leave before that write is durable, which the shell
//! keeps by carrying the effects out in order.
