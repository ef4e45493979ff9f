//! What the command line says when something fails: what, why, and the next command.
//!
//! Guarantees: every failure has a stable exit code ([`Exit`]) and three short texts, so that a person knows how to
//! go on and a script can tell the cases apart. With `--json` the same goes to standard error as one JSON object.

use std::fmt;
use std::path::Path;
use std::process::ExitCode;

use serde_json::json;

/// Exit codes of `entente`; part of the interface, listed in `docs/operations.md`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// Anything that has no code of its own.
    Failure = 1,
    /// The command line is wrong (also what the argument parser exits with).
    Usage = 2,
    /// A file, key, address or setting is wrong.
    Config = 3,
    /// No node answers at the socket.
    NodeDown = 4,
    /// Fewer than a quorum of seats can be reached; the record is held.
    Stalled = 5,
    /// Not allowed, or not proven: the charter says no, or a receipt's coalition was not pinned.
    Denied = 6,
    /// Damage: the store, or a receipt that does not verify.
    Corrupt = 7,
    /// Time-out.
    Timeout = 8,
    /// The store is older than what this node has said before.
    Rollback = 9,
}

impl Exit {
    /// The exit code for a stable error word of the local API, or of the engine's refusals.
    pub fn for_code(code: &str) -> Self {
        match code {
            "usage" | "bad_request" | "malformed" | "too_large" | "ambiguous" | "bad_id" => Self::Usage,
            "config" => Self::Config,
            "node_down" | "stopping" | "went_away" => Self::NodeDown,
            "stalled" => Self::Stalled,
            "denied" | "closed" | "undeclared" | "expired" | "not_member" => Self::Denied,
            "corrupt" | "damage" | "contradicted" => Self::Corrupt,
            "timeout" => Self::Timeout,
            "rollback" => Self::Rollback,
            _ => Self::Failure,
        }
    }

    /// The stable word for this code, as in the local API.
    pub fn word(self) -> &'static str {
        match self {
            Self::Failure => "failure",
            Self::Usage => "usage",
            Self::Config => "config",
            Self::NodeDown => "node_down",
            Self::Stalled => "stalled",
            Self::Denied => "denied",
            Self::Corrupt => "corrupt",
            Self::Timeout => "timeout",
            Self::Rollback => "rollback",
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// A failure as it is shown.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct CliError {
    /// The exit code.
    pub exit: Exit,
    /// A stable word, finer than the exit code where the node gave one.
    pub code: String,
    /// What did not happen.
    pub what: String,
    /// The reason, with values.
    pub why: String,
    /// The command or action that leads on.
    pub next: String,
}

impl CliError {
    /// A failure with all its texts.
    pub fn new(exit: Exit, what: impl Into<String>, why: impl fmt::Display, next: impl Into<String>) -> Self {
        Self {
            exit,
            code: exit.word().to_owned(),
            what: what.into(),
            why: why.to_string(),
            next: next.into(),
        }
    }

    /// The same failure under the node's own word for it.
    pub fn with_code(self, code: impl Into<String>) -> Self {
        Self { code: code.into(), ..self }
    }

    /// A wrong command line.
    pub fn usage(what: impl Into<String>, why: impl fmt::Display, next: impl Into<String>) -> Self {
        Self::new(Exit::Usage, what, why, next)
    }

    /// A wrong file, key, address or setting.
    pub fn config(what: impl Into<String>, why: impl fmt::Display, next: impl Into<String>) -> Self {
        Self::new(Exit::Config, what, why, next)
    }

    /// Not allowed.
    pub fn denied(what: impl Into<String>, why: impl fmt::Display, next: impl Into<String>) -> Self {
        Self::new(Exit::Denied, what, why, next)
    }

    /// Damage, or a proof that does not hold.
    pub fn corrupt(what: impl Into<String>, why: impl fmt::Display, next: impl Into<String>) -> Self {
        Self::new(Exit::Corrupt, what, why, next)
    }

    /// A file that could not be read.
    pub fn reading(path: &Path, error: &std::io::Error) -> Self {
        let next = match error.kind() {
            std::io::ErrorKind::NotFound => {
                let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
                format!("check the path: ls {}", folder.unwrap_or(Path::new(".")).display())
            }
            std::io::ErrorKind::PermissionDenied => format!("ls -l {}", path.display()),
            _ => format!("check {}", path.display()),
        };
        Self::config(format!("cannot read {}", path.display()), error, next)
    }

    /// A file that could not be written; what it was to hold is not there, and nothing else has changed.
    pub fn writing(path: &Path, error: &std::io::Error) -> Self {
        use std::io::ErrorKind;
        let folder = path.parent().unwrap_or(path).display();
        let (exit, next) = match error.kind() {
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge => {
                (Exit::Failure, format!("make room (df -h {folder}), then run the same command again"))
            }
            ErrorKind::AlreadyExists => (Exit::Config, "choose another path: nothing is overwritten".into()),
            _ => (Exit::Config, format!("ls -ld {folder}")),
        };
        Self::new(exit, format!("cannot write {}", path.display()), error, next)
    }

    /// Prints this failure to standard error.
    pub fn print(&self, as_json: bool) {
        if as_json {
            let value = json!({
                "code": self.code,
                "exit": self.exit as u8,
                "error": self.what,
                "why": self.why,
                "next": self.next,
            });
            eprintln!("{value}");
        } else {
            eprintln!("{self}");
        }
    }
}

impl fmt::Display for CliError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "error: {}", self.what)?;
        if !self.why.is_empty() {
            write!(f, "\n  why:  {}", self.why)?;
        }
        if !self.next.is_empty() {
            write!(f, "\n  next: {}", self.next)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_shows_what_why_and_the_next_command() {
        let error = CliError::config("cannot start", "port 4001 is in use", "entente up");
        assert_eq!(error.to_string(), "error: cannot start\n  why:  port 4001 is in use\n  next: entente up");
        assert_eq!(error.exit as u8, 3);
    }

    #[test]
    fn a_full_disk_is_named_as_one() {
        let error =
            CliError::writing(Path::new("/data/x"), &std::io::Error::from(std::io::ErrorKind::StorageFull));
        assert!(error.next.starts_with("make room (df -h /data)"), "{error}");
    }

    #[test]
    fn words_of_the_api_have_their_exit_codes() {
        for exit in [
            Exit::Failure,
            Exit::Usage,
            Exit::Config,
            Exit::NodeDown,
            Exit::Stalled,
            Exit::Denied,
            Exit::Corrupt,
            Exit::Timeout,
            Exit::Rollback,
        ] {
            assert_eq!(Exit::for_code(exit.word()), exit);
        }
    }
}
