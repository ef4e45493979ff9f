//! `entente authority sign`: signatures of several roots, collected in any order into one file.

use std::path::{Path, PathBuf};

use clap::Args;
use entente_protocol::authority::{AllianceDocument, AllianceError, SignatureBy, SignedAlliance};
use entente_protocol::credential::{RotationError, SignedRotation};
use entente_protocol::identity::SecretKey;
use entente_protocol::record::SignedStatement;
use serde_json::json;

use super::file::{self, Offline};
use super::{Passphrase, show};
use crate::cli::charter;
use crate::errors::CliError;
use crate::files;
use crate::keys::{self, KeyKind};
use crate::render;

/// Sign an alliance's document, a root's rotation, a statement or a charter; says who is missing.
#[derive(Args)]
pub(crate) struct Sign {
    /// What is signed; signatures are added to this file, to a charter's beside it
    file: PathBuf,
    /// The root key
    #[arg(long, value_name = "KEYFILE", required_unless_present = "take")]
    key: Option<PathBuf>,
    /// Take the signatures over that stand in other copies of the file
    #[arg(long, value_name = "FILE", num_args = 1..)]
    take: Vec<PathBuf>,
    /// Of an alliance's document after the first: the version before, whose authority must sign, too
    #[arg(long, value_name = "FILE")]
    previous: Option<PathBuf>,
    /// Of a charter: this partner's card, which the charter must say the same as
    #[arg(long, value_name = "CARD")]
    card: Option<PathBuf>,
    /// Of a charter: where to write the signature [default: beside FILE, as NAME.PARTNER.sig.toml]
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    #[command(flatten)]
    passphrase: Passphrase,
}

impl Sign {
    pub(super) fn run(&self, as_json: bool) -> Result<(), CliError> {
        match file::read(&self.file)? {
            Offline::Alliance(signed) => self.alliance(signed, as_json),
            Offline::Rotation(signed) => self.rotation(signed, as_json),
            Offline::Statement(signed) => self.statement(signed, as_json),
            Offline::Charter => match self.key()? {
                Some(root) => charter::sign::sign(
                    &self.file,
                    &root,
                    |_| self.card.clone(),
                    self.output.as_deref(),
                    as_json,
                ),
                None => Err(CliError::usage(
                    "signatures on a charter are merged by another command",
                    "--take is for files that hold their signatures",
                    "entente charter merge CHARTER SIGNATURE.. -o FILE",
                )),
            },
            Offline::Chain(_) | Offline::Revocation(_) | Offline::CharterSignature => Err(CliError::config(
                format!("{} is not signed", self.file.display()),
                "one key makes and signs it; nobody signs it afterwards",
                format!("entente authority show {}", self.file.display()),
            )),
            Offline::Public(_) => Err(CliError::config(
                format!("{} is not signed", self.file.display()),
                "it is the public line of a key",
                format!("entente authority show {}", self.file.display()),
            )),
            Offline::Key { .. } => Err(CliError::config(
                format!("{} is not signed", self.file.display()),
                "it is a key",
                "entente authority sign FILE --key KEYFILE",
            )),
        }
    }

    fn key(&self) -> Result<Option<SecretKey>, CliError> {
        let unlock = |path: &PathBuf| {
            let unlocked = keys::unlock(path, &[KeyKind::Root], &self.passphrase.source());
            unlocked.map_err(|error| match path.exists() {
                true => error,
                false => CliError {
                    next: "entente authority init NAME, which makes NAME.root.key".into(),
                    ..error
                },
            })
        };
        self.key.as_ref().map(unlock).transpose().map(|found| found.map(|(_, key)| key))
    }

    /// The signatures in the other copies; `of` tells those of a copy, or none if it is of something else.
    fn taken(&self, of: impl Fn(Offline) -> Option<Vec<SignatureBy>>) -> Result<Vec<SignatureBy>, CliError> {
        let mut taken = Vec::new();
        for path in &self.take {
            taken.extend(of(file::read(path)?).ok_or_else(|| {
                CliError::config(
                    format!("{} is no copy of {}", path.display(), self.file.display()),
                    "what was signed there is not the same",
                    format!("entente authority show {}", path.display()),
                )
            })?);
        }
        Ok(taken)
    }

    fn alliance(&self, mut signed: SignedAlliance, as_json: bool) -> Result<(), CliError> {
        let previous = show::previous(&self.file, &signed.alliance, self.previous.as_deref())?;
        let taken = self.taken(|copy| match copy {
            Offline::Alliance(copy) if copy.alliance == signed.alliance => Some(copy.signatures.0),
            _ => None,
        })?;
        taken.into_iter().for_each(|by| signed.signatures.put(by));
        self.check_alliance(&signed, previous.as_ref())?;
        if let Some(key) = self.key()? {
            signed.sign(&key);
            self.check_alliance(&signed, previous.as_ref())?;
        }
        let (words, missing) = show::alliance(&signed, previous.as_ref());
        let value = json!({
            "file": self.file, "hash": signed.alliance.hash(), "signatures": signed.signatures, "missing": missing,
        });
        self.write(&signed.to_toml(), &words, &value, as_json)
    }

    /// Whether every signature in it holds and may stand there.
    fn check_alliance(
        &self,
        signed: &SignedAlliance,
        previous: Option<&AllianceDocument>,
    ) -> Result<(), CliError> {
        signed.signers(previous).map(drop).map_err(|why| match why {
            AllianceError::Stranger { .. } => CliError::denied(
                format!("{} is not signed", self.file.display()),
                why,
                "sign with the root of a party that its expression names",
            ),
            why => not_sound(&self.file, &why),
        })
    }

    fn rotation(&self, mut signed: SignedRotation, as_json: bool) -> Result<(), CliError> {
        let taken = self.taken(|copy| match copy {
            Offline::Rotation(copy) if copy.rotation == signed.rotation => Some(copy.signatures.0),
            _ => None,
        })?;
        taken.into_iter().for_each(|by| signed.signatures.put(by));
        let refuse = |why: RotationError| not_sound(&self.file, &why);
        signed.signers().map_err(refuse)?;
        if let Some(key) = self.key()? {
            signed.sign(&key);
            signed.signers().map_err(refuse)?;
        }
        let (words, missing) = show::rotation(&signed);
        let value = json!({"file": self.file, "signatures": signed.signatures, "missing": missing});
        self.write(&signed.to_toml(), &words, &value, as_json)
    }

    fn statement(&self, mut signed: SignedStatement, as_json: bool) -> Result<(), CliError> {
        let taken = self.taken(|copy| match copy {
            Offline::Statement(copy)
                if (copy.coalition, &copy.statement) == (signed.coalition, &signed.statement) =>
            {
                Some(copy.signatures.0)
            }
            _ => None,
        })?;
        taken.into_iter().for_each(|by| signed.signatures.put(by));
        signed.signers().map_err(|why| not_sound(&self.file, &why))?;
        let word = signed.statement.word;
        if signed.statement.ground.trim().is_empty() && word.needs_ground() {
            return Err(CliError::config(
                format!("{} is not signed", self.file.display()),
                format!("to {word} needs a ground, and it states none: no seat would take it"),
                format!("draft it again: entente authority statement --word {word} --ground TEXT -o FILE"),
            ));
        }
        if let Some(key) = self.key()? {
            signed.sign(&key);
        }
        let value = json!({"file": self.file, "signatures": signed.signatures});
        self.write(&signed.to_toml(), &render::authority::statement(&signed), &value, as_json)
    }

    fn write(
        &self,
        text: &str,
        words: &str,
        value: &serde_json::Value,
        as_json: bool,
    ) -> Result<(), CliError> {
        files::replace(&self.file, text.as_bytes(), files::PUBLIC)?;
        if as_json {
            render::print_json(value);
        } else {
            render::print(&format!("{words}written to {}\n", self.file.display()));
        }
        Ok(())
    }
}

fn not_sound(path: &Path, why: &dyn std::fmt::Display) -> CliError {
    CliError::config(
        format!("{} is not signed", path.display()),
        format!("what stands in it already is not sound: {why}"),
        "take the signatures out that do not hold, or start again from the unsigned text",
    )
}
