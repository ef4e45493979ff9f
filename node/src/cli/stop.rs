//! `entente stop`: ends when the node has ended and has let go of its store, so that it can be started again at once.

use std::fs::{File, TryLockError};
use std::path::Path;
use std::time::Duration;

use serde_json::json;

use super::Context;
use crate::errors::{CliError, Exit};
use crate::render;

/// How long a node may take to write what it holds and to end.
const STOP_TIMEOUT: Duration = Duration::from_secs(30);
/// How often it is looked whether the socket still answers and the store is still in use.
const LOOK_INTERVAL: Duration = Duration::from_millis(20);

pub(super) async fn run(context: &Context) -> Result<(), CliError> {
    let client = context.client()?;
    let _: serde_json::Value = client.post("/v1/stop", Vec::new(), Duration::ZERO).await?;
    let (socket, store) = (context.dir.socket()?, context.dir.store());
    let gone = async {
        // The socket goes first, so that nobody speaks with a node that is closing; the store last.
        while tokio::net::UnixStream::connect(&socket).await.is_ok() || is_in_use(&store) {
            tokio::time::sleep(LOOK_INTERVAL).await;
        }
    };
    tokio::time::timeout(STOP_TIMEOUT, gone).await.map_err(|_| {
        CliError::new(
            Exit::Timeout,
            "the node has not ended yet",
            format!("it still uses its socket or its store after {} s", STOP_TIMEOUT.as_secs()),
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

/// Whether a process has the store open: redb locks the whole file as long as it does. A file that is not there or cannot
/// be looked at is not waited for.
fn is_in_use(store: &Path) -> bool {
    File::open(store).is_ok_and(|file| matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock)))
}

#[cfg(test)]
mod tests {
    use entente_protocol::identity::{CoalitionId, SecretKey, hash};

    use super::*;
    use crate::storage::{Identity, Store};

    #[test]
    fn a_store_is_in_use_as_long_as_it_is_open() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("store.redb");
        assert!(!is_in_use(&path));
        let identity = Identity {
            coalition: CoalitionId(hash("test", &[])),
            node: SecretKey::from_seed(&[7; 32]).public(),
        };
        let store = Store::open(&path, &identity).expect("opens");
        assert!(is_in_use(&path));
        drop(store);
        assert!(!is_in_use(&path));
    }
}
