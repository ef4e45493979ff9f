//! `entente-testnet scenario`.

use std::path::PathBuf;

use crate::network::Error;
use crate::say::say;
use crate::scenario::run_all::{Outcome, run_all, run_one};
use crate::scenario::{BUILT_IN, Scenario, Tale, Teller};

/// What to play.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// `list`, `all`, or one or more: names of built-in ones, or files
    #[arg(required = true, value_name = "NAME")]
    names: Vec<String>,
    /// Play its twin: the scenario with the change that it declares, which must fail where and why it says
    #[arg(long)]
    twin: bool,
    /// Play so many at the same time, 1 or 2, where there are several
    #[arg(long, default_value_t = 2, value_name = "NUMBER")]
    jobs: usize,
    /// Print JSON for programs: one object, or a list where several are played
    #[arg(long)]
    json: bool,
}

fn print(value: &impl serde::Serialize) {
    say(&serde_json::to_string_pretty(value).expect("numbers and texts"));
}

/// Plays what is asked for, and fails if something did not go as it says.
pub(super) async fn scenario(arguments: &Arguments, dir: PathBuf) -> Result<(), Error> {
    let Arguments { names, twin, jobs, json } = arguments;
    match &names[..] {
        [word] if word == "list" => list(*json),
        [word] if word == "all" => {
            let all = BUILT_IN.iter().map(|(name, _)| Scenario::load(name)).collect::<Result<_, _>>()?;
            several(all, dir, *jobs, *json).await
        }
        [name] => {
            let scenario = Scenario::load(name)?;
            let teller = match json {
                true => Teller::Later(std::cell::RefCell::default()),
                false => Teller::Aloud { colour: std::io::IsTerminal::is_terminal(&std::io::stdout()) },
            };
            let outcome = run_one(&scenario, *twin, &dir, Tale::new(teller)).await?;
            if *json {
                print(&outcome);
            }
            judge(&[outcome])
        }
        _ if *twin => Err(Error::input(
            "with several scenarios their twins are played anyway",
            "the same command without --twin",
        )),
        names => {
            let all = names.iter().map(|name| Scenario::load(name)).collect::<Result<_, _>>()?;
            several(all, dir, *jobs, *json).await
        }
    }
}

async fn several(scenarios: Vec<Scenario>, dir: PathBuf, jobs: usize, json: bool) -> Result<(), Error> {
    let outcomes = run_all(scenarios, dir, jobs, json).await?;
    if json {
        print(&outcomes);
    }
    judge(&outcomes)
}

fn judge(outcomes: &[Outcome]) -> Result<(), Error> {
    let failed = outcomes.iter().filter(|outcome| !outcome.passed);
    let named = failed.map(|outcome| {
        let twin = if outcome.twin { " (twin)" } else { "" };
        format!("{}{twin}: {}", outcome.scenario, outcome.why.as_deref().unwrap_or("it did not fail"))
    });
    match named.collect::<Vec<_>>() {
        none if none.is_empty() => Ok(()),
        failed => Err(Error::failed(
            failed.join("\n"),
            "read the nodes' logs, which are kept; entente-testnet scenario NAME tells it step by step",
        )),
    }
}

fn list(json: bool) -> Result<(), Error> {
    let all = BUILT_IN.iter().map(|(name, _)| Scenario::load(name)).collect::<Result<Vec<_>, _>>()?;
    if json {
        let rows = all.iter().map(|scenario| {
            serde_json::json!({
                "name": scenario.called, "title": scenario.name, "partners": scenario.partners(),
                "steps": scenario.steps.len(), "twin": scenario.twin.as_ref().map(|twin| &twin.tells),
            })
        });
        print(&rows.collect::<Vec<_>>());
        return Ok(());
    }
    for scenario in &all {
        let (partners, steps) = (scenario.partners(), scenario.steps.len());
        say(&format!("{:<26} {} ({partners} partners, {steps} steps)", scenario.called, scenario.name));
        if let Some(twin) = &scenario.twin {
            say(&format!("{:<26}   twin: {}", "", twin.tells));
        }
    }
    say("next: entente-testnet scenario NAME");
    Ok(())
}
