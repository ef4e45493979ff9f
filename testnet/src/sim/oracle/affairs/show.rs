//! States that processes show, against what follows from the log and against each other.

use std::collections::BTreeSet;

use entente_protocol::charter::PartnerName;
use entente_protocol::coalition::{Author, Committed, EventStatus, Membership, State};
use entente_protocol::identity::{Hash, PublicKey, RecordId};

use super::leases::hold_apart;
use super::{Affairs, alliances};

/// A commitment, its operation, who committed it, how it ended, and the dispute about it.
pub(super) type ShownCommitment = (RecordId, RecordId, PartnerName, Option<Committed>, Option<RecordId>);

/// What a state says of who leads, who owns, who is in, for comparison with what follows from the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Shown {
    pub(super) leads: Vec<(RecordId, PartnerName)>,
    /// Owner, and the operation in which it serves.
    pub(super) assets: Vec<(RecordId, PartnerName, Option<RecordId>)>,
    pub(super) moved: Vec<RecordId>,
    pub(super) members: Vec<(PartnerName, Membership)>,
    pub(super) version: u32,
    /// What was committed of which operation by whom, how it ended, and the dispute about it.
    pub(super) commitments: Vec<ShownCommitment>,
    pub(super) roots: Vec<(PartnerName, Option<PublicKey>)>,
    pub(super) officers: Vec<(PartnerName, Vec<PublicKey>)>,
    /// In the order of their feeds.
    pub(super) nodes: Vec<PublicKey>,
    /// Later versions of the alliance's document.
    pub(super) documents: Vec<Hash>,
}

impl Shown {
    fn of(state: &State) -> Self {
        let assets = state.assets().map(|asset| {
            let serves = state.serves(asset).map(|(_, operation)| operation.id);
            (asset.id, asset.owner.clone(), serves)
        });
        let partners = || state.last_charter().members().map(|partner| partner.name.clone());
        let mut shown = Self {
            leads: state.operations().map(|operation| (operation.id, operation.lead.clone())).collect(),
            assets: assets.collect(),
            moved: state.handoffs().filter(|handoff| handoff.has_moved()).map(|handoff| handoff.id).collect(),
            members: partners().map(|name| (name.clone(), state.membership(&name))).collect(),
            version: state.charter().version,
            commitments: state
                .commitments()
                .map(|it| {
                    let (how, dispute) = (it.end.map(|end| end.how), it.end.and_then(|end| end.dispute));
                    (it.id, it.operation, it.partner.clone(), how, dispute)
                })
                .collect(),
            roots: partners().map(|name| (name.clone(), state.root_of(&name))).collect(),
            officers: partners().map(|name| (name.clone(), state.officers_of(&name))).collect(),
            nodes: state.nodes().into_iter().map(|(key, _)| key).collect(),
            documents: state.alliances().map(|ordered| ordered.document.hash()).collect(),
        };
        shown.sort();
        shown
    }

    fn sort(&mut self) {
        self.leads.sort();
        self.assets.sort();
        self.moved.sort();
        self.members.sort_by(|one, other| one.0.cmp(&other.0));
        self.commitments.sort();
        self.roots.sort();
        self.officers.iter_mut().for_each(|(_, officers)| officers.sort());
        self.officers.sort();
    }
}

impl Affairs {
    /// The same from the log.
    fn expected(&self) -> Shown {
        let assets = self.assets.iter().map(|(id, asset)| {
            let gone =
                matches!(self.members.get(&asset.owner), Some(Membership::Expelled | Membership::Withdrawn));
            let lent = asset.lent.filter(|operation| {
                !gone && self.operations.get(operation).is_some_and(|operation| !operation.is_over())
            });
            (*id, asset.owner.clone(), lent)
        });
        let members = self.last().members().map(|partner| {
            (partner.name.clone(), self.members.get(&partner.name).copied().unwrap_or(Membership::Active))
        });
        let partners = || self.last().members().map(|partner| &partner.name);
        let mut expected = Shown {
            leads: self.operations.iter().map(|(id, operation)| (*id, operation.lead.clone())).collect(),
            assets: assets.collect(),
            moved: self.offers.iter().filter(|(_, offer)| offer.moved).map(|(id, _)| *id).collect(),
            members: members.collect(),
            version: self.in_force,
            commitments: self
                .commitments
                .iter()
                .map(|(id, it)| (*id, it.operation, it.partner.clone(), it.end, self.dispute_of(id)))
                .collect(),
            roots: partners().map(|name| (name.clone(), self.keys.root(name))).collect(),
            officers: partners().map(|name| (name.clone(), self.keys.officers(name))).collect(),
            nodes: self.nodes(),
            documents: self.documents.iter().map(|(document, _)| alliances::hash_of(document)).collect(),
        };
        expected.sort();
        expected
    }

    /// Whether a state is what the log makes it.
    pub(super) fn compare(&self, shown: &Shown) -> Result<(), String> {
        let expected = self.expected();
        let differ = |what: &str, shown: String, expected: String| {
            Err(format!("{what} {shown}, where the log makes it {expected}"))
        };
        let only = |one: String, other: String| (one, other);
        let parts = [
            ("leads", only(format!("{:?}", shown.leads), format!("{:?}", expected.leads))),
            ("assets", only(format!("{:?}", shown.assets), format!("{:?}", expected.assets))),
            ("moved roles", only(format!("{:?}", shown.moved), format!("{:?}", expected.moved))),
            ("members", only(format!("{:?}", shown.members), format!("{:?}", expected.members))),
            ("commitments", only(format!("{:?}", shown.commitments), format!("{:?}", expected.commitments))),
            ("roots", only(format!("{:?}", shown.roots), format!("{:?}", expected.roots))),
            ("officers", only(format!("{:?}", shown.officers), format!("{:?}", expected.officers))),
            ("nodes", only(format!("{:?}", shown.nodes), format!("{:?}", expected.nodes))),
            ("documents", only(format!("{:?}", shown.documents), format!("{:?}", expected.documents))),
            ("versions", only(shown.version.to_string(), expected.version.to_string())),
        ];
        match parts.into_iter().find(|(_, (shown, expected))| shown != expected) {
            Some((what, (shown, expected))) => differ(what, shown, expected),
            None => Ok(()),
        }
    }

    /// No event is confirmed without proof by fewer independent partners than the charter asks.
    fn events(&self, state: &State) -> Result<(), String> {
        for event in state.events() {
            let (Author::Officer(reporter), EventStatus::Confirmed { by_proof: false, .. }) =
                (&event.author, &event.status)
            else {
                continue;
            };
            let same = |named: &RecordId| {
                let id = &self.event_of(*named);
                *id == event.id
                    || self
                        .reports
                        .get(id)
                        .is_some_and(|(by, matter)| by == reporter && *matter == event.matter)
            };
            let confirmed = self.confirmed.iter().filter(|(_, id)| same(id)).map(|(partner, _)| partner);
            let mut partners = confirmed.chain([reporter]).collect::<BTreeSet<_>>();
            partners.retain(|partner| event.matter.against.as_ref() != Some(*partner));
            let needed = self.charter.integrity.confirmations as usize;
            if partners.len() < needed.max(2) {
                return Err(format!("event {} is confirmed by {partners:?}, of {needed} needed", event.id));
            }
        }
        Ok(())
    }

    /// A process shows its state after an epoch: what the log makes it, with the root that the log states, like all others.
    pub(in crate::sim) fn shows(&mut self, process: usize, epoch: u64, state: &State) -> Result<(), String> {
        if epoch == 0 {
            return Ok(());
        }
        if self.roots.get(&epoch) != Some(&state.root()) {
            return Err(format!(
                "process {process} has another state after epoch {epoch} than its record states"
            ));
        }
        if self.roots.keys().next_back() == Some(&epoch) {
            let wrong = |why: String| format!("process {process} shows {why}");
            self.compare(&Shown::of(state)).map_err(wrong)?;
            self.events(state).map_err(wrong)?;
            hold_apart(state).map_err(wrong)?;
        }
        let views = views(state);
        match self.shown.get(&epoch) {
            Some((other, shown)) if *shown != views => Err(format!(
                "after epoch {epoch} process {process} shows\n{views}\nand process {other}\n{shown}"
            )),
            Some(_) => Ok(()),
            None => {
                self.shown.insert(epoch, (process, views));
                Ok(())
            }
        }
    }
}

/// All that people are shown of a state.
fn views(state: &State) -> String {
    let now = state.time();
    let mut lines = Vec::new();
    lines.extend(state.operations().map(|operation| format!("{:?}", state.view(&operation.id, now))));
    lines.extend(state.operations().map(|operation| format!("{:?}", state.story(&operation.id, now))));
    lines.extend(state.assets().map(|asset| format!("{:?}", state.asset_view(asset))));
    lines.extend(state.handoffs().map(|handoff| format!("{:?}", state.handoff_view(handoff))));
    lines.extend(state.disputes().map(|dispute| format!("{:?}", state.dispute_view(dispute))));
    lines.extend(state.events().map(|event| format!("{:?}", state.event_view(event))));
    lines.extend(state.member_views(state.time()).iter().map(|member| format!("{member:?}")));
    lines.join("\n")
}
