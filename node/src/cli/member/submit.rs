//! `entente member submit`: what roots signed offline comes to the log.

use std::path::PathBuf;

use clap::Args;
use entente_protocol::authority::Extent;
use entente_protocol::charter::{Charter, PartnerName};
use entente_protocol::credential::Chain;
use entente_protocol::identity::CoalitionId;
use entente_protocol::record::{Act, KeyAct};

use crate::cli::Context;
use crate::cli::authority::file::{self, Offline};
use crate::cli::charter::amend::in_force;
use crate::cli::op::{Officer, Saying};
use crate::errors::CliError;

/// Bring a change of keys to the log: a chain, a revocation, or a root's rotation, whosever they are.
#[derive(Args)]
pub(crate) struct Submit {
    /// The file, as `entente authority delegate`, `revoke` or `rotate` and `sign` wrote it
    file: PathBuf,
    #[command(flatten)]
    saying: Saying,
}

/// Tells of operation types that are none by the charter in force: a later version may declare them.
fn warn_of_types(chain: &Chain, charter: &Charter) {
    let Some(leaf) = chain.leaf() else { return };
    let Extent::Only(named) = &leaf.operations else { return };
    let unknown = named.iter().filter(|name| charter.kind(name.as_str()).is_none());
    let unknown = unknown.map(ToString::to_string).collect::<Vec<_>>();
    if !unknown.is_empty() {
        let there = charter.operations.iter().map(|kind| kind.name.to_string()).collect::<Vec<_>>();
        eprintln!(
            "warning: the chain is for {}, and version {} of the charter, which is in force, declares no such type; there \
             are: {}",
            unknown.join(", "),
            charter.version,
            there.join(", ")
        );
    }
}

impl Submit {
    pub(super) async fn run(&self, context: &Context) -> Result<(), CliError> {
        let (act, partner, coalition) = self.read()?;
        let here = Officer::load(context).await?.charter.id();
        if coalition != here {
            return Err(CliError::config(
                format!("{} is for another coalition", self.file.display()),
                format!("it holds in {coalition}, and this node is in {here}"),
                format!("entente authority show {}", self.file.display()),
            ));
        }
        if let KeyAct::Grant(chain) = &act {
            warn_of_types(chain, &in_force(context, None).await?);
        }
        self.saying.say(context, Act::Key(act), &format!("member show {partner}")).await
    }

    /// What is said, of whom, and where.
    fn read(&self) -> Result<(KeyAct, PartnerName, CoalitionId), CliError> {
        let file = self.file.display();
        let show = format!("entente authority show {file}");
        let wrong =
            |why: &str, next: String| Err(CliError::config(format!("{file} changes no keys"), why, next));
        match file::read(&self.file)? {
            Offline::Chain(_) => {
                let chain = file::read_chain(&self.file)?;
                let Some(leaf) = chain.leaf() else {
                    return wrong("the chain has no link", show);
                };
                let (partner, coalition) = (leaf.partner.clone(), leaf.coalition);
                Ok((KeyAct::Grant(chain), partner, coalition))
            }
            Offline::Revocation(signed) => {
                let (partner, coalition) = (signed.revocation.partner.clone(), signed.revocation.coalition);
                Ok((KeyAct::Revoke(Box::new(signed)), partner, coalition))
            }
            Offline::Rotation(signed) => {
                let rotation = &signed.rotation;
                if !signed.signatures.0.iter().any(|by| by.key == rotation.new) {
                    let next = format!("entente authority sign {file} --key KEYFILE");
                    return Err(CliError::config(
                        format!("{file} is not signed by the new root"),
                        format!("{} proves by its signature that somebody holds it", rotation.new),
                        next,
                    ));
                }
                let (partner, coalition) = (rotation.partner.clone(), rotation.coalition);
                Ok((KeyAct::Rotate(Box::new(signed)), partner, coalition))
            }
            Offline::Key { .. } => wrong(
                "it is a secret key, which stays where it is",
                "entente authority delegate --key ROOT --to PUBLIC_KEY ... -o CHAIN".into(),
            ),
            Offline::Charter => {
                wrong("it is a charter: that changes by an amendment", "entente charter amend --help".into())
            }
            Offline::Alliance(_) => {
                wrong("it is an alliance's document", format!("entente authority publish {file}"))
            }
            Offline::Statement(_) => {
                wrong("it is said on an operation", format!("entente op order ID --signed {file}"))
            }
            Offline::Public(_) => wrong(
                "it is the public line of a key, which a chain has to let act",
                "entente authority delegate --key ROOT --to PUBLIC_KEY ... -o CHAIN".into(),
            ),
            Offline::CharterSignature => wrong("a chain, a revocation or a rotation does", show),
        }
    }
}
