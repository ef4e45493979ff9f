//! `entente op open`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use clap::Args;
use entente_protocol::coalition::Part;
use entente_protocol::feed::Lane;
use entente_protocol::record::{Act, Body, Open as OpenAct};

use super::{Officer, Submission, Waiting, commit, texts};
use crate::api::dto::Wait;
use crate::cli::charter::amend::in_force;
use crate::cli::{Context, parse};
use crate::errors::CliError;
use crate::files;
use crate::render;

/// Largest body file, in bytes.
const MAX_BODY_FILE_BYTES: usize = 64 * 1024;

/// Open an operation of a type that the charter declares.
#[derive(Args)]
pub(crate) struct Open {
    /// The operation type, as the charter declares it
    #[arg(long = "type", value_name = "TYPE")]
    kind: String,
    /// One line for people
    #[arg(long)]
    title: String,
    /// A named value: slot=06:40; may be given several times
    #[arg(long = "set", value_name = "NAME=VALUE", value_parser = parse::pair)]
    values: Vec<(String, String)>,
    /// Named values from a TOML file
    #[arg(long, value_name = "FILE")]
    body: Option<PathBuf>,
    /// A higher precedence than the type's, where the charter lets this partner raise it
    #[arg(long, value_name = "LANE")]
    precedence: Option<Lane>,
    /// A name for this submission: submitting the same again with it is harmless, something else is refused
    #[arg(long)]
    key: Option<String>,
    /// Commit it with the opening, before it is agreed: for resources that are leased to this partner
    #[arg(long)]
    provisional: bool,
    /// With --provisional: also what is leased to another; it will be in conflict, and a panel rules on it
    #[arg(long, requires = "provisional")]
    overstep: bool,
    #[command(flatten)]
    waiting: Waiting,
}

impl Open {
    pub(super) async fn run(&self, context: &Context) -> Result<(), CliError> {
        let command = context.hint("op open --type TYPE --title TITLE --set NAME=VALUE");
        texts::check(Part::Kind, "operation type", &self.kind, &command)?;
        texts::check_not_empty("title", &self.title, &command)?;
        texts::check(Part::Title, "title", &self.title, &command)?;
        let mut names = BTreeSet::new();
        if let Some((name, _)) = self.values.iter().find(|(name, _)| !names.insert(name)) {
            return Err(CliError::usage(
                format!("--set gives {:?} more than once", render::plain(name)),
                "a name has one value",
                format!("the same command with each name once: {command}"),
            ));
        }
        let mut body = match &self.body {
            Some(path) => read_body(path)?,
            None => BTreeMap::new(),
        };
        body.extend(self.values.iter().cloned());
        texts::check_values(&body, &command)?;
        let officer = Officer::load(context).await?;
        officer.partner()?;
        // Without a node nothing can be opened, but what is wrong anyway is told all the same.
        let charter = in_force(context, None).await.unwrap_or_else(|_| officer.charter.clone());
        if charter.kind(&self.kind).is_none() {
            // Those that change the coalition itself are opened by proposals.
            let plain = charter.operations.iter().filter(|kind| kind.effect.is_none());
            let kinds = plain.map(|kind| kind.name.as_str()).collect::<Vec<_>>();
            return Err(CliError::denied(
                format!("{:?} is no operation type of this coalition", self.kind),
                format!("its charter declares: {}", kinds.join(", ")),
                context.hint(&format!("op open --type {} --title TITLE", kinds.first().unwrap_or(&"TYPE"))),
            ));
        }
        let open =
            OpenAct { kind: self.kind.clone(), title: self.title.clone(), body, precedence: self.precedence };
        let act = match self.provisional {
            true => {
                commit::alone(context, &officer, &charter, open, self.overstep, self.key.as_deref()).await?
            }
            false => Act::Open(open),
        };
        let record = officer.sign(act, self.key.as_deref())?;
        officer.check_key(context, &record.record, self.key.as_deref()).await?;
        let id = Some(record.record.id());
        let body = texts::encode(&Body::Signed(record), &command)?;
        Submission { path: "/v1/records", lane: None, id, body }.send(context, &self.waiting).await?;
        match id.filter(|_| self.provisional && self.waiting.wait >= Wait::Ordered) {
            Some(id) => commit::refuse_conflict(context, &id).await,
            None => Ok(()),
        }
    }
}

/// A flat table of values, each as its text.
fn read_body(path: &Path) -> Result<BTreeMap<String, String>, CliError> {
    let text = files::read_text(path, MAX_BODY_FILE_BYTES)?;
    let refuse = |why: &dyn std::fmt::Display| {
        CliError::config(
            format!("{} is not a list of named values", path.display()),
            why,
            "one value a line, such as: slot = \"06:40\"",
        )
    };
    let table: toml::Table = toml::from_str(&text).map_err(|error| refuse(&error.message()))?;
    table
        .into_iter()
        .map(|(name, value)| {
            let value = match value {
                toml::Value::String(text) => text,
                toml::Value::Integer(number) => number.to_string(),
                toml::Value::Float(number) => number.to_string(),
                toml::Value::Boolean(truth) => truth.to_string(),
                toml::Value::Datetime(time) => time.to_string(),
                toml::Value::Array(_) | toml::Value::Table(_) => {
                    return Err(refuse(&format!(
                        "{name} is a list or table; a value is a text, number or time"
                    )));
                }
            };
            Ok((name, value))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_is_a_flat_table_of_values() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("body.toml");
        std::fs::write(&path, "slot = \"06:40\"\nflights = 4\nfrom = 2026-11-24T06:00:00Z\n")
            .expect("written");
        let body = read_body(&path).expect("a body");
        assert_eq!(body["slot"], "06:40");
        assert_eq!(body["flights"], "4");
        assert_eq!(body["from"], "2026-11-24T06:00:00Z");
        std::fs::write(&path, "[nested]\na = 1\n").expect("written");
        assert!(read_body(&path).expect_err("nested").why.contains("nested is a list or table"));
    }
}
