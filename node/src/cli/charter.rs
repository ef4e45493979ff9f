//! `entente charter`: from cards to a founded coalition, by hand and without a node.
//!
//! A *draft* is a charter alone, as `charter new` writes it; a *founding* is a charter with the signatures collected so
//! far, as `charter merge` writes it; a *next version* is what partners sign that join later. Every command reads all three.

mod admit;
pub(super) mod amend;
mod draft;
mod found;
mod refer;
pub(super) mod sign;
mod simulate;

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use entente_protocol::charter::{Card, Charter, Lint, PartnerName, Severity, lint_at, lint_without};
use entente_protocol::founding::{CharterSignature, FoundedFile, Founding, MAX_FOUNDING_TOML_BYTES};
use serde_json::json;

use super::{Context, block_on, now};
use crate::errors::CliError;
use crate::files;
use crate::hints::quoted;
use crate::render;

/// Draft, check, sign, merge and found a charter.
#[derive(Subcommand)]
pub(super) enum Command {
    /// Draft a charter from a template and the partners' cards
    New(draft::New),
    /// Let a draft refer to an alliance by its document
    Refer(refer::Refer),
    /// Say what a charter tolerates, and what in it can never work
    Lint(LintFile),
    /// Try an operation on a draft: what happens if one is absent, if another objects
    Simulate(simulate::Simulate),
    /// Show a charter in words
    Show(File),
    /// Print a charter's id alone: that of its coalition
    Id(File),
    /// Sign a charter with this partner's root key
    Sign(sign::Sign),
    /// Collect signatures; says whose are missing
    Merge(sign::Merge),
    /// Propose the next version of the charter in force; the partners attest to the proposal
    Amend(amend::Amend),
    /// Enter a partner into a draft of the next version, from its card
    Admit(admit::Admit),
    /// Write the next version, for the root of a partner that joins to sign
    Next(admit::Next),
    /// Write the charter in force, with all amendments
    Current(amend::Current),
    /// Say in words what differs between two charters
    Diff(amend::Diff),
    /// Found the coalition: all roots have signed; draws the coalition secret
    Found(found::Found),
}

/// Largest card, in bytes.
const MAX_CARD_BYTES: usize = 16 * 1024;

/// A charter's file.
#[derive(Args)]
pub(super) struct File {
    /// A draft, a founding with signatures, or a next version
    file: PathBuf,
}

/// Say what a charter tolerates, and what in it can never work.
#[derive(Args)]
pub(super) struct LintFile {
    #[command(flatten)]
    file: File,
    /// Say instead what is lost once this partner is expelled, has left or is suspended; may be given several times
    #[arg(long, value_name = "PARTNER")]
    without: Vec<PartnerName>,
}

impl Command {
    pub(super) fn run(&self, context: &Context) -> Result<(), CliError> {
        match self {
            Self::New(new) => new.run(context),
            Self::Refer(refer) => refer.run(context),
            Self::Amend(amend) => block_on(amend.run(context)),
            Self::Admit(admit) => admit.run(context),
            Self::Next(next) => block_on(next.run(context)),
            Self::Current(current) => block_on(current.run(context)),
            Self::Diff(diff) => diff.run(context),
            Self::Lint(file) => lint(file, context),
            Self::Simulate(simulate) => simulate.run(context),
            Self::Show(file) => show(&file.file, context.json),
            Self::Id(file) => {
                let id = read(&file.file)?.charter.id();
                if context.json {
                    render::print_json(&id);
                } else {
                    render::print(&format!("{id}\n"));
                }
                Ok(())
            }
            Self::Sign(sign) => sign.run(context),
            Self::Merge(merge) => merge.run(context),
            Self::Found(found) => found.run(context),
        }
    }
}

/// The text of a draft.
fn draft_text(charter: &Charter) -> String {
    let head = "# A draft. Edit it until all partners are content; then every root signs the final text, unchanged.\n\n";
    format!("{head}{}", charter.to_toml())
}

/// Reads a draft or a founding; a secret in it is left out.
fn read(path: &Path) -> Result<Founding, CliError> {
    let text = files::read_text(path, MAX_FOUNDING_TOML_BYTES)?;
    if let Some(proposed) = admit::read_proposed(path, &text)? {
        return Ok(Founding::new(proposed.charter));
    }
    // A founding has its charter in a table of that name; a draft is that table.
    let is_founding = text.lines().any(|line| line.trim_start().starts_with("[charter"));
    let refuse = |why: &dyn std::fmt::Display| {
        CliError::config(
            format!("{} is not a charter", path.display()),
            why,
            format!("correct that line, then: entente charter lint {}", quoted(path)),
        )
    };
    if is_founding {
        FoundedFile::from_toml(&text).map(|file| file.founding).map_err(|why| refuse(&why))
    } else {
        Charter::from_toml(&text).map(Founding::new).map_err(|why| refuse(&why))
    }
}

fn has_errors(lints: &[Lint]) -> bool {
    lints.iter().any(|lint| lint.severity == Severity::Error)
}

fn lint(
    LintFile { file: File { file: path }, without }: &LintFile,
    context: &Context,
) -> Result<(), CliError> {
    let charter = read(path)?.charter;
    if let Some(stranger) = without.iter().find(|name| charter.partner(name.as_str()).is_none()) {
        return Err(CliError::config(
            format!("{} is not looked at without {stranger}", path.display()),
            format!("{stranger} is no partner of this charter"),
            format!("entente charter show {}", quoted(path)),
        ));
    }
    let lints = match without.as_slice() {
        [] => lint_at(&charter, now()),
        gone => lint_without(&charter, &gone.iter().cloned().collect()),
    };
    if context.json {
        let lints = lints
            .iter()
            .map(|lint| json!({"severity": severity(lint), "message": lint.message}))
            .collect::<Vec<_>>();
        render::print_json(&lints);
    } else if lints.is_empty() && !without.is_empty() {
        render::print(&format!("nothing is lost without {}\n", names(without)));
    } else {
        render::print(&render::charter::lints(&lints));
    }
    // What would be lost is an answer; only a charter that cannot work is a fault.
    if without.is_empty() { refuse_errors(path, &lints) } else { Ok(()) }
}

fn refuse_errors(path: &Path, lints: &[Lint]) -> Result<(), CliError> {
    if !has_errors(lints) {
        return Ok(());
    }
    let errors = lints
        .iter()
        .filter(|lint| lint.severity == Severity::Error)
        .map(|lint| lint.message.as_str())
        .collect::<Vec<_>>()
        .join("; ");
    Err(CliError::config(
        format!("{} can never work as it is", path.display()),
        errors,
        format!("edit {0}, then: entente charter lint {0}", quoted(path)),
    ))
}

fn severity(lint: &Lint) -> &'static str {
    match lint.severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Note => "note",
    }
}

/// Whose signatures are missing; nothing for a draft, which nobody could have signed.
fn missing(founding: &Founding) -> Option<Vec<PartnerName>> {
    (!founding.signatures.is_empty()).then(|| founding.missing())
}

pub(super) fn show(path: &Path, as_json: bool) -> Result<(), CliError> {
    let founding = read(path)?;
    let charter = &founding.charter;
    if as_json {
        render::print_json(&json!({
            "id": charter.id(),
            "charter": charter,
            "signed": founding.signatures.iter().map(|signature| &signature.partner).collect::<Vec<_>>(),
            "missing": founding.missing(),
        }));
    } else {
        render::print(&render::charter::charter(charter, missing(&founding).as_deref()));
        render::print(&format!("\n{}", render::charter::lints(&lint_at(charter, now()))));
    }
    Ok(())
}

/// `a`, `a and b`, `a, b and c`.
fn names(names: &[PartnerName]) -> String {
    match names {
        [] => "nobody".into(),
        [one] => one.to_string(),
        [head @ .., last] => {
            let head = head.iter().map(PartnerName::as_str).collect::<Vec<_>>().join(", ");
            format!("{head} and {last}")
        }
    }
}

/// The last part of a path without `.toml`.
fn stem(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    name.strip_suffix(".toml").unwrap_or(&name).to_owned()
}

fn read_card(path: &Path) -> Result<Card, CliError> {
    let next = "ask that partner for the card that `entente init` wrote";
    files::read_as(path, MAX_CARD_BYTES, Card::from_toml, "not a sound card", next)
}

fn read_signature(path: &Path) -> Result<CharterSignature, CliError> {
    let next = "name the files that `entente charter sign` wrote";
    files::read_as(
        path,
        MAX_FOUNDING_TOML_BYTES,
        CharterSignature::from_toml,
        "not a charter signature",
        next,
    )
}
