//! The mesh task: one swarm for one coalition, and everything decided about it in one place.
//!
//! Guarantees: all state is owned by one task; it never waits for the node (events wait in bounded or merged form until there
//! is room), so calls on the handle are answered however slow the node reads. Assumes a tokio runtime with time and I/O.

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    io::ErrorKind,
    net::{SocketAddr, UdpSocket},
    sync::Arc,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use futures::StreamExt;
use libp2p::{
    Multiaddr, PeerId, Swarm,
    core::transport::ListenerId,
    identity::Keypair,
    multiaddr::Protocol,
    swarm::{ConnectionId, dial_opts::DialOpts},
};
use tokio::{
    sync::{mpsc, watch},
    task::AbortHandle,
};

use crate::{
    CredentialCheck,
    beacon::Allowance,
    behaviour::{self, Behaviour, Names},
    book::BookEntry,
    config::{LinkProfile, MeshConfig, PortPolicy, ip_of, split_address, udp_port, with_udp_port},
    dial::Targets,
    event::{Instance, LinkFault, MeshEvent, Refusals},
    gate::{Gate, GateParts, GateReport, MAX_CREDENTIAL_BYTES},
    handle::{Command, MAX_COMMANDS, MeshError, MeshHandle, PeerSource},
    link::Outboxes,
    pairs::Pairs,
};

mod discovery;
mod links;
mod network;

use links::{LinkMessage, PeerLink};

/// At most this many events wait for the node; then frames wait in the network.
pub const EVENT_QUEUE: usize = 128;
/// At most this many reports of the gate wait for the mesh task.
const MAX_GATE_REPORTS: usize = 1024;
/// At most this many events other than frames wait for room; further ones are dropped.
const MAX_PENDING_EVENTS: usize = 4096;
/// At most this many reports of link tasks wait for the mesh task; then those tasks wait.
const MAX_LINK_MESSAGES: usize = 1024;
/// Closing all connections at shutdown takes at most this long.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(2);
/// How often a stopping node looks whether its ports are free again.
const PORT_POLL: Duration = Duration::from_millis(10);

/// The mesh of one coalition.
pub struct Mesh;

impl Mesh {
    /// Starts the mesh as a task of the present tokio runtime, and gives its handle and its events. It stops when all handles or
    /// the events' receiver are dropped.
    ///
    /// # Errors
    /// [`MeshError::PortInUse`] for a taken port under [`PortPolicy::Strict`], [`MeshError::Listen`] for an address that
    /// cannot be listened on at all, [`MeshError::Address`] and [`MeshError::Config`] for a configuration that does not fit.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub fn start(
        config: MeshConfig,
        check: Arc<dyn CredentialCheck>,
    ) -> Result<(MeshHandle, mpsc::Receiver<MeshEvent>), MeshError> {
        if config.credential.len() > MAX_CREDENTIAL_BYTES {
            let bytes = config.credential.len();
            return Err(MeshError::Config(format!(
                "credential of {bytes} bytes, at most {MAX_CREDENTIAL_BYTES}"
            )));
        }
        let profile = config.profile;
        let providers_wait = profile.providers_interval;
        if profile.keep_alive * 2 > profile.idle_timeout {
            return Err(MeshError::Config("keep-alive is above half of the idle time-out".into()));
        }
        // libp2p-tls honours it without asking; nothing else here would tell the operator.
        if std::env::var_os("SSLKEYLOGFILE").is_some() {
            tracing::warn!("SSLKEYLOGFILE is set: the keys of all QUIC sessions are written to that file");
        }
        let keypair = Keypair::ed25519_from_bytes(config.node_key_seed.to_vec())
            .map_err(|error| MeshError::Config(error.to_string()))?;
        let local = PeerId::from(keypair.public());
        let mut instance = Instance::default();
        getrandom::fill(&mut instance).map_err(|error| MeshError::Config(error.to_string()))?;

        let (closes_in, closes) = mpsc::unbounded_channel();
        let (reports_in, reports) = mpsc::channel(MAX_GATE_REPORTS);
        let (links_in, links) = mpsc::channel(MAX_LINK_MESSAGES);
        let (commands_in, commands) = mpsc::channel(MAX_COMMANDS);
        let (events, events_out) = mpsc::channel(EVENT_QUEUE);
        let (stopped_in, stopped) = watch::channel(false);

        let names = Names::new(&config.secret);
        let pairs = Pairs::new(local, profile.simultaneous_window, closes_in);
        let gate = Gate::new(GateParts {
            local,
            secret: config.secret,
            network: config.network,
            instance,
            credential: config.credential,
            check: check.clone(),
            pairs: pairs.clone(),
            reports: reports_in,
            timeout: profile.gate_timeout,
        });
        let mut swarm = behaviour::swarm(&keypair, &names, &profile, gate, check.clone(), pairs.clone())?;

        let now = Instant::now();
        let mut targets = Targets::new(local, profile.clone());
        for address in config.static_peers {
            let (bare, peer) = split_address(&address).ok_or(MeshError::Address(address))?;
            if let Some(peer) = peer.filter(|peer| !check.is_member(peer)) {
                tracing::warn!(%peer, address = %bare, "not dialled: it is not enrolled in this coalition");
            } else if !targets.add_static(bare, peer, now, unix_ms()) {
                return Err(MeshError::TooManyAddresses);
            }
        }
        let own = config.book.iter().find(|entry| entry.peer == local).cloned();
        for entry in
            config.book.into_iter().filter(|entry| entry.peer != local && check.is_member(&entry.peer))
        {
            for address in entry.addresses {
                if let Some((bare, None)) = split_address(&address) {
                    targets.learn(entry.peer, bare, PeerSource::Book, now, unix_ms());
                }
            }
            targets.set_sequence(&entry.peer, entry.sequence);
        }

        let mut instead_of = HashMap::new();
        for wanted in config.listen {
            let (bare, _) = split_address(&wanted).ok_or(MeshError::Address(wanted))?;
            let remembered = own.as_ref().and_then(|own| remembered_port(&bare, &own.addresses));
            let (listener, missed) = listen(&mut swarm, &bare, remembered, config.port)?;
            if let Some(missed) = missed {
                instead_of.insert(listener, missed);
            }
        }
        let announce = config
            .announce
            .into_iter()
            .map(|address| split_address(&address).map(|(bare, _)| bare).ok_or(MeshError::Address(address)))
            .collect::<Result<_, _>>()?;

        let outboxes = Outboxes::default();
        let streams = links::accept_streams(&swarm, &names, local, instance, &profile, links_in.clone())?;
        let task = MeshTask {
            local,
            instance,
            profile,
            names,
            check,
            swarm,
            pairs,
            targets,
            dials: HashMap::new(),
            peers: BTreeMap::new(),
            serial: 0,
            outboxes: outboxes.clone(),
            streams,
            closes,
            reports,
            links_in,
            links,
            commands,
            events,
            pending: VecDeque::new(),
            refusals: Refusals::default(),
            listening: Vec::new(),
            instead_of,
            announce,
            announced: Vec::new(),
            sequence: own.map_or(0, |own| own.sequence),
            beacons: BTreeMap::new(),
            identified: BTreeMap::new(),
            recheck_at: now,
            beacon_due: None,
            providers_due: None,
            providers_wait,
            book_dirty: false,
            last_book: Vec::new(),
            untold_book: None,
        };
        tokio::spawn(async move {
            task.run().await;
            // The handle may be gone.
            let _ = stopped_in.send(true);
        });
        Ok((MeshHandle { local, commands: commands_in, outboxes, stopped }, events_out))
    }
}

/// What a dial of the mesh task was for (Kademlia's own are not in the table).
enum Dial {
    Peer(PeerId),
    Static(Multiaddr),
}

struct MeshTask {
    local: PeerId,
    instance: Instance,
    profile: LinkProfile,
    names: Names,
    check: Arc<dyn CredentialCheck>,
    swarm: Swarm<Behaviour>,
    pairs: Arc<Pairs>,
    targets: Targets,
    dials: HashMap<ConnectionId, Dial>,
    peers: BTreeMap<PeerId, PeerLink>,
    serial: u64,
    outboxes: Outboxes,
    streams: AbortHandle,
    closes: mpsc::UnboundedReceiver<ConnectionId>,
    reports: mpsc::Receiver<GateReport>,
    links_in: mpsc::Sender<LinkMessage>,
    links: mpsc::Receiver<LinkMessage>,
    commands: mpsc::Receiver<Command>,
    events: mpsc::Sender<MeshEvent>,
    pending: VecDeque<MeshEvent>,
    refusals: Refusals,
    listening: Vec<(ListenerId, Multiaddr)>,
    instead_of: HashMap<ListenerId, Multiaddr>,
    announce: Vec<Multiaddr>,
    announced: Vec<Multiaddr>,
    sequence: u64,
    /// How many beacons of a member are taken, and how many of its words in identify; there are no more rows than members.
    beacons: BTreeMap<PeerId, Allowance>,
    identified: BTreeMap<PeerId, Allowance>,
    recheck_at: Instant,
    beacon_due: Option<Instant>,
    providers_due: Option<Instant>,
    /// How long after the next asking the one after that is.
    providers_wait: Duration,
    book_dirty: bool,
    last_book: Vec<BookEntry>,
    untold_book: Option<Vec<BookEntry>>,
}

impl MeshTask {
    async fn run(mut self) {
        let events = self.events.clone();
        loop {
            self.act(Instant::now());
            self.note_book();
            let wake = self.next_due();
            let tell = !self.pending.is_empty() || self.untold_book.is_some();
            tokio::select! {
                event = self.swarm.select_next_some() => self.on_swarm_event(event),
                Some(connection) = self.closes.recv() => {
                    self.swarm.close_connection(connection);
                }
                Some(report) = self.reports.recv() => self.on_gate_report(report),
                Some(message) = self.links.recv() => self.on_link_message(message),
                command = self.commands.recv() => match command {
                    None | Some(Command::Shutdown) => break,
                    Some(command) => self.on_command(command),
                },
                Ok(room) = events.reserve(), if tell => {
                    if let Some(event) = self.next_event() {
                        room.send(event);
                    }
                }
                () = events.closed() => break,
                () = sleep_until(wake) => {}
            }
        }
        self.shut_down().await;
    }

    /// Does everything that is due.
    fn act(&mut self, now: Instant) {
        self.dial_due(now);
        self.open_due(now);
        self.recheck_due(now);
        self.discover_due(now);
        for refusal in self.refusals.due(now) {
            self.tell(MeshEvent::Refused(refusal));
        }
    }

    fn next_due(&self) -> Option<Instant> {
        [
            self.targets.next_due(),
            self.peers.values().filter_map(PeerLink::next_due).min(),
            self.beacon_due,
            self.providers_due,
            Some(self.recheck_at),
            self.refusals.next(),
        ]
        .into_iter()
        .flatten()
        .min()
    }

    fn dial_due(&mut self, now: Instant) {
        for (peer, addresses) in self.targets.due_peers(now) {
            if self.pairs.is_blocked(&peer) {
                // Unblocking schedules it again.
                if let Some(retry) = self.targets.retry(&peer) {
                    retry.next = None;
                }
                continue;
            }
            if self.swarm.is_connected(&peer) {
                self.targets.connected(&peer);
                continue;
            }
            let opts = DialOpts::peer_id(peer).addresses(addresses).build();
            let connection = opts.connection_id();
            let dialled = self.swarm.dial(opts);
            let Some(retry) = self.targets.retry(&peer) else {
                continue;
            };
            match dialled {
                Ok(()) => {
                    retry.dialling = true;
                    self.dials.insert(connection, Dial::Peer(peer));
                }
                Err(error) => retry.failed(network::dial_error(&error), &self.profile, now),
            }
        }
        for at in self.targets.due_statics(now) {
            let address = self.targets.statics[at].address.clone();
            let opts = DialOpts::unknown_peer_id().address(address.clone()).build();
            let connection = opts.connection_id();
            let retry = &mut self.targets.statics[at].retry;
            match self.swarm.dial(opts) {
                Ok(()) => {
                    retry.dialling = true;
                    self.dials.insert(connection, Dial::Static(address));
                }
                Err(error) => retry.failed(network::dial_error(&error), &self.profile, now),
            }
        }
    }

    fn on_command(&mut self, command: Command) {
        // An answer nobody waits for any more is dropped.
        match command {
            Command::AddPeer(address, reply) => {
                let added = match split_address(&address) {
                    None => Err(MeshError::Address(address)),
                    Some((_, Some(peer))) if !self.check.is_member(&peer) => {
                        Err(MeshError::NotEnrolled(peer))
                    }
                    Some((bare, peer)) => {
                        self.book_dirty = true;
                        let added = self.targets.add_static(bare, peer, Instant::now(), unix_ms());
                        if added { Ok(()) } else { Err(MeshError::TooManyAddresses) }
                    }
                };
                let _ = reply.send(added);
            }
            Command::Peers(reply) => {
                let _ = reply.send(self.targets.status(Instant::now(), &self.pairs.blocked()));
            }
            Command::Listeners(reply) => {
                let _ = reply.send(self.own_addresses());
            }
            Command::Block(peer, reply) => {
                tracing::info!(%peer, "link blocked by the operator");
                self.pairs.set_blocked(peer, true);
                self.cut(peer, "blocked by the operator");
                let _ = reply.send(());
            }
            Command::Unblock(peer, reply) => {
                tracing::info!(%peer, "link unblocked by the operator");
                self.pairs.set_blocked(peer, false);
                self.targets.unblocked(&peer, Instant::now());
                let _ = reply.send(());
            }
            Command::Shutdown => {}
        }
    }

    /// Tells the node of a fault, unless one of that kind by that peer waits to be told.
    fn tell_fault(&mut self, peer: PeerId, fault: LinkFault) {
        let kind = std::mem::discriminant(&fault);
        let same = |event: &MeshEvent| match event {
            MeshEvent::Fault { peer: by, fault } => *by == peer && std::mem::discriminant(fault) == kind,
            _ => false,
        };
        if !self.pending.iter().any(same) {
            self.tell(MeshEvent::Fault { peer, fault });
        }
    }

    /// Queues an event for the node.
    fn tell(&mut self, event: MeshEvent) {
        if self.pending.len() >= MAX_PENDING_EVENTS {
            tracing::debug!(?event, "the node reads no events; one was dropped");
            return;
        }
        self.pending.push_back(event);
    }

    /// The book is told when it differs from the last one told.
    fn note_book(&mut self) {
        if std::mem::take(&mut self.book_dirty) {
            let book = self.book();
            if book != self.last_book {
                self.last_book.clone_from(&book);
                self.untold_book = Some(book);
            }
        }
    }

    fn next_event(&mut self) -> Option<MeshEvent> {
        self.pending.pop_front().or_else(|| self.untold_book.take().map(MeshEvent::BookChanged))
    }

    async fn shut_down(mut self) {
        self.streams.abort();
        let links = self.stop_all_links("this node stops");
        let close = async {
            for link in links {
                // A link that panicked has ended, too.
                let _ = link.await;
            }
            let connected: Vec<PeerId> = self.swarm.connected_peers().copied().collect();
            for peer in connected {
                let _ = self.swarm.disconnect_peer_id(peer);
            }
            while self.swarm.connected_peers().next().is_some() {
                self.swarm.select_next_some().await;
            }
        };
        if tokio::time::timeout(SHUTDOWN_TIMEOUT, close).await.is_err() {
            tracing::warn!("some connections did not close in time");
        }
        let sockets: Vec<SocketAddr> =
            self.listening.iter().filter_map(|(_, address)| socket_of(address)).collect();
        drop(self.swarm);
        // quinn keeps the sockets until the last closing packets are out and late ones have been answered (RFC 9000, 10.2),
        // and tells nobody; a node that starts again at once wants its port back.
        let freed = async {
            while sockets.iter().any(|socket| is_taken(*socket)) {
                tokio::time::sleep(PORT_POLL).await;
            }
        };
        if tokio::time::timeout(SHUTDOWN_TIMEOUT, freed).await.is_err() {
            tracing::warn!("a port was not given back in time");
        }
    }
}

async fn sleep_until(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at.into()).await,
        None => std::future::pending().await,
    }
}

/// The wall clock, in milliseconds since the Unix epoch (0 before it).
fn unix_ms() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64)
}

/// The port this node had last time on an address of the same kind, if it is to choose one.
fn remembered_port(wanted: &Multiaddr, own: &[Multiaddr]) -> Option<u16> {
    if udp_port(wanted) != Some(0) {
        return None;
    }
    let is_v4 = |address: &Multiaddr| ip_of(address).map(|ip| ip.is_ipv4());
    own.iter().find(|address| is_v4(address) == is_v4(wanted)).and_then(udp_port)
}

/// Listens on an address, by preference at the remembered port; gives the address that was wanted if its port was taken.
fn listen(
    swarm: &mut Swarm<Behaviour>,
    address: &Multiaddr,
    remembered: Option<u16>,
    policy: PortPolicy,
) -> Result<(ListenerId, Option<Multiaddr>), MeshError> {
    let wanted = with_udp_port(address, remembered.or(udp_port(address)).unwrap_or(0));
    let error = match swarm.listen_on(wanted.clone()) {
        Ok(listener) => return Ok((listener, None)),
        Err(error) => error,
    };
    let failed = |reason: String| MeshError::Listen { address: wanted.clone(), reason };
    // libp2p hides the kind of the error; binding once more shows it.
    if !socket_of(&wanted).is_some_and(is_taken) {
        return Err(failed(network::error_text(&error)));
    }
    if policy == PortPolicy::Strict && remembered.is_none() {
        return Err(MeshError::PortInUse { address: wanted });
    }
    match swarm.listen_on(with_udp_port(address, 0)) {
        Ok(listener) => Ok((listener, Some(wanted))),
        Err(error) => Err(failed(network::error_text(&error))),
    }
}

fn socket_of(address: &Multiaddr) -> Option<SocketAddr> {
    ip_of(address).zip(udp_port(address)).map(SocketAddr::from)
}

fn is_taken(socket: SocketAddr) -> bool {
    UdpSocket::bind(socket).is_err_and(|error| error.kind() == ErrorKind::AddrInUse)
}

/// Whether an address can be of use to others: not loopback, not unspecified, not link-local.
fn is_routable(address: &Multiaddr) -> bool {
    match address.iter().next() {
        Some(Protocol::Ip4(ip)) => !ip.is_loopback() && !ip.is_unspecified() && !ip.is_link_local(),
        Some(Protocol::Ip6(ip)) => !ip.is_loopback() && !ip.is_unspecified() && !ip.is_unicast_link_local(),
        _ => false,
    }
}
