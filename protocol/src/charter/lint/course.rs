//! What in handoffs, phases and disputes can never work.

use super::Lints;
use crate::charter::text::{all_of, either};
use crate::charter::{Charter, DisputeRule, OperationType, PartnerName};
use crate::record::Role;

pub(super) fn course(charter: &Charter, kind: &OperationType, lints: &mut Lints) {
    if kind.handoff.offer_ms == 0 {
        lints.error(format!(
            "{}: offers end at once (offer_ms is zero), so nothing can be handed over",
            kind.name
        ));
    }
    phases(charter, kind, lints);
    takeover(charter, kind, lints);
    if let Some(rule) = &kind.dispute {
        dispute(charter, kind, rule, lints);
    }
}

fn phases(charter: &Charter, kind: &OperationType, lints: &mut Lints) {
    let name = &kind.name;
    for phase in &kind.phases {
        if phase.lead.is_empty() {
            lints.error(format!("{name}: nobody may lead the phase {}", phase.name));
        }
        for partner in phase.lead.iter().filter(|partner| !kind.holds(partner, Role::Lead)) {
            lints
                .error(format!("{name}: {partner} may lead the phase {}, but not {name} itself", phase.name));
        }
        if let Some(successor) = &phase.successor {
            if charter.partner(successor.as_str()).is_none() {
                lints.error(format!("{name}: {successor} is no partner of this charter"));
            } else if phase.lead.binary_search(successor).is_err() {
                lints.error(format!(
                    "{name}: {successor} is to take over in the phase {}, but may not lead it",
                    phase.name
                ));
            }
            if kind.handoff.takeover.is_none() {
                lints.error(format!(
                    "{name}: the phase {} names a successor, but no takeover says when",
                    phase.name
                ));
            }
        }
    }
}

fn takeover(charter: &Charter, kind: &OperationType, lints: &mut Lints) {
    let Some(takeover) = &kind.handoff.takeover else { return };
    let (name, successor) = (&kind.name, &takeover.successor);
    if charter.partner(successor.as_str()).is_none() {
        lints.error(format!("{name}: {successor} is no partner of this charter"));
    } else if !kind.holds(successor, Role::Lead) {
        lints.error(format!("{name}: {successor} is to take over, but may not lead"));
    } else if kind.lead == [successor.clone()] {
        lints.error(format!("{name}: only {successor} may lead, so it has nobody to take over from"));
    }
    for phase in kind.phases.iter().filter(|phase| phase.successor.is_none()) {
        if kind.holds(successor, Role::Lead) && phase.lead.binary_search(successor).is_err() {
            lints.warning(format!(
                "{name}: {successor} may not lead the phase {}, so nobody can take over in it",
                phase.name
            ));
        }
    }
    match (takeover.silent_ms, takeover.lapsed) {
        (None, false) => lints.error(format!("{name}: no condition says when {successor} may take over")),
        (Some(0), _) => lints.error(format!("{name}: silence of no length is no condition to take over on")),
        _ => {}
    }
}

fn dispute(charter: &Charter, kind: &OperationType, rule: &DisputeRule, lints: &mut Lints) {
    let name = &kind.name;
    if kind.effect.is_some() {
        lints.error(format!(
            "{name}: what its agreement changes in the coalition is not undone by a ruling; leave its disputes out"
        ));
    }
    for (what, ms) in [("window_ms", rule.window_ms), ("rule_ms", rule.rule_ms)] {
        if ms == 0 {
            lints.error(format!("{name}: {what} of its disputes is zero, so there can be none"));
        }
    }
    if rule.remand_ms == Some(0) {
        lints.error(format!("{name}: a remanded operation takes attestations for no time at all"));
    }
    for judge in rule.panel.iter().filter(|judge| charter.partner(judge.as_str()).is_none()) {
        lints.error(format!("{name}: the judge {judge} is no partner of this charter"));
    }
    if rule.threshold == 0 {
        return lints.error(format!("{name}: no word at all would decide a dispute (threshold is zero)"));
    }
    if rule.threshold as usize > rule.panel.len() {
        return lints.error(format!(
            "{name}: {} equal words decide a dispute, but only {} may judge",
            rule.threshold,
            all_of(&rule.panel)
        ));
    }
    let openers: Vec<&PartnerName> =
        charter.members().map(|partner| &partner.name).filter(|name| kind.acts(name)).collect();
    let cases = kind.lead.iter().flat_map(|lead| openers.iter().map(move |opener| (lead, *opener)));
    let judged = |(lead, opener): &(&PartnerName, &PartnerName)| {
        rule.judges(|partner| partner == *lead || partner == *opener).is_some()
    };
    let (can, cannot): (Vec<_>, Vec<_>) = cases.partition(judged);
    if can.is_empty() && !cannot.is_empty() {
        lints.error(format!(
            "{name}: no dispute has enough judges: whoever leads ({}) or opens it is a party; add judges",
            either(&kind.lead)
        ));
    } else if let Some((lead, opener)) = cannot.first() {
        lints.warning(format!(
            "{name}: if {lead} leads, {opener} cannot open a dispute: too few judges are no party; add one"
        ));
    }
}
