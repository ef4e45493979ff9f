//! Whether this host may act in a coalition: keys, founded file and settings, checked together.
//!
//! Guarantees: a [`Membership`] exists only for a file that every root signed, that carries the coalition secret, that
//! no other user of this machine can read, and whose charter declares this host's node key; a seat key that lies here
//! is the one that the charter gives to the same partner. `join`, `up` and `config check` all go through it, so a host
//! that may not act learns so before anything is sent.

use std::path::Path;

use entente_discovery::peer_id_of;
use entente_protocol::charter::{Charter, PartnerName, show_time};
use entente_protocol::founding::{CoalitionSecret, Founded, FoundedFile, MAX_FOUNDING_TOML_BYTES};
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
    /// The seat that this host holds, if its key lies here: its index and key.
    pub seat: Option<(usize, SecretKey)>,
    /// What should be known, and does not stop the node.
    pub warnings: Vec<String>,
}

/// Within this span before the end of credentials, people are told.
const EXPIRY_WARNING_MS: u64 = 14 * 86_400_000;

/// Reads a founded file, secret or not, without judging it. A file with the secret must be private.
pub fn read_founded(path: &Path) -> Result<FoundedFile, CliError> {
    let text = files::read_text(path, MAX_FOUNDING_TOML_BYTES)?;
    let file = FoundedFile::from_toml(&text).map_err(|why| {
        CliError::config(
            format!("{} is not a founded coalition", path.display()),
            why,
            "ask the founder for the file that `entente charter found` wrote",
        )
    })?;
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
        Self::of(read_founded(&path)?, &path, dir, now)
    }

    /// Judges a founded file, read from `path`, against this host's keys.
    pub fn of(file: FoundedFile, path: &Path, dir: &DataDir, now: Time) -> Result<Self, CliError> {
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
        let partner = founded.node(&node.public()).cloned().ok_or_else(|| {
            let names = founded.partners().iter().map(|p| p.name.as_str()).collect::<Vec<_>>().join(", ");
            CliError::config(
                format!("this host is not a member of {} ({})", founded.charter().name, founded.coalition()),
                format!("its node key {} is not in the charter, whose partners are {names}", node.public()),
                "give this host's card to whoever drafts the charter, or name another --dir",
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
                "found the coalition anew with later dates (entente charter new --valid-days N), or set this clock",
            ));
        }
        let seat = seat(dir, &founded, &partner.name)?;
        let mut warnings = Vec::new();
        if seat.is_none() {
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
        Ok(Self { partner: partner.name.clone(), founded, secret, node, seat, warnings })
    }
}

/// Refuses an address with the peer id of a node that the charter does not name: it would never be dialled.
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
        format!("the charter names no node with this id; {address} would never be dialled"),
        "ask that partner for its address: entente peer address",
    ))
}

fn seat(
    dir: &DataDir,
    founded: &Founded,
    partner: &PartnerName,
) -> Result<Option<(usize, SecretKey)>, CliError> {
    if !dir.key(KeyKind::Seat).exists() {
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
