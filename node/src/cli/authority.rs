//! `entente authority`: what roots do, on a machine that may never see a network.
//!
//! Guarantees: no command here reads a data folder, opens a socket or writes a file that it does not name; a key is
//! read from the file given and never written in clear; nothing is signed that was not shown, and nothing is written that would
//! not verify.

mod delegate;
mod file;
mod init;
mod revoke;
mod show;
mod sign;

use std::path::PathBuf;

use clap::{Args, Subcommand};

use crate::errors::CliError;
use crate::passphrase::Source;

/// Make roots, delegate, revoke and sign offline: needs no node, no data folder and no network.
#[derive(Subcommand)]
pub(super) enum Command {
    /// Make a key that a passphrase opens, and the public line that others are given
    Init(init::Init),
    /// Let another key act: directly by a root, or by who was given the right to pass it on
    Delegate(delegate::Delegate),
    /// Take back what was delegated
    Revoke(revoke::Revoke),
    /// Sign an alliance's document, a root's rotation or a charter; says who is missing
    Sign(sign::Sign),
    /// Show any such file in words
    Show(show::Show),
}

impl Command {
    pub(super) fn run(&self, as_json: bool) -> Result<(), CliError> {
        match self {
            Self::Init(init) => init.run(as_json),
            Self::Delegate(delegate) => delegate.run(as_json),
            Self::Revoke(revoke) => revoke.run(as_json),
            Self::Sign(sign) => sign.run(as_json),
            Self::Show(show) => show.run(as_json),
        }
    }
}

/// Where the passphrase of an encrypted key file comes from.
#[derive(Args)]
pub(super) struct Passphrase {
    /// Read the passphrase from the first line of this file instead of the terminal
    #[arg(long, value_name = "FILE")]
    passphrase_file: Option<PathBuf>,
}

impl Passphrase {
    pub(super) fn source(&self) -> Source {
        self.passphrase_file.clone().map_or(Source::Terminal, Source::File)
    }
}
