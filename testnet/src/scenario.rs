//! Scenarios: who takes part and what happens, as data. The format is described in the shipped file's comments.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use entente_protocol::record::{Role, Stance};
use serde::Deserialize;

use crate::network::{Error, MAX_PARTNERS, Roles};

/// The scenario that is built in.
const AIRLIFT_CORRIDOR: &str = include_str!("../scenarios/airlift-corridor.toml");
/// Largest scenario file, in bytes.
const MAX_SCENARIO_BYTES: u64 = 256 * 1024;

/// A scenario.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Scenario {
    pub(crate) name: String,
    pub(crate) template: String,
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
    pub(crate) name: String,
    pub(crate) role: Role,
    #[serde(default)]
    pub(crate) is: String,
}

/// What is opened.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Operation {
    pub(crate) id: String,
    pub(crate) by: String,
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
    Open(String),
    Attest(Attest),
    Kill(String),
    Restart(String),
    Cut([String; 2]),
    Heal([String; 2]),
    Agreed(String),
    Deficit(Deficit),
    CaughtUp(String),
}

/// A partner's word.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Attest {
    pub(crate) by: String,
    pub(crate) operation: String,
    pub(crate) stance: Stance,
    #[serde(default)]
    pub(crate) caveat: Option<String>,
}

/// What an open operation must be seen to lack.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Deficit {
    pub(crate) operation: String,
    pub(crate) names: String,
}

impl Scenario {
    /// Reads a scenario, or the built-in one, and checks that all its names are declared.
    pub(crate) fn load(file: Option<&Path>) -> Result<Self, Error> {
        let (text, shown) = match file {
            None => (AIRLIFT_CORRIDOR.to_owned(), "the built-in scenario".to_owned()),
            Some(path) => {
                let shown = path.display().to_string();
                let cannot = |error| Error::io(format!("read scenario {shown}"), error);
                let size = std::fs::metadata(path).map_err(cannot)?.len();
                if size > MAX_SCENARIO_BYTES {
                    return Err(Error::Input(format!("{shown}: {size} bytes, at most {MAX_SCENARIO_BYTES}")));
                }
                (std::fs::read_to_string(path).map_err(cannot)?, shown)
            }
        };
        let scenario: Self = toml::from_str(&text)
            .map_err(|error| Error::Input(format!("{shown}: {}", error.to_string().trim_end())))?;
        scenario.check().map_err(|error| Error::Input(format!("{shown}: {error}")))?;
        Ok(scenario)
    }

    fn check(&self) -> Result<(), String> {
        let partners: BTreeSet<&str> = self.partners.iter().map(|partner| partner.name.as_str()).collect();
        let operations: BTreeSet<&str> =
            self.operations.iter().map(|operation| operation.id.as_str()).collect();
        if partners.len() != self.partners.len() || !(1..=MAX_PARTNERS).contains(&partners.len()) {
            return Err(format!("1 to {MAX_PARTNERS} partners, each named once, are possible"));
        }
        if self.partners.iter().filter(|partner| partner.role == Role::Lead).count() != 1 {
            return Err("exactly one partner must have the role lead".to_owned());
        }
        let partner = |name: &String| match partners.contains(name.as_str()) {
            true => Ok(()),
            false => Err(format!("no partner {name:?} is declared")),
        };
        let operation = |name: &String| match operations.contains(name.as_str()) {
            true => Ok(()),
            false => Err(format!("no operation {name:?} is declared")),
        };
        self.operations.iter().try_for_each(|operation| partner(&operation.by))?;
        for (number, step) in (1..).zip(&self.steps) {
            let checked = match step {
                Step::Say(_) => Ok(()),
                Step::Open(id) | Step::Agreed(id) => operation(id),
                Step::Attest(attest) => partner(&attest.by).and_then(|()| operation(&attest.operation)),
                Step::Kill(name) | Step::Restart(name) | Step::CaughtUp(name) => partner(name),
                Step::Cut(pair) | Step::Heal(pair) => pair.iter().try_for_each(partner),
                Step::Deficit(deficit) => {
                    operation(&deficit.operation).and_then(|()| partner(&deficit.names))
                }
            };
            checked.map_err(|error| format!("step {number}: {error}"))?;
        }
        Ok(())
    }

    /// Roles of at least `partners` partners: those beyond the scenario's observe.
    pub(crate) fn roles(&self, partners: usize) -> Result<Roles, Error> {
        if partners < self.partners.len() {
            let needed = self.partners.len();
            return Err(Error::Input(format!("{partners} partners are too few: the scenario has {needed}")));
        }
        if partners > MAX_PARTNERS {
            return Err(Error::Input(format!("{partners} partners; at most {MAX_PARTNERS} are possible")));
        }
        let named = |role: Role| {
            let with = self.partners.iter().filter(move |partner| partner.role == role);
            with.map(|partner| partner.name.clone()).collect::<Vec<_>>()
        };
        let lead = named(Role::Lead).remove(0);
        let mut observing = named(Role::Observing);
        observing.extend((self.partners.len()..partners).map(|i| format!("partner{:02}", i + 1)));
        Ok(Roles { lead, supporting: named(Role::Supporting), observing })
    }
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
        let wrong = |from: &str, to: &str| {
            let text = AIRLIFT_CORRIDOR.replacen(from, to, 1);
            let file = tempfile::NamedTempFile::new().expect("a temporary file");
            std::fs::write(file.path(), text).expect("writable");
            Scenario::load(Some(file.path())).expect_err("a typo").to_string()
        };
        assert!(wrong("kill = \"skywatch\"", "kil = \"skywatch\"").contains("unknown variant `kil`"));
        assert!(wrong("role = \"lead\"", "rolle = \"lead\"").contains("line"));
        assert!(wrong("kill = \"skywatch\"", "kill = \"skywalk\"").contains("no partner \"skywalk\""));
        assert!(
            wrong("open = \"morning\"", "open = \"mourning\"").contains("step 2: no operation \"mourning\"")
        );
    }
}
