//! Connections of the own user: how many, and how long they may take to ask.
//!
//! Guarantees: only processes of this node's user and root are answered; at most [`MAX_CONNECTIONS`] at once, one more is
//! told `busy` and hung up on; a request whose head does not come within [`HEADER_TIMEOUT`] (also the next one on a connection
//! that stays open) ends its connection, one whose body does not come within [`BODY_TIMEOUT`] is refused. So a client that asks
//! nothing holds its place for a while, and never for good. Assumes that clients read their answers.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::AsyncWriteExt as _;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;

use crate::runtime::Stopped;

/// Connections that are served at once.
pub const MAX_CONNECTIONS: usize = 512;
/// How long the head of a request may take, from the opening of the connection or the end of the request before.
pub const HEADER_TIMEOUT: Duration = Duration::from_secs(10);
/// How long the body of a request may take.
pub const BODY_TIMEOUT: Duration = Duration::from_secs(10);
/// How long to wait when the operating system gives no connection, for example for want of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(200);
/// How long a connection that is refused may take to read why.
const REFUSAL_TIMEOUT: Duration = Duration::from_millis(100);

/// The limits of this module, which tests make smaller.
#[derive(Clone, Copy)]
pub(super) struct Limits {
    connections: usize,
    header_timeout: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self { connections: MAX_CONNECTIONS, header_timeout: HEADER_TIMEOUT }
    }
}

/// A listener that hangs up on processes of other users; root is let in.
pub(super) struct OwnerOnly {
    listener: UnixListener,
    owner: u32,
}

impl OwnerOnly {
    pub(super) fn new(listener: UnixListener) -> Self {
        Self { listener, owner: rustix::process::geteuid().as_raw() }
    }

    /// Cancel-safe.
    async fn accept(&self) -> UnixStream {
        loop {
            let stream = match self.listener.accept().await {
                Ok((stream, _)) => stream,
                Err(error) => {
                    tracing::warn!(%error, "no connection of the local API can be taken");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                    continue;
                }
            };
            match stream.peer_cred() {
                Ok(peer) if peer.uid() == self.owner || peer.uid() == 0 => return stream,
                Ok(peer) => tracing::debug!(uid = peer.uid(), "another user's process was refused"),
                Err(error) => tracing::debug!(%error, "a process of unknown user was refused"),
            }
        }
    }
}

/// Answers requests until the node has stopped, and then those under way.
pub(super) async fn serve(
    listener: OwnerOnly,
    router: Router,
    mut stopped: watch::Receiver<Option<Arc<Stopped>>>,
    limits: Limits,
) {
    let places = Arc::new(Semaphore::new(limits.connections));
    let mut connections = JoinSet::new();
    loop {
        let stream = tokio::select! {
            stream = listener.accept() => stream,
            // Reaped as they end, so that the set holds no more than there are places.
            Some(_) = connections.join_next() => continue,
            // An error says that the engine's thread is gone, which is the same.
            _ = stopped.wait_for(Option::is_some) => break,
        };
        match Arc::clone(&places).try_acquire_owned() {
            Ok(place) => {
                let (router, stopped) = (router.clone(), stopped.clone());
                connections.spawn(async move {
                    answer(stream, router, stopped, limits.header_timeout).await;
                    drop(place);
                });
            }
            Err(_) => refuse(stream).await,
        }
    }
    drop(listener);
    let close = async { while connections.join_next().await.is_some() {} };
    // A client that does not read its answer keeps neither the node nor its store.
    if tokio::time::timeout(super::CLOSE_TIMEOUT, close).await.is_err() {
        connections.shutdown().await;
    }
}

/// Answers the requests of one connection, one after the other.
async fn answer(
    stream: UnixStream,
    router: Router,
    mut stopped: watch::Receiver<Option<Arc<Stopped>>>,
    header_timeout: Duration,
) {
    let service = TowerToHyperService::new(router);
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(header_timeout)
        .serve_connection(TokioIo::new(stream), service);
    let mut connection = std::pin::pin!(connection);
    let served = tokio::select! {
        served = connection.as_mut() => Some(served),
        _ = stopped.wait_for(Option::is_some) => None,
    };
    let served = match served {
        Some(served) => served,
        None => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = served {
        tracing::debug!(%error, "a connection of the local API ended");
    }
}

/// Says why a connection is not served, if it can be said at once, and hangs up.
async fn refuse(mut stream: UnixStream) {
    let body = serde_json::json!({
        "code": "busy",
        "error": "as many connections of the local API are open as may be",
        "next": "try again when other commands have ended",
    })
    .to_string();
    let answer = format!(
        "HTTP/1.1 503 Service Unavailable\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
        body.len()
    );
    // A few hundred bytes fit the socket's buffer.
    let _ = tokio::time::timeout(REFUSAL_TIMEOUT, stream.write_all(answer.as_bytes())).await;
}

#[cfg(test)]
mod tests {
    use axum::routing::get;
    use tokio::io::AsyncReadExt as _;

    use super::*;

    /// A safety net.
    const PATIENCE: Duration = Duration::from_secs(60);

    async fn read_to_end(stream: &mut UnixStream) -> String {
        let mut text = String::new();
        let read = tokio::time::timeout(PATIENCE, stream.read_to_string(&mut text)).await;
        // A reset says that what was sent was not read; what came before it counts.
        let _ = read.expect("is hung up on in time");
        text
    }

    #[tokio::test]
    async fn a_client_that_does_not_finish_its_request_is_hung_up_on_and_one_too_many_is_told_so() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("api.sock");
        let listener = OwnerOnly::new(UnixListener::bind(&path).expect("binds"));
        let (stop, stopped) = watch::channel(None);
        let router = Router::new().route("/", get(|| async { "here" }));
        let limits = Limits { connections: 2, header_timeout: Duration::from_millis(300) };
        let serving = tokio::spawn(serve(listener, router, stopped, limits));
        let connect = async || UnixStream::connect(&path).await.expect("is listened on");

        let (mut silent, mut slow) = (connect().await, connect().await);
        slow.write_all(b"GET / HTTP/1.1\r\nhost: ").await.expect("is open");
        let told = read_to_end(&mut connect().await).await;
        assert!(told.starts_with("HTTP/1.1 503") && told.contains("\"busy\""), "{told}");
        for stream in [&mut silent, &mut slow] {
            let told = read_to_end(stream).await;
            assert!(!told.contains("here"), "{told}");
        }
        // Their places are free again, soon.
        let answered = async {
            loop {
                let mut asking = connect().await;
                // One that is refused may be hung up on while it asks.
                let asked = asking.write_all(b"GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await;
                if asked.is_ok() && read_to_end(&mut asking).await.ends_with("here") {
                    return;
                }
            }
        };
        tokio::time::timeout(PATIENCE, answered).await.expect("in time");
        stop.send_replace(Some(Arc::new(Stopped::Asked)));
        tokio::time::timeout(PATIENCE, serving).await.expect("ends").expect("does not panic");
    }
}
