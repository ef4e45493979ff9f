//! The command line of handoffs, disputes and stories, against two nodes of two partners.

use std::path::{Path, PathBuf};

use entente_protocol::charter::{
    Charter, Dependants, DisputeRule, IfShort, OnExpiry, PartnerName, Phase, TakeoverRule,
};

use crate::cli_live::{Up, first_line};
use crate::cli_support::{DAY_MS, Hosts, Said, entente, now, run, until_reached};

/// Either may lead; norden the search alone; sudria takes over and judges.
fn relay(hosts: &Hosts) -> Charter {
    let created = now();
    let mut charter = hosts.charter(created, created.plus(30 * DAY_MS));
    let (norden, sudria) = (charter.partners[0].name.clone(), charter.partners[1].name.clone());
    let kind = charter.operations.iter_mut().find(|kind| kind.name.as_str() == "airlift").expect("declared");
    kind.lead = vec![norden.clone(), sudria.clone()];
    kind.supporting = Vec::new();
    (kind.rule.at_least, kind.rule.veto) = (Vec::new(), Default::default());
    kind.handoff.takeover =
        Some(TakeoverRule { successor: sudria.clone(), silent_ms: Some(DAY_MS), lapsed: true });
    let phase = |name: &str, lead: &[PartnerName]| Phase {
        name: name.parse().expect("a name"),
        lead: lead.to_vec(),
        successor: None,
    };
    kind.phases = vec![
        phase("search", &[norden.clone(), sudria.clone()]),
        phase("rescue", std::slice::from_ref(&sudria)),
    ];
    kind.dispute = Some(DisputeRule {
        window_ms: DAY_MS,
        panel: vec![sudria],
        threshold: 1,
        if_short: IfShort::Refuse,
        rule_ms: DAY_MS,
        on_expiry: OnExpiry::Uphold,
        dependants: Dependants::Hold,
        grounds: Vec::new(),
        remand_ms: None,
    });
    charter
}

/// Two hosts whose nodes run.
struct Pair {
    hosts: Hosts,
    _nodes: [Up; 2],
    sudria: PathBuf,
}

impl Pair {
    fn start() -> Self {
        let hosts = Hosts::init(&["norden", "sudria"]);
        hosts.join_with(&relay(&hosts));
        let first = Up::start(&hosts.dir("norden"));
        let addresses = run(&hosts.dir("norden"), &["peer", "address"]);
        let address = addresses.done().lines().next().expect("an address").to_owned();
        let mut second = entente(&hosts.dir("sudria"));
        second.args(["up", "--listen", "/ip4/127.0.0.1/udp/0/quic-v1", "--peer", &address]);
        let second = Up::spawn(second);
        until_reached(&hosts.dir("norden"));
        let sudria = hosts.dir("sudria").join("keys/officer.key");
        Self { hosts, _nodes: [first, second], sudria }
    }

    fn norden(&self, args: &[&str]) -> Said {
        run(&self.hosts.dir("norden"), args)
    }

    /// What sudria's officer says, at norden's node.
    fn sudria(&self, args: &[&str]) -> Said {
        let key = self.sudria.display().to_string();
        self.norden(&[&["--as", &key], args].concat())
    }

    fn agreed(&self, title: &str) -> String {
        let opened = self.norden(&["op", "open", "--type", "airlift", "--title", title]);
        opened.done();
        let id = first_line(&opened);
        self.norden(&["op", "attest", &id, "--endorse", "--wait", "agreed", "--caveat", "by day"]).done();
        id
    }
}

fn receipt(pair: &Pair, id: &str, file: &Path) -> Said {
    let file = file.display().to_string();
    pair.norden(&["receipt", id, "-o", &file]).done();
    pair.norden(&["verify", &file, "--coalition", &pair.hosts.coalition().to_string()])
}

#[test]
fn an_operation_is_handed_over_knowingly_goes_through_its_phases_and_tells_its_story() {
    let pair = Pair::start();
    let empty = pair.norden(&["handoff", "list"]);
    assert!(empty.done().starts_with("nothing was handed over yet; next: entente"), "{}", empty.out);
    let id = pair.agreed("Search north");
    pair.sudria(&["handoff", "takeover", &id, "--ground", "silence"])
        .refused(6, &["norden answers", "let others take over", "op story"]);
    pair.norden(&["handoff", "offer", &id, "--to", "norden"]).refused(6, &["norden has it already"]);
    pair.norden(&["handoff", "offer", &id, "--to", "sudria", "--role", "pilot"])
        .refused(2, &["airlift has no role pilot", "lead, supporting", "handoff offer"]);
    pair.norden(&["handoff", "show", &id])
        .refused(1, &[&format!("{} is the operation \"Search north\", no handoff", &id[..13]), "op show"]);
    let offered =
        pair.norden(&["handoff", "offer", &id, "--to", "sudria", "--phase", "rescue", "--note", "found"]);
    offered.done();
    let offer = first_line(&offered);
    let shown = pair.norden(&["handoff", "show", &offer[..12]]);
    for word in
        ["OPEN  the lead of Search north", "begins rescue", "by day", "handoff accept", "--acknowledge"]
    {
        assert!(shown.done().contains(word), "{word:?} is not in\n{}", shown.out);
    }
    let operation = format!("{}  Search north", &id[..13]);
    assert!(shown.out.contains(&operation) && !shown.out.contains(&id), "{}", shown.out);
    // Nobody accepts what it has not seen.
    pair.norden(&["handoff", "accept", &offer])
        .refused(6, &["it was offered to sudria, not to norden", "handoff show"]);
    let blind = pair.sudria(&["handoff", "accept", &offer]);
    blind.refused(2, &["acknowledges what is open: 1 items", "handoff accept", "--acknowledge"]);
    pair.sudria(&["handoff", "accept", &offer, "--acknowledge", "aaaaaaaaaaaaa"])
        .refused(6, &["what is open is not what", "look again"]);
    let digest = blind.err.split("--acknowledge ").last().expect("the command").trim().to_owned();
    pair.norden(&["handoff", "accept", &offer, "--acknowledge", &digest])
        .refused(6, &["it was offered to sudria, not to norden"]);
    pair.sudria(&["handoff", "accept", &offer, "--acknowledge", &digest]).done();
    pair.sudria(&["handoff", "decline", &offer]).refused(6, &["the offer is accepted since"]);
    assert!(pair.norden(&["op", "show", &id]).done().contains("sudria, in the phase rescue"));
    pair.sudria(&["handoff", "conclude", &id, "--note", "all landed"]).done();
    let story = pair.norden(&["op", "story", &id[..12]]);
    for word in [
        "rescue: current, led by sudria",
        "endorses, with the caveat: by day",
        "offers the lead to sudria",
        "accepts the lead from norden",
        "concludes it: all landed",
    ] {
        assert!(story.done().contains(word), "{word:?} is not in\n{}", story.out);
    }
    for command in [&["op", "story", &id][..], &["handoff", "list"], &["handoff", "show", &offer]] {
        let json = pair.norden(&[&["--json"], command].concat());
        serde_json::from_str::<serde_json::Value>(json.done()).expect("JSON");
    }
    pair.norden(&["handoff", "show", "op-zzzzzz"]).refused(1, &["nothing here begins with", "handoff list"]);
}

#[test]
fn a_ruling_annuls_and_has_a_receipt_of_its_own_beside_that_of_the_decision() {
    let pair = Pair::start();
    let id = pair.agreed("Corridor");
    let opened = pair.norden(&["dispute", "open", &id, "--reason", "over the closed sector"]);
    opened.done();
    let dispute = first_line(&opened);
    pair.norden(&["dispute", "rule", &id, "annul"])
        .refused(1, &[&format!("{} is the operation \"Corridor\", no dispute", &id[..13]), "dispute list"]);
    let shown = pair.norden(&["dispute", "show", &dispute]);
    let subject = format!("the operation {}  Corridor", &id[..13]);
    assert!(shown.done().contains(&subject) && !shown.out.contains(&id), "{}", shown.out);
    let story = pair.norden(&["op", "story", &id]);
    assert!(story.done().contains("disputes the operation: over the closed sector"), "{}", story.out);
    assert_eq!(story.out.matches(&id).count(), 1, "{}", story.out);
    pair.norden(&["dispute", "rule", &dispute, "annul"])
        .refused(6, &["has no seat in the panel", "dispute show"]);
    pair.norden(&["handoff", "conclude", &id]).refused(6, &["is in dispute"]);
    pair.norden(&["receipt", &dispute]).refused(1, &["no ruling on it is certified"]);
    pair.sudria(&["dispute", "rule", &dispute, "annul", "--reason", "as the map shows"]).done();
    let shown = pair.norden(&["dispute", "show", &dispute]);
    for word in ["ANNULLED  dispute about Corridor", "sudria", "as the map shows", "receipt"] {
        assert!(shown.done().contains(word), "{word:?} is not in\n{}", shown.out);
    }
    assert!(pair.norden(&["op", "show", &id]).done().starts_with("ANNULLED"));
    let verified = receipt(&pair, &dispute, &pair.hosts.file("ruling.tlog-proof"));
    assert!(verified.done().contains("sudria says annul: as the map shows"), "{}", verified.out);
    let decided = receipt(&pair, &id, &pair.hosts.file("decision.tlog-proof"));
    assert!(
        decided.done().contains("norden endorses as lead"),
        "what was decided stays proven: {}",
        decided.out
    );
    assert!(pair.norden(&["log"]).done().contains("ruling"));
    assert!(pair.norden(&["dispute", "list"]).done().contains("annulled"));
    pair.norden(&["dispute", "open", &id, "--reason", "again"]).refused(6, &["annulled"]);
}
