//! `entente charter new`: a draft from a template and cards.

use std::path::PathBuf;

use clap::Args;
use entente_protocol::charter::{CharterError, DraftSpec, KindName, PartnerName, RoleHints, draft, lint_at};
use entente_protocol::record::Nonce;
use serde_json::json;

use super::{read_card, stem};
use crate::cli::{Context, now};
use crate::errors::CliError;
use crate::files;
use crate::keys;
use crate::render;

const DAY_MS: u64 = 86_400_000;

/// Draft a charter from a template and the partners' cards.
#[derive(Args)]
pub(crate) struct New {
    /// What the rules are drawn from: airlift, convoy, medical-evacuation or search-and-rescue
    #[arg(long)]
    template: String,
    /// The partners' cards; where roles are not stated, the first leads and the last of four or more observes
    #[arg(long, required = true, num_args = 1.., value_name = "CARD")]
    cards: Vec<PathBuf>,
    /// The coalition's name [default: the output file's name]
    #[arg(long)]
    name: Option<KindName>,
    /// Who leads
    #[arg(long, value_name = "PARTNER")]
    lead: Option<PartnerName>,
    /// Who observes; may be given several times
    #[arg(long, value_name = "PARTNER")]
    observing: Vec<PartnerName>,
    /// How long the roots' delegations to officers, seats and nodes are valid
    #[arg(long, value_name = "DAYS", default_value_t = 365, allow_negative_numbers = true, value_parser = clap::value_parser!(u32).range(1..=3660))]
    valid_days: u32,
    /// Where to write the draft
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
}

impl New {
    pub(super) fn run(&self, context: &Context) -> Result<(), CliError> {
        let name = match &self.name {
            Some(name) => name.clone(),
            None => stem(&self.output).parse().map_err(|why| {
                CliError::usage(
                    "the coalition needs a name",
                    why,
                    "entente charter new --template airlift --cards CARD.. --name NAME -o FILE",
                )
            })?,
        };
        let cards = self.cards.iter().map(|path| read_card(path)).collect::<Result<Vec<_>, _>>()?;
        let created = now();
        let spec = DraftSpec {
            name,
            created,
            nonce: Nonce(*keys::random_bytes()?),
            credentials_until: created.plus(u64::from(self.valid_days) * DAY_MS),
            roles: RoleHints { lead: self.lead.clone(), observing: self.observing.clone() },
        };
        let charter = draft(&self.template, &cards, &spec).map_err(|why| match why {
            CharterError::NoTemplate { .. }
            | CharterError::NoCard { .. }
            | CharterError::RoleConflict { .. } => {
                CliError::usage("cannot draft this charter", why, "entente charter new --help")
            }
            why => CliError::config("cannot draft this charter", why, "name each partner's card once"),
        })?;
        let text = super::draft_text(&charter);
        files::write_new(&self.output, text.as_bytes(), files::PUBLIC)?;
        let lints = lint_at(&charter, created);
        if context.json {
            render::print_json(&json!({"file": self.output, "id": charter.id(), "name": charter.name}));
        } else {
            render::print(&render::charter::charter(&charter, None));
            render::print(&format!(
                "\n{0}\nwritten to {1}; each partner reads it and runs: entente charter sign {1}\n",
                render::charter::lints(&lints),
                self.output.display()
            ));
        }
        super::refuse_errors(&self.output, &lints)
    }
}
