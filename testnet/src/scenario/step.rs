//! Steps: what happens in a scenario, one thing each.

use std::collections::BTreeMap;

use entente_protocol::record::Stance;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use toml::{Spanned, Value};

use super::Mistake;

/// A step as it is written.
pub(super) type RawStep = BTreeMap<Spanned<String>, Value>;

/// A step, its number, and where in the file it stands.
#[derive(Debug, Clone)]
pub(crate) struct Placed {
    /// From 1, in the scenario as it is written; 0 for one that a twin adds.
    pub(crate) number: usize,
    pub(crate) at: usize,
    /// What a twin calls it.
    pub(crate) id: Option<String>,
    pub(crate) step: Step,
}

/// What happens.
#[derive(Debug, Clone)]
pub(crate) enum Step {
    Say(String),
    Open(String),
    Attest(Attest),
    Run(Run),
    Expect(Expect),
    Agreed(String),
    Deficit(Deficit),
    CaughtUp(String),
    Kill(String),
    Restart(String),
    Cut([String; 2]),
    Split(Vec<Vec<String>>),
    /// One link, or all if none is named.
    Heal(Option<[String; 2]>),
    Copy(Copy),
    Host(Host),
    Impostor(Impostor),
    Edit(Edit),
    Write(Write),
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

/// A command line of `entente`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Run {
    /// At whose node.
    pub(crate) by: String,
    pub(crate) args: Vec<String>,
    /// What that is, for whoever watches.
    #[serde(default)]
    pub(crate) does: Option<String>,
    /// The exit code that it must end with.
    #[serde(default)]
    pub(crate) exit: i32,
    /// What it must say, on either stream.
    #[serde(default)]
    pub(crate) says: Says,
    /// Variables that later steps use, each with its path in what the command prints as JSON.
    #[serde(default)]
    pub(crate) keep: BTreeMap<String, String>,
}

/// A text, or several.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(untagged)]
pub(crate) enum Says {
    #[default]
    Nothing,
    One(String),
    All(Vec<String>),
}

impl Says {
    pub(crate) fn texts(&self) -> &[String] {
        match self {
            Self::Nothing => &[],
            Self::One(text) => std::slice::from_ref(text),
            Self::All(texts) => texts,
        }
    }
}

/// What must be seen, now or soon.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Expect {
    /// A partner, or `everyone` that runs.
    pub(crate) at: String,
    /// A command of `entente` that prints JSON.
    pub(crate) args: Vec<String>,
    /// Where in that.
    #[serde(default)]
    pub(crate) path: String,
    /// The one value there.
    #[serde(default)]
    pub(crate) is: Option<Value>,
    /// A part of a text there.
    #[serde(default)]
    pub(crate) contains: Option<String>,
    /// How many are there.
    #[serde(default)]
    pub(crate) count: Option<usize>,
    /// Everyone sees the same there.
    #[serde(default)]
    pub(crate) same: bool,
    /// What that is, for whoever watches.
    #[serde(default)]
    pub(crate) means: Option<String>,
    /// How long it may take, in seconds.
    #[serde(default)]
    pub(crate) within: Option<u64>,
    /// Variables that later steps use, each with its path in what the last one asked prints.
    #[serde(default)]
    pub(crate) keep: BTreeMap<String, String>,
}

/// What an open operation must be seen to lack.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Deficit {
    pub(crate) operation: String,
    pub(crate) names: String,
}

/// A second data folder with the same keys and the same store.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Copy {
    pub(crate) of: String,
    #[serde(rename = "as")]
    pub(crate) named: String,
}

/// A further host of a partner, with keys of its own; or that of somebody who is no partner yet.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Host {
    pub(crate) of: Option<String>,
    #[serde(rename = "as")]
    pub(crate) named: String,
}

/// Who knows the coalition's secret, and shows in a partner's name a credential of its own making that ran out.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Impostor {
    #[serde(rename = "as")]
    pub(crate) named: String,
    /// Whom it dials.
    pub(crate) at: String,
    /// What it must be told.
    pub(crate) told: String,
}

/// A TOML file in the scenario's folder is changed.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Edit {
    pub(crate) file: String,
    pub(crate) set: toml::Table,
}

/// A file in the scenario's folder is written.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Write {
    pub(crate) file: String,
    pub(crate) text: String,
}

/// What steps are called.
const NAMES: [&str; 18] = [
    "say",
    "open",
    "attest",
    "run",
    "expect",
    "agreed",
    "deficit",
    "caught_up",
    "kill",
    "restart",
    "cut",
    "split",
    "heal",
    "copy",
    "host",
    "impostor",
    "edit",
    "write",
];

impl Step {
    /// What it is called.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Say(_) => "say",
            Self::Open(_) => "open",
            Self::Attest(_) => "attest",
            Self::Run(_) => "run",
            Self::Expect(_) => "expect",
            Self::Agreed(_) => "agreed",
            Self::Deficit(_) => "deficit",
            Self::CaughtUp(_) => "caught_up",
            Self::Kill(_) => "kill",
            Self::Restart(_) => "restart",
            Self::Cut(_) => "cut",
            Self::Split(_) => "split",
            Self::Heal(_) => "heal",
            Self::Copy(_) => "copy",
            Self::Host(_) => "host",
            Self::Impostor(_) => "impostor",
            Self::Edit(_) => "edit",
            Self::Write(_) => "write",
        }
    }

    fn read(name: &str, value: Value) -> Result<Self, String> {
        Ok(match name {
            "say" => Self::Say(typed(value)?),
            "open" => Self::Open(typed(value)?),
            "attest" => Self::Attest(typed(value)?),
            "run" => Self::Run(typed(value)?),
            "expect" => Self::Expect(typed(value)?),
            "agreed" => Self::Agreed(typed(value)?),
            "deficit" => Self::Deficit(typed(value)?),
            "caught_up" => Self::CaughtUp(typed(value)?),
            "kill" => Self::Kill(typed(value)?),
            "restart" => Self::Restart(typed(value)?),
            "cut" => Self::Cut(typed(value)?),
            "split" => Self::Split(typed(value)?),
            "heal" if value.as_str() == Some("all") => Self::Heal(None),
            "heal" => {
                Self::Heal(Some(typed(value).map_err(|why| format!("{why}; two partners, or \"all\""))?))
            }
            "copy" => Self::Copy(typed(value)?),
            "host" => Self::Host(typed(value)?),
            "impostor" => Self::Impostor(typed(value)?),
            "edit" => Self::Edit(typed(value)?),
            "write" => Self::Write(typed(value)?),
            unknown => {
                let near = nearest(unknown, NAMES.into_iter())
                    .map_or_else(String::new, |near| format!("; did you mean {near:?}?"));
                return Err(format!("no step is called {unknown:?}{near} There are: {}", NAMES.join(", ")));
            }
        })
    }
}

fn typed<T: DeserializeOwned>(value: Value) -> Result<T, String> {
    value.try_into().map_err(|error: toml::de::Error| error.message().to_owned())
}

/// All steps, by number.
pub(super) fn read_all(steps: &[RawStep]) -> Result<Vec<Placed>, Mistake> {
    steps.iter().zip(1..).map(|(step, number)| read(step, number)).collect()
}

fn read(raw: &RawStep, number: usize) -> Result<Placed, Mistake> {
    let place = |key: &Spanned<String>| key.span().start;
    let mut id = None;
    let mut step: Option<(usize, Step)> = None;
    for (key, value) in raw {
        let (name, at) = (key.get_ref().as_str(), place(key));
        let mistake = |why: String| Mistake::new(at, format!("step {number}: {why}"));
        if name == "id" {
            id = Some(typed(value.clone()).map_err(|why| mistake(format!("id: {why}")))?);
            continue;
        }
        if let Some((_, other)) = &step {
            return Err(mistake(format!("a step does one thing, this one {:?} and {name:?}", other.name())));
        }
        let read = Step::read(name, value.clone());
        let read = read.map_err(|why| match NAMES.contains(&name) {
            true => mistake(format!("{name}: {why}")),
            false => mistake(why),
        })?;
        step = Some((at, read));
    }
    match step {
        Some((at, step)) => Ok(Placed { number, at, id, step }),
        None => {
            let at = raw.keys().map(place).min().unwrap_or(0);
            Err(Mistake::new(at, format!("step {number} does nothing; there are: {}", NAMES.join(", "))))
        }
    }
}

/// A step that stands in a twin, at byte `at`.
pub(super) fn read_added(table: &toml::Table, at: usize) -> Result<Placed, Mistake> {
    let raw: RawStep =
        table.iter().map(|(key, value)| (Spanned::new(at..at, key.clone()), value.clone())).collect();
    read(&raw, 0).map_err(|mistake| Mistake::new(at, mistake.why.replace("step 0", "the twin's step")))
}

/// The candidate that is spelt most like `word`, if any is close.
pub(super) fn nearest<'a>(word: &str, candidates: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let by_distance = candidates.map(|candidate| (distance(word, candidate), candidate));
    by_distance.min().filter(|(distance, near)| *distance <= near.len().div_ceil(3)).map(|(_, near)| near)
}

/// Letters to insert, leave out or replace (Levenshtein).
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.chars().enumerate() {
        let mut before = std::mem::replace(&mut row[0], i + 1);
        for (j, to) in b.iter().enumerate() {
            let replaced = before + usize::from(from != *to);
            before = row[j + 1];
            row[j + 1] = replaced.min(before + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}
