//! A coalition on which something is tried: a draft founded under synthetic keys, and what its officers write.

use std::collections::BTreeMap;

use super::{Line, Script, Step, TrialError, WordLine};
use crate::authority::{Authority, Signatures, Word};
use crate::charter::{
    AuthorityRules, CHARTER_VERSION, Charter, FieldKind, OperationType, PartnerName, show_time,
};
use crate::coalition::{Applied, ApplyContext, Decision, Disposition, Membership, State};
use crate::feed::FeedKey;
use crate::founding::{CharterSignature, Founded, Founding};
use crate::identity::{Hash, RecordId, SecretKey, hash};
use crate::lane::Lane;
use crate::record::{
    Act, Attest, AuthorityAct, Body, Change, MemberAct, Nonce, Open, Propose, Record, Role, SignedRecord,
    Speak, Statement,
};
use crate::time::Time;

/// A coalition under synthetic keys.
pub(super) struct Stage {
    founded: Founded,
    pub(super) state: State,
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
    pub(super) fn new(draft: &Charter) -> Result<Self, TrialError> {
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

    pub(super) fn after_ms(&self) -> u64 {
        self.state.time().0.saturating_sub(self.opened.0)
    }

    /// The record that opens it.
    pub(super) fn opening(&self, kind: &OperationType, change: Option<Change>, script: &Script) -> Act {
        let name = &kind.name;
        match change {
            Some(change) => {
                let propose = Propose { kind: name.clone(), change, reason: "a trial".into() };
                Act::Member(MemberAct::Propose(propose))
            }
            None => {
                let body = self.body(kind, script);
                Act::Open(Open { kind: name.to_string(), title: "a trial".into(), body, precedence: None })
            }
        }
    }

    /// Makes a partner one that can be reinstated.
    pub(super) fn suspend(&mut self, partner: &PartnerName) {
        let by = RecordId(Hash::default());
        self.state.change_member(partner, Membership::Suspended, by, "a trial".into());
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

    pub(super) fn sign(&self, partner: &PartnerName, number: u64, act: Act) -> SignedRecord {
        let officer = key(partner.as_str(), "officer");
        let nonce = Nonce::from_key(&officer.public(), &number.to_string());
        let coalition = self.founded.coalition();
        Record { coalition, nonce, signer: officer.public(), act }.sign(&officer)
    }

    pub(super) fn apply(&mut self, signed: &SignedRecord) -> Applied {
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

    /// Says a word of an authority, which whoever opened the operation carries; what follows beyond the outcome, and the decision, if
    /// that makes one.
    pub(super) fn authorize(
        &mut self,
        operation: RecordId,
        kind: &OperationType,
        line: &WordLine,
        steps: &mut Vec<Step>,
    ) -> (Option<String>, Option<Decision>) {
        let name = &line.authority;
        let Some(word) = line.word else {
            steps.push(Step { after_ms: self.after_ms(), what: format!("{name} says nothing") });
            return (None, None);
        };
        let ground = line.ground.clone().unwrap_or_else(|| "tried".into());
        let number = u32::try_from(self.said).unwrap_or(u32::MAX);
        let statement = Statement { operation, authority: name.clone(), word, ground, number };
        let rules = &self.founded.charter().authority;
        let mut signatures = Signatures::default();
        let own = self.founded.charter().partner(name.as_str()).map(|partner| partner.name.clone());
        let by = match (rules.stated(name.as_str()), own) {
            (None, Some(own)) => own,
            _ => {
                let signer = key(name.as_str(), "authority");
                statement.sign(self.founded.coalition(), &signer, &mut signatures);
                let opened = self.state.operation(&operation).map(|it| it.opened_by.clone());
                opened.unwrap_or_else(|| self.founded.partners()[0].name.clone())
            }
        };
        let act = Act::Authority(AuthorityAct::Speak(Speak { statement, signatures }));
        let signed = self.sign(&by, self.said, act);
        let mut applied = self.apply(&signed);
        let refused = match &applied.disposition {
            Disposition::Refused(refusal) => format!(", which is refused: {refusal}"),
            _ => String::new(),
        };
        let keeps_out = refused.is_empty()
            && matches!(word, Word::Refuse | Word::Recall)
            && self.founded.charter().is_national(name);
        let home = if keeps_out { "; what it lent to it goes home" } else { "" };
        let what = format!("{name} {} it{refused}{home}", word.does());
        steps.push(Step { after_ms: self.after_ms(), what });
        let told = (keeps_out && kind.authority.is_none()).then(|| {
            format!("{name} keeps its own out of it: the assets that it lent to it go home, and the others go on without them")
        });
        (told, applied.decisions.pop())
    }

    /// Says a line; replaces what the partner said before. The decision, if that makes one.
    pub(super) fn say(
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
