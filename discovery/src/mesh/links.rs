//! Streams and links: opening the one stream of a pair, and starting and ending the task that serves it.
//!
//! The lower peer id opens, once the pair has exactly one connection (see `pairs`), and tries again after a failure; the other
//! end accepts. A connection without a confirmed stream for the profile's `link_timeout` is closed and set up anew.

use std::{collections::BTreeMap, time::Instant};

use futures::StreamExt;
use libp2p::{Multiaddr, PeerId, Stream, Swarm, swarm::ConnectionId};
use tokio::{
    sync::{mpsc, watch},
    task::{AbortHandle, JoinHandle},
};

use super::{MeshTask, unix_ms};
use crate::{
    beacon::Allowance,
    behaviour::{Behaviour, Names},
    config::LinkProfile,
    event::{Instance, LinkFault, Refusal, RefusalReason},
    handle::MeshError,
    link::{self, HelloError, Ready},
};

/// What the tasks of links and hellos report.
pub(super) enum LinkMessage {
    /// A stream is confirmed.
    Ready { peer: PeerId, instance: Instance, stream: Stream },
    /// Opening a stream failed.
    OpenFailed { peer: PeerId, reason: String },
    /// A peer's hello was not well-formed, or it opened where it should accept.
    Fault { peer: PeerId, fault: LinkFault },
    /// A link has ended.
    Ended { peer: PeerId, serial: u64, reason: String },
}

/// The state of the link with a peer that is or was connected.
#[derive(Default)]
pub(super) struct PeerLink {
    /// The pair's connection.
    pub(super) connection: Option<ConnectionId>,
    /// Where it leads.
    remote: Option<Multiaddr>,
    /// When to open the stream.
    open_at: Option<Instant>,
    /// A stream is being opened.
    opening: Option<AbortHandle>,
    /// The stream must be up by then.
    deadline: Option<Instant>,
    running: Option<Running>,
}

struct Running {
    serial: u64,
    stop: watch::Sender<Option<String>>,
    task: JoinHandle<()>,
}

impl PeerLink {
    pub(super) fn next_due(&self) -> Option<Instant> {
        self.open_at.into_iter().chain(self.deadline).min()
    }

    fn stop_opening(&mut self) {
        self.open_at = None;
        if let Some(opening) = self.opening.take() {
            opening.abort();
        }
    }
}

/// Starts the task that accepts streams. It does nothing else, because streams that arrive while nobody takes them are dropped.
pub(super) fn accept_streams(
    swarm: &Swarm<Behaviour>,
    names: &Names,
    local: PeerId,
    instance: Instance,
    profile: &LinkProfile,
    links: mpsc::Sender<LinkMessage>,
) -> Result<AbortHandle, MeshError> {
    let mut incoming = swarm
        .behaviour()
        .streams
        .new_control()
        .accept(names.stream.clone())
        .map_err(|error| MeshError::Config(error.to_string()))?;
    let timeout = profile.open_timeout;
    let task = tokio::spawn(async move {
        // One hello per peer: a new stream ends the wait for the older one. Bounded by the number of members.
        let mut hellos: BTreeMap<PeerId, AbortHandle> = BTreeMap::new();
        let mut allowed: BTreeMap<PeerId, Allowance> = BTreeMap::new();
        while let Some((peer, mut stream)) = incoming.next().await {
            hellos.retain(|_, hello| !hello.is_finished());
            // Each new stream ends the link before it, which the node is told: one that is let go is opened again.
            let now = Instant::now();
            if !allowed.entry(peer).or_insert_with(|| Allowance::new(now)).take(now) {
                tracing::debug!(%peer, "streams come too often: one let go");
                continue;
            }
            if local < peer {
                let fault = LinkFault::BadHello("stream opened by the end that should accept".into());
                // Waiting here would lose streams; one that opens them faster than they are looked at is told of once.
                let _ = links.try_send(LinkMessage::Fault { peer, fault });
                continue;
            }
            let links = links.clone();
            let hello = tokio::spawn(async move {
                let hello = tokio::time::timeout(timeout, link::accept(&mut stream, &instance)).await;
                // The mesh task may be gone; an opener whose stream ended or timed out tries again by itself.
                let message = match hello {
                    Ok(Ok(instance)) => LinkMessage::Ready { peer, instance, stream },
                    Ok(Err(HelloError::Malformed(what))) => {
                        LinkMessage::Fault { peer, fault: LinkFault::BadHello(what) }
                    }
                    Ok(Err(HelloError::Io(_))) | Err(_) => return,
                };
                let _ = links.send(message).await;
            });
            if let Some(older) = hellos.insert(peer, hello.abort_handle()) {
                older.abort();
            }
        }
    });
    Ok(task.abort_handle())
}

impl MeshTask {
    /// The pair's connection is established.
    pub(super) fn link_connected(&mut self, peer: PeerId, connection: ConnectionId, remote: &Multiaddr) {
        let now = Instant::now();
        let link = self.peers.entry(peer).or_default();
        link.connection = Some(connection);
        link.remote = Some(remote.clone());
        link.deadline = Some(now + self.profile.link_timeout);
        link.open_at = (self.local < peer).then_some(now);
    }

    /// The pair's connection is closed.
    pub(super) fn link_disconnected(&mut self, peer: PeerId, connection: ConnectionId, reason: &str) {
        let Some(link) = self.peers.get_mut(&peer) else {
            return;
        };
        if link.connection != Some(connection) {
            return;
        }
        link.connection = None;
        link.deadline = None;
        link.stop_opening();
        self.stop_link(&peer, reason);
        self.forget_if_idle(&peer);
    }

    pub(super) fn open_due(&mut self, now: Instant) {
        let mut late = Vec::new();
        for (peer, link) in &mut self.peers {
            if link.deadline.is_some_and(|deadline| deadline <= now) {
                link.deadline = None;
                late.extend(link.connection);
            }
            if link.open_at.is_some_and(|open_at| open_at <= now) {
                link.open_at = None;
                let (peer, links, instance) = (*peer, self.links_in.clone(), self.instance);
                let mut control = self.swarm.behaviour().streams.new_control();
                let protocol = self.names.stream.clone();
                let timeout = self.profile.open_timeout;
                let task = tokio::spawn(async move {
                    let open = async {
                        let mut stream =
                            control.open_stream(peer, protocol).await.map_err(|error| error.to_string())?;
                        let instance =
                            link::open(&mut stream, &instance).await.map_err(|error| error.to_string())?;
                        Ok((instance, stream))
                    };
                    let message = match tokio::time::timeout(timeout, open).await {
                        Ok(Ok((instance, stream))) => LinkMessage::Ready { peer, instance, stream },
                        Ok(Err(reason)) => LinkMessage::OpenFailed { peer, reason },
                        Err(_) => LinkMessage::OpenFailed { peer, reason: "timed out".into() },
                    };
                    // The mesh task may be gone.
                    let _ = links.send(message).await;
                });
                link.opening = Some(task.abort_handle());
            }
        }
        for connection in late {
            tracing::debug!("connection without a stream closed");
            self.swarm.close_connection(connection);
        }
    }

    pub(super) fn on_link_message(&mut self, message: LinkMessage) {
        match message {
            LinkMessage::Ready { peer, instance, stream } => self.start_link(peer, instance, stream),
            LinkMessage::OpenFailed { peer, reason } => {
                tracing::debug!(%peer, reason, "stream not opened");
                self.open_again(&peer);
            }
            LinkMessage::Fault { peer, fault } => {
                self.tell_fault(peer, fault);
            }
            LinkMessage::Ended { peer, serial, reason } => {
                let Some(link) = self.peers.get_mut(&peer) else {
                    return;
                };
                if link.running.as_ref().is_some_and(|running| running.serial == serial) {
                    link.running = None;
                    if link.connection.is_some() {
                        link.deadline = Some(Instant::now() + self.profile.link_timeout);
                    }
                    self.targets.down(&peer, &reason, Instant::now(), unix_ms());
                    self.on_peer_down();
                    self.open_again(&peer);
                    self.forget_if_idle(&peer);
                }
            }
        }
    }

    /// Ends the connections of those that would not be let in now.
    pub(super) fn recheck_due(&mut self, now: Instant) {
        if now < self.recheck_at {
            return;
        }
        self.recheck_at = now + self.profile.recheck_interval;
        for (peer, credential) in self.pairs.live() {
            let checked = match self.check.is_member(&peer) {
                true => self.check.check(&peer, &credential).map_err(RefusalReason::Credential),
                false => Err(RefusalReason::NotEnrolled),
            };
            let Err(reason) = checked else { continue };
            let remote = self.peers.get(&peer).and_then(|link| link.remote.clone());
            let remote = remote.unwrap_or_else(Multiaddr::empty);
            self.refuse(Refusal {
                remote,
                peer: Some(peer),
                inbound: true,
                reason: reason.clone(),
                credential: Some(credential),
                count: 1,
            });
            self.cut(peer, &reason.to_string());
        }
    }

    /// Ends the link and the connection with a peer.
    pub(super) fn cut(&mut self, peer: PeerId, reason: &str) {
        self.stop_link(&peer, reason);
        // Not connected is fine, too.
        let _ = self.swarm.disconnect_peer_id(peer);
    }

    fn open_again(&mut self, peer: &PeerId) {
        if let Some(link) = self.peers.get_mut(peer) {
            link.opening = None;
            if link.connection.is_some() && self.local < *peer {
                link.open_at = Some(Instant::now() + self.profile.redial_min);
            }
        }
    }

    fn start_link(&mut self, peer: PeerId, instance: Instance, stream: Stream) {
        // A stream of a connection that was replaced meanwhile is let go; the opener opens another.
        let credential = self.pairs.credential(&peer, &instance);
        let connected = self.peers.get(&peer).is_some_and(|link| link.connection.is_some());
        let Some(credential) = credential.filter(|_| connected && !self.pairs.is_blocked(&peer)) else {
            self.open_again(&peer);
            return;
        };
        let previous = self.stop_link(&peer, "replaced by a new stream");
        self.serial += 1;
        let serial = self.serial;
        let (stop, stopped) = watch::channel(None);
        let ready = Ready { peer, instance, credential, stream };
        let (outboxes, events, links) = (self.outboxes.clone(), self.events.clone(), self.links_in.clone());
        let answer_timeout = self.profile.answer_timeout;
        let task = tokio::spawn(async move {
            let reason = link::run(ready, previous, outboxes, events, answer_timeout, stopped).await;
            // The mesh task may be gone.
            let _ = links.send(LinkMessage::Ended { peer, serial, reason }).await;
        });
        tracing::debug!(%peer, "peer up");
        let link = self.peers.entry(peer).or_default();
        link.opening = None;
        link.deadline = None;
        link.running = Some(Running { serial, stop, task });
        self.targets.up(&peer, Instant::now(), unix_ms());
        self.on_peer_up();
    }

    /// Tells the link with a peer to end; gives its task, which a next link waits for.
    pub(super) fn stop_link(&mut self, peer: &PeerId, reason: &str) -> Option<JoinHandle<()>> {
        let running = self.peers.get_mut(peer)?.running.take()?;
        tracing::debug!(%peer, reason, "peer down");
        // It may have ended by itself.
        let _ = running.stop.send(Some(reason.to_owned()));
        self.targets.down(peer, reason, Instant::now(), unix_ms());
        Some(running.task)
    }

    pub(super) fn stop_all_links(&mut self, reason: &str) -> Vec<JoinHandle<()>> {
        let peers: Vec<PeerId> = self.peers.keys().copied().collect();
        peers.iter().filter_map(|peer| self.stop_link(peer, reason)).collect()
    }

    fn forget_if_idle(&mut self, peer: &PeerId) {
        if self.peers.get(peer).is_some_and(|link| link.connection.is_none() && link.running.is_none()) {
            self.peers.remove(peer);
        }
    }
}
