//! The command line of `entente-testnet`.

mod scenario;
mod simulate;

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{CommandFactory as _, Parser, Subcommand};
use entente_node::api::dto::StatusView;
use entente_node::hints::Hints;
use entente_node::usage;
use tokio::signal::unix::{SignalKind, signal};

use crate::bench;
use crate::demo::{self, DEMO_TIMEOUT};
use crate::network::{Error, Network, Roles, STEP_TIMEOUT};
use crate::process::{end_with_the_testnet, node_command};
use crate::say::say;
use crate::scenario::OF_THE_DEMO;

/// Where a network lives if nothing else is said.
const DEFAULT_DIR: &str = "./.entente-testnet";

/// Local networks of real Entente nodes: a demo, a playground, a benchmark
#[derive(Debug, Parser)]
#[command(name = "entente-testnet", version)]
struct Cli {
    /// Where the network lives
    #[arg(long, global = true, default_value = DEFAULT_DIR, value_name = "DIR")]
    dir: PathBuf,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Play a scenario: partners found a coalition, agree, lose nodes and links, and a receipt verifies offline
    Demo {
        /// How many partners; those beyond the scenario's observe
        #[arg(long, default_value_t = 4, allow_negative_numbers = true)]
        partners: usize,
        /// A scenario: a file, or the name of one that is built in
        #[arg(long, value_name = "FILE", default_value = OF_THE_DEMO)]
        scenario: String,
        /// Plain text, for logs
        #[arg(long)]
        headless: bool,
        /// Leave the network running afterwards
        #[arg(long)]
        keep: bool,
    },
    /// Play scenarios against real processes: each ends in a state that is asserted, and has a twin that must fail
    Scenario(scenario::Arguments),
    /// Found a coalition and start its nodes
    Up {
        /// How many partners
        #[arg(long, default_value_t = 4, allow_negative_numbers = true)]
        partners: usize,
    },
    /// Who runs, and what each says
    Status,
    /// Print a partner's log
    Logs {
        /// Whose
        partner: String,
    },
    /// Print what makes a shell's `entente` speak for a partner: eval "$(entente-testnet env norden)"
    Env {
        /// For whom
        partner: String,
    },
    /// Kill a partner's node: kill -9
    Kill {
        /// Whose
        partner: String,
    },
    /// Start a partner's node again, with its own store
    Restart {
        /// Whose
        partner: String,
    },
    /// Cut the link between two partners
    Cut {
        /// One end
        a: String,
        /// The other end
        b: String,
    },
    /// Bring all cut links back
    Heal,
    /// Stop all nodes and remove the network
    Down,
    /// Simulate hostile histories of whole coalitions, each drawn from a seed
    Sim(simulate::Arguments),
    /// Measure
    Bench {
        #[command(subcommand)]
        what: Bench,
    },
    /// Be a node: the command line of `entente`
    #[command(hide = true, disable_help_flag = true)]
    Node {
        /// Its arguments
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<OsString>,
    },
}

#[derive(Debug, Subcommand)]
enum Bench {
    /// Four processes on this machine, over loopback, with stores on disk
    Local {
        /// Print one JSON object
        #[arg(long)]
        json: bool,
        /// Operations to measure, after warm-up
        #[arg(long, default_value_t = 1_000, allow_negative_numbers = true)]
        ops: usize,
        /// Seconds to listen to the idle network
        #[arg(long, default_value_t = 30, allow_negative_numbers = true)]
        idle_seconds: u64,
        /// Inside its own network namespace, where bytes can be counted; set by the benchmark itself
        #[arg(long, hide = true)]
        inside: bool,
    },
    /// All engines of a coalition in one process, without sockets and disks
    Engine {
        /// Print a JSON list of cases
        #[arg(long)]
        json: bool,
    },
    /// The coalition's state machine alone: records applied per second, as operations and history grow
    Coalition {
        /// Print a JSON list of cases
        #[arg(long)]
        json: bool,
    },
}

/// Runs the program.
pub fn main_from(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let arguments: Vec<OsString> = arguments.into_iter().collect();
    // A node has its own command line: nothing of this one's parser may touch it.
    if arguments.get(1).is_some_and(|word| word == "node") {
        return be_a_node(&arguments[2..]);
    }
    let cli = match Cli::try_parse_from(&arguments) {
        Ok(cli) => cli,
        Err(error) => match usage::mistake(&error, &Cli::command(), &arguments) {
            Some(mistake) => {
                mistake.print(false);
                return ExitCode::from(2);
            }
            None => error.exit(),
        },
    };
    let hints = hints(&cli.dir);
    // On this thread and without a runtime, so that Ctrl-C ends it at once.
    if let Command::Sim(arguments) = &cli.command {
        return match simulate::simulate(arguments) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => failed(&error, &hints),
        };
    }
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return failed(&Error::io("start the runtime", error), &hints),
    };
    match runtime.block_on(interruptible(run(cli))) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => failed(&error, &hints),
    }
}

/// Hints for a user who works in `dir`. What follows `node` has a folder of its own.
fn hints(dir: &Path) -> Hints {
    let commands = Cli::command()
        .get_subcommands()
        .filter(|command| command.get_name() != "node")
        .map(|command| command.get_name().to_owned())
        .collect::<Vec<_>>();
    Hints::new("entente-testnet", commands, (dir != Path::new(DEFAULT_DIR)).then(|| dir.to_owned()))
}

fn failed(error: &Error, hints: &Hints) -> ExitCode {
    eprintln!("error: {}", hints.copyable(&error.to_string()));
    match error {
        Error::Interrupted => ExitCode::from(130),
        Error::Input { .. }
        | Error::State { .. }
        | Error::Running(_)
        | Error::None(_)
        | Error::Partner { .. }
        | Error::NotOurs(_)
        | Error::Owned { .. } => ExitCode::from(2),
        _ => ExitCode::FAILURE,
    }
}

fn be_a_node(arguments: &[OsString]) -> ExitCode {
    end_with_the_testnet();
    entente_node::main_from(std::iter::once(OsString::from("entente")).chain(arguments.iter().cloned()))
}

/// Ends `work` on Ctrl-C or SIGTERM; dropping it stops what it started.
async fn interruptible(work: impl Future<Output = Result<(), Error>>) -> Result<(), Error> {
    let catch = |kind| signal(kind).map_err(|error| Error::io("catch signals", error));
    let (mut interrupt, mut terminate) = (catch(SignalKind::interrupt())?, catch(SignalKind::terminate())?);
    tokio::select! {
        result = work => result,
        _ = interrupt.recv() => Err(Error::Interrupted),
        _ = terminate.recv() => Err(Error::Interrupted),
    }
}

async fn run(cli: Cli) -> Result<(), Error> {
    let dir = cli.dir;
    let hints = hints(&dir);
    match cli.command {
        Command::Demo { partners, scenario, headless, keep } => {
            let options = demo::Options { dir, partners, scenario, headless, keep };
            let late = |_| Error::Late { what: "the demo ends".into(), limit: DEMO_TIMEOUT };
            tokio::time::timeout(DEMO_TIMEOUT, demo::demo(options)).await.map_err(late)?
        }
        Command::Scenario(arguments) => scenario::scenario(&arguments, dir).await,
        Command::Up { partners } => up(&dir, partners, &hints).await,
        Command::Status => status(&Network::open(&dir)?, &hints).await,
        Command::Logs { partner } => {
            let network = Network::open(&dir)?;
            network.known(&partner)?;
            let log = std::fs::read(network.log_file(&partner))
                .map_err(|error| Error::io("read the log", error))?;
            say(String::from_utf8_lossy(&log).trim_end());
            Ok(())
        }
        Command::Env { partner } => env(&Network::open(&dir)?, &partner),
        Command::Kill { partner } => {
            Network::open_free(&dir)?.kill(&partner)?;
            let next = hints.copyable(&format!("entente-testnet restart {partner}"));
            say(&format!("{partner} is killed; next: {next}"));
            Ok(())
        }
        Command::Restart { partner } => {
            let mut network = Network::open_free(&dir)?;
            network.start(&partner).await?;
            say(&format!(
                "{partner} runs; waiting until it is linked with all that run, at most {} s",
                STEP_TIMEOUT.as_secs()
            ));
            network.until_back(&partner).await?;
            say(&format!("{partner} is back in the mesh"));
            Ok(())
        }
        Command::Cut { a, b } => {
            let around = Network::open_free(&dir)?.cut(&a, &b).await?;
            let how = if around { "; they reach each other through others" } else { "" };
            say(&format!(
                "the link between {a} and {b} is cut{how}; next: {}",
                hints.copyable("entente-testnet heal")
            ));
            Ok(())
        }
        Command::Heal => heal(Network::open_free(&dir)?).await,
        Command::Down => down(&dir),
        Command::Sim(_) => Err(Error::input("a simulation runs by itself", "entente-testnet sim")),
        Command::Bench { what: Bench::Local { json, ops, idle_seconds, inside } } => {
            bench::local(&bench::Options { dir, json, ops, idle_seconds, inside }).await
        }
        Command::Bench { what: Bench::Engine { json } } => bench::engine(json),
        Command::Bench { what: Bench::Coalition { json } } => bench::coalition(json),
        Command::Node { .. } => {
            Err(Error::input("the word `node` comes first", "entente-testnet node --dir DIR/PARTNER COMMAND"))
        }
    }
}

async fn up(dir: &Path, partners: usize, hints: &Hints) -> Result<(), Error> {
    let roles = Roles::of(partners)?;
    if Network::prepare(dir)? {
        say("an earlier network was left here; it is cleaned");
    }
    let mut network = Network::found(dir, "airlift", &roles, false).await?;
    let names = network.partners().to_vec();
    if let Err(error) = start_all(&mut network).await {
        network.keep_files();
        eprintln!("the nodes' logs are kept in {}", dir.display());
        return Err(error);
    }
    say(&format!("{} runs: {}", network.coalition(), names.join(", ")));
    network.leave()?;
    let env = hints.copyable(&format!("entente-testnet env {}", names[0]));
    say(&format!("next: eval \"$({env})\"; entente status"));
    Ok(())
}

async fn start_all(network: &mut Network) -> Result<(), Error> {
    for partner in network.partners().to_vec() {
        network.start(&partner).await?;
    }
    network.until_meshed().await
}

fn down(dir: &Path) -> Result<(), Error> {
    if let Some(owner) = Network::open(dir)?.owner() {
        // It stops and removes its network itself.
        owner.stop();
    }
    match Network::open(dir) {
        Ok(mut network) => {
            network.stop_all();
            network.remove()?;
        }
        Err(Error::None(_)) => {}
        Err(other) => return Err(other),
    }
    say("stopped and removed");
    Ok(())
}

async fn status(network: &Network, hints: &Hints) -> Result<(), Error> {
    say(network.coalition());
    for partner in network.partners() {
        let Some(process) = network.process(partner) else {
            let next = hints.copyable(&format!("entente-testnet restart {partner}"));
            say(&format!("{partner:<12} down      next: {next}"));
            continue;
        };
        let line = match network.client(partner)?.get::<StatusView>("/v1/status").await {
            Ok(status) => format!(
                "{:<8}  process {}, epoch {}, {} leaves, {} held, {} of {} seats reached",
                status.word.to_string(),
                process.pid(),
                status.epoch.certified,
                status.log.size,
                status.held,
                status.seats.iter().filter(|seat| seat.reachable).count(),
                status.seats.len()
            ),
            Err(error) => {
                let next = hints.copyable(&format!("entente-testnet logs {partner}"));
                format!("no answer: {}: {}; next: {next}", error.what, error.why)
            }
        };
        say(&format!("{partner:<12} {line}"));
    }
    Ok(())
}

fn env(network: &Network, partner: &str) -> Result<(), Error> {
    network.known(partner)?;
    let dir = std::path::absolute(network.data_dir(partner))
        .map_err(|error| Error::io("find the folder", error))?;
    say(&format!("export ENTENTE_DIR='{}'", dir.display().to_string().replace('\'', r"'\''")));
    let command = node_command(&dir)?;
    let program = command.get_program().to_string_lossy().replace('\'', r"'\''");
    say(&format!("entente() {{ '{program}' node \"$@\"; }}"));
    Ok(())
}

async fn heal(mut network: Network) -> Result<(), Error> {
    let cuts = network.cuts().to_vec();
    network.heal_all().await?;
    say(if cuts.is_empty() { "no link was cut" } else { "all links are back" });
    Ok(())
}
