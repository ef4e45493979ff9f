//! Running the testnet's binary and looking at its nodes.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output};
use std::time::{Duration, Instant};

use entente_node::api::dto::{LogPage, StatusView};
use entente_node::client::Client;
use entente_node::paths::DataDir;
use rustix::process::{Pid, Signal, kill_process};
use serde::de::DeserializeOwned;

/// Whatever is awaited must come within this; then the test has failed.
pub(crate) const LIMIT: Duration = Duration::from_secs(90);

pub(crate) fn testnet() -> Command {
    Command::new(env!("CARGO_BIN_EXE_entente-testnet"))
}

pub(crate) fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

/// A network that ends with the test.
pub(crate) struct Net {
    // Short, because a socket's path is.
    dir: tempfile::TempDir,
}

impl Net {
    pub(crate) fn up(partners: usize) -> Self {
        let net = Self { dir: tempfile::Builder::new().prefix("en").tempdir().expect("a temporary folder") };
        net.run(&["up", "--partners", &partners.to_string()]);
        net
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.dir.path().join("n")
    }

    fn command(&self, arguments: &[&str]) -> Output {
        let output = testnet().arg("--dir").arg(self.path()).args(arguments).output();
        output.expect("the testnet's binary starts")
    }

    /// Runs a command of the testnet that must succeed.
    pub(crate) fn run(&self, arguments: &[&str]) -> String {
        let output = self.command(arguments);
        assert!(output.status.success(), "{arguments:?}: {}", text(&output));
        text(&output)
    }

    pub(crate) fn fails(&self, arguments: &[&str]) -> (Option<i32>, String) {
        let output = self.command(arguments);
        assert!(!output.status.success(), "{arguments:?} must fail: {}", text(&output));
        (output.status.code(), text(&output))
    }

    pub(crate) fn data_dir(&self, partner: &str) -> PathBuf {
        self.path().join(partner)
    }

    /// Runs a command of `entente` for a partner.
    pub(crate) fn entente(&self, partner: &str, arguments: &[&str]) -> (Option<i32>, String) {
        let output = testnet().args(["node", "--dir"]).arg(self.data_dir(partner)).args(arguments).output();
        let output = output.expect("the testnet's binary starts");
        (output.status.code(), text(&output))
    }

    pub(crate) fn client(&self, partner: &str) -> Client {
        Client::new(&DataDir::new(self.data_dir(partner))).expect("a short path")
    }

    pub(crate) fn get<T: DeserializeOwned>(&self, partner: &str, path: &str) -> Option<T> {
        wait_for(self.client(partner).get(path)).ok()
    }

    /// Looks at a partner's status until `done` says so.
    pub(crate) fn until(&self, partner: &str, what: &str, done: impl Fn(&StatusView) -> bool) -> StatusView {
        eventually(&format!("{partner} {what}"), || {
            self.get::<StatusView>(partner, "/v1/status").filter(&done)
        })
    }

    /// The ids of all entries that a partner has ordered, in order.
    pub(crate) fn ordered(&self, partner: &str) -> Vec<String> {
        let (mut ids, mut from) = (Vec::new(), 0);
        loop {
            let page: LogPage =
                self.get(partner, &format!("/v1/log?from={from}&limit=500")).expect("the node answers");
            if page.leaves.is_empty() {
                return ids;
            }
            from += page.leaves.len() as u64;
            let entries = page.leaves.into_iter().filter(|leaf| leaf.certified && leaf.feed.is_some());
            ids.extend(entries.filter_map(|leaf| leaf.id).map(|id| id.to_string()));
        }
    }
}

impl Drop for Net {
    fn drop(&mut self) {
        if self.path().exists() {
            self.command(&["down"]);
        }
    }
}

pub(crate) fn wait_for<T>(work: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime").block_on(work)
}

/// Looks again and again until there is an answer.
pub(crate) fn eventually<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let until = Instant::now() + LIMIT;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < until, "not within {} s: {what}", LIMIT.as_secs());
        std::thread::park_timeout(Duration::from_millis(50));
    }
}

/// Processes of the testnet's binary whose command line names `dir`.
pub(crate) fn processes_in(dir: &Path) -> Vec<u32> {
    let named = dir.as_os_str().as_encoded_bytes();
    let pids = std::fs::read_dir("/proc")
        .expect("procfs")
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    let runs = |pid: &u32| {
        let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        line.windows(named.len()).any(|window| window == named)
    };
    pids.filter(runs).collect()
}

pub(crate) fn signal(child: &Child, signal: Signal) {
    let pid = Pid::from_raw(i32::try_from(child.id()).expect("a process number")).expect("not zero");
    kill_process(pid, signal).expect("it runs");
}
