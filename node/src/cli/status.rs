//! `entente status`.

use std::time::Duration;

use clap::Args;

use super::{Context, parse};
use crate::api::dto::{OutsideView, StatusView};
use crate::errors::{CliError, Exit};
use crate::render;

/// How often it is looked whether the node answers and takes part yet.
const LOOK_INTERVAL: Duration = Duration::from_millis(50);

/// Show how the coalition stands: agreed, held or stalled, and who is missing.
#[derive(Args)]
pub(super) struct Status {
    /// Wait so long for a node that is still starting, or that the log does not enrol yet; fails where it still does not
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
        match (self.wait, &status.outside) {
            (Some(_), Some(outside)) => Err(still_outside(outside, context)),
            _ => Ok(()),
        }
    }
}

/// That the wait was for nothing.
fn still_outside(outside: &OutsideView, context: &Context) -> CliError {
    let (exit, next) = match outside.revoked {
        true => (Exit::Denied, "have its partner's root grant a new key, and join with its chain"),
        false => (Exit::Timeout, "wait longer, or see what the log says: "),
    };
    let next = match exit {
        Exit::Timeout => format!("{next}{}", context.hint("member list")),
        _ => next.to_owned(),
    };
    CliError::new(exit, "this node does not take part yet", &outside.why, next)
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
