//! Integrity events from the command line, against a running node.

use crate::cli_live::{Up, first_line};
use crate::cli_support::{Hosts, Said, run};

#[test]
fn an_integrity_event_is_reported_alone_shown_and_withdrawn() {
    let hosts = Hosts::init(&["norden", "sudria"]);
    hosts.join_all();
    let dir = hosts.dir("norden");
    let _node = Up::start(&dir);
    let none = run(&dir, &["integrity", "list"]);
    assert!(none.done().starts_with("no integrity events"), "{}", none.out);
    // Alone of two: what is said is held.
    let report = |more: &[&str]| {
        let all = ["integrity", "report", "--kind", "forced-disclosure", "--text", "asked for the manifest"];
        run(&dir, &[&all[..], more, &["--wait", "held"]].concat())
    };
    report(&["--against", "nobody"]).refused(2, &["nobody is no partner", "charter current"]);
    let id = first_line(&report(&["--against", "sudria", "--to", "norden"]));
    let listed = run(&dir, &["integrity", "list"]);
    for word in [&id[..13], "!", "forced-disclosure", "sudria", "norden", "preliminary, held"] {
        assert!(listed.done().contains(word), "{word:?} is not in\n{}", listed.out);
    }
    let shown = run(&dir, &["integrity", "show", &id[..12]]);
    // Who has reported it is not asked to confirm it.
    let next = "next: entente status";
    for word in ["FORCED-DISCLOSURE  preliminary  URGENT", "by norden, not ordered yet", next] {
        assert!(shown.done().contains(word), "{word:?} is not in\n{}", shown.out);
    }
    let json = run(&dir, &["--json", "integrity", "show", &id]);
    let json = serde_json::from_str::<serde_json::Value>(json.done()).expect("JSON");
    assert_eq!((&json["against"], &json["urgent"]), (&"sudria".into(), &true.into()));
    assert_eq!(json["shown"], serde_json::Value::Null);
    run(&dir, &["integrity", "withdraw", &id, "--ground", "a mistake", "--wait", "held"]).done();
    assert!(run(&dir, &["integrity", "show", &id]).done().contains("withdrawn by norden (not ordered yet)"));
    run(&dir, &["integrity", "show", "op-aaaaaaaa"]).refused(1, &["integrity list"]);
    run(&dir, &["integrity", "report", "--kind", "sabotage", "--text", "x"])
        .refused(2, &["declared-failure"]);
}

#[test]
fn a_report_carries_a_credential_and_commits_to_any_other_file() {
    let hosts = Hosts::init(&["norden", "sudria"]);
    hosts.join_all();
    let dir = hosts.dir("norden");
    let _node = Up::start(&dir);
    // Of norden's own root, in sudria's name.
    let root = dir.join("keys/root.key");
    let file = |name: &str| dir.join(name).display().to_string();
    let (chain, other, log) = (file("shown.chain.toml"), file("other.chain.toml"), file("log.txt"));
    let status = json(&run(&dir, &["--json", "status"]));
    let text = |value: &serde_json::Value| value.as_str().expect("a text").to_owned();
    let (coalition, node) = (text(&status["coalition"]["id"]), text(&status["node"]));
    for out in [&chain, &other] {
        run(
            &dir,
            &[
                "authority",
                "delegate",
                "--to",
                &node,
                "--can",
                "node",
                "--days",
                "1",
                "--coalition",
                &coalition,
                "--partner",
                "sudria",
                "--key",
                &root.display().to_string(),
                "-o",
                out,
            ],
        )
        .done();
    }
    std::fs::write(&log, "abc").expect("written");
    let report = |more: &[&str]| {
        let all =
            ["integrity", "report", "--kind", "impersonation", "--text", "it came twice", "--to", "sudria"];
        run(&dir, &[&all[..], more, &["--wait", "held"]].concat())
    };
    report(&["--evidence", &chain, "--evidence", &other]).refused(2, &["several credentials", "sha256:HEX"]);
    report(&["--evidence", &file("none")]).refused(2, &["none cannot be read as evidence"]);
    let id = first_line(&report(&["--evidence", &chain, "--evidence", &log]));
    let shown = run(&dir, &["integrity", "show", &id]);
    let words = [
        "a credential, signed",
        "it copies the name of sudria, and is issued by the root of norden",
        "convicts nobody",
        // The SHA-256 of the other file.
        "commitment xj4bnp4pahh6uqkbidpf3lrceoyagyndsylxvhfucd7wd4qacwwq",
        "preliminary",
    ];
    for word in words {
        assert!(shown.done().contains(word), "{word:?} is not in\n{}", shown.out);
    }
    let event = json(&run(&dir, &["--json", "integrity", "show", &id]));
    let exhibit = &event["shown"]["exhibit"];
    assert_eq!((&exhibit["what"], &exhibit["root_of"]), (&"credential".into(), &"norden".into()));
    assert_eq!((&exhibit["holds"], &exhibit["signed"]), (&false.into(), &true.into()));
    assert_eq!(exhibit["chain"][0]["delegation"]["subject"], node);
    assert_eq!((&event["shown"]["merged"], &event["status"]), (&0.into(), &"preliminary".into()));
}

fn json(said: &Said) -> serde_json::Value {
    serde_json::from_str(said.done()).expect("JSON")
}
