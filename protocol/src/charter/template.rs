//! Drafts for common missions, by name: whoever drafts starts from one and edits the text.

use super::governance::governance;
use super::{
    AtLeast, CHARTER_VERSION, Card, Charter, CharterError, HandoffRule, IntegrityRules, KindName,
    OperationType, OutcomeRule, Partner, PartnerName, Quota, Veto,
};
use crate::lane::Lane;
use crate::record::{Nonce, Role};
use crate::time::Time;

/// The names of all templates.
pub const TEMPLATES: [&str; 1] = ["airlift"];

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
    if !TEMPLATES.contains(&name) {
        return Err(CharterError::NoTemplate { name: name.to_owned() });
    }
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
        partners: cards
            .iter()
            .map(|card| Partner {
                name: card.partner.clone(),
                root: card.root,
                officers: card.officers.clone(),
                seat: card.seat,
                nodes: card.nodes.clone(),
                credentials_until: spec.credentials_until,
            })
            .collect(),
        operations: airlift(&roles),
        integrity: IntegrityRules::of(cards.len()),
    };
    let partners = charter.partners.iter().map(|partner| partner.name.clone()).collect::<Vec<_>>();
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

/// A host nation leads, lift nations support, an air service observes.
///
/// `airlift`: the host endorses and more than half of the lift nations do; the host may veto. `closure`: the host
/// alone closes or opens a corridor, at once.
fn airlift(roles: &Roles) -> Vec<OperationType> {
    let majority = match roles.supporting.len() {
        0 => vec![],
        count => {
            vec![AtLeast { role: Role::Supporting, count: u32::try_from(count / 2 + 1).unwrap_or(u32::MAX) }]
        }
    };
    let kind = |name: &str, precedence, window_ms, at_least, veto| OperationType {
        name: name.parse().expect("a literal that is a name"),
        precedence,
        window_ms,
        effect: None,
        lead: roles.lead.clone(),
        supporting: roles.supporting.clone(),
        observing: roles.observing.clone(),
        rule: OutcomeRule { required: vec![Role::Lead], at_least, veto },
        handoff: HandoffRule::default(),
        phases: vec![],
        dispute: None,
    };
    let by_lead = Veto { partners: vec![], roles: vec![Role::Lead] };
    vec![
        kind("airlift", Lane::Immediate, 6 * HOUR_MS, majority, by_lead),
        kind("closure", Lane::Flash, HOUR_MS / 2, vec![], Veto::default()),
    ]
}
