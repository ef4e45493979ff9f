//! Operations, with what is held and not ordered yet beside what is ordered.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::{Path, State};
use entente_protocol::coalition::{self, AssetView, Decision, Deficit, Provisional, Status, find_id};
use entente_protocol::engine::{Engine, NodeId};
use entente_protocol::feed::FeedKey;
use entente_protocol::identity::RecordId;
use entente_protocol::leaf::Leaf;
use entente_protocol::record::{Body, SignedRecord};
use entente_protocol::time::Time;
use serde::Deserialize;

use super::dto::{AttestationView, CommitmentView, DecisionView, OperationView, RecordState};
use super::error::{Answer, ApiError, LIST, Params};
use super::{names, refused};
use crate::runtime::Handle;

/// Most signatures of held records that provisional views check, the same share of each node: one of a record, and those that it
/// carries.
const MAX_HELD: usize = 512;
/// Most operations of a list.
const MAX_OPERATIONS: usize = 1000;
/// What the operations of a list may come to, in bytes as JSON: well below what a client reads.
const MAX_LIST_BYTES: usize = 32 << 20;

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
    let mut room = MAX_LIST_BYTES;
    let known = node
        .ask(move |engine, now| Known::latest(engine, now, limit))
        .await
        .ok_or_else(ApiError::stopping)?;
    let views = known.operations.into_values().map(|both| both.view(&node)).collect::<Result<Vec<_>, _>>();
    let mut views = views?;
    views.sort_by_key(|view| (view.index.unwrap_or(u64::MAX), view.id));
    // The latest that fit: members decide how much there is to say.
    let fits = views.iter().rev().take_while(|view| {
        let fits = json_bytes(view) <= room;
        room = room.saturating_sub(json_bytes(view));
        fits
    });
    let older = views.len() - fits.count();
    Ok(Json(views.split_off(older)))
}

pub(super) async fn show(State(node): State<Handle>, Path(text): Path<String>) -> Answer<OperationView> {
    find(&node, text).await.map(Json)
}

/// What an operation comes to as JSON, in bytes: at most, since a byte of text may be written as two.
fn json_bytes(view: &OperationView) -> usize {
    const FIXED: usize = 1024;
    let body = view.body.iter().map(|(name, value)| name.len() + 2 * value.len() + 8).sum::<usize>();
    let caveat = |said: &AttestationView| {
        FIXED + said.caveat.as_ref().map_or(0, |caveat| 2 * caveat.len()) + 64 * said.evidence.len()
    };
    let said = view.attestations.iter().map(caveat).sum::<usize>();
    let claims = view.claims.iter().map(|claim| 2 * claim.len() + 8).sum::<usize>();
    let texts =
        claims + view.deficit.iter().map(|line| line.len() + 4).sum::<usize>() + view.explanation.len();
    let text = |text: &String| text.len() + 4;
    let committed =
        |it: &CommitmentView| FIXED + 2 * it.explanation.len() + it.leases.iter().map(text).sum::<usize>();
    let committed = view.commitments.iter().map(committed).sum::<usize>();
    let served = |it: &AssetView| {
        let told = [&it.title, &it.caveat, &it.ground].into_iter().flatten().map(String::len).sum::<usize>();
        FIXED + 2 * (told + it.label.len() + it.kind.len()) + 36 * it.may_control.len()
    };
    let committed = committed + view.assets.iter().map(served).sum::<usize>();
    let lease = view
        .under_lease
        .as_ref()
        .map_or(0, |under| FIXED + 2 * under.lacks.len() + under.leases.iter().map(text).sum::<usize>());
    let held = view.provisional_deficit.iter().flatten().map(text).sum::<usize>();
    let changes = view.changes.iter().map(text).sum::<usize>();
    let notes = [&view.limits, &view.lead_away, &view.moot].into_iter().flatten().map(text).sum::<usize>();
    let texts = texts + held + changes + notes;
    let decided = view.decision.as_ref().map_or(0, |decision| FIXED + decision.explanation.len());
    // A word stands in a voice and in a mandate, each with its ground.
    let spoken = view.authority.as_ref().map_or(0, |authority| {
        let grounds = authority.voices.iter().map(|voice| FIXED + 4 * voice.ground.len()).sum::<usize>();
        grounds + FIXED * authority.mandates.len() + 2 * authority.text.len()
    });
    FIXED + 2 * view.title.len() + committed + lease + body + said + 2 * texts + 2 * decided + spoken
}

/// The operation whose id begins with `text`; of one that has come to nothing, why.
pub(super) async fn find(node: &Handle, text: String) -> Result<OperationView, ApiError> {
    let asked = text.clone();
    let found =
        node.ask(move |engine, now| Known::one(engine, now, &asked)).await.ok_or_else(ApiError::stopping)?;
    match (found, text.parse()) {
        (Ok(both), _) => both.view(node),
        (Err(error), Ok(id)) if !error.is_other() => Err(refused::why(node, id)?.unwrap_or(error)),
        (Err(error), _) => Err(error),
    }
}

/// An operation as ordered records make it, and as those that are held would.
#[derive(Default)]
struct Both {
    ordered: Option<coalition::OperationView>,
    provisional: Option<coalition::OperationView>,
    taken: Taken,
}

/// What a copy of the state says that this node took: of what was ordered before it, it has no leaves.
#[derive(Default)]
pub(super) struct Taken {
    /// What was ordered before this index is certified.
    before: u64,
    /// The operation's decision, if it was decided then.
    decision: Option<Decision>,
    /// When the decision that holds was made.
    decided_at: Option<Time>,
}

impl Taken {
    pub(super) fn of(engine: &Engine, id: &RecordId) -> Self {
        let operation = engine.state().operation(id);
        Self {
            before: engine.floor().map_or(0, |floor| floor.size),
            decision: engine.taken_decision(id).cloned(),
            decided_at: operation.and_then(|it| Some(it.decision.as_ref()?.decided_at)),
        }
    }
}

impl Both {
    fn of(engine: &Engine, now: Time, id: &RecordId, provisional: Option<coalition::OperationView>) -> Self {
        let taken = Taken::of(engine, id);
        Self { ordered: engine.state().view(id, now), provisional, taken }
    }
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
        let mut operations = ids.map(|id| (id, Both::of(engine, now, &id, None))).collect::<BTreeMap<_, _>>();
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
        let Provisional { operations: held, refused, waiting } = provisional(engine, now);
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
            (Err(error), Err(_)) => {
                let other = names::something_else(state, text, "operation");
                return Err(match other.filter(|_| names::is_unknown(&error)) {
                    Some((what, show)) => ApiError::other(what).next(show),
                    None => refused::held(text, refused, waiting).unwrap_or_else(|| error.into()),
                });
            }
        };
        let provisional = held.into_iter().find(|view| view.id == id);
        Ok(Both::of(engine, now, &id, provisional))
    }
}

/// What would be if the held records came next. Their officers' signatures are checked here: the engine vouches only
/// for the nodes that carry them.
pub(super) fn provisional(engine: &Engine, now: Time) -> Provisional {
    let signed = |(feed, _, body): (FeedKey, u64, &[u8])| match Body::decode(body) {
        Ok(Body::Signed(signed)) => Some((feed.node, signed)),
        _ => None,
    };
    let each = MAX_HELD / engine.state().nodes().len().max(1);
    let held = shares(engine.held().filter_map(signed), each.max(1), SignedRecord::signatures);
    let held = held.into_iter().filter(SignedRecord::verify).collect::<Vec<_>>();
    engine.state().provisional(&held, now)
}

/// The first of each author that cost at most `each` together, in the order in which they come: who holds back much hides nobody
/// else's words.
pub(super) fn shares<T>(
    held: impl Iterator<Item = (NodeId, T)>,
    each: usize,
    cost: impl Fn(&T) -> usize,
) -> Vec<T> {
    let mut costs = BTreeMap::<NodeId, usize>::new();
    let within = held.filter(|(author, item)| {
        let spent = costs.entry(*author).or_default();
        *spent = spent.saturating_add(cost(item));
        *spent <= each
    });
    within.map(|(_, item)| item).collect()
}

impl Both {
    fn view(self, node: &Handle) -> Result<OperationView, ApiError> {
        let Self { ordered, provisional, taken } = self;
        let Some(base) = ordered.as_ref().or(provisional.as_ref()) else {
            return Err(ApiError::unknown("the operation is not known here any more"));
        };
        // Who was remanded has a decision in the log that does not hold any more.
        let decision = decision(node, &base.id, &taken)?;
        let certified = |id: &RecordId, index: Option<u64>| {
            Ok::<_, ApiError>(
                index.is_some_and(|index| index < taken.before) || node.store().index_of(id)?.is_some(),
            )
        };
        let is_certified = ordered.is_some() && certified(&base.id, base.index)?;
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
            let certified = said.index.is_some() && certified(&said.id, said.index)?;
            attestations.push(AttestationView {
                id: said.id,
                partner: said.partner.to_string(),
                role: said.role,
                stance: said.stance,
                caveat: said.caveat.clone(),
                evidence: said.evidence.clone(),
                withdrawn_by: said.withdrawn_by,
                supersedes: supersedes(said.id),
                state: if certified { RecordState::Ordered } else { RecordState::Held },
                counts: said.counts,
                index: said.index,
            });
        }
        let is_open = |status| matches!(status, Status::Open | Status::Due);
        let deficit = if is_open(shown) { missing(&base.deficit) } else { Vec::new() };
        let then = if is_open(expected) { missing(&all.deficit) } else { Vec::new() };
        let provisional_deficit = Some(then).filter(|then| *then != deficit);
        let under_lease = all.under_lease.clone().filter(|_| is_open(shown));
        let acts = under_lease.as_ref().is_some_and(|under| under.met) && is_open(expected);
        let expected = match acts {
            true => "agreed under lease",
            false => expected.name(),
        };
        Ok(OperationView {
            id: base.id,
            kind: base.kind.clone(),
            charter_version: base.charter_version,
            title: base.title.clone(),
            body: base.body.clone(),
            opened_by: base.opened_by.to_string(),
            lead: base.lead.to_string(),
            phase: base.phase.as_ref().map(ToString::to_string),
            concluded: base.concluded,
            over: base.over && decision.is_some(),
            limits: base.limits.clone().filter(|_| decision.is_some()),
            lead_away: base.lead_away.clone(),
            moot: base.moot.clone(),
            changes: base.changes.clone(),
            disputed: base.disputed,
            annulled: base.annulled,
            remanded: base.remanded,
            opened_at: base.index.and_then(|_| coalition_time(&base.opened_at)),
            closes_at: Some(Time(base.closes_ms)),
            precedence: base.precedence,
            raised: base.raised,
            authority: base.authority.clone(),
            claims: base.claims.clone(),
            stage: base.stage,
            state: match (&decision, is_certified) {
                (Some(_), _) if shown == Status::Agreed => RecordState::Agreed,
                (Some(_), _) => RecordState::Decided,
                (None, true) => RecordState::Ordered,
                (None, false) => RecordState::Held,
            },
            outcome: shown.name().to_owned(),
            explanation: base.explanation.clone(),
            deficit,
            provisional: (expected != shown.name()).then(|| expected.to_owned()),
            provisional_deficit,
            assets: base.assets.clone(),
            commitments: commitments(all, ordered.as_ref().filter(|_| decision.is_some())),
            under_lease,
            index: base.index,
            decision,
            attestations,
        })
    }
}

/// What is exactly missing, one thing a line; that somebody could still veto is for the explanation.
fn missing(deficit: &Deficit) -> Vec<String> {
    if deficit.is_met() && deficit.vetoed_by.is_empty() {
        return Vec::new();
    }
    let missing = Deficit { veto_unused: Vec::new(), ..deficit.clone() };
    missing.to_string().split("; ").map(str::to_owned).collect()
}

/// All that was committed, held or ordered; only what is decided has an end.
fn commitments(
    all: &coalition::OperationView,
    decided: Option<&coalition::OperationView>,
) -> Vec<CommitmentView> {
    let known = |id| decided?.commitments.iter().find(|known| known.id == id).cloned();
    let open = |held: &CommitmentView| CommitmentView {
        end: None,
        ended_at: None,
        ended_by: None,
        dispute: None,
        explanation: "provisional until the operation is decided".into(),
        ..held.clone()
    };
    all.commitments.iter().map(|it| known(it.id).unwrap_or_else(|| open(it))).collect()
}

fn coalition_time(text: &str) -> Option<Time> {
    entente_protocol::charter::parse_time(text)
}

/// The certified decision of an operation that holds: not one that was remanded.
pub(super) fn decision(
    node: &Handle,
    operation: &RecordId,
    taken: &Taken,
) -> Result<Option<DecisionView>, ApiError> {
    let Some(decided_at) = taken.decided_at else { return Ok(None) };
    let store = node.store();
    let Some(index) = store.decision_of(operation)? else {
        return Ok(taken.decision.as_ref().map(|decision| DecisionView::of(decision, None)));
    };
    let leaf = store.leaf(index)?.map(|leaf| Leaf::decode(&leaf.bytes));
    match leaf {
        Some(Ok(Leaf::Decision(decision))) if decision.decided_at != decided_at => Ok(None),
        Some(Ok(Leaf::Decision(decision))) => Ok(Some(DecisionView::of(&decision, Some(index)))),
        _ => Err(ApiError::internal(format!("leaf {index} is no decision"))),
    }
}

impl DecisionView {
    /// A decision that stands at `index` of the log, where that is known.
    pub fn of(decision: &Decision, index: Option<u64>) -> Self {
        Self {
            operation: decision.operation,
            index,
            outcome: decision.verdict.name().to_owned(),
            explanation: decision.explain().into_iter().skip(1).collect::<Vec<_>>().join("; "),
        }
    }
}

#[cfg(test)]
mod tests {
    use entente_protocol::identity::{SecretKey, hash};
    use entente_protocol::record::{Role, Stance};

    use super::*;

    #[test]
    fn a_node_that_holds_much_hides_nobody_elses_words() {
        let node = |seed| SecretKey::from_seed(&[seed; 32]).public();
        let (noisy, one, other) = (node(1), node(2), node(3));
        let flood = (0..100_000).map(|number| (noisy, number));
        let held = flood.chain([(one, 7), (other, 8), (one, 9)]);
        let taken = shares(held.clone(), MAX_HELD / 4, |_| 1);
        assert_eq!(taken.len(), MAX_HELD / 4 + 3);
        assert_eq!(taken[MAX_HELD / 4..], [7, 8, 9]);
        // What costs more takes more of its author's share, and of nobody else's.
        let dear = shares(held, 10, |number| if *number == 0 { 9 } else { 1 });
        assert_eq!(dear, [0, 1, 7, 8, 9]);
    }

    #[test]
    fn what_an_operation_comes_to_is_never_underestimated() {
        let id = RecordId(hash("test", &[b"an operation"]));
        let said = AttestationView {
            id,
            partner: "p".repeat(32),
            role: Role::Supporting,
            stance: Stance::Endorse,
            caveat: Some("\"".repeat(256)),
            evidence: vec![],
            withdrawn_by: None,
            supersedes: Some(id),
            state: RecordState::Ordered,
            counts: true,
            index: Some(u64::MAX),
        };
        let name = || "p".repeat(32).parse().expect("a name");
        let asset = AssetView {
            id,
            owner: name(),
            name: "a".repeat(32).parse().expect("a name"),
            kind: "k".repeat(32),
            label: "\"".repeat(256),
            controller: name(),
            operation: Some(id),
            title: Some("\"".repeat(256)),
            caveat: Some("\"".repeat(256)),
            may_control: vec![name(); 8],
            index: u64::MAX,
            lent_index: Some(u64::MAX),
            recalled_index: Some(u64::MAX),
            ground: Some("\"".repeat(256)),
        };
        let decision = DecisionView {
            operation: id,
            index: Some(u64::MAX),
            outcome: "agreed".into(),
            explanation: "\\".repeat(999),
        };
        let view = OperationView {
            id,
            kind: "k".repeat(32),
            charter_version: 1,
            title: "\"".repeat(120),
            body: (0..32).map(|name| (format!("{name:032}"), "\\".repeat(512))).collect(),
            opened_by: "p".repeat(32),
            lead: "p".repeat(32),
            phase: Some("p".repeat(32)),
            concluded: true,
            over: true,
            limits: Some("\"".repeat(64)),
            lead_away: Some("l".repeat(99)),
            moot: Some("m".repeat(99)),
            changes: vec!["\"".repeat(99); 3],
            disputed: Some(id),
            annulled: Some(id),
            remanded: Some(id),
            opened_at: Some(Time(u64::MAX)),
            precedence: None,
            raised: None,
            authority: None,
            claims: vec![],
            stage: coalition::Stage::First,
            closes_at: Some(Time(u64::MAX)),
            state: RecordState::Agreed,
            outcome: "agreed".into(),
            explanation: "\"".repeat(999),
            deficit: vec!["\"".repeat(99); 9],
            provisional: Some("agreed".into()),
            provisional_deficit: Some(vec!["\"".repeat(99); 9]),
            assets: vec![asset; 32],
            commitments: vec![
                CommitmentView {
                    id,
                    partner: "p".repeat(32).parse().expect("a name"),
                    leases: vec!["l".repeat(32); 4],
                    seen: u64::MAX,
                    index: Some(u64::MAX),
                    end: Some(coalition::Committed::Conflicted),
                    ended_at: Some("9999-12-31T23:59:59.999Z".into()),
                    ended_by: Some(u64::MAX),
                    dispute: Some(id),
                    explanation: "\"".repeat(999),
                };
                4
            ],
            under_lease: Some(coalition::UnderLease {
                partner: "p".repeat(32).parse().expect("a name"),
                leases: vec!["l".repeat(32); 4],
                met: false,
                lacks: "\"".repeat(999),
            }),
            index: Some(u64::MAX),
            decision: Some(decision),
            attestations: vec![said; 64],
        };
        let bytes = serde_json::to_vec(&view).expect("plain values").len();
        assert!(bytes <= json_bytes(&view), "{bytes} bytes, {} were reckoned", json_bytes(&view));
        assert!(json_bytes(&view) < 3 * bytes);
    }
}
