//! Every error says what, why and the next command: wrong words, wrong keys, wrong ids, and decisions that are not the one
//! that was waited for.

use std::process::{Command, Stdio};
use std::time::Duration;

use entente_node::api::MAX_LOG_PAGE;
use entente_node::api::dto::{LogPage, SubmitView};
use entente_node::client::Client;
use entente_node::paths::DataDir;

use crate::cli_live::{Up, first_line};
use crate::cli_support::{DAY_MS, Hosts, entente, now, run, until_reached};

#[test]
fn texts_that_no_seat_would_accept_are_refused_before_anything_is_submitted() {
    let hosts = Hosts::init(&["norden"]);
    hosts.join_all();
    let dir = hosts.dir("norden");
    // No node runs: whoever is refused with 2 here was refused without one.
    let open = |title: &str, more: &[&str]| {
        let said = run(&dir, &[&["op", "open", "--type", "airlift", "--title", title], more].concat());
        assert!(said.out.is_empty(), "no id: {}", said.out);
        said
    };
    let long = |count: usize| "x".repeat(count);
    open(&long(121), &[])
        .refused(2, &["the title is too long", "121 bytes", "at most 120", "shorter", "entente op open"]);
    open("two\nlines", &[]).refused(2, &["the title cannot be shown", "control characters"]);
    for empty in ["", "   "] {
        open(empty, &[]).refused(2, &["the title is empty", "entente op open"]);
    }
    open("x", &["--set", &format!("slot={}", long(513))])
        .refused(2, &["the value of \"slot\" is too long", "513 bytes", "at most 512"]);
    open("x", &["--set", "slot=\u{1b}[2J"]).refused(2, &["the value of \"slot\" cannot be shown"]);
    open("x", &["--set", &format!("{}=1", long(33))])
        .refused(2, &["the name of the value", "33 bytes", "at most 32"]);
    open("x", &["--set", "slot=06:40", "--set", "slot=07:10"])
        .refused(2, &["--set gives \"slot\" more than once", "entente op open"]);
    let many = (0..33).map(|i| format!("--set=v{i}=1")).collect::<Vec<_>>();
    open("x", &many.iter().map(String::as_str).collect::<Vec<_>>())
        .refused(2, &["too many named values", "33", "at most 32"]);
    let large = (0..32).map(|i| format!("--set={i:032}={}", long(512))).collect::<Vec<_>>();
    let large = large.iter().map(String::as_str).collect::<Vec<_>>();
    let said = run(&dir, &[&["op", "open", "--type", &long(65), "--title", "x"][..], &large].concat());
    said.refused(2, &["the operation type is too long", "65 bytes"]);
    let attest = |caveat: &str| run(&dir, &["op", "attest", "op-abcdef", "--endorse", "--caveat", caveat]);
    let said = attest(&long(257));
    said.refused(
        2,
        &["the caveat is too long", "257 bytes", "at most 256", "entente op attest op-abcdef --endorse"],
    );
    assert!(said.out.is_empty(), "no id: {}", said.out);
    attest("\u{7}").refused(2, &["the caveat cannot be shown"]);

    let _node = Up::start(&dir);
    open("x", &large).refused(2, &["the record is too large", "at most 16384"]);
    run(&dir, &["op", "open", "--type", "airlift", "--title", &long(120)]).done();
}

#[test]
fn a_key_stands_for_one_content_alone() {
    let hosts = Hosts::init(&["norden"]);
    hosts.join_all();
    let dir = hosts.dir("norden");
    let _node = Up::start(&dir);
    let open = |title: &str, key: &str| {
        run(&dir, &["op", "open", "--type", "airlift", "--title", title, "--key", key])
    };
    let first = open("Corridor", "first");
    first.done();
    let id = first_line(&first);
    assert_eq!(first_line(&open("Corridor", "first")), id, "the same again is the same");
    let said = open("Other corridor", "first");
    said.refused(2, &["the key \"first\" stands for something else", &id[..10], "Corridor", "another --key"]);
    assert!(said.out.is_empty(), "no id: {}", said.out);
    open("Other corridor", "second").done();

    let attest = |stance: &str, key: &str| run(&dir, &["op", "attest", &id, stance, "--key", key]);
    attest("--object", "first").refused(2, &["the key \"first\" stands for something else"]);
    attest("--object", "word").done();
    attest("--object", "word").done();
    attest("--endorse", "word").refused(2, &["the key \"word\" stands for something else", "attested to"]);
    let said = attest("--endorse", "word-2");
    said.refused(6, &["has attested already", "--supersedes"]);
    let next =
        said.err.lines().find_map(|line| line.strip_prefix("  next: entente ")).expect("a next command");
    run(&dir, &next.split_whitespace().collect::<Vec<_>>()).done();
}

#[test]
fn an_id_that_names_nothing_or_too_much_leads_to_the_list_of_this_folder() {
    let hosts = Hosts::init(&["norden"]);
    hosts.join_all();
    let dir = hosts.dir("norden");
    let _node = Up::start(&dir);
    for title in ["one", "two"] {
        run(&dir, &["op", "open", "--type", "airlift", "--title", title]).done();
    }
    let named = dir.display().to_string();
    let list = format!("next: entente --dir {named} op list");
    for (id, code) in [("op-", 2), ("op-z", 2), ("op-0189", 2), ("op-zzzzzz", 1), ("a b", 2)] {
        for command in [&["op", "show", id][..], &["op", "attest", id, "--endorse"], &["receipt", id]] {
            run(&dir, &[&["--dir", &named], command].concat()).refused(code, &[&list]);
            run(&dir, command).refused(code, &["next: entente op list"]);
        }
    }
    run(&dir, &["peer", "block", "nordne"]).refused(1, &["no partner and no node", "entente peer list"]);
    run(&dir, &["peer", "block", "a/b"]).refused(2, &["entente peer list"]);
}

#[test]
fn as_many_leaves_are_shown_as_were_asked_for_also_where_the_node_gives_fewer_at_once() {
    let hosts = Hosts::init(&["norden"]);
    hosts.join_all();
    let dir = hosts.dir("norden");
    let _node = Up::start(&dir);
    let note = |number: u32| [4_u32.to_le_bytes(), number.to_le_bytes()].concat();
    let batch = (0..MAX_LOG_PAGE as u32 + 20).flat_map(note).collect::<Vec<_>>();
    let client = Client::new(&DataDir::new(dir.clone())).expect("a short path");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let wait = Duration::from_secs(60);
    let ordered: Vec<SubmitView> = runtime
        .block_on(client.post("/v1/notes/batch?wait=ordered&timeout_ms=60000", batch, wait))
        .expect("it runs");
    assert!(ordered.iter().all(|view| view.index.is_some()));
    let shown = |arguments: &[&str]| {
        let page: LogPage =
            serde_json::from_str(run(&dir, &[&["--json", "log"], arguments].concat()).done()).expect("JSON");
        page.leaves.iter().map(|leaf| leaf.index).collect::<Vec<_>>()
    };
    let all = shown(&["--limit", "10000"]);
    assert!(all.len() >= ordered.len() && (0..).zip(&all).all(|(index, leaf)| index == *leaf));
    assert_eq!(shown(&["--from", "7", "--limit", "1010"]), (7..1017).collect::<Vec<_>>());
    assert_eq!(shown(&["--from", "18446744073709551615"]), [0; 0]);
}

#[test]
fn a_decision_that_is_not_agreed_is_no_success_for_who_waits_for_agreed() {
    let hosts = Hosts::init(&["norden"]);
    let mut charter = hosts.charter(now(), now().plus(DAY_MS));
    for kind in &mut charter.operations {
        kind.window_ms = 2000;
    }
    hosts.join_with(&charter);
    let dir = hosts.dir("norden");
    let _node = Up::start(&dir);
    let open = |title: &str| ["op", "open", "--type", "airlift", "--title", title].map(str::to_owned);
    let waiting = |command: &[String]| {
        let more = ["--wait", "agreed", "--timeout", "60s"].map(str::to_owned);
        run(&dir, &[command, &more].concat())
    };
    let said = waiting(&open("nobody answers"));
    said.refused(1, &["is decided: expired", "needs lead: norden", "entente op show op-"]);
    assert!(said.out.contains("ordered at leaf") && !said.out.contains("agreed at leaf"), "{}", said.out);
    assert!(run(&dir, &["op", "list"]).done().contains("decided  expired"));
    let listed = run(&dir, &["--json", "op", "list"]);
    let listed: serde_json::Value = serde_json::from_str(listed.done()).expect("JSON");
    assert_eq!((&listed[0]["state"], &listed[0]["outcome"]), (&"decided".into(), &"expired".into()));

    let opened = run(&dir, &open("the lead is against"));
    opened.done();
    let object = ["op", "attest", &first_line(&opened), "--object"].map(str::to_owned);
    let said = waiting(&object);
    assert_eq!(said.code, 1, "{}{}", said.out, said.err);
    said.refused(1, &["is decided: "]);
    let json = run(
        &dir,
        &[&["--json".to_owned()], &open("by a script")[..], &["--wait".into(), "agreed".into()]].concat(),
    );
    assert_eq!(json.code, 1, "{}", json.err);
    let submitted: serde_json::Value = serde_json::from_str(&json.out).expect("JSON");
    assert_eq!(submitted["state"], "decided");
    let error: serde_json::Value = serde_json::from_str(&json.err).expect("JSON");
    assert_eq!((&error["code"], &error["exit"]), (&"not_agreed".into(), &1.into()));
}

#[test]
fn negative_values_are_named_as_values() {
    let hosts = Hosts::init(&["norden"]);
    hosts.join_all();
    let dir = hosts.dir("norden");
    for (args, words) in [
        (&["note", "x", "--timeout", "-5s"][..], ["--timeout", "\"-5s\" is negative"]),
        (&["op", "open", "--type", "airlift", "--title", "x", "--timeout", "-5s"], ["--timeout", "30s"]),
        (
            &["op", "attest", "op-abcdef", "--endorse", "--timeout", "-1m"],
            ["--timeout", "\"-1m\" is negative"],
        ),
        (&["status", "--wait", "-5s"], ["--wait", "\"-5s\" is negative"]),
        (&["log", "--from", "-1"], ["--from", "'-1'"]),
        (&["log", "--limit", "-1"], ["--limit", "'-1'"]),
    ] {
        let said = run(&dir, args);
        assert_eq!(said.code, 2, "{args:?}: {}", said.err);
        assert!(!said.err.contains("unexpected argument"), "{args:?}: {}", said.err);
        for word in words {
            assert!(said.err.contains(word), "{word:?} is not in {args:?}: {}", said.err);
        }
    }
}

#[test]
fn an_added_address_is_listed_at_once_and_a_blocked_link_says_so() {
    let hosts = Hosts::init(&["norden", "sudria"]);
    hosts.join_all();
    let (dir, other) = (hosts.dir("norden"), hosts.dir("sudria"));
    let _node = Up::start(&dir);
    // Nobody answers there: the port is taken by something else.
    let silent = std::net::UdpSocket::bind("127.0.0.1:0").expect("a port");
    let address = format!("/ip4/127.0.0.1/udp/{}/quic-v1", silent.local_addr().expect("bound").port());
    run(&dir, &["peer", "add", &address]).done();
    let listed = run(&dir, &["peer", "list"]);
    let line = listed.done().lines().find(|line| line.contains(&address)).expect("it is listed");
    assert!(line.starts_with("pending"), "{line}");
    let json: serde_json::Value =
        serde_json::from_str(run(&dir, &["--json", "peer", "list"]).done()).expect("JSON");
    assert_eq!(json["pending"][0]["address"], address);

    // Also before the two have ever met.
    assert!(run(&dir, &["peer", "block", "sudria"]).done().contains("blocked by operator"));
    assert!(run(&dir, &["status"]).done().contains("blocked by operator"));
    assert!(!run(&dir, &["peer", "unblock", "sudria"]).done().contains("blocked"));
    let _other = Up::start(&other);
    let own = first_line(&run(&other, &["peer", "address"]));
    let follow = entente(&dir).args(["op", "follow", "--all"]).stdout(Stdio::piped()).spawn();
    let mut follow = follow.expect("the binary can be run");
    run(&dir, &["peer", "add", &own]).done();
    let events = std::io::BufReader::new(follow.stdout.take().expect("piped"));
    let up = std::io::BufRead::lines(events).map_while(Result::ok).any(|line| line.starts_with("peer up"));
    follow.kill().expect("it runs");
    follow.wait().expect("it ends");
    assert!(up, "they have found each other");
    assert!(run(&dir, &["peer", "block", "sudria"]).done().contains("blocked by operator"));
    let status = run(&dir, &["status"]);
    assert!(status.done().contains("blocked by operator"), "{}", status.out);
    assert!(!status.out.contains("no address known yet"), "{}", status.out);
    assert!(run(&dir, &["peer", "list"]).done().contains("blocked by operator"));
}

#[test]
fn help_is_for_users_of_every_command() {
    let help = |words: &[&str]| {
        let said = Command::new(env!("CARGO_BIN_EXE_entente")).args(words).arg("--help").output();
        String::from_utf8(said.expect("the binary can be run").stdout).expect("text")
    };
    let top = help(&[]);
    assert!(top.starts_with("Agree on operations with sovereign partners"), "{top}");
    for word in ["charter new, lint, sign, merge, found; join", "receipt, verify", "Exit codes:"] {
        assert!(top.contains(word), "{word:?} is not in\n{top}");
    }
}

#[test]
fn what_happens_once_is_logged_once() {
    let hosts = Hosts::init(&["norden", "sudria"]);
    hosts.join_all();
    let (dir, other) = (hosts.dir("norden"), hosts.dir("sudria"));
    let listen = ["up", "--listen", "/ip4/127.0.0.1/udp/0/quic-v1"];
    let mut node = {
        let mut command = Command::new("sh");
        // The log is told as it is without a filter.
        command
            .args(["-c", "unset ENTENTE_LOG; exec \"$0\" \"$@\"", env!("CARGO_BIN_EXE_entente")])
            .args(listen)
            .env("ENTENTE_DIR", &dir);
        Up::spawn(command)
    };
    let address = first_line(&run(&dir, &["peer", "address"]));
    let mut command = entente(&other);
    command.args(listen).args(["--peer", &address]);
    let _other = Up::spawn(command);
    until_reached(&dir);
    run(&dir, &["note", "both are here", "--timeout", "60s"]).done();
    run(&dir, &["stop"]).done();
    let log = node.ended().err;
    for words in [" listening", "peer up"] {
        assert_eq!(log.matches(words).count(), 1, "{words:?} in\n{log}");
    }
}
