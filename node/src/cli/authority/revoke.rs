//! `entente authority revoke`: what was delegated is taken back.

use std::path::PathBuf;

use clap::Args;
use entente_protocol::credential::{Revocation, RevocationError, Target};
use serde_json::json;

use super::{Passphrase, file};
use crate::errors::CliError;
use crate::files;
use crate::keys::{self, KeyKind};
use crate::render;

/// Take back what was delegated.
#[derive(Args)]
pub(crate) struct Revoke {
    /// The chain in which the link stands
    chain: PathBuf,
    /// The key of who issued the link, or stands above who did
    #[arg(long, value_name = "KEYFILE")]
    key: PathBuf,
    /// Which link, counted from 1 at the root [default: the last]
    #[arg(long, value_name = "NUMBER")]
    link: Option<usize>,
    /// Take back whatever the link's subject was given by its signer or below, not this delegation alone
    #[arg(long)]
    whole_key: bool,
    /// Why, for everyone to read
    #[arg(long, value_name = "TEXT", default_value = "")]
    reason: String,
    /// Where to write the revocation
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
    #[command(flatten)]
    passphrase: Passphrase,
}

impl Revoke {
    pub(super) fn run(&self, as_json: bool) -> Result<(), CliError> {
        let chain = file::read_chain(&self.chain)?;
        let number = self.link.unwrap_or(chain.0.len());
        let show = format!("entente authority show {}", self.chain.display());
        let (Some(first), Some(link)) =
            (chain.0.first(), number.checked_sub(1).and_then(|at| chain.0.get(at)))
        else {
            return Err(CliError::usage(
                format!("there is no link {number}"),
                format!("the chain has links 1 to {}", chain.0.len()),
                show,
            ));
        };
        let (root, delegation) = (first.delegation.issuer, &link.delegation);
        let (_, key) =
            keys::unlock(&self.key, &[KeyKind::Root, KeyKind::Officer], &self.passphrase.source())?;
        let revocation = Revocation {
            coalition: delegation.coalition,
            partner: delegation.partner.clone(),
            issuer: key.public(),
            reason: self.reason.clone(),
            target: if self.whole_key {
                Target::Key(delegation.subject)
            } else {
                Target::Delegation(delegation.hash())
            },
        }
        .sign(&key);
        revocation.verify(&chain, &root, &delegation.coalition).map_err(|why| match why {
            RevocationError::NotAbove { .. } => CliError::denied(
                "this key cannot take that back",
                format!("only who issued link {number} or stands above it can; {} does not", key.public()),
                show.clone(),
            ),
            RevocationError::Reason => {
                CliError::usage("this reason cannot be given", why, "entente authority revoke --help")
            }
            why => CliError::config("nothing is revoked", why, show.clone()),
        })?;
        let words = render::authority::revocation(&revocation);
        let head = words.lines().map(|line| format!("# {line}\n")).collect::<String>();
        files::write_new(
            &self.output,
            format!("{head}\n{}", revocation.to_toml()).as_bytes(),
            files::PUBLIC,
        )?;
        if as_json {
            render::print_json(&json!({"file": self.output, "revocation": revocation}));
        } else {
            render::print(&format!("{words}written to {}\n", self.output.display()));
        }
        Ok(())
    }
}
