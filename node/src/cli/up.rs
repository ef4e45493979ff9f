//! `entente up`: the node itself.
//!
//! Everything is checked before anything starts. Standard output gets one line when the node is ready; the log goes to
//! standard error, filtered by `ENTENTE_LOG` (such as `info` or `entente_node=debug,libp2p=warn`). SIGINT and SIGTERM stop
//! the node gracefully.

use std::io::IsTerminal as _;
use std::sync::Arc;

use clap::Args;
use entente_discovery::{LinkProfile, MeshError, PortPolicy};
use entente_protocol::engine::{RecoverError, Snapshots, Timing};
use libp2p::Multiaddr;
use serde_json::json;
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::EnvFilter;
use zeroize::Zeroizing;

use super::{Context, check};
use crate::config::{Config, History, Profile, check_address};
use crate::errors::{CliError, Exit};
use crate::membership::{Membership, check_member};
use crate::render;
use crate::runtime::{Node, NodeConfig, StartError, Stopped};
use crate::storage::StoreError;

/// Run the node until it is stopped.
#[derive(Args)]
pub(super) struct Up {
    /// Listen here and nowhere else: /ip4/0.0.0.0/udp/4001/quic-v1 [default: any port, the same after a restart]
    #[arg(long, value_name = "MULTIADDR")]
    listen: Vec<Multiaddr>,
    /// Dial this address, too, whatever discovery finds
    #[arg(long, value_name = "MULTIADDR")]
    peer: Vec<Multiaddr>,
    /// Write the log as JSON, one object a line
    #[arg(long)]
    log_json: bool,
}

impl Up {
    pub(super) fn run(&self, context: &Context) -> Result<(), CliError> {
        let (membership, config) = check::require(context)?;
        for (option, address) in self
            .listen
            .iter()
            .map(|address| ("--listen", address))
            .chain(self.peer.iter().map(|address| ("--peer", address)))
        {
            check_address(address).map_err(|why| {
                CliError::config(format!("cannot use {option} {address}"), why, "entente up --help")
            })?;
        }
        self.start_log();
        tokio::runtime::Builder::new_multi_thread()
            .enable_all()
            .build()
            .map_err(|error| CliError::new(Exit::Failure, "cannot start", error, "check limits: ulimit -a"))?
            .block_on(self.serve(context, membership, config))
    }

    fn start_log(&self) {
        let filter = std::env::var("ENTENTE_LOG")
            .ok()
            .and_then(|text| EnvFilter::try_new(text).ok())
            .unwrap_or_else(|| EnvFilter::new("info,libp2p=warn,libp2p_kad=error,quinn=warn"));
        let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
        // Whoever embeds this may have set a log of its own; that one stays.
        let _ = if self.log_json {
            log.json().try_init()
        } else {
            log.with_ansi(std::io::stderr().is_terminal()).with_target(false).try_init()
        };
    }

    async fn serve(&self, context: &Context, membership: Membership, config: Config) -> Result<(), CliError> {
        // Before the node starts, so that a signal during the start stops it gracefully, too.
        let mut signals = Signals::new()?;
        let coalition = membership.founded.coalition();
        let name = membership.founded.charter().name.clone();
        let partner = membership.partner.clone();
        let seat = membership.seat.as_ref().map(|(seat, _)| *seat);
        for warning in &membership.warnings {
            tracing::warn!("{warning}");
        }
        for address in config.peers.iter().chain(&self.peer) {
            // A settings file may outlive a coalition, and the log may enrol others: that is no reason not to run.
            if let Err(error) = check_member(address, membership.founded.charter()) {
                tracing::warn!(%address, "a peer is dialled only if the log enrols it: {}", error.what);
            }
        }
        let node = Node::start(self.node_config(context, membership, config)?)
            .await
            .map_err(|error| not_started(&error, context))?;
        let mesh = node.handle().mesh();
        let listeners = mesh.listeners().await.unwrap_or_default();
        let listeners = listeners
            .into_iter()
            .map(|address| address.with_p2p(mesh.local_peer()).unwrap_or_else(|address| address).to_string())
            .collect::<Vec<_>>();
        let silent = node.handle().ask(|engine, now| engine.status(now).silent).await.flatten().is_some();
        if context.json {
            render::print_json(&json!({
                "ready": true, "coalition": coalition, "name": name, "partner": partner, "seat": seat,
                "silent": silent,
                "listeners": listeners,
            }));
        } else {
            let since = if silent { " (silent since restore)" } else { "" };
            let seat = seat.map_or("no seat".into(), |seat| format!("seat {seat}{since}"));
            let listeners = listeners.join(" ");
            render::print(&format!(
                "ready: {partner}, {seat}, in {name} ({coalition}), listening on {listeners}\n"
            ));
        }
        let handle = node.handle().clone();
        let stopped = node.stopped();
        tokio::pin!(stopped);
        let why = tokio::select! {
            why = &mut stopped => why,
            () = signals.any() => {
                tracing::info!("stopping on a signal");
                handle.stop().await;
                stopped.await
            }
        };
        ended(&why)
    }

    fn node_config(
        &self,
        context: &Context,
        membership: Membership,
        config: Config,
    ) -> Result<NodeConfig, CliError> {
        let listen = if self.listen.is_empty() { config.listen } else { self.listen.clone() };
        let any = || "/ip4/0.0.0.0/udp/0/quic-v1".parse().expect("a literal that is a multiaddr");
        // A port that an operator named is that port or none.
        let port = if listen.is_empty() { PortPolicy::Preferred } else { PortPolicy::Strict };
        let (profile, timing) = match config.profile {
            Profile::Lan => (LinkProfile::lan(), Timing::LAN),
        };
        Ok(NodeConfig {
            founded: Arc::new(membership.founded),
            secret: Zeroizing::new(*membership.secret.as_bytes()),
            node: membership.node,
            chain: membership.chain,
            seat: membership.seat.map(|(_, key)| key),
            store: context.dir.store(),
            socket: context.dir.socket()?,
            listen: if listen.is_empty() { vec![any()] } else { listen },
            port,
            announce: config.announce,
            peers: config.peers.into_iter().chain(self.peer.iter().cloned()).collect(),
            profile,
            timing,
            snapshots: Snapshots {
                behind: Snapshots::DEFAULT.behind.filter(|_| config.history == History::Recent),
                ..Snapshots::DEFAULT
            },
        })
    }
}

struct Signals {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
}

impl Signals {
    fn new() -> Result<Self, CliError> {
        let listen = |kind| {
            signal(kind).map_err(|error| {
                CliError::new(Exit::Failure, "cannot listen for signals", error, "check limits: ulimit -a")
            })
        };
        Ok(Self { interrupt: listen(SignalKind::interrupt())?, terminate: listen(SignalKind::terminate())? })
    }

    async fn any(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

fn exit(code: u8) -> Exit {
    [Exit::Config, Exit::NodeDown, Exit::Corrupt, Exit::Rollback]
        .into_iter()
        .find(|exit| *exit as u8 == code)
        .unwrap_or(Exit::Failure)
}

fn not_started(error: &StartError, context: &Context) -> CliError {
    let what = match error {
        StartError::Mesh(MeshError::PortInUse { .. }) => "cannot listen: the port is in use",
        StartError::Store(StoreError::InUse { .. }) => "another node runs on this data folder",
        StartError::Store(StoreError::DiskFull { .. }) => "the disk is full",
        StartError::Store(error) if error.is_damage() => "the store is damaged; this node does not start",
        StartError::Recover(_) if error.exit_code() == Exit::Corrupt as u8 => {
            "the store is damaged; this node does not start"
        }
        StartError::Recover(RecoverError::RolledBack(_)) => {
            "the store is an old copy; this node does not start"
        }
        _ => "the node does not start",
    };
    let next = match error {
        StartError::Store(StoreError::InUse { .. }) => context.hint("status"),
        error => error.next(),
    };
    CliError::new(exit(error.exit_code()), what, error, next)
}

fn ended(why: &Stopped) -> Result<(), CliError> {
    match why {
        Stopped::Asked => Ok(()),
        why => Err(CliError::new(
            exit(why.exit_code()),
            "the node has stopped",
            why,
            why.next().unwrap_or_default(),
        )),
    }
}
