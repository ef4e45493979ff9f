//! Records that came to nothing, and why: what its author sees in place of an operation.

use std::collections::BTreeMap;

use axum::http::StatusCode;
use entente_protocol::coalition::{Disposition, OperationRefusal, Refusal, Waiting, Waits, find_id};
use entente_protocol::identity::RecordId;
use entente_protocol::leaf::Leaf;
use entente_protocol::record::Act;
use entente_protocol::store::Damage;

use super::error::ApiError;
use crate::runtime::Handle;
use crate::runtime::refused::signed;
use crate::storage::Store;

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

/// These own records, which were refused at these leaves, as they are told of.
pub(super) fn told(store: &Store, refused: Vec<(u64, RecordId)>) -> Result<Vec<(RecordId, Waiting)>, Damage> {
    let mut told = Vec::with_capacity(refused.len());
    for (index, id) in refused {
        let Some(leaf) = store.leaf(index)? else { continue };
        let Ok(Leaf::Entry(entry)) = Leaf::decode(&leaf.bytes) else { continue };
        let Disposition::Refused(refusal) = &entry.disposition else { continue };
        let Some(signed) = signed(store, &entry)? else { continue };
        let waiting = Waiting {
            what: Waits::Refused,
            urgent: true,
            about: Some(id),
            title: words(&signed.record.act),
            why: format!("refused at leaf {index}: {refusal}"),
            until_ms: None,
            authority: None,
            role: None,
        };
        told.push((id, waiting));
    }
    Ok(told)
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
