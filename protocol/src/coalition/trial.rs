//! Trying a charter before anybody signs it: what becomes of an operation if partners say this and that.
//!
//! Guarantee: the answer is that of the state machine itself. The draft is given synthetic keys and founded under them, an
//! operation is opened, words are said by synthetic officers, and batch time is moved to the end of the window, and of a further
//! one if there is one. Only keys, and so the coalition's id, differ from what will be.
//!
//! Who is absent is away with its seat, too. With fewer seats than agreement needs, nothing is ordered and batch time stands still
//! until enough of them return; what was written meanwhile is ordered then, and windows begin then.

mod seats;
mod stage;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize, Serializer};
use thiserror::Error;

use seats::Seats;
pub use seats::Short;
use stage::Stage;

use super::outcome::asked_in;
use super::{Decision, Deficit, Disposition, Verdict};
use crate::authority::Word;
use crate::charter::text::{all_of, either, with_article};
use crate::charter::{AuthorityName, Charter, Effect, KindName, OperationType, PartnerName};
use crate::founding::FoundingError;
use crate::record::{Change, Role, Stance};

/// What is tried. Who is neither absent nor said to speak endorses in its first role that counts.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Script {
    /// The operation type; the charter's only one, if none is named.
    #[serde(default, rename = "type")]
    pub kind: Option<KindName>,
    /// Who opens it; the first that may, if nobody is named.
    #[serde(default)]
    pub by: Option<PartnerName>,
    /// Of a type that decides on a partner's membership whom it is about.
    #[serde(default)]
    pub about: Option<PartnerName>,
    /// Who says nothing, and whose seat does not answer.
    #[serde(default)]
    pub absent: Vec<PartnerName>,
    /// Who of these comes back: as soon as nothing is ordered without them, else in the further window. Endorses then, unless a
    /// line that is said later says otherwise; who has one comes back without being named here.
    #[serde(default)]
    pub returns: Vec<PartnerName>,
    /// What is said, in this order.
    #[serde(default)]
    pub say: Vec<Line>,
    /// What authorities say before that; the one that is needed permits it, if it is not named. A nation that is absent comes back
    /// to say something later.
    #[serde(default)]
    pub words: Vec<WordLine>,
    /// Values of its body; what the type requires beyond them is filled in.
    #[serde(default)]
    pub body: BTreeMap<String, String>,
}

/// A word that is said.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Line {
    /// Who.
    pub partner: PartnerName,
    /// What.
    pub stance: Stance,
    /// In which role; its first that counts, if none is named.
    #[serde(default)]
    pub role: Option<Role>,
    /// Under which condition, or on which ground.
    #[serde(default)]
    pub caveat: Option<String>,
    /// In the further window, if there is one, instead of the first; of who is absent once it is back.
    #[serde(default)]
    pub later: bool,
}

/// What an authority says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WordLine {
    /// Which.
    pub authority: AuthorityName,
    /// What; nothing at all, if it is left out.
    #[serde(default)]
    pub word: Option<Word>,
    /// Why.
    #[serde(default)]
    pub ground: Option<String>,
    /// In the further window, if there is one, instead of the first.
    #[serde(default)]
    pub later: bool,
}

/// Why nothing could be tried.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum TrialError {
    /// One of several types has to be named.
    #[error("which type of operation? there are: {0}")]
    Kind(String),
    /// No type of this name.
    #[error("no type {name}; there are: {known}")]
    NoKind {
        /// The name.
        name: KindName,
        /// The types that there are.
        known: String,
    },
    /// Whom it is about has to be named.
    #[error("about whom? {kind} is there to {effect} a partner")]
    About {
        /// The type.
        kind: KindName,
        /// What its agreement does.
        effect: Effect,
    },
    /// What is agreed is another charter: that is not tried, but compared and checked.
    #[error(
        "{0} amends the charter: what would change and whether it can work is said of the two texts, and not tried"
    )]
    Amends(KindName),
    /// Nobody of this name.
    #[error("{0} is no partner of this charter")]
    Stranger(PartnerName),
    /// What is to be tried contradicts itself.
    #[error("{0}")]
    Contradiction(String),
    /// It cannot be founded.
    #[error(transparent)]
    Founding(#[from] FoundingError),
    /// The opening is refused.
    #[error("it cannot be opened: {0}")]
    Opening(String),
}

/// What became of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Trial {
    /// The operation type.
    #[serde(rename = "type")]
    pub kind: KindName,
    /// Who opened it.
    pub by: PartnerName,
    /// What happened, in words.
    pub steps: Vec<Step>,
    /// How it ended.
    pub verdict: End,
    /// How long after the opening, in milliseconds of batch time.
    pub after_ms: u64,
    /// Why, who counted, and on which conditions.
    pub explanation: Vec<String>,
    /// What was missing, in one sentence.
    pub deficit: String,
}

/// How a trial ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// It is decided.
    Decided(Verdict),
    /// It is written and not ordered: too few seats answer.
    Held,
}

impl End {
    /// The name in text.
    pub fn name(self) -> &'static str {
        match self {
            Self::Decided(verdict) => verdict.name(),
            Self::Held => "held",
        }
    }
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl Serialize for End {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Step {
    /// How long after the opening, in milliseconds of batch time.
    pub after_ms: u64,
    /// What.
    pub what: String,
}

/// Tries `script` on an unsigned draft.
///
/// # Errors
/// See [`TrialError`]; a draft that can never work cannot be founded.
pub fn trial(draft: &Charter, script: &Script) -> Result<Trial, TrialError> {
    script.check(draft)?;
    let (kind, change) = the_kind(draft, script)?;
    let openers = kind.openers();
    let by = match (&script.by, openers.iter().find(|partner| !script.absent.contains(partner))) {
        (Some(by), _) | (None, Some(by)) => by.clone(),
        (None, None) => return Err(TrialError::Opening("nobody who may open it is there".into())),
    };
    let mut stage = Stage::new(draft)?;
    if let Some(Change::Reinstate(subject)) = &change {
        stage.suspend(subject);
    }
    let what = match &change {
        Some(change) => format!("{by} proposes to {}", change.words()),
        None => format!("{by} opens {}", with_article(kind.name.as_str())),
    };
    let opening = stage.sign(&by, 0, stage.opening(&kind, change, script));
    let id = opening.record.id();
    let applied = stage.apply(&opening);
    if let Disposition::Refused(refusal) = applied.disposition {
        return Err(TrialError::Opening(refusal.to_string()));
    }
    let mut trial = Trial {
        kind: kind.name.clone(),
        by: by.clone(),
        steps: vec![Step { after_ms: 0, what }],
        verdict: End::Decided(Verdict::Expired),
        after_ms: 0,
        explanation: vec![],
        deficit: String::new(),
    };
    let returning = script.returning();
    let seats = Seats::of(draft);
    let short = seats.short(&script.absent);
    if let Some(short) = &short {
        trial.steps.push(Step { after_ms: 0, what: seats.tell(short) });
        let mut away = script.absent.clone();
        away.retain(|partner| !returning.contains(partner));
        let still = seats.short(&away);
        if !returning.is_empty() {
            trial.steps.push(Step { after_ms: 0, what: returns(&returning, still.is_none()) });
        }
        if let Some(still) = still {
            return Ok(trial.held(&still));
        }
    }
    let words = script.words.iter().cloned().chain(needed_by(&kind, script));
    // Where the opening waited for those that return, they are back in the first window.
    let is_back = |line: &WordLine| returning.iter().any(|back| back.as_str() == line.authority.as_str());
    let (later, now) = words.partition::<Vec<_>, _>(|line| line.later && !(short.is_some() && is_back(line)));
    let windows = [now, later].into_iter().zip(script.lines(&kind, &returning, short.is_some()));
    // Who returned while the opening was held has spoken in the first window.
    let mut further = script.later();
    further.retain(|name| short.is_none() || returning.iter().all(|back| back.as_str() != name));
    let ends = |trial: Trial, number: usize, decision: Decision| {
        let mut decided = trial.decided(draft, decision);
        if number == 0 && !further.is_empty() {
            let what =
                format!("there is no further window: what {} would say later is not said", either(&further));
            decided.steps.push(Step { after_ms: decided.after_ms, what });
        }
        decided
    };
    for (number, (words, lines)) in windows.enumerate() {
        for line in &words {
            let (told, decision) = stage.authorize(id, &kind, line, &mut trial.steps);
            trial.explanation.extend(told);
            if let Some(decision) = decision {
                return Ok(ends(trial, number, decision));
            }
        }
        for line in &lines {
            if let Some(decision) = stage.say(&kind, id, line, &mut trial.steps) {
                return Ok(ends(trial, number, decision));
            }
        }
        let Some((closes, _)) = stage.state.deadlines().next() else { break };
        let mut advanced = stage.state.advance(closes);
        if let Some(decision) = advanced.decisions.pop() {
            trial.steps.push(Step { after_ms: stage.after_ms(), what: "the window ends".into() });
            return Ok(Trial { after_ms: stage.after_ms(), ..ends(trial, number, decision) });
        }
        if number == 0 {
            let what = stage.state.view(&id, closes).map(|view| view.explanation).unwrap_or_default();
            let what = in_words_of(draft, &kind, what);
            trial.steps.push(Step { after_ms: stage.after_ms(), what: format!("the window ends: {what}") });
        }
    }
    Ok(trial)
}

impl Script {
    /// Refuses strangers, and what contradicts itself.
    fn check(&self, draft: &Charter) -> Result<(), TrialError> {
        let said = self.say.iter().map(|line| &line.partner);
        let named = self.absent.iter().chain(&self.returns).chain(said).chain(&self.by).chain(&self.about);
        if let Some(stranger) = named.into_iter().find(|name| draft.partner(name.as_str()).is_none()) {
            return Err(TrialError::Stranger(stranger.clone()));
        }
        let refuse = |why: String| Err(TrialError::Contradiction(why));
        let away = |name: &PartnerName| self.absent.contains(name);
        if let Some(by) = self.by.as_ref().filter(|by| away(by)) {
            return refuse(format!("{by} is absent, so it cannot open anything"));
        }
        if let Some(line) = self.say.iter().find(|line| !line.later && away(&line.partner)) {
            let Line { partner, stance, .. } = line;
            return refuse(format!(
                "{partner} is absent, so it cannot say {stance}; once it is back it can, later"
            ));
        }
        if let Some(here) = self.returns.iter().find(|name| !away(name)) {
            return refuse(format!("{here} is not absent, so it cannot return"));
        }
        let own = |line: &&WordLine| {
            let name = line.authority.as_str();
            !line.later
                && draft.authority.stated(name).is_none()
                && self.absent.iter().any(|away| away.as_str() == name)
        };
        match self.words.iter().find(own) {
            Some(WordLine { authority, word: Some(word), .. }) => {
                refuse(format!("{authority} is absent, so it cannot say {word}"))
            }
            _ => Ok(()),
        }
    }

    /// The nations that are absent and speak with their authority later.
    fn speak_later(&self) -> impl Iterator<Item = &PartnerName> {
        let later = self.words.iter().filter(|line| line.later && line.word.is_some());
        later.filter_map(|line| self.absent.iter().find(|away| away.as_str() == line.authority.as_str()))
    }

    /// Who is absent and comes back, sorted.
    fn returning(&self) -> Vec<PartnerName> {
        let later = self.say.iter().filter(|line| line.later).map(|line| &line.partner);
        let later = later.filter(|partner| self.absent.contains(partner));
        let back = later.chain(self.speak_later()).chain(&self.returns);
        let mut back = back.cloned().collect::<Vec<_>>();
        back.sort_unstable();
        back.dedup();
        back
    }

    /// What is said in the first window, and in a further one. Where the opening `waited` for those that return, they are back in
    /// the first.
    fn lines(&self, kind: &OperationType, returning: &[PartnerName], waited: bool) -> [Vec<Line>; 2] {
        let first = |partner: &PartnerName| kind.counting_roles().find(|role| kind.holds(partner, *role));
        let endorses = |partner: &PartnerName, later: bool| {
            let (partner, role) = (partner.clone(), Some(first(partner)?));
            Some(Line { partner, stance: Stance::Endorse, role, caveat: None, later })
        };
        let has = |partner: &PartnerName, later: bool| {
            self.say.iter().any(|line| line.partner == *partner && line.later == later)
        };
        let silent = |partner: &&PartnerName| !self.absent.contains(partner) && !has(partner, false);
        let others = self.others(kind, kind.voters().into_iter().filter(silent).collect(), &first);
        // Who comes back to speak as its nation says that.
        let speaks = |partner: &PartnerName| {
            !self.returns.contains(partner) && self.speak_later().any(|nation| nation == partner)
        };
        let back = returning.iter().filter(|partner| !has(partner, true) && !speaks(partner));
        let back = back.filter_map(|partner| endorses(partner, true)).collect::<Vec<_>>();
        let (mut later, mut now): (Vec<_>, Vec<_>) = self.say.iter().cloned().partition(|line| line.later);
        now.extend(others);
        later.extend(back);
        if waited {
            let (back, further) = later.into_iter().partition(|line| returning.contains(&line.partner));
            now.extend::<Vec<_>>(back);
            later = further;
        }
        [now, later]
    }

    /// Those of whom nothing is said endorse: who may in several roles in the one that the rule then still asks for.
    fn others(
        &self,
        kind: &OperationType,
        silent: Vec<&PartnerName>,
        first: &dyn Fn(&PartnerName) -> Option<Role>,
    ) -> Vec<Line> {
        let now = self.say.iter().filter(|line| !line.later);
        let now =
            now.filter_map(|line| Some((&line.partner, line.role.or(first(&line.partner))?, line.stance)));
        let mut said = now.filter(|(_, role, _)| kind.counts(*role)).collect::<Vec<_>>();
        let (one, several): (Vec<_>, Vec<_>) =
            silent.into_iter().partition(|partner| kind.voices_of(partner).nth(1).is_none());
        let ways = kind.rule.ways();
        let from = said.len();
        for partner in one.into_iter().chain(several) {
            let asked = asked_in(kind, &ways, kind.rule.quorum, &said, partner);
            said.extend(asked.or(first(partner)).map(|role| (partner, role, Stance::Endorse)));
        }
        let line = |(partner, role, stance): &(&PartnerName, Role, Stance)| Line {
            partner: (*partner).clone(),
            stance: *stance,
            role: Some(*role),
            caveat: None,
            later: false,
        };
        let mut lines = said[from..].iter().map(line).collect::<Vec<_>>();
        lines.sort_by(|one, other| one.partner.cmp(&other.partner));
        lines
    }

    /// Those who are to say something in a further window.
    fn later(&self) -> Vec<String> {
        let said = self.say.iter().filter(|line| line.later).map(|line| line.partner.to_string());
        let words = self.words.iter().filter(|line| line.later).map(|line| line.authority.to_string());
        let mut all =
            said.chain(words).chain(self.returns.iter().map(ToString::to_string)).collect::<Vec<_>>();
        all.sort_unstable();
        all.dedup();
        all
    }
}

fn returns(who: &[PartnerName], enough: bool) -> String {
    let verb = if who.len() == 1 { "returns" } else { "return" };
    let then = match enough {
        true => "what is held is ordered, and its window begins",
        false => "nothing is ordered yet",
    };
    format!("{} {verb}: {then}", all_of(who))
}

impl Trial {
    fn decided(mut self, draft: &Charter, mut decision: Decision) -> Self {
        // Authorities are tried behind one key each; what they need is what the draft says.
        let lacking = decision.mandates.iter_mut().filter(|mandate| mandate.lacks.is_some());
        lacking.for_each(|mandate| mandate.lacks = needs(draft, &mandate.needed));
        self.verdict = End::Decided(decision.verdict);
        self.after_ms = self.steps.last().map_or(0, |step| step.after_ms);
        let told = std::mem::take(&mut self.explanation);
        self.explanation = decision.explain().split_off(1);
        self.explanation.extend(told);
        self.deficit = deficit(&decision);
        self
    }

    fn held(mut self, short: &Short) -> Self {
        self.verdict = End::Held;
        self.explanation = vec![
            short.to_string(),
            "what is written meanwhile is kept: it is ordered as soon as they answer, and windows begin then"
                .into(),
        ];
        self.deficit = short.needs();
        self
    }
}

/// What is missing, on the part of partners and of authorities.
fn deficit(decision: &Decision) -> String {
    let stops = decision.mandates.iter().filter(|mandate| !mandate.allows());
    let of_authorities = stops.map(|mandate| match &mandate.lacks {
        Some(lacks) => format!("{}, which {lacks}", mandate.ruling),
        None => mandate.ruling.to_string(),
    });
    let left = decision.deficit.at_the_end();
    let of_partners = (left != Deficit::default()).then(|| left.to_string());
    let all = of_partners.into_iter().chain(of_authorities).collect::<Vec<_>>();
    if all.is_empty() { left.to_string() } else { all.join("; ") }
}

/// An explanation of what is tried: in it each authority stands behind a key of its own name, and in the draft behind what the draft
/// says.
fn in_words_of(draft: &Charter, kind: &OperationType, mut told: String) -> String {
    for name in kind.authority.iter().chain(kind.rule.fallback.authority()) {
        if let Some(needs) = needs(draft, name) {
            told = told.replace(&format!("{name} needs {name}"), &format!("{name} {needs}"));
        }
    }
    told
}

/// As `needs 2 of (norden, sudria)`.
fn needs(draft: &Charter, name: &AuthorityName) -> Option<String> {
    let expression = match draft.authority.alliance(name) {
        Some(reference) => reference.alliance.expression.clone(),
        None => draft.first_registry().ok()?.get(name.as_str())?.expression.clone(),
    };
    let owner = |key: &_| draft.members().find(|partner| partner.root == *key)?.name.as_str().parse().ok();
    Some(format!("needs {}", expression.with_names_of_keys(&owner)))
}

/// The type that is tried, without the voice of whom it concerns, and what its agreement changes of the coalition itself.
fn the_kind(draft: &Charter, script: &Script) -> Result<(OperationType, Option<Change>), TrialError> {
    let list = |all: bool| {
        let kinds = draft.operations.iter().filter(|kind| all || kind.effect.is_none());
        kinds.map(|kind| kind.name.as_str()).collect::<Vec<_>>().join(", ")
    };
    let mut ordinary = draft.operations.iter().filter(|kind| kind.effect.is_none());
    let kind = match (&script.kind, ordinary.next(), ordinary.next()) {
        (Some(name), ..) => draft
            .kind(name.as_str())
            .ok_or_else(|| TrialError::NoKind { name: name.clone(), known: list(true) })?,
        (None, Some(only), None) => only,
        (None, ..) => return Err(TrialError::Kind(list(false))),
    };
    let name = &kind.name;
    match (kind.effect, &script.about) {
        (None, None) => Ok((kind.clone(), None)),
        (None, Some(about)) => {
            let why = format!("{name} decides on nobody's membership, so it cannot be about {about}");
            Err(TrialError::Contradiction(why))
        }
        (Some(Effect::Amend), _) => Err(TrialError::Amends(name.clone())),
        (Some(effect), None) => Err(TrialError::About { kind: name.clone(), effect }),
        (Some(effect), Some(about)) => {
            let subject = about.clone();
            let change = match effect {
                Effect::Suspend => Change::Suspend(subject),
                Effect::Reinstate => Change::Reinstate(subject),
                Effect::Expel | Effect::Amend => Change::Expel(subject),
            };
            Ok((kind.without(about), Some(change)))
        }
    }
}

/// The permission of the authority that is needed, if nothing is said of it.
fn needed_by(kind: &OperationType, script: &Script) -> Option<WordLine> {
    let needed = kind.authority.clone()?;
    let silent = script.words.iter().all(|line| line.authority != needed);
    silent.then_some(WordLine { authority: needed, word: Some(Word::Permit), ground: None, later: false })
}
