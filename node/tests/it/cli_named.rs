//! Whatever is shown has a name beside its id, and whatever is refused says what to do that leads on.

use crate::cli_live::{Up, first_line};
use crate::cli_support::{DAY_MS, Hosts, Said, now, run};

/// A node of one partner, which may lead and support.
struct Alone {
    hosts: Hosts,
    _node: Up,
}

impl Alone {
    fn start() -> Self {
        let hosts = Hosts::init(&["norden"]);
        let mut charter = hosts.charter(now(), now().plus(30 * DAY_MS));
        for kind in charter.operations.iter_mut().filter(|kind| kind.name.as_str() == "airlift") {
            kind.supporting = kind.lead.clone();
        }
        hosts.join_with(&charter);
        let _node = Up::start(&hosts.dir("norden"));
        Self { hosts, _node }
    }

    fn run(&self, args: &[&str]) -> Said {
        run(&self.hosts.dir("norden"), args)
    }

    fn open(&self, title: &str, more: &[&str]) -> Said {
        self.run(&[&["op", "open", "--type", "airlift", "--title", title][..], more].concat())
    }
}

/// The next command of a refusal, as it was given to a shell, without the program.
#[track_caller]
fn next(said: &Said) -> Vec<String> {
    let next = said.err.lines().find_map(|line| line.strip_prefix("  next: entente "));
    next.unwrap_or_else(|| panic!("no next command in\n{}", said.err)).split(' ').map(str::to_owned).collect()
}

#[test]
fn the_log_says_who_said_what_of_which_operation() {
    let alone = Alone::start();
    let id = first_line(&alone.open("Corridor", &[]));
    alone.run(&["op", "attest", &id, "--endorse", "--role", "lead", "--wait", "agreed"]).done();
    alone.run(&["note", "a word"]).done();
    alone.run(&["asset", "declare", "lift-7", "--kind", "c-130", "--label", "one transport"]).done();
    let log = alone.run(&["log"]);
    for words in [
        "Corridor: norden opens it, as lead",
        "Corridor: norden endorses, as lead",
        "norden declares lift-7: one transport",
        "norden (routine 2)",
    ] {
        assert!(log.done().contains(words), "{words:?} is not in\n{}", log.out);
    }
    assert!(log.out.contains(&id[..13]) && !log.out.contains(&id), "{}", log.out);
    let json = alone.run(&["--json", "log"]);
    let json = serde_json::from_str::<serde_json::Value>(json.done()).expect("JSON");
    let opening = json["leaves"].as_array().expect("a list").iter().find(|leaf| leaf["id"] == id.as_str());
    let opening = opening.expect("it is ordered");
    assert_eq!(
        (&opening["title"], &opening["says"]),
        (&"Corridor".into(), &"norden opens it, as lead".into())
    );
}

#[test]
fn a_refusal_that_names_an_operation_says_its_title_and_leads_there() {
    let alone = Alone::start();
    let claim = [
        "--set",
        "corridor=alfa",
        "--set",
        "opens=2026-11-25T06:00:00Z",
        "--set",
        "closes=2026-11-25T08:00:00Z",
    ];
    let id = first_line(&alone.open("Corridor", &claim));
    let taken = alone.open("Again", &claim);
    taken.refused(6, &["until it fails, expires, is concluded or is annulled", "\"Corridor\""]);
    assert_eq!(next(&taken).join(" "), format!("op show {}", &id[..13]));
    let unknown = alone.open("Other", &["--set", "colour=red"]);
    assert_eq!(next(&unknown).join(" "), "charter current", "{}", unknown.err);
    alone.run(&["op", "attest", &id, "--endorse", "--role", "lead", "--wait", "agreed"]).done();
    let late = alone.run(&["op", "attest", &id, "--object", "--role", "lead"]);
    late.refused(6, &[&format!("{id} (\"Corridor\") takes no attestations any more")]);
}

#[test]
fn who_has_two_roles_is_shown_commands_with_all_that_was_given() {
    let alone = Alone::start();
    let id = first_line(&alone.open("Corridor", &[]));
    // An objection keeps it open.
    let said = alone.run(&["op", "attest", &id, "--object", "--role", "lead"]);
    let standing = first_line(&said);
    // Replaces it; the role and whatever else was given stay.
    let given = ["--role", "lead", "--caveat", "by-day", "--timeout", "20s"];
    let said = alone.run(&[&["op", "attest", &id, "--abstain"], &given[..]].concat());
    said.refused(6, &["has attested already"]);
    let command = next(&said);
    let wanted = format!(
        "op attest {} --abstain --role lead --caveat by-day --supersedes {} --timeout 20s",
        &id[..13],
        &standing[..13]
    );
    assert_eq!(command.join(" "), wanted);
    // The role is asked for; what it replaces stays.
    let said =
        alone.run(&["op", "attest", &id, "--abstain", "--supersedes", &standing, "--caveat", "by day"]);
    said.refused(2, &["in which role does norden attest"]);
    let shown = said.err.lines().find_map(|line| line.strip_prefix("  next: ")).expect("a next command");
    let wanted =
        format!("entente op attest {id} --abstain --role lead --caveat 'by day' --supersedes {standing}");
    assert_eq!(shown, wanted);
    alone.run(&command.iter().map(String::as_str).collect::<Vec<_>>()).done();
}

#[test]
fn a_partner_that_is_none_is_named_before_anything_is_said() {
    let alone = Alone::start();
    let none = alone.run(&["asset", "list", "--owner", "nordne"]);
    none.refused(2, &["nordne is no partner", "its partners are: norden"]);
    assert!(alone.run(&["asset", "list", "--owner", "norden"]).done().starts_with("no assets yet"));
    let id = first_line(&alone.open("Corridor", &[]));
    alone.run(&["asset", "declare", "lift-7", "--kind", "c-130", "--label", "one transport"]).done();
    let lend =
        ["asset", "contribute", "lift-7", &id, "--control", "lead", "--to", "norden", "--to", "nobody"];
    alone.run(&lend).refused(2, &["nobody is no partner", "norden"]);
    assert!(!alone.run(&["asset", "list"]).done().contains("Corridor"));
}

#[test]
fn a_command_that_needs_the_folder_names_it_wherever_it_is_shown() {
    let alone = Alone::start();
    let id = first_line(&alone.open("Corridor", &[]));
    let dir = alone.hosts.dir("norden").display().to_string();
    let named = |args: &[&str]| alone.run(&[&["--dir", &dir], args].concat());
    named(&["op", "order", &id, "--for", "comand"])
        .refused(2, &[&format!("next: entente --dir {dir} authority list")]);
    let story = named(&["op", "attest", &id, "--endorse"]);
    story.refused(2, &[&format!("next: entente --dir {dir} op attest {id} --endorse --role lead")]);
}

#[test]
fn a_chain_for_types_that_are_none_is_taken_with_a_warning() {
    let alone = Alone::start();
    let (hosts, dir) = (&alone.hosts, alone.hosts.dir("norden"));
    let key = dir.join("keys/root.key").display().to_string();
    let coalition = hosts.coalition().to_string();
    let to = entente_protocol::identity::SecretKey::from_seed(&[5; 32]).public().to_string();
    let delegate = |kind: &str, file: &str| {
        let file = hosts.file(file).display().to_string();
        let args = ["authority", "delegate", "--key", &key, "--coalition", &coalition, "--partner", "norden"];
        let more = ["--to", &to, "--can", "officer", "--days", "9", "--type", kind, "-o", &file];
        alone.run(&[&args[..], &more].concat()).done();
        file
    };
    let wrong = alone.run(&["member", "submit", &delegate("airlfit", "wrong.chain.toml")]);
    assert!(wrong.done().contains("applied"), "{}", wrong.out);
    for words in ["warning", "airlfit", "airlift"] {
        assert!(wrong.err.contains(words), "{words:?} is not in\n{}", wrong.err);
    }
    let right = alone.run(&["member", "submit", &delegate("airlift", "right.chain.toml")]);
    right.done();
    assert_eq!(right.err, "");
}
