//! What can be seen of a scenario without playing it: names, variables, and what must have happened before.

use std::collections::BTreeSet;

use entente_protocol::charter::TEMPLATES;
use entente_protocol::record::Role;

use super::step::{Placed, Step, nearest};
use super::{Mistake, Name, Scenario, words};
use crate::network::MAX_PARTNERS;

/// What `{partner.NAME.…}` stands for.
pub(super) const OF_PARTNERS: [&str; 5] = ["officer", "node", "seat", "root", "dir"];
/// Whom an expectation asks, if all that run.
pub(super) const EVERYONE: &str = "everyone";

fn at(name: &Name, why: String) -> Mistake {
    Mistake::new(name.span().start, why)
}

/// What the steps so far have made of the network.
struct So<'a> {
    partners: BTreeSet<&'a str>,
    /// Partners and copies of them.
    nodes: BTreeSet<&'a str>,
    running: BTreeSet<&'a str>,
    operations: BTreeSet<&'a str>,
    open: BTreeSet<&'a str>,
    variables: BTreeSet<String>,
}

impl Scenario {
    pub(super) fn check(&self) -> Result<(), Mistake> {
        if let Some(template) = &self.template
            && !TEMPLATES.contains(&template.get_ref().as_str())
        {
            let known = TEMPLATES.join(", ");
            return Err(at(template, format!("no template {:?}; there are: {known}", template.get_ref())));
        }
        if self.template.is_none() && self.charter.is_empty() {
            return Err(Mistake::new(0, "a template, or a [charter] that says everything, must be given"));
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
            let place = leads.get(1).map(|partner| &partner.name).or(self.template.as_ref());
            let place = place.map_or(0, |name| name.span().start);
            return Err(Mistake::new(
                place,
                format!("exactly one of 1 to {MAX_PARTNERS} partners has the role lead"),
            ));
        }
        let mut operations = BTreeSet::new();
        for operation in &self.operations {
            known("partner", &partners, operation.by.get_ref()).map_err(|why| at(&operation.by, why))?;
            if !operations.insert(operation.id.get_ref().as_str()) {
                let why = format!("operation {:?} is declared twice", operation.id.get_ref());
                return Err(at(&operation.id, why));
            }
        }
        let mut variables = BTreeSet::from(["dir".to_owned(), "draft".to_owned()]);
        for partner in &partners {
            variables.extend(OF_PARTNERS.iter().map(|what| format!("partner.{partner}.{what}")));
        }
        let mut ids = BTreeSet::new();
        let (nodes, running) = (partners.clone(), partners.clone());
        let mut so = So { partners, nodes, running, operations, open: BTreeSet::new(), variables };
        for placed in &self.prepare {
            let (name, number) = (placed.step.name(), placed.number);
            let wrong =
                |why: String| Mistake::new(placed.at, format!("prepare step {number} ({name}): {why}"));
            if !matches!(placed.step, Step::Say(_) | Step::Run(_) | Step::Edit(_) | Step::Write(_)) {
                return Err(wrong(
                    "no node runs before the charter is signed; there are: say, run, edit, write".into(),
                ));
            }
            so.after(placed, self).map_err(wrong)?;
        }
        so.variables.insert("coalition".to_owned());
        for placed in &self.steps {
            let wrong = |why: String| {
                let name = placed.step.name();
                let step = match placed.number {
                    0 => "the twin's step".to_owned(),
                    number => format!("step {number}"),
                };
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
        known("operation", &self.operations, id)?;
        match self.open.contains(id) {
            true => Ok(()),
            false => Err(format!("operation {id:?} is not open yet at this step")),
        }
    }

    fn runs(&self, name: &str) -> Result<(), String> {
        known("partner", &self.nodes, name)?;
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
        known("partner", &self.nodes, a)?;
        known("partner", &self.nodes, b)?;
        if a == b { Err(format!("{b} has no link with itself")) } else { Ok(()) }
    }

    fn after(&mut self, placed: &'a Placed, scenario: &'a Scenario) -> Result<(), String> {
        match &placed.step {
            Step::Say(text) => self.variables(text)?,
            Step::Open(id) => {
                known("operation", &self.operations, id)?;
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
                if expect.at != EVERYONE {
                    self.runs(&expect.at)?;
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
                known("partner", &self.nodes, name)?;
                if !self.running.insert(name) {
                    return Err(format!("{name} runs already at this step"));
                }
            }
            Step::CaughtUp(name) => self.runs(name)?,
            Step::Cut(ends) | Step::Heal(Some(ends)) => self.two(ends)?,
            Step::Heal(None) => {}
            Step::Split(groups) => self.split(groups)?,
            Step::Deficit(deficit) => {
                self.opened(&deficit.operation)?;
                known("partner", &self.partners, &deficit.names)?;
            }
            Step::Copy(copy) => {
                known("partner", &self.partners, &copy.of)?;
                if self.running.contains(copy.of.as_str()) {
                    return Err(format!("{} runs: a store is copied while its node is down", copy.of));
                }
                self.named(&copy.named)?;
                self.nodes.insert(&copy.named);
            }
            Step::Impostor(impostor) => {
                known("partner", &self.partners, &impostor.named)?;
                self.runs(&impostor.at)?;
                self.variables(&impostor.told)?;
            }
            Step::Edit(edit) => file_name(&edit.file)?,
            Step::Write(write) => {
                file_name(&write.file)?;
                self.variables(&write.text)?;
            }
        }
        Ok(())
    }

    /// Where a command needs no node, it may also be given where none runs.
    fn killed_may_run(&self, name: &str) -> Result<(), String> {
        known("partner", &self.nodes, name)
    }

    fn named(&self, name: &str) -> Result<(), String> {
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        match !name.is_empty() && name.chars().all(plain) && !self.nodes.contains(name) && name != EVERYONE {
            true => Ok(()),
            false => Err(format!("{name:?} must be a new name of lower-case letters, digits and `-`")),
        }
    }

    fn split(&self, groups: &[Vec<String>]) -> Result<(), String> {
        let mut placed = BTreeSet::new();
        for name in groups.iter().flatten() {
            known("partner", &self.nodes, name)?;
            if !placed.insert(name.as_str()) {
                return Err(format!("{name} stands in two groups"));
            }
        }
        let missing = self.nodes.iter().filter(|name| !placed.contains(**name)).copied().collect::<Vec<_>>();
        if missing.is_empty() && groups.len() > 1 {
            return Ok(());
        }
        Err(format!("everybody stands in one of two or more groups; missing: {}", missing.join(", ")))
    }
}

/// A file of the scenario's folder, and nowhere else.
fn file_name(name: &str) -> Result<(), String> {
    match !name.is_empty() && !name.starts_with('.') && !name.contains(['/', '{']) {
        true => Ok(()),
        false => Err(format!("{name:?} is no file in the scenario's folder: a name without a path")),
    }
}

fn known(what: &str, declared: &BTreeSet<&str>, name: &str) -> Result<(), String> {
    if declared.contains(name) { Ok(()) } else { Err(no(what, name, declared.iter().copied())) }
}

fn no<'a>(what: &str, name: &str, declared: impl Iterator<Item = &'a str>) -> String {
    let declared = declared.collect::<Vec<_>>();
    let near = nearest(name, declared.iter().copied())
        .map_or_else(String::new, |near| format!("; did you mean {near:?}?"));
    format!("no {what} {name:?} is declared; there are: {}{near}", declared.join(", "))
}
