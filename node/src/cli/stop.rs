//! `entente stop`: ends when the node has ended.

use std::time::Duration;

use serde_json::json;

use super::Context;
use crate::errors::{CliError, Exit};
use crate::render;

/// How long a node may take to write what it holds and to end.
const STOP_TIMEOUT: Duration = Duration::from_secs(30);
/// How often it is looked whether the socket still answers.
const LOOK_INTERVAL: Duration = Duration::from_millis(20);

pub(super) async fn run(context: &Context) -> Result<(), CliError> {
    let client = context.client()?;
    let _: serde_json::Value = client.post("/v1/stop", Vec::new(), Duration::ZERO).await?;
    let socket = context.dir.socket()?;
    let gone = async {
        while tokio::net::UnixStream::connect(&socket).await.is_ok() {
            tokio::time::sleep(LOOK_INTERVAL).await;
        }
    };
    tokio::time::timeout(STOP_TIMEOUT, gone).await.map_err(|_| {
        CliError::new(
            Exit::Timeout,
            "the node has not ended yet",
            format!("its socket still answers after {} s", STOP_TIMEOUT.as_secs()),
            context.hint("status"),
        )
    })?;
    if context.json {
        render::print_json(&json!({"stopped": true}));
    } else {
        render::print("stopped\n");
    }
    Ok(())
}
