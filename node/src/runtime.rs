//! A running node: store, engine, mesh and local API of one node in one coalition.
//!
//! Guarantees: the engine runs on a thread of its own, behind bounded queues; what its inputs cause is durable before
//! anything of it leaves (`turn`); a slow peer slows its own stream and nobody else; a full queue refuses or waits and
//! is never grown. The wall clock enters here and nowhere below. Stopping finishes the commit under way, tells the peers and
//! removes the socket; a stop by the engine or the store acknowledges nothing that is not durable, and has its own exit code.
//!
//! How: `mesh` turns the mesh's events into inputs, `serve` answers what peers lack straight from the store, `follow`
//! tells waiters and followers what has happened, and [`Handle`] is how the local API uses all this.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use entente_discovery::{
    CoalitionSecret, LinkProfile, Mesh, MeshConfig, MeshError, Multiaddr, PortPolicy, decode_book,
};
use entente_protocol::credential::Chain;
use entente_protocol::engine::{Config, Effect, Engine, Halt, Input, RecoverError, Snapshots, Timing};
use entente_protocol::founding::Founded;
use entente_protocol::identity::SecretKey;
use thiserror::Error;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;
use tracing::Instrument as _;
use zeroize::Zeroizing;

use crate::api;
use crate::storage::{Identity, Store, StoreError};

pub mod clock;
pub mod exhibits;
pub mod faults;
pub mod follow;
mod handle;
pub mod incidents;
mod members;
mod mesh;
pub mod metrics;
mod rate;
pub mod refused;
mod serve;
mod turn;

pub use handle::{Handle, SUBMIT_WAIT, SubmitError};
pub use mesh::PEER_QUEUE;
pub use serve::{MAX_WANTS, SERVE_AHEAD_BYTES, SERVE_BURST_BYTES, SERVE_BYTES_PER_S};
pub use turn::{LOCAL_QUEUE, MAX_TURN_INPUTS};

use members::Members;

/// How long a start waits for its listeners; a node that cannot listen yet can still dial.
const LISTEN_TIMEOUT: Duration = Duration::from_secs(5);

/// Name of the peer book in the store.
pub(crate) const BOOK: &str = "book";

/// What a node is started with. It has no `Debug`, because it holds keys.
pub struct NodeConfig {
    /// The coalition.
    pub founded: Arc<Founded>,
    /// The coalition's secret, 32 random bytes.
    pub secret: Zeroizing<[u8; 32]>,
    /// The node's key.
    pub node: SecretKey,
    /// The chain that enrols it, where it is not that of the founding.
    pub chain: Option<Chain>,
    /// The seat's key, if this node votes.
    pub seat: Option<SecretKey>,
    /// The store's file.
    pub store: PathBuf,
    /// The local API's socket.
    pub socket: PathBuf,
    /// Addresses to listen on.
    pub listen: Vec<Multiaddr>,
    /// What to do when a port is taken.
    pub port: PortPolicy,
    /// Addresses to announce besides those listened on.
    pub announce: Vec<Multiaddr>,
    /// Addresses to dial.
    pub peers: Vec<Multiaddr>,
    /// The kind of link.
    pub profile: LinkProfile,
    /// The engine's spans on that kind of link.
    pub timing: Timing,
    /// When the state is copied, and when a peer's copy is taken.
    pub snapshots: Snapshots,
}

/// Why a node did not start.
#[derive(Debug, Error)]
pub enum StartError {
    /// The store cannot be used.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The engine cannot start from it.
    #[error(transparent)]
    Recover(#[from] RecoverError),
    /// The mesh did not start.
    #[error(transparent)]
    Mesh(#[from] MeshError),
    /// The node's key has no valid credential in the charter.
    #[error("this node is not enrolled in coalition {0}")]
    NotEnrolled(String),
    /// The socket cannot be made.
    #[error("the socket {}: {why}", path.display())]
    Socket {
        /// Its path.
        path: PathBuf,
        /// Why not.
        why: String,
    },
    /// The operating system refused something else.
    #[error("{what}: {source}")]
    System {
        /// What was asked of it.
        what: &'static str,
        /// Why not.
        source: std::io::Error,
    },
}

impl StartError {
    /// The exit code of the program.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Store(error) => store_exit_code(error),
            Self::Recover(RecoverError::Damage(_)) => 7,
            Self::Recover(RecoverError::RolledBack(_)) => 9,
            Self::Recover(_) | Self::NotEnrolled(_) | Self::Mesh(_) | Self::Socket { .. } => 3,
            Self::System { .. } => 1,
        }
    }

    /// What to do about it.
    pub fn next(&self) -> String {
        match self {
            Self::Store(error) => error.next(),
            Self::Recover(RecoverError::Damage(_)) => {
                "put a backup of the store in its place, then: entente restore; the other partners have lost nothing"
                    .into()
            }
            Self::Recover(RecoverError::RolledBack(_)) => "entente restore".into(),
            Self::Recover(_) | Self::NotEnrolled(_) => {
                "join the coalition whose charter names these keys".into()
            }
            Self::Mesh(MeshError::PortInUse { .. }) => {
                "choose another port: entente up --listen MULTIADDR".into()
            }
            Self::Mesh(_) => "check listen, announce and peers: entente config check".into(),
            Self::Socket { .. } => {
                "use a shorter --dir, or stop the node that runs there: entente stop".into()
            }
            Self::System { .. } => "check the limits of this user: ulimit -a".into(),
        }
    }
}

fn store_exit_code(error: &StoreError) -> u8 {
    match error {
        StoreError::Damage { .. } => 7,
        StoreError::Foreign { .. } | StoreError::Format { .. } | StoreError::InUse { .. } => 3,
        StoreError::DiskFull { .. } | StoreError::Io { .. } | StoreError::Closed { .. } => 1,
    }
}

/// Why a node has stopped.
#[derive(Debug, Error)]
pub enum Stopped {
    /// It was asked to.
    #[error("stopped")]
    Asked,
    /// Going on would be unsafe.
    #[error("{0}")]
    Halted(Halt),
    /// The store failed.
    #[error(transparent)]
    Storage(#[from] StoreError),
    /// The engine's thread ended without saying why.
    #[error("the engine ended unexpectedly")]
    Lost,
}

impl Stopped {
    /// The exit code of the program.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Asked => 0,
            Self::Halted(Halt::Rollback { .. }) => 9,
            Self::Halted(Halt::Contradicted { .. } | Halt::Damage(_)) => 7,
            Self::Storage(error) => store_exit_code(error),
            Self::Lost => 1,
        }
    }

    /// A stable word for it, as in the errors of the local API.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Asked => "stopping",
            Self::Halted(Halt::Rollback { .. }) => "rollback",
            Self::Halted(Halt::Contradicted { .. }) => "contradicted",
            Self::Halted(Halt::Damage(_)) => "corrupt",
            Self::Storage(error) if error.is_damage() => "corrupt",
            Self::Storage(StoreError::DiskFull { .. }) => "disk_full",
            Self::Storage(
                StoreError::Foreign { .. } | StoreError::Format { .. } | StoreError::InUse { .. },
            ) => "config",
            Self::Storage(_) => "storage",
            Self::Lost => "failure",
        }
    }

    /// What to do about it.
    pub fn next(&self) -> Option<String> {
        match self {
            Self::Asked => None,
            Self::Halted(Halt::Rollback { .. }) => Some("entente restore".into()),
            Self::Halted(_) => Some(
                "keep the data folder for analysis and restore a good copy; the other partners have lost nothing".into(),
            ),
            Self::Storage(error) => Some(error.next()),
            Self::Lost => Some("start it again: entente up".into()),
        }
    }
}

/// A node that runs. Dropping it stops it without waiting.
pub struct Node {
    handle: Handle,
    stopped: watch::Receiver<Option<Arc<Stopped>>>,
    engine: Option<std::thread::JoinHandle<()>>,
    tasks: Vec<JoinHandle<()>>,
    api: JoinHandle<()>,
    socket: PathBuf,
}

impl Node {
    /// Opens the store, recovers the engine, and starts mesh and local API, in this order; returns when it
    /// listens. Must be called within a
    /// multi-threaded tokio runtime.
    pub async fn start(config: NodeConfig) -> Result<Self, StartError> {
        let NodeConfig {
            founded,
            secret,
            node,
            chain,
            seat,
            store,
            socket,
            listen,
            port,
            announce,
            peers,
            profile,
            timing,
            snapshots,
        } = config;
        let coalition = founded.coalition();
        let chain = chain.or_else(|| founded.chain(&node.public()).cloned());
        let own = chain.as_ref().and_then(Chain::leaf).filter(|leaf| leaf.subject == node.public());
        let (Some(chain), Some(partner)) = (&chain, own.map(|leaf| leaf.partner.clone())) else {
            return Err(StartError::NotEnrolled(coalition.to_string()));
        };
        let credential = chain.encode();
        let identity = Identity { coalition, node: node.public() };
        let mut nonce = [0; 32];
        getrandom::fill(&mut nonce)
            .map_err(|error| StartError::System { what: "random bytes", source: error.into() })?;
        let seed = node.seed();
        let engine_config = Config {
            founded: Arc::clone(&founded),
            node,
            seat,
            timing,
            snapshots,
            heeds_conviction: true,
            nonce,
        };
        let opened = tokio::task::spawn_blocking(move || {
            let store = Store::open(&store, &identity)?;
            let (engine, effects) = Engine::recover(engine_config, &store, clock::now())?;
            Ok::<_, StartError>((Arc::new(store), engine, effects))
        });
        let (store, engine, effects) = opened.await.map_err(|_| StartError::System {
            what: "opening the store",
            source: std::io::Error::other("its thread ended unexpectedly"),
        })??;

        let mut mesh_config =
            MeshConfig::new(seed, CoalitionSecret::new(*secret), *coalition.as_bytes(), credential);
        let listeners = listen.len();
        mesh_config.listen = listen;
        mesh_config.port = port;
        mesh_config.announce = announce;
        mesh_config.static_peers = peers;
        mesh_config.profile = profile;
        // A peer book only saves time: without it discovery starts from the addresses given.
        mesh_config.book = match store.get_meta(BOOK) {
            Ok(bytes) => bytes.and_then(|bytes| decode_book(&bytes).ok()).unwrap_or_default(),
            Err(damage) => {
                return Err(StoreError::Damage { path: store.path().to_owned(), damage }.into());
            }
        };
        // Before there is anything to clean up: it waits for the engine, and ends if none comes.
        let (stopping, stopped) = watch::channel(None);
        let (hand_over, handed_over) = oneshot::channel::<Work>();
        let engine_thread = std::thread::Builder::new()
            .name("engine".into())
            .spawn(move || {
                if let Ok(Work { turn, effects, frames, local }) = handed_over.blocking_recv() {
                    let why = turn.run(effects, frames, local);
                    stopping.send_replace(Some(Arc::new(why)));
                }
            })
            .map_err(|source| StartError::System { what: "the engine's thread", source })?;
        let members = Arc::new(Members::new((identity.node, partner), engine.state()));
        let listener = api::bind(&socket)?;
        let (mesh, events) = match Mesh::start(mesh_config, members.clone()) {
            Ok(started) => started,
            Err(error) => {
                api::unbind(&socket);
                return Err(error.into());
            }
        };

        // Nothing fails from here on.
        let (peer_inputs, frames) = mpsc::channel(PEER_QUEUE);
        let (local_inputs, local) = mpsc::channel(LOCAL_QUEUE);
        let handle =
            Handle::new(identity, founded, store, members, mesh.clone(), local_inputs, stopped.clone());
        let span = handle.span();
        let served = serve::Serving::new(&handle);
        let turn = turn::Turn::new(engine, handle.clone(), served);
        let mut tasks =
            vec![tokio::spawn(mesh::run(events, peer_inputs, handle.clone()).instrument(span.clone()))];
        tasks.push(tokio::spawn(faults::run(handle.clone()).instrument(span.clone())));
        tasks.push(tokio::spawn(incidents::run(handle.clone()).instrument(span.clone())));
        // A thread that is gone has dropped its word on why, which says the same.
        let _ = hand_over.send(Work { turn, effects, frames, local });
        let engine = engine_thread;
        let api = tokio::spawn(api::serve(listener, handle.clone()).instrument(span));
        tasks.push(tokio::spawn(shut_down(mesh, stopped.clone())));
        let node = Self { handle, stopped, engine: Some(engine), tasks, api, socket };
        // So that whoever started this node can be told where it is reached.
        let listening = node.handle.until_listening(listeners);
        if tokio::time::timeout(LISTEN_TIMEOUT, listening).await.is_err() {
            tracing::warn!(wanted = listeners, "not everything that was wanted is listened on");
        }
        Ok(node)
    }

    /// How others use this node.
    pub fn handle(&self) -> &Handle {
        &self.handle
    }

    /// Waits until the node has stopped, for whatever reason, and everything of it is closed. Cancel-safe until it
    /// has stopped.
    pub async fn stopped(mut self) -> Arc<Stopped> {
        let why = match self.stopped.wait_for(Option::is_some).await {
            Ok(why) => why.clone().unwrap_or_else(|| Arc::new(Stopped::Lost)),
            Err(_) => Arc::new(Stopped::Lost),
        };
        api::unbind(&self.socket);
        if let Some(engine) = self.engine.take() {
            // It has said its last word; only its drop is left.
            let _ = tokio::task::spawn_blocking(move || engine.join()).await;
        }
        let api = std::mem::replace(&mut self.api, tokio::spawn(async {}));
        let abort = api.abort_handle();
        if tokio::time::timeout(api::CLOSE_TIMEOUT, api).await.is_err() {
            abort.abort();
        }
        for task in self.tasks.drain(..) {
            let abort = task.abort_handle();
            if tokio::time::timeout(api::CLOSE_TIMEOUT, task).await.is_err() {
                abort.abort();
            }
        }
        why
    }

    /// Stops the node and waits until it has.
    pub async fn stop(self) -> Arc<Stopped> {
        self.handle.stop().await;
        self.stopped().await
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.handle.stop_soon();
        api::unbind(&self.socket);
    }
}

/// What the engine's thread is given.
struct Work {
    turn: turn::Turn,
    effects: Vec<Effect>,
    frames: mpsc::Receiver<Input>,
    local: mpsc::Receiver<turn::Local>,
}

/// Ends the mesh, so that peers see it at once, when the engine has ended.
async fn shut_down(mesh: entente_discovery::MeshHandle, mut stopped: watch::Receiver<Option<Arc<Stopped>>>) {
    // An error says that the engine's thread is gone, which is the same.
    let _ = stopped.wait_for(Option::is_some).await;
    mesh.shutdown().await;
}
