//! Scenarios and their twins, one alone or several two at a time, and what came of them.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::play::{Played, found, play};
use super::tale::StepView;
use super::{Scenario, Tale, Teller};
use crate::network::Error;
use crate::say::say;

/// What came of a scenario, or of its twin.
#[derive(Debug, Serialize)]
pub(crate) struct Outcome {
    pub(crate) scenario: String,
    pub(crate) twin: bool,
    /// Whether it went as it says: a scenario to its end, a twin to the step where it must fail, for the reason stated.
    pub(crate) passed: bool,
    /// Why not; of a twin that passed, why it failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) why: Option<String>,
    pub(crate) seconds: f64,
    pub(crate) steps: Vec<StepView>,
    #[serde(skip)]
    told: Vec<String>,
}

/// Plays a scenario, or its twin, in `dir`. Everything that it starts is stopped; the files of one that did not go as it says
/// stay, with the nodes' logs.
pub(crate) async fn run_one(
    scenario: &Scenario,
    twin: bool,
    dir: &Path,
    tale: Tale,
) -> Result<Outcome, Error> {
    let declared = scenario.twin.clone().filter(|_| twin);
    let played_one = if twin { scenario.as_twin()? } else { scenario.clone() };
    let (mut stage, variables) = found(&played_one, dir, scenario.first.partners.len(), true, &tale).await?;
    if let Some(declared) = &declared {
        tale.line("", &format!("the twin: {}", declared.tells));
    }
    let hasty = declared.as_ref().map(|declared| declared.fails_at.as_str());
    let played = match play(&mut stage, &played_one, &tale, variables, hasty).await {
        Ok(played) => played,
        Err(Error::Interrupted) => return Err(Error::Interrupted),
        Err(error) => {
            stage.keep_files();
            return Err(error);
        }
    };
    let (passed, why) = judged(&played, declared.as_ref());
    if let Some(why) = &why {
        tale.line("", &format!("{}: {why}", if passed { "it fails, as it must" } else { "FAILED" }));
    }
    if passed {
        let what = if twin { "the twin fails where it must" } else { "all as expected" };
        tale.good("PASSED", &format!("  {}: {what}", scenario.called));
    } else {
        stage.keep_files();
        tale.line("", &format!("the nodes' logs are kept in {}", dir.display()));
    }
    Ok(Outcome {
        scenario: scenario.called.clone(),
        twin,
        passed,
        why,
        seconds: tale.seconds(),
        told: tale.kept(),
        steps: played.steps,
    })
}

/// Whether it went as it says, and the failure in words if there was one.
fn judged(played: &Played, twin: Option<&super::Twin>) -> (bool, Option<String>) {
    let failure = played.failed.as_ref().map(|(placed, error)| {
        let id = placed.id.as_ref().map_or_else(String::new, |id| format!(", {id:?}"));
        let number =
            if placed.number == 0 { "the added step".to_owned() } else { format!("step {}", placed.number) };
        // What to do next is said once, by whoever says how it ended.
        let error = error.to_string();
        let error = error.split_once("\n  next:").map_or(error.as_str(), |(error, _)| error);
        (placed, format!("{number} ({}{id}): {error}", placed.step.name()))
    });
    match (twin, failure) {
        (None, None) => (true, None),
        (None, Some((_, why))) => (false, Some(why)),
        (Some(twin), None) => {
            (false, Some(format!("the twin must fail at {:?} and did not fail at all", twin.fails_at)))
        }
        (Some(twin), Some((placed, why))) => {
            let there = placed.id.as_deref() == Some(&twin.fails_at);
            match (there, why.contains(&twin.because)) {
                (true, true) => (true, Some(why)),
                (false, _) => {
                    (false, Some(format!("the twin must fail at {:?}; it fails at {why}", twin.fails_at)))
                }
                (true, false) => {
                    (false, Some(format!("the twin must fail because of {:?}; {why}", twin.because)))
                }
            }
        }
    }
}

/// Plays all of them and their twins, `at_once` at a time, in folders of their own in `dir`.
pub(crate) async fn run_all(
    scenarios: Vec<Scenario>,
    dir: PathBuf,
    at_once: usize,
    json: bool,
) -> Result<Vec<Outcome>, Error> {
    let _empty = Emptied(&dir);
    let jobs = scenarios.into_iter().flat_map(|scenario| {
        let twin = scenario.twin.is_some().then(|| (scenario.clone(), true));
        std::iter::once((scenario, false)).chain(twin)
    });
    let jobs = RefCell::new(jobs.enumerate().collect::<VecDeque<_>>());
    let done = RefCell::new(Vec::new());
    let worker = || async {
        loop {
            let next = jobs.borrow_mut().pop_front();
            let Some((number, (scenario, twin))) = next else { return Ok::<_, Error>(()) };
            let tale = Tale::new(Teller::Later(RefCell::new(Vec::new())));
            let folder = dir.join(number.to_string());
            let outcome = run_one(&scenario, twin, &folder, tale).await?;
            if !json {
                tell(&outcome);
            }
            done.borrow_mut().push((number, outcome));
        }
    };
    // Two are as many as two cores bear; one worker more would only make all of them slower.
    match at_once {
        0 | 1 => worker().await?,
        _ => drop(tokio::try_join!(worker(), worker())?),
    }
    let mut done = done.into_inner();
    done.sort_by_key(|(number, _)| *number);
    Ok(done.into_iter().map(|(_, outcome)| outcome).collect())
}

/// Removes a folder in the end, if nothing is left in it: the files of a scenario that failed are.
struct Emptied<'a>(&'a Path);

impl Drop for Emptied<'_> {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir(self.0);
    }
}

fn tell(outcome: &Outcome) {
    if !outcome.passed {
        outcome.told.iter().for_each(|line| say(line));
    }
    let word = if outcome.passed { "passed" } else { "FAILED" };
    let what = match (outcome.twin, outcome.steps.last()) {
        (true, Some(last)) if outcome.passed => {
            format!("its twin fails at {:?}, as it must", last.id.as_deref().unwrap_or("?"))
        }
        (true, _) => "its twin".to_owned(),
        (false, _) => format!("{} steps", outcome.steps.len()),
    };
    say(&format!("{word}  {:<26} {what} ({:.1} s)", outcome.scenario, outcome.seconds));
}
