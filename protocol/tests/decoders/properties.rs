//! The bodies over arbitrary and damaged input, seeded.

use crate::bodies::BODIES;
use crate::damage;
use crate::rng::Rng;
use crate::samples;

/// Inputs per decoder; `ENTENTE_INPUTS` asks for more.
const INPUTS: u64 = 20_000;
/// Fewer where they are large: so many bytes of them.
const INPUT_BYTES: usize = 6 << 20;

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok().map(|text| text.parse().expect("a number"))
}

#[test]
fn no_bytes_make_a_decoder_panic_and_what_it_accepts_has_one_encoding() {
    let seed = number("ENTENTE_SEED").unwrap_or(1);
    println!("replay: ENTENTE_SEED={seed} cargo test -p entente-protocol --test decoders properties");
    for (name, claim) in BODIES {
        let valid = samples::of(name);
        let mut rng = Rng::new(seed);
        let (mut inputs, mut bytes, mut accepted) = (0, 0, 0u64);
        while number("ENTENTE_INPUTS").map_or(inputs < INPUTS && bytes < INPUT_BYTES, |asked| inputs < asked)
        {
            let input = damage::input(&valid, &mut rng);
            (inputs, bytes) = (inputs + 1, bytes + input.len());
            let claimed = std::panic::catch_unwind(|| claim(&input));
            let hex = || data_encoding::HEXLOWER.encode(&input);
            accepted += u64::from(claimed.unwrap_or_else(|_| panic!("{name}, seed {seed}: {}", hex())));
        }
        println!("{name}: {accepted} of {inputs} accepted");
    }
}

#[test]
fn every_valid_input_is_accepted_and_no_beginning_of_one_is() {
    for (name, claim) in BODIES {
        for valid in samples::of(name) {
            assert!(claim(&valid), "{name}");
            // Texts may end earlier: TOML and names anywhere, what consists of lines behind a line.
            let text = ["ids", "policy", "checkpoint", "note", "receipt"];
            if !name.ends_with("toml") && !text.contains(&name) {
                for end in 0..valid.len() {
                    assert!(!claim(&valid[..end]), "{name}, cut off at {end}");
                }
            }
        }
    }
}

#[test]
fn every_decoder_refuses_one_byte_more_than_its_limit() {
    use entente_protocol::ledger::{
        note::MAX_NOTE_BYTES,
        receipt::{MAX_EXTRA_BYTES, MAX_RECEIPT_BYTES},
    };
    use entente_protocol::{
        authority, charter, coalition, credential, founding, frontier, leaf, record, replicate, vote,
    };
    let limits = [
        ("peer_message", replicate::MAX_MESSAGE_BYTES),
        ("vote_frame", vote::MAX_VOTE_FRAME_BYTES),
        ("body", record::MAX_BODY_BYTES),
        ("contribution", frontier::MAX_CONTRIBUTION_BYTES),
        ("leaf", leaf::MAX_LEAF_BYTES),
        ("item", coalition::MAX_ITEM_BYTES),
        ("charter_chain", MAX_EXTRA_BYTES),
        ("credential", credential::MAX_CHAIN_BYTES),
        ("alliance", authority::MAX_ALLIANCE_BYTES),
        ("revocation", credential::MAX_REVOCATION_BYTES),
        ("rotation", credential::MAX_ROTATION_BYTES),
        ("charter", charter::MAX_CHARTER_BYTES),
        ("charter_toml", charter::MAX_CHARTER_TOML_BYTES),
        ("founding_toml", founding::MAX_FOUNDING_TOML_BYTES),
        ("note", MAX_NOTE_BYTES),
        ("receipt", MAX_RECEIPT_BYTES),
    ];
    for (name, limit) in limits {
        let (_, claim) = BODIES.into_iter().find(|(body, _)| *body == name).expect("a body");
        // A text that stays valid when it is filled up, where there is one.
        let mut large = if name.ends_with("toml") { samples::of(name).swap_remove(0) } else { Vec::new() };
        large.resize(limit, b'\n');
        assert_eq!(claim(&large), name.ends_with("toml"), "{name}");
        large.push(b'\n');
        assert!(!claim(&large), "{name}");
    }
    let note = |bytes: usize| record::Body::Note(vec![0; bytes]).encode();
    assert!(record::Body::decode(&note(record::MAX_BODY_BYTES - 4)).is_ok());
    assert!(record::Body::decode(&note(record::MAX_BODY_BYTES - 3)).is_err());
}
