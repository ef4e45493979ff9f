//! The simulator: hostile histories of whole coalitions, by the thousand, each from one seed.
//!
//! Production engines and replication run under one queue of events, without threads, sockets or clocks, on a storage
//! model that loses what was not synced. The seed draws everything (see `history`): the coalition's size, the weather,
//! crashes, cuts, clocks, and up to f members that lie (see `liars`). The oracle (see `oracle`) recomputes what it
//! checks. Then a quorum of correct seats heals, and all that was acknowledged must be ordered within a budget.

mod coins;
pub(crate) mod disk;
mod history;
mod liars;
pub(crate) mod members;
mod oracle;
mod plants;
mod rng;
mod run;
mod shrink;
mod summary;
mod weather;
mod world;

use std::collections::BTreeSet;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use sha2::{Digest as _, Sha256};

pub use summary::{FailureView, Fates, Summary};

use coins::Players;
use history::{History, Wish};
use liars::Way;
use plants::Plant;
use run::{Outcome, play};
use weather::Theme;
use world::World;

/// What to run.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// The first seed.
    pub first: u64,
    /// How many seeds.
    pub seeds: u64,
    /// Begin no history after this time.
    pub within: Option<Duration>,
    /// Seats of every coalition; drawn if none is given.
    pub nodes: Option<usize>,
    /// How f seats of every coalition lie; drawn if none is given.
    pub byzantine: Option<String>,
    /// A bug to plant, in builds that have them.
    pub plant: Option<String>,
    /// The histories drawn for the bug, but without it.
    pub disarmed: bool,
    /// Items of the history to leave out.
    pub without: BTreeSet<usize>,
    /// Whether to look for a shorter history that fails too.
    pub shrink: bool,
}

/// What cannot be run.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OptionsError {
    /// No such way to lie.
    #[error("no liar is named {0:?}; there are: {1}")]
    Way(String, String),
    /// Too few or too many seats.
    #[error("{0} seats; a simulated coalition has 1 to 16")]
    Seats(usize),
    /// No such bug.
    #[error("no planted bug is named {0:?}; there are: {1}")]
    Plant(String, String),
    /// The bugs are not in this build.
    #[error("this build has no planted bugs; build the testnet with the feature `plant`")]
    NotPlanted,
    /// Nobody may lie among so few.
    #[error("of {0} seats none may be faulty; a liar needs 4 or more")]
    NoFaulty(usize),
    /// Coins are played in coalitions of one size alone.
    #[error("coins are played among {seats} seats, not {0}", seats = Players::SEATS)]
    CoinSeats(usize),
    /// The bug comes with liars.
    #[error(
        "the planted bug {plant} is looked for among liars of its own, {own:?}; liars {asked:?} would have no part in it"
    )]
    Liars {
        /// The bug.
        plant: &'static str,
        /// How its liars lie.
        own: &'static str,
        /// How they should have lied.
        asked: &'static str,
    },
}

impl Options {
    fn wish(&self) -> Result<Wish, OptionsError> {
        let way = match &self.byzantine {
            None => None,
            Some(name) => Some(Way::named(name).ok_or_else(|| {
                let ways = Way::ALL.into_iter().chain([Way::PlaysCoins]);
                let names: Vec<_> = ways.map(Way::name).collect();
                OptionsError::Way(name.clone(), names.join(", "))
            })?),
        };
        match self.nodes {
            Some(seats) if !(1..=16).contains(&seats) => return Err(OptionsError::Seats(seats)),
            Some(seats) if seats < 4 && way.is_some() => return Err(OptionsError::NoFaulty(seats)),
            _ => {}
        }
        // Who plays coins needs the scheduler.
        let theme = (way == Some(Way::PlaysCoins)).then_some(Theme::KnownCoins);
        let wish = Wish { seats: self.nodes, way, theme, ..Wish::default() };
        let plant = self.plant()?;
        if let (Some(plant), Some(asked)) = (plant, way)
            && let Some(own) = plant.liars().filter(|own| *own != asked)
        {
            let (plant, own, asked) = (plant.name, own.name(), asked.name());
            return Err(OptionsError::Liars { plant, own, asked });
        }
        let wish = plant.map_or(wish, |plant| plant.wish(wish));
        match self.nodes {
            Some(seats) if wish.theme == Some(Theme::KnownCoins) && seats != Players::SEATS => {
                Err(OptionsError::CoinSeats(seats))
            }
            _ => Ok(wish),
        }
    }

    /// The command that helps where these are refused.
    pub fn next(&self, refused: &OptionsError) -> String {
        let instead = match refused {
            OptionsError::CoinSeats(_) => Self { nodes: Some(Players::SEATS), ..self.clone() },
            OptionsError::Liars { .. } => Self { byzantine: None, ..self.clone() },
            _ => return "entente-testnet sim --help".into(),
        };
        instead.replay(self.first, &self.without)
    }

    fn plant(&self) -> Result<Option<Plant>, OptionsError> {
        let Some(name) = &self.plant else { return Ok(None) };
        let found = Plant::named(name).ok_or_else(|| {
            let names: Vec<_> = plant_names().collect();
            OptionsError::Plant(name.clone(), names.join(", "))
        })?;
        if cfg!(feature = "plant") { Ok(Some(found)) } else { Err(OptionsError::NotPlanted) }
    }

    /// What is planted: the bug, or what stands in its place without it.
    fn planted(&self) -> Result<&'static str, OptionsError> {
        let name = |plant: Plant| if self.disarmed { plant.control } else { plant.name };
        Ok(self.plant()?.map_or("", name))
    }

    /// Whether a bug is planted, which is to be found.
    fn is_armed(&self) -> bool {
        self.plant.is_some() && !self.disarmed
    }

    /// Whether histories are drawn without any wish.
    fn is_free(&self) -> bool {
        self.nodes.is_none() && self.byzantine.is_none() && self.plant.is_none() && self.without.is_empty()
    }

    /// The command that runs one seed of these, without some items.
    fn replay(&self, seed: u64, without: &BTreeSet<usize>) -> String {
        let mut command = format!("entente-testnet sim --seed {seed}");
        if let Some(nodes) = self.nodes {
            command += &format!(" --nodes {nodes}");
        }
        if let Some(way) = &self.byzantine {
            command += &format!(" --byzantine {way}");
        }
        if let Some(plant) = &self.plant {
            command += &format!(" --plant {plant}");
            command += if self.disarmed { " --disarmed" } else { "" };
        }
        if !without.is_empty() {
            let numbers: Vec<_> = without.iter().map(usize::to_string).collect();
            command += &format!(" --without {}", numbers.join(","));
        }
        command
    }
}

/// What a run has done so far.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Progress {
    /// A history has ended.
    Done(SoFar),
    /// Something was wrong in one, before anything is left out of it.
    Failed {
        /// Its seed.
        seed: u64,
        /// What.
        what: String,
        /// The command that replays it.
        replay: String,
    },
}

/// What all histories that have ended amount to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SoFar {
    /// How many there are.
    pub histories: u64,
    /// In which something was wrong.
    pub failures: u64,
    /// Epochs applied, each counted once.
    pub epochs: u64,
    /// Entries ordered, told to some process.
    pub records_ordered: u64,
}

/// What the bugs are called that can be planted.
pub fn plant_names() -> impl Iterator<Item = &'static str> {
    plants::ALL.iter().map(|plant| plant.name)
}

/// What the histories of a run amount to.
#[derive(Default)]
struct Tally {
    /// What stays of each but its numbers.
    traces: Vec<(u64, [u8; 32])>,
    failures: Vec<(u64, String)>,
    summary: Summary,
}

impl Tally {
    fn so_far(&self) -> SoFar {
        SoFar {
            histories: self.traces.len() as u64,
            failures: self.failures.len() as u64,
            epochs: self.summary.epochs,
            records_ordered: self.summary.counts.get(summary::Count::Ordered),
        }
    }

    fn add(&mut self, seed: u64, outcome: Outcome) {
        let summary = &mut self.summary;
        summary.epochs += outcome.epochs;
        summary.simulated_ms += outcome.simulated_ms;
        summary.steps += outcome.steps;
        summary.most_per_second = summary.most_per_second.max(outcome.most_per_second);
        summary.counts.merge(&outcome.counts);
        self.traces.push((seed, outcome.trace));
        self.failures.extend(outcome.failure.map(|what| (seed, what)));
    }
}

/// The digest of all that is drawn for a history before anything happens in it, in hex: who is there, who lies and how, the
/// weather and all deeds and blows, whatever the protocol then makes of them.
pub fn plan(options: &Options) -> Result<String, OptionsError> {
    let history = History::draw(options.first, options.wish()?).without(&options.without);
    Ok(data_encoding::HEXLOWER.encode(&World::new(history, 0).plan()))
}

/// Runs histories over as many threads as there are cores; `progress` hears of each.
pub fn run(options: &Options, progress: impl Fn(Progress) + Sync) -> Result<Summary, OptionsError> {
    let wish = options.wish()?;
    let planted = options.planted()?;
    let threads =
        std::thread::available_parallelism().map_or(1, usize::from).min(options.seeds.max(1) as usize);
    let begun = Instant::now();
    let next = AtomicU64::new(0);
    let tally = Mutex::new(Tally::default());
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let at = next.fetch_add(1, Ordering::Relaxed);
                    // A planted bug need be caught only once.
                    let failed = || !tally.lock().expect("nobody panics with it").failures.is_empty();
                    let caught = options.is_armed() && failed();
                    let late = options.within.is_some_and(|within| begun.elapsed() >= within);
                    if at >= options.seeds || caught || late {
                        break;
                    }
                    let seed = options.first.wrapping_add(at);
                    let outcome = play(History::draw(seed, wish).without(&options.without), planted);
                    if let Some(what) = outcome.failure.clone() {
                        progress(Progress::Failed {
                            seed,
                            what,
                            replay: options.replay(seed, &options.without),
                        });
                    }
                    let mut tally = tally.lock().expect("nobody panics with it");
                    tally.add(seed, outcome);
                    progress(Progress::Done(tally.so_far()));
                }
            });
        }
    });
    Ok(summarise(options, wish, planted, tally.into_inner().expect("all threads have ended")))
}

/// Most failures that are shrunk.
const MAX_SHRUNK: usize = 5;

fn summarise(options: &Options, wish: Wish, planted: &'static str, tally: Tally) -> Summary {
    let Tally { mut traces, mut failures, mut summary } = tally;
    let place = |seed: u64| seed.wrapping_sub(options.first);
    traces.sort_by_key(|(seed, _)| place(*seed));
    failures.sort_by_key(|(seed, _)| place(*seed));
    let mut trace = Sha256::new();
    traces.iter().for_each(|(_, of_one)| trace.update(of_one));
    (summary.seeds, summary.asked) = (traces.len() as u64, options.seeds);
    for (seed, what) in failures {
        let whole = History::draw(seed, wish);
        let mut without = options.without.clone();
        if options.shrink && summary.failures.len() < MAX_SHRUNK {
            without = shrink::shrink(&whole, planted, without, &what);
        }
        let mut history = shrink::describe(&whole.without(&without));
        let what_is = Plant::named(planted).map(|plant| format!("planted: {}", plant.what));
        history.extend(what_is);
        let replay = options.replay(seed, &without);
        summary.failures.push(FailureView { seed, what, replay, history });
    }
    summary.caught = options.is_armed().then_some(!summary.failures.is_empty());
    summary.records_ordered = summary.counts.get(summary::Count::Ordered);
    summary.trace = data_encoding::HEXLOWER.encode(&trace.finalize());
    summary.finish(options.is_free());
    summary
}
