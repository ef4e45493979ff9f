//! Members: a table of all, a page for one.

use std::fmt::Write as _;

use entente_protocol::authority::Extent;
use entente_protocol::coalition::{GrantView, KeyStatus, RotationView, WatchView};

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
                seat(member),
                member.membership.to_string(),
                member.since.clone().unwrap_or_else(|| "founding".into()),
                member.watch.as_ref().map_or("-".into(), on_watch),
                member.obligations.len().to_string(),
                member.reason.as_deref().map_or(String::new(), plain),
            ]
        })
        .collect();
    headed(["PARTNER", "SEAT", "MEMBERSHIP", "SINCE", "ON WATCH", "OWES", "REASON"], rows)
}

fn seat(member: &MemberView) -> String {
    member.seat.map_or_else(|| "-".to_owned(), |seat| seat.to_string())
}

/// One member in full.
pub(crate) fn page(member: &MemberView) -> String {
    let mut text = format!("{}  {}\n\n", member.membership.name().to_uppercase(), member.partner);
    let mut rows = vec![["seat".to_owned(), seat(member)]];
    if let Some(since) = &member.since {
        let title = member.by_title.as_ref().map_or(String::new(), |title| format!(" ({})", plain(title)));
        let by = member.by.map_or(String::new(), |by| format!(", by {}{title}", short(&by)));
        let leaf = member.since_index.map_or(String::new(), |index| format!(", from leaf {index} on"));
        rows.push(["since".into(), format!("{since}{by}{leaf}")]);
    }
    if let Some(reason) = &member.reason {
        rows.push(["reason".into(), plain(reason)]);
    }
    rows.push(["credentials".into(), format!("until {}", member.credentials_until)]);
    if let Some(root) = &member.root {
        rows.push(["root".into(), root.to_string()]);
    }
    for rotation in &member.rotations {
        let RotationView { number, old, index, carrier, .. } = rotation;
        let words = format!("rotation {number} at leaf {index}, carried by {carrier}: instead of {old}");
        rows.push(["".into(), words]);
    }
    for key in &member.keys {
        let status = match key.status {
            KeyStatus::Valid => String::new(),
            other => format!("  {}", other.name()),
        };
        rows.push([key.capability.to_string(), format!("{}{status}", key.key)]);
        rows.extend(key.grants.iter().map(|grant| ["".into(), granted(grant)]));
    }
    if let Some(watch) = &member.watch {
        rows.extend(watched("on watch", watch));
    }
    for next in &member.next_watches {
        rows.extend(watched("then", next));
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

/// Who is on watch, with what it noted.
fn on_watch(watch: &WatchView) -> String {
    let away = if watch.speaks { "" } else { ", no officer any more" };
    let note = watch.note.as_deref().map_or(String::new(), |note| format!(" ({})", plain(note)));
    format!("{}{away}{note}", key(&watch.officer.to_string()))
}

fn watched(what: &str, watch: &WatchView) -> Vec<[String; 2]> {
    let away = if watch.speaks { "" } else { "; it is no officer of this partner any more" };
    let mut rows = vec![[what.to_owned(), format!("{} from {}{away}", watch.officer, watch.from)]];
    rows.extend(watch.note.iter().map(|note| [String::new(), format!("note: {}", plain(note))]));
    rows
}

/// Who gave a key what, since when, until when, and what took it back.
fn granted(grant: &GrantView) -> String {
    let since = match (grant.since, &grant.carrier, grant.joined_with) {
        (Some(index), Some(carrier), _) => format!("since leaf {index}, carried by {carrier}"),
        (_, _, Some(version)) => format!("since it joined, with version {version} of the charter"),
        _ => "since the founding".into(),
    };
    let mut text = format!("{since}; by {} until {}", key(&grant.issuer.to_string()), grant.not_after);
    if let Some(from) = &grant.not_before {
        let _ = write!(text, ", from {from} on");
    }
    if let Some(epoch) = grant.last_epoch {
        let _ = write!(text, ", up to epoch {epoch}");
    }
    if grant.operations != Extent::All {
        let _ = write!(text, ", for {} alone", grant.operations);
    }
    if let Some(revoked) = &grant.revoked {
        let by = key(&revoked.issuer.to_string());
        let reason = match revoked.reason.as_str() {
            "" => String::new(),
            reason => format!(": {}", plain(reason)),
        };
        let _ = write!(
            text,
            "; revoked at leaf {} by {by}, carried by {}{reason}",
            revoked.index, revoked.carrier
        );
    }
    text
}

/// The beginning of a key: enough to tell officers apart.
fn key(text: &str) -> String {
    text.chars().take("ed25519:".len() + 10).collect()
}
