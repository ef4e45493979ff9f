//! `entente charter found`: all roots have signed; the coalition gets its secret.

use std::path::PathBuf;

use clap::Args;
use entente_protocol::charter::lint_at;
use entente_protocol::founding::{CoalitionSecret, FoundedFile, FoundingError, MAX_FOUNDING_TOML_BYTES};
use serde_json::json;

use super::{names, read, stem};
use crate::cli::{Context, now};
use crate::errors::CliError;
use crate::files;
use crate::hints::quoted;
use crate::keys;
use crate::render;

/// Found the coalition: all roots have signed; draws the coalition secret.
#[derive(Args)]
pub(crate) struct Found {
    /// Charter and signatures, as `charter merge` wrote them
    file: PathBuf,
    /// Where to write the file that members join with; it holds the secret
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
}

impl Found {
    pub(super) fn run(&self, context: &Context) -> Result<(), CliError> {
        let founding = read(&self.file)?;
        let text = files::read_text(&self.file, MAX_FOUNDING_TOML_BYTES)?;
        if FoundedFile::from_toml(&text).is_ok_and(|file| file.secret.is_some()) {
            let file = quoted(&self.file);
            return Err(CliError::usage(
                "the coalition is founded already",
                format!("{file} holds its secret; with another one its members could not meet"),
                format!("carry that file to every member, who runs: entente join {file}"),
            ));
        }
        let founded = founding.verify().map_err(|why| match &why {
            FoundingError::Unsigned { missing } => {
                let file = quoted(&self.file);
                let name = stem(&self.file);
                let signed = missing.iter().map(|partner| format!("{name}.{partner}.sig.toml"));
                CliError::config(
                    "the coalition is not founded",
                    format!("{} is not signed by {}", self.file.display(), names(missing)),
                    format!(
                        "each of them: entente charter sign {file}; then: entente charter merge {file} {} -o NEW; \
                         entente charter found NEW -o {}",
                        signed.collect::<Vec<_>>().join(" "),
                        quoted(&self.output)
                    ),
                )
            }
            _ => {
                let next = format!("entente charter show {}", quoted(&self.file));
                CliError::config("the coalition is not founded", why, next)
            }
        })?;
        super::refuse_errors(&self.file, &lint_at(founded.charter(), now()))?;
        let file =
            FoundedFile { founding, secret: Some(CoalitionSecret::from_bytes(*keys::random_bytes()?)) };
        files::write_new(&self.output, file.to_toml().as_bytes(), files::SECRET)?;
        let output = self.output.display();
        if context.json {
            render::print_json(&json!({
                "id": founded.coalition(), "name": founded.charter().name, "file": self.output,
            }));
        } else {
            render::print(&format!(
                "founded {} with {} partners\n{}\n\
                 {output} holds the coalition secret: carry it by hand to every member, who runs: entente join {output}\n",
                founded.charter().name,
                founded.committee_size(),
                founded.coalition()
            ));
        }
        Ok(())
    }
}
