//! `entente peer`: links to other nodes.

use std::time::Duration;

use clap::Subcommand;
use libp2p::Multiaddr;

use super::{Context, now};
use crate::api::dto::{AddPeer, FaultView, PeerView, PendingView};
use crate::client::segment;
use crate::config::check_address;
use crate::errors::CliError;
use crate::membership::{check_member, read_founded};
use crate::render;

/// Show and change the links to other nodes.
#[derive(Subcommand)]
pub(super) enum Command {
    /// Dial an address from now on; also after a restart, once it is known whose it is
    Add {
        /// /ip4/ADDRESS/udp/PORT/quic-v1, with or without /p2p/ID
        address: Multiaddr,
    },
    /// Show the other nodes and how they stand, addresses where nobody answered yet, and the own addresses
    List,
    /// Print the own addresses alone, the best first, for others to add
    Address,
    /// Show who did what it must not, since the node started: strangers, bad signatures, forks, ...
    Faults,
    /// Keep no link to a partner or node, until it is unblocked
    Block {
        /// A partner's name or a node's key
        who: String,
    },
    /// Allow links to a partner or node again
    Unblock {
        /// A partner's name or a node's key
        who: String,
    },
}

impl Command {
    pub(super) async fn run(&self, context: &Context) -> Result<(), CliError> {
        let client = context.client()?;
        match self {
            Self::Add { address } => {
                check_address(address).map_err(|why| {
                    CliError::config(
                        format!("cannot dial {address}"),
                        why,
                        context.hint("peer add /ip4/ADDRESS/udp/PORT/quic-v1"),
                    )
                })?;
                let coalition = context.dir.coalition();
                if coalition.exists() {
                    let named = check_member(address, &read_founded(&coalition)?.founding.charter);
                    if let Err(error) = named {
                        // The log may enrol it.
                        let peers: Vec<PeerView> = client.get("/v1/peers").await?;
                        if !peers.iter().any(|peer| address.to_string().ends_with(&peer.peer_id)) {
                            return Err(error);
                        }
                    }
                }
                let request = AddPeer { address: address.to_string() };
                let answer: serde_json::Value = client.post_json("/v1/peers", &request).await?;
                if context.json {
                    render::print_json(&answer);
                } else {
                    render::print(&format!(
                        "dialling {address} from now on; see: {}\n",
                        context.hint("peer list")
                    ));
                }
            }
            Self::List => {
                let peers: Vec<PeerView> = client.get("/v1/peers").await?;
                let pending: Vec<PendingView> = client.get("/v1/peers/pending").await?;
                let listeners: Vec<String> = client.get("/v1/listeners").await?;
                if context.json {
                    render::print_json(
                        &serde_json::json!({"peers": peers, "pending": pending, "listeners": listeners}),
                    );
                } else {
                    render::print(&render::peer::peers(&peers, now()));
                    render::print(&render::peer::pending(&pending, now()));
                    let own = listeners.iter().map(|address| format!("own address {address}\n"));
                    render::print(&own.collect::<String>());
                }
            }
            Self::Address => {
                // The first request tells a node that is not there from one that has just started.
                let _: Vec<String> = client.get("/v1/listeners").await?;
                let mut listeners: Vec<String> =
                    once_there(async || client.get("/v1/listeners").await.unwrap_or_default()).await;
                // An address of this host alone is of use only to other nodes on it.
                listeners.sort_by_key(|address| is_loopback(address));
                if context.json {
                    render::print_json(&listeners);
                } else {
                    render::print(
                        &listeners.iter().map(|address| format!("{address}\n")).collect::<String>(),
                    );
                }
            }
            Self::Faults => {
                let faults: Vec<FaultView> = client.get("/v1/faults").await?;
                if context.json {
                    render::print_json(&faults);
                } else {
                    render::print(&render::peer::faults(&faults, now()));
                }
            }
            Self::Block { who } => change(context, who, "block").await?,
            Self::Unblock { who } => change(context, who, "unblock").await?,
        }
        Ok(())
    }
}

/// Asks until the list is not empty, for a few seconds: for what a node that has just started does not have yet.
async fn once_there<T>(ask: impl AsyncFn() -> Vec<T>) -> Vec<T> {
    const PATIENCE: Duration = Duration::from_secs(5);
    const INTERVAL: Duration = Duration::from_millis(10);
    let deadline = tokio::time::Instant::now() + PATIENCE;
    loop {
        let list = ask().await;
        if !list.is_empty() || tokio::time::Instant::now() >= deadline {
            return list;
        }
        tokio::time::sleep(INTERVAL).await;
    }
}

fn is_loopback(address: &str) -> bool {
    use libp2p::multiaddr::Protocol;
    let first = address.parse::<Multiaddr>().ok().and_then(|address| {
        address.iter().next().map(|protocol| match protocol {
            Protocol::Ip4(ip) => ip.is_loopback(),
            Protocol::Ip6(ip) => ip.is_loopback() || ip.is_unicast_link_local(),
            _ => false,
        })
    });
    first.unwrap_or(true)
}

async fn change(context: &Context, who: &str, verb: &str) -> Result<(), CliError> {
    let named = segment(who).map_err(|error| CliError { next: context.hint("peer list"), ..error })?;
    let path = format!("/v1/peers/{named}/{verb}");
    let peers: Vec<PeerView> = context.client()?.post(&path, Vec::new(), Duration::ZERO).await?;
    if context.json {
        render::print_json(&peers);
    } else {
        render::print(&render::peer::peers(&peers, now()));
    }
    Ok(())
}
