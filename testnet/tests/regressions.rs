//! Seeds that find something: bugs that are planted in the protocol and must be found.
//!
//! A seed draws another history once anything is added to what can be drawn. Then `entente-testnet sim --plant NAME`,
//! built with the feature `plant`, finds the seeds anew.

use entente_testnet::sim::{Options, Summary, run};

fn played(options: &Options) -> Summary {
    run(options, |_| {}).expect("the options are good")
}

fn seed(seed: u64) -> Options {
    Options { first: seed, seeds: 1, ..Options::default() }
}

#[test]
fn the_same_seed_takes_the_same_course() {
    for number in [7, 16, 53] {
        let (one, two) = (played(&seed(number)), played(&seed(number)));
        assert_eq!(one.trace, two.trace, "seed {number}");
        assert!(one.steps > 100, "seed {number} has {} events", one.steps);
    }
}

/// Seeds that found something which is mended: a member that is behind, contributions that come twice, and ever more
/// wants of them; and where the oracle asked too much: several seats that write `due` at once, evidence that a node of a
/// partner carries which is gone; keys that somebody who is gone takes back.
const MENDED: [u64; 6] =
    [900_001_562, 820_893_986_803, 133_213_174_715, 133_213_174_766, 133_213_175_422, 901_346_368_027];

#[test]
fn what_was_found_stays_mended() {
    for number in MENDED {
        let summary = played(&seed(number));
        assert!(summary.failures.is_empty(), "{:#?}", summary.failures);
    }
}

#[test]
fn a_failure_is_shrunk_to_a_history_that_fails_too() {
    let options = Options { plant: Some("echo-quorum".into()), shrink: true, ..seed(2) };
    let failure = played(&options).failures.remove(0);
    let (_, without) = failure.replay.split_once("--without ").expect("something can be left out");
    let without = without.split(',').map(|number| number.parse().expect("a number")).collect();
    let shrunk = played(&Options { without, shrink: false, ..options });
    assert_eq!(shrunk.failures.len(), 1, "{}", failure.replay);
}

/// Planted bugs, and a seed that catches each.
const PLANTED: [(&str, u64); 21] = [
    ("repeats-stored", 1),
    ("echo-quorum", 2),
    ("bare-bval", 5),
    ("stops-after-term", 115),
    ("term-without-aux", 21),
    ("send-before-persist", 12),
    ("echo-volatile", 0),
    ("cut-at-f", 0),
    ("start-without-ii", 169),
    ("one-starts-all", 0),
    ("quota-own-order", 0),
    ("prune-above", 0),
    ("no-nonce", 1),
    ("only-longer", 3),
    ("time-cap", 2),
    ("fast-due", 32),
    ("not-parked", 14),
    ("votes-below-floor", 3),
    ("due-once", 44),
    ("thawed", 0),
    ("proof-unwritten", 0),
];

#[test]
fn planted_bugs_are_caught() {
    let caught = |(name, number): &(&str, u64)| {
        let planted = Options { plant: Some((*name).into()), ..seed(*number) };
        played(&planted).failures.len() == 1
    };
    let missed: Vec<_> = PLANTED.iter().filter(|planted| !caught(planted)).collect();
    assert!(missed.is_empty(), "not caught by their seeds: {missed:?}");
}

#[test]
fn the_seeds_that_catch_them_pass_without_them() {
    for (name, number) in PLANTED {
        let summary = played(&Options { plant: Some(name.into()), disarmed: true, ..seed(number) });
        assert!(summary.failures.is_empty(), "{:#?}", summary.failures);
    }
}
