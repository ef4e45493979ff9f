//! How the local API uses a running node.

use std::sync::Arc;
use std::time::Duration;

use entente_discovery::MeshHandle;
use entente_protocol::engine::{Engine, Held, Refused};
use entente_protocol::feed::{FeedKey, Lane};
use entente_protocol::founding::Founded;
use entente_protocol::identity::PublicKey;
use entente_protocol::record::Incident;
use entente_protocol::time::Time;
use thiserror::Error;
use tokio::sync::{mpsc, oneshot, watch};

use super::follow::Follow;
use super::members::Members;
use super::metrics::Metrics;
use super::refused::OwnRefused;
use super::turn::Local;
use super::{Stopped, clock};
use crate::api::dto::FeedView;
use crate::storage::{Identity, Store};

/// How long a submission waits for room in the engine's queue before it is refused as `backlog`.
pub const SUBMIT_WAIT: Duration = Duration::from_secs(5);

/// Why a submission has no answer that counts.
#[derive(Debug, Clone, Error)]
pub enum SubmitError {
    /// The engine refused it.
    #[error("{}", .0.reason)]
    Refused(Refused),
    /// The node stopped before it was durable here, for this reason.
    #[error("{0}")]
    Stopped(Arc<Stopped>),
}

struct Parts {
    identity: Identity,
    founded: Arc<Founded>,
    store: Arc<Store>,
    members: Arc<Members>,
    mesh: MeshHandle,
    follow: Follow,
    metrics: Metrics,
    refused: OwnRefused,
    started: Time,
    local: mpsc::Sender<Local>,
    stopped: watch::Receiver<Option<Arc<Stopped>>>,
    listening: watch::Sender<usize>,
    asked: watch::Sender<bool>,
}

/// A handle on a running node; cheap to clone.
#[derive(Clone)]
pub struct Handle(Arc<Parts>);

impl Handle {
    pub(super) fn new(
        identity: Identity,
        founded: Arc<Founded>,
        store: Arc<Store>,
        members: Arc<Members>,
        mesh: MeshHandle,
        local: mpsc::Sender<Local>,
        stopped: watch::Receiver<Option<Arc<Stopped>>>,
    ) -> Self {
        let follow = Follow::new(founded.charter().integrity.flood_per_minute);
        let metrics = Metrics::default();
        let started = clock::now();
        Self(Arc::new(Parts {
            identity,
            founded,
            store,
            members,
            mesh,
            follow,
            metrics,
            refused: OwnRefused::default(),
            started,
            local,
            stopped,
            listening: watch::Sender::new(0),
            asked: watch::Sender::new(false),
        }))
    }

    /// Who this node is.
    pub fn identity(&self) -> &Identity {
        &self.0.identity
    }

    /// What every line of the log says of this node.
    pub(super) fn span(&self) -> tracing::Span {
        let identity = self.identity();
        let partner = self.partner_of(&identity.node);
        tracing::info_span!("node", %partner, coalition = %identity.coalition)
    }

    /// The coalition.
    pub fn founded(&self) -> &Arc<Founded> {
        &self.0.founded
    }

    /// The store, for reading.
    pub fn store(&self) -> &Arc<Store> {
        &self.0.store
    }

    /// The mesh.
    pub fn mesh(&self) -> &MeshHandle {
        &self.0.mesh
    }

    /// Nodes and their names in the mesh.
    pub(crate) fn members(&self) -> &Members {
        &self.0.members
    }

    /// Waiters, followers and faults.
    pub fn follow(&self) -> &Follow {
        &self.0.follow
    }

    /// Counters.
    pub fn metrics(&self) -> &Metrics {
        &self.0.metrics
    }

    /// Own records that were refused of late.
    pub(crate) fn refused(&self) -> &OwnRefused {
        &self.0.refused
    }

    /// When the node started.
    pub fn started(&self) -> Time {
        self.0.started
    }

    /// The partner of a node, or its key where it is no member's.
    pub fn partner_of(&self, node: &PublicKey) -> String {
        self.0.members.partner(node).map_or_else(|| node.to_string(), |partner| partner.to_string())
    }

    /// A place in a feed, with its author's name.
    pub fn feed_view(&self, feed: &FeedKey, length: u64) -> FeedView {
        FeedView {
            partner: self.partner_of(&feed.node),
            node: feed.node,
            lane: feed.lane,
            incarnation: feed.incarnation,
            length,
        }
    }

    /// Submits an encoded body; returns when it is durable.
    pub async fn submit(&self, lane: Option<Lane>, body: Vec<u8>) -> Result<Held, SubmitError> {
        let (answer, answered) = oneshot::channel();
        let submit = Local::Submit { lane, body, answer };
        match self.0.local.send_timeout(submit, SUBMIT_WAIT).await {
            Ok(()) => {}
            Err(mpsc::error::SendTimeoutError::Closed(_)) => {
                return Err(SubmitError::Stopped(self.why_stopped().await));
            }
            Err(mpsc::error::SendTimeoutError::Timeout(_)) => {
                let reason = format!("{} requests wait for the engine", super::LOCAL_QUEUE);
                return Err(SubmitError::Refused(Refused { code: "backlog".into(), reason }));
            }
        }
        match answered.await {
            Ok(result) => result.map_err(SubmitError::Refused),
            Err(_) => Err(SubmitError::Stopped(self.why_stopped().await)),
        }
    }

    /// Has the engine file what this node has seen; returns when it is durable.
    pub(super) async fn file(&self, incident: Incident) -> Result<Held, SubmitError> {
        let (answer, answered) = oneshot::channel();
        if self.0.local.send(Local::File { incident, answer }).await.is_err() {
            return Err(SubmitError::Stopped(self.why_stopped().await));
        }
        match answered.await {
            Ok(result) => result.map_err(SubmitError::Refused),
            Err(_) => Err(SubmitError::Stopped(self.why_stopped().await)),
        }
    }

    /// Asks the engine, between two of its turns; `None` if the node stops.
    pub async fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&Engine, Time) -> T + Send + 'static,
    ) -> Option<T> {
        let (answer, answered) = oneshot::channel();
        let question = Box::new(move |engine: &Engine, now: Time| {
            // Who asked may have gone.
            let _ = answer.send(question(engine, now));
        });
        self.0.local.send(Local::Ask(question)).await.ok()?;
        answered.await.ok()
    }

    /// Asks the node to stop; [`super::Node::stopped`] tells when it has.
    pub async fn stop(&self) {
        // A closed queue says that it has stopped already.
        let _ = self.0.local.send(Local::Stop(Stopped::Asked)).await;
    }

    /// Asks the node to stop, without waiting behind what is in its queue.
    pub(super) fn stop_soon(&self) {
        self.0.asked.send_replace(true);
    }

    /// Changes when the node is to stop without waiting.
    pub(super) fn watch_asked(&self) -> watch::Receiver<bool> {
        self.0.asked.subscribe()
    }

    /// Stops the node because the store failed somewhere else than in the engine's thread.
    pub(crate) async fn fail(&self, why: Stopped) {
        let _ = self.0.local.send(Local::Stop(why)).await;
    }

    /// One more address is listened on.
    pub(super) fn add_listener(&self) {
        self.0.listening.send_modify(|count| *count += 1);
    }

    /// Waits until at least `count` addresses are listened on.
    pub(super) async fn until_listening(&self, count: usize) {
        // The sender lives as long as this handle.
        let _ = self.0.listening.subscribe().wait_for(|listening| *listening >= count).await;
    }

    /// Why the node has stopped, when it has.
    async fn why_stopped(&self) -> Arc<Stopped> {
        match self.watch_stopped().wait_for(Option::is_some).await {
            Ok(why) => why.clone().unwrap_or_else(|| Arc::new(Stopped::Lost)),
            Err(_) => Arc::new(Stopped::Lost),
        }
    }

    /// Changes when the node has stopped.
    pub fn watch_stopped(&self) -> watch::Receiver<Option<Arc<Stopped>>> {
        self.0.stopped.clone()
    }
}
