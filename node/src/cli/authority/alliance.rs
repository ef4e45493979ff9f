//! `entente authority alliance`: the draft of an alliance's document, for its parties to sign.

use std::collections::BTreeMap;
use std::path::PathBuf;

use clap::Args;
use entente_protocol::authority::{AllianceDocument, Expression, Extent, Scope, SignedAlliance};
use entente_protocol::charter::{AuthorityName, KindName};
use entente_protocol::identity::PublicKey;
use serde_json::json;

use super::file;
use crate::errors::CliError;
use crate::files;
use crate::render;

/// Largest public line, in bytes.
const MAX_PUBLIC_BYTES: usize = 1024;

/// Draft an alliance's document, or its next version.
#[derive(Args)]
pub(crate) struct Alliance {
    /// The alliance's name
    name: AuthorityName,
    /// The parties' public lines, as `authority init` writes them
    #[arg(long = "party", required = true, num_args = 1.., value_name = "PUBFILE")]
    parties: Vec<PathBuf>,
    /// How many of the parties decide
    #[arg(long, value_name = "NUMBER", required_unless_present = "expression")]
    needs: Option<u32>,
    /// Who decides, nested, in place of --needs and --required: '{ needs = 2, of = ["estmark", { needs = 1, of = ["norden", "sudria"] }] }'
    #[arg(long, value_name = "TOML", value_parser = expression, conflicts_with_all = ["needs", "required"])]
    expression: Option<Expression>,
    /// A party without which nothing is decided; may be given several times
    #[arg(long, value_name = "PARTY")]
    required: Vec<AuthorityName>,
    /// An operation type that it may decide on; may be given several times [default: all]
    #[arg(long = "type", value_name = "TYPE")]
    kinds: Vec<KindName>,
    /// The version before, for a later one
    #[arg(long, value_name = "FILE")]
    previous: Option<PathBuf>,
    /// Where to write it
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
}

/// An expression as it stands in a charter or a document.
fn expression(text: &str) -> Result<Expression, String> {
    let read = |value: &str| {
        let mut table = toml::from_str::<BTreeMap<String, Expression>>(&format!("expression = {value}"))?;
        Ok(table.remove("expression"))
    };
    // A name alone may go without its quotes.
    let quoted = text.chars().all(|c| c.is_ascii_alphanumeric() || c == '-').then(|| format!("\"{text}\""));
    let read = read(quoted.as_deref().unwrap_or(text));
    let read = read.map_err(|error: toml::de::Error| error.message().trim().to_owned())?;
    read.ok_or_else(|| "it is no expression".into())
}

impl Alliance {
    pub(super) fn run(&self, as_json: bool) -> Result<(), CliError> {
        let previous = self.previous.as_deref().map(file::read_alliance).transpose()?;
        let mut parties = BTreeMap::new();
        for path in &self.parties {
            let wrong = |why: &dyn std::fmt::Display| {
                CliError::config(
                    format!("{} is no public line", path.display()),
                    why,
                    "name the file that `entente authority init NAME` wrote beside the key: NAME.root.pub",
                )
            };
            let text = files::read_text(path, MAX_PUBLIC_BYTES)?;
            let lines: BTreeMap<AuthorityName, PublicKey> =
                toml::from_str(&text).map_err(|error: toml::de::Error| wrong(&error.message()))?;
            for (name, key) in lines {
                if parties.insert(name.clone(), key).is_some() {
                    return Err(wrong(&format!("there is a party {name} already")));
                }
            }
        }
        let refuse = |why: &dyn std::fmt::Display| {
            let next = format!("entente authority alliance {} --needs NUMBER --party PUBFILE..", self.name);
            CliError::usage(format!("{} cannot be drafted so", self.name), why, next)
        };
        let named = |names: &mut dyn Iterator<Item = &AuthorityName>| {
            names.cloned().map(Expression::Named).collect::<Vec<_>>()
        };
        let (members, required) = (named(&mut parties.keys()), named(&mut self.required.iter()));
        // Who is alone is no threshold.
        let needs = self.needs.unwrap_or(1);
        let expression = match (&self.expression, members.as_slice()) {
            (Some(expression), _) => expression.clone(),
            (None, [alone]) if needs == 1 => alone.clone(),
            (None, _) => Expression::threshold(needs, members, &required).map_err(|why| refuse(&why))?,
        };
        let operations = match self.kinds.is_empty() {
            true => Extent::All,
            false => Extent::only(self.kinds.iter().cloned()),
        };
        let document = AllianceDocument {
            name: self.name.clone(),
            version: previous.as_ref().map_or(1, |previous| previous.version.saturating_add(1)),
            previous: previous.as_ref().map(AllianceDocument::hash),
            expression,
            scope: Scope { operations },
            parties,
        };
        match &previous {
            Some(previous) => document.follows(previous),
            None => document.check(),
        }
        .map_err(|why| refuse(&why))?;
        let signed = SignedAlliance::new(document);
        files::write_new(&self.output, signed.to_toml().as_bytes(), files::PUBLIC)?;
        let file = self.output.display();
        let by_both =
            self.previous.as_ref().map_or(String::new(), |path| format!(" --previous {}", path.display()));
        if as_json {
            let hash = signed.alliance.hash();
            render::print_json(&json!({"file": self.output, "hash": hash, "alliance": signed.alliance}));
        } else {
            render::print(&render::authority::alliance(&signed, Some("nobody has signed it")));
            render::print(&format!(
                "written to {file}; each party: entente authority sign {file} --key KEYFILE{by_both}\n"
            ));
        }
        Ok(())
    }
}
