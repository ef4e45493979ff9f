//! Peers and their faults as tables.

use entente_protocol::time::Time;

use super::age::{moment, span};
use super::table::{headed, table};
use super::{plain, short};
use crate::api::dto::{FaultView, PeerView, PendingView};

/// Addresses that are dialled and where no member has answered yet.
pub(crate) fn pending(pending: &[PendingView], now: Time) -> String {
    let rows = pending
        .iter()
        .map(|pending| {
            let next = match pending.next_retry_ms {
                Some(ms) => format!("next try in {}", span(ms)),
                None => "trying now".into(),
            };
            let why = pending.last_error.as_deref().map_or(String::new(), |why| format!(" ({})", plain(why)));
            let since = pending.since.map_or(String::new(), |at| format!(", added {}", moment(at, now)));
            [
                "pending".to_owned(),
                plain(&pending.address),
                format!("nobody has answered yet{since}; {next}{why}"),
            ]
        })
        .collect::<Vec<_>>();
    table(&rows)
}

/// Peers and how they stand.
pub(crate) fn peers(peers: &[PeerView], now: Time) -> String {
    if peers.is_empty() {
        return "no other nodes in this coalition\n".into();
    }
    let rows = peers
        .iter()
        .map(|peer| {
            let state = match (peer.blocked, peer.connected) {
                (true, _) => "blocked by operator".to_owned(),
                (false, true) => format!("up {}", peer.since.map_or(String::new(), |at| span(now.since(at)))),
                (false, false) => match peer.missing_since {
                    Some(at) => format!("missing {}", span(now.since(at))),
                    None => "not met yet".into(),
                },
            };
            let next = match (peer.connected || peer.blocked, peer.next_retry_ms, &peer.last_error) {
                (true, ..) => String::new(),
                (false, Some(ms), Some(error)) => format!("next try in {} ({})", span(ms), plain(error)),
                (false, Some(ms), None) => format!("next try in {}", span(ms)),
                (false, None, Some(error)) => plain(error),
                (false, None, None) if peer.addresses.is_empty() => "no address known yet".into(),
                (false, None, None) => "trying now".into(),
            };
            [
                plain(&peer.partner),
                short(&peer.peer_id),
                state.trim_end().to_owned(),
                peer.source.as_deref().map(plain).unwrap_or_default(),
                plain(&peer.addresses.join(" ")),
                next,
            ]
        })
        .collect();
    headed(["PARTNER", "NODE", "STATE", "FOUND BY", "ADDRESSES", ""], rows)
}

/// Faults, the one seen longest ago first.
pub(crate) fn faults(faults: &[FaultView], now: Time) -> String {
    if faults.is_empty() {
        return "no faults since the start\n".into();
    }
    let rows = faults
        .iter()
        .map(|fault| {
            [
                moment(fault.last, now),
                fault.count.to_string(),
                plain(&fault.code),
                fault.partner.as_deref().map_or_else(|| "no member".into(), plain),
                plain(&fault.what),
            ]
        })
        .collect();
    headed(["SEEN", "TIMES", "FAULT", "OF", "WHAT"], rows)
}
