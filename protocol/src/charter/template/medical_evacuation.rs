//! A medical command leads, lift nations support, the last of them has the hospital.

use super::{HOUR_MS, Roles, choice, kind, number, text, time};
use crate::charter::{
    DeclaredRole, Fallback, Lesser, Measure, OperationType, OutcomeRule, Term, Terms, Threshold, Veto,
};
use crate::lane::Lane;
use crate::record::Role;

/// `evacuation`: the command, somebody who flies and the hospital endorse; the hospital may refuse. If nobody flies in time it is
/// agreed with limits: care on the spot. Everybody who may open one may raise it to flash.
pub(super) fn types(roles: &Roles) -> Vec<OperationType> {
    let (hospital, flies) = match roles.supporting.split_last() {
        Some((hospital, flies)) if !flies.is_empty() => (vec![hospital.clone()], flies.to_vec()),
        Some((hospital, _)) => (vec![hospital.clone()], vec![]),
        None => (vec![], vec![]),
    };
    let role: Role = "hospital".parse().expect("a literal that is a role");
    let endorses =
        |role| Term::Threshold(Threshold { role: Some(role), partners: vec![], measure: Measure::Count(1) });
    let has_hospital = !hospital.is_empty();
    let flight = (!flies.is_empty()).then(|| endorses(Role::Supporting));
    let beds = has_hospital.then(|| endorses(role));
    let on_the_spot =
        Lesser { limits: "care on the spot, no flight".into(), all_of: Terms(vec![endorses(Role::Lead)]) };
    let rule = OutcomeRule {
        required: vec![Role::Lead],
        all_of: Terms(flight.into_iter().chain(beds).collect()),
        veto: Veto { partners: vec![], roles: if has_hospital { vec![role] } else { vec![] } },
        fallback: if has_hospital { Fallback::Lesser(on_the_spot) } else { Fallback::Fail },
        ..OutcomeRule::default()
    };
    let declared = DeclaredRole { name: role, partners: hospital, requires: None, counts: true, opens: true };
    let mut evacuation = OperationType {
        fields: vec![
            choice("category", true, &["priority", "routine", "urgent"]),
            number("patients", true, 1, 999),
            text("pickup", true),
            time("ready", false),
        ],
        roles: if has_hospital { vec![declared] } else { vec![] },
        ..kind("evacuation", Lane::Immediate, 2 * HOUR_MS, roles, rule)
    };
    evacuation.supporting = flies;
    evacuation.may_raise = evacuation.openers();
    vec![evacuation]
}
