//! `entente handoff`: a role of an operation, or the whole of it, passes from one partner to another.

use std::time::Duration;

use clap::{Args, Subcommand};
use entente_protocol::charter::{KindName, PartnerName};
use entente_protocol::coalition::Part;
use entente_protocol::identity::RecordId;
use entente_protocol::record::{
    Accept, Acknowledged, Act, Conclude, Decline, Handed, HandoffAct, Offer, Reclaim, Role, Takeover,
};

use super::charter::amend::in_force;
use super::op::{Officer, Saying, find, texts};
use super::{Context, now, parse};
use crate::api::dto::{HandoffView, OperationView};
use crate::client::segment;
use crate::errors::CliError;
use crate::render;

/// Hand a role of an operation to another partner, or the whole of it; take the lead over; conclude.
#[derive(Subcommand)]
pub(super) enum Command {
    /// Offer a role; this partner answers for it until the acceptance is ordered
    Offer(OfferArgs),
    /// Accept an offer, acknowledging everything that is open
    Accept(AcceptArgs),
    /// Decline an offer
    Decline(AnswerArgs),
    /// Take an own offer back before it is accepted
    Reclaim(AnswerArgs),
    /// Take the lead in an emergency: only the declared successor, only on the declared condition
    Takeover(TakeoverArgs),
    /// End an agreed operation: its lead says that it is done
    Conclude(ConcludeArgs),
    /// Show a handoff with everything that is open, and how to accept it
    Show {
        /// Its id, or the beginning of it
        id: String,
    },
    /// List handoffs
    List,
}

#[derive(Args)]
pub(super) struct OfferArgs {
    /// The operation, or the beginning of its id
    operation: String,
    /// To whom
    #[arg(long, value_name = "PARTNER")]
    to: PartnerName,
    /// Which role
    #[arg(long, default_value = "lead", conflicts_with = "whole")]
    role: Role,
    /// The lead and every other role of this partner
    #[arg(long)]
    whole: bool,
    /// The phase that begins with the acceptance: the next one
    #[arg(long, value_name = "PHASE")]
    phase: Option<KindName>,
    /// One line for whoever accepts
    #[arg(long, value_name = "TEXT")]
    note: Option<String>,
    /// How long the offer stands: 10m, 1h; what the charter allows bounds it in any case
    #[arg(long = "for", value_name = "SPAN", value_parser = parse::duration)]
    stands: Option<Duration>,
    #[command(flatten)]
    saying: Saying,
}

#[derive(Args)]
pub(super) struct AcceptArgs {
    /// The offer, or the beginning of its id
    offer: String,
    /// The digest of what is open, or its beginning, as `handoff show` gives it
    #[arg(long, value_name = "DIGEST")]
    acknowledge: Option<String>,
    #[command(flatten)]
    saying: Saying,
}

#[derive(Args)]
pub(super) struct AnswerArgs {
    /// The offer, or the beginning of its id
    offer: String,
    /// Why
    #[arg(long, value_name = "TEXT")]
    ground: Option<String>,
    #[command(flatten)]
    saying: Saying,
}

#[derive(Args)]
pub(super) struct TakeoverArgs {
    /// The operation, or the beginning of its id
    operation: String,
    /// Why
    #[arg(long, value_name = "TEXT")]
    ground: Option<String>,
    #[command(flatten)]
    saying: Saying,
}

#[derive(Args)]
pub(super) struct ConcludeArgs {
    /// The operation, or the beginning of its id
    operation: String,
    /// How it went, in one line
    #[arg(long, value_name = "TEXT")]
    note: Option<String>,
    #[command(flatten)]
    saying: Saying,
}

impl Command {
    pub(super) async fn run(&self, context: &Context) -> Result<(), CliError> {
        match self {
            Self::Offer(args) => args.run(context).await,
            Self::Accept(args) => args.run(context).await,
            Self::Decline(args) => {
                let (offer, ground) = args.read(context, "decline").await?;
                let shows = format!("handoff show {}", render::short(&offer));
                let act = HandoffAct::Decline(Decline { offer, ground });
                args.saying.say(context, Act::Handoff(act), &shows).await
            }
            Self::Reclaim(args) => {
                let (offer, ground) = args.read(context, "reclaim").await?;
                let shows = format!("handoff show {}", render::short(&offer));
                let act = HandoffAct::Reclaim(Reclaim { offer, ground });
                args.saying.say(context, Act::Handoff(act), &shows).await
            }
            Self::Takeover(args) => {
                let command = context.hint(&format!("handoff takeover {} --ground TEXT", args.operation));
                checked(Part::Ground, "ground", args.ground.as_ref(), &command)?;
                let operation = operation(context, &args.operation, &args.saying).await?;
                let shows = format!("op story {}", render::short(&operation));
                let act = HandoffAct::Takeover(Takeover { operation, ground: args.ground.clone() });
                args.saying.say(context, Act::Handoff(act), &shows).await
            }
            Self::Conclude(args) => {
                let command = context.hint(&format!("handoff conclude {} --note TEXT", args.operation));
                checked(Part::Note, "note", args.note.as_ref(), &command)?;
                let operation = operation(context, &args.operation, &args.saying).await?;
                let shows = format!("op story {}", render::short(&operation));
                let act = HandoffAct::Conclude(Conclude { operation, note: args.note.clone() });
                args.saying.say(context, Act::Handoff(act), &shows).await
            }
            Self::Show { id } => {
                let view = show(context, id).await?;
                if context.json {
                    render::print_json(&view);
                } else {
                    render::print(&render::handoff::page(&view, &context.hints));
                }
                Ok(())
            }
            Self::List => {
                let views: Vec<HandoffView> = context.client()?.get("/v1/handoffs").await?;
                if context.json {
                    render::print_json(&views);
                } else {
                    render::print(&render::handoff::list(&views, &context.hints));
                }
                Ok(())
            }
        }
    }
}

impl OfferArgs {
    async fn run(&self, context: &Context) -> Result<(), CliError> {
        let command = context.hint(&format!("handoff offer {} --to {} --note TEXT", self.operation, self.to));
        checked(Part::Note, "note", self.note.as_ref(), &command)?;
        let operation = operation(context, &self.operation, &self.saying).await?;
        self.check_role(context, &operation).await?;
        let span_ms = self.stands.map(|span| u64::try_from(span.as_millis()).unwrap_or(u64::MAX));
        let offer = Offer {
            operation,
            what: if self.whole { Handed::Whole } else { Handed::Role(self.role) },
            to: self.to.clone(),
            phase: self.phase.clone(),
            note: self.note.clone(),
            expires: span_ms.map(|span_ms| now().plus(span_ms)),
        };
        let shows = format!("op story {}", render::short(&operation));
        self.saying.say(context, Act::Handoff(HandoffAct::Offer(offer)), &shows).await
    }

    /// Refuses a role that the operation's type does not have.
    async fn check_role(&self, context: &Context, operation: &RecordId) -> Result<(), CliError> {
        if self.whole || !matches!(self.role, Role::Declared(_)) {
            return Ok(());
        }
        // What is not known here yet is judged when it is ordered.
        let view = context.client()?.get::<OperationView>(&format!("/v1/ops/{operation}")).await;
        let Ok(view) = view else { return Ok(()) };
        let charter = in_force(context, Some(view.charter_version)).await?;
        let Some(kind) = charter.kind(&view.kind).filter(|kind| kind.all_roles().all(|it| it != self.role))
        else {
            return Ok(());
        };
        let roles = kind.all_roles().filter(|role| *role != Role::Observing).map(|role| role.to_string());
        let shown = render::short(operation);
        Err(CliError::usage(
            format!("{} has no role {}", kind.name, self.role),
            format!("its roles that can be handed over are: {}", roles.collect::<Vec<_>>().join(", ")),
            context.hint(&format!("handoff offer {shown} --to {} --role ROLE", self.to)),
        ))
    }
}

impl AcceptArgs {
    /// What is acknowledged is what the digest on the command line says, so that nobody accepts what it has not seen.
    async fn run(&self, context: &Context) -> Result<(), CliError> {
        let view = show(context, &self.offer).await?;
        let shows = format!("handoff show {}", render::short(&view.id));
        let Some(digest) = view.acknowledge else {
            let end = view.end.map_or("over".to_owned(), |end| end.to_string());
            return Err(CliError::denied(
                format!("{} cannot be accepted", render::short(&view.id)),
                format!("the offer is {end}"),
                context.hint(&shows),
            ));
        };
        let partner = Officer::load(context).await?.partner()?.clone();
        if partner != view.to {
            return Err(CliError::denied(
                format!("{} was not accepted", render::short(&view.id)),
                format!("it was offered to {}, not to {partner}", view.to),
                context.hint(&shows),
            ));
        }
        let accept = context.hint(&format!(
            "handoff accept {} --acknowledge {}",
            render::short(&view.id),
            render::short(&digest)
        ));
        match &self.acknowledge {
            None => {
                eprint!("{}", render::handoff::page(&view, &context.hints));
                return Err(CliError::usage(
                    format!("{} was not accepted", render::short(&view.id)),
                    format!("whoever accepts acknowledges what is open: {} items", view.open_items.len()),
                    accept,
                ));
            }
            Some(seen) if seen.len() < 8 || !digest.to_string().starts_with(seen.as_str()) => {
                return Err(CliError::denied(
                    format!("{} was not accepted", render::short(&view.id)),
                    format!("what is open is not what {} stands for", render::plain(seen)),
                    format!("look again: {}; then: {accept}", context.hint(&shows)),
                ));
            }
            Some(_) => {}
        }
        let items = view.open_items.iter().map(|item| item.record).collect();
        let act = HandoffAct::Accept(Accept { offer: view.id, acknowledges: Acknowledged::of(items) });
        self.saying.say(context, Act::Handoff(act), &shows).await
    }
}

impl AnswerArgs {
    async fn read(&self, context: &Context, verb: &str) -> Result<(RecordId, Option<String>), CliError> {
        let command = context.hint(&format!("handoff {verb} {} --ground TEXT", self.offer));
        checked(Part::Ground, "ground", self.ground.as_ref(), &command)?;
        // A whole id may be of an offer that has not come this far: the answer waits for it.
        let offer = match self.offer.parse() {
            Ok(id) => id,
            Err(_) => show(context, &self.offer).await?.id,
        };
        Ok((offer, self.ground.clone()))
    }
}

async fn show(context: &Context, id: &str) -> Result<HandoffView, CliError> {
    context.client()?.get(&format!("/v1/handoffs/{}", segment(id)?)).await
}

async fn operation(context: &Context, text: &str, saying: &Saying) -> Result<RecordId, CliError> {
    match text.parse() {
        Ok(id) => Ok(id),
        Err(_) => Ok(find(context, text, saying.waiting.timeout).await?.id),
    }
}

fn checked(part: Part, named: &str, text: Option<&String>, command: &str) -> Result<(), CliError> {
    let Some(text) = text else { return Ok(()) };
    texts::check_not_empty(named, text, command)?;
    texts::check(part, named, text, command)
}
