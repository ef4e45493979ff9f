//! What can go wrong with a local network, in words, with the next command.

use std::time::Duration;

use thiserror::Error;

/// What failed, why, and what to do.
#[derive(Debug, Error)]
pub(crate) enum Error {
    /// Histories in which something was wrong, or too few to mean anything.
    #[error(
        "{failures} histories failed, {below} counts are below their minimum\n  next: the command after `replay:`"
    )]
    Simulation { failures: usize, below: usize },
    /// A bug was planted, and no history has shown it.
    #[error(
        "the planted bug {plant} was not caught in {histories} histories\n  next: more of them, with --seeds; docs/testing.md says which are caught by scripts alone"
    )]
    NotCaught { plant: String, histories: u64 },
    /// A file or process could not be worked with.
    #[error("cannot {what}: {error}\n  next: {}", after(.error))]
    Io { what: String, error: std::io::Error },
    /// There is no network here.
    #[error("no network in {0}: nothing was started there, or it was ended\n  next: entente-testnet up")]
    None(String),
    /// One runs here already.
    #[error("a network runs in {0} already\n  next: entente-testnet status, or entente-testnet down")]
    Running(String),
    /// One that another process plays with.
    #[error(
        "a demo or benchmark (process {pid}) plays in {dir}\n  next: wait for its end, or entente-testnet down"
    )]
    Owned { dir: String, pid: u32 },
    /// A folder that is not a network's.
    #[error("{0} is not empty and holds no network; nothing was touched\n  next: choose another with --dir")]
    NotOurs(String),
    /// No such partner.
    #[error("no partner {name:?} here; there are: {known}\n  next: entente-testnet status")]
    Partner { name: String, known: String },
    /// A partner's node is not running, or is.
    #[error("{name} is {word}\n  next: entente-testnet {next} {name}")]
    State { name: String, word: &'static str, next: &'static str },
    /// A command of the node failed.
    #[error("`entente {command}` at {partner} failed ({code})\n{}\n  next: as it says; its node's log: entente-testnet logs {partner}", .output.trim_end())]
    Command { partner: String, command: String, code: String, output: String },
    /// Something did not happen in time.
    #[error("not within {} s: {what}\n  next: entente-testnet status, then entente-testnet logs PARTNER", .limit.as_secs())]
    Late { what: String, limit: Duration },
    /// Input that makes no sense.
    #[error("{what}\n  next: {next}")]
    Input { what: String, next: String },
    /// Something that a scenario or node did and should not have.
    #[error("{what}\n  next: {next}")]
    Failed { what: String, next: String },
    /// Interrupted.
    #[error("interrupted; everything was stopped")]
    Interrupted,
}

impl Error {
    pub(crate) fn io(what: impl Into<String>, error: std::io::Error) -> Self {
        Self::Io { what: what.into(), error }
    }

    pub(crate) fn input(what: impl Into<String>, next: impl Into<String>) -> Self {
        Self::Input { what: what.into(), next: next.into() }
    }

    pub(crate) fn failed(what: impl Into<String>, next: impl Into<String>) -> Self {
        Self::Failed { what: what.into(), next: next.into() }
    }
}

/// What helps after an error of the system.
fn after(error: &std::io::Error) -> &'static str {
    use std::io::ErrorKind;
    match error.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => {
            "make room (df -h .), then the same command again"
        }
        ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem | ErrorKind::NotADirectory => {
            "the same command with --dir DIR, a folder that you may write to"
        }
        _ => "check that path, then the same command again",
    }
}
