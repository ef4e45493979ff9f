//! The swarm: transport with the gate inside, and the behaviours behind it, guards first.
//!
//! Guarantees: no behaviour sees a connection that the gate did not pass; every protocol name, topic and key that libp2p
//! shows or stores is an HMAC of the coalition secret (except identify's own name, which only members ever see); Kademlia stores
//! nothing but provider records of the coalition's key, and routes only to peers inserted by the mesh task.

use std::{collections::HashSet, num::NonZeroU8, sync::Arc, time::Duration};

use libp2p::{
    PeerId, StreamProtocol, Swarm, Transport,
    connection_limits::{self, ConnectionLimits},
    core::{muxing::StreamMuxerBox, transport::timeout::TransportTimeout},
    gossipsub::{self, IdentTopic, MessageAuthenticity, ValidationMode, WhitelistSubscriptionFilter},
    identify,
    identity::Keypair,
    kad::{self, store::MemoryStore, store::MemoryStoreConfig},
    quic,
    swarm::{self, NetworkBehaviour, behaviour::toggle::Toggle},
};

use crate::{
    CredentialCheck,
    beacon::MAX_BEACON_BYTES,
    config::{CoalitionSecret, LinkProfile},
    gate::Gate,
    guard::{Guard, MAX_PENDING_INCOMING, MAX_PENDING_OUTGOING},
    handle::MeshError,
    pairs::Pairs,
};

/// QUIC flow control: what a peer may send ahead on one stream, and on all of a connection. The rest is for the small streams
/// beside the long-lived one.
const STREAM_WINDOW_BYTES: u32 = 1 << 20;
const CONNECTION_WINDOW_BYTES: u32 = STREAM_WINDOW_BYTES + (256 << 10);
/// What all connections that were not admitted yet can make this node keep: the windows hold from the handshake on, and nothing
/// is read before the gate but its exchange.
const MAX_UNADMITTED_BYTES: u64 = 640 << 20;
const _: () = assert!(MAX_PENDING_INCOMING as u64 * CONNECTION_WINDOW_BYTES as u64 <= MAX_UNADMITTED_BYTES);
/// At most this many streams of a peer are open.
const MAX_STREAMS: u32 = 64;
/// Addresses of one peer that are dialled at once.
const DIAL_CONCURRENCY: NonZeroU8 = NonZeroU8::new(4).expect("four");
/// At most this many providers of the coalition's key are kept; their addresses must fit one answer.
pub(crate) const MAX_PROVIDERS: usize = 128;
/// The longest wait between two askings for providers, in intervals; records are kept for twice as long.
pub(crate) const MAX_PROVIDERS_WAIT: u32 = 16;
/// At most this many provider keys are kept.
const MAX_PROVIDED_KEYS: usize = 16;
/// At most this many bytes make a Kademlia message.
pub(crate) const MAX_KAD_PACKET_BYTES: usize = 64 * 1024;
/// Room for one beacon with gossipsub's framing, signature and control messages.
const MAX_GOSSIP_BYTES: usize = 4 * MAX_BEACON_BYTES;

pub(crate) type Gossip = gossipsub::Behaviour<gossipsub::IdentityTransform, WhitelistSubscriptionFilter>;

/// The order matters: each may deny a connection before the next hears of it.
#[derive(NetworkBehaviour)]
pub(crate) struct Behaviour {
    pub(crate) limits: connection_limits::Behaviour,
    pub(crate) guard: Guard,
    pub(crate) identify: identify::Behaviour,
    pub(crate) kad: Toggle<kad::Behaviour<MemoryStore>>,
    pub(crate) gossip: Toggle<Gossip>,
    pub(crate) streams: libp2p_stream::Behaviour,
}

/// The opaque names of one coalition.
pub(crate) struct Names {
    pub(crate) topic: IdentTopic,
    pub(crate) provider_key: kad::RecordKey,
    pub(crate) stream: StreamProtocol,
    kad: StreamProtocol,
    gossip: String,
    identify: String,
}

impl Names {
    pub(crate) fn new(secret: &CoalitionSecret) -> Self {
        let protocol = |purpose: &str| {
            StreamProtocol::try_from_owned(format!("/{}", secret.opaque_name(purpose)))
                .expect("begins with a slash")
        };
        Self {
            topic: IdentTopic::new(secret.opaque_name("topic beacons")),
            provider_key: kad::RecordKey::new(&*secret.derive("provider key")),
            stream: protocol("stream protocol"),
            kad: protocol("kad protocol"),
            gossip: format!("/{}", secret.opaque_name("gossip protocol")),
            identify: secret.opaque_name("identify version"),
        }
    }
}

pub(crate) fn swarm(
    keypair: &Keypair,
    names: &Names,
    profile: &LinkProfile,
    gate: Arc<Gate>,
    check: Arc<dyn CredentialCheck>,
    pairs: Arc<Pairs>,
) -> Result<Swarm<Behaviour>, MeshError> {
    let local = PeerId::from(keypair.public());

    let mut quic = quic::Config::new(keypair);
    quic.handshake_timeout = profile.handshake_timeout;
    quic.max_idle_timeout = u32::try_from(profile.idle_timeout.as_millis())
        .map_err(|_| MeshError::Config(format!("idle time-out of {:?} is too long", profile.idle_timeout)))?;
    quic.keep_alive_interval = keep_alive(&local, profile.keep_alive);
    quic.max_concurrent_stream_limit = MAX_STREAMS;
    quic.max_stream_data = STREAM_WINDOW_BYTES;
    quic.max_connection_data = CONNECTION_WINDOW_BYTES;
    let gated = quic::tokio::Transport::new(quic)
        .map(|(peer, connection), _| (peer, StreamMuxerBox::new(connection)))
        .boxed()
        .and_then(move |(peer, muxer), point| gate.clone().run(peer, muxer, point));
    // A transport put together by hand has no time-out of its own.
    let transport = TransportTimeout::new(gated, profile.handshake_timeout + profile.gate_timeout).boxed();

    let limits = ConnectionLimits::default()
        .with_max_pending_incoming(Some(MAX_PENDING_INCOMING))
        .with_max_pending_outgoing(Some(MAX_PENDING_OUTGOING))
        .with_max_established_per_peer(Some(2));
    let behaviour = Behaviour {
        limits: connection_limits::Behaviour::new(limits),
        guard: Guard::new(check, pairs),
        identify: identify::Behaviour::new(
            identify::Config::new(names.identify.clone(), keypair.public())
                .with_agent_version(String::new())
                .with_interval(profile.identify_interval)
                .with_push_listen_addr_updates(true)
                .with_hide_listen_addrs(true),
        ),
        kad: profile.kademlia.then(|| kademlia(local, names, profile)).into(),
        gossip: match profile.beacons {
            true => Some(gossip(keypair, names, profile)?).into(),
            false => None.into(),
        },
        streams: libp2p_stream::Behaviour::new(),
    };
    let config = swarm::Config::with_tokio_executor()
        .with_dial_concurrency_factor(DIAL_CONCURRENCY)
        // QUIC's own time-out finds dead connections; one without a stream yet is in use, too.
        .with_idle_connection_timeout(profile.link_timeout * 2);
    Ok(Swarm::new(transport, behaviour, local, config))
}

/// Any packet puts off the keep-alive of both ends, so the end with the shorter interval sends them all.
fn keep_alive(local: &PeerId, longest: Duration) -> Duration {
    let last = local.to_bytes().last().copied().unwrap_or_default();
    longest - longest / 8 * u32::from(last) / 256
}

pub(crate) fn kademlia(local: PeerId, names: &Names, profile: &LinkProfile) -> kad::Behaviour<MemoryStore> {
    let store = MemoryStoreConfig {
        max_records: 0,
        max_value_bytes: 0,
        max_providers_per_key: MAX_PROVIDERS,
        max_provided_keys: MAX_PROVIDED_KEYS,
    };
    let mut config = kad::Config::new(names.kad.clone());
    config
        .set_kbucket_inserts(kad::BucketInserts::Manual)
        .set_record_filtering(kad::StoreInserts::FilterBoth)
        .set_periodic_bootstrap_interval(None)
        .set_record_ttl(None)
        .set_publication_interval(None)
        .set_replication_interval(None)
        .set_provider_record_ttl(Some(profile.providers_interval * (2 * MAX_PROVIDERS_WAIT)))
        .set_provider_publication_interval(None)
        .set_max_packet_size(MAX_KAD_PACKET_BYTES)
        .set_query_timeout(profile.handshake_timeout + profile.gate_timeout);
    let mut kad = kad::Behaviour::with_config(local, MemoryStore::with_config(local, store), config);
    // No external address is ever confirmed by others in a private mesh, so it would stay a client for ever.
    kad.set_mode(Some(kad::Mode::Server));
    kad
}

fn gossip(keypair: &Keypair, names: &Names, profile: &LinkProfile) -> Result<Gossip, MeshError> {
    let config = gossipsub::ConfigBuilder::default()
        .protocol_id_prefix(names.gossip.clone())
        .validation_mode(ValidationMode::Strict)
        .validate_messages()
        .heartbeat_interval(profile.gossip_heartbeat)
        .heartbeat_initial_delay(profile.gossip_heartbeat)
        .max_transmit_size(MAX_GOSSIP_BYTES)
        .build()
        .map_err(|error| MeshError::Config(error.to_string()))?;
    let filter = WhitelistSubscriptionFilter(HashSet::from([names.topic.hash()]));
    let mut gossip =
        Gossip::new_with_subscription_filter(MessageAuthenticity::Signed(keypair.clone()), config, filter)
            .map_err(|error| MeshError::Config(error.to_owned()))?;
    gossip.subscribe(&names.topic).map_err(|error| MeshError::Config(error.to_string()))?;
    Ok(gossip)
}
