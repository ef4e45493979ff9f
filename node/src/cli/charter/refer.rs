//! `entente charter refer`: a draft refers to an alliance by its document.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use entente_protocol::authority::{AllianceReference, Follow};
use entente_protocol::charter::lint_at;
use serde_json::json;

use super::read;
use crate::cli::authority::file;
use crate::cli::{Context, now};
use crate::errors::CliError;
use crate::files;
use crate::render;

/// Let a draft refer to an alliance, in place of an earlier version that it refers to.
#[derive(Args)]
pub(crate) struct Refer {
    /// The draft, which is written again
    file: PathBuf,
    /// The alliance's document, signed by those who have its authority
    #[arg(long, value_name = "FILE")]
    alliance: PathBuf,
    /// What later versions of the document mean to this charter
    #[arg(long, value_enum)]
    follow: Following,
}

#[derive(Clone, Copy, ValueEnum)]
enum Following {
    /// A later version holds as soon as it is ordered
    AtOnce,
    /// A later version holds from the charter's next amendment on
    NextAmendment,
    /// The version in this file holds, whatever comes
    Pinned,
}

impl Refer {
    pub(super) fn run(&self, context: &Context) -> Result<(), CliError> {
        let founding = read(&self.file)?;
        let shown = self.file.display();
        if !founding.signatures.is_empty() {
            return Err(CliError::config(
                format!("{shown} is signed already"),
                "a root signs the final text; what is changed afterwards nobody has signed",
                "change the draft and let every root sign that: entente charter sign DRAFT",
            ));
        }
        let signed = file::read_signed_alliance(&self.alliance)?;
        let follow = match self.follow {
            Following::AtOnce => Follow::AtOnce,
            Following::NextAmendment => Follow::NextAmendment,
            Following::Pinned => Follow::Pinned,
        };
        let name = signed.alliance.name.clone();
        let reference = AllianceReference::new(signed, follow);
        let refuse = |why: &dyn std::fmt::Display| {
            CliError::config(
                format!("{shown} cannot refer to {}", self.alliance.display()),
                why,
                format!("entente authority show {}", self.alliance.display()),
            )
        };
        reference.check().map_err(|why| refuse(&why))?;
        let mut charter = founding.charter;
        charter.authority.alliances.retain(|held| held.alliance.name != name);
        charter.authority.alliances.push(reference);
        charter.sort();
        charter.check().map_err(|why| refuse(&why))?;
        files::replace(&self.file, super::draft_text(&charter).as_bytes(), files::PUBLIC)?;
        let lints = lint_at(&charter, now());
        if context.json {
            render::print_json(&json!({"file": self.file, "id": charter.id(), "alliance": name}));
        } else {
            render::print(&format!("{}written to {shown}\n", render::charter::lints(&lints)));
        }
        Ok(())
    }
}
