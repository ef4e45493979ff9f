//! `entente authority statement`: what an authority is to say on an operation, drafted for keys that are kept off line.

use std::path::PathBuf;

use clap::Args;
use entente_protocol::authority::Word;
use entente_protocol::charter::AuthorityName;
use entente_protocol::coalition::Part;
use entente_protocol::identity::{CoalitionId, RecordId};
use entente_protocol::record::{SignedStatement, Statement as StatementText};
use serde_json::json;

use crate::errors::CliError;
use crate::files;
use crate::render;

/// Draft what an authority says on an operation, for its keys to sign.
#[derive(Args)]
pub(crate) struct Statement {
    /// The coalition
    #[arg(long)]
    coalition: CoalitionId,
    /// The operation, its whole id
    #[arg(long)]
    operation: RecordId,
    /// The authority
    #[arg(long = "for", value_name = "AUTHORITY")]
    authority: AuthorityName,
    /// What: order, permit, refuse or recall
    #[arg(long)]
    word: Word,
    /// Why
    #[arg(long, default_value = "", value_name = "TEXT")]
    ground: String,
    /// Greater than that of any earlier statement of the same keys on this operation
    #[arg(long, default_value_t = 1)]
    number: u32,
    /// Where to write it
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
}

impl Statement {
    pub(super) fn run(&self, as_json: bool) -> Result<(), CliError> {
        let file = self.output.display();
        crate::cli::op::texts::check(
            Part::Ground,
            "ground",
            &self.ground,
            &format!("entente authority statement --ground TEXT -o {file}"),
        )?;
        if self.ground.trim().is_empty() && self.word.needs_ground() {
            return Err(CliError::usage(
                format!("to {} needs a ground", self.word),
                "it is recorded with it, for everybody and for good, and no seat takes it without",
                format!("entente authority statement --word {} --ground TEXT -o {file}", self.word),
            ));
        }
        let statement = StatementText {
            operation: self.operation,
            authority: self.authority.clone(),
            word: self.word,
            ground: self.ground.clone(),
            number: self.number,
        };
        let signed = SignedStatement::new(self.coalition, statement);
        files::write_new(&self.output, signed.to_toml().as_bytes(), files::PUBLIC)?;
        if as_json {
            render::print_json(&json!({"file": self.output, "statement": signed.statement}));
        } else {
            render::print(&render::authority::statement(&signed));
            render::print(&format!(
                "written to {file}; each key: entente authority sign {file} --key KEYFILE\n"
            ));
        }
        Ok(())
    }
}
