//! The ordered log as a table.

use super::table::headed;
use super::{brief, plain, short};
use crate::api::dto::{LeafKind, LeafView, LogPage};

/// Leaves, one line each.
pub(crate) fn page(page: &LogPage) -> String {
    let rows = page
        .leaves
        .iter()
        .map(|leaf| {
            let kind = match leaf.kind {
                LeafKind::Entry => "entry",
                LeafKind::Decision => "decision",
                LeafKind::Ruling => "ruling",
                LeafKind::Epoch => "epoch",
            };
            let feed = leaf.feed.as_ref();
            [
                leaf.index.to_string(),
                leaf.epoch.to_string(),
                kind.into(),
                leaf.id.as_ref().map_or("-".into(), short),
                feed.map_or("-".into(), |feed| {
                    format!("{} ({} {})", plain(&feed.partner), feed.lane, feed.length)
                }),
                format!("{}{}", what(leaf), if leaf.certified { "" } else { " (not certified yet)" }),
            ]
        })
        .collect();
    let mut text = headed(["INDEX", "EPOCH", "KIND", "ID", "FEED", "WHAT"], rows);
    text.push_str(&format!("{} leaves, {} of them certified\n", page.size, page.certified));
    text
}

/// What an entry says or did, and what else a leaf states; behind the title of the operation that it concerns.
fn what(leaf: &LeafView) -> String {
    let title = leaf.title.as_ref().map_or(String::new(), |title| format!("{}: ", plain(title)));
    let what = match (leaf.kind, &leaf.says, &leaf.outcome) {
        (LeafKind::Entry, Some(says), _) => says,
        (LeafKind::Entry, None, Some(outcome)) => outcome,
        _ => &leaf.text,
    };
    format!("{title}{}", brief(&plain(what)))
}
