//! `entente dispute`: contest an operation, a handoff or an attestation; rule on that.

use clap::{Args, Subcommand};
use entente_protocol::charter::KindName;
use entente_protocol::coalition::Part;
use entente_protocol::identity::RecordId;
use entente_protocol::record::{Act, DisputeAct, OpenDispute, Rule, Ruling};

use super::Context;
use super::op::{Officer, Saying, find, texts};
use crate::api::dto::DisputeView;
use crate::client::segment;
use crate::errors::CliError;
use crate::render;

/// Contest an operation, a handoff or an attestation; rule on disputes.
#[derive(Subcommand)]
pub(super) enum Command {
    /// Open a dispute about an operation, a handoff or an attestation
    Open(OpenArgs),
    /// Say this partner's word on a dispute, as one of its panel
    Rule(RuleArgs),
    /// Show a dispute: what, why, who judges and what they say
    Show {
        /// Its id, or the beginning of it
        id: String,
    },
    /// List disputes
    List,
}

#[derive(Args)]
pub(super) struct OpenArgs {
    /// The operation or the beginning of its id, or the whole id of a handoff or an attestation
    subject: String,
    /// Which of the grounds that the charter declares, where it declares some
    #[arg(long, value_name = "GROUND")]
    ground: Option<KindName>,
    /// Why, in one line
    #[arg(long, value_name = "TEXT")]
    reason: String,
    #[command(flatten)]
    saying: Saying,
}

#[derive(Args)]
pub(super) struct RuleArgs {
    /// The dispute, or the beginning of its id
    dispute: String,
    /// What should become of its subject: uphold, annul or remand
    ruling: Ruling,
    /// Why
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
    #[command(flatten)]
    saying: Saying,
}

impl Command {
    pub(super) async fn run(&self, context: &Context) -> Result<(), CliError> {
        match self {
            Self::Open(args) => {
                let command = context.hint(&format!("dispute open {} --reason TEXT", args.subject));
                texts::check_not_empty("reason", &args.reason, &command)?;
                texts::check(Part::Reason, "reason", &args.reason, &command)?;
                let subject = match args.subject.parse::<RecordId>() {
                    Ok(id) => id,
                    Err(_) => find(context, &args.subject, args.saying.waiting.timeout).await?.id,
                };
                let (ground, reason) = (args.ground.clone(), args.reason.clone());
                let act = DisputeAct::Open(OpenDispute { subject, ground, reason });
                args.saying.say(context, Act::Dispute(act), "dispute list").await
            }
            Self::Rule(args) => {
                if let Some(reason) = &args.reason {
                    let command =
                        context.hint(&format!("dispute rule {} {} --reason TEXT", args.dispute, args.ruling));
                    texts::check_not_empty("reason", reason, &command)?;
                    texts::check(Part::Reason, "reason", reason, &command)?;
                }
                let partner = Officer::load(context).await?.partner()?.clone();
                let view = show(context, &args.dispute).await?;
                let dispute = view.id;
                let last =
                    view.words.iter().find(|word| word.partner == partner).map_or(0, |word| word.number);
                let act = DisputeAct::Rule(Rule {
                    dispute,
                    number: last.saturating_add(1),
                    ruling: args.ruling,
                    reason: args.reason.clone(),
                });
                let shows = format!("dispute show {}", render::short(&dispute));
                args.saying.say(context, Act::Dispute(act), &shows).await
            }
            Self::Show { id } => {
                let view = show(context, id).await?;
                if context.json {
                    render::print_json(&view);
                } else {
                    render::print(&render::handoff::dispute(&view, &context.hints));
                }
                Ok(())
            }
            Self::List => {
                let views: Vec<DisputeView> = context.client()?.get("/v1/disputes").await?;
                if context.json {
                    render::print_json(&views);
                } else {
                    render::print(&render::handoff::disputes(&views));
                }
                Ok(())
            }
        }
    }
}

async fn show(context: &Context, id: &str) -> Result<DisputeView, CliError> {
    context.client()?.get(&format!("/v1/disputes/{}", segment(id)?)).await
}
