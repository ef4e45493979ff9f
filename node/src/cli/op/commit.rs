//! `entente op commit`, and openings that are committed at once: what a partner does alone while it cannot reach the others.

use clap::Args;
use entente_protocol::charter::Charter;
use entente_protocol::coalition::Committed;
use entente_protocol::identity::RecordId;
use entente_protocol::record::{
    Act, Commit as CommitAct, LeaseAct, LeasedOpen, Nonce, Open as OpenAct, Record,
};

use super::{Officer, Saying, find};
use crate::api::dto::{OperationView, StatusView};
use crate::cli::Context;
use crate::errors::{CliError, Exit};
use crate::render;

/// Commit an open operation alone, under this partner's leases, before it is agreed.
#[derive(Args)]
pub(crate) struct Commit {
    /// The operation, or the beginning of its id
    id: String,
    #[command(flatten)]
    saying: Saying,
}

impl Commit {
    pub(super) async fn run(&self, context: &Context) -> Result<(), CliError> {
        let officer = Officer::load(context).await?;
        let partner = officer.partner()?.clone();
        let view = find(context, &self.id, self.saying.waiting.timeout).await?;
        let id = render::short(&view.id);
        let shows = format!("op show {id}");
        if let Some(decision) = &view.decision {
            return Err(CliError::denied(
                format!("{id} is decided: {}", render::plain(&decision.outcome)),
                "what is decided is not provisional any more",
                context.hint(&shows),
            ));
        }
        if let Some(known) = view.commitments.iter().find(|known| known.partner == partner) {
            return Err(CliError::denied(
                format!("{partner} has committed {id} already"),
                format!("{} says so", render::short(&known.id)),
                context.hint(&shows),
            ));
        }
        let act = LeaseAct::Commit(CommitAct { operation: view.id, seen: seen(context).await? });
        self.saying.say(context, Act::Lease(act), &shows).await
    }
}

/// Size of the log as this node knows it.
async fn seen(context: &Context) -> Result<u64, CliError> {
    let status: StatusView = context.client()?.get("/v1/status").await?;
    Ok(status.log.size)
}

/// What opened `view`, as its author said it.
pub(super) fn opening(view: &OperationView) -> Act {
    let open = OpenAct {
        kind: view.kind.clone(),
        title: view.title.clone(),
        body: view.body.clone(),
        precedence: view.raised,
    };
    match view.commitments.iter().find(|commitment| commitment.id == view.id) {
        Some(commitment) => Act::Lease(LeaseAct::Open(LeasedOpen { open, seen: commitment.seen })),
        None => Act::Open(open),
    }
}

/// An opening that is committed at once. What is leased to another is refused here unless it is meant.
pub(super) async fn alone(
    context: &Context,
    officer: &Officer,
    charter: &Charter,
    open: OpenAct,
    overstep: bool,
    key: Option<&str>,
) -> Result<Act, CliError> {
    let partner = officer.partner()?;
    // A body that is not as the type says is refused by the node, with the reason.
    let claims = charter.kind(&open.kind).and_then(|kind| kind.claims(&open.body).ok()).unwrap_or_default();
    for claim in &claims {
        match charter.lease_of(claim) {
            Some(lease) if lease.partner != *partner && !overstep => {
                return Err(CliError::denied(
                    format!("{} is leased to {}", render::plain(&claim.to_string()), lease.partner),
                    format!(
                        "by the lease {}; what is committed against it is in conflict once it is ordered, holds nothing, and a \
                         panel rules on it",
                        lease.name
                    ),
                    "another time or place, or the same command with --overstep",
                ));
            }
            Some(_) => {}
            None => eprintln!(
                "{} is leased to nobody: whoever is ordered first has it",
                render::plain(&claim.to_string())
            ),
        }
    }
    // The same submission is the same record, also if more of the log is known by now.
    let seen = match said_before(context, officer, &open, key).await? {
        Some(seen) => seen,
        None => self::seen(context).await?,
    };
    Ok(Act::Lease(LeaseAct::Open(LeasedOpen { open, seen })))
}

/// How much of the log was known when the same was submitted under the same key.
async fn said_before(
    context: &Context,
    officer: &Officer,
    open: &OpenAct,
    key: Option<&str>,
) -> Result<Option<u64>, CliError> {
    let Some(key) = key else { return Ok(None) };
    let operations: Vec<OperationView> = context.client()?.get("/v1/ops").await?;
    let (coalition, signer) = (officer.charter.id(), officer.public());
    let same = |view: &OperationView| {
        let seen = view.commitments.iter().find(|commitment| commitment.id == view.id)?.seen;
        let act = Act::Lease(LeaseAct::Open(LeasedOpen { open: open.clone(), seen }));
        let record = Record { coalition, nonce: Nonce::from_key(&signer, key), signer, act };
        (record.id() == view.id).then_some(seen)
    };
    Ok(operations.iter().find_map(same))
}

/// What was ordered and is in conflict must not be taken for success.
pub(super) async fn refuse_conflict(context: &Context, id: &RecordId) -> Result<(), CliError> {
    let view: OperationView = context.client()?.get(&format!("/v1/ops/{id}")).await?;
    let own = view.commitments.iter().find(|commitment| commitment.id == *id);
    let Some(own) = own.filter(|own| own.end == Some(Committed::Conflicted)) else { return Ok(()) };
    let short = render::short(id);
    let next = own.dispute.map(|dispute| format!("dispute show {}", render::short(&dispute)));
    Err(CliError::new(
        Exit::Failure,
        format!("{short} is in conflict"),
        render::plain(&own.explanation),
        context.hint(&next.unwrap_or_else(|| format!("op show {short}"))),
    )
    .with_code("conflicted"))
}
