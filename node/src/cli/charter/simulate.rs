//! `entente charter simulate`: what would become of an operation, tried before anybody signs.

use std::path::PathBuf;

use clap::Args;
use entente_protocol::charter::{KindName, PartnerName, show_span};
use entente_protocol::coalition::{End, Line, Script, Trial, TrialError, WordLine, trial};
use entente_protocol::record::{Role, Stance};

use super::read;
use crate::cli::{Context, parse};
use crate::errors::CliError;
use crate::files;
use crate::hints::quoted;
use crate::render;

/// Largest list of records, in bytes.
const MAX_SCRIPT_BYTES: usize = 64 * 1024;

/// Try an operation on a draft; who is neither absent nor said to speak endorses.
#[derive(Args)]
pub(crate) struct Simulate {
    /// A draft, or a founding with signatures
    file: PathBuf,
    /// What is said, as TOML: type, by, about, absent, returns, [body], [[say]] with partner, stance, role, caveat, later, and [[words]] with authority, word, ground, later
    records: Option<PathBuf>,
    /// The operation type; needed only where the charter declares several
    #[arg(long = "type", value_name = "TYPE")]
    kind: Option<KindName>,
    /// Who opens it
    #[arg(long, value_name = "PARTNER")]
    by: Option<PartnerName>,
    /// Whom it is about, where it suspends, reinstates or expels a partner: that one has no voice in it
    #[arg(long, value_name = "PARTNER")]
    about: Option<PartnerName>,
    /// Who is away, with its seat; may be given several times
    #[arg(long, value_name = "PARTNER")]
    absent: Vec<PartnerName>,
    /// Who of those comes back, and endorses then unless --later says otherwise; may be given several times
    #[arg(long, value_name = "PARTNER")]
    returns: Vec<PartnerName>,
    /// Who says what: sudria:object, vigil:endorse:lead; may be given several times
    #[arg(long, value_name = "PARTNER:STANCE[:ROLE]", value_parser = line)]
    says: Vec<Line>,
    /// Who says what in the further window, if there is one, or when it is back
    #[arg(long, value_name = "PARTNER:STANCE[:ROLE]", value_parser = line)]
    later: Vec<Line>,
    /// What an authority says: pact:refuse, or pact:silent; may be given several times
    #[arg(long = "authority", value_name = "NAME:WORD", value_parser = word)]
    words: Vec<WordLine>,
    /// What an authority says in the further window, if there is one
    #[arg(long, value_name = "NAME:WORD", value_parser = word)]
    authority_later: Vec<WordLine>,
    /// A value of its body: corridor=alfa; may be given several times
    #[arg(long = "set", value_name = "NAME=VALUE", value_parser = parse::pair)]
    values: Vec<(String, String)>,
}

fn line(text: &str) -> Result<Line, String> {
    let mut parts = text.split(':');
    let wrong = || format!("{text:?} is not of the form PARTNER:STANCE or PARTNER:STANCE:ROLE");
    let (Some(partner), Some(stance)) = (parts.next(), parts.next()) else { return Err(wrong()) };
    let role = parts.next().map(str::parse::<Role>).transpose()?;
    if parts.next().is_some() {
        return Err(wrong());
    }
    let partner = partner.parse().map_err(|error| format!("{error}"))?;
    Ok(Line { partner, stance: stance.parse::<Stance>()?, role, caveat: None, later: false })
}

fn word(text: &str) -> Result<WordLine, String> {
    let wrong =
        || format!("{text:?} is not of the form NAME:WORD, as pact:order, pact:refuse or pact:silent");
    let (authority, word) = text.split_once(':').ok_or_else(wrong)?;
    let word = if word == "silent" { None } else { Some(word.parse()?) };
    Ok(WordLine {
        authority: authority.parse().map_err(|error| format!("{error}"))?,
        word,
        ground: None,
        later: false,
    })
}

impl Simulate {
    pub(super) fn run(&self, context: &Context) -> Result<(), CliError> {
        let charter = read(&self.file)?.charter;
        let mut script = match &self.records {
            Some(path) => {
                let text = files::read_text(path, MAX_SCRIPT_BYTES)?;
                toml::from_str::<Script>(&text).map_err(|error| {
                    CliError::config(
                        format!("{} is no list of records", path.display()),
                        error.message(),
                        "entente charter simulate --help",
                    )
                })?
            }
            None => Script::default(),
        };
        script.kind = self.kind.clone().or(script.kind);
        script.by = self.by.clone().or(script.by);
        script.about = self.about.clone().or(script.about);
        script.absent.extend(self.absent.iter().cloned());
        script.returns.extend(self.returns.iter().cloned());
        script.say.extend(self.says.iter().cloned());
        script.say.extend(self.later.iter().cloned().map(|line| Line { later: true, ..line }));
        script.words.extend(self.words.iter().cloned());
        script
            .words
            .extend(self.authority_later.iter().cloned().map(|line| WordLine { later: true, ..line }));
        script.body.extend(self.values.iter().cloned());
        let trial = trial(&charter, &script).map_err(|why| {
            let file = quoted(&self.file);
            let next = match &why {
                TrialError::About { kind, .. } => {
                    format!("entente charter simulate {file} --type {kind} --about PARTNER")
                }
                TrialError::Amends(_) => {
                    format!("entente charter diff {file} NEXT, and: entente charter lint NEXT")
                }
                TrialError::Kind(_) | TrialError::NoKind { .. } => {
                    format!("entente charter simulate {file} --type TYPE")
                }
                TrialError::Stranger(_) => format!("entente charter show {file}"),
                TrialError::Contradiction(_) => "entente charter simulate --help".to_owned(),
                TrialError::Founding(_) | TrialError::Opening(_) => format!("entente charter lint {file}"),
            };
            CliError::config(format!("{} cannot be tried so", self.file.display()), why, next)
        })?;
        if context.json {
            render::print_json(&trial);
        } else {
            render::print(&page(&trial));
        }
        Ok(())
    }
}

fn page(trial: &Trial) -> String {
    let mut text = String::new();
    for step in &trial.steps {
        text.push_str(&format!("after {:>8}  {}\n", show_span(step.after_ms), render::plain(&step.what)));
    }
    let verdict = trial.verdict.name();
    let (heading, explanation) = match (trial.verdict, trial.explanation.as_slice()) {
        (End::Held, [why, rest @ ..]) => (format!("{verdict}: {why}"), rest),
        (_, lines) => (format!("{} after {}", verdict.to_uppercase(), show_span(trial.after_ms)), lines),
    };
    text.push_str(&format!("\n{}\n", render::plain(&heading)));
    for line in explanation {
        text.push_str(&format!("{}\n", render::plain(line)));
    }
    text.push_str(&format!("deficit: {}\n", render::plain(&trial.deficit)));
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_is_who_what_and_perhaps_in_which_role() {
        let said = line("sudria:object:host").expect("a word");
        assert_eq!((said.partner.as_str(), said.stance), ("sudria", Stance::Object));
        assert_eq!(said.role.map(|role| role.to_string()).as_deref(), Some("host"));
        assert_eq!(line("sudria:abstain").expect("a word").role, None);
        for bad in ["sudria", "sudria:maybe", "Sudria:object", "sudria:object:host:more"] {
            assert!(line(bad).is_err(), "{bad}");
        }
    }
}
