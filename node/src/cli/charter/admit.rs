//! `entente charter admit` and `next`: a draft of the charter that admits a partner, and the version that this partner signs.

use std::path::{Path, PathBuf};

use clap::Args;
use entente_protocol::charter::{Card, Charter, PartnerName, lint_at};
use entente_protocol::founding::Proposed;
use serde_json::json;

use super::{amend, read_card};
use crate::cli::{Context, now};
use crate::errors::CliError;
use crate::files;
use crate::membership::read_founded;
use crate::render;

const DAY_MS: u64 = 86_400_000;

/// Enter a partner into a draft of the charter's next version, from its card.
#[derive(Args)]
pub(crate) struct Admit {
    /// The draft, which is written again: begin with what `entente charter current -o FILE` writes
    file: PathBuf,
    /// The card of the partner that is to join
    #[arg(long, value_name = "CARD")]
    card: PathBuf,
    /// Give it every role that this partner has; without it, edit the draft
    #[arg(long, value_name = "PARTNER")]
    like: Option<PartnerName>,
    /// How long its root's delegations to officers and nodes are valid
    #[arg(long, value_name = "DAYS", default_value_t = 365, allow_negative_numbers = true, value_parser = clap::value_parser!(u32).range(1..=3660))]
    valid_days: u32,
}

/// Write the charter's next version, for the root of a partner that joins to sign.
#[derive(Args)]
pub(crate) struct Next {
    /// The charter as it should be, with the partner that joins
    file: PathBuf,
    /// Where to write what is to be signed
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
}

/// Gives `partner` each role that `like` has.
fn give_roles(charter: &mut Charter, partner: &PartnerName, like: &PartnerName) {
    for kind in &mut charter.operations {
        let declared = kind.roles.iter_mut().map(|role| &mut role.partners);
        let lists = [&mut kind.lead, &mut kind.supporting, &mut kind.observing].into_iter().chain(declared);
        for list in lists.filter(|list| list.contains(like)) {
            list.push(partner.clone());
        }
    }
}

impl Admit {
    pub(super) fn run(&self, context: &Context) -> Result<(), CliError> {
        let shown = self.file.display();
        // A draft alone: a founding's signatures, a coalition's secret and what others are to sign are not written over.
        let mut charter = amend::read(&self.file)?;
        let card: Card = read_card(&self.card)?;
        let name = card.partner.clone();
        let refuse = |why: String, next: String| {
            Err(CliError::config(format!("{shown} cannot admit {name}"), why, next))
        };
        if charter.version == 1 {
            // Before the first amendment the charter in force is that of the founding.
            let founded = context.dir.coalition();
            if !founded.exists() || read_founded(&founded)?.founding.charter.id() != charter.id() {
                return refuse(
                    "it is the draft of a founding, and not the charter that this node's coalition has".into(),
                    "entente charter current -o FILE; before the founding, draft it again with this card: entente charter new".into(),
                );
            }
            charter.previous = Some(charter.hash());
            charter.version = 2;
        }
        if charter.partner(name.as_str()).is_some() {
            return refuse(
                format!("{name} is a partner of it already; names and keys are used once"),
                format!(
                    "ask that partner for a card with another name, or see: entente charter show {shown}"
                ),
            );
        }
        if let Some(like) = &self.like {
            if charter.partner(like.as_str()).is_none() {
                let partners = charter.members().map(|it| it.name.to_string()).collect::<Vec<_>>();
                let next = format!("entente charter admit {shown} --card CARD --like PARTNER");
                return refuse(
                    format!("{like} is no partner of it; there are: {}", partners.join(", ")),
                    next,
                );
            }
            give_roles(&mut charter, &name, like);
        }
        charter.admitted.push(card.entry(now().plus(u64::from(self.valid_days) * DAY_MS)));
        charter.sort();
        if let Err(why) = charter.check() {
            return refuse(why.to_string(), format!("entente charter show {shown}"));
        }
        files::replace(&self.file, super::draft_text(&charter).as_bytes(), files::PUBLIC)?;
        let lints = lint_at(&charter, now());
        if context.json {
            render::print_json(&json!({"file": self.file, "partner": name, "version": charter.version}));
        } else {
            render::print(&format!(
                "{}written to {shown} with {name}; next: entente charter next {shown} -o {name}-joins.toml\n",
                render::charter::lints(&lints)
            ));
        }
        super::refuse_errors(&self.file, &lints)
    }
}

impl Next {
    pub(super) async fn run(&self, context: &Context) -> Result<(), CliError> {
        let wanted = amend::read(&self.file)?;
        let current = amend::in_force(context, None).await?;
        let charter = current.next_version(&wanted).map_err(|error| amend::refused(&error, &self.file))?;
        let coalition = read_founded(&context.dir.coalition())?.founding.charter.id();
        let joining = charter.admitted.iter().filter(|it| current.partner(it.name.as_str()).is_none());
        let joining = joining.map(|partner| partner.name.to_string()).collect::<Vec<_>>();
        if joining.is_empty() {
            return Err(CliError::config(
                format!("nobody joins with {}", self.file.display()),
                "it admits nobody beside those who are partners",
                format!(
                    "entente charter admit {0} --card CARD; or propose it: entente charter amend {0} --reason TEXT",
                    self.file.display()
                ),
            ));
        }
        let proposed = Proposed { coalition, charter };
        files::write_new(&self.output, proposed.to_toml().as_bytes(), files::PUBLIC)?;
        let output = self.output.display();
        if context.json {
            render::print_json(&json!({
                "file": self.output, "version": proposed.charter.version, "hash": proposed.charter.hash(), "joining": joining,
            }));
        } else {
            render::print(&format!(
                "version {} written to {output}; the root of {} reads it and runs: entente charter sign {output}\n",
                proposed.charter.version,
                joining.join(" and of ")
            ));
        }
        Ok(())
    }
}

/// The file of a version that is to be signed, where it is one.
pub(super) fn read_proposed(path: &Path, text: &str) -> Result<Option<Proposed>, CliError> {
    let top = text.lines().take_while(|line| !line.trim_start().starts_with('['));
    if !top.map(str::trim_start).any(|line| line.starts_with("coalition")) {
        return Ok(None);
    }
    Proposed::from_toml(text).map(Some).map_err(|why| {
        CliError::config(
            format!("{} is no version to sign", path.display()),
            why,
            "have it written again: entente charter next DRAFT -o FILE",
        )
    })
}
