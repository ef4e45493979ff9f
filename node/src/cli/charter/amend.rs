//! `entente charter amend`, `current` and `diff`: later versions of a charter.

use std::path::{Path, PathBuf};

use clap::Args;
use entente_protocol::charter::{
    Amendment, AmendmentError, Charter, Difference, Effect, KindName, MAX_CHARTER_TOML_BYTES,
};
use entente_protocol::coalition::Part;
use entente_protocol::record::{Act, Change, MemberAct, Propose};
use serde_json::json;

use crate::cli::Context;
use crate::cli::op::{Saying, texts};
use crate::errors::CliError;
use crate::files;
use crate::membership::{read_accession, read_founded};
use crate::render;

/// Propose the next version of the charter in force; the partners attest to the proposal.
#[derive(Args)]
pub(crate) struct Amend {
    /// The charter as it should be: edit what `entente charter current -o FILE` writes
    file: PathBuf,
    /// Why
    #[arg(long, value_name = "TEXT")]
    reason: String,
    /// What the root of a partner signed that joins with it; may be given several times
    #[arg(long, value_name = "FILE")]
    accession: Vec<PathBuf>,
    /// Show what it would change and submit nothing
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    saying: Saying,
}

/// Write the charter in force, with all amendments.
#[derive(Args)]
pub(crate) struct Current {
    /// Where to write it [default: standard output]
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
}

/// Say in words what differs between two charters.
#[derive(Args)]
pub(crate) struct Diff {
    /// The charter as it is
    old: PathBuf,
    /// The charter as it should be
    new: PathBuf,
}

/// The charter in force at the node, or one of its versions.
pub(crate) async fn in_force(context: &Context, version: Option<u32>) -> Result<Charter, CliError> {
    let which = version.map_or("current".to_owned(), |version| version.to_string());
    let text = context.client()?.get_text(&format!("/v1/charter/{which}")).await?;
    Charter::from_toml(&text).map_err(|error| {
        CliError::config(
            "the node's charter cannot be read",
            error,
            "use the same version of entente for both",
        )
    })
}

impl Amend {
    pub(super) async fn run(&self, context: &Context) -> Result<(), CliError> {
        let shown = self.file.display();
        let command = context.hint(&format!("charter amend {shown} --reason TEXT"));
        texts::check_not_empty("reason", &self.reason, &command)?;
        texts::check(Part::Reason, "reason", &self.reason, &command)?;
        let wanted = read(&self.file)?;
        let current = in_force(context, None).await?;
        let accessions =
            self.accession.iter().map(|path| read_accession(path)).collect::<Result<Vec<_>, _>>()?;
        let amendment =
            current.amendment_with(&wanted, accessions).map_err(|error| refused(&error, &self.file))?;
        if !amendment.admit.is_empty() {
            let coalition = read_founded(&context.dir.coalition())?.founding.charter.id();
            amendment.check_accessions(coalition).map_err(|error| refused(&error, &self.file))?;
        }
        let lines = amendment.explain(&current);
        if self.dry_run {
            if context.json {
                render::print_json(&json!({"version": amendment.version, "changes": lines}));
            } else {
                render::print(&text(&amendment, &lines));
            }
            return Ok(());
        }
        if !context.json {
            eprint!("{}", text(&amendment, &lines));
        }
        let kind = kind(&current, context)?;
        let propose =
            Propose { kind, change: Change::Amend(Box::new(amendment)), reason: self.reason.clone() };
        self.saying.say(context, Act::Member(MemberAct::Propose(propose)), "charter current").await
    }
}

impl Current {
    pub(super) async fn run(&self, context: &Context) -> Result<(), CliError> {
        let charter = in_force(context, None).await?;
        let text = charter.to_toml();
        if let Some(output) = &self.output {
            files::write_new(output, text.as_bytes(), files::PUBLIC)?;
        }
        match (&self.output, context.json) {
            (_, true) => render::print_json(
                &json!({"version": charter.version, "hash": charter.hash(), "charter": charter}),
            ),
            (Some(output), false) => {
                let version = charter.version;
                render::print(&format!("version {version} written to {}\n", output.display()));
            }
            (None, false) => render::print(&text),
        }
        Ok(())
    }
}

impl Diff {
    pub(super) fn run(&self, context: &Context) -> Result<(), CliError> {
        let (old, new) = (super::read(&self.old)?.charter, super::read(&self.new)?.charter);
        let differences = old.differences(&new);
        if context.json {
            let json = |it: &Difference| json!({"change": it.text, "amendable": it.amendable});
            render::print_json(&differences.iter().map(json).collect::<Vec<_>>());
        } else if differences.is_empty() {
            render::print("no differences\n");
        } else {
            let lines = differences.iter().map(|it| format!("{}\n", render::plain(&it.to_string())));
            render::print(&lines.collect::<String>());
        }
        Ok(())
    }
}

fn text(amendment: &Amendment, lines: &[String]) -> String {
    let mut text = format!("version {}:\n", amendment.version);
    for line in lines {
        text.push_str(&format!("  {line}\n"));
    }
    text
}

/// The type by which the charter is amended.
fn kind(charter: &Charter, context: &Context) -> Result<KindName, CliError> {
    charter.kinds_with(Effect::Amend).next().map(|kind| kind.name.clone()).ok_or_else(|| {
        CliError::denied(
            "this charter cannot be amended",
            "it declares no operation type with the effect \"amend\"",
            context.charter_hint(),
        )
    })
}

pub(super) fn refused(error: &AmendmentError, path: &Path) -> CliError {
    let shown = path.display();
    match error {
        AmendmentError::Unsigned { .. } => CliError::config(
            format!("{shown} admits who has not signed it"),
            error,
            format!(
                "entente charter next {shown} -o FILE, have it signed, then: entente charter amend {shown} --accession FILE --reason TEXT"
            ),
        ),
        AmendmentError::Accession { .. } => CliError::config(
            format!("an accession does not belong to {shown}"),
            error,
            format!("have the final text signed: entente charter next {shown} -o FILE"),
        ),
        _ => CliError::config(
            format!("{shown} is no amendment of the charter"),
            error,
            "begin with what is in force: entente charter current -o FILE",
        ),
    }
}

pub(super) fn read(path: &Path) -> Result<Charter, CliError> {
    let next = "begin with what is in force: entente charter current -o FILE";
    files::read_as(path, MAX_CHARTER_TOML_BYTES, Charter::from_toml, "not a charter", next)
}
