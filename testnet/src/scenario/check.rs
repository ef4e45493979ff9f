//! What can be seen of a scenario without playing it: names, variables, and what must have happened before.

use std::collections::BTreeSet;

use entente_protocol::charter::TEMPLATES;
use entente_protocol::record::Role;

use super::stage::{named, parts};
use super::step::{Copy, Host, Placed, Step, nearest};
use super::{Founding, Mistake, Name, Scenario, words};
use crate::network::{MAX_PARTNERS, RECEIPTS, SCRATCH};

/// What `{partner.NAME.…}` stands for.
pub(super) const OF_PARTNERS: [&str; 5] = ["officer", "node", "seat", "root", "dir"];
/// Whom an expectation asks, if all that run.
pub(super) const EVERYONE: &str = "everyone";

fn at(name: &Name, why: String) -> Mistake {
    Mistake::new(name.span().start, why)
}

/// What the steps so far have made of the networks. Names are as steps write them.
struct So<'a> {
    /// Of the coalitions beside the first.
    coalitions: BTreeSet<&'a str>,
    partners: BTreeSet<String>,
    /// Partners, copies of them, and their further hosts.
    nodes: BTreeSet<String>,
    running: BTreeSet<String>,
    operations: BTreeSet<&'a str>,
    open: BTreeSet<&'a str>,
    variables: BTreeSet<String>,
}

impl Founding {
    /// Checks that it can be founded; gives the names of its partners.
    fn check(&self, place: usize) -> Result<BTreeSet<&str>, Mistake> {
        if let Some(template) = &self.template
            && !TEMPLATES.contains(&template.get_ref().as_str())
        {
            let known = TEMPLATES.join(", ");
            return Err(at(template, format!("no template {:?}; there are: {known}", template.get_ref())));
        }
        if self.template.is_none() && self.charter.is_empty() {
            return Err(Mistake::new(
                place,
                "a template, or a [charter] that says everything, must be given",
            ));
        }
        let mut partners = BTreeSet::new();
        for partner in &self.partners {
            let name = partner.name.get_ref().as_str();
            if name == EVERYONE || !partners.insert(name) {
                return Err(at(
                    &partner.name,
                    format!("partner {name:?} is declared twice, or stands for all"),
                ));
            }
        }
        let leads: Vec<_> = self.partners.iter().filter(|partner| partner.role == Role::Lead).collect();
        let too_few = self.template.is_some() && leads.is_empty();
        if leads.len() > 1 || too_few || partners.len() > MAX_PARTNERS || partners.is_empty() {
            let name = leads.get(1).map(|partner| &partner.name).or(self.template.as_ref());
            let place = name.map_or(place, |name| name.span().start);
            return Err(Mistake::new(
                place,
                format!("exactly one of 1 to {MAX_PARTNERS} partners has the role lead"),
            ));
        }
        Ok(partners)
    }
}

impl Scenario {
    pub(super) fn check(&self) -> Result<(), Mistake> {
        let (mut partners, mut coalitions) = (BTreeSet::new(), BTreeSet::new());
        let mut variables = BTreeSet::from(["dir".to_owned()]);
        for (coalition, founding) in self.coalitions() {
            let place = coalition.map_or(0, |name| name.span().start);
            let declared = founding.check(place)?;
            if let Some(name) = coalition {
                let text = name.get_ref().as_str();
                // Variables and folders of these names are something else.
                let taken = [EVERYONE, "op", "partner", SCRATCH, RECEIPTS].contains(&text);
                let is_partner = self.first.partners.iter().any(|partner| partner.name.get_ref() == text);
                if !plain(text) || taken || is_partner || !coalitions.insert(text) {
                    return Err(at(name, format!("coalition {text:?} must be {NEW_NAME}")));
                }
            }
            let coalition = coalition.map(|name| name.get_ref().as_str());
            partners.extend(declared.iter().map(|partner| named(coalition, partner)));
            variables.insert(named(coalition, "draft"));
        }
        let mut operations = BTreeSet::new();
        for operation in &self.operations {
            known("partner", names(&partners), operation.by.get_ref())
                .map_err(|why| at(&operation.by, why))?;
            if !operations.insert(operation.id.get_ref().as_str()) {
                let why = format!("operation {:?} is declared twice", operation.id.get_ref());
                return Err(at(&operation.id, why));
            }
        }
        partners.iter().for_each(|partner| variables.extend(of_node(partner)));
        let mut ids = BTreeSet::new();
        let (nodes, running) = (partners.clone(), partners.clone());
        let open = BTreeSet::new();
        let mut so = So { coalitions, partners, nodes, running, operations, open, variables };
        for placed in &self.prepare {
            let (name, number) = (placed.step.name(), placed.number);
            let wrong =
                |why: String| Mistake::new(placed.at, format!("prepare step {number} ({name}): {why}"));
            if !matches!(placed.step, Step::Say(_) | Step::Run(_) | Step::Edit(_) | Step::Write(_)) {
                return Err(wrong(
                    "no node runs before the charter is signed; there are: say, run, edit, write".into(),
                ));
            }
            if let Some(id) = &placed.id
                && !ids.insert(id.as_str())
            {
                return Err(wrong(format!("another step has the id {id:?}")));
            }
            so.after(placed, self).map_err(wrong)?;
        }
        let founded = so.coalitions.iter().map(|name| named(Some(name), "coalition"));
        so.variables.extend(founded.chain(["coalition".to_owned()]));
        for placed in &self.steps {
            let wrong = |why: String| {
                let (name, step) = (placed.step.name(), numbered("step", placed.number));
                Mistake::new(placed.at, format!("{step} ({name}): {why}"))
            };
            if let Some(id) = &placed.id
                && !ids.insert(id.as_str())
            {
                return Err(wrong(format!("another step has the id {id:?}")));
            }
            so.after(placed, self).map_err(wrong)?;
        }
        Ok(())
    }
}

impl<'a> So<'a> {
    fn opened(&self, id: &str) -> Result<(), String> {
        known("operation", self.operations.iter().copied(), id)?;
        match self.open.contains(id) {
            true => Ok(()),
            false => Err(format!("operation {id:?} is not open yet at this step")),
        }
    }

    fn runs(&self, name: &str) -> Result<(), String> {
        known("partner", names(&self.nodes), name)?;
        match self.running.contains(name) {
            true => Ok(()),
            false => Err(format!("{name} was killed before this step")),
        }
    }

    fn variables(&self, text: &str) -> Result<(), String> {
        let unknown = words::used(text).find(|name| !self.variables.contains(*name));
        match unknown {
            None => Ok(()),
            Some(name) => Err(no("variable", name, self.variables.iter().map(String::as_str))),
        }
    }

    fn two(&self, ends: &[String; 2]) -> Result<(), String> {
        let [a, b] = ends;
        known("partner", names(&self.nodes), a)?;
        known("partner", names(&self.nodes), b)?;
        one_coalition([a, b])?;
        if a == b { Err(format!("{b} has no link with itself")) } else { Ok(()) }
    }

    fn after(&mut self, placed: &'a Placed, scenario: &'a Scenario) -> Result<(), String> {
        match &placed.step {
            Step::Say(text) => self.variables(text)?,
            Step::Open(id) => {
                known("operation", self.operations.iter().copied(), id)?;
                let by = scenario.operations.iter().find(|operation| operation.id.get_ref() == id);
                if let Some(operation) = by {
                    if !self.running.contains(operation.by.get_ref().as_str()) {
                        return Err("who opens it was killed before this step".to_owned());
                    }
                    operation.body.values().try_for_each(|value| self.variables(value))?;
                }
                self.open.insert(id);
                self.variables.insert(format!("op.{id}"));
            }
            Step::Agreed(id) => self.opened(id)?,
            Step::Attest(attest) => {
                self.runs(&attest.by)?;
                self.opened(&attest.operation)?;
            }
            Step::Run(run) => {
                self.killed_may_run(&run.by)?;
                run.args.iter().chain(run.says.texts()).try_for_each(|text| self.variables(text))?;
                self.variables.extend(run.keep.keys().cloned());
            }
            Step::Expect(expect) => {
                match parts(&expect.at) {
                    (None, EVERYONE) => {}
                    (Some(coalition), EVERYONE) => {
                        known("coalition", self.coalitions.iter().copied(), coalition)?;
                    }
                    _ => self.runs(&expect.at)?,
                }
                let texts = expect.args.iter().chain([&expect.path]).chain(&expect.contains);
                texts.chain(&expect.means).try_for_each(|text| self.variables(text))?;
                if let Some(text) = expect.is.as_ref().and_then(toml::Value::as_str) {
                    self.variables(text)?;
                }
                self.variables.extend(expect.keep.keys().cloned());
            }
            Step::Kill(name) => {
                self.runs(name)?;
                self.running.remove(name.as_str());
            }
            Step::Restart(name) => {
                known("partner", names(&self.nodes), name)?;
                if !self.running.insert(name.clone()) {
                    return Err(format!("{name} runs already at this step"));
                }
            }
            Step::CaughtUp(name) => self.runs(name)?,
            Step::Cut(ends) | Step::Heal(Some(ends)) => self.two(ends)?,
            Step::Heal(None) => {}
            Step::Split(groups) => self.split(groups)?,
            Step::Deficit(deficit) => {
                self.opened(&deficit.operation)?;
                known("partner", names(&self.partners), &deficit.names)?;
            }
            Step::Copy(Copy { of, named }) => {
                known("partner", names(&self.partners), of)?;
                if self.running.contains(of) {
                    return Err(format!("{of} runs: a store is copied while its node is down"));
                }
                self.new_node(of, named)?;
            }
            Step::Host(Host { of: Some(of), named }) => {
                known("partner", names(&self.partners), of)?;
                self.new_node(of, named)?;
            }
            Step::Host(Host { of: None, named }) => {
                if let Some(coalition) = parts(named).0.filter(|name| !self.coalitions.contains(*name)) {
                    return Err(format!("{named:?} is in no coalition: there is no {coalition}"));
                }
                self.new_node(named, named)?;
            }
            Step::Impostor(impostor) => {
                known("partner", names(&self.partners), &impostor.named)?;
                self.runs(&impostor.at)?;
                one_coalition([&impostor.named, &impostor.at])?;
                self.variables(&impostor.told)?;
            }
            Step::Edit(edit) => {
                file_name(&edit.file)?;
                words::texts(&edit.set).into_iter().try_for_each(|text| self.variables(text))?;
            }
            Step::Write(write) => {
                file_name(&write.file)?;
                self.variables(&write.text)?;
            }
        }
        Ok(())
    }

    /// Where a command needs no node, it may also be given where none runs.
    fn killed_may_run(&self, name: &str) -> Result<(), String> {
        known("partner", names(&self.nodes), name)
    }

    /// A copy or a host of a partner, in the same coalition.
    fn new_node(&mut self, of: &str, name: &str) -> Result<(), String> {
        let (coalition, word) = parts(name);
        if !plain(word) || word == EVERYONE || self.nodes.contains(name) || self.coalitions.contains(name) {
            return Err(format!("{name:?} must be {NEW_NAME}"));
        }
        if coalition != parts(of).0 {
            let right = named(parts(of).0, word);
            return Err(format!("{name:?} must be in the coalition of {of}: {right:?}"));
        }
        self.nodes.insert(name.to_owned());
        self.variables.extend(of_node(name));
        Ok(())
    }

    fn split(&self, groups: &[Vec<String>]) -> Result<(), String> {
        let mut placed = BTreeSet::new();
        for name in groups.iter().flatten() {
            known("partner", names(&self.nodes), name)?;
            if !placed.insert(name.as_str()) {
                return Err(format!("{name} stands in two groups"));
            }
        }
        one_coalition(placed.iter().copied())?;
        let coalition = placed.first().and_then(|name| parts(name).0);
        let others = names(&self.nodes).filter(|name| parts(name).0 == coalition && !placed.contains(name));
        let missing = others.collect::<Vec<_>>();
        if missing.is_empty() && groups.len() > 1 {
            return Ok(());
        }
        Err(format!("everybody stands in one of two or more groups; missing: {}", missing.join(", ")))
    }
}

/// What a new name must be.
const NEW_NAME: &str = "a new name of lower-case letters, digits and `-`";

fn plain(name: &str) -> bool {
    let is_plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    !name.is_empty() && name.chars().all(is_plain)
}

/// Coalitions know nothing of each other: no step is about nodes of two.
fn one_coalition<'a>(
    nodes: impl IntoIterator<Item = &'a (impl AsRef<str> + ?Sized + 'a)>,
) -> Result<(), String> {
    let mut nodes = nodes.into_iter().map(AsRef::as_ref);
    let Some(first) = nodes.next() else { return Ok(()) };
    match nodes.find(|node| parts(node).0 != parts(first).0) {
        None => Ok(()),
        Some(other) => Err(format!("{first} and {other} are of two coalitions: there are no links between")),
    }
}

/// The variables of a node.
fn of_node(node: &str) -> impl Iterator<Item = String> {
    OF_PARTNERS.iter().map(move |what| format!("partner.{node}.{what}"))
}

/// A step in words; a twin's has no number.
fn numbered(what: &str, number: usize) -> String {
    if number == 0 { "the twin's step".to_owned() } else { format!("{what} {number}") }
}

fn names(nodes: &BTreeSet<String>) -> impl Iterator<Item = &str> + Clone {
    nodes.iter().map(String::as_str)
}

/// A file of the scenario's folder, and nowhere else.
fn file_name(name: &str) -> Result<(), String> {
    match !name.is_empty() && !name.starts_with('.') && !name.contains(['/', '{']) {
        true => Ok(()),
        false => Err(format!("{name:?} is no file in the scenario's folder: a name without a path")),
    }
}

fn known<'a>(
    what: &str,
    mut declared: impl Iterator<Item = &'a str> + Clone,
    name: &str,
) -> Result<(), String> {
    let all = declared.clone();
    if declared.any(|known| known == name) { Ok(()) } else { Err(no(what, name, all)) }
}

fn no<'a>(what: &str, name: &str, declared: impl Iterator<Item = &'a str>) -> String {
    let declared = declared.collect::<Vec<_>>();
    let near = nearest(name, declared.iter().copied())
        .map_or_else(String::new, |near| format!("; did you mean {near:?}?"));
    format!("no {what} {name:?} is declared; there are: {}{near}", declared.join(", "))
}
