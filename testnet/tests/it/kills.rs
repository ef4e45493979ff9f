//! Real nodes, killed exactly at system calls that are effect boundaries, while all partners submit.
//!
//! The kernel stops a node that knows nothing of it at a chosen system call (`strace`, fault injection): on entering the n-th
//! `pwrite64`, `fdatasync`, `write`, `futex` or `sendmsg` of a thread, so before a commit is durable, between two of its
//! writes, before others are woken or before a datagram leaves; or having left the n-th `fdatasync`, so that a commit is durable
//! and nothing behind it has left. Small numbers hit the opening of the store and recovery, since every start after a kill
//! is killed again. What a machine without power forgets is `node/tests/it/storage_crash.rs`'s and the simulator's.
//!
//! `ENTENTE_KILLS` sets how many, `ENTENTE_SEED` which.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::os::unix::process::ExitStatusExt as _;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use entente_node::api::dto::{
    DecisionView, EvidenceView, FaultView, LeafView, LogPage, MetricsView, OperationView, RecordState,
    StatusView, SubmitView,
};
use rustix::process::{Pid, Signal, kill_process};
use sha2::{Digest as _, Sha256};

use crate::support::{LIMIT, Net, eventually, testnet, wait_for};

const PARTNERS: [&str; 4] = ["norden", "sudria", "estmark", "skywatch"];
/// Kills of one node, each in the start after the other, before it is left alone and looked at.
const SERIES: u64 = 10;
/// A number of calls that a node does not reach within this is given up: it is killed all the same.
const REACHED_WITHIN: Duration = Duration::from_secs(20);
/// Longer than any test takes.
const HELD_AFTER: &str = "100000s";

/// Where a node is killed.
#[derive(Debug, Clone, Copy)]
struct Boundary {
    call: &'static str,
    /// Having left the call; else on entering it, so that it does not happen.
    after: bool,
    /// Which call of its kind in one thread.
    nth: u64,
}

impl Boundary {
    /// Kinds of boundaries, and the greatest number of each: a few seconds' work.
    const KINDS: [(&'static str, bool, u64); 6] = [
        ("fdatasync", false, 48),
        ("fdatasync", true, 48),
        ("pwrite64", false, 320),
        ("sendmsg", false, 320),
        ("write", false, 64),
        ("futex", false, 512),
    ];

    /// All kinds in rotation; numbers of every magnitude alike.
    fn drawn(seed: u64, kill: u64) -> Self {
        let (call, after, most) = Self::KINDS[(kill % 6) as usize];
        let magnitude = draw(seed, kill, "magnitude") % u64::from(most.ilog2() + 1);
        let nth = ((1 << magnitude) + draw(seed, kill, "nth") % (1 << magnitude)).min(most);
        Self { call, after, nth }
    }

    fn name(&self) -> String {
        format!("{} {}", if self.after { "after" } else { "before" }, self.call)
    }
}

fn draw(seed: u64, kill: u64, what: &str) -> u64 {
    let hash = Sha256::digest(format!("{seed} {kill} {what}"));
    u64::from_le_bytes(*hash.first_chunk().expect("32 bytes"))
}

fn setting(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).map_or(otherwise, |text| text.parse().expect("a number"))
}

/// A node that this test started; it is killed when this is dropped.
struct Running {
    child: Child,
    traced: Option<(Boundary, PathBuf)>,
}

impl Running {
    fn start(net: &Net, partner: &str, until: Option<Boundary>) -> Self {
        let node = testnet();
        let trace = net.path().join(format!("{partner}.trace"));
        let mut command = match &until {
            None => Command::new(node.get_program()),
            Some(Boundary { call, after, nth }) => {
                let act = if *after { format!("delay_exit={HELD_AFTER}") } else { "signal=SIGKILL".into() };
                let mut strace = Command::new("strace");
                strace.args(["-f", "-qq", "-e", "signal=none", "-e", &format!("trace={call}")]);
                strace.args(["-e", &format!("inject={call}:{act}:when={nth}"), "-o"]).arg(&trace);
                strace.arg(node.get_program());
                strace
            }
        };
        let log = File::options().create(true).append(true).open(net.path().join(format!("{partner}.log")));
        let log = log.expect("a log file");
        command.args(["node", "--dir"]).arg(net.data_dir(partner));
        command.args(["up", "--listen", "/ip4/127.0.0.1/udp/0/quic-v1"]).stdin(Stdio::null());
        command.stdout(log.try_clone().expect("a second handle")).stderr(log);
        // Else the mark of the run before would be taken for this one's.
        let _ = fs::remove_file(&trace);
        let child = command.spawn().expect("strace (apt-get install strace) and the testnet's binary start");
        Self { child, traced: until.map(|boundary| (boundary, trace)) }
    }

    /// The node itself, where it is traced: the tracer's only child.
    fn node(&self) -> Option<Pid> {
        let own = self.child.id();
        let pid = match &self.traced {
            None => own,
            Some(_) => {
                let children = fs::read_to_string(format!("/proc/{own}/task/{own}/children")).ok()?;
                children.split_whitespace().next()?.parse().ok()?
            }
        };
        Pid::from_raw(i32::try_from(pid).ok()?)
    }

    /// `kill -9`: first the node, because a tracer that is killed lets go of it, then the tracer, because it waits for the end
    /// of a delay.
    fn kill(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            // It may have ended since.
            self.node().map(|node| kill_process(node, Signal::KILL));
            let _ = self.child.kill();
        }
        let _ = self.child.wait();
    }

    /// Waits until the node is dead; says whether it died at its boundary.
    fn dies(&mut self, partner: &str) -> bool {
        let (boundary, trace) = self.traced.clone().expect("only a traced node dies by itself");
        let until = Instant::now() + REACHED_WITHIN;
        loop {
            if let Some(status) = self.child.try_wait().expect("a child of this test") {
                let killed = status.signal() == Some(9);
                assert!(killed, "{partner} ended by itself before the {boundary:?}: {status}");
                return true;
            }
            if boundary.after && fs::read_to_string(&trace).is_ok_and(|text| text.contains("(DELAYED)")) {
                self.kill();
                return true;
            }
            if Instant::now() >= until {
                self.kill();
                return false;
            }
            thread::park_timeout(Duration::from_millis(5));
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Ends the writers, also when the test fails.
struct Ends<'a>(&'a AtomicBool);

impl Drop for Ends<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// What a node has acknowledged: an entry, and its leaf where that was part of the answer.
type Acknowledged = Vec<(String, Option<u64>)>;

/// Submits notes to a partner's node, alternately held and ordered.
fn write_notes(net: &Net, partner: &str, ended: &AtomicBool) -> Acknowledged {
    let (client, mut acknowledged) = (net.client(partner), Vec::new());
    for number in 0.. {
        if ended.load(Ordering::Relaxed) {
            break;
        }
        let wait = if number % 2 == 0 { "held" } else { "ordered" };
        let path = format!("/v1/notes?wait={wait}&timeout_ms=5000");
        let note = format!("{partner} {number}").into_bytes();
        // A node that is killed answers nothing, or cannot be asked: then nothing was acknowledged.
        let answer: Result<SubmitView, _> = wait_for(client.post(&path, note, Duration::from_secs(6)));
        if let Ok(view) = answer {
            acknowledged.push((view.id.to_string(), view.index));
        }
        thread::park_timeout(Duration::from_millis(40));
    }
    acknowledged
}

/// Operations that all endorse, one after the other: the decisions that were acknowledged.
fn decide(net: &Net, ended: &AtomicBool) -> Vec<DecisionView> {
    let say = |partner: &str, arguments: &[&str]| {
        while !ended.load(Ordering::Relaxed) {
            let (code, said) = net.entente(partner, arguments);
            match code {
                Some(0) => return said.split_whitespace().next().map(str::to_owned),
                // Said before, and the answer was lost with the node: the operation is decided.
                Some(6) => return None,
                // No node there, a quorum away, no answer in time, or not heard of yet: it is said again.
                Some(4 | 5 | 8) => thread::park_timeout(Duration::from_millis(100)),
                Some(1) if said.contains("(unknown)") => {}
                _ => panic!("{partner} {arguments:?}: {code:?} {said}"),
            }
        }
        None
    };
    let mut decisions = Vec::new();
    for number in 0.. {
        let (title, key) = (format!("number {number}"), format!("key {number}"));
        let open = ["op", "open", "--type", "airlift", "--title", &title, "--key", &key, "--wait", "held"];
        let Some(id) = say("norden", &open) else { break };
        say("norden", &["op", "attest", &id, "--endorse"]);
        // The others have it by then.
        say("sudria", &["op", "attest", &id, "--endorse"]);
        say("estmark", &["op", "attest", &id, "--endorse", "--wait", "agreed"]);
        let view = || net.get::<OperationView>("estmark", &format!("/v1/ops/{id}"))?.decision;
        while !ended.load(Ordering::Relaxed) {
            if let Some(decision) = view() {
                decisions.push(decision);
                break;
            }
            thread::park_timeout(Duration::from_millis(50));
        }
    }
    decisions
}

/// A note that must be ordered, whatever has happened before.
fn orders(net: &Net, partner: &str) {
    let note = format!("after kill {:?}", Instant::now()).into_bytes();
    let path = format!("/v1/notes?wait=ordered&timeout_ms={}", LIMIT.as_millis());
    let view: SubmitView = wait_for(net.client(partner).post(&path, note, LIMIT)).expect("it runs");
    assert_eq!((view.state, view.code), (RecordState::Ordered, None), "{partner} does not order");
}

fn back(net: &Net, partner: &str) {
    net.until(partner, "votes", |status| status.voting && status.margin >= 0);
}

/// All certified leaves.
fn log(net: &Net, partner: &str) -> Vec<LeafView> {
    let mut leaves = Vec::new();
    loop {
        let page: LogPage =
            net.get(partner, &format!("/v1/log?from={}&limit=500", leaves.len())).expect("the node answers");
        if page.leaves.is_empty() {
            return leaves;
        }
        leaves.extend(page.leaves.into_iter().filter(|leaf| leaf.certified));
        if leaves.len() as u64 >= page.certified {
            return leaves;
        }
    }
}

#[test]
fn kills_at_effect_boundaries_lose_nothing_fork_nothing_and_hold_nobody_up() {
    let (kills, seed) = (setting("ENTENTE_KILLS", 40), setting("ENTENTE_SEED", 1));
    println!(
        "replay: ENTENTE_KILLS={kills} ENTENTE_SEED={seed} cargo test -p entente-testnet --test it kills_at"
    );
    let net = Net::up(4);
    for partner in PARTNERS {
        eventually(&format!("{partner} has stored where the others are"), || {
            net.get::<MetricsView>(partner, "/v1/metrics").filter(|metrics| metrics.remembered == 3)
        });
    }
    PARTNERS.iter().for_each(|partner| drop(net.run(&["kill", partner])));
    let plain = |partner: &str| Running::start(&net, partner, None);
    let mut nodes: BTreeMap<&str, Running> =
        PARTNERS.iter().map(|partner| (*partner, plain(partner))).collect();
    PARTNERS.iter().for_each(|partner| back(&net, partner));

    let (mut exact, mut at_once) = (BTreeMap::<String, u64>::new(), 0);
    let ended = AtomicBool::new(false);
    let (acknowledged, decisions) = thread::scope(|scope| {
        let (net, ended) = (&net, &ended);
        let ends = Ends(ended);
        let writers = PARTNERS.map(|partner| scope.spawn(move || write_notes(net, partner, ended)));
        let decider = scope.spawn(move || decide(net, ended));
        for series in 0..kills.div_ceil(SERIES) {
            let which = (draw(seed, series / 4, "first") + series) as usize % 4;
            let (victim, other) = (PARTNERS[which], PARTNERS[(which + 1) % 4]);
            for kill in series * SERIES..kills.min((series + 1) * SERIES) {
                let boundary = Boundary::drawn(seed, kill);
                nodes.remove(victim);
                let mut doomed = Running::start(net, victim, Some(boundary));
                if doomed.dies(victim) {
                    *exact.entry(boundary.name()).or_default() += 1;
                }
                orders(net, other);
                assert!(!decider.is_finished(), "who says the operations has failed");
            }
            nodes.insert(victim, plain(victim));
            back(net, victim);
            orders(net, victim);
            // The next one takes all others with it.
            let boundary = Boundary::drawn(seed, kills + series);
            nodes.remove(victim);
            let mut doomed = Running::start(net, victim, Some(boundary));
            at_once += u64::from(doomed.dies(victim));
            nodes.values_mut().for_each(Running::kill);
            nodes = PARTNERS.iter().map(|partner| (*partner, plain(partner))).collect();
            for partner in PARTNERS {
                back(net, partner);
                orders(net, partner);
            }
        }
        drop(ends);
        let notes: Acknowledged =
            writers.into_iter().flat_map(|writer| writer.join().expect("a writer")).collect();
        (notes, decider.join().expect("the decider"))
    });
    println!(
        "killed at {exact:?}, all at once {at_once} times; acknowledged {} entries and {} decisions",
        acknowledged.len(),
        decisions.len()
    );

    let done: u64 = exact.values().sum();
    assert!(done * 10 >= kills * 9, "only {done} of {kills} boundaries were reached");
    assert!(acknowledged.iter().any(|(_, index)| index.is_some()) && !decisions.is_empty());
    eventually("all have certified one tree", || {
        let status = |partner: &&str| net.get::<StatusView>(partner, "/v1/status");
        let all = PARTNERS.iter().map(status).collect::<Option<Vec<_>>>()?;
        let quiet = |status: &StatusView| {
            status.held == 0 && status.epoch.applied == status.epoch.certified && status.log == all[0].log
        };
        all.iter().all(quiet).then_some(())
    });
    let leaves = log(&net, "norden");
    let entries: BTreeMap<String, u64> = leaves
        .iter()
        .filter(|leaf| leaf.feed.is_some())
        .filter_map(|leaf| Some((leaf.id?.to_string(), leaf.index)))
        .collect();
    for (id, index) in &acknowledged {
        let found = entries.get(id);
        assert!(found.is_some(), "{id} was acknowledged and is lost");
        assert!(index.is_none() || index.as_ref() == found, "{id} was acknowledged at {index:?}: {found:?}");
    }
    let said = leaves.iter().filter(|leaf| leaf.feed.is_some()).count();
    assert_eq!(said, entries.len(), "each is ordered once");
    for partner in PARTNERS {
        assert_eq!(log(&net, partner), leaves, "{partner} has another log");
        for decision in &decisions {
            let view: OperationView =
                net.get(partner, &format!("/v1/ops/{}", decision.operation)).expect("it is known");
            assert_eq!(view.decision.as_ref(), Some(decision), "{partner}");
        }
        let evidence: Vec<EvidenceView> = net.get(partner, "/v1/evidence").expect("the node answers");
        assert!(evidence.is_empty(), "{partner}: {evidence:?}");
        let faults: Vec<FaultView> = net.get(partner, "/v1/faults").expect("the node answers");
        let grave = |fault: &&FaultView| matches!(&*fault.code, "fork" | "equivocation" | "contradicted");
        assert_eq!(faults.iter().find(grave), None, "{partner}");
    }
}
