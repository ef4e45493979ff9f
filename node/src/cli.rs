//! The command line: `entente`.
//!
//! Guarantees: every command ends with one of the exit codes of [`Exit`], and every failure says
//! what, why and the next command. Founding, joining, checking and verifying need no running node; the others speak
//! with the node of the data folder over its socket.

mod asset;
mod authority;
mod charter;
mod check;
mod dispute;
mod evidence;
mod feed;
mod handoff;
mod inbox;
mod init;
mod integrity;
mod join;
mod log;
mod member;
mod note;
mod op;
mod parse;
mod peer;
mod policy;
mod receipt;
mod restore;
mod status;
mod stop;
mod up;

mod verify;

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::LazyLock;
use std::time::{SystemTime, UNIX_EPOCH};

use clap::{Args, CommandFactory as _, Parser, Subcommand};
use entente_protocol::time::Time;
use entente_protocol::wire::WIRE_VERSION;

use crate::client::Client;
use crate::errors::{CliError, Exit};
use crate::hints::Hints;
use crate::paths::DataDir;
use crate::usage;

static VERSION: LazyLock<String> =
    LazyLock::new(|| format!("{} (wire version {WIRE_VERSION})", env!("CARGO_PKG_VERSION")));

const EVERYWHERE: &str = "Options of every command";

const NEXT_STEPS: &str = "\
From keys to a coalition:  init; charter new, lint, sign, merge, found; join
Keep roots offline:        authority init, delegate, revoke, rotate, sign, show
Change keys:               member submit, member show
Run a node:                up, status, peer add, peer list, stop; from a backup: restore
Agree on an operation:     op open, op attest, op show, op follow, op story
Hand it over, contest it:  handoff offer, accept, show; dispute open, rule, show
Prove it to anyone:        receipt, verify
Who contradicts itself:    evidence list, show; peer faults
Report misuse:             integrity report, confirm, withdraw, vote, list, show

Exit codes:
  0  done
  1  anything that has no code of its own; op --wait agreed: decided, but not agreed
  2  the command line is wrong
  3  a file, key, address or setting is wrong
  4  no node is running here
  5  fewer than a quorum of seats can be reached; the record is held, not lost
  6  denied by the charter; verify: consistent, but the coalition is not pinned
  7  corrupt: a damaged store, or a receipt that does not verify
  8  time-out; what was submitted is held, not lost
  9  the store is older than what this node has said before";

/// Agree on operations with sovereign partners: peer to peer, without a server, with receipts that verify offline
#[derive(Parser)]
#[command(name = "entente", version = VERSION.as_str(), after_help = NEXT_STEPS)]
struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Command,
}

#[derive(Args)]
struct Global {
    /// Data folder of the node [default: $ENTENTE_DIR, else $XDG_DATA_HOME/entente, else ~/.local/share/entente]
    #[arg(long, global = true, value_name = "DIR", help_heading = EVERYWHERE)]
    dir: Option<PathBuf>,
    /// Say it with this officer's key [default: DIR/keys/officer.key]
    #[arg(long = "as", global = true, value_name = "KEYFILE", help_heading = EVERYWHERE)]
    officer: Option<PathBuf>,
    /// Print JSON for programs in place of text for people
    #[arg(long, global = true, help_heading = EVERYWHERE)]
    json: bool,
}

#[derive(Subcommand)]
enum Command {
    /// Make this partner's keys and its public card
    Init(init::Init),
    /// Draft, check, sign, merge and found a charter
    #[command(subcommand)]
    Charter(charter::Command),
    /// Make roots, delegate, revoke and sign offline: needs no node, no data folder and no network
    #[command(subcommand)]
    Authority(authority::Command),
    /// Become a member of a founded coalition
    Join(join::Join),
    /// Run the node until it is stopped
    Up(up::Up),
    /// Stop the running node
    Stop,
    /// Go on from a backup of the store: take a new incarnation, in which nothing contradicts what was lost
    Restore(restore::Restore),
    /// Show how the coalition stands: agreed, held or stalled, and who is missing
    Status(status::Status),
    /// Show what waits for this partner: to attest, to settle, to renew
    Inbox,
    /// Show and change the links to other nodes
    #[command(subcommand)]
    Peer(peer::Command),
    /// Open operations, attest to them, and follow them
    #[command(subcommand)]
    Op(op::Command),
    /// Declare, lend and recall this partner's assets, and list everybody's
    #[command(subcommand)]
    Asset(asset::Command),
    /// Show the members and who is on watch; suspend, reinstate or expel a partner; leave
    #[command(subcommand)]
    Member(member::Command),
    /// Hand roles of an operation to another partner; take over; conclude
    #[command(subcommand)]
    Handoff(handoff::Command),
    /// Contest an operation, a handoff or an attestation, and rule on that
    #[command(subcommand)]
    Dispute(dispute::Command),
    /// Show the ordered log
    Log(log::Log),
    /// Show the entries of a record feed, with their hashes and signatures
    Feed(feed::Feed),
    /// Show what is proved of feeds and seats that contradict themselves
    #[command(subcommand)]
    Evidence(evidence::Command),
    /// Report misuse, confirm what others report, and see what follows
    #[command(subcommand)]
    Integrity(integrity::Command),
    /// Submit a note of this node: carried and ordered, without effect on any operation
    Note(note::Note),
    /// Get a receipt that anyone can verify offline
    Receipt(receipt::Receipt),
    /// Verify a receipt offline, from the file alone
    Verify(verify::Verify),
    /// The coalition's trust policy
    #[command(subcommand)]
    Policy(policy::Command),
    /// The node's settings
    #[command(subcommand)]
    Config(check::Command),
}

/// What every command is given.
struct Context {
    dir: DataDir,
    officer: Option<PathBuf>,
    json: bool,
    hints: Hints,
}

impl Context {
    /// The command line that runs `command` on this data folder.
    fn hint(&self, command: &str) -> String {
        self.hints.copyable(&format!("entente {command}"))
    }

    /// The command that shows who may do what here, by the version of the charter that is in force.
    fn charter_hint(&self) -> String {
        self.hint("charter current")
    }

    fn client(&self) -> Result<Client, CliError> {
        Client::new(&self.dir)
    }
}

/// The time of this machine's clock.
pub(crate) fn now() -> Time {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Time(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

/// Runs the command line `args`, the first of which is the program's name.
pub fn main_from<I, T>(args: I) -> ExitCode
where
    I: IntoIterator<Item = T>,
    T: Into<OsString> + Clone,
{
    let args = args.into_iter().map(Into::into).collect::<Vec<OsString>>();
    let cli = match Cli::try_parse_from(&args) {
        Ok(cli) => cli,
        Err(error) => {
            if let Some(mistake) = usage::mistake(&error, &Cli::command(), &args) {
                mistake.print(args.iter().any(|arg| arg == "--json"));
                return mistake.exit.into();
            }
            // Help and version go to standard output with 0; help that nobody asked for to standard error with 2.
            let _ = error.print();
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(Exit::Usage as u8));
        }
    };
    let json = cli.global.json;
    let hints = hints(cli.global.dir.clone());
    match run(cli, hints.clone()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Here, because what the node answers with does not know how it was asked.
            let next = hints.copyable(&error.next);
            let error = CliError { next, ..error };
            error.print(json);
            error.exit.into()
        }
    }
}

/// Hints for a user who named `dir` on the command line.
fn hints(dir: Option<PathBuf>) -> Hints {
    // These need no data folder, but for what goes through the node.
    let without = ["verify", "authority"];
    let commands =
        Cli::command().get_subcommands().map(|command| command.get_name().to_owned()).collect::<Vec<_>>();
    let commands = commands.into_iter().filter(|command| !without.contains(&command.as_str()));
    let online = authority::Online::augment_subcommands(clap::Command::new("authority"));
    let online = online.get_subcommands().map(|command| format!("authority {}", command.get_name()));
    Hints::new("entente", commands.chain(online.collect::<Vec<_>>()), dir)
}

fn run(cli: Cli, hints: Hints) -> Result<(), CliError> {
    // Verifying, and what roots do offline, needs no data folder, so it works where there is no home either.
    if let Command::Verify(verify) = &cli.command {
        return verify.run(cli.global.json);
    }
    if let Command::Authority(authority::Command::Offline(command)) = &cli.command {
        return command.run(cli.global.json);
    }
    let context = Context {
        dir: DataDir::resolve(cli.global.dir)?,
        officer: cli.global.officer,
        json: cli.global.json,
        hints,
    };
    match &cli.command {
        Command::Init(init) => init.run(&context),
        Command::Charter(command) => command.run(&context),
        Command::Join(join) => join.run(&context),
        Command::Config(command) => command.run(&context),
        Command::Policy(command) => command.run(&context),
        Command::Up(up) => up.run(&context),
        Command::Restore(restore) => restore.run(&context),
        Command::Verify(verify) => verify.run(context.json),
        Command::Authority(authority::Command::Offline(command)) => command.run(context.json),
        Command::Authority(authority::Command::Online(command)) => block_on(command.run(&context)),
        Command::Stop => block_on(stop::run(&context)),
        Command::Status(status) => block_on(status.run(&context)),
        Command::Peer(command) => block_on(command.run(&context)),
        Command::Op(command) => block_on(command.run(&context)),
        Command::Asset(command) => block_on(command.run(&context)),
        Command::Member(command) => block_on(command.run(&context)),
        Command::Handoff(command) => block_on(command.run(&context)),
        Command::Dispute(command) => block_on(command.run(&context)),
        Command::Inbox => block_on(inbox::run(&context)),
        Command::Log(log) => block_on(log.run(&context)),
        Command::Feed(feed) => block_on(feed.run(&context)),
        Command::Evidence(command) => block_on(command.run(&context)),
        Command::Integrity(command) => block_on(command.run(&context)),
        Command::Note(note) => block_on(note.run(&context)),
        Command::Receipt(receipt) => block_on(receipt.run(&context)),
    }
}

fn block_on(future: impl Future<Output = Result<(), CliError>>) -> Result<(), CliError> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| CliError::new(Exit::Failure, "cannot start", error, "check limits: ulimit -a"))?
        .block_on(future)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn the_version_names_the_wire_version() {
        assert!(VERSION.contains(&format!("wire version {WIRE_VERSION}")));
    }
}
