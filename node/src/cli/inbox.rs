//! `entente inbox`: what waits for this partner.

use entente_protocol::coalition::Waits;

use super::{Context, now};
use crate::api::dto::{StatusView, Waiting};
use crate::errors::CliError;
use crate::render;

pub(super) async fn run(context: &Context) -> Result<(), CliError> {
    let waiting: Vec<Waiting> = context.client()?.get("/v1/inbox").await?;
    let own =
        waiting.iter().any(|it| matches!(it.what, Waits::Credentials | Waits::Watch | Waits::Suspended));
    let own = match own {
        true => Some(context.client()?.get::<StatusView>("/v1/status").await?.partner),
        false => None,
    };
    if context.json {
        render::print_json(&render::inbox::json(&waiting, own.as_deref(), &context.hints));
    } else {
        render::print(&render::inbox::list(&waiting, own.as_deref(), now(), &context.hints));
    }
    Ok(())
}
