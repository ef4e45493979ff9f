//! Integrity events: a table of all, a story for one.

use std::fmt::Write as _;

use data_encoding::HEXLOWER;
use entente_protocol::charter::PartnerName;
use entente_protocol::coalition::{ExhibitView, IntegrityView, WordView};
use entente_protocol::time::Time;

use super::age::moment;
use super::table::{headed, table};
use super::{plain, short};
use crate::hints::Hints;

/// Who did it, as far as it is known.
fn subject(event: &IntegrityView) -> String {
    match (&event.against, &event.holder, &event.key) {
        (Some(partner), _, _) => partner.to_string(),
        (None, Some(holder), _) => format!("a key of {holder}"),
        (None, None, Some(key)) => format!("key {}", short_key(&key.to_string())),
        (None, None, None) => "unknown".into(),
    }
}

/// The beginning of a key, without its algorithm.
fn short_key(key: &str) -> String {
    let text = key.split_once(':').map_or(key, |(_, text)| text);
    text.chars().take(10).collect()
}

fn reporter(event: &IntegrityView) -> String {
    let by = if event.node.is_some() { " (node)" } else { "" };
    format!("{}{by}", event.reporter)
}

fn place(index: Option<u64>) -> String {
    index.map_or_else(|| "not ordered yet".into(), |index| format!("index {index}"))
}

/// Events, one line each.
pub(crate) fn list(list: &[IntegrityView], now: Time, hints: &Hints) -> String {
    let Some(last) = list.last() else {
        return "no integrity events: nobody has reported any\n".into();
    };
    let rows = list.iter().map(|event| {
        let mark = if event.urgent { "!" } else { " " };
        let held = if event.index.is_none() { ", held" } else { "" };
        [
            format!("{mark} {}", short(&event.id)),
            event.kind.to_string(),
            plain(&subject(event)),
            event.victim.as_ref().map_or_else(String::new, ToString::to_string),
            plain(&reporter(event)),
            event.count.to_string(),
            moment(event.last, now),
            format!("{}{held}", plain(&event.status)),
        ]
    });
    let headings = ["  ID", "KIND", "BY", "TO", "REPORTED BY", "TIMES", "LAST", "STATUS"];
    let mut text = headed(headings, rows.collect());
    let next = hints.copyable(&format!("entente integrity show {}", short(&last.id)));
    let _ = writeln!(text, "! urgent; the story of one: {next}");
    text
}

fn word(word: &WordView) -> String {
    let ground = word.ground.as_ref().map_or(String::new(), |ground| format!(": {}", plain(ground)));
    format!("{} ({}, {}){ground}", word.partner, short(&word.id), place(word.index))
}

/// What was shown, by kind.
fn exhibit(exhibit: &ExhibitView) -> String {
    match exhibit {
        ExhibitView::Credential { not_after, signed, .. } => {
            let signed = if *signed { "signed" } else { "not signed" };
            format!("a credential, {signed}, until {not_after}")
        }
        ExhibitView::Cosignature { size, root, .. } => format!("a cosignature of {size} leaves, root {root}"),
        ExhibitView::Commitment { exhibit, digest, length } => {
            let hex = HEXLOWER.encode(&digest.0);
            format!("a {exhibit} of {length} bytes, not carried: sha256 {hex}")
        }
    }
}

/// One event in full.
pub(crate) fn page(event: &IntegrityView, own: &str, now: Time, hints: &Hints) -> String {
    let urgent = if event.urgent { "  URGENT" } else { "" };
    let kind = event.kind.to_string().to_uppercase();
    let mut text = format!("{kind}  {}{urgent}\n{}\n\n", plain(&event.status), event.id);
    let row = |name: &str, value: String| [name.to_owned(), value];
    let mut rows = vec![row("by", plain(&subject(event)))];
    if let Some(key) = &event.key {
        let holder =
            event.holder.as_ref().map_or("nobody's in this coalition".into(), |it| format!("of {it}"));
        rows.push(row("key", format!("{key}, {holder}")));
    }
    if let Some(victim) = &event.victim {
        rows.push(row("to", victim.to_string()));
    }
    rows.push(row("reported", format!("by {}, {}", plain(&reporter(event)), place(event.index))));
    rows.push(row("says", plain(&event.text)));
    let crowded = match event.crowded {
        0 => String::new(),
        crowded => format!(", {crowded} of them of other matters, merged because there were too many"),
    };
    let times = if event.count == 1 { "once".into() } else { format!("{} times", event.count) };
    rows.push(row("seen", format!("{times}{crowded}; last {} ({})", moment(event.last, now), event.last)));
    if let Some(since) = event.since {
        rows.push(row("since", format!("{} ({since})", moment(since, now))));
    }
    if let Some(proof) = &event.proof {
        rows.push(row("proof", format!("evidence {proof}")));
    }
    rows.extend(event.evidence.iter().map(|hash| row("evidence", format!("commitment {hash}"))));
    if let Some(shown) = &event.shown {
        rows.push(row("shown", exhibit(&shown.exhibit)));
        rows.push(row("proves", plain(&shown.proves)));
        rows.push(row("but", plain(&shown.limits)));
        if shown.merged > 0 {
            rows.push(row("merged", format!("{} more times; what was shown then is not kept", shown.merged)));
        }
    }
    rows.extend(event.confirmed.iter().map(|said| row("confirmed", format!("by {}", word(said)))));
    let votes = event.votes.iter();
    rows.extend(votes.map(|vote| row("vote", format!("to {}: {}", vote.measure, word(&vote.word)))));
    rows.push(row("stands", plain(&event.explanation)));
    text.push_str(&table(&rows));
    let id = short(&event.id);
    let is_asked = |partners: &[PartnerName]| partners.iter().any(|partner| partner.as_str() == own);
    let next = match (event.status.as_str(), event.proof, event.last_index) {
        ("preliminary", _, _) if is_asked(&event.may_confirm) => format!("entente integrity confirm {id}"),
        _ if event.votes_missing > 0 && is_asked(&event.may_vote) => {
            format!("entente integrity vote {id} --suspend")
        }
        (_, Some(proof), _) => format!("entente evidence show {}", short(&proof)),
        (_, None, Some(index)) => format!("entente log --from {index} --limit 1"),
        (_, None, None) => "entente status".into(),
    };
    let _ = writeln!(text, "\nnext: {}", hints.copyable(&next));
    text
}
