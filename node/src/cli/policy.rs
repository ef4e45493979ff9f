//! `entente policy export`: the trusted seats, for tools that nobody here wrote.

use std::path::PathBuf;

use clap::Subcommand;
use entente_protocol::ledger::policy;

use super::{Context, verify};
use crate::errors::CliError;
use crate::files;
use crate::membership::read_founded;
use crate::render;

/// The coalition's trust policy.
#[derive(Subcommand)]
pub(super) enum Command {
    /// Write a tlog-policy file (C2SP): which seats must have cosigned a checkpoint
    Export {
        /// The founded coalition's file [default: DIR/coalition.toml]
        #[arg(long, value_name = "FILE")]
        coalition: Option<PathBuf>,
        /// Where to write it [default: standard output]
        #[arg(short, long, value_name = "FILE")]
        output: Option<PathBuf>,
    },
}

impl Command {
    pub(super) fn run(&self, context: &Context) -> Result<(), CliError> {
        let Self::Export { coalition, output } = self;
        let path = coalition.clone().unwrap_or_else(|| context.dir.coalition());
        let founded = read_founded(&path)?.founding.verify().map_err(|why| {
            CliError::config(
                format!("{} is not a coalition that every partner signed", path.display()),
                why,
                "ask the founder for the file that `entente charter found` wrote",
            )
        })?;
        let text = policy::export(&verify::cosigners(&founded)?);
        if let Some(output) = output {
            files::write_new(output, text.as_bytes(), files::PUBLIC)?;
        }
        match (context.json, output) {
            (true, _) => {
                render::print_json(&serde_json::json!({"coalition": founded.coalition(), "policy": text}))
            }
            (false, Some(output)) => render::print(&format!("written to {}\n", output.display())),
            (false, None) => render::print(&text),
        }
        Ok(())
    }
}
