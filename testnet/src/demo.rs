//! The demo: a scenario played by real processes, and a receipt verified after every store is gone.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use entente_node::api::dto::{OperationView, RecordState};
use entente_protocol::record::Stance;

use crate::network::{Error, LOOK_INTERVAL, Network, RECEIPTS, STEP_TIMEOUT};
use crate::process::node_command;
use crate::say::say;
use crate::scenario::{Attest, Deficit, Operation, Scenario, Step};

/// How long a record may take to be ordered.
const WAIT: &str = "60s";

/// What `demo` was asked for.
pub(crate) struct Options {
    pub(crate) dir: PathBuf,
    pub(crate) partners: usize,
    pub(crate) scenario: Option<PathBuf>,
    pub(crate) headless: bool,
    pub(crate) keep: bool,
}

/// Lines for whoever watches.
struct Voice {
    begun: Instant,
    colour: bool,
}

impl Voice {
    fn chapter(&self, text: &str) {
        let (bold, plain) = if self.colour { ("\x1b[1m", "\x1b[0m") } else { ("", "") };
        say(&format!("\n{bold}{text}{plain}"));
    }

    fn line(&self, who: &str, what: &str) {
        let mut who = who;
        for line in what.lines() {
            say(&format!("{:>6.1} s  {who:<10} {line}", self.begun.elapsed().as_secs_f64()));
            who = "";
        }
    }

    fn good(&self, word: &str, text: &str) {
        let (green, plain) = if self.colour { ("\x1b[1;32m", "\x1b[0m") } else { ("", "") };
        say(&format!("{green}{word}{plain}{text}"));
    }
}

/// Plays a scenario from founding to verified receipt.
pub(crate) async fn demo(options: Options) -> Result<(), Error> {
    let scenario = Scenario::load(options.scenario.as_deref())?;
    let roles = scenario.roles(options.partners)?;
    let colour = !options.headless && std::io::IsTerminal::is_terminal(&std::io::stdout());
    let voice = Voice { begun: Instant::now(), colour };
    if Network::prepare(&options.dir)? {
        voice.line("", "an earlier network was left here; it is cleaned");
    }
    voice.chapter(&format!("{}: {} partners", scenario.name, options.partners));
    for partner in &scenario.partners {
        voice.line(partner.name.get_ref(), &format!("{}, {}", partner.role, partner.is));
    }
    let mut network =
        Network::found(&options.dir, scenario.template.get_ref(), &roles, !options.keep).await?;
    voice.line("", &format!("every root has signed the charter: {}", network.coalition()));
    let result = match play(&mut network, &scenario, &voice).await {
        Ok(played) => finish(&mut network, played, &options, &voice).await,
        Err(error) => Err(error),
    };
    match result {
        Ok(()) if options.keep => network.leave(),
        Ok(()) => Ok(()),
        Err(error) => {
            network.keep_files();
            eprintln!("the nodes' logs are kept in {}", options.dir.display());
            Err(error)
        }
    }
}

/// The operations that were played, and what the last decision was.
struct Played {
    /// By the scenario's name: the operation's id.
    ids: BTreeMap<String, String>,
    last_agreed: Option<String>,
}

struct Player<'a> {
    network: &'a mut Network,
    scenario: &'a Scenario,
    voice: &'a Voice,
    ids: BTreeMap<String, String>,
    last_agreed: Option<String>,
}

async fn play(network: &mut Network, scenario: &Scenario, voice: &Voice) -> Result<Played, Error> {
    let partners = network.partners().to_vec();
    for (i, partner) in partners.iter().enumerate() {
        network.start(partner).await?;
        let what = if i == 0 { "listens; its address is all that the others are given" } else { "starts" };
        let pid = network
            .process(partner)
            .map_or_else(String::new, |process| format!(" (process {})", process.pid()));
        voice.line(partner, &format!("{what}{pid}"));
    }
    network.until_meshed().await?;
    voice.line("", "all have found each other");
    let mut player = Player { network, scenario, voice, ids: BTreeMap::new(), last_agreed: None };
    for step in &scenario.steps {
        player.step(step).await?;
    }
    Ok(Played { ids: player.ids, last_agreed: player.last_agreed })
}

impl Player<'_> {
    async fn step(&mut self, step: &Step) -> Result<(), Error> {
        match step {
            Step::Say(text) => self.voice.chapter(text),
            Step::Open(id) => self.open(id.get_ref()).await?,
            Step::Attest(attest) => self.attest(attest).await?,
            Step::Kill(partner) => {
                let partner = partner.get_ref();
                self.network.kill(partner)?;
                self.voice.line(partner, "is lost: kill -9");
            }
            Step::Restart(partner) => self.restart(partner.get_ref()).await?,
            Step::Cut([a, b]) => {
                let (a, b) = (a.get_ref(), b.get_ref());
                let around = self.network.cut(a, b).await?;
                let how = if around { "; they reach each other through others" } else { "" };
                self.voice.line("", &format!("the link between {a} and {b} is cut{how}"));
            }
            Step::Heal([a, b]) => {
                let (a, b) = (a.get_ref(), b.get_ref());
                self.network.heal(a, b).await?;
                self.voice.line("", &format!("the link between {a} and {b} is back"));
            }
            Step::Agreed(id) => self.agreed(id.get_ref()).await?,
            Step::Deficit(deficit) => self.deficit(deficit).await?,
            Step::CaughtUp(partner) => self.caught_up(partner.get_ref()).await?,
        }
        Ok(())
    }

    fn operation(&self, name: &str) -> Result<&Operation, Error> {
        let found = self.scenario.operations.iter().find(|operation| operation.id.get_ref() == name);
        found.ok_or_else(|| {
            Error::failed(format!("no operation {name:?} is declared"), "declare it in the scenario")
        })
    }

    fn id(&self, name: &str) -> Result<String, Error> {
        self.ids.get(name).cloned().ok_or_else(|| {
            Error::failed(format!("operation {name:?} is not open yet"), "open it in an earlier step")
        })
    }

    async fn open(&mut self, name: &str) -> Result<(), Error> {
        let operation = self.operation(name)?.clone();
        let mut arguments: Vec<String> =
            ["op", "open", "--wait", "ordered", "--timeout", WAIT, "--key", name]
                .into_iter()
                .map(str::to_owned)
                .collect();
        arguments.extend(["--type".into(), operation.kind, "--title".into(), operation.title.clone()]);
        for (field, value) in &operation.body {
            arguments.extend(["--set".to_owned(), format!("{field}={value}")]);
        }
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let printed = self.network.entente(operation.by.get_ref(), &arguments).await?;
        let id = printed.split_whitespace().next().unwrap_or_default().to_owned();
        self.voice.line(operation.by.get_ref(), &format!("opens {:?}", operation.title));
        for (field, value) in &operation.body {
            self.voice.line("", &format!("    {field}: {value}"));
        }
        self.voice.line("", &format!("    {id}"));
        self.ids.insert(name.to_owned(), id);
        Ok(())
    }

    async fn attest(&mut self, attest: &Attest) -> Result<(), Error> {
        let id = self.id(attest.operation.get_ref())?;
        let (flag, word) = match attest.stance {
            Stance::Endorse => ("--endorse", "endorses"),
            Stance::Object => ("--object", "objects to"),
            Stance::Abstain => ("--abstain", "abstains from"),
        };
        let key = format!("{}-{}", attest.operation.get_ref(), attest.by.get_ref());
        let mut arguments =
            vec!["op", "attest", &id, flag, "--wait", "ordered", "--timeout", WAIT, "--key", &key];
        if let Some(caveat) = &attest.caveat {
            arguments.extend(["--caveat", caveat]);
        }
        let begun = Instant::now();
        self.network.entente(attest.by.get_ref(), &arguments).await?;
        let took = begun.elapsed().as_millis();
        let title = &self.operation(attest.operation.get_ref())?.title;
        let caveat =
            attest.caveat.as_ref().map_or_else(String::new, |caveat| format!(", on condition: {caveat}"));
        self.voice.line(attest.by.get_ref(), &format!("{word} {title:?}{caveat} (ordered after {took} ms)"));
        Ok(())
    }

    async fn restart(&mut self, partner: &str) -> Result<(), Error> {
        self.network.start(partner).await?;
        self.network.until_back(partner).await?;
        self.voice.line(partner, "is back with its own store and keys");
        Ok(())
    }

    /// Polls a partner's view of an operation until `done` says so.
    async fn until_view(
        &self,
        partner: &str,
        name: &str,
        what: &str,
        done: impl Fn(&OperationView) -> bool,
    ) -> Result<OperationView, Error> {
        let path = format!("/v1/ops/{}", self.id(name)?);
        let client = self.network.client(partner)?;
        let until = Instant::now() + STEP_TIMEOUT;
        loop {
            if let Ok(view) = client.get::<OperationView>(&path).await
                && done(&view)
            {
                return Ok(view);
            }
            if Instant::now() >= until {
                return Err(Error::Late { what: format!("{partner}: {name} {what}"), limit: STEP_TIMEOUT });
            }
            tokio::time::sleep(LOOK_INTERVAL).await;
        }
    }

    fn running(&self) -> Vec<String> {
        let partners = self.network.partners().iter();
        partners.filter(|partner| self.network.process(partner).is_some()).cloned().collect()
    }

    async fn agreed(&mut self, name: &str) -> Result<(), Error> {
        let mut shown = None;
        let running = self.running();
        for partner in &running {
            let agreed = |view: &OperationView| view.state == RecordState::Agreed && view.outcome == "agreed";
            shown = Some(self.until_view(partner, name, "is agreed", agreed).await?);
        }
        let Some(view) = shown else {
            return Err(Error::failed(
                "nobody is running",
                "restart somebody in an earlier step of the scenario",
            ));
        };
        self.voice.line(
            "",
            &format!("{} of {} partners show the same:", running.len(), self.network.partners().len()),
        );
        self.voice.good("AGREED", &format!("  {}  {}", view.title, view.id));
        if let Some(decision) = &view.decision {
            self.voice.line("", &format!("why: {}", decision.explanation.replace("; ", "\n     ")));
        }
        self.last_agreed = Some(name.to_owned());
        Ok(())
    }

    async fn deficit(&self, deficit: &Deficit) -> Result<(), Error> {
        let by = self.operation(deficit.operation.get_ref())?.by.get_ref().clone();
        let lacks = |view: &OperationView| {
            view.state == RecordState::Ordered
                && view.deficit.iter().any(|line| line.contains(deficit.names.get_ref()))
        };
        let view = self.until_view(&by, deficit.operation.get_ref(), "shows its deficit", lacks).await?;
        self.voice.line("", &format!("{:?} is {}: {}", view.title, view.outcome, view.deficit.join("; ")));
        Ok(())
    }

    async fn caught_up(&self, partner: &str) -> Result<(), Error> {
        let mut size = 0;
        for other in self.running().iter().filter(|other| *other != partner) {
            let status = self.network.until_status(other, "answers", |_| true).await?;
            size = status.log.size.max(size);
        }
        let status = self
            .network
            .until_status(partner, "has caught up", |status| {
                status.log.size >= size && status.epoch.certified == status.epoch.applied
            })
            .await?;
        let (size, epoch) = (status.log.size, status.epoch.certified);
        self.voice.line(partner, &format!("holds the whole log: {size} leaves, epoch {epoch} certified"));
        Ok(())
    }
}

/// Takes the receipt, ends the network, and verifies the receipt with nothing else left.
async fn finish(
    network: &mut Network,
    played: Played,
    options: &Options,
    voice: &Voice,
) -> Result<(), Error> {
    let Some(name) = played.last_agreed else {
        return Err(Error::failed(
            "the scenario ends without an agreed operation: there is no receipt",
            "end it with a step such as: agreed = \"OPERATION\"",
        ));
    };
    let id = &played.ids[&name];
    let receipts = options.dir.join(RECEIPTS);
    fs::create_dir_all(&receipts).map_err(|error| Error::io("make the folder for receipts", error))?;
    let receipt = receipts.join(format!("{name}.tlog-proof"));
    let shown = receipt.display().to_string();
    let holder = network.partners().iter().find(|partner| network.process(partner).is_some()).cloned();
    let holder = holder.ok_or_else(|| {
        Error::failed(
            "nobody is running to give the receipt",
            "restart somebody in an earlier step of the scenario",
        )
    })?;
    let _ = fs::remove_file(&receipt);
    network.entente(&holder, &["receipt", id, "-o", &shown]).await?;
    let coalition = network.coalition().to_owned();
    if options.keep {
        voice.chapter("The network goes on: entente-testnet status, env, kill, cut, heal; entente-testnet down ends it.");
    } else {
        network.stop_all();
        network.remove()?;
        voice.chapter("Every node is stopped and every store deleted. A fresh process verifies the receipt:");
    }
    let verified = verify(&receipt, &coalition)?;
    if verified.code != Some(0) {
        return Err(Error::failed(
            format!("the receipt does not verify:\n{}", verified.said.trim_end()),
            format!("keep {shown} and report it"),
        ));
    }
    voice.line("", verified.said.trim_end());
    let spoiled = receipts.join(format!("{name}.spoiled"));
    let mut bytes = fs::read(&receipt).map_err(|error| Error::io("read the receipt", error))?;
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&spoiled, bytes).map_err(|error| Error::io("write the spoiled copy", error))?;
    let refused = verify(&spoiled, &coalition)?;
    let _ = fs::remove_file(&spoiled);
    if refused.code != Some(7) {
        return Err(Error::failed(
            format!("a receipt with a flipped bit verifies:\n{}", refused.said.trim_end()),
            format!("keep {shown} and report it"),
        ));
    }
    voice.line("", "with one bit flipped it is refused");
    voice.good("receipt verified", &format!("  {shown}"));
    let program = std::env::current_exe().map_err(|error| Error::io("find this program", error))?;
    say("verify it again, offline, with any build of entente:");
    say(&format!("  {} node verify {shown} --coalition {coalition}", program.display()));
    Ok(())
}

struct Verified {
    code: Option<i32>,
    said: String,
}

/// Verifies in a fresh process of this program, with an empty data folder.
fn verify(receipt: &Path, coalition: &str) -> Result<Verified, Error> {
    let nowhere = receipt.with_extension("nowhere");
    let output = node_command(&nowhere)?
        .arg("verify")
        .arg(receipt)
        .args(["--coalition", coalition])
        .output()
        .map_err(|error| Error::io("start a fresh process", error))?;
    let said =
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    Ok(Verified { code: output.status.code(), said })
}

/// How long the whole demo may take before it counts as failed.
pub(crate) const DEMO_TIMEOUT: Duration = Duration::from_secs(600);
