//! The benchmark: four processes on this machine, over loopback, with the defaults, stores on disk with fsync.
//!
//! Method. An operation is one 256 B record (a note), carried by a node, from submission to ordered. Bytes are those of
//! IP packets on the loopback interface of a network namespace of its own, both directions, acknowledgements included; where none can be
//! made they cannot be counted and are null. `docs/benchmarks.md` says how to read the figures.

mod coalition;
mod engine;

use std::fs;
use std::net::UdpSocket;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use entente_node::api::dto::{MetricsView, RecordState, StatusView, SubmitView};
use entente_node::client::Client;
use entente_node::keys;
use entente_node::paths::DataDir;
use entente_protocol::identity::{CoalitionId, SecretKey};
use entente_protocol::record::{Act, Body, Nonce, Open, Record};
use serde::Serialize;
use tokio::task::JoinSet;

use crate::network::{Error, Network, Roles};
use crate::say::say;

pub(crate) use coalition::coalition;
pub(crate) use engine::engine;

/// Bytes of a note: with its framing in a record feed, 256.
const NOTE_BYTES: usize = 253;
/// Operations before anything is measured.
const WARM_UP: usize = 100;
/// Operations one after the other by one node, for bytes.
const LONE_OPS: usize = 200;
/// Entries under one signature in the batch figure, and how many batches.
const BATCH: usize = 16;
const BATCHES: usize = 60;
/// The saturated run: so many batches of so many entries are under way per node, for so long.
const SATURATED_LANES: usize = 8;
const SATURATED_BATCH: usize = 64;
const SATURATED_FOR: Duration = Duration::from_secs(15);
/// Officer-signed records, and how many are under way per node.
const SIGNED_RECORDS: usize = 1_200;
const SIGNED_LANES: usize = 16;
/// The packet that shows what the interface counts beside IP, and its headers of IP and UDP.
const PROBE_BYTES: usize = 1_000;
const IP_UDP_HEADER_BYTES: u64 = 28;
/// How long the network may take to become quiet.
const QUIET_TIMEOUT: Duration = Duration::from_secs(60);

/// What to look at after a failure.
const SEE_LOGS: &str = "the same command again; if it stays so, read the nodes' logs in --dir DIR";

/// What `bench local` was asked for.
pub(crate) struct Options {
    pub(crate) dir: PathBuf,
    pub(crate) json: bool,
    pub(crate) ops: usize,
    pub(crate) idle_seconds: u64,
    pub(crate) inside: bool,
}

/// The figures; spans in ms, bytes at IP level.
#[derive(Debug, Serialize)]
struct Figures {
    ops_per_s: f64,
    entries_per_s: f64,
    officer_signed_per_s: f64,
    p50_ms: f64,
    p99_ms: f64,
    lone_p50_ms: f64,
    bytes_per_op_lone: Option<f64>,
    bytes_per_op_batch16: Option<f64>,
    cpu_ms_per_epoch_node: f64,
    rss_mb: f64,
    idle_bytes_per_s_link: Option<f64>,
    fdatasync_p50_ms: f64,
    commit_p50_ms: f64,
    ops: usize,
    machine: Machine,
}

#[derive(Debug, Serialize)]
struct Machine {
    cores: usize,
    cpu: String,
    kernel: String,
    file_system: String,
    release_build: bool,
}

/// Runs the benchmark.
pub(crate) async fn local(options: &Options) -> Result<(), Error> {
    if options.inside {
        raise_loopback().map_err(|error| Error::io("bring the loopback interface up", error))?;
    } else if can_have_a_namespace() {
        return in_a_namespace(options);
    } else {
        eprintln!(
            "bytes are not counted: no network namespace can be made here (it takes root, unshare and ip)"
        );
    }
    let roles = Roles::of(4)?;
    if Network::prepare(&options.dir)? && !options.json {
        say("an earlier network was left here; it is cleaned");
    }
    let mut network = Network::found(&options.dir, "airlift", &roles, true).await?;
    let figures = match measure(&mut network, options).await {
        Ok(figures) => figures,
        Err(error) => {
            network.keep_files();
            eprintln!("the nodes' logs are kept in {}", options.dir.display());
            return Err(error);
        }
    };
    network.stop_all();
    network.remove()?;
    if options.json {
        say(&serde_json::to_string(&figures).expect("plain numbers and text"));
    } else {
        print(&figures);
    }
    Ok(())
}

fn raise_loopback() -> std::io::Result<()> {
    let status = Command::new("ip").args(["link", "set", "lo", "up"]).status()?;
    if status.success() { Ok(()) } else { Err(std::io::Error::other(format!("ip ended with {status}"))) }
}

/// Whether the loopback interface of a new network namespace can be brought up.
fn can_have_a_namespace() -> bool {
    let mut command = Command::new("unshare");
    command.args(["--net", "ip", "link", "set", "lo", "up"]).stdout(Stdio::null()).stderr(Stdio::null());
    rustix::process::geteuid().is_root() && command.status().is_ok_and(|status| status.success())
}

/// Becomes this program again where the loopback interface is its own. The process stays the same one, so that signals
/// reach it.
fn in_a_namespace(options: &Options) -> Result<(), Error> {
    let program = std::env::current_exe().map_err(|error| Error::io("find this program", error))?;
    let mut command = Command::new("unshare");
    command.arg("--net").arg(program).arg("--dir").arg(&options.dir).args(["bench", "local", "--inside"]);
    command.args(["--ops", &options.ops.to_string(), "--idle-seconds", &options.idle_seconds.to_string()]);
    if options.json {
        command.arg("--json");
    }
    Err(Error::io("start the benchmark in a namespace of its own", command.exec()))
}

async fn measure(network: &mut Network, options: &Options) -> Result<Figures, Error> {
    // Before the nodes start, while the interface is still.
    let meter = Meter::new(options.inside);
    let partners = network.partners().to_vec();
    for partner in &partners {
        network.start(partner).await?;
    }
    network.until_meshed().await?;
    let clients: Vec<PathBuf> = partners.iter().map(|partner| network.data_dir(partner)).collect();
    let mut counter = Counter(0);

    one_at_a_time(&clients, WARM_UP, &mut counter).await?;
    let before = totals(&clients).await?;
    let begun = Instant::now();
    let mut latencies = one_at_a_time(&clients, options.ops, &mut counter).await?;
    let ops_per_s = latencies.len() as f64 / begun.elapsed().as_secs_f64();
    let after = totals(&clients).await?;
    latencies.sort_unstable();
    let cpu_ms_per_epoch_node =
        (after.cpu_ms - before.cpu_ms) as f64 / (after.epochs - before.epochs).max(1) as f64;

    quiet(network).await?;
    let bytes = meter.and_then(Meter::start);
    let mut lone = one_at_a_time(&clients[..1], LONE_OPS, &mut counter).await?;
    quiet(network).await?;
    let bytes_per_op_lone = bytes.and_then(|bytes| bytes.per(LONE_OPS as f64));
    lone.sort_unstable();

    let bytes = meter.and_then(Meter::start);
    for _ in 0..BATCHES {
        batch(&clients[0], &counter.notes(BATCH)).await?;
    }
    quiet(network).await?;
    let bytes_per_op_batch16 = bytes.and_then(|bytes| bytes.per((BATCH * BATCHES) as f64));

    let entries_per_s = saturated(&clients, &mut counter).await?;
    quiet(network).await?;
    let officer_signed_per_s = officer_signed(network, &clients).await?;
    quiet(network).await?;

    let bytes = meter.and_then(Meter::start);
    tokio::time::sleep(Duration::from_secs(options.idle_seconds)).await;
    let links = clients.len() * (clients.len() - 1) / 2;
    let idle_bytes_per_s_link =
        bytes.and_then(|bytes| bytes.per((options.idle_seconds.max(1) * links as u64) as f64));

    let mut metrics = Vec::new();
    for client in &clients {
        metrics.push(self::metrics(client).await?);
    }
    let rss_kb = metrics.iter().map(|metrics| metrics.rss_kb).max().unwrap_or(0);
    let commit_us = metrics.iter().map(|metrics| metrics.commit_us.p50).max().unwrap_or(0);
    Ok(Figures {
        ops_per_s,
        entries_per_s,
        officer_signed_per_s,
        p50_ms: at(&latencies, 50),
        p99_ms: at(&latencies, 99),
        lone_p50_ms: at(&lone, 50),
        bytes_per_op_lone,
        bytes_per_op_batch16,
        cpu_ms_per_epoch_node,
        rss_mb: rss_kb as f64 / 1024.0,
        idle_bytes_per_s_link,
        fdatasync_p50_ms: fdatasync(&options.dir)?,
        commit_p50_ms: commit_us as f64 / 1000.0,
        ops: latencies.len(),
        machine: machine(&options.dir),
    })
}

/// In ms: the latency below which `percent` of them lie.
fn at(sorted: &[Duration], percent: usize) -> f64 {
    let index = (sorted.len() * percent / 100).min(sorted.len().saturating_sub(1));
    sorted.get(index).map_or(f64::NAN, |latency| latency.as_secs_f64() * 1000.0)
}

/// Makes every note another one: the same would be the same record.
struct Counter(u64);

impl Counter {
    fn note(&mut self) -> Vec<u8> {
        self.0 += 1;
        let mut note = vec![b'.'; NOTE_BYTES];
        note[..8].copy_from_slice(&self.0.to_le_bytes());
        note
    }

    fn notes(&mut self, count: usize) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(count * (NOTE_BYTES + 4));
        for _ in 0..count {
            bytes.extend((NOTE_BYTES as u32).to_le_bytes());
            bytes.extend(self.note());
        }
        bytes
    }
}

fn client(dir: &Path) -> Result<Client, Error> {
    Client::new(&DataDir::new(dir))
        .map_err(|error| Error::failed(error.to_string(), "entente-testnet bench local --help"))
}

fn said(error: impl std::fmt::Display) -> Error {
    Error::failed(error.to_string(), "entente-testnet bench local --help")
}

/// Every node submits one note after the other, all nodes at once, until `ops` are ordered; their latencies.
async fn one_at_a_time(dirs: &[PathBuf], ops: usize, counter: &mut Counter) -> Result<Vec<Duration>, Error> {
    let mut tasks = JoinSet::new();
    for dir in dirs {
        let notes: Vec<Vec<u8>> = (0..ops.div_ceil(dirs.len())).map(|_| counter.note()).collect();
        let client = client(dir)?;
        tasks.spawn(async move {
            let mut latencies = Vec::with_capacity(notes.len());
            for note in notes {
                let begun = Instant::now();
                let path = "/v1/notes?wait=ordered&timeout_ms=60000";
                let view: SubmitView =
                    client.post(path, note, Duration::from_secs(70)).await.map_err(said)?;
                if view.state == RecordState::Held {
                    return Err(Error::failed(format!("a note was not ordered: {view:?}"), SEE_LOGS));
                }
                latencies.push(begun.elapsed());
            }
            Ok(latencies)
        });
    }
    let mut all = Vec::new();
    while let Some(done) = tasks.join_next().await {
        all.extend(done.map_err(said)??);
    }
    Ok(all)
}

async fn batch(dir: &Path, notes: &[u8]) -> Result<usize, Error> {
    let path = "/v1/notes/batch?wait=ordered&timeout_ms=60000";
    let views: Vec<SubmitView> =
        client(dir)?.post(path, notes.to_vec(), Duration::from_secs(70)).await.map_err(said)?;
    if views.iter().any(|view| view.state == RecordState::Held) {
        return Err(Error::failed("a batch was not ordered", SEE_LOGS));
    }
    Ok(views.len())
}

async fn saturated(dirs: &[PathBuf], counter: &mut Counter) -> Result<f64, Error> {
    let begun = Instant::now();
    let mut tasks = JoinSet::new();
    for dir in dirs {
        for _ in 0..SATURATED_LANES {
            counter.0 += 1 << 32;
            let (dir, mut own) = (dir.clone(), Counter(counter.0));
            tasks.spawn(async move {
                let mut entries = 0;
                while begun.elapsed() < SATURATED_FOR {
                    entries += batch(&dir, &own.notes(SATURATED_BATCH)).await?;
                }
                Ok::<_, Error>(entries)
            });
        }
    }
    let mut entries = 0;
    while let Some(done) = tasks.join_next().await {
        entries += done.map_err(said)??;
    }
    Ok(entries as f64 / begun.elapsed().as_secs_f64())
}

/// Records signed by officers beforehand: what is measured is what the nodes do with them.
async fn officer_signed(network: &Network, dirs: &[PathBuf]) -> Result<f64, Error> {
    let coalition: CoalitionId = network.coalition().parse().map_err(said)?;
    // The first three lead or support, and so may open.
    let dirs = &dirs[..3];
    let mut queues = Vec::new();
    for (i, dir) in dirs.iter().enumerate() {
        let key = keys::load(&DataDir::new(dir), keys::KeyKind::Officer).map_err(said)?;
        for lane in 0..SIGNED_LANES {
            let count = SIGNED_RECORDS / dirs.len() / SIGNED_LANES;
            let records =
                (0..count).map(|n| open(coalition, &key, &format!("{i}.{lane}.{n}"))).collect::<Vec<_>>();
            queues.push((dir.clone(), records));
        }
    }
    let total: usize = queues.iter().map(|(_, records)| records.len()).sum();
    let begun = Instant::now();
    let mut tasks = JoinSet::new();
    for (dir, records) in queues {
        let client = client(&dir)?;
        tasks.spawn(async move {
            for record in records {
                let path = "/v1/records?wait=ordered&timeout_ms=60000";
                let view: SubmitView =
                    client.post(path, record, Duration::from_secs(70)).await.map_err(said)?;
                if view.state == RecordState::Held {
                    return Err(Error::failed(format!("a record was not ordered: {view:?}"), SEE_LOGS));
                }
            }
            Ok(())
        });
    }
    while let Some(done) = tasks.join_next().await {
        done.map_err(said)??;
    }
    Ok(total as f64 / begun.elapsed().as_secs_f64())
}

fn open(coalition: CoalitionId, key: &SecretKey, title: &str) -> Vec<u8> {
    let open =
        Open { kind: "airlift".into(), title: title.into(), body: Default::default(), precedence: None };
    let nonce = Nonce::from_key(&key.public(), title);
    let record = Record { coalition, nonce, signer: key.public(), act: Act::Open(open) };
    Body::Signed(record.sign(key)).encode()
}

/// Waits until nothing is held and everything is certified, everywhere.
async fn quiet(network: &Network) -> Result<(), Error> {
    let until = Instant::now() + QUIET_TIMEOUT;
    let mut last = None;
    while Instant::now() < until {
        let mut sizes = Vec::new();
        for partner in network.partners() {
            let done =
                |status: &StatusView| status.held == 0 && status.epoch.applied == status.epoch.certified;
            let status = network.until_status(partner, "is quiet", done).await?;
            sizes.push(status.log.size);
        }
        let same = sizes.windows(2).all(|pair| pair[0] == pair[1]);
        if same && last.as_ref() == Some(&sizes) {
            return Ok(());
        }
        last = Some(sizes);
        // Frontiers are told a little later than what they are about.
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    Err(Error::Late { what: "the network becomes quiet".into(), limit: QUIET_TIMEOUT })
}

async fn metrics(dir: &Path) -> Result<MetricsView, Error> {
    client(dir)?.get("/v1/metrics").await.map_err(said)
}

struct Totals {
    cpu_ms: u64,
    epochs: u64,
}

/// Summed over the nodes.
async fn totals(dirs: &[PathBuf]) -> Result<Totals, Error> {
    let mut totals = Totals { cpu_ms: 0, epochs: 0 };
    for dir in dirs {
        let metrics = metrics(dir).await?;
        totals.cpu_ms += metrics.cpu_ms;
        totals.epochs += metrics.epochs;
    }
    Ok(totals)
}

/// Counts bytes of IP packets on the loopback interface of this namespace.
///
/// A burst that the sender hands over as one (generic segmentation offload) is counted with one header of IP and UDP:
/// at full packets, up to 2 % too little.
#[derive(Debug, Clone, Copy)]
struct Meter {
    /// What the interface counts with each packet, and IP does not.
    link_header: u64,
    begun: u64,
}

impl Meter {
    /// A meter, where the interface is this namespace's own and carries nothing else.
    fn new(inside: bool) -> Option<Self> {
        if !inside {
            return None;
        }
        let (before, packets) = counted()?;
        probe().ok()?;
        let (after, packets_after) = counted()?;
        let expected = PROBE_BYTES as u64 + IP_UDP_HEADER_BYTES;
        let link_header = (after - before).checked_sub(expected).filter(|_| packets_after - packets == 1)?;
        Some(Self { link_header, begun: 0 })
    }

    fn bytes(&self) -> Option<u64> {
        let (bytes, packets) = counted()?;
        Some(bytes - packets * self.link_header)
    }

    fn start(self) -> Option<Self> {
        Some(Self { begun: self.bytes()?, ..self })
    }

    fn per(&self, count: f64) -> Option<f64> {
        Some((self.bytes()? - self.begun) as f64 / count)
    }
}

/// Bytes and packets sent so far. Every packet on loopback is sent once.
fn counted() -> Option<(u64, u64)> {
    // Not from /sys, which shows the namespace that mounted it.
    let text = fs::read_to_string("/proc/self/net/dev").ok()?;
    let line = text.lines().find_map(|line| line.trim().strip_prefix("lo:"))?;
    let fields: Vec<u64> = line.split_whitespace().filter_map(|field| field.parse().ok()).collect();
    Some((*fields.get(8)?, *fields.get(9)?))
}

/// Sends one packet over loopback.
fn probe() -> std::io::Result<()> {
    let to = UdpSocket::bind("127.0.0.1:0")?;
    let from = UdpSocket::bind("127.0.0.1:0")?;
    from.send_to(&[0; PROBE_BYTES], to.local_addr()?)?;
    Ok(())
}

/// The median of 200 small writes with fdatasync on the store's file system, in ms.
fn fdatasync(dir: &Path) -> Result<f64, Error> {
    use std::io::Write as _;
    let path = dir.join("fdatasync.probe");
    let cannot = |error| Error::io("measure fdatasync", error);
    let mut file = fs::File::create(&path).map_err(cannot)?;
    let mut spans = Vec::new();
    for _ in 0..200 {
        let begun = Instant::now();
        file.write_all(&[0; 4096]).and_then(|()| file.sync_data()).map_err(cannot)?;
        spans.push(begun.elapsed());
    }
    let _ = fs::remove_file(&path);
    spans.sort_unstable();
    Ok(at(&spans, 50))
}

fn machine(dir: &Path) -> Machine {
    let first = |text: String, key: &str| {
        let line = text.lines().find(|line| line.starts_with(key)).map(str::to_owned);
        line.and_then(|line| line.split_once(':').map(|(_, value)| value.trim().to_owned()))
            .unwrap_or_default()
    };
    let output = Command::new("stat").args(["-f", "-c", "%T"]).arg(dir).output();
    Machine {
        cores: std::thread::available_parallelism().map_or(0, usize::from),
        cpu: first(fs::read_to_string("/proc/cpuinfo").unwrap_or_default(), "model name"),
        kernel: fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default().trim().to_owned(),
        file_system: output
            .map_or_else(|_| String::new(), |out| String::from_utf8_lossy(&out.stdout).trim().into()),
        release_build: !cfg!(debug_assertions),
    }
}

fn print(figures: &Figures) {
    let Machine { cores, cpu, kernel, file_system, release_build } = &figures.machine;
    let build = if *release_build { "release build" } else { "debug build: figures mean nothing" };
    say(&format!(
        "{cores} cores ({cpu}), Linux {kernel}, {file_system}; {build}; {} operations",
        figures.ops
    ));
    let bytes = |value: Option<f64>| {
        value.map_or_else(|| "null (needs root)".to_owned(), |value| format!("{value:.0}"))
    };
    for (name, value, unit) in [
        ("ops_per_s", format!("{:.0}", figures.ops_per_s), "operations/s, one at a time per node"),
        ("entries_per_s", format!("{:.0}", figures.entries_per_s), "entries/s, saturated"),
        ("officer_signed_per_s", format!("{:.0}", figures.officer_signed_per_s), "records/s"),
        ("p50_ms", format!("{:.1}", figures.p50_ms), "ms, all nodes submitting"),
        ("p99_ms", format!("{:.1}", figures.p99_ms), "ms"),
        ("lone_p50_ms", format!("{:.1}", figures.lone_p50_ms), "ms, one node submitting"),
        ("bytes_per_op_lone", bytes(figures.bytes_per_op_lone), "B at IP level, all links"),
        ("bytes_per_op_batch16", bytes(figures.bytes_per_op_batch16), "B per entry"),
        ("cpu_ms_per_epoch_node", format!("{:.1}", figures.cpu_ms_per_epoch_node), "ms"),
        ("rss_mb", format!("{:.0}", figures.rss_mb), "MiB, the largest node"),
        (
            "idle_bytes_per_s_link",
            bytes(figures.idle_bytes_per_s_link),
            "B/s per pair of nodes, both directions",
        ),
        ("fdatasync_p50_ms", format!("{:.2}", figures.fdatasync_p50_ms), "ms, 4 kB"),
        ("commit_p50_ms", format!("{:.2}", figures.commit_p50_ms), "ms, a durable transaction of the store"),
    ] {
        say(&format!("{name:<24} {value:>12}  {unit}"));
    }
}
