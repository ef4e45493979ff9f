//! Drafts for common missions, by name: whoever drafts starts from one and edits the text.

mod airlift;
mod convoy;
mod medical_evacuation;
mod search_and_rescue;

use super::governance::governance;
use super::{
    AtLeast, AuthorityRules, CHARTER_VERSION, Card, Charter, CharterError, Dependants, DisputeRule, Field,
    FieldKind, HandoffRule, IfShort, IntegrityRules, KindName, OnExpiry, OperationType, OutcomeRule,
    PartnerName, Quota, Resource,
};
use crate::lane::Lane;
use crate::record::{Nonce, Role};
use crate::time::Time;

/// The names of all templates.
pub const TEMPLATES: [&str; 4] = ["airlift", "convoy", "medical-evacuation", "search-and-rescue"];

const HOUR_MS: u64 = 3_600_000;
/// Batch time may move half a minute on the word of few clocks.
const STEP_MS: u64 = 30_000;
/// Clocks are expected to agree within a minute.
const CLOCK_TOLERANCE_MS: u64 = 60_000;

/// What a draft needs beside the cards.
#[derive(Debug, Clone)]
pub struct DraftSpec {
    /// What people will call the coalition.
    pub name: KindName,
    /// Now.
    pub created: Time,
    /// Drawn at random.
    pub nonce: Nonce,
    /// Last millisecond at which delegations are valid.
    pub credentials_until: Time,
    /// Who does what.
    pub roles: RoleHints,
}

/// Who does what, where it is stated; the rest follows from the order of cards: the first leads, with four or more
/// the last observes, all others support.
#[derive(Debug, Clone, Default)]
pub struct RoleHints {
    /// Who leads.
    pub lead: Option<PartnerName>,
    /// Who observes.
    pub observing: Vec<PartnerName>,
}

/// A charter from the template `name`, for the partners whose cards are given.
pub fn draft(name: &str, cards: &[Card], spec: &DraftSpec) -> Result<Charter, CharterError> {
    let types = match name {
        "airlift" => airlift::types,
        "convoy" => convoy::types,
        "medical-evacuation" => medical_evacuation::types,
        "search-and-rescue" => search_and_rescue::types,
        _ => return Err(CharterError::NoTemplate { name: name.to_owned() }),
    };
    for card in cards {
        card.verify()?;
    }
    super::bound("cards", cards.len(), 1, super::MAX_PARTNERS)?;
    let roles = assign(cards, &spec.roles)?;
    let mut charter = Charter {
        version: CHARTER_VERSION,
        previous: None,
        name: spec.name.clone(),
        created: spec.created,
        nonce: spec.nonce,
        step_ms: STEP_MS,
        clock_tolerance_ms: CLOCK_TOLERANCE_MS,
        quota: Quota::default(),
        partners: cards.iter().map(|card| card.entry(spec.credentials_until)).collect(),
        admitted: Vec::new(),
        operations: types(&roles),
        capabilities: vec![],
        integrity: IntegrityRules::of(cards.len()),
        authority: AuthorityRules::default(),
    };
    let partners = charter.partners.iter().map(|partner| partner.name.clone()).collect::<Vec<_>>();
    for kind in &mut charter.operations {
        kind.dispute = panel(&partners);
    }
    charter.operations.extend(governance(&partners));
    charter.sort();
    charter.check()?;
    Ok(charter)
}

struct Roles {
    lead: Vec<PartnerName>,
    supporting: Vec<PartnerName>,
    observing: Vec<PartnerName>,
}

fn assign(cards: &[Card], hints: &RoleHints) -> Result<Roles, CharterError> {
    let names = cards.iter().map(|card| &card.partner).collect::<Vec<_>>();
    if let Some(partner) = hints.lead.iter().chain(&hints.observing).find(|name| !names.contains(name)) {
        return Err(CharterError::NoCard { partner: partner.clone() });
    }
    if let Some(partner) = hints.lead.as_ref().filter(|lead| hints.observing.contains(lead)) {
        return Err(CharterError::RoleConflict { partner: partner.clone() });
    }
    let free = |name: &&&PartnerName| !hints.observing.contains(name);
    let lead = match &hints.lead {
        Some(lead) => lead.clone(),
        None => match names.iter().find(free) {
            Some(lead) => (*lead).clone(),
            None => {
                return Err(CharterError::RoleConflict { partner: names[0].clone() });
            }
        },
    };
    let mut observing = hints.observing.clone();
    if observing.is_empty() && names.len() >= 4 {
        observing.extend(names.iter().rev().find(|name| ***name != lead).map(|name| (*name).clone()));
    }
    let supporting = names
        .iter()
        .filter(|name| ***name != lead && !observing.contains(name))
        .map(|name| (*name).clone())
        .collect();
    Ok(Roles { lead: vec![lead], supporting, observing })
}

/// Who rules on disputes: all but the parties, which are two as a rule, by more than half of those that are left. Fewer than four
/// have no two judges between two parties.
fn panel(partners: &[PartnerName]) -> Option<DisputeRule> {
    let judges = partners.len().checked_sub(2).filter(|judges| *judges >= 2)?;
    Some(DisputeRule {
        window_ms: 24 * HOUR_MS,
        panel: partners.to_vec(),
        threshold: u32::try_from(judges / 2 + 1).unwrap_or(u32::MAX),
        if_short: IfShort::Unanimous,
        rule_ms: 24 * HOUR_MS,
        on_expiry: OnExpiry::Uphold,
        dependants: Dependants::GoOn,
        grounds: vec![],
        remand_ms: None,
    })
}

/// A type that its mission's file completes.
fn kind(name: &str, precedence: Lane, window_ms: u64, roles: &Roles, rule: OutcomeRule) -> OperationType {
    OperationType {
        name: name.parse().expect("a literal that is a name"),
        precedence,
        may_raise: vec![],
        may_raise_with: None,
        window_ms,
        effect: None,
        lead: roles.lead.clone(),
        supporting: roles.supporting.clone(),
        observing: roles.observing.clone(),
        roles: vec![],
        fields: vec![],
        resources: vec![],
        leases: vec![],
        rule,
        handoff: HandoffRule::default(),
        phases: vec![],
        dispute: None,
        authority: None,
    }
}

/// More than half of those who support, if there are any.
fn majority(roles: &Roles) -> Vec<AtLeast> {
    match roles.supporting.len() {
        0 => vec![],
        count => {
            vec![AtLeast { role: Role::Supporting, count: u32::try_from(count / 2 + 1).unwrap_or(u32::MAX) }]
        }
    }
}

fn field(name: &str, kind: FieldKind, required: bool) -> Field {
    Field { name: name.into(), kind, required, min: None, max: None, choices: vec![] }
}

fn text(name: &str, required: bool) -> Field {
    Field { min: Some(1), max: Some(200), ..field(name, FieldKind::Text, required) }
}

fn time(name: &str, required: bool) -> Field {
    field(name, FieldKind::Time, required)
}

fn number(name: &str, required: bool, min: i64, max: i64) -> Field {
    Field { min: Some(min), max: Some(max), ..field(name, FieldKind::Number, required) }
}

fn choice(name: &str, required: bool, choices: &[&str]) -> Field {
    let choices = choices.iter().map(|choice| (*choice).to_owned()).collect();
    Field { choices, ..field(name, FieldKind::Choice, required) }
}

fn resource(name: &str, fields: &[&str], span: Option<(&str, &str)>) -> Resource {
    Resource {
        name: name.parse().expect("a literal that is a name"),
        fields: fields.iter().map(|field| (*field).to_owned()).collect(),
        from: span.map(|(from, _)| from.to_owned()),
        until: span.map(|(_, until)| until.to_owned()),
    }
}
