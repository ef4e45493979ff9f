//! The demo, as a newcomer runs it.

use std::path::Path;
use std::process::{Child, Command, Stdio};

use rustix::process::Signal;

use crate::support::{eventually, processes_in, signal, testnet, text};

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
    let command =
        said.lines().find(|line| line.contains(" node verify ") && line.contains(" --coalition co-"));
    let command = command.expect("the command is printed");
    let again = Command::new("sh").args(["-c", command]).output().expect("there is a shell");
    assert!(again.status.success(), "{}", text(&again));
    assert!(text(&again).starts_with("VERIFIED"), "{}", text(&again));

    // The receipt is no obstacle to the next one, which may also go on.
    let output =
        testnet().args(["demo", "--headless", "--keep", "--dir"]).arg(&net).output().expect("it starts");
    assert!(output.status.success(), "{}", text(&output));
    assert_eq!(processes_in(&net).len(), 4, "they go on");
    let output = testnet().args(["down", "--dir"]).arg(&net).output().expect("it starts");
    assert!(output.status.success(), "{}", text(&output));
    assert!(processes_in(&net).is_empty(), "everything was stopped");
    assert!(net.join("receipts/evening.tlog-proof").exists(), "the receipt stays");
}

/// Starts a command that founds and runs nodes in `net`, and waits until some run.
fn begun(words: &[&str], net: &Path) -> Child {
    let mut command = testnet();
    command.args(words).arg("--dir").arg(net).stdout(Stdio::null()).stderr(Stdio::null());
    let child = command.spawn().expect("it starts");
    // It and at least two nodes.
    eventually("nodes run", || (processes_in(net).len() >= 3).then_some(()));
    child
}

#[test]
fn interrupted_at_work_nothing_is_left() {
    let dir = tempfile::Builder::new().prefix("en").tempdir().expect("a temporary folder");
    let net = dir.path().join("n");
    let cases: [(&[&str], Signal); 3] = [
        (&["demo", "--headless"], Signal::INT),
        (&["demo", "--headless", "--keep"], Signal::TERM),
        // Of many partners, so that it is still at work when it is interrupted.
        (&["up", "--partners", "9"], Signal::INT),
    ];
    for (words, number) in cases {
        let mut child = begun(words, &net);
        signal(&child, number);
        let status = child.wait().expect("it ends");
        assert_eq!(status.code(), Some(130), "{words:?}");
        assert_eq!(processes_in(&net), [0; 0], "{words:?}: nothing of it runs");
        assert!(!net.exists(), "{words:?}: nothing of it is left");
    }
}

#[test]
fn a_reader_that_goes_away_is_no_reason_to_leave_anything() {
    let dir = tempfile::Builder::new().prefix("en").tempdir().expect("a temporary folder");
    let net = dir.path().join("n");
    let mut command = testnet();
    command.args(["up", "--partners", "1", "--dir"]).arg(&net).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("it starts");
    drop(child.stdout.take());
    let output = child.wait_with_output().expect("it ends");
    assert!(output.status.success(), "{}", text(&output));
    let output = testnet().args(["down", "--dir"]).arg(&net).output().expect("it starts");
    assert!(output.status.success(), "{}", text(&output));
    assert!(!net.exists(), "nothing is left");
}

#[test]
fn a_demo_is_not_disturbed_by_commands_from_elsewhere_and_down_ends_it() {
    let dir = tempfile::Builder::new().prefix("en").tempdir().expect("a temporary folder");
    let net = dir.path().join("n");
    let mut demo = begun(&["demo", "--headless"], &net);
    for words in [&["kill", "norden"][..], &["restart", "norden"], &["heal"], &["cut", "norden", "sudria"]] {
        let output = testnet().arg("--dir").arg(&net).args(words).output().expect("it starts");
        assert_eq!(output.status.code(), Some(2), "{words:?}: {}", text(&output));
        assert!(text(&output).contains("a demo or benchmark (process "), "{}", text(&output));
    }
    let output = testnet().args(["demo", "--headless", "--dir"]).arg(&net).output().expect("it starts");
    assert!(text(&output).contains("a network runs in"), "{}", text(&output));
    let output = testnet().args(["down", "--dir"]).arg(&net).output().expect("it starts");
    assert!(output.status.success(), "{}", text(&output));
    assert_eq!(demo.wait().expect("it ends").code(), Some(130));
    assert_eq!(processes_in(&net), [0; 0], "nothing of it runs");
    assert!(!net.exists(), "nothing of it is left");
}

#[test]
fn a_killed_demo_takes_its_nodes_with_it_and_the_next_one_cleans_up() {
    let dir = tempfile::Builder::new().prefix("en").tempdir().expect("a temporary folder");
    let net = dir.path().join("n");
    let mut demo = begun(&["demo", "--headless"], &net);
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
    assert!(said.contains("s.toml:3: ") && said.contains("steps"), "{said}");
    assert!(said.contains("  next: correct line 3 of "), "{said}");
    let (code, said) = run(&["--scenario", "sealift"]);
    assert_eq!(code, Some(2));
    assert!(
        said.contains("no scenario sealift: there is no such file") && said.contains("  next: "),
        "{said}"
    );
    assert!(said.contains("entente-testnet --dir ") && said.contains(" scenario list shows"), "{said}");
    let (code, said) = run(&["--partners", "99"]);
    assert_eq!(code, Some(2));
    assert!(said.contains("at most 16 are possible") && said.contains("demo --partners 16"), "{said}");
    let (code, said) = run(&["--partners", "2"]);
    assert_eq!(code, Some(2));
    assert!(said.contains("2 partners are too few: the scenario has 4"), "{said}");
    assert!(said.contains(" demo --partners 4"), "{said}");
    assert!(!dir.path().join("n").exists(), "nothing was made");
}
