//! `entente integrity`: misuse of the coalition, reported, confirmed and followed.

use std::path::Path;

use clap::{Args, Subcommand};
use entente_protocol::charter::PartnerName;
use entente_protocol::coalition::{IntegrityView, MIN_PREFIX_CHARS, Part};
use entente_protocol::credential::{Chain, MAX_CHAIN_TOML_BYTES};
use entente_protocol::identity::{EvidenceId, Hash, PublicKey, RecordId};
use entente_protocol::record::{
    Act, Confirm, EventKind, IntegrityAct, MAX_COMMITMENTS, Matter, Measure, Report as ReportAct, Shown,
    Vote, Withdraw,
};
use entente_protocol::time::Time;

use super::charter::amend::in_force;
use super::op::evidence::commitment;
use super::op::{Officer, Saying, texts};
use super::{Context, now, parse};
use crate::api::dto::{EvidenceView, StatusView};
use crate::client::segment;
use crate::errors::CliError;
use crate::{files, render};

/// The command that shows what stands.
const LIST: &str = "integrity list";

/// Report misuse of the coalition, confirm what others report, and see what follows.
#[derive(Subcommand)]
pub(super) enum Command {
    /// Report an event; alone it changes nothing
    Report(Report),
    /// Confirm what another partner reported
    Confirm(OnEvent),
    /// Withdraw what this partner or its node reported, while it is not confirmed
    Withdraw(OnEvent),
    /// Vote on what follows from a confirmed event
    Vote(CastVote),
    /// List events
    List,
    /// Show an event: who says so, how far it is, what follows
    Show {
        /// Its id, or the beginning of it
        id: String,
    },
}

#[derive(Args)]
pub(super) struct Report {
    /// What: impersonation, forced-disclosure, equivocation, flood, withholding, replay, declared-failure
    #[arg(long)]
    kind: EventKind,
    /// The partner that did it
    #[arg(long, value_name = "PARTNER")]
    against: Option<PartnerName>,
    /// The key that it was done with
    #[arg(long, value_name = "KEY")]
    with_key: Option<PublicKey>,
    /// To whom: whose name is used, who is made to disclose
    #[arg(long, value_name = "PARTNER")]
    to: Option<PartnerName>,
    /// What happened, on one line
    #[arg(long)]
    text: String,
    /// What was shown: a file with a credential, which the report carries; or any other file, which stays where it is and is
    /// committed to by its SHA-256, or sha256:HEX, or a hash in base32; several times. Whoever can guess a file finds it by its
    /// hash: put random bytes into one that is short or of a known form
    #[arg(long, value_name = "FILE")]
    evidence: Vec<String>,
    /// The evidence that proves it, or the beginning of its id: see `entente evidence list`
    #[arg(long, value_name = "ID")]
    proof: Option<String>,
    /// Since when: 2026-11-24T13:05:09Z
    #[arg(long, value_name = "TIME", value_parser = parse::time)]
    since: Option<Time>,
    #[command(flatten)]
    saying: Saying,
}

#[derive(Args)]
pub(super) struct OnEvent {
    /// The event, or the beginning of its id
    id: String,
    /// Why, or from where one knows
    #[arg(long, value_name = "TEXT")]
    ground: Option<String>,
    #[command(flatten)]
    saying: Saying,
}

#[derive(Args)]
pub(super) struct CastVote {
    #[command(flatten)]
    on: OnEvent,
    /// To suspend its subject
    #[arg(long, required_unless_present = "lift", conflicts_with = "lift")]
    suspend: bool,
    /// To end quarantine and suspension
    #[arg(long)]
    lift: bool,
}

impl Command {
    pub(super) async fn run(&self, context: &Context) -> Result<(), CliError> {
        match self {
            Self::Report(report) => report.run(context).await,
            Self::Confirm(on) => {
                let act = |event, ground| IntegrityAct::Confirm(Confirm { event, ground });
                on.say(context, "confirm", act).await
            }
            Self::Withdraw(on) => {
                let act = |event, ground| IntegrityAct::Withdraw(Withdraw { event, ground });
                on.say(context, "withdraw", act).await
            }
            Self::Vote(vote) => {
                let measure = if vote.suspend { Measure::Suspend } else { Measure::Lift };
                let act = |event, ground| IntegrityAct::Vote(Vote { event, measure, ground });
                vote.on.say(context, &format!("vote --{measure}"), act).await
            }
            Self::List => {
                let list: Vec<IntegrityView> = context.client()?.get("/v1/integrity").await?;
                if context.json {
                    render::print_json(&list);
                } else {
                    render::print(&render::integrity::list(&list, now(), &context.hints));
                }
                Ok(())
            }
            Self::Show { id } => {
                let event = find(context, id).await?;
                if context.json {
                    render::print_json(&event);
                } else {
                    let own = context.client()?.get::<StatusView>("/v1/status").await?.partner;
                    render::print(&render::integrity::page(&event, &own, now(), &context.hints));
                }
                Ok(())
            }
        }
    }
}

async fn find(context: &Context, id: &str) -> Result<IntegrityView, CliError> {
    context.client()?.get(&format!("/v1/integrity/{}", segment(id)?)).await
}

impl Report {
    async fn run(&self, context: &Context) -> Result<(), CliError> {
        let command = context.hint(&format!("integrity report --kind {} --text TEXT", self.kind));
        texts::check_not_empty("text", &self.text, &command)?;
        texts::check(Part::Report, "text", &self.text, &command)?;
        let (commitments, shown) = self.shown()?;
        if Part::Commitments.check_length(commitments.len()).is_err() {
            return Err(CliError::usage(
                "there are too many commitments",
                format!("there are {}, and at most {MAX_COMMITMENTS} are allowed", commitments.len()),
                "commit to a list of them with one hash",
            ));
        }
        let officer = Officer::load(context).await?;
        // Without a node nothing can be reported, but what is wrong anyway is told all the same.
        let charter = in_force(context, None).await.unwrap_or_else(|_| officer.charter.clone());
        for named in self.against.iter().chain(&self.to) {
            if charter.partner(named.as_str()).is_none() {
                return Err(CliError::usage(
                    format!("{named} is no partner of this coalition"),
                    "an event is against a partner, a key, or nobody that is known",
                    context.charter_hint(),
                ));
            }
        }
        let proof = match &self.proof {
            Some(text) => Some(evidence(context, text).await?),
            None => None,
        };
        let (against, victim) = (self.against.clone(), self.to.clone());
        let matter = Matter { kind: self.kind, against, key: self.with_key, victim };
        let (text, since) = (self.text.clone(), self.since);
        let act =
            IntegrityAct::Report(ReportAct { matter, text, evidence: commitments, proof, since, shown });
        self.saying.say(context, Act::Integrity(act), LIST).await
    }

    /// The commitments to what is named as evidence, and the credential among it.
    fn shown(&self) -> Result<(Vec<Hash>, Option<Box<Shown>>), CliError> {
        let (mut commitments, mut shown) = (Vec::new(), None);
        for argument in &self.evidence {
            let Some(chain) = credential(Path::new(argument)) else {
                // A file has the word before a hash that looks like its name.
                let hash = argument.parse().ok().filter(|_| !Path::new(argument).exists());
                commitments.push(hash.map_or_else(|| commitment(argument), Ok)?);
                continue;
            };
            let carried = Shown::Credential(chain);
            let next = "report each by itself, or commit to it by sha256:HEX";
            if shown.is_some() {
                let why = format!("a report carries one, and {} is another", render::plain(argument));
                return Err(CliError::usage("there are several credentials", why, next));
            }
            if let Err(refusal) = Part::Shown.check_length(carried.encoded_len()) {
                let what = format!("{} is too large a credential", render::plain(argument));
                return Err(CliError::usage(what, refusal, next));
            }
            shown = Some(Box::new(carried));
        }
        Ok((commitments, shown))
    }
}

/// The credential that a file holds, in text as `authority delegate` writes it, or in bytes as it is shown in a handshake.
fn credential(path: &Path) -> Option<Chain> {
    let bytes = files::read(path, MAX_CHAIN_TOML_BYTES).ok()?;
    let text = std::str::from_utf8(&bytes).ok();
    text.and_then(|text| Chain::from_toml(text).ok())
        .or_else(|| Chain::decode(&bytes).ok().filter(|chain| !chain.0.is_empty()))
}

/// The evidence that `text` names: a whole id, or the beginning of one that is listed.
async fn evidence(context: &Context, text: &str) -> Result<EvidenceId, CliError> {
    if let Ok(id) = text.parse() {
        return Ok(id);
    }
    let list: Vec<EvidenceView> = context.client()?.get("/v1/evidence").await?;
    let prefix = text.strip_prefix(EvidenceId::PREFIX).unwrap_or(text);
    let mut named = list.iter().filter(|view| view.id.0.to_string().starts_with(prefix));
    match (named.next(), named.next()) {
        (Some(one), None) if prefix.len() >= MIN_PREFIX_CHARS => Ok(one.id),
        _ => Err(CliError::usage(
            format!("{} names no one piece of evidence", render::plain(text)),
            format!("give at least {MIN_PREFIX_CHARS} characters of the id of one"),
            context.hint("evidence list"),
        )),
    }
}

impl OnEvent {
    async fn say(
        &self,
        context: &Context,
        verb: &str,
        act: impl FnOnce(RecordId, Option<String>) -> IntegrityAct,
    ) -> Result<(), CliError> {
        if let Some(ground) = &self.ground {
            let command = context.hint(&format!("integrity {verb} {} --ground TEXT", self.id));
            texts::check_not_empty("ground", ground, &command)?;
            texts::check(Part::Ground, "ground", ground, &command)?;
        }
        let event = match find(context, &self.id).await {
            Ok(view) => view.id,
            // One that has not come this far: its whole id says enough, and the word waits for it.
            Err(error) => match self.id.parse::<RecordId>() {
                Ok(id) if error.code == "unknown" => id,
                _ => return Err(error),
            },
        };
        let shows = format!("integrity show {}", render::short(&event));
        self.saying.say(context, Act::Integrity(act(event, self.ground.clone())), &shows).await
    }
}
