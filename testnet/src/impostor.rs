//! An impostor: who knows the coalition's secret, and shows in a partner's name a credential of its own making that has run out,
//! for a key that stands in no charter.

use std::sync::Arc;

use entente_discovery::{CoalitionSecret, CredentialCheck, Mesh, MeshConfig, MeshEvent, PeerId};
use entente_node::errors::CliError;
use entente_node::keys;
use entente_node::membership::Membership;
use entente_node::paths::DataDir;
use entente_node::runtime::clock;
use entente_protocol::credential::{Capability, Chain, Delegation};
use entente_protocol::time::Time;

use crate::network::{Error, Network};

/// How long ago its credential ran out.
const STALE_MS: u64 = 86_400_000;

/// It lets everybody in.
struct Anyone;

impl CredentialCheck for Anyone {
    fn check(&self, _: &PeerId, _: &[u8]) -> Result<(), String> {
        Ok(())
    }

    fn is_member(&self, _: &PeerId) -> bool {
        true
    }
}

fn cannot(error: CliError) -> Error {
    Error::failed(format!("the impostor cannot be made: {}: {}", error.what, error.why), error.next)
}

/// Dials the node of `at` as a node of `named`, and says what it is told.
///
/// Cancel-safe: its mesh ends with it.
pub(crate) async fn dial(network: &Network, named: &str, at: &str) -> Result<String, Error> {
    let dir = DataDir::new(network.data_dir(named));
    let member = Membership::load(&dir, clock::now()).map_err(cannot)?;
    let root = keys::generate().map_err(cannot)?;
    let stale = keys::generate().map_err(cannot)?;
    let delegation = Delegation::direct(
        member.founded.coalition(),
        root.public(),
        stale.public(),
        member.partner.clone(),
        Capability::Node,
        Time(clock::now().0.saturating_sub(STALE_MS)),
    );
    let credential = Chain(vec![delegation.sign(&root)]).encode();
    let secret = CoalitionSecret::new(*member.secret.as_bytes());
    let coalition = *member.founded.coalition().as_bytes();
    let mut config = MeshConfig::new(stale.seed(), secret, coalition, credential);
    let parsed = |text: &str| {
        text.trim()
            .parse()
            .map_err(|error| Error::failed(format!("no address: {text}: {error}"), "report it"))
    };
    let address = network.entente(at, &["peer", "address"]).await?;
    config.listen = vec![parsed("/ip4/127.0.0.1/udp/0/quic-v1")?];
    config.static_peers = vec![parsed(address.lines().next().unwrap_or_default())?];
    let started = Mesh::start(config, Arc::new(Anyone));
    let (mesh, mut events) =
        started.map_err(|error| Error::failed(format!("the impostor cannot start: {error}"), "report it"))?;
    let told = loop {
        match events.recv().await {
            Some(MeshEvent::Refused(refusal)) => break Ok(refusal.reason.to_string()),
            Some(_) => {}
            None => break Err(Error::failed("the impostor's mesh ended by itself", "report it")),
        }
    };
    mesh.shutdown().await;
    told
}
