//! Submitting and waiting: the same for operations, attestations and notes.

use std::time::Duration;

use clap::Args;
use entente_protocol::coalition::Verdict;
use entente_protocol::feed::Lane;
use entente_protocol::identity::RecordId;
use entente_protocol::record::{Act, Body};

use super::Officer;
use crate::api::dto::{RecordState, Short, SubmitView, Wait};
use crate::cli::{Context, parse};
use crate::client::WENT_AWAY;
use crate::errors::{CliError, Exit};
use crate::render;

/// How long is waited where nothing is said: the same as the default below.
pub(super) const DEFAULT_TIMEOUT: Duration = Duration::from_secs(30);

/// How long to wait, and for what.
#[derive(Clone, Args)]
pub(crate) struct Waiting {
    /// Wait until it is held (durable here), ordered, or until the operation is agreed
    #[arg(long, value_parser = parse::wait, value_name = "STATE", default_value = "ordered")]
    pub(crate) wait: Wait,
    /// Wait at most so long: 500ms, 30s, 5m, 1h
    #[arg(long, value_parser = parse::duration, default_value = "30s", allow_hyphen_values = true)]
    pub(crate) timeout: Duration,
}

/// How an officer says something.
#[derive(Args)]
pub(crate) struct Saying {
    /// A name for this submission: submitting the same again with it is harmless
    #[arg(long)]
    key: Option<String>,
    #[command(flatten)]
    pub(crate) waiting: Waiting,
}

impl Saying {
    /// Signs, submits and waits; `shows` is the command that shows what stands, where the node refuses it.
    pub(crate) async fn say(&self, context: &Context, act: Act, shows: &str) -> Result<(), CliError> {
        let officer = Officer::load(context).await?;
        officer.partner()?;
        let record = officer.sign(act, self.key.as_deref())?;
        let id = Some(record.record.id());
        let body = Body::Signed(record).encode();
        let sent =
            Submission { path: "/v1/records", lane: None, id, body }.send(context, &self.waiting).await;
        sent.map_err(|error| match error.code.as_str() {
            // What stands decides, not what the charter allows.
            "denied" => CliError { next: context.hint(shows), ..error },
            _ => error,
        })
    }
}

/// Something to submit.
pub(crate) struct Submission {
    /// Where to.
    pub(crate) path: &'static str,
    /// The encoded body.
    pub(crate) body: Vec<u8>,
    /// The lane, where it is not the operation type's precedence.
    pub(crate) lane: Option<Lane>,
    /// The id, where it is known beforehand.
    pub(crate) id: Option<RecordId>,
}

impl Submission {
    /// Submits, waits, and says what became of it; the id always.
    pub(crate) async fn send(self, context: &Context, waiting: &Waiting) -> Result<(), CliError> {
        let lane = self.lane.map_or(String::new(), |lane| format!("&lane={lane}"));
        let (wait, timeout_ms) = (waiting.wait, waiting.timeout.as_millis());
        let path = format!("{}?wait={wait}&timeout_ms={timeout_ms}{lane}", self.path);
        let answer = context.client()?.post::<SubmitView>(&path, self.body, waiting.timeout).await;
        let view = match answer {
            Ok(view) => view,
            Err(error) => {
                // Whoever asks again needs the id; what was certainly not taken has none.
                if let Some(id) = self.id.filter(|_| may_be_taken(&error)) {
                    if context.json {
                        render::print_json(&serde_json::json!({"id": id, "state": null}));
                    } else {
                        render::print(&format!("{id}\n"));
                    }
                }
                return Err(advised(error));
            }
        };
        if context.json {
            render::print_json(&view);
        } else {
            render::print(&text(&view));
        }
        match view.code {
            None => not_agreed(&view, waiting, context),
            Some(short) => Err(fell_short(&view, short, waiting, context)),
        }
    }
}

/// Whether the node may have taken what was submitted, although it did not say so.
fn may_be_taken(error: &CliError) -> bool {
    matches!(error.code.as_str(), WENT_AWAY | "timeout" | "stopping" | "internal" | "corrupt" | "failure")
}

/// The node's refusal with what to do about it.
fn advised(error: CliError) -> CliError {
    let next = match error.code.as_str() {
        "malformed" | "too_large" => "the same command with less or other text".into(),
        _ => return error,
    };
    CliError { next, ..error }
}

/// A decision that is not the one waited for: a script must not take it for success.
fn not_agreed(view: &SubmitView, waiting: &Waiting, context: &Context) -> Result<(), CliError> {
    match &view.decision {
        Some(decision) if waiting.wait == Wait::Agreed && decision.outcome != Verdict::Agreed.name() => {
            Err(CliError::new(
                Exit::Failure,
                format!(
                    "{} is decided: {}",
                    render::short(&decision.operation),
                    render::plain(&decision.outcome)
                ),
                render::plain(&decision.explanation),
                context.hint(&format!("op show {}", render::short(&decision.operation))),
            )
            .with_code("not_agreed"))
        }
        _ => Ok(()),
    }
}

fn text(view: &SubmitView) -> String {
    let mut text = format!("{}\n", view.id);
    // That its operation is decided is said by the decision's own line.
    let state = view.state.min(RecordState::Ordered);
    match (view.index, &view.outcome) {
        (Some(index), Some(outcome)) => {
            text.push_str(&format!("{state} at leaf {index}: {}\n", render::plain(outcome)));
        }
        (Some(index), None) => text.push_str(&format!("{state} at leaf {index}\n")),
        (None, _) => text.push_str(&format!("{state}\n")),
    }
    if let Some(decision) = &view.decision {
        text.push_str(&format!(
            "{} at {}: {}\n",
            render::plain(&decision.outcome),
            render::leaf(decision.index),
            render::plain(&decision.explanation)
        ));
    }
    text
}

fn fell_short(view: &SubmitView, short: Short, waiting: &Waiting, context: &Context) -> CliError {
    let missing = match view.missing.as_slice() {
        [] => String::new(),
        missing => format!("; missing: {}", render::plain(&missing.join(", "))),
    };
    let id = render::short(&view.id);
    match short {
        Short::Stalled => CliError::new(
            Exit::Stalled,
            format!("{id} is {}, and fewer than a quorum of seats can be reached", view.state),
            format!("it is durable here and not lost: it is ordered once enough seats are back{missing}"),
            context.hint("status"),
        ),
        Short::Timeout => CliError::new(
            Exit::Timeout,
            format!("{id} is {}, not {} yet", view.state, waiting.wait),
            format!("{} s are over; it is durable here and not lost{missing}", waiting.timeout.as_secs_f64()),
            match view.next.as_deref() {
                Some(next) => context.hints.copyable(next),
                None => context.hint(&format!("op show {id}")),
            },
        ),
        Short::Void => CliError::denied(
            format!("{id} is ordered and has no effect"),
            view.outcome.as_deref().map_or_else(|| "the charter does not allow it".into(), render::plain),
            view.next.as_deref().map_or_else(|| context.charter_hint(), |next| context.hints.copyable(next)),
        ),
        Short::Stopping => CliError::new(
            Exit::NodeDown,
            format!("{id} is {}, and the node stops", view.state),
            format!("it is durable here and not lost{missing}"),
            context.hint("up"),
        ),
    }
}
