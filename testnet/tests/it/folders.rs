//! Folders and names: what is there already, what is not, what is mistyped.

use crate::support::{Net, testnet, text};

#[test]
fn a_running_network_is_refused_and_names_are_checked() {
    let net = Net::up(1);
    let here = net.path().display().to_string();
    let (_, said) = net.fails(&["up"]);
    assert!(said.contains("a network runs in"), "{said}");
    assert!(said.contains(&format!("entente-testnet --dir {here} down")), "{said}");
    let (code, said) = net.fails(&["kill", "nordne"]);
    assert_eq!(code, Some(2));
    assert!(said.contains("no partner \"nordne\" here; there are: norden"), "{said}");
    assert!(said.contains(&format!("next: entente-testnet --dir {here} status")), "{said}");
    for words in
        [&["restart", "nordne"][..], &["logs", "nordne"], &["env", "nordne"], &["cut", "norden", "nordne"]]
    {
        let (code, said) = net.fails(words);
        assert_eq!(code, Some(2), "{words:?}: {said}");
        assert!(said.contains("no partner \"nordne\" here") && said.contains("next: "), "{words:?}: {said}");
    }
    let (code, said) = net.fails(&["cut", "norden", "norden"]);
    assert_eq!(code, Some(2));
    assert!(said.contains("no link with itself") && said.contains("next: "), "{said}");
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
    assert!(said.contains(&format!("next: entente-testnet --dir {here} restart norden")), "{said}");
    let said = net.run(&["restart", "norden"]);
    assert!(said.contains("waiting until it is linked") && said.contains("at most 60 s"), "{said}");
    assert!(said.contains("norden is back in the mesh"), "{said}");
    net.run(&["kill", "norden"]);
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
    let here = dir.path().display().to_string();
    assert!(text(&output).contains("no network in"), "{}", text(&output));
    for words in
        [&["status"][..], &["logs", "norden"], &["env", "norden"], &["kill", "norden"], &["heal"], &["down"]]
    {
        let output = testnet().args(words).args(["--dir", &here]).output().expect("it starts");
        assert_eq!(output.status.code(), Some(2), "{words:?}");
        assert!(
            text(&output).contains(&format!("next: entente-testnet --dir {here} up")),
            "{}",
            text(&output)
        );
    }
}

#[test]
fn too_many_and_too_few_partners_lead_to_a_number_that_works() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    for number in ["0", "17"] {
        let output = testnet().args(["up", "--partners", number, "--dir"]).arg(dir.path()).output();
        let output = output.expect("it starts");
        assert_eq!(output.status.code(), Some(2));
        let said = text(&output);
        assert!(said.contains("1 to 16 are possible") && said.contains(" up --partners 4"), "{said}");
    }
}
