//! A host nation leads, lift nations support, an air service observes.

use super::{HOUR_MS, Roles, kind, majority, number, resource, text, time};
use crate::charter::{OperationType, OutcomeRule, Veto};
use crate::lane::Lane;
use crate::record::Role;

/// `airlift`: the host endorses and more than half of the lift nations do; the host may veto, and raise the precedence. Of two
/// that would have one corridor at one time, the first that is opened has it. `closure`: the host alone closes or opens a corridor,
/// at once.
pub(super) fn types(roles: &Roles) -> Vec<OperationType> {
    let rule = OutcomeRule {
        required: vec![Role::Lead],
        at_least: majority(roles),
        veto: Veto { partners: vec![], roles: vec![Role::Lead] },
        ..OutcomeRule::default()
    };
    let airlift = OperationType {
        may_raise: roles.lead.clone(),
        fields: vec![
            number("aircraft", false, 1, 999),
            text("corridor", false),
            time("closes", false),
            text("from", false),
            text("load", false),
            time("opens", false),
            text("slot", false),
            text("to", false),
        ],
        resources: vec![resource("corridor", &["corridor"], Some(("opens", "closes")))],
        ..kind("airlift", Lane::Immediate, 6 * HOUR_MS, roles, rule)
    };
    let alone = OutcomeRule { required: vec![Role::Lead], ..OutcomeRule::default() };
    vec![airlift, kind("closure", Lane::Flash, HOUR_MS / 2, roles, alone)]
}
