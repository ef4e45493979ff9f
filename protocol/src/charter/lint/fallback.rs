//! Findings about what follows where a rule is not met: fallbacks that can never come to anything.

use super::{Lints, MAX_TRIES};
use crate::charter::{Fallback, Lesser, Measure, OperationType, Threshold};
use crate::coalition::outcome::{Against, implies, is_met_by, lacks};
use crate::record::Role;

pub(super) fn fallback(kind: &OperationType, lints: &mut Lints) {
    let (name, rule) = (&kind.name, &kind.rule);
    match &rule.fallback {
        Fallback::Escalate(to) if kind.roles_of(to).iter().all(|role| *role == Role::Observing) => {
            lints.error(format!(
                "{name}: escalates to {to}, which has no role but observing in it, so it can say nothing that decides"
            ));
        }
        Fallback::Escalate(to) if lints.is_for_people() && is_met_by(kind, &rule.ways(), rule.quorum, to) => {
            lints.warning(format!(
                "{name}: escalates to {to}, whose endorsement meets the rule by itself: whenever it is not met, that is because {to} \
                 has not endorsed, so all that this gives is one more window for {to}; escalate to another"
            ));
        }
        Fallback::Lesser(lesser) => self::lesser(kind, lesser, lints),
        Fallback::Escalate(_) | Fallback::Authority(_) | Fallback::Fail | Fallback::Defer => {}
    }
}

fn lesser(kind: &OperationType, lesser: &Lesser, lints: &mut Lints) {
    let (name, rule) = (&kind.name, &kind.rule);
    let ways = lesser.all_of.ways();
    if lints.can(kind, &ways, 0, &Against::default()) == Some(false) {
        let lacks = lacks(kind, &ways, 0);
        return lints.error(format!("{name}: the lesser outcome can never be met; {lacks}"));
    }
    let what = format!(
        "{name}: whatever meets the lesser outcome meets the rule, so it is never agreed with limits; ask for less in it"
    );
    // What only trying finds is no error: amendments are judged without.
    if asks_no_less(kind, &ways) {
        lints.error(what);
    } else if lints.is_for_people()
        && implies(kind, &ways, &rule.ways(), rule.quorum, MAX_TRIES) == Some(true)
    {
        lints.warning(what);
    }
}

/// Whether each way of the lesser outcome has, for each threshold of some way of the rule, one that asks for no less. A
/// comparison of what is written: what it says is so, and it may overlook some.
fn asks_no_less(kind: &OperationType, lesser: &[Vec<Threshold>]) -> bool {
    let (rule, ways) = (&kind.rule, kind.rule.ways());
    // Who is stood in for has said nothing itself.
    let spoken = |one: &Threshold| match one.measure {
        Measure::Count(count) => rule.substitutes.is_empty() && count >= rule.quorum,
        Measure::Weight(_) | Measure::Percent(_) => false,
    };
    lesser.iter().all(|way| {
        (rule.quorum == 0 || way.iter().any(spoken))
            && ways
                .iter()
                .any(|of_rule| of_rule.iter().all(|need| way.iter().any(|one| is_no_less(one, need))))
    })
}

fn is_no_less(one: &Threshold, other: &Threshold) -> bool {
    let role = other.role.is_none() || one.role == other.role;
    let inside = |named: &[_]| !named.is_empty() && named.iter().all(|name| other.partners.contains(name));
    let partners = other.partners.is_empty() || inside(&one.partners);
    role && partners
        && match (one.measure, other.measure) {
            (Measure::Count(more), Measure::Count(less)) | (Measure::Weight(more), Measure::Weight(less)) => {
                more >= less
            }
            // Of those present, one at least endorses.
            (Measure::Percent(_), Measure::Count(1)) => true,
            (Measure::Percent(more), Measure::Percent(less)) => {
                more >= less && one.role == other.role && one.partners == other.partners
            }
            _ => false,
        }
}
