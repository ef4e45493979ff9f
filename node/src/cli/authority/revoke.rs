//! `entente authority revoke`: what was delegated is taken back.

use std::path::{Path, PathBuf};

use clap::Args;
use entente_protocol::charter::PartnerName;
use entente_protocol::credential::{Revocation, RevocationError, SignedRevocation, Target};
use entente_protocol::identity::{CoalitionId, PublicKey};
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
    #[arg(required_unless_present = "of")]
    chain: Option<PathBuf>,
    /// Instead of a chain, with a root's key: whatever this key was given, as those of the founding charter were
    #[arg(long, value_name = "PUBLIC_KEY", conflicts_with = "chain", requires_all = ["partner", "coalition"])]
    of: Option<PublicKey>,
    /// With --of: the partner whose key it is
    #[arg(long, value_name = "NAME", requires = "of")]
    partner: Option<PartnerName>,
    /// With --of: the coalition in which it holds
    #[arg(long, value_name = "ID", requires = "of")]
    coalition: Option<CoalitionId>,
    /// The key of who issued the link, or stands above who did
    #[arg(long, value_name = "KEYFILE")]
    key: PathBuf,
    /// Which link, counted from 1 at the root [default: the last]
    #[arg(long, value_name = "NUMBER", conflicts_with = "of")]
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
        let revocation = match (&self.chain, self.of) {
            (Some(path), _) => self.of_chain(path)?,
            (None, subject) => self.of_key(subject)?,
        };
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

    /// What stands in a chain that is at hand, by whoever stands above it there.
    fn of_chain(&self, path: &Path) -> Result<SignedRevocation, CliError> {
        let chain = file::read_chain(path)?;
        let number = self.link.unwrap_or(chain.0.len());
        let show = format!("entente authority show {}", path.display());
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
        Ok(revocation)
    }

    /// A key whose chain is not at hand: its partner's root stands above whatever it was given.
    fn of_key(&self, subject: Option<PublicKey>) -> Result<SignedRevocation, CliError> {
        let (Some(subject), Some(partner), Some(coalition)) = (subject, &self.partner, self.coalition) else {
            return Err(CliError::usage(
                "nothing is named that could be revoked",
                "a chain, or a key with its partner and coalition",
                "entente authority revoke --help",
            ));
        };
        let (_, key) = keys::unlock(&self.key, &[KeyKind::Root], &self.passphrase.source())?;
        let (partner, issuer, reason) = (partner.clone(), key.public(), self.reason.clone());
        let revocation = Revocation { coalition, partner, issuer, reason, target: Target::Key(subject) };
        if !revocation.is_showable() {
            let why = RevocationError::Reason;
            return Err(CliError::usage(
                "this reason cannot be given",
                why,
                "entente authority revoke --help",
            ));
        }
        Ok(revocation.sign(&key))
    }
}
