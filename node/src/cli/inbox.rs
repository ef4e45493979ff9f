//! `entente inbox`: what waits for this partner.

use super::{Context, now};
use crate::api::dto::Waiting;
use crate::errors::CliError;
use crate::render;

pub(super) async fn run(context: &Context) -> Result<(), CliError> {
    let waiting: Vec<Waiting> = context.client()?.get("/v1/inbox").await?;
    if context.json {
        render::print_json(&waiting);
    } else {
        render::print(&render::inbox::list(&waiting, now(), &context.hints));
    }
    Ok(())
}
