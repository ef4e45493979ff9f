//! `entente authority delegate`: one more link.

use std::collections::BTreeSet;
use std::path::PathBuf;

use clap::{Args, ValueEnum};
use entente_protocol::authority::Extent;
use entente_protocol::charter::{KindName, PartnerName, show_time};
use entente_protocol::credential::{Capability, Chain, CredentialError, Delegation};
use entente_protocol::identity::{CoalitionId, PublicKey, SecretKey};
use entente_protocol::time::Time;
use serde_json::json;

use super::{Passphrase, file};
use crate::cli::{now, parse};
use crate::errors::CliError;
use crate::files;
use crate::keys::{self, KeyKind};
use crate::render;

const DAY_MS: u64 = 86_400_000;
const HELP: &str = "entente authority delegate --help";

/// What the subject may do.
#[derive(Clone, Copy, ValueEnum)]
enum Can {
    /// Sign what the partner says
    Officer,
    /// Vote and cosign in the partner's seat
    Seat,
    /// Carry records and speak with members
    Node,
}

/// Let another key act: directly by a root, or by who was given the right to pass it on.
#[derive(Args)]
pub(crate) struct Delegate {
    /// The issuer's key: a root, or with --chain the key at its end
    #[arg(long, value_name = "KEYFILE")]
    key: PathBuf,
    /// The chain that gives the issuer what it passes on
    #[arg(long, value_name = "FILE")]
    chain: Option<PathBuf>,
    /// The key that is to act
    #[arg(long, value_name = "PUBLIC_KEY")]
    to: PublicKey,
    /// The coalition in which it holds; with --chain, that of the chain
    #[arg(long, value_name = "ID", required_unless_present = "chain")]
    coalition: Option<CoalitionId>,
    /// The partner for which the key acts; with --chain, that of the chain
    #[arg(long, value_name = "NAME", required_unless_present = "chain")]
    partner: Option<PartnerName>,
    /// What it may do; may be given several times
    #[arg(long, value_enum, required = true)]
    can: Vec<Can>,
    /// For this operation type alone; may be given several times [default: all that the issuer has]
    #[arg(long = "type", value_name = "TYPE")]
    types: Vec<KindName>,
    /// From when on [default: as the issuer]
    #[arg(long, value_name = "TIME", value_parser = parse::time)]
    from: Option<Time>,
    /// Until when [default: as the issuer]
    #[arg(long, value_name = "TIME", value_parser = parse::time, conflicts_with = "days")]
    until: Option<Time>,
    /// For so many days from now on
    #[arg(long, value_name = "DAYS", value_parser = clap::value_parser!(u32).range(1..=3660))]
    days: Option<u32>,
    /// Until this epoch [default: as the issuer]
    #[arg(long, value_name = "EPOCH")]
    last_epoch: Option<u64>,
    /// How often the subject may pass it on
    #[arg(long, value_name = "LINKS", default_value_t = 0)]
    depth: u8,
    /// Where to write the chain
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
    #[command(flatten)]
    passphrase: Passphrase,
}

impl Delegate {
    pub(super) fn run(&self, as_json: bool) -> Result<(), CliError> {
        let mut chain = match &self.chain {
            Some(path) => file::read_chain(path)?,
            None => Chain(Vec::new()),
        };
        let wanted = if self.chain.is_some() { KeyKind::Officer } else { KeyKind::Root };
        let (_, key) = keys::unlock(&self.key, &[wanted], &self.passphrase.source())?;
        let link = self.link(&chain, &key)?;
        if link.not_after < now() {
            return Err(CliError::config(
                "nothing is delegated",
                format!("it would have expired at {}", show_time(link.not_after)),
                "entente authority delegate ... --days DAYS",
            ));
        }
        let root = chain.0.first().map_or(link.issuer, |first| first.delegation.issuer);
        let coalition = link.coalition;
        chain.0.push(link.sign(&key));
        chain.authentic(&root, &coalition).map_err(|why| match why {
            CredentialError::Widened { dimension, .. } => CliError::denied(
                "a delegation only narrows",
                format!("this one gives {dimension}"),
                match &self.chain {
                    Some(above) => {
                        format!("see what can be given: entente authority show {}", above.display())
                    }
                    None => HELP.into(),
                },
            ),
            why => CliError::config("nothing is delegated", why, HELP),
        })?;
        let words = render::authority::chain(&chain, None);
        let head = words.lines().map(|line| format!("# {line}\n")).collect::<String>();
        let text = format!("{head}\n{}", chain.to_toml());
        files::write_new(&self.output, text.as_bytes(), files::PUBLIC)?;
        if as_json {
            render::print_json(&json!({
                "file": self.output, "hash": chain.leaf().map(Delegation::hash), "chain": chain,
            }));
        } else {
            render::print(&format!(
                "{words}written to {}: give it to the holder of the last key\n",
                self.output.display()
            ));
        }
        Ok(())
    }

    fn link(&self, chain: &Chain, key: &SecretKey) -> Result<Delegation, CliError> {
        let above = chain.leaf();
        if let Some(above) = above
            && above.subject != key.public()
        {
            return Err(CliError::config(
                "this key cannot pass the chain on",
                format!("the chain ends at {}, and this key is {}", above.subject, key.public()),
                "name the key of whom the chain was given to",
            ));
        }
        let differs = |what: &str| {
            CliError::usage(
                "a chain stays with its coalition and partner",
                format!("the {what} named is not that of the chain"),
                HELP,
            )
        };
        let (coalition, partner) = match (above, self.coalition, &self.partner) {
            (Some(above), named, _) if named.is_some_and(|named| named != above.coalition) => {
                return Err(differs("coalition"));
            }
            (Some(above), _, Some(named)) if *named != above.partner => return Err(differs("partner")),
            (Some(above), ..) => (above.coalition, above.partner.clone()),
            (None, Some(coalition), Some(partner)) => (coalition, partner.clone()),
            (None, ..) => {
                return Err(CliError::usage("a root names coalition and partner", "one is missing", HELP));
            }
        };
        let until = self
            .until
            .or_else(|| self.days.map(|days| now().plus(u64::from(days) * DAY_MS)))
            .or_else(|| above.map(|above| above.not_after));
        let not_after = until.ok_or_else(|| {
            CliError::usage("a root says until when", "neither --until nor --days is given", HELP)
        })?;
        let can = |can: &Can| match can {
            Can::Officer => Capability::Officer,
            Can::Seat => Capability::Seat,
            Can::Node => Capability::Node,
        };
        Ok(Delegation {
            coalition,
            issuer: key.public(),
            subject: self.to,
            partner,
            capabilities: self.can.iter().map(can).collect::<BTreeSet<_>>(),
            operations: if self.types.is_empty() {
                above.map_or(Extent::All, |above| above.operations.clone())
            } else {
                Extent::only(self.types.iter().cloned())
            },
            not_before: self.from.or_else(|| above.and_then(|above| above.not_before)),
            not_after,
            last_epoch: self.last_epoch.or_else(|| above.and_then(|above| above.last_epoch)),
            depth: self.depth,
        })
    }
}
