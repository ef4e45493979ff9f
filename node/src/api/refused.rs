//! Records that came to nothing, and why: what its author sees in place of an operation.

use std::collections::{BTreeMap, BTreeSet};

use axum::http::StatusCode;
use entente_protocol::coalition::{Disposition, OperationRefusal, Refusal, Waiting, Waits, find_id};
use entente_protocol::identity::{PublicKey, RecordId};
use entente_protocol::leaf::{EntryLeaf, Leaf};
use entente_protocol::record::{Act, Body, Record};
use entente_protocol::store::{Archive as _, Damage};
use entente_protocol::time::Time;

use super::error::ApiError;
use crate::runtime::Handle;
use crate::storage::Store;

/// How many of the latest leaves are looked through for what was refused.
const MAX_LEAVES: usize = 512;
/// For how long it is told that a record was refused, in milliseconds: a day.
const TOLD_MS: u64 = 86_400_000;

/// Why nothing came of a record that is ordered, or what else it is than an operation.
pub(super) fn why(node: &Handle, id: RecordId) -> Result<Option<ApiError>, Damage> {
    let Some(index) = node.store().index_of(&id)? else { return Ok(None) };
    let Some(leaf) = node.store().leaf(index)? else { return Ok(None) };
    let Ok(Leaf::Entry(entry)) = Leaf::decode(&leaf.bytes) else { return Ok(None) };
    let at_leaf = format!("entente log --from {index} --limit 1");
    Ok(Some(match &entry.disposition {
        Disposition::Refused(refusal) => {
            let text = format!("{id} was refused at leaf {index}: {refusal}");
            ApiError::new(StatusCode::CONFLICT, "refused", text).next(holder(refusal).unwrap_or(at_leaf))
        }
        other => {
            let text = format!("{id} is the record at leaf {index}, {other}, and no operation");
            ApiError::unknown(text).next(at_leaf)
        }
    }))
}

/// Why nothing would come of a record that is held.
pub(super) fn held(
    text: &str,
    refused: Vec<(RecordId, Refusal)>,
    waiting: Vec<(RecordId, RecordId)>,
) -> Option<ApiError> {
    let refused = refused.into_iter().collect::<BTreeMap<_, _>>();
    if let Ok(id) = find_id(&refused, text) {
        let refusal = refused.get(&id)?;
        let text = format!(
            "{id} is held and not ordered; with what else is held here it would be refused: {refusal}"
        );
        let next = holder(refusal).unwrap_or_else(|| "entente status".into());
        return Some(ApiError::new(StatusCode::CONFLICT, "held", text).next(next));
    }
    let waiting = waiting.into_iter().collect::<BTreeMap<_, _>>();
    let id = find_id(&waiting, text).ok()?;
    let text = format!("{id} is held and waits for {}, which is not known here", waiting.get(&id)?);
    Some(ApiError::new(StatusCode::CONFLICT, "held", text).next("entente status"))
}

/// The command that shows who has what was claimed.
fn holder(refusal: &Refusal) -> Option<String> {
    match refusal {
        Refusal::Operation(OperationRefusal::Taken(taken)) => {
            Some(format!("entente op show {}", taken.holder))
        }
        _ => None,
    }
}

/// Records by these officers that were refused within a day before `now`, by id.
pub(super) fn lately(
    store: &Store,
    officers: &BTreeSet<PublicKey>,
    now: Time,
) -> Result<BTreeMap<RecordId, Waiting>, Damage> {
    let from = store.size()?.saturating_sub(MAX_LEAVES as u64);
    let (mut told, mut pending) = (BTreeMap::new(), BTreeMap::new());
    for (index, leaf) in store.leaves(from, MAX_LEAVES)? {
        match Leaf::decode(&leaf.bytes) {
            Ok(Leaf::Entry(entry)) => {
                if let (Some(id), Disposition::Refused(refusal)) = (entry.record, &entry.disposition)
                    && let Some(record) = record(store, &entry)?
                    && officers.contains(&record.signer)
                {
                    let waiting = Waiting {
                        what: Waits::Refused,
                        urgent: true,
                        about: Some(id),
                        title: words(&record.act),
                        why: format!("refused at leaf {index}: {refusal}"),
                        until_ms: None,
                        authority: None,
                    };
                    pending.insert(id, waiting);
                }
            }
            // A batch ends with its time.
            Ok(Leaf::Epoch(epoch)) if now.since(epoch.time) < TOLD_MS => told.append(&mut pending),
            Ok(Leaf::Epoch(_)) => pending.clear(),
            _ => {}
        }
    }
    told.append(&mut pending);
    Ok(told)
}

/// The record that an entry holds.
fn record(store: &Store, entry: &EntryLeaf) -> Result<Option<Record>, Damage> {
    let said = store.entry(&entry.feed, entry.length)?;
    Ok(said.and_then(|said| match Body::decode(&said.body) {
        Ok(Body::Signed(signed)) => Some(signed.record),
        _ => None,
    }))
}

/// What a record was meant to do.
fn words(act: &Act) -> String {
    match act.opening() {
        Some(open) => format!("{}: {}", open.kind, open.title),
        None => name(act).to_owned(),
    }
}

fn name(act: &Act) -> &'static str {
    match act {
        Act::Open(_) => "an opening",
        Act::Attest(_) => "an attestation",
        Act::Withdraw(_) => "a withdrawal",
        Act::Asset(_) => "a record about an asset",
        Act::Member(_) => "a record about membership",
        Act::Integrity(_) => "a report",
        Act::Handoff(_) => "a handoff",
        Act::Dispute(_) => "a dispute",
        Act::Authority(_) => "a word of an authority",
        Act::Key(_) => "a change of keys",
        Act::Lease(_) => "a commitment",
    }
}
