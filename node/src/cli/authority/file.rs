//! The files of `entente authority`: which kind one is, and reading it.

use std::collections::BTreeMap;
use std::path::Path;

use entente_protocol::authority::{AllianceDocument, SignedAlliance};
use entente_protocol::charter::AuthorityName;
use entente_protocol::credential::{Chain, SignedRevocation, SignedRotation};
use entente_protocol::founding::MAX_FOUNDING_TOML_BYTES;
use entente_protocol::identity::PublicKey;
use entente_protocol::record::SignedStatement;
use serde::de::IgnoredAny;

use crate::errors::CliError;
use crate::files;
use crate::keys::sealed;

/// What a file holds.
pub(in crate::cli) enum Offline {
    Chain(Chain),
    Alliance(SignedAlliance),
    Revocation(SignedRevocation),
    Rotation(SignedRotation),
    Statement(SignedStatement),
    /// A draft, or a founding; read by `entente charter`.
    Charter,
    /// One root's signature on a charter.
    CharterSignature,
    /// Public lines, as they are written beside a key.
    Public(BTreeMap<AuthorityName, PublicKey>),
    /// A key file, encrypted or in clear.
    Key {
        encrypted: bool,
    },
}

fn refuse(path: &Path, why: impl std::fmt::Display) -> CliError {
    CliError::config(
        format!("{} cannot be used", path.display()),
        why,
        "name a chain, an alliance's document, a revocation, a rotation, a statement or a charter: entente authority show FILE",
    )
}

/// Reads a file of any kind.
pub(in crate::cli) fn read(path: &Path) -> Result<Offline, CliError> {
    let text = files::read_text(path, MAX_FOUNDING_TOML_BYTES)?;
    if sealed::is_sealed(&text) {
        return Ok(Offline::Key { encrypted: true });
    }
    let wrong = |why: &dyn std::fmt::Display| refuse(path, why);
    let tables: BTreeMap<String, IgnoredAny> =
        toml::from_str(&text).map_err(|error: toml::de::Error| wrong(&error.message()))?;
    let has = |name: &str| tables.contains_key(name);
    if has("seed") {
        Ok(Offline::Key { encrypted: false })
    } else if has("chain") {
        Chain::from_toml(&text).map(Offline::Chain).map_err(|why| wrong(&why))
    } else if has("alliance") {
        SignedAlliance::from_toml(&text).map(Offline::Alliance).map_err(|why| wrong(&why))
    } else if has("revocation") {
        SignedRevocation::from_toml(&text).map(Offline::Revocation).map_err(|why| wrong(&why))
    } else if has("rotation") {
        SignedRotation::from_toml(&text).map(Offline::Rotation).map_err(|why| wrong(&why))
    } else if has("statement") {
        SignedStatement::from_toml(&text).map(Offline::Statement).map_err(|why| wrong(&why))
    } else if has("charter") || has("partners") {
        Ok(Offline::Charter)
    } else if has("delegations") {
        Ok(Offline::CharterSignature)
    } else if let Some(lines) = toml::from_str::<BTreeMap<_, _>>(&text).ok().filter(|it| !it.is_empty()) {
        Ok(Offline::Public(lines))
    } else {
        Err(wrong(&"it is none of the files that are made and signed offline"))
    }
}

/// Reads a chain whose links and signatures hold from the root that it names itself.
pub(in crate::cli) fn read_chain(path: &Path) -> Result<Chain, CliError> {
    let Offline::Chain(chain) = read(path)? else {
        return Err(refuse(path, "it is no delegation chain"));
    };
    let held = match (chain.0.first(), chain.leaf()) {
        (Some(first), Some(leaf)) => chain.authentic(&first.delegation.issuer, &leaf.coalition).map(drop),
        _ => Err(entente_protocol::credential::CredentialError::Length(0)),
    };
    match held {
        Ok(()) => Ok(chain),
        Err(why) => Err(CliError::config(
            format!("{} does not hold", path.display()),
            why,
            "ask whoever issued it for the file again",
        )),
    }
}

/// Reads a statement whose signatures hold.
pub(crate) fn read_statement(path: &Path) -> Result<SignedStatement, CliError> {
    let Offline::Statement(signed) = read(path)? else {
        return Err(refuse(path, "it is no statement of an authority"));
    };
    signed.signers().map_err(|why| {
        CliError::config(
            format!("{} does not hold", path.display()),
            why,
            "ask whoever signed it for the file again",
        )
    })?;
    Ok(signed)
}

/// Reads the version of an alliance's document that comes before another one.
pub(super) fn read_alliance(path: &Path) -> Result<AllianceDocument, CliError> {
    read_signed_alliance(path).map(|signed| signed.alliance)
}

/// Reads an alliance's document with its signatures.
pub(crate) fn read_signed_alliance(path: &Path) -> Result<SignedAlliance, CliError> {
    match read(path)? {
        Offline::Alliance(signed) => Ok(signed),
        _ => Err(refuse(path, "it is no alliance's document")),
    }
}
