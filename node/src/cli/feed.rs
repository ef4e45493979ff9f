//! `entente feed`.

use clap::Args;
use entente_protocol::feed::Lane;

use super::Context;
use crate::api::dto::FeedPage;
use crate::client::segment;
use crate::errors::CliError;
use crate::render;

/// Show the entries of a record feed as they are held here: hashes, signatures, bodies in hex.
#[derive(Args)]
pub(super) struct Feed {
    /// The author: a partner with one node, or a node's key
    name: String,
    /// The lane: flash, immediate, priority or routine
    lane: Lane,
    /// First entry to show, from 1
    #[arg(long, value_name = "LENGTH", default_value_t = 1, allow_negative_numbers = true)]
    from: u64,
    /// Most entries to show
    #[arg(long, value_name = "N", default_value_t = 100, allow_negative_numbers = true, value_parser = clap::value_parser!(u64).range(1..=512))]
    limit: u64,
}

impl Feed {
    pub(super) async fn run(&self, context: &Context) -> Result<(), CliError> {
        let (name, lane) = (segment(&self.name)?, self.lane);
        let path = format!("/v1/feeds/{name}/{lane}?from={}&limit={}", self.from, self.limit);
        let page: FeedPage = context.client()?.get(&path).await?;
        if context.json {
            render::print_json(&page);
        } else {
            render::print(&render::feed::page(&page));
        }
        Ok(())
    }
}
