//! The local API: HTTP and JSON over the Unix socket in the data folder, for the operator of this machine.
//!
//! Guarantees: only processes of this node's user (or root) are answered, whatever the permissions of the folder;
//! connections, bodies, pages and queues are bounded, in number and in time; an error has a stable word, a reason and where possible the next step. A waiting
//! request is answered as soon as it is clear that waiting does not help. Assumes that this user's processes are trusted.
//!
//! The requests and answers are listed in [`dto`].

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::Duration;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::routing::{get, post};
use entente_protocol::record::MAX_BODY_BYTES;
use tokio::net::UnixListener;

use crate::runtime::{Handle, StartError};

mod assets;
#[cfg(any(test, fuzzing))]
pub mod decoders;
pub mod dto;
mod error;
mod events;
mod evidence;
mod feeds;
mod handoffs;
mod inbox;
mod integrity;
mod log;
mod members;
pub(crate) mod names;
mod operations;
mod peers;
mod refused;
mod socket;
mod status;
mod submit;

pub use feeds::MAX_FEED_PAGE;
pub use log::MAX_LOG_PAGE;
pub use socket::{BODY_TIMEOUT, HEADER_TIMEOUT, MAX_CONNECTIONS};
pub use submit::{MAX_BATCH_BYTES, MAX_BATCH_NOTES, MAX_WAIT_MS};

/// How long requests under way may still take when the node stops.
pub const CLOSE_TIMEOUT: Duration = Duration::from_secs(3);
/// Largest body of a request that carries no record, in bytes.
const MAX_REQUEST_BYTES: usize = 64 * 1024;

/// Makes the socket at `path`, mode 0600. A stale one, where nobody answers, is replaced.
pub(crate) fn bind(path: &Path) -> Result<UnixListener, StartError> {
    let fail = |why: String| StartError::Socket { path: path.to_owned(), why };
    if std::os::unix::net::UnixStream::connect(path).is_ok() {
        return Err(fail("another node answers there".into()));
    }
    if path.exists() {
        std::fs::remove_file(path)
            .map_err(|error| fail(format!("a stale one cannot be removed: {error}")))?;
    }
    let listener = UnixListener::bind(path).map_err(|error| fail(error.to_string()))?;
    if let Err(error) = std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)) {
        unbind(path);
        return Err(fail(error.to_string()));
    }
    Ok(listener)
}

/// Removes the socket.
pub(crate) fn unbind(path: &Path) {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            tracing::warn!(path = %path.display(), %error, "the socket cannot be removed");
        }
        _ => {}
    }
}

/// Answers requests until the node has stopped; those under way are answered to the end.
pub(crate) async fn serve(listener: UnixListener, node: Handle) {
    let stopped = node.watch_stopped();
    socket::serve(socket::OwnerOnly::new(listener), router(node), stopped, socket::Limits::default()).await;
}

fn router(node: Handle) -> Router {
    let records = post(submit::record).layer(DefaultBodyLimit::max(MAX_BODY_BYTES));
    let notes = post(submit::note).layer(DefaultBodyLimit::max(MAX_BODY_BYTES));
    let batch = post(submit::batch).layer(DefaultBodyLimit::max(MAX_BATCH_BYTES));
    Router::new()
        .route("/v1/status", get(status::status))
        .route("/v1/metrics", get(status::metrics))
        .route("/v1/faults", get(status::faults))
        .route("/v1/charter", get(status::charter))
        .route("/v1/charter/{version}", get(status::version))
        .route("/v1/policy", get(status::policy))
        .route("/v1/stop", post(status::stop))
        .route("/v1/peers", get(peers::list).post(peers::add))
        .route("/v1/peers/pending", get(peers::pending))
        .route("/v1/peers/{name}/block", post(peers::block))
        .route("/v1/peers/{name}/unblock", post(peers::unblock))
        .route("/v1/listeners", get(peers::listeners))
        .route("/v1/records", records)
        .route("/v1/notes", notes)
        .route("/v1/notes/batch", batch)
        .route("/v1/ops", get(operations::list))
        .route("/v1/ops/{id}", get(operations::show))
        .route("/v1/ops/{id}/story", get(handoffs::story))
        .route("/v1/handoffs", get(handoffs::list))
        .route("/v1/handoffs/{id}", get(handoffs::show))
        .route("/v1/disputes", get(handoffs::disputes))
        .route("/v1/disputes/{id}", get(handoffs::dispute))
        .route("/v1/assets", get(assets::list))
        .route("/v1/members", get(members::list))
        .route("/v1/authorities", get(members::authorities))
        .route("/v1/inbox", get(inbox::list))
        .route("/v1/log", get(log::page))
        .route("/v1/feeds/{name}/{lane}", get(feeds::page))
        .route("/v1/evidence", get(evidence::list))
        .route("/v1/evidence/{id}", get(evidence::show))
        .route("/v1/integrity", get(integrity::list))
        .route("/v1/integrity/{id}", get(integrity::show))
        .route("/v1/receipts/{id}", get(log::receipt))
        .route("/v1/events", get(events::follow))
        .fallback(error::no_such_request)
        .method_not_allowed_fallback(error::wrong_method)
        .layer(DefaultBodyLimit::max(MAX_REQUEST_BYTES))
        .with_state(node)
}
