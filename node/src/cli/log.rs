//! `entente log`.

use clap::Args;

use super::Context;
use crate::api::dto::LogPage;
use crate::errors::CliError;
use crate::render;

/// Show the ordered log.
#[derive(Args)]
pub(super) struct Log {
    /// First leaf to show
    #[arg(long, value_name = "INDEX", default_value_t = 0, allow_negative_numbers = true)]
    from: u64,
    /// Most leaves to show
    #[arg(long, value_name = "N", default_value_t = 100, allow_negative_numbers = true, value_parser = clap::value_parser!(u64).range(1..=10_000))]
    limit: u64,
}

impl Log {
    pub(super) async fn run(&self, context: &Context) -> Result<(), CliError> {
        let client = context.client()?;
        let next = |from: u64, limit: u64| format!("/v1/log?from={from}&limit={limit}");
        let mut page: LogPage = client.get(&next(self.from, self.limit)).await?;
        // The node gives so many at once as it thinks fit.
        loop {
            let shown = page.leaves.len() as u64;
            // Leaves that a node has not are left out.
            let from = page.leaves.last().map_or(page.size, |leaf| leaf.index.saturating_add(1));
            if shown >= self.limit || from >= page.size {
                break;
            }
            let more: LogPage = client.get(&next(from, self.limit - shown)).await?;
            if more.leaves.is_empty() {
                break;
            }
            (page.size, page.certified) = (more.size, more.certified);
            page.leaves.extend(more.leaves);
        }
        if context.json {
            render::print_json(&page);
        } else {
            render::print(&render::log::page(&page));
        }
        Ok(())
    }
}
