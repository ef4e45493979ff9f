//! A movement control centre leads, nations with columns support, the last observes.

use super::{HOUR_MS, Roles, kind, number, resource, text, time};
use crate::charter::{Fallback, Measure, OperationType, OutcomeRule, Term, Terms, Threshold};
use crate::lane::Lane;
use crate::record::Role;

/// `convoy`: more than half of those who answer endorse, and two at least answer; else the centre decides. A stretch of road at one time is
/// for one column: the first that is opened has it. `hold`: the centre alone stops all movement, at once.
pub(super) fn types(roles: &Roles) -> Vec<OperationType> {
    let share = Threshold { role: Some(Role::Supporting), partners: vec![], measure: Measure::Percent(51) };
    let alone = || OutcomeRule { required: vec![Role::Lead], ..OutcomeRule::default() };
    let rule = match roles.supporting.len() {
        0 => alone(),
        count => OutcomeRule {
            all_of: Terms(vec![Term::Threshold(share)]),
            quorum: if count > 1 { 2 } else { 1 },
            fallback: roles.lead.first().map_or(Fallback::Fail, |lead| Fallback::Escalate(lead.clone())),
            ..OutcomeRule::default()
        },
    };
    let convoy = OperationType {
        may_raise: roles.lead.clone(),
        fields: vec![
            time("from", true),
            text("route", true),
            time("until", true),
            number("vehicles", false, 1, 9999),
        ],
        resources: vec![resource("route", &["route"], Some(("from", "until")))],
        ..kind("convoy", Lane::Priority, 4 * HOUR_MS, roles, rule)
    };
    vec![convoy, kind("hold", Lane::Flash, HOUR_MS / 2, roles, alone())]
}
