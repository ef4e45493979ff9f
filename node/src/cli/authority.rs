//! `entente authority`: what roots do, on a machine that may never see a network; and what a node knows of authorities.
//!
//! Guarantees: no offline command reads a data folder, opens a socket or writes a file that it does not name; a key is
//! read from the file given and never written in clear; nothing is signed that was not shown, and nothing is written that would
//! not verify.

mod alliance;
mod delegate;
pub(super) mod file;
mod init;
mod publish;
mod revoke;
mod rotate;
mod show;
mod sign;
mod statement;

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::Context;
use crate::api::dto::AuthorityView;
use crate::errors::CliError;
use crate::passphrase::Source;
use crate::render;

/// Make roots, delegate, revoke and sign offline; tell the coalition, through the node.
#[expect(clippy::large_enum_variant, reason = "a command line is parsed once")]
#[derive(Subcommand)]
pub(super) enum Command {
    #[command(flatten)]
    Offline(Offline),
    #[command(flatten)]
    Online(Online),
}

/// What needs no node, no data folder and no network.
#[derive(Subcommand)]
pub(super) enum Offline {
    /// Make a key that a passphrase opens, and the public line that others are given
    Init(init::Init),
    /// Let another key act: directly by a root, or by who was given the right to pass it on
    Delegate(delegate::Delegate),
    /// Take back what was delegated
    Revoke(revoke::Revoke),
    /// Draft an alliance's document, or its next version, for its parties to sign
    Alliance(alliance::Alliance),
    /// Draft what an authority says on an operation, for keys that are kept off line
    Statement(statement::Statement),
    /// Draft the change of a partner's root, for both roots to sign
    Rotate(rotate::Rotate),
    /// Sign an alliance's document, a root's rotation, a statement or a charter; says who is missing
    Sign(sign::Sign),
    /// Show any such file in words
    Show(show::Show),
}

/// What goes through the node.
#[derive(Subcommand)]
pub(super) enum Online {
    /// List the authorities of the charter in force: who has to speak, and for what
    List,
    /// Make a version of an alliance's document known to the coalition
    Publish(publish::Publish),
}

impl Offline {
    pub(super) fn run(&self, as_json: bool) -> Result<(), CliError> {
        match self {
            Self::Init(init) => init.run(as_json),
            Self::Delegate(delegate) => delegate.run(as_json),
            Self::Revoke(revoke) => revoke.run(as_json),
            Self::Alliance(alliance) => alliance.run(as_json),
            Self::Statement(statement) => statement.run(as_json),
            Self::Rotate(rotate) => rotate.run(as_json),
            Self::Sign(sign) => sign.run(as_json),
            Self::Show(show) => show.run(as_json),
        }
    }
}

impl Online {
    pub(super) async fn run(&self, context: &Context) -> Result<(), CliError> {
        match self {
            Self::List => {
                let views: Vec<AuthorityView> = context.client()?.get("/v1/authorities").await?;
                if context.json {
                    render::print_json(&views);
                } else {
                    render::print(&render::authority::list(&views));
                }
                Ok(())
            }
            Self::Publish(publish) => publish.run(context).await,
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
