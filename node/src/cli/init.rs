//! `entente init`: keys and card of a partner.

use std::path::PathBuf;

use clap::Args;
use entente_protocol::charter::{Card, PartnerName};
use serde_json::json;

use super::Context;
use crate::errors::CliError;
use crate::files;
use crate::keys::{self, KeyKind, NewKeys};
use crate::render;

/// Make this partner's keys and its public card.
#[derive(Args)]
pub(super) struct Init {
    /// The partner's name: a lower-case letter, then letters, digits and hyphens
    #[arg(long)]
    partner: PartnerName,
    /// How people reach this partner, shown on its card
    #[arg(long, value_name = "TEXT")]
    contact: Option<String>,
    /// Use this root, as `entente authority init` made it, instead of a new one; it stays where it is
    #[arg(long, value_name = "KEYFILE")]
    root: Option<PathBuf>,
    #[command(flatten)]
    passphrase: super::authority::Passphrase,
}

impl Init {
    pub(super) fn run(&self, context: &Context) -> Result<(), CliError> {
        let dir = &context.dir;
        let card_path = dir.card(self.partner.as_str());
        for path in [dir.keys(), card_path.clone()] {
            if path.exists() {
                return Err(CliError::config(
                    format!("{} exists already", path.display()),
                    "keys are never overwritten",
                    "entente --dir DIR init with an empty folder, or go on with the keys that are there",
                ));
            }
        }
        let root = match &self.root {
            Some(path) => Some(keys::unlock(path, &[KeyKind::Root], &self.passphrase.source())?.1),
            None => None,
        };
        // Signed before the keys get their place, so that a name or contact that is refused leaves nothing behind.
        let mut card = None;
        let keys = NewKeys::create(dir, root, |keys| {
            let made = Card::sign(
                self.partner.clone(),
                vec![keys.officer.public()],
                keys.seat.public(),
                vec![keys.node.public()],
                self.contact.clone(),
                &keys.root,
            )
            .map_err(|why| CliError::usage("cannot make the card", why, "entente init --help"))?;
            files::replace(&card_path, made.to_toml().as_bytes(), files::PUBLIC)?;
            card = Some(made);
            Ok(())
        })?;
        if context.json {
            render::print_json(&json!({
                "partner": self.partner,
                "card": card_path,
                "root": keys.root.public(),
                "officer": keys.officer.public(),
                "seat": keys.seat.public(),
                "node": keys.node.public(),
            }));
            return Ok(());
        }
        let where_to = match &self.root {
            Some(path) => format!("the root key stays in {}", path.display()),
            None => format!(
                "the root key signs charters only; move {} to where you keep seals once the coalition is founded",
                dir.key(KeyKind::Root).display()
            ),
        };
        render::print(&format!(
            "keys of {} are in {}\n\
             its public card is {}: give it to whoever drafts the charter\n\
             {where_to}\n",
            self.partner,
            dir.keys().display(),
            card_path.display(),
        ));
        Ok(())
    }
}
