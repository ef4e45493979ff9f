//! `entente status`.

use std::time::Duration;

use clap::Args;

use super::{Context, parse};
use crate::api::dto::StatusView;
use crate::errors::{CliError, Exit};
use crate::render;

/// How often it is looked whether the node answers and takes part yet.
const LOOK_INTERVAL: Duration = Duration::from_millis(50);

/// Show how the coalition stands: agreed, held or stalled, and who is missing.
#[derive(Args)]
pub(super) struct Status {
    /// Wait so long for a node that is still starting, or that the log does not enrol yet
    #[arg(long, value_name = "TIME", value_parser = parse::duration, allow_hyphen_values = true)]
    wait: Option<Duration>,
}

impl Status {
    pub(super) async fn run(&self, context: &Context) -> Result<(), CliError> {
        let status = match self.wait {
            None => ask(context).await?,
            Some(limit) => wait(context, limit).await?,
        };
        if context.json {
            render::print_json(&status);
        } else {
            render::print(&render::status::status(&status, &context.hints));
        }
        Ok(())
    }
}

async fn ask(context: &Context) -> Result<StatusView, CliError> {
    context.client()?.get("/v1/status").await
}

async fn wait(context: &Context, limit: Duration) -> Result<StatusView, CliError> {
    let deadline = tokio::time::Instant::now() + limit;
    loop {
        match ask(context).await {
            Err(error) if error.exit == Exit::NodeDown && tokio::time::Instant::now() < deadline => {
                tokio::time::sleep(LOOK_INTERVAL).await;
            }
            Ok(status)
                if status.outside.as_ref().is_some_and(|outside| !outside.revoked)
                    && tokio::time::Instant::now() < deadline =>
            {
                tokio::time::sleep(LOOK_INTERVAL).await;
            }
            answer => return answer,
        }
    }
}
