//! `entente op withdraw`: an own attestation was a mistake.

use clap::Args;
use entente_protocol::record::{Act, Withdrawal};

use super::attest::standing;
use super::{Officer, Saying, find};
use crate::cli::Context;
use crate::errors::CliError;
use crate::render;

/// Take back what this partner said on an operation, while its window is open.
#[derive(Args)]
pub(crate) struct Withdraw {
    /// The operation, or the beginning of its id
    id: String,
    #[command(flatten)]
    saying: Saying,
}

impl Withdraw {
    pub(super) async fn run(&self, context: &Context) -> Result<(), CliError> {
        let officer = Officer::load(context).await?;
        let partner = officer.partner()?.clone();
        let view = find(context, &self.id, self.saying.waiting.timeout).await?;
        let shows = format!("op show {}", render::short(&view.id));
        let Some(attestation) = standing(&view.attestations, &partner) else {
            return Err(CliError::denied(
                format!("there is nothing to take back on {}", render::short(&view.id)),
                format!("no attestation of {partner} stands there"),
                context.hint(&shows),
            ));
        };
        self.saying.say(context, Act::Withdraw(Withdrawal { operation: view.id, attestation }), &shows).await
    }
}
