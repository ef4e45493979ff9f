//! Folders and names: what is there already, what is not, what is mistyped.

use crate::support::{Net, testnet, text};

#[test]
fn a_running_network_is_refused_and_names_are_checked() {
    let net = Net::up(1);
    let (_, said) = net.fails(&["up"]);
    assert!(said.contains("a network runs in") && said.contains("entente-testnet down"), "{said}");
    let (code, said) = net.fails(&["kill", "nordne"]);
    assert_eq!(code, Some(2));
    assert!(said.contains("no partner \"nordne\" here; there are: norden"), "{said}");
    let (_, said) = net.fails(&["restart", "norden"]);
    assert!(said.contains("norden is running"), "{said}");
    let said = net.run(&["env", "norden"]);
    assert!(said.contains("export ENTENTE_DIR='"), "{said}");
    assert!(net.run(&["status"]).contains("norden"));
    assert!(net.run(&["logs", "norden"]).contains("ready: norden"));
    net.run(&["kill", "norden"]);
    assert!(net.run(&["status"]).contains("down"));
    let (_, said) = net.fails(&["kill", "norden"]);
    assert!(said.contains("norden is not running"), "{said}");
    // Nothing runs any more: the next one takes the folder over.
    assert!(net.run(&["up", "--partners", "1"]).contains("it is cleaned"));
    net.run(&["down"]);
    assert!(!net.path().exists());
}

#[test]
fn a_folder_too_deep_for_a_socket_is_refused_before_anything_is_made() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let deep = dir.path().join("d".repeat(100));
    let output = testnet().args(["up", "--dir"]).arg(&deep).output().expect("it starts");
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output).contains("with a shorter DIR"), "{}", text(&output));
    assert!(!deep.exists(), "nothing was made");
}

#[test]
fn a_folder_of_something_else_is_not_touched() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    std::fs::write(dir.path().join("letter.txt"), "dear").expect("writable");
    for command in ["up", "demo"] {
        let output = testnet().arg(command).arg("--dir").arg(dir.path()).output().expect("it starts");
        assert_eq!(output.status.code(), Some(2));
        assert!(text(&output).contains("holds no network; nothing was touched"), "{}", text(&output));
    }
    assert!(dir.path().join("letter.txt").exists());
    let output = testnet().args(["status", "--dir"]).arg(dir.path()).output().expect("it starts");
    assert!(text(&output).contains("no network in") && text(&output).contains("entente-testnet up"));
}
