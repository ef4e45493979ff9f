//! `entente authority show`: any offline file in words, and whether it holds.

use std::path::{Path, PathBuf};

use clap::Args;
use entente_protocol::authority::{AllianceDocument, AllianceError, SignedAlliance};
use entente_protocol::credential::{RootNow, RotationError, SignedRotation};
use serde_json::json;

use super::file::{self, Offline};
use crate::cli::{charter, now};
use crate::errors::CliError;
use crate::render;

/// Show any such file in words.
#[derive(Args)]
pub(crate) struct Show {
    /// A chain, an alliance's document, a revocation, a rotation, a charter, a key or its public line
    file: PathBuf,
    /// Of an alliance's document after the first: the version before
    #[arg(long, value_name = "FILE")]
    previous: Option<PathBuf>,
}

/// The version before an alliance's document, which one after the first needs.
pub(super) fn previous(
    file: &Path,
    document: &AllianceDocument,
    named: Option<&Path>,
) -> Result<Option<AllianceDocument>, CliError> {
    let Some(path) = named else {
        if document.version == 1 {
            return Ok(None);
        }
        return Err(CliError::usage(
            format!("{} is version {}", file.display(), document.version),
            "who had the authority before must sign it, too, and only the version before says who that is",
            "the same command with --previous FILE",
        ));
    };
    let previous = file::read_alliance(path)?;
    document.follows(&previous).map_err(|why| {
        CliError::config(
            format!("{} does not follow from {}", file.display(), path.display()),
            why,
            format!(
                "previous = \"{}\" and version = {}",
                previous.hash(),
                previous.version.saturating_add(1)
            ),
        )
    })?;
    Ok(Some(previous))
}

/// A document in words, and what it still lacks.
pub(super) fn alliance(
    signed: &SignedAlliance,
    previous: Option<&AllianceDocument>,
) -> (String, Option<String>) {
    let missing = signed.verify(previous).err().map(|why| why.to_string());
    (render::authority::alliance(signed, missing.as_deref()), missing)
}

/// A rotation in words, and what it still lacks, as long as no other national authority than the old root is known.
pub(super) fn rotation(signed: &SignedRotation) -> (String, Option<String>) {
    let rotation = &signed.rotation;
    let now = RootNow { root: rotation.old, rotations: rotation.number.saturating_sub(1), national: None };
    let missing = match signed.verify(&rotation.coalition, &now) {
        Ok(()) => None,
        // Whoever has a voice in the nation's authority may sign; the charter says who that is.
        Err(RotationError::Stranger { key }) => Some(format!(
            "{key} is neither root: it counts if the charter gives it a voice for {}",
            rotation.partner
        )),
        Err(why) => Some(why.to_string()),
    };
    (render::authority::rotation(signed, missing.as_deref()), missing)
}

impl Show {
    pub(super) fn run(&self, as_json: bool) -> Result<(), CliError> {
        let (words, value) = match file::read(&self.file)? {
            Offline::Charter => return charter::show(&self.file, as_json),
            Offline::Alliance(signed) => {
                let previous = previous(&self.file, &signed.alliance, self.previous.as_deref())?;
                signed.signers(previous.as_ref()).map_err(|why: AllianceError| self.broken(&why))?;
                let (words, missing) = alliance(&signed, previous.as_ref());
                let value = json!({
                    "kind": "alliance", "hash": signed.alliance.hash(), "alliance": signed.alliance,
                    "signatures": signed.signatures, "missing": missing,
                });
                (words, value)
            }
            Offline::Rotation(signed) => {
                signed.signers().map_err(|why| self.broken(&why))?;
                let (words, missing) = rotation(&signed);
                let value = json!({
                    "kind": "rotation", "rotation": signed.rotation, "signatures": signed.signatures,
                    "missing": missing,
                });
                (words, value)
            }
            Offline::Chain(_) => {
                let chain = file::read_chain(&self.file)?;
                let hashes = chain.0.iter().map(|link| link.delegation.hash()).collect::<Vec<_>>();
                let value = json!({"kind": "chain", "chain": chain, "hashes": hashes});
                (render::authority::chain(&chain, Some(now())), value)
            }
            Offline::Revocation(signed) => {
                if !signed.is_signed() {
                    return Err(self.broken(&"the signature of its issuer does not hold"));
                }
                let value = json!({"kind": "revocation", "revocation": signed.revocation});
                (render::authority::revocation(&signed), value)
            }
            Offline::Statement(_) => {
                let signed = file::read_statement(&self.file)?;
                let value = json!({
                    "kind": "statement", "coalition": signed.coalition, "statement": signed.statement,
                    "signatures": signed.signatures,
                });
                (render::authority::statement(&signed), value)
            }
            Offline::CharterSignature => (
                "one root's signature on a charter; see whether it belongs to one: entente charter merge\n"
                    .into(),
                json!({"kind": "charter-signature"}),
            ),
            Offline::Public(lines) => {
                (render::authority::public(&lines), json!({"kind": "public", "keys": lines}))
            }
            Offline::Key { encrypted: true } => (
                "a secret key, encrypted with a passphrase (an age file)\n".into(),
                json!({"kind": "key", "encrypted": true}),
            ),
            Offline::Key { encrypted: false } => (
                "a secret key in clear, readable by whoever can read the file\n".into(),
                json!({"kind": "key", "encrypted": false}),
            ),
        };
        if as_json {
            render::print_json(&value);
        } else {
            render::print(&words);
        }
        Ok(())
    }

    fn broken(&self, why: &dyn std::fmt::Display) -> CliError {
        CliError::config(
            format!("{} does not hold", self.file.display()),
            why,
            "ask whoever made it for the file again",
        )
    }
}
