//! Claims about every decoder: no bytes whatever make one panic, what is accepted is the one encoding of its value, and the
//! golden vectors mean what they say.

mod annotate;
mod bodies;
mod corpus;
mod damage;
mod properties;
#[path = "../engine/rng.rs"]
mod rng;
mod samples;
mod variants;
mod vectors;
mod walk;
