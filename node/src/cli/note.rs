//! `entente note`.

use clap::Args;
use entente_protocol::feed::Lane;

use super::Context;
use super::op::{Submission, Waiting};
use crate::api::dto::Wait;
use crate::errors::CliError;

/// Submit a note of this node: carried and ordered, without effect on any operation.
#[derive(Args)]
pub(super) struct Note {
    /// The note
    text: String,
    /// The lane: flash, immediate, priority or routine [default: routine]
    #[arg(long)]
    lane: Option<Lane>,
    #[command(flatten)]
    waiting: Waiting,
}

impl Note {
    pub(super) async fn run(&self, context: &Context) -> Result<(), CliError> {
        if context.officer.is_some() {
            return Err(CliError::usage(
                "a note is not an officer's",
                "this node says it, under its own key: --as has no part in it",
                "entente note TEXT; what an officer says outside an operation: entente member watch --note TEXT",
            ));
        }
        if self.waiting.wait == Wait::Agreed {
            return Err(CliError::usage(
                "a note is never agreed",
                "it has no effect on any operation",
                context.hint("note --wait ordered TEXT"),
            ));
        }
        if self.text.is_empty() {
            return Err(CliError::usage(
                "the note is empty",
                "there is nothing to carry",
                context.hint("note TEXT"),
            ));
        }
        let body = self.text.clone().into_bytes();
        let submission = Submission { path: "/v1/notes", body, lane: self.lane, id: None };
        submission.send(context, &self.waiting).await
    }
}
