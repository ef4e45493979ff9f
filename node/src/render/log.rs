//! The ordered log as a table.

use super::plain;
use super::table::headed;
use crate::api::dto::{LeafKind, LogPage};

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
            [
                leaf.index.to_string(),
                leaf.epoch.to_string(),
                kind.into(),
                format!("{}{}", plain(&leaf.text), if leaf.certified { "" } else { " (not certified yet)" }),
            ]
        })
        .collect();
    let mut text = headed(["INDEX", "EPOCH", "KIND", "WHAT"], rows);
    text.push_str(&format!("{} leaves, {} of them certified\n", page.size, page.certified));
    text
}
