//! Record feeds as they are held: bodies, hashes and signatures, for whoever checks a chain with other tools.

use axum::Json;
use axum::extract::{Path, State};
use data_encoding::HEXLOWER;
use entente_protocol::feed::{FeedKey, Head, Lane};
use entente_protocol::identity::PublicKey;
use entente_protocol::store::{Archive as _, Damage};
use serde::Deserialize;

use super::dto::{EntryView, FeedPage};
use super::error::{Answer, ApiError, Params};
use crate::runtime::Handle;

/// Most entries of one page.
pub const MAX_FEED_PAGE: usize = 512;
/// Entries of a page where no limit is given.
const DEFAULT_FEED_PAGE: usize = 100;

#[derive(Debug, Deserialize)]
pub(super) struct Asked {
    from: Option<u64>,
    limit: Option<usize>,
}

pub(super) async fn page(
    State(node): State<Handle>,
    Path((name, lane)): Path<(String, String)>,
    Params(asked): Params<Asked>,
) -> Answer<FeedPage> {
    let lane = lane.parse::<Lane>().map_err(ApiError::bad_request)?;
    let author = author(&node, &name)?;
    let store = node.store();
    let held = store.feeds()?.into_iter().filter(|(feed, _)| feed.node == author && feed.lane == lane);
    // The author's last start from an old store counts.
    let (feed, head) = held.max_by_key(|(feed, _)| feed.incarnation).unwrap_or_else(|| {
        let feed = FeedKey { node: author, lane, incarnation: 0 };
        (feed, Head { length: 0, hash: store.feed_root(&feed) })
    });
    let limit = asked.limit.unwrap_or(DEFAULT_FEED_PAGE).min(MAX_FEED_PAGE);
    let mut entries = Vec::new();
    for length in (asked.from.unwrap_or(1).max(1)..=head.length).take(limit) {
        let entry = store.entry(&feed, length)?.ok_or_else(|| Damage {
            what: format!("entry {length} of the {lane} feed of {author}"),
            why: "it is held and missing".into(),
        })?;
        let body = HEXLOWER.encode(&entry.body);
        entries.push(EntryView { length, hash: entry.hash, body, signature: entry.signature });
    }
    let partner = node.partner_of(&author);
    let root = store.feed_root(&feed);
    Ok(Json(FeedPage {
        coalition: node.identity().coalition,
        partner,
        feed,
        root,
        length: head.length,
        entries,
    }))
}

/// The node of this key, or the one node of the partner of this name.
fn author(node: &Handle, name: &str) -> Result<PublicKey, ApiError> {
    let nodes = match name.parse::<PublicKey>() {
        // What a node said before it was revoked is still there to be read.
        Ok(key) => node.members().partner(&key).map(|_| vec![key]),
        Err(_) => node.members().names().contains(name).then(|| node.members().nodes_of(name)),
    };
    match nodes.as_deref() {
        Some([author]) => Ok(*author),
        Some(nodes) => {
            let keys = nodes.iter().map(PublicKey::to_string).collect::<Vec<_>>().join(", ");
            let reason = format!("{name} has {} nodes: {keys}", nodes.len());
            Err(ApiError::new(axum::http::StatusCode::CONFLICT, "ambiguous", reason)
                .next("entente feed NODE LANE"))
        }
        None => {
            let names = node.members().names().into_iter().collect::<Vec<_>>().join(", ");
            let reason = format!("{name:?} is no partner and no node; there are: {names}");
            Err(ApiError::unknown(reason).next("entente peer list"))
        }
    }
}
