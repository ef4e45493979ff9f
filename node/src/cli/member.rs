//! `entente member`: who is a member, who is on watch, and what the others decide about a partner.

mod submit;

use std::collections::BTreeSet;
use std::path::Path;

use clap::{Args, Subcommand};
use entente_protocol::charter::{Charter, Effect, KindName, Lint, PartnerName, lint_without};
use entente_protocol::coalition::{Membership, Part};
use entente_protocol::identity::PublicKey;
use entente_protocol::record::{Act, Change, MemberAct, Propose, Watch};
use entente_protocol::time::Time;

use super::charter::amend::in_force;
use super::op::{Officer, Saying, texts};
use super::{Context, now, parse};
use crate::api::dto::MemberView;
use crate::errors::CliError;
use crate::hints::quoted;
use crate::render;

/// The command that shows what stands.
const LIST: &str = "member list";

/// Show the members and who is on watch; suspend, reinstate or expel a partner; leave.
#[derive(Subcommand)]
pub(super) enum Command {
    /// List the members: since when, who is on watch, what others count on them for
    List,
    /// Show one member in full: its open obligations, its keys, who gave them, since when and until when
    Show {
        /// The partner
        partner: PartnerName,
    },
    /// Bring a change of keys to the log: a chain, a revocation, or a root's rotation, whosever they are
    Submit(submit::Submit),
    /// Propose that a partner's records have no effect until it is reinstated; the others attest to the proposal
    Suspend(ProposeArgs),
    /// Propose that a suspension ends
    Reinstate(ProposeArgs),
    /// Propose that a partner is a member no more, for good
    Expel(ProposeArgs),
    /// Leave the coalition, for good; needs nobody's consent
    Withdraw(WithdrawArgs),
    /// Give the watch of this partner to one of its officers
    Watch(WatchArgs),
}

#[derive(Args)]
pub(super) struct ProposeArgs {
    /// The partner that it concerns; it has no voice in it
    partner: PartnerName,
    /// Why
    #[arg(long, value_name = "TEXT")]
    reason: String,
    /// The operation type; needed only where the charter declares several with this effect
    #[arg(long = "type", value_name = "TYPE")]
    kind: Option<KindName>,
    #[command(flatten)]
    saying: Saying,
}

#[derive(Args)]
pub(super) struct WithdrawArgs {
    /// Why
    #[arg(long, value_name = "TEXT")]
    ground: String,
    /// Do it: without this, what others count on this partner for is shown and nothing is done
    #[arg(long)]
    yes: bool,
    #[command(flatten)]
    saying: Saying,
}

#[derive(Args)]
pub(super) struct WatchArgs {
    /// The officer's key; the one that signs, if none is given
    #[arg(value_name = "OFFICER")]
    taker: Option<PublicKey>,
    /// From when, such as 2026-11-24T18:00Z; now, if it is not given
    #[arg(long, value_name = "TIME", value_parser = parse::time)]
    from: Option<Time>,
    /// What the next one should know
    #[arg(long, value_name = "TEXT")]
    note: Option<String>,
    #[command(flatten)]
    saying: Saying,
}

impl Command {
    pub(super) async fn run(&self, context: &Context) -> Result<(), CliError> {
        match self {
            Self::List => {
                let members = members(context).await?;
                if context.json {
                    render::print_json(&members);
                } else {
                    render::print(&render::member::list(&members));
                    let lost = lost(&in_force(context, None).await?, &members, None);
                    if !lost.is_empty() {
                        render::print(&format!(
                            "\nas long as it stands so:\n{}",
                            render::charter::lints(&lost)
                        ));
                    }
                }
                Ok(())
            }
            Self::Show { partner } => {
                let member = member(context, partner).await?;
                if context.json {
                    render::print_json(&member);
                } else {
                    render::print(&render::member::page(&member));
                }
                Ok(())
            }
            Self::Submit(submit) => submit.run(context).await,
            Self::Suspend(args) => args.run(context, Effect::Suspend, Change::Suspend).await,
            Self::Reinstate(args) => args.run(context, Effect::Reinstate, Change::Reinstate).await,
            Self::Expel(args) => args.run(context, Effect::Expel, Change::Expel).await,
            Self::Withdraw(args) => args.run(context).await,
            Self::Watch(args) => args.run(context).await,
        }
    }
}

async fn members(context: &Context) -> Result<Vec<MemberView>, CliError> {
    context.client()?.get("/v1/members").await
}

/// The member of this name; one that has left is one still.
pub(super) async fn member(context: &Context, partner: &PartnerName) -> Result<MemberView, CliError> {
    let members = members(context).await?;
    let names = members.iter().map(|member| member.partner.to_string()).collect::<Vec<_>>().join(", ");
    members.into_iter().find(|member| member.partner == *partner).ok_or_else(|| {
        CliError::usage(
            format!("{partner} is no partner of this coalition"),
            format!("its partners are: {names}"),
            context.hint(LIST),
        )
        .with_code("unknown")
    })
}

/// What of the charter is lost while those who say nothing with effect stay away, and `also` one more.
fn lost(charter: &Charter, members: &[MemberView], also: Option<&PartnerName>) -> Vec<Lint> {
    let away = members.iter().filter(|member| member.membership != Membership::Active);
    let gone = away.map(|member| &member.partner).chain(also).cloned().collect::<BTreeSet<_>>();
    if gone.is_empty() { Vec::new() } else { lint_without(charter, &gone) }
}

/// What is lost with `without`, as a warning.
fn warn_of_lost(charter: &Charter, members: &[MemberView], without: &PartnerName) {
    let lost = lost(charter, members, Some(without));
    if !lost.is_empty() {
        eprint!("without {without}:\n{}", render::charter::lints(&lost));
    }
}

impl ProposeArgs {
    async fn run(
        &self,
        context: &Context,
        effect: Effect,
        change: impl Fn(PartnerName) -> Change,
    ) -> Result<(), CliError> {
        let command = context.hint(&format!("member {effect} {} --reason TEXT", self.partner));
        texts::check_not_empty("reason", &self.reason, &command)?;
        texts::check(Part::Reason, "reason", &self.reason, &command)?;
        let charter = in_force(context, None).await?;
        let kinds = charter.kinds_with(effect).map(|kind| &kind.name).collect::<Vec<_>>();
        let names = kinds.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        let kind = match (&self.kind, kinds.as_slice()) {
            (Some(kind), known) if known.contains(&kind) => kind.clone(),
            (None, [kind]) => (*kind).clone(),
            (_, []) => {
                return Err(CliError::denied(
                    format!("this coalition cannot {effect} a partner"),
                    format!("its charter declares no operation type with the effect {:?}", effect.name()),
                    context.charter_hint(),
                ));
            }
            (None, [first, ..]) => {
                return Err(CliError::usage(
                    format!("by which type is {} proposed?", self.partner),
                    format!("the charter declares several that {effect}: {names}"),
                    format!("{command} --type {first}"),
                ));
            }
            (Some(kind), _) => {
                return Err(CliError::usage(
                    format!("operations of type {kind} do not {effect} a partner"),
                    format!("those that do are: {names}"),
                    command,
                ));
            }
        };
        if effect != Effect::Reinstate && !context.json {
            warn_of_lost(&charter, &members(context).await?, &self.partner);
        }
        let propose = Propose { kind, change: change(self.partner.clone()), reason: self.reason.clone() };
        self.saying.say(context, Act::Member(MemberAct::Propose(propose)), LIST).await
    }
}

impl WithdrawArgs {
    async fn run(&self, context: &Context) -> Result<(), CliError> {
        let command = context.hint("member withdraw --ground TEXT --yes");
        texts::check_not_empty("ground", &self.ground, &command)?;
        texts::check(Part::Reason, "ground", &self.ground, &command)?;
        let own = Officer::load(context).await?.partner()?.clone();
        if !self.yes {
            let member = member(context, &own).await?;
            if !context.json {
                render::print(&render::member::page(&member));
                warn_of_lost(&in_force(context, None).await?, &members(context).await?, &own);
            }
            let ground = quoted(Path::new(&self.ground));
            let command = context.hint(&format!("member withdraw --ground {ground} --yes"));
            return Err(CliError::usage(
                format!("{own} has not left yet"),
                "leaving is for good, and its open obligations, above, stay open",
                command,
            ));
        }
        let act = MemberAct::Withdraw { ground: self.ground.clone() };
        self.saying.say(context, Act::Member(act), LIST).await
    }
}

impl WatchArgs {
    async fn run(&self, context: &Context) -> Result<(), CliError> {
        let command = context.hint("member watch --from TIME --note TEXT");
        if let Some(note) = &self.note {
            texts::check_not_empty("note", note, &command)?;
            texts::check(Part::Caveat, "note", note, &command)?;
        }
        let from = self.from.unwrap_or_else(now);
        let officer = match self.taker {
            Some(officer) => officer,
            None => Officer::load(context).await?.public(),
        };
        let watch = Watch { officer, from, note: self.note.clone() };
        self.saying.say(context, Act::Member(MemberAct::Watch(watch)), LIST).await
    }
}
