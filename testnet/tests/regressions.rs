//! Seeds that find something: bugs that are planted in the protocol and must be found.
//!
//! A seed draws another history once anything is added to what can be drawn. Then `entente-testnet sim --plant NAME`,
//! built with the feature `plant`, finds the seeds anew.

use entente_testnet::sim::{Options, Summary, run};

fn played(options: &Options) -> Summary {
    run(options, |_, _| {}).expect("the options are good")
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

/// Planted bugs, and a seed that catches each.
const PLANTED: [(&str, u64); 21] = [
    ("repeats-stored", 1),
    ("echo-quorum", 0),
    ("bare-bval", 5),
    ("stops-after-term", 126),
    ("term-without-aux", 21),
    ("send-before-persist", 38),
    ("echo-volatile", 0),
    ("cut-at-f", 0),
    ("start-without-ii", 42),
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
