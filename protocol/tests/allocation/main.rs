//! What a decoder allocates is bounded by what it is given, whatever lengths the bytes announce. A binary of its own, because
//! it counts every allocation of its process.

#[path = "../decoders/bodies.rs"]
mod bodies;
#[path = "../decoders/damage.rs"]
mod damage;
#[path = "../engine/rng.rs"]
mod rng;
#[expect(dead_code, reason = "vectors have samples that no body has")]
#[path = "../decoders/samples.rs"]
mod samples;
#[path = "../decoders/walk.rs"]
mod walk;

use entente_protocol::wire::MAX_OBJECT_BYTES;
use peak_alloc::PeakAlloc;

#[global_allocator]
static PEAK: PeakAlloc = PeakAlloc;

/// Inputs per decoder.
const INPUTS: u64 = 4_000;
/// What one announced length may make a decoder allocate ahead of its content: the codec stops at the limit of an object.
const AHEAD_BYTES: usize = 2 * MAX_OBJECT_BYTES;
/// Bytes allocated at once for each byte of input: decoded, encoded again, and what the checks behind it keep.
const BYTES_PER_BYTE: usize = 24;

fn allocated(claim: bodies::Claim, input: &[u8]) -> usize {
    let before = PEAK.current_usage();
    PEAK.reset_peak_usage();
    claim(input);
    PEAK.peak_usage().saturating_sub(before)
}

/// A list of the largest number of its smallest elements, as far as an input's limit goes.
fn stuffed() -> Vec<Vec<u8>> {
    let mut inputs = Vec::new();
    for limit in [16 * 1024, 48 * 1024, 64 * 1024, 256 * 1024] {
        for variant in 0..12u8 {
            for element in [0u8, 1] {
                let mut input = vec![variant, element, 252];
                input.extend((limit as u32 / 2).to_le_bytes());
                input.resize(limit, element);
                inputs.push(input);
            }
        }
    }
    inputs
}

#[test]
fn a_decoder_allocates_in_proportion_to_its_input_whatever_lengths_are_announced() {
    let stuffed = stuffed();
    for (name, claim) in bodies::BODIES {
        let valid = samples::of(name);
        // What is made once and kept is not counted.
        assert!(valid.iter().all(|input| claim(input)));
        let mut rng = rng::Rng::new(2);
        let (mut most, mut greatest) = (0, 0);
        let damaged = (0..INPUTS).map(|_| damage::input(&valid, &mut rng));
        for input in damaged.chain(stuffed.iter().cloned()).chain(valid.iter().cloned()) {
            let bytes = allocated(claim, &input);
            let limit = AHEAD_BYTES + BYTES_PER_BYTE * input.len();
            assert!(
                bytes <= limit,
                "{name}: {bytes} bytes for {} of {:?}..",
                input.len(),
                &input[..input.len().min(64)]
            );
            most = most.max(bytes);
            greatest = greatest.max(bytes.saturating_sub(AHEAD_BYTES) / input.len().max(1));
        }
        println!("{name}: at most {most} bytes at once, {greatest} per byte beyond the allowance");
    }
}
