//! Seeds that find something: what is mended, and bugs that are planted in the protocol and must be found.
//!
//! A seed draws another history once anything is added to what can be drawn, and then shows nothing any more. So each stands
//! in `kept_seeds.txt` with the plan of the history that it was kept for. `ENTENTE_WRITE=1 cargo test -p entente-testnet --test
//! regressions plans` writes the plans anew, and for planted bugs other seeds where theirs misses them.

use std::process::Command;

use entente_testnet::sim::{Options, OptionsError, Summary, plan, plant_names, run};

/// A line of `kept_seeds.txt`.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Kept {
    /// The first digits of the digest.
    plan: String,
    seed: u64,
    /// The planted bug; none for what is mended.
    plant: Option<String>,
    /// What it showed.
    why: String,
}

const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/kept_seeds.txt");
/// Digits of a plan's digest.
const DIGITS: usize = 16;
/// Within so many seeds a planted bug must be found.
const SEARCHED: u64 = 1_000;

impl Kept {
    fn all() -> Vec<Self> {
        include_str!("kept_seeds.txt").lines().filter(|line| !line.starts_with('#')).map(Self::read).collect()
    }

    fn mended() -> impl Iterator<Item = Self> {
        Self::all().into_iter().filter(|kept| kept.plant.is_none())
    }

    fn planted() -> impl Iterator<Item = Self> {
        Self::all().into_iter().filter(|kept| kept.plant.is_some())
    }

    fn read(line: &str) -> Self {
        let mut words = line.splitn(4, ' ');
        let mut word = || words.next().unwrap_or_default().to_owned();
        let (plan, seed, what, why) = (word(), word(), word(), word());
        let seed = seed.parse().unwrap_or_else(|_| panic!("{line:?} names no seed"));
        Self { plan, seed, plant: (what != "mended").then_some(what), why }
    }

    fn line(&self) -> String {
        let Self { plan, seed, plant, why } = self;
        format!("{plan} {seed} {} {why}", plant.as_deref().unwrap_or("mended")).trim_end().to_owned()
    }

    fn options(&self) -> Options {
        Options { plant: self.plant.clone(), ..seed(self.seed) }
    }

    fn plan_now(&self) -> String {
        plan(&self.options()).expect("the options are good")[..DIGITS].to_owned()
    }

    fn is_caught(&self) -> bool {
        played(&self.options()).failures.len() == 1
    }

    /// How its history is found anew.
    fn hint(&self) -> String {
        let Self { seed, why, .. } = self;
        match &self.plant {
            Some(plant) => {
                format!("seed {seed} for the planted bug {plant}: `sim --plant {plant}` finds another")
            }
            None => format!(
                "seed {seed}, kept because of {why:?}: take the mend back on a branch, `sim --seeds {SEARCHED}` \
                 there, keep the seed that fails; if only names have changed, the seed is still the one"
            ),
        }
    }
}

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

/// What differs from process to process, such as where memory lies and how maps are seeded, has no part in it.
#[test]
fn the_same_seeds_take_the_same_course_in_another_process() {
    let trace = || {
        let mut command = Command::new(env!("CARGO_BIN_EXE_entente-testnet"));
        let output = command.args(["sim", "--first", "16", "--seeds", "3", "--json"]).output();
        let output = output.expect("the binary was built with the tests");
        let summary: serde_json::Value = serde_json::from_slice(&output.stdout).expect("one JSON object");
        assert!(output.status.success(), "{summary:#}");
        summary["trace"].as_str().expect("a digest").to_owned()
    };
    let (one, two) = (trace(), trace());
    assert_eq!(one, two);
    assert_eq!(one, played(&Options { seeds: 3, ..seed(16) }).trace, "and here");
}

#[test]
fn each_bug_that_can_be_planted_has_one_kept_seed_below_those_searched() {
    let mut kept: Vec<String> = Kept::planted().filter_map(|kept| kept.plant).collect();
    let mut planted: Vec<&str> = plant_names().collect();
    kept.sort_unstable();
    planted.sort_unstable();
    assert_eq!(kept, planted);
    for kept in Kept::planted() {
        assert!(kept.seed < SEARCHED, "{}", kept.hint());
    }
}

#[test]
fn kept_seeds_draw_the_plans_that_they_were_kept_for() {
    if std::env::var_os("ENTENTE_WRITE").is_some() {
        return write_anew();
    }
    let kept = Kept::all();
    let others = kept.iter().filter(|kept| kept.plan != kept.plan_now());
    let hints: Vec<String> = others.map(Kept::hint).collect();
    assert!(
        hints.is_empty(),
        "these seeds draw other histories than they were kept for, so they may show nothing:\n{}\nThen \
         `ENTENTE_WRITE=1 cargo test -p entente-testnet --test regressions plans` keeps what they draw now",
        hints.join("\n")
    );
}

/// Keeps what the seeds draw now, for planted bugs the first seeds that catch them where theirs does not.
fn write_anew() {
    let comment = include_str!("kept_seeds.txt").lines().filter(|line| line.starts_with('#'));
    let mut lines: Vec<String> = comment.map(str::to_owned).collect();
    for mut kept in Kept::all() {
        if kept.plant.is_some() && !kept.is_caught() {
            let found = played(&Options { first: 0, seeds: SEARCHED, ..kept.options() });
            let first = found.failures.first();
            kept.seed = first.unwrap_or_else(|| panic!("no seed below {SEARCHED} catches {kept:?}")).seed;
        }
        let plan = kept.plan_now();
        if kept.plant.is_none() && kept.plan != plan {
            eprintln!("to be found anew: {}", kept.hint());
        }
        lines.push(Kept { plan, ..kept }.line());
    }
    std::fs::write(FILE, lines.join("\n") + "\n").expect("the file can be written");
}

#[test]
fn what_was_found_stays_mended() {
    for kept in Kept::mended() {
        let summary = played(&kept.options());
        assert!(summary.failures.is_empty(), "{}: {:#?}", kept.why, summary.failures);
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

#[test]
fn planted_bugs_are_caught() {
    let missed: Vec<_> = Kept::planted().filter(|kept| !kept.is_caught()).map(|kept| kept.hint()).collect();
    assert!(missed.is_empty(), "not caught by their seeds:\n{}", missed.join("\n"));
}

#[test]
fn the_seeds_that_catch_them_pass_without_them() {
    for kept in Kept::planted() {
        let summary = played(&Options { disarmed: true, ..kept.options() });
        assert!(summary.failures.is_empty(), "{:#?}", summary.failures);
    }
}

#[test]
fn coins_are_played_on_demand_among_seven_seats_alone() {
    let of = |way: Option<&str>, plant: Option<&str>, nodes| Options {
        byzantine: way.map(str::to_owned),
        plant: plant.map(str::to_owned),
        nodes,
        ..seed(3)
    };
    let summary = played(&of(Some("plays-coins"), None, None));
    assert_eq!((summary.faults["theme:known-coins"], summary.faults["liar:plays-coins"]), (1, 2));
    assert!(summary.failures.is_empty(), "{:#?}", summary.failures);
    for (way, plant) in
        [(Some("plays-coins"), None), (None, Some("own-round-window")), (None, Some("no-conf"))]
    {
        assert_eq!(plan(&of(way, plant, Some(7))), plan(&of(way, plant, None)));
        let refused = of(way, plant, Some(4));
        let error = plan(&refused).expect_err("four seats are too few");
        assert_eq!(error, OptionsError::CoinSeats(4));
        assert!(refused.next(&error).starts_with("entente-testnet sim --seed 3 --nodes 7 --"));
    }
}

#[test]
fn liars_beside_those_that_a_planted_bug_brings_are_refused_and_others_are_not() {
    let of = |way: &str, plant: &str| Options {
        byzantine: Some(way.to_owned()),
        plant: Some(plant.to_owned()),
        ..seed(3)
    };
    for (way, plant, own) in [
        ("silence", "no-conf", "plays-coins"),
        ("forks", "cut-at-f", "false-claims"),
        ("plays-coins", "thawed", "forks"),
    ] {
        let refused = of(way, plant);
        let error = plan(&refused).expect_err("its liars are others");
        let told = error.to_string();
        assert!([way, plant, own].iter().all(|word| told.contains(word)), "{told}");
        assert_eq!(refused.next(&error), format!("entente-testnet sim --seed 3 --plant {plant}"));
    }
    for (way, plant) in [("plays-coins", "no-conf"), ("false-claims", "cut-at-f"), ("silence", "due-once")] {
        assert!(plan(&of(way, plant)).is_ok(), "{way} {plant}");
    }
}
