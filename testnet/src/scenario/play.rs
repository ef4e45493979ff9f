//! Plays a scenario's steps against a network of real processes.

mod expect;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use entente_node::api::dto::{OperationView, RecordState};
use entente_protocol::record::Stance;
use serde_json::Value;

use super::check::EVERYONE;
use super::stage::{self, Stage, named, parts};
use super::step::{Copy, Edit, Host, Impostor, Write};
use super::tale::StepView;
use super::words::Variables;
use super::{Attest, Deficit, Expect, Operation, Placed, Run, Scenario, Step, Tale, charter, look};
use crate::impostor;
use crate::network::{Error, LOOK_INTERVAL, Network, STEP_TIMEOUT};

/// How long a record may take to be ordered.
const WAIT: &str = "60s";
/// How long what is expected may take to be seen.
const PATIENCE: Duration = Duration::from_secs(30);
/// And where it is expected not to be seen, in a twin.
const PATIENCE_OF_TWINS: Duration = Duration::from_secs(4);

/// What was played.
#[derive(Debug, Default)]
pub(crate) struct Played {
    pub(crate) steps: Vec<StepView>,
    /// By the scenario's name: the operation's id.
    pub(crate) ids: BTreeMap<String, String>,
    /// The coalition and the operation that was seen as agreed last.
    pub(crate) last_agreed: Option<(Option<String>, String)>,
    /// The step that failed, and how; nothing after it was played.
    pub(crate) failed: Option<(Placed, Error)>,
}

struct Player<'a> {
    stage: &'a mut Stage,
    scenario: &'a Scenario,
    tale: &'a Tale,
    variables: Variables,
    played: Played,
    patience: Duration,
}

/// Founds the scenario's coalitions, the first for `partners` partners.
pub(crate) async fn found(
    scenario: &Scenario,
    dir: &std::path::Path,
    partners: usize,
    tied: bool,
    tale: &Tale,
) -> Result<(Stage, Variables), Error> {
    let first = &scenario.first;
    let roles = first.roles(partners)?;
    if stage::prepare(dir)? {
        tale.line("", "an earlier network was left here; it is cleaned");
    }
    tale.chapter(&format!("{}: {partners} partners", scenario.name));
    for (coalition, founding) in scenario.coalitions() {
        let coalition = coalition.map(|name| name.get_ref().as_str());
        if let Some(name) = coalition {
            tale.chapter(&format!("another coalition, {name}: {} partners", founding.partners.len()));
        }
        for partner in &founding.partners {
            let is = if partner.is.is_empty() { String::new() } else { format!(", {}", partner.is) };
            tale.line(&named(coalition, partner.name.get_ref()), &format!("{}{is}", partner.role));
        }
    }
    let shape = |draft: &str| first.shape(draft);
    let mut stage = Stage::new(Network::draft(dir, first.template(), &roles, tied, shape).await?);
    for (name, founding) in &scenario.others {
        stage.draft(name.get_ref(), founding, tied).await?;
    }
    let mut variables = Variables::default();
    variables.set("dir", stage.scratch()?.display().to_string());
    for (coalition, network) in stage.coalitions() {
        variables.set(named(coalition, "draft"), stage.draft_file(coalition)?.display().to_string());
        for partner in network.partners() {
            of_node(&mut variables, &stage, &named(coalition, partner))?;
        }
    }
    let mut player = Player::new(&mut stage, scenario, tale, variables);
    for placed in &scenario.prepare {
        if let Err(error) = player.step(&placed.step).await {
            stage.keep_files();
            let (number, name) = (placed.number, placed.step.name());
            let error = error.to_string();
            let (what, next) = error.split_once("\n  next: ").unwrap_or((&error, "correct the scenario"));
            return Err(Error::failed(format!("prepare step {number} ({name}): {what}"), next));
        }
    }
    let mut variables = player.variables;
    stage.seal().await?;
    for (coalition, network) in stage.coalitions() {
        variables.set(named(coalition, "coalition"), network.coalition());
        let of = coalition.map_or_else(String::new, |name| format!(" of {name}"));
        tale.line("", &format!("every root has signed the charter{of}: {}", network.coalition()));
    }
    Ok((stage, variables))
}

/// What steps know of a node: its public keys and its data folder.
fn of_node(variables: &mut Variables, stage: &Stage, node: &str) -> Result<(), Error> {
    variables.set(format!("partner.{node}.dir"), stage.data_dir(node)?.display().to_string());
    for (what, key) in stage.keys(node)? {
        variables.set(format!("partner.{node}.{what}"), key);
    }
    Ok(())
}

/// Starts every node and plays every step, up to one that fails. At the step `hasty` what is expected has little time.
pub(crate) async fn play(
    stage: &mut Stage,
    scenario: &Scenario,
    tale: &Tale,
    variables: Variables,
    hasty: Option<&str>,
) -> Result<Played, Error> {
    let of = |(coalition, network): (Option<&str>, &Network)| {
        let partners = network.partners().iter().map(|partner| named(coalition, partner));
        partners.collect::<Vec<_>>()
    };
    for partners in stage.coalitions().map(of).collect::<Vec<_>>() {
        for (i, partner) in partners.iter().enumerate() {
            stage.start(partner).await?;
            let what =
                if i == 0 { "listens; its address is all that the others are given" } else { "starts" };
            let (coalition, plain) = parts(partner);
            let process = stage.network(coalition)?.process(plain);
            let pid = process.map_or_else(String::new, |process| format!(" (process {})", process.pid()));
            tale.line(partner, &format!("{what}{pid}"));
        }
    }
    for (_, network) in stage.coalitions() {
        network.until_meshed().await?;
    }
    tale.line("", "all have found each other");
    let mut player = Player::new(stage, scenario, tale, variables);
    for placed in &scenario.steps {
        let is_hasty = hasty.is_some() && placed.id.as_deref() == hasty;
        player.patience = if is_hasty { PATIENCE_OF_TWINS } else { PATIENCE };
        let begun = Instant::now();
        let result = player.step(&placed.step).await;
        if let Err(Error::Interrupted) = result {
            return Err(Error::Interrupted);
        }
        player.played.steps.push(StepView {
            number: placed.number,
            id: placed.id.clone(),
            step: placed.step.name(),
            took_ms: begun.elapsed().as_millis(),
            failed: result.as_ref().err().map(ToString::to_string),
        });
        if let Err(error) = result {
            player.played.failed = Some((placed.clone(), error));
            break;
        }
    }
    Ok(player.played)
}

/// What a command must be or say and is not.
fn unlike(what: String) -> Error {
    Error::failed(what, "read the scenario and its node's log; correct the one that is wrong")
}

impl<'a> Player<'a> {
    fn new(stage: &'a mut Stage, scenario: &'a Scenario, tale: &'a Tale, variables: Variables) -> Self {
        Self { stage, scenario, tale, variables, played: Played::default(), patience: PATIENCE }
    }

    async fn step(&mut self, step: &Step) -> Result<(), Error> {
        match step {
            Step::Say(text) => self.tale.chapter(&self.variables.fill(text)),
            Step::Open(id) => self.open(id).await?,
            Step::Attest(attest) => self.attest(attest).await?,
            Step::Run(run) => self.run(run).await?,
            Step::Expect(expect) => self.expect(expect).await?,
            Step::Kill(partner) => {
                self.stage.kill(partner)?;
                self.tale.line(partner, "is lost: kill -9");
            }
            Step::Restart(partner) => self.restart(partner).await?,
            Step::Cut([a, b]) => {
                let around = self.stage.cut(a, b).await?;
                let how = if around { "; they reach each other through others" } else { "" };
                self.tale.line("", &format!("the link between {a} and {b} is cut{how}"));
            }
            Step::Split(groups) => {
                self.stage.split(groups).await?;
                let groups = groups.iter().map(|group| group.join(", ")).collect::<Vec<_>>();
                self.tale.line("", &format!("the network falls apart: {}", groups.join("  |  ")));
            }
            Step::Heal(Some([a, b])) => {
                self.stage.heal(a, b).await?;
                self.tale.line("", &format!("the link between {a} and {b} is back"));
            }
            Step::Heal(None) => {
                self.stage.heal_all().await?;
                self.tale.line("", "all links are back");
            }
            Step::Agreed(id) => self.agreed(id).await?,
            Step::Deficit(deficit) => self.deficit(deficit).await?,
            Step::CaughtUp(partner) => self.caught_up(partner).await?,
            Step::Copy(Copy { of, named }) => {
                self.stage.copy(of, named)?;
                of_node(&mut self.variables, self.stage, named)?;
                self.tale.line(named, &format!("has the keys and the store of {of}, as they were"));
            }
            Step::Host(Host { of, named }) => {
                self.stage.host(of.as_deref(), named).await?;
                of_node(&mut self.variables, self.stage, named)?;
                let what = match of {
                    Some(of) => format!("is a new host of {of}, with keys of its own"),
                    None => "is no partner yet, and makes its keys".to_owned(),
                };
                self.tale.line(named, &what);
            }
            Step::Impostor(impostor) => self.impostor(impostor).await?,
            Step::Edit(edit) => self.edit(edit)?,
            Step::Write(Write { file, text }) => {
                let path = self.stage.scratch()?.join(file);
                std::fs::write(&path, self.variables.fill(text))
                    .map_err(|error| Error::io(format!("write {}", path.display()), error))?;
                self.tale.line("", &format!("{file} is written"));
            }
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
        self.played.ids.get(name).cloned().ok_or_else(|| {
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
            arguments.extend(["--set".to_owned(), format!("{field}={}", self.variables.fill(value))]);
        }
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let printed = self.stage.entente(operation.by.get_ref(), &arguments).await?;
        let id = printed.split_whitespace().next().unwrap_or_default().to_owned();
        self.tale.line(operation.by.get_ref(), &format!("opens {:?}", operation.title));
        for (field, value) in &operation.body {
            self.tale.line("", &format!("    {field}: {}", self.variables.fill(value)));
        }
        self.tale.line("", &format!("    {id}"));
        self.variables.set(format!("op.{name}"), id.clone());
        self.played.ids.insert(name.to_owned(), id);
        Ok(())
    }

    async fn attest(&mut self, attest: &Attest) -> Result<(), Error> {
        let id = self.id(&attest.operation)?;
        let (flag, word) = match attest.stance {
            Stance::Endorse => ("--endorse", "endorses"),
            Stance::Object => ("--object", "objects to"),
            Stance::Abstain => ("--abstain", "abstains from"),
        };
        let key = format!("{}-{}", attest.operation, attest.by);
        let mut arguments =
            vec!["op", "attest", &id, flag, "--wait", "ordered", "--timeout", WAIT, "--key", &key];
        if let Some(caveat) = &attest.caveat {
            arguments.extend(["--caveat", caveat]);
        }
        let begun = Instant::now();
        self.stage.entente(&attest.by, &arguments).await?;
        let took = begun.elapsed().as_millis();
        let title = &self.operation(&attest.operation)?.title;
        let caveat =
            attest.caveat.as_ref().map_or_else(String::new, |caveat| format!(", on condition: {caveat}"));
        self.tale.line(&attest.by, &format!("{word} {title:?}{caveat} (ordered after {took} ms)"));
        Ok(())
    }

    async fn run(&mut self, run: &Run) -> Result<(), Error> {
        let fill = |text: &String| self.variables.fill(text);
        let mut arguments = run.args.iter().map(fill).collect::<Vec<_>>();
        if !run.keep.is_empty() && !arguments.iter().any(|word| word == "--json") {
            arguments.push("--json".to_owned());
        }
        let said = self.stage.said(&run.by, &arguments).await?;
        let command = arguments.join(" ");
        let told = [said.out.trim(), said.err.trim()].join("\n").trim().to_owned();
        if said.code != Some(run.exit) {
            let code = said.code.map_or_else(|| "a signal".to_owned(), |code| code.to_string());
            return Err(unlike(format!(
                "{}: `entente {command}` ends with {code}, where {} is expected; it says:\n{told}",
                run.by, run.exit
            )));
        }
        for wanted in run.says.texts().iter().map(fill) {
            if !told.contains(&wanted) {
                return Err(unlike(format!(
                    "{}: `entente {command}` does not say {wanted:?}; it says:\n{told}",
                    run.by
                )));
            }
        }
        let what = run.does.as_ref().map_or_else(|| format!("entente {command}"), fill);
        self.tale.line(&run.by, &what);
        if run.exit != 0 {
            self.tale.line("", &format!("    refused: {}", reason(&said.err)));
        }
        self.keep(&run.by, &command, &said.out, &run.keep)
    }

    /// Keeps what is found in a command's JSON.
    fn keep(
        &mut self,
        who: &str,
        command: &str,
        printed: &str,
        keep: &BTreeMap<String, String>,
    ) -> Result<(), Error> {
        if keep.is_empty() {
            return Ok(());
        }
        let value: Value = serde_json::from_str(printed).map_err(|error| {
            unlike(format!("{who}: `entente {command}` prints no JSON ({error}):\n{}", printed.trim()))
        })?;
        for (variable, path) in keep {
            let path = self.variables.fill(path);
            let found = look::find(&value, &path);
            let [one] = found[..] else {
                return Err(unlike(format!(
                    "{who}: `entente {command}` has {} values at {path:?}, where one is to be kept as {variable}:\n{}",
                    found.len(),
                    printed.trim()
                )));
            };
            let value = look::shown(one);
            self.variables.set(variable, value);
        }
        Ok(())
    }

    async fn restart(&mut self, partner: &str) -> Result<(), Error> {
        let word = match self.stage.restart(partner).await? {
            true => "is back with its own store and keys",
            false => "starts",
        };
        self.tale.line(partner, word);
        Ok(())
    }

    async fn impostor(&self, wanted: &Impostor) -> Result<(), Error> {
        let Impostor { named, at, told } = wanted;
        let told = self.variables.fill(told);
        self.tale.line(
            "",
            &format!("somebody dials {at} as {named}, with a credential of its own making that ran out"),
        );
        let (network, plain, dialled) = self.stage.pair(named, at)?;
        let heard = tokio::time::timeout(self.patience, impostor::dial(network, plain, dialled)).await;
        let heard = heard.map_err(|_| Error::Late {
            what: format!("{at} answers who passes itself off as {named}"),
            limit: self.patience,
        })??;
        if !heard.contains(&told) {
            return Err(unlike(format!("{at} does not tell the impostor {told:?}; it says: {heard}")));
        }
        self.tale.line(at, &format!("refuses it: {heard}"));
        Ok(())
    }

    fn edit(&self, Edit { file, set }: &Edit) -> Result<(), Error> {
        let path = self.stage.scratch()?.join(file);
        let io = |what: &str, error| Error::io(format!("{what} {}", path.display()), error);
        let text = std::fs::read_to_string(&path).map_err(|error| io("read", error))?;
        let changed = charter::changed(&text, &self.variables.fill_table(set), false).map_err(unlike)?;
        std::fs::write(&path, changed).map_err(|error| io("write", error))?;
        self.tale.line("", &format!("{file} is edited: {}", keys(set).join(", ")));
        Ok(())
    }
}

/// Why a command was refused, in its own words.
fn reason(told: &str) -> String {
    let after = |word: &str| told.lines().find_map(|line| line.trim().strip_prefix(word)).map(str::trim);
    match (after("error:"), after("why:")) {
        (Some(what), Some(why)) => format!("{what}: {why}"),
        (Some(one), None) | (None, Some(one)) => one.to_owned(),
        (None, None) => told.lines().next().unwrap_or_default().to_owned(),
    }
}

/// What a table changes, in words.
fn keys(table: &toml::Table) -> Vec<String> {
    let named = |value: &toml::Value| {
        let items = value.as_array().map(Vec::as_slice).unwrap_or_default();
        let names = items.iter().filter_map(|item| item.get("name")?.as_str().map(str::to_owned));
        names.collect::<Vec<_>>()
    };
    let of = |(key, value): (&String, &toml::Value)| match named(value) {
        names if names.is_empty() => key.clone(),
        names => format!("{key} {}", names.join(", ")),
    };
    table.iter().map(of).collect()
}
