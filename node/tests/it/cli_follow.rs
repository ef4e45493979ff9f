//! Following on the command line: what officers say is told as it comes, from any place of the log on, and to its end.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use crate::cli_live::{Up, first_line};
use crate::cli_support::{DAY_MS, Hosts, entente, now, run};

/// A line must come within this.
const LIMIT: Duration = Duration::from_secs(90);

/// A command that goes on until it is dropped, and what it says.
struct Following {
    child: Child,
    out: Receiver<String>,
    err: Receiver<String>,
}

impl Following {
    fn start(dir: &Path, args: &[&str]) -> Self {
        let mut command: Command = entente(dir);
        let mut child = command
            .args(args)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the binary can be run");
        let out = lines(child.stdout.take().expect("piped"));
        let err = lines(child.stderr.take().expect("piped"));
        Self { child, out, err }
    }

    /// The lines up to the first one with `word`.
    #[track_caller]
    fn until(&self, word: &str) -> Vec<String> {
        let mut said = Vec::new();
        loop {
            let Ok(line) = self.out.recv_timeout(LIMIT) else {
                let error = self.err.iter().collect::<Vec<_>>().join("\n");
                panic!("{word:?} was not told; out: {said:?}\nerr: {error}");
            };
            let found = line.contains(word);
            said.push(line);
            if found {
                return said;
            }
        }
    }
}

impl Drop for Following {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn lines(pipe: impl std::io::Read + Send + 'static) -> Receiver<String> {
    let (tell, told) = channel();
    std::thread::spawn(move || {
        let lines = BufReader::new(pipe).lines().map_while(Result::ok);
        // Nobody may listen any more.
        lines.for_each(|line| tell.send(line).unwrap_or_default());
    });
    told
}

#[test]
fn what_an_officer_says_is_told_as_it_comes_and_again_from_any_leaf_on() {
    let hosts = Hosts::init(&["norden"]);
    hosts.join_all();
    let dir = hosts.dir("norden");
    let _node = Up::start(&dir);
    let all = Following::start(&dir, &["op", "follow", "--all"]);
    let json = Following::start(&dir, &["--json", "op", "follow"]);
    // Notes are told as soon as both follow.
    let mut silent = vec![&all, &json];
    while !silent.is_empty() {
        run(&dir, &["note", "a word"]).done();
        silent.retain(|follower| follower.out.recv_timeout(Duration::from_secs(1)).is_err());
    }
    let declare = ["asset", "declare", "lift-7", "--kind", "c-130", "--label", "one transport"];
    run(&dir, &declare).done();
    let opened = run(&dir, &["op", "open", "--type", "airlift", "--title", "Corridor"]);
    opened.done();
    let id = first_line(&opened);
    run(&dir, &["op", "attest", &id, "--endorse", "--wait", "agreed"]).done();

    let told = all.until(&format!("agreed    {}", &id[..13]));
    for words in [
        "norden declares lift-7: one transport",
        "Corridor: norden opens it, as lead",
        "Corridor: norden endorses, as lead",
        ": Corridor: applied",
        "certified epoch",
    ] {
        assert!(told.iter().any(|line| line.contains(words)), "{words:?} is not in {told:#?}");
    }
    let told = json.until("\"event\":\"decided\"");
    let told = told.iter().map(|line| serde_json::from_str::<serde_json::Value>(line).expect("JSON"));
    let told = told.collect::<Vec<_>>();
    let decided = told.last().expect("the decision");
    assert_eq!((&decided["title"], &decided["operation"]), (&"Corridor".into(), &id.as_str().into()));
    assert!(decided["urgent"].is_boolean(), "{decided}");
    let told = told.into_iter().filter(|event| event["event"] == "told").collect::<Vec<_>>();
    let words = told.iter().map(|event| event["story"]["text"].as_str().expect("a text")).collect::<Vec<_>>();
    assert_eq!(words, ["declares lift-7: one transport", "opens it", "endorses"], "{told:#?}");
    assert_eq!((&told[1]["title"], &told[1]["operation"]), (&"Corridor".into(), &id.as_str().into()));

    // What was missed is told again from a leaf on, and what comes then follows.
    let from = told[1]["index"].as_u64().expect("an index").to_string();
    let again = Following::start(&dir, &["op", "follow", "--from", &from]);
    let told = again.until(&format!("agreed    {}", &id[..13]));
    assert!(told.last().is_some_and(|line| line.contains(": Corridor: ")), "{told:#?}");
    assert!(told[0].starts_with(&format!("ordered   {}", &id[..13])), "{told:#?}");
    assert!(told[1].contains("Corridor: norden opens it, as lead"), "{told:#?}");
    run(&dir, &["asset", "declare", "lift-8", "--kind", "c-130", "--label", "another"]).done();
    again.until("norden declares lift-8: another");
    run(&dir, &["op", "follow", &id, "--from", "3"]).refused(2, &["--from"]);

    // Of one operation also what is said behind its decision.
    let to_end = Following::start(&dir, &["op", "follow", &id, "--to-end"]);
    to_end.until("AGREED  airlift: Corridor");
    run(&dir, &["handoff", "conclude", &id, "--note", "all landed"]).done();
    to_end.until("Corridor: norden concludes it: all landed");
    to_end.until(", concluded");
    assert!(to_end.child_ends(), "nothing more is to come of it");
}

#[test]
fn an_operation_that_is_on_its_way_is_waited_for_and_followed_to_its_end() {
    let hosts = Hosts::init(&["norden", "sudria"]);
    let mut charter = hosts.charter(now(), now().plus(DAY_MS));
    // The lead alone decides, once there is a quorum.
    for kind in charter.operations.iter_mut().filter(|kind| kind.name.as_str() == "airlift") {
        (kind.rule.at_least, kind.rule.veto) = (Vec::new(), Default::default());
    }
    hosts.join_with(&charter);
    let (norden, sudria) = (hosts.dir("norden"), hosts.dir("sudria"));
    let (_first, _second) = (Up::start(&norden), Up::start(&sudria));
    // The two have not met: what norden says is held.
    let open = ["op", "open", "--type", "airlift", "--title", "Corridor", "--wait", "held"];
    let id = first_line(&run(&norden, &open));
    run(&norden, &["op", "attest", &id, "--endorse", "--wait", "held"]).done();
    let following = Following::start(&sudria, &["op", "follow", &id]);
    let waits = following.err.recv_timeout(LIMIT).expect("it says that it waits");
    assert!(waits.contains(&format!("waiting for {id}")), "{waits}");
    let address = first_line(&run(&norden, &["peer", "address"]));
    run(&sudria, &["peer", "add", &address]).done();
    following.until("AGREED  airlift: Corridor");
    let ended = following.child_ends();
    assert!(ended, "it ends well with the decision");
}

impl Following {
    fn child_ends(mut self) -> bool {
        self.child.wait().expect("it ends").success()
    }
}
