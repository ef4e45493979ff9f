//! Passphrases: from the terminal, unseen, or from a file; never from the command line, where others could read them.

mod terminal;

use std::path::PathBuf;

use zeroize::Zeroizing;

use crate::errors::CliError;
use crate::files;

/// Longest passphrase, in bytes.
pub const MAX_PASSPHRASE_BYTES: usize = 1024;
/// Shortest passphrase of a new file, in characters.
pub const MIN_PASSPHRASE_CHARS: usize = 10;

/// Where a passphrase comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// Typed at the terminal.
    Terminal,
    /// The first line of this file, which only its owner can read.
    File(PathBuf),
}

impl Source {
    /// The passphrase of a file that is there already.
    pub fn ask(&self, prompt: &str) -> Result<Zeroizing<String>, CliError> {
        match self {
            Self::Terminal => terminal::ask(prompt, MAX_PASSPHRASE_BYTES),
            Self::File(path) => {
                files::require_private(path)?;
                let text = files::read_text(path, MAX_PASSPHRASE_BYTES)?;
                let line = Zeroizing::new(text.lines().next().unwrap_or_default().to_owned());
                if line.is_empty() {
                    return Err(CliError::config(
                        format!("{} holds no passphrase", path.display()),
                        "its first line is empty",
                        "write the passphrase into the first line of that file",
                    ));
                }
                Ok(line)
            }
        }
    }

    /// A passphrase for a new file: long enough, and asked for twice where it is typed.
    pub fn choose(&self, prompt: &str) -> Result<Zeroizing<String>, CliError> {
        let chosen = self.ask(prompt)?;
        if chosen.chars().count() < MIN_PASSPHRASE_CHARS {
            return Err(CliError::config(
                "this passphrase is too short",
                format!("it has fewer than {MIN_PASSPHRASE_CHARS} characters"),
                "choose several words at random",
            ));
        }
        if *self == Self::Terminal && self.ask("the same again")? != chosen {
            return Err(CliError::config(
                "no passphrase is chosen",
                "the two that were typed differ",
                "the same command again",
            ));
        }
        Ok(chosen)
    }
}
