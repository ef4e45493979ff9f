//! `entente restore` with real stores that are copied back, real processes and real links.

use std::path::Path;
use std::time::{Duration, Instant};

use crate::cli_live::Up;
use crate::cli_support::{Hosts, entente, run, until_reached};

const NAMES: [&str; 4] = ["norden", "skywatch", "estmark", "sudria"];
/// The store and what is known of how far it got.
const FILES: [&str; 2] = ["store.redb", "store.commits"];

fn copy(from: &Path, to: &Path, files: &[&str]) {
    std::fs::create_dir_all(to).expect("a folder");
    for file in files {
        std::fs::copy(from.join(file), to.join(file)).expect("copied");
    }
}

/// Starts a node that dials those at `peers`.
fn up(dir: &Path, peers: &[String]) -> Up {
    let mut command = entente(dir);
    command.args(["up", "--listen", "/ip4/127.0.0.1/udp/0/quic-v1"]);
    peers.iter().for_each(|peer| {
        command.args(["--peer", peer]);
    });
    Up::spawn(command)
}

fn address(up: &Up) -> String {
    up.ready.trim().rsplit(' ').next().expect("an address").to_owned()
}

fn note(dir: &Path, text: &str) {
    until_reached(dir);
    let said = run(dir, &["note", text, "--wait", "ordered", "--timeout", "90s"]);
    said.done();
}

#[test]
fn a_store_that_is_copied_back_is_noticed_restored_and_gone_on_from() {
    let hosts = Hosts::init(&NAMES);
    hosts.join_all();
    let dir = hosts.dir("sudria");
    let mut others: Vec<Up> = Vec::new();
    for name in &NAMES[..3] {
        let peers: Vec<String> = others.iter().map(address).collect();
        others.push(up(&hosts.dir(name), &peers));
    }
    let peers: Vec<String> = others.iter().map(address).collect();
    let mut node = up(&dir, &peers);
    note(&dir, "before the backup");
    run(&dir, &["stop"]).done();
    assert_eq!(node.ended().code, 0);
    let backup = hosts.file("backup");
    copy(&dir, &backup, &FILES);

    // What must not be restored, or not so.
    run(&hosts.dir("norden"), &["restore", "--yes"]).refused(3, &["a node runs on this data folder", "stop"]);
    run(&dir, &["restore"]).refused(
        2,
        &["needs --yes", "seat 3", "signs nothing any more", "of 4 seats 1 may be away", "restore --yes"],
    );

    node = up(&dir, &peers);
    note(&dir, "lost with the disk");
    run(&dir, &["stop"]).done();
    assert_eq!(node.ended().code, 0);

    // The whole folder is older: the others show it what it has said.
    copy(&backup, &dir, &FILES);
    node = up(&dir, &peers);
    let ended = node.ended();
    ended.refused(9, &["older than what this node has said", "entente restore"]);
    run(&dir, &["up"]).refused(9, &["an old copy", "entente restore"]);
    let said = run(&dir, &["restore", "--yes"]);
    for word in ["sudria writes in incarnation 1", "seat 3", "signs nothing any more", "next: entente up"] {
        assert!(said.done().contains(word), "{word:?} is not in\n{}", said.out);
    }
    assert!(run(&dir, &["restore"]).done().contains("restored before"));
    node = up(&dir, &peers);
    assert!(node.ready.contains("seat 3 (silent since restore)"), "{}", node.ready);
    note(&dir, "of the second life");
    let status = run(&dir, &["status"]);
    for word in ["seat 3 of 4", "margin +0", "silent", "since restore (incarnation 1)"] {
        assert!(status.done().contains(word), "{word:?} is not in\n{}", status.out);
    }
    let log = run(&dir, &["--json", "log"]);
    let here: serde_json::Value = serde_json::from_str(log.done()).expect("JSON");
    let there: serde_json::Value =
        serde_json::from_str(run(&hosts.dir("norden"), &["--json", "log"]).done()).expect("JSON");
    let entries = |log: &serde_json::Value| {
        let leaves = log["leaves"].as_array().expect("leaves");
        leaves
            .iter()
            .filter(|leaf| leaf["kind"] == "entry")
            .map(|leaf| leaf["index"].clone())
            .collect::<Vec<_>>()
    };
    assert_eq!(entries(&here).len(), 3, "{here}");
    assert_eq!(entries(&here), entries(&there), "one log, in which nothing that was ordered is lost");
    let faults = run(&hosts.dir("norden"), &["--json", "peer", "faults"]);
    assert_eq!(faults.done().trim(), "[]", "nobody is accused");

    // Only the store comes back, and the file beside it knows better: restored at once, and then noticed again.
    run(&dir, &["stop"]).done();
    assert_eq!(node.ended().code, 0);
    copy(&backup, &dir, &FILES[..1]);
    run(&dir, &["up"]).refused(7, &["were acknowledged", "entente restore"]);
    assert!(run(&dir, &["restore", "--yes"]).done().contains("incarnation 1"));
    node = up(&dir, &peers);
    node.ended().refused(9, &["incarnation 1", "entente restore"]);
    assert!(run(&dir, &["restore", "--yes"]).done().contains("incarnation 2"));
    node = up(&dir, &peers);
    // Its log does not enrol this incarnation before it has caught up.
    let begun = Instant::now();
    loop {
        let said = run(&dir, &["note", "of the third life", "--wait", "held"]);
        if said.code == 0 {
            break;
        }
        said.refused(1, &["incarnation 2 of this node is not enrolled yet"]);
        assert!(begun.elapsed() < Duration::from_secs(90), "never enrolled");
    }
    note(&dir, "and ordered");
    run(&dir, &["stop"]).done();
    assert_eq!(node.ended().code, 0);
}

#[test]
fn what_there_is_to_restore_is_checked_first() {
    let hosts = Hosts::init(&["norden", "sudria"]);
    hosts.join_all();
    let (norden, sudria) = (hosts.dir("norden"), hosts.dir("sudria"));
    run(&norden, &["restore", "--yes"]).refused(3, &["there is no store", "store.redb"]);
    run(&hosts.file("elsewhere"), &["restore", "--yes"]).refused(3, &[]);
    let node = Up::start(&norden);
    run(&norden, &["stop"]).done();
    drop(node);
    copy(&norden, &sudria, &FILES);
    run(&sudria, &["restore", "--yes"]).refused(3, &["no backup of this node", "belongs to node"]);
    // With two partners both seats are needed.
    run(&norden, &["restore"]).refused(2, &["all 2 seats are needed", "nothing is ordered any more"]);
    std::fs::write(sudria.join("store.redb"), vec![0xA5; 8192]).expect("written");
    run(&sudria, &["restore", "--yes"]).refused(7, &["damaged"]);
}
