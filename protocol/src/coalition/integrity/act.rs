//! What officers say of events: judged, and taken.

use super::{Author, EventStatus, IntegrityEvent, IntegrityRefusal, MAX_EVENTS_PER_PARTNER, Word, reopen};
use crate::charter::{PartnerName, Response};
use crate::coalition::Membership;
use crate::coalition::judge::Judgement;
use crate::coalition::refusal::Refusal;
use crate::coalition::state::State;
use crate::coalition::take::Said;
use crate::identity::RecordId;
use crate::record::{IntegrityAct, Measure, Report};

impl State {
    pub(in crate::coalition) fn judge_integrity(
        &self,
        partner: &PartnerName,
        act: &IntegrityAct,
    ) -> Result<Judgement, Refusal> {
        let named = match act {
            IntegrityAct::Report(report) => return self.judge_report(partner, report),
            IntegrityAct::Confirm(confirm) => confirm.event,
            IntegrityAct::Withdraw(withdraw) => withdraw.event,
            IntegrityAct::Vote(vote) => vote.event,
        };
        let Some(event) = self.event_of(&named) else {
            return match self.records.contains_key(&named) {
                true => Err(IntegrityRefusal::NotAnEvent { named }.into()),
                false => Ok(Judgement::Wait { awaits: named }),
            };
        };
        if self.is_subject(partner, &event.matter) {
            return Err(IntegrityRefusal::IsSubject { partner: partner.clone(), event: event.id }.into());
        }
        match act {
            IntegrityAct::Report(_) => {}
            IntegrityAct::Confirm(_) => self.judge_confirm(partner, event)?,
            IntegrityAct::Withdraw(_) => self.judge_withdraw(partner, event)?,
            IntegrityAct::Vote(vote) => self.judge_vote(partner, event, vote.measure)?,
        }
        Ok(Judgement::Apply)
    }

    fn judge_report(&self, partner: &PartnerName, report: &Report) -> Result<Judgement, Refusal> {
        self.know_partners(&report.matter)?;
        let author = Author::Officer(partner.clone());
        let has_room = || {
            self.events.places(&author) < MAX_EVENTS_PER_PARTNER || self.events.displaced(&author).is_some()
        };
        if self.events.of(&author, &report.matter).is_none() && !has_room() {
            let most = MAX_EVENTS_PER_PARTNER as u64;
            return Err(IntegrityRefusal::TooMany { partner: partner.clone(), most }.into());
        }
        Ok(Judgement::Apply)
    }

    fn judge_confirm(&self, partner: &PartnerName, event: &IntegrityEvent) -> Result<(), Refusal> {
        let (partner, id) = (partner.clone(), event.id);
        if let EventStatus::Withdrawn { index, .. } = event.status {
            return Err(IntegrityRefusal::Withdrawn { event: id, index }.into());
        }
        if event.author == Author::Officer(partner.clone()) {
            return Err(IntegrityRefusal::OwnReport { partner, event: id }.into());
        }
        if event.confirmed.iter().any(|word| word.partner == partner) {
            return Err(IntegrityRefusal::AlreadySaid { partner, event: id }.into());
        }
        Ok(())
    }

    fn judge_withdraw(&self, partner: &PartnerName, event: &IntegrityEvent) -> Result<(), Refusal> {
        let (partner, id) = (partner.clone(), event.id);
        if event.author == Author::Proof || event.reporter != partner {
            let reporter = event.reporter.clone();
            return Err(IntegrityRefusal::NotReporter { partner, reporter, event: id }.into());
        }
        match event.status {
            EventStatus::Preliminary => Ok(()),
            EventStatus::Confirmed { index, .. } => {
                Err(IntegrityRefusal::Confirmed { event: id, index }.into())
            }
            EventStatus::Withdrawn { index, .. } => {
                Err(IntegrityRefusal::Withdrawn { event: id, index }.into())
            }
        }
    }

    fn judge_vote(
        &self,
        partner: &PartnerName,
        event: &IntegrityEvent,
        measure: Measure,
    ) -> Result<(), Refusal> {
        let (rules, kind, id) = (&self.charter().integrity, event.matter.kind, event.id);
        if !rules.may_vote(partner) {
            let (partner, voters) = (partner.clone(), rules.voters.clone());
            return Err(IntegrityRefusal::MayNotVote { partner, voters }.into());
        }
        if !event.is_confirmed() {
            return Err(IntegrityRefusal::NotConfirmed { event: id }.into());
        }
        if let Some(index) = event.lifted {
            return Err(IntegrityRefusal::Lifted { event: id, index }.into());
        }
        let declared = match measure {
            Measure::Suspend => rules.has(kind, Response::Suspend) && self.subject(&event.matter).is_some(),
            Measure::Lift => rules.lift_votes > 0,
        };
        if !declared {
            return Err(IntegrityRefusal::NotDeclared { kind, measure }.into());
        }
        if measure == Measure::Lift && event.quarantined.is_none() && !self.suspends(event) {
            return Err(IntegrityRefusal::NothingToLift { event: id }.into());
        }
        let votes = event.votes.iter();
        if votes.filter(|(voted, _)| *voted == measure).any(|(_, word)| word.partner == *partner) {
            return Err(IntegrityRefusal::AlreadySaid { partner: partner.clone(), event: id }.into());
        }
        Ok(())
    }

    /// Whether the subject of an event is suspended by it.
    pub(super) fn suspends(&self, event: &IntegrityEvent) -> bool {
        let subject = self.subject(&event.matter).filter(|_| event.suspended.is_some());
        subject.is_some_and(|subject| {
            let member = self.member(&subject);
            let by_this = member.changed.as_ref().is_some_and(|changed| changed.by == event.id);
            member.membership == Membership::Suspended && by_this
        })
    }

    /// Whose votes would suspend the subject of an event, and how many more that takes; none where it is not declared or is done.
    pub(super) fn suspension_waits(&self, event: &IntegrityEvent) -> Option<(Vec<PartnerName>, usize)> {
        let rules = &self.charter().integrity;
        let subject = self.subject(&event.matter).filter(|subject| self.is_active(subject))?;
        let is_open = event.is_confirmed() && event.suspended.is_none() && event.lifted.is_none();
        if !is_open || !rules.has(event.matter.kind, Response::Suspend) {
            return None;
        }
        let votes = event.votes.iter().filter(|(measure, _)| *measure == Measure::Suspend);
        let voted = votes.map(|(_, word)| &word.partner).collect::<Vec<_>>();
        let may = |partner: &&PartnerName| {
            **partner != subject && rules.may_vote(partner) && self.is_active(partner)
        };
        let counted = voted.iter().copied().filter(|partner| may(partner)).count();
        let members = self.last_charter().members().map(|partner| &partner.name);
        let open = members.filter(may).filter(|partner| !voted.contains(partner)).cloned().collect();
        Some((open, (rules.votes as usize).saturating_sub(counted)))
    }

    /// Makes the change that was judged to be right, at the log index `now_index`; gives the event's id.
    pub(in crate::coalition) fn commit_integrity(
        &mut self,
        said: &Said<'_>,
        act: &IntegrityAct,
        now_index: u64,
    ) -> RecordId {
        let event = match act {
            IntegrityAct::Report(report) => Some(self.reported(said, report)),
            other => other.event().and_then(|named| self.event_of(&named)).cloned(),
        };
        let Some(mut event) = event else { return said.id };
        let word = |ground: &Option<String>| Word {
            partner: said.partner.clone(),
            record: said.id,
            ground: ground.clone(),
            index: said.index,
            at: self.time,
        };
        match act {
            IntegrityAct::Report(_) => {}
            IntegrityAct::Confirm(confirm) => event.confirmed.push(word(&confirm.ground)),
            IntegrityAct::Withdraw(withdraw) => {
                event.status = EventStatus::Withdrawn { index: said.index, ground: withdraw.ground.clone() };
            }
            IntegrityAct::Vote(vote) => {
                event.votes.push((vote.measure, word(&vote.ground)));
                let rules = &self.charter().integrity;
                let counts = |word: &Word| self.is_active(&word.partner) && rules.may_vote(&word.partner);
                let voted = |measure| {
                    event.votes.iter().filter(|(voted, word)| *voted == measure && counts(word)).count()
                };
                if event.suspended.is_none() && voted(Measure::Suspend) >= rules.votes as usize {
                    event.suspended = Some(now_index);
                }
                if rules.lift_votes > 0 && voted(Measure::Lift) >= rules.lift_votes as usize {
                    event.lifted = Some(now_index);
                }
            }
        }
        self.settle(&mut event, now_index);
        if matches!(act, IntegrityAct::Vote(_)) {
            self.suspend_or_lift(&event, now_index);
        }
        let id = event.id;
        self.adopt_event(event);
        id
    }

    /// What the vote at `now_index` carried becomes so: the subject is suspended, or is active again if this event had
    /// suspended it.
    fn suspend_or_lift(&mut self, event: &IntegrityEvent, now_index: u64) {
        let Some(subject) = self.subject(&event.matter) else { return };
        if event.suspended == Some(now_index) && self.is_active(&subject) {
            let reason = format!("integrity event: {}", event.matter.kind);
            self.change_member(&subject, Membership::Suspended, event.id, reason);
        } else if event.lifted == Some(now_index) && self.suspends(event) {
            let reason = format!("integrity event lifted: {}", event.matter.kind);
            self.change_member(&subject, Membership::Active, event.id, reason);
        }
    }

    /// The partner's event on the matter, with this report counted into it.
    fn reported(&mut self, said: &Said<'_>, report: &Report) -> IntegrityEvent {
        let author = Author::Officer(said.partner.clone());
        let known = self.events.of(&author, &report.matter).cloned();
        if known.is_none()
            && self.events.places(&author) >= MAX_EVENTS_PER_PARTNER
            && let Some(displaced) = self.events.displaced(&author)
        {
            self.drop_event(&displaced);
        }
        let anew = known.as_ref().is_none_or(IntegrityEvent::is_withdrawn);
        let mut event = known.unwrap_or_else(|| {
            self.blank(said.id, &report.matter, &author, said.partner.clone(), said.index)
        });
        if anew {
            event.text.clone_from(&report.text);
            event.evidence.clone_from(&report.evidence);
            (event.proof, event.since) = (report.proof, report.since);
        }
        event.proof = event.proof.or(report.proof);
        event.count = event.count.saturating_add(1);
        event.last = event.last.max(self.time);
        event.last_index = said.index;
        reopen(&mut event);
        self.keep_shown(&mut event, report.shown.as_deref(), said.index);
        event
    }
}
