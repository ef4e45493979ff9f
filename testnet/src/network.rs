//! A network on this machine: founded, started, harmed, healed, ended.
//!
//! Guarantees: what is running stands in `network.toml` before it is used, so a testnet that was itself killed is found
//! and cleaned by the next; a network that is not left running on purpose ends with its [`Network`], on every path; a
//! folder is only ever emptied if it holds a network. All ports are the system's choice.

mod copies;
mod error;
mod parts;

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Child;
use std::time::{Duration, Instant};

use entente_node::api::dto::StatusView;
use entente_node::client::Client;
use entente_node::paths::DataDir;
use serde::{Deserialize, Serialize};

pub(crate) use self::error::Error;
use crate::process::{Process, node_command, tie};

/// How long a network's step may take before it counts as failed.
pub(crate) const STEP_TIMEOUT: Duration = Duration::from_secs(60);
/// How often something is looked at while it is awaited.
pub(crate) const LOOK_INTERVAL: Duration = Duration::from_millis(50);
/// Most partners of a local network.
pub(crate) const MAX_PARTNERS: usize = 16;

const STATE_FILE: &str = "network.toml";
/// The folder for files that a scenario's commands write and read.
pub(crate) const SCRATCH: &str = "files";
/// The folder of receipts, which outlives the network.
pub(crate) const RECEIPTS: &str = "receipts";
const NAMES: [&str; 8] =
    ["norden", "sudria", "estmark", "skywatch", "ostvik", "vesterland", "karelen", "livonia"];

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
            return Err(Error::input(
                format!("{partners} partners; 1 to {MAX_PARTNERS} are possible"),
                "entente-testnet up --partners 4",
            ));
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
    /// Links that are cut.
    #[serde(default)]
    cut: Vec<[String; 2]>,
    /// The process whose end is this network's end; none once the network is left to itself.
    #[serde(default)]
    owner: Option<Process>,
    #[serde(default)]
    running: BTreeMap<String, Process>,
    /// Second data folders, each with the partner whose keys and store it has.
    #[serde(default)]
    copies: BTreeMap<String, String>,
    /// Further hosts, each with the partner that it is of; their keys are their own.
    #[serde(default)]
    hosts: BTreeMap<String, String>,
    /// Networks of other coalitions, each in a folder of this one.
    #[serde(default)]
    nested: Vec<String>,
}

/// What a command of `entente` said.
#[derive(Debug)]
pub(crate) struct Said {
    /// Its exit code; none if a signal ended it.
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

/// What becomes of a network when its [`Network`] is dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum AtEnd {
    /// It goes on.
    Leave,
    /// It is stopped; its files stay for whoever looks for the cause of a failure.
    Stop,
    /// It is stopped and removed.
    Remove,
}

/// A network and the processes that this testnet started for it.
pub(crate) struct Network {
    dir: PathBuf,
    state: State,
    children: BTreeMap<String, Child>,
    /// Whether its nodes end with this process, even if it is killed.
    tied: bool,
    at_end: AtEnd,
    /// Roots that lie elsewhere, until the charter is signed.
    roots: BTreeMap<String, PathBuf>,
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
                // Receipts of earlier demos stay beside the next network.
                let foreign = |entry: std::io::Result<fs::DirEntry>| {
                    entry.map_or(true, |entry| entry.file_name() != RECEIPTS)
                };
                let is_foreign = fs::read_dir(dir).is_ok_and(|mut entries| entries.any(foreign));
                if is_foreign { Err(Error::NotOurs(shown)) } else { Ok(false) }
            }
            Err(other) => Err(other),
        }
    }

    fn new(dir: &Path, state: State, tied: bool, at_end: AtEnd, roots: BTreeMap<String, PathBuf>) -> Self {
        Self { dir: dir.to_owned(), state, children: BTreeMap::new(), tied, at_end, roots }
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
        let state = toml::from_str(&text).map_err(|error| {
            let file = dir.join(STATE_FILE).display().to_string();
            Error::input(
                format!("{file} is damaged: {error}"),
                format!("end the nodes in {} by hand, then: rm {file}", dir.display()),
            )
        })?;
        Ok(Self::new(dir, state, false, AtEnd::Leave, BTreeMap::new()))
    }

    /// The network in `dir`, which nobody else plays with.
    pub(crate) fn open_free(dir: &Path) -> Result<Self, Error> {
        let network = Self::open(dir)?;
        match network.owner() {
            Some(owner) => Err(Error::Owned { dir: dir.display().to_string(), pid: owner.pid() }),
            None => Ok(network),
        }
    }

    /// The other process that plays with this network.
    pub(crate) fn owner(&self) -> Option<Process> {
        self.state.owner.filter(|owner| owner.runs() && Some(*owner) != Process::current())
    }

    /// Founds a coalition with the commands that an operator uses; nothing runs yet. The network is stopped and removed
    /// when the value is dropped, unless it is [left](Self::leave) or [kept for looking](Self::keep_files).
    ///
    /// `tied`: its nodes end with this process, even if that is killed.
    pub(crate) async fn found(dir: &Path, template: &str, roles: &Roles, tied: bool) -> Result<Self, Error> {
        let mut network = Self::draft(dir, template, roles, tied, |draft| Ok(draft.to_owned())).await?;
        network.seal().await?;
        Ok(network)
    }

    /// Begins to found one, with a charter that `shape` makes of the template's draft; it is there once it is
    /// [sealed](Self::seal).
    pub(crate) async fn draft(
        dir: &Path,
        template: &str,
        roles: &Roles,
        tied: bool,
        shape: impl Fn(&str) -> Result<String, String>,
    ) -> Result<Self, Error> {
        Self::draft_under(dir, template, "corridor", roles, BTreeMap::new(), tied, shape).await
    }

    /// The same with the charter's name, and roots of some partners that are there already.
    pub(crate) async fn draft_under(
        dir: &Path,
        template: &str,
        name: &str,
        roles: &Roles,
        roots: BTreeMap<String, PathBuf>,
        tied: bool,
        shape: impl Fn(&str) -> Result<String, String>,
    ) -> Result<Self, Error> {
        for partner in roles.all() {
            let too_long = |error: entente_node::errors::CliError| {
                let what = format!("{}: {}", error.what, error.why);
                Error::input(what, "the same command with a shorter DIR: entente-testnet --dir DIR ...")
            };
            DataDir::new(dir.join(partner)).socket().map_err(too_long)?;
        }
        fs::create_dir_all(dir).map_err(|error| Error::io(format!("make {}", dir.display()), error))?;
        let partners: Vec<String> = roles.all().cloned().collect();
        let state = State { partners: partners.clone(), owner: Process::current(), ..State::default() };
        let network = Self::new(dir, state, tied, AtEnd::Remove, roots);
        network.save()?;
        let file = |name: &str| dir.join(name).display().to_string();
        let card =
            |partner: &String| dir.join(partner).join(format!("{partner}.card.toml")).display().to_string();
        for partner in &partners {
            let mut init = vec!["init", "--partner", partner];
            let root = network.roots.get(partner).map(|root| root.display().to_string());
            init.extend(root.iter().flat_map(|root| ["--root", root.as_str()]));
            network.entente(partner, &init).await?;
        }
        let draft = file("charter.toml");
        let mut new: Vec<String> =
            ["charter", "new", "--template", template, "--name", name, "-o", &draft, "--lead"]
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
        let text = fs::read_to_string(&draft).map_err(|error| Error::io("read the draft", error))?;
        let shaped = shape(&text).map_err(|why| Error::input(why, "correct [charter] in the scenario"))?;
        fs::write(&draft, shaped).map_err(|error| Error::io("write the draft", error))?;
        Ok(network)
    }

    /// The charter's draft.
    pub(crate) fn draft_file(&self) -> PathBuf {
        self.dir.join("charter.toml")
    }

    /// Where a partner's root key lies.
    pub(crate) fn root_file(&self, partner: &str) -> PathBuf {
        let own = || self.data_dir(partner).join("keys/root.key");
        self.roots.get(partner).cloned().unwrap_or_else(own)
    }

    /// Every root signs the draft as it is now, and every partner joins.
    pub(crate) async fn seal(&mut self) -> Result<(), Error> {
        let network = self;
        let (partners, dir) = (network.state.partners.clone(), network.dir.clone());
        let lead = partners[0].clone();
        let file = |name: &str| dir.join(name).display().to_string();
        let draft = network.draft_file().display().to_string();
        let (signed, founded) = (file("charter.signed.toml"), file("coalition.toml"));
        network.entente(&lead, &["charter", "lint", &draft]).await?;
        let mut signatures = Vec::new();
        for partner in &partners {
            let signature = file(&format!("charter.{partner}.sig.toml"));
            let root = network.root_file(partner).display().to_string();
            network.entente(partner, &["charter", "sign", &draft, "--key", &root, "-o", &signature]).await?;
            signatures.push(signature);
        }
        let mut merge = vec!["charter", "merge", &draft];
        merge.extend(signatures.iter().map(String::as_str));
        merge.extend(["-o", &signed]);
        network.entente(&lead, &merge).await?;
        network.entente(&lead, &["charter", "found", &signed, "-o", &founded]).await?;
        for partner in &partners {
            network.entente(partner, &["join", &founded]).await?;
        }
        network.state.coalition =
            network.entente(&lead, &["charter", "id", &founded]).await?.trim().to_owned();
        network.save()
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
        let is_further = self.is_copy(partner) || self.state.hosts.contains_key(partner);
        if self.state.partners.iter().any(|known| known == partner) || is_further {
            return Ok(());
        }
        Err(Error::Partner { name: partner.to_owned(), known: self.state.partners.join(", ") })
    }

    /// A partner's running process.
    pub(crate) fn process(&self, partner: &str) -> Option<Process> {
        self.state.running.get(partner).copied().filter(Process::runs)
    }

    pub(crate) fn any_runs(&self) -> bool {
        self.owner().is_some()
            || self.state.running.values().any(Process::runs)
            || self.nested().any(|network| network.any_runs())
    }

    /// From now on the network runs without this process.
    pub(crate) fn leave(mut self) -> Result<(), Error> {
        self.state.owner = None;
        self.save()?;
        self.at_end = AtEnd::Leave;
        Ok(())
    }

    /// Something failed: everything is stopped, and its files stay.
    pub(crate) fn keep_files(&mut self) {
        self.at_end = AtEnd::Stop;
    }

    /// Waits until a node that was started again is in the mesh, and votes if a quorum is there to tell it what it said.
    pub(crate) async fn until_back(&self, partner: &str) -> Result<(), Error> {
        self.until_meshed().await?;
        let votes = |status: &StatusView| status.voting || status.seat.is_none() || status.margin < 0;
        self.until_status(partner, "has heard what it said before and votes", votes).await.map(|_| ())
    }

    /// The local API of a partner's node.
    pub(crate) fn client(&self, partner: &str) -> Result<Client, Error> {
        Client::new(&DataDir::new(self.data_dir(partner)))
            .map_err(|error| Error::input(format!("{}: {}", error.what, error.why), error.next))
    }

    /// Runs a command of `entente` for a partner and gives what it printed.
    ///
    /// Cancel-safe: the command is killed if this is dropped.
    pub(crate) async fn entente(&self, partner: &str, arguments: &[&str]) -> Result<String, Error> {
        let said = self.said(partner, arguments).await?;
        if said.code == Some(0) {
            return Ok(said.out);
        }
        let code = said.code.map_or_else(|| "killed".to_owned(), |code| format!("exit code {code}"));
        Err(Error::Command {
            partner: partner.to_owned(),
            command: arguments.join(" "),
            code,
            output: said.out + &said.err,
        })
    }

    /// Runs a command of `entente` for a partner and gives all that it said, however it ended.
    ///
    /// Cancel-safe: the command is killed if this is dropped.
    pub(crate) async fn said(&self, partner: &str, arguments: &[impl AsRef<str>]) -> Result<Said, Error> {
        let mut command = tokio::process::Command::from(node_command(&self.data_dir(partner))?);
        let output = command.args(arguments.iter().map(AsRef::as_ref)).kill_on_drop(true).output();
        let limit = 2 * STEP_TIMEOUT;
        let output = tokio::time::timeout(limit, output)
            .await
            .map_err(|_| {
                let words = arguments.iter().map(AsRef::as_ref).collect::<Vec<_>>().join(" ");
                Error::Late { what: format!("{partner}: `entente {words}` ends"), limit }
            })?
            .map_err(|error| Error::io("start this program as a node", error))?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Ok(Said { code: output.status.code(), out: text(&output.stdout), err: text(&output.stderr) })
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
            tie(&mut command);
        }
        // Ctrl-C in a terminal is for the testnet, which then stops its nodes.
        command.process_group(0);
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
                break;
            }
            if self.process(partner).is_none() {
                let log = fs::read_to_string(&path).unwrap_or_default();
                let tail: Vec<&str> = log.lines().rev().take(6).collect();
                let tail = tail.into_iter().rev().collect::<Vec<_>>().join("\n  ");
                return Err(Error::failed(
                    format!("{partner} did not stay up; its log ends:\n  {tail}"),
                    format!("read {}", path.display()),
                ));
            }
            if Instant::now() >= until {
                return Err(Error::Late { what: format!("{partner} answers"), limit: STEP_TIMEOUT });
            }
            tokio::time::sleep(LOOK_INTERVAL).await;
        }
        // A node does not remember which links its operator blocked.
        self.block_again(partner).await
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
        self.nested().for_each(|mut network| network.stop_all());
        self.state.owner = None;
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
        self.nested().try_for_each(|network| network.remove())?;
        let _ = fs::remove_dir_all(self.dir.join(SCRATCH));
        let further = self.state.copies.keys().chain(self.state.hosts.keys());
        for partner in self.state.partners.iter().chain(further) {
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
}

impl Drop for Network {
    fn drop(&mut self) {
        if self.at_end != AtEnd::Leave {
            self.stop_all();
        }
        if self.at_end == AtEnd::Remove {
            // What cannot be removed is found and cleaned by the next testnet.
            let _ = self.remove();
        }
    }
}
