//! The demo: a scenario played by real processes, and a receipt verified after every store is gone.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::network::{Error, RECEIPTS};
use crate::process::node_command;
use crate::say::say;
use crate::scenario::play::{self, Played};
use crate::scenario::{Scenario, Stage, Tale, Teller};

/// What `demo` was asked for.
pub(crate) struct Options {
    pub(crate) dir: PathBuf,
    pub(crate) partners: usize,
    pub(crate) scenario: String,
    pub(crate) headless: bool,
    pub(crate) keep: bool,
}

/// Plays a scenario from founding to verified receipt.
pub(crate) async fn demo(options: Options) -> Result<(), Error> {
    let scenario = Scenario::load(&options.scenario)?;
    let colour = !options.headless && std::io::IsTerminal::is_terminal(&std::io::stdout());
    let tale = Tale::new(Teller::Aloud { colour });
    let (mut stage, variables) =
        play::found(&scenario, &options.dir, options.partners, !options.keep, &tale).await?;
    let result = match play::play(&mut stage, &scenario, &tale, variables, None).await {
        Ok(Played { failed: Some((placed, error)), .. }) => {
            eprintln!("step {} ({}) failed", placed.number, placed.step.name());
            Err(error)
        }
        Ok(played) => finish(&mut stage, played, &options, &tale).await,
        Err(error) => Err(error),
    };
    match result {
        Ok(()) if options.keep => stage.leave(),
        Ok(()) => Ok(()),
        Err(error) => {
            stage.keep_files();
            eprintln!("the nodes' logs are kept in {}", options.dir.display());
            Err(error)
        }
    }
}

/// Takes the receipt, ends the network, and verifies the receipt with nothing else left.
async fn finish(stage: &mut Stage, played: Played, options: &Options, tale: &Tale) -> Result<(), Error> {
    let Some((agreed_in, name)) = played.last_agreed else {
        return Err(Error::failed(
            "the scenario ends without an agreed operation: there is no receipt",
            "end it with a step such as: agreed = \"OPERATION\"",
        ));
    };
    let id = &played.ids[&name];
    let receipts = options.dir.join(RECEIPTS);
    fs::create_dir_all(&receipts).map_err(|error| Error::io("make the folder for receipts", error))?;
    let receipt = receipts.join(format!("{name}.tlog-proof"));
    let shown = receipt.display().to_string();
    let network = stage.network(agreed_in.as_deref())?;
    let holder = network.partners().iter().find(|partner| network.process(partner).is_some()).cloned();
    let holder = holder.ok_or_else(|| {
        Error::failed(
            "nobody is running to give the receipt",
            "restart somebody in an earlier step of the scenario",
        )
    })?;
    let _ = fs::remove_file(&receipt);
    network.entente(&holder, &["receipt", id, "-o", &shown]).await?;
    let coalition = network.coalition().to_owned();
    if options.keep {
        tale.chapter("The network goes on: entente-testnet status, env, kill, cut, heal; entente-testnet down ends it.");
    } else {
        stage.end()?;
        tale.chapter("Every node is stopped and every store deleted. A fresh process verifies the receipt:");
    }
    let verified = verify(&receipt, &coalition)?;
    if verified.code != Some(0) {
        return Err(Error::failed(
            format!("the receipt does not verify:\n{}", verified.said.trim_end()),
            format!("keep {shown} and report it"),
        ));
    }
    tale.line("", verified.said.trim_end());
    let spoiled = receipts.join(format!("{name}.spoiled"));
    let mut bytes = fs::read(&receipt).map_err(|error| Error::io("read the receipt", error))?;
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&spoiled, bytes).map_err(|error| Error::io("write the spoiled copy", error))?;
    let refused = verify(&spoiled, &coalition)?;
    let _ = fs::remove_file(&spoiled);
    if refused.code != Some(7) {
        return Err(Error::failed(
            format!("a receipt with a flipped bit verifies:\n{}", refused.said.trim_end()),
            format!("keep {shown} and report it"),
        ));
    }
    tale.line("", "with one bit flipped it is refused");
    tale.good("receipt verified", &format!("  {shown}"));
    let program = std::env::current_exe().map_err(|error| Error::io("find this program", error))?;
    say("verify it again, offline, with any build of entente:");
    say(&format!("  {} node verify {shown} --coalition {coalition}", program.display()));
    Ok(())
}

struct Verified {
    code: Option<i32>,
    said: String,
}

/// Verifies in a fresh process of this program, with an empty data folder.
fn verify(receipt: &Path, coalition: &str) -> Result<Verified, Error> {
    let nowhere = receipt.with_extension("nowhere");
    let output = node_command(&nowhere)?
        .arg("verify")
        .arg(receipt)
        .args(["--coalition", coalition])
        .output()
        .map_err(|error| Error::io("start a fresh process", error))?;
    let said =
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    Ok(Verified { code: output.status.code(), said })
}

/// How long the whole demo may take before it counts as failed.
pub(crate) const DEMO_TIMEOUT: Duration = Duration::from_secs(600);
