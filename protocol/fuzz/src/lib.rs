//! The fuzz targets: each runs the body of its decoder, which the property tests run, too.

#[path = "../../tests/decoders/bodies.rs"]
mod bodies;

/// Runs the body of this name over `bytes`.
pub fn run(name: &str, bytes: &[u8]) {
    let (_, claim) = bodies::BODIES.into_iter().find(|(body, _)| *body == name).expect("a body");
    claim(bytes);
}
