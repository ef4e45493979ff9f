//! Following: server-sent events from a log index on, or from now on.
//!
//! Guarantees: a follower that keeps up sees every ordered leaf from its index on once, without a gap between what was
//! stored and what comes. One that does not is told how many events it missed ([`EventView::Lagged`]) and can ask again
//! from the index that it has; it slows nobody.

use std::collections::VecDeque;
use std::convert::Infallible;

use axum::extract::State;
use axum::response::Sse;
use axum::response::sse::{Event, KeepAlive};
use futures::Stream;
use serde::Deserialize;
use tokio::sync::{broadcast, watch};

use super::dto::{DecisionView, EventView, LeafKind, LeafView, RulingView};
use super::error::{ApiError, Params};
use super::{log, names};
use crate::runtime::{Handle, Stopped};

/// Leaves that are read at once while a follower catches up.
const CATCH_UP_PAGE: usize = 256;

#[derive(Debug, Deserialize)]
pub(super) struct Asked {
    from: Option<u64>,
}

pub(super) async fn follow(
    State(node): State<Handle>,
    Params(asked): Params<Asked>,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, ApiError> {
    // Subscribed before the log is read: what is certified meanwhile comes twice, and is told once.
    let live = node.follow().events();
    let certified = log::certified(&node)?;
    let stopped = node.watch_stopped();
    let next = asked.from.unwrap_or(certified);
    let follower = Follower {
        node,
        live,
        stopped,
        next,
        told: next,
        stored: certified,
        live_from: next.max(certified),
        waiting: VecDeque::new(),
    };
    let events = futures::stream::unfold(follower, |mut follower| async move {
        let event = follower.next().await?;
        let event = Event::default()
            .json_data(&event)
            .unwrap_or_else(|error| Event::default().comment(error.to_string()));
        Some((Ok(event), follower))
    });
    Ok(Sse::new(events).keep_alive(KeepAlive::default()))
}

struct Follower {
    node: Handle,
    live: broadcast::Receiver<EventView>,
    stopped: watch::Receiver<Option<std::sync::Arc<Stopped>>>,
    /// The next leaf that was not read.
    next: u64,
    /// The last leaf that was told; before there is one, the first that will be.
    told: u64,
    /// Leaves that are read from the log; later ones come live.
    stored: u64,
    /// The first leaf that is told live.
    live_from: u64,
    waiting: VecDeque<EventView>,
}

impl Follower {
    async fn next(&mut self) -> Option<EventView> {
        loop {
            if let Some(event) = self.waiting.pop_front() {
                self.note(&event);
                return Some(event);
            }
            if self.next < self.stored {
                let limit = usize::try_from(self.stored - self.next).unwrap_or(usize::MAX).min(CATCH_UP_PAGE);
                let leaves = log::leaves(&self.node, self.next, limit, self.stored).ok()?;
                // A log has gaps where a copy of the state took the place of what was before it.
                self.next = leaves.last().map_or(self.stored, |leaf| leaf.index.saturating_add(1));
                let before = leaves.into_iter().filter(|leaf| leaf.index < self.stored);
                let events = before.filter_map(event).collect::<Vec<_>>();
                let waiting = self.node.ask(move |engine, _| with_words(engine.state(), events)).await?;
                self.waiting.extend(waiting);
                continue;
            }
            let live = tokio::select! {
                biased;
                live = self.live.recv() => live,
                _ = self.stopped.wait_for(Option::is_some) => return None,
            };
            match live {
                Ok(EventView::Ordered { index, .. } | EventView::Told { index, .. })
                    if index < self.live_from => {}
                Ok(EventView::Decided { decision, .. }) if decision.index < Some(self.live_from) => {}
                Ok(EventView::Ruled { ruling, .. }) if ruling.index < self.live_from => {}
                Ok(event) => {
                    self.note(&event);
                    return Some(event);
                }
                Err(broadcast::error::RecvError::Lagged(missed)) => {
                    return Some(EventView::Lagged { missed, from: self.told });
                }
                Err(broadcast::error::RecvError::Closed) => return None,
            }
        }
    }

    /// Notes how far the log was told. What a leaf says comes behind it and may be missed, so that leaf counts as not told yet.
    fn note(&mut self, event: &EventView) {
        let index = match event {
            EventView::Ordered { index, .. } => Some(*index),
            EventView::Decided { decision, .. } => decision.index,
            EventView::Ruled { ruling, .. } => Some(ruling.index),
            _ => None,
        };
        self.told = self.told.max(index.unwrap_or(0));
    }
}

/// The same with titles, each entry followed by what it says.
fn with_words(state: &entente_protocol::coalition::State, events: Vec<EventView>) -> Vec<EventView> {
    let mut all = Vec::with_capacity(2 * events.len());
    for event in events {
        match event {
            EventView::Ordered { id, index, epoch, feed, outcome, .. } => {
                let seen = state.seen(&id).filter(|seen| seen.index == index);
                let told = seen.and_then(|_| state.told(&id));
                let title = told.as_ref().and_then(|told| told.title.clone());
                let outcome = names::named(state, &outcome);
                all.push(EventView::Ordered { id, index, epoch, feed, outcome, title });
                all.extend(told.map(|told| EventView::Told { index, told: Box::new(told) }));
            }
            EventView::Decided { decision, .. } => all.push(EventView::decided(state, decision)),
            EventView::Ruled { ruling, .. } => all.push(EventView::ruled(state, ruling)),
            other => all.push(other),
        }
    }
    all
}

/// A stored leaf as the event that told of it, without what the state knows.
fn event(leaf: LeafView) -> Option<EventView> {
    match leaf.kind {
        LeafKind::Entry => Some(EventView::Ordered {
            id: leaf.id?,
            index: leaf.index,
            epoch: leaf.epoch,
            feed: leaf.feed?,
            outcome: leaf.outcome?,
            title: None,
        }),
        LeafKind::Decision => Some(EventView::Decided {
            urgent: false,
            title: None,
            decision: DecisionView {
                operation: leaf.id?,
                index: Some(leaf.index),
                outcome: leaf.outcome?,
                explanation: leaf.text,
            },
        }),
        LeafKind::Ruling => Some(EventView::Ruled {
            urgent: false,
            title: None,
            ruling: RulingView {
                dispute: leaf.id?,
                index: leaf.index,
                outcome: leaf.outcome?,
                explanation: leaf.text,
            },
        }),
        LeafKind::Epoch => None,
    }
}
