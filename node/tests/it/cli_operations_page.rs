//! Runs the commands of `docs/operations.md`, as they stand there: four folders on one machine in place of four hosts.

use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

const PAGE: &str = include_str!("../../../docs/operations.md");
const HOSTS: [&str; 4] = ["norden", "sudria", "estmark", "skywatch"];
/// The host of a partner that joins later.
const JOINER: &str = "ostvik";

/// A fenced block: the hosts that it runs on, its first line in the page, its text.
struct Block {
    hosts: Vec<&'static str>,
    line: usize,
    text: String,
}

fn blocks(page: &str) -> Vec<Block> {
    let mut blocks: Vec<Block> = Vec::new();
    let mut open = false;
    for (number, line) in (1..).zip(page.lines()) {
        if let Some(host) = line.strip_prefix("```sh host=") {
            let hosts = match host {
                "every" => HOSTS.to_vec(),
                "others" => HOSTS[1..].to_vec(),
                JOINER => vec![JOINER],
                name => vec![*HOSTS.iter().find(|host| **host == name).expect("a host of the example")],
            };
            blocks.push(Block { hosts, line: number + 1, text: String::new() });
            open = true;
        } else if line.starts_with("```") {
            assert!(
                !line.starts_with("```sh"),
                "line {number}: a block of commands without a host is never run"
            );
            open = false;
        } else if open {
            let block = blocks.last_mut().expect("a block is open");
            block.text.push_str(line);
            block.text.push('\n');
        }
    }
    blocks
}

impl Block {
    /// The commands in it: a line each, but for those that go on behind a backslash.
    fn commands(&self) -> usize {
        let lines = self.text.lines().filter(|line| !line.trim().is_empty() && !line.starts_with('#'));
        lines.filter(|line| !line.ends_with('\\')).count()
    }
}

/// The four hosts' folders, and the processes that were started in them: one group for each shell.
struct Machine {
    folder: tempfile::TempDir,
    groups: Vec<u32>,
}

impl Machine {
    fn dir(&self, host: &str) -> PathBuf {
        self.folder.path().join(host)
    }

    fn run(&mut self, host: &str, block: &Block) {
        let program = Path::new(env!("CARGO_BIN_EXE_entente")).parent().expect("it lies in a folder");
        let path = std::env::var_os("PATH").unwrap_or_default();
        let mut paths = vec![program.to_path_buf()];
        paths.extend(std::env::split_paths(&path));
        let log = self.folder.path().join("shell.log");
        let to_log =
            || Stdio::from(std::fs::File::options().create(true).append(true).open(&log).expect("a log"));
        let mut shell = Command::new("sh")
            .args(["-e", "-u", "-c", &block.text])
            .env("PATH", std::env::join_paths(paths).expect("paths"))
            .env("PARTNER", host)
            .env("ENTENTE_DIR", self.dir(host))
            .env("CARRY", self.folder.path().join("stick"))
            .current_dir(self.folder.path())
            .stdin(Stdio::null())
            .stdout(to_log())
            .stderr(to_log())
            .process_group(0)
            .spawn()
            .expect("sh can be run");
        self.groups.push(shell.id());
        let status = shell.wait().expect("it ends");
        if !status.success() {
            let said = std::fs::read_to_string(&log).unwrap_or_default();
            let nodes = HOSTS.into_iter().chain([JOINER]).map(|host| {
                let log = std::fs::read_to_string(self.dir(host).join("node.log")).unwrap_or_default();
                format!("--- node of {host}\n{log}")
            });
            panic!(
                "docs/operations.md, line {}, on {host}: {status}\n{}\n--- said so far\n{said}\n{}",
                block.line,
                block.text,
                nodes.collect::<Vec<_>>().join("\n")
            );
        }
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        for group in &self.groups {
            // Ends what a block left running; most groups are gone by now.
            let _ = Command::new("kill")
                .args(["-KILL", "--", &format!("-{group}")])
                .stderr(Stdio::null())
                .status();
        }
    }
}

#[test]
fn what_the_operations_page_says_founds_a_coalition_and_agrees_on_an_operation() {
    let mut machine = Machine { folder: tempfile::tempdir().expect("a folder"), groups: Vec::new() };
    for folder in HOSTS.into_iter().chain([JOINER, "stick"]) {
        std::fs::create_dir(machine.dir(folder)).expect("made");
    }
    let blocks = blocks(PAGE);
    assert!(blocks.len() >= 10, "the page has lost its blocks");
    for block in &blocks {
        for host in block.hosts.clone() {
            machine.run(host, block);
        }
    }
    let said = std::fs::read_to_string(machine.folder.path().join("shell.log")).expect("a log");
    for word in
        ["founded corridor with 4 partners", "VERIFIED", "with the caveat: daylight only", "AGREED  corridor"]
    {
        assert!(said.contains(word), "{word:?} is not in\n{said}");
    }
}

/// Most commands that may be typed up to the first agreed operation: on all hosts, and on one.
const MOST_COMMANDS: (usize, usize) = (48, 20);

#[test]
fn few_commands_lead_from_nothing_to_the_first_agreed_operation_and_the_page_says_how_many() {
    let blocks = blocks(PAGE);
    let agreed = blocks.iter().position(|block| block.text.contains("--wait agreed"));
    let walk = &blocks[..=agreed.expect("the walk ends with an agreed operation")];
    let on = |host: &str| {
        let blocks = walk.iter().filter(|block| block.hosts.contains(&host));
        blocks.map(Block::commands).sum::<usize>()
    };
    let (all, most) = (HOSTS.map(on).iter().sum::<usize>(), HOSTS.map(on).into_iter().max().unwrap_or(0));
    assert!(all <= MOST_COMMANDS.0 && most <= MOST_COMMANDS.1, "{all} commands, {most} on one host");
    let stated = format!("{all} commands are typed on the four hosts together, at most {most} on one");
    assert!(PAGE.contains(&stated), "the page does not say: {stated}");
}
