//! Every enum that is encoded, with every variant that it has: the types name them, so that none is forgotten.

use std::collections::BTreeSet;

use entente_protocol::wire;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::samples;
use crate::walk::{Variant, reachable, variants_in};

/// What there is, and what stands in vectors.
#[derive(Default)]
struct Variants {
    known: BTreeSet<Variant>,
    seen: BTreeSet<Variant>,
}

impl Variants {
    fn of<N, T: Serialize + DeserializeOwned>(&mut self, samples: &[(N, T)]) {
        let mut encoded: Vec<_> = samples.iter().map(|(_, value)| wire::encode(value)).collect();
        self.seen.extend(encoded.iter().flat_map(|bytes| variants_in::<T>(bytes)));
        encoded.push(Vec::new());
        self.known.extend(reachable::<T>(&encoded).0);
    }
}

#[test]
fn every_variant_of_every_enum_that_is_encoded_stands_in_a_vector() {
    let mut variants = Variants::default();
    variants.of(&samples::peer_messages());
    variants.of(&samples::vote_frames());
    variants.of(&samples::bodies());
    variants.of(&samples::leaves());
    variants.of(&samples::items());
    variants.of(&samples::chains());
    variants.of(&[("", samples::full_charter())]);
    variants.of(&samples::words());
    variants.of(&samples::refusals());
    let missing = variants.known.difference(&variants.seen);
    let missing: Vec<_> = missing.map(|(all, name, i)| format!("{name}: {}", all[*i as usize])).collect();
    assert!(variants.known.len() > 400 && missing.is_empty(), "no vector of {missing:#?}");
}
