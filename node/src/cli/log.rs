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
        let path = format!("/v1/log?from={}&limit={}", self.from, self.limit);
        let page: LogPage = context.client()?.get(&path).await?;
        if context.json {
            render::print_json(&page);
        } else {
            render::print(&render::log::page(&page));
        }
        Ok(())
    }
}
