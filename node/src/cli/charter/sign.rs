//! `entente charter sign` and `merge`: the roots' words on one final text.

use std::path::{Path, PathBuf};

use clap::Args;
use entente_protocol::charter::{Charter, CharterError, PartnerName, lint_at};
use entente_protocol::founding::{
    Accession, CharterSignature, FoundingError, MAX_FOUNDING_TOML_BYTES, Proposed,
};
use entente_protocol::identity::SecretKey;
use serde_json::json;

use super::admit::read_proposed;
use super::{names, read, read_card, read_signature, stem};
use crate::cli::authority::Passphrase;
use crate::cli::{Context, now};
use crate::errors::CliError;
use crate::files;
use crate::hints::quoted;
use crate::keys::{self, KeyKind};
use crate::render;

/// Sign a charter with this partner's root key; a next version, where this partner joins with it.
#[derive(Args)]
pub(crate) struct Sign {
    /// The charter
    file: PathBuf,
    /// The root key [default: DIR/keys/root.key]
    #[arg(long, value_name = "KEYFILE")]
    key: Option<PathBuf>,
    /// Where to write the signature [default: beside FILE, as NAME.PARTNER.sig.toml, or PARTNER.accession.toml]
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    #[command(flatten)]
    passphrase: Passphrase,
}

impl Sign {
    pub(super) fn run(&self, context: &Context) -> Result<(), CliError> {
        let key_path = self.key.clone().unwrap_or_else(|| context.dir.key(KeyKind::Root));
        let (_, root) = keys::unlock(&key_path, &[KeyKind::Root], &self.passphrase.source())?;
        let own_card = |partner: &PartnerName| {
            let path = context.dir.card(partner.as_str());
            path.exists().then_some(path)
        };
        sign(&self.file, &root, own_card, self.output.as_deref(), context.json)
    }
}

/// Signs the charter in `file` and writes the signature to `output` or beside it.
pub(in crate::cli) fn sign(
    file: &Path,
    root: &SecretKey,
    own_card: impl FnOnce(&PartnerName) -> Option<PathBuf>,
    output: Option<&Path>,
    as_json: bool,
) -> Result<(), CliError> {
    let text = files::read_text(file, MAX_FOUNDING_TOML_BYTES)?;
    if let Some(proposed) = read_proposed(file, &text)? {
        return accede(file, &proposed, root, own_card, output, as_json);
    }
    let charter = read(file)?.charter;
    super::refuse_errors(file, &lint_at(&charter, now()))?;
    let signature = CharterSignature::sign(&charter, root).map_err(|why| match why {
        FoundingError::NotARoot { .. } => CliError::config(
            format!("this root key is no partner's in {}", file.display()),
            why,
            "give this partner's card to whoever drafts the charter, or name --key",
        ),
        FoundingError::Charter(CharterError::Version { .. }) => CliError::config(
            "cannot sign this draft",
            "it is a later version of a charter: who joins signs that in the form which names its coalition",
            "have it written by a member: entente charter next DRAFT -o FILE, then: entente charter sign FILE",
        ),
        why => {
            let next = format!("entente charter lint {}", quoted(file));
            CliError::config("cannot sign this charter", why, next)
        }
    })?;
    if let Some(card) = own_card(&signature.partner) {
        compare_with_card(file, &card, &charter, &signature.partner)?;
    }
    let output = output.map_or_else(
        || file.with_file_name(format!("{}.{}.sig.toml", stem(file), signature.partner)),
        Path::to_path_buf,
    );
    if !as_json {
        render::print(&format!("{} signs this charter:\n\n", signature.partner));
        render::print(&render::charter::charter(&charter, None));
        render::print(&format!("\n{}", render::charter::lints(&lint_at(&charter, now()))));
    }
    files::write_new(&output, signature.to_toml().as_bytes(), files::PUBLIC)?;
    if as_json {
        render::print_json(&json!({
            "id": charter.id(), "name": charter.name, "partner": signature.partner, "file": output,
        }));
    } else {
        render::print(&format!(
            "\nsigned: {} for {}, with {} delegations to its officers, seat and nodes\n\
             written to {}: give it to whoever merges\n",
            charter.id(),
            signature.partner,
            signature.delegations.len(),
            output.display()
        ));
    }
    Ok(())
}

/// Signs a later version of the charter for a partner that joins with it.
fn accede(
    file: &Path,
    proposed: &Proposed,
    root: &SecretKey,
    own_card: impl FnOnce(&PartnerName) -> Option<PathBuf>,
    output: Option<&Path>,
    as_json: bool,
) -> Result<(), CliError> {
    let charter = &proposed.charter;
    super::refuse_errors(file, &lint_at(charter, now()))?;
    let accession = Accession::sign(proposed, root).map_err(|why| match why {
        FoundingError::NotAdmitted { .. } => CliError::config(
            format!("this root key is not that of a partner which joins with {}", file.display()),
            why,
            "give this partner's card to whoever drafts the next version, or name --key",
        ),
        why => {
            let next = format!("entente charter lint {}", quoted(file));
            CliError::config("cannot sign this version", why, next)
        }
    })?;
    let name = &accession.partner.name;
    if let Some(card) = own_card(name) {
        compare_with_card(file, &card, charter, name)?;
    }
    let output =
        output.map_or_else(|| file.with_file_name(format!("{name}.accession.toml")), Path::to_path_buf);
    if !as_json {
        render::print(&format!("{name} joins with this charter:\n\n"));
        render::print(&render::charter::charter(charter, None));
        render::print(&format!("\n{}", render::charter::lints(&lint_at(charter, now()))));
    }
    files::write_new(&output, accession.to_toml().as_bytes(), files::PUBLIC)?;
    if as_json {
        render::print_json(&json!({
            "coalition": accession.coalition, "version": charter.version, "hash": accession.version, "partner": name,
            "file": output,
        }));
    } else {
        render::print(&format!(
            "\nsigned: version {} of {} for {name}\nwritten to {}: give it to whoever proposes, who runs: \
             entente charter amend DRAFT --accession {} --reason TEXT\n",
            charter.version,
            accession.coalition,
            output.display(),
            output.file_name().unwrap_or_default().to_string_lossy()
        ));
    }
    Ok(())
}

/// A root signs no entry for its partner that its own card does not make.
fn compare_with_card(
    file: &Path,
    path: &Path,
    charter: &Charter,
    name: &PartnerName,
) -> Result<(), CliError> {
    let Some(partner) = charter.partner(name.as_str()) else {
        return Ok(());
    };
    let refuse = |why: &dyn std::fmt::Display| {
        CliError::config(
            format!("{} is not signed", file.display()),
            why,
            format!("have the charter drafted again from {}", path.display()),
        )
    };
    partner.matches(&read_card(path)?).map_err(|why| refuse(&why))
}

/// Collect signatures; says whose are missing.
#[derive(Args)]
pub(crate) struct Merge {
    /// The charter, or an earlier merge of it
    file: PathBuf,
    /// The signatures
    #[arg(required = true, num_args = 1..)]
    signatures: Vec<PathBuf>,
    /// Where to write charter and signatures
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
}

impl Merge {
    pub(super) fn run(&self, context: &Context) -> Result<(), CliError> {
        let mut founding = read(&self.file)?;
        for path in &self.signatures {
            let signature = read_signature(path)?;
            let partner = signature.partner.clone();
            founding.merge(signature).map_err(|why| {
                CliError::config(
                    format!("{} does not belong to {}", path.display(), self.file.display()),
                    why,
                    format!(
                        "ask {partner} to sign the final text: entente charter sign {}",
                        self.file.display()
                    ),
                )
            })?;
        }
        files::write_new(&self.output, founding.to_toml().as_bytes(), files::PUBLIC)?;
        let missing = founding.missing();
        let signed =
            founding.signatures.iter().map(|signature| signature.partner.clone()).collect::<Vec<_>>();
        if context.json {
            render::print_json(&json!({
                "id": founding.charter.id(), "signed": signed, "missing": missing, "file": self.output,
            }));
            return Ok(());
        }
        let output = self.output.display();
        render::print(&if missing.is_empty() {
            format!(
                "every partner ({}) has signed {}\nwritten to {output}; next: entente charter found {output} -o {}.coalition.toml\n",
                names(&signed),
                founding.charter.id(),
                founding.charter.name
            )
        } else {
            format!(
                "signed by {}; still missing: {}\nwritten to {output}; next: entente charter merge {output} SIGNATURE.. -o FILE\n",
                names(&signed),
                names(&missing)
            )
        });
        Ok(())
    }
}
