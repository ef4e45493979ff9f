//! `entente authority rotate`: a partner's root gives way to another one.

use std::path::PathBuf;

use clap::Args;
use entente_protocol::charter::PartnerName;
use entente_protocol::credential::{RootRotation, SignedRotation};
use entente_protocol::identity::{CoalitionId, PublicKey};
use serde_json::json;

use super::show;
use crate::errors::CliError;
use crate::files;
use crate::render;

/// Draft the change of a partner's root, for both roots to sign.
#[derive(Args)]
pub(crate) struct Rotate {
    /// The coalition in which it holds
    #[arg(long, value_name = "ID")]
    coalition: CoalitionId,
    /// The partner whose root it is
    #[arg(long, value_name = "NAME")]
    partner: PartnerName,
    /// The root until now
    #[arg(long, value_name = "PUBLIC_KEY")]
    old: PublicKey,
    /// The root from now on; a key that was never used for anything
    #[arg(long, value_name = "PUBLIC_KEY")]
    new: PublicKey,
    /// Its number among the changes of this root
    #[arg(long, value_name = "NUMBER", default_value_t = 1)]
    number: u32,
    /// Where to write the draft
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
}

impl Rotate {
    pub(super) fn run(&self, as_json: bool) -> Result<(), CliError> {
        if self.old == self.new {
            return Err(CliError::usage(
                "the new root is the old one",
                format!("both are {}", self.old),
                "make another: entente authority init --kind root -o KEYFILE",
            ));
        }
        let (coalition, partner) = (self.coalition, self.partner.clone());
        let (number, old, new) = (self.number, self.old, self.new);
        let signed = SignedRotation::new(RootRotation { coalition, partner, number, old, new });
        files::write_new(&self.output, signed.to_toml().as_bytes(), files::PUBLIC)?;
        let (words, missing) = show::rotation(&signed);
        if as_json {
            let rotation = &signed.rotation;
            render::print_json(&json!({"file": self.output, "rotation": rotation, "missing": missing}));
        } else {
            let file = self.output.display();
            render::print(&format!(
                "{words}written to {file}\nnext, with each root: entente authority sign {file} --key KEYFILE\n"
            ));
        }
        Ok(())
    }
}
