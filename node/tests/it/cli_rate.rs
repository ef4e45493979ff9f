//! What counts as a flood follows the charter in force.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use entente_discovery::{CoalitionSecret, Mesh, MeshConfig};
use entente_node::api::dto::FaultView;
use entente_protocol::coalition::IntegrityView;
use entente_protocol::identity::CoalitionId;
use entente_protocol::record::EventKind;
use serde::de::DeserializeOwned;

use crate::cli_live::{Up, first_line};
use crate::cli_support::{Hosts, run};
use crate::runtime_refused::Anyone;

/// Whatever is waited for comes within this.
const LIMIT: Duration = Duration::from_secs(90);

/// Two strangers who dial the node until they are dropped, each refused for a reason of its own, so that neither waits for the other
/// to be told: one does not know the secret, the other is not enrolled.
struct Strangers(tokio::runtime::Runtime);

impl Strangers {
    fn dial(coalition: CoalitionId, address: &str) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .expect("a runtime");
        for (seed, secret) in [(98, 8), (99, 9)] {
            let secret = CoalitionSecret::new([secret; 32]);
            let mut config = MeshConfig::new([seed; 32].into(), secret, *coalition.as_bytes(), Vec::new());
            config.listen = vec!["/ip4/127.0.0.1/udp/0/quic-v1".parse().expect("an address")];
            config.static_peers = vec![address.parse().expect("an address")];
            runtime.spawn(async move {
                let (_mesh, mut events) = Mesh::start(config, Arc::new(Anyone)).expect("starts");
                while events.recv().await.is_some() {}
            });
        }
        Self(runtime)
    }

    fn leave(self) {
        self.0.shutdown_background();
    }
}

fn list<T: DeserializeOwned>(dir: &Path, command: [&str; 2]) -> Vec<T> {
    let said = run(dir, &[&["--json"], &command[..]].concat());
    serde_json::from_str(said.done()).expect("a list")
}

#[track_caller]
fn until(what: &str, mut done: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !done() {
        assert!(begun.elapsed() < LIMIT, "{what}");
        std::thread::sleep(Duration::from_millis(100));
    }
}

#[test]
fn an_amended_rate_of_faults_holds_from_its_epoch_on_and_after_a_restart() {
    let hosts = Hosts::init(&["norden"]);
    hosts.join_all();
    let (dir, coalition) = (hosts.dir("norden"), hosts.coalition());
    let mut node = Up::start(&dir);
    let dial = || Strangers::dial(coalition, &first_line(&run(&dir, &["peer", "address"])));
    let strangers = || {
        let faults = list::<FaultView>(&dir, ["peer", "faults"]).into_iter();
        faults.filter(|fault| fault.code == "stranger").map(|fault| fault.count).sum::<u64>()
    };
    let floods = || {
        let events = list::<IntegrityView>(&dir, ["integrity", "list"]).into_iter();
        events.filter(|event| event.kind == EventKind::Flood).map(|event| event.count).sum::<u64>()
    };

    let dialled = dial();
    until("both are refused", || strangers() >= 2);
    dialled.leave();
    assert_eq!(floods(), 0, "far below the rate of the founding");

    let draft = hosts.file("next.toml").display().to_string();
    run(&dir, &["charter", "current", "-o", &draft]).done();
    let text = std::fs::read_to_string(&draft).expect("a charter");
    assert_eq!(text.matches("flood_per_minute = 600\n").count(), 1, "{text}");
    let stricter = text.replace("flood_per_minute = 600\n", "flood_per_minute = 1\n");
    std::fs::write(&draft, stricter).expect("written");
    let proposed = run(&dir, &["charter", "amend", &draft, "--reason", "strangers at the door"]);
    proposed.done();
    run(&dir, &["op", "attest", &first_line(&proposed), "--endorse", "--wait", "agreed"]).done();
    // In force from the epoch after the decision on.
    run(&dir, &["note", "one epoch more", "--wait", "ordered"]).done();
    let dialled = dial();
    until("more than one is a flood now", || floods() > 0);
    dialled.leave();
    let before = floods();

    run(&dir, &["stop"]).done();
    assert_eq!(node.ended().code, 0);
    let _node = Up::start(&dir);
    assert_eq!(floods(), before);
    let dialled = dial();
    until("the rate is that of the charter in force after a restart", || floods() > before);
    dialled.leave();
}
