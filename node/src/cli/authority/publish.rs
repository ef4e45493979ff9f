//! `entente authority publish`: a version of an alliance's document becomes known to the coalition.

use std::path::PathBuf;

use clap::Args;
use entente_protocol::record::{Act, AuthorityAct};

use super::file::{self, Offline};
use crate::cli::Context;
use crate::cli::op::Saying;
use crate::errors::CliError;

/// Make a version of an alliance's document known to the coalition.
#[derive(Args)]
pub(crate) struct Publish {
    /// The document with the signatures of who had the authority before and who has it from now on
    file: PathBuf,
    #[command(flatten)]
    saying: Saying,
}

impl Publish {
    pub(super) async fn run(&self, context: &Context) -> Result<(), CliError> {
        let Offline::Alliance(signed) = file::read(&self.file)? else {
            return Err(CliError::config(
                format!("{} cannot be published", self.file.display()),
                "it is no alliance's document",
                format!("entente authority show {}", self.file.display()),
            ));
        };
        self.saying
            .say(context, Act::Authority(AuthorityAct::Publish(Box::new(signed))), "authority list")
            .await
    }
}
