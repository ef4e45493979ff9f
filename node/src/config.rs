//! Settings of a node: `config.toml` in its data folder, optional.
//!
//! Guarantees: unknown settings are refused rather than ignored, and every address is checked before anything starts.

use std::fmt;

use libp2p::Multiaddr;
use serde::{Deserialize, Serialize};

use crate::errors::CliError;
use crate::files;
use crate::paths::DataDir;

/// Largest settings file, in bytes.
pub const MAX_CONFIG_BYTES: usize = 64 * 1024;
/// Most addresses in one list.
pub const MAX_ADDRESSES: usize = 256;

/// A link profile: sets every timeout, heartbeat and budget of the mesh.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Profile {
    /// Fast links.
    #[default]
    Lan,
}

impl fmt::Display for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Lan => "lan",
        })
    }
}

/// What a node that was away for long keeps of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum History {
    /// From the state on that it takes from a peer: quick, and what was ordered while it was away stays with others.
    #[default]
    Recent,
    /// All of it: every epoch that it missed is fetched and applied.
    Whole,
}

/// What can be set.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Where to listen; empty: any UDP port over QUIC, the same again after a restart.
    pub listen: Vec<Multiaddr>,
    /// Addresses to tell others in place of those listened on: for hosts behind address translation.
    pub announce: Vec<Multiaddr>,
    /// Peers to dial whatever discovery finds.
    pub peers: Vec<Multiaddr>,
    /// The link profile.
    pub profile: Profile,
    /// What is kept of the log after a long absence.
    pub history: History,
}

impl Config {
    /// The settings of a data folder; the defaults if there is no file.
    pub fn load(dir: &DataDir) -> Result<Self, CliError> {
        let path = dir.config();
        if !path.exists() {
            return Ok(Self::default());
        }
        let text = files::read_text(&path, MAX_CONFIG_BYTES)?;
        Self::parse(&text).map_err(|why| {
            CliError::config(
                format!("{} is not valid", path.display()),
                why,
                "correct that line, then: entente config check",
            )
        })
    }

    fn parse(text: &str) -> Result<Self, String> {
        let config: Self = toml::from_str(text).map_err(|error| {
            let line = error.span().map(|span| 1 + text[..span.start].matches('\n').count());
            match line {
                Some(line) => format!("line {line}: {}", error.message()),
                None => error.message().to_owned(),
            }
        })?;
        for (name, list) in
            [("listen", &config.listen), ("announce", &config.announce), ("peers", &config.peers)]
        {
            if list.len() > MAX_ADDRESSES {
                return Err(format!(
                    "{name} has {} addresses; at most {MAX_ADDRESSES} are allowed",
                    list.len()
                ));
            }
            for address in list {
                check_address(address).map_err(|why| format!("{name}: {why}"))?;
            }
        }
        Ok(config)
    }
}

/// Whether a multiaddr is one that this node can use: IP, UDP, QUIC version 1, perhaps with the peer's id.
pub fn check_address(address: &Multiaddr) -> Result<(), String> {
    use libp2p::multiaddr::Protocol;
    let parts = address.iter().collect::<Vec<_>>();
    let usable = matches!(
        parts.as_slice(),
        [Protocol::Ip4(_) | Protocol::Ip6(_), Protocol::Udp(_), Protocol::QuicV1]
            | [Protocol::Ip4(_) | Protocol::Ip6(_), Protocol::Udp(_), Protocol::QuicV1, Protocol::P2p(_)]
    );
    if usable {
        Ok(())
    } else {
        Err(format!("{address} is not of the form /ip4/ADDRESS/udp/PORT/quic-v1[/p2p/ID]"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_setting_is_refused_with_its_line() {
        let why = Config::parse("profile = \"lan\"\nlisten_port = 4\n").expect_err("unknown");
        assert!(why.starts_with("line 2: unknown field `listen_port`"), "{why}");
    }

    #[test]
    fn only_addresses_that_can_be_used_are_taken() {
        let good = "listen = [\"/ip4/0.0.0.0/udp/0/quic-v1\"]\npeers = [\"/ip6/::1/udp/4001/quic-v1\"]\n";
        assert_eq!(Config::parse(good).expect("valid").listen.len(), 1);
        let tcp = Config::parse("peers = [\"/ip4/10.0.0.1/tcp/4001\"]").expect_err("tcp");
        assert!(tcp.contains("/ip4/10.0.0.1/tcp/4001 is not of the form"), "{tcp}");
        assert!(Config::parse("peers = [\"10.0.0.1:4001\"]").is_err());
    }
}
