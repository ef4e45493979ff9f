//! A record feed as a table.

use super::table::headed;
use crate::api::dto::FeedPage;

/// Bytes of a body that a line shows, in hex.
const SHOWN_CHARS: usize = 32;

/// Entries, one line each.
pub(crate) fn page(page: &FeedPage) -> String {
    let rows = page
        .entries
        .iter()
        .map(|entry| {
            let more = if entry.body.len() > SHOWN_CHARS { ".." } else { "" };
            [
                entry.length.to_string(),
                entry.hash.to_string(),
                if entry.signature.is_some() { "yes" } else { "" }.to_owned(),
                format!("{}{more}", entry.body.chars().take(SHOWN_CHARS).collect::<String>()),
            ]
        })
        .collect();
    let mut text = headed(["LENGTH", "HASH", "SIGNED", "BODY"], rows);
    text.push_str(&format!("{} entries of {} ({}) held\n", page.length, page.partner, page.feed.lane));
    text
}
