//! A partner joins a coalition that runs; and whatever can be done wrong on the way says what to do.

use std::path::Path;

use crate::cli_live::{Up, first_line};
use crate::cli_support::{Hosts, entente, run};

fn text(path: &Path) -> String {
    std::fs::read_to_string(path).expect("a file")
}

#[test]
fn a_partner_joins_by_its_own_word_and_the_coalitions_and_each_wrong_step_says_which_is_right() {
    let hosts = Hosts::init(&["norden"]);
    let coalition = hosts.join_all();
    let (norden, ostvik) = (hosts.dir("norden"), hosts.dir("ostvik"));
    run(&ostvik, &["init", "--partner", "ostvik"]).done();
    let card = ostvik.join("ostvik.card.toml").display().to_string();
    let path = |name: &str| hosts.file(name).display().to_string();
    let (draft, joins, accession) = (path("next.toml"), path("joins.toml"), path("ostvik.accession.toml"));
    let _node = Up::start(&norden);

    // What holds signatures or a secret is not written over, and neither is a draft that nobody has founded.
    let own = norden.join("coalition.toml");
    for file in [&own, &coalition] {
        let before = text(file);
        let shown = file.display().to_string();
        run(&norden, &["charter", "admit", &shown, "--card", &card]).refused(3, &["charter current -o FILE"]);
        assert_eq!(text(file), before);
    }
    let unfounded = path("unfounded.toml");
    run(&norden, &["charter", "new", "--template", "airlift", "--cards", &card, "-o", &unfounded]).done();
    run(&norden, &["charter", "admit", &unfounded, "--card", &card]).refused(3, &["the draft of a founding"]);

    run(&norden, &["charter", "current", "-o", &draft]).done();
    run(&norden, &["charter", "next", &draft, "-o", &joins])
        .refused(3, &["no amendment", "nothing to change"]);
    let admit = ["charter", "admit", &draft, "--card", &card];
    run(&norden, &[&admit[..], &["--like", "nordan"]].concat())
        .refused(3, &["nordan is no partner", "norden"]);
    let admitted = run(&norden, &[&admit[..], &["--like", "norden"]].concat());
    assert!(admitted.done().contains("ostvik has no seat"), "{}", admitted.out);
    run(&norden, &admit).refused(3, &["ostvik is a partner of it already"]);
    let shown = run(&norden, &["charter", "show", &draft]);
    assert!(shown.done().lines().any(|line| line.starts_with("-     ostvik")), "{}", shown.out);

    // Without its word it is not even proposed; and it signs what names the coalition, with its own root.
    let amend = ["charter", "amend", &draft, "--reason", "two lifts more"];
    run(&norden, &amend).refused(3, &["not signed by ostvik", "charter next"]);
    run(&norden, &["charter", "next", &draft, "-o", &joins]).done();
    run(&ostvik, &["charter", "sign", &draft]).refused(3, &["later version", "charter next"]);
    run(&norden, &["charter", "sign", &joins]).refused(3, &["not that of a partner which joins"]);
    let signed = run(&ostvik, &["charter", "sign", &joins]);
    assert!(signed.done().contains("ostvik joins with this charter"), "{}", signed.out);
    assert_eq!(text(hosts.file("ostvik.accession.toml").as_path()), text(Path::new(&accession)));

    // An edit after the signature, another's file in its place.
    let sound = text(Path::new(&draft));
    std::fs::write(&draft, sound.replacen("window_ms = 21600000", "window_ms = 21600001", 1))
        .expect("written");
    let with = [&amend[..], &["--accession", &accession]].concat();
    run(&norden, &with).refused(3, &["its root signs the final text", "charter next"]);
    std::fs::write(&draft, &sound).expect("written");
    let wrong = [&amend[..], &["--accession", &draft]].concat();
    run(&norden, &wrong).refused(3, &["is no accession"]);

    // It may start before it is admitted, and says what is missing.
    let file = coalition.display().to_string();
    run(&ostvik, &["join", &file]).refused(3, &["is not in the charter", "--chain"]);
    run(&norden, &["join", &file, "--accession", &accession]).refused(3, &["does not enrol this host"]);
    let joined = run(&ostvik, &["join", &file, "--accession", &accession]);
    assert!(joined.done().contains("takes part once the log has admitted it"), "{}", joined.out);
    let address = first_line(&run(&norden, &["peer", "address"]));
    let mut command = entente(&ostvik);
    command.args(["up", "--listen", "/ip4/127.0.0.1/udp/0/quic-v1", "--peer", &address]);
    let _joiner = Up::spawn(command);
    let status = run(&ostvik, &["status"]);
    assert!(status.done().contains("what this node says is not taken"), "{}", status.out);
    run(&ostvik, &["note", "too early", "--wait", "held"])
        .refused(1, &["takes no part yet", "is no node of this coalition"]);

    run(&ostvik, &["status", "--wait", "100ms"]).refused(8, &["does not take part yet", "member list"]);

    let proposed = run(&norden, &[&with[..], &["--key", "ostvik"]].concat());
    proposed.done();
    // Whoever is to endorse it sees what it changes.
    for show in [["op", "show"], ["op", "why"]] {
        let shown = run(&norden, &[&show[..], &[&first_line(&proposed)]].concat());
        assert!(shown.done().contains("admits ostvik: root ed25519:"), "{}", shown.out);
    }
    run(&norden, &["op", "attest", &first_line(&proposed), "--endorse", "--wait", "agreed"]).done();
    // Nothing else is said: it takes part all the same.
    assert!(!run(&ostvik, &["status", "--wait", "60s"]).done().contains("not taken"));
    let declared =
        run(&ostvik, &["asset", "declare", "lift-9", "--kind", "c-130", "--label", "eighteen tons"]);
    assert!(declared.done().contains("ordered at leaf"), "{}", declared.out);
    let member = run(&norden, &["member", "show", "ostvik"]);
    for word in ["ACTIVE  ostvik", "by op-", "since it joined, with version 2 of the charter"] {
        assert!(member.done().contains(word), "{word:?} is not in\n{}", member.out);
    }
    run(&norden, &["feed", "ostvik", "routine"]).done();
    assert!(run(&norden, &["peer", "list"]).done().contains("ostvik"));
    let again = run(&norden, &["charter", "current", "-o", &path("again.toml")]);
    assert!(again.done().contains("version 2"), "{}", again.out);
    // Who would leave reads what the others lose.
    let leaving = run(&norden, &["member", "withdraw", "--ground", "called home"]);
    leaving.refused(2, &["norden has not left yet"]);
    assert!(
        leaving.err.contains("without norden:\nwarning: norden keeps 1 of 1 seat: if it stops"),
        "{}",
        leaving.err
    );
}
