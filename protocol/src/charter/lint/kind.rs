//! Findings about one type of operation: who may do what in it, and what its rule asks for.

use std::collections::BTreeSet;

use super::Lints;
use crate::charter::rule::Fallback;
use crate::charter::term::{Measure, Terms};
use crate::charter::text::all_of;
use crate::charter::{Charter, OperationType, PartnerName};
use crate::record::Role;

pub(super) fn operation(charter: &Charter, kind: &OperationType, lints: &mut Lints) {
    let name = &kind.name;
    let before = lints.errors();
    if kind.window_ms == 0 {
        lints.error(format!("{name}: the window is zero, so nobody can attest"));
    }
    for partner in named(kind) {
        if charter.partner(partner.as_str()).is_none() {
            lints.error(format!("{name}: {partner} is no partner of this charter"));
        }
    }
    if kind.openers().is_empty() {
        lints.error(format!("{name}: nobody has a role that opens, so nobody can open one"));
    }
    roles(charter, kind, lints);
    substitutes(kind, lints);
    let (errors_of_body, notes) = kind.schema().lint();
    errors_of_body.into_iter().for_each(|what| lints.error(format!("{name}: {what}")));
    notes.into_iter().for_each(|what| lints.note(format!("{name}: {what}")));
    for partner in kind.may_raise.iter().filter(|partner| kind.openers().binary_search(partner).is_err()) {
        lints.error(format!("{name}: {partner} may raise the precedence on opening, but may not open"));
    }
    if let Some(capability) = &kind.may_raise_with
        && !kind.openers().iter().any(|partner| charter.is_capable(partner, capability))
    {
        lints.error(format!(
            "{name}: who has {capability} may raise the precedence on opening, and nobody that may open has it"
        ));
    }
    requirements(kind, lints);
    vetoes(kind, lints);
    if lints.errors() == before {
        super::fallback::fallback(kind, lints);
    }
    super::course::course(charter, kind, lints);
    if lints.errors() == before {
        super::reach::reach(charter, kind, lints);
    }
}

/// Everybody whom a type names.
fn named(kind: &OperationType) -> BTreeSet<&PartnerName> {
    let rule = &kind.rule;
    fn terms(terms: &Terms) -> Vec<&PartnerName> {
        terms.thresholds().into_iter().flat_map(|one| &one.partners).collect()
    }
    let lesser = match &rule.fallback {
        Fallback::Lesser(lesser) => terms(&lesser.all_of),
        Fallback::Escalate(to) => vec![to],
        Fallback::Fail | Fallback::Defer | Fallback::Authority(_) => vec![],
    };
    kind.all_roles()
        .flat_map(|role| kind.eligible(role))
        .chain(&rule.veto.partners)
        .chain(&kind.may_raise)
        .chain(rule.weights.iter().map(|weight| &weight.partner))
        .chain(rule.substitutes.iter().flat_map(|it| it.by.iter().chain([&it.partner])))
        .chain(terms(&rule.all_of))
        .chain(lesser)
        .collect()
}

/// Weights that nothing counts.
fn weights(kind: &OperationType, lints: &mut Lints) {
    let lesser = match &kind.rule.fallback {
        Fallback::Lesser(lesser) => lesser.all_of.thresholds(),
        _ => vec![],
    };
    let of_leases = kind.leases.iter().flat_map(|lease| lease.all_of.thresholds());
    let mut all = kind.rule.all_of.thresholds().into_iter().chain(lesser).chain(of_leases);
    if !kind.rule.weights.is_empty() && !all.any(|one| matches!(one.measure, Measure::Weight(_))) {
        lints.warning(format!(
            "{}: partners are given weights, and nothing in its rule counts weight",
            kind.name
        ));
    }
}

fn roles(charter: &Charter, kind: &OperationType, lints: &mut Lints) {
    let (name, rule) = (&kind.name, &kind.rule);
    let required = rule.required.iter().map(|role| (*role, "required"));
    let counted = rule.at_least.iter().map(|least| (least.role, "counted"));
    let vetoing = rule.veto.roles.iter().map(|role| (*role, "given a veto"));
    let stood_in = rule.substitutes.iter().map(|it| (it.role, "stood in for"));
    let lesser = match &rule.fallback {
        Fallback::Lesser(lesser) => lesser.all_of.thresholds(),
        _ => vec![],
    };
    let terms = rule.all_of.thresholds().into_iter().chain(lesser);
    let terms = terms.filter_map(|threshold| threshold.role.map(|role| (role, "counted")));
    let mut said = BTreeSet::new();
    for (role, what) in required.chain(counted).chain(vetoing).chain(stood_in).chain(terms) {
        if kind.counts(role) || !said.insert((role, what)) {
            continue;
        }
        lints.error(if role == Role::Observing {
            format!("{name}: observing is {what}, but observers never count")
        } else if kind.declared(role).is_none() {
            format!("{name}: {role} is {what}, but this type declares no such role")
        } else {
            format!("{name}: {role} is {what}, but its declaration says that it does not count")
        });
    }
    shares(kind, lints);
    weights(kind, lints);
    for least in &rule.at_least {
        if least.count == 0 {
            lints.error(format!("{name}: at least 0 of {} says nothing; leave it out", least.role));
        }
    }
    for declared in &kind.roles {
        let Some(capability) = &declared.requires else { continue };
        for partner in declared.partners.iter().filter(|partner| !charter.is_capable(partner, capability)) {
            lints.error(format!(
                "{name}: {} requires {capability}, which the charter does not attest to {partner}",
                declared.name
            ));
        }
    }
}

/// A share of those present has no clear meaning where speaking in another role makes somebody absent.
fn shares(kind: &OperationType, lints: &mut Lints) {
    let lesser = match &kind.rule.fallback {
        Fallback::Lesser(lesser) => lesser.all_of.thresholds(),
        _ => vec![],
    };
    let shares = kind.rule.all_of.thresholds().into_iter().chain(lesser);
    let mut said = BTreeSet::new();
    for role in shares.filter(|one| matches!(one.measure, Measure::Percent(_))).filter_map(|one| one.role) {
        for partner in kind.eligible(role).iter().filter(|partner| kind.voices_of(partner).count() > 1) {
            if said.insert((role, partner)) {
                lints.error(format!(
                    "{}: a share of those present of {role} is asked for, but {partner} has another role that counts",
                    kind.name
                ));
            }
        }
    }
}

fn substitutes(kind: &OperationType, lints: &mut Lints) {
    let name = &kind.name;
    let mut places = BTreeSet::new();
    for it in &kind.rule.substitutes {
        if !kind.holds(&it.partner, it.role) {
            lints.error(format!(
                "{name}: {} is stood in for as {}, a role that it does not have",
                it.partner, it.role
            ));
        }
        if kind.voices_of(&it.partner).count() > 1 {
            lints.error(format!(
                "{name}: {} is stood in for as {}, but has another role that counts: whether it is away there could not be told",
                it.partner, it.role
            ));
        }
        for by in &it.by {
            if kind.holds(by, it.role) {
                lints.error(format!(
                    "{name}: {by} would stand in as {} for {}, but has that role itself: one partner has one voice",
                    it.role, it.partner
                ));
            } else if !places.insert((it.role, by)) {
                lints.error(format!(
                    "{name}: {by} would stand in as {} for more than one partner: one partner has one voice",
                    it.role
                ));
            }
        }
    }
}

fn requirements(kind: &OperationType, lints: &mut Lints) {
    let name = &kind.name;
    let rule = &kind.rule;
    for role in kind.counting_roles() {
        let need = rule.needed(role) as usize;
        let eligible = kind.eligible(role);
        if need > 0 && eligible.is_empty() {
            lints.error(format!(
                "{name}: {role} must endorse, but nobody is eligible; it can never be agreed"
            ));
        } else if need > eligible.len() {
            lints.error(format!(
                "{name}: needs {need} of {role}, but only {} may be; it can never be agreed",
                all_of(eligible)
            ));
        }
    }
    let own = kind.counting_roles().flat_map(|role| kind.eligible(role)).collect::<BTreeSet<_>>();
    if rule.quorum as usize > own.len() {
        let can = own.len();
        lints.error(format!(
            "{name}: a quorum of {}, and {can} can speak; it can never be agreed",
            rule.quorum
        ));
    }
    let asks_nothing = rule.quorum == 0 && rule.ways().iter().any(Vec::is_empty);
    if asks_nothing && rule.veto.partners.is_empty() && rule.veto.roles.is_empty() {
        lints.error(format!("{name}: the outcome rule requires nothing"));
    }
}

fn vetoes(kind: &OperationType, lints: &mut Lints) {
    let name = &kind.name;
    for partner in &kind.rule.veto.partners {
        if !kind.has_voice(partner) {
            lints.error(format!(
                "{name}: {partner} has a veto but no role that counts, so it can never use it"
            ));
        }
    }
    for role in &kind.rule.veto.roles {
        if kind.counts(*role) && kind.eligible(*role).is_empty() {
            lints.error(format!("{name}: {role} has a veto, but nobody is eligible; nobody can use it"));
        }
    }
}
