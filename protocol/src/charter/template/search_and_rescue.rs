//! A rescue coordination centre leads, others support with units, the last observes.

use super::{HOUR_MS, Roles, kind, majority, resource, text, time};
use crate::charter::{Fallback, OperationType, OutcomeRule, Substitute, Veto};
use crate::lane::Lane;
use crate::record::Role;

/// `search`: the centre endorses, and one that supports may stand in for it when it is away; what is not agreed in the first hour has
/// a second one. Who searches a sector first has it for that time. `stand-down`: the centre and more than half of the
/// others end a search; the centre may veto that.
pub(super) fn types(roles: &Roles) -> Vec<OperationType> {
    let stand_in = roles.lead.iter().zip(&roles.supporting).map(|(lead, by)| Substitute {
        role: Role::Lead,
        partner: lead.clone(),
        by: vec![by.clone()],
    });
    let search = OutcomeRule {
        required: vec![Role::Lead],
        substitutes: stand_in.collect(),
        fallback: Fallback::Defer,
        ..OutcomeRule::default()
    };
    let search = OperationType {
        may_raise: [roles.lead.as_slice(), &roles.supporting].concat(),
        fields: vec![time("from", true), text("object", false), text("sector", true), time("until", true)],
        resources: vec![resource("sector", &["sector"], Some(("from", "until")))],
        ..kind("search", Lane::Immediate, HOUR_MS, roles, search)
    };
    let stand_down = OutcomeRule {
        required: vec![Role::Lead],
        at_least: majority(roles),
        veto: Veto { partners: vec![], roles: vec![Role::Lead] },
        ..OutcomeRule::default()
    };
    vec![search, kind("stand-down", Lane::Priority, 6 * HOUR_MS, roles, stand_down)]
}
