//! Authorities through a running node: words on an operation, keys that are kept off line, an alliance's document.

use entente_protocol::authority::{
    AllianceDocument, AllianceReference, Authority, AuthorityKind, Follow, KindPrecedence, Scope,
    SignedAlliance,
};
use entente_protocol::charter::AuthorityName;
use serde_json::json;

use crate::cli_live::{Up, first_line};
use crate::cli_support::{DAY_MS, Hosts, now, run};

fn name(text: &str) -> AuthorityName {
    text.parse().expect("a name")
}

/// The pact, which is norden alone.
fn pact(hosts: &Hosts, previous: Option<&AllianceDocument>) -> SignedAlliance {
    let root = hosts.key("norden", "root");
    let mut signed = SignedAlliance::new(AllianceDocument {
        name: name("pact"),
        version: previous.map_or(1, |previous| previous.version + 1),
        previous: previous.map(AllianceDocument::hash),
        expression: entente_protocol::authority::Expression::Named(name("norden")),
        scope: Scope::default(),
        parties: [(name("norden"), root.public())].into(),
    });
    signed.sign(&root);
    signed
}

#[test]
fn authorities_speak_through_the_command_line() {
    let hosts = Hosts::init(&["norden"]);
    let dir = hosts.dir("norden");
    let mut charter = hosts.charter(now(), now().plus(30 * DAY_MS));
    charter.authority.precedence = Some(KindPrecedence::default());
    let command = hosts.key("norden", "seat");
    charter.authority.authorities.push(Authority {
        name: name("command"),
        kind: AuthorityKind::Coalition,
        scope: Scope::default(),
        expression: command.public().into(),
    });
    let airlift =
        charter.operations.iter_mut().find(|kind| kind.name.as_str() == "airlift").expect("declared");
    airlift.authority = Some(name("command"));
    // A draft refers to an alliance by its file.
    std::fs::write(hosts.file("draft.toml"), charter.to_toml()).expect("written");
    let first = pact(&hosts, None);
    std::fs::write(hosts.file("pact.alliance.toml"), first.to_toml()).expect("written");
    let (draft, alliance) = (hosts.file("draft.toml"), hosts.file("pact.alliance.toml"));
    let (draft, alliance) = (draft.display().to_string(), alliance.display().to_string());
    let refer = ["charter", "refer", &draft, "--alliance", &alliance, "--follow", "at-once"];
    let said = run(&dir, &refer);
    assert!(said.done().contains("airlift needs command"), "{}", said.out);
    let text = std::fs::read_to_string(&draft).expect("written");
    let charter = entente_protocol::charter::Charter::from_toml(&text).expect("a draft");
    assert_eq!(charter.authority.alliances, [AllianceReference::new(first.clone(), Follow::AtOnce)]);
    let shown = run(&dir, &["charter", "show", &draft]);
    for word in
        ["command has to order or permit it", "national before alliance before coalition", "follows at once"]
    {
        assert!(shown.done().contains(word), "{word:?} is not in\n{}", shown.out);
    }
    let tried =
        run(&dir, &["charter", "simulate", &draft, "--type", "airlift", "--authority", "norden:refuse"]);
    assert!(tried.done().contains("authority: refused by norden"), "{}", tried.out);
    run(&dir, &["charter", "refer", &draft, "--alliance", &draft, "--follow", "pinned"])
        .refused(3, &["it is no alliance's document"]);

    hosts.join_with(&charter);
    let _node = Up::start(&dir);
    let listed = run(&dir, &["authority", "list"]);
    for word in ["command", "coalition", "pact", "alliance", "1; follows at once", "airlift"] {
        assert!(listed.done().contains(word), "{word:?} is not in\n{}", listed.out);
    }
    let opened =
        run(&dir, &["op", "open", "--type", "airlift", "--title", "Corridor", "--set", "slot=06:40"]);
    opened.done();
    let id = first_line(&opened);
    let short = &id[..10];
    run(&dir, &["op", "attest", short, "--endorse"]).done();
    let why = run(&dir, &["op", "why", short]);
    assert!(why.done().contains("authority: waits for command"), "{}", why.out);
    let told = |args: &[&str]| -> serde_json::Value {
        serde_json::from_str(run(&dir, &[&["--json"], args].concat()).done()).expect("JSON")
    };
    let why = told(&["op", "why", short]);
    assert_eq!((&why["authority"]["needed"], &why["authority"]["voices"]), (&json!("command"), &json!([])));

    // What is wrong is told with what to do.
    run(&dir, &["op", "order", short, "--for", "comand"])
        .refused(2, &["there is no authority comand", "command, norden, pact", "authority list"]);
    run(&dir, &["op", "refuse", short]).refused(2, &["to refuse needs a ground"]);
    run(&dir, &["op", "order", short, "--for", "command"]).refused(6, &["norden has no voice in command"]);
    run(&dir, &["op", "recall", short, "--for", "pact", "--ground", "x"])
        .refused(6, &["has nothing of its own"]);

    // The command's key lies in a safe: it signs a statement, which is carried in.
    let file = hosts.file("go.statement.toml").display().to_string();
    let coalition = charter.id().to_string();
    let drafted = run(
        &dir,
        &[
            "authority",
            "statement",
            "--coalition",
            &coalition,
            "--operation",
            &id,
            "--for",
            "command",
            "--word",
            "order",
            "-o",
            &file,
        ],
    );
    assert!(drafted.done().contains("command orders it"), "{}", drafted.out);
    run(&dir, &["op", "order", short, "--signed", &file]).refused(3, &["nobody has signed it"]);
    let mut signed = entente_protocol::record::SignedStatement::from_toml(
        &std::fs::read_to_string(&file).expect("written"),
    )
    .expect("a statement");
    signed.sign(&command);
    std::fs::write(&file, signed.to_toml()).expect("written");
    run(&dir, &["op", "permit", short, "--signed", &file]).refused(3, &["it says order of"]);
    let said = run(&dir, &["op", "order", short, "--signed", &file, "--wait", "agreed"]);
    assert!(said.done().contains("agreed at leaf"), "{}", said.out);
    let shown = run(&dir, &["op", "show", short]);
    for word in ["allowed by command", "norden for command: order, as one key signed"] {
        assert!(shown.done().contains(word), "{word:?} is not in\n{}", shown.out);
    }
    let why = &told(&["op", "why", short])["authority"];
    assert_eq!(
        (&why["text"], &why["voices"][0]["word"]),
        (&json!("authority: allowed by command"), &json!("order"))
    );
    let story = run(&dir, &["op", "story", short]);
    assert!(story.done().contains("for command: orders it, signed off line and carried"), "{}", story.out);
    let proof = hosts.file("first.tlog-proof").display().to_string();
    run(&dir, &["receipt", short, "-o", &proof]).done();
    let verified = run(&dir, &["verify", &proof, "--coalition", &coalition]);
    assert!(verified.done().contains("command (coalition) orders it"), "{}", verified.out);

    // The alliance moves on; what is no next version is refused.
    run(&dir, &["authority", "publish", &alliance]).refused(6, &["version 1 of pact is known already"]);
    run(&dir, &["authority", "publish", &draft]).refused(3, &["it is no alliance's document"]);
    let second = pact(&hosts, Some(&first.alliance));
    std::fs::write(hosts.file("pact-2.alliance.toml"), second.to_toml()).expect("written");
    let file = hosts.file("pact-2.alliance.toml").display().to_string();
    run(&dir, &["authority", "publish", &file]).done();
    assert!(run(&dir, &["authority", "list"]).done().contains("2; follows at once"));
}
