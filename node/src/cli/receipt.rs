//! `entente receipt`.

use std::path::PathBuf;

use clap::Args;

use super::Context;
use crate::client::segment;
use crate::errors::CliError;
use crate::files;
use crate::render;

/// Get a receipt that anyone can verify offline.
#[derive(Args)]
pub(super) struct Receipt {
    /// The operation, or the beginning of its id
    id: String,
    /// A receipt for the opening record itself in place of the decision
    #[arg(long)]
    record: bool,
    /// Where to write it [default: standard output]
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
}

impl Receipt {
    pub(super) async fn run(&self, context: &Context) -> Result<(), CliError> {
        let query = if self.record { "?record=1" } else { "" };
        let path = format!("/v1/receipts/{}{query}", segment(&self.id)?);
        let text = context.client()?.get_text(&path).await?;
        if let Some(output) = &self.output {
            files::write_new(output, text.as_bytes(), files::PUBLIC)?;
        } else if !context.json {
            render::print(&text);
            return Ok(());
        }
        let coalition = crate::membership::read_founded(&context.dir.coalition())?.founding.charter.id();
        match &self.output {
            Some(output) if context.json => {
                render::print_json(&serde_json::json!({"file": output, "coalition": coalition}));
            }
            Some(output) => render::print(&format!(
                "written to {}\nanyone can verify it: entente verify {0} --coalition {coalition}\n",
                output.display()
            )),
            None => render::print_json(&serde_json::json!({"receipt": text, "coalition": coalition})),
        }
        Ok(())
    }
}
