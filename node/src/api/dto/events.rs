//! What is told to those who follow.

use entente_protocol::coalition::{IntegrityView, State, ToldView, Verdict};
use entente_protocol::identity::{Hash, PublicKey, RecordId};
use entente_protocol::record::Ruling;
use serde::{Deserialize, Serialize};

use super::{DecisionView, FaultView, FeedView, RulingView};

/// What happened, for those who follow.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum EventView {
    /// A record is durable here and not ordered yet.
    Held {
        /// Its id.
        id: RecordId,
        /// Where it stands.
        feed: FeedView,
        /// The title of the operation that it opens or is about, if its officer signed it and that is known.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        title: Option<String>,
    },
    /// An entry is in a certified batch.
    Ordered {
        /// The record's id.
        id: RecordId,
        /// Its place in the log.
        index: u64,
        /// The epoch.
        epoch: u64,
        /// Where it stands.
        feed: FeedView,
        /// What it did.
        outcome: String,
        /// The title of the operation that it concerns, if it was applied and concerns one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        title: Option<String>,
    },
    /// What an ordered record says: follows its [`EventView::Ordered`], if it was applied.
    Told {
        /// Its place in the log.
        index: u64,
        /// What it says.
        #[serde(flatten)]
        told: Box<ToldView>,
    },
    /// An operation was decided, and the decision is certified.
    Decided {
        /// Whether people should look at once: of immediate or flash precedence, or a member is suspended or expelled.
        #[serde(default)]
        urgent: bool,
        /// The operation's title.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        title: Option<String>,
        /// The decision.
        #[serde(flatten)]
        decision: DecisionView,
    },
    /// A dispute was ruled on, and the ruling is certified.
    Ruled {
        /// Whether people should look at once: of immediate or flash precedence, or something is annulled.
        #[serde(default)]
        urgent: bool,
        /// The title of the operation that it is about.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        title: Option<String>,
        /// The ruling.
        #[serde(flatten)]
        ruling: RulingView,
    },
    /// A checkpoint has `quorum` cosignatures.
    Certified {
        /// The epoch.
        epoch: u64,
        /// Size of the log.
        size: u64,
        /// Root of the log.
        root: Hash,
    },
    /// Which seats can be reached has changed.
    Reach {
        /// Partners whose seats can be reached.
        reachable: Vec<String>,
        /// Partners whose seats cannot.
        missing: Vec<String>,
        /// Seats needed.
        quorum: usize,
    },
    /// The state was taken as of an epoch's end; what was ordered before was not seen here.
    Taken {
        /// The epoch.
        epoch: u64,
        /// The index from which on this node has the log.
        size: u64,
    },
    /// This node was restored: its seat signs nothing any more.
    Silent {
        /// The seat.
        seat: u16,
        /// The incarnation in which the node writes.
        incarnation: u32,
    },
    /// An integrity event was opened or changed by what is certified.
    Integrity {
        /// Whether the charter has people alerted of it.
        urgent: bool,
        /// The log index of what changed it.
        index: u64,
        /// The event as it stood then.
        view: Box<IntegrityView>,
    },
    /// A fault.
    Fault(FaultView),
    /// A peer's stream is up.
    PeerUp {
        /// Its partner.
        partner: String,
        /// Its key.
        node: PublicKey,
    },
    /// A peer's stream is gone.
    PeerDown {
        /// Its partner.
        partner: String,
        /// Its key.
        node: PublicKey,
        /// Why.
        reason: String,
    },
    /// This follower was too slow: so many events are missing before the next one.
    Lagged {
        /// How many.
        missed: u64,
        /// Whoever follows again from this log index on misses no leaf; the last one that was told may come twice.
        #[serde(default)]
        from: u64,
    },
}

impl EventView {
    /// A decision, with what the state knows of its operation.
    pub(crate) fn decided(state: &State, decision: DecisionView) -> Self {
        let agrees = [Verdict::Agreed, Verdict::Limited].iter().any(|it| it.name() == decision.outcome);
        let told = state.told_decision(&decision.operation, agrees);
        let urgent = told.as_ref().is_some_and(|told| told.urgent);
        Self::Decided { urgent, title: told.map(|told| told.title), decision }
    }

    /// A ruling, with what the state knows of the operation that it is about.
    pub(crate) fn ruled(state: &State, ruling: RulingView) -> Self {
        let told = state.told_ruling(&ruling.dispute, ruling.outcome == Ruling::Annul.done());
        let urgent = told.as_ref().is_some_and(|told| told.urgent);
        Self::Ruled { urgent, title: told.map(|told| told.title), ruling }
    }
}

#[cfg(test)]
mod tests {
    use entente_protocol::coalition::{StoryEvent, StoryWord};
    use entente_protocol::feed::Lane;
    use entente_protocol::identity::{SecretKey, hash};
    use entente_protocol::record::{EventKind, Role};
    use entente_protocol::time::Time;

    use super::*;

    fn id() -> RecordId {
        RecordId(hash("test", &[b"id"]))
    }

    fn key() -> PublicKey {
        SecretKey::from_seed(&[7; 32]).public()
    }

    fn feed() -> FeedView {
        FeedView { partner: "norden".into(), node: key(), lane: Lane::Flash, incarnation: 0, length: 3 }
    }

    fn told() -> ToldView {
        ToldView {
            urgent: true,
            operation: Some(id()),
            title: Some("Corridor".into()),
            story: StoryEvent {
                at: "2026-11-25T06:00:00Z".into(),
                index: Some(7),
                partner: Some("norden".parse().expect("a name")),
                role: Some(Role::Lead),
                under: vec!["norden".parse().expect("a name")],
                what: StoryWord::Opened,
                text: "opens it".into(),
                record: Some(id()),
            },
        }
    }

    fn integrity() -> IntegrityView {
        let partner = || "norden".parse().expect("a name");
        IntegrityView {
            id: id(),
            kind: EventKind::Flood,
            status: "preliminary".into(),
            urgent: false,
            explanation: "one word more".into(),
            may_vote: vec![partner()],
            votes_missing: 1,
            against: Some(partner()),
            key: Some(key()),
            holder: Some(partner()),
            victim: None,
            reporter: partner(),
            node: Some(key()),
            text: "many".into(),
            evidence: vec![hash("test", &[b"evidence"])],
            proof: None,
            since: None,
            at: Time(5),
            last: Time(6),
            count: 9,
            crowded: 0,
            shown: None,
            index: Some(7),
            last_index: Some(8),
            confirmed: vec![],
            may_confirm: vec![partner()],
            missing: 1,
            settled_index: None,
            votes: vec![],
            quarantined_index: None,
            suspended_index: None,
            lifted_index: None,
        }
    }

    /// Of each kind of event the sample that follows that of the one before; a new kind needs one.
    fn next(event: &EventView) -> Option<EventView> {
        Some(match event {
            EventView::Held { .. } => EventView::Ordered {
                id: id(),
                index: 7,
                epoch: 2,
                feed: feed(),
                outcome: "applied".into(),
                title: Some("Corridor".into()),
            },
            EventView::Ordered { .. } => EventView::Told { index: 7, told: Box::new(told()) },
            EventView::Told { .. } => EventView::Decided {
                urgent: true,
                title: Some("Corridor".into()),
                decision: DecisionView {
                    operation: id(),
                    index: Some(8),
                    outcome: "agreed".into(),
                    explanation: "norden endorses".into(),
                },
            },
            EventView::Decided { .. } => EventView::Ruled {
                urgent: true,
                title: None,
                ruling: RulingView {
                    dispute: id(),
                    index: 9,
                    outcome: "annulled".into(),
                    explanation: "sudria says so".into(),
                },
            },
            EventView::Ruled { .. } => {
                EventView::Certified { epoch: 2, size: 10, root: hash("test", &[b"root"]) }
            }
            EventView::Certified { .. } => EventView::Reach {
                reachable: vec!["norden".into()],
                missing: vec!["sudria".into()],
                quorum: 2,
            },
            EventView::Reach { .. } => EventView::Taken { epoch: 9, size: 40 },
            EventView::Taken { .. } => EventView::Silent { seat: 1, incarnation: 2 },
            EventView::Silent { .. } => {
                EventView::Integrity { urgent: true, index: 7, view: Box::new(integrity()) }
            }
            EventView::Integrity { .. } => EventView::Fault(FaultView::new(
                Some("norden".into()),
                Some(key()),
                Some(0),
                "gap",
                "too far".into(),
            )),
            EventView::Fault(_) => EventView::PeerUp { partner: "norden".into(), node: key() },
            EventView::PeerUp { .. } => {
                EventView::PeerDown { partner: "norden".into(), node: key(), reason: "closed".into() }
            }
            EventView::PeerDown { .. } => EventView::Lagged { missed: 5, from: 17 },
            EventView::Lagged { .. } => return None,
        })
    }

    #[test]
    fn whatever_is_told_is_read_back_by_who_follows() {
        let first = EventView::Held { id: id(), feed: feed(), title: Some("Corridor".into()) };
        for event in std::iter::successors(Some(first), next) {
            let text = serde_json::to_string(&event).expect("plain data");
            let back = serde_json::from_str::<EventView>(&text);
            assert_eq!(back.unwrap_or_else(|error| panic!("{error}: {text}")), event, "{text}");
            let names = text.matches("\"event\":").count();
            assert_eq!(names, 1, "another field has the name of the tag: {text}");
        }
    }

    #[test]
    fn the_operations_page_names_each_kind_with_all_its_fields() {
        const PAGE: &str = include_str!("../../../../docs/operations.md");
        let first = EventView::Held { id: id(), feed: feed(), title: Some("Corridor".into()) };
        for event in std::iter::successors(Some(first), next) {
            let value = serde_json::to_value(&event).expect("plain data");
            let fields = value.as_object().expect("an object");
            let kind = format!("`{}`", fields["event"].as_str().expect("a word"));
            let of_kind = |line: &&str| line.split('|').nth(1).is_some_and(|kinds| kinds.contains(&kind));
            let row = PAGE.lines().find(of_kind).unwrap_or_else(|| panic!("no row of {kind}"));
            for field in fields.keys().filter(|field| *field != "event") {
                assert!(row.contains(&format!("`{field}`")), "{field} is not in the row: {row}");
            }
        }
    }
}
