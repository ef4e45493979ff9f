//! `entente authority init`: a key for a safe.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use entente_protocol::charter::AuthorityName;
use serde_json::json;

use super::Passphrase;
use crate::errors::CliError;
use crate::files;
use crate::keys::sealed::{MAX_WORK, MIN_WORK, WORK};
use crate::keys::{self, KeyKind};
use crate::render;

/// What the key is for.
#[derive(Clone, Copy, ValueEnum)]
enum Kind {
    /// A nation's, alliance party's or coalition's authority
    Root,
    /// Somebody whom a root lets delegate
    Officer,
}

/// Make a key that a passphrase opens, and the public line that others are given.
#[derive(Args)]
pub(crate) struct Init {
    /// Whose key: a lower-case letter, then letters, digits and hyphens
    name: AuthorityName,
    /// What the key is for
    #[arg(long, value_enum, default_value = "root")]
    kind: Kind,
    /// Where to write the encrypted key [default: NAME.KIND.key]
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Binary logarithm of scrypt's cost: 18 takes 256 MiB and about a second
    #[arg(long, value_name = "LOG2", default_value_t = WORK, value_parser = clap::value_parser!(u8).range(i64::from(MIN_WORK)..=i64::from(MAX_WORK)))]
    work: u8,
    #[command(flatten)]
    passphrase: Passphrase,
}

impl Init {
    pub(super) fn run(&self, as_json: bool) -> Result<(), CliError> {
        let kind = match self.kind {
            Kind::Root => KeyKind::Root,
            Kind::Officer => KeyKind::Officer,
        };
        let path = self.output.clone().unwrap_or_else(|| PathBuf::from(format!("{}.{kind}.key", self.name)));
        let public_path = path.with_extension("pub");
        for path in [&path, &public_path] {
            if path.exists() {
                return Err(CliError::config(
                    format!("{} exists already", path.display()),
                    "keys are never overwritten",
                    "choose another place: entente authority init NAME -o FILE",
                ));
            }
        }
        let passphrase = self.passphrase.source().choose(&format!("a passphrase for {}", path.display()))?;
        let key = keys::generate()?;
        keys::sealed::write(&path, kind, &key, &passphrase, self.work)?;
        let line = format!("{} = \"{}\"\n", self.name, key.public());
        files::write_new(&public_path, line.as_bytes(), files::PUBLIC)?;
        if as_json {
            render::print_json(&json!({
                "name": self.name, "kind": kind, "public": key.public(), "key": path, "card": public_path,
            }));
        } else {
            render::print(&format!(
                "{line}\
                 the {kind} key of {} is in {}, encrypted; without file or passphrase it is lost: keep copies of both apart\n\
                 the line above is in {} as well: give it to whoever must know this key, and compare it by voice\n",
                self.name,
                path.display(),
                public_path.display(),
            ));
        }
        Ok(())
    }
}
