//! `entente evidence`: feeds and seats that are proved to contradict themselves.

use clap::Subcommand;
use data_encoding::HEXLOWER;
use entente_protocol::founding::Founded;
use entente_protocol::record::Body;

use super::{Context, now};
use crate::api::dto::{EvidencePage, EvidenceView};
use crate::client::segment;
use crate::errors::{CliError, Exit};
use crate::membership::read_founded;
use crate::render;

/// Show what is proved of feeds and seats that contradict themselves.
#[derive(Subcommand)]
pub(super) enum Command {
    /// List the evidence that is ordered or held here
    List,
    /// Show one piece: what contradicts what, which of it the order took, what became void
    Show {
        /// Its id, or the beginning of it
        id: String,
    },
}

impl Command {
    pub(super) async fn run(&self, context: &Context) -> Result<(), CliError> {
        let client = context.client()?;
        match self {
            Self::List => {
                let list: Vec<EvidenceView> = client.get("/v1/evidence").await?;
                if context.json {
                    render::print_json(&list);
                } else {
                    render::print(&render::evidence::list(&list, now(), &context.hints));
                }
            }
            Self::Show { id } => {
                let page: EvidencePage = client.get(&format!("/v1/evidence/{}", segment(id)?)).await?;
                let founded = read_founded(&context.dir.coalition())?;
                let founded = founded.founding.verify().map_err(|error| {
                    CliError::config("cannot check the proof", error, context.charter_hint())
                })?;
                // By this program, with the keys of the charter: the node is not asked whether they hold.
                if !holds(&page, &founded) {
                    return Err(CliError::new(
                        Exit::Corrupt,
                        format!("the proof of {} does not hold", page.evidence.id),
                        "its signatures are not those of two entries or frames that contradict each other",
                        context.hint("evidence list"),
                    ));
                }
                if context.json {
                    render::print_json(&page);
                } else {
                    render::print(&render::evidence::page(&page, now(), &context.hints));
                }
            }
        }
        Ok(())
    }
}

/// Whether both signatures of the proof are the author's, over the two hashes that are shown.
fn holds(page: &EvidencePage, founded: &Founded) -> bool {
    let body = HEXLOWER.decode(page.proof.as_bytes()).ok().and_then(|bytes| Body::decode(&bytes).ok());
    let shown = page.sides.iter().map(|side| side.hash);
    match body {
        Some(Body::Fork(proof)) => {
            let hashes = proof.branches.iter().map(|branch| branch.hash);
            let feed = page.evidence.feed.as_ref();
            let place = feed.map(|feed| (feed.node, feed.lane, feed.length));
            place == Some((proof.feed.node, proof.feed.lane, proof.length))
                && hashes.eq(shown)
                && proof.verify(&founded.coalition())
        }
        Some(Body::Equivocation(proof)) => {
            let votes = page.evidence.votes.map(|votes| (votes.seat, votes.epoch, votes.seq));
            let key = founded.seats().get(proof.feed.seat.index());
            votes == Some((proof.feed.seat.0, proof.feed.epoch, proof.seq))
                && proof.hashes().into_iter().eq(shown)
                && key.is_some_and(|key| proof.verify(&founded.coalition(), key))
        }
        _ => false,
    }
}
