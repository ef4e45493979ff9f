//! What is lost with partners that are gone. They have no voice any more, and places and vetoes that the charter gives them stay theirs: who
//! is gone is as one that is silent for good. Only others may stand in for it, where the rule says so.

use std::collections::BTreeSet;

use super::Lints;
use super::authority::lacks_voices;
use crate::authority::Registry;
use crate::charter::text::{all_of, either};
use crate::charter::{AuthorityName, Charter, Effect, Fallback, OperationType, Partner, PartnerName};
use crate::coalition::outcome::{Against, lacks_without};

pub(super) fn look(charter: &Charter, gone: &BTreeSet<PartnerName>, lints: &mut Lints) {
    let gone = charter.members().map(|partner| &partner.name).filter(|name| gone.contains(*name));
    let gone = gone.collect::<Vec<_>>();
    if gone.is_empty() {
        return;
    }
    let registry = charter.first_registry().ok();
    for kind in &charter.operations {
        if kind.effect.is_some_and(|effect| effect != Effect::Amend) {
            membership(charter, kind, &gone, lints);
        } else {
            operation(kind, &gone, lints);
        }
        if let Some(registry) = &registry {
            authority(charter, registry, kind, &gone, lints);
        }
        disputes(charter, kind, &gone, lints);
    }
    seats(charter, &gone, lints);
}

/// Whether the others can agree on it.
enum Left {
    /// By its rule.
    Whole,
    /// Not by its rule, which lacks this: by the fallback, which is said in words.
    Fallback(String, String),
    /// Never, because this is lacking.
    Nothing(String),
    /// Not told: too many choices between several roles.
    Unknown,
}

fn left(kind: &OperationType, gone: &[&PartnerName], lints: &mut Lints) -> Left {
    let rule = &kind.rule;
    if kind.openers().into_iter().all(|opener| gone.contains(&&opener)) {
        return Left::Nothing("nobody is left who may open one".into());
    }
    let against = Against { silent: gone.to_vec(), ..Against::default() };
    let ways = rule.ways();
    match lints.can(kind, &ways, rule.quorum, &against) {
        Some(true) => return Left::Whole,
        Some(false) => {}
        None => return Left::Unknown,
    }
    let lacks = lacks_without(kind, &ways, rule.quorum, gone);
    match &rule.fallback {
        Fallback::Escalate(to) if !gone.contains(&to) => {
            Left::Fallback(lacks, format!("the word of {to} alone decides"))
        }
        Fallback::Authority(to) => {
            Left::Fallback(lacks, format!("what the authority {to} says alone decides"))
        }
        Fallback::Lesser(lesser) => match lints.can(kind, &lesser.all_of.ways(), 0, &against) {
            Some(true) => {
                Left::Fallback(lacks, format!("it is agreed with limits at most ({})", lesser.limits))
            }
            Some(false) => Left::Nothing(lacks),
            None => Left::Unknown,
        },
        Fallback::Escalate(_) | Fallback::Fail | Fallback::Defer => Left::Nothing(lacks),
    }
}

fn operation(kind: &OperationType, gone: &[&PartnerName], lints: &mut Lints) {
    let name = &kind.name;
    let without = all_of(gone);
    match left(kind, gone, lints) {
        Left::Whole => partly(kind, gone, lints),
        Left::Fallback(lacks, then) => {
            lints.warning(format!("{name}: without {without} its rule can never be met, and {then}: {lacks}"));
        }
        Left::Nothing(lacks) => {
            lints.error(format!("{name}: without {without} it can never be agreed: {lacks}"));
        }
        Left::Unknown => lints.note(format!(
            "{name}: too many partners have several roles to try every choice; whether it can be agreed without {without} is not said"
        )),
    }
}

/// What is missed where the rule can be met.
fn partly(kind: &OperationType, gone: &[&PartnerName], lints: &mut Lints) {
    let name = &kind.name;
    for role in kind.counting_roles() {
        let eligible = kind.eligible(role);
        let stood_in = eligible.iter().any(|partner| !kind.rule.stand_ins(partner, role).is_empty());
        if !eligible.is_empty() && !stood_in && eligible.iter().all(|partner| gone.contains(&partner)) {
            lints.warning(format!("{name}: without {} nobody is left in the role {role}", all_of(eligible)));
        }
    }
    if let Fallback::Escalate(to) = &kind.rule.fallback
        && gone.contains(&to)
    {
        lints.warning(format!("{name}: what is left to the word of {to} expires"));
    }
    let vetoes = kind.veto_holders().into_iter().filter(|holder| gone.contains(holder)).collect::<Vec<_>>();
    if !vetoes.is_empty() {
        lints.note(format!(
            "{name}: with a veto holder gone ({}), agreement waits until the window ends",
            either(&vetoes)
        ));
    }
}

/// Whom a change concerns has no voice in it, so each case lacks one more. Of who is gone, one that is suspended can come back.
fn membership(charter: &Charter, kind: &OperationType, gone: &[&PartnerName], lints: &mut Lints) {
    let comes_back = kind.effect == Some(Effect::Reinstate);
    let subjects = charter.members().map(|partner| &partner.name);
    let subjects = subjects.filter(|name| comes_back || !gone.contains(name)).collect::<Vec<_>>();
    let mut never: Vec<(&PartnerName, String)> = Vec::new();
    for subject in subjects.iter().copied() {
        let kind = kind.without(subject);
        let gone = gone.iter().copied().filter(|name| *name != subject).collect::<Vec<_>>();
        if let Left::Nothing(lacks) = left(&kind, &gone, lints) {
            never.push((subject, lacks));
        }
    }
    let (name, without) = (&kind.name, all_of(gone));
    let Some((_, lacks)) = never.first() else { return };
    if never.iter().all(|(_, other)| other == lacks) && never.len() == subjects.len() {
        lints.error(format!("{name}: without {without} it can never be agreed: {lacks}"));
    } else {
        let cases = never.iter().map(|(subject, lacks)| format!("about {subject} ({lacks})"));
        let cases = either(&cases.collect::<Vec<_>>());
        lints.error(format!("{name}: without {without} it can never be agreed {cases}"));
    }
}

/// What partners say through authorities is lost with them, too, and what their roots sign.
fn authority(
    charter: &Charter,
    registry: &Registry,
    kind: &OperationType,
    gone: &[&PartnerName],
    lints: &mut Lints,
) {
    let is_gone = |partner: &&Partner| gone.contains(&&partner.name);
    let roots = charter.members().filter(is_gone).map(|partner| partner.root).collect::<BTreeSet<_>>();
    let lacks = |name: &AuthorityName| lacks_voices(registry, name, &roots);
    let (name, without) = (&kind.name, all_of(gone));
    if let Some(needed) = &kind.authority
        && let Some(lacks) = lacks(needed)
    {
        lints.error(format!(
            "{name}: without {without} it can never be agreed: it needs {needed}, which {lacks}"
        ));
    }
    if let Some(to) = kind.rule.fallback.authority()
        && let Some(lacks) = lacks(to)
    {
        lints.warning(format!("{name}: without {without} what is left to {to} expires: it {lacks}"));
    }
}

fn disputes(charter: &Charter, kind: &OperationType, gone: &[&PartnerName], lints: &mut Lints) {
    let Some(rule) = &kind.dispute else { return };
    let here = |name: &&PartnerName| !gone.contains(name);
    let openers = charter.members().map(|partner| &partner.name).filter(here);
    let openers = openers.filter(|name| kind.acts(name)).collect::<Vec<_>>();
    let leads = kind.lead.iter().filter(here);
    let mut cases = leads.flat_map(|lead| openers.iter().map(move |opener| (lead, *opener))).peekable();
    let judged = |(lead, opener): (&PartnerName, &PartnerName)| {
        rule.judges(|partner| gone.contains(&partner) || partner == lead || partner == opener).is_some()
    };
    if cases.peek().is_some() && !cases.any(judged) {
        lints.warning(format!("{}: without {} no dispute has enough judges", kind.name, all_of(gone)));
    }
}

/// Who is gone keeps its seat, because seats do not change yet.
fn seats(charter: &Charter, gone: &[&PartnerName], lints: &mut Lints) {
    let all = charter.partners.len();
    let have = charter.partners.iter().map(|partner| &partner.name).filter(|name| gone.contains(name));
    let have = have.collect::<Vec<_>>();
    if have.len() > super::faulty(all) {
        let (keep, they) = if have.len() == 1 { ("keeps", "it stops") } else { ("keep", "they stop") };
        let seats = if all == 1 { "seat" } else { "seats" };
        lints.warning(format!(
            "{} {keep} {} of {all} {seats}: if {they} answering, nothing is ordered any more",
            all_of(&have),
            have.len()
        ));
    }
}
