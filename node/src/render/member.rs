//! Members: a table of all, a page for one.

use std::fmt::Write as _;

use super::table::{headed, table};
use super::{plain, short};
use crate::api::dto::MemberView;

/// Members, by seat.
pub(crate) fn list(members: &[MemberView]) -> String {
    let rows = members
        .iter()
        .map(|member| {
            [
                member.partner.to_string(),
                member.seat.to_string(),
                member.membership.to_string(),
                member.since.clone().unwrap_or_else(|| "founding".into()),
                member.watch.as_ref().map_or("-".into(), |watch| key(&watch.officer.to_string())),
                member.obligations.len().to_string(),
                member.reason.as_deref().map_or(String::new(), plain),
            ]
        })
        .collect();
    headed(["PARTNER", "SEAT", "MEMBERSHIP", "SINCE", "ON WATCH", "OWES", "REASON"], rows)
}

/// One member in full.
pub(crate) fn page(member: &MemberView) -> String {
    let mut text = format!("{}  {}\n\n", member.membership.name().to_uppercase(), member.partner);
    let mut rows = vec![["seat".to_owned(), member.seat.to_string()]];
    if let Some(since) = &member.since {
        let by = member.by.map_or(String::new(), |by| format!(", by {}", short(&by)));
        rows.push(["since".into(), format!("{since}{by}")]);
    }
    if let Some(reason) = &member.reason {
        rows.push(["reason".into(), plain(reason)]);
    }
    rows.push(["credentials".into(), format!("until {}", member.credentials_until)]);
    for officer in &member.officers {
        rows.push(["officer".into(), officer.to_string()]);
    }
    for node in &member.nodes {
        rows.push(["node".into(), node.to_string()]);
    }
    if let Some(watch) = &member.watch {
        rows.push(["on watch".into(), format!("{} from {}", watch.officer, watch.from)]);
        if let Some(note) = &watch.note {
            rows.push(["watch note".into(), plain(note)]);
        }
    }
    text.push_str(&table(&rows));
    if !member.obligations.is_empty() {
        let _ = writeln!(text, "\nothers count on it:");
        let rows = member
            .obligations
            .iter()
            .map(|it| [short(&it.operation), plain(&it.title), plain(&it.what)])
            .collect::<Vec<_>>();
        text.push_str(&table(&rows));
    }
    text
}

/// The beginning of a key: enough to tell officers apart.
fn key(text: &str) -> String {
    text.chars().take("ed25519:".len() + 10).collect()
}
