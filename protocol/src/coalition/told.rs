//! What one record says, for those who follow: the event that its operation's story tells of it, and whether it is urgent.

use serde::{Deserialize, Serialize};

use super::member::GivenWatch;
use super::operation::Operation;
use super::state::State;
use super::story::{StoryEvent, StoryWord, Telling};
use crate::charter::{AuthorityName, PartnerName, show_time};
use crate::identity::RecordId;
use crate::lane::Lane;
use crate::record::{Change, SignedRecord};
use crate::time::Time;

/// What an applied record says. What integrity events are told by is [`IntegrityView`](super::IntegrityView).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ToldView {
    /// Whether people should look at once: an operation of immediate or flash precedence, a role that is offered or taken over,
    /// what is committed alone, a member that leaves or is to be suspended or expelled, a nation's refusal or recall, a key that is
    /// revoked, a root that gives way.
    pub urgent: bool,
    /// The operation that it concerns.
    pub operation: Option<RecordId>,
    /// That operation's title.
    pub title: Option<String>,
    /// What it says: as the operation's story tells it.
    pub story: StoryEvent,
}

/// What a decision or a ruling is about, for those who follow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ToldEnd {
    /// Whether people should look at once: an operation of immediate or flash precedence, a member that is suspended or expelled,
    /// something that is annulled.
    pub urgent: bool,
    /// The operation's title.
    pub title: String,
}

impl State {
    /// What an applied record says; none for notes, evidence, incidents and what is said on integrity events.
    pub fn told(&self, id: &RecordId) -> Option<ToldView> {
        let about = self.seen(id)?.about;
        if let Some(asset) = self.asset(&about) {
            return self.told_of_asset(id, asset);
        }
        let operation = self
            .operation(&about)
            .or_else(|| self.operation(&self.handoff(&about)?.operation))
            .or_else(|| self.operation(&self.dispute(&about)?.operation));
        let Some(operation) = operation else { return self.told_of_members(id) };
        let event = self.events_of(operation).into_iter().rfind(|event| event.record == Some(*id));
        Some(self.concerning(operation, event?))
    }

    /// The title of the operation that a record, which need not be ordered, opens or is about; none where no officer signed it.
    pub fn title_of<'a>(&'a self, signed: &'a SignedRecord) -> Option<&'a str> {
        let record = &signed.record;
        self.authenticate(record, u64::MAX).ok().filter(|_| signed.verify())?;
        let opening = record.act.opening().map(|open| open.title.as_str());
        opening.or_else(|| Some(self.operation(&self.operation_of(&record.act)?)?.open.title.as_str()))
    }

    /// What a decision on an operation is about, which `agrees` to it or does not.
    pub fn told_decision(&self, operation: &RecordId, agrees: bool) -> Option<ToldEnd> {
        let operation = self.operation(operation)?;
        let urgent = self.is_pressing(operation) || agrees && removes(operation);
        Some(ToldEnd { urgent, title: operation.open.title.clone() })
    }

    /// What a ruling on a dispute is about, which `annuls` its subject or does not.
    pub fn told_ruling(&self, dispute: &RecordId, annuls: bool) -> Option<ToldEnd> {
        let operation = self.operation(&self.dispute(dispute)?.operation)?;
        let urgent = self.is_pressing(operation) || annuls;
        Some(ToldEnd { urgent, title: operation.open.title.clone() })
    }

    /// Whether an operation is of immediate or flash precedence.
    fn is_pressing(&self, operation: &Operation) -> bool {
        let precedence = self.kind_of(operation).map(|kind| kind.precedence);
        operation.open.precedence.or(precedence).is_some_and(|lane| lane <= Lane::Immediate)
    }

    fn concerning(&self, operation: &Operation, event: StoryEvent) -> ToldView {
        let grave = match event.what {
            StoryWord::Offered | StoryWord::Taken | StoryWord::Committed | StoryWord::Recalled => true,
            StoryWord::Opened => removes(operation),
            StoryWord::Spoken => self.keeps_its_own(operation, &event),
            _ => false,
        };
        ToldView {
            urgent: grave || self.is_pressing(operation),
            operation: Some(operation.id),
            title: Some(operation.open.title.clone()),
            story: event,
        }
    }

    /// Whether a word of an authority is a nation's refusal or recall.
    fn keeps_its_own(&self, operation: &Operation, event: &StoryEvent) -> bool {
        use crate::authority::Word;
        self.voices(&operation.id)
            .filter(|voice| Some(voice.record) == event.record)
            .any(|voice| voice.word == Word::Recall || voice.word == Word::Refuse)
    }

    fn told_of_asset(&self, id: &RecordId, asset: &super::Asset) -> Option<ToldView> {
        let name = &asset.declared.name;
        let (what, text, index, operation) = match &asset.lent {
            _ if asset.id == *id => {
                let text = format!("declares {name}: {}", asset.declared.label);
                (StoryWord::Declared, text, asset.index, None)
            }
            Some(lent) if lent.record == *id => {
                (StoryWord::Lent, format!("lends {name}"), lent.index, self.operation(&lent.grant.operation))
            }
            _ => {
                let index = self.seen(id)?.index;
                let ground = asset.recalled.as_ref().filter(|(at, _)| *at == index);
                let ground = ground.and_then(|(_, ground)| ground.as_ref());
                let ground = ground.map_or(String::new(), |ground| format!(": {ground}"));
                let mut lendings = self.lendings.iter();
                let served =
                    lendings.find(|(.., lending)| lending.back.as_ref().is_some_and(|back| back.0 == *id));
                let served = served.and_then(|(operation, ..)| self.operation(&operation));
                (StoryWord::Recalled, format!("recalls {name}{ground}"), index, served)
            }
        };
        let mut telling = Telling::default();
        telling.tell(self.time(), Some(index), Some((&asset.owner, None)), (what, text, Some(*id)));
        let event = telling.events().pop()?;
        Some(match operation {
            Some(operation) => self.concerning(operation, event),
            None => {
                ToldView { urgent: what == StoryWord::Recalled, operation: None, title: None, story: event }
            }
        })
    }

    fn told_of_members(&self, id: &RecordId) -> Option<ToldView> {
        let index = self.seen(id)?.index;
        let event = |partner: &PartnerName, at: Time, what, text: String, under: &AuthorityName| StoryEvent {
            at: show_time(at),
            index: Some(index),
            partner: Some(partner.clone()),
            role: None,
            under: vec![under.clone()],
            what,
            text,
            record: Some(*id),
        };
        let alone = |urgent, event| Some(ToldView { urgent, operation: None, title: None, story: event });
        if let Some(published) = self.alliances().find(|published| published.record == *id) {
            let document = &published.document;
            let text = format!("publishes version {} of {}", document.version, document.name);
            let by = &published.by;
            return alone(true, event(by, published.at, StoryWord::Published, text, &document.name));
        }
        if let Some(keys) = self.told_of_keys(id) {
            let under = AuthorityName::from(keys.partner);
            let event = event(&keys.ordered.carrier, keys.ordered.at, keys.what, keys.text, &under);
            return alone(keys.what != StoryWord::Granted, event);
        }
        self.last_charter().members().find_map(|partner| {
            let (name, under) = (&partner.name, AuthorityName::from(&partner.name));
            let member = self.member(name);
            if let Some(GivenWatch { watch, .. }) = member.watches.iter().find(|given| given.record == *id) {
                let text = format!("gives the watch to {}, from {} on", watch.officer, show_time(watch.from));
                return alone(false, event(name, self.time(), StoryWord::Watched, text, &under));
            }
            let left = member.changed.as_ref().filter(|changed| changed.by == *id)?;
            let text = format!("leaves: {}", left.reason);
            alone(true, event(name, left.at, StoryWord::Left, text, &under))
        })
    }
}

/// Whether it is about suspending or expelling a member.
fn removes(operation: &Operation) -> bool {
    matches!(operation.change, Some(Change::Suspend(_) | Change::Expel(_)))
}
