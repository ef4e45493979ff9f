//! What a record about a handoff needs to have its effect.

use std::borrow::Cow;

use super::{HandoffEnd, HandoffRefusal, MAX_OFFERS_PER_PARTNER};
use crate::charter::{OperationType, PartnerName, show_time};
use crate::coalition::judge::Judgement;
use crate::coalition::operation::Operation;
use crate::coalition::refusal::{Part, Refusal};
use crate::coalition::state::State;
use crate::identity::RecordId;
use crate::record::{Accept, Acknowledged, Conclude, Handed, HandoffAct, Offer, Role, Takeover};
use crate::time::Time;

/// What needs no state: bounds of texts and lists.
pub(in crate::coalition) fn check(act: &HandoffAct) -> Result<(), Refusal> {
    let text = |part: Part, text: &Option<String>| text.as_deref().map_or(Ok(()), |text| part.check(text));
    match act {
        HandoffAct::Offer(offer) => text(Part::Note, &offer.note),
        HandoffAct::Accept(Accept { acknowledges: Acknowledged::Each(items), .. }) => {
            Part::Acknowledged.check_length(items.len())?;
            if items.is_sorted_by(|one, next| one < next) {
                return Ok(());
            }
            Err(HandoffRefusal::Unsorted.into())
        }
        HandoffAct::Accept(_) => Ok(()),
        HandoffAct::Decline(decline) => text(Part::Ground, &decline.ground),
        HandoffAct::Reclaim(reclaim) => text(Part::Ground, &reclaim.ground),
        HandoffAct::Takeover(takeover) => text(Part::Ground, &takeover.ground),
        HandoffAct::Conclude(conclude) => text(Part::Note, &conclude.note),
    }
}

impl State {
    pub(in crate::coalition) fn judge_handoff(
        &self,
        partner: &PartnerName,
        act: &HandoffAct,
        now: Time,
    ) -> Result<Judgement, Refusal> {
        let named = match (act.operation(), act.offer()) {
            (Some(operation), _) => operation,
            (None, Some(offer)) => return self.judge_answer(partner, &offer, act, now),
            (None, None) => return Ok(Judgement::Apply),
        };
        let operation = match self.named_operation(named)? {
            Ok(operation) => operation,
            Err(wait) => return Ok(wait),
        };
        let kind = self.live(operation)?;
        match act {
            HandoffAct::Offer(offer) => {
                self.undisputed(operation)?;
                self.judge_offer(partner, operation, &kind, offer, now)?;
            }
            HandoffAct::Takeover(Takeover { .. }) => self.judge_takeover(partner, operation, &kind, now)?,
            HandoffAct::Conclude(Conclude { .. }) => self
                .concludes(partner, operation, &kind)
                .and_then(|()| agreed(operation))
                .and_then(|()| self.settled(operation))?,
            HandoffAct::Accept(_) | HandoffAct::Decline(_) | HandoffAct::Reclaim(_) => {}
        }
        Ok(Judgement::Apply)
    }

    /// The type of an operation that is not over.
    fn live(&self, operation: &Operation) -> Result<Cow<'_, OperationType>, Refusal> {
        if let Some((over, since)) = operation.over() {
            return Err(HandoffRefusal::OperationOver { operation: operation.id, over, since }.into());
        }
        let kind = operation.open.kind.clone();
        self.kind_of(operation).ok_or(Refusal::UndeclaredType { kind })
    }

    /// Roles wait for the ruling on a dispute where the charter says so.
    fn undisputed(&self, operation: &Operation) -> Result<(), Refusal> {
        match self.held_by(operation) {
            Some(dispute) => Err(HandoffRefusal::Disputed { operation: operation.id, dispute }.into()),
            None => Ok(()),
        }
    }

    /// An operation is concluded when nothing about it is in dispute.
    fn settled(&self, operation: &Operation) -> Result<(), Refusal> {
        match self.open_dispute(&operation.id) {
            Some(dispute) => Err(HandoffRefusal::Disputed { operation: operation.id, dispute }.into()),
            None => Ok(()),
        }
    }

    fn judge_offer(
        &self,
        partner: &PartnerName,
        operation: &Operation,
        kind: &OperationType,
        offer: &Offer,
        now: Time,
    ) -> Result<(), Refusal> {
        if self.charter().partner(offer.to.as_str()).is_none() {
            return Err(HandoffRefusal::NoPartner { to: offer.to.clone() }.into());
        }
        if offer.to == *partner && offer.phase.is_none() {
            return Err(HandoffRefusal::ToItself { partner: partner.clone() }.into());
        }
        let mut phase = operation.phase;
        if let Some(named) = &offer.phase {
            if !matches!(offer.what, Handed::Whole | Handed::Role(Role::Lead)) {
                return Err(HandoffRefusal::PhaseWithoutLead.into());
            }
            agreed(operation)?;
            phase = phase.saturating_add(1);
            let next = kind.phase(phase).map(|phase| phase.name.clone());
            if next.as_ref() != Some(named) {
                return Err(HandoffRefusal::NotNextPhase { named: named.clone(), next }.into());
            }
        }
        for role in self.moved(partner, operation, kind, offer.what)? {
            let eligible = if role == Role::Lead { kind.leads(phase) } else { kind.eligible(role) };
            if eligible.binary_search(&offer.to).is_err() {
                let (to, eligible) = (offer.to.clone(), eligible.to_vec());
                return Err(HandoffRefusal::NotEligible { to, role, eligible }.into());
            }
        }
        if let Some(expires) = offer.expires.filter(|expires| *expires <= now) {
            return Err(HandoffRefusal::AlreadyPast { expires }.into());
        }
        let own = || self.handoffs.of(&operation.id).filter(|it| it.from == *partner);
        if let Some(open) = own().find(|it| it.end.is_none() && it.overlaps(offer.what)) {
            let (partner, to) = (partner.clone(), open.to.clone());
            return Err(HandoffRefusal::OfferOpen { partner, to, offer: open.id }.into());
        }
        if own().filter(|it| !it.is_taken()).count() >= MAX_OFFERS_PER_PARTNER {
            let most = MAX_OFFERS_PER_PARTNER as u64;
            return Err(HandoffRefusal::TooManyOffers { partner: partner.clone(), most }.into());
        }
        Ok(())
    }

    /// The roles that `what` is, if `partner` has it to give.
    fn moved(
        &self,
        partner: &PartnerName,
        operation: &Operation,
        kind: &OperationType,
        what: Handed,
    ) -> Result<Vec<Role>, Refusal> {
        match what {
            Handed::Role(Role::Lead) => leads(partner, operation).map(|()| vec![Role::Lead]),
            Handed::Whole => leads(partner, operation).map(|()| operation.roles(kind, partner)),
            Handed::Role(role) if !kind.counts(role) => Err(HandoffRefusal::NothingToHand { role }.into()),
            Handed::Role(role) if operation.roles(kind, partner).contains(&role) => Ok(vec![role]),
            Handed::Role(role) => Err(HandoffRefusal::NotHeld { partner: partner.clone(), role }.into()),
        }
    }

    fn judge_answer(
        &self,
        partner: &PartnerName,
        named: &RecordId,
        act: &HandoffAct,
        now: Time,
    ) -> Result<Judgement, Refusal> {
        let Some(offer) = self.handoffs.get(named) else {
            return match self.records.contains_key(named) {
                true => Err(HandoffRefusal::NotAnOffer { named: *named }.into()),
                false => Ok(Judgement::Wait { awaits: *named }),
            };
        };
        let (from, to) = (offer.from.clone(), offer.to.clone());
        let partner = partner.clone();
        match act {
            HandoffAct::Reclaim(_) if from != partner => {
                return Err(HandoffRefusal::NotOfferer { partner, from }.into());
            }
            HandoffAct::Accept(_) | HandoffAct::Decline(_) if to != partner => {
                return Err(HandoffRefusal::NotOfferedTo { partner, to }.into());
            }
            _ => {}
        }
        if let Some(end) = &offer.end {
            return Err(HandoffRefusal::NotOpen { how: end.how, since: end.at }.into());
        }
        if offer.expires <= now {
            return Err(HandoffRefusal::NotOpen { how: HandoffEnd::Expired, since: offer.expires }.into());
        }
        if let (HandoffAct::Accept(accept), Some(operation)) = (act, self.operations.get(&offer.operation)) {
            self.live(operation)?;
            self.undisputed(operation)?;
            // It may have been remanded since it was offered.
            if offer.phase.is_some() {
                agreed(operation)?;
            }
            self.is_acknowledged(operation, &offer.id, &accept.acknowledges)?;
        }
        Ok(Judgement::Apply)
    }

    fn judge_takeover(
        &self,
        partner: &PartnerName,
        operation: &Operation,
        kind: &OperationType,
        now: Time,
    ) -> Result<(), Refusal> {
        let none = || HandoffRefusal::NoTakeover { kind: kind.name.clone() };
        let declared = kind.handoff.takeover.as_ref();
        let named = kind.successor(operation.phase);
        // Who is gone for good answers for nothing: where no successor is there, whoever may lead may take it, the first by
        // order.
        let is_there =
            |successor: &PartnerName| self.is_active(successor) && kind.may_lead(successor, operation.phase);
        let nobody = !named.is_some_and(is_there);
        if nobody && self.membership(&operation.lead).is_gone() && kind.may_lead(partner, operation.phase) {
            return Ok(());
        }
        let (Some(rule), Some(successor)) = (declared, named) else { return Err(none().into()) };
        if successor != partner {
            let (partner, successor) = (partner.clone(), successor.clone());
            return Err(HandoffRefusal::NotSuccessor { partner, successor }.into());
        }
        if operation.lead == *partner {
            return Err(HandoffRefusal::ToItself { partner: partner.clone() }.into());
        }
        if !kind.may_lead(partner, operation.phase) {
            return Err(none().into());
        }
        let silence = rule.silent_ms.map(|span_ms| (self.heard(operation), span_ms));
        let lapsed = rule.lapsed.then(|| self.charter().partner(operation.lead.as_str())).flatten();
        let lapsed = lapsed.map(|lead| self.credentials_until(&lead.name));
        let is_silent = silence.is_some_and(|(heard, span_ms)| now.since(heard) >= span_ms);
        let is_lapsed = |until| now > until || !self.is_active(&operation.lead);
        if is_silent || lapsed.is_some_and(is_lapsed) {
            return Ok(());
        }
        Err(HandoffRefusal::LeadAnswers { lead: operation.lead.clone(), silence, lapsed }.into())
    }

    /// When the lead of an operation was last heard: its last record that had an effect, at the earliest when it became
    /// the lead.
    pub(super) fn heard(&self, operation: &Operation) -> Time {
        let spoken = self.spoken.get(&operation.lead).copied().unwrap_or_default();
        spoken.max(operation.led.since)
    }

    /// An attestation in a role that its partner has handed over.
    pub(in crate::coalition) fn judge_handed(
        &self,
        partner: &PartnerName,
        role: Role,
        operation: &Operation,
    ) -> Result<(), Refusal> {
        if !operation.has_handed(role, partner) {
            return Ok(());
        }
        let mut moves = self.handoffs.of(&operation.id).filter(|it| it.has_moved() && it.from == *partner);
        let partner = partner.clone();
        match moves.next_back().filter(|it| role == Role::Lead && it.is_taken()) {
            Some(taken) => Err(HandoffRefusal::TakenOver { partner, by: taken.to.clone() }.into()),
            None => Err(HandoffRefusal::HandedOver { partner, role }.into()),
        }
    }

    /// Whether an operation is without anybody who could lead it: its lead is gone for good, and nobody may take it over.
    pub(in crate::coalition) fn is_orphan(&self, operation: &Operation, kind: &OperationType) -> bool {
        // Who is suspended may be reinstated.
        let may_lead = |partner: &PartnerName| {
            !self.membership(partner).is_gone() && kind.may_lead(partner, operation.phase)
        };
        self.membership(&operation.lead).is_gone()
            && !self.last_charter().members().any(|partner| may_lead(&partner.name))
    }

    /// Its lead concludes an operation; where nobody could lead it any more, whoever has a voice in it.
    fn concludes(
        &self,
        partner: &PartnerName,
        operation: &Operation,
        kind: &OperationType,
    ) -> Result<(), Refusal> {
        match self.is_orphan(operation, kind) && kind.has_voice(partner) {
            true => Ok(()),
            false => leads(partner, operation),
        }
    }

    /// Why `partner` may take the lead of an operation now, where its lead has not handed it over; none where it may not.
    pub(in crate::coalition) fn may_take_over(
        &self,
        partner: &PartnerName,
        operation: &Operation,
        now: Time,
    ) -> Option<String> {
        if operation.over().is_some() || operation.lead == *partner || !self.is_active(partner) {
            return None;
        }
        let kind = self.kind_of(operation)?;
        self.judge_takeover(partner, operation, &kind, now).ok()?;
        let lead = &operation.lead;
        Some(match self.is_active(lead) {
            true => format!(
                "{lead}, which leads it, has not been heard since {}",
                show_time(self.heard(operation))
            ),
            false => format!("{lead}, which leads it, is {}", self.membership(lead)),
        })
    }
}

fn leads(partner: &PartnerName, operation: &Operation) -> Result<(), Refusal> {
    if operation.lead == *partner {
        return Ok(());
    }
    let (partner, lead, operation) = (partner.clone(), operation.lead.clone(), operation.id);
    Err(HandoffRefusal::NotLead { partner, lead, operation }.into())
}

fn agreed(operation: &Operation) -> Result<(), Refusal> {
    match &operation.decision {
        Some(decision) if decision.verdict.is_agreed() => Ok(()),
        _ => Err(HandoffRefusal::NotAgreed { operation: operation.id }.into()),
    }
}
