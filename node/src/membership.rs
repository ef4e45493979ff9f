//! Whether this host may act in a coalition: keys, founded file and settings, checked together.
//!
//! Guarantees: a [`Membership`] exists only for a file that every root signed, that carries the coalition secret, that
//! no other user of this machine can read, and whose charter declares this host's node key, or for which a chain lies here that
//! enrols it; a seat key that lies here
//! is the one that the charter gives to the same partner. Whether the log has granted the chain is for the other members. `join`, `up` and `config check` all go through it, so a host
//! that may not act learns so before anything is sent.

use std::path::Path;

use entente_discovery::peer_id_of;
use entente_protocol::charter::{Charter, PartnerName, show_time};
use entente_protocol::credential::{Capability, Chain, MAX_CHAIN_TOML_BYTES};
use entente_protocol::founding::{Accession, CoalitionSecret, Founded, FoundedFile, MAX_FOUNDING_TOML_BYTES};
use entente_protocol::identity::SecretKey;
use entente_protocol::time::Time;
use libp2p::Multiaddr;
use libp2p::multiaddr::Protocol;

use crate::errors::CliError;
use crate::files;
use crate::keys::{self, KeyKind};
use crate::paths::DataDir;

/// This host's place in a coalition.
pub struct Membership {
    /// The coalition.
    pub founded: Founded,
    /// The coalition secret.
    pub secret: CoalitionSecret,
    /// Whom this host acts for.
    pub partner: PartnerName,
    /// The node's identity.
    pub node: SecretKey,
    /// The chain that enrols it, where that is not the founding's.
    pub chain: Option<Chain>,
    /// The seat that this host holds, if its key lies here: its index and key.
    pub seat: Option<(usize, SecretKey)>,
    /// What should be known, and does not stop the node.
    pub warnings: Vec<String>,
}

/// Within this span before the end of credentials, people are told.
const EXPIRY_WARNING_MS: u64 = 14 * 86_400_000;

/// Reads a founded file, secret or not, without judging it. A file with the secret must be private.
pub fn read_founded(path: &Path) -> Result<FoundedFile, CliError> {
    let next = "ask the founder for the file that `entente charter found` wrote";
    let file = files::read_as(
        path,
        MAX_FOUNDING_TOML_BYTES,
        FoundedFile::from_toml,
        "not a founded coalition",
        next,
    )?;
    if file.secret.is_some() {
        files::require_private(path)?;
    }
    Ok(file)
}

impl Membership {
    /// The membership of this data folder at the time `now`.
    pub fn load(dir: &DataDir, now: Time) -> Result<Self, CliError> {
        let path = dir.coalition();
        if !path.exists() {
            return Err(CliError::config(
                "this node is a member of no coalition",
                format!("there is no {}", path.display()),
                "entente join FILE, with the file that the founder brings",
            ));
        }
        let place = dir.credential();
        let chain = place.exists().then(|| read_chain(&place)).transpose()?;
        Self::of(read_founded(&path)?, &path, chain, dir, now)
    }

    /// Judges a founded file, read from `path`, and the chain that enrols this host, if it is not the founding's, against this
    /// host's keys.
    pub fn of(
        file: FoundedFile,
        path: &Path,
        chain: Option<Chain>,
        dir: &DataDir,
        now: Time,
    ) -> Result<Self, CliError> {
        let founded = file.founding.verify().map_err(|why| {
            CliError::config(
                format!("{} is not a coalition that every partner signed", path.display()),
                why,
                "entente charter sign by each root that is missing, then charter merge and charter found",
            )
        })?;
        let secret = file.secret.ok_or_else(|| {
            CliError::config(
                format!("{} does not hold the coalition secret", path.display()),
                "without it no other member answers",
                "ask the founder for the file that `entente charter found` wrote",
            )
        })?;
        let node = keys::load(dir, KeyKind::Node)?;
        let partner = match &chain {
            Some(chain) => enrolled_by(chain, &node, &founded, now)?,
            None => named(&node, &founded, now)?,
        };
        let seat = seat(dir, &founded, &partner)?;
        let mut warnings = Vec::new();
        if founded.charter().partner(partner.as_str()).is_none() {
            warnings.push(format!(
                "{partner} is no partner of the founding: this node takes part once the log has admitted it, and has no seat"
            ));
        } else if seat.is_none() {
            warnings.push(format!(
                "no seat key in {}: this node carries records and does not vote",
                dir.keys().display()
            ));
        }
        for other in founded.partners() {
            if now.plus(EXPIRY_WARNING_MS) > other.credentials_until {
                warnings.push(format!(
                    "the credentials of {} end at {}",
                    other.name,
                    show_time(other.credentials_until)
                ));
            }
        }
        Ok(Self { partner, founded, secret, node, chain, seat, warnings })
    }
}

/// The partner whose charter entry names this host, and until when.
fn named(node: &SecretKey, founded: &Founded, now: Time) -> Result<PartnerName, CliError> {
    let partner = founded.node(&node.public()).ok_or_else(|| {
        let names = founded.partners().iter().map(|p| p.name.as_str()).collect::<Vec<_>>().join(", ");
        CliError::config(
            format!("this host is not a member of {} ({})", founded.charter().name, founded.coalition()),
            format!("its node key {} is not in the charter, whose partners are {names}", node.public()),
            "join with the chain that enrols it: entente join FILE --chain CHAIN; or give its card to whoever drafts the charter",
        )
    })?;
    if now > partner.credentials_until {
        return Err(CliError::config(
            format!("the credentials of {} have expired", partner.name),
            format!(
                "they were valid until {}, and it is {}",
                show_time(partner.credentials_until),
                show_time(now)
            ),
            "have the root grant this key a new chain and join with it: entente join FILE --chain CHAIN; or set this clock",
        ));
    }
    Ok(partner.name.clone())
}

/// The partner that a chain enrols this host for.
fn enrolled_by(
    chain: &Chain,
    node: &SecretKey,
    founded: &Founded,
    now: Time,
) -> Result<PartnerName, CliError> {
    let next = format!(
        "entente authority delegate --key ROOT --to {} --partner NAME --coalition ID --can node --days DAYS -o CHAIN, then entente join FILE --chain CHAIN",
        node.public()
    );
    let refuse = |why: String| CliError::config("the chain does not enrol this host", why, next.clone());
    let (Some(first), Some(leaf)) = (chain.0.first(), chain.leaf()) else {
        return Err(refuse("it has no link".into()));
    };
    if leaf.subject != node.public() {
        return Err(refuse(format!(
            "it is for {}, and the node key here is {}",
            leaf.subject,
            node.public()
        )));
    }
    // The root may be a later one than the charter's, and the partner may have joined since: the log knows.
    let root = first.delegation.issuer;
    if let Some(named) = founded.partners().iter().find(|it| it.root == root && it.name != leaf.partner) {
        return Err(refuse(format!("it is for {}, and from the root of {}", leaf.partner, named.name)));
    }
    chain
        .verify(&root, &founded.coalition(), Capability::Node, now)
        .map_err(|why| refuse(why.to_string()))?;
    Ok(leaf.partner.clone())
}

/// Reads a chain's file.
pub fn read_chain(path: &Path) -> Result<Chain, CliError> {
    let next = format!("entente authority show {}", path.display());
    files::read_as(path, MAX_CHAIN_TOML_BYTES, Chain::from_toml, "no delegation chain", next)
}

/// Reads what the root of a partner signed that joins after the founding.
pub fn read_accession(path: &Path) -> Result<Accession, CliError> {
    let next = "name the file that `entente charter sign` wrote for a partner that joins";
    files::read_as(path, MAX_FOUNDING_TOML_BYTES, Accession::from_toml, "no accession", next)
}

/// Refuses an address with the peer id of a node that the founding charter does not name: it is dialled only where the log
/// enrols it.
pub fn check_member(address: &Multiaddr, charter: &Charter) -> Result<(), CliError> {
    let Some(Protocol::P2p(peer)) = address.iter().last() else {
        return Ok(());
    };
    let nodes = charter.partners.iter().flat_map(|partner| &partner.nodes);
    if nodes.filter_map(|node| peer_id_of(node.as_ed25519())).any(|node| node == peer) {
        return Ok(());
    }
    Err(CliError::config(
        format!("{peer} is no node of {}", charter.name),
        format!(
            "the charter names no node with this id; {address} would be dialled only if the log enrols it"
        ),
        "ask that partner for its address: entente peer address",
    ))
}

fn seat(
    dir: &DataDir,
    founded: &Founded,
    partner: &PartnerName,
) -> Result<Option<(usize, SecretKey)>, CliError> {
    // Who joined since has no seat until the committee changes, whatever key lies here.
    if !dir.key(KeyKind::Seat).exists() || founded.charter().partner(partner.as_str()).is_none() {
        return Ok(None);
    }
    let key = keys::load(dir, KeyKind::Seat)?;
    let holder = founded.seat(&key.public()).map(|holder| &holder.name);
    match founded.seat_index(&key.public()) {
        Some(index) if holder == Some(partner) => Ok(Some((index, key))),
        _ => Err(CliError::config(
            format!("the seat key here is not that of {partner}"),
            format!("{} is not in the charter as the seat of {partner}", key.public()),
            format!("restore {} from a copy", dir.key(KeyKind::Seat).display()),
        )),
    }
}
