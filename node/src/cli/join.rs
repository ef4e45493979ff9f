//! `entente join`: a founded coalition's file becomes this node's membership.

use std::path::{Path, PathBuf};

use clap::Args;
use entente_protocol::credential::Chain;
use entente_protocol::identity::PublicKey;
use serde_json::json;

use super::{Context, now};
use crate::errors::CliError;
use crate::files;
use crate::keys::{self, KeyKind};
use crate::membership::{Membership, read_accession, read_chain, read_founded};
use crate::render;

/// Become a member of a founded coalition.
#[derive(Args)]
pub(super) struct Join {
    /// The file that the founder brings
    file: PathBuf,
    /// The chain that enrols this node, where the charter does not name it; given again, a later one takes its place
    #[arg(long, value_name = "CHAIN")]
    chain: Option<PathBuf>,
    /// The accession that enrols this node, where its partner joined after the founding
    #[arg(long, value_name = "FILE", conflicts_with = "chain")]
    accession: Option<PathBuf>,
}

impl Join {
    pub(super) fn run(&self, context: &Context) -> Result<(), CliError> {
        let dir = &context.dir;
        let file = read_founded(&self.file)?;
        let text = file.to_toml();
        let given = match (&self.chain, &self.accession) {
            (Some(path), _) => Some(read_chain(path)?),
            (None, Some(path)) => Some(chain_of(path, &keys::load(dir, KeyKind::Node)?.public())?),
            (None, None) => None,
        };
        let is_given = given.is_some();
        let chain = match (given, dir.credential()) {
            (None, held) if held.exists() => Some(read_chain(&held)?),
            (given, _) => given,
        };
        let membership = Membership::of(file, &self.file, chain, dir, now())?;
        let coalition = membership.founded.coalition();
        let place = dir.coalition();
        if place.exists() {
            let held = read_founded(&place)?;
            let present = held.founding.charter.id();
            if present != coalition {
                return Err(CliError::config(
                    "this node is a member of another coalition",
                    format!("{} is {present}, and {} is {coalition}", place.display(), self.file.display()),
                    "one data folder serves one coalition: entente --dir DIR init, with a folder of its own",
                ));
            }
            let same_secret =
                held.secret.map(|secret| *secret.as_bytes()) == Some(*membership.secret.as_bytes());
            if !same_secret {
                return Err(CliError::config(
                    "this file has another coalition secret",
                    format!("{} and {} name the same coalition", place.display(), self.file.display()),
                    "ask the founder which file is the one that all members joined with",
                ));
            }
        } else {
            files::write_new(&place, text.as_bytes(), files::SECRET)?;
        }
        if let Some(chain) = membership.chain.as_ref().filter(|_| is_given) {
            files::replace(&dir.credential(), chain.to_toml().as_bytes(), files::PUBLIC)?;
        }
        let seat = membership.seat.as_ref().map(|(seat, _)| *seat);
        if context.json {
            render::print_json(&json!({
                "id": coalition,
                "name": membership.founded.charter().name,
                "partner": membership.partner,
                "seat": seat,
            }));
        } else {
            for warning in &membership.warnings {
                render::print(&format!("warning: {warning}\n"));
            }
            let seat = seat.map_or("without a seat".into(), |seat| {
                format!("seat {seat} of {}", membership.founded.committee_size())
            });
            render::print(&format!(
                "joined {} ({coalition}) as {}, {seat}\nnext: {}\n",
                membership.founded.charter().name,
                membership.partner,
                context.hint("up")
            ));
        }
        Ok(())
    }
}

/// The chain by which an accession enrols the node with this key.
fn chain_of(path: &Path, node: &PublicKey) -> Result<Chain, CliError> {
    let accession = read_accession(path)?;
    accession.chain_of(node).cloned().ok_or_else(|| {
        let nodes = accession.partner.nodes.iter().map(PublicKey::to_string).collect::<Vec<_>>();
        CliError::config(
            format!("{} does not enrol this host", path.display()),
            format!("the node key here is {node}, and those of {} there are {}", accession.partner.name, nodes.join(", ")),
            "join on the host whose card the coalition was given, or with a chain of its own: entente join FILE --chain CHAIN",
        )
    })
}
