//! `entente op order|permit|refuse|recall`: what an authority says on an operation.

use std::path::PathBuf;

use clap::Args;
use entente_protocol::authority::{Signatures, Word};
use entente_protocol::charter::AuthorityName;
use entente_protocol::coalition::Part;
use entente_protocol::record::{Act, AuthorityAct, Speak as SpeakAct, Statement};

use super::{Officer, Saying, find, texts};
use crate::api::dto::AuthorityView;
use crate::cli::Context;
use crate::cli::authority::file;
use crate::errors::CliError;
use crate::render;

/// Say a word for an authority, or carry one that its keys signed.
#[derive(Args)]
pub(crate) struct Speak {
    /// The operation, or the beginning of its id
    id: String,
    /// The authority [default: this partner's own]
    #[arg(long = "for", value_name = "AUTHORITY")]
    authority: Option<AuthorityName>,
    /// Why: needed to refuse and to recall, and recorded
    #[arg(long, value_name = "TEXT")]
    ground: Option<String>,
    /// Carry this statement, which keys have signed off line, instead of speaking: entente authority statement
    #[arg(long, value_name = "FILE", conflicts_with_all = ["authority", "ground"])]
    signed: Option<PathBuf>,
    #[command(flatten)]
    saying: Saying,
}

impl Speak {
    pub(super) async fn run(&self, context: &Context, word: Word) -> Result<(), CliError> {
        let officer = Officer::load(context).await?;
        let partner = officer.partner()?.clone();
        let view = find(context, &self.id, self.saying.waiting.timeout).await?;
        let shows = format!("op show {}", render::short(&view.id));
        let speak = match &self.signed {
            Some(path) => {
                let signed = file::read_statement(path)?;
                let wrong = |why: String| {
                    let next = format!("entente authority show {}", path.display());
                    CliError::config(format!("{} cannot be carried so", path.display()), why, next)
                };
                if signed.statement.operation != view.id || signed.statement.word != word {
                    return Err(wrong(format!(
                        "it says {} of {}, not {word} of {}",
                        signed.statement.word,
                        render::short(&signed.statement.operation),
                        render::short(&view.id)
                    )));
                }
                if signed.signatures.0.is_empty() {
                    return Err(wrong("nobody has signed it".into()));
                }
                SpeakAct { statement: signed.statement, signatures: signed.signatures }
            }
            None => {
                let authority = self.authority.clone().unwrap_or_else(|| (&partner).into());
                let ground = self.ground.clone().unwrap_or_default();
                let again = format!("op {word} {} --for {authority} --ground TEXT", self.id);
                texts::check(Part::Ground, "ground", &ground, &context.hint(&again))?;
                if ground.is_empty() && word.needs_ground() {
                    return Err(CliError::usage(
                        format!("to {word} needs a ground"),
                        "it is recorded with it, for everybody and for good",
                        context.hint(&again),
                    ));
                }
                let known: Vec<AuthorityView> = context.client()?.get("/v1/authorities").await?;
                if known.iter().all(|it| it.name != authority) {
                    let names = known.iter().map(|it| it.name.as_str()).collect::<Vec<_>>().join(", ");
                    return Err(CliError::usage(
                        format!("there is no authority {authority}"),
                        format!("the charter in force knows: {names}"),
                        context.hint("authority list"),
                    ));
                }
                let own = view.authority.iter().flat_map(|it| &it.voices);
                let own = own.filter(|it| it.authority == authority && it.partner == partner && !it.carried);
                let number = own.map(|voice| voice.number).max().unwrap_or(0).saturating_add(1);
                let statement = Statement { operation: view.id, authority, word, ground, number };
                SpeakAct { statement, signatures: Signatures::default() }
            }
        };
        self.saying.say(context, Act::Authority(AuthorityAct::Speak(speak)), &shows).await
    }
}
