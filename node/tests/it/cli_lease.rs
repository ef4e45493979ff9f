//! Provisional work on the command line: one node that reaches nobody, and then the others.

use entente_protocol::charter::{
    AtLeast, Charter, Dependants, DisputeRule, IfShort, Lease, OnExpiry, PartnerName, Terms,
};
use entente_protocol::record::Role;

use crate::cli_live::{Up, first_line};
use crate::cli_support::{DAY_MS, Hosts, Said, entente, now, run, until_reached};

/// norden leads, sudria and borea support, borea judges; alfa is leased to norden, bravo to sudria.
fn leased(hosts: &Hosts) -> Charter {
    let created = now();
    let mut charter = hosts.charter(created, created.plus(30 * DAY_MS));
    let name = |text: &str| text.parse::<PartnerName>().expect("a name");
    let kind = charter.operations.iter_mut().find(|kind| kind.name.as_str() == "airlift").expect("declared");
    kind.lead = vec![name("norden")];
    kind.supporting = vec![name("borea"), name("sudria")];
    kind.may_raise = Vec::new();
    kind.rule.at_least = vec![AtLeast { role: Role::Supporting, count: 1 }];
    let lease = |title: &str, partner: &str, corridor: &str| Lease {
        name: title.parse().expect("a name"),
        resource: "corridor".parse().expect("a name"),
        values: vec![vec![corridor.to_owned()]],
        partner: name(partner),
        all_of: Terms::default(),
    };
    kind.leases = vec![lease("north", "norden", "alfa"), lease("south", "sudria", "bravo")];
    kind.dispute = Some(DisputeRule {
        window_ms: DAY_MS,
        panel: vec![name("borea")],
        threshold: 1,
        if_short: IfShort::Refuse,
        rule_ms: DAY_MS,
        on_expiry: OnExpiry::Uphold,
        dependants: Dependants::GoOn,
        grounds: Vec::new(),
        remand_ms: None,
    });
    charter
}

struct Alone {
    hosts: Hosts,
}

impl Alone {
    fn run(&self, args: &[&str]) -> Said {
        run(&self.hosts.dir("norden"), args)
    }

    fn open(&self, title: &str, corridor: &str, more: &[&str]) -> Said {
        let corridor = format!("corridor={corridor}");
        let body = [
            "--set",
            &corridor,
            "--set",
            "opens=2031-11-25T06:00:00Z",
            "--set",
            "closes=2031-11-25T08:00:00Z",
        ];
        self.run(&[&["op", "open", "--type", "airlift", "--title", title][..], &body, more].concat())
    }

    fn says(&self, args: &[&str], words: &[&str]) {
        let said = self.run(args);
        let out = said.done();
        for word in words {
            assert!(out.contains(word), "{args:?} says no {word:?}:\n{out}");
        }
    }
}

#[test]
fn who_reaches_nobody_commits_under_its_lease_and_is_told_later_what_became_of_it() {
    let hosts = Hosts::init(&["borea", "norden", "sudria"]);
    let file = hosts.join_with(&leased(&hosts)).display().to_string();
    let alone = Alone { hosts };
    let node = Up::start(&alone.hosts.dir("norden"));
    alone.says(&["charter", "show", &file], &["north: norden commits corridor alfa alone"]);
    // What is wrong is told before anything is said.
    alone.open("x", "alfa", &["--overstep"]).refused(2, &["--provisional"]);
    alone.open("x", "bravo", &[]).refused(6, &["leased to sudria (lease south)", "it alone can open"]);
    alone
        .open("x", "bravo", &["--provisional"])
        .refused(6, &["is leased to sudria", "a panel rules on it", "--overstep"]);
    alone
        .run(&["op", "open", "--type", "airlift", "--title", "x", "--provisional", "--wait", "held"])
        .refused(6, &["claims no exclusive resource"]);
    // What is leased may be acted on.
    let own = ["--provisional", "--wait", "held", "--key", "one"];
    let opened = alone.open("first", "alfa", &own);
    opened.done();
    let id = first_line(&opened);
    assert_eq!(first_line(&alone.open("first", "alfa", &own)), id, "the same key is the same record");
    alone.open("other", "alfa", &own).refused(2, &["stands for something else"]);
    alone.says(
        &["op", "show", &id],
        &["agreed under lease north: norden may act on it", "under lease north, knowing the log up to"],
    );
    alone.says(&["op", "why", &id], &["provisional: agreed under lease north", "missing: needs"]);
    alone.says(&["op", "list"], &["open, under lease"]);
    alone.says(&["op", "show", &id, "--json"], &["\"provisional\":\"agreed under lease\"", "\"met\":true"]);
    alone.run(&["op", "commit", &id]).refused(6, &["norden has committed", "already"]);
    // What is not may be, too, and it is known how that ends.
    let over = alone.open("over", "bravo", &["--provisional", "--overstep", "--wait", "held"]);
    over.done();
    let over = first_line(&over);
    alone.says(&["op", "show", &over], &["would be conflicted", "is leased to sudria (lease south)"]);
    // The others come back.
    let addresses = alone.run(&["peer", "address"]);
    let address = addresses.done().lines().next().expect("an address").to_owned();
    let _others = ["borea", "sudria"].map(|name| {
        let mut command = entente(&alone.hosts.dir(name));
        command.args(["up", "--listen", "/ip4/127.0.0.1/udp/0/quic-v1", "--peer", &address]);
        Up::spawn(command)
    });
    until_reached(&alone.hosts.dir("norden"));
    let key = alone.hosts.dir("sudria").join("keys/officer.key").display().to_string();
    alone.run(&["op", "attest", &id, "--endorse"]).done();
    alone.run(&["--as", &key, "op", "attest", &id, "--endorse", "--wait", "agreed"]).done();
    alone.says(&["op", "show", &id], &["AGREED", "confirmed: the operation is agreed"]);
    alone.says(&["op", "show", &over], &["CONFLICTED", "a panel rules on it", "disputed"]);
    alone.says(
        &["op", "story", &over],
        &["commits it provisionally, under no lease", "a dispute is opened by rule"],
    );
    // Whoever has the receipt sees whose lease it was.
    let file = alone.hosts.file("over.tlog-proof").display().to_string();
    alone.run(&["receipt", &over, "-o", &file]).done();
    let coalition = alone.hosts.coalition().to_string();
    alone.says(
        &["verify", &file, "--coalition", &coalition],
        &["VERIFIED", "conflicted", "is leased to sudria (lease south)"],
    );
    alone.says(&["dispute", "list"], &["rule, for sudria"]);
    alone.says(&["inbox"], &["undo", "over"]);
    // In reach it is told at once.
    alone
        .open("again", "bravo", &["--provisional", "--overstep"])
        .refused(1, &["is in conflict", "is leased to sudria"]);
    drop(node);
}
