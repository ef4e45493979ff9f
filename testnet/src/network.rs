//! A network on this machine: founded, started, harmed, healed, ended.
//!
//! Guarantees: what is running stands in `network.toml` before it is used, so a testnet that was itself killed is found
//! and cleaned by the next; a folder is only ever emptied if it holds a network. All ports are the system's choice.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Child;
use std::time::{Duration, Instant};

use entente_node::api::dto::StatusView;
use entente_node::client::Client;
use entente_node::paths::DataDir;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::process::{Process, node_command};

/// How long a network's step may take before it counts as failed.
pub(crate) const STEP_TIMEOUT: Duration = Duration::from_secs(60);
/// How often something is looked at while it is awaited.
pub(crate) const LOOK_INTERVAL: Duration = Duration::from_millis(50);
/// Most partners of a local network.
pub(crate) const MAX_PARTNERS: usize = 16;

const STATE_FILE: &str = "network.toml";
const NAMES: [&str; 8] =
    ["norden", "sudria", "estmark", "skywatch", "ostvik", "vesterland", "karelen", "livonia"];

/// What failed, why, and what to do.
#[derive(Debug, Error)]
pub(crate) enum Error {
    /// A file or process could not be worked with.
    #[error("cannot {what}: {error}")]
    Io { what: String, error: std::io::Error },
    /// There is no network here.
    #[error("no network in {0}\n  next: entente-testnet up")]
    None(String),
    /// One runs here already.
    #[error("a network runs in {0} already\n  next: entente-testnet status, or entente-testnet down")]
    Running(String),
    /// A folder that is not a network's.
    #[error("{0} is not empty and holds no network; nothing was touched\n  next: choose another with --dir")]
    NotOurs(String),
    /// No such partner.
    #[error("no partner {name:?} here; there are: {known}")]
    Partner { name: String, known: String },
    /// A partner's node is not running, or is.
    #[error("{name} is {word}\n  next: entente-testnet {next} {name}")]
    State { name: String, word: &'static str, next: &'static str },
    /// A command of the node failed.
    #[error("`entente {command}` at {partner} failed ({code})\n{output}")]
    Command { partner: String, command: String, code: String, output: String },
    /// Something did not happen in time.
    #[error("not within {} s: {what}", .limit.as_secs())]
    Late { what: String, limit: Duration },
    /// Input that makes no sense.
    #[error("{0}")]
    Input(String),
    /// Interrupted.
    #[error("interrupted; everything was stopped")]
    Interrupted,
}

impl Error {
    pub(crate) fn io(what: impl Into<String>, error: std::io::Error) -> Self {
        Self::Io { what: what.into(), error }
    }
}

/// Who is in a network, and in which role.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Roles {
    pub(crate) lead: String,
    pub(crate) supporting: Vec<String>,
    pub(crate) observing: Vec<String>,
}

impl Roles {
    /// A lead, an observer where there are four or more, and supporting ones.
    pub(crate) fn of(partners: usize) -> Result<Self, Error> {
        if !(1..=MAX_PARTNERS).contains(&partners) {
            return Err(Error::Input(format!("{partners} partners; 1 to {MAX_PARTNERS} are possible")));
        }
        let name =
            |i: usize| NAMES.get(i).map_or_else(|| format!("partner{i:02}"), |name| (*name).to_owned());
        let mut names: Vec<String> = (0..partners).map(name).collect();
        let lead = names.remove(0);
        let observing = if partners >= 4 { vec![names.remove(2)] } else { Vec::new() };
        Ok(Self { lead, supporting: names, observing })
    }

    pub(crate) fn all(&self) -> impl Iterator<Item = &String> {
        std::iter::once(&self.lead).chain(&self.supporting).chain(&self.observing)
    }
}

/// What stands in `network.toml`.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct State {
    coalition: String,
    /// In the order in which they were founded; the first is everybody's one address.
    partners: Vec<String>,
    #[serde(default)]
    running: BTreeMap<String, Process>,
}

/// A network and the processes that this testnet started for it.
pub(crate) struct Network {
    dir: PathBuf,
    state: State,
    children: BTreeMap<String, Child>,
    /// Whether its nodes end with this process.
    tied: bool,
}

impl Network {
    /// Makes `dir` ready for a new network: a stale one in it is cleaned; says whether there was one.
    pub(crate) fn prepare(dir: &Path) -> Result<bool, Error> {
        let shown = dir.display().to_string();
        match Self::open(dir) {
            Ok(network) if network.any_runs() => Err(Error::Running(shown)),
            Ok(network) => {
                network.remove()?;
                Ok(true)
            }
            Err(Error::None(_)) => {
                let empty = fs::read_dir(dir).map_or(true, |mut entries| entries.next().is_none());
                if empty { Ok(false) } else { Err(Error::NotOurs(shown)) }
            }
            Err(other) => Err(other),
        }
    }

    /// The network in `dir`.
    pub(crate) fn open(dir: &Path) -> Result<Self, Error> {
        let text = match fs::read_to_string(dir.join(STATE_FILE)) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Err(Error::None(dir.display().to_string()));
            }
            Err(error) => return Err(Error::io("read network.toml", error)),
        };
        let state = toml::from_str(&text)
            .map_err(|error| Error::Input(format!("{}/{STATE_FILE}: {error}", dir.display())))?;
        Ok(Self { dir: dir.to_owned(), state, children: BTreeMap::new(), tied: false })
    }

    /// Founds a coalition with the commands that an operator uses; nothing runs yet.
    pub(crate) async fn found(dir: &Path, template: &str, roles: &Roles, tied: bool) -> Result<Self, Error> {
        fs::create_dir_all(dir).map_err(|error| Error::io(format!("make {}", dir.display()), error))?;
        let partners: Vec<String> = roles.all().cloned().collect();
        let state = State { partners: partners.clone(), ..State::default() };
        let mut network = Self { dir: dir.to_owned(), state, children: BTreeMap::new(), tied };
        network.save()?;
        let file = |name: &str| dir.join(name).display().to_string();
        let card =
            |partner: &String| dir.join(partner).join(format!("{partner}.card.toml")).display().to_string();
        for partner in &partners {
            network.entente(partner, &["init", "--partner", partner]).await?;
        }
        let (draft, signed, founded) =
            (file("charter.toml"), file("charter.signed.toml"), file("coalition.toml"));
        let mut new: Vec<String> =
            ["charter", "new", "--template", template, "--name", "corridor", "-o", &draft, "--lead"]
                .into_iter()
                .map(str::to_owned)
                .collect();
        new.push(roles.lead.clone());
        for observer in &roles.observing {
            new.extend(["--observing".to_owned(), observer.clone()]);
        }
        new.push("--cards".to_owned());
        new.extend(partners.iter().map(card));
        network.entente(&roles.lead, &new.iter().map(String::as_str).collect::<Vec<_>>()).await?;
        let mut signatures = Vec::new();
        for partner in &partners {
            let signature = file(&format!("charter.{partner}.sig.toml"));
            network.entente(partner, &["charter", "sign", &draft, "-o", &signature]).await?;
            signatures.push(signature);
        }
        let mut merge = vec!["charter", "merge", &draft];
        merge.extend(signatures.iter().map(String::as_str));
        merge.extend(["-o", &signed]);
        network.entente(&roles.lead, &merge).await?;
        network.entente(&roles.lead, &["charter", "found", &signed, "-o", &founded]).await?;
        for partner in &partners {
            network.entente(partner, &["join", &founded]).await?;
        }
        network.state.coalition =
            network.entente(&roles.lead, &["charter", "id", &founded]).await?.trim().to_owned();
        network.save()?;
        Ok(network)
    }

    fn save(&self) -> Result<(), Error> {
        let text = toml::to_string(&self.state).expect("plain tables of text and numbers");
        let (path, new) = (self.dir.join(STATE_FILE), self.dir.join("network.toml.new"));
        fs::write(&new, text)
            .and_then(|()| fs::rename(&new, &path))
            .map_err(|error| Error::io(format!("write {}", path.display()), error))
    }

    pub(crate) fn coalition(&self) -> &str {
        &self.state.coalition
    }

    pub(crate) fn partners(&self) -> &[String] {
        &self.state.partners
    }

    /// A partner's data folder.
    pub(crate) fn data_dir(&self, partner: &str) -> PathBuf {
        self.dir.join(partner)
    }

    pub(crate) fn log_file(&self, partner: &str) -> PathBuf {
        self.dir.join(format!("{partner}.log"))
    }

    pub(crate) fn known(&self, partner: &str) -> Result<(), Error> {
        if self.state.partners.iter().any(|known| known == partner) {
            return Ok(());
        }
        Err(Error::Partner { name: partner.to_owned(), known: self.state.partners.join(", ") })
    }

    /// A partner's running process.
    pub(crate) fn process(&self, partner: &str) -> Option<Process> {
        self.state.running.get(partner).copied().filter(Process::runs)
    }

    pub(crate) fn any_runs(&self) -> bool {
        self.state.running.values().any(Process::runs)
    }

    /// The local API of a partner's node.
    pub(crate) fn client(&self, partner: &str) -> Result<Client, Error> {
        Client::new(&DataDir::new(self.data_dir(partner))).map_err(|error| Error::Input(error.to_string()))
    }

    /// Runs a command of `entente` for a partner and gives what it printed.
    ///
    /// Cancel-safe: the command is killed if this is dropped.
    pub(crate) async fn entente(&self, partner: &str, arguments: &[&str]) -> Result<String, Error> {
        let failed = |code: String, output: String| Error::Command {
            partner: partner.to_owned(),
            command: arguments.join(" "),
            code,
            output,
        };
        let mut command = tokio::process::Command::from(node_command(&self.data_dir(partner))?);
        let output = command
            .args(arguments)
            .kill_on_drop(true)
            .output()
            .await
            .map_err(|error| Error::io("start this program as a node", error))?;
        let stdout = String::from_utf8_lossy(&output.stdout).into_owned();
        if output.status.success() {
            return Ok(stdout);
        }
        let code =
            output.status.code().map_or_else(|| "killed".to_owned(), |code| format!("exit code {code}"));
        Err(failed(code, stdout + &String::from_utf8_lossy(&output.stderr)))
    }

    /// Starts a partner's node, given the one address of the first; waits until its API answers.
    pub(crate) async fn start(&mut self, partner: &str) -> Result<(), Error> {
        self.known(partner)?;
        if self.process(partner).is_some() {
            return Err(Error::State { name: partner.to_owned(), word: "running", next: "kill" });
        }
        let first = self.state.partners[0].clone();
        let mut command = node_command(&self.data_dir(partner))?;
        command.args(["up", "--listen", "/ip4/127.0.0.1/udp/0/quic-v1"]);
        if partner != first && self.process(&first).is_some() {
            let address = self.entente(&first, &["peer", "address"]).await?;
            if let Some(address) = address.lines().next() {
                command.args(["--peer", address.trim()]);
            }
        }
        if self.tied {
            command.env("ENTENTE_TESTNET_TIED", "1");
        }
        let path = self.log_file(partner);
        let log = File::options().create(true).append(true).open(&path);
        let log = log.map_err(|error| Error::io(format!("open {}", path.display()), error))?;
        let errors = log.try_clone().map_err(|error| Error::io("share the log file", error))?;
        let child = command.stdout(log).stderr(errors).spawn();
        let child = child.map_err(|error| Error::io(format!("start {partner}"), error))?;
        if let Some(process) = Process::of(&child) {
            self.state.running.insert(partner.to_owned(), process);
        }
        self.children.insert(partner.to_owned(), child);
        self.save()?;
        let client = self.client(partner)?;
        let until = Instant::now() + STEP_TIMEOUT;
        loop {
            if client.get::<StatusView>("/v1/status").await.is_ok() {
                return Ok(());
            }
            if self.process(partner).is_none() {
                let log = fs::read_to_string(&path).unwrap_or_default();
                let tail: Vec<&str> = log.lines().rev().take(6).collect();
                let tail = tail.into_iter().rev().collect::<Vec<_>>().join("\n  ");
                return Err(Error::Input(format!("{partner} did not stay up; its log ends:\n  {tail}")));
            }
            if Instant::now() >= until {
                return Err(Error::Late { what: format!("{partner} answers"), limit: STEP_TIMEOUT });
            }
            tokio::time::sleep(LOOK_INTERVAL).await;
        }
    }

    /// `kill -9`.
    pub(crate) fn kill(&mut self, partner: &str) -> Result<(), Error> {
        self.known(partner)?;
        let Some(process) = self.process(partner) else {
            return Err(Error::State { name: partner.to_owned(), word: "not running", next: "restart" });
        };
        process.kill();
        self.reap(partner);
        self.state.running.remove(partner);
        self.save()
    }

    fn reap(&mut self, partner: &str) {
        if let Some(mut child) = self.children.remove(partner) {
            // It has ended: this only takes note of it.
            let _ = child.wait();
        }
    }

    /// Stops every node, all at once.
    pub(crate) fn stop_all(&mut self) {
        let running = std::mem::take(&mut self.state.running);
        running.values().for_each(Process::ask_to_stop);
        for (partner, process) in running {
            process.stop();
            self.reap(&partner);
        }
        if self.dir.join(STATE_FILE).exists() {
            // A note for the next testnet only: that nothing runs shows without it, too.
            let _ = self.save();
        }
    }

    /// Removes the network's files: only what a network consists of.
    pub(crate) fn remove(&self) -> Result<(), Error> {
        for partner in &self.state.partners {
            let dir = self.data_dir(partner);
            match fs::remove_dir_all(&dir) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                    return Err(Error::io(format!("remove {}", dir.display()), error));
                }
                _ => {}
            }
            let _ = fs::remove_file(self.log_file(partner));
            let _ = fs::remove_file(self.dir.join(format!("charter.{partner}.sig.toml")));
        }
        for name in ["charter.toml", "charter.signed.toml", "coalition.toml", "network.toml.new", STATE_FILE]
        {
            let _ = fs::remove_file(self.dir.join(name));
        }
        // Stays if something else is in it.
        let _ = fs::remove_dir(&self.dir);
        Ok(())
    }

    /// Polls until `done` says so of a partner's status.
    pub(crate) async fn until_status(
        &self,
        partner: &str,
        what: &str,
        done: impl Fn(&StatusView) -> bool,
    ) -> Result<StatusView, Error> {
        let client = self.client(partner)?;
        let until = Instant::now() + STEP_TIMEOUT;
        loop {
            if let Ok(status) = client.get::<StatusView>("/v1/status").await
                && done(&status)
            {
                return Ok(status);
            }
            if Instant::now() >= until {
                return Err(Error::Late { what: format!("{partner}: {what}"), limit: STEP_TIMEOUT });
            }
            tokio::time::sleep(LOOK_INTERVAL).await;
        }
    }

    /// Waits until every running partner is linked with every other one, but for links that are cut, and may vote.
    pub(crate) async fn until_meshed(&self, cut: &[(String, String)]) -> Result<(), Error> {
        let running: Vec<&String> =
            self.state.partners.iter().filter(|partner| self.process(partner).is_some()).collect();
        for partner in &running {
            let linked = |status: &StatusView| {
                status.seats.iter().all(|seat| {
                    let is_cut = cut.iter().any(|(a, b)| {
                        (a == *partner && *b == seat.partner) || (b == *partner && *a == seat.partner)
                    });
                    is_cut || seat.connected || !running.contains(&&seat.partner)
                })
            };
            self.until_status(partner, "is linked with all others", linked).await?;
        }
        Ok(())
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        if self.tied {
            self.stop_all();
        }
    }
}
