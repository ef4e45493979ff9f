//! From keys to a coalition, by hand.

use crate::cli_support::{DAY_MS, Hosts, mode, now, run};

const FOUR: [&str; 4] = ["norden", "sudria", "estmark", "skywatch"];

#[test]
fn init_makes_private_keys_and_a_card_and_never_overwrites() {
    let hosts = Hosts::init(&["norden"]);
    let dir = hosts.dir("norden");
    assert_eq!(mode(&dir.join("keys")), 0o700);
    for kind in ["root", "officer", "seat", "node"] {
        assert_eq!(mode(&dir.join(format!("keys/{kind}.key"))), 0o600);
    }
    let before = std::fs::read(dir.join("keys/root.key")).expect("a key");
    run(&dir, &["init", "--partner", "norden"]).refused(3, &["exists already", "never overwritten"]);
    run(&dir, &["init", "--partner", "sudria"]).refused(3, &["exists already"]);
    assert_eq!(std::fs::read(dir.join("keys/root.key")).expect("a key"), before);
    let said = run(&hosts.dir("other"), &["init", "--partner", "No Name"]);
    assert_eq!(said.code, 2, "{}", said.err);
    assert!(!hosts.dir("other").exists());
}

fn text_of(path: &str) -> String {
    std::fs::read_to_string(path).expect("a text")
}

#[test]
fn four_hosts_found_and_join_with_the_commands_alone() {
    let hosts = Hosts::init(&FOUR);
    let path = |name: &str| hosts.file(name).display().to_string();
    let cards = FOUR.map(|name| hosts.dir(name).join(format!("{name}.card.toml")).display().to_string());
    let draft = path("corridor.toml");
    let mut new = vec![
        "charter",
        "new",
        "--template",
        "airlift",
        "--lead",
        "norden",
        "--observing",
        "skywatch",
        "--cards",
    ];
    new.extend(cards.iter().map(String::as_str));
    new.extend(["-o", &draft]);
    let norden = hosts.dir("norden");
    run(&norden, &new).done();

    let lint = run(&norden, &["charter", "lint", &draft]);
    assert!(lint.done().contains("4 seats: f = 1; agreement needs 3"), "{}", lint.out);

    let tried = ["charter", "simulate", &draft, "--type", "airlift"];
    assert!(run(&norden, &tried).done().contains("AGREED after 0 s"));
    let said = run(&norden, &[&tried[..], &["--absent", "sudria", "--says", "norden:object"]].concat());
    for word in [
        "norden says object as lead",
        "FAILED after 6 h",
        "blocked by veto of norden",
        "1 more of supporting: sudria",
    ] {
        assert!(said.done().contains(word), "{word} is not in\n{}", said.out);
    }
    let records = path("records.toml");
    std::fs::write(&records, "type = \"airlift\"\nabsent = [\"sudria\"]\n").expect("written");
    let json = run(&norden, &["--json", "charter", "simulate", &draft, &records]);
    let json: serde_json::Value = serde_json::from_str(json.done()).expect("JSON");
    assert_eq!((&json["verdict"], &json["after_ms"]), (&"expired".into(), &21_600_000.into()));
    run(&norden, &["charter", "simulate", &draft])
        .refused(3, &["which type of operation?", "airlift, closure"]);
    run(&norden, &[&tried[..], &["--absent", "borland"]].concat()).refused(3, &["borland is no partner"]);
    let typo = ["charter", "simulate", &draft, "--type", "airlfit"];
    run(&norden, &typo).refused(3, &["no type airlfit; there are: airlift, amendment, closure"]);
    let held = run(&norden, &[&tried[..], &["--absent", "sudria", "--absent", "skywatch"]].concat());
    assert!(
        held.done().contains("held: nothing is ordered until 1 more seat answers, of skywatch and sudria"),
        "{}",
        held.out
    );
    let back = ["--absent", "sudria", "--absent", "skywatch", "--returns", "sudria"];
    let back = run(&norden, &[&tried[..], &back].concat());
    assert!(back.done().contains("sudria returns: what is held is ordered"), "{}", back.out);
    assert!(back.out.contains("AGREED after 0 s"), "{}", back.out);
    run(&norden, &[&tried[..], &["--absent", "norden", "--says", "norden:endorse"]].concat())
        .refused(3, &["norden is absent, so it cannot say endorse"]);
    let suspended = ["charter", "simulate", &draft, "--type", "suspension"];
    run(&norden, &suspended).refused(3, &["about whom?", "--type suspension --about PARTNER"]);
    let suspended = run(&norden, &[&suspended[..], &["--about", "sudria"]].concat());
    assert!(suspended.done().contains("proposes to suspend sudria"), "{}", suspended.out);

    let lost = run(&norden, &["charter", "lint", &draft, "--without", "norden"]);
    assert!(
        lost.done().contains("error: airlift: without norden it can never be agreed: needs lead: norden"),
        "{}",
        lost.out
    );
    let lost = run(&norden, &["charter", "lint", &draft, "--without", "skywatch"]);
    assert_eq!(
        lost.done(),
        "error: expulsion: without skywatch it can never be agreed: needs 1 more of supporting: skywatch\n"
    );
    run(&norden, &["charter", "lint", &draft, "--without", "borland"]).refused(3, &["borland is no partner"]);

    let other = path("other.toml");
    let text = text_of(&draft)
        .replace("name = \"corridor\"\n", "name = \"passage\"\n")
        .replace("21600000", "43200000");
    std::fs::write(&other, text).expect("written");
    let said = run(&norden, &["charter", "diff", &draft, &other]);
    for line in ["name corridor -> passage (no amendment can change that)\n", "airlift: window 6 h -> 12 h\n"]
    {
        assert!(said.done().contains(line), "{line} is not in\n{}", said.out);
    }

    // What is wrong is told with the file to mend, and with what could be meant.
    let broken = path("broken.toml");
    std::fs::write(&broken, text_of(&draft).replace("fallback = \"fail\"", "fallback = { foo = 1 }"))
        .expect("written");
    run(&norden, &["charter", "lint", &broken])
        .refused(3, &["unknown field `foo`", &format!("charter lint {broken}")]);
    run(&norden, &["charter", "refer", &draft, "--alliance", &draft, "--follow", "never"])
        .refused(2, &["'never' for '--follow", "it is one of: at-once, next-amendment, pinned"]);

    let mut signatures = Vec::new();
    for name in FOUR {
        let said = run(&hosts.dir(name), &["charter", "sign", &draft]);
        for word in ["norden", "skywatch", "airlift", "co-"] {
            assert!(said.done().contains(word), "{word} is not shown before signing:\n{}", said.out);
        }
        signatures.push(path(&format!("corridor.{name}.sig.toml")));
    }

    let partly = path("partly.toml");
    let said = run(&norden, &["charter", "merge", &draft, &signatures[0], &signatures[2], "-o", &partly]);
    assert!(said.done().contains("still missing: skywatch and sudria"), "{}", said.out);
    let coalition = path("corridor.coalition.toml");
    run(&norden, &["charter", "found", &partly, "-o", &coalition]).refused(
        3,
        &["not founded", "skywatch and sudria", "partly.skywatch.sig.toml partly.sudria.sig.toml -o NEW"],
    );
    assert!(!hosts.file("corridor.coalition.toml").exists());

    let whole = path("signed.toml");
    run(&norden, &["charter", "merge", &partly, &signatures[1], &signatures[3], "-o", &whole]).done();
    run(&norden, &["charter", "found", &whole, "-o", &coalition]).done();
    // Founded again it would have another secret.
    let again = path("corridor.coalition.toml.again");
    run(&norden, &["charter", "found", &coalition, "-o", &again])
        .refused(2, &["the coalition is founded already", "entente join"]);
    assert!(!hosts.file("corridor.coalition.toml.again").exists());
    assert_eq!(mode(&hosts.file("corridor.coalition.toml")), 0o600);
    let id = run(&norden, &["charter", "id", &draft]).done().trim().to_owned();
    assert!(id.starts_with("co-") && id.len() == 55, "{id}");
    assert_eq!(run(&norden, &["charter", "id", &coalition]).done().trim(), id);

    for (seat, name) in ["estmark", "norden", "skywatch", "sudria"].into_iter().enumerate() {
        let said = run(&hosts.dir(name), &["join", &coalition]);
        assert!(said.done().contains(&format!("as {name}, seat {seat} of 4")), "{}", said.out);
        assert_eq!(mode(&hosts.dir(name).join("coalition.toml")), 0o600);
        run(&hosts.dir(name), &["join", &coalition]).done();
        let check = run(&hosts.dir(name), &["config", "check"]);
        assert!(check.done().contains(&id), "{}", check.out);
    }
    let policy = run(&norden, &["policy", "export"]);
    assert_eq!(policy.done().matches("witness seat/").count(), 4, "{}", policy.out);
    assert!(policy.out.contains("group seats 3 "), "{}", policy.out);
}

#[test]
fn a_charter_is_signed_only_as_the_partners_own_card_has_it() {
    let hosts = Hosts::init(&["norden", "sudria"]);
    let mut charter = hosts.charter(now(), now().plus(DAY_MS));
    let other = Hosts::init(&["norden"]).card("norden");
    charter.partners[0].seat = other.seat;
    let file = hosts.file("altered.toml");
    std::fs::write(&file, charter.to_toml()).expect("written");
    run(&hosts.dir("norden"), &["charter".as_ref(), "sign".as_ref(), file.as_os_str()])
        .refused(3, &["not signed", "seats differ"]);
}

#[test]
fn an_altered_card_is_refused() {
    let hosts = Hosts::init(&["norden", "sudria"]);
    let card = hosts.dir("sudria").join("sudria.card.toml");
    let text = std::fs::read_to_string(&card).expect("a card");
    let own = hosts.card("sudria").seat.to_string();
    let other = hosts.card("norden").seat.to_string();
    std::fs::write(&card, text.replace(&own, &other)).expect("written");
    let card = card.display().to_string();
    let output = hosts.file("x.toml").display().to_string();
    run(&hosts.dir("norden"), &["charter", "new", "--template", "airlift", "--cards", &card, "-o", &output])
        .refused(3, &["not a sound card", "not signed by its root"]);
    assert!(!hosts.file("x.toml").exists());
}

#[test]
fn a_signature_on_another_text_is_not_merged() {
    let hosts = Hosts::init(&["norden", "sudria"]);
    let charter = hosts.charter(now(), now().plus(DAY_MS));
    let (first, second) = (hosts.file("first.toml"), hosts.file("second.toml"));
    std::fs::write(&first, charter.to_toml()).expect("written");
    let edited = charter.to_toml().replace("window_ms = 21600000", "window_ms = 3600000");
    assert_ne!(edited, charter.to_toml());
    std::fs::write(&second, edited).expect("written");
    let (first, second) = (first.display().to_string(), second.display().to_string());
    run(&hosts.dir("norden"), &["charter", "sign", &first]).done();
    let signature = hosts.file("first.norden.sig.toml").display().to_string();
    let merged = hosts.file("merged.toml").display().to_string();
    run(&hosts.dir("norden"), &["charter", "merge", &second, &signature, "-o", &merged])
        .refused(3, &["norden signed co-"]);
}

#[test]
fn a_second_coalition_needs_a_folder_of_its_own() {
    let hosts = Hosts::init(&["norden"]);
    hosts.join_all();
    let other = hosts.charter(now().plus(1), now().plus(DAY_MS));
    let file = hosts.founded(&other, &["norden"], "other.coalition.toml");
    run(&hosts.dir("norden"), &["join".as_ref(), file.as_os_str()])
        .refused(3, &["member of another coalition", "folder of its own"]);
}

#[test]
fn json_errors_name_the_same_things() {
    let hosts = Hosts::init(&["norden"]);
    let said = run(&hosts.dir("norden"), &["--json", "status"]);
    assert_eq!(said.code, 4);
    let error: serde_json::Value = serde_json::from_str(&said.err).expect("JSON");
    assert_eq!(error["exit"], 4);
    assert_eq!(error["code"], "node_down");
    assert!(error["next"].as_str().expect("a text").ends_with(" up"), "{error}");
}
