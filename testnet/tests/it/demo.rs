//! The demo, as a newcomer runs it.

use std::process::Stdio;

use rustix::process::{Pid, Signal, kill_process};

use crate::support::{eventually, processes_in, testnet, text};

#[test]
fn the_demo_agrees_twice_and_its_receipt_verifies_without_any_store() {
    let dir = tempfile::Builder::new().prefix("en").tempdir().expect("a temporary folder");
    let net = dir.path().join("n");
    let output = testnet().args(["demo", "--headless", "--dir"]).arg(&net).output().expect("it starts");
    let said = text(&output);
    assert!(output.status.success(), "{said}");
    assert_eq!(said.matches("\nAGREED  ").count(), 2, "{said}");
    assert!(said.contains("needs 1 more of supporting: estmark"), "{said}");
    assert!(said.contains("\nreceipt verified  "), "{said}");
    assert!(!said.contains('\x1b'), "plain text without a terminal");
    let left: Vec<_> =
        std::fs::read_dir(&net).expect("the folder stays").flatten().map(|e| e.file_name()).collect();
    assert_eq!(left, ["receipts"], "only the receipt stays");
    assert!(processes_in(&net).is_empty(), "everything was stopped");
    let command = said.lines().find(|line| line.contains("verify") && line.contains("--coalition co-"));
    let words: Vec<&str> = command.expect("the command is printed").split_whitespace().skip(1).collect();
    let again = testnet().arg("node").args(words).output().expect("it starts");
    assert!(again.status.success(), "{}", text(&again));
}

#[test]
fn an_interrupted_demo_leaves_nothing_running() {
    let dir = tempfile::Builder::new().prefix("en").tempdir().expect("a temporary folder");
    let net = dir.path().join("n");
    let mut command = testnet();
    command.args(["demo", "--headless", "--dir"]).arg(&net).stdout(Stdio::null()).stderr(Stdio::null());
    let mut demo = command.spawn().expect("it starts");
    // The demo itself and at least two of its nodes.
    eventually("the demo's nodes run", || (processes_in(&net).len() >= 3).then_some(()));
    let pid = Pid::from_raw(i32::try_from(demo.id()).expect("a process number")).expect("not zero");
    kill_process(pid, Signal::INT).expect("it runs");
    let status = demo.wait().expect("it ends");
    assert_eq!(status.code(), Some(130));
    eventually("nothing of it runs", || processes_in(&net).is_empty().then_some(()));
}

#[test]
fn a_killed_demo_takes_its_nodes_with_it_and_the_next_one_cleans_up() {
    let dir = tempfile::Builder::new().prefix("en").tempdir().expect("a temporary folder");
    let net = dir.path().join("n");
    let mut command = testnet();
    command.args(["demo", "--headless", "--dir"]).arg(&net).stdout(Stdio::null()).stderr(Stdio::null());
    let mut demo = command.spawn().expect("it starts");
    eventually("the demo's nodes run", || (processes_in(&net).len() >= 3).then_some(()));
    demo.kill().expect("it runs");
    demo.wait().expect("it ends");
    eventually("its nodes end", || processes_in(&net).is_empty().then_some(()));
    let output = testnet().args(["up", "--partners", "1", "--dir"]).arg(&net).output().expect("it starts");
    assert!(text(&output).contains("an earlier network was left here; it is cleaned"), "{}", text(&output));
    let output = testnet().args(["down", "--dir"]).arg(&net).output().expect("it starts");
    assert!(output.status.success(), "{}", text(&output));
}

#[test]
fn wrong_scenarios_are_refused_with_their_place_before_anything_starts() {
    let dir = tempfile::Builder::new().prefix("en").tempdir().expect("a temporary folder");
    let file = dir.path().join("s.toml");
    std::fs::write(&file, "name = \"x\"\ntemplate = \"airlift\"\nsteps = 3\n").expect("writable");
    let run = |extra: &[&str]| {
        let output = testnet().args(["demo", "--dir"]).arg(dir.path().join("n")).args(extra).output();
        let output = output.expect("it starts");
        (output.status.code(), text(&output))
    };
    let (code, said) = run(&["--scenario", file.to_str().expect("plain")]);
    assert_eq!(code, Some(2));
    assert!(said.contains("line 3") && said.contains("steps"), "{said}");
    let (code, said) = run(&["--partners", "2"]);
    assert_eq!(code, Some(2));
    assert!(said.contains("2 partners are too few: the scenario has 4"), "{said}");
    assert!(!dir.path().join("n").exists(), "nothing was made");
}
