//! Scenarios, as a user writes and plays them.

use std::path::Path;
use std::process::Stdio;

use serde_json::Value;

use crate::support::{eventually, processes_in, testnet, text};

/// A scenario of one partner, with these steps and this twin.
fn written(dir: &Path, steps: &str, twin: &str) -> String {
    let file = dir.join("own.toml");
    let text = format!(
        "name = \"own\"\ntemplate = \"airlift\"\n[[partner]]\nname = \"alone\"\nrole = \"lead\"\n{steps}\n{twin}\n"
    );
    std::fs::write(&file, text).expect("writable");
    file.display().to_string()
}

/// Plays it, and gives exit code and words.
fn played(dir: &Path, words: &[&str]) -> (Option<i32>, String) {
    let output = testnet().arg("--dir").arg(dir.join("n")).arg("scenario").args(words).output();
    let output = output.expect("it starts");
    assert_eq!(processes_in(&dir.join("n")), [0; 0], "nothing of it runs");
    (output.status.code(), text(&output))
}

const STEPS: &str = r#"
[[step]]
id = "note"
run = { by = "alone", args = ["note", "all well"], does = "says that all is well", keep = { note = "id" } }
[[step]]
run = { by = "alone", args = ["op", "open", "--type", "sealift", "--title", "x"], exit = 6, says = "airlift" }
[[step]]
id = "ordered"
expect = { at = "everyone", args = ["log"], path = "leaves.[kind=entry].feed.length", count = 1, within = 1 }
[[step]]
expect = { at = "alone", args = ["status"], path = "word", is = "agreed" }
"#;
const TWIN: &str = r#"
[twin]
tells = "it says it twice"
after = "note"
step = { run = { by = "alone", args = ["note", "all is well again"] } }
fails_at = "ordered"
because = "seen instead: at alone 1, 2"
"#;

#[test]
fn an_eighth_scenario_needs_no_code_and_its_twin_fails_where_it_says() {
    let dir = tempfile::Builder::new().prefix("en").tempdir().expect("a temporary folder");
    let file = written(dir.path(), STEPS, TWIN);
    let (code, said) = played(dir.path(), &[&file]);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("alone      says that all is well"), "{said}");
    assert!(said.contains("    refused: ") && said.contains("airlift"), "{said}");
    let (code, said) = played(dir.path(), &[&file, "--twin"]);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("it fails, as it must: step 3 (expect, \"ordered\")"), "{said}");
    let (code, said) = played(dir.path(), &[&file, &file, "--json"]);
    assert_eq!(code, Some(0), "{said}");
    let outcomes: Value = serde_json::from_str(&said).expect("JSON");
    let twins: Vec<_> = outcomes.as_array().expect("a list").iter().map(|of| of["twin"].as_bool()).collect();
    assert_eq!(twins, [Some(false), Some(true), Some(false), Some(true)]);
    assert!(outcomes[1]["steps"][3]["failed"].as_str().is_some_and(|why| why.contains("not within 1 s")));
    assert!(!dir.path().join("n").exists(), "nothing is left");
}

#[test]
fn a_step_that_fails_is_named_with_what_was_seen_instead_and_the_logs_are_kept() {
    let dir = tempfile::Builder::new().prefix("en").tempdir().expect("a temporary folder");
    let wrong = |from: &str, to: &str| {
        let file = written(dir.path(), &STEPS.replacen(from, to, 1), "");
        let (code, said) = played(dir.path(), &[&file]);
        assert_eq!(code, Some(1), "{said}");
        assert!(dir.path().join("n/alone.log").exists(), "its log is kept");
        said
    };
    let said = wrong("count = 1", "count = 3");
    assert!(said.contains("step 3 (expect, \"ordered\"): not within 1 s: `entente log --json`"), "{said}");
    assert!(said.contains("is there 3 times; seen instead: at alone 1"), "{said}");
    let said = wrong("exit = 6", "exit = 5");
    assert!(
        said.contains("step 2 (run): alone: `entente op open") && said.contains("ends with 6, where 5"),
        "{said}"
    );
    let said = wrong("says = \"airlift\"", "says = \"zeppelin\"");
    assert!(said.contains("does not say \"zeppelin\"; it says:"), "{said}");
    let said = wrong("note = \"id\"", "note = \"idea\"");
    assert!(said.contains("has 0 values at \"idea\", where one is to be kept as note"), "{said}");
}

#[test]
fn a_twin_that_does_not_fail_or_fails_elsewhere_has_not_passed() {
    let dir = tempfile::Builder::new().prefix("en").tempdir().expect("a temporary folder");
    let wrong = |from: &str, to: &str| {
        let file = written(dir.path(), STEPS, &TWIN.replacen(from, to, 1));
        let (code, said) = played(dir.path(), &[&file, "--twin"]);
        assert_eq!(code, Some(1), "{said}");
        said
    };
    let said = wrong(
        "step = { run = { by = \"alone\", args = [\"note\", \"all is well again\"] } }",
        "step = { say = \"x\" }",
    );
    assert!(said.contains("the twin must fail at \"ordered\" and did not fail at all"), "{said}");
    let said = wrong("fails_at = \"ordered\"", "fails_at = \"note\"");
    assert!(said.contains("the twin must fail at \"note\"; it fails at step 3"), "{said}");
    let said = wrong("because = \"seen", "because = \"not seen");
    assert!(said.contains("the twin must fail because of \"not seen"), "{said}");
    let file = written(dir.path(), STEPS, "");
    let (code, said) = played(dir.path(), &[&file, "--twin"]);
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("declares no twin") && said.contains("next: add [twin]"), "{said}");
}

#[test]
fn scenarios_that_are_interrupted_leave_nothing() {
    let dir = tempfile::Builder::new().prefix("en").tempdir().expect("a temporary folder");
    let net = dir.path().join("n");
    let mut command = testnet();
    command.args(["scenario", "all", "--dir"]).arg(&net).stdout(Stdio::null()).stderr(Stdio::null());
    let mut child = command.spawn().expect("it starts");
    eventually("nodes run", || (processes_in(&net).len() >= 4).then_some(()));
    crate::support::signal(&child, rustix::process::Signal::INT);
    assert_eq!(child.wait().expect("it ends").code(), Some(130));
    assert_eq!(processes_in(&net), [0; 0], "nothing of it runs");
    assert!(!net.exists(), "nothing of it is left");
}

#[test]
fn a_second_coalition_that_a_killed_play_left_is_cleaned_by_the_next() {
    let dir = tempfile::Builder::new().prefix("en").tempdir().expect("a temporary folder");
    let net = dir.path().join("n");
    let other = "[[coalition]]\nname = \"other\"\ntemplate = \"convoy\"\n[[coalition.partner]]\nname = \"alone\"\nrole = \"lead\"\n";
    let steps = r#"
[[step]]
run = { by = "other.alone", args = ["status"], says = "other (" }
[[step]]
run = { by = "alone", args = ["status"], says = "corridor (" }
[[step]]
id = "never"
expect = { at = "other.everyone", args = ["log"], path = "leaves.[kind=none]" }
"#;
    let file = written(dir.path(), &format!("{other}{steps}"), "");
    let mut command = testnet();
    command.args(["scenario", &file, "--dir"]).arg(&net).stdout(Stdio::null()).stderr(Stdio::null());
    let mut child = command.spawn().expect("it starts");
    eventually("a node of each starts", || net.join("other/alone.log").exists().then_some(()));
    crate::support::signal(&child, rustix::process::Signal::KILL);
    child.wait().expect("it ends");
    eventually("its nodes end with it", || processes_in(&net).is_empty().then_some(()));
    assert!(net.join("other/network.toml").exists(), "it was there");
    let file = written(dir.path(), STEPS, "");
    let (code, said) = played(dir.path(), &[&file]);
    assert_eq!(code, Some(0), "{said}");
    assert!(!net.exists(), "nothing is left");
}

#[test]
fn what_there_is_is_listed() {
    let output = testnet().args(["scenario", "list"]).output().expect("it starts");
    let said = text(&output);
    for name in ["airlift-corridor", "search-and-rescue", "life-cycle", "twin: "] {
        assert!(said.contains(name), "{name} is not in\n{said}");
    }
    let output = testnet().args(["scenario", "airlift-coridor"]).output().expect("it starts");
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output).contains("did you mean airlift-corridor?"), "{}", text(&output));
}
