//! Evidence: a table of all, a story for one.

use std::fmt::Write as _;

use entente_protocol::time::Time;

use super::age::moment;
use super::table::{headed, table};
use super::{plain, short};
use crate::api::dto::{EvidenceKind, EvidencePage, EvidenceView, SideView};
use crate::hints::Hints;

/// Where it is, in words.
fn place(evidence: &EvidenceView) -> String {
    match (&evidence.feed, &evidence.votes) {
        (Some(feed), _) => format!("{} feed, entry {}", feed.lane, feed.length),
        (None, Some(votes)) => format!("seat {}, epoch {}, frame {}", votes.seat, votes.epoch, votes.seq),
        (None, None) => String::new(),
    }
}

/// What follows from it.
fn standing(evidence: &EvidenceView) -> String {
    match (&evidence.ordered, evidence.kind) {
        (None, _) => "held here, not ordered yet".into(),
        (Some(ordered), EvidenceKind::Fork) => format!("frozen since leaf {}", ordered.index),
        (Some(ordered), EvidenceKind::Equivocation) => format!("proved by leaf {}", ordered.index),
    }
}

fn found(evidence: &EvidenceView, now: Time) -> String {
    match (evidence.found, &evidence.ordered) {
        (Some(at), _) => moment(at, now),
        (None, Some(ordered)) => moment(ordered.time, now),
        (None, None) => String::new(),
    }
}

fn kind(evidence: &EvidenceView) -> &'static str {
    match evidence.kind {
        EvidenceKind::Fork => "fork",
        EvidenceKind::Equivocation => "equivocation",
    }
}

/// Evidence, one line each.
pub(crate) fn list(list: &[EvidenceView], now: Time, hints: &Hints) -> String {
    let Some(first) = list.first() else {
        return "no evidence: nobody is known to have contradicted itself\n".into();
    };
    let rows = list
        .iter()
        .map(|evidence| {
            [
                short(&evidence.id),
                kind(evidence).to_owned(),
                plain(&evidence.partner),
                place(evidence),
                found(evidence, now),
                evidence.ordered.as_ref().map_or_else(String::new, |ordered| plain(&ordered.reporter)),
                standing(evidence),
            ]
        })
        .collect();
    let mut text = headed(["ID", "KIND", "OF", "WHERE", "FOUND", "REPORTED BY", "STANDING"], rows);
    let next = hints.copyable(&format!("entente evidence show {}", short(&first.id)));
    let _ = writeln!(text, "the story of one: {next}");
    text
}

/// One piece in full.
pub(crate) fn page(page: &EvidencePage, now: Time, hints: &Hints) -> String {
    let evidence = &page.evidence;
    let partner = plain(&evidence.partner);
    let is_fork = evidence.kind == EvidenceKind::Fork;
    let head = match &evidence.feed {
        Some(feed) => format!("FORK  {partner} signed two entries {} in its {} feed", feed.length, feed.lane),
        None => format!("EQUIVOCATION  {partner} signed two frames at one place: {}", place(evidence)),
    };
    let mut text = format!("{head}\n{}\n\n", evidence.id);
    let mut rows = Vec::new();
    if let Some(at) = evidence.found {
        rows.push(["found".to_owned(), format!("by this node, {} ({at})", moment(at, now))]);
    }
    rows.push(match &evidence.ordered {
        Some(ordered) => [
            "reported".into(),
            format!(
                "by {}, leaf {} of epoch {}, {} ({})",
                plain(&ordered.reporter),
                ordered.index,
                ordered.epoch,
                moment(ordered.time, now),
                ordered.time
            ),
        ],
        None => ["reported".into(), "not ordered yet: it is held here, and takes effect once it is".into()],
    });
    if let (Some(ordered), true) = (&evidence.ordered, is_fork) {
        rows.push([
            "frozen".into(),
            format!("since leaf {}: nothing of this feed counts behind it", ordered.index),
        ]);
    }
    if is_fork {
        rows.push(["order".into(), order(page)]);
        if !page.void.is_empty() {
            let leaves = page.void.iter().map(u64::to_string).collect::<Vec<_>>().join(", ");
            rows.push(["void".into(), format!("leaves {leaves}")]);
        }
    } else {
        rows.push([
            "effect".into(),
            "none: seats do not change yet, and this one votes on unless it is honest and stops by itself"
                .into(),
        ]);
    }
    rows.push([
        "signatures".into(),
        format!("both are {partner}'s; checked by this program with the charter's keys"),
    ]);
    text.push_str(&table(&rows));
    for (letter, side) in ["A", "B"].into_iter().zip(&page.sides) {
        text.push('\n');
        text.push_str(&table(&side_rows(letter, side, is_fork)));
    }
    let next = match (&evidence.feed, &evidence.ordered) {
        (_, Some(ordered)) => format!("entente log --from {} --limit 20", ordered.index),
        (Some(feed), None) => format!("entente feed {} {} --from {}", feed.partner, feed.lane, feed.length),
        (None, None) => "entente status".into(),
    };
    let _ = writeln!(text, "\nnext: {}", hints.copyable(&next));
    text
}

/// Which branch the cut took.
fn order(page: &EvidencePage) -> String {
    let taken = ["A", "B"].into_iter().zip(&page.sides).find(|(_, side)| side.ordered);
    match (taken, page.committed) {
        (Some((letter, _)), Some(length)) => format!("took branch {letter}, up to entry {length}"),
        (None, Some(length)) => format!("took neither branch: it stands at entry {length}, before they part"),
        (_, None) => "this feed takes no part in it".into(),
    }
}

fn side_rows(letter: &str, side: &SideView, is_fork: bool) -> Vec<[String; 2]> {
    let what = if is_fork { format!("branch {letter}") } else { format!("frame {letter}") };
    let taken = if side.ordered { ", ordered" } else { "" };
    let mut rows = vec![[what, format!("{}{taken}", side.hash)]];
    let unknown = "what it says is not held here";
    rows.push(["  says".into(), side.says.as_deref().map_or_else(|| unknown.into(), plain)]);
    if let Some(from) = &side.from {
        rows.push(["  told by".into(), plain(from)]);
    }
    let behind = match side.behind {
        0 => String::new(),
        entries => format!(", over the head {entries} entries behind"),
    };
    rows.push(["  signed".into(), format!("{}{behind}", side.signature)]);
    rows
}
