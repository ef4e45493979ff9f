//! Scenarios: who takes part and what happens, as data. The format is described in the shipped file's comments.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use entente_protocol::charter::TEMPLATES;
use entente_protocol::record::{Role, Stance};
use serde::{Deserialize, Deserializer, de};
use toml::Spanned;

use crate::network::{Error, MAX_PARTNERS, Roles};

/// The scenario that is built in.
const AIRLIFT_CORRIDOR: &str = include_str!("../scenarios/airlift-corridor.toml");
/// Largest scenario file, in bytes.
const MAX_SCENARIO_BYTES: u64 = 256 * 1024;

/// The name of the scenario that is built in.
const BUILT_IN: &str = "airlift-corridor";

/// A name and where it stands.
pub(crate) type Name = Spanned<String>;

/// A scenario.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Scenario {
    pub(crate) name: String,
    pub(crate) template: Name,
    #[serde(rename = "partner")]
    pub(crate) partners: Vec<Partner>,
    #[serde(rename = "operation")]
    pub(crate) operations: Vec<Operation>,
    #[serde(rename = "step")]
    pub(crate) steps: Vec<Step>,
}

/// Who takes part.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Partner {
    pub(crate) name: Name,
    #[serde(deserialize_with = "role_of_template")]
    pub(crate) role: Role,
    #[serde(default)]
    pub(crate) is: String,
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

/// What happens.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Step {
    Say(String),
    Open(Name),
    Attest(Attest),
    Kill(Name),
    Restart(Name),
    Cut([Name; 2]),
    Heal([Name; 2]),
    Agreed(Name),
    Deficit(Deficit),
    CaughtUp(Name),
}

/// A partner's word.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Attest {
    pub(crate) by: Name,
    pub(crate) operation: Name,
    pub(crate) stance: Stance,
    #[serde(default)]
    pub(crate) caveat: Option<String>,
}

/// What an open operation must be seen to lack.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Deficit {
    pub(crate) operation: Name,
    pub(crate) names: Name,
}

impl Scenario {
    /// Reads a scenario, or the built-in one, and checks that all its names are declared and its steps can follow each other.
    pub(crate) fn load(file: Option<&Path>) -> Result<Self, Error> {
        let file = file.filter(|path| *path != Path::new(BUILT_IN) || path.exists());
        let (text, shown) = match file {
            None => (AIRLIFT_CORRIDOR.to_owned(), format!("the built-in scenario {BUILT_IN}")),
            Some(path) => (read(path)?, path.display().to_string()),
        };
        // The line is said in the form that editors follow, then the parser's picture of it.
        let wrong = |at: usize, why: &str| {
            let line = text[..at.min(text.len())].matches('\n').count() + 1;
            Error::input(
                format!("{shown}:{line}: {why}"),
                format!("correct line {line} of {shown}; the format is described in {FORMAT}"),
            )
        };
        let scenario: Self = toml::from_str(&text).map_err(|error| {
            let at = error.span().map_or(0, |span| span.start);
            wrong(at, error.to_string().trim_end())
        })?;
        scenario.check().map_err(|Mistake { at, why }| wrong(at, &why))?;
        Ok(scenario)
    }

    fn check(&self) -> Result<(), Mistake> {
        if !TEMPLATES.contains(&self.template.get_ref().as_str()) {
            let known = TEMPLATES.join(", ");
            return Err(mistake(
                &self.template,
                format!("no template {:?}; there are: {known}", self.template.get_ref()),
            ));
        }
        let mut partners = BTreeSet::new();
        for partner in &self.partners {
            if !partners.insert(partner.name.get_ref().as_str()) {
                return Err(mistake(
                    &partner.name,
                    format!("partner {:?} is declared twice", partner.name.get_ref()),
                ));
            }
        }
        let leads: Vec<&Partner> =
            self.partners.iter().filter(|partner| partner.role == Role::Lead).collect();
        if leads.len() != 1 || partners.len() > MAX_PARTNERS {
            let at = leads.get(1).map(|partner| &partner.name).unwrap_or(&self.template);
            return Err(mistake(
                at,
                format!("exactly one of 1 to {MAX_PARTNERS} partners has the role lead"),
            ));
        }
        let mut operations = BTreeSet::new();
        for operation in &self.operations {
            known("partner", &partners, &operation.by)?;
            if !operations.insert(operation.id.get_ref().as_str()) {
                return Err(mistake(
                    &operation.id,
                    format!("operation {:?} is declared twice", operation.id.get_ref()),
                ));
            }
        }
        let (mut open, mut running) = (BTreeSet::new(), partners.clone());
        for step in &self.steps {
            let opened = |name: &Name| {
                known("operation", &operations, name)?;
                match open.contains(name.get_ref().as_str()) {
                    true => Ok(()),
                    false => Err(mistake(
                        name,
                        format!("operation {:?} is not open yet at this step", name.get_ref()),
                    )),
                }
            };
            let runs = |name: &Name| {
                known("partner", &partners, name)?;
                match running.contains(name.get_ref().as_str()) {
                    true => Ok(()),
                    false => Err(mistake(name, format!("{} was killed before this step", name.get_ref()))),
                }
            };
            match step {
                Step::Say(_) => {}
                Step::Open(id) => {
                    known("operation", &operations, id)?;
                    let by = self.operations.iter().find(|operation| operation.id.get_ref() == id.get_ref());
                    if by.is_some_and(|operation| !running.contains(operation.by.get_ref().as_str())) {
                        return Err(mistake(id, "who opens it was killed before this step".to_owned()));
                    }
                    open.insert(id.get_ref().as_str());
                }
                Step::Agreed(id) => opened(id)?,
                Step::Attest(attest) => {
                    runs(&attest.by)?;
                    opened(&attest.operation)?;
                }
                Step::Kill(name) => {
                    runs(name)?;
                    running.remove(name.get_ref().as_str());
                }
                Step::Restart(name) => {
                    known("partner", &partners, name)?;
                    if !running.insert(name.get_ref().as_str()) {
                        return Err(mistake(name, format!("{} runs already at this step", name.get_ref())));
                    }
                }
                Step::CaughtUp(name) => runs(name)?,
                Step::Cut([a, b]) | Step::Heal([a, b]) => {
                    known("partner", &partners, a)?;
                    known("partner", &partners, b)?;
                    if a.get_ref() == b.get_ref() {
                        return Err(mistake(b, format!("{} has no link with itself", b.get_ref())));
                    }
                }
                Step::Deficit(deficit) => {
                    opened(&deficit.operation)?;
                    known("partner", &partners, &deficit.names)?;
                }
            }
        }
        Ok(())
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
        let named = |role: Role| {
            let with = self.partners.iter().filter(move |partner| partner.role == role);
            with.map(|partner| partner.name.get_ref().clone()).collect::<Vec<_>>()
        };
        let lead = named(Role::Lead).remove(0);
        let mut observing = named(Role::Observing);
        observing.extend((self.partners.len()..partners).map(|i| format!("partner{:02}", i + 1)));
        Ok(Roles { lead, supporting: named(Role::Supporting), observing })
    }
}

/// Where the format is described.
const FORMAT: &str = "testnet/scenarios/airlift-corridor.toml";

fn read(path: &Path) -> Result<String, Error> {
    let shown = path.display();
    let next = format!(
        "entente-testnet demo plays the built-in scenario {BUILT_IN}; entente-testnet demo --scenario FILE another"
    );
    let cannot = |error: std::io::Error| match error.kind() {
        std::io::ErrorKind::NotFound => Error::input(
            format!(
                "no scenario {shown}: there is no such file, and {BUILT_IN} is the only one that is built in"
            ),
            next.clone(),
        ),
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
struct Mistake {
    at: usize,
    why: String,
}

fn mistake(name: &Name, why: String) -> Mistake {
    Mistake { at: name.span().start, why }
}

fn known(what: &str, declared: &BTreeSet<&str>, name: &Name) -> Result<(), Mistake> {
    if declared.contains(name.get_ref().as_str()) {
        return Ok(());
    }
    let declared = declared.iter().copied().collect::<Vec<_>>().join(", ");
    Err(mistake(name, format!("no {what} {:?} is declared; there are: {declared}", name.get_ref())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_built_in_scenario_is_whole() {
        let scenario = Scenario::load(None).expect("it is checked here");
        assert_eq!(scenario.roles(4).expect("four").lead, "norden");
        assert_eq!(scenario.roles(6).expect("six").observing.len(), 3);
        assert!(scenario.roles(3).is_err());
    }

    #[test]
    fn typos_are_named_with_their_place() {
        let wrong = |from: &str, to: &str, words: &str| {
            let at = AIRLIFT_CORRIDOR.find(from).expect("it is there");
            let line = AIRLIFT_CORRIDOR[..at].matches('\n').count() + 1;
            let text = AIRLIFT_CORRIDOR.replacen(from, to, 1);
            let file = tempfile::NamedTempFile::new().expect("a temporary file");
            std::fs::write(file.path(), text).expect("writable");
            let said = Scenario::load(Some(file.path())).expect_err("a typo").to_string();
            let place = format!("{}:{line}: ", file.path().display());
            assert!(said.starts_with(&place) && said.contains(words), "{place}{words} is not\n{said}");
            assert!(said.contains("\n  next: correct line"), "{said}");
        };
        wrong("kill = \"skywatch\"\n", "kil = \"skywatch\"\n", "unknown variant `kil`");
        wrong("role = \"lead\"", "rolle = \"lead\"", "rolle");
        wrong("kill = \"skywatch\"", "kill = \"skywalk\"", "no partner \"skywalk\"");
        wrong(
            "open = \"morning\"",
            "open = \"mourning\"",
            "no operation \"mourning\" is declared; there are: evening, morning",
        );
        wrong(
            "template = \"airlift\"",
            "template = \"airlfit\"",
            "no template \"airlfit\"; there are: airlift",
        );
        wrong("by = \"norden\"\ntype", "by = \"nordne\"\ntype", "no partner \"nordne\"");
        wrong("role = \"observing\"", "role = \"obsevring\"", "obsevring");
        wrong("restart = \"skywatch\"", "restart = \"norden\"", "norden runs already at this step");
        wrong("agreed = \"morning\"", "agreed = \"evening\"", "operation \"evening\" is not open yet");
        wrong("cut = [\"norden\", \"skywatch\"]", "cut = [\"norden\", \"norden\"]", "no link with itself");
        wrong("stance = \"endorse\"", "stance = \"endrose\"", "endrose");
    }

    #[test]
    fn a_scenario_that_is_not_there_is_told_from_the_built_in_one() {
        assert!(Scenario::load(Some(Path::new(BUILT_IN))).is_ok());
        let said = Scenario::load(Some(Path::new("sealift"))).expect_err("not there").to_string();
        assert!(said.contains("no scenario sealift: there is no such file, and airlift-corridor"), "{said}");
        assert!(said.contains("next: entente-testnet demo"), "{said}");
    }
}
