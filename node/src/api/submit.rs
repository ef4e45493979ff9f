//! Submitting and waiting.
//!
//! Guarantees: who waits is registered before the record is submitted, so nothing is missed; an answer says how far the
//! record has come and, if no further, why. A client that goes away leaves no waiter behind, and waiters are bounded. Waiting ends at once when fewer than a quorum of seats can be reached: the
//! record is held, and waiting would not help.

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use entente_protocol::coalition::{Disposition, Verdict};
use entente_protocol::engine::{Held, Refused};
use entente_protocol::feed::Lane;
use entente_protocol::identity::RecordId;
use entente_protocol::leaf::Leaf;
use entente_protocol::record::{Body, MAX_BODY_BYTES, SignedRecord};
use entente_protocol::store::Archive as _;
use futures::future::join_all;
use serde::Deserialize;
use tokio::time::Instant;

use super::dto::{DecisionView, RecordState, Short, SubmitView, Wait};
use super::error::{Answer, ApiError, Content, Params};
use super::names;
use super::operations::Taken;
use crate::runtime::follow::{Place, TooManyWaiters, Waiter};
use crate::runtime::{Handle, SubmitError};
use crate::storage::body_id;

/// Longest wait, in ms; longer ones are cut to it.
pub const MAX_WAIT_MS: u64 = 24 * 3_600_000;
/// Wait where none is given, in ms.
const DEFAULT_WAIT_MS: u64 = 30_000;
/// How long fewer than a quorum must be reached before waiting ends: a link that is set up anew is gone for a moment.
const STALL_GRACE: Duration = Duration::from_millis(300);
/// Most notes of a batch.
pub const MAX_BATCH_NOTES: usize = 1024;
/// The command that shows who may do what.
const CHARTER: &str = "entente charter current";
/// Largest batch of notes, in bytes.
pub const MAX_BATCH_BYTES: usize = 1 << 20;

#[derive(Debug, Deserialize)]
pub(super) struct Asked {
    wait: Option<Wait>,
    timeout_ms: Option<u64>,
    lane: Option<Lane>,
}

impl Asked {
    pub(super) fn deadline(&self) -> Instant {
        let wait = self.timeout_ms.unwrap_or(DEFAULT_WAIT_MS).min(MAX_WAIT_MS);
        Instant::now() + Duration::from_millis(wait)
    }
}

pub(super) async fn record(
    State(node): State<Handle>,
    Params(asked): Params<Asked>,
    Content(body): Content,
) -> Answer<SubmitView> {
    let (_, operation) = signed(&body)?;
    let wait = asked.wait.unwrap_or_default();
    if wait == Wait::Agreed && operation.is_none() {
        return Err(ApiError::bad_request(
            "this record opens and decides no operation: wait for held or ordered",
        ));
    }
    let work = Work { body: body.to_vec(), lane: asked.lane, operation, wait };
    Ok(Json(submit(&node, work, asked.deadline()).await?))
}

pub(super) async fn note(
    State(node): State<Handle>,
    Params(asked): Params<Asked>,
    Content(note): Content,
) -> Answer<SubmitView> {
    let work = note_work(&asked, &note)?;
    Ok(Json(submit(&node, work, asked.deadline()).await?))
}

pub(super) async fn batch(
    State(node): State<Handle>,
    Params(asked): Params<Asked>,
    Content(notes): Content,
) -> Answer<Vec<SubmitView>> {
    let works = split(&notes)?.into_iter().map(|note| note_work(&asked, note));
    let works = works.collect::<Result<Vec<_>, _>>()?;
    let deadline = asked.deadline();
    // All are registered before any is submitted: where there is no room for all to wait, none is taken.
    let registered =
        works.into_iter().map(|work| Registered::new(&node, work)).collect::<Result<Vec<_>, _>>()?;
    let submitted = join_all(registered.into_iter().map(|work| work.submit(&node, deadline))).await;
    let all = submitted.len();
    let taken = submitted.iter().filter(|result| result.is_ok()).count();
    let views = submitted.into_iter().collect::<Result<_, _>>();
    // Who submits all of it again should know that some would be said twice.
    Ok(Json(views.map_err(|error: ApiError| if taken > 0 { error.in_part(taken, all) } else { error })?))
}

/// The notes of a batch, each behind its length.
pub(super) fn split(batch: &[u8]) -> Result<Vec<&[u8]>, ApiError> {
    let mut notes = Vec::new();
    let mut rest = batch;
    while let Some((length, behind)) = rest.split_first_chunk() {
        let length = u32::from_le_bytes(*length) as usize;
        let Some((note, behind)) = behind.split_at_checked(length) else {
            return Err(ApiError::bad_request(format!("note {} is cut off", notes.len())));
        };
        if notes.len() == MAX_BATCH_NOTES {
            return Err(ApiError::bad_request(format!("more than {MAX_BATCH_NOTES} notes")));
        }
        notes.push(note);
        rest = behind;
    }
    if rest.is_empty() {
        Ok(notes)
    } else {
        Err(ApiError::bad_request(format!("{} bytes are left over", rest.len())))
    }
}

/// The record of a request, and the operation whose decision may be waited for.
pub(super) fn signed(body: &[u8]) -> Result<(SignedRecord, Option<RecordId>), ApiError> {
    let decoded =
        Body::decode(body).map_err(|error| ApiError::bad_request(format!("the record is {error}")))?;
    let Body::Signed(signed) = decoded else {
        return Err(ApiError::bad_request(
            "only signed records are taken here; notes have a request of their own",
        ));
    };
    let operation = signed.record.act.decides(signed.record.id());
    Ok((signed, operation))
}

pub(super) fn note_work(asked: &Asked, note: &[u8]) -> Result<Work, ApiError> {
    let wait = asked.wait.unwrap_or_default();
    if wait == Wait::Agreed {
        return Err(ApiError::bad_request("a note belongs to no operation: wait for held or ordered"));
    }
    let body = Body::Note(note.to_vec()).encode();
    if body.len() > MAX_BODY_BYTES {
        let reason = format!("an entry of {} bytes, at most {MAX_BODY_BYTES}", body.len());
        return Err(ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, "too_large", reason));
    }
    Ok(Work { body, lane: asked.lane, operation: None, wait })
}

/// A submission.
pub(super) struct Work {
    body: Vec<u8>,
    lane: Option<Lane>,
    /// What is decided when this is agreed.
    operation: Option<RecordId>,
    wait: Wait,
}

/// A submission whose waiters are registered: an answer that comes before the submission returns is not missed, and
/// whoever goes away is forgotten.
struct Registered {
    work: Work,
    ordered: Option<Waiter<Place>>,
    decided: Option<Waiter<DecisionView>>,
}

impl Registered {
    fn new(node: &Handle, work: Work) -> Result<Self, ApiError> {
        let (follow, wait) = (node.follow(), work.wait);
        let id = body_id(&work.body);
        let ordered = (wait >= Wait::Ordered).then(|| follow.until_ordered(id)).transpose().map_err(busy)?;
        let operation = work.operation.filter(|_| wait == Wait::Agreed);
        let decided = operation.map(|operation| follow.until_decided(operation)).transpose().map_err(busy)?;
        Ok(Self { work, ordered, decided })
    }

    async fn submit(self, node: &Handle, deadline: Instant) -> Result<SubmitView, ApiError> {
        let Self { work: Work { body, lane, operation, wait }, ordered, decided } = self;
        let held = match node.submit(lane, body).await {
            Ok(held) => held,
            Err(error) => return Err(refused(node, error).await),
        };
        let mut view = held_view(&held);
        tokio::select! {
            done = wait_for(node, &mut view, operation, ordered, decided) => done?,
            code = cut_short(node, deadline), if wait != Wait::Held => view.code = Some(code),
        }
        if view.code == Some(Short::Stalled) {
            view.missing = missing(node).await;
        }
        if view.code == Some(Short::Timeout) {
            let id = view.id.to_string();
            let shows = node.ask(move |engine, _| names::leads_to(engine.state(), &id)).await;
            view.next = shows.flatten();
        }
        Ok(view)
    }
}

/// A refusal with titles beside its ids, and where to look.
async fn refused(node: &Handle, error: SubmitError) -> ApiError {
    let SubmitError::Refused(Refused { code, reason }) = error else { return error.into() };
    let denied = matches!(code.as_str(), "denied" | "undeclared");
    let (reason, next) = named(node, reason).await;
    let error = ApiError::from(SubmitError::Refused(Refused { code, reason }));
    if denied { error.next(next.unwrap_or_else(|| CHARTER.into())) } else { error }
}

/// Why something has no effect, with titles beside ids, and the command that shows what it names.
async fn named(node: &Handle, reason: String) -> (String, Option<String>) {
    let asked = reason.clone();
    let found = node.ask(move |engine, _| {
        let state = engine.state();
        (names::named(state, &asked), names::leads_to(state, &asked))
    });
    // A node that stops has no names to give.
    found.await.unwrap_or((reason, None))
}

fn busy(error: TooManyWaiters) -> ApiError {
    ApiError::new(StatusCode::TOO_MANY_REQUESTS, "busy", format!("{error}; this one was not taken"))
        .next("submit it again with --wait held, which needs no place, or when others have their answers")
}

async fn submit(node: &Handle, work: Work, deadline: Instant) -> Result<SubmitView, ApiError> {
    Registered::new(node, work)?.submit(node, deadline).await
}

fn held_view(held: &Held) -> SubmitView {
    SubmitView {
        id: held.id,
        state: RecordState::Held,
        code: None,
        place: held.place,
        index: None,
        epoch: None,
        outcome: None,
        next: None,
        decision: None,
        missing: Vec::new(),
    }
}

/// Waits for what is wanted, and notes in `view` how far the record has come.
async fn wait_for(
    node: &Handle,
    view: &mut SubmitView,
    operation: Option<RecordId>,
    ordered: Option<Waiter<Place>>,
    decided: Option<Waiter<DecisionView>>,
) -> Result<(), ApiError> {
    let Some(ordered) = ordered else { return Ok(()) };
    let place = match already_ordered(node, &view.id).await? {
        Some(place) => place,
        None => match ordered.await {
            Ok(place) => place,
            Err(_) => return stopping(view),
        },
    };
    view.state = RecordState::Ordered;
    view.index = Some(place.index);
    view.epoch = Some(place.epoch);
    let void = is_void(node, &place)?;
    if void {
        let (outcome, next) = named(node, place.outcome).await;
        (view.outcome, view.next) = (Some(outcome), next);
        view.code = Some(Short::Void);
        return Ok(());
    }
    view.outcome = Some(place.outcome);
    let (Some(decided), Some(operation)) = (decided, operation) else {
        return Ok(());
    };
    let taken = node.ask(move |engine, _| Taken::of(engine, &operation)).await.unwrap_or_default();
    let decision = match super::operations::decision(node, &operation, &taken)? {
        Some(decision) => decision,
        None => match decided.await {
            Ok(decision) => decision,
            Err(_) => return stopping(view),
        },
    };
    view.state = match decision.outcome == Verdict::Agreed.name() {
        true => RecordState::Agreed,
        false => RecordState::Decided,
    };
    view.decision = Some(decision);
    Ok(())
}

fn stopping(view: &mut SubmitView) -> Result<(), ApiError> {
    view.code = Some(Short::Stopping);
    Ok(())
}

/// Why waiting ends before its time.
async fn cut_short(node: &Handle, deadline: Instant) -> Short {
    let mut stopped = node.watch_stopped();
    tokio::select! {
        () = tokio::time::sleep_until(deadline) => Short::Timeout,
        () = stalled(node) => Short::Stalled,
        _ = stopped.wait_for(Option::is_some) => Short::Stopping,
    }
}

/// Returns when fewer than a quorum of seats are reached, and not only for a moment.
async fn stalled(node: &Handle) {
    let mut reach = node.follow().reach();
    loop {
        if reach.wait_for(|reached| *reached == Some(false)).await.is_err() {
            return std::future::pending().await;
        }
        let back = reach.wait_for(|reached| *reached != Some(false));
        if tokio::time::timeout(STALL_GRACE, back).await.is_err() {
            return;
        }
    }
}

/// Partners whose seats cannot be reached.
async fn missing(node: &Handle) -> Vec<String> {
    let reachable = node.ask(|engine, now| engine.status(now).reachable).await.unwrap_or_default();
    let partners = node.founded().partners().iter().enumerate();
    partners
        .filter(|(seat, _)| !reachable.iter().any(|reached| reached.index() == *seat))
        .map(|(_, partner)| partner.name.to_string())
        .collect()
}

/// Where a record stands in the certified log.
async fn already_ordered(node: &Handle, id: &RecordId) -> Result<Option<Place>, ApiError> {
    let store = node.store();
    let Some(index) = store.index_of(id)? else {
        // Of what was ordered before the state that this node took only what had effect is known.
        let floor = store.floor()?.map_or(0, |floor| floor.epoch);
        let place = |index| Place { index, epoch: floor, outcome: Disposition::Applied.to_string() };
        return Ok(super::log::taken_index(node, *id).await?.map(place));
    };
    let Some(leaf) = store.leaf(index)? else {
        return Ok(None);
    };
    let outcome = match Leaf::decode(&leaf.bytes) {
        Ok(Leaf::Entry(entry)) => entry.disposition.to_string(),
        _ => return Err(ApiError::internal(format!("leaf {index} is no entry"))),
    };
    Ok(Some(Place { index, epoch: leaf.epoch, outcome }))
}

/// Whether an ordered record has no effect.
fn is_void(node: &Handle, place: &Place) -> Result<bool, ApiError> {
    if place.outcome == Disposition::Applied.to_string() {
        return Ok(false);
    }
    let leaf = node.store().leaf(place.index)?;
    Ok(leaf.is_some_and(|leaf| match Leaf::decode(&leaf.bytes) {
        Ok(Leaf::Entry(entry)) => {
            matches!(entry.disposition, Disposition::Refused(_) | Disposition::Void { .. })
        }
        _ => false,
    }))
}
