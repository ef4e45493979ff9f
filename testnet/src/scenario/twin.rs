//! Twins: a scenario with one small change, after which it must fail where it says, for the reason that it says.

use serde::Deserialize;
use toml::Spanned;

use super::step::{Placed, read_added};
use super::{Mistake, Scenario};

/// What is changed, and where it must then fail.
#[derive(Debug, Clone)]
pub(crate) struct Twin {
    at: usize,
    pub(crate) tells: String,
    change: Change,
    /// The step that must fail.
    pub(crate) fails_at: String,
    /// What its failure says.
    pub(crate) because: String,
}

#[derive(Debug, Clone)]
enum Change {
    Drop(String),
    Replace(String, Placed),
    Before(String, Placed),
    After(String, Placed),
}

impl Change {
    /// The step that is changed, or beside which there is another one.
    fn id(&self) -> &str {
        match self {
            Self::Drop(id) | Self::Replace(id, _) | Self::Before(id, _) | Self::After(id, _) => id,
        }
    }
}

/// A twin as it is written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    tells: String,
    #[serde(default)]
    drop: Option<String>,
    #[serde(default)]
    replace: Option<String>,
    #[serde(default)]
    before: Option<String>,
    #[serde(default)]
    after: Option<String>,
    #[serde(default)]
    step: Option<toml::Table>,
    fails_at: String,
    because: String,
}

impl Twin {
    pub(super) fn read(table: &Spanned<toml::Table>) -> Result<Self, Mistake> {
        let at = table.span().start;
        let wrong = |why: String| Mistake::new(at, format!("twin: {why}"));
        let written: Written = toml::Value::Table(table.get_ref().clone())
            .try_into()
            .map_err(|error: toml::de::Error| wrong(error.message().to_owned()))?;
        let Written { tells, drop, replace, before, after, step, fails_at, because } = written;
        let step = step.map(|step| read_added(&step, at)).transpose()?;
        let change = match (drop, replace, before, after, step) {
            (Some(id), None, None, None, None) => Change::Drop(id),
            (None, Some(id), None, None, Some(step)) => {
                Change::Replace(id.clone(), Placed { id: step.id.clone().or(Some(id)), ..step })
            }
            (None, None, Some(id), None, Some(step)) => Change::Before(id, step),
            (None, None, None, Some(id), Some(step)) => Change::After(id, step),
            _ => {
                return Err(wrong(
                    "one change: drop = \"ID\", or one of replace, before and after = \"ID\" with [twin.step]".into(),
                ));
            }
        };
        if because.is_empty() {
            return Err(wrong("because must not be empty: a twin fails for a reason".into()));
        }
        Ok(Self { at, tells, change, fails_at, because })
    }
}

impl Scenario {
    /// The scenario with its twin's change; as it is where there is no twin.
    pub(super) fn twin(&self) -> Result<Self, Mistake> {
        let mut changed = self.clone();
        let Some(twin) = changed.twin.take() else { return Ok(changed) };
        let all = changed.prepare.iter().chain(&changed.steps);
        let ids = all.filter_map(|placed| placed.id.clone()).collect::<Vec<_>>();
        let place = |steps: &[Placed], id: &str| {
            let found = steps.iter().position(|placed| placed.id.as_deref() == Some(id));
            found.ok_or_else(|| {
                let there = if ids.is_empty() { "none has an id".to_owned() } else { ids.join(", ") };
                Mistake::new(twin.at, format!("twin: no step has the id {id:?}; there are: {there}"))
            })
        };
        let id = twin.change.id();
        let is_prepared = place(&changed.prepare, id).is_ok();
        let steps = if is_prepared { &mut changed.prepare } else { &mut changed.steps };
        let at = place(steps, id)?;
        match &twin.change {
            Change::Drop(_) => drop(steps.remove(at)),
            Change::Replace(_, step) => {
                steps[at] = Placed { number: steps[at].number, ..step.clone() };
            }
            Change::Before(_, step) => steps.insert(at, step.clone()),
            Change::After(_, step) => steps.insert(at + 1, step.clone()),
        }
        if let Change::Drop(id) = &twin.change
            && *id == twin.fails_at
        {
            let why = format!(
                "twin: {id:?} is dropped, so it cannot be the step that fails: name one that is left"
            );
            return Err(Mistake::new(twin.at, why));
        }
        if changed.prepare.iter().any(|placed| placed.id.as_ref() == Some(&twin.fails_at)) {
            let why = format!("twin: {:?} is prepared: it fails at one of the steps", twin.fails_at);
            return Err(Mistake::new(twin.at, why));
        }
        place(&changed.steps, &twin.fails_at)?;
        Ok(changed)
    }

    /// The twin, which must be there.
    ///
    /// # Errors
    /// The scenario has none.
    pub(crate) fn as_twin(&self) -> Result<Self, crate::network::Error> {
        match &self.twin {
            Some(_) => self
                .twin()
                .map_err(|mistake| crate::network::Error::failed(mistake.why, "correct the scenario")),
            None => Err(crate::network::Error::input(
                format!("{} declares no twin", self.called),
                "add [twin] to it: what is changed, where it then fails and why",
            )),
        }
    }
}
