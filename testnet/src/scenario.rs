//! Scenarios: who takes part, what happens and what must be seen, as data. `scenarios/README.md` describes the format.

pub(crate) mod charter;
mod check;
mod look;
pub(crate) mod play;
pub(crate) mod run_all;
mod stage;
mod step;
mod tale;
mod twin;
mod words;

use std::collections::BTreeMap;
use std::path::Path;

use entente_protocol::record::Role;
use serde::{Deserialize, Deserializer, de};
use toml::Spanned;

pub(crate) use self::stage::Stage;
use self::step::RawStep;
pub(crate) use self::step::{Attest, Deficit, Expect, Placed, Run, Step};
pub(crate) use self::tale::{Tale, Teller};
pub(crate) use self::twin::Twin;
use crate::network::{Error, MAX_PARTNERS, Roles};

/// All that are built in, by name.
pub(crate) const BUILT_IN: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/scenarios.rs"));
/// The one that the demo plays.
pub(crate) const OF_THE_DEMO: &str = "two-corridors";
/// Largest scenario file, in bytes.
const MAX_SCENARIO_BYTES: u64 = 256 * 1024;
/// Where the format is described.
const FORMAT: &str = "testnet/scenarios/README.md";

/// A name and where it stands.
pub(crate) type Name = Spanned<String>;

/// A scenario.
#[derive(Debug, Clone)]
pub(crate) struct Scenario {
    /// How it is called: a file, or the name of one that is built in.
    pub(crate) called: String,
    pub(crate) name: String,
    pub(crate) first: Founding,
    /// Further coalitions, by name.
    pub(crate) others: Vec<(Name, Founding)>,
    pub(crate) operations: Vec<Operation>,
    /// What is done before the charter is signed.
    pub(crate) prepare: Vec<Placed>,
    pub(crate) steps: Vec<Placed>,
    pub(crate) twin: Option<Twin>,
}

/// How a coalition is founded.
#[derive(Debug, Clone)]
pub(crate) struct Founding {
    pub(crate) template: Option<Name>,
    /// What the charter says in place of the draft.
    pub(crate) charter: toml::Table,
    pub(crate) partners: Vec<Partner>,
}

/// A further coalition as it is written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenCoalition {
    name: Name,
    #[serde(default)]
    template: Option<Name>,
    #[serde(default)]
    charter: toml::Table,
    #[serde(rename = "partner")]
    partners: Vec<Partner>,
}

/// A scenario as it is written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    name: String,
    #[serde(default)]
    template: Option<Name>,
    #[serde(default)]
    charter: toml::Table,
    #[serde(rename = "partner")]
    partners: Vec<Partner>,
    #[serde(rename = "coalition", default)]
    coalitions: Vec<WrittenCoalition>,
    #[serde(rename = "operation", default)]
    operations: Vec<Operation>,
    #[serde(default)]
    prepare: Vec<RawStep>,
    #[serde(rename = "step")]
    steps: Vec<RawStep>,
    #[serde(default)]
    twin: Option<Spanned<toml::Table>>,
}

/// Who takes part.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Partner {
    pub(crate) name: Name,
    #[serde(deserialize_with = "role_of_template", default = "supporting")]
    pub(crate) role: Role,
    #[serde(default)]
    pub(crate) is: String,
}

fn supporting() -> Role {
    Role::Supporting
}

/// A role in which templates place partners; which further ones they declare, they decide themselves.
fn role_of_template<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Role, D::Error> {
    let role = Role::deserialize(deserializer)?;
    if role.is_declared() {
        return Err(de::Error::custom(format!(
            "no role {:?} is known: lead, supporting or observing",
            role.name()
        )));
    }
    Ok(role)
}

/// What is opened.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Operation {
    pub(crate) id: Name,
    pub(crate) by: Name,
    #[serde(rename = "type")]
    pub(crate) kind: String,
    pub(crate) title: String,
    #[serde(default)]
    pub(crate) body: BTreeMap<String, String>,
}

impl Scenario {
    /// Reads the scenario of that name or in that file, and checks that all its names are declared and its steps can follow
    /// each other.
    pub(crate) fn load(called: &str) -> Result<Self, Error> {
        let path = Path::new(called);
        let built_in = BUILT_IN.iter().find(|(name, _)| *name == called && !path.is_file());
        let (text, shown) = match built_in {
            Some((name, text)) => ((*text).to_owned(), format!("{name}.toml")),
            None => (read(path)?, path.display().to_string()),
        };
        Self::parse(&text, called, &shown)
    }

    fn parse(text: &str, called: &str, shown: &str) -> Result<Self, Error> {
        // The line is said in the form that editors follow, then the parser's picture of it.
        let wrong = |at: usize, why: &str| {
            let line = text[..at.min(text.len())].matches('\n').count() + 1;
            Error::input(
                format!("{shown}:{line}: {why}"),
                format!("correct line {line} of {shown}; the format is described in {FORMAT}"),
            )
        };
        let mistaken = |Mistake { at, why }| wrong(at, &why);
        let written: Written = toml::from_str(text).map_err(|error| {
            let at = error.span().map_or(0, |span| span.start);
            wrong(at, error.to_string().trim_end())
        })?;
        let prepare = step::read_all(&written.prepare).map_err(mistaken)?;
        let steps = step::read_all(&written.steps).map_err(mistaken)?;
        let twin = written.twin.as_ref().map(Twin::read).transpose().map_err(mistaken)?;
        let scenario = Self {
            called: called.to_owned(),
            name: written.name,
            first: Founding {
                template: written.template,
                charter: written.charter,
                partners: written.partners,
            },
            others: written.coalitions.into_iter().map(WrittenCoalition::read).collect(),
            operations: written.operations,
            prepare,
            steps,
            twin,
        };
        scenario.check().map_err(mistaken)?;
        if scenario.twin.is_some() {
            // Its steps must be able to follow each other, too.
            scenario.twin().map_err(mistaken)?.check().map_err(mistaken)?;
        }
        Ok(scenario)
    }

    /// All coalitions, the first one first; it has no name.
    pub(crate) fn coalitions(&self) -> impl Iterator<Item = (Option<&Name>, &Founding)> {
        let others = self.others.iter().map(|(name, founding)| (Some(name), founding));
        std::iter::once((None, &self.first)).chain(others)
    }

    /// How many partners there are in all coalitions.
    pub(crate) fn partners(&self) -> usize {
        self.coalitions().map(|(_, founding)| founding.partners.len()).sum()
    }
}

impl WrittenCoalition {
    fn read(self) -> (Name, Founding) {
        let Self { name, template, charter, partners } = self;
        (name, Founding { template, charter, partners })
    }
}

impl Founding {
    /// The template that is drafted from; without one it gives partners, keys and dates alone.
    fn template(&self) -> &str {
        self.template.as_ref().map_or("airlift", |template| template.get_ref().as_str())
    }

    /// A draft with what this coalition's charter says in place of it.
    fn shape(&self, draft: &str) -> Result<String, String> {
        match self.charter.is_empty() {
            true => Ok(draft.to_owned()),
            false => charter::changed(draft, &self.charter, self.template.is_none()),
        }
    }

    /// Roles of at least `partners` partners: those beyond the scenario's observe.
    pub(crate) fn roles(&self, partners: usize) -> Result<Roles, Error> {
        if partners < self.partners.len() {
            let needed = self.partners.len();
            return Err(Error::input(
                format!("{partners} partners are too few: the scenario has {needed}"),
                format!("entente-testnet demo --partners {needed}"),
            ));
        }
        if partners > MAX_PARTNERS {
            return Err(Error::input(
                format!("{partners} partners; at most {MAX_PARTNERS} are possible"),
                format!("entente-testnet demo --partners {MAX_PARTNERS}"),
            ));
        }
        let lead = self.partners.iter().position(|partner| partner.role == Role::Lead).unwrap_or(0);
        let name = |partner: &Partner| partner.name.get_ref().clone();
        let others = self.partners.iter().enumerate().filter(|(i, _)| *i != lead).map(|(_, other)| other);
        let (mut observing, supporting): (Vec<_>, Vec<_>) =
            others.partition(|partner| partner.role == Role::Observing);
        let supporting = supporting.into_iter().map(name).collect();
        let mut observing: Vec<_> = observing.drain(..).map(name).collect();
        observing.extend((self.partners.len()..partners).map(|i| format!("partner{:02}", i + 1)));
        Ok(Roles { lead: name(&self.partners[lead]), supporting, observing })
    }
}

fn read(path: &Path) -> Result<String, Error> {
    let shown = path.display();
    let next = "entente-testnet scenario list shows those that are built in; entente-testnet scenario FILE plays another"
        .to_owned();
    let cannot = |error: std::io::Error| match error.kind() {
        std::io::ErrorKind::NotFound => {
            let names = BUILT_IN.iter().map(|(name, _)| *name);
            let near = step::nearest(&shown.to_string(), names.clone())
                .map_or_else(String::new, |near| format!(" (did you mean {near}?)"));
            Error::input(
                format!(
                    "no scenario {shown}: there is no such file, and built in are {}{near}",
                    names.collect::<Vec<_>>().join(", ")
                ),
                next.clone(),
            )
        }
        _ => Error::input(format!("cannot read scenario {shown}: {error}"), next.clone()),
    };
    let size = std::fs::metadata(path).map_err(cannot)?.len();
    if size > MAX_SCENARIO_BYTES {
        let what = format!("scenario {shown} has {size} bytes, at most {MAX_SCENARIO_BYTES} are read");
        return Err(Error::input(what, next));
    }
    std::fs::read_to_string(path).map_err(cannot)
}

/// What is wrong with a scenario, and at which byte.
#[derive(Debug)]
struct Mistake {
    at: usize,
    why: String,
}

impl Mistake {
    fn new(at: usize, why: impl Into<String>) -> Self {
        Self { at, why: why.into() }
    }
}

#[cfg(test)]
mod tests;
