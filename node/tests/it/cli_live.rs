//! The command line against a running node: a coalition of one agrees alone, one of two stalls.

use std::io::{BufRead as _, BufReader, Read as _};
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::process::{Child, ChildStderr, Command, Stdio};
use std::thread::JoinHandle;
use std::time::Duration;

use entente_protocol::founding::CoalitionSecret;

use crate::cli_support::{Hosts, Said, entente, run};

/// A node that runs; killed when dropped.
pub(crate) struct Up {
    child: Child,
    pub(crate) ready: String,
    said: Option<JoinHandle<String>>,
}

impl Up {
    #[track_caller]
    pub(crate) fn start(dir: &Path) -> Self {
        let mut command = entente(dir);
        command.args(["up", "--listen", "/ip4/127.0.0.1/udp/0/quic-v1"]);
        Self::spawn(command)
    }

    #[track_caller]
    pub(crate) fn spawn(mut command: Command) -> Self {
        let mut child = command
            .env("ENTENTE_LOG", "warn")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the binary can be run");
        let said = child.stderr.take().map(|mut errors: ChildStderr| {
            std::thread::spawn(move || {
                let mut text = Vec::new();
                // What cannot be read is not shown; the test still sees the exit code.
                let _ = errors.read_to_end(&mut text);
                String::from_utf8_lossy(&text).into_owned()
            })
        });
        let mut ready = String::new();
        let out = child.stdout.take().expect("piped");
        // Ends with the line, or with the process.
        BufReader::new(out).read_line(&mut ready).expect("text");
        let mut up = Self { child, ready, said };
        if up.ready.is_empty() {
            let ended = up.ended();
            panic!("the node did not start ({}):\n{}", ended.code, ended.err);
        }
        up
    }

    /// Waits for the end.
    pub(crate) fn ended(&mut self) -> Said {
        let status = self.child.wait().expect("it ends");
        let err = self.said.take().map(|said| said.join().expect("it was read")).unwrap_or_default();
        Said { code: status.code().unwrap_or(-1), out: self.ready.clone(), err }
    }
}

impl Drop for Up {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub(crate) fn first_line(said: &Said) -> String {
    said.out.lines().next().unwrap_or_default().to_owned()
}

#[test]
fn a_coalition_of_one_agrees_and_its_receipt_verifies_without_it() {
    let hosts = Hosts::init(&["norden"]);
    hosts.join_all();
    let dir = hosts.dir("norden");
    let mut node = Up::start(&dir);
    assert!(node.ready.starts_with("ready: norden, seat 0, in corridor (co-"), "{}", node.ready);
    assert!(node.ready.contains("/ip4/127.0.0.1/udp/"), "{}", node.ready);

    let open =
        ["op", "open", "--type", "airlift", "--title", "Corridor", "--set", "slot=06:40", "--key", "first"];
    let opened = run(&dir, &open);
    opened.done();
    let id = first_line(&opened);
    assert!(id.starts_with("op-") && id.len() == 55, "{id}");
    assert!(opened.out.contains("ordered at leaf"), "{}", opened.out);
    assert_eq!(first_line(&run(&dir, &open)), id, "the same key is the same operation");

    let short = &id[..10];
    let inbox = run(&dir, &["inbox"]);
    for word in ["!", "attest", "airlift: Corridor", "needs lead: norden", "op attest"] {
        assert!(inbox.done().contains(word), "{word:?} is not in\n{}", inbox.out);
    }
    let shown = run(&dir, &["op", "show", short]);
    for word in ["airlift: Corridor", &id, "06:40", "needs lead: norden"] {
        assert!(shown.done().contains(word), "{word:?} is not in\n{}", shown.out);
    }
    // A veto that nobody has used keeps nothing from being agreed.
    let lacks = shown.out.lines().filter_map(|line| line.strip_prefix("lacks")).collect::<Vec<_>>();
    assert_eq!(lacks, ["   lead: norden"], "{}", shown.out);
    let attested = run(&dir, &["op", "attest", short, "--endorse", "--wait", "agreed"]);
    assert!(attested.done().contains("agreed at leaf"), "{}", attested.out);
    assert!(run(&dir, &["op", "follow", &id]).done().starts_with("AGREED"));
    assert!(run(&dir, &["op", "list"]).done().contains("Corridor"));
    assert_eq!(run(&dir, &["inbox"]).done(), "nothing waits\n");
    assert!(run(&dir, &["log"]).done().contains("decision"));
    assert!(run(&dir, &["status"]).done().starts_with("AGREED  corridor (co-"));
    for command in [&["status"][..], &["op", "list"], &["op", "show", short], &["log"], &["peer", "list"]] {
        let json = run(&dir, &[&["--json"], command].concat());
        serde_json::from_str::<serde_json::Value>(json.done()).expect("JSON");
    }

    let file = hosts.file("first.tlog-proof").display().to_string();
    run(&dir, &["receipt", short, "-o", &file]).done();
    let json = run(&dir, &["--json", "receipt", short]);
    let json = serde_json::from_str::<serde_json::Value>(json.done()).expect("JSON");
    assert_eq!(json["receipt"], std::fs::read_to_string(&file).expect("a receipt"));
    let coalition = run(&dir, &["charter", "id", &dir.join("coalition.toml").display().to_string()]);
    let coalition = coalition.done().trim().to_owned();
    run(&dir, &["stop"]).done();
    assert_eq!(node.ended().code, 0);
    assert!(!dir.join("api.sock").exists());
    std::fs::remove_dir_all(&dir).expect("removed");
    let verified = run(&dir, &["verify", &file, "--coalition", &coalition]);
    assert!(verified.done().contains("norden endorses as lead"), "{}", verified.out);
}

#[test]
fn a_refusal_has_a_ground_a_mistake_is_taken_back_and_a_corridor_is_for_one() {
    let hosts = Hosts::init(&["norden"]);
    hosts.join_all();
    let dir = hosts.dir("norden");
    let _node = Up::start(&dir);
    let open = |title: &str, opens: &str, closes: &str| {
        let opens = format!("opens=2026-11-25T{opens}:00:00Z");
        let closes = format!("closes=2026-11-25T{closes}:00:00Z");
        let set = ["--set", "corridor=alfa", "--set", &opens, "--set", &closes];
        run(&dir, &[&["op", "open", "--type", "airlift", "--title", title][..], &set].concat())
    };
    let first = open("First", "06", "08");
    first.done();
    let id = first_line(&first);
    open("Second", "07", "09").refused(6, &["corridor alfa from", "of norden (\"First\") was opened first"]);
    open("Third", "08", "09").done();
    run(&dir, &["op", "open", "--type", "airlift", "--title", "x", "--set", "colour=red"]).refused(
        6,
        &["there is no value \"colour\" in an operation of this type; there are: aircraft, closes"],
    );

    let file = hosts.file("weather.txt");
    std::fs::write(&file, "fog").expect("written");
    let evidence = file.display().to_string();
    let object = ["op", "attest", &id, "--object", "--ground", "fog on the field", "--evidence", &evidence];
    run(&dir, &object).done();
    let why = run(&dir, &["op", "why", &id]);
    for word in [
        "missing: blocked by veto of norden",
        "norden: object as lead, on the ground: fog on the field",
        "claims: corridor alfa from 2026-11-25T06:00:00Z until 2026-11-25T08:00:00Z",
    ] {
        assert!(why.done().contains(word), "{word:?} is not in\n{}", why.out);
    }
    assert!(run(&dir, &["op", "show", &id]).done().contains("evidence "));
    run(&dir, &["op", "withdraw", &id]).done();
    run(&dir, &["op", "withdraw", &id]).refused(6, &["no attestation of norden stands there"]);
    let shown = run(&dir, &["op", "show", &id]);
    assert!(shown.done().contains("taken back by"), "{}", shown.out);
    run(&dir, &["op", "attest", &id, "--endorse", "--wait", "agreed"]).done();
    let json = run(&dir, &["--json", "op", "why", &id]);
    let json: serde_json::Value = serde_json::from_str(json.done()).expect("JSON");
    assert_eq!(json["outcome"], "agreed");
    assert_eq!(json["standing"].as_array().map(Vec::len), Some(1));
}

#[test]
fn a_feed_is_shown_with_its_hashes_signatures_and_bodies() {
    use entente_protocol::feed::{Head, Lane, body_digest, entry_hash, verify_head};
    let hosts = Hosts::init(&["norden"]);
    hosts.join_all();
    let dir = hosts.dir("norden");
    let _node = Up::start(&dir);
    for text in ["one", "two", "three"] {
        run(&dir, &["note", text]).done();
    }
    let page = |arguments: &[&str]| -> entente_node::api::dto::FeedPage {
        let said = run(&dir, &[&["--json", "feed", "norden", "routine"], arguments].concat());
        serde_json::from_str(said.done()).expect("a page")
    };
    let whole = page(&[]);
    assert_eq!((whole.length, whole.entries.len(), whole.feed.lane), (3, 3, Lane::Routine));
    assert_eq!(whole.root, whole.feed.root(&whole.coalition));
    let mut previous = whole.root;
    for (length, entry) in (1..).zip(&whole.entries) {
        let body = data_encoding::HEXLOWER.decode(entry.body.as_bytes()).expect("hex");
        previous = entry_hash(&previous, &body_digest(&body));
        assert_eq!((entry.length, entry.hash), (length, previous));
        let signature = entry.signature.expect("each was submitted alone");
        assert!(verify_head(&whole.coalition, &whole.feed, &Head { length, hash: previous }, &signature));
    }
    let part = page(&["--from", "2", "--limit", "1"]);
    assert_eq!((part.length, &part.entries[..]), (3, &whole.entries[1..2]));
    assert_eq!(page(&["--from", "9"]).entries, []);
    assert!(run(&dir, &["feed", "norden", "routine"]).done().contains("3 entries of norden (routine) held"));
    assert!(run(&dir, &["feed", "norden", "flash"]).done().contains("0 entries"));
    let node = whole.feed.node.to_string();
    assert_eq!(
        run(&dir, &["--json", "feed", &node, "routine"]).done(),
        run(&dir, &["--json", "feed", "norden", "routine"]).out
    );
    run(&dir, &["feed", "nordne", "routine"]).refused(1, &["no partner and no node", "entente peer list"]);
    run(&dir, &["feed", "norden", "slow"]).refused(2, &["no precedence"]);
}

#[test]
fn a_role_not_held_and_an_attestation_after_the_close_are_denied() {
    let hosts = Hosts::init(&["norden"]);
    hosts.join_all();
    let dir = hosts.dir("norden");
    let _node = Up::start(&dir);
    let opened = run(&dir, &["op", "open", "--type", "airlift", "--title", "Corridor"]);
    opened.done();
    let id = first_line(&opened);
    run(&dir, &["op", "attest", &id, "--endorse", "--role", "supporting"])
        .refused(6, &["may not attest as supporting", "another role in airlift: lead"]);
    run(&dir, &["op", "attest", &id, "--endorse", "--wait", "agreed"]).done();
    run(&dir, &["op", "attest", &id, "--object"])
        .refused(6, &["closed", "takes no attestations any more", "agreed"]);
    assert!(run(&dir, &["op", "show", &id]).done().starts_with("AGREED"));
    run(&dir, &["op", "show", "op-zzzz"]).refused(1, &["unknown"]);
}

#[test]
fn fewer_than_a_quorum_is_said_with_the_id_and_who_is_missing() {
    let hosts = Hosts::init(&["norden", "sudria"]);
    hosts.join_all();
    let dir = hosts.dir("norden");
    let _node = Up::start(&dir);
    let open = ["op", "open", "--type", "airlift", "--title", "Corridor"];
    let said = run(&dir, &open);
    said.refused(5, &["fewer than a quorum", "not lost", "missing: sudria"]);
    assert!(first_line(&said).starts_with("op-"), "{}", said.out);
    let held = run(&dir, &[&open[..], &["--wait", "held"]].concat());
    assert!(held.done().contains("\nheld"), "{}", held.out);
    let status = run(&dir, &["status"]);
    assert!(status.done().starts_with("STALLED"), "{}", status.out);
    for word in ["missing  sudria", "held     2 records", "custody  2 records exist only here"] {
        assert!(status.out.contains(word), "{word:?} is not in\n{}", status.out);
    }
}

#[test]
fn a_time_out_says_that_the_record_is_held() {
    let hosts = Hosts::init(&["norden"]);
    hosts.join_all();
    let dir = hosts.dir("norden");
    let _node = Up::start(&dir);
    let said = run(
        &dir,
        &["op", "open", "--type", "airlift", "--title", "Corridor", "--wait", "agreed", "--timeout", "300ms"],
    );
    said.refused(8, &["not agreed yet", "not lost"]);
    assert!(first_line(&said).starts_with("op-"), "{}", said.out);
}

#[test]
fn a_port_in_use_is_named_and_nothing_starts() {
    let hosts = Hosts::init(&["norden"]);
    hosts.join_all();
    let taken = std::net::UdpSocket::bind("127.0.0.1:0").expect("a port");
    let port = taken.local_addr().expect("bound").port().to_string();
    let address = format!("/ip4/127.0.0.1/udp/{port}/quic-v1");
    let dir = hosts.dir("norden");
    run(&dir, &["up", "--listen", &address]).refused(3, &["port is in use", &port]);
    assert!(!dir.join("api.sock").exists());
}

#[test]
fn a_second_node_on_one_folder_is_refused_and_the_first_runs_on() {
    let hosts = Hosts::init(&["norden"]);
    hosts.join_all();
    let dir = hosts.dir("norden");
    let _node = Up::start(&dir);
    let second = run(&dir, &["up", "--listen", "/ip4/127.0.0.1/udp/0/quic-v1"]);
    second.refused(3, &["another node runs on this data folder"]);
    run(&dir, &["note", "still here"]).done();
}

#[test]
fn a_corrupt_store_stops_the_node_with_7_and_names_the_damage() {
    let hosts = Hosts::init(&["norden"]);
    hosts.join_all();
    let dir = hosts.dir("norden");
    let mut node = Up::start(&dir);
    run(&dir, &["note", "a word"]).done();
    run(&dir, &["stop"]).done();
    assert_eq!(node.ended().code, 0);
    let store = std::fs::File::options().write(true).open(dir.join("store.redb")).expect("a store");
    let length = store.metadata().expect("there").len();
    // The first page says what the file is; the damage is in all the others.
    for page in (4096..length).step_by(4096) {
        store.write_all_at(&[0xa5; 64], page).expect("written");
    }
    drop(store);
    let said = run(&dir, &["up", "--listen", "/ip4/127.0.0.1/udp/0/quic-v1"]);
    said.refused(7, &["the store is damaged", "store.redb"]);
}

#[test]
fn a_full_disk_stops_the_node_and_loses_nothing_that_it_confirmed() {
    let hosts = Hosts::init(&["norden"]);
    hosts.join_all();
    let dir = hosts.dir("norden");
    let mut first = Up::start(&dir);
    run(&dir, &["note", "before"]).done();
    run(&dir, &["stop"]).done();
    assert_eq!(first.ended().code, 0);
    let length = std::fs::metadata(dir.join("store.redb")).expect("a store").len();

    // No file may grow: the signal is ignored, so that writing fails as on a full disk. Blocks of 512 bytes in a POSIX
    // shell; one that counts 1024 leaves more room, which is used up all the same.
    let mut limited = Command::new("sh");
    limited
        .args(["-c", &format!("trap '' XFSZ; ulimit -f {}; exec \"$0\" \"$@\"", length.div_ceil(512))])
        .args([env!("CARGO_BIN_EXE_entente"), "up", "--listen", "/ip4/127.0.0.1/udp/0/quic-v1"])
        .env("ENTENTE_DIR", &dir);
    let mut node = Up::spawn(limited);
    let big = "x".repeat(12_000);
    let mut confirmed = Vec::new();
    let refused = loop {
        let said = run(&dir, &["note", &big, "--wait", "held"]);
        if said.code != 0 {
            break said;
        }
        confirmed.push(first_line(&said));
        assert!(confirmed.len() < 5_000, "the disk never fills");
    };
    // Either it came too late, and there is no node, or it was in the commit that failed.
    match refused.code {
        1 => refused.refused(1, &["disk_full", "was not made durable", "make room"]),
        _ => refused.refused(4, &["node"]),
    };
    let ended = node.ended();
    assert_eq!(ended.code, 1, "{}", ended.err);
    assert!(ended.err.contains("disk full"), "{}", ended.err);
    assert!(!ended.err.contains("panicked"), "{}", ended.err);

    let _again = Up::start(&dir);
    run(&dir, &["note", "after"]).done();
    let log: serde_json::Value =
        serde_json::from_str(run(&dir, &["--json", "log", "--limit", "10000"]).done()).expect("JSON");
    let text = log.to_string();
    for id in &confirmed {
        assert!(text.contains(id.as_str()), "{id} was confirmed and is not ordered");
    }
}

/// Follows a node's events until the first fault, as JSON.
fn first_fault(dir: &Path) -> impl FnOnce() -> String {
    let mut following = entente(dir)
        .args(["--json", "op", "follow", "--all"])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("the binary can be run");
    let events = BufReader::new(following.stdout.take().expect("piped"));
    let (found, fault) = std::sync::mpsc::channel();
    let reading = std::thread::spawn(move || {
        let faults = events.lines().map_while(Result::ok).filter(|line| line.contains("\"event\":\"fault\""));
        // Nobody listens any more once one has come.
        faults.take(1).for_each(|line| found.send(line).unwrap_or_default());
    });
    move || {
        let fault = fault.recv_timeout(Duration::from_secs(60));
        following.kill().expect("it was not waited for");
        following.wait().expect("it ends");
        reading.join().expect("it has read");
        fault.expect("a fault is told")
    }
}

/// The best address of a node without its id: whoever answers there has to prove that it is a member.
fn bare_address(dir: &Path) -> String {
    let address = first_line(&run(dir, &["peer", "address"]));
    address.split("/p2p/").next().unwrap_or_default().to_owned()
}

#[test]
fn who_does_not_know_the_secret_is_a_fault_and_the_node_goes_on() {
    let hosts = Hosts::init(&["norden", "sudria"]);
    let file = hosts.join_all();
    let text = std::fs::read_to_string(&file).expect("text");
    let secret = text.split('"').nth(1).expect("the secret");
    let other = CoalitionSecret::from_bytes([8; 32]);
    let pretender = hosts.dir("sudria");
    std::fs::write(pretender.join("coalition.toml"), text.replace(secret, &other.to_text()))
        .expect("written");

    let dir = hosts.dir("norden");
    let _node = Up::start(&dir);
    let fault = first_fault(&dir);
    let _pretender = Up::start(&pretender);
    run(&pretender, &["peer", "add", &bare_address(&dir)]).done();
    let fault = fault();
    assert!(fault.contains("\"code\":\"stranger\""), "{fault}");
    assert!(fault.contains("does not know the coalition secret"), "{fault}");
    let faults = run(&dir, &["peer", "faults"]);
    assert!(faults.done().contains("stranger"), "{}", faults.out);
    run(&dir, &["note", "still here", "--wait", "held"]).done();
}

#[test]
fn a_node_of_another_coalition_learns_no_member() {
    let (hosts, strangers) = (Hosts::init(&["norden", "sudria"]), Hosts::init(&["stranger"]));
    hosts.join_all();
    strangers.join_all();
    let (dir, stranger) = (hosts.dir("norden"), strangers.dir("stranger"));
    let _node = Up::start(&dir);
    let _stranger = Up::start(&stranger);
    let address = first_line(&run(&dir, &["peer", "address"]));
    run(&stranger, &["peer", "add", &address]).refused(3, &["is no node of corridor"]);
    let fault = first_fault(&stranger);
    run(&stranger, &["peer", "add", &bare_address(&dir)]).done();
    let fault = fault();
    assert!(fault.contains("\"code\":\"stranger\"") && fault.contains("not enrolled"), "{fault}");
    let peers = run(&stranger, &["peer", "list"]);
    assert!(!peers.done().contains("norden") && !peers.out.contains("sudria"), "{}", peers.out);
    assert!(run(&stranger, &["status"]).done().starts_with("AGREED"));
    run(&dir, &["note", "still here", "--wait", "held"]).done();
}

#[test]
fn a_signal_stops_the_node_gracefully() {
    let hosts = Hosts::init(&["norden"]);
    hosts.join_all();
    let dir = hosts.dir("norden");
    let mut node = Up::start(&dir);
    let kill = Command::new("kill").args(["-TERM", &node.child.id().to_string()]).status();
    assert!(kill.expect("kill can be run").success());
    assert_eq!(node.ended().code, 0);
    assert!(!dir.join("api.sock").exists());
    run(&dir, &["status"]).refused(4, &["no node is running here"]);
}

#[test]
fn a_node_that_was_stopped_can_be_started_at_once() {
    let hosts = Hosts::init(&["norden"]);
    hosts.join_all();
    let dir = hosts.dir("norden");
    let mut before = Up::start(&dir);
    for _ in 0..8 {
        assert_eq!(run(&dir, &["stop"]).done(), "stopped\n");
        let after = Up::start(&dir);
        assert_eq!(before.ended().code, 0);
        before = after;
    }
}

#[test]
fn an_asset_is_lent_and_recalled_and_a_mistake_says_what_to_do() {
    let hosts = Hosts::init(&["norden"]);
    hosts.join_all();
    let dir = hosts.dir("norden");
    let _node = Up::start(&dir);
    let empty = run(&dir, &["asset", "list"]);
    assert!(empty.done().starts_with("no assets yet; next: entente"), "{}", empty.out);
    let declare = ["asset", "declare", "lift-7", "--kind", "c-130", "--label", "one transport"];
    assert!(run(&dir, &declare).done().contains(": applied"));
    let again = run(&dir, &declare);
    assert_eq!(again.code, 6, "{}", again.err);
    assert!(again.err.contains("norden has declared an asset lift-7 already"), "{}", again.err);
    assert!(again.err.contains("asset list"), "{}", again.err);
    let open = ["op", "open", "--type", "airlift", "--title", "Corridor"];
    let id = first_line(&run(&dir, &open));
    let lend = |end: &[&str]| run(&dir, &[&["asset", "contribute", "lift-7", &id[..12]], end].concat());
    let unclear = lend(&["--to", "norden"]);
    assert_eq!(unclear.code, 2, "{}", unclear.err);
    assert!(unclear.err.contains("--control lead --to norden"), "{}", unclear.err);
    let unknown = run(&dir, &["asset", "recall", "lift-8"]);
    assert!(unknown.err.contains("norden has no asset lift-8"), "{}", unknown.err);
    assert!(unknown.err.contains("asset list --owner norden"), "{}", unknown.err);
    lend(&["--control", "lead", "--to", "norden", "--caveat", "by day"]).done();
    let listed = run(&dir, &["asset", "list", "--owner", "norden"]);
    for word in ["lift-7", "c-130", "Corridor", "caveat: by day", "norden while leading"] {
        assert!(listed.done().contains(word), "{word:?} is not in\n{}", listed.out);
    }
    let json = run(&dir, &["--json", "asset", "list"]);
    let json = serde_json::from_str::<serde_json::Value>(json.done()).expect("JSON");
    assert_eq!((&json[0]["operation"], &json[0]["controller"]), (&id.as_str().into(), &"norden".into()));
    let waits = run(&dir, &["asset", "recall", "lift-7", "--wait", "agreed"]);
    assert!(waits.err.contains("wait for held or ordered"), "{}", waits.err);
    run(&dir, &["asset", "recall", "lift-7", "--ground", "needed at home"]).done();
    assert!(run(&dir, &["asset", "list"]).done().contains("recalled: needed at home"));
}
