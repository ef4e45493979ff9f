//! Members, ready to be shown, with what each owes the others.

use serde::{Deserialize, Serialize};

use super::keys::{KeyView, RotationView};
use super::member::{GivenWatch, Membership};
use super::operation::Operation;
use super::outcome::Stage;
use super::state::State;
use super::versions::Version;
use crate::charter::{Fallback, PartnerName, show_time};
use crate::identity::{PublicKey, RecordId};
use crate::time::Time;

/// Something that others count on a partner for. What it is answers with is in the operation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Obligation {
    /// The operation.
    pub operation: RecordId,
    /// Its title.
    pub title: String,
    /// What the partner owes it, in words.
    pub what: String,
}

/// A member, ready to be shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemberView {
    /// Its name.
    pub partner: PartnerName,
    /// Whether it is a member.
    pub membership: Membership,
    /// Since when, in batch time; none while it is as the charter has it.
    pub since: Option<String>,
    /// The log index of the entry with which it became so; none also where the end of a window decided it.
    pub since_index: Option<u64>,
    /// The operation that decided so or admitted it, or the record by which it left.
    pub by: Option<RecordId>,
    /// That operation's title, where it is one.
    pub by_title: Option<String>,
    /// The reason that was given.
    pub reason: Option<String>,
    /// Its seat; none while the committee is the one from before it was admitted.
    pub seat: Option<u16>,
    /// Who speaks for it.
    pub officers: Vec<PublicKey>,
    /// What carries its records.
    pub nodes: Vec<PublicKey>,
    /// Until when its credentials hold.
    pub credentials_until: String,
    /// Who is on watch.
    pub watch: Option<WatchView>,
    /// Who will be, by when each begins.
    pub next_watches: Vec<WatchView>,
    /// Its root.
    pub root: Option<PublicKey>,
    /// Its officers' and nodes' keys, those that act no more included.
    pub keys: Vec<KeyView>,
    /// How its root changed.
    pub rotations: Vec<RotationView>,
    /// What others count on it for, at most [`MAX_OBLIGATIONS`].
    pub obligations: Vec<Obligation>,
}

/// Who is on watch, ready to be shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WatchView {
    /// The officer.
    pub officer: PublicKey,
    /// From when.
    pub from: String,
    /// What the next one should know.
    pub note: Option<String>,
    /// The record that says so.
    pub record: RecordId,
    /// Whether that officer still speaks for the partner.
    pub speaks: bool,
}

/// Most obligations that are shown of one partner.
pub const MAX_OBLIGATIONS: usize = 256;

impl State {
    /// What others count on `partner` for: operations that it leads, open or agreed, or is to lead or to decide where others
    /// cannot, assets that it lent to such, what it has committed, offers that nobody has answered, and disputes that it is to
    /// judge.
    pub fn obligations(&self, partner: &PartnerName) -> Vec<Obligation> {
        let live = self.operations().filter(|operation| operation.over().is_none());
        let (mut duties, mut committed, mut successions) = (Vec::new(), Vec::new(), Vec::new());
        let add = |list: &mut Vec<Obligation>, operation: &Operation, what: &str| {
            if list.len() < MAX_OBLIGATIONS {
                let title = operation.open.title.clone();
                list.push(Obligation { operation: operation.id, title, what: what.to_owned() });
            }
        };
        for operation in live {
            let decided = operation.decision.is_some();
            // What it changed is changed: nothing of it is left to do.
            if decided && operation.change.is_some() {
                continue;
            }
            let mut open = self.commitments.of(&operation.id).filter(|it| it.end.is_none());
            if let Some(commitment) = open.find(|it| it.partner == *partner) {
                let under = match commitment.leases.is_empty() {
                    true => "has committed it alone, under no lease",
                    false => "has committed it alone, under a lease",
                };
                add(&mut committed, operation, under);
            }
            let Some(kind) = self.kind_of(operation) else { continue };
            let escalated = matches!(&kind.rule.fallback, Fallback::Escalate(to) if to == partner);
            let asked = kind.rule.fallback.authority().is_some()
                && operation.stage == Stage::Escalated
                && self.asks_for_authority(partner, operation).is_some();
            let (list, what) = match (operation.lead == *partner, decided) {
                (true, false) => (&mut duties, "leads it, and it is not decided"),
                (true, true) => (&mut duties, "leads it, and it is agreed"),
                (false, false) if operation.stage == Stage::Escalated && escalated => {
                    (&mut duties, "is to decide it, which was escalated")
                }
                (false, false) if asked => {
                    (&mut duties, "has a voice in the authority that is to decide it, and has not spoken")
                }
                (false, _) if kind.successor(operation.phase) == Some(partner) => {
                    (&mut successions, "takes it over where its lead is silent or gone")
                }
                (false, _) => continue,
            };
            add(list, operation, what);
        }
        let lent = self.assets_of(partner).filter_map(|asset| {
            let (_, operation) = self.serves(asset)?;
            let what = format!("lent it {}", asset.declared.name);
            Some(Obligation { operation: operation.id, title: operation.open.title.clone(), what })
        });
        let title = |operation: &RecordId| {
            self.operation(operation).map_or_else(String::new, |operation| operation.open.title.clone())
        };
        // Whatever is open has a deadline.
        let offers = self.deadlines().filter_map(|(_, id)| self.handoff(&id)).filter_map(|offer| {
            let what = match (offer.from == *partner, offer.to == *partner) {
                (true, _) => format!("offered it to {}, which has not answered", offer.to),
                (_, true) => format!("is offered it by {}, and has not answered", offer.from),
                _ => return None,
            };
            Some(Obligation { operation: offer.operation, title: title(&offer.operation), what })
        });
        let open = self.deadlines().filter_map(|(_, id)| self.dispute(&id));
        let judges = open.filter(|dispute| dispute.panel.contains(partner));
        let judges = judges.map(|dispute| {
            let what = format!("is on the panel of {}", dispute.id);
            Obligation { operation: dispute.operation, title: title(&dispute.operation), what }
        });
        // Where there are too many, what it has done goes before what it may have to do.
        let done = duties.into_iter().chain(committed).chain(lent).chain(offers).chain(judges);
        done.chain(successions).take(MAX_OBLIGATIONS).collect()
    }

    /// The log index of the entry with which an operation was agreed, an event suspended or restored a partner, or it left.
    fn index_of_change(&self, partner: &PartnerName, by: &RecordId) -> Option<u64> {
        if let Some(operation) = self.operation(by) {
            return operation.decision.as_ref()?.decided_by;
        }
        if let Some(event) = self.event(by) {
            return if self.is_active(partner) { event.lifted } else { event.suspended };
        }
        self.records.get(by).map(|seen| seen.index)
    }

    /// All members at the time `now`, in the order of seats, then those without one; those that have left included.
    pub fn member_views(&self, now: Time) -> Vec<MemberView> {
        let now = now.max(self.time());
        let charter = self.last_charter();
        let seats = (0..charter.partners.len()).map(|seat| u16::try_from(seat).ok());
        let partners = charter.members().zip(seats.chain(std::iter::repeat(None)));
        let view = |(partner, seat): (&crate::charter::Partner, Option<u16>)| {
            let member = self.member(&partner.name);
            let changed = member.changed.as_ref();
            let admits = |version: &&Version| version.amendment.admits(&partner.name);
            let admitted = self.versions().find(admits).map(|version| (version.at, version.by));
            let since = changed.map(|changed| (changed.at, changed.by)).or(admitted);
            let watch = |GivenWatch { watch, record }: &GivenWatch| WatchView {
                officer: watch.officer,
                from: show_time(watch.from),
                note: watch.note.clone(),
                record: *record,
                speaks: self.officer(&watch.officer).is_some_and(|it| it.name == partner.name),
            };
            // Who is gone keeps no watch.
            let (current, ahead) = match member.membership.is_gone() {
                true => (None, Default::default()),
                false => member.watches_at(now),
            };
            MemberView {
                partner: partner.name.clone(),
                membership: member.membership,
                since: since.map(|(at, _)| show_time(at)),
                since_index: since.and_then(|(_, by)| self.index_of_change(&partner.name, &by)),
                by: since.map(|(_, by)| by),
                by_title: since.and_then(|(_, by)| Some(self.operation(&by)?.open.title.clone())),
                reason: changed.map(|changed| changed.reason.clone()),
                seat,
                officers: self.officers_of(&partner.name),
                nodes: self.nodes_of(&partner.name),
                credentials_until: show_time(self.credentials_until(&partner.name)),
                watch: current.map(watch),
                next_watches: ahead.iter().map(watch).collect(),
                root: self.root_of(&partner.name),
                keys: self.keys_of(&partner.name, now),
                rotations: self.rotations_of(&partner.name),
                obligations: self.obligations(&partner.name),
            }
        };
        partners.map(view).collect()
    }
}
