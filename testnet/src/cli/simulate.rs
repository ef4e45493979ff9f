//! `entente-testnet sim`.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::network::Error;
use crate::say::say;
use crate::sim;

/// What to simulate.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// How many seeds
    #[arg(long, default_value_t = 100, conflicts_with = "seed")]
    seeds: u64,
    /// The first of them
    #[arg(long, default_value_t = 0, conflicts_with = "seed")]
    first: u64,
    /// Begin no history after so many minutes; the run ends soon after that, since shrinking is bounded by events
    #[arg(long, value_name = "MINUTES")]
    within: Option<u64>,
    /// This seed alone
    #[arg(long)]
    seed: Option<u64>,
    /// Seats of every coalition, 1 to 16 [default: drawn]
    #[arg(long)]
    nodes: Option<usize>,
    /// How the faulty seats lie [default: drawn]
    #[arg(long, value_name = "NAME")]
    byzantine: Option<String>,
    /// A bug to plant in the protocol, which must then be found; for builds with the feature `plant`
    #[arg(long, value_name = "NAME")]
    plant: Option<String>,
    /// Play the histories that are drawn for the bug without it
    #[arg(long, requires = "plant")]
    disarmed: bool,
    /// Items of the history to leave out, as a failure names them
    #[arg(long, value_delimiter = ',', value_name = "NUMBERS", requires = "seed")]
    without: Vec<usize>,
    /// Show failures as they are, without looking for shorter histories (of the first five, over 1,500,000 events each)
    #[arg(long)]
    no_shrink: bool,
    /// Tell every so many minutes how far it is, and how fast [default: after every 100 histories]
    #[arg(long, value_name = "MINUTES", value_parser = clap::value_parser!(u64).range(1..))]
    every: Option<u64>,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// Tells now and then how far a run is.
struct Pulse {
    begun: Instant,
    every: Option<Duration>,
    /// How many times this long have passed that were told.
    told: AtomicU64,
}

impl Pulse {
    fn new(minutes: Option<u64>) -> Self {
        let every = minutes.map(|minutes| Duration::from_secs(60 * minutes));
        Self { begun: Instant::now(), every, told: AtomicU64::new(0) }
    }

    /// A history has ended, the last one of `so_far`.
    fn beat(&self, so_far: &sim::SoFar, total: u64) {
        let passed = self.begun.elapsed();
        let is_time = match self.every {
            Some(every) => {
                let times = passed.as_secs() / every.as_secs();
                self.told.fetch_max(times, Ordering::Relaxed) < times
            }
            None => so_far.histories.is_multiple_of(100),
        };
        if is_time {
            eprintln!("{}", line(so_far, total, passed));
        }
    }
}

fn line(so_far: &sim::SoFar, total: u64, passed: Duration) -> String {
    let sim::SoFar { histories, failures, epochs, records_ordered } = *so_far;
    let speed = histories as f64 / passed.as_secs_f64().max(0.001);
    format!(
        "{histories} of {total} histories, {failures} failures; {epochs} epochs, {records_ordered} records ordered; \
         {} minutes, {speed:.1} histories/s",
        passed.as_secs() / 60
    )
}

/// Runs the histories, tells what was found, and fails if anything was wrong.
pub(super) fn simulate(arguments: &Arguments) -> Result<(), Error> {
    let options = sim::Options {
        first: arguments.seed.unwrap_or(arguments.first),
        seeds: if arguments.seed.is_some() { 1 } else { arguments.seeds },
        within: arguments.within.map(|minutes| Duration::from_secs(60 * minutes)),
        nodes: arguments.nodes,
        byzantine: arguments.byzantine.clone(),
        plant: arguments.plant.clone(),
        disarmed: arguments.disarmed,
        without: arguments.without.iter().copied().collect(),
        shrink: !arguments.no_shrink,
    };
    let pulse = Pulse::new(arguments.every);
    let progress = |progress: sim::Progress| match progress {
        sim::Progress::Done(so_far) => pulse.beat(&so_far, options.seeds),
        // At once, so that nothing is lost if the run is interrupted.
        sim::Progress::Failed { seed, what, replay } => eprintln!("seed {seed}: {what}\n  replay: {replay}"),
    };
    let summary = sim::run(&options, progress)
        .map_err(|error| Error::input(error.to_string(), options.next(&error)))?;
    if arguments.json {
        say(&serde_json::to_string_pretty(&summary).expect("numbers and texts"));
    } else {
        tell(&summary);
    }
    match summary.caught {
        Some(true) => Ok(()),
        Some(false) => Err(Error::NotCaught {
            plant: arguments.plant.clone().unwrap_or_default(),
            histories: summary.seeds,
        }),
        None if summary.failures.is_empty() && summary.below_minimum.is_empty() => Ok(()),
        None => {
            Err(Error::Simulation { failures: summary.failures.len(), below: summary.below_minimum.len() })
        }
    }
}

fn tell(summary: &sim::Summary) {
    for failure in &summary.failures {
        say(&format!("seed {}: {}", failure.seed, failure.what));
        failure.history.iter().for_each(|line| say(&format!("  {line}")));
        say(&format!("  replay: {}", failure.replay));
    }
    summary.below_minimum.iter().for_each(|below| say(&format!("too few of {below}")));
    let kinds: Vec<_> = summary.faults.iter().map(|(kind, count)| format!("{kind} {count}")).collect();
    say(&format!("seen: {}", kinds.join(", ")));
    let records = summary.records.iter();
    let records =
        records.map(|(kind, of)| format!("{kind} {}/{}", of.applied, of.refused)).collect::<Vec<_>>();
    if !records.is_empty() {
        say(&format!("records, applied/refused: {}", records.join(", ")));
    }
    say(&format!(
        "{} histories, {} failures; {} epochs, {} records ordered, {} events, {} s simulated, at most {} \
         messages of a process to another in a second; trace {}",
        summary.seeds,
        summary.failures.len(),
        summary.epochs,
        summary.records_ordered,
        summary.steps,
        summary.simulated_ms / 1_000,
        summary.most_per_second,
        &summary.trace[..16]
    ));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn how_far_a_run_is_stands_in_one_line() {
        let so_far = sim::SoFar { histories: 450, failures: 1, epochs: 9_000, records_ordered: 400_000 };
        assert_eq!(
            line(&so_far, 1_000, Duration::from_secs(180)),
            "450 of 1000 histories, 1 failures; 9000 epochs, 400000 records ordered; 3 minutes, 2.5 histories/s"
        );
    }
}
