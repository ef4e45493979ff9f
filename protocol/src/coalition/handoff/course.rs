//! What records about handoffs change, and what time does.

use std::borrow::Cow;
use std::collections::BTreeSet;

use super::{Ended, Handoff, HandoffEnd};
use crate::charter::PartnerName;
use crate::coalition::items::Item;
use crate::coalition::operation::{Led, Mark};
use crate::coalition::state::State;
use crate::coalition::take::Said;
use crate::identity::RecordId;
use crate::record::{Act, Handed, HandoffAct, Role, SignedRecord};
use crate::time::Time;

impl State {
    pub(in crate::coalition) fn commit_handoff(&mut self, said: &Said<'_>, act: &HandoffAct) {
        match act {
            HandoffAct::Offer(offer) => {
                let Some(operation) = self.operations.get(&offer.operation) else { return };
                let kind = self.kind_of(operation);
                let offer_ms = kind.map_or(0, |kind| kind.handoff.offer_ms);
                let longest = self.time.plus(offer_ms);
                let handoff = Handoff {
                    id: said.id,
                    operation: offer.operation,
                    what: offer.what,
                    from: said.partner.clone(),
                    to: offer.to.clone(),
                    phase: offer.phase.as_ref().map(|_| operation.phase.saturating_add(1)),
                    note: offer.note.clone(),
                    index: said.index,
                    at: self.time,
                    expires: offer.expires.map_or(longest, |expires| expires.min(longest)),
                    end: None,
                };
                // Whoever hands on to itself knows what is open.
                let own = offer.to == *said.partner;
                self.adopt_handoff(handoff);
                if own {
                    self.pass(said, said.id, HandoffEnd::Accepted);
                }
            }
            HandoffAct::Accept(accept) => self.pass(said, accept.offer, HandoffEnd::Accepted),
            HandoffAct::Decline(decline) => {
                self.end_offer(decline.offer, HandoffEnd::Declined, Some(said), decline.ground.clone());
            }
            HandoffAct::Reclaim(reclaim) => {
                self.end_offer(reclaim.offer, HandoffEnd::Reclaimed, Some(said), reclaim.ground.clone());
            }
            HandoffAct::Takeover(takeover) => {
                let Some(operation) = self.operations.get(&takeover.operation) else { return };
                let handoff = Handoff {
                    id: said.id,
                    operation: takeover.operation,
                    what: Handed::Role(Role::Lead),
                    from: operation.lead.clone(),
                    to: said.partner.clone(),
                    phase: None,
                    note: takeover.ground.clone(),
                    index: said.index,
                    at: self.time,
                    expires: self.time,
                    end: None,
                };
                self.adopt_handoff(handoff);
                self.pass(said, said.id, HandoffEnd::Taken);
            }
            HandoffAct::Conclude(conclude) => {
                let mark = Mark { record: said.id, index: Some(said.index), at: self.time };
                let Some(operation) = self.operations.get_mut(&conclude.operation) else { return };
                operation.concluded = Some(mark);
                operation.conclusion.clone_from(&conclude.note);
                self.tree.put(&Item::Operation(Cow::Borrowed(operation)));
                self.settle_claims(&conclude.operation);
                self.lapse(&conclude.operation, |_| true);
            }
        }
    }

    /// The role passes: the one place where the lead of an operation changes hands.
    fn pass(&mut self, said: &Said<'_>, handoff: RecordId, how: HandoffEnd) {
        let Some(handoff) = self.handoffs.get(&handoff).cloned() else { return };
        let version = self.operations.get(&handoff.operation).map(|operation| operation.charter_version);
        let Some(charter) = version.and_then(|version| self.charter_at(version)).cloned() else { return };
        let (at, time) = (said.index, self.time);
        let Some(operation) = self.operations.get_mut(&handoff.operation) else { return };
        let roles = match (handoff.what, operation.kind(&charter)) {
            (Handed::Role(role), _) => vec![role],
            (Handed::Whole, Some(kind)) => operation.roles(&kind, &handoff.from),
            (Handed::Whole, None) => vec![Role::Lead],
        };
        for role in roles {
            operation.hand(role, &handoff.from, &handoff.to);
        }
        if handoff.moves_lead() {
            operation.lead = handoff.to.clone();
            operation.led = Led { by: handoff.id, index: Some(at), since: time };
        }
        if let Some(phase) = handoff.phase {
            operation.phase = phase;
        }
        self.tree.put(&Item::Operation(Cow::Borrowed(operation)));
        self.end_offer(handoff.id, how, Some(said), None);
        if handoff.moves_lead() {
            // Nobody can hand over what it has no more.
            let from = handoff.from.clone();
            self.lapse(&handoff.operation, |open| open.from == from && open.moves_lead());
        }
    }

    fn end_offer(&mut self, id: RecordId, how: HandoffEnd, by: Option<&Said<'_>>, ground: Option<String>) {
        let at = self.time;
        self.end_offer_at(id, how, by, ground, at);
    }

    fn end_offer_at(
        &mut self,
        id: RecordId,
        how: HandoffEnd,
        by: Option<&Said<'_>>,
        ground: Option<String>,
        at: Time,
    ) {
        let Some(handoff) = self.handoffs.get(&id) else { return };
        let (record, index) = (by.map(|said| said.id), by.map(|said| said.index));
        let end = Some(Ended { how, record, index, at, ground });
        self.adopt_handoff(Handoff { end, ..handoff.clone() });
    }

    /// Ends offers on an operation for which there is nothing left to hand over.
    pub(in crate::coalition) fn lapse(&mut self, operation: &RecordId, which: impl Fn(&Handoff) -> bool) {
        let open = self.handoffs.of(operation).filter(|offer| offer.end.is_none() && which(offer));
        for id in open.map(|offer| offer.id).collect::<Vec<_>>() {
            self.end_offer(id, HandoffEnd::Lapsed, None, None);
        }
    }

    /// The time of an offer is over.
    pub(in crate::coalition) fn expire_offer(&mut self, id: &RecordId) {
        let open = self.handoffs.get(id).filter(|offer| offer.end.is_none());
        if let Some(expires) = open.map(|offer| offer.expires) {
            self.end_offer_at(*id, HandoffEnd::Expired, None, None, expires);
        }
    }

    /// Notes that a partner has said something with an effect. Once for each batch time, so it costs little.
    pub(in crate::coalition) fn note_spoken(&mut self, partner: &PartnerName, at: Time) {
        if self.spoken.get(partner) != Some(&at) {
            self.spoken.insert(partner.clone(), at);
            self.tree.put(&Item::Spoken(partner.clone(), at));
        }
    }

    /// What records about handoffs need to be tried on `overlay`: the operations that they concern with all that is open
    /// on them.
    pub(in crate::coalition) fn overlay_handoffs(&self, held: &[SignedRecord], overlay: &mut Self) {
        for (partner, at) in &self.spoken {
            overlay.note_spoken(partner, *at);
        }
        let acts = held.iter().map(|signed| &signed.record.act).filter(|act| matches!(act, Act::Handoff(_)));
        let concerned = acts.filter_map(|act| self.operation_of(act)).collect::<BTreeSet<_>>();
        for operation in concerned.iter().filter_map(|id| self.operations.get(id)) {
            if !overlay.operations.contains(&operation.id) {
                overlay.adopt(operation.clone());
            }
            for handoff in self.handoffs.of(&operation.id) {
                overlay.records.extend(self.records.get_key_value(&handoff.id));
                overlay.adopt_handoff(handoff.clone());
            }
            for asset in self.assets.serving(&operation.id) {
                overlay.records.extend(self.records.get_key_value(&asset.id));
                overlay.adopt_asset(asset.clone());
            }
        }
    }
}
