//! Keys change while real nodes run: an officer is lost, a node is enrolled and revoked, a root gives way.

use std::path::Path;
use std::time::{Duration, Instant};

use crate::cli_live::{Up, first_line};
use crate::cli_support::{Hosts, Said, entente, run};

/// What must come must come within this.
const LIMIT: Duration = Duration::from_secs(90);

/// Runs a command again and again until what it says is as wanted.
#[track_caller]
fn until(dir: &Path, args: &[&str], wanted: impl Fn(&Said) -> bool) -> Said {
    let end = Instant::now() + LIMIT;
    loop {
        let said = run(dir, args);
        if wanted(&said) {
            return said;
        }
        assert!(Instant::now() < end, "{args:?}\nout: {}\nerr: {}", said.out, said.err);
        std::thread::sleep(Duration::from_millis(200));
    }
}

#[test]
fn officers_nodes_and_root_change_while_the_coalition_runs() {
    let hosts = Hosts::init(&["norden"]);
    hosts.join_all();
    let (dir, new) = (hosts.dir("norden"), hosts.dir("new"));
    let made = run(&new, &["--json", "init", "--partner", "norden"]);
    let made = serde_json::from_str::<serde_json::Value>(made.done()).expect("JSON");
    for kind in ["root", "officer", "seat", "node"] {
        assert_eq!(made[kind], hosts.key("new", kind).public().to_string(), "{kind}");
    }
    let node = Up::start(&dir);
    let text = |path: std::path::PathBuf| path.display().to_string();
    let founded = text(dir.join("coalition.toml"));
    let id = run(&dir, &["charter", "id", &founded]).done().trim().to_owned();
    let root = text(dir.join("keys/root.key"));
    let public = |host: &str, kind: &str| hosts.key(host, kind).public().to_string();
    let delegate = |to: &str, can: &str, file: &str| {
        let file = text(hosts.file(file));
        let args = ["authority", "delegate", "--key", &root, "--coalition", &id, "--partner", "norden"];
        run(&dir, &[&args[..], &["--to", to, "--can", can, "--days", "9", "-o", &file]].concat()).done();
        file
    };
    let revoke = |of: &str, file: &str| {
        let file = text(hosts.file(file));
        let args = ["authority", "revoke", "--of", of, "--coalition", &id, "--partner", "norden"];
        run(&dir, &[&args[..], &["--key", &root, "--reason", "lost at sea", "-o", &file]].concat()).done();
        file
    };

    // The officer's key is lost: the next one is granted, and brings the revocation itself.
    let (lost, next) = (public("norden", "officer"), public("new", "officer"));
    let key = text(new.join("keys/officer.key"));
    let as_next = |args: &[&str]| run(&dir, &[&["--as", &key][..], args].concat());
    as_next(&["member", "watch"])
        .refused(6, &["may not speak for any partner", "neither by its charter nor"]);
    as_next(&["note", "hello"]).refused(2, &["a note is not an officer's", "member watch"]);
    let granted = delegate(&next, "officer", "next.chain.toml");
    assert!(run(&dir, &["member", "submit", &granted]).done().contains("applied"));
    let again = run(&dir, &["member", "submit", &granted, "--key", "again"]);
    again.refused(6, &["granted", "already", "member show norden"]);
    let taken_back = revoke(&lost, "lost.revocation.toml");
    as_next(&["member", "submit", &taken_back]).done();
    let open = ["op", "open", "--type", "airlift", "--title", "Corridor", "--set", "slot=06:40"];
    let log = run(&dir, &["log"]);
    let revoked = format!("norden revokes the key {lost} of norden: lost at sea");
    assert!(log.done().contains(&revoked), "{revoked:?} is not in\n{}", log.out);
    run(&dir, &open).refused(6, &["was revoked at index"]);
    let opened = as_next(&open);
    opened.done();
    let operation = first_line(&opened);
    as_next(&["op", "attest", &operation, "--endorse", "--wait", "agreed"]).done();
    let shown = run(&dir, &["member", "show", "norden"]);
    for words in [&lost, &next, "revoked at leaf", "lost at sea", "since the founding", "carried by norden"] {
        assert!(shown.done().contains(words), "{words:?} is not in\n{}", shown.out);
    }
    let json = run(&dir, &["--json", "member", "show", "norden"]);
    let json = serde_json::from_str::<serde_json::Value>(json.done()).expect("JSON");
    assert_eq!(json["officers"], serde_json::json!([next]));
    assert!(json["keys"].as_array().expect("a list").len() >= 3);

    // A node that the charter does not name.
    run(&new, &["join", &founded]).refused(3, &["is not a member", "not in the charter", "--chain"]);
    let enrols = delegate(&public("new", "node"), "node", "node.chain.toml");
    run(&new, &["join", &founded, "--chain", &granted]).refused(3, &["does not enrol this host"]);
    run(&new, &["join", &founded, "--chain", &enrols]).refused(3, &["seat key here is not that of norden"]);
    std::fs::remove_file(new.join("keys/seat.key")).expect("removed");
    run(&new, &["join", &founded, "--chain", &enrols]).done();
    let address = node.ready.split_whitespace().find(|word| word.starts_with("/ip4")).expect("it listens");
    let mut command = entente(&new);
    command.args(["up", "--listen", "/ip4/127.0.0.1/udp/0/quic-v1", "--peer", address]);
    let _other = Up::spawn(command);
    run(&new, &["note", "early"]).refused(1, &["no node of this coalition"]);
    as_next(&["member", "submit", &enrols]).done();
    let noted = until(&new, &["note", "hello"], |said| said.code == 0);
    assert!(noted.out.contains("ordered"), "{}", noted.out);
    assert!(run(&dir, &["peer", "list"]).done().contains("norden"));
    let taken_back = revoke(&public("new", "node"), "node.revocation.toml");
    as_next(&["member", "submit", &taken_back]).done();
    assert!(!run(&dir, &["peer", "list"]).done().contains("norden"), "it is no member any more");
    until(&new, &["--json", "peer", "list"], |said| said.out.contains("\"connected\":false"));

    // The root gives way; the old one grants nothing any more.
    let rotation = text(hosts.file("root.rotation.toml"));
    let (old_root, new_root) = (public("norden", "root"), public("new", "root"));
    let args = ["authority", "rotate", "--coalition", &id, "--partner", "norden", "--old", &old_root];
    run(&dir, &[&args[..], &["--new", &old_root, "-o", &rotation]].concat()).refused(2, &["the new root is"]);
    run(&dir, &[&args[..], &["--new", &new_root, "-o", &rotation]].concat()).done();
    as_next(&["member", "submit", &rotation]).refused(3, &["not signed by the new root"]);
    run(&dir, &["authority", "sign", &rotation, "--key", &text(new.join("keys/root.key"))]).done();
    as_next(&["member", "submit", &rotation]).refused(6, &["neither the old root", "has signed"]);
    run(&dir, &["authority", "sign", &rotation, "--key", &root]).done();
    as_next(&["member", "submit", &rotation]).done();
    assert!(run(&dir, &["member", "show", "norden"]).done().contains(&new_root));
    let late = delegate(&public("norden", "seat"), "officer", "late.chain.toml");
    as_next(&["member", "submit", &late]).refused(6, &["has one purpose"]);
    let late = delegate(&new_root, "officer", "later.chain.toml");
    as_next(&["member", "submit", &late]).refused(6, &["as root"]);
    as_next(&["member", "submit", &key]).refused(3, &["secret key"]);
    as_next(&["member", "submit", &founded]).refused(3, &["it is a charter"]);
}
