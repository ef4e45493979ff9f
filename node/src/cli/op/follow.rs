//! `entente op follow`.

use std::time::Duration;

use clap::Args;

use super::find;
use crate::api::dto::{EventView, OperationView};
use crate::cli::{Context, now};
use crate::errors::{CliError, Exit};
use crate::render;

/// Follow what happens; with an id, until that operation is decided, or to its end.
#[derive(Args)]
pub(crate) struct Follow {
    /// An operation, or the beginning of its id
    id: Option<String>,
    /// Go on behind its decision, with all that is said of it, until it is concluded, annulled or has failed
    #[arg(long, requires = "id")]
    to_end: bool,
    /// Also checkpoints, links, who can be reached, and faults
    #[arg(long, conflicts_with = "id")]
    all: bool,
    /// Begin with this leaf of the log, then go on with what comes [default: what comes from now on]
    #[arg(long, value_name = "INDEX", conflicts_with = "id", allow_negative_numbers = true)]
    from: Option<u64>,
}

impl Follow {
    pub(super) async fn run(&self, context: &Context) -> Result<(), CliError> {
        match &self.id {
            Some(id) => follow_one(id, self.to_end, context).await,
            None => self.follow_all(context).await,
        }
    }

    async fn follow_all(&self, context: &Context) -> Result<(), CliError> {
        let from = self.from.map_or(String::new(), |from| format!("?from={from}"));
        let mut events = context.client()?.events(&format!("/v1/events{from}")).await?;
        while let Some(event) = events.next().await? {
            let about_records = matches!(
                event,
                EventView::Held { .. }
                    | EventView::Ordered { .. }
                    | EventView::Told { .. }
                    | EventView::Integrity { .. }
                    | EventView::Decided { .. }
                    | EventView::Ruled { .. }
                    | EventView::Lagged { .. }
            );
            if self.all || about_records {
                tell(&event, self.all, context);
            }
        }
        Err(stopped(context))
    }
}

async fn follow_one(id: &str, to_end: bool, context: &Context) -> Result<(), CliError> {
    let client = context.client()?;
    // Subscribed before the first look, so that nothing falls between them.
    let mut events = client.events("/v1/events").await?;
    let mut operation = find(context, id, Duration::MAX).await?;
    let path = format!("/v1/ops/{}", operation.id);
    let mut seen: Option<OperationView> = None;
    loop {
        if seen.as_ref() != Some(&operation) {
            if context.json {
                render::print_json(&operation);
            } else {
                render::print(&format!("{}\n", render::operation::page(&operation, now(), &context.hints)));
            }
        }
        if operation.decision.is_some() && (!to_end || operation.over) {
            return Ok(());
        }
        let id = operation.id;
        seen = Some(operation);
        loop {
            match events.next().await? {
                None => return Err(stopped(context)),
                Some(event @ EventView::Told { .. }) if to_end => {
                    if matches!(&event, EventView::Told { told, .. } if told.operation == Some(id)) {
                        tell(&event, false, context);
                        break;
                    }
                }
                // What it says is told next.
                Some(EventView::Held { .. } | EventView::Ordered { .. }) if to_end => {}
                Some(
                    EventView::Held { .. }
                    | EventView::Ordered { .. }
                    | EventView::Decided { .. }
                    | EventView::Ruled { .. }
                    | EventView::Lagged { .. },
                ) => break,
                Some(_) => {}
            }
        }
        operation = client.get(&path).await?;
    }
}

fn tell(event: &EventView, all: bool, context: &Context) {
    if context.json {
        render::print_json(event);
    } else {
        render::print(&format!("{}\n", render::event::line(event, all, &context.hints)));
    }
}

fn stopped(context: &Context) -> CliError {
    CliError::new(Exit::NodeDown, "the node stopped", "its event stream has ended", context.hint("up"))
}
