//! Operations, with what is held and not ordered yet beside what is ordered.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::{Path, State};
use entente_protocol::coalition::{self, Decision, Deficit, Provisional, Status, find_id};
use entente_protocol::engine::Engine;
use entente_protocol::identity::RecordId;
use entente_protocol::leaf::Leaf;
use entente_protocol::record::{Body, SignedRecord};
use entente_protocol::time::Time;
use serde::Deserialize;

use super::dto::{AttestationView, DecisionView, OperationView, RecordState};
use super::error::{Answer, ApiError, LIST, Params};
use crate::runtime::Handle;

/// Most held records that provisional views take in; each costs a signature check.
const MAX_HELD: usize = 512;
/// Most operations of a list.
const MAX_OPERATIONS: usize = 1000;

#[derive(Debug, Deserialize)]
pub(super) struct Listed {
    limit: Option<usize>,
}

/// The latest operations, oldest first; those that are only held come last.
pub(super) async fn list(
    State(node): State<Handle>,
    Params(listed): Params<Listed>,
) -> Answer<Vec<OperationView>> {
    let limit = listed.limit.unwrap_or(MAX_OPERATIONS).min(MAX_OPERATIONS);
    let known = node
        .ask(move |engine, now| Known::latest(engine, now, limit))
        .await
        .ok_or_else(ApiError::stopping)?;
    let views = known.operations.into_values().map(|both| both.view(&node)).collect::<Result<Vec<_>, _>>();
    let mut views = views?;
    views.sort_by_key(|view| (view.index.unwrap_or(u64::MAX), view.id));
    Ok(Json(views))
}

pub(super) async fn show(State(node): State<Handle>, Path(text): Path<String>) -> Answer<OperationView> {
    let found =
        node.ask(move |engine, now| Known::one(engine, now, &text)).await.ok_or_else(ApiError::stopping)?;
    Ok(Json(found?.view(&node)?))
}

/// The operation whose id begins with `text`.
pub(super) async fn find(node: &Handle, text: String) -> Result<OperationView, ApiError> {
    let found =
        node.ask(move |engine, now| Known::one(engine, now, &text)).await.ok_or_else(ApiError::stopping)?;
    found?.view(node)
}

/// An operation as ordered records make it, and as those that are held would.
#[derive(Default)]
struct Both {
    ordered: Option<coalition::OperationView>,
    provisional: Option<coalition::OperationView>,
}

struct Known {
    operations: BTreeMap<RecordId, Both>,
}

impl Known {
    fn latest(engine: &Engine, now: Time, limit: usize) -> Self {
        let state = engine.state();
        let mut latest =
            state.operations().map(|operation| (operation.index, operation.id)).collect::<Vec<_>>();
        latest.sort_unstable();
        let ids = latest.into_iter().rev().take(limit).map(|(_, id)| id);
        let mut operations = ids
            .map(|id| (id, Both { ordered: state.view(&id, now), provisional: None }))
            .collect::<BTreeMap<_, _>>();
        for view in provisional(engine, now).operations {
            let id = view.id;
            if view.index.is_none() || operations.contains_key(&id) {
                operations.entry(id).or_default().provisional = Some(view);
            }
        }
        Self { operations }
    }

    fn one(engine: &Engine, now: Time, text: &str) -> Result<Both, ApiError> {
        let state = engine.state();
        let held = provisional(engine, now).operations;
        let ordered = state.find_operation(text);
        let new = held
            .iter()
            .filter(|view| view.index.is_none())
            .map(|view| (view.id, ()))
            .collect::<BTreeMap<_, _>>();
        let id = match (ordered, find_id(&new, text)) {
            (Ok(id), Err(_)) | (Err(_), Ok(id)) => id,
            (Ok(one), Ok(_)) if one.to_string() == text => one,
            (Ok(one), Ok(two)) => {
                let reason = format!("{text:?} is ambiguous: {one}, {two}");
                return Err(ApiError::new(axum::http::StatusCode::CONFLICT, "ambiguous", reason).next(LIST));
            }
            (Err(error), Err(_)) => return Err(error.into()),
        };
        let provisional = held.into_iter().find(|view| view.id == id);
        Ok(Both { ordered: state.view(&id, now), provisional })
    }
}

/// What would be if the held records came next. Their officers' signatures are checked here: the engine vouches only
/// for the nodes that carry them.
fn provisional(engine: &Engine, now: Time) -> Provisional {
    let signed = |body: &[u8]| match Body::decode(body) {
        Ok(Body::Signed(signed)) => Some(signed),
        _ => None,
    };
    let held = engine.held().filter_map(|(_, _, body)| signed(body));
    let held = held.take(MAX_HELD).filter(SignedRecord::verify).collect::<Vec<_>>();
    engine.state().provisional(&held, now)
}

impl Both {
    fn view(self, node: &Handle) -> Result<OperationView, ApiError> {
        let Self { ordered, provisional } = self;
        let Some(base) = ordered.as_ref().or(provisional.as_ref()) else {
            return Err(ApiError::unknown("the operation is not known here any more"));
        };
        let decision = decision(node, &base.id)?;
        let certified = ordered.is_some() && node.store().index_of(&base.id)?.is_some();
        // A decision that is not certified is no decision yet.
        let shown = match base.status {
            Status::Open | Status::Due => base.status,
            _ if decision.is_some() => base.status,
            _ => Status::Open,
        };
        let expected = provisional.as_ref().map_or(base.status, |view| view.status);
        let all = provisional.as_ref().unwrap_or(base);
        let supersedes = |id: RecordId| {
            all.attestations.iter().find(|other| other.superseded_by == Some(id)).map(|other| other.id)
        };
        let mut attestations = Vec::new();
        for said in &all.attestations {
            let certified = said.index.is_some() && node.store().index_of(&said.id)?.is_some();
            attestations.push(AttestationView {
                id: said.id,
                partner: said.partner.to_string(),
                role: said.role,
                stance: said.stance,
                caveat: said.caveat.clone(),
                supersedes: supersedes(said.id),
                state: if certified { RecordState::Ordered } else { RecordState::Held },
                counts: said.counts,
                index: said.index,
            });
        }
        let is_open = matches!(shown, Status::Open | Status::Due);
        let deficit = if is_open && !(base.deficit.is_met() && base.deficit.vetoed_by.is_empty()) {
            // What is exactly missing; that somebody could still veto is for the explanation.
            let missing = Deficit { veto_unused: Vec::new(), ..base.deficit.clone() };
            missing.to_string().split("; ").map(str::to_owned).collect()
        } else {
            Vec::new()
        };
        Ok(OperationView {
            id: base.id,
            kind: base.kind.clone(),
            title: base.title.clone(),
            body: base.body.clone(),
            opened_by: base.opened_by.to_string(),
            opened_at: base.index.and_then(|_| coalition_time(&base.opened_at)),
            closes_at: Some(Time(base.closes_ms)),
            state: match (&decision, certified) {
                (Some(_), _) => RecordState::Agreed,
                (None, true) => RecordState::Ordered,
                (None, false) => RecordState::Held,
            },
            outcome: shown.name().to_owned(),
            explanation: base.explanation.clone(),
            deficit,
            provisional: (expected != shown).then(|| expected.name().to_owned()),
            index: base.index,
            decision,
            attestations,
        })
    }
}

fn coalition_time(text: &str) -> Option<Time> {
    entente_protocol::charter::parse_time(text)
}

/// The certified decision of an operation.
pub(super) fn decision(node: &Handle, operation: &RecordId) -> Result<Option<DecisionView>, ApiError> {
    let store = node.store();
    let Some(index) = store.decision_of(operation)? else {
        return Ok(None);
    };
    let leaf = store.leaf(index)?.map(|leaf| Leaf::decode(&leaf.bytes));
    match leaf {
        Some(Ok(Leaf::Decision(decision))) => Ok(Some(DecisionView::of(&decision, index))),
        _ => Err(ApiError::internal(format!("leaf {index} is no decision"))),
    }
}

impl DecisionView {
    /// A decision that stands at `index` of the log.
    pub fn of(decision: &Decision, index: u64) -> Self {
        Self {
            operation: decision.operation,
            index,
            outcome: decision.verdict.name().to_owned(),
            explanation: decision.explain().into_iter().skip(1).collect::<Vec<_>>().join("; "),
        }
    }
}
