//! Accepting only the own user.

use std::time::Duration;

use axum::serve::Listener;
use tokio::net::unix::SocketAddr;
use tokio::net::{UnixListener, UnixStream};

/// How long to wait when the operating system gives no connection, for example for want of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(200);

/// A listener that hangs up on processes of other users; root is let in.
pub(super) struct OwnerOnly {
    listener: UnixListener,
    owner: u32,
}

impl OwnerOnly {
    pub(super) fn new(listener: UnixListener) -> Self {
        Self { listener, owner: rustix::process::geteuid().as_raw() }
    }
}

impl Listener for OwnerOnly {
    type Io = UnixStream;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (UnixStream, SocketAddr) {
        loop {
            let (stream, address) = match self.listener.accept().await {
                Ok(accepted) => accepted,
                Err(error) => {
                    tracing::warn!(%error, "no connection of the local API can be taken");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                    continue;
                }
            };
            match stream.peer_cred() {
                Ok(peer) if peer.uid() == self.owner || peer.uid() == 0 => return (stream, address),
                Ok(peer) => tracing::warn!(uid = peer.uid(), "another user's process was refused"),
                Err(error) => tracing::warn!(%error, "a process of unknown user was refused"),
            }
        }
    }

    fn local_addr(&self) -> std::io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}
