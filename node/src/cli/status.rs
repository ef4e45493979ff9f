//! `entente status`.

use super::Context;
use crate::api::dto::StatusView;
use crate::errors::CliError;
use crate::render;

pub(super) async fn run(context: &Context) -> Result<(), CliError> {
    let status: StatusView = context.client()?.get("/v1/status").await?;
    if context.json {
        render::print_json(&status);
    } else {
        render::print(&render::status::status(&status));
    }
    Ok(())
}
