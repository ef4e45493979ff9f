//! What roots do offline: keys behind a passphrase, delegations, revocations, documents that several sign.

use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use entente_protocol::authority::SignedAlliance;
use entente_protocol::credential::{Capability, Chain};
use entente_protocol::identity::{CoalitionId, PublicKey, SecretKey, hash};

use crate::cli_support::{Hosts, Said, mode, now, run, set_mode};

/// The least work that a file may ask for: tests need no strength.
const WORK: [&str; 2] = ["--work", "14"];

/// A folder of an air-gapped machine: no data folder, no home, a passphrase in a file.
struct Safe(tempfile::TempDir);

impl Safe {
    fn new() -> Self {
        let safe = Self(tempfile::tempdir().expect("a folder"));
        safe.write("words", "correct horse battery staple\nand a second line\n");
        set_mode(&safe.path("words"), 0o600);
        safe
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path(name), text).expect("written");
    }

    fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).expect("a text")
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_entente"));
        command.env_clear().current_dir(self.0.path()).stdin(Stdio::null()).arg("authority").args(args);
        command
    }

    /// Runs `entente authority` in an environment without anything.
    #[track_caller]
    fn run(&self, args: &[&str]) -> Said {
        self.command(args).output().expect("it runs").into()
    }

    /// The same, with the passphrase.
    #[track_caller]
    fn with_words(&self, args: &[&str]) -> Said {
        self.run(&[args, &["--passphrase-file", "words"]].concat())
    }

    /// Makes a key and returns its public half.
    #[track_caller]
    fn init(&self, name: &str, kind: &str) -> PublicKey {
        self.with_words(&[&["init", name, "--kind", kind][..], &WORK].concat()).done();
        let line = self.read(&format!("{name}.{kind}.pub"));
        line.split('"').nth(1).expect("a key in quotes").parse().expect("a key")
    }
}

fn coalition() -> CoalitionId {
    CoalitionId(hash("test", &[]))
}

fn public(seed: u8) -> PublicKey {
    SecretKey::from_seed(&[seed; 32]).public()
}

#[test]
fn a_root_lies_encrypted_and_opens_with_its_passphrase_alone() {
    let safe = Safe::new();
    let root = safe.init("norden", "root");
    assert_eq!(mode(&safe.path("norden.root.key")), 0o600);
    let text = safe.read("norden.root.key");
    assert!(text.starts_with("-----BEGIN AGE ENCRYPTED FILE-----\n") && !text.contains("seed"), "{text}");
    assert_eq!(safe.read("norden.root.pub"), format!("norden = \"{root}\"\n"));
    safe.with_words(&["init", "norden"]).refused(3, &["exists already", "never overwritten"]);
    assert!(safe.run(&["show", "norden.root.key"]).done().contains("encrypted with a passphrase"));

    let delegate = |words: &str| {
        let (to, coalition) = (public(9).to_string(), coalition().to_string());
        let args = ["delegate", "--key", "norden.root.key", "--to", &to, "--coalition", &coalition];
        let more =
            ["--partner", "norden", "--can", "node", "--days", "1", "-o", words, "--passphrase-file", words];
        safe.run(&[&args[..], &more].concat())
    };
    safe.write("wrong", "incorrect horse battery\n");
    safe.write("empty", "\nsecond line\n");
    set_mode(&safe.path("wrong"), 0o644);
    delegate("wrong").refused(3, &["wrong can be read by others", "chmod 600"]);
    ["wrong", "empty"].iter().for_each(|name| set_mode(&safe.path(name), 0o600));
    delegate("wrong").refused(3, &["norden.root.key cannot be opened", "the passphrase is wrong"]);
    delegate("empty").refused(3, &["empty holds no passphrase"]);
    safe.write("norden.root.key", &text.replacen("YWdl", "YWdm", 1));
    delegate("words").refused(3, &["norden.root.key cannot be opened", "damaged"]);
    // A short passphrase is none, and nothing is written.
    safe.write("short", "short\n");
    set_mode(&safe.path("short"), 0o600);
    let said = safe.run(&["init", "sudria", "--passphrase-file", "short"]);
    said.refused(3, &["too short", "10 characters"]);
    // Without a terminal nobody can be asked; a session of its own has none.
    let inner = safe.command(&["init", "sudria"]);
    let mut alone = Command::new("setsid");
    alone.arg("--wait").arg(inner.get_program()).args(inner.get_args()).current_dir(safe.0.path());
    let said: Said = alone.output().expect("setsid can be run").into();
    said.refused(1, &["no passphrase was typed", "--passphrase-file"]);
    assert!(!safe.path("sudria.root.key").exists() && !safe.path("sudria.root.pub").exists());
}

/// Runs a command at a terminal of its own, typing each of `lines` when it is asked; what the terminal showed.
fn at_a_terminal(safe: &Safe, args: &[&str], lines: &[&str]) -> (bool, String) {
    use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
    let terminal = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).expect("a terminal");
    grantpt(&terminal).and_then(|()| unlockpt(&terminal)).expect("its other end");
    let name = ptsname(&terminal, Vec::new()).expect("its name");
    let other = |name: &std::ffi::CStr| {
        std::fs::File::options().read(true).write(true).open(name.to_str().expect("ASCII")).expect("opened")
    };
    let inner = safe.command(args);
    // A session of its own, whose controlling terminal is this one.
    let mut child = Command::new("setsid")
        .args(["--ctty", "--wait"])
        .arg(inner.get_program())
        .args(inner.get_args())
        .env_clear()
        .env("PATH", "/usr/bin:/bin")
        .current_dir(safe.0.path())
        .stdin(other(&name))
        .stdout(other(&name))
        .stderr(other(&name))
        .spawn()
        .expect("setsid can be run");
    let mut terminal = std::fs::File::from(terminal);
    let mut shown = Vec::new();
    let mut lines = lines.iter();
    let mut asked = 0;
    // Ends when the last process has closed its end.
    let mut piece = [0; 256];
    while let Ok(read @ 1..) = terminal.read(&mut piece) {
        shown.extend_from_slice(&piece[..read]);
        let text = String::from_utf8_lossy(&shown);
        let questions = text.matches("passphrase for ").count() + text.matches("the same again").count();
        if questions > asked && text.ends_with(": ") {
            asked = questions;
            let line = lines.next().unwrap_or(&"\u{3}");
            terminal.write_all(format!("{line}\n").as_bytes()).expect("typed");
        }
    }
    let status = child.wait().expect("it ends");
    (status.success(), String::from_utf8_lossy(&shown).into_owned())
}

#[test]
fn a_passphrase_is_typed_twice_and_never_shown() {
    let safe = Safe::new();
    let words = "correct horse battery staple";
    let args = [&["init", "norden"][..], &WORK].concat();
    let (done, shown) = at_a_terminal(&safe, &args, &[words, "correct horse battery stable"]);
    assert!(!done && shown.contains("that were typed differ"), "{shown}");
    let (done, shown) = at_a_terminal(&safe, &args, &[words, "\u{3}"]);
    assert!(!done && shown.contains("broken off"), "{shown}");
    assert!(!safe.path("norden.root.key").exists());
    let (done, shown) = at_a_terminal(&safe, &args, &[words, words]);
    assert!(done && shown.contains("norden = "), "{shown}");
    assert!(!shown.contains("horse"), "{shown}");
    // What was typed is what opens it.
    let (to, coalition) = (public(9).to_string(), coalition().to_string());
    let args = ["delegate", "--key", "norden.root.key", "--to", &to, "--coalition", &coalition];
    safe.with_words(
        &[&args[..], &["--partner", "norden", "--can", "node", "--days", "1", "-o", "x"]].concat(),
    )
    .done();
}

/// A root lets an officer enrol nodes for one day in one operation type; the chain's file.
fn officers_chain(safe: &Safe, officer: &PublicKey) {
    let (to, coalition) = (officer.to_string(), coalition().to_string());
    let args = [
        "delegate",
        "--key",
        "norden.root.key",
        "--to",
        &to,
        "--coalition",
        &coalition,
        "--partner",
        "norden",
    ];
    let terms = ["--can", "officer", "--can", "node", "--type", "airlift", "--days", "10", "--depth", "1"];
    safe.with_words(&[&args[..], &terms, &["-o", "officer.chain.toml"]].concat()).done();
}

#[test]
fn a_delegation_is_passed_on_and_only_narrows() {
    let safe = Safe::new();
    let (root, officer) = (safe.init("norden", "root"), safe.init("watch", "officer"));
    officers_chain(&safe, &officer);
    let node = public(9).to_string();
    let pass = |terms: &[&str], output: &str| {
        let args = ["delegate", "--key", "watch.officer.key", "--chain", "officer.chain.toml", "--to", &node];
        safe.with_words(&[&args[..], terms, &["-o", output]].concat())
    };
    pass(&["--can", "node", "--days", "5"], "node.chain.toml").done();
    let chain = Chain::from_toml(&safe.read("node.chain.toml")).expect("a chain");
    assert_eq!(chain.0.len(), 2);
    let leaf = chain.verify(&root, &coalition(), Capability::Node, now()).expect("valid");
    assert_eq!((leaf.subject, leaf.operations.to_string(), leaf.depth), (public(9), "airlift".into(), 0));
    let said = safe.run(&["show", "node.chain.toml"]);
    for words in [
        "acts for norden",
        "be officer, node, for operation types: airlift",
        "to be passed on once",
        "valid now",
    ] {
        assert!(said.done().contains(words), "{words:?} is not in\n{}", said.out);
    }

    for (terms, words) in [
        (&["--can", "seat"][..], "more capabilities"),
        (&["--can", "node", "--type", "convoy"], "more operation types"),
        (&["--can", "node", "--days", "30"], "a later end"),
        (&["--can", "node", "--depth", "1"], "as much depth"),
    ] {
        pass(terms, "wider.toml").refused(6, &["only narrows", words, "authority show officer.chain.toml"]);
    }
    assert!(!safe.path("wider.toml").exists());
    pass(&["--can", "node", "--until", "2020-01-01T00:00:00Z"], "x").refused(3, &["would have expired"]);
    pass(&["--can", "node", "--partner", "sudria"], "x")
        .refused(2, &["the partner named is not that of the chain"]);
    // Another kind of key, and an officer whom the chain was not given to.
    let args = ["delegate", "--key", "norden.root.key", "--chain", "officer.chain.toml", "--to", &node];
    safe.with_words(&[&args[..], &["--can", "node", "-o", "x"]].concat())
        .refused(3, &["a key of kind root, and a key of kind officer is needed"]);
    safe.init("other", "officer");
    let args = ["delegate", "--key", "other.officer.key", "--chain", "officer.chain.toml", "--to", &node];
    safe.with_words(&[&args[..], &["--can", "node", "-o", "x"]].concat())
        .refused(3, &["this key cannot pass the chain on", "the chain ends at"]);
    let text = safe.read("node.chain.toml");
    safe.write("altered.toml", &text.replace("depth = 1", "depth = 2"));
    safe.run(&["show", "altered.toml"]).refused(3, &["altered.toml does not hold", "signature of link 1"]);
    let json: serde_json::Value =
        serde_json::from_str(safe.run(&["show", "node.chain.toml", "--json"]).done()).expect("JSON");
    assert_eq!(json["kind"], "chain");
    assert_eq!(json["hashes"].as_array().map(Vec::len), Some(2));
}

#[test]
fn what_was_delegated_is_taken_back_by_the_issuer_or_above() {
    let safe = Safe::new();
    let (_, officer) = (safe.init("norden", "root"), safe.init("watch", "officer"));
    officers_chain(&safe, &officer);
    let node = public(9).to_string();
    let args = ["delegate", "--key", "watch.officer.key", "--chain", "officer.chain.toml", "--to", &node];
    safe.with_words(&[&args[..], &["--can", "node", "-o", "node.chain.toml"]].concat()).done();
    let revoke = |key: &str, terms: &[&str], output: &str| {
        safe.with_words(&[&["revoke", "node.chain.toml", "--key", key][..], terms, &["-o", output]].concat())
    };
    revoke("norden.root.key", &["--reason", "lost at sea"], "a.toml").done();
    revoke("watch.officer.key", &["--whole-key"], "b.toml").done();
    // The officer cannot take back what the root gave it.
    revoke("watch.officer.key", &["--link", "1"], "c.toml")
        .refused(6, &["cannot take that back", "only who issued link 1"]);
    revoke("norden.root.key", &["--link", "3"], "c.toml").refused(2, &["there is no link 3", "links 1 to 2"]);
    revoke("norden.root.key", &["--reason", &"x".repeat(201)], "c.toml")
        .refused(2, &["longer than 200 bytes"]);
    assert!(!safe.path("c.toml").exists());
    let said = safe.run(&["show", "a.toml"]);
    assert!(said.done().contains("the delegation ") && said.out.contains("lost at sea"), "{}", said.out);
    assert!(safe.run(&["show", "b.toml"]).done().contains(&format!("whatever was given to {node}")));
    safe.write("altered.toml", &safe.read("a.toml").replace("lost", "left"));
    safe.run(&["show", "altered.toml"]).refused(3, &["altered.toml does not hold"]);
}

const PACT: &str = "[alliance]\nname = \"pact\"\nversion = 1\n\
    expression = { needs = 2, of = [\"norden\", \"sudria\", \"estmark\"], required = [\"estmark\"] }\n\n\
    [alliance.parties]\n";

/// An alliance of three roots, not signed yet.
fn pact(safe: &Safe) {
    let parties = ["norden", "sudria", "estmark"].map(|name| {
        safe.init(name, "root");
        safe.read(&format!("{name}.root.pub"))
    });
    safe.write("pact.toml", &format!("{PACT}{}", parties.concat()));
}

#[test]
fn signatures_are_collected_in_any_order_and_who_is_missing_is_named() {
    let safe = Safe::new();
    pact(&safe);
    assert!(
        safe.run(&["show", "pact.toml"])
            .done()
            .contains("not complete: not signed by pact as it is to be: needs one more of norden, sudria; estmark is required")
    );
    // One signs at home, in a copy.
    std::fs::copy(safe.path("pact.toml"), safe.path("copy.toml")).expect("copied");
    let said = safe.with_words(&["sign", "copy.toml", "--key", "estmark.root.key"]);
    assert!(said.done().contains("needs one more of norden, sudria\n"), "{}", said.out);
    let said = safe.with_words(&["sign", "pact.toml", "--key", "norden.root.key"]);
    assert!(said.done().contains("estmark is required\n"), "{}", said.out);
    let said = safe.run(&["sign", "pact.toml", "--take", "copy.toml"]);
    assert!(said.done().contains("complete: nothing is missing"), "{}", said.out);
    let first = SignedAlliance::from_toml(&safe.read("pact.toml")).expect("a document");
    assert_eq!((first.signatures.0.len(), first.verify(None)), (2, Ok(())));
    // Somebody who has no voice, a copy of something else, a key of another kind.
    safe.init("vigil", "root");
    safe.with_words(&["sign", "pact.toml", "--key", "vigil.root.key"]).refused(6, &["has no voice in pact"]);
    safe.write("other.toml", &safe.read("copy.toml").replace("needs = 2", "needs = 1"));
    safe.run(&["sign", "pact.toml", "--take", "other.toml"])
        .refused(3, &["other.toml is no copy of pact.toml"]);
    safe.init("watch", "officer");
    safe.with_words(&["sign", "pact.toml", "--key", "watch.officer.key"])
        .refused(3, &["kind officer, and a key of kind root is needed"]);
    safe.write("altered.toml", &safe.read("pact.toml").replace("needs = 2", "needs = 1"));
    safe.run(&["show", "altered.toml"]).refused(3, &["altered.toml does not hold", "signature of ed25519:"]);
    safe.with_words(&["sign", "altered.toml", "--key", "norden.root.key"]).refused(3, &["is not sound"]);

    // The next version: norden leaves; sudria and estmark stay, and that is enough before and after.
    let line = |name: &str| safe.read(&format!("{name}.root.pub"));
    let next = format!(
        "[alliance]\nname = \"pact\"\nversion = 2\nprevious = \"{}\"\n\
         expression = {{ needs = 2, of = [\"sudria\", \"estmark\"] }}\n[alliance.parties]\n{}{}",
        first.alliance.hash(),
        line("sudria"),
        line("estmark")
    );
    safe.write("next.toml", &next);
    safe.with_words(&["sign", "next.toml", "--key", "sudria.root.key"])
        .refused(2, &["is version 2", "--previous FILE"]);
    let sign = |key: &str| safe.with_words(&["sign", "next.toml", "--previous", "pact.toml", "--key", key]);
    assert!(sign("sudria.root.key").done().contains("not signed by pact as it is to be"));
    assert!(sign("estmark.root.key").done().contains("complete"));
    let said = safe.run(&["show", "next.toml", "--previous", "copy.toml"]);
    assert!(said.done().contains("complete: nothing is missing"), "{}", said.out);
    safe.run(&["show", "next.toml", "--previous", "next.toml"]).refused(3, &["does not follow from"]);
    safe.run(&["show", "words"]).refused(3, &["words cannot be used"]);
}

#[test]
fn who_decides_in_an_alliance_can_be_nested() {
    let safe = Safe::new();
    for name in ["norden", "sudria", "estmark"] {
        safe.init(name, "root");
    }
    let parties = ["--party", "norden.root.pub", "sudria.root.pub", "estmark.root.pub"];
    let draft = |expression: &str, output: &str| {
        let args = ["alliance", "league", "--expression", expression, "-o", output];
        safe.run(&[&args[..], &parties].concat())
    };
    let nested = "{ needs = 2, of = [\"estmark\", { needs = 1, of = [\"norden\", \"sudria\"] }], required = [\"estmark\"] }";
    let said = draft(nested, "league.toml");
    assert!(said.done().contains("2 of (estmark, 1 of (norden, sudria); estmark required)"), "{}", said.out);
    assert!(draft("estmark", "alone.toml").done().contains("decides by"));
    draft("{ needs = 2, of = [\"estmark\", \"vigil\"] }", "x").refused(2, &["league cannot be drafted so"]);
    draft("{ needs = 2 }", "x").refused(2, &["--expression"]);
    let both = ["alliance", "league", "--needs", "2", "--expression", "estmark", "-o", "x"];
    safe.run(&[&both[..], &parties].concat()).refused(2, &["cannot be used with"]);
    let said = safe.run(&["show", "norden.root.pub"]);
    assert!(said.done().contains("the public line of norden: ed25519:"), "{}", said.out);
    safe.run(&["sign", "league.toml", "--key", "missing.root.key"])
        .refused(3, &["there is no key missing.root.key", "entente authority init NAME"]);
}

#[test]
fn a_refusal_is_neither_drafted_nor_signed_without_a_ground() {
    let safe = Safe::new();
    safe.init("norden", "root");
    let (coalition, operation) =
        (coalition().to_string(), entente_protocol::identity::RecordId(hash("test", &[])).to_string());
    let draft = |word: &str, ground: &str| {
        let output = format!("{word}.toml");
        let args = ["statement", "--coalition", &coalition, "--operation", &operation, "--for", "norden"];
        safe.run(&[&args[..], &["--word", word, "--ground", ground, "-o", &output]].concat())
    };
    for word in ["refuse", "recall"] {
        draft(word, "").refused(2, &[&format!("to {word} needs a ground"), "--ground TEXT"]);
        assert!(!safe.path(&format!("{word}.toml")).exists());
    }
    draft("permit", "").done();
    draft("refuse", "no crews").done();
    safe.write("bare.toml", &safe.read("refuse.toml").replace("no crews", ""));
    safe.with_words(&["sign", "bare.toml", "--key", "norden.root.key"])
        .refused(3, &["bare.toml is not signed", "to refuse needs a ground"]);
    safe.with_words(&["sign", "refuse.toml", "--key", "norden.root.key"]).done();
}

#[test]
fn a_chain_that_ends_with_an_epoch_says_so() {
    let safe = Safe::new();
    safe.init("norden", "root");
    let (to, coalition) = (public(9).to_string(), coalition().to_string());
    let args = ["delegate", "--key", "norden.root.key", "--to", &to, "--coalition", &coalition];
    let terms = ["--partner", "norden", "--can", "node", "--days", "10", "--last-epoch", "9"];
    safe.with_words(&[&args[..], &terms, &["-o", "node.chain.toml"]].concat()).done();
    let said = safe.run(&["show", "node.chain.toml"]);
    assert!(said.done().contains(", and only up to epoch 9, which a node knows"), "{}", said.out);
}

#[test]
fn a_root_gives_way_to_another_one() {
    let safe = Safe::new();
    let (old, new) = (safe.init("norden", "root"), safe.init("norden-2", "root"));
    safe.write(
        "rotation.toml",
        &format!(
            "[rotation]\ncoalition = \"{}\"\npartner = \"norden\"\nnumber = 1\nold = \"{old}\"\nnew = \"{new}\"\n",
            coalition()
        ),
    );
    let sign = |key: &str| safe.with_words(&["sign", "rotation.toml", "--key", key]);
    assert!(sign("norden.root.key").done().contains("not complete: not signed by the new root"));
    assert!(sign("norden-2.root.key").done().contains("complete: nothing is missing"));
    assert!(safe.run(&["show", "rotation.toml"]).done().contains("1 of the root of norden"));
}

#[test]
fn a_charter_is_signed_by_a_root_behind_a_passphrase() {
    let safe = Safe::new();
    let root = safe.init("norden", "root");
    let hosts = Hosts::init(&["sudria"]);
    let text = |path: &Path| path.display().to_string();
    let (key, words) = (text(&safe.path("norden.root.key")), text(&safe.path("words")));
    let norden = hosts.dir("norden");
    run(&norden, &["init", "--partner", "norden", "--root", &key, "--passphrase-file", &words]).done();
    assert_eq!(hosts.card("norden").root, root);
    assert!(!norden.join("keys/root.key").exists());
    let cards = ["norden", "sudria"].map(|name| text(&hosts.dir(name).join(format!("{name}.card.toml"))));
    let draft = text(&hosts.file("corridor.toml"));
    let new = ["charter", "new", "--template", "airlift", "--cards", &cards[0], &cards[1], "-o", &draft];
    run(&norden, &new).done();
    // At home with the data folder, and on the machine that has none.
    run(
        &norden,
        &[
            "charter",
            "sign",
            &draft,
            "--key",
            &key,
            "--passphrase-file",
            &words,
            "-o",
            &text(&hosts.file("a")),
        ],
    )
    .done();
    let said = safe.with_words(&["sign", &draft, "--key", "norden.root.key", "--card", &cards[0]]);
    assert!(said.done().contains("norden signs this charter"), "{}", said.out);
    let signature = hosts.file("corridor.norden.sig.toml");
    assert_eq!(std::fs::read(&signature).expect("signed"), std::fs::read(hosts.file("a")).expect("signed"));
    safe.with_words(&["sign", &draft, "--key", "norden.root.key", "--card", &cards[1], "-o", "x"])
        .refused(3, &["is not signed", "names differ"]);
    assert!(safe.run(&["show", &draft]).done().contains("airlift"));
    run(&hosts.dir("sudria"), &["charter", "sign", &draft]).done();
    let whole = text(&hosts.file("whole.toml"));
    let other = text(&hosts.file("corridor.sudria.sig.toml"));
    run(&norden, &["charter", "merge", &draft, &text(&signature), &other, "-o", &whole]).done();
    let file = text(&hosts.file("corridor.coalition.toml"));
    run(&norden, &["charter", "found", &whole, "-o", &file]).done();
    run(&norden, &["join", &file]).done();
    run(&norden, &["config", "check"]).done();
    // Carried back into the folder, it is seen and not opened.
    std::fs::copy(&key, norden.join("keys/root.key")).expect("copied");
    assert!(run(&norden, &["config", "check"]).done().contains("encrypted with a passphrase, not opened"));
}
