//! Trying a charter before anybody signs it: what becomes of an operation if partners say this and that.
//!
//! Guarantee: the answer is that of the state machine itself. The draft is given synthetic keys and founded under them, an
//! operation is opened, words are said by synthetic officers, and batch time is moved to the end of the window, and of a further
//! one if there is one. Only keys, and so the coalition's id, differ from what will be.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::{Applied, ApplyContext, Decision, Disposition, State, Verdict};
use crate::authority::{Authority, Signatures, Word};
use crate::charter::{
    AuthorityName, AuthorityRules, CHARTER_VERSION, Charter, FieldKind, KindName, OperationType, PartnerName,
    show_time,
};
use crate::feed::FeedKey;
use crate::founding::{CharterSignature, Founded, Founding, FoundingError};
use crate::identity::{Hash, RecordId, SecretKey, hash};
use crate::lane::Lane;
use crate::record::{
    Act, Attest, AuthorityAct, Body, Nonce, Open, Record, Role, SignedRecord, Speak, Stance, Statement,
};
use crate::time::Time;

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
    /// Who says nothing.
    #[serde(default)]
    pub absent: Vec<PartnerName>,
    /// What is said, in this order.
    #[serde(default)]
    pub say: Vec<Line>,
    /// What authorities say before that; the one that is needed permits it, if it is not named.
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
    /// In the further window, if there is one, instead of the first.
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
}

/// Why nothing could be tried.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum TrialError {
    /// No type, or one of several has to be named.
    #[error("which type of operation? there are: {0}")]
    Kind(String),
    /// Nobody of this name.
    #[error("{0} is no partner of this charter")]
    Stranger(PartnerName),
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
    pub verdict: Verdict,
    /// How long after the opening, in milliseconds of batch time.
    pub after_ms: u64,
    /// Why, who counted, and on which conditions.
    pub explanation: Vec<String>,
    /// What was missing, in one sentence.
    pub deficit: String,
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
    let kind = the_kind(draft, script)?;
    let named = script.absent.iter().chain(script.say.iter().map(|line| &line.partner)).chain(&script.by);
    if let Some(stranger) = named.into_iter().find(|name| draft.partner(name.as_str()).is_none()) {
        return Err(TrialError::Stranger(stranger.clone()));
    }
    let openers = kind.openers();
    let by = match (&script.by, openers.iter().find(|partner| !script.absent.contains(partner))) {
        (Some(by), _) | (None, Some(by)) => by.clone(),
        (None, None) => return Err(TrialError::Opening("nobody who may open it is there".into())),
    };
    let mut stage = Stage::new(draft)?;
    let body = stage.body(&kind, script);
    let open = Open { kind: kind.name.to_string(), title: "a trial".into(), body, precedence: None };
    let opening = stage.sign(&by, 0, Act::Open(open));
    let id = opening.record.id();
    let applied = stage.apply(&opening);
    if let Disposition::Refused(refusal) = applied.disposition {
        return Err(TrialError::Opening(refusal.to_string()));
    }
    let mut trial = Trial {
        kind: kind.name.clone(),
        by: by.clone(),
        steps: vec![Step { after_ms: 0, what: format!("{by} opens a {}", kind.name) }],
        verdict: Verdict::Expired,
        after_ms: 0,
        explanation: vec![],
        deficit: String::new(),
    };
    for line in script.words.iter().cloned().chain(needed_by(&kind, script)) {
        stage.authorize(id, &line, &mut trial.steps);
    }
    let silent = |partner: &&PartnerName| {
        !script.absent.contains(partner)
            && script.say.iter().all(|line| line.later || line.partner != **partner)
    };
    let first = |partner: &PartnerName| kind.counting_roles().find(|role| kind.holds(partner, *role));
    let others = kind.voters().into_iter().filter(silent).filter_map(|partner| {
        let role = first(partner)?;
        Some(Line {
            partner: partner.clone(),
            stance: Stance::Endorse,
            role: Some(role),
            caveat: None,
            later: false,
        })
    });
    let (later, now): (Vec<_>, Vec<_>) = script.say.iter().cloned().partition(|line| line.later);
    let lines = now.into_iter().chain(others).collect::<Vec<_>>();
    for (number, lines) in [lines, later].into_iter().enumerate() {
        for line in &lines {
            if let Some(decision) = stage.say(&kind, id, line, &mut trial.steps) {
                return Ok(trial.decided(&decision));
            }
        }
        let Some((closes, _)) = stage.state.deadlines().next() else { break };
        let mut advanced = stage.state.advance(closes);
        if let Some(decision) = advanced.decisions.pop() {
            trial.steps.push(Step { after_ms: stage.after_ms(), what: "the window ends".into() });
            let decided = trial.decided(&decision);
            return Ok(Trial { after_ms: stage.after_ms(), ..decided });
        }
        if number == 0 {
            let what = stage.state.view(&id, closes).map(|view| view.explanation).unwrap_or_default();
            trial.steps.push(Step { after_ms: stage.after_ms(), what: format!("the window ends: {what}") });
        }
    }
    Ok(trial)
}

impl Trial {
    fn decided(mut self, decision: &Decision) -> Self {
        self.verdict = decision.verdict;
        self.after_ms = self.steps.last().map_or(0, |step| step.after_ms);
        self.explanation = decision.explain().split_off(1);
        self.deficit = decision.deficit.to_string();
        self
    }
}

fn the_kind(draft: &Charter, script: &Script) -> Result<OperationType, TrialError> {
    let ordinary = draft.operations.iter().filter(|kind| kind.effect.is_none()).collect::<Vec<_>>();
    let names = || ordinary.iter().map(|kind| kind.name.as_str()).collect::<Vec<_>>().join(", ");
    let found = match (&script.kind, ordinary.as_slice()) {
        (Some(name), _) => ordinary.iter().find(|kind| kind.name == *name).copied(),
        (None, [only]) => Some(*only),
        (None, _) => None,
    };
    found.cloned().ok_or_else(|| TrialError::Kind(names()))
}

/// The permission of the authority that is needed, if nothing is said of it.
fn needed_by(kind: &OperationType, script: &Script) -> Option<WordLine> {
    let needed = kind.authority.clone()?;
    let silent = script.words.iter().all(|line| line.authority != needed);
    silent.then_some(WordLine { authority: needed, word: Some(Word::Permit), ground: None })
}

/// A coalition under synthetic keys.
struct Stage {
    founded: Founded,
    state: State,
    opened: Time,
    said: u64,
}

fn key(name: &str, purpose: &str) -> SecretKey {
    SecretKey::from_seed(&hash("entente/trial/v1", &[name.as_bytes(), b"/", purpose.as_bytes()]).0)
}

/// The same authorities, each behind one key.
fn synthetic(rules: &AuthorityRules) -> AuthorityRules {
    let alliances = rules.alliances.iter().map(|reference| reference.alliance.authority());
    let behind = |authority: Authority| {
        let expression = key(authority.name.as_str(), "authority").public().into();
        Authority { expression, ..authority }
    };
    AuthorityRules {
        precedence: rules.precedence,
        authorities: rules.authorities.iter().cloned().chain(alliances).map(behind).collect(),
        alliances: Vec::new(),
    }
}

impl Stage {
    fn new(draft: &Charter) -> Result<Self, TrialError> {
        let mut charter = draft.clone();
        // A later version is tried as if it were a founding of all who are partners by then.
        (charter.version, charter.previous) = (CHARTER_VERSION, None);
        charter.partners.append(&mut charter.admitted);
        for partner in &mut charter.partners {
            partner.root = key(partner.name.as_str(), "root").public();
            partner.seat = key(partner.name.as_str(), "seat").public();
            partner.officers = vec![key(partner.name.as_str(), "officer").public()];
            partner.nodes = vec![key(partner.name.as_str(), "node").public()];
        }
        charter.authority = synthetic(&charter.authority);
        charter.sort();
        let sign = |name: &PartnerName| CharterSignature::sign(&charter, &key(name.as_str(), "root"));
        let signatures =
            charter.partners.iter().map(|partner| sign(&partner.name)).collect::<Result<_, _>>()?;
        let founded = Founding { charter, signatures }.verify()?;
        let mut state = State::genesis(&founded);
        let opened = founded.charter().created.plus(1);
        state.advance(opened);
        Ok(Self { founded, state, opened, said: 0 })
    }

    fn after_ms(&self) -> u64 {
        self.state.time().0.saturating_sub(self.opened.0)
    }

    /// What is given, and something for each further value that the type requires.
    fn body(&self, kind: &OperationType, script: &Script) -> BTreeMap<String, String> {
        let mut body = script.body.clone();
        // Each time is later than the one before, in the order in which resources name them.
        let mut time = self.opened;
        let ends = kind.resources.iter().flat_map(|resource| resource.from.iter().chain(&resource.until));
        for name in ends {
            time = time.plus(3_600_000);
            body.entry(name.clone()).or_insert_with(|| show_time(time));
        }
        for field in kind.fields.iter().filter(|field| field.required) {
            let value = match field.kind {
                FieldKind::Time => show_time(time),
                FieldKind::Choice => field.choices.first().cloned().unwrap_or_default(),
                FieldKind::Number => field.min.or(field.max).unwrap_or(0).to_string(),
                FieldKind::Text => {
                    let least = usize::try_from(field.min.unwrap_or(1)).unwrap_or(1).max(1);
                    "x".repeat(least.min(crate::record::MAX_FIELD_BYTES))
                }
            };
            body.entry(field.name.clone()).or_insert(value);
        }
        body
    }

    fn sign(&self, partner: &PartnerName, number: u64, act: Act) -> SignedRecord {
        let officer = key(partner.as_str(), "officer");
        let nonce = Nonce::from_key(&officer.public(), &number.to_string());
        let coalition = self.founded.coalition();
        Record { coalition, nonce, signer: officer.public(), act }.sign(&officer)
    }

    fn apply(&mut self, signed: &SignedRecord) -> Applied {
        self.said += 1;
        let carrier = self.founded.partners().first().map(|partner| partner.name.clone());
        let node = carrier.map_or_else(|| signed.record.signer, |name| key(name.as_str(), "node").public());
        let context = ApplyContext {
            index: self.said,
            epoch: 1,
            time: self.state.time(),
            feed: FeedKey { node, lane: Lane::Routine, incarnation: 0 },
            length: self.said,
            hash: Hash::default(),
        };
        self.state.apply(&context, &Body::Signed(signed.clone()))
    }

    /// Says a word of an authority, which whoever opened the operation carries.
    fn authorize(&mut self, operation: RecordId, line: &WordLine, steps: &mut Vec<Step>) {
        let name = &line.authority;
        let Some(word) = line.word else {
            steps.push(Step { after_ms: self.after_ms(), what: format!("{name} says nothing") });
            return;
        };
        let ground = line.ground.clone().unwrap_or_else(|| "tried".into());
        let statement = Statement { operation, authority: name.clone(), word, ground, number: 1 };
        let rules = &self.founded.charter().authority;
        let mut signatures = Signatures::default();
        let own = self.founded.charter().partner(name.as_str()).map(|partner| partner.name.clone());
        let by = match (rules.stated(name.as_str()), own) {
            (None, Some(own)) => own,
            _ => {
                let signer = key(name.as_str(), "authority");
                statement.sign(self.founded.coalition(), &signer, &mut signatures);
                self.founded.partners()[0].name.clone()
            }
        };
        let act = Act::Authority(AuthorityAct::Speak(Speak { statement, signatures }));
        let signed = self.sign(&by, self.said, act);
        let applied = self.apply(&signed);
        let refused = match &applied.disposition {
            Disposition::Refused(refusal) => format!(", which is refused: {refusal}"),
            _ => String::new(),
        };
        let what = format!("{name} {} it{refused}", word.does());
        steps.push(Step { after_ms: self.after_ms(), what });
    }

    /// Says a line; replaces what the partner said before. The decision, if that makes one.
    fn say(
        &mut self,
        kind: &OperationType,
        operation: RecordId,
        line: &Line,
        steps: &mut Vec<Step>,
    ) -> Option<Decision> {
        let mut roles = kind.voices_of(&line.partner);
        let role = line.role.or_else(|| roles.next()).unwrap_or(Role::Observing);
        let standing = self.state.operation(&operation).and_then(|it| it.standing(&line.partner));
        let attest = Attest {
            operation,
            role,
            stance: line.stance,
            caveat: line.caveat.clone(),
            evidence: vec![],
            supersedes: standing.map(|said| said.record),
        };
        let signed = self.sign(&line.partner, self.said, Act::Attest(attest));
        let mut applied = self.apply(&signed);
        let refused = match &applied.disposition {
            Disposition::Refused(refusal) => format!(", which is refused: {refusal}"),
            _ => String::new(),
        };
        let what = format!("{} says {} as {role}{refused}", line.partner, line.stance);
        steps.push(Step { after_ms: self.after_ms(), what });
        applied.decisions.pop()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::founding::fixture::{FOUR, charter, name};

    fn script(absent: &[&str], says: &[(&str, Stance)]) -> Script {
        Script {
            kind: Some("airlift".parse().expect("a name")),
            absent: absent.iter().map(|partner| name(partner)).collect(),
            say: says
                .iter()
                .map(|(partner, stance)| Line {
                    partner: name(partner),
                    stance: *stance,
                    role: None,
                    caveat: None,
                    later: false,
                })
                .collect(),
            ..Script::default()
        }
    }

    #[test]
    fn a_draft_answers_what_happens_if_one_is_absent_and_the_host_objects() {
        let draft = charter(&FOUR);
        let all = trial(&draft, &script(&[], &[])).expect("tried");
        assert_eq!((all.verdict, all.after_ms), (Verdict::Agreed, 0));
        let absent = trial(&draft, &script(&["sudria"], &[])).expect("tried");
        assert_eq!((absent.verdict, absent.after_ms), (Verdict::Expired, 6 * 3_600_000));
        assert_eq!(absent.deficit, "needs 1 more of supporting: sudria");
        let vetoed = trial(&draft, &script(&["sudria"], &[("norden", Stance::Object)])).expect("tried");
        assert_eq!(vetoed.verdict, Verdict::Failed);
        assert!(vetoed.deficit.contains("blocked by veto of norden"), "{}", vetoed.deficit);
        assert_eq!(vetoed.steps.last().map(|step| step.what.as_str()), Some("the window ends"));
        // The draft's own keys play no part.
        let mut other = draft.clone();
        other.partners.iter_mut().for_each(|partner| partner.seat = partner.root);
        assert_eq!(trial(&other, &script(&[], &[])), Ok(all));
    }

    #[test]
    fn words_of_authorities_are_tried_by_the_declared_precedence() {
        let mut draft = charter(&FOUR);
        draft.authority.precedence = Some(crate::authority::KindPrecedence::default());
        let command = Authority {
            name: "command".parse().expect("a name"),
            kind: crate::authority::AuthorityKind::Coalition,
            scope: crate::authority::Scope::default(),
            expression: draft.partners[0].root.into(),
        };
        draft.authority.authorities.push(command);
        let airlift = draft.operations.iter_mut().find(|kind| kind.name.as_str() == "airlift");
        airlift.expect("declared").authority = Some("command".parse().expect("a name"));
        let with = |words: &[(&str, Option<Word>)]| {
            let words = words.iter().map(|(name, word)| WordLine {
                authority: name.parse().expect("a name"),
                word: *word,
                ground: None,
            });
            trial(&draft, &Script { words: words.collect(), ..script(&[], &[]) }).expect("tried")
        };
        assert_eq!(with(&[]).verdict, Verdict::Agreed);
        assert_eq!(with(&[("command", None)]).verdict, Verdict::Expired);
        let refused = with(&[("sudria", Some(Word::Refuse)), ("command", Some(Word::Order))]);
        assert_eq!(refused.verdict, Verdict::Failed);
        assert!(refused.explanation[0].contains("refused by sudria; command is overruled"), "{refused:?}");
        let unknown = with(&[("league", Some(Word::Refuse))]);
        assert!(unknown.steps[1].what.contains("there is no authority league"), "{unknown:?}");
    }

    #[test]
    fn what_cannot_be_tried_is_told_with_its_reason() {
        let draft = charter(&FOUR);
        let unnamed = Script::default();
        assert_eq!(trial(&draft, &unnamed), Err(TrialError::Kind("airlift, closure".into())));
        assert_eq!(trial(&draft, &script(&["borland"], &[])), Err(TrialError::Stranger(name("borland"))));
        let by_observer = Script { by: Some(name("vigil")), ..script(&[], &[]) };
        assert!(matches!(trial(&draft, &by_observer), Err(TrialError::Opening(_))));
        let mut never = draft;
        never.operations.iter_mut().for_each(|kind| kind.rule.quorum = 9);
        assert!(matches!(trial(&never, &script(&[], &[])), Err(TrialError::Founding(_))));
    }
}
